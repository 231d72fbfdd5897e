//! What is archived: the newest manifest that `rialto archive eod` left. It writes one when it has read a
//! day's files back, and its name last, durably; so a manifest is the word that the day may go.
//!
//! Reads of it no more than how far the logs are sealed, and believes it only if its hash is right and it is
//! of these very logs.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::Below;
use crate::event_store::{Reader, StoreError};
use crate::types::{Position, chain_hash};

/// The name of a manifest's file in a day's directory.
const MANIFEST: &str = "manifest.json";

/// Why an archive says nothing.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveSignError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why it cannot be.
        source: io::Error,
    },
    /// A manifest is not one of these logs, or not what was written.
    #[error(
        "{}: {what}; prove it with `rialto archive verify`, and archive the day again if need be",
        path.display()
    )]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Deserialize)]
struct Sealed {
    manifest: Manifest,
    sha256: String,
}

#[derive(Deserialize)]
struct Manifest {
    events: Part,
    commands: Part,
}

#[derive(Deserialize)]
struct Part {
    last_sequence: u64,
    /// Where the frame of its last record starts.
    sealed_below: u64,
    /// The chain hash behind that frame.
    hash_after: String,
}

/// Below what everything of both logs is archived in `directory`; `None` if nothing is yet.
///
/// # Errors
/// [`ArchiveSignError`]; then nothing may go.
pub fn archived(
    directory: &Path,
    commands: &mut Reader,
    events: &mut Reader,
) -> Result<Option<Below>, ArchiveSignError> {
    let Some((path, newest)) = newest(directory)? else { return Ok(None) };
    let Manifest { events: sealed_events, commands: sealed_commands } = newest;
    for (part, log) in [(&sealed_commands, &mut *commands), (&sealed_events, &mut *events)] {
        if !is_of(part, log)? {
            let what = format!("it is of another log than {}", log.directory().display());
            return Err(ArchiveSignError::Manifest { path, what });
        }
    }
    let [commands, events] =
        [sealed_commands, sealed_events].map(|part| Position(part.sealed_below));
    Ok(Some(Below { commands, events }))
}

/// Whether the log holds the last frame of a part, or began behind it before.
fn is_of(part: &Part, log: &mut Reader) -> Result<bool, StoreError> {
    if part.sealed_below < log.beginning().end.0 {
        return Ok(true);
    }
    match log.frame_containing(Position(part.sealed_below)) {
        Ok(frame) => {
            let hash = chain_hash(frame.header, frame.payload);
            Ok(frame.header.start.0 == part.sealed_below
                && format!("{hash:016x}") == part.hash_after)
        }
        Err(StoreError::NotCommitted { .. } | StoreError::NoRecord { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The manifest of the last day in `directory`.
fn newest(directory: &Path) -> Result<Option<(PathBuf, Manifest)>, ArchiveSignError> {
    let failed = |path: &Path, source| ArchiveSignError::Io { path: path.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(directory, error)),
    };
    let mut newest: Option<(PathBuf, Manifest)> = None;
    for entry in entries {
        let entry = entry.map_err(|error| failed(directory, error))?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            // Not finished: only what has its name is an archive.
            continue;
        }
        let path = entry.path().join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(error) => return Err(failed(&path, error)),
        };
        let manifest =
            parse(&text).map_err(|what| ArchiveSignError::Manifest { path: path.clone(), what })?;
        let last = |manifest: &Manifest| manifest.events.last_sequence;
        if newest.as_ref().is_none_or(|(_, other)| last(&manifest) > last(other)) {
            newest = Some((path, manifest));
        }
    }
    Ok(newest)
}

/// A manifest whose hash is that of its text: it stands in the file two spaces further in.
fn parse(text: &str) -> Result<Manifest, String> {
    let sealed: Sealed = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Sealed { manifest, sha256 } = sealed;
    let body = text.strip_prefix("{\n  \"manifest\": ").and_then(|rest| rest.rsplit_once(",\n"));
    let (body, _) = body.ok_or("it is not as it was written")?;
    if hash_text(&body.replace("\n  ", "\n")) == sha256 {
        Ok(manifest)
    } else {
        Err("its SHA-256 is not that of its text".to_owned())
    }
}

/// The SHA-256 of a text, in digits.
pub(super) fn hash_text(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a string takes all");
        digits
    })
}
