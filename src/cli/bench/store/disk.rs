//! A log whose commits wait for a disk, by the number of commands that share a wait; and, in turns with
//! it, what the disk takes for the same bytes in a file.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::append::{append, pool};
use crate::cli::bench::BenchError;
use crate::event_store::{LogKind, Options, Writer};
use crate::sys::file::{allocate, is_volatile};
use crate::types::{FRAME_COMMANDS_MAX, Line};

/// What was measured with a number of commands.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// Commands between two syncs.
    pub(super) commands: usize,
    /// Bytes of their frames, on average.
    pub(super) bytes: u64,
    pub(super) per_s: u64,
    /// Of the syncs in nanoseconds, sorted.
    pub(super) log: Vec<u64>,
    /// The same for the file.
    pub(super) raw: Vec<u64>,
}

/// One command, some, a frame, and what a duty cycle of the sequencer writes at most.
const BATCHES: [usize; 4] = [1, 8, FRAME_COMMANDS_MAX, 4 * FRAME_COMMANDS_MAX];
const SEGMENT_BYTES: u64 = 64 << 20;
/// Syncs of each kind, or as many as there is time for.
const SYNCS_MAX: u32 = 1_000;
const TIME_MAX: Duration = Duration::from_secs(3);

/// Measures the disk of `directory`.
pub(super) fn measure(directory: &Path, shorten: u32) -> Result<Vec<Batch>, BenchError> {
    if is_volatile(directory).map_err(BenchError::file(directory))? {
        return Err(BenchError::NoDisk(directory.to_owned()));
    }
    let syncs = (SYNCS_MAX / shorten).max(10);
    BATCHES.iter().map(|&commands| batch(directory, commands, syncs)).collect()
}

fn batch(directory: &Path, commands: usize, syncs: u32) -> Result<Batch, BenchError> {
    let directory = directory.join(format!("batch-{commands}"));
    let (mut writer, _) = Writer::open(&directory, Options::new(LogKind::Commands, SEGMENT_BYTES))?;
    let mut chain = *writer.chain();
    let begin = chain.end;
    let pool = pool(commands.min(FRAME_COMMANDS_MAX));
    let mut frames = pool.iter().cycle();
    let mut raw = RawFile::make(&directory.join("raw"))?;
    let (start, mut busy) = (Instant::now(), 0);
    let (mut log, mut others) = (Vec::new(), Vec::new());
    while log.len() < syncs as usize && start.elapsed() < TIME_MAX {
        let before = (Instant::now(), chain.end);
        for _ in 0..commands.div_ceil(FRAME_COMMANDS_MAX) {
            let (header, payload) = frames.next().expect("the pool is not empty");
            append(&mut writer, &mut chain, header.count, payload)?;
        }
        let appended = Instant::now();
        writer.sync()?;
        log.push(nanos(appended));
        writer.commit(chain.end);
        busy += nanos(before.0);
        others.push(raw.write(chain.end.0 - before.1.0)?);
    }
    let done = u128::from(chain.next_sequence - 1) * 1_000_000_000 / u128::from(busy.max(1));
    let bytes = (chain.end.0 - begin.0) / log.len().max(1) as u64;
    log.sort_unstable();
    others.sort_unstable();
    Ok(Batch { commands, bytes, per_s: u64::try_from(done).unwrap_or(u64::MAX), log, raw: others })
}

/// A file, allocated like a segment, that is written from its beginning on.
struct RawFile {
    path: PathBuf,
    file: File,
    end: u64,
    payload: Vec<Line>,
}

impl RawFile {
    fn make(path: &Path) -> Result<Self, BenchError> {
        let made = File::options().write(true).create_new(true).open(path).and_then(|file| {
            allocate(&file, SEGMENT_BYTES)?;
            file.sync_all()?;
            Ok(file)
        });
        let file = made.map_err(BenchError::file(path))?;
        Ok(Self { path: path.to_owned(), file, end: 0, payload: Vec::new() })
    }

    /// Appends so many bytes and makes them durable: how long that took the disk.
    fn write(&mut self, bytes: u64) -> Result<u64, BenchError> {
        self.payload.resize(usize::try_from(bytes / 64).expect("some thousands"), Line([7; 64]));
        let synced = || {
            self.file.write_all_at(Line::bytes(&self.payload), self.end)?;
            let before = Instant::now();
            self.file.sync_data()?;
            Ok(nanos(before))
        };
        let time = synced().map_err(BenchError::file(&self.path))?;
        self.end += bytes;
        Ok(time)
    }
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
