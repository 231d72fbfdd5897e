//! Why a node does not start, or stopped: what, where, and how to mend it.

use std::io;
use std::path::PathBuf;

use super::past::Gone;
use super::restart::Useless;
use crate::agent::AgentError;
use crate::config::Config;
use crate::consensus::NodeFailure;
#[cfg(feature = "aeron")]
use crate::consensus::aeron::AeronError;
use crate::consensus::udp::UdpError;
use crate::engine::{CommandError, RecoveryError};
use crate::event_store::{ControlError, Reader, SnapshotFileError, Snapshots, StoreError};
use crate::types::Position;

/// Why a node does not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// A log cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The control file cannot be used.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The engine cannot be brought back to where it was.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The snapshots cannot be listed.
    #[error(transparent)]
    Snapshots(#[from] SnapshotFileError),
    /// A command that the node itself makes cannot be applied.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file of the configuration cannot be used.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The log is empty, so there is nothing to trade.
    #[error("the log in {} is empty: give the market to start with (--market FILE)", directory.display())]
    MarketWanted {
        /// The logs' directory.
        directory: PathBuf,
    },
    /// The log holds a market already.
    #[error(
        "the log in {} holds a market already, and a market file is applied to an empty log only: \
         start without --market, then change it with `rialto market apply`",
        directory.display()
    )]
    MarketNotWanted {
        /// The logs' directory.
        directory: PathBuf,
    },
    /// The node was killed while its market was being applied.
    #[error(
        "the log in {} ends before its first day: the market was not applied to its end, and \
         nothing was traded; remove the directory and start again with --market FILE",
        directory.display()
    )]
    MarketIncomplete {
        /// The logs' directory.
        directory: PathBuf,
    },
    /// The counters file cannot be made.
    #[error("{}: cannot make the file of counters: {source}", path.display())]
    Counters {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The log was there once, and is not now.
    #[error(
        "the log in {} is empty, but the control file says it was durable up to position {durable}: \
         restore it from a copy; to begin a new exchange without it, start with --new-incarnation \
         --market FILE",
        directory.display()
    )]
    LogGone {
        /// The logs' directory.
        directory: PathBuf,
        /// How far it reached.
        durable: Position,
    },
    /// The log does not begin with its first command, and no snapshot stands in for what is gone.
    #[error(
        "the command log in {} begins with sequence {sequence}: what lies before was retired, so a node \
         starts from a snapshot, and none in {} is of use ({why}); put a snapshot back that was taken \
         behind that sequence, or the retired segments, from a copy or another node, and remove the file \
         `beginning` with them; a log that is damaged is mended with `rialto log repair DIR --from COPY`",
        directory.display(), snapshots.display()
    )]
    CommandsRetired {
        /// The log's directory.
        directory: PathBuf,
        /// Of its first record.
        sequence: u64,
        /// Where the snapshots should be.
        snapshots: PathBuf,
        /// What is wrong with each.
        why: String,
    },
    /// The event log cannot be derived again from its beginning.
    #[error(
        "the event log in {} cannot be used ({why}), and the first commands it was made of were retired: \
         mend it with `rialto log repair {} --from COPY`, or put it back from a copy or another node",
        directory.display(), directory.display()
    )]
    EventsGone {
        /// The log's directory.
        directory: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is a log whose control file is missing.
    #[error(
        "there is a log in {}, but no control file in {}: restore it from a copy; to go on without \
         it, under a new session id, start with --new-incarnation",
        directory.display(), control.display()
    )]
    ControlGone {
        /// The logs' directory.
        directory: PathBuf,
        /// The control file's directory.
        control: PathBuf,
    },
    /// The node was one of a cluster.
    #[error(
        "the log in {} is that of a cluster, whose other nodes may go on without this one: put the \
         [cluster] section back", directory.display()
    )]
    ClusterGone {
        /// The logs' directory.
        directory: PathBuf,
    },
    /// The log was written without a cluster.
    #[error(
        "the log in {} was written by a node that was alone, and other nodes cannot have it yet: begin \
         the cluster with an empty directory and --market FILE on one of its nodes", directory.display()
    )]
    WasAlone {
        /// The logs' directory.
        directory: PathBuf,
    },
    /// The other nodes cannot be reached.
    #[error("cluster: {0}")]
    Link(#[from] UdpError),
    /// The same, by Aeron.
    #[cfg(feature = "aeron")]
    #[error("cluster: {0}")]
    Aeron(#[from] AeronError),
    /// Consensus cannot begin.
    #[error("cluster: {0}")]
    Consensus(#[from] NodeFailure),
    /// It took an image of another node, with which the next start begins.
    #[error("an image of another node up to frame {index} is here: start the node again")]
    Moved {
        /// The last frame in it.
        index: u64,
    },
    /// It gave up a quorum that is lost, and is another from its next start on.
    #[error("{0}")]
    Refounded(String),
    /// An image that was taken cannot be put in place.
    #[error("cannot put the image of another node in {} in place: {source}", directory.display())]
    Install {
        /// The logs' directory.
        directory: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A directory cannot be set aside.
    #[error("cannot set {} aside: {source}", directory.display())]
    SetAside {
        /// The directory.
        directory: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The engine would not carry out what the market file asks for.
    #[error(
        "the market cannot be applied: {refused}; correct the market file or the node's capacity and \
         start again: nothing was written"
    )]
    MarketRefused {
        /// Each definition that is refused, and why.
        refused: String,
    },
    /// Durable on disk is asked of memory.
    #[error(
        "logs.durability = \"disk\", but logs.directory {} is in memory only (tmpfs or ramfs): \
         choose a directory on a disk, or \"memory\"",
        directory.display()
    )]
    VolatileLogs {
        /// The logs' directory.
        directory: PathBuf,
    },
    /// The operating system does not say what a directory lies on.
    #[error("cannot examine the file system of {}: {source}", directory.display())]
    Examine {
        /// The directory.
        directory: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system does not say which boot this is.
    #[error("cannot read the boot id: {0}")]
    BootId(#[source] io::Error),
    /// The network front cannot be had.
    #[error("order entry: {0}")]
    Front(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operators' listener cannot be had.
    #[error("administration: {0}")]
    Admin(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No thread could be had.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// A stage failed while the node ran.
    #[error("{0}")]
    Stage(AgentError),
}

impl NodeError {
    /// What a stage failed with; or no failure at all, but the end of a life.
    pub(super) fn stage(error: AgentError) -> Self {
        match error.cause::<NodeFailure>() {
            Some(&NodeFailure::Moved { index }) => Self::Moved { index },
            Some(refounded @ NodeFailure::Refounded { .. }) => {
                Self::Refounded(refounded.to_string())
            }
            _ => Self::Stage(error),
        }
    }

    pub(super) fn gone(gone: Gone, config: &Config) -> Self {
        let directory = config.logs().directory.clone();
        match gone {
            Gone::Log(durable) => Self::LogGone { directory, durable },
            Gone::Control => {
                Self::ControlGone { directory, control: config.control().directory.clone() }
            }
        }
    }

    pub(super) fn commands_retired(
        commands: &Reader,
        snapshots: &Snapshots,
        passed_over: &[(PathBuf, Useless)],
    ) -> Self {
        let why: Vec<_> =
            passed_over.iter().map(|(path, why)| format!("{}: {why}", path.display())).collect();
        Self::CommandsRetired {
            directory: commands.directory(),
            sequence: commands.beginning().next_sequence,
            snapshots: snapshots.directory().to_owned(),
            why: if why.is_empty() { "there is none".to_owned() } else { why.join("; ") },
        }
    }

    pub(super) fn front(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Front(Box::new(error))
    }

    pub(super) fn admin(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Admin(Box::new(error))
    }
}
