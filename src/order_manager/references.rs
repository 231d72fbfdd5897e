//! The references of transfers: the outside world's numbers, each carried out once.
//!
//! A reference is known on the day it was used and on the next, so that a deposit which is retried over
//! night is still the same deposit; whoever retries it later must ask what became of it first. A day has
//! room for as many transfers as there may be balances.

use super::{IdMap, IndexSeed};
use crate::sys::prefault::prefaulted_room;

mod snapshot;

/// The references of this day and of the day before.
#[derive(Debug)]
pub(super) struct References {
    today: NumberSet,
    yesterday: NumberSet,
}

/// Some numbers, of all there are.
#[derive(Debug)]
struct NumberSet {
    numbers: Vec<u64>,
    by_number: IdMap,
    max: usize,
}

impl References {
    /// Room for `max` of them in a day.
    pub(super) fn new(max: u32, seed: IndexSeed) -> Self {
        Self { today: NumberSet::new(max, seed), yesterday: NumberSet::new(max, seed) }
    }

    /// Whether a reference was used.
    pub(super) fn contains(&self, reference: u64) -> bool {
        self.today.contains(reference) || self.yesterday.contains(reference)
    }

    /// Whether the day has no room for another.
    pub(super) fn is_full(&self) -> bool {
        self.today.is_full()
    }

    /// Notes a reference that was used now.
    ///
    /// # Panics
    /// If it was used today: the caller looked first.
    pub(super) fn insert(&mut self, reference: u64) {
        self.today.insert(reference);
    }

    /// Begins a day: yesterday's are forgotten.
    pub(super) fn start_day(&mut self) {
        std::mem::swap(&mut self.today, &mut self.yesterday);
        self.today.clear();
    }
}

impl NumberSet {
    /// Room for `max` of them.
    fn new(max: u32, seed: IndexSeed) -> Self {
        let max = max as usize;
        let by_number = IdMap::with_capacity(max, seed);
        Self { numbers: prefaulted_room(0, max), by_number, max }
    }

    /// Whether a number is in it.
    fn contains(&self, number: u64) -> bool {
        let is_it = |id: u32| self.numbers[id as usize - 1] == number;
        self.by_number.get(number, is_it).is_some()
    }

    /// Whether there is no room for another.
    fn is_full(&self) -> bool {
        self.numbers.len() == self.max
    }

    /// Adds a number.
    ///
    /// # Panics
    /// If it is in it, or the set is full: the caller looked first.
    fn insert(&mut self, number: u64) {
        assert!(!self.is_full(), "the caller looked for room");
        let numbers = &mut self.numbers;
        numbers.push(number);
        let id = u32::try_from(numbers.len()).expect("max was a u32");
        self.by_number.insert(number, id, |id| numbers[id as usize - 1] == number);
    }

    /// Forgets all.
    fn clear(&mut self) {
        self.numbers.clear();
        self.by_number.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_known_for_two_days_and_a_day_has_room_for_so_many() {
        let mut references = References::new(2, IndexSeed::new([7; IndexSeed::BYTES]));
        references.insert(5);
        references.insert(6);
        assert!(references.is_full() && references.contains(5));
        references.start_day();
        assert!(!references.is_full() && references.contains(5));
        references.insert(7);
        references.start_day();
        assert!(!references.contains(5) && references.contains(7));
    }
}
