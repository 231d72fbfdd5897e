//! One TCP connection: its engine socket, and what the stack has told of it.
//!
//! A connection is a slot that is used again; buffers are allocated once. It knows neither the device
//! nor the other connections.
//!
//! Among thousands none of what is kept of one is in a cache when its segment comes, nor are its pages in
//! the TLB. So it begins on a line, and the sockets lie side by side instead of each before its buffers.
//! With the same for the gateway's sessions and ports, receiving and parsing an order among 1,000
//! sessions took 9 and 24 % less (`rialto bench sessions`, medians of 6 and 7 interleaved runs on two
//! busy virtual cores of an EPYC; 3.1 to 2.8 us and 3.4 to 2.6 us), and alone as long as before. What
//! was tried and measured no better: prefetching connection, socket, session and port as soon as they
//! are known, and huge pages for the buffers.

use std::net::SocketAddrV4;

use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::IpListenEndpoint;

use super::clock::ACK_DELAY;
use super::recovery::Recovery;
use crate::net::buffer::Buffer;
use crate::net::ethernet::MacAddress;
use crate::net::events::EventQueue;
use crate::net::tcp::Progress;
use crate::net::{ConnectionId, NetEvent};
use crate::types::Nanos;

/// As much as this is always shown in one piece: twice the longest packet of a participant.
pub(super) const CONTIGUOUS_BYTES: usize = 2048;

#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Connection {
    /// A set of one: the engine visits every socket of a set on every poll.
    pub(super) sockets: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) phase: Phase,
    pub(super) generation: u32,
    pub(super) peer: SocketAddrV4,
    /// Where answers go: the sender of the segment that opened the connection.
    pub(super) neighbour: MacAddress,
    /// What the peer was told last.
    pub(super) progress: Progress,
    pub(super) recovery: Recovery,
    /// When a phase other than [`Phase::Open`] ends by force.
    pub(super) deadline: Nanos,
    /// Whether it waits in the stack's list of those that have something to send.
    pub(super) dirty: bool,
    /// Whether the peer's end was told.
    ended: bool,
    /// The oldest received bytes, while those in the engine's ring wrap around its end.
    straddling: Buffer,
    /// Bytes in the buffers at the last look.
    unread: usize,
    unsent: usize,
}

/// Three lines of a cache, at most: a segment of one among many finds none of them there.
const _: () = assert!(size_of::<Connection>() <= 3 * 64);

/// A connection's memory for bytes.
#[derive(Debug)]
struct Buffers {
    rx: SocketBuffer<'static>,
    tx: SocketBuffer<'static>,
    straddling: Buffer,
}

impl Buffers {
    fn new(rx_bytes: usize, tx_bytes: usize) -> Self {
        let buffer = |bytes| SocketBuffer::new(vec![0; bytes]);
        let straddling = Buffer::new(CONTIGUOUS_BYTES);
        Self { rx: buffer(rx_bytes), tx: buffer(tx_bytes), straddling }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody's.
    Free,
    /// Waits for the third segment of the handshake.
    HalfOpen,
    /// The user's.
    Open,
    /// Void for the user; what is queued still leaves, and the two ends still part.
    Draining,
}

impl Connection {
    /// So many. All buffers come before all sockets, so that these lie side by side, several in a page:
    /// among thousands fewer pages have to be looked up.
    pub(super) fn many(count: usize, rx_bytes: usize, tx_bytes: usize) -> Vec<Self> {
        let buffers: Vec<_> = (0..count).map(|_| Buffers::new(rx_bytes, tx_bytes)).collect();
        buffers.into_iter().map(Self::new).collect()
    }

    fn new(Buffers { rx, tx, straddling }: Buffers) -> Self {
        let mut socket = Socket::new(rx, tx);
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(Some(ACK_DELAY));
        let mut sockets = SocketSet::new(vec![SocketStorage::EMPTY]);
        let handle = sockets.add(socket);
        Self {
            sockets,
            handle,
            phase: Phase::Free,
            generation: 0,
            peer: SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0),
            neighbour: MacAddress::default(),
            progress: Progress::default(),
            recovery: Recovery::default(),
            deadline: Nanos::MAX,
            dirty: false,
            ended: false,
            straddling,
            unread: 0,
            unsent: 0,
        }
    }

    /// Bytes received and not consumed.
    fn unread(&self) -> usize {
        self.straddling.content().len() + self.socket().recv_queue()
    }

    pub(super) fn id(&self, slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: self.generation }
    }

    pub(super) fn socket(&self) -> &Socket<'static> {
        self.sockets.get(self.handle)
    }

    pub(super) fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// Waits for `peer`'s first segment, which the caller has in hand.
    pub(super) fn listen(&mut self, local: IpListenEndpoint, peer: SocketAddrV4, from: MacAddress) {
        let socket = self.socket_mut();
        socket.abort();
        socket.listen(local).expect("an aborted socket is closed, and the port is not zero");
        self.phase = Phase::HalfOpen;
        self.peer = peer;
        self.neighbour = from;
        self.recovery = Recovery::default();
    }

    /// What left since `before` was the progress.
    pub(super) fn note_sent(&mut self, before: &Progress, now: Nanos) {
        if self.phase == Phase::HalfOpen {
            self.recovery.answered(now);
        } else if self.progress.has_advanced(before) {
            self.recovery.sent(now);
        }
    }

    /// Whether the engine may send now, for whatever reason of its own.
    pub(super) fn may_send(&self) -> bool {
        self.phase != Phase::HalfOpen || self.recovery.may_answer()
    }

    /// Whether the peer has not acknowledged all that it was sent, or is to be sent.
    pub(super) fn awaits_acknowledgment(&self) -> bool {
        let ends =
            matches!(self.socket().state(), State::FinWait1 | State::Closing | State::LastAck);
        ends || self.socket().send_queue() > 0
    }

    /// Whether the two ends have parted: the slot is kept for segments gone astray, or for a reset that
    /// found no room.
    pub(super) fn is_past(&self) -> bool {
        let state = self.socket().state();
        self.phase == Phase::Draining && matches!(state, State::TimeWait | State::Closed)
    }

    /// Tells what changed since the last look. `false` if the connection is over and told of.
    pub(super) fn look(&mut self, slot: u32, events: &mut EventQueue, now: Nanos) -> bool {
        let id = self.id(slot);
        let state = self.socket().state();
        let over = self.socket().remote_endpoint().is_none();

        if self.phase == Phase::HalfOpen && !over && state != State::SynReceived {
            self.phase = Phase::Open;
            self.deadline = Nanos::MAX;
            self.recovery.established(now);
            events.push(NetEvent::Opened { connection: id, peer: self.peer });
        }
        if self.phase == Phase::Draining {
            self.discard_received();
        }
        if self.phase != Phase::Open {
            return !over;
        }
        if over {
            events.push(NetEvent::Closed(id));
            return false;
        }

        let (unread, unsent) = (self.unread(), self.socket().send_queue());
        if unread > self.unread {
            events.push(NetEvent::Readable(id));
        }
        if unsent < self.unsent {
            events.push(NetEvent::Writable(id));
        }
        (self.unread, self.unsent) = (unread, unsent);

        if state == State::CloseWait && !self.ended {
            self.ended = true;
            events.push(NetEvent::Ended(id));
        }
        true
    }

    /// Ends our side in order; what is queued still leaves.
    pub(super) fn close(&mut self, linger_until: Nanos) {
        self.socket_mut().close();
        self.phase = Phase::Draining;
        self.deadline = linger_until;
        self.discard_received();
    }

    /// Ends both sides; the next egress sends a reset.
    pub(super) fn abort(&mut self, linger_until: Nanos) {
        self.socket_mut().abort();
        self.phase = Phase::Draining;
        self.deadline = linger_until;
    }

    /// Back to nobody.
    pub(super) fn release(&mut self) {
        self.phase = Phase::Free;
        self.generation = self.generation.wrapping_add(1);
        self.deadline = Nanos::MAX;
        self.ended = false;
        self.straddling.consume(usize::MAX);
        (self.unread, self.unsent) = (0, 0);
    }

    /// Queues `bytes`, all or none.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        if self.room() < bytes.len() {
            return false;
        }
        let queued = self.socket_mut().send_slice(bytes);
        self.unsent += bytes.len();
        queued == Ok(bytes.len())
    }

    pub(super) fn room(&self) -> usize {
        let socket = self.socket();
        match self.phase {
            Phase::Open if socket.may_send() => socket.send_capacity() - socket.send_queue(),
            _ => 0,
        }
    }

    /// The oldest bytes in one piece: all, or at least [`CONTIGUOUS_BYTES`].
    ///
    /// The engine's ring shows what lies before its end first. A message across that end would never
    /// be seen whole, so from there on the oldest bytes are copied out, until all were consumed.
    pub(super) fn received(&mut self) -> &[u8] {
        let Self { sockets, handle, straddling, .. } = self;
        let socket = sockets.get_mut::<Socket<'_>>(*handle);
        let queued = socket.recv_queue();
        let in_one_piece = socket.peek(usize::MAX).unwrap_or(&[]).len();
        if straddling.is_empty() && (in_one_piece == queued || in_one_piece >= CONTIGUOUS_BYTES) {
            return socket.peek(usize::MAX).unwrap_or(&[]);
        }
        while straddling.room() > 0 && socket.recv_queue() > 0 {
            let moved = socket.recv(|bytes| {
                let count = bytes.len().min(straddling.room());
                (count, straddling.push(&bytes[..count]))
            });
            if moved != Ok(true) {
                break;
            }
        }
        straddling.content()
    }

    pub(super) fn consume(&mut self, count: usize) {
        let mut left = count;
        let copied = left.min(self.straddling.content().len());
        self.straddling.consume(copied);
        left -= copied;
        // Twice, because the bytes may wrap around the end of the ring.
        for _ in 0..2 {
            if left == 0 {
                break;
            }
            let taken = self.socket_mut().recv(|bytes| {
                let taken = left.min(bytes.len());
                (taken, taken)
            });
            left -= taken.unwrap_or(0);
        }
        self.unread = self.unread();
    }

    fn discard_received(&mut self) {
        self.consume(usize::MAX);
    }
}
