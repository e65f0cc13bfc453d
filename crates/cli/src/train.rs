//! `lapwing train`: a detector from labelled tables, with honest figures.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use flow::printable;
use model::page::{self, Site};
use sensor::train::{self, Trained};
use serde_json::json;

use crate::pages::{self, SiteArguments};
use crate::settings::{Choosing, Estimator, Overruling, Refusing, Splitting, Tables, check_labels};
use crate::{figures, output, saved, tables};

/// Train a detector on a table and say how good it is on rows that it did not learn from.
///
/// Tables are CSV (comma, semicolon, tab or bar separated, with a header or without), JSON lines or Parquet; plain, gzip
/// or Zstandard. Columns of numbers and of names are told apart; trees take missing values as they are, for others they
/// are filled with the median of the training rows. NSL-KDD is known by its shape: its columns get their names.
///
/// Columns that name a row, a host, a port or a time, and `difficulty` of NSL-KDD, are left out, because a detector
/// would learn the data set and not the attacks; --keep takes one back. Rows that repeat another one are dropped. Where
/// the audit finds an error, such as a column that alone gives the answer, the figures without that column stand beside the
/// others where there is a single test, and `lapwing activate` refuses the detector unless --allow names the error.
///
/// An isolation forest learns from the rows labelled benign, or from all where there are no labels.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing train KDDTrain+.txt.gz --method random-forest --label label -o nsl.lapwing
  lapwing train flows.csv --method isolation-forest --threshold fpr=0.001 -o normal.lapwing
  lapwing train monday.csv tuesday.csv --split file -o week.lapwing      # tested on the last file
  lapwing train flows.csv --split group --group host --html hosts.html   # tested on hosts never seen
  lapwing train flows.csv --split kind-out                               # each attack once never learned from
  lapwing train flows.csv --select mutual-information=20 -o few.lapwing   # learns from the 20 columns that tell most
  lapwing train sessions.csv --label attack_detected --cv 5 --set trees=300 --set max-depth=10")]
pub(crate) struct Arguments {
    #[command(flatten)]
    tables: Tables,
    #[command(flatten)]
    estimator: Estimator,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    splitting: Splitting,
    #[command(flatten)]
    refusing: Refusing,
    #[command(flatten)]
    overruling: Overruling,
    /// Repeat training and test with so many seeds, and tell the spread; the detector is that of the first.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    #[command(flatten)]
    site: SiteArguments,
    /// The detector file to write; nothing is saved where it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a page with pictures of the test to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let site = arguments.site.site()?;
    let mut settings = arguments.splitting.settings(arguments.estimator.method()?)?;
    settings.seeds = arguments.seeds;
    settings.recipe = arguments.estimator.recipe()?;
    settings.selections = arguments.choosing.selections()?;
    settings.refusal = arguments.refusing.refusal(&settings)?;
    let loaded = arguments.tables.load(verbose)?;
    check_labels(&settings.method, &loaded)?;
    arguments.splitting.check(&loaded)?;
    let mut trained = tables::while_learning(|watch| train::train(&loaded, &settings, watch))?;
    trained.detector.supplement.overruled = arguments.overruling.of(trained.detector.findings())?;
    let saved =
        arguments.output.as_deref().map(|path| Ok::<_, anyhow::Error>((path, saved::save(&trained.detector, path)?)));
    let saved = saved.transpose()?;
    pages::write(arguments.html.as_deref(), || {
        let title = format!("{} on {}", settings.method.name(), arguments.tables.words());
        match (&trained.outcome, trained.detector.provenance.figures.first()) {
            (Some(outcome), Some((test, _))) => {
                page::outcome(&title, test, outcome, trained.detector.threshold(), site)
            }
            _ => page::card(&title, &trained.detector),
        }
    })?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        serde_json::to_writer(&mut out, &Arguments::json(&trained, site))?;
        writeln!(out)?;
    } else {
        Arguments::print(&mut out, &trained, saved, site)?;
    }
    out.flush()?;
    Ok(())
}

impl Arguments {
    fn print(out: &mut impl Write, trained: &Trained, saved: Option<(&Path, usize)>, site: Site) -> Result<()> {
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
        for selected in &detector.supplement.selected {
            let kept: Vec<_> = selected.kept().map(printable).collect();
            writeln!(out, "{}: {}\n", selected.words(), kept.join(", "))?;
        }
        let main = provenance.figures.first();
        if let (Some(outcome), Some((title, _))) = (&trained.outcome, main) {
            figures::print(out, title, outcome, site)?;
        }
        for (title, other) in provenance.figures.iter().skip(1) {
            figures::print_line(out, title, other)?;
        }
        if !trained.tests.is_empty() {
            figures::print_tests(out, &trained.tests)?;
        }
        if trained.outcome.is_none() {
            figures::print_supplement(out, &detector.supplement)?;
        }
        match saved {
            Some((path, bytes)) => writeln!(out, "\nsaved {} ({bytes} bytes)", path.display())?,
            None => writeln!(out, "\nnot saved; -o FILE keeps it")?,
        }
        figures::print_forbidding(out, detector)?;
        Ok(())
    }

    fn json(trained: &Trained, site: Site) -> serde_json::Value {
        let (detector, provenance) = (&trained.detector, &trained.detector.provenance);
        let tests = provenance.figures.iter().enumerate().map(|(place, (title, figures))| {
            let mut value = match &trained.outcome {
                Some(outcome) if place == 0 => json!(outcome),
                _ => json!(figures),
            };
            figures::add_site(&mut value, figures, site);
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
            "selections": detector.supplement.selected,
            "label": provenance.label,
            "left_out": provenance.left_out.iter().map(|(column, reason)| json!({"column": column, "reason": reason})).collect::<Vec<_>>(),
            "findings": provenance.findings,
            "overruled": detector.supplement.overruled,
            "threshold": detector.threshold(),
            "calibration": detector.calibrator().map(model::Calibrator::calibration),
            "calibrated": detector.supplement.calibrated,
            "refusals": figures::refusals(&detector.supplement.refusals),
            "tests": tests.collect::<Vec<_>>(),
            "folds": trained.tests.iter().map(|(title, figures)| {
                let mut value = json!(figures);
                value["test"] = json!(title);
                value
            }).collect::<Vec<_>>(),
            "sha256": provenance.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "software": provenance.software,
        })
    }
}
