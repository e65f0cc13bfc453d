//! What the verbs share in reading flows: opening, progress, and the report of what was skipped.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use indicatif::ProgressBar;
use meter::Settings;
use source::{Batch, Error, Input, Report, Source};

use crate::output;

/// Input files with a progress bar, which shows itself after a second.
pub(crate) struct Reader {
    input: Input,
    started: Instant,
    bar: OnceCell<ProgressBar>,
}

impl Reader {
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Reader> {
        Reader::open_with(paths, Settings::default())
    }

    /// A reader whose meter has these settings.
    pub(crate) fn open_with(paths: &[PathBuf], settings: Settings) -> Result<Reader> {
        let input = Input::open(paths, settings)?;
        Ok(Reader { input, started: Instant::now(), bar: OnceCell::new() })
    }

    pub(crate) fn show_progress(&self) {
        if self.started.elapsed() > output::PATIENCE {
            let (read, total) = self.input.progress();
            self.bar.get_or_init(|| output::progress(total).with_message("reading")).set_position(read);
        }
    }

    /// Tells on stderr how much was read, what was damaged and, where asked, what was skipped and why.
    pub(crate) fn finish(&self, name: &str, verbose: bool) -> Report {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
        let report = self.input.report();
        for damage in &report.damage {
            eprintln!("lapwing: {damage}");
        }
        let skipped: u64 = report.skipped.values().sum();
        let (count, what) = if report.lines > 0 { (report.lines, "lines") } else { (report.packets, "packets") };
        let hint = if skipped > 0 && !verbose { " (-v says why)" } else { "" };
        eprintln!("{name}: {count} {what} read, {skipped} skipped{hint}");
        if verbose {
            for (what, count) in report.skipped.iter().chain(&report.notes) {
                eprintln!("  {count} {what}");
            }
        }
        report
    }
}

impl Source for Reader {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        self.input.read(batch)
    }
}
