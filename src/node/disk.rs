//! The disk of the logs as it fills up: before there is no room for a cancel any more, the leader takes no
//! new orders, and then hands over to a node with more room. Looks and proposes; what holds, the log says.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::{info, warn};
use zerocopy::FromZeros as _;

use crate::agent::real_time;
use crate::config::Logs;
use crate::ring::Producer;
use crate::sys::file::used_percent;
use crate::types::command::{CommandHeader, DisableEntry, EnableEntry};
use crate::types::event::EntrySwitched;
use crate::types::{FirmCode, Record};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// New orders are taken again when so much less is in use: not for every segment that goes.
const RELIEF_PERCENT: u64 = 5;

/// Looks after the disk.
#[derive(Debug)]
pub(super) struct DiskGuard {
    directory: PathBuf,
    refuse_at: u64,
    leave_at: u64,
    proposals: Producer,
    /// Whether nobody's new orders are taken, by the event log.
    refuses: bool,
    looked_at: Option<Instant>,
}

impl DiskGuard {
    /// Of `logs`, whose last word on new orders is `refuses`.
    pub(super) fn new(logs: &Logs, proposals: Producer, refuses: bool) -> Self {
        Self {
            directory: logs.directory.clone(),
            refuse_at: logs.refuse_orders_percent.into(),
            leave_at: logs.hand_over_percent.into(),
            proposals,
            refuses,
            looked_at: None,
        }
    }

    /// Learns what holds from the event log.
    pub(super) fn note(&mut self, switched: &EntrySwitched) {
        if switched.header.port.is_none() {
            self.refuses = switched.enabled == 0;
        }
    }

    /// Looks, if it is time, and has what should hold proposed, if this node leads. Returns whether it should
    /// rather not.
    pub(super) fn look(&mut self, leads: bool) -> bool {
        if !leads || self.looked_at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return false;
        }
        self.looked_at = Some(Instant::now());
        let used = match used_percent(&self.directory) {
            Ok(used) => used,
            Err(error) => {
                warn!(%error, directory = %self.directory.display(), "cannot ask how full the disk is");
                return false;
            }
        };
        match self.wanted(used) {
            Some(true) => {
                warn!(used, "the disk of the logs is nearly full: no new orders are taken");
                self.propose::<DisableEntry>();
            }
            Some(false) => {
                info!(used, "the disk of the logs has room again: new orders are taken");
                self.propose::<EnableEntry>();
            }
            None => {}
        }
        used >= self.leave_at
    }

    /// Whether new orders should be refused from now on, if that is not what holds.
    fn wanted(&self, used: u64) -> Option<bool> {
        let threshold =
            self.refuse_at.saturating_sub(if self.refuses { RELIEF_PERCENT } else { 0 });
        let wanted = used >= threshold;
        (wanted != self.refuses).then_some(wanted)
    }

    /// Proposes a switch for everybody. If there is no room for it, the next look proposes it.
    fn propose<T: Switch>(&mut self) {
        let switch = T::for_all(CommandHeader::internal::<T>(real_time()));
        let _waits_for_the_next_look = self.proposals.push(switch.lines());
    }
}

/// A command that switches the entry of orders.
trait Switch: Record {
    fn for_all(header: CommandHeader) -> Self;
}

impl Switch for DisableEntry {
    fn for_all(header: CommandHeader) -> Self {
        Self { header, firm: FirmCode::BLANK, ..Self::new_zeroed() }
    }
}

impl Switch for EnableEntry {
    fn for_all(header: CommandHeader) -> Self {
        Self { header, firm: FirmCode::BLANK, ..Self::new_zeroed() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ring::ring;
    use crate::types::RECORD_LINES_MAX;
    use crate::types::command::Command;

    fn guard(refuse_at: u64, leave_at: u64) -> (DiskGuard, crate::ring::Consumer) {
        let (proposals, proposed) = ring(16, RECORD_LINES_MAX);
        let directory = Path::new("/").to_owned();
        let guard = DiskGuard {
            directory,
            refuse_at,
            leave_at,
            proposals,
            refuses: false,
            looked_at: None,
        };
        (guard, proposed)
    }

    #[test]
    fn orders_are_refused_from_the_threshold_on_and_taken_again_well_below_it() {
        let (mut guard, _) = guard(90, 95);
        assert_eq!([89, 90].map(|used| guard.wanted(used)), [None, Some(true)]);
        guard.refuses = true;
        assert_eq!(
            [100, 90, 85, 84].map(|used| guard.wanted(used)),
            [None, None, None, Some(false)]
        );
    }

    #[test]
    fn who_leads_proposes_until_the_log_says_that_it_holds() {
        let (mut guard, mut proposed) = guard(0, 101);
        assert!(!guard.look(false));
        assert!(proposed.peek().is_none(), "who follows leaves that to the leader");
        for _ in 0..2 {
            guard.looked_at = None;
            assert!(!guard.look(true));
            let command = Command::parse(proposed.peek().unwrap());
            assert!(matches!(command, Ok(Command::DisableEntry(d)) if d.header.port.is_none()));
            proposed.pop();
        }
        guard.note(&EntrySwitched { enabled: 0, ..EntrySwitched::new_zeroed() });
        guard.looked_at = None;
        assert!(!guard.look(true));
        assert!(proposed.peek().is_none());
        guard.leave_at = 0;
        assert!(!guard.look(true), "it has just looked");
        guard.looked_at = None;
        assert!(guard.look(true));
    }
}
