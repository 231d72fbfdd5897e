//! The naive exchange's busts: every trade is remembered, and undone or paid again in plain words.

use super::super::render::decimal;
use super::{FEES, LISTINGS, Naive, Order, worth};

/// A trade as it stands.
#[derive(Clone, Debug)]
pub(super) struct Trade {
    pub(super) listing: usize,
    pub(super) quantity: u32,
    pub(super) price: u64,
    /// The buyer's order, account and fee, then the seller's.
    pub(super) sides: [(String, u32, i64); 2],
    pub(super) busted: bool,
}

impl Naive {
    /// Undoes a trade, whichever number is asked for.
    pub(in super::super) fn bust(&mut self, number: usize) -> Vec<String> {
        let Some(trade) = self.pick(number) else { return Vec::new() };
        if trade.busted {
            return vec!["refused BustTrade, TradeOver".to_owned()];
        }
        let was = self.totals(&trade);
        self.pay(&trade, -1);
        let at = number % self.trades.len();
        self.trades[at].busted = true;
        let quantity = i64::from(trade.quantity);
        let [(_, buyer, _), (_, seller, _)] = trade.sides;
        *self.shares.entry((buyer, trade.listing)).or_default() -= quantity;
        *self.shares.entry((seller, trade.listing)).or_default() += quantity;
        self.done.forget_shares((buyer, seller), trade.listing, quantity);
        let what = what(&trade);
        let mut said = vec![format!("bust of {what} Erroneous{} *", self.debts(&trade))];
        for (name, account, fee) in &trade.sides {
            let (price, has) = (at_price(&trade, *fee), self.has(*account, trade.listing));
            said.push(format!("busted {name} {quantity} {price}, has {has}"));
        }
        said.extend(self.cancel_uncovered(&trade, was));
        said
    }

    /// Gives a trade a price so many ticks from its own.
    pub(in super::super) fn correct(&mut self, number: usize, ticks: i64) -> Vec<String> {
        let Some(was) = self.pick(number) else { return Vec::new() };
        if was.busted {
            return vec!["refused TradeCorrection, TradeOver".to_owned()];
        }
        let tick = i64::try_from(LISTINGS[was.listing].tick).unwrap();
        let price = was.price.saturating_add_signed(ticks * tick);
        if price == was.price || price == 0 {
            return vec!["refused TradeCorrection, Invalid".to_owned()];
        }
        let mut is = Trade { price, ..was.clone() };
        let values = [&was, &is].map(|trade| i128::from(value(trade)));
        for (_, _, fee) in &mut is.sides {
            let part = i128::from(*fee) * values[1] / values[0];
            *fee = i64::try_from(part.clamp(-values[1] / 10, values[1] / 10)).unwrap();
        }
        let totals_before = self.totals(&was);
        self.pay(&was, -1);
        self.pay(&is, 1);
        let at = number % self.trades.len();
        self.trades[at] = is.clone();
        let what = what(&is);
        let mut said = vec![format!("correction to {what} Erroneous{} *", self.debts(&is))];
        for ((name, account, old), (_, _, new)) in was.sides.iter().zip(&is.sides) {
            let (old, new) = (at_price(&was, *old), at_price(&is, *new));
            let (quantity, has) = (is.quantity, self.has(*account, is.listing));
            said.push(format!("corrected {name} {quantity} {old} to {new}, has {has}"));
        }
        let symbol = LISTINGS[is.listing].symbol;
        said.push(format!("printed {} {symbol} {} *", is.quantity, at_price(&is, 0)));
        said.extend(self.cancel_uncovered(&is, totals_before));
        said
    }

    /// Cancels orders of a side that has less than it had until the others can be paid, the youngest first.
    fn cancel_uncovered(&mut self, trade: &Trade, was: [(i64, i64); 2]) -> Vec<String> {
        let mut said = Vec::new();
        let listing = trade.listing;
        for ((_, account, _), (cash_was, shares_was)) in trade.sides.iter().zip(was) {
            let account = *account;
            let (cash, shares) = self.totals_of(account, listing);
            let is_of = |order: &Order, side| order.account == account && order.ticket.side == side;
            while cash < cash_was
                && cash < self.cash_held(account)
                && let Some(at) = self.orders.iter().rposition(|order| is_of(order, "buy"))
            {
                said.extend(self.take(at, self.orders[at].open, "Supervisory"));
            }
            let is_sale = |order: &Order| is_of(order, "sell") && order.ticket.listing == listing;
            while shares < shares_was
                && shares < self.shares_held(account, listing)
                && let Some(at) = self.orders.iter().rposition(is_sale)
            {
                said.extend(self.take(at, self.orders[at].open, "Supervisory"));
            }
        }
        said
    }

    /// What both sides have in cash and shares, the buyer first.
    fn totals(&self, trade: &Trade) -> [(i64, i64); 2] {
        let [(_, buyer, _), (_, seller, _)] = trade.sides;
        [self.totals_of(buyer, trade.listing), self.totals_of(seller, trade.listing)]
    }

    fn totals_of(&self, account: u32, listing: usize) -> (i64, i64) {
        (self.cash[&account], self.shares.get(&(account, listing)).copied().unwrap_or(0))
    }

    fn pick(&self, number: usize) -> Option<Trade> {
        self.trades.get(number % self.trades.len().max(1)).cloned()
    }

    /// Pays a trade and its fees, and counts its value; with the sign turned, back.
    fn pay(&mut self, trade: &Trade, sign: i64) {
        let paid = sign * value(trade);
        let [(_, buyer, buyer_fee), (_, seller, seller_fee)] = &trade.sides;
        let fees = sign * (buyer_fee + seller_fee);
        *self.cash.entry(*buyer).or_default() -= paid + sign * buyer_fee;
        *self.cash.entry(*seller).or_default() += paid - sign * seller_fee;
        *self.cash.entry(FEES).or_default() += fees;
        self.done.count_value((*buyer, *seller), paid);
    }

    fn has(&self, account: u32, listing: usize) -> String {
        let shares = self.shares.get(&(account, listing)).copied().unwrap_or(0);
        format!("{} USD and {shares} {}", decimal(self.cash[&account], 4), LISTINGS[listing].symbol)
    }

    fn debts(&self, trade: &Trade) -> String {
        let owes = |account, who: &str| {
            let cash = self.cash[account] < 0;
            let shares = self.shares.get(&(*account, trade.listing)).is_some_and(|held| *held < 0);
            let debts = [(cash, "cash"), (shares, "shares")].map(|(owes, what)| {
                if owes { format!(", {who}'s {what} below zero") } else { String::new() }
            });
            debts.concat()
        };
        owes(&trade.sides[0].1, "buyer") + &owes(&trade.sides[1].1, "seller")
    }
}

fn what(trade: &Trade) -> String {
    let [(bought, ..), (sold, ..)] = &trade.sides;
    let symbol = LISTINGS[trade.listing].symbol;
    format!("{} {symbol} {} of {bought} with {sold}", trade.quantity, at_price(trade, 0))
}

fn value(trade: &Trade) -> i64 {
    worth(trade.price, trade.quantity, trade.listing)
}

fn at_price(trade: &Trade, fee: i64) -> String {
    let price = decimal(trade.price.try_into().unwrap(), LISTINGS[trade.listing].decimals);
    let fee = if fee == 0 { String::new() } else { format!(", fee {}", decimal(fee, 4)) };
    format!("@{price}{fee}")
}
