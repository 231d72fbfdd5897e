//! From events to packets: what a session sends for an event of its port's stream.

use crate::types::event::Event;
use crate::types::{Line, Nanos, PortKind};
use crate::wire::{ouch, soup};

/// The buffer in which packets are made, one at a time.
#[derive(Debug)]
pub(super) struct Outgoing {
    packet: [u8; PACKET_BYTES_MAX],
}

const PACKET_BYTES_MAX: usize = soup::HEADER_BYTES + ouch::OUT_BYTES_MAX;

impl Outgoing {
    pub(super) fn new() -> Self {
        Self { packet: [0; PACKET_BYTES_MAX] }
    }

    /// The sequenced packet of an event: OUCH for order entry, the record itself for an operator.
    ///
    /// An event that has no OUCH form still has a number in the stream, so it is an empty message:
    /// numbers are implicit on the wire, and leaving one out would shift all that follow.
    pub(super) fn event(
        &mut self,
        serves: PortKind,
        sequence: u64,
        event: &Event<'_>,
        lines: &[Line],
        since_midnight: Nanos,
    ) -> &[u8] {
        let (header, payload) = self.packet.split_at_mut(soup::HEADER_BYTES);
        let size = if serves == PortKind::Admin {
            let record = Line::bytes(lines);
            payload[..record.len()].copy_from_slice(record);
            record.len()
        } else {
            ouch::emit(event, sequence, since_midnight.0, payload).unwrap_or(0)
        };
        header.copy_from_slice(&soup::sequenced_header(size).expect("a message is short"));
        &self.packet[..soup::HEADER_BYTES + size]
    }
}
