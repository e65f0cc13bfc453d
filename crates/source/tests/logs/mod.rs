//! Logs made by the tests, read as files are.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use meter::Settings;
use source::{Batch, Input, Report, Source};

/// A folder that holds these files and nothing else.
pub(crate) fn folder_of(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    folder
}

/// Everything that the files hold.
pub(crate) fn read(paths: &[PathBuf]) -> (Batch, Report) {
    let mut input = Input::open(paths, Settings::default()).unwrap();
    let mut batch = Batch::default();
    while input.read(&mut batch).unwrap() {}
    (batch, input.report())
}

/// Everything that a file of these bytes holds; nothing where it is refused.
pub(crate) fn read_one(name: &str, bytes: &[u8]) -> (Batch, Report) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let folder = folder_of(&format!("one-{}", NUMBER.fetch_add(1, Ordering::Relaxed)), &[(name, bytes)]);
    let mut batch = Batch::default();
    let report = match Input::open(&[folder.join(name)], Settings::default()) {
        Ok(mut input) => {
            while input.read(&mut batch).unwrap() {}
            input.report()
        }
        Err(error) => Report { damage: vec![error.to_string()], ..Report::default() },
    };
    fs::remove_dir_all(folder).unwrap();
    (batch, report)
}
