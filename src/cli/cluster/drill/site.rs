//! The files and addresses of a node of the drill.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use crate::counters::CounterReader;

/// Ports of loopback that nobody has, for each node: order entry, administration, consensus.
pub(super) type Ports = Vec<[u16; 3]>;

/// A node's.
pub(super) struct Site {
    pub(super) host: u32,
    pub(super) order_entry: SocketAddr,
    pub(super) feed: SocketAddrV4,
    dir: PathBuf,
    logs: PathBuf,
    ports: Ports,
}

/// Below those that the kernel gives to clients, so that they stay free while a node is down.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;
/// Orders in the books at a time.
const ORDERS: u32 = 131_072;

/// Finds ports for so many nodes.
pub(super) fn claim_ports(nodes: u32) -> io::Result<Ports> {
    let begin =
        u16::try_from(std::process::id() % u32::from(PORTS)).expect("below a port's number");
    let free = (0..PORTS).map(|offset| FIRST_PORT + (begin + offset) % PORTS).filter(|port| {
        let address = (Ipv4Addr::LOCALHOST, *port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    });
    let free: Vec<_> = free.take(3 * nodes as usize).collect();
    let ports: Ports = free.chunks_exact(3).map(|ports| [ports[0], ports[1], ports[2]]).collect();
    if ports.len() < nodes as usize { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(ports) }
}

impl Site {
    pub(super) fn new(dir: &Path, host: u32, ports: &Ports) -> Self {
        let [order_entry, ..] = ports[host as usize - 1];
        let logs = format!("/dev/shm/rialto-drill-{}-{host}", std::process::id());
        Self {
            host,
            order_entry: SocketAddr::from((Ipv4Addr::LOCALHOST, order_entry)),
            // All nodes publish to one group, as one exchange.
            feed: SocketAddrV4::new(Ipv4Addr::new(239, 255, 72, 1), ports[0][0]),
            dir: dir.to_owned(),
            logs: logs.into(),
            ports: ports.clone(),
        }
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join(format!("node{}.toml", self.host))
    }

    pub(super) fn market(&self) -> PathBuf {
        self.dir.join("market.toml")
    }

    pub(super) fn secrets(&self) -> PathBuf {
        self.dir.join("secrets")
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

    /// Writes its configuration, and the market.
    pub(super) fn write(&self, election_ms: u32, brokers: u32) -> io::Result<()> {
        fs::write(self.config(), self.config_text(election_ms))?;
        fs::write(self.market(), market_text(brokers))
    }

    fn config_text(&self, election_ms: u32) -> String {
        let Self { host, order_entry, feed, dir, logs, ports } = self;
        let [_, admin, _] = ports[*host as usize - 1];
        let mut members = String::new();
        for (host, [.., consensus]) in (1..).zip(ports) {
            let _infallible =
                write!(members, "{{ host = {host}, address = \"127.0.0.1:{consensus}\" }}, ");
        }
        format!(
            "[node]\nid = {host}\nname = \"drill-{host}\"\n\
             [logs]\ndirectory = \"{}\"\ncommand_segment_mib = 16\nevent_segment_mib = 16\n\
             [snapshots]\nevery_commands = 0\n\
             [control]\ndirectory = \"{}\"\ncluster_key_file = \"{}\"\n\
             [order_entry]\nbackend = \"kernel\"\nlisten = \"{order_entry}\"\nallow = [\"127.0.0.0/8\"]\n\
             connections_max = 64\nconnections_per_source_max = 64\n\
             messages_per_second_max = 1000000\n\
             [feed]\ngroup = \"{feed}\"\nsource = \"127.0.0.1\"\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\n\
             [capacity]\norders = {ORDERS}\nports = 64\naccounts = 64\ninstruments = 64\n\
             [cluster]\nelection_ms = {election_ms}\nmembers = [{members}]\n",
            logs.display(),
            dir.join(format!("control{host}")).display(),
            dir.join("cluster.key").display(),
        )
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.logs);
    }
}

/// One instrument, and brokers that are too rich to be refused.
fn market_text(brokers: u32) -> String {
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
