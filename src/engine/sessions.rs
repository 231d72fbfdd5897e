//! Sessions: ports go up and down, and a port that stays away loses its orders if its rule says so; so
//! does an account that may not trade any more.
//!
//! The newest login of a port is the session; commands of an older one are ignored.

use super::Engine;
use super::events::{Outlet, Owner, Route};
use crate::order_manager::{Account, BalanceId, OpenOrder, Port};
use crate::types::command::{PortDown, PortUp, TermStart};
use crate::types::event::{EventHeader, PortWentDown, PortWentUp, TermStarted};
use crate::types::{
    CancelReason, DisconnectPolicy, DownReason, Epoch, FirmId, Nanos, OrderHandle, Phase, PortId,
    PortKind, Side,
};

impl Engine {
    /// A term begins: nobody is connected to the node that leads it, so every session is lost.
    pub(super) fn term_start(&mut self, start: &TermStart, out: &mut dyn Outlet) {
        if !start.header.port.is_none() {
            self.counters.not_allowed += 1;
            return;
        }
        let started = TermStarted {
            header: EventHeader::new::<TermStarted>(),
            term: start.term,
            node: start.node,
            term_grace_ms: start.term_grace_ms,
            reserved: [0; 12],
        };
        self.events.emit(Route::NONE, &started, out);
        for number in 1..=self.manager.ports.len() {
            self.lose_session(PortId(number), DownReason::Lost, start.term_grace_ms, out);
        }
    }

    /// While nobody led, nobody could come back: every grace that runs begins anew with the term, and
    /// is as long as that of a session which the term's start ends.
    pub(super) fn postpone_graces(&mut self, start: &TermStart) {
        for port in self.manager.ports.rows() {
            if self.deadlines.grace.is_armed(port.id.0) {
                let deadline = self.now.after(grace(port, start.term_grace_ms));
                self.deadlines.grace.arm(port.id.0, deadline);
            }
        }
    }

    /// A participant proved who it is. Its session replaces the one there was.
    pub(super) fn port_up(&mut self, up: &PortUp, out: &mut dyn Outlet) {
        let id = up.header.port;
        let may_log_in = self
            .manager
            .ports
            .get(id.0)
            .filter(|port| self.day.is_some() || !port.is_of_the_day())
            .is_some_and(|port| self.events.has_numbers(id, port.firm));
        if !may_log_in {
            self.counters.refused_logins += 1;
            return;
        }
        self.end_session(id, DownReason::Replaced, out);
        self.deadlines.grace.disarm(id.0);
        let port = self.manager.ports.get_mut(id.0).expect("found above");
        port.epoch = Epoch(self.sequence);
        let last = match port.kind {
            PortKind::DropCopy => self.events.firm_sequence(port.firm),
            PortKind::OrderEntry | PortKind::Admin => self.events.port_sequence(id),
        };
        let went_up = PortWentUp {
            header: EventHeader::new::<PortWentUp>(),
            epoch: port.epoch,
            connection: up.connection,
            next_sequence: last + 1,
            reserved: [0; 4],
        };
        self.events.emit(Route::about(id), &went_up, out);
    }

    /// A session is over, by whichever end.
    pub(super) fn port_down(&mut self, down: &PortDown, out: &mut dyn Outlet) {
        let id = down.header.port;
        if self.manager.session(id, down.header.epoch).is_none() {
            self.counters.stale_epochs += 1;
            return;
        }
        let reason = DownReason::from_byte(down.reason).unwrap_or(DownReason::Lost);
        self.lose_session(id, reason, 0, out);
    }

    /// Ends a session that is on, and begins the grace period of a port whose orders depend on it, of
    /// `least_ms` or more. A grace of nothing is over before the next command.
    fn lose_session(
        &mut self,
        id: PortId,
        reason: DownReason,
        least_ms: u32,
        out: &mut dyn Outlet,
    ) {
        if !self.end_session(id, reason, out) {
            return;
        }
        let port = self.manager.ports.get(id.0).expect("it had a session");
        if port.kind == PortKind::OrderEntry && port.disconnect == DisconnectPolicy::Cancel {
            self.deadlines.grace.arm(id.0, self.now.after(grace(port, least_ms)));
        }
    }

    /// The port did not come back in time.
    pub(super) fn end_grace(&mut self, id: PortId, out: &mut dyn Outlet) {
        self.cancel_orders(id, CancelReason::Supervisory, out);
    }

    /// Closes every port whose stream, or whose firm's, is full: there are no numbers for what it
    /// would be told. It opens again with the next day, when numbers begin anew.
    pub(super) fn close_full_streams(&mut self, out: &mut dyn Outlet) {
        while let Some(owner) = self.events.take_full() {
            for number in 1..=self.manager.ports.len() {
                let port = self.manager.ports.get(number).expect("numbers are dense");
                let (id, firm) = (port.id, port.firm);
                if owner == Owner::Port(id) || owner == Owner::Firm(firm) {
                    self.cancel_orders(id, CancelReason::System, out);
                    self.deadlines.grace.disarm(number);
                    self.end_session(id, DownReason::EndOfSession, out);
                }
            }
        }
    }

    /// Cancels every order of a port, oldest first.
    fn cancel_orders(&mut self, id: PortId, reason: CancelReason, out: &mut dyn Outlet) {
        while let Some(port) = self.manager.ports.get(id.0)
            && !port.oldest.is_none()
        {
            self.cancel_rest(port.oldest, reason, out);
        }
    }

    /// Cancels every order of an account on such a side, port by port, the oldest of each first: it may
    /// not have them any more. In one step: what it looks at are its firm's open orders, and the firm's
    /// limit bounds those.
    pub(super) fn cancel_orders_of_account(
        &mut self,
        account: u32,
        on: impl Fn(Side) -> bool,
        out: &mut dyn Outlet,
    ) {
        let &Account { id, firm, .. } = self.manager.accounts.get(account).expect("it exists");
        self.cancel_orders_of_firm(
            firm,
            CancelReason::Regulatory,
            |order, _| order.account == id && on(order.side),
            out,
        );
    }

    /// Cancels those of a firm's orders that match in the phase of their instrument, port by port, the
    /// oldest of each first.
    pub(super) fn cancel_orders_of_firm(
        &mut self,
        firm: FirmId,
        reason: CancelReason,
        matches: impl Fn(&OpenOrder, Phase) -> bool,
        out: &mut dyn Outlet,
    ) {
        for number in 1..=self.manager.ports.len() {
            let port = self.manager.ports.get(number).expect("numbers are dense");
            let mut next = if port.firm == firm { port.oldest } else { OrderHandle::NONE };
            while !next.is_none() {
                let handle = next;
                let order = self.manager.orders.get(handle);
                next = order.younger;
                if matches(order, self.trading_of(order.instrument).phase) {
                    self.cancel_rest(handle, reason, out);
                }
            }
        }
    }

    /// Cancels orders of a side behind a balance, the youngest first, while more is held of it than there
    /// is. Short sales stay: they need no cover. In one step: what it looks at are the firm's open orders,
    /// each once, and the firm's limit bounds those.
    pub(super) fn cancel_until_covered(
        &mut self,
        firm: FirmId,
        (balance, side): (BalanceId, Side),
        reason: CancelReason,
        out: &mut dyn Outlet,
    ) {
        let is_covered = |engine: &Self| engine.manager.wallet.get(balance).available() >= 0;
        if is_covered(self) {
            return;
        }
        let mut behind = std::mem::take(&mut self.behind);
        behind.clear();
        for port in self.manager.ports.rows().iter().filter(|port| port.firm == firm) {
            let mut next = port.youngest;
            while !next.is_none() {
                let order = self.manager.orders.get(next);
                if order.side == side && [order.cash, order.shares].contains(&balance) {
                    behind.push((order.order, next));
                }
                next = order.older;
            }
        }
        behind.sort_unstable();
        while !is_covered(self)
            && let Some((_, youngest)) = behind.pop()
        {
            self.cancel_rest(youngest, reason, out);
        }
        self.behind = behind;
    }

    /// Ends a session; false if none is on.
    pub(super) fn end_session(
        &mut self,
        id: PortId,
        reason: DownReason,
        out: &mut dyn Outlet,
    ) -> bool {
        let Some(port) = self.manager.ports.get_mut(id.0) else { return false };
        if !port.is_up() {
            return false;
        }
        let went_down = PortWentDown {
            header: EventHeader::new::<PortWentDown>(),
            epoch: std::mem::take(&mut port.epoch),
            reason: reason.byte(),
            reserved: [0; 15],
        };
        self.events.emit(Route::about(id), &went_down, out);
        true
    }
}

fn grace(port: &Port, least_ms: u32) -> Nanos {
    Nanos::from_millis(port.grace_ms.max(least_ms).into())
}
