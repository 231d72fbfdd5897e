//! Views: what rests in the books, as everyone outside matching sees it.
//!
//! Nothing is changed here.

use super::book::{BookSide, Books, Section, place_of};
use super::ladder::Level;
use crate::types::{InstrumentId, OrderHandle, OrderRef, Price, Quantity};

/// A price level, for views and tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelView {
    /// The price.
    pub price: Price,
    /// Shares at it.
    pub quantity: u64,
    /// Orders at it.
    pub orders: u32,
}

/// A resting order, for views and tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// Its place in memory.
    pub handle: OrderHandle,
    /// Its reference.
    pub order: OrderRef,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: BookSide,
    /// Its section.
    pub section: Section,
    /// Its price.
    pub price: Price,
    /// Shares left.
    pub open: Quantity,
    /// Those of them that are shown.
    pub shown: Quantity,
    /// The reference that they are shown under, none if it is hidden.
    pub shown_as: OrderRef,
    /// The most of it that is shown at a time.
    pub display: Quantity,
}

impl Books {
    /// The order that trades first on a side.
    #[must_use]
    pub fn first(&self, instrument: InstrumentId, side: BookSide) -> Option<OrderHandle> {
        self.first_in(instrument, Section::Continuous, side)
    }

    /// The highest price at which a buy rests that is not for an auction.
    #[must_use]
    pub fn best_bid(&self, instrument: InstrumentId) -> Option<Price> {
        self.ladder(instrument, Section::Continuous, BookSide::Bids).crossed_by(Price(0))
    }

    /// The order that trades first on a side of a section.
    #[must_use]
    pub fn first_in(
        &self,
        instrument: InstrumentId,
        section: Section,
        side: BookSide,
    ) -> Option<OrderHandle> {
        let best = self.ladder(instrument, section, side).best();
        (best != 0).then(|| OrderHandle(self.level(best).oldest))
    }

    /// A resting order.
    #[must_use]
    pub fn order(&self, handle: OrderHandle) -> OrderView {
        let order = self.orders.get(handle.0);
        OrderView {
            handle,
            order: order.order,
            instrument: order.instrument(),
            side: order.side(),
            section: order.section(),
            price: order.price,
            open: order.open,
            shown: order.shown,
            shown_as: order.shown_as,
            display: order.display,
        }
    }

    /// Resting orders in all books.
    #[must_use]
    pub fn order_count(&self) -> usize {
        self.orders.len()
    }

    /// The levels of a side, best price first. Empty for an instrument without a book.
    pub fn levels(
        &self,
        instrument: InstrumentId,
        side: BookSide,
    ) -> impl Iterator<Item = LevelView> {
        self.level_slots(instrument, Section::Continuous, side).map(|(price, level)| {
            let &Level { quantity, orders, .. } = self.level(level);
            LevelView { price, quantity, orders }
        })
    }

    /// The orders of a side in the order they would trade. Empty for an instrument without a book.
    pub fn orders(
        &self,
        instrument: InstrumentId,
        side: BookSide,
    ) -> impl Iterator<Item = OrderView> {
        self.orders_in(instrument, Section::Continuous, side)
    }

    /// The orders of a side of a section, in the order they would trade.
    pub fn orders_in(
        &self,
        instrument: InstrumentId,
        section: Section,
        side: BookSide,
    ) -> impl Iterator<Item = OrderView> {
        self.level_slots(instrument, section, side).flat_map(move |(_, level)| {
            let mut slot = self.level(level).oldest;
            std::iter::from_fn(move || {
                if slot == 0 {
                    return None;
                }
                let view = self.order(OrderHandle(slot));
                slot = self.orders.get(slot).younger;
                Some(view)
            })
        })
    }

    pub(super) fn level_slots(
        &self,
        instrument: InstrumentId,
        section: Section,
        side: BookSide,
    ) -> impl Iterator<Item = (Price, u32)> {
        let ladder = self.ladders.get(place_of(instrument, section, side));
        ladder.into_iter().flat_map(|ladder| ladder.iter(&self.rungs))
    }
}
