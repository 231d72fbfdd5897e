//! Where time goes inside the node: a histogram for each stage of an order's way, published as counters.
//!
//! Kept by the thread that waits for the node's end, so that no stage computes a percentile.

use hdrhistogram::Histogram;

use crate::agent::{STAGES, real_time};
use crate::counters::{CounterBlock, CounterFile, PUBLISH_INTERVAL};
use crate::gateway::{Times, Traces};
use crate::ring::Consumer;
use crate::types::Nanos;

/// Histograms since the start of the node, in nanoseconds.
#[derive(Debug)]
pub(super) struct Latency {
    traces: Consumer,
    /// By our own clock: each stage, and the whole way through the node.
    software: Clocked,
    /// What only the device's clock can tell: how long an order lay between the wire and the stack, and the
    /// whole way with that. Of no orders where the device stamps no frames.
    hardware: Clocked,
}

/// Times of orders by one clock. Published are how many orders it has timed, and of each time the median,
/// the 99th percentile and the longest.
#[derive(Debug)]
struct Clocked {
    times: Vec<Histogram<u64>>,
    published: CounterBlock,
}

/// Longer times are not told apart.
const LONGEST_NS: u64 = 10_000_000_000;
/// One part in a hundred.
const DIGITS: u8 = 2;
/// Percentiles take tens of microseconds to compute.
const INTERVAL: Nanos = Nanos(10 * PUBLISH_INTERVAL.0);

impl Latency {
    /// Of the orders whose times come through `traces`.
    pub(super) fn new(traces: Consumer, counters: &mut CounterFile) -> Self {
        let stages: Vec<_> = STAGES.into_iter().chain(["whole"]).collect();
        Self {
            traces,
            software: Clocked::new("latency.software", &stages, counters),
            hardware: Clocked::new("latency.hardware", &["wire_to_rx", "wire_to_tx"], counters),
        }
    }

    /// Takes what has come, and publishes where that is due.
    pub(super) fn look(&mut self) {
        while let Some(line) = self.traces.peek().and_then(<[_]>::first) {
            let Times { stages, wire_to_rx } = Traces::read(line);
            self.traces.pop();
            let whole = stages.iter().sum();
            self.software.record(stages.into_iter().chain([whole]));
            if let Some(wait) = wire_to_rx {
                self.hardware.record([wait, wait + whole]);
            }
        }
        let now = real_time();
        self.software.publish(now);
        self.hardware.publish(now);
    }
}

impl Clocked {
    /// Histograms with these names.
    fn new(clock: &str, names: &[&str], counters: &mut CounterFile) -> Self {
        let figures = counter_names(names);
        let figures: Vec<_> = figures.iter().map(String::as_str).collect();
        let histogram =
            || Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("the bounds are sound");
        Self {
            times: names.iter().map(|_| histogram()).collect(),
            published: counters.block(clock, &figures).every(INTERVAL),
        }
    }

    fn record(&mut self, times: impl IntoIterator<Item = u64>) {
        for (histogram, time) in self.times.iter_mut().zip(times) {
            histogram.saturating_record(time);
        }
    }

    fn publish(&mut self, now: Nanos) {
        if !self.published.is_due(now) {
            return;
        }
        self.published.put(self.times.first().map_or(0, Histogram::len));
        for histogram in &self.times {
            for share in [0.5, 0.99] {
                self.published.put(histogram.value_at_quantile(share));
            }
            self.published.put(histogram.max());
        }
    }
}

/// The counters of times with these names, in the order in which they are published.
fn counter_names(times: &[&str]) -> Vec<String> {
    let figures = ["p50", "p99", "max"];
    let of_each = times.iter().flat_map(|time| figures.map(|figure| format!("{time}_{figure}_ns")));
    std::iter::once("orders".to_owned()).chain(of_each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_its_three_figures_behind_the_number_of_orders() {
        let names = counter_names(&["wire_to_rx", "wire_to_tx"]);
        let [rx, tx] = ["wire_to_rx", "wire_to_tx"]
            .map(|time| ["p50", "p99", "max"].map(|figure| format!("{time}_{figure}_ns")));
        assert_eq!(names[0], "orders");
        assert_eq!((&names[1..4], &names[4..]), (&rx[..], &tx[..]));
    }
}
