//! The market data feed as a subscriber has it: datagrams of a multicast group, put in their order.
//!
//! What is missing is counted, never asked for again, and what is in the messages is not looked at.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::ClientError;
use crate::types::SessionId;
use crate::wire::mold::{Body, Packet};

/// The receive buffer asked for. The kernel gives what `net.core.rmem_max` allows, without a word.
const RECEIVE_BUFFER_BYTES: usize = 256 << 20;
/// Larger than any UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 1 << 16;

/// What a datagram brings, in the order of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedItem<'a> {
    /// The messages that follow are of this session; those of the one before are complete.
    SessionBegan(SessionId),
    /// Messages are missing.
    Gap {
        /// The first of them.
        first: u64,
        /// How many they are.
        count: u64,
    },
    /// The next message.
    Message {
        /// Its number.
        sequence: u64,
        /// Its bytes.
        message: &'a [u8],
    },
    /// The session is complete.
    EndOfSession,
}

/// What was seen of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounters {
    /// Messages delivered.
    pub messages: u64,
    /// How often messages were missing.
    pub gaps: u64,
    /// How many were.
    pub missing: u64,
    /// Messages that were delivered before, or come too late to be.
    pub duplicates: u64,
    /// Datagrams that are none of MoldUDP64, or of a session that is over.
    pub strangers: u64,
}

/// Puts the messages of a session in order.
#[derive(Debug)]
pub struct FeedOrder {
    from_start: bool,
    session: Option<SessionId>,
    /// The first message that was seen or missed.
    first: u64,
    next: u64,
    ended: bool,
    counters: FeedCounters,
}

impl FeedOrder {
    /// Nothing seen yet. `from_start` counts what was sent before the first datagram as missing;
    /// without it the feed begins where the subscriber comes in.
    #[must_use]
    pub fn new(from_start: bool) -> Self {
        let counters = FeedCounters::default();
        Self { from_start, session: None, first: 1, next: 1, ended: false, counters }
    }

    /// Takes one datagram and hands out, in order, what it brings.
    pub fn take(&mut self, datagram: &[u8], mut each: impl FnMut(FeedItem<'_>)) {
        let Ok(packet) = Packet::parse(datagram) else {
            self.counters.strangers += 1;
            return;
        };
        match self.session {
            Some(current) if packet.session == current => {}
            // Session ids rise from day to day, and from generation to generation.
            Some(current) if packet.session < current => {
                self.counters.strangers += 1;
                return;
            }
            known => {
                let came_in_late = known.is_none() && !self.from_start;
                self.first = if came_in_late { packet.sequence } else { 1 };
                self.next = self.first;
                self.session = Some(packet.session);
                self.ended = false;
                self.counters = FeedCounters::default();
                each(FeedItem::SessionBegan(packet.session));
            }
        }
        if packet.sequence > self.next {
            let (first, count) = (self.next, packet.sequence - self.next);
            self.counters.gaps += 1;
            self.counters.missing += count;
            self.next = packet.sequence;
            each(FeedItem::Gap { first, count });
        }
        match packet.body {
            Body::Heartbeat => {}
            Body::EndOfSession if self.ended => {}
            Body::EndOfSession => {
                self.ended = true;
                each(FeedItem::EndOfSession);
            }
            Body::Messages(messages) => {
                for (message, sequence) in messages.zip(packet.sequence..) {
                    if sequence < self.next {
                        self.counters.duplicates += 1;
                        continue;
                    }
                    self.next = sequence + 1;
                    self.counters.messages += 1;
                    each(FeedItem::Message { sequence, message });
                }
            }
        }
    }

    /// The session, once a datagram told it.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The number of the next message to come.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// What was seen of this session.
    #[must_use]
    pub fn counters(&self) -> FeedCounters {
        self.counters
    }

    /// Whether every message of the session up to now was delivered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.first == 1 && self.counters.gaps == 0
    }
}

/// A socket that has joined the feed's multicast group.
#[derive(Debug)]
pub struct FeedSocket {
    socket: UdpSocket,
    receive_buffer_bytes: usize,
    wait: Option<Duration>,
    datagram: Box<[u8]>,
}

impl FeedSocket {
    /// Joins `group` on the interface that has the address `interface`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn join(group: SocketAddrV4, interface: Ipv4Addr) -> Result<Self, ClientError> {
        if !group.ip().is_multicast() {
            return Err(ClientError::NotMulticast(*group.ip()));
        }
        let io = |action| move |source| ClientError::Io { action, source };
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
            .map_err(io("make a UDP socket"))?;
        socket.set_reuse_address(true).map_err(io("share the feed's port"))?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).map_err(io("size the receive buffer"))?;
        let receive_buffer_bytes =
            socket.recv_buffer_size().map_err(io("read the receive buffer's size"))?;
        // Bound to the group, the socket gets no datagram of another one on the same port.
        socket.bind(&group.into()).map_err(io("bind to the feed's group"))?;
        socket
            .join_multicast_v4(group.ip(), &interface)
            .map_err(io("join the feed's group on the interface with that address"))?;
        let datagram = vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice();
        Ok(Self { socket: socket.into(), receive_buffer_bytes, wait: None, datagram })
    }

    /// The receive buffer that the kernel gave, by its own count.
    #[must_use]
    pub fn receive_buffer_bytes(&self) -> usize {
        self.receive_buffer_bytes
    }

    /// The next datagram, waited for up to `timeout`, which is not zero.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<&[u8]>, ClientError> {
        let io = |source| ClientError::Io { action: "receive from the feed", source };
        if self.wait != Some(timeout) {
            self.socket.set_read_timeout(Some(timeout)).map_err(io)?;
            self.wait = Some(timeout);
        }
        match self.socket.recv(&mut self.datagram) {
            Ok(size) => Ok(Some(&self.datagram[..size])),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(io(error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mold::{PacketBuilder, end_of_session, heartbeat};

    fn day(generation: u8) -> SessionId {
        SessionId::new(&format!("261122{generation:04}")).unwrap()
    }

    fn datagram(session: SessionId, sequence: u64, messages: &[&str]) -> Vec<u8> {
        let mut builder = PacketBuilder::new(session, sequence);
        for message in messages {
            builder.push(message.as_bytes()).unwrap();
        }
        builder.packet().to_vec()
    }

    /// What the datagrams bring, a word each.
    fn story(order: &mut FeedOrder, datagrams: &[Vec<u8>]) -> String {
        let mut words = Vec::new();
        for datagram in datagrams {
            order.take(datagram, |item| {
                words.push(match item {
                    FeedItem::SessionBegan(session) => format!("began:{session}"),
                    FeedItem::Gap { first, count } => format!("gap:{first}+{count}"),
                    FeedItem::Message { sequence, message } => {
                        format!("{sequence}:{}", str::from_utf8(message).unwrap())
                    }
                    FeedItem::EndOfSession => "end".to_owned(),
                });
            });
        }
        words.join(" ")
    }

    #[test]
    fn messages_come_out_in_order_and_once() {
        let mut order = FeedOrder::new(true);
        let told = story(
            &mut order,
            &[
                datagram(day(1), 1, &["a", "b"]),
                datagram(day(1), 1, &["a", "b"]),
                datagram(day(1), 2, &["b", "c"]),
                heartbeat(day(1), 4).to_vec(),
                end_of_session(day(1), 4).to_vec(),
                end_of_session(day(1), 4).to_vec(),
            ],
        );
        assert_eq!(told, "began:2611220001 1:a 2:b 3:c end");
        let counters = FeedCounters { messages: 3, duplicates: 3, ..FeedCounters::default() };
        assert_eq!(order.counters(), counters);
        assert!(order.is_complete());
    }

    #[test]
    fn a_lost_datagram_is_a_gap() {
        let mut order = FeedOrder::new(true);
        let told = story(
            &mut order,
            &[
                datagram(day(1), 1, &["a"]),
                datagram(day(1), 4, &["d"]),
                datagram(day(1), 2, &["b", "c"]),
            ],
        );
        assert_eq!(told, "began:2611220001 1:a gap:2+2 4:d");
        let FeedCounters { gaps, missing, duplicates, .. } = order.counters();
        assert_eq!((gaps, missing, duplicates), (1, 2, 2));
        assert!(!order.is_complete());
    }

    #[test]
    fn a_heartbeat_and_an_end_of_session_show_what_was_lost_before_them() {
        let mut order = FeedOrder::new(true);
        let told =
            story(&mut order, &[heartbeat(day(1), 3).to_vec(), end_of_session(day(1), 5).to_vec()]);
        assert_eq!(told, "began:2611220001 gap:1+2 gap:3+2 end");
    }

    #[test]
    fn a_subscriber_that_comes_in_late_has_no_gap_but_is_not_complete() {
        let mut order = FeedOrder::new(false);
        assert_eq!(story(&mut order, &[datagram(day(1), 9, &["i"])]), "began:2611220001 9:i");
        assert_eq!((order.counters().gaps, order.is_complete()), (0, false));
    }

    #[test]
    fn a_new_session_begins_at_one_and_the_old_one_is_not_heard_any_more() {
        let mut order = FeedOrder::new(false);
        let told = story(
            &mut order,
            &[
                datagram(day(1), 9, &["i"]),
                datagram(day(2), 2, &["b"]),
                datagram(day(1), 10, &["j"]),
            ],
        );
        assert_eq!(told, "began:2611220001 9:i began:2611220002 gap:1+1 2:b");
        assert_eq!(order.counters().strangers, 1);
    }

    #[test]
    fn a_datagram_of_another_protocol_is_counted() {
        let mut order = FeedOrder::new(true);
        assert_eq!(story(&mut order, &[b"hello".to_vec()]), "");
        assert_eq!(order.counters().strangers, 1);
    }

    #[test]
    fn a_joined_socket_hears_the_group() {
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 77, 1), 45_871);
        let mut socket = FeedSocket::join(group, Ipv4Addr::LOCALHOST).unwrap();
        assert!(socket.receive_buffer_bytes() > 0);
        let sender = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        let sent = heartbeat(day(1), 1);
        sender.send_to(&sent, &group.into()).unwrap();
        let received = socket.receive(Duration::from_secs(5)).unwrap();
        assert_eq!(received, Some(&sent[..]));
        assert_eq!(socket.receive(Duration::from_millis(1)).unwrap(), None);
    }

    #[test]
    fn a_unicast_address_is_no_group() {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 45_872);
        let error = FeedSocket::join(address, Ipv4Addr::LOCALHOST).unwrap_err();
        assert!(matches!(error, ClientError::NotMulticast(Ipv4Addr::LOCALHOST)));
    }
}
