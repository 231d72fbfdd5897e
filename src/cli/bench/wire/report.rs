//! The figures of the wire bench: medians over rounds, as JSON or for people.
#![expect(clippy::float_arithmetic, reason = "figures for people: microseconds and ratios")]

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Args;
use super::client::{Measured, Percentiles, Round};
use super::greedy::{BURST_ORDERS, BesideGreedy};
use crate::cli::bench::breakdown::STEPS;
use crate::cli::bench::host::{Host, Jitter};

/// Everything.
pub(super) struct Report {
    host: Host,
    rounds: u32,
    samples: u32,
    placement: String,
    pub(super) backends: Vec<Backend>,
}

/// The figures of a backend, in the form of its JSON.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Backend {
    #[serde(skip)]
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pmd: Option<String>,
    echo: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    datagram_echo: Option<Micros>,
    order: Micros,
    ratio_p50: f64,
    ratio_p99: f64,
    added_ns_per_order: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside_greedy: Option<Beside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps_ns: Option<Map<String, Value>>,
}

/// Orders that each came behind a greedy session's burst.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Beside {
    order: Micros,
    /// Over the orders that came alone.
    ratio_p50: f64,
    ratio_p99: f64,
    burst_orders: u32,
    /// From a burst's first byte to its last answer.
    burst_us: f64,
}

/// Medians over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Micros {
    p50_us: f64,
    p99_us: f64,
}

impl Report {
    pub(super) fn new(host: Host, args: &Args) -> Self {
        let cores = args.cores;
        let placement = format!(
            "node: one composite spinning on core {}; client spinning on core {}",
            cores.node, cores.client
        );
        let Args { rounds, samples, .. } = *args;
        Self { host, rounds, samples, placement, backends: Vec::new() }
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
        for backend in &self.backends {
            object.insert(backend.name.to_owned(), json!(backend));
        }
        let mut host = json!(self.host);
        host["durability"] = json!("memory");
        host["placement"] = json!(self.placement);
        host["rounds"] = json!(self.rounds);
        host["samples"] = json!(self.samples);
        object.insert("host".to_owned(), host);
        Value::Object(object)
    }

    fn table(&self) -> String {
        let Self { host, rounds, samples, placement, backends } = self;
        let mut lines = vec![host.line()];
        lines.extend(host.jitter.iter().map(Jitter::line));
        lines.push(format!("{placement}; durability memory; {rounds} rounds of {samples}"));
        lines.push(format!(
            "\n{:8} {:>20} {:>20} {:>20} {:>15} {:>14}",
            "",
            "echo p50 / p99 us",
            "UDP echo p50 / p99",
            "order p50 / p99 us",
            "ratio p50 / p99",
            "added ns p50"
        ));
        for backend in backends {
            let Backend { name, datagram_echo, added_ns_per_order, .. } = backend;
            let [echo, order, ratios] = backend.columns();
            let datagram_echo = datagram_echo.as_ref().map_or_else(|| "-".to_owned(), Micros::pair);
            lines.push(format!(
                "{name:8} {echo:>20} {datagram_echo:>20} {order:>20} {ratios:>15} \
                 {added_ns_per_order:>14}"
            ));
        }
        lines.push(String::from("\ninside the node, median ns (recorded in a run of its own)"));
        for step in STEPS {
            let times = backends.iter().map(|backend| {
                let time = backend.steps_ns.as_ref().and_then(|steps| steps[step].as_u64());
                let time = time.map_or_else(|| "-".to_owned(), |time| time.to_string());
                format!(" {:>8} {time:>6}", backend.name)
            });
            lines.push(format!("{step:30}{}", times.collect::<String>()));
        }
        lines.join("\n") + "\n"
    }
}

impl Beside {
    /// If all rounds had a greedy session.
    fn new(rounds: &[Round]) -> Option<Self> {
        let beside = |round: &Round| Some((round.order, round.beside_greedy?));
        let all: Vec<_> = rounds.iter().map(beside).collect::<Option<_>>()?;
        let over = |value: fn(&(Percentiles, BesideGreedy)) -> f64| {
            median(all.iter().map(value).collect())
        };
        Some(Self {
            order: Micros::of(&all.iter().map(|(_, beside)| beside.order).collect::<Vec<_>>()),
            ratio_p50: rounded(over(|(alone, it)| float(it.order.p50) / float(alone.p50))),
            ratio_p99: rounded(over(|(alone, it)| float(it.order.p99) / float(alone.p99))),
            burst_orders: BURST_ORDERS,
            burst_us: rounded(over(|(_, it)| float(it.burst.p50)) / 1e3),
        })
    }
}

impl Micros {
    /// The medians over rounds that had these.
    fn of(rounds: &[Percentiles]) -> Self {
        let over = |value: fn(&Percentiles) -> u64| {
            rounded(median(rounds.iter().map(|round| float(value(round))).collect()) / 1e3)
        };
        Self { p50_us: over(|round| round.p50), p99_us: over(|round| round.p99) }
    }

    fn pair(&self) -> String {
        format!("{:.2} / {:.2}", self.p50_us, self.p99_us)
    }
}

impl Backend {
    /// Median and 99th percentile of echo and order, and their ratios, as a table shows them.
    pub(super) fn columns(&self) -> [String; 3] {
        let ratios = format!("{:.2} / {:.2}", self.ratio_p50, self.ratio_p99);
        [self.echo.pair(), self.order.pair(), ratios]
    }

    /// Median and 99th percentile of an order beside a greedy session, their ratios over those alone, and
    /// the microseconds of a burst.
    pub(super) fn greedy_columns(&self) -> [String; 3] {
        self.beside_greedy.as_ref().map_or_else(
            || std::array::from_fn(|_| "-".to_owned()),
            |Beside { order, ratio_p50, ratio_p99, burst_us, .. }| {
                [order.pair(), format!("{ratio_p50:.2} / {ratio_p99:.2}"), format!("{burst_us:.0}")]
            },
        )
    }

    pub(super) fn new(
        name: &'static str,
        pmd: Option<String>,
        measured: &Measured,
        steps: Option<[u64; STEPS.len()]>,
    ) -> Self {
        let rounds = &measured.rounds;
        let over = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let micros = |kind: fn(&Round) -> Percentiles| {
            Micros::of(&rounds.iter().map(kind).collect::<Vec<_>>())
        };
        let added = over(|round| float(round.order.p50) - float(round.echo.p50));
        Self {
            name,
            pmd,
            echo: micros(|round| round.echo),
            datagram_echo: rounds
                .iter()
                .all(|round| round.datagram.is_some())
                .then(|| micros(|round| round.datagram.unwrap_or_default())),
            order: micros(|round| round.order),
            ratio_p50: rounded(over(|round| float(round.order.p50) / float(round.echo.p50))),
            ratio_p99: rounded(over(|round| float(round.order.p99) / float(round.echo.p99))),
            added_ns_per_order: whole(added),
            beside_greedy: Beside::new(rounds),
            steps_ns: steps.map(|times| {
                let named = STEPS.into_iter().zip(times);
                named.map(|(step, time)| (step.to_owned(), json!(time))).collect()
            }),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of an answer are far below 2^52")]
fn float(nanos: u64) -> f64 {
    nanos as f64
}

#[expect(clippy::cast_possible_truncation, reason = "nanoseconds of an answer")]
fn whole(nanos: f64) -> i64 {
    nanos as i64
}

/// To a hundredth.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(echo: u64, order: u64) -> Round {
        let percentiles = |p50| Percentiles { p50, p99: 2 * p50 };
        let burst = percentiles(100 * order);
        let beside_greedy = Some(BesideGreedy { order: percentiles(3 * order), burst });
        let [echo, order] = [echo, order].map(percentiles);
        Round { echo, datagram: None, order, beside_greedy }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_medians() {
        let rounds = vec![round(5_000, 6_000), round(9_000, 27_000), round(10_000, 13_004)];
        let backend = Backend::new("dpdk", None, &Measured { login_ns: 0, rounds }, None);
        assert_eq!(backend.echo, Micros { p50_us: 9.0, p99_us: 18.0 });
        assert_eq!(backend.order, Micros { p50_us: 13.0, p99_us: 26.01 });
        assert_eq!(json!(backend.ratio_p50), json!(1.3));
        assert_eq!(backend.added_ns_per_order, 3_004);
        assert_eq!(backend.datagram_echo, None);
        let beside = backend.beside_greedy.unwrap();
        assert_eq!(beside.order, Micros { p50_us: 39.01, p99_us: 78.02 });
        assert_eq!(json!([beside.ratio_p50, beside.ratio_p99]), json!([3.0, 3.0]));
        assert_eq!(json!(beside.burst_us), json!(1_300.4));
    }
}
