//! From files to a node that can lead: the logs recovered, the term taken, the engine where it was.

use std::fs;
use std::path::Path;

use tracing::{error, info, warn};
use zerocopy::FromZeros as _;

use super::past::{Evidence, Past, judge};
use super::rehearsal::rehearse;
use super::{NodeError, Start, books};
use crate::config::{Config, secrets};
use crate::counters::{CounterFile, CounterSet as _};
use crate::engine::{Capacity, Day, Engine, EngineAgent, EngineCounters, EngineGauges, IndexSeed};
use crate::event_store::{
    Control, ControlFile, Durability, LogKind, Options, Reader, Recovered, StoreError, Writer,
};
use crate::sys::file::boot_id;
use crate::sys::log_memory::segment_path;
use crate::types::command::{Command, CommandHeader, DayEnd, DayStart, TermStart, VenueLimits};
use crate::types::{ClusterKey, Date, Line, Nanos, Position, Record, SessionId};

/// What the stages are made of.
pub(super) struct Booted {
    pub(super) engine: EngineAgent,
    pub(super) commands: Writer,
    /// A reader before the first event, to be cloned.
    pub(super) events: Reader,
    pub(super) durability: Durability,
    /// The start of the term it leads.
    pub(super) start: TermStart,
    /// What the sequencer proposes behind it.
    pub(super) proposals: Vec<Line>,
    pub(super) cluster_key: ClusterKey,
    pub(super) counters: CounterFile,
}

/// How long every port may take to find this node, at least.
const TERM_GRACE_MS: u32 = 10_000;

/// Opens everything and leads a new term. The term is on disk before anything can carry it.
pub(super) fn boot(
    config: &Config,
    start: Start,
    now: Nanos,
) -> Result<(Booted, ControlFile), NodeError> {
    let mut control = ControlFile::open(&config.control().directory.join("control"))?;
    let known = control.state().copied();
    let directory = &config.logs().directory;
    let boot_id = boot_id().map_err(NodeError::BootId)?;
    let past = judge(Evidence {
        control: known.as_ref(),
        log_is_empty: !segment_path(&config.logs().commands(), 0).exists(),
        rebooted: known.is_some_and(|known| known.boot_id != boot_id),
        durability: config.logs().durability,
        new_incarnation: start.new_incarnation,
    })
    .map_err(|gone| NodeError::gone(gone, config))?;
    let known = Control {
        durable: if start.new_incarnation {
            Position::FIRST
        } else {
            known.unwrap_or_default().durable
        },
        incarnation: known.unwrap_or_default().incarnation + u32::from(start.new_incarnation),
        ..known.unwrap_or_default()
    };

    let segment_bytes = config.logs().command_segment_bytes;
    let (mut commands, recovered) =
        open_log(config, LogKind::Commands, known.durable, segment_bytes)?;
    // Alone, what was appended is committed.
    commands.commit(recovered.chain.end);
    let term = known.term.max(recovered.chain.term) + 1;
    let is_empty = recovered.frames == 0;
    let seed = index_seed()?;
    let configured = config.capacity().tables().limits(config.logs().event_segment_bytes);
    let (limits, mut proposals) = match start.market {
        Some(_) if !is_empty => {
            return Err(NodeError::MarketNotWanted { directory: directory.clone() });
        }
        None if is_empty => return Err(NodeError::MarketWanted { directory: directory.clone() }),
        Some(market) => {
            let first =
                [configured.lines(), market()?.as_slice(), first_day(now, term).lines()].concat();
            rehearse(&configured, seed, &first, now)?;
            (configured, first)
        }
        None => {
            let limits = limits_of(&mut commands.reader())?;
            let limits = limits
                .ok_or_else(|| NodeError::MarketIncomplete { directory: directory.clone() })?;
            (limits, Vec::new())
        }
    };
    if !limits.says_the_same_as(&configured) {
        let (log, node) = (Capacity::from(&limits), Capacity::from(&configured));
        warn!(
            ?log,
            ?node,
            "the node's file differs from the limits the log began with, which hold"
        );
    }
    let cluster_key = secrets::load_cluster_key(&config.control().cluster_key_file)?;
    if past == Past::MaybeCut {
        // It may tell of commands that are gone.
        set_aside(&config.logs().events(), now)?;
    }
    let (mut events, existing) = open_events(config, limits.event_segment_bytes, now)?;
    let node = config.node().id;
    control.store(Control { term, node, boot_id, clean: false, ..known })?;

    // The logs are this process's now, so the counters are too.
    let path = config.logs().counters();
    let mut counters = CounterFile::create(&path, node, now)
        .map_err(|source| NodeError::Counters { path, source })?;
    let published =
        counters.block("engine", &[EngineCounters::NAMES, EngineGauges::NAMES].concat());

    // What the event log holds is compared before anybody is answered from it.
    events.commit(existing.chain.end);
    let engine = Engine::new(&limits, seed);
    let reader = events.reader();
    let (mut engine, replayed) =
        EngineAgent::recover(engine, commands.reader(), reader.clone(), events, published)?;
    info!(?replayed, term, "recovered");
    if !is_empty && engine.engine().feed_sequence() == 0 {
        return Err(NodeError::MarketIncomplete { directory: directory.clone() });
    }
    if let (Past::MaybeCut, Some(day)) = (past, engine.engine().day()) {
        warn!(session = %day.session, "commits may be lost: the day goes on under another session");
        proposals = day_again(day, now);
    }
    if let Some(path) = start.books_out {
        engine = engine.on_close(Box::new(move |engine| {
            if let Err(error) = books::write(engine, &path) {
                error!(path = %path.display(), %error, "could not write the books");
            }
        }));
    }
    let durability = config.logs().durability;
    let events = reader;
    let start = TermStart {
        header: CommandHeader::internal::<TermStart>(now),
        term,
        node,
        term_grace_ms: TERM_GRACE_MS,
        ..TermStart::new_zeroed()
    };
    let booted =
        Booted { engine, commands, events, durability, start, proposals, cluster_key, counters };
    Ok((booted, control))
}

/// Opens the event log. A damaged one is set aside: it is derived, and is derived again.
fn open_events(
    config: &Config,
    segment_bytes: u64,
    now: Nanos,
) -> Result<(Writer, Recovered), NodeError> {
    match open_log(config, LogKind::Events, Position::FIRST, segment_bytes) {
        Err(NodeError::Store(error @ StoreError::Damaged { .. })) => {
            warn!(%error, "the event log is derived again from the command log");
            set_aside(&config.logs().events(), now)?;
            open_log(config, LogKind::Events, Position::FIRST, segment_bytes)
        }
        opened => opened,
    }
}

/// Renames a directory, if it is there, to one that says when: it stays for whoever asks what it said.
fn set_aside(directory: &Path, now: Nanos) -> Result<(), NodeError> {
    if !directory.exists() {
        return Ok(());
    }
    let aside = directory.with_extension(format!("aside-{}", now.second()));
    warn!(from = %directory.display(), to = %aside.display(), "set aside");
    fs::rename(directory, &aside)
        .map_err(|source| NodeError::SetAside { directory: directory.to_owned(), source })
}

fn open_log(
    config: &Config,
    kind: LogKind,
    durable: Position,
    segment_bytes: u64,
) -> Result<(Writer, Recovered), NodeError> {
    let logs = config.logs();
    let directory = match kind {
        LogKind::Commands => logs.commands(),
        LogKind::Events => logs.events(),
    };
    let options = Options { durable, ..Options::new(kind, segment_bytes) };
    let (writer, recovered) = Writer::open(&directory, options)?;
    if let Some(torn) = &recovered.torn {
        warn!(log = %kind, ?torn, "cut what was left of a write that did not finish");
    }
    info!(log = %kind, frames = recovered.frames, records = recovered.records, "opened");
    Ok((writer, recovered))
}

/// The first day of an empty log: today. The term, which no start repeats, is its generation, so that
/// a log that was lost never lends its session id to another.
fn first_day(now: Nanos, term: u32) -> DayStart {
    let generation = u16::try_from(term % 10_000).expect("below 10,000");
    day_start(Date::of(now), now, Date::of(now).session(generation))
}

/// Ends `day` and begins it again under its next session id.
fn day_again(day: &Day, now: Nanos) -> Vec<Line> {
    let header = CommandHeader::internal::<DayEnd>(now);
    let end = DayEnd { header, request: 0, reserved: [0; 32] };
    let date = Date::of(day.midnight);
    let generation = date.generation_after(day.session);
    [end.lines(), day_start(date, now, date.session(generation)).lines()].concat()
}

fn day_start(date: Date, now: Nanos, session: SessionId) -> DayStart {
    DayStart {
        header: CommandHeader::internal::<DayStart>(now),
        midnight: date.midnight(),
        date: date.number(),
        session,
        ..DayStart::new_zeroed()
    }
}

/// The limits with which a log begins. `None` if it ends before it says them.
///
/// They stand behind the start of the first term, which a node may have begun more than once.
fn limits_of(commands: &mut Reader) -> Result<Option<VenueLimits>, NodeError> {
    for _ in 0..LIMITS_FRAMES_MAX {
        let Some(frame) = commands.next_frame()? else { break };
        let mut records = frame.records().map_while(Result::ok);
        let found = records.find_map(|record| match Command::parse(record.lines) {
            Ok(Command::VenueLimits(limits)) => Some(*limits),
            _ => None,
        });
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Frames in which the limits are looked for.
const LIMITS_FRAMES_MAX: usize = 16;

fn index_seed() -> Result<IndexSeed, NodeError> {
    let mut bytes = [0; IndexSeed::BYTES];
    secrets::random(&mut bytes)?;
    Ok(IndexSeed::new(bytes))
}
