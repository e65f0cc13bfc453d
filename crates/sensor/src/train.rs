//! Tables become detectors, with figures that can be believed.

use model::evaluation::{Figures, Finding, Role, Rule, Severity, Split, audit, split};
use model::{Dataset, Detector, Method, Plan};

use crate::Error;
use crate::tables::Loaded;

/// How a detector is trained and tested.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The estimator and its settings. Default: a random forest.
    pub method: Method,
    /// How the threshold is chosen on validation rows. Default: the largest F1 for a method that learns from labels, and
    /// one alarm in a hundred benign rows for one that does not.
    pub rule: Option<Rule>,
    /// How the test is set apart. Default random.
    pub split: SplitBy,
    /// The share of the rows that is the test; 0 learns from all rows and tests on none. Default 0.2.
    pub test_share: f64,
    /// The number of folds of a cross-validation, which takes the place of the split; the detector then learns from all
    /// rows. Default none.
    pub folds: Option<usize>,
    /// Whether rows that repeat another one are learned from and tested on. Default no: on both sides of a split they
    /// reward memory.
    pub keep_duplicates: bool,
    /// What all random numbers come from. Default 1.
    pub seed: u64,
}

/// How the test is set apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitBy {
    /// At random, every kind of row in its share: the easiest test.
    #[default]
    Random,
    /// The latest rows, by the time column, or by their order where there is none.
    Time,
    /// The last file.
    File,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            method: Plan::default().method,
            rule: None,
            split: SplitBy::Random,
            test_share: 0.2,
            folds: None,
            keep_duplicates: false,
            seed: 1,
        }
    }
}

/// A trained detector and what came out on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The detector; its provenance holds the findings, and the figures of the split.
    pub detector: Detector,
    /// How many rows repeated another one and were dropped.
    pub duplicates: usize,
    /// The figures of every fold, where there was a cross-validation.
    pub folds: Vec<Figures>,
}

/// What a long training is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking for what makes figures look better than they are.
    Auditing,
    /// Fitting the model of a fold, counted from 1, and how many there are.
    Fold(usize, usize),
    /// Fitting the detector.
    Fitting,
}

/// Trains a detector on a part of a table and tests it on the other part, or by cross-validation.
pub fn train(loaded: &Loaded, settings: &Settings, watch: &mut dyn FnMut(Step)) -> Result<Trained, Error> {
    watch(Step::Auditing);
    let mut findings = audit::table(&loaded.dataset)?;
    let (rows, duplicates) = usable_rows(loaded, settings);
    let distinct;
    let dataset = if duplicates > 0 {
        distinct = loaded.dataset.select(&rows);
        &distinct
    } else {
        &loaded.dataset
    };
    let plan = plan(loaded, settings);
    let mut figures = Vec::new();
    let mut folds = Vec::new();
    let mut detector = match settings.folds {
        Some(count) => {
            for (number, part) in split::folds(dataset, count, settings.seed)?.iter().enumerate() {
                watch(Step::Fold(number + 1, count));
                let (detector, test) =
                    (Detector::train(&dataset.select(&part.train), &plan)?, dataset.select(&part.test));
                folds.push(test_figures(&detector, &test)?);
            }
            watch(Step::Fitting);
            Detector::train(dataset, &plan)?
        }
        None if settings.test_share == 0.0 && settings.split != SplitBy::File => {
            watch(Step::Fitting);
            Detector::train(dataset, &plan)?
        }
        None => {
            watch(Step::Fitting);
            let part = part(loaded, &rows, dataset, settings)?;
            let (train, test) = (dataset.select(&part.train), dataset.select(&part.test));
            findings.extend(audit::across(&train, &test));
            let detector = Detector::train(&train, &plan)?;
            if test.attacks().is_some() && test.rows() > 0 {
                figures.push((settings.split.words(loaded).to_owned(), test_figures(&detector, &test)?));
            }
            detector
        }
    };
    findings.extend(leaks(loaded));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let provenance = &mut detector.provenance;
    (provenance.label, provenance.left_out) = (loaded.label.clone(), loaded.left_out.clone());
    (provenance.findings, provenance.figures) = (findings, figures);
    Ok(Trained { detector, duplicates, folds })
}

/// The rows to go on with, and how many were dropped because they repeat another one.
fn usable_rows(loaded: &Loaded, settings: &Settings) -> (Vec<usize>, usize) {
    if settings.keep_duplicates {
        return ((0..loaded.dataset.rows()).collect(), 0);
    }
    let rows = loaded.dataset.distinct_rows();
    let dropped = loaded.dataset.rows() - rows.len();
    (rows, dropped)
}

fn plan(loaded: &Loaded, settings: &Settings) -> Plan {
    let default = if settings.method.is_supervised() { Rule::F1 } else { Rule::FalsePositiveRate(0.01) };
    let left_out = loaded.left_out.iter().map(|(name, _)| name);
    Plan {
        method: settings.method.clone(),
        rule: settings.rule.unwrap_or(default),
        seed: settings.seed,
        ignored: loaded.label.iter().chain(left_out).cloned().collect(),
        ..Plan::default()
    }
}

/// The rows of `dataset`, which are these `rows` of the table, set apart.
fn part(loaded: &Loaded, rows: &[usize], dataset: &Dataset, settings: &Settings) -> Result<Split, Error> {
    Ok(match (settings.split, &loaded.times) {
        (SplitBy::Random, _) => split::stratified(dataset, settings.test_share, settings.seed)?,
        (SplitBy::Time, Some(times)) => {
            let times: Vec<_> = rows.iter().map(|&row| times[row]).collect();
            split::by_time(&times, settings.test_share)?
        }
        (SplitBy::Time, None) => split::by_order(rows.len(), settings.test_share)?,
        (SplitBy::File, _) => {
            let files: Vec<_> = rows.iter().map(|&row| loaded.files[row]).collect();
            split::by_file(&files)?
        }
    })
}

fn test_figures(detector: &Detector, test: &Dataset) -> Result<Figures, Error> {
    Ok(Figures::of(&detector.judge(test.table())?, test, &detector.provenance.kinds)?)
}

/// Suspect columns that were left out for leaking the answer are worth a finding of their own: a published figure with
/// them is not comparable.
fn leaks(loaded: &Loaded) -> impl Iterator<Item = Finding> + '_ {
    let leaking = [Role::Difficulty.sentence(), Role::Answer.sentence()];
    let left_out = loaded.left_out.iter().filter(move |(_, reason)| leaking.iter().any(|leak| reason.ends_with(leak)));
    left_out.map(|(name, reason)| {
        let sentence = format!(
            "column `{}` was left out: {reason}; figures that others publish with it are too good",
            flow::printable(name)
        );
        Finding { columns: vec![name.clone()], ..Finding::of(Severity::Note, "left-out", sentence) }
    })
}

impl SplitBy {
    /// What a test set apart like this is, in words.
    pub fn words(self, loaded: &Loaded) -> &'static str {
        match self {
            SplitBy::Random => "random split, the easiest test",
            SplitBy::Time if loaded.times.is_some() => "split by time, tested on the latest rows",
            SplitBy::Time => "split by order, tested on the last rows",
            SplitBy::File => "split by file, tested on the last file",
        }
    }
}
