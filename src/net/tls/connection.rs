//! One TLS connection: rustls' state of it, and the bytes before and behind it.
//!
//! It reads from the transport below and sends to it, a bounded amount each time; when, its owner says.

use std::io::{self, ErrorKind, Read as _, Write};
use std::net::SocketAddrV4;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use crate::net::buffer::Buffer;
use crate::net::{ConnectionId, Transport};

pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) peer: SocketAddrV4,
    pub(super) phase: Phase,
    tls: ServerConnection,
    /// Decrypted, for the user.
    received: Buffer,
    /// The user's, to be encrypted.
    unsent: Buffer,
    /// Nothing more comes than what waits to be read.
    pub(super) has_ended: bool,
    /// All that came was decrypted.
    is_drained: bool,
    told_end: bool,
    told_peer: bool,
    pub(super) queued: Queued,
}

/// In which of its owner's lists a connection waits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queued {
    pub(super) reading: bool,
    pub(super) sending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody's yet.
    Handshake,
    /// The user's.
    Open,
    /// Void for the user; what is queued still leaves.
    Parting,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing for the user.
    Nothing,
    /// Bytes for the user.
    Read,
    /// No TLS.
    Bad,
}

/// Decrypted bytes that wait for the user.
const RECEIVED_BYTES: usize = 16 * 1024;
/// Bytes of the user's that wait to be encrypted.
const UNSENT_BYTES: usize = 32 * 1024;
/// Both.
pub(super) const BUFFERS_BYTES: usize = RECEIVED_BYTES + UNSENT_BYTES;
/// As much becomes a record at most.
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// Reads of one connection before it is another's turn, of 4 KiB each.
const READS_MAX: usize = 4;

impl Connection {
    /// With a handshake to come; none where the settings are of no use.
    pub(super) fn new(
        id: ConnectionId,
        peer: SocketAddrV4,
        config: &Arc<ServerConfig>,
    ) -> Option<Self> {
        Some(Self {
            id,
            peer,
            phase: Phase::Handshake,
            tls: ServerConnection::new(Arc::clone(config)).ok()?,
            // Strangers have none.
            received: Buffer::new(0),
            unsent: Buffer::new(0),
            has_ended: false,
            is_drained: true,
            told_end: false,
            told_peer: false,
            queued: Queued::default(),
        })
    }

    /// Reads on, as far as a turn goes.
    pub(super) fn read<T: Transport>(&mut self, transport: &mut T) -> Step {
        let mut has_read = self.decrypt();
        for _ in 0..READS_MAX {
            if !self.is_drained {
                break;
            }
            let mut bytes = transport.received(self.id);
            if bytes.is_empty() {
                break;
            }
            // What rustls has no room for it has not understood either.
            let Ok(taken) = self.tls.read_tls(&mut bytes) else { return Step::Bad };
            transport.consume(self.id, taken);
            match self.tls.process_new_packets() {
                Ok(state) => self.has_ended |= state.peer_has_closed(),
                Err(_) => return Step::Bad,
            }
            if self.phase == Phase::Handshake && !self.tls.is_handshaking() {
                self.phase = Phase::Open;
                self.received = Buffer::new(RECEIVED_BYTES);
                self.unsent = Buffer::new(UNSENT_BYTES);
            }
            has_read |= self.decrypt();
            if taken == 0 {
                // Behind the peer's last nothing is read any more.
                let count = transport.received(self.id).len();
                transport.consume(self.id, count);
            }
        }
        self.is_drained &= transport.received(self.id).is_empty();
        if has_read { Step::Read } else { Step::Nothing }
    }

    /// Moves what rustls has decrypted to where the user reads it, as far as there is room; whether there
    /// was anything.
    fn decrypt(&mut self) -> bool {
        let mut has_read = false;
        self.is_drained = true;
        if self.phase != Phase::Open {
            return false;
        }
        loop {
            if self.received.room() == 0 {
                self.is_drained = false;
                return has_read;
            }
            match self.tls.reader().read(self.received.spare()) {
                Ok(0) | Err(_) => return has_read,
                Ok(count) => {
                    self.received.filled(count);
                    has_read = true;
                }
            }
        }
    }

    /// Whether there is more to read, and room for it.
    pub(super) fn wants_turn(&self) -> bool {
        !self.is_drained && (self.phase != Phase::Open || self.received.room() > 0)
    }

    /// Whether the user is to be told now that nothing more comes.
    pub(super) fn tells_end(&mut self) -> bool {
        let tells = self.has_ended && self.is_drained && !self.told_end;
        self.told_end |= tells;
        tells
    }

    pub(super) fn received(&self) -> &[u8] {
        self.received.content()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.received.consume(count);
    }

    /// Queues the user's bytes, all or none.
    pub(super) fn queue(&mut self, bytes: &[u8]) -> bool {
        self.unsent.push(bytes)
    }

    pub(super) fn room(&self) -> usize {
        self.unsent.room()
    }

    /// The user has closed.
    pub(super) fn part(&mut self) {
        self.phase = Phase::Parting;
        self.received.clear();
    }

    /// Sends what is queued as far as the transport takes it; whether bytes of the user's have left.
    pub(super) fn send<T: Transport>(&mut self, transport: &mut T) -> bool {
        let before = self.unsent.room();
        while self.push(transport) {
            let queued = self.unsent.content();
            let piece = &queued[..queued.len().min(RECORD_BYTES_MAX)];
            if !piece.is_empty() {
                // An error is one of a connection that was broken before.
                let Ok(taken) = self.tls.writer().write(piece) else { break };
                self.unsent.consume(taken);
            } else if self.phase == Phase::Parting && !self.told_peer {
                self.tls.send_close_notify();
                self.told_peer = true;
            } else {
                break;
            }
        }
        self.unsent.room() > before
    }

    /// Hands encrypted bytes down; whether all of them.
    fn push<T: Transport>(&mut self, transport: &mut T) -> bool {
        let mut below = Below { transport, id: self.id };
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut below).is_err() {
                return false;
            }
        }
        true
    }

    /// Whether nothing is left to be sent, also to say that this was all.
    pub(super) fn has_sent_all(&self) -> bool {
        self.told_peer && self.unsent.is_empty() && !self.tls.wants_write()
    }
}

/// The connection below, as rustls writes to it.
struct Below<'a, T> {
    transport: &'a mut T,
    id: ConnectionId,
}

impl<T: Transport> Write for Below<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.transport.send_room(self.id));
        if count == 0 || !self.transport.send(self.id, &bytes[..count]) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
