//! Images of a real node: its newest snapshot, the end of the command log with which the snapshot goes on, and
//! the events of the day, which sessions replay. Read from the files that the node has anyway, and put
//! together beside the logs of the node that takes them, which begins with them at its next start.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use xxhash_rust::xxh3::xxh3_64;

use super::installing::{DESCRIPTION, INCOMING, INSTALLED, LOGS, SNAPSHOTS};
use crate::consensus::{
    IMAGE_DESCRIPTION_BYTES_MAX, IMAGE_PART_BYTES_MAX, Images, Members, Offer, StoreFailure,
};
use crate::event_store::{LogCopy, LogRange, OpenRange, Reader, Snapshots, check_space};
use crate::node::durable::SharedControl;
use crate::sys::file::{create_directory, sync_directory};
use crate::types::{LINE_BYTES, Nanos, Position};

/// Images that are held open at a time.
const OPEN_MAX: usize = 2;
/// How long one is held open for who asks for no more of it.
const IDLE_MAX: Nanos = Nanos::from_secs(60);

/// What is in an image, in the order of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    /// The name of the snapshot's file.
    snapshot: String,
    snapshot_bytes: u64,
    /// Index and term of the last frame in the snapshot.
    pub(super) index: u64,
    term: u32,
    commands: LogRange,
    events: LogRange,
    /// Who is a member, as of `members_index`.
    pub(super) members: Members,
    pub(super) members_index: u64,
}

/// The images of a node.
#[derive(Debug)]
pub(super) struct NodeImages {
    /// Where both logs lie.
    directory: PathBuf,
    snapshots: Snapshots,
    commands: Reader,
    events: Reader,
    control: SharedControl,
    open: Vec<OpenImage>,
    taking: Option<Taking>,
    /// Why there was no image to give, as it was said last.
    said: Option<String>,
}

/// An image that is given.
#[derive(Debug)]
struct OpenImage {
    name: u64,
    description: Description,
    snapshot: File,
    commands: OpenRange,
    events: OpenRange,
    used: Nanos,
}

/// An image that comes.
#[derive(Debug)]
struct Taking {
    description: Description,
    snapshot: File,
    commands: LogCopy,
    events: LogCopy,
}

impl Description {
    const fn bytes(&self) -> u64 {
        self.snapshot_bytes + self.commands.bytes() + self.events.bytes()
    }

    /// Whether it is one that a node can have written, and asks for no more than there can be.
    fn is_sound(&self) -> bool {
        let is_name = !self.snapshot.is_empty()
            && self.snapshot.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
            && self.snapshot.ends_with(".snapshot");
        let sizes = [self.snapshot_bytes, self.commands.bytes(), self.events.bytes()];
        let is_small = sizes.iter().all(|bytes| *bytes < 1 << 48);
        is_name && is_small && self.commands.is_sound() && self.events.is_sound()
    }

    /// Cuts `length` bytes from `offset` on by what they are of: which of the three, where in it, how many.
    fn pieces(&self, offset: u64, length: usize) -> Vec<(usize, u64, usize)> {
        let mut pieces = Vec::new();
        let (mut at, mut left) = (offset, length as u64);
        let sizes = [self.snapshot_bytes, self.commands.bytes(), self.events.bytes()];
        let mut begins = 0;
        for (which, size) in sizes.into_iter().enumerate() {
            let end = begins + size;
            if at < end && left > 0 {
                let piece = left.min(end - at);
                let count = usize::try_from(piece).expect("no more than `length`");
                pieces.push((which, at - begins, count));
                (at, left) = (at + piece, left - piece);
            }
            begins = end;
        }
        pieces
    }
}

impl NodeImages {
    pub(super) fn new(
        directory: &Path,
        snapshots: Snapshots,
        (commands, events): (Reader, Reader),
        control: SharedControl,
    ) -> Self {
        let (open, taking, directory) = (Vec::new(), None, directory.to_owned());
        Self { directory, snapshots, commands, events, control, open, taking, said: None }
    }

    /// Opens the newest image, if it reaches the frame of this index.
    fn open(&mut self, now: Nanos, index: u64) -> Result<Option<&OpenImage>, StoreFailure> {
        let Some(path) = self.snapshots.newest_first()?.into_iter().next() else { return Ok(None) };
        let mark = Snapshots::mark(&path)?;
        // Who follows both logs may be ahead of who writes the events.
        if mark.commands.index < index || mark.events.end > self.events.committed() {
            return Ok(None);
        }
        self.commands.has_passed(&mark.commands)?;
        let last_line = |end: Position| Position(end.0.saturating_sub(LINE_BYTES as u64));
        let end = mark.commands.end;
        let commands = OpenRange::open(&self.commands, last_line(end), end)?;
        let from = self.events.beginning().end;
        let events = OpenRange::open(&self.events, from, mark.events.end)?;
        let snapshot = File::open(&path)?;
        let control = self.control.state();
        let description = Description {
            snapshot: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            snapshot_bytes: snapshot.metadata()?.len(),
            index: mark.commands.index,
            term: mark.commands.term,
            commands: *commands.range(),
            events: *events.range(),
            members: Members::from_records(&control.members),
            members_index: control.members_index,
        };
        let name = xxh3_64(&postcard::to_stdvec(&description)?);
        if let Some(known) = self.open.iter().position(|image| image.name == name) {
            self.open[known].used = now;
            return Ok(self.open.get(known));
        }
        if self.open.len() == OPEN_MAX {
            self.open.remove(0);
        }
        info!(index = description.index, bytes = description.bytes(), "gives an image");
        self.open.push(OpenImage { name, description, snapshot, commands, events, used: now });
        Ok(self.open.last())
    }

    fn incoming(&self) -> PathBuf {
        self.directory.join(INCOMING)
    }
}

impl OpenImage {
    fn read(&self, part: u64, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        let (offset, length) = span(&self.description, part)?;
        bytes.resize(length, 0);
        let mut rest = bytes.as_mut_slice();
        for (which, at, count) in self.description.pieces(offset, length) {
            let (piece, behind) = rest.split_at_mut(count);
            match which {
                0 => self.snapshot.read_exact_at(piece, at)?,
                1 => self.commands.read_at(at, piece)?,
                _ => self.events.read_at(at, piece)?,
            }
            rest = behind;
        }
        Ok(())
    }
}

/// Where a part begins, and how many bytes it has.
fn span(description: &Description, part: u64) -> std::io::Result<(u64, usize)> {
    let offset = part.checked_mul(IMAGE_PART_BYTES_MAX as u64);
    let offset = offset.filter(|offset| *offset < description.bytes());
    let offset = offset.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let left = (description.bytes() - offset).min(IMAGE_PART_BYTES_MAX as u64);
    Ok((offset, usize::try_from(left).expect("a part")))
}

impl Images for NodeImages {
    fn offer(&mut self, now: Nanos, index: u64, description: &mut Vec<u8>) -> Option<Offer> {
        let opened = self.open(now, index).map(|image| image.map(|image| image.name));
        let name = match opened {
            Ok(name) => name?,
            Err(error) => {
                let why = Some(error.to_string());
                if self.said != why {
                    warn!(%error, "has no image to give");
                    self.said = why;
                }
                return None;
            }
        };
        let image = self.open.iter().find(|image| image.name == name)?;
        let described = postcard::to_stdvec(&image.description).ok()?;
        if described.len() > IMAGE_DESCRIPTION_BYTES_MAX {
            return None;
        }
        description.extend_from_slice(&described);
        let parts = image.description.bytes().div_ceil(IMAGE_PART_BYTES_MAX as u64);
        let &Description { index, term, .. } = &image.description;
        Some(Offer { image: image.name, index, term: term.into(), parts })
    }

    fn read(&mut self, now: Nanos, image: u64, part: u64, bytes: &mut Vec<u8>) -> bool {
        let Some(image) = self.open.iter_mut().find(|open| open.name == image) else {
            return false;
        };
        image.used = now;
        match image.read(part, bytes) {
            Ok(()) => true,
            Err(error) => {
                warn!(%error, part, "cannot read a part of an image");
                false
            }
        }
    }

    fn rest(&mut self, now: Nanos) {
        self.open.retain(|image| now.since(image.used) < IDLE_MAX);
    }

    fn begin(&mut self, offer: &Offer, description: &[u8]) -> Result<bool, StoreFailure> {
        self.taking = None;
        let described: Option<Description> = postcard::from_bytes(description).ok();
        let parts = |bytes: u64| bytes.div_ceil(IMAGE_PART_BYTES_MAX as u64);
        let Some(description) = described.filter(|described| {
            described.is_sound()
                && described.index == offer.index
                && parts(described.bytes()) == offer.parts
        }) else {
            return Ok(false);
        };
        let incoming = self.incoming();
        remove(&incoming)?;
        check_space(&self.directory, description.bytes())?;
        info!(index = description.index, bytes = description.bytes(), "takes an image");
        let snapshots = incoming.join(SNAPSHOTS);
        create_directory(&snapshots)?;
        let snapshot = File::create(snapshots.join(&description.snapshot))?;
        let [commands, events] = LOGS.map(|log| incoming.join(log));
        let commands = LogCopy::create(&commands, description.commands)?;
        let events = LogCopy::create(&events, description.events)?;
        self.taking = Some(Taking { description, snapshot, commands, events });
        Ok(true)
    }

    fn take(&mut self, part: u64, mut bytes: &[u8]) -> Result<(), StoreFailure> {
        let Some(taking) = &mut self.taking else { return Ok(()) };
        let (offset, length) = span(&taking.description, part)?;
        if length != bytes.len() {
            return Err(format!("part {part} of an image has {} bytes", bytes.len()).into());
        }
        for (which, at, count) in taking.description.pieces(offset, length) {
            let (piece, behind) = bytes.split_at(count);
            match which {
                0 => taking.snapshot.write_all_at(piece, at)?,
                1 => taking.commands.write_at(at, piece)?,
                _ => taking.events.write_at(at, piece)?,
            }
            bytes = behind;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<bool, StoreFailure> {
        let Some(Taking { description, snapshot, commands, events }) = self.taking.take() else {
            return Ok(false);
        };
        snapshot.sync_all()?;
        commands.finish()?;
        events.finish()?;
        let incoming = self.incoming();
        sync_directory(&incoming.join(SNAPSHOTS))?;
        let path = incoming.join(DESCRIPTION);
        fs::write(&path, postcard::to_stdvec(&description)?)?;
        File::open(&path)?.sync_all()?;
        sync_directory(&incoming)?;
        let installed = self.directory.join(INSTALLED);
        remove(&installed)?;
        fs::rename(&incoming, &installed)?;
        sync_directory(&self.directory)?;
        info!(index = description.index, "has taken an image");
        Ok(true)
    }
}

/// Removes a directory, if it is there.
pub(super) fn remove(directory: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
