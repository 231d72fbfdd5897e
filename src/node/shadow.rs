//! The shadow engine's keeper: a thread that starts the process which takes snapshots, starts it again
//! when it ends, and ends it with the node.
//!
//! No stage waits for either. A node whose shadow is gone trades on; only its restart takes longer.

use std::io;
use std::process::Child;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::agent::StopFlag;
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::sys::process::terminate;
use crate::types::Nanos;

/// Starts the process; called for each start, always on the same thread, whose end may be the child's.
pub type StartShadow = Box<dyn FnMut() -> io::Result<Child> + Send>;

/// How often its end, or that of the node, is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long to wait before the first start again, and at most. Each time twice as long.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_mins(1);
/// One that ran for so long has not failed for what the one before it did.
const STEADY_AFTER: Duration = Duration::from_mins(1);
/// How long it may take to end in order. It loses nothing if it does not.
const STOP_MAX: Duration = Duration::from_secs(2);

counter_set! {
    /// How the shadow engine fares.
    pub(super) struct ShadowCounters {
        /// How often it ended and was started again.
        restarts,
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Shadow {
    thread: JoinHandle<()>,
    stop: StopFlag,
}

impl Shadow {
    pub(super) fn start(start: StartShadow, published: CounterBlock) -> io::Result<Self> {
        let stop = StopFlag::default();
        let asked = stop.clone();
        let thread = thread::Builder::new()
            .name("shadow".to_owned())
            .spawn(move || keep(start, published, &asked))?;
        Ok(Self { thread, stop })
    }

    /// Ends the process, in order if it does so in time.
    pub(super) fn stop(self) {
        self.stop.stop();
        self.thread.join().expect("a panic ends the process");
    }
}

fn keep(mut start: StartShadow, mut published: CounterBlock, stop: &StopFlag) {
    let (mut counters, mut back_off) = (ShadowCounters { restarts: 0 }, BACK_OFF_MIN);
    loop {
        let begun = Instant::now();
        let why = match start().and_then(|child| watch(child, stop)) {
            Ok(None) => return,
            Ok(Some(ended)) => ended,
            Err(error) => error.to_string(),
        };
        if begun.elapsed() >= STEADY_AFTER {
            back_off = BACK_OFF_MIN;
        }
        counters.restarts += 1;
        published.is_due(Nanos::MAX);
        counters.publish(&mut published);
        warn!(why, restarts = counters.restarts, ?back_off, "the shadow engine is started again");
        let again = Instant::now() + back_off;
        while Instant::now() < again {
            if stop.is_set() {
                return;
            }
            thread::sleep(POLL_INTERVAL);
        }
        back_off = (2 * back_off).min(BACK_OFF_MAX);
    }
}

/// Waits for the end of a child, and says what it was. `None` if it was told to end.
fn watch(mut child: Child, stop: &StopFlag) -> io::Result<Option<String>> {
    info!(pid = child.id(), "the shadow engine runs");
    while !stop.is_set() {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.to_string()));
        }
        thread::sleep(POLL_INTERVAL);
    }
    terminate(&mut child)?;
    let late = Instant::now() + STOP_MAX;
    while child.try_wait()?.is_none() {
        if Instant::now() > late {
            child.kill()?;
            child.wait()?;
            break;
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(None)
}
