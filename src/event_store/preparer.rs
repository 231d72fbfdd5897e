//! Segments prepared ahead: a thread that always has the next one ready, so that the writer does not
//! wait for the file system.
//!
//! It also lets go of the segments that everybody has left, because unmapping takes its time too.
//! Never touches a byte that is in use.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use tracing::warn;

use super::StoreError;
use super::log::{Log, LogSegment};
use super::retirement::{Retirement, retire};
use super::segment::SegmentHeader;

/// Hands out segments in their order.
#[derive(Debug)]
pub(super) struct Preparer {
    log: Arc<Log>,
    /// `None` only while it is dropped.
    ready: Option<Receiver<Result<LogSegment, StoreError>>>,
    thread: Option<JoinHandle<()>>,
    retirement: Retirement,
    late: u64,
}

impl Preparer {
    /// Starts the thread, with `first` ready.
    pub(super) fn start(log: &Arc<Log>, first: LogSegment) -> Result<Self, StoreError> {
        // Without a buffer, so that the thread is never more than the one segment in its hands ahead.
        let (sender, ready) = sync_channel(0);
        let retirement = Retirement::default();
        let ahead = Ahead { log: Arc::clone(log), retirement: retirement.clone() };
        let thread = thread::Builder::new()
            .name("segments".to_owned())
            .spawn(move || ahead.run(first, &sender))
            .map_err(StoreError::io("start a thread for", log.memory.directory()))?;
        let (log, ready, thread) = (Arc::clone(log), Some(ready), Some(thread));
        Ok(Self { log, ready, thread, retirement, late: 0 })
    }

    /// What the thread lets go of.
    pub(super) fn retirement(&self) -> Retirement {
        self.retirement.clone()
    }

    /// The next segment, which is number `number`. Waits if it is not ready.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`] or the operating system's, as they are now. It may be tried again.
    pub(super) fn take(&mut self, number: u64) -> Result<LogSegment, StoreError> {
        let ready = self.ready.as_ref().expect("gone on drop only");
        let segment = if let Ok(Ok(segment)) = ready.try_recv() {
            segment
        } else {
            // Not ready, or an error of some time ago: the thread is trying, or now tries again.
            self.late += 1;
            ready.recv().expect("the thread ends when this does")?
        };
        assert_eq!(segment.memory.number(), number, "segments are taken in their order");
        Ok(segment)
    }

    /// How often the writer had to wait.
    pub(super) const fn late(&self) -> u64 {
        self.late
    }
}

impl Drop for Preparer {
    /// Ends the thread while the writer still has its lock, since the thread makes files.
    fn drop(&mut self) {
        self.ready = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!(log = %self.log.memory.directory().display(), "segment thread panicked");
        }
    }
}

/// Makes segment `number`.
pub(super) fn prepare(log: &Log, number: u64) -> Result<LogSegment, StoreError> {
    let header = SegmentHeader::new(log.kind, log.memory.segment_bytes(), number).line();
    let memory = log
        .memory
        .create_segment(number, header)
        .map_err(StoreError::allocating(&log.segment_path(number), log.memory.segment_bytes()))?;
    Ok(LogSegment { memory, hints: log.index.segment(number) })
}

/// What the thread works with.
struct Ahead {
    log: Arc<Log>,
    retirement: Retirement,
}

impl Ahead {
    fn run(&self, first: LogSegment, ready: &SyncSender<Result<LogSegment, StoreError>>) {
        let mut number = first.memory.number();
        let mut held: Vec<LogSegment> = Vec::new();
        let mut next = Ok(first);
        loop {
            match &next {
                Ok(segment) => {
                    held.push(segment.clone());
                    number += 1;
                }
                Err(error) => warn!(%error, "cannot prepare the next segment"),
            }
            if ready.send(next).is_err() {
                return;
            }
            held.retain(|segment| Arc::strong_count(&segment.memory) > 1);
            if let Err(error) = retire(&self.log, self.retirement.position()) {
                warn!(%error, "cannot retire segments");
            }
            next = prepare(&self.log, number);
        }
    }
}
