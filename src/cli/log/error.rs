//! Why a look into a log did not give what was asked for, in words for whoever asked.

use std::path::PathBuf;

use super::difference::Difference;
use super::fields;
use crate::engine::CommandError;
use crate::event_store::LogKind;
use crate::types::{FrameError, Position, RecordError};

/// Why a tool of `rialto log` failed. The log itself has errors of its own.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The logs' parent.
    #[error("{path}: no log here, but one level below: give its commands or its events", path = .0.display())]
    Parent(PathBuf),
    /// Nothing was ever committed.
    #[error("{path}: this log holds no record yet", path = .0.display())]
    Empty(PathBuf),
    /// A frame's bytes are not those that were written.
    #[error(
        "{path}: the frame at position {position}, from sequence {sequence} on, is damaged: {why}; \
         nothing of it was used (`rialto log verify` says more)", path = .path.display()
    )]
    Damaged {
        /// The log.
        path: PathBuf,
        /// Where it starts.
        position: Position,
        /// Its first record.
        sequence: u64,
        /// What is wrong.
        why: FrameError,
    },
    /// A sound frame whose records do not add up.
    #[error(
        "{path}: the record at position {position} in the frame from sequence {sequence} on is none: \
         {why}; it was wrong when it was written", path = .path.display()
    )]
    Record {
        /// The log.
        path: PathBuf,
        /// Where.
        position: Position,
        /// The frame's first record.
        sequence: u64,
        /// What is wrong.
        why: RecordError,
    },
    /// Nothing was left.
    #[error("{path}: no record of this log is of this choice", path = .0.display())]
    NothingMatches(PathBuf),
    /// A name that no kind has.
    #[error("no record of this log is a {name:?}; its kinds are {}", fields::kind_names(*.kind).join(", "))]
    Kind {
        /// What was asked for.
        name: String,
        /// The log's.
        kind: LogKind,
    },
    /// A table has the columns of one kind.
    #[error(
        "a table has the columns of one kind: choose it with --kind, or give a directory with --out"
    )]
    OneKind,
    /// Where tables are to go.
    #[error("{path}: {source}", path = .path.display())]
    Table {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The wrong one of the two.
    #[error("{path}: holds {found}, not {wanted}", path = .path.display())]
    WrongKind {
        /// The log.
        path: PathBuf,
        /// What it is.
        found: LogKind,
        /// What was asked for.
        wanted: LogKind,
    },
    /// A log of commands and one of events.
    #[error("{first} and {second} are two different things", first = .0, second = .1)]
    Incomparable(LogKind, LogKind),
    /// A command log whose first commands are gone.
    #[error(
        "{path}: the log begins with command {first}, what lies before was retired: replay it from a \
         snapshot (--snapshot DIR, with a copy of the node's)", path = .path.display()
    )]
    BeginsLate {
        /// The log.
        path: PathBuf,
        /// Its first command.
        first: u64,
    },
    /// A command log that says for what no engine can be made.
    #[error(
        "{path}: the log does not begin with the venue's limits, so no engine can be made for it: it was \
         made by another version, or its node stopped in its first moment", path = .0.display()
    )]
    NoLimits(PathBuf),
    /// Whoever followed the log waits for nobody.
    #[error(
        "{path}: its node died, nobody writes to it any more; everything up to command {last} was \
         applied (start the node again, or give --wait to follow across restarts)", path = .path.display()
    )]
    WriterDied {
        /// The log.
        path: PathBuf,
        /// The last command in it.
        last: u64,
    },
    /// The engine did not take a command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What the commands give is not what the event log says.
    #[error(
        "what the commands from sequence {first} to {last} give differs from the event log at \
         {difference}; it was made by another version, or one of the logs is not the other's"
    )]
    Diverged {
        /// The first command of the frame that gives it.
        first: u64,
        /// The last.
        last: u64,
        /// Where, in the event log, and what.
        difference: Difference,
    },
    /// The event log holds more than all commands give.
    #[error(
        "{path}: the event log goes on at position {position}, behind what the last command gives: \
         commands were lost, or the logs are not of one node", path = .path.display()
    )]
    CommandsLost {
        /// The event log.
        path: PathBuf,
        /// Where.
        position: Position,
    },
}
