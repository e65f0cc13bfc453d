//! Rows gathered column by column.

use std::collections::HashMap;

use flow::{Category, Column, Table, Time, Values};

use super::cell::{self, Cell};
use super::{Field, Kind, MAX_NAMES, Row, cut};

/// Gathers rows, column by column.
pub struct Builder {
    fields: Vec<Field>,
    columns: Vec<Growing>,
    /// For each field, how many rows were refused because of what it held.
    misfits: Vec<u64>,
    rows: usize,
    infinite: u64,
    texts: Option<Texts>,
}

/// Rows that were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The columns of numbers and of names, in the order of the fields.
    pub table: Table,
    /// The column of labels, where one was asked for.
    pub labels: Option<Category>,
    /// The column of times, where one was asked for.
    pub times: Option<Vec<Time>>,
    /// The cells of the rows as they were, where asked for.
    pub texts: Option<Texts>,
}

/// The cells of rows as they were in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    text: Vec<u8>,
    /// The end of each cell in the text.
    ends: Vec<usize>,
    width: usize,
}

enum Growing {
    Numbers(Vec<f32>),
    Names {
        codes: Vec<u32>,
        vocabulary: Vec<String>,
        known: HashMap<Box<[u8]>, u32>,
        /// The name that the last row brought, where it did: it goes with the row.
        newest: Option<Box<[u8]>>,
    },
    Times(Vec<Time>),
}

impl Builder {
    /// Gathers these columns.
    pub fn new(fields: Vec<Field>) -> Builder {
        let columns = fields.iter().map(|field| Growing::of(field.kind, 0)).collect();
        Builder { misfits: vec![0; fields.len()], columns, fields, rows: 0, infinite: 0, texts: None }
    }

    /// Keeps the cells of the rows as well, all columns of the file.
    pub fn with_texts(self) -> Builder {
        Builder { texts: Some(Texts::default()), ..self }
    }

    /// The columns.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// How many rows were gathered since the last [`Builder::take`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// For each field, how many rows were refused because of what it held.
    pub fn misfits(&self) -> &[u64] {
        &self.misfits
    }

    /// How many numbers were infinite or NaN, and so count as missing.
    pub fn infinite(&self) -> u64 {
        self.infinite
    }

    /// Takes what was gathered, and begins anew.
    pub fn take(&mut self) -> Batch {
        // The next batch is likely as large as this one.
        let rows = std::mem::take(&mut self.rows);
        let empty = self.fields.iter().map(|field| Growing::of(field.kind, rows)).collect();
        let columns = std::mem::replace(&mut self.columns, empty);
        let mut batch = Batch { texts: self.texts.as_mut().map(Texts::take), ..Batch::default() };
        let mut all = Vec::with_capacity(columns.len());
        for (field, column) in self.fields.iter().zip(columns) {
            let values = match column {
                Growing::Numbers(numbers) => Values::Numbers(numbers),
                Growing::Names { codes, vocabulary, .. } if field.kind == Kind::Label => {
                    batch.labels = Some(Category { codes, vocabulary });
                    continue;
                }
                Growing::Names { codes, vocabulary, .. } => Values::Categories(Category { codes, vocabulary }),
                Growing::Times(times) => {
                    batch.times = Some(times);
                    continue;
                }
            };
            all.push(Column { name: field.name.clone(), values });
        }
        batch.table = Table::new(all).expect("columns of distinct names grow by one value a row");
        batch
    }

    /// Adds a row, or says why not.
    pub(super) fn push(&mut self, row: Row<'_>, places: &[usize]) -> Result<(), &'static str> {
        for (number, (&place, column)) in places.iter().zip(&mut self.columns).enumerate() {
            if let Err(reason) = column.push(row.cell(place), self.fields[number].kind, &mut self.infinite) {
                self.misfits[number] += 1;
                self.columns[..number].iter_mut().for_each(Growing::pop);
                return Err(reason);
            }
        }
        if let Some(texts) = &mut self.texts {
            let start = texts.text.len();
            texts.text.extend(&row.text[..row.ends[row.ends.len() - 1]]);
            texts.ends.extend(row.ends.iter().map(|end| start + end));
            texts.width = row.ends.len();
        }
        self.rows += 1;
        Ok(())
    }
}

impl Texts {
    /// Takes what was gathered, and leaves room for as much.
    fn take(&mut self) -> Texts {
        let (text, ends) = (Vec::with_capacity(self.text.len()), Vec::with_capacity(self.ends.len()));
        std::mem::replace(self, Texts { text, ends, width: self.width })
    }

    /// The cells of a row of the batch, every column of the file.
    pub fn row(&self, row: usize) -> impl Iterator<Item = &[u8]> {
        (row * self.width..(row + 1) * self.width).map(|cell| {
            let start = if cell == 0 { 0 } else { self.ends[cell - 1] };
            &self.text[start..self.ends[cell]]
        })
    }
}

impl Growing {
    fn of(kind: Kind, rows: usize) -> Growing {
        match kind {
            Kind::Number => Growing::Numbers(Vec::with_capacity(rows)),
            Kind::Category | Kind::Label => {
                let codes = Vec::with_capacity(rows);
                Growing::Names { codes, vocabulary: Vec::new(), known: HashMap::new(), newest: None }
            }
            Kind::Time => Growing::Times(Vec::with_capacity(rows)),
        }
    }

    fn push(&mut self, bytes: &[u8], kind: Kind, infinite: &mut u64) -> Result<(), &'static str> {
        match self {
            Growing::Numbers(numbers) => numbers.push(match Cell::of(bytes) {
                Cell::Number(number) => number,
                Cell::Missing => f32::NAN,
                Cell::Infinite => {
                    *infinite += 1;
                    f32::NAN
                }
                Cell::Text(_) => return Err(TEXT_FOR_NUMBER),
            }),
            Growing::Names { codes, vocabulary, known, newest } => {
                let name = match (kind, bytes.trim_ascii()) {
                    // KDD'99 ends its labels with a dot.
                    (Kind::Label, [name @ .., b'.']) if !name.is_empty() => cut(name),
                    (_, name) => cut(name),
                };
                *newest = None;
                let code = match known.get(name) {
                    Some(&code) => code,
                    None if matches!(Cell::of(name), Cell::Missing | Cell::Infinite) => Category::MISSING,
                    None if vocabulary.len() == MAX_NAMES => Category::MISSING,
                    None => {
                        let code = vocabulary.len() as u32;
                        known.insert(name.into(), code);
                        *newest = Some(name.into());
                        vocabulary.push(String::from_utf8_lossy(name).into_owned());
                        code
                    }
                };
                if kind == Kind::Label && code == Category::MISSING {
                    return Err(NO_LABEL);
                }
                codes.push(code);
            }
            Growing::Times(times) => times.push(cell::time(bytes).ok_or(NO_TIME)?),
        }
        Ok(())
    }

    fn pop(&mut self) {
        match self {
            Growing::Numbers(numbers) => drop(numbers.pop()),
            Growing::Names { codes, vocabulary, known, newest } => {
                codes.pop();
                if let Some(name) = newest.take() {
                    known.remove(&name);
                    vocabulary.pop();
                }
            }
            Growing::Times(times) => drop(times.pop()),
        }
    }
}

pub(super) const TEXT_FOR_NUMBER: &str = "text where a number is expected";
pub(super) const NO_LABEL: &str = "row without a label";
pub(super) const NO_TIME: &str = "time that cannot be read";
