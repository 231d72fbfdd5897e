//! From events to packets: what a session sends for an event of its port's stream.

use crate::event_store::LogRecord;
use crate::types::event::Event;
use crate::types::{LINE_BYTES, Line, Nanos, PortName, RECORD_LINES_MAX};
use crate::wire::{ouch, soup, ufo};

/// The buffer in which packets are made, one at a time.
#[derive(Debug)]
pub(super) struct Outgoing {
    message: [u8; ouch::OUT_MAX],
    packet: [u8; PACKET_BYTES_MAX],
}

const PACKET_BYTES_MAX: usize = soup::HEADER_BYTES + MESSAGE_BYTES_MAX;
const MESSAGE_BYTES_MAX: usize =
    if ouch::OUT_MAX > RECORD_BYTES_MAX { ouch::OUT_MAX } else { RECORD_BYTES_MAX };
const RECORD_BYTES_MAX: usize = RECORD_LINES_MAX * LINE_BYTES;
const _: () = assert!(MESSAGE_BYTES_MAX <= ufo::MESSAGE_BYTES_MAX);

/// A message of a session's stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequenced<'a> {
    packet: &'a [u8],
}

/// As what a session is told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The record itself: an operator.
    Record,
    /// The OUCH message: a participant.
    Message,
    /// The OUCH message that this port is told: a drop copy of its firm.
    CopyOf(PortName),
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self { message: [0; ouch::OUT_MAX], packet: [0; PACKET_BYTES_MAX] }
    }

    /// The packet of an event.
    ///
    /// An event that has no OUCH form still has a number in the stream, so it is an empty message:
    /// numbers are implicit on the wire, and leaving one out would shift all that follow.
    pub(super) fn event(
        &mut self,
        form: Form,
        record: &LogRecord<'_>,
        event: &Event<'_>,
        midnight: Nanos,
    ) -> Sequenced<'_> {
        let copy_of = match form {
            Form::Record | Form::Message => None,
            Form::CopyOf(port) => Some(port),
        };
        let message = if form == Form::Record {
            Line::bytes(record.lines)
        } else {
            let timestamp = record.header.time.since(midnight).0;
            let stamp = ouch::Stamp { sequence: record.sequence, timestamp, copy_of };
            let size = ouch::emit(event, &stamp, &mut self.message);
            &self.message[..size.unwrap_or(0)]
        };
        let size = soup::Packet::SequencedData(message).emit(&mut self.packet);
        Sequenced { packet: &self.packet[..size.expect("the buffer holds the longest message")] }
    }
}

impl<'a> Sequenced<'a> {
    /// The SoupBinTCP packet.
    pub(super) fn in_soup(&self) -> &'a [u8] {
        self.packet
    }

    /// The message alone.
    pub(super) fn message(&self) -> &'a [u8] {
        &self.packet[soup::HEADER_BYTES..]
    }
}
