//! Requests of a firm about all that it has: mass cancel, the switch of its order entry, account query.
//!
//! Mass cancels and switches have user reference numbers like orders, each used once: a repeated one is
//! met with silence, one that is wrong is rejected. A mass cancel counts as a message of its port,
//! because it looks at all that its firm has open; a switch does not, because whoever needs it needs it
//! now. A mass cancel is one step, and first its response is said, then each order's cancel, port by port
//! and the oldest of each first; final orders stay. The switch lasts until the day is over. The node itself
//! may have nobody's orders taken, until it says the contrary.

use super::events::{Outlet, Route};
use super::{Engine, header_of};
use crate::order_manager::{DISABLED_BY_FIRM, DISABLED_BY_VENUE, OpenOrder, Port};
use crate::types::command::{AccountQuery, CommandHeader, DisableEntry, EnableEntry, MassCancel};
use crate::types::event::{AccountAnswered, EntrySwitched, EventHeader, MassCanceled, Rejected};
use crate::types::{
    CancelReason, ClOrdId, FirmCode, FirmId, InstrumentId, Phase, RejectReason, Side, Symbol,
    UserRefNum,
};

/// A request's place among those of its port.
#[derive(Clone, Copy)]
struct Request<'a> {
    header: &'a CommandHeader,
    channel: u8,
    number: UserRefNum,
}

impl Engine {
    /// Cancels the orders of a firm that have all that the request names.
    pub(super) fn mass_cancel(&mut self, mass: &MassCancel, out: &mut dyn Outlet) {
        let &MassCancel { ref header, user_ref_idx: channel, user_ref_num: number, .. } = mass;
        let request = Request { header, channel, number };
        if !self.takes_request(request) {
            return;
        }
        let (firm, instrument, side) = match self.check_mass_cancel(mass) {
            Ok(found) => found,
            Err(reason) => return self.reject_request(request, reason, out),
        };
        let taken = MassCanceled {
            header: header_of::<MassCanceled>(instrument),
            user_ref_num: number,
            firm: self.firm_code(firm),
            symbol: mass.symbol,
            group_id: mass.group_id,
            user_ref_idx: channel,
            side: mass.side,
            reserved: [0; 4],
        };
        self.events.emit(Route::order_entry(header.port, firm), &taken, out);
        let matches = |order: &OpenOrder, phase: Phase| {
            !order.is_final(phase)
                && (instrument.is_none() || order.instrument == instrument)
                && side.is_none_or(|side| order.side == side)
                && (mass.group_id == 0 || order.group_id == mass.group_id)
                && (channel == 0 || (order.port, order.user_ref_idx) == (header.port, channel))
        };
        self.cancel_orders_of_firm(firm, CancelReason::User, matches, out);
    }

    /// Refuses a firm's new orders from now on, or everybody's if the node itself asks.
    pub(super) fn disable_entry(&mut self, disable: &DisableEntry, out: &mut dyn Outlet) {
        let &DisableEntry { ref header, user_ref_idx, user_ref_num, firm, .. } = disable;
        self.switch_entry(header, (user_ref_idx, user_ref_num), (firm, false), out);
    }

    /// Takes a firm's new orders again, or everybody's.
    pub(super) fn enable_entry(&mut self, enable: &EnableEntry, out: &mut dyn Outlet) {
        let &EnableEntry { ref header, user_ref_idx, user_ref_num, firm, .. } = enable;
        self.switch_entry(header, (user_ref_idx, user_ref_num), (firm, true), out);
    }

    /// Whether nobody's new orders are taken.
    #[must_use]
    pub fn refuses_orders(&self) -> bool {
        let firms = self.manager.firms.rows();
        firms.iter().any(|firm| firm.entry_disabled & DISABLED_BY_VENUE != 0)
    }

    /// Says which user reference number is next.
    pub(super) fn answer_query(&mut self, query: &AccountQuery, out: &mut dyn Outlet) {
        if !self.may_trade(&query.header) {
            return;
        }
        if query.header.form_error != 0 {
            self.counters.malformed_cancels += 1;
            return;
        }
        let &Port { id, firm, ref user_refs, .. } = self.port_of(&query.header);
        let answered = AccountAnswered {
            header: EventHeader::new::<AccountAnswered>(),
            next_user_ref_num: user_refs.next(query.user_ref_idx),
            user_ref_idx: query.user_ref_idx,
            reserved: [0; 19],
        };
        self.events.emit(Route::order_entry(id, firm), &answered, out);
    }

    fn switch_entry(
        &mut self,
        header: &CommandHeader,
        (channel, number): (u8, UserRefNum),
        (code, enabled): (FirmCode, bool),
        out: &mut dyn Outlet,
    ) {
        if header.port.is_none() {
            return self.switch_venue(enabled, out);
        }
        let request = Request { header, channel, number };
        if !self.takes_request(request) {
            return;
        }
        let firm = match self.check_firm(header, code) {
            Ok(firm) => firm,
            Err(reason) => return self.reject_request(request, reason, out),
        };
        let row = self.manager.firms.get_mut(firm.0.into()).expect("a port's firm");
        switch(&mut row.entry_disabled, DISABLED_BY_FIRM, enabled);
        let switched = EntrySwitched {
            header: EventHeader::new::<EntrySwitched>(),
            user_ref_num: number,
            firm: self.firm_code(firm),
            user_ref_idx: channel,
            enabled: u8::from(enabled),
            reserved: [0; 14],
        };
        self.events.emit(Route::order_entry(header.port, firm), &switched, out);
    }

    /// Takes new orders of nobody, or again of all who did not ask for the contrary themselves.
    fn switch_venue(&mut self, enabled: bool, out: &mut dyn Outlet) {
        for firm in self.manager.firms.rows_mut() {
            switch(&mut firm.entry_disabled, DISABLED_BY_VENUE, enabled);
        }
        let switched = EntrySwitched {
            header: EventHeader::new::<EntrySwitched>(),
            user_ref_num: UserRefNum(0),
            firm: FirmCode::BLANK,
            user_ref_idx: 0,
            enabled: u8::from(enabled),
            reserved: [0; 14],
        };
        self.events.emit(Route::NONE, &switched, out);
    }

    /// Whether a request is to be answered at all; its number is used up then.
    fn takes_request(&mut self, request: Request<'_>) -> bool {
        if !self.may_trade(request.header) {
            return false;
        }
        let port = self.manager.ports.get_mut(request.header.port.0).expect("it has a session");
        let is_new = port.user_refs.consume(request.channel, request.number);
        self.counters.duplicate_orders += u64::from(!is_new);
        is_new
    }

    /// The firm, instrument (none = all) and side (none = all) that a mass cancel names.
    fn check_mass_cancel(
        &mut self,
        mass: &MassCancel,
    ) -> Result<(FirmId, InstrumentId, Option<Side>), u16> {
        let now = self.now;
        if !self.manager.takes_message(mass.header.port, now) {
            return Err(RejectReason::PortMessageRate.code());
        }
        let firm = self.check_firm(&mass.header, mass.firm)?;
        let instrument = match mass.symbol {
            Symbol::BLANK | Symbol([0, ..]) => InstrumentId::NONE,
            symbol => self.manager.instrument(symbol).ok_or(RejectReason::InvalidSymbol.code())?,
        };
        let side = match mass.side {
            0 => None,
            side => Some(Side::from_byte(side).ok_or(RejectReason::InvalidSide.code())?),
        };
        Ok((firm, instrument, side))
    }

    /// The port's firm, if that is the one that a request of sound form names.
    fn check_firm(&self, header: &CommandHeader, code: FirmCode) -> Result<FirmId, u16> {
        if header.form_error != 0 {
            return Err(header.form_error);
        }
        let port = self.port_of(header);
        let is_own = matches!(code, FirmCode::BLANK | FirmCode([0, ..])) || code == port.firm_code;
        if is_own { Ok(port.firm) } else { Err(RejectReason::FirmNotAuthorized.code()) }
    }

    fn firm_code(&self, firm: FirmId) -> FirmCode {
        self.manager.firms.get(firm.0.into()).expect("a port's firm").code
    }

    fn port_of(&self, header: &CommandHeader) -> &Port {
        self.manager.ports.get(header.port.0).expect("it has a session")
    }

    fn reject_request(&mut self, request: Request<'_>, reason: u16, out: &mut dyn Outlet) {
        let &Port { id, firm, .. } = self.port_of(request.header);
        let rejected = Rejected {
            header: EventHeader::new::<Rejected>(),
            user_ref_num: request.number,
            reason,
            user_ref_idx: request.channel,
            reserved: 0,
            cl_ord_id: ClOrdId::BLANK,
            reserved2: [0; 2],
        };
        self.events.emit(Route::order_entry(id, firm), &rejected, out);
    }
}

/// Sets one of the reasons for which a firm's new orders are refused, or takes it away.
fn switch(reasons: &mut u8, reason: u8, enabled: bool) {
    *reasons = if enabled { *reasons & !reason } else { *reasons | reason };
}
