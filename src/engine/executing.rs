//! Executing: an order trades with those it meets, one fill after another.
//!
//! Orders of one price trade in the order of their commands, at the resting order's price. An order meets
//! at most [`FILLS_MAX`] others: it may not keep everyone waiting.

use super::display::liquidity_of;
use super::events::{Outlet, Route};
use super::trading::value;
use super::{Engine, header_of};
use crate::matching::{BookSide, Fill, Incoming};
use crate::order_manager::{Admission, FILLS_MAX, FeeMeter, Settlement};
use crate::types::command::NewOrder;
use crate::types::event::Executed;
use crate::types::{Liquidity, MatchNumber, Quantity};

/// What an order has come to while it comes.
#[derive(Debug)]
pub(super) struct Course {
    /// Shares executed, those of the orders it replaced included.
    pub(super) executed: Quantity,
    /// What it owes.
    pub(super) fee: FeeMeter,
    /// What it holds for that.
    pub(super) fee_hold: i64,
}

/// How an order's fills ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    /// It is filled, or meets nothing more.
    Done,
    /// It has met as many as it may.
    TooMany,
    /// The next price is too far from the last before it came.
    OutOfBand,
}

impl Engine {
    /// Trades an order with those it meets.
    pub(super) fn fill(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        incoming: &mut Incoming,
        course: &mut Course,
        out: &mut dyn Outlet,
    ) -> Filling {
        let instrument = admission.instrument;
        // The prices of this order's own fills move the band for the next order, not for itself.
        let band = self.trading_of(instrument).band();
        for _ in 0..FILLS_MAX {
            if admission.self_match.is_some()
                && self.prevent_self_match(order, admission, incoming, out)
            {
                continue;
            }
            if band.is_some_and(|band| self.leaves_band(instrument, incoming, band)) {
                return Filling::OutOfBand;
            }
            let Some(fill) = self.books.next_fill(instrument, incoming) else {
                return Filling::Done;
            };
            self.settle(order, admission, incoming, &fill, course, out);
            if !fill.refresh.is_zero() {
                let resting = *self.manager.orders.get(fill.handle);
                self.restate(&fill, &resting, out);
            }
            self.trade_at(instrument, fill.price);
        }
        if self.books.crosses(instrument, incoming.side, incoming.price) {
            Filling::TooMany
        } else {
            Filling::Done
        }
    }

    /// Settles a fill and says so on both sides, the resting one first.
    fn settle(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        incoming: &Incoming,
        fill: &Fill,
        course: &mut Course,
        out: &mut dyn Outlet,
    ) {
        let resting = *self.manager.orders.get(fill.handle);
        let paid = value(fill.price, fill.quantity, admission.scale);
        let left = value(fill.price, fill.leaves, admission.scale);
        let mut maker = resting.fee;
        let (maker_fee, taker_fee) = (maker.charge(paid), course.fee.charge(paid));
        let maker_fee_hold = resting.fee.hold(paid + left) - maker.hold(left);
        let fee_cash = self.manager.fee_cash(admission.currency);
        let own_value = value(admission.worth, fill.quantity, admission.scale);
        self.manager.settle(&match incoming.side {
            BookSide::Bids => Settlement {
                buyer_firm: admission.firm,
                seller_firm: resting.firm,
                buyer_cash: admission.cash,
                buyer_shares: admission.shares,
                seller_cash: resting.cash,
                seller_shares: resting.shares,
                notional: paid,
                buyer_hold: own_value,
                seller_value: value(resting.worth(), fill.quantity, admission.scale),
                quantity: fill.quantity,
                buyer_fee: taker_fee,
                buyer_fee_hold: taker_fee,
                seller_fee: maker_fee,
                fee_cash,
            },
            BookSide::Asks => Settlement {
                buyer_firm: resting.firm,
                seller_firm: admission.firm,
                buyer_cash: resting.cash,
                buyer_shares: resting.shares,
                seller_cash: admission.cash,
                seller_shares: admission.shares,
                notional: paid,
                buyer_hold: paid,
                seller_value: own_value,
                quantity: fill.quantity,
                buyer_fee: maker_fee,
                buyer_fee_hold: maker_fee_hold,
                seller_fee: taker_fee,
                fee_cash,
            },
        });
        course.executed.0 += fill.quantity.0;
        if admission.side.is_buy() {
            course.fee_hold -= taker_fee;
        }
        let passive = self.manager.orders.get_mut(fill.handle);
        passive.executed.0 += fill.quantity.0;
        passive.fee = maker;
        if fill.leaves.is_zero() {
            self.close_order(fill.handle);
        }

        let passive = Executed {
            header: header_of::<Executed>(admission.instrument),
            order: fill.order,
            contra: incoming.order,
            match_number: MatchNumber(self.events.next_sequence()),
            price: fill.price,
            notional: paid,
            fee: maker_fee,
            shown_as: fill.shown_as,
            user_ref_num: resting.user_ref_num,
            quantity: fill.quantity,
            shown: if fill.shown_as.is_none() { Quantity::ZERO } else { fill.quantity },
            leaves: fill.leaves,
            account: resting.account,
            group_id: resting.group_id,
            currency: admission.currency,
            user_ref_idx: resting.user_ref_idx,
            side: resting.side.byte(),
            liquidity: liquidity_of(fill.shown_as).byte(),
            reserved: [0; 5],
        };
        let aggressive = Executed {
            order: incoming.order,
            contra: fill.order,
            fee: taker_fee,
            user_ref_num: order.user_ref_num,
            leaves: incoming.open,
            account: admission.account,
            group_id: order.group_id,
            user_ref_idx: order.user_ref_idx,
            side: order.side,
            liquidity: Liquidity::Removed.byte(),
            ..passive
        };
        let route = Route::order_entry(resting.port, resting.firm).and_feed(true);
        self.events.emit(route, &passive, out);
        let route = Route::order_entry(order.header.port, admission.firm);
        self.events.emit(route, &aggressive, out);
    }
}
