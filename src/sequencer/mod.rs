//! The sequencer: gives every command its place and its time. It never looks inside one.
//!
//! It merges the heads of its rings by receive time, cuts a batch (what is waiting, at most
//! [`FRAME_COMMANDS_MAX`](crate::types::FRAME_COMMANDS_MAX), with no timer), stamps log time = max(last + 1, now), and appends the
//! frame to the command log. Alone, what a duty cycle appended is committed at its end. Its only
//! state is the log's end.

mod intake;

pub use intake::Intake;

use crate::agent::{Agent, AgentError, Step, Tracer, WorkResult};
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::event_store::{Durability, Writer};
use crate::ring::Consumer;
use crate::types::command::{CommandHeader, TermStart};
use crate::types::{Cause, FRAME_BYTES_MAX, FrameKind, Line, Nanos, Record, split_record};

/// How long the log may stay silent before a [`Tick`](crate::types::command::Tick) moves its time.
pub const TICK_INTERVAL: Nanos = Nanos::from_millis(10);

/// The most frames a duty cycle writes.
pub const FRAMES_PER_CYCLE_MAX: usize = 4;

/// The most bytes of the log that were appended and not yet made durable with [`Durability::Disk`]:
/// the frames of a duty cycle, and what they leave of a segment's end.
pub const UNSYNCED_BYTES_MAX: u64 = (FRAMES_PER_CYCLE_MAX as u64 + 1) * FRAME_BYTES_MAX;

/// The stage that writes the command log.
#[derive(Debug)]
pub struct Sequencer {
    log: Writer,
    durability: Durability,
    term: u32,
    intake: Intake,
    tracer: Tracer,
    counters: SequencerCounters,
    published: CounterBlock,
}

counter_set! {
    /// What the sequencer wrote, and where it stands.
    pub struct SequencerCounters {
        /// Commands, ticks included.
        commands,
        /// Ticks.
        ticks,
        /// Frames.
        frames,
        /// Bytes of frames.
        bytes,
        /// Segments that were not ready in time, so that an append had to wait.
        segments_late,
        /// The term it leads, now.
        term,
        /// Log time of the last frame, in nanoseconds since the UNIX epoch.
        log_time_ns,
        /// The commit position now.
        commit_position,
    }
}

impl Sequencer {
    /// Leads the term of `start` from the end of `log`: that is its first command, then come the
    /// records of `proposals`, then what the rings bring.
    ///
    /// On equal receive times the earlier ring of `inputs` goes first.
    #[must_use]
    pub fn new(
        log: Writer,
        durability: Durability,
        start: &TermStart,
        proposals: &[Line],
        inputs: Vec<Consumer>,
        published: CounterBlock,
    ) -> Self {
        let mut intake = Intake::new(inputs);
        intake.put_first([start.lines(), proposals].concat());
        Self {
            log,
            durability,
            term: start.term,
            intake,
            tracer: Tracer::default(),
            counters: SequencerCounters { term: start.term.into(), ..SequencerCounters::default() },
            published,
        }
    }

    /// Says of the order that is followed when it has come here, and where it is.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    fn publish(&mut self, now: Nanos) {
        if self.published.is_due(now) {
            self.counters.segments_late = self.log.segments_late();
            self.counters.log_time_ns = self.log.chain().time.0;
            self.counters.commit_position = self.log.committed().0;
            self.counters.publish(&mut self.published);
        }
    }

    /// Looks whether the order that is followed is in the batch.
    fn tell_of_traced(&self) {
        let Some((port, receive_time)) = self.tracer.command() else { return };
        let mut rest = self.intake.batch();
        while let Ok((record, behind)) = split_record(rest) {
            let header = CommandHeader::view(record);
            if header.is_some_and(|h| h.port == port && h.receive_time == receive_time) {
                return self.tracer.reach(Step::Taken);
            }
            rest = behind;
        }
    }

    fn append(&mut self, count: usize, now: Nanos) -> WorkResult {
        let chain = self.log.chain();
        let time = now.max(chain.time.after(Nanos(1)));
        let cause = Cause { index: chain.index + 1, term: self.term, time };
        let count = u16::try_from(count).expect("at most FRAME_COMMANDS_MAX");
        let batch = self.intake.batch();
        let header = self.log.seal(FrameKind::Normal, cause, count, batch)?;
        self.counters.commands += u64::from(count);
        self.counters.frames += 1;
        self.counters.bytes += header.frame_bytes();
        Ok(usize::from(count))
    }

    /// Commits the frames of this duty cycle, all at once: on disk one sync is as dear as four.
    fn commit(&mut self) -> Result<(), AgentError> {
        if self.durability == Durability::Disk {
            self.log.sync()?;
        }
        self.log.commit(self.log.chain().end);
        Ok(())
    }
}

impl Agent for Sequencer {
    fn name(&self) -> &'static str {
        "sequencer"
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let mut work = 0;
        for _ in 0..FRAMES_PER_CYCLE_MAX {
            let count = self.intake.gather();
            if count == 0 {
                break;
            }
            self.tell_of_traced();
            work += self.append(count, now)?;
            self.tracer.sequenced(self.log.chain().index);
        }
        if work == 0 && now.since(self.log.chain().time) >= TICK_INTERVAL {
            self.intake.gather_tick(now);
            self.append(1, now)?;
            self.counters.ticks += 1;
        }
        if self.log.chain().end > self.log.committed() {
            self.commit()?;
        }
        self.publish(now);
        Ok(work)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.publish(Nanos::MAX);
        Ok(self.log.sync()?)
    }
}

#[cfg(test)]
mod tests;
