//! From files to a node that follows: the logs recovered, its life chosen, the engine where the committed
//! commands end.

use std::{fs, io};

use tracing::{info, warn};

use super::identity::{Evidence, Life, life};
use super::images::NodeImages;
use super::installing::{install, remove_taken};
use super::{ConsensusNode, KeptControl, ReplicaParts, Requests, Role, link};
use crate::agent::real_time;
use crate::config::{self, Config, Failover, secrets};
use crate::consensus::{
    self, CommandLog, FrameLog as _, Members, Moment, NodeId, STAGING_BYTES_MAX, Settings, Timing,
};
use crate::counters::{CounterFile, CounterSet as _};
use crate::engine::{EngineAgent, EngineCounters, EngineGauges, IndexSeed, VERSION_MAX};
use crate::event_store::{
    Control, ControlFile, Durability, Landmark, LogKind, MEMBERS_MAX, MemberRecord, Options,
    SnapshotMark, Snapshots, StoreError, Writer, is_blank_log,
};
use crate::node::boot::{
    Booted, Order, TERM_GRACE_MS, books_to, check_place, day_again, first_day, index_seed, is_near,
    landmarks, open_events, open_kept_events, open_log, say_opened, set_aside,
};
use crate::node::durable::SharedControl;
use crate::node::past::Past;
use crate::node::progress::Progress;
use crate::node::rehearsal::rehearse;
use crate::node::restart::{Resumed, resume};
use crate::node::retention::Held;
use crate::node::venue::is_late;
use crate::node::{NodeError, Start, known_limits};
use crate::sys::file::boot_id;
use crate::sys::log_positions::POSITIONS_FILE;
use crate::types::command::VenueLimits;
use crate::types::{ClusterKey, Line, Nanos, Position, Record as _, Standing};

/// Opens everything. Nothing is said to anybody yet, and nothing promised.
pub(in crate::node) fn boot(
    config: &Config,
    cluster: &config::Cluster,
    start: Start,
    now: Nanos,
) -> Result<(Booted, SharedControl), NodeError> {
    let logs = config.logs();
    check_place(config)?;
    let image = install(config)?;
    let mut file = ControlFile::open(&config.control().directory.join("control"))?;
    let known = file.state().copied();
    let boot_id = boot_id().map_err(NodeError::BootId)?;
    let rebooted = known.is_some_and(|known| known.boot_id != boot_id);
    let log_is_empty = is_blank_log(&logs.commands())?;
    if !log_is_empty {
        check_past(config, known.as_ref(), &start)?;
    }
    let evidence = Evidence {
        control: known.as_ref(),
        log_is_empty,
        rebooted,
        new_incarnation: start.new_incarnation,
        now,
    };
    let life = life(evidence).map_err(|gone| NodeError::gone(gone, config))?;
    let mut was = known.unwrap_or_default();
    if let Some(image) = image.filter(|image| image.members_index > was.members_index) {
        (was.members, was.members_index) = (image.members.to_records(), image.members_index);
    }
    let snapshots = Snapshots::new(&config.snapshots().directory);
    let (landmark, events_landmark) = landmarks(&snapshots)?.unzip();
    // Whoever begins anew has reason to doubt all of it.
    let landmark = landmark.filter(|_| !start.new_incarnation);
    let commands = open_commands(config, &was, &start, (rebooted, landmark))?;
    let commands = committed_as_snapshots_know(commands, &snapshots)?;

    let id = NodeId { host: config.node().id, incarnation: life.incarnation() };
    let seed = index_seed()?;
    let configured = config.capacity().tables().limits(logs.event_segment_bytes);
    let founds = start.market.is_some();
    let (market, session) = match start.market {
        None => (Vec::new(), was.session),
        Some(market) => {
            let day = first_day(now, was.term + 1, was.session);
            let first = [configured.lines(), market()?.as_slice(), day.lines()].concat();
            rehearse(&configured, seed, &first, now)?;
            (first, day.session)
        }
    };
    let cluster_key = secrets::load_cluster_key(&config.control().cluster_key_file)?;
    let (vote, members) = members_of(life, founds, id, (&mut was, &commands));
    let limits = known_limits(&commands.reader(), &snapshots)?.unwrap_or(configured);
    let (durable, durable_sequence) = match was.durable {
        // What a life before knew of commits, this one may not.
        durable if durable <= commands.reader().committed() => (durable, was.durable_sequence),
        _ => (Position::FIRST, 1),
    };
    let may_lack = rebooted || matches!(life, Life::Begins(_));
    let events = if is_late(&commands.reader()) {
        open_late_events(config, (&limits, &commands, &snapshots), may_lack, events_landmark)?
    } else {
        open_derived(config, &limits, &commands, (may_lack, events_landmark), now)?
    };
    file.store(Control {
        vote,
        members,
        members_index: if founds { 0 } else { was.members_index },
        node: id.host,
        incarnation: id.incarnation,
        boot_id,
        durable,
        durable_sequence,
        clean: false,
        cut: was.cut,
        durability: logs.durability,
        session,
        ..was
    })?;
    let members = Members::from_records(&members);
    info!(%id, ?life, ?members, "takes part");
    name_missing(&members, cluster);
    remove_taken(config)?;

    // The logs are this process's now, so the counters are too.
    let path = logs.counters();
    let mut counters = CounterFile::create(&path, id.host, now)
        .map_err(|source| NodeError::Counters { path, source })?;
    let held = Held::new(commands.writer(), &events);
    let reader = events.reader();
    let venue = (&limits, seed);
    let (mut engine, standing) = recover(&commands, events, venue, &snapshots, &mut counters)?;
    if let Some(path) = start.books_out {
        engine = engine.on_close(books_to(path));
    }
    let again = day_that_goes_on(&was, &engine, now);
    let control = SharedControl::new(file);
    let commands_reader = commands.reader();
    let link = match start.link {
        Some(link) => link,
        None => link::open(config, cluster)?,
    };
    let settings = settings(config, cluster, id, cluster_key.clone());
    let moment = Moment { monotonic: real_time(), wall: now };
    let readers = (commands_reader.clone(), reader.clone());
    let images = NodeImages::new(&logs.directory, snapshots, readers, control.clone());
    let kept = KeptControl::new(control.clone());
    let node = ConsensusNode::new(settings, commands, Box::new(images), kept, moment)?;
    let booted = Booted {
        order: Order::Replicated(Box::new(ReplicaParts {
            node,
            link,
            role: Role::default(),
            requests: Requests::default(),
            market,
            again,
            quorum: cluster.quorum(),
            stall_max: stall_max(cluster),
            grace_ms: TERM_GRACE_MS,
        })),
        engine,
        commands: commands_reader,
        events: reader,
        standing,
        held,
        durability: logs.durability,
        cluster_key,
        counters,
    };
    Ok((booted, control))
}

/// Whether a log that holds something is of a node of a cluster, which is founded but once.
fn check_past(config: &Config, known: Option<&Control>, start: &Start) -> Result<(), NodeError> {
    let directory = || config.logs().directory.clone();
    if known.is_some_and(|known| known.incarnation == 0) {
        return Err(NodeError::WasAlone { directory: directory() });
    }
    if start.market.is_some() {
        return Err(NodeError::MarketNotWanted { directory: directory() });
    }
    Ok(())
}

/// For whom the node has voted, and who is a member, as far as it knows.
fn members_of(
    life: Life,
    founds: bool,
    id: NodeId,
    (was, commands): (&mut Control, &CommandLog),
) -> (u64, [MemberRecord; MEMBERS_MAX]) {
    match life {
        Life::Goes(_) => (was.vote, was.members),
        // The founder alone is a member by its own word; others learn who is.
        Life::Begins(_) if founds => {
            (0, Members { voters: vec![id], ..Members::default() }.to_records())
        }
        Life::Begins(_) if commands.base().0 == 0 => {
            // It reads in the log who is one.
            was.members_index = 0;
            (0, Members::default().to_records())
        }
        Life::Begins(_) => {
            was.members_index = was.members_index.min(commands.chain().index);
            (0, was.members)
        }
    }
}

/// The transport of a node that its file does not know reaches nobody there.
fn name_missing(members: &Members, cluster: &config::Cluster) {
    for host in members.all().map(|member| member.host) {
        if cluster.peers.iter().all(|peer| peer.host != host) {
            warn!(host, "is a member, and not in this node's [cluster] section: put it there");
        }
    }
}

/// What ends the open day and begins it again under another session, where commits may be lost.
fn day_that_goes_on(was: &Control, engine: &EngineAgent, now: Nanos) -> Vec<Line> {
    let Some(day) = engine.engine().day().filter(|_| was.cut) else { return Vec::new() };
    let (again, session) = day_again(day, was.session, now);
    warn!(from = %day.session, to = %session, "commits may be lost: the day goes on under another session");
    again
}

/// Opens the event log of a command log that begins late.
fn open_late_events(
    config: &Config,
    (limits, commands, snapshots): (&VenueLimits, &CommandLog, &Snapshots),
    may_lack: bool,
    landmark: Option<Landmark>,
) -> Result<Writer, NodeError> {
    let last_index = if may_lack { commands.committed() } else { u64::MAX };
    let bytes = limits.event_segment_bytes;
    let mut events = open_kept_events(config, bytes, snapshots, last_index, landmark)?.0;
    events.commit(events.chain().end);
    Ok(events)
}

/// Opens the command log, with as much of it committed as is known here.
fn open_commands(
    config: &Config,
    was: &Control,
    start: &Start,
    (rebooted, landmark): (bool, Option<Landmark>),
) -> Result<CommandLog, NodeError> {
    let logs = config.logs();
    let durable = if start.new_incarnation { Position::FIRST } else { was.durable };
    let unsynced = if start.new_incarnation {
        u64::MAX
    } else if !rebooted || was.clean {
        0
    } else {
        match was.durability {
            Durability::Memory => u64::MAX,
            Durability::Disk => consensus::UNSYNCED_BYTES_MAX,
        }
    };
    if start.new_incarnation {
        // What an earlier life knew to be committed, and may be gone.
        let positions = logs.commands().join(POSITIONS_FILE);
        match fs::remove_file(&positions) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(NodeError::SetAside { directory: positions, source });
            }
            _ => {}
        }
    }
    let kind = LogKind::Commands;
    let options = Options::new(kind, logs.command_segment_bytes);
    let options = Options { durable, unsynced, landmark, ..options };
    let mut progress = Progress::new(format!("checking {kind}"));
    let (mut log, recovered) =
        CommandLog::open(&logs.commands(), options, logs.durability, &mut |done, all| {
            progress.at(done, all);
        })?;
    drop(progress);
    say_opened(kind, &recovered);
    // Nothing was ever written down as durable that was not committed.
    log.commit_below(durable);
    Ok(log)
}

/// What is in a snapshot of this log was committed, whatever else is known.
fn committed_as_snapshots_know(
    mut commands: CommandLog,
    snapshots: &Snapshots,
) -> Result<CommandLog, NodeError> {
    for path in snapshots.newest_first()? {
        let Ok(SnapshotMark { commands: end, .. }) = Snapshots::mark(&path) else { continue };
        if commands.chain_at(end.index) == Some(end) {
            commands.commit_below(end.end);
            break;
        }
    }
    Ok(commands)
}

/// Opens the event log. Where commands may be gone, or are no longer known to be committed, it is cut behind
/// those that are.
fn open_derived(
    config: &Config,
    limits: &VenueLimits,
    commands: &CommandLog,
    (may_lack, landmark): (bool, Option<Landmark>),
    now: Nanos,
) -> Result<Writer, NodeError> {
    let bytes = limits.event_segment_bytes;
    let committed = commands.committed();
    let mut events = if committed == 0 {
        open_events(config, bytes, Past::None, now, None)?.0
    } else if may_lack {
        let options = Options::new(LogKind::Events, bytes);
        let options = Options { unsynced: u64::MAX, last_index: committed, ..options };
        match open_log(config, options) {
            Err(NodeError::Store(
                error @ (StoreError::Damaged { .. } | StoreError::Beginning { .. }),
            )) => {
                warn!(%error, "the event log is derived again from the command log");
                set_aside(&config.logs().events(), now)?;
                open_log(config, Options::new(LogKind::Events, bytes))?.0
            }
            opened => opened?.0,
        }
    } else {
        open_events(config, bytes, Past::Whole, now, landmark)?.0
    };
    // What it holds is compared before anybody is answered from it.
    events.commit(events.chain().end);
    Ok(events)
}

/// The engine behind the last command that is known to be committed.
fn recover(
    commands: &CommandLog,
    events: Writer,
    venue: (&VenueLimits, IndexSeed),
    snapshots: &Snapshots,
    counters: &mut CounterFile,
) -> Result<(EngineAgent, Option<Standing>), NodeError> {
    let published =
        counters.block("engine", &[EngineCounters::NAMES, EngineGauges::NAMES].concat());
    let resumed = resume(snapshots, venue, commands.reader(), events.reader())?;
    let Resumed { engine, commands: to_apply, events: existing } = resumed;
    let standing = engine.standing().filter(|standing| is_near(&existing, standing));
    let mut progress = Progress::new("applying commands");
    let all = commands.writer().committed();
    let (engine, replayed) =
        EngineAgent::recover(engine, to_apply, existing, events, published, &mut |done| {
            progress.at(done, all);
        })?;
    drop(progress);
    info!(?replayed, "recovered");
    Ok((engine, standing))
}

fn settings(config: &Config, cluster: &config::Cluster, id: NodeId, key: ClusterKey) -> Settings {
    Settings {
        cluster: cluster.number,
        key,
        id,
        voters: cluster.hosts(true),
        learners: cluster.hosts(false),
        payload: link::payload_mode(&cluster.transport),
        durability: config.logs().durability,
        campaigns: cluster.failover == Failover::Automatic,
        observes: config.service().is_none(),
        timing: Timing {
            tick: cluster.tick,
            heartbeat_ticks: cluster.heartbeat_ticks,
            election_ticks: cluster.election_ticks,
            ..Timing::default()
        },
        staging_bytes_max: STAGING_BYTES_MAX,
        supports: VERSION_MAX,
        seed: id.raft(),
    }
}

/// Nobody else leads before an election, and with one that operators call only they know.
fn stall_max(cluster: &config::Cluster) -> Nanos {
    match cluster.failover {
        Failover::Automatic => Nanos(cluster.tick.0 * cluster.election_ticks as u64),
        Failover::Manual => Nanos::MAX,
    }
}
