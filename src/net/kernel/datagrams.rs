//! The kernel transport's UDP sockets: one that sends, and where it is wanted one that receives.
//!
//! Datagrams that nobody takes wait in the kernel, which loses those it has no room for.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{KernelCounters, choose_among};
use crate::net::DATAGRAM_BYTES_MAX;

/// The sockets, and the datagram that was taken last.
pub(super) struct Datagrams {
    sending: UdpSocket,
    receiving: Option<UdpSocket>,
    /// Something may wait in the socket that receives.
    pub(super) may_receive: bool,
    /// One byte more than is taken, to see that a datagram is too long.
    buffer: [u8; DATAGRAM_BYTES_MAX + 1],
}

/// Why a datagram is dropped unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    /// Its sender is not let in.
    Denied,
    /// Its sender sends too many.
    Flood,
}

/// Datagrams dropped, in search of one to be taken, before it is enough.
const DROPPED_AT_ONCE_MAX: usize = 32;

impl Datagrams {
    /// Multicast leaves by `interface`, with that many hops.
    pub(super) fn new(interface: Ipv4Addr, ttl: u8) -> io::Result<Self> {
        let sending = UdpSocket::bind(SocketAddrV4::new(interface, 0))?;
        sending.set_nonblocking(true)?;
        let options = SockRef::from(&sending);
        options.set_multicast_if_v4(&interface)?;
        options.set_multicast_ttl_v4(u32::from(ttl))?;
        let buffer = [0; DATAGRAM_BYTES_MAX + 1];
        Ok(Self { sending, receiving: None, may_receive: false, buffer })
    }

    /// Receives what is sent to `address`, which as many share, and sends unicast from there.
    pub(super) fn receive_at(
        &mut self,
        address: SocketAddrV4,
        shards: u8,
    ) -> io::Result<&UdpSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_port(shards > 1)?;
        socket.bind(&address.into())?;
        choose_among(&socket, shards)?;
        self.may_receive = true;
        Ok(self.receiving.insert(socket.into()))
    }

    /// Receives nothing any more.
    pub(super) fn stop_receiving(&mut self) {
        self.receiving = None;
    }

    /// Where it receives.
    #[cfg(test)]
    pub(super) fn receiving(&self) -> Option<&UdpSocket> {
        self.receiving.as_ref()
    }

    pub(super) fn send(
        &self,
        to: SocketAddrV4,
        payload: &[u8],
        counters: &mut KernelCounters,
    ) -> bool {
        let unicast = self.receiving.as_ref().filter(|_| !to.ip().is_multicast());
        match unicast.unwrap_or(&self.sending).send_to(payload, to) {
            Ok(_) => counters.datagrams += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            // Trying again would not help: the datagram is lost, as datagrams are.
            Err(_) => counters.datagram_errors += 1,
        }
        true
    }

    /// The oldest datagram that waits and is from somebody who `may_talk`.
    pub(super) fn next(
        &mut self,
        mut may_talk: impl FnMut(Ipv4Addr) -> Result<(), Unheard>,
        counters: &mut KernelCounters,
    ) -> Option<(SocketAddrV4, &[u8])> {
        let socket = self.receiving.as_ref().filter(|_| self.may_receive)?;
        for _ in 0..DROPPED_AT_ONCE_MAX {
            match socket.recv_from(&mut self.buffer) {
                Ok((length, SocketAddr::V4(from))) => match may_talk(*from.ip()) {
                    Err(Unheard::Denied) => counters.denied += 1,
                    Err(Unheard::Flood) => counters.source_flood += 1,
                    Ok(()) if length > DATAGRAM_BYTES_MAX => counters.datagrams_lost += 1,
                    Ok(()) => {
                        counters.datagrams_received += 1;
                        return Some((from, &self.buffer[..length]));
                    }
                },
                Ok(_) => counters.datagrams_lost += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.may_receive = false;
                    return None;
                }
                // About an earlier datagram of ours; the next call goes on.
                Err(_) => return None,
            }
        }
        None
    }
}
