//! The limits of the market file: whom each table is for, and what it bounds.
//!
//! A table may name a firm, an account or a port, and a symbol; one that names nothing is for everyone.
//! Each key of it becomes a command. A limit that is in the log and not in the file stays; 0, or
//! `restricted = false` or `market_orders = true`, lifts it.

use serde::Deserialize;
use zerocopy::FromZeros as _;

use super::{Keys, Market, quoted};
use crate::config::decimal;
use crate::config::error::{ConfigError, Source};
use crate::order_manager::{limit_max, scope_takes};
use crate::types::command::{CommandHeader, PortDefine, RiskLimit};
use crate::types::event::RiskLimitSet;
use crate::types::{
    AccountId, CurrencyCode, FirmCode, Nanos, PortKind, PortName, RiskKey, RiskScope, Symbol,
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitTable {
    firm: Option<String>,
    account: Option<u32>,
    port: Option<String>,
    symbol: Option<String>,
    currency: Option<String>,
    order_quantity_max: Option<u64>,
    order_notional_max: Option<String>,
    collar_bp: Option<u64>,
    shares_per_day_max: Option<u64>,
    open_orders_max: Option<u64>,
    gross_exposure_max: Option<String>,
    net_exposure_max: Option<String>,
    message_rate_max: Option<u64>,
    symbol_message_rate_max: Option<u64>,
    duplicate_window_ms: Option<u64>,
    restricted: Option<bool>,
    market_orders: Option<bool>,
}

/// Whose limit of what it is: equal in two commands of which the later one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LimitKey {
    scope: u8,
    key: u8,
    firm: FirmCode,
    account: AccountId,
    port: PortName,
    symbol: Symbol,
    currency: CurrencyCode,
}

impl From<&RiskLimit> for LimitKey {
    fn from(limit: &RiskLimit) -> Self {
        let &RiskLimit { scope, key, firm, account, port, symbol, currency, .. } = limit;
        Self { scope, key, firm, account, port, symbol, currency }
    }
}

impl From<&RiskLimitSet> for LimitKey {
    fn from(limit: &RiskLimitSet) -> Self {
        let &RiskLimitSet { scope, key, firm, account, port, symbol, currency, .. } = limit;
        Self { scope, key, firm, account, port, symbol, currency }
    }
}

impl Market {
    /// The limits of a table, one for each of its keys.
    pub(super) fn limits_of(
        &self,
        keys: &Keys,
        table: &LimitTable,
    ) -> Result<Vec<RiskLimit>, ConfigError> {
        let (subject, decimals) = self.subject(keys, table)?;
        let scope = RiskScope::from_byte(subject.scope).expect("written by subject");
        let count = |value: Option<u64>| value.map(Ok);
        let amount = |key: &str, text: &Option<String>| {
            let text = text.as_ref()?;
            let Some(decimals) = decimals else {
                let rule = "needs the key currency: it is an amount";
                return Some(Err(keys.broken(key, quoted(text), rule)));
            };
            let units = decimal::parse(text, decimals);
            Some(units.map_err(|rule| keys.broken(key, quoted(text), rule)))
        };
        let flag = |value: Option<bool>| value.map(|value| Ok(u64::from(value)));
        let mut limits = Vec::new();
        for (name, key, value) in [
            ("order_quantity_max", RiskKey::OrderQuantity, count(table.order_quantity_max)),
            (
                "order_notional_max",
                RiskKey::OrderNotional,
                amount("order_notional_max", &table.order_notional_max),
            ),
            ("collar_bp", RiskKey::Collar, count(table.collar_bp)),
            ("shares_per_day_max", RiskKey::SharesPerDay, count(table.shares_per_day_max)),
            ("open_orders_max", RiskKey::OpenOrders, count(table.open_orders_max)),
            (
                "gross_exposure_max",
                RiskKey::GrossExposure,
                amount("gross_exposure_max", &table.gross_exposure_max),
            ),
            (
                "net_exposure_max",
                RiskKey::NetExposure,
                amount("net_exposure_max", &table.net_exposure_max),
            ),
            ("message_rate_max", RiskKey::MessageRate, count(table.message_rate_max)),
            (
                "symbol_message_rate_max",
                RiskKey::SymbolMessageRate,
                count(table.symbol_message_rate_max),
            ),
            ("duplicate_window_ms", RiskKey::DuplicateWindow, count(table.duplicate_window_ms)),
            ("restricted", RiskKey::Restricted, flag(table.restricted)),
            (
                "market_orders",
                RiskKey::NoMarketOrders,
                flag(table.market_orders.map(|allowed| !allowed)),
            ),
        ] {
            let Some(value) = value else { continue };
            let value = value?;
            let rule = format_args!("is no limit {}", whose(scope));
            keys.rule(scope_takes(scope, key), name, value, rule)?;
            let rule = format_args!("must be at most {}", limit_max(key));
            keys.rule(value <= limit_max(key), name, value, rule)?;
            let currency = if is_amount(key) && subject.symbol == Symbol::BLANK {
                subject.currency
            } else {
                CurrencyCode::BLANK
            };
            let limit = RiskLimit { key: key.byte(), value, currency, ..subject };
            let same = |other: &RiskLimit| LimitKey::from(other) == LimitKey::from(&limit);
            keys.rule(!self.limits.iter().any(same), name, value, "is set twice")?;
            limits.push(limit);
        }
        keys.rule(!limits.is_empty(), "*", "(none)", "must name at least one limit")?;
        Ok(limits)
    }

    /// Whom a table is for, as a command without a key, and the decimals of its amounts.
    fn subject(
        &self,
        keys: &Keys,
        table: &LimitTable,
    ) -> Result<(RiskLimit, Option<u8>), ConfigError> {
        let mut limit = RiskLimit {
            header: CommandHeader::internal::<RiskLimit>(Nanos::ZERO),
            firm: FirmCode::BLANK,
            symbol: Symbol::BLANK,
            currency: CurrencyCode::BLANK,
            port: PortName::BLANK,
            ..RiskLimit::new_zeroed()
        };
        if let Some(code) = &table.firm {
            limit.firm = self.known_firm(keys, code)?;
        }
        if let Some(number) = table.account {
            let known = self.accounts.iter().find(|other| other.account.0 == number);
            let rule = "no account has this number";
            limit.account = known.ok_or_else(|| keys.broken("account", number, rule))?.account;
        }
        if let Some(name) = &table.port {
            let wanted = PortName::new(name).map(PortName::upper);
            let known = self.ports.iter().find(|other| Some(other.name) == wanted);
            limit.port =
                known.ok_or_else(|| keys.broken("port", quoted(name), "no such port"))?.name;
        }
        let mut decimals = None;
        if let Some(text) = &table.symbol {
            let known = self.instruments.iter().find(|other| other.symbol.text() == *text);
            let known =
                known.ok_or_else(|| keys.broken("symbol", quoted(text), "no such instrument"))?;
            limit.symbol = known.symbol;
            let currency = self.known_currency(keys, "symbol", &known.currency.text())?;
            decimals = Some(currency.cash_decimals);
        }
        if let Some(code) = &table.currency {
            let rule = "amounts are in the symbol's currency: leave it out";
            keys.rule(table.symbol.is_none(), "currency", quoted(code), rule)?;
            let currency = self.known_currency(keys, "currency", code)?;
            limit.currency = currency.code;
            decimals = Some(currency.cash_decimals);
        }
        let who = (table.firm.is_some(), table.account.is_some(), table.port.is_some());
        let scope = match (who, table.symbol.is_some()) {
            ((false, false, false), false) => RiskScope::Venue,
            ((false, false, false), true) => RiskScope::Symbol,
            ((true, false, false), false) => RiskScope::Firm,
            ((true, false, false), true) => RiskScope::FirmSymbol,
            ((false, true, false), false) => RiskScope::Account,
            ((false, true, false), true) => RiskScope::AccountSymbol,
            ((false, false, true), false) => RiskScope::Port,
            ((false, false, true), true) => {
                let rule = "a port's limits are for all symbols";
                return Err(keys.broken("symbol", quoted(&limit.symbol.text()), rule));
            }
            _ => {
                let rule = "must be only one of firm, account and port";
                return Err(keys.broken("*", "(several)", rule));
            }
        };
        limit.scope = scope.byte();
        Ok((limit, decimals))
    }
}

impl Market {
    /// Proves that each rate of messages is below the one at which a gateway reads a session: whom it
    /// leaves unread never comes to the engine's limit, and is not told that there is one. Each by itself, also
    /// behind a tighter one: that may be lifted any day.
    pub(super) fn rates_are_heard(&self, read_max: u32) -> Result<(), ConfigError> {
        let source = Source::new(&self.path);
        let rule = format_args!(
            "must be below the node's order_entry.messages_per_second_max = {read_max}, or nobody is \
             told of it"
        );
        let ports = self.ports.iter().filter(|port| port.kind == PortKind::OrderEntry.byte());
        for &PortDefine { name, message_rate_max: rate, .. } in ports {
            let key = format_args!("port {name}: message_rate_max");
            source.rule(rate < read_max, key, rate, rule)?;
        }
        let rates = [RiskKey::MessageRate.byte(), RiskKey::SymbolMessageRate.byte()];
        for limit in self.limits.iter().filter(|limit| rates.contains(&limit.key)) {
            source.rule(limit.value < read_max.into(), describe(limit), limit.value, rule)?;
        }
        Ok(())
    }
}

/// A limit in words: whose, and of what.
pub(super) fn describe(limit: &RiskLimit) -> String {
    let mut text = String::from("limit of ");
    let scope = RiskScope::from_byte(limit.scope);
    match scope {
        Some(RiskScope::Firm | RiskScope::FirmSymbol) => text += &limit.firm.text(),
        Some(RiskScope::Account | RiskScope::AccountSymbol) => {
            text = format!("{text}account {}", limit.account);
        }
        Some(RiskScope::Port) => text = format!("{text}port {}", limit.port),
        _ => text += "everyone",
    }
    if limit.symbol != Symbol::BLANK {
        text = format!("{text} in {}", limit.symbol);
    }
    let key = match RiskKey::from_byte(limit.key) {
        Some(RiskKey::OrderQuantity) => "order_quantity_max",
        Some(RiskKey::OrderNotional) => "order_notional_max",
        Some(RiskKey::Collar) => "collar_bp",
        Some(RiskKey::SharesPerDay) => "shares_per_day_max",
        Some(RiskKey::OpenOrders) => "open_orders_max",
        Some(RiskKey::GrossExposure) => "gross_exposure_max",
        Some(RiskKey::NetExposure) => "net_exposure_max",
        Some(RiskKey::MessageRate) => "message_rate_max",
        Some(RiskKey::SymbolMessageRate) => "symbol_message_rate_max",
        Some(RiskKey::DuplicateWindow) => "duplicate_window_ms",
        Some(RiskKey::Restricted) => "restricted",
        Some(RiskKey::NoMarketOrders) => "market_orders",
        None => "?",
    };
    format!("{text}: {key}")
}

/// A limit's value as the file writes it.
pub(super) fn shown(market: &Market, limit: &RiskLimit, value: u64) -> String {
    let key = RiskKey::from_byte(limit.key);
    match key {
        Some(RiskKey::Restricted) => (value == 1).to_string(),
        Some(RiskKey::NoMarketOrders) => (value == 0).to_string(),
        _ if value == 0 => "none".to_owned(),
        Some(key) if is_amount(key) => {
            let traded = market.instruments.iter().find(|other| other.symbol == limit.symbol);
            let code = traded.map_or(limit.currency, |instrument| instrument.currency);
            let currency = market.currencies.iter().find(|other| other.code == code);
            let decimals = currency.map_or(0, |currency| currency.cash_decimals);
            format!("{} {code}", decimal::show(value, decimals))
        }
        _ => value.to_string(),
    }
}

const fn is_amount(key: RiskKey) -> bool {
    matches!(key, RiskKey::OrderNotional | RiskKey::GrossExposure | RiskKey::NetExposure)
}

const fn whose(scope: RiskScope) -> &'static str {
    match scope {
        RiskScope::Venue => "of everyone",
        RiskScope::Firm => "of a firm",
        RiskScope::Account => "of an account",
        RiskScope::Symbol => "of a symbol",
        RiskScope::FirmSymbol => "of a firm in a symbol",
        RiskScope::AccountSymbol => "of an account in a symbol",
        RiskScope::Port => "of a port",
    }
}
