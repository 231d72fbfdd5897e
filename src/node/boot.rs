//! From files to a node that can lead: the logs recovered, the term taken, the engine where it was.

use tracing::{info, warn};
use zerocopy::FromZeros as _;

use super::{NodeError, Start, books};
use crate::config::{Config, secrets};
use crate::engine::{Engine, EngineAgent};
use crate::event_store::{
    Control, ControlFile, Durability, LogKind, Options, Reader, Recovered, Writer, check_space,
};
use crate::types::command::{CommandHeader, DayStart};
use crate::types::{ClusterKey, Date, Line, Nanos, Position, Record};

/// What the stages are made of.
pub(super) struct Booted {
    pub(super) engine: EngineAgent,
    pub(super) commands: Writer,
    pub(super) durability: Durability,
    pub(super) term: u32,
    /// What the sequencer proposes behind the start of the term.
    pub(super) proposals: Vec<Line>,
    pub(super) cluster_key: ClusterKey,
}

/// Opens everything and leads a new term. The term is on disk before anything can carry it.
pub(super) fn boot(
    config: &Config,
    start: Start,
    now: Nanos,
) -> Result<(Booted, ControlFile), NodeError> {
    let (mut control, known) = open_control(config)?;
    let (mut commands, recovered) = open_log(config, LogKind::Commands, known.durable)?;
    let proposals = proposals(config, &recovered, &known, start.market, now)?;
    let (mut events, existing) = open_log(config, LogKind::Events, Position::FIRST)?;

    let term = known.term.max(recovered.chain.term) + 1;
    control.write(Control { term, ..known.started() })?;

    // Alone, what was appended is committed. What the event log holds is compared before anybody
    // is answered from it.
    commands.commit(recovered.chain.end);
    events.commit(existing.chain.end);
    let engine = Engine::new(config.capacity().engine(), config.logs().event_segment_bytes);
    let existing = events.reader();
    let (mut engine, replayed) = EngineAgent::recover(engine, commands.reader(), existing, events)?;
    info!(?replayed, term, "recovered");
    if recovered.frames > 0 && engine.engine().session().is_none() {
        return Err(NodeError::MarketIncomplete { directory: config.logs().directory.clone() });
    }
    if let Some(path) = start.books_out {
        engine = engine.on_close(Box::new(move |engine| books::write(engine, &path)));
    }
    let cluster_key = secrets::load_cluster_key(&config.control().cluster_key_file)?;
    let durability = config.logs().durability;
    Ok((Booted { engine, commands, durability, term, proposals, cluster_key }, control))
}

fn open_log(
    config: &Config,
    kind: LogKind,
    durable: Position,
) -> Result<(Writer, Recovered), NodeError> {
    let logs = config.logs();
    let (name, segment_bytes) = match kind {
        LogKind::Commands => (COMMANDS, logs.command_segment_bytes),
        LogKind::Events => (EVENTS, logs.event_segment_bytes),
    };
    let options = Options { durable, ..Options::new(kind, segment_bytes) };
    let (writer, recovered) = Writer::open(&logs.directory.join(name), options)?;
    if let Some(torn) = &recovered.torn {
        warn!(log = name, ?torn, "cut what was left of a write that did not finish");
    }
    info!(log = name, frames = recovered.frames, records = recovered.records, "opened");
    Ok((writer, recovered))
}

/// What is proposed on an empty log: the market, then its first day. On any other nothing is.
fn proposals(
    config: &Config,
    recovered: &Recovered,
    known: &Control,
    market: Option<Vec<Line>>,
    now: Nanos,
) -> Result<Vec<Line>, NodeError> {
    let directory = || config.logs().directory.clone();
    match market {
        Some(_) if recovered.frames > 0 => {
            Err(NodeError::MarketNotWanted { directory: directory() })
        }
        None if recovered.frames == 0 => Err(NodeError::MarketWanted { directory: directory() }),
        _ if recovered.frames == 0 && known.durable > Position::FIRST => {
            Err(NodeError::LogGone { directory: directory(), durable: known.durable })
        }
        None => Ok(Vec::new()),
        Some(mut lines) => {
            lines.extend_from_slice(day_start(now).lines());
            Ok(lines)
        }
    }
}

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
