//! `rialto run`: a node, from its configuration to its orderly end.

use std::path::{Path, PathBuf};

use super::{CliError, now};
use crate::agent::StopFlag;
use crate::config::market::Market;
use crate::config::secrets::{PortSecrets, load_or_create_cluster_key};
use crate::config::{Config, ConfigError};
use crate::node::{MakeMarket, Node, Start};
use crate::types::{Line, Nanos};

/// Arguments of `rialto run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto run --config node.toml --market market.toml    first start, on an empty log\n  \
    rialto run --config node.toml                         every other start\n\n\
    A first start generates the ports' secrets and shows each once, on the terminal or in the file \
    of --secrets.\n\
    SIGINT and SIGTERM stop the node in order. Its log goes to standard error; RUST_LOG=debug says \
    more.")]
pub struct Args {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The market to begin with; only for an empty log.
    #[arg(long, value_name = "FILE")]
    market: Option<PathBuf>,
    /// Where to write the generated secrets, readable by you alone, instead of showing them.
    #[arg(long, value_name = "FILE", requires = "market")]
    secrets: Option<PathBuf>,
    /// Where to write every book when the node stops.
    #[arg(long, value_name = "FILE")]
    books_out: Option<PathBuf>,
    /// Start although the log or the control file is gone. What they held is lost: the day goes on
    /// under a new session id, or a new exchange begins.
    #[arg(long)]
    new_incarnation: bool,
}

/// Runs the node until it is told to stop.
///
/// # Errors
/// Why it does not start, or what it stopped with.
pub fn run(args: Args) -> Result<(), CliError> {
    let config = Config::load(&args.config)?;
    let now = now();
    let stop = StopFlag::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.shared())?;
    }
    let market = match &args.market {
        None => None,
        Some(path) => {
            let market = Market::load(path)?;
            market.fits(config.capacity())?;
            let key_file = config.control().cluster_key_file.clone();
            let secrets = args.secrets;
            let make: MakeMarket = Box::new(move || commands(&market, &key_file, secrets, now));
            Some(make)
        }
    };
    let start = Start { market, books_out: args.books_out, new_incarnation: args.new_incarnation };
    let mut node = Node::start(&config, start, now)?;
    if node.wait_ready(&stop)? {
        println!("ready");
    }
    Ok(node.join(&stop)?)
}

/// The market's commands with fresh secrets, which their owner gets before anything depends on them.
fn commands(
    market: &Market,
    key_file: &Path,
    secrets_file: Option<PathBuf>,
    now: Nanos,
) -> Result<Vec<Line>, ConfigError> {
    let key = load_or_create_cluster_key(key_file)?;
    let secrets = PortSecrets::generate(market.port_names())?;
    match secrets_file {
        Some(path) => secrets.write(&path)?,
        None => {
            for (name, secret) in secrets.iter() {
                println!("port {name} secret {}", secret.reveal());
            }
        }
    }
    Ok(market.commands(&key, &secrets, now).concat())
}
