//! `rialto bench rate`: orders at ever higher rates over the wire, by the clock, with a subscriber of the
//! feed beside them: which rate is sustained, and what each does to the time to acceptance.
//!
//! A rate is sustained if every order was accepted, none was late by the schedule's end, and the feed had
//! no gap. The highest of them is then kept up for longer.
#![expect(clippy::float_arithmetic, reason = "shares for people")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::inside::{LISTEN, Run, client_device};
use super::plot::{self, Point};
use super::rate_client::Outcome;
use super::{Args as WireArgs, BackendArg, BenchError, Cores, cores, in_lab};
use crate::cli::bench::host::{Host, Jitter};
use crate::cli::lab::{self, BROKERS_ADDRESS, ProcessId};

/// Arguments of `rialto bench rate`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto bench rate\n  \
    rialto bench rate --json --seconds 60 --plot rate.svg\n  \
    rialto bench rate --backend kernel --rates 50000,100000\n  \
    rialto bench rate --backend memif --rates 200000,400000,600000,800000\n\n\
    An order's time begins when it was due, not when it was sent. Brokers and the feed's subscriber share \
    one core and the kernel between them and the node: with two cores the limit is often theirs. \
    client_cpu_percent says how much of its core the brokers' process had, client_busy_percent (busy) how \
    much of the time it did not just look: where that is nearly all, the limit is the brokers'.")]
pub(in crate::cli::bench) struct Args {
    /// Print the result as a JSON object.
    #[arg(long)]
    json: bool,
    /// Orders a second, of all sessions together, for each step of the sweep.
    #[arg(long, value_delimiter = ',', default_values_t = RATES,
        value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    rates: Vec<u64>,
    /// Seconds of each step.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    step_seconds: u64,
    /// Seconds for which the highest rate is kept up that the sweep sustained; 0 = it is not.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    seconds: u64,
    /// Sessions, an even number; of each two, one buys what the other sells.
    #[arg(long, default_value_t = 8, value_parser = even)]
    sessions: u32,
    /// Orders in a segment.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=16))]
    batch: u32,
    /// What carries the bytes: dpdk or kernel over the veth pair, or memif, shared memory between two DPDK
    /// ports, over which nobody subscribes to the feed.
    #[arg(long, value_enum, default_value = BackendArg::ALL[0].name())]
    backend: BackendArg,
    /// The device of the DPDK port.
    #[arg(long, default_value = "net_af_packet0,iface=rialto0,framecnt=4096")]
    device: String,
    /// The cores of node and brokers.
    #[arg(long, value_name = "NODE,BROKERS", value_parser = cores, default_value = "0,1")]
    cores: Cores,
    /// Draw the sweep into this SVG file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Set inside the lab: where files may be written.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

const RATES: [u64; 8] = [10_000, 25_000, 50_000, 100_000, 150_000, 200_000, 250_000, 300_000];
/// The last answers may come so late that the rate still counts as sustained: a hundredth of the time.
const LATE_DIVISOR: u64 = 100;
/// The feed's last datagrams are on their way.
const SETTLE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_mins(1);
const GROUP: &str = "239.9.9.9:9100";

fn even(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number: &u32| (2..=256).contains(number));
    number.filter(|number| number % 2 == 0).ok_or_else(|| "an even number from 2 to 256".to_owned())
}

/// One rate's figures.
#[derive(Clone, Copy, Debug)]
struct Step {
    rate: u64,
    seconds: u64,
    outcome: Outcome,
    /// None where nobody subscribes.
    feed: Option<Feed>,
}

/// What a subscriber of the feed saw.
#[derive(Clone, Copy, Debug)]
struct Feed {
    gaps: u64,
    messages: u64,
}

impl Step {
    fn lost(&self) -> u64 {
        self.outcome.entered - self.outcome.accepted - self.outcome.refused
    }

    fn achieved_per_s(&self) -> u64 {
        let elapsed = u128::from(self.outcome.elapsed_ns.max(1));
        let per_s = u128::from(self.outcome.accepted) * 1_000_000_000 / elapsed;
        u64::try_from(per_s).unwrap_or(u64::MAX)
    }

    fn is_sustained(&self) -> bool {
        let asked = self.rate - self.rate / LATE_DIVISOR;
        let Outcome { refused, .. } = self.outcome;
        self.lost() == 0 && refused == 0 && self.feed_gaps() == 0 && self.achieved_per_s() >= asked
    }

    fn feed_gaps(&self) -> u64 {
        self.feed.map_or(0, |feed| feed.gaps)
    }

    /// At the limit: of a client that is always busy it is the client's, else the node's.
    fn client_busy_percent(&self) -> u64 {
        self.outcome.busy_ns * 100 / self.outcome.elapsed_ns.max(1)
    }

    fn client_cpu_percent(&self) -> u64 {
        self.outcome.cpu_ns * 100 / self.outcome.elapsed_ns.max(1)
    }

    fn json(&self) -> Value {
        let Outcome { entered, accepted, refused, .. } = self.outcome;
        let us = |nanos: u64| json!(micros(nanos));
        json!({
            "rate": self.rate,
            "seconds": self.seconds,
            "sustained": self.is_sustained(),
            "achieved_per_s": self.achieved_per_s(),
            "entered": entered,
            "accepted": accepted,
            "refused": refused,
            "lost": self.lost(),
            "feed_messages": self.feed.map(|feed| feed.messages),
            "feed_gaps": self.feed.map(|feed| feed.gaps),
            "p50_us": us(self.outcome.p50_ns),
            "p90_us": us(self.outcome.p90_ns),
            "p99_us": us(self.outcome.p99_ns),
            "p999_us": us(self.outcome.p999_ns),
            "max_us": us(self.outcome.max_ns),
            "client_cpu_percent": self.client_cpu_percent(),
            "client_busy_percent": self.client_busy_percent(),
        })
    }
}

/// Runs the bench; the figures go to standard output.
pub(in crate::cli::bench) fn run(args: &Args) -> Result<(), BenchError> {
    match &args.inside {
        None => in_lab(|scratch| arguments(args, scratch)),
        Some(scratch) => run_inside(args, scratch),
    }
}

fn arguments(args: &Args, scratch: &Path) -> Vec<String> {
    let Args { json, rates, step_seconds, seconds, sessions, batch, backend, device, .. } = args;
    let Args { cores, plot, inside: _, .. } = args;
    let rates: Vec<_> = rates.iter().map(u64::to_string).collect();
    let values = [
        ("--rates", rates.join(",")),
        ("--step-seconds", step_seconds.to_string()),
        ("--seconds", seconds.to_string()),
        ("--sessions", sessions.to_string()),
        ("--batch", batch.to_string()),
        ("--backend", backend.name().to_owned()),
        ("--device", device.clone()),
        ("--cores", format!("{},{}", cores.node, cores.client)),
        ("--inside", scratch.display().to_string()),
    ];
    let plot = plot.as_ref().map(|path| ["--plot".to_owned(), path.display().to_string()]);
    let command = ["bench", "rate"].map(str::to_owned).into_iter();
    command
        .chain(values.into_iter().flat_map(|(name, value)| [name.to_owned(), value]))
        .chain(plot.into_iter().flatten())
        .chain(json.then(|| "--json".to_owned()))
        .collect()
}

fn run_inside(args: &Args, scratch: &Path) -> Result<(), BenchError> {
    let Args { backend, cores, sessions, .. } = *args;
    let host = Host::look(&[cores.node, cores.client])?;
    let wire = WireArgs {
        json: args.json,
        rounds: 1,
        samples: 100,
        backends: vec![backend],
        device: args.device.clone(),
        hugepages: false,
        cores,
        inside: None,
    };
    let kernel = backend == BackendArg::Kernel;
    if kernel {
        lab::give_address()?;
    }
    let step = |rate, seconds, name: &str| {
        eprintln!("bench: {rate} orders a second for {seconds} s");
        let mut run = Run::new(&wire, backend, sessions, scratch, name)?;
        measure(args, &mut run, rate, seconds)
    };
    let mut sweep = Vec::new();
    for &rate in &args.rates {
        sweep.push(step(rate, args.step_seconds, &rate.to_string())?);
    }
    // From the highest on, since one that was sustained for a moment may not be for longer.
    let mut candidates: Vec<_> = sweep.iter().filter(|step| step.is_sustained()).collect();
    candidates.sort_by_key(|step| step.rate);
    let mut longer = Vec::new();
    for candidate in candidates.iter().rev().filter(|_| args.seconds > 0) {
        let last = step(candidate.rate, args.seconds, &format!("{}-longer", candidate.rate))?;
        longer.push(last);
        if last.is_sustained() {
            break;
        }
    }
    if kernel {
        lab::take_address()?;
    }
    if let Some(path) = &args.plot {
        let points: Vec<_> = sweep.iter().map(point).collect();
        let title = format!("order to Accepted over {}, {}", backend.name(), device(args));
        let text = plot::svg(&points, &title, &host.line());
        fs::write(path, text).map_err(BenchError::file(path))?;
    }
    if args.json {
        println!("{}", json_of(&host, args, &sweep, &longer));
    } else {
        print!("{}", table_of(&host, args, &sweep, &longer));
    }
    Ok(())
}

/// What the node's port is made of.
fn device(args: &Args) -> &str {
    if client_device(args.backend).is_some() {
        "net_memif"
    } else if args.backend == BackendArg::Kernel {
        "rialto0"
    } else {
        &args.device
    }
}

fn point(step: &Step) -> Point {
    Point { rate: step.rate, p50_ns: step.outcome.p50_ns, p99_ns: step.outcome.p99_ns }
}

/// A node, the brokers, and a subscriber of the feed, for one rate.
fn measure(args: &Args, run: &mut Run<'_>, rate: u64, seconds: u64) -> Result<Step, BenchError> {
    let node = run.start_node(None)?;
    // No kernel is on the way that could subscribe.
    let is_over_memory = client_device(args.backend).is_some();
    let feed = if is_over_memory { None } else { Some(subscribe(run)?) };
    let secrets = run.secrets().display().to_string();
    let numbers = [
        ("--sessions", args.sessions.to_string()),
        ("--rate", rate.to_string()),
        ("--seconds", seconds.to_string()),
        ("--batch", args.batch.to_string()),
        ("--core", args.cores.client.to_string()),
    ];
    let mut trade = words(&["bench", "rate-client", "--connect", LISTEN, "--secrets", &secrets]);
    if let Some(device) = client_device(args.backend) {
        trade.extend(words(&["--device", &device, "--address", BROKERS_ADDRESS]));
    }
    trade.extend(numbers.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    let brokers = run.start_beyond("brokers", &trade)?;
    let limit = PATIENCE + Duration::from_secs(3 * seconds);
    let line = run.last_line(brokers, limit)?;
    let outcome = serde_json::from_str(&line)
        .map_err(|source| BenchError::Speech { line: line.clone(), source })?;
    let feed = feed.map(|feed| heard(run, feed)).transpose()?;
    run.stop(node)?;
    Ok(Step { rate, seconds, outcome, feed })
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|&word| word.to_owned()).collect()
}

fn subscribe(run: &mut Run<'_>) -> Result<ProcessId, BenchError> {
    let subscribe = ["feed", "--group", GROUP, "--interface", BROKERS_ADDRESS, "--quiet", "--json"];
    let feed = run.start_beyond("feed", &words(&subscribe))?;
    run.children.await_line(feed, "joined", PATIENCE)?;
    Ok(feed)
}

/// Ends the subscriber, and says what it heard.
fn heard(run: &mut Run<'_>, feed: ProcessId) -> Result<Feed, BenchError> {
    std::thread::sleep(SETTLE);
    run.children.terminate(feed)?;
    let line = run.last_line(feed, PATIENCE)?;
    let seen: Value = serde_json::from_str(&line)
        .map_err(|source| BenchError::Speech { line: line.clone(), source })?;
    let count = |key: &str| seen[key].as_u64().unwrap_or(u64::MAX);
    Ok(Feed { gaps: count("feed_gaps"), messages: count("feed_messages") })
}

/// The highest rate that was kept up for longest, by its figures.
fn sustained<'a>(sweep: &'a [Step], longer: &'a [Step]) -> Option<&'a Step> {
    let longer = longer.iter().filter(|step| step.is_sustained());
    let sweep = sweep.iter().filter(|step| step.is_sustained());
    longer.max_by_key(|step| step.rate).or_else(|| sweep.max_by_key(|step| step.rate))
}

fn json_of(host: &Host, args: &Args, sweep: &[Step], longer: &[Step]) -> Value {
    let best = sustained(sweep, longer);
    let table: Vec<_> = sweep.iter().chain(longer).map(Step::json).collect();
    let mut host = json!(host);
    host["durability"] = json!("memory");
    host["backend"] = json!(args.backend.name());
    host["device"] = json!(device(args));
    json!({
        "host": host,
        "sessions": args.sessions,
        "orders_per_segment": args.batch,
        "sustained_per_s": best.map(Step::achieved_per_s),
        "sustained_seconds": best.map(|step| step.seconds),
        "lost": best.map(Step::lost),
        "feed_gaps": best.and_then(|step| step.feed).map(|feed| feed.gaps),
        "client_cpu_percent": best.map(Step::client_cpu_percent),
        "client_busy_percent": best.map(Step::client_busy_percent),
        "latency": table,
    })
}

fn table_of(host: &Host, args: &Args, sweep: &[Step], longer: &[Step]) -> String {
    let mut lines = vec![host.line()];
    lines.extend(host.jitter.iter().map(Jitter::line));
    lines.push(format!(
        "{} over {}; durability memory; {} sessions, {} orders in a segment\n",
        args.backend.name(),
        device(args),
        args.sessions,
        args.batch
    ));
    lines.push(format!(
        "{:>8} {:>4} {:>9} {:>8} {:>5} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "rate", "s", "achieved", "lost", "gaps", "p50 us", "p99 us", "p99.9 us", "max us", "busy"
    ));
    for step in sweep.iter().chain(longer) {
        let Outcome { p50_ns, p99_ns, p999_ns, max_ns, .. } = step.outcome;
        let [p50, p99, p999, max] = [p50_ns, p99_ns, p999_ns, max_ns].map(micros);
        lines.push(format!(
            "{:>8} {:>4} {:>9} {:>8} {:>5} {p50:>9.1} {p99:>9.1} {p999:>9.1} {max:>9.1} {:>6}%",
            step.rate,
            step.seconds,
            step.achieved_per_s(),
            step.lost() + step.outcome.refused,
            step.feed_gaps(),
            step.client_busy_percent()
        ));
    }
    lines.push(match sustained(sweep, longer) {
        Some(step) => format!(
            "\nsustained: {} orders a second for {} s, every one accepted, {}",
            step.achieved_per_s(),
            step.seconds,
            if step.feed.is_some() { "no feed gap" } else { "the feed unheard" }
        ),
        None => "\nsustained: none of these rates".to_owned(),
    });
    lines.join("\n") + "\n"
}

fn micros(nanos: u64) -> f64 {
    let tenths = u32::try_from(nanos / 100).unwrap_or(u32::MAX);
    f64::from(tenths) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rate: u64, accepted: u64, elapsed_ns: u64, feed_gaps: u64) -> Step {
        let outcome = Outcome { entered: rate, accepted, elapsed_ns, ..Outcome::default() };
        Step { rate, seconds: 1, outcome, feed: Some(Feed { gaps: feed_gaps, messages: 0 }) }
    }

    #[test]
    fn a_rate_is_sustained_if_all_was_answered_in_time_and_the_feed_had_no_gap() {
        assert!(step(1_000, 1_000, 1_000_000_000, 0).is_sustained());
        assert!(!step(1_000, 999, 1_000_000_000, 0).is_sustained());
        assert!(!step(1_000, 1_000, 1_200_000_000, 0).is_sustained());
        assert!(!step(1_000, 1_000, 1_000_000_000, 1).is_sustained());
    }

    #[test]
    fn what_was_kept_up_for_longer_counts_more_than_the_sweep() {
        let sweep = [step(1_000, 1_000, 1_000_000_000, 0), step(3_000, 3_000, 1_000_000_000, 0)];
        let longer = [step(3_000, 2_000, 1_000_000_000, 0), step(1_000, 1_000, 1_000_000_000, 0)];
        assert_eq!(sustained(&sweep, &longer).unwrap().rate, 1_000);
        assert_eq!(sustained(&sweep, &[]).unwrap().rate, 3_000);
        assert!(sustained(&[], &[]).is_none());
    }

    #[test]
    fn sessions_come_in_pairs() {
        assert_eq!(even("8"), Ok(8));
        assert!(even("3").is_err() && even("0").is_err() && even("x").is_err());
    }
}
