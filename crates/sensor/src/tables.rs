//! Tables in files: read to learn from, and judged batch by batch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flow::{Category, Column, Table, Time, Values, printable};
use model::evaluation::{Tested, suspects};
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
    /// The column that says what a row belongs to (a host, a session, a day), for splits by group; it is not learned from
    /// unless it is kept.
    pub group: Option<String>,
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
    /// The group of each row, where a group column was named.
    pub groups: Option<Vec<u32>>,
    /// The file of each row, counted from 0.
    pub files: Vec<usize>,
    /// The columns that are not learned from, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// Those of them that are suspect, with their values: an audit looks at them.
    pub suspects: Vec<Column>,
    /// What was read.
    pub report: Report,
}

impl Loaded {
    /// The rows with their suspect columns: what a careless training would learn from.
    pub fn whole(&self) -> Result<Dataset, Error> {
        let columns = self.dataset.table().columns().iter().chain(&self.suspects).cloned().collect();
        let table = Table::new(columns)?;
        Ok(match self.dataset.kinds() {
            Some(kinds) => Dataset::of_kinds(table, kinds.clone())?,
            None => Dataset::unlabelled(table),
        })
    }
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

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Report) {
        self.rows += other.rows;
        self.infinite += other.infinite;
        other.skipped.into_iter().for_each(|(reason, count)| *self.skipped.entry(reason).or_default() += count);
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
    let mut groups = None;
    if let Some(name) = &columns.group {
        groups = dataset.table().column(name).map(groups_of);
        if !columns.keep.contains(name) {
            dataset.take(name);
            left_out.push((name.clone(), "it names the groups".into()));
        }
    }
    let mut kept_apart = Vec::new();
    for (name, role) in suspects(&dataset) {
        if !columns.keep.contains(&name) {
            kept_apart.extend(dataset.take(&name));
            left_out.push((name, format!("it {}", role.sentence())));
        }
    }
    if dataset.table().columns().is_empty() {
        return Err(Error::Column("no column is left to learn from; keep some by name, with --keep".into()));
    }
    Ok(Loaded { dataset, label, times, groups, files, left_out, suspects: kept_apart, report })
}

/// The group of each row, by the values of a column; rows without a value are one group.
fn groups_of(column: &Column) -> Vec<u32> {
    match &column.values {
        Values::Categories(category) => category.codes.clone(),
        Values::Numbers(numbers) => {
            let mut codes: BTreeMap<u32, u32> = BTreeMap::new();
            let code = |number: &f32| {
                let next = codes.len() as u32;
                *codes.entry(number.to_bits()).or_insert(next)
            };
            numbers.iter().map(code).collect()
        }
    }
}

/// Columns that are read beside those that a detector judges by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside<'a> {
    /// The column that says what a row truly is.
    pub label: Option<&'a str>,
    /// The column that says when a row happened.
    pub time: Option<&'a str>,
    /// The column that says what a row belongs to.
    pub group: Option<&'a str>,
    /// The cells of the rows as they were, all columns.
    pub texts: bool,
}

/// Judges a table batch by batch, so that memory does not grow with it. `take` gets each batch and a verdict for each
/// row.
pub fn judge(
    detector: &Detector,
    path: &Path,
    beside: Beside<'_>,
    mut take: impl FnMut(&[String], &Batch, &[Verdict]) -> Result<(), Error>,
    watch: Watch<'_>,
) -> Result<Report, Error> {
    let is_own = |name: &str| detector.schema().fields.iter().any(|field| field.name == name);
    let mut builder = Builder::new(fields(detector, beside)?);
    if beside.texts {
        builder = builder.with_texts();
    }
    let judge = |names: &[String], batch: &Batch| {
        let verdicts = match beside.group.filter(|group| !is_own(group)) {
            None => detector.judge(&batch.table)?,
            Some(group) => {
                let mut table = batch.table.clone();
                table.take(group);
                detector.judge(&table)?
            }
        };
        take(names, batch, &verdicts)
    };
    blocks(detector, path, beside, &mut builder, judge, watch)
}

/// Reads the rows that a detector can judge, block by block; an error where the table's columns are not the detector's.
pub(crate) fn blocks(
    detector: &Detector,
    path: &Path,
    beside: Beside<'_>,
    builder: &mut Builder,
    mut take: impl FnMut(&[String], &Batch) -> Result<(), Error>,
    watch: Watch<'_>,
) -> Result<Report, Error> {
    let mut known: Vec<String> = detector.schema().fields.iter().map(|field| field.name.clone()).collect();
    known.extend(beside.names().map(str::to_owned));
    let mut rows = Rows::open(path, &known)?;
    let own = Generation::of(detector.schema().known());
    if let (Some(own), Some(other)) = (own, rows.generation())
        && own != other
    {
        return Err(other_generation(path, other, "those that the detector learned from", own));
    }
    let needed = |name: &String| known.contains(name);
    let is_compared = |name: &&String| rows.generation().is_none() || needed(name) || !cic::is_beside(name);
    let is_own = |name: &str| detector.schema().fields.iter().any(|field| field.name == name);
    let is_beside = |name: &str| !is_own(name) && (beside.time == Some(name) || beside.group == Some(name));
    let compared = rows.columns().iter().filter(is_compared).filter(|name| !is_beside(name));
    let compared: Vec<String> = compared.cloned().collect();
    detector.schema().compare(&compared, beside.label)?;
    if let Some(lacking) = beside.names().find(|name| !rows.columns().iter().any(|column| column == name)) {
        return Err(Error::Column(format!("{}: there is no column `{}`", path.display(), printable(lacking))));
    }
    let names = rows.names().to_vec();
    let mut taken = 0;
    loop {
        let more = rows.read(builder, JUDGED_ROWS)?;
        let batch = builder.take();
        if batch.table.rows() > 0 {
            take(&names, &batch)?;
            taken += batch.table.rows();
        }
        if !more {
            break;
        }
        watch(rows.progress().read(), rows.progress().total());
    }
    if taken == 0 {
        return Err(unusable(path, &rows, builder));
    }
    let mut report = Report::default();
    report.add(&rows);
    report.infinite = builder.infinite();
    Ok(report)
}

/// What a detector says of labelled tables that it did not learn from, and the truth of their rows. The label column is
/// the one that it was trained with, unless another is named.
pub fn evaluate(
    detector: &Detector,
    paths: &[PathBuf],
    beside: Beside<'_>,
    watch: Watch<'_>,
) -> Result<(Tested, Dataset, Report), Error> {
    let label = beside.label.or(detector.provenance.label.as_deref()).ok_or_else(|| {
        Error::Column("the detector was trained without labels: name the label column with --label".into())
    })?;
    let beside = Beside { label: Some(label), ..beside };
    let (mut kinds, mut groups) = (Names::default(), Names::default());
    let mut tested = Tested::by(detector);
    let mut report = Report::default();
    for path in paths {
        let mut builder = Builder::new(fields(detector, beside)?);
        let take = |_: &[String], batch: &Batch| {
            let labels = batch.labels.as_ref().ok_or_else(|| Error::Column(format!("no column `{label}`")))?;
            kinds.add(labels);
            if let Some(times) = &batch.times {
                tested.times.get_or_insert_default().extend_from_slice(times);
            }
            let mut table = batch.table.clone();
            if let Some(group) = beside.group {
                let is_own = detector.schema().fields.iter().any(|field| field.name == group);
                let column = if is_own { table.column(group).cloned() } else { table.take(group) };
                if let Some(column) = column {
                    groups.add(&named(&column));
                }
            }
            Ok(tested.add(detector, &table)?)
        };
        let read = blocks(detector, path, beside, &mut builder, take, watch)?;
        report += read;
    }
    tested.groups = beside.group.map(|_| groups.column.codes);
    let scores = tested.verdicts.iter().map(|verdict| verdict.score).collect();
    let truth = Dataset::of_kinds(Table::new(vec![Column::numbers("score", scores)])?, kinds.column)?;
    Ok((tested, truth, report))
}

/// Names gathered from batches whose vocabularies differ.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) column: Category,
    codes: BTreeMap<String, u32>,
}

impl Names {
    pub(crate) fn add(&mut self, batch: &Category) {
        let own = batch.vocabulary.iter().map(|name| {
            *self.codes.entry(name.clone()).or_insert_with(|| {
                self.column.vocabulary.push(name.clone());
                self.column.vocabulary.len() as u32 - 1
            })
        });
        let own: Vec<u32> = own.collect();
        let codes = batch.codes.iter().map(|&code| own.get(code as usize).copied().unwrap_or(Category::MISSING));
        self.column.codes.extend(codes);
    }
}

/// The values of a column as names.
fn named(column: &Column) -> Category {
    match &column.values {
        Values::Categories(category) => category.clone(),
        Values::Numbers(numbers) => {
            let codes = groups_of(column);
            let mut vocabulary = vec![String::new(); codes.iter().max().map_or(0, |most| *most as usize + 1)];
            codes.iter().zip(numbers).for_each(|(&code, number)| vocabulary[code as usize] = number.to_string());
            Category { codes, vocabulary }
        }
    }
}

impl<'a> Beside<'a> {
    fn names(&self) -> impl Iterator<Item = &'a str> + Clone {
        [self.label, self.time, self.group].into_iter().flatten()
    }
}

impl Columns {
    /// The names that a header must have.
    fn names(&self) -> Vec<String> {
        let all = self.label.iter().chain(&self.time).chain(&self.group).chain(&self.drop).chain(&self.keep);
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
        // A time or group column may be free text to the profile: every row has another.
        for (named, kind) in [(&self.time, Kind::Time), (&self.group, Kind::Category)] {
            if let Some(name) = named.as_ref().filter(|name| !assigned.iter().any(|field| field.name == **name)) {
                left_out.retain(|out| out.0 != *name);
                assigned.push(Field { name: name.clone(), kind });
            }
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

/// The columns that a detector needs, and those beside them.
pub(crate) fn fields(detector: &Detector, beside: Beside<'_>) -> Result<Vec<Field>, Error> {
    let kind = |kind: &model::Kind| match kind {
        model::Kind::Number => Kind::Number,
        model::Kind::Category(_) => Kind::Category,
    };
    let own = &detector.schema().fields;
    let mut fields: Vec<Field> =
        own.iter().map(|field| Field { name: field.name.clone(), kind: kind(&field.kind) }).collect();
    for (name, kind) in [(beside.label, Kind::Label), (beside.time, Kind::Time), (beside.group, Kind::Category)] {
        let Some(name) = name else { continue };
        if !fields.iter().any(|field| field.name == name) {
            fields.push(Field { name: name.to_owned(), kind });
        } else if kind != Kind::Category {
            let name = printable(name);
            return Err(Error::Column(format!(
                "the detector judges by column `{name}`, which cannot be the truth or the time"
            )));
        }
    }
    Ok(fields)
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
/// Few enough for the cache.
const JUDGED_ROWS: usize = 2048;
const SHOWN: usize = 50;
