//! `rialto bench sessions`: what an order costs the gateway, and how long its acceptance takes, among
//! ever more sessions that are logged in.
//!
//! The sessions order in turns, so that each order meets a session that no cache remembers; beside each
//! round of orders is one of echoes over as many connections, up to the ports there are for them, and one
//! of orders that each come behind a burst of another session's, which shows what fair turns are worth.
#![expect(clippy::float_arithmetic, reason = "ratios for people")]

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::inside::{ECHOES_MAX, Run};
use super::report::Backend;
use super::{Args as WireArgs, BackendArg, BenchError, Cores, cores, in_lab};
use crate::cli::bench::breakdown::gateway;
use crate::cli::bench::host::{Host, Jitter};
use crate::cli::lab;

/// Arguments of `rialto bench sessions`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto bench sessions\n  \
    rialto bench sessions --json --sessions 1,1000 --backend kernel\n  \
    rialto bench sessions --sessions 1,1000 --rounds 1 --samples 100 --backend memif\n\n\
    cpu_ns_per_order is the time of the gateway's own steps - receive, parse, emit, send - from a run \
    with recording, in which nothing else is measured. The node spins, so time is CPU. Over a veth pair \
    `send` is also what the client's kernel does with the frame, on the node's core. logins ms is how long \
    it takes until all are let in that ask at once. Beside a greedy session means that each order is sent right \
    behind 256 of another session's, and is answered long before these are: \"burst\" is how long they take. \
    The client has a socket for each session and for up to \
    1,000 echoes: ten thousand sessions need `ulimit -n 12000`.")]
pub(in crate::cli::bench) struct Args {
    /// Print the result as a JSON object.
    #[arg(long)]
    json: bool,
    /// Sessions that are logged in, for each of the measurements.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000, 10_000],
        value_parser = clap::value_parser!(u32).range(1..=16_000))]
    sessions: Vec<u32>,
    /// Rounds of each; each echoes first and then enters orders.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Echoes, and orders, in a round.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    samples: u32,
    /// What carries the bytes: dpdk or kernel over the veth pair, or memif, where the node's core does
    /// nothing for the client's kernel; its client looks at every connection at each step, so no order
    /// is fast, and ten thousand are too many.
    #[arg(long, value_enum, default_value = BackendArg::ALL[0].name())]
    backend: BackendArg,
    /// The device of the DPDK port.
    #[arg(long, default_value = "net_af_packet0,iface=rialto0,framecnt=8192")]
    device: String,
    /// The cores of node and client.
    #[arg(long, value_name = "NODE,CLIENT", value_parser = cores, default_value = "0,1")]
    cores: Cores,
    /// Set inside the lab: where files may be written.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

/// The figures with so many sessions.
struct Figures {
    sessions: u32,
    cpu_ns_per_order: Option<u64>,
    login_ns: u64,
    times: Backend,
}

/// Runs the bench; the figures go to standard output.
pub(in crate::cli::bench) fn run(args: &Args) -> Result<(), BenchError> {
    match &args.inside {
        None => in_lab(|scratch| arguments(args, scratch)),
        Some(scratch) => run_inside(args, scratch),
    }
}

fn arguments(args: &Args, scratch: &Path) -> Vec<String> {
    let Args { json, sessions, rounds, samples, backend, device, cores, inside: _ } = args;
    let sessions: Vec<_> = sessions.iter().map(u32::to_string).collect();
    let values = [
        ("--sessions", sessions.join(",")),
        ("--rounds", rounds.to_string()),
        ("--samples", samples.to_string()),
        ("--backend", backend.name().to_owned()),
        ("--device", device.clone()),
        ("--cores", format!("{},{}", cores.node, cores.client)),
        ("--inside", scratch.display().to_string()),
    ];
    let command = ["bench", "sessions"].map(str::to_owned).into_iter();
    command
        .chain(values.into_iter().flat_map(|(name, value)| [name.to_owned(), value]))
        .chain(json.then(|| "--json".to_owned()))
        .collect()
}

fn run_inside(args: &Args, scratch: &Path) -> Result<(), BenchError> {
    let Args { json, sessions, rounds, samples, backend, device, cores, inside: _ } = args.clone();
    let host = Host::look(&[cores.node, cores.client])?;
    let wire = WireArgs {
        json,
        rounds,
        samples,
        backends: vec![backend],
        device,
        hugepages: false,
        cores,
        inside: None,
    };
    let kernel = backend == BackendArg::Kernel;
    if kernel {
        lab::give_address()?;
    }
    let mut all = Vec::new();
    for sessions in sessions {
        eprintln!("bench: {sessions} sessions");
        let run =
            |kind: &str| Run::new(&wire, backend, sessions, scratch, &format!("{sessions}-{kind}"));
        let measured = run("figures")?.measure(&["--greedy"])?;
        let steps = run("breakdown")?.breakdown()?;
        let cpu_ns_per_order = steps.as_ref().map(gateway);
        let times = Backend::new(backend.name(), None, &measured, steps);
        let login_ns = measured.login_ns;
        all.push(Figures { sessions, cpu_ns_per_order, login_ns, times });
    }
    if kernel {
        lab::take_address()?;
    }
    if json {
        println!("{}", json_of(&host, args, &all));
    } else {
        print!("{}", table_of(&host, args, &all));
    }
    Ok(())
}

/// What an order costs among so many sessions, as a multiple of what it costs among the first number.
fn cpu_ratio(figures: &Figures, first: &Figures) -> Option<f64> {
    let cost = |figures: &Figures| figures.cpu_ns_per_order.and_then(|ns| u32::try_from(ns).ok());
    let ratio = f64::from(cost(figures)?) / f64::from(cost(first)?.max(1));
    Some((ratio * 100.0).round() / 100.0)
}

fn json_of(host: &Host, args: &Args, all: &[Figures]) -> Value {
    let mut object = Map::new();
    for figures in all {
        let mut entry = json!(figures.times);
        entry["cpu_ns_per_order"] = json!(figures.cpu_ns_per_order);
        entry["login_ms"] = json!(figures.login_ns / 1_000_000);
        entry["cpu_ratio"] = json!(cpu_ratio(figures, &all[0]));
        entry["echoed_connections"] = json!(figures.sessions.min(ECHOES_MAX.into()));
        object.insert(figures.sessions.to_string(), entry);
    }
    let mut host = json!(host);
    host["durability"] = json!("memory");
    host["backend"] = json!(args.backend.name());
    host["rounds"] = json!(args.rounds);
    host["samples"] = json!(args.samples);
    object.insert("host".to_owned(), host);
    Value::Object(object)
}

fn table_of(host: &Host, args: &Args, all: &[Figures]) -> String {
    let mut lines = vec![host.line()];
    lines.extend(host.jitter.iter().map(Jitter::line));
    lines.push(format!(
        "{} over {}; durability memory; {} rounds of {}\n",
        args.backend.name(),
        args.device,
        args.rounds,
        args.samples
    ));
    lines.push(format!(
        "{:>8} {:>20} {:>20} {:>15} {:>20} {:>15} {:>9} {:>12} {:>6} {:>9}",
        "sessions",
        "echo p50 / p99 us",
        "order p50 / p99 us",
        "ratio p50 / p99",
        "beside a greedy one",
        "its ratios",
        "burst us",
        "CPU ns/order",
        "ratio",
        "logins ms"
    ));
    for figures in all {
        let [echo, order, ratios] = figures.times.columns();
        let [beside, beside_ratios, burst] = figures.times.greedy_columns();
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        lines.push(format!(
            "{:>8} {echo:>20} {order:>20} {ratios:>15} {beside:>20} {beside_ratios:>15} \
             {burst:>9} {:>12} {:>6} {:>9}",
            figures.sessions,
            or_none(figures.cpu_ns_per_order.map(|ns| ns.to_string())),
            or_none(cpu_ratio(figures, &all[0]).map(|ratio| format!("{ratio:.2}"))),
            figures.login_ns / 1_000_000
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_compared_with_that_among_the_first_number_of_sessions() {
        let measured = super::super::client::Measured { login_ns: 0, rounds: Vec::new() };
        let figures = |sessions, cpu_ns_per_order| Figures {
            sessions,
            cpu_ns_per_order,
            login_ns: 0,
            times: Backend::new("dpdk", None, &measured, None),
        };
        let [one, many] = [figures(1, Some(2_000)), figures(1_000, Some(3_001))];
        assert_eq!(cpu_ratio(&many, &one), Some(1.5));
        assert_eq!(cpu_ratio(&figures(1_000, None), &one), None);
    }
}
