//! The control file: the few facts that a node must not forget, in two slots written in turn.
//!
//! Always on a file system that survives a reboot, and durable before [`ControlFile::store`] returns.
//! Never on a hot path: it changes at starts, elections, stops and now and then in between.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Durability;
use crate::sys::file::{self, BootId, DirectoryLock};
use crate::types::{Position, SessionId};

/// What a node must not forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// The current term.
    pub term: u32,
    /// Who got this node's vote in that term: host, and above its 32 bits the incarnation; 0 for nobody.
    pub vote: u64,
    /// This node, from 1.
    pub node: u32,
    /// How often this node gave up its identity and came back as a new one.
    pub incarnation: u32,
    /// The boot in which this was written.
    pub boot_id: BootId,
    /// The command log is durable below this position.
    pub durable: Position,
    /// The sequence of the next command there.
    pub durable_sequence: u64,
    /// Whether the node stopped in order, everything being durable.
    pub clean: bool,
    /// Whether commits may be lost, and the day does not yet go on under another session id.
    pub cut: bool,
    /// When an append counted as done for the node that wrote this.
    pub durability: Durability,
    /// The highest session id that was ever proposed here; blank for none. The log may have lost it.
    pub session: SessionId,
    /// The members of the cluster, as of the change at `members_index`; none without one.
    pub members: [MemberRecord; MEMBERS_MAX],
    /// The index of the frame that changed them last.
    pub members_index: u64,
}

/// The most members that a cluster has at a time, leaving ones included.
pub const MEMBERS_MAX: usize = 32;

/// A member, as the control file keeps it; all zero where there is none.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct MemberRecord {
    /// The host.
    pub host: u32,
    /// Which of its lives.
    pub incarnation: u32,
    /// What it is: the sum of some of the constants here.
    pub roles: u32,
}

impl MemberRecord {
    /// Votes.
    pub const VOTER: u32 = 1;
    /// Receives everything and decides nothing.
    pub const LEARNER: u32 = 2;
    /// Votes until a change that is half done is done.
    pub const OUTGOING: u32 = 4;
    /// Is a learner when a change that is half done is done.
    pub const LEARNER_NEXT: u32 = 8;
}

/// Why the control file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It would be gone after a reboot, and the node might then vote twice.
    #[error(
        "{}: in memory only (tmpfs or ramfs); the control file must survive a reboot, choose a \
         directory on a disk", path.display()
    )]
    Volatile {
        /// The directory.
        path: PathBuf,
    },
    /// Another node has it.
    #[error("{}: another node has its control file here; stop it first", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Neither slot is whole.
    #[error(
        "{}: both slots are damaged; restore the file from a copy, or have the node rejoin its \
         cluster as a new incarnation", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Control {
    /// What the file at `path` says now, whoever has it open: of a running node it is out of date the
    /// moment it is read.
    ///
    /// # Errors
    /// [`ControlError`]; a file that does not exist is the operating system's.
    pub fn read(path: &Path) -> Result<Self, ControlError> {
        let file = File::open(path).map_err(io_error("open", path))?;
        Ok(newest(&file, path)?.control())
    }
}

/// The control file of a node.
#[derive(Debug)]
pub struct ControlFile {
    path: PathBuf,
    /// `None` until the first [`ControlFile::store`] of a node's life.
    file: Option<File>,
    generation: u64,
    state: Option<Control>,
    /// From before the first read on: two nodes that share the file would lead the same term.
    _lock: DirectoryLock,
}

/// Slots are this far apart, so that no write to one touches a page of the other.
const SLOT_BYTES: usize = 4096;
const MAGIC: [u8; 8] = *b"RLCNTRL2";

/// A slot, at its beginning.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Slot {
    magic: [u8; 8],
    generation: u64,
    term: u32,
    node: u32,
    vote: u64,
    incarnation: u32,
    /// [`CLEAN`], [`CUT`], [`DISK`].
    flags: u32,
    boot_id: BootId,
    durable: Position,
    durable_sequence: u64,
    members_index: u64,
    session: SessionId,
    reserved: [u8; 2],
    members: [MemberRecord; MEMBERS_MAX],
    /// CRC-32C of all before.
    crc: u32,
}

const _: () = assert!(size_of::<Slot>() == 480);

const CLEAN: u32 = 1;
const CUT: u32 = 2;
const DISK: u32 = 4;

impl ControlFile {
    /// Opens the file at `path`. A file that does not exist is made by the first
    /// [`ControlFile::store`].
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn open(path: &Path) -> Result<Self, ControlError> {
        let directory = directory_of(path);
        file::create_directory(directory).map_err(io_error("create", directory))?;
        let lock = DirectoryLock::exclusive(directory)
            .map_err(io_error("lock", directory))?
            .ok_or_else(|| ControlError::Locked { path: directory.to_owned() })?;
        if file::is_volatile(directory).map_err(io_error("examine", directory))? {
            return Err(ControlError::Volatile { path: directory.to_owned() });
        }
        let path = path.to_owned();
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, file: None, generation: 0, state: None, _lock: lock });
            }
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let newest = newest(&file, &path)?;
        Ok(Self {
            path,
            file: Some(file),
            generation: newest.generation,
            state: Some(newest.control()),
            _lock: lock,
        })
    }

    /// What was stored last; `None` if nothing ever was.
    #[must_use]
    pub const fn state(&self) -> Option<&Control> {
        self.state.as_ref()
    }

    /// Stores `state` durably, over the older slot. If this fails, the file still holds the state
    /// before or holds this one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn store(&mut self, state: Control) -> Result<(), ControlError> {
        let generation = self.generation + 1;
        let slot = Slot::new(generation, &state);
        let mut page = [0; SLOT_BYTES];
        page[..size_of::<Slot>()].copy_from_slice(slot.as_bytes());
        match &self.file {
            Some(file) => file
                .write_all_at(&page, generation % 2 * SLOT_BYTES as u64)
                .and_then(|()| file.sync_data())
                .map_err(io_error("write", &self.path))?,
            None => self.file = Some(create(&self.path, &page)?),
        }
        self.generation = generation;
        self.state = Some(state);
        Ok(())
    }
}

impl Slot {
    fn new(generation: u64, state: &Control) -> Self {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let mut slot = Self {
            magic: MAGIC,
            generation,
            term: state.term,
            node: state.node,
            vote: state.vote,
            incarnation: state.incarnation,
            flags: flag(state.clean, CLEAN)
                | flag(state.cut, CUT)
                | flag(state.durability == Durability::Disk, DISK),
            boot_id: state.boot_id,
            durable: state.durable,
            durable_sequence: state.durable_sequence,
            members_index: state.members_index,
            session: state.session,
            reserved: [0; 2],
            members: state.members,
            crc: 0,
        };
        slot.crc = slot.crc();
        slot
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (slot, _) = Self::read_from_prefix(bytes).ok()?;
        (slot.magic == MAGIC && slot.crc == slot.crc()).then_some(slot)
    }

    fn control(&self) -> Control {
        Control {
            term: self.term,
            vote: self.vote,
            node: self.node,
            incarnation: self.incarnation,
            boot_id: self.boot_id,
            durable: self.durable,
            durable_sequence: self.durable_sequence,
            clean: self.flags & CLEAN != 0,
            cut: self.flags & CUT != 0,
            durability: match self.flags & DISK {
                0 => Durability::Memory,
                _ => Durability::Disk,
            },
            session: self.session,
            members: self.members,
            members_index: self.members_index,
        }
    }

    fn crc(&self) -> u32 {
        crc32c::crc32c(&self.as_bytes()[..size_of::<Self>() - size_of::<u32>()])
    }
}

/// The slot of `file` that counts.
fn newest(file: &File, path: &Path) -> Result<Slot, ControlError> {
    let mut bytes = Vec::new();
    for number in 0..2 {
        bytes.resize(SLOT_BYTES * (number + 1), 0);
        let slot = &mut bytes[SLOT_BYTES * number..];
        match file.read_exact_at(slot, (SLOT_BYTES * number) as u64) {
            Ok(()) => {}
            // Cut short: what is missing is no slot.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => slot.fill(0),
            Err(error) => return Err(io_error("read", path)(error)),
        }
    }
    bytes
        .chunks(SLOT_BYTES)
        .filter_map(Slot::parse)
        .max_by_key(|slot| slot.generation)
        .ok_or_else(|| ControlError::Damaged { path: path.to_owned() })
}

/// Makes the file with its first slot in both places, so that it is never seen without one.
fn create(path: &Path, page: &[u8]) -> Result<File, ControlError> {
    let unfinished = path.with_extension("new");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&unfinished)
        .map_err(io_error("create", &unfinished))?;
    file.write_all_at(page, 0)
        .and_then(|()| file.write_all_at(page, SLOT_BYTES as u64))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&unfinished, path))
        .and_then(|()| file::sync_directory(directory_of(path)))
        .map_err(io_error("create", path))?;
    Ok(file)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ControlError {
    let path = path.to_owned();
    move |source| ControlError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory on a disk, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("rialto-control-{name}-{}", std::process::id());
            let path = Path::new("/var/tmp").join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("control")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn state(term: u32) -> Control {
        Control {
            term,
            vote: 2 << 32 | 2,
            node: 1,
            durable: Position(640),
            clean: true,
            cut: term.is_multiple_of(2),
            durability: Durability::Disk,
            session: SessionId(*b"2611220007"),
            members: [MemberRecord { host: 3, incarnation: term, roles: 1 }; MEMBERS_MAX],
            members_index: 7,
            ..Control::default()
        }
    }

    fn stored(path: &Path, terms: std::ops::RangeInclusive<u32>) {
        let mut control = ControlFile::open(path).unwrap();
        for term in terms {
            control.store(state(term)).unwrap();
        }
    }

    fn flip_bit(path: &Path, bit: usize) {
        let mut bytes = fs::read(path).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_new_node_has_no_state_and_an_old_one_has_its_last() {
        let scratch = Scratch::new("last");
        assert_eq!(ControlFile::open(&scratch.file()).unwrap().state(), None);
        assert!(!scratch.file().exists());
        stored(&scratch.file(), 1..=5);
        assert_eq!(ControlFile::open(&scratch.file()).unwrap().state(), Some(&state(5)));
        stored(&scratch.file(), 6..=6);
        assert_eq!(ControlFile::open(&scratch.file()).unwrap().state(), Some(&state(6)));
    }

    #[test]
    fn a_torn_slot_leaves_the_one_before_it() {
        let scratch = Scratch::new("torn");
        for bit in 0..size_of::<Slot>() * 8 {
            let _ = fs::remove_file(scratch.file());
            stored(&scratch.file(), 1..=4);
            // Generation 4 is in the first slot.
            flip_bit(&scratch.file(), bit);
            assert_eq!(ControlFile::open(&scratch.file()).unwrap().state(), Some(&state(3)));
            stored(&scratch.file(), 5..=5);
            assert_eq!(ControlFile::open(&scratch.file()).unwrap().state(), Some(&state(5)));
        }
    }

    #[test]
    fn with_both_slots_damaged_the_file_is_named_and_left_alone() {
        let scratch = Scratch::new("damaged");
        stored(&scratch.file(), 1..=2);
        flip_bit(&scratch.file(), 0);
        flip_bit(&scratch.file(), SLOT_BYTES * 8);
        let before = fs::read(scratch.file()).unwrap();
        let error = ControlFile::open(&scratch.file()).unwrap_err();
        assert!(matches!(&error, ControlError::Damaged { path } if *path == scratch.file()));
        assert_eq!(fs::read(scratch.file()).unwrap(), before);
        fs::write(scratch.file(), b"").unwrap();
        assert!(matches!(ControlFile::open(&scratch.file()), Err(ControlError::Damaged { .. })));
    }

    #[test]
    fn a_slot_that_was_written_up_to_any_byte_leaves_the_one_before_it_or_is_whole() {
        let scratch = Scratch::new("partly");
        stored(&scratch.file(), 1..=3);
        let before = fs::read(scratch.file()).unwrap();
        stored(&scratch.file(), 4..=4);
        let behind = fs::read(scratch.file()).unwrap();
        // Generation 4 goes to the first slot.
        for written in 0..=SLOT_BYTES {
            let torn = [&behind[..written], &before[written..]].concat();
            fs::write(scratch.file(), torn).unwrap();
            let found = Control::read(&scratch.file()).unwrap();
            let term = if written < size_of::<Slot>() { 3 } else { 4 };
            assert_eq!(found, state(term), "{written} bytes written");
        }
    }

    #[test]
    fn a_control_file_in_use_is_read_by_others() {
        let scratch = Scratch::new("read");
        assert!(matches!(Control::read(&scratch.file()), Err(ControlError::Io { .. })));
        let mut control = ControlFile::open(&scratch.file()).unwrap();
        control.store(state(1)).unwrap();
        control.store(state(2)).unwrap();
        assert_eq!(Control::read(&scratch.file()).unwrap(), state(2));
    }

    #[test]
    fn a_file_cut_after_its_first_slot_still_has_that_one() {
        let scratch = Scratch::new("short");
        stored(&scratch.file(), 1..=2);
        fs::write(scratch.file(), &fs::read(scratch.file()).unwrap()[..SLOT_BYTES]).unwrap();
        assert_eq!(ControlFile::open(&scratch.file()).unwrap().state(), Some(&state(2)));
    }

    #[test]
    fn memory_is_no_place_for_a_control_file() {
        let path = Path::new("/dev/shm/rialto-control-test/control");
        let error = ControlFile::open(path).unwrap_err();
        let _ = fs::remove_dir(path.parent().unwrap());
        assert!(matches!(error, ControlError::Volatile { .. }));
    }
}
