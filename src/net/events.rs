//! What happened on a transport and was not taken yet: bounded, and never the same thing twice.
//!
//! Knows no connection, only numbers; what is true of one now, its transport says.

use std::collections::VecDeque;

use super::{ConnectionId, NetEvent};

/// Events, oldest first. Of each connection at most one `Readable` and one `Writable` wait.
#[derive(Debug)]
pub(super) struct EventQueue {
    events: VecDeque<NetEvent>,
    /// By slot.
    waiting: Vec<Waiting>,
}

/// What waits of the connection that has a slot now.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    generation: u32,
    readable: bool,
    writable: bool,
}

/// What may wait of one connection: `Opened`, `Readable`, `Writable`, `Ended`, `Closed`.
const EVENTS_PER_CONNECTION: usize = 5;

impl EventQueue {
    /// For a transport of `slots` connections that looks whether there is room before it takes
    /// `at_once` things that happen, each to one connection.
    pub(super) fn new(slots: usize, at_once: usize) -> Self {
        // Room for as much again: what happens while nearly full must not make the queue grow.
        let capacity = EVENTS_PER_CONNECTION * (2 * slots + at_once);
        Self { events: VecDeque::with_capacity(capacity), waiting: vec![Waiting::default(); slots] }
    }

    /// Whether the user must take some before the transport goes on.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_PER_CONNECTION * self.waiting.len()
    }

    /// Forgets what was not taken.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.waiting.fill(Waiting::default());
    }

    /// `Readable` and `Writable` only if none waits to be taken.
    pub(super) fn push(&mut self, event: NetEvent) {
        let told = match event {
            NetEvent::Readable(id) => &mut self.of_now(id).readable,
            NetEvent::Writable(id) => &mut self.of_now(id).writable,
            NetEvent::Opened { .. } | NetEvent::Ended(_) | NetEvent::Closed(_) => &mut false,
        };
        if !std::mem::replace(told, true) {
            self.events.push_back(event);
        }
    }

    /// The oldest. From now on the same may happen again.
    pub(super) fn pop(&mut self) -> Option<NetEvent> {
        let event = self.events.pop_front()?;
        if self.events.is_empty() {
            // From the front again, whose memory the caches remember, not through all that there is.
            self.events.clear();
        }
        let (NetEvent::Readable(id) | NetEvent::Writable(id)) = event else { return Some(event) };
        let waiting = &mut self.waiting[id.slot as usize];
        // What waited of a connection that is gone says nothing of the one in its place.
        if waiting.generation == id.generation {
            match event {
                NetEvent::Readable(_) => waiting.readable = false,
                _ => waiting.writable = false,
            }
        }
        Some(event)
    }

    /// What waits of `id`, which has its slot now: nothing yet if it is new there.
    fn of_now(&mut self, id: ConnectionId) -> &mut Waiting {
        let waiting = &mut self.waiting[id.slot as usize];
        if waiting.generation != id.generation {
            *waiting = Waiting { generation: id.generation, ..Waiting::default() };
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: ConnectionId = ConnectionId { slot: 1, generation: 7 };
    const NEXT: ConnectionId = ConnectionId { slot: 1, generation: 8 };

    fn drained(queue: &mut EventQueue) -> Vec<NetEvent> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn what_waits_is_not_told_twice_and_what_was_taken_may_happen_again() {
        let mut queue = EventQueue::new(2, 0);
        let both = [NetEvent::Readable(FIRST), NetEvent::Writable(FIRST)];
        for _ in 0..2 {
            for event in [both, both].concat() {
                queue.push(event);
            }
            assert_eq!(drained(&mut queue), both);
        }
    }

    #[test]
    fn a_connection_that_takes_a_slot_is_told_of_whatever_waits_of_the_one_before() {
        let mut queue = EventQueue::new(2, 0);
        let told = [NetEvent::Readable(FIRST), NetEvent::Closed(FIRST), NetEvent::Readable(NEXT)];
        for event in told {
            queue.push(event);
        }
        assert_eq!(queue.pop(), Some(told[0]));
        queue.push(NetEvent::Readable(NEXT));
        assert_eq!(drained(&mut queue), told[1..]);
    }

    #[test]
    fn it_is_full_once_every_connection_may_have_told_everything() {
        let mut queue = EventQueue::new(1, 0);
        for _ in 0..EVENTS_PER_CONNECTION {
            assert!(!queue.is_full());
            queue.push(NetEvent::Closed(FIRST));
        }
        assert!(queue.is_full());
    }
}
