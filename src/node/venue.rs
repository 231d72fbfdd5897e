//! What a venue is made for, as its command log says: how an engine for that log is to be made.

use crate::event_store::{Reader, StoreError};
use crate::types::command::{Command, VenueLimits};

/// Frames in which the limits are looked for.
const LIMITS_FRAMES_MAX: usize = 16;

/// The limits with which a log begins, for a reader before its first frame. `None` if it ends before it
/// says them.
///
/// They stand behind the start of the first term, which a node may have begun more than once.
///
/// # Errors
/// The reader's.
pub fn venue_limits(commands: &mut Reader) -> Result<Option<VenueLimits>, StoreError> {
    for _ in 0..LIMITS_FRAMES_MAX {
        let Some(frame) = commands.next_frame()? else { break };
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
