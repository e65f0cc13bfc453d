//! One file of flows: how it is written, and how its row groups are read.
//!
//! What was written is known by its SHA-256, group by group. So no damaged byte reaches the library that decodes Parquet,
//! which believes what a file claims, and a reader holds one row group in memory at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use flow::{Flow, Time};
use parquet::basic::{Encoding, Type as Physical};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::{BoolType, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::SchemaDescriptor;
use sha2::{Digest, Sha256};

use super::columns::{Column, schema};
use super::sheet::{Leaf, Sheet, Values};
use crate::Error;

/// What is known of a file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    /// What Parquet keeps at the end of a file, and its SHA-256.
    pub(super) footer_bytes: u64,
    pub(super) footer_sha256: [u8; 32],
    pub(super) groups: Vec<Group>,
}

/// What is known of a row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) rows: u64,
    /// Where it lies in the file.
    pub(super) start: u64,
    pub(super) bytes: u64,
    pub(super) sha256: [u8; 32],
    /// Between which times its flows ended.
    pub(super) earliest: Time,
    pub(super) latest: Time,
}

/// Writes flows into a new file.
pub(super) struct Writer {
    path: PathBuf,
    file: SerializedFileWriter<File>,
    sheet: Sheet,
    rows: usize,
    ends: Option<(Time, Time)>,
    groups: Vec<(u64, Time, Time)>,
}

impl Writer {
    pub(super) fn create(path: &Path) -> Result<Writer, Error> {
        let create = || {
            let schema = schema()?;
            let sheet = Sheet::new(&SchemaDescriptor::new(Arc::clone(&schema)));
            let properties = Arc::new(properties(&SchemaDescriptor::new(Arc::clone(&schema))));
            let file = SerializedFileWriter::new(for_owner(path)?, schema, properties)?;
            Ok((file, sheet))
        };
        let (file, sheet) = create().map_err(|error| Error::file(path, reason(error)))?;
        Ok(Writer { path: path.to_owned(), file, sheet, rows: 0, ends: None, groups: Vec::new() })
    }

    pub(super) fn push(&mut self, flow: &Flow) -> Result<(), Error> {
        self.sheet.begin();
        flow.write(&mut self.sheet);
        self.rows += 1;
        let (earliest, latest) = self.ends.unwrap_or((flow.end, flow.end));
        self.ends = Some((earliest.min(flow.end), latest.max(flow.end)));
        if self.rows == ROWS_A_GROUP { self.end_group() } else { Ok(()) }
    }

    /// Ends the file, and has it reach the disk.
    pub(super) fn finish(mut self) -> Result<Written, Error> {
        self.end_group()?;
        let fail = |error| Error::file(&self.path, error);
        let metadata = self.file.finish().map_err(reason).map_err(fail)?;
        self.file.inner().sync_all().map_err(fail)?;
        describe(&self.path, &metadata, &self.groups).map_err(fail)
    }

    fn end_group(&mut self) -> Result<(), Error> {
        let Some((earliest, latest)) = self.ends.take() else { return Ok(()) };
        let mut write = || {
            let mut group = self.file.next_row_group()?;
            for leaf in &self.sheet.leaves {
                let mut column = group.next_column()?.ok_or_else(|| ParquetError::General("too few columns".into()))?;
                write_leaf(&mut column, leaf)?;
                column.close()?;
            }
            group.close().map(drop)
        };
        write().map_err(|error| Error::file(&self.path, reason(error)))?;
        self.groups.push((self.rows as u64, earliest, latest));
        self.sheet.clear();
        self.rows = 0;
        Ok(())
    }
}

/// A file of flows that is read.
pub(super) struct Reader {
    path: PathBuf,
    file: File,
    metadata: ParquetMetaData,
    /// For every leaf of the sheet its place in the file; `None` where the file is older than the column.
    places: Vec<Option<usize>>,
}

impl Reader {
    pub(super) fn open(path: &Path, bytes: u64, footer_bytes: u64, footer_sha256: &[u8]) -> Result<Reader, Error> {
        let mut file = File::open(path).map_err(|error| Error::File { path: path.to_owned(), source: error })?;
        let length = file.metadata().map_err(|error| Error::file(path, error))?.len();
        if length != bytes {
            return Err(Error::damaged(path, format!("it has {length} bytes where {bytes} were written")));
        }
        let start =
            bytes.checked_sub(footer_bytes).ok_or_else(|| Error::damaged(path, "its footer is longer than it"))?;
        let footer = part(&mut file, path, start, footer_bytes, footer_sha256)?;
        // Behind it stand its length and the letters PAR1.
        let footer = footer.get(..footer.len().saturating_sub(8)).unwrap_or_default();
        let fail = |error: ParquetError| Error::damaged(path, error);
        let metadata = ParquetMetaDataReader::decode_metadata(footer).map_err(fail)?;
        let places = places(&metadata).map_err(fail)?;
        Ok(Reader { path: path.to_owned(), file, metadata, places })
    }

    /// Begins to read the row group of that number.
    pub(super) fn group(&mut self, number: usize, group: &Group) -> Result<Rows, Error> {
        let bytes = part(&mut self.file, &self.path, group.start, group.bytes, &group.sha256)?;
        let damaged = |reason: &str| Error::damaged(&self.path, reason);
        let metadata = self.metadata.row_groups().get(number).ok_or_else(|| damaged("it lacks a row group"))?;
        let rows = usize::try_from(metadata.num_rows()).ok().filter(|rows| *rows as u64 == group.rows);
        let rows = rows.ok_or_else(|| damaged("a row group of another length"))?;
        let part = Arc::new(Part { start: group.start, bytes });
        let open = |place: &Option<usize>| {
            let Some(chunk) = place.and_then(|place| metadata.columns().get(place)) else { return Ok(None) };
            let pages = SerializedPageReader::new(Arc::clone(&part), chunk, rows, None)?;
            Ok(Some(get_column_reader(chunk.column_descr_ptr(), Box::new(pages))))
        };
        let columns = self.places.iter().map(open).collect::<ParquetResult<Vec<_>>>();
        let columns = columns.map_err(|error| Error::damaged(&self.path, error))?;
        let sheet = Sheet::new(&SchemaDescriptor::new(schema().map_err(|error| Error::damaged(&self.path, error))?));
        Ok(Rows { path: self.path.clone(), columns, sheet, left: rows })
    }
}

/// The rows of a row group, some at a time.
pub(super) struct Rows {
    path: PathBuf,
    columns: Vec<Option<ColumnReader>>,
    sheet: Sheet,
    left: usize,
}

impl Rows {
    /// Passes over rows that were read before.
    pub(super) fn pass(&mut self, mut rows: usize) -> Result<(), Error> {
        let mut none = Vec::new();
        while rows > 0 && self.left > 0 {
            let now = rows.min(ROWS_AT_A_TIME);
            self.read_some(now, &mut none)?;
            none.clear();
            rows -= now;
        }
        Ok(())
    }

    /// Appends the next flows; `false` where there are no more.
    pub(super) fn read(&mut self, flows: &mut Vec<Flow>) -> Result<bool, Error> {
        self.read_some(ROWS_AT_A_TIME, flows)?;
        Ok(self.left > 0)
    }

    fn read_some(&mut self, most: usize, flows: &mut Vec<Flow>) -> Result<(), Error> {
        let rows = self.left.min(most);
        self.left -= rows;
        self.sheet.clear();
        for (leaf, column) in self.sheet.leaves.iter_mut().zip(&mut self.columns) {
            read_leaf(leaf, column.as_mut(), rows).map_err(|error| Error::damaged(&self.path, error))?;
        }
        flows.reserve(rows);
        for row in 0..rows {
            self.sheet.begin_reading(row);
            flows.push(Flow::read(&mut self.sheet).map_err(|fault| Error::damaged(&self.path, fault.0))?);
        }
        Ok(())
    }
}

/// Creates a file that its owner alone may read.
fn for_owner(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whole numbers are kept by their differences, which needs no table and takes no bits where they are equal; texts by a
/// dictionary. Other programs that read Parquet know both.
fn properties(schema: &SchemaDescriptor) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("lapwing ", env!("CARGO_PKG_VERSION")).into())
        .set_dictionary_enabled(false)
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::None);
    for column in schema.columns() {
        properties = match column.physical_type() {
            Physical::INT32 | Physical::INT64 => {
                properties.set_column_encoding(column.path().clone(), Encoding::DELTA_BINARY_PACKED)
            }
            Physical::BYTE_ARRAY => properties.set_column_dictionary_enabled(column.path().clone(), true),
            _ => properties,
        };
    }
    properties.build()
}

fn write_leaf(column: &mut SerializedColumnWriter<'_>, leaf: &Leaf) -> ParquetResult<()> {
    let levels = (leaf.most > 0).then_some(leaf.levels.as_slice());
    match &leaf.values {
        Values::Truths(values) => column.typed::<BoolType>().write_batch(values, levels, None),
        Values::Integers(values) => column.typed::<Int32Type>().write_batch(values, levels, None),
        Values::Longs(values) => column.typed::<Int64Type>().write_batch(values, levels, None),
        Values::Texts(values) => column.typed::<ByteArrayType>().write_batch(values, levels, None),
    }
    .map(drop)
}

fn read_leaf(leaf: &mut Leaf, column: Option<&mut ColumnReader>, rows: usize) -> ParquetResult<()> {
    fn read<T: DataType>(
        reader: &mut parquet::column::reader::ColumnReaderImpl<T>,
        rows: usize,
        levels: &mut Vec<i16>,
        values: &mut Vec<T::T>,
    ) -> ParquetResult<usize> {
        reader.read_records(rows, Some(levels), None, values).map(|(records, _, _)| records)
    }
    let levels = &mut leaf.levels;
    let records = match (column, &mut leaf.values) {
        (None, _) => {
            leaf.is_missing = true;
            rows
        }
        (Some(ColumnReader::BoolColumnReader(reader)), Values::Truths(values)) => read(reader, rows, levels, values)?,
        (Some(ColumnReader::Int32ColumnReader(reader)), Values::Integers(values)) => {
            read(reader, rows, levels, values)?
        }
        (Some(ColumnReader::Int64ColumnReader(reader)), Values::Longs(values)) => read(reader, rows, levels, values)?,
        (Some(ColumnReader::ByteArrayColumnReader(reader)), Values::Texts(values)) => {
            read(reader, rows, levels, values)?
        }
        _ => return Err(ParquetError::General("a column of another type".into())),
    };
    if records == rows { Ok(()) } else { Err(ParquetError::General("a column ends before its row group".into())) }
}

/// Where the columns lie in a file that may be of an earlier version.
fn places(metadata: &ParquetMetaData) -> ParquetResult<Vec<Option<usize>>> {
    let ours = SchemaDescriptor::new(schema()?);
    let theirs = metadata.file_metadata().schema_descr();
    let place = |ours: &Arc<parquet::schema::types::ColumnDescriptor>| {
        let Some(place) = theirs.columns().iter().position(|theirs| theirs.path() == ours.path()) else {
            return Ok(None);
        };
        let is_alike = theirs.columns().get(place).is_some_and(|theirs| {
            (theirs.physical_type(), theirs.max_def_level(), theirs.max_rep_level())
                == (ours.physical_type(), ours.max_def_level(), ours.max_rep_level())
        });
        let unlike = || ParquetError::General(format!("the column {} is of another type", ours.path()));
        if is_alike { Ok(Some(place)) } else { Err(unlike()) }
    };
    ours.columns().iter().map(place).collect()
}

/// What is known of a file, read back from it.
fn describe(path: &Path, metadata: &ParquetMetaData, groups: &[(u64, Time, Time)]) -> io::Result<Written> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut known = Vec::new();
    let mut end = MAGIC_BYTES;
    for (group, &(rows, earliest, latest)) in metadata.row_groups().iter().zip(groups) {
        let start = end;
        end = group
            .columns()
            .iter()
            .map(ColumnChunkMetaData::byte_range)
            .map(|(at, length)| at + length)
            .max()
            .unwrap_or(end);
        let sha256 = digest(&mut file, start, end - start)?;
        known.push(Group { rows, start, bytes: end - start, sha256, earliest, latest });
    }
    let footer_bytes = bytes.saturating_sub(end);
    let footer_sha256 = digest(&mut file, end, footer_bytes)?;
    Ok(Written { bytes, footer_bytes, footer_sha256, groups: known })
}

fn digest(file: &mut File, start: u64, length: u64) -> io::Result<[u8; 32]> {
    file.seek(SeekFrom::Start(start))?;
    let mut sha256 = Sha256::new();
    io::copy(&mut file.take(length), &mut sha256)?;
    Ok(sha256.finalize().into())
}

/// A part of a file, which must be as it was written.
fn part(file: &mut File, path: &Path, start: u64, length: u64, sha256: &[u8]) -> Result<Bytes, Error> {
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_PART_BYTES);
    let mut bytes =
        vec![0; length.ok_or_else(|| Error::damaged(path, "a part of it is longer than any that is written"))?];
    let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
    read.map_err(|error| Error::damaged(path, error))?;
    if Sha256::digest(&bytes).as_slice() != sha256 {
        return Err(Error::damaged(path, "its bytes are not those that were written"));
    }
    Ok(bytes.into())
}

/// The bytes of a row group, at their place in the file.
struct Part {
    start: u64,
    bytes: Bytes,
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Part {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let length = self.len().saturating_sub(start);
        Ok(self.get_bytes(start, usize::try_from(length).unwrap_or(usize::MAX))?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let outside = || ParquetError::General("it points outside of its row group".into());
        let start = start.checked_sub(self.start).and_then(|start| usize::try_from(start).ok()).ok_or_else(outside)?;
        let end = start.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or_else(outside)?;
        Ok(self.bytes.slice(start..end))
    }
}

/// What the library failed of, where that was a file.
fn reason(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

/// Flows that are written together: some 20 MiB in memory.
pub(super) const ROWS_A_GROUP: usize = 1 << 15;
/// Flows that are decoded together: few enough to stay in the cache.
const ROWS_AT_A_TIME: usize = 1 << 12;
/// The letters PAR1.
const MAGIC_BYTES: u64 = 4;
/// A row group of flows with the longest texts, and more.
const MAX_PART_BYTES: usize = 1 << 30;
