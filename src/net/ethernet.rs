//! Ethernet II: addresses and the 14-byte header.
//!
//! Parses and emits only. A VLAN tag is an ether type we do not speak; it is never stripped.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetHeader {
    /// Whom it is for.
    pub destination: MacAddress,
    /// Who sent it.
    pub source: MacAddress,
    /// What it carries.
    pub ether_type: u16,
}

/// Ether type of IPv4.
pub const ETHER_TYPE_IPV4: u16 = 0x0800;
/// Ether type of ARP.
pub const ETHER_TYPE_ARP: u16 = 0x0806;

impl MacAddress {
    /// Everybody on the segment.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address of an IPv4 multicast group (RFC 1112 6.4): its low 23 bits.
    #[must_use]
    pub const fn multicast(group: Ipv4Addr) -> Self {
        let [_, a, b, c] = group.octets();
        Self([0x01, 0x00, 0x5e, a & 0x7f, b, c])
    }

    /// Whether it can be one interface's address.
    #[must_use]
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    /// Parses `02:00:00:00:00:01`.
    fn from_str(text: &str) -> Result<Self, MacAddressError> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or(MacAddressError)?;
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(MacAddressError);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| MacAddressError)?;
        }
        let address = Self(bytes);
        let whole = parts.next().is_none() && address.is_unicast();
        whole.then_some(address).ok_or(MacAddressError)
    }
}

/// A text that is no interface's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an interface's Ethernet address, such as 02:00:00:00:00:01")]
pub struct MacAddressError;

impl EthernetHeader {
    /// Its size on the wire.
    pub const LEN: usize = 14;

    /// Splits a frame into header and payload. The payload may end in padding.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (header, payload) = frame.split_first_chunk::<{ Self::LEN }>()?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        let header = Self {
            destination: MacAddress([d0, d1, d2, d3, d4, d5]),
            source: MacAddress([s0, s1, s2, s3, s4, s5]),
            ether_type: u16::from_be_bytes([t0, t1]),
        };
        Some((header, payload))
    }

    /// The header's bytes.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let [d0, d1, d2, d3, d4, d5] = self.destination.0;
        let [s0, s1, s2, s3, s4, s5] = self.source.0;
        let [t0, t1] = self.ether_type.to_be_bytes();
        [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_parsed_from_the_bytes_it_was_emitted_as() {
        let header = EthernetHeader {
            destination: MacAddress([2, 0, 0, 0, 0, 1]),
            source: MacAddress([2, 0, 0, 0, 0, 2]),
            ether_type: ETHER_TYPE_IPV4,
        };
        let mut frame = header.emit().to_vec();
        frame.extend_from_slice(b"payload");
        assert_eq!(EthernetHeader::parse(&frame), Some((header, &b"payload"[..])));
        assert_eq!(EthernetHeader::parse(&frame[..13]), None);
    }

    #[test]
    fn an_address_is_parsed_from_the_text_it_is_shown_as_and_no_other_text_is_one() {
        let mac = MacAddress([2, 0, 0xab, 0, 0, 1]);
        assert_eq!(mac.to_string().parse(), Ok(mac));
        let group_or_none = ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"];
        let malformed =
            ["", "02:00:00:00:00", "02:00:00:00:00:01:02", "2:0:0:0:0:1", "+2:00:00:00:00:01"];
        for text in group_or_none.iter().chain(&malformed) {
            assert_eq!(text.parse::<MacAddress>(), Err(MacAddressError), "{text}");
        }
    }

    #[test]
    fn groups_that_differ_in_their_low_23_bits_have_addresses_of_their_own() {
        let mac = MacAddress::multicast(Ipv4Addr::new(239, 129, 2, 3));
        assert_eq!(mac.to_string(), "01:00:5e:01:02:03");
        assert!(!mac.is_unicast());
    }
}
