//! Frames: how records become log. The layout, the place of each frame, and the chain that ties them.
//!
//! Everything here is a function of what the log already holds, so every node that appends the same
//! records writes the same bytes at the same positions. `event_store/format.md` draws the bytes.
//!
//! A frame starts in the next segment when fewer than [`FRAME_BYTES_MAX`] bytes are left in this one,
//! whatever its own size will be. So the position of a record is known before the frame is complete
//! (the engine stamps distances between positions as it goes), at the price of at most 64 KiB of each
//! segment: 0.1 % of the smallest one allowed.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{LINE_BYTES, Line, Nanos};

/// A byte position in a log: segments laid end to end, their headers included.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Serialize,
    Deserialize,
)]
#[repr(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Where the first frame of every log starts: behind the first segment's header.
    pub const FIRST: Self = Self(SEGMENT_HEADER_BYTES);

    /// This position moved by `bytes`.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes of the header of each segment.
pub const SEGMENT_HEADER_BYTES: u64 = 64;
/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 64;
/// The most payload a frame holds. An event frame is cut where the next record would pass it.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// The most bytes a frame takes.
pub const FRAME_BYTES_MAX: u64 = (FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX) as u64;
/// The most commands in a frame of the command log.
pub const FRAME_COMMANDS_MAX: usize = 64;

const MAGIC: u16 = 0x4C52; // "RL"
const VERSION: u8 = 1;

/// What a frame is for consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Records.
    Normal = 1,
    /// A change of the cluster's membership.
    ConfChange = 2,
    /// An empty entry at the start of a term.
    Noop = 3,
}

/// The 64 bytes before each frame's records. Also the Raft entry, on the wire and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct FrameHeader {
    /// 0x4C52; zero where the log ends.
    pub magic: u16,
    /// Version of this layout, 1.
    pub version: u8,
    /// A [`FrameKind`].
    pub kind: u8,
    /// Records in the payload.
    pub count: u16,
    /// Zero.
    pub reserved: u16,
    /// Raft index: 1 for the first frame of the command log, +1 each. An event frame copies it from
    /// the command frame that caused it.
    pub index: u64,
    /// Raft term. An event frame copies it.
    pub term: u32,
    /// Bytes of records behind this header.
    pub payload_bytes: u32,
    /// Where this header lies in its log.
    pub start: Position,
    /// Sequence of the first record.
    pub first_sequence: u64,
    /// Log time of every record here. An event frame copies it.
    pub time: Nanos,
    /// [`chain_hash`] of the frame before, zero for the first.
    pub previous_hash: u64,
    /// CRC-32C of the payload.
    pub payload_crc: u32,
    /// CRC-32C of this header's first 60 bytes.
    pub header_crc: u32,
}

const _: () = assert!(size_of::<FrameHeader>() == FRAME_HEADER_BYTES);

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The magic, the version, the kind or the size is none that this version writes.
    #[error("not a frame header")]
    Header,
    /// The header's own checksum does not match.
    #[error("header checksum mismatch")]
    HeaderChecksum,
    /// The payload's checksum does not match.
    #[error("payload checksum mismatch")]
    PayloadChecksum,
    /// A whole frame, but not the one that belongs behind the one before it.
    #[error("frame does not continue the log")]
    Chain,
}

impl FrameHeader {
    /// Bytes of header and payload together.
    #[must_use]
    pub const fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + self.payload_bytes as u64
    }

    /// Whether nothing was ever written here: the end of the log.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.as_bytes().iter().all(|&byte| byte == 0)
    }

    /// Checks everything that the header alone can show.
    ///
    /// # Errors
    /// [`FrameError::Header`] or [`FrameError::HeaderChecksum`].
    pub fn check(&self) -> Result<(), FrameError> {
        let payload_bytes = self.payload_bytes as usize;
        let sound = self.magic == MAGIC
            && self.version == VERSION
            && (FrameKind::Normal as u8..=FrameKind::Noop as u8).contains(&self.kind)
            && payload_bytes <= FRAME_PAYLOAD_BYTES_MAX
            && payload_bytes.is_multiple_of(LINE_BYTES)
            && usize::from(self.count) <= payload_bytes / LINE_BYTES;
        if !sound {
            return Err(FrameError::Header);
        }
        if self.header_crc != self.crc() {
            return Err(FrameError::HeaderChecksum);
        }
        Ok(())
    }

    /// Checks the payload behind a header that passed [`FrameHeader::check`].
    ///
    /// # Errors
    /// [`FrameError::PayloadChecksum`].
    pub fn check_payload(&self, payload: &[Line]) -> Result<(), FrameError> {
        let bytes = Line::bytes(payload);
        if bytes.len() != self.payload_bytes as usize || crc32c::crc32c(bytes) != self.payload_crc {
            return Err(FrameError::PayloadChecksum);
        }
        Ok(())
    }

    fn crc(&self) -> u32 {
        crc32c::crc32c(&self.as_bytes()[..FRAME_HEADER_BYTES - size_of::<u32>()])
    }
}

/// The hash that the next frame carries of this one: XXH3-64 of the payload, seeded with XXH3-64 of
/// the header. It ties frames against accidents and divergence; it is no cryptographic proof.
#[must_use]
pub fn chain_hash(header: &FrameHeader, payload: &[Line]) -> u64 {
    xxh3_64_with_seed(Line::bytes(payload), xxh3_64(header.as_bytes()))
}

/// The end of a log: all that the next frame depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameChain {
    /// Bytes in each segment of this log, a format constant.
    pub segment_bytes: u64,
    /// The position behind the last frame.
    pub end: Position,
    /// The sequence of the next record.
    pub next_sequence: u64,
    /// [`chain_hash`] of the last frame.
    pub hash: u64,
    /// Raft index of the last frame, 0 before the first.
    pub index: u64,
    /// Raft term of the last frame.
    pub term: u32,
    /// Log time of the last frame.
    pub time: Nanos,
}

impl FrameChain {
    /// An empty log with segments of `segment_bytes`.
    #[must_use]
    pub const fn empty(segment_bytes: u64) -> Self {
        Self {
            segment_bytes,
            end: Position::FIRST,
            next_sequence: 1,
            hash: 0,
            index: 0,
            term: 0,
            time: Nanos::ZERO,
        }
    }

    /// Where the next frame starts: behind the last, or in the next segment if this one has no room
    /// for the longest frame.
    #[must_use]
    pub const fn next_start(&self) -> Position {
        let used = self.end.0 % self.segment_bytes;
        if self.segment_bytes - used < FRAME_BYTES_MAX || used == 0 {
            let segment = self.end.0.div_ceil(self.segment_bytes);
            return Position(segment * self.segment_bytes + SEGMENT_HEADER_BYTES);
        }
        self.end
    }

    /// Makes the header of the next frame over `payload` and moves the end behind it.
    ///
    /// # Panics
    /// If the payload is longer than a frame holds: whoever cuts frames has a defect.
    pub fn seal(
        &mut self,
        kind: FrameKind,
        cause: Cause,
        count: u16,
        payload: &[Line],
    ) -> FrameHeader {
        let bytes = Line::bytes(payload);
        assert!(bytes.len() <= FRAME_PAYLOAD_BYTES_MAX, "frame payload of {} bytes", bytes.len());
        let mut header = FrameHeader {
            magic: MAGIC,
            version: VERSION,
            kind: kind as u8,
            count,
            reserved: 0,
            index: cause.index,
            term: cause.term,
            payload_bytes: u32::try_from(bytes.len()).expect("bounded above"),
            start: self.next_start(),
            first_sequence: self.next_sequence,
            time: cause.time,
            previous_hash: self.hash,
            payload_crc: crc32c::crc32c(bytes),
            header_crc: 0,
        };
        header.header_crc = header.crc();
        self.advance(&header, payload);
        header
    }

    /// Moves the end behind a frame read from a log.
    ///
    /// # Errors
    /// [`FrameError::Chain`] if it is not the frame that belongs here.
    pub fn follow(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), FrameError> {
        let continues = header.start == self.next_start()
            && header.first_sequence == self.next_sequence
            && header.previous_hash == self.hash
            && header.index >= self.index
            && header.term >= self.term
            && header.time >= self.time;
        if !continues {
            return Err(FrameError::Chain);
        }
        self.advance(header, payload);
        Ok(())
    }

    fn advance(&mut self, header: &FrameHeader, payload: &[Line]) {
        self.end = header.start.plus(header.frame_bytes());
        self.next_sequence = header.first_sequence + u64::from(header.count);
        self.hash = chain_hash(header, payload);
        self.index = header.index;
        self.term = header.term;
        self.time = header.time;
    }
}

/// What a frame takes from its cause: consensus for a command frame, a command frame for its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Raft index.
    pub index: u64,
    /// Raft term.
    pub term: u32,
    /// Log time.
    pub time: Nanos,
}

/// Takes frames, in order, to a log or to memory.
pub trait FrameSink {
    /// Why a frame was not taken.
    type Error;

    /// Takes the next frame.
    ///
    /// # Errors
    /// The sink's own, for example a full disk.
    fn frame(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 1 << 20;

    fn cause(index: u64) -> Cause {
        Cause { index, term: 1, time: Nanos(index) }
    }

    #[test]
    fn a_sealed_frame_passes_its_own_checks_and_continues_the_chain() {
        let mut writer = FrameChain::empty(SEGMENT);
        let mut reader = FrameChain::empty(SEGMENT);
        for index in 1..=3 {
            let payload = [Line([u8::try_from(index).unwrap(); 64]); 2];
            let header = writer.seal(FrameKind::Normal, cause(index), 2, &payload);
            assert_eq!(header.check(), Ok(()));
            assert_eq!(header.check_payload(&payload), Ok(()));
            assert_eq!(reader.follow(&header, &payload), Ok(()));
            assert_eq!(reader, writer);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_seen() {
        let header = FrameChain::empty(SEGMENT).seal(FrameKind::Normal, cause(1), 1, &[Line::ZERO]);
        for bit in 0..FRAME_HEADER_BYTES * 8 {
            let mut damaged = header;
            damaged.as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            assert!(damaged.check().is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_starts_in_the_next_segment_when_the_longest_would_not_fit() {
        let mut chain = FrameChain::empty(SEGMENT);
        chain.end = Position(SEGMENT - FRAME_BYTES_MAX);
        assert_eq!(chain.next_start(), chain.end);
        chain.end = chain.end.plus(64);
        assert_eq!(chain.next_start(), Position(SEGMENT + SEGMENT_HEADER_BYTES));
        chain.end = Position(SEGMENT);
        assert_eq!(chain.next_start(), Position(SEGMENT + SEGMENT_HEADER_BYTES));
    }

    #[test]
    fn a_rival_frame_does_not_continue_the_chain() {
        let mut chain = FrameChain::empty(SEGMENT);
        let mut rival = chain;
        chain.seal(FrameKind::Normal, cause(1), 1, &[Line::ZERO]);
        rival.seal(FrameKind::Normal, cause(1), 1, &[Line([7; 64])]);
        let next = rival.seal(FrameKind::Normal, cause(2), 1, &[Line::ZERO]);
        assert_eq!(chain.follow(&next, &[Line::ZERO]), Err(FrameError::Chain));
    }
}
