//! What a node may assume of its past: whether anything that it told the world can be missing from
//! its log. Pure; `boot` acts on the answer.

use crate::event_store::{Control, Durability, Known};
use crate::sequencer::UNSYNCED_BYTES_MAX;
use crate::sys::file::BootId;
use crate::types::Position;

/// What a control file says of the command log of a node that does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLogPast {
    /// What its next writer knows of it.
    pub known: Known,
    /// Whether the machine went down with commits that were in memory only: those behind the durable
    /// position may be gone, and nothing in the log shows it.
    pub may_be_cut: bool,
}

impl CommandLogPast {
    /// What `control` says in the boot of this number.
    #[must_use]
    pub fn new(control: &Control, boot: BootId) -> Self {
        let evidence = Evidence {
            control: Some(control),
            log_is_empty: false,
            rebooted: control.boot_id != boot,
            new_incarnation: false,
        };
        Self {
            known: Known { durable: control.durable, unsynced: unsynced(evidence) },
            may_be_cut: judge(evidence) == Ok(Past::MaybeCut),
        }
    }
}

/// What is known when a node starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a> {
    /// The control file's last word, if there is one.
    pub(super) control: Option<&'a Control>,
    /// Whether the command log holds no frame.
    pub(super) log_is_empty: bool,
    /// Whether the machine was started since the control file was written.
    pub(super) rebooted: bool,
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
    let Evidence { control, log_is_empty, rebooted, new_incarnation } = evidence;
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
        // What was cut stays cut until the day goes on under another session, however often a start
        // fails before.
        Some(known) if new_incarnation || known.cut => Ok(Past::MaybeCut),
        // An orderly stop makes the log durable, and `disk` makes it so before each commit. A killed
        // process leaves the page cache, which only a reboot takes away.
        Some(known) if known.clean || !rebooted || known.durability == Durability::Disk => {
            Ok(Past::Whole)
        }
        Some(_) => Ok(Past::MaybeCut),
    }
}

/// Bytes at the end of the command log whose pages may have come to the disk in no order: see
/// [`Options::unsynced`](crate::event_store::Options::unsynced).
pub(super) fn unsynced(evidence: Evidence<'_>) -> u64 {
    if evidence.new_incarnation {
        // The operator takes what is left: up to the first damage, whatever lies behind it.
        return u64::MAX;
    }
    match evidence.control {
        Some(known) if evidence.rebooted && !known.clean => match known.durability {
            Durability::Memory => u64::MAX,
            Durability::Disk => UNSYNCED_BYTES_MAX,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_store::{MEMBERS_MAX, MemberRecord};
    use crate::types::SessionId;

    const NOBODY: MemberRecord = MemberRecord { host: 0, incarnation: 0, roles: 0 };

    const DURABLE: Control = Control {
        term: 3,
        vote: 0,
        node: 1,
        incarnation: 0,
        boot_id: [0; 16],
        durable: Position(4_096),
        durable_sequence: 9,
        clean: false,
        cut: false,
        durability: Durability::Memory,
        session: SessionId::BLANK,
        members: [NOBODY; MEMBERS_MAX],
        members_index: 0,
    };

    fn evidence(control: Option<&Control>) -> Evidence<'_> {
        Evidence { control, log_is_empty: false, rebooted: false, new_incarnation: false }
    }

    #[test]
    fn a_killed_process_leaves_everything() {
        assert_eq!(judge(evidence(Some(&DURABLE))), Ok(Past::Whole));
    }

    #[test]
    fn a_machine_that_went_down_may_take_commits_in_memory_with_it() {
        let down = Evidence { rebooted: true, ..evidence(Some(&DURABLE)) };
        assert_eq!(judge(down), Ok(Past::MaybeCut));
        // The mode it ran in counts, not the one it is started with.
        let on_disk = Control { durability: Durability::Disk, ..DURABLE };
        let on_disk = Evidence { control: Some(&on_disk), ..down };
        assert_eq!(judge(on_disk), Ok(Past::Whole));
        let stopped = Control { clean: true, ..DURABLE };
        let stopped = Evidence { control: Some(&stopped), ..down };
        assert_eq!(judge(stopped), Ok(Past::Whole));

        // How much of the end may have holes.
        assert_eq!(unsynced(down), u64::MAX);
        assert_eq!(unsynced(on_disk), UNSYNCED_BYTES_MAX);
        let whole = [stopped, evidence(Some(&DURABLE)), evidence(None)];
        assert_eq!(whole.map(unsynced), [0; 3]);
        assert_eq!(unsynced(Evidence { new_incarnation: true, ..evidence(None) }), u64::MAX);
    }

    #[test]
    fn what_was_cut_stays_cut_until_it_is_mended() {
        let cut = Control { cut: true, ..DURABLE };
        assert_eq!(judge(evidence(Some(&cut))), Ok(Past::MaybeCut));
        let stopped = Control { clean: true, ..cut };
        assert_eq!(judge(evidence(Some(&stopped))), Ok(Past::MaybeCut));
        let empty = Control { durable: Position::FIRST, ..cut };
        let empty = Evidence { log_is_empty: true, ..evidence(Some(&empty)) };
        assert_eq!(judge(empty), Ok(Past::None));
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
