//! The positions file of a log: how far its writer is, for readers in any process.
//!
//! Holds nothing that is needed to recover a log; what another boot wrote counts for nothing.

use std::fs::File;
use std::io;
use std::path::Path;

use super::file::{self, BootId, Presence};
use super::words::SharedWords;
use crate::types::Position;

/// The name of the file in a log's directory.
pub const POSITIONS_FILE: &str = "positions";

/// The commit position that a process of this boot left in `directory`, if one did.
///
/// # Errors
/// The operating system's.
pub fn committed_in_this_boot(directory: &Path) -> io::Result<Option<Position>> {
    let positions = Positions::of_this_boot(directory)?;
    Ok(positions.map(|positions| Position(positions.load(COMMIT_WORD))))
}

/// Who writes to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterState {
    /// A process has it open to write.
    Lives,
    /// Nobody: who wrote to it last closed it in order, or nobody has opened it since the machine booted.
    Closed,
    /// Nobody: the process that wrote to it last ended without closing it.
    Died,
}

/// The positions file, mapped: `format.md` of the event store draws it.
#[derive(Debug)]
pub(super) struct Positions {
    words: SharedWords,
    /// To ask whether the writer is there.
    file: File,
}

/// Its size.
pub const POSITIONS_BYTES: u64 = 4096;
const POSITIONS_MAGIC: u64 = u64::from_le_bytes(*b"RLPOSIT1");
const MAGIC_WORD: usize = 0;
const BOOT_WORDS: [usize; 2] = [2, 3];
// A cache line each, so that appending does not disturb who waits for a commit.
pub(super) const APPEND_WORD: usize = 8;
pub(super) const COMMIT_WORD: usize = 16;
const CLOSED_WORD: usize = 24;
const WORDS: usize = 32;

impl Positions {
    /// Maps the file to read, unless there is none or another boot wrote it.
    pub(super) fn of_this_boot(directory: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(directory.join(POSITIONS_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let words = match SharedWords::read(&file, WORDS) {
            Ok(words) => words,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let positions = Self { words, file };
        Ok(positions.is_of(file::boot_id()?).then_some(positions))
    }

    /// Maps the file to write, makes it this boot's, and sets the append position. The writer is there as
    /// long as its presence lives.
    pub(super) fn start(
        directory: &Path,
        begin: Position,
        end: Position,
    ) -> io::Result<(Self, Presence)> {
        let path = directory.join(POSITIONS_FILE);
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        file::allocate(&file, POSITIONS_BYTES)?;
        let words = SharedWords::write(&file, WORDS)?;
        let presence = Presence::show(file)?;
        let presence = presence.ok_or(io::ErrorKind::WouldBlock)?;
        let positions = Self { words, file: File::open(&path)? };
        let boot = file::boot_id()?;
        if !positions.is_of(boot) {
            positions.store(BOOT_WORDS[0], 0);
            positions.store(COMMIT_WORD, begin.0);
        }
        let committed = Position(positions.load(COMMIT_WORD));
        assert!(committed <= end, "the log ends at {end}, below its commit position {committed}");
        positions.store(APPEND_WORD, end.0);
        // Behind the presence: who finds neither that nor this has found a writer that died.
        positions.store(CLOSED_WORD, 0);
        positions.store(MAGIC_WORD, POSITIONS_MAGIC);
        // Last: a reader that sees this boot sees the positions that go with it.
        let [first, second] = boot_words(boot);
        positions.store(BOOT_WORDS[1], second);
        positions.store(BOOT_WORDS[0], first);
        Ok((positions, presence))
    }

    /// Says that the writer closes the log in order.
    pub(super) fn close(&self) {
        self.store(CLOSED_WORD, 1);
    }

    /// Who writes to the log.
    pub(super) fn writer(&self) -> io::Result<WriterState> {
        if Presence::is_shown(&self.file)? {
            return Ok(WriterState::Lives);
        }
        if self.load(CLOSED_WORD) != 0 {
            return Ok(WriterState::Closed);
        }
        // The next one may have begun meanwhile.
        Ok(if Presence::is_shown(&self.file)? { WriterState::Lives } else { WriterState::Died })
    }

    fn is_of(&self, boot: BootId) -> bool {
        BOOT_WORDS.map(|word| self.load(word)) == boot_words(boot)
            && self.load(MAGIC_WORD) == POSITIONS_MAGIC
    }

    pub(super) fn load(&self, word: usize) -> u64 {
        self.words.load(word)
    }

    pub(super) fn store(&self, word: usize, value: u64) {
        self.words.store(word, value);
    }
}

fn boot_words(boot: BootId) -> [u64; 2] {
    let number = u128::from_le_bytes(boot);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    [number as u64, (number >> 64) as u64]
}
