//! `rialto bench wire`: the time from an order's first byte to its acceptance's last, as a client on
//! the other side of a wire sees it, and beside it the time of a raw echo on the same port, over TCP
//! and over UDP.
//!
//! Stack, port, client and moment are the same for both, so their ratio is what the exchange itself
//! adds. The command runs twice: outside, where it makes the lab, and inside (`inside`). `sessions` asks
//! what many sessions make of the same.

mod client;
#[cfg(feature = "dpdk")]
mod flood;
#[cfg(feature = "dpdk")]
mod flood_frames;
#[cfg(feature = "dpdk")]
mod flood_generator;
#[cfg(feature = "dpdk")]
mod flood_ring;
mod greedy;
mod inside;
mod plot;
mod rate;
mod rate_client;
mod report;
mod sessions;
mod ways;

use std::path::{Path, PathBuf};

pub(super) use client::{Args as ClientArgs, run as run_client};
#[cfg(feature = "dpdk")]
pub(super) use flood::{Args as FloodArgs, run as run_flood};
#[cfg(feature = "dpdk")]
pub(super) use flood_generator::{Args as FloodGeneratorArgs, run as run_flood_generator};
#[cfg(feature = "dpdk")]
pub(super) use flood_ring::{Args as FloodRingArgs, run as run_flood_ring};
pub(super) use rate::{Args as RateArgs, run as run_rate};
pub(super) use rate_client::{Args as RateClientArgs, run as run_rate_client};
pub(super) use sessions::{Args as SessionsArgs, run as run_sessions};

use super::BenchError;
use super::scratch::Scratch;
use crate::cli::lab::{self, Lab};

/// Arguments of `rialto bench wire`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto bench wire\n  \
    rialto bench wire --json --backends dpdk,kernel\n  \
    rialto bench wire --device net_af_xdp0,iface=rialto0     as root\n\n\
    The node runs as one composite on a core of its own and spins, the client on another. It echoes \
    and enters in turns, one at a time, with a pause between; each figure is the median over the \
    rounds, each ratio the median of the rounds' ratios. On a virtual wire (veth) most of the time is \
    the kernel's: compare within a run.")]
pub(super) struct Args {
    /// Print the result as a JSON object.
    #[arg(long)]
    json: bool,
    /// Rounds; each echoes first and then enters orders.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Echoes, and orders, in a round.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    samples: u32,
    /// What carries the bytes: a DPDK port on a veth pair, the kernel's sockets on the same pair, or
    /// shared memory between two DPDK ports (memif).
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = BackendArg::ALL)]
    backends: Vec<BackendArg>,
    /// The device of the DPDK port.
    #[arg(long, default_value = "net_af_packet0,iface=rialto0")]
    device: String,
    /// Keep the node's packet buffers in huge pages, of which 64 of 2 MiB must be free.
    #[arg(long)]
    hugepages: bool,
    /// The cores of node and client.
    #[arg(long, value_name = "NODE,CLIENT", value_parser = cores, default_value = "0,1")]
    cores: Cores,
    /// Set inside the lab: where files may be written.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

/// The cores of node and client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cores {
    node: usize,
    client: usize,
}

fn cores(text: &str) -> Result<Cores, String> {
    let cores = text.split_once(',').and_then(|(node, client)| {
        Some(Cores { node: node.parse().ok()?, client: client.parse().ok()? })
    });
    let different = cores.filter(|cores| cores.node != cores.client);
    different.ok_or_else(|| "two different cores, as in 0,1".to_owned())
}

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BackendArg {
    /// A DPDK port on a veth pair.
    #[cfg(feature = "dpdk")]
    Dpdk,
    /// The kernel's sockets on the same veth pair.
    Kernel,
    /// Shared memory between two DPDK ports.
    #[cfg(feature = "dpdk")]
    Memif,
}

impl BackendArg {
    #[cfg(feature = "dpdk")]
    const ALL: [Self; 3] = [Self::Dpdk, Self::Kernel, Self::Memif];
    #[cfg(not(feature = "dpdk"))]
    const ALL: [Self; 1] = [Self::Kernel];

    const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "dpdk")]
            Self::Dpdk => "dpdk",
            Self::Kernel => "kernel",
            #[cfg(feature = "dpdk")]
            Self::Memif => "memif",
        }
    }
}

/// Runs the bench; the figures go to standard output.
pub(super) fn run(args: &Args) -> Result<(), BenchError> {
    if let Some(scratch) = &args.inside {
        return inside::run(args, scratch);
    }
    in_lab(|scratch| arguments(args, scratch))
}

/// Runs this program inside a lab, with the arguments made for a scratch directory.
fn in_lab(arguments: impl FnOnce(&Path) -> Vec<String>) -> Result<(), BenchError> {
    lab::check(Lab::Wire)?;
    let name = format!("rialto-bench-{}", std::process::id());
    // Logs in memory, and on disk what a node wants there.
    let [logs, scratch] = [Path::new("/dev/shm"), &std::env::temp_dir()].map(|at| at.join(&name));
    let _made = [Scratch::make(&logs)?, Scratch::make(&scratch)?];
    let status = lab::run(Lab::Wire, arguments(&scratch))?;
    if status.success() { Ok(()) } else { Err(BenchError::Inside) }
}

/// Where the logs of a bench with this scratch directory go.
fn logs(scratch: &Path) -> PathBuf {
    Path::new("/dev/shm").join(scratch.file_name().unwrap_or_default())
}

fn arguments(args: &Args, scratch: &Path) -> Vec<String> {
    let Args { json, rounds, samples, backends, device, hugepages, cores, inside: _ } = args;
    let backends: Vec<_> = backends.iter().map(|backend| backend.name()).collect();
    let values = [
        ("--rounds", rounds.to_string()),
        ("--samples", samples.to_string()),
        ("--backends", backends.join(",")),
        ("--device", device.clone()),
        ("--cores", format!("{},{}", cores.node, cores.client)),
        ("--inside", scratch.display().to_string()),
    ];
    let command = ["bench", "wire"].map(str::to_owned).into_iter();
    let flags = [("--json", *json), ("--hugepages", *hugepages)];
    let flags = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned());
    command
        .chain(values.into_iter().flat_map(|(name, value)| [name.to_owned(), value]))
        .chain(flags)
        .collect()
}
