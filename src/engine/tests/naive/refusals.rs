//! The naive exchange's refusals: what is wrong with an order, the first that is found.

use super::market::{LISTINGS, LOGINS, due, worth};
use super::ticket::{MARKET, Ticket, Wishes, account_of};
use super::{Naive, Order};

/// The highest price.
const HIGHEST: u64 = 0x7735_939C;

impl Naive {
    /// `is_new`: it replaces no other.
    pub(super) fn refuse(&mut self, ticket: &Ticket, is_new: bool) -> Option<&'static str> {
        let (listing, login) = (&LISTINGS[ticket.listing], &LOGINS[ticket.login]);
        match self.trading[ticket.listing].phase {
            "halted" => return Some("Halted"),
            "closed" => return Some("PostMarket"),
            _ => {}
        }
        if ticket.side == "short" && !listing.short {
            return Some("ShortSellRestricted");
        }
        let Wishes { min, post_only, display, .. } = ticket.wishes;
        if display.is_some_and(|shown| !shown.is_multiple_of(listing.lot)) {
            return Some("InvalidMaxFloor");
        }
        if let Some(reason) = self.refuse_cross(ticket) {
            return Some(reason);
        }
        if min > ticket.quantity || (min > 0 && !ticket.immediate) {
            return Some("InvalidMinQuantity");
        }
        if post_only && ticket.immediate {
            return Some("Other");
        }
        let known = matches!(ticket.strategy, None | Some('W' | 'O' | 'D'));
        let prevents = self.self_match_key != 0 && !ticket.waits();
        if !known || (ticket.strategy.is_some() && !prevents) {
            return Some("InvalidSelfMatch");
        }
        if ticket.price == MARKET && !self.may_go_without_a_price(ticket) {
            return Some("MarketOrderNotAllowed");
        }
        let is_on_tick = ticket.price.is_multiple_of(listing.tick);
        if ticket.price != MARKET && !(is_on_tick && (1..=HIGHEST).contains(&ticket.price)) {
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

    /// What the phase does not take, and what is of no use to an order that waits for an auction.
    fn refuse_cross(&self, ticket: &Ticket) -> Option<&'static str> {
        let phase = self.trading[ticket.listing].phase;
        let before_the_open = matches!(phase, "preopen" | "opening");
        if ticket.cross == 'N' {
            return match phase {
                _ if !ticket.immediate => None,
                "continuous" => None,
                _ if before_the_open => Some("PreMarket"),
                _ => Some("Halted"),
            };
        }
        let fits = match ticket.cross {
            'O' => before_the_open,
            'H' => matches!(phase, "volatility" | "reopening"),
            'C' => true,
            _ => false,
        };
        let Wishes { min, post_only, expires, display } = ticket.wishes;
        match display {
            _ if !fits => Some("InvalidCross"),
            Some(0) => Some("InvalidDisplay"),
            Some(_) => Some("InvalidMaxFloor"),
            None if min > 0 => Some("InvalidMinQuantity"),
            None if post_only || expires > 0 => Some("Other"),
            None => None,
        }
    }

    fn may_go_without_a_price(&self, ticket: &Ticket) -> bool {
        if ticket.waits() {
            return self.trading[ticket.listing].collar > 0;
        }
        ticket.immediate && self.last_price[ticket.listing] > 0
    }

    /// Whether it can be changed no more: its auction is near.
    pub(super) fn is_final(&self, ticket: &Ticket) -> bool {
        let phase = self.trading[ticket.listing].phase;
        matches!((phase, ticket.cross), ("opening", 'O') | ("closing", 'C'))
    }

    pub(super) fn cash_held(&self, account: u32) -> i64 {
        let buys = self.orders.iter().filter(|o| o.account == account && o.ticket.side == "buy");
        let maker = self.rates.maker;
        let holds = buys.map(|order| {
            let worth = worth(order.counted_at, order.open, order.ticket.listing);
            let fee = due(order.traded + worth, maker) - due(order.traded, maker);
            worth + fee.max(0)
        });
        holds.sum()
    }

    pub(super) fn shares_held(&self, account: u32, listing: usize) -> i64 {
        let is_of = |order: &&Order| order.account == account && order.ticket.listing == listing;
        let sells = self.orders.iter().filter(is_of).filter(|order| order.ticket.side != "buy");
        sells.map(|order| i64::from(order.open)).sum()
    }
}
