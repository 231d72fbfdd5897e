//! What an operator is told when a day cannot be archived, or an archive is not what was written.
//!
//! Each message says what, where, and how to mend it.

use std::io;
use std::path::{Path, PathBuf};

use rialto::event_store::StoreError;

/// Why a day cannot be archived, or an archive does not verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    /// There is no room for the archive. What was written of it is removed by the next attempt.
    #[error(
        "{}: the file system is full; make room and run this again, it begins anew",
        path.display()
    )]
    NoSpace {
        /// The file that did not fit.
        path: PathBuf,
    },
    /// The day is open: more may happen in it.
    #[error("the day of session {session} is still open; end it first: rialto market day-end")]
    DayOpen {
        /// Its session.
        session: String,
    },
    /// No day has begun.
    #[error("{}: no day has begun in this log", path.display())]
    NoDay {
        /// The event log.
        path: PathBuf,
    },
    /// What is archived here is not of this log.
    #[error(
        "{}: the archive of another log than {}; nothing was written: give this log a directory of \
         its own", archive.display(), log.display()
    )]
    OtherLog {
        /// The archive.
        archive: PathBuf,
        /// The log.
        log: PathBuf,
    },
    /// Somebody else archives into the directory.
    #[error("{}: another process is archiving here; wait for it", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// The two logs do not belong together.
    #[error(
        "{}: no commands for the events of index {index} ({found}); are both logs of the same node?",
        path.display()
    )]
    NoCommands {
        /// The command log.
        path: PathBuf,
        /// The index that the event frame names.
        index: u64,
        /// What was there instead.
        found: String,
    },
    /// A log is damaged, or says what cannot be.
    #[error("{}: record {sequence}: {what}; check it with rialto log verify", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// The record, or the first of its frame.
        sequence: u64,
        /// What is wrong.
        what: String,
    },
    /// There is no archive.
    #[error("{}: no archive here (no manifest.json, nor directories with one)", path.display())]
    NoArchive {
        /// The directory.
        path: PathBuf,
    },
    /// An archive is not what was written.
    #[error(
        "{}: damaged: {what}; restore it from a copy, or, while the log still has the day, move the \
         archive away and make it again", path.display()
    )]
    Damaged {
        /// The file, or the directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl ArchiveError {
    /// For `map_err`: the operating system refused to `action` the file at `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Io { action, path, source },
        }
    }

    /// The file at `path` is not what was written.
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
