//! From the sessions to the command ring: connections, logins and messages.
//!
//! Nothing is taken from a session that the ring has no room for; what a participant sends behind a
//! login that is not decided stays unread.

use std::net::SocketAddrV4;

use tracing::{debug, info, warn};
use zerocopy::FromZeros as _;

use super::admission::Unheard;
use super::connection::{Connection, LoginState};
use super::core::{Core, TURNS_PER_CYCLE_MAX};
use super::inbound;
use super::link::Link;
use super::ports::Port;
use super::session::{PACKET_LENGTH_MAX, Received, Request, Violation};
use super::throttle::{Throttle, Verdict};
use crate::net::{ConnectionId, NetEvent, Transport};
use crate::types::command::{CommandHeader, PortUp};
use crate::types::{
    self as types, DownReason, Epoch, Nanos, PortId, PortKind, PortSecret, RECORD_LINES_MAX,
    Record, SessionId,
};
use crate::wire::soup;

/// Network events taken in a duty cycle.
const NET_EVENTS_PER_CYCLE_MAX: usize = 64;
/// Messages taken from one session before the next has its turn.
pub(super) const MESSAGES_PER_TURN_MAX: usize = 16;
/// Bytes taken from it, whatever they are: more than so many orders, and than the longest packet.
pub(super) const BYTES_PER_TURN_MAX: usize = 4_096;
/// The longest packet with its length.
const PACKET_BYTES_MAX: usize = size_of::<u16>() + PACKET_LENGTH_MAX;
/// A port that is up is taken over at most this often, so that two clients that both want it do not
/// fill the log with their quarrel.
const TAKEOVER_INTERVAL: Nanos = Nanos::from_millis(250);

impl Core {
    pub(super) fn take_net_events<T: Transport>(&mut self, transport: &mut T, now: Nanos) -> usize {
        for taken in 0..NET_EVENTS_PER_CYCLE_MAX {
            let Some(event) = transport.next_event() else { return taken };
            match event {
                NetEvent::Opened { connection, peer } => self.opened(connection, peer, now),
                NetEvent::Readable(id) => {
                    if let Some(slot) = self.current(id) {
                        self.queue(slot);
                    }
                }
                NetEvent::Writable(id) => {
                    if let Some(slot) = self.current(id) {
                        self.unpark(slot);
                    }
                }
                NetEvent::Ended(id) => self.ended(id),
                NetEvent::Closed(id) => {
                    if let Some(slot) = self.current(id) {
                        self.depart(slot, DownReason::Lost);
                    }
                }
            }
        }
        NET_EVENTS_PER_CYCLE_MAX
    }

    fn opened(&mut self, id: ConnectionId, peer: SocketAddrV4, now: Nanos) {
        let slot = self.slot_of(id);
        self.grow(slot);
        let token = connection_token(self.config.shard, slot, id.generation);
        let throttle = Throttle::new(self.config.messages_per_second_max);
        let connection = Connection::new(Link::Tcp(id), token, peer, throttle, now);
        self.connections[slot as usize] = Some(connection);
        self.arm(slot);
        self.counters.connections += 1;
        debug!(%peer, "connected");
    }

    /// Whole packets that came before the end still count; the connection is closed behind them.
    fn ended(&mut self, id: ConnectionId) {
        let Some(slot) = self.current(id) else { return };
        if let Some(connection) = &mut self.connections[slot as usize] {
            connection.ended = true;
            self.queue(slot);
        }
    }

    pub(super) fn serve_waiting<T: Transport>(&mut self, transport: &mut T, now: Nanos) -> usize {
        let mut work = 0;
        for _ in 0..self.waiting.len().min(TURNS_PER_CYCLE_MAX) {
            let Some(token) = self.waiting.pop_front() else { break };
            let Some(slot) = self.slot_of_token(token) else { continue };
            let Some(connection) = &mut self.connections[slot as usize] else { continue };
            connection.queued = false;
            work += match connection.link {
                Link::Tcp(id) => self.serve(slot, id, transport, now),
                Link::Udp(..) => self.serve_peer(slot, transport, now),
            };
        }
        work
    }

    /// The turn of a session in a connection.
    fn serve<T: Transport>(
        &mut self,
        slot: u32,
        id: ConnectionId,
        transport: &mut T,
        now: Nanos,
    ) -> usize {
        let mut bytes_left = BYTES_PER_TURN_MAX;
        for taken in 0..MESSAGES_PER_TURN_MAX {
            // So that a packet that seems to end later does.
            if bytes_left < PACKET_BYTES_MAX {
                break;
            }
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
            match connection.throttle.verdict(now) {
                Verdict::Read => {}
                // Its timer goes on with it.
                Verdict::Leave { first } => {
                    self.counters.throttled += u64::from(first);
                    self.arm(slot);
                    return taken;
                }
                Verdict::Disconnect => {
                    if self.lines.about(connection).has_room(now) {
                        warn!(peer = %connection.peer, "disconnected: over its limit for too long");
                    }
                    self.counters.floods += 1;
                    // Not in order: what it has sent besides would have to be read first.
                    transport.abort(id);
                    self.depart(slot, DownReason::Violation);
                    return taken;
                }
            }
            if self.commands.room() < RECORD_LINES_MAX {
                self.counters.ring_full += 1;
                self.queue(slot);
                return taken;
            }
            let bytes = transport.received(id);
            let bytes = &bytes[..bytes.len().min(bytes_left)];
            let Received { consumed, packets, request } =
                match connection.session.receive(now, bytes) {
                    Ok(received) => received,
                    Err(violation) => {
                        self.violated(slot, violation, transport);
                        return taken;
                    }
                };
            connection.throttle.spend(packets, now);
            bytes_left -= consumed;
            self.counters.bytes_in += consumed as u64;
            match request {
                None if consumed == 0 => {
                    connection.throttle.has_read_all();
                    if connection.ended {
                        self.disconnect(slot, DownReason::Lost, transport);
                    }
                    return taken;
                }
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
                    let Some(sender) = self.ports.get_mut(port) else { return taken };
                    match inbound::command(sender, message, epoch, now, &mut self.command) {
                        Ok(0) => {}
                        Ok(count) => {
                            if let Some(traces) = &mut self.traces {
                                traces.parsed(port, transport.first_stamp(), now);
                            }
                            let pushed = self.commands.push(&self.command[..count]);
                            pushed.expect("room was checked above");
                            self.counters.messages_in += 1;
                        }
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

    pub(super) fn decide_login<T: Transport>(
        &mut self,
        slot: u32,
        login: &soup::LoginRequest,
        transport: &mut T,
        now: Nanos,
    ) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        let serves = self.config.serves;
        let source = *connection.peer.ip();
        // Without a connection anybody could fill the node's log, or lock out whoever's address he forges.
        let connected = matches!(connection.link, Link::Tcp(_));
        let unheard = self.admission.hear(login.name, source, now).err();
        // Operators come from this machine, where one could lock out all the others.
        if let Some(unheard) = unheard.filter(|_| serves != PortKind::Admin) {
            if connected && self.lines.strangers.has_room(now) {
                info!(peer = %connection.peer, name = %login.name, ?unheard, "login refused");
            }
            match unheard {
                Unheard::BackOff => self.counters.logins_backed_off += 1,
                Unheard::Elsewhere => self.counters.logins_elsewhere += 1,
            }
            return self.reject_login(slot, soup::LoginReject::NotAuthorized, transport);
        }
        let known = self.authorized(login);
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        let Some(port) = known.and_then(|id| self.ports.get(id)) else {
            if connected {
                if self.lines.strangers.has_room(now) {
                    info!(peer = %connection.peer, name = %login.name, "login refused: not authorized");
                }
                self.admission.refused(login.name, source, now);
            }
            return self.reject_login(slot, soup::LoginReject::NotAuthorized, transport);
        };
        self.admission.accepted(login.name, source);
        let session = self.day.map_or(SessionId::BLANK, |day| day.session);
        let open = self.day.is_some_and(|day| day.open) || serves == PortKind::Admin;
        let last = self.ports.stream_of(port).last_sequence();
        let ahead = login.sequence > u64::from(last) + 1;
        if ahead {
            if self.lines.sessions.has_room(now) {
                warn!(peer = %connection.peer, name = %login.name, sequence = login.sequence, last,
                    "login asks for what was never sent");
            }
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
            connection: connection.token,
            source_address: connection.peer.ip().octets(),
            source_port: connection.peer.port(),
            transport: connection.link.transport_code(),
            ..PortUp::new_zeroed()
        };
        if self.commands.push(up.lines()).is_ok() {
            connection.login = LoginState::Sequencing { port: port.id, sequence: login.sequence };
        } else {
            connection.login = LoginState::Held { login: *login, not_before: now };
            self.queue(slot);
        }
    }

    /// The port that a login is for, if it may log in here and knows its secret.
    pub(super) fn authorized(&self, login: &soup::LoginRequest) -> Option<PortId> {
        let is_served = |port: &&Port| match self.config.serves {
            PortKind::OrderEntry => port.kind != PortKind::Admin,
            other => port.kind == other,
        };
        let port = self.ports.named(login.name).filter(is_served)?;
        let secret = PortSecret::from_wire(login.secret);
        self.config.cluster_key.verify(login.name, &secret, &port.verifier).then_some(port.id)
    }

    pub(super) fn reject_login<T: Transport>(
        &mut self,
        slot: u32,
        reason: soup::LoginReject,
        transport: &mut T,
    ) {
        let Some(connection) = self.take_connection(slot) else { return };
        self.counters.logins_rejected += 1;
        connection.link.reject(reason, transport);
    }

    fn violated<T: Transport>(&mut self, slot: u32, violation: Violation, transport: &mut T) {
        if let Some(connection) = &self.connections[slot as usize]
            && self.lines.about(connection).has_room(self.now)
        {
            warn!(peer = %connection.peer, %violation, "disconnected");
        }
        self.counters.violations += 1;
        self.disconnect(slot, DownReason::Violation, transport);
    }
}

/// A connection as the log carries it: shard in the top byte, then 24 bits of the slot's generation,
/// then the slot.
pub(super) fn connection_token(shard: u8, slot: u32, generation: u32) -> types::Connection {
    let generation = u64::from(generation & GENERATION_MASK);
    types::Connection(u64::from(shard) << 56 | generation << 32 | u64::from(slot))
}

pub(super) fn shard_and_slot(token: types::Connection) -> (u8, u32) {
    let bytes = token.0.to_be_bytes();
    (bytes[0], u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]))
}

const GENERATION_MASK: u32 = 0x00FF_FFFF;
