//! TCP: as much of a segment's header as it takes to find its connection, and to ask after it.
//!
//! Checks no checksum and knows no state; the TCP engine does both with what is passed on to it.

use super::ipv4::{Ipv4Header, checksum, sum};

/// What the demux reads of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Port of the sender, never 0.
    pub source_port: u16,
    /// Port of the receiver, never 0.
    pub destination_port: u16,
    sequence: u32,
    flags: u8,
}

const FIN: u8 = 0x01;
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
            sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
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

/// Where the two directions of a connection stand, as the segments say it that we send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of the first byte that we have not sent.
    next: u32,
    /// The number of the first byte that we have not received.
    expected: u32,
    /// Segments that were sent again.
    repeats: u32,
}

impl Progress {
    /// Learns from a segment of ours, which must be whole. One that is repeated takes nothing back.
    pub fn note(&mut self, segment: &[u8]) {
        let Some(header) = segment.first_chunk::<{ Segment::HEADER_LEN }>() else { return };
        let flags = header[13];
        if flags & RST != 0 {
            return;
        }
        let number = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let payload = segment.len().saturating_sub(usize::from(header[12] >> 4) * 4);
        let marks = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        let length = u32::try_from(payload).unwrap_or(0) + marks;
        let first = number(4);
        let next = first.wrapping_add(length);
        let behind = |number: u32| number.wrapping_sub(self.next).cast_signed() < 0;
        let repeats =
            if flags & SYN != 0 { next == self.next } else { length > 0 && behind(first) };
        if flags & SYN != 0 || !behind(next) {
            self.next = next;
        }
        self.repeats = self.repeats.wrapping_add(u32::from(repeats));
        self.expected = number(8);
    }

    /// Whether something was sent for the first time since it stood at `before`.
    #[must_use]
    pub fn has_advanced(&self, before: &Self) -> bool {
        self.next != before.next
    }

    /// Segments that were sent again since it stood at `before`.
    #[must_use]
    pub fn repeats_since(&self, before: &Self) -> u32 {
        self.repeats.wrapping_sub(before.repeats)
    }

    /// How far a segment begins behind what the peer was told to send next.
    #[must_use]
    pub fn ahead(&self, segment: Segment) -> u32 {
        segment.sequence.wrapping_sub(self.expected)
    }

    /// A packet of the peer that says nothing new and wants to be acknowledged: a keep-alive
    /// (RFC 9293 3.8.4). The peer is the one that sent `segment` in a packet with header `ip`.
    #[must_use]
    pub fn keep_alive(&self, ip: &Ipv4Header, segment: Segment) -> [u8; KEEP_ALIVE_LEN] {
        let ip = Ipv4Header { payload_len: 20, ..*ip };
        let mut bytes = [0; KEEP_ALIVE_LEN];
        let (header, tcp) = bytes.split_at_mut(Ipv4Header::LEN);
        header.copy_from_slice(&ip.emit());
        tcp[0..2].copy_from_slice(&segment.source_port.to_be_bytes());
        tcp[2..4].copy_from_slice(&segment.destination_port.to_be_bytes());
        tcp[4..8].copy_from_slice(&self.expected.wrapping_sub(1).to_be_bytes());
        tcp[8..12].copy_from_slice(&self.next.to_be_bytes());
        tcp[12] = 5 << 4;
        tcp[13] = ACK;
        let check = checksum(sum(ip.pseudo_sum(), tcp));
        tcp[16..18].copy_from_slice(&check.to_be_bytes());
        bytes
    }
}

const KEEP_ALIVE_LEN: usize = Ipv4Header::LEN + Segment::HEADER_LEN;

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
    fn progress_is_what_was_sent_for_the_first_time_and_what_was_acknowledged_last() {
        let segment = |flags: u8, next: u32, expected: u32, payload: &[u8]| {
            let mut bytes = vec![0; 20];
            bytes[4..8].copy_from_slice(&next.to_be_bytes());
            bytes[8..12].copy_from_slice(&expected.to_be_bytes());
            bytes[12] = 5 << 4;
            bytes[13] = flags;
            bytes.extend_from_slice(payload);
            bytes
        };
        let mut progress = Progress { next: 7, expected: 7, repeats: 0 };
        let steps = [
            (segment(SYN | ACK, u32::MAX - 1, 100, b""), u32::MAX, 100, 0),
            (segment(SYN | ACK, u32::MAX - 1, 100, b""), u32::MAX, 100, 1),
            (segment(ACK, u32::MAX, 104, b"four"), 3, 104, 1),
            (segment(ACK, u32::MAX, 105, b"fo"), 3, 105, 2),
            (segment(ACK, 3, 105, b""), 3, 105, 2),
            (segment(RST | ACK, 99, 99, b""), 3, 105, 2),
            (segment(ACK, 1, 105, b"old and new"), 12, 105, 3),
            (segment(FIN | ACK, 12, 105, b"!"), 14, 105, 3),
        ];
        for (segment, next, expected, repeats) in steps {
            let before = progress;
            progress.note(&segment);
            assert_eq!(progress, Progress { next, expected, repeats });
            let mut bytes = [5 << 4; 20];
            bytes[4..8].copy_from_slice(&(expected + 9).to_be_bytes());
            assert_eq!(progress.ahead(Segment::parse(&bytes).unwrap()), 9);
            assert_eq!(progress.has_advanced(&before), next != before.next);
            assert_eq!(progress.repeats_since(&before), repeats - before.repeats);
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
