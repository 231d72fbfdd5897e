//! A datagram as a ring message: how a stage that owns no device hands one to the stage that does.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::types::{LINE_BYTES, Line};

/// The longest payload: an Ethernet frame of 1,500 bytes without IPv4 and UDP headers.
pub const DATAGRAM_BYTES_MAX: usize = 1472;
/// Lines of the longest message.
pub const DATAGRAM_LINES_MAX: usize = (HEADER_BYTES + DATAGRAM_BYTES_MAX).div_ceil(LINE_BYTES);

/// Number of lines at 1 (as the ring demands), payload length at 2, address at 4, port at 8.
const HEADER_BYTES: usize = 16;

/// A datagram in the lines of a ring message.
#[derive(Debug)]
pub struct Datagram {
    lines: [Line; DATAGRAM_LINES_MAX],
}

impl Datagram {
    /// An empty one, to fill again and again.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: [Line::ZERO; DATAGRAM_LINES_MAX] }
    }

    /// Writes `payload` for `to` and returns the message.
    ///
    /// # Panics
    /// If the payload is longer than [`DATAGRAM_BYTES_MAX`]: its maker has a defect.
    pub fn fill(&mut self, to: SocketAddrV4, payload: &[u8]) -> &[Line] {
        assert!(payload.len() <= DATAGRAM_BYTES_MAX, "datagram of {} bytes", payload.len());
        let count = (HEADER_BYTES + payload.len()).div_ceil(LINE_BYTES);
        let bytes = Line::bytes_mut(&mut self.lines);
        bytes[1] = u8::try_from(count).expect("at most DATAGRAM_LINES_MAX");
        let length = u16::try_from(payload.len()).expect("at most DATAGRAM_BYTES_MAX");
        bytes[2..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..8].copy_from_slice(&to.ip().octets());
        bytes[8..10].copy_from_slice(&to.port().to_le_bytes());
        bytes[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(payload);
        &self.lines[..count]
    }

    /// The destination and the payload of a message that [`Datagram::fill`] made.
    #[must_use]
    pub fn read(message: &[Line]) -> Option<(SocketAddrV4, &[u8])> {
        let bytes = Line::bytes(message);
        let (header, payload) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let length = usize::from(u16::from_le_bytes([header[2], header[3]]));
        let address = Ipv4Addr::new(header[4], header[5], header[6], header[7]);
        let port = u16::from_le_bytes([header[8], header[9]]);
        Some((SocketAddrV4::new(address, port), payload.get(..length)?))
    }
}

impl Default for Datagram {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_read_as_it_was_filled_whatever_its_length() {
        let to = SocketAddrV4::new(Ipv4Addr::new(239, 1, 2, 3), 9100);
        let payload: Vec<u8> = (0..DATAGRAM_BYTES_MAX).map(|i| i.to_le_bytes()[0]).collect();
        let mut datagram = Datagram::new();
        for length in [0, 1, 47, 48, 49, 112, 1400, DATAGRAM_BYTES_MAX] {
            let message = datagram.fill(to, &payload[..length]);
            assert_eq!(usize::from(message[0].0[1]), message.len());
            assert_eq!(Datagram::read(message), Some((to, &payload[..length])));
        }
    }
}
