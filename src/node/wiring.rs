//! The pipeline as a graph: every stage with the rings and readers it is given.

use tracing::warn;

use super::access::AccessFile;
use super::boot::{Alone, Booted, Order};
use super::cluster::{Replica, ReplicaCounters, Role};
use super::fronts::{Front, led, order_entry, order_entry_tls, shard_name};
use super::latency::Latency;
use super::{Bench, NodeError};
use crate::agent::{self, Agent, ReadyFlag, Tracer};
use crate::config::{Admin, Service, Stage};
use crate::counters::{CounterFile, CounterSet as _};
use crate::event_store::Durability;
use crate::gateway::{GatewayConfig, GatewayCounters, Traces};
use crate::market_data::{FeedCounters, MarketData, MarketDataConfig};
use crate::net::{DATAGRAM_LINES_MAX, KernelConfig, KernelCounters, KernelTransport};
use crate::ring::{Consumer, Producer, ring};
use crate::sequencer::{Sequencer, SequencerCounters};
use crate::types::{Nanos, PortKind, RECORD_LINES_MAX, SessionId};

/// Lines of a gateway's command ring: at least 4,096 orders on their way to the sequencer.
const COMMAND_RING_LINES: usize = 16 * 1024;
/// Lines of the ring that takes the feed's datagrams to the device: 1 MiB.
const DATAGRAM_RING_LINES: usize = 16 * 1024;
/// Lines of the ring that takes the times of orders that were followed to where they are counted.
const TRACE_RING_LINES: usize = 1_024;
/// Lines of the ring that takes state hashes to the sequencer: one in 65,536 commands.
const HASH_RING_LINES: usize = 16;
/// Lines of the ring that takes what the node itself proposes: a switch, now and then.
const PROPOSAL_RING_LINES: usize = 16;
/// How often operators are looked after: a look is a system call, which orders on the same core would
/// have to wait for in every duty cycle.
const OPERATORS_LOOK_INTERVAL: Nanos = Nanos::from_micros(100);
/// Operators at a time.
const OPERATORS_MAX: usize = 16;
/// The numbers of the operators' gateway and of that which speaks TLS among all; those of order entry are
/// numbered from 0.
const ADMIN_SHARD: u8 = u8::MAX;
const TLS_SHARD: u8 = u8::MAX - 1;

/// The stages of a node, each to be taken once by its thread.
pub(super) struct Stages {
    agents: Vec<(Stage, Box<dyn Agent>)>,
    /// Of every stage that reads the past before it serves.
    pub(super) ready: Vec<ReadyFlag>,
    pub(super) latency: Latency,
    /// Where the node itself proposes commands.
    pub(super) proposals: Producer,
}

impl Stages {
    /// The agent of `stage`; of several the first that is left.
    ///
    /// # Panics
    /// If none is left: a placement names each stage as often as there are of it.
    pub(super) fn take(&mut self, stage: Stage) -> Box<dyn Agent> {
        let place = self.agents.iter().position(|(placed, _)| *placed == stage);
        self.agents.remove(place.expect("a placement names each stage there is")).1
    }
}

/// Makes every stage:
///
/// ```text
/// order_entry --ring--> sequencer --command log--> engine --event log--> order_entry, admin,
/// admin -------ring-------^                                              market_data
/// engine ------ring (state hashes)--> sequencer <--ring-- the node
/// market_data --ring (datagrams)--> order_entry, which owns the device
/// ```
///
/// Of several shards of order entry each has a ring of its own and reads the event log for itself, so
/// each knows of every session; the first sends the feed, and its orders are those that are followed. The
/// gateway that speaks TLS is one more.
///
/// In a cluster the replica stands in the sequencer's place, and the engine sees what is committed.
pub(super) fn wire(
    service: &Service,
    booted: Booted,
    bench: Option<&Bench>,
    access: &AccessFile,
) -> Result<Stages, NodeError> {
    let entry = &service.order_entry;
    let shards = entry.shards;
    let (orders_in, mut inputs): (Vec<_>, Vec<_>) =
        (0..shards).map(|_| ring(COMMAND_RING_LINES, RECORD_LINES_MAX)).unzip();
    let tls = entry.tls.as_ref();
    let (tls_in, tls_orders): (Option<_>, Option<_>) =
        tls.map(|_| ring(COMMAND_RING_LINES, RECORD_LINES_MAX)).unzip();
    inputs.extend(tls_orders);
    let (operators_in, operators) = ring(COMMAND_RING_LINES, RECORD_LINES_MAX);
    let (hashes_in, hashes) = ring(HASH_RING_LINES, RECORD_LINES_MAX);
    let (datagrams_in, datagrams) = ring(DATAGRAM_RING_LINES, DATAGRAM_LINES_MAX);
    let Booted { order, engine, events, standing, durability, cluster_key, mut counters, .. } =
        booted;
    let (proposals, proposed) = ring(PROPOSAL_RING_LINES, RECORD_LINES_MAX);
    inputs.extend([operators, proposed]);
    let tracer = Tracer::new();
    let Ordering { agent: sequencer, term, day, role } =
        ordering(order, durability, (inputs, hashes), &tracer, &mut counters);

    let (admin_ready, feed_ready) = (ReadyFlag::default(), ReadyFlag::default());
    let mut ready = vec![admin_ready.clone(), feed_ready.clone()];
    let gateway = |serves, shard, ready: &ReadyFlag| GatewayConfig {
        serves,
        shard,
        term,
        day,
        cluster_key: cluster_key.clone(),
        // Operators are few and trusted, and send a whole market at once.
        messages_per_second_max: (serves == PortKind::OrderEntry)
            .then_some(entry.messages_per_second_max),
        networks: (serves == PortKind::OrderEntry).then(|| access.ports()),
        traces: None,
        ufo_sessions_max: match entry.ufo_port {
            Some(_) if shard < shards => entry.connections_max,
            _ => 0,
        },
        ready: ready.clone(),
    };
    let rate = engine.engine().order_manager().message_rate_max();
    if let Some(rate) = rate.filter(|&rate| rate >= entry.messages_per_second_max) {
        let read_max = entry.messages_per_second_max;
        warn!(
            rate,
            read_max, "a port may send more than its gateway reads, and is not told of its limit"
        );
    }
    let standing = standing.as_ref();
    let shard_names: Vec<_> = (0..shards).map(|shard| shard_name(entry, shard)).collect();
    let (times_in, times) = ring(TRACE_RING_LINES, 1);
    let latency = Latency::new(times, &mut counters);
    let mut followed = Some(Traces::new(tracer.clone(), times_in));
    let mut datagrams = Some(datagrams);
    let fronts = (0..).zip(orders_in).map(|(shard, commands)| {
        let serves = ReadyFlag::default();
        ready.push(serves.clone());
        let config = GatewayConfig {
            traces: followed.take(),
            ..gateway(PortKind::OrderEntry, shard, &serves)
        };
        Front {
            config,
            commands,
            datagrams: datagrams.take(),
            events: events.clone(),
            standing,
            published: counters.block(&shard_names[usize::from(shard)], GatewayCounters::NAMES),
            role: role.clone(),
        }
    });
    let fronts: Vec<_> = fronts.collect();
    let tls_front = tls_in.map(|commands| {
        let serves = ReadyFlag::default();
        ready.push(serves.clone());
        Front {
            config: gateway(PortKind::OrderEntry, TLS_SHARD, &serves),
            commands,
            datagrams: None,
            events: events.clone(),
            standing,
            published: counters.block(Stage::OrderEntryTls.name(), GatewayCounters::NAMES),
            role: role.clone(),
        }
    });
    // What operators and subscribers are told late is true all the same: only who has the service address
    // gives its leadership up for a stall.
    let role = role.map(|(role, _)| (role, Nanos::MAX));
    let back = Front {
        config: gateway(PortKind::Admin, ADMIN_SHARD, &admin_ready),
        commands: operators_in,
        datagrams: None,
        events: events.clone(),
        standing,
        published: counters.block(Stage::Admin.name(), GatewayCounters::NAMES),
        role: role.clone(),
    };
    let operators_transport = operators_transport(&service.admin, &mut counters, role.is_some())?;
    let feed = MarketDataConfig { group: service.feed.group, term, ready: feed_ready };
    let published = counters.block(Stage::MarketData.name(), FeedCounters::NAMES);
    let mut market_data = MarketData::new(feed, events, datagrams_in, published);
    if let Some(standing) = standing {
        market_data = market_data.resume(standing)?;
    }
    let order_entry = order_entry(service, fronts, &mut counters, bench, access)?;
    let mut stages: Vec<(Stage, Box<dyn Agent>)> =
        order_entry.into_iter().map(|shard| (Stage::OrderEntry, shard)).collect();
    if let (Some(front), Some(tls)) = (tls_front, tls) {
        let front = order_entry_tls(entry, tls, front, &mut counters, access)?;
        stages.push((Stage::OrderEntryTls, front));
    }
    stages.extend([
        (Stage::Sequencer, sequencer),
        (Stage::Engine, Box::new(engine.proposing(hashes_in).traced(tracer)) as _),
        (Stage::MarketData, led(market_data, role)),
        (Stage::Admin, back.over(operators_transport)?),
    ]);
    let spans = bench.and_then(|bench| bench.spans.as_ref());
    let recorded = stages.into_iter().map(|(stage, agent)| match spans {
        None => (stage, agent),
        Some(spans) => (stage, Box::new(agent::Spanned::new(agent, spans.clone())) as _),
    });
    Ok(Stages { agents: recorded.collect(), ready, latency, proposals })
}

/// Makes the stages of a node that serves nobody: its log follows, and its engine proves it.
pub(super) fn wire_observer(booted: Booted) -> Stages {
    let Booted { order, engine, durability, mut counters, .. } = booted;
    let (hashes_in, hashes) = ring(HASH_RING_LINES, RECORD_LINES_MAX);
    let (proposals, proposed) = ring(PROPOSAL_RING_LINES, RECORD_LINES_MAX);
    let (_, times) = ring(TRACE_RING_LINES, 1);
    let inputs = (vec![proposed], hashes);
    let Ordering { agent: replica, .. } =
        ordering(order, durability, inputs, &Tracer::default(), &mut counters);
    Stages {
        agents: vec![
            (Stage::Sequencer, replica),
            (Stage::Engine, Box::new(engine.proposing(hashes_in))),
        ],
        ready: Vec::new(),
        latency: Latency::new(times, &mut counters),
        proposals,
    }
}

/// Who gives commands their order.
struct Ordering {
    agent: Box<dyn Agent>,
    /// Alone.
    term: u32,
    day: Option<SessionId>,
    /// In a cluster a stage is told when its node leads, and which term, and how long it may stand still.
    role: Option<(Role, Nanos)>,
}

/// Makes the sequencer, or the replica in its place, of what it merges: commands, and state hashes.
fn ordering(
    order: Order,
    durability: Durability,
    (mut inputs, hashes): (Vec<Consumer>, Consumer),
    tracer: &Tracer,
    counters: &mut CounterFile,
) -> Ordering {
    match order {
        Order::Alone(alone) => {
            let Alone { log, start, proposals, day } = *alone;
            let published = counters.block(Stage::Sequencer.name(), SequencerCounters::NAMES);
            inputs.push(hashes);
            let sequencer = Sequencer::new(log, durability, &start, &proposals, inputs, published);
            let agent = Box::new(sequencer.traced(tracer.clone()));
            Ordering { agent, term: start.term, day, role: None }
        }
        Order::Replicated(parts) => {
            let published = counters.block("replica", ReplicaCounters::NAMES);
            let role = Some((parts.role.clone(), parts.stall_max));
            let agent = Box::new(Replica::new(*parts, inputs, hashes, published));
            Ordering { agent, term: 0, day: None, role }
        }
    }
}

/// Where operators connect; in a cluster it is shut until the node leads.
fn operators_transport(
    admin: &Admin,
    counters: &mut CounterFile,
    shut: bool,
) -> Result<KernelTransport, NodeError> {
    let loopback = KernelConfig {
        connections_max: OPERATORS_MAX,
        look_interval: OPERATORS_LOOK_INTERVAL,
        // They all come from loopback.
        connections_per_source_max: OPERATORS_MAX,
        shut,
        ..KernelConfig::new(admin.listen)
    };
    KernelTransport::new(&loopback, counters.block("admin.kernel", KernelCounters::NAMES))
        .map_err(NodeError::admin)
}
