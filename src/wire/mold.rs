//! MoldUDP64: numbered messages in datagrams, and the request for those that were lost.
//!
//! It packs and unpacks one datagram; it remembers none.

use zerocopy::byteorder::big_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::blocks::{LENGTH_BYTES, put_block};
use crate::types::SessionId;

pub use super::blocks::Messages;

/// Bytes before the messages; also a whole heartbeat, end of session or request.
pub const HEADER_BYTES: usize = 20;
/// The most bytes of a packet that this codec builds: it fits an Ethernet frame with room for a tunnel.
pub const PACKET_BYTES_MAX: usize = 1_400;
/// The longest message a packet takes.
pub const MESSAGE_BYTES_MAX: usize = PACKET_BYTES_MAX - HEADER_BYTES - LENGTH_BYTES;

const HEARTBEAT: u16 = 0;
const END_OF_SESSION: u16 = 0xFFFF;

/// A packet from the exchange.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// The session it belongs to.
    pub session: SessionId,
    /// The number of its first message; of the next message to come, if it has none.
    pub sequence: u64,
    /// What it brings.
    pub body: Body<'a>,
}

/// What a packet brings.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// Messages.
    Messages(Messages<'a>),
    /// Nothing: the exchange lives.
    Heartbeat,
    /// Nothing, and nothing will follow.
    EndOfSession,
}

/// A client's request for messages that it missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The session.
    pub session: SessionId,
    /// The first message wanted.
    pub sequence: u64,
    /// How many are wanted.
    pub count: u16,
}

/// Why a datagram is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoldError {
    /// It ends within a field.
    #[error("datagram cut short")]
    Short,
    /// Bytes are left behind its last field.
    #[error("datagram has {0} bytes too many")]
    Long(usize),
    /// Its messages would have numbers beyond the largest.
    #[error("message number {0} is impossible")]
    Sequence(u64),
}

/// The 20 bytes at the start of every packet.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    session: SessionId,
    sequence: U64,
    count: U16,
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES);

impl<'a> Packet<'a> {
    /// Parses one datagram.
    ///
    /// # Errors
    /// [`MoldError`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, MoldError> {
        let (header, blocks) = Header::ref_from_prefix(datagram).map_err(|_| MoldError::Short)?;
        let count = header.count.get();
        let (body, rest) = match count {
            HEARTBEAT => (Body::Heartbeat, blocks),
            END_OF_SESSION => (Body::EndOfSession, blocks),
            _ => {
                let (messages, rest) = Messages::split(blocks, count).ok_or(MoldError::Short)?;
                (Body::Messages(messages), rest)
            }
        };
        if !rest.is_empty() {
            return Err(MoldError::Long(rest.len()));
        }
        let sequence = header.sequence.get();
        if matches!(body, Body::Messages(_)) && sequence.checked_add(count.into()).is_none() {
            return Err(MoldError::Sequence(sequence));
        }
        Ok(Self { session: header.session, sequence, body })
    }
}

impl Request {
    /// Parses one datagram.
    ///
    /// # Errors
    /// [`MoldError`].
    pub fn parse(datagram: &[u8]) -> Result<Self, MoldError> {
        let (header, rest) = Header::ref_from_prefix(datagram).map_err(|_| MoldError::Short)?;
        if !rest.is_empty() {
            return Err(MoldError::Long(rest.len()));
        }
        Ok(Self {
            session: header.session,
            sequence: header.sequence.get(),
            count: header.count.get(),
        })
    }

    /// The whole datagram.
    #[must_use]
    pub fn emit(&self) -> [u8; HEADER_BYTES] {
        header(self.session, self.sequence, self.count)
    }
}

/// A whole heartbeat: `next` is the number of the message to come.
#[must_use]
pub fn heartbeat(session: SessionId, next: u64) -> [u8; HEADER_BYTES] {
    header(session, next, HEARTBEAT)
}

/// A whole end of session: `next` is one above the number of the last message.
#[must_use]
pub fn end_of_session(session: SessionId, next: u64) -> [u8; HEADER_BYTES] {
    header(session, next, END_OF_SESSION)
}

fn header(session: SessionId, sequence: u64, count: u16) -> [u8; HEADER_BYTES] {
    zerocopy::transmute!(Header { session, sequence: sequence.into(), count: count.into() })
}

/// The packet has no room for this message: send it first. A message above [`MESSAGE_BYTES_MAX`]
/// fits none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("packet full")]
pub struct Full;

/// Packs consecutive messages into one packet after the other, in place.
#[derive(Debug)]
pub struct PacketBuilder {
    session: SessionId,
    /// The number of the first message of the packet.
    sequence: u64,
    count: u16,
    size: usize,
    bytes: [u8; PACKET_BYTES_MAX],
}

impl PacketBuilder {
    /// An empty packet whose first message will have the number `sequence`.
    #[must_use]
    pub fn new(session: SessionId, sequence: u64) -> Self {
        let bytes = [0; PACKET_BYTES_MAX];
        Self { session, sequence, count: 0, size: HEADER_BYTES, bytes }
    }

    /// Appends the message with the number [`next_sequence`](Self::next_sequence).
    ///
    /// # Errors
    /// [`Full`].
    pub fn push(&mut self, message: &[u8]) -> Result<(), Full> {
        self.size = put_block(&mut self.bytes, self.size, message).ok_or(Full)?;
        self.count += 1;
        Ok(())
    }

    /// The number that the next message will have.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.sequence + u64::from(self.count)
    }

    /// Whether no message is in the packet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The packet as it is now: without messages, it is a heartbeat.
    pub fn packet(&mut self) -> &[u8] {
        let header = header(self.session, self.sequence, self.count);
        self.bytes[..HEADER_BYTES].copy_from_slice(&header);
        &self.bytes[..self.size]
    }

    /// Begins the next packet, behind this one, which was sent.
    pub fn clear(&mut self) {
        *self = Self { sequence: self.next_sequence(), count: 0, size: HEADER_BYTES, ..*self };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::tests::hex;

    const DELETE: &str = "303030303130303539420000000000e149d000010013440ab100001f1acf4c4eb70000\
                          000001665d6a";

    fn session() -> SessionId {
        SessionId::new("2611220001").unwrap()
    }

    fn messages(body: Body<'_>) -> Vec<&[u8]> {
        match body {
            Body::Messages(messages) => messages.collect(),
            Body::Heartbeat | Body::EndOfSession => panic!("no messages"),
        }
    }

    #[test]
    fn the_captured_packet_is_read_and_written_byte_for_byte() {
        let datagram = hex(DELETE);
        let packet = Packet::parse(&datagram).unwrap();
        assert_eq!(packet.session, SessionId::new("000010059B").unwrap());
        assert_eq!(packet.sequence, 0x00E1_49D0);
        let [message] = messages(packet.body)[..] else { panic!("one message") };
        assert_eq!((message[0], message.len()), (b'D', 19));

        let mut builder = PacketBuilder::new(packet.session, packet.sequence);
        builder.push(message).unwrap();
        assert_eq!(builder.packet(), datagram);
    }

    #[test]
    fn a_heartbeat_and_an_end_of_session_tell_the_next_number() {
        let beat = heartbeat(session(), 18);
        assert_eq!(&beat, b"2611220001\0\0\0\0\0\0\0\x12\0\0");
        let packet = Packet::parse(&beat).unwrap();
        assert!(matches!(packet, Packet { sequence: 18, body: Body::Heartbeat, .. }));
        let end = end_of_session(session(), 18);
        assert_eq!(&end, b"2611220001\0\0\0\0\0\0\0\x12\xFF\xFF");
        let packet = Packet::parse(&end).unwrap();
        assert!(matches!(packet, Packet { sequence: 18, body: Body::EndOfSession, .. }));
    }

    #[test]
    fn a_request_is_twenty_bytes() {
        let request = Request { session: session(), sequence: 7, count: 300 };
        let datagram = request.emit();
        assert_eq!(Request::parse(&datagram), Ok(request));
        assert_eq!(Request::parse(&datagram[..19]), Err(MoldError::Short));
        assert_eq!(Request::parse(&[&datagram[..], &[0]].concat()), Err(MoldError::Long(1)));
    }

    #[test]
    fn a_packet_takes_what_fits_and_the_next_one_goes_on() {
        let mut builder = PacketBuilder::new(session(), 1);
        let message = [7; 100];
        let mut taken = 0_u64;
        while builder.push(&message).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 1_380 / 102);
        assert!(builder.packet().len() <= PACKET_BYTES_MAX);
        builder.clear();
        assert!(builder.is_empty());
        assert_eq!(builder.next_sequence(), 1 + taken);
        assert_eq!(Packet::parse(builder.packet()).unwrap().sequence, 1 + taken);
    }

    #[test]
    fn the_longest_message_fits_and_one_byte_more_does_not() {
        let mut builder = PacketBuilder::new(session(), 1);
        assert_eq!(builder.push(&[0; MESSAGE_BYTES_MAX + 1]), Err(Full));
        assert_eq!(builder.push(&[0; MESSAGE_BYTES_MAX]), Ok(()));
        assert_eq!(builder.push(&[]), Err(Full));
    }

    #[test]
    fn a_packet_with_too_many_or_too_few_bytes_is_refused() {
        let datagram = hex(DELETE);
        for length in 0..datagram.len() {
            assert_eq!(Packet::parse(&datagram[..length]).unwrap_err(), MoldError::Short);
        }
        let long = [&datagram[..], &[0, 0]].concat();
        assert_eq!(Packet::parse(&long).unwrap_err(), MoldError::Long(2));
    }

    #[test]
    fn a_packet_whose_messages_have_no_numbers_left_is_refused() {
        let mut datagram = hex(DELETE);
        datagram[10..18].copy_from_slice(&(u64::MAX - 1).to_be_bytes());
        assert!(Packet::parse(&datagram).is_ok());
        datagram[10..18].fill(0xFF);
        assert_eq!(Packet::parse(&datagram).unwrap_err(), MoldError::Sequence(u64::MAX));
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            first: u32,
            sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20),
        ) {
            let first = u64::from(first);
            let mut builder = PacketBuilder::new(session(), first);
            for message in &sent {
                builder.push(message).unwrap();
            }
            let packet = Packet::parse(builder.packet()).unwrap();
            prop_assert_eq!((packet.session, packet.sequence), (session(), first));
            prop_assert_eq!(messages(packet.body), sent);
        }
    }

    #[test]
    fn no_bytes_make_the_parsers_panic() {
        let datagram = hex(DELETE);
        let beat = heartbeat(session(), 1);
        crate::wire::tests::each_damaged(&[&datagram, &beat], |bytes| {
            let _ = Request::parse(bytes);
            if let Ok(Packet { body: Body::Messages(found), .. }) = Packet::parse(bytes) {
                let count = usize::from(found.left());
                assert_eq!(found.count(), count);
            }
        });
    }
}
