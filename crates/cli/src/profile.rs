//! `lapwing profile`: what a table holds.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use flow::printable;
use model::evaluation::{Profile, Summary};
use model::{Plan, page, select};
use serde_json::json;

use crate::settings::{Choosing, Tables};
use crate::{figures, output, pages};

/// Say what a table holds, before anything is learned from it: what each column holds, which go together, and how attacks
/// differ from benign rows.
///
/// Columns that name rows, hosts or times are left out, as in training; --keep takes one in. Labels are not needed.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing profile flows.csv
  lapwing profile KDDTrain+.txt.gz --html profile.html       # histograms, boxes and a heat map
  lapwing profile flows.csv --select mutual-information      # what each column alone tells about the label
  lapwing profile flows.csv --json | jq '.differences[0]'")]
pub(crate) struct Arguments {
    #[command(flatten)]
    tables: Tables,
    #[command(flatten)]
    choosing: Choosing,
    /// Write a page with pictures to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let loaded = arguments.tables.load(verbose)?;
    let profile = Profile::of(&loaded.dataset);
    let plan = Plan { selections: arguments.choosing.selections()?, ..Plan::default() };
    let (_, selections) = select(&loaded.dataset, &plan)?;
    pages::write(arguments.html.as_deref(), || {
        page::profile(&format!("Profile of {}", arguments.tables.words()), &profile, &selections)
    })?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        let mut value = json!(profile);
        if !selections.is_empty() {
            value["selections"] = json!(selections);
        }
        serde_json::to_writer(&mut out, &value)?;
        writeln!(out)?;
    } else {
        print(&mut out, &profile)?;
        for selected in &selections {
            writeln!(out, "\n{}", selected.words())?;
            figures::print_selected(&mut out, selected)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn print(out: &mut impl Write, profile: &Profile) -> Result<()> {
    writeln!(out, "{} rows, {} columns", profile.rows, profile.columns.len())?;
    if !profile.kinds.is_empty() {
        let mut kinds = output::table(&["kind", "rows", "share"]);
        for (kind, rows) in &profile.kinds {
            let share = format!("{:.3} %", 100.0 * *rows as f64 / profile.rows.max(1) as f64);
            kinds.add_row([&*printable(kind), &rows.to_string(), &share]);
        }
        writeln!(out, "{kinds}")?;
    }
    print_columns(out, profile)?;
    if !profile.differences.is_empty() {
        writeln!(out, "\nhow attacks differ from benign rows, the largest effect (0 to 1) first")?;
        let mut table = output::table(&["column", "effect", "p, corrected", "Welch's t", "Cohen's d"]);
        for of in &profile.differences {
            let welch = |of: Option<f64>| of.map_or_else(|| "-".into(), figures::short);
            table.add_row([
                printable(&of.column).to_string(),
                format!("{:.3}", of.effect()),
                figures::probability(of.adjusted_p),
                welch(of.welch.map(|test| test.statistic)),
                welch(of.welch.map(|test| test.effect)),
            ]);
        }
        writeln!(out, "{table}")?;
    }
    let strong: Vec<_> = profile.associations.iter().take_while(|pair| pair.strength() >= 0.8).take(SHOWN).collect();
    if !strong.is_empty() {
        writeln!(out, "\ncolumns that go together")?;
        let mut table = output::table(&["columns", "Spearman", "Pearson", "Cramér's V"]);
        for pair in strong {
            let cell = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.3}"));
            let names = format!("{}, {}", printable(&pair.columns[0]), printable(&pair.columns[1]));
            table.add_row([names, cell(pair.spearman), cell(pair.pearson), cell(pair.cramers_v)]);
        }
        writeln!(out, "{table}")?;
    }
    Ok(())
}

fn print_columns(out: &mut impl Write, profile: &Profile) -> Result<()> {
    let headings =
        ["column", "missing", "different", "least", "25 %", "median", "75 %", "most", "mean", "skewness", "outliers"];
    let mut numbers = output::table(&headings);
    let mut names = output::table(&["column", "missing", "different", "most frequent names"]);
    for column in &profile.columns {
        let mut row =
            vec![printable(&column.name).to_string(), column.missing.to_string(), column.distinct.to_string()];
        match &column.summary {
            Summary::Numbers(of) => {
                let quantile =
                    |place: usize| of.quantiles.get(place).map_or_else(|| "-".into(), |value| figures::short(*value));
                row.extend([0, 2, 3, 4, 6].map(quantile));
                row.push(of.moments.map_or_else(|| "-".into(), |moments| figures::short(moments.mean)));
                row.push(of.moments.map_or_else(|| "-".into(), |moments| figures::short(moments.skewness)));
                row.push(of.outliers.to_string());
                numbers.add_row(row);
            }
            Summary::Names(most) => {
                let shown = most
                    .iter()
                    .take(FREQUENT)
                    .map(|(name, [benign, attack])| format!("{} {}", printable(name), benign + attack));
                row.push(shown.collect::<Vec<_>>().join(", "));
                names.add_row(row);
            }
        }
    }
    for table in [numbers, names].iter().filter(|table| table.row_count() > 0) {
        writeln!(out, "\n{table}")?;
    }
    Ok(())
}

const SHOWN: usize = 20;
/// As many names of a column are shown.
const FREQUENT: usize = 6;
