//! Market orders: what bounds an order without a limit.
//!
//! Whatever trades has a worst price, so that a purchase can hold what it may cost before it is told
//! that it was accepted. This is the one place that says which.

use super::Engine;
use crate::order_manager::{FILLS_MAX, cross_of};
use crate::types::command::NewOrder;
use crate::types::{InstrumentId, Price, Quantity, Side};

impl Engine {
    /// The worst price that an order may trade at: its own limit, or that of a market order; of one
    /// without a limit that waits for an auction, [`Price::MARKET`], whose worth the instrument knows. Of
    /// an order that will be refused it says anything.
    pub(super) fn limit_of(&self, order: &NewOrder) -> Price {
        if order.price != Price::MARKET || cross_of(order).is_some() {
            return order.price;
        }
        let instrument = self.manager.instrument(order.symbol).unwrap_or_default();
        let side = Side::from_byte(order.side).unwrap_or(Side::Buy);
        self.market_limit(instrument, side, order.quantity)
    }

    /// How far a market order may go: to the last level of the book that it needs. Zero if there is
    /// none; nobody is there to trade with.
    fn market_limit(&self, instrument: InstrumentId, side: Side, quantity: Quantity) -> Price {
        let worst = self.books.reach(instrument, side.into(), quantity, FILLS_MAX);
        worst.unwrap_or_default()
    }
}
