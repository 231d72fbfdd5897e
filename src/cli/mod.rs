//! The commands of `rialto`: arguments in, text out. They start nodes, clients and tools; what these
//! do is elsewhere.
#![allow(clippy::print_stdout, reason = "speaking to whoever ran the command is what this is for")]

pub mod archive;
pub mod bench;
pub mod client;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod feed;
mod lab;
pub mod log;
pub mod market;
pub mod observe;
pub mod run;
pub mod sim;
pub mod stat;
mod units;

use std::path::PathBuf;
use std::time::Duration;

use crate::types::{Date, Refusal};

/// Why a command failed, in words for whoever ran it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// A configuration or market file.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The node.
    #[error(transparent)]
    Node(#[from] crate::node::NodeError),
    /// A log.
    #[error(transparent)]
    Store(#[from] crate::event_store::StoreError),
    /// A snapshot.
    #[error(transparent)]
    Snapshot(#[from] crate::event_store::SnapshotFileError),
    /// The repair of a log.
    #[error(transparent)]
    Repair(#[from] crate::event_store::RepairError),
    /// A control file.
    #[error(transparent)]
    Control(#[from] crate::event_store::ControlError),
    /// A control file says nothing of an event log.
    #[error("{}: not a command log, of which alone --control tells something", directory.display())]
    NotCommands {
        /// The log.
        directory: PathBuf,
    },
    /// The counters.
    #[error(transparent)]
    Counters(#[from] crate::counters::CountersError),
    /// A record in a log.
    #[error(transparent)]
    Record(#[from] crate::types::RecordError),
    /// A look into a log.
    #[error(transparent)]
    Log(#[from] log::LogError),
    /// A bench.
    #[error(transparent)]
    Bench(#[from] bench::BenchError),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    /// A broker of the demo.
    #[error(transparent)]
    Broker(#[from] demo::BrokerError),
    /// Two dumps of books are not equal.
    #[error("the books differ at {0}")]
    BooksDiffer(demo::Difference),
    /// The exchange, as a client sees it.
    #[error(transparent)]
    Client(#[from] crate::client::ClientError),
    /// The node did not carry out the command.
    #[error("refused: {}", refusal(*.0))]
    Refused(Option<Refusal>),
    /// There is no such trade to bust or correct.
    #[error(transparent)]
    Trade(#[from] crate::types::event::TradeError),
    /// No price.
    #[error("--price {0}")]
    Price(String),
    /// Nobody said that it should be done.
    #[error("not done; say --yes to do it without being asked")]
    Unconfirmed,
    /// The market file asks for what no command does.
    #[error("{}", lines(.0))]
    CannotChange(Vec<crate::config::ConfigError>),
    /// The operator's session ended under the commands.
    #[error(
        "the day ended or began meanwhile, and nobody said what became of the command; look, and give it \
         again if it is still wanted"
    )]
    DayRolled,
    /// The session id has four digits for the sessions of a day.
    #[error("{0} has had its {max} sessions; start the next day (UTC)", max = Date::GENERATION_MAX)]
    NoMoreSessions(Date),
    /// The node did not say what became of the command.
    #[error(
        "no answer within {} s; the command may have been carried out: to be sure, repeat it with the \
         same --request, or, if it was part of a plan, apply again", .0.as_secs()
    )]
    NoAnswer(Duration),
    /// The file of secrets has none for the port.
    #[error("{}: no secret for port {port}", path.display())]
    NoSecret {
        /// The port.
        port: String,
        /// The file.
        path: PathBuf,
    },
    /// A name or a secret that no port can have.
    #[error("a port's name has at most 6 printable characters, its secret at most 10")]
    Credentials,
    /// The program that archives is not there.
    #[error(
        "{}: not there. Archiving is a program of its own; build it with \
         cargo build --release --package rialto-archive, and put it beside this one", path.display()
    )]
    NoArchiver {
        /// Where it should be.
        path: PathBuf,
    },
    /// A simulated cluster did what none may do, or did not come together.
    #[error("seed {seed} failed; see it again with: {replay}")]
    Simulation {
        /// The first such seed.
        seed: u64,
        /// The command.
        replay: String,
    },
    /// The node is in no cluster.
    #[error("{}: the node that counted here was in no cluster", directory.display())]
    NoCluster {
        /// Its logs' directory.
        directory: PathBuf,
    },
    /// A cluster did what none may do.
    #[error("the drill failed; the nodes' files and what they said are in {}", dir.display())]
    Drill {
        /// Where.
        dir: PathBuf,
    },
    /// A process of a drill.
    #[error(transparent)]
    Lab(#[from] lab::LabError),
    /// The operating system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn lines(errors: &[crate::config::ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn refusal(reason: Option<Refusal>) -> &'static str {
    match reason {
        Some(Refusal::NotAllowed) => "the port may not give this command",
        Some(Refusal::RepeatedRequest) => {
            "a request of this number, or a higher one, was answered already"
        }
        Some(Refusal::Unknown) => "something the command names does not exist",
        Some(Refusal::Exists) => "it exists already",
        Some(Refusal::Invalid) => "a field is out of range",
        Some(Refusal::Day) => {
            "not in this state of the day: a day ends once it has started, and starts once the last \
             has ended"
        }
        Some(Refusal::Balance) => "the balance does not suffice",
        Some(Refusal::Capacity) => "the node is not made for so many",
        Some(Refusal::RepeatedReference) => "the external reference was used before",
        Some(Refusal::Phase) => "the instrument is not in a phase in which this can be done",
        Some(Refusal::TradeOver) => {
            "the trade was busted, or corrected meanwhile: look at it again"
        }
        Some(Refusal::TradeTerms) => {
            "what the command says of the trade contradicts what the node knows: its event log is another's"
        }
        None => "for a reason this version does not know",
    }
}

/// The same result, but that a reader of standard output went away is no failure.
fn quiet_end(result: Result<(), CliError>) -> Result<(), CliError> {
    match result {
        Err(CliError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
