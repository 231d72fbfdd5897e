//! Self-match prevention: orders of one owner never trade with each other.
//!
//! A firm's rule says who is one owner: the firm, an account, or a group. Whenever an order would meet
//! one of its own, its strategy says what happens instead, and then it goes on:
//!
//! | strategy | the order that rests | the order that comes |
//! |---|---|---|
//! | `W` cancel newest, the default | stays as it is | loses all that is left |
//! | `O` cancel oldest | loses all that is left | stays as it is |
//! | `D` decrement both | loses what would have traded | loses the same |
//!
//! A reserve order is met with all it has, not only with what it shows. Whoever loses shares is told so by
//! an OUCH `D`, and the feed sees shares of resting orders go as with any cancel. A successor of a
//! Replace, which can name no strategy, cancels the newest. Each meeting that is prevented counts among
//! the most that an order may have, and pauses no trading.
//!
//! An order with a minimum quantity is dead on arrival if it would trade less than that this way.
//!
//! An auction knows no such rule: see [`crossing`](super::crossing).

use super::display::liquidity_of;
use super::events::{Outlet, Route};
use super::trading::value;
use super::{Engine, header_of};
use crate::matching::{Incoming, OrderView};
use crate::order_manager::{Admission, OpenOrder, Rest, SelfMatch};
use crate::types::command::NewOrder;
use crate::types::event::SelfMatchCanceled;
use crate::types::{Liquidity, OrderHandle, Quantity, SelfMatchKey, SelfMatchStrategy};

impl Engine {
    /// Keeps an order from the one it would meet next, if that is of the same owner. False if they may
    /// trade, or if it meets nothing.
    pub(super) fn prevent_self_match(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        incoming: &mut Incoming,
        out: &mut dyn Outlet,
    ) -> bool {
        let instrument = admission.instrument;
        if incoming.open.is_zero() || !self.books.crosses(instrument, incoming.side, incoming.price)
        {
            return false;
        }
        let first = self.books.first(instrument, incoming.side.opposite()).expect("it crosses");
        let Some(strategy) = self.prevention(first, order, admission) else { return false };
        let met = self.books.order(first);
        let resting = *self.manager.orders.get(first);
        let prevented = met.open.min(incoming.open);
        let (of_resting, of_incoming) = match strategy {
            SelfMatchStrategy::CancelOldest => (met.open, Quantity::ZERO),
            SelfMatchStrategy::CancelNewest => (Quantity::ZERO, incoming.open),
            SelfMatchStrategy::DecrementBoth => (prevented, prevented),
        };
        if !of_resting.is_zero() {
            let cut = self.withdraw(met.handle, of_resting);
            let canceled = SelfMatchCanceled {
                decrement: of_resting,
                leaves: cut.leaves,
                prevented,
                ..resting_canceled(&resting, &met, incoming, strategy)
            };
            let same_to_all = cut.is_same_to_all(&resting);
            let route = Route::order_entry(resting.port, resting.firm).and_feed(same_to_all);
            self.events.emit(route, &canceled, out);
            if !same_to_all {
                self.tell_reduced(&resting, &cut, out);
            }
        }
        if !of_incoming.is_zero() {
            incoming.open.0 -= of_incoming.0;
            let &Admission { side, firm, cash, shares, .. } = admission;
            let value = value(admission.worth, of_incoming, admission.scale);
            let quantity = of_incoming;
            self.manager.give_back(&Rest { side, firm, cash, shares, value, quantity });
            let canceled = SelfMatchCanceled {
                order: incoming.order,
                contra: met.order,
                user_ref_num: order.user_ref_num,
                decrement: of_incoming,
                leaves: incoming.open,
                prevented,
                user_ref_idx: order.user_ref_idx,
                liquidity: Liquidity::Removed.byte(),
                ..resting_canceled(&resting, &met, incoming, strategy)
            };
            self.events.emit(Route::order_entry(order.header.port, firm), &canceled, out);
        }
        true
    }

    /// What happens if an order would meet one that rests; none if they may trade.
    pub(super) fn prevention(
        &self,
        resting: OrderHandle,
        order: &NewOrder,
        admission: &Admission,
    ) -> Option<SelfMatchStrategy> {
        let SelfMatch { key, strategy } = admission.self_match?;
        is_own(key, self.manager.orders.get(resting), order, admission).then_some(strategy)
    }
}

/// Whether both orders are of one owner. Two firms never are.
fn is_own(key: SelfMatchKey, resting: &OpenOrder, order: &NewOrder, admission: &Admission) -> bool {
    resting.firm == admission.firm
        && match key {
            SelfMatchKey::None => false,
            SelfMatchKey::Firm => true,
            SelfMatchKey::Account => resting.account == admission.account,
            SelfMatchKey::Group => resting.group_id == order.group_id,
        }
}

/// What is said of the resting order, but for the numbers of shares.
fn resting_canceled(
    resting: &OpenOrder,
    met: &OrderView,
    incoming: &Incoming,
    strategy: SelfMatchStrategy,
) -> SelfMatchCanceled {
    SelfMatchCanceled {
        header: header_of::<SelfMatchCanceled>(resting.instrument),
        order: resting.order,
        contra: incoming.order,
        price: met.price,
        user_ref_num: resting.user_ref_num,
        decrement: Quantity::ZERO,
        leaves: met.open,
        prevented: Quantity::ZERO,
        user_ref_idx: resting.user_ref_idx,
        liquidity: liquidity_of(met.shown_as).byte(),
        strategy: strategy.byte(),
        reserved: [0; 45],
    }
}
