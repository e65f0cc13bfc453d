//! Lines at the end of a file, and on stdout.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::Failure;

/// A file that lines are added to. It is opened again when another file, or none, has its name, as after a rotation.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    open: Option<File>,
}

impl Log {
    pub(super) fn new(path: impl Into<PathBuf>) -> Log {
        Log { path: path.into(), open: None }
    }

    /// Adds a line, and comes back when it is on the disk. A line that could not be written whole is taken back.
    pub(super) fn append(&mut self, line: &str) -> Result<String, Failure> {
        let shown = self.path.display().to_string();
        self.try_append(line).map_err(|error| {
            self.open = None;
            Failure::later(format_args!("cannot write {shown}: {error}"))
        })?;
        Ok(format!("written to {shown}"))
    }

    fn try_append(&mut self, line: &str) -> io::Result<()> {
        let file = self.current()?;
        let before = file.metadata()?;
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            if before.is_file() {
                // Half a line would spoil the next one. If it cannot be taken back either, the first error is told.
                let _ = file.set_len(before.len());
            }
            return Err(error);
        }
        // Pipes and devices have no disk to be written to.
        if before.is_file() { file.sync_data() } else { Ok(()) }
    }

    /// The file that has the name now.
    fn current(&mut self) -> io::Result<&mut File> {
        let is_same = |open: &File| -> io::Result<bool> {
            let (open, named) = (open.metadata()?, self.path.metadata()?);
            Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
        };
        let kept = self.open.take().filter(|open| is_same(open).unwrap_or(false));
        let file = match kept {
            Some(file) => file,
            None => OpenOptions::new().append(true).create(true).open(&self.path)?,
        };
        Ok(self.open.insert(file))
    }
}

/// Prints a line on stdout.
pub(super) fn print(line: &str) -> Result<String, Failure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written
        .map(|()| "printed".to_owned())
        .map_err(|error| Failure::later(format_args!("cannot write to stdout: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_rotation_lines_go_to_the_new_file() {
        let folder = std::env::temp_dir().join(format!("lapwing-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, old) = (folder.join("alerts.jsonl"), folder.join("alerts.jsonl.1"));
        let mut log = Log::new(&path);
        log.append("one").unwrap();
        std::fs::rename(&path, &old).unwrap();
        log.append("two").unwrap();
        log.append("three").unwrap();
        assert_eq!(std::fs::read_to_string(old).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\nthree\n");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_written_says_where() {
        let failure = Log::new("/nonexistent/alerts.jsonl").append("one").unwrap_err();
        assert!(failure.reason().contains("/nonexistent/alerts.jsonl"), "{failure:?}");
    }
}
