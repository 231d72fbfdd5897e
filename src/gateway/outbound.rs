//! From events to packets: what a session sends for an event of its port's stream.

use crate::event_store::LogRecord;
use crate::types::event::Event;
use crate::types::{LINE_BYTES, Line, Nanos, PortKind, RECORD_LINES_MAX};
use crate::wire::{ouch, soup};

/// The buffer in which packets are made, one at a time.
#[derive(Debug)]
pub(super) struct Outgoing {
    message: [u8; ouch::OUT_MAX],
    packet: [u8; PACKET_BYTES_MAX],
}

const PACKET_BYTES_MAX: usize = soup::HEADER_BYTES + MESSAGE_BYTES_MAX;
const MESSAGE_BYTES_MAX: usize = RECORD_LINES_MAX * LINE_BYTES;
const _: () = assert!(ouch::OUT_MAX <= MESSAGE_BYTES_MAX);

impl Outgoing {
    pub(super) fn new() -> Self {
        Self { message: [0; ouch::OUT_MAX], packet: [0; PACKET_BYTES_MAX] }
    }

    /// The sequenced packet of an event: OUCH for order entry, the record itself for an operator.
    ///
    /// An event that has no OUCH form still has a number in the stream, so it is an empty message:
    /// numbers are implicit on the wire, and leaving one out would shift all that follow.
    pub(super) fn event(
        &mut self,
        serves: PortKind,
        record: &LogRecord<'_>,
        event: &Event<'_>,
        midnight: Nanos,
    ) -> &[u8] {
        let message = if serves == PortKind::Admin {
            Line::bytes(record.lines)
        } else {
            let time = record.header.time.since(midnight);
            let size = ouch::emit(event, record.sequence, time.0, &mut self.message);
            &self.message[..size.unwrap_or(0)]
        };
        let size = soup::Packet::SequencedData(message).emit(&mut self.packet);
        &self.packet[..size.expect("the buffer holds the longest message")]
    }
}
