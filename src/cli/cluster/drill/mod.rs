//! `rialto cluster drill`: a cluster on a private network whose leader is killed, stopped and cut off again
//! and again while brokers trade, and what they saw of it.
//!
//! The command runs twice: outside, where it makes the network, and inside it (`drill`), where it works.

mod broker;
mod fault;
mod inside;
mod outcome;

use std::path::{Path, PathBuf};
use std::{fs, io};

use self::fault::Fault;
use crate::cli::CliError;
use crate::cli::lab::site::{BackendArg, Setup, TransportArg};
use crate::cli::lab::{self, Lab};

/// Arguments of `rialto cluster drill`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto cluster drill\n  \
    rialto cluster drill --kills 30 --pauses 0 --partitions 0 --unplugs 0 --json\n\n\
    Three nodes, each in a network namespace of its own; brokers know one address, which moves with the \
    leader. Their logs are in /dev/shm. It fails if an acknowledged order was lost or done twice, a \
    message of the feed is missing, or two nodes disagree.")]
pub(super) struct Args {
    /// How often the leader is killed (SIGKILL).
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    kills: u32,
    /// How often it is made to stand still (SIGSTOP) until another leads.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pauses: u32,
    /// How often it is cut off from the other nodes, and not from brokers.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    partitions: u32,
    /// How often it is cut off from everybody, as if its machine were gone.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    unplugs: u32,
    /// Brokers, each with a session of its own.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    brokers: u32,
    /// Orders a second of each broker.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// What carries order entry and feed.
    #[arg(long, value_enum, default_value_t = BackendArg::Kernel)]
    backend: BackendArg,
    /// What carries the messages between nodes.
    #[arg(long, value_enum, default_value_t = TransportArg::Udp)]
    transport: TransportArg,
    /// The least silence before an election, in milliseconds.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(60..=10_000))]
    election_ms: u32,
    /// Where its files go; it must not exist, and is on a disk.
    #[arg(long, default_value = "rialto-drill")]
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Set inside the lab: the directory of the nodes' logs.
    #[arg(long, hide = true)]
    inside_with_logs: Option<PathBuf>,
}

impl Args {
    /// How often each thing happens to the leader, in the order in which they do.
    const fn faults(&self) -> [(Fault, u32); 4] {
        [
            (Fault::Kill, self.kills),
            (Fault::Pause, self.pauses),
            (Fault::Partition, self.partitions),
            (Fault::Unplug, self.unplugs),
        ]
    }

    const fn setup(&self) -> Setup {
        let Self { backend, transport, election_ms, brokers, .. } = *self;
        Setup { nodes: inside::NODES, backend, transport, election_ms, brokers }
    }
}

/// Has it happen, and says what came of it.
///
/// # Errors
/// What was lost, or why there was no drill.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    match &args.inside_with_logs {
        None => outside(args),
        Some(logs) => inside::run(args, logs),
    }
}

fn outside(args: &Args) -> Result<(), CliError> {
    lab::check(Lab::Nodes(inside::NODES))?;
    fs::create_dir(&args.dir).map_err(|error| {
        io::Error::new(error.kind(), format!("{}: {error}", args.dir.display()))
    })?;
    let dir = args.dir.canonicalize()?;
    let logs = Logs(format!("/dev/shm/rialto-drill-{}", std::process::id()).into());
    fs::create_dir(&logs.0)?;
    let status = lab::run(Lab::Nodes(inside::NODES), arguments(args, &dir, &logs.0))?;
    if !status.success() {
        return Err(CliError::Drill { dir: args.dir.clone() });
    }
    Ok(fs::remove_dir_all(&dir)?)
}

/// The nodes' logs, removed when the drill is over.
struct Logs(PathBuf);

impl Drop for Logs {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("drill: {} is left behind: {error}", self.0.display());
        }
    }
}

fn arguments(args: &Args, dir: &Path, logs: &Path) -> Vec<String> {
    let Args { kills, pauses, partitions, unplugs, brokers, rate, election_ms, .. } = args;
    let numbers = [
        ("--kills", kills),
        ("--pauses", pauses),
        ("--partitions", partitions),
        ("--unplugs", unplugs),
        ("--brokers", brokers),
        ("--rate", rate),
        ("--election-ms", election_ms),
    ];
    let numbers = numbers.map(|(name, number)| [name.to_owned(), number.to_string()]);
    let kinds = [("--backend", name(&args.backend)), ("--transport", name(&args.transport))];
    let kinds = kinds.map(|(option, name)| [option.to_owned(), name]);
    let paths = [("--dir", dir), ("--inside-with-logs", logs)];
    let paths = paths.map(|(name, path)| [name.to_owned(), path.display().to_string()]);
    let json = args.json.then(|| "--json".to_owned());
    let words = ["cluster", "drill"].map(str::to_owned).into_iter();
    words.chain(numbers.into_iter().chain(kinds).chain(paths).flatten()).chain(json).collect()
}

/// A value as it is written on the command line.
fn name(value: &impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
