//! A ladder: the price levels of one side of a book, in the order of their prices.
//!
//! A height-balanced (AVL) tree over the slab of levels, threaded from each level to its neighbours.
//! The best level is known and the next best one step away; to find, make or remove one takes at most
//! some 40 steps, whatever prices participants choose. Bounded only by the slab; never allocates.

use super::book::BookSide;
use super::slab::Slab;
use crate::types::Price;

/// The order of one side's levels. The levels themselves lie in a slab that all ladders share.
#[derive(Debug)]
pub(super) struct Ladder {
    side: BookSide,
    root: u32,
    best: u32,
}

/// The orders at one price, and where the price stands in its ladder: one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Level {
    /// Shares of all its orders.
    pub(super) quantity: u64,
    /// Higher is better, on either side.
    rank: u64,
    /// How many orders.
    pub(super) orders: u32,
    /// The order that trades first.
    pub(super) oldest: u32,
    /// The order that trades last.
    pub(super) youngest: u32,
    /// The shown order that trades last of those; hidden ones come behind it. 0 = all are hidden.
    pub(super) youngest_shown: u32,
    /// The next better level.
    better: u32,
    /// The next worse level.
    worse: u32,
    /// The trees of worse and of better levels below this one.
    children: [u32; 2],
    /// Levels on the longest way down, this one included.
    height: u32,
}

const _: () = assert!(size_of::<Level>() == 64);

/// Places in [`Level::children`].
const WORSE: usize = 0;
const BETTER: usize = 1;

type Levels = Slab<Level>;

impl Ladder {
    /// Without a level.
    pub(super) const fn new(side: BookSide) -> Self {
        Self { side, root: 0, best: 0 }
    }

    /// The level at the best price.
    pub(super) fn best(&self, levels: &Levels) -> Option<(Price, u32)> {
        self.at(levels, self.best)
    }

    /// Every level, best price first.
    pub(super) fn iter(&self, levels: &Levels) -> impl Iterator<Item = (Price, u32)> {
        let next = |&(_, level): &(Price, u32)| self.at(levels, levels.get(level).worse);
        std::iter::successors(self.best(levels), next)
    }

    /// The level at `price`.
    pub(super) fn find(&self, levels: &Levels, price: Price) -> Option<u32> {
        let rank = self.rank(price);
        let mut at = self.root;
        while at != 0 {
            let level = levels.get(at);
            if level.rank == rank {
                return Some(at);
            }
            at = level.children[usize::from(rank > level.rank)];
        }
        None
    }

    /// Makes `level`, which has no orders yet, that of a price that has none.
    ///
    /// # Panics
    /// If the price has one: the caller looked first.
    pub(super) fn insert(&mut self, levels: &mut Levels, price: Price, level: u32) {
        let rank = self.rank(price);
        let (mut better, mut worse) = (0, 0);
        let mut at = self.root;
        while at != 0 {
            let other = levels.get(at);
            assert_ne!(other.rank, rank, "price {price} has a level");
            if rank > other.rank {
                worse = at;
                at = other.children[BETTER];
            } else {
                better = at;
                at = other.children[WORSE];
            }
        }
        *levels.get_mut(level) = Level { rank, better, worse, height: 1, ..Level::default() };
        self.tie(levels, better, level);
        self.tie(levels, level, worse);
        self.root = grow(levels, self.root, level);
    }

    /// Takes a level out.
    pub(super) fn remove(&mut self, levels: &mut Levels, level: u32) {
        self.root = shrink(levels, self.root, level);
        let &Level { better, worse, .. } = levels.get(level);
        self.tie(levels, better, worse);
    }

    /// Makes two levels neighbours; 0 stands for the end of the ladder on either side.
    fn tie(&mut self, levels: &mut Levels, better: u32, worse: u32) {
        if better == 0 {
            self.best = worse;
        } else {
            levels.get_mut(better).worse = worse;
        }
        if worse != 0 {
            levels.get_mut(worse).better = better;
        }
    }

    fn at(&self, levels: &Levels, level: u32) -> Option<(Price, u32)> {
        (level != 0).then(|| (self.price(levels.get(level).rank), level))
    }

    const fn rank(&self, price: Price) -> u64 {
        match self.side {
            BookSide::Bids => price.0,
            BookSide::Asks => !price.0,
        }
    }

    const fn price(&self, rank: u64) -> Price {
        match self.side {
            BookSide::Bids => Price(rank),
            BookSide::Asks => Price(!rank),
        }
    }
}

/// Adds `level` to the tree below `root` and returns the tree's new root. Calls itself once for each
/// level on the way down: at most some 40 times.
fn grow(levels: &mut Levels, root: u32, level: u32) -> u32 {
    if root == 0 {
        return level;
    }
    let side = usize::from(levels.get(level).rank > levels.get(root).rank);
    let child = grow(levels, levels.get(root).children[side], level);
    levels.get_mut(root).children[side] = child;
    balance(levels, root)
}

/// Takes `level` out of the tree below `root`, in which it is, and returns the tree's new root.
fn shrink(levels: &mut Levels, root: u32, level: u32) -> u32 {
    if root != level {
        let side = usize::from(levels.get(level).rank > levels.get(root).rank);
        let child = shrink(levels, levels.get(root).children[side], level);
        levels.get_mut(root).children[side] = child;
        return balance(levels, root);
    }
    let [worse, better] = levels.get(level).children;
    if worse == 0 || better == 0 {
        return worse.max(better);
    }
    // Its next better neighbour is the worst of the better ones: it takes the place.
    let heir = levels.get(level).better;
    let better = shrink(levels, better, heir);
    levels.get_mut(heir).children = [worse, better];
    balance(levels, heir)
}

/// Makes the heights of both trees below `root` differ by at most one again, after one of them changed
/// by one, and returns the new root.
fn balance(levels: &mut Levels, root: u32) -> u32 {
    let [worse, better] = heights(levels, root);
    let heavy = if worse > better + 1 {
        WORSE
    } else if better > worse + 1 {
        BETTER
    } else {
        levels.get_mut(root).height = worse.max(better) + 1;
        return root;
    };
    let child = levels.get(root).children[heavy];
    let below = heights(levels, child);
    if below[1 - heavy] > below[heavy] {
        levels.get_mut(root).children[heavy] = raise(levels, child, 1 - heavy);
    }
    raise(levels, root, heavy)
}

/// Puts the child on `side` in the place of `root`, which becomes its child, and returns it.
fn raise(levels: &mut Levels, root: u32, side: usize) -> u32 {
    let child = levels.get(root).children[side];
    levels.get_mut(root).children[side] = levels.get(child).children[1 - side];
    levels.get_mut(child).children[1 - side] = root;
    for level in [root, child] {
        let [worse, better] = heights(levels, level);
        levels.get_mut(level).height = worse.max(better) + 1;
    }
    child
}

/// The heights of the trees below a level. The slab's slot 0, which is no level, has none.
fn heights(levels: &Levels, level: u32) -> [u32; 2] {
    levels.get(level).children.map(|child| levels.get(child).height)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A ladder with levels of its own.
    struct Alone {
        ladder: Ladder,
        levels: Levels,
    }

    impl Alone {
        fn new(side: BookSide) -> Self {
            Self { ladder: Ladder::new(side), levels: Slab::new(10_000) }
        }

        fn add(&mut self, price: u64) -> u32 {
            let level = self.levels.insert(Level::default()).unwrap();
            self.ladder.insert(&mut self.levels, Price(price), level);
            level
        }

        fn remove(&mut self, price: u64) {
            let level = self.ladder.find(&self.levels, Price(price)).unwrap();
            self.ladder.remove(&mut self.levels, level);
            self.levels.remove(level);
        }

        fn prices(&self) -> Vec<u64> {
            self.ladder.iter(&self.levels).map(|(price, _)| price.0).collect()
        }

        /// Levels on the longest way down.
        fn height(&self) -> u32 {
            self.levels.get(self.ladder.root).height
        }

        /// Levels below `level`, it included, after a look at each.
        fn check(&self, level: u32) -> usize {
            if level == 0 {
                return 0;
            }
            let [worse, better] = heights(&self.levels, level);
            let row = self.levels.get(level);
            assert!(worse.abs_diff(better) <= 1, "heights {worse} and {better}");
            assert_eq!(row.height, worse.max(better) + 1);
            for (child, is_better) in row.children.into_iter().zip([false, true]) {
                assert!(child == 0 || (self.levels.get(child).rank > row.rank) == is_better);
            }
            if row.better != 0 {
                assert_eq!(self.levels.get(row.better).worse, level);
            }
            row.children.map(|child| self.check(child)).iter().sum::<usize>() + 1
        }
    }

    #[test]
    fn the_best_bid_is_the_highest_and_the_best_ask_the_lowest() {
        for (side, best_first) in [(BookSide::Bids, [30, 20, 10]), (BookSide::Asks, [10, 20, 30])] {
            let mut alone = Alone::new(side);
            for price in [20, 10, 30] {
                alone.add(price);
            }
            assert_eq!(alone.prices(), best_first);
            assert_eq!(alone.ladder.best(&alone.levels).unwrap().0, Price(best_first[0]));
            alone.remove(20);
            assert_eq!(alone.ladder.find(&alone.levels, Price(20)), None);
            assert_eq!(alone.prices(), [best_first[0], best_first[2]]);
        }
    }

    #[test]
    fn no_choice_of_prices_makes_a_ladder_high() {
        const LEVELS: u64 = 4_096;
        let rising: Vec<_> = (1..=LEVELS).collect();
        let falling: Vec<_> = (1..=LEVELS).rev().collect();
        let inward: Vec<_> = (1..=LEVELS / 2).flat_map(|n| [n, LEVELS + 1 - n]).collect();
        for prices in [rising, falling, inward] {
            let mut alone = Alone::new(BookSide::Bids);
            for &price in &prices {
                alone.add(price);
            }
            // At most 1.44 times the 12 of a perfect tree, and nothing is gained by removing.
            assert!(alone.height() <= 18, "{} levels high", alone.height());
            for price in prices.iter().take(4_000) {
                alone.remove(*price);
            }
            assert!(alone.height() <= 9, "{} levels high", alone.height());
            assert_eq!(alone.check(alone.ladder.root), 96);
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_an_ordered_map(
            bids: bool,
            changes in prop::collection::vec((1_u64..60, any::<bool>()), 1..400),
        ) {
            let mut alone = Alone::new(if bids { BookSide::Bids } else { BookSide::Asks });
            let mut model = BTreeMap::new();
            for (price, add) in changes {
                if add && !model.contains_key(&price) {
                    model.insert(price, alone.add(price));
                } else if model.remove(&price).is_some() {
                    alone.remove(price);
                }
                prop_assert_eq!(alone.check(alone.ladder.root), model.len());
                let mut best_first: Vec<_> = model.keys().copied().collect();
                if bids {
                    best_first.reverse();
                }
                let best = alone.ladder.best(&alone.levels).map(|(price, _)| price.0);
                prop_assert_eq!(best, best_first.first().copied());
                prop_assert_eq!(alone.prices(), best_first);
                for price in 1..60 {
                    let found = alone.ladder.find(&alone.levels, Price(price));
                    prop_assert_eq!(found, model.get(&price).copied());
                }
            }
        }
    }
}
