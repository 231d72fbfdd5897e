//! Retention: lets go of the oldest segments of both logs once nothing needs them.
//!
//! What the older of the two snapshots needs stays, so that a damaged newest one can be done without; so do
//! the events of the trading day, which sessions replay; and whatever the configuration wants kept. A thread
//! that nobody waits for decides; the logs' writers let go when they next need a segment.

mod archive;

pub use archive::{ArchiveSignError, archived};

use std::io;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::NodeError;
use super::durable::SharedControl;
use crate::agent::{StopFlag, real_time};
use crate::config::{Config, Kept};
use crate::event_store::{
    Reader, Retention as Newest, Retirement, SNAPSHOTS_KEPT, SnapshotFileError, SnapshotMark,
    Snapshots, StoreError, Writer,
};
use crate::sys::file::used_percent;
use crate::sys::process::give_way;
use crate::types::event::Event;
use crate::types::{LINE_BYTES, Position};

/// How often it looks, and how often it looks whether to end.
const INTERVAL: Duration = Duration::from_millis(500);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Event frames from one look at the stop flag to the next.
const FOLLOWED_FRAMES_MAX: usize = 4_096;

/// The ways to let go of segments, as their writers gave them.
#[derive(Clone, Debug)]
pub(super) struct Held {
    commands: Retirement,
    events: Retirement,
}

impl Held {
    pub(super) fn new(commands: &Writer, events: &Writer) -> Self {
        Self { commands: commands.retirement(), events: events.retirement() }
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Retention {
    thread: JoinHandle<()>,
    stop: StopFlag,
}

impl Retention {
    /// Keeps what `kept` says of the logs of `config`. Where the command log is made durable in the
    /// background, `control` knows how far.
    pub(super) fn start(
        config: &Config,
        kept: Kept,
        held: Held,
        control: Option<SharedControl>,
    ) -> Result<Self, NodeError> {
        // As another process would open them: no lock is shared with a stage.
        let (commands, events) =
            (Reader::open(&config.logs().commands())?, Reader::open(&config.logs().events())?);
        let keeper = Keeper {
            kept,
            held,
            control,
            logs: config.logs().directory.clone(),
            snapshots: Snapshots::new(&config.snapshots().directory),
            proven: Vec::new(),
            day: events.clone(),
            day_began: None,
            durable_events: events.beginning().end,
            commands,
            events,
            let_go: None,
            said: None,
        };
        let stop = StopFlag::default();
        let asked = stop.clone();
        let thread = thread::Builder::new()
            .name("retention".to_owned())
            .spawn(move || keeper.run(&asked))
            .map_err(NodeError::Thread)?;
        Ok(Self { thread, stop })
    }

    /// Ends it.
    pub(super) fn stop(self) {
        self.stop.stop();
        self.thread.join().expect("a panic ends the process");
    }
}

/// Why nothing is let go of for now.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotFileError),
    #[error(transparent)]
    Archive(#[from] ArchiveSignError),
    #[error("cannot ask how full {} is: {source}", path.display())]
    Disk { path: PathBuf, source: io::Error },
}

struct Keeper {
    kept: Kept,
    held: Held,
    control: Option<SharedControl>,
    /// The directory of both logs.
    logs: PathBuf,
    snapshots: Snapshots,
    /// Snapshots of which every byte was checked, and that are of this log.
    proven: Vec<(PathBuf, SnapshotMark)>,
    /// Follows the events, for the beginnings of days.
    day: Reader,
    /// The start of the event frame in which the last day began.
    day_began: Option<Position>,
    /// The event log's segments before that of this position were made durable.
    durable_events: Position,
    commands: Reader,
    events: Reader,
    /// Below these it let go last.
    let_go: Option<Below>,
    /// What was last said of why nothing goes.
    said: Option<String>,
}

/// Positions below which nothing of the logs is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Below {
    /// Of the command log.
    pub commands: Position,
    /// Of the event log.
    pub events: Position,
}

impl Below {
    fn min(self, other: Self) -> Self {
        let (commands, events) = (self.commands.min(other.commands), self.events.min(other.events));
        Self { commands, events }
    }
}

impl Keeper {
    fn run(mut self, stop: &StopFlag) {
        if let Err(error) = give_way() {
            warn!(%error, "old segments are looked for at the priority of everything else");
        }
        loop {
            let begun = Instant::now();
            match self.look(stop) {
                Ok(()) => self.said = None,
                Err(why) => self.say(why.to_string()),
            }
            while begun.elapsed() < INTERVAL {
                if stop.is_set() {
                    return;
                }
                thread::sleep(POLL_INTERVAL);
            }
        }
    }

    /// Says what keeps it from its work, once.
    fn say(&mut self, why: String) {
        if self.said.as_ref() != Some(&why) {
            warn!(why, "nothing is retired");
            self.said = Some(why);
        }
    }

    /// Lets go of what is not needed now.
    fn look(&mut self, stop: &StopFlag) -> Result<(), NotNow> {
        self.follow_days(stop)?;
        let Some(below) = self.unneeded()? else { return Ok(()) };
        let begins = [self.commands.beginning().end, self.events.beginning().end];
        if below.commands <= begins[0] && below.events <= begins[1] {
            return Ok(());
        }
        if self.let_go == Some(below) || !self.is_full()? {
            return Ok(());
        }
        if below.commands > begins[0] {
            self.sync_events()?;
        }
        self.held.commands.below(below.commands);
        self.held.events.below(below.events);
        self.let_go = Some(below);
        info!(commands = below.commands.0, events = below.events.0, "not needed below");
        Ok(())
    }

    /// Notes where the last day began.
    fn follow_days(&mut self, stop: &StopFlag) -> Result<(), StoreError> {
        while !stop.is_set() {
            for _ in 0..FOLLOWED_FRAMES_MAX {
                let Some(frame) = self.day.next_frame()? else { return Ok(()) };
                let mut events = frame.records().map_while(Result::ok);
                let begins = events
                    .any(|event| matches!(Event::parse(event.lines), Ok(Event::DayStarted(_))));
                if begins {
                    self.day_began = Some(frame.header.start);
                }
            }
        }
        Ok(())
    }

    /// Below what nothing is needed; `None` as long as everything is.
    fn unneeded(&mut self) -> Result<Option<Below>, NotNow> {
        let Some(day_began) = self.day_began else { return Ok(None) };
        let Some(oldest) = self.oldest_snapshot()? else { return Ok(None) };
        let durable = self.control.as_ref().map(SharedControl::durable);
        // The frames that end where the snapshot was taken are what proves that it is of these logs.
        let last_line = |end: Position| Position(end.0.saturating_sub(LINE_BYTES as u64));
        let commands = last_line(oldest.commands.end).min(durable.unwrap_or(Position(u64::MAX)));
        let mut below = Below { commands, events: last_line(oldest.events.end).min(day_began) };
        if let Some(directory) = &self.kept.archive {
            let Some(sealed) = archived(directory, &mut self.commands, &mut self.events)? else {
                return Ok(None);
            };
            below = below.min(sealed);
        }
        let Kept { time, bytes, .. } = self.kept;
        let newest = Newest { bytes, time };
        let now = real_time();
        let commands = newest.below(&mut self.commands, now)?;
        let events = newest.below(&mut self.events, now)?;
        let Below { commands, events } = below.min(Below { commands, events });
        let commands = self.commands.segment_start(commands);
        Ok(Some(Below { commands, events: self.events.segment_start(events) }))
    }

    /// The oldest snapshot that is kept, if there are as many as should be and each is whole and of these
    /// logs.
    fn oldest_snapshot(&mut self) -> Result<Option<SnapshotMark>, NotNow> {
        let files = self.snapshots.newest_first()?;
        self.proven.retain(|(path, _)| files.contains(path));
        for path in &files {
            if self.proven.iter().any(|(proven, _)| proven == path) {
                continue;
            }
            let mark = Snapshots::check(path)?;
            self.commands.has_passed(&mark.commands)?;
            self.proven.push((path.clone(), mark));
        }
        let marks = self.proven.iter().map(|(_, mark)| *mark);
        let is_enough = files.len() >= SNAPSHOTS_KEPT;
        Ok(marks.min_by_key(|mark| mark.commands.end).filter(|_| is_enough))
    }

    /// Whether the disk is so full that something should go.
    fn is_full(&self) -> Result<bool, NotNow> {
        let path = &self.logs;
        let percent =
            used_percent(path).map_err(|source| NotNow::Disk { path: path.clone(), source })?;
        Ok(percent >= u64::from(self.kept.disk_percent))
    }

    /// Makes the events durable up to the oldest snapshot: once commands are gone, nothing makes them
    /// again.
    fn sync_events(&mut self) -> Result<(), NotNow> {
        let Some(oldest) = self.oldest_snapshot()? else { return Ok(()) };
        self.events.sync_segments(self.durable_events, oldest.events.end)?;
        self.durable_events = oldest.events.end;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
