//! `rialto log dump`: every committed record as a line. Knows no record but by its debug form.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crate::cli::CliError;
use crate::event_store::{LogKind, LogRecord, Reader};
use crate::types::command::Command as CommandRecord;
use crate::types::event::Event;

/// Arguments of `rialto log dump`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto log dump /var/lib/rialto/commands\n  \
    rialto log dump /var/lib/rialto/events --from 1000 | grep Executed")]
pub(super) struct Args {
    /// The log's directory: the one that holds its segments.
    directory: PathBuf,
    /// Begin with the record of this sequence.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Leave out ticks and the passing of seconds.
    #[arg(long)]
    quiet: bool,
}

/// Prints the records.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut reader = Reader::open(&args.directory)?;
    let mut out = BufWriter::new(io::stdout().lock());
    dump(&mut reader, args.from, args.quiet, &mut out)
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
        let Some(colon) = shown[start..].find(": ") else { break };
        let value = start + colon + 2;
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
