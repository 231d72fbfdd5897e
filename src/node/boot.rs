//! From files to a node that can lead: the logs recovered, the term taken, the engine where it was.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::{error, info, warn};
use zerocopy::FromZeros as _;

use super::cluster::ReplicaParts;
use super::durable::SharedControl;
use super::past::{Evidence, Past, judge, unsynced};
use super::progress::Progress;
use super::rehearsal::rehearse;
use super::restart::{Resumed, resume};
use super::retention::Held;
use super::venue::is_late;
use super::{NodeError, Start, books, known_limits};
use crate::config::{Config, secrets};
use crate::counters::{CounterFile, CounterSet as _};
use crate::engine::{
    Capacity, DAY_LENGTH_MAX, Day, EngineAgent, EngineCounters, EngineGauges, IndexSeed, OnClose,
};
use crate::event_store::{
    Control, ControlFile, Durability, Landmark, LogKind, Options, Reader, Recovered, Snapshots,
    StoreError, Writer, check_space, is_blank_log,
};
use crate::sys::file::{BootId, boot_id, is_volatile};
use crate::sys::log_memory::segment_path;
use crate::types::command::{Command, CommandHeader, DayEnd, DayStart, TermStart};
use crate::types::{
    ClusterKey, Date, LINE_BYTES, Line, Nanos, Position, Record, SessionId, Standing,
};

/// What the stages are made of.
pub(super) struct Booted {
    pub(super) order: Order,
    pub(super) engine: EngineAgent,
    /// A reader before the first command.
    pub(super) commands: Reader,
    /// A reader before the first event, to be cloned.
    pub(super) events: Reader,
    /// What a snapshot knows of the events before a place, so that nobody need read them.
    pub(super) standing: Option<Standing>,
    /// The ways to let go of what is old in either log.
    pub(super) held: Held,
    pub(super) durability: Durability,
    pub(super) cluster_key: ClusterKey,
    pub(super) counters: CounterFile,
}

/// What puts the commands in order.
pub(super) enum Order {
    /// This node, which is alone.
    Alone(Box<Alone>),
    /// The cluster.
    Replicated(Box<ReplicaParts>),
}

/// What a sequencer begins with.
pub(super) struct Alone {
    pub(super) log: Writer,
    /// The start of the term it leads.
    pub(super) start: TermStart,
    /// What the sequencer proposes behind it.
    pub(super) proposals: Vec<Line>,
    /// The day that begins with these, if one does.
    pub(super) day: Option<SessionId>,
}

/// How long every port may take to find this node, at least.
pub(super) const TERM_GRACE_MS: u32 = 10_000;

/// Opens everything and leads a new term. The term is on disk before anything can carry it.
pub(super) fn boot(
    config: &Config,
    start: Start,
    now: Nanos,
) -> Result<(Booted, SharedControl), NodeError> {
    let directory = &config.logs().directory;
    let durability = config.logs().durability;
    check_place(config)?;
    let mut control = ControlFile::open(&config.control().directory.join("control"))?;
    if control.state().is_some_and(|known| known.members_index > 0) {
        return Err(NodeError::ClusterGone { directory: directory.clone() });
    }
    let boot_id = boot_id().map_err(NodeError::BootId)?;
    let snapshots = Snapshots::new(&config.snapshots().directory);
    let (landmark, events_landmark) = landmarks(&snapshots)?.unzip();
    let (past, known, mut commands, recovered) =
        open_commands(config, &start, &control, boot_id, landmark)?;

    let term = known.term.max(recovered.chain.term) + 1;
    let is_empty = recovered.frames == 0;
    // Alone, what was appended is committed.
    commands.commit(recovered.chain.end);
    if !is_empty && !has_begun(&mut commands.reader())? {
        return Err(NodeError::MarketIncomplete { directory: directory.clone() });
    }
    let (mut session, mut day_begins) = (known.session, None);
    let seed = index_seed()?;
    let configured = config.capacity().tables().limits(config.logs().event_segment_bytes);
    let (limits, mut proposals) = match start.market {
        Some(_) if !is_empty => {
            return Err(NodeError::MarketNotWanted { directory: directory.clone() });
        }
        None if is_empty => return Err(NodeError::MarketWanted { directory: directory.clone() }),
        Some(market) => {
            let day = first_day(now, term, known.session);
            session = day.session;
            day_begins = Some(session);
            let first = [configured.lines(), market()?.as_slice(), day.lines()].concat();
            rehearse(&configured, seed, &first, now)?;
            (configured, first)
        }
        None => {
            let limits = known_limits(&commands.reader(), &snapshots)?;
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
    let (mut events, existing) = if is_late(&commands.reader()) {
        // Where they tell of commands that are gone they end with the commands that are not.
        let last_index = if past == Past::Whole { u64::MAX } else { recovered.chain.index };
        let segment_bytes = limits.event_segment_bytes;
        open_kept_events(config, segment_bytes, &snapshots, last_index, events_landmark)?
    } else {
        open_events(config, limits.event_segment_bytes, past, now, events_landmark)?
    };
    if durability == Durability::Disk {
        // The term says that what lies before it is on disk, whatever the last one was asked.
        commands.sync()?;
    }
    let node = config.node().id;
    let cut = past == Past::MaybeCut;
    let leading = Control { term, node, boot_id, clean: false, cut, durability, session, ..known };
    control.store(leading)?;

    // The logs are this process's now, so the counters are too.
    let path = config.logs().counters();
    let mut counters = CounterFile::create(&path, node, now)
        .map_err(|source| NodeError::Counters { path, source })?;
    let published =
        counters.block("engine", &[EngineCounters::NAMES, EngineGauges::NAMES].concat());

    // What the event log holds is compared before anybody is answered from it.
    events.commit(existing.chain.end);
    let venue = (&limits, seed);
    let mut resumed = resume(&snapshots, venue, commands.reader(), events.reader())?;
    if resumed.engine.next_command() == 1 && is_late(&events.reader()) {
        warn!("the event log begins late, and is derived again from the command log");
        drop((resumed, events));
        set_aside(&config.logs().events(), now)?;
        (events, _) = open_events(config, limits.event_segment_bytes, past, now, None)?;
        resumed = resume(&snapshots, venue, commands.reader(), events.reader())?;
    }
    let (reader, held) = (events.reader(), Held::new(&commands, &events));
    let Resumed { engine, commands: to_apply, events: existing } = resumed;
    let standing = engine.standing().filter(|standing| is_near(&events.reader(), standing));
    let mut progress = Progress::new("applying commands");
    let all = commands.committed();
    let (mut engine, replayed) =
        EngineAgent::recover(engine, to_apply, existing, events, published, &mut |done| {
            progress.at(done, all);
        })?;
    drop(progress);
    info!(?replayed, term, "recovered");
    if let (Past::MaybeCut, Some(day)) = (past, engine.engine().day()) {
        let (again, session) = day_again(day, known.session, now);
        warn!(from = %day.session, to = %session, "commits may be lost: the day goes on under another session");
        control.store(Control { session, ..leading })?;
        proposals = again;
        day_begins = Some(session);
    }
    if let Some(path) = start.books_out {
        engine = engine.on_close(books_to(path));
    }
    let start = TermStart {
        header: CommandHeader::internal::<TermStart>(now),
        term,
        node,
        term_grace_ms: TERM_GRACE_MS,
        ..TermStart::new_zeroed()
    };
    let booted = Booted {
        engine,
        commands: commands.reader(),
        events: reader,
        standing,
        held,
        durability,
        cluster_key,
        counters,
        order: Order::Alone(Box::new(Alone { log: commands, start, proposals, day: day_begins })),
    };
    Ok((booted, SharedControl::new(control)))
}

/// Writes the books to `path` when the engine stops.
pub(super) fn books_to(path: PathBuf) -> OnClose {
    Box::new(move |engine| {
        if let Err(error) = books::write(engine, &path) {
            error!(path = %path.display(), %error, "could not write the books");
        }
    })
}

/// Where the newest snapshot was taken in either log. A damaged one is named when it is to be restored.
pub(super) fn landmarks(snapshots: &Snapshots) -> Result<Option<(Landmark, Landmark)>, NodeError> {
    let newest = snapshots.newest_first()?.first().and_then(|path| Snapshots::mark(path).ok());
    Ok(newest.map(|mark| (Landmark::of(&mark.commands), mark.events)))
}

/// Refuses a place that cannot hold the logs as the configuration wants them.
pub(super) fn check_place(config: &Config) -> Result<(), NodeError> {
    let logs = config.logs();
    let existing = logs.directory.ancestors().find(|path| path.exists());
    let volatile = is_volatile(existing.unwrap_or(Path::new(".")))
        .map_err(|source| NodeError::Examine { directory: logs.directory.clone(), source })?;
    if volatile && logs.durability == Durability::Disk {
        return Err(NodeError::VolatileLogs { directory: logs.directory.clone() });
    }
    // Each log begins with two segments, of which a node that failed before may have left some.
    let sizes =
        [(logs.commands(), logs.command_segment_bytes), (logs.events(), logs.event_segment_bytes)];
    let lacking = |(directory, bytes): &(PathBuf, u64)| {
        let there = |number| segment_path(directory, number).exists();
        // One whose first segments are full has more than those.
        bytes * (0..2).filter(|&number| !there(number)).count() as u64
    };
    let need = sizes.iter().map(lacking).sum();
    Ok(check_space(&logs.directory, need)?)
}

/// Opens the command log and judges the past by what it holds.
fn open_commands(
    config: &Config,
    start: &Start,
    control: &ControlFile,
    boot_id: BootId,
    landmark: Option<Landmark>,
) -> Result<(Past, Control, Writer, Recovered), NodeError> {
    let known = control.state().copied();
    let evidence = |log_is_empty| Evidence {
        control: known.as_ref(),
        log_is_empty,
        rebooted: known.is_some_and(|known| known.boot_id != boot_id),
        new_incarnation: start.new_incarnation,
    };
    let judged = |is_empty| judge(evidence(is_empty)).map_err(|gone| NodeError::gone(gone, config));
    if is_blank_log(&config.logs().commands())? {
        // A log that was durable and is gone has a better name than a damaged one.
        judged(true)?;
    }
    let was = known.unwrap_or_default();
    let durable = if start.new_incarnation { Position::FIRST } else { was.durable };
    let incarnation = was.incarnation + u32::from(start.new_incarnation);
    let unsynced = unsynced(evidence(false));
    let segment_bytes = config.logs().command_segment_bytes;
    // Whoever begins anew has reason to doubt all of it.
    let landmark = landmark.filter(|_| !start.new_incarnation);
    let options = Options::new(LogKind::Commands, segment_bytes);
    let options = Options { durable, unsynced, landmark, ..options };
    let (writer, recovered) = open_log(config, options)?;
    let past = judged(recovered.frames == 0)?;
    let durable_sequence = if start.new_incarnation { 1 } else { was.durable_sequence };
    let control = Control { incarnation, durable, durable_sequence, ..was };
    Ok((past, control, writer, recovered))
}

/// Whether the log held the start of a day: the market lies before it, and is applied to its end.
fn has_begun(commands: &mut Reader) -> Result<bool, NodeError> {
    if is_late(commands) {
        // There was one before anything was retired.
        return Ok(true);
    }
    while let Some(frame) = commands.next_frame()? {
        let mut records = frame.records().map_while(Result::ok);
        if records.any(|record| matches!(Command::parse(record.lines), Ok(Command::DayStart(_)))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Opens the event log of a whole command log. A damaged one is set aside: it is derived, and is derived
/// again.
pub(super) fn open_events(
    config: &Config,
    segment_bytes: u64,
    past: Past,
    now: Nanos,
    landmark: Option<Landmark>,
) -> Result<(Writer, Recovered), NodeError> {
    if past != Past::Whole {
        // They may tell of commands that are gone.
        set_aside(&config.logs().events(), now)?;
    }
    let options = Options { landmark, ..Options::new(LogKind::Events, segment_bytes) };
    let open = || open_log(config, options);
    match open() {
        Err(NodeError::Store(
            error @ (StoreError::Damaged { .. } | StoreError::Beginning { .. }),
        )) => warn!(%error, "the event log is derived again from the command log"),
        opened => return opened,
    }
    set_aside(&config.logs().events(), now)?;
    open()
}

/// Opens the event log of a command log that begins late, which gives no more than what lies behind a
/// snapshot. So the event log must reach the oldest there is, up to which it was made durable before
/// anything was retired; from there on it is derived again where the machine went down with it.
pub(super) fn open_kept_events(
    config: &Config,
    segment_bytes: u64,
    snapshots: &Snapshots,
    last_index: u64,
    landmark: Option<Landmark>,
) -> Result<(Writer, Recovered), NodeError> {
    let marks = snapshots.newest_first()?.into_iter();
    let ends = marks.filter_map(|path| Snapshots::mark(&path).ok()).map(|mark| mark.events.end);
    let durable = ends.min().unwrap_or(Position::FIRST);
    let options = Options::new(LogKind::Events, segment_bytes);
    let options = Options { durable, unsynced: u64::MAX, last_index, landmark, ..options };
    open_log(config, options).map_err(|error| match error {
        NodeError::Store(why @ (StoreError::Damaged { .. } | StoreError::Beginning { .. })) => {
            NodeError::EventsGone { directory: config.logs().events(), why: why.to_string() }
        }
        error => error,
    })
}

/// Whether every message of a stream before `standing` can say how far before it the one before lies.
pub(super) fn is_near(events: &Reader, standing: &Standing) -> bool {
    let lines = (standing.position.0 - events.beginning().end.0) / LINE_BYTES as u64;
    u32::try_from(lines).is_ok()
}

/// Renames the directory of a log that holds anything to one that says when: it stays for whoever asks what it said.
pub(super) fn set_aside(directory: &Path, now: Nanos) -> Result<(), NodeError> {
    if is_blank_log(directory)? {
        return Ok(());
    }
    let aside = directory.with_extension(format!("aside-{}", now.0));
    warn!(from = %directory.display(), to = %aside.display(), "set aside");
    fs::rename(directory, &aside)
        .map_err(|source| NodeError::SetAside { directory: directory.to_owned(), source })
}

pub(super) fn open_log(
    config: &Config,
    options: Options,
) -> Result<(Writer, Recovered), NodeError> {
    let (logs, kind) = (config.logs(), options.kind);
    let directory = match kind {
        LogKind::Commands => logs.commands(),
        LogKind::Events => logs.events(),
    };
    let mut progress = Progress::new(format!("checking {kind}"));
    let (writer, recovered) =
        Writer::open_watched(&directory, options, &mut |done, all| progress.at(done, all))?;
    drop(progress);
    say_opened(kind, &recovered);
    Ok((writer, recovered))
}

/// Says what a log was found to be.
pub(super) fn say_opened(kind: LogKind, recovered: &Recovered) {
    match &recovered.torn {
        Some(torn) if torn.frames > 0 => {
            error!(log = %kind, ?torn, "cut whole frames that a power loss left behind a hole");
        }
        Some(torn) => warn!(log = %kind, ?torn, "cut what was left of a write that did not finish"),
        None => {}
    }
    info!(log = %kind, frames = recovered.frames, records = recovered.records, "opened");
}

/// The first day of an empty log: today, or the last day that was seen here if that is later. The
/// term, which no start repeats, is its generation at least as long as it has four digits, so that a
/// log that was lost before its last day was seen does not lend its session id to another.
pub(super) fn first_day(now: Nanos, term: u32, seen: SessionId) -> DayStart {
    let (date, behind) = Date::of(now).session_behind(seen);
    let generation = u16::try_from(term).ok().filter(|&term| term <= Date::GENERATION_MAX);
    let own = generation.map_or(behind, |generation| date.session(generation));
    day_start(date, now, behind.max(own))
}

/// Ends `day` and begins it again under a session id that nobody has `seen`.
pub(super) fn day_again(day: &Day, seen: SessionId, now: Nanos) -> (Vec<Line>, SessionId) {
    let header = CommandHeader::internal::<DayEnd>(now);
    let end = DayEnd { header, request: 0, reserved: [0; 32] };
    let (date, session) = Date::of(day.midnight).session_behind(day.session.max(seen));
    ([end.lines(), day_start(date, now, session).lines()].concat(), session)
}

/// The day of `date`, with its midnight as the zero of its timestamps: or, if that is still to come or
/// long over, which no engine would take, with today's.
fn day_start(date: Date, now: Nanos, session: SessionId) -> DayStart {
    let begun = now.0.checked_sub(date.midnight().0);
    let is_near = begun.is_some_and(|begun| begun < DAY_LENGTH_MAX.0);
    DayStart {
        header: CommandHeader::internal::<DayStart>(now),
        midnight: if is_near { date.midnight() } else { Date::of(now).midnight() },
        date: date.number(),
        session,
        ..DayStart::new_zeroed()
    }
}

pub(super) fn index_seed() -> Result<IndexSeed, NodeError> {
    let mut bytes = [0; IndexSeed::BYTES];
    secrets::random(&mut bytes)?;
    Ok(IndexSeed::new(bytes))
}
