//! `rialto bench flood`: what strangers' frames cost the node, and what they do to a broker's orders.
//!
//! Over the veth pair a broker orders while the same generator floods the node, and in turns another pair
//! of interfaces, at whose end another DPDK port takes the frames and drops them. So what the generator
//! takes of the shared machine is in both, and what its kernel does, on the broker's core, to bring a frame
//! to a port, which a NIC would do: without that other port the ratio at p99 was 7, with it 1.0 to 1.6. The
//! ratio is what the node's own work on the flood does.
//! Through a DPDK ring, without a kernel, each kind of frame has its cost.
#![expect(clippy::float_arithmetic, reason = "ratios for people")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::client::Percentiles;
use super::flood_generator::FLOODING;
use super::flood_ring::Cost;
use super::inside::{END_MAX, LISTEN, Run};
use super::{Args as WireArgs, BackendArg, BenchError, Cores, cores, in_lab};
use crate::cli::bench::host::{Host, Jitter};
use crate::cli::lab::{self, LabError, NODE_INTERFACE};
use crate::counters::CounterReader;

/// Arguments of `rialto bench flood`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto bench flood\n  \
    rialto bench flood --json --rate 200000 --rounds 11\n\n\
    The flood is of connection requests (of hosts that may connect, and of others), datagrams, fragments, \
    ARP and garbage, in turns. Broker and generator share a core: what that costs is in the baseline.")]
pub(in crate::cli::bench) struct Args {
    /// Print the result as a JSON object.
    #[arg(long)]
    json: bool,
    /// Frames a second.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    rate: u64,
    /// Pairs of a baseline and a flood.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Orders in each.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    samples: u32,
    /// Bursts of each kind through the ring.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    bursts: u32,
    /// The device of the DPDK port.
    #[arg(long, default_value = "net_af_packet0,iface=rialto0")]
    device: String,
    /// The cores of the node, and of broker and generator.
    #[arg(long, value_name = "NODE,CLIENT", value_parser = cores, default_value = "0,1")]
    cores: Cores,
    /// Set inside the lab: where files may be written.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

/// The brokers' end of the wire, and that of the wire at whose other end frames are only dropped.
const NODE_WIRE: &str = "lab0";
const SINK_WIRE: &str = "flood0";
const SINK_INTERFACE: &str = "flood1";
const START_MAX: Duration = Duration::from_mins(1);
/// What the stack counts of frames that it drops. Fragments never come over `net_af_packet`: it has the
/// kernel put them together.
const DROPS: [&str; 12] = [
    "malformed",
    "fragments",
    "not_ours",
    "denied",
    "impostors",
    "source_flood",
    "source_questions",
    "source_full",
    "syn_dropped",
    "half_open_gave_way",
    "half_open_expired",
    "datagrams_unwanted",
];

/// One order's times in a round, with the flood elsewhere and here.
struct Pair {
    baseline: Percentiles,
    flooded: Percentiles,
}

/// Runs the bench; the figures go to standard output.
pub(in crate::cli::bench) fn run(args: &Args) -> Result<(), BenchError> {
    match &args.inside {
        None => in_lab(|scratch| arguments(args, scratch)),
        Some(scratch) => run_inside(args, scratch),
    }
}

fn arguments(args: &Args, scratch: &Path) -> Vec<String> {
    let Args { json, rate, rounds, samples, bursts, device, cores, inside: _ } = args;
    let values = [
        ("--rate", rate.to_string()),
        ("--rounds", rounds.to_string()),
        ("--samples", samples.to_string()),
        ("--bursts", bursts.to_string()),
        ("--device", device.clone()),
        ("--cores", format!("{},{}", cores.node, cores.client)),
        ("--inside", scratch.display().to_string()),
    ];
    let command = ["bench", "flood"].map(str::to_owned).into_iter();
    command
        .chain(values.into_iter().flat_map(|(name, value)| [name.to_owned(), value]))
        .chain(json.then(|| "--json".to_owned()))
        .collect()
}

fn run_inside(args: &Args, scratch: &Path) -> Result<(), BenchError> {
    let Args { rounds, samples, cores, .. } = *args;
    let host = Host::look(&[cores.node, cores.client])?;
    let wire = WireArgs {
        json: args.json,
        rounds: 1,
        samples,
        backends: vec![BackendArg::Dpdk],
        device: args.device.clone(),
        hugepages: false,
        cores,
        inside: None,
    };
    let mut run = Run::new(&wire, BackendArg::Dpdk, 2 * rounds, scratch, "flood")?;
    eprintln!("bench: frames through a ring");
    let costs = through_ring(args, &mut run)?;

    let mac = address_of(NODE_INTERFACE)?;
    // As the lab makes the node's, with its Ethernet address: a kernel has less to do with others'.
    let link = "type veth peer name";
    let link = format!("link add {SINK_INTERFACE} address {mac} {link} {SINK_WIRE} netns brokers");
    ip(&link)?;
    ip(&format!("link set {SINK_INTERFACE} up"))?;
    ip(&format!("-n brokers link set {SINK_WIRE} up"))?;
    let device = args.device.replace(NODE_INTERFACE, SINK_INTERFACE);
    let mut sink = lab::rialto()?;
    sink.args(generator(args, &device, &mac, 0));
    let sink = run.children.start("sink", sink)?;
    run.children.await_line(sink, FLOODING, START_MAX)?;
    let node = run.start_node(None)?;
    let (mut pairs, mut sent) = (Vec::new(), 0);
    for round in 0..rounds {
        eprintln!("bench: round {} of {rounds}", round + 1);
        // Each time another port: one that has ordered goes on with other numbers.
        let port = 2 * round + 1;
        let (baseline, _) = orders_during(args, &mut run, SINK_WIRE, &mac, port)?;
        let (flooded, count) = orders_during(args, &mut run, NODE_WIRE, &mac, port + 1)?;
        sent += count;
        pairs.push(Pair { baseline, flooded });
    }
    run.children.close_input(sink);
    run.last_line(sink, END_MAX)?;
    let counters = counted(run.logs())?;
    run.stop(node)?;
    if args.json {
        println!("{}", json_of(&host, args, &costs, &pairs, sent, &counters));
    } else {
        print!("{}", table_of(&host, args, &costs, &pairs, sent, &counters));
    }
    Ok(())
}

fn through_ring(args: &Args, run: &mut Run<'_>) -> Result<Vec<Cost>, BenchError> {
    let mut command = lab::rialto()?;
    let (core, bursts) = (args.cores.node.to_string(), args.bursts.to_string());
    command.args(["bench", "flood-ring", "--core", &core, "--bursts", &bursts]);
    let ring = run.children.start("ring", command)?;
    let line = run.last_line(ring, START_MAX)?;
    serde_json::from_str(&line).map_err(|source| BenchError::Speech { line, source })
}

/// The words of a generator's command.
fn generator(args: &Args, device: &str, mac: &str, rate: u64) -> Vec<String> {
    let (address, port) = LISTEN.split_once(':').expect("an address and a port");
    let (rate, core) = (rate.to_string(), args.cores.client.to_string());
    let words = [
        ["bench", "flood-generator"],
        ["--device", device],
        ["--mac", mac],
        ["--address", address],
        ["--port", port],
        ["--rate", &rate],
        ["--core", &core],
    ];
    words.as_flattened().iter().map(|&word| word.to_owned()).collect()
}

/// A broker's orders while a generator floods `interface`, and how many frames it sent.
fn orders_during(
    args: &Args,
    run: &mut Run<'_>,
    interface: &str,
    mac: &str,
    session: u32,
) -> Result<(Percentiles, u64), BenchError> {
    let device = format!("net_af_packet0,iface={interface}");
    let command = generator(args, &device, mac, args.rate);
    let generator = run.start_beyond(&format!("generator-{session}"), &command)?;
    run.children.await_line(generator, FLOODING, START_MAX)?;
    let measured = run.run_client(session..=session, (1, args.samples), &[])?;
    run.children.close_input(generator);
    let said = run.last_line(generator, END_MAX)?;
    let sent = said.parse().map_err(|_| BenchError::Answer(said))?;
    let order = measured.rounds.first().map(|round| round.order).unwrap_or_default();
    Ok((order, sent))
}

/// Runs `ip` with these words.
fn ip(words: &str) -> Result<(), BenchError> {
    let mut command = Command::new("ip");
    command.args(words.split(' '));
    said(command).map(drop)
}

/// The Ethernet address of an interface here.
fn address_of(interface: &str) -> Result<String, BenchError> {
    let mut command = Command::new("ip");
    command.args(["-oneline", "link", "show", interface]);
    let line = said(command)?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "link/ether");
    words.nth(1).map(str::to_owned).ok_or(BenchError::Answer(line.clone()))
}

fn said(mut command: Command) -> Result<String, BenchError> {
    let output =
        command.output().map_err(|source| LabError::Start { name: "ip".to_owned(), source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(LabError::Network { said }.into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What the stack dropped, by reason.
fn counted(logs: &Path) -> Result<Vec<(&'static str, u64)>, BenchError> {
    let reader = CounterReader::open(logs)?;
    let all: Vec<_> = reader.counters().collect();
    let count = |name: &str| {
        let name = format!("order_entry.stack.{name}");
        all.iter().find(|(known, _)| *known == name).map_or(0, |&(_, value)| value)
    };
    Ok(DROPS.iter().map(|&name| (name, count(name))).collect())
}

fn json_of(
    host: &Host,
    args: &Args,
    costs: &[Cost],
    pairs: &[Pair],
    sent: u64,
    counters: &[(&str, u64)],
) -> Value {
    let mut host = json!(host);
    host["durability"] = json!("memory");
    host["device"] = json!(args.device);
    let counters: Map<_, _> =
        counters.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect();
    let kinds: Map<_, _> = costs.iter().map(|cost| (cost.kind.clone(), json!(cost))).collect();
    let us = |of: &dyn Fn(&Pair) -> u64| json!(micros(median(pairs.iter().map(of).collect())));
    json!({
        "host": host,
        "frames_per_s": args.rate,
        "frames_sent": sent,
        "rounds": args.rounds,
        "samples": args.samples,
        "p50_ratio": ratio(pairs, |times| times.p50),
        "p99_ratio": ratio(pairs, |times| times.p99),
        "baseline": {
            "p50_us": us(&|pair| pair.baseline.p50),
            "p99_us": us(&|pair| pair.baseline.p99),
        },
        "flooded": {
            "p50_us": us(&|pair| pair.flooded.p50),
            "p99_us": us(&|pair| pair.flooded.p99),
        },
        "dropped": counters,
        "ring": {
            "kinds": kinds,
            "ns_per_dropped_frame": costs.iter().map(|cost| cost.ns_per_frame).max(),
            "served_in_every_burst": costs.iter().all(|cost| cost.served == cost.bursts),
        },
    })
}

fn table_of(
    host: &Host,
    args: &Args,
    costs: &[Cost],
    pairs: &[Pair],
    sent: u64,
    counters: &[(&str, u64)],
) -> String {
    let mut lines = vec![host.line()];
    lines.extend(host.jitter.iter().map(Jitter::line));
    lines
        .push(format!("\n{:<18} {:>12} {:>20}", "through net_ring", "ns a frame", "bursts served"));
    for Cost { kind, ns_per_frame, bursts, served, .. } in costs {
        let served = format!("{served} of {bursts}");
        lines.push(format!("{kind:<18} {ns_per_frame:>12} {served:>20}"));
    }
    let [base50, base99, flood50, flood99] = [
        |pair: &Pair| pair.baseline.p50,
        |pair: &Pair| pair.baseline.p99,
        |pair: &Pair| pair.flooded.p50,
        |pair: &Pair| pair.flooded.p99,
    ]
    .map(|of| micros(median(pairs.iter().map(of).collect())));
    let [ratio50, ratio99] = [ratio(pairs, |times| times.p50), ratio(pairs, |times| times.p99)];
    lines.push(format!(
        "\nover {}, {} frames a second, {sent} in {} rounds of {} orders\n\
         {:<18} {:>12} {:>12}\n{:<18} {base50:>12.1} {base99:>12.1}\n{:<18} {flood50:>12.1} \
         {flood99:>12.1}\n{:<18} {ratio50:>12.2} {ratio99:>12.2}\n",
        args.device,
        args.rate,
        args.rounds,
        args.samples,
        "order to Accepted",
        "p50 us",
        "p99 us",
        "flood elsewhere",
        "flood here",
        "ratio"
    ));
    for (name, value) in counters {
        lines.push(format!("{name:<18} {value:>12}"));
    }
    lines.join("\n") + "\n"
}

/// The median of the rounds' ratios, in hundredths.
fn ratio(pairs: &[Pair], of: impl Fn(&Percentiles) -> u64) -> f64 {
    let hundredths = |pair: &Pair| of(&pair.flooded) * 100 / of(&pair.baseline).max(1);
    let median = median(pairs.iter().map(hundredths).collect());
    f64::from(u32::try_from(median).unwrap_or(u32::MAX)) / 100.0
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn micros(nanos: u64) -> f64 {
    f64::from(u32::try_from(nanos / 100).unwrap_or(u32::MAX)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds() {
        let times = |p50, p99| Percentiles { p50, p99 };
        let pair = |base, flood| Pair { baseline: times(1, base), flooded: times(2, flood) };
        let pairs = [pair(100, 900), pair(100, 150), pair(200, 220)];
        assert_eq!(
            (ratio(&pairs, |times| times.p99), ratio(&pairs, |times| times.p50)),
            (1.5, 2.0)
        );
    }
}
