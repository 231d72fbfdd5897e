//! Commitments: what an order takes as it enters, gives back as it is canceled, and settles as it fills.
//!
//! The wallet's holds and the day's counts of shares and value change here, together and nowhere else: an
//! account's, and by as much its firm's.
//! A count that would be beyond the largest number stays there for the day, whatever is given back: what it
//! should be is not known any more. They are for limits, and no money depends on them.

use super::wallet::Activity;
use super::{Admission, Asset, BalanceId, OrderManager, Settlement};
use crate::types::{FirmId, Quantity, Side};

/// Part of an order that trades no more. What a buy holds for fees is not part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    /// Its side.
    pub(crate) side: Side,
    /// Its account's firm.
    pub(crate) firm: FirmId,
    /// Its account's cash.
    pub(crate) cash: BalanceId,
    /// Its account's shares.
    pub(crate) shares: BalanceId,
    /// What it is worth as it was counted.
    pub(crate) value: i64,
    /// How many shares it has.
    pub(crate) quantity: Quantity,
}

impl OrderManager {
    /// Holds what an admitted order needs, and counts it.
    pub(crate) fn commit(&mut self, admission: &Admission, quantity: Quantity) {
        let &Admission { side, firm, cash, shares, notional, .. } = admission;
        match side {
            Side::Buy => self.wallet.hold(cash, notional + admission.fee_hold),
            Side::Sell => self.wallet.hold(shares, quantity.0.into()),
            Side::SellShort | Side::SellShortExempt => self.wallet.hold_short(shares, quantity),
        }
        self.count_shares(firm, shares, quantity.0.into());
        self.count_value(firm, cash, Activity::open(side, notional));
    }

    /// Gives back what was held for part of an order, and counts it no more.
    pub(crate) fn give_back(&mut self, rest: &Rest) {
        let &Rest { side, firm, cash, shares, value, quantity } = rest;
        self.count_shares(firm, shares, -i64::from(quantity.0));
        self.count_value(firm, cash, Activity::open(side, -value));
        if side.is_buy() {
            self.wallet.release(cash, value);
        } else {
            self.wallet.release(shares, quantity.0.into());
        }
    }

    /// Gives back what was held for fees.
    pub(crate) fn give_back_fee(&mut self, cash: BalanceId, amount: i64) {
        if amount != 0 {
            self.wallet.release(cash, amount);
        }
    }

    /// Settles a fill, and counts it at its price in place of the limits'.
    pub(crate) fn settle(&mut self, fill: &Settlement) {
        self.wallet.settle(fill);
        let &Settlement { notional, buyer_hold, seller_value, .. } = fill;
        let none = Activity::default();
        let bought = Activity { buys: notional - buyer_hold, bought: notional, ..none };
        self.count_value(fill.buyer_firm, fill.buyer_cash, bought);
        let sold = Activity { sells: notional - seller_value, sold: notional, ..none };
        self.count_value(fill.seller_firm, fill.seller_cash, sold);
    }

    /// Counts value of an account, and of its firm.
    pub(super) fn count_value(&mut self, firm: FirmId, cash: BalanceId, change: Activity) {
        let balance = self.wallet.get_mut(cash);
        let Asset::Cash(currency) = balance.asset else { unreachable!("value is cash") };
        balance.today.add(change);
        self.firm_value_mut(firm, currency).add(change);
    }

    /// Counts shares of an account, and of its firm.
    pub(super) fn count_shares(&mut self, firm: FirmId, shares: BalanceId, change: i64) {
        let balance = self.wallet.get_mut(shares);
        let Asset::Shares(instrument) = balance.asset else { unreachable!("shares are counted") };
        count(&mut balance.today.buys, change);
        count(self.firm_activity.shares_mut(firm, instrument), change);
    }
}

impl Activity {
    /// An open order of so much.
    fn open(side: Side, value: i64) -> Self {
        if side.is_buy() {
            Self { buys: value, ..Self::default() }
        } else {
            Self { sells: value, ..Self::default() }
        }
    }

    /// Changes each count.
    pub(super) fn add(&mut self, change: Self) {
        count(&mut self.buys, change.buys);
        count(&mut self.bought, change.bought);
        count(&mut self.sells, change.sells);
        count(&mut self.sold, change.sold);
    }
}

/// Changes a count, unless it is not known any more.
pub(super) fn count(counted: &mut i64, change: i64) {
    if *counted != i64::MAX {
        *counted = counted.saturating_add(change);
    }
}
