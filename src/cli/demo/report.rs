//! What the demo counts: a broker's second as one line of JSON, the sum of all, and the result.
//! Histograms travel as their buckets, so the sum is exact: percentiles are never averaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// What happened to one broker since its last line, or to all brokers since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    /// Enter messages sent.
    pub(super) orders: u64,
    pub(super) accepted: u64,
    /// Rejections by OUCH reason.
    pub(super) rejected: BTreeMap<u16, u64>,
    /// Fills, each counted by the broker whose order took.
    pub(super) executions: u64,
    pub(super) canceled: u64,
    /// Orders left out because the broker was too far behind its schedule.
    pub(super) skipped: u64,
    /// Indices of instruments that were executed.
    pub(super) traded: BTreeSet<usize>,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.accepted += other.accepted;
        for (reason, count) in &other.rejected {
            *self.rejected.entry(*reason).or_default() += count;
        }
        self.executions += other.executions;
        self.canceled += other.canceled;
        self.skipped += other.skipped;
        self.traded.extend(&other.traded);
    }

    pub(super) fn rejected_in_all(&self) -> u64 {
        self.rejected.values().sum()
    }
}

/// Latencies, in buckets that are the same in every process.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Histogram<u64>);

/// Three digits: a microsecond in a millisecond.
const DIGITS: u8 = 3;
/// Longer than that is counted as that.
const LATENCY_MAX: Duration = Duration::from_mins(1);

impl Latencies {
    pub(super) fn new() -> Self {
        let most = nanoseconds(LATENCY_MAX);
        let buckets = Histogram::new_with_bounds(1, most, DIGITS);
        Self(buckets.expect("one nanosecond to a minute is a range"))
    }

    pub(super) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(nanoseconds(latency));
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    pub(super) fn clear(&mut self) {
        self.0.reset();
    }

    /// Every bucket that is not empty: its value and its count.
    fn buckets(&self) -> Vec<(u64, u64)> {
        let recorded = self.0.iter_recorded();
        recorded.map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }

    fn add_buckets(&mut self, buckets: &[(u64, u64)]) {
        for &(value, count) in buckets {
            self.0.saturating_record_n(value, count);
        }
    }

    /// The latency that `per_mille` of a thousand do not exceed, in whole microseconds.
    #[expect(clippy::float_arithmetic, reason = "the histogram takes a share of one")]
    pub(super) fn micros(&self, per_mille: u32) -> u64 {
        self.0.value_at_quantile(f64::from(per_mille) / 1_000.0) / 1_000
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// A broker's line: what happened since its last one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    counts: Counts,
    latency: Vec<(u64, u64)>,
}

/// The line that a broker prints.
pub(super) fn line(counts: &Counts, latencies: &Latencies) -> String {
    let line = Line { counts: counts.clone(), latency: latencies.buckets() };
    serde_json::to_string(&line).expect("numbers and lists are JSON")
}

/// The sum of what brokers printed, over the whole run and over the current second.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    pub(super) counts: Counts,
    pub(super) latencies: Latencies,
    second: Counts,
    latencies_of_second: Latencies,
}

impl Totals {
    pub(super) fn new() -> Self {
        Self {
            counts: Counts::default(),
            latencies: Latencies::new(),
            second: Counts::default(),
            latencies_of_second: Latencies::new(),
        }
    }

    /// Adds a broker's line.
    pub(super) fn add(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let Line { counts, latency } = serde_json::from_str(text)?;
        self.second.add(&counts);
        self.latencies_of_second.add_buckets(&latency);
        Ok(())
    }

    /// Ends the second: says what it was, if orders were entered, and begins another.
    pub(super) fn end_second(&mut self, elapsed: Duration, feed_gaps: u64) -> Option<String> {
        let trading = self.second.orders > 0;
        let shown = Second { counts: &self.second, latencies: &self.latencies_of_second };
        let shown = format!("{:>4} s  {shown}  feed gaps {feed_gaps}", elapsed.as_secs());
        self.counts.add(&self.second);
        self.latencies.add(&self.latencies_of_second);
        self.second = Counts::default();
        self.latencies_of_second.clear();
        trading.then_some(shown)
    }
}

struct Second<'a> {
    counts: &'a Counts,
    latencies: &'a Latencies,
}

impl fmt::Display for Second<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, latencies } = self;
        write!(f, "{:>7} orders/s  {:>7} fills/s", counts.orders, counts.executions)?;
        let [p50, p99, p999] = [500, 990, 999].map(|per_mille| latencies.micros(per_mille));
        write!(f, "  accepted after p50 {p50:>5} us  p99 {p99:>6} us  p99.9 {p999:>6} us")?;
        match counts.rejected_in_all() {
            0 => Ok(()),
            rejected => write!(f, "  {rejected} rejected"),
        }
    }
}

/// What the feed's subscriber found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct FeedResult {
    /// The last message that is in its books.
    pub(super) sequence: u64,
    #[serde(rename = "feed_messages")]
    pub(super) messages: u64,
    #[serde(rename = "feed_gaps")]
    pub(super) gaps: u64,
    /// Bytes of its socket's receive buffer, as the kernel granted it.
    pub(super) rcvbuf: u64,
}

impl FeedResult {
    /// Takes a line of `rialto feed --quiet --json`: words and numbers each second, a JSON object at
    /// the end. Other lines tell of single events and change nothing here.
    pub(super) fn hear(&mut self, line: &str) -> Result<(), serde_json::Error> {
        if line.starts_with('{') {
            *self = serde_json::from_str(line)?;
        } else if line.starts_with("sequence ") {
            let words: Vec<_> = line.split(' ').collect();
            for pair in words.chunks_exact(2) {
                match (pair[0], pair[1].parse()) {
                    ("sequence", Ok(number)) => self.sequence = number,
                    ("gaps", Ok(number)) => self.gaps = number,
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// The last line of the demo.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    orders: u64,
    accepted: u64,
    rejected: u64,
    executions: u64,
    symbols_traded: usize,
    broker_processes: usize,
    feed_messages: u64,
    feed_gaps: u64,
    rcvbuf: u64,
    books_equal: bool,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
    backend: &'static str,
    pmd: Option<String>,
}

impl Summary {
    pub(super) fn new(
        totals: &Totals,
        broker_processes: usize,
        feed: FeedResult,
        books_equal: bool,
        backend: &'static str,
        pmd: Option<String>,
    ) -> Self {
        let Totals { counts, latencies, .. } = totals;
        Self {
            orders: counts.orders,
            accepted: counts.accepted,
            rejected: counts.rejected_in_all(),
            executions: counts.executions,
            symbols_traded: counts.traded.len(),
            broker_processes,
            feed_messages: feed.messages,
            feed_gaps: feed.gaps,
            rcvbuf: feed.rcvbuf,
            books_equal,
            p50_us: latencies.micros(500),
            p99_us: latencies.micros(990),
            p999_us: latencies.micros(999),
            backend,
            pmd,
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and names are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(latencies_us: impl IntoIterator<Item = u64>, traded: usize) -> String {
        let mut latencies = Latencies::new();
        let mut counts = Counts { executions: 1, ..Counts::default() };
        for latency in latencies_us {
            latencies.record(Duration::from_micros(latency));
            counts.orders += 1;
            counts.accepted += 1;
        }
        counts.rejected.insert(0x17, 2);
        counts.traded.insert(traded);
        line(&counts, &latencies)
    }

    #[test]
    fn percentiles_of_the_sum_are_those_of_one_histogram() {
        let mut totals = Totals::new();
        totals.add(&broker(1..=500, 1)).unwrap();
        totals.add(&broker(501..=1000, 2)).unwrap();
        let shown = totals.end_second(Duration::from_secs(3), 0).unwrap();
        assert_eq!(
            shown,
            "   3 s     1000 orders/s        2 fills/s  accepted after p50   500 us  p99    990 us  \
             p99.9    999 us  4 rejected  feed gaps 0"
        );
        let mut whole = Latencies::new();
        (1..=1000).for_each(|latency| whole.record(Duration::from_micros(latency)));
        assert_eq!(totals.latencies.buckets(), whole.buckets());
    }

    #[test]
    fn the_summary_has_every_key() {
        let mut totals = Totals::new();
        for second in 0..2 {
            totals.add(&broker([100; 50], 7)).unwrap();
            totals.add(&broker([100; 50], 8)).unwrap();
            totals.end_second(Duration::from_secs(second), 0);
        }
        let feed = FeedResult { sequence: 10, messages: 9, gaps: 1, rcvbuf: 212_992 };
        let pmd = Some("net_af_packet".to_owned());
        assert_eq!(
            Summary::new(&totals, 8, feed, false, "dpdk", pmd).json(),
            "{\"orders\":200,\"accepted\":200,\"rejected\":8,\"executions\":4,\"symbols_traded\":2,\
             \"broker_processes\":8,\"feed_messages\":9,\"feed_gaps\":1,\"rcvbuf\":212992,\
             \"books_equal\":false,\"p50_us\":100,\"p99_us\":100,\"p999_us\":100,\
             \"backend\":\"dpdk\",\"pmd\":\"net_af_packet\"}"
        );
    }

    #[test]
    fn the_subscriber_is_understood() {
        let mut feed = FeedResult::default();
        feed.hear("joined 239.9.9.9:9100, receive buffer 425984 bytes").unwrap();
        assert_eq!(feed, FeedResult::default());
        feed.hear("sequence 17 messages/s 9 gaps 2 missing 3 orders 4").unwrap();
        assert_eq!((feed.sequence, feed.gaps), (17, 2));
        let last =
            "{\"sequence\":20,\"feed_messages\":18,\"feed_gaps\":2,\"rcvbuf\":5,\"orders\":4}";
        feed.hear(last).unwrap();
        assert_eq!(feed, FeedResult { sequence: 20, messages: 18, gaps: 2, rcvbuf: 5 });
        assert!(feed.hear("{\"sequence\":20}").is_err());
    }

    #[test]
    fn a_line_of_another_program_is_refused() {
        assert!(Totals::new().add("{\"orders\":1}").is_err());
    }
}
