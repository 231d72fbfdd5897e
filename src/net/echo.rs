//! A transport with a raw echo beside its user: what a benchmark takes as the floor.
//!
//! Connections and datagrams from some source ports are echoed here, as soon as their bytes arrive; the
//! user of the transport never hears of them. Nothing else is changed.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::ops::RangeInclusive;
use std::time::Instant;

use super::inbox::Inbox;
use super::{ConnectionId, DATAGRAM_BYTES_MAX, NetEvent, Transport};
use crate::types::Nanos;

/// A transport that echoes what comes from `ports`.
#[derive(Debug)]
pub struct WithEcho<T> {
    transport: T,
    ports: RangeInclusive<u16>,
    /// Connections that are echoed, by slot.
    echoed: Vec<Option<ConnectionId>>,
    /// What is the user's to hear.
    events: VecDeque<NetEvent>,
    datagrams: Inbox,
    /// Bytes on their way back.
    chunk: Vec<u8>,
}

/// Events that are looked at in one poll.
const EVENTS_PER_POLL_MAX: usize = 64;
/// Datagrams that are looked at in one poll, and that may wait for the user.
const DATAGRAMS_PER_POLL_MAX: usize = 64;
/// Bytes echoed at once.
const CHUNK: usize = 2048;

impl<T: Transport> WithEcho<T> {
    /// Echoes connections and datagrams whose sender has one of these ports.
    #[must_use]
    pub fn new(transport: T, ports: RangeInclusive<u16>) -> Self {
        Self {
            transport,
            ports,
            echoed: Vec::new(),
            events: VecDeque::new(),
            datagrams: Inbox::new(DATAGRAMS_PER_POLL_MAX),
            chunk: vec![0; CHUNK],
        }
    }

    /// Whether the event was about an echoed connection; what has come there is then queued.
    fn take(&mut self, event: NetEvent) -> bool {
        match event {
            NetEvent::Opened { connection, peer } if self.ports.contains(&peer.port()) => {
                let slot = connection.slot as usize;
                self.echoed.resize(self.echoed.len().max(slot + 1), None);
                self.echoed[slot] = Some(connection);
                true
            }
            NetEvent::Opened { .. } => false,
            NetEvent::Readable(id) | NetEvent::Writable(id) => {
                let ours = self.is_echoed(id);
                if ours {
                    self.echo(id);
                }
                ours
            }
            NetEvent::Ended(id) | NetEvent::Closed(id) => {
                let ours = self.is_echoed(id);
                if ours {
                    self.echoed[id.slot as usize] = None;
                    self.transport.close(id);
                }
                ours
            }
        }
    }

    fn is_echoed(&self, id: ConnectionId) -> bool {
        self.echoed.get(id.slot as usize) == Some(&Some(id))
    }

    fn echo(&mut self, id: ConnectionId) {
        let Self { transport, chunk, .. } = self;
        loop {
            let room = transport.send_room(id).min(CHUNK);
            let received = transport.received(id);
            let count = received.len().min(room);
            if count == 0 {
                return;
            }
            chunk[..count].copy_from_slice(&received[..count]);
            transport.send(id, &chunk[..count]);
            transport.consume(id, count);
        }
    }

    /// Whether anything was echoed.
    fn take_datagrams(&mut self) -> bool {
        let mut echoed = false;
        for _ in 0..DATAGRAMS_PER_POLL_MAX {
            let Some((from, payload)) = self.transport.next_datagram() else { break };
            if self.ports.contains(&from.port()) {
                let count = payload.len();
                let mut bytes = [0; DATAGRAM_BYTES_MAX];
                bytes[..count].copy_from_slice(payload);
                echoed |= self.transport.send_datagram(from, &bytes[..count]);
            } else {
                self.datagrams.push(from, payload);
            }
        }
        echoed
    }
}

impl<T: Transport> Transport for WithEcho<T> {
    fn open(&mut self) -> io::Result<()> {
        self.transport.open()
    }

    fn shut(&mut self) {
        self.transport.shut();
    }

    fn confirm(&mut self) {
        self.transport.confirm();
    }

    fn poll(&mut self, now: Nanos) -> usize {
        let mut work = self.transport.poll(now);
        let mut echoed = self.take_datagrams();
        for _ in 0..EVENTS_PER_POLL_MAX {
            let Some(event) = self.transport.next_event() else { break };
            if self.take(event) {
                echoed = true;
            } else {
                self.events.push_back(event);
            }
        }
        if echoed {
            work += self.transport.flush(now);
        }
        work
    }

    fn next_event(&mut self) -> Option<NetEvent> {
        self.events.pop_front()
    }

    fn received(&mut self, connection: ConnectionId) -> &[u8] {
        self.transport.received(connection)
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        self.transport.consume(connection, count);
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        self.transport.send(connection, bytes)
    }

    fn send_room(&self, connection: ConnectionId) -> usize {
        self.transport.send_room(connection)
    }

    fn first_stamp(&self) -> Option<u64> {
        self.transport.first_stamp()
    }

    fn arrival(&mut self, stamp: u64) -> Option<Instant> {
        self.transport.arrival(stamp)
    }

    fn close(&mut self, connection: ConnectionId) {
        self.transport.close(connection);
    }

    fn abort(&mut self, connection: ConnectionId) {
        self.transport.abort(connection);
    }

    fn flush(&mut self, now: Nanos) -> usize {
        self.transport.flush(now)
    }

    fn publish(&mut self, now: Nanos) {
        self.transport.publish(now);
    }

    fn send_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) -> bool {
        self.transport.send_datagram(to, payload)
    }

    fn next_datagram(&mut self) -> Option<(SocketAddrV4, &[u8])> {
        self.datagrams.pop()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::counters::CounterBlock;
    use crate::net::{KernelConfig, KernelTransport};

    /// Connects from a port that the kernel chose, and tells which.
    fn client(to: SocketAddr) -> (TcpStream, u16) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.connect(&to.into()).unwrap();
        let stream: TcpStream = socket.into();
        stream.set_nonblocking(true).unwrap();
        let port = stream.local_addr().unwrap().port();
        (stream, port)
    }

    #[test]
    fn echoed_connections_are_answered_and_hidden_and_the_others_are_the_users() {
        let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let kernel =
            KernelTransport::new(&KernelConfig::new(listen), CounterBlock::none()).unwrap();
        let address = kernel.local_address().unwrap();
        let (mut echoed, port) = client(address);
        let (mut other, other_port) = client(address);
        let mut transport = WithEcho::new(kernel, port..=port);
        echoed.write_all(b"marco").unwrap();
        other.write_all(b"login").unwrap();

        let mut heard = Vec::new();
        let mut answer = Vec::new();
        for step in 0..200_000 {
            transport.poll(Nanos(step * 10_000));
            while let Some(event) = transport.next_event() {
                heard.push(event);
            }
            let mut bytes = [0; 16];
            let count = echoed.read(&mut bytes).unwrap_or(0);
            answer.extend_from_slice(&bytes[..count]);
            if answer.len() == 5 && heard.len() == 2 {
                break;
            }
        }
        assert_eq!(answer, b"marco");
        let [NetEvent::Opened { connection, peer }, NetEvent::Readable(id)] = heard[..] else {
            panic!("{heard:?}")
        };
        assert_eq!((connection, peer.port()), (id, other_port));
        assert_eq!(transport.received(id), b"login");
    }

    /// A transport that only knows datagrams: those that wait, and those that were sent.
    #[derive(Default)]
    struct Datagrams {
        waiting: VecDeque<(SocketAddrV4, Vec<u8>)>,
        shown: Vec<u8>,
        sent: Vec<(SocketAddrV4, Vec<u8>)>,
    }

    impl Transport for Datagrams {
        fn poll(&mut self, _: Nanos) -> usize {
            0
        }
        fn next_event(&mut self) -> Option<NetEvent> {
            None
        }
        fn received(&mut self, _: ConnectionId) -> &[u8] {
            &[]
        }
        fn consume(&mut self, _: ConnectionId, _: usize) {}
        fn send(&mut self, _: ConnectionId, _: &[u8]) -> bool {
            false
        }
        fn send_room(&self, _: ConnectionId) -> usize {
            0
        }
        fn close(&mut self, _: ConnectionId) {}
        fn abort(&mut self, _: ConnectionId) {}
        fn flush(&mut self, _: Nanos) -> usize {
            0
        }
        fn publish(&mut self, _: Nanos) {}
        fn send_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) -> bool {
            self.sent.push((to, payload.to_vec()));
            true
        }
        fn next_datagram(&mut self) -> Option<(SocketAddrV4, &[u8])> {
            let (from, payload) = self.waiting.pop_front()?;
            self.shown = payload;
            Some((from, &self.shown))
        }
    }

    #[test]
    fn datagrams_are_echoed_and_hidden_and_the_others_are_the_users() {
        let from = |port| SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), port);
        let [echoed, other] = [(from(64_000), b"marco".to_vec()), (from(5000), b"order".to_vec())];
        let waiting = [&echoed, &other, &echoed].map(Clone::clone).into();
        let datagrams = Datagrams { waiting, ..Datagrams::default() };
        let mut transport = WithEcho::new(datagrams, 64_000..=64_999);
        transport.poll(Nanos::ZERO);
        assert_eq!(transport.transport.sent, [echoed.clone(), echoed]);
        assert_eq!(transport.next_datagram(), Some((other.0, &other.1[..])));
        assert_eq!(transport.next_datagram(), None);
    }
}
