//! A device's clock beside ours: when a frame came that the device has stamped.
//!
//! What a tick is worth is not asked of the device but measured, and anew when it was measured for a second:
//! a clock that is set or steered by others (PTP) is wrong until then.

use std::time::{Duration, Instant};

/// Compares stamps of a device with moments of ours.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeviceClock {
    /// From where its rate is measured.
    first: Option<Reading>,
}

/// What a device's clock said at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// In ticks of its own.
    pub(super) ticks: u64,
    /// When it was read.
    pub(super) at: Instant,
}

/// The rate is known after so long: the microsecond that a reading takes is a ten thousandth of it.
const KNOWN_AFTER: Duration = Duration::from_millis(10);
/// The rate is measured anew after so long.
const MEASURED_FOR: Duration = Duration::from_secs(1);

impl DeviceClock {
    /// When the clock, which is read `now`, stood at `stamp`. `None` while its rate is not known, and if that
    /// was longer ago than it is known for, or is still to come.
    pub(super) fn arrival(&mut self, stamp: u64, now: Reading) -> Option<Instant> {
        let first = *self.first.get_or_insert(now);
        let measured = now.at.saturating_duration_since(first.at);
        if measured > MEASURED_FOR {
            self.first = Some(now);
        }
        let ticks = now.ticks.checked_sub(first.ticks).filter(|_| measured >= KNOWN_AFTER)?;
        let ago = now.ticks.checked_sub(stamp).filter(|&ago| ago <= ticks)?;
        let nanos = u128::from(ago) * measured.as_nanos() / u128::from(ticks.max(1));
        now.at.checked_sub(Duration::from_nanos(u64::try_from(nanos).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock of 156.25 MHz, as NICs have, `nanos` after it stood at `from`.
    fn reading(start: Instant, from: u64, nanos: u64) -> Reading {
        Reading { ticks: from + nanos * 5 / 32, at: start + Duration::from_nanos(nanos) }
    }

    #[test]
    fn a_stamp_is_as_old_as_the_rate_that_was_measured_says() {
        let (mut clock, start) = (DeviceClock::default(), Instant::now());
        let at = |nanos| reading(start, 1 << 60, nanos);
        assert_eq!(clock.arrival(at(0).ticks, at(0)), None, "nothing is known of it");
        assert_eq!(clock.arrival(at(9_999_000).ticks, at(9_999_999)), None, "not long enough");
        let stamped = at(10_000_000);
        assert_eq!(clock.arrival(stamped.ticks, at(10_000_320)), Some(stamped.at));
        assert_eq!(clock.arrival(stamped.ticks, at(900_000_000)), Some(stamped.at));
    }

    #[test]
    fn what_is_still_to_come_or_was_before_anything_is_known_has_no_moment() {
        let (mut clock, start) = (DeviceClock::default(), Instant::now());
        let at = |nanos| reading(start, 1_000, nanos);
        clock.arrival(0, at(0));
        assert_eq!(clock.arrival(at(20_000_064).ticks, at(20_000_000)), None);
        assert_eq!(clock.arrival(999, at(20_000_000)), None);
        assert_eq!(clock.arrival(1_000, at(20_000_000)), Some(start));
    }

    #[test]
    fn a_clock_that_is_set_is_wrong_until_its_rate_is_measured_again() {
        let (mut clock, start) = (DeviceClock::default(), Instant::now());
        clock.arrival(0, reading(start, 1 << 40, 0));
        let set = |nanos| reading(start, 77, nanos);
        let early = set(500_000_000);
        assert_eq!(
            clock.arrival(early.ticks, set(500_000_100)),
            None,
            "it stands before the first"
        );
        assert_eq!(clock.arrival(0, set(1_000_000_320)), None, "from here on it is measured again");
        let stamped = set(1_020_000_000);
        assert_eq!(clock.arrival(stamped.ticks, set(1_020_000_640)), Some(stamped.at));
    }

    #[test]
    fn a_clock_that_stands_still_tells_nothing_but_that() {
        let (mut clock, start) = (DeviceClock::default(), Instant::now());
        let at = |millis| Reading { ticks: 5, at: start + Duration::from_millis(millis) };
        clock.arrival(5, at(0));
        assert_eq!(clock.arrival(5, at(20)), Some(at(20).at));
        assert_eq!(clock.arrival(4, at(20)), None);
    }
}
