//! The event store over real files: what is read back, what every damage leads to, and what survives
//! the death of a process and the end of a disk.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod background;
mod crash;
mod cutting;
mod damage;
mod following;
mod process;
mod reading;
mod repair;
mod retirement;
mod survey;
mod tools;
mod venue;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rialto::event_store::{LogKind, Options, Recovered, StoreError, Writer};
use rialto::types::{Cause, FrameHeader, FrameKind, Line, Nanos, Position};

const SEGMENT: u64 = 1 << 20;

/// A directory of its own for a test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    /// In memory, where syncing costs nothing: for logs only.
    fn new() -> Self {
        Self::within(Path::new("/dev/shm"))
    }

    fn on_disk() -> Self {
        Self::within(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    fn within(parent: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("rialto-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number:08}.seg"))
    }

    /// What a reboot or a copy to another machine leaves: the commit position is unknown.
    fn forget_positions(&self) {
        fs::remove_file(self.0.join("positions")).unwrap();
    }

    /// Every file with its bytes.
    fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    }

    fn restore(&self, contents: &[(PathBuf, Vec<u8>)]) {
        for entry in fs::read_dir(&self.0).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (path, bytes) in contents {
            fs::write(path, bytes).unwrap();
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options::new(LogKind::Commands, SEGMENT)
}

fn open(directory: &Path) -> Result<(Writer, Recovered), StoreError> {
    Writer::open(directory, options())
}

/// The record with this sequence: from one to three lines that nothing else has.
fn record(sequence: u64) -> Vec<Line> {
    let lines = 1 + sequence % 3;
    let mut record: Vec<Line> = (0..lines)
        .map(|line| Line([u8::try_from((sequence * 7 + line) % 251).unwrap(); 64]))
        .collect();
    record[0].0[0] = 1;
    record[0].0[1] = u8::try_from(lines).unwrap();
    record[0].0[8..16].copy_from_slice(&sequence.to_le_bytes());
    record
}

/// The next frame of `writer` with `count` records, sealed but not appended.
fn next_frame(writer: &Writer, count: u16) -> (FrameHeader, Vec<Line>) {
    let mut chain = *writer.chain();
    let first = chain.next_sequence;
    let payload: Vec<Line> = (first..first + u64::from(count)).flat_map(record).collect();
    let index = chain.index + 1;
    let cause = Cause { index, term: 1, time: Nanos(index * 1_000) };
    (chain.seal(FrameKind::Normal, cause, count, &payload), payload)
}

/// Appends a frame of `count` records and returns where it starts.
fn append(writer: &mut Writer, count: u16) -> Position {
    let (header, payload) = next_frame(writer, count);
    writer.append(&header, &payload).unwrap();
    header.start
}

fn commit_all(writer: &mut Writer) {
    let end = writer.chain().end;
    writer.commit(end);
}
