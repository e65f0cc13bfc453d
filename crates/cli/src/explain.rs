//! `lapwing explain`: why rows of a table score as they do.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flow::{Table, printable};
use model::page::Explained;
use model::{Asked, Detector, Explainer, Explaining, cell, page, rule};
use sensor::tables::{Beside, judge};
use serde_json::json;

use crate::output::{self, Output};
use crate::state::State;
use crate::{pages, tables};

/// Say why rows of a table score as they do: what each column adds, the way through a tree, and what would have to differ
/// for no alarm.
///
/// Explained are the rows that score highest among those that alarm, or the row that is named. What the columns add sums
/// up, with a base, to what the score follows from; whether that is exact is said. Where others are compared with, and no
/// background is given, these are up to 200 rows of the table that do not alarm.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing explain new.csv --detector nsl.lapwing
  lapwing explain new.csv --row 17 --html why.html             # by the active detector
  lapwing explain new.csv --detector nsl.lapwing --alarms 20 --json | jq .counterfactual
  lapwing explain new.csv --detector nsl.lapwing --method interventional --background normal.csv")]
pub(crate) struct Arguments {
    /// The table, with the columns that the detector was trained on.
    table: PathBuf,
    /// The detector file, as `lapwing train` wrote it. [default: the active one]
    #[arg(short, long, value_name = "FILE")]
    detector: Option<PathBuf>,
    #[command(flatten)]
    state: State,
    /// Explain this row (from 1, skipped rows not counted), whether it alarms or not.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    row: Option<u64>,
    /// Explain so many rows that alarm, those with the highest scores first.
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "row",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    alarms: u32,
    /// How: `best` is exact wherever the model allows it, and permutation elsewhere.
    #[arg(long, value_enum, default_value = "best")]
    method: Method,
    /// A table of rows to compare with, such as rows that are normal here; of more than 200, 200 are taken.
    #[arg(long, value_name = "TABLE")]
    background: Option<PathBuf>,
    /// How many orders of the columns (permutation) or rows (LIME) are drawn. [default: 20 orders, 2000 rows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    draws: Option<u32>,
    /// What all random numbers come from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many columns are shown; the rest is added up. JSON and the page have all.
    #[arg(long, value_name = "N", default_value_t = 10)]
    columns: usize,
    /// Print one JSON object a row.
    #[arg(long)]
    json: bool,
    /// Write a page with pictures to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the way of the first row through a tree as a Sigma rule (YAML) to this file.
    #[arg(long, value_name = "FILE")]
    rule: Option<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy)]
enum Method {
    /// Exact where the model allows it, else permutation.
    Best,
    /// Exact Shapley values of trees against background rows.
    Interventional,
    /// Shapley values by drawn orders of the columns.
    Permutation,
    /// A sum that behaves like the model near the row.
    Lime,
}

/// The rows of a table that are to be explained, and rows to compare with.
#[derive(Default)]
struct Found {
    /// Score, number from 1, and the row.
    rows: Vec<(f32, usize, Table)>,
    normal: Option<Table>,
    read: usize,
    highest: Option<(f32, usize)>,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let none = "no detector is named and none is active: name one with --detector, or make one the active one with \
                `lapwing activate`";
    let (detector, _) = arguments.state.detector(arguments.detector.as_deref())?.context(none)?;
    let mut found = find(&detector, arguments, verbose)?;
    if let (Some(row), true) = (arguments.row, found.rows.is_empty()) {
        bail!("there is no row {row}: {} rows can be used (rows that are skipped are not counted)", found.read);
    }
    if let Some(path) = &arguments.background {
        found.normal = Some(read(&detector, path)?);
    }
    let asked = match arguments.method {
        Method::Best => Asked::Best,
        Method::Interventional => Asked::Interventional,
        Method::Permutation => Asked::Permutation,
        Method::Lime => Asked::Lime,
    };
    // A plain sum compares with the mean of what it learned from, unless it is told otherwise.
    let needed = arguments.background.is_some() || Explainer::needs_background(&detector, asked);
    if needed && found.normal.is_none() {
        bail!("every row alarms, so there are none to compare with: give some that are normal with --background");
    }
    let explaining = Explaining { asked, draws: arguments.draws.unwrap_or(0), seed: arguments.seed };
    let explainer = Explainer::new(&detector, &explaining, found.normal.as_ref().filter(|_| needed))?;
    let mut explained = Vec::new();
    for (_, number, table) in &found.rows {
        explained.push(explain(&detector, &explainer, *number, table, found.normal.as_ref())?);
    }
    if let Some(path) = &arguments.rule {
        let path_of = explained.first().and_then(|of| of.path.as_ref());
        let told = path_of.and_then(|way| rule(&detector, way));
        let told =
            told.context("there is no path to write as a rule: no row alarms, or the model is not made of trees")?;
        let mut out = output::create(Some(path), std::slice::from_ref(&arguments.table))?;
        out.write_all(told.as_bytes())?;
        out.finish()?;
        eprintln!("rule written to {}", path.display());
    }
    let name = arguments.table.file_name().map_or_else(|| "the table".into(), |name| name.to_string_lossy());
    pages::write(arguments.html.as_deref(), || page::explanation(&printable(&name), &detector, &explained))?;
    let mut out = output::create(None, &[])?;
    if explained.is_empty() && !arguments.json {
        let (score, row) = found.highest.unwrap_or_default();
        writeln!(
            out,
            "no row alarms: the highest score is {score:.4} (row {row}), and alarms begin at {:.4}; explain a row with --row",
            detector.threshold()
        )?;
    }
    for of in &explained {
        match arguments.json {
            true => write_json(&mut out, &detector, of)?,
            false => print(&mut out, &detector, of, arguments.columns)?,
        }
    }
    out.finish()
}

/// Reads the table once: keeps what is to be explained, and rows to compare with.
fn find(detector: &Detector, arguments: &Arguments, verbose: bool) -> Result<Found> {
    let mut found = Found::default();
    let most = arguments.alarms as usize;
    let report = tables::while_reading(|watch| {
        let take = |_: &[String], batch: &source::format::rows::Batch, verdicts: &[model::Verdict]| {
            let table = &batch.table;
            for (row, verdict) in verdicts.iter().enumerate() {
                let number = found.read + row + 1;
                if found.highest.is_none_or(|(score, _)| verdict.score > score) {
                    found.highest = Some((verdict.score, number));
                }
                let wanted = match arguments.row {
                    Some(wanted) => number as u64 == wanted,
                    None => {
                        verdict.alarm
                            && found.rows.last().is_none_or(|last| found.rows.len() < most || verdict.score > last.0)
                    }
                };
                if wanted {
                    let place = found.rows.partition_point(|(score, ..)| *score >= verdict.score);
                    found.rows.insert(place, (verdict.score, number, table.select(&[row])));
                    found.rows.truncate(most);
                }
            }
            if found.normal.is_none() {
                let quiet: Vec<usize> = (0..verdicts.len()).filter(|&row| !verdicts[row].alarm).collect();
                found.normal = (!quiet.is_empty()).then(|| table.select(&evenly(&quiet)));
            }
            found.read += verdicts.len();
            Ok(())
        };
        judge(detector, &arguments.table, Beside::default(), take, watch)
    })?;
    tables::print(&report, verbose);
    Ok(found)
}

/// Rows of a table to compare with.
fn read(detector: &Detector, path: &Path) -> Result<Table> {
    let mut background = None;
    tables::while_reading(|watch| {
        let take = |_: &[String], batch: &source::format::rows::Batch, _: &[model::Verdict]| {
            if background.is_none() {
                let rows: Vec<usize> = (0..batch.table.rows()).collect();
                background = Some(batch.table.select(&evenly(&rows)));
            }
            Ok(())
        };
        judge(detector, path, Beside::default(), take, watch)
    })?;
    background.with_context(|| format!("{} has no row to compare with", path.display()))
}

/// Up to 200 of these rows, evenly.
fn evenly(rows: &[usize]) -> Vec<usize> {
    let count = rows.len().min(MOST_BACKGROUND);
    (0..count).map(|step| rows[step * rows.len() / count]).collect()
}

fn explain(
    detector: &Detector,
    explainer: &Explainer<&Detector>,
    row: usize,
    table: &Table,
    normal: Option<&Table>,
) -> Result<Explained> {
    let explanation = explainer.explain(table)?.into_iter().next().context("a row without an explanation")?;
    let value = |field: &model::Field| table.column(&field.name).map_or_else(|| "–".into(), |column| cell(column, 0));
    let counterfactual = match normal {
        _ if !explanation.alarm => "it does not alarm, so nothing has to differ".to_owned(),
        None => "what would have to differ is not known: every row alarms; give some that do not with --background"
            .to_owned(),
        Some(normal) => detector.counterfactual(table, 0, &explanation, normal)?.map_or_else(
            || "no change of up to four columns was found that leaves no alert".to_owned(),
            |found| found.words(),
        ),
    };
    Ok(Explained {
        row,
        values: detector.schema().fields.iter().map(value).collect(),
        path: detector.path(table, 0)?,
        explanation,
        counterfactual,
    })
}

fn print(out: &mut Output, detector: &Detector, of: &Explained, columns: usize) -> Result<()> {
    let explanation = &of.explanation;
    let alarm = if explanation.alarm { "an alarm" } else { "no alarm" };
    writeln!(out, "row {}: score {:.4}, {alarm} (from {:.4} on)", of.row, explanation.score, detector.threshold())?;
    writeln!(out, "explained: {}, by {}", explanation.quantity.words(), explanation.means.words())?;
    if let Some(fidelity) = explanation.fidelity {
        writeln!(out, "the sum explains {:.0} % of how the model varies near the row", fidelity * 100.0)?;
    }
    let mut table = output::table(&["column", "value", "adds"]);
    let ranked = explanation.ranked();
    table.add_row([format!("({})", explanation.means.base()), String::new(), format!("{:.4}", explanation.base)]);
    let (shown, rest) = ranked.split_at(columns.min(ranked.len()));
    for &column in shown.iter().filter(|column| explanation.contributions[**column] != 0.0) {
        let name = detector.schema().fields.get(column).map_or("", |field| field.name.as_str());
        let value = of.values.get(column).cloned().unwrap_or_default();
        table.add_row([printable(name).to_string(), value, format!("{:+.4}", explanation.contributions[column])]);
    }
    let others = rest.iter().filter(|column| explanation.contributions[**column] != 0.0).count();
    if others > 0 {
        let sum: f64 = rest.iter().map(|column| explanation.contributions[*column]).sum();
        table.add_row([format!("({others} others)"), String::new(), format!("{sum:+.4}")]);
    }
    table.add_row(["(this row)".into(), String::new(), format!("{:.4}", explanation.total)]);
    writeln!(out, "{table}")?;
    if let Some(path) = &of.path {
        writeln!(out, "path: {}", path.words())?;
    }
    writeln!(out, "{}\n", of.counterfactual)?;
    Ok(())
}

fn write_json(out: &mut Output, detector: &Detector, of: &Explained) -> Result<()> {
    let explanation = &of.explanation;
    let columns: Vec<_> = explanation
        .ranked()
        .into_iter()
        .filter_map(|column| {
            let field = detector.schema().fields.get(column)?;
            let value = of.values.get(column);
            Some(json!({"column": field.name, "value": value, "adds": explanation.contributions[column]}))
        })
        .collect();
    let value = json!({
        "row": of.row,
        "score": explanation.score,
        "alarm": explanation.alarm,
        "threshold": detector.threshold(),
        "quantity": explanation.quantity,
        "method": explanation.means,
        "exact": explanation.means.is_exact(),
        "base": explanation.base,
        "total": explanation.total,
        "fidelity": explanation.fidelity,
        "columns": columns,
        "path": of.path,
        "counterfactual": of.counterfactual,
    });
    writeln!(out, "{value}")?;
    Ok(())
}

/// So many rows are compared with.
const MOST_BACKGROUND: usize = 200;
