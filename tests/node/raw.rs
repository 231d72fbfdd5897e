//! A TCP connection under full control: any bytes, in any pieces, and every packet that comes back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rialto::types::SessionId;
use rialto::wire::ouch::{ENTER_BYTES_MAX, Enter, Options};
use rialto::wire::soup::{self, LoginRequest, Packet};
use socket2::{Domain, SockRef, Socket, Type};

use crate::broker::said;
use crate::harness::{Node, SOON};

/// A connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// From an address of this host, as all of 127.0.0.0/8 are.
    pub(crate) fn connect_from(last: u8, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let from = Ipv4Addr::new(127, 0, 0, last);
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::over(socket.into())
    }

    /// With little room for what its reader leaves unread.
    pub(crate) fn with_small_buffer(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::over(socket.into())
    }

    /// Gives up the small buffer. Through one, kernels may pass on what waits only when their timer asks, a
    /// few kilobytes five times a second.
    pub(crate) fn widens_its_buffer(&self) {
        SockRef::from(&self.stream).set_recv_buffer_size(1 << 20).unwrap();
    }

    /// With a login that was accepted.
    pub(crate) fn login(node: &Node, port: &str, sequence: u64) -> Self {
        let mut raw = Self::connect(node.site.order_entry);
        raw.sends(&login_packet(node, port, sequence));
        let answer = raw.hears().unwrap_or_default();
        assert!(answer.starts_with("login accepted"), "{answer}");
        raw
    }

    /// Sends, as far as the exchange takes it.
    pub(crate) fn sends(&mut self, bytes: &[u8]) {
        // A connection that was closed in between is for `hears` to find.
        let _ = self.stream.write_all(bytes);
    }

    /// The next packet in words, heartbeats included; `None` when the connection is closed.
    pub(crate) fn hears_all(&mut self) -> Option<String> {
        loop {
            if let Some((packet, size)) = soup::parse(&self.unread, usize::from(u16::MAX)).unwrap()
            {
                let words = match packet {
                    Packet::LoginAccepted(login) => {
                        format!("login accepted {} {}", login.session, login.sequence)
                    }
                    Packet::LoginRejected(reason) => format!("login rejected {reason:?}"),
                    Packet::SequencedData(message) => said(message),
                    Packet::ServerHeartbeat => "heartbeat".to_owned(),
                    Packet::EndOfSession => "end of session".to_owned(),
                    other => panic!("the exchange does not say {other:?}"),
                };
                self.unread.drain(..size);
                return Some(words);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    assert!(self.unread.is_empty(), "closed within a packet");
                    return None;
                }
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing comes: {error}"),
            }
        }
    }

    /// The next packet in words; `None` when the connection is closed.
    pub(crate) fn hears(&mut self) -> Option<String> {
        loop {
            match self.hears_all() {
                Some(words) if words == "heartbeat" => {}
                other => return other,
            }
        }
    }

    /// Hears exactly these packets next.
    #[track_caller]
    pub(crate) fn must_hear(&mut self, expected: &[&str]) {
        let heard: Vec<_> = expected.iter().map_while(|_| self.hears()).collect();
        assert_eq!(heard, expected);
    }

    /// Hears nothing more, because the connection is closed.
    #[track_caller]
    pub(crate) fn must_be_closed(&mut self) {
        assert_eq!(self.hears(), None);
    }
}

/// A login request for the current session.
pub(crate) fn login_packet(node: &Node, port: &str, sequence: u64) -> Vec<u8> {
    let credentials = node.site.credentials(port);
    let (name, secret) = (credentials.name, credentials.secret);
    let session = SessionId::BLANK;
    login_bytes(&LoginRequest { name, secret, session, sequence, heartbeat_timeout_ms: None })
}

/// Any login request.
pub(crate) fn login_bytes(request: &LoginRequest) -> Vec<u8> {
    let mut packet = [0; soup::LOGIN_REQUEST_BYTES_MAX];
    let size = request.emit(&mut packet);
    packet[..size].to_vec()
}

/// A message of a participant in its packet.
pub(crate) fn unsequenced(message: &[u8]) -> Vec<u8> {
    [&soup::unsequenced_header(message.len()).unwrap(), message].concat()
}

/// An order in its packet.
pub(crate) fn enter_packet(number: u32, order: Enter) -> Vec<u8> {
    let mut message = [0; ENTER_BYTES_MAX];
    let order = Enter { user_ref_num: number.into(), ..order };
    let size = order.emit(&Options::default(), &mut message);
    unsequenced(&message[..size])
}
