//! Busts in a snapshot: the prints of the day that are over, and where the day began.

use super::Busts;
use crate::types::{SnapshotError, SnapshotReader, SnapshotWriter, consistent};

impl Busts {
    pub(in crate::order_manager) fn write(&self, out: &mut SnapshotWriter) {
        let Self { over, day_start } = self;
        over.write(out);
        out.put(day_start);
    }

    /// Fills these, which are of a venue without any.
    pub(in crate::order_manager) fn read(
        &mut self,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        self.over.read(input)?;
        self.day_start = input.take()?;
        Ok(())
    }

    /// Whether they are of events before this one.
    ///
    /// # Errors
    /// If they are not.
    pub(crate) fn check_before(&self, next_event: u64) -> Result<(), SnapshotError> {
        let over = self.over.highest().is_none_or(|number| number < next_event);
        consistent(over && self.day_start < next_event, "a bust of no trade")
    }
}
