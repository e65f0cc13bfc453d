//! `lapwing describe`: the card of a detector.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use flow::printable;
use model::{Detector, page};
use serde_json::json;

use crate::{figures, output, pages, saved, settings};

/// Describe a detector: what it was trained on, how good it is, what the audit found, what it is for, and what not to expect.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing describe nsl.lapwing
  lapwing describe nsl.lapwing --html card.html")]
pub(crate) struct Arguments {
    /// The detector file, as `lapwing train` wrote it.
    detector: PathBuf,
    /// Write the card as a page to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let detector = saved::load(&arguments.detector)?;
    pages::write(arguments.html.as_deref(), || {
        page::card(&settings::words(std::slice::from_ref(&arguments.detector)), &detector)
    })?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        let provenance = &detector.provenance;
        let columns = detector.schema().fields.iter().map(|field| &field.name).collect::<Vec<_>>();
        let value = json!({
            "intended_use": detector.intended_use(),
            "limits": detector.limits(),
            "provenance": provenance,
            "columns": columns,
            "selections": detector.supplement.selected,
            "threshold": detector.threshold(),
            "calibration": detector.calibrator().map(model::Calibrator::calibration),
            "calibrated": detector.supplement.calibrated,
            "refusal_rate": detector.supplement.refusal_rate,
            "refusals": figures::refusals(&detector.supplement.refusals),
            "continued": detector.supplement.continued,
            "overruled": detector.supplement.overruled,
            "classes": detector.model().classes(),
        });
        serde_json::to_writer(&mut out, &value)?;
        writeln!(out)?;
    } else {
        print(&mut out, &detector)?;
    }
    out.flush()?;
    Ok(())
}

fn print(out: &mut impl Write, detector: &Detector) -> Result<()> {
    let provenance = &detector.provenance;
    writeln!(
        out,
        "{} trained by lapwing {} on {} rows of {} columns; alarm from score {:.4} on",
        provenance.method.name(),
        provenance.software,
        provenance.rows,
        detector.schema().fields.len(),
        detector.threshold()
    )?;
    let section = |out: &mut dyn Write, title: &str, sentences: &[String]| -> Result<()> {
        writeln!(out, "\n{title}")?;
        for sentence in sentences {
            writeln!(out, "  {sentence}")?;
        }
        Ok(())
    };
    section(out, "what it is for", &detector.intended_use())?;
    section(out, "what not to expect of it", &detector.limits())?;
    writeln!(out, "\nfigures")?;
    for (test, of) in &provenance.figures {
        figures::print_line(out, test, of)?;
    }
    figures::print_supplement(out, &detector.supplement)?;
    figures::print_history(out, &detector.supplement)?;
    writeln!(out, "\naudit")?;
    figures::print_findings(out, detector.findings())?;
    figures::print_forbidding(out, detector)?;
    let kinds: Vec<String> = provenance.kinds.iter().map(|kind| printable(kind).to_string()).collect();
    let columns: Vec<String> =
        detector.schema().fields.iter().map(|field| printable(&field.name).to_string()).collect();
    let attacks = provenance.attacks.map_or_else(|| "unknown".to_owned(), |attacks| attacks.to_string());
    let mut trained = vec![
        format!("rows {}, attacks {attacks}", provenance.rows),
        format!(
            "label: {}",
            provenance.label.as_deref().map_or_else(|| "none".into(), |label| printable(label).to_string())
        ),
        format!("kinds: {}", kinds.join(", ")),
        format!("columns: {}", columns.join(", ")),
        format!("sha256 {}", provenance.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        format!("method {}", serde_json::to_string(&provenance.method)?),
        format!("threshold by {}, seed {}", serde_json::to_string(&provenance.rule)?, provenance.seed),
    ];
    trained.extend(
        provenance.left_out.iter().map(|(column, reason)| format!("left out: {}: {reason}", printable(column))),
    );
    section(out, "what it was trained on", &trained)?;
    for selected in &detector.supplement.selected {
        writeln!(out, "\nhow its columns were chosen: {}", selected.words())?;
        figures::print_selected(out, selected)?;
    }
    Ok(())
}
