//! `rialto run`: a node, from its configuration to its orderly end.

use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::CliError;
use super::bench::breakdown;
use super::log::start_shadow;
use crate::agent::{Spans, StopFlag, real_time};
use crate::config::market::Market;
use crate::config::secrets::{PortSecrets, load_or_create_cluster_key};
use crate::config::{Config, ConfigError};
use crate::node::{Bench, MakeMarket, Node, NodeError, Start};
use crate::sys::process::leave_no_files;
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
    /// Order entry echoes connections and datagrams from these ports: set by `rialto bench`.
    #[arg(long, hide = true, value_name = "FROM-TO", value_parser = ports)]
    bench_echo: Option<RangeInclusive<u16>>,
    /// Where to write how long each step of the pipeline took: set by `rialto bench`.
    #[arg(long, hide = true, value_name = "FILE", requires = "bench_echo")]
    bench_spans: Option<PathBuf>,
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let ports =
        text.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    ports.map(|(from, to)| from..=to).ok_or_else(|| "two ports, as in 64000-64999".to_owned())
}

/// Runs the node until it is told to stop.
///
/// # Errors
/// Why it does not start, or what it stopped with.
pub fn run(args: Args) -> Result<(), CliError> {
    let config = Config::load_serving(&args.config)?;
    let now = real_time();
    let market = match &args.market {
        None => None,
        Some(path) => {
            let market = Market::load(path)?;
            market.fits(&config)?;
            let key_file = config.control().cluster_key_file.clone();
            let secrets = args.secrets;
            let make: MakeMarket = Box::new(move || commands(&market, &key_file, secrets, now));
            Some(make)
        }
    };
    let spans = args.bench_spans.is_some().then(Spans::new);
    let bench = args.bench_echo.map(|echo_ports| Bench { echo_ports, spans: spans.clone() });
    let start = Start {
        market,
        books_out: args.books_out,
        new_incarnation: args.new_incarnation,
        shadow: start_shadow(&config),
        bench,
        link: None,
    };
    run_to_end(&config, start, now, ("run", &args.config))?;
    if let (Some(path), Some(spans)) = (args.bench_spans, spans) {
        breakdown::write(&spans.take(), &path)?;
    }
    Ok(())
}

/// Runs a node until it is told to stop. Where its next life is to begin at once, that is by the subcommand and
/// the file of `again`.
pub(super) fn run_to_end(
    config: &Config,
    start: Start,
    now: Nanos,
    again: (&str, &Path),
) -> Result<(), CliError> {
    let stop = StopFlag::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.shared())?;
    }
    let books_out = start.books_out.clone();
    let mut node = Node::start(config, start, now)?;
    if node.wait_ready(&stop)? {
        // Whoever asked may have stopped listening; the node serves all the same.
        let _ = writeln!(io::stdout(), "ready");
    }
    match node.join(&stop) {
        Err(NodeError::Moved { .. } | NodeError::Refounded(_)) if !stop.is_set() => {
            Err(begin_anew(again, books_out.as_deref()).into())
        }
        ended => Ok(ended?),
    }
}

/// Becomes this very program again, as it is started every other time: whatever it held, network cards
/// included, is given back, and nothing of the life before is left. Returns only if that fails.
fn begin_anew((subcommand, config): (&str, &Path), books_out: Option<&Path>) -> io::Error {
    if let Err(error) = leave_no_files() {
        return error;
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg0("rialto").arg(subcommand).arg("--config").arg(config);
    if let Some(path) = books_out {
        command.arg("--books-out").arg(path);
    }
    command.exec()
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
    if let Some(path) = secrets_file {
        secrets.write(&path)?;
    } else {
        show(&secrets).map_err(|source| ConfigError::Write {
            path: PathBuf::from("standard output"),
            source,
        })?;
    }
    Ok(market.commands(&key, &secrets, now).concat())
}

fn show(secrets: &PortSecrets) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (name, secret) in secrets.iter() {
        writeln!(out, "port {name} secret {}", secret.reveal())?;
    }
    out.flush()
}
