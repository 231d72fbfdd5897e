//! A node as a process of its own, with its files and addresses; everything is gone when it is dropped.
//!
//! It knows how to start, stop and kill a node, never what is said to one.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rialto::client::Credentials;
use rialto::config::secrets::PortSecrets;
use rialto::event_store::is_blank_log;
use rialto::types::PortName;

/// Longer than anything takes that is going to happen at all.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Brokers at a time.
pub(crate) const CONNECTIONS_MAX: usize = 64;

/// Everything in one thread, as a laptop has it.
pub(crate) const COMPOSITE: &str =
    r#"{ agents = ["order_entry", "sequencer", "engine", "market_data", "admin"] }"#;

/// The network on one thread, the pipeline on another.
const TWO_THREADS: &str = r#"
    { agents = ["order_entry", "admin"] },
    { agents = ["sequencer", "engine", "market_data"] },
"#;
/// Every stage on its own.
const FIVE_THREADS: &str = r#"
    { agents = ["order_entry"] }, { agents = ["sequencer"] }, { agents = ["engine"] },
    { agents = ["market_data"] }, { agents = ["admin"] },
"#;
/// All of them.
pub(crate) const PLACEMENTS: [&str; 3] = [COMPOSITE, TWO_THREADS, FIVE_THREADS];

/// What a node is started with.
pub(crate) struct Setup {
    /// The threads of its placement.
    pub(crate) placement: &'static str,
    /// Gateways of order entry, which the placement names each.
    pub(crate) shards: u8,
    /// How long ports may stay away before their orders are canceled.
    pub(crate) grace_ms: u32,
    /// Small ones, where a test wants its logs to have several.
    pub(crate) segment_mib: u32,
    /// What is on a small file system of its own, if anything is.
    pub(crate) small: Option<Small>,
    /// Where its logs are, and when an append counts.
    pub(crate) logs: Logs,
    /// Commands from one snapshot to the next, if any are to be taken.
    pub(crate) snapshot_every: u64,
    /// Whether firms have ports of OUCH 4.2 too, whose tokens only the events of the day tell: with such
    /// ports a start reads those from the beginning.
    pub(crate) older_ports: bool,
    /// Whether brokers may come by TLS too, which its placement names.
    pub(crate) tls: bool,
    /// Lines of its table of retention.
    pub(crate) retention: &'static str,
    /// Its number.
    pub(crate) host: u32,
    /// Its section about its cluster, if it is in one, and where the nodes have their key.
    pub(crate) cluster: Option<(String, PathBuf)>,
    /// Whether it makes the market, if its log is empty.
    pub(crate) founds: bool,
    /// Whether it only observes.
    pub(crate) observes: bool,
}

/// What of a node's has little room.
#[derive(Clone, Copy)]
pub(crate) enum Small {
    /// All that is in the logs' directory.
    Logs { mib: u32 },
    /// The snapshots.
    Snapshots { kib: u32 },
}

/// Where a node's logs are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logs {
    /// In `/dev/shm`.
    InMemory,
    /// On a disk, which gets them in the background.
    BehindOnDisk,
    /// On a disk, and an append counts when it is there.
    OnDisk,
}

impl Default for Setup {
    fn default() -> Self {
        let (grace_ms, segment_mib) = (60_000, 4);
        Self {
            placement: COMPOSITE,
            shards: 1,
            grace_ms,
            segment_mib,
            small: None,
            logs: Logs::InMemory,
            snapshot_every: 0,
            older_ports: true,
            tls: false,
            retention: "",
            host: 1,
            cluster: None,
            founds: true,
            observes: false,
        }
    }
}

/// The files and addresses of a node.
pub(crate) struct Site {
    pub(crate) logs: PathBuf,
    /// What must be on a persistent file system, and the files of the test.
    pub(crate) disk: PathBuf,
    pub(crate) order_entry: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Order entry over UDP.
    pub(crate) ufo: SocketAddr,
    /// Order entry over TLS.
    pub(crate) tls: SocketAddr,
    pub(crate) feed: SocketAddrV4,
    small: Option<Small>,
    pub(crate) founds: bool,
    observes: bool,
    /// No other test may have the node's ports as long as these live.
    _claims: [UdpSocket; 3],
    _ufo_claim: TcpListener,
}

impl Site {
    /// With the configuration and the market written, and nothing started.
    pub(crate) fn new(setup: &Setup) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rialto-node-{}-{number}", std::process::id());
        let (order_entry, claim) = claim_port();
        let (admin, admin_claim) = claim_port();
        let (tls, tls_claim) = claim_port();
        // Here the node needs the UDP port, so it is claimed by the TCP port of that number.
        let (ufo, claim_of_ufo) = claim_port();
        drop(claim_of_ufo);
        // The port alone tells this feed from those of other tests.
        let feed = SocketAddrV4::new(Ipv4Addr::new(239, 255, 71, 1), order_entry.port());
        let disk = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        let memory = Path::new("/dev/shm").join(&name);
        let site = Self {
            logs: if setup.logs == Logs::InMemory { memory } else { disk.join("logs") },
            disk,
            order_entry,
            admin,
            ufo,
            tls,
            feed,
            small: setup.small,
            founds: setup.founds,
            observes: setup.observes,
            _claims: [claim, admin_claim, tls_claim],
            _ufo_claim: TcpListener::bind(ufo).unwrap(),
        };
        fs::create_dir_all(&site.disk).unwrap();
        fs::write(site.config(), site.config_text(setup)).unwrap();
        fs::write(site.market(), market_text(setup)).unwrap();
        site
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.disk.join("node.toml")
    }

    pub(crate) fn market(&self) -> PathBuf {
        self.disk.join("market.toml")
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.disk.join("secrets")
    }

    pub(crate) fn commands(&self) -> PathBuf {
        self.logs.join("commands")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.logs.join("events")
    }

    pub(crate) fn books(&self) -> PathBuf {
        self.disk.join("books")
    }

    fn log(&self) -> PathBuf {
        self.disk.join("log")
    }

    /// What the node said on its standard error, over all its starts.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub(crate) fn credentials(&self, port: &str) -> Credentials {
        let secrets = PortSecrets::read(&self.secrets()).unwrap();
        let secret = secrets.get(PortName::new(port).unwrap()).expect("the market has the port");
        Credentials::new(port, &secret.reveal()).unwrap()
    }

    /// The node as a command, with a market if its log is empty.
    pub(crate) fn command(&self) -> Command {
        let mut command = match self.small {
            None => rialto(),
            Some(Small::Logs { mib }) => on_small_file_system(&self.logs, mib * 1024),
            Some(Small::Snapshots { kib }) => {
                on_small_file_system(&self.logs.join("snapshots"), kib)
            }
        };
        let subcommand = if self.observes { "observe" } else { "run" };
        command.arg(subcommand).arg("--config").arg(self.config());
        command.arg("--books-out").arg(self.books());
        if self.founds && is_blank_log(&self.commands()).unwrap() {
            command.arg("--market").arg(self.market()).arg("--secrets").arg(self.secrets());
        }
        command
    }

    fn tls_text(&self) -> String {
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
        format!(
            "[order_entry.tls]\nlisten = \"{}\"\ncertificate = \"{files}/certificate.pem\"\n\
             key = \"{files}/key.pem\"\nconnections_per_source_max = 1024\n",
            self.tls
        )
    }

    /// Where it serves.
    fn service_text(&self, setup: &Setup) -> String {
        let Self { order_entry, admin, feed, .. } = self;
        let ufo_port = self.ufo.port();
        let Setup { placement, shards, .. } = setup;
        let tls = if setup.tls { self.tls_text() } else { String::new() };
        format!(
            r#"
            [order_entry]
            backend = "kernel"
            listen = "{order_entry}"
            ufo_port = {ufo_port}
            shards = {shards}
            connections_max = {CONNECTIONS_MAX}
            connections_per_source_max = {CONNECTIONS_MAX}
            allow = ["127.0.0.0/8"]
            {tls}
            [feed]
            group = "{feed}"
            source = "127.0.0.1"
            [admin]
            listen = "{admin}"
            [placement]
            threads = [{placement}]
            "#
        )
    }

    fn config_text(&self, setup: &Setup) -> String {
        let Self { logs, disk, .. } = self;
        let Setup { segment_mib, snapshot_every, retention, host, .. } = setup;
        let own_key = disk.join("control/cluster.key");
        let (cluster, key) = match &setup.cluster {
            Some((section, key)) => (section.as_str(), key),
            None => ("", &own_key),
        };
        let service = if setup.observes { String::new() } else { self.service_text(setup) };
        let durability = if setup.logs == Logs::OnDisk { "disk" } else { "memory" };
        // How full this host's disk is, is no part of most stories.
        let percent = if setup.small.is_some() { [90, 95] } else { [101, 101] };
        let [refuse, hand_over] = percent;
        format!(
            r#"
            [node]
            id = {host}
            name = "test"
            [logs]
            directory = "{}"
            command_segment_mib = {segment_mib}
            event_segment_mib = {segment_mib}
            durability = "{durability}"
            refuse_orders_percent = {refuse}
            hand_over_percent = {hand_over}
            [snapshots]
            every_commands = {snapshot_every}
            [retention]
            {retention}
            [control]
            directory = "{}"
            cluster_key_file = "{}"
            {service}
            [capacity]
            orders = 65536
            ports = 64
            accounts = 64
            instruments = 64
            {cluster}
            "#,
            logs.display(),
            disk.join("control").display(),
            key.display(),
        )
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.logs);
        let _ = fs::remove_dir_all(&self.disk);
    }
}

/// A running node, or one that was stopped and can run again.
pub(crate) struct Node {
    pub(crate) site: Site,
    process: Option<Process>,
}

struct Process {
    child: Child,
    /// Its standard output, line by line; disconnected when it ends. Locked only so that the threads
    /// of a test can share the node.
    said: Mutex<Receiver<String>>,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::start_with(&Setup::default())
    }

    pub(crate) fn start_with(setup: &Setup) -> Self {
        Self::start_at(Site::new(setup))
    }

    pub(crate) fn start_at(site: Site) -> Self {
        let mut node = Self { site, process: None };
        node.start_again();
        node
    }

    /// Starts it on what it left behind, and waits until it serves.
    pub(crate) fn start_again(&mut self) {
        self.start_again_with(&[]);
    }

    /// The same, with more on its command line.
    pub(crate) fn start_again_with(&mut self, arguments: &[&str]) {
        assert!(self.process.is_none(), "it runs");
        let log = File::options().create(true).append(true).open(self.site.log()).unwrap();
        let mut command = self.site.command();
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (say, said) = channel();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| say.send(line)).ok()
        });
        let process = self.process.insert(Process { child, said: Mutex::new(said) });
        match process.said.lock().unwrap().recv_timeout(SOON) {
            Ok(line) => assert_eq!(line, "ready"),
            Err(error) => panic!("the node does not start: {error}\n{}", self.site.log_text()),
        }
    }

    /// Tries to start it on what it left behind, and returns why it does not.
    #[track_caller]
    pub(crate) fn fails_to_start(&self) -> String {
        assert!(self.process.is_none(), "it runs");
        fails(&mut self.site.command())
    }

    /// Kills it as the operating system does when memory is short: without a word.
    pub(crate) fn kill9(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }

    /// A path in the file systems that it sees.
    pub(crate) fn sees(&self, path: &Path) -> PathBuf {
        let process = self.process.as_ref().expect("it runs");
        let root = PathBuf::from(format!("/proc/{}/root", process.child.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    /// Sends it a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("it runs");
        let kill = format!("kill -{name} {}", process.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Stops it as an operator does, and returns its books.
    pub(crate) fn stop_in_order(&mut self) -> String {
        let mut process = self.process.take().expect("it runs");
        terminate(&process.child);
        let status = process.wait();
        assert!(status.success(), "{status}");
        fs::read_to_string(self.site.books()).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.child.try_wait().unwrap().is_none())
    }

    /// Waits until it stops by itself, which is a failure.
    pub(crate) fn must_fail(&mut self) {
        let status = self.process.take().expect("it runs").wait();
        assert_eq!(status.code(), Some(1), "{}", self.site.log_text());
    }

    /// A counter of the last gateway or feed of this name that closed, as the node's log has it.
    pub(crate) fn counter(&self, agent: &str, name: &str) -> u64 {
        let log = self.site.log_text();
        let line = log.lines().rfind(|line| line.contains(agent) && line.contains("counters="));
        let line = line.unwrap_or_else(|| panic!("{agent} did not close:\n{log}"));
        let (_, rest) = line.split_once(&format!(" {name}: ")).expect("it has such a counter");
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    }
}

impl Process {
    fn wait(&mut self) -> ExitStatus {
        let said = self.said.lock().unwrap();
        loop {
            match said.recv_timeout(SOON) {
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                // One that took an image of another node began again.
                Ok(line) if line == "ready" => {}
                other => panic!("the node does not stop: {other:?}"),
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
        if thread::panicking() {
            eprintln!("the node's log:\n{}", self.site.log_text());
        }
    }
}

/// Waits until what must happen has happened.
#[track_caller]
pub(crate) fn eventually(what: &str, mut has_happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !has_happened() {
        assert!(Instant::now() < deadline, "{what}: never");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs a command that ends by itself, and must fail, and returns what it says.
#[track_caller]
pub(crate) fn fails(command: &mut Command) -> String {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let given_up = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > given_up {
            child.kill().unwrap();
            panic!("it did not fail, it runs");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

/// The command under test.
pub(crate) fn rialto() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rialto"))
}

fn terminate(child: &Child) {
    let kill = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// The program in a mount name space of its own, as root there if not here, with so much room in
/// `directory`.
fn on_small_file_system(directory: &Path, kib: u32) -> Command {
    fs::create_dir_all(directory).unwrap();
    let directory = directory.display();
    let script = format!("mount -t tmpfs -o size={kib}k small {directory} && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", &script, "sh"]);
    command.arg(rialto().get_program());
    command
}

/// A TCP port of loopback that nobody has and no test gets as long as the socket lives. Outside the
/// range from which the kernel gives ports to clients, so it is still free after a restart.
fn claim_port() -> (SocketAddr, UdpSocket) {
    claim(|address| {
        let claim = UdpSocket::bind(address).ok()?;
        TcpListener::bind(address).is_ok().then_some(claim)
    })
}

/// A UDP port, likewise.
pub(crate) fn claim_udp_port() -> (SocketAddr, TcpListener) {
    claim(|address| {
        let claim = TcpListener::bind(address).ok()?;
        UdpSocket::bind(address).is_ok().then_some(claim)
    })
}

fn claim<C>(claim_at: impl Fn(SocketAddr) -> Option<C>) -> (SocketAddr, C) {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let next = std::process::id().wrapping_mul(101) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + next % COUNT).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if let Some(claim) = claim_at(address) {
            return (address, claim);
        }
    }
    panic!("no free port");
}

/// Two firms with two ports each that trade three instruments, and an operator.
fn market_text(setup: &Setup) -> String {
    let grace_ms = setup.grace_ms;
    let mut text = "[[currency]]\ncode = \"USD\"\ncash_decimals = 4\n".to_owned();
    for firm in ["ALFA", "BETA", "XRLT"] {
        writeln!(text, "[[firm]]\ncode = \"{firm}\"").unwrap();
    }
    for (symbol, price) in [("ACME", "25.00"), ("GLOBX", "112.50"), ("INITECH", "7.15")] {
        writeln!(
            text,
            "[[instrument]]\nsymbol = \"{symbol}\"\ncurrency = \"USD\"\ntick_size = \"0.01\"\n\
             reference_price = \"{price}\""
        )
        .unwrap();
    }
    for (number, firm) in [(1001, "ALFA"), (2001, "BETA")] {
        writeln!(
            text,
            "[[account]]\nnumber = {number}\nfirm = \"{firm}\"\nstatus = \"approved\"\n\
             cash = {{ USD = \"100000000.00\" }}\n\
             shares = {{ ACME = 1000000, GLOBX = 1000000, INITECH = 1000000 }}"
        )
        .unwrap();
        for port in ["01", "02"] {
            writeln!(
                text,
                "[[port]]\nname = \"{firm}{port}\"\nfirm = \"{firm}\"\nkind = \"order_entry\"\n\
                 disconnect = \"cancel\"\ngrace_ms = {grace_ms}\ndefault_account = {number}"
            )
            .unwrap();
        }
    }
    for (firm, account) in
        [("ALFA", 1001), ("BETA", 2001)].into_iter().filter(|_| setup.older_ports)
    {
        writeln!(
            text,
            "[[port]]\nname = \"{firm}42\"\nfirm = \"{firm}\"\nkind = \"order_entry\"\n\
             protocol = \"ouch42\"\ngrace_ms = {grace_ms}\ndefault_account = {account}"
        )
        .unwrap();
    }
    text.push_str("[[port]]\nname = \"ALFADC\"\nfirm = \"ALFA\"\nkind = \"drop_copy\"\n");
    text.push_str("[[port]]\nname = \"OPER01\"\nfirm = \"XRLT\"\nkind = \"admin\"\n");
    text
}
