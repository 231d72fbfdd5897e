//! The clock of an agent thread: real time that never steps.
//!
//! Timers of stages are moments, and a step of the system's clock would stop them all, or fire them
//! all. So time runs with the monotonic clock and is drawn towards real time a little at a time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::types::Nanos;

/// How often real time is looked at.
const DISCIPLINE_INTERVAL: Nanos = Nanos::SECOND;
/// The most of an interval by which it is drawn: 1/10. A clock that was an hour off is right again
/// after ten hours, and no timer runs more than a tenth too fast or too slow.
const SLEW_DIVISOR: i64 = 10;

/// Reads the time once per duty cycle.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    discipline: Discipline,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), discipline: Discipline::new(real_time()) }
    }

    /// Now. Never less than before.
    pub(super) fn now(&mut self) -> Nanos {
        let elapsed = self.started.elapsed().as_nanos();
        let elapsed = Nanos(u64::try_from(elapsed).unwrap_or(u64::MAX));
        self.discipline.now(elapsed, real_time)
    }
}

/// Time as a function of the monotonic clock and of what real time says now and then.
#[derive(Debug)]
struct Discipline {
    /// What is added to the time that has elapsed.
    offset: Nanos,
    /// When real time is looked at next, in time elapsed.
    look_at: Nanos,
    last: Nanos,
}

impl Discipline {
    const fn new(real: Nanos) -> Self {
        Self { offset: real, look_at: DISCIPLINE_INTERVAL, last: Nanos::ZERO }
    }

    fn now(&mut self, elapsed: Nanos, real: impl FnOnce() -> Nanos) -> Nanos {
        if elapsed >= self.look_at {
            let interval = elapsed.0 - self.look_at.0 + DISCIPLINE_INTERVAL.0;
            self.look_at = elapsed.after(DISCIPLINE_INTERVAL);
            let most = i64::try_from(interval).unwrap_or(i64::MAX) / SLEW_DIVISOR;
            let behind = real().0.wrapping_sub(self.offset.after(elapsed).0).cast_signed();
            let drawn = behind.clamp(-most, most);
            self.offset = Nanos(self.offset.0.saturating_add_signed(drawn));
        }
        // A clock that is drawn back stands still meanwhile.
        self.last = self.last.max(self.offset.after(elapsed));
        self.last
    }
}

/// Real time, which may step: for those who need a moment once. Stages are given theirs.
#[must_use]
pub fn real_time() -> Nanos {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos::from_secs(1_000_000);

    /// The time after `seconds`, read each millisecond, while real time is `off` nanoseconds away.
    fn after(seconds: u64, off: i64) -> (Nanos, bool) {
        let mut clock = Discipline::new(START);
        let (mut last, mut steady) = (START, true);
        for millis in 0..=seconds * 1_000 {
            let elapsed = Nanos::from_millis(millis);
            let real = Nanos(START.after(elapsed).0.saturating_add_signed(off));
            let now = clock.now(elapsed, || real);
            steady &= now >= last && now.since(last) <= Nanos::from_millis(102);
            last = now;
        }
        (last, steady)
    }

    #[test]
    fn it_follows_real_time() {
        assert_eq!(after(10, 0), (START.after(Nanos::from_secs(10)), true));
        assert_eq!(after(10, 5_000), (START.after(Nanos(10_000_005_000)), true));
    }

    #[test]
    fn a_step_of_an_hour_moves_it_by_a_tenth_of_the_time_that_passes() {
        let hour = 3_600_000_000_000;
        assert_eq!(after(10, hour), (START.after(Nanos::from_secs(11)), true));
        // Drawn back by 100 ms at the tenth second, it stands still for as long.
        let (now, steady) = after(10, -hour);
        assert!(steady && now > START.after(Nanos::from_millis(9_090)), "{now}");
        assert!(now < START.after(Nanos::from_millis(9_100)), "{now}");
    }
}
