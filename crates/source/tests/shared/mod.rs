//! Public files, in the folder that LAPWING_SHARED names, else in `shared` beside the workspace.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use source::{Batch, Input, Report, Source};

/// A file or folder of the public data; `None` where it is not there.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("LAPWING_SHARED").map_or_else(beside, PathBuf::from).join("data").join(name);
    path.exists().then_some(path)
}

/// A test on public data, shown as ignored where they are absent.
pub(crate) fn trial(name: &str, on: &str, check: fn(&Path) -> Result<(), Failed>) -> Trial {
    match data(on) {
        Some(path) => Trial::test(name, move || check(&path)),
        None => Trial::test(name, || Ok(())).with_ignored_flag(true),
    }
}

/// Runs the tests, and says so where some are ignored for lack of data.
pub(crate) fn run(trials: Vec<Trial>) -> ! {
    if trials.iter().any(Trial::has_ignored_flag) {
        eprintln!(
            "ignored: tests on public data, which are not beside the workspace; LAPWING_SHARED names another place"
        );
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}

/// The flows of a file, and what was read.
pub(crate) fn read(path: &Path) -> Result<(Batch, Report), Failed> {
    let mut input = Input::open(&[path.to_owned()], meter::Settings::default())?;
    let mut batch = Batch::default();
    while input.read(&mut batch)? {}
    Ok((batch, input.report()))
}
