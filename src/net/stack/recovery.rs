//! When a connection's last segment is sent again: sooner than the TCP engine would.
//!
//! The engine waits for its retransmission timeout from the last acknowledgment, and a delayed one
//! both begins that wait late and makes it longer, so that a lost last segment could cost a near peer
//! 90 ms and more. So 50 ms after something was sent for the first time (a tail loss probe, RFC 8985
//! 7) the connection's clock is put forward to the engine's own deadline. Nothing else changes: what is
//! sent then, and how the timeout backs off, is the engine's affair.

use smoltcp::time::{Duration, Instant};

use super::clock::{engine_time, real_time};
use crate::types::Nanos;

/// A connection's clock, and what is known of the way to its peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// How far the connection's clock was put forward, by the engine's measure.
    ahead: Duration,
    /// When to put it forward again, unless all is acknowledged by then.
    pub(super) probe_at: Nanos,
    /// When the last segment of the handshake left, and how often it did.
    answered_at: Nanos,
    answers: u8,
    /// Whether the peer is so near that an acknowledgment cannot still be on its way at the probe.
    near: bool,
}

/// From something new to the probe: more than a kernel's 40 ms delayed ACK and the way there and back.
const PROBE_AFTER: Nanos = Nanos::from_millis(50);
/// The way there and back to a near peer. To one farther away the engine's timeout applies alone:
/// probes would repeat what is not lost.
const NEAR: Nanos = Nanos::from_millis(8);
/// SYN|ACKs of one handshake. A peer in good faith whom none reaches asks again after a second; to one
/// that never asked, whose address a stranger wrote, no more is sent than this.
pub(super) const SYN_ACKS_MAX: u8 = 2;

impl Default for Recovery {
    fn default() -> Self {
        Self {
            ahead: Duration::ZERO,
            probe_at: Nanos::MAX,
            answered_at: Nanos::ZERO,
            answers: 0,
            near: false,
        }
    }
}

impl Recovery {
    /// The engine's time, as this connection is shown it.
    pub(super) fn engine_time(&self, now: Nanos) -> Instant {
        engine_time(now) + self.ahead
    }

    /// The time at which the connection's clock shows `instant`.
    pub(super) fn real_time(&self, instant: Instant) -> Nanos {
        real_time(instant - self.ahead)
    }

    /// A SYN|ACK has left.
    pub(super) fn answered(&mut self, now: Nanos) {
        self.answered_at = now;
        self.answers = self.answers.saturating_add(1);
    }

    /// Whether another SYN|ACK may leave.
    pub(super) fn may_answer(&self) -> bool {
        self.answers < SYN_ACKS_MAX
    }

    /// The peer has finished the handshake.
    pub(super) fn established(&mut self, now: Nanos) {
        self.near = now.since(self.answered_at) <= NEAR;
    }

    /// Something has left for the first time.
    pub(super) fn sent(&mut self, now: Nanos) {
        if self.near {
            self.probe_at = now.after(PROBE_AFTER);
        }
    }

    /// Puts the clock forward to `deadline`, at which the engine sends again what is not acknowledged.
    /// Whether it did.
    pub(super) fn probe(&mut self, now: Nanos, deadline: Option<Instant>) -> bool {
        self.probe_at = Nanos::MAX;
        let Some(deadline) = deadline.filter(|&at| at > self.engine_time(now)) else {
            return false;
        };
        self.ahead += deadline - self.engine_time(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::from_secs(5);

    #[test]
    fn a_probe_puts_the_clock_forward_to_the_deadline_and_time_goes_on_from_there() {
        let mut recovery = Recovery::default();
        let deadline = engine_time(NOW) + Duration::from_secs(4);
        assert!(recovery.probe(NOW, Some(deadline)));
        assert_eq!(recovery.engine_time(NOW), deadline);
        assert_eq!(recovery.real_time(deadline + Duration::from_secs(1)), NOW.after(PROBE_AFTER));
        assert!(!recovery.probe(NOW, Some(deadline)), "it is due without");
        assert!(!recovery.probe(NOW, None));
    }

    #[test]
    fn only_a_near_peer_is_probed() {
        for (millis, probe_at) in [(1, NOW.after(PROBE_AFTER)), (80, Nanos::MAX)] {
            let mut recovery = Recovery::default();
            recovery.answered(NOW);
            recovery.established(NOW.after(Nanos::from_millis(millis)));
            recovery.sent(NOW);
            assert_eq!(recovery.probe_at, probe_at);
        }
    }
}
