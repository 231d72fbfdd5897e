//! Raft's view of the command log. Entries are read from the frames' headers: there is no second log to
//! keep in step.

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};

use super::codec::entry_of;
use super::{ControlState, FrameLog, Images};
use crate::types::FRAME_HEADER_BYTES;

/// What an entry adds to a message, about, in the measure by which raft cuts messages.
pub(super) const ENTRY_BYTES: u64 = FRAME_HEADER_BYTES as u64 + 16;

/// A frame log as Raft's storage.
#[derive(Debug)]
pub(super) struct LogStorage<L> {
    pub(super) log: L,
    pub(super) images: Box<dyn Images>,
    initial: (HardState, ConfState),
}

impl<L: FrameLog> LogStorage<L> {
    /// Starts where `control` and the log say: `applied` is what of it took effect before.
    pub(super) fn new(
        log: L,
        images: Box<dyn Images>,
        control: &ControlState,
        applied: u64,
    ) -> Self {
        let mut hard = HardState::default();
        hard.term = control.term.max(log.chain().term.into());
        hard.vote = if hard.term == control.term { control.vote } else { 0 };
        hard.commit = applied;
        Self { log, images, initial: (hard, control.members.to_raft()) }
    }
}

/// What of `log` is known to be committed, with every change of the membership up to there in `control`:
/// a change is saved before the log is told of its commit. Who knows no member learns of all changes
/// again.
pub(super) fn applied<L: FrameLog>(log: &L, control: &ControlState) -> u64 {
    let (base, _) = log.base();
    if control.members_index == 0 {
        return base;
    }
    log.committed().max(control.members_index).min(log.chain().index).max(base)
}

/// What Raft calls a snapshot, of the log up to the frame of this index and term.
pub(super) fn snapshot_at(index: u64, term: u64, members: ConfState) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let metadata = snapshot.mut_metadata();
    (metadata.index, metadata.term) = (index, term);
    metadata.set_conf_state(members);
    snapshot
}

impl<L: FrameLog> LogStorage<L> {
    /// Why there is no frame of this index: what was retired a moment ago is asked for no more.
    fn lacks(&self, index: u64) -> StorageError {
        if index <= self.log.base().0 { StorageError::Compacted } else { StorageError::Unavailable }
    }
}

impl<L: FrameLog> Storage for LogStorage<L> {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let (hard_state, conf_state) = self.initial.clone();
        Ok(RaftState { hard_state, conf_state })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.log.base().0 {
            return Err(StorageError::Compacted.into());
        }
        let size = max_size.into().unwrap_or(u64::MAX);
        let count = (size / ENTRY_BYTES).max(1);
        let high = high.min(low.saturating_add(count));
        let entries = (low..high).map(|index| self.log.header(index).map(|h| entry_of(&h)));
        entries.collect::<Option<_>>().ok_or_else(|| self.lacks(low).into())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let (base, base_term) = self.log.base();
        if index < base {
            return Err(StorageError::Compacted.into());
        }
        if index == base {
            return Ok(base_term.into());
        }
        let header = self.log.header(index).ok_or_else(|| self.lacks(index))?;
        Ok(header.term.into())
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.log.base().0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.log.chain().index)
    }

    /// Where the log begins: whoever is behind that needs an image that reaches it, from whomever.
    fn snapshot(&self, _: u64, _: u64) -> raft::Result<Snapshot> {
        let (index, term) = self.log.base();
        if index == 0 {
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        Ok(snapshot_at(index, term.into(), ConfState::default()))
    }
}
