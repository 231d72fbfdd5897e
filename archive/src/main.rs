//! The `rialto-archive` program, which `rialto archive` runs: arguments in, text out.
#![allow(clippy::print_stdout, reason = "speaking to whoever ran it is what this is for")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rialto_archive::eod::{Outcome, archive};
use rialto_archive::{ArchiveError, Cut, Verified, archives, verify};

/// Archives trading days as Parquet files, and proves archives.
#[derive(Debug, Parser)]
#[command(name = "rialto archive", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Archive every day that has ended, and read it back.
    #[command(after_help = "Example:\n  \
        rialto archive eod /srv/archive --logs /var/lib/rialto\n\n\
        Each day becomes a directory in DIR, named after its session, with Parquet files and \
        manifest.json. A day that is open is refused. Again, it verifies the last archive. The node may \
        run meanwhile, and may trade the next day; one that is stopped cannot start before this ends.\n\n\
        What lies below events.sealed_below and commands.sealed_below of the newest manifest is \
        archived: segments that end there may go.")]
    Eod {
        /// Where the archives are.
        dir: PathBuf,
        /// The node's logs: the directory with commands/ and events/.
        #[arg(long)]
        logs: PathBuf,
    },
    /// Read archives again: every byte, every value, every sum.
    #[command(after_help = "Examples:\n  \
        rialto archive verify /srv/archive\n  \
        rialto archive verify /srv/archive/2611230001\n\n\
        Needs no log. Exit status 1 says that something is damaged, and what.")]
    Verify {
        /// An archive, or the directory that they are in.
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rialto: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<(), ArchiveError> {
    match command {
        Command::Eod { dir, logs } => archive(logs, dir, Cut::USUAL, |outcome| match outcome {
            Outcome::Archived(day) => println!("archived and verified: {}", describe(day)),
            Outcome::WasArchived(day) => {
                println!("nothing new; verified again: {}", describe(day));
            }
        }),
        Command::Verify { dir } => {
            for path in archives(dir)? {
                println!("verified: {}", describe(&verify(&path)?));
            }
            Ok(())
        }
    }
}

fn describe(verified: &Verified) -> String {
    let Verified { path, manifest } = verified;
    let rows = |table| manifest.files_of(table).map(|file| file.rows).sum::<u64>();
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    format!(
        "{} ({}): events {} to {}, {} orders' steps, {} executions, {} trades, {bytes} bytes",
        path.display(),
        manifest.date,
        manifest.events.first_sequence,
        manifest.events.last_sequence,
        rows("orders"),
        rows("executions"),
        rows("trades"),
    )
}
