//! The thread that makes the command log durable where an append counts in memory, and writes down in
//! the control file how far it is.
//!
//! Nobody waits for it, and no stage shares its core by choice: it has the lowest priority.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::warn;

use super::NodeError;
use crate::agent::StopFlag;
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::event_store::{BackgroundSync, Control, ControlError, ControlFile};
use crate::sys::process::give_way;
use crate::types::{Nanos, Position};

/// How long the pages that the sequencer has left wait for the disk.
const SYNC_INTERVAL: Duration = Duration::from_millis(5);
/// Of so many syncs one is of everything, and is written down: a page that fills slowly waits for
/// about 100 ms, and longer where the disk is slow or nobody leaves this thread a core.
const RECORD_EVERY: u64 = 20;

counter_set! {
    /// What became durable behind the stages. All zero where nothing does: logs in memory, or a
    /// sequencer that waits for the disk itself.
    pub(super) struct DurableCounters {
        /// The command log is durable below this position, and the control file says so.
        position,
        /// The sequence of the next command there.
        sequence,
    }
}

/// The control file, which the node and this thread both write to.
#[derive(Clone, Debug)]
pub(super) struct SharedControl(Arc<Mutex<ControlFile>>);

impl SharedControl {
    pub(super) fn new(control: ControlFile) -> Self {
        Self(Arc::new(Mutex::new(control)))
    }

    /// The last state; nothing where there is none yet.
    pub(super) fn state(&self) -> Control {
        self.lock().state().copied().unwrap_or_default()
    }

    /// The command log is durable below.
    pub(super) fn durable(&self) -> Position {
        self.lock().state().map_or(Position::FIRST, |state| state.durable)
    }

    /// Stores what `change` makes of the last state, unless it is the same.
    pub(super) fn update(
        &self,
        change: impl FnOnce(Control) -> Control,
    ) -> Result<(), ControlError> {
        let mut control = self.lock();
        let known = control.state().copied();
        let state = known.unwrap_or_default();
        let changed = change(state);
        if known == Some(changed) { Ok(()) } else { control.store(changed) }
    }

    fn lock(&self) -> MutexGuard<'_, ControlFile> {
        self.0.lock().expect("a panic ends the process")
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Background {
    thread: JoinHandle<Result<(), NodeError>>,
    stop: StopFlag,
}

impl Background {
    pub(super) fn start(
        log: BackgroundSync,
        control: SharedControl,
        published: CounterBlock,
    ) -> io::Result<Self> {
        let stop = StopFlag::default();
        let asked = stop.clone();
        let thread = thread::Builder::new()
            .name("durable".to_owned())
            .spawn(move || run(log, &control, published, &asked))?;
        Ok(Self { thread, stop })
    }

    /// Whether it has ended by itself: the disk refused.
    pub(super) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it, with everything durable that was committed before.
    pub(super) fn stop(self) -> Result<(), NodeError> {
        self.stop.stop();
        self.thread.join().expect("a panic ends the process")
    }
}

fn run(
    mut log: BackgroundSync,
    control: &SharedControl,
    mut published: CounterBlock,
    stop: &StopFlag,
) -> Result<(), NodeError> {
    if let Err(error) = give_way() {
        warn!(%error, "the log is made durable at the priority of everything else");
    }
    for round in 1_u64.. {
        let last = stop.is_set();
        if last || round.is_multiple_of(RECORD_EVERY) {
            let durable = log.sync_all()?;
            control.update(|state| Control {
                durable: durable.position,
                durable_sequence: durable.sequence,
                ..state
            })?;
            // As often as it is written down.
            published.is_due(Nanos::MAX);
            let (position, sequence) = (durable.position.0, durable.sequence);
            DurableCounters { position, sequence }.publish(&mut published);
        } else {
            log.sync()?;
        }
        if last {
            break;
        }
        thread::sleep(SYNC_INTERVAL);
    }
    Ok(())
}
