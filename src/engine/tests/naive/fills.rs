//! The naive exchange's fills: what an order trades as it comes, and what it may not meet.

use super::super::render::decimal;
use super::busts::Trade;
use super::{LISTINGS, LOGINS, Naive, Order, Rates, Ticket};
use super::{account_of, due, name, price_text, shown_of, worth};

/// What an order has come to by its fills.
pub(super) struct Filled {
    pub(super) said: Vec<String>,
    /// Shares left of it.
    pub(super) open: u32,
    pub(super) traded: u32,
    /// It would have gone on outside the price band.
    pub(super) leaves_band: bool,
}

impl Naive {
    /// Trades a ticket with all that it meets, within the band around the last price before it.
    pub(super) fn fill(&mut self, ticket: &Ticket) -> Filled {
        let account = account_of(ticket);
        let listing = &LISTINGS[ticket.listing];
        let mut said = Vec::new();
        let mut open = ticket.quantity;
        let mut traded = 0;
        let mut value_taken = 0;
        let mut leaves_band = false;
        let band = self.band(ticket.listing);
        while open > 0
            && let Some(at) = self.opposite(ticket)
        {
            if self.is_own(ticket, &self.orders[at]) {
                let prevented = self.prevent(ticket, at, open);
                open -= prevented.0;
                said.extend(prevented.1);
                continue;
            }
            let price = self.orders[at].ticket.price;
            if band.as_ref().is_some_and(|band| !band.contains(&price)) {
                leaves_band = true;
                break;
            }
            let resting = &mut self.orders[at];
            let is_shown = resting.shown > 0;
            let quantity = open.min(if is_shown { resting.shown } else { resting.open });
            open -= quantity;
            traded += quantity;
            resting.open -= quantity;
            resting.executed += quantity;
            let before = *resting;
            let paid = worth(before.ticket.price, quantity, ticket.listing);
            resting.traded += paid;
            if is_shown {
                resting.shown -= quantity;
            }
            let next_part = is_shown && resting.shown == 0 && resting.open > 0;
            if next_part {
                self.places += 1;
                resting.shown = shown_of(&resting.ticket, resting.open);
                resting.part += 1;
                resting.place = (false, self.places);
            }
            let resting = *resting;
            if resting.open == 0 {
                self.orders.remove(at);
            }
            let Rates { maker, taker } = self.rates;
            let fees = [
                due(resting.traded, maker) - due(before.traded, maker),
                due(value_taken + paid, taker) - due(value_taken, taker),
            ];
            value_taken += paid;
            let mut sides = [
                (name(ticket), account, fees[1]),
                (name(&resting.ticket), resting.account, fees[0]),
            ];
            if ticket.side != "buy" {
                sides.reverse();
            }
            let of = ticket.listing;
            let (on_feed, in_auction) = (true, false);
            let trade =
                Trade { listing: of, quantity, price, sides, busted: false, on_feed, in_auction };
            self.settle(trade);
            let price = price_text(of, price);
            let fill = format!("{quantity} {} @{price}", listing.symbol);
            let how = if is_shown { "Added" } else { "AddedHidden" };
            let (first, left) = (name(&resting.ticket), resting.open);
            said.push(format!("executed {first} {fill} {how}, {left} left{} *", fee_text(fees[0])));
            let second = name(ticket);
            said.push(format!(
                "executed {second} {fill} Removed, {open} left{}",
                fee_text(fees[1])
            ));
            if next_part {
                let (name, shown) = (name(&resting.ticket), resting.shown);
                said.push(format!("restated {name} shows {shown} @{price} *"));
            }
        }
        Filled { said, open, traded, leaves_band }
    }

    /// Settles a trade and remembers it.
    pub(super) fn settle(&mut self, trade: Trade) {
        self.pay(&trade, 1);
        self.deliver(&trade, 1);
        self.last_price[trade.listing] = trade.price;
        let collar = &mut self.trading[trade.listing].collar;
        if *collar == 0 {
            let tick = LISTINGS[trade.listing].tick;
            *collar = 2 * trade.price / tick * tick;
        }
        self.trades.push(trade);
    }

    fn is_own(&self, ticket: &Ticket, resting: &Order) -> bool {
        let of_firm = LOGINS[ticket.login].firm == LOGINS[resting.ticket.login].firm;
        match self.self_match_key {
            0 => false,
            2 => of_firm && account_of(ticket) == resting.account,
            // None of them names a group.
            _ => of_firm,
        }
    }

    /// Keeps a ticket with so many shares left from an order of its owner, and returns how many it
    /// loses.
    fn prevent(&mut self, ticket: &Ticket, at: usize, open: u32) -> (u32, Vec<String>) {
        let resting = self.orders[at];
        let both = open.min(resting.open);
        let (strategy, of_resting, of_ticket) = match ticket.strategy {
            Some('O') => ("CancelOldest", resting.open, 0),
            Some('D') => ("DecrementBoth", both, both),
            _ => ("CancelNewest", 0, open),
        };
        let price = price_text(ticket.listing, resting.ticket.price);
        let gone = |name: String, quantity: u32, left: u32, other: String| {
            format!(
                "self-match {name} {quantity} {strategy}, {left} left, {both} @{price} with {other} prevented"
            )
        };
        let (first, second) = (name(&resting.ticket), name(ticket));
        let mut said = Vec::new();
        if of_resting > 0 {
            let left = resting.open - of_resting;
            let gone = gone(first.clone(), of_resting, left, second.clone());
            said.extend(self.cut(at, of_resting, gone));
        }
        if of_ticket > 0 {
            said.push(gone(second, of_ticket, open - of_ticket, first));
        }
        (of_ticket, said)
    }
}

pub(super) fn fee_text(fee: i64) -> String {
    if fee == 0 { String::new() } else { format!(", fee {}", decimal(fee, 4)) }
}
