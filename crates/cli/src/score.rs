//! `lapwing score`: a verdict on every row of a table.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use model::Verdict;
use sensor::tables::{Beside, judge};
use serde_json::json;
use source::format::rows::Batch;

use crate::output::{self, Output};
use crate::{saved, tables};

/// Give every row of a table a score and say whether it alarms.
///
/// The rows come out as they were, with two columns more: `score`, 0 to 1 and higher is worse, and `alarm`, true or
/// false. Rows that cannot be used are left out and counted. Memory does not grow with the table.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing score nsl.lapwing new.csv -o scored.csv
  lapwing score nsl.lapwing new.csv.gz --json | jq 'select(.alarm)'")]
pub(crate) struct Arguments {
    /// The detector file, as `lapwing train` wrote it.
    detector: PathBuf,
    /// The table, with the columns that the detector was trained on.
    table: PathBuf,
    /// The CSV file to write; stdout where it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write one JSON object a line: row (from 1, skipped rows not counted), score, alarm.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let detector = saved::load(&arguments.detector)?;
    let inputs = [arguments.table.clone(), arguments.detector.clone()];
    let mut out = Writer::new(output::create(arguments.output.as_deref(), &inputs)?, arguments.json);
    let (mut rows, mut alarms) = (0, 0);
    let report = tables::while_reading(|watch| {
        let take = |names: &[String], batch: &Batch, verdicts: &[Verdict]| {
            out.write(rows, names, batch, verdicts)?;
            rows += verdicts.len();
            alarms += verdicts.iter().filter(|verdict| verdict.alarm).count();
            Ok(())
        };
        judge(&detector, &arguments.table, Beside::default(), take, watch)
    })?;
    out.finish()?;
    tables::print(&report, verbose);
    eprintln!("{alarms} of {rows} rows alarm (score {:.4} or more)", detector.threshold());
    Ok(())
}

enum Writer {
    Json(Output),
    Csv(Box<csv::Writer<Output>>),
}

impl Writer {
    fn new(out: Output, json: bool) -> Writer {
        if json { Writer::Json(out) } else { Writer::Csv(Box::new(csv::Writer::from_writer(out))) }
    }

    fn write(&mut self, before: usize, names: &[String], batch: &Batch, verdicts: &[Verdict]) -> io::Result<()> {
        match self {
            Writer::Json(out) => {
                for (row, verdict) in verdicts.iter().enumerate() {
                    let line = json!({"row": before + row + 1, "score": verdict.score, "alarm": verdict.alarm});
                    writeln!(out, "{line}")?;
                }
            }
            Writer::Csv(out) => {
                if before == 0 {
                    let own = OWN.map(|own| {
                        if names.iter().any(|name| name == own) { format!("lapwing_{own}") } else { own.into() }
                    });
                    out.write_record(names.iter().chain(&own))?;
                }
                for (row, verdict) in verdicts.iter().enumerate() {
                    for cell in batch.texts.iter().flat_map(|texts| texts.row(row)) {
                        out.write_field(cell)?;
                    }
                    out.write_field(verdict.score.to_string())?;
                    out.write_field(verdict.alarm.to_string())?;
                    out.write_record(None::<&[u8]>)?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Writer::Json(out) => out.finish(),
            Writer::Csv(out) => {
                out.into_inner().map_err(|error| anyhow!("cannot write the output: {}", error.error()))?.finish()
            }
        }
    }
}

/// The columns that are added.
const OWN: [&str; 2] = ["score", "alarm"];
