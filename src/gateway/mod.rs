//! The gateway: sessions of participants on one side, commands and events on the other.
//!
//! One gateway serves one kind of port: brokers' order entry on the trading network, or operators on
//! loopback. `session` is the protocol without bytes' ways, `agent` connects it to the rings and logs.

mod agent;
mod connection;
mod core;
mod inbound;
mod intake;
mod outbound;
mod ports;
pub mod session;
mod tail;

pub use agent::Gateway;

use crate::agent::ReadyFlag;
use crate::types::{ClusterKey, PortKind};

/// What a gateway is told at the start.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The kind of port that may log in here.
    pub serves: PortKind,
    /// Number of this gateway among those of the node.
    pub shard: u8,
    /// The term whose start must be in the event log before anything is sent.
    pub term: u32,
    /// What secrets are checked with.
    pub cluster_key: ClusterKey,
    /// Set when it serves.
    pub ready: ReadyFlag,
}

/// What a gateway has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayCounters {
    /// Connections accepted.
    pub connections: u64,
    /// Logins accepted.
    pub logins: u64,
    /// Logins refused.
    pub logins_rejected: u64,
    /// Logins that asked for messages never sent.
    pub sequence_alarms: u64,
    /// Messages that became commands.
    pub messages_in: u64,
    /// Messages of a known type that this version does not carry out.
    pub messages_ignored: u64,
    /// Messages sent as they happened.
    pub messages_out: u64,
    /// Messages sent from the log.
    pub messages_replayed: u64,
    /// Messages that found no room in the connection, and were sent from the log later.
    pub messages_refused: u64,
    /// Sessions ended for breaking the protocol.
    pub violations: u64,
    /// Sessions ended for their silence.
    pub silent: u64,
    /// Turns cut short because the command ring was full.
    pub ring_full: u64,
}
