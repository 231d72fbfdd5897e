//! `rialto cluster`: how a node of a cluster stands, and what an operator has it do. Speaks with the node
//! through its files: a follower has no port.

mod drill;

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
    rialto cluster promote --config node.toml    with failover = \"manual\", when the leader is gone")]
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
    }
}

fn ask(node: &NodeArgs, request: Request) -> Result<(), CliError> {
    let config = Config::load(&node.config)?;
    Ok(request.ask(&config.control().directory)?)
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
