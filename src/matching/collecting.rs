//! Collecting: what rests in the books, as an auction sees it.
//!
//! An auction takes the orders that would trade anyway and those of the section that waits for it, as one
//! book. It changes neither.

use super::auction::Auction;
use super::book::{BookSide, Books, Section};
use crate::types::{InstrumentId, OrderHandle, Price};

impl Books {
    /// The order that trades first on a side in an auction for which `section` waits: by price, those
    /// without a limit before all others, and then by time.
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
            (rank, order.order)
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
    use super::*;
    use crate::types::{OrderRef, Quantity};

    const ACME: InstrumentId = InstrumentId(1);

    fn books() -> Books {
        let mut books = Books::new(8, 1);
        books.open(1);
        books
    }

    fn order(number: u64, side: BookSide, quantity: u32, price: u64) -> Incoming {
        Incoming { order: OrderRef(number), side, price: Price(price), open: Quantity(quantity) }
    }

    #[test]
    fn what_waits_for_an_auction_meets_no_incoming_order_and_goes_first_without_a_limit() {
        let mut books = books();
        books.rest(ACME, &order(1, BookSide::Bids, 10, 100));
        let market = BookSide::Bids.no_limit().0;
        for incoming in [
            order(2, BookSide::Bids, 10, 100),
            order(3, BookSide::Bids, 10, 101),
            order(4, BookSide::Bids, 10, market),
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
    fn an_auction_collects_its_own_section_and_the_continuous_one() {
        let mut books = books();
        books.rest(ACME, &order(1, BookSide::Bids, 10, 100));
        books.collect(ACME, Section::Opening, &order(2, BookSide::Bids, 10, 100));
        books.collect(ACME, Section::Opening, &order(3, BookSide::Bids, 10, 101));
        books.collect(ACME, Section::Opening, &order(4, BookSide::Asks, 40, 0));
        let mut auction = Auction::default();
        let mut clear = |with_continuous| {
            books.collect_auction(ACME, Section::Opening, with_continuous, &mut auction);
            auction.clear(Price(0), 1).map(|found| (found.price.0, found.volume, found.imbalance))
        };
        assert_eq!(clear(true), Some((100, 30, -10)));
        assert_eq!(clear(false), Some((100, 20, -20)));
    }
}
