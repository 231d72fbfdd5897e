//! Definitions and transfers: carries them out and says so, now to who asked, and again to everyone at
//! the start of each day.
//!
//! The rules of a definition are the order manager's; here is only what is said of it.

use super::administration::{Asker, refused};
use super::events::{Outlet, Route};
use super::phases::{calendar_set, price_band_set};
use super::{Engine, header_of};
use crate::order_manager::{
    Account, Asset, Balance, Currency, Firm, Instrument, OrderManager, Port,
};
use crate::types::command::{
    AccountOpen, AccountUpdate, CurrencyDefine, FirmDefine, InstrumentDefine, PortDefine, Transfer,
    VenueLimits,
};
use crate::types::event::{
    AccountDefined, BalanceChanged, CurrencyDefined, EventHeader, FirmDefined, InstrumentDefined,
    PortDefined, SystemMessage, TradingAction, VenueLimitsSet,
};
use crate::types::{
    AccountStatus, AssetKind, CancelReason, CurrencyId, FirmCode, InstrumentId, PortKind, Refusal,
    Side, SystemCode,
};

impl Engine {
    /// Says how much of everything there may be. That is for the life of the log: whoever has been
    /// refused something has been refused it for good.
    pub(super) fn set_limits(&mut self, limits: &VenueLimits, out: &mut dyn Outlet) {
        if !limits.header.port.is_none() {
            self.counters.not_allowed += 1;
            return;
        }
        let same = limits.says_the_same_as(&self.limits);
        if !same && self.limits_set {
            let refused = refused::<VenueLimits>(0, Refusal::Exists);
            self.events.emit(Route::NONE, &refused, out);
            return;
        }
        assert!(same, "made for other limits than the log's: {:?} {limits:?}", self.limits);
        self.limits_set = true;
        self.events.emit(Route::NONE, &limits_set(limits), out);
    }

    pub(super) fn define_currency(
        &mut self,
        define: &CurrencyDefine,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let id = self.manager.define_currency(define)?;
        let currency = self.manager.currencies.get(id.0.into()).expect("just defined");
        let event = currency_defined(*currency, asker.request);
        self.events.emit(Route::port(asker.port), &event, out);
        Ok(())
    }

    pub(super) fn define_firm(
        &mut self,
        define: &FirmDefine,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let id = self.manager.define_firm(define)?;
        let firm = self.manager.firms.get(id.0.into()).expect("just defined");
        self.events.emit(Route::port(asker.port), &firm_defined(firm, asker.request), out);
        if self.day.is_some() {
            let message = system_message(SystemCode::StartOfSystem);
            self.events.emit(Route::firm(id), &message, out);
        }
        Ok(())
    }

    pub(super) fn define_port(
        &mut self,
        define: &PortDefine,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let id = self.manager.define_port(define)?;
        let port = self.manager.ports.get(id.0).expect("just defined");
        self.events.emit(Route::port(asker.port), &port_defined(port, asker.request), out);
        if self.day.is_some() && port.kind == PortKind::OrderEntry {
            let message = system_message(SystemCode::StartOfSystem);
            self.events.emit(Route::port(id), &message, out);
        }
        Ok(())
    }

    pub(super) fn open_account(
        &mut self,
        open: &AccountOpen,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let account = self.manager.open_account(open)?;
        self.say_account(account, asker, out);
        Ok(())
    }

    pub(super) fn update_account(
        &mut self,
        update: &AccountUpdate,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let account = self.manager.update_account(update)?;
        self.say_account(account, asker, out);
        let row = self.manager.accounts.get(account).expect("changed");
        let trades = row.status == AccountStatus::Approved;
        if !trades {
            self.cancel_orders_of_account(account, |_| true, out);
        } else if !row.short_allowed {
            self.cancel_short_sales(account, out);
        }
        Ok(())
    }

    /// Cancels what an account sells short, and what it would deliver of what its short sales took.
    fn cancel_short_sales(&mut self, account: u32, out: &mut dyn Outlet) {
        self.cancel_orders_of_account(account, Side::is_short, out);
        let firm = self.manager.accounts.get(account).expect("it exists").firm;
        for number in 1..=self.manager.instruments.len() {
            let id = InstrumentId(u16::try_from(number).expect("ids are u16"));
            if let Some(shares) = self.manager.wallet.find(account, Asset::Shares(id)) {
                let sells = (shares, Side::Sell);
                self.cancel_until_covered(firm, sells, CancelReason::Regulatory, out);
            }
        }
    }

    fn say_account(&mut self, account: u32, asker: Asker, out: &mut dyn Outlet) {
        let row = self.manager.accounts.get(account).expect("just defined or changed");
        let event = account_defined(&self.manager, row, asker.request);
        self.events.emit(Route::port(asker.port), &event, out);
    }

    pub(super) fn define_instrument(
        &mut self,
        define: &InstrumentDefine,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let id = self.manager.define_instrument(define)?;
        self.books.open(define.tick_size);
        let instrument = self.manager.instruments.get(id.0.into()).expect("just defined");
        let event = instrument_defined(&self.manager, instrument, asker.request);
        let in_feed = self.day.is_some();
        self.events.emit(Route::port(asker.port).and_feed(in_feed), &event, out);
        if in_feed {
            self.start_instrument(id);
            let instrument = self.manager.instruments.get(id.0.into()).expect("just defined");
            self.events.emit(Route::FEED, &trading_action(instrument, [b' '; 4], 0), out);
        }
        Ok(())
    }

    pub(super) fn transfer(
        &mut self,
        transfer: &Transfer,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let id = self.manager.transfer(transfer)?;
        let balance = self.manager.wallet.get(id);
        let event = BalanceChanged {
            request: asker.request,
            reference: transfer.reference,
            change: transfer.amount,
            ..balance_of(&self.manager, balance)
        };
        self.events.emit(Route::port(asker.port), &event, out);
        Ok(())
    }

    /// Says every definition and every balance again, so that a day's event log stands alone.
    pub(super) fn say_everything(&mut self, out: &mut dyn Outlet) {
        self.events.emit(Route::NONE, &limits_set(&self.limits), out);
        let manager = &self.manager;
        for currency in manager.currencies.rows() {
            self.events.emit(Route::NONE, &currency_defined(*currency, 0), out);
        }
        for firm in manager.firms.rows() {
            self.events.emit(Route::NONE, &firm_defined(firm, 0), out);
        }
        for port in manager.ports.rows() {
            self.events.emit(Route::NONE, &port_defined(port, 0), out);
        }
        for instrument in manager.instruments.rows() {
            self.events.emit(Route::FEED, &instrument_defined(manager, instrument, 0), out);
        }
        for instrument in manager.instruments.rows().iter().filter(|row| row.trading.has_rules()) {
            let event = price_band_set(instrument.id, &instrument.trading, 0);
            self.events.emit(Route::NONE, &event, out);
        }
        for schedule in self.phases.calendar.schedules() {
            self.events.emit(Route::NONE, &calendar_set(schedule, 0), out);
        }
        for account in manager.accounts.rows() {
            self.events.emit(Route::NONE, &account_defined(manager, account, 0), out);
        }
        self.say_fees(out);
        self.say_limits(out);
        let manager = &self.manager;
        for balance in manager.wallet.balances().iter().filter(|balance| balance.total != 0) {
            self.events.emit(Route::NONE, &balance_of(manager, balance), out);
        }
        for instrument in manager.instruments.rows() {
            self.events.emit(Route::FEED, &trading_action(instrument, [b' '; 4], 0), out);
        }
    }
}

pub(super) fn system_message(code: SystemCode) -> SystemMessage {
    SystemMessage {
        header: EventHeader::new::<SystemMessage>(),
        code: code.byte(),
        reserved: [0; 23],
    }
}

fn limits_set(limits: &VenueLimits) -> VenueLimitsSet {
    let &VenueLimits { event_segment_bytes, orders, balances, .. } = limits;
    let &VenueLimits { ports, accounts, currencies, firms, instruments, .. } = limits;
    VenueLimitsSet {
        header: EventHeader::new::<VenueLimitsSet>(),
        event_segment_bytes,
        orders,
        balances,
        ports,
        accounts,
        currencies,
        firms,
        instruments,
        reserved: [0; 58],
    }
}

fn currency_defined(currency: Currency, request: u64) -> CurrencyDefined {
    let Currency { id, code, cash_decimals } = currency;
    CurrencyDefined {
        header: EventHeader::new::<CurrencyDefined>(),
        request,
        code,
        currency: id,
        cash_decimals,
        reserved: [0; 9],
    }
}

fn firm_defined(firm: &Firm, request: u64) -> FirmDefined {
    FirmDefined {
        header: EventHeader::new::<FirmDefined>(),
        request,
        code: firm.code,
        open_orders_max: firm.open_orders_max,
        firm: firm.id,
        self_match_key: firm.self_match_key.byte(),
        reserved: [0; 5],
    }
}

pub(super) fn port_defined(port: &Port, request: u64) -> PortDefined {
    PortDefined {
        header: EventHeader::new::<PortDefined>(),
        request,
        verifier: port.verifier,
        port: port.id,
        default_account: port.default_account,
        grace_ms: port.grace_ms,
        message_rate_max: port.message_rate_max,
        open_orders_max: port.open_orders_max,
        firm: port.firm_code,
        name: port.name,
        firm_id: port.firm,
        kind: port.kind.byte(),
        disconnect: port.disconnect.byte(),
        account_by_group: u8::from(port.account_by_group),
        ouch_version: port.ouch_version.byte(),
        reserved: [0; 12],
    }
}

fn account_defined(manager: &OrderManager, account: &Account, request: u64) -> AccountDefined {
    let firm = manager.firms.get(account.firm.0.into());
    AccountDefined {
        header: EventHeader::new::<AccountDefined>(),
        request,
        account: account.id,
        firm: firm.map_or(FirmCode::BLANK, |firm| firm.code),
        firm_id: account.firm,
        group_id: account.group_id,
        status: account.status.byte(),
        short_allowed: u8::from(account.short_allowed),
        reserved: [0; 2],
    }
}

fn balance_of(manager: &OrderManager, balance: &Balance) -> BalanceChanged {
    let account = manager.accounts.get(balance.account).expect("balances belong to accounts");
    let (asset_kind, currency, instrument) = match balance.asset {
        Asset::Cash(currency) => (AssetKind::Cash, currency, InstrumentId::NONE),
        Asset::Shares(instrument) => (AssetKind::Shares, CurrencyId::NONE, instrument),
    };
    BalanceChanged {
        header: header_of::<BalanceChanged>(instrument),
        request: 0,
        reference: 0,
        change: 0,
        balance: balance.total,
        held: balance.held,
        account: account.id,
        currency,
        asset_kind: asset_kind.byte(),
        reserved: [0; 41],
    }
}

fn instrument_defined(
    manager: &OrderManager,
    instrument: &Instrument,
    request: u64,
) -> InstrumentDefined {
    let currency = manager.currencies.get(instrument.currency.0.into());
    InstrumentDefined {
        header: header_of::<InstrumentDefined>(instrument.id),
        request,
        symbol: instrument.symbol,
        display_symbol: instrument.display_symbol,
        tick_size: instrument.tick_size,
        reference_price: instrument.reference_price,
        currency: currency.expect("instruments settle in a defined currency").code,
        lot_size: instrument.lot_size,
        currency_id: instrument.currency,
        price_decimals: instrument.price_decimals,
        market_category: instrument.market_category,
        product: instrument.product,
        short_allowed: u8::from(instrument.short_allowed),
        reserved: [0; 26],
    }
}

pub(super) fn trading_action(
    instrument: &Instrument,
    reason: [u8; 4],
    request: u64,
) -> TradingAction {
    TradingAction {
        header: header_of::<TradingAction>(instrument.id),
        symbol: instrument.symbol,
        request,
        reason,
        state: instrument.trading.phase.trading_state().byte(),
        phase: instrument.trading.phase.byte(),
        reserved: [0; 2],
    }
}
