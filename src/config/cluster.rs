//! The `[cluster]` section: who the nodes are, how they reach each other, and how patient they are.
//!
//! The same on all nodes. The key of their messages is the cluster key of `[control]`.

use std::net::SocketAddrV4;
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::Node;
use super::aeron::{AeronTable, ClusterTransport, transport};
use super::error::{ConfigError, Source};
use super::table::{in_range, parsed, quoted};
use crate::types::Nanos;

/// The cluster of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its number: messages of another cluster are not heard.
    pub number: u64,
    /// All nodes, this one among them, by their hosts.
    pub peers: Vec<Peer>,
    /// Who decides that another node leads.
    pub failover: Failover,
    /// What carries their messages.
    pub transport: ClusterTransport,
    /// The unit in which silence is counted.
    pub tick: Nanos,
    /// The largest packet that every path between them carries.
    pub mtu: usize,
    /// Ticks between the leader's heartbeats.
    pub heartbeat_ticks: usize,
    /// After this many silent ticks, or up to twice as many, there is an election.
    pub election_ticks: usize,
}

/// A node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its `node.id`.
    pub host: u32,
    /// Where it takes the others' messages.
    pub address: SocketAddrV4,
    /// Whether it votes; else it receives everything and decides nothing.
    pub votes: bool,
}

/// Who decides that another node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// The nodes, when they hear no leader.
    Automatic,
    /// An operator.
    Manual,
}

impl Cluster {
    /// The hosts that vote, or those that do not.
    #[must_use]
    pub fn hosts(&self, votes: bool) -> Vec<u32> {
        self.peers.iter().filter(|peer| peer.votes == votes).map(|peer| peer.host).collect()
    }

    /// Whether a host votes.
    #[must_use]
    pub fn votes(&self, host: u32) -> bool {
        self.hosts(true).contains(&host)
    }

    /// How many voters decide.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.hosts(true).len() / 2 + 1
    }
}

const PEERS: RangeInclusive<usize> = 1..=16;
const VOTERS_MAX: usize = 7;
/// From what every path carries to what IP can.
const MTU: RangeInclusive<usize> = 1_280..=65_535;
/// Shorter ones would find a scheduler's stalls between themselves.
const TICK_MS: RangeInclusive<u64> = 1..=100;
/// A leader that is away for longer is not what anybody waits for.
const ELECTION_MS: RangeInclusive<u64> = 10..=60_000;
/// Heartbeats of which one may be lost before an election.
const HEARTBEATS_MIN: u64 = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterTable {
    #[serde(default = "ClusterTable::number")]
    number: u64,
    members: Vec<PeerTable>,
    #[serde(default)]
    learners: Vec<PeerTable>,
    #[serde(default = "ClusterTable::failover")]
    failover: String,
    #[serde(default = "ClusterTable::transport")]
    transport: String,
    aeron: Option<AeronTable>,
    #[serde(default = "ClusterTable::mtu")]
    mtu: usize,
    #[serde(default = "ClusterTable::tick_ms")]
    tick_ms: u64,
    #[serde(default = "ClusterTable::heartbeat_ms")]
    heartbeat_ms: u64,
    #[serde(default = "ClusterTable::election_ms")]
    election_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerTable {
    host: u32,
    address: String,
}

impl ClusterTable {
    const fn number() -> u64 {
        1
    }

    fn failover() -> String {
        "automatic".to_owned()
    }

    fn transport() -> String {
        "udp".to_owned()
    }

    const fn mtu() -> usize {
        1_500
    }

    const fn tick_ms() -> u64 {
        5
    }

    const fn heartbeat_ms() -> u64 {
        20
    }

    const fn election_ms() -> u64 {
        100
    }

    pub(super) fn prove(self, source: &Source, node: &Node) -> Result<Cluster, ConfigError> {
        let Self { number, members, learners, failover, .. } = self;
        let Self { mtu, tick_ms, heartbeat_ms, election_ms, .. } = self;
        let voters = members.len();
        let rule = format_args!("must be an odd number of members, at most {VOTERS_MAX}");
        let is_odd = !voters.is_multiple_of(2) && voters <= VOTERS_MAX;
        source.rule(is_odd, "cluster.members", format_args!("({voters} of them)"), rule)?;
        let peers = peers(source, members, learners)?;
        in_range(source, "cluster.members and learners", peers.len(), &PEERS)?;
        let rule = "must be the host of one of cluster.members or cluster.learners";
        let is_one = peers.iter().any(|peer| peer.host == node.id);
        source.rule(is_one, "node.id", node.id, rule)?;
        let failover = match failover.as_str() {
            "automatic" => Failover::Automatic,
            "manual" => Failover::Manual,
            other => {
                let rule = "must be \"automatic\" or \"manual\"";
                return Err(source.broken("cluster.failover", quoted(other), rule));
            }
        };
        let transport = transport(source, &self.transport, self.aeron, node)?;
        in_range(source, "cluster.mtu", mtu, &MTU)?;
        in_range(source, "cluster.tick_ms", tick_ms, &TICK_MS)?;
        in_range(source, "cluster.election_ms", election_ms, &ELECTION_MS)?;
        for (key, ms) in
            [("cluster.heartbeat_ms", heartbeat_ms), ("cluster.election_ms", election_ms)]
        {
            let rule = format_args!("must be a multiple of cluster.tick_ms = {tick_ms}");
            source.rule(ms > 0 && ms.is_multiple_of(tick_ms), key, ms, rule)?;
        }
        let least = HEARTBEATS_MIN * heartbeat_ms;
        let rule = format_args!("must be at least {least}, {HEARTBEATS_MIN} heartbeats");
        source.rule(election_ms >= least, "cluster.election_ms", election_ms, rule)?;
        let ticks = |ms: u64| usize::try_from(ms / tick_ms).expect("bounded above");
        Ok(Cluster {
            number,
            peers,
            failover,
            transport,
            mtu,
            tick: Nanos::from_millis(tick_ms),
            heartbeat_ticks: ticks(heartbeat_ms),
            election_ticks: ticks(election_ms),
        })
    }
}

/// All nodes by their hosts, of which no two have a number or an address in common.
fn peers(
    source: &Source,
    members: Vec<PeerTable>,
    learners: Vec<PeerTable>,
) -> Result<Vec<Peer>, ConfigError> {
    let voting = members.into_iter().enumerate().map(|(at, peer)| ("members", at, peer));
    let learning = learners.into_iter().enumerate().map(|(at, peer)| ("learners", at, peer));
    let mut peers: Vec<Peer> = Vec::new();
    for (list, at, PeerTable { host, address }) in voting.chain(learning) {
        let key = format!("cluster.{list}[{at}]");
        let rule = "must be at least 1, and no other node's";
        let is_new = host > 0 && peers.iter().all(|peer| peer.host != host);
        source.rule(is_new, format!("{key}.host"), host, rule)?;
        let key = format!("{key}.address");
        let rule = "must be an IPv4 address and a port, such as 10.9.1.1:9200";
        let address: SocketAddrV4 = parsed(source, &key, &address, rule)?;
        let ip = address.ip();
        let is_one = address.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && !ip.is_broadcast()
            && peers.iter().all(|peer| peer.address != address);
        let rule = "must be a definite unicast address and port, and no other node's";
        source.rule(is_one, key, address, rule)?;
        peers.push(Peer { host, address, votes: list == "members" });
    }
    peers.sort_by_key(|peer| peer.host);
    Ok(peers)
}
