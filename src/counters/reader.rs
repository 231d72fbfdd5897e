//! The reading side: what a node counted, while it runs or after.
//!
//! Never writes, and never keeps a node from starting or running.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{
    COUNT_WORD, COUNTERS_FILE, COUNTERS_MAX, MAGIC, MAGIC_WORD, NAME_BYTES_MAX, NODE_WORD,
    PROCESS_WORD, START_WORD, VERSION, VERSION_WORD, WORDS, value_word,
};
use crate::sys::words::SharedWords;
use crate::types::Nanos;

/// The counters of a node.
#[derive(Debug)]
pub struct CounterReader {
    file: File,
    words: SharedWords,
}

/// Why there are no counters to be read.
#[derive(Debug, thiserror::Error)]
pub enum CountersError {
    /// There is no file.
    #[error(
        "{}: no counters here; give the logs directory of a node, as its configuration has it",
        path.display()
    )]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{}: not a file of counters", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another version of Rialto made it.
    #[error("{}: format version {found}, this program reads {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl CounterReader {
    /// The counters of the node with this logs directory: of the one that runs, or of the last.
    ///
    /// # Errors
    /// [`CountersError`].
    pub fn open(directory: &Path) -> Result<Self, CountersError> {
        let path = directory.join(COUNTERS_FILE);
        let opened =
            File::open(&path).and_then(|file| Ok((SharedWords::read(&file, WORDS)?, file)));
        let (words, file) = match opened {
            Ok(opened) => opened,
            Err(source) => {
                return Err(match source.kind() {
                    io::ErrorKind::NotFound => {
                        CountersError::Missing { path: directory.to_owned() }
                    }
                    io::ErrorKind::UnexpectedEof => CountersError::Foreign { path },
                    _ => CountersError::Io { path, source },
                });
            }
        };
        if words.load(MAGIC_WORD) != MAGIC {
            return Err(CountersError::Foreign { path });
        }
        match words.load(VERSION_WORD) {
            VERSION => Ok(Self { file, words }),
            found => Err(CountersError::Version { path, found }),
        }
    }

    /// The node's id.
    #[must_use]
    pub fn node(&self) -> u64 {
        self.words.load(NODE_WORD)
    }

    /// Its process id.
    #[must_use]
    pub fn process(&self) -> u64 {
        self.words.load(PROCESS_WORD)
    }

    /// When it started.
    #[must_use]
    pub fn started(&self) -> Nanos {
        Nanos(self.words.load(START_WORD))
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        match self.file.try_lock_shared() {
            Ok(()) => {
                // Closing the file unlocks it too, should this fail.
                let _ = self.file.unlock();
                false
            }
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(_)) => false,
        }
    }

    /// Each counter's name and its value now.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let count = usize::try_from(self.words.load(COUNT_WORD)).unwrap_or(COUNTERS_MAX);
        let numbers = 0..count.min(COUNTERS_MAX);
        numbers.map(|number| (self.name(number), self.words.load(value_word(number))))
    }

    fn name(&self, number: usize) -> String {
        let first = value_word(number) + 1;
        let words = first..first + NAME_BYTES_MAX / size_of::<u64>();
        let bytes: Vec<_> = words.flat_map(|word| self.words.load(word).to_le_bytes()).collect();
        String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned()
    }
}
