//! The oracle: price-time priority in the fewest words. A list of orders for each price, looked through
//! from its start; what it says is right because there is nothing in it that could be wrong.

use std::collections::{BTreeMap, HashMap};

use super::slab::{crosses, price_of, rank_of};
use super::{Kind, Matcher, Operation, Trade};
use crate::matching::BookSide;

/// The books of all instruments.
#[derive(Debug, Default)]
pub struct NaiveBooks {
    /// By instrument, side and rank: (number, open) from the oldest order on.
    levels: BTreeMap<(u16, bool, u64), Vec<(u32, u32)>>,
    /// By number: where it rests.
    resting: HashMap<u32, (u16, BookSide, u64)>,
}

impl NaiveBooks {
    fn cancel(&mut self, number: u32) {
        let Some((instrument, side, price)) = self.resting.remove(&number) else { return };
        let key = key(instrument, side, rank_of(side, price));
        let level = self.levels.get_mut(&key).expect("a resting order's level");
        level.retain(|&(other, _)| other != number);
        if level.is_empty() {
            self.levels.remove(&key);
        }
    }

    fn enter(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade)) {
        let &Operation { side, instrument, number, price, .. } = operation;
        let other = side.opposite();
        let mut open = operation.quantity;
        while open > 0
            && let Some((&best, level)) = self
                .levels
                .range_mut(key(instrument, other, 0)..=key(instrument, other, u64::MAX))
                .next()
            && crosses(side, price, price_of(other, best.2))
        {
            let (resting, left) = &mut level[0];
            let quantity = open.min(*left);
            open -= quantity;
            *left -= quantity;
            let resting = *resting;
            tell(Trade { resting, incoming: number, price: price_of(other, best.2), quantity });
            if *left == 0 {
                self.cancel(resting);
            }
        }
        if open > 0 {
            self.levels
                .entry(key(instrument, side, rank_of(side, price)))
                .or_default()
                .push((number, open));
            self.resting.insert(number, (instrument, side, price));
        }
    }
}

fn key(instrument: u16, side: BookSide, rank: u64) -> (u16, bool, u64) {
    (instrument, side == BookSide::Bids, rank)
}

impl Matcher for NaiveBooks {
    fn apply(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade)) {
        if operation.kind != Kind::Enter {
            self.cancel(operation.target);
        }
        if operation.kind != Kind::Cancel {
            self.enter(operation, tell);
        }
    }
}
