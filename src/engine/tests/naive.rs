//! The naive exchange: the same rules in the simplest words, slow and obvious. The oracle.
//!
//! One list of orders in the order of entry; nothing is held, what is available is counted from the
//! list each time. It shares the notation with the engine and nothing else.

mod busts;
mod fills;
mod limits;
mod requests;

use std::collections::BTreeMap;

use self::fills::Filled;
pub(super) use self::limits::Limit;
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
    /// What becomes of it and an order of its owner, if it says.
    pub(super) strategy: Option<char>,
    pub(super) wishes: Wishes,
}

/// What an order may ask for beyond its price.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    /// The least it must trade at once.
    pub(super) min: u32,
    /// It may not take.
    pub(super) post_only: bool,
    /// Seconds to live, 0 = the day.
    pub(super) expires: u64,
    /// How much of it is shown at a time, if not all: 0 hides it.
    pub(super) display: Option<u32>,
}

/// The price of an order without one.
pub(super) const MARKET: u64 = 0x7FFF_FFFF;

/// A replace in the participant's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) login: usize,
    pub(super) original: u32,
    pub(super) number: u32,
    /// In all, what was executed included.
    pub(super) quantity: u32,
    pub(super) ticks: Shift,
    pub(super) immediate: bool,
    pub(super) wishes: Wishes,
}

/// Where a replace moves the price to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shift {
    /// So many above or below the original's.
    Ticks(i64),
    /// One price unit above it.
    Off,
    /// To none.
    Market,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    ticket: Ticket,
    account: u32,
    /// What a share of it counted at as it came.
    counted_at: u64,
    open: u32,
    executed: u32,
    deadline: Option<Nanos>,
    shown: u32,
    /// Which part of it is shown, from 0.
    part: u32,
    /// Where it stands among those of its price: they trade in the order of this.
    place: (bool, u64),
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

#[derive(Clone, Debug, Default)]
pub(super) struct Naive {
    orders: Vec<Order>,
    /// Which orders of a firm may not meet: 0 = none, 1 all, 2 those of an account, 3 those of a group.
    self_match_key: u8,
    /// Of each listing; 0 = none yet.
    last_price: [u64; LISTINGS.len()],
    done: limits::Done,
    trades: Vec<busts::Trade>,
    cash: BTreeMap<u32, i64>,
    shares: BTreeMap<(u32, usize), i64>,
    last_number: [u32; LOGINS.len()],
    down_until: [Option<Nanos>; LOGINS.len()],
    down: [bool; LOGINS.len()],
    messages: BTreeMap<(usize, u64), usize>,
    places: u64,
    disabled: BTreeMap<&'static str, bool>,
    now: Nanos,
    rates: Rates,
}

impl Naive {
    /// With the balances of `market.txt`.
    pub(super) fn new(now: Nanos, rates: Rates, self_match_key: u8) -> Self {
        let mut naive = Self { self_match_key, now, rates, ..Self::default() };
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
        while let Some((_, is_order, at)) = self.first_due() {
            if is_order {
                said.extend(self.take(at, self.orders[at].open, "Timeout"));
                continue;
            }
            self.down_until[at] = None;
            while let Some(order) = self.orders.iter().position(|order| order.ticket.login == at) {
                said.extend(self.take(order, self.orders[order].open, "Supervisory"));
            }
        }
        said
    }

    /// The deadline that is due first: when, whether it is an order's or a login's, and whose.
    fn first_due(&self) -> Option<(Nanos, bool, usize)> {
        let logins = self.down_until.iter().enumerate();
        let orders = self.orders.iter().map(|order| order.deadline).enumerate();
        let logins = logins.filter_map(|(login, at)| Some(((*at)?, false, login)));
        let orders = orders.filter_map(|(order, at)| Some((at?, true, order)));
        logins.chain(orders).min().filter(|&(at, ..)| at <= self.now)
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
        if let Some(reason) = self.refuse(ticket, true) {
            return vec![format!("rejected {} {reason}", name(ticket))];
        }
        let end = match (self.trades(ticket), ticket.immediate) {
            (false, true) => " dead",
            (false, false) if shown_of(ticket, ticket.quantity) > 0 => " *",
            _ => "",
        };
        let mut said = vec![format!("accepted {} {}{end}", name(ticket), terms(ticket))];
        said.extend(self.trade(ticket, 0));
        said
    }

    /// Whether it meets anybody, and trades as many as it asks for.
    fn trades(&self, ticket: &Ticket) -> bool {
        let ticket = self.limited(ticket);
        let enough =
            ticket.wishes.min == 0 || self.clone().fill(&ticket).traded >= ticket.wishes.min;
        self.opposite(&ticket).is_some() && enough
    }

    /// The shares of a ticket are those that are still to trade.
    fn trade(&mut self, ticket: &Ticket, executed_before: u32) -> Vec<String> {
        let counted_at = self.price_held(ticket);
        let ticket = &self.limited(ticket);
        if ticket.immediate && !self.trades(ticket) {
            return Vec::new();
        }
        if ticket.wishes.post_only && self.trades(ticket) {
            return vec![format!("canceled {} {} PostOnly, 0 left", name(ticket), ticket.quantity)];
        }
        let listing = &LISTINGS[ticket.listing];
        let crosses = self.opposite(ticket).is_some();
        let mut said = Vec::new();
        let account = account_of(ticket);
        let Filled { said: fills, open, traded } = self.fill(ticket);
        said.extend(fills);
        if open == 0 {
            return said;
        }
        if ticket.immediate {
            said.push(format!("canceled {} {open} ImmediateOrCancel, 0 left", name(ticket)));
            return said;
        }
        let shown = shown_of(ticket, open);
        if crosses && shown > 0 {
            let price = decimal(ticket.price.try_into().unwrap(), listing.decimals);
            said.push(format!("rested {} {shown} {} @{price} *", name(ticket), listing.symbol));
        }
        let executed = executed_before + traded;
        let lifetime = Some(ticket.wishes.expires).filter(|&seconds| seconds != 0);
        let deadline = lifetime.map(|seconds| self.now.after(Nanos::from_secs(seconds)));
        self.places += 1;
        let (part, place) = (0, (shown == 0, self.places));
        let order = Order {
            ticket: *ticket,
            account,
            counted_at,
            open,
            executed,
            traded: 0,
            deadline,
            shown,
            part,
            place,
        };
        self.orders.push(order);
        said
    }

    fn takes_message(&mut self, login: usize) -> bool {
        let messages = self.messages.entry((login, self.now.second())).or_default();
        *messages += 1;
        *messages <= LOGINS[login].rate
    }

    pub(super) fn cancel(&mut self, login: usize, number: u32, intended: u32) -> Vec<String> {
        let found = self.find(login, number);
        let Some(at) = found.filter(|_| !self.down[login]) else { return Vec::new() };
        let Order { open, executed, ref ticket, .. } = self.orders[at];
        let leaves = intended.saturating_sub(executed);
        if leaves >= open || !leaves.is_multiple_of(LISTINGS[ticket.listing].lot) {
            return Vec::new();
        }
        self.take(at, open - leaves, "User")
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
            orders.sort_by_key(|order| {
                let price = order.ticket.price;
                (if buys { u64::MAX - price } else { price }, order.place)
            });
            let orders = orders.iter().map(|order| {
                let hidden = order.open - order.shown;
                let hidden = if hidden == 0 { String::new() } else { format!("+{hidden}") };
                let price = order.ticket.price.try_into().unwrap();
                let price = decimal(price, LISTINGS[listing].decimals);
                format!("{} {}{hidden}@{price}", name(&order.ticket), order.shown)
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

    /// `is_new`: it replaces no other.
    fn refuse(&mut self, ticket: &Ticket, is_new: bool) -> Option<&'static str> {
        let (listing, login) = (&LISTINGS[ticket.listing], &LOGINS[ticket.login]);
        if !self.takes_message(ticket.login) {
            return Some("PortMessageRate");
        }
        if ticket.side == "short" && !listing.short {
            return Some("ShortSellRestricted");
        }
        let Wishes { min, post_only, display, .. } = ticket.wishes;
        if display.is_some_and(|shown| !shown.is_multiple_of(listing.lot)) {
            return Some("InvalidMaxFloor");
        }
        if min > ticket.quantity || (min > 0 && !ticket.immediate) {
            return Some("InvalidMinQuantity");
        }
        if post_only && ticket.immediate {
            return Some("Other");
        }
        let known = matches!(ticket.strategy, None | Some('W' | 'O' | 'D'));
        if !known || (ticket.strategy.is_some() && self.self_match_key == 0) {
            return Some("InvalidSelfMatch");
        }
        let has_price = self.last_price[ticket.listing] > 0;
        if ticket.price == MARKET && !(ticket.immediate && has_price) {
            return Some("MarketOrderNotAllowed");
        }
        if ticket.price != MARKET
            && (ticket.price == 0 || !ticket.price.is_multiple_of(listing.tick))
        {
            return Some("InvalidPrice");
        }
        if ticket.quantity == 0 || !ticket.quantity.is_multiple_of(listing.lot) {
            return Some("InvalidQuantity");
        }
        let account = account_of(ticket);
        let accounts: &[u32] = if login.firm == "ALFA" { &[1, 5] } else { &[2, 3] };
        let disabled = self.disabled.get(login.firm).copied().unwrap_or(false);
        if disabled || !accounts.contains(&account) {
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
        let value = worth(self.price_held(ticket), ticket.quantity, ticket.listing);
        if let Some(reason) = self.refuse_for_limits(ticket, value, is_new) {
            return Some(reason);
        }
        let enough = match ticket.side {
            "buy" => {
                let available = self.cash[&account] - self.cash_held(account);
                available >= value + due(value, self.rates.maker.max(self.rates.taker)).max(0)
            }
            "sell" => {
                let total = self.shares.get(&(account, ticket.listing)).copied().unwrap_or(0);
                let available = total - self.shares_held(account, ticket.listing);
                available >= i64::from(ticket.quantity)
            }
            _ => true,
        };
        if !enough {
            return Some("AggregateExposure");
        }
        if is_new {
            self.remember(ticket);
        }
        None
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
        let best = self.crossed(ticket).min_by_key(|(_, order)| {
            let price = order.ticket.price;
            (if buys { price } else { u64::MAX - price }, order.place)
        });
        best.map(|(at, _)| at)
    }

    /// The orders that a ticket would trade against.
    fn crossed(&self, ticket: &Ticket) -> impl Iterator<Item = (usize, &Order)> {
        let (buys, limit, listing) = (ticket.side == "buy", ticket.price, ticket.listing);
        self.orders.iter().enumerate().filter(move |(_, order)| {
            let price = order.ticket.price;
            order.ticket.listing == listing
                && (order.ticket.side == "buy") != buys
                && if buys { price <= limit } else { price >= limit }
        })
    }

    /// Cancels shares of an order.
    fn take(&mut self, at: usize, quantity: u32, reason: &str) -> Vec<String> {
        let Order { open, ref ticket, .. } = self.orders[at];
        let leaves = open - quantity;
        let gone = format!("canceled {} {quantity} {reason}, {leaves} left", name(ticket));
        self.cut(at, quantity, gone)
    }

    /// Takes shares from an order, hidden ones first, and says so to its owner and the feed.
    fn cut(&mut self, at: usize, quantity: u32, gone: String) -> Vec<String> {
        let order = &mut self.orders[at];
        order.open -= quantity;
        let (leaves, name) = (order.open, name(&order.ticket));
        let shown_leaves = order.shown.min(leaves);
        let shown = order.shown - shown_leaves;
        order.shown = shown_leaves;
        let first_part = order.part == 0;
        let was_shown = shown + shown_leaves > 0;
        if leaves == 0 {
            self.orders.remove(at);
        }
        if was_shown && first_part && (leaves == 0 || shown == quantity) {
            return vec![gone + " *"];
        }
        let less = format!("shown {name} {shown} less, {shown_leaves} left *");
        if shown > 0 { vec![gone, less] } else { vec![gone] }
    }
}

fn name(ticket: &Ticket) -> String {
    format!("{}.{}", LOGINS[ticket.login].name, ticket.number)
}

fn terms(ticket: &Ticket) -> String {
    let listing = &LISTINGS[ticket.listing];
    let price = match ticket.price {
        MARKET => "market".to_owned(),
        price => decimal(price.try_into().unwrap(), listing.decimals),
    };
    format!("{} {} {} @{price}", ticket.side, ticket.quantity, listing.symbol)
}

/// Shares of an order that are shown while so many are open.
fn shown_of(ticket: &Ticket, open: u32) -> u32 {
    ticket.wishes.display.map_or(open, |most| most.min(open))
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
