//! The memory of a log: its segments mapped, one writer above the commit position, readers below it.
//!
//! Never knows what a frame is. The contract, which every `SAFETY` comment here rests on:
//!
//! 1. A log's directory has at most one [`LogWriter`], because it holds the exclusive lock.
//! 2. A [`LogWriter`] never writes below the commit position, and never lowers it.
//! 3. A reader gets slices below the commit position only, after an Acquire load of it; the writer
//!    stores it with Release after the bytes. So the bytes of a slice never change. Above it only the
//!    [`LogWriter`] reads, and borrows itself for as long as it does.
//! 4. A *frozen* log may be read anywhere: its lock keeps every writer out while a slice can exist.
//! 5. Whoever maps a segment locks its file shared (`flock`), for as long as the mapping lives. The file
//!    of a retired segment is written again only under the exclusive lock, which there is when nobody
//!    maps it.
//!
//! Between processes the same holds as long as the files are written by this code alone. Somebody
//! else who truncates a segment under a running process kills it with SIGBUS, and who writes into one
//! breaks rule 3; the directory belongs to the node, and its access rights should say so. A full disk
//! is no such case where files are written in place (ext4, XFS, tmpfs): every byte is allocated before
//! it is mapped. On a copy-on-write file system (btrfs, ZFS) a write may take new space whatever was
//! allocated, so that a full disk kills the process there too: no place for logs.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use memmap2::{Advice, MmapOptions, MmapRaw};
use zerocopy::FromBytes;

use super::file::{self, DirectoryLock, Presence};
use super::log_positions::{APPEND_WORD, COMMIT_WORD, Positions, WriterState};
use super::memory::prefetch_at;
use crate::types::{LINE_BYTES, Line, Position};

/// The name of a retired segment's file that waits to be used again.
pub const SPARE_FILE: &str = "spare";

/// Where segment `number` of the log in `directory` lies.
#[must_use]
pub fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.seg"))
}

/// A log's segments as this process sees them, each mapped once while somebody holds it.
#[derive(Debug)]
pub struct LogMemory {
    directory: PathBuf,
    segment_bytes: u64,
    bound: Bound,
    mapped: Mutex<Vec<Weak<Segment>>>,
}

/// What may be read.
#[derive(Debug)]
enum Bound {
    /// Below the commit position.
    Live(Positions),
    /// Everything: there is no writer while the lock is held.
    Frozen(DirectoryLock),
}

impl LogMemory {
    /// The log that a process of this boot writes or wrote to `directory`; `None` if none did, and
    /// the commit position is therefore unknown.
    ///
    /// # Errors
    /// The operating system's.
    pub fn live(directory: &Path, segment_bytes: u64) -> io::Result<Option<Arc<Self>>> {
        let positions = Positions::of_this_boot(directory)?;
        Ok(positions.map(|positions| Self::new(directory, segment_bytes, Bound::Live(positions))))
    }

    /// The log in the locked directory, as it lies there.
    #[must_use]
    pub fn frozen(lock: DirectoryLock, segment_bytes: u64) -> Arc<Self> {
        let directory = lock.path().to_owned();
        Self::new(&directory, segment_bytes, Bound::Frozen(lock))
    }

    /// The lock of a frozen log, once nobody holds a segment of it.
    #[must_use]
    pub fn into_lock(self: Arc<Self>) -> Option<DirectoryLock> {
        match Arc::into_inner(self)?.bound {
            Bound::Frozen(lock) => Some(lock),
            Bound::Live(_) => None,
        }
    }

    fn new(directory: &Path, segment_bytes: u64, bound: Bound) -> Arc<Self> {
        let directory = directory.to_owned();
        Arc::new(Self { directory, segment_bytes, bound, mapped: Mutex::new(Vec::new()) })
    }

    /// Where the log lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Bytes in each segment.
    #[must_use]
    pub const fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// The commit position; `None` for a frozen log, which knows none.
    #[must_use]
    pub fn committed(&self) -> Option<Position> {
        match &self.bound {
            Bound::Live(positions) => Some(Position(positions.load(COMMIT_WORD))),
            Bound::Frozen(_) => None,
        }
    }

    /// The append position; `None` for a frozen log.
    #[must_use]
    pub fn appended(&self) -> Option<Position> {
        match &self.bound {
            Bound::Live(positions) => Some(Position(positions.load(APPEND_WORD))),
            Bound::Frozen(_) => None,
        }
    }

    /// Who writes to it. Nobody can to a frozen log.
    ///
    /// # Errors
    /// The operating system's.
    pub fn writer(&self) -> io::Result<WriterState> {
        match &self.bound {
            Bound::Live(positions) => positions.writer(),
            Bound::Frozen(_) => Ok(WriterState::Closed),
        }
    }

    /// Segment `number`, from the mapping that somebody here holds or else mapped anew to read. A
    /// file shorter than a segment gives the lines that it has, the last filled up with zeroes.
    ///
    /// # Errors
    /// The operating system's; [`io::ErrorKind::WouldBlock`] if the file is just being used again.
    pub fn segment(self: &Arc<Self>, number: u64) -> io::Result<Arc<Segment>> {
        if let Some(segment) = self.mapped(number) {
            return Ok(segment);
        }
        let file = File::open(segment_path(&self.directory, number))?;
        file.try_lock_shared()?;
        // Whole lines reach no page behind the file's last, and the rest of that one reads as zero.
        let length = file.metadata()?.len().next_multiple_of(LINE_BYTES as u64);
        let length = length.min(self.segment_bytes);
        let map = MmapOptions::new().len(to_usize(length)).map_raw_read_only(&file)?;
        want_huge_pages(&map);
        Ok(self.register(Segment::new(self, number, file, map, false)))
    }

    /// Makes segment `number`: allocated, durable as a file, beginning with `header`, prefaulted; of the
    /// spare file if there is one that nobody maps. For the thread that prepares segments for the
    /// writer. Nothing is left of one that failed.
    ///
    /// # Errors
    /// The operating system's: [`io::ErrorKind::StorageFull`] when there is no room,
    /// [`io::ErrorKind::AlreadyExists`] if there is such a file.
    pub fn create_segment(self: &Arc<Self>, number: u64, header: Line) -> io::Result<Arc<Segment>> {
        let path = segment_path(&self.directory, number);
        let spare = self.directory.join(SPARE_FILE);
        let (made, file) = match open_spare(&spare)? {
            Some(file) if !path.exists() => (&spare, file),
            _ => (&path, File::options().read(true).write(true).create_new(true).open(&path)?),
        };
        let filled = if made == &spare { self.wipe(&file) } else { Ok(()) }
            .and_then(|()| file::allocate(&file, self.segment_bytes))
            .and_then(|()| file.write_all_at(&header.0, 0))
            .and_then(|()| file.sync_all())
            .and_then(|()| if made == &spare { fs::rename(&spare, &path) } else { Ok(()) })
            .and_then(|()| file::sync_directory(&self.directory))
            .and_then(|()| file.lock_shared())
            .and_then(|()| self.map_to_write(number, file));
        if filled.is_err() {
            // What remains would only be an empty segment, which the next start removes as well.
            let _ = fs::remove_file(made);
            let _ = fs::remove_file(&path);
        }
        filled
    }

    /// Makes a file that held a segment blank.
    fn wipe(&self, file: &File) -> io::Result<()> {
        static ZEROES: [u8; 1 << 16] = [0; 1 << 16];

        file.set_len(self.segment_bytes)?;
        for at in (0..self.segment_bytes).step_by(ZEROES.len()) {
            file.write_all_at(&ZEROES, at)?;
        }
        Ok(())
    }

    fn map_to_write(self: &Arc<Self>, number: u64, file: File) -> io::Result<Arc<Segment>> {
        let map = MmapOptions::new().len(to_usize(self.segment_bytes)).map_raw(&file)?;
        want_huge_pages(&map);
        match map.advise(Advice::PopulateWrite) {
            // Linux before 5.14 faults the pages in one by one, as they are written.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            populated => populated?,
        }
        Ok(self.register(Segment::new(self, number, file, map, true)))
    }

    fn mapped(&self, number: u64) -> Option<Arc<Segment>> {
        let mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        mapped.iter().filter_map(Weak::upgrade).find(|segment| segment.number == number)
    }

    fn register(&self, segment: Segment) -> Arc<Segment> {
        let segment = Arc::new(segment);
        let mut mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        mapped.retain(|other| other.strong_count() > 0);
        mapped.push(Arc::downgrade(&segment));
        segment
    }
}

/// Asks for huge pages, which file systems give or do not (`event_store/format.md` says which): it matters
/// for nothing but time.
fn want_huge_pages(map: &MmapRaw) {
    let _ = map.advise(Advice::HugePage);
}

/// The file at `path` for whoever writes it anew, if nobody maps it. If somebody does it is left to
/// them alone, and gone when they are.
fn open_spare(path: &Path) -> io::Result<Option<File>> {
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            fs::remove_file(path)?;
            Ok(None)
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// One mapped segment.
#[derive(Debug)]
pub struct Segment {
    log: Arc<LogMemory>,
    number: u64,
    /// Position of its first byte.
    start: u64,
    map: MmapRaw,
    /// Locked, shared. Behind the mapping, which is so undone first.
    file: File,
    writable: bool,
}

impl Segment {
    fn new(log: &Arc<LogMemory>, number: u64, file: File, map: MmapRaw, writable: bool) -> Self {
        let start = number * log.segment_bytes;
        Self { log: Arc::clone(log), number, start, map, file, writable }
    }

    /// Its place in the log, from 0.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// `count` lines from position `at`, or `None` where they pass the commit position or the end of
    /// the segment.
    ///
    /// # Panics
    /// If `at` is not on a line's boundary.
    #[must_use]
    pub fn lines(&self, at: Position, count: usize) -> Option<&[Line]> {
        let bytes = count.checked_mul(LINE_BYTES)?;
        let end = at.0.checked_add(bytes as u64)?;
        let readable = match &self.log.bound {
            Bound::Live(positions) => end <= positions.load(COMMIT_WORD),
            Bound::Frozen(_) => true,
        };
        if !readable {
            return None;
        }
        let first = self.map.as_ptr().wrapping_add(self.offset(at, bytes)?);
        // SAFETY: `offset` is `Some`, so `bytes` bytes from `first` lie in the mapping, which lives
        // as long as `self`. They are initialised (a file's bytes are) and do not change while the
        // slice lives: below the commit position by rules 2 and 3 above, in a frozen log by rule 4,
        // because `self` holds the log and the log holds the lock.
        let bytes = unsafe { std::slice::from_raw_parts(first, bytes) };
        Some(<[Line]>::ref_from_bytes(bytes).expect("whole lines, aligned as `offset` asserts"))
    }

    /// All lines of a frozen log's segment from position `at` on; none if the file ends before.
    ///
    /// # Panics
    /// If the log is not frozen, or `at` is not on a line's boundary.
    #[must_use]
    pub fn lines_from(&self, at: Position) -> &[Line] {
        assert!(
            matches!(self.log.bound, Bound::Frozen(_)),
            "only a frozen log has an end to look at"
        );
        let end = self.start + self.map.len() as u64;
        let count = to_usize(end.saturating_sub(at.0)) / LINE_BYTES;
        self.lines(at, count).unwrap_or_default()
    }

    /// Makes what was written to this segment durable (`fdatasync`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Where `bytes` bytes from `at` begin in the mapping, if they lie in it.
    fn offset(&self, at: Position, bytes: usize) -> Option<usize> {
        let offset = usize::try_from(at.0.checked_sub(self.start)?).ok()?;
        assert!(offset.is_multiple_of(LINE_BYTES), "position {at} is not on a line's boundary");
        (offset.checked_add(bytes)? <= self.map.len()).then_some(offset)
    }
}

/// The one handle that writes to a log.
#[derive(Debug)]
pub struct LogWriter {
    log: Arc<LogMemory>,
    // Both held until the last write is done; the lock until nobody sees this one any more.
    _presence: Presence,
    _lock: DirectoryLock,
}

impl LogWriter {
    /// Opens the log for writing: what lies from `begin` up to `end` is there, and nothing above it
    /// counts. The commit position of this boot is kept, that of another one is forgotten.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Panics
    /// If the lock is not exclusive, or the log ends below this boot's commit position.
    pub fn start(
        lock: DirectoryLock,
        segment_bytes: u64,
        begin: Position,
        end: Position,
    ) -> io::Result<Self> {
        assert!(lock.is_exclusive(), "a writer needs the log for itself");
        let (positions, presence) = Positions::start(lock.path(), begin, end)?;
        Ok(Self {
            log: LogMemory::new(lock.path(), segment_bytes, Bound::Live(positions)),
            _presence: presence,
            _lock: lock,
        })
    }

    /// The log, to read and to prepare segments.
    #[must_use]
    pub const fn log(&self) -> &Arc<LogMemory> {
        &self.log
    }

    /// Maps a segment that exists to write on in it. A file cut short or with holes is filled up.
    ///
    /// # Errors
    /// The operating system's; [`io::ErrorKind::StorageFull`] when there is no room to fill it up.
    pub fn open_segment(&mut self, number: u64) -> io::Result<Arc<Segment>> {
        let path = segment_path(&self.log.directory, number);
        let file = File::options().read(true).write(true).open(path)?;
        file.try_lock_shared()?;
        file::allocate(&file, self.log.segment_bytes)?;
        self.log.map_to_write(number, file)
    }

    /// Writes `lines` at position `at`. Readers do not see them before [`LogWriter::commit`].
    ///
    /// # Panics
    /// If they would lie below the commit position or outside the segment, or if the segment is not
    /// this log's or was mapped to read: whoever appends has a defect.
    pub fn write(&mut self, segment: &Segment, at: Position, lines: &[Line]) {
        assert!(Arc::ptr_eq(&segment.log, &self.log), "a segment of another log");
        assert!(segment.writable, "segment {} is mapped to read", segment.number);
        assert!(at >= self.committed(), "write at {at}, below the commit position");
        let bytes = Line::bytes(lines);
        let offset = segment.offset(at, bytes.len()).expect("a write stays in its segment");
        let first = segment.map.as_mut_ptr().wrapping_add(offset);
        // SAFETY: the target lies in the mapping (`offset`), which is writable (asserted) and
        // outlives the call. No other thread or process writes there (rule 1, and `&mut self`), and
        // no slice of it exists: it is at or above the commit position (asserted), where `lines` gives
        // none, and the log is not frozen, since it has a writer. So it cannot overlap the source.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), first, bytes.len()) };
    }

    /// Brings near up to `count` lines from position `at` on, which will be written soon. Mostly nobody has
    /// touched them, and the processor waits for a line that it does not have before it is done with a write.
    pub fn expect(&self, segment: &Segment, at: Position, count: usize) {
        for line in (at.0..).step_by(LINE_BYTES).take(count) {
            let Some(offset) = segment.offset(Position(line), LINE_BYTES) else { break };
            prefetch_at(segment.map.as_ptr().wrapping_add(offset));
        }
    }

    /// `count` lines from position `at` that were written, committed or not; `None` where they pass the
    /// append position or the end of the segment.
    ///
    /// # Panics
    /// If the segment is not this log's, or `at` is not on a line's boundary.
    #[must_use]
    pub fn written<'a>(
        &'a self,
        segment: &'a Segment,
        at: Position,
        count: usize,
    ) -> Option<&'a [Line]> {
        assert!(Arc::ptr_eq(&segment.log, &self.log), "a segment of another log");
        let bytes = count.checked_mul(LINE_BYTES)?;
        if at.0.checked_add(bytes as u64)? > self.appended().0 {
            return None;
        }
        let first = segment.map.as_ptr().wrapping_add(segment.offset(at, bytes)?);
        // SAFETY: `offset` is `Some`, so `bytes` bytes from `first` lie in the mapping, which lives as
        // long as `segment`. They are initialised (a file's bytes are). Nobody but this writer writes to
        // a segment that holds frames (rule 1), and `write` needs it exclusively, while the slice
        // borrows it.
        let bytes = unsafe { std::slice::from_raw_parts(first, bytes) };
        Some(<[Line]>::ref_from_bytes(bytes).expect("whole lines, aligned as `offset` asserts"))
    }

    /// Publishes how far has been written. An end that was not committed may be taken back.
    pub fn append(&mut self, to: Position) {
        self.positions().store(APPEND_WORD, to.0);
    }

    /// Lets readers see everything below `to`.
    ///
    /// # Panics
    /// If that would lower the commit position or pass what is written: a defect of the caller.
    pub fn commit(&mut self, to: Position) {
        let (committed, appended) = (self.committed(), self.appended());
        assert!(
            (committed..=appended).contains(&to),
            "commit to {to}, not between {committed} committed and {appended} appended"
        );
        self.positions().store(COMMIT_WORD, to.0);
    }

    /// The commit position.
    #[must_use]
    pub fn committed(&self) -> Position {
        Position(self.positions().load(COMMIT_WORD))
    }

    /// The append position.
    #[must_use]
    pub fn appended(&self) -> Position {
        Position(self.positions().load(APPEND_WORD))
    }

    fn positions(&self) -> &Positions {
        match &self.log.bound {
            Bound::Live(positions) => positions,
            Bound::Frozen(_) => unreachable!("`start` makes a live log"),
        }
    }
}

impl Drop for LogWriter {
    /// A log whose writer panicked was not closed.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.positions().close();
        }
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a 64-bit machine")
}

#[cfg(test)]
mod tests;
