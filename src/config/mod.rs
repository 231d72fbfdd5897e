//! Configuration: text in, proof out. `node.toml` becomes a [`Config`], the market file a
//! [`Market`](market::Market); nothing downstream checks a setting again.
//!
//! A file has no types, so units are in the names of its keys; a key that is not known is an error.
//! Relative paths are relative to the directory the command runs in.

mod access;
mod aeron;
mod cluster;
pub(crate) mod decimal;
mod dpdk;
mod error;
mod logs;
pub mod market;
mod order_entry;
mod placement;
mod purpose;
pub mod secrets;
mod table;

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use crate::counters::COUNTERS_FILE;
pub use crate::event_store::Durability;
use crate::net::ethernet::MacAddress;
use crate::net::ipv4::Ipv4Network;
use crate::order_manager;
use crate::types::Nanos;
pub use access::Access;
pub use aeron::{Aeron, ClusterTransport, PayloadStream};
pub use cluster::{Cluster, Failover, Peer};
pub use dpdk::Dpdk;
pub use error::ConfigError;
pub use placement::{Placement, Stage, ThreadPlacement};

use error::Source;

/// Settings of a node, proven by [`Config::load`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    node: Node,
    logs: Logs,
    snapshots: Snapshots,
    retention: Retention,
    control: Control,
    service: Option<Service>,
    placement: Placement,
    capacity: Capacity,
    cluster: Option<Cluster>,
}

/// Who the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number, from 1, unique in its cluster.
    pub id: u32,
    /// What its log lines and operators call it.
    pub name: String,
}

/// Where the command log and the event log lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Holds a directory for each log.
    pub directory: PathBuf,
    /// Size of a segment of the command log, equal on all nodes and for the life of the log.
    pub command_segment_bytes: u64,
    /// The same for the event log.
    pub event_segment_bytes: u64,
    /// When an append counts.
    pub durability: Durability,
    /// New orders are refused while so much of the directory's file system is in use.
    pub refuse_orders_percent: u8,
    /// A leader hands over to another node then.
    pub hand_over_percent: u8,
}

impl Logs {
    /// The directory of the command log.
    #[must_use]
    pub fn commands(&self) -> PathBuf {
        self.directory.join("commands")
    }

    /// The directory of the event log.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.directory.join("events")
    }

    /// The file of counters.
    #[must_use]
    pub fn counters(&self) -> PathBuf {
        self.directory.join(COUNTERS_FILE)
    }
}

/// The snapshots with which a restart begins, and the shadow engine that takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// Where they are.
    pub directory: PathBuf,
    /// Commands from one to the next; 0 has none taken, and no shadow engine run.
    pub every_commands: u64,
}

/// What becomes of the oldest segments of both logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retention {
    /// They stay.
    All,
    /// They go when nothing needs them: neither a restart, nor a session of the day, nor this.
    Needed(Kept),
}

/// What is kept beyond what a node needs itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Records that are younger.
    pub time: Nanos,
    /// As many bytes at the end of each log.
    pub bytes: u64,
    /// Everything, while less than this of the logs' file system is in use.
    pub disk_percent: u8,
    /// Days that are not archived in this directory.
    pub archive: Option<PathBuf>,
}

/// What must survive the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Holds the control file; on a persistent file system.
    pub directory: PathBuf,
    /// The key under the verifiers of port secrets.
    pub cluster_key_file: PathBuf,
}

/// Where a node meets participants and operators. An observer meets nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where brokers connect.
    pub order_entry: OrderEntry,
    /// The DPDK port.
    pub dpdk: Dpdk,
    /// Market data.
    pub feed: Feed,
    /// Administration.
    pub admin: Admin,
}

/// Where brokers connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEntry {
    /// What carries their bytes.
    pub backend: Backend,
    /// The address; with DPDK the node owns it, and the kernel knows nothing of it.
    pub listen: SocketAddrV4,
    /// The UDP port at the same address where UFO is spoken; none = nowhere.
    pub ufo_port: Option<u16>,
    /// Gateways that share address and ports, each with hosts of its own, and with a core if it is given
    /// one.
    pub shards: u8,
    /// Bits of the local network's mask.
    pub prefix: u8,
    /// In a cluster over the kernel's sockets: the interface that the address is on while this node
    /// leads. Without one the address is this host's alone.
    pub interface: Option<String>,
    /// The router to networks that are not local.
    pub gateway: Option<Ipv4Addr>,
    /// Connections of a shard at a time, and as many sessions over UDP.
    pub connections_max: u32,
    /// As many of them may come from one address, so that one host cannot keep others out.
    pub connections_per_source_max: u32,
    /// Packets a second read of one session: one that sends more is left unread for a while, and is
    /// disconnected if it remains over. Protection only, so wider than any port's own message rate.
    pub messages_per_second_max: u32,
    /// Frames a second that are looked into from one address, so that one host's flood is dropped before
    /// it costs others; over the kernel's sockets, datagrams.
    pub frames_per_second_per_source_max: u32,
    /// The file that says who may connect, and from where ports may log in, also while the node runs.
    pub access_file: Option<PathBuf>,
    /// Who may connect; others get no answer, or over the kernel's sockets are hung up on at once.
    pub allow: Vec<Ipv4Network>,
    /// Hosts of the local network whose Ethernet address is given, so that nobody else on it speaks in
    /// their name; used by [`Backend::Dpdk`].
    pub neighbours: Vec<(Ipv4Addr, MacAddress)>,
    /// Where brokers connect who come over networks that others read.
    pub tls: Option<Tls>,
}

/// The front that speaks TLS, on the kernel's sockets: the same sessions and admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// An address of the kernel's.
    pub listen: SocketAddrV4,
    /// The exchange's certificate in PEM, and behind it those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// Connections at a time.
    pub connections_max: u32,
    /// As many of them may come from one address.
    pub connections_per_source_max: u32,
}

/// What carries the bytes of order entry and feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A DPDK port: the kernel is not involved.
    Dpdk,
    /// Non-blocking kernel sockets.
    Kernel,
}

/// Market data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The multicast group and port.
    pub group: SocketAddrV4,
    /// The address of the interface it leaves by; used by [`Backend::Kernel`].
    pub source: Ipv4Addr,
    /// Routers it may cross, plus one.
    pub ttl: u8,
}

/// Administration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// A kernel address on loopback.
    pub listen: SocketAddrV4,
}

/// Tables are allocated once, for this much. It seeds an empty log; afterwards the log's limits hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Orders resting at a time.
    pub orders: u32,
    /// Ports.
    pub ports: u32,
    /// Accounts.
    pub accounts: u32,
    /// Instruments.
    pub instruments: u32,
}

/// What an operator does not think of: every venue has room for as many.
const CURRENCIES: u16 = 64;
const FIRMS: u16 = 4_096;
/// Balances of an account, on average: it has a handful of currencies and instruments, not all.
const BALANCES_PER_ACCOUNT: u32 = 64;

impl Capacity {
    /// The engine's tables, from the four numbers that an operator thinks in. A small venue's accounts
    /// may have everything there is.
    #[must_use]
    pub fn tables(&self) -> order_manager::Capacity {
        let &Self { orders, ports, accounts, instruments } = self;
        let assets = instruments.saturating_add(CURRENCIES.into());
        let each = assets.min(BALANCES_PER_ACCOUNT);
        let balances = accounts.saturating_mul(each).max(assets.saturating_mul(each));
        order_manager::Capacity {
            orders,
            balances,
            currencies: CURRENCIES,
            firms: FIRMS,
            ports,
            accounts,
            instruments: u16::try_from(instruments).unwrap_or(u16::MAX),
        }
    }
}

impl Config {
    /// Reads and proves the file.
    ///
    /// # Errors
    /// What is wrong with it: file, key, value and the rule it breaks.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Proves `text`, which is called `path` in errors.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source::new(path);
        source.parse::<table::File>(text)?.prove(&source)
    }

    /// Who the node is.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Where the logs lie.
    #[must_use]
    pub const fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The snapshots.
    #[must_use]
    pub const fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// What becomes of the logs' oldest segments.
    #[must_use]
    pub const fn retention(&self) -> &Retention {
        &self.retention
    }

    /// What must survive the machine.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// Where it serves; nowhere if it only observes.
    #[must_use]
    pub const fn service(&self) -> Option<&Service> {
        self.service.as_ref()
    }

    /// Which threads run which stages.
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.placement
    }

    /// How much the tables hold.
    #[must_use]
    pub const fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// The cluster that the node is one of, if it is not alone.
    #[must_use]
    pub const fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }
}

#[cfg(test)]
mod tests;
