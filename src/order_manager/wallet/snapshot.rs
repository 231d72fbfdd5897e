//! The wallet in a snapshot: every balance in the order they were opened with what was done of it today,
//! and what came in of each asset.
//!
//! A balance's profile of limits is not in it: it is resolved when the balance is next used, to the same.

use super::{Activity, Asset, Balance, Flow, SUPPLY_MAX, Wallet, key, weighed};
use crate::types::{
    CurrencyId, InstrumentId, SnapshotError, SnapshotReader, SnapshotWriter, consistent,
};

/// No balance comes near: what is available can be worked out of any.
const AMOUNT_MAX: i64 = i64::MAX / 2;

impl Wallet {
    pub(in crate::order_manager) fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self {
            balances,
            by_key: _,
            max: _,
            cash_supply,
            share_supply,
            cash_flow,
            share_flow,
            kept: _,
            audit: _,
        } = self;
        for Flow { asset, sum } in [cash_flow, share_flow] {
            assert!(asset.is_none() && *sum == 0, "a snapshot within a move");
        }
        out.put(balances);
        out.put(cash_supply);
        out.put(share_supply);
    }

    /// Fills this one, which is of a venue without any balance but with so many accounts, currencies
    /// and instruments.
    pub(in crate::order_manager) fn read(
        &mut self,
        [accounts, currencies, instruments]: [u32; 3],
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        let balances: Vec<Balance> = input.take()?;
        consistent(balances.len() <= self.max, "more balances than there is room for")?;
        let exists = |number, count| (1..=count).contains(&number);
        for (id, balance) in (1..).zip(balances) {
            let Balance { account, asset, total, held, today, profile: _ } = balance;
            consistent(exists(account, accounts), "a balance of no account")?;
            let known = match asset {
                Asset::Cash(CurrencyId(id)) => exists(id.into(), currencies),
                Asset::Shares(InstrumentId(id)) => exists(id.into(), instruments),
            };
            consistent(known, "a balance of nothing")?;
            consistent(self.find(account, asset).is_none(), "two balances of one asset")?;
            let fits = (-AMOUNT_MAX..=AMOUNT_MAX).contains(&total);
            consistent(fits && (0..=AMOUNT_MAX).contains(&held), "a balance out of range")?;
            let shares_only = Activity { buys: today.buys, ..Activity::default() };
            let counted = matches!(asset, Asset::Cash(_)) || today == shares_only;
            consistent(counted, "value of shares")?;
            self.balances.push(balance);
            self.by_key.insert(key(account, asset), id, |_| false);
            self.kept.hash = self.kept.hash.wrapping_add(weighed(account, asset, total));
        }
        for supply in [&mut self.cash_supply, &mut self.share_supply] {
            let read: Vec<i64> = input.take()?;
            consistent(read.len() == supply.len(), "supplies of other assets")?;
            let bounded = read.iter().all(|amount| (-SUPPLY_MAX..=SUPPLY_MAX).contains(amount));
            consistent(bounded, "a supply out of range")?;
            *supply = read;
        }
        self.kept.by_asset = self.supplied();
        consistent(self.is_conserved(), "balances that are not the supply")
    }

    /// Whether so much is held of each balance, by number.
    pub(in crate::order_manager) fn holds(&self, held: &[i64]) -> bool {
        self.balances.iter().map(|balance| balance.held).eq(held.iter().copied())
    }
}
