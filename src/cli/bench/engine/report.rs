//! The figures of the engine bench: medians over rounds, as JSON or for people.
#![expect(clippy::float_arithmetic, reason = "figures for people: nanoseconds and ratios")]

use serde_json::{Map, Value, json};

use super::TradeHash;
use super::bulk::Bulk;
use super::limits::Cost;
use super::whole::Crowd;
use crate::cli::bench::host::Host;
use crate::cli::bench::quantiles::percentiles;
use crate::types::Nanos;

/// Everything.
pub(super) struct Report {
    host: Host,
    rounds: u32,
    pub(super) mixed: Vec<(&'static str, Figures)>,
    pub(super) sparse: Sparse,
    /// Thousandths of a nanosecond.
    pub(super) null_ns: u64,
    /// Resting orders, and the bytes that the engine took for them and all else.
    pub(super) crowded: (u32, u64),
    pub(super) bulk: Bulk,
}

/// The times of a workload, round by round.
#[derive(Default)]
pub(super) struct Figures {
    operations: usize,
    pub(super) matching: Vec<Nanos>,
    pub(super) slab: Vec<Nanos>,
    pub(super) naive: Vec<Nanos>,
    pub(super) engine: Vec<Nanos>,
    pub(super) hash: TradeHash,
    pub(super) trades: u64,
    /// Of single operations, sorted.
    pub(super) latencies: Vec<u64>,
    /// The same for the whole engine.
    pub(super) engine_latencies: Vec<u64>,
    /// If it was asked for.
    pub(super) limits: Vec<Cost>,
}

/// The times of the sparse book: by phase, then by engine (ours, baseline, oracle), then by round.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    /// Orders, cancels and swept levels.
    operations: [usize; 3],
    times: [[Vec<Nanos>; 3]; 3],
    pub(super) hash: TradeHash,
}

const PHASES: [&str; 3] = ["fill", "cancel", "sweep"];
const LOOK_AHEAD: &str =
    "our books 10 and 4 operations, the engine 12 commands of a frame; the others none";

/// The machine code that this was compiled to.
const TARGET_CPU: &str = if cfg!(target_feature = "avx512f") {
    "x86-64-v4 or its like"
} else if cfg!(target_feature = "avx2") {
    "x86-64-v3 or its like"
} else if cfg!(target_arch = "x86_64") {
    "x86-64"
} else {
    std::env::consts::ARCH
};

impl Report {
    pub(super) fn new(host: Host, rounds: u32) -> Self {
        Self {
            host,
            rounds,
            mixed: Vec::new(),
            sparse: Sparse::default(),
            null_ns: 0,
            crowded: (0, 0),
            bulk: Bulk::default(),
        }
    }

    /// On standard output.
    pub(super) fn print(&self, as_json: bool) {
        if as_json {
            println!("{}", self.json());
        } else {
            print!("{}", self.table());
        }
    }

    fn json(&self) -> Value {
        let mut object = Map::new();
        for (name, figures) in &self.mixed {
            object.insert((*name).to_owned(), figures.json());
        }
        object.insert("c".to_owned(), self.sparse.json());
        object.insert("null_ns".to_owned(), json!(self.null()));
        let (orders, bytes) = self.crowded;
        object.insert("memory".to_owned(), json!({ "resting_orders": orders, "bytes": bytes }));
        object.insert("bulk_ms".to_owned(), self.bulk.json());
        object.insert("target_cpu".to_owned(), json!(TARGET_CPU));
        object.insert("look_ahead".to_owned(), json!(LOOK_AHEAD));
        object.insert("accounts".to_owned(), json!(Crowd::FULL.accounts));
        object.insert("rounds".to_owned(), json!(self.rounds));
        object.insert("host".to_owned(), json!(self.host));
        Value::Object(object)
    }

    fn table(&self) -> String {
        let mut lines = vec![
            self.host.line(),
            format!("{TARGET_CPU}; look-ahead: {LOOK_AHEAD}; {} rounds", self.rounds),
            format!("a command read and an event written, nothing else: {:.1} ns", self.null()),
            format!(
                "\n{:8} {:>9} {:>9} {:>9} {:>9} {:>20} {:>20}",
                "ns each",
                "matching",
                "engine",
                "slab",
                "naive",
                "p50 / p99 / p99.9",
                "of the engine"
            ),
        ];
        for (name, figures) in &self.mixed {
            let [matching, engine, slab, naive] = figures.each();
            let times = [&figures.latencies, &figures.engine_latencies].map(|times| {
                let [p50, p99, p999] = percentiles(times);
                format!("{p50} / {p99} / {p999}")
            });
            let [alone, whole] = times;
            lines.push(format!(
                "{name:8} {matching:>9.1} {engine:>9.1} {slab:>9.1} {naive:>9.1} {alone:>20} {whole:>20}"
            ));
        }
        for (name, figures) in &self.mixed {
            let limits = figures.limits().map(|(rule, ns)| format!("{name} {rule:18} {ns:>+7.1}"));
            lines.extend(limits);
        }
        for (phase, [matching, slab, naive]) in PHASES.into_iter().zip(self.sparse.each()) {
            lines.push(format!("c {phase:6} {matching:>9.1} {:>9} {slab:>9.1} {naive:>9.1}", ""));
        }
        let (orders, bytes) = self.crowded;
        lines.push(format!(
            "{orders} resting orders: {} MB for the whole engine",
            bytes / 1_000_000
        ));
        lines.push(self.bulk.line());
        lines.join("\n") + "\n"
    }

    fn null(&self) -> f64 {
        rounded(float(self.null_ns) / 1_000.0)
    }
}

impl Figures {
    pub(super) fn new(operations: usize) -> Self {
        Self { operations, ..Self::default() }
    }

    fn each(&self) -> [f64; 4] {
        [&self.matching, &self.engine, &self.slab, &self.naive]
            .map(|times| each(times, self.operations))
    }

    fn json(&self) -> Value {
        let [matching, engine, slab, naive] = self.each();
        let [p50, p99, p999] = percentiles(&self.latencies);
        let [engine_p50, engine_p99, engine_p999] = percentiles(&self.engine_latencies);
        let limits: Map<_, _> =
            self.limits().map(|(name, ns)| (name.to_owned(), json!(ns))).collect();
        json!({
            "limits_ns": limits,
            "matching_ns": matching,
            "engine_ns": engine,
            "slab_ns": slab,
            "naive_ns": naive,
            "trade_hash": self.hash.hex(),
            "trades": self.trades,
            "operations": self.operations,
            "p50_ns": p50,
            "p99_ns": p99,
            "p999_ns": p999,
            "engine_p50_ns": engine_p50,
            "engine_p99_ns": engine_p99,
            "engine_p999_ns": engine_p999,
        })
    }
}

impl Figures {
    /// What each rule adds to a command.
    fn limits(&self) -> impl Iterator<Item = (&str, f64)> {
        self.limits.iter().map(|cost| {
            let [with, without] =
                [&cost.with, &cost.without].map(|times| each(times, self.operations));
            (cost.name.as_str(), rounded(with - without))
        })
    }
}

impl Sparse {
    pub(super) fn new(ends: [usize; 3], orders: u32) -> Self {
        let sweeps = ends[2] - ends[1];
        let operations = [ends[0], ends[1] - ends[0], sweeps * (orders as usize / 100)];
        Self { operations, ..Self::default() }
    }

    /// Adds a round: by engine, then by phase.
    pub(super) fn add(&mut self, engines: [[Nanos; 3]; 3]) {
        for (engine, phases) in engines.into_iter().enumerate() {
            for (phase, time) in phases.into_iter().enumerate() {
                self.times[phase][engine].push(time);
            }
        }
    }

    fn each(&self) -> [[f64; 3]; 3] {
        std::array::from_fn(|phase| {
            std::array::from_fn(|engine| each(&self.times[phase][engine], self.operations[phase]))
        })
    }

    fn json(&self) -> Value {
        let mut object = Map::new();
        for (phase, [matching, slab, naive]) in PHASES.into_iter().zip(self.each()) {
            let figures = json!({
                "matching_ns": matching,
                "slab_ns": slab,
                "naive_ns": naive,
                "to_slab": rounded(matching / slab),
            });
            object.insert(phase.to_owned(), figures);
        }
        let all: usize = self.operations.iter().sum();
        for (engine, name) in ["matching_ns", "slab_ns", "naive_ns"].into_iter().enumerate() {
            let rounds = self.times[0][engine].len();
            let sums = (0..rounds).map(|round| {
                Nanos(self.times.iter().map(|engines| engines[engine][round].0).sum())
            });
            object.insert(name.to_owned(), json!(each(&sums.collect::<Vec<_>>(), all)));
        }
        object.insert("trade_hash".to_owned(), json!(self.hash.hex()));
        Value::Object(object)
    }
}

impl Bulk {
    fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("orders".to_owned(), json!(self.orders));
        for &(name, time) in &self.worst {
            object.insert(name.to_owned(), json!(millis(time)));
        }
        Value::Object(object)
    }

    fn line(&self) -> String {
        let times = self.worst.iter().map(|&(name, time)| format!("{name} {} ms", millis(time)));
        let times = times.collect::<Vec<_>>().join(", ");
        format!("\none command, {} open orders of a firm, at worst: {times}", self.orders)
    }
}

/// To a thousandth.
fn millis(time: Nanos) -> f64 {
    (float(time.0) / 1_000.0).round() / 1_000.0
}

impl TradeHash {
    fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// The median time of one of `operations`, in nanoseconds.
fn each(times: &[Nanos], operations: usize) -> f64 {
    let mut times: Vec<u64> = times.iter().map(|time| time.0).collect();
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or(0);
    rounded(float(middle) / float(operations.max(1) as u64))
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a bench are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

/// To a hundredth.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
