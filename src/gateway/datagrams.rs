//! From datagrams to the command ring: the peers that speak UFO, and what is dropped of what they say.
//!
//! Nothing is kept of a peer before its login was found good, what waits for its turn has a bound, and
//! nothing but a login is answered: whose address stands in a datagram need not have sent it.

use std::net::SocketAddrV4;

use super::connection::{Connection, LoginState};
use super::core::Core;
use super::inbound;
use super::intake::{BYTES_PER_TURN_MAX, MESSAGES_PER_TURN_MAX, connection_token};
use super::link::Link;
use super::throttle::Throttle;
use crate::net::device::RX_BURST_MAX;
use crate::net::{DATAGRAM_BYTES_MAX, Transport};
use crate::types::{DownReason, Nanos, PortId, RECORD_LINES_MAX, SessionId};
use crate::wire::soup;
use crate::wire::ufo::{LoginRequest, RetransmissionRequest, Upstream};

/// Datagrams taken in a duty cycle: all that our stack takes from the device and from other shards, so
/// that nobody's crowd others out there, where they are not told apart.
const DATAGRAMS_PER_CYCLE_MAX: usize = 2 * RX_BURST_MAX;
/// Messages that are sent again for one request.
const AGAIN_PER_REQUEST_MAX: u32 = 512;

/// So that a peer's turn always goes on.
const _: () = assert!(DATAGRAM_BYTES_MAX <= BYTES_PER_TURN_MAX);

impl Core {
    /// Takes what has come in: a login at once, what a session's peer says to wait for its turn.
    pub(super) fn take_datagrams<T: Transport>(&mut self, transport: &mut T, now: Nanos) -> usize {
        if self.peers.slots() == 0 {
            return 0;
        }
        for taken in 0..DATAGRAMS_PER_CYCLE_MAX {
            let Some((from, datagram)) = transport.next_datagram() else { return taken };
            self.counters.datagrams_in += 1;
            self.counters.bytes_in += datagram.len() as u64;
            if let Some(slot) = self.peers.slot_of(from) {
                self.keep_for_turn(slot, datagram);
            } else if let Ok((Upstream::Login(login), _)) = Upstream::parse(datagram) {
                self.log_in(from, login, transport, now);
            } else {
                self.counters.datagrams_of_strangers += 1;
            }
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

    fn keep_for_turn(&mut self, slot: u32, datagram: &[u8]) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        // What is sent behind a login that is not decided is lost.
        let LoginState::Up { .. } = connection.login else { return };
        if datagram.is_empty() {
            return;
        }
        if self.peers.unread(slot).push(datagram) {
            self.queue(slot);
        } else {
            self.counters.datagrams_unread += 1;
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

    /// A peer's turn, in the bounds of a connection's. Of a datagram it reads the messages up to the first
    /// that cannot be read.
    pub(super) fn serve_peer<T: Transport>(
        &mut self,
        slot: u32,
        transport: &mut T,
        now: Nanos,
    ) -> usize {
        let mut bytes_left = BYTES_PER_TURN_MAX;
        for taken in 0..MESSAGES_PER_TURN_MAX {
            let Some(connection) = &mut self.connections[slot as usize] else { return taken };
            let LoginState::Up { port, epoch } = connection.login else { return taken };
            let unread = self.peers.unread(slot);
            let Some(datagram) = unread.first() else { return taken };
            if !connection.throttle.admits(now) {
                self.counters.datagrams_throttled += 1;
                unread.leave(0);
                continue;
            }
            let Ok((message, behind)) = Upstream::parse(datagram) else {
                self.counters.datagrams_refused += 1;
                unread.leave(0);
                continue;
            };
            let (size, left) = (datagram.len() - behind.len(), behind.len());
            if size > bytes_left {
                break;
            }
            if self.commands.room() < RECORD_LINES_MAX {
                self.counters.ring_full += 1;
                break;
            }
            bytes_left -= size;
            connection.throttle.spend(1, now);
            if let Upstream::Login(login) = message {
                unread.leave(0);
                self.log_in_again(slot, port, login, transport, now);
                continue;
            }
            connection.session.note_received(now);
            match message {
                Upstream::Login(_) | Upstream::Heartbeat => unread.leave(left),
                Upstream::Retransmission(request) => {
                    unread.leave(left);
                    self.ask_again(slot, port, request, now);
                }
                Upstream::Logoff => {
                    self.disconnect(slot, DownReason::Logout, transport);
                    return taken;
                }
                Upstream::Unsequenced(message) => {
                    let sender = self.ports.get_mut(port).filter(|_| !connection.ending);
                    let command = sender.map(|sender| {
                        inbound::command(sender, message, epoch, now, &mut self.command)
                    });
                    let Some(Ok(count)) = command else {
                        self.counters.datagrams_refused += 1;
                        unread.leave(0);
                        continue;
                    };
                    unread.leave(left);
                    if count > 0 {
                        let pushed = self.commands.push(&self.command[..count]);
                        pushed.expect("room was checked above");
                        self.counters.messages_in += 1;
                    }
                }
            }
        }
        self.queue(slot);
        MESSAGES_PER_TURN_MAX
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
