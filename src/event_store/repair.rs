//! A damaged log mended from a copy of it: where a frame here is not sound, the copy's takes its place.
//!
//! Writes nothing before every frame of the copy is verified and tied to what is sound here, before each
//! damage and behind it; never replaces a sound frame. A repair that was killed is simply made again.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::{Log, SegmentError, extent, format_of};
use super::recovery::{Walk, begins_with_frame, judge_end, recover};
use super::segment::SegmentHeader;
use super::{LogKind, StoreError};
use crate::sys::file::{self, DirectoryLock};
use crate::sys::log_memory::Segment;
use crate::types::{FrameChain, FrameHeader, LINE_BYTES, Line, Position, SEGMENT_HEADER_BYTES};

/// What a repair did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What was replaced, in the order of the log. Nothing if the log is whole.
    pub mended: Vec<Mended>,
    /// Frames of the copy, all of them sound.
    pub frames: u64,
    /// Where the mended log ends.
    pub end: Position,
}

/// A run of frames in one segment that the copy's replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The segment.
    pub path: PathBuf,
    /// Where the first frame starts.
    pub from: Position,
    /// Where the last one ends.
    pub to: Position,
    /// How many they are.
    pub frames: u64,
}

/// Why a log cannot be mended from a copy. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The log, or the copy, cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy is damaged too.
    #[error("the copy is of no use: {0}")]
    Copy(#[source] StoreError),
    /// The copy is the log itself.
    #[error("{}: is the log itself; give a copy of it", path.display())]
    Same {
        /// The directory.
        path: PathBuf,
    },
    /// The log holds a sound frame that the copy does not.
    #[error(
        "at position {position} the log holds a sound frame that the copy does not: it is no copy of \
         this log, or one of them went on without the other; nothing was written"
    )]
    Rival {
        /// Where it starts.
        position: Position,
    },
    /// The copy lacks the beginning of the log.
    #[error("the copy begins at position {copy}, the log at {log}: an older copy is needed")]
    CopyBegins {
        /// Where the copy begins.
        copy: Position,
        /// Where the log begins.
        log: Position,
    },
    /// The copy was made before what is damaged was written.
    #[error("the copy ends at position {end}, but the log is damaged behind it: {damage}")]
    CopyEnds {
        /// Where the copy ends.
        end: Position,
        /// What is damaged.
        damage: StoreError,
    },
}

/// Mends the log in `directory`, which need not exist, from the copy in `from`. Both are kept from
/// everybody else meanwhile. With `dry_run` nothing is written. `progress` is shown the position up to
/// which the copy is compared, and one that it does not pass.
///
/// # Errors
/// [`RepairError`]; nothing was written then, unless the operating system refused, or somebody began to
/// read the log, in the midst of it: then do it again.
///
/// # Panics
/// If what was written is not what was planned: a defect of this function.
pub fn repair(
    directory: &Path,
    from: &Path,
    dry_run: bool,
    mut progress: impl FnMut(Position, Position),
) -> Result<Repair, RepairError> {
    if fs::canonicalize(directory).is_ok_and(|own| fs::canonicalize(from).ok() == Some(own)) {
        return Err(RepairError::Same { path: directory.to_owned() });
    }
    let (segment_bytes, kind) = format_of(from)?;
    check_same_format(directory, kind, segment_bytes)?;
    let copy = Log::frozen(locked(from, DirectoryLock::shared)?, segment_bytes, kind)?;
    file::create_directory(directory).map_err(StoreError::io("create", directory))?;
    let lock = locked(directory, DirectoryLock::exclusive)?;
    let own = Log::frozen(lock, segment_bytes, kind)?;

    let extent = extent(&copy)?;
    let plan = Plan::make(&own, &copy, &mut |done| progress(done, extent))?;
    let Plan { mended, frames, end } = plan;
    if !dry_run && !mended.is_empty() {
        // Nothing of the log is mapped from here on, so its bytes may change.
        let lock = own.memory.into_lock().expect("the plan let go of its segments");
        let by_segment = || mended.chunk_by(|a, b| a.path == b.path);
        for runs in by_segment() {
            open_to_mend(&runs[0].path)?;
        }
        for runs in by_segment() {
            let file = open_to_mend(&runs[0].path)?;
            for run in runs {
                mend(&file.0, &copy, run)?;
            }
        }
        file::sync_directory(directory).map_err(StoreError::io("sync", directory))?;
        let own = Log::frozen(lock, segment_bytes, kind)?;
        let mended = recover(&own, end, 0, u64::MAX, None, &mut |_| ())?;
        assert_eq!(mended.chain.end, end, "the mended log is not what was planned");
    }
    Ok(Repair { mended, frames, end })
}

/// What is to be replaced.
struct Plan {
    mended: Vec<Mended>,
    frames: u64,
    end: Position,
}

impl Plan {
    fn make(
        own: &Log,
        copy: &Log,
        progress: &mut dyn FnMut(Position),
    ) -> Result<Self, RepairError> {
        let mut plan = Self { mended: Vec::new(), frames: 0, end: Position::FIRST };
        let begins = own.beginning();
        if begins.end < copy.beginning().end {
            return Err(RepairError::CopyBegins { copy: copy.beginning().end, log: begins.end });
        }
        let mut walk = Walk::new(copy);
        let mut beside = Beside { log: own, segment: None };
        let stopped = loop {
            let before = walk.chain;
            match walk.step() {
                // Retired here, and not yet when the copy was made.
                Ok(header) if header.start < begins.end => {}
                Ok(header) => {
                    let frame = walk.last_frame(&header);
                    if !beside.holds(&before, header.start, frame)? {
                        plan.add(own, &header);
                    }
                    progress(walk.chain.end);
                }
                Err(SegmentError::Damage(damage)) => break damage,
                Err(error) => return Err(walk.error(error).into()),
            }
        };
        // What an unfinished write left at the end of the copy is no reason to mistrust the rest.
        judge_end(&walk, stopped, Position::FIRST, 0).map_err(RepairError::Copy)?;
        let copied = walk.chain;
        plan.frames = walk.frames;

        // The log may go on behind the copy, and must then be whole there.
        let mut rest = Walk::behind(own, copied);
        let stopped = loop {
            match rest.step() {
                Ok(_) => {}
                Err(SegmentError::Damage(damage)) => break damage,
                Err(error) => return Err(rest.error(error).into()),
            }
        };
        judge_end(&rest, stopped, Position::FIRST, 0)
            .map_err(|damage| RepairError::CopyEnds { end: copied.end, damage })?;
        plan.end = rest.chain.end;
        Ok(plan)
    }

    /// Has the frame of `header` replaced.
    fn add(&mut self, own: &Log, header: &FrameHeader) {
        let path = own.segment_path(own.segment_number(header.start));
        let to = header.start.plus(header.frame_bytes());
        match self.mended.last_mut() {
            Some(run) if run.to == header.start && run.path == path => {
                run.to = to;
                run.frames += 1;
            }
            _ => self.mended.push(Mended { path, from: header.start, to, frames: 1 }),
        }
    }
}

/// The damaged log, looked at beside the copy.
struct Beside<'a> {
    log: &'a Log,
    /// The last segment looked at, and its number; `None` in it if it is missing.
    segment: Option<(u64, Option<Arc<Segment>>)>,
}

impl Beside<'_> {
    /// Whether the log holds the copy's frame, whose lines are `expected`. It follows `before`.
    ///
    /// # Errors
    /// [`RepairError::Rival`] if it holds a sound frame instead, and the operating system's.
    fn holds(
        &mut self,
        before: &FrameChain,
        start: Position,
        expected: &[Line],
    ) -> Result<bool, RepairError> {
        let number = self.log.segment_number(start);
        let header = SegmentHeader::new(self.log.kind, self.log.memory.segment_bytes(), number);
        let Some(segment) = self.segment(number)? else { return Ok(false) };
        let found = segment.lines_from(start);
        if found.get(..expected.len()) == Some(expected) {
            let first = Position(number * self.log.memory.segment_bytes());
            return Ok(segment.lines(first, 1) == Some(&[header.line()]));
        }
        for line in 0..expected.len().min(found.len()) {
            let at = start.plus((line * LINE_BYTES) as u64);
            // A sound frame where the copy's lies is of another story. But participants choose bytes
            // of records, and what the copy has as well is a record.
            if found[line] != expected[line] && begins_with_frame(&found[line..], at, before) {
                return Err(RepairError::Rival { position: at });
            }
        }
        Ok(false)
    }

    fn segment(&mut self, number: u64) -> Result<Option<Arc<Segment>>, StoreError> {
        if let Some((held, segment)) = &self.segment
            && *held == number
        {
            return Ok(segment.clone());
        }
        let segment = match self.log.memory.segment(number) {
            Ok(segment) => Some(segment),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StoreError::io("map", &self.log.segment_path(number))(error)),
        };
        self.segment = Some((number, segment.clone()));
        Ok(segment)
    }
}

/// The file of a segment, of which nobody else has anything mapped: who read the log while a node ran
/// may still be there.
fn open_to_mend(path: &Path) -> Result<Locked, StoreError> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(StoreError::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Locked(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
    }
}

/// The file of a segment that nobody else has.
struct Locked(File);

impl Drop for Locked {
    /// In so many words, as a child that another thread is just starting may have the file open as well.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Replaces a run of frames. Of a file without the segment's header nothing is kept: then the run is all
/// that the copy has of the segment.
fn mend(file: &File, copy: &Log, run: &Mended) -> Result<(), StoreError> {
    let segment_bytes = copy.memory.segment_bytes();
    let number = copy.segment_number(run.from);
    let path = &run.path;
    let start = number * segment_bytes;
    let source = copy.memory.segment(number).map_err(StoreError::io("map", path))?;
    let lines = |from: Position, bytes: u64| {
        let count = usize::try_from(bytes).expect("a 64-bit machine") / LINE_BYTES;
        Line::bytes(source.lines(from, count).expect("verified before"))
    };
    let header = lines(Position(start), SEGMENT_HEADER_BYTES);
    let frames = lines(run.from, run.to.0 - run.from.0);
    let mut found = Line::ZERO;
    if file.read_exact_at(&mut found.0, 0).is_err() || found.0 != header {
        file.set_len(0).map_err(StoreError::io("empty", path))?;
    }
    file::allocate(file, segment_bytes).map_err(StoreError::allocating(path, segment_bytes))?;
    // The header last: without it the segment is damaged, whatever else was written.
    let written = || -> io::Result<()> {
        file.write_all_at(frames, run.from.0 - start)?;
        file.sync_data()?;
        file.write_all_at(header, 0)?;
        file.sync_all()
    };
    written().map_err(StoreError::io("write", path))
}

/// Refuses a log that is not of the copy's kind. One of which nothing is left has none.
fn check_same_format(
    directory: &Path,
    kind: LogKind,
    segment_bytes: u64,
) -> Result<(), StoreError> {
    if !directory.exists() {
        return Ok(());
    }
    let path = directory.to_owned();
    match format_of(directory) {
        Err(StoreError::NoLog { .. } | StoreError::NoFormat { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok((_, found)) if found != kind => Err(StoreError::Kind { path, found, wanted: kind }),
        Ok((found, _)) if found != segment_bytes => {
            Err(StoreError::SegmentSize { path, found, wanted: segment_bytes })
        }
        Ok(_) => Ok(()),
    }
}

fn locked(
    directory: &Path,
    lock: fn(&Path) -> io::Result<Option<DirectoryLock>>,
) -> Result<DirectoryLock, StoreError> {
    lock(directory)
        .map_err(StoreError::io("lock", directory))?
        .ok_or_else(|| StoreError::Locked { path: directory.to_owned() })
}
