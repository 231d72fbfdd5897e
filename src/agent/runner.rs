//! Threads that run agents: the only place where the pipeline reads a clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{error, info, warn};

use super::clock::Clock;
use super::{Agent, AgentError, WorkResult};
use crate::types::Nanos;

/// Agents of one core, run in pipeline order as one.
pub struct Composite {
    agents: Vec<Box<dyn Agent>>,
    /// Places in `agents`, in the order of a duty cycle.
    visits: Vec<usize>,
}

impl Composite {
    /// Runs `agents` in this order.
    #[must_use]
    pub fn new(agents: Vec<Box<dyn Agent>>) -> Self {
        let visits = (0..agents.len()).collect();
        Self { agents, visits }
    }

    /// Runs the agent at place `agent` a second time in each duty cycle, right behind the one at
    /// `behind`: for a stage that stands at both ends of the pipeline, so that what came in leaves in
    /// the same cycle.
    #[must_use]
    pub fn revisiting(mut self, agent: usize, behind: usize) -> Self {
        let after = self.visits.iter().position(|&visited| visited == behind);
        self.visits.insert(after.map_or(self.visits.len(), |at| at + 1), agent);
        self
    }
}

impl fmt::Debug for Composite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.agents.iter().map(|agent| agent.name())).finish()
    }
}

impl Agent for Composite {
    fn name(&self) -> &'static str {
        match self.agents.as_slice() {
            [only] => only.name(),
            _ => "composite",
        }
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let mut work = 0;
        for &visited in &self.visits {
            work += self.agents[visited].do_work(now)?;
        }
        Ok(work)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        // All of them, whatever one says; then the first that failed.
        let closed: Vec<_> = self.agents.iter_mut().map(|agent| agent.on_close()).collect();
        closed.into_iter().collect()
    }
}

/// What a thread does when a duty cycle found no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Looks again at once. For isolated cores only: elsewhere it starves its neighbours.
    Spin,
    /// Spins a little, then yields, then sleeps `sleep` at a time.
    BackOff {
        /// The longest sleep between two looks.
        sleep: Duration,
    },
}

/// Duty cycles after the stop, unless one finds no work: others may never stop asking.
const LAST_CYCLES_MAX: u32 = 10_000;
const SPINS: u32 = 64;
const YIELDS: u32 = 16;

impl Idle {
    fn wait(self, idle_cycles: u32) {
        match self {
            Self::Spin => std::hint::spin_loop(),
            Self::BackOff { .. } if idle_cycles < SPINS => std::hint::spin_loop(),
            Self::BackOff { .. } if idle_cycles < SPINS + YIELDS => thread::yield_now(),
            Self::BackOff { sleep } => thread::sleep(sleep),
        }
    }
}

/// Asks every thread that shares it to stop after its current duty cycle.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The flag itself, for a signal handler to set.
    #[must_use]
    pub fn shared(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Says that a stage has read the past and serves.
#[derive(Clone, Debug, Default)]
pub struct ReadyFlag(Arc<AtomicBool>);

impl ReadyFlag {
    /// Says so.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the stage said so.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A running thread of agents.
#[derive(Debug)]
pub struct AgentThread {
    name: &'static str,
    handle: JoinHandle<Result<(), AgentError>>,
}

impl AgentThread {
    /// Starts a thread, pinned to `core` if one is given, that runs `agents` until `stop` is set or
    /// one fails; a failure sets `stop` for all that share it. Told to stop, it first brings what is
    /// under way to its end, as long as that takes few cycles.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn spawn(
        name: &'static str,
        core: Option<usize>,
        idle: Idle,
        stop: StopFlag,
        mut agents: Composite,
    ) -> std::io::Result<Self> {
        let handle = thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Some(core) = core
                && !pin(core)
            {
                warn!(thread = name, core, "could not pin to the core");
            }
            info!(thread = name, ?agents, "running");
            let result = run(&mut agents, idle, &stop);
            let closed = agents.on_close();
            let result = result.and(closed);
            if let Err(error) = &result {
                error!(thread = name, %error, "stopped");
                stop.stop();
            }
            result
        })?;
        Ok(Self { name, handle })
    }

    /// Whether the thread is done, by failure or because it was told to stop.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits until the thread is done.
    ///
    /// # Errors
    /// What its agent stopped with.
    ///
    /// # Panics
    /// If the thread panicked: the panic goes on here.
    pub fn join(self) -> Result<(), AgentError> {
        match self.handle.join() {
            Ok(result) => result.map_err(|error| error.of(self.name)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Pins the calling thread to a core; `false` if there is no such core for this process.
#[must_use]
pub fn pin(core: usize) -> bool {
    // Asked first: the library panics on a number that no machine has.
    let ours = core_affinity::get_core_ids().unwrap_or_default();
    ours.iter().any(|known| known.id == core)
        && core_affinity::set_for_current(core_affinity::CoreId { id: core })
}

fn run(agents: &mut Composite, idle: Idle, stop: &StopFlag) -> Result<(), AgentError> {
    let mut clock = Clock::new();
    let mut idle_cycles = 0_u32;
    while !stop.is_set() {
        if agents.do_work(clock.now())? > 0 {
            idle_cycles = 0;
        } else {
            idle.wait(idle_cycles);
            idle_cycles = idle_cycles.saturating_add(1);
        }
    }
    for _ in 0..LAST_CYCLES_MAX {
        if agents.do_work(clock.now())? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Named(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Agent for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn do_work(&mut self, _now: Nanos) -> WorkResult {
            self.1.lock().unwrap().push(self.0);
            Ok(1)
        }
    }

    #[test]
    fn a_revisited_agent_runs_again_right_behind_the_other() {
        let seen = Arc::default();
        let agents = ["gateway", "engine", "feed"].map(|name| {
            let agent: Box<dyn Agent> = Box::new(Named(name, Arc::clone(&seen)));
            agent
        });
        let mut composite = Composite::new(agents.into()).revisiting(0, 1);
        assert_eq!(composite.do_work(Nanos::ZERO).unwrap(), 4);
        assert_eq!(*seen.lock().unwrap(), ["gateway", "engine", "gateway", "feed"]);
    }
}
