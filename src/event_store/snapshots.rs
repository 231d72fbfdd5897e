//! Snapshot files: what an engine came to at a place in the command log, so that a restart need not begin
//! at the first command.
//!
//! A file is never changed: it is written under another name, made durable, and then renamed, and the one
//! before it stays. Nothing is lost with any of them: the command log has it all. What the content means
//! is the engine's.
//!
//! | bytes | what |
//! |---|---|
//! | 0-7 | `RLSNAPS1` |
//! | 8-63 | the command log's end then: segment size, position, next sequence, chain head, index, time, term, zero |
//! | 64-71 | state hash |
//! | 72-79 | bytes of the content |
//! | 80-87 | XXH3-64 of the content, which is the full-state hash |
//! | 88-95 | the event log's end then |
//! | 96-103 | chain head of the event log there |
//! | 104-123 | zero |
//! | 124-127 | CRC-32C of all before |
//! | 128- | the content |

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};
use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout};

use super::{Frame, Landmark, Reader, StoreError};
use crate::sys::file::{create_directory, sync_directory};
use crate::types::{FrameChain, LINE_BYTES, Nanos, Position};

/// Snapshots that are kept: the newest, and the one before it in case that is damaged.
pub const SNAPSHOTS_KEPT: usize = 2;

/// Where in the command log a snapshot was taken, and what the state came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotMark {
    /// The end of the log's part that is in it.
    pub commands: FrameChain,
    /// Where the event log ended then.
    pub events: Landmark,
    /// The state hash there.
    pub state_hash: u64,
}

/// The snapshots of a node.
#[derive(Clone, Debug)]
pub struct Snapshots {
    directory: PathBuf,
}

/// Why there is no snapshot to be had from a file, or none to be written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{}: {what}; the file is of no use, remove it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// It is of commands that the log does not hold, or not any more.
    #[error("it was taken at position {position}, and the {log} ends at {committed}")]
    Ahead {
        /// Where it was taken.
        position: Position,
        /// Which log.
        log: super::LogKind,
        /// How far the log may be read.
        committed: Position,
    },
    /// The log holds something else there.
    #[error(
        "it was taken of another log: no frame of the {log} ends at position {position} as its did"
    )]
    OtherLog {
        /// Where it was taken.
        position: Position,
        /// Which log.
        log: super::LogKind,
    },
    /// The log cannot be read there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MAGIC: [u8; 8] = *b"RLSNAPS1";
const EXTENSION: &str = "snapshot";
const UNFINISHED: &str = "new";
const USELESS: &str = "useless";
/// No engine's is larger; a length beyond it is damage.
const CONTENT_BYTES_MAX: u64 = 1 << 40;
/// Read and hashed at a time: while it is in the cache.
const PART_BYTES: usize = 1 << 18;

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    segment_bytes: u64,
    end: Position,
    next_sequence: u64,
    chain_hash: u64,
    index: u64,
    time: Nanos,
    term: u32,
    reserved: u32,
    state_hash: u64,
    content_bytes: u64,
    content_hash: u64,
    events_end: Position,
    events_hash: u64,
    reserved2: [u8; 20],
    crc: u32,
}

const HEADER_BYTES: usize = 128;
const _: () = assert!(size_of::<Header>() == HEADER_BYTES);

impl Snapshots {
    /// Those in `directory`, which need not be there yet.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a snapshot durably, and removes those that are not kept any more. Returns its path.
    ///
    /// # Errors
    /// [`SnapshotFileError::Io`], for example of a full disk; those that were there are there still.
    pub fn store(&self, mark: &SnapshotMark, content: &[u8]) -> Result<PathBuf, SnapshotFileError> {
        create_directory(&self.directory).map_err(io_error("create", &self.directory))?;
        let name = format!("{:020}.{EXTENSION}", mark.commands.next_sequence - 1);
        let path = self.directory.join(name);
        let unfinished = path.with_extension(UNFINISHED);
        let written = File::create(&unfinished).and_then(|mut file| {
            file.write_all(Header::of(mark, content).as_bytes())?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            sync_directory(&self.directory)
        });
        if let Err(error) = written {
            // It is of no use, and may be what fills the disk.
            let _ = fs::remove_file(&unfinished);
            return Err(io_error("write", &path)(error));
        }
        for old in self.newest_first()?.into_iter().skip(SNAPSHOTS_KEPT) {
            fs::remove_file(&old).map_err(io_error("remove", &old))?;
        }
        Ok(path)
    }

    /// The files, the newest first, whatever is in them.
    ///
    /// # Errors
    /// [`SnapshotFileError::Io`].
    pub fn newest_first(&self) -> Result<Vec<PathBuf>, SnapshotFileError> {
        let mut snapshots = self.files(EXTENSION)?;
        snapshots.sort_unstable_by(|one, other| other.cmp(one));
        Ok(snapshots)
    }

    fn files(&self, extension: &str) -> Result<Vec<PathBuf>, SnapshotFileError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("list", &self.directory)(error)),
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let paths: Vec<_> =
            paths.collect::<Result<_, _>>().map_err(io_error("list", &self.directory))?;
        let is_wanted = |path: &PathBuf| path.extension().is_some_and(|own| own == extension);
        Ok(paths.into_iter().filter(is_wanted).collect())
    }

    /// Removes what was begun and not finished. For who alone writes here, before the first.
    ///
    /// # Errors
    /// [`SnapshotFileError::Io`].
    pub fn remove_unfinished(&self) -> Result<(), SnapshotFileError> {
        for path in self.files(UNFINISHED)? {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
        Ok(())
    }

    /// Gives a file that is of no use another name, so that it does not count among those kept.
    ///
    /// # Errors
    /// [`SnapshotFileError::Io`].
    pub fn set_aside(path: &Path) -> Result<(), SnapshotFileError> {
        fs::rename(path, path.with_extension(USELESS)).map_err(io_error("rename", path))
    }

    /// Reads a file back.
    ///
    /// # Errors
    /// [`SnapshotFileError::Damaged`] for every change of what was written.
    pub fn load(path: &Path) -> Result<(SnapshotMark, Vec<u8>), SnapshotFileError> {
        let mut content = Vec::new();
        let mark = Self::read(path, |bytes, part| {
            if content.is_empty() {
                content.reserve_exact(bytes);
            }
            content.extend_from_slice(part);
        })?;
        Ok((mark, content))
    }

    /// Where and of what a file is, of which every byte is as it was written.
    ///
    /// # Errors
    /// As [`Snapshots::load`].
    pub fn check(path: &Path) -> Result<SnapshotMark, SnapshotFileError> {
        Self::read(path, |_, _| ())
    }

    /// Where and of what a file says it is; its content may be damaged.
    ///
    /// # Errors
    /// [`SnapshotFileError::Damaged`] if its header is, or its length is another.
    pub fn mark(path: &Path) -> Result<SnapshotMark, SnapshotFileError> {
        Ok(Header::read(path)?.1.mark())
    }

    /// Shows `take` the bytes of the content in all and then, part by part, the content.
    fn read(
        path: &Path,
        mut take: impl FnMut(usize, &[u8]),
    ) -> Result<SnapshotMark, SnapshotFileError> {
        let (mut file, header) = Header::read(path)?;
        let bytes = usize::try_from(header.content_bytes).expect("a 64-bit machine");
        let (mut hash, mut part, mut left) = (Xxh3::new(), vec![0; bytes.min(PART_BYTES)], bytes);
        while left > 0 {
            let part = &mut part[..left.min(PART_BYTES)];
            file.read_exact(part).map_err(io_error("read", path))?;
            hash.update(part);
            take(bytes, part);
            left -= part.len();
        }
        if header.content_hash != hash.digest() {
            let what = "its content is damaged";
            return Err(SnapshotFileError::Damaged { path: path.to_owned(), what });
        }
        Ok(header.mark())
    }
}

impl SnapshotMark {
    /// The mark behind a frame of a command log with segments of this size, where the engine has this end
    /// of the event log and this state hash.
    #[must_use]
    pub fn behind(
        frame: &Frame<'_>,
        segment_bytes: u64,
        (events, state_hash): (&FrameChain, u64),
    ) -> Self {
        Self { commands: frame.chain(segment_bytes), events: Landmark::of(events), state_hash }
    }
}

impl Reader {
    /// Whether the committed log has passed `end`: it goes on behind the very frame that ended there.
    ///
    /// # Errors
    /// [`SnapshotFileError::Ahead`], [`SnapshotFileError::OtherLog`], and those of reading.
    pub fn has_passed(&mut self, end: &FrameChain) -> Result<(), SnapshotFileError> {
        let (position, log) = (end.end, self.kind());
        if position > self.committed() {
            return Err(SnapshotFileError::Ahead { position, log, committed: self.committed() });
        }
        let other = SnapshotFileError::OtherLog { position, log };
        if self.segment_bytes() != end.segment_bytes {
            return Err(other);
        }
        if position == Position::FIRST {
            return Ok(());
        }
        let Some(within) = position.0.checked_sub(LINE_BYTES as u64) else { return Err(other) };
        let segment_bytes = end.segment_bytes;
        let frame = match self.frame_containing(Position(within)) {
            Ok(frame) => frame,
            Err(StoreError::NoRecord { .. }) => return Err(other),
            Err(error) => return Err(error.into()),
        };
        if frame.chain(segment_bytes) == *end { Ok(()) } else { Err(other) }
    }
}

impl Header {
    /// The header of a file that is as long as it should be, and the file behind it.
    fn read(path: &Path) -> Result<(File, Self), SnapshotFileError> {
        let damaged = |what| SnapshotFileError::Damaged { path: path.to_owned(), what };
        let mut file = File::open(path).map_err(io_error("open", path))?;
        let length = file.metadata().map_err(io_error("read", path))?.len();
        let mut header = Self::new_zeroed();
        match file.read_exact(header.as_mut_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged("it ends within its header"));
            }
            read => read.map_err(io_error("read", path))?,
        }
        if header.magic != MAGIC {
            return Err(damaged("it is no snapshot of this version"));
        }
        if header.crc != header.own_crc() || header.content_bytes > CONTENT_BYTES_MAX {
            return Err(damaged("its header is damaged"));
        }
        if header.content_bytes != length - HEADER_BYTES as u64 {
            return Err(damaged("it is shorter or longer than it was"));
        }
        Ok((file, header))
    }

    fn of(mark: &SnapshotMark, content: &[u8]) -> Self {
        let &SnapshotMark { commands, events, state_hash } = mark;
        let FrameChain { segment_bytes, end, next_sequence, hash, index, term, time } = commands;
        let mut header = Self {
            magic: MAGIC,
            segment_bytes,
            end,
            next_sequence,
            chain_hash: hash,
            index,
            time,
            term,
            reserved: 0,
            state_hash,
            content_bytes: content.len() as u64,
            content_hash: xxh3_64(content),
            events_end: events.end,
            events_hash: events.hash,
            reserved2: [0; 20],
            crc: 0,
        };
        header.crc = header.own_crc();
        header
    }

    fn mark(&self) -> SnapshotMark {
        let &Self { segment_bytes, end, next_sequence, chain_hash, index, .. } = self;
        let &Self { time, term, state_hash, events_end: end_of_events, events_hash, .. } = self;
        let hash = chain_hash;
        let events = Landmark { end: end_of_events, hash: events_hash };
        let commands = FrameChain { segment_bytes, end, next_sequence, hash, index, term, time };
        SnapshotMark { commands, events, state_hash }
    }

    fn own_crc(&self) -> u32 {
        crc32c::crc32c(&self.as_bytes()[..HEADER_BYTES - size_of::<u32>()])
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotFileError {
    let path = path.to_owned();
    move |source| SnapshotFileError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("rialto-snapshots-{name}-{}", std::process::id());
            Self(Path::new("/dev/shm").join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mark(next_sequence: u64) -> SnapshotMark {
        let commands = FrameChain {
            end: Position(640 * next_sequence),
            next_sequence,
            hash: 7,
            index: 3,
            term: 2,
            time: Nanos(5),
            ..FrameChain::empty(1 << 20)
        };
        let events = Landmark { end: Position(64), hash: 13 };
        SnapshotMark { commands, events, state_hash: 11 }
    }

    #[test]
    fn the_newest_and_the_one_before_it_are_kept_and_read_back() {
        let scratch = Scratch::new("kept");
        let snapshots = Snapshots::new(&scratch.0);
        assert!(snapshots.newest_first().unwrap().is_empty());
        let paths = [9, 100, 20].map(|next| snapshots.store(&mark(next), b"content").unwrap());
        let kept = snapshots.newest_first().unwrap();
        assert_eq!(kept, [paths[1].clone(), paths[2].clone()]);
        assert_eq!(Snapshots::load(&kept[0]).unwrap(), (mark(100), b"content".to_vec()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let scratch = Scratch::new("damage");
        let path = Snapshots::new(&scratch.0).store(&mark(9), b"some content").unwrap();
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, damaged).unwrap();
            let error = Snapshots::load(&path).unwrap_err();
            assert!(matches!(error, SnapshotFileError::Damaged { .. }), "bit {bit}: {error}");
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(Snapshots::load(&path).is_err(), "of {length} bytes");
        }
        fs::write(&path, [&whole[..], b"!"].concat()).unwrap();
        assert!(Snapshots::load(&path).is_err());
    }

    #[test]
    fn what_was_not_finished_is_no_snapshot() {
        let scratch = Scratch::new("unfinished");
        let snapshots = Snapshots::new(&scratch.0);
        let path = snapshots.store(&mark(9), b"content").unwrap();
        let unfinished = scratch.0.join("00000000000000000099.new");
        fs::write(&unfinished, b"half").unwrap();
        assert_eq!(snapshots.newest_first().unwrap(), std::slice::from_ref(&path));
        snapshots.remove_unfinished().unwrap();
        assert!(!unfinished.exists() && path.exists());
    }

    #[test]
    fn a_full_disk_is_said_and_leaves_what_was_there() {
        // Where nothing can be written, whoever asks.
        let error = Snapshots::new(Path::new("/proc/rialto")).store(&mark(9), b"content");
        assert!(matches!(error, Err(SnapshotFileError::Io { .. })), "{error:?}");
        let scratch = Scratch::new("full");
        let snapshots = Snapshots::new(&scratch.0);
        let path = snapshots.store(&mark(9), b"content").unwrap();
        // Every write to this device finds it full.
        let unfinished = scratch.0.join(format!("{:020}.new", 19));
        std::os::unix::fs::symlink("/dev/full", unfinished).unwrap();
        let error = snapshots.store(&mark(20), b"content").unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        assert_eq!(snapshots.newest_first().unwrap(), [path]);
    }
}
