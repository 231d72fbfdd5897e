//! Rings between stages: single producer, single consumer, lock-free, of 64-byte lines.
//!
//! What travels is a message of whole lines whose second byte is their number: a record as the logs
//! hold it. A full ring is a returned value; nobody waits.

use rtrb::chunks::ChunkError;

use crate::types::Line;

/// The writing end.
#[derive(Debug)]
pub struct Producer(rtrb::Producer<Line>);

/// The reading end.
#[derive(Debug)]
pub struct Consumer {
    ring: rtrb::Consumer<Line>,
    head: Vec<Line>,
    head_lines: usize,
}

/// The ring had no room; try again when the consumer has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ring full")]
pub struct Full;

/// A ring with room for `lines` lines, of records of at most `record_lines_max` each.
#[must_use]
pub fn ring(lines: usize, record_lines_max: usize) -> (Producer, Consumer) {
    let (producer, consumer) = rtrb::RingBuffer::new(lines);
    let head = vec![Line::ZERO; record_lines_max];
    let consumer = Consumer { ring: consumer, head, head_lines: 0 };
    (Producer(producer), consumer)
}

impl Producer {
    /// Appends a record, whole or not at all. Its second byte must be its number of lines.
    ///
    /// # Errors
    /// [`Full`].
    pub fn push(&mut self, record: &[Line]) -> Result<(), Full> {
        debug_assert!(record.first().is_some_and(|first| usize::from(first.0[1]) == record.len()));
        self.0.push_entire_slice(record).map_err(|ChunkError::TooFewSlots(_)| Full)
    }

    /// Lines that wait for the consumer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.buffer().capacity() - self.0.slots()
    }

    /// Lines that can be pushed now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.slots()
    }
}

impl Consumer {
    /// The oldest record, which stays until [`Consumer::pop`].
    ///
    /// # Panics
    /// If something else than a [`Producer`] wrote to the ring, which cannot happen.
    pub fn peek(&mut self) -> Option<&[Line]> {
        if self.head_lines == 0 {
            let count = usize::from(self.ring.peek().ok()?.0[1]);
            let head = &mut self.head[..count];
            self.ring.pop_entire_slice(head).expect("a record is pushed whole");
            self.head_lines = count;
        }
        Some(&self.head[..self.head_lines])
    }

    /// Lets go of the record that [`Consumer::peek`] showed.
    pub fn pop(&mut self) {
        self.head_lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lines: u8, tag: u8) -> Vec<Line> {
        let mut record = vec![Line([tag; 64]); usize::from(lines)];
        record[0].0[1] = lines;
        record
    }

    #[test]
    fn records_leave_in_the_order_they_came_whatever_their_size_and_the_wrap() {
        let (mut producer, mut consumer) = ring(5, 3);
        for tag in 0..50 {
            let pushed = record(1 + tag % 3, tag);
            producer.push(&pushed).unwrap();
            assert_eq!(consumer.peek(), Some(pushed.as_slice()));
            assert_eq!(consumer.peek(), Some(pushed.as_slice()));
            consumer.pop();
        }
        assert_eq!(consumer.peek(), None);
    }

    #[test]
    fn a_record_that_does_not_fit_is_refused_whole() {
        let (mut producer, mut consumer) = ring(4, 3);
        producer.push(&record(3, 1)).unwrap();
        assert_eq!(producer.push(&record(2, 2)), Err(Full));
        assert_eq!((producer.waiting(), producer.room()), (3, 1));
        producer.push(&record(1, 3)).unwrap();
        assert_eq!(consumer.peek(), Some(record(3, 1).as_slice()));
        consumer.pop();
        assert_eq!(consumer.peek(), Some(record(1, 3).as_slice()));
    }

    #[test]
    fn a_thread_reads_all_that_another_wrote() {
        const RECORDS: u32 = 20_000;
        let (mut producer, mut consumer) = ring(64, 3);
        let writer = std::thread::spawn(move || {
            for number in 0..RECORDS {
                let mut sent = record(1 + u8::try_from(number % 3).unwrap(), 0);
                sent[0].0[4..8].copy_from_slice(&number.to_le_bytes());
                while producer.push(&sent).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        for number in 0..RECORDS {
            while consumer.peek().is_none() {
                std::thread::yield_now();
            }
            let seen = consumer.peek().unwrap();
            assert_eq!(seen[0].0[4..8], number.to_le_bytes());
            consumer.pop();
        }
        writer.join().unwrap();
    }
}
