//! From events to packets: what a session sends for an event of its port's stream.

use super::tokens::Tokens;
use crate::event_store::LogRecord;
use crate::types::event::Event;
use crate::types::{LINE_BYTES, Line, Nanos, PortName, RECORD_LINES_MAX};
use crate::wire::{ouch, ouch42, soup, ufo};

/// The buffer in which packets are made, one at a time.
#[derive(Debug)]
pub(super) struct Outgoing {
    message: [u8; ouch::OUT_MAX],
    message42: [u8; ouch42::OUT_MAX],
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
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// The record itself: an operator.
    Record,
    /// The message of OUCH 5.0: a participant.
    Message,
    /// The message of OUCH 4.2: a participant whose orders are called like this.
    Message42(&'a Tokens),
    /// The message of OUCH 5.0 that this port is told: a drop copy of its firm.
    CopyOf(PortName),
}

impl Outgoing {
    pub(super) fn new() -> Self {
        let (message, message42) = ([0; ouch::OUT_MAX], [0; ouch42::OUT_MAX]);
        Self { message, message42, packet: [0; PACKET_BYTES_MAX] }
    }

    /// The packet of an event.
    ///
    /// An event that has no OUCH form still has a number in the stream, so it is an empty message:
    /// numbers are implicit on the wire, and leaving one out would shift all that follow.
    pub(super) fn event(
        &mut self,
        form: Form<'_>,
        record: &LogRecord<'_>,
        event: &Event<'_>,
        midnight: Nanos,
    ) -> Sequenced<'_> {
        let (sequence, timestamp) = (record.sequence, record.header.time.since(midnight).0);
        let copy_of = if let Form::CopyOf(port) = form { Some(port) } else { None };
        let message = match form {
            Form::Record => Line::bytes(record.lines),
            Form::Message | Form::CopyOf(_) => {
                let stamp = ouch::Stamp { sequence, timestamp, copy_of };
                let size = ouch::emit(event, &stamp, &mut self.message);
                &self.message[..size.unwrap_or(0)]
            }
            Form::Message42(tokens) => {
                let stamp = ouch42::Stamp { sequence, timestamp };
                let token_of = |number| tokens.token_of(number);
                let size = ouch42::emit(event, &stamp, token_of, &mut self.message42);
                &self.message42[..size.unwrap_or(0)]
            }
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
