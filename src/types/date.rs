//! Calendar dates, as far as a trading day needs them: a session id and a midnight. UTC only.

use std::fmt;
use std::str::FromStr;

use super::{Nanos, SessionId};

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u32,
    month: u32,
    day: u32,
}

const SECONDS_PER_DAY: u64 = 86_400;

impl Date {
    /// The last session of a date: four digits have no more.
    pub const GENERATION_MAX: u16 = 9_999;

    /// The day that `moment` lies in.
    ///
    /// # Panics
    /// Never: the last moment there is lies in 2554.
    #[must_use]
    pub fn of(moment: Nanos) -> Self {
        let mut days = moment.second() / SECONDS_PER_DAY;
        let mut year = 1970;
        while days >= days_in_year(year) {
            days -= days_in_year(year);
            year += 1;
        }
        let mut month = 1;
        while days >= days_in_month(year, month) {
            days -= days_in_month(year, month);
            month += 1;
        }
        let day = u32::try_from(days).expect("less than a month") + 1;
        Self { year: u32::try_from(year).expect("nanoseconds end in 2554"), month, day }
    }

    /// The day of the decimal number YYYYMMDD, if it is one of the calendar.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::new(number / 10_000, number / 100 % 100, number % 100)
    }

    fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let known = (1970..=2553).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(u64::from(year), month)).contains(&u64::from(day));
        known.then_some(Self { year, month, day })
    }

    /// The moment it begins.
    #[must_use]
    pub fn midnight(self) -> Nanos {
        let year = u64::from(self.year);
        let years: u64 = (1970..year).map(days_in_year).sum();
        let months: u64 = (1..self.month).map(|month| days_in_month(year, month)).sum();
        Nanos::from_secs((years + months + u64::from(self.day) - 1) * SECONDS_PER_DAY)
    }

    /// As the decimal number YYYYMMDD.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.year * 10_000 + self.month * 100 + self.day
    }

    /// The session id of its `generation`-th session: YYMMDD and four digits.
    ///
    /// # Panics
    /// If the generation is above [`Date::GENERATION_MAX`]: cut to four digits it would be another's.
    #[must_use]
    pub fn session(self, generation: u16) -> SessionId {
        assert!(generation <= Self::GENERATION_MAX, "generation {generation} of {self}");
        let text = format!("{:06}{generation:04}", self.number() % 1_000_000);
        SessionId::new(&text).expect("ten digits")
    }

    /// The generation of this date's session behind `last`: 1 if that was another date's, and none if
    /// that was the last that this date has.
    #[must_use]
    pub fn generation_after(self, last: SessionId) -> Option<u16> {
        let (day, generation) = last.0.split_at(6);
        let same = self.session(1).0.starts_with(day);
        let last = str::from_utf8(generation).ok().and_then(|text| text.parse::<u16>().ok());
        let next = last.filter(|_| same).map_or(1, |last| last + 1);
        (next <= Self::GENERATION_MAX).then_some(next)
    }

    /// The day and the session id that go on behind `last`, no matter which day that was of: what the
    /// world has seen is never given again. A day that has no more sessions gives way to the next.
    #[must_use]
    pub fn session_behind(self, last: SessionId) -> (Self, SessionId) {
        let century = self.number() / 1_000_000 * 1_000_000;
        let day = str::from_utf8(&last.0[..6]).ok().and_then(|text| text.parse::<u32>().ok());
        let seen = day.and_then(|day| Self::from_number(century + day));
        let date = seen.map_or(self, |seen| self.max(seen));
        match date.generation_after(last) {
            Some(generation) => (date, date.session(generation)),
            None => (date.next(), date.next().session(1)),
        }
    }

    fn next(self) -> Self {
        Self::of(self.midnight().after(Nanos::from_secs(SECONDS_PER_DAY)))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The text is no day from 1970 to 2553 written YYYY-MM-DD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a date is written YYYY-MM-DD, from 1970-01-01 to 2553-12-31")]
pub struct DateError;

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let mut parts = text.split('-').map(|part| part.parse::<u32>().map_err(|_| DateError));
        let mut next = || parts.next().unwrap_or(Err(DateError));
        let (year, month, day) = (next()?, next()?, next()?);
        let is_whole = parts.next().is_none();
        Self::new(year, month, day).filter(|_| is_whole).ok_or(DateError)
    }
}

fn days_in_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_in_month(year: u64, month: u32) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_found_from_any_moment_of_its_day() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2024-02-29", 1_709_164_800),
            ("2024-12-31", 1_735_603_200),
            ("2026-11-22", 1_795_305_600),
        ] {
            let date: Date = text.parse().unwrap();
            assert_eq!(date.midnight(), Nanos::from_secs(seconds), "{text}");
            assert_eq!(Date::of(Nanos::from_secs(seconds)), date);
            assert_eq!(Date::of(Nanos::from_secs(seconds + 86_399)), date);
            assert_eq!(date.to_string(), text);
        }
    }

    #[test]
    fn a_session_id_is_the_date_and_a_generation() {
        let date: Date = "2026-11-22".parse().unwrap();
        assert_eq!(&date.session(1).0, b"2611220001");
    }

    #[test]
    fn a_number_is_a_date_if_the_calendar_has_it() {
        for number in [19_700_101, 20_240_229, 25_531_231] {
            assert_eq!(Date::from_number(number).unwrap().number(), number);
        }
        for number in [0, 19_691_231, 20_260_229, 20_261_301, 20_260_431, 20_260_100, u32::MAX] {
            assert_eq!(Date::from_number(number), None, "{number}");
        }
    }

    #[test]
    fn a_session_goes_on_behind_the_last_one_of_whatever_day() {
        let date: Date = "2026-11-22".parse().unwrap();
        let next: Date = "2026-11-23".parse().unwrap();
        assert_eq!(date.session_behind(SessionId::BLANK), (date, date.session(1)));
        assert_eq!(date.session_behind(date.session(4)), (date, date.session(5)));
        assert_eq!(date.session_behind(next.session(4)), (next, next.session(5)));
        assert_eq!(next.session_behind(date.session(4)), (next, next.session(1)));
        assert_eq!(date.session_behind(SessionId(*b"2699990001")), (date, date.session(1)));
    }

    #[test]
    fn a_second_session_of_a_date_has_the_next_generation() {
        let date: Date = "2026-11-22".parse().unwrap();
        assert_eq!(date.generation_after(date.session(1)), Some(2));
        assert_eq!(date.generation_after(date.session(9_998)), Some(9_999));
        assert_eq!(
            date.generation_after("2026-11-21".parse::<Date>().unwrap().session(7)),
            Some(1)
        );
        assert_eq!(date.generation_after(SessionId::BLANK), Some(1));
    }

    #[test]
    fn a_date_without_more_generations_gives_way_to_the_next_and_ids_still_rise() {
        for (date, next) in [("2026-11-22", "2026-11-23"), ("2027-12-31", "2028-01-01")] {
            let (date, next): (Date, Date) = (date.parse().unwrap(), next.parse().unwrap());
            let last = date.session(Date::GENERATION_MAX);
            assert_eq!(date.generation_after(last), None);
            assert_eq!(date.session_behind(last), (next, next.session(1)));
            assert!(next.session(1) > last);
            // And it stays there, whatever the clock says.
            assert_eq!(date.session_behind(next.session(1)), (next, next.session(2)));
        }
    }

    #[test]
    #[should_panic(expected = "generation 10000 of 2026-11-22")]
    fn a_generation_of_five_digits_is_never_cut() {
        let _ = "2026-11-22".parse::<Date>().unwrap().session(10_000);
    }

    #[test]
    fn text_that_is_no_date_is_refused() {
        for text in ["", "2026-11", "2026-13-01", "2026-02-29", "26-11-22", "2026-11-22-1", "x"] {
            assert_eq!(text.parse::<Date>(), Err(DateError), "{text}");
        }
    }
}
