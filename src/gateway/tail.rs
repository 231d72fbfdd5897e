//! From the event log to the sessions: what a gateway learns, and what it sends.
//!
//! The log is the only buffer. A session that cannot take its next message now is parked, and reads it
//! from the log when the transport has room; one that has caught up takes messages as they come.

use tracing::{debug, error, info};

use super::connection::{LoginState, Next, Outbound, Turn};
use super::core::{Core, Day, TURNS_PER_CYCLE_MAX};
use super::intake::shard_and_slot;
use super::link::Link;
use crate::agent::{AgentError, WorkResult};
use crate::event_store::{Frame, LogRecord};
use crate::net::Transport;
use crate::types::event::{Event, EventHeader, PortWentUp};
use crate::types::{DownReason, Epoch, Nanos, PortId, PortKind, SessionId};
use crate::wire::soup;

/// Messages read from the log for one session that is behind before the next has its turn.
const CATCH_UP_PER_TURN_MAX: usize = 64;
/// How long a peer is told that its stream is complete.
const END_TIME: Nanos = Nanos::from_secs(15);

/// What came of reading on in the log for a session.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    work: usize,
    /// Messages sent.
    sent: u64,
    /// The next found no room.
    refused: bool,
}

impl Core {
    pub(super) fn take_frame<T: Transport>(
        &mut self,
        frame: &Frame<'_>,
        transport: &mut T,
        now: Nanos,
    ) {
        for record in frame.records().map_while(Result::ok) {
            // Whoever wrote the log is of this version: the engine, in this process or before it.
            let Ok(event) = Event::parse(record.lines) else { continue };
            self.awaits_day &= !matches!(event, Event::DayStarted(_));
            if self.awaits_day {
                continue;
            }
            self.learn(&event, transport, now);
            let Some(header) = EventHeader::view(record.lines) else { continue };
            self.ports.note(header, &event, record.position);
            let of = header.port;
            if header.port_sequence != 0 {
                self.send_live(of, of, &record, &event, transport, now);
            }
            if header.firm_sequence != 0 {
                for copy in 0..self.ports.copies_of(header.firm).len() {
                    let reader = self.ports.copies_of(header.firm)[copy];
                    self.send_live(reader, of, &record, &event, transport, now);
                }
            }
        }
    }

    fn learn<T: Transport>(&mut self, event: &Event<'_>, transport: &mut T, now: Nanos) {
        match event {
            Event::TermStarted(started) => {
                self.begun = started.term;
                self.ready &= self.leads();
            }
            Event::DayStarted(started) => {
                let (session, midnight) = (started.session, started.midnight);
                self.day = Some(Day { session, midnight, open: true });
                for slot in self.slots() {
                    self.begin_end(slot, transport);
                    self.end_at_once(slot, transport);
                }
                self.ports.start_day();
            }
            Event::DayEnded(_) => {
                if let Some(day) = &mut self.day {
                    day.open = false;
                }
                if self.config.serves != PortKind::Admin {
                    for slot in self.slots() {
                        self.begin_end(slot, transport);
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
                if down.reason == DownReason::EndOfSession.byte() {
                    if let Some(slot) = port.slot {
                        self.begin_end(slot, transport);
                    }
                    return;
                }
                let Some(slot) = port.slot.take() else { return };
                if let Some(connection) = self.take_connection(slot) {
                    debug!(peer = %connection.peer, reason = down.reason, "session fenced");
                    connection.link.close(transport);
                }
            }
            _ => {}
        }
    }

    fn port_went_up<T: Transport>(&mut self, up: &PortWentUp, transport: &mut T, now: Nanos) {
        let Some(port) = self.ports.get_mut(up.header.port) else { return };
        port.epoch = up.epoch;
        port.up_at = now;
        self.ports.prepare_streams_of(up.header.port);
        let (shard, slot) = shard_and_slot(up.connection);
        if shard != self.config.shard {
            return;
        }
        let expected = self.slot_of_token(up.connection);
        let expected = expected.and_then(|slot| self.connections[slot as usize].as_mut());
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
        let Some(port) = self.ports.get(up.header.port) else { return };
        connection.outbound.start(next, self.ports.stream_of(port));
        let Some(port) = self.ports.get_mut(up.header.port) else { return };
        port.slot = Some(slot);
        let session = self.day.map_or(SessionId::BLANK, |day| day.session);
        connection.link.accept(session, next, &mut self.peers, transport);
        connection.session.accept(now);
        self.counters.logins += 1;
        if self.lines.sessions.has_room(now) {
            info!(peer = %connection.peer, port = %up.header.port, next, "login accepted");
        }
        self.arm(slot);
        self.lag(slot);
        self.queue(slot);
        // The networks may have changed since the login was taken.
        self.expel_stranger(slot, transport);
    }

    /// Sends what happened `of` a port to the session of port `reader`, if it has caught up.
    fn send_live<T: Transport>(
        &mut self,
        reader: PortId,
        of: PortId,
        record: &LogRecord<'_>,
        event: &Event<'_>,
        transport: &mut T,
        now: Nanos,
    ) {
        let Some(slot) = self.ports.get(reader).and_then(|port| port.slot) else { return };
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        if !connection.outbound.live {
            return;
        }
        let midnight = self.day.map_or(Nanos::ZERO, |day| day.midnight);
        let form = self.ports.form_for(reader, of);
        let packet = self.out.event(form, record, event, midnight);
        let next = connection.outbound.next;
        if connection.link.send(next, &packet, &mut self.peers, transport) {
            connection.outbound.sent();
            connection.session.note_sent(now);
            self.counters.messages_out += 1;
        } else {
            self.park(slot);
        }
    }

    pub(super) fn catch_up<T: Transport>(&mut self, transport: &mut T, now: Nanos) -> usize {
        let mut work = 0;
        for _ in 0..self.lagging.len().min(TURNS_PER_CYCLE_MAX) {
            let Some(token) = self.lagging.pop_front() else { break };
            let Some(slot) = self.slot_of_token(token) else { continue };
            let Some(connection) = &mut self.connections[slot as usize] else { continue };
            connection.turn = Turn::None;
            let LoginState::Up { port, .. } = connection.login else { continue };
            let read = self.catch_up_session(slot, port, transport, now).and_then(|sent| {
                let again = self.send_again(slot, port, transport, now)?;
                Ok(sent + again)
            });
            match read {
                Ok(done) => work += done,
                Err(error) => {
                    // What is wrong with the past of one is no reason to leave the others alone.
                    if self.lines.alarms.has_room(now) {
                        error!(%port, %error, "its events cannot be read: see `rialto log verify`");
                    }
                    self.counters.unreadable += 1;
                    self.disconnect(slot, DownReason::Lost, transport);
                }
            }
            let again = self.peers.again(slot).is_some_and(|again| again.is_due());
            let Some(connection) = &self.connections[slot as usize] else { continue };
            let (live, parked) = (connection.outbound.live, connection.turn == Turn::Parked);
            if live {
                self.end_session(slot, transport);
            }
            if (again || !live) && !parked {
                self.lag(slot);
            }
        }
        work
    }

    fn catch_up_session<T: Transport>(
        &mut self,
        slot: u32,
        port: PortId,
        transport: &mut T,
        now: Nanos,
    ) -> WorkResult {
        let Some(connection) = &mut self.connections[slot as usize] else { return Ok(0) };
        let (link, mut cursor) = (connection.link, std::mem::take(&mut connection.outbound));
        let read = self.read_on(link, port, &mut cursor, u32::MAX, transport);
        let Some(connection) = &mut self.connections[slot as usize] else { return Ok(0) };
        connection.outbound = cursor;
        let Read { work, sent, refused } = read?;
        if sent > 0 {
            connection.session.note_sent(now);
            self.counters.messages_replayed += sent;
        }
        if refused {
            self.park(slot);
        }
        Ok(work)
    }

    /// Sends a peer what it has asked for again.
    fn send_again<T: Transport>(
        &mut self,
        slot: u32,
        port: PortId,
        transport: &mut T,
        now: Nanos,
    ) -> WorkResult {
        let Some(link) = self.connections[slot as usize].as_ref().map(|peer| peer.link) else {
            return Ok(0);
        };
        let Some(again) = self.peers.again(slot).filter(|again| again.is_due()) else {
            return Ok(0);
        };
        let (mut cursor, end) = (std::mem::take(&mut again.cursor), again.end);
        let read = self.read_on(link, port, &mut cursor, end, transport);
        if let Some(again) = self.peers.again(slot) {
            again.cursor = cursor;
        }
        let Read { work, sent, refused } = read?;
        if let Some(connection) = &mut self.connections[slot as usize]
            && sent > 0
        {
            connection.session.note_sent(now);
            self.counters.messages_retransmitted += sent;
        }
        if refused {
            self.park(slot);
        }
        Ok(work)
    }

    /// Sends what the log has of a port's stream from `cursor` on, below message `end`.
    fn read_on<T: Transport>(
        &mut self,
        link: Link,
        port: PortId,
        cursor: &mut Outbound,
        end: u32,
        transport: &mut T,
    ) -> Result<Read, AgentError> {
        let mut read = Read::default();
        let midnight = self.day.map_or(Nanos::ZERO, |day| day.midnight);
        while read.work < CATCH_UP_PER_TURN_MAX && cursor.next < end {
            let Some(stream) = self.ports.stream_mut(port) else { return Ok(read) };
            let position = match cursor.next_position(stream, &mut self.history)? {
                Next::At(position) => position,
                Next::Walking => {
                    read.work += 1;
                    break;
                }
                Next::Live => break,
            };
            let record = self.history.record_at(position)?;
            let event = Event::parse(record.lines)?;
            let of = EventHeader::view(record.lines).map_or(PortId::NONE, |header| header.port);
            let form = self.ports.form_for(port, of);
            let packet = self.out.event(form, &record, &event, midnight);
            if !link.send(cursor.next, &packet, &mut self.peers, transport) {
                read.refused = true;
                break;
            }
            cursor.sent();
            read.work += 1;
            read.sent += 1;
        }
        Ok(read)
    }

    /// The day is over, or a port's part in it: sessions end once the rest of their stream was sent, and logins that are
    /// being decided are refused.
    fn begin_end<T: Transport>(&mut self, slot: u32, transport: &mut T) {
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        match connection.login {
            LoginState::None => {}
            LoginState::Held { .. } | LoginState::Sequencing { .. } => {
                self.reject_login(slot, soup::LoginReject::SessionNotAvailable, transport);
            }
            LoginState::Up { .. } => {
                connection.ending = true;
                self.lag(slot);
            }
        }
    }

    /// Tells a participant whose session id is over so, and closes. A peer is told for a while, so that
    /// it can ask for what it has missed. Others go on.
    fn end_session<T: Transport>(&mut self, slot: u32, transport: &mut T) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        if !connection.ending {
            return;
        }
        match connection.link {
            Link::Udp(peer, _) => {
                if !self.peers.has_ended(peer) {
                    self.end_again(slot, transport);
                }
            }
            link @ Link::Tcp(_) => {
                if link.end_of_session(connection.outbound.next, &mut self.peers, transport) {
                    self.disconnect(slot, DownReason::EndOfSession, transport);
                } else {
                    self.lag(slot);
                }
            }
        }
    }

    /// Tells a peer once more that its stream is complete, or lets it go.
    pub(super) fn end_again<T: Transport>(&mut self, slot: u32, transport: &mut T) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        let since = self.peers.ended_at(slot, self.now);
        if self.now.since(since) >= END_TIME {
            self.disconnect(slot, DownReason::EndOfSession, transport);
        } else {
            connection.link.end_of_session(connection.outbound.next, &mut self.peers, transport);
        }
    }

    /// Another day begins, so what is left of this stream cannot be sent any more: a participant that
    /// has not read it all must not hear that this was all.
    fn end_at_once<T: Transport>(&mut self, slot: u32, transport: &mut T) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        if !connection.ending {
            return;
        }
        if connection.outbound.live {
            connection.link.end_of_session(connection.outbound.next, &mut self.peers, transport);
        }
        self.disconnect(slot, DownReason::EndOfSession, transport);
    }
}
