//! The baseline: what a good programmer writes in an afternoon. Ordered maps of price levels, the orders
//! of a level in a list through a slab, a table from order numbers to slots.

use std::collections::BTreeMap;

use super::{Kind, Matcher, Operation, Trade};
use crate::matching::BookSide;

/// The books of all instruments.
#[derive(Debug)]
pub struct SlabBooks {
    /// By instrument: bids, asks. Keys are ranks: the best price has the least.
    books: Vec<[BTreeMap<u64, Level>; 2]>,
    orders: Vec<Order>,
    free: Vec<u32>,
    /// By order number; 0 is none.
    slots: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    quantity: u64,
    oldest: u32,
    youngest: u32,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    number: u32,
    open: u32,
    price: u64,
    instrument: u16,
    side: BookSide,
    older: u32,
    younger: u32,
}

impl SlabBooks {
    /// Empty books, for orders numbered up to `numbers`.
    #[must_use]
    pub fn new(instruments: u16, numbers: u32) -> Self {
        let nobody = Order {
            number: 0,
            open: 0,
            price: 0,
            instrument: 0,
            side: BookSide::Bids,
            older: 0,
            younger: 0,
        };
        Self {
            books: vec![Default::default(); usize::from(instruments)],
            orders: vec![nobody],
            free: Vec::new(),
            slots: vec![0; numbers as usize + 1],
        }
    }

    /// The best price of a side of the book at this place.
    #[must_use]
    pub fn best(&self, book: usize, side: BookSide) -> Option<u64> {
        let (&rank, _) = self.books[book][side as usize].first_key_value()?;
        Some(price_of(side, rank))
    }

    fn cancel(&mut self, number: u32) {
        let slot = std::mem::take(&mut self.slots[number as usize]);
        if slot == 0 {
            return;
        }
        let order = self.orders[slot as usize];
        let rank = rank_of(order.side, order.price);
        let side = &mut self.books[usize::from(order.instrument) - 1][order.side as usize];
        let level = side.get_mut(&rank).expect("a resting order's level");
        level.quantity -= u64::from(order.open);
        match order.older {
            0 => level.oldest = order.younger,
            other => self.orders[other as usize].younger = order.younger,
        }
        match order.younger {
            0 => level.youngest = order.older,
            other => self.orders[other as usize].older = order.older,
        }
        if level.oldest == 0 {
            side.remove(&rank);
        }
        self.free.push(slot);
    }

    fn enter(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade)) {
        let &Operation { side, instrument, number, price, .. } = operation;
        let mut open = operation.quantity;
        let book = &mut self.books[usize::from(instrument) - 1];
        let others = &mut book[side.opposite() as usize];
        while open > 0
            && let Some(mut entry) = others.first_entry()
        {
            let best = price_of(side.opposite(), *entry.key());
            if !crosses(side, price, best) {
                break;
            }
            let level = entry.get_mut();
            let slot = level.oldest;
            let resting = &mut self.orders[slot as usize];
            let quantity = open.min(resting.open);
            open -= quantity;
            resting.open -= quantity;
            level.quantity -= u64::from(quantity);
            tell(Trade { resting: resting.number, incoming: number, price: best, quantity });
            if resting.open == 0 {
                self.slots[resting.number as usize] = 0;
                level.oldest = resting.younger;
                self.free.push(slot);
                match level.oldest {
                    0 => drop(entry.remove()),
                    oldest => self.orders[oldest as usize].older = 0,
                }
            }
        }
        if open == 0 {
            return;
        }
        let level = book[side as usize].entry(rank_of(side, price)).or_default();
        let before = level.youngest;
        let order = Order { number, open, price, instrument, side, older: before, younger: 0 };
        let slot = if let Some(slot) = self.free.pop() {
            self.orders[slot as usize] = order;
            slot
        } else {
            self.orders.push(order);
            u32::try_from(self.orders.len() - 1).expect("some millions")
        };
        level.quantity += u64::from(open);
        level.youngest = slot;
        match before {
            0 => level.oldest = slot,
            other => self.orders[other as usize].younger = slot,
        }
        self.slots[number as usize] = slot;
    }
}

impl Matcher for SlabBooks {
    fn apply(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade)) {
        if operation.kind != Kind::Enter {
            self.cancel(operation.target);
        }
        if operation.kind != Kind::Cancel {
            self.enter(operation, tell);
        }
    }
}

pub(super) const fn crosses(side: BookSide, limit: u64, best: u64) -> bool {
    match side {
        BookSide::Bids => best <= limit,
        BookSide::Asks => best >= limit,
    }
}

pub(super) const fn rank_of(side: BookSide, price: u64) -> u64 {
    match side {
        BookSide::Bids => !price,
        BookSide::Asks => price,
    }
}

pub(super) const fn price_of(side: BookSide, rank: u64) -> u64 {
    rank_of(side, rank)
}
