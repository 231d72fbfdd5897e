//! From files to a node that can lead: the logs recovered, the term taken, the engine where it was.

use tracing::{error, info, warn};
use zerocopy::FromZeros as _;

use super::{NodeError, Start, books};
use crate::config::{self, Config, secrets};
use crate::counters::{CounterFile, CounterSet as _};
use crate::engine::{Capacity, Engine, EngineAgent, EngineCounters, EngineGauges};
use crate::event_store::{
    Control, ControlFile, Durability, LogKind, Options, Reader, Recovered, Writer,
};
use crate::sys::file::boot_id;
use crate::types::command::{CommandHeader, DayStart};
use crate::types::{ClusterKey, Date, Line, Nanos, Position, Record};

/// What the stages are made of.
pub(super) struct Booted {
    pub(super) engine: EngineAgent,
    pub(super) commands: Writer,
    /// A reader before the first event, to be cloned.
    pub(super) events: Reader,
    pub(super) durability: Durability,
    pub(super) term: u32,
    /// What the sequencer proposes behind the start of the term.
    pub(super) proposals: Vec<Line>,
    pub(super) cluster_key: ClusterKey,
    pub(super) counters: CounterFile,
}

/// Opens everything and leads a new term. The term is on disk before anything can carry it.
pub(super) fn boot(
    config: &Config,
    start: Start,
    now: Nanos,
) -> Result<(Booted, ControlFile), NodeError> {
    let mut control = ControlFile::open(&config.control().directory.join("control"))?;
    let known = control.state().copied().unwrap_or_default();
    let directory = &config.logs().directory;

    let (mut commands, recovered) = open_log(config, LogKind::Commands, known.durable)?;
    let is_empty = recovered.frames == 0;
    let proposals = match start.market {
        Some(_) if !is_empty => {
            return Err(NodeError::MarketNotWanted { directory: directory.clone() });
        }
        None if is_empty => return Err(NodeError::MarketWanted { directory: directory.clone() }),
        Some(market) => [market()?.as_slice(), day_start(now).lines()].concat(),
        None => Vec::new(),
    };
    let cluster_key = secrets::load_cluster_key(&config.control().cluster_key_file)?;
    let (mut events, existing) = open_log(config, LogKind::Events, Position::FIRST)?;

    let term = known.term.max(recovered.chain.term) + 1;
    let node = config.node().id;
    let boot_id = boot_id().map_err(NodeError::BootId)?;
    control.store(Control { term, node, boot_id, clean: false, ..known })?;

    // The logs are this process's now, so the counters are too.
    let path = config.logs().counters();
    let mut counters = CounterFile::create(&path, node, now)
        .map_err(|source| NodeError::Counters { path, source })?;
    let published =
        counters.block("engine", &[EngineCounters::NAMES, EngineGauges::NAMES].concat());

    // Alone, what was appended is committed. What the event log holds is compared before anybody
    // is answered from it.
    commands.commit(recovered.chain.end);
    events.commit(existing.chain.end);
    let engine = Engine::new(capacity(config), config.logs().event_segment_bytes);
    let reader = events.reader();
    let (mut engine, replayed) =
        EngineAgent::recover(engine, commands.reader(), reader.clone(), events, published)?;
    info!(?replayed, term, "recovered");
    if !is_empty && engine.engine().feed_sequence() == 0 {
        return Err(NodeError::MarketIncomplete { directory: directory.clone() });
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
    let booted =
        Booted { engine, commands, events, durability, term, proposals, cluster_key, counters };
    Ok((booted, control))
}

fn open_log(
    config: &Config,
    kind: LogKind,
    durable: Position,
) -> Result<(Writer, Recovered), NodeError> {
    let logs = config.logs();
    let (directory, segment_bytes) = match kind {
        LogKind::Commands => (logs.commands(), logs.command_segment_bytes),
        LogKind::Events => (logs.events(), logs.event_segment_bytes),
    };
    let options = Options { durable, ..Options::new(kind, segment_bytes) };
    let (writer, recovered) = Writer::open(&directory, options)?;
    if let Some(torn) = &recovered.torn {
        warn!(log = %kind, ?torn, "cut what was left of a write that did not finish");
    }
    info!(log = %kind, frames = recovered.frames, records = recovered.records, "opened");
    Ok((writer, recovered))
}

/// The first day of an empty log: today.
fn day_start(now: Nanos) -> DayStart {
    let today = Date::of(now);
    DayStart {
        header: CommandHeader::internal::<DayStart>(now),
        midnight: today.midnight(),
        date: today.number(),
        session: today.session(1),
        ..DayStart::new_zeroed()
    }
}

/// The engine's tables, from the four numbers that an operator thinks in.
///
/// An account has balances in a handful of currencies and instruments, not in all: 64 on average, and
/// a small venue's accounts all that there are.
fn capacity(config: &Config) -> Capacity {
    let &config::Capacity { orders, ports, accounts, instruments } = config.capacity();
    let instruments = u16::try_from(instruments).unwrap_or(u16::MAX);
    let assets = u32::from(instruments) + CURRENCIES;
    let balances = accounts.saturating_mul(assets.min(64)).max(assets.saturating_mul(64));
    Capacity { orders, balances, ports, accounts, instruments, ..Capacity::default() }
}

const CURRENCIES: u32 = 64;
