//! A file mapped so that ranges of it can be made durable, page by page, whoever wrote them.
//!
//! Never reads or writes a byte of it. The file is opened to write although nothing is written: the
//! `msync` of a mapping whose file was opened to read succeeds and does nothing.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::{MmapOptions, MmapRaw};

/// A file of which ranges can be made durable.
#[derive(Debug)]
pub struct SyncMap {
    map: MmapRaw,
}

impl SyncMap {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self { map: MmapOptions::new().map_raw(&file)? })
    }

    /// Makes the bytes of `range` durable, as far as the file had them when it was mapped, and those
    /// that share a page with them; the other pages are left alone.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync(&self, range: Range<usize>) -> io::Result<()> {
        let end = range.end.min(self.map.len());
        if range.start < end {
            self.map.flush_range(range.start, end - range.start)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    /// Pages of the file's first `bytes` that wait for the disk; `None` where the kernel does not
    /// tell (`cachestat` came with Linux 6.5).
    fn dirty_pages(file: &File, bytes: u64) -> Option<u64> {
        const CACHESTAT: libc::c_long = 451;
        let range = [0, bytes];
        let mut counts = [0_u64; 5];
        let (range, counts_at) = (range.as_ptr(), counts.as_mut_ptr());
        // SAFETY: the kernel reads two words and writes five, all of which live through the call.
        let status = unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), range, counts_at, 0) };
        (status == 0).then(|| counts[1])
    }

    #[test]
    fn what_another_mapping_wrote_is_on_the_disk_behind_a_sync() {
        let path = Path::new("/var/tmp").join(format!("rialto-sync-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        io::Write::write_all(&mut &file, &vec![7; 1 << 16]).unwrap();
        let before = dirty_pages(&file, 1 << 16);
        SyncMap::open(&path).unwrap().sync(0..usize::MAX).unwrap();
        let behind = dirty_pages(&file, 1 << 16);
        std::fs::remove_file(&path).unwrap();
        assert_ne!(before, Some(0), "nothing waited, so nothing is shown");
        assert!(behind.is_none_or(|pages| pages == 0), "{behind:?} pages still wait");
    }

    #[test]
    fn behind_the_end_of_the_file_there_is_nothing_to_do() {
        let path = std::env::temp_dir().join(format!("rialto-sync-end-{}", std::process::id()));
        std::fs::write(&path, [7; 100]).unwrap();
        let map = SyncMap::open(&path).unwrap();
        map.sync(4_096..8_192).unwrap();
        map.sync(50..8_192).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
