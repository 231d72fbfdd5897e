//! The books: resting orders by instrument, side, price, display and time.
//!
//! At one price, what is shown trades before what is hidden. A reserve order shows a part at a time: when
//! that has traded, the next one is shown in its stead, behind all that are shown.
//!
//! An order is found by its handle, the best price and the first order at it at once; a new price takes
//! a number of steps that grows with the logarithm of the prices there are. Nothing here allocates
//! after [`Books::new`] and [`Books::open`], and nothing knows whose order it is.

use super::ladder::{Ladder, Level, Rungs};
use super::slab::Slab;
use crate::types::{InstrumentId, OrderHandle, OrderRef, Price, Quantity, Side};

/// The side of a book that an order rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookSide {
    /// Buyers.
    Bids,
    /// Sellers.
    Asks,
}

impl BookSide {
    /// The side it trades against.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Bids => Self::Asks,
            Self::Asks => Self::Bids,
        }
    }

    /// Whether an order of this side with the limit `limit` trades at `price`.
    pub(super) const fn reaches(self, limit: Price, price: Price) -> bool {
        match self {
            Self::Bids => price.0 <= limit.0,
            Self::Asks => price.0 >= limit.0,
        }
    }

    /// The price under which an order without a limit waits for an auction: before all others.
    #[must_use]
    pub const fn no_limit(self) -> Price {
        match self {
            Self::Bids => Price::MARKET,
            Self::Asks => Price(0),
        }
    }
}

impl From<Side> for BookSide {
    fn from(side: Side) -> Self {
        if side.is_buy() { Self::Bids } else { Self::Asks }
    }
}

/// Which of an instrument's books an order rests in. Only those of the first meet incoming orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Section {
    /// Trades whenever it can, and takes part in every auction.
    #[default]
    Continuous,
    /// Waits for the auction that begins trading, or begins it again.
    Opening,
    /// Waits for the auction that ends trading.
    Closing,
}

impl Section {
    const ALL: [Self; 3] = [Self::Continuous, Self::Opening, Self::Closing];
}

/// Ladders of a book: two sides of each section.
const LADDERS: u32 = 6;

/// The books of all instruments over one slab of orders and one of levels.
#[derive(Debug)]
pub struct Books {
    pub(super) orders: Slab<RestingOrder>,
    pub(super) rungs: Rungs,
    /// By [`place_of`]: of instrument 1 its sections in their order, bids and asks of each; then those
    /// of 2.
    pub(super) ladders: Vec<Ladder>,
}

/// An order on its way through a book.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// Its reference.
    pub order: OrderRef,
    /// Where it would rest.
    pub side: BookSide,
    /// Its limit.
    pub price: Price,
    /// Shares not traded yet.
    pub open: Quantity,
    /// The most of it that is shown at a time when it rests: none hides it.
    pub display: Quantity,
}

/// What a resting order gave to an incoming one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The resting order; with no shares left its handle is free already.
    pub handle: OrderHandle,
    /// The resting order's reference.
    pub order: OrderRef,
    /// Its price, which is the fill's price.
    pub price: Price,
    /// Shares traded, never zero.
    pub quantity: Quantity,
    /// Shares left of the resting order.
    pub leaves: Quantity,
    /// The reference that the shares were shown under, none if they were hidden.
    pub shown_as: OrderRef,
    /// What the resting order is to show next, by [`Books::refresh`] before the next fill. Zero if it
    /// need not.
    pub refresh: Quantity,
}

/// What matching touches of a resting order: one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct RestingOrder {
    pub(super) order: OrderRef,
    pub(super) price: Price,
    /// The reference that it is shown under, none if it is hidden.
    pub(super) shown_as: OrderRef,
    pub(super) open: Quantity,
    /// Shares of `open` that are shown.
    pub(super) shown: Quantity,
    /// The most that is shown at a time.
    pub(super) display: Quantity,
    pub(super) level: u32,
    /// The next older order of the level, 0 = it is the oldest.
    pub(super) older: u32,
    /// The next younger order of the level, 0 = it is the youngest.
    pub(super) younger: u32,
    /// Its place among the ladders.
    pub(super) ladder: u32,
}

const _: () = assert!(size_of::<RestingOrder>() == 64);

impl RestingOrder {
    pub(super) const fn side(&self) -> BookSide {
        if self.ladder % 2 == BookSide::Bids as u32 { BookSide::Bids } else { BookSide::Asks }
    }

    pub(super) fn instrument(&self) -> InstrumentId {
        let book = self.ladder / LADDERS;
        InstrumentId(u16::try_from(book + 1).expect("it had that number"))
    }

    pub(super) const fn section(&self) -> Section {
        Section::ALL[(self.ladder % LADDERS / 2) as usize]
    }
}

impl Books {
    /// Room for `orders` resting orders in all, each at a price of its own if need be.
    #[must_use]
    pub fn new(orders: u32, instruments: u16) -> Self {
        let ladders = LADDERS * u32::from(instruments);
        Self {
            orders: Slab::new(orders, orders),
            // A level has at least one order.
            rungs: Rungs::new(ladders, orders),
            ladders: Vec::with_capacity(ladders as usize),
        }
    }

    /// Opens the book of the next instrument, whose prices are `tick` apart. It takes others, but finds
    /// them slower.
    pub fn open(&mut self, tick: u64) {
        for _ in Section::ALL {
            let sides = [BookSide::Bids, BookSide::Asks];
            self.ladders.extend(sides.map(|side| Ladder::new(side, tick)));
        }
    }

    /// Whether an order of `side` with the limit `price` would trade now.
    #[must_use]
    pub fn crosses(&self, instrument: InstrumentId, side: BookSide, price: Price) -> bool {
        self.ladder(instrument, Section::Continuous, side.opposite()).crossed_by(price).is_some()
    }

    /// Trades `incoming` against the order that is first at the best price of the other side, once.
    /// `None` when it is filled or its limit is not reached.
    ///
    /// Fills print at the resting order's price: the incoming order gets the improvement.
    ///
    /// # Panics
    /// If the order that is first was to be refreshed.
    pub fn next_fill(&mut self, instrument: InstrumentId, incoming: &mut Incoming) -> Option<Fill> {
        if incoming.open.is_zero() {
            return None;
        }
        let ladder = self.ladder(instrument, Section::Continuous, incoming.side.opposite());
        let price = ladder.crossed_by(incoming.price)?;
        let handle = OrderHandle(self.level(ladder.best()).oldest);
        let resting = self.orders.get(handle.0);
        let &RestingOrder { order, shown_as, open, shown, display, .. } = resting;
        let at_once = if shown_as.is_none() { open } else { shown };
        let quantity = at_once.min(incoming.open);
        assert!(!quantity.is_zero(), "order {order} was to be refreshed");
        incoming.open.0 -= quantity.0;
        let shown = Quantity(shown.0.saturating_sub(quantity.0));
        let leaves = self.cut(handle, quantity, shown);
        let is_used_up = shown.is_zero() && !shown_as.is_none();
        let refresh = if is_used_up { display.min(leaves) } else { Quantity::ZERO };
        Some(Fill { handle, order, price, quantity, leaves, shown_as, refresh })
    }

    /// Shows the next part of a reserve order whose shown one has traded, under a reference of its own,
    /// behind all that are shown at its price.
    pub fn refresh(&mut self, handle: OrderHandle, shown_as: OrderRef) {
        self.unlink(handle);
        let resting = self.orders.get_mut(handle.0);
        resting.shown = resting.display.min(resting.open);
        resting.shown_as = shown_as;
        self.link(handle);
    }

    /// Rests what is left of an order that does not cross any more.
    ///
    /// # Panics
    /// If it has no shares or would trade: the caller looked first. If it finds no room: the limits of
    /// those who may have open orders add up to no more than there is.
    pub fn rest(&mut self, instrument: InstrumentId, order: &Incoming) -> OrderHandle {
        assert!(
            !self.crosses(instrument, order.side, order.price),
            "order {} would cross the book",
            order.order
        );
        self.collect(instrument, Section::Continuous, order)
    }

    /// Rests an order that waits for an auction, whatever is on the other side. In the sections of
    /// auctions, one at [`BookSide::no_limit`] has none.
    ///
    /// # Panics
    /// If it has no shares or finds no room.
    pub fn collect(
        &mut self,
        instrument: InstrumentId,
        section: Section,
        order: &Incoming,
    ) -> OrderHandle {
        assert!(!order.open.is_zero(), "order {} has nothing to rest", order.order);
        let ladder = place_of(instrument, section, order.side);
        let level = self.ladders[ladder].level_at(&mut self.rungs, order.price);
        let shown = order.display.min(order.open);
        let slot = self
            .orders
            .insert(RestingOrder {
                order: order.order,
                price: order.price,
                shown_as: if shown.is_zero() { OrderRef::NONE } else { order.order },
                open: order.open,
                shown,
                display: order.display,
                level,
                older: 0,
                younger: 0,
                ladder: u32::try_from(ladder).expect("six for each of some thousand instruments"),
            })
            .expect("the orders promised to firms fit");
        let row = self.rungs.levels.get_mut(level);
        row.quantity += u64::from(order.open.0);
        row.orders += 1;
        self.link(OrderHandle(slot));
        OrderHandle(slot)
    }

    /// Takes `quantity` shares from a resting order, those that are not shown first, keeping its
    /// priority, and returns what is left of it. With nothing left it leaves the book and its handle is
    /// free.
    ///
    /// # Panics
    /// If the order has fewer.
    pub fn reduce(&mut self, handle: OrderHandle, quantity: Quantity) -> Quantity {
        let &RestingOrder { open, shown, .. } = self.orders.get(handle.0);
        assert!(quantity <= open, "{quantity} of {open} shares");
        self.cut(handle, quantity, shown.min(Quantity(open.0 - quantity.0)))
    }

    /// Takes shares from an order, which shows so many of what is left then.
    fn cut(&mut self, handle: OrderHandle, quantity: Quantity, shown: Quantity) -> Quantity {
        let resting = self.orders.get_mut(handle.0);
        resting.open.0 -= quantity.0;
        resting.shown = shown;
        let (level, leaves) = (resting.level, resting.open);
        self.rungs.levels.get_mut(level).quantity -= u64::from(quantity.0);
        if leaves.is_zero() {
            self.remove(handle);
        }
        leaves
    }

    /// Brings a resting order near that will be asked for in some commands; any handle will do.
    pub fn expect(&self, handle: OrderHandle) {
        self.orders.prefetch(handle.0);
    }

    /// Brings near where the level of a price is remembered.
    pub fn expect_level(&self, instrument: InstrumentId, side: BookSide, price: Price) {
        self.ladder(instrument, Section::Continuous, side).expect(price);
    }

    /// The level that is remembered for a price, right or wrong, which is brought near too; 0 = none.
    #[must_use]
    pub fn level_near(&self, instrument: InstrumentId, side: BookSide, price: Price) -> u32 {
        let level = self.ladder(instrument, Section::Continuous, side).remembered(price);
        self.rungs.levels.prefetch(level);
        level
    }

    /// Brings near the last order of a level.
    pub fn expect_youngest(&self, level: u32) {
        if level != 0 {
            self.orders.prefetch(self.level(level).youngest);
        }
    }

    /// Brings near what it takes to remove an order that is near already. Decides nothing.
    pub fn expect_removal(&self, handle: OrderHandle) {
        let &RestingOrder { level, older, younger, .. } = self.orders.get(handle.0);
        self.rungs.levels.prefetch(level);
        self.orders.prefetch(older);
        self.orders.prefetch(younger);
    }

    /// The order behind one in the queue of its level, none if that is the last.
    #[must_use]
    pub fn behind(&self, handle: OrderHandle) -> OrderHandle {
        OrderHandle(self.orders.get(handle.0).younger)
    }

    /// Puts an order behind those of its kind, shown or hidden, in its level's queue.
    fn link(&mut self, handle: OrderHandle) {
        let OrderHandle(slot) = handle;
        let &RestingOrder { level, shown_as, .. } = self.orders.get(slot);
        let row = self.rungs.levels.get_mut(level);
        let is_shown = !shown_as.is_none();
        let older = if is_shown { row.youngest_shown } else { row.youngest };
        if is_shown {
            row.youngest_shown = slot;
        }
        let younger = match older {
            0 => std::mem::replace(&mut row.oldest, slot),
            older => std::mem::replace(&mut self.orders.get_mut(older).younger, slot),
        };
        match younger {
            0 => row.youngest = slot,
            younger => self.orders.get_mut(younger).older = slot,
        }
        let linked = self.orders.get_mut(slot);
        (linked.older, linked.younger) = (older, younger);
    }

    /// Takes an order out of its level's queue.
    fn unlink(&mut self, handle: OrderHandle) {
        let RestingOrder { level, older, younger, .. } = *self.orders.get(handle.0);
        let row = self.rungs.levels.get_mut(level);
        if row.youngest_shown == handle.0 {
            // Those before a shown order are shown.
            row.youngest_shown = older;
        }
        if older == 0 {
            row.oldest = younger;
        } else {
            self.orders.get_mut(older).younger = younger;
        }
        if younger == 0 {
            row.youngest = older;
        } else {
            self.orders.get_mut(younger).older = older;
        }
    }

    /// Takes an order without shares out of its level, and the level out of its ladder if it was the
    /// last there.
    fn remove(&mut self, handle: OrderHandle) {
        self.unlink(handle);
        let RestingOrder { level, ladder, .. } = *self.orders.get(handle.0);
        self.orders.remove(handle.0);
        let row = self.rungs.levels.get_mut(level);
        row.orders -= 1;
        if row.orders == 0 {
            assert_eq!(row.quantity, 0, "shares without orders");
            let soon = self.ladders[ladder as usize].remove(&mut self.rungs, level);
            self.orders.prefetch(soon);
        }
    }

    pub(super) fn level(&self, level: u32) -> &Level {
        self.rungs.levels.get(level)
    }

    pub(super) fn ladder(
        &self,
        instrument: InstrumentId,
        section: Section,
        side: BookSide,
    ) -> &Ladder {
        &self.ladders[place_of(instrument, section, side)]
    }
}

/// Where the ladder of a side is; nowhere for no instrument.
pub(super) const fn place_of(instrument: InstrumentId, section: Section, side: BookSide) -> usize {
    let book = (instrument.0 as usize).wrapping_sub(1).wrapping_mul(LADDERS as usize);
    book.wrapping_add(2 * section as usize + side as usize)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::matching::LevelView;

    pub(in crate::matching) const ACME: InstrumentId = InstrumentId(1);

    pub(in crate::matching) fn books() -> Books {
        let mut books = Books::new(8, 1);
        books.open(1);
        books
    }

    pub(in crate::matching) fn order(
        number: u64,
        side: BookSide,
        quantity: u32,
        price: u64,
    ) -> Incoming {
        Incoming {
            order: OrderRef(number),
            side,
            price: Price(price),
            open: Quantity(quantity),
            display: Quantity::MAX,
        }
    }

    /// Matches, rests what is left, and returns (resting order, quantity, price) of each fill.
    pub(in crate::matching) fn enter(
        books: &mut Books,
        mut incoming: Incoming,
    ) -> Vec<(u64, u32, u64)> {
        let mut fills = Vec::new();
        while let Some(fill) = books.next_fill(ACME, &mut incoming) {
            fills.push((fill.order.0, fill.quantity.0, fill.price.0));
            if !fill.refresh.is_zero() {
                books.refresh(fill.handle, OrderRef(fill.order.0 + 100));
            }
        }
        if !incoming.open.is_zero() {
            books.rest(ACME, &incoming);
        }
        fills
    }

    #[test]
    fn the_oldest_order_at_the_best_price_trades_first() {
        let mut books = books();
        enter(&mut books, order(1, BookSide::Asks, 10, 101));
        enter(&mut books, order(2, BookSide::Asks, 10, 100));
        enter(&mut books, order(3, BookSide::Asks, 10, 100));
        let fills = enter(&mut books, order(4, BookSide::Bids, 25, 101));
        assert_eq!(fills, [(2, 10, 100), (3, 10, 100), (1, 5, 101)]);
        let left: Vec<_> =
            books.orders(ACME, BookSide::Asks).map(|o| (o.order.0, o.open.0)).collect();
        assert_eq!(left, [(1, 5)]);
    }

    #[test]
    fn a_reduced_order_keeps_its_priority_and_a_removed_one_frees_its_level() {
        let mut books = books();
        enter(&mut books, order(1, BookSide::Bids, 10, 100));
        enter(&mut books, order(2, BookSide::Bids, 10, 100));
        let first = books.first(ACME, BookSide::Bids).unwrap();
        assert_eq!(books.reduce(first, Quantity(4)), Quantity(6));
        assert_eq!(books.first(ACME, BookSide::Bids), Some(first));
        let level = LevelView { price: Price(100), quantity: 16, orders: 2 };
        assert_eq!(books.levels(ACME, BookSide::Bids).collect::<Vec<_>>(), [level]);
        books.reduce(first, Quantity(6));
        let second = books.first(ACME, BookSide::Bids).unwrap();
        assert_eq!(books.order(second).order, OrderRef(2));
        books.reduce(second, Quantity(10));
        assert_eq!((books.order_count(), books.levels(ACME, BookSide::Bids).count()), (0, 0));
    }

    #[test]
    fn what_is_shown_trades_first_and_a_refreshed_part_behind_all_that_is_shown() {
        let mut books = books();
        let shows = |number, display| Incoming {
            display: Quantity(display),
            ..order(number, BookSide::Asks, 30, 100)
        };
        enter(&mut books, shows(1, 0));
        enter(&mut books, shows(2, 10));
        enter(&mut books, shows(3, 30));
        enter(&mut books, shows(4, 0));
        let fills = enter(&mut books, order(5, BookSide::Bids, 75, 100));
        assert_eq!(fills, [(2, 10, 100), (3, 30, 100), (2, 10, 100), (2, 10, 100), (1, 15, 100)]);
        let left: Vec<_> = books
            .orders(ACME, BookSide::Asks)
            .map(|o| (o.order.0, o.open.0, o.shown.0, o.shown_as.0))
            .collect();
        assert_eq!(left, [(1, 15, 0, 0), (4, 30, 0, 0)]);
        enter(&mut books, shows(6, 10));
        enter(&mut books, order(7, BookSide::Bids, 15, 100));
        let first = books.first(ACME, BookSide::Asks).map(|first| books.order(first)).unwrap();
        assert_eq!((first.open.0, first.shown.0, first.shown_as), (15, 5, OrderRef(106)));
        assert_eq!(books.reduce(first.handle, Quantity(12)), Quantity(3));
        assert_eq!(books.order(first.handle).shown, Quantity(3));
    }

    #[test]
    fn every_order_may_have_a_price_of_its_own() {
        let mut books = books();
        for price in 1..=8 {
            enter(&mut books, order(price, BookSide::Bids, 1, price));
        }
        assert_eq!(books.levels(ACME, BookSide::Bids).count(), 8);
        let fills = enter(&mut books, order(9, BookSide::Asks, 2, 7));
        assert_eq!(fills, [(8, 1, 8), (7, 1, 7)]);
        enter(&mut books, order(10, BookSide::Bids, 1, 5));
        assert_eq!(books.order_count(), 7);
    }

    #[test]
    fn an_instrument_without_a_book_shows_nothing() {
        assert_eq!(books().orders(InstrumentId(9), BookSide::Bids).count(), 0);
        assert_eq!(books().levels(InstrumentId::NONE, BookSide::Bids).count(), 0);
    }
}
