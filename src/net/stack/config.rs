//! What a stack is told at the start, and the proof that it can work with it.
//!
//! Opens nothing; the device's MTU is an argument.

use std::net::Ipv4Addr;

use smoltcp::iface::SocketStorage;

use super::connection::{CONTIGUOUS_BYTES, Connection};
use crate::net::DATAGRAM_BYTES_MAX;
use crate::net::ethernet::MacAddress;
use crate::net::igmp::GROUPS_MAX;
use crate::net::ipv4::{Ipv4Header, Ipv4Network, is_host};
use crate::net::udp::UdpHeader;

/// Settings of a [`Stack`](super::Stack).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackConfig {
    /// Our address. The kernel must not have it.
    pub address: Ipv4Addr,
    /// Length of our network's prefix.
    pub prefix: u8,
    /// The way to unicast destinations outside our network; none = they are unreachable.
    pub gateway: Option<Ipv4Addr>,
    /// The TCP port we listen on.
    pub listen_port: u16,
    /// Connections at once, those in handshake and those still parting included.
    pub connections_max: usize,
    /// As many of them may have the same peer's address, so that one host cannot keep others out.
    pub connections_per_source_max: usize,
    /// Frames a second that are looked into from one sender, so that one host's flood is dropped before
    /// it costs others; a tenth of them may come at once.
    pub frames_per_second_per_source_max: u32,
    /// Bytes a connection can receive ahead of its user; the window offered to the peer.
    pub rx_buffer_bytes: usize,
    /// Bytes a connection can hold until the peer acknowledges them.
    pub tx_buffer_bytes: usize,
    /// Networks that may talk to us; empty = all. Checked before anything is kept of a packet.
    pub allow: Vec<Ipv4Network>,
    /// Hosts of our network whose Ethernet address is given: it is never asked for, and frames in their
    /// name from another address are dropped.
    pub neighbours: Vec<(Ipv4Addr, MacAddress)>,
    /// Hops of multicast datagrams.
    pub multicast_ttl: u8,
    /// Source port of datagrams, but for unicast where there is a `receive_port`.
    pub datagram_port: u16,
    /// The UDP port whose datagrams the user takes; unicast leaves from it too, as an answer does.
    /// None = no datagram is received.
    pub receive_port: Option<u16>,
    /// Whether it is not there before [`Transport::open`](crate::net::Transport::open): it takes nothing
    /// and says nothing.
    pub shut: bool,
    /// Multicast groups whose datagrams to that port the user takes too.
    pub groups: Vec<Ipv4Addr>,
}

impl StackConfig {
    /// Settings that serve a gateway, at this address and port.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix: u8, listen_port: u16) -> Self {
        Self {
            address,
            prefix,
            gateway: None,
            listen_port,
            connections_max: 1024,
            connections_per_source_max: 256,
            frames_per_second_per_source_max: 200_000,
            rx_buffer_bytes: 16 * 1024,
            tx_buffer_bytes: 64 * 1024,
            allow: Vec::new(),
            neighbours: Vec::new(),
            multicast_ttl: 8,
            datagram_port: listen_port,
            receive_port: None,
            shut: false,
            groups: Vec::new(),
        }
    }

    /// The most memory that a connection ever takes, asked for when the stack is made: its two buffers,
    /// whose pages are touched as bytes first come, and some 4 KiB that are kept about it.
    #[must_use]
    pub const fn bytes_per_connection(&self) -> usize {
        let kept = size_of::<Connection>() + size_of::<SocketStorage<'static>>() + CONTIGUOUS_BYTES;
        self.rx_buffer_bytes + self.tx_buffer_bytes + kept + LISTED_BYTES
    }
}

/// Why a stack cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// Not a host's address, or no such prefix.
    #[error("{0}/{1} is not the address of a host; use a unicast address and a prefix of 1 to 32")]
    Address(Ipv4Addr, u8),
    /// A gateway we cannot reach.
    #[error("gateway {0} lies outside our network {1}")]
    Gateway(Ipv4Addr, Ipv4Network),
    /// No port.
    #[error("the {0} port is 0; use 1 to 65535")]
    Port(&'static str),
    /// Nothing could connect, or more than slots can be counted.
    #[error("connections_max {0}, connections_per_source_max {1}: use 1 to {CONNECTIONS_MAX} each")]
    Connections(usize, usize),
    /// What is no group, or too many.
    #[error("groups {0:?}: use at most {GROUPS_MAX} multicast addresses outside of 224.0.0.0/24")]
    Groups(Vec<Ipv4Addr>),
    /// Nobody would be heard.
    #[error("frames_per_second_per_source_max is 0; use 1 or more")]
    Frames,
    /// Buffers that TCP cannot use.
    #[error(
        "rx_buffer_bytes {0}, tx_buffer_bytes {1}: use {BUFFER_MIN} to {RX_BUFFER_MAX} for rx, \
             {BUFFER_MIN} or more for tx"
    )]
    Buffers(usize, usize),
    /// A device that cannot carry our longest datagram.
    #[error(
        "the device's MTU of {0} is below {MTU_MIN}, which the feed's datagrams need: \
             use ip link set dev INTERFACE mtu {MTU_MIN}"
    )]
    Mtu(usize),
}

/// A connection's places in lists: maps by peer and by source, timers, turns, and events that wait; and
/// one that is let go again once the stack is made.
const LISTED_BYTES: usize = 640;
/// The most connections a stack can have.
pub const CONNECTIONS_MAX: usize = 1 << 20;
/// Two segments of usual size.
const BUFFER_MIN: usize = 2 * 1460;
/// What a window counts without scaling.
const RX_BUFFER_MAX: usize = 65_535;
const MTU_MIN: usize = Ipv4Header::LEN + UdpHeader::LEN + DATAGRAM_BYTES_MAX;

pub(super) fn check(config: &StackConfig, mtu: usize) -> Result<Ipv4Network, StackError> {
    let StackConfig { address, prefix, connections_max, connections_per_source_max, .. } = *config;
    let network = Ipv4Network::new(address, prefix)
        .filter(|_| is_host(address) && prefix > 0)
        .ok_or(StackError::Address(address, prefix))?;
    if let Some(gateway) = config.gateway.filter(|&gateway| !network.contains(gateway)) {
        return Err(StackError::Gateway(gateway, network));
    }
    if config.listen_port == 0 {
        return Err(StackError::Port("listening"));
    }
    if config.receive_port == Some(0) {
        return Err(StackError::Port("receiving"));
    }
    let is_group = |group: &Ipv4Addr| group.is_multicast() && group.octets()[..3] != [224, 0, 0];
    if config.groups.len() > GROUPS_MAX || !config.groups.iter().all(is_group) {
        return Err(StackError::Groups(config.groups.clone()));
    }
    let countable = 1..=CONNECTIONS_MAX;
    if !countable.contains(&connections_max) || !countable.contains(&connections_per_source_max) {
        return Err(StackError::Connections(connections_max, connections_per_source_max));
    }
    if config.frames_per_second_per_source_max == 0 {
        return Err(StackError::Frames);
    }
    let (rx, tx) = (config.rx_buffer_bytes, config.tx_buffer_bytes);
    if !(BUFFER_MIN..=RX_BUFFER_MAX).contains(&rx) || tx < BUFFER_MIN {
        return Err(StackError::Buffers(rx, tx));
    }
    if mtu < MTU_MIN {
        return Err(StackError::Mtu(mtu));
    }
    Ok(network)
}
