//! A directory for the files of a bench, removed when it is over.

use std::fs;
use std::path::{Path, PathBuf};

use super::BenchError;

/// The directory.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes it.
    pub(super) fn make(path: &Path) -> Result<Self, BenchError> {
        fs::create_dir(path).map_err(BenchError::file(path))?;
        Ok(Self(path.to_owned()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("bench: {} is left behind: {error}", self.0.display());
        }
    }
}
