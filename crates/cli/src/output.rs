//! What the verbs share in speaking with people: where output goes, how a table and a progress bar look.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where output goes: stdout, or a file that takes its name only when it is whole, so that a run that fails destroys
/// nothing.
pub(crate) struct Output {
    out: Box<dyn Write + Send>,
    /// The name while it is written, and the name when it is whole.
    names: Option<(PathBuf, PathBuf)>,
}

/// Output to the file of that name, or to stdout where there is none or it is `-`. A file that is also an input is
/// refused.
pub(crate) fn create(path: Option<&Path>, inputs: &[PathBuf]) -> Result<Output> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        return Ok(Output { out: Box::new(BufWriter::with_capacity(1 << 16, io::stdout())), names: None });
    };
    let whole = path.canonicalize().ok();
    if whole.is_some() && inputs.iter().any(|input| input.canonicalize().ok() == whole) {
        bail!("{} is also an input; choose another name for the output", path.display());
    }
    let advice =
        || format!("cannot write {}; check that the folder exists and that you may write there", path.display());
    // A device or a pipe cannot be renamed.
    let is_special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
    let names = (!is_special).then(|| {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        (PathBuf::from(part), path.to_owned())
    });
    let file = File::create(names.as_ref().map_or(path, |(part, _)| part)).with_context(advice)?;
    Ok(Output { out: Box::new(BufWriter::with_capacity(1 << 18, file)), names })
}

impl Output {
    /// Writes what is left and gives the file its name.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.out.flush().context("cannot write the output to its end; is there room for it?")?;
        if let Some((part, whole)) = self.names.take() {
            fs::rename(&part, &whole)
                .with_context(|| format!("cannot rename {} to {}", part.display(), whole.display()))?;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((part, _)) = self.names.take() {
            // It holds half of something; that it cannot be removed changes nothing for the failed run.
            let _ = fs::remove_file(part);
        }
    }
}

/// A table with these headings: with lines on a terminal, plain columns in a pipe.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(if io::stdout().is_terminal() { presets::UTF8_FULL_CONDENSED } else { presets::NOTHING });
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings);
    table
}

/// A progress bar over `total` bytes on stderr, which shows itself after a second; none where stderr is no terminal.
pub(crate) fn progress(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// A line on stderr for what goes on; none where stderr is no terminal.
pub(crate) fn status() -> ProgressBar {
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(2));
    line.set_style(
        ProgressStyle::with_template("{elapsed_precise} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    line
}

/// A message for a terminal: names of files and what files hold must not steer it.
pub(crate) fn shown(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for letter in message.chars() {
        match letter {
            letter if letter.is_control() && letter != '\n' => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// How long a task must take before its progress is worth showing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the reader of our output went away, as `head` does: no failure of ours.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(is_broken)
            || cause.downcast_ref::<csv::Error>().is_some_and(is_broken_csv)
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|error| error.io_error_kind() == Some(io::ErrorKind::BrokenPipe))
    })
}

fn is_broken(error: &io::Error) -> bool {
    // The csv crate wraps its errors when they become those of input and output.
    let wrapped = error.get_ref().and_then(|inner| inner.downcast_ref::<csv::Error>());
    error.kind() == io::ErrorKind::BrokenPipe || wrapped.is_some_and(is_broken_csv)
}

fn is_broken_csv(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
}
