//! The references of transfers in a snapshot: the lowest of each day first.

use super::{NumberSet, References};
use crate::types::{SnapshotError, SnapshotReader, SnapshotWriter, consistent};

impl References {
    pub(in crate::order_manager) fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self { today, yesterday } = self;
        today.write(out);
        yesterday.write(out);
    }

    /// Fills these, which are of a venue without any.
    pub(in crate::order_manager) fn read(
        &mut self,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        let Self { today, yesterday } = self;
        today.read(input)?;
        yesterday.read(input)
    }
}

impl NumberSet {
    fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self { numbers, by_number: _, max: _ } = self;
        let mut numbers = numbers.clone();
        numbers.sort_unstable();
        out.put(&numbers);
    }

    /// Fills this one, which is empty.
    fn read(&mut self, input: &mut SnapshotReader<'_>) -> Result<(), SnapshotError> {
        let numbers: Vec<u64> = input.take()?;
        consistent(numbers.len() <= self.max, "more numbers than a day has room for")?;
        consistent(numbers.is_sorted_by(|one, next| one < next), "numbers out of order")?;
        for number in numbers {
            self.insert(number);
        }
        Ok(())
    }
}
