//! A node of the bench: consensus over a log in memory, and nothing that is ever behind.

use std::path::Path;

use super::PaceError;
use crate::consensus::{
    CommandLog, Control, ControlState, Images, Members, Moment, Node, NodeId, Offer, PayloadMode,
    STAGING_BYTES_MAX, Settings, StoreFailure, Timing,
};
use crate::event_store::{Durability, LogKind, Options};
use crate::types::{ClusterKey, Nanos};

/// A node.
pub(super) type Member = Node<CommandLog, Kept>;

const SEGMENT_BYTES: u64 = 64 << 20;

/// Node `host` of so many, with its log in a directory of its own below `directory`.
pub(super) fn member(
    directory: &Path,
    host: u32,
    hosts: u32,
    now: Moment,
) -> Result<Member, PaceError> {
    let options = Options::new(LogKind::Commands, SEGMENT_BYTES);
    let path = directory.join(host.to_string());
    let (log, _) = CommandLog::open(&path, options, Durability::Memory, &mut |_, _| ())?;
    let voters: Vec<u32> = (1..=hosts).collect();
    let members = Members::first(&voters, &[]);
    let control = Kept(ControlState { term: 0, vote: 0, members, members_index: 0 });
    let settings = Settings {
        cluster: 1,
        key: ClusterKey::new([7; ClusterKey::BYTES]),
        id: NodeId::first(host),
        voters,
        learners: Vec::new(),
        payload: PayloadMode::Multicast,
        durability: Durability::Memory,
        // The bench says who leads: a follower that had no core for long would else ask to.
        campaigns: false,
        observes: false,
        timing: timing(),
        staging_bytes_max: STAGING_BYTES_MAX,
        supports: 1,
        seed: 1,
    };
    Ok(Node::new(settings, log, Box::new(NoImages), control, now)?)
}

/// As a cluster is by default, but that a leader is patient with followers that have no core.
pub(super) const fn timing() -> Timing {
    Timing { election_ticks: 400, ..Timing::DEFAULT }
}

/// This moment, on both clocks.
pub(super) fn moment(since: std::time::Instant) -> Moment {
    let now = Nanos(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX) + 1);
    Moment { monotonic: now, wall: now }
}

/// A control state that is kept as long as the bench runs.
#[derive(Debug)]
pub(super) struct Kept(ControlState);

impl Control for Kept {
    fn state(&self) -> &ControlState {
        &self.0
    }

    fn save(&mut self, state: &ControlState) -> Result<(), StoreFailure> {
        self.0 = state.clone();
        Ok(())
    }

    fn refound(&mut self, state: &ControlState, _: NodeId) -> Result<(), StoreFailure> {
        self.save(state)
    }
}

/// Nobody is so far behind.
#[derive(Debug)]
struct NoImages;

impl Images for NoImages {
    fn offer(&mut self, _: Nanos, _: u64, _: &mut Vec<u8>) -> Option<Offer> {
        None
    }

    fn read(&mut self, _: Nanos, _: u64, _: u64, _: &mut Vec<u8>) -> bool {
        false
    }

    fn rest(&mut self, _: Nanos) {}

    fn begin(&mut self, _: &Offer, _: &[u8]) -> Result<bool, StoreFailure> {
        Ok(false)
    }

    fn take(&mut self, _: u64, _: &[u8]) -> Result<(), StoreFailure> {
        Ok(())
    }

    fn finish(&mut self) -> Result<bool, StoreFailure> {
        Ok(false)
    }
}
