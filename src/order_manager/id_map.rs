//! A map from 64-bit keys to dense identifiers: open addressing with linear probing.
//!
//! Its hash has no seed, so every node probes alike. It allocates only when it holds more than it was
//! made for, and never iterates, so no outcome can depend on where an entry lies.

/// Identifiers by key; 0 is no identifier.
#[derive(Debug)]
pub(crate) struct IdMap {
    /// A power of two of them, at most half in use.
    entries: Vec<Entry>,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: u64,
    /// 0 = the entry is free.
    id: u32,
}

impl IdMap {
    /// Room for `count` entries before it grows.
    #[must_use]
    pub(crate) fn with_capacity(count: usize) -> Self {
        let slots = (count.max(4) * 2).next_power_of_two();
        Self { entries: vec![Entry::default(); slots], len: 0 }
    }

    /// The identifier at `key`.
    #[must_use]
    pub(crate) fn get(&self, key: u64) -> Option<u32> {
        let at = self.slot(key);
        let Entry { id, .. } = self.entries[at];
        (id != 0).then_some(id)
    }

    /// Adds an entry.
    ///
    /// # Panics
    /// If the key is in use or the identifier is 0: the caller looked first.
    pub(crate) fn insert(&mut self, key: u64, id: u32) {
        assert_ne!(id, 0, "0 is no identifier");
        if (self.len + 1) * 2 > self.entries.len() {
            self.grow();
        }
        let at = self.slot(key);
        assert_eq!(self.entries[at].id, 0, "key {key:#x} is in use");
        self.entries[at] = Entry { key, id };
        self.len += 1;
    }

    /// Removes an entry and returns its identifier.
    pub(crate) fn remove(&mut self, key: u64) -> Option<u32> {
        let mut hole = self.slot(key);
        let id = self.entries[hole].id;
        if id == 0 {
            return None;
        }
        // Entries behind the hole that probed past it move into it, so that no probe ends too early.
        let mask = self.entries.len() - 1;
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let entry = self.entries[next];
            if entry.id == 0 {
                break;
            }
            let ideal = self.home(entry.key);
            if next.wrapping_sub(ideal) & mask >= next.wrapping_sub(hole) & mask {
                self.entries[hole] = entry;
                hole = next;
            }
        }
        self.entries[hole] = Entry::default();
        self.len -= 1;
        Some(id)
    }

    /// Where `key` is, or would go.
    fn slot(&self, key: u64) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = self.home(key);
        while self.entries[at].id != 0 && self.entries[at].key != key {
            at = (at + 1) & mask;
        }
        at
    }

    fn home(&self, key: u64) -> usize {
        // Two rounds of multiply and fold: keys are mostly consecutive numbers under a few prefixes.
        let mixed = (key ^ key >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let bits = self.entries.len().trailing_zeros();
        usize::try_from(mixed >> (u64::BITS - bits)).expect("fewer bits than a usize has")
    }

    fn grow(&mut self) {
        let doubled = vec![Entry::default(); self.entries.len() * 2];
        let entries = std::mem::replace(&mut self.entries, doubled);
        for entry in entries.into_iter().filter(|entry| entry.id != 0) {
            let at = self.slot(entry.key);
            self.entries[at] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_an_ordered_map(
            operations in prop::collection::vec((0_u64..40, any::<bool>()), 1..400),
        ) {
            let mut map = IdMap::with_capacity(4);
            let mut model = BTreeMap::new();
            for (number, (key, add)) in (1..).zip(operations) {
                if add && !model.contains_key(&key) {
                    map.insert(key, number);
                    model.insert(key, number);
                } else {
                    prop_assert_eq!(map.remove(key), model.remove(&key));
                }
                for key in 0..40 {
                    prop_assert_eq!(map.get(key), model.get(&key).copied());
                }
            }
        }
    }
}
