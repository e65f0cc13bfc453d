//! What the verbs share in reading tables: progress, and the report of what was skipped.

use std::time::Instant;

use sensor::tables::{Report, Watch};

use crate::output;

/// Does something that reads, with a progress bar where it takes long.
pub(crate) fn while_reading<T>(read: impl FnOnce(Watch<'_>) -> Result<T, sensor::Error>) -> Result<T, sensor::Error> {
    let started = Instant::now();
    let mut bar = None;
    let outcome = read(&mut |read, total| {
        if started.elapsed() > output::PATIENCE {
            bar.get_or_insert_with(|| output::progress(total).with_message("reading")).set_position(read);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    outcome
}

/// Tells on stderr how much was read and, where asked, what was not and why.
pub(crate) fn print(report: &Report, verbose: bool) {
    let skipped = report.unusable();
    let hint = if skipped > 0 && !verbose { " (-v says why)" } else { "" };
    eprintln!("{} rows read, {skipped} skipped{hint}", report.rows);
    if verbose {
        for (reason, count) in &report.skipped {
            eprintln!("  {count} {reason}");
        }
        if report.infinite > 0 {
            eprintln!("  {} infinite numbers and NaN count as missing", report.infinite);
        }
    }
}
