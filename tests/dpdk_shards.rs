//! A node whose order entry is two shards over two pairs of queues of a DPDK port, and hosts of a kernel's
//! on the other side: which queue a frame comes to is the device's affair, and nobody notices.
//!
//! Each test runs this binary again, in the lab and for the hosts, named by a role.
#![cfg(feature = "dpdk")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rialto::config::secrets::PortSecrets;
use rialto::counters::CounterReader;
use rialto::net::steering::{PLACES, Spread};
use rialto::types::{PortName, Price, Quantity, SessionId, Side, Symbol, TimeInForce, UserRefNum};
use rialto::wire::ouch::{ENTER_BYTES_MAX, Enter, Options, Outbound};
use rialto::wire::soup::{self, LoginRequest, Packet};
use socket2::{Domain, Socket, Type};

const ROLE: &str = "RIALTO_LAB_ROLE";
const DIRECTORY: &str = "RIALTO_LAB_DIRECTORY";
const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hwconfig/lab.sh");
const MARKET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hwconfig/market-small.toml");
const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const PORT: u16 = 9_001;
const SHARDS: u8 = 2;
/// Hosts on the other side: their addresses' last bytes.
const HOSTS: std::ops::Range<u8> = 2..12;
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn hosts_trade_over_two_queues_of_af_packet_to_which_the_kernel_spreads_flows() {
    let test = "hosts_trade_over_two_queues_of_af_packet_to_which_the_kernel_spreads_flows";
    story(test, "net_af_packet0,iface=rialto0", "lab0");
}

#[test]
fn hosts_trade_over_two_queues_of_a_tap() {
    // In a lab anybody may make one.
    fs::File::open("/dev/net/tun").expect("a tap needs the kernel's tun: modprobe tun");
    story("hosts_trade_over_two_queues_of_a_tap", "net_tap0,iface=tap0", "tap0");
}

/// One of the roles of a test over this device, with the hosts behind this interface of the kernel's.
fn story(test: &str, device: &str, interface: &str) {
    match std::env::var(ROLE).as_deref() {
        Err(_) => {
            let site = Site::make(test, device);
            let output = role(&[LAB], test, "lab", &site.directory).output().unwrap();
            let [stdout, stderr] = [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let log = fs::read_to_string(site.log()).unwrap_or_default();
            let passed = output.status.success() && stdout.contains("1 passed");
            println!(
                "{}",
                stdout.lines().find(|line| line.starts_with("shard")).unwrap_or_default()
            );
            assert!(passed, "{}\n{stdout}\n{stderr}\nthe node's log:\n{log}", output.status);
        }
        Ok("lab") => {
            let site = Site::at(std::env::var(DIRECTORY).unwrap().into());
            let mut node = site.node();
            let beyond: &[&str] =
                if interface == "lab0" { &["ip", "netns", "exec", "brokers"] } else { &[] };
            let status = role(beyond, test, "hosts", &site.directory).status().unwrap();
            node.kill().unwrap();
            node.wait().unwrap();
            assert!(status.success());
        }
        Ok("hosts") => be_hosts(&Site::at(std::env::var(DIRECTORY).unwrap().into()), interface),
        Ok(other) => panic!("no role {other}"),
    }
}

/// A test in another role, behind `prefix`.
fn role(prefix: &[&str], test: &str, role: &str, directory: &Path) -> Command {
    let this = std::env::current_exe().unwrap();
    let words: Vec<_> = prefix.iter().copied().chain([this.to_str().unwrap()]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["--exact", test, "--nocapture"]);
    command.env(ROLE, role).env(DIRECTORY, directory).stdin(Stdio::null());
    command
}

/// The files of a node, removed by the process that made them.
struct Site {
    directory: PathBuf,
    ours: bool,
}

impl Site {
    fn at(directory: PathBuf) -> Self {
        Self { directory, ours: false }
    }

    fn make(test: &str, device: &str) -> Self {
        let name = format!("shards-{}-{}", test.len(), std::process::id());
        let site =
            Self { directory: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), ours: true };
        let directory = site.directory.display();
        fs::create_dir_all(&site.directory).unwrap();
        let config = format!(
            r#"
            [node]
            id = 1
            name = "shards"
            [logs]
            directory = "{directory}/logs"
            command_segment_mib = 4
            event_segment_mib = 4
            [snapshots]
            every_commands = 0
            [control]
            directory = "{directory}/control"
            [order_entry]
            backend = "dpdk"
            listen = "{OURS}:{PORT}"
            shards = {SHARDS}
            allow = ["10.9.0.0/24"]
            [dpdk]
            device = "{device}"
            [feed]
            group = "239.9.9.9:9100"
            [placement]
            threads = [
                {{ agents = ["order_entry"] }},
                {{ agents = ["order_entry", "sequencer", "engine", "market_data", "admin"] }},
            ]
            [capacity]
            orders = 1024
            ports = 16
            accounts = 16
            instruments = 16
            "#
        );
        fs::write(site.directory.join("node.toml"), config).unwrap();
        site
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn secrets(&self) -> PathBuf {
        self.directory.join("secrets")
    }

    /// Starts the node.
    fn node(&self) -> Child {
        let log = fs::File::create(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.arg("run").arg("--config").arg(self.directory.join("node.toml"));
        command.args(["--market", MARKET]).arg("--secrets").arg(self.secrets());
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the node does not start");
        child
    }

    /// A counter of each shard.
    fn counted(&self, name: &str) -> [u64; SHARDS as usize] {
        let reader = CounterReader::open(&self.directory.join("logs")).unwrap();
        let counters: Vec<_> = reader.counters().collect();
        std::array::from_fn(|shard| {
            let name = format!("order_entry.{shard}.{name}");
            counters.iter().find(|(known, _)| *known == name).expect("it is counted").1
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Hosts of each shard take a port from each other again and again, and then two trade.
fn be_hosts(site: &Site, interface: &str) {
    for host in HOSTS {
        // The lab has given the first one.
        let added = Command::new("ip")
            .args(["addr", "add", &format!("10.9.0.{host}/24"), "dev", interface])
            .status();
        assert!(added.unwrap().success() || host == HOSTS.start);
    }
    assert!(Command::new("ip").args(["link", "set", interface, "up"]).status().unwrap().success());
    let spread = Spread::new(SHARDS, OURS, PLACES);
    let of = |shard| {
        let mut hosts = HOSTS.map(|host| Ipv4Addr::new(10, 9, 0, host));
        hosts.find(|&host| spread.shard_of(host) == shard).expect("hosts are spread")
    };
    let [one, two] = [of(0), of(1)];

    let mut expected = vec!["system S".to_owned()];
    let mut session: Option<Session> = None;
    for number in 1..=8_u32 {
        let host = if number % 2 == 0 { one } else { two };
        let mut newer = Session::login(site, host, "ALFA01", 1);
        newer.must_hear(&expected);
        if let Some(mut older) = session.replace(newer) {
            assert_eq!(older.hears(), None, "the older session goes on");
        }
        let newer = session.as_mut().unwrap();
        newer.enters(number, Side::Sell);
        expected.push(format!("accepted {number}"));
        newer.must_hear(&expected[expected.len() - 1..]);
    }
    // The last one is on the first shard; its counterpart is on the second.
    let mut buyer = Session::login(site, two, "BETA01", 1);
    buyer.enters(1, Side::Buy);
    buyer.must_hear(&["system S", "accepted 1", "executed 1"].map(str::to_owned));
    session.unwrap().must_hear(&["executed 1".to_owned()]);
    // Many connections at once, from all hosts: each is served by its own shard.
    let open: Vec<_> = HOSTS.map(|host| connect(Ipv4Addr::new(10, 9, 0, host))).collect();
    let logins = [4, 5];
    let mut due = logins;
    for host in HOSTS {
        due[usize::from(spread.shard_of(Ipv4Addr::new(10, 9, 0, host)))] += 1;
    }
    let given_up = Instant::now() + PATIENCE;
    while site.counted("connections") != due {
        assert!(Instant::now() < given_up, "{:?} of {due:?}", site.counted("connections"));
        thread::sleep(Duration::from_millis(10));
    }
    drop(open);
    assert_eq!(site.counted("logins"), logins);
    assert_eq!(site.counted("stack.passed_lost"), [0, 0]);
    assert_eq!(
        site.counted("stack.rst_sent"),
        [0, 0],
        "a segment came to a shard that is not its own"
    );
    println!(
        "shards: received {:?}, passed on {:?}, logins {:?}",
        site.counted("stack.rx_frames"),
        site.counted("stack.passed_on"),
        site.counted("logins")
    );
}

fn connect(from: Ipv4Addr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect_timeout(&SocketAddr::from((OURS, PORT)).into(), PATIENCE).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A broker's session.
struct Session {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Session {
    fn login(site: &Site, from: Ipv4Addr, port: &str, sequence: u64) -> Self {
        let secrets = PortSecrets::read(&site.secrets()).unwrap();
        let name = PortName::new(port).unwrap();
        let secret = secrets.get(name).unwrap().reveal();
        let request = LoginRequest {
            name,
            secret: SessionId::new(&secret).unwrap().0,
            session: SessionId::BLANK,
            sequence,
            heartbeat_timeout_ms: None,
        };
        let mut packet = [0; soup::LOGIN_REQUEST_BYTES_MAX];
        let length = request.emit(&mut packet);
        let mut session = Self { stream: connect(from), unread: Vec::new() };
        session.stream.write_all(&packet[..length]).unwrap();
        assert_eq!(session.hears().as_deref(), Some("let in"));
        session
    }

    /// 100 ACME at 25.00.
    fn enters(&mut self, number: u32, side: Side) {
        let (symbol, price) = (Symbol::new("ACME").unwrap(), Price(250_000));
        let number = UserRefNum(number);
        let order = Enter::new(number, side, Quantity(100), symbol, price, TimeInForce::Day);
        let mut message = [0; ENTER_BYTES_MAX];
        let length = order.emit(&Options::default(), &mut message);
        let header = soup::unsequenced_header(length).unwrap();
        self.stream.write_all(&[&header[..], &message[..length]].concat()).unwrap();
    }

    /// The next packet but heartbeats in words; `None` when the connection is closed.
    fn hears(&mut self) -> Option<String> {
        loop {
            if let Some((packet, size)) = soup::parse(&self.unread, usize::from(u16::MAX)).unwrap()
            {
                let said = match packet {
                    Packet::LoginAccepted(_) => Some("let in".to_owned()),
                    Packet::SequencedData(message) => Some(said(message)),
                    Packet::ServerHeartbeat => None,
                    other => panic!("{other:?}"),
                };
                self.unread.drain(..size);
                if said.is_some() {
                    return said;
                }
                continue;
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing comes: {error}"),
            }
        }
    }

    #[track_caller]
    fn must_hear(&mut self, expected: &[String]) {
        for message in expected {
            assert_eq!(self.hears().as_ref(), Some(message));
        }
    }
}

fn said(message: &[u8]) -> String {
    match Outbound::parse(message).unwrap() {
        Outbound::SystemEvent(_) => "system S".to_owned(),
        Outbound::Accepted(m, _) => format!("accepted {}", m.user_ref_num),
        Outbound::Executed(m, _) => format!("executed {}", m.user_ref_num),
        other => panic!("{other:?}"),
    }
}
