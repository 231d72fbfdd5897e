//! Timers: a heap of deadlines by (deadline, rank, id), where each id has at most one.
//!
//! Reads no clock: the engine asks what is due at the log time it has reached. Never allocates after it
//! is made.

use crate::sys::prefault::{prefaulted, prefaulted_room};
use crate::types::{Nanos, SnapshotError, SnapshotReader, SnapshotWriter, consistent};

/// Deadlines of dense ids.
#[derive(Debug)]
pub(super) struct TimerQueue {
    heap: Vec<(Nanos, u64, u32)>,
    /// By id: behind its place in the heap, 0 if it has none.
    places: Vec<u32>,
}

impl TimerQueue {
    /// Room for the ids up to `max`.
    pub(super) fn new(max: u32) -> Self {
        let ids = max as usize + 1;
        Self { heap: prefaulted_room((Nanos::ZERO, 0, 0), ids), places: prefaulted(0, ids) }
    }

    /// The same for ids of which few have a deadline: memory is there when it is used.
    pub(super) fn sparse(max: u32) -> Self {
        let ids = max as usize + 1;
        Self { heap: Vec::with_capacity(ids), places: vec![0; ids] }
    }

    /// Sets the deadline of `id`, in place of the one it had.
    pub(super) fn arm(&mut self, id: u32, deadline: Nanos) {
        self.arm_ranked(id, id.into(), deadline);
    }

    /// The same for an id whose number means nothing: of one deadline, the lowest rank is first.
    pub(super) fn arm_ranked(&mut self, id: u32, rank: u64, deadline: Nanos) {
        self.disarm(id);
        self.heap.push((deadline, rank, id));
        self.rise(self.heap.len() - 1);
    }

    /// Forgets the deadline of `id`, if it has one.
    pub(super) fn disarm(&mut self, id: u32) {
        if self.is_armed(id) {
            self.remove(self.places[id as usize] as usize - 1);
        }
    }

    /// Whether `id` has a deadline.
    pub(super) fn is_armed(&self, id: u32) -> bool {
        self.places[id as usize] != 0
    }

    /// The deadline of `id`, if it has one.
    pub(super) fn deadline(&self, id: u32) -> Option<Nanos> {
        let place = self.places[id as usize].checked_sub(1)?;
        Some(self.heap[place as usize].0)
    }

    /// The ids up to this may have one.
    pub(super) fn max(&self) -> u32 {
        u32::try_from(self.places.len() - 1).expect("ids are u32")
    }

    /// The first deadline, [`Nanos::MAX`] if there is none.
    pub(super) fn next(&self) -> Nanos {
        self.heap.first().map_or(Nanos::MAX, |&(deadline, ..)| deadline)
    }

    /// Takes the id whose deadline is first, if it is due at `now`.
    pub(super) fn pop_due(&mut self, now: Nanos) -> Option<u32> {
        let &(deadline, _, id) = self.heap.first()?;
        if deadline > now {
            return None;
        }
        self.remove(0);
        Some(id)
    }

    /// Writes the deadlines of ids that are their own rank.
    pub(super) fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self { heap, places: _ } = self;
        let mut deadlines: Vec<_> = heap.iter().map(|&(deadline, _, id)| (id, deadline)).collect();
        deadlines.sort_unstable();
        out.put(&deadlines);
    }

    /// Arms what [`TimerQueue::write`] wrote.
    pub(super) fn read(&mut self, input: &mut SnapshotReader<'_>) -> Result<(), SnapshotError> {
        for (id, deadline) in input.take::<Vec<(u32, Nanos)>>()? {
            consistent(id <= self.max() && !self.is_armed(id), "a timer twice, or of nothing")?;
            self.arm(id, deadline);
        }
        Ok(())
    }

    fn remove(&mut self, place: usize) {
        let (.., id) = self.heap.swap_remove(place);
        self.places[id as usize] = 0;
        if place < self.heap.len() {
            // What came from the end may belong above or below.
            let moved = self.rise(place);
            self.sink(moved);
        }
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            self.note(place);
            place = parent;
        }
        self.note(place);
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = (2 * place + 1)..(2 * place + 3).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child]) else { break };
            if self.heap[place] <= self.heap[least] {
                break;
            }
            self.heap.swap(place, least);
            self.note(place);
            place = least;
        }
        self.note(place);
    }

    fn note(&mut self, place: usize) {
        let (.., id) = self.heap[place];
        self.places[id as usize] = u32::try_from(place + 1).expect("fewer than the ids");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn timers_fire_in_the_order_of_deadline_rank_and_id(
            operations in prop::collection::vec((0_u32..12, 0_u64..20, 0_u8..3), 1..200),
        ) {
            let mut queue = TimerQueue::sparse(12);
            let mut model: BTreeSet<(Nanos, u64, u32)> = BTreeSet::new();
            for (id, time, operation) in operations {
                match operation {
                    0 => {
                        let rank = u64::from(id % 5);
                        model.retain(|&(.., other)| other != id);
                        model.insert((Nanos(time), rank, id));
                        queue.arm_ranked(id, rank, Nanos(time));
                    }
                    1 => {
                        model.retain(|&(.., other)| other != id);
                        queue.disarm(id);
                    }
                    _ => {
                        let armed = model.iter().any(|&(.., other)| other == id);
                        prop_assert_eq!(queue.is_armed(id), armed);
                        let of_id = model.iter().find(|&&(.., other)| other == id);
                        prop_assert_eq!(queue.deadline(id), of_id.map(|&(at, ..)| at));
                        let first = model.first().map_or(Nanos::MAX, |&(at, ..)| at);
                        prop_assert_eq!(queue.next(), first);
                        let due = model.first().copied().filter(|&(at, ..)| at <= Nanos(time));
                        if let Some(first) = due {
                            model.remove(&first);
                        }
                        prop_assert_eq!(queue.pop_due(Nanos(time)), due.map(|(.., id)| id));
                    }
                }
            }
        }
    }
}
