//! The pipeline as a graph: every stage with the rings and readers it is given.

use super::access::AccessFile;
use super::boot::{Alone, Booted, Order};
use super::cluster::{Led, Replica, ReplicaCounters, Role};
use super::latency::Latency;
use super::{Bench, NodeError};
use crate::agent::{self, Agent, Leads, ReadyFlag, Tracer, Watch};
use crate::config::{Backend, Config, Stage};
use crate::counters::{CounterBlock, CounterFile, CounterSet as _};
use crate::event_store::Reader;
use crate::gateway::{Gateway, GatewayConfig, GatewayCounters, Traces};
use crate::market_data::{FeedCounters, MarketData, MarketDataConfig};
use crate::net::ipv4::Ipv4Network;
use crate::net::{
    self, AccessList, DATAGRAM_LINES_MAX, KernelConfig, KernelCounters, KernelTransport, Transport,
};
#[cfg(feature = "dpdk")]
use crate::net::{DpdkConfig, DpdkDevice, Stack, StackConfig, StackCounters};
use crate::ring::{Consumer, Producer, ring};
use crate::sequencer::{Sequencer, SequencerCounters};
#[cfg(feature = "dpdk")]
use crate::sys::dpdk::PortStats;
use crate::types::{Nanos, PortKind, RECORD_LINES_MAX, Standing};

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

/// The stages of a node, each to be taken once by its thread.
pub(super) struct Stages {
    agents: Vec<(Stage, Box<dyn Agent>)>,
    /// Of every stage that reads the past before it serves.
    pub(super) ready: [ReadyFlag; 3],
    pub(super) latency: Latency,
    /// Where the node itself proposes commands.
    pub(super) proposals: Producer,
}

impl Stages {
    /// The agent of `stage`.
    ///
    /// # Panics
    /// If it was taken before: a placement names each stage once.
    pub(super) fn take(&mut self, stage: Stage) -> Box<dyn Agent> {
        let place = self.agents.iter().position(|(placed, _)| *placed == stage);
        self.agents.swap_remove(place.expect("a placement names each stage once")).1
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
/// In a cluster the replica stands in the sequencer's place, and the engine sees what is committed.
pub(super) fn wire(
    config: &Config,
    booted: Booted,
    bench: Option<&Bench>,
    access: &AccessFile,
) -> Result<Stages, NodeError> {
    let (orders_in, orders) = ring(COMMAND_RING_LINES, RECORD_LINES_MAX);
    let (operators_in, operators) = ring(COMMAND_RING_LINES, RECORD_LINES_MAX);
    let (hashes_in, hashes) = ring(HASH_RING_LINES, RECORD_LINES_MAX);
    let (datagrams_in, datagrams) = ring(DATAGRAM_RING_LINES, DATAGRAM_LINES_MAX);
    let Booted { order, engine, events, standing, durability, cluster_key, mut counters, .. } =
        booted;
    let (proposals, proposed) = ring(PROPOSAL_RING_LINES, RECORD_LINES_MAX);
    let inputs = vec![orders, operators, hashes, proposed];
    let tracer = Tracer::new();
    // In a cluster a stage is told when its node leads, and which term.
    let (sequencer, term, day, role): (Box<dyn Agent>, _, _, _) = match order {
        Order::Alone(alone) => {
            let Alone { log, start, proposals, day } = *alone;
            let published = counters.block(Stage::Sequencer.name(), SequencerCounters::NAMES);
            let sequencer = Sequencer::new(log, durability, &start, &proposals, inputs, published);
            (Box::new(sequencer.traced(tracer.clone())), start.term, day, None)
        }
        Order::Replicated(parts) => {
            let published = counters.block("replica", ReplicaCounters::NAMES);
            let (role, stall_max) = (parts.role.clone(), parts.stall_max);
            let replica = Replica::new(*parts, inputs, published);
            (Box::new(replica), 0, None, Some((role, stall_max)))
        }
    };

    let ready: [ReadyFlag; 3] = Default::default();
    let gateway = |serves, shard, ready: &ReadyFlag| GatewayConfig {
        serves,
        shard,
        term,
        day,
        cluster_key: cluster_key.clone(),
        // Operators are few and trusted, and send a whole market at once.
        messages_per_second_max: (serves == PortKind::OrderEntry)
            .then(|| config.order_entry().messages_per_second_max),
        networks: (serves == PortKind::OrderEntry).then(|| access.ports()),
        traces: None,
        ufo_sessions_max: match (serves, config.order_entry().ufo_port) {
            (PortKind::OrderEntry, Some(_)) => config.order_entry().connections_max,
            _ => 0,
        },
        ready: ready.clone(),
    };
    let standing = standing.as_ref();
    let (times_in, times) = ring(TRACE_RING_LINES, 1);
    let tracer = Tracer::new();
    let latency = Latency::new(times, counters.block("latency.software", Latency::NAMES));
    let front_config = GatewayConfig {
        traces: Some(Traces::new(tracer.clone(), times_in)),
        ..gateway(PortKind::OrderEntry, 0, &ready[0])
    };
    let front = Front {
        config: front_config,
        commands: orders_in,
        datagrams: Some(datagrams),
        events: events.clone(),
        standing,
        published: counters.block(Stage::OrderEntry.name(), GatewayCounters::NAMES),
        role: role.clone(),
    };
    // What operators and subscribers are told late is true all the same: only who has the service address
    // gives its leadership up for a stall.
    let role = role.map(|(role, _)| (role, Nanos::MAX));
    let back = Front {
        config: gateway(PortKind::Admin, 1, &ready[1]),
        commands: operators_in,
        datagrams: None,
        events: events.clone(),
        standing,
        published: counters.block(Stage::Admin.name(), GatewayCounters::NAMES),
        role: role.clone(),
    };
    let loopback = KernelConfig {
        connections_max: OPERATORS_MAX,
        look_interval: OPERATORS_LOOK_INTERVAL,
        // They all come from loopback.
        connections_per_source_max: OPERATORS_MAX,
        shut: role.is_some(),
        ..KernelConfig::new(config.admin().listen)
    };
    let operators_transport =
        KernelTransport::new(&loopback, counters.block("admin.kernel", KernelCounters::NAMES))
            .map_err(NodeError::admin)?;
    let feed = MarketDataConfig { group: config.feed().group, term, ready: ready[2].clone() };
    let published = counters.block(Stage::MarketData.name(), FeedCounters::NAMES);
    let mut market_data = MarketData::new(feed, events, datagrams_in, published);
    if let Some(standing) = standing {
        market_data = market_data.resume(standing)?;
    }
    let stages: [(Stage, Box<dyn Agent>); 5] = [
        (
            Stage::OrderEntry,
            front.over_configured_transport(config, &mut counters, bench, access.list())?,
        ),
        (Stage::Sequencer, sequencer),
        (Stage::Engine, Box::new(engine.proposing(hashes_in).traced(tracer))),
        (Stage::MarketData, led(market_data, role)),
        (Stage::Admin, back.over(operators_transport)?),
    ];
    let spans = bench.and_then(|bench| bench.spans.as_ref());
    let recorded = stages.map(|(stage, agent)| match spans {
        None => (stage, agent),
        Some(spans) => (stage, Box::new(agent::Spanned::new(agent, spans.clone())) as _),
    });
    Ok(Stages { agents: recorded.into(), ready, latency, proposals })
}

/// A gateway that lacks only its transport.
struct Front<'a> {
    config: GatewayConfig,
    commands: Producer,
    datagrams: Option<Consumer>,
    events: Reader,
    standing: Option<&'a Standing>,
    published: CounterBlock,
    /// In a cluster.
    role: Option<(Role, Nanos)>,
}

/// A stage as it is, or in a cluster as its node's role has it, which it gives up after such a stall.
fn led<A: Leads + 'static>(stage: A, role: Option<(Role, Nanos)>) -> Box<dyn Agent> {
    match role {
        None => Box::new(stage),
        Some((role, stall_max)) => Box::new(Led::new(stage, role, stall_max)),
    }
}

impl Front<'_> {
    fn over<T: Transport + std::fmt::Debug + 'static>(
        self,
        transport: T,
    ) -> Result<Box<dyn Agent>, NodeError> {
        let Self { config, commands, datagrams, events, standing, published, role } = self;
        let history = events.clone();
        let gateway =
            Gateway::new(config, transport, commands, datagrams, events, history, published);
        let gateway = match standing {
            Some(standing) => gateway.resume(standing)?,
            None => gateway,
        };
        Ok(led(gateway, role))
    }

    /// Over `transport`, with what a benchmark wants in between.
    fn over_benched<T: Transport + std::fmt::Debug + 'static>(
        self,
        transport: T,
        bench: Option<&Bench>,
    ) -> Result<Box<dyn Agent>, NodeError> {
        let Some(Bench { echo_ports, spans }) = bench.cloned() else { return self.over(transport) };
        let transport = net::WithEcho::new(transport, echo_ports);
        match spans {
            None => self.over(transport),
            Some(spans) => self.over(net::Spanned::new(transport, spans)),
        }
    }

    fn over_configured_transport(
        self,
        config: &Config,
        counters: &mut CounterFile,
        bench: Option<&Bench>,
        access: Watch<AccessList>,
    ) -> Result<Box<dyn Agent>, NodeError> {
        let entry = config.order_entry();
        let receive_port = entry.ufo_port.or_else(|| bench.map(|_| entry.listen.port()));
        match entry.backend {
            Backend::Kernel => {
                let settings = KernelConfig {
                    receive_port,
                    allow: entry.allow.clone(),
                    multicast_interface: config.feed().source,
                    multicast_ttl: config.feed().ttl,
                    connections_max: entry.connections_max as usize,
                    connections_per_source_max: entry.connections_per_source_max as usize,
                    frames_per_second_per_source_max: entry.frames_per_second_per_source_max,
                    shut: self.role.is_some(),
                    service: entry.interface.clone().map(|interface| {
                        let network = Ipv4Network::new(*entry.listen.ip(), entry.prefix);
                        (interface, network.expect("the configuration is proven"))
                    }),
                    ..KernelConfig::new(entry.listen)
                };
                let published = counters.block("order_entry.kernel", KernelCounters::NAMES);
                let transport =
                    KernelTransport::new(&settings, published).map_err(NodeError::front)?;
                self.over_benched(transport.watching(Some(access)), bench)
            }
            #[cfg(feature = "dpdk")]
            Backend::Dpdk => {
                let stack = dpdk_stack(config, counters, receive_port, self.role.is_some())?;
                self.over_benched(stack.watching(Some(access)), bench)
            }
            #[cfg(not(feature = "dpdk"))]
            Backend::Dpdk => unreachable!("a configuration for DPDK is not proven without it"),
        }
    }
}

#[cfg(feature = "dpdk")]
fn dpdk_stack(
    config: &Config,
    counters: &mut CounterFile,
    receive_port: Option<u16>,
    shut: bool,
) -> Result<Stack<DpdkDevice>, NodeError> {
    let (entry, port) = (config.order_entry(), config.dpdk());
    let settings = DpdkConfig {
        eal_arguments: port.eal_arguments(),
        mbufs: port.mbufs,
        rx_descriptors: port.rx_descriptors,
        tx_descriptors: port.tx_descriptors,
    };
    let published = counters.block("order_entry.port", PortStats::NAMES);
    let device = DpdkDevice::open(&settings, published).map_err(NodeError::front)?;
    let settings = StackConfig {
        gateway: entry.gateway,
        connections_max: entry.connections_max as usize,
        connections_per_source_max: entry.connections_per_source_max as usize,
        frames_per_second_per_source_max: entry.frames_per_second_per_source_max,
        datagram_port: config.feed().group.port(),
        receive_port,
        shut,
        allow: entry.allow.clone(),
        neighbours: entry.neighbours.clone(),
        multicast_ttl: config.feed().ttl,
        ..StackConfig::new(*entry.listen.ip(), entry.prefix, entry.listen.port())
    };
    let published = counters.block("order_entry.stack", StackCounters::NAMES);
    Stack::new(settings, device, published).map_err(NodeError::front)
}
