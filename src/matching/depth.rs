//! Depth: whether an order would find what it asks for in a book, asked before it trades.
//!
//! Nothing is changed; what is asked for bounds how much is looked at.

use super::book::{BookSide, Books};
use super::views::OrderView;
use crate::types::{InstrumentId, OrderHandle, Price, Quantity, SelfMatchStrategy};

/// What an order asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Its side.
    pub side: BookSide,
    /// The worst price it may trade at.
    pub limit: Price,
    /// All its shares.
    pub quantity: Quantity,
    /// Those that it must trade at once, no more than all.
    pub least: Quantity,
    /// The most orders that it may meet for them.
    pub fills_max: usize,
}

impl Books {
    /// Whether an order would trade at once what it must. `prevented` says what happens to the two if it
    /// would meet that order of its owner, or nothing if they trade.
    #[must_use]
    pub fn offers(
        &self,
        instrument: InstrumentId,
        wanted: &Wanted,
        prevented: impl Fn(OrderHandle) -> Option<SelfMatchStrategy>,
    ) -> bool {
        let &Wanted { side, limit, quantity, least, fills_max } = wanted;
        let (mut wanted, mut fills_left) = (u64::from(least.0), fills_max);
        // What it may lose to its owner's orders and still trade as many.
        let mut spare = quantity.0 - least.0;
        let orders = self.orders(instrument, side.opposite());
        let mut orders = orders.take_while(|order| side.reaches(limit, order.price)).peekable();
        while let Some(price) = orders.peek().map(|order| order.price) {
            let (mut looked_at, mut shown, mut open, mut fills) = (0, 0, 0, 0);
            while let Some(order) = orders.next_if(|order| order.price == price) {
                looked_at += 1;
                if let Some(strategy) = prevented(order.handle) {
                    // A hidden order is met behind all that the shown ones have.
                    if order.shown.is_zero() && open >= wanted {
                        return fills <= fills_left;
                    }
                    let lost = match strategy {
                        SelfMatchStrategy::CancelNewest => return false,
                        SelfMatchStrategy::CancelOldest => 0,
                        SelfMatchStrategy::DecrementBoth => order.open.0,
                    };
                    let Some(left) = spare.checked_sub(lost) else { return false };
                    spare = left;
                    fills += 1;
                } else {
                    shown += u64::from(order.shown.0);
                    open += u64::from(order.open.0);
                    fills += fills_of(&order);
                }
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
    use crate::types::OrderRef;
    use crate::types::SelfMatchStrategy::{CancelNewest, CancelOldest, DecrementBoth};

    /// Whether as many may be bought or sold, of orders that are nobody's own.
    fn offers(books: &Books, side: BookSide, limit: u64, least: u32, fills_max: usize) -> bool {
        let (limit, least) = (Price(limit), Quantity(least));
        let wanted = Wanted { side, limit, quantity: least, least, fills_max };
        books.offers(ACME, &wanted, |_| None)
    }

    #[test]
    fn an_offer_counts_shares_within_the_limit_and_fills_within_their_number() {
        let mut books = books();
        for (number, price) in [(1, 103), (2, 102), (3, 102), (4, 100)] {
            enter(&mut books, order(number, BookSide::Bids, 10, price));
        }
        let offers = |limit, least, fills| offers(&books, BookSide::Asks, limit, least, fills);
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
        let offers = |least, fills| offers(&books, BookSide::Asks, 100, least, fills);
        assert!(offers(13, 2) && !offers(13, 1));
        assert!(offers(20, 5) && !offers(20, 4) && !offers(21, 99));
    }

    fn is_own(books: &Books, handle: OrderHandle, own: u64) -> bool {
        books.order(handle).order == OrderRef(own)
    }

    #[test]
    fn an_offer_leaves_out_the_orders_of_its_owner_as_the_strategy_says() {
        let mut books = books();
        let hidden = Incoming { display: Quantity(0), ..order(3, BookSide::Asks, 10, 100) };
        enter(&mut books, order(1, BookSide::Asks, 10, 100));
        enter(&mut books, hidden);
        enter(&mut books, order(2, BookSide::Asks, 10, 100));
        enter(&mut books, order(4, BookSide::Asks, 10, 101));
        let offers = |strategy, (least, quantity), fills_max| {
            let (least, quantity) = (Quantity(least), Quantity(quantity));
            let (side, limit) = (BookSide::Bids, Price(101));
            let wanted = Wanted { side, limit, quantity, least, fills_max };
            books.offers(ACME, &wanted, |handle| is_own(&books, handle, 2).then_some(strategy))
        };
        // It ends at its owner's order, which is shown and so comes before the hidden one.
        assert!(offers(CancelNewest, (10, 40), 1) && !offers(CancelNewest, (11, 40), 9));
        // It goes on behind it, and has met it.
        assert!(offers(CancelOldest, (30, 30), 4) && !offers(CancelOldest, (30, 30), 3));
        assert!(!offers(CancelOldest, (31, 40), 9));
        // It loses as many, so it must have as many more than it must trade.
        assert!(offers(DecrementBoth, (30, 40), 4) && !offers(DecrementBoth, (30, 39), 9));
        assert!(offers(DecrementBoth, (10, 10), 1));
    }

    #[test]
    fn an_offer_counts_all_that_is_shown_before_a_hidden_order_of_its_owner() {
        let mut books = books();
        let hidden =
            |number| Incoming { display: Quantity(0), ..order(number, BookSide::Asks, 10, 100) };
        enter(&mut books, hidden(1));
        enter(&mut books, hidden(2));
        let reserve = order(3, BookSide::Asks, 30, 100);
        enter(&mut books, Incoming { display: Quantity(10), ..reserve });
        let offers = |least| {
            let (least, quantity) = (Quantity(least), Quantity(90));
            let (side, limit) = (BookSide::Bids, Price(100));
            let wanted = Wanted { side, limit, quantity, least, fills_max: 9 };
            books.offers(ACME, &wanted, |handle| is_own(&books, handle, 1).then_some(CancelNewest))
        };
        assert!(offers(30) && !offers(31));
    }
}
