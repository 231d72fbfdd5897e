//! A log made durable behind its writer's back, where an append counts as soon as it is in memory.
//!
//! As a rule only pages that the writer has left: it would have to wait for one that is on its way to
//! the disk. Never decides when; its caller does, on a thread that nobody waits for.

use super::{Reader, StoreError};
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
}

/// What is written to a disk at once; a multiple of every page size in use does as well.
const PAGE_BYTES: u64 = 4096;

impl BackgroundSync {
    /// For the log of `reader`, which is known to be durable up to `durable`.
    ///
    /// # Errors
    /// As [`Reader::seek`].
    pub fn new(mut reader: Reader, durable: Watermark) -> Result<Self, StoreError> {
        let position = durable.position.max(Position::FIRST);
        reader.seek(position)?;
        Ok(Self { reader, durable: Watermark { position, ..durable }, ahead: None })
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
            self.reader.sync(self.durable.position, reached.position)?;
            self.durable = reached;
        }
        Ok(reached)
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
