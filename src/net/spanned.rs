//! A transport whose polls and sends are recorded, for a benchmark's breakdown of an order's way.
//!
//! It changes nothing but the time that they take.

use std::io;
use std::net::SocketAddrV4;
use std::time::Instant;

use super::{ConnectionId, NetEvent, Transport};
use crate::agent::Spans;
use crate::types::Nanos;

/// A transport that records its polls as `net.poll`, its flushes as `net.flush`, and its datagrams as
/// `net.datagram`.
#[derive(Debug)]
pub struct Spanned<T> {
    transport: T,
    spans: Spans,
}

impl<T: Transport> Spanned<T> {
    /// Records what `transport` does.
    #[must_use]
    pub fn new(transport: T, spans: Spans) -> Self {
        Self { transport, spans }
    }
}

impl<T: Transport> Transport for Spanned<T> {
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
        let Self { transport, spans } = self;
        spans.record("net.poll", || transport.poll(now), |&work| work > 0)
    }

    fn next_event(&mut self) -> Option<NetEvent> {
        self.transport.next_event()
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
        let Self { transport, spans } = self;
        spans.record("net.flush", || transport.flush(now), |&work| work > 0)
    }

    fn publish(&mut self, now: Nanos) {
        self.transport.publish(now);
    }

    fn send_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) -> bool {
        let Self { transport, spans } = self;
        spans.record("net.datagram", || transport.send_datagram(to, payload), |&sent| sent)
    }

    fn next_datagram(&mut self) -> Option<(SocketAddrV4, &[u8])> {
        self.transport.next_datagram()
    }
}
