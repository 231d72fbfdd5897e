//! A node over DPDK that is killed and started again, and a kernel client that was connected to it:
//! the kernel below the one knows nothing of the other's death, so only the new node can tell it.
//!
//! The test runs this binary again, in the lab and in the brokers' namespace of it, named by a role.
#![cfg(feature = "dpdk")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rialto::client::Credentials;
use rialto::config::secrets::PortSecrets;
use rialto::types::{PortName, SessionId};
use rialto::wire::soup::{self, CLIENT_HEARTBEAT, LoginRequest, Packet};

const TEST: &str = "a_client_of_a_killed_node_is_back_within_100_ms_of_the_next_ones_readiness";
const ROLE: &str = "RIALTO_LAB_ROLE";
const DIRECTORY: &str = "RIALTO_LAB_DIRECTORY";
const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hwconfig/lab.sh");
const MARKET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hwconfig/market-small.toml");
const ORDER_ENTRY: &str = "10.9.0.1:9001";
const KILLS: usize = 3;
const BOUND_MS: u64 = 100;
/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_client_of_a_killed_node_is_back_within_100_ms_of_the_next_ones_readiness() {
    match std::env::var(ROLE).as_deref() {
        Err(_) => {
            let site = Site::make();
            let output = role(&[LAB], "lab", &site.directory).output().unwrap();
            let [stdout, stderr] = [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let passed = output.status.success() && stdout.contains("1 passed");
            let log = fs::read_to_string(site.log()).unwrap_or_default();
            println!(
                "{}",
                stdout.lines().find(|line| line.starts_with("back")).unwrap_or_default()
            );
            assert!(passed, "{}\n{stdout}\n{stderr}\nthe node's log:\n{log}", output.status);
        }
        Ok("lab") => kill_and_start_again(&Site::at(std::env::var(DIRECTORY).unwrap().into())),
        Ok("client") => be_a_client(&Site::at(std::env::var(DIRECTORY).unwrap().into())),
        Ok(other) => panic!("no role {other}"),
    }
}

/// This test in another role, behind `prefix`.
fn role(prefix: &[&str], role: &str, directory: &Path) -> Command {
    let this = std::env::current_exe().unwrap();
    let words: Vec<_> = prefix.iter().copied().chain([this.to_str().unwrap()]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["--exact", TEST, "--nocapture"]);
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

    fn make() -> Self {
        let name = format!("restart-{}", std::process::id());
        let site =
            Self { directory: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), ours: true };
        let directory = site.directory.display();
        fs::create_dir_all(&site.directory).unwrap();
        let text = format!(
            r#"
            [node]
            id = 1
            name = "restart"
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
            listen = "{ORDER_ENTRY}"
            allow = ["10.9.0.0/24"]
            [feed]
            group = "239.9.9.9:9100"
            [capacity]
            orders = 1024
            ports = 16
            accounts = 16
            instruments = 16
            "#
        );
        fs::write(site.directory.join("node.toml"), text).unwrap();
        site
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn secrets(&self) -> PathBuf {
        self.directory.join("secrets")
    }

    /// Starts the node and returns it with the time at which it was ready.
    fn node(&self) -> (Child, u64) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.arg("run").arg("--config").arg(self.directory.join("node.toml"));
        if !self.secrets().exists() {
            command.args(["--market", MARKET]).arg("--secrets").arg(self.secrets());
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let ready = now_ms();
        assert_eq!(line, "ready\n", "the node does not start");
        (child, ready)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn kill_and_start_again(site: &Site) {
    let brokers = ["ip", "netns", "exec", "brokers"];
    let (mut node, _) = site.node();
    let mut client =
        role(&brokers, "client", &site.directory).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap());
    logged_in_at(&mut said);
    let mut back_after = Vec::new();
    for _ in 0..KILLS {
        node.kill().unwrap();
        node.wait().unwrap();
        // What the client's kernel does by itself some seconds after the last answer: it has given up
        // the address, and keeps what it has to send until somebody says where that is.
        let forgets = Command::new("ip")
            .args(["-n", "brokers", "neigh", "del", "10.9.0.1", "dev", "lab0"])
            .status()
            .unwrap();
        assert!(forgets.success());
        let ready;
        (node, ready) = site.node();
        back_after.push(logged_in_at(&mut said).saturating_sub(ready));
    }
    println!("back {back_after:?} ms after readiness");
    client.kill().unwrap();
    client.wait().unwrap();
    node.kill().unwrap();
    node.wait().unwrap();
    // Of three times one may fall into a moment in which the machine is somebody else's.
    back_after.sort_unstable();
    assert!(back_after[back_after.len() / 2] <= BOUND_MS, "{back_after:?} ms");
}

/// The time that the client says it was logged in at, next.
fn logged_in_at(said: &mut BufReader<ChildStdout>) -> u64 {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the client has ended");
        if let Some((_, millis)) = line.trim().split_once("logged in ") {
            return millis.parse().unwrap();
        }
    }
}

/// Stays logged in and says a heartbeat each 20 ms; when the connection is lost it logs in again.
fn be_a_client(site: &Site) {
    let secrets = PortSecrets::read(&site.secrets()).unwrap();
    let secret = secrets.get(PortName::new("ALFA01").unwrap()).unwrap();
    let credentials = Credentials::new("ALFA01", &secret.reveal()).unwrap();
    loop {
        let mut stream = login(&credentials);
        println!("logged in {}", now_ms());
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut bytes = [0; 4096];
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            if stream.write_all(&CLIENT_HEARTBEAT).is_err() {
                break;
            }
        }
        println!("lost {}", now_ms());
    }
}

fn login(credentials: &Credentials) -> TcpStream {
    let address: SocketAddr = ORDER_ENTRY.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (name, secret) = (credentials.name, credentials.secret);
    let session = SessionId::BLANK;
    let request = LoginRequest { name, secret, session, sequence: 0, heartbeat_timeout_ms: None };
    let mut packet = [0; soup::LOGIN_REQUEST_BYTES_MAX];
    let size = request.emit(&mut packet);
    stream.write_all(&packet[..size]).unwrap();
    let mut answer = [0; 256];
    let size = stream.read(&mut answer).unwrap();
    let answer = soup::parse(&answer[..size], answer.len()).unwrap();
    assert!(matches!(answer, Some((Packet::LoginAccepted(_), _))), "{answer:?}");
    stream
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}
