//! The shadow engine: follows a command log in a process of its own, and takes snapshots of what it comes
//! to, so that the engine that trades neither stops nor forks for one.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

use super::LogError;
use super::walk;
use crate::agent::StopFlag;
use crate::cli::CliError;
use crate::config::{Config, secrets};
use crate::engine::{ApplyError, Engine, IndexSeed};
use crate::event_store::{LogKind, Reader, SnapshotMark, Snapshots, WriterState};
use crate::node::{Progress, StartShadow, known_limits, resume_shadow};
use crate::sys::process::{die_with, give_way};
use crate::types::{FrameHeader, FrameSink, LINE_BYTES, Line, Position};

/// Arguments of `rialto log replay` that have it take snapshots.
#[derive(Debug, clap::Args)]
pub(super) struct ShadowArgs {
    /// Write a snapshot to this directory, behind the last whole frame up to --to. It begins with the
    /// newest snapshot there that is of any use, and keeps two.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["events", "alone"])]
    snapshot: Option<PathBuf>,
    /// Follow the log until its node stops, or SIGTERM or SIGINT, and take a snapshot every so often. Exit
    /// status 1 says that the node died.
    #[arg(long, requires = "snapshot", conflicts_with = "to")]
    follow: bool,
    /// Where the node has stopped, wait until it starts again.
    #[arg(long, requires = "follow")]
    wait: bool,
    /// Commands from one snapshot to the next.
    #[arg(long, value_name = "COMMANDS", requires = "follow", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// The process to end with: set by the node.
    #[arg(long, hide = true, value_name = "PID", requires = "follow")]
    child_of: Option<u32>,
}

impl ShadowArgs {
    pub(super) const fn is_wanted(&self) -> bool {
        self.snapshot.is_some()
    }
}

/// Runs a shadow engine over the command log in `directory`.
pub(super) fn run(directory: &Path, args: &ShadowArgs, to: Option<u64>) -> Result<(), CliError> {
    let Some(snapshots) = &args.snapshot else { return Ok(()) };
    if let Some(parent) = args.child_of
        && !die_with(parent)?
    {
        return Ok(());
    }
    let stop = StopFlag::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.shared())?;
    }
    give_way()?;
    let Some(mut shadow) = Shadow::open(directory, snapshots, args, &stop)? else {
        return Ok(());
    };
    if args.follow && shadow.commands.is_live() {
        shadow.follow(args, &stop)?;
        if stop.is_set() { Ok(()) } else { shadow.end(directory) }
    } else {
        shadow.go_to(to.unwrap_or(u64::MAX), &stop)
    }
}

/// How a node of this configuration starts its shadow engine, if it is to have one: this very program,
/// whatever lies at its path by then.
pub(in crate::cli) fn start_shadow(config: &Config) -> Option<StartShadow> {
    let snapshots = config.snapshots().clone();
    let commands = config.logs().commands();
    let start = move || {
        // What it says belongs in the node's log.
        let out = io::stderr().as_fd().try_clone_to_owned()?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("rialto").args(["log", "replay"]).arg(&commands);
        // The keeper ends it.
        command.args(["--follow", "--wait"]);
        command.arg("--snapshot").arg(&snapshots.directory);
        command.args(["--every", &snapshots.every_commands.to_string()]);
        command.args(["--child-of", &std::process::id().to_string()]);
        // An interrupt from the keyboard is the node's alone.
        command.stdin(Stdio::null()).stdout(out).process_group(0).spawn()
    };
    (config.snapshots().every_commands > 0).then(|| Box::new(start) as StartShadow)
}

struct Shadow {
    engine: Engine,
    commands: Reader,
    /// The end of the last frame that was applied.
    end: Position,
    /// That of the last snapshot.
    taken: Position,
    snapshots: Snapshots,
}

/// How long to wait for more commands. Nobody waits for a snapshot.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

impl Shadow {
    /// Where the newest snapshot was taken, or before the first command. A node that has just begun may
    /// not have said yet what its venue is for: whoever follows waits for it. `None` if told to stop.
    fn open(
        directory: &Path,
        snapshots: &Path,
        args: &ShadowArgs,
        stop: &StopFlag,
    ) -> Result<Option<Self>, CliError> {
        let commands = walk::open(directory)?;
        let (path, found) = (directory.to_owned(), commands.kind());
        if found != LogKind::Commands {
            return Err(LogError::WrongKind { path, found, wanted: LogKind::Commands }.into());
        }
        let snapshots = Snapshots::new(snapshots);
        let limits = loop {
            if let Some(limits) = known_limits(&commands, &snapshots)? {
                break limits;
            }
            let goes_on = args.wait || commands.writer()? == WriterState::Lives;
            if !(args.follow && commands.is_live() && goes_on) {
                return Err(LogError::NoLimits(path).into());
            }
            if stop.is_set() {
                return Ok(None);
            }
            thread::sleep(POLL_INTERVAL);
        };
        let mut seed = [0; IndexSeed::BYTES];
        secrets::random(&mut seed)?;
        snapshots.remove_unfinished()?;
        let venue = (&limits, IndexSeed::new(seed));
        let (engine, commands) = resume_shadow(&snapshots, venue, &commands)?;
        let end = commands.position();
        Ok(Some(Self { engine, commands, end, taken: end, snapshots }))
    }

    /// Follows the log until told to stop, or until nobody writes to it. A snapshot that cannot be written
    /// is done without.
    fn follow(&mut self, args: &ShadowArgs, stop: &StopFlag) -> Result<(), CliError> {
        let mut progress = Some(Progress::new("catching up"));
        let mut due = self.engine.next_command() + args.every;
        while !stop.is_set() {
            if self.apply_next(u64::MAX)? {
                if let Some(progress) = &mut progress {
                    progress.at(self.end, self.commands.committed());
                }
            } else {
                progress = None;
                // Asked first: who is gone has committed all that he will.
                let is_over = !args.wait && self.commands.writer()? != WriterState::Lives;
                if !self.apply_next(u64::MAX)? {
                    if is_over {
                        return Ok(());
                    }
                    thread::sleep(POLL_INTERVAL);
                    continue;
                }
            }
            if self.engine.next_command() >= due {
                due = self.engine.next_command() + args.every;
                match self.take() {
                    Err(CliError::Snapshot(error)) => warn!(%error, "no snapshot was taken"),
                    taken => taken?,
                }
            }
        }
        Ok(())
    }

    /// Takes a last snapshot, if there is more in it than in the one before, and says how the log ended.
    fn end(&mut self, directory: &Path) -> Result<(), CliError> {
        if self.taken < self.end {
            self.take()?;
        }
        let last = self.engine.next_command() - 1;
        if self.commands.writer()? == WriterState::Died {
            return Err(LogError::WriterDied { path: directory.to_owned(), last }.into());
        }
        Ok(writeln!(io::stdout(), "the log was closed: it was followed up to command {last}")?)
    }

    /// Goes as far as the log does now, or the command `to`, and takes a snapshot there.
    fn go_to(&mut self, to: u64, stop: &StopFlag) -> Result<(), CliError> {
        let (begun, all) = (self.end, self.commands.committed());
        let mut progress = Progress::new("applying commands");
        while self.end < all && !stop.is_set() {
            progress.at(self.end, all);
            if !self.apply_next(to)? {
                break;
            }
        }
        drop(progress);
        if stop.is_set() {
            return Ok(());
        }
        if self.end == begun {
            let last = self.engine.next_command() - 1;
            writeln!(io::stdout(), "no snapshot: no whole frame to apply behind command {last}")?;
            return Ok(());
        }
        self.take()
    }

    /// Applies the next frame, if there is one and no command in it is behind `to`.
    fn apply_next(&mut self, to: u64) -> Result<bool, CliError> {
        let Some(frame) = self.commands.next_frame()? else { return Ok(false) };
        if frame.header.first_sequence + u64::from(frame.header.count) - 1 > to {
            return Ok(false);
        }
        match self.engine.apply(frame.header, frame.payload, &mut Nowhere) {
            Ok(()) => {}
            Err(ApplyError::Command(error)) => return Err(LogError::Command(error).into()),
            Err(ApplyError::Sink(never)) => match never {},
        }
        self.end = frame.end();
        Ok(true)
    }

    /// Takes a snapshot behind the last frame that was applied, and says so.
    fn take(&mut self) -> Result<(), CliError> {
        let (start, state_hash) = (Instant::now(), self.engine.state_hash());
        let events = *self.engine.chain();
        let segment_bytes = self.commands.segment_bytes();
        let last = self.commands.frame_containing(Position(self.end.0 - LINE_BYTES as u64))?;
        let mark = SnapshotMark::behind(&last, segment_bytes, (&events, state_hash));
        let content = self.engine.snapshot();
        let path = self.snapshots.store(&mark, &content)?;
        self.taken = self.end;
        let (sequence, bytes) = (mark.commands.next_sequence - 1, content.len());
        let (millis, path) = (start.elapsed().as_millis(), path.display());
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "snapshot of command {sequence}: state {state_hash:016x}, {bytes} bytes, {millis} ms, {path}"
        )?;
        Ok(out.flush()?)
    }
}

/// The trading engine has written the events.
struct Nowhere;

impl FrameSink for Nowhere {
    type Error = Infallible;

    fn frame(&mut self, _: &FrameHeader, _: &[Line]) -> Result<(), Infallible> {
        Ok(())
    }
}
