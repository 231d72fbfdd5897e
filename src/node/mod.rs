//! A node: opens the logs, brings the engine to where it was, and wires the stages with rings.
//!
//! Stages meet only here. Which thread runs which is the placement's; the same command log gives the
//! same event log whatever it is.

mod boot;
mod error;
mod wiring;

use std::path::PathBuf;
use std::sync::Once;

use tracing::{error, info};

pub use error::NodeError;

use crate::agent::{AgentThread, Composite, StopFlag};
use crate::config::Config;
use crate::event_store::ControlFile;
use crate::types::{Line, Nanos};

/// What one start of a node is asked beyond its configuration.
#[derive(Debug, Default)]
pub struct Start {
    /// The definition commands of a market, for an empty log only.
    pub market: Option<Vec<Line>>,
    /// Where to write the books when the node stops in order.
    pub books_out: Option<PathBuf>,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    threads: Vec<AgentThread>,
    control: ControlFile,
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
        let (booted, control) = boot::boot(config, start, now)?;
        let mut stages = wiring::wire(config, booted)?;
        let placement = config.placement();
        let mut threads = Vec::new();
        for placed in &placement.threads {
            let agents = placed.stages.iter().map(|&stage| stages.take(stage)).collect();
            let composite = Composite::new(agents);
            let name = composite.thread_name();
            let build = move || Ok(composite);
            let (core, idle, stop) = (placed.core, placement.idle, stop.clone());
            let thread = AgentThread::spawn(name, core, idle, stop, build);
            threads.push(thread.map_err(NodeError::Thread)?);
        }
        Ok(Self { threads, control })
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
        self.control.mark_clean()?;
        info!("stopped in order");
        Ok(())
    }
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
