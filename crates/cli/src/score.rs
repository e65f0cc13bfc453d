//! `lapwing score`: a verdict on every row of a table.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
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
  lapwing score nsl.lapwing new.csv --scores-only | sort -t, -k2 -gr | head
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
    /// Write the scores alone: the row's number (from 1, skipped rows not counted), score, alarm, and attack where the
    /// detector tells kinds apart.
    #[arg(long, conflicts_with = "json")]
    scores_only: bool,
    /// Write one JSON object a line: row (from 1, skipped rows not counted), score, alarm, and attack where it has a name.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let none = "no detector is named and none is active: name one, or make one the active one with `lapwing activate`";
    let (detector, _) = arguments.state.detector(arguments.detector.as_deref())?.context(none)?;
    let inputs: Vec<PathBuf> = std::iter::once(&arguments.table).chain(&arguments.detector).cloned().collect();
    let output = output::create(arguments.output.as_deref(), &inputs)?;
    let texts = !arguments.scores_only && !arguments.json;
    let names_attacks = detector.names_attacks();
    let mut out = if arguments.json { Writer::Json(output) } else { Writer::Csv { text: Vec::new(), output } };
    let own = if names_attacks { &OWN[..] } else { &OWN[..2] };
    let (mut rows, mut alarms, mut unknown) = (0, 0, 0);
    let report = tables::while_reading(|watch| {
        let take = |names: &[String], batch: &Batch, verdicts: &[Verdict]| {
            let identities = detector.identify(&batch.table, verdicts)?;
            if rows == 0 {
                out.header(if texts { names } else { &[] }, own)?;
            }
            for (row, (verdict, identity)) in verdicts.iter().zip(&identities).enumerate() {
                out.write(
                    rows + row + 1,
                    batch.texts.as_ref().map(|texts| texts.row(row)),
                    *verdict,
                    names_attacks.then_some(*identity),
                )?;
            }
            unknown += identities.iter().filter(|identity| **identity == Some(Identity::Unknown)).count();
            rows += verdicts.len();
            alarms += verdicts.iter().filter(|verdict| verdict.alarm).count();
            Ok(())
        };
        judge(&detector, &arguments.table, Beside { texts, ..Beside::default() }, take, watch)
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
    /// Much of the time goes into writing, so rows are put together by hand.
    Csv {
        text: Vec<u8>,
        output: Output,
    },
}

impl Writer {
    /// The names of the columns, those of the table first; JSON needs none.
    fn header(&mut self, names: &[String], own: &[&str]) -> io::Result<()> {
        let Writer::Csv { text, .. } = self else { return Ok(()) };
        if names.is_empty() {
            text.extend_from_slice(b"row,");
        }
        names.iter().for_each(|name| cell(text, name.as_bytes()));
        for own in own {
            if names.iter().any(|name| name == own) {
                text.extend_from_slice(b"lapwing_");
            }
            cell(text, own.as_bytes());
        }
        self.end_row()
    }

    /// One row, with its cells or its number, counted from 1. `identity` is `None` where no row has a name.
    fn write<'a>(
        &mut self,
        row: usize,
        cells: Option<impl Iterator<Item = &'a [u8]>>,
        verdict: Verdict,
        identity: Option<Option<Identity>>,
    ) -> io::Result<()> {
        match self {
            Writer::Json(output) => {
                let mut line = json!({"row": row, "score": verdict.score, "alarm": verdict.alarm});
                if let Some(Some(identity)) = identity {
                    line["attack"] = identity.to_string().into();
                }
                writeln!(output, "{line}")
            }
            Writer::Csv { text, .. } => {
                match cells {
                    Some(cells) => cells.for_each(|bytes| cell(text, bytes)),
                    None => write!(text, "{row},")?,
                }
                write!(text, "{},{},", verdict.score, verdict.alarm)?;
                if let Some(identity) = identity {
                    cell(text, identity.map_or(String::new(), |identity| identity.to_string()).as_bytes());
                }
                self.end_row()
            }
        }
    }

    fn end_row(&mut self) -> io::Result<()> {
        let Writer::Csv { text, output } = self else { return Ok(()) };
        // In place of the last comma.
        text.pop();
        text.push(b'\n');
        if text.len() >= WRITTEN_AT_ONCE {
            output.write_all(text)?;
            text.clear();
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Writer::Json(output) => output.finish(),
            Writer::Csv { text, mut output } => {
                output.write_all(&text)?;
                output.finish()
            }
        }
    }
}

/// A cell and a comma, in quotes where it must be (RFC 4180 s.2).
fn cell(text: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        text.push(b'"');
        for part in bytes.split_inclusive(|byte| *byte == b'"') {
            text.extend_from_slice(part);
            if part.ends_with(b"\"") {
                text.push(b'"');
            }
        }
        text.push(b'"');
    } else {
        text.extend_from_slice(bytes);
    }
    text.push(b',');
}

/// The columns that are added, the last where attacks have names.
const OWN: [&str; 3] = ["score", "alarm", "attack"];
const WRITTEN_AT_ONCE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_quotes_where_it_must() {
        for (bytes, expected) in [
            ("plain x", "plain x,"),
            ("a,b", "\"a,b\","),
            ("say \"hi\"", "\"say \"\"hi\"\"\","),
            ("two\nlines", "\"two\nlines\","),
            ("", ","),
        ] {
            let mut text = Vec::new();
            cell(&mut text, bytes.as_bytes());
            assert_eq!(String::from_utf8_lossy(&text), expected);
        }
    }
}
