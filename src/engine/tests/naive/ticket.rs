//! What participants ask the naive exchange for, in their words.

use super::super::render::decimal;
use super::market::{LISTINGS, LOGINS};

/// A new order.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Ticket {
    pub(in super::super) login: usize,
    pub(in super::super) number: u32,
    /// buy, sell or short.
    pub(in super::super) side: &'static str,
    pub(in super::super) quantity: u32,
    pub(in super::super) listing: usize,
    pub(in super::super) price: u64,
    pub(in super::super) immediate: bool,
    /// The auction that it waits for: `O`, `C` or `H`. `N` is none, and there are no others.
    pub(in super::super) cross: char,
    /// 0 = the port's own.
    pub(in super::super) account: u32,
    /// What becomes of it and an order of its owner, if it says.
    pub(in super::super) strategy: Option<char>,
    pub(in super::super) wishes: Wishes,
}

/// What an order may ask for beyond its price.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Wishes {
    /// The least it must trade at once.
    pub(in super::super) min: u32,
    /// It may not take.
    pub(in super::super) post_only: bool,
    /// Seconds to live, 0 = the day.
    pub(in super::super) expires: u64,
    /// How much of it is shown at a time, if not all: 0 hides it.
    pub(in super::super) display: Option<u32>,
}

/// The price of an order without one.
pub(in super::super) const MARKET: u64 = 0x7FFF_FFFF;

/// A replace.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Change {
    pub(in super::super) login: usize,
    pub(in super::super) original: u32,
    pub(in super::super) number: u32,
    /// In all, what was executed included.
    pub(in super::super) quantity: u32,
    pub(in super::super) ticks: Shift,
    pub(in super::super) immediate: bool,
    pub(in super::super) wishes: Wishes,
}

/// Where a replace moves the price to: from the original's, or the last price if that had none.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Shift {
    /// So many above or below.
    Ticks(i64),
    /// One price unit above.
    Off,
    /// To none.
    Market,
}

impl Ticket {
    pub(super) fn waits(&self) -> bool {
        self.cross != 'N'
    }

    /// The same with the time that counts: what is immediate does not expire, and what waits for an
    /// auction rests until then.
    pub(super) fn timed(self) -> Self {
        let expires = if self.immediate { 0 } else { self.wishes.expires };
        let immediate = self.immediate && !self.waits();
        Self { immediate, wishes: Wishes { expires, ..self.wishes }, ..self }
    }
}

pub(super) fn name(ticket: &Ticket) -> String {
    format!("{}.{}", LOGINS[ticket.login].name, ticket.number)
}

pub(super) fn terms(ticket: &Ticket) -> String {
    let price = price_text(ticket.listing, ticket.price);
    format!("{} {} {} @{price}", ticket.side, ticket.quantity, LISTINGS[ticket.listing].symbol)
}

/// Shares of an order that are shown while so many are open. What waits is shown to nobody.
pub(super) fn shown_of(ticket: &Ticket, open: u32) -> u32 {
    let most = if ticket.waits() { Some(0) } else { ticket.wishes.display };
    most.map_or(open, |most| most.min(open))
}

pub(super) fn account_of(ticket: &Ticket) -> u32 {
    if ticket.account == 0 { LOGINS[ticket.login].account } else { ticket.account }
}

/// A price with its decimals.
pub(super) fn price_text(listing: usize, price: u64) -> String {
    match price {
        MARKET => "market".to_owned(),
        price => decimal(price.try_into().unwrap(), LISTINGS[listing].decimals),
    }
}
