//! Whether this node leads, and what that means for a stage: who does not lead follows in silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::agent::{Agent, AgentError, Leads, WorkResult};
use crate::types::Nanos;

/// The term that this node leads, told by consensus to the stages.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct Role(Arc<AtomicU32>);

impl Role {
    /// The term it leads; 0 = it follows.
    pub(in crate::node) fn term(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// It leads `term` from now on, or follows if that is 0.
    pub(super) fn set(&self, term: u32) {
        self.0.store(term, Ordering::Release);
    }
}

/// A stage that leads and follows with its node.
#[derive(Debug)]
pub(in crate::node) struct Led<A> {
    stage: A,
    role: Role,
    term: u32,
}

impl<A: Leads> Led<A> {
    pub(in crate::node) const fn new(stage: A, role: Role) -> Self {
        Self { stage, role, term: 0 }
    }
}

impl<A: Leads> Agent for Led<A> {
    fn name(&self) -> &'static str {
        self.stage.name()
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let term = self.role.term();
        if term != self.term {
            // Another term than the last is another life, also if both were led here.
            if self.term != 0 {
                self.stage.follow();
            }
            if term != 0 {
                self.stage.lead(term);
            }
            self.term = term;
        }
        self.stage.do_work(now)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.stage.on_close()
    }
}
