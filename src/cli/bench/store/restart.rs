//! A restart from a snapshot: both logs checked, the engine restored, and what came since applied again.

use std::path::Path;
use std::time::Instant;

use super::{Args, FEW};
use crate::cli::CliError;
use crate::cli::bench::BenchError;
use crate::cli::bench::engine::{Crowd, Log, Workload};
use crate::engine::{ApplyError, Engine, FrameList, IndexSeed, MEMORY_SEGMENT_BYTES};
use crate::event_store::{Frame, LogKind, Options, SnapshotMark, Snapshots, StoreError, Writer};
use crate::node::resume_shadow;
use crate::types::FRAME_COMMANDS_MAX;

/// Orders that rest when the snapshot is taken, and commands since.
const RESTING: usize = 1_000_000;
const SINCE: usize = 50_000;
const SEED: IndexSeed = IndexSeed::new([7; IndexSeed::BYTES]);

/// What a restart took, in nanoseconds, round by round.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    /// Orders in the snapshot, and its bytes.
    pub(super) resting: usize,
    pub(super) snapshot_bytes: usize,
    /// To take it, without writing it down.
    pub(super) taken_ns: u64,
    /// Both logs checked to their end.
    pub(super) logs_ns: Vec<u64>,
    /// The snapshot read, and the engine made of it.
    pub(super) engine_ns: Vec<u64>,
    /// The commands since.
    pub(super) since_ns: Vec<u64>,
}

/// Makes logs and a snapshot in memory, and restarts from them round by round.
pub(super) fn measure(directory: &Path, args: &Args) -> Result<Restarts, BenchError> {
    let directory = directory.join("restart");
    let snapshots = Snapshots::new(&directory.join("snapshots"));
    let (commands, events) = (directory.join("commands"), directory.join("events"));
    let log = filled(args.shorten, FRAME_COMMANDS_MAX, SINCE / args.shorten as usize);
    let limits = log.limits();
    let open = |path: &Path, kind| Writer::open(path, Options::new(kind, MEMORY_SEGMENT_BYTES));
    let mut restarts = Restarts::default();
    {
        let (mut commands, _) = open(&commands, LogKind::Commands)?;
        let (mut events, _) = open(&events, LogKind::Events)?;
        let mut engine = Engine::new(&limits, SEED);
        for (at, (header, payload)) in log.frames().enumerate() {
            commands.append(header, payload)?;
            engine.apply(header, payload, &mut events).map_err(failed)?;
            if at + 1 == log.filled_frames() {
                restarts.resting = engine.books().order_count();
                let begun = Instant::now();
                restarts.snapshot_bytes = engine.snapshot().len();
                restarts.taken_ns = nanos(begun);
                store(snapshots.directory(), &Frame { header, payload }, &engine)?;
            }
        }
        commands.commit(commands.chain().end);
        events.commit(engine.chain().end);
    }
    drop(log);
    for _ in 0..args.rounds {
        let begun = Instant::now();
        let (commands, _) = open(&commands, LogKind::Commands)?;
        let (_events, _) = open(&events, LogKind::Events)?;
        restarts.logs_ns.push(nanos(begun));
        let begun = Instant::now();
        let resumed = resume_shadow(&snapshots, (&limits, SEED), &commands.reader());
        let (mut engine, mut since) = resumed.map_err(CliError::from).map_err(Box::new)?;
        restarts.engine_ns.push(nanos(begun));
        let begun = Instant::now();
        let mut made = FrameList::default();
        while let Some(frame) = since.next_frame()? {
            match engine.apply(frame.header, frame.payload, &mut made) {
                Ok(()) => made.0.clear(),
                Err(ApplyError::Command(error)) => return Err(BenchError::Command(error)),
                Err(ApplyError::Sink(never)) => match never {},
            }
        }
        restarts.since_ns.push(nanos(begun));
    }
    std::fs::remove_dir_all(&directory).map_err(BenchError::file(&directory))?;
    Ok(restarts)
}

/// Stores the snapshot of an engine that has applied `frame` last.
pub(super) fn store(
    directory: &Path,
    frame: &Frame<'_>,
    engine: &Engine,
) -> Result<(), BenchError> {
    let state = (engine.chain(), engine.state_hash());
    let mark = SnapshotMark::behind(frame, MEMORY_SEGMENT_BYTES, state);
    let stored = Snapshots::new(directory).store(&mark, &engine.snapshot());
    stored.map_err(CliError::from).map_err(Box::new)?;
    Ok(())
}

/// A log of so many resting orders, fewer if it is shortened, and so many commands behind them.
pub(super) fn filled(shorten: u32, batch: usize, since: usize) -> Log {
    let crowd = if shorten == 1 { Crowd::FULL } else { FEW };
    let per_book = (RESTING / 100 / shorten as usize).max(1);
    Log::new(&Workload::mixed(0xA, 100, per_book, since), crowd, batch)
}

fn failed(error: ApplyError<StoreError>) -> BenchError {
    match error {
        ApplyError::Sink(error) => error.into(),
        ApplyError::Command(error) => BenchError::Command(error),
    }
}

fn nanos(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
