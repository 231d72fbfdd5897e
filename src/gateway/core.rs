//! What a gateway keeps, and how its sessions end.
//!
//! `tail` changes it by what the event log says, `intake` and `datagrams` by what participants say.

use std::collections::VecDeque;

use tracing::info;

use super::admission::Admission;
use super::connection::{Connection, LoginState, Turn};
use super::intake::shard_and_slot;
use super::lines::Lines;
use super::link::Link;
use super::outbound::Outgoing;
use super::peers::Peers;
use super::ports::Ports;
use super::session::Due;
use super::traces::Traces;
use super::{GatewayConfig, GatewayCounters};
use crate::event_store::Reader;
use crate::net::{ConnectionId, Transport, Wheel};
use crate::ring;
use crate::types::command::{CommandHeader, PortDown};
use crate::types::{
    self, DownReason, Epoch, Line, Nanos, PortId, RECORD_LINES_MAX, Record, SessionId, Standing,
};

/// Sessions that have their turn in a duty cycle, in each direction.
pub(super) const TURNS_PER_CYCLE_MAX: usize = 64;
/// Sessions whose timers run in a duty cycle.
const TIMERS_PER_CYCLE_MAX: usize = 64;
/// How often a session that was left unread is looked at again.
const UNREAD_LOOK_INTERVAL: Nanos = Nanos::from_millis(50);

/// All that a gateway keeps but the transport and the tail, so that both can be read while it changes.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: GatewayConfig,
    pub(super) commands: ring::Producer,
    pub(super) history: Reader,
    pub(super) ports: Ports,
    pub(super) admission: Admission,
    pub(super) traces: Option<Traces>,
    /// How much of all this is written to the log.
    pub(super) lines: Lines,
    pub(super) day: Option<Day>,
    /// By slot: first those of `peers`, then those of the transport's connections.
    pub(super) connections: Vec<Option<Connection>>,
    /// Whoever sends datagrams.
    pub(super) peers: Peers,
    /// Connections with unread input, each once. Some are gone: whoever has the slot now waits for itself.
    pub(super) waiting: VecDeque<types::Connection>,
    /// Sessions that read the log to catch up, or that end when they have; likewise.
    pub(super) lagging: VecDeque<types::Connection>,
    /// Sessions whose end the log does not know yet.
    pub(super) departures: VecDeque<(PortId, Epoch, DownReason)>,
    /// The term that has begun last.
    pub(super) begun: u32,
    /// Whether a day must have begun before it serves: in a cluster the first leader makes the market.
    pub(super) wants_day: bool,
    pub(super) ready: bool,
    /// What is read before the first day begins is the rest of one whose definitions are gone.
    pub(super) awaits_day: bool,
    /// The sessions' timers, by slot.
    timers: Wheel,
    /// The time of the last duty cycle.
    pub(super) now: Nanos,
    pub(super) out: Outgoing,
    pub(super) command: [Line; RECORD_LINES_MAX],
    pub(super) counters: GatewayCounters,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    pub(super) session: SessionId,
    pub(super) midnight: Nanos,
    pub(super) open: bool,
}

impl Core {
    pub(super) fn new(
        mut config: GatewayConfig,
        commands: ring::Producer,
        history: Reader,
    ) -> Self {
        let peers = Peers::new(config.ufo_sessions_max);
        let slots = peers.slots() as usize;
        Self {
            admission: Admission::new(config.networks.take()),
            traces: config.traces.take(),
            lines: Lines::new(),
            config,
            commands,
            history,
            ports: Ports::default(),
            day: None,
            connections: std::iter::repeat_with(|| None).take(slots).collect(),
            peers,
            waiting: VecDeque::new(),
            lagging: VecDeque::new(),
            departures: VecDeque::new(),
            begun: 0,
            wants_day: false,
            ready: false,
            awaits_day: false,
            timers: Wheel::new(slots, Nanos::ZERO),
            now: Nanos::ZERO,
            out: Outgoing::new(),
            command: [Line::ZERO; RECORD_LINES_MAX],
            counters: GatewayCounters::default(),
        }
    }

    /// Has it know what lies before the place from which it reads on.
    pub(super) fn resume(&mut self, standing: &Standing) {
        let &Standing { session, midnight, .. } = standing;
        self.ports = Ports::resume(standing);
        self.day = Some(Day { session, midnight, open: true });
        self.awaits_day = false;
    }

    /// Whether the term is this node's, and the day with which it begins has begun.
    pub(super) fn may_serve(&self) -> bool {
        let day = self.day.map(|day| day.session);
        self.leads()
            && (self.config.day.is_none() || self.config.day == day)
            && !(self.wants_day && day.is_none())
    }

    /// Whether the term that has begun last is this node's.
    pub(super) const fn leads(&self) -> bool {
        self.config.term != 0 && self.begun == self.config.term
    }

    /// Forgets every session: it is another node's to serve now, or nobody's.
    pub(super) fn leave_all<T: Transport>(&mut self, transport: &mut T) {
        self.ready = false;
        for slot in self.slots() {
            let Some(connection) = self.take_connection(slot) else { continue };
            connection.link.abort(transport);
            if let LoginState::Up { port, .. } = connection.login
                && let Some(port) = self.ports.get_mut(port)
            {
                port.slot = None;
            }
        }
        self.waiting.clear();
        self.lagging.clear();
        self.departures.clear();
    }

    /// Serves from now on.
    pub(super) fn begin_to_serve(&mut self) {
        let Self { config, ready, .. } = self;
        *ready = true;
        config.ready.set();
        info!(term = config.term, serves = ?config.serves, "gateway ready");
    }

    pub(super) fn disconnect<T: Transport>(
        &mut self,
        slot: u32,
        reason: DownReason,
        transport: &mut T,
    ) {
        if let Some(connection) = &self.connections[slot as usize] {
            connection.link.close(transport);
        }
        self.depart(slot, reason);
    }

    /// Follows a change of the ports' networks.
    pub(super) fn follow_networks<T: Transport>(&mut self, transport: &mut T) {
        if self.admission.follow() {
            for slot in self.slots() {
                self.expel_stranger(slot, transport);
            }
        }
    }

    /// Ends a session whose port does not log in from there. Over UDP also one of who is not let in at all:
    /// of connections the transport knows it.
    pub(super) fn expel_stranger<T: Transport>(&mut self, slot: u32, transport: &mut T) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        let LoginState::Up { port, .. } = connection.login else { return };
        let source = *connection.peer.ip();
        let is_shut_out =
            matches!(connection.link, Link::Udp(..)) && !self.admission.lets_in(source);
        let name = self.ports.get(port).map(|port| port.name);
        if is_shut_out || name.is_some_and(|name| !self.admission.permits(name, source)) {
            self.counters.expelled += 1;
            self.disconnect(slot, DownReason::Lost, transport);
        }
    }

    /// Forgets a connection, and lets the log know if a session was up on it.
    pub(super) fn depart(&mut self, slot: u32, reason: DownReason) {
        let Some(connection) = self.take_connection(slot) else { return };
        let LoginState::Up { port, epoch } = connection.login else { return };
        if let Some(port) = self.ports.get_mut(port)
            && port.slot == Some(slot)
        {
            port.slot = None;
        }
        if self.lines.sessions.has_room(self.now) {
            info!(peer = %connection.peer, %port, ?reason, "session ended");
        }
        self.departures.push_back((port, epoch, reason));
    }

    pub(super) fn report_departures(&mut self, now: Nanos) -> usize {
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

    /// Makes room for a connection in `slot`.
    pub(super) fn grow(&mut self, slot: u32) {
        let slots = slot as usize + 1;
        if self.connections.len() < slots {
            self.connections.resize_with(slots, || None);
            self.timers.grow(slots);
        }
    }

    /// Sets a session's timer, after whatever may have made its next deadline an earlier one.
    pub(super) fn arm(&mut self, slot: u32) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        let mut due_at = connection.session.due_at();
        if connection.throttle.left_unread() {
            due_at = due_at.min(self.now.after(UNREAD_LOOK_INTERVAL));
        }
        if due_at != Nanos::MAX {
            self.timers.arm(slot, due_at);
        }
    }

    /// Idle sessions are not looked at but for their heartbeat.
    pub(super) fn run_timers<T: Transport>(&mut self, transport: &mut T, now: Nanos) {
        self.now = now;
        for _ in 0..TIMERS_PER_CYCLE_MAX {
            let Some(slot) = self.timers.due(now) else { break };
            self.counters.timers += 1;
            let Some(connection) = &mut self.connections[slot as usize] else { continue };
            match connection.session.due(now) {
                None => {}
                Some(Due::Heartbeat) => {
                    let next = connection.outbound.next;
                    connection.session.note_sent(now);
                    match connection.link {
                        Link::Udp(slot, _) if self.peers.has_ended(slot) => {
                            self.end_again(slot, transport);
                        }
                        link => link.heartbeat(next, &mut self.peers, transport),
                    }
                }
                Some(Due::Dead) => {
                    self.counters.silent += 1;
                    self.disconnect(slot, DownReason::Lost, transport);
                    continue;
                }
            }
            let Some(connection) = &self.connections[slot as usize] else { continue };
            if connection.throttle.may_read_on(now) {
                self.queue(slot);
            }
            self.arm(slot);
        }
    }

    /// Our slot for a slot of the transport's.
    pub(super) fn slot_of(&self, id: ConnectionId) -> u32 {
        self.peers.slots() + id.slot
    }

    /// Our slot of a connection that we still have.
    pub(super) fn current(&self, id: ConnectionId) -> Option<u32> {
        let slot = self.slot_of(id);
        let connection = self.connections.get(slot as usize)?.as_ref()?;
        (connection.link == Link::Tcp(id)).then_some(slot)
    }

    /// The slot of a connection that we still have.
    pub(super) fn slot_of_token(&self, token: types::Connection) -> Option<u32> {
        let (_, slot) = shard_and_slot(token);
        let connection = self.connections.get(slot as usize)?.as_ref()?;
        (connection.token == token).then_some(slot)
    }

    pub(super) fn take_connection(&mut self, slot: u32) -> Option<Connection> {
        let connection = self.connections.get_mut(slot as usize)?.take()?;
        if let Link::Udp(slot, _) = connection.link {
            self.peers.release(slot);
        }
        Some(connection)
    }

    pub(super) fn queue(&mut self, slot: u32) {
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        if !connection.queued {
            connection.queued = true;
            self.waiting.push_back(connection.token);
        }
    }

    pub(super) fn lag(&mut self, slot: u32) {
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        if connection.turn != Turn::Queued {
            connection.turn = Turn::Queued;
            self.lagging.push_back(connection.token);
        }
    }

    /// A message of a session found no room: the session costs nothing until the transport has some,
    /// which it tells after each refusal.
    pub(super) fn park(&mut self, slot: u32) {
        let Some(connection) = &mut self.connections[slot as usize] else { return };
        connection.outbound.live = false;
        if connection.turn != Turn::Queued {
            connection.turn = Turn::Parked;
        }
        self.counters.messages_refused += 1;
    }

    pub(super) fn unpark(&mut self, slot: u32) {
        let Some(connection) = &self.connections[slot as usize] else { return };
        if connection.turn == Turn::Parked {
            self.lag(slot);
        }
    }

    pub(super) fn slots(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.connections.len()).expect("slots are numbered in 32 bits")
    }
}
