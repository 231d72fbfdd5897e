//! UDP: the header and its checksum.
//!
//! Parses and emits only; whose datagram it is, the caller decides.

use super::ipv4::{Ipv4Header, checksum, sum};

/// What a datagram begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpHeader {
    /// Port of the sender, 0 = no answer wanted.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
}

impl UdpHeader {
    /// Its size on the wire.
    pub const LEN: usize = 8;

    /// Splits the payload of the packet with header `ip` into header and datagram. `None` for what is
    /// malformed or fails its checksum (a checksum of zero is none).
    #[must_use]
    pub fn parse<'a>(ip: &Ipv4Header, packet: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header = packet.first_chunk::<{ Self::LEN }>()?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let length = word(4);
        let packet = packet.get(..usize::from(length))?;
        let payload = packet.get(Self::LEN..)?;
        let covered = Ipv4Header { payload_len: length, ..*ip };
        if word(6) != 0 && checksum(sum(covered.pseudo_sum(), packet)) != 0 {
            return None;
        }
        Some((Self { source_port: word(0), destination_port: word(2) }, payload))
    }

    /// The header's bytes for a device that fills in the checksum: in its place is the sum of the pseudo
    /// header.
    #[must_use]
    pub fn emit_unfilled(&self, ip: &Ipv4Header) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0..2].copy_from_slice(&self.source_port.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.destination_port.to_be_bytes());
        bytes[4..6].copy_from_slice(&ip.payload_len.to_be_bytes());
        bytes[6..8].copy_from_slice(&(!checksum(ip.pseudo_sum())).to_be_bytes());
        bytes
    }

    /// The header's bytes for `payload` in a packet with header `ip`, whose payload length must count
    /// both.
    #[must_use]
    pub fn emit(&self, ip: &Ipv4Header, payload: &[u8]) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0..2].copy_from_slice(&self.source_port.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.destination_port.to_be_bytes());
        bytes[4..6].copy_from_slice(&ip.payload_len.to_be_bytes());
        let check = checksum(sum(sum(ip.pseudo_sum(), &bytes), payload));
        // Zero would say that there is no checksum; all ones is the same number.
        let check = if check == 0 { u16::MAX } else { check };
        bytes[6..8].copy_from_slice(&check.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::ipv4::PROTOCOL_UDP;
    use super::*;

    fn datagram(payload: &[u8]) -> (Ipv4Header, Vec<u8>) {
        let ip = Ipv4Header {
            source: Ipv4Addr::new(10, 9, 0, 1),
            destination: Ipv4Addr::new(239, 9, 0, 1),
            protocol: PROTOCOL_UDP,
            ttl: 8,
            payload_len: u16::try_from(UdpHeader::LEN + payload.len()).unwrap(),
        };
        let header = UdpHeader { source_port: 7, destination_port: 26_400 };
        let mut bytes = header.emit(&ip, payload).to_vec();
        bytes.extend_from_slice(payload);
        (ip, bytes)
    }

    #[test]
    fn a_datagram_is_parsed_from_the_bytes_it_was_emitted_as() {
        for payload in [&b"odd"[..], b"even", b""] {
            let (ip, bytes) = datagram(payload);
            let (header, parsed) = UdpHeader::parse(&ip, &bytes).unwrap();
            assert_eq!((header.source_port, header.destination_port), (7, 26_400));
            assert_eq!(parsed, payload);
        }
    }

    #[test]
    fn a_damaged_datagram_is_refused() {
        let (ip, bytes) = datagram(b"prices");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(UdpHeader::parse(&ip, &damaged).is_none(), "byte {at}");
        }
        assert!(UdpHeader::parse(&ip, &bytes[..7]).is_none());
    }
}
