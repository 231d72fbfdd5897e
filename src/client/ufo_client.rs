//! A UFO session as a client has it: the stream in its order and without gaps, what is lost asked for
//! again, and heartbeats by itself.
//!
//! It does not know what the messages say. What it sends may be lost, as datagrams are.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::{ClientError, Credentials, Incoming};
use crate::sys::wait;
use crate::types::SessionId;
use crate::wire::soup::LoginReject;
use crate::wire::ufo::{
    Downstream, LoginAccepted, LoginRequest, PACKET_BYTES_MAX, RetransmissionRequest, Upstream,
};

/// The client says something at least this often, and repeats its login as often.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// An exchange that was silent for this time is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(15);
/// What was asked for and does not come is asked for again after this time.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Larger than any UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 1 << 16;

/// A session in datagrams.
#[derive(Debug)]
pub struct UfoClient {
    socket: UdpSocket,
    session: SessionId,
    /// The number of the next message to hand out.
    next: u32,
    /// One above the highest number heard of.
    known: u32,
    /// The end of what was asked for again, and when it was, or came, last.
    asked: (u32, Instant),
    /// All messages of the session, once it is complete.
    total: Option<u32>,
    datagram: Box<[u8]>,
    /// The bytes of `datagram` that were received and not handed out, and the number of the first
    /// message in them.
    unread: std::ops::Range<usize>,
    unread_sequence: u32,
    unread_count: u16,
    /// Messages that were queued and not sent.
    unsent: Vec<u8>,
    last_sent: Instant,
    last_received: Instant,
}

impl UfoClient {
    /// Logs in. A blank session is the current one; messages from `sequence` on are sent again, 0 asks
    /// for none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn login(
        address: SocketAddr,
        credentials: Credentials,
        session: SessionId,
        sequence: u64,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let connect = |source| ClientError::Connect { address, source };
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(connect)?;
        // From here on the kernel hands out what that address sends, and nobody else.
        socket.connect(address).map_err(connect)?;
        socket.set_nonblocking(true).map_err(connect)?;
        let now = Instant::now();
        let mut client = Self {
            socket,
            session,
            next: 0,
            known: 0,
            asked: (0, now),
            total: None,
            datagram: vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice(),
            unread: 0..0,
            unread_sequence: 0,
            unread_count: 0,
            unsent: Vec::new(),
            last_sent: now,
            last_received: now,
        };
        let Credentials { name, secret } = credentials;
        let accepted = client.log_in(LoginRequest { name, secret, session }, timeout)?;
        let next = match u32::try_from(sequence) {
            Ok(0) => accepted.sequence,
            Ok(asked) if asked <= accepted.sequence => asked,
            _ => return Err(ClientError::Refused(LoginReject::SessionNotAvailable)),
        };
        (client.session, client.next) = (accepted.session, next);
        (client.known, client.asked.0) = (accepted.sequence, next);
        Ok(client)
    }

    /// Repeats the login until it is answered.
    fn log_in(
        &mut self,
        request: LoginRequest,
        timeout: Duration,
    ) -> Result<LoginAccepted, ClientError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.put(Upstream::Login(request))?;
            self.flush()?;
            let repeat_at = deadline.min(Instant::now() + HEARTBEAT_INTERVAL);
            while let Some(size) = self.fill(repeat_at)? {
                match Downstream::parse(&self.datagram[..size])? {
                    Downstream::LoginAccepted(accepted) => return Ok(accepted),
                    Downstream::LoginRejected(reason) => return Err(ClientError::Refused(reason)),
                    // Of a session that this address had before.
                    Downstream::Sequenced { .. } | Downstream::EndOfSession(_) => {}
                }
            }
            if Instant::now() >= deadline {
                let what = "answer to the login";
                return Err(ClientError::Timeout { what, after: timeout });
            }
        }
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The number of the next message to come.
    #[must_use]
    pub fn next_sequence(&self) -> u32 {
        self.next
    }

    /// Queues a message. It leaves with the next [`UfoClient::flush`] or [`UfoClient::receive`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn queue(&mut self, message: &[u8]) -> Result<(), ClientError> {
        self.put(Upstream::Unsequenced(message))
    }

    /// Says goodbye. The exchange may not hear it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn logoff(&mut self) -> Result<(), ClientError> {
        self.put(Upstream::Logoff)?;
        self.flush()
    }

    /// Puts a message behind those that are queued; they leave first if it does not fit.
    fn put(&mut self, message: Upstream<'_>) -> Result<(), ClientError> {
        let mut packet = [0; PACKET_BYTES_MAX];
        let size = message.emit(&mut packet, 0);
        let size = size.ok_or(ClientError::TooLong(PACKET_BYTES_MAX))?;
        if self.unsent.len() + size > PACKET_BYTES_MAX {
            self.flush()?;
        }
        self.unsent.extend_from_slice(&packet[..size]);
        Ok(())
    }

    /// Sends all that is queued, in one datagram.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn flush(&mut self) -> Result<(), ClientError> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        match self.socket.send(&self.unsent) {
            // A kernel without room loses it, and nobody listens after a restart: as datagrams are lost.
            Ok(_) => {}
            Err(error) if is_of_datagrams(error.kind()) => {}
            Err(source) => return Err(ClientError::Io { action: "send", source }),
        }
        self.unsent.clear();
        self.last_sent = Instant::now();
        Ok(())
    }

    /// What comes next in the stream, waited for up to `timeout`; zero only looks. Sends what is queued,
    /// and what keeps the session alive and whole.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Incoming<'_>>, ClientError> {
        self.flush()?;
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(message) = self.take_unread() {
                let sequence = u64::from(self.next);
                self.next += 1;
                self.asked.1 = Instant::now();
                return Ok(Some(Incoming::Message { sequence, message: &self.datagram[message] }));
            }
            if self.total.is_some_and(|total| self.next > total) {
                return Ok(Some(Incoming::EndOfSession));
            }
            self.keep_up()?;
            let Some(size) = self.fill(deadline)? else { return Ok(None) };
            self.learn(size)?;
        }
    }

    /// The next message, if it is in the datagram that came last.
    fn take_unread(&mut self) -> Option<std::ops::Range<usize>> {
        while self.unread_count > 0 {
            // A datagram that was parsed has whole messages.
            let start = self.unread.start + 2;
            let length = [self.datagram[start - 2], self.datagram[start - 1]];
            let end = start + usize::from(u16::from_be_bytes(length));
            let sequence = self.unread_sequence;
            if sequence > self.next {
                self.unread_count = 0;
                break;
            }
            self.unread.start = end;
            self.unread_sequence = sequence.saturating_add(1);
            self.unread_count -= 1;
            if sequence == self.next {
                return Some(start..end);
            }
        }
        None
    }

    fn learn(&mut self, size: usize) -> Result<(), ClientError> {
        match Downstream::parse(&self.datagram[..size])? {
            Downstream::Sequenced { sequence, messages } => {
                let count = messages.left();
                self.known = self.known.max(sequence + u32::from(count));
                (self.unread_sequence, self.unread_count) = (sequence, count);
                self.unread = size - messages.bytes()..size;
            }
            Downstream::EndOfSession(total) => {
                self.total = Some(total);
                self.known = self.known.max(total.saturating_add(1));
            }
            // The answer to a login that was repeated.
            Downstream::LoginAccepted(_) => {}
            Downstream::LoginRejected(_) => return Err(ClientError::Closed),
        }
        Ok(())
    }

    /// Asks for what is missing, unless it was and may still come.
    fn keep_up(&mut self) -> Result<(), ClientError> {
        let (end, at) = self.asked;
        if self.known <= self.next || (self.next < end && at.elapsed() < RETRY_INTERVAL) {
            return Ok(());
        }
        let count = u16::try_from(self.known - self.next).unwrap_or(u16::MAX).min(REQUEST_MAX);
        let request = RetransmissionRequest { sequence: self.next, count };
        self.put(Upstream::Retransmission(request))?;
        self.asked = (self.next + u32::from(count), Instant::now());
        self.flush()
    }

    /// Waits for a datagram until `deadline`, or until something is due.
    fn fill(&mut self, deadline: Instant) -> Result<Option<usize>, ClientError> {
        loop {
            match self.socket.recv(&mut self.datagram) {
                Ok(size) => {
                    self.last_received = Instant::now();
                    return Ok(Some(size));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if is_of_datagrams(error.kind()) => {}
                Err(source) => return Err(ClientError::Io { action: "receive", source }),
            }
            let now = Instant::now();
            if now.saturating_duration_since(self.last_received) >= PEER_TIMEOUT {
                let what = "sign of life of the exchange";
                return Err(ClientError::Timeout { what, after: PEER_TIMEOUT });
            }
            // Before the login there is nothing to keep alive.
            if self.next > 0 {
                if now.saturating_duration_since(self.last_sent) >= HEARTBEAT_INTERVAL {
                    self.put(Upstream::Heartbeat)?;
                    self.flush()?;
                }
                self.keep_up()?;
            }
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return Ok(None);
            }
            let waited = wait::readable(&self.socket, left.min(RETRY_INTERVAL));
            waited.map_err(|source| ClientError::Io { action: "receive", source })?;
        }
    }
}

/// The most messages asked for at once: as many as the exchange sends for a request.
const REQUEST_MAX: u16 = 512;

/// What the kernel says of an earlier datagram that nobody took: as if it were lost.
fn is_of_datagrams(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ufo::{PacketBuilder, end_of_session, heartbeat, login_rejected};

    const SOON: Duration = Duration::from_secs(5);

    fn day() -> SessionId {
        SessionId::new("2611220001").unwrap()
    }

    /// The exchange's end.
    struct Exchange {
        socket: UdpSocket,
        client: SocketAddr,
    }

    impl Exchange {
        /// The messages of the next datagram, in words.
        fn hears(&mut self) -> String {
            let mut datagram = [0; 2_000];
            let (size, from) = self.socket.recv_from(&mut datagram).unwrap();
            self.client = from;
            let (mut rest, mut words) = (&datagram[..size], Vec::new());
            while !rest.is_empty() {
                let (message, behind) = Upstream::parse(rest).unwrap();
                rest = behind;
                words.push(match message {
                    Upstream::Login(login) => format!("login {}", login.name),
                    Upstream::Retransmission(r) => format!("again {}+{}", r.sequence, r.count),
                    Upstream::Unsequenced(m) => String::from_utf8(m.to_vec()).unwrap(),
                    Upstream::Heartbeat => "alive".to_owned(),
                    Upstream::Logoff => "goodbye".to_owned(),
                });
            }
            words.join(" ")
        }

        fn says(&self, datagram: &[u8]) {
            self.socket.send_to(datagram, self.client).unwrap();
        }

        fn sends(&self, first: u32, messages: &[&str]) {
            let mut builder = PacketBuilder::new();
            for (number, message) in (first..).zip(messages) {
                assert!(builder.push(number, message.as_bytes()));
            }
            self.says(builder.packet());
        }
    }

    /// Logged in and listening from message `sequence` on, of a stream that goes on with `next`.
    fn pair(sequence: u64, next: u32) -> (UfoClient, Exchange) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let address = socket.local_addr().unwrap();
        let mut exchange = Exchange { socket, client: address };
        let client = std::thread::spawn(move || {
            let credentials = Credentials::new("BRKR01", "SECRET").unwrap();
            UfoClient::login(address, credentials, SessionId::BLANK, sequence, SOON).unwrap()
        });
        assert_eq!(exchange.hears(), "login BRKR01");
        // That was lost, so it is said again.
        assert_eq!(exchange.hears(), "login BRKR01");
        exchange.says(&LoginAccepted { session: day(), sequence: next }.emit());
        (client.join().unwrap(), exchange)
    }

    fn hears(client: &mut UfoClient) -> String {
        match client.receive(SOON).unwrap() {
            Some(Incoming::Message { sequence, message }) => {
                format!("{sequence}:{}", str::from_utf8(message).unwrap())
            }
            Some(Incoming::EndOfSession) => "end".to_owned(),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn messages_come_in_order_and_once_and_those_that_were_lost_are_asked_for() {
        let (mut client, mut exchange) = pair(0, 5);
        assert_eq!((client.session(), client.next_sequence()), (day(), 5));
        exchange.sends(5, &["a", "b"]);
        exchange.sends(5, &["a", "b", "c"]);
        exchange.sends(9, &["e"]);
        assert_eq!([(); 3].map(|()| hears(&mut client)), ["5:a", "6:b", "7:c"]);
        assert_eq!(client.receive(Duration::ZERO).unwrap(), None);
        assert_eq!(exchange.hears(), "again 8+2");
        // That is lost, and asked for again; what comes meanwhile is not lost on the way.
        exchange.sends(10, &["f"]);
        assert_eq!(client.receive(RETRY_INTERVAL * 2).unwrap(), None);
        assert!(exchange.hears().starts_with("again 8+"));
        exchange.sends(8, &["d", "e", "f"]);
        assert_eq!([(); 3].map(|()| hears(&mut client)), ["8:d", "9:e", "10:f"]);
    }

    #[test]
    fn what_was_said_before_the_login_and_before_a_heartbeat_is_asked_for() {
        let (mut client, mut exchange) = pair(1, 3);
        assert_eq!(client.receive(Duration::ZERO).unwrap(), None);
        assert_eq!(exchange.hears(), "again 1+2");
        exchange.sends(1, &["a", "b"]);
        assert_eq!([(); 2].map(|()| hears(&mut client)), ["1:a", "2:b"]);
        exchange.says(&heartbeat(4));
        assert_eq!(client.receive(RETRY_INTERVAL / 2).unwrap(), None);
        assert_eq!(exchange.hears(), "again 3+1");
    }

    #[test]
    fn the_end_comes_behind_the_last_message() {
        let (mut client, mut exchange) = pair(0, 5);
        exchange.says(&end_of_session(5));
        assert_eq!(client.receive(RETRY_INTERVAL / 2).unwrap(), None);
        assert_eq!(exchange.hears(), "again 5+1");
        exchange.sends(5, &["last"]);
        assert_eq!([(); 2].map(|()| hears(&mut client)), ["5:last", "end"]);
        exchange.says(&login_rejected(LoginReject::SessionNotAvailable));
        assert_eq!(hears(&mut client), "end");
    }

    #[test]
    fn orders_leave_together_and_a_heartbeat_after_a_second() {
        let (mut client, mut exchange) = pair(0, 5);
        client.queue(b"one").unwrap();
        client.queue(b"two").unwrap();
        client.flush().unwrap();
        assert_eq!(exchange.hears(), "one two");
        assert_eq!(client.receive(HEARTBEAT_INTERVAL + RETRY_INTERVAL).unwrap(), None);
        assert_eq!(exchange.hears(), "alive");
        client.logoff().unwrap();
        assert_eq!(exchange.hears(), "goodbye");
    }

    #[test]
    fn a_session_that_the_exchange_ends_is_over() {
        let (mut client, exchange) = pair(0, 5);
        exchange.says(&login_rejected(LoginReject::SessionNotAvailable));
        assert!(matches!(client.receive(SOON), Err(ClientError::Closed)));
    }

    #[test]
    fn a_login_is_refused_or_times_out() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let credentials = Credentials::new("BRKR01", "SECRET").unwrap();
        let login = |timeout| UfoClient::login(address, credentials, SessionId::BLANK, 9, timeout);
        let silence = login(Duration::from_millis(10));
        assert!(matches!(silence, Err(ClientError::Timeout { .. })));
        for (answer, reason) in [
            (&login_rejected(LoginReject::NotAuthorized)[..], LoginReject::NotAuthorized),
            (
                &LoginAccepted { session: day(), sequence: 8 }.emit(),
                LoginReject::SessionNotAvailable,
            ),
        ] {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut request = [0; 100];
                    // The one that timed out stands before the first.
                    let (_, mut from) = socket.recv_from(&mut request).unwrap();
                    if reason == LoginReject::NotAuthorized {
                        (_, from) = socket.recv_from(&mut request).unwrap();
                    }
                    socket.send_to(answer, from).unwrap();
                });
                let result = login(SOON);
                assert!(matches!(result, Err(ClientError::Refused(r)) if r == reason));
            });
        }
    }
}
