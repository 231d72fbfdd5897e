//! Modifying: an order becomes smaller, or another kind of sale, and keeps its place.
//!
//! | a Modify finds | answer |
//! |---|---|
//! | the session over, its form wrong, or the order not open | silence |
//! | the other side, or a kind of sale that the order might not be | silence |
//! | as many shares executed as it asks for, or more; part of a lot | silence: that is for a Cancel |
//! | nothing that would change: the same kind, and as many shares or more | silence |
//! | the order final: it waits for an auction that is near | `I`, the order as it was |
//! | none of these | `M`; more shares than there are leave them as they are |

use super::Engine;
use super::display::Cut;
use super::events::{Outlet, Route};
use super::header_of;
use crate::order_manager::OpenOrder;
use crate::types::command::Modify;
use crate::types::event::Modified;
use crate::types::{OrderHandle, Quantity, Side};

impl Engine {
    /// Modifies an order, by the rules above.
    pub(super) fn modify(&mut self, modify: &Modify, out: &mut dyn Outlet) {
        if !self.may_trade(&modify.header) {
            return;
        }
        if modify.header.form_error != 0 {
            self.counters.malformed_cancels += 1;
            return;
        }
        let found =
            self.manager.find_order(modify.header.port, modify.user_ref_idx, modify.user_ref_num);
        let change = found.and_then(|handle| self.change(handle, modify));
        let (Some(handle), Some((side, decrement))) = (found, change) else {
            self.counters.idle_modifies += 1;
            return;
        };
        if self.is_final(handle) {
            self.reject_cancel(handle, out);
            return;
        }
        self.manager.orders.get_mut(handle).side = side;
        let order = *self.manager.orders.get(handle);
        let cut = match decrement {
            Quantity::ZERO => Cut::of(&self.books.order(handle), decrement),
            decrement => self.withdraw(handle, decrement),
        };
        let modified = Modified {
            header: header_of::<Modified>(order.instrument),
            order: order.order,
            user_ref_num: order.user_ref_num,
            quantity: cut.leaves,
            user_ref_idx: order.user_ref_idx,
            side: side.byte(),
            reserved: [0; 6],
        };
        self.events.emit(Route::order_entry(order.port, order.firm), &modified, out);
        self.tell_reduced(&order, &cut, out);
    }

    /// The side that an order gets and the shares that it loses. `None` if it may not, or if neither
    /// changes.
    fn change(&self, handle: OrderHandle, modify: &Modify) -> Option<(Side, Quantity)> {
        let order = self.manager.orders.get(handle);
        let side = Side::from_byte(modify.side)?;
        let instrument = self.manager.instruments.get(order.instrument.0.into());
        let open = self.books.order(handle).open;
        let leaves = Quantity(modify.quantity.0.checked_sub(order.executed.0)?).min(open);
        let is_whole = leaves.0.is_multiple_of(instrument.expect("it trades").lot_size);
        let decrement = Quantity(open.0 - leaves.0);
        let changes = side != order.side || !decrement.is_zero();
        let is_sound = !leaves.is_zero() && is_whole && changes;
        (is_sound && self.may_become(order, side, decrement)).then_some((side, decrement))
    }

    /// Whether an order that loses so many shares may be of this side.
    fn may_become(&self, order: &OpenOrder, side: Side, decrement: Quantity) -> bool {
        if side == order.side {
            return true;
        }
        match side {
            Side::Buy => false,
            _ if order.side.is_buy() => false,
            // What it still holds must be there.
            Side::Sell => {
                let shares = self.manager.wallet.get(order.shares);
                shares.available() + i64::from(decrement.0) >= 0
            }
            Side::SellShort | Side::SellShortExempt => {
                let instrument = self.manager.instruments.get(order.instrument.0.into());
                let account = self.manager.account(order.account);
                let account = account.and_then(|account| self.manager.accounts.get(account));
                instrument.is_some_and(|row| row.short_allowed)
                    && account.is_some_and(|row| row.short_allowed)
            }
        }
    }
}
