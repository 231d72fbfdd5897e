//! How a session's packets travel: in a TCP connection as SoupBinTCP, or in datagrams as UFO.
//!
//! It says the same things either way. Who may say what, and when, its callers decide.

use std::net::SocketAddrV4;

use super::outbound::Sequenced;
use super::peers::Peers;
use crate::net::{ConnectionId, Transport};
use crate::types::SessionId;
use crate::wire::{soup, ufo};

/// The way to a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A TCP connection.
    Tcp(ConnectionId),
    /// Datagrams to this address, of the peer with this slot.
    Udp(u32, SocketAddrV4),
}

impl Link {
    /// What `PortUp` says of it.
    pub(super) fn transport_code(self) -> u8 {
        match self {
            Self::Tcp(_) => b'T',
            Self::Udp(..) => b'U',
        }
    }

    /// The login is good, and the stream goes on with message `next`.
    pub(super) fn accept<T: Transport>(
        self,
        session: SessionId,
        next: u32,
        peers: &mut Peers,
        transport: &mut T,
    ) {
        match self {
            Self::Tcp(id) => {
                let accepted = soup::LoginAccepted { session, sequence: next.into() };
                transport.send(id, &accepted.emit());
            }
            Self::Udp(slot, to) => {
                peers.send_packet(slot, transport);
                let accepted = ufo::LoginAccepted { session, sequence: next };
                transport.send_datagram(to, &accepted.emit());
            }
        }
    }

    /// The login is not good. Nothing follows.
    pub(super) fn reject<T: Transport>(self, reason: soup::LoginReject, transport: &mut T) {
        match self {
            Self::Tcp(id) => {
                transport.send(id, &reason.emit());
                transport.close(id);
            }
            Self::Udp(_, to) => {
                transport.send_datagram(to, &ufo::login_rejected(reason));
            }
        }
    }

    /// The message with the number `sequence`; `false` if there is no room for it now.
    pub(super) fn send<T: Transport>(
        self,
        sequence: u32,
        packet: &Sequenced<'_>,
        peers: &mut Peers,
        transport: &mut T,
    ) -> bool {
        match self {
            Self::Tcp(id) => transport.send(id, packet.in_soup()),
            Self::Udp(slot, _) => peers.send(slot, sequence, packet.message(), transport),
        }
    }

    /// Nothing was said for a while; the next message will be number `next`.
    pub(super) fn heartbeat<T: Transport>(self, next: u32, peers: &mut Peers, transport: &mut T) {
        match self {
            Self::Tcp(id) => {
                transport.send(id, &soup::SERVER_HEARTBEAT);
            }
            Self::Udp(slot, to) => {
                peers.send_packet(slot, transport);
                transport.send_datagram(to, &ufo::heartbeat(next));
            }
        }
    }

    /// The stream is complete before message `next`; `false` if there is no room to say so now.
    pub(super) fn end_of_session<T: Transport>(
        self,
        next: u32,
        peers: &mut Peers,
        transport: &mut T,
    ) -> bool {
        match self {
            Self::Tcp(id) => transport.send(id, &soup::END_OF_SESSION),
            Self::Udp(slot, to) => {
                peers.send_packet(slot, transport)
                    && transport.send_datagram(to, &ufo::end_of_session(next.saturating_sub(1)))
            }
        }
    }

    /// The session is another node's from now on: a connection is reset, a peer hears nothing more.
    pub(super) fn abort<T: Transport>(self, transport: &mut T) {
        match self {
            Self::Tcp(id) => transport.abort(id),
            Self::Udp(..) => {}
        }
    }

    /// The exchange ends the session. Without a connection to close, a peer is told, once.
    pub(super) fn close<T: Transport>(self, transport: &mut T) {
        match self {
            Self::Tcp(id) => transport.close(id),
            Self::Udp(..) => self.reject(soup::LoginReject::SessionNotAvailable, transport),
        }
    }
}
