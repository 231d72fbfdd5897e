//! `rialto bench commit`: what it costs that most of a cluster must have a batch before anybody is told. Three
//! nodes of consensus over logs in memory, without the exchange around them: in one thread over a transport
//! that is a queue, which is what it costs the leader; and over the kernel's UDP on loopback by the clock,
//! with and without loss, beside a node alone. And the whole exchange in namespaces, likewise.
//!
//! The queue carries a payload once for all, as Aeron does, and UDP once for each follower.

mod over_wires;
mod report;

use std::path::{Path, PathBuf};

pub(super) use over_wires::{NodesArgs, run_nodes};

use self::report::Report;
use super::BenchError;
use super::host::Host;
use super::scratch::Scratch;
use super::store::pool;
use crate::cli::lab::{self, Lab};
use crate::node::pace::{self, Batches};

/// Arguments of `rialto bench commit`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto bench commit\n  \
    rialto bench commit --json --rounds 9\n\n\
    Logs go to /dev/shm, of which it needs 2 GiB. Over UDP three threads want a core each: with fewer, what \
    they lose to each other is in the figures. Build with --release.")]
pub(super) struct Args {
    /// Print the result as a JSON object.
    #[arg(long)]
    json: bool,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// One of so many batches only.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    shorten: u32,
    /// A directory on a disk, for what a node keeps beside its logs.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    disk: PathBuf,
}

/// Commands in a batch.
const BATCH: u16 = 64;
/// In a round: batches one at a time, batches as many as fit, and echoes.
const BATCHES: u32 = 4_000;
const RATE_BATCHES: u32 = 16_000;
const PINGS: u32 = 2_000;

/// Runs the bench; the figures go to standard output.
pub(super) fn run(args: &Args) -> Result<(), BenchError> {
    let name = format!("rialto-bench-commit-{}", std::process::id());
    let memory = Scratch::make(&Path::new("/dev/shm").join(&name))?;
    let disk = Scratch::make(&args.disk.join(&name))?;
    lab::check(Lab::Nodes(3))?;
    let mut report = Report::new(Host::look(&[0])?, args.rounds);
    let pool = pool(BATCH.into());
    let payloads = pool.into_iter().map(|(_, payload)| payload).collect();
    let batches = Batches { commands: BATCH, payloads };
    let [one_by_one, many, pings] =
        [BATCHES, RATE_BATCHES, PINGS].map(|count| count / args.shorten);
    let logs = memory.path().join("logs");
    for round in 0..args.rounds {
        eprintln!("bench: round {} of {}", round + 1, args.rounds);
        for (of, in_flight) in report.in_process.iter_mut().zip([1, 16]) {
            of.push(pace::in_process(&logs, &batches, many, in_flight)?);
        }
        report.round_trips.extend(pace::round_trips(pings)?);
        for (setting, times) in &mut report.over_udp {
            times.extend(pace::under_way(&logs, *setting, &batches, one_by_one)?);
        }
        for (setting, rates) in &mut report.rates {
            rates.push(pace::rate(&logs, *setting, &batches, many)?);
        }
        for (nodes, served) in &mut report.over_wires {
            served.push(over_wires::measure(memory.path(), disk.path(), *nodes, args.shorten)?);
        }
    }
    report.print(args.json);
    Ok(())
}
