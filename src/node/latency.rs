//! Where time goes inside the node: a histogram for each stage of an order's way, published as counters.
//!
//! Kept by the thread that waits for the node's end, so that no stage computes a percentile.

use hdrhistogram::Histogram;

use crate::agent::{STAGES, real_time};
use crate::counters::{CounterBlock, CounterFile, CounterSet, PUBLISH_INTERVAL};
use crate::gateway::{Times, Traces};
use crate::ring::Consumer;
use crate::types::Nanos;

/// Histograms since the start of the node, in nanoseconds.
#[derive(Debug)]
pub(super) struct Latency {
    traces: Consumer,
    stages: [Histogram<u64>; STAGES.len()],
    whole: Histogram<u64>,
    published: CounterBlock,
    /// Of the orders whose frames the device stamped.
    wire_to_rx: Histogram<u64>,
    wire_to_tx: Histogram<u64>,
    published_stamped: CounterBlock,
}

/// Longer times are not told apart.
const LONGEST_NS: u64 = 10_000_000_000;
/// One part in a hundred.
const DIGITS: u8 = 2;
/// Percentiles take tens of microseconds to compute.
const INTERVAL: Nanos = Nanos(10 * PUBLISH_INTERVAL.0);

/// What is published of our own clock's times: how many orders were followed, and of each stage and of them
/// all together the median, the 99th percentile and the longest.
struct Percentiles([u64; Self::NAMES.len()]);

/// The same of what only the device's clock can tell: how long an order lay between wire and stack, and
/// all of its way with that. No orders: the device stamps no frames.
struct Stamped([u64; Self::NAMES.len()]);

impl CounterSet for Percentiles {
    const NAMES: &'static [&'static str] = &[
        "orders",
        "rx_to_parse_p50_ns",
        "rx_to_parse_p99_ns",
        "rx_to_parse_max_ns",
        "ring_wait_p50_ns",
        "ring_wait_p99_ns",
        "ring_wait_max_ns",
        "sequence_p50_ns",
        "sequence_p99_ns",
        "sequence_max_ns",
        "commit_p50_ns",
        "commit_p99_ns",
        "commit_max_ns",
        "match_p50_ns",
        "match_p99_ns",
        "match_max_ns",
        "emit_p50_ns",
        "emit_p99_ns",
        "emit_max_ns",
        "tx_p50_ns",
        "tx_p99_ns",
        "tx_max_ns",
        "whole_p50_ns",
        "whole_p99_ns",
        "whole_max_ns",
    ];

    fn publish(&self, block: &mut CounterBlock) {
        for value in self.0 {
            block.put(value);
        }
    }
}

impl CounterSet for Stamped {
    const NAMES: &'static [&'static str] = &[
        "orders",
        "wire_to_rx_p50_ns",
        "wire_to_rx_p99_ns",
        "wire_to_rx_max_ns",
        "wire_to_tx_p50_ns",
        "wire_to_tx_p99_ns",
        "wire_to_tx_max_ns",
    ];

    fn publish(&self, block: &mut CounterBlock) {
        for value in self.0 {
            block.put(value);
        }
    }
}

impl Latency {
    /// Of the orders whose times come through `traces`.
    pub(super) fn new(traces: Consumer, counters: &mut CounterFile) -> Self {
        Self {
            traces,
            stages: std::array::from_fn(|_| histogram()),
            whole: histogram(),
            published: counters.block("latency.software", Percentiles::NAMES).every(INTERVAL),
            wire_to_rx: histogram(),
            wire_to_tx: histogram(),
            published_stamped: counters.block("latency.hardware", Stamped::NAMES).every(INTERVAL),
        }
    }

    /// Takes what has come, and publishes where that is due.
    pub(super) fn look(&mut self) {
        while let Some(line) = self.traces.peek().and_then(<[_]>::first) {
            let Times { stages, wire_to_rx } = Traces::read(line);
            self.traces.pop();
            for (histogram, time) in self.stages.iter_mut().zip(stages) {
                histogram.saturating_record(time);
            }
            let whole = stages.iter().sum();
            self.whole.saturating_record(whole);
            if let Some(wait) = wire_to_rx {
                self.wire_to_rx.saturating_record(wait);
                self.wire_to_tx.saturating_record(wait + whole);
            }
        }
        let now = real_time();
        if self.published.is_due(now) {
            let all = self.stages.iter().chain([&self.whole]);
            Percentiles(figures(self.whole.len(), all)).publish(&mut self.published);
        }
        if self.published_stamped.is_due(now) {
            let both = [&self.wire_to_rx, &self.wire_to_tx];
            Stamped(figures(self.wire_to_rx.len(), both)).publish(&mut self.published_stamped);
        }
    }
}

/// So many orders, and of each histogram the median, the 99th percentile and the longest.
fn figures<'a, const COUNT: usize>(
    orders: u64,
    histograms: impl IntoIterator<Item = &'a Histogram<u64>>,
) -> [u64; COUNT] {
    let of_each = histograms.into_iter().flat_map(|histogram| {
        let [p50, p99] = [0.5, 0.99].map(|share| histogram.value_at_quantile(share));
        [p50, p99, histogram.max()]
    });
    let mut figures = [0; COUNT];
    for (place, value) in figures.iter_mut().zip(std::iter::once(orders).chain(of_each)) {
        *place = value;
    }
    figures
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("the bounds are sound")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_and_the_whole_has_its_three_figures_in_the_order_of_the_way() {
        let all = STAGES.iter().chain([&"whole"]);
        let figures = ["p50", "p99", "max"];
        let names = all.flat_map(|stage| figures.map(|figure| format!("{stage}_{figure}_ns")));
        let names: Vec<_> = std::iter::once("orders".to_owned()).chain(names).collect();
        assert_eq!(names, Percentiles::NAMES);
    }

    #[test]
    fn figures_are_those_of_each_histogram_in_turn() {
        let [mut short, mut long] = [histogram(), histogram()];
        for number in 1..=100 {
            short.saturating_record(number);
            long.saturating_record(1_000 * number);
        }
        let [orders, p50, p99, max, rest @ ..] = figures::<7>(9, [&short, &long]);
        assert_eq!([orders, p50, p99, max], [9, 50, 99, 100]);
        assert!(
            rest.iter()
                .zip([50_000, 99_000, 100_000])
                .all(|(&is, near)| is.abs_diff(near) <= near / 100)
        );
    }
}
