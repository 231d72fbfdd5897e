//! Where a log begins: at its first record, or behind the segments that were retired.
//!
//! A retired segment is gone for good, so that it is gone is written down first, durably. A log without
//! its first segments and without that word has lost them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::StoreError;
use crate::sys::file;
use crate::types::{FrameChain, Nanos, Position};

/// The name of the file in a log's directory.
const BEGINNING_FILE: &str = "beginning";
/// A file that is not finished.
const UNFINISHED_FILE: &str = "beginning.new";

/// The file: `format.md` draws it.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Beginning {
    magic: [u8; 8],
    segment_bytes: u64,
    position: Position,
    sequence: u64,
    hash: u64,
    index: u64,
    time: Nanos,
    term: u32,
    /// CRC-32C of all before.
    crc: u32,
}

const _: () = assert!(size_of::<Beginning>() == 64);

const MAGIC: [u8; 8] = *b"RLBEGIN1";

impl Beginning {
    fn crc(&self) -> u32 {
        crc32c::crc32c(&self.as_bytes()[..size_of::<Self>() - size_of::<u32>()])
    }
}

/// Whether segments of the log in `directory` were retired.
pub(super) fn was_retired(directory: &Path) -> bool {
    directory.join(BEGINNING_FILE).exists()
}

/// The chain behind what was retired of the log in `directory`, empty if nothing was.
///
/// # Errors
/// [`StoreError::Beginning`], or the operating system's.
pub(super) fn load(directory: &Path, segment_bytes: u64) -> Result<FrameChain, StoreError> {
    let path = directory.join(BEGINNING_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(FrameChain::empty(segment_bytes));
        }
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    };
    let Ok(found) = Beginning::read_from_bytes(&bytes) else {
        return Err(StoreError::Beginning { path });
    };
    let is_sound = found.magic == MAGIC
        && found.crc == found.crc()
        && found.segment_bytes == segment_bytes
        && found.position.0.is_multiple_of(segment_bytes);
    if !is_sound {
        return Err(StoreError::Beginning { path });
    }
    Ok(FrameChain {
        segment_bytes,
        end: found.position,
        next_sequence: found.sequence,
        hash: found.hash,
        index: found.index,
        term: found.term,
        time: found.time,
    })
}

/// Has the log in `directory` begin behind the frames of `chain`, durably. If this fails the file says
/// what it said before, or this.
///
/// # Errors
/// The operating system's.
pub(super) fn store(directory: &Path, chain: &FrameChain) -> Result<(), StoreError> {
    let mut beginning = Beginning {
        magic: MAGIC,
        segment_bytes: chain.segment_bytes,
        position: chain.end,
        sequence: chain.next_sequence,
        hash: chain.hash,
        index: chain.index,
        time: chain.time,
        term: chain.term,
        crc: 0,
    };
    beginning.crc = beginning.crc();
    let unfinished = directory.join(UNFINISHED_FILE);
    let path = directory.join(BEGINNING_FILE);
    let written = || {
        fs::write(&unfinished, beginning.as_bytes())?;
        File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, &path)?;
        file::sync_directory(directory)
    };
    written().map_err(StoreError::io("write", &path))
}
