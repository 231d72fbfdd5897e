//! `rialto log repair`: a damaged log mended from a copy. Decides nothing: the event store does.

use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::cli::CliError;
use crate::event_store::{self, Mended, Repair};
use crate::node::Progress;

/// Arguments of `rialto log repair`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto log repair /var/lib/rialto/logs/commands --from /mnt/copy/commands --dry-run\n  \
    rialto log repair /var/lib/rialto/logs/commands --from /mnt/copy/commands\n\n\
    Every frame of the copy is checked, and compared with the log's. Only frames that are damaged or \
    missing in the log are written, and none unless the copy is whole and fits to what is sound on \
    both sides of each damage. Repeat it if it is interrupted. Neither log may be in use.")]
pub(super) struct Args {
    /// The damaged log's directory: the one that holds its segments.
    directory: PathBuf,
    /// The directory of a copy of it, which is not written to.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Mends the log, and says what was mended.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut progress = Progress::new("comparing");
    let repair = event_store::repair(&args.directory, &args.from, args.dry_run, |done, all| {
        progress.at(done, all);
    })?;
    drop(progress);
    let Repair { mended, frames, end } = repair;
    let mut out = io::stdout().lock();
    writeln!(out, "the copy is sound: {frames} frames")?;
    let verb = if args.dry_run { "to mend" } else { "mended" };
    for Mended { path, from, to, frames } in &mended {
        let file = path.display();
        writeln!(out, "{verb}: {file}: from position {from} up to {to}, frames: {frames}")?;
    }
    if mended.is_empty() {
        writeln!(out, "nothing to mend")?;
    }
    writeln!(out, "the log ends at position {end}")?;
    Ok(())
}
