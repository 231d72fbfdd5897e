//! TLS over another transport: for brokers who come over networks that others read.
//!
//! What the design decides:
//! - It is a transport like any other, so the gateway above it is the same as on the trading network:
//!   sessions, admission, throttles and replay are not written twice. A connection is told of when its
//!   handshake is done; until then it is nobody's, and costs a place among [`HANDSHAKES_MAX`].
//! - It is a front of its own, on kernel sockets, with a port, a thread and sessions of its own: a handshake
//!   costs a signature, some hundred microseconds, for which no order of a co-located broker is to wait.
//!   At most [`HANDSHAKES_PER_CYCLE_MAX`] go on in a duty cycle, so those who trade over TLS do not wait
//!   for strangers either.
//! - rustls, with the primitives of `ring`, speaks TLS 1.2 and 1.3 alone, without renegotiation,
//!   compression, early data or resumption: nothing of a connection outlives it. `aws-lc-rs` would want
//!   `CMake` for its C. The exchange proves who it is; who the broker is, its port and secret say, as
//!   everywhere.
//! - Unlike the other fronts it asks for memory as it goes: rustls does, for each record. But a connection
//!   takes no more than [`BYTES_PER_CONNECTION_MAX`], some 122 KiB, and a handshake no more than
//!   [`BYTES_PER_HANDSHAKE_MAX`], some 82 KiB, beside what the transport below keeps of each,
//!   [`KernelConfig::bytes_per_connection`](super::KernelConfig::bytes_per_connection).
//! - A certificate is read at the start; a new one takes a new start.

mod connection;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;

use self::connection::{Connection, Phase, Step};
use super::events::EventQueue;
use super::wheel::Wheel;
use super::{ConnectionId, NetEvent, Transport};
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::types::Nanos;

/// Handshakes at a time; with one more, the one that began first gives way.
pub const HANDSHAKES_MAX: usize = 256;
/// Handshakes that go on in a duty cycle.
pub const HANDSHAKES_PER_CYCLE_MAX: usize = 2;
/// Time for a handshake: a few times the way around the world and back.
pub const HANDSHAKE_TIME_MAX: Nanos = Nanos::from_secs(3);
/// The most memory that a connection takes between two duty cycles, beside the one below it: what waits for
/// the user and of him, and rustls' part: a record that has come in part in a buffer that grows by doubling,
/// one decrypted, one encrypted that has not left, and keys.
pub const BYTES_PER_CONNECTION_MAX: usize =
    size_of::<Connection>() + connection::BUFFERS_BYTES + (32 + 16 + 16 + 8) * 1024;
/// The same of a handshake: the longest hello that rustls takes, and an answer that has not left.
pub const BYTES_PER_HANDSHAKE_MAX: usize = size_of::<Connection>() + (64 + 16) * 1024;
/// Connections that are read in a duty cycle.
const TURNS_PER_CYCLE_MAX: usize = 64;
/// Events of the transport below that are taken in a duty cycle.
const EVENTS_PER_CYCLE_MAX: usize = 256;
/// Time for what is queued to leave, once we have closed.
const LINGER: Nanos = Nanos::from_secs(2);

/// TLS over `T`.
pub struct Tls<T> {
    transport: T,
    config: Arc<ServerConfig>,
    /// By the slots of the transport below.
    connections: Vec<Option<Box<Connection>>>,
    /// Handshakes in the order in which they began; some are over.
    handshakes: VecDeque<ConnectionId>,
    /// Slots with something to read, each once: those that shake hands, and those that are open.
    shaking: VecDeque<u32>,
    reading: VecDeque<u32>,
    /// Slots with something to send, each once.
    sending: VecDeque<u32>,
    /// When handshakes and partings are over.
    timers: Wheel,
    events: EventQueue,
    now: Nanos,
    counters: TlsCounters,
    published: CounterBlock,
}

counter_set! {
    /// What the TLS front counted.
    pub struct TlsCounters {
        /// Handshakes begun.
        handshakes,
        /// Handshakes that came to their end.
        established,
        /// Handshakes that were none: another protocol, version or cipher, or garbage.
        handshakes_bad,
        /// Handshakes that were not done in time.
        handshakes_slow,
        /// Handshakes that gave way to others that began later.
        handshakes_gave_way,
        /// Handshakes that the peer gave up.
        handshakes_left,
        /// Connections broken because of what came in them later.
        broken,
        /// Connections now, those in handshake included.
        connections,
    }
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates cannot be read.
    #[error("{}: no certificates in PEM, the exchange's own first: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key cannot be read.
    #[error("{}: no private key in PEM: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// They do not belong together.
    #[error("{}: cannot be used with the key in {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The file of certificates.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// What an exchange proves with who it is.
///
/// # Errors
/// [`TlsError`].
pub fn identity(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let unread = |reason: String| TlsError::Certificate { path: certificate.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unread(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unread("it holds none".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::Key { path: key.to_owned(), reason: error.to_string() })?;
    let unfit = |source| TlsError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(certificates, secret)
        .map_err(unfit)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

impl<T: Transport> Tls<T> {
    /// Over `transport`, which has no more than `slots` connections.
    #[must_use]
    pub fn new(
        transport: T,
        slots: usize,
        config: Arc<ServerConfig>,
        published: CounterBlock,
    ) -> Self {
        Self {
            transport,
            config,
            connections: std::iter::repeat_with(|| None).take(slots).collect(),
            handshakes: VecDeque::with_capacity(HANDSHAKES_MAX),
            shaking: VecDeque::with_capacity(slots),
            reading: VecDeque::with_capacity(slots),
            sending: VecDeque::with_capacity(slots),
            timers: Wheel::new(slots, Nanos::ZERO),
            events: EventQueue::new(slots, EVENTS_PER_CYCLE_MAX),
            now: Nanos::ZERO,
            counters: TlsCounters::default(),
            published,
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &TlsCounters {
        &self.counters
    }

    /// The transport below.
    #[must_use]
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    /// The connection a number stands for.
    fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.slot as usize)?.as_deref_mut()?;
        (connection.id == id).then_some(connection)
    }

    /// The same, if the user has it.
    fn open_one(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.get(id).filter(|connection| connection.phase == Phase::Open)
    }

    fn take_events(&mut self) -> usize {
        for taken in 0..EVENTS_PER_CYCLE_MAX {
            if self.events.is_full() {
                return taken;
            }
            let Some(event) = self.transport.next_event() else { return taken };
            match event {
                NetEvent::Opened { connection, peer } => self.begin(connection, peer),
                NetEvent::Readable(id) => self.read_later(id),
                NetEvent::Writable(id) => self.send_later(id),
                NetEvent::Ended(id) => {
                    if let Some(connection) = self.get(id) {
                        connection.has_ended = true;
                        self.read_later(id);
                    }
                }
                NetEvent::Closed(id) => self.lost(id),
            }
        }
        EVENTS_PER_CYCLE_MAX
    }

    /// A connection is there, and its handshake may begin.
    fn begin(&mut self, id: ConnectionId, peer: SocketAddrV4) {
        let Some(place) = self.connections.get_mut(id.slot as usize) else {
            return self.transport.abort(id);
        };
        let Some(connection) = Connection::new(id, peer, &self.config) else {
            return self.transport.abort(id);
        };
        *place = Some(Box::new(connection));
        self.counters.handshakes += 1;
        self.timers.arm(id.slot, self.now.after(HANDSHAKE_TIME_MAX));
        while self.handshakes.len() >= HANDSHAKES_MAX {
            let Some(oldest) = self.handshakes.pop_front() else { break };
            if self.get(oldest).is_some_and(|oldest| oldest.phase == Phase::Handshake) {
                self.counters.handshakes_gave_way += 1;
                self.drop_connection(oldest);
            }
        }
        self.handshakes.push_back(id);
    }

    fn read_later(&mut self, id: ConnectionId) {
        let Some(connection) = self.get(id) else { return };
        let is_shaking = connection.phase == Phase::Handshake;
        if !std::mem::replace(&mut connection.queued.reading, true) {
            let queue = if is_shaking { &mut self.shaking } else { &mut self.reading };
            queue.push_back(id.slot);
        }
    }

    fn send_later(&mut self, id: ConnectionId) {
        let Some(connection) = self.get(id) else { return };
        if !std::mem::replace(&mut connection.queued.sending, true) {
            self.sending.push_back(id.slot);
        }
    }

    /// The connection below broke.
    fn lost(&mut self, id: ConnectionId) {
        let Some(connection) = self.get(id) else { return };
        match connection.phase {
            Phase::Handshake => self.counters.handshakes_left += 1,
            Phase::Open => self.events.push(NetEvent::Closed(id)),
            Phase::Parting => {}
        }
        self.forget(id);
    }

    fn forget(&mut self, id: ConnectionId) {
        self.timers.cancel(id.slot);
        self.connections[id.slot as usize] = None;
    }

    fn drop_connection(&mut self, id: ConnectionId) {
        self.transport.abort(id);
        self.forget(id);
    }

    /// Gives connections their turns to read: few of those in handshake, which are strangers.
    fn read(&mut self) -> usize {
        let shaking = self.shaking.len().min(HANDSHAKES_PER_CYCLE_MAX);
        let reading = self.reading.len().min(TURNS_PER_CYCLE_MAX);
        for _ in 0..shaking {
            if let Some(slot) = self.shaking.pop_front() {
                self.turn(slot);
            }
        }
        for _ in 0..reading {
            if let Some(slot) = self.reading.pop_front() {
                self.turn(slot);
            }
        }
        shaking + reading
    }

    fn turn(&mut self, slot: u32) {
        let Some(connection) = self.connections[slot as usize].as_deref_mut() else { return };
        // Who came into the slot since stands in the queue by his own.
        if !std::mem::replace(&mut connection.queued.reading, false)
            || connection.phase == Phase::Parting
        {
            return;
        }
        let (id, before) = (connection.id, connection.phase);
        let step = connection.read(&mut self.transport);
        let (phase, ended, peer) = (connection.phase, connection.tells_end(), connection.peer);
        let wants_turn = connection.wants_turn();
        if before == Phase::Handshake && phase == Phase::Open {
            self.counters.established += 1;
            self.timers.cancel(slot);
            self.events.push(NetEvent::Opened { connection: id, peer });
        }
        match step {
            Step::Read if phase == Phase::Open => self.events.push(NetEvent::Readable(id)),
            Step::Read | Step::Nothing => {}
            Step::Bad => return self.bad(id, phase),
        }
        if ended {
            match phase {
                Phase::Open => self.events.push(NetEvent::Ended(id)),
                Phase::Handshake => {
                    self.counters.handshakes_left += 1;
                    return self.drop_connection(id);
                }
                Phase::Parting => {}
            }
        }
        self.send_later(id);
        if wants_turn {
            self.read_later(id);
        }
    }

    /// What came is no TLS: the peer is told what is wrong, and hung up on.
    fn bad(&mut self, id: ConnectionId, phase: Phase) {
        match phase {
            Phase::Handshake => self.counters.handshakes_bad += 1,
            Phase::Open | Phase::Parting => self.counters.broken += 1,
        }
        if phase == Phase::Open {
            self.events.push(NetEvent::Closed(id));
        }
        if let Some(connection) = self.connections[id.slot as usize].as_deref_mut() {
            connection.send(&mut self.transport);
        }
        self.transport.close(id);
        self.forget(id);
    }

    fn send_waiting(&mut self) -> usize {
        let count = self.sending.len();
        for _ in 0..count {
            let Some(slot) = self.sending.pop_front() else { break };
            let Some(connection) = self.connections[slot as usize].as_deref_mut() else { continue };
            if !std::mem::replace(&mut connection.queued.sending, false) {
                continue;
            }
            let id = connection.id;
            let has_sent = connection.send(&mut self.transport);
            let is_over = connection.phase == Phase::Parting && connection.has_sent_all();
            if has_sent && connection.phase == Phase::Open {
                self.events.push(NetEvent::Writable(id));
            }
            if is_over {
                self.transport.close(id);
                self.forget(id);
            }
        }
        count
    }

    fn run_timers(&mut self) {
        while let Some(slot) = self.timers.due(self.now) {
            let Some(connection) = self.connections[slot as usize].as_deref() else { continue };
            let (id, phase) = (connection.id, connection.phase);
            if phase == Phase::Handshake {
                self.counters.handshakes_slow += 1;
            }
            if phase != Phase::Open {
                self.drop_connection(id);
            }
        }
    }
}

impl<T: Transport> Transport for Tls<T> {
    fn open(&mut self) -> io::Result<()> {
        self.transport.open()
    }

    fn shut(&mut self) {
        self.transport.shut();
        for slot in 0..self.connections.len() {
            if let Some(connection) = self.connections[slot].take() {
                self.timers.cancel(connection.id.slot);
            }
        }
    }

    fn poll(&mut self, now: Nanos) -> usize {
        self.now = now;
        self.run_timers();
        let below = self.transport.poll(now);
        below + self.take_events() + self.read() + self.send_waiting()
    }

    fn next_event(&mut self) -> Option<NetEvent> {
        self.events.pop()
    }

    fn received(&mut self, connection: ConnectionId) -> &[u8] {
        self.open_one(connection).map_or(&[], |open| open.received())
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        if let Some(open) = self.open_one(connection) {
            open.consume(count);
            // There may be more, which the full buffer kept waiting.
            self.read_later(connection);
        }
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let queued = self.open_one(connection).is_some_and(|open| open.queue(bytes));
        if queued {
            self.send_later(connection);
        }
        queued
    }

    fn send_room(&self, connection: ConnectionId) -> usize {
        let open = self.connections.get(connection.slot as usize).and_then(Option::as_deref);
        let open = open.filter(|open| open.id == connection && open.phase == Phase::Open);
        open.map_or(0, Connection::room)
    }

    fn close(&mut self, connection: ConnectionId) {
        let until = self.now.after(LINGER);
        if let Some(open) = self.open_one(connection) {
            open.part();
            self.timers.arm(connection.slot, until);
            self.send_later(connection);
        }
    }

    fn abort(&mut self, connection: ConnectionId) {
        if self.open_one(connection).is_some() {
            self.drop_connection(connection);
        }
    }

    fn flush(&mut self, now: Nanos) -> usize {
        self.send_waiting() + self.transport.flush(now)
    }

    fn publish(&mut self, now: Nanos) {
        self.transport.publish(now);
        if self.published.is_due(now) {
            self.counters.connections = self.connections.iter().flatten().count() as u64;
            self.counters.publish(&mut self.published);
        }
    }

    fn send_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) -> bool {
        self.transport.send_datagram(to, payload)
    }

    fn next_datagram(&mut self) -> Option<(SocketAddrV4, &[u8])> {
        self.transport.next_datagram()
    }
}

/// What an operator wants to know of it.
impl<T: std::fmt::Debug> std::fmt::Debug for Tls<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("counters", &self.counters)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
