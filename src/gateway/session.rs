//! The exchange's side of one session: what silence means, and over SoupBinTCP which packet may come when.
//!
//! It owns no bytes, sends nothing and looks up nothing: the gateway does, between the calls.

use crate::types::Nanos;
use crate::wire::soup::{self, LoginRequest, Packet, SoupError};

/// The longest packet a participant may send, in type and payload bytes: five times the longest order,
/// and an administrative record of three lines. A receive buffer of this and two more bytes never
/// blocks a packet.
pub const PACKET_LENGTH_MAX: usize = 1_024;

/// A connection must have logged in, and been accepted, after this time.
pub const LOGIN_TIMEOUT: Nanos = Nanos::from_secs(30);
/// The exchange says something at least this often.
pub const HEARTBEAT_INTERVAL: Nanos = Nanos::from_secs(1);
/// A participant that was silent for this time is gone. Some clients send a heartbeat only each 10 s.
pub const PEER_TIMEOUT: Nanos = Nanos::from_secs(15);
/// The shortest silence a 4.10 login may ask for: two of the participant's own heartbeats.
pub const PEER_TIMEOUT_MIN: Nanos = Nanos::from_secs(2);

/// One connection's session.
#[derive(Debug)]
pub struct Session {
    state: State,
    opened: Nanos,
    last_received: Nanos,
    last_sent: Nanos,
    peer_timeout: Nanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but a login request may come.
    AwaitingLogin,
    /// It came and is not answered; what the participant sends behind it is left unread.
    LoginPending,
    /// Logged in.
    Established,
    /// Logged out: nothing is read or due any more.
    Closed,
}

/// What a participant asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// To log in; name and secret are upper-cased. Send the answer, then tell [`Session::accept`] of
    /// an acceptance, or close the connection.
    Login(LoginRequest),
    /// A message of the protocol above.
    Message(&'a [u8]),
    /// To be let go: close the connection.
    Logout,
}

/// What [`Session::receive`] read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Bytes to let go of, those of the request included.
    pub consumed: usize,
    /// Packets among them.
    pub packets: u64,
    /// What is asked. Without a request the rest of the bytes is left for later: part of a packet, or
    /// whatever follows a login that is not accepted yet.
    pub request: Option<Request<'a>>,
}

/// How a participant broke the protocol: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// A packet length of zero, above [`PACKET_LENGTH_MAX`], or not that of its type.
    #[error("impossible packet length")]
    Length,
    /// A packet type that does not exist.
    #[error("unknown packet type")]
    UnknownType,
    /// A login request whose numbers are none.
    #[error("malformed login request")]
    MalformedLogin,
    /// A packet that only the exchange sends.
    #[error("packet of the other direction")]
    Direction,
    /// Anything before a login request.
    #[error("packet before login")]
    BeforeLogin,
    /// A login request in an established session.
    #[error("second login request")]
    SecondLogin,
    /// A message that the protocol above does not have. The gateway finds it, not the session.
    #[error("message of unknown type or wrong length")]
    Message,
    /// More orders than an OUCH 4.2 port may have in a day.
    #[error("all tokens of the port's day are used; more orders need another port, or OUCH 5.0")]
    Tokens,
    /// A message on a drop copy, which is only read.
    #[error("message on a drop copy")]
    ReadOnly,
}

/// What silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send [`soup::SERVER_HEARTBEAT`].
    Heartbeat,
    /// The participant is gone, or never logged in: close the connection.
    Dead,
}

impl Session {
    /// The session of a connection that was opened now.
    #[must_use]
    pub fn new(now: Nanos) -> Self {
        Self {
            state: State::AwaitingLogin,
            opened: now,
            last_received: now,
            last_sent: now,
            peer_timeout: PEER_TIMEOUT,
        }
    }

    /// Reads packets from the front of `bytes` up to and including the first that asks for something.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn receive<'a>(&mut self, now: Nanos, bytes: &'a [u8]) -> Result<Received<'a>, Violation> {
        let (mut consumed, mut packets) = (0, 0);
        while matches!(self.state, State::AwaitingLogin | State::Established) {
            let Some((packet, size)) = soup::parse(&bytes[consumed..], PACKET_LENGTH_MAX)? else {
                break;
            };
            consumed += size;
            packets += 1;
            self.last_received = now;
            if let Some(request) = self.take(packet)? {
                return Ok(Received { consumed, packets, request: Some(request) });
            }
        }
        Ok(Received { consumed, packets, request: None })
    }

    fn take<'a>(&mut self, packet: Packet<'a>) -> Result<Option<Request<'a>>, Violation> {
        let established = self.state == State::Established;
        match packet {
            Packet::LoginRequest(_) if established => Err(Violation::SecondLogin),
            Packet::LoginRequest(mut login) => {
                self.state = State::LoginPending;
                self.peer_timeout = peer_timeout(login.heartbeat_timeout_ms);
                login.name = login.name.upper();
                login.secret.make_ascii_uppercase();
                Ok(Some(Request::Login(login)))
            }
            Packet::LoginAccepted(_)
            | Packet::LoginRejected(_)
            | Packet::SequencedData(_)
            | Packet::ServerHeartbeat
            | Packet::EndOfSession => Err(Violation::Direction),
            _ if !established => Err(Violation::BeforeLogin),
            Packet::UnsequencedData(message) => Ok(Some(Request::Message(message))),
            Packet::LogoutRequest => {
                self.state = State::Closed;
                Ok(Some(Request::Logout))
            }
            Packet::ClientHeartbeat | Packet::Debug(_) => Ok(None),
        }
    }

    /// A login came as a datagram.
    pub fn note_login(&mut self) {
        self.state = State::LoginPending;
    }

    /// A message came as a datagram.
    pub fn note_received(&mut self, now: Nanos) {
        self.last_received = now;
    }

    /// The login was accepted, and the participant was told.
    ///
    /// # Panics
    /// If no login is pending: the gateway answered twice.
    pub fn accept(&mut self, now: Nanos) {
        assert_eq!(self.state, State::LoginPending, "a login is answered once");
        self.state = State::Established;
        self.last_received = now;
        self.last_sent = now;
    }

    /// Must be told of every packet sent in an established session, heartbeats included.
    pub fn note_sent(&mut self, now: Nanos) {
        self.last_sent = now;
    }

    /// What silence calls for now, if anything.
    #[must_use]
    pub fn due(&self, now: Nanos) -> Option<Due> {
        if now < self.due_at() {
            return None;
        }
        match self.state {
            State::AwaitingLogin | State::LoginPending => Some(Due::Dead),
            State::Established if now >= self.dead_at() => Some(Due::Dead),
            State::Established => Some(Due::Heartbeat),
            State::Closed => None,
        }
    }

    /// When silence calls for something, if nothing is received or sent before. It moves forward only by
    /// [`Session::accept`].
    #[must_use]
    pub fn due_at(&self) -> Nanos {
        match self.state {
            State::AwaitingLogin | State::LoginPending => self.opened.after(LOGIN_TIMEOUT),
            State::Established => self.last_sent.after(HEARTBEAT_INTERVAL).min(self.dead_at()),
            State::Closed => Nanos::MAX,
        }
    }

    fn dead_at(&self) -> Nanos {
        self.last_received.after(self.peer_timeout)
    }
}

/// A zero asks for nothing in particular.
fn peer_timeout(asked_ms: Option<u32>) -> Nanos {
    match asked_ms {
        None | Some(0) => PEER_TIMEOUT,
        Some(millis) => Nanos::from_millis(u64::from(millis)).max(PEER_TIMEOUT_MIN),
    }
}

impl From<SoupError> for Violation {
    fn from(error: SoupError) -> Self {
        match error {
            SoupError::Length(_) => Self::Length,
            SoupError::UnknownType(_) => Self::UnknownType,
            // A field is at fault only in logins, and in the exchange's own packets.
            SoupError::Field(b'L') => Self::MalformedLogin,
            SoupError::Field(_) => Self::Direction,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::{PortName, SessionId};
    use crate::wire::soup::{LoginAccepted, LoginReject};

    const START: Nanos = Nanos::from_secs(1_000);

    fn after(millis: u64) -> Nanos {
        START.after(Nanos::from_millis(millis))
    }

    fn login() -> LoginRequest {
        LoginRequest {
            name: PortName::new("brkr01").unwrap(),
            secret: *b"secret0001",
            session: SessionId::BLANK,
            sequence: 1,
            heartbeat_timeout_ms: None,
        }
    }

    fn bytes(packets: &[Packet<'_>]) -> Vec<u8> {
        let mut all = Vec::new();
        for packet in packets {
            let mut out = [0; 2_000];
            let size = packet.emit(&mut out).unwrap();
            all.extend_from_slice(&out[..size]);
        }
        all
    }

    fn established_with(request: LoginRequest) -> Session {
        let mut session = Session::new(START);
        let packet = bytes(&[Packet::LoginRequest(request)]);
        let received = session.receive(START, &packet).unwrap();
        assert!(matches!(received.request, Some(Request::Login(_))));
        assert_eq!(received.consumed, packet.len());
        session.accept(START);
        session
    }

    fn established() -> Session {
        established_with(login())
    }

    fn nothing(consumed: usize, packets: u64) -> Received<'static> {
        Received { consumed, packets, request: None }
    }

    fn message(consumed: usize, packets: u64, message: &[u8]) -> Received<'_> {
        Received { consumed, packets, request: Some(Request::Message(message)) }
    }

    #[test]
    fn a_login_is_asked_for_with_its_name_and_secret_in_upper_case() {
        let mut session = Session::new(START);
        let packet = bytes(&[Packet::LoginRequest(login())]);
        let request = session.receive(START, &packet).unwrap().request;
        let expected = LoginRequest {
            name: PortName::new("BRKR01").unwrap(),
            secret: *b"SECRET0001",
            ..login()
        };
        assert_eq!(request, Some(Request::Login(expected)));
    }

    #[test]
    fn what_is_sent_behind_a_login_is_left_unread_until_it_is_accepted() {
        let mut session = Session::new(START);
        let login_packet = bytes(&[Packet::LoginRequest(login())]);
        let order = bytes(&[Packet::UnsequencedData(b"order")]);
        let stream = [login_packet.clone(), order.clone()].concat();

        let received = session.receive(START, &stream).unwrap();
        assert!(matches!(received.request, Some(Request::Login(_))));
        assert_eq!(received.consumed, login_packet.len());
        assert_eq!(session.receive(START, &order), Ok(nothing(0, 0)));

        session.accept(START);
        assert_eq!(session.receive(START, &order), Ok(message(order.len(), 1, b"order")));
    }

    #[test]
    fn anything_before_a_login_request_is_a_violation() {
        for packet in [
            Packet::UnsequencedData(b"order"),
            Packet::ClientHeartbeat,
            Packet::LogoutRequest,
            Packet::Debug(b"hello"),
        ] {
            let stream = bytes(&[packet]);
            let result = Session::new(START).receive(START, &stream);
            assert_eq!(result, Err(Violation::BeforeLogin), "{packet:?}");
        }
    }

    #[test]
    fn garbage_is_a_violation() {
        let violation = |bytes: &[u8]| Session::new(START).receive(START, bytes).unwrap_err();
        assert_eq!(violation(b"GET / HTTP/1.1\r\n"), Violation::Length);
        assert_eq!(violation(b"\0\0"), Violation::Length);
        assert_eq!(violation(b"\x04\x01"), Violation::Length);
        assert_eq!(violation(b"\0\x02L"), Violation::Length);
        assert_eq!(violation(b"\0\x01?"), Violation::UnknownType);
        assert_eq!(violation(b"\0\x02J?"), Violation::Direction);
        let mut packet = bytes(&[Packet::LoginRequest(login())]);
        packet[48] = b'x';
        assert_eq!(violation(&packet), Violation::MalformedLogin);
    }

    #[test]
    fn the_exchanges_own_packets_are_a_violation_from_a_participant() {
        let accepted = LoginAccepted { session: SessionId::BLANK, sequence: 1 };
        for packet in [
            Packet::LoginAccepted(accepted),
            Packet::LoginRejected(LoginReject::NotAuthorized),
            Packet::SequencedData(b"x"),
            Packet::ServerHeartbeat,
            Packet::EndOfSession,
        ] {
            let stream = bytes(&[packet]);
            let result = established().receive(START, &stream);
            assert_eq!(result, Err(Violation::Direction), "{packet:?}");
        }
    }

    #[test]
    fn a_second_login_request_is_a_violation() {
        let packet = bytes(&[Packet::LoginRequest(login())]);
        assert_eq!(established().receive(START, &packet), Err(Violation::SecondLogin));
    }

    #[test]
    fn heartbeats_and_debug_text_ask_for_nothing() {
        let mut session = established();
        let stream = bytes(&[
            Packet::ClientHeartbeat,
            Packet::Debug(b"hello"),
            Packet::UnsequencedData(b"order"),
            Packet::ClientHeartbeat,
        ]);
        let first = stream.len() - 3;
        assert_eq!(session.receive(START, &stream), Ok(message(first, 3, b"order")));
        assert_eq!(session.receive(START, &stream[first..]), Ok(nothing(3, 1)));
    }

    #[test]
    fn after_a_logout_nothing_is_read_or_due() {
        let mut session = established();
        let stream = bytes(&[Packet::LogoutRequest, Packet::UnsequencedData(b"order")]);
        let logout = Received { consumed: 3, packets: 1, request: Some(Request::Logout) };
        assert_eq!(session.receive(START, &stream), Ok(logout));
        assert_eq!(session.receive(START, &stream[3..]), Ok(nothing(0, 0)));
        assert_eq!(session.due(Nanos::MAX), None);
    }

    #[test]
    fn without_a_login_for_thirty_seconds_the_connection_is_closed() {
        let mut session = Session::new(START);
        assert_eq!(session.due(after(29_999)), None);
        assert_eq!(session.due(after(30_000)), Some(Due::Dead));
        // Nor may a login stay unanswered for longer.
        session.receive(after(10), &bytes(&[Packet::LoginRequest(login())])).unwrap();
        assert_eq!(session.due(after(29_999)), None);
        assert_eq!(session.due(after(30_000)), Some(Due::Dead));
    }

    #[test]
    fn a_heartbeat_is_due_after_a_second_without_sending() {
        let mut session = established();
        assert_eq!(session.due(after(999)), None);
        assert_eq!(session.due(after(1_000)), Some(Due::Heartbeat));
        session.note_sent(after(1_000));
        assert_eq!(session.due(after(1_999)), None);
        assert_eq!(session.due(after(2_000)), Some(Due::Heartbeat));
    }

    #[test]
    fn a_participant_silent_for_fifteen_seconds_is_gone() {
        let mut session = established();
        session.note_sent(after(14_500));
        assert_eq!(session.due(after(14_999)), None);
        assert_eq!(session.due(after(15_000)), Some(Due::Dead));
        session.receive(after(14_999), &bytes(&[Packet::ClientHeartbeat])).unwrap();
        assert_eq!(session.due(after(15_000)), None);
        session.note_sent(after(29_500));
        assert_eq!(session.due(after(29_999)), Some(Due::Dead));
    }

    #[test]
    fn part_of_a_packet_is_no_sign_of_life() {
        let mut session = established();
        assert_eq!(session.receive(after(10_000), &[0]), Ok(nothing(0, 0)));
        assert_eq!(session.due(after(15_000)), Some(Due::Dead));
    }

    #[test]
    fn a_login_of_version_4_10_chooses_its_own_silence() {
        for (asked_ms, granted_ms) in [(0, 15_000), (5_000, 5_000), (60_000, 60_000), (1, 2_000)] {
            let heartbeat_timeout_ms = Some(asked_ms);
            let mut session = established_with(LoginRequest { heartbeat_timeout_ms, ..login() });
            session.note_sent(after(granted_ms - 1));
            assert_eq!(session.due(after(granted_ms - 1)), None);
            assert_eq!(session.due(after(granted_ms)), Some(Due::Dead));
        }
    }

    /// All that a participant asks for, when its bytes come in pieces of these sizes.
    fn requests(stream: &[u8], pieces: &[usize]) -> Vec<String> {
        let mut session = Session::new(START);
        let mut found = Vec::new();
        let mut buffer = Vec::new();
        let mut rest = stream;
        let mut pieces = pieces.iter().copied().cycle();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(pieces.next().unwrap().min(rest.len()));
            buffer.extend_from_slice(piece);
            rest = later;
            loop {
                let Received { consumed, request, .. } = session.receive(START, &buffer).unwrap();
                let done = request.is_none();
                let login = matches!(request, Some(Request::Login(_)));
                found.extend(request.map(|request| format!("{request:?}")));
                buffer.drain(..consumed);
                if login {
                    session.accept(START);
                }
                if done {
                    break;
                }
            }
        }
        assert!(buffer.is_empty());
        found
    }

    proptest! {
        #[test]
        fn any_split_of_the_stream_asks_for_the_same(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..12),
            pieces in prop::collection::vec(1_usize..40, 1..20),
        ) {
            let mut packets = vec![Packet::LoginRequest(login())];
            for message in &messages {
                packets.push(Packet::ClientHeartbeat);
                packets.push(Packet::UnsequencedData(message));
                packets.push(Packet::Debug(message));
            }
            packets.push(Packet::LogoutRequest);
            let stream = bytes(&packets);
            let whole = requests(&stream, &[stream.len()]);
            prop_assert_eq!(whole.len(), messages.len() + 2);
            prop_assert_eq!(requests(&stream, &[1]), whole.clone());
            prop_assert_eq!(requests(&stream, &pieces), whole);
        }

        #[test]
        fn no_bytes_make_a_session_panic(stream in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Session::new(START).receive(START, &stream);
            let _ = established().receive(START, &stream);
        }
    }
}
