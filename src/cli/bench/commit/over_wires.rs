//! The whole exchange on machines of its own as far as it can see, and a broker on another: how long an order
//! is under way until it is accepted, and how many are in a second, of a node alone and of three.
//!
//! It runs in a lab; what it measured comes out by a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cli::CliError;
use crate::cli::bench::BenchError;
use crate::cli::bench::scratch::Scratch;
use crate::cli::lab::cluster::Cluster;
use crate::cli::lab::site::{self, BackendArg, Setup, TransportArg};
use crate::cli::lab::{self, Lab};
use crate::client::{Credentials, Incoming, SessionClient};
use crate::config::secrets::PortSecrets;
use crate::types::{
    PortName, PortSecret, Price, Quantity, SessionId, Side, Symbol, TimeInForce, UserRefNum,
};
use crate::wire::ouch::{Enter, Options, Outbound};

/// Orders one at a time, and as many under way as fit.
const ORDERS: u32 = 4_000;
const RATE_ORDERS: u32 = 200_000;
const WINDOW: u32 = 1_024;
/// Orders in a segment of the broker's.
const BURST: u32 = 16;
const PATIENCE: Duration = Duration::from_secs(10);
const PORT: &str = "BRK01";

/// Arguments of the inside.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli::bench) struct NodesArgs {
    /// How many.
    nodes: u32,
    /// Where files go, and logs, and figures.
    dir: PathBuf,
    logs: PathBuf,
    figures: PathBuf,
    #[arg(long)]
    shorten: u32,
}

/// What was measured of one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Served {
    /// Nanoseconds of each order from the broker's `send` until it reads that it is accepted.
    pub(super) latencies: Vec<u64>,
    /// Orders accepted in a second.
    pub(super) per_second: u64,
}

/// Measures so many nodes in a lab, with their logs below `memory` and the rest of their files, which a
/// node wants on a disk, below `disk`.
pub(super) fn measure(
    memory: &Path,
    disk: &Path,
    nodes: u32,
    shorten: u32,
) -> Result<Served, BenchError> {
    let logs = Scratch::make(&memory.join("wires"))?;
    let files = Scratch::make(&disk.join("wires"))?;
    let figures = files.path().join("figures");
    let [dir, logs] = [&files, &logs].map(Scratch::path);
    let paths = [dir, logs, &figures].map(|path| path.display().to_string());
    let words = ["bench", "commit-nodes"].map(str::to_owned);
    let shorten = ["--shorten".to_owned(), shorten.to_string()];
    let arguments = words.into_iter().chain([nodes.to_string()]).chain(paths).chain(shorten);
    if !lab::run(Lab::Nodes(nodes), arguments)?.success() {
        return Err(BenchError::Inside);
    }
    let line = fs::read_to_string(&figures).map_err(BenchError::file(&figures))?;
    serde_json::from_str(&line).map_err(|source| BenchError::Speech { line, source })
}

/// The inside.
pub(in crate::cli::bench) fn run_nodes(args: &NodesArgs) -> Result<(), BenchError> {
    let NodesArgs { nodes, dir, logs, figures, shorten } = args;
    let (backend, transport) = (BackendArg::Kernel, TransportArg::Udp);
    let setup = Setup { nodes: *nodes, backend, transport, election_ms: 2_000, brokers: 1 };
    let mut cluster = Cluster::begin(&setup, dir, logs).map_err(Box::new)?;
    let secrets = PortSecrets::read(&site::secrets(dir))?;
    let secret = PortName::new(PORT).and_then(|name| secrets.get(name)).map(PortSecret::reveal);
    let credentials = secret.and_then(|secret| Credentials::new(PORT, &secret));
    let credentials = credentials.ok_or_else(|| Box::new(CliError::Credentials))?;
    let address = cluster.sites[0].order_entry(&setup).into();
    let client = SessionClient::login(address, credentials, SessionId::BLANK, 1, PATIENCE)?;
    let mut broker = Broker { client, sent: 0, accepted: 0 };
    let latencies = broker.one_at_a_time(ORDERS / shorten)?;
    let per_second = broker.many(RATE_ORDERS / shorten)?;
    broker.client.logout()?;
    cluster.stop().map_err(Box::new)?;
    let served = serde_json::to_string(&Served { latencies, per_second });
    let served = served.expect("figures are JSON");
    fs::write(figures, served).map_err(BenchError::file(figures))
}

/// A broker whose orders find nobody, and end at once.
struct Broker {
    client: SessionClient,
    sent: u32,
    accepted: u32,
}

impl Broker {
    fn one_at_a_time(&mut self, orders: u32) -> Result<Vec<u64>, BenchError> {
        let mut latencies = Vec::new();
        for _ in 0..orders {
            let begin = Instant::now();
            self.enter()?;
            self.client.flush()?;
            while self.accepted < self.sent {
                self.hear()?;
            }
            latencies.push(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        Ok(latencies)
    }

    fn many(&mut self, orders: u32) -> Result<u64, BenchError> {
        let begin = Instant::now();
        let last = self.sent + orders;
        while self.accepted < last {
            if self.sent < last && self.sent + BURST <= self.accepted + WINDOW {
                for _ in 0..BURST.min(last - self.sent) {
                    self.enter()?;
                }
                self.client.flush()?;
            } else {
                self.hear()?;
            }
        }
        let nanos = begin.elapsed().as_nanos().max(1);
        Ok(u64::try_from(u128::from(orders) * 1_000_000_000 / nanos).unwrap_or(u64::MAX))
    }

    fn enter(&mut self) -> Result<(), BenchError> {
        self.sent += 1;
        let order = Enter::new(
            UserRefNum(self.sent),
            Side::Buy,
            Quantity(100),
            Symbol::new("ACME").expect("four letters"),
            Price(250_000),
            TimeInForce::ImmediateOrCancel,
        );
        Ok(self.client.enter(&order, &Options::default())?)
    }

    fn hear(&mut self) -> Result<(), BenchError> {
        let silence = BenchError::Silence { what: "answer", seconds: PATIENCE.as_secs() };
        match self.client.receive(PATIENCE)? {
            None | Some(Incoming::EndOfSession) => Err(silence),
            Some(Incoming::Message { message, .. }) => match Outbound::parse(message) {
                Ok(Outbound::Accepted(..)) => {
                    self.accepted += 1;
                    Ok(())
                }
                Ok(Outbound::Rejected(rejected, _)) => {
                    Err(BenchError::Answer(format!("{rejected:?}")))
                }
                // Its end, and the exchange's.
                _ => Ok(()),
            },
        }
    }
}
