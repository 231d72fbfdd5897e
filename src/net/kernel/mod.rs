//! The network over kernel sockets: non-blocking, spinning, where DPDK is absent.
//!
//! One epoll instance says which connections changed, so idle ones cost nothing; only connections with
//! something to do are served, in turn and by a bound. It never blocks.
//!
//! **Memory.** Ours is all there from the start, [`KernelConfig::bytes_per_connection`] for each connection,
//! some 81 KiB with the default buffers, however slowly a peer reads or fast it sends. Beside it the kernel
//! holds what a peer has not read or we have not taken: no more than the last numbers of `net.ipv4.tcp_wmem`
//! and `tcp_rmem` for a connection, and of `tcp_mem` (in pages) for all of the host. They are the operator's
//! to set, and left as they are: the kernel fits its buffers to each way by itself.

mod config;
mod connection;
mod datagrams;
mod service_address;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

pub use self::config::{KernelConfig, KernelError};

use self::connection::{Connection, Phase};
use self::datagrams::{Datagrams, Unheard};
use self::service_address::ServiceAddress;
use super::access::AccessList;
use super::elapsed::Elapsed;
use super::ethernet::MacAddress;
use super::events::EventQueue;
use super::source_limit::SourceLimit;
use super::sources::Sources;
use super::wheel::Wheel;
use super::{ConnectionId, NetEvent, Transport};
use crate::agent::Watch;
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::sys::epoll::Epoll;
use crate::sys::reuse_port::choose_by_source;
use crate::types::Nanos;

counter_set! {
    /// What the transport counted, for operators.
    pub struct KernelCounters {
        /// Connections that peers opened.
        opened,
        /// Connections and datagrams from outside the allowed networks.
        denied,
        /// Connections refused because all slots are taken.
        refused,
        /// Connections refused because their source has its share.
        source_full,
        /// Connections refused because their source opened too many in a short time.
        source_questions,
        /// Datagrams dropped because their sender was over its rate.
        source_flood,
        /// Connections broken because their peer's address is not allowed any more.
        expelled,
        /// Closed connections whose peer did not part in time.
        linger_expired,
        /// Datagrams sent.
        datagrams,
        /// Datagrams that the kernel would never take.
        datagram_errors,
        /// Datagrams received for the user.
        datagrams_received,
        /// Datagrams received and dropped, because they were too long.
        datagrams_lost,
        /// Times that the kernel did not keep our address for us, where it moves.
        address_errors,
        /// Connections now, those still parting included.
        connections,
    }
}

/// Connections accepted in one duty cycle.
const ACCEPT_MAX: usize = 16;
/// Connections served in one duty cycle.
const SERVE_MAX: usize = 256;
/// Connection requests that the kernel holds for us.
const BACKLOG: i32 = 1024;
/// Time for a peer to part after we closed; less than a turn of the timer wheel.
const LINGER: Nanos = Nanos::from_secs(4);
const LISTENER: u64 = u64::MAX;
const RECEIVER: u64 = u64::MAX - 1;

/// TCP connections and UDP datagrams over the kernel.
pub struct KernelTransport {
    epoll: Epoll,
    listen: SocketAddrV4,
    shards: u8,
    /// None where it is shut.
    listener: Option<TcpListener>,
    /// Who may talk to us, and where a change of it is told.
    access: Arc<AccessList>,
    watch: Option<Watch<AccessList>>,
    /// Where it is, if it moves.
    service: Option<ServiceAddress>,
    datagrams: Datagrams,
    /// Where datagrams are received while it is not shut.
    receive_at: Option<SocketAddrV4>,
    connections: Vec<Connection>,
    free: Vec<u32>,
    /// Connections to serve; each at most once.
    busy: VecDeque<u32>,
    /// When the time to part ends of connections that we closed.
    timers: Wheel,
    sources: Sources,
    source_limit: SourceLimit,
    may_accept: bool,
    clock: Elapsed,
    look_interval: Nanos,
    looks_at: Nanos,
    events: EventQueue,
    counters: KernelCounters,
    published: CounterBlock,
}

impl KernelTransport {
    /// Listens as `config` says, and counts in `published`.
    ///
    /// # Errors
    /// The first socket that the operating system refuses.
    pub fn new(config: &KernelConfig, published: CounterBlock) -> Result<Self, KernelError> {
        let slots = config.connections_max;
        let slot_count = u32::try_from(slots).ok().filter(|&count| count > 0);
        let slot_count = slot_count.ok_or(KernelError::Sizes)?;
        let KernelConfig { connections_per_source_max, rx_buffer_bytes, tx_buffer_bytes, .. } =
            *config;
        let frames = config.frames_per_second_per_source_max;
        let sizes = [connections_per_source_max, rx_buffer_bytes, tx_buffer_bytes, frames as usize];
        if sizes.contains(&0) {
            return Err(KernelError::Sizes);
        }
        let service = config.service.as_ref().map(|(interface, network)| {
            let failed = |source| KernelError::Service { interface: interface.clone(), source };
            ServiceAddress::new(interface, *network).map_err(failed)
        });
        let (mut service, clock) = (service.transpose()?, Elapsed::new());
        let place = (config.listen, config.shards);
        let listener = (!config.shut).then(|| listen(place, service.as_mut(), clock.now()));
        let listener = listener.transpose()?;
        let interface = config.multicast_interface;
        let datagrams = Datagrams::new(interface, config.multicast_ttl)
            .map_err(|source| KernelError::Datagrams { interface, source })?;
        let epoll = Epoll::new().map_err(KernelError::Epoll)?;
        let connection = |_| Connection::new(rx_buffer_bytes, tx_buffer_bytes);
        let receive_at = config.receive_port;
        let mut transport = Self {
            epoll,
            listen: config.listen,
            shards: config.shards,
            listener: None,
            access: Arc::new(AccessList::new(&config.allow, &[])),
            watch: None,
            service,
            datagrams,
            receive_at: receive_at.map(|port| SocketAddrV4::new(*config.listen.ip(), port)),
            connections: (0..slots).map(connection).collect(),
            free: (0..slot_count).rev().collect(),
            busy: VecDeque::with_capacity(slots),
            timers: Wheel::new(slots, clock.now()),
            sources: Sources::new(slots, connections_per_source_max),
            source_limit: SourceLimit::new(frames, connections_per_source_max),
            may_accept: true,
            clock,
            look_interval: config.look_interval,
            looks_at: clock.now(),
            events: EventQueue::new(slots, ACCEPT_MAX),
            counters: KernelCounters::default(),
            published,
        };
        if let Some(listener) = listener {
            transport.attend(listener)?;
        }
        Ok(transport)
    }

    /// Takes connections from `listener`, and datagrams where it should.
    fn attend(&mut self, listener: TcpListener) -> Result<(), KernelError> {
        self.epoll.add(&listener, LISTENER).map_err(KernelError::Epoll)?;
        self.listener = Some(listener);
        self.may_accept = true;
        if let Some(address) = self.receive_at {
            let receiver = self.datagrams.receive_at(address, self.shards);
            let receiver = receiver.map_err(|source| KernelError::Receive { address, source })?;
            self.epoll.add(receiver, RECEIVER).map_err(KernelError::Epoll)?;
        }
        Ok(())
    }

    /// The same, with who may talk to us as `watch` tells it, now and whenever it changes.
    #[must_use]
    pub fn watching(self, watch: Option<Watch<AccessList>>) -> Self {
        Self { watch, ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The operating system's, or that it is shut.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.as_ref().ok_or(ErrorKind::NotConnected)?.local_addr()
    }

    /// Connections now, those still parting included.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len() - self.free.len()
    }

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.slot as usize)?;
        let valid = connection.generation == id.generation && connection.phase == Phase::Open;
        valid.then_some(connection)
    }

    fn learn(&mut self) {
        let (connections, busy) = (&mut self.connections, &mut self.busy);
        let (may_accept, may_receive) = (&mut self.may_accept, &mut self.datagrams.may_receive);
        self.epoll.poll(|token, readiness| match token {
            LISTENER => *may_accept = true,
            RECEIVER => *may_receive = true,
            _ => {
                let slot = u32::try_from(token).expect("tokens are slots");
                let connection = &mut connections[slot as usize];
                connection.ready(readiness);
                mark_busy(connection, slot, busy);
            }
        });
    }

    fn accept(&mut self) -> usize {
        for accepted in 0..ACCEPT_MAX {
            if !self.may_accept || self.events.is_full() {
                return accepted;
            }
            let Some(listener) = &self.listener else { return accepted };
            match listener.accept() {
                Ok((_, SocketAddr::V4(peer))) if !self.access.permits(*peer.ip()) => {
                    self.counters.denied += 1;
                }
                Ok((_, SocketAddr::V4(peer))) if !self.may_ask(*peer.ip()) => {
                    self.counters.source_questions += 1;
                }
                Ok((_, SocketAddr::V4(peer))) if !self.sources.admit(*peer.ip()) => {
                    self.counters.source_full += 1;
                }
                Ok((stream, SocketAddr::V4(peer))) => {
                    let Some(slot) = self.free.pop() else {
                        self.counters.refused += 1;
                        continue;
                    };
                    let prepared = stream
                        .set_nonblocking(true)
                        .and_then(|()| stream.set_nodelay(true))
                        .and_then(|()| self.epoll.add(&stream, u64::from(slot)));
                    if prepared.is_err() {
                        // Broken before it began.
                        self.free.push(slot);
                        continue;
                    }
                    self.counters.opened += 1;
                    let connection = &mut self.connections[slot as usize];
                    connection.open(stream, *peer.ip());
                    self.sources.enter(*peer.ip());
                    let id = connection.id(slot);
                    self.events.push(NetEvent::Opened { connection: id, peer });
                    mark_busy(connection, slot, &mut self.busy);
                }
                Ok((_, SocketAddr::V6(_))) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.may_accept = false,
                // That request is gone, or we are out of descriptors; the next cycle goes on.
                Err(_) => return accepted,
            }
        }
        ACCEPT_MAX
    }

    /// Whether `source` may ask for a connection now.
    fn may_ask(&mut self, source: Ipv4Addr) -> bool {
        self.source_limit.take_question(MacAddress::default(), source, self.clock.now())
    }

    /// Follows a change of who may talk to us: connections of those who may not any more are broken.
    fn follow_access(&mut self) {
        let Some(access) = self.watch.as_mut().and_then(Watch::changed) else { return };
        for slot in 0..u32::try_from(self.connections.len()).unwrap_or(u32::MAX) {
            let connection = &mut self.connections[slot as usize];
            if connection.phase == Phase::Free || access.permits(connection.source) {
                continue;
            }
            self.counters.expelled += 1;
            if connection.phase == Phase::Open {
                self.events.push(NetEvent::Closed(connection.id(slot)));
            }
            connection.abort();
            self.release(slot);
        }
        self.access = access;
    }

    fn serve(&mut self) -> usize {
        let count = self.busy.len().min(SERVE_MAX);
        for _ in 0..count {
            let Some(slot) = self.busy.pop_front() else { break };
            let connection = &mut self.connections[slot as usize];
            connection.busy = false;
            if connection.phase == Phase::Free {
                continue;
            }
            let before = connection.phase;
            if !connection.serve(slot, &mut self.events) {
                self.release(slot);
                continue;
            }
            if connection.wants_service() {
                mark_busy(connection, slot, &mut self.busy);
            }
            if connection.phase != before {
                self.timers.arm(slot, self.clock.now().after(LINGER));
            }
        }
        count
    }

    fn run_timers(&mut self) {
        while let Some(slot) = self.timers.due(self.clock.now()) {
            self.counters.linger_expired += 1;
            self.connections[slot as usize].abort();
            self.release(slot);
        }
    }

    fn release(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        self.sources.leave(connection.source);
        connection.release();
        self.timers.cancel(slot);
        self.free.push(slot);
    }
}

fn mark_busy(connection: &mut Connection, slot: u32, busy: &mut VecDeque<u32>) {
    if !connection.busy {
        connection.busy = true;
        busy.push_back(slot);
    }
}

/// Listens at an address that is here from now on, if it moves.
fn listen(
    (address, shards): (SocketAddrV4, u8),
    service: Option<&mut ServiceAddress>,
    now: Nanos,
) -> Result<TcpListener, KernelError> {
    if let Some(service) = service {
        let interface = service.interface().to_owned();
        service.take(now).map_err(|source| KernelError::Service { interface, source })?;
    }
    listener(address, shards).map_err(|source| KernelError::Listen { address, source })
}

fn listener(address: SocketAddrV4, shards: u8) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_port(shards > 1)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    choose_among(&socket, shards)?;
    Ok(socket.into())
}

/// Has the kernel choose among as many sockets that share a port. Not before it is open: until then each
/// is a group of its own, and the port another's.
fn choose_among(socket: &Socket, shards: u8) -> io::Result<()> {
    if shards > 1 { choose_by_source(socket, shards.into()) } else { Ok(()) }
}

/// Whether nobody listens at an address: among those who share it nobody is told that another does.
///
/// # Errors
/// That somebody does.
pub fn is_free(address: SocketAddrV4) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))
}

impl Transport for KernelTransport {
    fn open(&mut self) -> io::Result<()> {
        if self.listener.is_none() {
            let place = (self.listen, self.shards);
            let listener = listen(place, self.service.as_mut(), self.clock.now());
            listener.and_then(|listener| self.attend(listener)).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn shut(&mut self) {
        self.listener = None;
        self.datagrams.stop_receiving();
        for slot in 0..self.connections.len() {
            // Who is on the way in, or parting, is hung up on too.
            if self.connections[slot].phase != Phase::Free {
                self.connections[slot].abort();
                self.release(u32::try_from(slot).expect("slots are numbered in 32 bits"));
            }
        }
        self.events.clear();
        // Last: those who were hung up on are told so from it.
        if let Some(service) = &mut self.service {
            self.counters.address_errors += u64::from(service.give_up().is_err());
        }
    }

    fn confirm(&mut self) {
        if let Some(service) = &mut self.service {
            let kept = service.keep(self.clock.now());
            self.counters.address_errors += u64::from(kept.is_err());
        }
    }

    fn poll(&mut self, now: Nanos) -> usize {
        self.clock.advance(now);
        self.follow_access();
        self.run_timers();
        if self.events.is_full() {
            return 0;
        }
        if self.clock.now() >= self.looks_at {
            self.looks_at = self.clock.now().after(self.look_interval);
            self.learn();
        }
        self.accept() + self.serve()
    }

    fn next_event(&mut self) -> Option<NetEvent> {
        self.events.pop()
    }

    fn received(&mut self, connection: ConnectionId) -> &[u8] {
        self.connection(connection).map_or(&[], |open| open.received())
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        if let Some(open) = self.connection(connection) {
            open.consume(count);
            // There may be more, which the full buffer kept waiting.
            let open = &mut self.connections[connection.slot as usize];
            mark_busy(open, connection.slot, &mut self.busy);
        }
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let queued = self.connection(connection).is_some_and(|open| open.send(bytes));
        if queued {
            let open = &mut self.connections[connection.slot as usize];
            mark_busy(open, connection.slot, &mut self.busy);
        }
        queued
    }

    fn send_room(&self, connection: ConnectionId) -> usize {
        let open = self.connections.get(connection.slot as usize);
        open.filter(|open| open.generation == connection.generation).map_or(0, Connection::room)
    }

    fn close(&mut self, connection: ConnectionId) {
        if let Some(open) = self.connection(connection) {
            open.close();
            self.timers.arm(connection.slot, self.clock.now().after(LINGER));
            let open = &mut self.connections[connection.slot as usize];
            mark_busy(open, connection.slot, &mut self.busy);
        }
    }

    fn abort(&mut self, connection: ConnectionId) {
        if let Some(open) = self.connection(connection) {
            open.abort();
            self.release(connection.slot);
        }
    }

    fn flush(&mut self, now: Nanos) -> usize {
        self.clock.advance(now);
        self.serve()
    }

    fn publish(&mut self, now: Nanos) {
        if self.published.is_due(now) {
            self.counters.connections = self.connection_count() as u64;
            self.counters.publish(&mut self.published);
        }
    }

    fn send_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) -> bool {
        self.datagrams.send(to, payload, &mut self.counters)
    }

    fn next_datagram(&mut self) -> Option<(SocketAddrV4, &[u8])> {
        let now = self.clock.now();
        let Self { access, source_limit, .. } = self;
        let may_talk = |from: Ipv4Addr| {
            if !access.permits(from) {
                Err(Unheard::Denied)
            } else if !source_limit.take_frame(MacAddress::default(), from, now) {
                Err(Unheard::Flood)
            } else {
                Ok(())
            }
        };
        self.datagrams.next(may_talk, &mut self.counters)
    }
}

/// What an operator wants to know of it.
impl fmt::Debug for KernelTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelTransport").field("counters", &self.counters).finish_non_exhaustive()
    }
}
