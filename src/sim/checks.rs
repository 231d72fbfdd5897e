//! What must be true of a cluster, whatever happens to it. Each check sees what the nodes did and trusts
//! none of them.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::{order_number, records};
use crate::consensus::NodeId;
use crate::types::{FrameHeader, FrameKind, Line, chain_hash};

/// The most violations that are written down.
const VIOLATIONS_MAX: usize = 16;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Who led each term.
    leaders: BTreeMap<u64, NodeId>,
    /// The committed frames, by the hash that stands for header and payload.
    committed: Vec<u64>,
    /// The chain of events behind each, as the first node had it that applied it.
    events: Vec<u64>,
    /// The states of which images were taken, by the last frame in them.
    states: BTreeMap<u64, u64>,
    /// How often an order is in the committed log.
    orders: BTreeMap<u64, u32>,
    /// The orders of each committed frame.
    numbers: Vec<Vec<u64>>,
    /// Acknowledged orders that went with a quorum that was given up.
    given_up: BTreeSet<u64>,
    /// Orders of which a client was told that they are in the log.
    acknowledged: BTreeSet<u64>,
    pub(super) violations: Vec<String>,
}

impl Checks {
    pub(super) fn violation(&mut self, what: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(what);
        }
    }

    /// One leader per term.
    pub(super) fn leads(&mut self, term: u64, node: NodeId) {
        let first = *self.leaders.entry(term).or_insert(node);
        if first != node {
            self.violation(format!("term {term} has two leaders, {first} and {node}"));
        }
    }

    /// Committed prefixes are equal, byte for byte.
    pub(super) fn commits(&mut self, node: NodeId, header: &FrameHeader, payload: &[Line]) {
        let hash = chain_hash(header, payload);
        let at = usize::try_from(header.index - 1).expect("an index in memory");
        match self.committed.get(at) {
            Some(known) if *known != hash => {
                let index = header.index;
                self.violation(format!("node {node} committed another frame {index}"));
            }
            Some(_) => {}
            None => {
                assert_eq!(at, self.committed.len(), "frames are committed in order");
                self.committed.push(hash);
                let is_normal = header.kind == FrameKind::Normal as u8;
                let payload = if is_normal { payload } else { &[] };
                let numbers: Vec<_> = records(payload).filter_map(order_number).collect();
                for number in &numbers {
                    *self.orders.entry(*number).or_default() += 1;
                }
                self.numbers.push(numbers);
            }
        }
    }

    /// The same commands, the same events.
    pub(super) fn derives(&mut self, node: NodeId, index: u64, events: u64) {
        let at = usize::try_from(index - 1).expect("an index in memory");
        match self.events.get(at) {
            Some(known) if *known != events => {
                self.violation(format!("node {node} derived other events from frame {index}"));
            }
            Some(_) => {}
            None => self.events.push(events),
        }
    }

    /// An image is of what the frames came to, whoever took it and whoever begins with it.
    pub(super) fn images(&mut self, node: NodeId, index: u64, events: u64, state: u64) {
        let at = usize::try_from(index - 1).expect("an index in memory");
        let first = *self.states.entry(index).or_insert(state);
        if self.events.get(at) != Some(&events) || first != state {
            self.violation(format!("node {node} has an image of frame {index} with another state"));
        }
    }

    /// A quorum was given up, and what it had committed behind the frame `last` with it.
    pub(super) fn give_up_behind(&mut self, last: u64) {
        let keep = usize::try_from(last).expect("an index in memory");
        self.committed.truncate(keep);
        self.events.truncate(keep);
        self.states.retain(|index, _| *index <= last);
        for number in self.numbers.drain(keep.min(self.numbers.len())..).flatten() {
            self.given_up.insert(number);
            self.orders.remove(&number);
        }
    }

    /// Acknowledged orders that were given up.
    pub(super) fn given_up(&self) -> u64 {
        self.given_up.intersection(&self.acknowledged).count() as u64
    }

    pub(super) fn acknowledge(&mut self, orders: &[u64]) {
        self.acknowledged.extend(orders);
    }

    /// Every acknowledged order is in the log once, and every other at most once.
    pub(super) fn orders_are_in_the_log_once(&mut self) {
        let kept = self.acknowledged.difference(&self.given_up);
        let lost = kept.filter(|order| !self.orders.contains_key(order));
        let lost: Vec<_> = lost.take(3).copied().collect();
        if !lost.is_empty() {
            self.violation(format!("acknowledged orders are not in the log: {lost:?}, .."));
        }
        let doubled = self.orders.iter().filter(|(_, times)| **times > 1).map(|(order, _)| *order);
        let doubled: Vec<_> = doubled.take(3).collect();
        if !doubled.is_empty() {
            self.violation(format!("orders are in the log more than once: {doubled:?}, .."));
        }
    }

    pub(super) fn committed(&self) -> u64 {
        self.committed.len() as u64
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    pub(super) fn terms(&self) -> u64 {
        self.leaders.len() as u64
    }
}
