//! How a broker of the demo trades: what it enters next, at which price, and what it takes back.
//! Decides from the walk, its dice and its own live orders; sends nothing and reads no clock.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::walk::{Dice, Walk};
use crate::types::{Price, Quantity, Side, Symbol, TimeInForce, UserRefNum};

/// An instrument of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instrument {
    pub(super) symbol: Symbol,
    pub(super) tick_size: u64,
    /// Where its price begins, in ticks.
    pub(super) reference_ticks: u64,
}

/// An order to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewOrder {
    pub(super) user_ref_num: UserRefNum,
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) quantity: Quantity,
    pub(super) price: Price,
    pub(super) time_in_force: TimeInForce,
}

/// One broker's trading.
#[derive(Debug)]
pub(super) struct Trader {
    walk: Walk,
    dice: Dice,
    instruments: Vec<Instrument>,
    /// What the exchange may still speak of.
    orders: HashMap<UserRefNum, OwnOrder>,
    /// Per instrument the orders that rest, oldest first, and that no cancel was sent for.
    resting: Vec<VecDeque<UserRefNum>>,
    last: UserRefNum,
}

#[derive(Clone, Copy, Debug)]
struct OwnOrder {
    instrument: usize,
    open: u32,
    entered: Duration,
}

/// A broker's orders resting in one instrument; the oldest beyond that are taken back. It bounds the
/// exchange's book and the broker's own tables.
const RESTING_MAX: usize = 12;
/// Of a hundred orders, those that cross the spread.
const CROSSING_PERCENT: u64 = 15;
/// Of a hundred crossing orders, those that do not wait for what is left.
const IMMEDIATE_PERCENT: u64 = 50;
/// Of a hundred orders, those with which another is taken back.
const CANCEL_PERCENT: u64 = 50;
/// Passive orders lie within so many ticks behind the touch.
const DEPTH_TICKS: u64 = 8;
/// Crossing orders reach so many ticks beyond the price.
const REACH_TICKS: u64 = 4;
const ROUND_LOT: u64 = 100;

impl Trader {
    pub(super) fn new(seed: u64, broker: u64, instruments: Vec<Instrument>) -> Self {
        Self {
            walk: Walk::new(seed),
            dice: Dice::new(seed, broker),
            resting: vec![VecDeque::new(); instruments.len()],
            instruments,
            orders: HashMap::new(),
            last: UserRefNum::NONE,
        }
    }

    /// The next order, entered `elapsed` after the start.
    pub(super) fn enter(&mut self, elapsed: Duration) -> NewOrder {
        let index = self.dice.below(self.instruments.len() as u64);
        let instrument = self.instruments[usize::try_from(index).expect("a small number")];
        let middle = self.walk.ticks(index, instrument.reference_ticks, elapsed);
        let side = if self.dice.chance(50) { Side::Buy } else { Side::Sell };
        let crossing = self.dice.chance(CROSSING_PERCENT);
        let (towards, lots) = if crossing {
            (REACH_TICKS.cast_signed(), 1 + self.dice.below(3))
        } else {
            (-1 - self.dice.below(DEPTH_TICKS).cast_signed(), 1 + self.dice.below(5))
        };
        let towards = if side.is_buy() { towards } else { -towards };
        let ticks = middle.saturating_add_signed(towards).max(1);
        let immediate = crossing && self.dice.chance(IMMEDIATE_PERCENT);
        let quantity = u32::try_from(lots * ROUND_LOT).expect("a few lots");

        self.last = UserRefNum(self.last.0 + 1);
        let instrument_index = usize::try_from(index).expect("a small number");
        let own = OwnOrder { instrument: instrument_index, open: quantity, entered: elapsed };
        self.orders.insert(self.last, own);
        if !immediate {
            self.resting[instrument_index].push_back(self.last);
        }
        NewOrder {
            user_ref_num: self.last,
            symbol: instrument.symbol,
            side,
            quantity: Quantity(quantity),
            price: Price(ticks * instrument.tick_size),
            time_in_force: if immediate {
                TimeInForce::ImmediateOrCancel
            } else {
                TimeInForce::Day
            },
        }
    }

    /// What to take back after an order: the oldest where too many rest, sometimes another.
    pub(super) fn cancel(&mut self, after: &NewOrder) -> Option<UserRefNum> {
        let instrument = self.orders.get(&after.user_ref_num)?.instrument;
        let resting = &mut self.resting[instrument];
        if resting.len() > RESTING_MAX {
            return resting.pop_front();
        }
        if resting.is_empty() || !self.dice.chance(CANCEL_PERCENT) {
            return None;
        }
        let which = self.dice.below(resting.len() as u64);
        resting.remove(usize::try_from(which).expect("a small number"))
    }

    /// An order was accepted: how long ago it was entered. `None` if it is not ours.
    pub(super) fn accepted(&self, order: UserRefNum, elapsed: Duration) -> Option<Duration> {
        let own = self.orders.get(&order)?;
        Some(elapsed.saturating_sub(own.entered))
    }

    /// Shares of an order were executed or canceled: the instrument's index. `None` if not ours.
    pub(super) fn reduced(&mut self, order: UserRefNum, quantity: u32) -> Option<usize> {
        let own = self.orders.get_mut(&order)?;
        let instrument = own.instrument;
        own.open = own.open.saturating_sub(quantity);
        if own.open == 0 {
            self.over(order);
        }
        Some(instrument)
    }

    /// An order is over: rejected, or accepted dead.
    pub(super) fn over(&mut self, order: UserRefNum) {
        if let Some(own) = self.orders.remove(&order) {
            self.resting[own.instrument].retain(|other| *other != order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trader(broker: u64) -> Trader {
        let instrument = |name| Instrument {
            symbol: Symbol::new(name).unwrap(),
            tick_size: 100,
            reference_ticks: 2_500,
        };
        Trader::new(1, broker, ["AAA", "BBB", "CCC"].map(instrument).to_vec())
    }

    #[test]
    fn orders_are_numbered_and_priced_around_the_walk() {
        let mut trader = trader(0);
        for number in 1..=1_000 {
            let order = trader.enter(Duration::ZERO);
            assert_eq!(order.user_ref_num, UserRefNum(number));
            assert!(order.price.0.is_multiple_of(100) && order.price.0.abs_diff(250_000) <= 900);
            assert!(order.quantity.0.is_multiple_of(100) && order.quantity.0 > 0);
            trader.over(order.user_ref_num);
        }
    }

    #[test]
    fn some_orders_cross_and_most_rest() {
        let mut trader = trader(0);
        let orders: Vec<_> = (0..1_000).map(|_| trader.enter(Duration::ZERO)).collect();
        let reaches = |order: &&NewOrder| (order.price.0 > 250_000) == order.side.is_buy();
        let crossing = orders.iter().filter(reaches).count();
        assert!((100..200).contains(&crossing), "{crossing}");
        let immediate = |order: &&NewOrder| order.time_in_force == TimeInForce::ImmediateOrCancel;
        assert!((50..110).contains(&orders.iter().filter(immediate).count()));
    }

    #[test]
    fn live_orders_stay_bounded_when_nothing_trades() {
        let mut trader = trader(0);
        for _ in 0..10_000 {
            let order = trader.enter(Duration::ZERO);
            if order.time_in_force == TimeInForce::ImmediateOrCancel {
                trader.reduced(order.user_ref_num, order.quantity.0);
            }
            if let Some(canceled) = trader.cancel(&order) {
                assert!(trader.orders.contains_key(&canceled));
                trader.reduced(canceled, u32::MAX);
            }
        }
        assert!(trader.orders.len() <= 3 * (RESTING_MAX + 1), "{}", trader.orders.len());
    }

    #[test]
    fn an_order_is_followed_until_nothing_is_open() {
        let mut trader = trader(0);
        let order = trader.enter(Duration::from_millis(5));
        let later = Duration::from_millis(7);
        assert_eq!(trader.accepted(order.user_ref_num, later), Some(Duration::from_millis(2)));
        assert!(trader.reduced(order.user_ref_num, order.quantity.0 - 1).is_some());
        assert!(trader.reduced(order.user_ref_num, 1).is_some());
        assert_eq!(trader.reduced(order.user_ref_num, 1), None);
        assert_eq!(trader.accepted(order.user_ref_num, later), None);
        assert!(trader.resting.iter().all(VecDeque::is_empty));
    }
}
