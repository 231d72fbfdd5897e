//! A restart: the engine as the newest snapshot that is of any use left it, and the logs from there.
//!
//! One that is damaged, of another log, or of commands that were cut is named and passed over: then the
//! one before it counts, and at last the whole log. Where commands were retired there is no such last:
//! without a snapshot there is no start.

use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::NodeError;
use super::venue::is_late;
use crate::engine::{Engine, IndexSeed};
use crate::event_store::{Reader, SnapshotFileError, Snapshots, StoreError};
use crate::types::SnapshotError;
use crate::types::command::VenueLimits;

/// Where a replay begins.
pub(super) struct Resumed {
    pub(super) engine: Engine,
    /// Before the first command that the engine has not applied.
    pub(super) commands: Reader,
    /// Before the first event that it has not made.
    pub(super) events: Reader,
}

/// Why a snapshot is passed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Useless {
    #[error(transparent)]
    File(#[from] SnapshotFileError),
    #[error(transparent)]
    Content(#[from] SnapshotError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its header is of another state than its content")]
    Header,
}

/// Finds where to begin, with readers before the first frame of either log.
///
/// # Errors
/// If the directory of snapshots cannot be read, or [`NodeError::CommandsRetired`].
pub(super) fn resume(
    snapshots: &Snapshots,
    venue: (&VenueLimits, IndexSeed),
    commands: Reader,
    events: Reader,
) -> Result<Resumed, NodeError> {
    let mut passed_over = Vec::new();
    for path in snapshots.newest_first()? {
        match resume_from(&path, venue, (commands.clone(), events.clone())) {
            Ok(resumed) => {
                let next = resumed.engine.next_command();
                info!(path = %path.display(), next, "begins with a snapshot");
                return Ok(resumed);
            }
            Err(why) => {
                warn!(path = %path.display(), %why, "passed over a snapshot");
                passed_over.push((path, why));
            }
        }
    }
    if is_late(&commands) {
        return Err(NodeError::commands_retired(&commands, snapshots, &passed_over));
    }
    if !passed_over.is_empty() {
        warn!("no snapshot is of any use: the whole command log is applied again");
    }
    let (limits, seed) = venue;
    Ok(Resumed { engine: Engine::new(limits, seed), commands, events })
}

/// The engine of a shadow, which has no event log of its own, with a reader before the first command that
/// it has not applied. Snapshots of no use are set aside: newer ones than those to come would outlive
/// them.
///
/// # Errors
/// If the directory of snapshots cannot be read, or a file in it not be renamed; or
/// [`NodeError::CommandsRetired`].
pub fn resume_shadow(
    snapshots: &Snapshots,
    venue: (&VenueLimits, IndexSeed),
    commands: &Reader,
) -> Result<(Engine, Reader), NodeError> {
    let mut useless = Vec::new();
    let mut found = None;
    for path in snapshots.newest_first()? {
        let mut commands = commands.clone();
        match load(&path, venue, &mut commands) {
            Ok(engine) => {
                found = Some((engine, commands));
                break;
            }
            Err(why) => useless.push((path, why)),
        }
    }
    if found.is_none() && is_late(commands) {
        // Another version may know how to read them.
        return Err(NodeError::commands_retired(commands, snapshots, &useless));
    }
    set_aside(&useless)?;
    let (limits, seed) = venue;
    Ok(found.unwrap_or_else(|| (Engine::new(limits, seed), commands.clone())))
}

fn set_aside(useless: &[(PathBuf, Useless)]) -> Result<(), SnapshotFileError> {
    for (path, why) in useless {
        warn!(path = %path.display(), %why, "set aside a snapshot");
        Snapshots::set_aside(path)?;
    }
    Ok(())
}

fn resume_from(
    path: &Path,
    venue: (&VenueLimits, IndexSeed),
    (mut commands, mut events): (Reader, Reader),
) -> Result<Resumed, Useless> {
    let engine = load(path, venue, &mut commands)?;
    // Events that are not there would have to be made again, and its engine is beyond them.
    events.has_passed(engine.chain())?;
    events.seek(engine.chain().end)?;
    Ok(Resumed { engine, commands, events })
}

/// The engine of a snapshot, with `commands` before the first command that is not in it.
fn load(
    path: &Path,
    (limits, seed): (&VenueLimits, IndexSeed),
    commands: &mut Reader,
) -> Result<Engine, Useless> {
    let (mark, content) = Snapshots::load(path)?;
    commands.has_passed(&mark.commands)?;
    let engine = Engine::from_snapshot(&content, limits, seed)?;
    let is_marked = engine.next_command() == mark.commands.next_sequence
        && engine.chain().end == mark.events.end
        && engine.state_hash() == mark.state_hash;
    if !is_marked {
        return Err(Useless::Header);
    }
    commands.seek(mark.commands.end)?;
    Ok(engine)
}

#[cfg(test)]
mod tests;
