//! The audit: all balances are added up, some at a time, and held against what was kept of them.
//!
//! It changes no balance, and stops the node if money or shares came from nowhere or went there.

use super::{Asset, Balance, Wallet, weighed};
use crate::types::{CurrencyId, InstrumentId};

/// How far the balances are added up, the first of them first. A balance that changes behind it counts
/// as what it is then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Audit {
    /// Balances that are added up.
    pub(super) done: usize,
    pub(super) sums: Sums,
}

/// What balances add up to: each of an asset's times an odd number of its own, so that one error cannot
/// make up for another; and their hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) by_asset: u64,
    pub(super) hash: u64,
}

impl Sums {
    /// Adds an amount of a balance.
    pub(super) const fn add(&mut self, account: u32, asset: Asset, amount: i64) {
        self.by_asset = self.by_asset.wrapping_add(weighed(0, asset, amount));
        self.hash = self.hash.wrapping_add(weighed(account, asset, amount));
    }
}

impl Wallet {
    /// Whether the balances are what is kept of them all: of each asset as much as came in and has not
    /// left, and the hash. Looks at every balance, and allocates nothing.
    #[must_use]
    pub(crate) fn is_conserved(&self) -> bool {
        let mut sums = Sums::default();
        for &Balance { account, asset, total, .. } in &self.balances {
            sums.add(account, asset, total);
        }
        sums == self.kept && sums.by_asset == self.supplied()
    }

    /// Adds up so many balances more, so that nobody waits for all of them at [`Wallet::end_audit`].
    pub(crate) fn audit(&mut self, count: usize) {
        let Audit { done, mut sums } = self.audit;
        let next = self.balances.len().min(done.saturating_add(count));
        for &Balance { account, asset, total, .. } in &self.balances[done..next] {
            sums.add(account, asset, total);
        }
        self.audit = Audit { done: next, sums };
    }

    /// Adds up what is left, and holds the sum of all balances as they are now against what is kept of
    /// them. Then it begins again.
    ///
    /// # Panics
    /// If they are not what is kept of them, as [`Wallet::is_conserved`] says.
    pub(crate) fn end_audit(&mut self) {
        self.audit(usize::MAX);
        let Audit { sums, .. } = std::mem::take(&mut self.audit);
        assert_eq!(sums, self.kept, "balances are not conserved");
    }

    /// What all supplies add up to.
    pub(super) fn supplied(&self) -> u64 {
        let cash = (0..).map(|id| Asset::Cash(CurrencyId(id))).zip(&self.cash_supply);
        let shares = (0..).map(|id| Asset::Shares(InstrumentId(id))).zip(&self.share_supply);
        let supplies = cash.chain(shares).map(|(asset, &supply)| weighed(0, asset, supply));
        supplies.fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_manager::{BalanceId, Capacity, IndexSeed};

    const CASH: Asset = Asset::Cash(CurrencyId(1));
    const SHARES: Asset = Asset::Shares(InstrumentId(1));

    fn wallet() -> Wallet {
        Wallet::new(&Capacity { balances: 8, ..Capacity::SMALL }, IndexSeed::new([7; 16]))
    }

    fn funded(wallet: &mut Wallet, account: u32, asset: Asset, amount: i64) -> BalanceId {
        wallet.transfer(account, asset, amount).unwrap()
    }

    #[test]
    fn money_from_nowhere_is_found_when_all_is_added_up() {
        let mut wallet = wallet();
        let cash = funded(&mut wallet, 1, CASH, 500);
        funded(&mut wallet, 2, SHARES, 500);
        wallet.get_mut(cash).total += 1;
        assert!(!wallet.is_conserved());
        wallet.get_mut(cash).total -= 1;
        *wallet.supply_mut(SHARES) -= 1;
        assert!(!wallet.is_conserved());
    }

    #[test]
    fn an_audit_in_parts_knows_what_changes_behind_it() {
        let mut wallet = wallet();
        for account in 1..=4 {
            funded(&mut wallet, account, CASH, 500);
        }
        wallet.audit(3);
        wallet.transfer(1, CASH, -70).unwrap();
        wallet.transfer(4, CASH, 9).unwrap();
        funded(&mut wallet, 5, SHARES, 7);
        wallet.audit(1);
        wallet.end_audit();
        assert_eq!(wallet.audit.done, 0, "it began again");
        wallet.audit(9);
        wallet.transfer(2, CASH, 70).unwrap();
        wallet.end_audit();
        wallet.audit(2);
        wallet.start_day();
        wallet.end_audit();
    }

    #[test]
    #[should_panic(expected = "not conserved")]
    fn an_audit_in_parts_finds_money_from_nowhere() {
        let mut wallet = wallet();
        let cash = funded(&mut wallet, 1, CASH, 500);
        funded(&mut wallet, 2, CASH, 500);
        wallet.audit(1);
        wallet.get_mut(cash).total += 1;
        wallet.end_audit();
        wallet.end_audit();
    }
}
