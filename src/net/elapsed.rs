//! Time since a transport was made: never steps back, whatever the caller's clock does.
//!
//! Reads no clock; the caller tells what time it is.

use crate::types::Nanos;

/// The time that deadlines are counted in. Starts at one second, since zero means "at once" to some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elapsed {
    seen: Option<Nanos>,
    now: Nanos,
}

/// The longest step taken at once. After a longer stall (or a step of the system's clock) timers run
/// late rather than all at once.
const STEP_MAX: Nanos = Nanos::SECOND;

impl Elapsed {
    pub(super) const fn new() -> Self {
        Self { seen: None, now: Nanos::SECOND }
    }

    /// Moves on to `now`, by the caller's clock.
    pub(super) fn advance(&mut self, now: Nanos) {
        let step = now.since(self.seen.unwrap_or(now)).min(STEP_MAX);
        self.now = self.now.after(step);
        self.seen = Some(now);
    }

    pub(super) const fn now(&self) -> Nanos {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_callers_clock_but_never_steps_back_or_far_ahead() {
        let mut elapsed = Elapsed::new();
        let mut after = |secs| {
            elapsed.advance(Nanos::from_millis(secs));
            elapsed.now().since(Nanos::SECOND)
        };
        assert_eq!(after(5_000_000), Nanos::ZERO);
        assert_eq!(after(5_000_003), Nanos::from_millis(3));
        assert_eq!(after(1), Nanos::from_millis(3));
        assert_eq!(after(2), Nanos::from_millis(4));
        assert_eq!(after(9_000_000), Nanos::from_millis(1_004));
    }
}
