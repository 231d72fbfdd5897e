//! What an operator is told when a log cannot be opened, extended or read.
//!
//! Each message says what, where, and how to mend it. None is ever sent to a participant.

use std::io;
use std::path::{Path, PathBuf};

use super::segment::{LogKind, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::sys::file;
use crate::types::{FrameError, Position};

/// Why a log cannot be opened, extended or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
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
    /// The file system is too small for the next segment.
    #[error(
        "{}: {need} bytes needed, {free} free; make room on this file system, or choose a smaller \
         segment size for a new log", path.display()
    )]
    NoSpace {
        /// The file or directory that needs it.
        path: PathBuf,
        /// Bytes needed.
        need: u64,
        /// Bytes free.
        free: u64,
    },
    /// Somebody has the log open.
    #[error(
        "{}: open in another process, or read there while no node runs; stop it first (`fuser -v` \
         names it)", path.display()
    )]
    Locked {
        /// The log's directory.
        path: PathBuf,
    },
    /// A segment size that no log can have.
    #[error(
        "segment size of {bytes} bytes: must be a power of two from {SEGMENT_BYTES_MIN} to \
         {SEGMENT_BYTES_MAX}"
    )]
    SegmentSizeRange {
        /// The size asked for.
        bytes: u64,
    },
    /// The log was made with another segment size.
    #[error(
        "{}: made with segments of {found} bytes, but {wanted} are configured; the size cannot \
         change, configure {found}", path.display()
    )]
    SegmentSize {
        /// The first segment.
        path: PathBuf,
        /// The log's size.
        found: u64,
        /// The configured size.
        wanted: u64,
    },
    /// It is the other log.
    #[error("{}: holds {found}, not {wanted}; is the directory the right one?", path.display())]
    Kind {
        /// The first segment.
        path: PathBuf,
        /// What it holds.
        found: LogKind,
        /// What was expected.
        wanted: LogKind,
    },
    /// A later version of Rialto made the log.
    #[error("{}: format version {found}, this program reads {reads}", path.display())]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// Ours.
        reads: u16,
    },
    /// There is no log.
    #[error("{}: no log here (no segment file)", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// There is a log, but nothing says how large its segments are.
    #[error(
        "{}: no segment here has a whole header, so nothing says what they hold; restore them from a \
         copy", path.display()
    )]
    NoFormat {
        /// The directory.
        path: PathBuf,
    },
    /// The log has lost or changed data that it held. Nothing was cut.
    #[error(
        "{}: the frame at position {position}, behind index {index} and before sequence \
         {sequence}, is damaged: {damage}; the log is left as it is, mend it with `rialto log repair \
         --from` a copy", path.display()
    )]
    Damaged {
        /// The segment in which the frame lies, or should.
        path: PathBuf,
        /// Where it starts.
        position: Position,
        /// Raft index of the last sound frame.
        index: u64,
        /// The sequence that the damaged frame should begin with.
        sequence: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// A committed frame is not where it should be. A reader's; it changes nothing.
    #[error(
        "{}: no frame to be read at position {position}: {damage}; a copy of a log in use is not \
         whole, otherwise restart its node, which says what was lost", path.display()
    )]
    Unreadable {
        /// The segment in which the frame should lie.
        path: PathBuf,
        /// Where it should start.
        position: Position,
        /// What is wrong.
        damage: Damage,
    },
    /// What was asked for, or comes next for a reader that fell behind, is kept no longer.
    #[error(
        "position {position} was retired: the log begins at position {first}; go on from sequence \
         {sequence}, and take what lies before from the archive"
    )]
    Retired {
        /// The position asked for.
        position: Position,
        /// The beginning of the first segment that is kept.
        first: Position,
        /// The sequence of the first record there.
        sequence: u64,
    },
    /// A sequence that no record has yet.
    #[error("no record has sequence {sequence}: the next one gets {next}")]
    NoSequence {
        /// The sequence asked for.
        sequence: u64,
        /// That of the next record.
        next: u64,
    },
    /// Nobody can tell where the log begins.
    #[error(
        "{}: damaged; it says which segments were retired, restore it from a copy of this log",
        path.display()
    )]
    Beginning {
        /// The file.
        path: PathBuf,
    },
    /// A position that is not committed.
    #[error("position {position} is not below the commit position {committed}")]
    NotCommitted {
        /// The position asked for.
        position: Position,
        /// How far the log may be read.
        committed: Position,
    },
    /// A position where no record begins.
    #[error("no record begins at position {position}")]
    NoRecord {
        /// The position asked for.
        position: Position,
    },
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Its bytes are not those that were written.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// Nothing is there, but something was, or follows.
    #[error("blank")]
    Blank,
    /// Its segment does not begin with a segment header of this log.
    #[error("the segment's header is damaged")]
    SegmentHeader,
    /// Its segment does not exist.
    #[error("the segment is missing")]
    SegmentMissing,
    /// The file ends within it.
    #[error("the file is cut short")]
    Short,
    /// It tells of what is gone: see [`Options::last_index`](super::Options::last_index).
    #[error("it is behind the last index that counts")]
    BehindLast,
}

impl StoreError {
    /// For `map_err`: the operating system refused to `action` the file at `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err`: the file at `path` could not be given its `need` bytes.
    pub(super) fn allocating(path: &Path, need: u64) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let free = path.parent().and_then(|parent| file::free_bytes(parent).ok());
                Self::NoSpace { path, need, free: free.unwrap_or(0) }
            }
            _ => Self::Io { action: "allocate", path, source },
        }
    }
}
