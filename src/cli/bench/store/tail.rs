//! A reader in another process: the time from the commit of a frame until it is seen there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::append::{append, pool};
use super::{Args, on_core};
use crate::agent::{pin, real_time};
use crate::cli::bench::BenchError;
use crate::event_store::{LogKind, Options, Reader, Writer};
use crate::types::Nanos;

/// Frames of one command that are committed, and how long after one another.
const FRAMES: u32 = 50_000;
const INTERVAL: Nanos = Nanos::from_micros(20);
const SEGMENT_BYTES: u64 = 64 << 20;
/// How long the reader waits for a frame before it gives up.
const PATIENCE: Nanos = Nanos::from_secs(30);

/// Arguments of the process that reads.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli::bench) struct ReaderArgs {
    directory: PathBuf,
    #[arg(long)]
    core: usize,
    #[arg(long)]
    frames: u32,
}

/// The time of each frame until it was seen, sorted.
pub(super) fn measure(directory: &Path, args: &Args) -> Result<Vec<u64>, BenchError> {
    let directory = directory.join("tail");
    let frames = (FRAMES / args.shorten).max(10);
    let (mut writer, _) = Writer::open(&directory, Options::new(LogKind::Commands, SEGMENT_BYTES))?;
    let program = std::env::current_exe().map_err(BenchError::file("/proc/self/exe"))?;
    let mut command = Command::new(&program);
    command.args(["bench", "store-reader"]).arg(&directory);
    command.args(["--core", &args.cores.reader.to_string(), "--frames", &frames.to_string()]);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(BenchError::file(&program))?;
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).map_err(BenchError::Connection)?;

    let committed = on_core(args.cores.writer, || commit(&mut writer, frames))?;
    let mut seen = Vec::new();
    stdout.read_to_end(&mut seen).map_err(BenchError::Connection)?;
    let status = child.wait().map_err(BenchError::Connection)?;
    let (seen, _) = seen.as_chunks::<8>();
    if !status.success() || seen.len() != committed.len() {
        return Err(BenchError::Reader(format!("{status}, {} frames seen", seen.len())));
    }
    let seen = seen.iter().map(|bytes| Nanos(u64::from_le_bytes(*bytes)));
    let mut times: Vec<u64> =
        seen.zip(committed).map(|(seen, committed)| seen.since(committed).0).collect();
    times.sort_unstable();
    Ok(times)
}

/// Commits frames one after another, and says when.
fn commit(writer: &mut Writer, frames: u32) -> Result<Vec<Nanos>, BenchError> {
    let mut chain = *writer.chain();
    let mut committed = Vec::with_capacity(frames as usize);
    let mut next = real_time();
    for (header, payload) in pool(1).iter().cycle().take(frames as usize) {
        next = next.after(INTERVAL);
        while real_time() < next {
            std::hint::spin_loop();
        }
        append(writer, &mut chain, header.count, payload)?;
        committed.push(real_time());
        writer.commit(chain.end);
    }
    Ok(committed)
}

/// Reads, and says on standard output when it saw each frame.
pub(in crate::cli::bench) fn run_reader(args: &ReaderArgs) -> Result<(), BenchError> {
    if !pin(args.core) {
        return Err(BenchError::Core { core: args.core });
    }
    let mut reader = Reader::open(&args.directory)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready").and_then(|()| out.flush()).map_err(BenchError::Connection)?;
    let mut seen = Vec::with_capacity(args.frames as usize);
    let mut deadline = real_time().after(PATIENCE);
    while seen.len() < args.frames as usize {
        if reader.next_frame()?.is_some() {
            seen.push(real_time());
            deadline = seen[seen.len() - 1].after(PATIENCE);
        } else if real_time() > deadline {
            return Err(BenchError::Silence { what: "frame", seconds: PATIENCE.second() });
        }
    }
    let bytes: Vec<u8> = seen.iter().flat_map(|at| at.0.to_le_bytes()).collect();
    out.write_all(&bytes).map_err(BenchError::Connection)
}
