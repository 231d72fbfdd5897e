//! The stack's clock: never steps back, and runs faster for the TCP engine than for us.
//!
//! smoltcp's timers are fixed for the open Internet: it never retransmits before one second. On an
//! exchange's segment a lost last segment would stall a participant that long, so the engine is shown a
//! clock that runs [`SCALE`] times as fast. In real time its timers are then:
//!
//! | timer | engine | real |
//! |---|---|---|
//! | least and first retransmission timeout | 1 s | 50 ms, above a kernel's 40 ms delayed ACK |
//! | greatest retransmission timeout | 60 s | 3 s |
//! | `TIME_WAIT` | 10 s | 500 ms |
//! | between two challenge ACKs | 1 s | 50 ms |
//! | delayed ACK | set to 200 ms | 10 ms |

use smoltcp::time::{Duration, Instant};

use crate::types::Nanos;

/// How many times as fast the engine's clock runs.
pub(super) const SCALE: u64 = 20;

/// Real time a delayed ACK waits for data to ride on.
const ACK_DELAY_MILLIS: u64 = 10;

/// The longest step taken at once. After a longer stall (or a step of the system's clock) timers run
/// late rather than all at once.
const STEP_MAX: Nanos = Nanos::SECOND;

/// Time since the stack was made, plus one second: zero means "at once" to the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    seen: Option<Nanos>,
    elapsed: Nanos,
}

impl Clock {
    pub(super) const fn new() -> Self {
        Self { seen: None, elapsed: Nanos::SECOND }
    }

    /// Moves to `now`, by the caller's clock.
    pub(super) fn advance(&mut self, now: Nanos) {
        let step = now.since(self.seen.unwrap_or(now)).min(STEP_MAX);
        self.elapsed = self.elapsed.after(step);
        self.seen = Some(now);
    }

    /// Real time.
    pub(super) const fn now(&self) -> Nanos {
        self.elapsed
    }

    /// The engine's time.
    pub(super) fn engine(&self) -> Instant {
        let micros = self.elapsed.0 / 1_000 * SCALE;
        Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// The real time at which the engine's clock shows `instant`.
pub(super) fn real(instant: Instant) -> Nanos {
    let micros = u64::try_from(instant.total_micros()).unwrap_or(0);
    Nanos((micros.saturating_mul(1_000)).div_ceil(SCALE))
}

/// How long the engine is to delay an ACK, by its clock.
pub(super) const ACK_DELAY: Duration = Duration::from_millis(ACK_DELAY_MILLIS * SCALE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_sees_a_faster_clock_that_never_steps_back() {
        let mut clock = Clock::new();
        clock.advance(Nanos::from_secs(1_000));
        let start = clock.engine();
        clock.advance(Nanos::from_secs(1_000).after(Nanos::from_millis(3)));
        assert_eq!(clock.engine() - start, Duration::from_millis(60));
        clock.advance(Nanos::from_secs(10));
        assert_eq!(clock.engine() - start, Duration::from_millis(60));
        clock.advance(Nanos::from_secs(900));
        assert_eq!(clock.engine() - start, Duration::from_millis(60) + Duration::from_secs(SCALE));
    }

    #[test]
    fn a_deadline_of_the_engine_is_translated_back() {
        let mut clock = Clock::new();
        clock.advance(Nanos::SECOND);
        let deadline = clock.engine() + Duration::from_millis(1_000);
        assert_eq!(real(deadline).since(clock.now()), Nanos::from_millis(50));
    }
}
