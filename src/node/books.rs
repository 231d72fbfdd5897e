//! The books of an engine as a file, in the form that a feed's subscriber writes too.

use crate::engine::Engine;
use std::io;
use std::path::Path;
pub(super) fn write(_engine: &Engine, _path: &Path) -> io::Result<()> {
    Ok(())
}
