//! What waits to be sequenced, merged by receive time and cut into batches. It never looks inside a
//! command.

use crate::ring::Consumer;
use crate::types::command::{CommandHeader, Tick};
use crate::types::{FRAME_COMMANDS_MAX, Line, Nanos, RECORD_LINES_MAX, Record, split_record};

/// Records that come first, then the heads of rings.
#[derive(Debug)]
pub struct Intake {
    first: Vec<Line>,
    first_taken: usize,
    inputs: Vec<Consumer>,
    batch: Vec<Line>,
}

impl Intake {
    /// Merges `inputs`. On equal receive times the earlier ring goes first.
    #[must_use]
    pub fn new(inputs: Vec<Consumer>) -> Self {
        let batch = Vec::with_capacity(FRAME_COMMANDS_MAX * RECORD_LINES_MAX);
        Self { first: Vec::new(), first_taken: 0, inputs, batch }
    }

    /// Takes `records` before anything that waits.
    pub fn put_first(&mut self, records: Vec<Line>) {
        (self.first, self.first_taken) = (records, 0);
    }

    /// Takes `record` behind what comes first, and before anything that waits.
    pub fn put_next(&mut self, record: &[Line]) {
        self.first.drain(..std::mem::take(&mut self.first_taken));
        self.first.extend_from_slice(record);
    }

    /// Fills the batch with what is waiting, at most [`FRAME_COMMANDS_MAX`] commands, and returns how
    /// many it holds.
    pub fn gather(&mut self) -> usize {
        self.batch.clear();
        let mut count = 0;
        while count < FRAME_COMMANDS_MAX && self.take_next() {
            count += 1;
        }
        count
    }

    /// Fills the batch with a command that moves time and does nothing else.
    pub fn gather_tick(&mut self, now: Nanos) {
        self.batch.clear();
        let header = CommandHeader::internal::<Tick>(now);
        self.batch.extend_from_slice(Tick { header, reserved: [0; 40] }.lines());
    }

    /// What was gathered last.
    #[must_use]
    pub fn batch(&self) -> &[Line] {
        &self.batch
    }

    /// Lets go of all that is waiting.
    pub fn discard(&mut self) {
        self.put_first(Vec::new());
        for input in &mut self.inputs {
            while input.peek().is_some() {
                input.pop();
            }
        }
    }

    fn take_next(&mut self) -> bool {
        if let Ok((record, _)) = split_record(&self.first[self.first_taken..]) {
            self.batch.extend_from_slice(record);
            self.first_taken += record.len();
            return true;
        }
        let heads = self.inputs.iter_mut().enumerate();
        let oldest = heads
            .filter_map(|(ring, input)| Some((receive_time(input.peek()?), ring)))
            .min()
            .map(|(_, ring)| ring);
        let Some(ring) = oldest else { return false };
        self.batch.extend_from_slice(self.inputs[ring].peek().expect("seen a line above"));
        self.inputs[ring].pop();
        true
    }
}

fn receive_time(record: &[Line]) -> Nanos {
    CommandHeader::view(record).map_or(Nanos::ZERO, |header| header.receive_time)
}
