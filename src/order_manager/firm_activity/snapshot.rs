//! What firms did today in a snapshot: all that is not zero, value by currency and firm, shares by
//! instrument and firm.
//!
//! It is what the firms' accounts did, added up. Only what is not known any more, because it was beyond the
//! largest number for a while, need not be.

use super::super::commitments::count;
use super::super::wallet::Activity;
use super::super::{Asset, OrderManager};
use crate::types::{
    CurrencyId, FirmId, InstrumentId, SnapshotError, SnapshotReader, SnapshotWriter, consistent,
};

impl OrderManager {
    pub(in crate::order_manager) fn write_firm_activity(&self, out: &mut SnapshotWriter) {
        let firms = || self.firms.rows().iter().map(|firm| firm.id);
        let currencies = self.currencies.rows().iter().map(|row| row.id);
        let value = currencies.flat_map(|currency| {
            firms().map(move |firm| (firm, currency, self.firm_value(firm, currency)))
        });
        out.put(&value.filter(|(.., value)| *value != Activity::default()).collect::<Vec<_>>());
        let instruments = self.instruments.rows().iter().map(|row| row.id);
        let shares = instruments.flat_map(|instrument| {
            firms().map(move |firm| (firm, instrument, self.firm_activity.shares(firm, instrument)))
        });
        out.put(&shares.filter(|(.., shares)| *shares != 0).collect::<Vec<_>>());
    }

    /// Takes what was written for what the accounts did, whose balances were read.
    pub(in crate::order_manager) fn read_firm_activity(
        &mut self,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        self.make_room_for_firms();
        self.add_up_accounts();
        for (firm, currency, value) in input.take::<Vec<(FirmId, CurrencyId, Activity)>>()? {
            let exist = self.is_firm(firm) && self.currencies.get(currency.0.into()).is_some();
            consistent(exist, "value of no firm")?;
            let sum = self.firm_value_mut(firm, currency);
            adopt(&mut sum.buys, value.buys)?;
            adopt(&mut sum.bought, value.bought)?;
            adopt(&mut sum.sells, value.sells)?;
            adopt(&mut sum.sold, value.sold)?;
        }
        for (firm, instrument, shares) in input.take::<Vec<(FirmId, InstrumentId, i64)>>()? {
            let exist = self.is_firm(firm) && self.instruments.get(instrument.0.into()).is_some();
            consistent(exist, "shares of no firm")?;
            adopt(self.firm_activity.shares_mut(firm, instrument), shares)?;
        }
        Ok(())
    }

    fn is_firm(&self, firm: FirmId) -> bool {
        self.firms.get(firm.0.into()).is_some()
    }

    fn add_up_accounts(&mut self) {
        for number in 0..self.wallet.balances().len() {
            let balance = &self.wallet.balances()[number];
            let (asset, today) = (balance.asset, balance.today);
            let account = self.accounts.get(balance.account).expect("balances were checked");
            let firm = account.firm;
            match asset {
                Asset::Cash(currency) => self.firm_value_mut(firm, currency).add(today),
                Asset::Shares(instrument) => {
                    count(self.firm_activity.shares_mut(firm, instrument), today.buys);
                }
            }
        }
    }
}

/// Takes a count for a sum, unless one is known to be wrong.
fn adopt(sum: &mut i64, counted: i64) -> Result<(), SnapshotError> {
    let agree = *sum == counted || [*sum, counted].contains(&i64::MAX);
    consistent(agree, "more or less of a firm than of its accounts")?;
    *sum = counted;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firm_did_what_its_accounts_did_unless_that_is_not_known() {
        let adopted = |mut sum, counted| adopt(&mut sum, counted).map(|()| sum).ok();
        assert_eq!(adopted(7, 7), Some(7));
        assert_eq!([adopted(7, 8), adopted(0, 7), adopted(7, -7)], [None; 3]);
        assert_eq!(adopted(7, i64::MAX), Some(i64::MAX));
        assert_eq!(adopted(i64::MAX, 7), Some(7));
    }
}
