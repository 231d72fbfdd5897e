//! A log made durable behind its writer's back, where an append counts as soon as it is in memory.
//!
//! As a rule only pages that the writer has left: it would have to wait for one that is on its way to
//! the disk. Never decides when; its caller does, on a thread that nobody waits for.

use super::{Reader, StoreError};
use crate::sys::log_sync::SyncMap;
use crate::types::Position;

/// How far a log is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The end of a frame: everything below is durable.
    pub position: Position,
    /// The sequence of the record behind it.
    pub sequence: u64,
}

/// Follows a log and makes it durable.
#[derive(Debug)]
pub struct BackgroundSync {
    /// Behind the frame that ends at `ahead`, or else at the watermark.
    reader: Reader,
    durable: Watermark,
    /// The end of a frame that was read and is not durable yet.
    ahead: Option<Watermark>,
    /// The last segment of which something was made durable, and its number.
    mapped: Option<(u64, SyncMap)>,
}

/// What is written to a disk at once; a multiple of every page size in use does as well.
const PAGE_BYTES: u64 = 4096;

impl BackgroundSync {
    /// For the log of `reader`, which is known to be durable up to `durable`.
    ///
    /// Give it a reader of its own opening ([`Reader::open`]): a clone of another shares locks with
    /// it, and a thread that nobody waits for must not hold one that a stage may want.
    ///
    /// # Errors
    /// As [`Reader::seek`].
    pub fn new(mut reader: Reader, durable: Watermark) -> Result<Self, StoreError> {
        // Where segments were retired, what is left begins with a durable one.
        let begins = reader.beginning();
        let begins = Watermark { position: begins.end, sequence: begins.next_sequence };
        let durable = if durable.position < begins.position { begins } else { durable };
        reader.seek(durable.position)?;
        Ok(Self { reader, durable, ahead: None, mapped: None })
    }

    /// Makes durable what is committed and in whole pages. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The operating system's. What is durable is then unknown, and the node should stop.
    pub fn sync(&mut self) -> Result<Watermark, StoreError> {
        let committed = self.reader.committed().0;
        self.sync_below(Position(committed - committed % PAGE_BYTES))
    }

    /// Makes durable all that is committed.
    ///
    /// # Errors
    /// As [`BackgroundSync::sync`].
    pub fn sync_all(&mut self) -> Result<Watermark, StoreError> {
        self.sync_below(self.reader.committed())
    }

    /// Makes the frames durable that end at or below `bound`.
    fn sync_below(&mut self, bound: Position) -> Result<Watermark, StoreError> {
        let mut reached = self.durable;
        while reached.position < bound {
            let Some(ahead) = self.next()?.filter(|ahead| ahead.position <= bound) else { break };
            reached = ahead;
            self.ahead = None;
        }
        if reached != self.durable {
            self.sync_range(self.durable.position, reached.position)?;
            self.durable = reached;
        }
        Ok(reached)
    }

    /// Makes durable what lies from `from` up to `to`, which is committed, and the pages it shares.
    fn sync_range(&mut self, from: Position, to: Position) -> Result<(), StoreError> {
        let segment_bytes = self.reader.segment_bytes();
        for number in from.0 / segment_bytes..=(to.0 - 1) / segment_bytes {
            let path = self.reader.segment_path(number);
            let map = match self.mapped.take() {
                Some((mapped, map)) if mapped == number => map,
                _ => SyncMap::open(&path).map_err(StoreError::io("map to sync", &path))?,
            };
            let (_, map) = self.mapped.insert((number, map));
            let within = |at: Position| {
                usize::try_from(at.0.saturating_sub(number * segment_bytes)).expect("64 bits")
            };
            map.sync(within(from)..within(to)).map_err(StoreError::io("sync", &path))?;
        }
        Ok(())
    }

    /// The end of the next frame, which is the same until it is taken from `ahead`.
    fn next(&mut self) -> Result<Option<Watermark>, StoreError> {
        if self.ahead.is_none() {
            let frame = self.reader.next_frame()?;
            self.ahead = frame.map(|frame| Watermark {
                position: frame.end(),
                sequence: frame.header.first_sequence + u64::from(frame.header.count),
            });
        }
        Ok(self.ahead)
    }
}
