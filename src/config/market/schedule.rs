//! The market file's schedules and price bands: when instruments trade, and how far a price may jump.
//! Both may change with the file; a schedule holds from the next day on.

use std::fmt;

use zerocopy::FromZeros as _;

use super::table::{InstrumentTable, ScheduleTable};
use super::{Keys, Market, quoted};
use crate::config::error::ConfigError;
use crate::types::command::{Calendar, CommandHeader, PriceBand};
use crate::types::event::{CalendarSet, PriceBandSet};
use crate::types::{Nanos, Symbol};

impl Market {
    pub(super) fn schedule(
        &self,
        keys: &Keys,
        table: &ScheduleTable,
    ) -> Result<Calendar, ConfigError> {
        let group = table.group.map_or(Ok(0), |group| keys.letter("group", group))?;
        let group_name = table.group.map_or("(absent)".to_owned(), |group| format!("{group:?}"));
        let unique = self.schedules.iter().all(|other| other.group != group);
        keys.rule(unique, "group", group_name, "has a schedule already")?;
        let fits = self.schedules.len() < SCHEDULES_MAX;
        let rule = format_args!("is one of more than {SCHEDULES_MAX} schedules");
        keys.rule(fits, "open", quoted(&table.open), rule)?;
        let mut last = None;
        let mut time = |key: &str, text: Option<&str>| {
            let Some(text) = text else { return Ok(Nanos::ZERO) };
            let rule = "must be a time above 00:00:00 and below 48:00:00, as in \"09:30:00\"";
            let time = parse_time(text).ok_or_else(|| keys.broken(key, quoted(text), rule))?;
            let rule = "must be behind the times before it: opening_auction, open, closing_auction, \
                        close";
            keys.rule(last < Some(time), key, quoted(text), rule)?;
            last = Some(time);
            Ok(time)
        };
        Ok(Calendar {
            header: CommandHeader::internal::<Calendar>(Nanos::ZERO),
            opening_auction: time("opening_auction", table.opening_auction.as_deref())?,
            open: time("open", Some(&table.open))?,
            closing_auction: time("closing_auction", table.closing_auction.as_deref())?,
            close: time("close", Some(&table.close))?,
            group,
            ..Calendar::new_zeroed()
        })
    }

    /// The price band of an instrument.
    pub(super) fn band(
        keys: &Keys,
        symbol: Symbol,
        table: &InstrumentTable,
    ) -> Result<PriceBand, ConfigError> {
        let &InstrumentTable { band_bps, auction_ms, .. } = table;
        keys.rule(band_bps <= 10_000, "band_bps", band_bps, "must be at most 10000")?;
        let rule = "must be in 1..=3600000";
        keys.rule((1..=3_600_000).contains(&auction_ms), "auction_ms", auction_ms, rule)?;
        Ok(PriceBand {
            header: CommandHeader::internal::<PriceBand>(Nanos::ZERO),
            symbol,
            auction_ms,
            band_bps,
            ..PriceBand::new_zeroed()
        })
    }
}

/// As many as the engine has timers for.
const SCHEDULES_MAX: usize = 16;

/// The band and the auction's length of an instrument for which neither was ever set.
const NO_BAND: (u16, u32) = (0, InstrumentTable::auction_ms());

/// What is to be done for a schedule that is wanted; `None` if it is there.
pub(super) fn describe_schedule(wanted: &Calendar, there: Option<&CalendarSet>) -> Option<String> {
    let group = match wanted.group {
        0 => "of the venue".to_owned(),
        group => format!("of group {:?}", char::from(group)),
    };
    let times = [wanted.opening_auction, wanted.open, wanted.closing_auction, wanted.close];
    let was = there.map(|set| [set.opening_auction, set.open, set.closing_auction, set.close]);
    match was {
        Some(was) if was == times => None,
        Some(was) => Some(format!("~ schedule {group}: {} -> {}", Times(was), Times(times))),
        None => Some(format!("+ schedule {group}: {}", Times(times))),
    }
}

/// What is to be done for a price band that is wanted; `None` if it is there.
pub(super) fn describe_band(wanted: &PriceBand, there: Option<&PriceBandSet>) -> Option<String> {
    let was = there.map_or(NO_BAND, |set| (set.band_bps, set.auction_ms));
    let (bps, millis) = (wanted.band_bps, wanted.auction_ms);
    let shown = |(bps, millis)| format!("{bps} bps, auctions of {millis} ms");
    let symbol = wanted.symbol;
    (was != (bps, millis))
        .then(|| format!("~ price band of {symbol}: {} -> {}", shown(was), shown((bps, millis))))
}

struct Times([Nanos; 4]);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for time in self.0.iter().filter(|&&time| time > Nanos::ZERO) {
            let seconds = time.second();
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            write!(f, "{separator}{hours:02}:{minutes:02}:{:02}", seconds % 60)?;
            separator = ", ";
        }
        Ok(())
    }
}

/// "09:30:00" as a time since midnight, which may be of the next day.
fn parse_time(text: &str) -> Option<Nanos> {
    let parts: Vec<u64> = text.split(':').map(digits).collect::<Option<_>>()?;
    let &[hours, minutes, seconds] = parts.as_slice() else { return None };
    let time = Nanos::from_secs(hours * 3_600 + minutes * 60 + seconds);
    (hours < 48 && minutes < 60 && seconds < 60 && time > Nanos::ZERO).then_some(time)
}

fn digits(text: &str) -> Option<u64> {
    let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    two.then(|| text.parse().ok())?
}
