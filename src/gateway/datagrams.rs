//! From datagrams to the command ring: the peers that speak UFO, and what is dropped of what they say.
//!
//! Nothing is kept of a peer before its login was found good, nothing waits to be read again, and nothing
//! but a login is answered: whose address stands in a datagram need not have sent it.

use std::net::SocketAddrV4;

use super::connection::{Connection, LoginState};
use super::core::Core;
use super::inbound;
use super::intake::connection_token;
use super::link::Link;
use super::throttle::Throttle;
use crate::net::Transport;
use crate::types::{DownReason, Nanos, PortId, RECORD_LINES_MAX, SessionId};
use crate::wire::soup;
use crate::wire::ufo::{LoginRequest, RetransmissionRequest, Upstream};

/// Datagrams read in a duty cycle.
const DATAGRAMS_PER_CYCLE_MAX: usize = 64;
/// Messages read of a datagram: more than it has orders.
const MESSAGES_PER_DATAGRAM_MAX: usize = 128;
/// Messages that are sent again for one request.
const AGAIN_PER_REQUEST_MAX: u32 = 512;

impl Core {
    pub(super) fn take_datagrams<T: Transport>(&mut self, transport: &mut T, now: Nanos) -> usize {
        if self.peers.slots() == 0 {
            return 0;
        }
        for taken in 0..DATAGRAMS_PER_CYCLE_MAX {
            // What finds no room in the ring waits in the transport, and is lost there.
            if self.commands.room() < MESSAGES_PER_DATAGRAM_MAX * RECORD_LINES_MAX {
                self.counters.ring_full += 1;
                return taken;
            }
            let Some((from, payload)) = transport.next_datagram() else { return taken };
            let size = payload.len();
            let mut buffer = std::mem::take(&mut self.datagram);
            buffer[..size].copy_from_slice(payload);
            self.counters.datagrams_in += 1;
            self.counters.bytes_in += size as u64;
            match self.peers.slot_of(from) {
                Some(slot) => self.take_from_peer(slot, &buffer[..size], transport, now),
                None => self.take_from_stranger(from, &buffer[..size], transport, now),
            }
            self.datagram = buffer;
        }
        DATAGRAMS_PER_CYCLE_MAX
    }

    /// Sends all messages that were taken for peers.
    pub(super) fn send_datagrams<T: Transport>(&mut self, transport: &mut T) {
        for _ in 0..self.peers.unsent() {
            if let Some(slot) = self.peers.send_next(transport) {
                self.unpark(slot);
            }
        }
    }

    fn take_from_stranger<T: Transport>(
        &mut self,
        from: SocketAddrV4,
        datagram: &[u8],
        transport: &mut T,
        now: Nanos,
    ) {
        match Upstream::parse(datagram) {
            Ok((Upstream::Login(login), _)) => self.log_in(from, login, transport, now),
            _ => self.counters.datagrams_of_strangers += 1,
        }
    }

    /// A peer without a session logs in. If that cannot be decided now, its repetition will be.
    fn log_in<T: Transport>(
        &mut self,
        from: SocketAddrV4,
        login: LoginRequest,
        transport: &mut T,
        now: Nanos,
    ) {
        if !self.peers.logins.take(now) {
            self.counters.logins_dropped += 1;
            return;
        }
        let Some((slot, generation)) = self.peers.open(from) else {
            self.counters.logins_dropped += 1;
            return;
        };
        let token = connection_token(self.config.shard, slot, generation);
        let throttle = Throttle::new(self.config.messages_per_second_max);
        let mut connection = Connection::new(Link::Udp(slot, from), token, from, throttle, now);
        connection.session.note_login();
        self.connections[slot as usize] = Some(connection);
        self.decide_login(slot, &as_in_soup(login), transport, now);
        let Some(connection) = &self.connections[slot as usize] else { return };
        if let LoginState::Sequencing { .. } = connection.login {
            self.arm(slot);
        } else {
            self.counters.logins_dropped += 1;
            self.take_connection(slot);
        }
    }

    /// Reads the messages of a datagram up to the first that cannot be read.
    fn take_from_peer<T: Transport>(
        &mut self,
        slot: u32,
        datagram: &[u8],
        transport: &mut T,
        now: Nanos,
    ) {
        let mut rest = datagram;
        for _ in 0..MESSAGES_PER_DATAGRAM_MAX {
            if rest.is_empty() {
                return;
            }
            let Some(connection) = &mut self.connections[slot as usize] else { return };
            if !connection.throttle.admits(now) {
                self.counters.datagrams_throttled += 1;
                return;
            }
            let Ok((message, behind)) = Upstream::parse(rest) else {
                self.counters.datagrams_refused += 1;
                return;
            };
            rest = behind;
            connection.throttle.spend(1, now);
            // What is sent behind a login that is not decided is lost.
            let LoginState::Up { port, .. } = connection.login else { return };
            if let Upstream::Login(login) = message {
                return self.log_in_again(slot, port, login, transport, now);
            }
            connection.session.note_received(now);
            match message {
                Upstream::Login(_) | Upstream::Heartbeat => {}
                Upstream::Retransmission(request) => self.ask_again(slot, port, request, now),
                Upstream::Logoff => {
                    return self.disconnect(slot, DownReason::Logout, transport);
                }
                Upstream::Unsequenced(message) => {
                    if !self.take_message(slot, message, now) {
                        self.counters.datagrams_refused += 1;
                        return;
                    }
                }
            }
        }
    }

    /// Whether a message was one.
    fn take_message(&mut self, slot: u32, message: &[u8], now: Nanos) -> bool {
        let Some(connection) = &self.connections[slot as usize] else { return false };
        let LoginState::Up { port, epoch } = connection.login else { return false };
        if connection.ending {
            return false;
        }
        let Some(port) = self.ports.get_mut(port) else { return false };
        let Ok(count) = inbound::command(port, message, epoch, now, &mut self.command) else {
            return false;
        };
        if count == 0 {
            return true;
        }
        let pushed = self.commands.push(&self.command[..count]);
        pushed.expect("room was checked for a whole datagram");
        self.counters.messages_in += 1;
        true
    }

    /// A peer that has a session logs in. If it is the same login, the answer was lost, or the peer was;
    /// with another port's it begins anew. A wrong one is somebody else's.
    fn log_in_again<T: Transport>(
        &mut self,
        slot: u32,
        port: PortId,
        login: LoginRequest,
        transport: &mut T,
        now: Nanos,
    ) {
        let Some(asked) = self.authorized(&as_in_soup(login)) else {
            self.counters.datagrams_refused += 1;
            return;
        };
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        let session = self.day.map_or(SessionId::BLANK, |day| day.session);
        if asked != port {
            let peer = connection.peer;
            self.depart(slot, DownReason::Lost);
            return self.log_in(peer, login, transport, now);
        }
        if login.session != SessionId::BLANK && login.session != session {
            self.counters.datagrams_refused += 1;
            return;
        }
        connection.session.note_received(now);
        let next = connection.outbound.next;
        connection.link.accept(session, next, &mut self.peers, transport);
    }

    /// A peer asks for messages again: they are sent by turns, like all that is read from the log.
    fn ask_again(&mut self, slot: u32, port: PortId, request: RetransmissionRequest, now: Nanos) {
        let Some(port) = self.ports.get(port) else { return };
        let stream = self.ports.stream_of(port);
        let RetransmissionRequest { sequence, count } = request;
        let next = stream.last_sequence() + 1;
        if sequence == 0 || count == 0 || sequence >= next {
            self.counters.sequence_alarms += u64::from(sequence > next);
            return;
        }
        let Some(again) = self.peers.again(slot) else { return };
        if !again.limit.has_room(now) {
            self.counters.retransmissions_refused += 1;
            return;
        }
        let count = u32::from(count).min(AGAIN_PER_REQUEST_MAX).min(next - sequence);
        again.limit.spend(count.into(), now);
        // Who asks for what comes next anyway goes on where the last answer ended.
        if again.cursor.next != sequence {
            again.cursor.start(sequence, stream);
        }
        again.end = sequence + count;
        self.lag(slot);
    }
}

/// A login in the terms in which it is decided: nothing that was said before is asked for by it.
fn as_in_soup(login: LoginRequest) -> soup::LoginRequest {
    let LoginRequest { name, mut secret, session } = login;
    secret.make_ascii_uppercase();
    soup::LoginRequest {
        name: name.upper(),
        secret,
        session,
        sequence: 0,
        heartbeat_timeout_ms: None,
    }
}
