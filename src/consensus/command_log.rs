//! The command log of the event store as the Raft log. Commits and cuts are what consensus says; where an
//! append counts when the disk has it, a thread of its own makes it durable and nobody waits.

use std::path::Path;

use super::log::{FrameLog, StoreFailure};
use crate::event_store::{
    Durability, IndexedWriter, Options, Reader, Recovered, StoreError, Syncer, Writer,
};
use crate::types::{FRAME_BYTES_MAX, FrameChain, FrameHeader, Line, Position};

/// The most bytes of the log that were appended and not yet made durable with [`Durability::Disk`]; at
/// them an append waits for the disk. What a power loss leaves of them may have holes.
pub const UNSYNCED_BYTES_MAX: u64 = 16 << 20;

/// A command log that is replicated.
#[derive(Debug)]
pub struct CommandLog {
    log: IndexedWriter,
    committed: u64,
    /// Where an append counts when the disk has it.
    disk: Option<Disk>,
}

#[derive(Debug)]
struct Disk {
    syncer: Syncer,
    /// Index and end of the last frame that is durable.
    synced: (u64, Position),
    /// The same of the last frame of the range on its way to the disk, unless it was cut meanwhile.
    syncing: (u64, Position),
}

impl CommandLog {
    /// Opens the log in `directory` as [`Writer::open_watched`] does.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open(
        directory: &Path,
        options: Options,
        durability: Durability,
        progress: &mut dyn FnMut(Position, Position),
    ) -> Result<(Self, Recovered), StoreError> {
        let (mut log, recovered) = IndexedWriter::open(directory, options, progress)?;
        let disk = match durability {
            Durability::Memory => None,
            Durability::Disk => {
                // All of it counts as persisted from the start, whatever the last start was asked.
                log.sync()?;
                let syncer = Syncer::start(directory, options.segment_bytes)?;
                let synced = (log.chain().index, log.chain().end);
                Some(Disk { syncer, synced, syncing: synced })
            }
        };
        let committed = log.committed();
        Ok((Self { log, committed, disk }, recovered))
    }

    /// A reader in this process, before the first frame.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.log.reader()
    }

    /// The writer, to look at.
    #[must_use]
    pub const fn writer(&self) -> &Writer {
        self.log.writer()
    }

    /// Lets readers see all frames below `position`, the end of a frame, that are known to be committed.
    pub fn commit_below(&mut self, position: Position) {
        let index = self.log.last_before(position);
        if index > self.committed {
            self.commit(index);
        }
    }

    /// Makes everything that was appended durable, and waits for it.
    ///
    /// # Errors
    /// The operating system's. What is durable is then unknown, and the node should stop.
    pub fn sync_all(&mut self) -> Result<(), StoreError> {
        self.log.sync()
    }
}

impl FrameLog for CommandLog {
    fn chain(&self) -> &FrameChain {
        self.log.chain()
    }

    fn base(&self) -> (u64, u32) {
        let FrameChain { index, term, .. } = self.log.beginning();
        (index, term)
    }

    fn committed(&self) -> u64 {
        self.committed
    }

    fn header(&self, index: u64) -> Option<FrameHeader> {
        self.log.header(index).copied()
    }

    fn payload(&self, index: u64) -> Option<&[Line]> {
        Some(self.log.frame(index)?.payload)
    }

    fn append(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), StoreFailure> {
        if let Some(disk) = &mut self.disk {
            let end = header.start.plus(FRAME_BYTES_MAX);
            if end.0 > disk.synced.1.0 + UNSYNCED_BYTES_MAX {
                disk.wait(self.log.chain())?;
            }
        }
        Ok(self.log.append(header, payload)?)
    }

    fn cut(&mut self, last: u64) -> Result<(), StoreFailure> {
        let Some(disk) = &mut self.disk else {
            return Ok(self.log.cut(last, Durability::Memory)?);
        };
        // What is on its way to the disk is blanked behind it, never before.
        disk.syncer.wait()?;
        self.log.cut(last, Durability::Disk)?;
        let end = (last, self.log.chain().end);
        disk.synced = disk.syncing.min(end);
        disk.syncing = disk.synced;
        Ok(())
    }

    fn commit(&mut self, index: u64) {
        self.log.commit(index);
        self.committed = self.committed.max(index);
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        Ok(self.disk.as_mut().map_or(Ok(()), |disk| disk.sync(self.log.chain()))?)
    }

    fn synced(&self) -> u64 {
        self.disk.as_ref().map_or(self.log.chain().index, |disk| disk.synced.0)
    }
}

impl Disk {
    /// Looks whether the range on its way has arrived, and sends the next on its way.
    fn sync(&mut self, chain: &FrameChain) -> Result<(), StoreError> {
        if let Some(result) = self.syncer.poll() {
            result?;
            self.synced = self.syncing;
        }
        if !self.syncer.is_busy() && self.synced.0 < chain.index {
            self.syncing = (chain.index, chain.end);
            self.syncer.begin(self.synced.1..chain.end);
        }
        Ok(())
    }

    /// Waits until everything that was appended is durable.
    fn wait(&mut self, chain: &FrameChain) -> Result<(), StoreError> {
        self.syncer.wait()?;
        self.synced = self.syncing;
        self.sync(chain)?;
        self.syncer.wait()?;
        self.synced = self.syncing;
        Ok(())
    }
}
