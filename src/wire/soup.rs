//! SoupBinTCP 3.00: the packets of an order-entry session, both directions; the 4.10 login is accepted.
//!
//! Bytes in, packets out, and back. It keeps no state: what may follow what is the session's rule.

use crate::types::{PortName, SessionId};

/// Bytes before a packet's payload: its length, which counts the type but not itself, and its type.
pub const HEADER_BYTES: usize = 3;
/// Bytes of a login request of version 4.10, the longest packet with a fixed layout.
pub const LOGIN_REQUEST_BYTES_MAX: usize = HEADER_BYTES + LOGIN_410;
/// Bytes of a login acceptance.
pub const LOGIN_ACCEPTED_BYTES: usize = HEADER_BYTES + ACCEPTED;

/// A whole server heartbeat.
pub const SERVER_HEARTBEAT: [u8; HEADER_BYTES] = [0, 1, kind::SERVER_HEARTBEAT];
/// A whole client heartbeat.
pub const CLIENT_HEARTBEAT: [u8; HEADER_BYTES] = [0, 1, kind::CLIENT_HEARTBEAT];
/// A whole end of session.
pub const END_OF_SESSION: [u8; HEADER_BYTES] = [0, 1, kind::END_OF_SESSION];
/// A whole logout request.
pub const LOGOUT_REQUEST: [u8; HEADER_BYTES] = [0, 1, kind::LOGOUT_REQUEST];

/// The type bytes.
mod kind {
    pub(super) const DEBUG: u8 = b'+';
    pub(super) const LOGIN_ACCEPTED: u8 = b'A';
    pub(super) const LOGIN_REJECTED: u8 = b'J';
    pub(super) const SEQUENCED_DATA: u8 = b'S';
    pub(super) const SERVER_HEARTBEAT: u8 = b'H';
    pub(super) const END_OF_SESSION: u8 = b'Z';
    pub(super) const LOGIN_REQUEST: u8 = b'L';
    pub(super) const UNSEQUENCED_DATA: u8 = b'U';
    pub(super) const CLIENT_HEARTBEAT: u8 = b'R';
    pub(super) const LOGOUT_REQUEST: u8 = b'O';
}

/// Payload bytes of a login request of versions 3.00 and 4.00.
const LOGIN_300: usize = 46;
/// Payload bytes of a login request of version 4.10: the heartbeat timeout comes on top.
const LOGIN_410: usize = 51;
/// Payload bytes of a login acceptance.
const ACCEPTED: usize = 30;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Free text for people, either way.
    Debug(&'a [u8]),
    /// Server: the login is good.
    LoginAccepted(LoginAccepted),
    /// Server: it is not.
    LoginRejected(LoginReject),
    /// Server: the next message of the stream.
    SequencedData(&'a [u8]),
    /// Server: nothing to say for a second.
    ServerHeartbeat,
    /// Server: the stream is complete.
    EndOfSession,
    /// Client: who I am, and where I want to go on.
    LoginRequest(LoginRequest),
    /// A message outside the stream. It may be lost.
    UnsequencedData(&'a [u8]),
    /// Client: nothing to say for a second.
    ClientHeartbeat,
    /// Client: goodbye.
    LogoutRequest,
}

/// What a client asks for when it logs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoginRequest {
    /// Its user name, as sent.
    pub name: PortName,
    /// Its password, as sent, padded with spaces.
    pub secret: [u8; 10],
    /// The session it wants, blank = the current one.
    pub session: SessionId,
    /// The first message it wants, 0 = the next to be generated.
    pub sequence: u64,
    /// The silence after which it wants to be given up, in milliseconds; version 4.10 only.
    pub heartbeat_timeout_ms: Option<u32>,
}

impl std::fmt::Debug for LoginRequest {
    /// Everything but the secret: logs are read by many.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest")
            .field("name", &self.name)
            .field("session", &self.session)
            .field("sequence", &self.sequence)
            .field("heartbeat_timeout_ms", &self.heartbeat_timeout_ms)
            .finish_non_exhaustive()
    }
}

/// Where the stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginAccepted {
    /// The session.
    pub session: SessionId,
    /// The number of the next sequenced message.
    pub sequence: u64,
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LoginReject {
    /// No such user, or not its password.
    NotAuthorized = b'A',
    /// No such session, or a sequence it has not reached.
    SessionNotAvailable = b'S',
}

/// Why bytes are not a packet. Nothing behind them can be read either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoupError {
    /// A length of zero, above the reader's limit, or not that of this type.
    #[error("packet length {0} is impossible")]
    Length(u16),
    /// No packet has this type.
    #[error("unknown packet type {0:#04x}")]
    UnknownType(u8),
    /// A field of fixed layout holds what it cannot.
    #[error("malformed packet of type {0:#04x}")]
    Field(u8),
}

/// Parses the packet at the start of `bytes`: it, and how many bytes it takes. `None` means that
/// more bytes are needed. A packet whose length (type and payload) passes `length_max` is refused as
/// soon as the length is there, so a reader never needs room for more.
///
/// # Errors
/// [`SoupError`]: the connection is of no use any more.
pub fn parse(bytes: &[u8], length_max: usize) -> Result<Option<(Packet<'_>, usize)>, SoupError> {
    let Some((&[high, low], rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let length = u16::from_be_bytes([high, low]);
    let whole = usize::from(length);
    if whole == 0 || whole > length_max {
        return Err(SoupError::Length(length));
    }
    let Some(&kind) = rest.first() else { return Ok(None) };
    if !length_fits(kind, whole - 1)? {
        return Err(SoupError::Length(length));
    }
    let Some(packet) = rest.get(..whole) else { return Ok(None) };
    Ok(Some((parse_payload(kind, &packet[1..])?, 2 + whole)))
}

fn length_fits(kind: u8, payload: usize) -> Result<bool, SoupError> {
    Ok(match kind {
        kind::DEBUG | kind::SEQUENCED_DATA | kind::UNSEQUENCED_DATA => true,
        kind::LOGIN_ACCEPTED => payload == ACCEPTED,
        kind::LOGIN_REJECTED => payload == 1,
        kind::LOGIN_REQUEST => payload == LOGIN_300 || payload == LOGIN_410,
        kind::SERVER_HEARTBEAT
        | kind::END_OF_SESSION
        | kind::CLIENT_HEARTBEAT
        | kind::LOGOUT_REQUEST => payload == 0,
        unknown => return Err(SoupError::UnknownType(unknown)),
    })
}

fn parse_payload(kind: u8, payload: &[u8]) -> Result<Packet<'_>, SoupError> {
    Ok(match kind {
        kind::DEBUG => Packet::Debug(payload),
        kind::SEQUENCED_DATA => Packet::SequencedData(payload),
        kind::UNSEQUENCED_DATA => Packet::UnsequencedData(payload),
        kind::SERVER_HEARTBEAT => Packet::ServerHeartbeat,
        kind::END_OF_SESSION => Packet::EndOfSession,
        kind::CLIENT_HEARTBEAT => Packet::ClientHeartbeat,
        kind::LOGOUT_REQUEST => Packet::LogoutRequest,
        kind::LOGIN_ACCEPTED => {
            let (&session, sequence) = payload.split_first_chunk().ok_or(SoupError::Field(kind))?;
            let sequence = parse_number(sequence).ok_or(SoupError::Field(kind))?;
            Packet::LoginAccepted(LoginAccepted { session: SessionId(session), sequence })
        }
        kind::LOGIN_REJECTED => Packet::LoginRejected(match payload {
            b"A" => LoginReject::NotAuthorized,
            b"S" => LoginReject::SessionNotAvailable,
            _ => return Err(SoupError::Field(kind)),
        }),
        kind::LOGIN_REQUEST => {
            Packet::LoginRequest(parse_login(payload).ok_or(SoupError::Field(kind))?)
        }
        unknown => return Err(SoupError::UnknownType(unknown)),
    })
}

fn parse_login(payload: &[u8]) -> Option<LoginRequest> {
    let (&name, rest) = payload.split_first_chunk()?;
    let (&secret, rest) = rest.split_first_chunk()?;
    let (&session, rest) = rest.split_first_chunk()?;
    let (sequence, timeout) = rest.split_at_checked(20)?;
    Some(LoginRequest {
        name: PortName(name),
        secret,
        session: SessionId(session),
        sequence: parse_number(sequence)?,
        heartbeat_timeout_ms: match timeout {
            [] => None,
            digits => Some(u32::try_from(parse_number(digits)?).ok()?),
        },
    })
}

/// An ASCII number, padded with spaces on either side: clients differ. All blank is zero.
fn parse_number(field: &[u8]) -> Option<u64> {
    field.trim_ascii().iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Writes `number` right-justified, as the specification does. Digits that do not fit are lost: the
/// fields of 20 hold every `u64`.
fn emit_number(mut number: u64, field: &mut [u8]) {
    field.fill(b' ');
    for byte in field.iter_mut().rev() {
        *byte = b'0' + u8::try_from(number % 10).expect("a digit is below ten");
        number /= 10;
        if number == 0 {
            return;
        }
    }
}

/// The header of a sequenced message of `payload` bytes, `None` if a packet cannot be that long.
#[must_use]
pub fn sequenced_header(payload: usize) -> Option<[u8; HEADER_BYTES]> {
    header(kind::SEQUENCED_DATA, payload)
}

/// The header of an unsequenced message of `payload` bytes, `None` if a packet cannot be that long.
#[must_use]
pub fn unsequenced_header(payload: usize) -> Option<[u8; HEADER_BYTES]> {
    header(kind::UNSEQUENCED_DATA, payload)
}

fn header(kind: u8, payload: usize) -> Option<[u8; HEADER_BYTES]> {
    let [high, low] = u16::try_from(payload.checked_add(1)?).ok()?.to_be_bytes();
    Some([high, low, kind])
}

impl LoginAccepted {
    /// The whole packet.
    #[must_use]
    pub fn emit(&self) -> [u8; LOGIN_ACCEPTED_BYTES] {
        let mut packet = [0; LOGIN_ACCEPTED_BYTES];
        packet[..3].copy_from_slice(&[0, 31, kind::LOGIN_ACCEPTED]);
        packet[3..13].copy_from_slice(&self.session.0);
        emit_number(self.sequence, &mut packet[13..]);
        packet
    }
}

impl LoginReject {
    /// The whole packet.
    #[must_use]
    pub const fn emit(self) -> [u8; 4] {
        [0, 2, kind::LOGIN_REJECTED, self as u8]
    }
}

/// What the five digits of a heartbeat timeout can say.
const HEARTBEAT_TIMEOUT_MS_MAX: u32 = 99_999;

impl LoginRequest {
    /// Writes the whole packet, in the 4.10 form if it has a heartbeat timeout, and returns its size. A
    /// longer timeout than the field's digits can say is the longest they can.
    pub fn emit(&self, packet: &mut [u8; LOGIN_REQUEST_BYTES_MAX]) -> usize {
        let payload = if self.heartbeat_timeout_ms.is_some() { LOGIN_410 } else { LOGIN_300 };
        let [.., length] = (1 + payload).to_be_bytes();
        packet[..3].copy_from_slice(&[0, length, kind::LOGIN_REQUEST]);
        packet[3..9].copy_from_slice(&self.name.0);
        packet[9..19].copy_from_slice(&self.secret);
        packet[19..29].copy_from_slice(&self.session.0);
        emit_number(self.sequence, &mut packet[29..49]);
        if let Some(timeout) = self.heartbeat_timeout_ms {
            emit_number(timeout.min(HEARTBEAT_TIMEOUT_MS_MAX).into(), &mut packet[49..]);
        }
        HEADER_BYTES + payload
    }
}

impl Packet<'_> {
    /// Writes the packet to the front of `out` and returns its size, `None` if it does not fit.
    pub fn emit(&self, out: &mut [u8]) -> Option<usize> {
        match self {
            Self::Debug(payload) => emit_data(header(kind::DEBUG, payload.len())?, payload, out),
            Self::SequencedData(payload) => {
                emit_data(sequenced_header(payload.len())?, payload, out)
            }
            Self::UnsequencedData(payload) => {
                emit_data(unsequenced_header(payload.len())?, payload, out)
            }
            Self::LoginAccepted(accepted) => put(&accepted.emit(), out),
            Self::LoginRejected(reason) => put(&reason.emit(), out),
            Self::LoginRequest(login) => {
                let mut packet = [0; LOGIN_REQUEST_BYTES_MAX];
                let size = login.emit(&mut packet);
                put(&packet[..size], out)
            }
            Self::ServerHeartbeat => put(&SERVER_HEARTBEAT, out),
            Self::EndOfSession => put(&END_OF_SESSION, out),
            Self::ClientHeartbeat => put(&CLIENT_HEARTBEAT, out),
            Self::LogoutRequest => put(&LOGOUT_REQUEST, out),
        }
    }
}

fn emit_data(header: [u8; HEADER_BYTES], payload: &[u8], out: &mut [u8]) -> Option<usize> {
    let size = HEADER_BYTES + payload.len();
    let (head, body) = out.get_mut(..size)?.split_at_mut(HEADER_BYTES);
    head.copy_from_slice(&header);
    body.copy_from_slice(payload);
    Some(size)
}

fn put(packet: &[u8], out: &mut [u8]) -> Option<usize> {
    out.get_mut(..packet.len())?.copy_from_slice(packet);
    Some(packet.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY_LENGTH: usize = u16::MAX as usize;

    fn login() -> LoginRequest {
        LoginRequest {
            name: PortName::new("BRKR01").unwrap(),
            secret: *b"SECRET0001",
            session: SessionId::new("2611220001").unwrap(),
            sequence: 17,
            heartbeat_timeout_ms: None,
        }
    }

    #[test]
    fn a_login_request_has_the_bytes_of_the_specification() {
        let mut packet = [0; LOGIN_REQUEST_BYTES_MAX];
        let size = login().emit(&mut packet);
        assert_eq!(&packet[..size], b"\0\x2fLBRKR01SECRET00012611220001                  17");
    }

    #[test]
    fn a_login_of_version_4_10_carries_its_timeout() {
        let request = LoginRequest { heartbeat_timeout_ms: Some(15_000), ..login() };
        let mut packet = [0; LOGIN_REQUEST_BYTES_MAX];
        assert_eq!(request.emit(&mut packet), 54);
        assert_eq!(&packet[49..], b"15000");
        let longer = LoginRequest { heartbeat_timeout_ms: Some(600_000), ..request };
        longer.emit(&mut packet);
        assert_eq!(&packet[49..], b"99999");
        request.emit(&mut packet);
        assert_eq!(
            parse(&packet, ANY_LENGTH),
            Ok(Some((Packet::LoginRequest(request), LOGIN_REQUEST_BYTES_MAX)))
        );
    }

    #[test]
    fn numbers_padded_on_either_side_are_read() {
        assert_eq!(parse_number(b"1                   "), Some(1));
        assert_eq!(parse_number(b"                   1"), Some(1));
        assert_eq!(parse_number(b"                    "), Some(0));
        assert_eq!(parse_number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_number(b"18446744073709551616"), None);
        assert_eq!(parse_number(b"1 2"), None);
        assert_eq!(parse_number(b"-1"), None);
    }

    #[test]
    fn a_login_acceptance_is_right_justified() {
        let session = SessionId::new("2611220001").unwrap();
        let accepted = LoginAccepted { session, sequence: 42 };
        assert_eq!(accepted.emit(), *b"\0\x1fA2611220001                  42");
    }

    #[test]
    fn a_length_of_zero_or_above_the_limit_is_refused_before_the_packet_is_there() {
        assert_eq!(parse(&[0, 0], ANY_LENGTH), Err(SoupError::Length(0)));
        assert_eq!(parse(&[0, 101], 100), Err(SoupError::Length(101)));
        assert_eq!(parse(&[0, 100], 100), Ok(None));
    }

    #[test]
    fn an_unknown_type_is_refused_before_the_packet_is_there() {
        assert_eq!(parse(&[0, 9, b'?'], ANY_LENGTH), Err(SoupError::UnknownType(b'?')));
    }

    #[test]
    fn a_fixed_packet_of_another_length_is_refused() {
        assert_eq!(parse(&[0, 2, b'R', 0], ANY_LENGTH), Err(SoupError::Length(2)));
        assert_eq!(parse(&[0, 48, b'L'], ANY_LENGTH), Err(SoupError::Length(48)));
        assert_eq!(parse(&[0, 2, b'J', b'?'], ANY_LENGTH), Err(SoupError::Field(b'J')));
    }

    fn text<const N: usize>() -> impl Strategy<Value = [u8; N]> {
        prop::array::uniform(b' '..=b'~')
    }

    prop_compose! {
        fn any_login()(
            name in text(),
            secret in text(),
            session in text(),
            sequence: u64,
            heartbeat_timeout_ms in prop::option::of(0..=HEARTBEAT_TIMEOUT_MS_MAX),
        ) -> LoginRequest {
            let (name, session) = (PortName(name), SessionId(session));
            LoginRequest { name, secret, session, sequence, heartbeat_timeout_ms }
        }
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_back(
            login in any_login(),
            payload in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let accepted = LoginAccepted { session: login.session, sequence: login.sequence };
            let packets = [
                Packet::Debug(&payload),
                Packet::LoginAccepted(accepted),
                Packet::LoginRejected(LoginReject::NotAuthorized),
                Packet::LoginRejected(LoginReject::SessionNotAvailable),
                Packet::SequencedData(&payload),
                Packet::ServerHeartbeat,
                Packet::EndOfSession,
                Packet::LoginRequest(login),
                Packet::UnsequencedData(&payload),
                Packet::ClientHeartbeat,
                Packet::LogoutRequest,
            ];
            for packet in packets {
                let mut out = [0xA5; 400];
                let size = packet.emit(&mut out).unwrap();
                prop_assert_eq!(parse(&out, ANY_LENGTH), Ok(Some((packet, size))));
                for cut in 0..size {
                    prop_assert_eq!(parse(&out[..cut], ANY_LENGTH), Ok(None));
                }
                prop_assert_eq!(packet.emit(&mut out[..size - 1]), None);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let mut seed = [0; LOGIN_REQUEST_BYTES_MAX];
        LoginRequest { heartbeat_timeout_ms: Some(1), ..login() }.emit(&mut seed);
        crate::wire::tests::each_damaged(&[&seed, &SERVER_HEARTBEAT], |bytes| {
            if let Ok(Some((_, consumed))) = parse(bytes, ANY_LENGTH) {
                assert!(consumed <= bytes.len());
            }
        });
    }
}
