//! Readers of a log: in order behind the writer, or at random below the commit position.
//!
//! Never slow the writer, never see a byte above the commit position, and never compute a payload's
//! checksum again where recovery did, or the writer of this boot wrote it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::{Log, LogSegment, SegmentError, format_of};
use super::recovery::find_end;
use super::{Damage, LogKind, StoreError, WriterState};
use crate::sys::file::DirectoryLock;
use crate::sys::log_memory::LogMemory;
use crate::types::{
    FRAME_HEADER_BYTES, FrameChain, FrameHeader, LINE_BYTES, Line, Position, RecordError,
    SEGMENT_HEADER_BYTES, chain_hash, split_record,
};

/// A place in a log, and the way to everything below its commit position.
///
/// Cloning is cheap; a clone goes its own way from the same place.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) log: Arc<Log>,
    /// Behind the last frame that was handed out.
    end: Position,
    /// The segment of the last frame handed out in order.
    following: Option<LogSegment>,
    /// The segment of the last frame looked up.
    looked_up: Option<LogSegment>,
    /// Of a frozen log: the chain behind the last frame that was handed out in order.
    proven: Option<FrameChain>,
}

/// A committed frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its header.
    pub header: &'a FrameHeader,
    /// Its records.
    pub payload: &'a [Line],
}

/// A record in a committed frame.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// The header of its frame: the log time and the cause.
    pub header: &'a FrameHeader,
    /// Its number in the log.
    pub sequence: u64,
    /// Where it begins.
    pub position: Position,
    /// The record.
    pub lines: &'a [Line],
}

impl Reader {
    /// A reader before the first frame of the log in `directory`, which another process may be
    /// writing. Where nobody has opened the log since the machine booted, the commit position is
    /// unknown: then everything sound counts as committed, and no writer can open the log as long as this
    /// reader and its clones live. Its last segment is walked to find the end, and every frame is checked,
    /// and its link to the one before, when it is handed out.
    ///
    /// # Errors
    /// [`StoreError`], each with its remedy.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::open_watched(directory, &mut |_, _| ())
    }

    /// [`Reader::open`] that shows `progress`, after each frame of what must be walked, its position and
    /// one that it does not pass.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_watched(
        directory: &Path,
        progress: &mut dyn FnMut(Position, Position),
    ) -> Result<Self, StoreError> {
        let (segment_bytes, kind) = format_of(directory)?;
        let live = LogMemory::live(directory, segment_bytes)
            .map_err(StoreError::io("read the positions file in", directory))?;
        let mut log = match live {
            Some(live) => Log::new(live, kind)?,
            None => Log::frozen(lock_to_read(directory)?, segment_bytes, kind)?,
        };
        if log.memory.committed().is_none() {
            log.frozen_end = find_end(&log, progress)?;
        }
        Ok(Self::new(Arc::new(log)))
    }

    pub(super) fn new(log: Arc<Log>) -> Self {
        let chain = log.beginning();
        Self { log, end: chain.end, following: None, looked_up: None, proven: Some(chain) }
    }

    /// The next committed frame, or `None` if there is none yet.
    ///
    /// # Errors
    /// [`StoreError::Retired`] if it was retired before it was read, with the sequence from which it can
    /// go on; [`StoreError::Unreadable`] if the frame that should be there is not, and the operating
    /// system's.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, StoreError> {
        if self.end >= self.log.committed() {
            return Ok(None);
        }
        let start = self.log.next_start(self.end);
        let segment = hold(&self.log, &mut self.following, start)?;
        let frame = frame_at(&self.log, segment, start)?;
        if self.log.memory.committed().is_none() {
            self.proven = Some(prove(&self.log, &frame, self.proven)?);
        }
        self.end = frame.end();
        Ok(Some(frame))
    }

    /// Goes to `to`: the next frame is the one that holds that position, or else the first behind.
    /// The commit position itself is the place of who wants only what is new.
    ///
    /// # Errors
    /// [`StoreError::NotCommitted`] above the commit position, else as [`Reader::next_frame`].
    pub fn seek(&mut self, to: Position) -> Result<(), StoreError> {
        let committed = self.committed();
        if to > committed {
            return Err(StoreError::NotCommitted { position: to, committed });
        }
        self.proven = None;
        if to == committed {
            self.end = to;
            return Ok(());
        }
        let segment = hold(&self.log, &mut self.following, to)?;
        self.end = match first_behind(&self.log, segment, to)? {
            Some(frame) => frame.header.start,
            // The room that is left free at a segment's end.
            None => Position((segment.memory.number() + 1) * self.log.memory.segment_bytes()),
        };
        Ok(())
    }

    /// Goes to the record of `sequence`: the next frame is the one that holds it. The sequence behind
    /// the last is the place of who wants only what is new.
    ///
    /// Costs a look at some segments, and a walk over the headers of one.
    ///
    /// # Errors
    /// [`StoreError::Retired`] before the beginning of the log, [`StoreError::NoSequence`] behind its
    /// end, else as [`Reader::next_frame`].
    pub fn seek_to_sequence(&mut self, sequence: u64) -> Result<(), StoreError> {
        let committed = self.committed();
        let behind = self.first_segment_where(|header| header.first_sequence > sequence)?;
        let beginning = self.log.beginning();
        if sequence < beginning.next_sequence {
            return Err(self.log.retired(Position(0)));
        }
        self.proven = None;
        let number = behind.saturating_sub(1).max(self.log.segment_number(beginning.end));
        let mut next = beginning.next_sequence;
        let mut start = Position(number * self.segment_bytes()).plus(SEGMENT_HEADER_BYTES);
        while start < committed {
            let segment = hold(&self.log, &mut self.following, start)?;
            let frame = frame_at(&self.log, segment, start)?;
            next = frame.header.first_sequence + u64::from(frame.header.count);
            if sequence < next {
                self.end = start;
                return Ok(());
            }
            start = self.log.next_start(frame.end());
        }
        if sequence > next {
            return Err(StoreError::NoSequence { sequence, next });
        }
        self.end = committed;
        Ok(())
    }

    /// The chain at which the log begins: behind what was retired, or empty if nothing was. A reader
    /// that fell behind goes on from its sequence.
    #[must_use]
    pub fn beginning(&self) -> FrameChain {
        self.log.beginning()
    }

    /// The number of the first segment of which the first frame's header is so, as those of all segments
    /// behind it are; one more than the last segment's if there is none.
    pub(super) fn first_segment_where(
        &mut self,
        is_so: impl Fn(&FrameHeader) -> bool,
    ) -> Result<u64, StoreError> {
        let mut searched = self.search_segments(&is_so);
        for _ in 0..SEARCHES_MAX {
            // Of a segment that was retired meanwhile nobody asked: the next search knows.
            let Err(StoreError::Retired { .. }) = searched else { break };
            searched = self.search_segments(&is_so);
        }
        searched
    }

    fn search_segments(
        &mut self,
        is_so: &impl Fn(&FrameHeader) -> bool,
    ) -> Result<u64, StoreError> {
        let committed = self.committed();
        let mut low = self.log.segment_number(self.log.beginning().end);
        let mut high = self.log.segment_number(self.log.next_start(committed));
        if self.log.next_start(committed) == committed && committed > Position::FIRST {
            // The last segment holds a frame.
            high += 1;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let start = Position(middle * self.segment_bytes()).plus(SEGMENT_HEADER_BYTES);
            let segment = hold(&self.log, &mut self.looked_up, start)?;
            if is_so(frame_at(&self.log, segment, start)?.header) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// Where segment `number` lies.
    pub(super) fn segment_path(&self, number: u64) -> PathBuf {
        self.log.segment_path(number)
    }

    /// The place behind the last frame that was handed out, or where [`Reader::seek`] went.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.end
    }

    /// The commit position.
    #[must_use]
    pub fn committed(&self) -> Position {
        self.log.committed()
    }

    /// Whether the commit position may move on. Not where nobody has opened the log since the machine
    /// booted: then nobody can as long as this reader lives.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.log.memory.committed().is_some()
    }

    /// Who writes to the log: whoever waits for more need not if nobody does, once it has come to the
    /// commit position again.
    ///
    /// # Errors
    /// The operating system's.
    pub fn writer(&self) -> Result<WriterState, StoreError> {
        let memory = &self.log.memory;
        memory.writer().map_err(StoreError::io("look for the writer of", memory.directory()))
    }

    /// Which log this is.
    #[must_use]
    pub fn kind(&self) -> LogKind {
        self.log.kind
    }

    /// Bytes in each of its segments.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.log.memory.segment_bytes()
    }

    /// The committed record that begins at `position`. Does not move the reader.
    ///
    /// Costs a walk over the headers of some 16 KiB of log where somebody in this process has passed
    /// before, of a segment at most where not, and over the records of one frame.
    ///
    /// # Errors
    /// [`StoreError::NotCommitted`], [`StoreError::NoRecord`], else as [`Reader::next_frame`].
    pub fn record_at(&mut self, position: Position) -> Result<LogRecord<'_>, StoreError> {
        let frame = self.frame_containing(position)?;
        let mut records = frame.records().map_while(Result::ok);
        records.find(|record| record.position == position).ok_or(StoreError::NoRecord { position })
    }

    /// The committed frame in which `position` lies. Does not move the reader.
    ///
    /// # Errors
    /// As [`Reader::record_at`].
    pub fn frame_containing(&mut self, position: Position) -> Result<Frame<'_>, StoreError> {
        let committed = self.committed();
        if position >= committed {
            return Err(StoreError::NotCommitted { position, committed });
        }
        let segment = hold(&self.log, &mut self.looked_up, position)?;
        let frame = first_behind(&self.log, segment, position)?
            .filter(|frame| frame.header.start <= position)
            .ok_or(StoreError::NoRecord { position })?;
        if self.log.memory.committed().is_none() {
            prove(&self.log, &frame, None)?;
        }
        Ok(frame)
    }
}

impl<'a> Frame<'a> {
    /// Its records, in order. A frame that holds none gives none.
    #[must_use]
    pub const fn records(&self) -> Records<'a> {
        let position = self.header.start.plus(FRAME_HEADER_BYTES as u64);
        Records {
            header: self.header,
            sequence: self.header.first_sequence,
            position,
            left: self.header.count,
            rest: self.payload,
        }
    }

    /// The position behind it.
    #[must_use]
    pub const fn end(&self) -> Position {
        self.header.start.plus(self.header.frame_bytes())
    }

    /// The end of a log with segments of this size, of which it is the last frame.
    pub(super) fn chain(&self, segment_bytes: u64) -> FrameChain {
        let &Self { header, payload } = self;
        FrameChain {
            segment_bytes,
            end: self.end(),
            next_sequence: header.first_sequence + u64::from(header.count),
            hash: chain_hash(header, payload),
            index: header.index,
            term: header.term,
            time: header.time,
        }
    }
}

/// The records of a frame.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: &'a FrameHeader,
    sequence: u64,
    position: Position,
    left: u16,
    rest: &'a [Line],
}

impl<'a> Iterator for Records<'a> {
    /// An error is the last item: a frame with a sound checksum whose records do not add up was
    /// wrong when it was written.
    type Item = Result<LogRecord<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (lines, rest) = match split_record(self.rest) {
            Ok(split) => split,
            Err(error) => {
                self.left = 0;
                return Some(Err(error));
            }
        };
        let Self { header, sequence, position, .. } = *self;
        self.rest = rest;
        self.sequence += 1;
        self.position = position.plus((lines.len() * LINE_BYTES) as u64);
        Some(Ok(LogRecord { header, sequence, position, lines }))
    }
}

/// How often a search begins again because the log lost its oldest segments under it. Each took the
/// writer a segment's time.
const SEARCHES_MAX: usize = 8;

/// The segment of `at`: the one held, or else that one from now on.
pub(super) fn hold<'a>(
    log: &Log,
    held: &'a mut Option<LogSegment>,
    at: Position,
) -> Result<&'a LogSegment, StoreError> {
    let number = log.segment_number(at);
    let segment = match held.take() {
        Some(segment) if segment.memory.number() == number => segment,
        _ => log.segment(number).map_err(|error| {
            let path = log.segment_path(number);
            match error {
                SegmentError::Io(error) => StoreError::io("map", &path)(error),
                SegmentError::Retired => log.retired(at),
                SegmentError::Damage(damage) => {
                    StoreError::Unreadable { path, position: at, damage }
                }
            }
        })?,
    };
    Ok(held.insert(segment))
}

/// The frame that starts at `start` in this segment.
pub(super) fn frame_at<'a>(
    log: &Log,
    segment: &'a LogSegment,
    start: Position,
) -> Result<Frame<'a>, StoreError> {
    let frame = segment.header(start).and_then(|header| {
        let payload = segment.payload(header)?;
        segment.hints.note(start);
        Ok(Frame { header, payload })
    });
    frame.map_err(|damage| StoreError::Unreadable {
        path: log.segment_path(segment.memory.number()),
        position: start,
        damage,
    })
}

/// Checks a frame that nobody has since the machine booted: its payload, and where the frame before it was
/// proven, its link to that. The chain behind it.
fn prove(
    log: &Log,
    frame: &Frame<'_>,
    before: Option<FrameChain>,
) -> Result<FrameChain, StoreError> {
    let &Frame { header, payload } = frame;
    let proven = header.check_payload(payload).and_then(|()| match before {
        Some(mut chain) => chain.follow(header, payload).map(|()| chain),
        None => Ok(frame.chain(log.memory.segment_bytes())),
    });
    proven.map_err(|error| StoreError::Unreadable {
        path: log.segment_path(log.segment_number(header.start)),
        position: header.start,
        damage: Damage::Frame(error),
    })
}

/// The first frame of this segment that ends behind `at`, which is below the commit position.
fn first_behind<'a>(
    log: &Log,
    segment: &'a LogSegment,
    at: Position,
) -> Result<Option<Frame<'a>>, StoreError> {
    let mut start = segment.hints.at_or_before(at);
    while log.segment_number(start) == segment.memory.number() {
        let frame = frame_at(log, segment, start)?;
        if at < frame.end() {
            return Ok(Some(frame));
        }
        start = log.next_start(frame.end());
    }
    Ok(None)
}

fn lock_to_read(directory: &Path) -> Result<DirectoryLock, StoreError> {
    DirectoryLock::shared(directory)
        .map_err(StoreError::io("lock", directory))?
        .ok_or_else(|| StoreError::Locked { path: directory.to_owned() })
}
