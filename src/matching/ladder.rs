//! A ladder: the price levels of one side of a book, best price first.
//!
//! The best is known, and a tree has them all in order. In front of it a table remembers where the levels
//! of the last 1,024 ticks are, so near the touch a price is found at once; what participants choose
//! makes it no slower than the tree. Bounded by the orders there are; never allocates after it is made.

use super::book::BookSide;
use super::slab::Slab;
use super::tree::{Nodes, Tree, UNUSED, nodes_max};
use crate::sys::memory::prefetch;
use crate::types::Price;

/// The order of one side's levels. Levels and nodes lie in slabs that all ladders share.
#[derive(Debug)]
pub(super) struct Ladder {
    /// A price and its rank differ in these bits: all for bids, none for asks, so that the best price has
    /// the least rank. Books take their side at random, and a branch on it would be guessed wrong.
    flip: u32,
    best: u32,
    /// The best level's rank, [`UNUSED`] if there is none.
    best_rank: u32,
    tree: Tree,
    /// By tick, modulo its length: a level that is there, or 0. Whether it is that of a price, the level
    /// says.
    near: Box<[u32]>,
    ticks: Ticks,
}

/// The orders at one price.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    /// Shares of all its orders.
    pub(super) quantity: u64,
    /// The least is the best, on either side.
    rank: u32,
    /// How many orders.
    pub(super) orders: u32,
    /// The order that trades first.
    pub(super) oldest: u32,
    /// The order that trades last.
    pub(super) youngest: u32,
    /// The shown order that trades last of those; hidden ones come behind it. 0 = all are hidden.
    pub(super) youngest_shown: u32,
}

const _: () = assert!(size_of::<Level>() == 32);

/// What all ladders lie in.
#[derive(Debug)]
pub(super) struct Rungs {
    pub(super) levels: Slab<Level>,
    nodes: Nodes,
}

/// Prices in ticks, modulo 2^32: exact where the price is a whole number of them.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    /// The tick is an odd number, shifted so far.
    shift: u32,
    /// The odd number's inverse modulo 2^32: to multiply by it is to divide by the odd number.
    inverse: u32,
}

/// Ticks around the touch whose levels are found at once.
const NEAR_TICKS: u32 = 1_024;

/// Orders at a price, of those there is room for, in books that are not thinner than usual.
const ORDERS_PER_LEVEL: u32 = 32;

/// Levels between the best and the one that is brought near as the best is taken.
const LEVELS_AHEAD: usize = 4;
/// The same of the one whose first order is.
const ORDERS_AHEAD: usize = 2;

impl Rungs {
    /// Room for `ladders` with `levels` in all.
    pub(super) fn new(ladders: u32, levels: u32) -> Self {
        let usual = levels / ORDERS_PER_LEVEL;
        let nodes = [levels, usual].map(|levels| nodes_max(ladders, levels));
        Self { levels: Slab::new(levels, usual), nodes: Slab::new(nodes[0], nodes[1]) }
    }
}

impl Ladder {
    /// Without a level. Prices are thought to be whole numbers of `tick`; others are found by the tree.
    pub(super) fn new(side: BookSide, tick: u64) -> Self {
        let near = vec![0; NEAR_TICKS as usize].into_boxed_slice();
        let tree = Tree::default();
        let flip = if side == BookSide::Bids { u32::MAX } else { 0 };
        Self { flip, best: 0, best_rank: UNUSED, tree, near, ticks: Ticks::new(tick) }
    }

    /// The level at the best price, 0 if there is none.
    pub(super) const fn best(&self) -> u32 {
        self.best
    }

    /// The best price, if an order of the other side with this limit would trade at it.
    pub(super) fn crossed_by(&self, limit: Price) -> Option<Price> {
        let limit = u32::try_from(limit.0).unwrap_or(u32::MAX);
        let crossed = self.best_rank != UNUSED && self.best_rank <= limit ^ self.flip;
        crossed.then(|| self.price(self.best_rank))
    }

    /// Every level, best price first.
    pub(super) fn iter(&self, rungs: &Rungs) -> impl Iterator<Item = (Price, u32)> {
        let levels = self.tree.iter(&rungs.nodes);
        levels.map(|level| (self.price(rungs.levels.get(level).rank), level))
    }

    /// The level at `price`, made without an order if it is not there.
    ///
    /// # Panics
    /// If no order may have this price.
    pub(super) fn level_at(&mut self, rungs: &mut Rungs, price: Price) -> u32 {
        let number = u32::try_from(price.0).expect("a price below 2^32");
        let rank = number ^ self.flip;
        assert_ne!(rank, UNUSED, "no order may bid nothing, or ask for 2^32 - 1");
        let place = self.ticks.place(number);
        let level = self.near[place];
        if level != 0 && rungs.levels.get(level).rank == rank {
            return level;
        }
        let level = self.found_or_made(rungs, rank);
        self.near[place] = level;
        level
    }

    /// Brings near where the level of a price is remembered.
    pub(super) fn expect(&self, price: Price) {
        prefetch(&self.near[self.place(price)]);
    }

    /// The level that is remembered there: of this price or another, or 0.
    pub(super) fn remembered(&self, price: Price) -> u32 {
        self.near[self.place(price)]
    }

    /// Takes a level out, and frees it. Says which order may trade soon, 0 = none: whoever took the best
    /// price may go on to the next ones.
    pub(super) fn remove(&mut self, rungs: &mut Rungs, level: u32) -> u32 {
        let rank = rungs.levels.get(level).rank;
        let near = &mut self.near[self.ticks.place(rank ^ self.flip)];
        if *near == level {
            *near = 0;
        }
        self.tree.remove(&mut rungs.nodes, rank);
        rungs.levels.remove(level);
        if level != self.best {
            return 0;
        }
        let Rungs { levels, nodes } = rungs;
        let first = self.tree.first(nodes);
        self.best = first.first().copied().unwrap_or(0);
        self.best_rank = if self.best == 0 { UNUSED } else { levels.get(self.best).rank };
        if let Some(&level) = first.get(LEVELS_AHEAD) {
            levels.prefetch(level);
        }
        first.get(ORDERS_AHEAD).map_or(0, |&level| levels.get(level).oldest)
    }

    fn place(&self, price: Price) -> usize {
        self.ticks.place(u32::try_from(price.0).unwrap_or(u32::MAX))
    }

    fn price(&self, rank: u32) -> Price {
        Price(u64::from(rank ^ self.flip))
    }

    fn found_or_made(&mut self, rungs: &mut Rungs, rank: u32) -> u32 {
        let Rungs { levels, nodes } = rungs;
        let way = match self.tree.find(nodes, rank) {
            Ok(level) => return level,
            Err(way) => way,
        };
        let level = levels.insert(Level { rank, ..Level::default() }).expect("as many as orders");
        self.tree.insert(nodes, &way, rank, level);
        if rank < self.best_rank {
            (self.best, self.best_rank) = (level, rank);
        }
        level
    }
}

impl Ticks {
    const fn new(tick: u64) -> Self {
        let tick = if tick == 0 { 1 } else { tick };
        let shift = tick.trailing_zeros();
        #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32")]
        let odd = (tick >> shift) as u32;
        // Newton: each step doubles the bits that are right, and an odd number is its own inverse in
        // the first three.
        let mut inverse = odd;
        let mut step = 0;
        while step < 4 {
            inverse = inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse)));
            step += 1;
        }
        Self { shift: if shift < 32 { shift } else { 31 }, inverse }
    }

    /// Where the level of a price is remembered.
    const fn place(self, price: u32) -> usize {
        let ticks = (price >> self.shift).wrapping_mul(self.inverse);
        (ticks % NEAR_TICKS) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A ladder with slabs of its own.
    struct Alone {
        ladder: Ladder,
        rungs: Rungs,
    }

    impl Alone {
        fn new(side: BookSide, tick: u64) -> Self {
            Self { ladder: Ladder::new(side, tick), rungs: Rungs::new(1, 20_000) }
        }

        fn add(&mut self, price: u64) -> u32 {
            self.ladder.level_at(&mut self.rungs, Price(price))
        }

        fn remove(&mut self, price: u64) {
            let level = self.add(price);
            self.ladder.remove(&mut self.rungs, level);
        }

        fn prices(&self) -> Vec<u64> {
            self.ladder.iter(&self.rungs).map(|(price, _)| price.0).collect()
        }

        fn best(&self) -> Option<u64> {
            let Self { ladder, rungs } = self;
            let limit = Price(if ladder.flip == 0 { u64::MAX } else { 0 });
            let best = ladder.crossed_by(limit).map(|price| price.0);
            assert_eq!(best, ladder.iter(rungs).next().map(|(price, _)| price.0));
            best
        }
    }

    #[test]
    fn the_best_bid_is_the_highest_and_the_best_ask_the_lowest() {
        for (side, best_first) in [(BookSide::Bids, [30, 20, 10]), (BookSide::Asks, [10, 20, 30])] {
            let mut alone = Alone::new(side, 10);
            for price in [20, 10, 30] {
                alone.add(price);
            }
            assert_eq!(alone.prices(), best_first);
            assert_eq!(alone.best(), Some(best_first[0]));
            alone.remove(20);
            assert_eq!(alone.prices(), [best_first[0], best_first[2]]);
        }
    }

    #[test]
    fn a_price_that_a_limit_does_not_reach_is_not_crossed() {
        let mut bids = Alone::new(BookSide::Bids, 1);
        bids.add(100);
        assert_eq!(bids.ladder.crossed_by(Price(101)), None);
        assert_eq!(bids.ladder.crossed_by(Price(100)), Some(Price(100)));
        let mut asks = Alone::new(BookSide::Asks, 1);
        assert_eq!(asks.ladder.crossed_by(Price(u64::MAX)), None);
        asks.add(100);
        assert_eq!(asks.ladder.crossed_by(Price(99)), None);
        assert_eq!(asks.ladder.crossed_by(Price(100)), Some(Price(100)));
    }

    #[test]
    fn neighbouring_ticks_are_remembered_side_by_side() {
        for tick in [1, 5, 100, 2_500, 1 << 20] {
            let ticks = Ticks::new(tick);
            let last = (u64::from(u32::MAX) / tick).min(5_000);
            for number in 0..last {
                let place = ticks.place(u32::try_from(number * tick).unwrap());
                assert_eq!(
                    place as u64,
                    number % u64::from(NEAR_TICKS),
                    "{number} ticks of {tick}"
                );
            }
        }
    }

    #[test]
    fn no_choice_of_prices_loses_a_level() {
        const LEVELS: u64 = 10_000;
        let rising: Vec<_> = (1..=LEVELS).collect();
        let falling: Vec<_> = (1..=LEVELS).rev().collect();
        let inward: Vec<_> = (1..=LEVELS / 2).flat_map(|n| [n, LEVELS + 1 - n]).collect();
        // All are remembered at the same place.
        let far: Vec<_> = (1..=LEVELS).map(|n| n * 1_024 * 7).collect();
        for prices in [rising, falling, inward, far] {
            let mut alone = Alone::new(BookSide::Asks, 7);
            for &price in &prices {
                alone.add(price);
            }
            let mut left = prices.clone();
            left.sort_unstable();
            assert_eq!(alone.prices(), left);
            for &price in prices.iter().take(9_900) {
                alone.remove(price);
            }
            left.retain(|price| prices[9_900..].contains(price));
            assert_eq!((alone.prices(), alone.best()), (left.clone(), left.first().copied()));
            for price in left {
                alone.remove(price);
            }
            assert_eq!(alone.best(), None);
            assert_eq!((alone.rungs.levels.len(), alone.rungs.nodes.len()), (0, 0));
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_an_ordered_map(
            bids: bool,
            tick in 1_u64..4,
            spread in 1_u64..600,
            changes in prop::collection::vec((1_u64..400, 0..3), 1..1_500),
        ) {
            let side = if bids { BookSide::Bids } else { BookSide::Asks };
            let mut alone = Alone::new(side, tick);
            let mut model = BTreeMap::new();
            for (price, change) in changes {
                let price = price * spread;
                if change > 0 {
                    let level = alone.add(price);
                    prop_assert_eq!(*model.entry(price).or_insert(level), level);
                } else if model.remove(&price).is_some() {
                    alone.remove(price);
                }
                let best = if bids { model.last_key_value() } else { model.first_key_value() };
                prop_assert_eq!(alone.best(), best.map(|(&price, _)| price));
                alone.ladder.tree.check(&alone.rungs.nodes, model.len());
            }
            let mut best_first: Vec<_> = model.into_keys().collect();
            if bids {
                best_first.reverse();
            }
            prop_assert_eq!(alone.prices(), best_first);
        }
    }
}
