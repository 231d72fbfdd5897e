//! Messages as datagrams: cut at the sender by what the path carries, and read by nobody who does not
//! check every length. No state, no sockets.
#![doc = include_str!("format.md")]

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::consensus::MESSAGE_BYTES_MAX;

/// Bytes of a datagram before its part of the message.
pub const FRAGMENT_HEADER_BYTES: usize = 24;
/// The least that every part but the last holds.
pub const STRIDE_MIN: usize = 1_100;
/// The most parts of a message.
pub(super) const FRAGMENTS_MAX: usize = MESSAGE_BYTES_MAX.div_ceil(STRIDE_MIN);

const MAGIC: u32 = 0x3146_4C52; // "RLF1"

// A set of parts is the bits of one word.
const _: () = assert!(FRAGMENTS_MAX <= u64::BITS as usize);
const _: () = assert!(size_of::<Header>() == FRAGMENT_HEADER_BYTES);

/// A part of a message, as a datagram carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// The message that it is of.
    pub message: MessageShape,
    /// Which part.
    pub index: usize,
    /// What is in it.
    pub part: &'a [u8],
}

/// What all parts of a message agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageShape {
    /// The sender's number of it.
    pub number: u64,
    /// The bytes of the whole.
    pub bytes: usize,
    /// The bytes of every part but the last.
    pub stride: usize,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Header {
    magic: u32,
    message_bytes: u32,
    number: u64,
    index: u16,
    stride: u16,
    reserved: u32,
}

impl MessageShape {
    /// How many parts there are.
    #[must_use]
    pub const fn parts(&self) -> usize {
        self.bytes.div_ceil(self.stride)
    }

    /// Where in the message a part begins.
    #[must_use]
    pub const fn offset(&self, index: usize) -> usize {
        index * self.stride
    }

    fn part_bytes(&self, index: usize) -> usize {
        self.stride.min(self.bytes - self.offset(index))
    }
}

impl<'a> Fragment<'a> {
    /// The parts of `message`, in order.
    ///
    /// # Panics
    /// If the message is empty or longer than any is, or the stride is less than the least.
    pub fn of(
        message: &'a [u8],
        number: u64,
        stride: usize,
    ) -> impl Iterator<Item = Self> + use<'a> {
        assert!((1..=MESSAGE_BYTES_MAX).contains(&message.len()), "{} bytes", message.len());
        assert!((STRIDE_MIN..=usize::from(u16::MAX)).contains(&stride), "a stride of {stride}");
        let shape = MessageShape { number, bytes: message.len(), stride };
        let parts = message.chunks(stride).enumerate();
        parts.map(move |(index, part)| Self { message: shape, index, part })
    }

    /// The bytes that go before the part.
    ///
    /// # Panics
    /// If the fragment is neither one that was cut nor one that was read.
    #[must_use]
    pub fn header(&self) -> [u8; FRAGMENT_HEADER_BYTES] {
        let header = Header {
            magic: MAGIC,
            message_bytes: u32::try_from(self.message.bytes).expect("MESSAGE_BYTES_MAX"),
            number: self.message.number,
            index: u16::try_from(self.index).expect("FRAGMENTS_MAX"),
            stride: u16::try_from(self.message.stride).expect("at most what 16 bits hold"),
            reserved: 0,
        };
        zerocopy::transmute!(header)
    }

    /// Reads a datagram; none if a sender of this version would not have sent it.
    #[must_use]
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let (header, part) = Header::read_from_prefix(datagram).ok()?;
        let message = MessageShape {
            number: header.number,
            bytes: usize::try_from(header.message_bytes).ok()?,
            stride: header.stride.into(),
        };
        let index = usize::from(header.index);
        let sound = header.magic == MAGIC
            && header.reserved == 0
            && (1..=MESSAGE_BYTES_MAX).contains(&message.bytes)
            && message.stride >= STRIDE_MIN
            && index < message.parts()
            && part.len() == message.part_bytes(index);
        sound.then_some(Self { message, index, part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(fragment: &Fragment<'_>) -> Vec<u8> {
        [&fragment.header()[..], fragment.part].concat()
    }

    #[test]
    fn the_parts_of_a_message_are_read_as_they_were_cut() {
        let largest = vec![7; MESSAGE_BYTES_MAX];
        for (bytes, parts) in [(1, 1), (1_448, 1), (1_449, 2), (MESSAGE_BYTES_MAX, 46)] {
            let cut: Vec<_> = Fragment::of(&largest[..bytes], u64::MAX, 1_448).collect();
            assert_eq!(cut.len(), parts, "{bytes} bytes");
            for fragment in &cut {
                assert_eq!(Fragment::read(&datagram(fragment)), Some(*fragment));
            }
            let whole: usize = cut.iter().map(|fragment| fragment.part.len()).sum();
            assert_eq!(whole, bytes);
        }
    }

    #[test]
    fn the_bytes_of_a_fragment_are_these() {
        let message = [&[1; 1_100][..], &[0xAA, 0xBB]].concat();
        let last = Fragment::of(&message, 0x0102_0304_0506_0708, 1_100).last().unwrap();
        let expected = [
            &b"RLF1"[..],
            &[0x4E, 0x04, 0, 0],
            &[8, 7, 6, 5, 4, 3, 2, 1],
            &[1, 0, 0x4C, 0x04],
            &[0, 0, 0, 0],
            &[0xAA, 0xBB],
        ];
        assert_eq!(datagram(&last), expected.concat());
    }

    #[test]
    fn what_lies_about_a_length_or_a_place_is_not_read() {
        let message = [5; 3_000];
        let good = datagram(&Fragment::of(&message, 9, 1_100).next().unwrap());
        assert!(Fragment::read(&good).is_some());
        for length in 0..good.len() {
            assert_eq!(Fragment::read(&good[..length]), None, "cut to {length}");
        }
        assert_eq!(Fragment::read(&[&good[..], &[0]].concat()), None, "a byte more");
        let too_long = u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap().to_le_bytes();
        let lies: [(&str, usize, &[u8]); 8] = [
            ("another version", 3, b"2"),
            ("a message of no bytes", 4, &[0, 0, 0, 0]),
            ("a message longer than any", 4, &too_long),
            ("a message that this part alone would be longer than", 4, &[1, 0, 0, 0]),
            ("the last part, which is shorter", 16, &[2, 0]),
            ("a part behind the last", 16, &[3, 0]),
            ("a stride of nothing", 18, &[0, 0]),
            ("reserved bytes in use", 20, &[1]),
        ];
        for (what, at, bytes) in lies {
            let mut bad = good.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(Fragment::read(&bad), None, "{what}");
        }
    }
}
