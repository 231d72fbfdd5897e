//! A table of definitions: rows by dense identifier from 1, and by the key people know them by.
//!
//! Rows are never removed, so an identifier stays what it is; and never moved, so that one more
//! definition takes no longer than the others.

use super::{IdMap, IndexSeed};
use crate::sys::memory::{prefer_huge_pages, prefetch};
use crate::types::Refusal;

/// Rows in the order of their definition.
#[derive(Debug)]
pub struct Table<T> {
    rows: Vec<T>,
    /// Of each row.
    keys: Vec<u64>,
    by_key: IdMap,
    max: usize,
}

impl<T> Table<T> {
    /// Room for `max` rows.
    #[must_use]
    pub(crate) fn new(max: usize, seed: IndexSeed) -> Self {
        let rows = Vec::with_capacity(max);
        prefer_huge_pages(&rows);
        let by_key = IdMap::with_capacity(max, seed);
        Self { rows, keys: Vec::with_capacity(max), by_key, max }
    }

    /// Adds a row; its identifier is the number of rows then.
    ///
    /// # Errors
    /// [`Refusal::Exists`] if the key is in use, [`Refusal::Capacity`] if the table is full.
    pub(crate) fn add(&mut self, key: u64, row: T) -> Result<u32, Refusal> {
        if self.find(key).is_some() {
            return Err(Refusal::Exists);
        }
        if self.rows.len() == self.max {
            return Err(Refusal::Capacity);
        }
        self.rows.push(row);
        self.keys.push(key);
        let id = self.len();
        self.by_key.insert(key, id, |_| false);
        Ok(id)
    }

    /// The identifier of the row with this key.
    #[must_use]
    pub fn find(&self, key: u64) -> Option<u32> {
        self.by_key.get(key, |id| self.keys[id as usize - 1] == key)
    }

    /// The same, most likely, without a look at the row; 0 = none.
    pub(crate) fn likely(&self, key: u64) -> u32 {
        self.by_key.likely(key).unwrap_or(0)
    }

    /// Brings near what finds the row with this key.
    pub(crate) fn expect_key(&self, key: u64) {
        self.by_key.expect(key);
    }

    /// Brings the first line of a row near; any number will do.
    pub(crate) fn expect(&self, id: u32) {
        if let Some(row) = self.get(id) {
            prefetch(row);
        }
    }

    /// The row with this identifier.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&T> {
        self.rows.get((id as usize).checked_sub(1)?)
    }

    /// The same, to change.
    #[must_use]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.rows.get_mut((id as usize).checked_sub(1)?)
    }

    /// Rows there are: the identifiers are 1 to this.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.rows.len()).expect("capacities are u32")
    }

    /// Every row, in the order of definition.
    #[must_use]
    pub fn rows(&self) -> &[T] {
        &self.rows
    }

    /// The same, to change.
    pub(crate) fn rows_mut(&mut self) -> &mut [T] {
        &mut self.rows
    }
}

/// The key of a short name: its bytes, which are at most eight.
pub(super) fn name_key(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..name.len()].copy_from_slice(name);
    u64::from_le_bytes(bytes)
}

/// Whether bytes are a name: printable ASCII that begins with something visible.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|&first| first != b' ')
        && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
}
