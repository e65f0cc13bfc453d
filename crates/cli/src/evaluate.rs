//! `lapwing evaluate`: how good a detector is on tables that it did not learn from.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use crate::{figures, output, saved, tables};

/// Say how good a detector is on labelled tables that it did not learn from.
///
/// The threshold is the detector's own. Recall on attack kinds that training never saw stands apart.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing evaluate nsl.lapwing KDDTest+.txt.gz
  lapwing evaluate nsl.lapwing KDDTest+.txt.gz --json | jq .roc_auc")]
pub(crate) struct Arguments {
    /// The detector file, as `lapwing train` wrote it.
    detector: PathBuf,
    /// The tables, with the columns that the detector was trained on, and the label.
    #[arg(required = true, value_name = "TABLE")]
    tables: Vec<PathBuf>,
    /// The column that says what a row truly is, where it is not the one of the training.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// How many benign flows a day the alarms are reckoned for.
    #[arg(long, value_name = "FLOWS", default_value_t = figures::FLOWS_A_DAY)]
    flows_a_day: f64,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let detector = saved::load(&arguments.detector)?;
    let label = arguments.label.as_deref();
    let (found, report) =
        tables::while_reading(|watch| sensor::tables::evaluate(&detector, &arguments.tables, label, watch))?;
    tables::print(&report, verbose);
    let mut out = output::create(None, &[])?;
    if arguments.json {
        let mut value = figures::json(&found, arguments.flows_a_day);
        value["method"] = json!(detector.provenance.method);
        value["threshold"] = json!(detector.threshold());
        serde_json::to_writer(&mut out, &value)?;
        writeln!(out)?;
    } else {
        let tables: Vec<String> = arguments.tables.iter().map(|path| path.display().to_string()).collect();
        let title = format!("{} on {}", detector.provenance.method.name(), tables.join(", "));
        figures::print(&mut out, &title, &found, arguments.flows_a_day)?;
        if let (Some((test, trained)), Some(now)) = (detector.provenance.figures.last(), found.false_positive_rate)
            && let Some(then) = trained.false_positive_rate
        {
            writeln!(out, "\nfalse-positive rate in training's own test ({test}): {then:.5}; here: {now:.5}")?;
        }
    }
    out.flush()?;
    Ok(())
}
