//! The gateways as the graph has them: each over its transport, which it shares an address with where
//! order entry has several shards.

#[cfg(feature = "tls")]
use std::net::Ipv4Addr;

use super::NodeError;
use super::cluster::{Led, Role};
use crate::agent::{Agent, Leads};
use crate::config::{self, Backend, OrderEntry, Service, Stage};
use crate::counters::{CounterBlock, CounterFile, CounterSet as _};
use crate::event_store::Reader;
use crate::gateway::{Gateway, GatewayConfig};
use crate::net::ipv4::Ipv4Network;
#[cfg(feature = "tls")]
use crate::net::tls::{Tls, TlsCounters};
use crate::net::{self, KernelConfig, KernelCounters, KernelTransport, Transport};
#[cfg(feature = "dpdk")]
use crate::net::{
    DpdkConfig, DpdkDevice, Stack, StackConfig, StackCounters,
    steering::{PLACES, Spread, Steering},
};
use crate::node::Bench;
use crate::node::access::AccessFile;
use crate::ring::{Consumer, Producer};
#[cfg(feature = "dpdk")]
use crate::sys::dpdk::PortStats;
use crate::types::{Nanos, Standing};

/// A gateway that lacks only its transport.
pub(super) struct Front<'a> {
    pub(super) config: GatewayConfig,
    pub(super) commands: Producer,
    pub(super) datagrams: Option<Consumer>,
    pub(super) events: Reader,
    pub(super) standing: Option<&'a Standing>,
    pub(super) published: CounterBlock,
    /// In a cluster.
    pub(super) role: Option<(Role, Nanos)>,
}

/// A stage as it is, or in a cluster as its node's role has it, which it gives up after such a stall.
pub(super) fn led<A: Leads + 'static>(stage: A, role: Option<(Role, Nanos)>) -> Box<dyn Agent> {
    match role {
        None => Box::new(stage),
        Some((role, stall_max)) => Box::new(Led::new(stage, role, stall_max)),
    }
}

/// What the counters of a shard of order entry are called: by its number where there are several.
pub(super) fn shard_name(entry: &OrderEntry, shard: u8) -> String {
    match entry.shards {
        1 => Stage::OrderEntry.name().to_owned(),
        _ => format!("{}.{shard}", Stage::OrderEntry.name()),
    }
}

/// The shards of order entry over their transports.
pub(super) fn order_entry(
    service: &Service,
    fronts: Vec<Front<'_>>,
    counters: &mut CounterFile,
    bench: Option<&Bench>,
    access: &AccessFile,
) -> Result<Vec<Box<dyn Agent>>, NodeError> {
    let entry = &service.order_entry;
    let receive_port = entry.ufo_port.or_else(|| bench.map(|_| entry.listen.port()));
    let shut = fronts.iter().any(|front| front.role.is_some());
    match entry.backend {
        Backend::Kernel => {
            let settings = kernel_settings(service, receive_port, shut);
            if entry.shards > 1 {
                net::kernel::is_free(entry.listen).map_err(|source| {
                    NodeError::front(net::KernelError::Listen { address: entry.listen, source })
                })?;
            }
            let over = |(shard, front): (u8, Front<'_>)| {
                let name = shard_name(entry, shard) + ".kernel";
                let published = counters.block(&name, KernelCounters::NAMES);
                let transport =
                    KernelTransport::new(&settings, published).map_err(NodeError::front)?;
                front.over_benched(transport.watching(Some(access.list())), bench)
            };
            (0..).zip(fronts).map(over).collect()
        }
        #[cfg(feature = "dpdk")]
        Backend::Dpdk => {
            let stacks = dpdk_stacks(service, counters, receive_port, shut)?;
            let over = |(front, stack): (Front<'_>, Stack<DpdkDevice>)| {
                front.over_benched(stack.watching(Some(access.list())), bench)
            };
            fronts.into_iter().zip(stacks).map(over).collect()
        }
        #[cfg(not(feature = "dpdk"))]
        Backend::Dpdk => unreachable!("a configuration for DPDK is not proven without it"),
    }
}

/// The gateway that speaks TLS.
#[cfg(feature = "tls")]
pub(super) fn order_entry_tls(
    entry: &OrderEntry,
    tls: &config::Tls,
    front: Front<'_>,
    counters: &mut CounterFile,
    access: &AccessFile,
) -> Result<Box<dyn Agent>, NodeError> {
    let settings = KernelConfig {
        allow: entry.allow.clone(),
        // It sends no feed, so any interface will do.
        multicast_interface: Ipv4Addr::LOCALHOST,
        connections_max: tls.connections_max as usize,
        connections_per_source_max: tls.connections_per_source_max as usize,
        frames_per_second_per_source_max: entry.frames_per_second_per_source_max,
        shut: front.role.is_some(),
        ..KernelConfig::new(tls.listen)
    };
    let identity = net::tls::identity(&tls.certificate, &tls.key).map_err(NodeError::front)?;
    let published = counters.block("order_entry_tls.kernel", KernelCounters::NAMES);
    let transport = KernelTransport::new(&settings, published).map_err(NodeError::front)?;
    let transport = transport.watching(Some(access.list()));
    let published = counters.block("order_entry_tls.tls", TlsCounters::NAMES);
    front.over(Tls::new(transport, settings.connections_max, identity, published))
}

#[cfg(not(feature = "tls"))]
pub(super) fn order_entry_tls(
    _: &OrderEntry,
    _: &config::Tls,
    _: Front<'_>,
    _: &mut CounterFile,
    _: &AccessFile,
) -> Result<Box<dyn Agent>, NodeError> {
    unreachable!("a configuration with TLS is not proven without it")
}

fn kernel_settings(service: &Service, receive_port: Option<u16>, shut: bool) -> KernelConfig {
    let Service { order_entry: entry, feed, .. } = service;
    KernelConfig {
        receive_port,
        allow: entry.allow.clone(),
        multicast_interface: feed.source,
        multicast_ttl: feed.ttl,
        shards: entry.shards,
        connections_max: entry.connections_max as usize,
        connections_per_source_max: entry.connections_per_source_max as usize,
        frames_per_second_per_source_max: entry.frames_per_second_per_source_max,
        shut,
        service: entry.interface.clone().map(|interface| {
            let network = Ipv4Network::new(*entry.listen.ip(), entry.prefix);
            (interface, network.expect("the configuration is proven"))
        }),
        ..KernelConfig::new(entry.listen)
    }
}

/// A stack for each shard, over a pair of the port's queues each.
#[cfg(feature = "dpdk")]
fn dpdk_stacks(
    service: &Service,
    counters: &mut CounterFile,
    receive_port: Option<u16>,
    shut: bool,
) -> Result<Vec<Stack<DpdkDevice>>, NodeError> {
    let Service { order_entry: entry, dpdk: port, feed, .. } = service;
    let settings = DpdkConfig {
        eal_arguments: port.eal_arguments(),
        queues: port.queues,
        mbufs: port.mbufs,
        rx_descriptors: port.rx_descriptors,
        tx_descriptors: port.tx_descriptors,
    };
    let published = counters.block("order_entry.port", PortStats::NAMES);
    let devices = DpdkDevice::open_queues(&settings, published).map_err(NodeError::front)?;
    let settings = StackConfig {
        gateway: entry.gateway,
        connections_max: entry.connections_max as usize,
        connections_per_source_max: entry.connections_per_source_max as usize,
        frames_per_second_per_source_max: entry.frames_per_second_per_source_max,
        datagram_port: feed.group.port(),
        receive_port,
        shut,
        allow: entry.allow.clone(),
        neighbours: entry.neighbours.clone(),
        multicast_ttl: feed.ttl,
        ..StackConfig::new(*entry.listen.ip(), entry.prefix, entry.listen.port())
    };
    let places = devices.first().map_or(0, DpdkDevice::places);
    let places = if places == 0 { PLACES } else { places };
    let spread = Spread::new(entry.shards, *entry.listen.ip(), places);
    let parts = Steering::mesh(&spread, entry.gateway);
    let stack = |((shard, device), part)| {
        let name = shard_name(entry, shard) + ".stack";
        let published = counters.block(&name, StackCounters::NAMES);
        let stack = Stack::new(settings.clone(), device, published).map_err(NodeError::front)?;
        Ok(if entry.shards == 1 { stack } else { stack.steered(part) })
    };
    (0..).zip(devices).zip(parts).map(stack).collect()
}

impl Front<'_> {
    pub(super) fn over<T: Transport + std::fmt::Debug + 'static>(
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
}
