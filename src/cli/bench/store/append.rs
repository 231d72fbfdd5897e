//! Appends, as the sequencer makes them: a frame sealed, written, committed.

use std::path::Path;

use super::{Args, FEW, Timed, on_core};
use crate::cli::bench::BenchError;
use crate::cli::bench::engine::{Frames, Log, Workload};
use crate::event_store::{LogKind, Options, StoreError, Writer};
use crate::sys::cpu_time::thread_cpu_time;
use crate::types::{Cause, FrameChain, FrameHeader, FrameKind, Line, Nanos};

/// Commands in a round. With a header each they stay in one segment.
const COMMANDS: usize = 1_000_000;
/// A round's, made before the clock starts.
const SEGMENT_BYTES: u64 = 256 << 20;
/// Commands that are appended again and again. As in a node, where they come from a ring, they are in the
/// cache.
const POOL: usize = 4_096;

/// Appends frames of `batch` commands, round by round, to a log in memory.
pub(super) fn measure(directory: &Path, batch: usize, args: &Args) -> Result<Timed, BenchError> {
    let frames = COMMANDS / args.shorten as usize / batch;
    let pool = pool(batch);
    let mut timed = Timed::default();
    for _ in 0..args.rounds {
        let directory = directory.join("append");
        let options = Options::new(LogKind::Commands, SEGMENT_BYTES);
        let (mut writer, _) = Writer::open(&directory, options)?;
        let mut chain = *writer.chain();
        let time = on_core(args.cores.writer, || {
            let start = thread_cpu_time();
            for (header, payload) in pool.iter().cycle().take(frames) {
                append(&mut writer, &mut chain, header.count, payload)?;
                writer.commit(chain.end);
            }
            Ok(thread_cpu_time().since(start).0)
        });
        timed.rounds_ns.push(time?);
        (timed.commands, timed.bytes) = (chain.next_sequence - 1, chain.end.0);
        drop(writer);
        std::fs::remove_dir_all(&directory).map_err(BenchError::file(&directory))?;
    }
    Ok(timed)
}

/// Frames of the workload's mix.
pub(in crate::cli::bench) fn pool(batch: usize) -> Frames {
    Log::new(&Workload::mixed(0xA, 100, 30, POOL), FEW, batch).timed
}

/// Seals a frame and appends it.
pub(super) fn append(
    writer: &mut Writer,
    chain: &mut FrameChain,
    count: u16,
    payload: &[Line],
) -> Result<FrameHeader, StoreError> {
    let time = chain.time.after(Nanos(1));
    let cause = Cause { index: chain.index + 1, term: 1, time };
    let header = chain.seal(FrameKind::Normal, cause, count, payload);
    writer.append(&header, payload)?;
    Ok(header)
}
