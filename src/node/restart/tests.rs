//! Restarts over real logs, with snapshots of every kind of use.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::engine::Capacity;
use crate::event_store::{Landmark, LogKind, Options, SnapshotMark, Writer};
use crate::types::command::{CommandHeader, Tick};
use crate::types::{Cause, FrameKind, Line, Nanos, Record};

const SEGMENT_BYTES: u64 = 1 << 20;
const SEED: IndexSeed = IndexSeed::new([7; IndexSeed::BYTES]);
/// Frames in a log; each but the first says that a second passed.
const FRAMES: u64 = 40;

/// Two logs, and the snapshots beside them.
struct Site {
    directory: PathBuf,
    commands: Writer,
    events: Writer,
    engine: Engine,
}

impl Site {
    fn new(name: &str) -> Self {
        let directory = format!("rialto-restart-{name}-{}", std::process::id());
        let directory = Path::new("/dev/shm").join(directory);
        let open = |kind, of| {
            Writer::open(&directory.join(of), Options::new(kind, SEGMENT_BYTES)).unwrap().0
        };
        let commands = open(LogKind::Commands, "commands");
        let events = open(LogKind::Events, "events");
        let engine = Engine::new(&limits(), SEED);
        Self { directory, commands, events, engine }
    }

    /// Applies a frame of a command, and appends what came of it.
    fn apply(&mut self, command: &[Line], second: u64) {
        let mut chain = *self.commands.chain();
        let time = Nanos::from_secs(second);
        let cause = Cause { index: chain.index + 1, term: 1, time };
        let header = chain.seal(FrameKind::Normal, cause, 1, command);
        self.commands.append(&header, command).unwrap();
        self.commands.commit(chain.end);
        self.engine.apply(&header, command, &mut self.events).unwrap();
        self.events.commit(self.engine.chain().end);
    }

    /// So many frames, with a snapshot behind each of `at`; they begin at this second.
    fn fill(&mut self, frames: u64, at: &[u64], second: u64) {
        let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
        let tick = Tick { header, reserved: [0; 40] };
        let (limits, begun) = (limits(), self.commands.chain().index);
        for frame in begun..frames {
            let command = if frame == 0 { limits.lines() } else { tick.lines() };
            self.apply(command, second + frame);
            if at.contains(&(frame + 1)) {
                let commands = *self.commands.chain();
                let mark = SnapshotMark {
                    commands,
                    events: Landmark::of(self.engine.chain()),
                    state_hash: self.engine.state_hash(),
                };
                self.snapshots().store(&mark, &self.engine.snapshot()).unwrap();
            }
        }
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::new(&self.directory.join("snapshots"))
    }

    /// The newest, and the one before it.
    fn files(&self) -> [PathBuf; 2] {
        self.snapshots().newest_first().unwrap().try_into().unwrap()
    }

    /// Where a restart begins; it must come to the same as whoever never stopped.
    fn restart(&self) -> u64 {
        let (commands, events) = (self.commands.reader(), self.events.reader());
        let resumed = resume(&self.snapshots(), (&limits(), SEED), commands, events).unwrap();
        let Resumed { mut engine, mut commands, mut events } = resumed;
        let begun = engine.next_command() - 1;
        let mut made = crate::engine::FrameList::default();
        while let Some(frame) = commands.next_frame().unwrap() {
            engine.apply(frame.header, frame.payload, &mut made).unwrap();
        }
        for (header, payload) in &made.0 {
            let frame = events.next_frame().unwrap().unwrap();
            assert_eq!((frame.header, frame.payload), (header, payload.as_slice()));
        }
        assert!(events.next_frame().unwrap().is_none());
        assert_eq!(engine.full_state_hash(), self.engine.full_state_hash());
        begun
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn limits() -> VenueLimits {
    Capacity::SMALL.limits(SEGMENT_BYTES)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_restart_begins_with_the_newest_snapshot() {
    let mut site = Site::new("newest");
    site.fill(FRAMES, &[], 1);
    assert_eq!(site.restart(), 0);
    site.fill(2 * FRAMES, &[50, 60, 70], 1);
    assert_eq!(site.restart(), 70);
    site.fill(2 * FRAMES + 1, &[2 * FRAMES + 1], 1);
    assert_eq!(site.restart(), 2 * FRAMES + 1);
}

#[test]
fn a_damaged_snapshot_leaves_the_one_before_it_and_two_the_whole_log() {
    let mut site = Site::new("damaged");
    site.fill(FRAMES, &[10, 20], 1);
    let [newest, older] = site.files();
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(site.restart(), 10);
    fs::write(&newest, &whole).unwrap();
    flip(&newest, whole.len() - 1);
    assert_eq!(site.restart(), 10);
    flip(&older, 20);
    assert_eq!(site.restart(), 0);
}

#[test]
fn a_snapshot_of_another_log_is_passed_over() {
    let (mut site, mut other) = (Site::new("own"), Site::new("other"));
    site.fill(FRAMES, &[10, 20], 1);
    other.fill(FRAMES, &[15, 30], 2);
    for file in other.files() {
        fs::copy(&file, site.directory.join("snapshots").join(file.file_name().unwrap())).unwrap();
    }
    assert_eq!(site.restart(), 20);
}

#[test]
fn a_snapshot_of_commands_that_were_cut_is_passed_over() {
    let (mut site, mut longer) = (Site::new("cut"), Site::new("longer"));
    site.fill(FRAMES, &[10, 20], 1);
    longer.fill(FRAMES + 5, &[20, FRAMES + 5], 1);
    for file in longer.files() {
        fs::copy(&file, site.directory.join("snapshots").join(file.file_name().unwrap())).unwrap();
    }
    assert_eq!(site.restart(), 20);
}

#[test]
fn without_the_events_before_it_a_snapshot_is_of_no_use() {
    let mut site = Site::new("events");
    site.fill(FRAMES, &[10, 20], 1);
    let events = site.directory.join("gone");
    let blank = Writer::open(&events, Options::new(LogKind::Events, SEGMENT_BYTES)).unwrap().0;
    let reader = blank.reader();
    let resumed =
        resume(&site.snapshots(), (&limits(), SEED), site.commands.reader(), reader).unwrap();
    assert_eq!(resumed.engine.next_command(), 1);
}
