//! The end-of-day archive of Rialto: a sealed trading day as Parquet files with a manifest of SHA-256
//! hashes, from which alone the day can be answered for when the logs' segments are gone.
//!
//! `rialto archive` runs this package's program, `rialto-archive`, which lies beside it. Two programs,
//! because whoever runs an exchange should not have a library of Parquet linked into it, nor wait for it
//! to compile; one command, because an operator should not have to know.
//!
//! An archive is made under another name, read back in full, and renamed: what has its name and its
//! manifest is whole. `schema.md` says what is in each column.

pub mod eod;
mod error;
mod extract;
mod file;
mod ledger;
mod manifest;
mod names;
pub mod rows;
mod source;
pub mod table;
mod tables;
mod verify;

pub use error::ArchiveError;
pub use file::Cut;
pub use manifest::{FileEntry, LogPart, MANIFEST, Manifest};
pub use verify::{Verified, archives, read_rows, verify};
