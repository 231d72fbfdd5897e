//! The market file: currencies, firms, instruments, accounts, ports, fees and limits, and what the
//! accounts begin with. A [`Plan`] makes commands of what a log has not; replay never reads it, and it holds no secret.

mod defined;
mod fees;
mod limits;
mod plan;
mod schedule;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

pub use defined::Defined;
pub use plan::{Change, Plan};
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::FromZeros as _;

use self::table::{
    AccountTable, CurrencyTable, DisconnectWord, File, FirmTable, InstrumentTable, KindWord,
    PortTable, ProtocolWord, SelfMatchWord, StatusWord,
};
use super::error::{ConfigError, Source};
use super::secrets::PortSecrets;
use super::{Capacity, Config, decimal};
use crate::order_manager;
use crate::types::command::{
    AccountOpen, Calendar, CommandHeader, CurrencyDefine, Fee, FirmDefine, InstrumentDefine,
    PortDefine, PriceBand, RiskLimit, Transfer,
};
use crate::types::{
    AccountId, AccountStatus, AssetKind, ClusterKey, CurrencyCode, DisconnectPolicy, FirmCode,
    Line, Nanos, OuchVersion, PortKind, PortName, Price, Quantity, SelfMatchKey, Symbol,
};

/// A market, proven by [`Market::load`]: every name it uses it defines, once.
#[derive(Clone, Debug)]
pub struct Market {
    path: PathBuf,
    currencies: Vec<CurrencyDefine>,
    firms: Vec<FirmDefine>,
    instruments: Vec<InstrumentDefine>,
    /// One for each instrument.
    bands: Vec<PriceBand>,
    schedules: Vec<Calendar>,
    accounts: Vec<AccountOpen>,
    /// Their verifiers are blank until [`Market::commands`].
    ports: Vec<PortDefine>,
    fees: Vec<Fee>,
    limits: Vec<RiskLimit>,
    transfers: Vec<Transfer>,
}

impl Market {
    /// Reads and proves the file.
    ///
    /// # Errors
    /// What is wrong with it: file, key, value and the rule it breaks.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Proves `text`, which is called `path` in errors.
    ///
    /// # Errors
    /// As [`Market::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source::new(path);
        let file: File = source.parse(text)?;
        let mut market = Self {
            path: path.to_owned(),
            currencies: Vec::new(),
            firms: Vec::new(),
            instruments: Vec::new(),
            bands: Vec::new(),
            schedules: Vec::new(),
            accounts: Vec::new(),
            ports: Vec::new(),
            fees: Vec::new(),
            limits: Vec::new(),
            transfers: Vec::new(),
        };
        for (index, table) in file.currency.into_iter().enumerate() {
            let currency = market.currency(&Keys::new(&source, "currency", index), &table)?;
            market.currencies.push(currency);
        }
        for (index, table) in file.firm.into_iter().enumerate() {
            let firm = market.firm(&Keys::new(&source, "firm", index), &table)?;
            market.firms.push(firm);
        }
        for (index, table) in file.instrument.into_iter().enumerate() {
            let keys = Keys::new(&source, "instrument", index);
            let instrument = market.instrument(&keys, &table)?;
            market.instruments.push(instrument);
            market.bands.push(Self::band(&keys, instrument.symbol, &table)?);
        }
        for (index, table) in file.schedule.into_iter().enumerate() {
            let schedule = market.schedule(&Keys::new(&source, "schedule", index), &table)?;
            market.schedules.push(schedule);
        }
        for (index, table) in file.account.into_iter().enumerate() {
            let keys = Keys::new(&source, "account", index);
            let account = market.account(&keys, &table)?;
            market.accounts.push(account);
            market.opening_balances(&keys, &table)?;
        }
        for (index, table) in file.port.into_iter().enumerate() {
            let port = market.port(&Keys::new(&source, "port", index), &table)?;
            market.ports.push(port);
        }
        for (index, table) in file.fee.into_iter().enumerate() {
            let fee = market.fee(&Keys::new(&source, "fee", index), &table)?;
            market.fees.push(fee);
        }
        for (index, table) in file.limit.into_iter().enumerate() {
            let limits = market.limits_of(&Keys::new(&source, "limit", index), &table)?;
            market.limits.extend(limits);
        }
        Ok(market)
    }

    /// Proves that a node can hold the market, and reads its sessions fast enough for it.
    ///
    /// # Errors
    /// [`ConfigError::Rule`], as [`Market::fits_capacity`], or naming a rate that nobody would be told of.
    pub fn fits(&self, config: &Config) -> Result<(), ConfigError> {
        self.fits_capacity(config.capacity())?;
        let entry = config.service().map(|service| &service.order_entry);
        entry.map_or(Ok(()), |entry| self.rates_are_heard(entry.messages_per_second_max))
    }

    /// Proves that a node of this capacity can hold the market.
    ///
    /// # Errors
    /// [`ConfigError::Rule`], naming the list that is too long.
    pub fn fits_capacity(&self, capacity: &Capacity) -> Result<(), ConfigError> {
        let source = Source::new(&self.path);
        let fits = |key: &str, length: usize, most: u32, rule: std::fmt::Arguments| {
            let fits = u32::try_from(length).is_ok_and(|length| length <= most);
            source.rule(fits, key, format_args!("[{length} tables]"), rule)
        };
        for (key, length, name, most) in [
            ("instrument", self.instruments.len(), "instruments", capacity.instruments),
            ("account", self.accounts.len(), "accounts", capacity.accounts),
            ("port", self.ports.len(), "ports", capacity.ports),
        ] {
            let rule = format_args!("must be at most the node's capacity.{name} = {most}");
            fits(key, length, most, rule)?;
        }
        let tables = capacity.tables();
        for (key, length, most) in [
            ("currency", self.currencies.len(), tables.currencies),
            ("firm", self.firms.len(), tables.firms),
        ] {
            fits(key, length, most.into(), format_args!("must be at most {most}"))?;
        }
        let open = self.firms.iter().map(|firm| match firm.open_orders_max {
            0 => order_manager::Capacity::open_orders_default(tables.orders),
            most => most,
        });
        let open: u64 = open.map(u64::from).sum();
        let most = tables.orders;
        let rule = format_args!(
            "their open_orders_max together must be at most the node's capacity.orders = {most}; one \
             that names none has {}",
            order_manager::Capacity::open_orders_default(most)
        );
        source.rule(open <= most.into(), "firm", format_args!("[{open} open orders]"), rule)?;
        let (balances, most) = (self.transfers.len(), tables.balances);
        let rule = format_args!(
            "must be at most {most}, for the node's capacity.accounts and capacity.instruments"
        );
        let fits = u32::try_from(balances).is_ok_and(|balances| balances <= most);
        source.rule(fits, "account", format_args!("[{balances} opening balances]"), rule)
    }

    /// The names of the ports, for which secrets are needed.
    pub fn port_names(&self) -> impl Iterator<Item = PortName> + '_ {
        self.ports.iter().map(|port| port.name)
    }

    /// How many of everything, for people.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} currencies, {} firms, {} instruments, {} accounts, {} ports, {} fees, {} limits, {} opening balances",
            self.currencies.len(),
            self.firms.len(),
            self.instruments.len(),
            self.accounts.len(),
            self.ports.len(),
            self.fees.len(),
            self.limits.len(),
            self.transfers.len()
        )
    }

    /// The commands that make this market on an empty log, each defined before it is used.
    ///
    /// # Panics
    /// If `secrets` were not made for [`Market::port_names`].
    #[must_use]
    pub fn commands(&self, key: &ClusterKey, secrets: &PortSecrets, now: Nanos) -> Vec<Vec<Line>> {
        let plan = Plan::between(self, &Defined::default()).expect("nothing is defined yet");
        let mut commands = plan.commands(key, secrets);
        for command in &mut commands {
            let header = CommandHeader::view_mut(command).expect("a command has a header");
            header.receive_time = now;
        }
        commands
    }

    fn currency(&self, keys: &Keys, table: &CurrencyTable) -> Result<CurrencyDefine, ConfigError> {
        let CurrencyTable { code, cash_decimals } = table;
        let rule = "must be 3 or 4 capital letters, as in ISO 4217";
        let named = (3..=4).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase());
        keys.rule(named, "code", quoted(code), rule)?;
        let code =
            CurrencyCode::new(code).ok_or_else(|| keys.broken("code", quoted(code), rule))?;
        let unique = self.currencies.iter().all(|other| other.code != code);
        keys.rule(unique, "code", quoted(&code.text()), "is defined twice")?;
        keys.decimals("cash_decimals", *cash_decimals)?;
        Ok(CurrencyDefine {
            header: CommandHeader::internal::<CurrencyDefine>(Nanos::ZERO),
            code,
            cash_decimals: *cash_decimals,
            ..CurrencyDefine::new_zeroed()
        })
    }

    fn firm(&self, keys: &Keys, table: &FirmTable) -> Result<FirmDefine, ConfigError> {
        let rule = "must be 1 to 4 capital letters or digits";
        keys.rule(is_capital(&table.code), "code", quoted(&table.code), rule)?;
        let code = FirmCode::new(&table.code);
        let code = code.ok_or_else(|| keys.broken("code", quoted(&table.code), rule))?;
        let unique = self.firms.iter().all(|other| other.code != code);
        keys.rule(unique, "code", quoted(&table.code), "is defined twice")?;
        Ok(FirmDefine {
            header: CommandHeader::internal::<FirmDefine>(Nanos::ZERO),
            code,
            self_match_key: match table.self_match {
                SelfMatchWord::None => SelfMatchKey::None,
                SelfMatchWord::Firm => SelfMatchKey::Firm,
                SelfMatchWord::Account => SelfMatchKey::Account,
                SelfMatchWord::Group => SelfMatchKey::Group,
            }
            .byte(),
            open_orders_max: table.open_orders_max,
            ..FirmDefine::new_zeroed()
        })
    }

    fn instrument(
        &self,
        keys: &Keys,
        table: &InstrumentTable,
    ) -> Result<InstrumentDefine, ConfigError> {
        let rule = "must be 1 to 8 capital letters, digits, points or hyphens";
        let plain = table.symbol.replace(['.', '-'], "");
        keys.rule(is_capital(&plain), "symbol", quoted(&table.symbol), rule)?;
        let symbol = Symbol::new(&table.symbol);
        let symbol = symbol.ok_or_else(|| keys.broken("symbol", quoted(&table.symbol), rule))?;
        let unique = self.instruments.iter().all(|other| other.symbol != symbol);
        keys.rule(unique, "symbol", quoted(&table.symbol), "is defined twice")?;

        let display = table.display_symbol.as_deref().unwrap_or(&table.symbol);
        let mut display_symbol = [b' '; 16];
        let fits = display.len() <= display_symbol.len()
            && display.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let rule = "must be at most 16 characters of ASCII";
        keys.rule(fits, "display_symbol", quoted(display), rule)?;
        display_symbol[..display.len()].copy_from_slice(display.as_bytes());

        let currency = self.known_currency(keys, "currency", &table.currency)?;
        let decimals = table.price_decimals;
        let rule = format_args!(
            "must be at most the {} cash_decimals of {}, or values would be rounded",
            currency.cash_decimals, table.currency
        );
        keys.rule(decimals <= currency.cash_decimals, "price_decimals", decimals, rule)?;
        let tick_size = keys.price("tick_size", &table.tick_size, decimals)?;
        let reference_price = keys.price("reference_price", &table.reference_price, decimals)?;
        let rule = format_args!("must be a multiple of tick_size = {:?}", table.tick_size);
        let on_tick = reference_price.is_multiple_of(tick_size);
        keys.rule(on_tick, "reference_price", quoted(&table.reference_price), rule)?;
        let lots = 1..=Quantity::MAX.0;
        let rule = format_args!("must be in {lots:?}");
        keys.rule(lots.contains(&table.lot_size), "lot_size", table.lot_size, rule)?;
        Ok(InstrumentDefine {
            header: CommandHeader::internal::<InstrumentDefine>(Nanos::ZERO),
            symbol,
            display_symbol,
            currency: currency.code,
            lot_size: table.lot_size,
            tick_size,
            reference_price: Price(reference_price),
            price_decimals: decimals,
            market_category: keys.letter("market_category", table.market_category)?,
            product: keys.letter("product", table.product)?,
            short_allowed: u8::from(table.short_allowed),
            ..InstrumentDefine::new_zeroed()
        })
    }

    fn account(&self, keys: &Keys, table: &AccountTable) -> Result<AccountOpen, ConfigError> {
        let AccountTable { number, group_id, .. } = *table;
        keys.rule(number > 0, "number", number, "must be at least 1")?;
        let unique = self.accounts.iter().all(|other| other.account.0 != number);
        keys.rule(unique, "number", number, "is opened twice")?;
        let firm = self.known_firm(keys, &table.firm)?;
        let unique = |other: &AccountOpen| other.firm != firm || other.group_id != group_id;
        let unique = group_id == 0 || self.accounts.iter().all(unique);
        keys.rule(unique, "group_id", group_id, "is another account's of the same firm")?;
        let status = match table.status {
            StatusWord::Pending => AccountStatus::Pending,
            StatusWord::Approved => AccountStatus::Approved,
            StatusWord::Suspended => AccountStatus::Suspended,
        };
        Ok(AccountOpen {
            header: CommandHeader::internal::<AccountOpen>(Nanos::ZERO),
            account: AccountId(number),
            firm,
            status: status.byte(),
            short_allowed: u8::from(table.short_allowed),
            group_id,
            ..AccountOpen::new_zeroed()
        })
    }

    fn opening_balances(&mut self, keys: &Keys, table: &AccountTable) -> Result<(), ConfigError> {
        for (code, text) in &table.cash {
            let key = format!("cash.{code}");
            let currency = self.known_currency(keys, &key, code)?;
            let units = decimal::parse(text, currency.cash_decimals);
            let units = units.map_err(|rule| keys.broken(&key, quoted(text), rule))?;
            let asset = Symbol::new(code).expect("a currency code is shorter than a symbol");
            self.deposit(keys, &key, table.number, AssetKind::Cash, asset, units)?;
        }
        for (symbol, &shares) in &table.shares {
            let key = format!("shares.{symbol}");
            let known = Symbol::new(symbol)
                .filter(|symbol| self.instruments.iter().any(|other| other.symbol == *symbol));
            let asset = known.ok_or_else(|| keys.broken(&key, shares, "no such instrument"))?;
            self.deposit(keys, &key, table.number, AssetKind::Shares, asset, shares)?;
        }
        Ok(())
    }

    fn deposit(
        &mut self,
        keys: &Keys,
        key: &str,
        account: u32,
        kind: AssetKind,
        asset: Symbol,
        units: u64,
    ) -> Result<(), ConfigError> {
        let amount = i64::try_from(units);
        let amount = amount.map_err(|_| keys.broken(key, units, "is too large a number"))?;
        if amount == 0 {
            return Ok(());
        }
        self.transfers.push(Transfer {
            header: CommandHeader::internal::<Transfer>(Nanos::ZERO),
            reference: opening_reference(account, kind, asset),
            amount,
            asset,
            account: AccountId(account),
            asset_kind: kind.byte(),
            ..Transfer::new_zeroed()
        });
        Ok(())
    }

    fn port(&self, keys: &Keys, table: &PortTable) -> Result<PortDefine, ConfigError> {
        let rule = "must be 1 to 6 letters or digits";
        let named = table.name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        keys.rule(named && !table.name.is_empty(), "name", quoted(&table.name), rule)?;
        let name = PortName::new(&table.name);
        let name = name.ok_or_else(|| keys.broken("name", quoted(&table.name), rule))?.upper();
        let unique = self.ports.iter().all(|other| other.name != name);
        keys.rule(unique, "name", quoted(&table.name), "is defined twice")?;
        let firm = self.known_firm(keys, &table.firm)?;
        let kind = match table.kind {
            KindWord::OrderEntry => PortKind::OrderEntry,
            KindWord::Admin => PortKind::Admin,
            KindWord::DropCopy => PortKind::DropCopy,
        };
        let disconnect = match table.disconnect {
            DisconnectWord::Keep => DisconnectPolicy::Keep,
            DisconnectWord::Cancel => DisconnectPolicy::Cancel,
        };
        let rule = format_args!("must be at most {GRACE_MS_MAX}");
        keys.rule(table.grace_ms <= GRACE_MS_MAX, "grace_ms", table.grace_ms, rule)?;
        let default_account = match table.default_account {
            None => {
                let rule = "is needed: orders that name no account use it";
                let needed = kind == PortKind::OrderEntry;
                keys.rule(!needed, "default_account", "(absent)", rule)?;
                AccountId::NONE
            }
            Some(number) => {
                let account = self.accounts.iter().find(|other| other.account.0 == number);
                let rule = "no account has this number";
                let account =
                    account.ok_or_else(|| keys.broken("default_account", number, rule))?;
                let rule = format_args!("belongs to {}, the port to {firm}", account.firm);
                keys.rule(account.firm == firm, "default_account", number, rule)?;
                account.account
            }
        };
        let ouch_version = match table.protocol {
            ProtocolWord::Ouch50 => OuchVersion::V50,
            ProtocolWord::Ouch42 => {
                let rule = "is for ports of kind \"order_entry\" alone";
                keys.rule(kind == PortKind::OrderEntry, "protocol", "\"ouch42\"", rule)?;
                OuchVersion::V42
            }
        };
        Ok(PortDefine {
            header: CommandHeader::internal::<PortDefine>(Nanos::ZERO),
            name,
            firm,
            kind: kind.byte(),
            disconnect: disconnect.byte(),
            grace_ms: table.grace_ms,
            default_account,
            message_rate_max: table.message_rate_max,
            account_by_group: u8::from(table.account_by_group),
            ouch_version: ouch_version.byte(),
            open_orders_max: table.open_orders_max,
            ..PortDefine::new_zeroed()
        })
    }

    fn known_currency(
        &self,
        keys: &Keys,
        key: &str,
        code: &str,
    ) -> Result<CurrencyDefine, ConfigError> {
        let found = self.currencies.iter().find(|other| other.code.text() == code);
        found.copied().ok_or_else(|| keys.broken(key, quoted(code), "no such currency"))
    }

    fn known_firm(&self, keys: &Keys, code: &str) -> Result<FirmCode, ConfigError> {
        let found = self.firms.iter().find(|other| other.code.text() == code);
        found.map(|firm| firm.code).ok_or_else(|| keys.broken("firm", quoted(code), "no such firm"))
    }
}

/// The keys of one table of a list: what its errors name.
struct Keys<'a> {
    source: &'a Source<'a>,
    table: String,
}

impl<'a> Keys<'a> {
    fn new(source: &'a Source<'a>, list: &str, index: usize) -> Self {
        Self { source, table: format!("{list}[{index}]") }
    }

    fn broken(
        &self,
        key: &str,
        value: impl std::fmt::Display,
        rule: impl std::fmt::Display,
    ) -> ConfigError {
        self.source.broken(format_args!("{}.{key}", self.table), value, rule)
    }

    fn rule(
        &self,
        holds: bool,
        key: &str,
        value: impl std::fmt::Display,
        rule: impl std::fmt::Display,
    ) -> Result<(), ConfigError> {
        self.source.rule(holds, format_args!("{}.{key}", self.table), value, rule)
    }

    fn decimals(&self, key: &str, decimals: u8) -> Result<(), ConfigError> {
        let most = decimal::DECIMALS_MAX;
        self.rule(decimals <= most, key, decimals, format_args!("must be at most {most}"))
    }

    fn price(&self, key: &str, text: &str, decimals: u8) -> Result<u64, ConfigError> {
        let price = decimal::parse(text, decimals);
        let price = price.map_err(|rule| self.broken(key, quoted(text), rule))?;
        let rule = format_args!("must be above zero and at most {} units of a price", Price::MAX);
        self.rule(price > 0 && price <= Price::MAX.0, key, quoted(text), rule)?;
        Ok(price)
    }

    fn letter(&self, key: &str, letter: char) -> Result<u8, ConfigError> {
        let rule = "must be one character of ASCII";
        self.rule(
            letter.is_ascii_graphic() || letter == ' ',
            key,
            quoted(&letter.to_string()),
            rule,
        )?;
        u8::try_from(letter).map_err(|_| self.broken(key, letter, rule))
    }
}

/// The reference of an account's opening balance: the same in every version of the file, so that it is
/// paid once. The highest bit tells it from the numbers that operators count with.
fn opening_reference(account: u32, kind: AssetKind, asset: Symbol) -> u64 {
    let mut bytes = [0; 13];
    bytes[..4].copy_from_slice(&account.to_le_bytes());
    bytes[4] = kind.byte();
    bytes[5..].copy_from_slice(&asset.0);
    xxh3_64(&bytes) | OPENING_BIT
}

const OPENING_BIT: u64 = 1 << 63;

fn is_capital(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// An hour: longer than that is no grace but a different policy.
const GRACE_MS_MAX: u32 = 3_600_000;

#[cfg(test)]
mod tests;
