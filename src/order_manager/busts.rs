//! Busts: trades of the day that are undone or get another price, and what is known of those that were.
//!
//! A command says the trade's full terms, and whoever proposed it has read them in the event log; here
//! they are held against everything the exchange knows without remembering trades. What is remembered,
//! until the day is over, is the print that each busted or corrected trade stands at, or that it stands no
//! more: a trade is undone once, and corrected from the price it has. It goes back exactly as it settled, to accounts of whatever status: what they owe does
//! not depend on it.
//!
//! - Fees go back out of the account that gets them now. At another price each side pays its fee in
//!   proportion to the value, rounded down to a unit: the rate is that of the order's entry, which may
//!   have changed since.
//! - The day's counts of shares and value lose a busted trade, and have a corrected one at its new price.
//! - What was spent since is a debt: the balance is below zero, and the account cannot use it for new
//!   orders until it is above. What was pledged to open orders is no debt: the engine cancels those that
//!   are not covered any more.

use super::wallet::Activity;
use super::{Asset, BalanceId, IdMap, IndexSeed, OrderManager};
use crate::sys::prefault::prefaulted_room;
use crate::types::{
    BustReason, CurrencyId, FirmId, InstrumentId, Liquidity, MatchNumber, PortId, PortKind, Price,
    Quantity, Refusal, Side, TradeSide, TradeTerms, notional,
};

mod snapshot;

/// Trades of a day that can be busted or corrected.
pub(crate) const BUSTS_MAX: u32 = 16_384;

/// Of its value a trade never costs more than this part, and the unit that fills before it left over.
const FEE_PART: i64 = 10;

/// So far from zero a balance may come by busts: sums of balances are far from where they could wrap.
const TOTAL_MAX: i128 = i64::MAX as i128 / 4;

/// The trades that are not as they were made.
#[derive(Debug)]
pub(crate) struct Busts {
    /// The number of the match, and of the print that the trade stands at; none if it was busted.
    changed: Vec<(u64, u64)>,
    by_match: IdMap,
    max: usize,
    /// The first event of the day: what is of the day came behind it.
    day_start: u64,
}

/// The print of a trade that was busted.
const NO_PRINT: u64 = 0;

impl Busts {
    /// Room for `max` of them in a day.
    pub(super) fn new(max: u32, seed: IndexSeed) -> Self {
        let max = max as usize;
        let by_match = IdMap::with_capacity(max, seed);
        Self { changed: prefaulted_room((0, 0), max), by_match, max, day_start: 0 }
    }

    /// Leaves no room for another.
    #[cfg(test)]
    pub(crate) fn fill(&mut self) {
        let mut numbers = (0..=u64::MAX).rev();
        while !self.is_full() {
            self.set(numbers.next().expect("more than there is room for"), NO_PRINT);
        }
    }

    /// Begins a day, whose first event has this sequence: yesterday's trades are out of reach.
    pub(crate) fn start_day(&mut self, day_start: u64) {
        self.changed.clear();
        self.by_match.clear();
        self.day_start = day_start;
    }

    /// Whether a trade stands at the print that was said.
    fn check_print(&self, trade: u64, number: u64) -> Result<(), Refusal> {
        match self.place(trade) {
            Some(at) => require(self.changed[at].1 == number, Refusal::TradeOver),
            // As it was made, it is its own print.
            None => require(number == trade, Refusal::TradeTerms),
        }
    }

    /// Whether a trade can be noted.
    fn has_room(&self, trade: u64) -> bool {
        !self.is_full() || self.place(trade).is_some()
    }

    fn is_full(&self) -> bool {
        self.changed.len() == self.max
    }

    fn place(&self, trade: u64) -> Option<usize> {
        let place = |id: u32| id as usize - 1;
        self.by_match.get(trade, |id| self.changed[place(id)].0 == trade).map(place)
    }

    /// Notes the print that a trade stands at from now on.
    ///
    /// # Panics
    /// If there is no room: the caller looked first.
    fn set(&mut self, trade: u64, number: u64) {
        if let Some(at) = self.place(trade) {
            self.changed[at].1 = number;
            return;
        }
        assert!(!self.is_full(), "the caller looked for room");
        let changed = &mut self.changed;
        changed.push((trade, number));
        let id = u32::try_from(changed.len()).expect("max was a u32");
        self.by_match.insert(trade, id, |id| changed[id as usize - 1].0 == trade);
    }
}

/// A trade whose terms agree with all that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StandingTrade {
    pub(crate) instrument: InstrumentId,
    pub(crate) currency: CurrencyId,
    match_number: MatchNumber,
    /// Cash units in a price unit.
    scale: i64,
    tick_size: u64,
    price: Price,
    quantity: Quantity,
    pub(crate) value: TradeValue,
    pub(crate) buyer: Party,
    pub(crate) seller: Party,
    fee_cash: Option<BalanceId>,
}

/// One side of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) port: PortId,
    pub(crate) firm: FirmId,
    pub(crate) cash: BalanceId,
    pub(crate) shares: BalanceId,
}

/// What a trade moves besides its shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TradeValue {
    pub(crate) notional: i64,
    pub(crate) buyer_fee: i64,
    pub(crate) seller_fee: i64,
}

impl TradeValue {
    /// The same trade at another value.
    fn at(&self, notional: i64) -> Self {
        let fee = |fee: i64| {
            let part = i128::from(fee) * i128::from(notional) / i128::from(self.notional);
            let most = i128::from(notional / FEE_PART);
            i64::try_from(part.clamp(-most, most)).expect("a part of the value")
        };
        Self { notional, buyer_fee: fee(self.buyer_fee), seller_fee: fee(self.seller_fee) }
    }
}

impl OrderManager {
    /// Holds a trade's terms against everything that is known of the day, whose next event has this
    /// sequence.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for values that no trade has, [`Refusal::Unknown`] for names or numbers of
    /// nothing, [`Refusal::Day`] for a trade of an earlier day, [`Refusal::TradeOver`] if it does not
    /// stand like this any more, [`Refusal::TradeTerms`] if it cannot have been like this, and
    /// [`Refusal::Capacity`] if the day has no room for another.
    pub(crate) fn standing_trade(
        &self,
        terms: &TradeTerms,
        reason: u8,
        (date, next_event): (u32, u64),
    ) -> Result<StandingTrade, Refusal> {
        let &TradeTerms { match_number, print_number, price, quantity, .. } = terms;
        require(BustReason::from_byte(reason).is_some(), Refusal::Invalid)?;
        require(terms.date == date, Refusal::Day)?;
        let instrument = self.instrument(terms.symbol).ok_or(Refusal::Unknown)?;
        let row = self.instruments.get(instrument.0.into()).expect("found");
        require(is_price(price, row.tick_size), Refusal::Invalid)?;
        require((Quantity(1)..=Quantity::MAX).contains(&quantity), Refusal::Invalid)?;
        require(quantity.0.is_multiple_of(row.lot_size), Refusal::Invalid)?;
        let notional = notional(price, quantity, row.scale).ok_or(Refusal::Invalid)?;
        let value =
            TradeValue { notional, buyer_fee: terms.buyer.fee, seller_fee: terms.seller.fee };

        require(match_number.0 > self.busts.day_start, Refusal::Day)?;
        require(print_number.0 < next_event, Refusal::Unknown)?;
        let fee_cash = self.fee_cash(row.currency);
        let found = |side: &TradeSide| self.party(side, match_number.0, row.currency, instrument);
        let (buyer, seller) = (found(&terms.buyer)?, found(&terms.seller)?);
        require(is_buy(&terms.buyer) && !is_buy(&terms.seller), Refusal::Invalid)?;
        for side in [&terms.buyer, &terms.seller] {
            let costs = side.fee.unsigned_abs() <= notional.unsigned_abs() / FEE_PART as u64 + 1;
            require(costs && (side.fee == 0 || fee_cash.is_some()), Refusal::TradeTerms)?;
        }
        self.busts.check_print(match_number.0, print_number.0)?;
        let is_counted = |party: &Party, sold: bool| {
            let [cash, shares] = [party.cash, party.shares].map(|id| self.wallet.get(id).today);
            let value = if sold { cash.sold } else { cash.bought };
            shares.buys >= quantity.0.into() && value >= notional
        };
        require(is_counted(&buyer, false) && is_counted(&seller, true), Refusal::TradeTerms)?;
        require(self.busts.has_room(match_number.0), Refusal::Capacity)?;
        let &super::Instrument { currency, scale, tick_size, .. } = row;
        Ok(StandingTrade {
            instrument,
            currency,
            match_number,
            scale,
            tick_size,
            price,
            quantity,
            value,
            buyer,
            seller,
            fee_cash,
        })
    }

    /// Undoes a trade.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if a balance could not be counted.
    pub(crate) fn bust(&mut self, trade: &StandingTrade) -> Result<(), Refusal> {
        let nothing = TradeValue::default();
        self.settle_again(trade, nothing, i64::from(trade.quantity.0))?;
        self.busts.set(trade.match_number.0, NO_PRINT);
        for &Party { firm, shares, .. } in [&trade.buyer, &trade.seller] {
            self.count_shares(firm, shares, -i64::from(trade.quantity.0));
        }
        Ok(())
    }

    /// Gives a trade another price, at which it is printed with this number, and returns what it comes to.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a price that no trade has, the one it has, or one at which a balance
    /// could not be counted.
    pub(crate) fn correct(
        &mut self,
        trade: &StandingTrade,
        (price, print_number): (Price, MatchNumber),
    ) -> Result<TradeValue, Refusal> {
        require(is_price(price, trade.tick_size) && price != trade.price, Refusal::Invalid)?;
        let value = notional(price, trade.quantity, trade.scale).ok_or(Refusal::Invalid)?;
        let value = trade.value.at(value);
        self.settle_again(trade, value, 0)?;
        self.busts.set(trade.match_number.0, print_number.0);
        Ok(value)
    }

    /// Moves back what a trade moved, all but `value`, and so many shares.
    fn settle_again(
        &mut self,
        trade: &StandingTrade,
        value: TradeValue,
        shares: i64,
    ) -> Result<(), Refusal> {
        let &StandingTrade { value: was, buyer, seller, fee_cash, .. } = trade;
        let back = |was: i64, is: i64| i128::from(was) - i128::from(is);
        let notional = back(was.notional, value.notional);
        let buyer_fee = back(was.buyer_fee, value.buyer_fee);
        let seller_fee = back(was.seller_fee, value.seller_fee);
        let moves = [
            (Some(buyer.cash), notional + buyer_fee),
            (Some(seller.cash), seller_fee - notional),
            (fee_cash, -buyer_fee - seller_fee),
            (Some(buyer.shares), -i128::from(shares)),
            (Some(seller.shares), i128::from(shares)),
        ];
        let moves = moves.map(|(balance, amount)| {
            let Some(balance) = balance else { return Ok(None) };
            let total = i128::from(self.wallet.get(balance).total) + amount;
            require((-TOTAL_MAX..=TOTAL_MAX).contains(&total), Refusal::Invalid)?;
            let amount = i64::try_from(amount).map_err(|_| Refusal::Invalid)?;
            Ok(Some((balance, amount)))
        });
        for moved in &moves {
            (*moved)?;
        }
        for (balance, amount) in moves.into_iter().flatten().flatten() {
            self.wallet.change(balance, amount);
        }
        self.wallet.end_move();
        let (change, none) = (value.notional - was.notional, Activity::default());
        self.count_value(buyer.firm, buyer.cash, Activity { buys: change, bought: change, ..none });
        self.count_value(
            seller.firm,
            seller.cash,
            Activity { sells: change, sold: change, ..none },
        );
        Ok(())
    }

    /// Who traded, if a port, an account and their balances are as a side says. Whoever traded today has
    /// the balances it settled in.
    fn party(
        &self,
        side: &TradeSide,
        match_number: u64,
        currency: CurrencyId,
        instrument: InstrumentId,
    ) -> Result<Party, Refusal> {
        require(side.in_feed <= 1 && side.reserved == [0; 2], Refusal::Invalid)?;
        require(Liquidity::from_byte(side.liquidity).is_some(), Refusal::Invalid)?;
        let port = self.ports.get(side.port.0).ok_or(Refusal::Unknown)?;
        let account = self.account(side.account).ok_or(Refusal::Unknown)?;
        let owner = self.accounts.get(account).expect("found").firm;
        let traded = port.kind == PortKind::OrderEntry && owner == port.firm;
        require(traded, Refusal::TradeTerms)?;
        // An order is accepted on its day, and before it trades.
        let of_the_day = (self.busts.day_start..match_number).contains(&side.order.0);
        require(of_the_day && !side.user_ref_num.is_none(), Refusal::TradeTerms)?;
        let cash = self.wallet.find(account, Asset::Cash(currency)).ok_or(Refusal::TradeTerms)?;
        let shares = self.wallet.find(account, Asset::Shares(instrument));
        let shares = shares.ok_or(Refusal::TradeTerms)?;
        Ok(Party { port: port.id, firm: port.firm, cash, shares })
    }
}

fn is_price(price: Price, tick_size: u64) -> bool {
    (Price(1)..=Price::MAX).contains(&price) && price.0.is_multiple_of(tick_size)
}

fn is_buy(side: &TradeSide) -> bool {
    side.side == Side::Buy.byte()
}

fn require(rule: bool, otherwise: Refusal) -> Result<(), Refusal> {
    if rule { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_follows_the_value_and_is_never_more_than_a_tenth_of_it() {
        let value = TradeValue { notional: 1_000, buyer_fee: 7, seller_fee: -3 };
        let fees = |notional| {
            let value = value.at(notional);
            (value.buyer_fee, value.seller_fee)
        };
        assert_eq!(fees(1_000), (7, -3));
        assert_eq!(fees(1_999), (13, -5));
        assert_eq!(fees(100), (0, 0));
        // The unit that many fills left over is no rate.
        let value = TradeValue { notional: 1, buyer_fee: 1, seller_fee: 0 };
        assert_eq!(value.at(1_000).buyer_fee, 100);
    }

    #[test]
    fn a_trade_stands_at_one_print_until_it_is_busted_or_the_day_is_over() {
        let mut busts = Busts::new(2, IndexSeed::new([7; IndexSeed::BYTES]));
        busts.start_day(5);
        assert_eq!(busts.check_print(9, 9), Ok(()));
        assert_eq!(busts.check_print(9, 10), Err(Refusal::TradeTerms));
        busts.set(9, 20);
        assert_eq!(busts.check_print(9, 20), Ok(()));
        assert_eq!(busts.check_print(9, 9), Err(Refusal::TradeOver));
        assert_eq!(busts.check_print(10, 20), Err(Refusal::TradeTerms));
        busts.set(10, NO_PRINT);
        // Full, but what is known may change again.
        assert!(!busts.has_room(11) && busts.has_room(9));
        busts.set(9, NO_PRINT);
        for number in [9, 20] {
            assert_eq!(busts.check_print(9, number), Err(Refusal::TradeOver));
        }
        busts.start_day(30);
        assert!(busts.place(9).is_none() && busts.has_room(11));
        assert_eq!(busts.day_start, 30);
    }
}
