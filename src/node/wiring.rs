//! The pipeline as a graph: every stage with the rings and readers it is given.

use std::net::SocketAddrV4;

use super::NodeError;
use super::boot::Booted;
use crate::agent::Agent;
use crate::config::{Backend, Config, Stage};
use crate::event_store::Reader;
use crate::gateway::{Gateway, GatewayConfig};
use crate::market_data::{MarketData, MarketDataConfig};
use crate::net::{DATAGRAM_LINES_MAX, KernelConfig, KernelTransport, Transport};
use crate::ring::{self, ring};
use crate::sequencer::Sequencer;
use crate::types::{PortKind, RECORD_LINES_MAX};

/// Lines of a gateway's command ring: at least 4,096 orders on their way to the sequencer.
const COMMAND_RING_LINES: usize = 16 * 1024;
/// Lines of the ring that takes the feed's datagrams to the device: 1 MiB.
const DATAGRAM_RING_LINES: usize = 16 * 1024;

/// The stages of a node, each to be taken once by its thread.
pub(super) struct Stages(Vec<(Stage, Box<dyn Agent>)>);

impl Stages {
    /// The agent of `stage`.
    ///
    /// # Panics
    /// If it was taken before: a placement names each stage once.
    pub(super) fn take(&mut self, stage: Stage) -> Box<dyn Agent> {
        let place = self.0.iter().position(|(placed, _)| *placed == stage);
        self.0.swap_remove(place.expect("a placement names each stage once")).1
    }
}

/// Makes every stage:
///
/// ```text
/// order_entry --ring--> sequencer --command log--> engine --event log--> order_entry, admin,
/// admin -------ring-------^                                              market_data
/// market_data --ring (datagrams)--> order_entry, which owns the device
/// ```
pub(super) fn wire(config: &Config, booted: Booted) -> Result<Stages, NodeError> {
    let (orders_in, orders) = ring(COMMAND_RING_LINES, RECORD_LINES_MAX);
    let (operators_in, operators) = ring(COMMAND_RING_LINES, RECORD_LINES_MAX);
    let (datagrams_in, datagrams) = ring(DATAGRAM_RING_LINES, DATAGRAM_LINES_MAX);
    let Booted { engine, commands, events, durability, term, proposals, cluster_key } = booted;
    let reader = || Reader::open(&events);

    let gateway =
        |serves, shard| GatewayConfig { serves, shard, term, cluster_key: cluster_key.clone() };
    let order_entry = gateway(PortKind::OrderEntry, 0);
    let admin = gateway(PortKind::Admin, 1);
    let group = config.feed().group;
    let loopback = KernelConfig::loopback(config.admin().listen);
    let node = config.node().id;
    Ok(Stages(vec![
        (
            Stage::OrderEntry,
            front(config, order_entry, orders_in, datagrams, reader()?, reader()?)?,
        ),
        (
            Stage::Sequencer,
            Box::new(Sequencer::new(
                commands,
                durability,
                term,
                node,
                &proposals,
                vec![orders, operators],
            )),
        ),
        (Stage::Engine, Box::new(engine)),
        (
            Stage::MarketData,
            Box::new(MarketData::new(MarketDataConfig { group, term }, reader()?, datagrams_in)),
        ),
        (
            Stage::Admin,
            Box::new(Gateway::new(
                admin,
                KernelTransport::open(loopback)?,
                operators_in,
                None,
                reader()?,
                reader()?,
            )),
        ),
    ]))
}
