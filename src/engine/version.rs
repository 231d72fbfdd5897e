//! The version of the logic: what the engine makes of a command may change from one to the next, and every
//! node must change at the same command, whichever program it runs.
//!
//! A program knows all versions up to [`VERSION_MAX`]. Which of them counts is state: it is 1 in an empty log,
//! and [`ActivateVersion`] raises it, which a leader proposes once all members have said that they know the new
//! one. A program that comes to a version that it does not know stops. Whoever adds a version raises
//! `VERSION_MAX`, asks [`Engine::version`] where the logic differs, and leaves what the earlier ones do as it is:
//! old logs are replayed.
//!
//! Upgrading a cluster whose nodes trade:
//!
//! 1. One follower after the other: stop it (SIGTERM), start the new program, and go on to the next when
//!    `rialto cluster status` says that it has caught up. What it comes to is compared with the others'
//!    ([`state_hash`](super::state_hash)): one that makes something else of the commands halts.
//! 2. `rialto cluster transfer` at the leader: a follower that has everything leads, in about two round trips.
//! 3. The old leader, as the others before.
//! 4. `rialto cluster activate N` at the new leader, once all run the new program. It says who does not.
//!
//! Until the last step every node can go back to the program before.

use super::{CommandError, Engine};
use crate::types::command::ActivateVersion;

/// The highest version that this program knows.
pub const VERSION_MAX: u32 = 1;

impl Engine {
    /// The version of the logic that counts.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Switches to a later version. What is no later was asked for twice, and a participant is not asked.
    pub(super) fn activate_version(&mut self, c: &ActivateVersion) -> Result<(), CommandError> {
        if !c.header.port.is_none() || c.version <= self.version {
            self.counters.not_allowed += 1;
            return Ok(());
        }
        if c.version > VERSION_MAX {
            let (sequence, version) = (self.sequence, c.version);
            return Err(CommandError::UnknownVersion { sequence, version, knows: VERSION_MAX });
        }
        self.version = c.version;
        Ok(())
    }
}
