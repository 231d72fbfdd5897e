//! `rialto observe`: a node that has everything and decides nothing, on a host that never votes: a backup
//! elsewhere, or a copy of the logs for those who read them.

use std::path::PathBuf;

use super::CliError;
use super::log::start_shadow;
use super::run::run_to_end;
use crate::agent::real_time;
use crate::config::Config;
use crate::node::Start;

/// Arguments of `rialto observe`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto cluster add 4@10.9.1.4:9200 --learner --config node.toml   at the leader, if 4 is new there\n  \
    rialto observe --config observer.toml                             on host 4\n  \
    rialto log replay /var/lib/rialto/commands                        beside it, as often as one likes\n\n\
    The file is that of a host of cluster.learners. It wants no [order_entry], [feed] or [admin]; what is \
    there of them is for `rialto run`, and left alone.\n\
    It says where it stands each 5 s until it has caught up, and then each minute. It ends if what it \
    comes to is not what the others came to, and keeps its files.")]
pub struct Args {
    /// The observer's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where to write every book when it stops.
    #[arg(long, value_name = "FILE")]
    books_out: Option<PathBuf>,
    /// Start although the log is damaged, or the log or the control file is gone: what it lacks it has from
    /// the others.
    #[arg(long)]
    new_incarnation: bool,
}

/// Runs the observer until it is told to stop.
///
/// # Errors
/// Why it does not start, or what it stopped with.
pub fn run(args: Args) -> Result<(), CliError> {
    let config = Config::load_observing(&args.config)?;
    let start = Start {
        books_out: args.books_out,
        new_incarnation: args.new_incarnation,
        shadow: start_shadow(&config),
        ..Start::default()
    };
    run_to_end(&config, start, real_time(), ("observe", &args.config))
}
