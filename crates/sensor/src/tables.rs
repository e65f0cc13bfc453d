//! Tables in files: read to learn from, and judged batch by batch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flow::{Category, Column, Table, Time, printable};
use model::evaluation::{Figures, suspects};
use model::{Dataset, Detector, Verdict};
use source::format::cic::{self, Generation};
use source::format::rows::{Batch, Builder, Field, Kind, Profile, Rows};

use crate::Error;

/// Which columns play which part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The column that says what a row truly is; by default the first of a usual name, such as `label` or `class`.
    pub label: Option<String>,
    /// The column that says when a row happened; by default none is looked at.
    pub time: Option<String>,
    /// Columns to leave out.
    pub drop: Vec<String>,
    /// Columns to learn from although they are suspect: addresses, ports, times, row numbers, `difficulty` of NSL-KDD.
    pub keep: Vec<String>,
}

/// A table to learn from.
#[derive(Debug)]
pub struct Loaded {
    /// The rows, and their truth where there is a label column.
    pub dataset: Dataset,
    /// The label column.
    pub label: Option<String>,
    /// The time of each row, where a time column was named.
    pub times: Option<Vec<Time>>,
    /// The file of each row, counted from 0.
    pub files: Vec<usize>,
    /// The columns that are not learned from, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// What was read.
    pub report: Report,
}

/// What was read of tables, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The rows read, those skipped included.
    pub rows: u64,
    /// The rows that could not be used, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Numbers without bound and NaN, which count as missing.
    pub infinite: u64,
}

/// How far a long task is: bytes read so far and in all; 0 in all where that is not known.
pub type Watch<'a> = &'a mut dyn FnMut(u64, u64);

impl Report {
    fn add(&mut self, rows: &Rows) {
        self.rows += rows.count();
        for (reason, count) in rows.skipped() {
            *self.skipped.entry(reason).or_default() += count;
        }
    }

    /// How many rows could not be used.
    pub fn unusable(&self) -> u64 {
        self.skipped.values().sum()
    }
}

/// Reads tables of the same columns to learn from. Files are read twice.
///
/// Columns that name a row, a host, a port or a time, or that are known to leak the answer, are left out unless they
/// are kept by name.
pub fn load(paths: &[PathBuf], columns: &Columns, watch: Watch<'_>) -> Result<Loaded, Error> {
    let known = columns.names();
    let mut profile = Profile::default();
    let mut generation = None;
    for path in paths {
        let mut rows = Rows::open(path, &known)?;
        let first = *generation.get_or_insert(rows.generation());
        if let (Some(first), Some(other)) = (first, rows.generation())
            && first != other
        {
            return Err(other_generation(path, other, "the files before it", first));
        }
        profile.add(&mut rows)?;
    }
    let (mut fields, mut left_out) = profile.fields();
    if generation.flatten().is_some() {
        let repeats = |name: &str| cic::is_beside(name) && name.contains("Header");
        left_out.extend(
            fields
                .extract_if(.., |field| repeats(&field.name) && !columns.keep.contains(&field.name))
                .map(|field| (field.name, "it repeats another column".to_owned())),
        );
    }
    let fields = columns.assign(fields, &mut left_out)?;
    let label = fields.iter().find(|field| field.kind == Kind::Label).map(|field| field.name.clone());
    let mut report = Report { infinite: profile.infinite(), ..Report::default() };
    let mut builder = Builder::new(fields);
    let mut files = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let mut rows = Rows::open(path, &known)?;
        while rows.read(&mut builder, BATCH_ROWS)? {
            watch(rows.progress().read(), rows.progress().total());
        }
        report.add(&rows);
        if builder.rows() == files.len() {
            return Err(unusable(path, &rows, &builder));
        }
        files.resize(builder.rows(), number);
    }
    let Batch { table, labels, times, .. } = builder.take();
    let mut dataset = match labels {
        Some(labels) => Dataset::of_kinds(table, labels)?,
        None => Dataset::unlabelled(table),
    };
    for (name, role) in suspects(&dataset) {
        if !columns.keep.contains(&name) {
            dataset.take(&name);
            left_out.push((name, format!("it {}", role.sentence())));
        }
    }
    if dataset.table().columns().is_empty() {
        return Err(Error::Column("no column is left to learn from; keep some by name, with --keep".into()));
    }
    Ok(Loaded { dataset, label, times, files, left_out, report })
}

/// Judges a table batch by batch, so that memory does not grow with it. `take` gets each batch, with the cells of its
/// rows as they were, and a verdict for each row. Returns the names of the file's columns too.
pub fn judge(
    detector: &Detector,
    path: &Path,
    label: Option<&str>,
    mut take: impl FnMut(&[String], &Batch, &[Verdict]) -> Result<(), Error>,
    watch: Watch<'_>,
) -> Result<Report, Error> {
    let mut known: Vec<String> = detector.schema().fields.iter().map(|field| field.name.clone()).collect();
    known.extend(label.map(str::to_owned));
    let mut rows = Rows::open(path, &known)?;
    let own = Generation::of(detector.schema().known());
    if let (Some(own), Some(other)) = (own, rows.generation())
        && own != other
    {
        return Err(other_generation(path, other, "those that the detector learned from", own));
    }
    let needed = |name: &String| known.contains(name);
    let is_compared = |name: &&String| rows.generation().is_none() || needed(name) || !cic::is_beside(name);
    let compared: Vec<String> = rows.columns().iter().filter(is_compared).cloned().collect();
    detector.schema().compare(&compared, label)?;
    let names = rows.names().to_vec();
    let mut builder = Builder::new(fields(detector, label)).with_texts();
    let mut judged = 0;
    loop {
        let more = rows.read(&mut builder, BATCH_ROWS)?;
        let batch = builder.take();
        if batch.table.rows() > 0 {
            let verdicts = detector.judge(&batch.table)?;
            take(&names, &batch, &verdicts)?;
            judged += verdicts.len();
        }
        if !more {
            break;
        }
        watch(rows.progress().read(), rows.progress().total());
    }
    if judged == 0 {
        return Err(unusable(path, &rows, &builder));
    }
    let mut report = Report::default();
    report.add(&rows);
    report.infinite = builder.infinite();
    Ok(report)
}

/// How good a detector is on labelled tables that it did not learn from. The label column is the one that it was
/// trained with, unless another is named.
pub fn evaluate(
    detector: &Detector,
    paths: &[PathBuf],
    label: Option<&str>,
    watch: Watch<'_>,
) -> Result<(Figures, Report), Error> {
    let label = label.or(detector.provenance.label.as_deref()).ok_or_else(|| {
        Error::Column("the detector was trained without labels: name the label column with --label".into())
    })?;
    let mut kinds = Category::default();
    let mut codes: BTreeMap<String, u32> = BTreeMap::new();
    let mut verdicts = Vec::new();
    let mut report = Report::default();
    for path in paths {
        let take = |_: &[String], batch: &Batch, judged: &[Verdict]| {
            verdicts.extend_from_slice(judged);
            let labels = batch.labels.as_ref().ok_or_else(|| Error::Column(format!("no column `{label}`")))?;
            let own = labels.vocabulary.iter().map(|name| {
                *codes.entry(name.clone()).or_insert_with(|| {
                    kinds.vocabulary.push(name.clone());
                    kinds.vocabulary.len() as u32 - 1
                })
            });
            let own: Vec<u32> = own.collect();
            kinds.codes.extend(labels.codes.iter().map(|&code| own[code as usize]));
            Ok(())
        };
        let read = judge(detector, path, Some(label), take, watch)?;
        report.rows += read.rows;
        report.infinite += read.infinite;
        read.skipped.into_iter().for_each(|(reason, count)| *report.skipped.entry(reason).or_default() += count);
    }
    let scores = verdicts.iter().map(|verdict| verdict.score).collect();
    let truth = Dataset::of_kinds(Table::new(vec![Column::numbers("score", scores)])?, kinds)?;
    Ok((Figures::of(&verdicts, &truth, &detector.provenance.kinds)?, report))
}

impl Columns {
    /// The names that a header must have.
    fn names(&self) -> Vec<String> {
        let all = self.label.iter().chain(&self.time).chain(&self.drop).chain(&self.keep);
        all.cloned().collect()
    }

    /// Gives the fields their parts, and leaves out those that were asked to be.
    fn assign(&self, fields: Vec<Field>, left_out: &mut Vec<(String, String)>) -> Result<Vec<Field>, Error> {
        let has =
            |name: &str| fields.iter().any(|field| field.name == name) || left_out.iter().any(|out| out.0 == name);
        if let Some(unknown) = self.names().iter().find(|name| !has(name)) {
            let columns: Vec<_> = fields.iter().map(|field| printable(&field.name)).take(SHOWN).collect();
            let unknown = printable(unknown);
            let reason = format!("there is no column `{unknown}`; the columns are {}", columns.join(", "));
            return Err(Error::Column(reason));
        }
        let is_unsw = UNSW_NB15.iter().all(|name| fields.iter().any(|field| field.name == *name));
        let usual = LABELS.iter().filter(|name| !is_unsw || **name == "attack_cat").find_map(|usual| {
            fields.iter().find(|field| field.name.eq_ignore_ascii_case(usual)).map(|field| field.name.clone())
        });
        let label = self.label.clone().or(usual.filter(|name| !self.drop.contains(name) && !self.keep.contains(name)));
        let mut assigned = Vec::with_capacity(fields.len());
        for mut field in fields {
            if self.drop.contains(&field.name) {
                left_out.push((field.name, "it was asked to be".into()));
                continue;
            }
            if label.as_ref() == Some(&field.name) {
                field.kind = Kind::Label;
            } else if self.time.as_ref() == Some(&field.name) {
                field.kind = Kind::Time;
            }
            assigned.push(field);
        }
        // A time column may be free text to the profile: every row has another.
        if let Some(time) = self.time.as_ref().filter(|time| !assigned.iter().any(|field| field.name == **time)) {
            left_out.retain(|out| out.0 != *time);
            assigned.push(Field { name: time.clone(), kind: Kind::Time });
        }
        if let Some(label) =
            label.filter(|label| !assigned.iter().any(|field| field.kind == Kind::Label && field.name == *label))
        {
            return Err(Error::Column(format!(
                "column `{}` cannot be the label: it is empty, dropped, or has too many different values",
                printable(&label)
            )));
        }
        Ok(assigned)
    }
}

/// The columns that a detector needs, and the label where one is asked for.
fn fields(detector: &Detector, label: Option<&str>) -> Vec<Field> {
    let kind = |kind: &model::Kind| match kind {
        model::Kind::Number => Kind::Number,
        model::Kind::Category(_) => Kind::Category,
    };
    let fields =
        detector.schema().fields.iter().map(|field| Field { name: field.name.clone(), kind: kind(&field.kind) });
    fields.chain(label.map(|label| Field { name: label.to_owned(), kind: Kind::Label })).collect()
}

/// The error of a file that gave no row: names the columns that hold something else than expected.
fn unusable(path: &Path, rows: &Rows, builder: &Builder) -> Error {
    let skipped = rows.skipped().iter().max_by_key(|(_, count)| **count);
    let misfits = builder.fields().iter().zip(builder.misfits()).filter(|(_, count)| **count > 0);
    let columns: Vec<String> = misfits.map(|(field, _)| format!("`{}`", printable(&field.name))).take(SHOWN).collect();
    let reason = match skipped {
        None => "it has a header and nothing else".to_owned(),
        Some((reason, _)) if columns.is_empty() => (*reason).to_owned(),
        Some((reason, _)) => format!("{reason}, in column {}", columns.join(", ")),
    };
    Error::NoRows { path: path.to_owned(), rows: rows.count(), reason }
}

/// The error of a table of CICFlowMeter beside others that were counted otherwise.
fn other_generation(path: &Path, this: Generation, others: &str, that: Generation) -> Error {
    Error::Column(format!(
        "{}: its columns were counted by {}, {others} by {}: equal names mean other things there",
        path.display(),
        this.name(),
        that.name()
    ))
}

/// Columns by which UNSW-NB15 is known; there the kind of attack is `attack_cat`, and `label` says only whether.
const UNSW_NB15: [&str; 4] = ["ct_state_ttl", "ct_srv_src", "attack_cat", "label"];
/// What label columns are usually called, the likeliest first.
const LABELS: [&str; 8] =
    ["label", "class", "attack_detected", "attack_label", "attack_cat", "is_attack", "target", "attack"];
const BATCH_ROWS: usize = 8192;
const SHOWN: usize = 50;
