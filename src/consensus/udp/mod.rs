//! The transport over the kernel's UDP sockets, to each peer directly: needs nothing of the network. It
//! repeats nothing and waits for nothing; what is lost, consensus and repair ask for again.

mod fragment;
mod reassembly;

use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};

use socket2::{SockAddr, SockRef};

use super::Transport;
pub use fragment::{FRAGMENT_HEADER_BYTES, Fragment, MessageShape, STRIDE_MIN};
pub use reassembly::{KEPT_MESSAGES_MAX, Reassembly, ReassemblyCounters};

/// The most peers of a node: each has its place for messages in parts.
pub const PEERS_MAX: usize = 15;
/// The largest packet that a path may carry, and the smallest that is of use.
pub const MTU_MAX: usize = 65_535;
/// See [`MTU_MAX`].
pub const MTU_MIN: usize = IP_AND_UDP_BYTES + FRAGMENT_HEADER_BYTES + STRIDE_MIN;
/// What is asked of the kernel for each direction: a burst of 16 of the largest messages finds room,
/// with the kernel's own overhead.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Datagrams looked at, in search of a whole message, before it is enough for a call.
const DATAGRAMS_AT_ONCE_MAX: usize = 64;
const IP_AND_UDP_BYTES: usize = 20 + 8;

/// Where a node and its peers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// The number of this host.
    pub host: u32,
    /// Where it receives, and what it sends from.
    pub bind: SocketAddrV4,
    /// The others, each with where it receives and sends from.
    pub peers: Vec<(u32, SocketAddrV4)>,
    /// The largest packet that every path carries, IP header included: 1,500, or 9,000.
    pub mtu: usize,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum UdpError {
    /// The peers are not other hosts, each with a place of its own.
    #[error("peer {host} at {address}: {rule}")]
    Peer {
        /// Its number.
        host: u32,
        /// Its place.
        address: SocketAddrV4,
        /// What it should be.
        rule: &'static str,
    },
    /// A cluster larger than any.
    #[error("{0} peers: there can be {PEERS_MAX}")]
    Peers(usize),
    /// A packet that no path carries, or that is too small.
    #[error("an MTU of {0}: must be from {MTU_MIN} to {MTU_MAX}; 1500 on most networks")]
    Mtu(usize),
    /// The operating system refuses the socket.
    #[error("UDP socket at {address}: {source}; is the address one of this host, and free?")]
    Socket {
        /// Where it should be.
        address: SocketAddrV4,
        /// What the operating system says.
        source: io::Error,
    },
}

/// What went and came, and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounters {
    /// Messages sent, to each peer once.
    pub sent: u64,
    /// Messages of which a part could not be sent, because the kernel has no room for more.
    pub not_sent_full: u64,
    /// Messages of which a part was refused for another reason: no route, or a path of a smaller MTU.
    pub not_sent_refused: u64,
    /// Messages for hosts that are no peers.
    pub not_sent_unknown: u64,
    /// Messages received whole.
    pub received: u64,
    /// Datagrams received, of whatever kind.
    pub datagrams_received: u64,
    /// Datagrams from places where no peer is.
    pub strangers: u64,
    /// Datagrams of peers that are no parts of messages.
    pub malformed: u64,
    /// Parts that were there already.
    pub doubled: u64,
    /// Messages given up because parts of them did not come.
    pub abandoned: u64,
}

/// A socket, and what came in parts from each peer.
#[derive(Debug)]
pub struct UdpTransport {
    host: u32,
    bind: SocketAddrV4,
    socket: UdpSocket,
    peers: Vec<Peer>,
    /// Bytes of a message in each datagram.
    stride: usize,
    /// The number of the next message. It begins anywhere: what is still under way from a life of this
    /// host before does not mix with what it sends now, and a stranger cannot guess it.
    number: u64,
    /// The datagram that came last. None is longer.
    datagram: Box<[u8]>,
    counters: UdpCounters,
}

const DATAGRAM_BYTES_MAX: usize = MTU_MAX - IP_AND_UDP_BYTES;

#[derive(Debug)]
struct Peer {
    host: u32,
    address: SocketAddrV4,
    /// The same, as the kernel takes it.
    destination: SockAddr,
    parts: Reassembly,
}

impl UdpTransport {
    /// Binds the socket. All memory is taken here: half a megabyte for each peer.
    ///
    /// # Errors
    /// [`UdpError`].
    pub fn new(config: &UdpConfig) -> Result<Self, UdpError> {
        config.check()?;
        let failed = |source| UdpError::Socket { address: config.bind, source };
        let socket = UdpSocket::bind(config.bind).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let options = SockRef::from(&socket);
        // The kernel gives what its limits allow; see net.core.rmem_max.
        options.set_recv_buffer_size(SOCKET_BUFFER_BYTES).map_err(failed)?;
        options.set_send_buffer_size(SOCKET_BUFFER_BYTES).map_err(failed)?;
        let peers = config.peers.iter().map(|&(host, address)| Peer::new(host, address));
        Ok(Self {
            host: config.host,
            bind: config.bind,
            socket,
            peers: peers.collect(),
            stride: config.mtu - IP_AND_UDP_BYTES - FRAGMENT_HEADER_BYTES,
            number: RandomState::new().hash_one(config.host),
            datagram: vec![0; DATAGRAM_BYTES_MAX].into(),
            counters: UdpCounters::default(),
        })
    }

    /// Has another peer from now on; one of that number is where it says from now on.
    ///
    /// # Errors
    /// [`UdpError`]: the peers are what they were.
    pub fn reach(&mut self, host: u32, address: SocketAddrV4) -> Result<(), UdpError> {
        if self.peers.iter().any(|peer| (peer.host, peer.address) == (host, address)) {
            return Ok(());
        }
        let others = self.peers.iter().filter(|peer| peer.host != host);
        let mut peers: Vec<_> = others.map(|peer| (peer.host, peer.address)).collect();
        peers.push((host, address));
        UdpConfig { host: self.host, bind: self.bind, peers, mtu: MTU_MIN }.check()?;
        self.peers.retain(|peer| peer.host != host);
        self.peers.push(Peer::new(host, address));
        Ok(())
    }

    /// A message that has come whole, and the host whose address it came from; none if there is none,
    /// or too much else came. Whether that host wrote it, its MAC says. Never waits.
    pub fn receive(&mut self) -> Option<(u32, &[u8])> {
        let (peer, length) = self.find_whole()?;
        self.counters.received += 1;
        let fragment = Fragment::read(&self.datagram[..length])?;
        let Peer { host, parts, .. } = &self.peers[peer];
        parts.whole(&fragment).map(|message| (*host, message))
    }

    /// Takes datagrams until a message is whole: the peer that sent it, and the bytes of the datagram.
    fn find_whole(&mut self) -> Option<(usize, usize)> {
        let Self { socket, peers, datagram, counters, .. } = self;
        for _ in 0..DATAGRAMS_AT_ONCE_MAX {
            // An error other than that nothing waits is about something sent before: the next call goes
            // on. The socket is of IPv4, and hears nobody else.
            let Ok((length, SocketAddr::V4(from))) = socket.recv_from(datagram) else {
                return None;
            };
            counters.datagrams_received += 1;
            let Some(peer) = peers.iter().position(|peer| peer.address == from) else {
                counters.strangers += 1;
                continue;
            };
            let Some(fragment) = Fragment::read(&datagram[..length]) else {
                counters.malformed += 1;
                continue;
            };
            if peers[peer].parts.take(&fragment) {
                return Some((peer, length));
            }
        }
        None
    }

    /// Sends all parts, or those before the one that the kernel refuses: the rest alone would be of no
    /// use.
    fn send_to(&mut self, peer: usize, message: &[u8]) {
        let Self { socket, peers, counters, stride, .. } = self;
        let socket = SockRef::from(&*socket);
        for fragment in Fragment::of(message, self.number, *stride) {
            let header = fragment.header();
            let datagram = [IoSlice::new(&header), IoSlice::new(fragment.part)];
            match socket.send_to_vectored(&datagram, &peers[peer].destination) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    counters.not_sent_full += 1;
                    return;
                }
                Err(_) => {
                    counters.not_sent_refused += 1;
                    return;
                }
            }
        }
        counters.sent += 1;
    }

    /// Where it receives.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What went and came.
    #[must_use]
    pub fn counters(&self) -> UdpCounters {
        let mut counters = self.counters;
        for peer in &self.peers {
            counters.doubled += peer.parts.counters().doubled;
            counters.abandoned += peer.parts.counters().abandoned;
        }
        counters
    }
}

impl Transport for UdpTransport {
    fn send(&mut self, host: u32, message: &[u8]) {
        self.number = self.number.wrapping_add(1);
        match self.peers.iter().position(|peer| peer.host == host) {
            Some(peer) => self.send_to(peer, message),
            None => self.counters.not_sent_unknown += 1,
        }
    }

    /// To each peer in turn.
    fn publish(&mut self, message: &[u8]) {
        self.number = self.number.wrapping_add(1);
        for peer in 0..self.peers.len() {
            self.send_to(peer, message);
        }
    }
}

impl Peer {
    fn new(host: u32, address: SocketAddrV4) -> Self {
        Self { host, address, destination: address.into(), parts: Reassembly::new() }
    }
}

impl UdpConfig {
    fn check(&self) -> Result<(), UdpError> {
        if !(MTU_MIN..=MTU_MAX).contains(&self.mtu) {
            return Err(UdpError::Mtu(self.mtu));
        }
        if self.peers.len() > PEERS_MAX {
            return Err(UdpError::Peers(self.peers.len()));
        }
        for (at, &(host, address)) in self.peers.iter().enumerate() {
            let earlier = &self.peers[..at];
            let rule = if host == 0 || host == self.host {
                "a peer is another host, numbered from 1"
            } else if earlier.iter().any(|(other, _)| *other == host) {
                "two peers have this number"
            } else if address.ip().is_unspecified() || address.port() == 0 {
                "an address and a port are needed, from which it sends"
            } else if earlier.iter().any(|(_, other)| *other == address) || address == self.bind {
                "two hosts have this address"
            } else {
                continue;
            };
            return Err(UdpError::Peer { host, address, rule });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
