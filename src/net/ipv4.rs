//! IPv4: the header, its checksum, and networks.
//!
//! Parses and emits only. Fragments are refused: nobody on an exchange's segment needs them, and
//! putting them together would be state that a stranger can fill.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// What we use of a packet's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Whom it is for.
    pub destination: Ipv4Addr,
    /// What it carries.
    pub protocol: u8,
    /// Hops it may still make.
    pub ttl: u8,
    /// Bytes after the header.
    pub payload_len: u16,
}

/// Protocol number of ICMP.
pub const PROTOCOL_ICMP: u8 = 1;
/// Protocol number of IGMP.
pub const PROTOCOL_IGMP: u8 = 2;
/// Protocol number of TCP.
pub const PROTOCOL_TCP: u8 = 6;
/// Protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;

impl Ipv4Header {
    /// Its size as we emit it, without options.
    pub const LEN: usize = 20;

    /// Splits a packet into header and payload, skipping options and cutting padding. `None` for what
    /// is malformed, fails its checksum, or is a fragment.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<(Self, &[u8])> {
        let fixed = packet.first_chunk::<{ Self::LEN }>()?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        let total_len = usize::from(word(2));
        if fixed[0] >> 4 != 4 || header_len < Self::LEN || total_len < header_len {
            return None;
        }
        let packet = packet.get(..total_len)?;
        let (header, payload) = packet.split_at(header_len);
        if word(6) & MORE_FRAGMENTS_AND_OFFSET != 0 || checksum(sum(0, header)) != 0 {
            return None;
        }
        let address =
            |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let header = Self {
            source: address(12),
            destination: address(16),
            protocol: fixed[9],
            ttl: fixed[8],
            payload_len: u16::try_from(payload.len()).ok()?,
        };
        Some((header, payload))
    }

    /// Whether a packet that [`Ipv4Header::parse`] refused is a fragment.
    #[must_use]
    pub fn is_fragment(packet: &[u8]) -> bool {
        let word = packet.get(6..8).map_or(0, |word| u16::from_be_bytes([word[0], word[1]]));
        packet.first().is_some_and(|first| first >> 4 == 4) && word & MORE_FRAGMENTS_AND_OFFSET != 0
    }

    /// The header's bytes, with checksum. It is never fragmented, so its identification is zero
    /// (RFC 6864).
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let total_len = self.payload_len.saturating_add(20);
        let mut bytes = [0; Self::LEN];
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&total_len.to_be_bytes());
        bytes[6..8].copy_from_slice(&DONT_FRAGMENT.to_be_bytes());
        bytes[8] = self.ttl;
        bytes[9] = self.protocol;
        bytes[12..16].copy_from_slice(&self.source.octets());
        bytes[16..20].copy_from_slice(&self.destination.octets());
        let check = checksum(sum(0, &bytes));
        bytes[10..12].copy_from_slice(&check.to_be_bytes());
        bytes
    }

    /// The same with an option of four bytes, which the payload's length does not count.
    #[must_use]
    pub fn emit_with_option(&self, option: [u8; 4]) -> [u8; Self::LEN + 4] {
        let mut bytes = [0; Self::LEN + 4];
        bytes[..Self::LEN].copy_from_slice(&self.emit());
        bytes[Self::LEN..].copy_from_slice(&option);
        bytes[0] = 0x46;
        bytes[2..4].copy_from_slice(&self.payload_len.saturating_add(24).to_be_bytes());
        bytes[10..12].fill(0);
        let check = checksum(sum(0, &bytes));
        bytes[10..12].copy_from_slice(&check.to_be_bytes());
        bytes
    }

    /// The start of the sum that TCP and UDP make over this header.
    #[must_use]
    pub fn pseudo_sum(&self) -> u32 {
        let sum = sum(sum(0, &self.source.octets()), &self.destination.octets());
        sum + u32::from(self.protocol) + u32::from(self.payload_len)
    }
}

/// Adds `bytes` to a one's complement sum. Only the last part of a sum may have an odd length; a sum
/// holds 64 KiB without overflow.
#[must_use]
pub fn sum(start: u32, bytes: &[u8]) -> u32 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |&byte| u32::from(byte) << 8);
    pairs.iter().fold(start + last, |sum, &pair| sum + u32::from(u16::from_be_bytes(pair)))
}

/// The checksum of a sum; zero over data that already holds a right one.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "two folds leave 16 bits")]
pub fn checksum(sum: u32) -> u16 {
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !(folded as u16)
}

/// An address and the length of its network's prefix, as in `10.9.0.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Network {
    address: Ipv4Addr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an address, or not a prefix.
    #[error("must be a network such as 10.9.0.0/24, or a single address")]
    Form,
    /// An address within the network, where the network itself is meant.
    #[error("must have no address bits below its prefix")]
    HostBits,
}

impl Ipv4Network {
    /// Every address.
    pub const ALL: Self = Self { address: Ipv4Addr::UNSPECIFIED, prefix: 0 };

    /// `None` if the prefix is longer than an address.
    #[must_use]
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        if prefix > 32 { None } else { Some(Self { address, prefix }) }
    }

    /// The address it was made with.
    #[must_use]
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The length of its prefix in bits.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The network alone, as its first address.
    #[must_use]
    pub const fn network(self) -> Self {
        let address = Ipv4Addr::from_bits(self.address.to_bits() & self.mask());
        Self { address, ..self }
    }

    /// Its first and its last address, as numbers.
    #[must_use]
    pub const fn range(self) -> (u32, u32) {
        let first = self.network().address.to_bits();
        (first, first | !self.mask())
    }

    /// Whether `address` lies in it.
    #[must_use]
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & self.mask() == 0
    }

    const fn mask(self) -> u32 {
        match self.prefix {
            0 => 0,
            bits => u32::MAX << (32 - bits),
        }
    }
}

/// Whether a packet can come from this address: it is one other host's.
#[must_use]
pub fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_multicast()
        || address.is_broadcast()
        || address.is_unspecified()
        || address.is_loopback())
}

impl fmt::Display for Ipv4Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Ipv4Network {
    type Err = NetworkError;

    /// Parses `10.9.0.0/24`, or a single address.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let address = address.parse().map_err(|_| NetworkError::Form)?;
        let prefix = prefix.parse().map_err(|_| NetworkError::Form)?;
        let network = Self::new(address, prefix).ok_or(NetworkError::Form)?;
        if network != network.network() {
            return Err(NetworkError::HostBits);
        }
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Ipv4Header {
        Ipv4Header {
            source: Ipv4Addr::new(192, 168, 0, 1),
            destination: Ipv4Addr::new(192, 168, 0, 199),
            protocol: PROTOCOL_UDP,
            ttl: 64,
            payload_len: 95,
        }
    }

    #[test]
    fn the_checksum_is_that_of_a_known_header() {
        // The example of Wikipedia's article on the IPv4 header checksum.
        let mut known = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
            0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
        ];
        assert_eq!(header().emit(), known);
        assert_eq!(checksum(sum(0, &known)), 0);
        known[10..12].fill(0);
        assert_eq!(checksum(sum(0, &known)), 0xb861);
    }

    #[test]
    fn a_packet_is_parsed_without_its_padding() {
        let mut packet = header().emit().to_vec();
        packet.resize(20 + 95 + 7, 9);
        let (parsed, payload) = Ipv4Header::parse(&packet).unwrap();
        assert_eq!((parsed, payload.len()), (header(), 95));
    }

    #[test]
    fn cut_damaged_and_fragmented_packets_are_refused() {
        let mut packet = header().emit().to_vec();
        packet.resize(20 + 95, 9);
        assert!(Ipv4Header::parse(&packet[..114]).is_none());
        for at in 0..20 {
            let mut damaged = packet.clone();
            damaged[at] ^= 0x10;
            assert!(Ipv4Header::parse(&damaged).is_none(), "byte {at}");
            assert_eq!(Ipv4Header::is_fragment(&damaged), at == 6 || at == 7, "byte {at}");
        }
        // A first fragment whose checksum is right.
        packet[6] = 0x20;
        packet[10..12].fill(0);
        let check = checksum(sum(0, &packet[..20]));
        packet[10..12].copy_from_slice(&check.to_be_bytes());
        assert!(Ipv4Header::parse(&packet).is_none() && Ipv4Header::is_fragment(&packet));
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        let network: Ipv4Network = "10.9.0.0/24".parse().unwrap();
        assert!(network.contains(Ipv4Addr::new(10, 9, 0, 255)));
        assert!(!network.contains(Ipv4Addr::new(10, 9, 1, 0)));
        assert!("0.0.0.0/0".parse::<Ipv4Network>().unwrap().contains(Ipv4Addr::BROADCAST));
        assert_eq!("10.9.0.2".parse::<Ipv4Network>().unwrap().to_string(), "10.9.0.2/32");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.9.0.0/33", "10.9.0/24", "10.9.0.0/x"] {
            assert_eq!(text.parse::<Ipv4Network>(), Err(NetworkError::Form), "{text}");
        }
        assert_eq!("10.9.0.1/24".parse::<Ipv4Network>(), Err(NetworkError::HostBits));
    }
}
