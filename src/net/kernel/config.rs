//! What the kernel transport is told at the start, and why it cannot begin. Opens nothing.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::connection::Connection;
use crate::net::ipv4::Ipv4Network;
use crate::types::Nanos;

/// Settings of a [`KernelTransport`](super::KernelTransport).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelConfig {
    /// Where to listen; port 0 lets the kernel choose one.
    pub listen: SocketAddrV4,
    /// The UDP port, at the same address, whose datagrams the user takes; unicast leaves from it too,
    /// as an answer does. 0 lets the kernel choose one, none = no datagram is received.
    pub receive_port: Option<u16>,
    /// Networks that may talk to us; empty = all.
    pub allow: Vec<Ipv4Network>,
    /// Address of the interface that multicast leaves by.
    pub multicast_interface: Ipv4Addr,
    /// Transports that share address and ports with this one, itself included; the kernel gives each of
    /// them all that comes from some hosts. 1 = it is alone.
    pub shards: u8,
    /// Connections at once, those still parting included.
    pub connections_max: usize,
    /// As many of them may have the same peer's address, so that one host cannot keep others out.
    pub connections_per_source_max: usize,
    /// Datagrams a second that are taken of one address; a tenth of them may come at once. Of its
    /// segments the kernel sees to.
    pub frames_per_second_per_source_max: u32,
    /// Bytes a connection can receive ahead of its user, beyond what the kernel holds.
    pub rx_buffer_bytes: usize,
    /// Bytes a connection can hold beyond what the kernel holds.
    pub tx_buffer_bytes: usize,
    /// Hops of multicast datagrams.
    pub multicast_ttl: u8,
    /// Whether it does not listen before [`Transport::open`](crate::net::Transport::open).
    pub shut: bool,
    /// Where the address is while it is not shut, if it moves: on this interface, in this network.
    pub service: Option<(String, Ipv4Network)>,
    /// The least time between two looks at the kernel. Each costs a system call, which a transport
    /// that is not in a hurry need not take from those it shares a core with.
    pub look_interval: Nanos,
}

impl KernelConfig {
    /// Settings that serve a gateway, at this address.
    #[must_use]
    pub fn new(listen: SocketAddrV4) -> Self {
        Self {
            listen,
            receive_port: None,
            allow: Vec::new(),
            multicast_interface: *listen.ip(),
            shards: 1,
            connections_max: 1024,
            connections_per_source_max: 256,
            frames_per_second_per_source_max: 200_000,
            rx_buffer_bytes: 16 * 1024,
            tx_buffer_bytes: 64 * 1024,
            multicast_ttl: 8,
            shut: false,
            service: None,
            look_interval: Nanos::ZERO,
        }
    }

    /// The most memory that a connection ever takes of this process, asked for when the transport is
    /// made: its two buffers, whose pages are touched as bytes first come, and what is kept about it.
    #[must_use]
    pub const fn bytes_per_connection(&self) -> usize {
        self.rx_buffer_bytes + self.tx_buffer_bytes + size_of::<Connection>() + LISTED_BYTES
    }
}

/// A connection's places in lists: sources, timers, turns, and events that wait.
const LISTED_BYTES: usize = 512;

/// Why the kernel's sockets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Nothing could connect or be buffered.
    #[error(
        "connections_max, connections_per_source_max, frames_per_second_per_source_max, \
         rx_buffer_bytes and tx_buffer_bytes must each be at least 1"
    )]
    Sizes,
    /// The listening socket.
    #[error("cannot listen on {address}: is the address this host's, and the port free?")]
    Listen {
        /// What was asked for.
        address: SocketAddrV4,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The interface of an address that moves.
    #[error(
        "cannot change the addresses of interface {interface}: is it there, and may this process \
         (as root, or with the capabilities CAP_NET_ADMIN and CAP_NET_RAW)?"
    )]
    Service {
        /// Which.
        interface: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The datagram socket.
    #[error("cannot send datagrams by the interface with address {interface}")]
    Datagrams {
        /// What was asked for.
        interface: Ipv4Addr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The socket that receives datagrams.
    #[error(
        "cannot receive datagrams at {address}: is the address this host's, and the port free?"
    )]
    Receive {
        /// What was asked for.
        address: SocketAddrV4,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The operating system gives no epoll.
    #[error("no epoll")]
    Epoll(#[source] io::Error),
}
