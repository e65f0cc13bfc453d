//! `lapwing train`: a detector from labelled tables, with honest figures.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use flow::printable;
use indicatif::ProgressBar;
use model::Method;
use model::evaluation::Rule;
use sensor::tables::{Columns, Loaded, load};
use sensor::train::{self, Settings, SplitBy, Step, Trained};
use serde_json::json;

use crate::{figures, output, saved, tables};

/// Train a detector on a table and say how good it is on rows that it did not learn from.
///
/// Tables are CSV (comma, semicolon, tab or bar separated, with a header or without), JSON lines or Parquet; plain, gzip
/// or Zstandard. Columns of numbers and of names are told apart, missing values are filled with the median of the
/// training rows. NSL-KDD is known by its shape: its columns get their names.
///
/// Columns that name a row, a host, a port or a time, and `difficulty` of NSL-KDD, are left out, because a detector
/// would learn the data set and not the attacks; --keep takes one back. Rows that repeat another one are dropped.
///
/// An isolation forest learns from the rows labelled benign, or from all where there are no labels.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing train KDDTrain+.txt.gz --method random-forest --label label -o nsl.lapwing
  lapwing train flows.csv --method isolation-forest --threshold fpr=0.001 -o normal.lapwing
  lapwing train monday.csv tuesday.csv --split file -o week.lapwing      # tested on the last file
  lapwing train sessions.csv --label attack_detected --cv 5 --set trees=300 --set max-depth=10")]
pub(crate) struct Arguments {
    /// The tables, all with the same columns.
    #[arg(required = true, value_name = "TABLE")]
    tables: Vec<PathBuf>,
    /// The estimator.
    #[arg(short, long, value_enum, default_value_t = Name::RandomForest)]
    method: Name,
    /// A setting of the estimator, such as trees=200; may be given several times.
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<String>,
    /// The column that says what a row truly is; found by itself where it is called label, class or the like.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// The column that says when a row happened, for --split time.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Leave this column out; may be given several times.
    #[arg(long, value_name = "COLUMN")]
    drop: Vec<String>,
    /// Learn from this column although it is suspect; may be given several times.
    #[arg(long, value_name = "COLUMN")]
    keep: Vec<String>,
    /// How the test is set apart: at random, the latest rows, or the last file.
    #[arg(long, value_enum, default_value_t = By::Random, conflicts_with = "cv")]
    split: By,
    /// The share of the rows that is the test; 0 learns from all and tests on none.
    #[arg(long, value_name = "SHARE", default_value_t = Settings::default().test_share)]
    test_share: f64,
    /// Cross-validate with this many folds instead of splitting; the detector then learns from all rows.
    #[arg(long, value_name = "FOLDS")]
    cv: Option<usize>,
    /// Where an alarm begins, chosen on validation rows, never on the test: f1, fpr=RATE (the ceiling of the
    /// false-positive rate), alerts=A/FLOWS (so many a day), contamination=SHARE, or a score from 0 to 1.
    /// [default: f1 with labels, fpr=0.01 for an isolation forest]
    #[arg(long, value_name = "RULE")]
    threshold: Option<Threshold>,
    /// Keep rows that repeat another one.
    #[arg(long)]
    keep_duplicates: bool,
    /// Where all random numbers come from.
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,
    /// How many benign flows a day the alarms are reckoned for.
    #[arg(long, value_name = "FLOWS", default_value_t = figures::FLOWS_A_DAY)]
    flows_a_day: f64,
    /// The detector file to write; nothing is saved where it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    RandomForest,
    ExtraTrees,
    GradientBoosting,
    DecisionTree,
    LogisticRegression,
    IsolationForest,
    ExtendedIsolationForest,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Random,
    Time,
    File,
}

#[derive(Clone, Copy)]
struct Threshold(Rule);

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Threshold, String> {
        let number = |text: &str| text.parse::<f64>().map_err(|_| format!("`{text}` is not a number"));
        Ok(Threshold(match text.split_once('=') {
            None if text == "f1" => Rule::F1,
            Some(("fpr", rate)) => Rule::FalsePositiveRate(number(rate)?),
            Some(("contamination", share)) => Rule::Contamination(number(share)?),
            Some(("alerts", budget)) => {
                let (alerts, flows) =
                    budget.split_once('/').ok_or("write alerts=20/1000000: alerts a day, flows a day")?;
                Rule::AlertBudget { alerts: number(alerts)?, flows: number(flows)? }
            }
            None if text.parse::<f32>().is_ok() => Rule::Fixed(number(text)? as f32),
            _ => return Err("expected f1, fpr=RATE, alerts=A/FLOWS, contamination=SHARE or a score".into()),
        }))
    }
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let settings = arguments.settings()?;
    let columns = Columns {
        label: arguments.label.clone(),
        time: arguments.time.clone(),
        drop: arguments.drop.clone(),
        keep: arguments.keep.clone(),
    };
    let loaded = tables::while_reading(|watch| load(&arguments.tables, &columns, watch))?;
    tables::print(&loaded.report, verbose);
    print_columns(&loaded);
    if loaded.label.is_none() && settings.method.is_supervised() {
        bail!(
            "{} learns from labels, and no column is called label or the like: name it with --label; the columns are {}",
            settings.method.name(),
            loaded.dataset.table().columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    let spinner = spinner();
    if settings.split == SplitBy::Time && settings.folds.is_none() && loaded.times.is_none() {
        bail!("--split time needs to know when a row happened: name the column with --time COLUMN");
    }
    let trained = train::train(&loaded, &settings, &mut |step| spinner.set_message(words(step)))?;
    spinner.finish_and_clear();
    let saved =
        arguments.output.as_deref().map(|path| Ok::<_, anyhow::Error>((path, saved::save(&trained.detector, path)?)));
    let saved = saved.transpose()?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        serde_json::to_writer(&mut out, &arguments.json(&trained))?;
        writeln!(out)?;
    } else {
        arguments.print(&mut out, &trained, saved)?;
    }
    out.flush()?;
    Ok(())
}

impl Arguments {
    fn settings(&self) -> Result<Settings> {
        if !(0.0..1.0).contains(&self.test_share) {
            bail!("--test-share is {}, and must be at least 0 and below 1", self.test_share);
        }
        Ok(Settings {
            method: self.method()?,
            rule: self.threshold.map(|threshold| threshold.0),
            split: match self.split {
                By::Random => SplitBy::Random,
                By::Time => SplitBy::Time,
                By::File => SplitBy::File,
            },
            test_share: self.test_share,
            folds: self.cv,
            keep_duplicates: self.keep_duplicates,
            seed: self.seed,
        })
    }

    /// The method with its settings, read as a configuration would be, so that unknown settings are refused.
    fn method(&self) -> Result<Method> {
        let mut settings = serde_json::Map::new();
        for setting in &self.set {
            let (name, value) = setting.split_once('=').ok_or_else(|| anyhow!("--set {setting}: write NAME=VALUE"))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            settings.insert(name.to_owned(), value);
        }
        let name = self.method.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let method: Method =
            serde_json::from_value(json!({ &name: settings })).with_context(|| format!("--set does not fit {name}"))?;
        method.check()?;
        Ok(method)
    }

    fn print(&self, out: &mut impl Write, trained: &Trained, saved: Option<(&Path, usize)>) -> Result<()> {
        let (detector, provenance) = (&trained.detector, &trained.detector.provenance);
        figures::print_findings(out, &provenance.findings)?;
        if trained.duplicates > 0 {
            writeln!(
                out,
                "note: {} rows that repeat another one were dropped (--keep-duplicates keeps them)",
                trained.duplicates
            )?;
        }
        let attacks = match provenance.attacks {
            None => "no labels".to_owned(),
            Some(attacks) if provenance.method.is_supervised() => format!("{attacks} attacks"),
            Some(attacks) => format!("from the {} benign ones alone", provenance.rows - attacks),
        };
        writeln!(
            out,
            "\n{} learned from {} rows ({attacks}) of {} columns with seed {}; alarm from score {:.4} on\n",
            provenance.method.name(),
            provenance.rows,
            detector.schema().fields.len(),
            provenance.seed,
            detector.threshold()
        )?;
        for (title, figures) in &provenance.figures {
            figures::print(out, title, figures, self.flows_a_day)?;
        }
        if !trained.folds.is_empty() {
            figures::print_folds(out, &trained.folds)?;
        }
        match saved {
            Some((path, bytes)) => writeln!(out, "\nsaved {} ({bytes} bytes)", path.display())?,
            None => writeln!(out, "\nnot saved; -o FILE keeps it")?,
        }
        Ok(())
    }

    fn json(&self, trained: &Trained) -> serde_json::Value {
        let (detector, provenance) = (&trained.detector, &trained.detector.provenance);
        let tests = provenance.figures.iter().map(|(title, figures)| {
            let mut value = figures::json(figures, self.flows_a_day);
            value["test"] = json!(title);
            value
        });
        json!({
            "method": provenance.method,
            "seed": provenance.seed,
            "rows": provenance.rows,
            "attacks": provenance.attacks,
            "duplicates_dropped": trained.duplicates,
            "columns": detector.schema().fields.iter().map(|field| &field.name).collect::<Vec<_>>(),
            "label": provenance.label,
            "left_out": provenance.left_out.iter().map(|(column, reason)| json!({"column": column, "reason": reason})).collect::<Vec<_>>(),
            "findings": provenance.findings,
            "threshold": detector.threshold(),
            "tests": tests.collect::<Vec<_>>(),
            "folds": trained.folds,
            "sha256": provenance.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "software": provenance.software,
        })
    }
}

/// Tells on stderr what the label is and what is left out.
fn print_columns(loaded: &Loaded) {
    match &loaded.label {
        Some(label) => eprintln!("label: column `{}`", printable(label)),
        None => eprintln!("label: none"),
    }
    for (column, reason) in &loaded.left_out {
        eprintln!("left out: column `{}`: {reason}", printable(column));
    }
    if !loaded.left_out.is_empty() {
        eprintln!("(--keep COLUMN takes a column back that was left out because it is suspect)");
    }
}

fn words(step: Step) -> String {
    match step {
        Step::Auditing => "auditing".into(),
        Step::Fold(fold, all) => format!("fold {fold} of {all}"),
        Step::Fitting => "fitting".into(),
    }
}

/// A sign of life on stderr; none where that is no terminal.
fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}
