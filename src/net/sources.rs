//! How many connections each address has, so that one host cannot keep the others out.
//!
//! Counts only; who is refused, and how, the transport decides.

use std::collections::HashMap;
use std::net::Ipv4Addr;

/// Connections by the address of their peer.
#[derive(Debug)]
pub(super) struct Sources {
    max: usize,
    counts: HashMap<Ipv4Addr, usize>,
}

impl Sources {
    /// For a transport of `slots` connections, of which one address may have `max`.
    pub(super) fn new(slots: usize, max: usize) -> Self {
        // Twice the bound, so that removals never make the map grow.
        Self { max, counts: HashMap::with_capacity(2 * slots) }
    }

    /// Whether `source` may have one more.
    pub(super) fn admit(&self, source: Ipv4Addr) -> bool {
        self.counts.get(&source).is_none_or(|&count| count < self.max)
    }

    /// A connection of `source` has taken a slot.
    pub(super) fn enter(&mut self, source: Ipv4Addr) {
        *self.counts.entry(source).or_default() += 1;
    }

    /// It has left its slot.
    ///
    /// # Panics
    /// If it never took one: the transport has a defect.
    pub(super) fn leave(&mut self, source: Ipv4Addr) {
        let count = self.counts.get_mut(&source).expect("who leaves has entered");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&source);
        }
    }

    /// Addresses that have a connection.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_nothing_is_kept_of_one_that_has_left() {
        let [one, other] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let mut sources = Sources::new(8, 2);
        sources.enter(one);
        assert!(sources.admit(one));
        sources.enter(one);
        assert!(!sources.admit(one) && sources.admit(other));
        sources.leave(one);
        assert!(sources.admit(one));
        sources.leave(one);
        assert_eq!(sources.len(), 0);
    }
}
