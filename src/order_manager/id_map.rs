//! A map from 64-bit keys to the dense numbers of rows that know their own keys: open addressing with
//! linear probing.
//!
//! Of a key it keeps 32 bits, most of them of a hash, and asks the row whether the key is its own: eight bytes an
//! entry, and of a row that is looked up, its own line is what comes next anyway. Brokers choose half of
//! the bits of some keys, so its hash is keyed with a seed that only this process knows: nobody can choose
//! keys that lie in each other's way. It allocates only when it holds more than it was made for, and never
//! iterates, so no outcome depends on where an entry lies, and nodes with different seeds say the same.

use std::fmt;

use crate::sys::memory::prefetch;
use crate::sys::prefault::prefaulted;

/// Numbers of rows by key; 0 is no number.
#[derive(Debug)]
pub(crate) struct IdMap {
    /// A power of two of entries, at most three fifths in use.
    lines: Vec<Neighbourhood>,
    len: usize,
    seed: IndexSeed,
}

/// Keys that differ in their last bits alone, and so lie side by side: a participant's numbers follow one
/// another, and then seven in eight new orders find the line of the index that the one before used. That
/// line is far away otherwise, more than anything else that a new order touches: of an order that came alone it
/// was some 0.3 us of 0.9 in the engine, and a mass cancel of 100,000 took 14 to 19 ms where it now takes 10.
const NEIGHBOURS: u32 = 8;
/// The bits of a hash that are the key's own.
const PLACE: u32 = NEIGHBOURS - 1;

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
#[repr(C, align(8))]
struct Entry {
    /// Of the upper half of its neighbourhood's hash all but the last bits, which are the key's: its first
    /// and its last bits say where the entry's home is.
    hash: u32,
    /// 0 = the entry is free.
    id: u32,
}

/// The entries of one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Neighbourhood([Entry; NEIGHBOURS as usize]);

const _: () = assert!(size_of::<Neighbourhood>() == 64);

impl IdMap {
    /// Room for `count` entries before it grows.
    #[must_use]
    pub(crate) fn with_capacity(count: usize, seed: IndexSeed) -> Self {
        let slots = (count.max(3) * 5).div_ceil(3).next_power_of_two();
        let lines = prefaulted(Neighbourhood::default(), slots / NEIGHBOURS as usize);
        Self { lines, len: 0, seed }
    }

    /// The number of the row at `key`; `is_key` says whether the key is that of a row.
    #[must_use]
    pub(crate) fn get(&self, key: u64, is_key: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash(key);
        let mask = self.slots() - 1;
        let mut at = self.home(hash);
        loop {
            let entry = *self.entry(at);
            if entry.id == 0 {
                return None;
            }
            if entry.hash == hash && is_key(entry.id) {
                return Some(entry.id);
            }
            at = (at + 1) & mask;
        }
    }

    /// The same, most likely, without a look at the row.
    #[must_use]
    pub(super) fn likely(&self, key: u64) -> Option<u32> {
        self.get(key, |_| true)
    }

    /// Brings near where `key` is or would go.
    pub(super) fn expect(&self, key: u64) {
        prefetch(self.entry(self.home(self.hash(key))));
    }

    /// Adds an entry.
    ///
    /// # Panics
    /// If the key is in use or the number is 0: the caller looked first.
    pub(crate) fn insert(&mut self, key: u64, id: u32, is_key: impl Fn(u32) -> bool) {
        assert_ne!(id, 0, "0 is no number");
        if (self.len + 1) * 5 > self.slots() * 3 {
            self.grow();
        }
        let hash = self.hash(key);
        let mask = self.slots() - 1;
        let mut at = self.home(hash);
        while self.entry(at).id != 0 {
            let entry = *self.entry(at);
            assert!(entry.hash != hash || !is_key(entry.id), "key {key:#x} is in use");
            at = (at + 1) & mask;
        }
        *self.entry_mut(at) = Entry { hash, id };
        self.len += 1;
    }

    /// Removes the entry of a row; false if it has none under this key.
    pub(crate) fn remove(&mut self, key: u64, id: u32) -> bool {
        let mask = self.slots() - 1;
        let mut hole = self.home(self.hash(key));
        while self.entry(hole).id != id {
            if self.entry(hole).id == 0 {
                return false;
            }
            hole = (hole + 1) & mask;
        }
        // Entries behind the hole that probed past it move into it, so that no probe ends too early.
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let entry = *self.entry(next);
            if entry.id == 0 {
                break;
            }
            let ideal = self.home(entry.hash);
            if next.wrapping_sub(ideal) & mask >= next.wrapping_sub(hole) & mask {
                *self.entry_mut(hole) = entry;
                hole = next;
            }
        }
        *self.entry_mut(hole) = Entry::default();
        self.len -= 1;
        true
    }

    /// Forgets every entry.
    pub(crate) fn clear(&mut self) {
        self.lines.fill(Neighbourhood::default());
        self.len = 0;
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of a hash, and a key's last bits")]
    fn hash(&self, key: u64) -> u32 {
        let neighbourhood = (self.seed.hash(key / u64::from(NEIGHBOURS)) >> u32::BITS) as u32;
        neighbourhood & !PLACE | key as u32 & PLACE
    }

    fn home(&self, hash: u32) -> usize {
        let neighbours = u64::from(NEIGHBOURS);
        let neighbourhoods = self.slots() as u64 / neighbours;
        let neighbourhood = (u64::from(hash & !PLACE) * neighbourhoods) >> u32::BITS;
        let home = neighbourhood * neighbours + u64::from(hash & PLACE);
        usize::try_from(home).expect("fewer than there are entries")
    }

    /// How far each entry lies from its home.
    #[cfg(test)]
    pub(super) fn probes(&self) -> impl Iterator<Item = usize> {
        let mask = self.slots() - 1;
        let used = (0..=mask).map(|at| (at, self.entry(at))).filter(|(_, entry)| entry.id != 0);
        used.map(move |(at, entry)| at.wrapping_sub(self.home(entry.hash)) & mask)
    }

    fn slots(&self) -> usize {
        self.lines.len() * NEIGHBOURS as usize
    }

    fn entry(&self, slot: usize) -> &Entry {
        &self.lines[slot / NEIGHBOURS as usize].0[slot % NEIGHBOURS as usize]
    }

    fn entry_mut(&mut self, slot: usize) -> &mut Entry {
        &mut self.lines[slot / NEIGHBOURS as usize].0[slot % NEIGHBOURS as usize]
    }

    fn grow(&mut self) {
        let doubled = vec![Neighbourhood::default(); self.lines.len() * 2];
        let lines = std::mem::replace(&mut self.lines, doubled);
        let mask = self.slots() - 1;
        for entry in lines.into_iter().flat_map(|line| line.0).filter(|entry| entry.id != 0) {
            let mut at = self.home(entry.hash);
            while self.entry(at).id != 0 {
                at = (at + 1) & mask;
            }
            *self.entry_mut(at) = entry;
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
                map.insert(number << stride, 1, |_| false);
            }
            let longest = map.probes().max().unwrap();
            assert!(longest < 64, "{longest} at stride 2^{stride}");
        }
    }

    #[test]
    fn keys_that_differ_in_their_last_bits_lie_side_by_side() {
        let map = IdMap::with_capacity(10_000, IndexSeed::new([7; 16]));
        let homes = |keys: std::ops::Range<u64>| keys.map(|key| map.home(map.hash(key)));
        for first in (0..10_000).step_by(8) {
            let from = homes(first..first + 1).next().unwrap();
            assert!(homes(first..first + 8).eq(from..from + 8));
        }
        let neighbours = (0..10_000).step_by(8).map(|key| homes(key..key + 1).next().unwrap());
        let mut apart: Vec<_> = neighbours.collect();
        apart.dedup();
        assert_eq!(apart.len(), 1_250, "and the next ones elsewhere");
    }

    #[test]
    fn as_full_as_it_may_be_it_looks_at_three_lines_for_a_key_on_average() {
        let slots = 1 << 17;
        let mut map = IdMap::with_capacity(slots / 2, IndexSeed::new([7; 16]));
        assert_eq!(map.slots(), slots);
        // Orders of a thousand ports that number theirs one by one.
        let numbers = (0..).flat_map(|number| (0..1_000).map(move |port| port << 40 | number));
        for key in numbers.take(slots * 3 / 5) {
            map.insert(key, 1, |_| false);
        }
        let (count, sum) =
            map.probes().fold((0, 0), |(count, sum), probe| (count + 1, sum + probe));
        assert!((1..2 * NEIGHBOURS as usize).contains(&(sum / count)), "{} entries", sum / count);
        assert_eq!(map.slots(), slots, "it did not grow");
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
            let mut keys = vec![u64::MAX];
            for (number, (key, add)) in (1..).zip(operations) {
                keys.push(key);
                let is = |key| { let keys = &keys; move |id: u32| keys[id as usize] == key };
                if add && !model.contains_key(&key) {
                    map.insert(key, number, is(key));
                    model.insert(key, number);
                } else if let Some(number) = model.remove(&key) {
                    prop_assert!(map.remove(key, number));
                    prop_assert!(!map.remove(key, number));
                }
                for key in 0..40 {
                    prop_assert_eq!(map.get(key, is(key)), model.get(&key).copied());
                }
                prop_assert_eq!(map.len, model.len());
            }
        }
    }
}
