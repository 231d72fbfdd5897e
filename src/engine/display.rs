//! Display: how much of an order the feed shows, and what it is told when that changes.
//!
//! A hidden order is in no message of the feed until it trades. A reserve order is in it as the part it
//! shows: the first under the order's own reference, each that follows under that of the event that
//! showed it. Shares taken from a reserve order come from what is not shown first; those of an auction's
//! fill too, so that an order keeps its place until its auction is over. What waits for an auction is
//! hidden.

use super::canceling::canceled;
use super::events::{Outlet, Route};
use super::{Engine, header_of};
use crate::matching::{Fill, OrderView};
use crate::order_manager::{OpenOrder, cross_of};
use crate::types::command::NewOrder;
use crate::types::event::{Reduced, Restated};
use crate::types::{CancelReason, Liquidity, OrderRef, Quantity, RestateReason};

/// Shares taken from a resting order, and what of them was shown.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    /// Shares taken.
    quantity: Quantity,
    /// Shares left.
    pub(super) leaves: Quantity,
    /// The reference that the order was shown under, none if it was hidden.
    pub(super) shown_as: OrderRef,
    /// Those that were shown.
    pub(super) shown: Quantity,
    /// Shares left of what is shown.
    shown_leaves: Quantity,
}

impl Cut {
    /// That of so many shares from an order as it was before.
    pub(super) fn of(order: &OrderView, quantity: Quantity) -> Self {
        let leaves = Quantity(order.open.0 - quantity.0);
        let shown_leaves = order.shown.min(leaves);
        let shown = Quantity(order.shown.0 - shown_leaves.0);
        Self { quantity, leaves, shown_as: order.shown_as, shown, shown_leaves }
    }

    /// Whether what the order's owner is told is what the feed has seen: not of a reserve order that is
    /// shown under another reference or in part, nor of a hidden one.
    pub(super) fn is_same_to_all(&self, order: &OpenOrder) -> bool {
        let is_all_shown = self.leaves.is_zero() || self.shown == self.quantity;
        self.shown_as == order.order && is_all_shown
    }
}

/// The most of an order that is shown at a time when it rests. What waits for an auction is not shown.
pub(super) fn display_of(order: &NewOrder) -> Quantity {
    if cross_of(order).is_some() {
        return Quantity::ZERO;
    }
    match (order.display, order.max_floor) {
        (b'N', _) => Quantity::ZERO,
        (_, Quantity::ZERO) => Quantity::MAX,
        (_, floor) => floor,
    }
}

/// Shares that the feed shows of an order that rests with so many open.
pub(super) fn shown_of(order: &NewOrder, open: Quantity) -> Quantity {
    display_of(order).min(open)
}

/// How a resting order trades that is shown under this reference, none if it is hidden.
pub(super) const fn liquidity_of(shown_as: OrderRef) -> Liquidity {
    if shown_as.is_none() { Liquidity::AddedHidden } else { Liquidity::Added }
}

impl Engine {
    /// Shows the next part of a reserve order whose shown one has traded.
    pub(super) fn restate(&mut self, fill: &Fill, order: &OpenOrder, out: &mut dyn Outlet) {
        let restated = Restated {
            header: header_of::<Restated>(order.instrument),
            order: order.order,
            price: fill.price,
            user_ref_num: order.user_ref_num,
            quantity: fill.refresh,
            user_ref_idx: order.user_ref_idx,
            side: order.side.byte(),
            reason: RestateReason::Refresh.byte(),
            reserved: [0; 61],
        };
        let route = Route::order_entry(order.port, order.firm).and_feed(true);
        let shown_as = OrderRef(self.events.emit(route, &restated, out));
        self.books.refresh(fill.handle, shown_as);
    }

    /// Says that shares of an order that rested are gone, in one message to the feed as well if it can.
    pub(super) fn tell_canceled(
        &mut self,
        order: &OpenOrder,
        cut: &Cut,
        reason: CancelReason,
        out: &mut dyn Outlet,
    ) {
        let &Cut { quantity, leaves, .. } = cut;
        let same_to_all = cut.is_same_to_all(order);
        let route = Route::order_entry(order.port, order.firm).and_feed(same_to_all);
        self.events.emit(route, &canceled(order, (quantity, leaves), reason), out);
        if !same_to_all {
            self.tell_reduced(order, cut, out);
        }
    }

    /// Says to the feed alone that shown shares are gone, if any are.
    pub(super) fn tell_reduced(&mut self, order: &OpenOrder, cut: &Cut, out: &mut dyn Outlet) {
        if cut.shown.is_zero() {
            return;
        }
        let reduced = Reduced {
            header: header_of::<Reduced>(order.instrument),
            shown_as: cut.shown_as,
            quantity: cut.shown,
            leaves: cut.shown_leaves,
            reserved: [0; 8],
        };
        self.events.emit(Route::FEED, &reduced, out);
    }
}
