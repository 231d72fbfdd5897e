//! What a gateway knows of ports: who may log in, and where each port's stream, and for its drop copies
//! each firm's, lies in the event log. All of it is learned from events; nothing here is counted, only
//! remembered.

use std::collections::HashMap;

use super::outbound::Form;
use super::tokens::Tokens;
use crate::types::event::{Event, EventHeader, PortDefined};
use crate::types::{
    Epoch, FirmId, LINE_BYTES, Nanos, OuchVersion, PortId, PortKind, PortName, PortStanding,
    Position, Standing, StreamEnd,
};

/// A position is kept for each message whose number is a multiple of this, so that a session replays
/// from any number in bounded memory: at most this many steps back from the next one kept.
pub(super) const CHECKPOINT_INTERVAL: u32 = 4096;

/// Room for checkpoints that a session gets as it comes up: 4 million messages, in 8 KiB.
pub(super) const CHECKPOINTS_PREPARED: usize = 1024;

/// No record lies there: a segment begins with its header.
const UNKNOWN: Position = Position(0);

/// Ports by their number and by their name.
#[derive(Debug, Default)]
pub(super) struct Ports {
    by_number: Vec<Port>,
    by_name: HashMap<PortName, usize>,
    /// By number.
    firms: Vec<Firm>,
}

/// A firm as its drop copies see it.
#[derive(Debug)]
struct Firm {
    stream: Stream,
    /// The ports that have it.
    copies: Vec<PortId>,
}

/// A port as its gateway sees it.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Port {
    pub(super) id: PortId,
    pub(super) name: PortName,
    pub(super) kind: PortKind,
    firm: FirmId,
    /// What its orders are called, if it speaks OUCH 4.2.
    pub(super) tokens: Option<Box<Tokens>>,
    pub(super) verifier: [u8; 32],
    /// What was said to it, unless it is a drop copy: that has its firm's.
    stream: Stream,
    /// The slot of the connection whose login is accepted or being decided.
    pub(super) slot: Option<u32>,
    /// The session that is up, whichever gateway serves it.
    pub(super) epoch: Epoch,
    /// When this gateway saw it begin.
    pub(super) up_at: Nanos,
}

/// Three lines of a cache, at most: an order of one port among many finds none of them there.
const _: () = assert!(size_of::<Port>() <= 3 * 64);

/// Where a port's or a firm's messages of the day lie.
#[derive(Debug)]
pub(super) struct Stream {
    lane: Lane,
    last_sequence: u32,
    last_position: Position,
    /// Those before the place where a gateway began to read are [`UNKNOWN`] until a session comes by.
    checkpoints: Vec<Position>,
    /// Messages whose distance to the one before is more than a record can say, with its position.
    jumps: Vec<(u32, Position)>,
}

/// Which of an event's numbers are those of a stream.
#[derive(Clone, Copy, Debug)]
enum Lane {
    Port,
    Firm,
}

impl Ports {
    /// The ports and streams as they stood.
    pub(super) fn resume(standing: &Standing) -> Self {
        let mut ports = Self::default();
        for PortStanding { defined, epoch, stream } in &standing.ports {
            ports.define(defined);
            if let Some(port) = ports.get_mut(defined.port) {
                port.epoch = *epoch;
                port.stream = Stream::resume(Lane::Port, *stream);
            }
        }
        for (number, end) in (1..).zip(&standing.firms) {
            ports.firm_mut(FirmId(number)).stream = Stream::resume(Lane::Firm, *end);
        }
        ports
    }

    /// Learns a port, or learns it again at the start of a day.
    pub(super) fn define(&mut self, event: &PortDefined) {
        let Some(kind) = PortKind::from_byte(event.kind) else { return };
        let index = index(event.port);
        if index < self.by_number.len() {
            self.by_number[index].verifier = event.verifier;
            return;
        }
        debug_assert_eq!(
            index,
            self.by_number.len(),
            "ports are numbered in the order of definition"
        );
        self.by_name.insert(event.name.upper(), index);
        let firm = self.firm_mut(event.firm_id);
        if kind == PortKind::DropCopy {
            firm.copies.push(event.port);
        }
        self.by_number.push(Port {
            id: event.port,
            name: event.name,
            kind,
            firm: event.firm_id,
            tokens: (event.ouch_version == OuchVersion::V42.byte()).then(Box::default),
            verifier: event.verifier,
            stream: Stream::of(Lane::Port),
            slot: None,
            epoch: Epoch::NONE,
            up_at: Nanos::ZERO,
        });
    }

    pub(super) fn named(&self, name: PortName) -> Option<&Port> {
        self.by_name.get(&name.upper()).map(|&index| &self.by_number[index])
    }

    pub(super) fn get_mut(&mut self, id: PortId) -> Option<&mut Port> {
        self.by_number.get_mut(id.0.checked_sub(1)? as usize)
    }

    pub(super) fn get(&self, id: PortId) -> Option<&Port> {
        self.by_number.get(id.0.checked_sub(1)? as usize)
    }

    /// Every stream begins again with the day.
    pub(super) fn start_day(&mut self) {
        for port in &mut self.by_number {
            port.stream = Stream::of(Lane::Port);
            if let Some(tokens) = &mut port.tokens {
                **tokens = Tokens::default();
            }
        }
        for firm in &mut self.firms {
            firm.stream = Stream::of(Lane::Firm);
        }
    }

    /// Remembers where an event lies in the streams that it is in, and what it says of a token.
    pub(super) fn note(&mut self, header: &EventHeader, event: &Event<'_>, position: Position) {
        if header.port_sequence != 0
            && let Some(port) = self.get_mut(header.port)
        {
            port.stream.note(header.port_sequence, position, header.port_distance);
            if let Some(tokens) = &mut port.tokens {
                tokens.learn(event);
            }
        }
        if header.firm_sequence != 0 {
            let stream = &mut self.firm_mut(header.firm).stream;
            stream.note(header.firm_sequence, position, header.firm_distance);
        }
    }

    /// A firm, whose stream may begin before it has a port.
    fn firm_mut(&mut self, firm: FirmId) -> &mut Firm {
        let index = usize::from(firm.0);
        if self.firms.len() <= index {
            let new = || Firm { stream: Stream::of(Lane::Firm), copies: Vec::new() };
            self.firms.resize_with(index + 1, new);
        }
        &mut self.firms[index]
    }

    /// The stream that the session of a port reads.
    pub(super) fn stream_mut(&mut self, id: PortId) -> Option<&mut Stream> {
        let port = self.by_number.get_mut(id.0.checked_sub(1)? as usize)?;
        Some(match port.kind {
            PortKind::DropCopy => &mut self.firms[usize::from(port.firm.0)].stream,
            PortKind::OrderEntry | PortKind::Admin => &mut port.stream,
        })
    }

    /// The same, to look at.
    pub(super) fn stream_of<'a>(&'a self, port: &'a Port) -> &'a Stream {
        match port.kind {
            PortKind::DropCopy => &self.firms[usize::from(port.firm.0)].stream,
            PortKind::OrderEntry | PortKind::Admin => &port.stream,
        }
    }

    /// Makes room for a busy day, so that no message to a session that is up, or of its firm, has to
    /// wait for memory.
    pub(super) fn prepare_streams_of(&mut self, id: PortId) {
        let Some(port) = self.get_mut(id) else { return };
        port.stream.prepare();
        if let Some(tokens) = &mut port.tokens {
            tokens.begin_session();
        }
        let firm = port.firm;
        self.firm_mut(firm).stream.prepare();
    }

    /// As what the session of port `reader` is told of an event of port `of`.
    pub(super) fn form_for(&self, reader: PortId, of: PortId) -> Form<'_> {
        let Some(port) = self.get(reader) else { return Form::Message };
        match (port.kind, &port.tokens) {
            (PortKind::Admin, _) => Form::Record,
            (PortKind::DropCopy, _) => {
                Form::CopyOf(self.get(of).map_or(PortName::BLANK, |port| port.name))
            }
            (PortKind::OrderEntry, Some(tokens)) => Form::Message42(tokens),
            (PortKind::OrderEntry, None) => Form::Message,
        }
    }

    /// The drop copies of a firm.
    pub(super) fn copies_of(&self, firm: FirmId) -> &[PortId] {
        self.firms.get(usize::from(firm.0)).map_or(&[], |firm| &firm.copies)
    }
}

impl Stream {
    fn of(lane: Lane) -> Self {
        Self {
            lane,
            last_sequence: 0,
            last_position: Position::default(),
            checkpoints: Vec::new(),
            jumps: Vec::new(),
        }
    }

    /// A stream that ends so, of which nothing else is known.
    fn resume(lane: Lane, end: StreamEnd) -> Self {
        Self {
            last_sequence: end.sequence,
            last_position: end.position,
            checkpoints: vec![UNKNOWN; (end.sequence / CHECKPOINT_INTERVAL) as usize],
            ..Self::of(lane)
        }
    }

    fn prepare(&mut self) {
        let missing = CHECKPOINTS_PREPARED.saturating_sub(self.checkpoints.len());
        self.checkpoints.reserve(missing);
    }

    /// Remembers where the stream's latest message lies; `distance` is the one its record carries.
    fn note(&mut self, sequence: u32, position: Position, distance: u32) {
        debug_assert_eq!(sequence, self.last_sequence + 1, "the engine numbers without gaps");
        if distance == 0 && sequence > 1 {
            self.jumps.push((sequence, self.last_position));
        }
        self.last_sequence = sequence;
        self.last_position = position;
        if sequence.is_multiple_of(CHECKPOINT_INTERVAL) {
            self.checkpoints.push(position);
        }
    }

    /// The number of the latest message, 0 = none yet.
    pub(super) fn last_sequence(&self) -> u32 {
        self.last_sequence
    }

    /// The position of the message before `sequence`, whose event is at `position`.
    pub(super) fn before(
        &self,
        sequence: u32,
        header: &EventHeader,
        position: Position,
    ) -> Position {
        let distance = match self.lane {
            Lane::Port => header.port_distance,
            Lane::Firm => header.firm_distance,
        };
        match distance {
            0 => self.before_jump(sequence),
            lines => Position(position.0 - u64::from(lines) * LINE_BYTES as u64),
        }
    }

    /// The same, if its record says no distance.
    fn before_jump(&self, sequence: u32) -> Position {
        let jump = self.jumps.binary_search_by_key(&sequence, |&(sequence, _)| sequence);
        jump.map_or(Position::FIRST, |found| self.jumps[found].1)
    }

    /// The first message at or behind `sequence` whose position is known: its number and position.
    /// From there a replay walks back. `None` if the stream is not that long.
    pub(super) fn anchor(&self, sequence: u32) -> Option<(u32, Position)> {
        if sequence == 0 || sequence > self.last_sequence {
            return None;
        }
        let checkpoints = (1..).map(|nth| nth * CHECKPOINT_INTERVAL).zip(&self.checkpoints);
        let first = sequence.div_ceil(CHECKPOINT_INTERVAL) as usize - 1;
        let known = checkpoints.skip(first).find(|&(_, &position)| position != UNKNOWN);
        Some(known.map_or((self.last_sequence, self.last_position), |(nth, &at)| (nth, at)))
    }

    /// Whoever walks back has found a message, by which the next will walk less far.
    pub(super) fn note_found(&mut self, sequence: u32, position: Position) {
        if sequence.is_multiple_of(CHECKPOINT_INTERVAL) {
            self.checkpoints[(sequence / CHECKPOINT_INTERVAL) as usize - 1] = position;
        }
    }
}

fn index(port: PortId) -> usize {
    (port.0 as usize).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_starts_from_the_nearest_position_known_behind_it() {
        let mut stream = Stream::of(Lane::Port);
        for sequence in 1..=10_000 {
            stream.note(sequence, Position(u64::from(sequence) * 64), 1);
        }
        assert_eq!(stream.anchor(1), Some((4096, Position(4096 * 64))));
        assert_eq!(stream.anchor(4096), Some((4096, Position(4096 * 64))));
        assert_eq!(stream.anchor(4097), Some((8192, Position(8192 * 64))));
        assert_eq!(stream.anchor(8193), Some((10_000, Position(10_000 * 64))));
        assert_eq!(stream.anchor(10_000), Some((10_000, Position(10_000 * 64))));
        assert_eq!(stream.anchor(10_001), None);
        assert_eq!(stream.anchor(0), None);
    }

    #[test]
    fn a_stream_that_is_resumed_learns_its_checkpoints_from_those_who_walk_back() {
        let at = |sequence: u32| Position(u64::from(sequence) * 64);
        let end = StreamEnd { sequence: 10_000, position: at(10_000) };
        let mut stream = Stream::resume(Lane::Port, end);
        assert_eq!(stream.anchor(1), Some((10_000, at(10_000))));
        for sequence in 10_001..=12_288 {
            stream.note(sequence, at(sequence), 1);
        }
        assert_eq!(stream.anchor(1), Some((12_288, at(12_288))));
        stream.note_found(8192, at(8192));
        assert_eq!(stream.anchor(1), Some((8192, at(8192))));
        assert_eq!(stream.anchor(8193), Some((12_288, at(12_288))));
        stream.note_found(4096, at(4096));
        assert_eq!(stream.anchor(1), Some((4096, at(4096))));
    }
}
