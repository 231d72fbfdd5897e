//! The writer of a log: recovers its end, appends frames, moves the commit position.
//!
//! Never decides what is committed or when to make it durable: its caller does both.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use zerocopy::{FromBytes, IntoBytes};

use super::log::{Log, LogSegment, extent, segment_numbers, stored_header};
use super::preparer::{Preparer, prepare};
use super::recovery::{Landmark, Recovered, keep_behind, recover};
use super::retirement::{Retirement, discard};
use super::segment::is_segment_size;
use super::{LogKind, Reader, StoreError};
use crate::sys::file::{self, DirectoryLock};
use crate::sys::log_memory::{LogWriter, segment_path};
use crate::sys::log_positions::{POSITIONS_BYTES, POSITIONS_FILE, committed_in_this_boot};
use crate::types::{
    Cause, FRAME_HEADER_BYTES, FrameChain, FrameHeader, FrameKind, FrameSink, LINE_BYTES, Line,
    Position,
};

/// How to open a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which log it is.
    pub kind: LogKind,
    /// Bytes in each segment; a power of two, and for good once the log exists.
    pub segment_bytes: u64,
    /// A position below which everything is known to have been durable: a log that ends before it
    /// is damaged. [`Position::FIRST`] if nothing is known.
    pub durable: Position,
    /// Bytes behind a damage at or above `durable` in which sound frames are no proof that it was
    /// whole once: what was never made durable before the machine went down, whose pages the disk
    /// gets in no order. There the log is cut at the damage, and what is cut off is kept in a file.
    /// 0 where only the process can have ended.
    pub unsynced: u64,
    /// Frames of a later Raft index, and what lies behind them, are cut in the same way: of a log that
    /// is derived, and tells of what is gone from the one it is derived from.
    pub last_index: u64,
    /// Where the log was sound when a snapshot was taken. If a process of this boot has had the log open to
    /// that place, so that all before it was checked or written since the machine started, only what lies
    /// behind, and [`CHECKED_AGAIN_BYTES`](super::CHECKED_AGAIN_BYTES) before, is checked again.
    pub landmark: Option<Landmark>,
}

impl Options {
    /// A log of which nothing is known to be durable, and whose machine did not go down.
    #[must_use]
    pub const fn new(kind: LogKind, segment_bytes: u64) -> Self {
        let (durable, unsynced, last_index) = (Position::FIRST, 0, u64::MAX);
        Self { kind, segment_bytes, durable, unsynced, last_index, landmark: None }
    }
}

/// When an append counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is in memory: page cache or `/dev/shm`. Survives the process, not the machine.
    #[default]
    Memory,
    /// When the disk has it.
    Disk,
}

/// Lines behind the end that are brought near for the next frame: those of a single order's command, or of
/// its events. The sequencer's part of such an order took 230 ns with it, and 290 to 330 without.
const LINES_EXPECTED: usize = 12;

/// The one writer of a log.
///
/// Appending and committing are two steps, because replication lies between them; a node without a
/// cluster calls one after the other.
#[derive(Debug)]
pub struct Writer {
    chain: FrameChain,
    segment: LogSegment,
    /// Segments behind it that a cut has left blank; the next is the last.
    blank: Vec<LogSegment>,
    pub(super) log: Arc<Log>,
    /// Everything below is durable.
    synced: Position,
    // Before the memory, whose lock it needs until its thread has ended.
    preparer: Preparer,
    memory: LogWriter,
}

impl Writer {
    /// Opens the log in `directory`, which is made if it does not exist, and recovers its end. A torn
    /// tail is cut and reported. What this boot committed stays committed; after a reboot nothing
    /// is, until [`Writer::commit`].
    ///
    /// Call it from a thread that is not pinned: the thread that prepares segments inherits the cores
    /// of this one.
    ///
    /// # Errors
    /// [`StoreError`], each with its remedy. On [`StoreError::Damaged`] nothing was changed.
    pub fn open(directory: &Path, options: Options) -> Result<(Self, Recovered), StoreError> {
        Self::open_watched(directory, options, &mut |_, _| ())
    }

    /// [`Writer::open`] that shows `progress` the position up to which the log was checked, and one that
    /// it does not pass, after each frame.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_watched(
        directory: &Path,
        options: Options,
        progress: &mut dyn FnMut(Position, Position),
    ) -> Result<(Self, Recovered), StoreError> {
        let Options { kind, segment_bytes, durable, unsynced, last_index, landmark } = options;
        if !is_segment_size(segment_bytes) {
            return Err(StoreError::SegmentSizeRange { bytes: segment_bytes });
        }
        file::create_directory(directory).map_err(StoreError::io("create", directory))?;
        let lock = DirectoryLock::exclusive(directory)
            .map_err(StoreError::io("lock", directory))?
            .ok_or_else(|| StoreError::Locked { path: directory.to_owned() })?;
        check_format(directory, kind, segment_bytes)?;

        let committed = committed_in_this_boot(directory)
            .map_err(StoreError::io("read the positions file in", directory))?;
        let frozen = Log::frozen(lock, segment_bytes, kind)?;
        // What was acknowledged and is gone elsewhere is acknowledged no more.
        let holds = committed.filter(|_| last_index == u64::MAX);
        let acknowledged = durable.max(holds.unwrap_or(Position::FIRST));
        let extent = extent(&frozen)?;
        let mut see = |header: &FrameHeader| progress(header.start, extent);
        let landmark = landmark.filter(|landmark| committed >= Some(landmark.end));
        let mut recovered =
            recover(&frozen, acknowledged, unsynced, last_index, landmark, &mut see)?;
        if let Some(torn) = recovered.torn.as_mut().filter(|torn| torn.frames > 0) {
            torn.kept = Some(keep_behind(&frozen, recovered.chain.end)?);
        }
        discard(&frozen)?;
        let end = recovered.chain.end;
        let positions = directory.join(POSITIONS_FILE);
        if committed.is_some_and(|committed| committed > end) {
            fs::remove_file(&positions).map_err(StoreError::io("remove", &positions))?;
        }
        let (mut memory, log) =
            frozen.thaw(end).map_err(StoreError::allocating(&positions, POSITIONS_BYTES))?;
        let log = Arc::new(log);
        let segment = resume(&log, &mut memory, &recovered)?;
        let next = prepare(&log, segment.memory.number() + 1)?;
        let preparer = Preparer::start(&log, next)?;
        let chain = recovered.chain;
        let blank = Vec::new();
        Ok((Self { chain, segment, blank, log, synced: durable, preparer, memory }, recovered))
    }

    /// Appends the frame that was sealed behind the last. Readers do not see it before it is
    /// committed. When this fails nothing was appended, and the same frame may be tried again.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`] or the operating system's when the next segment cannot be had.
    ///
    /// # Panics
    /// If the frame does not continue this log: whoever sealed it has a defect.
    pub fn append(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), StoreError> {
        assert_eq!(header.start, self.chain.next_start(), "a frame sealed for another place");
        let mut chain = self.chain;
        let followed = chain.follow(header, payload);
        assert_eq!(followed, Ok(()), "a frame that does not continue the log");
        self.put(header, payload, chain)
    }

    /// Seals the next frame and appends it, for who keeps no chain of his own: the frame is hashed once.
    ///
    /// # Errors
    /// As [`Writer::append`].
    ///
    /// # Panics
    /// As [`FrameChain::seal`].
    pub fn seal(
        &mut self,
        kind: FrameKind,
        cause: Cause,
        count: u16,
        payload: &[Line],
    ) -> Result<FrameHeader, StoreError> {
        let mut chain = self.chain;
        let header = chain.seal(kind, cause, count, payload);
        self.put(&header, payload, chain)?;
        Ok(header)
    }

    /// Writes a frame behind which the log ends as `chain` says.
    fn put(
        &mut self,
        header: &FrameHeader,
        payload: &[Line],
        chain: FrameChain,
    ) -> Result<(), StoreError> {
        let start = header.start;
        let number = self.log.segment_number(start);
        if number != self.segment.memory.number() {
            self.segment = match self.blank.pop() {
                Some(segment) => segment,
                None => self.preparer.take(number)?,
            };
        }
        // The payload first: until the header is there, a scan finds the log's end where it was.
        let line = Line::ref_from_bytes(header.as_bytes()).expect("a header is a line");
        let first = start.plus(FRAME_HEADER_BYTES as u64);
        self.memory.write(&self.segment.memory, first, payload);
        self.memory.write(&self.segment.memory, start, std::slice::from_ref(line));
        self.chain = chain;
        self.memory.append(self.chain.end);
        self.segment.hints.note(start);
        self.memory.expect(&self.segment.memory, self.chain.end, LINES_EXPECTED);
        Ok(())
    }

    /// Takes back the frames behind `to`, none of which is committed; `cut` are their headers. They are
    /// made blank from the last to the first, so that a process that dies meanwhile leaves no frame behind
    /// a hole; with `durably` the disk does not either, but within [`CUT_BYTES_MAX`].
    ///
    /// # Errors
    /// The operating system's. The log is then of no more use to this writer.
    ///
    /// # Panics
    /// If `to` lies below the commit position: what counts is never taken back.
    pub(super) fn cut(
        &mut self,
        to: FrameChain,
        cut: &[FrameHeader],
        durably: bool,
    ) -> Result<(), StoreError> {
        assert!(to.end >= self.committed(), "a cut at {}, below the commit position", to.end);
        self.synced = self.synced.min(to.end);
        let mut unsynced = 0;
        for &FrameHeader { start, payload_bytes, .. } in cut.iter().rev() {
            self.go_back(self.log.segment_number(start), durably)?;
            self.memory.write(&self.segment.memory, start, &[Line::ZERO]);
            let lines = payload_bytes as usize / LINE_BYTES;
            let first = start.plus(FRAME_HEADER_BYTES as u64);
            self.memory.write(&self.segment.memory, first, &BLANK[..lines]);
            self.memory.append(start);
            self.segment.hints.forget_from(start);
            unsynced += FRAME_HEADER_BYTES as u64 + u64::from(payload_bytes);
            if durably && unsynced > CUT_BYTES_MAX {
                self.sync_segment()?;
                unsynced = 0;
            }
        }
        if to.end > Position::FIRST {
            self.go_back(self.log.segment_number(Position(to.end.0 - 1)), durably)?;
        }
        self.memory.append(to.end);
        self.chain = to;
        if durably { self.sync_segment() } else { Ok(()) }
    }

    /// Makes segment `number`, which is the last one or lies before it, the last one.
    fn go_back(&mut self, number: u64, durably: bool) -> Result<(), StoreError> {
        while self.segment.memory.number() > number {
            if durably {
                self.sync_segment()?;
            }
            let before = self.segment.memory.number() - 1;
            let path = self.log.segment_path(before);
            let memory = self
                .memory
                .open_segment(before)
                .map_err(StoreError::allocating(&path, self.log.memory.segment_bytes()))?;
            let segment = LogSegment { memory, hints: self.log.index.segment(before) };
            self.blank.push(std::mem::replace(&mut self.segment, segment));
        }
        Ok(())
    }

    fn sync_segment(&self) -> Result<(), StoreError> {
        let path = self.log.segment_path(self.segment.memory.number());
        self.segment.memory.sync().map_err(StoreError::io("sync", &path))
    }

    /// Lines that were appended, committed or not, as [`LogWriter::written`] gives them.
    pub(super) fn written<'a>(
        &'a self,
        segment: &'a LogSegment,
        at: Position,
        count: usize,
    ) -> Option<&'a [Line]> {
        self.memory.written(&segment.memory, at, count)
    }

    /// Lets readers see all frames below `to`, the end of a frame.
    ///
    /// # Panics
    /// If that lowers the commit position or passes the last frame: a defect of the caller.
    pub fn commit(&mut self, to: Position) {
        self.memory.commit(to);
    }

    /// The commit position.
    #[must_use]
    pub fn committed(&self) -> Position {
        self.memory.committed()
    }

    /// The end of the log, appended but perhaps not committed.
    #[must_use]
    pub const fn chain(&self) -> &FrameChain {
        &self.chain
    }

    /// Makes everything that was appended durable. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The operating system's. What is durable is then unknown, and the node should stop.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        let current = self.segment.memory.number();
        // What was retired was let go of because it is not needed, perhaps at this moment.
        let begins = || self.log.segment_number(self.log.beginning().end);
        for number in self.log.segment_number(self.synced).max(begins())..current {
            let path = self.log.segment_path(number);
            match File::open(&path).and_then(|file| file.sync_data()) {
                Err(error) if number >= begins() => {
                    return Err(StoreError::io("sync", &path)(error));
                }
                _ => {}
            }
        }
        self.sync_segment()?;
        self.synced = self.chain.end;
        Ok(())
    }

    /// A reader in this process, before the first frame. It shares the writer's mappings.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.log))
    }

    /// The way to let go of the log's oldest segments.
    #[must_use]
    pub fn retirement(&self) -> Retirement {
        self.preparer.retirement()
    }

    /// How often an append had to wait for its segment to be prepared.
    #[must_use]
    pub const fn segments_late(&self) -> u64 {
        self.preparer.late()
    }
}

impl FrameSink for Writer {
    type Error = StoreError;

    fn frame(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), StoreError> {
        self.append(header, payload)
    }
}

/// Checks that the file system of `directory`, which need not exist yet, has `need` bytes free. A new
/// log needs two segments, and from then on one more each time one is full.
///
/// # Errors
/// [`StoreError::NoSpace`], or the operating system's.
pub fn check_space(directory: &Path, need: u64) -> Result<(), StoreError> {
    let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let free =
        file::free_bytes(existing).map_err(StoreError::io("ask for free space of", existing))?;
    if free < need {
        return Err(StoreError::NoSpace { path: directory.to_owned(), need, free });
    }
    Ok(())
}

/// Refuses a log of another kind or segment size. A first segment without a header says nothing here:
/// the walk finds out whether it is new or damaged.
fn check_format(directory: &Path, kind: LogKind, segment_bytes: u64) -> Result<(), StoreError> {
    let Some(&first) = segment_numbers(directory)?.first() else { return Ok(()) };
    let Some((header, found)) = stored_header(directory, first)? else { return Ok(()) };
    let path = segment_path(directory, first);
    if found != kind {
        return Err(StoreError::Kind { path, found, wanted: kind });
    }
    if header.segment_bytes != segment_bytes {
        let found = header.segment_bytes;
        return Err(StoreError::SegmentSize { path, found, wanted: segment_bytes });
    }
    Ok(())
}

/// The most bytes of a cut that are made durable at once.
pub(super) const CUT_BYTES_MAX: u64 = 1 << 20;

/// What is written over a torn tail.
static BLANK: [Line; 1024] = [Line::ZERO; 1024];

/// The segment in which the log ends, with nothing behind the end: neither torn bytes nor segments.
fn resume(
    log: &Log,
    memory: &mut LogWriter,
    recovered: &Recovered,
) -> Result<LogSegment, StoreError> {
    let end = recovered.chain.end;
    // The last byte's, for a segment may be full to its end.
    let last = log.segment_number(Position(end.0 - 1));
    for number in segment_numbers(log.memory.directory())? {
        if number > last || end == Position::FIRST {
            let path = log.segment_path(number);
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    if end == Position::FIRST {
        return prepare(log, 0);
    }
    let path = log.segment_path(last);
    let segment = memory
        .open_segment(last)
        .map_err(StoreError::allocating(&path, log.memory.segment_bytes()))?;
    if recovered.torn.is_some() {
        let segment_end = log.memory.segment_bytes() * (last + 1);
        for at in (end.0..segment_end).step_by(size_of_val(&BLANK)) {
            let left = usize::try_from(segment_end - at).expect("a 64-bit machine");
            let lines = BLANK.len().min(left / LINE_BYTES);
            memory.write(&segment, Position(at), &BLANK[..lines]);
        }
        segment.sync().map_err(StoreError::io("sync", &path))?;
    }
    Ok(LogSegment { memory: segment, hints: log.index.segment(last) })
}
