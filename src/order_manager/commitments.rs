//! Commitments: what an order takes as it enters, gives back as it is canceled, and settles as it fills.
//!
//! The wallet's holds and the day's counts of shares and value change here, together and nowhere else.
//! A count that would be beyond the largest number stays there for the day, whatever is given back: what it
//! should be is not known any more. They are for limits, and no money depends on them.

use super::{Admission, BalanceId, OrderManager, Settlement};
use crate::types::{Quantity, Side};

/// Part of an order that trades no more. What a buy holds for fees is not part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    /// Its side.
    pub(crate) side: Side,
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
        let &Admission { side, cash, shares, notional, .. } = admission;
        match side {
            Side::Buy => self.wallet.hold(cash, notional + admission.fee_hold),
            Side::Sell => self.wallet.hold(shares, quantity.0.into()),
            Side::SellShort | Side::SellShortExempt => self.wallet.hold_short(shares, quantity),
        }
        count(&mut self.wallet.get_mut(shares).today.buys, quantity.0.into());
        let exposure = &mut self.wallet.get_mut(cash).today;
        count(if side.is_buy() { &mut exposure.buys } else { &mut exposure.sells }, notional);
    }

    /// Gives back what was held for part of an order, and counts it no more.
    pub(crate) fn give_back(&mut self, rest: &Rest) {
        let &Rest { side, cash, shares, value, quantity } = rest;
        count(&mut self.wallet.get_mut(shares).today.buys, -i64::from(quantity.0));
        let exposure = &mut self.wallet.get_mut(cash).today;
        if side.is_buy() {
            count(&mut exposure.buys, -value);
            self.wallet.release(cash, value);
        } else {
            count(&mut exposure.sells, -value);
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
        let buyer = &mut self.wallet.get_mut(fill.buyer_cash).today;
        count(&mut buyer.buys, notional - buyer_hold);
        count(&mut buyer.bought, notional);
        let seller = &mut self.wallet.get_mut(fill.seller_cash).today;
        count(&mut seller.sells, notional - seller_value);
        count(&mut seller.sold, notional);
    }
}

/// Changes a count, unless it is not known any more.
fn count(counted: &mut i64, change: i64) {
    if *counted != i64::MAX {
        *counted = counted.saturating_add(change);
    }
}
