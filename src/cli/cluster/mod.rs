//! `rialto cluster`: how a node of a cluster stands, and what an operator has it do. Speaks with the node
//! through its files: a follower has no port.

mod drill;

use std::net::SocketAddrV4;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::CliError;
use crate::config::Config;
use crate::counters::CounterReader;
use crate::node::Request;

/// Arguments of `rialto cluster`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto cluster status --config node.toml\n  \
    rialto cluster transfer --config node.toml   before the leader's machine is taken down\n  \
    rialto cluster promote --config node.toml    with failover = \"manual\", when the leader is gone\n  \
    rialto cluster add 4@10.9.1.4:9200 --config node.toml    at the leader; then start that node\n  \
    rialto cluster remove 3 --config node.toml               at the leader; then stop that node\n  \
    rialto cluster activate 2 --config node.toml             at the leader, when all nodes are upgraded\n  \
    rialto cluster recover-quorum --lost 3 --config node.toml\n\n\
    What is added or removed is changed in every node's file too, before that node's next start.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say how this machine's node stands, by its own word.
    Status {
        #[command(flatten)]
        node: NodeArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have this machine's node call an election; the others refuse while they hear a leader.
    Promote(NodeArgs),
    /// Kill the leader of a cluster on this machine again and again, and say what brokers saw of it.
    Drill(drill::Args),
    /// Have this machine's node, which leads, hand over to another that has everything.
    Transfer(NodeArgs),
    /// Have this machine's node, which leads, let a host in that is none of the cluster's.
    Add {
        /// Its number, and where it takes the others' messages.
        #[arg(value_name = "HOST@ADDRESS", value_parser = host_at)]
        host: (u32, SocketAddrV4),
        /// It receives everything and decides nothing.
        #[arg(long)]
        learner: bool,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Have this machine's node, which leads, remove a host for good.
    Remove {
        /// Its number.
        host: u32,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Have this machine's node, which leads, switch all nodes to a version of the logic.
    Activate {
        /// The version.
        version: u32,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Give up a quorum that will not come back: this machine's node goes on alone with its log, which must be
    /// the longest of those that are left, until others have joined it. What no such log holds is lost, and the
    /// day goes on under another session. Refused while a quorum lives.
    RecoverQuorum {
        /// A host that will not come back with what it had; for each.
        #[arg(long, value_name = "HOST")]
        lost: Vec<u32>,
        #[command(flatten)]
        node: NodeArgs,
    },
}

fn host_at(text: &str) -> Result<(u32, SocketAddrV4), String> {
    let parts =
        text.split_once('@').and_then(|(host, at)| Some((host.parse().ok()?, at.parse().ok()?)));
    parts.ok_or_else(|| {
        "a number, @ and an IPv4 address with its port, as in 4@10.9.1.4:9200".to_owned()
    })
}

#[derive(Debug, clap::Args)]
struct NodeArgs {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Does it.
///
/// # Errors
/// When there is no such node, or it does not hear.
pub fn run(args: &Args) -> Result<(), CliError> {
    match &args.command {
        Command::Status { node, json } => status(&Config::load(&node.config)?, *json),
        Command::Drill(args) => drill::run(args),
        Command::Promote(node) => ask(node, Request::Promote),
        Command::Transfer(node) => ask(node, Request::Transfer),
        &Command::Add { host: (host, address), learner, ref node } => {
            ask(node, Request::Add { host, address, votes: !learner })
        }
        Command::Remove { host, node } => ask(node, Request::Remove { host: *host }),
        Command::Activate { version, node } => ask(node, Request::Activate { version: *version }),
        Command::RecoverQuorum { lost, node } => {
            ask(node, Request::RecoverQuorum { lost: lost.iter().copied().collect() })
        }
    }
}

fn ask(node: &NodeArgs, request: Request) -> Result<(), CliError> {
    let config = Config::load(&node.config)?;
    println!("{}", request.ask(&config.control().directory)?);
    Ok(())
}

fn status(config: &Config, as_json: bool) -> Result<(), CliError> {
    let reader = CounterReader::open(&config.logs().directory)?;
    let counters: Map<String, Value> = reader
        .counters()
        .filter_map(|(name, value)| Some((name.strip_prefix("replica.")?.to_owned(), json!(value))))
        .collect();
    if counters.is_empty() {
        return Err(CliError::NoCluster { directory: config.logs().directory.clone() });
    }
    if as_json {
        println!("{}", Value::Object(counters));
        return Ok(());
    }
    let value = |name: &str| counters.get(name).and_then(Value::as_u64).unwrap_or_default();
    let role = match (value("leads"), value("leader")) {
        (0, 0) => "hears no leader".to_owned(),
        (0, leader) => format!("follows host {leader}"),
        _ => "leads".to_owned(),
    };
    println!(
        "host {} (life {}) {role} in term {}",
        value("host"),
        value("incarnation"),
        value("term")
    );
    let votes = if value("votes") == 1 { "votes" } else { "does not vote" };
    println!("{votes}; knows {} voters, {} learners", value("voters"), value("learners"));
    let [last, committed, durable] = ["last_index", "committed_index", "durable_index"].map(value);
    println!("log ends at frame {last}, committed up to {committed}, persisted up to {durable}");
    Ok(())
}
