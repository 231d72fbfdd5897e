//! Limits: what an operator set for whom, and what holds of it for one account in one instrument.
//!
//! What a firm's limit counts - shares, open orders, exposure - is that of all its accounts together. One of
//! the venue, or of an instrument, is that of each account by itself. Messages are a port's, whoever they are
//! limited for, and the same order again is that of one account.
//!
//! A limit is kept for its subject as it was set. What an order is checked against is resolved from all
//! of them once for each balance, the first time it is used after a change: a change, whomever it is for,
//! takes no time. What was resolved is the same for most balances, so it is kept once, as a profile whose
//! number the balance has: a check looks nothing up.

use serde::{Deserialize, Serialize};

use super::table::name_key;
use super::{Asset, Balance, BalanceId, IdMap, IndexSeed, OrderManager, Wallet};
use crate::types::command::RiskLimit;
use crate::types::{
    AccountId, CurrencyCode, CurrencyId, FirmCode, FirmId, InstrumentId, PortId, PortKind,
    PortName, Quantity, Refusal, RiskKey, RiskScope, Symbol,
};

mod profiles;
mod snapshot;

use profiles::Profiles;

/// The most subjects that limits may be set for.
pub(crate) const SUBJECTS_MAX: usize = 1 << 16;

/// Keys there are, and one: they count from 1.
const KEYS: usize = 13;

/// A day of milliseconds: a window is no longer.
const WINDOW_MS_MAX: u64 = 86_400_000;

/// Whom a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A bit for each scope that any subject is of: most venues use few.
    named: u128,
    /// What was resolved under another generation is stale.
    generation: u32,
    /// By key, for how many subjects it is set.
    set: [u32; KEYS],
    /// What was resolved in this generation for balances of shares, and for those of cash.
    profiles: Profiles<Profile>,
    exposures: Profiles<Exposure>,
}

/// What was set for a subject, by key; 0 = nothing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct LimitSet {
    subject: Subject,
    values: [u64; KEYS],
}

/// The limits of an account in an instrument. A limit that is not set is the largest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Profile {
    pub(super) quantity_max: u32,
    /// Beyond the reference price, in basis points; `u32::MAX` = no collar.
    pub(super) collar: u32,
    pub(super) open_orders_max: u32,
    /// Of its firm.
    pub(super) firm_open_orders_max: u32,
    /// In milliseconds, 0 = none.
    pub(super) duplicate_window_ms: u32,
    pub(super) restricted: bool,
    pub(super) no_market_orders: bool,
    pub(super) notional_max: u64,
    pub(super) shares_max: u64,
    /// Of its firm.
    pub(super) firm_shares_max: u64,
}

/// The limits of an account in a currency, and those of its firm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub(super) struct Exposure {
    pub(super) account: ExposureMax,
    pub(super) firm: ExposureMax,
}

/// Gross and net exposure. A limit that is not set is the largest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExposureMax {
    pub(super) gross: u64,
    pub(super) net: u64,
}

const _: () = assert!(size_of::<Profile>() == 64 && size_of::<Exposure>() == 32);

/// Profiles of either kind there may be at a time. Beyond that they are resolved anew.
const PROFILES_MAX: usize = 1 << 16;

/// The number of a profile of the balance's kind, and the generation it is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProfileRef {
    generation: u32,
    /// Its place among them.
    place: u32,
}

impl ProfileRef {
    /// Nothing was resolved yet.
    pub(super) const NONE: Self = Self { generation: 0, place: 0 };
}

impl Limits {
    /// For so many balances.
    pub(super) fn new(balances: u32, seed: IndexSeed) -> Self {
        let profiles = PROFILES_MAX.min(balances as usize).max(1);
        Self {
            sets: Vec::new(),
            by_subject: IdMap::with_capacity(0, seed),
            named: 0,
            generation: 1,
            set: [0; KEYS],
            profiles: Profiles::new(profiles, Profile::NONE, seed),
            exposures: Profiles::new(profiles, Exposure::NONE, seed),
        }
    }

    /// Every limit, subject by subject.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Subject, RiskKey, u64)> {
        self.sets.iter().flat_map(|set| {
            set.values.iter().zip(0..).filter(|(value, _)| **value != 0).map(|(&value, key)| {
                (set.subject, RiskKey::from_byte(key).expect("values lie by key"), value)
            })
        })
    }

    /// Whether there are limits of a key.
    pub(crate) fn has(&self, key: RiskKey) -> bool {
        self.set[usize::from(key.byte())] != 0
    }

    fn set(&mut self, subject: Subject, key: RiskKey, value: u64) -> Result<(), Refusal> {
        let id = match self.number_of(subject) {
            Some(id) => id as usize,
            None if self.sets.len() == SUBJECTS_MAX => return Err(Refusal::Capacity),
            None => {
                self.add(LimitSet { subject, values: [0; KEYS] });
                self.sets.len()
            }
        };
        let key = usize::from(key.byte());
        let was = std::mem::replace(&mut self.sets[id - 1].values[key], value);
        self.set[key] = self.set[key] - u32::from(was != 0) + u32::from(value != 0);
        self.forget_profiles();
        Ok(())
    }

    /// Adds a subject that is not among them.
    fn add(&mut self, set: LimitSet) {
        let subject = set.subject;
        self.sets.push(set);
        let number = u32::try_from(self.sets.len()).expect("few");
        self.by_subject.insert(subject.key(), number, |_| false);
        self.named |= 1 << subject.scope.byte();
    }

    /// What was set for each of these.
    fn find<const N: usize>(&self, subjects: [Subject; N]) -> [Option<&LimitSet>; N] {
        subjects.map(|subject| {
            if self.named >> subject.scope.byte() & 1 == 0 {
                return None;
            }
            let id = self.number_of(subject)?;
            Some(&self.sets[id as usize - 1])
        })
    }

    fn number_of(&self, subject: Subject) -> Option<u32> {
        self.by_subject.get(subject.key(), |id| self.sets[id as usize - 1].subject == subject)
    }

    /// What holds now for an account in an instrument and in its currency, whose balances of shares and
    /// cash these are.
    pub(super) fn resolve(
        &mut self,
        wallet: &mut Wallet,
        (shares, cash): (Option<BalanceId>, Option<BalanceId>),
        owner: (u32, FirmId),
        (instrument, currency): (InstrumentId, CurrencyId),
    ) -> (&Profile, &Exposure) {
        // Before the first, or the second may make it stale.
        if self.profiles.is_full() || self.exposures.is_full() {
            self.forget_profiles();
        }
        let position = self.known(wallet, shares).unwrap_or_else(|| {
            let profile = self.position(owner, instrument, currency);
            let place = self.profiles.keep(profile.key(), profile);
            self.refer(wallet, shares, place)
        });
        let exposure = self.known(wallet, cash).unwrap_or_else(|| {
            let exposure = self.exposure(owner, currency);
            let place = self.exposures.keep(exposure.key(), exposure);
            self.refer(wallet, cash, place)
        });
        (self.profiles.get(position), self.exposures.get(exposure))
    }

    fn position(
        &self,
        (account, firm): (u32, FirmId),
        InstrumentId(symbol): InstrumentId,
        CurrencyId(currency): CurrencyId,
    ) -> Profile {
        let firm = u32::from(firm.0);
        let sets = self.find([
            Subject::new(RiskScope::FirmSymbol, firm, symbol),
            Subject::new(RiskScope::Firm, firm, 0),
            Subject::new(RiskScope::Firm, firm, currency),
            Subject::new(RiskScope::Symbol, 0, symbol),
            Subject::new(RiskScope::AccountSymbol, account, symbol),
            Subject::new(RiskScope::Venue, 0, 0),
            Subject::new(RiskScope::Account, account, 0),
            Subject::new(RiskScope::Venue, 0, currency),
            Subject::new(RiskScope::Account, account, currency),
        ]);
        let (of_firm, of_account) = sets.split_at(3);
        let any = |key| tightest(key, &sets);
        Profile {
            quantity_max: short(any(RiskKey::OrderQuantity)),
            collar: short(any(RiskKey::Collar)),
            open_orders_max: short(tightest(RiskKey::OpenOrders, of_account)),
            firm_open_orders_max: short(tightest(RiskKey::OpenOrders, of_firm)),
            duplicate_window_ms: u32::try_from(any(RiskKey::DuplicateWindow))
                .expect("bounded when it was set"),
            restricted: any(RiskKey::Restricted) != 0,
            no_market_orders: any(RiskKey::NoMarketOrders) != 0,
            notional_max: or_none(any(RiskKey::OrderNotional)),
            shares_max: or_none(tightest(RiskKey::SharesPerDay, of_account)),
            firm_shares_max: or_none(tightest(RiskKey::SharesPerDay, of_firm)),
        }
    }

    fn exposure(
        &self,
        (account, firm): (u32, FirmId),
        CurrencyId(currency): CurrencyId,
    ) -> Exposure {
        let of_firm = self.find([Subject::new(RiskScope::Firm, firm.0.into(), currency)]);
        let of_account = self.find([
            Subject::new(RiskScope::Venue, 0, currency),
            Subject::new(RiskScope::Account, account, currency),
        ]);
        let most = |sets: &[_]| ExposureMax {
            gross: or_none(tightest(RiskKey::GrossExposure, sets)),
            net: or_none(tightest(RiskKey::NetExposure, sets)),
        };
        Exposure { account: most(&of_account), firm: most(&of_firm) }
    }

    /// Where the profile of a balance is, if it is not stale.
    fn known(&self, wallet: &Wallet, id: Option<BalanceId>) -> Option<u32> {
        let ProfileRef { generation, place } = wallet.get(id?).profile;
        (generation == self.generation).then_some(place)
    }

    /// Notes where a balance's profile is, if there is a balance.
    fn refer(&self, wallet: &mut Wallet, id: Option<BalanceId>, place: u32) -> u32 {
        if let Some(id) = id {
            wallet.get_mut(id).profile = ProfileRef { generation: self.generation, place };
        }
        place
    }

    fn forget_profiles(&mut self) {
        self.generation = self.generation.checked_add(1).expect("fewer commands");
        self.profiles.clear();
        self.exposures.clear();
    }
}

impl Profile {
    /// No limits.
    const NONE: Self = Self {
        quantity_max: u32::MAX,
        collar: u32::MAX,
        open_orders_max: u32::MAX,
        firm_open_orders_max: u32::MAX,
        duplicate_window_ms: 0,
        restricted: false,
        no_market_orders: false,
        notional_max: u64::MAX,
        shares_max: u64::MAX,
        firm_shares_max: u64::MAX,
    };

    /// One for many: those who share it are told apart by what they are.
    const fn key(&self) -> u64 {
        let counts = (self.quantity_max as u64) << 32 | self.open_orders_max as u64;
        let rules = (self.collar as u64) << 32 | self.duplicate_window_ms as u64;
        let most = self.notional_max.rotate_left(17) ^ self.shares_max.rotate_left(34);
        let firm = (self.firm_open_orders_max as u64).rotate_left(45) ^ self.firm_shares_max;
        let flags = (self.restricted as u64) << 1 | self.no_market_orders as u64;
        counts ^ rules.rotate_left(23) ^ most ^ firm.rotate_left(11) ^ flags.rotate_left(53)
    }
}

impl Exposure {
    /// No limits.
    const NONE: Self = {
        let none = ExposureMax { gross: u64::MAX, net: u64::MAX };
        Self { account: none, firm: none }
    };

    /// As of a profile.
    const fn key(&self) -> u64 {
        let Self { account, firm } = self;
        account.gross
            ^ account.net.rotate_left(17)
            ^ firm.gross.rotate_left(34)
            ^ firm.net.rotate_left(51)
    }
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
    /// Brings near the limits of a balance that is near; any number will do.
    pub(crate) fn expect_limits(&self, id: BalanceId) {
        let balance = id.checked_index().and_then(|at| self.wallet.balances().get(at));
        let Some(Balance { asset, profile, .. }) = balance else { return };
        match asset {
            Asset::Cash(_) => self.limits.exposures.expect(profile.place),
            Asset::Shares(_) => self.limits.profiles.expect(profile.place),
        }
    }

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

    /// The highest rate of messages, of all, of a port for a symbol, or of a symbol, to which order entry is
    /// held.
    #[must_use]
    pub fn message_rate_max(&self) -> Option<u32> {
        let ports = self.ports.rows().iter().filter(|port| port.kind == PortKind::OrderEntry);
        let rates = ports.flat_map(|port| [port.messages_max, port.symbol_messages_max]);
        let of_symbols = self.instruments.rows().iter().map(|row| row.symbol_messages_max);
        rates.chain(of_symbols).filter(|&rate| rate != u32::MAX).max()
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
