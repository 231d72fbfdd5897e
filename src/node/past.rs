//! What a node may assume of its past: whether anything that it told the world can be missing from
//! its log. Pure; `boot` acts on the answer.

use crate::event_store::{Control, Durability};
use crate::types::Position;

/// What is known when a node starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a> {
    /// The control file's last word, if there is one.
    pub(super) control: Option<&'a Control>,
    /// Whether the command log holds no frame.
    pub(super) log_is_empty: bool,
    /// Whether the machine was started since the control file was written.
    pub(super) rebooted: bool,
    pub(super) durability: Durability,
    /// The operator knows that something is gone and wants to begin anew.
    pub(super) new_incarnation: bool,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// There is none: a market is applied, and its first day begins.
    None,
    /// Everything that was ever committed is in the log.
    Whole,
    /// Commits of the last moments before the machine went down may be gone. Brokers and subscribers
    /// have seen numbers that would be given again, so the day must go on under another session id.
    MaybeCut,
}

/// Why there can be no start without the operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The log was durable up to this position, and now there is none.
    Log(Position),
    /// There is a log, and no control file.
    Control,
}

/// Judges the past.
pub(super) fn judge(evidence: Evidence<'_>) -> Result<Past, Gone> {
    let Evidence { control, log_is_empty, rebooted, durability, new_incarnation } = evidence;
    match control {
        None if log_is_empty => Ok(Past::None),
        None if new_incarnation => Ok(Past::MaybeCut),
        None => Err(Gone::Control),
        Some(known) if log_is_empty => {
            let was_durable = known.durable > Position::FIRST;
            if was_durable && !new_incarnation {
                Err(Gone::Log(known.durable))
            } else {
                Ok(Past::None)
            }
        }
        Some(_) if new_incarnation => Ok(Past::MaybeCut),
        // An orderly stop makes the log durable, and `disk` makes it so before each commit. A killed
        // process leaves the page cache, which only a reboot takes away.
        Some(known) if known.clean || !rebooted || durability == Durability::Disk => {
            Ok(Past::Whole)
        }
        Some(_) => Ok(Past::MaybeCut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURABLE: Control = Control {
        term: 3,
        vote: 0,
        node: 1,
        incarnation: 0,
        boot_id: [0; 16],
        durable: Position(4_096),
        durable_sequence: 9,
        clean: false,
    };

    fn evidence(control: Option<&Control>) -> Evidence<'_> {
        Evidence {
            control,
            log_is_empty: false,
            rebooted: false,
            durability: Durability::Memory,
            new_incarnation: false,
        }
    }

    #[test]
    fn a_killed_process_leaves_everything() {
        assert_eq!(judge(evidence(Some(&DURABLE))), Ok(Past::Whole));
    }

    #[test]
    fn a_machine_that_went_down_may_take_commits_in_memory_with_it() {
        let down = Evidence { rebooted: true, ..evidence(Some(&DURABLE)) };
        assert_eq!(judge(down), Ok(Past::MaybeCut));
        assert_eq!(judge(Evidence { durability: Durability::Disk, ..down }), Ok(Past::Whole));
        let stopped = Control { clean: true, ..DURABLE };
        assert_eq!(judge(Evidence { control: Some(&stopped), ..down }), Ok(Past::Whole));
    }

    #[test]
    fn a_log_that_was_durable_and_is_gone_needs_the_operators_word() {
        let gone = Evidence { log_is_empty: true, ..evidence(Some(&DURABLE)) };
        assert_eq!(judge(gone), Err(Gone::Log(Position(4_096))));
        assert_eq!(judge(Evidence { new_incarnation: true, ..gone }), Ok(Past::None));
        let in_memory = Control { durable: Position::FIRST, ..DURABLE };
        assert_eq!(judge(Evidence { control: Some(&in_memory), ..gone }), Ok(Past::None));
    }

    #[test]
    fn a_log_without_its_control_file_needs_the_operators_word() {
        assert_eq!(judge(evidence(None)), Err(Gone::Control));
        let known = Evidence { new_incarnation: true, ..evidence(None) };
        assert_eq!(judge(known), Ok(Past::MaybeCut));
        assert_eq!(judge(Evidence { log_is_empty: true, ..evidence(None) }), Ok(Past::None));
    }
}
