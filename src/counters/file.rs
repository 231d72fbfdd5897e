//! The writing side: a node's counters file, and the blocks of it that its stages write.
//!
//! After the start it allocates nothing and calls nobody: a published counter is one store.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{
    COUNT_WORD, COUNTERS_MAX, MAGIC, MAGIC_WORD, NAME_BYTES_MAX, NODE_WORD, PROCESS_WORD,
    START_WORD, VERSION, VERSION_WORD, WORDS, value_word,
};
use crate::sys::file::allocate;
use crate::sys::words::SharedWords;
use crate::types::Nanos;

/// How old the values of a stage get.
pub const PUBLISH_INTERVAL: Nanos = Nanos::from_millis(100);

/// A counters file while the blocks of it are given out.
#[derive(Debug)]
pub struct CounterFile {
    shared: Arc<Shared>,
    count: usize,
}

/// The file as long as anybody writes to it.
#[derive(Debug)]
struct Shared {
    words: SharedWords,
    /// Locked: it tells readers that the node runs.
    _file: File,
}

impl CounterFile {
    /// Makes the file of `node`, which started at `started`, in the place of the one at `path`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn create(path: &Path, node: u32, started: Nanos) -> io::Result<Self> {
        let unfinished = path.with_extension("new");
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&unfinished)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::ErrorKind::ResourceBusy.into(),
        })?;
        allocate(&file, (WORDS * size_of::<u64>()) as u64)?;
        let words = SharedWords::write(&file, WORDS)?;
        words.store(VERSION_WORD, VERSION);
        words.store(NODE_WORD, node.into());
        words.store(PROCESS_WORD, std::process::id().into());
        words.store(START_WORD, started.0);
        words.store(MAGIC_WORD, MAGIC);
        fs::rename(&unfinished, path)?;
        Ok(Self { shared: Arc::new(Shared { words, _file: file }), count: 0 })
    }

    /// The next counters of the file, called `stage`.`name` each, for one thread to write.
    ///
    /// # Panics
    /// If the file is full or a name too long: names and stages are this program's.
    pub fn block(&mut self, stage: &str, names: &[&str]) -> CounterBlock {
        let first = self.count;
        for name in names {
            assert!(self.count < COUNTERS_MAX, "a counters file holds {COUNTERS_MAX} counters");
            self.write_name(&format!("{stage}.{name}"));
            self.count += 1;
        }
        self.shared.words.store(COUNT_WORD, self.count as u64);
        CounterBlock {
            shared: Some(Arc::clone(&self.shared)),
            first,
            end: self.count,
            next: first,
            interval: PUBLISH_INTERVAL,
            due_at: Nanos::ZERO,
        }
    }

    fn write_name(&self, name: &str) {
        assert!(name.len() <= NAME_BYTES_MAX, "{name} is too long");
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        let (words, _) = bytes.as_chunks();
        for (place, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            self.shared.words.store(value_word(self.count) + 1 + place, word);
        }
    }
}

/// The counters of one stage in the file. What is put into it stays there when the stage is gone.
#[derive(Debug)]
pub struct CounterBlock {
    shared: Option<Arc<Shared>>,
    first: usize,
    end: usize,
    /// The counter that the next value is for.
    next: usize,
    interval: Nanos,
    due_at: Nanos,
}

impl CounterBlock {
    /// For a stage whose counters nobody reads: it is never due.
    #[must_use]
    pub const fn none() -> Self {
        let interval = PUBLISH_INTERVAL;
        Self { shared: None, first: 0, end: 0, next: 0, interval, due_at: Nanos::MAX }
    }

    /// The same block, to be published each `interval`.
    #[must_use]
    pub const fn every(mut self, interval: Nanos) -> Self {
        self.interval = interval;
        self
    }

    /// Whether it is time to publish. If so, the next value is the first counter's; at
    /// [`Nanos::MAX`] it always is.
    pub fn is_due(&mut self, now: Nanos) -> bool {
        if now < self.due_at || self.shared.is_none() {
            return false;
        }
        self.due_at = now.after(self.interval);
        self.next = self.first;
        true
    }

    /// Publishes the value of the next counter.
    ///
    /// # Panics
    /// If there are more values than names: then they disagree.
    pub fn put(&mut self, value: u64) {
        let Some(shared) = &self.shared else { return };
        assert!(self.next < self.end, "a counter that has no name");
        shared.words.store(value_word(self.next), value);
        self.next += 1;
    }
}
