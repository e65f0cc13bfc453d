//! What the verbs share in reading tables: progress, and the report of what was skipped.

use std::time::{Duration, Instant};

use flow::printable;
use indicatif::ProgressBar;
use sensor::tables::{Loaded, Report, Watch};
use sensor::train::Step;

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

/// Does something that learns, with a sign of life on stderr; none where that is no terminal.
pub(crate) fn while_learning<T>(
    learn: impl FnOnce(&mut dyn FnMut(Step)) -> Result<T, sensor::Error>,
) -> Result<T, sensor::Error> {
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(200));
    let outcome = learn(&mut |step| {
        spinner.set_message(match step {
            Step::Auditing => "auditing".into(),
            Step::Test(test, all) => format!("test {test} of {all}"),
            Step::Fitting => "fitting".into(),
        });
    });
    spinner.finish_and_clear();
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

/// Tells on stderr what the label is and what is left out.
pub(crate) fn print_columns(loaded: &Loaded) {
    match &loaded.label {
        Some(label) => eprintln!("label: column `{}`", printable(label)),
        None => eprintln!("label: none"),
    }
    for (column, reason) in &loaded.left_out {
        eprintln!("left out: column `{}`: {reason}", printable(column));
    }
    if !loaded.left_out.is_empty() {
        eprintln!("(--keep COLUMN takes a column back that was left out because it is suspect)");
    }
}
