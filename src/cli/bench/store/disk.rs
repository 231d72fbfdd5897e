//! A log whose commits wait for a disk, by the number of commands that share a wait; and beside each what
//! the disk takes for the same bytes in a file, with nothing else about.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
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
    let start = Instant::now();
    let mut log = Vec::new();
    while log.len() < syncs as usize && start.elapsed() < TIME_MAX {
        for _ in 0..commands.div_ceil(FRAME_COMMANDS_MAX) {
            let (header, payload) = frames.next().expect("the pool is not empty");
            append(&mut writer, &mut chain, header.count, payload)?;
        }
        let before = Instant::now();
        writer.sync()?;
        log.push(nanos(before));
        writer.commit(chain.end);
    }
    let elapsed = nanos(start).max(1);
    let done = u128::from(chain.next_sequence - 1) * 1_000_000_000 / u128::from(elapsed);
    let bytes = (chain.end.0 - begin.0) / log.len().max(1) as u64;
    log.sort_unstable();
    drop(writer);
    let raw = raw(&directory.join("raw"), bytes, syncs)?;
    Ok(Batch { commands, bytes, per_s: u64::try_from(done).unwrap_or(u64::MAX), log, raw })
}

/// Appends `bytes` at a time to an allocated file and syncs each.
fn raw(path: &Path, bytes: u64, syncs: u32) -> Result<Vec<u64>, BenchError> {
    let payload = vec![Line([7; 64]); usize::try_from(bytes / 64).expect("some thousands")];
    let measured = || {
        let file = File::options().write(true).create_new(true).open(path)?;
        allocate(&file, SEGMENT_BYTES)?;
        file.sync_all()?;
        let start = Instant::now();
        let (mut at, mut times) = (0, Vec::new());
        while times.len() < syncs as usize && start.elapsed() < TIME_MAX {
            file.write_all_at(Line::bytes(&payload), at)?;
            let before = Instant::now();
            file.sync_data()?;
            times.push(nanos(before));
            at += bytes;
        }
        times.sort_unstable();
        Ok(times)
    };
    measured().map_err(BenchError::file(path))
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
