//! The naive exchange's limits: what an order is refused for although it could be paid.

use std::collections::BTreeMap;

use super::super::render::decimal;
use super::{LISTINGS, LOGINS, MARKET, Naive, Order, Ticket, account_of, worth};
use crate::types::Nanos;

/// A limit in the operator's words.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limit {
    /// Whom it is for: `account 1 ACME`, or one of the currency, `account 1 USD`.
    pub(in super::super) subject: &'static str,
    pub(in super::super) key: &'static str,
    /// 0 = none any more.
    pub(in super::super) value: i64,
}

impl Limit {
    /// The value with the decimals of an amount, if it is one.
    pub(in super::super) fn text(&self) -> String {
        match self.key {
            "OrderNotional" | "GrossExposure" | "NetExposure" => decimal(self.value, 4),
            _ => self.value.to_string(),
        }
    }
}

/// What was done today, and what the operator said about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    limits: BTreeMap<(&'static str, &'static str), i64>,
    /// By account and listing.
    shares: BTreeMap<(u32, usize), i64>,
    bought: BTreeMap<u32, i64>,
    sold: BTreeMap<u32, i64>,
    /// Orders that came while there was a window, the last ones of each account.
    recent: BTreeMap<u32, Vec<(Nanos, Ticket)>>,
}

impl Done {
    pub(super) fn note_trade(
        &mut self,
        (buyer, seller): (u32, u32),
        listing: usize,
        (quantity, paid): (u32, i64),
    ) {
        for account in [buyer, seller] {
            *self.shares.entry((account, listing)).or_default() += i64::from(quantity);
        }
        *self.bought.entry(buyer).or_default() += paid;
        *self.sold.entry(seller).or_default() += paid;
    }
}

impl Done {
    /// Counts value that is paid once more, or back.
    pub(super) fn count_value(&mut self, (buyer, seller): (u32, u32), paid: i64) {
        *self.bought.entry(buyer).or_default() += paid;
        *self.sold.entry(seller).or_default() += paid;
    }

    pub(super) fn forget_shares(
        &mut self,
        (buyer, seller): (u32, u32),
        listing: usize,
        quantity: i64,
    ) {
        for account in [buyer, seller] {
            *self.shares.entry((account, listing)).or_default() -= quantity;
        }
    }
}

impl Naive {
    pub(in super::super) fn limit(&mut self, limit: Limit) -> Vec<String> {
        self.done.limits.insert((limit.subject, limit.key), limit.value);
        let scope = match *limit.subject.split(' ').collect::<Vec<_>>() {
            ["venue", ..] => "Venue",
            ["firm", _] | ["firm", _, "USD"] => "Firm",
            ["firm", ..] => "FirmSymbol",
            ["account", _] | ["account", _, "USD"] => "Account",
            ["account", ..] => "AccountSymbol",
            _ => "Symbol",
        };
        let names =
            limit.subject.split_once(' ').map_or(String::new(), |names| format!(" {}", names.1));
        vec![format!("limit {scope}{names} {} {}", limit.key, limit.text())]
    }

    /// Every limit with this key that is for an order, and whose it is.
    fn limits_of(&self, ticket: &Ticket, key: &str) -> impl Iterator<Item = (&'static str, i64)> {
        let (firm, account) = (LOGINS[ticket.login].firm, account_of(ticket));
        let symbol = LISTINGS[ticket.listing].symbol;
        let subjects = [
            "venue".to_owned(),
            "venue USD".to_owned(),
            format!("firm {firm}"),
            format!("firm {firm} USD"),
            format!("account {account}"),
            format!("account {account} USD"),
            format!("symbol {symbol}"),
            format!("firm {firm} {symbol}"),
            format!("account {account} {symbol}"),
        ];
        let set = self.done.limits.iter().filter(|((of, k), value)| {
            *k == key && **value != 0 && subjects.iter().any(|subject| subject == of)
        });
        set.map(|((of, _), &value)| (*of, value)).collect::<Vec<_>>().into_iter()
    }

    fn tightest(&self, ticket: &Ticket, key: &str) -> i64 {
        self.limits_of(ticket, key).map(|(_, value)| value).min().unwrap_or(i64::MAX)
    }

    /// The price so many basis points from the last, on the last tick before.
    fn collar(&self, ticket: &Ticket, collar: u64, buys: bool) -> u64 {
        let (last, tick) = (self.last_price[ticket.listing], LISTINGS[ticket.listing].tick);
        if buys {
            return last * (10_000 + collar) / 10_000 / tick * tick;
        }
        (last * (10_000 - collar)).div_ceil(10_000).div_ceil(tick).max(1) * tick
    }

    /// The same with the worst price it may trade at.
    pub(super) fn limited(&self, ticket: &Ticket) -> Ticket {
        if ticket.price != MARKET {
            return *ticket;
        }
        let collar = self.tightest(ticket, "Collar").min(10_000).unsigned_abs();
        Ticket { price: self.collar(ticket, collar, ticket.side == "buy"), ..*ticket }
    }

    /// What a share of it is held and counted at.
    pub(super) fn price_held(&self, ticket: &Ticket) -> u64 {
        let counts_as_buy = ticket.price == MARKET || ticket.side == "buy";
        if counts_as_buy {
            return self.limited(&Ticket { side: "buy", ..*ticket }).price;
        }
        let bids = self.orders.iter().map(|order| &order.ticket);
        let bids = bids.filter(|bid| bid.listing == ticket.listing && bid.side == "buy");
        let best_bid = bids.map(|bid| bid.price).max().unwrap_or(0);
        ticket.price.max(best_bid).max(self.last_price[ticket.listing])
    }

    pub(super) fn refuse_for_limits(
        &self,
        ticket: &Ticket,
        value: i64,
        is_new: bool,
    ) -> Option<&'static str> {
        let tightest = |key| self.tightest(ticket, key);
        let (account, buys) = (account_of(ticket), ticket.side == "buy");
        let is_set = |key| self.limits_of(ticket, key).next().is_some();
        if is_set("Restricted") {
            return Some("RestrictedStock");
        }
        if ticket.price == MARKET && is_set("NoMarketOrders") {
            return Some("MarketOrderNotAllowed");
        }
        if i64::from(ticket.quantity) > tightest("OrderQuantity") {
            return Some("OrderQuantity");
        }
        let has_price = self.last_price[ticket.listing] > 0;
        if ticket.price != MARKET && is_set("Collar") && has_price {
            let bound = self.collar(ticket, tightest("Collar").unsigned_abs(), buys);
            if if buys { ticket.price > bound } else { ticket.price < bound } {
                return Some("FatFinger");
            }
        }
        if value > tightest("OrderNotional") {
            return Some("OrderNotional");
        }
        let is_beyond = |key, counted: &dyn Fn(&[u32]) -> i64| {
            self.limits_of(ticket, key).any(|(of, most)| counted(&counted_for(of, account)) > most)
        };
        let more = i64::from(ticket.quantity);
        if is_beyond("SharesPerDay", &|of| self.shares_done(of, ticket.listing) + more) {
            return Some("SharesExceedThreshold");
        }
        if !ticket.immediate && is_beyond("OpenOrders", &|of| self.open_orders(of) + 1) {
            return Some("Other");
        }
        let gross = |of: &[u32]| self.exposure(of, (buys, value)).0;
        let net = |of: &[u32]| self.exposure(of, (buys, value)).1;
        if is_beyond("GrossExposure", &gross) || is_beyond("NetExposure", &net) {
            return Some("AggregateExposure");
        }
        let recent = self.done.recent.get(&account);
        let is_same = |(time, other): &(Nanos, Ticket)| {
            (other.listing, other.side) == (ticket.listing, ticket.side)
                && (other.quantity, other.price) == (ticket.quantity, ticket.price)
                && self.now.since(*time) < self.window(ticket)
        };
        let repeats = is_new && recent.is_some_and(|orders| orders.iter().any(is_same));
        repeats.then_some("DuplicateOrder")
    }

    fn orders_of(&self, accounts: &[u32]) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(|order| accounts.contains(&order.account))
    }

    fn open_orders(&self, accounts: &[u32]) -> i64 {
        i64::try_from(self.orders_of(accounts).count()).unwrap()
    }

    /// Shares of a listing, traded or open.
    fn shares_done(&self, accounts: &[u32], listing: usize) -> i64 {
        let of_listing = self.orders_of(accounts).filter(|order| order.ticket.listing == listing);
        let open: i64 = of_listing.map(|order| i64::from(order.open)).sum();
        let traded =
            accounts.iter().filter_map(|&account| self.done.shares.get(&(account, listing)));
        open + traded.sum::<i64>()
    }

    /// Gross and net, with another order of so much.
    fn exposure(&self, accounts: &[u32], (buys, value): (bool, i64)) -> (i64, i64) {
        let open_value = |buys: bool| {
            let of_side =
                self.orders_of(accounts).filter(|order| (order.ticket.side == "buy") == buys);
            let values =
                of_side.map(|order| worth(order.counted_at, order.open, order.ticket.listing));
            values.sum::<i64>()
        };
        let [bought, sold]: [i64; 2] = [&self.done.bought, &self.done.sold]
            .map(|done| accounts.iter().filter_map(|account| done.get(account)).sum());
        let buys_value = bought + open_value(true) + if buys { value } else { 0 };
        let sells_value = sold + open_value(false) + if buys { 0 } else { value };
        (buys_value + sells_value, (buys_value - sold).max(sells_value - bought))
    }

    /// Remembers an order that was taken, to compare the next with.
    pub(super) fn remember(&mut self, ticket: &Ticket) {
        if self.window(ticket) == Nanos::ZERO {
            return;
        }
        let recent = self.done.recent.entry(account_of(ticket)).or_default();
        recent.push((self.now, *ticket));
        if recent.len() > 16 {
            recent.remove(0);
        }
    }

    fn window(&self, ticket: &Ticket) -> Nanos {
        let windows = self.limits_of(ticket, "DuplicateWindow").map(|(_, value)| value);
        let longest = windows.max().unwrap_or(0);
        Nanos::from_millis(longest.unsigned_abs())
    }
}

/// Whose orders a limit counts together: all those of a firm, or else one account's.
fn counted_for(subject: &str, account: u32) -> Vec<u32> {
    match subject.split_at_checked(9) {
        Some(("firm ALFA", _)) => vec![1, 5],
        Some(("firm BETA", _)) => vec![2, 3],
        _ => vec![account],
    }
}
