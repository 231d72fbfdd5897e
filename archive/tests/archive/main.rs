//! The archive over real logs: days that a real engine traded, archived, read back, damaged, and cut short.

#![allow(clippy::unwrap_used)]

mod damage;
mod days;
mod exchange;
mod process;
mod rows;
mod trading;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rialto_archive::eod::{Outcome, archive};
use rialto_archive::table::Row;
use rialto_archive::{ArchiveError, Cut, Manifest, read_rows};

/// So small that a short day has several row groups, and several files.
const SMALL: Cut = Cut { group_rows: 7, file_groups: 3 };

/// A directory of its own for a test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rialto-archive-{}-{number}", std::process::id());
        let path = Path::new("/dev/shm").join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The logs.
    fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Where archives go.
    fn archives(&self) -> PathBuf {
        self.0.join("archives")
    }

    /// The archive of a session.
    fn archive_of(&self, session: &str) -> PathBuf {
        self.archives().join(session)
    }

    /// Archives what has ended: what became of each day, in a word and its session.
    fn eod(&self, cut: Cut) -> Result<Vec<String>, ArchiveError> {
        let mut said = Vec::new();
        archive(&self.logs(), &self.archives(), cut, |outcome| {
            said.push(match outcome {
                Outcome::Archived(day) => format!("archived {}", day.manifest.session),
                Outcome::WasArchived(day) => format!("was archived {}", day.manifest.session),
            });
        })?;
        Ok(said)
    }

    /// What is where archives go.
    fn names(&self) -> Vec<String> {
        names_in(&self.archives())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The rows of a table.
fn rows_of<R: Row>(archive: &Path) -> Vec<R> {
    let manifest = Manifest::read(archive).unwrap().unwrap();
    let mut rows = Vec::new();
    read_rows(archive, &manifest, |row| {
        rows.push(row);
        Ok(())
    })
    .unwrap();
    rows
}
