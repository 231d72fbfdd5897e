//! The TCP engine's clock, which runs faster than ours.
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
//! | probe of a window that is closed when bytes are queued | at once | at once |
//! | probe of a window that closes on queued bytes | retransmission timeout | 50 ms or more |
//! | the next probes | twice as long each, up to 60 s | up to 3 s |
//! | between two challenge ACKs | 1 s | 50 ms |
//! | delayed ACK | set to 200 ms | 10 ms |
//!
//! What a lost last segment costs beside that, `recovery` says.

use smoltcp::time::{Duration, Instant};

use crate::types::Nanos;

/// How many times as fast the engine's clock runs.
const SCALE: u64 = 20;

/// How long the engine is to delay an ACK, by its clock: 10 ms for data to ride on.
pub(super) const ACK_DELAY: Duration = Duration::from_millis(10 * SCALE);

/// The engine's time at `now`.
pub(super) fn engine_time(now: Nanos) -> Instant {
    let micros = now.0 / 1_000 * SCALE;
    Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// The time at which the engine's clock shows `instant`.
pub(super) fn real_time(instant: Instant) -> Nanos {
    let micros = u64::try_from(instant.total_micros()).unwrap_or(0);
    Nanos(micros.saturating_mul(1_000).div_ceil(SCALE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_the_engine_is_fifty_milliseconds() {
        let now = Nanos::from_secs(7);
        let deadline = engine_time(now) + Duration::from_secs(1);
        assert_eq!(real_time(deadline).since(now), Nanos::from_millis(50));
    }
}
