//! Why a command frame could not be applied. Nothing here is a participant's fault: those are answered.

use crate::types::RecordError;

/// Why a command frame could not be applied; the engine is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError<E> {
    /// The sink did not take an event frame.
    #[error("{0}")]
    Sink(E),
    /// A command is none that this engine can apply.
    #[error("{0}")]
    Command(CommandError),
}

impl<E> From<CommandError> for ApplyError<E> {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

/// Why a committed command cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Its kind is not known, or its size not that of its kind. To step over it would make of the log
    /// something else than whoever wrote it did.
    #[error(
        "command {sequence} cannot be applied: {why}; the log is of another version than this: start \
         the version that wrote it"
    )]
    Unreadable {
        /// The command's sequence.
        sequence: u64,
        /// What is wrong with it.
        why: RecordError,
    },
    /// A frame holds more than the commands it counts.
    #[error(
        "lines lie behind command {sequence}, the last of its frame: keep the log for inspection"
    )]
    Surplus {
        /// The sequence of the frame's last command.
        sequence: u64,
    },
    /// The logic was switched to a version that this program does not know.
    #[error(
        "command {sequence} switches to version {version} of the logic, and this program knows no later one \
         than {knows}: start the program that the other nodes run"
    )]
    UnknownVersion {
        /// The sequence of the command that says so.
        sequence: u64,
        /// The version.
        version: u32,
        /// The highest that is known.
        knows: u32,
    },
    /// This node's state is not that of the node that led: one of them is wrong, and here nobody can
    /// know which.
    #[error(
        "the state behind command {at_sequence} has the hash {ours:016x} here and had \
         {theirs:016x} where command {sequence} was proposed: keep both logs for inspection, and \
         start the version that wrote them"
    )]
    OtherState {
        /// The sequence of the command that says so.
        sequence: u64,
        /// The last command in the state.
        at_sequence: u64,
        /// What this node has.
        ours: u64,
        /// What the command says.
        theirs: u64,
    },
    /// Nothing can be carried out before the log has said how much of it there may be.
    #[error(
        "command {sequence} stands before the venue's limits, with which a command log begins: this \
         is no log of this version; start the version that wrote it"
    )]
    BeforeLimits {
        /// The command's sequence.
        sequence: u64,
    },
}
