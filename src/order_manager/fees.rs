//! Fees: what each side of a trade pays to the fee account, or is paid.
//!
//! The fee of a fill is what the order owes for all it traded so far, rounded down to a unit of the
//! currency, less what it was charged before: fills in any number cost no more than one. A rebate is
//! counted in the same way and paid the other way, so either side may lose less than a unit for each
//! order. An order has one rate while it comes and another once it rests, set when it entered, and counts
//! under each by itself; a Replace begins anew. In an auction there are only orders that rest.
//!
//! A buy holds the fee of all it may still buy at its limit, at the higher of its two rates, by the same
//! function; a sale pays out of what it brings. So a fee never finds less than it needs: rounding down
//! the parts never gives more than rounding down the whole. Only the fee account may be in debt, when
//! rebates were higher than fees: it is the exchange's own.

use serde::{Deserialize, Serialize};

use super::table::name_key;
use super::{Asset, BalanceId, Firm, Instrument, OrderManager};
use crate::types::command::Fee;
use crate::types::{AccountId, CurrencyId, FirmId, InstrumentId, Refusal, RiskScope};

/// The highest rate: ten per cent. What a fill brings is more than its fee then.
const RATE_MAX: i32 = 100_000;
const MILLION: i64 = 1_000_000;

/// What a trade costs, in millionths of its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Of an order that rested; negative: a rebate.
    pub maker: i32,
    /// Of an order that came.
    pub taker: i32,
}

impl Rates {
    pub(super) fn are_sound(self) -> bool {
        (-RATE_MAX..=RATE_MAX).contains(&self.maker) && (0..=RATE_MAX).contains(&self.taker)
    }
}

/// Where fees go, and what they are for whoever has none of his own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Fees {
    /// Dense number of the account, 0 = none: nothing costs anything.
    account: u32,
    /// Its cash, by currency.
    #[serde(skip)]
    balances: Vec<BalanceId>,
    rates: Rates,
}

/// What an order owes at one rate.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FeeMeter {
    rate: i32,
    /// What is not charged yet, in millionths of a unit: less than one.
    remainder: u32,
}

impl Fees {
    pub(super) const fn account(&self) -> u32 {
        self.account
    }

    pub(super) fn is_sound(&self) -> bool {
        self.rates.are_sound()
    }
}

impl FeeMeter {
    pub(crate) const fn new(rate: i32) -> Self {
        Self { rate, remainder: 0 }
    }

    /// Whether a fill could have left it so.
    pub(crate) fn is_sound(self) -> bool {
        (-RATE_MAX..=RATE_MAX).contains(&self.rate) && i64::from(self.remainder) < MILLION
    }

    /// The fee of a fill; negative: a rebate.
    pub(crate) fn charge(&mut self, value: i64) -> i64 {
        let (fee, remainder) = self.owed(value);
        self.remainder = remainder;
        if self.rate < 0 { -fee } else { fee }
    }

    /// The most that fills of this value in all can cost.
    pub(crate) fn hold(self, value: i64) -> i64 {
        if self.rate > 0 { self.owed(value).0 } else { 0 }
    }

    fn owed(self, value: i64) -> (i64, u32) {
        if self.rate == 0 {
            return (0, 0);
        }
        let (rate, remainder) = (i64::from(self.rate.unsigned_abs()), i64::from(self.remainder));
        let owed = value.checked_mul(rate).and_then(|owed| owed.checked_add(remainder));
        let (fee, remainder) = if let Some(owed) = owed {
            (owed / MILLION, owed % MILLION)
        } else {
            // A division that is some 20 ns longer.
            let owed = i128::from(value) * i128::from(rate) + i128::from(remainder);
            let fee = i64::try_from(owed / i128::from(MILLION)).expect("a tenth of the value");
            (fee, i64::try_from(owed % i128::from(MILLION)).expect("less than a million"))
        };
        (fee, u32::try_from(remainder).expect("less than a million"))
    }
}

/// Whose fees a command set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeePayer {
    Venue,
    Firm(FirmId),
    Symbol(InstrumentId),
}

impl OrderManager {
    /// Sets fees, and says whose.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a rate out of range, another scope, or a name that the scope has no use
    /// for; [`Refusal::Unknown`] for a name of nothing, and while no account gets the fees;
    /// [`Refusal::Capacity`] if there is no room for its balances.
    pub(crate) fn set_fee(&mut self, fee: &Fee) -> Result<FeePayer, Refusal> {
        let &Fee { symbol, account, firm, maker_rate: maker, taker_rate: taker, .. } = fee;
        let rates = Rates { maker, taker };
        require(rates.are_sound())?;
        let is_blank = |bytes: &[u8]| {
            bytes.iter().all(|&byte| byte == 0) || bytes.iter().all(|&byte| byte == b' ')
        };
        let scope = RiskScope::from_byte(fee.scope).ok_or(Refusal::Invalid)?;
        require(scope == RiskScope::Venue || account.is_none())?;
        require(scope == RiskScope::Firm || is_blank(&firm.0))?;
        require(scope == RiskScope::Symbol || is_blank(&symbol.0))?;
        match scope {
            RiskScope::Venue => {
                let account = self.account(account).ok_or(Refusal::Unknown)?;
                let currencies = (1..=self.currencies.len()).map(currency);
                let assets: Vec<_> = currencies.map(Asset::Cash).collect();
                if !self.wallet.has_room(account, &assets) {
                    return Err(Refusal::Capacity);
                }
                self.fees.account = account;
                self.fees.rates = rates;
                self.open_fee_balances();
                Ok(FeePayer::Venue)
            }
            RiskScope::Firm => {
                let id = self.firms.find(name_key(&firm.0)).ok_or(Refusal::Unknown)?;
                require_known(self.fees.account != 0)?;
                let row = self.firms.get_mut(id).expect("found");
                row.rates = Some(rates);
                Ok(FeePayer::Firm(row.id))
            }
            RiskScope::Symbol => {
                let id = self.instruments.find(name_key(&symbol.0)).ok_or(Refusal::Unknown)?;
                require_known(self.fees.account != 0)?;
                let row = self.instruments.get_mut(id).expect("found");
                row.rates = Some(rates);
                Ok(FeePayer::Symbol(row.id))
            }
            _ => Err(Refusal::Invalid),
        }
    }

    /// The account that gets the fees, and the venue's rates; none if nothing costs anything.
    pub(crate) fn venue_fees(&self) -> Option<(AccountId, Rates)> {
        Some((self.accounts.get(self.fees.account)?.id, self.fees.rates))
    }

    /// What an order of the firm costs in the instrument.
    pub(super) fn rates(&self, firm: &Firm, instrument: &Instrument) -> Rates {
        firm.rates.or(instrument.rates).unwrap_or(self.fees.rates)
    }

    /// Whether the fee account has room for the cash of another currency.
    pub(super) fn has_room_for_fees(&self, currency: CurrencyId) -> bool {
        self.fees.account == 0 || self.wallet.has_room(self.fees.account, &[Asset::Cash(currency)])
    }

    /// Opens the fee account's cash in every currency; their numbers are of the day.
    ///
    /// # Panics
    /// If there is no room: it was looked for when the account or the currency came.
    pub(crate) fn open_fee_balances(&mut self) {
        self.fees.balances.clear();
        if self.fees.account == 0 {
            return;
        }
        for id in 1..=self.currencies.len() {
            let cash = Asset::Cash(currency(id));
            let balance = self.wallet.open(self.fees.account, cash);
            self.fees.balances.push(balance.expect("there is room for it"));
        }
    }

    /// Where fees in a currency go; none if there are none.
    pub(crate) fn fee_cash(&self, currency: CurrencyId) -> Option<BalanceId> {
        self.fees.balances.get(usize::from(currency.0).checked_sub(1)?).copied()
    }
}

fn currency(id: u32) -> CurrencyId {
    CurrencyId(u16::try_from(id).expect("capacities are u16"))
}

fn require(rule: bool) -> Result<(), Refusal> {
    if rule { Ok(()) } else { Err(Refusal::Invalid) }
}

fn require_known(rule: bool) -> Result<(), Refusal> {
    if rule { Ok(()) } else { Err(Refusal::Unknown) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_third_of_a_unit_is_charged_when_it_is_whole() {
        // 0.3 basis points of 1.1111, with four decimals: a third of a unit.
        let mut meter = FeeMeter::new(30);
        let fees: Vec<_> = (0..6).map(|_| meter.charge(11_111)).collect();
        assert_eq!(fees, [0, 0, 0, 1, 0, 0]);
        let mut rebate = FeeMeter::new(-30);
        let rebates: Vec<_> = (0..4).map(|_| rebate.charge(11_111)).collect();
        assert_eq!((rebates, rebate.hold(i64::MAX)), (vec![0, 0, 0, -1], 0));
    }

    proptest! {
        #[test]
        fn fills_in_any_number_cost_what_one_would(
            rate in -RATE_MAX..=RATE_MAX,
            values in prop::collection::vec(1_i64..1 << 50, 1..50),
        ) {
            let (mut meter, mut total, mut charged) = (FeeMeter::new(rate), 0_i128, 0_i128);
            for value in values {
                total += i128::from(value);
                charged += i128::from(meter.charge(value));
                prop_assert_eq!(charged, total * i128::from(rate) / i128::from(MILLION));
            }
        }

        #[test]
        fn a_hold_covers_the_fee_of_every_fill_and_the_hold_of_the_rest(
            taker in 0..=RATE_MAX,
            maker in -RATE_MAX..=RATE_MAX,
            parts in prop::collection::vec((1_i64..1 << 50, 0_i64..1 << 20), 1..50),
            coming in 0_usize..50,
        ) {
            // Each part is worth so much at the limit, and traded for so much less.
            let mut left: i64 = parts.iter().map(|part| part.0).sum();
            let mut held = FeeMeter::new(taker.max(maker)).hold(left);
            let mut meter = FeeMeter::new(taker);
            for (number, (value, less)) in parts.into_iter().enumerate() {
                if number == coming {
                    meter = FeeMeter::new(maker);
                    prop_assert!(meter.hold(left) <= held);
                    held = meter.hold(left);
                }
                left -= value;
                let fee = meter.charge((value - less).max(1));
                prop_assert!(fee.max(0) <= held);
                held -= fee.max(0);
                if number >= coming {
                    prop_assert!(meter.hold(left) <= held);
                    held = meter.hold(left);
                }
            }
        }

        #[test]
        fn a_sale_never_pays_more_than_it_brings(
            rate in 0..=RATE_MAX,
            values in prop::collection::vec(1_i64..100, 1..100),
        ) {
            let mut meter = FeeMeter::new(rate);
            for value in values {
                prop_assert!(meter.charge(value) <= value);
            }
        }
    }
}
