//! Trading: a new order through checks, hold, matching and settlement; and cancels.
//!
//! Orders of one price trade in the order of their commands, at the resting order's price. An order that
//! has met [`FILLS_MAX`] others and would meet more is canceled there and then: it may not rest, and it
//! may not keep everyone waiting.

use super::crossing::section_of;
use super::display::{Cut, display_of, shown_of};
use super::events::{Outlet, Route};
use super::{Engine, header_of};
use crate::matching::{BookSide, Fill, Incoming, Section};
use crate::order_manager::{Admission, FILLS_MAX, OpenOrder, Settlement, cross_of};
use crate::types::command::{Cancel, CommandHeader, NewOrder};
use crate::types::event::{
    Accepted, CancelRejected, Canceled, EventHeader, Executed, Rejected, Rested,
};
use crate::types::{
    CancelReason, InstrumentId, Liquidity, MatchNumber, OrderHandle, OrderRef, OrderState, Phase,
    PortKind, Price, Quantity, RejectReason, Side, notional,
};

/// What becomes of an order as it arrives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It meets nothing, or what it meets waits with it for an auction; it rests as it is.
    Rests,
    /// It meets an order of the other side.
    Trades,
    /// It meets nothing, or less than it asks for, and may not rest.
    Dies,
    /// It meets an order of the other side and may not take.
    WouldTake,
}

/// How an order's fills ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filling {
    /// It is filled, or meets nothing more.
    Done,
    /// It has met as many as it may.
    TooMany,
    /// The next price is too far from the last before it came.
    OutOfBand,
}

impl Engine {
    /// Enters an order: silence for a session that is over or a number that was used, else it is
    /// rejected or accepted.
    pub(super) fn new_order(&mut self, order: &NewOrder, out: &mut dyn Outlet) {
        if !self.may_trade(&order.header) {
            return;
        }
        let now = self.now;
        let port = self.manager.ports.get_mut(order.header.port.0).expect("it has a session");
        if !port.user_refs.consume(order.user_ref_idx, order.user_ref_num) {
            self.counters.duplicate_orders += 1;
            return;
        }
        if !port.takes_message(now) {
            self.reject(order, RejectReason::PortMessageRate.code(), out);
            return;
        }
        let limit = self.limit_of(order);
        match self.manager.admit(order, limit) {
            Ok(admission) => self.enter(order, &admission, out),
            Err(reason) => self.reject(order, reason, out),
        }
    }

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
            self.manager.orders.find(cancel.header.port, cancel.user_ref_idx, cancel.user_ref_num);
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

    /// Whether the command comes from the session of an order entry port.
    pub(super) fn may_trade(&mut self, header: &CommandHeader) -> bool {
        let Some(port) = self.manager.session(header.port, header.epoch) else {
            self.counters.stale_epochs += 1;
            return false;
        };
        if port.kind != PortKind::OrderEntry {
            self.counters.not_allowed += 1;
            return false;
        }
        true
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

    fn enter(&mut self, order: &NewOrder, admission: &Admission, out: &mut dyn Outlet) {
        let arrival = self.arrival(order, admission);
        let route = Route::order_entry(order.header.port, admission.firm);
        let shown = arrival.shown_of(order);
        let route = route.and_feed(!shown.is_zero());
        let accepted = accepted(order, admission, arrival.order_state(), shown);
        let reference = OrderRef(self.events.emit(route, &accepted, out));
        self.trade(order, admission, arrival, reference, out);
    }

    /// What becomes of an order that was admitted.
    pub(super) fn arrival(&self, order: &NewOrder, admission: &Admission) -> Arrival {
        let &Admission { instrument, side, limit, immediate, .. } = admission;
        let trades = self.trading_of(instrument).phase == Phase::Continuous;
        if !trades || cross_of(order).is_some() {
            return Arrival::Rests;
        }
        match (self.books.crosses(instrument, side.into(), limit), immediate) {
            (true, _) if order.post_only == b'P' => Arrival::WouldTake,
            (true, true) if !self.offers_enough(order, admission) => Arrival::Dies,
            (true, _) => Arrival::Trades,
            (false, false) => Arrival::Rests,
            (false, true) => Arrival::Dies,
        }
    }

    /// Holds what an order that was told needs, trades what it can, and rests or cancels the others.
    pub(super) fn trade(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        arrival: Arrival,
        reference: OrderRef,
        out: &mut dyn Outlet,
    ) {
        match arrival {
            Arrival::Dies => return,
            Arrival::WouldTake => {
                let rest = (reference, order.quantity);
                return self.tell_dropped(order, admission, rest, CancelReason::PostOnly, out);
            }
            Arrival::Rests | Arrival::Trades => {}
        }
        let &Admission { instrument, side, immediate, .. } = admission;
        match side {
            Side::Buy => self.manager.wallet.hold(admission.cash, admission.notional),
            Side::Sell => self.manager.wallet.hold(admission.shares, order.quantity.0.into()),
            Side::SellShort | Side::SellShortExempt => {
                self.manager.wallet.hold_short(admission.shares, order.quantity);
            }
        }
        let mut incoming = Incoming {
            order: reference,
            side: side.into(),
            price: admission.limit,
            open: order.quantity,
            display: display_of(order),
        };
        let ended = match arrival {
            Arrival::Trades => self.fill(order, admission, &mut incoming, out),
            Arrival::Rests | Arrival::Dies | Arrival::WouldTake => Filling::Done,
        };
        if incoming.open.is_zero() {
            return;
        }
        match ended {
            Filling::Done => {}
            Filling::TooMany => {
                self.drop_rest(order, admission, &incoming, CancelReason::System, out);
                return;
            }
            Filling::OutOfBand => self.pause(instrument, out),
        }
        if immediate {
            self.drop_rest(order, admission, &incoming, CancelReason::ImmediateOrCancel, out);
            return;
        }
        let handle = self.rest(order, instrument, &incoming);
        self.manager.open_order(handle, open_order(order, admission, &incoming));
        self.arm_expiry(handle, incoming.order, order.expire_time_s);
        let shown = shown_of(order, incoming.open);
        if arrival == Arrival::Trades && !shown.is_zero() {
            let rested = Rested {
                header: header_of::<Rested>(instrument),
                order: incoming.order,
                price: incoming.price,
                quantity: shown,
                side: order.side,
                reserved: [0; 3],
            };
            self.events.emit(Route::FEED, &rested, out);
        }
    }

    /// Trades an order with those it meets.
    fn fill(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        incoming: &mut Incoming,
        out: &mut dyn Outlet,
    ) -> Filling {
        let instrument = admission.instrument;
        // The prices of this order's own fills move the band for the next order, not for itself.
        let band = self.trading_of(instrument).band();
        for _ in 0..FILLS_MAX {
            if band.is_some_and(|band| self.leaves_band(instrument, incoming, band)) {
                return Filling::OutOfBand;
            }
            let Some(fill) = self.books.next_fill(instrument, incoming) else {
                return Filling::Done;
            };
            self.settle(order, admission, incoming, &fill, out);
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

    /// Puts what is left of an order into the book of its kind.
    fn rest(
        &mut self,
        order: &NewOrder,
        instrument: InstrumentId,
        incoming: &Incoming,
    ) -> OrderHandle {
        if let Some(cross) = cross_of(order) {
            let no_limit = incoming.price == Price::MARKET;
            let price = if no_limit { incoming.side.no_limit() } else { incoming.price };
            let waiting = Incoming { price, ..*incoming };
            return self.books.collect(instrument, section_of(cross), &waiting);
        }
        if self.trading_of(instrument).phase == Phase::Continuous {
            return self.books.rest(instrument, incoming);
        }
        self.books.collect(instrument, Section::Continuous, incoming)
    }

    /// Settles a fill and says so on both sides, the resting one first.
    fn settle(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        incoming: &Incoming,
        fill: &Fill,
        out: &mut dyn Outlet,
    ) {
        let resting = *self.manager.orders.get(fill.handle);
        let paid = value(fill.price, fill.quantity, admission.scale);
        self.manager.wallet.settle(&match incoming.side {
            BookSide::Bids => Settlement {
                buyer_cash: admission.cash,
                buyer_shares: admission.shares,
                seller_cash: resting.cash,
                seller_shares: resting.shares,
                notional: paid,
                buyer_hold: value(incoming.price, fill.quantity, admission.scale),
                quantity: fill.quantity,
            },
            BookSide::Asks => Settlement {
                buyer_cash: resting.cash,
                buyer_shares: resting.shares,
                seller_cash: admission.cash,
                seller_shares: admission.shares,
                notional: paid,
                buyer_hold: paid,
                quantity: fill.quantity,
            },
        });
        self.manager.orders.get_mut(fill.handle).executed.0 += fill.quantity.0;
        if fill.leaves.is_zero() {
            self.close_order(fill.handle);
        }

        let liquidity =
            if fill.shown_as.is_none() { Liquidity::AddedHidden } else { Liquidity::Added };
        let passive = Executed {
            header: header_of::<Executed>(admission.instrument),
            order: fill.order,
            contra: incoming.order,
            match_number: MatchNumber(self.events.next_sequence()),
            price: fill.price,
            notional: paid,
            fee: 0,
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
            liquidity: liquidity.byte(),
            reserved: [0; 5],
        };
        let aggressive = Executed {
            order: incoming.order,
            contra: fill.order,
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

    /// Cancels what an order could not trade and may not rest; it never did, so the feed knows nothing.
    fn drop_rest(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        incoming: &Incoming,
        reason: CancelReason,
        out: &mut dyn Outlet,
    ) {
        let &Admission { side, scale, .. } = admission;
        let (balance, held) = match side {
            Side::Buy => (admission.cash, value(incoming.price, incoming.open, scale)),
            Side::Sell | Side::SellShort | Side::SellShortExempt => {
                (admission.shares, incoming.open.0.into())
            }
        };
        self.manager.wallet.release(balance, held);
        self.tell_dropped(order, admission, (incoming.order, incoming.open), reason, out);
    }

    /// Says that shares of an order that never rested are gone.
    fn tell_dropped(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        (reference, decrement): (OrderRef, Quantity),
        reason: CancelReason,
        out: &mut dyn Outlet,
    ) {
        let &Admission { instrument, firm, .. } = admission;
        let canceled = Canceled {
            header: header_of::<Canceled>(instrument),
            order: reference,
            user_ref_num: order.user_ref_num,
            decrement,
            leaves: Quantity::ZERO,
            user_ref_idx: order.user_ref_idx,
            reason: reason.byte(),
            reserved: [0; 2],
        };
        self.events.emit(Route::order_entry(order.header.port, firm), &canceled, out);
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
        let price = view.price;
        let order = self.manager.orders.get(handle);
        let instrument = self.manager.instruments.get(order.instrument.0.into());
        let instrument = instrument.expect("it trades");
        let (worth, scale) = (instrument.trading.worth(price), instrument.scale);
        let (balance, held) = match order.side {
            Side::Buy => (order.cash, value(worth, quantity, scale)),
            Side::Sell | Side::SellShort | Side::SellShortExempt => {
                (order.shares, quantity.0.into())
            }
        };
        self.manager.wallet.release(balance, held);
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

    fn reject(&mut self, order: &NewOrder, reason: u16, out: &mut dyn Outlet) {
        let port = self.manager.ports.get(order.header.port.0).expect("it has a session");
        let rejected = Rejected {
            header: EventHeader::new::<Rejected>(),
            user_ref_num: order.user_ref_num,
            reason,
            user_ref_idx: order.user_ref_idx,
            reserved: 0,
            cl_ord_id: order.cl_ord_id,
            reserved2: [0; 2],
        };
        self.events.emit(Route::order_entry(port.id, port.firm), &rejected, out);
    }
}

impl Arrival {
    /// Shares that the feed shows of an order as it arrives.
    pub(super) fn shown_of(self, order: &NewOrder) -> Quantity {
        match self {
            Self::Rests => shown_of(order, order.quantity),
            Self::Trades | Self::Dies | Self::WouldTake => Quantity::ZERO,
        }
    }

    pub(super) const fn order_state(self) -> OrderState {
        match self {
            Self::Rests | Self::Trades | Self::WouldTake => OrderState::Live,
            Self::Dies => OrderState::Dead,
        }
    }
}

/// The cash value of part of an order that was admitted.
fn value(price: Price, quantity: Quantity, scale: i64) -> i64 {
    // A fill's price is at most the buyer's limit, and a part is less than the whole.
    notional(price, quantity, scale).expect("the checks found that the whole order's fits")
}

fn accepted(
    order: &NewOrder,
    admission: &Admission,
    state: OrderState,
    shown: Quantity,
) -> Accepted {
    Accepted {
        header: header_of::<Accepted>(admission.instrument),
        price: order.price,
        discretion_price: order.discretion_price,
        symbol: order.symbol,
        user_ref_num: order.user_ref_num,
        quantity: order.quantity,
        shown,
        min_quantity: order.min_quantity,
        max_floor: order.max_floor,
        expire_time_s: order.expire_time_s,
        account: admission.account,
        peg_offset: order.peg_offset,
        discretion_peg_offset: order.discretion_peg_offset,
        random_reserves: order.random_reserves,
        firm: order.firm,
        route: order.route,
        locate_broker: order.locate_broker,
        cl_ord_id: order.cl_ord_id,
        group_id: order.group_id,
        user_ref_idx: order.user_ref_idx,
        side: order.side,
        time_in_force: order.time_in_force,
        display: order.display,
        capacity: order.capacity,
        intermarket_sweep: order.intermarket_sweep,
        cross_type: order.cross_type,
        order_state: state.byte(),
        customer_type: order.customer_type,
        post_only: order.post_only,
        handling: order.handling,
        price_type: order.price_type,
        shares_located: order.shares_located,
        self_match: order.self_match,
        bbo_weight: order.bbo_weight,
        discretion_price_type: order.discretion_price_type,
        trade_now: order.trade_now,
        reserved: [0; 43],
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

fn open_order(order: &NewOrder, admission: &Admission, incoming: &Incoming) -> OpenOrder {
    OpenOrder {
        order: incoming.order,
        cash: admission.cash,
        shares: admission.shares,
        port: order.header.port,
        user_ref_num: order.user_ref_num,
        account: admission.account,
        executed: Quantity(admission.executed.0 + order.quantity.0 - incoming.open.0),
        older: OrderHandle::NONE,
        younger: OrderHandle::NONE,
        firm: admission.firm,
        instrument: admission.instrument,
        group_id: order.group_id,
        user_ref_idx: order.user_ref_idx,
        side: admission.side,
        capacity: order.capacity,
        cross_type: order.cross_type,
        expires: order.expire_time_s != 0,
    }
}
