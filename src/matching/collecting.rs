//! Collecting: what rests in the books, as an auction sees it.
//!
//! An auction takes the orders that would trade anyway and those of the section that waits for it, as one
//! book. It changes neither.

use super::auction::Auction;
use super::book::{BookSide, Books, Section};
use crate::types::{InstrumentId, OrderHandle, Price};

impl Books {
    /// The order that trades first on a side in an auction for which `section` waits: by price, those
    /// without a limit before all others; at one price hidden ones last; and then by time, that of a
    /// reserve order when it showed its part.
    #[must_use]
    pub fn first_of_auction(
        &self,
        instrument: InstrumentId,
        section: Section,
        side: BookSide,
    ) -> Option<OrderHandle> {
        let sections = [Section::Continuous, section];
        let firsts = sections.into_iter().filter_map(|of| self.first_in(instrument, of, side));
        firsts.min_by_key(|handle| {
            let order = self.order(*handle);
            let rank = match side {
                BookSide::Bids => u64::MAX - order.price.0,
                BookSide::Asks => order.price.0,
            };
            let waits = order.section != Section::Continuous;
            let is_hidden = order.shown_as.is_none() && !waits;
            (rank, is_hidden, if order.shown_as.is_none() { order.order } else { order.shown_as })
        })
    }

    /// Collects what an auction has, for which `section` waits: with the orders that would trade anyway,
    /// or without.
    pub fn collect_auction(
        &self,
        instrument: InstrumentId,
        section: Section,
        with_continuous: bool,
        auction: &mut Auction,
    ) {
        let side = |side: BookSide| {
            let no_limit = side.no_limit();
            let best = self.level_slots(instrument, section, side).next();
            let market = best.filter(|&(price, _)| price == no_limit);
            let market = market.map_or(0, |(_, level)| self.level(level).quantity);
            let limits = move |of| {
                let levels = self.level_slots(instrument, of, side);
                let levels = levels.map(|(price, level)| (price, self.level(level).quantity));
                levels.filter(move |&(price, _)| price != no_limit)
            };
            let continuous = with_continuous.then(|| limits(Section::Continuous));
            (market, merged(side, limits(section), continuous.into_iter().flatten()))
        };
        auction.collect(side(BookSide::Bids), side(BookSide::Asks));
    }
}

/// The levels of two ladders as one, best price first.
fn merged(
    side: BookSide,
    one: impl Iterator<Item = (Price, u64)>,
    other: impl Iterator<Item = (Price, u64)>,
) -> impl Iterator<Item = (Price, u64)> {
    let rank = move |price: Price| match side {
        BookSide::Bids => u64::MAX - price.0,
        BookSide::Asks => price.0,
    };
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let heads = one.peek().into_iter().chain(other.peek());
        let price = heads.map(|&(price, _)| price).min_by_key(|&price| rank(price))?;
        let of = |level: Option<(Price, u64)>| level.map_or(0, |(_, shares)| shares);
        let shares = of(one.next_if(|level| level.0 == price));
        Some((price, shares + of(other.next_if(|level| level.0 == price))))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Incoming;
    use super::super::book::tests::{ACME, books, order};
    use super::*;
    use crate::types::{OrderRef, Quantity};

    /// One that waits for an auction is shown to nobody.
    fn waiting(number: u64, side: BookSide, quantity: u32, price: u64) -> Incoming {
        Incoming { display: Quantity::ZERO, ..order(number, side, quantity, price) }
    }

    #[test]
    fn what_waits_for_an_auction_meets_no_incoming_order_and_goes_first_without_a_limit() {
        let mut books = books();
        books.rest(ACME, &order(1, BookSide::Bids, 10, 100));
        let market = BookSide::Bids.no_limit().0;
        for incoming in [
            waiting(2, BookSide::Bids, 10, 100),
            waiting(3, BookSide::Bids, 10, 101),
            waiting(4, BookSide::Bids, 10, market),
        ] {
            books.collect(ACME, Section::Closing, &incoming);
        }
        let mut incoming = order(5, BookSide::Asks, 15, 99);
        let met = books.next_fill(ACME, &mut incoming).map(|fill| fill.order.0);
        assert_eq!((met, books.next_fill(ACME, &mut incoming)), (Some(1), None));
        books.rest(ACME, &order(6, BookSide::Bids, 15, 98));
        let mut turns = Vec::new();
        while let Some(first) = books.first_of_auction(ACME, Section::Closing, BookSide::Bids) {
            turns.push(books.order(first).order.0);
            books.reduce(first, books.order(first).open);
        }
        assert_eq!(turns, [4, 3, 2, 6]);
    }

    #[test]
    fn in_an_auction_hidden_orders_are_last_at_their_price_and_reserves_as_old_as_what_they_show() {
        let mut books = books();
        let shows = |number, display| Incoming {
            display: Quantity(display),
            ..order(number, BookSide::Asks, 30, 100)
        };
        books.rest(ACME, &shows(1, 0));
        books.rest(ACME, &shows(2, 10));
        books.collect(ACME, Section::Opening, &waiting(3, BookSide::Asks, 30, 100));
        let mut incoming = order(4, BookSide::Bids, 10, 100);
        let fill = books.next_fill(ACME, &mut incoming).unwrap();
        books.refresh(fill.handle, OrderRef(5));
        books.collect(ACME, Section::Opening, &waiting(6, BookSide::Asks, 30, 100));
        let mut turns = Vec::new();
        while let Some(first) = books.first_of_auction(ACME, Section::Opening, BookSide::Asks) {
            turns.push((books.order(first).order.0, books.order(first).open.0));
            books.reduce(first, books.order(first).open);
        }
        assert_eq!(turns, [(3, 30), (2, 20), (6, 30), (1, 30)]);
    }

    #[test]
    fn an_auction_collects_its_own_section_and_the_continuous_one() {
        let mut books = books();
        books.rest(ACME, &order(1, BookSide::Bids, 10, 100));
        books.collect(ACME, Section::Opening, &waiting(2, BookSide::Bids, 10, 100));
        books.collect(ACME, Section::Opening, &waiting(3, BookSide::Bids, 10, 101));
        books.collect(ACME, Section::Opening, &waiting(4, BookSide::Asks, 40, 0));
        let mut auction = Auction::default();
        let mut clear = |with_continuous| {
            books.collect_auction(ACME, Section::Opening, with_continuous, &mut auction);
            auction.clear(Price(0), 1).map(|found| (found.price.0, found.volume, found.imbalance))
        };
        assert_eq!(clear(true), Some((100, 30, -10)));
        assert_eq!(clear(false), Some((100, 20, -20)));
    }
}
