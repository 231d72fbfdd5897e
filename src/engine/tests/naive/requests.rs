//! The naive exchange's answers to requests about orders that rest, and about entry.

use super::{
    Change, LISTINGS, LOGINS, Login, MARKET, Naive, Order, Shift, Ticket, name, shown_of, terms,
};

impl Naive {
    pub(in super::super) fn replace(&mut self, change: &Change) -> Vec<String> {
        let Change { login, original, number, quantity, ticks, immediate, wishes } = *change;
        let Some(at) = self.find(login, original) else { return Vec::new() };
        if self.down[login] || number <= self.last_number[login] {
            return Vec::new();
        }
        let order = self.orders[at];
        let asked = Ticket { number, ..order.ticket };
        let refused = if !self.takes_message(login) {
            Some("PortMessageRate")
        } else if self.is_final(&order.ticket) {
            Some("ReplaceNotAllowed")
        } else {
            None
        };
        if let Some(reason) = refused {
            self.last_number[login] = number;
            return vec![format!("rejected {} {reason}", name(&asked))];
        }
        let listing = order.ticket.listing;
        let tick = LISTINGS[listing].tick.cast_signed();
        let has_price = order.ticket.price != MARKET;
        let was = if has_price { order.ticket.price } else { self.last_price[listing] };
        let price = match ticks {
            Shift::Ticks(ticks) => was.saturating_add_signed(ticks * tick),
            Shift::Off => was + 1,
            Shift::Market => MARKET,
        };
        let quantity = quantity.saturating_sub(order.executed);
        let (account, strategy) = (order.account, None);
        let ticket =
            Ticket { quantity, price, immediate, account, strategy, wishes, ..asked }.timed();
        let gone = self.take(at, order.open, "User");
        if self.refuse(&ticket, false).is_some() {
            return gone;
        }
        self.last_number[login] = number;
        let end = match (self.trades(&ticket), ticket.immediate) {
            (true, _) => " trading",
            (false, true) => " dead",
            (false, false) => "",
        };
        let rests = !ticket.immediate && !self.trades(&ticket);
        let is_seen = order.shown > 0 || (rests && shown_of(&ticket, quantity) > 0);
        let (old, new) = (name(&order.ticket), name(&ticket));
        let feed = if is_seen { " *" } else { "" };
        let mut said = vec![format!("replaced {old} by {new} {}{end}{feed}", terms(&ticket))];
        said.extend(self.trade(&ticket, order.executed));
        said
    }

    pub(in super::super) fn modify(
        &mut self,
        login: usize,
        number: u32,
        (side, intended): (&'static str, u32),
    ) -> Vec<String> {
        let found = self.find(login, number);
        let Some(at) = found.filter(|_| !self.down[login]) else { return Vec::new() };
        let Order { open, executed, ref ticket, account, .. } = self.orders[at];
        let leaves = intended.saturating_sub(executed).min(open);
        let listing = &LISTINGS[ticket.listing];
        if leaves == 0 || !leaves.is_multiple_of(listing.lot) {
            return Vec::new();
        }
        if (side == "buy") != (ticket.side == "buy") || (side == ticket.side && leaves == open) {
            return Vec::new();
        }
        let may_short = listing.short && account == 5;
        let total = self.shares.get(&(account, ticket.listing)).copied().unwrap_or(0);
        let held = self.shares_held(account, ticket.listing) - i64::from(open - leaves);
        let may = match side {
            _ if side == ticket.side => true,
            "short" => may_short,
            _ => total >= held,
        };
        if !may {
            return Vec::new();
        }
        if self.is_final(ticket) {
            return vec![format!("cancel of {} rejected", name(ticket))];
        }
        self.orders[at].ticket.side = side;
        let mut said =
            vec![format!("modified {} {side}, {leaves} left", name(&self.orders[at].ticket))];
        if leaves == open {
            return said;
        }
        let gone = self.take(at, open - leaves, "");
        // The feed alone hears of what was shown.
        let order = &gone[0];
        let shown = gone.iter().find(|line| line.starts_with("shown")).cloned();
        let name = name(&self.orders[at].ticket);
        let all = format!("shown {name} {} less, {leaves} left *", open - leaves);
        said.extend(if order.ends_with('*') { Some(all) } else { shown });
        said
    }

    pub(in super::super) fn mass_cancel(
        &mut self,
        login: usize,
        number: u32,
        (listing, side): (Option<usize>, Option<&'static str>),
    ) -> Vec<String> {
        if !self.takes_request(login, number) {
            return Vec::new();
        }
        let Login { name, firm, .. } = LOGINS[login];
        if !self.takes_message(login) {
            return vec![format!("rejected {name}.{number} PortMessageRate")];
        }
        let symbol = listing.map_or(String::new(), |row| format!(" {}", LISTINGS[row].symbol));
        let of_side = side.map_or(String::new(), |side| format!(" {side}"));
        let mut said = vec![format!("mass cancel {name}.{number} of {firm}{symbol}{of_side}")];
        for (login, _) in LOGINS.iter().enumerate().filter(|(_, login)| login.firm == firm) {
            let matches = |naive: &Self, order: &Order| {
                order.ticket.login == login
                    && !naive.is_final(&order.ticket)
                    && listing.is_none_or(|listing| order.ticket.listing == listing)
                    && side.is_none_or(|side| order.ticket.side == side)
            };
            while let Some(at) = self.orders.iter().position(|order| matches(self, order)) {
                said.extend(self.take(at, self.orders[at].open, "User"));
            }
        }
        said
    }

    pub(in super::super) fn switch(
        &mut self,
        login: usize,
        number: u32,
        enables: bool,
    ) -> Vec<String> {
        if !self.takes_request(login, number) {
            return Vec::new();
        }
        let Login { name, firm, .. } = LOGINS[login];
        self.disabled.insert(firm, !enables);
        let how = if enables { "enabled" } else { "disabled" };
        vec![format!("entry {how} for {firm} by {name}.{number}")]
    }

    pub(in super::super) fn query(&self, login: usize) -> Vec<String> {
        let next = format!("next is {}.{}", LOGINS[login].name, self.last_number[login] + 1);
        if self.down[login] { Vec::new() } else { vec![next] }
    }

    fn takes_request(&mut self, login: usize, number: u32) -> bool {
        let is_new = !self.down[login] && number > self.last_number[login];
        if is_new {
            self.last_number[login] = number;
        }
        is_new
    }
}
