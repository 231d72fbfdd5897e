//! A shadow engine that takes one snapshot after the other, and what that costs the engine that trades: on
//! a core of its own, and on the engine's.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::restart::{filled, store};
use super::{Args, on_core};
use crate::agent::real_time;
use crate::cli::bench::BenchError;
use crate::cli::bench::engine::{Appender, apply};
use crate::engine::{Engine, MEMORY_SEGMENT_BYTES};
use crate::event_store::{Frame, LogKind, Options, Writer};
use crate::sys::process::terminate;
use crate::types::{FrameHeader, Line, Nanos};

/// Commands of a phase, each in a frame of its own, and how long after one another.
const COMMANDS: usize = 50_000;
const INTERVAL: Nanos = Nanos::from_micros(20);
/// How long to wait for the first snapshot.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the shadow runs in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    OwnCore,
    EnginesCore,
}

/// The p99 of a command in the engine, in nanoseconds, round by round.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    pub(super) alone: Vec<u64>,
    pub(super) own_core: Vec<u64>,
    pub(super) engines_core: Vec<u64>,
    /// Snapshots that were taken meanwhile, on its own core and on the engine's.
    pub(super) snapshots: [u64; 2],
}

/// Has an engine apply commands at a steady rate, round by round without a shadow and with one.
pub(super) fn measure(directory: &Path, args: &Args) -> Result<Beside, BenchError> {
    let directory = directory.join("shadow");
    let commands = COMMANDS / args.shorten as usize;
    let log = filled(args.shorten, 1, commands * 3 * args.rounds as usize);
    let options = Options::new(LogKind::Commands, MEMORY_SEGMENT_BYTES);
    let (mut writer, _) = Writer::open(&directory.join("commands"), options)?;
    for (header, payload) in log.frames().take(log.filled_frames()) {
        writer.append(header, payload)?;
    }
    writer.commit(writer.chain().end);
    let mut appender = Appender::new();
    let mut engine = log.engine(&mut appender);
    // Where the shadow begins, so that every one it takes is as large.
    let (header, payload) = log.frames().nth(log.filled_frames() - 1).expect("a market at least");
    store(&directory.join("snapshots"), &Frame { header, payload }, &engine)?;
    let mut phases = log.timed.chunks(commands);
    let mut beside = Beside::default();
    for _ in 0..args.rounds {
        for place in [Place::Nowhere, Place::OwnCore, Place::EnginesCore] {
            let Some(frames) = phases.next() else { break };
            let shadow = match place {
                Place::Nowhere => None,
                Place::OwnCore => Some(Shadow::start(&directory, args.cores.reader)?),
                Place::EnginesCore => Some(Shadow::start(&directory, args.cores.writer)?),
            };
            // With the first of them it begins to take one.
            let (first, timed) = frames.split_at(1);
            phase(first, &mut writer, &mut engine, &mut appender)?;
            if let Some(shadow) = &shadow {
                shadow.await_snapshot()?;
            }
            let p99 = on_core(args.cores.writer, || {
                phase(timed, &mut writer, &mut engine, &mut appender)
            })?;
            let taken = shadow.as_ref().map_or(0, Shadow::snapshots);
            drop(shadow);
            match place {
                Place::Nowhere => beside.alone.push(p99),
                Place::OwnCore => {
                    beside.own_core.push(p99);
                    beside.snapshots[0] += taken - 1;
                }
                Place::EnginesCore => {
                    beside.engines_core.push(p99);
                    beside.snapshots[1] += taken - 1;
                }
            }
        }
    }
    drop(writer);
    std::fs::remove_dir_all(&directory).map_err(BenchError::file(&directory))?;
    Ok(beside)
}

/// The p99 of commands in the engine, each appended to the log before.
fn phase(
    frames: &[(FrameHeader, Vec<Line>)],
    writer: &mut Writer,
    engine: &mut Engine,
    appender: &mut Appender,
) -> Result<u64, BenchError> {
    let mut times = Vec::with_capacity(frames.len());
    let mut next = real_time();
    for frame in frames {
        next = next.after(INTERVAL);
        while real_time() < next {
            std::hint::spin_loop();
        }
        writer.append(&frame.0, &frame.1)?;
        writer.commit(writer.chain().end);
        let begun = Instant::now();
        apply(engine, std::slice::from_ref(frame), appender);
        times.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    times.sort_unstable();
    Ok(times[times.len() * 99 / 100])
}

/// The process, and how many snapshots it has spoken of; it ends with this.
struct Shadow {
    child: Child,
    taken: Arc<AtomicU64>,
}

impl Shadow {
    /// Started on this core, which it shares with whoever else is there.
    fn start(directory: &Path, core: usize) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(BenchError::file("/proc/self/exe"))?;
        let mut command = Command::new(&program);
        command.args(["log", "replay"]).arg(directory.join("commands")).arg("--follow");
        command.arg("--snapshot").arg(directory.join("snapshots")).args(["--every", "1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // A child stays on the core of the thread that starts it.
        let started = on_core(core, || command.spawn().map_err(BenchError::file(&program)));
        let mut child = started?;
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        let taken = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&taken);
        thread::spawn(move || {
            for _ in said.lines().map_while(Result::ok) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { child, taken })
    }

    fn snapshots(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn await_snapshot(&self) -> Result<(), BenchError> {
        let begun = Instant::now();
        while self.snapshots() == 0 {
            if begun.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(BenchError::Silence { what: "snapshot", seconds });
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        let ended = terminate(&mut self.child).and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("bench: the shadow engine is left behind: {error}");
        }
    }
}
