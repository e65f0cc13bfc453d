//! `lapwing audit`: what makes figures on a table look better than they are.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use model::evaluation::{Figures, Finding, Severity, audit};
use model::page;
use sensor::tables::Loaded;
use sensor::train;
use serde_json::json;

use crate::settings::{Estimator, Splitting, Tables};
use crate::{figures, output, pages, tables};

/// Say what makes figures on a table look better than they are, before anything is learned from it.
///
/// Duplicates within the table and across the split, rows that contradict each other, columns that alone give the answer,
/// that name rows, hosts or times, that are constant or empty, kinds of a handful of rows, tables of one class, and drift
/// between what is learned from and what is tested on. Where there are labels, a careless figure (every column, duplicates
/// kept, a random split) stands beside the honest one. Ends with failure where it finds an error that --allow does not name.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing audit KDDTrain+.txt.gz
  lapwing audit monday.csv friday.csv --split file --html audit.html
  lapwing audit UNSW_NB15.csv --json | jq '.findings[] | select(.severity == \"error\")'")]
pub(crate) struct Arguments {
    #[command(flatten)]
    tables: Tables,
    #[command(flatten)]
    estimator: Estimator,
    #[command(flatten)]
    splitting: Splitting,
    /// Do not fail for this error, by its name, or name and column: giveaway:sttl; may be given several times.
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
    /// Do not train for the careless and the honest figure.
    #[arg(long)]
    no_figures: bool,
    /// Write a page to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let mut settings = arguments.splitting.settings(arguments.estimator.method()?)?;
    settings.recipe = arguments.estimator.recipe()?;
    let loaded = arguments.tables.load(verbose)?;
    arguments.splitting.check(&loaded)?;
    let audited = tables::while_learning(|watch| train::audit(&loaded, &settings, !arguments.no_figures, watch))?;
    let title = format!("Audit of {}", arguments.tables.words());
    let lead = lead(&loaded, &audited.findings);
    pages::write(arguments.html.as_deref(), || {
        page::audit(&title, &lead, &audited.findings, &loaded.left_out, &audited.figures)
    })?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        let left_out = loaded.left_out.iter().map(|(column, reason)| json!({"column": column, "reason": reason}));
        let figures = audited.figures.iter().map(|(test, figures)| {
            let mut value = json!(figures);
            value["test"] = json!(test);
            value
        });
        let value = json!({
            "rows": loaded.dataset.rows(),
            "label": loaded.label,
            "left_out": left_out.collect::<Vec<_>>(),
            "findings": audited.findings,
            "drift": audited.drift,
            "figures": figures.collect::<Vec<_>>(),
        });
        serde_json::to_writer(&mut out, &value)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{lead}\n")?;
        figures::print_findings(&mut out, &audited.findings)?;
        print_drift(&mut out, &audited.drift)?;
        print_figures(&mut out, &audited.figures)?;
    }
    out.flush()?;
    let forbidding =
        audited.findings.iter().filter(|finding| finding.forbids(arguments.allow.iter().map(String::as_str))).count();
    if forbidding > 0 {
        anyhow::bail!(
            "{forbidding} errors: a detector of this table is not to be run; --drop the column, or --allow the finding's name"
        );
    }
    Ok(())
}

fn lead(loaded: &Loaded, findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    format!(
        "{} rows, {} columns to learn from, {} left out: {} errors, {} warnings, {} notes",
        loaded.dataset.rows(),
        loaded.dataset.table().columns().len(),
        loaded.left_out.len(),
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note)
    )
}

fn print_drift(out: &mut impl Write, drift: &[audit::Drift]) -> Result<()> {
    let far: Vec<_> = drift.iter().filter(|drift| drift.stability_index > 0.1).take(SHOWN).collect();
    if far.is_empty() {
        return Ok(());
    }
    let mut table =
        output::table(&["drift between training and test", "stability index", "Kolmogorov-Smirnov", "unseen names"]);
    for drift in far {
        let name = flow::printable(&drift.column);
        let index = format!("{:.3}", drift.stability_index);
        table.add_row([&*name, &index, &figures::rate(drift.kolmogorov_smirnov), &figures::rate(drift.unseen)]);
    }
    writeln!(out, "\n{table}")?;
    Ok(())
}

fn print_figures(out: &mut impl Write, tests: &[(String, Figures)]) -> Result<()> {
    let (Some(first), Some(_)) = (tests.first(), tests.get(1)) else { return Ok(()) };
    writeln!(out)?;
    tests.iter().try_for_each(|(test, figures)| writeln!(out, "{test}: {} rows", figures.rows))?;
    let word = |test: &'_ str| test.split_once(':').map_or(test, |(word, _)| word).to_owned();
    let headings: Vec<String> =
        std::iter::once("figure".into()).chain(tests.iter().map(|(test, _)| word(test))).collect();
    let mut table = output::table(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for (place, (name, _)) in first.1.numbers().iter().enumerate() {
        let values = tests.iter().map(|(_, figures)| figures::rate(figures.numbers()[place].1));
        table.add_row(std::iter::once(name.replace('_', " ")).chain(values));
    }
    writeln!(out, "{table}")?;
    Ok(())
}

const SHOWN: usize = 15;
