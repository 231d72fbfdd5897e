//! What a gateway knows of ports: who may log in, and where each port's stream lies in the event log.
//! All of it is learned from events; nothing here is counted, only remembered.

use std::collections::HashMap;

use crate::types::event::PortDefined;
use crate::types::{Epoch, Nanos, PortId, PortKind, PortName, Position};

/// A position is kept for each message whose number is a multiple of this, so that a session replays
/// from any number in bounded memory: at most this many steps back from the next one kept.
pub(super) const CHECKPOINT_INTERVAL: u32 = 4096;

/// Room for checkpoints that a session gets as it comes up: 4 million messages, in 8 KiB.
const CHECKPOINTS_PREPARED: usize = 1024;

/// Ports by their number and by their name.
#[derive(Debug, Default)]
pub(super) struct Ports {
    ports: Vec<Port>,
    by_name: HashMap<PortName, usize>,
}

/// A port as its gateway sees it.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) id: PortId,
    pub(super) kind: PortKind,
    pub(super) verifier: [u8; 32],
    pub(super) stream: Stream,
    /// The slot of the connection whose login is accepted or being decided.
    pub(super) slot: Option<u32>,
    /// The session that is up, whichever gateway serves it.
    pub(super) epoch: Epoch,
    /// When this gateway saw it begin.
    pub(super) up_at: Nanos,
}

/// Where a port's messages of the day lie.
#[derive(Debug, Default)]
pub(super) struct Stream {
    last_sequence: u32,
    last_position: Position,
    checkpoints: Vec<Position>,
    /// Messages whose distance to the one before is more than a record can say, with its position.
    jumps: Vec<(u32, Position)>,
}

impl Ports {
    /// Learns a port, or learns it again at the start of a day.
    pub(super) fn define(&mut self, event: &PortDefined) {
        let Some(kind) = PortKind::from_byte(event.kind) else { return };
        let index = index(event.port);
        if index < self.ports.len() {
            self.ports[index].verifier = event.verifier;
            return;
        }
        debug_assert_eq!(index, self.ports.len(), "ports are numbered in the order of definition");
        self.by_name.insert(event.name.upper(), index);
        self.ports.push(Port {
            id: event.port,
            kind,
            verifier: event.verifier,
            stream: Stream::default(),
            slot: None,
            epoch: Epoch::NONE,
            up_at: Nanos::ZERO,
        });
    }

    pub(super) fn named(&mut self, name: PortName) -> Option<&mut Port> {
        self.by_name.get(&name.upper()).map(|&index| &mut self.ports[index])
    }

    pub(super) fn get_mut(&mut self, id: PortId) -> Option<&mut Port> {
        self.ports.get_mut(id.0.checked_sub(1)? as usize)
    }

    pub(super) fn get(&self, id: PortId) -> Option<&Port> {
        self.ports.get(id.0.checked_sub(1)? as usize)
    }

    /// Every stream begins again with the day.
    pub(super) fn start_day(&mut self) {
        for port in &mut self.ports {
            port.stream = Stream::default();
        }
    }
}

impl Stream {
    /// Makes room for a busy day, so that no message of a session that is up has to wait for memory.
    pub(super) fn prepare(&mut self) {
        let missing = CHECKPOINTS_PREPARED.saturating_sub(self.checkpoints.len());
        self.checkpoints.reserve(missing);
    }

    /// Remembers where the stream's latest message lies; `distance` is the one its record carries.
    pub(super) fn note(&mut self, sequence: u32, position: Position, distance: u32) {
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

    /// The position of the message before `sequence`, whose record says no distance.
    pub(super) fn before_jump(&self, sequence: u32) -> Position {
        let jump = self.jumps.binary_search_by_key(&sequence, |&(sequence, _)| sequence);
        jump.map_or(Position::FIRST, |found| self.jumps[found].1)
    }

    /// The first message at or behind `sequence` whose position is known: its number and position.
    /// From there a replay walks back. `None` if the stream is not that long.
    pub(super) fn anchor(&self, sequence: u32) -> Option<(u32, Position)> {
        if sequence == 0 || sequence > self.last_sequence {
            return None;
        }
        let checkpoint = sequence.div_ceil(CHECKPOINT_INTERVAL);
        match self.checkpoints.get(checkpoint as usize - 1) {
            Some(&position) => Some((checkpoint * CHECKPOINT_INTERVAL, position)),
            None => Some((self.last_sequence, self.last_position)),
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
        let mut stream = Stream::default();
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
}
