//! Profiles: what was resolved of the limits, each once, however many balances share it.

use crate::order_manager::{IdMap, IndexSeed};
use crate::sys::memory::prefetch;
use crate::sys::prefault::prefaulted_room;

/// What was resolved in one generation.
#[derive(Debug)]
pub(super) struct Profiles<T> {
    rows: Vec<T>,
    by_key: IdMap,
}

impl<T: Copy + PartialEq> Profiles<T> {
    /// None yet, with room for `max`; `any` is one.
    pub(super) fn new(max: usize, any: T, seed: IndexSeed) -> Self {
        Self { rows: prefaulted_room(any, max), by_key: IdMap::with_capacity(max, seed) }
    }

    /// Where this one is, which is kept if it is new. Those that share a key are told apart by what they
    /// are.
    pub(super) fn keep(&mut self, key: u64, profile: T) -> u32 {
        let known = self.by_key.get(key, |id| self.rows[id as usize - 1] == profile);
        let number = known.unwrap_or_else(|| {
            self.rows.push(profile);
            let number = u32::try_from(self.rows.len()).expect("few");
            self.by_key.insert(key, number, |_| false);
            number
        });
        number - 1
    }

    pub(super) fn get(&self, place: u32) -> &T {
        &self.rows[place as usize]
    }

    /// Brings one near; any place will do.
    pub(super) fn expect(&self, place: u32) {
        if let Some(row) = self.rows.get(place as usize) {
            prefetch(row);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() == self.rows.capacity()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.by_key.clear();
    }
}
