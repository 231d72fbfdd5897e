//! Where time goes inside the node: a histogram for each stage of an order's way, published as counters.
//!
//! Kept by the thread that waits for the node's end, so that no stage computes a percentile.

use hdrhistogram::Histogram;

use crate::agent::{STAGES, real_time};
use crate::counters::{CounterBlock, CounterSet, PUBLISH_INTERVAL};
use crate::gateway::Traces;
use crate::ring::Consumer;
use crate::types::Nanos;

/// Histograms since the start of the node, in nanoseconds.
#[derive(Debug)]
pub(super) struct Latency {
    traces: Consumer,
    stages: [Histogram<u64>; STAGES.len()],
    whole: Histogram<u64>,
    published: CounterBlock,
}

/// Longer times are not told apart.
const LONGEST_NS: u64 = 10_000_000_000;
/// One part in a hundred.
const DIGITS: u8 = 2;
/// Percentiles take tens of microseconds to compute.
const INTERVAL: Nanos = Nanos(10 * PUBLISH_INTERVAL.0);

/// What is published: how many orders were followed, and of each stage and of them all together the
/// median, the 99th percentile and the longest.
struct Percentiles([u64; Self::NAMES.len()]);

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

impl Latency {
    /// The names of what is published.
    pub(super) const NAMES: &'static [&'static str] = Percentiles::NAMES;

    /// Of the orders whose times come through `traces`.
    pub(super) fn new(traces: Consumer, published: CounterBlock) -> Self {
        let published = published.every(INTERVAL);
        Self { traces, stages: std::array::from_fn(|_| histogram()), whole: histogram(), published }
    }

    /// Takes what has come, and publishes where that is due.
    pub(super) fn look(&mut self) {
        while let Some(line) = self.traces.peek().and_then(<[_]>::first) {
            let times = Traces::read(line);
            self.traces.pop();
            for (stage, time) in self.stages.iter_mut().zip(times) {
                stage.saturating_record(time);
            }
            self.whole.saturating_record(times.iter().sum());
        }
        if self.published.is_due(real_time()) {
            let all = self.stages.iter().chain([&self.whole]);
            let values = all.flat_map(|histogram| {
                let [p50, p99] = [0.5, 0.99].map(|share| histogram.value_at_quantile(share));
                [p50, p99, histogram.max()]
            });
            let mut percentiles = Percentiles([0; Percentiles::NAMES.len()]);
            percentiles.0[0] = self.whole.len();
            for (place, value) in percentiles.0[1..].iter_mut().zip(values) {
                *place = value;
            }
            percentiles.publish(&mut self.published);
        }
    }
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
}
