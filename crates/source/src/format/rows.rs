//! Rows of cells, from a table in any format: text ([`csv`]), [JSON lines](super::json_lines) or
//! [Parquet](super::parquet), told by its content.
//!
//! A table to learn from is read twice: a [`Profile`] tells which columns hold numbers and which names, then a [`Builder`]
//! is filled. With columns that are already known, it is read once, batch by batch. A cell is text whatever the format;
//! what has no text there (null, no such key) is an empty cell.
//!
//! Empty cells and the usual words for nothing are missing values, and so are infinite numbers and NaN, which are counted.
//! A row that cannot be used is skipped and counted by reason. Whatever the bytes, a row takes at most one MiB, a name
//! 256 bytes, and the names of all columns 64 MiB.

mod builder;
mod cell;
mod profile;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

pub use self::builder::{Batch, Builder, Texts};
pub use self::profile::Profile;
use super::cic::{self, Generation};
use super::{csv, json_lines, packet, parquet, printable, zeek};
use crate::Error;
use crate::transport::file::{self, Opened, Progress};
pub(super) use cell::{Cell, time};

/// A column to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Measurements; a row with text there is skipped.
    Number,
    /// Names.
    Category,
    /// The truth of the row, as a name; a row without is skipped. At most one column. The dot at the end of KDD'99's
    /// names is left out.
    Label,
    /// When it happened; a row where that cannot be read is skipped. At most one column.
    Time,
}

/// The rows of one file, as cells.
///
/// ```
/// use source::format::rows::{Builder, Field, Kind, Rows};
/// let text = "bytes;service\n12;http\n?;dns\nlots;dns\n";
/// let mut rows = Rows::of(text.as_bytes().to_vec().into(), "memory".as_ref(), &[]).unwrap();
/// let field = |name: &str, kind| Field { name: name.into(), kind };
/// let mut builder = Builder::new(vec![field("bytes", Kind::Number), field("service", Kind::Category)]);
/// while rows.read(&mut builder, 1000).unwrap() {}
/// let batch = builder.take();
/// assert_eq!((batch.table.rows(), batch.table.columns().len()), (2, 2));
/// assert_eq!(rows.skipped()["text where a number is expected"], 1);
/// ```
pub struct Rows {
    path: PathBuf,
    /// As the file has them.
    names: Vec<String>,
    /// By the one name of each, where the table is one of those that are written in several spellings.
    columns: Vec<String>,
    generation: Option<Generation>,
    reader: Reader,
    read: u64,
    skipped: BTreeMap<&'static str, u64>,
    progress: Progress,
    /// For the fields of the last builder, the place of each in a row.
    places: Vec<usize>,
}

enum Reader {
    Csv(Box<csv::Reader>),
    JsonLines(Box<json_lines::Reader>),
    Parquet(Box<parquet::Reader>),
}

/// What comes next in a table.
pub(super) enum Next {
    /// A row.
    Row,
    /// Something that is none, and why.
    Skip(&'static str),
    /// Nothing.
    End,
}

/// The cells of one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) text: &'a [u8],
    pub(super) ends: &'a [usize],
}

impl Rows {
    /// Opens a file, plain or compressed. `known` are names that its header would have, where some are known.
    pub fn open(path: &Path, known: &[String]) -> Result<Rows, Error> {
        Rows::of(file::open(path)?, path, known)
    }

    /// Reads rows from an opened file, or from bytes; `path` is what errors call it.
    pub fn of(mut opened: Opened, path: &Path, known: &[String]) -> Result<Rows, Error> {
        let mut start = Vec::new();
        let taken = opened.bytes.by_ref().take(START_BYTES).read_to_end(&mut start);
        taken.map_err(|error| damaged(path, 0, error.to_string()))?;
        let is_complete = (start.len() as u64) < START_BYTES;
        let table = |reason: String| Error::Table { path: path.to_owned(), reason };
        if packet::is_capture(&start) || zeek::is_tab_separated(&start) {
            return Err(table("it holds packets or flows, no table; `lapwing flows` makes a table of it".to_owned()));
        }
        let progress = opened.progress.clone();
        let (reader, names) = if parquet::is_parquet(&start) {
            let reader = parquet::Reader::new(start, opened).map_err(table)?;
            let names = reader.columns().to_vec();
            (Reader::Parquet(Box::new(reader)), names)
        } else if json_lines::is_json_lines(&start) {
            let (reader, names) = json_lines::Reader::new(start, is_complete, opened.bytes).map_err(table)?;
            (Reader::JsonLines(Box::new(reader)), names)
        } else {
            let reader = csv::Reader::new(start, is_complete, opened.bytes, known).map_err(table)?;
            let names = reader.dialect().columns.clone();
            (Reader::Csv(Box::new(reader)), names)
        };
        let (columns, generation) = match cic::canonical(&names) {
            Some((columns, generation)) => (columns, Some(generation)),
            None => (names.clone(), None),
        };
        Ok(Rows {
            path: path.to_owned(),
            names,
            columns,
            generation,
            reader,
            read: 0,
            skipped: BTreeMap::new(),
            progress,
            places: Vec::new(),
        })
    }

    /// The names of the columns, all distinct. Those of CICFlowMeter are the same for all its spellings, see
    /// [`cic`].
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The names of the columns as the file has them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Which of the tools that write the same names counted these rows, where the table is of CICFlowMeter.
    pub fn generation(&self) -> Option<Generation> {
        self.generation
    }

    /// Whether the first line names the columns; `None` where columns have no names, or the format is no text.
    pub(crate) fn has_header(&self) -> Option<bool> {
        match &self.reader {
            Reader::Csv(reader) => reader.dialect().header.then_some(true),
            Reader::JsonLines(_) => Some(false),
            Reader::Parquet(_) => None,
        }
    }

    /// How much of the file was read.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many rows were read, skipped ones included, the header not.
    pub fn count(&self) -> u64 {
        self.read
    }

    /// How many rows were skipped, by reason.
    pub fn skipped(&self) -> &BTreeMap<&'static str, u64> {
        &self.skipped
    }

    /// Appends at most `limit` rows to the builder, fewer where they are large; `false` where there is nothing more to
    /// come. The file must have every column that the builder wants.
    pub fn read(&mut self, builder: &mut Builder, limit: usize) -> Result<bool, Error> {
        self.places = self.find(builder.fields())?;
        let (mut rows, mut bytes) = (0, 0);
        while rows < limit && bytes < BATCH_BYTES {
            if !self.advance()? {
                return Ok(false);
            }
            let row = self.reader.row();
            bytes += row.text.len();
            match builder.push(row, &self.places) {
                Ok(()) => rows += 1,
                Err(reason) => self.skip(reason),
            }
        }
        Ok(true)
    }

    /// The cells of the next row, in the order of the columns; `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<impl Iterator<Item = &[u8]>>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let row = self.reader.row();
        Ok(Some((0..row.ends.len()).map(move |place| row.cell(place))))
    }

    /// The place of each field in a row; an error that names those that are not there.
    fn find(&self, fields: &[Field]) -> Result<Vec<usize>, Error> {
        let columns: HashMap<&str, usize> =
            self.columns.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let missing: Vec<String> = fields
            .iter()
            .filter(|field| !columns.contains_key(field.name.as_str()))
            .map(|field| format!("`{}`", printable(&field.name)))
            .collect();
        if missing.is_empty() {
            return Ok(fields.iter().map(|field| columns[field.name.as_str()]).collect());
        }
        let reason = format!("it has no column {}; its columns are {}", missing.join(", "), self.columns_in_words());
        Err(Error::Table { path: self.path.clone(), reason })
    }

    /// The names of the columns for a message, not too many of them.
    pub(crate) fn columns_in_words(&self) -> String {
        in_words(&self.columns)
    }

    fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Goes to the next row of the right width; `false` at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        loop {
            match self.reader.advance().map_err(|reason| damaged(&self.path, self.read, reason))? {
                Next::Row => {
                    self.read += 1;
                    return Ok(true);
                }
                Next::Skip(reason) => {
                    self.read += 1;
                    self.skip(reason);
                }
                Next::End => return Ok(false),
            }
        }
    }
}

impl Reader {
    fn advance(&mut self) -> Result<Next, String> {
        match self {
            Reader::Csv(reader) => reader.advance(),
            Reader::JsonLines(reader) => reader.advance(),
            Reader::Parquet(reader) => reader.advance(),
        }
    }

    fn row(&self) -> Row<'_> {
        match self {
            Reader::Csv(reader) => reader.row(),
            Reader::JsonLines(reader) => reader.row(),
            Reader::Parquet(reader) => reader.row(),
        }
    }
}

impl<'a> Row<'a> {
    pub(super) fn cell(self, place: usize) -> &'a [u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.text[start..self.ends[place]]
    }
}

/// Names for a message, not too many of them.
fn in_words(columns: &[String]) -> String {
    let shown: Vec<_> = columns.iter().take(SHOWN).map(|name| printable(name)).collect();
    let more = columns.len() - shown.len();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// The part of a name that is kept.
fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(MAX_NAME)]
}

fn damaged(path: &Path, number: u64, reason: String) -> Error {
    Error::Damaged { path: path.to_owned(), record: "row", number, reason }
}

const START_BYTES: u64 = 1 << 16;
const BATCH_BYTES: usize = 1 << 23;
pub(super) const MAX_ROW: usize = 1 << 20;
pub(super) const MAX_COLUMNS: usize = 4096;
pub(super) const TOO_LONG: &str = "row longer than 1 MiB, perhaps a quote that is never closed";
/// The most different names in a column; beyond, it is free text.
const MAX_NAMES: usize = 10_000;
const MAX_NAME: usize = 256;
const SHOWN: usize = 50;

#[cfg(test)]
mod tests {
    use flow::{Category, Values};

    use super::builder::{NO_LABEL, NO_TIME, TEXT_FOR_NUMBER};
    use super::*;

    fn field(name: &str, kind: Kind) -> Field {
        Field { name: name.into(), kind }
    }

    fn read(text: &[u8], fields: &[(&str, Kind)]) -> (Batch, BTreeMap<&'static str, u64>) {
        let mut rows = Rows::of(text.to_vec().into(), "memory".as_ref(), &[]).unwrap();
        let mut builder = Builder::new(fields.iter().map(|&(name, kind)| field(name, kind)).collect());
        while rows.read(&mut builder, 7).unwrap() {}
        (builder.take(), rows.skipped().clone())
    }

    #[test]
    fn missing_values_stay_missing() {
        let (batch, skipped) =
            read(b"bytes,service\n1,http\n,\nInfinity,-\n", &[("bytes", Kind::Number), ("service", Kind::Category)]);
        let Values::Numbers(numbers) = &batch.table.columns()[0].values else { panic!() };
        assert!(numbers[0] == 1.0 && numbers[1].is_nan() && numbers[2].is_nan());
        let Values::Categories(names) = &batch.table.columns()[1].values else { panic!() };
        assert_eq!(names.codes, [0, Category::MISSING, Category::MISSING]);
        assert!(skipped.is_empty());
    }

    #[test]
    fn unusable_rows_are_skipped_by_reason_and_leave_no_trace() {
        let text = b"bytes,label,time\n1,normal,5\n1,2\nx,normal,5\n1,,5\n1,neptune,noon\n2,smurf,6\n";
        let (batch, skipped) = read(text, &[("bytes", Kind::Number), ("label", Kind::Label), ("time", Kind::Time)]);
        assert_eq!(batch.table.column("bytes").unwrap().values, Values::Numbers(vec![1.0, 2.0]));
        let labels = batch.labels.unwrap();
        assert_eq!((labels.codes, labels.vocabulary), (vec![0, 1], vec!["normal".to_owned(), "smurf".to_owned()]));
        assert_eq!(batch.times.unwrap().len(), 2);
        assert_eq!(
            skipped,
            BTreeMap::from([
                ("row with more or fewer cells than columns", 1),
                (TEXT_FOR_NUMBER, 1),
                (NO_LABEL, 1),
                (NO_TIME, 1)
            ])
        );
    }

    #[test]
    fn quotes_hide_delimiters_and_line_ends() {
        let (batch, _) = read(b"a,b\n\"x,\ny\",1\n", &[("a", Kind::Category)]);
        let Values::Categories(names) = &batch.table.columns()[0].values else { panic!() };
        assert_eq!(names.vocabulary, ["x,\ny"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_a_bounded_part_of_the_table() {
        let mut text = b"a,b\n1,2\n\"".to_vec();
        (0..500_000).for_each(|_| text.extend(b"3,4\n"));
        let (batch, skipped) = read(&text, &[("a", Kind::Number)]);
        assert_eq!(skipped.get(TOO_LONG), Some(&1));
        assert!(batch.table.rows() > 200_000, "{}", batch.table.rows());
    }

    #[test]
    fn a_missing_column_is_named() {
        let mut rows = Rows::of(b"a,b\n1,2\n".to_vec().into(), "flows.csv".as_ref(), &[]).unwrap();
        let mut builder = Builder::new(vec![field("c", Kind::Number)]);
        let message = rows.read(&mut builder, 1).unwrap_err().to_string();
        assert!(message.contains("flows.csv") && message.contains("no column `c`"), "{message}");
    }

    #[test]
    fn the_cells_of_a_row_can_be_had_as_they_were() {
        let mut rows = Rows::of(b"a,b\n1, x \n2,y\n".to_vec().into(), "memory".as_ref(), &[]).unwrap();
        let mut builder = Builder::new(vec![field("a", Kind::Number)]).with_texts();
        while rows.read(&mut builder, 1).unwrap() {}
        let texts = builder.take().texts.unwrap();
        assert!(texts.row(0).eq([b"1".as_slice(), b" x "]));
        assert!(texts.row(1).eq([b"2".as_slice(), b"y"]));
    }

    #[test]
    fn a_column_keeps_a_bounded_number_of_names() {
        let mut text = b"a,b\n".to_vec();
        (0..MAX_NAMES + 5).for_each(|row| text.extend(format!("name{row},1\n").as_bytes()));
        let (batch, _) = read(&text, &[("a", Kind::Category)]);
        let Values::Categories(names) = &batch.table.columns()[0].values else { panic!() };
        assert_eq!((names.vocabulary.len(), names.codes.len()), (MAX_NAMES, MAX_NAMES + 5));
    }

    /// Bytes that mean something to the format, in an order that means nothing.
    #[test]
    fn any_bytes_end_without_panic() {
        let mut state = 1u64;
        for _ in 0..500 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize
            };
            let length = next() % 400;
            let alphabet = b",;\t\"\n\r.-0123459aeinf?: \xff\xef";
            let bytes: Vec<u8> = (0..length).map(|_| alphabet[next() % alphabet.len()]).collect();
            let open = || Rows::of(bytes.clone().into(), "memory".as_ref(), &[]);
            let Ok(mut rows) = open() else { continue };
            let mut profile = Profile::default();
            profile.add(&mut rows).unwrap();
            let (fields, _) = profile.fields();
            let mut builder = Builder::new(fields).with_texts();
            let mut rows = open().unwrap();
            while rows.read(&mut builder, 3).unwrap() {}
            assert_eq!(builder.rows() as u64 + rows.skipped().values().sum::<u64>(), rows.count());
        }
    }
}
