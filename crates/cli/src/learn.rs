//! `lapwing learn`: a detector learns on from further tables.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use model::Learning;
use sensor::onward::{self, LearnOn};
use serde_json::json;

use crate::settings::{self, Overruling, Threshold};
use crate::{figures, output, saved, tables};

/// Let a detector learn on from further tables, such as each day that it has scored, and write what it then is.
///
/// For methods that take one row after the other: half-space-trees, random-cut-forest and online-logistic. The columns and
/// their encoding stay as the training left them; the threshold is chosen anew on a fifth of the rows, held back as in a
/// training. online-logistic learns from labels; the others learn from the rows labelled benign, or from all where there
/// are no labels. The rows are learned in their order, and memory does not grow with them; the files are read twice.
///
/// Where there are labels, each row is judged before it is learned from: these figures, the rows, and what the audit finds
/// among the first 65,536 of them are added to the detector's card.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing train monday.csv -m half-space-trees -o monday.lapwing
  lapwing learn monday.lapwing tuesday.csv -o tuesday.lapwing --time start
  lapwing learn tuesday.lapwing unlabelled.csv --skip-alarms -o wednesday.lapwing
  lapwing describe wednesday.lapwing                        # what it learned from, and when")]
pub(crate) struct Arguments {
    /// The detector file, as `lapwing train` or `lapwing learn` wrote it; it is left as it is.
    detector: PathBuf,
    /// The tables, with the columns that the detector was trained on, the earliest first.
    #[arg(required = true, value_name = "TABLE")]
    tables: Vec<PathBuf>,
    /// The detector file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The column that says what a row truly is, where it is not the one of the training.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// The column that says when a row happened, for the card.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Learn only from rows that do not alarm: for tables without labels, among which attacks may be.
    #[arg(long)]
    skip_alarms: bool,
    /// Where an alarm begins, as `lapwing train` has it. [default: as in the training]
    #[arg(long, value_name = "RULE")]
    threshold: Option<Threshold>,
    #[command(flatten)]
    overruling: Overruling,
    /// Where all random numbers come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let detector = saved::load(&arguments.detector)?;
    let learning = if arguments.skip_alarms { Learning::QuietRows } else { Learning::AllRows };
    let settings = LearnOn {
        label: arguments.label.as_deref(),
        time: arguments.time.as_deref(),
        learning,
        rule: arguments.threshold.map(|threshold| threshold.0),
        seed: arguments.seed,
    };
    let source = settings::words(&arguments.tables);
    let (mut detector, report) =
        tables::while_reading(|watch| onward::learn_on(detector, &arguments.tables, source, &settings, watch))?;
    tables::print(&report, verbose);
    detector.supplement.overruled.extend(arguments.overruling.of(detector.findings())?);
    let bytes = saved::save(&detector, &arguments.output)?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        let value = json!({
            "method": detector.provenance.method,
            "threshold": detector.threshold(),
            "continued": detector.supplement.continued.last(),
        });
        serde_json::to_writer(&mut out, &value)?;
        writeln!(out)?;
    } else {
        let last = detector.supplement.continued.last().cloned();
        figures::print_findings(&mut out, last.iter().flat_map(|of| &of.findings))?;
        let newest = model::Supplement { continued: last.into_iter().collect(), ..model::Supplement::default() };
        figures::print_history(&mut out, &newest)?;
        writeln!(out, "\nsaved {} ({bytes} bytes)", arguments.output.display())?;
        figures::print_forbidding(&mut out, &detector)?;
    }
    out.flush()?;
    Ok(())
}
