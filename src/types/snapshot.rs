//! Snapshots as bytes: values of known types, one behind another, as `postcard` writes them.
//!
//! Integers as varints and sequences behind their length; nothing says what a value is, so whoever
//! reads must know what was written. Bytes that are none of that are an error, never a panic.

use serde::{Deserialize, Serialize};

/// Writes a snapshot, or only finds out whether it would be equal to one that there is.
#[derive(Debug, Default)]
pub struct SnapshotWriter<'a> {
    bytes: Vec<u8>,
    /// What is left of the one that this should be.
    expected: Option<&'a [u8]>,
    differs: bool,
}

/// Reads a snapshot.
#[derive(Debug)]
pub struct SnapshotReader<'a> {
    rest: &'a [u8],
}

/// Why bytes are not a snapshot of this engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Another version wrote it.
    #[error(
        "the snapshot is of format {0}, and this version reads another: replay the log instead"
    )]
    Format(u16),
    /// It is of a venue with other limits.
    #[error("the snapshot is of a venue with other limits than the command log's")]
    Limits,
    /// They end too early, or hold values there are not.
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(#[from] postcard::Error),
    /// Its parts do not fit each other.
    #[error("the snapshot contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl<'a> SnapshotWriter<'a> {
    /// Compares with `expected` what is written, and keeps no more of it than one value.
    #[must_use]
    pub fn comparing(expected: &'a [u8]) -> Self {
        Self { expected: Some(expected), ..Self::default() }
    }

    /// Writes a value behind those before it.
    ///
    /// # Panics
    /// If the value is a sequence that does not know its length: none of ours is.
    pub fn put<T: Serialize + ?Sized>(&mut self, value: &T) {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(value, bytes).expect("memory takes every value");
        if let Some(expected) = &mut self.expected {
            match expected.strip_prefix(self.bytes.as_slice()) {
                Some(rest) => *expected = rest,
                None => self.differs = true,
            }
            self.bytes.clear();
        }
    }

    /// Whether all that was written is all that was expected.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        !self.differs && self.expected.is_some_and(<[u8]>::is_empty)
    }

    /// All that was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

impl<'a> SnapshotReader<'a> {
    /// From the first byte on.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads the next value.
    ///
    /// # Errors
    /// [`SnapshotError::Unreadable`] for bytes that are no `T`.
    pub fn take<T: Deserialize<'a>>(&mut self) -> Result<T, SnapshotError> {
        let (value, rest) = postcard::take_from_bytes(self.rest)?;
        self.rest = rest;
        Ok(value)
    }
}

/// A rule that parts of a snapshot must keep.
///
/// # Errors
/// [`SnapshotError::Contradiction`] if they do not.
pub fn consistent(rule: bool, what: &'static str) -> Result<(), SnapshotError> {
    if rule { Ok(()) } else { Err(SnapshotError::Contradiction(what)) }
}
