//! Restoring: puts orders back into books that a snapshot says they rested in.
//!
//! Orders come in the order in which they would trade, so each belongs behind those before it.

use super::book::{Books, Incoming, Section};
use crate::types::{InstrumentId, OrderHandle, OrderRef, Quantity};

impl Books {
    /// Puts an order behind all of its kind at its price, with so much of it shown under that
    /// reference.
    ///
    /// # Panics
    /// As [`Books::collect`]. If what is shown is not what the order may show.
    pub fn restore(
        &mut self,
        instrument: InstrumentId,
        section: Section,
        order: &Incoming,
        (shown, shown_as): (Quantity, OrderRef),
    ) -> OrderHandle {
        assert_eq!(shown.is_zero(), shown_as.is_none(), "shown as nothing");
        assert_eq!(shown.is_zero(), order.display.is_zero(), "shown against its will");
        assert!(shown <= order.display.min(order.open), "{shown} shown of {}", order.open);
        let handle = self.collect(instrument, section, order);
        let resting = self.orders.get_mut(handle.0);
        (resting.shown, resting.shown_as) = (shown, shown_as);
        handle
    }
}

#[cfg(test)]
mod tests {
    use super::super::BookSide;
    use super::super::book::tests::{ACME, books, enter, order};
    use super::*;

    #[test]
    fn restored_orders_trade_in_the_order_in_which_they_were() {
        let mut books = books();
        let shows = |number, display| Incoming {
            display: Quantity(display),
            ..order(number, BookSide::Asks, 30, 100)
        };
        for (number, display) in [(1, 0), (2, 10), (3, 30), (4, 0)] {
            enter(&mut books, shows(number, display));
        }
        enter(&mut books, order(5, BookSide::Bids, 15, 100));
        let mut restored = super::super::book::tests::books();
        for view in books.orders(ACME, BookSide::Asks) {
            let order = Incoming {
                order: view.order,
                side: view.side,
                price: view.price,
                open: view.open,
                display: view.display,
            };
            restored.restore(ACME, view.section, &order, (view.shown, view.shown_as));
        }
        let fills = |books: &mut Books| enter(books, order(6, BookSide::Bids, 104, 100));
        let expected = fills(&mut books);
        assert_eq!(expected.len(), 5);
        assert_eq!(fills(&mut restored), expected);
    }
}
