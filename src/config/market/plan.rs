//! A plan: what a market file would change of what is defined already. Nothing is ever removed, and
//! what cannot be changed is an error that names the key.
//!
//! Opening balances are part of it for accounts that are new: not there yet, or there and not yet used,
//! so that an application that was interrupted is completed by the next.

use std::fmt::{self, Display};

use zerocopy::FromZeros as _;

use super::limits::{self, LimitKey};
use super::schedule::{describe_band, describe_schedule};
use super::{Defined, Market, fees, quoted};
use crate::config::decimal;
use crate::config::error::{ConfigError, Source};
use crate::config::secrets::PortSecrets;
use crate::order_manager::Capacity;
use crate::types::command::{AccountOpen, AccountUpdate, CommandHeader, PortDefine, Transfer};
use crate::types::event::AccountDefined;
use crate::types::{
    AccountStatus, AssetKind, ClusterKey, DisconnectPolicy, Line, Nanos, OuchVersion, PortKind,
    PortName, Record, SelfMatchKey,
};

/// What is to be done, each thing defined before it is used.
#[derive(Debug)]
pub struct Plan {
    changes: Vec<Change>,
    unmentioned: usize,
}

/// One command of a plan; shown, what it does.
#[derive(Debug)]
pub struct Change {
    description: String,
    command: Definition,
}

#[derive(Debug)]
enum Definition {
    /// Its verifier is blank until a secret is known.
    Port(PortDefine),
    Other(Vec<Line>),
}

impl Plan {
    /// What turns `defined` into `market`.
    ///
    /// # Errors
    /// Every difference that no command can remove.
    pub fn between(market: &Market, defined: &Defined) -> Result<Self, Vec<ConfigError>> {
        let mut planner = Planner {
            source: Source::new(&market.path),
            changes: Vec::new(),
            differences: Vec::new(),
        };
        planner.currencies(market, defined);
        planner.firms(market, defined);
        planner.instruments(market, defined);
        planner.bands(market, defined);
        planner.schedules(market, defined);
        planner.accounts(market, defined);
        planner.ports(market, defined);
        planner.fees(market, defined);
        planner.limits(market, defined);
        planner.opening_balances(market, defined);
        let Planner { changes, differences, .. } = planner;
        if !differences.is_empty() {
            return Err(differences);
        }
        Ok(Self { changes, unmentioned: unmentioned(market, defined) })
    }

    /// The changes, in their order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// How many things are defined that the file does not mention. They stay as they are.
    #[must_use]
    pub fn unmentioned(&self) -> usize {
        self.unmentioned
    }

    /// The names of the new ports, for which secrets are needed.
    pub fn port_names(&self) -> impl Iterator<Item = PortName> + '_ {
        self.changes.iter().filter_map(|change| match &change.command {
            Definition::Port(port) => Some(port.name),
            Definition::Other(_) => None,
        })
    }

    /// The command of each change. Their request numbers are zero.
    ///
    /// # Panics
    /// If `secrets` were not made for [`Plan::port_names`].
    #[must_use]
    pub fn commands(&self, key: &ClusterKey, secrets: &PortSecrets) -> Vec<Vec<Line>> {
        let commands = self.changes.iter().map(|change| match &change.command {
            Definition::Other(lines) => lines.clone(),
            Definition::Port(port) => {
                let secret = secrets.get(port.name).expect("secrets are made for the plan's ports");
                let verifier = key.verifier(port.name, secret);
                PortDefine { verifier, ..*port }.lines().to_vec()
            }
        });
        commands.collect()
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

/// How many definitions the file does not mention.
fn unmentioned(market: &Market, defined: &Defined) -> usize {
    let known = |code| market.currencies.iter().any(|other| other.code == code);
    let currencies = defined.currencies.keys().filter(|&&code| !known(code)).count();
    let known = |code| market.firms.iter().any(|other| other.code == code);
    let firms = defined.firms.keys().filter(|&&code| !known(code)).count();
    let known = |symbol| market.instruments.iter().any(|other| other.symbol == symbol);
    let instruments = defined.instruments.keys().filter(|&&symbol| !known(symbol)).count();
    let known = |number| market.accounts.iter().any(|other| other.account == number);
    let accounts = defined.accounts.keys().filter(|&&number| !known(number)).count();
    let known = |name| market.ports.iter().any(|other| other.name == name);
    let ports = defined.ports.keys().filter(|&&name| !known(name)).count();
    let known = |key| market.limits.iter().any(|other| LimitKey::from(other) == key);
    let limits = defined.limits.iter().filter(|&(&key, &value)| value != 0 && !known(key)).count();
    let known = |key| market.fees.iter().any(|other| fees::of_command(other).0 == key);
    let fees = defined.fees.keys().filter(|&&key| !known(key)).count();
    let known = |group| market.schedules.iter().any(|other| other.group == group);
    let schedules = defined.schedules.keys().filter(|&&group| !known(group)).count();
    currencies + firms + instruments + accounts + ports + schedules + limits + fees
}

/// A plan in the making.
struct Planner<'a> {
    source: Source<'a>,
    changes: Vec<Change>,
    differences: Vec<ConfigError>,
}

impl Planner<'_> {
    fn currencies(&mut self, market: &Market, defined: &Defined) {
        for (index, wanted) in market.currencies.iter().enumerate() {
            let Some(there) = defined.currencies.get(&wanted.code) else {
                let (code, decimals) = (wanted.code, wanted.cash_decimals);
                self.add(format!("+ currency {code}, {decimals} decimals"), wanted);
                continue;
            };
            let mut keys = self.keys("currency", index);
            keys.same("cash_decimals", &wanted.cash_decimals, &there.cash_decimals);
        }
    }

    fn firms(&mut self, market: &Market, defined: &Defined) {
        for (index, wanted) in market.firms.iter().enumerate() {
            let Some(there) = defined.firms.get(&wanted.code) else {
                self.add(format!("+ firm {}", wanted.code), wanted);
                continue;
            };
            let most = match wanted.open_orders_max {
                0 => Capacity::open_orders_default(defined.orders),
                most => most,
            };
            let rules = (wanted.self_match_key, there.self_match_key);
            let mut keys = self.keys("firm", index);
            keys.same("open_orders_max", &most, &there.open_orders_max);
            keys.same("self_match", self_match_word(rules.0), self_match_word(rules.1));
        }
    }

    fn instruments(&mut self, market: &Market, defined: &Defined) {
        for (index, wanted) in market.instruments.iter().enumerate() {
            let tick_size = decimal::show(wanted.tick_size, wanted.price_decimals);
            let Some(there) = defined.instruments.get(&wanted.symbol) else {
                let (symbol, currency) = (wanted.symbol, wanted.currency);
                let text = format!("+ instrument {symbol} in {currency}, ticks of {tick_size}");
                self.add(text, wanted);
                continue;
            };
            let price = |units| decimal::show(units, there.price_decimals);
            let reference_price = decimal::show(wanted.reference_price.0, wanted.price_decimals);
            let mut keys = self.keys("instrument", index);
            keys.same("display_symbol", &name(wanted.display_symbol), &name(there.display_symbol));
            keys.same(
                "currency",
                &quoted(&wanted.currency.text()),
                &quoted(&there.currency.text()),
            );
            keys.same("lot_size", &wanted.lot_size, &there.lot_size);
            keys.same("price_decimals", &wanted.price_decimals, &there.price_decimals);
            keys.same("tick_size", &tick_size, &price(there.tick_size));
            keys.same("reference_price", &reference_price, &price(there.reference_price.0));
            let letter = |byte| format!("{:?}", char::from(byte));
            let category = (wanted.market_category, there.market_category);
            keys.same("market_category", &letter(category.0), &letter(category.1));
            keys.same("product", &letter(wanted.product), &letter(there.product));
            keys.same("short_allowed", &(wanted.short_allowed == 1), &(there.short_allowed == 1));
        }
    }

    fn bands(&mut self, market: &Market, defined: &Defined) {
        for wanted in &market.bands {
            let instrument = defined.instruments.get(&wanted.symbol);
            let there = instrument.and_then(|row| defined.bands.get(&row.header.instrument));
            if let Some(description) = describe_band(wanted, there) {
                self.add(description, wanted);
            }
        }
    }

    fn schedules(&mut self, market: &Market, defined: &Defined) {
        for wanted in &market.schedules {
            let there = defined.schedules.get(&wanted.group);
            if let Some(description) = describe_schedule(wanted, there) {
                self.add(description, wanted);
            }
        }
    }

    fn accounts(&mut self, market: &Market, defined: &Defined) {
        for (index, wanted) in market.accounts.iter().enumerate() {
            let Some(there) = defined.accounts.get(&wanted.account) else {
                let (number, firm) = (wanted.account, wanted.firm);
                let status = status_word(wanted.status);
                self.add(format!("+ account {number} of {firm}, {status}"), wanted);
                continue;
            };
            let mut keys = self.keys("account", index);
            keys.same("firm", &quoted(&wanted.firm.text()), &quoted(&there.firm.text()));
            keys.same("group_id", &wanted.group_id, &there.group_id);
            self.update_account(wanted, there);
        }
    }

    /// Status and short sales are what can be changed of an account.
    fn update_account(&mut self, wanted: &AccountOpen, there: &AccountDefined) {
        if (wanted.status, wanted.short_allowed) == (there.status, there.short_allowed) {
            return;
        }
        let shown = |status, short_allowed| match short_allowed {
            1 => format!("{}, may sell short", status_word(status)),
            _ => status_word(status).to_owned(),
        };
        let was = shown(there.status, there.short_allowed);
        let will_be = shown(wanted.status, wanted.short_allowed);
        let update = AccountUpdate {
            header: CommandHeader::internal::<AccountUpdate>(Nanos::ZERO),
            account: wanted.account,
            status: wanted.status,
            short_allowed: wanted.short_allowed,
            ..AccountUpdate::new_zeroed()
        };
        self.add(format!("~ account {}: {was} -> {will_be}", wanted.account), &update);
    }

    fn ports(&mut self, market: &Market, defined: &Defined) {
        for (index, wanted) in market.ports.iter().enumerate() {
            let Some(there) = defined.ports.get(&wanted.name) else {
                let (name, firm, kind) = (wanted.name, wanted.firm, kind_word(wanted.kind));
                let description = format!("+ port {name} of {firm}, {kind}");
                self.changes.push(Change { description, command: Definition::Port(*wanted) });
                continue;
            };
            let disconnect =
                (disconnect_word(wanted.disconnect), disconnect_word(there.disconnect));
            let protocol = (protocol_word(wanted.ouch_version), protocol_word(there.ouch_version));
            let by_group = (wanted.account_by_group == 1, there.account_by_group == 1);
            let mut keys = self.keys("port", index);
            keys.same("firm", &quoted(&wanted.firm.text()), &quoted(&there.firm.text()));
            keys.same("kind", kind_word(wanted.kind), kind_word(there.kind));
            keys.same("protocol", protocol.0, protocol.1);
            keys.same("disconnect", disconnect.0, disconnect.1);
            keys.same("grace_ms", &wanted.grace_ms, &there.grace_ms);
            keys.same("default_account", &wanted.default_account, &there.default_account);
            keys.same("message_rate_max", &wanted.message_rate_max, &there.message_rate_max);
            keys.same("account_by_group", &by_group.0, &by_group.1);
            keys.same("open_orders_max", &wanted.open_orders_max, &there.open_orders_max);
        }
    }

    /// All of a fee can be changed.
    fn fees(&mut self, market: &Market, defined: &Defined) {
        for wanted in &market.fees {
            let (key, terms) = fees::of_command(wanted);
            let there = defined.fees.get(&key);
            if there != Some(&terms) {
                let payer = fees::payer(wanted);
                let (was, will_be) = (fees::shown(there), fees::shown(Some(&terms)));
                self.add(format!("~ fees of {payer}: {was} -> {will_be}"), wanted);
            }
        }
    }

    /// All of a limit can be changed.
    fn limits(&mut self, market: &Market, defined: &Defined) {
        for wanted in &market.limits {
            let there = defined.limits.get(&LimitKey::from(wanted)).copied().unwrap_or(0);
            if wanted.value != there {
                let limit = limits::describe(wanted);
                let was = limits::shown(market, wanted, there);
                let will_be = limits::shown(market, wanted, wanted.value);
                self.add(format!("~ {limit}: {was} -> {will_be}"), wanted);
            }
        }
    }

    fn opening_balances(&mut self, market: &Market, defined: &Defined) {
        for wanted in &market.transfers {
            let used = defined.used.contains(&wanted.account);
            if !used && !defined.opened.contains(&wanted.reference) {
                self.add(describe_opening(market, wanted), wanted);
            }
        }
    }

    fn add<C: Record>(&mut self, description: String, command: &C) {
        let command = Definition::Other(command.lines().to_vec());
        self.changes.push(Change { description, command });
    }

    fn keys(&mut self, list: &'static str, index: usize) -> Keys<'_> {
        Keys { source: &self.source, differences: &mut self.differences, list, index }
    }
}

/// The keys of one table, to be compared with what is defined.
struct Keys<'a> {
    source: &'a Source<'a>,
    differences: &'a mut Vec<ConfigError>,
    list: &'static str,
    index: usize,
}

impl Keys<'_> {
    fn same<T: PartialEq + Display + ?Sized>(&mut self, key: &str, wanted: &T, there: &T) {
        if wanted != there {
            let key = format!("{}[{}].{key}", self.list, self.index);
            let rule = format!("is {there} in the log, and cannot be changed");
            self.differences.push(self.source.broken(key, wanted, rule));
        }
    }
}

fn describe_opening(market: &Market, transfer: &Transfer) -> String {
    let units = transfer.amount.unsigned_abs();
    let asset = transfer.asset.text();
    let mut currencies = market.currencies.iter();
    let decimals = match AssetKind::from_byte(transfer.asset_kind) {
        Some(AssetKind::Cash) => {
            currencies.find(|currency| currency.code.text() == asset).map_or(0, |c| c.cash_decimals)
        }
        _ => 0,
    };
    let amount = decimal::show(units, decimals);
    format!("+ opening balance of account {}: {amount} {asset}", transfer.account)
}

fn name(padded: [u8; 16]) -> String {
    quoted(String::from_utf8_lossy(&padded).trim_end())
}

fn status_word(status: u8) -> &'static str {
    match AccountStatus::from_byte(status) {
        Some(AccountStatus::Pending) => "pending",
        Some(AccountStatus::Approved) => "approved",
        Some(AccountStatus::Suspended) => "suspended",
        None => "?",
    }
}

fn kind_word(kind: u8) -> &'static str {
    match PortKind::from_byte(kind) {
        Some(PortKind::OrderEntry) => "order_entry",
        Some(PortKind::Admin) => "admin",
        Some(PortKind::DropCopy) => "drop_copy",
        None => "?",
    }
}

fn protocol_word(version: u8) -> &'static str {
    match OuchVersion::from_byte(version) {
        Some(OuchVersion::V50) => "ouch50",
        Some(OuchVersion::V42) => "ouch42",
        None => "?",
    }
}

fn self_match_word(key: u8) -> &'static str {
    match SelfMatchKey::from_byte(key) {
        Some(SelfMatchKey::None) => "none",
        Some(SelfMatchKey::Firm) => "firm",
        Some(SelfMatchKey::Account) => "account",
        Some(SelfMatchKey::Group) => "group",
        None => "?",
    }
}

fn disconnect_word(policy: u8) -> &'static str {
    match DisconnectPolicy::from_byte(policy) {
        Some(DisconnectPolicy::Keep) => "keep",
        Some(DisconnectPolicy::Cancel) => "cancel",
        None => "?",
    }
}

#[cfg(test)]
mod tests;
