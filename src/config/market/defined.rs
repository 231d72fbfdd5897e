//! What a log has defined, learnt from its events: the state that a market file is compared with.
//!
//! Reads no log itself, and knows of trading only that it happened.

use std::collections::{BTreeMap, BTreeSet};

use super::OPENING_BIT;
use super::fees::{self, FeeKey, FeeTerms};
use super::limits::LimitKey;
use crate::types::event::{
    AccountDefined, CalendarSet, CurrencyDefined, Event, FirmDefined, InstrumentDefined,
    PortDefined, PriceBandSet,
};
use crate::types::{AccountId, CurrencyCode, FirmCode, InstrumentId, Nanos, PortName, Symbol};

/// The definitions of an event log.
#[derive(Debug, Default)]
pub struct Defined {
    /// Orders that the venue has room for.
    pub(super) orders: u32,
    pub(super) currencies: BTreeMap<CurrencyCode, CurrencyDefined>,
    pub(super) firms: BTreeMap<FirmCode, FirmDefined>,
    pub(super) instruments: BTreeMap<Symbol, InstrumentDefined>,
    pub(super) bands: BTreeMap<InstrumentId, PriceBandSet>,
    /// By group.
    pub(super) schedules: BTreeMap<u8, CalendarSet>,
    pub(super) accounts: BTreeMap<AccountId, AccountDefined>,
    pub(super) ports: BTreeMap<PortName, PortDefined>,
    pub(super) fees: BTreeMap<FeeKey, FeeTerms>,
    /// The limits that hold, with 0 for one that was lifted.
    pub(super) limits: BTreeMap<LimitKey, u64>,
    /// Accounts that traded, or got or paid more than opening balances.
    pub(super) used: BTreeSet<AccountId>,
    /// The references of the opening balances that were paid.
    pub(super) opened: BTreeSet<u64>,
}

impl Defined {
    /// Learns from the next event of the log. Of two definitions of a thing the later one holds.
    pub fn learn(&mut self, event: &Event<'_>) {
        match *event {
            Event::VenueLimitsSet(set) => self.orders = set.orders,
            Event::CurrencyDefined(defined) => {
                self.currencies.insert(defined.code, *defined);
            }
            Event::FirmDefined(defined) => {
                self.firms.insert(defined.code, *defined);
            }
            Event::InstrumentDefined(defined) => {
                self.instruments.insert(defined.symbol, *defined);
            }
            Event::PriceBandSet(set) => {
                self.bands.insert(set.header.instrument, *set);
            }
            // Without a close it is none.
            Event::CalendarSet(set) if set.close == Nanos::ZERO => {
                self.schedules.remove(&set.group);
            }
            Event::CalendarSet(set) => {
                self.schedules.insert(set.group, *set);
            }
            Event::AccountDefined(defined) => {
                self.accounts.insert(defined.account, *defined);
            }
            Event::PortDefined(defined) => {
                self.ports.insert(defined.name, *defined);
            }
            Event::FeeSet(set) => {
                let (key, terms) = fees::of_event(set);
                self.fees.insert(key, terms);
            }
            Event::RiskLimitSet(set) => {
                self.limits.insert(LimitKey::from(set), set.value);
            }
            Event::BalanceChanged(changed) if changed.reference & OPENING_BIT != 0 => {
                self.opened.insert(changed.reference);
            }
            Event::BalanceChanged(changed) if changed.reference != 0 => {
                self.used.insert(changed.account);
            }
            Event::Executed(executed) => {
                self.used.insert(executed.account);
            }
            _ => {}
        }
    }
}
