//! Trading: a new order through checks and hold to the orders it meets, and to its place in a book.
//!
//! An order that has met [`FILLS_MAX`](crate::order_manager::FILLS_MAX) others and would meet more is
//! canceled there and then: it may not rest, and it may not keep everyone waiting.

use super::crossing::section_of;
use super::display::{display_of, shown_of};
use super::events::{Outlet, Route};
use super::executing::{Course, Filling};
use super::{Engine, header_of};
use crate::matching::{Incoming, Section};
use crate::order_manager::{Admission, FeeMeter, OpenOrder, Rest, cross_of};
use crate::types::command::{CommandHeader, NewOrder};
use crate::types::event::{Accepted, Canceled, EventHeader, Rejected, Rested};
use crate::types::{
    CancelReason, InstrumentId, OrderHandle, OrderRef, OrderState, Phase, PortKind, Price,
    Quantity, notional,
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
        if let Err(reason) = self.manager.take_message(order.header.port, order.symbol, now) {
            self.reject(order, reason.code(), out);
            return;
        }
        match self.manager.admit(order, now, |id| self.books.best_bid(id)) {
            Ok(admission) => self.enter(order, &admission, out),
            Err(reason) => self.reject(order, reason, out),
        }
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
        self.manager.commit(admission, order.quantity);
        let mut incoming = Incoming {
            order: reference,
            side: side.into(),
            price: admission.limit,
            open: order.quantity,
            display: display_of(order),
        };
        let mut course = Course {
            executed: admission.executed,
            fee: FeeMeter::new(admission.rates.taker),
            fee_hold: admission.fee_hold,
        };
        let ended = match arrival {
            Arrival::Trades => self.fill(order, admission, &mut incoming, &mut course, out),
            Arrival::Rests | Arrival::Dies | Arrival::WouldTake => Filling::Done,
        };
        let rests = !(incoming.open.is_zero() || ended == Filling::TooMany || immediate);
        let kept = if rests && side.is_buy() {
            let left = value(admission.worth, incoming.open, admission.scale);
            FeeMeter::new(admission.rates.maker).hold(left)
        } else {
            0
        };
        self.manager.give_back_fee(admission.cash, course.fee_hold - kept);
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
        let open = open_order(order, admission, incoming.order, course.executed);
        self.manager.open_order(handle, open);
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

    /// Cancels what an order could not trade and may not rest; it never did, so the feed knows nothing.
    fn drop_rest(
        &mut self,
        order: &NewOrder,
        admission: &Admission,
        incoming: &Incoming,
        reason: CancelReason,
        out: &mut dyn Outlet,
    ) {
        let &Admission { side, firm, cash, shares, worth, scale, .. } = admission;
        let (quantity, value) = (incoming.open, value(worth, incoming.open, scale));
        self.manager.give_back(&Rest { side, firm, cash, shares, value, quantity });
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
pub(super) fn value(price: Price, quantity: Quantity, scale: i64) -> i64 {
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

fn open_order(
    order: &NewOrder,
    admission: &Admission,
    reference: OrderRef,
    executed: Quantity,
) -> OpenOrder {
    OpenOrder {
        order: reference,
        cash: admission.cash,
        shares: admission.shares,
        port: order.header.port,
        user_ref_num: order.user_ref_num,
        account: admission.account,
        executed,
        fee: FeeMeter::new(admission.rates.maker),
        worth: u32::try_from(admission.worth.0).expect("a price has fewer bits"),
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
