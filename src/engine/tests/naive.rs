//! The naive exchange: the same rules in the simplest words, slow and obvious. The oracle.
//!
//! One list of orders in the order of entry; nothing is held, what is available is counted from the
//! list each time. It shares the notation with the engine and nothing else.

mod auctions;
mod busts;
mod fills;
mod limits;
mod market;
mod phases;
mod refusals;
mod requests;
mod ticket;

use std::collections::BTreeMap;

use self::fills::Filled;
pub(super) use self::limits::Limit;
pub(super) use self::market::{FEES, LISTINGS, LOGINS, Rates, TRADED};
use self::market::{Login, due, worth};
pub(super) use self::ticket::{Change, MARKET, Shift, Ticket, Wishes};
use self::ticket::{account_of, name, price_text, shown_of, terms};
use super::render::decimal;
use crate::types::Nanos;

#[derive(Clone, Copy, Debug)]
struct Order {
    ticket: Ticket,
    account: u32,
    /// What a share of it counted at as it came; one to buy holds that.
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

#[derive(Clone, Debug, Default)]
pub(super) struct Naive {
    orders: Vec<Order>,
    /// Which orders of a firm may not meet: 0 = none, 1 all, 2 those of an account, 3 those of a group.
    self_match_key: u8,
    /// Of each listing; 0 = none yet.
    last_price: [u64; LISTINGS.len()],
    trading: [phases::Trading; LISTINGS.len()],
    day: phases::Day,
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

/// What has a time: of one, what is further up comes first, and then the lower number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Calendar,
    /// The indication of a listing, or the end of its auction.
    Auction(usize, bool),
    /// A login's orders go.
    Grace(usize),
    Expiry(usize),
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
        while let Some(due) = self.first_due() {
            match due {
                Due::Calendar => said.extend(self.follow_calendar()),
                Due::Auction(listing, false) => said.extend(self.indicate(listing)),
                Due::Auction(listing, true) => {
                    said.extend(self.enter_phase(listing, "continuous", "", None));
                }
                Due::Grace(login) => {
                    self.down_until[login] = None;
                    let is_of = |order: &Order| order.ticket.login == login;
                    while let Some(at) = self.orders.iter().position(is_of) {
                        said.extend(self.take(at, self.orders[at].open, "Supervisory"));
                    }
                }
                Due::Expiry(at) => said.extend(self.take(at, self.orders[at].open, "Timeout")),
            }
        }
        said
    }

    /// What is due first.
    fn first_due(&self) -> Option<Due> {
        let calendar = self.day.ahead.first().map(|&(at, _)| (at, Due::Calendar));
        let auctions = self.trading.iter().enumerate().flat_map(|(listing, trading)| {
            let indication = trading.indicates.map(|at| (at, Due::Auction(listing, false)));
            let end = trading.ends.map(|at| (at, Due::Auction(listing, true)));
            indication.into_iter().chain(end)
        });
        let logins = self.down_until.iter().enumerate();
        let logins = logins.filter_map(|(login, at)| Some(((*at)?, Due::Grace(login))));
        let orders = self.orders.iter().map(|order| order.deadline).enumerate();
        let orders = orders.filter_map(|(order, at)| Some((at?, Due::Expiry(order))));
        let all = calendar.into_iter().chain(auctions).chain(logins).chain(orders);
        all.min().filter(|&(at, _)| at <= self.now).map(|(_, due)| due)
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
        let ticket = &ticket.timed();
        let login = ticket.login;
        if self.down[login] || ticket.number <= self.last_number[login] {
            return Vec::new();
        }
        self.last_number[login] = ticket.number;
        if !self.takes_message(login) {
            return vec![format!("rejected {} PortMessageRate", name(ticket))];
        }
        if let Some(reason) = self.refuse(ticket, true) {
            return vec![format!("rejected {} {reason}", name(ticket))];
        }
        let end = match (ticket.cross, self.trades(ticket), ticket.immediate) {
            ('O', ..) => " for Opening",
            ('C', ..) => " for Closing",
            ('H', ..) => " for Halt",
            (_, false, true) => " dead",
            (_, false, false) if shown_of(ticket, ticket.quantity) > 0 => " *",
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
        let crosses = self.opposite(ticket).is_some();
        let account = account_of(ticket);
        let Filled { mut said, open, traded, leaves_band } = self.fill(ticket);
        if open == 0 {
            return said;
        }
        if leaves_band {
            said.extend(self.enter_phase(ticket.listing, "volatility", " LUDP", None));
        }
        if ticket.immediate {
            said.push(format!("canceled {} {open} ImmediateOrCancel, 0 left", name(ticket)));
            return said;
        }
        let shown = shown_of(ticket, open);
        if crosses && shown > 0 {
            let symbol = LISTINGS[ticket.listing].symbol;
            let price = price_text(ticket.listing, ticket.price);
            said.push(format!("rested {} {shown} {symbol} @{price} *", name(ticket)));
        }
        let executed = executed_before + traded;
        let lifetime = Some(ticket.wishes.expires).filter(|&seconds| seconds != 0);
        let deadline = lifetime.map(|seconds| self.now.after(Nanos::from_secs(seconds)));
        self.places += 1;
        let is_hidden = shown == 0 && !ticket.waits();
        let (part, place) = (0, (is_hidden, self.places));
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
        if self.is_final(ticket) {
            return vec![format!("cancel of {} rejected", name(ticket))];
        }
        self.take(at, open - leaves, "User")
    }

    /// A book in the notation of "show book".
    pub(super) fn book(&self, listing: usize) -> String {
        let side = |buys: bool, crosses: &str| {
            let orders = self.in_turn(listing, buys, crosses).into_iter().map(|(_, order)| {
                let hidden = order.open - order.shown;
                let shares = match (order.ticket.waits(), hidden) {
                    (false, 1..) => format!("{}+{hidden}", order.shown),
                    _ => order.open.to_string(),
                };
                let price = price_text(listing, order.ticket.price);
                format!("{} {shares}@{price}", name(&order.ticket))
            });
            orders.collect::<Vec<_>>().join(", ")
        };
        let sides =
            |crosses| format!("bids [{}] asks [{}]", side(true, crosses), side(false, crosses));
        let waiting = [("opening", "OH"), ("closing", "C")].map(|(auction, crosses)| {
            let sides = sides(crosses);
            if sides == "bids [] asks []" { String::new() } else { format!(" {auction} {sides}") }
        });
        sides("N") + &waiting.concat()
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

    fn find(&self, login: usize, number: u32) -> Option<usize> {
        let mut tickets = self.orders.iter().map(|order| &order.ticket);
        tickets.position(|ticket| ticket.login == login && ticket.number == number)
    }

    /// The orders of a side that are for continuous trading, `N`, or wait for these auctions, in the
    /// order in which they trade: the best price first, the oldest of it.
    fn in_turn(&self, listing: usize, buys: bool, crosses: &str) -> Vec<(usize, Order)> {
        let orders = self.orders.iter().copied().enumerate().filter(|(_, order)| {
            let ticket = &order.ticket;
            ticket.listing == listing
                && (ticket.side == "buy") == buys
                && crosses.contains(ticket.cross)
        });
        let mut orders: Vec<_> = orders.collect();
        orders.sort_by_key(|(_, order)| {
            let rank = match order.ticket.price {
                MARKET => 0,
                price if buys => u64::MAX - price,
                price => price,
            };
            (rank, order.place)
        });
        orders
    }

    /// The order that trades first against a ticket. Whoever waits for an auction meets nobody before.
    fn opposite(&self, ticket: &Ticket) -> Option<usize> {
        if ticket.waits() || self.trading[ticket.listing].phase != "continuous" {
            return None;
        }
        let (buys, limit) = (ticket.side == "buy", ticket.price);
        let best = self.in_turn(ticket.listing, !buys, "N").first().copied()?;
        let price = best.1.ticket.price;
        let crosses = if buys { price <= limit } else { price >= limit };
        crosses.then_some(best.0)
    }

    /// Cancels shares of an order.
    fn take(&mut self, at: usize, quantity: u32, reason: &str) -> Vec<String> {
        let Order { open, ref ticket, .. } = self.orders[at];
        let leaves = open - quantity;
        let gone = format!("canceled {} {quantity} {reason}, {leaves} left", name(ticket));
        self.cut(at, quantity, gone)
    }

    /// Cancels all orders of a listing that are for this, the buyers' first.
    fn take_all(&mut self, listing: usize, crosses: &str, reason: &str) -> Vec<String> {
        let mut said = Vec::new();
        for buys in [true, false] {
            while let Some(&(at, order)) = self.in_turn(listing, buys, crosses).first() {
                said.extend(self.take(at, order.open, reason));
            }
        }
        said
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
