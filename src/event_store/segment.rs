//! The header of a segment: which log, which segment of it, and how large.
//!
//! The same on every node, so it holds no time and no name. Never touches a file.

use std::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::types::{Line, SEGMENT_HEADER_BYTES};

/// The smallest segment.
pub const SEGMENT_BYTES_MIN: u64 = 1 << 20;
/// The largest segment.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 30;

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum LogKind {
    /// What was asked, in its order: the truth.
    Commands = 1,
    /// What came of it.
    Events = 2,
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commands => "commands",
            Self::Events => "events",
        })
    }
}

/// The first 64 bytes of each segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct SegmentHeader {
    magic: [u8; 8],
    /// Version of the whole format.
    pub(super) version: u16,
    kind: u16,
    reserved: [u8; 4],
    /// Bytes in each segment of the log.
    pub(super) segment_bytes: u64,
    /// This segment's place, from 0.
    pub(super) number: u64,
    padding: [u8; 28],
    /// CRC-32C of the first 60 bytes.
    crc: u32,
}

const _: () = assert!(size_of::<SegmentHeader>() as u64 == SEGMENT_HEADER_BYTES);

const MAGIC: [u8; 8] = *b"RIALTOSG";

impl SegmentHeader {
    /// The version that this program writes and reads.
    pub(super) const VERSION: u16 = 1;

    /// The header of segment `number`.
    pub(super) fn new(kind: LogKind, segment_bytes: u64, number: u64) -> Self {
        let mut header = Self {
            magic: MAGIC,
            version: Self::VERSION,
            kind: kind as u16,
            reserved: [0; 4],
            segment_bytes,
            number,
            padding: [0; 28],
            crc: 0,
        };
        header.crc = header.crc();
        header
    }

    /// The header in a segment's first line and the kind of log it says, if it is whole. The version
    /// is the caller's to compare.
    pub(super) fn parse(line: &Line) -> Option<(Self, LogKind)> {
        let header = Self::read_from_bytes(&line.0).expect("a line is as long as a header");
        let kinds = [LogKind::Commands, LogKind::Events];
        let kind = kinds.into_iter().find(|&kind| kind as u16 == header.kind)?;
        let sound = header.magic == MAGIC
            && header.crc == header.crc()
            && is_segment_size(header.segment_bytes);
        sound.then_some((header, kind))
    }

    /// As a line, to write.
    pub(super) fn line(&self) -> Line {
        Line::read_from_bytes(self.as_bytes()).expect("a header is as long as a line")
    }

    fn crc(&self) -> u32 {
        crc32c::crc32c(&self.as_bytes()[..size_of::<Self>() - size_of::<u32>()])
    }
}

/// Whether segments may have this size.
pub(super) fn is_segment_size(bytes: u64) -> bool {
    bytes.is_power_of_two() && (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_header_survives_the_trip_through_its_line() {
        let header = SegmentHeader::new(LogKind::Events, SEGMENT_BYTES_MIN, 7);
        assert_eq!(SegmentHeader::parse(&header.line()), Some((header, LogKind::Events)));
    }

    #[test]
    fn every_flipped_bit_of_a_segment_header_is_seen() {
        let line = SegmentHeader::new(LogKind::Commands, SEGMENT_BYTES_MIN, 0).line();
        for bit in 0..line.0.len() * 8 {
            let mut damaged = line;
            damaged.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::parse(&damaged), None, "bit {bit}");
        }
        assert_eq!(SegmentHeader::parse(&Line::ZERO), None);
    }
}
