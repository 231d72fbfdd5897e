//! Where frames start, roughly: one hint for each 16 KiB of log, so that a record is found from its
//! position by a short walk.
//!
//! A hint is written by whoever passes a frame and shared by all readers of the process. It is never
//! trusted: the walk checks every header. It costs 4 bytes per 16 KiB of log that was passed, 256 MiB
//! for a terabyte.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::types::{LINE_BYTES, Position, SEGMENT_HEADER_BYTES};

/// Bytes of log per hint. A quarter of the longest frame, so some steps have none.
const STEP_BYTES: u64 = 16 * 1024;

/// The hints of a log.
#[derive(Debug)]
pub(super) struct FrameIndex {
    segment_bytes: u64,
    segments: RwLock<Vec<Option<Arc<Hints>>>>,
}

impl FrameIndex {
    /// No hints yet.
    pub(super) fn new(segment_bytes: u64) -> Self {
        Self { segment_bytes, segments: RwLock::new(Vec::new()) }
    }

    /// The hints of segment `number`.
    pub(super) fn segment(&self, number: u64) -> Arc<Hints> {
        let place = usize::try_from(number).expect("a 64-bit machine");
        let known = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(hints)) = known.get(place) {
            return Arc::clone(hints);
        }
        drop(known);
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        if segments.len() <= place {
            segments.resize(place + 1, None);
        }
        Arc::clone(
            segments[place].get_or_insert_with(|| Arc::new(Hints::new(number, self.segment_bytes))),
        )
    }
}

impl FrameIndex {
    /// Drops the hints of the segments below `number`, which are gone.
    pub(super) fn forget_below(&self, number: u64) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let gone = usize::try_from(number).expect("a 64-bit machine").min(segments.len());
        segments[..gone].fill(None);
    }
}

/// The hints of one segment.
#[derive(Debug)]
pub(super) struct Hints {
    segment_start: u64,
    /// For each step the line, counted in the segment, of the first frame known to start in it.
    lines: Box<[AtomicU32]>,
}

impl Hints {
    fn new(number: u64, segment_bytes: u64) -> Self {
        let lines = (0..segment_bytes / STEP_BYTES).map(|_| AtomicU32::new(0)).collect();
        Self { segment_start: number * segment_bytes, lines }
    }

    /// Remembers that a frame starts here, if none before it in the same step is known.
    pub(super) fn note(&self, start: Position) {
        let offset = start.0 - self.segment_start;
        let hint = &self.lines[step(offset)];
        // Relaxed: a hint stands for nothing but itself, and a lost one is found again.
        if hint.load(Ordering::Relaxed) == 0 {
            let line = u32::try_from(offset / LINE_BYTES as u64).expect("2^26 lines at most");
            hint.store(line, Ordering::Relaxed);
        }
    }

    /// Forgets the frames that start at `from`, in this segment, or behind: they are cut.
    pub(super) fn forget_from(&self, from: Position) {
        let first = (from.0 - self.segment_start) / LINE_BYTES as u64;
        for hint in &self.lines {
            if u64::from(hint.load(Ordering::Relaxed)) >= first {
                hint.store(0, Ordering::Relaxed);
            }
        }
    }

    /// The last frame start known at or before `at`; the segment's first if no other is.
    pub(super) fn at_or_before(&self, at: Position) -> Position {
        let offset = at.0 - self.segment_start;
        let known = self.lines[..=step(offset)].iter().rev().find_map(|hint| {
            let start = u64::from(hint.load(Ordering::Relaxed)) * LINE_BYTES as u64;
            (start != 0 && start <= offset).then_some(start)
        });
        Position(self.segment_start + known.unwrap_or(SEGMENT_HEADER_BYTES))
    }
}

fn step(offset: u64) -> usize {
    usize::try_from(offset / STEP_BYTES).expect("a 64-bit machine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_frame_start_is_found() {
        const SEGMENT: u64 = 1 << 20;
        let index = FrameIndex::new(SEGMENT);
        let hints = index.segment(2);
        let at = |offset| Position(2 * SEGMENT + offset);
        assert_eq!(hints.at_or_before(at(900_032)), at(64));
        hints.note(at(70_016));
        hints.note(at(72_000));
        hints.note(at(700_032));
        assert_eq!(hints.at_or_before(at(70_000 - 48)), at(64));
        assert_eq!(hints.at_or_before(at(90_048)), at(70_016));
        assert_eq!(index.segment(2).at_or_before(at(900_032)), at(700_032));
        hints.forget_from(at(71_000));
        assert_eq!(hints.at_or_before(at(900_032)), at(70_016));
    }
}
