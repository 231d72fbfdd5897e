//! Payloads that arrived and whose place in the log is not yet decided. Bounded: what the log is past
//! goes first, then what is farthest from its end. Nothing here is ever in the log.

use std::collections::BTreeMap;

use crate::types::{FRAME_HEADER_BYTES, FrameHeader, Line, Position};

/// Frames by where they would lie and the term they are of. Two leaders never share a term, and one
/// never makes two frames for a place, so that names a frame.
#[derive(Debug)]
pub(super) struct Staging {
    frames: BTreeMap<(Position, u32), (FrameHeader, Vec<Line>)>,
    bytes: usize,
    bytes_max: usize,
}

impl Staging {
    /// Holds at most `bytes_max` bytes of frames.
    #[must_use]
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { frames: BTreeMap::new(), bytes: 0, bytes_max }
    }

    /// Takes a frame whose checksums are right, while the log ends at `log_end`.
    pub(super) fn insert(&mut self, header: FrameHeader, payload: Vec<Line>, log_end: Position) {
        let size = bytes_of(&header);
        if self.frames.contains_key(&key(&header)) || size > self.bytes_max {
            return;
        }
        while self.bytes + size > self.bytes_max {
            let passed = self.frames.first_key_value().filter(|((start, _), _)| *start < log_end);
            let victim = passed.or(self.frames.last_key_value()).map(|(key, _)| *key);
            let Some(victim) = victim else { return };
            if victim.0 >= log_end && key(&header) > victim {
                return; // It is the farthest itself.
            }
            self.remove(victim);
        }
        self.bytes += size;
        self.frames.insert(key(&header), (header, payload));
    }

    /// Whether exactly the frame with this header is here, or is nothing but its header.
    #[must_use]
    pub(super) fn holds(&self, header: &FrameHeader) -> bool {
        header.payload_bytes == 0
            || self.frames.get(&key(header)).is_some_and(|(held, _)| held == header)
    }

    /// Takes out the payload of the frame with this header.
    pub(super) fn take(&mut self, header: &FrameHeader) -> Option<Vec<Line>> {
        if header.payload_bytes == 0 {
            return Some(Vec::new());
        }
        if !self.holds(header) {
            return None;
        }
        self.remove(key(header)).map(|(_, payload)| payload)
    }

    /// Lets go of every frame before `position`, below which the log is decided.
    pub(super) fn pass(&mut self, position: Position) {
        while let Some(((start, term), _)) = self.frames.first_key_value() {
            let first = (*start, *term);
            if first.0 >= position {
                break;
            }
            self.remove(first);
        }
    }

    /// Bytes held.
    #[must_use]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most bytes that can be held.
    #[must_use]
    pub(super) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    fn remove(&mut self, key: (Position, u32)) -> Option<(FrameHeader, Vec<Line>)> {
        let removed = self.frames.remove(&key)?;
        self.bytes -= bytes_of(&removed.0);
        Some(removed)
    }
}

fn key(header: &FrameHeader) -> (Position, u32) {
    (header.start, header.term)
}

fn bytes_of(header: &FrameHeader) -> usize {
    FRAME_HEADER_BYTES + header.payload_bytes as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Cause, FrameChain, FrameKind, Nanos};

    /// Frames of one line each, that follow each other.
    fn frames(count: u64) -> Vec<FrameHeader> {
        let mut chain = FrameChain::empty(1 << 20);
        let cause = |index| Cause { index, term: 1, time: Nanos(index) };
        (1..=count).map(|i| chain.seal(FrameKind::Normal, cause(i), 1, &[Line::ZERO])).collect()
    }

    fn staged(frames: &[FrameHeader], staging: &Staging) -> Vec<u64> {
        frames.iter().filter(|header| staging.holds(header)).map(|header| header.index).collect()
    }

    #[test]
    fn what_the_log_is_past_goes_first_then_the_farthest() {
        let frames = frames(5);
        let mut staging = Staging::new(3 * 128);
        let log_end = frames[1].start;
        for header in [frames[0], frames[2], frames[4]] {
            staging.insert(header, vec![Line::ZERO], log_end);
        }
        staging.insert(frames[1], vec![Line::ZERO], log_end);
        assert_eq!(staged(&frames, &staging), [2, 3, 5], "the log is past the first");
        staging.insert(frames[3], vec![Line::ZERO], log_end);
        assert_eq!(staged(&frames, &staging), [2, 3, 4], "the fifth was the farthest");
        staging.insert(frames[4], vec![Line::ZERO], log_end);
        assert_eq!(staged(&frames, &staging), [2, 3, 4], "and is now not taken");
        assert_eq!(staging.bytes(), 3 * 128);
    }

    #[test]
    fn a_rival_of_another_term_is_another_frame() {
        let ours = frames(1)[0];
        let rival = FrameChain::empty(1 << 20).seal(
            FrameKind::Normal,
            Cause { index: 1, term: 2, time: Nanos(9) },
            1,
            &[Line::ZERO],
        );
        let mut staging = Staging::new(1 << 20);
        staging.insert(rival, vec![Line::ZERO], Position::FIRST);
        assert!(!staging.holds(&ours));
        assert_eq!(staging.take(&ours), None);
        assert_eq!(staging.take(&rival), Some(vec![Line::ZERO]));
        assert_eq!(staging.bytes(), 0);
    }

    #[test]
    fn what_lies_below_a_decided_position_is_let_go() {
        let frames = frames(3);
        let mut staging = Staging::new(1 << 20);
        for header in &frames {
            staging.insert(*header, vec![Line::ZERO], Position::FIRST);
        }
        staging.pass(frames[2].start);
        assert_eq!(staged(&frames, &staging), [3]);
    }
}
