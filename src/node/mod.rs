//! A node: opens the logs, brings the engine to where it was, and wires the stages with rings.
//!
//! Stages meet only here. Which thread runs which is the placement's; the same command log gives the
//! same event log whatever it is.

mod access;
mod books;
mod boot;
mod cluster;
mod disk;
mod durable;
mod error;
mod fronts;
mod latency;
mod observing;
pub mod pace;
mod past;
mod progress;
mod rehearsal;
mod restart;
mod retention;
mod shadow;
mod venue;
mod wiring;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, info};

use access::{AccessCounters, AccessFile};
pub use cluster::{Link, Request};
use cluster::{Requests, Role};
use disk::DiskGuard;
use durable::{Background, DurableCounters, SharedControl};
pub use error::NodeError;
use latency::Latency;
use observing::Observing;
pub use past::CommandLogPast;
pub use progress::{Progress, per_second};
pub use restart::resume_shadow;
use retention::Retention;
pub use retention::{ArchiveSignError, Below, archived};
pub use shadow::StartShadow;
use shadow::{Shadow, ShadowCounters};
pub use venue::{known_limits, venue_limits};
use wiring::Stages;

use crate::agent::{Agent as _, AgentThread, Composite, ReadyFlag, Spans, StopFlag};
use crate::config::{self, Config, ConfigError, Stage};
use crate::counters::{CounterBlock, CounterSet as _};
use crate::event_store::{BackgroundSync, Control, Durability, Reader, Watermark};
use crate::sys::file::is_volatile;
use crate::types::event::Event;
use crate::types::{LINE_BYTES, Line, Nanos, Position};

/// Makes the definition commands of a market; called once it is known that the log is empty.
pub type MakeMarket = Box<dyn FnOnce() -> Result<Vec<Line>, ConfigError>>;

/// What one start of a node is asked beyond its configuration.
#[derive(Default)]
pub struct Start {
    /// The market to begin with, for an empty log only.
    pub market: Option<MakeMarket>,
    /// Where to write the books when the node stops in order.
    pub books_out: Option<PathBuf>,
    /// Start although the log or the control file, which vouch for each other, is gone.
    pub new_incarnation: bool,
    /// Starts the shadow engine that takes snapshots of this node, if one is to.
    pub shadow: Option<StartShadow>,
    /// What a benchmark of this node asks.
    pub bench: Option<Bench>,
    /// The way to the other nodes of the cluster, if not the configured one.
    pub link: Option<Box<dyn Link>>,
}

/// What a benchmark asks of a node. Without one nothing of it exists.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Order entry echoes connections and datagrams from these ports.
    pub echo_ports: RangeInclusive<u16>,
    /// Where the steps of the pipeline are recorded.
    pub spans: Option<Spans>,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let market = self.market.is_some();
        f.debug_struct("Start")
            .field("market", &market)
            .field("books_out", &self.books_out)
            .field("new_incarnation", &self.new_incarnation)
            .field("shadow", &self.shadow.is_some())
            .field("bench", &self.bench)
            .field("link", &self.link.is_some())
            .finish()
    }
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// In the order in which they stop.
    threads: Vec<Running>,
    control: SharedControl,
    /// Who may talk to order entry; nobody may to an observer.
    access: Option<AccessFile>,
    /// Looks how full the disk is.
    disk: DiskGuard,
    /// Where time goes inside.
    latency: Latency,
    /// Says where it stands, if it only observes.
    observing: Option<Observing>,
    /// Makes the command log durable, where no stage does.
    background: Option<Background>,
    /// Takes snapshots, if any are taken.
    shadow: Option<Shadow>,
    /// Lets go of old segments, if any may go.
    retention: Option<Retention>,
    commands: Reader,
    events: Reader,
    ready: Vec<ReadyFlag>,
    /// What ties it to its cluster, if it is in one.
    membership: Option<Membership>,
    /// When it was last written down how far the log is durable.
    marked_at: Instant,
    /// Whether the logs lie in memory only.
    volatile: bool,
}

/// A node's ways to its replica.
#[derive(Debug)]
struct Membership {
    role: Role,
    requests: Requests,
    /// Where operators put what they ask.
    directory: PathBuf,
}

/// A thread, and the flag that stops it alone.
#[derive(Debug)]
struct Running {
    thread: AgentThread,
    stop: StopFlag,
}

impl Node {
    /// Starts a node: recovers its state, leads a new term, and serves; in a cluster it follows until it
    /// is elected.
    ///
    /// When it returns, the engine is where it was; gateways serve as soon as the start of the new
    /// term is in the event log.
    ///
    /// # Errors
    /// [`NodeError`] names what is wrong and how to mend it; nothing was sent to anybody.
    pub fn start(config: &Config, mut start: Start, now: Nanos) -> Result<Self, NodeError> {
        abort_on_panic();
        let (bench, shadow) = (start.bench.clone(), start.shadow.take());
        let (mut booted, control) = match config.cluster() {
            None => boot::boot(config, start, now)?,
            Some(cluster) => cluster::boot(config, cluster, start, now)?,
        };
        let membership = match &booted.order {
            boot::Order::Alone(_) => None,
            boot::Order::Replicated(parts) => Some(Membership {
                role: parts.role.clone(),
                requests: parts.requests.clone(),
                directory: config.control().directory.clone(),
            }),
        };
        let synced = booted.counters.block("durable", DurableCounters::NAMES);
        let shadow = shadow.map(|start| {
            let published = booted.counters.block("shadow", ShadowCounters::NAMES);
            (start, published)
        });
        let held = booted.held.clone();
        let (commands, mut events) = (booted.commands.clone(), booted.events.clone());
        events.seek(events.committed())?;
        let directory = &config.logs().directory;
        let volatile = is_volatile(directory)
            .map_err(|source| NodeError::Examine { directory: directory.clone(), source })?;
        let behind = booted.durability == Durability::Memory && !volatile;
        let known = control.state();
        let refuses = booted.engine.refuses_orders();
        let (mut stages, access) = match config.service() {
            None => (wiring::wire_observer(booted), None),
            Some(service) => {
                let published = booted.counters.block("access", AccessCounters::NAMES);
                let access = AccessFile::open(&service.order_entry, published)?;
                (wiring::wire(service, booted, bench.as_ref(), &access)?, Some(access))
            }
        };
        let placement = config.placement();
        let mut placed_threads: Vec<_> = placement.threads.iter().collect();
        placed_threads.sort_by_key(|placed| placed.stages.iter().map(|&stage| stops(stage)).min());
        let mut threads = Vec::new();
        for placed in placed_threads {
            let composite = compose(&placed.stages, &mut stages);
            let name = composite.name();
            let (core, idle, stop) = (placed.core, placement.idle, StopFlag::default());
            match AgentThread::spawn(name, core, idle, stop.clone(), composite) {
                Ok(thread) => threads.push(Running { thread, stop }),
                Err(error) => {
                    // What the others say of their end is of no use to who lacks a thread.
                    let _ = stop_in_order(threads);
                    return Err(NodeError::Thread(error));
                }
            }
        }
        let mut node = Self {
            threads,
            control,
            access,
            disk: DiskGuard::new(config.logs(), stages.proposals, refuses),
            latency: stages.latency,
            observing: config.service().is_none().then(|| Observing::new(directory.clone())),
            background: None,
            shadow: None,
            retention: None,
            commands,
            events,
            ready: stages.ready,
            membership,
            marked_at: Instant::now(),
            volatile,
        };
        if behind && let Err(error) = node.follow_behind(config, &known, synced) {
            let _ = stop_in_order(std::mem::take(&mut node.threads));
            return Err(error);
        }
        if let config::Retention::Needed(kept) = config.retention() {
            let control = node.background.is_some().then(|| node.control.clone());
            match Retention::start(config, kept.clone(), held, control) {
                Ok(retention) => node.retention = Some(retention),
                Err(error) => {
                    let _ = stop_in_order(std::mem::take(&mut node.threads));
                    return Err(error);
                }
            }
        }
        if let Some((start, published)) = shadow {
            match Shadow::start(start, published) {
                Ok(shadow) => node.shadow = Some(shadow),
                Err(error) => {
                    let _ = stop_in_order(std::mem::take(&mut node.threads));
                    return Err(NodeError::Thread(error));
                }
            }
        }
        Ok(node)
    }

    /// Has the command log made durable in the background, from where it was `known` to be.
    fn follow_behind(
        &mut self,
        config: &Config,
        known: &Control,
        published: CounterBlock,
    ) -> Result<(), NodeError> {
        let durable =
            Watermark { position: known.durable, sequence: known.durable_sequence.max(1) };
        // As another process would open it: a stage never waits for a lock of a thread that gives way.
        let commands = Reader::open(&config.logs().commands())?;
        let log = BackgroundSync::new(commands, durable)?;
        let background =
            Background::start(log, self.control.clone(), published).map_err(NodeError::Thread)?;
        self.background = Some(background);
        Ok(())
    }

    /// Waits until the gateways serve and the feed is published: each has read the past and the start
    /// of this term. A node of a cluster is ready when it takes part; who leads serves. Returns `false` if the node was asked to stop before, or one of its stages failed.
    ///
    /// # Errors
    /// The event log's and the control file's.
    pub fn wait_ready(&mut self, stop: &StopFlag) -> Result<bool, NodeError> {
        while self.membership.is_none() && !self.ready.iter().all(ReadyFlag::is_set) {
            if stop.is_set() || self.has_failed() {
                return Ok(false);
            }
            thread::sleep(READY_POLL_INTERVAL);
        }
        self.note_days()?;
        Ok(true)
    }

    /// Waits until `stop` is set or one of the stages failed, and stops the others in order: first no
    /// command is sequenced any more, then those that were are applied, published and answered.
    ///
    /// # Errors
    /// What the first stage failed with.
    pub fn join(mut self, stop: &StopFlag) -> Result<(), NodeError> {
        let mut noted = Ok(());
        while noted.is_ok() && !stop.is_set() && !self.has_failed() {
            thread::sleep(STOP_POLL_INTERVAL);
            if let Some(access) = &mut self.access {
                access.look();
            }
            self.latency.look();
            if let Some(observing) = &mut self.observing {
                observing.look(&self.commands);
            }
            noted = self.note_days();
            self.look_at_disk();
            if let Some(Membership { requests, directory, .. }) = &self.membership {
                requests.look(directory);
            }
            if self.background.is_none() && self.membership.is_some() && noted.is_ok() {
                noted = self.mark_durable();
            }
        }
        if !self.has_failed() {
            self.hand_over();
        }
        let stopped = stop_in_order(std::mem::take(&mut self.threads));
        if let Some(retention) = self.retention.take() {
            retention.stop();
        }
        if let Some(shadow) = self.shadow.take() {
            shadow.stop();
        }
        let followed = self.background.take().map_or(Ok(()), Background::stop);
        if let Some(Membership { requests, directory, .. }) = &self.membership {
            // Who asked for what ended it waits for the answer.
            requests.look(directory);
        }
        stopped?;
        followed?;
        noted?;
        while self.events.position() < self.events.committed() {
            self.note_days()?;
        }
        let (durable, durable_sequence) = self.durable_end()?;
        self.control.update(|state| Control { clean: true, durable, durable_sequence, ..state })?;
        info!("stopped in order");
        Ok(())
    }

    /// Has what a full disk asks for done. Who has nobody to hand over to goes on.
    fn look_at_disk(&mut self) {
        let leads = self.membership.as_ref().is_none_or(|membership| membership.role.term() != 0);
        if self.disk.look(leads)
            && let Some(Membership { requests, .. }) = &self.membership
        {
            requests.put(Request::Transfer);
        }
    }

    /// A leader that stops lets another lead first, so that nobody waits for an election.
    fn hand_over(&self) {
        let Some(Membership { role, requests, .. }) = &self.membership else { return };
        if role.term() == 0 {
            return;
        }
        requests.put(Request::Transfer);
        let given_up = Instant::now() + HAND_OVER_MAX;
        while role.term() != 0 && Instant::now() < given_up {
            thread::sleep(READY_POLL_INTERVAL);
        }
    }

    /// Keeps the session of every day that started since in the control file, where no log can lose
    /// it. With the first, what may have been cut is mended: the day goes on under another session.
    fn note_days(&mut self) -> Result<(), NodeError> {
        for _ in 0..NOTED_FRAMES_MAX {
            let Some(frame) = self.events.next_frame()? else { break };
            for record in frame.records().map_while(Result::ok) {
                let day = match Event::parse(record.lines) {
                    Ok(Event::DayStarted(day)) => day,
                    Ok(Event::EntrySwitched(switched)) => {
                        self.disk.note(switched);
                        continue;
                    }
                    Ok(Event::StateConfirmed(confirmed)) => {
                        if let Some(observing) = &mut self.observing {
                            observing.note(confirmed);
                        }
                        continue;
                    }
                    _ => continue,
                };
                self.control.update(|state| {
                    let session = state.session.max(day.session);
                    Control { cut: false, session, ..state }
                })?;
            }
        }
        Ok(())
    }

    /// Writes down now and then how far the command log of a cluster is committed, where an append counts
    /// when the disk has it: what a node knows of that when its machine went down.
    fn mark_durable(&mut self) -> Result<(), NodeError> {
        if self.marked_at.elapsed() < MARK_INTERVAL {
            return Ok(());
        }
        self.marked_at = Instant::now();
        let (durable, durable_sequence) = self.durable_end()?;
        Ok(self.control.update(|state| Control { durable, durable_sequence, ..state })?)
    }

    /// Where the command log, which the sequencer made durable at its end, ends: position, and
    /// sequence of the next command. A log in memory is never durable.
    fn durable_end(&mut self) -> Result<(Position, u64), NodeError> {
        let end = self.commands.committed();
        if self.volatile || end == Position::FIRST {
            return Ok((Position::FIRST, 1));
        }
        let last = self.commands.frame_containing(Position(end.0 - LINE_BYTES as u64))?.header;
        Ok((end, last.first_sequence + u64::from(last.count)))
    }

    fn has_failed(&self) -> bool {
        self.background.as_ref().is_some_and(Background::has_failed)
            || self.threads.iter().any(|running| running.thread.is_finished())
    }
}

/// The stages of one thread. Order entry answers what the engine did: behind it, it has its turn again
/// before the feed and the operators have theirs.
fn compose(placed: &[Stage], stages: &mut Stages) -> Composite {
    let composite = Composite::new(placed.iter().map(|&stage| stages.take(stage)).collect());
    let place = |wanted| placed.iter().position(|&stage| stage == wanted);
    let Some(engine) = place(Stage::Engine) else { return composite };
    let shards = (0..placed.len()).filter(|&at| placed[at] == Stage::OrderEntry);
    shards.rev().fold(composite, |composite, shard| composite.revisiting(shard, engine))
}

/// Who cannot hand over in this time is alone.
const HAND_OVER_MAX: Duration = Duration::from_secs(1);
/// What is committed in this time is derived again when the machine went down.
const MARK_INTERVAL: Duration = Duration::from_secs(1);
const READY_POLL_INTERVAL: Duration = Duration::from_millis(1);
/// A stop may take a moment; the stages' cores are not to be disturbed by looking for it.
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Event frames that are looked through at a time, so that a stop is seen between. At an interval of
/// 5 ms some 800,000 a second: more than an engine writes.
const NOTED_FRAMES_MAX: usize = 4_096;

/// The place of a stage in the order of stopping.
const fn stops(stage: Stage) -> u8 {
    match stage {
        Stage::Sequencer => 0,
        Stage::Engine => 1,
        Stage::MarketData => 2,
        Stage::OrderEntry | Stage::OrderEntryTls | Stage::Admin => 3,
    }
}

/// Stops threads one after the other, and then says what the first of them failed with.
fn stop_in_order(threads: Vec<Running>) -> Result<(), NodeError> {
    let join = |running: Running| {
        running.stop.stop();
        running.thread.join()
    };
    let results: Vec<_> = threads.into_iter().map(join).collect();
    results.into_iter().collect::<Result<_, _>>().map_err(NodeError::stage)
}

/// A panic in any thread ends the process at once: a stage that is gone must not leave the others
/// answering for it.
fn abort_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            default(info);
            error!(%info, "panic: aborting");
            std::process::abort();
        }));
    });
}
