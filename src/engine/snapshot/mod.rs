//! Snapshots: all that the next command needs, as bytes.
//!
//! Taken between two command frames. An engine that is made of them goes on as the one that was asked:
//! the same commands give the same events, to the byte.
//!
//! The bytes are canonical: nothing in them tells where things lie in memory, which handles are free, or
//! how an index is keyed, so equal states have equal bytes on every machine, whether they came to be by
//! commands alone or by an older snapshot and the commands since. The full-state hash is theirs.
//!
//! Behind the format number and the venue's limits they hold, each in the order in which it matters:
//!
//! | part | what |
//! |---|---|
//! | engine | version of the logic, day, log time, sequence, samples of the state hash |
//! | definitions | currencies, firms with their switch and fees, accounts with their last orders, instruments with phase and prices, ports with session, requests, user reference numbers and rates |
//! | wallet | balances, what is held of them, what was done of each today, supplies |
//! | firms' activity | what the accounts of each firm did today, together |
//! | limits | what was set |
//! | fees, references | where fees go; transfers of two days |
//! | busts | the prints of the day that are over |
//! | events | end of the event log, each port's, firm's and the feed's last number and place |
//! | timers | grace of ports, calendar, auctions |
//! | books | by instrument, section and side, the orders in the order in which they would trade |
//!
//! What only counts for whoever looks, as [`EngineCounters`](super::EngineCounters), is not in them.
//!
//! Reading checks everything that another part relies on, and at last that the engine would write the
//! same bytes again. So bytes that were damaged, or made up, are an error: never a panic, and never an
//! engine that commands could not have made.

mod orders;

use xxhash_rust::xxh3::xxh3_64;

use super::due::Deadlines;
use super::phases::{AUCTION_MS_MAX, BAND_BPS_MAX, Phases, owner};
use super::state_hash::Samples;
use super::{Capacity, Day, Engine, IndexSeed, VERSION_MAX};
use crate::types::command::VenueLimits;
use crate::types::{
    Date, Phase, PortKind, SnapshotError, SnapshotReader, SnapshotWriter, consistent,
};

/// The format that this version writes and reads. Raised with every change of what a snapshot holds.
pub const SNAPSHOT_FORMAT: u16 = 7;

impl Engine {
    /// The state behind the last command frame, as bytes.
    ///
    /// ```
    /// # use rialto::engine::{Capacity, CommandFrames, Engine, FrameList, IndexSeed};
    /// # use rialto::types::Nanos;
    /// # let limits = Capacity::SMALL.limits(1 << 20);
    /// # let mut commands = CommandFrames::new();
    /// # commands.push(&limits);
    /// let mut engine = Engine::new(&limits, IndexSeed::new([1; 16]));
    /// # let (header, payload) = commands.seal(Nanos::SECOND);
    /// # engine.apply(&header, &payload, &mut FrameList::default()).unwrap();
    /// // ... commands, and then
    /// let bytes = engine.snapshot();
    /// let twin = Engine::from_snapshot(&bytes, &limits, IndexSeed::new([2; 16]))?;
    /// assert_eq!(twin.full_state_hash(), engine.full_state_hash());
    /// # Ok::<(), rialto::types::SnapshotError>(())
    /// ```
    ///
    /// # Panics
    /// If the last call of [`Engine::apply`] was an error: such an engine is of no more use.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = SnapshotWriter::default();
        self.write(&mut out);
        out.finish()
    }

    fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self {
            manager,
            books,
            events,
            deadlines,
            phases,
            limits,
            limits_set,
            version,
            day,
            last_day,
            // For whoever looks.
            counters: _,
            next_command,
            // Of the command being applied.
            sequence: _,
            now,
            samples,
            // Only its room is kept.
            behind: _,
            // Of tests.
            #[cfg(test)]
                guesses_wildly: _,
        } = self;
        out.put(&SNAPSHOT_FORMAT);
        out.put(&(Capacity::from(limits), limits.event_segment_bytes));
        out.put(&(limits_set, version, day, last_day, next_command, now));
        out.put(samples);
        manager.write(out);
        events.write(manager.ports.len(), manager.firms.len(), out);
        phases.write(out);
        deadlines.write(out);
        orders::write(manager, books, deadlines, out);
    }

    /// The engine that these bytes are a snapshot of, in a venue of these limits; the command log says
    /// which. Its indexes are keyed with `seed`, on which no outcome depends.
    ///
    /// # Errors
    /// [`SnapshotError`] for bytes that are none, of another version or of another venue.
    pub fn from_snapshot(
        bytes: &[u8],
        limits: &VenueLimits,
        seed: IndexSeed,
    ) -> Result<Self, SnapshotError> {
        let mut input = SnapshotReader::new(bytes);
        if read_venue(&mut input)? != (Capacity::from(limits), limits.event_segment_bytes) {
            return Err(SnapshotError::Limits);
        }
        let mut engine = Self::new(limits, seed);
        engine.restore(&mut input)?;
        let mut again = SnapshotWriter::comparing(bytes);
        engine.write(&mut again);
        consistent(again.is_as_expected(), "it says in other words what the state is")?;
        Ok(engine)
    }

    /// The limits of the venue that these bytes are a snapshot of.
    ///
    /// # Errors
    /// [`SnapshotError`] for bytes that are none, or of another version.
    pub fn limits_of_snapshot(bytes: &[u8]) -> Result<VenueLimits, SnapshotError> {
        let mut input = SnapshotReader::new(bytes);
        let (capacity, event_segment_bytes) = read_venue(&mut input)?;
        Ok(capacity.limits(event_segment_bytes))
    }

    /// The hash of [`Engine::snapshot`]: all that decides what comes next is in it. It costs as much as
    /// a snapshot; [`Engine::state_hash`] is for every day.
    #[must_use]
    pub fn full_state_hash(&self) -> u64 {
        full_state_hash(&self.snapshot())
    }

    /// Reads all but the limits into a new engine.
    fn restore(&mut self, input: &mut SnapshotReader<'_>) -> Result<(), SnapshotError> {
        (self.limits_set, self.version, self.day, self.last_day, self.next_command, self.now) =
            input.take()?;
        consistent((1..=VERSION_MAX).contains(&self.version), "a version that is not known")?;
        consistent((1..u64::MAX / 2).contains(&self.next_command), "no command is next")?;
        self.sequence = self.next_command - 1;
        self.samples = input.take::<Samples>()?;
        consistent(self.samples.are_sound(self.sequence), "samples of nothing")?;
        self.manager.read(input)?;
        self.manager.check_sessions(self.next_command, self.day.is_some())?;
        self.check_day()?;
        for row in self.manager.instruments.rows() {
            self.books.open(row.tick_size);
        }
        let (ports, firms) = (self.manager.ports.len(), self.manager.firms.len());
        self.events.read(ports, firms, self.now, input)?;
        self.manager.busts.check_before(self.events.next_sequence())?;
        self.read_timers(input)?;
        orders::read(self, input)?;
        let rows = self.manager.ports.rows();
        let sound = rows.iter().all(|port| {
            let is_closed = !port.is_up() && port.open_orders == 0;
            is_closed || self.events.has_numbers(port.id, port.firm)
        });
        consistent(sound, "a stream that is full and not closed")
    }

    fn check_day(&self) -> Result<(), SnapshotError> {
        let sound = self.day.is_none_or(|Day { date, midnight, session: _ }| {
            Date::from_number(date).is_some() && midnight <= self.now && self.last_day.0 == date
        });
        consistent(sound, "a day that cannot be")?;
        let rows = self.manager.instruments.rows();
        let rules = rows.iter().all(|row| {
            let trading = &row.trading;
            trading.band_bps <= BAND_BPS_MAX && trading.auction_ms <= AUCTION_MS_MAX
        });
        consistent(rules, "rules out of range")
    }

    /// The timers, and what they are for.
    fn read_timers(&mut self, input: &mut SnapshotReader<'_>) -> Result<(), SnapshotError> {
        self.phases.read(input)?;
        for timer in 0..=self.phases.timers.max() {
            let sound = !self.phases.timers.is_armed(timer) || self.may_fire(timer);
            consistent(sound, "a timer of nothing")?;
        }
        self.deadlines.read(input)?;
        for number in 0..=self.deadlines.grace.max() {
            let port = self.manager.ports.get(number);
            let absent =
                port.is_some_and(|port| port.kind == PortKind::OrderEntry && !port.is_up());
            consistent(absent || !self.deadlines.grace.is_armed(number), "the grace of nobody")?;
        }
        Ok(())
    }

    /// Whether a timer of the phases has something to do.
    fn may_fire(&self, timer: u32) -> bool {
        let Some((id, ends)) = owner(timer) else {
            return self.day.is_some() && self.phases.calendar.next(timer as usize).is_some();
        };
        let row = self.manager.instruments.get(id.0.into());
        let phase = row.map(|row| row.trading.phase).filter(|_| self.day.is_some());
        if ends {
            matches!(phase, Some(Phase::VolatilityAuction | Phase::ReopeningAuction))
        } else {
            phase.is_some_and(|phase| phase.cross().is_some())
        }
    }
}

/// The capacity and the event log's segment size, behind the format number.
fn read_venue(input: &mut SnapshotReader<'_>) -> Result<(Capacity, u64), SnapshotError> {
    let format = input.take()?;
    if format == SNAPSHOT_FORMAT { input.take() } else { Err(SnapshotError::Format(format)) }
}

/// The hash of a snapshot's bytes.
#[must_use]
pub fn full_state_hash(snapshot: &[u8]) -> u64 {
    xxh3_64(snapshot)
}

impl Phases {
    fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self { calendar, timers, auction: _, hours } = self;
        out.put(calendar);
        out.put(hours);
        timers.write(out);
    }

    fn read(&mut self, input: &mut SnapshotReader<'_>) -> Result<(), SnapshotError> {
        self.calendar = input.take()?;
        consistent(self.calendar.is_sound(), "a calendar out of range")?;
        self.hours = input.take()?;
        self.timers.read(input)
    }
}

impl Deadlines {
    fn write(&self, out: &mut SnapshotWriter<'_>) {
        // Those of orders are written with them.
        let Self { grace, expiry: _ } = self;
        grace.write(out);
    }

    fn read(&mut self, input: &mut SnapshotReader<'_>) -> Result<(), SnapshotError> {
        self.grace.read(input)
    }
}
