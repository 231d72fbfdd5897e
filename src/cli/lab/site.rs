//! The files and addresses of a node in the lab of a cluster.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use super::nodes::{FRONT, NETWORK, PREFIX, SERVICE, back_address, front_address};
use crate::counters::CounterReader;

/// Where brokers find whoever leads.
pub(in crate::cli) const ORDER_ENTRY: SocketAddrV4 = SocketAddrV4::new(SERVICE, 9_001);
/// All nodes publish to one group, as one exchange.
pub(in crate::cli) const FEED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 9, 9, 9), 9_100);
/// Where a node hears the others.
const CONSENSUS_PORT: u16 = 9_200;
/// Where payloads go by multicast, and the port from which they go where there is none.
const PAYLOADS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 9, 8, 1), 9_300);
const CONTROL_PORT: u16 = 9_301;
/// Orders in the books at a time.
const ORDERS: u32 = 131_072;

/// What carries order entry and feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum BackendArg {
    /// Kernel sockets.
    Kernel,
    /// A DPDK port.
    Dpdk,
}

/// What carries the messages between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum TransportArg {
    /// UDP, to each node directly.
    Udp,
    /// Aeron, payloads by multicast.
    Aeron,
    /// Aeron without multicast.
    AeronUnicast,
}

/// What nodes are set to.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Setup {
    /// Nodes of the cluster. One alone is no cluster.
    pub(in crate::cli) nodes: u32,
    pub(in crate::cli) backend: BackendArg,
    pub(in crate::cli) transport: TransportArg,
    /// The least silence before an election, in milliseconds.
    pub(in crate::cli) election_ms: u32,
    /// Brokers, each with a session of its own.
    pub(in crate::cli) brokers: u32,
}

/// A node's.
pub(in crate::cli) struct Site {
    pub(in crate::cli) host: u32,
    dir: PathBuf,
    logs: PathBuf,
}

/// What the nodes share.
pub(in crate::cli) fn cluster_key(dir: &Path) -> PathBuf {
    dir.join("cluster.key")
}

/// The market they begin with.
pub(in crate::cli) fn market(dir: &Path) -> PathBuf {
    dir.join("market.toml")
}

/// The secrets of its ports.
pub(in crate::cli) fn secrets(dir: &Path) -> PathBuf {
    dir.join("secrets")
}

impl Site {
    pub(in crate::cli) fn new(dir: &Path, logs: &Path, host: u32) -> Self {
        Self { host, dir: dir.to_owned(), logs: logs.join(host.to_string()) }
    }

    pub(in crate::cli) fn config(&self) -> PathBuf {
        self.dir.join(format!("node{}.toml", self.host))
    }

    pub(in crate::cli) fn events(&self) -> PathBuf {
        self.logs.join("events")
    }

    /// What the node counts in this; 0 while it does not.
    pub(in crate::cli) fn counter(&self, name: &str) -> u64 {
        let Ok(reader) = CounterReader::open(&self.logs) else { return 0 };
        let name = format!("replica.{name}");
        reader.counters().find(|(counter, _)| *counter == name).map_or(0, |(_, value)| value)
    }

    /// Where it hears brokers while it leads.
    pub(in crate::cli) fn order_entry(&self, setup: &Setup) -> SocketAddrV4 {
        // A node alone has no address to borrow.
        if setup.nodes > 1 {
            ORDER_ENTRY
        } else {
            SocketAddrV4::new(front_address(self.host), ORDER_ENTRY.port())
        }
    }

    /// Its configuration.
    pub(in crate::cli) fn config_text(&self, setup: &Setup) -> String {
        let Self { host, dir, logs } = self;
        let front = front_address(*host);
        let listen = self.order_entry(setup);
        let is_cluster = setup.nodes > 1;
        let entry = match setup.backend {
            BackendArg::Kernel if is_cluster => {
                format!("backend = \"kernel\"\ninterface = \"{FRONT}\"\n")
            }
            BackendArg::Kernel => "backend = \"kernel\"\n".to_owned(),
            BackendArg::Dpdk => "backend = \"dpdk\"\n".to_owned(),
        };
        let cluster = if is_cluster { self.cluster_text(setup) } else { String::new() };
        let dpdk = format!(
            "[dpdk]\neal_args = [\"--no-pci\", \"--no-telemetry\", \"--no-huge\", \"-m\", \"128\", \
             \"--no-shconf\"]\ndevice = \"net_af_packet0,iface={FRONT}\"\n"
        );
        let dpdk = if setup.backend == BackendArg::Dpdk { dpdk.as_str() } else { "" };
        format!(
            "[node]\nid = {host}\nname = \"lab-{host}\"\n\
             [logs]\ndirectory = \"{}\"\ncommand_segment_mib = 16\nevent_segment_mib = 16\n\
             [snapshots]\nevery_commands = 0\n\
             [control]\ndirectory = \"{}\"\ncluster_key_file = \"{}\"\n\
             [order_entry]\n{entry}listen = \"{listen}\"\nprefix = {PREFIX}\nallow = [\"{NETWORK}/{PREFIX}\"]\n\
             connections_max = 64\nconnections_per_source_max = 64\n\
             messages_per_second_max = 1000000\n{dpdk}\
             [feed]\ngroup = \"{FEED}\"\nsource = \"{front}\"\n\
             [capacity]\norders = {ORDERS}\nports = 64\naccounts = 64\ninstruments = 64\n{cluster}",
            logs.display(),
            dir.join(format!("control{host}")).display(),
            cluster_key(dir).display(),
        )
    }

    fn cluster_text(&self, setup: &Setup) -> String {
        let mut members = String::new();
        for host in 1..=setup.nodes {
            let address = SocketAddrV4::new(back_address(host), CONSENSUS_PORT);
            let _infallible = write!(members, "{{ host = {host}, address = \"{address}\" }}, ");
        }
        let driver = self.logs.with_extension("aeron");
        let aeron = format!("[cluster.aeron]\ndirectory = \"{}\"\n", driver.display());
        let (transport, aeron) = match setup.transport {
            TransportArg::Udp => ("udp", String::new()),
            TransportArg::Aeron => ("aeron", format!("{aeron}group = \"{PAYLOADS}\"\n")),
            TransportArg::AeronUnicast => {
                ("aeron", format!("{aeron}control_port = {CONTROL_PORT}\n"))
            }
        };
        let election_ms = setup.election_ms;
        format!(
            "[cluster]\nelection_ms = {election_ms}\ntransport = \"{transport}\"\n\
             members = [{members}]\n{aeron}"
        )
    }
}

/// One instrument, and brokers that are too rich to be refused.
pub(in crate::cli) fn market_text(brokers: u32) -> String {
    let mut text = "[[currency]]\ncode = \"USD\"\ncash_decimals = 4\n\
                    [[firm]]\ncode = \"XRLT\"\nopen_orders_max = 1\n\
                    [[instrument]]\nsymbol = \"ACME\"\ncurrency = \"USD\"\ntick_size = \"0.01\"\n\
                    reference_price = \"25.00\"\n\
                    [[port]]\nname = \"OPER01\"\nfirm = \"XRLT\"\nkind = \"admin\"\n"
        .to_owned();
    let open_orders_max = ORDERS / brokers - 1;
    for broker in 1..=brokers {
        let _infallible = write!(
            text,
            "[[firm]]\ncode = \"BR{broker:02}\"\nopen_orders_max = {open_orders_max}\n\
             [[account]]\nnumber = {}\nfirm = \"BR{broker:02}\"\nstatus = \"approved\"\n\
             cash = {{ USD = \"1000000000000.00\" }}\nshares = {{ ACME = 1000000000000 }}\n\
             [[port]]\nname = \"BRK{broker:02}\"\nfirm = \"BR{broker:02}\"\nkind = \"order_entry\"\n\
             disconnect = \"keep\"\ndefault_account = {}\n",
            1_000 + broker,
            1_000 + broker,
        );
    }
    text
}
