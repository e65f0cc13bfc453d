//! `lapwing score`: a verdict on every row of a table.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use model::{Identity, Verdict};
use sensor::tables::{Beside, judge};
use serde_json::json;
use source::format::rows::Batch;

use crate::output::{self, Output};
use crate::state::State;
use crate::tables;

/// Give every row of a table a score and say whether it alarms.
///
/// The rows come out as they were, with two columns more: `score`, 0 to 1 and higher is worse, and `alarm`, true or
/// false. A detector that was trained to tell kinds of attack apart adds a third one, `attack`: the kind of a row that
/// alarms, or `unknown`: an attack of no kind that the detector knows. Rows that cannot be used are left out and counted.
/// Memory does not grow with the table. Without a detector the active one is used (`lapwing activate`).
#[derive(clap::Args)]
#[command(allow_missing_positional = true)]
#[command(after_help = "Examples:
  lapwing score nsl.lapwing new.csv -o scored.csv
  lapwing score new.csv -o scored.csv                       # by the active detector
  lapwing score nsl.lapwing new.csv.gz --json | jq 'select(.alarm)'")]
pub(crate) struct Arguments {
    /// The detector file, as `lapwing train` wrote it. [default: the active one]
    detector: Option<PathBuf>,
    /// The table, with the columns that the detector was trained on.
    #[arg(required = true)]
    table: PathBuf,
    #[command(flatten)]
    state: State,
    /// The CSV file to write; stdout where it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write one JSON object a line: row (from 1, skipped rows not counted), score, alarm, and attack where it has a name.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let none = "no detector is named and none is active: name one, or make one the active one with `lapwing activate`";
    let (detector, _) = arguments.state.detector(arguments.detector.as_deref())?.context(none)?;
    let inputs: Vec<PathBuf> = std::iter::once(&arguments.table).chain(&arguments.detector).cloned().collect();
    let mut out = Writer::new(output::create(arguments.output.as_deref(), &inputs)?, arguments.json);
    let own = if detector.names_attacks() { &OWN[..] } else { &OWN[..2] };
    let (mut rows, mut alarms, mut unknown) = (0, 0, 0);
    let report = tables::while_reading(|watch| {
        let take = |names: &[String], batch: &Batch, verdicts: &[Verdict]| {
            let identities = detector.identify(&batch.table, verdicts)?;
            if rows == 0 {
                out.header(names, own)?;
            }
            for (row, (verdict, identity)) in verdicts.iter().zip(&identities).enumerate() {
                out.write(rows, row, batch, *verdict, detector.names_attacks().then_some(*identity))?;
            }
            unknown += identities.iter().filter(|identity| **identity == Some(Identity::Unknown)).count();
            rows += verdicts.len();
            alarms += verdicts.iter().filter(|verdict| verdict.alarm).count();
            Ok(())
        };
        judge(&detector, &arguments.table, Beside::default(), take, watch)
    })?;
    out.finish()?;
    tables::print(&report, verbose);
    eprintln!("{alarms} of {rows} rows alarm (score {:.4} or more)", detector.threshold());
    if detector.names_attacks() {
        eprintln!("{unknown} of them are called `unknown`: attacks of no kind that the detector knows");
    }
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

    /// The names of the columns; JSON needs none.
    fn header(&mut self, names: &[String], own: &[&str]) -> io::Result<()> {
        let Writer::Csv(out) = self else { return Ok(()) };
        let own = own
            .iter()
            .map(|own| if names.iter().any(|name| name == own) { format!("lapwing_{own}") } else { (*own).to_owned() });
        Ok(out.write_record(names.iter().cloned().chain(own))?)
    }

    /// One row of a batch, `before` which others came. `identity` is `None` where no row has a name.
    fn write(
        &mut self,
        before: usize,
        row: usize,
        batch: &Batch,
        verdict: Verdict,
        identity: Option<Option<Identity>>,
    ) -> io::Result<()> {
        match self {
            Writer::Json(out) => {
                let mut line = json!({"row": before + row + 1, "score": verdict.score, "alarm": verdict.alarm});
                if let Some(Some(identity)) = identity {
                    line["attack"] = identity.to_string().into();
                }
                writeln!(out, "{line}")
            }
            Writer::Csv(out) => {
                for cell in batch.texts.iter().flat_map(|texts| texts.row(row)) {
                    out.write_field(cell)?;
                }
                out.write_field(verdict.score.to_string())?;
                out.write_field(verdict.alarm.to_string())?;
                if let Some(identity) = identity {
                    out.write_field(identity.map_or(String::new(), |identity| identity.to_string()))?;
                }
                Ok(out.write_record(None::<&[u8]>)?)
            }
        }
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

/// The columns that are added, the last where attacks have names.
const OWN: [&str; 3] = ["score", "alarm", "attack"];
