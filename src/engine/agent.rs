//! The engine's agent: committed command frames in, event frames out. The only part of the engine
//! that touches the logs, and it knows nothing of what is in them.

use std::fmt;

use tracing::info;

use super::{ApplyError, CommandError, Engine, StateSample};
use crate::agent::{Agent, AgentError, Step, Tracer, WorkResult};
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::event_store::{Reader, StoreError, Writer};
use crate::ring::Producer;
use crate::types::command::{CommandHeader, StateHash};
use crate::types::{FrameHeader, FrameSink, Line, Nanos, Position, Record as _};

/// The most command frames a duty cycle applies.
const FRAMES_PER_CYCLE_MAX: usize = 8;

/// Called once with the engine as it stands when the node stops.
pub type OnClose = Box<dyn FnOnce(&Engine) + Send>;

/// The stage that applies commands.
pub struct EngineAgent {
    engine: Engine,
    commands: Reader,
    events: Writer,
    on_close: Option<OnClose>,
    /// Where this node proposes what its state comes to, while it leads.
    proposals: Option<Producer>,
    /// The last sample that was proposed, or need not be.
    proposed: Option<StateSample>,
    tracer: Tracer,
    published: CounterBlock,
}

counter_set! {
    /// Where the engine stands.
    pub struct EngineGauges {
        /// Events in the event log.
        events,
        /// The commit position of the event log.
        commit_position,
        /// Bytes of the command log that wait to be applied.
        behind_bytes,
        /// Orders in all books.
        resting_orders,
    }
}

/// Why the events of the past could not be had again.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A log could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the commands give now is not what they gave then.
    #[error(
        "at position {position} the event log differs from what this version makes of command frame \
         {index}, though both logs are whole; participants were told what the event log says, so \
         keep it, and start the version that wrote it"
    )]
    Diverged {
        /// Where, in the event log.
        position: Position,
        /// Raft index of the command frame.
        index: u64,
    },
    /// The event log holds the consequence of commands that the command log has lost.
    #[error("the event log goes on at position {0}, behind the last command: commands were lost")]
    CommandsLost(Position),
    /// The command log holds what this version cannot apply.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl From<ApplyError<Self>> for RecoveryError {
    fn from(error: ApplyError<Self>) -> Self {
        match error {
            ApplyError::Sink(error) => error,
            ApplyError::Command(error) => Self::Command(error),
        }
    }
}

/// How much [`EngineAgent::recover`] went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Command frames.
    pub frames: u64,
    /// Commands.
    pub commands: u64,
    /// Event frames that were there already, and equal.
    pub compared: u64,
    /// Event frames that had to be written again.
    pub regenerated: u64,
}

impl EngineAgent {
    /// Whether nobody's new orders are taken.
    #[must_use]
    pub fn refuses_orders(&self) -> bool {
        self.engine.refuses_orders()
    }

    /// Applies every committed command from where `engine` stands, and `commands` with it, to the end.
    /// Events that `existing` holds behind the engine's are compared, those it lacks are appended to
    /// `events`. What it counts goes to
    /// `published`: [`EngineCounters`](super::EngineCounters), then [`EngineGauges`]. `progress` is
    /// shown how far it is in the command log, after each frame.
    ///
    /// # Errors
    /// [`RecoveryError`]; the node must not go on.
    pub fn recover(
        engine: Engine,
        commands: Reader,
        existing: Reader,
        events: Writer,
        published: CounterBlock,
        progress: &mut dyn FnMut(Position),
    ) -> Result<(Self, Replayed), RecoveryError> {
        let mut agent = Self {
            engine,
            commands,
            events,
            on_close: None,
            proposals: None,
            proposed: None,
            tracer: Tracer::default(),
            published,
        };
        let mut replayed = Replayed::default();
        let mut sink = Compare { existing, events: &mut agent.events, replayed: &mut replayed };
        while let Some(frame) = agent.commands.next_frame()? {
            agent.engine.apply(frame.header, frame.payload, &mut sink)?;
            sink.replayed.frames += 1;
            sink.replayed.commands += u64::from(frame.header.count);
            progress(frame.end());
        }
        if let Some(frame) = sink.existing.next_frame()? {
            return Err(RecoveryError::CommandsLost(frame.header.start));
        }
        agent.events.commit(agent.engine.chain().end);
        Ok((agent, replayed))
    }

    /// Has `on_close` called with the engine after its last command.
    #[must_use]
    pub fn on_close(mut self, on_close: OnClose) -> Self {
        self.on_close = Some(on_close);
        self
    }

    /// Has the state hash proposed from now on, at each sample: a way to the sequencer.
    #[must_use]
    pub fn proposing(mut self, proposals: Producer) -> Self {
        self.proposed = self.engine.last_sample();
        self.proposals = Some(proposals);
        self
    }

    /// Says of the order that is followed when it was committed and applied.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Proposes a new sample of the state. A full ring takes it in a later cycle.
    fn propose_state(&mut self, now: Nanos) {
        let last = self.engine.last_sample();
        if let (Some(proposals), Some(sample)) = (&mut self.proposals, last)
            && self.proposed != last
        {
            let StateSample { at_sequence, hash } = sample;
            let header = CommandHeader::internal::<StateHash>(now);
            let proposal = StateHash { header, at_sequence, hash, reserved: [0; 24] };
            if proposals.push(proposal.lines()).is_ok() {
                self.proposed = last;
            }
        }
    }

    fn publish(&mut self, now: Nanos) {
        if self.published.is_due(now) {
            let gauges = EngineGauges {
                events: self.engine.chain().next_sequence - 1,
                commit_position: self.events.committed().0,
                behind_bytes: self.commands.committed().0 - self.commands.position().0,
                resting_orders: self.engine.books().order_count() as u64,
            };
            self.engine.counters().publish(&mut self.published);
            gauges.publish(&mut self.published);
        }
    }

    /// The engine as it stands.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl fmt::Debug for EngineAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineAgent").finish_non_exhaustive()
    }
}

impl Agent for EngineAgent {
    fn name(&self) -> &'static str {
        "engine"
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let mut work = 0;
        for _ in 0..FRAMES_PER_CYCLE_MAX {
            let Some(frame) = self.commands.next_frame()? else { break };
            if self.tracer.is_in(Step::Sequenced, frame.header.index) {
                self.tracer.reach(Step::Committed);
            }
            self.engine.apply(frame.header, frame.payload, &mut self.events)?;
            self.events.commit(self.engine.chain().end);
            self.tracer.reach(Step::Applied);
            work += 1;
        }
        self.propose_state(now);
        self.publish(now);
        Ok(work)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.publish(Nanos::MAX);
        info!(counters = ?self.engine.counters(), "engine closed");
        if let Some(on_close) = self.on_close.take() {
            on_close(&self.engine);
        }
        Ok(())
    }
}

/// Compares frames with those that exist, and appends the rest.
struct Compare<'a> {
    existing: Reader,
    events: &'a mut Writer,
    replayed: &'a mut Replayed,
}

impl FrameSink for Compare<'_> {
    type Error = RecoveryError;

    fn frame(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), RecoveryError> {
        let Some(frame) = self.existing.next_frame()? else {
            self.replayed.regenerated += 1;
            return Ok(self.events.append(header, payload)?);
        };
        if (frame.header, frame.payload) != (header, payload) {
            return Err(RecoveryError::Diverged { position: header.start, index: header.index });
        }
        self.replayed.compared += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
