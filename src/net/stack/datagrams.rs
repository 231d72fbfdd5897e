//! UDP over the stack: one port whose datagrams are received, and datagrams sent to anybody.
//!
//! Nobody is ever told that a datagram was dropped: an ICMP message would be an answer to whoever's
//! address a stranger writes into it.

use std::net::SocketAddrV4;

use super::Stack;
use crate::net::device::Device;
use crate::net::ethernet::{ETHER_TYPE_IPV4, EthernetHeader};
use crate::net::ipv4::{Ipv4Header, PROTOCOL_UDP};
use crate::net::udp::UdpHeader;

/// Datagrams that wait for the user, some bursts of them.
pub(super) const DATAGRAMS_WAITING_MAX: usize = 256;
/// Hops of unicast packets, as the engine sends them too.
const UNICAST_TTL: u8 = 64;

impl<D: Device> Stack<D> {
    /// Keeps a datagram for the user, if it came to the port that receives.
    pub(super) fn take_datagram(&mut self, ip: &Ipv4Header, packet: &[u8]) {
        let Some((udp, payload)) = UdpHeader::parse(ip, packet) else {
            self.counters.malformed += 1;
            return;
        };
        if self.config.receive_port != Some(udp.destination_port) {
            self.counters.datagrams_unwanted += 1;
            return;
        }
        if self.inbox.push(SocketAddrV4::new(ip.source, udp.source_port), payload) {
            self.counters.datagrams_received += 1;
        } else {
            self.counters.datagrams_lost += 1;
        }
    }

    /// Sends a datagram; see [`Transport::send_datagram`](crate::net::Transport::send_datagram).
    pub(super) fn emit_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) -> bool {
        let length = UdpHeader::LEN + payload.len();
        assert!(Ipv4Header::LEN + length <= self.device.mtu(), "datagrams are never fragmented");
        if !self.has_room(1) {
            return false;
        }
        let Some(destination) = self.resolve(*to.ip()) else {
            self.counters.neighbour_unknown += 1;
            return false;
        };
        let (ttl, source_port) = if to.ip().is_multicast() {
            (self.config.multicast_ttl, self.config.datagram_port)
        } else {
            (UNICAST_TTL, self.config.receive_port.unwrap_or(self.config.datagram_port))
        };
        let ip = Ipv4Header {
            source: self.config.address,
            destination: *to.ip(),
            protocol: PROTOCOL_UDP,
            ttl,
            payload_len: u16::try_from(length).expect("below the MTU"),
        };
        let udp = UdpHeader { source_port, destination_port: to.port() };
        let fills = self.device.offloads().fills;
        let header = EthernetHeader { destination, source: self.mac, ether_type: ETHER_TYPE_IPV4 };
        let sent = self.device.transmit(EthernetHeader::LEN + Ipv4Header::LEN + length, |frame| {
            let (head, packet) = frame.split_at_mut(EthernetHeader::LEN);
            head.copy_from_slice(&header.emit());
            let (head, packet) = packet.split_at_mut(Ipv4Header::LEN);
            head.copy_from_slice(&ip.emit());
            let (head, body) = packet.split_at_mut(UdpHeader::LEN);
            let udp = if fills { udp.emit_unfilled(&ip) } else { udp.emit(&ip, payload) };
            head.copy_from_slice(&udp);
            body.copy_from_slice(payload);
        });
        if fills && sent.is_some() {
            self.device.fill_checksum(PROTOCOL_UDP);
        }
        self.counters.datagrams += u64::from(sent.is_some());
        sent.is_some()
    }
}
