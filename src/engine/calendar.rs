//! The calendar: which phase each group of instruments is in, at which time of the day.
//!
//! State like any other: it is set by commands, holds from the next day on, and reads no clock.

use serde::{Deserialize, Serialize};
use zerocopy::FromZeros as _;

use crate::types::command;
use crate::types::{Nanos, Phase, Refusal};

use super::DAY_LENGTH_MAX;

/// The schedules that are set, and those of the day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Calendar {
    set: Vec<Schedule>,
    /// A copy from the start of the day, and how far each has come.
    today: Vec<(Schedule, Nanos)>,
}

/// Groups that may have a schedule of their own, the rest of the venue included.
pub(super) const GROUPS_MAX: usize = 16;

/// The schedule of a group: times since local midnight, 0 = not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Schedule {
    /// An ITCH market category, 0 = all that have no schedule of their own.
    pub(super) group: u8,
    /// When orders for the opening become final.
    pub(super) opening_auction: Nanos,
    /// When trading begins.
    pub(super) open: Nanos,
    /// When orders are collected for the close.
    pub(super) closing_auction: Nanos,
    /// When trading ends.
    pub(super) close: Nanos,
}

impl Calendar {
    /// Sets or removes a group's schedule.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for times that do not rise or lack the opening or the close,
    /// [`Refusal::Unknown`] if there is none to remove, [`Refusal::Capacity`] for too many groups.
    pub(super) fn set(&mut self, command: &command::Calendar) -> Result<Schedule, Refusal> {
        let &command::Calendar { group, opening_auction, open, closing_auction, close, .. } =
            command;
        let schedule = Schedule { group, opening_auction, open, closing_auction, close };
        let place = self.set.iter().position(|other| other.group == group);
        if schedule.entries().next().is_none() {
            self.set.remove(place.ok_or(Refusal::Unknown)?);
            return Ok(schedule);
        }
        let times = schedule.entries().map(|(time, _)| time);
        let sound = open > Nanos::ZERO
            && close > Nanos::ZERO
            && close < DAY_LENGTH_MAX
            && times.is_sorted_by(|earlier, later| earlier < later);
        if !sound || !(group == 0 || group.is_ascii_graphic()) {
            return Err(Refusal::Invalid);
        }
        match place {
            Some(place) => self.set[place] = schedule,
            None if self.set.len() == GROUPS_MAX => return Err(Refusal::Capacity),
            None => self.set.push(schedule),
        }
        Ok(schedule)
    }

    /// Whether commands could have made it so.
    pub(super) fn is_sound(&self) -> bool {
        let Self { set, today } = self;
        let can_be_set = |schedules: &[Schedule]| {
            let mut calendar = Self::default();
            schedules.iter().all(|schedule| {
                let news = calendar.set.len() + 1;
                calendar.set(&schedule.command()).is_ok() && calendar.set.len() == news
            })
        };
        let today: Vec<_> = today.iter().map(|&(schedule, _)| schedule).collect();
        can_be_set(set) && can_be_set(&today)
    }

    /// Every schedule that is set, in the order in which their groups got one.
    pub(super) fn schedules(&self) -> &[Schedule] {
        &self.set
    }

    /// Begins a day at a time of it.
    pub(super) fn start_day(&mut self, time: Nanos) {
        self.today.clear();
        self.today.extend(self.set.iter().map(|&schedule| (schedule, time)));
    }

    /// Whether no schedule moves the day.
    pub(super) fn is_empty(&self) -> bool {
        self.today.is_empty()
    }

    /// The place of the schedule that an instrument of this category follows today.
    pub(super) fn slot(&self, category: u8) -> Option<usize> {
        let of = |group| self.today.iter().position(|(schedule, _)| schedule.group == group);
        of(category).or_else(|| of(0))
    }

    /// The phase of the day that a schedule has come to.
    pub(super) fn phase(&self, slot: usize) -> Phase {
        let (schedule, reached) = self.today[slot];
        let passed = schedule.entries().take_while(|&(time, _)| time <= reached);
        passed.last().map_or(Phase::PreOpen, |(_, phase)| phase)
    }

    /// When a schedule goes on.
    pub(super) fn next(&self, slot: usize) -> Option<Nanos> {
        let (schedule, reached) = self.today.get(slot)?;
        schedule.entries().map(|(time, _)| time).find(|time| time > reached)
    }

    /// Goes on to a schedule's next time, and returns its phase.
    pub(super) fn advance(&mut self, slot: usize) -> Option<Phase> {
        self.today[slot].1 = self.next(slot)?;
        Some(self.phase(slot))
    }
}

impl Schedule {
    /// The command that sets it.
    fn command(&self) -> command::Calendar {
        let &Self { group, opening_auction, open, closing_auction, close } = self;
        let blank = command::Calendar::new_zeroed();
        command::Calendar { opening_auction, open, closing_auction, close, group, ..blank }
    }

    fn entries(&self) -> impl Iterator<Item = (Nanos, Phase)> + use<> {
        let entries = [
            (self.opening_auction, Phase::OpeningAuction),
            (self.open, Phase::Continuous),
            (self.closing_auction, Phase::ClosingAuction),
            (self.close, Phase::Closed),
        ];
        entries.into_iter().filter(|&(time, _)| time > Nanos::ZERO)
    }
}
