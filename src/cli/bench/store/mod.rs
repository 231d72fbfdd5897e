//! `rialto bench store`: what the event store takes, with the engine's workload as its commands: appends
//! on a core of its own, a reader in another process, a replay of a whole log, a restart from a snapshot,
//! an engine beside a shadow that takes snapshots, and a disk.
//!
//! Appends and replays are timed by what the thread had of its core, so that others on the machine
//! disturb less; the reader and the disk by the clock. Each figure is a median of rounds.

mod append;
mod disk;
mod report;
mod restart;
mod shadow;
mod tail;

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

pub(super) use append::pool;
pub(super) use tail::{ReaderArgs, run_reader};

use self::report::Report;
use super::BenchError;
use super::engine::{Crowd, Log, Workload};
use super::host::Host;
use super::scratch::Scratch;
use crate::agent::pin;
use crate::cli::log::replay;
use crate::engine::MEMORY_SEGMENT_BYTES;
use crate::event_store::{LogKind, Options, Writer};
use crate::types::FRAME_COMMANDS_MAX;

/// Arguments of `rialto bench store`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto bench store\n  \
    rialto bench store --json --disk /var/lib/rialto --cores 2,3\n\n\
    Logs go to /dev/shm, of which it needs 3 GiB, and to the disk. What a reader sees within depends on \
    two free cores: its figures stand beside what each core lost to others, whom `chrt -f 10` before \
    the command keeps away. Build with --release.")]
pub(super) struct Args {
    /// Print the result as a JSON object.
    #[arg(long)]
    json: bool,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// One of so many commands only.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shorten: u32,
    /// A directory on the disk that is to be measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    disk: PathBuf,
    /// The cores of who writes and who reads.
    #[arg(long, value_name = "WRITER,READER", value_parser = cores, default_value = "0,1")]
    cores: Cores,
}

/// The cores of writer and reader.
#[derive(Clone, Copy, Debug)]
struct Cores {
    writer: usize,
    reader: usize,
}

fn cores(text: &str) -> Result<Cores, String> {
    let cores = text.split_once(',').and_then(|(writer, reader)| {
        Some(Cores { writer: writer.parse().ok()?, reader: reader.parse().ok()? })
    });
    cores.ok_or_else(|| "two cores, as in 0,1".to_owned())
}

/// Commands that are replayed behind the market's.
const REPLAYED: usize = 9_000_000;

/// Who trades where that is not what is measured.
const FEW: Crowd = Crowd { firms: 10, ports: 20, accounts: 100 };

/// Runs the bench; the figures go to standard output.
pub(super) fn run(args: &Args) -> Result<(), BenchError> {
    let Args { rounds, shorten, cores, .. } = *args;
    let name = format!("rialto-bench-store-{}", std::process::id());
    let memory = Scratch::make(&Path::new("/dev/shm").join(&name))?;
    let mut report = Report::new(Host::look(&[cores.writer, cores.reader])?, rounds);
    eprintln!("bench: disk");
    {
        let disk = Scratch::make(&args.disk.join(name + "-disk"))?;
        report.disk = disk::measure(disk.path(), shorten)?;
        report.disk_directory.clone_from(&args.disk);
    }
    eprintln!("bench: replay");
    (report.replay, report.event_bytes) = replayed(memory.path(), rounds, shorten)?;
    eprintln!("bench: restart");
    report.restarts = restart::measure(memory.path(), args)?;
    eprintln!("bench: shadow");
    report.beside = shadow::measure(memory.path(), args)?;
    eprintln!("bench: append");
    for (batch, figures) in [(FRAME_COMMANDS_MAX, &mut report.batch64), (1, &mut report.batch1)] {
        *figures = append::measure(memory.path(), batch, args)?;
    }
    eprintln!("bench: reader");
    report.reader = tail::measure(memory.path(), args)?;
    report.print(args.json);
    Ok(())
}

/// Commands and nanoseconds.
#[derive(Clone, Debug, Default)]
struct Timed {
    commands: u64,
    bytes: u64,
    rounds_ns: Vec<u64>,
}

/// Replays a log of ten million commands, which is in memory, round by round. With it the bytes of the
/// events that come of it.
fn replayed(directory: &Path, rounds: u32, shorten: u32) -> Result<(Timed, u64), BenchError> {
    let directory = directory.join("replay");
    let (crowd, workload) = if shorten == 1 {
        (Crowd::FULL, Workload::many_books(REPLAYED))
    } else {
        (FEW, Workload::mixed(0xA, 100, 30, REPLAYED / shorten as usize))
    };
    let log = Log::new(&workload, crowd, FRAME_COMMANDS_MAX);
    drop(workload);
    let options = Options::new(LogKind::Commands, MEMORY_SEGMENT_BYTES);
    let (mut writer, _) = Writer::open(&directory, options)?;
    let mut timed = Timed::default();
    for (header, payload) in log.frames() {
        writer.append(header, payload)?;
        timed.bytes += header.frame_bytes();
    }
    writer.commit(writer.chain().end);
    drop(log);
    let mut event_bytes = 0;
    for _ in 0..rounds {
        let replayed = replay(&directory, None, None).map_err(Box::new)?;
        timed.commands = replayed.commands;
        timed.rounds_ns.push(replayed.cpu_time.0);
        event_bytes = replayed.events_end().0;
    }
    drop(writer);
    std::fs::remove_dir_all(&directory).map_err(BenchError::file(&directory))?;
    Ok((timed, event_bytes))
}

/// Runs `work` on a core of its own. What was started before stays off it, if it will.
fn on_core<R: Send>(
    core: usize,
    work: impl FnOnce() -> Result<R, BenchError> + Send,
) -> Result<R, BenchError> {
    thread::scope(|scope| {
        let pinned =
            scope.spawn(move || if pin(core) { work() } else { Err(BenchError::Core { core }) });
        pinned.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
