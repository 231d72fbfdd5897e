//! What is kept of those heard lately, in a table that never grows and asks for no memory.
//!
//! Strangers choose the keys, so places are drawn by a secret, and an entry gives way to another when
//! its few places are taken: the one first that has the least left to say.

use std::hash::{BuildHasher, RandomState};

use crate::types::Nanos;

/// Values by a key of up to 128 bits.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    places: Box<[Place<V>]>,
    /// Drawn at start, so that nobody can choose keys that meet.
    secret: [u64; 2],
}

/// What an entry has to say, and for how long.
pub(crate) trait Lasting: Copy + Default {
    /// From when on it says no more than one that was never made.
    fn until(&self) -> Nanos;
}

#[derive(Clone, Copy, Debug, Default)]
struct Place<V> {
    key: u128,
    value: V,
}

/// An odd number whose bits are as good as drawn: of the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Places in which a key may lie, side by side in memory.
const WAYS: usize = 4;

impl<V: Lasting> Recent<V> {
    /// With room for `count` entries, rounded up to a power of two.
    pub(crate) fn new(count: usize) -> Self {
        let count = count.next_power_of_two().max(WAYS);
        let random = RandomState::new();
        let secret = [random.hash_one(0), random.hash_one(1)];
        Self { places: vec![Place::default(); count].into_boxed_slice(), secret }
    }

    /// The entry of `key`; a new one, if need be in the place of another.
    pub(crate) fn entry(&mut self, key: u128) -> &mut V {
        let first = self.first(key);
        let ways = &mut self.places[first..first + WAYS];
        let found = ways.iter().position(|place| place.key == key);
        let at = found.unwrap_or_else(|| {
            let least = (0..WAYS).min_by_key(|&way| ways[way].value.until()).unwrap_or(0);
            ways[least] = Place { key, value: V::default() };
            least
        });
        &mut ways[at].value
    }

    /// The entry of `key`, if there is one.
    pub(crate) fn get(&self, key: u128) -> Option<&V> {
        let first = self.first(key);
        let ways = &self.places[first..first + WAYS];
        ways.iter().find(|place| place.key == key).map(|place| &place.value)
    }

    /// The first place in which a key may lie.
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
    fn first(&self, key: u128) -> usize {
        let [low, high] = [key as u64, (key >> 64) as u64];
        let product = u128::from(low ^ self.secret[0]) * u128::from(high ^ self.secret[1]);
        let mixed = product as u64 ^ (product >> 64) as u64;
        // Neighbours differ in a few low bits of it, less where a secret is a multiple of a power of two;
        // the high bits of the next product hear of all.
        let place = u128::from(mixed.wrapping_mul(SPREAD)) * self.places.len() as u128;
        (place >> 64) as usize & !(WAYS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Lasting for Nanos {
        fn until(&self) -> Nanos {
            *self
        }
    }

    #[test]
    fn an_entry_is_found_again_and_one_that_was_never_made_is_not() {
        let mut recent = Recent::new(1024);
        for key in 0..64 {
            *recent.entry(key << 60) = Nanos(7);
        }
        assert_eq!(recent.get(5 << 60), Some(&Nanos(7)));
        assert_eq!(recent.get(5), None);
    }

    #[test]
    fn a_flood_of_keys_takes_no_memory_and_leaves_those_that_have_most_to_say() {
        let mut recent = Recent::new(1024);
        *recent.entry(u128::MAX) = Nanos::MAX;
        for key in 0..100_000 {
            *recent.entry(key) = Nanos(1);
        }
        assert_eq!(recent.places.len(), 1024);
        assert_eq!(recent.get(u128::MAX), Some(&Nanos::MAX));
    }

    #[test]
    fn keys_spread_whatever_they_differ_in() {
        for shift in [0, 24, 32, 64, 100].repeat(100) {
            let mut recent: Recent<Nanos> = Recent::new(4096);
            for key in 0..512_u128 {
                *recent.entry(key << shift | 1 << 127) = Nanos(1);
            }
            let found = (0..512_u128).filter(|key| recent.get(key << shift | 1 << 127).is_some());
            assert!(found.count() > 500, "shift {shift}");
        }
    }
}
