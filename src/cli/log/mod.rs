//! `rialto log`: looks into a log, of a running node or of a stopped one. Only `repair` writes to one.

mod check;
mod dump;
mod repair;

use super::{CliError, quiet_end};

/// Arguments of `rialto log`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print every committed record, one a line: sequence, log time, position, record.
    Dump(dump::Args),
    /// Say what a log holds: segments, frames, records, terms, times, its end.
    Info(check::InfoArgs),
    /// Mend a damaged log from a copy of it.
    Repair(repair::Args),
    /// Check every header, payload and link of a log, and name the first damage.
    Verify(check::VerifyArgs),
}

/// Runs the command.
///
/// # Errors
/// The log's, its damage among them, or that of writing to standard output; a reader that went away is
/// none.
pub fn run(args: &Args) -> Result<(), CliError> {
    quiet_end(match &args.command {
        Command::Dump(args) => dump::run(args),
        Command::Info(args) => check::info(args),
        Command::Repair(args) => repair::run(args),
        Command::Verify(args) => check::verify(args),
    })
}
