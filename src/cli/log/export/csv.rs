//! Records as CSV: a table for each kind, whose columns are the kind's fields.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::super::LogError;
use crate::cli::CliError;
use crate::cli::log::fields::{Content, Value};
use crate::event_store::LogRecord;

/// The tables that are being written.
pub(super) struct Tables {
    /// Where their files go; to standard output if nowhere.
    directory: Option<PathBuf>,
    /// In the order in which their first record came. A log has a few dozen kinds.
    open: Vec<Table>,
    line: String,
}

struct Table {
    name: &'static str,
    path: PathBuf,
    out: Box<dyn Write>,
}

impl Tables {
    /// A table on standard output: of one kind, whose records alone it may be given.
    pub(super) const fn stdout() -> Self {
        Self { directory: None, open: Vec::new(), line: String::new() }
    }

    /// Files in `directory`, which is made and must not be there yet.
    pub(super) fn files(directory: &Path) -> Result<Self, CliError> {
        fs::create_dir(directory).map_err(table_error(directory))?;
        Ok(Self { directory: Some(directory.to_owned()), open: Vec::new(), line: String::new() })
    }

    /// Adds a record to the table of its kind.
    pub(super) fn write(
        &mut self,
        record: &LogRecord<'_>,
        content: &Content<'_>,
    ) -> Result<(), CliError> {
        let name = content.name();
        let known = self.open.iter().position(|table| table.name == name);
        let at = known.map_or_else(|| self.begin(name, content), Ok)?;
        self.line.clear();
        write_row(record, content, &mut self.line);
        self.open[at].write(&self.line)
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> Result<(), CliError> {
        self.open.iter_mut().try_for_each(|table| table.out.flush().map_err(|e| table.error(e)))
    }

    fn begin(&mut self, name: &'static str, content: &Content<'_>) -> Result<usize, CliError> {
        let (path, out): (_, Box<dyn Write>) = match &self.directory {
            Some(directory) => {
                let path = directory.join(name).with_extension("csv");
                let file = File::create_new(&path).map_err(table_error(&path))?;
                (path, Box::new(BufWriter::with_capacity(1 << 16, file)))
            }
            None => (PathBuf::new(), Box::new(BufWriter::with_capacity(1 << 16, io::stdout()))),
        };
        self.open.push(Table { name, path, out });
        self.line.clear();
        write_columns(content, &mut self.line);
        let at = self.open.len() - 1;
        self.open[at].write(&self.line)?;
        Ok(at)
    }
}

impl Table {
    fn write(&mut self, line: &str) -> Result<(), CliError> {
        self.out.write_all(line.as_bytes()).map_err(|error| self.error(error))
    }

    /// An error of a file says which; that of standard output may be a reader who has seen enough.
    fn error(&self, error: io::Error) -> CliError {
        if self.path.as_os_str().is_empty() { error.into() } else { table_error(&self.path)(error) }
    }
}

fn table_error(path: &Path) -> impl FnOnce(io::Error) -> CliError {
    move |source| LogError::Table { path: path.to_owned(), source }.into()
}

/// The names of the columns that records of this kind have.
pub(super) fn write_columns(content: &Content<'_>, line: &mut String) {
    line.push_str("sequence,time,position,index,term,record");
    content.fields(&mut |field| {
        if field.has_column() {
            line.push(',');
            line.push_str(&field.path());
        }
    });
    line.push('\n');
}

/// A record's row.
pub(super) fn write_row(record: &LogRecord<'_>, content: &Content<'_>, line: &mut String) {
    let LogRecord { header, sequence, position, .. } = record;
    let (time, index, term, name) = (header.time.0, header.index, header.term, content.name());
    let _infallible = write!(line, "{sequence},{time},{position},{index},{term},{name}");
    content.fields(&mut |field| {
        if field.has_column() {
            line.push(',');
            write_value(&field.value(), line);
        }
    });
    line.push('\n');
}

fn write_value(value: &Value, line: &mut String) {
    let _infallible = match value {
        Value::Unsigned(number) => write!(line, "{number}"),
        Value::Signed(number) => write!(line, "{number}"),
        Value::Bytes(digits) => write!(line, "{digits}"),
        Value::Text(text) => {
            line.push('"');
            for character in text.chars() {
                if character == '"' {
                    line.push('"');
                }
                line.push(character);
            }
            write!(line, "\"")
        }
        Value::None | Value::Silent => Ok(()),
    };
}
