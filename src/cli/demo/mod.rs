//! `rialto demo`: a node on a private network, brokers that trade on it as processes of their own, a
//! subscriber that sees only the feed, and in the end a comparison of what both believe.
//!
//! The command runs twice: outside (`outside`), where it makes the network and keeps order, and inside
//! it (`show`), where it starts the processes and counts.

mod broker;
mod diff;
mod market;
mod outside;
mod report;
mod show;
mod trader;
mod walk;

use std::io;
use std::path::PathBuf;

pub use broker::{Args as BrokerArgs, BrokerError, run as run_broker};
pub use diff::{Args as DiffArgs, Difference, run as run_diff};

use super::lab::LabError;
use crate::config::ConfigError;

/// Arguments of `rialto demo`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto demo --duration 20\n  \
    rialto demo --rate 50000 --symbols 500\n  \
    rialto demo --backend kernel\n\n\
    The last line on standard output is the result, one JSON object. Logs of all processes are in the \
    directory.")]
pub struct Args {
    /// How long brokers trade, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    duration: u32,
    /// Enter messages a second, of all brokers together; cancels come on top.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: u32,
    /// Brokers; each is a process.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=market::DemoMarket::BROKERS_MAX))]
    brokers: u64,
    /// Instruments.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=market::DemoMarket::SYMBOLS_MAX))]
    symbols: u64,
    /// What carries order entry and feed.
    #[arg(long, value_enum, default_value_t = BackendArg::default())]
    backend: BackendArg,
    /// Where its files go [default: rialto/demo under the XDG state home].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Prices and orders are the same for the same seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The subscriber discards the N-th datagram, as a bad network would: what a gap does.
    #[arg(long, value_name = "N")]
    drop: Option<u64>,
    /// Set inside the lab: the directory of the node's logs.
    #[arg(long, hide = true)]
    inside_with_logs: Option<PathBuf>,
}

/// What carries order entry and feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
enum BackendArg {
    /// A DPDK port.
    #[cfg_attr(feature = "dpdk", default)]
    Dpdk,
    /// Kernel sockets.
    #[cfg_attr(not(feature = "dpdk"), default)]
    Kernel,
}

impl BackendArg {
    const fn name(self) -> &'static str {
        match self {
            Self::Dpdk => "dpdk",
            Self::Kernel => "kernel",
        }
    }
}

/// Why there was no demo, or no good end of it.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file or directory cannot be had.
    #[error("{action} {path}: {source}", path = .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The private network, or a process in it.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The demo's own files are no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No state directory can be found.
    #[error("neither XDG_STATE_HOME nor HOME is set: say where files may go with --dir")]
    NoHome,
    /// Neither memory nor disk holds the logs.
    #[error(
        "the logs need {need_mib} MiB; /dev/shm has {memory_mib} and {path} has {disk_mib}: \
         shorten --duration, lower --rate, or name a larger disk with --dir",
        path = .path.display()
    )]
    Space {
        /// Mebibytes that the logs may need.
        need_mib: u64,
        /// Mebibytes free in memory.
        memory_mib: u64,
        /// Mebibytes free in the directory.
        disk_mib: u64,
        /// The directory.
        path: PathBuf,
    },
    /// A process speaks another language.
    #[error("{name} said {line:?}: {source}")]
    Speech {
        /// Which.
        name: &'static str,
        /// What it said.
        line: String,
        /// Why that is nothing.
        source: serde_json::Error,
    },
    /// The demo inside the lab failed, and has said why.
    #[error("the demo failed")]
    Inside,
}

impl DemoError {
    fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// Runs the demo. Live lines and the result go to standard output, everything else to standard error.
///
/// # Errors
/// [`DemoError`]: which process failed, and the end of its log.
pub fn run(args: &Args) -> Result<(), DemoError> {
    match &args.inside_with_logs {
        None => outside::run(args),
        Some(logs) => show::run(args, logs),
    }
}
