//! What came of a drill: the figures, in words and as JSON, and whether they are good.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::fault::Fault;
use crate::cli::CliError;

/// What came of it.
pub(super) struct Outcome {
    /// How long each fault left a broker without service.
    pub(super) gaps: Vec<(Fault, Duration)>,
    pub(super) acknowledged: usize,
    pub(super) rejected: u64,
    pub(super) lost: usize,
    pub(super) doubled: usize,
    /// How often brokers had to connect again: once for each fault, if it is all over then.
    pub(super) reconnections: usize,
    pub(super) feed_missing: u64,
    pub(super) feed_messages: u64,
    pub(super) are_equal: bool,
}

const FAULTS: [Fault; 4] = [Fault::Kill, Fault::Pause, Fault::Partition, Fault::Unplug];

impl Outcome {
    /// Says it on standard output.
    ///
    /// # Errors
    /// If something was lost, done twice or is not the same everywhere.
    pub(super) fn tell(&self, as_json: bool, dir: &std::path::Path) -> Result<(), CliError> {
        if as_json {
            println!("{}", self.report());
        } else {
            self.say();
        }
        let Self { lost, doubled, rejected, feed_missing, are_equal, .. } = *self;
        if lost + doubled > 0 || rejected + feed_missing > 0 || !are_equal {
            return Err(CliError::Drill { dir: dir.to_owned() });
        }
        Ok(())
    }

    fn report(&self) -> Value {
        let mut report = Map::new();
        for fault in FAULTS {
            report.insert(format!("{}s", fault.name()), json!(self.gaps_of(fault).len()));
        }
        let more = json!({
            "orders": self.acknowledged,
            "rejected": self.rejected,
            "lost": self.lost,
            "doubled": self.doubled,
            "reconnections": self.reconnections,
            "feed_messages": self.feed_messages,
            "feed_continuous": self.feed_missing == 0,
            "hashes_equal": self.are_equal,
        });
        report.extend(more.as_object().cloned().unwrap_or_default());
        for fault in FAULTS {
            let name = match fault {
                Fault::Kill => "gap_ms".to_owned(),
                other => format!("{}_gap_ms", other.name()),
            };
            let Some([p50, p99, max]) = quantiles(self.gaps_of(fault)) else { continue };
            report.insert(name, json!({ "p50": p50, "p99": p99, "max": max }));
        }
        Value::Object(report)
    }

    fn say(&self) {
        println!("{} orders were acknowledged", self.acknowledged);
        println!("lost {}, doubled {}, rejected {}", self.lost, self.doubled, self.rejected);
        for fault in FAULTS {
            let gaps = self.gaps_of(fault);
            let times = gaps.len();
            let Some([p50, p99, max]) = quantiles(gaps) else { continue };
            println!(
                "leader {}, {times} times: without service p50 {p50} ms, p99 {p99} ms, max {max} ms",
                fault.verb()
            );
        }
        println!("brokers connected again {} times", self.reconnections);
        println!("feed: {} messages, {} missing", self.feed_messages, self.feed_missing);
        println!("logs equal: {}", self.are_equal);
    }

    fn gaps_of(&self, fault: Fault) -> Vec<Duration> {
        let gaps = self.gaps.iter().filter(|(of, _)| *of == fault);
        gaps.map(|(_, gap)| *gap).collect()
    }
}

/// The half, 99 of 100 and all of `gaps` are no longer than these, in milliseconds.
fn quantiles(mut gaps: Vec<Duration>) -> Option<[u64; 3]> {
    gaps.sort_unstable();
    let last = gaps.len().checked_sub(1)?;
    let at = |share: usize| (gaps.len() * share).div_ceil(100).saturating_sub(1).min(last);
    Some([50, 99, 100].map(|share| u64::try_from(gaps[at(share)].as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_seen() {
        let gaps = |count| (1..=count).rev().map(Duration::from_millis).collect();
        assert_eq!(quantiles(gaps(30)), Some([15, 30, 30]));
        assert_eq!(quantiles(gaps(200)), Some([100, 198, 200]));
        assert_eq!(quantiles(gaps(1)), Some([1, 1, 1]));
        assert_eq!(quantiles(Vec::new()), None);
    }
}
