//! `node.toml` as written, with its defaults, and the proof that makes it a [`Config`]. The defaults
//! are a laptop's: one thread for everything, which sleeps a little when there is nothing to do.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::cluster::ClusterTable;
use super::dpdk;
use super::error::{ConfigError, Source};
use super::logs::LogsTable;
use super::order_entry::OrderEntryTable;
use super::placement::{self, Placement, ThreadPlacement};
use super::{
    Admin, Backend, Capacity, Cluster, Config, Control, Dpdk, Feed, Kept, Logs, Node, OrderEntry,
    Retention, Service, Snapshots,
};
use crate::agent::Idle;
use crate::net::device::BUFFERS_SPARE;
use crate::types::Nanos;

const ORDERS: RangeInclusive<u32> = 1_024..=64 << 20;
const PORTS: RangeInclusive<u32> = 1..=1 << 20;
const ACCOUNTS: RangeInclusive<u32> = 1..=16 << 20;
/// The stock locate of the feed has 16 bits and begins at 1.
const INSTRUMENTS: RangeInclusive<u32> = 1..=65_535;
/// Above it nothing may be left for the next segment.
const DISK_PERCENT_MAX: u8 = 90;
const MBUFS: RangeInclusive<u32> = 512..=1 << 20;
const MBUFS_DEFAULT: u32 = 8_192;
const DESCRIPTORS: RangeInclusive<u16> = 64..=4096;
/// Above a second, heartbeats would be late.
const IDLE_SLEEP_US: RangeInclusive<u64> = 1..=1_000_000;
/// File systems that forget: what must survive the machine does not belong there.
const VOLATILE: [&str; 2] = ["/dev/shm", "/run"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    node: NodeTable,
    logs: LogsTable,
    #[serde(default)]
    snapshots: SnapshotsTable,
    #[serde(default)]
    retention: RetentionTable,
    control: ControlTable,
    order_entry: Option<OrderEntryTable>,
    dpdk: Option<DpdkTable>,
    feed: Option<FeedTable>,
    admin: Option<AdminTable>,
    #[serde(default)]
    placement: PlacementTable,
    #[serde(default)]
    capacity: CapacityTable,
    cluster: Option<ClusterTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeTable {
    id: u32,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SnapshotsTable {
    /// By default beside the logs.
    directory: Option<PathBuf>,
    every_commands: u64,
}

impl Default for SnapshotsTable {
    fn default() -> Self {
        Self { directory: None, every_commands: 1_000_000 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RetentionTable {
    keep: String,
    hours: Option<u32>,
    gib: Option<u32>,
    disk_percent: Option<u8>,
    archive: Option<PathBuf>,
}

impl Default for RetentionTable {
    fn default() -> Self {
        let keep = "all".to_owned();
        Self { keep, hours: None, gib: None, disk_percent: None, archive: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlTable {
    directory: PathBuf,
    cluster_key_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DpdkTable {
    /// By default what the device needs.
    eal_args: Option<Vec<String>>,
    device: String,
    /// By default as many as the queues need, and some.
    mbufs: Option<u32>,
    rx_descriptors: u16,
    tx_descriptors: u16,
}

impl Default for DpdkTable {
    fn default() -> Self {
        Self {
            eal_args: None,
            device: "net_af_packet0,iface=rialto0".to_owned(),
            mbufs: None,
            rx_descriptors: 1_024,
            tx_descriptors: 1_024,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedTable {
    group: String,
    #[serde(default = "FeedTable::source")]
    source: Ipv4Addr,
    #[serde(default = "FeedTable::ttl")]
    ttl: u8,
}

impl FeedTable {
    const fn source() -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    const fn ttl() -> u8 {
        1
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AdminTable {
    listen: String,
}

impl Default for AdminTable {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9002".to_owned() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlacementTable {
    /// By default one for everything.
    threads: Option<Vec<ThreadPlacement>>,
    idle: String,
    idle_sleep_us: u64,
}

impl Default for PlacementTable {
    fn default() -> Self {
        Self { threads: None, idle: "backoff".to_owned(), idle_sleep_us: 50 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CapacityTable {
    orders: u32,
    ports: u32,
    accounts: u32,
    instruments: u32,
}

impl Default for CapacityTable {
    fn default() -> Self {
        Self { orders: 1 << 20, ports: 1_024, accounts: 4_096, instruments: 1_024 }
    }
}

impl File {
    pub(super) fn prove(self, source: &Source) -> Result<Config, ConfigError> {
        let logs = self.logs.prove(source)?;
        let snapshots = self.snapshots.prove(source, &logs)?;
        let node = self.node.prove(source)?;
        let retention = self.retention.prove(source, &snapshots)?;
        let cluster = self.cluster.map(|table| table.prove(source, &node)).transpose()?;
        let tables = (self.order_entry, self.dpdk, self.feed, self.admin);
        let service = service(source, tables, (&node, cluster.as_ref()))?;
        Ok(Config {
            cluster,
            node,
            retention,
            snapshots,
            logs,
            control: self.control.prove(source)?,
            placement: self.placement.prove(source, service.as_ref())?,
            service,
            capacity: self.capacity.prove(source)?,
        })
    }
}

/// The tables that only a node has which serves. Without all of them it is one that only observes, and must
/// be one that may.
fn service(
    source: &Source,
    (order_entry, dpdk, feed, admin): (
        Option<OrderEntryTable>,
        Option<DpdkTable>,
        Option<FeedTable>,
        Option<AdminTable>,
    ),
    (node, cluster): (&Node, Option<&Cluster>),
) -> Result<Option<Service>, ConfigError> {
    let learns = cluster.is_some_and(|cluster| !cluster.votes(node.id));
    match (order_entry, feed) {
        (Some(order_entry), Some(feed)) => {
            let order_entry = order_entry.prove(source, cluster.is_some())?;
            Ok(Some(Service {
                dpdk: dpdk.unwrap_or_default().prove(source, &order_entry)?,
                feed: feed.prove(source)?,
                admin: admin.unwrap_or_default().prove(source)?,
                order_entry,
            }))
        }
        (None, None) if learns && dpdk.is_none() && admin.is_none() => Ok(None),
        (order_entry, _) => {
            let key = if order_entry.is_none() { "order_entry" } else { "feed" };
            let rule = "is wanted with [order_entry], [feed], [dpdk] or [admin], and by every host but one \
                        of cluster.learners, which then only observes";
            Err(source.broken(key, "(missing)", rule))
        }
    }
}

impl NodeTable {
    fn prove(self, source: &Source) -> Result<Node, ConfigError> {
        let Self { id, name } = self;
        source.rule(id > 0, "node.id", id, "must be at least 1")?;
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        source.rule(named, "node.name", quoted(&name), "must be printable ASCII without spaces")?;
        Ok(Node { id, name })
    }
}

impl SnapshotsTable {
    fn prove(self, source: &Source, logs: &Logs) -> Result<Snapshots, ConfigError> {
        let directory = self.directory.unwrap_or_else(|| logs.directory.join("snapshots"));
        let directory = whole(source, "snapshots.directory", directory)?;
        Ok(Snapshots { directory, every_commands: self.every_commands })
    }
}

impl RetentionTable {
    fn prove(self, source: &Source, snapshots: &Snapshots) -> Result<Retention, ConfigError> {
        let Self { keep, hours, gib, disk_percent, archive } = self;
        let is_all = match keep.as_str() {
            "all" => true,
            "needed" => false,
            other => {
                let rule = "must be \"all\" or \"needed\"";
                return Err(source.broken("retention.keep", quoted(other), rule));
            }
        };
        let more = [
            ("retention.hours", hours.map(|hours| hours.to_string())),
            ("retention.gib", gib.map(|gib| gib.to_string())),
            ("retention.disk_percent", disk_percent.map(|percent| percent.to_string())),
            ("retention.archive", archive.as_ref().map(|path| path.display().to_string())),
        ];
        for (key, value) in more.into_iter().filter(|_| is_all) {
            let rule = "says what is kept with retention.keep = \"needed\"";
            source.rule(value.is_none(), key, value.unwrap_or_default(), rule)?;
        }
        if is_all {
            return Ok(Retention::All);
        }
        let rule = "wants snapshots, from which a restart begins: set snapshots.every_commands";
        source.rule(snapshots.every_commands > 0, "retention.keep", quoted(&keep), rule)?;
        let disk_percent = disk_percent.unwrap_or(0);
        in_range(source, "retention.disk_percent", disk_percent, &(0..=DISK_PERCENT_MAX))?;
        let archive = archive.map(|path| whole(source, "retention.archive", path)).transpose()?;
        Ok(Retention::Needed(Kept {
            time: Nanos::from_secs(u64::from(hours.unwrap_or(0)) * 3_600),
            bytes: u64::from(gib.unwrap_or(0)) << 30,
            disk_percent,
            archive,
        }))
    }
}

impl ControlTable {
    fn prove(self, source: &Source) -> Result<Control, ConfigError> {
        let directory = whole(source, "control.directory", self.directory)?;
        let volatile = VOLATILE.iter().any(|place| directory.starts_with(place));
        let rule = "must be on a persistent file system: terms must never be used twice";
        source.rule(!volatile, "control.directory", directory.display(), rule)?;
        let key_file = self.cluster_key_file.unwrap_or_else(|| directory.join("cluster.key"));
        let cluster_key_file = whole(source, "control.cluster_key_file", key_file)?;
        Ok(Control { directory, cluster_key_file })
    }
}

impl DpdkTable {
    fn prove(self, source: &Source, order_entry: &OrderEntry) -> Result<Dpdk, ConfigError> {
        let Self { eal_args, device, mbufs, rx_descriptors, tx_descriptors } = self;
        let is_used = order_entry.backend == Backend::Dpdk;
        let queues = if is_used { order_entry.shards } else { 1 };
        let rule = "must be a virtual device, such as net_af_packet0,iface=rialto0, or a PCI address, \
                    such as 0000:03:00.0";
        let device = dpdk::whole_device(&device)
            .ok_or_else(|| source.broken("dpdk.device", quoted(&device), rule))?;
        let device = dpdk::with_queues(device, queues);
        let eal_args = eal_args.unwrap_or_else(|| dpdk::default_eal_args(&device));
        let named = eal_args.iter().find(|arg| arg.contains('\0') || arg.is_empty());
        let said = format!("{eal_args:?}");
        let rule = "must not be empty or hold a zero byte";
        source.rule(named.is_none(), "dpdk.eal_args", &said, rule)?;
        if let Some(rule) = dpdk::conflict(&device, &eal_args) {
            return Err(source.broken("dpdk.eal_args", said, rule));
        }
        in_range(source, "dpdk.rx_descriptors", rx_descriptors, &DESCRIPTORS)?;
        in_range(source, "dpdk.tx_descriptors", tx_descriptors, &DESCRIPTORS)?;
        let descriptors = u32::from(rx_descriptors) + u32::from(tx_descriptors);
        let least = u32::from(queues) * (descriptors + BUFFERS_SPARE);
        let mbufs = mbufs.unwrap_or_else(|| least.next_power_of_two().max(MBUFS_DEFAULT) - 1);
        in_range(source, "dpdk.mbufs", mbufs, &MBUFS)?;
        let rule = format_args!(
            "must be at least {least}, for the {descriptors} descriptors of both rings and \
             {BUFFERS_SPARE} on their way, of each queue"
        );
        source.rule(mbufs >= least, "dpdk.mbufs", mbufs, rule)?;
        Ok(Dpdk { eal_args, device, queues: queues.into(), mbufs, rx_descriptors, tx_descriptors })
    }
}

impl FeedTable {
    fn prove(self, source: &Source) -> Result<Feed, ConfigError> {
        let rule = "must be a multicast address and a port, such as 239.9.9.9:9100";
        let group: SocketAddrV4 = parsed(source, "feed.group", &self.group, rule)?;
        let multicast = group.ip().is_multicast() && group.port() != 0;
        source.rule(multicast, "feed.group", group, rule)?;
        source.rule(self.ttl > 0, "feed.ttl", self.ttl, "must be at least 1")?;
        Ok(Feed { group, source: self.source, ttl: self.ttl })
    }
}

impl AdminTable {
    fn prove(self, source: &Source) -> Result<Admin, ConfigError> {
        let rule = "must be a loopback address and a port: administration never leaves the machine";
        let listen: SocketAddrV4 = parsed(source, "admin.listen", &self.listen, rule)?;
        let loopback = listen.ip().is_loopback();
        source.rule(loopback, "admin.listen", listen, rule)?;
        Ok(Admin { listen })
    }
}

impl PlacementTable {
    fn prove(self, source: &Source, service: Option<&Service>) -> Result<Placement, ConfigError> {
        let Self { threads, idle, idle_sleep_us } = self;
        let stages = placement::stages(service);
        in_range(source, "placement.idle_sleep_us", idle_sleep_us, &IDLE_SLEEP_US)?;
        let idle = match idle.as_str() {
            "spin" => Idle::Spin,
            "backoff" => Idle::BackOff { sleep: Duration::from_micros(idle_sleep_us) },
            other => {
                let rule = "must be \"spin\" (isolated cores only) or \"backoff\"";
                return Err(source.broken("placement.idle", quoted(other), rule));
            }
        };
        let threads = threads.unwrap_or_else(|| placement::default(&stages));
        placement::prove(source, &threads, &stages)?;
        Ok(Placement { threads, idle })
    }
}

impl CapacityTable {
    fn prove(self, source: &Source) -> Result<Capacity, ConfigError> {
        let Self { orders, ports, accounts, instruments } = self;
        in_range(source, "capacity.orders", orders, &ORDERS)?;
        in_range(source, "capacity.ports", ports, &PORTS)?;
        in_range(source, "capacity.accounts", accounts, &ACCOUNTS)?;
        in_range(source, "capacity.instruments", instruments, &INSTRUMENTS)?;
        Ok(Capacity { orders, ports, accounts, instruments })
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

pub(super) fn whole(source: &Source, key: &str, path: PathBuf) -> Result<PathBuf, ConfigError> {
    source.rule(!path.as_os_str().is_empty(), key, "\"\"", "must be a path")?;
    Ok(path)
}

pub(super) fn parsed<T: std::str::FromStr>(
    source: &Source,
    key: &str,
    text: &str,
    rule: &str,
) -> Result<T, ConfigError> {
    text.parse().map_err(|_| source.broken(key, quoted(text), rule))
}

pub(super) fn in_range<T: Copy + PartialOrd + std::fmt::Display + std::fmt::Debug>(
    source: &Source,
    key: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), ConfigError> {
    source.rule(range.contains(&value), key, value, format_args!("must be in {range:?}"))
}
