//! One TCP connection of the kernel: its socket and the buffers around it.
//!
//! Never waits: it reads and writes until the kernel would block, and is told when to go on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::net::buffer::Buffer;
use crate::net::events::EventQueue;
use crate::net::{ConnectionId, NetEvent};
use crate::sys::epoll::{Hangup, Readiness};

#[derive(Debug)]
pub(super) struct Connection {
    stream: Option<TcpStream>,
    /// The peer's address.
    pub(super) source: Ipv4Addr,
    pub(super) phase: Phase,
    pub(super) generation: u32,
    received: Buffer,
    unsent: Buffer,
    /// What the kernel told last, less what we found to be over: it may have bytes, it has the
    /// peer's end (so read on until it is found), it may have room.
    can: Readiness,
    /// How the peer ended, if it did.
    end: Option<End>,
    /// Whether it waits in the transport's list of those to be served.
    pub(super) busy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody's.
    Free,
    /// The user's.
    Open,
    /// Void for the user; what is queued still leaves.
    Draining,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// After its last byte.
    Orderly,
    /// Broken: what was under way is lost.
    Broken,
}

/// Reads of one connection before it is another's turn.
const READS_MAX: usize = 4;

impl Connection {
    pub(super) fn new(rx_bytes: usize, tx_bytes: usize) -> Self {
        Self {
            stream: None,
            source: Ipv4Addr::UNSPECIFIED,
            phase: Phase::Free,
            generation: 0,
            received: Buffer::new(rx_bytes),
            unsent: Buffer::new(tx_bytes),
            can: Readiness::default(),
            end: None,
            busy: false,
        }
    }

    pub(super) fn id(&self, slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: self.generation }
    }

    pub(super) fn open(&mut self, stream: TcpStream, source: Ipv4Addr) {
        self.stream = Some(stream);
        self.source = source;
        self.phase = Phase::Open;
        self.can = Readiness { readable: true, writable: true, ..Readiness::default() };
    }

    /// The kernel told that something changed.
    pub(super) fn ready(&mut self, readiness: Readiness) {
        self.can.readable |= readiness.readable;
        self.can.writable |= readiness.writable;
        self.can.hangup = self.can.hangup.max(readiness.hangup);
    }

    /// Reads, writes, tells, and takes leave. `false` if the connection is over and told of.
    pub(super) fn serve(&mut self, slot: u32, events: &mut EventQueue) -> bool {
        let id = self.id(slot);
        let end_before = self.end;
        let read = self.read();
        let written = self.write();
        // Behind the peer's end no read finds an error. Our own is yet to come, so it is one.
        if self.phase == Phase::Open && self.can.hangup == Hangup::Both && self.end.is_some() {
            self.end = Some(End::Broken);
        }

        if self.phase == Phase::Open {
            if read > 0 {
                events.push(NetEvent::Readable(id));
            }
            if written > 0 {
                events.push(NetEvent::Writable(id));
            }
            match self.end {
                Some(End::Broken) => {
                    events.push(NetEvent::Closed(id));
                    self.close();
                }
                Some(End::Orderly) if end_before.is_none() => events.push(NetEvent::Ended(id)),
                _ => {}
            }
        }
        if self.phase == Phase::Draining {
            self.received.clear();
            if self.unsent.is_empty() && self.end.is_none() {
                self.shut_down();
            }
            let done = match self.end {
                Some(End::Broken) => true,
                Some(End::Orderly) => self.unsent.is_empty(),
                None => false,
            };
            return !done;
        }
        true
    }

    /// Whether it would go on if it were served again.
    pub(super) fn wants_service(&self) -> bool {
        let can_read = self.can.readable && self.end.is_none() && self.received.room() > 0;
        can_read || (self.can.writable && !self.unsent.is_empty())
    }

    pub(super) fn close(&mut self) {
        self.phase = Phase::Draining;
        self.received.clear();
    }

    /// Makes the close that `release` brings a reset.
    pub(super) fn abort(&mut self) {
        if let Some(stream) = &self.stream {
            // If it fails the connection is broken already.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Closes the socket and goes back to nobody.
    pub(super) fn release(&mut self) {
        self.stream = None;
        self.phase = Phase::Free;
        self.generation = self.generation.wrapping_add(1);
        self.received.clear();
        self.unsent.clear();
        self.can = Readiness::default();
        self.end = None;
    }

    pub(super) fn received(&self) -> &[u8] {
        self.received.content()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.received.consume(count);
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        self.unsent.push(bytes)
    }

    pub(super) fn room(&self) -> usize {
        match self.phase {
            Phase::Open if self.end != Some(End::Broken) => self.unsent.room(),
            _ => 0,
        }
    }

    fn read(&mut self) -> usize {
        let Some(stream) = &mut self.stream else { return 0 };
        let mut total = 0;
        for _ in 0..READS_MAX {
            if !self.can.readable || self.end.is_some() || self.received.room() == 0 {
                break;
            }
            let spare = self.received.spare();
            let room = spare.len();
            match stream.read(spare) {
                Ok(0) => self.end = Some(End::Orderly),
                Ok(count) => {
                    total += count;
                    // A short read took all there was; what comes later is told anew.
                    self.can.readable = count == room || self.can.hangup > Hangup::No;
                    if self.phase == Phase::Open {
                        self.received.filled(count);
                    }
                }
                Err(error) => match blocked(&error) {
                    Some(true) => self.can.readable = false,
                    Some(false) => {}
                    None => self.end = Some(End::Broken),
                },
            }
        }
        total
    }

    fn write(&mut self) -> usize {
        let Some(stream) = &mut self.stream else { return 0 };
        let mut total = 0;
        while self.can.writable && !self.unsent.is_empty() && self.end != Some(End::Broken) {
            match stream.write(self.unsent.content()) {
                Ok(count) => {
                    total += count;
                    self.unsent.consume(count);
                }
                Err(error) => match blocked(&error) {
                    Some(true) => self.can.writable = false,
                    Some(false) => {}
                    None => self.end = Some(End::Broken),
                },
            }
        }
        total
    }

    /// Tells the peer that nothing more comes; the socket stays until the peer's end, since closing it
    /// over unread bytes would reset the connection and destroy what is under way.
    fn shut_down(&mut self) {
        if let Some(stream) = &self.stream {
            // If it fails the connection is broken, and the next read tells.
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}

/// Whether an error means "not now" (true), "again" (false), or that the connection is broken (none).
fn blocked(error: &io::Error) -> Option<bool> {
    match error.kind() {
        ErrorKind::WouldBlock => Some(true),
        ErrorKind::Interrupted => Some(false),
        _ => None,
    }
}
