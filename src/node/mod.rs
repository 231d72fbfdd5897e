//! A node: opens the logs, brings the engine to where it was, and wires the stages with rings.
//!
//! Stages meet only here. Which thread runs which is the placement's; the same command log gives the
//! same event log whatever it is.

mod books;
mod boot;
mod error;
mod wiring;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use tracing::{error, info};

pub use error::NodeError;
use wiring::Stages;

use crate::agent::{Agent as _, AgentThread, Composite, Spans, StopFlag};
use crate::config::{Config, ConfigError, Stage};
use crate::event_store::{Control, ControlFile, Durability, Reader};
use crate::types::event::Event;
use crate::types::{Line, Nanos};

/// Makes the definition commands of a market; called once it is known that the log is empty.
pub type MakeMarket = Box<dyn FnOnce() -> Result<Vec<Line>, ConfigError>>;

/// What one start of a node is asked beyond its configuration.
#[derive(Default)]
pub struct Start {
    /// The market to begin with, for an empty log only.
    pub market: Option<MakeMarket>,
    /// Where to write the books when the node stops in order.
    pub books_out: Option<PathBuf>,
    /// What a benchmark of this node asks.
    pub bench: Option<Bench>,
}

/// What a benchmark asks of a node. Without one nothing of it exists.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Order entry echoes connections from these ports.
    pub echo_ports: RangeInclusive<u16>,
    /// Where the steps of the pipeline are recorded.
    pub spans: Option<Spans>,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let market = self.market.is_some();
        f.debug_struct("Start")
            .field("market", &market)
            .field("books_out", &self.books_out)
            .field("bench", &self.bench)
            .finish()
    }
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    threads: Vec<AgentThread>,
    control: ControlFile,
    commands: Reader,
    events: Reader,
    term: u32,
    durability: Durability,
}

impl Node {
    /// Starts a node: recovers its state, leads a new term, and serves.
    ///
    /// When it returns, the engine is where it was; gateways serve as soon as the start of the new
    /// term is in the event log.
    ///
    /// # Errors
    /// [`NodeError`] names what is wrong and how to mend it; nothing was sent to anybody.
    pub fn start(
        config: &Config,
        start: Start,
        stop: &StopFlag,
        now: Nanos,
    ) -> Result<Self, NodeError> {
        abort_on_panic();
        let bench = start.bench.clone();
        let (booted, control) = boot::boot(config, start, now)?;
        let (commands, mut events) = (booted.commands.reader(), booted.events.clone());
        events.seek(events.committed())?;
        let (term, durability) = (booted.term, booted.durability);
        let mut stages = wiring::wire(config, booted, bench.as_ref())?;
        let placement = config.placement();
        let mut threads = Vec::new();
        for placed in &placement.threads {
            let composite = compose(&placed.stages, &mut stages);
            let name = composite.name();
            let build = move || Ok(composite);
            let (core, idle, stop) = (placed.core, placement.idle, stop.clone());
            let thread = AgentThread::spawn(name, core, idle, stop, build);
            threads.push(thread.map_err(NodeError::Thread)?);
        }
        Ok(Self { threads, control, commands, events, term, durability })
    }

    /// Waits until the start of this term is in the event log, which is when gateways begin to serve.
    /// Returns `false` if the node was asked to stop before.
    ///
    /// # Errors
    /// The event log's.
    pub fn wait_ready(&mut self, stop: &StopFlag) -> Result<bool, NodeError> {
        loop {
            while let Some(frame) = self.events.next_frame()? {
                let mut records = frame.records().map_while(Result::ok);
                let term = self.term;
                if records.any(|record| begins(record.lines, term)) {
                    return Ok(true);
                }
            }
            if stop.is_set() {
                return Ok(false);
            }
            thread::sleep(READY_POLL_INTERVAL);
        }
    }

    /// Waits until the node was asked to stop, or one of its stages failed.
    ///
    /// # Errors
    /// What the first stage failed with.
    pub fn join(mut self) -> Result<(), NodeError> {
        let results: Vec<_> = self.threads.into_iter().map(AgentThread::join).collect();
        for result in results {
            result.map_err(NodeError::Stage)?;
        }
        let state = self.control.state().copied().unwrap_or_default();
        // In memory mode nothing is known to be durable, not even after an orderly stop.
        let durable = match self.durability {
            Durability::Disk => self.commands.committed(),
            Durability::Memory => state.durable,
        };
        self.control.store(Control { clean: true, durable, ..state })?;
        info!("stopped in order");
        Ok(())
    }
}

/// The stages of one thread. Order entry answers what the engine did: behind it, it has its turn again
/// before the feed and the operators have theirs.
fn compose(placed: &[Stage], stages: &mut Stages) -> Composite {
    let composite = Composite::new(placed.iter().map(|&stage| stages.take(stage)).collect());
    let place = |wanted| placed.iter().position(|&stage| stage == wanted);
    match (place(Stage::OrderEntry), place(Stage::Engine)) {
        (Some(order_entry), Some(engine)) => composite.revisiting(order_entry, engine),
        _ => composite,
    }
}

const READY_POLL_INTERVAL: Duration = Duration::from_millis(1);

fn begins(record: &[Line], term: u32) -> bool {
    matches!(Event::parse(record), Ok(Event::TermStarted(started)) if started.term == term)
}

/// A panic in any thread ends the process at once: a stage that is gone must not leave the others
/// answering for it.
fn abort_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            default(info);
            error!(%info, "panic: aborting");
            std::process::abort();
        }));
    });
}
