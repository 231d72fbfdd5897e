//! Slots of one kind, made once and reused: the memory of resting orders and of price levels.
//!
//! Never allocates after it is made, nor touches a page for the first time. Slot numbers start at 1; 0
//! is "none", as for every identifier.

use crate::sys::memory::prefetch;
use crate::sys::prefault::prefaulted;

/// A fixed number of `T`, each in use or free.
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// Slot 0 is never used.
    slots: Vec<T>,
    /// Free slots, the last one freed on top; at first the lowest.
    free: Vec<u32>,
}

impl<T: Copy + Default> Slab<T> {
    /// Room for `max` of them.
    pub(super) fn new(max: u32) -> Self {
        let slots = prefaulted(T::default(), max as usize + 1);
        Self { slots, free: (1..=max).rev().collect() }
    }

    /// Puts `value` into a free slot. `None` if all are in use.
    pub(super) fn insert(&mut self, value: T) -> Option<u32> {
        let slot = self.free.pop()?;
        self.slots[slot as usize] = value;
        Some(slot)
    }

    /// Frees a slot that is in use.
    pub(super) fn remove(&mut self, slot: u32) {
        self.slots[slot as usize] = T::default();
        self.free.push(slot);
    }

    /// How many are in use.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - 1 - self.free.len()
    }

    /// Brings a slot near that will be used soon; any number will do.
    pub(super) fn prefetch(&self, slot: u32) {
        if let Some(value) = self.slots.get(slot as usize) {
            prefetch(value);
        }
    }

    pub(super) fn get(&self, slot: u32) -> &T {
        &self.slots[slot as usize]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut T {
        &mut self.slots[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_slab_takes_a_value_again_once_one_was_removed() {
        let mut slab = Slab::new(2);
        let first = slab.insert(10_u64).unwrap();
        slab.insert(20).unwrap();
        assert_eq!(slab.insert(30), None);
        slab.remove(first);
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.insert(30), Some(first));
        assert_eq!(*slab.get(first), 30);
    }
}
