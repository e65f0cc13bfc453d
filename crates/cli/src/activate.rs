//! `lapwing activate`: the detector that is used where none is named.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flow::printable;
use model::Detector;
use sensor::activation::{Activation, Registry};
use serde_json::json;

use crate::settings::Overruling;
use crate::state::State;
use crate::{figures, output, saved};

/// Make a detector the one that `scan` and `score` use where none is named, or go back to the one before.
///
/// Refused where the audit of its tables found an error, such as a column that alone gives the answer, unless --allow names
/// it: its figures then mean nothing for a network. What was overruled, and why, is kept beside it. A copy of the detector
/// is kept, so the file may be moved or trained anew. The change is made whole or not at all, also when the power fails;
/// the last eight can be gone back over. Without a detector it says which one is active.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing activate nsl.lapwing
  lapwing activate unsw.lapwing --allow giveaway:sttl --reason 'one router only, ticket 4711'
  lapwing activate --roll-back
  lapwing activate                    # which one is active, and which were before")]
pub(crate) struct Arguments {
    /// The detector file, as `lapwing train` wrote it.
    detector: Option<PathBuf>,
    /// Go back to the detector that was active before; where there was none, to none.
    #[arg(long, conflicts_with = "detector")]
    roll_back: bool,
    #[command(flatten)]
    overruling: Overruling,
    #[command(flatten)]
    state: State,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let registry = arguments.state.registry()?;
    let mut out = output::create(None, &[])?;
    if let Some(path) = &arguments.detector {
        arguments.activate(&registry, path, &mut out)?;
    } else {
        arguments.overruling.of(std::iter::empty())?;
    }
    if arguments.roll_back {
        let (ended, _) = registry.roll_back()?;
        eprintln!("no longer active: {}", printable(&ended.source));
    }
    let activations = registry.activations()?;
    if arguments.json {
        let former: Vec<&Activation> = activations.iter().rev().skip(1).collect();
        let value = json!({"active": activations.last(), "former": former, "state": registry.folder()});
        serde_json::to_writer(&mut out, &value)?;
        writeln!(out)?;
    } else {
        print(&mut out, &registry, &activations)?;
    }
    out.flush()?;
    Ok(())
}

impl Arguments {
    fn activate(&self, registry: &Registry, path: &Path, out: &mut impl Write) -> Result<()> {
        let detector = saved::load(path)?;
        let overruled = self.overruling.of(detector.findings())?;
        if !self.json {
            print_figures(out, &detector)?;
            out.flush()?;
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let source = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        registry.activate(&bytes, source.display().to_string(), &overruled)?;
        Ok(())
    }
}

/// The errors of its audit, and its figures, naive and honest, side by side.
fn print_figures(out: &mut impl Write, detector: &Detector) -> Result<()> {
    figures::print_findings(
        out,
        detector.findings().filter(|finding| finding.severity == model::evaluation::Severity::Error),
    )?;
    if detector.provenance.figures.is_empty() {
        writeln!(out, "it was not tested on rows that it did not learn from")?;
    }
    for (test, of) in &detector.provenance.figures {
        figures::print_line(out, test, of)?;
    }
    writeln!(out)?;
    Ok(())
}

fn print(out: &mut impl Write, registry: &Registry, activations: &[Activation]) -> Result<()> {
    let Some((active, former)) = activations.split_last() else {
        writeln!(out, "no detector is active; `lapwing activate DETECTOR` makes one")?;
        return Ok(());
    };
    writeln!(out, "active: {}", words(active))?;
    for of in &active.overruled {
        let reason = of.reason.as_deref().unwrap_or("no reason given");
        writeln!(out, "  overruled: {}: {}", printable(&of.name), printable(reason))?;
    }
    match former.last() {
        Some(before) => writeln!(out, "before it: {}; --roll-back returns to it", words(before))?,
        None => writeln!(out, "before it: none; --roll-back returns to none")?,
    }
    for earlier in former.iter().rev().skip(1) {
        writeln!(out, "earlier: {}", words(earlier))?;
    }
    writeln!(out, "kept in {}", registry.folder().display())?;
    Ok(())
}

fn words(activation: &Activation) -> String {
    let sha256 = activation.sha256.get(..12).unwrap_or_default();
    format!("{} ({}, sha256 {sha256})", printable(&activation.source), activation.method)
}
