//! `rialto books-diff`: compares two dumps of books, line by line. It knows neither exchange nor feed:
//! that is what makes its word worth something.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::cli::CliError;

/// Arguments of `rialto books-diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    rialto books-diff node.books feed.books && echo equal\n\n\
    Ends with 0 if the dumps are equal, with 1 if not, and shows the first difference.")]
pub struct Args {
    /// A dump, as `rialto run --books-out` writes it.
    left: PathBuf,
    /// Another, as `rialto feed --books-out` writes it.
    right: PathBuf,
}

/// Where two dumps differ first.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    line: u64,
    left: Option<String>,
    right: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown =
            |line: &Option<String>| line.clone().unwrap_or_else(|| "(ends here)".to_owned());
        write!(f, "line {}:\n< {}\n> {}", self.line, shown(&self.left), shown(&self.right))
    }
}

/// Compares.
///
/// # Errors
/// [`CliError::BooksDiffer`], and when one cannot be read; the message says which.
pub fn run(args: &Args) -> Result<(), CliError> {
    difference(args)?.map_or(Ok(()), |difference| Err(CliError::BooksDiffer(difference)))
}

fn difference(args: &Args) -> io::Result<Option<Difference>> {
    let [mut left, mut right] = [open(&args.left)?, open(&args.right)?];
    let mut line = 0;
    loop {
        line += 1;
        let (left, right) = (left.next().transpose()?, right.next().transpose()?);
        match (left, right) {
            (None, None) => return Ok(None),
            (left, right) if left == right => {}
            (left, right) => return Ok(Some(Difference { line, left, right })),
        }
    }
}

fn open(path: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    Ok(BufReader::new(File::open(path).map_err(named)?).lines())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(left: &str, right: &str) -> Option<String> {
        let folder = std::env::temp_dir();
        let name =
            |side| folder.join(format!("rialto-{}-{side}-{}", std::process::id(), left.len()));
        let args = Args { left: name("left"), right: name("right") };
        std::fs::write(&args.left, left).unwrap();
        std::fs::write(&args.right, right).unwrap();
        let difference = difference(&args).unwrap();
        std::fs::remove_file(&args.left).unwrap();
        std::fs::remove_file(&args.right).unwrap();
        difference.map(|difference| difference.to_string())
    }

    #[test]
    fn equal_dumps_have_no_difference() {
        assert_eq!(compare("sequence 7\nACME B 1\n", "sequence 7\nACME B 1\n"), None);
    }

    #[test]
    fn the_first_difference_is_shown() {
        let shown = compare("sequence 7\nACME B 1\n", "sequence 7\nACME S 1\nmore\n");
        assert_eq!(shown.unwrap(), "line 2:\n< ACME B 1\n> ACME S 1");
    }

    #[test]
    fn a_dump_cut_short_differs() {
        assert_eq!(compare("a\nb\nc\n", "a\nb\n").unwrap(), "line 3:\n< c\n> (ends here)");
    }

    #[test]
    fn a_dump_that_is_not_there_is_named() {
        let args = Args { left: "/nowhere/a".into(), right: "/nowhere/b".into() };
        assert!(difference(&args).unwrap_err().to_string().starts_with("/nowhere/a: No such file"));
    }
}
