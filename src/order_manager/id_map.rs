//! A map from 64-bit keys to dense identifiers: open addressing with linear probing.
//!
//! Brokers choose half of the bits of some keys, so its hash is keyed with a seed that only this
//! process knows: nobody can choose keys that lie in each other's way. It allocates only when it holds
//! more than it was made for, and lists its keys in their own order only, so no outcome depends on where
//! an entry lies, and nodes with different seeds say the same.

use std::fmt;

use crate::sys::prefault::prefaulted;

/// Identifiers by key; 0 is no identifier.
#[derive(Debug)]
pub(crate) struct IdMap {
    /// A power of two of them, at most half in use.
    entries: Vec<Entry>,
    len: usize,
    seed: IndexSeed,
}

/// Keys the hash of every index. A node draws it at random when it starts and tells nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IndexSeed([u64; 2]);

impl IndexSeed {
    /// Bytes of chance it needs.
    pub const BYTES: usize = 16;

    /// The seed made of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        let bits = u128::from_le_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
        Self([bits as u64, (bits >> 64) as u64])
    }

    /// Two multiplications to 128 bits, each folded to 64, as in `wyhash`: 3.3 ns one after another, where
    /// SipHash-1-3, what Rust's own maps use, takes 7.6. It is no cipher: it holds against those who know
    /// neither the seed nor what it gives, as participants do not.
    const fn hash(self, key: u64) -> u64 {
        // Constants of many bits, so that a seed of none, as tests have, does as well.
        let [k0, k1] = [self.0[0] ^ 0xA076_1D64_78BD_642F, self.0[1] ^ 0xE703_7ED1_A0B4_28DB];
        fold(fold(key ^ k0, k1) ^ k1, k0)
    }
}

const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

/// Hides the seed: whoever reads it can choose keys.
impl fmt::Debug for IndexSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexSeed(..)")
    }
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
    pub(crate) fn with_capacity(count: usize, seed: IndexSeed) -> Self {
        let slots = (count.max(4) * 2).next_power_of_two();
        Self { entries: prefaulted(Entry::default(), slots), len: 0, seed }
    }

    /// How many entries it has.
    #[must_use]
    pub(crate) const fn len(&self) -> usize {
        self.len
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

    /// Forgets every entry.
    pub(crate) fn clear(&mut self) {
        self.entries.fill(Entry::default());
        self.len = 0;
    }

    /// Every key, the lowest first, so that it does not matter where each lies. Looks at all entries.
    pub(crate) fn sorted_keys(&self) -> Vec<u64> {
        let used = self.entries.iter().filter(|entry| entry.id != 0);
        let mut keys: Vec<_> = used.map(|entry| entry.key).collect();
        keys.sort_unstable();
        keys
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
        let bits = self.entries.len().trailing_zeros();
        let home = self.seed.hash(key) >> (u64::BITS - bits);
        usize::try_from(home).expect("fewer bits than a usize has")
    }

    /// How far the entry that is farthest from its home lies.
    #[cfg(test)]
    pub(super) fn longest_probe(&self) -> usize {
        let mask = self.entries.len() - 1;
        let used = self.entries.iter().enumerate().filter(|(_, entry)| entry.id != 0);
        let probes = used.map(|(at, entry)| at.wrapping_sub(self.home(entry.key)) & mask);
        probes.max().unwrap_or(0)
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

    #[test]
    fn keys_that_follow_one_another_in_any_stride_lie_apart_whatever_the_seed() {
        const KEYS: u64 = 10_000;
        let seeds = [[0; 16], [1; 16], [0xFF; 16], *b"a seed of chance"];
        for (seed, stride) in seeds.into_iter().flat_map(|seed| (0..50).map(move |bit| (seed, bit)))
        {
            let mut map = IdMap::with_capacity(10_000, IndexSeed::new(seed));
            for number in 1..=KEYS {
                map.insert(number << stride, 1);
            }
            assert!(map.longest_probe() < 64, "{} at stride 2^{stride}", map.longest_probe());
        }
    }

    #[test]
    fn a_seed_decides_where_keys_lie_and_is_not_shown() {
        let (one, other) = (IndexSeed::new([1; 16]), IndexSeed::new([2; 16]));
        assert!((0..64).all(|key| one.hash(key) != other.hash(key)));
        assert_eq!(format!("{one:?}"), "IndexSeed(..)");
    }

    proptest! {
        #[test]
        fn it_agrees_with_an_ordered_map(
            operations in prop::collection::vec((0_u64..40, any::<bool>()), 1..400),
        ) {
            let mut map = IdMap::with_capacity(4, IndexSeed::new([7; 16]));
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
