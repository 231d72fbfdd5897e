//! The transport over Aeron: payloads leave a leader once, for all who listen, and who misses a part
//! asks for it; what orders them goes to each host directly. It waits for nobody.
//!
//! A leader's stream goes at the pace of the voters, at least as many as make a quorum with it. Where
//! one is slower than the stream has room for, has stopped, or multicast does not pass, the stream holds
//! a payload back; then each host is sent it directly, as over UDP. So nobody is waited for, and who
//! cannot keep up asks for what it missed when it is back.

mod channel;
mod driver;
mod inlet;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use rusteron_media_driver::{AeronExclusivePublication, AeronOfferError, AeronSubscription};

use super::{Transport, codec};
use channel::Stream;
use driver::{Driver, Limit};
use inlet::Inlet;

/// The most peers of a node.
pub const PEERS_MAX: usize = 15;
/// The largest number of a host: streams are numbered by it.
pub const HOST_MAX: u32 = 999_999;
/// The largest packet that Aeron sends, and the smallest that is of use.
pub const MTU_MAX: usize = 65_504 + IP_AND_UDP_BYTES;
/// See [`MTU_MAX`].
pub const MTU_MIN: usize = 1_280;
const IP_AND_UDP_BYTES: usize = 20 + 8;
/// Parts looked at, in search of a whole message, before it is enough for a call.
const PARTS_AT_ONCE_MAX: usize = 64;
/// How often an offer is made while the driver turns to its next buffer.
const OFFERS_MAX: usize = 3;

/// Where a node and its peers are, and how payloads go to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AeronConfig {
    /// The number of this host.
    pub host: u32,
    /// The driver's own, in shared memory: `/dev/shm/NODE`. Deleted at the start.
    pub directory: PathBuf,
    /// Where it hears what is for it alone.
    pub bind: SocketAddrV4,
    /// The others, each with where it hears.
    pub peers: Vec<(u32, SocketAddrV4)>,
    /// How many hosts vote.
    pub voters: usize,
    /// Whether this host does: then a leader minds its pace.
    pub votes: bool,
    /// How payloads go to all.
    pub payload: PayloadStream,
    /// The largest packet that every path carries, IP header included: 1,500, or 9,000.
    pub mtu: usize,
}

/// How payloads go to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadStream {
    /// By multicast.
    Multicast {
        /// The group; the last number of its address must be odd: the next one is Aeron's too.
        group: SocketAddrV4,
        /// This host's address on the network where the group is.
        interface: Ipv4Addr,
        /// How many routers it may pass, and one.
        ttl: u8,
    },
    /// Where multicast is missing: to each host that asked for it at this port of the leader. Costs the
    /// leader a packet for each of them.
    Destinations {
        /// The port, the same on each host.
        control: u16,
    },
}

/// Why there is no transport, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum AeronError {
    /// A configuration that names no cluster, or no group that Aeron can use.
    #[error("{what}: {rule}")]
    Config {
        /// What is wrong.
        what: String,
        /// How it should be.
        rule: &'static str,
    },
    /// A name that Aeron cannot have.
    #[error("directory {}: its name must be text", .0.display())]
    Path(PathBuf),
    /// The directory's place.
    #[error("directory {}: {source}", .directory.display())]
    Directory {
        /// Which.
        directory: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Too little shared memory.
    #[error(
        "{}: {free} bytes are free, and the streams take {needed}: make it larger, or stop what else \
         is in it", .directory.display()
    )]
    Room {
        /// Where.
        directory: PathBuf,
        /// What there is.
        free: u64,
        /// What it takes.
        needed: u64,
    },
    /// No socket.
    #[error("UDP socket: {source}")]
    Socket {
        /// What the operating system says.
        source: io::Error,
    },
    /// The driver does not start.
    #[error("Aeron's media driver in {}: {said}", .directory.display())]
    Driver {
        /// Where.
        directory: PathBuf,
        /// What it says.
        said: String,
    },
    /// A stream cannot be had.
    #[error("Aeron channel {channel}: {said}; is the address one of this host, and free?")]
    Add {
        /// Which.
        channel: String,
        /// What the driver says.
        said: String,
    },
    /// The driver ended.
    #[error("Aeron's media driver stopped: {said}")]
    Stopped {
        /// What it says.
        said: String,
    },
}

/// What went and came, and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AeronCounters {
    /// Payloads that the stream to all took.
    pub published: u64,
    /// Payloads that it did not take or holds back, and that went to each host.
    pub published_directly: u64,
    /// Messages to one host.
    pub sent: u64,
    /// Messages to a host that is not there.
    pub not_sent_absent: u64,
    /// Messages to a host that has not taken those before.
    pub not_sent_full: u64,
    /// Messages for hosts that are no peers.
    pub not_sent_unknown: u64,
    /// Messages received.
    pub received: u64,
}

/// The driver, and a stream from and to each peer.
#[derive(Debug)]
pub struct AeronTransport {
    payload: AeronExclusivePublication,
    limit: Limit,
    peers: Vec<Peer>,
    sources: Vec<Source>,
    /// The source that is asked next: each has its turn.
    turn: usize,
    counters: AeronCounters,
    config: AeronConfig,
    // Ends last: the streams are its.
    driver: Driver,
}

#[derive(Debug)]
struct Peer {
    host: u32,
    consensus: AeronExclusivePublication,
    repair: AeronExclusivePublication,
}

/// One stream of one peer.
#[derive(Debug)]
struct Source {
    host: u32,
    subscription: AeronSubscription,
    inlet: Inlet,
}

impl AeronTransport {
    /// Starts the driver, and adds all streams. All memory is taken here.
    ///
    /// # Errors
    /// [`AeronError`].
    pub fn new(config: &AeronConfig) -> Result<Self, AeronError> {
        config.check()?;
        let driver = Driver::start(&config.directory, config.stream_bytes())?;
        let channel = config.payload_out();
        let payload = driver.publication(&channel, Stream::Payload.number(config.host))?;
        let limit = driver.limit(&channel, &payload)?;
        let mut transport = Self {
            payload,
            limit,
            peers: Vec::new(),
            sources: Vec::new(),
            turn: 0,
            counters: AeronCounters::default(),
            config: config.clone(),
            driver,
        };
        for &(host, address) in &config.peers {
            transport.join(host, address)?;
        }
        Ok(transport)
    }

    /// Adds the streams from and to a peer.
    fn join(&mut self, host: u32, address: SocketAddrV4) -> Result<(), AeronError> {
        let Self { config, driver, .. } = self;
        let publication = |stream: Stream| {
            let channel = config.direct_out(address, stream);
            driver.publication(&channel, stream.number(config.host))
        };
        let subscription = |stream: Stream| {
            let channel = match stream {
                Stream::Payload => config.payload_in(*address.ip()),
                Stream::Consensus | Stream::Repair => config.direct_in(),
            };
            let subscription = driver.subscription(&channel, stream.number(host))?;
            Ok(Source { host, subscription, inlet: Inlet::new() })
        };
        let (consensus, repair) = (publication(Stream::Consensus)?, publication(Stream::Repair)?);
        let sources = [Stream::Consensus, Stream::Payload, Stream::Repair].map(subscription);
        let sources = sources.into_iter().collect::<Result<Vec<_>, AeronError>>()?;
        self.peers.push(Peer { host, consensus, repair });
        self.sources.extend(sources);
        Ok(())
    }

    /// Has another peer from now on; one of that number is where it says from now on. Takes as long as the
    /// driver takes to add a peer's streams: it is for operators, now and then.
    ///
    /// # Errors
    /// [`AeronError`]: that host is no peer, the others are what they were.
    pub fn reach(&mut self, host: u32, address: SocketAddrV4) -> Result<(), AeronError> {
        if self.config.peers.contains(&(host, address)) {
            return Ok(());
        }
        let mut config = self.config.clone();
        config.peers.retain(|(peer, _)| *peer != host);
        config.peers.push((host, address));
        config.check()?;
        self.peers.retain(|peer| peer.host != host);
        self.sources.retain(|source| source.host != host);
        self.turn = 0;
        self.config.peers.retain(|(peer, _)| *peer != host);
        self.join(host, address)?;
        self.config = config;
        Ok(())
    }

    /// Moves what was sent to the network and what came to [`AeronTransport::receive`]: once in a duty
    /// cycle. Returns how much there was to do.
    ///
    /// # Errors
    /// [`AeronError::Stopped`]: the transport is of no use any more.
    pub fn do_work(&mut self) -> Result<usize, AeronError> {
        self.driver.step()
    }

    /// A message that has come whole, and the host whose stream it came by; none if there is none, or
    /// too much else came. Whether that host wrote it, its MAC says. Never waits.
    pub fn receive(&mut self) -> Option<(u32, &[u8])> {
        let source = self.find_whole()?;
        self.counters.received += 1;
        let Source { host, inlet, .. } = &self.sources[source];
        Some((*host, inlet.message()))
    }

    fn find_whole(&mut self) -> Option<usize> {
        let mut silent = 0;
        for _ in 0..PARTS_AT_ONCE_MAX {
            let at = self.turn;
            let Source { subscription, inlet, .. } = self.sources.get_mut(at)?;
            let mut is_whole = false;
            let taken = subscription.poll_fn(
                |part, header| {
                    let Ok(values) = header.get_values() else { return };
                    let frame = values.frame();
                    is_whole = inlet.take(frame.session_id(), frame.flags(), part);
                },
                1,
            );
            let is_silent = !taken.is_ok_and(|parts| parts > 0);
            if is_whole || is_silent {
                self.turn = (at + 1) % self.sources.len();
            }
            if is_whole {
                return Some(at);
            }
            silent = if is_silent { silent + 1 } else { 0 };
            if silent == self.sources.len() {
                return None;
            }
        }
        None
    }

    /// What went and came.
    #[must_use]
    pub const fn counters(&self) -> &AeronCounters {
        &self.counters
    }

    fn send_to(&mut self, peer: usize, stream: Stream, message: &[u8]) {
        let Peer { consensus, repair, .. } = &self.peers[peer];
        let publication = if stream == Stream::Consensus { consensus } else { repair };
        match offer(publication, message) {
            Ok(_) => self.counters.sent += 1,
            Err(AeronOfferError::NotConnected) => self.counters.not_sent_absent += 1,
            Err(_) => self.counters.not_sent_full += 1,
        }
    }
}

/// Offers a message, again where the driver asks for that. Returns where in the stream it ends.
fn offer(publication: &AeronExclusivePublication, message: &[u8]) -> Result<i64, AeronOfferError> {
    let mut refused = AeronOfferError::AdminAction;
    for _ in 0..OFFERS_MAX {
        match publication.offer(message) {
            Ok(position) => return Ok(position),
            Err(AeronOfferError::AdminAction) => {}
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

impl Transport for AeronTransport {
    fn send(&mut self, host: u32, message: &[u8]) {
        let stream = if codec::is_bulk(message) { Stream::Repair } else { Stream::Consensus };
        match self.peers.iter().position(|peer| peer.host == host) {
            Some(peer) => self.send_to(peer, stream, message),
            None => self.counters.not_sent_unknown += 1,
        }
    }

    fn publish(&mut self, message: &[u8]) {
        if let Ok(position) = offer(&self.payload, message) {
            self.counters.published += 1;
            if position <= self.limit.position() {
                return;
            }
        }
        self.counters.published_directly += 1;
        for peer in 0..self.peers.len() {
            self.send_to(peer, Stream::Repair, message);
        }
    }
}

impl AeronConfig {
    fn check(&self) -> Result<(), AeronError> {
        let refuse = |what: String, rule| Err(AeronError::Config { what, rule });
        if !(MTU_MIN..=MTU_MAX).contains(&self.mtu) {
            return refuse(format!("an MTU of {}", self.mtu), "must be from 1280 to 65532");
        }
        if self.peers.len() > PEERS_MAX {
            return refuse(format!("{} peers", self.peers.len()), "there can be 15");
        }
        let hosts = self.peers.iter().map(|(host, _)| *host);
        for host in hosts.chain([self.host]) {
            let same = self.peers.iter().filter(|(other, _)| *other == host).count();
            if !(1..=HOST_MAX).contains(&host) || same > usize::from(host != self.host) {
                return refuse(
                    format!("host {host}"),
                    "each has a number of its own, from 1 to 999999",
                );
            }
        }
        if let PayloadStream::Multicast { group, .. } = self.payload
            && !(group.ip().is_multicast() && is_odd(*group.ip()))
        {
            return refuse(
                format!("group {group}"),
                "must be a multicast address, its last number odd",
            );
        }
        Ok(())
    }

    /// The shared memory that the streams of this host take: three terms each, out and in.
    fn stream_bytes(&self) -> u64 {
        let peers = self.peers.len() as u64;
        let [payload, consensus, repair] =
            [Stream::Payload, Stream::Consensus, Stream::Repair].map(|s| 3 * s.term_bytes() + 4096);
        payload * (peers + 1) + 2 * peers * (consensus + repair)
    }
}

fn is_odd(address: Ipv4Addr) -> bool {
    address.octets()[3] % 2 == 1
}

#[cfg(test)]
mod tests;
