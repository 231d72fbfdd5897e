//! Times and prices as people are shown them. Never through a float.

use crate::config::decimal::DECIMALS_MAX;
pub(super) use crate::config::decimal::show as show_price;
use crate::types::{Date, DateError, Nanos};

/// Nanoseconds since midnight as a time of day.
pub(super) fn show_time(timestamp: u64) -> String {
    let (seconds, nanos) = (timestamp / 1_000_000_000, timestamp % 1_000_000_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{nanos:09}", seconds % 60)
}

/// A moment as date and time of day, UTC.
pub(super) fn show_moment(moment: Nanos) -> String {
    let date = Date::of(moment);
    format!("{date} {}", show_time(moment.since(date.midnight()).0))
}

/// A moment as [`show_moment`] writes it, or the beginning of that: a date, a time of day to the minute,
/// the second or some part of it; or nanoseconds since 1970.
pub(super) fn parse_moment(text: &str) -> Result<Nanos, String> {
    if let Ok(nanos) = text.parse() {
        return Ok(Nanos(nanos));
    }
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let date: Date = date.parse().map_err(|error: DateError| error.to_string())?;
    let time = parse_time(time.trim_end_matches('Z'));
    let time = time.ok_or("a time of day is written HH:MM, HH:MM:SS or HH:MM:SS.fraction (UTC)")?;
    Ok(date.midnight().after(time))
}

fn parse_time(text: &str) -> Option<Nanos> {
    let mut parts = text.split(':');
    let mut below = |bound: u64| {
        let part = parts.next()?;
        let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
        let number = whole.parse().ok().filter(|&number| number < bound && whole.len() == 2)?;
        Some((number, fraction))
    };
    let (hours, no_part) = below(24)?;
    let (minutes, nor_here) = below(60)?;
    let (seconds, fraction) = if text.len() > 5 { below(60)? } else { (0, "") };
    let is_whole = no_part.is_empty() && nor_here.is_empty() && parts.next().is_none();
    if !is_whole || fraction.len() > 9 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some(Nanos(Nanos::from_secs(hours * 3_600 + minutes * 60 + seconds).0 + nanos))
}

/// An argument that says how many decimals prices have.
pub(super) fn decimals() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=i64::from(DECIMALS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_shown_to_the_nanosecond() {
        assert_eq!(show_time(34_200_000_000_001), "09:30:00.000000001");
        let moment = Nanos::from_secs(1_795_305_600 + 34_200);
        assert_eq!(show_moment(moment), "2026-11-22 09:30:00.000000000");
    }

    #[test]
    fn a_moment_is_read_as_it_is_shown_and_shorter() {
        let day = 1_795_305_600_000_000_000;
        for (text, nanos) in [
            ("2026-11-22", day),
            ("2026-11-22 09:30", day + 34_200_000_000_000),
            ("2026-11-22T09:30:00.5Z", day + 34_200_500_000_000),
            ("2026-11-22 23:59:59.999999999", day + 86_399_999_999_999),
            ("1795305600000000001", day + 1),
        ] {
            assert_eq!(parse_moment(text), Ok(Nanos(nanos)), "{text}");
        }
        for text in [
            "",
            "9:30",
            "2026-11-22 9:30",
            "2026-11-22 24:00",
            "2026-11-22 09:30:",
            "2026-11-22 09.1:30",
        ] {
            assert!(parse_moment(text).is_err(), "{text}");
        }
    }
}
