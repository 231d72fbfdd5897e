//! The references of transfers in a snapshot: those of each day, the lowest first.

use super::super::IdMap;
use super::References;
use crate::types::{SnapshotError, SnapshotReader, SnapshotWriter, consistent};

impl References {
    pub(in crate::order_manager) fn write(&self, out: &mut SnapshotWriter) {
        let Self { today, yesterday, max: _ } = self;
        out.put(&today.sorted_keys());
        out.put(&yesterday.sorted_keys());
    }

    /// Fills these, which are of a venue without any.
    pub(in crate::order_manager) fn read(
        &mut self,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        let Self { today, yesterday, max } = self;
        fill(today, *max, &input.take::<Vec<u64>>()?)?;
        fill(yesterday, *max, &input.take::<Vec<u64>>()?)
    }
}

fn fill(day: &mut IdMap, max: usize, keys: &[u64]) -> Result<(), SnapshotError> {
    consistent(keys.len() <= max, "more references than a day has room for")?;
    consistent(keys.is_sorted_by(|one, next| one < next), "references out of order")?;
    for &key in keys {
        day.insert(key, 1);
    }
    Ok(())
}
