//! Depth: how far an order would reach into a book, asked before it trades.
//!
//! Nothing is changed; what is asked for bounds how much is looked at.

use super::book::{BookSide, Books};
use super::views::OrderView;
use crate::types::{InstrumentId, Price, Quantity};

impl Books {
    /// The worst price at which an order of `side` would trade `quantity` shares without a limit, or
    /// all there is in the first `levels_max` levels. `None` if nobody is there.
    #[must_use]
    pub fn reach(
        &self,
        instrument: InstrumentId,
        side: BookSide,
        quantity: Quantity,
        levels_max: usize,
    ) -> Option<Price> {
        let mut wanted = u64::from(quantity.0);
        let mut worst = None;
        for level in self.levels(instrument, side.opposite()).take(levels_max) {
            worst = Some(level.price);
            if level.quantity >= wanted {
                break;
            }
            wanted -= level.quantity;
        }
        worst
    }

    /// Whether an order of `side` with this limit would trade `least` shares at once, in `fills_max`
    /// fills or fewer.
    #[must_use]
    pub fn offers(
        &self,
        instrument: InstrumentId,
        side: BookSide,
        limit: Price,
        least: Quantity,
        fills_max: usize,
    ) -> bool {
        let (mut wanted, mut fills_left) = (u64::from(least.0), fills_max);
        let orders = self.orders(instrument, side.opposite());
        let mut orders = orders.take_while(|order| side.reaches(limit, order.price)).peekable();
        while let Some(price) = orders.peek().map(|order| order.price) {
            let (mut looked_at, mut shown, mut open, mut fills) = (0, 0, 0, 0);
            while let Some(order) = orders.next_if(|order| order.price == price) {
                looked_at += 1;
                shown += u64::from(order.shown.0);
                open += u64::from(order.open.0);
                fills += fills_of(&order);
                if shown >= wanted {
                    return looked_at <= fills_left;
                }
                if looked_at > fills_left {
                    return false;
                }
            }
            // What is not shown trades last; which of the others are refreshed before is not worth
            // knowing: all of them, at the worst.
            if open >= wanted || fills > fills_left {
                return fills <= fills_left;
            }
            wanted -= open;
            fills_left -= fills;
        }
        false
    }
}

/// Fills until nothing is left of a resting order.
fn fills_of(order: &OrderView) -> usize {
    let not_shown = order.open.0 - order.shown.0;
    if order.shown.is_zero() || not_shown == 0 {
        return 1;
    }
    1 + not_shown.div_ceil(order.display.0) as usize
}

#[cfg(test)]
mod tests {
    use super::super::book::Incoming;
    use super::super::book::tests::{ACME, books, enter, order};
    use super::*;

    #[test]
    fn a_reach_is_the_price_of_the_last_level_that_is_needed() {
        let mut books = books();
        assert_eq!(books.reach(ACME, BookSide::Bids, Quantity(1), 9), None);
        for (number, price) in [(1, 100), (2, 100), (3, 101), (4, 103)] {
            enter(&mut books, order(number, BookSide::Asks, 10, price));
        }
        let reach =
            |quantity, levels| books.reach(ACME, BookSide::Bids, Quantity(quantity), levels);
        assert_eq!(reach(20, 9), Some(Price(100)));
        assert_eq!(reach(21, 9), Some(Price(101)));
        assert_eq!(reach(999, 9), Some(Price(103)));
        assert_eq!(reach(999, 2), Some(Price(101)));
    }

    #[test]
    fn an_offer_counts_shares_within_the_limit_and_fills_within_their_number() {
        let mut books = books();
        for (number, price) in [(1, 103), (2, 102), (3, 102), (4, 100)] {
            enter(&mut books, order(number, BookSide::Bids, 10, price));
        }
        let offers = |limit, least, fills| {
            books.offers(ACME, BookSide::Asks, Price(limit), Quantity(least), fills)
        };
        assert!(offers(102, 30, 3) && !offers(102, 31, 9));
        assert!(offers(100, 31, 4) && !offers(100, 31, 3));
        assert!(!offers(104, 1, 9));
    }

    #[test]
    fn an_offer_counts_each_part_of_a_reserve_as_a_fill() {
        let mut books = books();
        let reserve = order(1, BookSide::Bids, 10, 100);
        enter(&mut books, Incoming { display: Quantity(3), ..reserve });
        enter(&mut books, order(2, BookSide::Bids, 10, 100));
        let offers =
            |least, fills| books.offers(ACME, BookSide::Asks, Price(100), Quantity(least), fills);
        assert!(offers(13, 2) && !offers(13, 1));
        assert!(offers(20, 5) && !offers(20, 4) && !offers(21, 99));
    }
}
