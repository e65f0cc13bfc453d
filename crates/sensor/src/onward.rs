//! Detectors that learn on from further tables.

use std::path::PathBuf;

use flow::{Category, Column, Table, Time, Values, printable};
use model::evaluation::{Finding, Rule, Severity, audit};
use model::{Continuation, Dataset, Detector, Learning};
use source::format::rows::{Batch, Builder, Rows};

use crate::Error;
use crate::tables::{Beside, Names, Report, Watch, blocks, fields};

/// How a detector learns on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnOn<'a> {
    /// The column that says what a row truly is; by default the one of the training, where the tables have it.
    pub label: Option<&'a str>,
    /// The column that says when a row happened: the card then tells from when to when it learned on.
    pub time: Option<&'a str>,
    /// Which rows are learned from. Default all.
    pub learning: Learning,
    /// How the threshold is chosen on rows held back. Default as in the training.
    pub rule: Option<Rule>,
    /// What all random numbers come from. Default 1.
    pub seed: u64,
}

impl Default for LearnOn<'_> {
    fn default() -> Self {
        LearnOn { label: None, time: None, learning: Learning::default(), rule: None, seed: 1 }
    }
}

/// A detector that has learned on from tables like those of its training, in the order of their rows and in memory that
/// does not grow with them. `source` names the tables. Files are read twice.
pub fn learn_on(
    detector: Detector,
    paths: &[PathBuf],
    source: String,
    settings: &LearnOn<'_>,
    watch: Watch<'_>,
) -> Result<(Detector, Report), Error> {
    let rule = settings.rule.unwrap_or(detector.provenance.rule);
    let mut continuation = Continuation::of(detector.clone(), settings.learning, settings.seed)?;
    let of_training = detector.provenance.label.clone();
    let label = match (settings.label, &of_training) {
        (Some(label), _) => Some(label),
        (None, Some(label)) => all_have(&detector, paths, label)?.then_some(label.as_str()),
        (None, None) => None,
    };
    if label.is_none() && detector.provenance.method.is_supervised() {
        return Err(Error::Model(model::Error::Unlabelled(detector.provenance.method.name())));
    }
    let beside = Beside { label, time: settings.time, ..Beside::default() };
    let mut first = First::default();
    let mut report = Report::default();
    let mut span: Option<[Time; 2]> = None;
    for path in paths {
        let mut builder = Builder::new(fields(&detector, beside)?);
        let learn = |_: &[String], batch: &Batch| {
            let block = block(batch)?;
            continuation.learn(&block)?;
            first.add(&block);
            for time in batch.times.iter().flatten().copied() {
                let [start, end] = span.unwrap_or([time; 2]);
                span = Some([start.min(time), end.max(time)]);
            }
            Ok(())
        };
        report += blocks(&detector, path, beside, &mut builder, learn, watch)?;
    }
    for path in paths {
        let mut builder = Builder::new(fields(&detector, beside)?);
        let validate = |_: &[String], batch: &Batch| Ok(continuation.validate(&block(batch)?)?);
        blocks(&detector, path, beside, &mut builder, validate, watch)?;
    }
    let mut detector = continuation.finish(source, rule)?;
    if let Some(continued) = detector.supplement.continued.last_mut() {
        continued.findings = first.audit()?;
        continued.span = span.map(|span| span.map(|time| time.to_string()));
    }
    Ok((detector, report))
}

/// The rows of a batch with their truth, where there is any.
fn block(batch: &Batch) -> Result<Dataset, Error> {
    Ok(match &batch.labels {
        Some(labels) => Dataset::of_kinds(batch.table.clone(), labels.clone())?,
        None => Dataset::unlabelled(batch.table.clone()),
    })
}

/// Whether every table has a column; an error where only some have.
fn all_have(detector: &Detector, paths: &[PathBuf], name: &str) -> Result<bool, Error> {
    let known: Vec<String> = detector.schema().known().map(str::to_owned).collect();
    let mut having = 0;
    for path in paths {
        having += usize::from(Rows::open(path, &known)?.columns().iter().any(|column| column == name));
    }
    if having > 0 && having < paths.len() {
        let name = printable(name);
        return Err(Error::Column(format!("some tables have the label column `{name}` and some have not")));
    }
    Ok(having > 0)
}

/// The first rows of tables without end: as many as an audit needs.
#[derive(Default)]
struct First {
    rows: usize,
    columns: Vec<(String, Gathered)>,
    kinds: Names,
}

/// The values of a column, from blocks whose vocabularies differ.
enum Gathered {
    Numbers(Vec<f32>),
    Names(Names),
}

impl First {
    fn add(&mut self, block: &Dataset) {
        let columns = block.table().columns();
        let most = (AUDITED_CELLS / columns.len().max(1)).min(AUDITED_ROWS);
        let room = most.saturating_sub(self.rows).min(block.rows());
        if room == 0 {
            return;
        }
        let block = block.select(&(0..room).collect::<Vec<usize>>());
        self.rows += room;
        block.kinds().into_iter().for_each(|kinds| self.kinds.add(kinds));
        if self.columns.is_empty() {
            let gathered = |values: &Values| match values {
                Values::Numbers(_) => Gathered::Numbers(Vec::new()),
                Values::Categories(_) => Gathered::Names(Names::default()),
            };
            self.columns = columns.iter().map(|column| (column.name.clone(), gathered(&column.values))).collect();
        }
        for ((_, gathered), column) in self.columns.iter_mut().zip(block.table().columns()) {
            match (gathered, &column.values) {
                (Gathered::Numbers(all), Values::Numbers(numbers)) => all.extend_from_slice(numbers),
                (Gathered::Names(all), Values::Categories(names)) => all.add(names),
                // Blocks are made by one builder: a column holds the same in each.
                (Gathered::Numbers(all), Values::Categories(_)) => all.resize(self.rows, f32::NAN),
                (Gathered::Names(all), Values::Numbers(_)) => all.column.codes.resize(self.rows, Category::MISSING),
            }
        }
    }

    fn audit(self) -> Result<Vec<Finding>, Error> {
        let columns = self.columns.into_iter().map(|(name, gathered)| match gathered {
            Gathered::Numbers(numbers) => Column::numbers(name, numbers),
            Gathered::Names(names) => Column { name, values: Values::Categories(names.column) },
        });
        let table = Table::new(columns.collect())?;
        let dataset = match self.kinds.column.codes.is_empty() {
            true => Dataset::unlabelled(table),
            false => Dataset::of_kinds(table, self.kinds.column)?,
        };
        let mut findings = audit::table(&dataset)?;
        // A quiet day is what it should learn from, too.
        let one_class = findings.iter_mut().filter(|finding| finding.check == "one-class");
        one_class.for_each(|finding| finding.severity = Severity::Note);
        Ok(findings)
    }
}

/// Enough to audit tables that are learned on from, in at most 64 MB.
const AUDITED_ROWS: usize = 1 << 16;
const AUDITED_CELLS: usize = 1 << 24;
