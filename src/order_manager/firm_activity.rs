//! What the orders of each firm did today, those of all its accounts together: what limits of a firm are
//! held against. By currency, and by instrument.
//!
//! It is counted where an account's activity is and by the same changes, whether a limit is set or not: one
//! that is set within the day counts what was done before it. Places are found by number, without an
//! index. An order changes the firm's line, where value in the first currency is, and one line of shares.

use super::wallet::Activity;
use super::{Capacity, Instrument, OrderManager};
use crate::sys::memory::{prefer_huge_pages, prefetch};
use crate::types::{CurrencyId, FirmId, InstrumentId};

mod snapshot;

/// What does not lie with the firms themselves. Room for what may be defined is taken at the start, and
/// written when it is.
#[derive(Debug)]
pub(crate) struct FirmActivity {
    /// Places of an instrument or a currency.
    stride: usize,
    /// By instrument, and then by firm: shares that were traded, and those of open orders.
    shares: Vec<i64>,
    /// By currency but the first, and then by firm.
    value: Vec<Activity>,
}

/// Whose activity lies with the firms.
const FIRST: CurrencyId = CurrencyId(1);

/// Places that keep the same firm's of many instruments from lying a power of two apart, where they would
/// drive each other out of the processor's caches: a line of shares.
const PADDING: usize = 8;

impl FirmActivity {
    /// Nobody did anything, and nothing is defined.
    pub(super) fn new(capacity: &Capacity) -> Self {
        let &Capacity { firms, currencies, instruments, .. } = capacity;
        let stride = usize::from(firms) + PADDING;
        let shares = Vec::with_capacity(usize::from(instruments) * stride);
        let value = Vec::with_capacity(usize::from(currencies).saturating_sub(1) * stride);
        prefer_huge_pages(&shares);
        prefer_huge_pages(&value);
        Self { stride, shares, value }
    }

    /// Begins a day.
    pub(super) fn start_day(&mut self) {
        self.shares.fill(0);
        self.value.fill(Activity::default());
    }

    /// Shares of an instrument that a firm has traded or may still trade.
    pub(super) fn shares(&self, firm: FirmId, instrument: InstrumentId) -> i64 {
        self.shares[self.place(instrument.0, firm)]
    }

    /// The same, to change.
    pub(super) fn shares_mut(&mut self, firm: FirmId, instrument: InstrumentId) -> &mut i64 {
        let place = self.place(instrument.0, firm);
        &mut self.shares[place]
    }

    /// Brings near what an order of a firm changes here.
    pub(crate) fn expect(&self, firm: FirmId, instrument: &Instrument) {
        if let Some(shares) = self.shares.get(self.place(instrument.id.0, firm)) {
            prefetch(shares);
        }
        if instrument.currency != FIRST
            && let Some(value) = self.value.get(self.place(instrument.currency.0 - 1, firm))
        {
            prefetch(value);
        }
    }

    /// Of a row and a firm, which both count from 1; none of what has no number.
    fn place(&self, row: u16, firm: FirmId) -> usize {
        let place = usize::from(row) * self.stride + usize::from(firm.0);
        place.wrapping_sub(self.stride + 1)
    }
}

impl OrderManager {
    /// Takes the places of what was defined last.
    pub(super) fn make_room_for_firms(&mut self) {
        let FirmActivity { stride, shares, value } = &mut self.firm_activity;
        let others = self.currencies.len().saturating_sub(1);
        shares.resize(self.instruments.len() as usize * *stride, 0);
        value.resize(others as usize * *stride, Activity::default());
    }

    /// What a firm bought and sold in a currency, or may still.
    pub(super) fn firm_value(&self, firm: FirmId, currency: CurrencyId) -> Activity {
        let activity = &self.firm_activity;
        if currency == FIRST {
            self.firms.get(firm.0.into()).expect("it has accounts").today
        } else {
            activity.value[activity.place(currency.0 - 1, firm)]
        }
    }

    /// The same, to change.
    pub(super) fn firm_value_mut(&mut self, firm: FirmId, currency: CurrencyId) -> &mut Activity {
        let activity = &mut self.firm_activity;
        if currency == FIRST {
            &mut self.firms.get_mut(firm.0.into()).expect("it has accounts").today
        } else {
            let place = activity.place(currency.0 - 1, firm);
            &mut activity.value[place]
        }
    }

    /// What is counted of a firm for its limits, as of a balance.
    #[cfg(test)]
    pub(crate) fn firm_counts(&self, firm: FirmId, asset: super::Asset) -> [i64; 4] {
        match asset {
            super::Asset::Cash(currency) => self.firm_value(firm, currency).counts(),
            super::Asset::Shares(id) => [self.firm_activity.shares(firm, id), 0, 0, 0],
        }
    }
}
