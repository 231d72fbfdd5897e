//! The wire bench inside the lab: for each backend a node and a client, first undisturbed for the
//! figures, then once more with the node's recording on, for the breakdown. It measures nothing itself.

use std::fs;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::client::{Measured, port_name};
use super::report::{Backend, Report};
use super::{Args, BackendArg, BenchError, logs};
use crate::cli::bench::breakdown;
use crate::cli::bench::host::Host;
use crate::cli::lab::{
    self, BROKERS_ADDRESS, Children, NODE_ADDRESS, NODE_PREFIX, ProcessId, Said,
};
use crate::config::Config;

pub(super) const LISTEN: &str = "10.9.0.1:9001";
/// What comes from these ports of the client, which no kernel gives to whoever asks for any, is echoed
/// by the node.
const ECHO_PORTS: &str = "20000-20999";
const FIRST_ECHO_PORT: &str = "20000";
/// Echoed connections of a measurement: as many as sessions, up to this.
pub(super) const ECHOES_MAX: u16 = 1_000;
/// What node and client say when they may be used.
const READY: &str = "ready";
/// Patience with a start and with an end.
const START_MAX: Duration = Duration::from_mins(1);
pub(super) const END_MAX: Duration = Duration::from_mins(1);
/// Patience for a sample.
const SAMPLE_MAX: Duration = Duration::from_millis(20);
/// One more session, for a client that has a greedy one too.
const GREEDY: u32 = 1;
/// No limit: the greedy one is to be held back by its turns alone.
const MESSAGES_PER_SECOND: u32 = 1_000_000;
/// Orders of the breakdown.
const BREAKDOWN_ORDERS: u32 = 2_000;

pub(super) fn run(args: &Args, scratch: &Path) -> Result<(), BenchError> {
    let host = Host::look(&[args.cores.node, args.cores.client])?;
    let mut report = Report::new(host, args);
    for &backend in &args.backends {
        eprintln!("bench: {}", backend.name());
        let kernel = backend == BackendArg::Kernel;
        if kernel {
            lab::give_address()?;
        }
        let measured = Run::new(args, backend, 1, scratch, "figures")?.measure(&[])?;
        let mut once = Run::new(args, backend, 1, scratch, "breakdown")?;
        let steps = once.breakdown()?;
        if kernel {
            lab::take_address()?;
        }
        let service = once.config.service().filter(|_| !kernel);
        let pmd = service.map(|service| service.dpdk.driver().to_owned());
        report.backends.push(Backend::new(backend.name(), pmd, &measured, steps));
    }
    report.print(args.json);
    Ok(())
}

/// A node and its client.
pub(super) struct Run<'a> {
    args: &'a Args,
    backend: BackendArg,
    sessions: u32,
    dir: PathBuf,
    logs: PathBuf,
    config: Config,
    pub(super) children: Children,
}

impl<'a> Run<'a> {
    /// Writes the node's files.
    pub(super) fn new(
        args: &'a Args,
        backend: BackendArg,
        sessions: u32,
        scratch: &Path,
        name: &str,
    ) -> Result<Self, BenchError> {
        let name = format!("{}-{name}", backend.name());
        let (dir, logs) = (scratch.join(&name), logs(scratch).join(&name));
        fs::create_dir(&dir).map_err(BenchError::file(&dir))?;
        let node = dir.join("node.toml");
        fs::write(&node, node_toml(args, backend, sessions, &dir, &logs))
            .map_err(BenchError::file(&node))?;
        let market = dir.join("market.toml");
        fs::write(&market, market_toml(sessions)).map_err(BenchError::file(&market))?;
        let config = Config::load(&node)?;
        Ok(Self { args, backend, sessions, children: Children::new(&dir), dir, logs, config })
    }

    /// With echoes beside the orders, and nothing recorded.
    pub(super) fn measure(&mut self, more: &[&str]) -> Result<Measured, BenchError> {
        let Args { rounds, samples, .. } = *self.args;
        let echoes = self.sessions.min(ECHOES_MAX.into()).to_string();
        let node = self.start_node(None)?;
        let options = [&["--echo-port", FIRST_ECHO_PORT, "--echoes", &echoes], more].concat();
        let measured = self.run_client(1..=self.sessions, (rounds, samples), &options)?;
        self.stop(node)?;
        Ok(measured)
    }

    /// With orders alone, so that every span is an order's.
    pub(super) fn breakdown(
        &mut self,
    ) -> Result<Option<[u64; breakdown::STEPS.len()]>, BenchError> {
        let spans = self.dir.join("spans");
        let node = self.start_node(Some(&spans))?;
        self.run_client(1..=self.sessions, (1, BREAKDOWN_ORDERS), &["--keep"])?;
        self.stop(node)?;
        breakdown::read(&spans, BREAKDOWN_ORDERS as usize).map_err(BenchError::file(&spans))
    }

    /// Starts a process beyond the wire, in which `arguments` are this program's.
    pub(super) fn start_beyond(
        &mut self,
        name: &str,
        arguments: &[String],
    ) -> Result<ProcessId, BenchError> {
        let mut command = self.client_command()?;
        command.args(arguments);
        Ok(self.children.start(name, command)?)
    }

    /// The last line that a process says before its end, which must be a good one.
    pub(super) fn last_line(
        &mut self,
        id: ProcessId,
        limit: Duration,
    ) -> Result<String, BenchError> {
        let mut last = String::new();
        loop {
            match self.children.next_said(limit) {
                None => return Err(self.children.slow(id, "come to an end", limit).into()),
                Some((said, Said::Line(line))) if said == id => last = line,
                Some((said, Said::End)) if said == id => break,
                Some((other, Said::End)) => return Err(self.children.ended(other).into()),
                Some(_) => {}
            }
        }
        self.children.join(id, END_MAX)?;
        Ok(last)
    }

    /// The node's logs.
    #[cfg(feature = "dpdk")]
    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Where the node wrote the secrets of its ports.
    pub(super) fn secrets(&self) -> PathBuf {
        self.dir.join("secrets")
    }

    pub(super) fn start_node(&mut self, spans: Option<&Path>) -> Result<ProcessId, BenchError> {
        let mut node = lab::rialto()?;
        node.arg("run").arg("--config").arg(self.dir.join("node.toml"));
        node.arg("--market").arg(self.dir.join("market.toml"));
        node.arg("--secrets").arg(self.dir.join("secrets")).args(["--bench-echo", ECHO_PORTS]);
        if let Some(spans) = spans {
            node.arg("--bench-spans").arg(spans);
        }
        let node = self.children.start("node", node)?;
        self.children.await_line(node, READY, START_MAX)?;
        Ok(node)
    }

    pub(super) fn stop(&mut self, node: ProcessId) -> Result<(), BenchError> {
        self.children.terminate(node)?;
        self.children.join(node, END_MAX)?;
        // Room for the next one's.
        fs::remove_dir_all(&self.logs).map_err(BenchError::file(&self.logs))
    }

    /// Has the sessions of these ports order, so many in so many rounds.
    pub(super) fn run_client(
        &mut self,
        ports: RangeInclusive<u32>,
        (rounds, samples): (u32, u32),
        options: &[&str],
    ) -> Result<Measured, BenchError> {
        let mut client = self.client_command()?;
        client.args(["bench", "wire-client", "--connect", LISTEN]).args(options);
        client.arg("--secrets").arg(self.dir.join("secrets"));
        let numbers = [
            ("--first", ports.start().to_string()),
            ("--sessions", ports.count().to_string()),
            ("--rounds", rounds.to_string()),
            ("--samples", samples.to_string()),
            ("--core", self.args.cores.client.to_string()),
        ];
        client.args(numbers.iter().flat_map(|(name, value)| [*name, value.as_str()]));
        if let Some(device) = client_device(self.backend) {
            client.args(["--device", &device, "--address", BROKERS_ADDRESS]);
        }
        let client = self.children.start("client", client)?;
        let limit = START_MAX + 3 * rounds * samples * SAMPLE_MAX;
        let line = self.last_line(client, limit)?;
        serde_json::from_str(&line).map_err(|source| BenchError::Speech { line, source })
    }

    /// A memif client is beside the node: it has no other wire than the memory they share.
    fn client_command(&self) -> Result<Command, BenchError> {
        Ok(match client_device(self.backend) {
            Some(_) => lab::rialto()?,
            None => lab::rialto_beyond_the_wire()?,
        })
    }
}

/// The client's end of the shared memory, if that is what it speaks through.
pub(super) fn client_device(backend: BackendArg) -> Option<String> {
    memif(backend, "client")
}

/// The device of one end of the shared memory.
fn memif(backend: BackendArg, role: &str) -> Option<String> {
    (backend.name() == "memif").then(|| format!("net_memif0,role={role},socket=rialto-bench"))
}

/// What EAL is told of huge pages, instead of the default.
const HUGE_PAGES: &str =
    "eal_args = [\"--no-pci\", \"--no-telemetry\", \"--in-memory\", \"-m\", \"128\"]\n";

fn node_toml(args: &Args, backend: BackendArg, sessions: u32, dir: &Path, logs: &Path) -> String {
    let [logs, control] =
        [logs, &dir.join("control")].map(|path| toml::Value::from(path.to_string_lossy().as_ref()));
    let name = if backend == BackendArg::Kernel { "kernel" } else { "dpdk" };
    let device = memif(backend, "server").unwrap_or_else(|| args.device.clone());
    let device = toml::Value::from(device);
    let memory = if args.hugepages { HUGE_PAGES } else { "" };
    let core = args.cores.node;
    let ports = sessions + GREEDY;
    let connections = ports + u32::from(ECHOES_MAX);
    format!(
        "# Made by `rialto bench`.\n\
         [node]\nid = 1\nname = \"bench\"\n\
         [logs]\ndirectory = {logs}\ndurability = \"memory\"\n\
         [snapshots]\nevery_commands = 0\n\
         [control]\ndirectory = {control}\n\
         [order_entry]\nbackend = \"{name}\"\nlisten = \"{LISTEN}\"\nprefix = {NODE_PREFIX}\n\
         allow = [\"10.9.0.0/24\"]\n\
         connections_max = {connections}\nconnections_per_source_max = {connections}\n\
         messages_per_second_max = {MESSAGES_PER_SECOND}\n\
         [capacity]\nports = {ports}\n\
         [dpdk]\ndevice = {device}\n{memory}\
         [feed]\ngroup = \"239.9.9.9:9100\"\nsource = \"{NODE_ADDRESS}\"\n\
         [placement]\nidle = \"spin\"\n\
         threads = [{{ core = {core}, agents = \
         [\"order_entry\", \"sequencer\", \"engine\", \"market_data\", \"admin\"] }}]\n"
    )
}

/// Two brokers, rich enough for every order, with a port for each session in turns.
fn market_toml(sessions: u32) -> String {
    let ports = (1..=sessions + GREEDY).map(|number| {
        let name = port_name(number);
        let (firm, account) = if number % 2 == 1 { ("ALFA", 1001) } else { ("BETA", 2001) };
        format!(
            "[[port]]\nname = \"{name}\"\nfirm = \"{firm}\"\nkind = \"order_entry\"\n\
             disconnect = \"keep\"\ndefault_account = {account}\n"
        )
    });
    MARKET.to_owned() + &ports.collect::<String>()
}

const MARKET: &str = r#"# Made by `rialto bench`.
[[currency]]
code = "USD"
cash_decimals = 4
[[firm]]
code = "ALFA"
[[firm]]
code = "BETA"
[[instrument]]
symbol = "ACME"
currency = "USD"
tick_size = "0.01"
reference_price = "25.00"
[[account]]
number = 1001
firm = "ALFA"
status = "approved"
cash = { USD = "1000000000.00" }
shares = { ACME = 100000000 }
[[account]]
number = 2001
firm = "BETA"
status = "approved"
cash = { USD = "1000000000.00" }
shares = { ACME = 100000000 }
"#;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::market::Market;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_benchs_files_are_proven_for_every_backend() {
        let Line { args } = Line::parse_from(["wire", "--cores", "3,2", "--hugepages"]);
        assert_eq!(args.backends, BackendArg::ALL);
        for (backend, sessions) in BackendArg::ALL.into_iter().zip([1, 1_000, 10_000]) {
            let [dir, logs] = ["/var/x", "/dev/shm/x"].map(Path::new);
            let text = node_toml(&args, backend, sessions, dir, logs);
            let config = Config::parse(Path::new("node.toml"), &text).unwrap();
            assert_eq!(config.service().unwrap().order_entry.listen.to_string(), LISTEN);
            assert_eq!(config.placement().threads[0].core, Some(3));
            let market = Market::parse(Path::new("market.toml"), &market_toml(sessions)).unwrap();
            market.fits(&config).unwrap();
        }
    }
}
