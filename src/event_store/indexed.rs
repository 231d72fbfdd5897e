//! A log whose frames are found by their index, committed or not, and whose uncommitted end can be cut:
//! the command log of a cluster. Every frame of it has the index of the one before, plus one.
//!
//! Never decides what is committed or cut.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::OnceLock;

use zerocopy::FromBytes;

use super::log::LogSegment;
use super::{Durability, Frame, Options, Reader, Recovered, StoreError, Writer};
use crate::types::{FRAME_HEADER_BYTES, FrameChain, FrameHeader, LINE_BYTES, Line, Position};

/// The writer of a log that is read by index.
#[derive(Debug)]
pub struct IndexedWriter {
    writer: Writer,
    starts: FrameStarts,
    /// By their numbers; mapped as long as this lives.
    segments: Vec<OnceLock<LogSegment>>,
}

impl IndexedWriter {
    /// Opens the log in `directory` as [`Writer::open_watched`] does.
    ///
    /// # Errors
    /// As [`Writer::open`].
    ///
    /// # Panics
    /// If an index is left out: no log of commands.
    pub fn open(
        directory: &Path,
        options: Options,
        progress: &mut dyn FnMut(Position, Position),
    ) -> Result<(Self, Recovered), StoreError> {
        let mut found = Vec::new();
        let (writer, recovered) = Writer::open_watched(directory, options, &mut |start, all| {
            found.push(start);
            progress(start, all);
        })?;
        let mut starts = FrameStarts::behind(writer.log.beginning().index);
        // A frame behind the last index that is wanted is looked at, and is not in the log.
        let frames = usize::try_from(recovered.frames).expect("a 64-bit machine");
        found.into_iter().take(frames).for_each(|start| starts.note(start));
        assert_eq!(starts.last, recovered.chain.index, "a log of frames without gaps");
        let mut log = Self { writer, starts, segments: Vec::new() };
        log.make_room_for_segments();
        Ok((log, recovered))
    }

    /// The end of the log.
    #[must_use]
    pub const fn chain(&self) -> &FrameChain {
        self.writer.chain()
    }

    /// The chain behind what was retired; empty if nothing was.
    #[must_use]
    pub fn beginning(&self) -> FrameChain {
        self.writer.log.beginning()
    }

    /// The frame with this index, if the log holds it.
    #[must_use]
    pub fn frame(&self, index: u64) -> Option<Frame<'_>> {
        self.frame_at(self.start_of(index)?)
    }

    /// The header of the frame with this index, if the log holds it.
    #[must_use]
    pub fn header(&self, index: u64) -> Option<&FrameHeader> {
        self.header_at(self.start_of(index)?)
    }

    /// The index of the last frame that is committed.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.last_before(self.writer.committed())
    }

    /// The index of the last frame that ends at or before `position`.
    #[must_use]
    pub fn last_before(&self, position: Position) -> u64 {
        let mut index = self.starts.marked_before(position);
        while let Some(header) = self.header(index + 1)
            && header.start.plus(header.frame_bytes()) <= position
        {
            index += 1;
        }
        index
    }

    /// Appends a frame, as [`Writer::append`].
    ///
    /// # Errors
    /// As [`Writer::append`].
    ///
    /// # Panics
    /// If the frame does not continue the log, or skips an index.
    pub fn append(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), StoreError> {
        assert_eq!(header.index, self.starts.last + 1, "a frame behind a gap");
        self.writer.append(header, payload)?;
        self.starts.note(header.start);
        self.make_room_for_segments();
        Ok(())
    }

    /// Lets readers see the frames up to the one with this index. What they see stays seen.
    ///
    /// # Panics
    /// If the log has no such frame.
    pub fn commit(&mut self, index: u64) {
        let header = self.header(index).expect("a frame that is committed is in the log");
        let end = header.start.plus(header.frame_bytes());
        if end > self.writer.committed() {
            self.writer.commit(end);
        }
    }

    /// Cuts every frame behind the one with index `last`.
    ///
    /// # Errors
    /// The operating system's. The log is then of no more use to this writer.
    ///
    /// # Panics
    /// If one of them is committed.
    pub fn cut(&mut self, last: u64, durability: Durability) -> Result<(), StoreError> {
        let beginning = self.beginning();
        let to = if last == beginning.index {
            beginning
        } else {
            let frame = self.frame(last).expect("what stays is in the log");
            frame.chain(beginning.segment_bytes)
        };
        let header = |index| *self.header(index).expect("what goes is in the log");
        let headers: Vec<_> = (last + 1..=self.starts.last).map(header).collect();
        self.writer.cut(to, &headers, durability == Durability::Disk)?;
        self.starts.truncate(last);
        Ok(())
    }

    /// As [`Writer::sync`].
    ///
    /// # Errors
    /// As [`Writer::sync`].
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.writer.sync()
    }

    /// A reader in this process, before the first frame.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.writer.reader()
    }

    /// The writer, to look at.
    #[must_use]
    pub const fn writer(&self) -> &Writer {
        &self.writer
    }

    fn start_of(&self, index: u64) -> Option<Position> {
        let (mut start, steps) = self.starts.near(index)?;
        for _ in 0..steps {
            let header = self.header_at(start)?;
            start = self.writer.log.next_start(start.plus(header.frame_bytes()));
        }
        Some(start)
    }

    fn frame_at(&self, start: Position) -> Option<Frame<'_>> {
        let header = self.header_at(start)?;
        let lines = header.payload_bytes as usize / LINE_BYTES;
        let first = start.plus(FRAME_HEADER_BYTES as u64);
        let payload = self.writer.written(self.segment(start)?, first, lines)?;
        Some(Frame { header, payload })
    }

    fn header_at(&self, start: Position) -> Option<&FrameHeader> {
        let line = self.writer.written(self.segment(start)?, start, 1)?;
        Some(FrameHeader::ref_from_bytes(Line::bytes(line)).expect("a line is a header"))
    }

    /// The segment in which `at` lies, which was checked when the log was opened, or made since. One
    /// that cannot be mapped has no frames.
    fn segment(&self, at: Position) -> Option<&LogSegment> {
        let log = &self.writer.log;
        let number = log.segment_number(at);
        let cell = self.segments.get(usize::try_from(number).ok()?)?;
        if cell.get().is_none() {
            let memory = log.memory.segment(number).ok()?;
            let _ = cell.set(LogSegment { memory, hints: log.index.segment(number) });
        }
        cell.get()
    }

    fn make_room_for_segments(&mut self) {
        let last = self.writer.log.segment_number(self.chain().end);
        let room = usize::try_from(last).expect("a 64-bit machine") + 1;
        if self.segments.len() < room {
            self.segments.resize_with(room, OnceLock::new);
        }
    }
}

/// Where frames start: of the last ones all, of the others each [`SPACING`]th.
#[derive(Debug)]
struct FrameStarts {
    /// The index before the first.
    base: u64,
    last: u64,
    /// Of frames `base + 1`, `base + 1 + SPACING` and so on.
    marks: Vec<Position>,
    /// Of the frames up to `last`.
    recent: VecDeque<Position>,
}

/// Frames from one mark to the next: 8 bytes for 64 frames are 46 MB for the 360 million frames of a
/// day, and a walk of at most 63 headers is a matter of microseconds.
const SPACING: u64 = 64;
/// Frames that are found without a walk: more than consensus has under way.
const RECENT_MAX: usize = 4_096;

impl FrameStarts {
    const fn behind(base: u64) -> Self {
        Self { base, last: base, marks: Vec::new(), recent: VecDeque::new() }
    }

    fn note(&mut self, start: Position) {
        if (self.last - self.base).is_multiple_of(SPACING) {
            self.marks.push(start);
        }
        self.last += 1;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(start);
    }

    fn truncate(&mut self, last: u64) {
        for _ in last..self.last {
            self.recent.pop_back();
        }
        self.last = last;
        self.marks.truncate(place((last - self.base).div_ceil(SPACING)));
    }

    /// A frame at or before the one with this index, and how many steps it is away.
    fn near(&self, index: u64) -> Option<(Position, u64)> {
        if index <= self.base || index > self.last {
            return None;
        }
        let from_end = place(self.last - index);
        if let Some(recent) = self.recent.len().checked_sub(from_end + 1) {
            return Some((self.recent[recent], 0));
        }
        let behind = index - self.base - 1;
        Some((self.marks[place(behind / SPACING)], behind % SPACING))
    }

    /// The index before the last marked frame that starts below `position`.
    fn marked_before(&self, position: Position) -> u64 {
        let marks = self.marks.partition_point(|start| *start < position) as u64;
        self.base + marks.saturating_sub(1) * SPACING
    }
}

fn place(count: u64) -> usize {
    usize::try_from(count).expect("a 64-bit machine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_known_or_near_a_mark_also_behind_a_cut() {
        let start = |index: u64| Position(index * 128);
        let mut starts = FrameStarts::behind(100);
        let count = RECENT_MAX as u64 + 1_000;
        (101..=100 + count).for_each(|index| starts.note(start(index)));
        let check = |starts: &FrameStarts, last: u64| {
            assert_eq!((starts.near(100), starts.near(last + 1)), (None, None));
            for index in 101..=last {
                let (near, steps) = starts.near(index).unwrap();
                assert_eq!(near, start(index - steps), "of {index}");
                assert!(steps < SPACING);
            }
        };
        check(&starts, 100 + count);
        for last in [100 + count - 1, 100 + 1_000, 101, 100] {
            starts.truncate(last);
            check(&starts, last);
        }
        starts.note(start(101));
        check(&starts, 101);
        assert_eq!(starts.marked_before(start(101)), 100);
    }
}
