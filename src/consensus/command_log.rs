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
                let end = (log.chain().index, log.chain().end);
                Some(Disk { syncer, synced: end, syncing: end })
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

    /// The end of the log up to the frame of this index, if the log holds it, or begins behind it.
    #[must_use]
    pub fn chain_at(&self, index: u64) -> Option<FrameChain> {
        self.log.chain_at(index)
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::event_store::LogKind;
    use crate::types::{Cause, FrameKind, Nanos};

    const SEGMENT: u64 = 4 << 20;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("rialto-command-log-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn open(&self, durability: Durability) -> CommandLog {
            let options = Options::new(LogKind::Commands, SEGMENT);
            CommandLog::open(&self.0, options, durability, &mut |_, _| ()).unwrap().0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn append(log: &mut CommandLog, term: u32, lines: u16) {
        let mut chain = *log.chain();
        let mut record = Line::ZERO;
        (record.0[0], record.0[1]) = (1, 1);
        let payload = vec![record; lines.into()];
        let cause = Cause { index: chain.index + 1, term, time: Nanos(chain.index + 1) };
        let header = chain.seal(FrameKind::Normal, cause, lines, &payload);
        log.append(&header, &payload).unwrap();
    }

    fn sync_to(log: &mut CommandLog, index: u64) {
        for _ in 0..20_000 {
            log.sync().unwrap();
            if log.synced() >= index {
                assert_eq!(log.synced(), index);
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("durable up to {} for ever", log.synced());
    }

    #[test]
    fn in_memory_a_frame_is_persisted_when_it_is_appended() {
        let scratch = Scratch::new("memory");
        let mut log = scratch.open(Durability::Memory);
        append(&mut log, 1, 3);
        assert_eq!(log.synced(), 1);
        log.cut(0).unwrap();
        assert_eq!((log.synced(), log.header(1)), (0, None));
    }

    #[test]
    fn on_disk_it_is_when_the_disk_has_it_and_what_was_cut_meanwhile_is_not() {
        let scratch = Scratch::new("disk");
        let mut log = scratch.open(Durability::Disk);
        for _ in 0..3 {
            append(&mut log, 1, 3);
        }
        assert_eq!(log.synced(), 0);
        sync_to(&mut log, 3);
        append(&mut log, 1, 3);
        log.sync().unwrap();
        // The fourth is on its way to the disk, and is cut with the third.
        log.cut(2).unwrap();
        assert_eq!(log.synced(), 2);
        append(&mut log, 2, 1);
        assert_eq!(log.synced(), 2, "the rival is another frame");
        sync_to(&mut log, 3);
        drop(log);
        let log = scratch.open(Durability::Disk);
        assert_eq!((log.synced(), log.header(3).unwrap().term), (3, 2));
    }

    #[test]
    fn appends_wait_for_a_disk_that_is_far_behind() {
        let scratch = Scratch::new("bound");
        let mut log = scratch.open(Durability::Disk);
        while log.chain().end.0 < 2 * UNSYNCED_BYTES_MAX {
            append(&mut log, 1, 1_000);
            let behind = log.chain().end.0 - log.disk.as_ref().unwrap().synced.1.0;
            assert!(behind <= UNSYNCED_BYTES_MAX, "{behind} bytes");
        }
    }

    #[test]
    fn what_was_committed_is_known_in_this_boot_and_what_was_durable_in_the_next() {
        let scratch = Scratch::new("commit");
        let mut log = scratch.open(Durability::Memory);
        for _ in 0..5 {
            append(&mut log, 1, 3);
        }
        log.commit(3);
        log.commit(2);
        let end = log.header(2).unwrap().start;
        drop(log);
        let log = scratch.open(Durability::Memory);
        assert_eq!(log.committed(), 3);
        drop(log);
        std::fs::remove_file(scratch.0.join("positions")).unwrap();
        let mut log = scratch.open(Durability::Memory);
        assert_eq!(log.committed(), 0);
        log.commit_below(end);
        assert_eq!(log.committed(), 1);
    }
}
