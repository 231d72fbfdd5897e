//! Messages in a datagram, each behind its length: what MoldUDP64 and UFO have in common.
//!
//! It numbers nothing; the headers around the messages do.

/// Bytes of a message's length.
pub(super) const LENGTH_BYTES: usize = 2;

/// The messages of a packet, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages<'a> {
    blocks: &'a [u8],
    count: u16,
}

impl<'a> Messages<'a> {
    /// `count` messages at the front of `blocks`, and what is behind them; `None` if there are fewer.
    pub(super) fn split(blocks: &'a [u8], count: u16) -> Option<(Self, &'a [u8])> {
        let mut rest = blocks;
        for _ in 0..count {
            (_, rest) = split_block(rest)?;
        }
        Some((Self { blocks, count }, rest))
    }

    /// How many are left.
    #[must_use]
    pub fn left(&self) -> u16 {
        self.count
    }

    /// Bytes of those that are left, with their lengths, in the datagram whose end they are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.len()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        let (message, rest) = split_block(self.blocks)?;
        self.blocks = rest;
        Some(message)
    }
}

/// The first of `blocks`, and those behind it.
pub(super) fn split_block(blocks: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = blocks.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(length)))
}

/// Writes `message` behind its length at `at`, and returns the end; `None` if it does not fit.
pub(super) fn put_block(bytes: &mut [u8], at: usize, message: &[u8]) -> Option<usize> {
    let length = u16::try_from(message.len()).ok()?;
    let end = at + LENGTH_BYTES + message.len();
    let (head, body) = bytes.get_mut(at..end)?.split_at_mut(LENGTH_BYTES);
    head.copy_from_slice(&length.to_be_bytes());
    body.copy_from_slice(message);
    Some(end)
}
