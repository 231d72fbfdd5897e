//! `rialto log`: looks into a log, of a running node or of a stopped one. Only `repair` writes to one.

mod check;
mod diff;
mod difference;
mod dump;
mod error;
mod export;
mod fields;
mod filter;
mod repair;
mod replay;
mod shadow;
mod walk;

use std::process::ExitCode;

pub use error::LogError;
pub(in crate::cli) use replay::replay;
pub(in crate::cli) use shadow::start_shadow;

use super::{CliError, quiet_end};

/// Arguments of `rialto log`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what a log holds: segments, frames, records, terms, times, its end.
    Info(check::InfoArgs),
    /// Print committed records for people, one a line: sequence, log time, position, record.
    Dump(dump::Args),
    /// Mend a damaged log from a copy of it.
    Repair(repair::Args),
    /// Check every header, payload and link of a log, and name the first damage.
    Verify(check::VerifyArgs),
    /// Find where two logs first differ, or that one is the beginning of the other.
    Diff(diff::Args),
    /// Write committed records for programs: JSON lines or CSV, with every field.
    Export(export::Args),
    /// Run the engine over a command log, and compare what it makes with the event log.
    Replay(replay::Args),
}

/// Runs the command. The exit status is 1 where two logs differ, and 2 where that cannot be said.
///
/// # Errors
/// The log's, its damage among them, or that of writing to standard output; a reader that went away is
/// none.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let done = match &args.command {
        Command::Info(args) => check::info(args),
        Command::Repair(args) => repair::run(args),
        Command::Dump(args) => dump::run(args),
        Command::Verify(args) => check::verify(args),
        Command::Diff(args) => return Ok(diff::run(args)),
        Command::Export(args) => export::run(args),
        Command::Replay(args) => replay::run(args),
    };
    quiet_end(done).map(|()| ExitCode::SUCCESS)
}
