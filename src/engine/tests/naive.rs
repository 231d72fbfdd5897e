//! The naive exchange: the same rules in the simplest words, slow and obvious. The oracle.
//!
//! One list of orders in the order of entry; nothing is held, what is available is counted from the
//! list each time. It shares the notation with the engine and nothing else.

use std::collections::BTreeMap;

use super::render::decimal;
use crate::types::Nanos;

/// An instrument of `market.txt` as the oracle knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    pub(super) symbol: &'static str,
    pub(super) decimals: u8,
    pub(super) scale: i64,
    pub(super) tick: u64,
    pub(super) lot: u32,
    pub(super) short: bool,
}

pub(super) const LISTINGS: [Listing; 3] = [
    Listing { symbol: "ACME", decimals: 4, scale: 1, tick: 100, lot: 1, short: false },
    Listing { symbol: "BOLT", decimals: 2, scale: 100, tick: 5, lot: 100, short: false },
    Listing { symbol: "CHIP", decimals: 4, scale: 1, tick: 1, lot: 1, short: true },
];

/// A port of `market.txt`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login {
    pub(super) name: &'static str,
    firm: &'static str,
    account: u32,
    open_max: usize,
    firm_open_max: usize,
    rate: usize,
    grace: Option<Nanos>,
}

pub(super) const LOGINS: [Login; 3] = [
    Login {
        name: "A1",
        firm: "ALFA",
        account: 1,
        open_max: usize::MAX,
        firm_open_max: 2_500,
        rate: usize::MAX,
        grace: Some(Nanos::from_secs(10)),
    },
    Login {
        name: "A2",
        firm: "ALFA",
        account: 1,
        open_max: 2,
        firm_open_max: 2_500,
        rate: 3,
        grace: None,
    },
    Login {
        name: "B1",
        firm: "BETA",
        account: 2,
        open_max: usize::MAX,
        firm_open_max: 3,
        rate: usize::MAX,
        grace: Some(Nanos::from_secs(5)),
    },
];

/// A new order in the participant's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) login: usize,
    pub(super) number: u32,
    /// buy, sell or short.
    pub(super) side: &'static str,
    pub(super) quantity: u32,
    pub(super) listing: usize,
    pub(super) price: u64,
    pub(super) immediate: bool,
    /// 0 = the port's own.
    pub(super) account: u32,
}

/// A replace in the participant's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) login: usize,
    pub(super) original: u32,
    pub(super) number: u32,
    /// In all, what was executed included.
    pub(super) quantity: u32,
    /// How many ticks above or below the original's price; `None` is one price unit above it.
    pub(super) ticks: Option<i64>,
    pub(super) immediate: bool,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    ticket: Ticket,
    account: u32,
    open: u32,
    executed: u32,
    /// Value of what it traded since it rests, of which its fee is a part.
    traded: i64,
}

/// What trades cost, in millionths.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    pub(super) maker: i64,
    pub(super) taker: i64,
}

/// The account that gets the fees.
pub(super) const FEES: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct Naive {
    orders: Vec<Order>,
    cash: BTreeMap<u32, i64>,
    shares: BTreeMap<(u32, usize), i64>,
    last_number: [u32; LOGINS.len()],
    down_until: [Option<Nanos>; LOGINS.len()],
    down: [bool; LOGINS.len()],
    messages: BTreeMap<(usize, u64), usize>,
    now: Nanos,
    rates: Rates,
}

impl Naive {
    /// With the balances of `market.txt`.
    pub(super) fn new(now: Nanos, rates: Rates) -> Self {
        let mut naive = Self { now, rates, ..Self::default() };
        naive.cash.extend([(1, 10_000_000_000), (2, 10_000_000_000), (3, 10_000_000)]);
        naive.cash.extend([(FEES, 0), (5, 100_000_000)]);
        for account in [1, 2] {
            naive.shares.extend([((account, 0), 10_000), ((account, 1), 10_000)]);
        }
        naive
    }

    /// Moves time; what a command says before anything of its own.
    pub(super) fn advance(&mut self, now: Nanos) -> Vec<String> {
        let mut said = Vec::new();
        if now.second() != self.now.second() {
            said.push(format!("second {}", now.second()));
        }
        self.now = now;
        let mut due: Vec<_> = (0..LOGINS.len())
            .filter_map(|login| Some((self.down_until[login].filter(|&at| at <= now)?, login)))
            .collect();
        due.sort_unstable();
        for (_, login) in due {
            self.down_until[login] = None;
            while let Some(at) = self.orders.iter().position(|order| order.ticket.login == login) {
                said.push(self.take(at, self.orders[at].open, "Supervisory"));
            }
        }
        said
    }

    pub(super) fn log_out(&mut self, login: usize) -> Vec<String> {
        if self.down[login] {
            return Vec::new();
        }
        self.down[login] = true;
        self.down_until[login] = LOGINS[login].grace.map(|grace| self.now.after(grace));
        vec![format!("{} down, Lost", LOGINS[login].name)]
    }

    /// What the login says but for the number of the next message, which the oracle does not count.
    pub(super) fn log_in(&mut self, login: usize) -> Vec<String> {
        let name = LOGINS[login].name;
        let replaced = (!self.down[login]).then(|| format!("{name} down, Replaced"));
        self.down[login] = false;
        self.down_until[login] = None;
        replaced.into_iter().chain([format!("{name} up")]).collect()
    }

    pub(super) fn enter(&mut self, ticket: &Ticket) -> Vec<String> {
        let login = ticket.login;
        if self.down[login] || ticket.number <= self.last_number[login] {
            return Vec::new();
        }
        self.last_number[login] = ticket.number;
        if let Some(reason) = self.refuse(ticket) {
            return vec![format!("rejected {} {reason}", name(ticket))];
        }
        let end = match (self.opposite(ticket).is_some(), ticket.immediate) {
            (true, _) => "",
            (false, true) => " dead",
            (false, false) => " *",
        };
        let mut said = vec![format!("accepted {} {}{end}", name(ticket), terms(ticket))];
        said.extend(self.trade(ticket, 0));
        said
    }

    /// The shares of a ticket are those that are still to trade.
    fn trade(&mut self, ticket: &Ticket, executed_before: u32) -> Vec<String> {
        let listing = &LISTINGS[ticket.listing];
        let crosses = self.opposite(ticket).is_some();
        let mut said = Vec::new();
        let account = account_of(ticket);
        let mut open = ticket.quantity;
        let mut value_taken = 0;
        while open > 0
            && let Some(at) = self.opposite(ticket)
        {
            let quantity = open.min(self.orders[at].open);
            open -= quantity;
            let resting = &mut self.orders[at];
            resting.open -= quantity;
            resting.executed += quantity;
            let before = *resting;
            let paid = worth(before.ticket.price, quantity, ticket.listing);
            resting.traded += paid;
            let resting = *resting;
            if resting.open == 0 {
                self.orders.remove(at);
            }
            let price = resting.ticket.price;
            let Rates { maker, taker } = self.rates;
            let fees = [
                due(resting.traded, maker) - due(before.traded, maker),
                due(value_taken + paid, taker) - due(value_taken, taker),
            ];
            value_taken += paid;
            for (account, fee) in [(resting.account, fees[0]), (account, fees[1])] {
                *self.cash.entry(account).or_default() -= fee;
                *self.cash.entry(FEES).or_default() += fee;
            }
            let fee = |fee| {
                if fee == 0 { String::new() } else { format!(", fee {}", decimal(fee, 4)) }
            };
            let (buyer, seller) = if ticket.side == "buy" {
                (account, resting.account)
            } else {
                (resting.account, account)
            };
            *self.cash.entry(buyer).or_default() -= paid;
            *self.cash.entry(seller).or_default() += paid;
            *self.shares.entry((buyer, ticket.listing)).or_default() += i64::from(quantity);
            *self.shares.entry((seller, ticket.listing)).or_default() -= i64::from(quantity);
            let price = decimal(price.try_into().unwrap(), listing.decimals);
            let fill = format!("{quantity} {} @{price}", listing.symbol);
            let (first, left) = (name(&resting.ticket), resting.open);
            said.push(format!("executed {first} {fill} Added, {left} left{} *", fee(fees[0])));
            let second = name(ticket);
            said.push(format!("executed {second} {fill} Removed, {open} left{}", fee(fees[1])));
        }
        if open == 0 || (ticket.immediate && !crosses) {
            return said;
        }
        if ticket.immediate {
            said.push(format!("canceled {} {open} ImmediateOrCancel, 0 left", name(ticket)));
            return said;
        }
        if crosses {
            let price = decimal(ticket.price.try_into().unwrap(), listing.decimals);
            said.push(format!("rested {} {open} {} @{price} *", name(ticket), listing.symbol));
        }
        let executed = executed_before + ticket.quantity - open;
        self.orders.push(Order { ticket: *ticket, account, open, executed, traded: 0 });
        said
    }

    pub(super) fn replace(&mut self, change: &Change) -> Vec<String> {
        let Change { login, original, number, quantity, ticks, immediate } = *change;
        let Some(at) = self.find(login, original) else { return Vec::new() };
        if self.down[login] || number <= self.last_number[login] {
            return Vec::new();
        }
        let order = self.orders[at];
        let tick = LISTINGS[order.ticket.listing].tick.cast_signed();
        let shift = ticks.map_or(1, |ticks| ticks * tick);
        let price = order.ticket.price.checked_add_signed(shift).unwrap();
        let quantity = quantity.saturating_sub(order.executed);
        let ticket =
            Ticket { number, quantity, price, immediate, account: order.account, ..order.ticket };
        let gone = self.take(at, order.open, "User");
        match self.refuse(&ticket) {
            Some("PortMessageRate") => {
                self.orders.insert(at, order);
                self.last_number[login] = number;
                vec![format!("rejected {} PortMessageRate", name(&ticket))]
            }
            Some(_) => vec![gone],
            None => {
                self.last_number[login] = number;
                let end = match (self.opposite(&ticket).is_some(), immediate) {
                    (true, _) => " trading",
                    (false, true) => " dead",
                    (false, false) => "",
                };
                let (old, new) = (name(&order.ticket), name(&ticket));
                let mut said = vec![format!("replaced {old} by {new} {}{end} *", terms(&ticket))];
                said.extend(self.trade(&ticket, order.executed));
                said
            }
        }
    }

    pub(super) fn cancel(&mut self, login: usize, number: u32, intended: u32) -> Vec<String> {
        let found = self.find(login, number);
        let Some(at) = found.filter(|_| !self.down[login]) else { return Vec::new() };
        let Order { open, executed, ref ticket, .. } = self.orders[at];
        let leaves = intended.saturating_sub(executed);
        if leaves >= open || !leaves.is_multiple_of(LISTINGS[ticket.listing].lot) {
            return Vec::new();
        }
        vec![self.take(at, open - leaves, "User")]
    }

    /// A book in the notation of "show book".
    pub(super) fn book(&self, listing: usize) -> String {
        let side = |buys: bool| {
            let mut orders: Vec<_> = self
                .orders
                .iter()
                .filter(|order| order.ticket.listing == listing)
                .filter(|order| (order.ticket.side == "buy") == buys)
                .collect();
            // Stable: orders of one price stay in the order of entry.
            orders.sort_by_key(|order| {
                if buys { u64::MAX - order.ticket.price } else { order.ticket.price }
            });
            let orders = orders.iter().map(|order| {
                let price = order.ticket.price.try_into().unwrap();
                let price = decimal(price, LISTINGS[listing].decimals);
                format!("{} {}@{price}", name(&order.ticket), order.open)
            });
            orders.collect::<Vec<_>>().join(", ")
        };
        format!("bids [{}] asks [{}]", side(true), side(false))
    }

    /// Cash and what is held of it, in the notation of "show balance".
    pub(super) fn cash(&self, account: u32) -> String {
        let total = self.cash[&account];
        format!("{} USD, {} held", decimal(total, 4), decimal(self.cash_held(account), 4))
    }

    pub(super) fn shares(&self, account: u32, listing: usize) -> String {
        let total = self.shares.get(&(account, listing)).copied().unwrap_or(0);
        let held = self.shares_held(account, listing);
        format!("{total} {}, {held} held", LISTINGS[listing].symbol)
    }

    fn refuse(&mut self, ticket: &Ticket) -> Option<&'static str> {
        let (listing, login) = (&LISTINGS[ticket.listing], &LOGINS[ticket.login]);
        let messages = self.messages.entry((ticket.login, self.now.second())).or_default();
        *messages += 1;
        if *messages > login.rate {
            return Some("PortMessageRate");
        }
        if ticket.side == "short" && !listing.short {
            return Some("ShortSellRestricted");
        }
        if ticket.price == 0 || !ticket.price.is_multiple_of(listing.tick) {
            return Some("InvalidPrice");
        }
        if ticket.quantity == 0 || !ticket.quantity.is_multiple_of(listing.lot) {
            return Some("InvalidQuantity");
        }
        let account = account_of(ticket);
        let accounts: &[u32] = if login.firm == "ALFA" { &[1, 5] } else { &[2, 3] };
        if !accounts.contains(&account) {
            return Some("FirmNotAuthorized");
        }
        if ticket.side == "short" && account != 5 {
            return Some("ShortSellRestricted");
        }
        let of_port = self.orders.iter().filter(|order| order.ticket.login == ticket.login).count();
        let of_firm = self
            .orders
            .iter()
            .filter(|order| LOGINS[order.ticket.login].firm == login.firm)
            .count();
        if !ticket.immediate && (of_port >= login.open_max || of_firm >= login.firm_open_max) {
            return Some("Other");
        }
        let enough = match ticket.side {
            "buy" => {
                let available = self.cash[&account] - self.cash_held(account);
                let worth = worth(ticket.price, ticket.quantity, ticket.listing);
                available >= worth + due(worth, self.rates.maker.max(self.rates.taker)).max(0)
            }
            "sell" => {
                let total = self.shares.get(&(account, ticket.listing)).copied().unwrap_or(0);
                let available = total - self.shares_held(account, ticket.listing);
                available >= i64::from(ticket.quantity)
            }
            _ => true,
        };
        (!enough).then_some("AggregateExposure")
    }

    fn cash_held(&self, account: u32) -> i64 {
        let buys = self.orders.iter().filter(|o| o.account == account && o.ticket.side == "buy");
        let maker = self.rates.maker;
        let holds = buys.map(|order| {
            let worth = worth(order.ticket.price, order.open, order.ticket.listing);
            let fee = due(order.traded + worth, maker) - due(order.traded, maker);
            worth + fee.max(0)
        });
        holds.sum()
    }

    fn shares_held(&self, account: u32, listing: usize) -> i64 {
        let sells = self.orders.iter().filter(|order| {
            order.account == account
                && order.ticket.listing == listing
                && order.ticket.side != "buy"
        });
        sells.map(|order| i64::from(order.open)).sum()
    }

    fn find(&self, login: usize, number: u32) -> Option<usize> {
        let mut tickets = self.orders.iter().map(|order| &order.ticket);
        tickets.position(|ticket| ticket.login == login && ticket.number == number)
    }

    /// The order that trades first against a ticket: the best price, the oldest of it.
    fn opposite(&self, ticket: &Ticket) -> Option<usize> {
        let buys = ticket.side == "buy";
        let crossed = self.orders.iter().enumerate().filter(|(_, order)| {
            let price = order.ticket.price;
            order.ticket.listing == ticket.listing
                && (order.ticket.side == "buy") != buys
                && if buys { price <= ticket.price } else { price >= ticket.price }
        });
        let best = crossed.min_by_key(|(_, order)| {
            if buys { order.ticket.price } else { u64::MAX - order.ticket.price }
        });
        best.map(|(at, _)| at)
    }

    fn take(&mut self, at: usize, quantity: u32, reason: &str) -> String {
        self.orders[at].open -= quantity;
        let leaves = self.orders[at].open;
        let name = name(&self.orders[at].ticket);
        if leaves == 0 {
            self.orders.remove(at);
        }
        format!("canceled {name} {quantity} {reason}, {leaves} left *")
    }
}

fn name(ticket: &Ticket) -> String {
    format!("{}.{}", LOGINS[ticket.login].name, ticket.number)
}

fn terms(ticket: &Ticket) -> String {
    let listing = &LISTINGS[ticket.listing];
    let price = decimal(ticket.price.try_into().unwrap(), listing.decimals);
    format!("{} {} {} @{price}", ticket.side, ticket.quantity, listing.symbol)
}

fn account_of(ticket: &Ticket) -> u32 {
    if ticket.account == 0 { LOGINS[ticket.login].account } else { ticket.account }
}

/// The fee of all that was traded, without what is less than a unit.
fn due(traded: i64, rate: i64) -> i64 {
    i64::try_from(i128::from(traded) * i128::from(rate) / 1_000_000).unwrap()
}

fn worth(price: u64, quantity: u32, listing: usize) -> i64 {
    i64::try_from(price).unwrap() * i64::from(quantity) * LISTINGS[listing].scale
}
