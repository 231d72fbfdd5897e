//! `rialto log export`: the committed records for programs, as JSON lines or as CSV tables. Lossless.
#![doc = include_str!("format.md")]

mod csv;
mod json;

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use self::csv::Tables;
use super::LogError;
use super::filter::{FilterArgs, select};
use crate::cli::CliError;

/// Arguments of `rialto log export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto log export /var/lib/rialto/events --symbol ACME --since '2026-11-22 09:30' > acme.jsonl\n  \
    rialto log export /var/lib/rialto/events --csv --kind Executed > executions.csv\n  \
    rialto log export /var/lib/rialto/commands --csv --out tables\n\n\
    Every field of every record stands under its name, numbers exact, so that the log could be made \
    again from it. src/cli/log/export/format.md says how each is written.")]
pub(super) struct Args {
    /// The log's directory: the one that holds its segments.
    directory: PathBuf,
    #[command(flatten)]
    filter: FilterArgs,
    /// Write CSV instead of JSON lines: the table of one --kind, or with --out one of each.
    #[arg(long)]
    csv: bool,
    /// Make this directory, and in it a table of each kind.
    #[arg(long, value_name = "DIR", requires = "csv")]
    out: Option<PathBuf>,
}

/// Exports the records.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let Args { directory, filter, csv, out } = args;
    if !csv {
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let mut line = Vec::new();
        select(directory, filter, &mut |record, content| {
            line.clear();
            json::write(record, content, &mut line);
            Ok(out.write_all(&line)?)
        })?;
        return Ok(out.flush()?);
    }
    let mut tables = match (out, filter.kind.len()) {
        (Some(out), _) => Tables::files(out)?,
        (None, 1) => Tables::stdout(),
        (None, _) => return Err(LogError::OneKind.into()),
    };
    select(directory, filter, &mut |record, content| tables.write(record, content))?;
    tables.finish()
}

#[cfg(test)]
mod tests;
