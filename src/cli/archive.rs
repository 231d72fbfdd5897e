//! `rialto archive`: becomes the program beside this one that archives days. Parquet is linked into that
//! one alone, and what it does and which arguments it takes is its own business.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::CliError;

/// Arguments of `rialto archive`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// As `rialto archive --help` says.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// The program's name. It lies where this program lies, and nowhere else is searched: what archives a day
/// must be of the same build as what made it.
const PROGRAM: &str = "rialto-archive";

/// Becomes the archiver.
///
/// # Errors
/// If it is not there, or cannot be run.
pub fn run(args: &Args) -> Result<Infallible, CliError> {
    let path = env::current_exe()?.with_file_name(PROGRAM);
    let error = Command::new(&path).args(&args.arguments).exec();
    match error.kind() {
        std::io::ErrorKind::NotFound => Err(CliError::NoArchiver { path }),
        _ => Err(error.into()),
    }
}
