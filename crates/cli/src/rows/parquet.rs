//! Flows and their features by columns, as Apache Parquet: types that need no guessing, and nulls for what is missing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use flow::features::FeatureSet;
use flow::{Category, Flow, Table, Values};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};

use super::IDENTITY;
use crate::columns::Columns;
use crate::output::Output;

/// Gathers rows into groups, and writes each group column by column.
pub(super) struct Writer {
    file: SerializedFileWriter<Output>,
    asked: Columns,
    times: [Vec<i64>; 2],
    /// Addresses and reasons that this group has seen, each made once.
    addresses: HashMap<IpAddr, ByteArray>,
    reasons: HashMap<&'static str, ByteArray>,
    /// The other columns of identity, then those asked for; an empty text is missing.
    texts: Vec<Vec<ByteArray>>,
    features: Vec<Gathered>,
    rows: usize,
}

/// The values of a feature, those that are there, and for every row whether it is there.
struct Gathered {
    values: Present,
    /// One where there is a value: what Parquet calls the level of definition.
    levels: Vec<i16>,
}

enum Present {
    Numbers(Vec<f32>),
    /// The names of a vocabulary, each made once, and those of the rows.
    Names(Vec<ByteArray>, Vec<ByteArray>),
}

impl Writer {
    /// Writes the start of the file.
    pub(super) fn begin(set: &FeatureSet, asked: Columns, output: Output) -> Result<Writer> {
        let table = set.empty();
        let names: Vec<&str> = IDENTITY[2..].iter().copied().chain(asked.names()).collect();
        let time = LogicalType::timestamp(true, TimeUnit::NANOS);
        let mut fields = Vec::new();
        for name in &IDENTITY[..2] {
            fields.push(field(name, Physical::INT64, Some(time.clone()), Repetition::REQUIRED)?);
        }
        for name in &names {
            fields.push(field(name, Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL)?);
        }
        // Of names a dictionary is small; of numbers it would cost more than it saves.
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("lapwing ", env!("CARGO_PKG_VERSION")).into())
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::Chunk);
        for name in &names {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(*name), true);
        }
        let mut features = Vec::with_capacity(table.columns().len());
        for column in table.columns() {
            let (physical, logical, values) = match &column.values {
                Values::Numbers(_) => (Physical::FLOAT, None, Present::Numbers(Vec::new())),
                Values::Categories(Category { vocabulary, .. }) => {
                    let names = vocabulary.iter().map(|name| name.as_str().into()).collect();
                    properties = properties.set_column_dictionary_enabled(ColumnPath::from(column.name.as_str()), true);
                    (Physical::BYTE_ARRAY, Some(LogicalType::String), Present::Names(names, Vec::new()))
                }
            };
            fields.push(field(&column.name, physical, logical, Repetition::OPTIONAL)?);
            features.push(Gathered { values, levels: Vec::new() });
        }
        let schema = Type::group_type_builder("flows").with_fields(fields).build()?;
        let file = SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties.build()))?;
        let texts = names.iter().map(|_| Vec::new()).collect();
        let (addresses, reasons) = (HashMap::default(), HashMap::default());
        Ok(Writer { file, asked, times: Default::default(), addresses, reasons, texts, features, rows: 0 })
    }

    pub(super) fn write(&mut self, flows: &[Flow], table: &Table) -> Result<()> {
        for flow in flows {
            self.times[0].push(flow.start.nanoseconds());
            self.times[1].push(flow.end.nanoseconds());
            let ends = [flow.key.originator.address, flow.key.responder.address];
            let identity = ends.map(|end| self.addresses.entry(end).or_insert_with(|| text(end.to_string())).clone());
            let ended = self.reasons.entry(flow.ended.name()).or_insert_with_key(|name| text(*name)).clone();
            let asked = self.asked.cells(flow).map(|cell| text(cell.unwrap_or_default()));
            let texts = identity.into_iter().chain([ended]).chain(asked);
            self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.push(text));
        }
        for (gathered, column) in self.features.iter_mut().zip(table.columns()) {
            gathered.add(&column.values);
        }
        self.rows += flows.len();
        if self.rows >= ROWS_A_GROUP { self.write_group() } else { Ok(()) }
    }

    /// Writes the last rows and what Parquet keeps at the end of a file.
    pub(super) fn finish(mut self) -> Result<Output> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.file.into_inner().context(FAILED)
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group().context(FAILED)?;
        for times in &mut self.times {
            let mut column = next(&mut group)?;
            column.typed::<Int64Type>().write_batch(times, None, None).context(FAILED)?;
            column.close().context(FAILED)?;
            times.clear();
        }
        for texts in &mut self.texts {
            let levels: Vec<i16> = texts.iter().map(|text| i16::from(!text.is_empty())).collect();
            texts.retain(|text| !text.is_empty());
            let mut column = next(&mut group)?;
            column.typed::<ByteArrayType>().write_batch(texts, Some(&levels), None).context(FAILED)?;
            column.close().context(FAILED)?;
            texts.clear();
        }
        for gathered in &mut self.features {
            gathered.write(next(&mut group)?).context(FAILED)?;
        }
        group.close().context(FAILED)?;
        self.addresses.clear();
        self.rows = 0;
        Ok(())
    }
}

impl Gathered {
    fn add(&mut self, column: &Values) {
        match (&mut self.values, column) {
            // Most features are there in every row, which is seen faster than it is sorted out.
            (Present::Numbers(ours), Values::Numbers(numbers))
                if !numbers.iter().fold(false, |any, number| any | number.is_nan()) =>
            {
                self.levels.resize(self.levels.len() + numbers.len(), 1);
                ours.extend_from_slice(numbers);
            }
            (Present::Numbers(ours), Values::Numbers(numbers)) => {
                self.levels.extend(numbers.iter().map(|number| i16::from(!number.is_nan())));
                ours.extend(numbers.iter().filter(|number| !number.is_nan()));
            }
            (Present::Names(vocabulary, ours), Values::Categories(category)) => {
                for &code in &category.codes {
                    let name = vocabulary.get(code as usize);
                    self.levels.push(name.is_some().into());
                    ours.extend(name.cloned());
                }
            }
            _ => unreachable!("a feature set gives columns of one kind"),
        }
    }

    fn write(&mut self, mut column: SerializedColumnWriter<'_>) -> parquet::errors::Result<()> {
        match &mut self.values {
            Present::Numbers(numbers) => {
                column.typed::<FloatType>().write_batch(numbers, Some(&self.levels), None)?;
                numbers.clear();
            }
            Present::Names(_, names) => {
                column.typed::<ByteArrayType>().write_batch(names, Some(&self.levels), None)?;
                names.clear();
            }
        }
        self.levels.clear();
        column.close()
    }
}

fn next<'a>(group: &'a mut SerializedRowGroupWriter<'_, Output>) -> Result<SerializedColumnWriter<'a>> {
    group.next_column().context(FAILED)?.context("the schema has no more columns")
}

fn text(text: impl Into<String>) -> ByteArray {
    text.into().into_bytes().into()
}

fn field(name: &str, physical: Physical, logical: Option<LogicalType>, repetition: Repetition) -> Result<Arc<Type>> {
    let field = Type::primitive_type_builder(name, physical).with_logical_type(logical).with_repetition(repetition);
    Ok(Arc::new(field.build()?))
}

/// Rows that are written together: of a hundred features some 20 MiB.
const ROWS_A_GROUP: usize = 1 << 15;
const FAILED: &str = "cannot write the Parquet file; is there room for it?";
