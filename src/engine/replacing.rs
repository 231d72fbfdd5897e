//! Replacing: an order gives way to another with other terms and a new place in time.
//!
//! One command takes the original out of the book and enters its successor: what the one held is free
//! for the other, and nothing comes between them. The first rule that applies decides:
//!
//! | a Replace finds | answer | the new number |
//! |---|---|---|
//! | the session over | silence | stays unused |
//! | the original not open, or the new number not above the channel's last | silence | stays unused |
//! | its port above a message rate | `J` 0x29 or 0x28, the original as it was | is used up |
//! | the original final: it waits for an auction that is near | `J` 0x15, the original as it was | is used up |
//! | an order that would be refused (its form, price, quantity, funds, ...) | `C` of all that is left of the original, reason `U` | stays unused |
//! | as many shares executed as it asks for, or more | the same `C` | stays unused |
//! | none of these | `U`, then what an Accepted is followed by | is used up |
//!
//! The message rates leave the original alone as the specification's rule for final ones does.
//!
//! The quantity counts the shares executed of the whole chain of replaced orders. Instrument, side and
//! account are the original's; a Replace that names another side is refused.

use super::display::Cut;
use super::events::{Outlet, Route};
use super::trading::Arrival;
use super::{Engine, header_of};
use crate::order_manager::{Admission, OpenOrder};
use crate::types::command::{NewOrder, Replace};
use crate::types::event::{EventHeader, Rejected, Replaced};
use crate::types::{CancelReason, OrderRef, RejectReason};

impl Engine {
    /// Replaces an order, by the rules above.
    pub(super) fn replace(&mut self, replace: &Replace, out: &mut dyn Outlet) {
        if !self.may_trade(&replace.header) {
            return;
        }
        let now = self.now;
        let (port, channel) = (replace.header.port, replace.user_ref_idx);
        let Some(handle) = self.manager.find_order(port, channel, replace.orig_user_ref_num) else {
            self.counters.idle_replaces += 1;
            return;
        };
        let row = self.manager.ports.get_mut(port.0).expect("it has a session");
        if !row.user_refs.is_new(channel, replace.user_ref_num) {
            self.counters.duplicate_orders += 1;
            return;
        }
        let original = *self.manager.orders.get(handle);
        let instrument = self.manager.instruments.get(original.instrument.0.into());
        let symbol = instrument.expect("it trades").symbol;
        let taken = self.manager.take_message(port, symbol, now);
        let refused = taken
            .err()
            .or_else(|| self.is_final(handle).then_some(RejectReason::ReplaceNotAllowed));
        if let Some(reason) = refused {
            let row = self.manager.ports.get_mut(port.0).expect("as above");
            row.user_refs.consume(channel, replace.user_ref_num);
            let route = Route::order_entry(port, row.firm);
            self.events.emit(route, &rejected(replace, reason), out);
            return;
        }

        let open = self.books.order(handle).open;
        let cut = self.withdraw(handle, open);
        let bid = |id| self.books.best_bid(id);
        match self.manager.admit_successor(replace, &original, bid) {
            Some((order, admission)) => {
                self.enter_successor(replace, (&original, &cut), &order, &admission, out);
            }
            None => {
                self.tell_canceled(&original, &cut, CancelReason::User, out);
            }
        }
    }

    fn enter_successor(
        &mut self,
        replace: &Replace,
        (original, cut): (&OpenOrder, &Cut),
        order: &NewOrder,
        admission: &Admission,
        out: &mut dyn Outlet,
    ) {
        let port = self.manager.ports.get_mut(replace.header.port.0).expect("it has a session");
        let is_new = port.user_refs.consume(replace.user_ref_idx, replace.user_ref_num);
        assert!(is_new, "number {} was used before", replace.user_ref_num);

        let arrival = self.arrival(order, admission);
        let replaced = replaced(replace, (original, cut), order, admission, arrival);
        let is_seen = !replaced.original_shown_as.is_none() || !replaced.shown.is_zero();
        let route = Route::order_entry(original.port, original.firm).and_feed(is_seen);
        let reference = OrderRef(self.events.emit(route, &replaced, out));
        self.trade(order, admission, arrival, reference, out);
    }
}

fn rejected(replace: &Replace, reason: RejectReason) -> Rejected {
    Rejected {
        header: EventHeader::new::<Rejected>(),
        user_ref_num: replace.user_ref_num,
        reason: reason.code(),
        user_ref_idx: replace.user_ref_idx,
        reserved: 0,
        cl_ord_id: replace.cl_ord_id,
        reserved2: [0; 2],
    }
}

fn replaced(
    replace: &Replace,
    (original, cut): (&OpenOrder, &Cut),
    order: &NewOrder,
    admission: &Admission,
    arrival: Arrival,
) -> Replaced {
    Replaced {
        header: header_of::<Replaced>(admission.instrument),
        original: original.order,
        original_shown_as: cut.shown_as,
        price: order.price,
        discretion_price: order.discretion_price,
        symbol: order.symbol,
        orig_user_ref_num: replace.orig_user_ref_num,
        user_ref_num: order.user_ref_num,
        quantity: order.quantity,
        executed: admission.executed,
        shown: arrival.shown_of(order),
        min_quantity: order.min_quantity,
        max_floor: order.max_floor,
        expire_time_s: order.expire_time_s,
        peg_offset: order.peg_offset,
        discretion_peg_offset: order.discretion_peg_offset,
        random_reserves: order.random_reserves,
        locate_broker: order.locate_broker,
        account: admission.account,
        cl_ord_id: order.cl_ord_id,
        group_id: order.group_id,
        user_ref_idx: order.user_ref_idx,
        side: order.side,
        time_in_force: order.time_in_force,
        display: order.display,
        capacity: order.capacity,
        intermarket_sweep: order.intermarket_sweep,
        cross_type: order.cross_type,
        order_state: arrival.order_state().byte(),
        post_only: order.post_only,
        handling: order.handling,
        price_type: order.price_type,
        shares_located: order.shares_located,
        discretion_price_type: order.discretion_price_type,
        trade_now: order.trade_now,
        rests: u8::from(arrival == Arrival::Rests),
        reserved: [0; 29],
    }
}
