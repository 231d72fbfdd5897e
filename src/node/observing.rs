//! What an observer says of itself: where it stands, and up to where it came to what the others came to.
//! Only looks, and only speaks to the log.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::info;

use crate::counters::CounterReader;
use crate::event_store::Reader;
use crate::types::event::StateConfirmed;

/// How often it looks, and says so while it catches up; and how often it says so then.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
const STEADY_INTERVAL: Duration = Duration::from_mins(1);
/// As many frames are always on their way.
const CAUGHT_UP_FRAMES: u64 = 64;

/// Says it, now and then.
#[derive(Debug)]
pub(super) struct Observing {
    /// Where the node publishes its counters.
    logs: PathBuf,
    /// The last place of which its state was compared, and its hash there; since this start.
    equal: Option<(u64, u64)>,
    looked: Instant,
    /// When it last said that it has caught up, if nothing else since.
    steady: Option<Instant>,
}

impl Observing {
    /// Of the node with these logs.
    pub(super) fn new(logs: PathBuf) -> Self {
        Self { logs, equal: None, looked: Instant::now(), steady: None }
    }

    /// Its state was compared, and equal: else it would have ended.
    pub(super) fn note(&mut self, confirmed: &StateConfirmed) {
        self.equal = Some((confirmed.at_sequence, confirmed.hash));
    }

    /// Says how it stands, if it is time.
    pub(super) fn look(&mut self, commands: &Reader) {
        if self.looked.elapsed() < LOOK_INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let Ok(counters) = CounterReader::open(&self.logs) else { return };
        let count = |wanted: &str| {
            counters.counters().find_map(|(name, value)| (name == wanted).then_some(value))
        };
        let [leader, last, committed, told] =
            ["leader", "last_index", "committed_index", "told_index"]
                .map(|name| count(&format!("replica.{name}")).unwrap_or_default());
        let behind = told.saturating_sub(committed);
        let is_steady = leader != 0 && behind <= CAUGHT_UP_FRAMES;
        if is_steady && self.steady.is_some_and(|said| said.elapsed() < STEADY_INTERVAL) {
            return;
        }
        self.steady = is_steady.then(Instant::now);
        let frames = last.saturating_sub(commands.beginning().index);
        let equal = self.equal.map_or("nowhere yet".to_owned(), |(at, hash)| {
            format!("at sequence {at}, {hash:016x}")
        });
        info!(position = %commands.committed(), frames, behind, leader, equal, "observes");
    }
}
