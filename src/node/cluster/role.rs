//! Whether this node leads, and what that means for a stage: who does not lead follows in silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tracing::warn;

use crate::agent::{Agent, AgentError, Leads, WorkResult};
use crate::types::Nanos;

/// The term that this node leads, told by consensus to the stages, and what they say to it.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct Role(Arc<Terms>);

#[derive(Debug, Default)]
struct Terms {
    leads: AtomicU32,
    given_up: AtomicU32,
}

impl Role {
    /// The term it leads; 0 = it follows.
    pub(in crate::node) fn term(&self) -> u32 {
        self.0.leads.load(Ordering::Acquire)
    }

    /// It leads `term` from now on, or follows if that is 0.
    pub(super) fn set(&self, term: u32) {
        self.0.leads.store(term, Ordering::Release);
    }

    /// A stage serves nobody in `term` any more, so this node should not lead it.
    fn give_up(&self, term: u32) {
        self.0.given_up.fetch_max(term, Ordering::Release);
    }

    /// Whether a stage has given up `term`.
    pub(super) fn is_given_up(&self, term: u32) -> bool {
        self.0.given_up.load(Ordering::Acquire) >= term
    }
}

/// A stage that leads and follows with its node.
///
/// A stage that stood still for so long that others may have elected a leader cannot know whether it is
/// still one: it follows before it does anything else, and has the node leave the term.
#[derive(Debug)]
pub(in crate::node) struct Led<A> {
    stage: A,
    role: Role,
    term: u32,
    stall_max: Nanos,
    seen: Nanos,
}

impl<A: Leads> Led<A> {
    /// `stall_max` is the least silence of a leader before an election.
    pub(in crate::node) const fn new(stage: A, role: Role, stall_max: Nanos) -> Self {
        Self { stage, role, term: 0, stall_max, seen: Nanos::ZERO }
    }
}

impl<A: Leads> Agent for Led<A> {
    fn name(&self) -> &'static str {
        self.stage.name()
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let stall = now.since(self.seen);
        self.seen = now;
        if self.term != 0 && stall >= self.stall_max {
            let (stage, term) = (self.name(), self.term);
            warn!(
                stage,
                term,
                ?stall,
                "stood still for longer than an election takes: leads no more"
            );
            self.role.give_up(term);
        }
        let term = self.role.term();
        let term = if self.role.is_given_up(term) { 0 } else { term };
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

#[cfg(test)]
mod tests {
    use super::*;

    const STALL_MAX: Nanos = Nanos::from_millis(100);

    /// Says what it was told.
    #[derive(Default)]
    struct Front(Vec<Told>);

    #[derive(Debug, PartialEq, Eq)]
    enum Told {
        Lead(u32),
        Follow,
        Work,
    }

    impl Agent for Front {
        fn name(&self) -> &'static str {
            "front"
        }

        fn do_work(&mut self, _now: Nanos) -> WorkResult {
            self.0.push(Told::Work);
            Ok(0)
        }
    }

    impl Leads for Front {
        fn lead(&mut self, term: u32) {
            self.0.push(Told::Lead(term));
        }

        fn follow(&mut self) {
            self.0.push(Told::Follow);
        }
    }

    fn told(led: &mut Led<Front>, at_ms: u64) -> Vec<Told> {
        led.do_work(Nanos::from_millis(at_ms)).unwrap();
        std::mem::take(&mut led.stage.0)
    }

    #[test]
    fn a_front_that_stood_still_follows_before_it_does_anything_and_leads_the_next_term_only() {
        let role = Role::default();
        let mut led = Led::new(Front::default(), role.clone(), STALL_MAX);
        // However long it took to be told for the first time.
        assert_eq!(told(&mut led, 5_000), [Told::Work]);
        role.set(7);
        assert_eq!(told(&mut led, 6_000), [Told::Lead(7), Told::Work]);
        assert_eq!(told(&mut led, 6_099), [Told::Work]);
        assert!(!role.is_given_up(7));
        assert_eq!(told(&mut led, 6_199), [Told::Follow, Told::Work]);
        assert!(role.is_given_up(7));
        // Consensus has not heard yet.
        assert_eq!((role.term(), told(&mut led, 6_200)), (7, vec![Told::Work]));
        role.set(0);
        assert_eq!(told(&mut led, 6_201), [Told::Work]);
        role.set(8);
        assert_eq!(told(&mut led, 6_202), [Told::Lead(8), Told::Work]);
    }

    #[test]
    fn what_one_stage_gave_up_no_other_goes_on_with() {
        let role = Role::default();
        let mut stages = [Front::default(), Front::default()]
            .map(|front| Led::new(front, role.clone(), STALL_MAX));
        role.set(3);
        for led in &mut stages {
            assert_eq!(told(led, 1_000), [Told::Lead(3), Told::Work]);
        }
        assert_eq!(told(&mut stages[0], 2_000), [Told::Follow, Told::Work]);
        assert_eq!(told(&mut stages[1], 1_050), [Told::Follow, Told::Work]);
    }
}
