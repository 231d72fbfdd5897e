//! Definitions: the currencies, firms, ports, accounts and instruments of the exchange, and the rules
//! that a new one must keep.
//!
//! A definition is checked here once; whatever uses it later trusts it.

use serde::{Deserialize, Serialize};

use super::firm_activity::FirmActivity;
use super::references::References;
use super::table::{is_name, name_key};
use super::wallet::Activity;
use super::{Asset, BUSTS_MAX, BalanceId, Busts, Capacity, Guess, IdMap, IndexSeed};
use super::{
    Fees, Limits, OpenOrders, Port, Rates, RecentMarks, RecentOrders, SymbolMessages, Table,
    Trading, UserRefNums, Wallet,
};
use crate::types::command::{
    AccountOpen, AccountUpdate, CurrencyDefine, FirmDefine, InstrumentDefine, PortDefine, Transfer,
};
use crate::types::{
    AccountId, AccountStatus, AssetKind, CurrencyCode, CurrencyId, DisconnectPolicy, Epoch,
    FirmCode, FirmId, InstrumentId, OrderHandle, OuchVersion, PortId, PortKind, Price, Quantity,
    Refusal, SelfMatchKey, Symbol,
};

/// The most decimals of cash: twice what any currency uses. An order so large that its value does not
/// fit 64 bits with them is rejected.
pub(super) const CASH_DECIMALS_MAX: u8 = 9;

/// Everything the exchange knows of its participants, and what they own and ask for.
#[derive(Debug)]
pub struct OrderManager {
    /// By [`CurrencyId`].
    pub currencies: Table<Currency>,
    /// By [`FirmId`].
    pub firms: Table<Firm>,
    /// By [`PortId`].
    pub ports: Table<Port>,
    /// By the account's dense number.
    pub accounts: Table<Account>,
    /// By [`InstrumentId`].
    pub instruments: Table<Instrument>,
    /// Who owns what.
    pub wallet: Wallet,
    /// Whose orders are open.
    pub orders: OpenOrders,
    /// What was entered last, for each account.
    pub(super) recent: RecentOrders,
    /// What each port has sent this second, by instrument.
    pub(crate) symbol_messages: SymbolMessages,
    /// What each firm did today, but for what lies with it.
    pub(crate) firm_activity: FirmActivity,
    /// What nobody may do.
    pub(crate) limits: Limits,
    /// What trades cost.
    pub(crate) fees: Fees,
    /// Accounts by firm and group id.
    pub(super) groups: IdMap,
    /// The transfers that were carried out.
    pub(super) references: References,
    /// The trades that were busted or corrected.
    pub(crate) busts: Busts,
    /// Resting orders there may be in all.
    pub(super) orders_max: u32,
    /// Where the rows may be that the command names which is applied.
    pub(crate) guess: Guess,
}

/// A currency.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Currency {
    /// Its number.
    pub id: CurrencyId,
    /// Its code.
    pub code: CurrencyCode,
    /// Decimals of cash amounts.
    pub cash_decimals: u8,
}

/// It asked for it, until the day ends.
pub(crate) const DISABLED_BY_FIRM: u8 = 1;
/// The exchange takes no new orders of anybody.
pub(crate) const DISABLED_BY_VENUE: u8 = 2;

/// A firm: one cache line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(align(64))]
pub struct Firm {
    /// Its number.
    pub id: FirmId,
    /// Its code.
    pub code: FirmCode,
    /// Its self-match rule.
    pub self_match_key: SelfMatchKey,
    /// Open orders it may have.
    pub open_orders_max: u32,
    /// Open orders it has.
    #[serde(skip)]
    pub open_orders: u32,
    /// Why its new orders are refused, in bits: 1, it asked for it; 2, the exchange takes nobody's.
    pub entry_disabled: u8,
    /// What its trades cost, if that was set.
    pub rates: Option<Rates>,
    /// What is counted for its limits in the first currency: most venues have no other.
    #[serde(skip)]
    pub(super) today: Activity,
}

/// An account: a wallet. One cache line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(align(64))]
pub struct Account {
    /// The number people know it by.
    pub id: AccountId,
    /// The firm it belongs to.
    pub firm: FirmId,
    /// What is known of its holder.
    pub status: AccountStatus,
    /// Whether it may sell what it does not hold.
    pub short_allowed: bool,
    /// Its group id, 0 = none.
    pub group_id: u16,
    /// Open orders it has.
    #[serde(skip)]
    pub open_orders: u32,
    /// Marks of its last orders.
    #[serde(skip)]
    pub(super) recent: RecentMarks,
}

const _: () = assert!(size_of::<Firm>() == 64 && size_of::<Account>() == 64);

/// An instrument.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Instrument {
    /// Its number.
    pub id: InstrumentId,
    /// Its trading symbol.
    pub symbol: Symbol,
    /// What people call it.
    pub display_symbol: [u8; 16],
    /// The currency it settles in.
    pub currency: CurrencyId,
    /// 10^(cash decimals - price decimals): what a price unit times a share is in cash units.
    pub scale: i64,
    /// Shares in a lot.
    pub lot_size: u32,
    /// The price step.
    pub tick_size: u64,
    /// Where prices are measured from before the first trade.
    pub reference_price: Price,
    /// Decimals of a price.
    pub price_decimals: u8,
    /// ITCH market category.
    pub market_category: u8,
    /// ITCH issue classification.
    pub product: u8,
    /// Whether it may be sold short.
    pub short_allowed: bool,
    /// Its phase and prices.
    pub trading: Trading,
    /// What its trades cost firms that have no rates of their own, if that was set.
    pub rates: Option<Rates>,
    /// New orders a port may send of it in a second, the largest number = no limit.
    #[serde(skip)]
    pub(super) symbol_messages_max: u32,
}

impl Instrument {
    /// Where its prices are measured from: the last trade, before the first one what its definition
    /// says. 0 = nowhere.
    #[must_use]
    pub const fn reference(&self) -> Price {
        self.trading.last_price
    }
}

impl OrderManager {
    /// Nothing defined yet, with room for `capacity`; indexes are keyed with `seed`.
    ///
    /// # Panics
    /// If it asks for more than [`Capacity::PORTS_MAX`] ports or [`Capacity::ORDERS_MAX`] orders.
    #[must_use]
    pub(crate) fn new(capacity: &Capacity, seed: IndexSeed) -> Self {
        assert!(capacity.ports <= Capacity::PORTS_MAX, "{} ports", capacity.ports);
        assert!(capacity.orders <= Capacity::ORDERS_MAX, "{} orders", capacity.orders);
        Self {
            currencies: Table::new(usize::from(capacity.currencies), seed),
            firms: Table::new(usize::from(capacity.firms), seed),
            ports: Table::new(capacity.ports as usize, seed),
            accounts: Table::new(capacity.accounts as usize, seed),
            instruments: Table::new(usize::from(capacity.instruments), seed),
            wallet: Wallet::new(capacity, seed),
            orders: OpenOrders::new(capacity.orders, seed),
            recent: RecentOrders::new(capacity.accounts),
            symbol_messages: SymbolMessages::new(capacity.ports, capacity.instruments),
            firm_activity: FirmActivity::new(capacity),
            limits: Limits::new(capacity.balances, seed),
            fees: Fees::default(),
            groups: IdMap::with_capacity(capacity.accounts as usize, seed),
            references: References::new(capacity.balances, seed),
            busts: Busts::new(BUSTS_MAX, seed),
            orders_max: capacity.orders,
            guess: Guess::default(),
        }
    }

    /// Defines a currency.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn define_currency(
        &mut self,
        define: &CurrencyDefine,
    ) -> Result<CurrencyId, Refusal> {
        let &CurrencyDefine { code, cash_decimals, .. } = define;
        require(is_name(&code.0) && cash_decimals <= CASH_DECIMALS_MAX)?;
        let id = CurrencyId(next(&self.currencies));
        if self.currency(code).is_none() && !self.has_room_for_fees(id) {
            return Err(Refusal::Capacity);
        }
        self.currencies.add(name_key(&code.0), Currency { id, code, cash_decimals })?;
        self.open_fee_balances();
        self.make_room_for_firms();
        Ok(id)
    }

    /// Defines a firm. What it may have open is kept for it: [`Refusal::Capacity`] if the venue has not
    /// so much room left, so that no firm ever fills the books before another.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn define_firm(&mut self, define: &FirmDefine) -> Result<FirmId, Refusal> {
        let &FirmDefine { code, self_match_key, open_orders_max, .. } = define;
        let self_match_key = SelfMatchKey::from_byte(self_match_key).ok_or(Refusal::Invalid)?;
        require(is_name(&code.0))?;
        let id = FirmId(next(&self.firms));
        let open_orders_max = match open_orders_max {
            0 => Capacity::open_orders_default(self.orders_max),
            most => most,
        };
        if self.firm(code).is_none() && open_orders_max > self.orders_left() {
            return Err(Refusal::Capacity);
        }
        let firm = Firm {
            id,
            code,
            self_match_key,
            open_orders_max,
            open_orders: 0,
            entry_disabled: 0,
            rates: None,
            today: Activity::default(),
        };
        self.firms.add(name_key(&code.0), firm)?;
        Ok(id)
    }

    /// Resting orders that no firm was promised.
    pub(super) fn orders_left(&self) -> u32 {
        let promised: u32 = self.firms.rows().iter().map(|firm| firm.open_orders_max).sum();
        self.orders_max - promised
    }

    /// Defines a port. Its default account may be opened later; only an administrative port may do
    /// without a firm.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn define_port(&mut self, define: &PortDefine) -> Result<PortId, Refusal> {
        let name = define.name.upper();
        let kind = PortKind::from_byte(define.kind).ok_or(Refusal::Invalid)?;
        let disconnect = DisconnectPolicy::from_byte(define.disconnect).ok_or(Refusal::Invalid)?;
        let ouch_version = OuchVersion::from_byte(define.ouch_version).ok_or(Refusal::Invalid)?;
        require(is_name(&name.0) && define.account_by_group <= 1)?;
        require(kind == PortKind::OrderEntry || ouch_version == OuchVersion::V50)?;
        let firmless = define.firm == FirmCode::BLANK || define.firm.0 == [0; FirmCode::SIZE];
        let firm = if kind == PortKind::Admin && firmless {
            FirmId::NONE
        } else {
            self.firm(define.firm).ok_or(Refusal::Unknown)?
        };
        let id = PortId(self.ports.len() + 1);
        let port = Port {
            id,
            name,
            kind,
            disconnect,
            ouch_version,
            firm,
            firm_code: define.firm,
            verifier: define.verifier,
            grace_ms: define.grace_ms,
            default_account: define.default_account,
            account_by_group: define.account_by_group == 1,
            message_rate_max: define.message_rate_max,
            open_orders_max: define.open_orders_max,
            epoch: Epoch::NONE,
            last_request: 0,
            user_refs: UserRefNums::new(),
            open_orders: 0,
            oldest: OrderHandle::NONE,
            youngest: OrderHandle::NONE,
            messages_max: u32::MAX,
            symbol_messages_max: u32::MAX,
            rate_second: 0,
            messages: 0,
            symbols_counted: 0,
            other_messages: 0,
        };
        self.ports.add(name_key(&name.0), port)?;
        self.symbol_messages.add_port();
        self.resolve_rates(id);
        Ok(id)
    }

    /// Opens an account and returns its dense number.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn open_account(&mut self, open: &AccountOpen) -> Result<u32, Refusal> {
        let &AccountOpen { account: id, group_id, .. } = open;
        let status = AccountStatus::from_byte(open.status).ok_or(Refusal::Invalid)?;
        require(!id.is_none() && open.short_allowed <= 1)?;
        let firm = self.firm(open.firm).ok_or(Refusal::Unknown)?;
        if group_id != 0 && self.account_of_group(firm, group_id).is_some() {
            return Err(Refusal::Exists);
        }
        let short_allowed = open.short_allowed == 1;
        let (open_orders, recent) = (0, RecentMarks::default());
        let row = Account { id, firm, status, short_allowed, group_id, open_orders, recent };
        let account = self.accounts.add(u64::from(id.0), row)?;
        self.recent.add_account();
        if group_id != 0 {
            self.groups.insert(group_key(firm, group_id), account, |_| false);
        }
        Ok(account)
    }

    /// Changes an account's status and returns its dense number. What becomes of the open orders of one
    /// that may not trade any more is the engine's.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn update_account(&mut self, update: &AccountUpdate) -> Result<u32, Refusal> {
        let status = AccountStatus::from_byte(update.status).ok_or(Refusal::Invalid)?;
        require(update.short_allowed <= 1)?;
        let account = self.account(update.account).ok_or(Refusal::Unknown)?;
        let row = self.accounts.get_mut(account).expect("found above");
        row.status = status;
        row.short_allowed = update.short_allowed == 1;
        Ok(account)
    }

    /// Defines an instrument.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn define_instrument(
        &mut self,
        define: &InstrumentDefine,
    ) -> Result<InstrumentId, Refusal> {
        let &InstrumentDefine { symbol, lot_size, tick_size, reference_price, .. } = define;
        require(is_name(&symbol.0) && define.short_allowed <= 1)?;
        require((1..=Quantity::MAX.0).contains(&lot_size))?;
        require((1..=Price::MAX.0).contains(&tick_size) && reference_price <= Price::MAX)?;
        let currency = self.currency(define.currency).ok_or(Refusal::Unknown)?;
        let cash_decimals = self.currencies.get(currency.0.into()).expect("found").cash_decimals;
        let finer = cash_decimals.checked_sub(define.price_decimals).ok_or(Refusal::Invalid)?;
        let id = InstrumentId(next(&self.instruments));
        let row = Instrument {
            id,
            symbol,
            display_symbol: define.display_symbol,
            currency,
            scale: 10_i64.pow(finer.into()),
            lot_size,
            tick_size,
            reference_price,
            price_decimals: define.price_decimals,
            market_category: define.market_category,
            product: define.product,
            short_allowed: define.short_allowed == 1,
            trading: Trading::new(reference_price, tick_size),
            rates: None,
            symbol_messages_max: u32::MAX,
        };
        self.instruments.add(name_key(&symbol.0), row)?;
        self.make_room_for_firms();
        Ok(id)
    }

    /// Carries out a transfer, once for each reference, and returns the balance it changed. A transfer
    /// that is refused does not use up its reference.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn transfer(&mut self, transfer: &Transfer) -> Result<BalanceId, Refusal> {
        let &Transfer { reference, amount, .. } = transfer;
        require(reference != 0 && amount != 0)?;
        if self.references.contains(reference) {
            return Err(Refusal::RepeatedReference);
        }
        let kind = AssetKind::from_byte(transfer.asset_kind).ok_or(Refusal::Invalid)?;
        let account = self.account(transfer.account).ok_or(Refusal::Unknown)?;
        let asset = match kind {
            AssetKind::Cash => {
                let (code, rest) = transfer.asset.0.split_first_chunk().expect("4 of 8 bytes");
                require(rest.iter().all(|&byte| byte == b' '))?;
                Asset::Cash(self.currency(CurrencyCode(*code)).ok_or(Refusal::Unknown)?)
            }
            AssetKind::Shares => {
                Asset::Shares(self.instrument(transfer.asset).ok_or(Refusal::Unknown)?)
            }
        };
        if self.references.is_full() {
            return Err(Refusal::Capacity);
        }
        let balance = self.wallet.transfer(account, asset, amount)?;
        self.references.insert(reference);
        Ok(balance)
    }

    /// Begins a day. No order is open.
    pub(crate) fn start_day(&mut self) {
        for port in self.ports.rows_mut() {
            port.start_day();
        }
        for firm in self.firms.rows_mut() {
            firm.entry_disabled &= !DISABLED_BY_FIRM;
            firm.today = Activity::default();
        }
        self.firm_activity.start_day();
        self.wallet.start_day();
        self.references.start_day();
        self.open_fee_balances();
    }

    /// The currency with this code.
    #[must_use]
    pub fn currency(&self, code: CurrencyCode) -> Option<CurrencyId> {
        self.currencies.find(name_key(&code.0)).map(|id| CurrencyId(short(id)))
    }

    /// The firm with this code.
    #[must_use]
    pub fn firm(&self, code: FirmCode) -> Option<FirmId> {
        self.firms.find(name_key(&code.0)).map(|id| FirmId(short(id)))
    }

    pub(super) fn find_instrument(&self, symbol: Symbol) -> Option<InstrumentId> {
        self.instruments.find(name_key(&symbol.0)).map(|id| InstrumentId(short(id)))
    }

    /// The instrument with this symbol, most likely; none if there is none.
    pub(crate) fn likely_instrument(&self, symbol: Symbol) -> InstrumentId {
        InstrumentId(short(self.instruments.likely(name_key(&symbol.0))))
    }

    /// The dense number of a firm's sub-account.
    pub(super) fn account_of_group(&self, firm: FirmId, group_id: u16) -> Option<u32> {
        self.groups.get(group_key(firm, group_id), |id| {
            let account = self.accounts.get(id).expect("the map holds rows");
            (account.firm, account.group_id) == (firm, group_id)
        })
    }

    /// The session of `port`, if `epoch` is the one that is on.
    #[must_use]
    pub fn session(&self, port: PortId, epoch: Epoch) -> Option<&Port> {
        self.ports.get(port.0).filter(|port| port.is_up() && port.epoch == epoch)
    }
}

/// The key of a firm's sub-account.
pub(super) fn group_key(firm: FirmId, group_id: u16) -> u64 {
    u64::from(firm.0) << 16 | u64::from(group_id)
}

fn require(rule: bool) -> Result<(), Refusal> {
    if rule { Ok(()) } else { Err(Refusal::Invalid) }
}

/// The number of the next row. A full table refuses the row, so it does not matter that it may wrap.
fn next<T>(table: &Table<T>) -> u16 {
    short(table.len()).wrapping_add(1)
}

fn short(id: u32) -> u16 {
    u16::try_from(id).expect("the table's capacity is a u16")
}
