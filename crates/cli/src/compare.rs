//! `lapwing compare`: which of several methods or detectors is better, and whether that is luck.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use model::evaluation::Comparison;
use model::page;
use sensor::comparison;
use sensor::tables::Beside;
use serde_json::json;

use crate::settings::{Choosing, Splitting, Tables, named_method};
use crate::{figures, output, pages, saved, tables};

/// Compare methods on a table, or trained detectors on tables that they did not learn from, and say whether the difference
/// is more than luck (McNemar, DeLong).
///
/// Methods are trained and tested on the same rows, for several seeds, with the majority class and a rule of one column
/// beside them. Detectors come from --detector, and the tables are then what they are tested on.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing compare KDDTrain+.txt.gz -m random-forest -m logistic-regression
  lapwing compare KDDTrain+.txt.gz KDDTest+.txt.gz --split file -m random-forest -m isolation-forest --html methods.html
  lapwing compare KDDTest+.txt.gz --detector old.lapwing --detector new.lapwing")]
pub(crate) struct Arguments {
    #[command(flatten)]
    tables: Tables,
    /// A method to compare, with settings after a colon: random-forest:trees=300,max-depth=10; may be given several times.
    /// [default: all methods]
    #[arg(short, long, value_name = "METHOD")]
    method: Vec<String>,
    /// A detector file to compare; may be given several times. The tables are what all of them are tested on.
    #[arg(long, value_name = "FILE", conflicts_with = "method")]
    detector: Vec<PathBuf>,
    /// Repeat with so many seeds and tell the spread.
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    splitting: Splitting,
    /// Write a page with pictures to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let comparison =
        if arguments.detector.is_empty() { methods(arguments, verbose) } else { detectors(arguments, verbose) };
    let comparison = comparison?;
    pages::write(arguments.html.as_deref(), || {
        page::comparison(&format!("Comparison on {}", arguments.tables.words()), &comparison)
    })?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        serde_json::to_writer(&mut out, &json!(comparison))?;
        writeln!(out)?;
    } else {
        print(&mut out, &comparison)?;
    }
    out.flush()?;
    Ok(())
}

fn methods(arguments: &Arguments, verbose: bool) -> Result<Comparison> {
    let mut methods = Vec::new();
    for text in &arguments.method {
        methods.push((text.clone(), named_method(text)?));
    }
    if methods.is_empty() {
        methods = model::Method::all().into_iter().map(|method| (method.name().to_owned(), method)).collect();
    }
    let (_, first) = &methods[0];
    let mut settings = arguments.splitting.settings(first.clone())?;
    settings.seeds = arguments.seeds;
    settings.selections = arguments.choosing.selections()?;
    let loaded = arguments.tables.load(verbose)?;
    arguments.splitting.check(&loaded)?;
    Ok(tables::while_learning(|watch| comparison::compare(&loaded, &methods, &settings, watch))?)
}

fn detectors(arguments: &Arguments, verbose: bool) -> Result<Comparison> {
    let paths = &arguments.tables.tables;
    let mut entries = Vec::new();
    let mut truth = None;
    for file in &arguments.detector {
        let detector = saved::load(file)?;
        let beside = Beside { label: arguments.tables.label(), ..Beside::default() };
        let (tested, own, report) =
            tables::while_reading(|watch| sensor::tables::evaluate(&detector, paths, beside, watch))?;
        tables::print(&report, verbose);
        let first = truth.get_or_insert_with(|| own.clone());
        if first.kinds() != own.kinds() {
            bail!(
                "{} cannot use the same rows as the detectors before it: others were skipped (-v says why)",
                file.display()
            );
        }
        entries.push((stem(file, &entries), detector.provenance.kinds, tested.verdicts));
    }
    let truth = truth.ok_or_else(|| anyhow::anyhow!("no detector"))?;
    Ok(comparison::detectors(arguments.tables.words(), entries, &truth)?)
}

/// The name of a file without its folder; with it where another has the same.
fn stem<T, U>(path: &Path, others: &[(String, T, U)]) -> String {
    let stem = path.file_stem().map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned());
    if others.iter().any(|(name, ..)| *name == stem) { path.display().to_string() } else { stem }
}

fn print(out: &mut impl Write, comparison: &Comparison) -> Result<()> {
    figures::print_findings(out, &comparison.findings)?;
    writeln!(out, "{}: {} rows, {} of them attacks", comparison.test, comparison.rows, comparison.attacks)?;
    let several = comparison.contenders.iter().any(|contender| contender.tests.len() > 1);
    if several {
        writeln!(out, "mean and standard deviation over {} tests", comparison.contenders[0].tests.len())?;
    }
    let probabilities: &[&str] = if comparison.calibration.is_some() { &["brier", "calibration_error"] } else { &[] };
    let shown = || SHOWN.iter().chain(probabilities);
    let headings: Vec<String> =
        std::iter::once(String::new()).chain(shown().map(|name| name.replace('_', " "))).collect();
    let mut table = output::table(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for contender in &comparison.contenders {
        let cells = shown().map(|name| match contender.figure(name) {
            Some((mean, deviation)) if several => format!("{mean:.4} ± {deviation:.4}"),
            Some((mean, _)) => format!("{mean:.5}"),
            None => "-".into(),
        });
        table.add_row(std::iter::once(contender.name.clone()).chain(cells));
    }
    writeln!(out, "{table}")?;
    let mut table =
        output::table(&["", "right alone", "p (McNemar)", "corrected", "ROC-AUC less the other's", "p (DeLong)"]);
    for pair in &comparison.pairs {
        let (areas, p) = pair.delong.map_or_else(
            || ("-".into(), "-".into()),
            |test| {
                let gap = test.areas[0] - test.areas[1];
                (
                    format!("{gap:+.5} ({:+.5} to {:+.5})", test.interval[0], test.interval[1]),
                    figures::probability(test.p),
                )
            },
        );
        table.add_row([
            format!("{} against {}", pair.first, pair.second),
            format!("{} : {}", pair.mcnemar.first_only, pair.mcnemar.second_only),
            figures::probability(pair.mcnemar.p),
            figures::probability(pair.adjusted_p),
            areas,
            p,
        ]);
    }
    writeln!(out, "\n{table}")?;
    Ok(())
}

const SHOWN: [&str; 8] =
    ["recall", "false_positive_rate", "unseen_recall", "f1", "accuracy", "roc_auc", "pr_auc", "recall_at_one_percent"];
