//! A timer wheel: at most one timer for each connection slot, armed and found in constant time.
//!
//! Only says which timer is due; what for, its owner knows. A timer may be early, never late by more
//! than a tick, and a deadline that moves back needs no work. A step of the clock costs at most a turn.

use crate::types::Nanos;

/// Timers by connection slot.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// First slot of each bucket's list.
    heads: Vec<u32>,
    links: Vec<Link>,
    /// The last tick whose timers were given out.
    cursor: u64,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    /// The tick it is armed for; [`UNARMED`] if none.
    tick: u64,
    previous: u32,
    next: u32,
}

/// Length of a tick: the precision of every timer.
const TICK: Nanos = Nanos::from_millis(1);
/// Ticks of one turn. A deadline farther away is armed for the turn's end and asked again then.
const TURN: u64 = 4096;
const NONE: u32 = u32::MAX;
const UNARMED: u64 = u64::MAX;

const fn bucket(tick: u64) -> usize {
    (tick % TURN) as usize
}

impl Link {
    const UNARMED: Self = Self { tick: UNARMED, previous: NONE, next: NONE };
}

impl Wheel {
    /// A wheel for `slots` timers, standing at `now`.
    pub(crate) fn new(slots: usize, now: Nanos) -> Self {
        Self {
            heads: vec![NONE; bucket(TURN - 1) + 1],
            links: vec![Link::UNARMED; slots],
            cursor: now.0 / TICK.0,
        }
    }

    /// Makes room for more slots, if there are fewer than `slots`.
    pub(crate) fn grow(&mut self, slots: usize) {
        self.links.resize(self.links.len().max(slots), Link::UNARMED);
    }

    /// Makes sure that `slot`'s timer is due no later than `deadline` (rounded up to a tick).
    pub(crate) fn arm(&mut self, slot: u32, deadline: Nanos) {
        let tick = deadline.0.div_ceil(TICK.0).clamp(self.cursor + 1, self.cursor + TURN - 1);
        if self.links[slot as usize].tick <= tick {
            return;
        }
        self.cancel(slot);
        let head = &mut self.heads[bucket(tick)];
        let next = *head;
        *head = slot;
        self.links[slot as usize] = Link { tick, previous: NONE, next };
        if next != NONE {
            self.links[next as usize].previous = slot;
        }
    }

    /// Forgets `slot`'s timer.
    pub(crate) fn cancel(&mut self, slot: u32) {
        let Link { tick, previous, next } = self.links[slot as usize];
        if tick == UNARMED {
            return;
        }
        match previous {
            NONE => self.heads[bucket(tick)] = next,
            _ => self.links[previous as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        self.links[slot as usize].tick = UNARMED;
    }

    /// The next slot whose timer is due at `now`; its timer is then gone. Ask until `None`.
    ///
    /// Walks at most one turn in all, since every armed tick is less than a turn after the cursor.
    pub(crate) fn due(&mut self, now: Nanos) -> Option<u32> {
        let now = now.0 / TICK.0;
        self.cursor = self.cursor.max(now.saturating_sub(TURN));
        while self.cursor < now {
            let slot = self.heads[bucket(self.cursor + 1)];
            if slot != NONE {
                self.cancel(slot);
                return Some(slot);
            }
            self.cursor += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Nanos {
        Nanos::from_millis(millis)
    }

    fn due(wheel: &mut Wheel, millis: u64) -> Vec<u32> {
        let mut slots: Vec<u32> = std::iter::from_fn(|| wheel.due(at(millis))).collect();
        slots.sort_unstable();
        slots
    }

    #[test]
    fn timers_are_due_at_their_tick_and_once() {
        let mut wheel = Wheel::new(4, at(1000));
        wheel.arm(0, at(1010));
        wheel.arm(1, at(1010));
        wheel.arm(2, at(1020));
        assert!(due(&mut wheel, 1009).is_empty());
        assert_eq!(due(&mut wheel, 1010), [0, 1]);
        assert_eq!(due(&mut wheel, 1030), [2]);
        assert!(due(&mut wheel, 9000).is_empty());
    }

    #[test]
    fn an_earlier_deadline_replaces_a_later_one_and_not_the_other_way() {
        let mut wheel = Wheel::new(2, at(0));
        wheel.arm(0, at(50));
        wheel.arm(0, at(10));
        wheel.arm(1, at(10));
        wheel.arm(1, at(50));
        assert_eq!(due(&mut wheel, 10), [0, 1]);
        assert!(due(&mut wheel, 60).is_empty());
    }

    #[test]
    fn cancelling_leaves_the_neighbours_in_the_bucket() {
        for gone in 0..3 {
            let mut wheel = Wheel::new(3, at(0));
            for slot in 0..3 {
                wheel.arm(slot, at(7));
            }
            wheel.cancel(gone);
            wheel.cancel(gone);
            let left: Vec<u32> = (0..3).filter(|&slot| slot != gone).collect();
            assert_eq!(due(&mut wheel, 7), left);
        }
    }

    #[test]
    fn after_a_step_of_the_clock_everything_is_due_once() {
        let mut wheel = Wheel::new(1, at(0));
        wheel.grow(3);
        for (slot, millis) in [(0, 1), (1, 700), (2, 4_000)] {
            wheel.arm(slot, at(millis));
        }
        let years = 1_000_000_000_000;
        assert_eq!(due(&mut wheel, years), [0, 1, 2]);
        wheel.arm(1, at(years + 5));
        assert!(due(&mut wheel, years + 4).is_empty());
        assert_eq!(due(&mut wheel, years + 5), [1]);
    }

    #[test]
    fn a_deadline_beyond_a_turn_is_told_early_and_a_past_one_at_the_next_tick() {
        let mut wheel = Wheel::new(2, at(0));
        wheel.arm(0, at(100_000));
        assert_eq!(due(&mut wheel, TURN), [0]);
        wheel.arm(1, at(3));
        assert!(due(&mut wheel, TURN).is_empty());
        assert_eq!(due(&mut wheel, TURN + 1), [1]);
    }
}
