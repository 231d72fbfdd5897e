//! A range of a log that another node is to have: read here as bytes at any place, put together there as a
//! log that begins where the range does.
//!
//! What was read is as the reader found it; that it is sound, whoever opens the copy finds out.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::log::stored_header;
use super::retirement::chain_before;
use super::segment::is_segment_size;
use super::{LogKind, Reader, StoreError, beginning};
use crate::sys::file::{allocate, create_directory, sync_directory};
use crate::sys::log_memory::segment_path;
use crate::types::{FrameChain, Position};

/// A range of a log: from where a segment begins to the end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// The chain at its beginning.
    pub beginning: FrameChain,
    /// Its end.
    pub end: Position,
}

/// A range of a log that is held open: its segments may be retired, and their bytes stay what they are.
#[derive(Debug)]
pub struct OpenRange {
    range: LogRange,
    /// The files of its segments.
    files: Vec<File>,
}

/// A log that comes to be out of a range of another.
#[derive(Debug)]
pub struct LogCopy {
    directory: PathBuf,
    range: LogRange,
    /// The segment that was written to last, by its place in the range.
    open: Option<(u64, File)>,
}

impl LogRange {
    /// Bytes in it.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.end.0.saturating_sub(self.from())
    }

    /// Where the segment begins that it begins with.
    const fn from(&self) -> u64 {
        let FrameChain { segment_bytes, end, .. } = self.beginning;
        end.0 - end.0 % segment_bytes
    }

    /// Whether there can be such a range.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let FrameChain { segment_bytes, end, .. } = self.beginning;
        let begins = end == Position::FIRST || end.0.is_multiple_of(segment_bytes);
        is_segment_size(segment_bytes) && begins && end < self.end
    }

    /// Cuts `length` bytes from `offset` on where segments end: the place of each segment in the range, where
    /// in it, and how many bytes.
    fn pieces(&self, offset: u64, length: usize) -> impl Iterator<Item = (u64, u64, usize)> {
        let segment_bytes = self.beginning.segment_bytes;
        let (mut at, mut left) = (offset, length);
        std::iter::from_fn(move || {
            let within = at % segment_bytes;
            let piece = usize::try_from(segment_bytes - within).map_or(left, |rest| left.min(rest));
            let found = (at / segment_bytes, within, piece);
            (at, left) = (at + piece as u64, left - piece);
            (piece > 0).then_some(found)
        })
    }
}

impl OpenRange {
    /// Opens the part of the log from the segment in which `from` lies to `end`, which is committed.
    ///
    /// # Errors
    /// [`StoreError::Retired`], or the operating system's.
    pub fn open(reader: &Reader, from: Position, end: Position) -> Result<Self, StoreError> {
        let directory = reader.directory();
        let segment_bytes = reader.segment_bytes();
        let first = from.0 / segment_bytes;
        let beginning = reader.chain_before_segment(first)?;
        let mut files = Vec::new();
        for number in first..end.0.div_ceil(segment_bytes) {
            files.push(hold(&directory, number, reader.kind())?);
        }
        Ok(Self { range: LogRange { beginning, end }, files })
    }

    /// Which range it is.
    #[must_use]
    pub const fn range(&self) -> &LogRange {
        &self.range
    }

    /// Reads bytes of the range, `offset` behind its beginning.
    ///
    /// # Errors
    /// The operating system's, or that the range ends before.
    pub fn read_at(&self, offset: u64, mut bytes: &mut [u8]) -> std::io::Result<()> {
        for (segment, within, length) in self.range.pieces(offset, bytes.len()) {
            let file = usize::try_from(segment).ok().and_then(|place| self.files.get(place));
            let file = file.ok_or(std::io::ErrorKind::UnexpectedEof)?;
            let (piece, rest) = bytes.split_at_mut(length);
            file.read_exact_at(piece, within)?;
            bytes = rest;
        }
        Ok(())
    }
}

impl LogCopy {
    /// Begins a copy of `range` in `directory`, which is made.
    ///
    /// # Errors
    /// The operating system's.
    pub fn create(directory: &Path, range: LogRange) -> Result<Self, StoreError> {
        create_directory(directory).map_err(StoreError::io("create", directory))?;
        Ok(Self { directory: directory.to_owned(), range, open: None })
    }

    /// Writes bytes of the range, `offset` behind its beginning.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], or the operating system's.
    pub fn write_at(&mut self, offset: u64, mut bytes: &[u8]) -> Result<(), StoreError> {
        let range = self.range;
        for (segment, within, length) in range.pieces(offset, bytes.len()) {
            let (piece, rest) = bytes.split_at(length);
            let path = self.segment_path(segment);
            let file = self.segment(segment)?;
            file.write_all_at(piece, within).map_err(StoreError::io("write", &path))?;
            bytes = rest;
        }
        Ok(())
    }

    /// Makes the copy durable. It is a log from then on.
    ///
    /// # Errors
    /// The operating system's.
    pub fn finish(mut self) -> Result<(), StoreError> {
        for segment in 0..self.range.bytes().div_ceil(self.range.beginning.segment_bytes) {
            let path = self.segment_path(segment);
            self.segment(segment)?.sync_all().map_err(StoreError::io("sync", &path))?;
        }
        if self.range.beginning.end > Position::FIRST {
            beginning::store(&self.directory, &self.range.beginning)?;
        }
        sync_directory(&self.directory).map_err(StoreError::io("sync", &self.directory))
    }

    /// A segment of the copy, as large as it should be.
    fn segment(&mut self, place: u64) -> Result<&File, StoreError> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != place) {
            let path = self.segment_path(place);
            let mut options = File::options();
            let opened = options.create(true).truncate(false).read(true).write(true).open(&path);
            let file = opened.map_err(StoreError::io("open", &path))?;
            let bytes = self.range.beginning.segment_bytes;
            let length = file.metadata().map_err(StoreError::io("read", &path))?.len();
            if length < bytes {
                allocate(&file, bytes).map_err(StoreError::allocating(&path, bytes))?;
            }
            self.open = Some((place, file));
        }
        Ok(&self.open.as_ref().expect("opened above").1)
    }

    fn segment_path(&self, place: u64) -> PathBuf {
        let first = self.range.from() / self.range.beginning.segment_bytes;
        segment_path(&self.directory, first + place)
    }
}

impl Reader {
    /// The chain at the beginning of a segment, of which something is committed.
    ///
    /// # Errors
    /// [`StoreError::Retired`], or as [`Reader::next_frame`].
    pub fn chain_before_segment(&self, number: u64) -> Result<FrameChain, StoreError> {
        let beginning = self.beginning();
        let first = self.log.segment_number(beginning.end);
        match number.cmp(&first) {
            std::cmp::Ordering::Less => {
                Err(self.log.retired(Position(number * self.segment_bytes())))
            }
            std::cmp::Ordering::Equal => Ok(beginning),
            std::cmp::Ordering::Greater => chain_before(&self.log, number),
        }
    }
}

/// The file of a segment, which nobody gives another use as long as it is held.
fn hold(directory: &Path, number: u64, kind: LogKind) -> Result<File, StoreError> {
    let path = segment_path(directory, number);
    let file = File::open(&path).map_err(StoreError::io("open", &path))?;
    file.try_lock_shared().map_err(|error| StoreError::io("lock", &path)(error.into()))?;
    let found = stored_header(directory, number)?;
    let is_it = found.is_some_and(|(header, found)| (header.number, found) == (number, kind))
        && fs::metadata(&path).is_ok_and(|now| is_same(&now, &file));
    if is_it {
        Ok(file)
    } else {
        Err(StoreError::io("hold", &path)(std::io::ErrorKind::NotFound.into()))
    }
}

fn is_same(now: &fs::Metadata, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().is_ok_and(|held| (held.dev(), held.ino()) == (now.dev(), now.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_store::{Options, Writer};
    use crate::types::{Cause, FrameKind, Line, Nanos};

    const SEGMENT: u64 = 1 << 20;

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A log of several segments, each frame committed.
    fn long_log(directory: &Path) -> Writer {
        let (mut log, _) =
            Writer::open(directory, Options::new(LogKind::Commands, SEGMENT)).unwrap();
        let mut record = Line::ZERO;
        (record.0[0], record.0[1]) = (1, 1);
        while log.chain().end.0 < 3 * SEGMENT + SEGMENT / 2 {
            let mut chain = *log.chain();
            let payload = vec![record; 700];
            let cause = Cause { index: chain.index + 1, term: 3, time: Nanos(chain.index + 1) };
            let header = chain.seal(FrameKind::Normal, cause, 700, &payload);
            log.append(&header, &payload).unwrap();
            log.commit(chain.end);
        }
        log
    }

    #[test]
    fn a_range_becomes_a_log_that_begins_where_it_does_and_is_the_same_from_there() {
        let name = format!("rialto-copy-{}", std::process::id());
        let scratch = Scratch(Path::new("/dev/shm").join(name));
        let (whole, part) = (scratch.0.join("whole"), scratch.0.join("part"));
        let log = long_log(&whole);
        let reader = log.reader();
        let source = OpenRange::open(&reader, Position(SEGMENT + 5_000), log.chain().end).unwrap();
        let range = *source.range();
        assert!(range.is_sound() && range.beginning.end == Position(SEGMENT));
        let mut copy = LogCopy::create(&part, range).unwrap();
        // In parts of any size, the last first.
        let offsets: Vec<_> = (0..range.bytes()).step_by(70_001).collect();
        for offset in offsets.into_iter().rev() {
            let mut bytes = vec![0; 70_001.min(usize::try_from(range.bytes() - offset).unwrap())];
            source.read_at(offset, &mut bytes).unwrap();
            copy.write_at(offset, &bytes).unwrap();
        }
        copy.finish().unwrap();
        assert!(source.read_at(range.bytes() + SEGMENT, &mut [0]).is_err());

        let options = Options::new(LogKind::Commands, SEGMENT);
        let (copied, recovered) = Writer::open(&part, options).unwrap();
        assert_eq!((copied.chain(), recovered.torn), (log.chain(), None));
        assert_eq!(copied.reader().beginning(), range.beginning);
        assert_eq!(reader.chain_before_segment(0).unwrap(), FrameChain::empty(SEGMENT));
    }
}
