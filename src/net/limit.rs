//! A rate limit: so many a second, with a burst.
//!
//! Keeps one number (the generic cell rate algorithm); a refusal costs nothing.

use crate::types::Nanos;

/// A rate and a burst, for any number of limits that share them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    interval: Nanos,
    burst: Nanos,
}

/// Grants at most a burst at once and a rate over time.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    rate: Rate,
    /// When all that was granted has been paid for.
    paid: Nanos,
}

impl Rate {
    /// So many a second, and so many at once.
    ///
    /// # Panics
    /// If nothing is granted.
    pub(crate) const fn new(per_second: u64, burst: u64) -> Self {
        let interval = Nanos(Nanos::SECOND.0 / per_second);
        Self { interval, burst: Nanos(interval.0 * burst) }
    }

    /// Whether one more is granted to whoever will have paid for the last ones at `paid`.
    pub(crate) fn take(&self, paid: &mut Nanos, now: Nanos) -> bool {
        let next = (*paid).max(now).after(self.interval);
        let granted = next.since(now) <= self.burst;
        if granted {
            *paid = next;
        }
        granted
    }
}

impl RateLimit {
    /// Grants so many a second, and so many at once.
    ///
    /// # Panics
    /// If nothing is granted.
    #[must_use]
    pub const fn new(per_second: u64, burst: u64) -> Self {
        Self { rate: Rate::new(per_second, burst), paid: Nanos::ZERO }
    }

    /// Whether one more is granted.
    pub fn take(&mut self, now: Nanos) -> bool {
        self.rate.take(&mut self.paid, now)
    }

    /// Whether one more would be granted.
    #[must_use]
    pub fn has_room(&self, now: Nanos) -> bool {
        self.rate.take(&mut { self.paid }, now)
    }

    /// Counts what could not wait to be granted; if it was more than there was room for, the next wait
    /// for longer.
    pub fn spend(&mut self, count: u64, now: Nanos) {
        let cost = Nanos(self.rate.interval.0.saturating_mul(count));
        self.paid = self.paid.max(now).after(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_granted_and_then_the_rate() {
        let mut limit = RateLimit::new(1_000, 5);
        let granted = |limit: &mut RateLimit, now| (0..20).filter(|_| limit.take(now)).count();
        assert_eq!(granted(&mut limit, Nanos::SECOND), 5);
        let later = Nanos::SECOND.after(Nanos::from_millis(2));
        assert_eq!(granted(&mut limit, later), 2);
        assert_eq!(granted(&mut limit, Nanos::from_secs(9)), 5);
    }
}
