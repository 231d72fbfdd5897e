//! The oldest segments of a log, let go of: how far they may be, and how it is done.
//!
//! Never decides that a record is no longer needed; its caller knows what was archived and from which
//! snapshot a node starts. Never touches what lies above, or a segment that is being read.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::log::{Log, segment_numbers};
use super::reader::{frame_at, hold};
use super::{Damage, Reader, StoreError, beginning};
use crate::sys::log_memory::SPARE_FILE;
use crate::types::{
    FrameChain, FrameError, LINE_BYTES, Nanos, Position, SEGMENT_HEADER_BYTES, chain_hash,
};

/// Lets go of the oldest segments of a log that is being written.
///
/// It happens when the writer next needs a segment, on the thread that prepares it, and that segment
/// takes over the file of a retired one that nobody reads.
#[derive(Clone, Debug, Default)]
pub struct Retirement(Arc<AtomicU64>);

impl Retirement {
    /// Lets go of every segment that lies wholly below `position`, which is durable and which nobody
    /// starts below. What was said before stays said.
    pub fn below(&self, position: Position) {
        self.0.fetch_max(position.0, Ordering::Relaxed);
    }

    pub(super) fn position(&self) -> Position {
        Position(self.0.load(Ordering::Relaxed))
    }
}

/// How much of a log is kept at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// As many bytes before the commit position.
    pub bytes: u64,
    /// Whatever is not older than this.
    pub time: Nanos,
}

impl Retention {
    /// The position below which the log of `reader` is kept no longer at `now`, if nothing else needs
    /// it. The start of a segment.
    ///
    /// # Errors
    /// As [`Reader::next_frame`].
    pub fn below(&self, reader: &mut Reader, now: Nanos) -> Result<Position, StoreError> {
        let oldest = now.since(self.time);
        let kept = reader.first_segment_where(|header| header.time >= oldest)?;
        // The frame that is kept may be the last of the segment before.
        let by_time = kept.saturating_sub(1) * reader.segment_bytes();
        let by_bytes = reader.committed().0.saturating_sub(self.bytes);
        let below = by_time.min(by_bytes);
        Ok(Position(below - below % reader.segment_bytes()))
    }
}

impl Reader {
    /// The log's directory.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.segment_path(0).with_file_name("").components().collect()
    }

    /// Where the segment begins in which `position` lies.
    #[must_use]
    pub fn segment_start(&self, position: Position) -> Position {
        Position(position.0 - position.0 % self.segment_bytes())
    }

    /// Makes durable every segment from that of `from` through that of `to`, if it is there. Blocks for as
    /// long as the disk takes.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync_segments(&self, from: Position, to: Position) -> Result<(), StoreError> {
        for number in from.0 / self.segment_bytes()..=to.0 / self.segment_bytes() {
            let path = self.segment_path(number);
            match File::open(&path).and_then(|file| file.sync_data()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("sync", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Retires the segments of a log in use that lie wholly below `below`. Their files are gone then, but
/// for one that the next segment may take over.
///
/// # Errors
/// [`StoreError::Unreadable`] if the log is not whole where it would begin, and the operating system's:
/// then nothing is retired that was not before.
pub(super) fn retire(log: &Log, below: Position) -> Result<(), StoreError> {
    let committed = log.committed();
    if committed <= log.beginning().end {
        return Ok(());
    }
    // The log never begins behind its last frame.
    let first = log.segment_number(below.min(Position(committed.0 - 1)));
    let segment_bytes = log.memory.segment_bytes();
    if first * segment_bytes <= log.beginning().end.0 {
        return Ok(());
    }
    let chain = chain_before(log, first)?;
    let path = log.segment_path(first);
    let synced = File::open(&path).and_then(|file| file.sync_data());
    synced.map_err(StoreError::io("sync", &path))?;
    beginning::store(log.memory.directory(), &chain)?;
    log.begin_behind(chain);
    discard(log)
}

/// Removes the segments before the beginning of the log: those just retired, and what a process that
/// died in the midst of this left.
///
/// # Errors
/// The operating system's.
pub(super) fn discard(log: &Log) -> Result<(), StoreError> {
    let first = log.segment_number(log.beginning().end);
    let spare = log.memory.directory().join(SPARE_FILE);
    for number in segment_numbers(log.memory.directory())? {
        if number >= first {
            break;
        }
        let path = log.segment_path(number);
        let discarded =
            if spare.exists() { fs::remove_file(&path) } else { fs::rename(&path, &spare) };
        discarded.map_err(StoreError::io("discard", &path))?;
    }
    log.index.forget_below(first);
    Ok(())
}

/// The chain at the start of segment `number`, which its first frame confirms.
pub(super) fn chain_before(log: &Log, number: u64) -> Result<FrameChain, StoreError> {
    let segment_bytes = log.memory.segment_bytes();
    let boundary = Position(number * segment_bytes);
    let last_line = Position(boundary.0 - LINE_BYTES as u64);
    let mut held = None;
    let segment = hold(log, &mut held, last_line)?;
    let mut start = segment.hints.at_or_before(last_line);
    let last = loop {
        let frame = frame_at(log, segment, start)?;
        start = log.next_start(frame.end());
        if start >= boundary {
            break frame;
        }
    };
    let mut next_held = None;
    let first = boundary.plus(SEGMENT_HEADER_BYTES);
    let next = frame_at(log, hold(log, &mut next_held, first)?, first)?;
    let chain = FrameChain {
        segment_bytes,
        end: boundary,
        next_sequence: last.header.first_sequence + u64::from(last.header.count),
        hash: chain_hash(last.header, last.payload),
        index: last.header.index,
        term: last.header.term,
        time: last.header.time,
    };
    if (next.header.previous_hash, next.header.first_sequence) != (chain.hash, chain.next_sequence)
    {
        return Err(StoreError::Unreadable {
            path: log.segment_path(number),
            position: first,
            damage: Damage::Frame(FrameError::Chain),
        });
    }
    Ok(chain)
}
