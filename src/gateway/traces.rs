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
/// The stages' times in a line behind its first four bytes, each in four.
const TIMES_AT: usize = 4;

impl Traces {
    /// Hands what `tracer` saw to `out`.
    #[must_use]
    pub fn new(tracer: Tracer, out: Producer) -> Self {
        let [next_at, lost_at] = [Nanos::ZERO; 2];
        Self { tracer, out, looked: None, next_at, lost_at }
    }

    /// The times of a line that was handed on, in nanoseconds.
    #[must_use]
    pub fn read(line: &Line) -> [u64; STAGES.len()] {
        std::array::from_fn(|stage| {
            let at = TIMES_AT + 4 * stage;
            let bytes = [line.0[at], line.0[at + 1], line.0[at + 2], line.0[at + 3]];
            u32::from_le_bytes(bytes).into()
        })
    }

    /// A look at the network begins.
    pub(super) fn look(&mut self, now: Nanos) {
        let may_begin = self.tracer.is_idle() && now >= self.next_at;
        self.looked = may_begin.then(Instant::now);
    }

    /// A command is about to go to the ring.
    pub(super) fn parsed(&mut self, port: PortId, now: Nanos) {
        if let Some(looked) = self.looked.take() {
            self.tracer.begin(looked, port, now);
            (self.next_at, self.lost_at) = (now.after(INTERVAL), now.after(LOST_AFTER));
        }
    }

    /// What the event frame with this index says was given to the connections.
    pub(super) fn emitted(&self, index: u64) {
        if self.tracer.is_in(Step::Applied, index) {
            self.tracer.reach(Step::Emitted);
        }
    }

    /// All that was emitted was given to the device.
    pub(super) fn flushed(&mut self, now: Nanos) {
        self.tracer.reach(Step::Sent);
        if let Some(times) = self.tracer.finish() {
            let mut line = Line::ZERO;
            line.0[1] = 1;
            for (stage, time) in times.into_iter().enumerate() {
                let at = TIMES_AT + 4 * stage;
                let time = u32::try_from(time).unwrap_or(u32::MAX);
                line.0[at..at + 4].copy_from_slice(&time.to_le_bytes());
            }
            // One less, if nobody takes them.
            let _nobody_takes_them = self.out.push(&[line]);
        } else if now >= self.lost_at && !self.tracer.is_idle() {
            self.tracer.give_up();
        }
    }
}
