//! A SoupBinTCP connection as a client has it: packets, waiting when asked to, and heartbeats by itself.
//!
//! It does not know what the messages say, nor count them.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::ClientError;
use crate::sys::wait;
use crate::types::{PortName, SessionId};
use crate::wire::soup::{self, LoginAccepted, LoginRequest, Packet};

/// The client says something at least this often.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// An exchange that was silent for this time is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(15);
/// An exchange that takes no bytes for this time is gone, too.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Room for the longest packet, twice: reading goes on behind an incomplete one.
const BUFFER_BYTES: usize = 2 * (2 + u16::MAX as usize);

/// Who logs in.
#[derive(Clone, Copy)]
pub struct Credentials {
    /// The port's name.
    pub name: PortName,
    /// Its secret, padded with spaces.
    pub secret: [u8; 10],
}

impl Credentials {
    /// Pads both with spaces. `None` if one is too long or not printable ASCII.
    #[must_use]
    pub fn new(name: &str, secret: &str) -> Option<Self> {
        // A session id has the size of a secret, and the same alphabet.
        Some(Self { name: PortName::new(name)?, secret: SessionId::new(secret)?.0 })
    }
}

impl std::fmt::Debug for Credentials {
    /// Everything but the secret: logs are read by many.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A connection to the exchange.
#[derive(Debug)]
pub struct SoupClient {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// The bytes of `buffer` that were received and not handed out.
    filled: std::ops::Range<usize>,
    /// Packets that were queued and not sent.
    unsent: Vec<u8>,
    last_sent: Instant,
    last_received: Instant,
    logged_in: bool,
}

impl SoupClient {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(address: SocketAddr, timeout: Duration) -> Result<Self, ClientError> {
        let stream = TcpStream::connect_timeout(&address, timeout)
            .map_err(|source| ClientError::Connect { address, source })?;
        let io = |source| ClientError::Io { action: "set up the connection", source };
        stream.set_nodelay(true).map_err(io)?;
        stream.set_nonblocking(true).map_err(io)?;
        let now = Instant::now();
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            filled: 0..0,
            unsent: Vec::new(),
            last_sent: now,
            last_received: now,
            logged_in: false,
        })
    }

    /// Logs in, and waits for the answer: where the stream goes on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn login(
        &mut self,
        request: &LoginRequest,
        timeout: Duration,
    ) -> Result<LoginAccepted, ClientError> {
        let mut packet = [0; soup::LOGIN_REQUEST_BYTES_MAX];
        let size = request.emit(&mut packet);
        self.unsent.extend_from_slice(&packet[..size]);
        self.flush()?;
        match self.receive(timeout)? {
            Some(Packet::LoginAccepted(accepted)) => {
                self.logged_in = true;
                Ok(accepted)
            }
            Some(Packet::LoginRejected(reason)) => Err(ClientError::Refused(reason)),
            Some(_) => Err(ClientError::OutOfPlace("before the login's answer")),
            None => Err(ClientError::Timeout { what: "answer to the login", after: timeout }),
        }
    }

    /// Queues a message. It leaves with the next [`SoupClient::flush`] or [`SoupClient::receive`].
    ///
    /// # Errors
    /// [`ClientError::TooLong`].
    pub fn queue(&mut self, message: &[u8]) -> Result<(), ClientError> {
        let header = soup::unsequenced_header(message.len());
        self.unsent.extend_from_slice(&header.ok_or(ClientError::TooLong(message.len()))?);
        self.unsent.extend_from_slice(message);
        Ok(())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn send(&mut self, message: &[u8]) -> Result<(), ClientError> {
        self.queue(message)?;
        self.flush()
    }

    /// Says goodbye; the exchange closes the connection.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn logout(&mut self) -> Result<(), ClientError> {
        self.unsent.extend_from_slice(&soup::LOGOUT_REQUEST);
        self.flush()
    }

    /// Sends all that is queued.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn flush(&mut self) -> Result<(), ClientError> {
        let start = Instant::now();
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = SEND_TIMEOUT.saturating_sub(start.elapsed());
                    if left.is_zero() {
                        let what = "room to send";
                        return Err(ClientError::Timeout { what, after: SEND_TIMEOUT });
                    }
                    let waited = wait::writable(&self.stream, left);
                    waited.map_err(|source| ClientError::Io { action: "send", source })?;
                }
                Err(source) => return Err(ClientError::Io { action: "send", source }),
            }
        }
        if sent > 0 {
            self.unsent.clear();
            self.last_sent = Instant::now();
        }
        Ok(())
    }

    /// The next packet that is no heartbeat and no debug text, waited for up to `timeout`; zero only
    /// looks. Sends what is queued, and heartbeats when they are due.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Packet<'_>>, ClientError> {
        self.flush()?;
        let deadline = Instant::now() + timeout;
        let size = loop {
            if let Some((packet, size)) = parse(&self.buffer[self.filled.clone()])? {
                if !matches!(packet, Packet::ServerHeartbeat | Packet::Debug(_)) {
                    break size;
                }
                self.filled.start += size;
                continue;
            }
            if !self.fill(deadline)? {
                return Ok(None);
            }
        };
        let packet = self.filled.start..self.filled.start + size;
        self.filled.start = packet.end;
        Ok(parse(&self.buffer[packet])?.map(|(packet, _)| packet))
    }

    /// Waits for more bytes until `deadline`; false if there are none.
    fn fill(&mut self, deadline: Instant) -> Result<bool, ClientError> {
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        loop {
            match self.stream.read(&mut self.buffer[self.filled.end..]) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(count) => {
                    self.filled.end += count;
                    self.last_received = Instant::now();
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(ClientError::Closed);
                }
                Err(source) => return Err(ClientError::Io { action: "receive", source }),
            }
            let now = Instant::now();
            self.keep_alive(now)?;
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return Ok(false);
            }
            let waited = wait::readable(&self.stream, left.min(HEARTBEAT_INTERVAL));
            waited.map_err(|source| ClientError::Io { action: "receive", source })?;
        }
    }

    fn keep_alive(&mut self, now: Instant) -> Result<(), ClientError> {
        if now.saturating_duration_since(self.last_received) >= PEER_TIMEOUT {
            let what = "sign of life of the exchange";
            return Err(ClientError::Timeout { what, after: PEER_TIMEOUT });
        }
        if self.logged_in && now.saturating_duration_since(self.last_sent) >= HEARTBEAT_INTERVAL {
            self.unsent.extend_from_slice(&soup::CLIENT_HEARTBEAT);
            self.flush()?;
        }
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, ClientError> {
    Ok(soup::parse(bytes, usize::from(u16::MAX))?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn request() -> LoginRequest {
        let credentials = Credentials::new("BRKR01", "SECRET").unwrap();
        LoginRequest {
            name: credentials.name,
            secret: credentials.secret,
            session: SessionId::BLANK,
            sequence: 1,
            heartbeat_timeout_ms: None,
        }
    }

    /// A client, and the exchange's end of its connection.
    fn pair() -> (SoupClient, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = SoupClient::connect(address, Duration::from_secs(5)).unwrap();
        (client, listener.accept().unwrap().0)
    }

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_login_is_answered_and_the_stream_is_read_in_any_pieces() {
        let (mut client, mut exchange) = pair();
        let server = thread::spawn(move || {
            let mut login = [0; 49];
            exchange.read_exact(&mut login).unwrap();
            let session = SessionId::new("2611220001").unwrap();
            let mut stream = LoginAccepted { session, sequence: 7 }.emit().to_vec();
            stream.extend_from_slice(b"\0\x01H\0\x03Sab\0\x05+text\0\x02Sc");
            for byte in stream {
                exchange.write_all(&[byte]).unwrap();
            }
            exchange
        });
        let accepted = client.login(&request(), SOON).unwrap();
        assert_eq!(accepted.sequence, 7);
        assert_eq!(client.receive(SOON).unwrap(), Some(Packet::SequencedData(b"ab")));
        assert_eq!(client.receive(SOON).unwrap(), Some(Packet::SequencedData(b"c")));
        let mut exchange = server.join().unwrap();

        assert_eq!(client.receive(Duration::ZERO).unwrap(), None);
        client.queue(b"one").unwrap();
        client.send(b"two").unwrap();
        let mut sent = [0; 12];
        exchange.read_exact(&mut sent).unwrap();
        assert_eq!(&sent, b"\0\x04Uone\0\x04Utwo");

        drop(exchange);
        assert!(matches!(client.receive(SOON), Err(ClientError::Closed)));
    }

    #[test]
    fn a_refused_login_says_why() {
        let (mut client, mut exchange) = pair();
        exchange.write_all(b"\0\x02JA").unwrap();
        let error = client.login(&request(), SOON).unwrap_err();
        assert_eq!(error.to_string(), "login refused: unknown user or wrong secret for it");
    }

    #[test]
    fn a_client_with_nothing_to_say_sends_heartbeats() {
        let (mut client, mut exchange) = pair();
        client.logged_in = true;
        assert_eq!(client.receive(Duration::from_millis(1_100)).unwrap(), None);
        let mut sent = [0; 3];
        exchange.read_exact(&mut sent).unwrap();
        assert_eq!(sent, soup::CLIENT_HEARTBEAT);
    }

    #[test]
    fn garbage_ends_the_session() {
        let (mut client, mut exchange) = pair();
        exchange.write_all(b"\0\x01?").unwrap();
        assert!(matches!(client.receive(SOON), Err(ClientError::Soup(_))));
    }
}
