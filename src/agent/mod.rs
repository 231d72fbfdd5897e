//! Agents: every stage is one, and a placement puts them on cores.
//!
//! An agent does a bounded amount of work per duty cycle and never blocks. The agents of one core run
//! as a [`Composite`], in pipeline order, on one thread with one clock reading per cycle.

mod clock;
mod runner;
mod spans;
mod tracer;
mod watch;

use std::error::Error;
use std::fmt;

pub use clock::real_time;
pub use runner::{AgentThread, Composite, Idle, ReadyFlag, StopFlag, pin};
pub use spans::{Span, Spanned, Spans};
pub use tracer::{STAGES, Step, Tracer};
pub use watch::{Publisher, Watch};

use crate::types::Nanos;

/// A stage of the pipeline.
pub trait Agent: Send {
    /// The stage's name, for logs and threads.
    fn name(&self) -> &'static str;

    /// Does what is waiting, up to the stage's own bound, and returns how much that was; 0 lets the
    /// thread idle.
    ///
    /// # Errors
    /// What the stage cannot go on after; it stops the node.
    fn do_work(&mut self, now: Nanos) -> WorkResult;

    /// Called once on the agent's thread after the last duty cycle.
    ///
    /// # Errors
    /// What could not be put in order.
    fn on_close(&mut self) -> Result<(), AgentError> {
        Ok(())
    }
}

/// A stage of a cluster's node, which follows what the leader does and has a part in the world only while
/// the node leads. It begins as a follower.
pub trait Leads: Agent {
    /// The node leads `term` from now on. Nothing leaves before that term's start is in the event log,
    /// where it may be already.
    fn lead(&mut self, term: u32);

    /// The node leads no more: what participants hear of it ends now.
    fn follow(&mut self);
}

/// Work done in a duty cycle, or why the node must stop.
pub type WorkResult = Result<usize, AgentError>;

/// Why an agent cannot go on.
#[derive(Debug)]
pub struct AgentError {
    /// The thread on which it was.
    thread: Option<&'static str>,
    cause: Box<dyn Error + Send + Sync>,
}

impl AgentError {
    /// The error that a stage failed with, if it is an `E`.
    #[must_use]
    pub fn cause<E: Error + 'static>(&self) -> Option<&E> {
        self.cause.downcast_ref()
    }

    /// The same, of an agent on this thread.
    #[must_use]
    fn of(self, thread: &'static str) -> Self {
        Self { thread: Some(thread), ..self }
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.thread {
            Some(thread) => write!(f, "{thread}: {}", self.cause),
            None => self.cause.fmt(f),
        }
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for AgentError {
    fn from(error: E) -> Self {
        Self { thread: None, cause: error.into() }
    }
}
