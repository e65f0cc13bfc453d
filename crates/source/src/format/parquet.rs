//! Tables as Parquet (apache/parquet-format), read row group by row group and in it some thousand rows at a time.
//!
//! The columns are the leaves of the schema, named by their path with dots between; what lies within a list or map is no
//! column. Numbers, texts, booleans, dates and times become cells as a text table would have them; what is null is empty.
//!
//! The library `parquet` knows the schema and the encodings of values. Pages are found, bounded and decompressed here
//! (`pages`), because it believes the sizes that a file claims; the footer is checked before it sees it (`thrift`).
//! Where it panics all the same on hostile bytes, that is an error of the file.

mod pages;
mod thrift;

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, SecondsFormat};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use self::pages::{Pages, Random};
use self::thrift::Fault;
use super::rows::{MAX_COLUMNS, Next, Row};
use crate::transport::file::{Opened, Progress};

/// Turns the row groups of a file into rows of cells.
pub(super) struct Reader {
    file: Arc<Random>,
    metadata: ParquetMetaData,
    names: Vec<String>,
    columns: Vec<Column>,
    /// The next row group.
    group: usize,
    /// Rows of the current row group that are not yet decoded.
    left: usize,
    /// Rows decoded, and how many of them were given out.
    decoded: usize,
    given: usize,
    held: Arc<AtomicUsize>,
    progress: Progress,
    text: Vec<u8>,
    ends: Vec<usize>,
}

struct Column {
    /// Its place among the leaves of the schema.
    leaf: usize,
    meaning: Meaning,
    /// The definition level of a value that is there (Dremel, Melnik 2010).
    level: i16,
    reader: Option<ColumnReader>,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// Where the cells of a column go.
struct Cells<'a> {
    text: &'a mut Vec<u8>,
    ends: &'a mut Vec<usize>,
    level: i16,
}

/// What a stored number stands for.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Plain,
    Unsigned,
    /// Units since 1970: so many nanoseconds each.
    Time(i64),
    Days,
    /// Tenths, hundredths and so on.
    Decimal(i32),
}

/// Whether a file starts as Parquet does.
pub(super) fn is_parquet(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

impl Reader {
    /// Reads the footer. `start` are the bytes that were taken from `opened` already.
    pub(super) fn new(start: Vec<u8>, opened: Opened) -> Result<Reader, String> {
        let progress = opened.progress;
        let file = match opened.file {
            Some(file) => Random::File(Mutex::new(file), progress.total()),
            None => {
                let mut all = start;
                opened.bytes.take(MAX_MEMORY).read_to_end(&mut all).map_err(|error| error.to_string())?;
                if all.len() as u64 >= MAX_MEMORY {
                    return Err("Parquet of more than 1 GiB must be a file of its own, not compressed once more".into());
                }
                Random::Memory(all.into())
            }
        };
        let footer = footer(&file)?;
        let metadata = guard(|| ParquetMetaDataReader::decode_metadata(&footer).map_err(|error| error.to_string()))?;
        let (names, columns) = guard(|| columns(&metadata))?;
        Ok(Reader {
            file: Arc::new(file),
            metadata,
            names,
            columns,
            group: 0,
            left: 0,
            decoded: 0,
            given: 0,
            held: Arc::default(),
            progress,
            text: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// The names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.names
    }

    pub(super) fn row(&self) -> Row<'_> {
        Row { text: &self.text, ends: &self.ends }
    }

    pub(super) fn advance(&mut self) -> Result<Next, String> {
        while self.given == self.decoded {
            if self.left == 0 && !self.open_group()? {
                return Ok(Next::End);
            }
            if self.left > 0 {
                guard(|| self.decode())?;
            }
        }
        self.text.clear();
        self.ends.clear();
        for column in &self.columns {
            let start = if self.given == 0 { 0 } else { column.ends[self.given - 1] };
            self.text.extend_from_slice(&column.text[start..column.ends[self.given]]);
            self.ends.push(self.text.len());
        }
        self.given += 1;
        Ok(Next::Row)
    }

    /// Prepares the next row group; `false` where there is none.
    fn open_group(&mut self) -> Result<bool, String> {
        if self.group >= self.metadata.num_row_groups() {
            self.progress.set(self.progress.total());
            return Ok(false);
        }
        let group = self.metadata.row_group(self.group);
        self.group += 1;
        self.left = usize::try_from(group.num_rows()).map_err(|_| "a row group of negative size")?;
        let length = self.file.length();
        for column in &mut self.columns {
            let Some(chunk) = group.columns().get(column.leaf) else { return Err("a row group lacks columns".into()) };
            let start = chunk.dictionary_page_offset().filter(|offset| *offset > 0).unwrap_or(chunk.data_page_offset());
            let range = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
            let range = range.and_then(|(start, size)| Some((start, start.checked_add(size)?)));
            let range = range.filter(|range| range.1 <= length).ok_or("a column lies outside of the file")?;
            if chunk.file_path().is_some() {
                return Err("its columns lie in other files".into());
            }
            self.progress.set(range.0);
            let pages = Pages::new(Arc::clone(&self.file), range, chunk.compression(), Arc::clone(&self.held));
            let description = chunk.column_descr_ptr();
            column.reader = Some(guard(|| Ok(get_column_reader(description, Box::new(pages))))?);
        }
        Ok(true)
    }

    /// Decodes the next rows of the row group.
    fn decode(&mut self) -> Result<(), String> {
        let rows = self.left.min((CELLS_AT_A_TIME / self.columns.len().max(1)).clamp(1, ROWS_AT_A_TIME));
        for (column, name) in self.columns.iter_mut().zip(&self.names) {
            column.decode(rows).map_err(|reason| format!("column `{}`: {reason}", super::printable(name)))?;
        }
        (self.left, self.decoded, self.given) = (self.left - rows, rows, 0);
        Ok(())
    }
}

impl Column {
    fn decode(&mut self, rows: usize) -> Result<(), String> {
        use ColumnReader::{
            BoolColumnReader, ByteArrayColumnReader, DoubleColumnReader, FixedLenByteArrayColumnReader,
            FloatColumnReader, Int32ColumnReader, Int64ColumnReader, Int96ColumnReader,
        };
        self.text.clear();
        self.ends.clear();
        let (cells, meaning) =
            (&mut Cells { text: &mut self.text, ends: &mut self.ends, level: self.level }, self.meaning);
        match self.reader.as_mut().ok_or("it was not opened")? {
            BoolColumnReader(reader) => read(reader, rows, cells, |text, value| write!(text, "{value}")),
            Int32ColumnReader(reader) => read(reader, rows, cells, |text, &value| match meaning {
                Meaning::Unsigned => write!(text, "{}", value as u32),
                meaning => meaning.write(text, value.into()),
            }),
            Int64ColumnReader(reader) => read(reader, rows, cells, |text, &value| meaning.write(text, value)),
            Int96ColumnReader(reader) => read(reader, rows, cells, |text, value| {
                let [low, high, day] = [0, 1, 2].map(|word| i128::from(value.data()[word]));
                // Nanoseconds of the day, and the Julian day.
                let nanoseconds = (day - JULIAN_DAY_OF_1970) * 86_400_000_000_000 + (high << 32) + low;
                match i64::try_from(nanoseconds) {
                    Ok(nanoseconds) => Meaning::Time(1).write(text, nanoseconds),
                    Err(_) => Ok(()),
                }
            }),
            FloatColumnReader(reader) => read(reader, rows, cells, |text, value| write!(text, "{value}")),
            DoubleColumnReader(reader) => read(reader, rows, cells, |text, value| write!(text, "{value}")),
            ByteArrayColumnReader(reader) => read(reader, rows, cells, |text, value| match meaning {
                Meaning::Decimal(scale) => decimal(text, value.data(), scale),
                _ => text.write_all(cut(value.data())),
            }),
            FixedLenByteArrayColumnReader(reader) => read(reader, rows, cells, |text, value| match meaning {
                Meaning::Decimal(scale) => decimal(text, value.data(), scale),
                _ => cut(value.data()).iter().take(MAX_CELL / 2).try_for_each(|byte| write!(text, "{byte:02x}")),
            }),
        }
    }
}

/// Reads so many rows of a column and writes each as a cell.
fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    cells: &mut Cells<'_>,
    mut write: impl FnMut(&mut Vec<u8>, &T::T) -> std::io::Result<()>,
) -> Result<(), String> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (records, _, _) =
        reader.read_records(rows, Some(&mut levels), None, &mut values).map_err(|error| error.to_string())?;
    if records != rows {
        return Err("it ends before its row group does".into());
    }
    let mut values = values.iter();
    for row in 0..rows {
        let is_present = cells.level == 0 || levels.get(row) == Some(&cells.level);
        if is_present {
            let value = values.next().ok_or("it has fewer values than it says")?;
            write(cells.text, value).map_err(|error| error.to_string())?;
        }
        cells.ends.push(cells.text.len());
    }
    Ok(())
}

impl Meaning {
    fn write(self, text: &mut Vec<u8>, number: i64) -> std::io::Result<()> {
        match self {
            Meaning::Plain => write!(text, "{number}"),
            Meaning::Unsigned => write!(text, "{}", number as u64),
            Meaning::Time(unit) => match number.checked_mul(unit) {
                Some(nanoseconds) => {
                    let time = DateTime::from_timestamp_nanos(nanoseconds);
                    text.write_all(time.to_rfc3339_opts(SecondsFormat::AutoSi, true).as_bytes())
                }
                None => Ok(()),
            },
            Meaning::Days => {
                let date = i32::try_from(number).ok().and_then(NaiveDate::from_epoch_days);
                date.map_or(Ok(()), |date| write!(text, "{date}"))
            }
            Meaning::Decimal(scale) => write!(text, "{number}e{}", -i64::from(scale)),
        }
    }
}

/// Writes a decimal number of any length: two's complement, the highest byte first. Longer ones than 128 bits are missing.
fn decimal(text: &mut Vec<u8>, bytes: &[u8], scale: i32) -> std::io::Result<()> {
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    if bytes.is_empty() || bytes.len() > 16 {
        return Ok(());
    }
    let number =
        bytes.iter().fold(if is_negative { -1 } else { 0i128 }, |number, byte| number << 8 | i128::from(*byte));
    write!(text, "{number}e{}", -i64::from(scale))
}

/// The leaves of the schema that are one value a row.
fn columns(metadata: &ParquetMetaData) -> Result<(Vec<String>, Vec<Column>), String> {
    let schema = metadata.file_metadata().schema_descr();
    let (mut names, mut columns): (Vec<String>, Vec<Column>) = (Vec::new(), Vec::new());
    let mut seen = std::collections::HashSet::new();
    for leaf in 0..schema.num_columns() {
        let description = schema.column(leaf);
        let name = description.path().parts().join(".");
        if description.max_rep_level() > 0 || !seen.insert(name.clone()) {
            continue;
        }
        let meaning = match (description.logical_type_ref(), description.converted_type()) {
            (Some(LogicalType::Timestamp(stamp)), _) => Meaning::Time(match stamp.unit {
                TimeUnit::MILLIS => 1_000_000,
                TimeUnit::MICROS => 1_000,
                TimeUnit::NANOS => 1,
            }),
            (_, ConvertedType::TIMESTAMP_MILLIS) => Meaning::Time(1_000_000),
            (_, ConvertedType::TIMESTAMP_MICROS) => Meaning::Time(1_000),
            (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => Meaning::Days,
            (Some(LogicalType::Integer(kind)), _) if !kind.is_signed => Meaning::Unsigned,
            (_, ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64) => {
                Meaning::Unsigned
            }
            (Some(LogicalType::Decimal(kind)), _) => Meaning::Decimal(kind.scale),
            (_, ConvertedType::DECIMAL) => Meaning::Decimal(description.type_scale()),
            _ => Meaning::Plain,
        };
        names.push(name);
        let level = description.max_def_level();
        columns.push(Column { leaf, meaning, level, reader: None, text: Vec::new(), ends: Vec::new() });
    }
    match columns.len() {
        0 => Err("it has no columns but lists and maps".into()),
        count if count > MAX_COLUMNS => Err(format!("it has more than {MAX_COLUMNS} columns")),
        _ => Ok((names, columns)),
    }
}

/// The bytes of the footer, checked.
fn footer(file: &Random) -> Result<Bytes, String> {
    let part = |start, length| file.part(start, length).map_err(|error| error.to_string());
    let tail_start = file.length().checked_sub(8).filter(|start| *start >= 4).ok_or(CUT_SHORT)?;
    let tail = part(tail_start, 8)?;
    match &tail[4..] {
        b"PAR1" => {}
        b"PARE" => return Err("it is encrypted".into()),
        _ => return Err(CUT_SHORT.into()),
    }
    let length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
    let start =
        tail_start.checked_sub(length.into()).filter(|start| *start >= 4).ok_or("its footer is longer than it")?;
    if length > MAX_FOOTER {
        return Err("its footer is longer than 64 MiB".into());
    }
    let footer = part(start, length as usize)?;
    thrift::check_footer(&footer).map_err(|fault| match fault {
        Fault::Short => "its footer is damaged".to_owned(),
        Fault::Wrong(reason) => format!("its footer is damaged: {reason}"),
    })?;
    Ok(footer)
}

/// What the library does, its panics made errors: it keeps no state beyond the readers, which an error ends.
fn guard<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("it is damaged in a way that no reader expects".into()))
}

fn cut(value: &[u8]) -> &[u8] {
    &value[..value.len().min(MAX_CELL)]
}

const MAGIC: &[u8] = b"PAR1";
const CUT_SHORT: &str = "it starts as Parquet but does not end so: perhaps it was cut short";
const MAX_FOOTER: u32 = 64 << 20;
const MAX_MEMORY: u64 = 1 << 30;
const MAX_CELL: usize = 4096;
const ROWS_AT_A_TIME: usize = 1024;
const CELLS_AT_A_TIME: usize = 1 << 16;
const JULIAN_DAY_OF_1970: i128 = 2_440_588;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_of_any_length_are_read() {
        let read = |bytes: &[u8], scale| {
            let mut text = Vec::new();
            decimal(&mut text, bytes, scale).unwrap();
            String::from_utf8(text).unwrap()
        };
        assert_eq!([read(&[0, 0, 0x0b, 0xb7], 2), read(&[0xff, 0xff], 0), read(&[], 2)], ["2999e-2", "-1e0", ""]);
    }
}
