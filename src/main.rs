//! The `rialto` command.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rialto::cli::{self, CliError};
use tracing_subscriber::EnvFilter;

const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("RIALTO_BUILD"), ")");

/// Rialto: a kernel-bypass stock exchange.
#[derive(Debug, Parser)]
#[command(version, long_version = LONG_VERSION, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node.
    Run(cli::run::Args),
    /// Follow a cluster without a vote: store its log, prove it, and let others read it.
    Observe(cli::observe::Args),
    /// Prove configuration files.
    Config(cli::config::Args),
    /// Log in as a broker, enter and cancel orders, and print what comes back.
    Client(cli::client::Args),
    /// Look at a node of a cluster, and have it lead or hand over.
    Cluster(cli::cluster::Args),
    /// Join the feed, decode and print it.
    Feed(cli::feed::Args),
    /// Print the counters of a node.
    Stat(cli::stat::Args),
    /// Look into a log.
    Log(cli::log::Args),
    /// Show it all: a node, brokers that trade on it, and a subscriber that checks its feed.
    Demo(cli::demo::Args),
    /// Measure this program on this machine.
    Bench(cli::bench::Args),
    /// One broker of the demo.
    #[command(hide = true)]
    DemoBroker(cli::demo::BrokerArgs),
    /// Compare two dumps of books.
    BooksDiff(cli::demo::DiffArgs),
    /// Simulate clusters under faults, by seed.
    Sim(cli::sim::Args),
    /// Start and end trading days.
    Market(cli::market::Args),
    /// Archive trading days that have ended as Parquet files, and prove archives.
    Archive(cli::archive::Args),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A stage that logs must not wait for a terminal or a pipe: what does not fit is dropped.
    let (log, _flush_at_exit) = tracing_appender::non_blocking(stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log)
        .with_ansi(stderr().is_terminal())
        .init();
    match run(arguments.command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("rialto: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, CliError> {
    let done = match command {
        Command::Run(args) => cli::run::run(args),
        Command::Observe(args) => cli::observe::run(args),
        Command::Config(args) => cli::config::run(&args),
        Command::Client(args) => cli::client::run(&args),
        Command::Cluster(args) => cli::cluster::run(&args),
        Command::Feed(args) => cli::feed::run(&args),
        Command::Stat(args) => cli::stat::run(&args),
        Command::Log(args) => return cli::log::run(&args),
        Command::Demo(args) => Ok(cli::demo::run(&args)?),
        Command::Bench(args) => Ok(cli::bench::run(&args)?),
        Command::DemoBroker(args) => Ok(cli::demo::run_broker(&args)?),
        Command::BooksDiff(args) => cli::demo::run_diff(&args),
        Command::Sim(args) => cli::sim::run(&args),
        Command::Market(args) => cli::market::run(&args),
        Command::Archive(args) => cli::archive::run(&args).map(|never| match never {}),
    };
    done.map(|()| ExitCode::SUCCESS)
}
