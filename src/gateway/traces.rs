//! The gateway's part in following one order in a while through the node: it begins and it ends the
//! trace, and hands its times on.

use std::time::Instant;

use crate::agent::{STAGES, Step, Tracer};
use crate::ring::Producer;
use crate::types::{Line, Nanos, PortId};

/// Orders that are followed, and where their times go.
#[derive(Debug)]
pub struct Traces {
    tracer: Tracer,
    out: Producer,
    /// When the look began that may bring the next order to be followed.
    looked: Option<Instant>,
    /// When the look began that brought the one that is followed, and the device's stamp of its first frame.
    arrival: Option<(Instant, u64)>,
    /// When one may be followed again.
    next_at: Nanos,
    /// When the one that is followed is lost to sight.
    lost_at: Nanos,
}

/// Between two orders that are followed: each costs eight looks at the clock, 0.4 us or so, and with
/// this that is less than half a percent of a core.
const INTERVAL: Nanos = Nanos::from_micros(100);
/// What is not answered by then is not waited for: some commands have no answer.
const LOST_AFTER: Nanos = Nanos::from_millis(100);
/// The stages' times in a line behind its first four bytes, each in four, and behind them the wait.
const TIMES_AT: usize = 4;
const WAIT_AT: usize = TIMES_AT + 4 * STAGES.len();
/// In place of a wait that the device did not tell.
const NOT_STAMPED: u32 = u32::MAX;

/// What one order's way took, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Each stage, by our clock.
    pub stages: [u64; STAGES.len()],
    /// From the wire to the look that brought it, by the device's clock, where it stamps frames: of the first
    /// frame that the look brought, which mostly is the order's own.
    pub wire_to_rx: Option<u64>,
}

impl Traces {
    /// Hands what `tracer` saw to `out`.
    #[must_use]
    pub fn new(tracer: Tracer, out: Producer) -> Self {
        let [next_at, lost_at] = [Nanos::ZERO; 2];
        Self { tracer, out, looked: None, arrival: None, next_at, lost_at }
    }

    /// The times of a line that was handed on.
    #[must_use]
    pub fn read(line: &Line) -> Times {
        let number = |at: usize| {
            u32::from_le_bytes([line.0[at], line.0[at + 1], line.0[at + 2], line.0[at + 3]])
        };
        let wait = Some(number(WAIT_AT)).filter(|&wait| wait != NOT_STAMPED);
        Times {
            stages: std::array::from_fn(|stage| number(TIMES_AT + 4 * stage).into()),
            wire_to_rx: wait.map(u64::from),
        }
    }

    /// A look at the network begins.
    pub(super) fn look(&mut self, now: Nanos) {
        let may_begin = self.tracer.is_idle() && now >= self.next_at;
        self.looked = may_begin.then(Instant::now);
    }

    /// A command is about to go to the ring, which the last look may have brought, at whose first frame is
    /// this stamp of the device.
    pub(super) fn parsed(&mut self, port: PortId, first_stamp: Option<u64>, now: Nanos) {
        if let Some(looked) = self.looked.take() {
            self.tracer.begin(looked, port, now);
            self.arrival = first_stamp.map(|stamp| (looked, stamp));
            (self.next_at, self.lost_at) = (now.after(INTERVAL), now.after(LOST_AFTER));
        }
    }

    /// What the event frame with this index says was given to the connections.
    pub(super) fn emitted(&self, index: u64) {
        if self.tracer.is_in(Step::Applied, index) {
            self.tracer.reach(Step::Emitted);
        }
    }

    /// All that was emitted was given to the device, which says when a frame with a stamp of its own came.
    pub(super) fn flushed(&mut self, now: Nanos, arrival: impl FnOnce(u64) -> Option<Instant>) {
        self.tracer.reach(Step::Sent);
        if let Some(times) = self.tracer.finish() {
            let mut line = Line::ZERO;
            line.0[1] = 1;
            let mut put = |at: usize, number: u32| {
                line.0[at..at + 4].copy_from_slice(&number.to_le_bytes());
            };
            for (stage, time) in times.into_iter().enumerate() {
                put(TIMES_AT + 4 * stage, u32::try_from(time).unwrap_or(u32::MAX));
            }
            put(WAIT_AT, self.wait(arrival).unwrap_or(NOT_STAMPED));
            // One less, if nobody takes them.
            let _nobody_takes_them = self.out.push(&[line]);
        } else if now >= self.lost_at && !self.tracer.is_idle() {
            self.tracer.give_up();
        }
    }

    /// From the wire to the look, of the order that was followed. The device's clock is read only now, when
    /// no order waits for it.
    fn wait(&mut self, arrival: impl FnOnce(u64) -> Option<Instant>) -> Option<u32> {
        let (looked, stamp) = self.arrival.take()?;
        let wait = looked.checked_duration_since(arrival(stamp)?)?;
        u32::try_from(wait.as_nanos()).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ring::{Consumer, ring};

    const PORT: PortId = PortId(3);

    fn traces() -> (Traces, Tracer, Consumer) {
        let (out, times) = ring(16, 1);
        let tracer = Tracer::new();
        (Traces::new(tracer.clone(), out), tracer, times)
    }

    /// Has the stages between parse and answer take the order that came at `now`.
    fn pass(tracer: &Tracer) {
        tracer.reach(Step::Taken);
        tracer.sequenced(1);
        tracer.reach(Step::Committed);
        tracer.reach(Step::Applied);
    }

    fn next(times: &mut Consumer) -> Option<Times> {
        let read = times.peek().map(|message| Traces::read(&message[0]));
        times.pop();
        read
    }

    #[test]
    fn what_the_device_stamped_is_told_from_the_wire_to_the_look() {
        let (mut gateway, tracer, mut times) = traces();
        let (now, wait) = (Nanos::from_millis(1), Duration::from_millis(500));
        let before = Instant::now();
        gateway.look(now);
        let between = before.elapsed();
        gateway.parsed(PORT, Some(77), now);
        pass(&tracer);
        gateway.emitted(1);
        gateway.flushed(now, |stamp| {
            assert_eq!(stamp, 77);
            before.checked_sub(wait)
        });
        let told = Duration::from_nanos(next(&mut times).unwrap().wire_to_rx.unwrap());
        assert!((wait..=wait + between).contains(&told), "{told:?}");
    }

    #[test]
    fn without_a_stamp_or_its_moment_only_our_own_clock_tells() {
        let (mut gateway, tracer, mut times) = traces();
        for (millis, stamp) in [(1, None), (2, Some(77))] {
            let now = Nanos::from_millis(millis);
            gateway.look(now);
            gateway.parsed(PORT, stamp, now);
            pass(&tracer);
            gateway.emitted(1);
            gateway.flushed(now, |_| None);
            assert_eq!(next(&mut times).unwrap().wire_to_rx, None);
        }
    }

    #[test]
    fn the_stamp_of_an_order_that_was_lost_to_sight_is_not_the_next_ones() {
        let (mut gateway, tracer, mut times) = traces();
        gateway.look(Nanos::ZERO);
        gateway.parsed(PORT, Some(77), Nanos::ZERO);
        let later = Nanos::SECOND;
        gateway.flushed(later, |_| unreachable!("nothing was sent"));
        gateway.look(later);
        gateway.parsed(PORT, None, later);
        pass(&tracer);
        gateway.emitted(1);
        gateway.flushed(later, |_| unreachable!("nothing was stamped"));
        assert_eq!(next(&mut times).unwrap().wire_to_rx, None);
    }
}
