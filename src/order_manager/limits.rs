//! Limits: what an operator set for whom, and what holds of it for one account in one instrument.
//!
//! A limit is kept for its subject as it was set. What an order is checked against is resolved from all
//! of them once for each balance, the first time it is used after a change, and lies in one line by the
//! balance's number: a check looks nothing up, and a change, whomever it is for, takes no time.

use super::table::name_key;
use super::{BalanceId, IdMap, IndexSeed, OrderManager};
use crate::sys::prefault::prefaulted_room;
use crate::types::command::RiskLimit;
use crate::types::{
    AccountId, CurrencyCode, FirmCode, FirmId, InstrumentId, PortId, PortName, Quantity, Refusal,
    RiskKey, RiskScope, Symbol,
};

/// The most subjects that limits may be set for.
pub(crate) const SUBJECTS_MAX: usize = 1 << 16;

/// Keys there are, and one: they count from 1.
const KEYS: usize = 13;

/// A day of milliseconds: a window is no longer.
const WINDOW_MS_MAX: u64 = 86_400_000;

/// Whom a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Which of the others mean anything.
    pub scope: RiskScope,
    /// The number of the firm or port, or the dense number of the account.
    pub who: u32,
    /// The number of the instrument; of a scope without one that of the currency of an amount.
    pub what: u16,
}

impl Subject {
    const fn new(scope: RiskScope, who: u32, what: u16) -> Self {
        Self { scope, who, what }
    }

    fn key(self) -> u64 {
        u64::from(self.scope.byte()) << 48 | u64::from(self.who) << 16 | u64::from(self.what)
    }
}

/// What was set, and what is resolved of it.
#[derive(Debug)]
pub struct Limits {
    /// In the order in which their subjects were first named.
    sets: Vec<LimitSet>,
    by_subject: IdMap,
    /// Changes so far: what was resolved before the last is stale.
    generation: u32,
    /// Whether messages are ever counted by instrument.
    pub(super) counts_symbols: bool,
    /// By balance, as far as they were used since the day began.
    standings: Vec<Standing>,
}

/// What was set for a subject, by key; 0 = nothing.
#[derive(Clone, Copy, Debug)]
struct LimitSet {
    subject: Subject,
    values: [u64; KEYS],
}

/// What is known of a balance beyond its amount: one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
enum Standing {
    Shares(Position),
    Cash(Exposure),
}

const _: () = assert!(size_of::<Standing>() == 64);

/// An account in an instrument: its limits, and what it did today. A limit that is not set is the
/// largest number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    generation: u32,
    pub(crate) quantity_max: u32,
    /// Beyond the reference price, in basis points; `u32::MAX` = no collar.
    pub(crate) collar: u32,
    pub(crate) open_orders_max: u32,
    /// In milliseconds, 0 = none.
    pub(crate) duplicate_window_ms: u32,
    pub(crate) restricted: bool,
    pub(crate) no_market_orders: bool,
    pub(crate) notional_max: u64,
    pub(crate) shares_max: u64,
    /// Shares traded today, and those of open orders.
    pub(crate) shares: u64,
}

/// An account in a currency: its limits, and what it did today.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exposure {
    generation: u32,
    pub(crate) gross_max: u64,
    pub(crate) net_max: u64,
    /// Value of what was bought today, and of open orders to buy.
    pub(crate) buys: i64,
    /// Value of what was bought today.
    pub(crate) bought: i64,
    /// Value of what was sold today, and of open orders to sell.
    pub(crate) sells: i64,
    /// Value of what was sold today.
    pub(crate) sold: i64,
}

impl Limits {
    pub(super) fn new(balances: u32, seed: IndexSeed) -> Self {
        Self {
            sets: Vec::new(),
            by_subject: IdMap::with_capacity(0, seed),
            generation: 0,
            counts_symbols: false,
            standings: prefaulted_room(Standing::Cash(Exposure::NONE), balances as usize),
        }
    }

    /// Forgets what was done today. Balances get other numbers then.
    pub(crate) fn start_day(&mut self) {
        self.standings.clear();
    }

    /// Every limit, subject by subject.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Subject, RiskKey, u64)> {
        self.sets.iter().flat_map(|set| {
            set.values.iter().zip(0..).filter(|(value, _)| **value != 0).map(|(&value, key)| {
                (set.subject, RiskKey::from_byte(key).expect("values lie by key"), value)
            })
        })
    }

    fn set(&mut self, subject: Subject, key: RiskKey, value: u64) -> Result<(), Refusal> {
        let id = match self.by_subject.get(subject.key()) {
            Some(id) => id as usize,
            None if self.sets.len() == SUBJECTS_MAX => return Err(Refusal::Capacity),
            None => {
                self.sets.push(LimitSet { subject, values: [0; KEYS] });
                let id = self.sets.len();
                self.by_subject.insert(subject.key(), u32::try_from(id).expect("few"));
                id
            }
        };
        self.sets[id - 1].values[usize::from(key.byte())] = value;
        self.generation = self.generation.checked_add(1).expect("fewer commands");
        self.counts_symbols |= key == RiskKey::SymbolMessageRate;
        Ok(())
    }

    /// What was set for each of these.
    fn find<const N: usize>(&self, subjects: [Subject; N]) -> [Option<&LimitSet>; N] {
        subjects.map(|subject| {
            let id = self.by_subject.get(subject.key())?;
            Some(&self.sets[id as usize - 1])
        })
    }

    /// The position behind a balance of shares, with limits that hold now.
    pub(super) fn position(
        &self,
        id: Option<BalanceId>,
        (account, firm): (u32, FirmId),
        (instrument, currency): (InstrumentId, u16),
    ) -> Position {
        let known = match id.and_then(|id| self.standings.get(id.index())) {
            Some(Standing::Shares(position)) => Some(position),
            _ => None,
        };
        if let Some(position) = known
            && position.generation == self.generation
        {
            return *position;
        }
        let (firm, symbol) = (u32::from(firm.0), instrument.0);
        let sets = self.find([
            Subject::new(RiskScope::Symbol, 0, symbol),
            Subject::new(RiskScope::FirmSymbol, firm, symbol),
            Subject::new(RiskScope::AccountSymbol, account, symbol),
            Subject::new(RiskScope::Venue, 0, 0),
            Subject::new(RiskScope::Firm, firm, 0),
            Subject::new(RiskScope::Account, account, 0),
            Subject::new(RiskScope::Venue, 0, currency),
            Subject::new(RiskScope::Firm, firm, currency),
            Subject::new(RiskScope::Account, account, currency),
        ]);
        let tightest = |key| tightest(key, &sets);
        Position {
            generation: self.generation,
            quantity_max: short(tightest(RiskKey::OrderQuantity)),
            collar: short(tightest(RiskKey::Collar)),
            open_orders_max: short(tightest(RiskKey::OpenOrders)),
            duplicate_window_ms: u32::try_from(tightest(RiskKey::DuplicateWindow))
                .expect("bounded when it was set"),
            restricted: tightest(RiskKey::Restricted) != 0,
            no_market_orders: tightest(RiskKey::NoMarketOrders) != 0,
            notional_max: or_none(tightest(RiskKey::OrderNotional)),
            shares_max: or_none(tightest(RiskKey::SharesPerDay)),
            shares: known.map_or(0, |position| position.shares),
        }
    }

    /// The exposure behind a balance of cash, with limits that hold now.
    pub(super) fn exposure(
        &self,
        id: Option<BalanceId>,
        (account, firm): (u32, FirmId),
        currency: u16,
    ) -> Exposure {
        let known = match id.and_then(|id| self.standings.get(id.index())) {
            Some(Standing::Cash(exposure)) => *exposure,
            _ => Exposure { generation: u32::MAX, ..Exposure::NONE },
        };
        if known.generation == self.generation {
            return known;
        }
        let sets = self.find([
            Subject::new(RiskScope::Venue, 0, currency),
            Subject::new(RiskScope::Firm, firm.0.into(), currency),
            Subject::new(RiskScope::Account, account, currency),
        ]);
        Exposure {
            generation: self.generation,
            gross_max: or_none(tightest(RiskKey::GrossExposure, &sets)),
            net_max: or_none(tightest(RiskKey::NetExposure, &sets)),
            ..known
        }
    }

    /// Keeps what an order was checked against, and what comes of the order is counted there.
    pub(super) fn keep(
        &mut self,
        (cash, exposure): (BalanceId, Exposure),
        (shares, position): (BalanceId, Position),
    ) {
        let last = cash.index().max(shares.index());
        if last >= self.standings.len() {
            self.standings.resize(last + 1, Standing::Cash(Exposure::NONE));
        }
        self.standings[cash.index()] = Standing::Cash(exposure);
        self.standings[shares.index()] = Standing::Shares(position);
    }

    /// Value of the open orders to buy and to sell behind a balance of cash.
    #[cfg(test)]
    pub(crate) fn open_value(&self, id: BalanceId) -> [i64; 2] {
        match self.standings[id.index()] {
            Standing::Cash(exposure) => {
                [exposure.buys - exposure.bought, exposure.sells - exposure.sold]
            }
            Standing::Shares(_) => panic!("{id:?} is no exposure"),
        }
    }

    /// What was counted today behind an account's cash and shares: shares, value bought and value sold;
    /// `None` if it never entered an order.
    pub(super) fn traded(&self, cash: BalanceId, shares: BalanceId) -> Option<(u64, i64, i64)> {
        let standing = |id: BalanceId| self.standings.get(id.index());
        match (standing(cash)?, standing(shares)?) {
            (Standing::Cash(exposure), Standing::Shares(position)) => {
                Some((position.shares, exposure.bought, exposure.sold))
            }
            _ => None,
        }
    }

    /// What is counted behind a balance of shares.
    ///
    /// # Panics
    /// If no order was ever checked against it.
    pub(super) fn position_mut(&mut self, id: BalanceId) -> &mut Position {
        let Standing::Shares(position) = &mut self.standings[id.index()] else {
            panic!("{id:?} is no position")
        };
        position
    }

    /// What is counted behind a balance of cash.
    ///
    /// # Panics
    /// If no order was ever checked against it.
    pub(super) fn exposure_mut(&mut self, id: BalanceId) -> &mut Exposure {
        let Standing::Cash(exposure) = &mut self.standings[id.index()] else {
            panic!("{id:?} is no exposure")
        };
        exposure
    }
}

impl Exposure {
    /// Without limits, and nothing done.
    pub(super) const NONE: Self = Self {
        generation: 0,
        gross_max: u64::MAX,
        net_max: u64::MAX,
        buys: 0,
        bought: 0,
        sells: 0,
        sold: 0,
    };
}

/// The tightest of what was set; 0 = nothing.
fn tightest(key: RiskKey, sets: &[Option<&LimitSet>]) -> u64 {
    let values = sets.iter().flatten().map(|set| set.values[usize::from(key.byte())]);
    let values = values.filter(|&value| value != 0);
    // The longer a window, the tighter.
    let tightest = if key == RiskKey::DuplicateWindow { values.max() } else { values.min() };
    tightest.unwrap_or(0)
}

/// The same of a count.
fn short(value: u64) -> u32 {
    u32::try_from(or_none(value)).unwrap_or(u32::MAX)
}

/// A limit that is not set is the largest number.
const fn or_none(value: u64) -> u64 {
    if value == 0 { u64::MAX } else { value }
}

impl OrderManager {
    /// Sets a limit, or lifts it, and returns whose and of what it is.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a scope or key there is not, a key that the scope does not take, a value
    /// beyond the key's range, or a name that the scope has no use for; [`Refusal::Unknown`] for a name
    /// of nothing; [`Refusal::Capacity`] if limits are set for [`SUBJECTS_MAX`] others.
    pub(crate) fn set_limit(&mut self, limit: &RiskLimit) -> Result<(Subject, RiskKey), Refusal> {
        let scope = RiskScope::from_byte(limit.scope).ok_or(Refusal::Invalid)?;
        let key = RiskKey::from_byte(limit.key).ok_or(Refusal::Invalid)?;
        require(scope_takes(scope, key) && limit.value <= limit_max(key))?;
        let subject = self.subject(scope, key, limit)?;
        self.limits.set(subject, key, limit.value)?;
        if key == RiskKey::SymbolMessageRate && scope == RiskScope::Symbol {
            let row = self.instruments.get_mut(subject.what.into()).expect("found above");
            row.symbol_messages_max = short(limit.value);
        } else if matches!(key, RiskKey::MessageRate | RiskKey::SymbolMessageRate) {
            for port in 1..=self.ports.len() {
                self.resolve_rates(PortId(port));
            }
        }
        Ok((subject, key))
    }

    /// Works out how many messages a port may send.
    pub(super) fn resolve_rates(&mut self, id: PortId) {
        let port = self.ports.get_mut(id.0).expect("ports are dense");
        let sets = self.limits.find([
            Subject::new(RiskScope::Venue, 0, 0),
            Subject::new(RiskScope::Firm, port.firm.0.into(), 0),
            Subject::new(RiskScope::Port, id.0, 0),
        ]);
        let rate = |key| short(tightest(key, &sets));
        let defined = if port.message_rate_max == 0 { u32::MAX } else { port.message_rate_max };
        port.messages_max = rate(RiskKey::MessageRate).min(defined);
        port.symbol_messages_max = rate(RiskKey::SymbolMessageRate);
    }

    fn subject(
        &self,
        scope: RiskScope,
        key: RiskKey,
        limit: &RiskLimit,
    ) -> Result<Subject, Refusal> {
        use RiskScope as S;
        let &RiskLimit { symbol, account, firm, currency, port, .. } = limit;
        let has_firm = matches!(scope, S::Firm | S::FirmSymbol);
        let has_account = matches!(scope, S::Account | S::AccountSymbol);
        let has_symbol = matches!(scope, S::Symbol | S::FirmSymbol | S::AccountSymbol);
        let has_currency = is_amount(key) && !has_symbol;
        require(has_firm || is_blank(&firm.0))?;
        require(has_account || account.is_none())?;
        require(has_symbol || is_blank(&symbol.0))?;
        require(has_currency || is_blank(&currency.0))?;
        require(scope == S::Port || is_blank(&port.0))?;
        let who = match scope {
            S::Venue | S::Symbol => 0,
            S::Firm | S::FirmSymbol => self.firm(firm).ok_or(Refusal::Unknown)?.0.into(),
            S::Account | S::AccountSymbol => self.account(account).ok_or(Refusal::Unknown)?,
            S::Port => self.ports.find(name_key(&port.upper().0)).ok_or(Refusal::Unknown)?,
        };
        let what = if has_symbol {
            self.instrument(symbol).ok_or(Refusal::Unknown)?.0
        } else if has_currency {
            self.currency(currency).ok_or(Refusal::Unknown)?.0
        } else {
            0
        };
        Ok(Subject { scope, who, what })
    }

    /// The names of a subject, as a command would give them; one it does not have is blank.
    pub(crate) fn name_subject(&self, subject: Subject, key: RiskKey) -> RiskNames {
        use RiskScope as S;
        let Subject { scope, who, what } = subject;
        let mut names = RiskNames::default();
        match scope {
            S::Venue | S::Symbol => {}
            S::Firm | S::FirmSymbol => names.firm = self.firms.get(who).expect("it exists").code,
            S::Account | S::AccountSymbol => {
                names.account = self.accounts.get(who).expect("it exists").id;
            }
            S::Port => names.port = self.ports.get(who).expect("it exists").name,
        }
        if matches!(scope, S::Symbol | S::FirmSymbol | S::AccountSymbol) {
            let instrument = self.instruments.get(what.into()).expect("it exists");
            names.symbol = instrument.symbol;
            names.instrument = instrument.id;
        } else if is_amount(key) {
            names.currency = self.currencies.get(what.into()).expect("it exists").code;
        }
        names
    }
}

/// What a subject is called.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RiskNames {
    pub(crate) firm: FirmCode,
    pub(crate) account: AccountId,
    pub(crate) symbol: Symbol,
    pub(crate) instrument: InstrumentId,
    pub(crate) currency: CurrencyCode,
    pub(crate) port: PortName,
}

/// Whether the value of a key is an amount of cash.
const fn is_amount(key: RiskKey) -> bool {
    matches!(key, RiskKey::OrderNotional | RiskKey::GrossExposure | RiskKey::NetExposure)
}

/// Whether limits of this key may be set for such a scope.
pub(crate) const fn scope_takes(scope: RiskScope, key: RiskKey) -> bool {
    use RiskKey as K;
    use RiskScope as S;
    match key {
        K::OrderQuantity | K::OrderNotional | K::Collar | K::SharesPerDay | K::NoMarketOrders => {
            !matches!(scope, S::Port)
        }
        K::OpenOrders | K::GrossExposure | K::NetExposure | K::DuplicateWindow => {
            matches!(scope, S::Venue | S::Firm | S::Account)
        }
        K::MessageRate => matches!(scope, S::Venue | S::Firm | S::Port),
        K::SymbolMessageRate => matches!(scope, S::Venue | S::Firm | S::Port | S::Symbol),
        K::Restricted => matches!(scope, S::Symbol | S::FirmSymbol | S::AccountSymbol),
    }
}

/// The largest value of a key.
pub(crate) const fn limit_max(key: RiskKey) -> u64 {
    use RiskKey as K;
    match key {
        K::OrderQuantity => Quantity::MAX.0 as u64,
        K::OrderNotional | K::SharesPerDay | K::GrossExposure | K::NetExposure => i64::MAX as u64,
        K::Collar => 10_000,
        K::OpenOrders | K::MessageRate | K::SymbolMessageRate => u32::MAX as u64,
        K::DuplicateWindow => WINDOW_MS_MAX,
        K::Restricted | K::NoMarketOrders => 1,
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0) || bytes.iter().all(|&byte| byte == b' ')
}

fn require(rule: bool) -> Result<(), Refusal> {
    if rule { Ok(()) } else { Err(Refusal::Invalid) }
}
