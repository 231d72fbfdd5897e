//! Canceling: a resting order loses shares, or all of them, and what was held for them is free.
//!
//! Superfluous cancels are met with silence, and those of final orders are rejected.

use super::display::Cut;
use super::events::{Outlet, Route};
use super::trading::value;
use super::{Engine, header_of};
use crate::matching::OrderView;
use crate::order_manager::{OpenOrder, Rest};
use crate::types::command::Cancel;
use crate::types::event::{CancelRejected, Canceled};
use crate::types::{CancelReason, OrderHandle, Quantity};

impl Engine {
    /// Cancels an order or takes shares from it. Superfluous cancels are met with silence, and so is
    /// one that would leave part of a lot, or whose form is wrong: what it asks for is not known.
    pub(super) fn cancel(&mut self, cancel: &Cancel, out: &mut dyn Outlet) {
        if !self.may_trade(&cancel.header) {
            return;
        }
        if cancel.header.form_error != 0 {
            self.counters.malformed_cancels += 1;
            return;
        }
        let found =
            self.manager.find_order(cancel.header.port, cancel.user_ref_idx, cancel.user_ref_num);
        let decrement = found.and_then(|handle| self.decrement(handle, cancel.quantity));
        let (Some(handle), Some(decrement)) = (found, decrement) else {
            self.counters.idle_cancels += 1;
            return;
        };
        if self.is_final(handle) {
            self.reject_cancel(handle, out);
            return;
        }
        self.take_shares(handle, decrement, CancelReason::User, out);
    }

    /// Cancels what is left of a resting order.
    pub(super) fn cancel_rest(
        &mut self,
        handle: OrderHandle,
        reason: CancelReason,
        out: &mut dyn Outlet,
    ) {
        let open = self.books.order(handle).open;
        self.take_shares(handle, open, reason, out);
    }

    /// The shares to take so that `intended` is the order's total size, executed shares included; all
    /// that is left if that is less than what was executed. `None` if it would take nothing.
    fn decrement(&self, handle: OrderHandle, intended: Quantity) -> Option<Quantity> {
        let open = self.books.order(handle).open;
        let &OpenOrder { executed, instrument, .. } = self.manager.orders.get(handle);
        let leaves = intended.0.saturating_sub(executed.0);
        let instrument = self.manager.instruments.get(instrument.0.into()).expect("it trades");
        (leaves < open.0 && leaves.is_multiple_of(instrument.lot_size))
            .then(|| Quantity(open.0 - leaves))
    }

    /// Takes shares from a resting order and says so.
    fn take_shares(
        &mut self,
        handle: OrderHandle,
        quantity: Quantity,
        reason: CancelReason,
        out: &mut dyn Outlet,
    ) {
        let order = *self.manager.orders.get(handle);
        let cut = self.withdraw(handle, quantity);
        self.tell_canceled(&order, &cut, reason, out);
    }

    /// Takes shares from a resting order, and gives back what was held for them.
    pub(super) fn withdraw(&mut self, handle: OrderHandle, quantity: Quantity) -> Cut {
        let view = self.books.order(handle);
        let OrderView { open, .. } = view;
        let order = self.manager.orders.get(handle);
        let &OpenOrder { side, firm, cash, shares, instrument, fee, .. } = order;
        let worth = order.worth();
        let instrument = self.manager.instruments.get(instrument.0.into());
        let scale = instrument.expect("it trades").scale;
        let (all, gone) = (value(worth, open, scale), value(worth, quantity, scale));
        self.manager.give_back(&Rest { side, firm, cash, shares, value: gone, quantity });
        if side.is_buy() {
            self.manager.give_back_fee(cash, fee.hold(all) - fee.hold(all - gone));
        }
        let leaves = self.books.reduce(handle, quantity);
        if leaves.is_zero() {
            self.close_order(handle);
        }
        Cut::of(&view, quantity)
    }

    /// Whether an order can be neither canceled nor replaced any more.
    pub(super) fn is_final(&self, handle: OrderHandle) -> bool {
        let order = self.manager.orders.get(handle);
        order.is_final(self.trading_of(order.instrument).phase)
    }

    pub(super) fn reject_cancel(&mut self, handle: OrderHandle, out: &mut dyn Outlet) {
        self.counters.late_cancels += 1;
        let order = self.manager.orders.get(handle);
        let rejected = CancelRejected {
            header: header_of::<CancelRejected>(order.instrument),
            user_ref_num: order.user_ref_num,
            user_ref_idx: order.user_ref_idx,
            reserved: [0; 19],
        };
        self.events.emit(Route::order_entry(order.port, order.firm), &rejected, out);
    }
}

/// What tells a participant that so many shares of an order that rested are gone, and how many are left.
pub(super) fn canceled(
    order: &OpenOrder,
    (decrement, leaves): (Quantity, Quantity),
    reason: CancelReason,
) -> Canceled {
    Canceled {
        header: header_of::<Canceled>(order.instrument),
        order: order.order,
        user_ref_num: order.user_ref_num,
        decrement,
        leaves,
        user_ref_idx: order.user_ref_idx,
        reason: reason.byte(),
        reserved: [0; 2],
    }
}
