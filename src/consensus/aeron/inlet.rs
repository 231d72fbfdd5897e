//! The parts of one stream of one host, put together. Aeron delivers them in order or not at all, so one
//! message at a time is enough.

use crate::consensus::MESSAGE_BYTES_MAX;

/// The flag of a message's first part, and of its last.
const BEGIN: u8 = 0x80;
const END: u8 = 0x40;

/// A message as it comes.
#[derive(Debug)]
pub(super) struct Inlet {
    bytes: Vec<u8>,
    /// The session whose message is incomplete: another one does not continue it.
    session: Option<i32>,
}

impl Inlet {
    /// Has all the memory that it will ever have.
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(MESSAGE_BYTES_MAX), session: None }
    }

    /// Takes a part. Returns whether that makes a message whole.
    pub(super) fn take(&mut self, session: i32, flags: u8, part: &[u8]) -> bool {
        if flags & BEGIN != 0 {
            self.bytes.clear();
            self.session = Some(session);
        }
        if self.session != Some(session) || self.bytes.len() + part.len() > MESSAGE_BYTES_MAX {
            self.session = None;
            return false;
        }
        self.bytes.extend_from_slice(part);
        if flags & END == 0 {
            return false;
        }
        self.session = None;
        true
    }

    /// The message that became whole last.
    pub(super) fn message(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_a_message_and_one_part_may_be_a_message() {
        let mut inlet = Inlet::new();
        assert!(inlet.take(1, BEGIN | END, b"whole"));
        assert_eq!(inlet.message(), b"whole");
        assert!(!inlet.take(1, BEGIN, b"in "));
        assert!(!inlet.take(1, 0, b"three "));
        assert!(inlet.take(1, END, b"parts"));
        assert_eq!(inlet.message(), b"in three parts");
    }

    #[test]
    fn what_began_before_is_never_continued_by_something_else() {
        let mut inlet = Inlet::new();
        assert!(!inlet.take(1, END, b"the end of what was not heard"));
        assert!(!inlet.take(1, BEGIN, b"a host that died"));
        assert!(!inlet.take(2, END, b"and its next life"));
        assert!(!inlet.take(2, BEGIN, b"lost "));
        assert!(!inlet.take(2, BEGIN, b"found "));
        assert!(inlet.take(2, END, b"again"));
        assert_eq!(inlet.message(), b"found again");
    }

    #[test]
    fn a_message_longer_than_any_takes_no_more_memory_than_the_longest() {
        let mut inlet = Inlet::new();
        let memory = inlet.bytes.capacity();
        assert!(!inlet.take(1, BEGIN, &vec![0; MESSAGE_BYTES_MAX]));
        assert!(!inlet.take(1, END, b"x"));
        assert!(!inlet.take(1, END, b"x"));
        assert_eq!(inlet.bytes.capacity(), memory);
    }
}
