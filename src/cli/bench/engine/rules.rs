//! The rules of the whole engine's venue: every limit, fees and self-match prevention, all looked at for
//! every order and reached by none, so that the engine trades as books without rules do.

use std::collections::BTreeSet;

use zerocopy::FromZeros;

use super::whole::{OPENING, Writer, firm_code, symbol};
use crate::matching::BookSide;
use crate::types::command::{AccountOpen, CommandHeader, Fee, RiskLimit};
use crate::types::{
    AccountId, AccountStatus, CurrencyCode, FRAME_COMMANDS_MAX, Nanos, RiskKey, RiskScope, Symbol,
};

/// Which of the rules there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Limits, all of them, and fees.
    All,
    /// Neither.
    None,
    /// Limits of one kind.
    Limit(RiskKey),
    /// Fees.
    Fees,
}

impl Rules {
    fn has(self, key: RiskKey) -> bool {
        [Self::All, Self::Limit(key)].contains(&self)
    }
}

/// An account in which nobody has entered some order for longer than [`WINDOW_MS`].
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Of this span of time, and of the one before.
    entered: [BTreeSet<Terms>; 2],
    /// The end of this span.
    until: Nanos,
}

/// What makes an order the same as another of its account.
pub(super) type Terms = (AccountId, u16, bool, u64, u32);

/// Milliseconds in which no account enters the same order again: the shortest window there is.
const WINDOW_MS: u64 = 1;
/// The window, and what the time of a frame may differ from that of a command in it.
const SPAN: Nanos = Nanos::from_micros(1_000 * WINDOW_MS + FRAME_COMMANDS_MAX as u64);

/// In millionths: 1 and 3 basis points.
const MAKER_RATE: i32 = 100;
const TAKER_RATE: i32 = 300;

/// Limits of the venue, beyond what is ever asked for.
pub(super) const VENUE: [(RiskKey, u64); 11] = [
    (RiskKey::OrderQuantity, 500_000),
    (RiskKey::OrderNotional, AMOUNT),
    (RiskKey::Collar, 10_000),
    (RiskKey::SharesPerDay, AMOUNT),
    (RiskKey::OpenOrders, COUNT),
    (RiskKey::GrossExposure, AMOUNT),
    (RiskKey::NetExposure, AMOUNT),
    (RiskKey::MessageRate, COUNT),
    (RiskKey::SymbolMessageRate, COUNT),
    (RiskKey::DuplicateWindow, WINDOW_MS),
    (RiskKey::NoMarketOrders, 1),
];
const AMOUNT: u64 = 1 << 60;
const COUNT: u64 = 50_000_000;

/// A group for each side. Orders of one group are of one side then and never meet, so to keep those of a
/// group from meeting changes no trade. Accounts as they are would meet themselves now and then.
pub(super) const fn group_of(side: BookSide) -> u16 {
    match side {
        BookSide::Bids => 1,
        BookSide::Asks => 2,
    }
}

impl Writer {
    /// Sets the rules of a market. Its next account gets the fees.
    pub(super) fn rules(&mut self, rules: Rules) {
        let venue = AccountId(self.crowd.accounts + 1);
        self.push(&AccountOpen {
            header: CommandHeader::internal::<AccountOpen>(OPENING),
            account: venue,
            firm: firm_code(0),
            status: AccountStatus::Approved.byte(),
            ..AccountOpen::new_zeroed()
        });
        if [Rules::All, Rules::Fees].contains(&rules) {
            self.push(&Fee {
                header: CommandHeader::internal::<Fee>(OPENING),
                account: venue,
                maker_rate: MAKER_RATE,
                taker_rate: TAKER_RATE,
                scope: RiskScope::Venue.byte(),
                ..Fee::new_zeroed()
            });
        }
        let has = |&(key, _): &(RiskKey, u64)| rules.has(key);
        for (key, value) in VENUE.into_iter().filter(has) {
            self.push(&limit(RiskScope::Venue, key, value));
        }
        // Only an instrument can be restricted, and all are traded, but not by this account.
        if rules.has(RiskKey::Restricted) {
            let restricted = limit(RiskScope::AccountSymbol, RiskKey::Restricted, 1);
            self.push(&RiskLimit { account: venue, symbol: symbol(1), ..restricted });
        }
        // Tighter ones of its own for each firm, and for one account of each.
        for number in 0..self.crowd.firms {
            let more = u64::from(number);
            for (key, value) in [
                (RiskKey::OrderQuantity, 100_000 + more),
                (RiskKey::OrderNotional, AMOUNT / 2 + more),
                (RiskKey::GrossExposure, AMOUNT / 2 + more),
                (RiskKey::MessageRate, COUNT / 2 + more),
            ]
            .into_iter()
            .filter(has)
            {
                let firm = firm_code(number);
                self.push(&RiskLimit { firm, ..limit(RiskScope::Firm, key, value) });
            }
            for (key, value) in [
                (RiskKey::SharesPerDay, AMOUNT / 4 + more),
                (RiskKey::OpenOrders, COUNT / 4 + more),
                (RiskKey::NetExposure, AMOUNT / 4 + more),
            ]
            .into_iter()
            .filter(has)
            {
                let account = AccountId(number + 1);
                self.push(&RiskLimit { account, ..limit(RiskScope::Account, key, value) });
            }
        }
    }
}

impl Repeats {
    /// Notes an order, unless its account may have entered the same within the window.
    pub(super) fn note(&mut self, terms: Terms, now: Nanos) -> bool {
        if now >= self.until {
            self.until = now.after(SPAN);
            self.entered.swap(0, 1);
            self.entered[0].clear();
        }
        !self.entered[1].contains(&terms) && self.entered[0].insert(terms)
    }
}

fn limit(scope: RiskScope, key: RiskKey, value: u64) -> RiskLimit {
    let is_amount =
        matches!(key, RiskKey::OrderNotional | RiskKey::GrossExposure | RiskKey::NetExposure);
    let usd = CurrencyCode::new("USD").expect("three letters");
    RiskLimit {
        header: CommandHeader::internal::<RiskLimit>(OPENING),
        value,
        symbol: Symbol::BLANK,
        currency: if is_amount { usd } else { CurrencyCode::new_zeroed() },
        scope: scope.byte(),
        key: key.byte(),
        ..RiskLimit::new_zeroed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::engine::{Crowd, Log, Workload, apply};
    use crate::engine::FrameList;
    use crate::types::event::Event;

    #[test]
    fn every_limit_and_the_fees_are_set_every_fill_is_charged_and_no_order_is_refused() {
        let crowd = Crowd { firms: 5, ports: 10, accounts: 50 };
        let log = Log::new(&Workload::one_book(5_000), crowd, 64);
        let mut events = FrameList::default();
        let mut engine = log.engine(&mut events);
        apply(&mut engine, &log.timed, &mut events);
        let (mut keys, mut firms, mut accounts) = (BTreeSet::new(), 0, 0);
        let (mut fees, mut charged, mut fills) = (0, 0, 0);
        for (_, record) in events.records() {
            match Event::parse(record).expect("an event") {
                Event::RiskLimitSet(set) => {
                    keys.insert(set.key);
                    firms += u32::from(set.scope == RiskScope::Firm.byte());
                    accounts += u32::from(set.scope == RiskScope::Account.byte());
                }
                Event::FeeSet(_) => fees += 1,
                Event::Executed(fill) => {
                    fills += 1;
                    charged += u32::from(fill.fee > 0);
                }
                Event::Rejected(rejected) => panic!("{rejected:?}"),
                Event::Refused(refused) => panic!("{refused:?}"),
                _ => {}
            }
        }
        assert_eq!(keys.len(), 12, "{keys:?}");
        // Each is said when it is set, and when the day begins.
        assert_eq!((firms, accounts, fees), (2 * 5 * 4, 2 * 5 * 3, 2));
        assert!(fills > 100);
        assert_eq!(charged, fills);
    }

    #[test]
    fn an_account_enters_nothing_again_before_the_window_is_over() {
        let mut repeats = Repeats::default();
        let order = (AccountId(1), 1, true, 100, 100);
        let mut last = None;
        for micros in (0..20_000).step_by(7) {
            let now = OPENING.after(Nanos::from_micros(micros));
            if repeats.note(order, now) {
                assert!(last.is_none_or(|last| now.since(last) >= SPAN));
                last = Some(now);
            }
            assert!(last.is_some_and(|last| now.since(last) < Nanos(3 * SPAN.0)));
        }
    }
}
