//! `rialto log`: looks into a log, of a running node or of a stopped one.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crate::cli::CliError;
use crate::event_store::{LogKind, LogRecord, Reader};
use crate::types::command::Command as CommandRecord;
use crate::types::event::Event;

/// Arguments of `rialto log`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print every committed record, one a line: sequence, log time, position, record.
    #[command(after_help = "Examples:\n  \
        rialto log dump /var/lib/rialto/commands\n  \
        rialto log dump /var/lib/rialto/events --from 1000 | grep Executed")]
    Dump {
        /// The log's directory: the one that holds its segments.
        directory: PathBuf,
        /// Begin with the record of this sequence.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Leave out ticks and the passing of seconds.
        #[arg(long)]
        quiet: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// The log's, or that of writing to standard output; a reader that went away is none.
pub fn run(args: &Args) -> Result<(), CliError> {
    let Command::Dump { directory, from, quiet } = &args.command;
    let mut reader = Reader::open(directory)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match dump(&mut reader, *from, *quiet, &mut out) {
        Err(CliError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn dump(reader: &mut Reader, from: u64, quiet: bool, out: &mut impl Write) -> Result<(), CliError> {
    let kind = reader.kind();
    while let Some(frame) = reader.next_frame()? {
        if frame.header.first_sequence + u64::from(frame.header.count) <= from {
            continue;
        }
        for record in frame.records() {
            let record = record?;
            if record.sequence >= from {
                let shown = match kind {
                    LogKind::Commands => command(&record, quiet),
                    LogKind::Events => event(&record, quiet),
                };
                if let Some(shown) = shown {
                    let LogRecord { header, sequence, position, .. } = record;
                    writeln!(out, "{sequence} {} {position} {shown}", header.time)?;
                }
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn command(record: &LogRecord<'_>, quiet: bool) -> Option<String> {
    match CommandRecord::parse(record.lines) {
        Ok(CommandRecord::Tick(_)) if quiet => None,
        Ok(command) => Some(shorten(&format!("{command:?}"))),
        Err(error) => Some(error.to_string()),
    }
}

fn event(record: &LogRecord<'_>, quiet: bool) -> Option<String> {
    match Event::parse(record.lines) {
        Ok(Event::TimePassed(_)) if quiet => None,
        Ok(event) => Some(shorten(&format!("{event:?}"))),
        Err(error) => Some(error.to_string()),
    }
}

/// A record's debug form without its outer name, said twice, and without its reserved bytes.
fn shorten(debug: &str) -> String {
    let inner = debug.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
    let mut shown = inner.unwrap_or(debug).to_owned();
    while let Some(start) = shown.find(", reserved") {
        let value = start + shown[start..].find(": ").map_or(0, |colon| colon + 2);
        let rest = &shown[value..];
        let length = match rest.strip_prefix('[') {
            Some(array) => array.find(']').map(|end| end + 2),
            None => rest.find([',', ' ']),
        };
        shown.replace_range(start..value + length.unwrap_or(rest.len()), "");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_without_its_reserved_bytes() {
        let debug = "Tick(Tick { header: Header { kind: 4, reserved: 0, cause: 1 }, a: 1, \
                     reserved: [0, 0], b: 2, reserved2: [0] })";
        assert_eq!(shorten(debug), "Tick { header: Header { kind: 4, cause: 1 }, a: 1, b: 2 }");
    }
}
