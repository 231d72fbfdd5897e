//! The gateway: sessions of participants on one side, commands and events on the other.
//!
//! One gateway serves one kind of port: brokers' order entry on the trading network, or operators on
//! loopback. `session` is the protocol without bytes' ways, `agent` connects it to the rings and logs.
//!
//! **Memory.** A listening port keeps nothing of who asks for a connection: its slots are all there from
//! the start, each of [`StackConfig::bytes_per_connection`](crate::net::StackConfig), some 84 KiB with
//! the default buffers; over kernel sockets of
//! [`KernelConfig::bytes_per_connection`](crate::net::KernelConfig::bytes_per_connection), and over TLS of
//! what that front states besides. Beside that a session takes at most [`SESSION_BYTES_MAX`], some 42 KiB, of which
//! 32 KiB only if it once had to read up what it had missed; a session over UDP takes less than 10 KiB in
//! place of a connection. So ten thousand sessions of OUCH 5.0 take 1.3 GB at the very most. An OUCH 4.2
//! port takes [`TOKENS_BYTES_MAX`], less than 8 MiB, more for its tokens: all at once as its session comes
//! up or the first of its orders of a day is heard of, and for as many as it may use in a day. Tests count
//! what is asked for.

mod admission;
mod agent;
mod connection;
mod core;
mod datagrams;
mod inbound;
mod intake;
mod lines;
mod link;
mod outbound;
mod peers;
mod ports;
pub mod session;
mod tail;
mod throttle;
mod tokens;
mod traces;
mod unread;

pub use agent::Gateway;
pub use tokens::TOKENS_BYTES_MAX;
pub use traces::{Times, Traces};

use crate::agent::{ReadyFlag, Watch};
use crate::counters::counter_set;
use crate::net::PortNetworks;
use crate::types::{ClusterKey, PortKind, Position, SessionId};

/// The most memory that a session takes beside its connection, but for the tokens of an OUCH 4.2 port:
/// what is kept of it and of its port, and where messages of its stream lie - of a day's, some, and of
/// those that it is still to be sent.
pub const SESSION_BYTES_MAX: usize = size_of::<Option<connection::Connection>>()
    + size_of::<ports::Port>()
    + size_of::<Position>() * (ports::CHECKPOINTS_PREPARED + ports::CHECKPOINT_INTERVAL as usize)
    + LISTED_BYTES;
/// A session's places in lists that grow: by slot, of timers, and of turns.
const LISTED_BYTES: usize = 1_024;

/// What a gateway is told at the start.
#[derive(Debug)]
pub struct GatewayConfig {
    /// The kind of port that may log in here; where orders are entered, drop copies too.
    pub serves: PortKind,
    /// Number of this gateway among those of the node.
    pub shard: u8,
    /// The term whose start must be in the event log before anything is sent.
    pub term: u32,
    /// The day that begins with this term, if one does: nobody is served before its market is defined.
    pub day: Option<SessionId>,
    /// What secrets are checked with.
    pub cluster_key: ClusterKey,
    /// Packets a second that are read of one session, beyond which it is left unread for a while; none
    /// = no limit. Wider than any rate that the engine answers.
    pub messages_per_second_max: Option<u32>,
    /// Where the networks of ports are told, and each change of them; none = from anywhere.
    pub networks: Option<Watch<PortNetworks>>,
    /// Follows an order in a while through the node.
    pub traces: Option<Traces>,
    /// Sessions at once over UDP; 0 = none is served there.
    pub ufo_sessions_max: u32,
    /// Set when it serves.
    pub ready: ReadyFlag,
}

counter_set! {
    /// What a gateway has seen.
    pub struct GatewayCounters {
        /// Connections accepted.
        connections,
        /// Logins accepted.
        logins,
        /// Logins refused.
        logins_rejected,
        /// Logins refused because the last secrets from there were wrong.
        logins_backed_off,
        /// Logins refused because the port does not log in from there.
        logins_elsewhere,
        /// Logins that asked for messages never sent.
        sequence_alarms,
        /// Datagrams read.
        datagrams_in,
        /// Datagrams of peers without a session that are no login: dropped.
        datagrams_of_strangers,
        /// Datagrams that are malformed, or do not belong into their session: dropped, from there on.
        datagrams_refused,
        /// Datagrams dropped because their session was over its limit.
        datagrams_throttled,
        /// Datagrams dropped because too much of their session was not read yet.
        datagrams_unread,
        /// Logins dropped because there were too many, or no room for a session.
        logins_dropped,
        /// Requests to send messages again that were dropped because there were too many.
        retransmissions_refused,
        /// Messages sent again because they were asked for.
        messages_retransmitted,
        /// Bytes read.
        bytes_in,
        /// Messages that became commands.
        messages_in,
        /// Messages sent as they happened.
        messages_out,
        /// Messages sent from the log.
        messages_replayed,
        /// Sessions ended because what they were to be sent cannot be read from the log.
        unreadable,
        /// Messages that found no room in the connection, and were sent from the log later.
        messages_refused,
        /// Sessions ended for breaking the protocol.
        violations,
        /// Sessions ended because their port does not log in from there any more, or over UDP nobody does.
        expelled,
        /// Looks at a session because of its timer: of an idle one, for its heartbeat.
        timers,
        /// Sessions ended for their silence.
        silent,
        /// Times that a session was over its limit and was left unread for a while.
        throttled,
        /// Sessions ended because they remained over their limit.
        floods,
        /// Turns cut short because the command ring was full.
        ring_full,
        /// Lines in the command ring now.
        ring_lines,
    }
}
