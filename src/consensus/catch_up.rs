//! Takes an image from another node, where the leader has not the frames any more that this one lacks. Seeks
//! one at the others in turn, the leader last; asks for its parts, a window of them at a time; and begins
//! anew elsewhere when none come. Until all have come the node is what it was: to Raft that is a delay.

use super::repair::Patience;
use super::{NodeId, Offer};
use crate::types::Nanos;

/// Parts that are asked for at a time.
pub(super) const WINDOW_PARTS: u64 = 16;
/// Requests without an answer, after which another node is asked.
const ATTEMPTS_MAX: u32 = 8;
/// The waiting time is doubled at most this often.
const DOUBLINGS_MAX: u32 = 4;

/// What is wanted, and how far it has come.
#[derive(Debug)]
pub(super) struct CatchUp {
    patience: Patience,
    need: Option<Need>,
    /// Hosts that were asked whether they have an image.
    sought: u32,
    from: Option<Source>,
    /// Requests since the last answer.
    attempt: u32,
    due: Nanos,
}

/// A place in the log that the leader's first frame lies behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// The index of a committed frame.
    pub(super) index: u64,
    /// Its term.
    pub(super) term: u64,
    /// Who said so.
    pub(super) leader: u32,
}

/// An image that is being taken.
#[derive(Clone, Copy, Debug)]
struct Source {
    node: NodeId,
    offer: Offer,
    /// The first part of the window.
    first: u64,
    /// Bit `i` is set as long as part `first + i` has not come.
    missing: u64,
}

/// What to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The `whom`-th of the others, counted round, for an image.
    Seek { whom: u32, index: u64 },
    /// A node for parts.
    Get { node: NodeId, image: u64, part: u64, wanted: u64 },
}

/// What a part is to who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// Nobody asked, or it is there.
    Unasked,
    /// It was wanted.
    Wanted,
    /// It was the last.
    Last,
}

impl CatchUp {
    pub(super) const fn new(patience: Patience) -> Self {
        Self { patience, need: None, sought: 0, from: None, attempt: 0, due: Nanos::ZERO }
    }

    /// What is needed, if anything is.
    pub(super) const fn need(&self) -> Option<Need> {
        self.need
    }

    /// The leader's log begins behind `need`, and this node's ends before. What is on its way stays wanted
    /// if it is of use.
    pub(super) fn needs(&mut self, need: Need) {
        // The leader let go of more meanwhile.
        self.from.take_if(|from| from.offer.index < need.index);
        self.need = Some(need);
    }

    /// Nothing is needed any more.
    pub(super) fn give_up(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Somebody has an image. Returns whether it is to be taken.
    pub(super) fn offered(&mut self, now: Nanos, node: NodeId, offer: Offer) -> bool {
        let is_of_use = self.need.is_some_and(|need| offer.index >= need.index) && offer.parts > 0;
        if !is_of_use || self.from.is_some() {
            return false;
        }
        self.from = Some(Source { node, offer, first: 0, missing: window(&offer, 0) });
        (self.attempt, self.due) = (0, now);
        true
    }

    /// The image that is being taken is of no use: another is sought.
    pub(super) fn refuse(&mut self) {
        self.from = None;
    }

    /// Which image is being taken.
    pub(super) fn taking(&self) -> Option<Offer> {
        self.from.map(|from| from.offer)
    }

    /// A part has come.
    pub(super) fn comes(&mut self, now: Nanos, node: NodeId, image: u64, part: u64) -> Came {
        let Some(from) = &mut self.from else { return Came::Unasked };
        let bit = part.checked_sub(from.first).filter(|bit| *bit < WINDOW_PARTS);
        let Some(bit) = bit.filter(|bit| from.missing >> bit & 1 == 1) else {
            return Came::Unasked;
        };
        if (from.node, from.offer.image) != (node, image) {
            return Came::Unasked;
        }
        from.missing &= !(1 << bit);
        if from.missing == 0 {
            from.first += WINDOW_PARTS;
            from.missing = window(&from.offer, from.first);
            (self.attempt, self.due) = (0, now);
        }
        if from.missing == 0 { Came::Last } else { Came::Wanted }
    }

    /// What to ask now, if anything.
    pub(super) fn poll(&mut self, now: Nanos) -> Option<Ask> {
        let need = self.need?;
        if now < self.due {
            return None;
        }
        if self.attempt >= ATTEMPTS_MAX {
            (self.from, self.attempt) = (None, 0);
        }
        let doublings = self.attempt.min(DOUBLINGS_MAX);
        self.due = now.after(Nanos(self.patience.timeout.0 << doublings));
        self.attempt += 1;
        let Some(Source { node, offer, first, missing }) = self.from else {
            self.sought += 1;
            // One host may be far, and another have none.
            self.attempt = self.attempt.min(DOUBLINGS_MAX);
            return Some(Ask::Seek { whom: self.sought - 1, index: need.index });
        };
        Some(Ask::Get { node, image: offer.image, part: first, wanted: missing })
    }

    /// When to poll again at the latest.
    pub(super) const fn due(&self) -> Option<Nanos> {
        if self.need.is_some() { Some(self.due) } else { None }
    }
}

/// The parts of the window that begins with `first`.
fn window(offer: &Offer, first: u64) -> u64 {
    let parts = offer.parts.saturating_sub(first).min(WINDOW_PARTS);
    (1 << parts) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { delay: Nanos(10), timeout: Nanos(100) };
    const NEED: Need = Need { index: 50, term: 2, leader: 1 };
    const NODE: NodeId = NodeId::first(3);

    fn offer(parts: u64) -> Offer {
        Offer { image: 9, index: 60, term: 2, parts }
    }

    fn needing() -> CatchUp {
        let mut catch_up = CatchUp::new(PATIENCE);
        catch_up.needs(NEED);
        catch_up
    }

    #[test]
    fn who_needs_nothing_asks_nothing() {
        let mut catch_up = CatchUp::new(PATIENCE);
        assert_eq!((catch_up.poll(Nanos(1_000)), catch_up.due()), (None, None));
        assert!(!catch_up.offered(Nanos(0), NODE, offer(3)));
        let mut catch_up = needing();
        catch_up.poll(Nanos(0));
        catch_up.give_up();
        assert_eq!(catch_up.poll(Nanos(1_000_000)), None);
    }

    #[test]
    fn one_after_the_other_is_asked_until_one_has_an_image_that_reaches_far_enough() {
        let mut catch_up = needing();
        for (whom, at) in [(0, 0), (1, 100), (2, 300)] {
            assert_eq!(catch_up.poll(Nanos(at)), Some(Ask::Seek { whom, index: 50 }));
            assert_eq!(catch_up.poll(Nanos(at + 99)), None);
        }
        assert!(!catch_up.offered(Nanos(310), NODE, Offer { index: 49, ..offer(3) }));
        assert!(!catch_up.offered(Nanos(310), NODE, offer(0)));
        assert!(catch_up.offered(Nanos(310), NODE, offer(3)));
        assert!(!catch_up.offered(Nanos(310), NodeId::first(2), offer(4)), "one is enough");
        let get = Ask::Get { node: NODE, image: 9, part: 0, wanted: 0b111 };
        assert_eq!(catch_up.poll(Nanos(310)), Some(get));
    }

    #[test]
    fn parts_are_asked_for_a_window_at_a_time_and_what_is_lost_again() {
        let mut catch_up = needing();
        assert!(catch_up.offered(Nanos(0), NODE, offer(WINDOW_PARTS + 2)));
        let get = |part, wanted| Some(Ask::Get { node: NODE, image: 9, part, wanted });
        assert_eq!(catch_up.poll(Nanos(0)), get(0, 0xFFFF));
        for part in (0..WINDOW_PARTS).filter(|part| *part != 7) {
            assert_eq!(catch_up.comes(Nanos(1), NODE, 9, part), Came::Wanted);
        }
        for (node, image, part) in
            [(NODE, 9, 3), (NODE, 8, 7), (NodeId::first(2), 9, 7), (NODE, 9, 99)]
        {
            assert_eq!(catch_up.comes(Nanos(1), node, image, part), Came::Unasked);
        }
        assert_eq!(catch_up.poll(Nanos(99)), None);
        assert_eq!(catch_up.poll(Nanos(100)), get(0, 1 << 7));
        assert_eq!(catch_up.comes(Nanos(101), NODE, 9, 7), Came::Wanted);
        assert_eq!(catch_up.poll(Nanos(101)), get(16, 0b11), "at once");
        assert_eq!(catch_up.comes(Nanos(102), NODE, 9, 17), Came::Wanted);
        assert_eq!(catch_up.comes(Nanos(102), NODE, 9, 16), Came::Last);
    }

    #[test]
    fn a_node_that_gives_no_more_is_left_for_another() {
        let mut catch_up = needing();
        assert!(catch_up.offered(Nanos(0), NODE, offer(3)));
        let mut now = Nanos(0);
        for _ in 0..ATTEMPTS_MAX {
            assert!(matches!(catch_up.poll(now), Some(Ask::Get { .. })));
            now = catch_up.due().unwrap();
        }
        assert!(matches!(catch_up.poll(now), Some(Ask::Seek { .. })));
        assert_eq!(catch_up.comes(now, NODE, 9, 0), Came::Unasked);
    }

    #[test]
    fn an_image_that_ends_before_what_the_leader_still_has_is_of_no_use() {
        let mut catch_up = needing();
        assert!(catch_up.offered(Nanos(0), NODE, offer(3)));
        catch_up.needs(Need { index: 60, ..NEED });
        assert!(catch_up.taking().is_some());
        catch_up.needs(Need { index: 61, ..NEED });
        assert!(catch_up.taking().is_none());
    }
}
