//! The manifest: what an archive holds of which log, and the hash of every file, itself included. It is
//! written last, and an archive without it is none.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use rialto::sys::file::sync_directory;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ArchiveError;

/// The name of its file.
pub const MANIFEST: &str = "manifest.json";

/// The format of this version's archives.
const FORMAT: u32 = 1;

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the tables and of this.
    pub format: u32,
    /// The day's session id, and the name of the archive's directory.
    pub session: String,
    /// The trading date, YYYY-MM-DD.
    pub date: String,
    /// The part of the event log that it holds.
    pub events: LogPart,
    /// The commands that caused it.
    pub commands: LogPart,
    /// Its files, but this one.
    pub files: Vec<FileEntry>,
}

/// A part of a log: consecutive records, and where they lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPart {
    /// Its first record.
    pub first_sequence: u64,
    /// Its last record, the end of the day.
    pub last_sequence: u64,
    /// Where the frame of its first record starts.
    pub first_frame: u64,
    /// Where the frame of its last record starts. All that lies below is archived: segments that end at or
    /// below it may go. The next archive begins with this frame.
    pub sealed_below: u64,
    /// The chain hash before the frame of its first record: which log it is.
    pub hash_before: String,
    /// The chain hash behind the frame of its last record.
    pub hash_after: String,
}

/// A file of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// SHA-256 of the values in it, as they were before they were encoded: row group by row group and column
    /// by column the number of values, and each in 8 bytes, or its length and its bytes; little-endian.
    pub content: String,
}

/// As it is in its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    manifest: Manifest,
    /// SHA-256 of the manifest's text.
    sha256: String,
}

impl Manifest {
    /// Of a session's archive.
    pub(crate) const fn new(
        session: String,
        date: String,
        events: LogPart,
        commands: LogPart,
        files: Vec<FileEntry>,
    ) -> Self {
        Self { format: FORMAT, session, date, events, commands, files }
    }

    /// The files of a table, in their order.
    pub fn files_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a FileEntry> {
        self.files.iter().filter(move |file| {
            let number = file.name.strip_prefix(table).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
        })
    }

    /// The manifest in `directory`; none if there is no such file.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if it is not, to the byte, what was written.
    pub fn read(directory: &Path) -> Result<Option<Self>, ArchiveError> {
        let path = directory.join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArchiveError::io("read", &path)(error)),
        };
        let sealed: Sealed = serde_json::from_slice(&text)
            .map_err(|error| ArchiveError::damaged(&path, error.to_string()))?;
        let Sealed { manifest, sha256 } = sealed;
        if manifest.format != FORMAT {
            let format = manifest.format;
            let what = format!("format {format}, this program reads {FORMAT}");
            return Err(ArchiveError::damaged(&path, what));
        }
        if manifest.hash() != sha256 || manifest.sealed() != text {
            return Err(ArchiveError::damaged(&path, "its SHA-256 is not that of its text"));
        }
        Ok(Some(manifest))
    }

    /// Writes it into `directory`, where it is whole or not at all.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), ArchiveError> {
        let (path, temporary) = (directory.join(MANIFEST), directory.join("manifest.part"));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(&self.sealed())?;
            file.sync_all()
        });
        written.map_err(ArchiveError::io("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(ArchiveError::io("rename", &temporary))?;
        sync_directory(directory).map_err(ArchiveError::io("sync", directory))
    }

    fn hash(&self) -> String {
        let text = serde_json::to_vec_pretty(self).expect("plain fields");
        hexadecimal(&Sha256::digest(text))
    }

    fn sealed(&self) -> Vec<u8> {
        let sealed = Sealed { manifest: self.clone(), sha256: self.hash() };
        let mut text = serde_json::to_vec_pretty(&sealed).expect("plain fields");
        text.push(b'\n');
        text
    }
}

/// As hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}
