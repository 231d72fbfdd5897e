//! The ledger: what each account had, what moved, and what it has, added up from the events alone.
//!
//! Wherever the log states a balance, the sum must say the same: the engine kept its own.

use std::collections::BTreeMap;

use rialto::types::{AccountId, CurrencyId, InstrumentId};

/// What an amount is an amount of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asset {
    Cash(CurrencyId),
    Shares(InstrumentId),
}

/// Why an amount moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// A fill, or what becomes of it in a bust or a correction.
    Trade,
    Fee,
}

/// What an account has of an asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) opening: i64,
    pub(crate) transferred: i64,
    pub(crate) traded: i64,
    pub(crate) fees: i64,
    pub(crate) balance: i64,
}

/// All accounts.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    lines: BTreeMap<(AccountId, Asset), Line>,
    /// From the start of a day on, what was not stated then was nothing.
    day_began: bool,
}

impl Ledger {
    /// The day began: it states every balance that is not zero.
    pub(crate) const fn begin_day(&mut self) {
        self.day_began = true;
    }

    /// A balance is stated, after a transfer of `change`.
    ///
    /// # Errors
    /// If the sum of what was seen is another.
    pub(crate) fn state(
        &mut self,
        account: AccountId,
        asset: Asset,
        change: i64,
        balance: i64,
    ) -> Result<(), String> {
        let before = balance.checked_sub(change).ok_or("a balance beyond all numbers")?;
        let is_transfer = change != 0;
        let opening = if self.day_began && is_transfer { 0 } else { before };
        let new = Line { opening, balance: opening, ..Line::default() };
        let line = self.lines.entry((account, asset)).or_insert(new);
        if line.balance != before {
            let sum = line.balance;
            return Err(format!(
                "account {account} had {before} of {asset:?}, but the events before add up to {sum}"
            ));
        }
        // A sum of changes of a balance that was stated: both ends fit, and so does what is between.
        line.transferred = line.transferred.wrapping_add(change);
        line.balance = balance;
        Ok(())
    }

    /// A fill, bust or correction moves an amount. Returns the balance.
    ///
    /// # Errors
    /// If the sum is beyond all numbers.
    pub(crate) fn flow(
        &mut self,
        account: AccountId,
        asset: Asset,
        flow: Flow,
        amount: i64,
    ) -> Result<i64, String> {
        let line = self.lines.entry((account, asset)).or_default();
        let part = match flow {
            Flow::Trade => &mut line.traded,
            Flow::Fee => &mut line.fees,
        };
        let sums = part.checked_add(amount).zip(line.balance.checked_add(amount));
        (*part, line.balance) =
            sums.ok_or_else(|| format!("a balance of account {account} beyond all numbers"))?;
        Ok(line.balance)
    }

    /// Every line, by account and asset.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (AccountId, Asset, &Line)> {
        self.lines.iter().map(|((account, asset), line)| (*account, *asset, line))
    }

    /// Whether what fills took is what they gave, of every asset.
    ///
    /// # Errors
    /// What is not conserved.
    pub(crate) fn check_conserved(&self) -> Result<(), String> {
        let mut sums: BTreeMap<Asset, i128> = BTreeMap::new();
        for (_, asset, line) in self.lines() {
            *sums.entry(asset).or_default() += i128::from(line.traded) + i128::from(line.fees);
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            Some((asset, sum)) => Err(format!("fills made {sum} of {asset:?} from nothing")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USD: Asset = Asset::Cash(CurrencyId(1));
    const ONE: AccountId = AccountId(1);

    #[test]
    fn what_an_account_had_before_is_found_from_the_first_balance_that_is_stated() {
        let mut ledger = Ledger::default();
        ledger.state(ONE, USD, 30, 130).unwrap();
        ledger.begin_day();
        ledger.state(ONE, USD, 0, 130).unwrap();
        assert_eq!(ledger.flow(ONE, USD, Flow::Trade, -50), Ok(80));
        assert_eq!(ledger.flow(ONE, USD, Flow::Fee, -1), Ok(79));
        ledger.state(ONE, USD, -9, 70).unwrap();
        let (_, _, line) = ledger.lines().next().unwrap();
        let expected = Line { opening: 100, transferred: 21, traded: -50, fees: -1, balance: 70 };
        assert_eq!(*line, expected);
        assert!(ledger.check_conserved().unwrap_err().contains("-51"));
    }

    #[test]
    fn a_balance_that_the_events_do_not_add_up_to_is_named() {
        let mut ledger = Ledger::default();
        ledger.begin_day();
        ledger.state(ONE, USD, 0, 130).unwrap();
        ledger.flow(ONE, USD, Flow::Trade, -50).unwrap();
        let error = ledger.state(ONE, USD, 5, 86).unwrap_err();
        assert!(error.contains("had 81") && error.contains("add up to 80"), "{error}");
        // And one that nobody stated when the day began.
        assert!(ledger.state(AccountId(2), USD, 5, 6).is_err());
    }
}
