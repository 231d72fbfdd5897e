//! The wallet: what every account owns of every currency and instrument, and what its orders hold.
//!
//! Money moves here and nowhere else. A balance never falls below what is held of it (short selling, the
//! fee account and busts apart), and what one move takes from one account it gives to another, to the
//! unit.

use serde::{Deserialize, Serialize};

use super::limits::ProfileRef;
use super::{Capacity, IdMap, IndexSeed};
use crate::sys::memory::prefetch;
use crate::sys::prefault::{prefaulted, prefaulted_room};
use crate::types::{CurrencyId, FirmId, InstrumentId, Quantity, Refusal};

mod audit;
mod snapshot;

use audit::{Audit, Sums};

/// What a balance is a balance of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Asset {
    /// Cash.
    Cash(CurrencyId),
    /// Shares.
    Shares(InstrumentId),
}

/// The dense number of a balance, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceId(u32);

impl BalanceId {
    /// Any number.
    #[cfg(test)]
    pub(super) const fn any(number: u32) -> Self {
        Self(number)
    }

    /// Its place among all balances.
    pub(super) const fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// The same of a number that may be none.
    pub(super) fn checked_index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }
}

/// One account's amount of one asset, and what its orders did of it today: one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Balance {
    /// The dense number of the account.
    pub account: u32,
    /// Of what.
    pub asset: Asset,
    /// All of it, what is held included. Negative only by short selling, by rebates, or by a bust of what
    /// was spent.
    pub total: i64,
    /// What open orders hold, never negative. More than there is only by short sales, which need no cover.
    pub held: i64,
    /// What is counted for its limits.
    pub(super) today: Activity,
    /// Its limits, as they were found when it was last used.
    #[serde(skip)]
    pub(super) profile: ProfileRef,
}

const _: () = assert!(size_of::<Balance>() == 64);

/// What the orders of a balance, or of all those of a firm, did today. It stops at the largest number:
/// it is for limits, and no money depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Activity {
    /// Of cash, the value of what was bought, and of open orders to buy. Of shares, all that were traded,
    /// and those of all open orders.
    pub(super) buys: i64,
    /// Of cash, the value of what was bought.
    pub(super) bought: i64,
    /// Of cash, the value of what was sold, and of open orders to sell.
    pub(super) sells: i64,
    /// Of cash, the value of what was sold.
    pub(super) sold: i64,
}

impl Activity {
    /// Each count, in the order of the fields.
    #[cfg(test)]
    pub(super) fn counts(self) -> [i64; 4] {
        let Self { buys, bought, sells, sold } = self;
        [buys, bought, sells, sold]
    }
}

impl Balance {
    /// With nothing in it.
    const fn empty(account: u32, asset: Asset) -> Self {
        let today = Activity { buys: 0, bought: 0, sells: 0, sold: 0 };
        Self { account, asset, total: 0, held: 0, today, profile: ProfileRef::NONE }
    }

    /// What is counted for its limits.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> [i64; 4] {
        self.today.counts()
    }

    /// What a new order may use.
    #[must_use]
    pub const fn available(&self) -> i64 {
        // Neither can be so large: supplies are limited, and so are the shares of all orders.
        self.total - self.held
    }
}

/// The two accounts of a fill and what changes hands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settlement {
    /// The buyer's firm.
    pub(crate) buyer_firm: FirmId,
    /// The seller's firm.
    pub(crate) seller_firm: FirmId,
    /// The buyer's cash.
    pub(crate) buyer_cash: BalanceId,
    /// The buyer's shares.
    pub(crate) buyer_shares: BalanceId,
    /// The seller's cash.
    pub(crate) seller_cash: BalanceId,
    /// The seller's shares.
    pub(crate) seller_shares: BalanceId,
    /// What the buyer pays.
    pub(crate) notional: i64,
    /// What the buyer's order held for these shares, at its own limit: never less.
    pub(crate) buyer_hold: i64,
    /// What these shares counted for on the seller's side while they were open: less than what is paid, as
    /// much, or more.
    pub(crate) seller_value: i64,
    /// What the seller delivers.
    pub(crate) quantity: Quantity,
    /// What the buyer pays besides; negative: a rebate.
    pub(crate) buyer_fee: i64,
    /// What the buyer's order held for fees and needs no more.
    pub(crate) buyer_fee_hold: i64,
    /// What the seller pays of what it gets; negative: a rebate.
    pub(crate) seller_fee: i64,
    /// Where the fees go; none if there are none.
    pub(crate) fee_cash: Option<BalanceId>,
}

/// All balances.
#[derive(Debug)]
pub struct Wallet {
    balances: Vec<Balance>,
    by_key: IdMap,
    max: usize,
    /// What came in by transfers and has not left, by currency and by instrument.
    cash_supply: Vec<i64>,
    share_supply: Vec<i64>,
    /// What the move under way has changed.
    cash_flow: Flow,
    share_flow: Flow,
    /// What balances should add up to: changes with every supply, and with every balance.
    kept: Sums,
    audit: Audit,
}

/// What a move has brought into all balances of one asset, less what came into the exchange. A move - a
/// fill, a bust or a transfer - is of one currency and one instrument, so it is checked at no cost.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// `None` before the first change.
    asset: Option<Asset>,
    sum: i64,
}

impl Flow {
    fn add(&mut self, asset: Asset, amount: i64) {
        let first = *self.asset.get_or_insert(asset);
        assert_eq!(first, asset, "a move is of one currency and one instrument");
        self.sum += amount;
    }
}

/// The most that may be in the exchange of any one asset: far from where a sum could wrap.
const SUPPLY_MAX: i64 = i64::MAX / 4;

impl Wallet {
    /// Room for the balances, currencies and instruments of `capacity`.
    #[must_use]
    pub(crate) fn new(capacity: &Capacity, seed: IndexSeed) -> Self {
        let max = capacity.balances as usize;
        let empty = Balance::empty(0, Asset::Cash(CurrencyId::NONE));
        Self {
            balances: prefaulted_room(empty, max),
            by_key: IdMap::with_capacity(max, seed),
            max,
            cash_supply: prefaulted(0, usize::from(capacity.currencies) + 1),
            share_supply: prefaulted(0, usize::from(capacity.instruments) + 1),
            cash_flow: Flow::default(),
            share_flow: Flow::default(),
            kept: Sums::default(),
            audit: Audit::default(),
        }
    }

    /// The balance of `account` in `asset`, if it has one.
    #[must_use]
    pub fn find(&self, account: u32, asset: Asset) -> Option<BalanceId> {
        let is_it = |id| self.is(BalanceId(id), account, asset);
        self.by_key.get(key(account, asset), is_it).map(BalanceId)
    }

    /// Whether a balance is that of `account` in `asset`; any number will do.
    pub(super) fn is(&self, id: BalanceId, account: u32, asset: Asset) -> bool {
        let balance = self.balances.get((id.0 as usize).wrapping_sub(1));
        balance.is_some_and(|balance| (balance.account, balance.asset) == (account, asset))
    }

    /// The same, most likely, without a look at the balance; no number if there is none.
    pub(crate) fn likely(&self, account: u32, asset: Asset) -> BalanceId {
        BalanceId(self.by_key.likely(key(account, asset)).unwrap_or(0))
    }

    /// Brings near what finds a balance.
    pub(crate) fn expect(&self, account: u32, asset: Asset) {
        self.by_key.expect(key(account, asset));
    }

    /// Brings a balance near.
    pub(crate) fn expect_balance(&self, id: BalanceId) {
        if let Some(balance) = self.balances.get((id.0 as usize).wrapping_sub(1)) {
            prefetch(balance);
        }
    }

    /// Whether there is room for the balances among these that do not exist yet.
    pub(crate) fn has_room(&self, account: u32, assets: &[Asset]) -> bool {
        let missing = assets.iter().filter(|&&asset| self.find(account, asset).is_none()).count();
        self.balances.len() + missing <= self.max
    }

    /// The same, made with nothing in it if there is none. `None` if the wallet is full.
    pub(crate) fn open(&mut self, account: u32, asset: Asset) -> Option<BalanceId> {
        if let Some(id) = self.find(account, asset) {
            return Some(id);
        }
        if self.balances.len() == self.max {
            return None;
        }
        self.balances.push(Balance::empty(account, asset));
        let id = u32::try_from(self.balances.len()).expect("max is a u32");
        self.by_key.insert(key(account, asset), id, |_| false);
        Some(BalanceId(id))
    }

    /// A balance.
    #[must_use]
    pub fn get(&self, id: BalanceId) -> &Balance {
        &self.balances[id.0 as usize - 1]
    }

    /// Begins a day: forgets what was done today, and the balances with nothing in them, so that whoever
    /// once held a share of everything does not fill the wallet for good. Numbers change, so no order may
    /// be open.
    pub(crate) fn start_day(&mut self) {
        self.balances.retain(|balance| balance.total != 0 || balance.held != 0);
        self.audit = Audit::default();
        self.by_key.clear();
        for (id, balance) in (1..).zip(&mut self.balances) {
            balance.today = Activity::default();
            self.by_key.insert(key(balance.account, balance.asset), id, |_| false);
        }
    }

    /// Every balance, in the order they were opened.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.balances
    }

    /// What is in the exchange of an asset: the sum of all its balances.
    #[must_use]
    pub fn supply(&self, asset: Asset) -> i64 {
        match asset {
            Asset::Cash(currency) => self.cash_supply[usize::from(currency.0)],
            Asset::Shares(instrument) => self.share_supply[usize::from(instrument.0)],
        }
    }

    /// Brings an amount in from the outside world, or takes it out, and returns the balance it changed.
    ///
    /// # Errors
    /// [`Refusal::Balance`] if less is available, [`Refusal::Invalid`] if more would be in the exchange
    /// than it can count, [`Refusal::Capacity`] if there is no room for a balance.
    pub(crate) fn transfer(
        &mut self,
        account: u32,
        asset: Asset,
        amount: i64,
    ) -> Result<BalanceId, Refusal> {
        let supply = self.supply(asset).checked_add(amount).ok_or(Refusal::Invalid)?;
        if !(-SUPPLY_MAX..=SUPPLY_MAX).contains(&supply) {
            return Err(Refusal::Invalid);
        }
        let (total, available) = self.find(account, asset).map_or((0, 0), |id| {
            let balance = self.get(id);
            (balance.total, balance.available())
        });
        if amount < 0 && available.saturating_add(amount) < 0 {
            return Err(Refusal::Balance);
        }
        total.checked_add(amount).ok_or(Refusal::Invalid)?;
        let id = self.open(account, asset).ok_or(Refusal::Capacity)?;
        self.change(id, amount);
        *self.supply_mut(asset) = supply;
        self.kept.by_asset = self.kept.by_asset.wrapping_add(weighed(0, asset, amount));
        self.flow_mut(asset).add(asset, -amount);
        self.end_move();
        Ok(id)
    }

    /// Holds part of a balance for an order.
    ///
    /// # Panics
    /// If less is available: the checks looked first.
    pub(crate) fn hold(&mut self, id: BalanceId, amount: i64) {
        let balance = self.get_mut(id);
        assert!(amount > 0, "a hold of {amount}");
        assert!(balance.available() >= amount, "a hold of {amount} of {balance:?}");
        balance.held += amount;
    }

    /// Holds shares for a short sale, there or not.
    pub(crate) fn hold_short(&mut self, id: BalanceId, quantity: Quantity) {
        self.get_mut(id).held += i64::from(quantity.0);
    }

    /// Gives back what an order no longer needs.
    ///
    /// # Panics
    /// If less is held.
    pub(crate) fn release(&mut self, id: BalanceId, amount: i64) {
        let balance = self.get_mut(id);
        assert!(amount > 0, "a release of {amount}");
        assert!(balance.held >= amount, "a release of {amount} of {balance:?}");
        balance.held -= amount;
    }

    /// Settles a fill at once: cash one way, shares the other, and the holds that stood for them gone.
    ///
    /// # Panics
    /// If the holds do not cover it: then holds and fills disagree.
    pub(crate) fn settle(&mut self, fill: &Settlement) {
        assert!(fill.notional >= 0, "a fill of {}", fill.notional);
        assert!(fill.buyer_hold >= fill.notional, "a fill beyond its hold: {fill:?}");
        assert!(fill.buyer_fee_hold >= fill.buyer_fee.max(0), "a fee beyond its hold: {fill:?}");
        assert!(fill.seller_fee <= fill.notional, "a fee beyond the proceeds: {fill:?}");
        let quantity = i64::from(fill.quantity.0);
        self.release(fill.buyer_cash, fill.buyer_hold + fill.buyer_fee_hold);
        self.change(fill.buyer_cash, -fill.notional - fill.buyer_fee);
        self.change(fill.seller_cash, fill.notional - fill.seller_fee);
        let fees = fill.buyer_fee + fill.seller_fee;
        if fees != 0 {
            self.change(fill.fee_cash.expect("fees go somewhere"), fees);
        }
        self.release(fill.seller_shares, quantity);
        self.change(fill.seller_shares, -quantity);
        self.change(fill.buyer_shares, quantity);
        self.end_move();
    }

    /// Ends a move: what it took from some balances it gave to others, and what a transfer brought is in
    /// the exchange. A command may be of many, each of other assets.
    ///
    /// # Panics
    /// If cash or shares came from nowhere or went there.
    pub(super) fn end_move(&mut self) {
        assert_eq!(self.cash_flow.sum, 0, "cash is not conserved: {:?}", self.cash_flow);
        assert_eq!(self.share_flow.sum, 0, "shares are not conserved: {:?}", self.share_flow);
        self.cash_flow.asset = None;
        self.share_flow.asset = None;
    }

    /// The sum of all balances, each times an odd number that its account and asset give, modulo 2^64.
    /// Kept with each change, at a multiplication or two; whatever order the changes came in, equal
    /// balances have equal hashes, and one that is off by anything has another. Not against those who
    /// choose balances: nodes that differ do so by accident.
    #[must_use]
    pub(crate) const fn hash(&self) -> u64 {
        self.kept.hash
    }

    /// Changes a balance as part of a move, and whatever is held of it stays held.
    ///
    /// # Panics
    /// If it cannot be counted.
    pub(super) fn change(&mut self, id: BalanceId, amount: i64) {
        let balance = self.get_mut(id);
        balance.total = balance.total.checked_add(amount).expect("supplies are limited");
        let &mut Balance { account, asset, .. } = balance;
        self.kept.hash = self.kept.hash.wrapping_add(weighed(account, asset, amount));
        if id.index() < self.audit.done {
            self.audit.sums.add(account, asset, amount);
        }
        self.flow_mut(asset).add(asset, amount);
    }

    fn flow_mut(&mut self, asset: Asset) -> &mut Flow {
        match asset {
            Asset::Cash(_) => &mut self.cash_flow,
            Asset::Shares(_) => &mut self.share_flow,
        }
    }

    pub(super) fn get_mut(&mut self, id: BalanceId) -> &mut Balance {
        &mut self.balances[id.0 as usize - 1]
    }

    fn supply_mut(&mut self, asset: Asset) -> &mut i64 {
        match asset {
            Asset::Cash(currency) => &mut self.cash_supply[usize::from(currency.0)],
            Asset::Shares(instrument) => &mut self.share_supply[usize::from(instrument.0)],
        }
    }
}

/// What an amount of a balance adds to the hash of all.
const fn weighed(account: u32, asset: Asset, amount: i64) -> u64 {
    // As in `splitmix64`: what is near lies far apart.
    let mixed = key(account, asset).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    ((mixed ^ (mixed >> 32)) | 1).wrapping_mul(amount.cast_unsigned())
}

const fn key(account: u32, asset: Asset) -> u64 {
    let asset = match asset {
        Asset::Cash(currency) => currency.0 as u64,
        Asset::Shares(instrument) => 1 << 16 | instrument.0 as u64,
    };
    (account as u64) << 32 | asset
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASH: Asset = Asset::Cash(CurrencyId(1));
    const OTHER: Asset = Asset::Shares(InstrumentId(2));
    const SEED: IndexSeed = IndexSeed::new([7; 16]);
    const SHARES: Asset = Asset::Shares(InstrumentId(1));

    fn wallet(balances: u32) -> Wallet {
        Wallet::new(&Capacity { balances, ..Capacity::SMALL }, SEED)
    }

    fn funded(wallet: &mut Wallet, account: u32, asset: Asset, amount: i64) -> BalanceId {
        if amount != 0 {
            wallet.transfer(account, asset, amount).unwrap();
        }
        wallet.open(account, asset).unwrap()
    }

    #[test]
    fn a_fill_moves_cash_and_shares_and_frees_the_improvement() {
        let mut wallet = wallet(8);
        let buyer_cash = funded(&mut wallet, 1, CASH, 1_000);
        let buyer_shares = funded(&mut wallet, 1, SHARES, 0);
        let seller_cash = funded(&mut wallet, 2, CASH, 0);
        let seller_shares = funded(&mut wallet, 2, SHARES, 10);
        let fees = funded(&mut wallet, 3, CASH, 0);
        wallet.hold(buyer_cash, 707);
        wallet.hold(seller_shares, 10);
        wallet.settle(&Settlement {
            buyer_firm: FirmId(1),
            seller_firm: FirmId(2),
            buyer_cash,
            buyer_shares,
            seller_cash,
            seller_shares,
            notional: 600,
            buyer_hold: 700,
            seller_value: 600,
            quantity: Quantity(10),
            buyer_fee: 6,
            buyer_fee_hold: 7,
            seller_fee: -2,
            fee_cash: Some(fees),
        });
        let amounts = [buyer_cash, buyer_shares, seller_cash, seller_shares, fees]
            .map(|id| (wallet.get(id).total, wallet.get(id).held));
        assert_eq!(amounts, [(394, 0), (10, 0), (602, 0), (0, 0), (4, 0)]);
    }

    #[test]
    #[should_panic(expected = "a move is of one currency and one instrument")]
    fn a_fill_paid_in_one_currency_and_received_in_another_stops_the_node() {
        let mut wallet = wallet(8);
        let buyer_cash = funded(&mut wallet, 1, CASH, 1_000);
        let buyer_shares = funded(&mut wallet, 1, SHARES, 0);
        let seller_cash = funded(&mut wallet, 2, Asset::Cash(CurrencyId(2)), 0);
        let seller_shares = funded(&mut wallet, 2, SHARES, 10);
        wallet.hold(buyer_cash, 600);
        wallet.hold(seller_shares, 10);
        wallet.settle(&Settlement {
            buyer_firm: FirmId(1),
            seller_firm: FirmId(2),
            buyer_cash,
            buyer_shares,
            seller_cash,
            seller_shares,
            notional: 600,
            buyer_hold: 600,
            seller_value: 600,
            quantity: Quantity(10),
            buyer_fee: 0,
            buyer_fee_hold: 0,
            seller_fee: 0,
            fee_cash: None,
        });
    }

    #[test]
    fn a_withdrawal_leaves_what_is_held() {
        let mut wallet = wallet(1);
        let cash = funded(&mut wallet, 1, CASH, 100);
        wallet.hold(cash, 60);
        assert_eq!(wallet.transfer(1, CASH, -41), Err(Refusal::Balance));
        assert_eq!(wallet.transfer(1, CASH, -40), Ok(cash));
        assert_eq!(wallet.supply(CASH), 60);
    }

    #[test]
    fn a_deposit_beyond_what_can_be_counted_is_refused() {
        let mut wallet = wallet(2);
        funded(&mut wallet, 1, CASH, SUPPLY_MAX);
        assert_eq!(wallet.transfer(2, CASH, 1), Err(Refusal::Invalid));
        assert_eq!(wallet.transfer(1, CASH, i64::MIN), Err(Refusal::Invalid));
        assert_eq!(wallet.balances().len(), 1, "what was refused left nothing behind");
    }

    #[test]
    fn empty_balances_are_forgotten_and_the_others_are_found_again() {
        let mut wallet = wallet(3);
        funded(&mut wallet, 1, CASH, 5);
        funded(&mut wallet, 2, CASH, 7);
        funded(&mut wallet, 2, SHARES, 0);
        wallet.transfer(1, CASH, -5).unwrap();
        assert!(!wallet.has_room(3, &[CASH]) && wallet.has_room(2, &[CASH, SHARES]));
        wallet.start_day();
        assert!(wallet.has_room(3, &[CASH, SHARES]) && !wallet.has_room(3, &[CASH, SHARES, OTHER]));
        assert_eq!((wallet.find(1, CASH), wallet.find(2, SHARES)), (None, None));
        assert_eq!(wallet.get(wallet.find(2, CASH).unwrap()).total, 7);
    }

    #[test]
    fn equal_balances_have_equal_hashes_and_a_unit_elsewhere_has_another() {
        let hash = |transfers: &[(u32, Asset, i64)]| {
            let mut wallet = wallet(8);
            for &(account, asset, amount) in transfers {
                funded(&mut wallet, account, asset, amount);
            }
            assert!(wallet.is_conserved());
            wallet.hash()
        };
        let (one, other) = ((1, CASH, 500), (2, SHARES, 70));
        assert_eq!(hash(&[one, other]), hash(&[other, (1, CASH, 200), (1, CASH, 300)]));
        assert_eq!(hash(&[one, (1, CASH, -500)]), hash(&[(3, SHARES, 0)]));
        for different in [(1, CASH, 501), (2, CASH, 500), (1, OTHER, 500), (0, CASH, 500)] {
            assert_ne!(hash(&[different, other]), hash(&[one, other]));
        }
    }

    #[test]
    fn a_full_wallet_opens_no_balance_but_finds_those_it_has() {
        let mut wallet = wallet(1);
        let cash = wallet.open(1, CASH).unwrap();
        assert_eq!(wallet.open(1, SHARES), None);
        assert_eq!(wallet.open(1, CASH), Some(cash));
    }

    #[test]
    #[should_panic(expected = "a hold of 2")]
    fn holding_more_than_there_is_stops_the_node() {
        let mut wallet = wallet(1);
        let cash = funded(&mut wallet, 1, CASH, 1);
        wallet.hold(cash, 2);
    }
}
