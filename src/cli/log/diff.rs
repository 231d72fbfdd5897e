//! `rialto log diff`: two logs that should be the same, frame by frame.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use super::LogError;
use super::difference::{Difference, first_difference};
use super::walk::Walk;
use crate::cli::CliError;
use crate::event_store::Frame;
use crate::types::Position;

/// Arguments of `rialto log diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  rialto log diff /var/lib/rialto/commands /backup/commands\n\n\
    Exit status 0: the same; 1: they differ, or one is the beginning of the other; 2: trouble. It \
    compares what is committed, records and frame headers, to the byte.")]
pub(super) struct Args {
    /// The directory of one log.
    first: PathBuf,
    /// The directory of the other.
    second: PathBuf,
}

/// What came of it.
enum Verdict {
    Same {
        frames: u64,
        records: u64,
        end: Position,
    },
    Differ(Difference),
    /// One ends where the other goes on.
    Beginning {
        first_is_longer: bool,
        sequence: u64,
        position: Position,
    },
}

impl Verdict {
    /// One of the two goes on with `more`.
    const fn beginning(first_is_longer: bool, more: &Frame<'_>) -> Self {
        let (sequence, position) = (more.header.first_sequence, more.header.start);
        Self::Beginning { first_is_longer, sequence, position }
    }
}

/// Says where they differ, and returns the exit status.
pub(super) fn run(args: &Args) -> ExitCode {
    let said = compare(args).and_then(|verdict| {
        let differ = !matches!(verdict, Verdict::Same { .. });
        match writeln!(io::stdout().lock(), "{}", words(args, &verdict)) {
            // Whoever only wants the status need not listen.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::from(u8::from(differ))),
        }
    });
    said.unwrap_or_else(|error| {
        eprintln!("rialto: {error}");
        ExitCode::from(2)
    })
}

fn compare(args: &Args) -> Result<Verdict, CliError> {
    let mut first = Walk::open(&args.first, Some("comparing"))?;
    let mut second = Walk::open(&args.second, None)?;
    let kind = first.kind();
    if kind != second.kind() {
        return Err(LogError::Incomparable(kind, second.kind()).into());
    }
    let (mut frames, mut end) = (0, Position::FIRST);
    loop {
        let (one, other) = match (first.next()?, second.next()?) {
            (Some(one), Some(other)) => (one, other),
            (None, None) => {
                return Ok(Verdict::Same { frames, records: first.records(), end });
            }
            (Some(more), None) => return Ok(Verdict::beginning(true, &more)),
            (None, Some(more)) => return Ok(Verdict::beginning(false, &more)),
        };
        if let Some(difference) = first_difference(kind, &one, &other) {
            return Ok(Verdict::Differ(difference));
        }
        (frames, end) = (frames + 1, one.end());
    }
}

fn words(args: &Args, verdict: &Verdict) -> String {
    let (first, second) = (args.first.display(), args.second.display());
    match verdict {
        Verdict::Same { frames, records, end } => {
            format!("the same: {frames} frames, {records} records, up to position {end}")
        }
        Verdict::Differ(difference) => format!("{first} and {second} differ: {difference}"),
        Verdict::Beginning { first_is_longer, sequence, position } => {
            let (short, long) = if *first_is_longer { (second, first) } else { (first, second) };
            format!(
                "{short} is the beginning of {long}, which goes on with sequence {sequence} at byte \
                 {position}"
            )
        }
    }
}
