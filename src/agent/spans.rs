//! Spans: how long which step of the pipeline took, for a benchmark's breakdown of an order's way.
//!
//! Off, it does not exist: only a composite that is asked for it is wrapped. On, it costs two clock
//! readings a step.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Agent, AgentError, WorkResult};
use crate::types::Nanos;

/// What was recorded; shared by all who record on one core.
#[derive(Clone, Debug)]
pub struct Spans {
    start: Instant,
    recorded: Arc<Mutex<Vec<Span>>>,
}

/// A step that had work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which step.
    pub step: &'static str,
    /// When it began, since the recording did.
    pub from: Nanos,
    /// When it was done.
    pub to: Nanos,
}

/// Steps recorded; later ones are not.
const SPANS_MAX: usize = 1 << 20;

impl Spans {
    /// Begins to record.
    #[must_use]
    pub fn new() -> Self {
        let recorded = Arc::new(Mutex::new(Vec::with_capacity(SPANS_MAX)));
        Self { start: Instant::now(), recorded }
    }

    /// Runs `step` and records it if it says that it did something.
    pub fn record<R>(
        &self,
        name: &'static str,
        run: impl FnOnce() -> R,
        did_work: impl FnOnce(&R) -> bool,
    ) -> R {
        let from = self.now();
        let result = run();
        if did_work(&result) {
            let span = Span { step: name, from, to: self.now() };
            let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
            if recorded.len() < SPANS_MAX {
                recorded.push(span);
            }
        }
        result
    }

    /// What was recorded so far, by the order of the ends.
    #[must_use]
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.recorded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Default for Spans {
    fn default() -> Self {
        Self::new()
    }
}

/// An agent whose duty cycles are recorded, by its name.
pub struct Spanned {
    agent: Box<dyn Agent>,
    spans: Spans,
}

impl Spanned {
    /// Records the duty cycles of `agent` in which it had work.
    #[must_use]
    pub fn new(agent: Box<dyn Agent>, spans: Spans) -> Self {
        Self { agent, spans }
    }
}

impl fmt::Debug for Spanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spanned").field("agent", &self.agent.name()).finish_non_exhaustive()
    }
}

impl Agent for Spanned {
    fn name(&self) -> &'static str {
        self.agent.name()
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let Self { agent, spans } = self;
        let did_work = |result: &WorkResult| !matches!(result, Ok(0));
        spans.record(agent.name(), || agent.do_work(now), did_work)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.agent.on_close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has work as long as its number is not zero.
    struct Countdown(usize);

    impl Agent for Countdown {
        fn name(&self) -> &'static str {
            "countdown"
        }

        fn do_work(&mut self, _now: Nanos) -> WorkResult {
            let left = self.0;
            self.0 = left.saturating_sub(1);
            Ok(left)
        }
    }

    #[test]
    fn cycles_with_work_are_recorded_and_idle_ones_are_not() {
        let spans = Spans::new();
        let mut agent = Spanned::new(Box::new(Countdown(2)), spans.clone());
        let work = [(); 4].map(|()| agent.do_work(Nanos::ZERO).unwrap());
        assert_eq!(work, [2, 1, 0, 0]);
        let recorded = spans.take();
        assert_eq!(recorded.len(), 2);
        assert!(recorded.iter().all(|span| span.step == "countdown" && span.from <= span.to));
        assert!(recorded[0].to <= recorded[1].from);
    }
}
