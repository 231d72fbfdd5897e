//! `rialto log replay`: the engine over a command log, in this process. It writes nothing, but snapshots
//! if it is asked for them.
//!
//! The venue is the log's own. What is made can be compared with the event log, frame by frame.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::LogError;
use super::difference::first_difference;
use super::shadow::{self, ShadowArgs};
use super::walk::{Walk, prove};
use crate::cli::{CliError, units};
use crate::config::secrets;
use crate::engine::{ApplyError, Engine, IndexSeed};
use crate::event_store::{Frame, LogKind};
use crate::node::{per_second, venue_limits};
use crate::sys::cpu_time::thread_cpu_time;
use crate::types::event::StateConfirmed;
use crate::types::{FrameHeader, FrameSink, Line, Nanos, Position, Record, split_record};

/// Arguments of `rialto log replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto log replay /var/lib/rialto/commands\n  \
    rialto log replay /backup/commands --events /var/lib/rialto/events --to 1000000\n  \
    rialto log replay /var/lib/rialto/commands --snapshot /backup/snapshots\n  \
    rialto log replay /var/lib/rialto/commands --follow --snapshot /backup/snapshots\n\n\
    It reads the logs and writes nothing to them. The event log is that beside the command log (events beside \
    commands), if there is one. Exit status 1 says that it is not, to the byte, what the commands give, or \
    that the state came to another hash than a node that led put into the command log.")]
pub(super) struct Args {
    /// The command log's directory: the one that holds its segments.
    directory: PathBuf,
    /// Stop behind the command of this sequence.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    /// Compare with the event log in this directory.
    #[arg(long, value_name = "DIR", conflicts_with = "alone")]
    events: Option<PathBuf>,
    /// Compare with no event log.
    #[arg(long)]
    alone: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "snapshot")]
    json: bool,
    #[command(flatten)]
    shadow: ShadowArgs,
}

/// What a replay went through, and what came of it.
pub(in crate::cli) struct Replayed {
    engine: Engine,
    pub(in crate::cli) commands: u64,
    frames: u64,
    /// Log time of the last command.
    time: Nanos,
    /// From the first command to the last; making the engine is not in it.
    elapsed: Duration,
    /// What this thread had a core for of that.
    pub(in crate::cli) cpu_time: Nanos,
    compared: Option<Compared>,
    confirmed: Confirmed,
}

/// The state hashes that a node which led put into the command log, and the replay came to.
#[derive(Clone, Copy, Default)]
struct Confirmed {
    count: u64,
    /// The last command in the last of them.
    last: u64,
}

/// The event frames of which there is an original.
struct Compared {
    path: PathBuf,
    equal: u64,
    /// Frames that the event log did not have yet.
    new: u64,
}

/// Replays a log and says how it went.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    if args.shadow.is_wanted() {
        return shadow::run(&args.directory, &args.shadow, args.to);
    }
    let beside =
        args.directory.canonicalize().ok().and_then(|path| Some(path.parent()?.join("events")));
    let beside = beside.filter(|path| !args.alone && path.is_dir());
    let replayed = replay(&args.directory, args.events.clone().or(beside).as_deref(), args.to)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", replayed.json())?;
    } else {
        write!(out, "{}", replayed.text())?;
    }
    Ok(())
}

/// Replays the command log in `directory`, up to the command `to` if that is said.
pub(in crate::cli) fn replay(
    directory: &Path,
    events: Option<&Path>,
    to: Option<u64>,
) -> Result<Replayed, CliError> {
    // Its end is taken first, so that a node that runs has the commands of all of it.
    let events = events.map(Originals::open).transpose()?;
    let mut commands = Walk::open_filled(directory, "applying commands")?;
    require(directory, &commands, LogKind::Commands)?;
    let first = commands.reader().beginning().next_sequence;
    if first > 1 {
        return Err(LogError::BeginsLate { path: directory.to_owned(), first }.into());
    }
    let limits = venue_limits(&mut commands.reader())?;
    let limits = limits.ok_or_else(|| LogError::NoLimits(directory.to_owned()))?;
    let mut seed = [0; IndexSeed::BYTES];
    secrets::random(&mut seed)?;
    let mut engine = Engine::new(&limits, IndexSeed::new(seed));

    let (start, cpu_start) = (Instant::now(), thread_cpu_time());
    let confirmed = Confirmed::default();
    let mut sink = Compare { originals: events, is_cut: false, commands: (0, 0), confirmed };
    let (mut count, mut frames, mut time) = (0, 0, Nanos::ZERO);
    while let Some(frame) = commands.next()? {
        let Some((header, payload)) = up_to(&frame, to) else { break };
        sink.is_cut = header.count < frame.header.count;
        let first = header.first_sequence;
        sink.commands = (first, (first + u64::from(header.count)).saturating_sub(1));
        engine.apply(&header, payload, &mut sink).map_err(apply_error)?;
        (count, frames, time) = (count + u64::from(header.count), frames + 1, header.time);
    }
    let (elapsed, cpu_time) = (start.elapsed(), thread_cpu_time().since(cpu_start));
    let confirmed = sink.confirmed;
    let compared = sink.originals.map(|originals| originals.finish(to.is_none())).transpose()?;
    Ok(Replayed { engine, commands: count, frames, time, elapsed, cpu_time, compared, confirmed })
}

fn require(path: &Path, walk: &Walk, wanted: LogKind) -> Result<(), LogError> {
    let found = walk.kind();
    if found == wanted {
        return Ok(());
    }
    Err(LogError::WrongKind { path: path.to_owned(), found, wanted })
}

/// The part of a frame up to the command `to`, if there is any.
fn up_to<'a>(frame: &Frame<'a>, to: Option<u64>) -> Option<(FrameHeader, &'a [Line])> {
    let Frame { header, payload } = *frame;
    let wanted = to.map_or(u64::MAX, |to| (to + 1).saturating_sub(header.first_sequence));
    let Ok(count) = u16::try_from(wanted) else { return Some((*header, payload)) };
    if count >= header.count {
        return Some((*header, payload));
    }
    let mut rest = payload;
    for _ in 0..count {
        // One that is no record is left in, for the engine to say so.
        let Ok((_, behind)) = split_record(rest) else { return Some((*header, payload)) };
        rest = behind;
    }
    let part = &payload[..payload.len() - rest.len()];
    (count > 0).then_some((FrameHeader { count, ..*header }, part))
}

fn apply_error(error: ApplyError<CliError>) -> CliError {
    match error {
        ApplyError::Sink(error) => error,
        ApplyError::Command(error) => LogError::Command(error).into(),
    }
}

/// The event log that is there.
struct Originals {
    path: PathBuf,
    walk: Walk,
    equal: u64,
    new: u64,
}

impl Originals {
    fn open(path: &Path) -> Result<Self, CliError> {
        let walk = Walk::open(path, None)?;
        require(path, &walk, LogKind::Events)?;
        Ok(Self { path: path.to_owned(), walk, equal: 0, new: 0 })
    }

    /// What came of it. With the last command done, nothing may be left of a log.
    fn finish(mut self, is_all: bool) -> Result<Compared, CliError> {
        let left = if is_all { self.walk.next()? } else { None };
        if let Some(frame) = left {
            let position = frame.header.start;
            return Err(LogError::CommandsLost { path: self.path, position }.into());
        }
        let Self { path, equal, new, .. } = self;
        Ok(Compared { path, equal, new })
    }
}

/// Compares event frames with their originals.
struct Compare {
    originals: Option<Originals>,
    /// The first and last command of the frame that is being applied.
    commands: (u64, u64),
    confirmed: Confirmed,
    /// Whether the command frame that is being applied is not a whole one: then its last event frame
    /// may end before the original does.
    is_cut: bool,
}

impl FrameSink for Compare {
    type Error = CliError;

    fn frame(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), CliError> {
        let made = Frame { header, payload };
        self.confirmed.see(&made);
        let Some(originals) = &mut self.originals else { return Ok(()) };
        // One that is equal has the checksum that was just computed.
        let Some(original) = originals.walk.next_as_it_is()? else {
            originals.new += 1;
            return Ok(());
        };
        let is_part = self.is_cut && is_beginning(&made, &original);
        if !is_part && let Some(difference) = first_difference(LogKind::Events, &made, &original) {
            prove(&originals.path, &original)?;
            let (first, last) = self.commands;
            return Err(LogError::Diverged { first, last, difference }.into());
        }
        originals.equal += 1;
        Ok(())
    }
}

impl Confirmed {
    fn see(&mut self, events: &Frame<'_>) {
        for record in events.records().map_while(Result::ok) {
            if record.lines[0].0[0] == StateConfirmed::KIND
                && let Some(confirmed) = StateConfirmed::view(record.lines)
            {
                self.count += 1;
                self.last = confirmed.at_sequence;
            }
        }
    }
}

fn is_beginning(made: &Frame<'_>, original: &Frame<'_>) -> bool {
    let place = |frame: &Frame<'_>| (frame.header.start, frame.header.index, frame.header.time);
    place(made) == place(original) && original.payload.starts_with(made.payload)
}

impl Replayed {
    /// Where the event log ends that the commands give.
    pub(in crate::cli) const fn events_end(&self) -> Position {
        self.engine.chain().end
    }

    fn text(&self) -> String {
        let Self { engine, commands, frames, time, elapsed, cpu_time, compared, confirmed } = self;
        let (events, end) = (engine.chain().next_sequence - 1, engine.chain().end);
        let mut lines = vec![
            format!(
                "commands     {commands} in {frames} frames, to {} UTC",
                units::show_moment(*time)
            ),
            format!("events       {events}, up to position {end}"),
            format!("resting      {} orders in all books", engine.books().order_count()),
            format!("state        {:016x}", engine.state_hash()),
        ];
        if let Confirmed { count: 1.., last } = confirmed {
            let count = confirmed.count;
            lines.push(format!(
                "confirmed    {count} states in the log, the last behind command {last}"
            ));
        }
        if let Some(Compared { path, equal, new }) = compared {
            lines.push(match new {
                0 => format!("compared     {equal} event frames with {}: equal", path.display()),
                _ => format!(
                    "compared     {equal} event frames with {}: equal; it ends there, {new} more were made",
                    path.display()
                ),
            });
        }
        let [elapsed_ms, cpu_ms] = [elapsed.as_millis(), u128::from(cpu_time.0 / 1_000_000)];
        lines.push(format!(
            "rate         {} commands/s ({elapsed_ms} ms, {cpu_ms} of them on a core)",
            per_second(*commands, *elapsed),
        ));
        lines.join("\n") + "\n"
    }

    fn json(&self) -> Value {
        let Self { engine, commands, frames, time, elapsed, cpu_time, compared, confirmed } = self;
        json!({
            "commands": commands,
            "frames": frames,
            "last_time_ns": time.0,
            "events": engine.chain().next_sequence - 1,
            "events_end": engine.chain().end.0,
            "resting_orders": engine.books().order_count(),
            "state_hash": format!("{:016x}", engine.state_hash()),
            "confirmed_states": confirmed.count,
            "last_confirmed_command": (confirmed.count > 0).then_some(confirmed.last),
            "compared_frames": compared.as_ref().map(|compared| compared.equal),
            "new_frames": compared.as_ref().map(|compared| compared.new),
            "elapsed_ns": u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
            "cpu_ns": cpu_time.0,
            "commands_per_s": per_second(*commands, *elapsed),
        })
    }
}
