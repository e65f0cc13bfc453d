//! Our estimators beside scikit-learn's: the same rows, the same splits, the same settings.
//!
//! `lapwing-bench parity [SEEDS] [NAME...]`: over 10 seeds unless told, and of the estimators those whose name holds one of
//! the words. scikit-learn is put into a virtual environment in the user's cache.

mod jobs;
pub(crate) mod python;
mod shapes;
mod tables;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use jobs::{Asks, Columns, Http, JOBS, Job, Ours};
use model::evaluation::{ClassFigures, Curve, Rule, Split, statistics};
use model::{Dataset, Detector, Encoder, Grouping, Matrix, Method, Plan, Probabilities, Recipe, Scaling};
use python::{Found, Python};
use serde_json::json;
use statrs::distribution::{ContinuousCDF, StudentsT};
use tables::{Tested, numbers};

use crate::Row;
use crate::program::own_seconds;

pub(crate) fn rows(arguments: &[String], folder: &Path) -> Result<Vec<Row>> {
    let seeds = arguments.iter().find_map(|word| word.parse().ok()).unwrap_or(SEEDS);
    ensure!(seeds >= 2, "a difference has no interval over {seeds} seeds");
    let words: Vec<&String> = arguments.iter().filter(|word| word.parse::<u64>().is_err()).collect();
    let python = match Python::find()? {
        Found::Ready(python) => python,
        Found::Missing(todo) => return Ok(vec![Row::new(TITLE, EQUAL, format!("not measured: {todo}"))]),
    };
    let wanted = |job: &&Job| words.is_empty() || words.iter().any(|word| job.name.contains(word.as_str()));
    let (jobs, left_out): (Vec<&Job>, Vec<&Job>) =
        JOBS.iter().filter(wanted).partition(|job| python.has_pyod || !job.theirs.contains("Outliers("));
    let folder = folder.join("parity");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    python.run("tables", &folder)?;
    let tables = [
        Tested::read(&folder, "breast cancer", 30, seeds)?,
        Tested::read(&folder, "digits", 64, seeds)?,
        Tested::read(&folder, "wine", 13, seeds)?,
        Tested::http(Http::Whole.table(), 1, seeds)?,
        Tested::http(Http::Quarter.table(), 4, seeds)?,
        Tested::http(Http::Twentieth.table(), 20, seeds)?,
        Tested::smtp(SMTP, seeds)?,
    ];
    let mut trials: Vec<(&Job, &Tested)> = Vec::new();
    for job in jobs {
        trials.extend(tables.iter().filter(|table| job.asks.of(table.name)).map(|table| (job, table)));
    }
    let plan: Vec<_> = trials.iter().map(|(job, table)| job.plan(table)).collect();
    let widths: serde_json::Map<_, _> = tables.iter().map(|table| (table.name.into(), table.width.into())).collect();
    std::fs::write(folder.join("plan.json"), json!({"seeds": seeds, "tables": widths, "jobs": plan}).to_string())?;
    tables.iter().try_for_each(|table| table.write(&folder))?;

    let theirs = python.start("fit", &folder)?;
    let ours = rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(|| {
        trials.iter().map(|(job, table)| job.answers(table).with_context(|| job.name)).collect::<Result<Vec<_>>>()
    });
    python::finish(theirs)?;
    let mut compared = Vec::new();
    for (number, ((job, table), ours)) in trials.iter().zip(ours?).enumerate() {
        let theirs = numbers(&folder.join(format!("{number}.answers")), f64::from_le_bytes)?;
        compared.push(Compared::of(job, table, &ours, &theirs)?);
    }
    std::fs::remove_dir_all(&folder)?;
    let mut rows: Vec<Row> = Vec::new();
    for job in JOBS.iter().filter(|job| trials.iter().any(|trial| trial.0.name == job.name)) {
        let own: Vec<&Compared> = compared.iter().filter(|compared| compared.job.name == job.name).collect();
        rows.push(Row::new(format!("{}, beside `{}`", job.name, one_line(job.theirs)), EQUAL, told(&own)));
    }
    rows.extend(left_out.iter().map(|job| {
        Row::new(
            job.name,
            EQUAL,
            "not measured: pip could not install PyOD, of which numba may lack this Python".to_owned(),
        )
    }));
    rows.push(sum(&compared, seeds, python.has_pyod));
    Ok(rows)
}

impl Asks {
    /// Whether it is asked of this table.
    fn of(self, table: &str) -> bool {
        match self {
            Asks::Classes => SMALL.contains(&table),
            Asks::Probabilities => table == SMALL[0],
            Asks::Anomalies(http) => SMALL.contains(&table) || [http.table(), SMTP].contains(&table),
        }
    }

    fn is_anomaly(self) -> bool {
        matches!(self, Asks::Anomalies(_))
    }

    /// The names of its figures.
    fn figures(self) -> &'static [&'static str] {
        match self {
            Asks::Classes => &["accuracy", "macro-F1", "ROC-AUC"],
            Asks::Probabilities => &["Brier score"],
            Asks::Anomalies(_) => &["ROC-AUC", "PR-AUC"],
        }
    }

    /// The figures of what was told of some rows: one probability a class and row, or one score a row.
    fn measure(self, truth: &[u32], names: &[String], told: &[f64]) -> Result<Vec<f64>> {
        let attacks: Vec<bool> = truth.iter().map(|code| *code != 0).collect();
        // Ranks, because a curve keeps 24 bits of a score, and more may tell rows apart.
        let curve =
            |scores: &[f64]| Curve::of(statistics::midranks(scores).into_iter().map(|rank| rank as f32), &attacks);
        if self.is_anomaly() {
            let curve = curve(told);
            return Ok([curve.roc_auc(), curve.pr_auc()].into_iter().flatten().collect());
        }
        let count = names.len();
        let attack: Vec<f64> = told.iter().skip(1).step_by(count).copied().collect();
        if self == Asks::Probabilities {
            let squares = attack.iter().zip(truth).map(|(told, &is)| (told - f64::from(is)).powi(2));
            return Ok(vec![squares.sum::<f64>() / truth.len() as f64]);
        }
        let likeliest =
            |row: &[f64]| (0..count).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        let given: Vec<u32> = told.chunks_exact(count).map(|row| likeliest(row) as u32).collect();
        let figures = ClassFigures::of(truth, &given, None, names)?;
        let area = if count == 2 { curve(&attack).roc_auc() } else { None };
        Ok([figures.accuracy, figures.macro_f1, area].into_iter().flatten().collect())
    }
}

impl Http {
    /// The name of its table.
    fn table(self) -> &'static str {
        match self {
            Http::Whole => "http",
            Http::Quarter => "a quarter of http",
            Http::Twentieth => "a twentieth of http",
        }
    }
}

impl Job {
    /// What the other side is to do.
    fn plan(&self, table: &Tested) -> serde_json::Value {
        json!({
            "table": table.name,
            "estimator": self.theirs,
            "standard": self.columns == Columns::Standard,
            "benign": self.learns_from_benign(table),
        })
    }

    /// Small tables show what is learned from benign rows, the shapes what a few outliers among them do.
    fn learns_from_benign(&self, table: &Tested) -> bool {
        self.asks.is_anomaly() && SMALL.contains(&table.name)
    }

    /// What ours tells of the test rows of every split, one after the other.
    fn answers(&self, table: &Tested) -> Result<Vec<f64>> {
        let mut answers = Vec::new();
        for (seed, split) in (1..).zip(&table.splits) {
            answers.extend(self.answer(table, split, seed)?);
        }
        eprintln!("ours: {:.0} s, {}, {}", own_seconds()?, table.name, self.name);
        Ok(answers)
    }

    fn answer(&self, table: &Tested, split: &Split, seed: u64) -> Result<Vec<f64>> {
        let (mut train, test) = (table.dataset.select(&split.train), table.dataset.select(&split.test));
        if self.learns_from_benign(table) {
            train = train.select(&train.benign_rows());
        }
        let method = |settings: &str| -> Result<Method> {
            let features = (table.width as f64).sqrt() as usize;
            serde_json::from_str(&settings.replace("SQRT", &features.to_string())).with_context(|| settings.to_owned())
        };
        let grouping = if table.classes.count() == 2 { Grouping::Binary } else { Grouping::Kinds };
        match self.ours {
            Ours::Method(settings) => {
                let (method, recipe) = (method(settings)?, self.columns.recipe());
                let encoder = Encoder::fit(train.table(), None, recipe)?;
                let truth = model::Classes::of(&train, grouping);
                let model = method.fit(&encoder.encode(train.table())?, truth.as_ref(), seed)?;
                let asked = encoder.encode(test.table())?;
                let scores = || anyhow::Ok(model.scores(&asked)?.into_iter().map(f64::from));
                Ok(match model.probabilities(&asked)? {
                    // What a detector is judged by.
                    Some(told) if told.classes() == 2 => scores()?.flat_map(|attack| [1.0 - attack, attack]).collect(),
                    Some(told) => wide(&told),
                    None => scores()?.collect(),
                })
            }
            Ours::Ensemble(settings) => {
                let plan = Plan {
                    method: method(settings)?,
                    grouping,
                    rule: Rule::Fixed(0.5),
                    refusal: None,
                    seed,
                    ..Plan::default()
                };
                let told = Detector::train(&train, &plan)?.probabilities(test.table())?;
                Ok(wide(&told.context("an ensemble that tells no classes apart")?))
            }
            Ours::Calibrated(settings, calibration) => {
                let (learned, between): (Vec<usize>, Vec<usize>) = (0..train.rows()).partition(|row| row % 2 == 0);
                let (learned, between) = (train.select(&learned), train.select(&between));
                let truth = model::Classes::of(&learned, grouping);
                let model = method(settings)?.fit(&matrix(&learned)?, truth.as_ref(), seed)?;
                let attacks = between.attacks().context("the table has labels")?;
                let calibrator = calibration.fit(&model.scores(&matrix(&between)?)?, attacks)?;
                let told = model.scores(&matrix(&test)?)?.into_iter().map(|score| f64::from(calibrator.apply(score)));
                Ok(told.flat_map(|attack| [1.0 - attack, attack]).collect())
            }
        }
    }
}

impl Columns {
    fn recipe(self) -> Recipe {
        let scaling = if self == Columns::Standard { Scaling::Standard } else { Scaling::None };
        Recipe { scaling, ..Recipe::default() }
    }
}

fn matrix(dataset: &Dataset) -> Result<Matrix> {
    Ok(Encoder::fit(dataset.table(), None, Recipe::default())?.encode(dataset.table())?)
}

fn wide(probabilities: &Probabilities) -> Vec<f64> {
    probabilities.values().iter().map(|&value| f64::from(value)).collect()
}

/// Both estimators on one table.
struct Compared<'a> {
    job: &'a Job,
    table: &'static str,
    /// One a figure.
    figures: Vec<Paired>,
    /// By how much two answers about one row and class differ at most.
    furthest: f64,
}

/// One figure of both, over all seeds.
struct Paired {
    name: &'static str,
    ours: f64,
    theirs: f64,
    /// Half the width of the 95 % interval of their difference (Student 1908).
    interval: f64,
}

impl<'a> Compared<'a> {
    fn of(job: &'a Job, table: &Tested, ours: &[f64], theirs: &[f64]) -> Result<Compared<'a>> {
        ensure!(ours.len() == theirs.len(), "{}: {} answers beside {}", job.name, ours.len(), theirs.len());
        let names = table.classes.names();
        let each = if job.asks.is_anomaly() { 1 } else { names.len() };
        let mut start = 0;
        let mut figures: Vec<Vec<[f64; 2]>> = vec![Vec::new(); job.asks.figures().len()];
        for split in &table.splits {
            let truth: Vec<u32> = split.test.iter().map(|&row| table.classes.codes()[row]).collect();
            let range = start..start + truth.len() * each;
            start = range.end;
            let [ours, theirs] = [ours, theirs].map(|told| told.get(range.clone()).context("answers are missing"));
            let both =
                job.asks.measure(&truth, names, ours?)?.into_iter().zip(job.asks.measure(&truth, names, theirs?)?);
            figures.iter_mut().zip(both).for_each(|(figures, (ours, theirs))| figures.push([ours, theirs]));
        }
        let named = job.asks.figures().iter().zip(figures).filter(|(_, seeds)| !seeds.is_empty());
        Ok(Compared {
            job,
            table: table.name,
            figures: named.map(|(name, seeds)| Paired::of(name, &seeds)).collect(),
            furthest: ours.iter().zip(theirs).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max),
        })
    }
}

impl Paired {
    fn of(name: &'static str, seeds: &[[f64; 2]]) -> Paired {
        let count = seeds.len() as f64;
        let mean = |of: &dyn Fn(&[f64; 2]) -> f64| seeds.iter().map(of).sum::<f64>() / count;
        let difference = mean(&|seed| seed[0] - seed[1]);
        let variance = mean(&|seed| (seed[0] - seed[1] - difference).powi(2)) * count / (count - 1.0);
        let most = StudentsT::new(0.0, 1.0, count - 1.0).map_or(f64::NAN, |student| student.inverse_cdf(0.975));
        let interval = most * (variance / count).sqrt();
        Paired { name, ours: mean(&|seed| seed[0]), theirs: mean(&|seed| seed[1]), interval }
    }

    fn verdict(&self) -> &'static str {
        let difference = self.ours - self.theirs;
        let better = if self.name == "Brier score" { -difference } else { difference };
        match () {
            () if difference.abs() <= self.interval.max(LEAST) => "equal",
            () if better > 0.0 => "better",
            () => "worse",
        }
    }

    fn told(&self) -> String {
        let difference = format!("{:+.4}", self.ours - self.theirs).replace('-', "−");
        let figures = format!("{:.4} beside {:.4}", self.ours, self.theirs);
        if (self.ours - self.theirs).abs() < 5e-5 && self.interval < 5e-5 {
            return format!("{:.4} both", self.ours);
        }
        format!("{figures} ({difference} ± {:.4}, {})", self.interval, self.verdict())
    }
}

/// The first figure on every table; of the others those that are not equal.
fn told(compared: &[&Compared]) -> String {
    let mut parts = Vec::new();
    let Some(first) = compared.first() else { return String::new() };
    for (place, name) in first.job.asks.figures().iter().enumerate() {
        let figures = compared.iter().filter_map(|one| Some((one.table, one.figures.get(place)?)));
        let shown: Vec<String> = figures
            .filter(|(_, paired)| place == 0 || paired.verdict() != "equal")
            .map(|(table, paired)| format!("{table} {}", paired.told()))
            .collect();
        parts.push(if shown.is_empty() { format!("{name} equal") } else { format!("{name}: {}", shown.join("; ")) });
    }
    if first.job.exact {
        let furthest = compared.iter().map(|one| one.furthest).fold(0.0, f64::max);
        parts.push(format!("probabilities differ by {furthest:.0e} at most"));
    }
    parts.extend((!first.job.note.is_empty()).then(|| first.job.note.to_owned()));
    parts.join(". ")
}

/// How many figures are equal, better and worse.
fn sum(compared: &[Compared], seeds: u64, has_pyod: bool) -> Row {
    let all: Vec<&Paired> = compared.iter().flat_map(|one| &one.figures).collect();
    let count = |verdict: &str| all.iter().filter(|paired| paired.verdict() == verdict).count();
    let what = format!(
        "{TITLE}, all figures together: means over seeds 1 to {seeds}, stratified splits 70/30, {}",
        python::versions(has_pyod)
    );
    let measured = format!(
        "of {} figures {} equal (their difference within its 95 % interval over the seeds, or below {LEAST}), {} better, \
         {} worse; by chance alone up to {:.0} either way",
        all.len(),
        count("equal"),
        count("better"),
        count("worse"),
        all.len() as f64 * 0.025
    );
    Row::new(what, EQUAL, measured)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const TITLE: &str = "our estimators beside scikit-learn's";
const EQUAL: &str = "equal";
const SEEDS: u64 = 10;
/// Half a unit of the third digit matters to nobody.
const LEAST: f64 = 0.0005;
const SMTP: &str = "smtp";
const SMALL: [&str; 3] = ["breast cancer", "digits", "wine"];
