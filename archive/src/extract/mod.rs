//! From events to rows. Each event is at most a few rows of the tables, and nothing is remembered but names,
//! balances, the first side of a fill, and the trade that is being busted or corrected.

mod busts;
mod fills;
mod orders;

use rialto::types::event::{Event, EventHeader, Executed};
use rialto::types::{AccountId, AssetKind, Nanos, RiskScope};

use self::busts::Amendment;
use crate::ArchiveError;
use crate::ledger::{Asset, Ledger};
use crate::names::{Named, Names};
use crate::rows::BalanceRow;
use crate::source::Cause;
use crate::table::{Text, Time};
use crate::tables::Tables;

/// Turns the events of a day into rows.
#[derive(Debug)]
pub(crate) struct Extractor {
    tables: Tables,
    names: Names,
    ledger: Ledger,
    /// Where fees go; none as long as nothing costs anything.
    fee_account: AccountId,
    /// The side of a fill whose other side comes next.
    half: Option<Executed>,
    /// The trade that is being busted or corrected, as long as a side of it is not told.
    amendment: Option<Amendment>,
    actions: Actions,
}

/// An event, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) sequence: u64,
    pub(crate) time: Nanos,
    pub(crate) header: &'a EventHeader,
    pub(crate) cause: Cause<'a>,
}

/// Why an event is no row.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It says what cannot be.
    Event(String),
    /// It cannot be written.
    Archive(ArchiveError),
}

impl From<String> for Refused {
    fn from(what: String) -> Self {
        Self::Event(what)
    }
}

impl From<ArchiveError> for Refused {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl Extractor {
    pub(crate) fn new(tables: Tables, names: Names) -> Self {
        Self {
            tables,
            names,
            ledger: Ledger::default(),
            fee_account: AccountId::NONE,
            half: None,
            amendment: None,
            actions: Actions::new(),
        }
    }

    /// Writes the rows of an event.
    pub(crate) fn take(&mut self, event: &Event<'_>, origin: Origin<'_>) -> Result<(), Refused> {
        if self.half.is_some() && !matches!(event, Event::Executed(_)) {
            return Err(Refused::Event("a fill has only one side".to_owned()));
        }
        let is_of_a_bust = matches!(event, Event::FillBusted(_) | Event::FillCorrected(_));
        if self.amendment.is_some() != is_of_a_bust {
            return Err(Refused::Event("a bust or a correction is of both sides".to_owned()));
        }
        match event {
            Event::Accepted(accepted) => self.accepted(accepted, origin),
            Event::Replaced(replaced) => self.replaced(replaced, origin),
            Event::Rejected(rejected) => self.rejected(rejected, origin),
            Event::Canceled(canceled) => self.canceled(canceled, origin),
            Event::SelfMatchCanceled(canceled) => self.self_match_canceled(canceled, origin),
            Event::Modified(modified) => self.modified(modified, origin),
            Event::Rested(rested) => self.rested(rested, origin),
            Event::Restated(restated) => self.restated(restated, origin),
            Event::Reduced(reduced) => self.reduced(reduced, origin),
            Event::CancelRejected(rejected) => self.cancel_rejected(rejected, origin),
            Event::Executed(executed) => self.executed(executed, origin),
            Event::TradeBusted(busted) => self.trade_busted(busted, origin),
            Event::TradeCorrected(corrected) => self.trade_corrected(corrected, origin),
            Event::FillBusted(busted) => self.fill_busted(busted, origin),
            Event::FillCorrected(corrected) => self.fill_corrected(corrected, origin),
            Event::BalanceChanged(changed) => self.balance_changed(changed, origin),
            Event::DayStarted(_) => {
                self.ledger.begin_day();
                Ok(())
            }
            Event::FeeSet(fee) => {
                if fee.scope == RiskScope::Venue.byte() {
                    self.fee_account = fee.account;
                }
                Ok(())
            }
            // The page of the schema says why none of these is a row.
            Event::TermStarted(_)
            | Event::DayEnded(_)
            | Event::TimePassed(_)
            | Event::StateConfirmed(_)
            | Event::SystemMessage(_)
            | Event::Refused(_)
            | Event::VenueLimitsSet(_)
            | Event::CurrencyDefined(_)
            | Event::FirmDefined(_)
            | Event::PortDefined(_)
            | Event::AccountDefined(_)
            | Event::InstrumentDefined(_)
            | Event::TradingAction(_)
            | Event::RiskLimitSet(_)
            | Event::CalendarSet(_)
            | Event::PriceBandSet(_)
            | Event::PortWentUp(_)
            | Event::PortWentDown(_)
            | Event::EntrySwitched(_)
            | Event::AccountAnswered(_)
            | Event::MassCanceled(_)
            | Event::CrossTraded(_)
            | Event::Reprinted(_)
            | Event::Indication(_) => Ok(()),
        }
    }

    /// Ends the day: writes the balances, and hands the tables over.
    pub(crate) fn finish(mut self) -> Result<Tables, Refused> {
        if self.half.is_some() || self.amendment.is_some() {
            return Err(Refused::Event("it leaves a trade with one side".to_owned()));
        }
        self.ledger.check_conserved()?;
        for (account, asset, line) in self.ledger.lines() {
            let (kind, Named { name, decimals }) = match asset {
                Asset::Cash(id) => (AssetKind::Cash, self.names.currency(id)?.clone()),
                Asset::Shares(id) => {
                    let name = self.names.instrument(id)?.name.clone();
                    (AssetKind::Shares, Named { name, decimals: 0 })
                }
            };
            self.tables.balances.push(BalanceRow {
                account: account.0.into(),
                firm: self.names.firm_of_account(account)?,
                asset: self.names.character(kind.byte()),
                name,
                decimals,
                opening: line.opening,
                transferred: line.transferred,
                traded: line.traded,
                fees: line.fees,
                closing: line.balance,
            })?;
        }
        Ok(self.tables)
    }
}

/// The words that say what a row is.
#[derive(Debug)]
struct Actions {
    accepted: Text,
    replaced: Text,
    rested: Text,
    restated: Text,
    modified: Text,
    reduced: Text,
    canceled: Text,
    self_match_canceled: Text,
    rejected: Text,
    cancel_rejected: Text,
    opening: Text,
    transfer: Text,
    trade: Text,
    bust: Text,
    correction: Text,
    busted: Text,
    corrected: Text,
    fee: Text,
}

impl Actions {
    fn new() -> Self {
        Self {
            accepted: "accepted".into(),
            replaced: "replaced".into(),
            rested: "rested".into(),
            restated: "restated".into(),
            modified: "modified".into(),
            reduced: "reduced".into(),
            canceled: "canceled".into(),
            self_match_canceled: "self_match_canceled".into(),
            rejected: "rejected".into(),
            cancel_rejected: "cancel_rejected".into(),
            opening: "opening".into(),
            transfer: "transfer".into(),
            trade: "trade".into(),
            bust: "bust".into(),
            correction: "correction".into(),
            busted: "busted".into(),
            corrected: "corrected".into(),
            fee: "fee".into(),
        }
    }
}

/// Parquet's integers are signed. What does not fit, which only the terms of a refused order and the
/// outside world's references can be, keeps its bits.
const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

const fn moment(time: Nanos) -> Time {
    Time(time.0.cast_signed())
}
