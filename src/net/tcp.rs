//! TCP: as much of a segment's header as it takes to find its connection.
//!
//! Checks no checksum and keeps no state; the TCP engine does both with what is passed on to it.

/// What the demux reads of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Port of the sender, never 0.
    pub source_port: u16,
    /// Port of the receiver, never 0.
    pub destination_port: u16,
    flags: u8,
}

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

impl Segment {
    const HEADER_LEN: usize = 20;

    /// `None` for what cannot be a segment.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<{ Self::HEADER_LEN }>()?;
        let data_offset = usize::from(header[12] >> 4) * 4;
        let segment = Self {
            source_port: u16::from_be_bytes([header[0], header[1]]),
            destination_port: u16::from_be_bytes([header[2], header[3]]),
            flags: header[13],
        };
        let sound = (Self::HEADER_LEN..=packet.len()).contains(&data_offset)
            && segment.source_port != 0
            && segment.destination_port != 0;
        sound.then_some(segment)
    }

    /// Whether it asks for a connection.
    #[must_use]
    pub fn opens(self) -> bool {
        self.flags & (SYN | ACK | RST) == SYN
    }

    /// Whether it breaks a connection.
    #[must_use]
    pub fn resets(self) -> bool {
        self.flags & RST != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_syn_opens() {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&[0xc0, 0x00, 0x1f, 0x90]);
        bytes[12] = 5 << 4;
        for (flags, opens) in [(SYN, true), (SYN | ACK, false), (SYN | RST, false), (ACK, false)] {
            bytes[13] = flags;
            let segment = Segment::parse(&bytes).unwrap();
            assert_eq!((segment.source_port, segment.destination_port), (49_152, 8080));
            assert_eq!(segment.opens(), opens, "flags {flags:#x}");
        }
    }

    #[test]
    fn segments_without_ports_or_with_a_header_longer_than_themselves_are_refused() {
        let mut bytes = [1; 20];
        bytes[12] = 5 << 4;
        assert!(Segment::parse(&bytes).is_some());
        bytes[12] = 6 << 4;
        assert!(Segment::parse(&bytes).is_none());
        bytes[12] = 5 << 4;
        bytes[..2].fill(0);
        assert!(Segment::parse(&bytes).is_none());
    }
}
