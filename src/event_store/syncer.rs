//! A log made durable on a thread of its own, where an append counts when the disk has it and its writer
//! has no time to wait for that. One range at a time; never decides which.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use super::StoreError;
use crate::sys::log_memory::segment_path;
use crate::sys::log_sync::SyncMap;
use crate::types::Position;

/// The thread, and the way to it.
#[derive(Debug)]
pub struct Syncer {
    /// `None` only while it is dropped.
    requests: Option<SyncSender<Range<Position>>>,
    results: Receiver<Result<(), StoreError>>,
    thread: Option<JoinHandle<()>>,
    is_busy: bool,
}

impl Syncer {
    /// Starts the thread, for the log in `directory`.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn start(directory: &Path, segment_bytes: u64) -> Result<Self, StoreError> {
        let (requests, asked) = sync_channel::<Range<Position>>(1);
        let (done, results) = sync_channel(1);
        let mut files = Files { directory: directory.to_owned(), segment_bytes, mapped: None };
        let run = move || {
            while let Ok(range) = asked.recv() {
                if done.send(files.sync(&range)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("syncer".to_owned())
            .spawn(run)
            .map_err(StoreError::io("start a thread for", directory))?;
        Ok(Self { requests: Some(requests), results, thread: Some(thread), is_busy: false })
    }

    /// Begins to make `range` durable.
    ///
    /// # Panics
    /// If it is still busy with the one before.
    pub fn begin(&mut self, range: Range<Position>) {
        assert!(!self.is_busy, "one range at a time");
        let requests = self.requests.as_ref().expect("gone on drop only");
        requests.send(range).expect("the thread ends when this does");
        self.is_busy = true;
    }

    /// Whether the range that was begun is durable by now; `None` while it is not, or none was begun.
    pub fn poll(&mut self) -> Option<Result<(), StoreError>> {
        match self.results.try_recv() {
            Ok(result) => {
                self.is_busy = false;
                Some(result)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => unreachable!("the thread ends when this does"),
        }
    }

    /// Waits for the range that was begun, if one was.
    ///
    /// # Errors
    /// The operating system's. What is durable is then unknown, and the node should stop.
    pub fn wait(&mut self) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.is_busy) {
            return Ok(());
        }
        match self.results.recv() {
            Ok(result) => result,
            Err(_) => unreachable!("the thread ends when this does"),
        }
    }

    /// Whether a range was begun, and nobody was told its end.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.is_busy
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
#[derive(Debug)]
struct Files {
    directory: PathBuf,
    segment_bytes: u64,
    /// The last segment of which something was made durable, and its number.
    mapped: Option<(u64, SyncMap)>,
}

impl Files {
    fn sync(&mut self, range: &Range<Position>) -> Result<(), StoreError> {
        let (from, to) = (range.start.0, range.end.0);
        for number in from / self.segment_bytes..to.div_ceil(self.segment_bytes) {
            let path = segment_path(&self.directory, number);
            let map = match self.mapped.take() {
                Some((mapped, map)) if mapped == number => map,
                _ => SyncMap::open(&path).map_err(StoreError::io("map to sync", &path))?,
            };
            let (_, map) = self.mapped.insert((number, map));
            let start = number * self.segment_bytes;
            let within = |at: u64| usize::try_from(at.saturating_sub(start)).expect("64 bits");
            map.sync(within(from)..within(to)).map_err(StoreError::io("sync", &path))?;
        }
        Ok(())
    }
}
