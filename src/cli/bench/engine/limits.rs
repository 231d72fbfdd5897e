//! What each rule costs by itself: an engine under that rule alone, in turns with one under none.

use super::measure::engine_time;
use super::rules::{Rules, VENUE};
use super::{Crowd, Log, Workload};
use crate::types::{FRAME_COMMANDS_MAX, Nanos};

/// The times of one rule, round by round.
pub(super) struct Cost {
    pub(super) name: String,
    pub(super) without: Vec<Nanos>,
    pub(super) with: Vec<Nanos>,
}

/// Of each limit, of fees, and of all rules together.
pub(super) fn costs(workload: &Workload, rounds: u32) -> Vec<Cost> {
    let log = |rules| Log::with_rules(workload, Crowd::FULL, FRAME_COMMANDS_MAX, rules);
    let none = log(Rules::None);
    let keys = VENUE.map(|(key, _)| (format!("{key:?}"), Rules::Limit(key)));
    let others = [("fees".to_owned(), Rules::Fees), ("all".to_owned(), Rules::All)];
    let cost = |(name, rules)| {
        eprintln!("bench: {name}");
        let ruled = log(rules);
        let mut cost = Cost { name, without: Vec::new(), with: Vec::new() };
        for _ in 0..rounds {
            cost.without.push(engine_time(&none));
            cost.with.push(engine_time(&ruled));
        }
        cost
    };
    keys.into_iter().chain(others).map(cost).collect()
}
