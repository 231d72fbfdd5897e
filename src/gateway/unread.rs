//! What a peer has sent and the gateway has not read: whole datagrams, and the rest of one.
//!
//! Its memory is there from the start. What finds no room is lost, as datagrams are.

use crate::net::DATAGRAM_BYTES_MAX;

/// Bytes that wait, with a length before each datagram: five of the longest, or more of shorter ones.
const UNREAD_BYTES_MAX: usize = 8 * 1024;
/// The length of a datagram.
const LENGTH_BYTES: usize = size_of::<u16>();

const _: () = assert!(LENGTH_BYTES + DATAGRAM_BYTES_MAX <= UNREAD_BYTES_MAX);

/// Datagrams, oldest first.
#[derive(Debug)]
pub(super) struct Unread {
    bytes: [u8; UNREAD_BYTES_MAX],
    /// Where they lie in `bytes`.
    start: usize,
    end: usize,
}

impl Unread {
    pub(super) fn nothing() -> Self {
        Self { bytes: [0; UNREAD_BYTES_MAX], start: 0, end: 0 }
    }

    /// Puts a datagram behind the others; `false` if there is no room for it.
    pub(super) fn push(&mut self, datagram: &[u8]) -> bool {
        let size = LENGTH_BYTES + datagram.len();
        if size > UNREAD_BYTES_MAX - (self.end - self.start) {
            return false;
        }
        if size > UNREAD_BYTES_MAX - self.end {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.put_length(self.end, datagram.len());
        self.bytes[self.end + LENGTH_BYTES..][..datagram.len()].copy_from_slice(datagram);
        self.end += size;
        true
    }

    /// What is left of the oldest datagram.
    pub(super) fn first(&self) -> Option<&[u8]> {
        let (length, bytes) = self.bytes[self.start..self.end].split_first_chunk()?;
        Some(&bytes[..usize::from(u16::from_be_bytes(*length))])
    }

    /// The oldest datagram was read up to its last `left` bytes; without any it is gone.
    pub(super) fn leave(&mut self, left: usize) {
        let Some(length) = self.first().map(<[u8]>::len) else { return };
        self.start += LENGTH_BYTES + length;
        if left > 0 {
            // Over what was read: a message is no shorter than a length.
            self.start -= LENGTH_BYTES + left;
            self.put_length(self.start, left);
        } else if self.start == self.end {
            self.clear();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    fn put_length(&mut self, at: usize, length: usize) {
        let length = u16::try_from(length).expect("a datagram is shorter than what waits may be");
        self.bytes[at..at + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_read_in_the_order_they_came_and_in_parts() {
        let mut unread = Unread::nothing();
        assert_eq!(unread.first(), None);
        assert!(unread.push(b"abcdef") && unread.push(b"ghi"));
        assert_eq!(unread.first(), Some(&b"abcdef"[..]));
        unread.leave(4);
        assert_eq!(unread.first(), Some(&b"cdef"[..]));
        assert!(unread.push(b"j"));
        unread.leave(1);
        assert_eq!(unread.first(), Some(&b"f"[..]));
        unread.leave(0);
        assert_eq!(unread.first(), Some(&b"ghi"[..]));
        unread.leave(0);
        assert_eq!(unread.first(), Some(&b"j"[..]));
        unread.leave(0);
        assert_eq!(unread.first(), None);
    }

    #[test]
    fn what_finds_no_room_is_refused_and_what_waits_stays_as_it_is_wherever_it_lies() {
        let mut unread = Unread::nothing();
        let datagram = |number: u8| [number; 1_000];
        let (mut next_in, mut next_out) = (0, 0);
        for round in 0..100 {
            while unread.push(&datagram(next_in)) {
                next_in += 1;
            }
            assert_eq!(next_in - next_out, 8, "round {round}");
            for _ in 0..=round % 8 {
                unread.leave(990);
                assert_eq!(unread.first(), Some(&datagram(next_out)[10..]));
                unread.leave(0);
                next_out += 1;
            }
            if next_in > 200 {
                unread.clear();
                (next_in, next_out) = (0, 0);
            }
        }
    }
}
