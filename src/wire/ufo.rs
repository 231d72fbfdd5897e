//! UFO 1.0, order entry in datagrams: the packets of both directions.
//!
//! Bytes in, packets out, and back. It keeps no state: what may follow what is the session's rule.
#![doc = include_str!("ufo.md")]

use super::blocks::{LENGTH_BYTES, Messages, put_block, split_block};
use super::soup::LoginReject;
use crate::types::{PortName, SessionId};

/// The most bytes of a packet that this codec builds: as of a MoldUDP64 packet.
pub const PACKET_BYTES_MAX: usize = super::mold::PACKET_BYTES_MAX;
/// The longest message a sequenced packet takes.
pub const MESSAGE_BYTES_MAX: usize = PACKET_BYTES_MAX - SEQUENCED_HEADER_BYTES - LENGTH_BYTES;
/// Bytes of a login acceptance.
pub const LOGIN_ACCEPTED_BYTES: usize = 15;
/// Bytes of a login request behind its length.
pub const LOGIN_REQUEST_BYTES: usize = 27;

/// A whole client heartbeat.
pub const CLIENT_HEARTBEAT: [u8; 3] = [0, 1, kind::HEARTBEAT];
/// A whole logoff request.
pub const LOGOFF_REQUEST: [u8; 3] = [0, 1, kind::LOGOFF];

const SEQUENCED_HEADER_BYTES: usize = 7;
const LOGIN_REJECTED_BYTES: usize = 2;
const END_OF_SESSION_BYTES: usize = 5;
const RETRANSMISSION_REQUEST_BYTES: usize = 7;

/// The type bytes.
mod kind {
    pub(super) const LOGIN_ACCEPTED: u8 = b'A';
    pub(super) const LOGIN_REJECTED: u8 = b'J';
    pub(super) const SEQUENCED_DATA: u8 = b'S';
    pub(super) const END_OF_SESSION: u8 = b'E';
    pub(super) const LOGIN_REQUEST: u8 = b'L';
    pub(super) const RETRANSMISSION_REQUEST: u8 = b'T';
    pub(super) const UNSEQUENCED: u8 = b'U';
    pub(super) const HEARTBEAT: u8 = b'R';
    pub(super) const LOGOFF: u8 = b'O';
}

/// A packet from the exchange: a whole datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Downstream<'a> {
    /// The login is good.
    LoginAccepted(LoginAccepted),
    /// It is not, or the session is over.
    LoginRejected(LoginReject),
    /// Messages of the stream; without any it is a heartbeat.
    Sequenced {
        /// The number of the first; of the next to come, if there is none.
        sequence: u32,
        /// They have consecutive numbers.
        messages: Messages<'a>,
    },
    /// The stream is complete, with so many messages.
    EndOfSession(u32),
}

/// A message from the participant: one of those in a datagram, without its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream<'a> {
    /// Who I am.
    Login(LoginRequest),
    /// Send these messages of the stream again.
    Retransmission(RetransmissionRequest),
    /// A message outside the stream. It may be lost.
    Unsequenced(&'a [u8]),
    /// Nothing to say for a second.
    Heartbeat,
    /// Goodbye.
    Logoff,
}

/// Where the stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginAccepted {
    /// The session.
    pub session: SessionId,
    /// The number of the next message that is sent unasked.
    pub sequence: u32,
}

/// Who logs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoginRequest {
    /// Its user name, as sent.
    pub name: PortName,
    /// Its password, as sent, padded with spaces.
    pub secret: [u8; 10],
    /// The session it wants, blank = the current one.
    pub session: SessionId,
}

impl std::fmt::Debug for LoginRequest {
    /// Everything but the secret: logs are read by many.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest")
            .field("name", &self.name)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// Messages that a participant has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetransmissionRequest {
    /// The first of them.
    pub sequence: u32,
    /// How many they are.
    pub count: u16,
}

/// Why bytes are not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UfoError {
    /// It ends within a field.
    #[error("datagram cut short")]
    Short,
    /// It has bytes behind its last field.
    #[error("packet of type {0:#04x} has bytes too many")]
    Long(u8),
    /// No packet of this direction has this type.
    #[error("unknown packet type {0:#04x}")]
    UnknownType(u8),
    /// A field of fixed layout holds what it cannot, or its messages would have numbers beyond the
    /// largest.
    #[error("malformed packet of type {0:#04x}")]
    Field(u8),
}

impl<'a> Downstream<'a> {
    /// Parses one datagram.
    ///
    /// # Errors
    /// [`UfoError`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, UfoError> {
        let (&kind, rest) = datagram.split_first().ok_or(UfoError::Short)?;
        let (packet, rest) = match kind {
            kind::LOGIN_ACCEPTED => {
                let (&session, rest) = rest.split_first_chunk().ok_or(UfoError::Short)?;
                let (sequence, rest) = number(rest)?;
                let session = SessionId(session);
                (Self::LoginAccepted(LoginAccepted { session, sequence }), rest)
            }
            kind::LOGIN_REJECTED => {
                let (&reason, rest) = rest.split_first().ok_or(UfoError::Short)?;
                (Self::LoginRejected(reject_reason(reason).ok_or(UfoError::Field(kind))?), rest)
            }
            kind::SEQUENCED_DATA => {
                let (sequence, rest) = number(rest)?;
                let (&count, blocks) = rest.split_first_chunk().ok_or(UfoError::Short)?;
                let count = u16::from_be_bytes(count);
                sequence.checked_add(count.into()).ok_or(UfoError::Field(kind))?;
                let (messages, rest) = Messages::split(blocks, count).ok_or(UfoError::Short)?;
                (Self::Sequenced { sequence, messages }, rest)
            }
            kind::END_OF_SESSION => {
                let (total, rest) = number(rest)?;
                (Self::EndOfSession(total), rest)
            }
            unknown => return Err(UfoError::UnknownType(unknown)),
        };
        if rest.is_empty() { Ok(packet) } else { Err(UfoError::Long(kind)) }
    }
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), UfoError> {
    let (&number, rest) = bytes.split_first_chunk().ok_or(UfoError::Short)?;
    Ok((u32::from_be_bytes(number), rest))
}

fn reject_reason(byte: u8) -> Option<LoginReject> {
    [LoginReject::NotAuthorized, LoginReject::SessionNotAvailable]
        .into_iter()
        .find(|&reason| reason as u8 == byte)
}

impl LoginAccepted {
    /// The whole packet.
    #[must_use]
    pub fn emit(&self) -> [u8; LOGIN_ACCEPTED_BYTES] {
        let mut packet = [kind::LOGIN_ACCEPTED; LOGIN_ACCEPTED_BYTES];
        packet[1..11].copy_from_slice(&self.session.0);
        packet[11..].copy_from_slice(&self.sequence.to_be_bytes());
        packet
    }
}

/// A whole login rejection.
#[must_use]
pub const fn login_rejected(reason: LoginReject) -> [u8; LOGIN_REJECTED_BYTES] {
    [kind::LOGIN_REJECTED, reason as u8]
}

/// A whole heartbeat of the exchange: `next` is the number of the message to come.
#[must_use]
pub fn heartbeat(next: u32) -> [u8; SEQUENCED_HEADER_BYTES] {
    sequenced_header(next, 0)
}

/// A whole end of session, of so many messages.
#[must_use]
pub fn end_of_session(total: u32) -> [u8; END_OF_SESSION_BYTES] {
    let mut packet = [kind::END_OF_SESSION; END_OF_SESSION_BYTES];
    packet[1..].copy_from_slice(&total.to_be_bytes());
    packet
}

fn sequenced_header(sequence: u32, count: u16) -> [u8; SEQUENCED_HEADER_BYTES] {
    let mut header = [kind::SEQUENCED_DATA; SEQUENCED_HEADER_BYTES];
    header[1..5].copy_from_slice(&sequence.to_be_bytes());
    header[5..].copy_from_slice(&count.to_be_bytes());
    header
}

/// Packs consecutive messages of a stream into one packet after the other, in place.
#[derive(Debug)]
pub struct PacketBuilder {
    /// The number of the first message of the packet.
    sequence: u32,
    count: u16,
    size: usize,
    bytes: [u8; PACKET_BYTES_MAX],
}

impl PacketBuilder {
    /// An empty packet.
    #[must_use]
    pub const fn new() -> Self {
        let bytes = [0; PACKET_BYTES_MAX];
        Self { sequence: 0, count: 0, size: SEQUENCED_HEADER_BYTES, bytes }
    }

    /// Appends the message with the number `sequence`; `false` if it has no room, or does not follow
    /// the message before it: send the packet first.
    #[must_use]
    pub fn push(&mut self, sequence: u32, message: &[u8]) -> bool {
        if self.is_empty() {
            self.sequence = sequence;
        }
        if self.sequence.checked_add(self.count.into()) != Some(sequence) {
            return false;
        }
        let Some(end) = put_block(&mut self.bytes, self.size, message) else { return false };
        self.size = end;
        self.count += 1;
        true
    }

    /// Whether no message is in the packet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The packet as it is now.
    pub fn packet(&mut self) -> &[u8] {
        let header = sequenced_header(self.sequence, self.count);
        self.bytes[..SEQUENCED_HEADER_BYTES].copy_from_slice(&header);
        &self.bytes[..self.size]
    }

    /// Begins another packet.
    pub fn clear(&mut self) {
        self.count = 0;
        self.size = SEQUENCED_HEADER_BYTES;
    }
}

impl Default for PacketBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Upstream<'a> {
    /// Parses the message at the start of what is left of a datagram: it, and what is behind it.
    ///
    /// # Errors
    /// [`UfoError`]: nothing behind it can be read either.
    pub fn parse(datagram: &'a [u8]) -> Result<(Self, &'a [u8]), UfoError> {
        let (message, behind) = split_block(datagram).ok_or(UfoError::Short)?;
        let (&kind, rest) = message.split_first().ok_or(UfoError::Short)?;
        let (message, rest) = match kind {
            kind::LOGIN_REQUEST => {
                let (&name, rest) = rest.split_first_chunk().ok_or(UfoError::Short)?;
                let (&secret, rest) = rest.split_first_chunk().ok_or(UfoError::Short)?;
                let (&session, rest) = rest.split_first_chunk().ok_or(UfoError::Short)?;
                let (name, session) = (PortName(name), SessionId(session));
                (Self::Login(LoginRequest { name, secret, session }), rest)
            }
            kind::RETRANSMISSION_REQUEST => {
                let (sequence, rest) = number(rest)?;
                let (&count, rest) = rest.split_first_chunk().ok_or(UfoError::Short)?;
                let count = u16::from_be_bytes(count);
                (Self::Retransmission(RetransmissionRequest { sequence, count }), rest)
            }
            kind::UNSEQUENCED => (Self::Unsequenced(rest), &[][..]),
            kind::HEARTBEAT => (Self::Heartbeat, rest),
            kind::LOGOFF => (Self::Logoff, rest),
            unknown => return Err(UfoError::UnknownType(unknown)),
        };
        if rest.is_empty() { Ok((message, behind)) } else { Err(UfoError::Long(kind)) }
    }

    /// Writes the message behind its length at `at` of a datagram, and returns the end; `None` if it
    /// does not fit.
    pub fn emit(&self, datagram: &mut [u8], at: usize) -> Option<usize> {
        match self {
            Self::Login(login) => {
                let mut message = [kind::LOGIN_REQUEST; LOGIN_REQUEST_BYTES];
                message[1..7].copy_from_slice(&login.name.0);
                message[7..17].copy_from_slice(&login.secret);
                message[17..].copy_from_slice(&login.session.0);
                put_block(datagram, at, &message)
            }
            Self::Retransmission(request) => {
                let mut message = [kind::RETRANSMISSION_REQUEST; RETRANSMISSION_REQUEST_BYTES];
                message[1..5].copy_from_slice(&request.sequence.to_be_bytes());
                message[5..].copy_from_slice(&request.count.to_be_bytes());
                put_block(datagram, at, &message)
            }
            Self::Unsequenced(payload) => {
                let length = u16::try_from(payload.len().checked_add(1)?).ok()?;
                let end = at + LENGTH_BYTES + usize::from(length);
                let block = datagram.get_mut(at..end)?;
                block[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
                block[LENGTH_BYTES] = kind::UNSEQUENCED;
                block[LENGTH_BYTES + 1..].copy_from_slice(payload);
                Some(end)
            }
            Self::Heartbeat => put_block(datagram, at, &[kind::HEARTBEAT]),
            Self::Logoff => put_block(datagram, at, &[kind::LOGOFF]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session() -> SessionId {
        SessionId::new("2611220001").unwrap()
    }

    fn login() -> LoginRequest {
        let name = PortName::new("BRKR01").unwrap();
        LoginRequest { name, secret: *b"SECRET0001", session: session() }
    }

    #[test]
    fn each_packet_of_the_exchange_is_read_and_written_byte_for_byte() {
        let accepted = LoginAccepted { session: session(), sequence: 0x0102_0304 };
        let bytes = b"A2611220001\x01\x02\x03\x04";
        assert_eq!(&accepted.emit(), bytes);
        assert_eq!(Downstream::parse(bytes), Ok(Downstream::LoginAccepted(accepted)));

        for (reason, bytes) in
            [(LoginReject::NotAuthorized, b"JA"), (LoginReject::SessionNotAvailable, b"JS")]
        {
            assert_eq!(&login_rejected(reason), bytes);
            assert_eq!(Downstream::parse(bytes), Ok(Downstream::LoginRejected(reason)));
        }

        assert_eq!(&end_of_session(9), b"E\0\0\0\x09");
        assert_eq!(Downstream::parse(b"E\0\0\0\x09"), Ok(Downstream::EndOfSession(9)));

        assert_eq!(&heartbeat(7), b"S\0\0\0\x07\0\0");
        let mut builder = PacketBuilder::new();
        assert!(builder.push(7, b"one") && builder.push(8, b"") && builder.push(9, b"three"));
        let bytes = b"S\0\0\0\x07\0\x03\0\x03one\0\0\0\x05three";
        assert_eq!(builder.packet(), bytes);
        let Ok(Downstream::Sequenced { sequence, messages }) = Downstream::parse(bytes) else {
            panic!("no sequenced packet")
        };
        assert_eq!(sequence, 7);
        assert_eq!(messages.collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn each_message_of_a_participant_is_read_and_written_byte_for_byte() {
        let request = RetransmissionRequest { sequence: 5, count: 300 };
        let golden: [(Upstream<'_>, &[u8]); 5] = [
            (Upstream::Login(login()), b"\0\x1bLBRKR01SECRET00012611220001"),
            (Upstream::Retransmission(request), b"\0\x07T\0\0\0\x05\x01\x2c"),
            (Upstream::Unsequenced(b"order"), b"\0\x06Uorder"),
            (Upstream::Heartbeat, &CLIENT_HEARTBEAT),
            (Upstream::Logoff, &LOGOFF_REQUEST),
        ];
        let (mut datagram, mut end) = ([0; PACKET_BYTES_MAX], 0);
        for (message, bytes) in golden {
            assert_eq!(Upstream::parse(bytes), Ok((message, &[][..])));
            let start = end;
            end = message.emit(&mut datagram, end).unwrap();
            assert_eq!(&datagram[start..end], bytes);
        }
        let mut rest = &datagram[..end];
        for (message, _) in golden {
            let (found, behind) = Upstream::parse(rest).unwrap();
            assert_eq!(found, message);
            rest = behind;
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_packet_takes_consecutive_messages_as_long_as_they_fit() {
        let mut builder = PacketBuilder::new();
        assert!(!builder.push(1, &[0; MESSAGE_BYTES_MAX + 1]));
        assert!(builder.push(1, &[0; MESSAGE_BYTES_MAX]));
        assert!(!builder.push(2, b""), "no room");
        assert_eq!(builder.packet().len(), PACKET_BYTES_MAX);
        builder.clear();
        assert!(builder.push(40, b"a"));
        for other in [39, 40, 42] {
            assert!(!builder.push(other, b"b"), "{other} does not follow 40");
        }
        assert!(builder.push(41, b"b"));
        builder.clear();
        assert!(builder.push(u32::MAX, b"last") && !builder.push(0, b"none"));
    }

    #[test]
    fn what_is_cut_or_too_long_is_refused() {
        let mut builder = PacketBuilder::new();
        assert!(builder.push(7, b"one"));
        let accepted = LoginAccepted { session: session(), sequence: 1 }.emit();
        let packets: [&[u8]; 4] = [builder.packet(), &accepted, b"JA", b"E\0\0\0\x09"];
        for packet in packets {
            for cut in 0..packet.len() {
                assert_eq!(Downstream::parse(&packet[..cut]), Err(UfoError::Short), "{packet:?}");
            }
            let long = [packet, b"\0"].concat();
            assert_eq!(Downstream::parse(&long), Err(UfoError::Long(packet[0])));
        }
        let messages: [&[u8]; 4] = [
            b"\0\x1bLBRKR01SECRET00012611220001",
            b"\0\x07T\0\0\0\x05\x01\x2c",
            b"\0\x01R",
            b"\0\0",
        ];
        for message in messages {
            for cut in 0..message.len() {
                assert_eq!(Upstream::parse(&message[..cut]), Err(UfoError::Short), "{message:?}");
            }
        }
        assert_eq!(Upstream::parse(b"\0\0"), Err(UfoError::Short));
        assert_eq!(Upstream::parse(b"\0\x02R!"), Err(UfoError::Long(b'R')));
        assert_eq!(Upstream::parse(b"\0\x01S"), Err(UfoError::UnknownType(b'S')));
        assert_eq!(Downstream::parse(b"R"), Err(UfoError::UnknownType(b'R')));
        assert_eq!(Downstream::parse(b"JX"), Err(UfoError::Field(b'J')));
        assert_eq!(Downstream::parse(b"S\xff\xff\xff\xff\0\x01\0\0"), Err(UfoError::Field(b'S')));
    }

    #[test]
    fn a_login_is_shown_without_its_secret() {
        let shown = format!("{:?}", Upstream::Login(login()));
        assert!(shown.contains("BRKR01") && !shown.contains("SECRET"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            first in 1..1_000_u32,
            sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
        ) {
            let mut builder = PacketBuilder::new();
            for (number, message) in (first..).zip(&sent) {
                prop_assert!(builder.push(number, message));
            }
            let packet = Downstream::parse(builder.packet());
            let Ok(Downstream::Sequenced { sequence, messages }) = packet else { panic!() };
            prop_assert_eq!(sequence, if sent.is_empty() { 0 } else { first });
            prop_assert_eq!(messages.map(<[u8]>::to_vec).collect::<Vec<_>>(), sent);
        }

        #[test]
        fn any_messages_in_a_datagram_are_read_as_they_were_sent(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
            sequence: u32,
            count: u16,
        ) {
            let request = Upstream::Retransmission(RetransmissionRequest { sequence, count });
            let mut sent = vec![Upstream::Login(login()), request, Upstream::Heartbeat];
            sent.extend(payloads.iter().map(|payload| Upstream::Unsequenced(payload)));
            let (mut datagram, mut end) = ([0; 2_000], 0);
            for message in &sent {
                end = message.emit(&mut datagram, end).unwrap();
            }
            let mut rest = &datagram[..end];
            for message in sent {
                let (found, behind) = Upstream::parse(rest).unwrap();
                prop_assert_eq!(found, message);
                rest = behind;
            }
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn no_bytes_make_the_parsers_panic() {
        let mut builder = PacketBuilder::new();
        assert!(builder.push(7, b"one"));
        let accepted = LoginAccepted { session: session(), sequence: 1 }.emit();
        let up = b"\0\x1bLBRKR01SECRET00012611220001\0\x07T\0\0\0\x05\x01\x2c\0\x06Uorder\0\x01R";
        crate::wire::tests::each_damaged(&[builder.packet(), &accepted, up], |bytes| {
            if let Ok(Downstream::Sequenced { messages, .. }) = Downstream::parse(bytes) {
                let count = usize::from(messages.left());
                assert_eq!(messages.count(), count);
            }
            let mut rest = bytes;
            while let Ok((_, behind)) = Upstream::parse(rest) {
                assert!(behind.len() < rest.len());
                rest = behind;
            }
        });
    }
}
