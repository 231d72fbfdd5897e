//! Prices and times as people write them. Never through a float.

pub(super) use crate::config::decimal::show as show_price;
use crate::config::decimal::{self, DECIMALS_MAX};
use crate::types::{Date, Nanos};

/// `text` in units of 10^-`decimals`; `None` if it is no such number.
pub(super) fn parse_price(text: &str, decimals: u8) -> Option<u64> {
    decimal::parse(text, decimals).ok()
}

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

/// An argument that says how many decimals prices have.
pub(super) fn decimals() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=i64::from(DECIMALS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_and_shown_with_their_decimals() {
        for (text, decimals, price, shown) in [
            ("10.50", 4, 105_000, "10.5000"),
            ("10", 4, 100_000, "10.0000"),
            ("0.0001", 4, 1, "0.0001"),
            ("71500", 0, 71_500, "71500"),
        ] {
            assert_eq!(parse_price(text, decimals), Some(price), "{text}");
            assert_eq!(show_price(price, decimals), shown);
        }
    }

    #[test]
    fn what_is_no_price_is_none() {
        for text in ["", ".", "1.", ".5", "-1", "1e3", "1.00001", "99999999999999999999"] {
            assert_eq!(parse_price(text, 4), None, "{text}");
        }
    }

    #[test]
    fn a_time_of_day_is_shown_to_the_nanosecond() {
        assert_eq!(show_time(34_200_000_000_001), "09:30:00.000000001");
        let moment = Nanos::from_secs(1_795_305_600 + 34_200);
        assert_eq!(show_moment(moment), "2026-11-22 09:30:00.000000000");
    }
}
