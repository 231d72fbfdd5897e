//! `rialto log dump`: the committed records as lines for people. [`export`](super::export) has them for
//! programs.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::fields::{Content, Value, View};
use super::filter::{FilterArgs, select};
use crate::cli::CliError;
use crate::event_store::LogRecord;
use crate::types::command::Command;
use crate::types::event::Event;

/// Arguments of `rialto log dump`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto log dump /var/lib/rialto/commands\n  \
    rialto log dump /var/lib/rialto/events --from 1000 --symbol ACME --kind Executed\n\n\
    A text is quoted, with \\\" for a quote, \\\\ for a backslash and \\x and two digits for what is not \
    printable; zeroes where a text could be are none.")]
pub(super) struct Args {
    /// The log's directory: the one that holds its segments.
    directory: PathBuf,
    #[command(flatten)]
    filter: FilterArgs,
    /// Leave out ticks and the passing of seconds.
    #[arg(long)]
    quiet: bool,
}

/// Prints the records.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut out = BufWriter::new(io::stdout().lock());
    select(&args.directory, &args.filter, &mut |record, content| {
        if !(args.quiet && passes_time(content)) {
            write(record, content, &mut out)?;
        }
        Ok(())
    })?;
    Ok(out.flush()?)
}

fn passes_time(content: &Content<'_>) -> bool {
    matches!(content.view, View::Command(Command::Tick(_)) | View::Event(Event::TimePassed(_)))
}

fn write(record: &LogRecord<'_>, content: &Content<'_>, out: &mut impl Write) -> io::Result<()> {
    let LogRecord { header, sequence, position, .. } = record;
    write!(out, "{sequence} {} {position} {}", header.time, content.name())?;
    let (mut written, mut before) = (Ok(()), " { ");
    content.fields(&mut |field| {
        let value = field.value();
        if value != Value::Silent && written.is_ok() {
            written = write!(out, "{before}{}: {value}", field.name);
            before = ", ";
        }
    });
    written?;
    writeln!(out, " }}")
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;
    use crate::event_store::LogKind;
    use crate::types::command::NewOrder;
    use crate::types::{
        ClOrdId, FrameChain, FrameHeader, Nanos, PortId, Position, Price, Record as _, Symbol,
    };

    #[test]
    fn what_a_participant_wrote_cannot_pass_for_another_field() {
        let mut order = NewOrder::new_zeroed();
        order.header.kind = NewOrder::KIND;
        order.header.lines = NewOrder::LINES;
        order.header.port = PortId(3);
        order.price = Price(250_000);
        order.symbol = Symbol::new("ACME").unwrap();
        order.side = b'B';
        order.cl_ord_id = ClOrdId::new("\", reserved: 1").unwrap();
        let header = FrameHeader { time: Nanos(5), ..frame() };
        let record = LogRecord {
            header: &header,
            sequence: 7,
            position: Position(128),
            lines: order.lines(),
        };
        let mut out = Vec::new();
        write(&record, &Content::new(LogKind::Commands, record.lines), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("7 0.000000005 128 NewOrder { form_error: 0, port: 3, "),
            "{text}"
        );
        assert!(text.contains(r#"price: 250000, discretion_price: 0, symbol: "ACME", "#), "{text}");
        assert!(text.contains(r#", side: "B", time_in_force: none, "#), "{text}");
        assert!(text.contains(r#", cl_ord_id: "\", reserved: 1", group_id: 0, "#), "{text}");
        assert!(text.ends_with("trade_now: none }\n"), "{text}");
    }

    fn frame() -> FrameHeader {
        let cause = crate::types::Cause { index: 1, term: 1, time: Nanos::ZERO };
        FrameChain::empty(1 << 20).seal(crate::types::FrameKind::Normal, cause, 0, &[])
    }
}
