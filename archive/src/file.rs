//! The files of a table: rows in, Parquet out, row group by row group, and back again.
//!
//! Never holds more than a row group of a table in memory, nor more metadata than that of one file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rialto::sys::file::drop_cached;
use sha2::{Digest, Sha256};

use crate::ArchiveError;
use crate::manifest::{FileEntry, hexadecimal};
use crate::table::{ColumnKind, Row, Values, schema};

/// How a table is cut: rows in a row group, and row groups in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Rows in a row group: what is held in memory of a table.
    pub group_rows: usize,
    /// Row groups in a file: what its footer, which is written last, has to hold.
    pub file_groups: usize,
}

impl Cut {
    /// Some 70 MB of orders in memory, and files of 64 Mi rows.
    pub const USUAL: Self = Self { group_rows: 64 << 10, file_groups: 1 << 10 };
}

/// Writes the files of a table.
#[derive(Debug)]
pub(crate) struct TableWriter<R> {
    directory: PathBuf,
    cut: Cut,
    properties: WriterPropertiesPtr,
    columns: Vec<Values>,
    file: Option<OpenFile>,
    /// Those that are whole and on the disk.
    done: Vec<FileEntry>,
    row: PhantomData<R>,
}

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    writer: SerializedFileWriter<HashingFile>,
    rows: u64,
    groups: usize,
    content: Sha256,
}

impl<R: Row> TableWriter<R> {
    /// With no row yet, in `directory`.
    pub(crate) fn new(directory: &Path, cut: Cut) -> Self {
        Self {
            directory: directory.to_owned(),
            cut,
            properties: properties::<R>(),
            columns: R::COLUMNS.iter().map(|column| Values::new(column.kind)).collect(),
            file: None,
            done: Vec::new(),
            row: PhantomData,
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn push(&mut self, row: R) -> Result<(), ArchiveError> {
        row.spread(&mut self.columns);
        if self.columns[0].len() == self.cut.group_rows { self.end_group() } else { Ok(()) }
    }

    /// Ends the table: its files, each whole and on the disk. There is one even if there was no row.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn finish(mut self) -> Result<Vec<FileEntry>, ArchiveError> {
        if !self.columns[0].is_empty() {
            self.end_group()?;
        }
        if self.file.is_none() && self.done.is_empty() {
            self.file = Some(self.open()?);
        }
        self.end_file()?;
        Ok(self.done)
    }

    fn end_group(&mut self) -> Result<(), ArchiveError> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        write_group(&mut file.writer, &self.columns).map_err(parquet_error("write", &file.path))?;
        for values in &mut self.columns {
            values.hash_into(&mut file.content);
        }
        file.rows += self.columns[0].len() as u64;
        file.groups += 1;
        self.columns.iter_mut().for_each(Values::clear);
        let is_full = file.groups == self.cut.file_groups;
        self.file = Some(file);
        if is_full { self.end_file() } else { Ok(()) }
    }

    fn open(&self) -> Result<OpenFile, ArchiveError> {
        let path = self.directory.join(format!("{}-{:04}.parquet", R::TABLE, self.done.len()));
        let file = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
        let schema = schema(R::TABLE, R::COLUMNS);
        let writer =
            SerializedFileWriter::new(HashingFile::new(file), schema, Arc::clone(&self.properties))
                .map_err(parquet_error("write", &path))?;
        Ok(OpenFile { path, writer, rows: 0, groups: 0, content: Sha256::new() })
    }

    fn end_file(&mut self) -> Result<(), ArchiveError> {
        let Some(OpenFile { path, writer, rows, content, .. }) = self.file.take() else {
            return Ok(());
        };
        let file = writer.into_inner().map_err(parquet_error("write", &path))?;
        let (bytes, sha256) = file.sync().map_err(ArchiveError::io("sync", &path))?;
        let name = path.file_name().expect("it was joined").to_string_lossy().into_owned();
        let content = hexadecimal(&content.finalize());
        self.done.push(FileEntry { name, rows, bytes, sha256, content });
        Ok(())
    }
}

/// What a Parquet library cannot do to a file is either the operating system's doing or the file's.
fn parquet_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(ParquetError) -> ArchiveError + use<> {
    let path = path.to_owned();
    move |error| match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => ArchiveError::io(action, &path)(*source),
            Err(other) => ArchiveError::damaged(&path, other.to_string()),
        },
        other => ArchiveError::damaged(&path, other.to_string()),
    }
}

fn properties<R: Row>() -> WriterPropertiesPtr {
    let units = R::COLUMNS.iter().filter(|column| !column.unit.is_empty());
    let units =
        units.map(|column| KeyValue::new(format!("unit.{}", column.name), column.unit.to_owned()));
    let mut builder = WriterProperties::builder()
        // Level 3: the next ones take twice the time for some percent.
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(units.collect()));
    for column in R::COLUMNS {
        let path = ColumnPath::new(vec![column.name.to_owned()]);
        builder = match column.kind {
            // Sequences and times rise by little; and what is the same in all rows takes next to nothing.
            ColumnKind::Integer | ColumnKind::Time => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            // Its least and greatest would help nobody find a row, and cost two comparisons a value.
            ColumnKind::Text => {
                builder.set_column_statistics_enabled(path, EnabledStatistics::None)
            }
        };
    }
    Arc::new(builder.build())
}

fn write_group(
    writer: &mut SerializedFileWriter<HashingFile>,
    columns: &[Values],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for values in columns {
        let mut column = group.next_column()?.expect("one for each of the schema");
        match values {
            Values::Integers(values) => {
                column.typed::<Int64Type>().write_batch(values, None, None)?;
            }
            Values::Texts(values) => {
                column.typed::<ByteArrayType>().write_batch(values, None, None)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    Ok(())
}

/// Reads a file of a table, shows `see` each row, and returns what the file is: to compare with what was
/// written. Its bytes are hashed before anything makes sense of them.
///
/// # Errors
/// [`ArchiveError::Damaged`] where it is not what `expected` says, and the operating system's.
pub(crate) fn read<R: Row>(
    path: &Path,
    expected: &FileEntry,
    mut see: impl FnMut(R) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let differs = |what: &str| Err(ArchiveError::damaged(path, what));
    let (bytes, sha256) = hash_of(path).map_err(ArchiveError::io("read", path))?;
    if bytes != expected.bytes {
        let wanted = expected.bytes;
        return differs(&format!("it has {bytes} bytes, the manifest says {wanted}"));
    }
    if sha256 != expected.sha256 {
        return differs("its SHA-256 is not the manifest's");
    }
    let file = File::open(path).map_err(ArchiveError::io("open", path))?;
    let reader = SerializedFileReader::new(file).map_err(parquet_error("read", path))?;
    if reader.metadata().file_metadata().schema() != schema(R::TABLE, R::COLUMNS).as_ref() {
        return differs("its columns are not those of the table");
    }
    let mut content = Sha256::new();
    let mut rows = 0;
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number).map_err(parquet_error("read", path))?;
        let columns = read_group::<R>(group.as_ref()).map_err(parquet_error("read", path))?;
        if columns.iter().any(|values| values.len() != columns[0].len()) {
            return differs("its columns are not of one length");
        }
        for values in &columns {
            values.hash_into(&mut content);
        }
        rows += columns[0].len() as u64;
        for index in 0..columns[0].len() {
            see(R::gather(&columns, index))?;
        }
    }
    if rows != expected.rows {
        let wanted = expected.rows;
        return differs(&format!("it has {rows} rows, the manifest says {wanted}"));
    }
    if hexadecimal(&content.finalize()) != expected.content {
        return differs("its values are not those that were written");
    }
    Ok(())
}

fn read_group<R: Row>(group: &dyn RowGroupReader) -> Result<Vec<Values>, ParquetError> {
    let rows = usize::try_from(group.metadata().num_rows())?;
    let mut columns: Vec<_> = R::COLUMNS.iter().map(|column| Values::new(column.kind)).collect();
    for (index, values) in columns.iter_mut().enumerate() {
        let reader = group.get_column_reader(index)?;
        match values {
            Values::Integers(values) => {
                let mut reader = get_typed_column_reader::<Int64Type>(reader);
                while values.len() < rows {
                    let (_, read, _) =
                        reader.read_records(rows - values.len(), None, None, values)?;
                    if read == 0 {
                        break;
                    }
                }
            }
            Values::Texts(values) => {
                let mut reader = get_typed_column_reader::<ByteArrayType>(reader);
                while values.len() < rows {
                    let (_, read, _) =
                        reader.read_records(rows - values.len(), None, None, values)?;
                    if read == 0 {
                        break;
                    }
                }
            }
        }
    }
    Ok(columns)
}

/// A file that is hashed as it is written.
#[derive(Debug)]
struct HashingFile {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl HashingFile {
    fn new(file: File) -> Self {
        Self { file: BufWriter::with_capacity(1 << 20, file), hash: Sha256::new(), bytes: 0 }
    }

    /// Makes it durable, and lets the page cache go, so that whoever reads it next reads the disk: its size
    /// and hash.
    fn sync(self) -> io::Result<(u64, String)> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        drop_cached(&file)?;
        Ok((self.bytes, hexadecimal(&self.hash.finalize())))
    }
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The size and hash of a file.
fn hash_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hexadecimal(&hash.finalize()))),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}
