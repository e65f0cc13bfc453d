//! `lapwing evaluate`: how good a detector is on tables that it did not learn from.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use model::evaluation::Outcome;
use model::page;
use sensor::tables::Beside;
use serde_json::json;

use crate::pages::{self, SiteArguments};
use crate::{figures, output, saved, settings, tables};

/// Say how good a detector is on labelled tables that it did not learn from.
///
/// The threshold is the detector's own. Recall on attack kinds that training never saw stands apart. Intervals tell the luck
/// of the test's rows (stratified bootstrap, 95 %).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing evaluate nsl.lapwing KDDTest+.txt.gz
  lapwing evaluate nsl.lapwing KDDTest+.txt.gz --html test.html
  lapwing evaluate week.lapwing friday.csv --time Timestamp --group 'Src IP'   # and how soon attacks are detected
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
    /// The column that says when a row happened: tells how soon attacks are detected.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// The column that says what a row belongs to (a host, a session): each kind of attack in each is one attack.
    #[arg(long, value_name = "COLUMN", requires = "time")]
    group: Option<String>,
    #[command(flatten)]
    site: SiteArguments,
    /// Where the random numbers of the intervals come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a page with pictures to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let site = arguments.site.site()?;
    let detector = saved::load(&arguments.detector)?;
    let beside = Beside {
        label: arguments.label.as_deref(),
        time: arguments.time.as_deref(),
        group: arguments.group.as_deref(),
        texts: false,
    };
    let (tested, truth, report) =
        tables::while_reading(|watch| sensor::tables::evaluate(&detector, &arguments.tables, beside, watch))?;
    tables::print(&report, verbose);
    let outcome = Outcome::of(&tested, &truth, &detector.provenance.kinds, arguments.seed)?;
    let words = settings::words(&arguments.tables);
    let title = format!("{} on {words}", detector.provenance.method.name());
    pages::write(arguments.html.as_deref(), || {
        let lead = format!(
            "Detector {}, trained on {} rows; tested on {} rows, {} of them attacks",
            arguments.detector.display(),
            detector.provenance.rows,
            outcome.figures.rows,
            outcome.figures.attacks
        );
        page::outcome(&title, &lead, &outcome, detector.threshold(), site)
    })?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        let mut value = json!(outcome);
        figures::add_site(&mut value, &outcome.figures, site);
        value["method"] = json!(detector.provenance.method);
        value["threshold"] = json!(detector.threshold());
        serde_json::to_writer(&mut out, &value)?;
        writeln!(out)?;
    } else {
        figures::print(&mut out, &title, &outcome, site)?;
        if let (Some((test, trained)), Some(now)) =
            (detector.provenance.figures.first(), outcome.figures.false_positive_rate)
            && let Some(then) = trained.false_positive_rate
        {
            writeln!(out, "\nfalse-positive rate in training's own test ({test}): {then:.5}; here: {now:.5}")?;
        }
    }
    out.flush()?;
    Ok(())
}
