//! A ladder: the prices of one side of a book in order, best last, each with its level's slot.
//!
//! A sorted array, because most changes are near the touch and so move few entries. It has a fixed
//! number of rungs and never allocates after it is made.

use super::book::BookSide;
use crate::types::Price;

/// The prices of one side.
#[derive(Debug)]
pub(super) struct Ladder {
    side: BookSide,
    rungs: Vec<Rung>,
    max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Rung {
    /// Higher is better, on either side.
    rank: u64,
    level: u32,
}

impl Ladder {
    /// Room for `max` prices.
    pub(super) fn new(side: BookSide, max: u32) -> Self {
        Self { side, rungs: Vec::with_capacity(max as usize), max: max as usize }
    }

    /// The level at the best price.
    pub(super) fn best(&self) -> Option<(Price, u32)> {
        self.rungs.last().map(|rung| (self.price(rung), rung.level))
    }

    /// Every level, best price first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Price, u32)> {
        self.rungs.iter().rev().map(|rung| (self.price(rung), rung.level))
    }

    /// The level at `price`.
    pub(super) fn find(&self, price: Price) -> Option<u32> {
        self.search(price).ok().map(|at| self.rungs[at].level)
    }

    /// Whether there is no room for another price.
    pub(super) fn is_full(&self) -> bool {
        self.rungs.len() == self.max
    }

    /// Adds a price that is not there.
    ///
    /// # Panics
    /// If it is there, or there is no room: the caller looked first.
    pub(super) fn insert(&mut self, price: Price, level: u32) {
        assert!(!self.is_full(), "ladder of {} prices is full", self.max);
        let at = self.search(price).expect_err("the price has no level yet");
        self.rungs.insert(at, Rung { rank: self.rank(price), level });
    }

    /// Removes a price that is there.
    pub(super) fn remove(&mut self, price: Price) {
        let at = self.search(price).expect("the price has a level");
        self.rungs.remove(at);
    }

    fn search(&self, price: Price) -> Result<usize, usize> {
        let rank = self.rank(price);
        self.rungs.binary_search_by_key(&rank, |rung| rung.rank)
    }

    const fn rank(&self, price: Price) -> u64 {
        match self.side {
            BookSide::Bids => price.0,
            BookSide::Asks => !price.0,
        }
    }

    const fn price(&self, rung: &Rung) -> Price {
        match self.side {
            BookSide::Bids => Price(rung.rank),
            BookSide::Asks => Price(!rung.rank),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_bid_is_the_highest_and_the_best_ask_the_lowest() {
        for (side, best_first) in [(BookSide::Bids, [30, 20, 10]), (BookSide::Asks, [10, 20, 30])] {
            let mut ladder = Ladder::new(side, 3);
            for price in [20, 10, 30] {
                ladder.insert(Price(price), u32::try_from(price).unwrap());
            }
            let prices: Vec<_> = ladder.iter().map(|(price, _)| price.0).collect();
            assert_eq!(prices, best_first);
            assert_eq!(ladder.best().unwrap().0, Price(best_first[0]));
            assert!(ladder.is_full());
            ladder.remove(Price(20));
            assert_eq!((ladder.find(Price(20)), ladder.find(Price(10))), (None, Some(10)));
        }
    }
}
