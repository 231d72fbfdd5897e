//! What `std` lacks about files: preallocation, space, kinds of file systems, the boot, locks.
//!
//! Never holds data in memory; that is [`super::log_memory`].

use std::ffi::CString;
use std::fs::{File, TryLockError};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tracing::warn;

/// A directory that this handle alone writes to (exclusive), or that nobody writes to (shared).
///
/// The lock is `flock` on the directory itself: it leaves no file behind and ends with the process,
/// however that ends.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
    path: PathBuf,
    exclusive: bool,
}

impl DirectoryLock {
    /// Locks `path` against every other handle, or returns `None` if another holds it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn exclusive(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let locked = file.try_lock();
        Self::from_attempt(file, path, true, locked)
    }

    /// Locks `path` against exclusive handles, or returns `None` if there is one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn shared(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let locked = file.try_lock_shared();
        Self::from_attempt(file, path, false, locked)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this handle keeps even readers out.
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    fn from_attempt(
        file: File,
        path: &Path,
        exclusive: bool,
        locked: Result<(), TryLockError>,
    ) -> io::Result<Option<Self>> {
        match locked {
            Ok(()) => Ok(Some(Self { file, path: path.to_owned(), exclusive })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for DirectoryLock {
    /// Unlocks in so many words: closing the file would not do it while a child that another thread
    /// is just starting has it open as well.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            warn!(%error, path = %self.path.display(), "cannot unlock");
        }
    }
}

/// Shows, as long as it lives and its process does, that somebody has a file. Others ask and take nothing,
/// so that asking stands in nobody's way: which `flock` cannot do.
///
/// It is an `fcntl` lock of the open file description, of the whole file, exclusive.
#[derive(Debug)]
pub struct Presence(File);

impl Presence {
    /// Shows it of a file that is open to write; `None` if somebody else does.
    ///
    /// # Errors
    /// The operating system's.
    pub fn show(file: File) -> io::Result<Option<Self>> {
        match lock_whole(&file, libc::F_OFD_SETLK, libc::F_WRLCK) {
            Ok(_) => Ok(Some(Self(file))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody shows it of this file, which was opened apart.
    ///
    /// # Errors
    /// The operating system's.
    pub fn is_shown(file: &File) -> io::Result<bool> {
        let in_the_way = lock_whole(file, libc::F_OFD_GETLK, libc::F_RDLCK)?;
        Ok(in_the_way != libc::F_UNLCK)
    }
}

impl Drop for Presence {
    /// In so many words, for the same reason as that of [`DirectoryLock`].
    fn drop(&mut self) {
        if let Err(error) = lock_whole(&self.0, libc::F_OFD_SETLK, libc::F_UNLCK) {
            warn!(%error, "cannot unlock");
        }
    }
}

/// Asks the kernel `what` of a lock on all of `file`; the kind of lock that it answers with.
fn lock_whole(file: &File, what: libc::c_int, kind: libc::c_int) -> io::Result<libc::c_int> {
    let kind = libc::c_short::try_from(kind).expect("one of three");
    let whence = libc::c_short::try_from(libc::SEEK_SET).expect("zero");
    let mut lock = libc::flock { l_type: kind, l_whence: whence, l_start: 0, l_len: 0, l_pid: 0 };
    // SAFETY: `what` is one of the two commands that take a `flock`, which lives through the call and is
    // not kept; the descriptor is open while `file` is borrowed.
    let status = unsafe { libc::fcntl(file.as_raw_fd(), what, &raw mut lock) };
    if status == 0 { Ok(lock.l_type.into()) } else { Err(io::Error::last_os_error()) }
}

/// Gives `file` at least `bytes` bytes, each backed by storage, so that no later write to them can
/// run out of space.
///
/// # Errors
/// The operating system's; [`io::ErrorKind::StorageFull`] when there is no room.
pub fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    let length = libc::off_t::try_from(bytes).map_err(io::Error::other)?;
    loop {
        // SAFETY: `posix_fallocate` takes no pointer; the descriptor is open while `file` is borrowed.
        let status = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) };
        match status {
            0 => return Ok(()),
            libc::EINTR => {}
            status => return Err(io::Error::from_raw_os_error(status)),
        }
    }
}

/// Bytes that this process may still allocate on the file system of `path`.
///
/// # Errors
/// The operating system's.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let answer = statvfs(path)?;
    Ok(answer.f_bavail.saturating_mul(answer.f_frsize))
}

/// How much of the file system of `path` is in use, in percent of what a process may have, rounded down.
///
/// # Errors
/// The operating system's.
pub fn used_percent(path: &Path) -> io::Result<u64> {
    let answer = statvfs(path)?;
    let used = answer.f_blocks.saturating_sub(answer.f_bfree);
    let all = used.saturating_add(answer.f_bavail);
    Ok(used.saturating_mul(100).checked_div(all).unwrap_or(100))
}

fn statvfs(path: &Path) -> io::Result<libc::statvfs> {
    let path = c_path(path)?;
    let mut answer = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a NUL-terminated string and `answer` has room for one `statvfs`; both live
    // through the call, and the kernel keeps neither.
    let status = unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `statvfs` returned 0, so it filled the struct in.
    Ok(unsafe { answer.assume_init() })
}

/// Whether what is written to `path` is gone after a reboot: tmpfs and ramfs.
///
/// # Errors
/// The operating system's.
pub fn is_volatile(path: &Path) -> io::Result<bool> {
    const RAMFS_MAGIC: i64 = 0x8584_58F6;

    let path = c_path(path)?;
    let mut answer = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `path` is a NUL-terminated string and `answer` has room for one `statfs`; both live
    // through the call, and the kernel keeps neither.
    let status = unsafe { libc::statfs(path.as_ptr(), answer.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `statfs` returned 0, so it filled the struct in.
    let answer = unsafe { answer.assume_init() };
    Ok([libc::TMPFS_MAGIC, RAMFS_MAGIC].contains(&answer.f_type))
}

/// Lets the page cache forget what it holds of `file`, as far as the disk has it: who reads it next reads
/// the disk. Changes nothing where there is no disk behind.
///
/// # Errors
/// The operating system's.
pub fn drop_cached(file: &File) -> io::Result<()> {
    // SAFETY: `posix_fadvise` takes no pointer; the descriptor is open while `file` is borrowed.
    let status = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    if status == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(status)) }
}

/// Makes the names in a directory as durable as [`File::sync_all`] makes a file's bytes.
///
/// # Errors
/// The operating system's.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory and those it lies in, durably: a file in a directory whose own name is lost is
/// lost with it.
///
/// # Errors
/// The operating system's.
pub fn create_directory(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    create_directory(parent)?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory(if parent.as_os_str().is_empty() { Path::new(".") } else { parent }),
    }
}

/// A number that the kernel draws at each boot: while it is the same, the page cache was not lost.
pub type BootId = [u8; 16];

/// This boot's number.
///
/// # Errors
/// The operating system's, for example where `/proc` is not mounted.
pub fn boot_id() -> io::Result<BootId> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits: String = text.trim().chars().filter(|&c| c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).map_err(io::Error::other)?;
    Ok(number.to_be_bytes())
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocated_file_has_storage_behind_every_byte() {
        use std::os::unix::fs::MetadataExt;

        let path = std::env::temp_dir().join(format!("rialto-allocate-{}", std::process::id()));
        let file = File::create_new(&path).unwrap();
        allocate(&file, 1 << 20).unwrap();
        let metadata = file.metadata().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(metadata.len(), 1 << 20);
        assert!(metadata.blocks() * 512 >= 1 << 20);
    }

    #[test]
    fn proc_is_no_disk_and_has_no_room() {
        assert_eq!(free_bytes(Path::new("/proc")).unwrap(), 0);
        assert!(free_bytes(Path::new("/no/such/place")).is_err());
    }

    #[test]
    fn shared_memory_is_volatile_and_a_place_for_lasting_files_is_not() {
        assert!(is_volatile(Path::new("/dev/shm")).unwrap());
        assert!(!is_volatile(Path::new("/var/tmp")).unwrap());
    }

    #[test]
    fn the_boot_keeps_its_number() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
        assert_ne!(boot_id().unwrap(), [0; 16]);
    }

    #[test]
    fn an_exclusive_lock_keeps_all_others_out_until_it_is_dropped() {
        let path = std::env::temp_dir().join(format!("rialto-lock-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let lock = DirectoryLock::exclusive(&path).unwrap().unwrap();
        assert!(DirectoryLock::exclusive(&path).unwrap().is_none());
        assert!(DirectoryLock::shared(&path).unwrap().is_none());
        drop(lock);
        let first = DirectoryLock::shared(&path).unwrap();
        assert!(first.is_some() && DirectoryLock::shared(&path).unwrap().is_some());
        assert!(DirectoryLock::exclusive(&path).unwrap().is_none());
        std::fs::remove_dir(&path).unwrap();
    }
}
