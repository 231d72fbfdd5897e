//! A logged-in session: counts the stream's messages, so that the next login goes on behind the last.
//!
//! It keeps no order: what the messages mean is its user's business.

use std::net::SocketAddr;
use std::time::Duration;

use super::{ClientError, Credentials, SoupClient, UfoClient};
use crate::types::SessionId;
use crate::wire::ouch::{
    CANCEL_BYTES_MAX, Cancel, ENTER_BYTES_MAX, Enter, Options, REPLACE_BYTES_MAX, Replace,
};
use crate::wire::soup::{LoginRequest, Packet};

/// A session of a port.
#[derive(Debug)]
pub struct SessionClient {
    way: Way,
}

/// What carries it.
#[derive(Debug)]
enum Way {
    Soup { connection: SoupClient, session: SessionId, next_sequence: u64 },
    Ufo(UfoClient),
}

/// The protocols that a session can be carried by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// SoupBinTCP, in a TCP connection.
    #[default]
    Soup,
    /// UFO, in datagrams: what is sent may be lost.
    Ufo,
}

/// What comes from the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// The stream's next message.
    Message {
        /// Its number in the stream.
        sequence: u64,
        /// Its bytes.
        message: &'a [u8],
    },
    /// The stream is complete; nothing will follow.
    EndOfSession,
}

impl SessionClient {
    /// Logs in by one of the protocols; otherwise as [`SessionClient::login`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn login_by(
        protocol: Protocol,
        address: SocketAddr,
        credentials: Credentials,
        session: SessionId,
        sequence: u64,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        match protocol {
            Protocol::Soup => Self::login(address, credentials, session, sequence, timeout),
            Protocol::Ufo => {
                let ufo = UfoClient::login(address, credentials, session, sequence, timeout)?;
                Ok(Self { way: Way::Ufo(ufo) })
            }
        }
    }

    /// Connects and logs in. A blank session is the current one; messages from `sequence` on are sent
    /// again, 0 asks for none.
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
        let mut connection = SoupClient::connect(address, timeout)?;
        let Credentials { name, secret } = credentials;
        let request = LoginRequest { name, secret, session, sequence, heartbeat_timeout_ms: None };
        let accepted = connection.login(&request, timeout)?;
        let (session, next_sequence) = (accepted.session, accepted.sequence);
        Ok(Self { way: Way::Soup { connection, session, next_sequence } })
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        match &self.way {
            Way::Soup { session, .. } => *session,
            Way::Ufo(ufo) => ufo.session(),
        }
    }

    /// The number of the next message to come: what to ask for when logging in again.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        match &self.way {
            Way::Soup { next_sequence, .. } => *next_sequence,
            Way::Ufo(ufo) => ufo.next_sequence().into(),
        }
    }

    /// What comes next, waited for up to `timeout`; zero only looks. Must be called at least each
    /// second, for the heartbeats.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Incoming<'_>>, ClientError> {
        let (connection, next_sequence) = match &mut self.way {
            Way::Soup { connection, next_sequence, .. } => (connection, next_sequence),
            Way::Ufo(ufo) => return ufo.receive(timeout),
        };
        match connection.receive(timeout)? {
            None => Ok(None),
            Some(Packet::SequencedData(message)) => {
                let sequence = *next_sequence;
                *next_sequence += 1;
                Ok(Some(Incoming::Message { sequence, message }))
            }
            Some(Packet::EndOfSession) => Ok(Some(Incoming::EndOfSession)),
            Some(_) => Err(ClientError::OutOfPlace("in a session")),
        }
    }

    /// Sends a message outside the stream.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn send(&mut self, message: &[u8]) -> Result<(), ClientError> {
        self.queue(message)?;
        self.flush()
    }

    fn queue(&mut self, message: &[u8]) -> Result<(), ClientError> {
        match &mut self.way {
            Way::Soup { connection, .. } => connection.queue(message),
            Way::Ufo(ufo) => ufo.queue(message),
        }
    }

    /// Queues an order; it leaves with the next [`SessionClient::flush`] or
    /// [`SessionClient::receive`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn enter(&mut self, order: &Enter, options: &Options) -> Result<(), ClientError> {
        let mut message = [0; ENTER_BYTES_MAX];
        let size = order.emit(options, &mut message);
        self.queue(&message[..size])
    }

    /// Queues a replace; it leaves with the next [`SessionClient::flush`] or
    /// [`SessionClient::receive`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn replace(&mut self, replace: &Replace, options: &Options) -> Result<(), ClientError> {
        let mut message = [0; REPLACE_BYTES_MAX];
        let size = replace.emit(options, &mut message);
        self.queue(&message[..size])
    }

    /// Queues a cancel; it leaves with the next [`SessionClient::flush`] or
    /// [`SessionClient::receive`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn cancel(&mut self, cancel: &Cancel, options: &Options) -> Result<(), ClientError> {
        let mut message = [0; CANCEL_BYTES_MAX];
        let size = cancel.emit(options, &mut message);
        self.queue(&message[..size])
    }

    /// Sends all that is queued.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn flush(&mut self) -> Result<(), ClientError> {
        match &mut self.way {
            Way::Soup { connection, .. } => connection.flush(),
            Way::Ufo(ufo) => ufo.flush(),
        }
    }

    /// Says goodbye. The session stays, and can be logged in to again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn logout(mut self) -> Result<(), ClientError> {
        match &mut self.way {
            Way::Soup { connection, .. } => connection.logout(),
            Way::Ufo(ufo) => ufo.logoff(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::wire::soup::{END_OF_SESSION, LoginAccepted};

    #[test]
    fn messages_are_numbered_from_the_acceptance_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let day = SessionId::new("2611220001").unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut login = [0; 49];
            stream.read_exact(&mut login).unwrap();
            assert_eq!(login, *b"\0\x2fLBRKR01SECRET    2611220001                   5");
            stream.write_all(&LoginAccepted { session: day, sequence: 5 }.emit()).unwrap();
            stream.write_all(b"\0\x02Sx\0\x01H\0\x02Sy").unwrap();
            stream.write_all(&END_OF_SESSION).unwrap();
            stream
        });
        let soon = Duration::from_secs(5);
        let credentials = Credentials::new("BRKR01", "SECRET").unwrap();
        let mut client = SessionClient::login(address, credentials, day, 5, soon).unwrap();
        let first = Incoming::Message { sequence: 5, message: b"x" };
        assert_eq!(client.receive(soon).unwrap(), Some(first));
        let second = Incoming::Message { sequence: 6, message: b"y" };
        assert_eq!(client.receive(soon).unwrap(), Some(second));
        assert_eq!(client.receive(soon).unwrap(), Some(Incoming::EndOfSession));
        assert_eq!((client.session(), client.next_sequence()), (day, 7));
        server.join().unwrap();
    }
}
