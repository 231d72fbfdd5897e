//! What a venue is made for, as its command log says, or a snapshot where the log's first commands were
//! retired: how an engine for that log is to be made.

use super::NodeError;
use super::restart::Useless;
use crate::engine::Engine;
use crate::event_store::{Reader, Snapshots, StoreError};
use crate::types::command::{Command, VenueLimits};

/// Frames with commands in which the limits are looked for.
const LIMITS_FRAMES_MAX: usize = 16;

/// The limits with which a log begins, for a reader before its first frame. `None` if it ends before it
/// says them.
///
/// They stand behind the start of the first term, which a node may have begun more than once.
///
/// # Errors
/// The reader's.
pub fn venue_limits(commands: &mut Reader) -> Result<Option<VenueLimits>, StoreError> {
    let mut frames = 0;
    while frames < LIMITS_FRAMES_MAX {
        let Some(frame) = commands.next_frame()? else { break };
        frames += usize::from(frame.header.count > 0);
        let mut records = frame.records().map_while(Result::ok);
        let found = records.find_map(|record| match Command::parse(record.lines) {
            Ok(Command::VenueLimits(limits)) => Some(*limits),
            _ => None,
        });
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The limits of the venue of a command log, of which the first segments may be gone: then `snapshots` know
/// them. `None` if the log ends before it says them.
///
/// # Errors
/// [`NodeError::CommandsRetired`] if no snapshot is of any use then, and the readers'.
pub fn known_limits(
    commands: &Reader,
    snapshots: &Snapshots,
) -> Result<Option<VenueLimits>, NodeError> {
    if !is_late(commands) {
        return Ok(venue_limits(&mut commands.clone())?);
    }
    let mut passed_over = Vec::new();
    for path in snapshots.newest_first()? {
        let limits = (|| {
            let (mark, content) = Snapshots::load(&path)?;
            commands.clone().has_passed(&mark.commands)?;
            Ok::<_, Useless>(Engine::limits_of_snapshot(&content)?)
        })();
        match limits {
            Ok(limits) => return Ok(Some(limits)),
            Err(why) => passed_over.push((path, why)),
        }
    }
    Err(NodeError::commands_retired(commands, snapshots, &passed_over))
}

/// Whether the first commands of a log were retired.
pub(super) fn is_late(log: &Reader) -> bool {
    log.beginning().next_sequence > 1
}
