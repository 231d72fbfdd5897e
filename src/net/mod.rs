//! The network: connections and datagrams, over a DPDK port or over kernel sockets.
//!
//! A [`Transport`] moves bytes and knows nothing of sessions; the gateway drives it. Two exist:
//! `stack` (own Ethernet, ARP and IPv4 demux, smoltcp as the TCP engine, over a `Device`) and
//! `kernel` (non-blocking sockets). Neither blocks, and each call does a bounded amount of work.

pub mod access;
pub mod arp;
#[cfg(test)]
mod behaviour;
mod buffer;
mod datagram;
pub mod device;
#[cfg(feature = "dpdk")]
mod device_clock;
#[cfg(feature = "dpdk")]
mod dpdk_device;
mod echo;
mod elapsed;
pub mod ethernet;
mod events;
pub mod igmp;
mod inbox;
pub mod ipv4;
pub mod kernel;
mod limit;
mod memory_device;
mod recent;
mod source_limit;
mod sources;
mod spanned;
pub mod stack;
pub mod steering;
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
pub mod udp;
mod wheel;

use std::io;
use std::net::SocketAddrV4;
use std::time::Instant;

pub use access::{AccessList, PortNetworks};
pub use datagram::{DATAGRAM_BYTES_MAX, DATAGRAM_LINES_MAX, Datagram};
pub use device::Device;
#[cfg(feature = "dpdk")]
pub use dpdk_device::{DpdkConfig, DpdkDevice};
pub use echo::WithEcho;
pub use kernel::{KernelConfig, KernelCounters, KernelError, KernelTransport};
pub use limit::RateLimit;
pub use memory_device::MemoryDevice;
pub use spanned::Spanned;
pub use stack::{
    ClientConnection, ClientHost, Counters as StackCounters, Stack, StackConfig, StackError,
};

pub(crate) use limit::Rate;
pub(crate) use recent::{Lasting, Recent};
pub(crate) use wheel::Wheel;

use crate::types::Nanos;

/// A connection of a transport: a slot and the slot's generation, so that an old number is never
/// mistaken for the connection that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Index of the slot, below the transport's limit of connections.
    pub slot: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// What happened on a transport since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetEvent {
    /// A peer connected.
    Opened {
        /// The new connection.
        connection: ConnectionId,
        /// Who it is.
        peer: SocketAddrV4,
    },
    /// Bytes are waiting in [`Transport::received`].
    Readable(ConnectionId),
    /// Bytes that were queued have left, so there is room again.
    Writable(ConnectionId),
    /// The peer has sent its last: no more comes than [`Transport::received`] has. Told once; the
    /// connection stays, and can be sent to, until it is closed.
    Ended(ConnectionId),
    /// The connection broke: reset by the peer, or timed out. Its number is void.
    Closed(ConnectionId),
}

/// Byte streams and datagrams for one gateway.
pub trait Transport: Send {
    /// Takes connections from now on, if it does not yet.
    ///
    /// # Errors
    /// The operating system's: the address is not to be had.
    fn open(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes no connections any more, and is not seen to be there.
    fn shut(&mut self) {}

    /// The service is known to be here, now: told often, and needed by an address that moves with it.
    fn confirm(&mut self) {}

    /// Takes what the device or the sockets have, up to the transport's bound, and runs timers that are due.
    /// What they give it to send may wait for the next flush: the answer to what came is mostly its reader's.
    /// Returns the work done.
    fn poll(&mut self, now: Nanos) -> usize;

    /// The next thing that happened. Events of one connection come in order. `Readable` is told again
    /// after each arrival, not for bytes left unread; a `send` that was refused is always followed by
    /// a `Writable`, or by `Closed`.
    fn next_event(&mut self) -> Option<NetEvent>;

    /// The bytes received and not yet consumed, contiguous from the oldest: all, or at least 2 KiB.
    /// Consume, then look again. Empty for a void number.
    fn received(&mut self, connection: ConnectionId) -> &[u8];

    /// Lets go of the `count` oldest received bytes; this is what opens the peer's window again.
    fn consume(&mut self, connection: ConnectionId, count: usize);

    /// Queues `bytes`, all or none; `false` means there is no room, or no such connection. They leave
    /// with the next [`Transport::flush`] or [`Transport::poll`].
    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool;

    /// Bytes that [`Transport::send`] would take now.
    fn send_room(&self, connection: ConnectionId) -> usize;

    /// The stamp of the first frame that the last poll took, where the device stamps frames.
    fn first_stamp(&self) -> Option<u64> {
        None
    }

    /// When a frame with this stamp came from the wire, by the device's own clock; `None` if that cannot be
    /// told now.
    fn arrival(&mut self, _stamp: u64) -> Option<Instant> {
        None
    }

    /// Closes in order: what is queued still leaves. The number is void at once, no event follows.
    fn close(&mut self, connection: ConnectionId);

    /// Resets. The number is void at once, no event follows.
    fn abort(&mut self, connection: ConnectionId);

    /// Sends what is queued, by [`Transport::send`] or by a poll. Returns the work done.
    fn flush(&mut self, now: Nanos) -> usize;

    /// Publishes what was counted, where it is due; [`Nanos::MAX`] is when everything is.
    fn publish(&mut self, now: Nanos);

    /// Sends one UDP datagram, multicast or unicast; `false` if the device has no room now, or, for
    /// unicast, the neighbour is not known yet (it is being asked for).
    fn send_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) -> bool;

    /// Takes the oldest datagram that came to the port on which the transport was told to receive: who
    /// sent it, and its payload, at most [`DATAGRAM_BYTES_MAX`]. Those that are not taken in time are
    /// lost, as datagrams are. Only what was sent to our address comes, from where `allow` says.
    fn next_datagram(&mut self) -> Option<(SocketAddrV4, &[u8])>;
}
