//! Frames of a flood, by kind: what a stranger on the segment may send to a node, in any number.

use std::net::Ipv4Addr;

use crate::net::arp::{ArpOperation, ArpPacket};
use crate::net::ethernet::{ETHER_TYPE_ARP, ETHER_TYPE_IPV4, EthernetHeader, MacAddress};
use crate::net::ipv4::{Ipv4Header, PROTOCOL_TCP, PROTOCOL_UDP, checksum, sum};
use crate::net::udp::UdpHeader;

/// What a frame of the flood is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A connection request in the name of some host that may connect.
    Syn,
    /// One in the name of a host that may not.
    SynDenied,
    /// A datagram to a port that nobody receives on.
    Udp,
    /// The beginning of a datagram.
    Fragment,
    /// A question for the Ethernet address of somebody else.
    Arp,
    /// Bytes that are no packet.
    Garbage,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Syn, Self::SynDenied, Self::Udp, Self::Fragment, Self::Arp, Self::Garbage];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::SynDenied => "syn_denied",
            Self::Udp => "udp",
            Self::Fragment => "fragment",
            Self::Arp => "arp",
            Self::Garbage => "garbage",
        }
    }
}

/// Whom the flood is for, and whom it says it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) mac: MacAddress,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    /// How many hosts there seem to be.
    pub(super) hosts: u32,
}

/// Whoever sends the flood.
const SENDER: MacAddress = MacAddress([2, 0x66, 0, 0, 0, 1]);
/// The first of the hosts in whose name it is, in the node's network and in another.
const FIRST_HOST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 100);
const FIRST_STRANGER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
const MORE_FRAGMENTS: u8 = 0x20;
const SYN: u8 = 2;

impl Target {
    /// The `number`th frame of a kind.
    pub(super) fn frame(&self, kind: Kind, number: u32) -> Vec<u8> {
        let host = |first: Ipv4Addr| Ipv4Addr::from_bits(first.to_bits() + number % self.hosts);
        let [_, _, high, low] = number.to_be_bytes();
        let from_port = u16::from_be_bytes([high | 0x40, low]);
        match kind {
            Kind::Syn => self.syn(host(FIRST_HOST), from_port),
            Kind::SynDenied => self.syn(host(FIRST_STRANGER), from_port),
            Kind::Udp => self.datagram(host(FIRST_HOST), self.port ^ 0x1000, &[high, low, 0, 0]),
            Kind::Fragment => {
                let mut frame = self.datagram(host(FIRST_HOST), self.port, &[0; 64]);
                let header = &mut frame[EthernetHeader::LEN..][..Ipv4Header::LEN];
                header[6] = MORE_FRAGMENTS;
                header[10..12].fill(0);
                let check = checksum(sum(0, header));
                header[10..12].copy_from_slice(&check.to_be_bytes());
                frame
            }
            Kind::Arp => {
                let packet = ArpPacket {
                    operation: ArpOperation::Request,
                    sender_mac: SENDER,
                    sender: host(FIRST_HOST),
                    target_mac: MacAddress::default(),
                    target: Ipv4Addr::new(10, 9, 1, low),
                };
                let header = EthernetHeader {
                    destination: MacAddress::BROADCAST,
                    source: SENDER,
                    ether_type: ETHER_TYPE_ARP,
                };
                [&header.emit()[..], &packet.emit()].concat()
            }
            Kind::Garbage => {
                let mut frame = self.header(ETHER_TYPE_IPV4).to_vec();
                let byte = number.wrapping_mul(0x9E37_79B9).to_be_bytes()[0];
                frame.extend((0..50).map(|at: u8| byte.wrapping_mul(at | 1)));
                frame
            }
        }
    }

    /// A datagram from a host of the node's network.
    pub(super) fn datagram(&self, source: Ipv4Addr, to_port: u16, payload: &[u8]) -> Vec<u8> {
        let length = UdpHeader::LEN + payload.len();
        let ip = self.ip(source, PROTOCOL_UDP, length);
        let udp = UdpHeader { source_port: 4_000, destination_port: to_port };
        let parts =
            [&self.header(ETHER_TYPE_IPV4)[..], &ip.emit(), &udp.emit(&ip, payload), payload];
        parts.concat()
    }

    fn syn(&self, source: Ipv4Addr, from_port: u16) -> Vec<u8> {
        let mut segment = [0; 20];
        let ip = self.ip(source, PROTOCOL_TCP, segment.len());
        segment[0..2].copy_from_slice(&from_port.to_be_bytes());
        segment[2..4].copy_from_slice(&self.port.to_be_bytes());
        segment[4..8].copy_from_slice(&[1, 2, 3, 4]);
        segment[12] = 5 << 4;
        segment[13] = SYN;
        segment[14] = 0x20;
        let check = checksum(sum(ip.pseudo_sum(), &segment));
        segment[16..18].copy_from_slice(&check.to_be_bytes());
        [&self.header(ETHER_TYPE_IPV4)[..], &ip.emit(), &segment].concat()
    }

    fn header(&self, ether_type: u16) -> [u8; EthernetHeader::LEN] {
        EthernetHeader { destination: self.mac, source: SENDER, ether_type }.emit()
    }

    fn ip(&self, source: Ipv4Addr, protocol: u8, length: usize) -> Ipv4Header {
        let payload_len = u16::try_from(length).expect("a short packet");
        Ipv4Header { source, destination: self.address, protocol, ttl: 64, payload_len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tcp::Segment;

    #[test]
    fn every_kind_is_what_it_says() {
        let mac = MacAddress([2, 0, 0, 0, 0, 1]);
        let address = Ipv4Addr::new(10, 9, 0, 1);
        let target = Target { mac, address, port: 9_001, hosts: 16 };
        let parsed = |kind, number| {
            let frame = target.frame(kind, number);
            let (header, packet) = EthernetHeader::parse(&frame).unwrap();
            (header.destination, Ipv4Header::parse(packet).map(|(ip, _)| ip), packet.to_vec())
        };
        for number in 0..300 {
            for (kind, first) in [(Kind::Syn, [10, 9]), (Kind::SynDenied, [172, 16])] {
                let (to, ip, packet) = parsed(kind, number);
                let ip = ip.unwrap();
                assert_eq!(
                    (to, ip.destination, &ip.source.octets()[..2]),
                    (mac, address, &first[..])
                );
                assert!(Segment::parse(&packet[20..]).unwrap().opens());
            }
            let (_, ip, packet) = parsed(Kind::Udp, number);
            let (udp, _) = UdpHeader::parse(&ip.unwrap(), &packet[20..]).unwrap();
            assert_ne!(udp.destination_port, 9_001);
            let (_, ip, packet) = parsed(Kind::Fragment, number);
            assert!(ip.is_none() && Ipv4Header::is_fragment(&packet));
            assert!(parsed(Kind::Garbage, number).1.is_none());
            let (_, _, packet) = parsed(Kind::Arp, number);
            assert_ne!(ArpPacket::parse(&packet).unwrap().target, address);
        }
    }
}
