//! A log whose frames are found by their index, committed or not, and whose uncommitted end can be cut:
//! the command log of a cluster. Every frame of it has the index of the one before, plus one.
//!
//! Never decides what is committed or cut.

use std::cell::Cell;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::OnceLock;

use zerocopy::FromBytes;

use super::log::LogSegment;
use super::{Durability, Frame, Options, Reader, Recovered, StoreError, Writer};
use crate::types::{
    FRAME_HEADER_BYTES, FrameChain, FrameHeader, LINE_BYTES, Line, Position, SEGMENT_HEADER_BYTES,
};

/// The writer of a log that is read by index.
#[derive(Debug)]
pub struct IndexedWriter {
    writer: Writer,
    starts: FrameStarts,
    /// The frame that was found last by a walk, and where: who is behind asks for the next.
    found: Cell<(u64, Position)>,
    /// By their numbers; mapped when they are asked for, until another segment begins.
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
        let mut found: Vec<Position> = Vec::new();
        let (writer, recovered) = Writer::open_watched(directory, options, &mut |start, all| {
            // A walk that came from a landmark, and in vain, is followed by one over all of the log.
            if found.last().is_some_and(|last| *last >= start) {
                found.clear();
            }
            found.push(start);
            progress(start, all);
        })?;
        let mut starts = FrameStarts::behind(&writer.log.beginning());
        // A frame behind the last index that is wanted is looked at, and is not in the log.
        let frames = usize::try_from(recovered.frames).expect("a 64-bit machine");
        found.truncate(frames);
        let log = &writer.log;
        let begins = log.segment_number(log.beginning().end);
        let first = found.first().map_or(begins, |first| log.segment_number(*first));
        if first > begins {
            // Of the segments that were passed over, which are committed, it is known where they begin, and
            // with which frame.
            let header = |number| log.first_header(number).expect("a landmark lies behind it");
            for number in begins..first {
                let FrameHeader { index, start, .. } = header(number);
                starts.pass_over(index, start);
            }
            starts.last = header(first).index - 1;
        }
        for start in found {
            starts.note(start);
        }
        assert_eq!(starts.last, recovered.chain.index, "a log of frames without gaps");
        let found = Cell::new((0, Position::FIRST));
        let mut log = Self { writer, starts, found, segments: Vec::new() };
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

    /// The end of the log up to the frame of this index, if the log holds it, or begins behind it.
    #[must_use]
    pub fn chain_at(&self, index: u64) -> Option<FrameChain> {
        let beginning = self.beginning();
        if index == beginning.index {
            return Some(beginning);
        }
        Some(self.frame(index)?.chain(beginning.segment_bytes))
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
        let to = self.chain_at(last).expect("what stays is in the log");
        let header = |index| *self.header(index).expect("what goes is in the log");
        let headers: Vec<_> = (last + 1..=self.starts.last).map(header).collect();
        self.writer.cut(to, &headers, durability == Durability::Disk)?;
        self.starts.truncate(last);
        self.found.set((0, Position::FIRST));
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
        let (mut start, mut steps) = self.starts.near(index)?;
        if steps == 0 {
            return Some(start);
        }
        let (found, at) = self.found.get();
        if let Some(fewer) = index.checked_sub(found).filter(|fewer| *fewer < steps) {
            (start, steps) = (at, fewer);
        }
        for _ in 0..steps {
            let header = self.header_at(start)?;
            start = self.writer.log.next_start(start.plus(header.frame_bytes()));
        }
        self.found.set((index, start));
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

    /// Another segment has begun: those before the last two are mapped again when somebody asks, so that
    /// their files can be given another use, and what was retired is forgotten.
    fn make_room_for_segments(&mut self) {
        let last = self.writer.log.segment_number(self.chain().end);
        let room = usize::try_from(last).expect("a 64-bit machine") + 1;
        if self.segments.len() < room {
            self.segments.resize_with(room, OnceLock::new);
            let old = room.saturating_sub(2);
            self.segments[..old].iter_mut().for_each(|segment| drop(segment.take()));
            self.starts.forget(self.writer.log.beginning().index);
        }
    }
}

/// Where frames start: of the last ones all, of the others some, each segment's first among them.
#[derive(Debug)]
struct FrameStarts {
    segment_bytes: u64,
    /// The index before the first.
    base: u64,
    last: u64,
    /// Frames from one mark to the next.
    spacing: u64,
    /// Indexes of frames, and where they start.
    marks: VecDeque<(u64, Position)>,
    /// Of the frames up to `last`.
    recent: VecDeque<Position>,
}

/// Frames from one mark to the next, as long as there is room for so many: 16 bytes for 64 frames are 90 MB
/// for the 360 million frames of a day, and a walk of at most 63 headers is a matter of microseconds.
const SPACING: u64 = 64;
/// Marks, of 16 bytes each, at which every other is forgotten: 64 MiB, if segments are no smaller than usual.
const MARKS_MAX: usize = 4 << 20;
/// Frames that are found without a walk: more than consensus has under way.
const RECENT_MAX: usize = 4_096;

impl FrameStarts {
    fn behind(beginning: &FrameChain) -> Self {
        let &FrameChain { segment_bytes, index: base, .. } = beginning;
        let (marks, recent) = (VecDeque::new(), VecDeque::new());
        Self { segment_bytes, base, last: base, spacing: SPACING, marks, recent }
    }

    /// The first frame of a segment whose others nobody has looked at.
    fn pass_over(&mut self, index: u64, start: Position) {
        self.marks.push_back((index, start));
    }

    fn note(&mut self, start: Position) {
        self.last += 1;
        let is_due = self.marks.back().is_none_or(|mark| self.last >= mark.0 + self.spacing);
        if is_due || begins_segment(start, self.segment_bytes) {
            self.marks.push_back((self.last, start));
            self.thin_out(MARKS_MAX);
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(start);
    }

    /// Forgets every other mark where there are more than `most`; walks become longer.
    fn thin_out(&mut self, most: usize) {
        if self.marks.len() > most && self.spacing < MARKS_MAX as u64 {
            self.spacing *= 2;
            let (mut keep, segment_bytes) = (false, self.segment_bytes);
            self.marks.retain(|(_, start)| {
                keep = !keep;
                keep || begins_segment(*start, segment_bytes)
            });
        }
    }

    fn truncate(&mut self, last: u64) {
        for _ in last..self.last {
            self.recent.pop_back();
        }
        self.last = last;
        while self.marks.back().is_some_and(|mark| mark.0 > last) {
            self.marks.pop_back();
        }
    }

    /// The frames up to the one of this index, the last of a segment, are no more.
    fn forget(&mut self, base: u64) {
        self.base = self.base.max(base);
        while self.marks.front().is_some_and(|mark| mark.0 <= base) {
            self.marks.pop_front();
        }
    }

    /// A frame at or before the one with this index, in its segment, and how many steps it is away.
    fn near(&self, index: u64) -> Option<(Position, u64)> {
        if index <= self.base || index > self.last {
            return None;
        }
        let from_end = usize::try_from(self.last - index).expect("a 64-bit machine");
        if let Some(recent) = self.recent.len().checked_sub(from_end + 1) {
            return Some((self.recent[recent], 0));
        }
        let behind = self.marks.partition_point(|mark| mark.0 <= index);
        let (marked, start) = *self.marks.get(behind.checked_sub(1)?)?;
        Some((start, index - marked))
    }

    /// The index before the last marked frame that starts below `position`.
    fn marked_before(&self, position: Position) -> u64 {
        let behind = self.marks.partition_point(|mark| mark.1 < position);
        behind.checked_sub(1).map_or(self.base, |place| self.marks[place].0 - 1)
    }
}

const fn begins_segment(start: Position, segment_bytes: u64) -> bool {
    start.0 % segment_bytes == SEGMENT_HEADER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 1 << 20;

    /// Where the frame of this index starts, if each has a payload of one line: so many to a segment.
    fn start(index: u64) -> Position {
        let in_segment = 8_000;
        let (segment, place) = ((index - 1) / in_segment, (index - 1) % in_segment);
        Position(segment * SEGMENT + SEGMENT_HEADER_BYTES + place * 128)
    }

    fn check(starts: &FrameStarts, base: u64, last: u64, spacing: u64) {
        assert_eq!((starts.near(base), starts.near(last + 1)), (None, None));
        for index in base + 1..=last {
            let (near, steps) = starts.near(index).unwrap();
            assert_eq!(near, start(index - steps), "of {index}");
            assert_eq!(near.0 / SEGMENT, start(index).0 / SEGMENT, "{index} is in its segment");
            assert!(steps < spacing);
        }
    }

    fn starts(last: u64) -> FrameStarts {
        let mut starts = FrameStarts::behind(&FrameChain::empty(SEGMENT));
        (1..=last).for_each(|index| starts.note(start(index)));
        starts
    }

    #[test]
    fn a_start_is_known_or_near_a_mark_also_behind_a_cut() {
        let last = RECENT_MAX as u64 + 16_000;
        let mut starts = starts(last);
        check(&starts, 0, last, SPACING);
        for last in [last - 1, 16_001, 16_000, 1, 0] {
            starts.truncate(last);
            check(&starts, 0, last, SPACING);
        }
        starts.note(start(1));
        check(&starts, 0, 1, SPACING);
        assert_eq!(starts.marked_before(start(1)), 0);
    }

    #[test]
    fn what_was_retired_is_forgotten_and_the_rest_is_found_as_before() {
        let mut starts = starts(30_000);
        starts.forget(16_000);
        check(&starts, 16_000, 30_000, SPACING);
        assert_eq!(starts.marks.front(), Some(&(16_001, start(16_001))));
        starts.forget(8_000);
        check(&starts, 16_000, 30_000, SPACING);
    }

    #[test]
    fn where_there_is_no_room_for_more_marks_every_other_is_forgotten() {
        let mut starts = starts(30_000);
        for (times, spacing) in [(1, 2 * SPACING), (2, 4 * SPACING)] {
            let before = starts.marks.len();
            starts.thin_out(before - 1);
            assert!(starts.marks.len() <= before / 2 + 4, "{times}");
            // One to each side of a segment's beginning may be nearer.
            check(&starts, 0, 30_000, 2 * spacing);
        }
        starts.thin_out(usize::MAX);
        assert_eq!(starts.spacing, 4 * SPACING);
    }
}
