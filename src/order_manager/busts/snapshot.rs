//! Busts in a snapshot: the trades that are not as they were made, the lowest number first, and where the
//! day began.

use super::{Busts, NO_PRINT};
use crate::types::{SnapshotError, SnapshotReader, SnapshotWriter, consistent};

impl Busts {
    pub(in crate::order_manager) fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self { changed, by_match: _, max: _, day_start } = self;
        let mut changed = changed.clone();
        changed.sort_unstable();
        out.put(&changed);
        out.put(day_start);
    }

    /// Fills these, which are of a venue without any.
    pub(in crate::order_manager) fn read(
        &mut self,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        let changed: Vec<(u64, u64)> = input.take()?;
        consistent(changed.len() <= self.max, "more busts than a day has room for")?;
        consistent(changed.is_sorted_by(|one, next| one.0 < next.0), "busts out of order")?;
        // A corrected trade is printed behind its match.
        let follows = changed.iter().all(|&(trade, number)| number == NO_PRINT || trade < number);
        consistent(follows, "a print ahead of its trade")?;
        for (trade, number) in changed {
            self.set(trade, number);
        }
        self.day_start = input.take()?;
        Ok(())
    }

    /// Whether they are of events before this one.
    ///
    /// # Errors
    /// If they are not.
    pub(crate) fn check_before(&self, next_event: u64) -> Result<(), SnapshotError> {
        let known = |&(trade, number): &(u64, u64)| trade.max(number) < next_event;
        let known = self.changed.iter().all(known);
        consistent(known && self.day_start < next_event, "a bust of no trade")
    }
}
