//! The gateway's agent: connects sessions, the command ring and the event log.
//!
//! What a session says becomes commands on the ring; what the event log says of a port is sent to its
//! session. The log is the only buffer: a session that cannot take its next message now reads it from
//! the log later. Nothing is sent before the start of this term is in the event log.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use tracing::{debug, info, warn};
use zerocopy::FromZeros as _;

use super::connection::{Connection, LoginState};
use super::outbound::Outgoing;
use super::ports::Ports;
use super::session::{Due, Received, Request, Violation};
use super::{GatewayConfig, GatewayCounters, inbound};
use crate::agent::{Agent, WorkResult};
use crate::counters::{CounterBlock, CounterSet as _};
use crate::event_store::{Frame, LogRecord, Reader};
use crate::net::{ConnectionId, Datagram, NetEvent, Transport};
use crate::ring;
use crate::types::command::{CommandHeader, PortDown, PortUp};
use crate::types::event::{Event, EventHeader, PortWentUp};
use crate::types::{
    self as types, DownReason, Epoch, Line, Nanos, PortId, PortKind, PortSecret, RECORD_LINES_MAX,
    Record, SessionId,
};
use crate::wire::soup;

/// Event frames read in a duty cycle.
const FRAMES_PER_CYCLE_MAX: usize = 8;
/// Network events taken in a duty cycle.
const NET_EVENTS_PER_CYCLE_MAX: usize = 64;
/// Messages taken from one session before the next has its turn.
const MESSAGES_PER_TURN_MAX: usize = 16;
/// Sessions that have their turn in a duty cycle.
const TURNS_PER_CYCLE_MAX: usize = 64;
/// Messages read from the log for one session that is behind before the next has its turn.
const CATCH_UP_PER_TURN_MAX: usize = 64;
/// Datagrams relayed in a duty cycle.
const DATAGRAMS_PER_CYCLE_MAX: usize = 32;
/// How often the sessions' timers are looked at.
const TIMER_SCAN_INTERVAL: Nanos = Nanos::from_millis(50);
/// A port that is up is taken over at most this often, so that two clients that both want it do not
/// fill the log with their quarrel.
const TAKEOVER_INTERVAL: Nanos = Nanos::from_millis(250);

/// The stage between sessions and the logs.
#[derive(Debug)]
pub struct Gateway<T: Transport> {
    transport: T,
    /// Datagrams of other stages that leave through this gateway's device.
    datagrams: Option<ring::Consumer>,
    tail: Reader,
    core: Core,
    published: CounterBlock,
}

/// Everything but the transport and the tail, so that both can be read while this changes.
#[derive(Debug)]
struct Core {
    config: GatewayConfig,
    commands: ring::Producer,
    history: Reader,
    ports: Ports,
    day: Option<Day>,
    connections: Vec<Option<Connection>>,
    /// Slots with unread input, each once.
    waiting: VecDeque<u32>,
    /// Slots of sessions that read the log to catch up, or that end when they have; each once.
    lagging: VecDeque<u32>,
    /// Sessions whose end the log does not know yet.
    departures: VecDeque<(PortId, Epoch, DownReason)>,
    ready: bool,
    timers_at: Nanos,
    out: Outgoing,
    command: [Line; RECORD_LINES_MAX],
    counters: GatewayCounters,
}

#[derive(Clone, Copy, Debug)]
struct Day {
    session: SessionId,
    midnight: Nanos,
    open: bool,
}

impl<T: Transport> Gateway<T> {
    /// Serves the ports of `config` over `transport`. `tail` and `history` read the same event log.
    #[must_use]
    pub fn new(
        config: GatewayConfig,
        transport: T,
        commands: ring::Producer,
        datagrams: Option<ring::Consumer>,
        tail: Reader,
        history: Reader,
        published: CounterBlock,
    ) -> Self {
        let core = Core {
            config,
            commands,
            history,
            ports: Ports::default(),
            day: None,
            connections: Vec::new(),
            waiting: VecDeque::new(),
            lagging: VecDeque::new(),
            departures: VecDeque::new(),
            ready: false,
            timers_at: Nanos::ZERO,
            out: Outgoing::new(),
            command: [Line::ZERO; RECORD_LINES_MAX],
            counters: GatewayCounters::default(),
        };
        Self { transport, datagrams, tail, core, published }
    }

    fn publish(&mut self, now: Nanos) {
        self.transport.publish(now);
        if self.published.is_due(now) {
            self.core.counters.ring_lines = self.core.commands.waiting() as u64;
            self.core.counters.publish(&mut self.published);
        }
    }

    fn relay_datagrams(&mut self) -> usize {
        let Some(ring) = &mut self.datagrams else { return 0 };
        for sent in 0..DATAGRAMS_PER_CYCLE_MAX {
            let Some(message) = ring.peek() else { return sent };
            if let Some((to, payload)) = Datagram::read(message)
                && !self.transport.send_datagram(to, payload)
            {
                return sent;
            }
            ring.pop();
        }
        DATAGRAMS_PER_CYCLE_MAX
    }
}

impl<T: Transport + std::fmt::Debug> Agent for Gateway<T> {
    fn name(&self) -> &'static str {
        match self.core.config.serves {
            PortKind::Admin => "admin",
            PortKind::OrderEntry | PortKind::DropCopy => "order_entry",
        }
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let mut work = 0;
        for _ in 0..FRAMES_PER_CYCLE_MAX {
            let Some(frame) = self.tail.next_frame()? else { break };
            self.core.take_frame(&frame, &mut self.transport, now);
            work += 1;
        }
        if !self.core.ready {
            return Ok(work);
        }
        work += self.transport.poll(now);
        work += self.core.take_net_events(&mut self.transport, now);
        work += self.core.serve_waiting(&mut self.transport, now);
        work += self.core.catch_up(&mut self.transport, now)?;
        work += self.core.report_departures(now);
        work += self.relay_datagrams();
        self.core.scan_timers(&mut self.transport, now);
        work += self.transport.flush(now);
        self.publish(now);
        Ok(work)
    }

    fn on_close(&mut self) {
        for connection in self.core.connections.iter_mut().filter_map(Option::take) {
            self.transport.close(connection.id);
        }
        self.relay_datagrams();
        self.transport.flush(self.core.timers_at);
        self.publish(Nanos::MAX);
        info!(gateway = self.name(), counters = ?self.core.counters, "closed");
    }
}

impl Core {
    // What the event log says.

    fn take_frame<T: Transport>(&mut self, frame: &Frame<'_>, transport: &mut T, now: Nanos) {
        for record in frame.records().map_while(Result::ok) {
            // A kind of a later version is none of this gateway's business.
            let Ok(event) = Event::parse(record.lines) else { continue };
            self.learn(&event, transport, now);
            let Some(header) = EventHeader::view(record.lines) else { continue };
            if header.port_sequence == 0 {
                continue;
            }
            let Some(port) = self.ports.get_mut(header.port) else { continue };
            port.stream.note(header.port_sequence, record.position, header.port_distance);
            if let Some(slot) = port.slot {
                self.send_live(slot, &record, &event, transport, now);
            }
        }
    }

    fn learn<T: Transport>(&mut self, event: &Event<'_>, transport: &mut T, now: Nanos) {
        match event {
            Event::TermStarted(started) => {
                self.ready = started.term == self.config.term;
                if self.ready {
                    info!(term = started.term, serves = ?self.config.serves, "gateway ready");
                }
            }
            Event::DayStarted(started) => {
                let (session, midnight) = (started.session, started.midnight);
                self.day = Some(Day { session, midnight, open: true });
                for slot in self.slots() {
                    self.end_session(slot, transport);
                }
                self.ports.start_day();
            }
            Event::DayEnded(_) => {
                if let Some(day) = &mut self.day {
                    day.open = false;
                }
                if self.config.serves != PortKind::Admin {
                    for slot in self.slots() {
                        if let Some(connection) = &mut self.connections[slot as usize] {
                            connection.ending = true;
                            self.lag(slot);
                        }
                    }
                }
            }
            Event::PortDefined(defined) => self.ports.define(defined),
            Event::PortWentUp(up) => self.port_went_up(up, transport, now),
            Event::PortWentDown(down) => {
                let Some(port) = self.ports.get_mut(down.header.port) else { return };
                if port.epoch != down.epoch {
                    return;
                }
                port.epoch = Epoch::NONE;
                let Some(slot) =
                    port.slot.take_if(|_| down.reason != DownReason::EndOfSession.byte())
                else {
                    return;
                };
                if let Some(connection) = self.take_connection(slot) {
                    debug!(peer = %connection.peer, reason = down.reason, "session fenced");
                    transport.close(connection.id);
                }
            }
            _ => {}
        }
    }

    fn port_went_up<T: Transport>(&mut self, up: &PortWentUp, transport: &mut T, now: Nanos) {
        let Some(port) = self.ports.get_mut(up.header.port) else { return };
        port.epoch = up.epoch;
        port.up_at = now;
        let (shard, slot) = shard_and_slot(up.connection);
        if shard != self.config.shard {
            return;
        }
        let connection = self.connections.get_mut(slot as usize).and_then(Option::as_mut);
        let expected =
            connection.filter(|connection| connection_token(shard, connection.id) == up.connection);
        let Some((connection, sequence)) = expected.and_then(|connection| match connection.login {
            LoginState::Sequencing { port, sequence } if port == up.header.port => {
                Some((connection, sequence))
            }
            _ => None,
        }) else {
            // The participant left while its login was in the log.
            if self.ready {
                self.departures.push_back((up.header.port, up.epoch, DownReason::Lost));
            }
            return;
        };
        let next = match u32::try_from(sequence) {
            Ok(0) | Err(_) => up.next_sequence,
            Ok(asked) => asked,
        };
        connection.login = LoginState::Up { port: up.header.port, epoch: up.epoch };
        connection.outbound.start(next, &port.stream);
        port.slot = Some(slot);
        let session = self.day.map_or(SessionId::BLANK, |day| day.session);
        let accepted = soup::LoginAccepted { session, sequence: u64::from(next) };
        transport.send(connection.id, &accepted.emit());
        connection.session.accept(now);
        self.counters.logins += 1;
        info!(peer = %connection.peer, port = %up.header.port, next, "login accepted");
        self.lag(slot);
        self.queue(slot);
    }

    // What is sent.

    fn send_live<T: Transport>(
        &mut self,
        slot: u32,
        record: &LogRecord<'_>,
        event: &Event<'_>,
        transport: &mut T,
        now: Nanos,
    ) {
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        if !connection.outbound.live {
            return;
        }
        let midnight = self.day.map_or(Nanos::ZERO, |day| day.midnight);
        let packet = self.out.event(self.config.serves, record, event, midnight);
        if transport.send(connection.id, packet) {
            connection.outbound.sent();
            connection.session.note_sent(now);
            self.counters.messages_out += 1;
        } else {
            connection.outbound.live = false;
            self.lag(slot);
        }
    }

    fn catch_up<T: Transport>(&mut self, transport: &mut T, now: Nanos) -> WorkResult {
        let mut work = 0;
        for _ in 0..self.lagging.len().min(TURNS_PER_CYCLE_MAX) {
            let Some(slot) = self.lagging.pop_front() else { break };
            let Some(connection) = &mut self.connections[slot as usize] else { continue };
            connection.lagging = false;
            let LoginState::Up { port, .. } = connection.login else {
                if connection.ending {
                    self.end_session(slot, transport);
                }
                continue;
            };
            work += self.catch_up_session(slot, port, transport, now)?;
            let Some(connection) = &self.connections[slot as usize] else { continue };
            if !connection.outbound.live {
                self.lag(slot);
            } else if connection.ending {
                self.end_session(slot, transport);
            }
        }
        Ok(work)
    }

    fn catch_up_session<T: Transport>(
        &mut self,
        slot: u32,
        port: PortId,
        transport: &mut T,
        now: Nanos,
    ) -> WorkResult {
        let Some(connection) = &mut self.connections[slot as usize] else { return Ok(0) };
        let Some(port) = self.ports.get(port) else { return Ok(0) };
        let midnight = self.day.map_or(Nanos::ZERO, |day| day.midnight);
        for sent in 0..CATCH_UP_PER_TURN_MAX {
            let next = connection.outbound.next_position(&port.stream, &mut self.history)?;
            let Some(position) = next else { return Ok(sent) };
            let record = self.history.record_at(position)?;
            let event = Event::parse(record.lines)?;
            let packet = self.out.event(self.config.serves, &record, &event, midnight);
            if !transport.send(connection.id, packet) {
                return Ok(sent);
            }
            connection.outbound.sent();
            connection.session.note_sent(now);
            self.counters.messages_replayed += 1;
        }
        Ok(CATCH_UP_PER_TURN_MAX)
    }

    /// Tells the participant that its session id is over, and closes.
    fn end_session<T: Transport>(&mut self, slot: u32, transport: &mut T) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        transport.send(connection.id, &soup::END_OF_SESSION);
        self.disconnect(slot, DownReason::EndOfSession, transport);
    }

    // What participants say.

    fn take_net_events<T: Transport>(&mut self, transport: &mut T, now: Nanos) -> usize {
        for taken in 0..NET_EVENTS_PER_CYCLE_MAX {
            let Some(event) = transport.next_event() else { return taken };
            match event {
                NetEvent::Opened { connection, peer } => self.opened(connection, peer, now),
                NetEvent::Readable(id) => {
                    if self.current(id).is_some() {
                        self.queue(id.slot);
                    }
                }
                NetEvent::Writable(_) => {}
                NetEvent::Closed(id) => {
                    if self.current(id).is_some() {
                        self.depart(id.slot, DownReason::Lost);
                    }
                }
            }
        }
        NET_EVENTS_PER_CYCLE_MAX
    }

    fn opened(&mut self, id: ConnectionId, peer: SocketAddrV4, now: Nanos) {
        let slot = id.slot as usize;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
        }
        self.connections[slot] = Some(Connection::new(id, peer, now));
        self.counters.connections += 1;
        debug!(%peer, "connected");
    }

    fn serve_waiting<T: Transport>(&mut self, transport: &mut T, now: Nanos) -> usize {
        let mut work = 0;
        for _ in 0..self.waiting.len().min(TURNS_PER_CYCLE_MAX) {
            let Some(slot) = self.waiting.pop_front() else { break };
            if let Some(connection) = &mut self.connections[slot as usize] {
                connection.queued = false;
                work += self.serve(slot, transport, now);
            }
        }
        work
    }

    /// One session's turn.
    fn serve<T: Transport>(&mut self, slot: u32, transport: &mut T, now: Nanos) -> usize {
        for taken in 0..MESSAGES_PER_TURN_MAX {
            let Some(connection) = &mut self.connections[slot as usize] else { return taken };
            if let LoginState::Sequencing { .. } = connection.login {
                return taken; // what follows stays unread until the login is decided
            }
            if let LoginState::Held { login, not_before } = connection.login {
                if now >= not_before {
                    self.decide_login(slot, &login, transport, now);
                } else {
                    self.queue(slot);
                }
                return taken;
            }
            if self.commands.room() < RECORD_LINES_MAX {
                self.counters.ring_full += 1;
                self.queue(slot);
                return taken;
            }
            let bytes = transport.received(connection.id);
            let Received { consumed, request } = match connection.session.receive(now, bytes) {
                Ok(received) => received,
                Err(violation) => {
                    self.violated(slot, violation, transport);
                    return taken;
                }
            };
            let id = connection.id;
            match request {
                None if consumed == 0 => return taken,
                None => transport.consume(id, consumed),
                Some(Request::Login(login)) => {
                    transport.consume(id, consumed);
                    self.decide_login(slot, &login, transport, now);
                }
                Some(Request::Logout) => {
                    self.disconnect(slot, DownReason::Logout, transport);
                    return taken;
                }
                Some(Request::Message(message)) => {
                    let LoginState::Up { port, epoch } = connection.login else { return taken };
                    let (serves, lines) = (self.config.serves, &mut self.command);
                    match inbound::command(serves, message, port, epoch, now, lines) {
                        Ok(Some(count)) => {
                            let pushed = self.commands.push(&self.command[..count]);
                            pushed.expect("room was checked above");
                            self.counters.messages_in += 1;
                        }
                        Ok(None) => self.counters.messages_ignored += 1,
                        Err(violation) => {
                            self.violated(slot, violation, transport);
                            return taken;
                        }
                    }
                    transport.consume(id, consumed);
                }
            }
        }
        self.queue(slot);
        MESSAGES_PER_TURN_MAX
    }

    fn decide_login<T: Transport>(
        &mut self,
        slot: u32,
        login: &soup::LoginRequest,
        transport: &mut T,
        now: Nanos,
    ) {
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        let (serves, key) = (self.config.serves, &self.config.cluster_key);
        let known = self.ports.named(login.name).filter(|port| {
            let secret = PortSecret::from_wire(login.secret);
            port.kind == serves && key.verify(login.name, &secret, &port.verifier)
        });
        let Some(port) = known else {
            info!(peer = %connection.peer, name = %login.name, "login refused: not authorized");
            return self.reject_login(slot, soup::LoginReject::NotAuthorized, transport);
        };
        let session = self.day.map_or(SessionId::BLANK, |day| day.session);
        let open = self.day.is_some_and(|day| day.open) || serves == PortKind::Admin;
        let ahead = login.sequence > u64::from(port.stream.last_sequence()) + 1;
        if ahead {
            warn!(peer = %connection.peer, name = %login.name, sequence = login.sequence,
                last = port.stream.last_sequence(), "login asks for what was never sent");
            self.counters.sequence_alarms += 1;
        }
        if !open || ahead || (login.session != SessionId::BLANK && login.session != session) {
            return self.reject_login(slot, soup::LoginReject::SessionNotAvailable, transport);
        }
        let not_before = port.up_at.after(TAKEOVER_INTERVAL);
        if !port.epoch.is_none() && now < not_before {
            connection.login = LoginState::Held { login: *login, not_before };
            return self.queue(slot);
        }
        let up = PortUp {
            header: CommandHeader::new::<PortUp>(port.id, Epoch::NONE, now),
            connection: connection_token(self.config.shard, connection.id),
            source_address: connection.peer.ip().octets(),
            source_port: connection.peer.port(),
            transport: b'T',
            ..PortUp::new_zeroed()
        };
        if self.commands.push(up.lines()).is_ok() {
            connection.login = LoginState::Sequencing { port: port.id, sequence: login.sequence };
        } else {
            connection.login = LoginState::Held { login: *login, not_before: now };
            self.queue(slot);
        }
    }

    fn reject_login<T: Transport>(
        &mut self,
        slot: u32,
        reason: soup::LoginReject,
        transport: &mut T,
    ) {
        let Some(connection) = self.take_connection(slot) else { return };
        self.counters.logins_rejected += 1;
        transport.send(connection.id, &reason.emit());
        transport.close(connection.id);
    }

    fn violated<T: Transport>(&mut self, slot: u32, violation: Violation, transport: &mut T) {
        if let Some(connection) = &self.connections[slot as usize] {
            warn!(peer = %connection.peer, %violation, "disconnected");
        }
        self.counters.violations += 1;
        self.disconnect(slot, DownReason::Violation, transport);
    }

    // How sessions end.

    fn disconnect<T: Transport>(&mut self, slot: u32, reason: DownReason, transport: &mut T) {
        if let Some(connection) = &self.connections[slot as usize] {
            transport.close(connection.id);
        }
        self.depart(slot, reason);
    }

    /// Forgets a connection, and lets the log know if a session was up on it.
    fn depart(&mut self, slot: u32, reason: DownReason) {
        let Some(connection) = self.take_connection(slot) else { return };
        let LoginState::Up { port, epoch } = connection.login else { return };
        if let Some(port) = self.ports.get_mut(port)
            && port.slot == Some(slot)
        {
            port.slot = None;
        }
        info!(peer = %connection.peer, %port, ?reason, "session ended");
        self.departures.push_back((port, epoch, reason));
    }

    fn report_departures(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while let Some(&(port, epoch, reason)) = self.departures.front() {
            let header = CommandHeader::new::<PortDown>(port, epoch, now);
            let down = PortDown { header, reason: reason.byte(), reserved: [0; 39] };
            if self.commands.push(down.lines()).is_err() {
                break;
            }
            self.departures.pop_front();
            work += 1;
        }
        work
    }

    fn scan_timers<T: Transport>(&mut self, transport: &mut T, now: Nanos) {
        if now < self.timers_at {
            return;
        }
        self.timers_at = now.after(TIMER_SCAN_INTERVAL);
        for slot in self.slots() {
            let Some(connection) = &mut self.connections[slot as usize] else { continue };
            match connection.session.due(now) {
                None => {}
                Some(Due::Heartbeat) => {
                    transport.send(connection.id, &soup::SERVER_HEARTBEAT);
                    connection.session.note_sent(now);
                }
                Some(Due::Dead) => {
                    self.counters.silent += 1;
                    self.disconnect(slot, DownReason::Lost, transport);
                }
            }
        }
    }

    // Connections by slot.

    fn current(&self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.connections.get(id.slot as usize)?.as_ref()?;
        (connection.id == id).then_some(connection)
    }

    fn take_connection(&mut self, slot: u32) -> Option<Connection> {
        self.connections.get_mut(slot as usize)?.take()
    }

    fn queue(&mut self, slot: u32) {
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        if !connection.queued {
            connection.queued = true;
            self.waiting.push_back(slot);
        }
    }

    fn lag(&mut self, slot: u32) {
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        if !connection.lagging {
            connection.lagging = true;
            self.lagging.push_back(slot);
        }
    }

    fn slots(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.connections.len()).expect("slots are numbered in 32 bits")
    }
}

/// A connection as the log carries it: shard in the top byte, then 24 bits of the slot's generation,
/// then the slot.
fn connection_token(shard: u8, id: ConnectionId) -> types::Connection {
    let generation = u64::from(id.generation & GENERATION_MASK);
    types::Connection(u64::from(shard) << 56 | generation << 32 | u64::from(id.slot))
}

fn shard_and_slot(token: types::Connection) -> (u8, u32) {
    let bytes = token.0.to_be_bytes();
    (bytes[0], u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]))
}

const GENERATION_MASK: u32 = 0x00FF_FFFF;
