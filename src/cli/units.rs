//! Times and prices as people are shown them. Never through a float.

use crate::config::decimal::DECIMALS_MAX;
pub(super) use crate::config::decimal::show as show_price;
use crate::types::{Date, Nanos};

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
    fn a_time_of_day_is_shown_to_the_nanosecond() {
        assert_eq!(show_time(34_200_000_000_001), "09:30:00.000000001");
        let moment = Nanos::from_secs(1_795_305_600 + 34_200);
        assert_eq!(show_moment(moment), "2026-11-22 09:30:00.000000000");
    }
}
