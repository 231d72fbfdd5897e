//! What the writer and the readers of a log share: its memory, its format, and the frame index.
//!
//! Finds and checks one frame at one place; never keeps a place itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use zerocopy::FromBytes;

use super::index::{FrameIndex, Hints};
use super::segment::SegmentHeader;
use super::{Damage, LogKind, StoreError, beginning};
use crate::sys::file::DirectoryLock;
use crate::sys::log_memory::{LogMemory, LogWriter, Segment, segment_path};
use crate::types::{
    FRAME_HEADER_BYTES, FrameChain, FrameError, FrameHeader, LINE_BYTES, Line, Position,
    SEGMENT_HEADER_BYTES,
};

/// A log, as this process sees it.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) memory: Arc<LogMemory>,
    pub(super) kind: LogKind,
    /// How far a frozen log, whose commit position is unknown, may be read.
    pub(super) frozen_end: Position,
    pub(super) index: Arc<FrameIndex>,
    /// Behind what was retired, as far as this process has heard.
    beginning: Mutex<FrameChain>,
}

/// A segment of it, mapped.
#[derive(Clone, Debug)]
pub(super) struct LogSegment {
    pub(super) memory: Arc<Segment>,
    pub(super) hints: Arc<Hints>,
}

impl Log {
    /// The log in the locked directory, as it lies there.
    ///
    /// # Errors
    /// As [`beginning::load`].
    pub(super) fn frozen(
        lock: DirectoryLock,
        segment_bytes: u64,
        kind: LogKind,
    ) -> Result<Self, StoreError> {
        Self::new(LogMemory::frozen(lock, segment_bytes), kind)
    }

    /// The log of `memory`, of which no frame is known yet.
    ///
    /// # Errors
    /// As [`beginning::load`].
    pub(super) fn new(memory: Arc<LogMemory>, kind: LogKind) -> Result<Self, StoreError> {
        let index = Arc::new(FrameIndex::new(memory.segment_bytes()));
        let beginning = Mutex::new(beginning::load(memory.directory(), memory.segment_bytes())?);
        Ok(Self { memory, kind, frozen_end: Position::FIRST, index, beginning })
    }

    /// A frozen log, which ends at `end`, to write to.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn thaw(self, end: Position) -> io::Result<(LogWriter, Self)> {
        let Self { memory, kind, index, beginning, .. } = self;
        let segment_bytes = memory.segment_bytes();
        let begin = beginning.lock().unwrap_or_else(PoisonError::into_inner).end;
        let lock = memory.into_lock().expect("the walk let go of its segments");
        let writer = LogWriter::start(lock, segment_bytes, begin, end)?;
        let memory = Arc::clone(writer.log());
        Ok((writer, Self { memory, kind, frozen_end: end, index, beginning }))
    }

    /// The chain behind what was retired; empty if nothing was.
    pub(super) fn beginning(&self) -> FrameChain {
        *self.beginning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the log begin behind the frames of `chain`.
    pub(super) fn begin_behind(&self, chain: FrameChain) {
        *self.beginning.lock().unwrap_or_else(PoisonError::into_inner) = chain;
    }

    /// Whether segment `number` was retired, perhaps a moment ago by another process.
    fn is_retired(&self, number: u64) -> bool {
        let segment_bytes = self.memory.segment_bytes();
        if let Ok(beginning) = beginning::load(self.memory.directory(), segment_bytes) {
            self.begin_behind(beginning);
        }
        number < self.segment_number(self.beginning().end)
    }

    /// What to say of a place before the beginning.
    pub(super) fn retired(&self, position: Position) -> StoreError {
        let FrameChain { end, next_sequence, .. } = self.beginning();
        StoreError::Retired { position, first: end, sequence: next_sequence }
    }

    /// How far readers may read.
    pub(super) fn committed(&self) -> Position {
        self.memory.committed().unwrap_or(self.frozen_end)
    }

    /// The number of the segment in which `at` lies.
    pub(super) fn segment_number(&self, at: Position) -> u64 {
        at.0 / self.memory.segment_bytes()
    }

    /// Where segment `number` lies.
    pub(super) fn segment_path(&self, number: u64) -> PathBuf {
        segment_path(self.memory.directory(), number)
    }

    /// Segment `number`, which must begin with the header that it should have.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn segment(&self, number: u64) -> Result<LogSegment, SegmentError> {
        // Asked only when something is wrong: a reader need not know where the log begins meanwhile.
        self.sound_segment(number)
            .map_err(|error| if self.is_retired(number) { SegmentError::Retired } else { error })
    }

    /// The header of the first frame of segment `number`, if both are as they should be.
    pub(super) fn first_header(&self, number: u64) -> Option<FrameHeader> {
        let memory = self.sound_memory(number).ok()?;
        let start = Position(number * self.memory.segment_bytes()).plus(SEGMENT_HEADER_BYTES);
        header_at(&memory, start).ok().copied()
    }

    fn sound_segment(&self, number: u64) -> Result<LogSegment, SegmentError> {
        Ok(LogSegment { memory: self.sound_memory(number)?, hints: self.index.segment(number) })
    }

    fn sound_memory(&self, number: u64) -> Result<Arc<Segment>, SegmentError> {
        let memory = self.memory.segment(number).map_err(|error| match error.kind() {
            // Nobody else locks a segment's file for himself than who retired it.
            io::ErrorKind::NotFound | io::ErrorKind::WouldBlock => {
                SegmentError::Damage(Damage::SegmentMissing)
            }
            _ => SegmentError::Io(error),
        })?;
        let expected = SegmentHeader::new(self.kind, self.memory.segment_bytes(), number);
        match memory.lines(Position(number * self.memory.segment_bytes()), 1) {
            Some([line]) if *line == expected.line() => Ok(memory),
            _ => Err(SegmentError::Damage(Damage::SegmentHeader)),
        }
    }

    /// Where the frame behind one that ends at `end` starts.
    pub(super) fn next_start(&self, end: Position) -> Position {
        FrameChain { end, ..FrameChain::empty(self.memory.segment_bytes()) }.next_start()
    }
}

/// Why a segment cannot be used.
#[derive(Debug)]
pub(super) enum SegmentError {
    Io(io::Error),
    Damage(Damage),
    /// It is gone, as it should be.
    Retired,
}

impl LogSegment {
    /// The header at `start`, which must be one that says it belongs there.
    ///
    /// # Errors
    /// What is there instead.
    pub(super) fn header(&self, start: Position) -> Result<&FrameHeader, Damage> {
        header_at(&self.memory, start)
    }

    /// The payload behind a header of this segment. Its checksum is not computed again.
    ///
    /// # Errors
    /// [`Damage::Short`] if the segment or the committed part of it ends before.
    pub(super) fn payload(&self, header: &FrameHeader) -> Result<&[Line], Damage> {
        let lines = header.payload_bytes as usize / LINE_BYTES;
        let first = header.start.plus(FRAME_HEADER_BYTES as u64);
        self.memory.lines(first, lines).ok_or(Damage::Short)
    }
}

fn header_at(memory: &Segment, start: Position) -> Result<&FrameHeader, Damage> {
    let line = memory.lines(start, 1).ok_or(Damage::Short)?;
    let header = FrameHeader::ref_from_bytes(Line::bytes(line)).expect("a line is a header");
    if header.is_blank() {
        return Err(Damage::Blank);
    }
    header.check()?;
    if header.start != start {
        return Err(FrameError::Chain.into());
    }
    Ok(header)
}

/// The numbers of the segment files in `directory`, ascending.
pub(super) fn segment_numbers(directory: &Path) -> Result<Vec<u64>, StoreError> {
    let entries = std::fs::read_dir(directory).map_err(StoreError::io("list", directory))?;
    let mut numbers = Vec::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io("list", directory))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number
            && path == segment_path(directory, number)
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A position that the frames of a frozen log do not pass: the end of the last segment that holds any.
pub(super) fn extent(log: &Log) -> Result<Position, StoreError> {
    let segment_bytes = log.memory.segment_bytes();
    for number in segment_numbers(log.memory.directory())?.into_iter().rev() {
        let path = log.segment_path(number);
        let segment = log.memory.segment(number).map_err(StoreError::io("map", &path))?;
        let first = Position(number * segment_bytes + SEGMENT_HEADER_BYTES);
        if segment.lines(first, 1).is_some_and(|line| line != [Line::ZERO]) {
            return Ok(Position((number + 1) * segment_bytes));
        }
    }
    Ok(Position::FIRST)
}

/// Bytes in each segment of the log in `directory` and what it holds, as its first segment says that
/// has a whole header: one that lost it is for the walk to name.
///
/// # Errors
/// [`StoreError::NoLog`], [`StoreError::NoFormat`], else as [`stored_header`].
pub(super) fn format_of(directory: &Path) -> Result<(u64, LogKind), StoreError> {
    let numbers = segment_numbers(directory)?;
    for &number in &numbers {
        if let Some((header, kind)) = stored_header(directory, number)? {
            return Ok((header.segment_bytes, kind));
        }
    }
    let path = directory.to_owned();
    Err(if numbers.is_empty() { StoreError::NoLog { path } } else { StoreError::NoFormat { path } })
}

/// The header of segment `number` in `directory` and the kind of log that it says; `None` if there is
/// none that is whole.
///
/// # Errors
/// The operating system's, or [`StoreError::Version`].
pub(super) fn stored_header(
    directory: &Path,
    number: u64,
) -> Result<Option<(SegmentHeader, LogKind)>, StoreError> {
    let path = segment_path(directory, number);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", &path)(error)),
    };
    let mut line = Line::ZERO;
    match file.read_exact_at(&mut line.0, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    }
    let Some((header, kind)) = SegmentHeader::parse(&line) else { return Ok(None) };
    let reads = SegmentHeader::VERSION;
    if header.version != reads {
        return Err(StoreError::Version { path, found: header.version, reads });
    }
    Ok(Some((header, kind)))
}
