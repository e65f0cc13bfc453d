//! What the verbs share in reading flows: opening, progress, and the report of what was skipped.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use flow::Flow;
use meter::Settings;
use source::{Error, Input, Report, Source};

use crate::output;

/// Reads all flows of the inputs, batch by batch. Damage part way is told on stderr, and what came before it counts.
pub(crate) fn read(paths: &[PathBuf], mut take: impl FnMut(&[Flow]) -> Result<()>) -> Result<Report> {
    let mut input = Input::open(paths, Settings::default())?;
    let started = Instant::now();
    let mut bar = None;
    let mut flows = Vec::new();
    loop {
        let more = match input.read(&mut flows) {
            Ok(more) => more,
            Err(damage @ Error::Damaged { .. }) => {
                eprintln!("lapwing: {damage}");
                true
            }
            Err(error) => return Err(error.into()),
        };
        if flows.len() >= FLOWS_A_BATCH || !more {
            take(&flows)?;
            flows.clear();
        }
        if !more {
            break;
        }
        if started.elapsed() > output::PATIENCE {
            let (read, total) = input.progress();
            bar.get_or_insert_with(|| output::progress(total).with_message("reading")).set_position(read);
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(input.report())
}

/// Tells on stderr how much was read and, where asked, what was not and why.
pub(crate) fn print(report: &Report, flows: usize, verbose: bool) {
    let skipped: u64 = report.skipped.values().sum();
    let (count, what) = if report.packets > 0 { (report.packets, "packets") } else { (report.lines, "lines") };
    let hint = if skipped > 0 && !verbose { " (-v says why)" } else { "" };
    eprintln!("{count} {what} read, {flows} flows, {skipped} skipped{hint}");
    if verbose {
        for (what, count) in report.skipped.iter().chain(&report.notes) {
            eprintln!("  {count} {what}");
        }
    }
}

const FLOWS_A_BATCH: usize = 4096;
