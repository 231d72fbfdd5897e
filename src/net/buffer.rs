//! A byte queue of fixed capacity whose content is always contiguous.
//!
//! Never grows. Bytes move to the front only when the end is reached.

/// Bytes in, bytes out, in order.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity].into_boxed_slice(), start: 0, end: 0 }
    }

    /// What was put in and not taken out.
    pub(crate) fn content(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes that can be put in.
    pub(crate) fn room(&self) -> usize {
        self.bytes.len() - (self.end - self.start)
    }

    /// Takes out the `count` oldest bytes, or all if there are fewer.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
        if self.start == self.end {
            self.clear();
        }
    }

    /// Puts `bytes` in, all or none.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.room() {
            return false;
        }
        if bytes.len() > self.bytes.len() - self.end {
            self.compact();
        }
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
        true
    }

    /// All the room in one piece, to be filled from its start; then tell how far with `filled`.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        // Not for every few bytes: only when the piece at the end is the smaller part of the room.
        if self.bytes.len() - self.end < self.start {
            self.compact();
        }
        &mut self.bytes[self.end..]
    }

    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
        assert!(self.end <= self.bytes.len());
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    fn compact(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_they_came_however_they_are_cut() {
        let mut buffer = Buffer::new(7);
        let mut source = (0..=250_u8).cycle();
        let mut expected = source.clone();
        for round in 0..500 {
            let count = round % 4;
            let bytes: Vec<u8> = source.clone().take(count).collect();
            if round % 3 == 0 && buffer.spare().len() >= count {
                buffer.spare()[..count].copy_from_slice(&bytes);
                buffer.filled(count);
                source.by_ref().take(count).for_each(drop);
            } else if buffer.push(&bytes) {
                source.by_ref().take(count).for_each(drop);
            } else {
                assert!(buffer.room() < count);
            }
            let out = buffer.content().len().min(round % 5);
            for &byte in &buffer.content()[..out] {
                assert_eq!(Some(byte), expected.next());
            }
            buffer.consume(out);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let mut buffer = Buffer::new(4);
        assert!(buffer.push(b"abc"));
        assert!(!buffer.push(b"de"));
        buffer.consume(2);
        assert!(buffer.push(b"de"));
        assert_eq!(buffer.content(), b"cde");
        buffer.consume(9);
        assert!(buffer.is_empty());
    }
}
