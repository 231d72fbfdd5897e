//! The files and addresses of a node of the drill.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use super::inside::NODES;
use super::{Args, BackendArg, TransportArg};
use crate::cli::lab::nodes::{FRONT, NETWORK, PREFIX, SERVICE, back_address, front_address};
use crate::counters::CounterReader;

/// Where brokers find whoever leads.
pub(super) const ORDER_ENTRY: SocketAddrV4 = SocketAddrV4::new(SERVICE, 9_001);
/// All nodes publish to one group, as one exchange.
pub(super) const FEED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 9, 9, 9), 9_100);
/// Where a node hears the others.
const CONSENSUS_PORT: u16 = 9_200;
/// Where payloads go by multicast, and the port from which they go where there is none.
const PAYLOADS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 9, 8, 1), 9_300);
const CONTROL_PORT: u16 = 9_301;
/// Orders in the books at a time.
const ORDERS: u32 = 131_072;

/// A node's.
pub(super) struct Site {
    pub(super) host: u32,
    dir: PathBuf,
    logs: PathBuf,
}

/// What the nodes share.
pub(super) fn cluster_key(dir: &Path) -> PathBuf {
    dir.join("cluster.key")
}

/// The market they begin with.
pub(super) fn market(dir: &Path) -> PathBuf {
    dir.join("market.toml")
}

/// The secrets of its ports.
pub(super) fn secrets(dir: &Path) -> PathBuf {
    dir.join("secrets")
}

impl Site {
    pub(super) fn new(dir: &Path, logs: &Path, host: u32) -> Self {
        Self { host, dir: dir.to_owned(), logs: logs.join(host.to_string()) }
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join(format!("node{}.toml", self.host))
    }

    pub(super) fn events(&self) -> PathBuf {
        self.logs.join("events")
    }

    /// What the node counts in this; 0 while it does not.
    pub(super) fn counter(&self, name: &str) -> u64 {
        let Ok(reader) = CounterReader::open(&self.logs) else { return 0 };
        let name = format!("replica.{name}");
        reader.counters().find(|(counter, _)| *counter == name).map_or(0, |(_, value)| value)
    }

    /// Its configuration.
    pub(super) fn config_text(&self, args: &Args) -> String {
        let Self { host, dir, logs } = self;
        let mut members = String::new();
        for host in 1..=NODES {
            let address = SocketAddrV4::new(back_address(host), CONSENSUS_PORT);
            let _infallible = write!(members, "{{ host = {host}, address = \"{address}\" }}, ");
        }
        let front = front_address(*host);
        let election_ms = args.election_ms;
        let entry = match args.backend {
            BackendArg::Kernel => format!("backend = \"kernel\"\ninterface = \"{FRONT}\"\n"),
            BackendArg::Dpdk => "backend = \"dpdk\"\n".to_owned(),
        };
        let dpdk = format!(
            "[dpdk]\neal_args = [\"--no-pci\", \"--no-telemetry\", \"--no-huge\", \"-m\", \"128\", \
             \"--no-shconf\"]\ndevice = \"net_af_packet0,iface={FRONT}\"\n"
        );
        let dpdk = if args.backend == BackendArg::Dpdk { dpdk.as_str() } else { "" };
        let driver = logs.with_extension("aeron");
        let aeron = format!("[cluster.aeron]\ndirectory = \"{}\"\n", driver.display());
        let (transport, aeron) = match args.transport {
            TransportArg::Udp => ("udp", String::new()),
            TransportArg::Aeron => ("aeron", format!("{aeron}group = \"{PAYLOADS}\"\n")),
            TransportArg::AeronUnicast => {
                ("aeron", format!("{aeron}control_port = {CONTROL_PORT}\n"))
            }
        };
        format!(
            "[node]\nid = {host}\nname = \"drill-{host}\"\n\
             [logs]\ndirectory = \"{}\"\ncommand_segment_mib = 16\nevent_segment_mib = 16\n\
             [snapshots]\nevery_commands = 0\n\
             [control]\ndirectory = \"{}\"\ncluster_key_file = \"{}\"\n\
             [order_entry]\n{entry}listen = \"{ORDER_ENTRY}\"\nprefix = {PREFIX}\nallow = [\"{NETWORK}/{PREFIX}\"]\n\
             connections_max = 64\nconnections_per_source_max = 64\n\
             messages_per_second_max = 1000000\n{dpdk}\
             [feed]\ngroup = \"{FEED}\"\nsource = \"{front}\"\n\
             [capacity]\norders = {ORDERS}\nports = 64\naccounts = 64\ninstruments = 64\n\
             [cluster]\nelection_ms = {election_ms}\ntransport = \"{transport}\"\n\
             members = [{members}]\n{aeron}",
            logs.display(),
            dir.join(format!("control{host}")).display(),
            cluster_key(dir).display(),
        )
    }
}

/// One instrument, and brokers that are too rich to be refused.
pub(super) fn market_text(brokers: u32) -> String {
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
