//! Slots of one kind, made once and reused: the memory of resting orders and of price levels.
//!
//! Never allocates after it is made, nor touches a page for the first time but where more are in use than
//! was thought. Slot numbers start at 1; 0 is "none", as for every identifier.

use crate::sys::memory::prefetch;
use crate::sys::prefault::prefaulted_part;

/// A fixed number of `T`, each in use or free.
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// Slot 0 is never used. Those behind the last were never used either.
    slots: Vec<T>,
    /// Slots that were freed, the last one on top.
    free: Vec<u32>,
    /// The last slot there may be.
    max: u32,
}

impl<T: Copy + Default> Slab<T> {
    /// Room for `max` of them; more than `usual` are seldom in use.
    pub(super) fn new(max: u32, usual: u32) -> Self {
        let mut slots = prefaulted_part(T::default(), usual as usize + 1, max as usize + 1);
        slots.push(T::default());
        let free = prefaulted_part(0, usual as usize / 4, max as usize);
        Self { slots, free, max }
    }

    /// Puts `value` into a free slot, one that was used before if there is any. `None` if all are in use.
    pub(super) fn insert(&mut self, value: T) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = value;
            return Some(slot);
        }
        let slot = u32::try_from(self.slots.len()).ok().filter(|&slot| slot <= self.max)?;
        self.slots.push(value);
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
        let mut slab = Slab::new(2, 1);
        let first = slab.insert(10_u64).unwrap();
        slab.insert(20).unwrap();
        assert_eq!(slab.insert(30), None);
        slab.remove(first);
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.insert(30), Some(first));
        assert_eq!(*slab.get(first), 30);
    }
}
