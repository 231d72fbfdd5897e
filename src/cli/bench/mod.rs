//! `rialto bench`: figures of this program on this machine, each with what it is to be compared with in
//! the same run. It measures; what is measured is a node as it is in use.

pub(super) mod breakdown;
mod commit;
pub mod engine;
mod host;
mod quantiles;
mod scratch;
mod store;
mod wire;

use std::io;
use std::path::PathBuf;

use super::CliError;
use super::lab::LabError;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::counters::CountersError;
use crate::event_store::StoreError;
use crate::node::pace::PaceError;
#[cfg(feature = "dpdk")]
use crate::sys::dpdk::DpdkError;

/// Arguments of `rialto bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Bench {
    /// What a command costs in the books and in the engine, against a baseline and an oracle.
    Engine(engine::Args),
    /// What the event store takes: appends, readers in other processes, replays, a disk.
    Store(store::Args),
    /// What a commit costs in a cluster, and how long it takes, beside a node alone.
    Commit(commit::Args),
    /// The nodes of the commit bench.
    #[command(hide = true)]
    CommitNodes(commit::NodesArgs),
    /// The reader of the store bench.
    #[command(hide = true)]
    StoreReader(store::ReaderArgs),
    /// From an order to its acceptance over the wire, against a raw echo on the same port.
    Wire(wire::Args),
    /// What an order costs and how long it takes among ever more sessions, against an echo.
    Sessions(wire::SessionsArgs),
    /// Orders at ever higher rates, by the clock: which are sustained, and how long each takes.
    Rate(wire::RateArgs),
    /// The brokers of the rate bench.
    #[command(hide = true)]
    RateClient(wire::RateClientArgs),
    /// What strangers' frames cost, and what they do to a broker's orders.
    #[cfg(feature = "dpdk")]
    Flood(wire::FloodArgs),
    /// The frames of the flood bench.
    #[cfg(feature = "dpdk")]
    #[command(hide = true)]
    FloodGenerator(wire::FloodGeneratorArgs),
    /// The ring of the flood bench.
    #[cfg(feature = "dpdk")]
    #[command(hide = true)]
    FloodRing(wire::FloodRingArgs),
    /// The broker of the wire bench.
    #[command(hide = true)]
    WireClient(wire::ClientArgs),
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The private network, or a process in it.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The bench's own files are no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be had.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The machine has too few cores.
    #[error("no core {core} for this process; choose others with --cores")]
    Core {
        /// The core that is missing.
        core: usize,
    },
    /// What the client said is no result.
    #[error("the client said {line:?}: {source}")]
    Speech {
        /// Its line.
        line: String,
        /// Why that is nothing.
        source: serde_json::Error,
    },
    /// The client's connection.
    #[error("the client's connection: {0}")]
    Connection(#[source] io::Error),
    /// The client's session.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No answer.
    #[error("no {what} within {seconds} s")]
    Silence {
        /// What was waited for.
        what: &'static str,
        /// The patience.
        seconds: u64,
    },
    /// An order was answered with something else.
    #[error("an order of the bench was answered with {0}")]
    Answer(String),
    /// The client's device.
    #[cfg(feature = "dpdk")]
    #[error(transparent)]
    Dpdk(#[from] DpdkError),
    /// Two engines did not trade the same.
    #[error("workload {workload}: ours, the baseline and the oracle do not trade the same")]
    Trades {
        /// Which.
        workload: &'static str,
    },
    /// The counters of the bench's node.
    #[error(transparent)]
    Counters(#[from] CountersError),
    /// A log of the bench.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A command of the bench cannot be applied.
    #[error(transparent)]
    Command(crate::engine::CommandError),
    /// The replay.
    #[error(transparent)]
    Replay(#[from] Box<CliError>),
    /// Nodes of the commit bench.
    #[error(transparent)]
    Pace(#[from] PaceError),
    /// The disk bench was given memory.
    #[error("{}: this is memory, not a disk; choose a directory with --disk", .0.display())]
    NoDisk(PathBuf),
    /// The reader of the store bench.
    #[error("the reader of the log failed: {0}")]
    Reader(String),
    /// The bench inside the lab failed, and has said why.
    #[error("the bench failed")]
    Inside,
}

impl BenchError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// Runs a bench.
///
/// # Errors
/// [`BenchError`].
pub fn run(args: &Args) -> Result<(), BenchError> {
    match &args.bench {
        Bench::Engine(args) => engine::run(args),
        Bench::Store(args) => store::run(args),
        Bench::Commit(args) => commit::run(args),
        Bench::CommitNodes(args) => commit::run_nodes(args),
        Bench::StoreReader(args) => store::run_reader(args),
        Bench::Wire(args) => wire::run(args),
        Bench::Sessions(args) => wire::run_sessions(args),
        Bench::Rate(args) => wire::run_rate(args),
        Bench::RateClient(args) => wire::run_rate_client(args),
        #[cfg(feature = "dpdk")]
        Bench::Flood(args) => wire::run_flood(args),
        #[cfg(feature = "dpdk")]
        Bench::FloodGenerator(args) => wire::run_flood_generator(args),
        #[cfg(feature = "dpdk")]
        Bench::FloodRing(args) => wire::run_flood_ring(args),
        Bench::WireClient(args) => wire::run_client(args),
    }
}
