//! 64-bit words in a mapped file, each read and written as one by any number of processes.
//!
//! Knows nothing of what the words mean, and orders nothing but what its Acquire and Release say.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use memmap2::{MmapOptions, MmapRaw};

/// The words at the beginning of a file, which must not be cut short while this lives: that would end
/// the process with SIGBUS.
#[derive(Debug)]
pub struct SharedWords {
    map: MmapRaw,
    writable: bool,
}

impl SharedWords {
    /// Maps `words` words of a file to read.
    ///
    /// # Errors
    /// The operating system's; [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
    pub fn read(file: &File, words: usize) -> io::Result<Self> {
        let length = length_in(file, words)?;
        let map = MmapOptions::new().len(length).map_raw_read_only(file)?;
        Ok(Self { map, writable: false })
    }

    /// Maps `words` words of a file, open to read and write, to write.
    ///
    /// # Errors
    /// As [`SharedWords::read`].
    pub fn write(file: &File, words: usize) -> io::Result<Self> {
        let length = length_in(file, words)?;
        let map = MmapOptions::new().len(length).map_raw(file)?;
        Ok(Self { map, writable: true })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len() / size_of::<u64>()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An Acquire load. As a fence, because only Relaxed loads are promised to work on memory that is
    /// mapped to read.
    ///
    /// # Panics
    /// If there is no such word.
    #[must_use]
    pub fn load(&self, word: usize) -> u64 {
        let value = self.word(word).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// A Release store.
    ///
    /// # Panics
    /// If there is no such word, or the file is mapped to read.
    pub fn store(&self, word: usize, value: u64) {
        assert!(self.writable, "words are mapped to read");
        self.word(word).store(value, Ordering::Release);
    }

    fn word(&self, word: usize) -> &AtomicU64 {
        assert!(word < self.len(), "word {word} of {}", self.len());
        #[expect(clippy::cast_ptr_alignment, reason = "a page, and a multiple of 8 into it")]
        let word = self.map.as_mut_ptr().wrapping_add(word * size_of::<u64>()).cast::<AtomicU64>();
        // SAFETY: the word lies in the mapping (asserted), which lives as long as `self` and was no
        // longer than the file; it is aligned, and every process accesses it by atomic operations
        // only. Stores go to a writable mapping (asserted in `store`, the only one who stores); what a
        // mapping to read sees are relaxed loads of eight bytes, which may be of read-only memory.
        unsafe { &*word.cast_const() }
    }
}

/// The bytes of `words` words, if the file has them.
fn length_in(file: &File, words: usize) -> io::Result<usize> {
    let length = words * size_of::<u64>();
    if file.metadata()?.len() < length as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str, bytes: u64) -> File {
        let path = std::env::temp_dir().join(format!("rialto-words-{name}-{}", std::process::id()));
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file.set_len(bytes).unwrap();
        file
    }

    #[test]
    fn what_one_mapping_stores_another_loads() {
        let file = scratch("store", 64);
        let (ours, theirs) =
            (SharedWords::write(&file, 8).unwrap(), SharedWords::read(&file, 8).unwrap());
        ours.store(7, u64::MAX);
        assert_eq!((theirs.load(7), theirs.load(6)), (u64::MAX, 0));
    }

    #[test]
    fn a_file_that_is_too_short_is_not_mapped() {
        let error = SharedWords::read(&scratch("short", 63), 8).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    #[should_panic(expected = "mapped to read")]
    fn nothing_is_stored_in_what_is_mapped_to_read() {
        SharedWords::read(&scratch("read", 64), 8).unwrap().store(0, 1);
    }
}
