//! The network over a device: own Ethernet, ARP and IPv4, with smoltcp as the TCP engine.
//!
//! Each connection is a socket set of its own, found by its peer's address, so a frame costs the same
//! with one connection as with ten thousand: only the connection it belongs to is polled, only those
//! with something to send are flushed, and timers sit in a wheel. Silent peers are the session's
//! business (heartbeats); the stack never gives up on an idle connection.

mod client_host;
mod clock;
mod config;
mod connection;
mod counters;
mod datagrams;
#[cfg(test)]
mod fuzz;
mod ingress;
mod link;
mod presence;
mod recovery;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Instant;

use smoltcp::iface::{Config, Interface, PollResult, SocketSet};
use smoltcp::wire::{HardwareAddress, IpCidr};

pub use self::client_host::{ClientConnection, ClientHost};
pub use self::config::{CONNECTIONS_MAX, StackConfig, StackError};
pub use self::counters::Counters;

use self::clock::engine_time;
use self::config::check;
use self::connection::{Connection, Phase};
use self::datagrams::DATAGRAMS_WAITING_MAX;
use self::link::Link;
use self::presence::Announcing;
use super::access::AccessList;
use super::arp::{ArpPacket, Neighbours};
use super::device::{Device, Offloads, RX_BURST_MAX};
use super::elapsed::Elapsed;
use super::ethernet::{ETHER_TYPE_ARP, EthernetHeader, MacAddress};
use super::events::EventQueue;
use super::igmp::{ALL_HOSTS, Membership};
use super::inbox::Inbox;
use super::ipv4::Ipv4Network;
use super::limit::RateLimit;
use super::source_limit::SourceLimit;
use super::sources::Sources;
use super::steering::Steering;
use super::wheel::Wheel;
use super::{ConnectionId, NetEvent, Transport};
use crate::agent::Watch;
use crate::counters::{CounterBlock, CounterSet as _};
use crate::types::Nanos;

/// Segments one connection sends before it is another's turn.
const EGRESS_SEGMENTS_PER_TURN_MAX: usize = 32;
/// Segments all of them send in one flush.
const EGRESS_SEGMENTS_PER_CYCLE_MAX: usize = 256;
/// Timers run in one duty cycle: so few that those of many connections at once delay nobody's frames.
const TIMERS_MAX: usize = 64;
/// Time for a peer to finish its handshake: over when it asks again, after a second, if it was not
/// answered.
const HALF_OPEN: Nanos = Nanos::from_millis(500);
/// Handshakes that began since the oldest unfinished one; with one more it gives way. At the greatest
/// rate that is a fifth of a second.
const HALF_OPEN_MAX: usize = 4_096;
/// Time for a peer to part after we closed.
const LINGER: Nanos = Nanos::from_secs(4);
/// Handshakes begun per second, and at once.
const SYN_PER_SECOND_MAX: u64 = 20_000;
const SYN_BURST_MAX: u64 = 2_000;
/// Resets per second to segments of no connection, and at once. After a failover every broker's
/// segments are such, and the reset is what makes it reconnect.
const RESETS_PER_SECOND_MAX: u64 = 20_000;
const RESET_BURST_MAX: u64 = 2_000;
/// Answers per second to those who ask for our Ethernet address, and at once.
const ARP_REPLIES_PER_SECOND_MAX: u64 = 10_000;
const ARP_REPLY_BURST_MAX: u64 = 1_000;
/// Answers per second to pings, and at once.
const ECHOES_PER_SECOND_MAX: u64 = 1_000;
const ECHO_BURST_MAX: u64 = 100;
/// How often we say unasked where our address is now: the first may be lost.
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCE_INTERVAL: Nanos = Nanos::SECOND;
/// The same when the address came from another host, which may not know yet that it has it no more.
const HASTY_ANNOUNCEMENTS: u8 = 10;
const HASTY_INTERVAL: Nanos = Nanos::from_millis(100);

/// TCP connections and UDP datagrams over a [`Device`].
pub struct Stack<D> {
    config: StackConfig,
    device: D,
    mac: MacAddress,
    clock: Elapsed,
    neighbours: Neighbours,
    /// Carries every connection; which one is decided by the socket set it is given.
    engine: Interface,
    /// The engine answers for nobody: resets and echoes.
    nobody: SocketSet<'static>,
    connections: Vec<Connection>,
    by_peer: HashMap<SocketAddrV4, u32>,
    free: Vec<u32>,
    /// Handshakes in the order in which they began; some are over.
    half_open: VecDeque<ConnectionId>,
    /// Connections with something to send; each at most once.
    dirty: VecDeque<u32>,
    timers: Wheel,
    sources: Sources,
    source_limit: SourceLimit,
    /// Who may talk to us, and where a change of it is told.
    access: Arc<AccessList>,
    watch: Option<Watch<AccessList>>,
    /// Keyed by the operating system at start: what initial sequence numbers are drawn from.
    secret: RandomState,
    /// The groups that we are in.
    membership: Membership,
    offloads: Offloads,
    /// Of the first frame that the last poll took.
    first_stamp: Option<u64>,
    syns: RateLimit,
    resets: RateLimit,
    arp_replies: RateLimit,
    echoes: RateLimit,
    announcing: Announcing,
    /// Whether our address is somewhere else.
    is_shut: bool,
    events: EventQueue,
    inbox: Inbox,
    /// Our part among the shards that share the device's address, if there are others.
    steering: Option<Box<Steering>>,
    counters: Counters,
    published: CounterBlock,
}

impl<D: Device> Stack<D> {
    /// A stack over `device`, which counts in `published`.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn new(
        config: StackConfig,
        mut device: D,
        published: CounterBlock,
    ) -> Result<Self, StackError> {
        let network = check(&config, device.mtu())?;
        let clock = Elapsed::new();
        let mac = device.mac();
        let engine = engine(&mut device, network, 0, clock.now());
        let slots = config.connections_max;
        let secret = RandomState::new();
        let membership = Membership::new(&config.groups, secret.hash_one(mac), clock.now());
        let groups: Vec<_> =
            config.groups.iter().map(|&group| MacAddress::multicast(group)).collect();
        if !groups.is_empty() {
            let all_hosts = MacAddress::multicast(ALL_HOSTS);
            device.hear_groups(&[&[all_hosts][..], &groups].concat());
        }
        let offloads = device.offloads();
        Ok(Self {
            mac,
            clock,
            neighbours: Neighbours::new(mac, network).with_fixed(&config.neighbours),
            engine,
            nobody: SocketSet::new(Vec::new()),
            connections: Connection::many(slots, config.rx_buffer_bytes, config.tx_buffer_bytes),
            // Twice the bound, so that removals never make the map grow.
            by_peer: HashMap::with_capacity(2 * slots),
            free: free_slots(slots),
            half_open: VecDeque::with_capacity(HALF_OPEN_MAX),
            dirty: VecDeque::with_capacity(slots),
            timers: Wheel::new(slots, clock.now()),
            sources: Sources::new(slots, config.connections_per_source_max),
            source_limit: SourceLimit::new(
                config.frames_per_second_per_source_max,
                config.connections_per_source_max,
            ),
            access: Arc::new(AccessList::new(&config.allow, &[])),
            watch: None,
            secret,
            membership,
            offloads,
            first_stamp: None,
            syns: RateLimit::new(SYN_PER_SECOND_MAX, SYN_BURST_MAX),
            resets: RateLimit::new(RESETS_PER_SECOND_MAX, RESET_BURST_MAX),
            arp_replies: RateLimit::new(ARP_REPLIES_PER_SECOND_MAX, ARP_REPLY_BURST_MAX),
            echoes: RateLimit::new(ECHOES_PER_SECOND_MAX, ECHO_BURST_MAX),
            announcing: if config.shut { Announcing::OVER } else { Announcing::AT_START },
            is_shut: config.shut,
            events: EventQueue::new(slots, RX_BURST_MAX),
            inbox: Inbox::new(config.receive_port.map_or(0, |_| DATAGRAMS_WAITING_MAX)),
            steering: None,
            counters: Counters::default(),
            published,
            config,
            device,
        })
    }

    /// The same, with who may talk to us as `watch` tells it, now and whenever it changes.
    #[must_use]
    pub fn watching(self, watch: Option<Watch<AccessList>>) -> Self {
        Self { watch, ..self }
    }

    /// The same, as one of the shards of a device, each over queues of its own. The first announces the
    /// address that they share.
    #[must_use]
    pub fn steered(self, steering: Steering) -> Self {
        let announcing = if steering.is_first() { self.announcing } else { Announcing::OVER };
        Self { announcing, steering: Some(Box::new(steering)), ..self }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The device below.
    #[must_use]
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The same, to be changed by who made it.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Connections now, those still in handshake or parting included.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len() - self.free.len()
    }

    /// The connection a number stands for, unless the number is void.
    fn open(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.slot as usize)?;
        let valid = connection.generation == id.generation && connection.phase == Phase::Open;
        valid.then_some(connection)
    }

    /// After anything happened to a connection: tells of it, frees it if it is over, and sees to it
    /// that it is polled again when it has something to do.
    fn look(&mut self, slot: u32) {
        self.counters.visits += 1;
        let now = self.clock.now();
        let connection = &mut self.connections[slot as usize];
        let before = connection.phase;
        let alive = connection.look(slot, &mut self.events, now);
        self.counters.opened +=
            u64::from(before == Phase::HalfOpen && connection.phase == Phase::Open);
        if !alive {
            self.release(slot);
            return;
        }
        let connection = &self.connections[slot as usize];
        let recovery = connection.recovery;
        let due = self.engine.poll_at(recovery.engine_time(now), &connection.sockets);
        let due = due.filter(|_| connection.may_send());
        let due = due.map_or(Nanos::MAX, |at| recovery.real_time(at));
        let timer = due.min(connection.deadline).min(recovery.probe_at);
        if due <= now {
            self.mark_dirty(slot);
        }
        if timer != Nanos::MAX {
            self.timers.arm(slot, timer);
        }
    }

    /// Follows a change of who may talk to us: connections of those who may not any more are broken.
    fn follow_access(&mut self) {
        let Some(access) = self.watch.as_mut().and_then(Watch::changed) else { return };
        let linger_until = self.clock.now().after(LINGER);
        for slot in 0..u32::try_from(self.connections.len()).unwrap_or(u32::MAX) {
            let connection = &mut self.connections[slot as usize];
            if connection.phase == Phase::Free || access.permits(*connection.peer.ip()) {
                continue;
            }
            self.counters.expelled += 1;
            if connection.phase == Phase::HalfOpen {
                self.release(slot);
                continue;
            }
            if connection.phase == Phase::Open {
                self.events.push(NetEvent::Closed(connection.id(slot)));
            }
            connection.abort(linger_until);
            self.look(slot);
        }
        self.access = access;
    }

    fn release(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        self.by_peer.remove(&connection.peer);
        self.sources.leave(*connection.peer.ip());
        connection.release();
        self.timers.cancel(slot);
        self.free.push(slot);
    }

    fn mark_dirty(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push_back(slot);
        }
    }

    fn run_timers(&mut self) -> usize {
        let mut work = 0;
        while work < TIMERS_MAX
            && let Some(slot) = self.timers.due(self.clock.now())
        {
            work += 1;
            self.counters.visits += 1;
            let now = self.clock.now();
            let connection = &mut self.connections[slot as usize];
            if connection.deadline <= now {
                // A peer that never finished its handshake may not exist: it is told nothing.
                let half_open = connection.phase == Phase::HalfOpen;
                self.counters.half_open_expired += u64::from(half_open);
                if half_open || connection.is_past() {
                    self.release(slot);
                    continue;
                }
                self.counters.linger_expired += 1;
                // Once more, for the reset to leave; it needs no answer.
                connection.abort(now.after(LINGER));
            }
            if connection.recovery.probe_at <= now {
                self.probe(slot);
            }
            // Mostly what the timer was for has happened, and there is nothing to send.
            self.look(slot);
        }
        work
    }

    /// Lets the engine send again what is not acknowledged.
    fn probe(&mut self, slot: u32) {
        let now = self.clock.now();
        let connection = &mut self.connections[slot as usize];
        let shown = connection.recovery.engine_time(now);
        let deadline = self.engine.poll_at(shown, &connection.sockets);
        let deadline = deadline.filter(|_| connection.awaits_acknowledgment());
        self.counters.tail_probes += u64::from(connection.recovery.probe(now, deadline));
    }

    /// Sends for the connections that have something to send, in turn, while the device has room and
    /// until the cycle's bound. Those not reached are the first of the next.
    fn egress(&mut self) -> usize {
        let mut left = EGRESS_SEGMENTS_PER_CYCLE_MAX;
        for _ in 0..self.dirty.len() {
            if left == 0 || !self.has_room(1) {
                self.counters.egress_cut += 1;
                break;
            }
            let Some(slot) = self.dirty.pop_front() else { break };
            let connection = &mut self.connections[slot as usize];
            connection.dirty = false;
            self.counters.visits += 1;
            if connection.phase == Phase::Free {
                continue;
            }
            let sent = self.turn(slot, EGRESS_SEGMENTS_PER_TURN_MAX.min(left));
            // To find that there is nothing to send is work as well.
            left -= sent.max(1);
            self.look(slot);
        }
        EGRESS_SEGMENTS_PER_CYCLE_MAX - left
    }

    /// Sends up to `most` segments of one connection.
    fn turn(&mut self, slot: u32, most: usize) -> usize {
        let now = self.clock.now();
        // The engine forgets a segment to be repeated when it cannot hand it over, so it never meets a
        // full device.
        for sent in 0..most {
            if !self.has_room(1) {
                return sent;
            }
            let connection = &mut self.connections[slot as usize];
            if !connection.may_send() {
                return sent;
            }
            let shown = connection.recovery.engine_time(now);
            let before = connection.progress;
            let mut link =
                Link::to(&mut self.device, connection.neighbour).noting(&mut connection.progress);
            let result = self.engine.poll_egress(shown, &mut link, &mut connection.sockets);
            if result == PollResult::None {
                return sent;
            }
            connection.note_sent(&before, now);
            self.counters.repeated += u64::from(connection.progress.repeats_since(&before));
        }
        most
    }

    /// Whether the device takes that many frames now; what waits in it leaves first if need be.
    fn has_room(&mut self, frames: usize) -> bool {
        if self.device.room() >= frames {
            return true;
        }
        self.flush_device();
        self.device.room() >= frames
    }

    fn flush_device(&mut self) {
        self.counters.tx_frames += self.device.flush() as u64;
    }

    /// The neighbour that a datagram to `host` goes to; asks for it if it is not known.
    fn resolve(&mut self, host: Ipv4Addr) -> Option<MacAddress> {
        if host.is_multicast() {
            return Some(MacAddress::multicast(host));
        }
        let on_link = self.neighbours.network().contains(host);
        let hop = if on_link { host } else { self.config.gateway? };
        let (known, question) = self.neighbours.find(hop, self.clock.now());
        if let Some(question) = question {
            send_arp(&mut self.device, MacAddress::BROADCAST, &question);
        }
        known
    }
}

fn send_arp<D: Device>(device: &mut D, to: MacAddress, packet: &ArpPacket) -> bool {
    let header =
        EthernetHeader { destination: to, source: device.mac(), ether_type: ETHER_TYPE_ARP };
    let sent = device.transmit(EthernetHeader::LEN + ArpPacket::LEN, |frame| {
        let (head, body) = frame.split_at_mut(EthernetHeader::LEN);
        head.copy_from_slice(&header.emit());
        body.copy_from_slice(&packet.emit());
    });
    sent.is_some()
}

/// All slots, the lowest on top.
fn free_slots(slots: usize) -> Vec<u32> {
    let count = u32::try_from(slots).expect("checked against CONNECTIONS_MAX");
    (0..count).rev().collect()
}

/// An engine that holds our address and draws its first sequence number from `seed`.
fn engine<D: Device>(device: &mut D, network: Ipv4Network, seed: u64, now: Nanos) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut link = Link::to(device, MacAddress::default());
    let mut engine = Interface::new(config, &mut link, engine_time(now));
    engine.update_ip_addrs(|addresses| {
        let address = IpCidr::new(network.address().into(), network.prefix());
        addresses.push(address).expect("the engine has room for an address");
    });
    engine
}

impl<D: Device> Transport for Stack<D> {
    fn open(&mut self) -> io::Result<()> {
        self.appear();
        Ok(())
    }

    fn shut(&mut self) {
        self.vanish();
    }

    fn poll(&mut self, now: Nanos) -> usize {
        self.clock.advance(now);
        if self.is_shut {
            return self.ignore();
        }
        self.follow_access();
        self.announce();
        self.report_membership();
        self.first_stamp = None;
        self.run_timers() + self.ingress()
    }

    fn next_event(&mut self) -> Option<NetEvent> {
        self.events.pop()
    }

    fn received(&mut self, connection: ConnectionId) -> &[u8] {
        self.open(connection).map_or(&[], Connection::received)
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        if let Some(open) = self.open(connection) {
            open.consume(count);
            // Whether the peer must hear of it is for the next flush to see, once for all that is consumed.
            self.mark_dirty(connection.slot);
        }
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let queued = self.open(connection).is_some_and(|open| open.send(bytes));
        if queued {
            self.mark_dirty(connection.slot);
        }
        queued
    }

    fn send_room(&self, connection: ConnectionId) -> usize {
        let open = self.connections.get(connection.slot as usize);
        open.filter(|open| open.generation == connection.generation).map_or(0, Connection::room)
    }

    fn first_stamp(&self) -> Option<u64> {
        self.first_stamp
    }

    fn arrival(&mut self, stamp: u64) -> Option<Instant> {
        self.device.arrival(stamp)
    }

    fn close(&mut self, connection: ConnectionId) {
        let linger_until = self.clock.now().after(LINGER);
        if let Some(open) = self.open(connection) {
            open.close(linger_until);
            self.look(connection.slot);
        }
    }

    fn abort(&mut self, connection: ConnectionId) {
        let linger_until = self.clock.now().after(LINGER);
        if let Some(open) = self.open(connection) {
            open.abort(linger_until);
            self.look(connection.slot);
        }
    }

    fn flush(&mut self, now: Nanos) -> usize {
        self.clock.advance(now);
        if self.is_shut {
            return 0;
        }
        let work = self.egress();
        self.flush_device();
        work
    }

    fn publish(&mut self, now: Nanos) {
        self.device.publish(now);
        if self.published.is_due(now) {
            self.counters.connections = self.connection_count() as u64;
            self.counters.publish(&mut self.published);
        }
    }

    fn send_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) -> bool {
        self.is_shut || self.emit_datagram(to, payload)
    }

    fn next_datagram(&mut self) -> Option<(SocketAddrV4, &[u8])> {
        self.inbox.pop()
    }
}

/// What an operator wants to know of it.
impl<D: std::fmt::Debug> std::fmt::Debug for Stack<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack")
            .field("counters", &self.counters)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
