//! One order's way through the node, stamped by the stages it passes: always on, since no more than one
//! order is followed at a time, and not more than one in a while.
//!
//! A stage that follows nothing pays one atomic load. Stamps are software's, of the monotonic clock; what
//! the wire and the device add is not in them. Whoever began an order's trace ends it or gives it up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crate::types::{Nanos, PortId};

/// Follows one order at a time; shared by the stages.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Shared>>);

/// Where an order is, by the last thing that happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Step {
    /// The look at the device or the sockets began that brought it.
    Received,
    /// Its command was made, and goes to the ring.
    Parsed,
    /// The sequencer took it from the ring.
    Taken,
    /// It was appended to the command log.
    Sequenced,
    /// The engine took its frame: it is committed.
    Committed,
    /// Its events are in the event log.
    Applied,
    /// Its answer was given to the connection.
    Emitted,
    /// The answer was given to the device or the kernel.
    Sent,
}

/// From each step to the next.
pub const STAGES: [&str; 7] =
    ["rx_to_parse", "ring_wait", "sequence", "commit", "match", "emit", "tx"];

#[derive(Debug)]
struct Shared {
    start: Instant,
    /// How many orders were followed, and behind that the last step of this one; 0 = none is followed.
    state: AtomicU64,
    port: AtomicU32,
    receive_time: AtomicU64,
    index: AtomicU64,
    stamps: [AtomicU64; STAGES.len() + 1],
}

/// Nothing is followed.
const IDLE: u8 = u8::MAX;

impl Tracer {
    /// One that follows orders; the default follows none.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(Arc::new(Shared {
            start: Instant::now(),
            state: AtomicU64::new(u64::from(IDLE)),
            port: AtomicU32::new(0),
            receive_time: AtomicU64::new(0),
            index: AtomicU64::new(0),
            stamps: Default::default(),
        })))
    }

    /// Whether an order may be followed from now on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_at(IDLE).is_some()
    }

    /// Follows the command of `port` with this receive time, the first that it has; it was received when
    /// the look began that brought it.
    pub fn begin(&self, received: Instant, port: PortId, receive_time: Nanos) {
        let Some((shared, state)) = self.is_at(IDLE) else { return };
        shared.port.store(port.0, Ordering::Relaxed);
        shared.receive_time.store(receive_time.0, Ordering::Relaxed);
        let received = received.saturating_duration_since(shared.start).as_nanos();
        let received = u64::try_from(received).unwrap_or(u64::MAX);
        shared.stamps[Step::Received as usize].store(received, Ordering::Relaxed);
        shared.stamp(Step::Parsed);
        let next = (state >> 8) + 1;
        shared.state.store(next << 8 | u64::from(Step::Parsed as u8), Ordering::Release);
    }

    /// The command that the sequencer is to look for.
    #[must_use]
    pub fn command(&self) -> Option<(PortId, Nanos)> {
        let (shared, _) = self.is_at(Step::Parsed as u8)?;
        let port = PortId(shared.port.load(Ordering::Relaxed));
        Some((port, Nanos(shared.receive_time.load(Ordering::Relaxed))))
    }

    /// The command was appended in the frame with this index.
    pub fn sequenced(&self, index: u64) {
        if let Some((shared, _)) = self.is_at(Step::Taken as u8) {
            shared.index.store(index, Ordering::Relaxed);
        }
        self.reach(Step::Sequenced);
    }

    /// Whether the order whose last step is `step` is in the frame with this index, or was caused by it.
    #[must_use]
    pub fn is_in(&self, step: Step, index: u64) -> bool {
        let at = self.is_at(step as u8);
        at.is_some_and(|(shared, _)| shared.index.load(Ordering::Relaxed) == index)
    }

    /// The order has come to `step`, if the last one was that before it.
    pub fn reach(&self, step: Step) {
        let before = (step as u8).wrapping_sub(1);
        let Some((shared, state)) = self.is_at(before) else { return };
        shared.stamp(step);
        let reached = state & !0xFF | u64::from(step as u8);
        // Given up meanwhile: the stamp is nobody's.
        let _given_up =
            shared.state.compare_exchange(state, reached, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Ends the trace of an order that was sent: nanoseconds of each of its [`STAGES`].
    #[must_use]
    pub fn finish(&self) -> Option<[u64; STAGES.len()]> {
        let (shared, _) = self.is_at(Step::Sent as u8)?;
        let stamp = |at: usize| shared.stamps[at].load(Ordering::Relaxed);
        let spans = std::array::from_fn(|at| stamp(at + 1).saturating_sub(stamp(at)));
        self.give_up();
        Some(spans)
    }

    /// Follows the order no more: it is lost to sight.
    pub fn give_up(&self) {
        if let Some(shared) = &self.0 {
            shared.state.fetch_or(u64::from(IDLE), Ordering::Release);
        }
    }

    fn is_at(&self, step: u8) -> Option<(&Shared, u64)> {
        let shared = self.0.as_deref()?;
        let state = shared.state.load(Ordering::Acquire);
        (state.to_le_bytes()[0] == step).then_some((shared, state))
    }
}

impl Shared {
    fn stamp(&self, step: Step) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.stamps[step as usize].store(now, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: PortId = PortId(3);
    const TIME: Nanos = Nanos(77);

    fn pass(tracer: &Tracer, index: u64) {
        tracer.begin(Instant::now(), PORT, TIME);
        assert_eq!(tracer.command(), Some((PORT, TIME)));
        tracer.reach(Step::Taken);
        tracer.sequenced(index);
        assert!(tracer.is_in(Step::Sequenced, index) && !tracer.is_in(Step::Sequenced, index + 1));
        tracer.reach(Step::Committed);
        tracer.reach(Step::Applied);
        assert!(tracer.is_in(Step::Applied, index));
        tracer.reach(Step::Emitted);
        tracer.reach(Step::Sent);
    }

    #[test]
    fn an_order_is_followed_from_step_to_step_and_then_another() {
        let tracer = Tracer::new();
        for index in 1..10 {
            assert!(tracer.is_idle());
            let start = Instant::now();
            pass(&tracer, index);
            let spans = tracer.finish().unwrap();
            let sum: u64 = spans.iter().sum();
            assert!(u128::from(sum) <= start.elapsed().as_nanos(), "{spans:?}");
        }
    }

    #[test]
    fn a_step_out_of_order_is_none_and_nobody_else_begins_meanwhile() {
        let tracer = Tracer::new();
        tracer.begin(Instant::now(), PORT, TIME);
        tracer.begin(Instant::now(), PortId(4), TIME);
        tracer.reach(Step::Applied);
        tracer.sequenced(9);
        assert_eq!(tracer.command(), Some((PORT, TIME)));
        assert!(tracer.finish().is_none() && !tracer.is_idle());
    }

    #[test]
    fn who_is_given_up_leaves_nothing_to_the_next() {
        let tracer = Tracer::new();
        tracer.begin(Instant::now(), PORT, TIME);
        tracer.reach(Step::Taken);
        tracer.give_up();
        assert!(tracer.is_idle());
        tracer.sequenced(9);
        assert!(tracer.is_idle() && tracer.command().is_none());
        pass(&tracer, 10);
        assert!(tracer.finish().is_some());
    }

    #[test]
    fn one_that_follows_nothing_is_never_idle() {
        let tracer = Tracer::default();
        tracer.begin(Instant::now(), PORT, TIME);
        assert!(!tracer.is_idle() && tracer.command().is_none() && tracer.finish().is_none());
    }
}
