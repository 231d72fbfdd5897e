//! What a node of the cluster is told at its start.

use super::repair::Patience;
use super::{NodeId, PayloadMode};
use crate::event_store::Durability;
use crate::types::{ClusterKey, Nanos};

/// The most bytes of payloads whose place is not yet decided.
pub const STAGING_BYTES_MAX: usize = 64 << 20;

/// The settings of one node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster's number.
    pub cluster: u64,
    /// The cluster's key.
    pub key: ClusterKey,
    /// Who this node is.
    pub id: NodeId,
    /// The hosts that vote. Their next incarnations are promoted once they have caught up.
    pub voters: Vec<u32>,
    /// The hosts that only learn.
    pub learners: Vec<u32>,
    /// How payloads travel.
    pub payload: PayloadMode,
    /// When an entry counts as persisted here.
    pub durability: Durability,
    /// Whether it calls an election when it hears no leader. Else an operator has it campaign.
    pub campaigns: bool,
    /// Whether it only ever observes: it is not promoted and founds nothing, whatever operators and the
    /// others' files say of its host.
    pub observes: bool,
    /// The times of consensus and repair.
    pub timing: Timing,
    /// See [`STAGING_BYTES_MAX`], which is the default.
    pub staging_bytes_max: usize,
    /// The highest version of the logic that it knows.
    pub supports: u32,
    /// What the election timeouts are drawn from. Nodes may share it.
    pub seed: u64,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The unit of the other two.
    pub tick: Nanos,
    /// Ticks between heartbeats.
    pub heartbeat_ticks: usize,
    /// An election begins after this many silent ticks, or up to twice as many.
    pub election_ticks: usize,
    /// The repair's.
    pub patience: Patience,
}

impl Timing {
    /// Tick 5 ms, heartbeat 20 ms, election 100 to 200 ms: tolerates a lost heartbeat and a stall of
    /// 50 ms.
    pub const DEFAULT: Self = Self {
        tick: Nanos::from_millis(5),
        heartbeat_ticks: 4,
        election_ticks: 20,
        patience: Patience { delay: Nanos::from_micros(500), timeout: Nanos::from_millis(5) },
    };
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A moment, on both of a node's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Never steps: elections and repair go by it.
    pub monotonic: Nanos,
    /// The time of day, which may step: frames are stamped with it.
    pub wall: Nanos,
}
