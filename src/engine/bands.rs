//! Price bands: whether what an order would meet is too far from the last price.
//!
//! Nothing is changed: an order that would leave the band is told so before it trades.

use super::Engine;
use crate::matching::{BookSide, Incoming, OrderView, Section, Wanted};
use crate::order_manager::{Admission, FILLS_MAX};
use crate::types::command::NewOrder;
use crate::types::{InstrumentId, Price};

impl Engine {
    /// Whether the book gives an order at once the least that it asks for, within the price band, and
    /// without the orders that it may not meet.
    pub(super) fn offers_enough(&self, order: &NewOrder, admission: &Admission) -> bool {
        let &Admission { instrument, side, mut limit, .. } = admission;
        let (side, least) = (BookSide::from(side), order.min_quantity);
        if least.is_zero() {
            return true;
        }
        if let Some((lowest, highest)) = self.trading_of(instrument).band() {
            // Its owner's orders pause nothing, wherever they are: the first of another's decides.
            let met = self.books.orders_in(instrument, Section::Continuous, side.opposite());
            let is_own =
                |resting: &OrderView| self.prevention(resting.handle, order, admission).is_some();
            let first = met.take(FILLS_MAX).find(|resting| !is_own(resting));
            if first.is_some_and(|first| !(lowest..=highest).contains(&first.price)) {
                return false;
            }
            limit = match side {
                BookSide::Bids => limit.min(highest),
                BookSide::Asks => limit.max(lowest),
            };
        }
        let wanted = Wanted { side, limit, quantity: order.quantity, least, fills_max: FILLS_MAX };
        let prevented = |resting| self.prevention(resting, order, admission);
        self.books.offers(instrument, &wanted, prevented)
    }

    /// Whether the next fill of an order, if it meets another, would be at a price outside the band.
    pub(super) fn leaves_band(
        &self,
        instrument: InstrumentId,
        incoming: &Incoming,
        band: (Price, Price),
    ) -> bool {
        let &Incoming { side, price, open, .. } = incoming;
        let crosses = !open.is_zero() && self.books.crosses(instrument, side, price);
        crosses && self.best_is_beyond(instrument, side, band)
    }

    /// Whether the first price that an order of `side` would meet is outside the band.
    fn best_is_beyond(
        &self,
        instrument: InstrumentId,
        side: BookSide,
        (lowest, highest): (Price, Price),
    ) -> bool {
        let best = self.books.first(instrument, side.opposite());
        let price = best.map(|handle| self.books.order(handle).price);
        price.is_some_and(|price| !(lowest..=highest).contains(&price))
    }
}
