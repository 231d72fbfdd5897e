//! The operations that every engine is given: one seed, one list, whatever executes it.
//!
//! Integers alone draw prices, sizes and steps, so that a seed means the same list on every machine. A
//! book of the baseline follows along: it says where the touch is and which orders live.

use super::slab::SlabBooks;
use super::{Kind, Matcher, Operation};
use crate::matching::BookSide;

/// A list of operations: the first `prefilled` fill the books and are not timed.
#[derive(Clone, Debug)]
pub struct Workload {
    /// All of them.
    pub operations: Vec<Operation>,
    /// How many come before the clock starts.
    pub prefilled: usize,
    /// Instruments, numbered from 1.
    pub instruments: u16,
    /// The most orders that rest at once.
    pub resting_max: u32,
    /// The highest number of an order.
    pub numbers: u32,
}

/// Units of price in a tick.
pub const TICK: u64 = 100;

/// Where every mid begins: 100.00, so that 600 ticks are 6 %.
const MID_TICKS: u64 = 10_000;
/// The standard deviation of a mid's relative step is some 37,800 of these, 2^-33: an eighth of a tick.
const STEP_SCALE: i128 = 3;
const STEP_SHIFT: u32 = 33;
/// Fraction bits of a mid.
const MID_SHIFT: u32 = 32;
/// Passive orders beyond this many ticks come from the power law alone.
const NEAR_MAX: usize = 120;
const FAR_MAX: u64 = 600;
/// Shares in a lot, the most lots of a passive order, and of an aggressive one: on average it takes two.
const LOT: u64 = 100;
const PASSIVE_LOTS: u64 = 10;
const AGGRESSIVE_LOTS: u64 = 20;
/// How far an aggressive order's limit lies beyond the touch.
const THROUGH_TICKS: u64 = 2;

/// Sparse books: an order at each of so many prices out of 2^24.
const SPARSE_PRICES: u32 = 1 << 24;

impl Workload {
    /// (a): `count` operations on 100 instruments, whose activity is Zipf's, after 3,000 orders in each.
    #[must_use]
    pub fn many_books(count: usize) -> Self {
        Self::mixed(0xA, 100, 3_000, count)
    }

    /// (b): `count` operations on one instrument, after 5,000 orders.
    #[must_use]
    pub fn one_book(count: usize) -> Self {
        Self::mixed(0xB, 1, 5_000, count)
    }

    /// `count` operations on so many instruments, after `per_book` orders in each.
    pub(in crate::cli::bench) fn mixed(
        seed: u64,
        instruments: u16,
        per_book: usize,
        count: usize,
    ) -> Self {
        let prefilled = per_book * usize::from(instruments);
        let mut generator = Generator::new(seed, instruments, prefilled + count);
        for at in 0..prefilled {
            generator.passive(at % usize::from(instruments));
        }
        for _ in 0..count {
            generator.one();
        }
        generator.finish(prefilled)
    }

    /// (c), its three phases: `orders` offers, each at its own price of 2^24; half of them canceled at
    /// random; and 20 purchases that each sweep `orders / 100` levels.
    ///
    /// # Panics
    /// On a machine that cannot hold them.
    #[must_use]
    pub fn sparse_book(orders: u32) -> (Self, [usize; 3]) {
        let mut random = SplitMix64(0xC);
        let mut operations = Vec::with_capacity(orders as usize * 3 / 2 + 20);
        let mut order = Operation {
            kind: Kind::Enter,
            side: BookSide::Asks,
            instrument: 1,
            number: 0,
            target: 0,
            price: 0,
            quantity: 100,
            executed: 0,
        };
        for number in 1..=orders {
            let price = u64::from(scatter(number % SPARSE_PRICES) + 1) * TICK;
            operations.push(Operation { number, price, ..order });
        }
        let mut live: Vec<u32> = (1..=orders).collect();
        for _ in 0..orders / 2 {
            let at = random.below(live.len() as u64);
            let target = live.swap_remove(usize::try_from(at).expect("a place in memory"));
            operations.push(Operation { kind: Kind::Cancel, target, ..order });
        }
        let levels = orders / 100;
        order = Operation { side: BookSide::Bids, quantity: levels * order.quantity, ..order };
        let price = u64::from(SPARSE_PRICES) * TICK;
        for sweep in 1..=20 {
            operations.push(Operation { number: orders + sweep, price, ..order });
        }
        let ends = [orders as usize, orders as usize * 3 / 2, operations.len()];
        let numbers = orders + 20;
        (Self { operations, prefilled: 0, instruments: 1, resting_max: orders, numbers }, ends)
    }

    /// The operations that are timed.
    #[must_use]
    pub fn timed(&self) -> &[Operation] {
        &self.operations[self.prefilled..]
    }
}

/// A permutation of 24-bit numbers in which neighbours lie far from each other.
const fn scatter(number: u32) -> u32 {
    let mixed = number.wrapping_mul(0x9E_3779) & (SPARSE_PRICES - 1);
    let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0x5B_D1E5) & (SPARSE_PRICES - 1);
    mixed ^ (mixed >> 12)
}

/// The generator of Steele, Lea and Flood.
#[derive(Clone, Copy, Debug)]
pub(super) struct SplitMix64(pub(super) u64);

impl SplitMix64 {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `0..bound`, but for 2^-32 of it.
    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        ((self.next() >> 32) * bound) >> 32
    }

    /// Four uniform numbers make a bell: mean 0, standard deviation 37,800.
    fn bell(&mut self) -> i64 {
        let bits = self.next();
        let lanes = (0..4).map(|lane| (bits >> (16 * lane)) & 0xFFFF).sum::<u64>();
        lanes.cast_signed() - 2 * 0xFFFF
    }
}

/// An order as the generator knows it.
#[derive(Clone, Copy, Debug)]
struct Row {
    side: BookSide,
    instrument: u16,
    open: u32,
    /// Of it and of what it replaced.
    executed: u32,
    /// Its place among the living of its instrument.
    place: u32,
}

struct Generator {
    random: SplitMix64,
    follower: SlabBooks,
    /// By number; number 0 is nobody's.
    rows: Vec<Row>,
    /// By instrument: numbers of the orders that rest.
    living: Vec<Vec<u32>>,
    /// By instrument: ticks, with [`MID_SHIFT`] bits of fraction.
    mids: Vec<u64>,
    /// By instrument: how much of 2^32 falls on it and those before.
    activity: Vec<u64>,
    /// How much of 2^32 lies at so many ticks from the touch or beyond.
    near: [u64; NEAR_MAX],
    operations: Vec<Operation>,
    resting: u32,
    resting_max: u32,
}

impl Generator {
    fn new(seed: u64, instruments: u16, operations: usize) -> Self {
        let count = usize::from(instruments);
        let shares: Vec<u64> = (1..=u64::from(instruments)).map(|rank| (1 << 32) / rank).collect();
        let all: u64 = shares.iter().sum();
        let mut sum = 0;
        let activity = shares.iter().map(|share| {
            sum += share;
            (sum << 32) / all
        });
        let mut beyond = 1 << 32;
        let nobody =
            Row { side: BookSide::Bids, instrument: 0, open: 0, executed: 0, place: u32::MAX };
        let numbers = u32::try_from(operations).expect("some millions");
        Self {
            random: SplitMix64(seed),
            follower: SlabBooks::new(instruments, numbers),
            rows: vec![nobody],
            living: vec![Vec::new(); count],
            mids: vec![MID_TICKS << MID_SHIFT; count],
            activity: activity.collect(),
            near: std::array::from_fn(|_| {
                let here = beyond;
                beyond = beyond * 7 / 8;
                here
            }),
            operations: Vec::with_capacity(operations),
            resting: 0,
            resting_max: 0,
        }
    }

    fn one(&mut self) {
        let draw = self.random.next() >> 32;
        let book = self.activity.partition_point(|&end| end <= draw).min(self.mids.len() - 1);
        let mid = i128::from(self.mids[book]);
        let step = (mid * i128::from(self.random.bell()) * STEP_SCALE) >> STEP_SHIFT;
        self.mids[book] = u64::try_from(mid + step).expect("a mid is far from zero");
        match self.random.below(100) {
            0..50 => self.passive(book),
            50..90 => self.cancel(book),
            90..95 => self.replace(book),
            _ => self.aggressive(book),
        }
    }

    fn passive(&mut self, book: usize) {
        let side = if self.random.next() >> 63 == 0 { BookSide::Bids } else { BookSide::Asks };
        let (price, quantity) = self.passive_terms(book, side);
        self.push(Operation { price, quantity, ..operation(Kind::Enter, book, side) });
    }

    fn cancel(&mut self, book: usize) {
        let Some(target) = self.victim(book) else { return self.passive(book) };
        let side = self.rows[target as usize].side;
        self.push(Operation { target, ..operation(Kind::Cancel, book, side) });
    }

    fn replace(&mut self, book: usize) {
        let Some(target) = self.victim(book) else { return self.passive(book) };
        let Row { side, executed, .. } = self.rows[target as usize];
        let (price, quantity) = self.passive_terms(book, side);
        let replace = operation(Kind::Replace, book, side);
        self.push(Operation { target, price, quantity, executed, ..replace });
    }

    /// An order that takes: on the side to which the mid has gone, if it has left the spread.
    fn aggressive(&mut self, book: usize) {
        let mid = self.mid(book);
        let [bid, ask] = [BookSide::Bids, BookSide::Asks].map(|side| self.best(book, side));
        let side = if ask.is_some_and(|ask| ask < mid) {
            BookSide::Bids
        } else if bid.is_some_and(|bid| bid > mid) || self.random.next() >> 63 == 0 {
            BookSide::Asks
        } else {
            BookSide::Bids
        };
        let tick = match side {
            BookSide::Bids => ask.unwrap_or(mid) + THROUGH_TICKS,
            BookSide::Asks => bid.unwrap_or(mid) - THROUGH_TICKS,
        };
        let quantity = self.quantity(AGGRESSIVE_LOTS);
        self.push(Operation { price: tick * TICK, quantity, ..operation(Kind::Enter, book, side) });
    }

    fn passive_terms(&mut self, book: usize, side: BookSide) -> (u64, u32) {
        let mid = self.mid(book);
        let away = self.distance();
        let other = self.best(book, side.opposite());
        let tick = match side {
            BookSide::Bids => other.map_or(mid, |ask| ask.min(mid)) - 1 - away,
            BookSide::Asks => other.map_or(mid, |bid| bid.max(mid)) + 1 + away,
        };
        (tick * TICK, self.quantity(PASSIVE_LOTS))
    }

    fn distance(&mut self) -> u64 {
        let draw = self.random.next() >> 32;
        if self.random.below(10) == 0 {
            // As many lie at `n` ticks or beyond as 1 in `n`.
            return ((1 << 32) / (draw + 1)).min(FAR_MAX);
        }
        self.near.partition_point(|&beyond| beyond > draw) as u64 - 1
    }

    fn quantity(&mut self, lots: u64) -> u32 {
        let quantity = LOT * (1 + self.random.below(lots));
        u32::try_from(quantity).expect("some thousands")
    }

    fn victim(&mut self, book: usize) -> Option<u32> {
        let living = &self.living[book];
        let at = self.random.below(living.len() as u64);
        living.get(usize::try_from(at).expect("a place in memory")).copied()
    }

    fn mid(&self, book: usize) -> u64 {
        self.mids[book] >> MID_SHIFT
    }

    fn best(&self, book: usize, side: BookSide) -> Option<u64> {
        self.follower.best(book, side).map(|price| price / TICK)
    }

    /// Numbers the operation, has the follower execute it, and notes who lives.
    fn push(&mut self, mut operation: Operation) {
        if operation.kind != Kind::Cancel {
            operation.number = u32::try_from(self.rows.len()).expect("some millions");
            let Operation { side, instrument, quantity, executed, .. } = operation;
            self.rows.push(Row { side, instrument, open: quantity, executed, place: u32::MAX });
        }
        if operation.kind != Kind::Enter {
            self.bury(operation.target);
        }
        let Self { follower, rows, .. } = self;
        let mut dead = Vec::new();
        follower.apply(&operation, &mut |trade| {
            for number in [trade.resting, trade.incoming] {
                let row = &mut rows[number as usize];
                row.open -= trade.quantity;
                row.executed += trade.quantity;
            }
            if rows[trade.resting as usize].open == 0 {
                dead.push(trade.resting);
            }
        });
        for number in dead {
            self.bury(number);
        }
        let row = &mut self.rows[operation.number as usize];
        if row.open > 0 && operation.kind != Kind::Cancel {
            let living = &mut self.living[usize::from(row.instrument) - 1];
            row.place = u32::try_from(living.len()).expect("some thousands");
            living.push(operation.number);
            self.resting += 1;
            self.resting_max = self.resting_max.max(self.resting);
        }
        self.operations.push(operation);
    }

    /// Takes an order from the living.
    fn bury(&mut self, number: u32) {
        let Row { instrument, place, .. } = self.rows[number as usize];
        let living = &mut self.living[usize::from(instrument) - 1];
        living.swap_remove(place as usize);
        if let Some(&moved) = living.get(place as usize) {
            self.rows[moved as usize].place = place;
        }
        self.resting -= 1;
    }

    fn finish(self, prefilled: usize) -> Workload {
        Workload {
            prefilled,
            instruments: u16::try_from(self.mids.len()).expect("made from one"),
            resting_max: self.resting_max,
            numbers: u32::try_from(self.rows.len() - 1).expect("some millions"),
            operations: self.operations,
        }
    }
}

fn operation(kind: Kind, book: usize, side: BookSide) -> Operation {
    let instrument = u16::try_from(book + 1).expect("made from one");
    Operation { kind, side, instrument, number: 0, target: 0, price: 0, quantity: 0, executed: 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn splitmix_says_what_its_authors_say() {
        let mut random = SplitMix64(1_234_567);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn the_mix_is_the_one_that_was_asked_for() {
        let workload = Workload::one_book(20_000);
        assert_eq!(workload.timed().len(), 20_000);
        let percent = |kind| {
            let of_kind = workload.timed().iter().filter(|operation| operation.kind == kind);
            of_kind.count() / 200
        };
        assert!(percent(Kind::Enter).abs_diff(55) <= 1, "{}", percent(Kind::Enter));
        assert!(percent(Kind::Cancel).abs_diff(40) <= 1, "{}", percent(Kind::Cancel));
        assert!(percent(Kind::Replace).abs_diff(5) <= 1, "{}", percent(Kind::Replace));
        let again = Workload::one_book(20_000);
        assert_eq!(workload.operations, again.operations, "a seed means one list");
    }

    #[test]
    fn a_sparse_book_has_every_order_at_a_price_of_its_own() {
        let (workload, ends) = Workload::sparse_book(10_000);
        let prices: BTreeSet<_> = workload.operations[..ends[0]].iter().map(|o| o.price).collect();
        assert_eq!((prices.len(), ends), (10_000, [10_000, 15_000, 15_020]));
    }
}
