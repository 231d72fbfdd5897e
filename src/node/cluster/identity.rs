//! Which life of its host a node is in. Who may have lost what it acknowledged comes back as another, which
//! was asked for nothing yet: the old one could vote against its own word. Pure; `boot` acts on the answer.

use crate::event_store::{Control, Durability};
use crate::node::past::Gone;
use crate::types::{Nanos, Position};

/// What is known when a node of a cluster starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a> {
    /// The control file's last word, if there is one.
    pub(super) control: Option<&'a Control>,
    /// Whether the command log holds no frame.
    pub(super) log_is_empty: bool,
    /// Whether the machine was started since the control file was written.
    pub(super) rebooted: bool,
    /// The operator knows that something is gone.
    pub(super) new_incarnation: bool,
    /// The time.
    pub(super) now: Nanos,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// The node is who it was, and has all that it acknowledged.
    Goes(u32),
    /// It is another than before, and knows nothing of what that one said.
    Begins(u32),
}

impl Life {
    /// Its number.
    pub(super) const fn incarnation(self) -> u32 {
        match self {
            Self::Goes(incarnation) | Self::Begins(incarnation) => incarnation,
        }
    }
}

/// Says which life begins or goes on. Who remembers none takes the time for a number: it is higher than any
/// that was counted up from an earlier time.
///
/// # Errors
/// What is gone, if the operator should rather look for it.
pub(super) fn life(evidence: Evidence<'_>) -> Result<Life, Gone> {
    let Evidence { control, log_is_empty, rebooted, new_incarnation, now } = evidence;
    let Some(known) = control else {
        let first = u32::try_from(now.second()).unwrap_or(u32::MAX);
        return if log_is_empty || new_incarnation {
            Ok(Life::Begins(first))
        } else {
            Err(Gone::Control)
        };
    };
    let next = known.incarnation + 1;
    if new_incarnation {
        return Ok(Life::Begins(next));
    }
    if log_is_empty {
        // One that was never durable is gone with every restart of the machine.
        let was_durable = known.durable > Position::FIRST;
        return if was_durable { Err(Gone::Log(known.durable)) } else { Ok(Life::Begins(next)) };
    }
    let lost = rebooted && !known.clean && known.durability == Durability::Memory;
    Ok(if lost { Life::Begins(next) } else { Life::Goes(known.incarnation) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Control {
        Control { incarnation: 7, durable: Position(4_096), ..Control::default() }
    }

    fn evidence(control: Option<&Control>) -> Evidence<'_> {
        let now = Nanos::from_secs(1_800_000_000);
        Evidence { control, log_is_empty: false, rebooted: false, new_incarnation: false, now }
    }

    #[test]
    fn a_killed_process_comes_back_as_who_it_was() {
        assert_eq!(life(evidence(Some(&known()))), Ok(Life::Goes(7)));
    }

    #[test]
    fn who_lost_what_was_in_memory_comes_back_as_another() {
        let known = known();
        let down = Evidence { rebooted: true, ..evidence(Some(&known)) };
        assert_eq!(life(down), Ok(Life::Begins(8)));
        let on_disk = Control { durability: Durability::Disk, ..known };
        assert_eq!(life(Evidence { control: Some(&on_disk), ..down }), Ok(Life::Goes(7)));
        let stopped = Control { clean: true, ..known };
        assert_eq!(life(Evidence { control: Some(&stopped), ..down }), Ok(Life::Goes(7)));
        // A log in memory is gone with the machine, or with whoever removed it.
        let in_memory = Control { durable: Position::FIRST, clean: true, ..known };
        let gone = Evidence { log_is_empty: true, ..evidence(Some(&in_memory)) };
        assert_eq!(life(gone), Ok(Life::Begins(8)));
    }

    #[test]
    fn what_was_durable_and_is_gone_needs_the_operators_word() {
        let known = known();
        let gone = Evidence { log_is_empty: true, ..evidence(Some(&known)) };
        assert_eq!(life(gone), Err(Gone::Log(Position(4_096))));
        assert_eq!(life(Evidence { new_incarnation: true, ..gone }), Ok(Life::Begins(8)));
        assert_eq!(life(evidence(None)), Err(Gone::Control));
    }

    #[test]
    fn who_remembers_nothing_is_later_than_whoever_it_was() {
        let blank = Evidence { log_is_empty: true, ..evidence(None) };
        assert_eq!(life(blank), Ok(Life::Begins(1_800_000_000)));
        let told = Evidence { new_incarnation: true, ..evidence(None) };
        assert_eq!(life(told), Ok(Life::Begins(1_800_000_000)));
    }
}
