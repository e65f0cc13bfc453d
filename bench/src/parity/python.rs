//! scikit-learn and PyOD in a virtual environment of their own, in the user's cache.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A Python that has what the other side needs.
pub(super) struct Python {
    program: PathBuf,
    /// Whether PyOD is there too.
    pub(super) has_pyod: bool,
}

/// A Python, or what to do to have one.
pub(super) enum Found {
    Ready(Python),
    Missing(String),
}

impl Python {
    /// Makes the environment where it is not there yet, which takes a minute and some 600 MB.
    pub(super) fn find() -> Result<Found> {
        let program = match environment("parity", SCIKIT_LEARN) {
            Ok(program) => program,
            Err(todo) => return Ok(Found::Missing(todo)),
        };
        if !has(&program, PYOD) {
            install(&program, PYOD);
        }
        let has_pyod = has(&program, PYOD);
        Ok(Found::Ready(Python { program, has_pyod }))
    }

    /// Starts a part of the script, on one thread so that ours has the other.
    pub(super) fn start(&self, part: &str, folder: &Path) -> Result<Child> {
        Command::new(&self.program)
            .args(["-c", SCRIPT, part])
            .arg(folder)
            .envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("PYTHONWARNINGS", "ignore")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("the Python of the virtual environment does not start")
    }

    /// Runs a part of the script to its end.
    pub(super) fn run(&self, part: &str, folder: &Path) -> Result<()> {
        finish(self.start(part, folder)?)
    }
}

/// The Python of a virtual environment of this name in the user's cache, with these packages: made where it is not there
/// yet. Else what to do to have one.
pub(crate) fn environment(name: &str, packages: &[(&str, &str)]) -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let Some(cache) = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))) else {
        return Err("there is no cache folder: set HOME".into());
    };
    let folder = cache.join("lapwing").join(name);
    let program = folder.join("bin/python");
    if !has(&program, packages) {
        eprintln!("making a virtual environment in {}", folder.display());
        if !succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)) {
            let todo =
                "python3 -m venv failed: install Python 3.11 or later with its venv (apt-get install python3-venv)";
            return Err(todo.into());
        }
        install(&program, packages);
    }
    if !has(&program, packages) {
        return Err(format!(
            "pip could not install {} into {}: Python 3.11 or later and a way to PyPI are needed",
            names(packages),
            folder.display()
        ));
    }
    Ok(program)
}

/// Waits for a part of the script.
pub(super) fn finish(mut child: Child) -> Result<()> {
    let status = child.wait()?;
    ensure!(status.success(), "the script of the other side failed ({status}): its last words stand above");
    Ok(())
}

/// The pinned versions, as they are named in the table.
pub(super) fn versions(has_pyod: bool) -> String {
    if has_pyod { format!("{}, {}", names(SCIKIT_LEARN), names(PYOD)) } else { names(SCIKIT_LEARN) }
}

pub(crate) fn names(packages: &[(&str, &str)]) -> String {
    packages.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
}

/// Whether these packages are there in these versions.
fn has(program: &Path, packages: &[(&str, &str)]) -> bool {
    let check = "import sys, importlib.metadata as m\nfor p in sys.argv[1:]: assert m.version(p.split('==')[0]) == p.split('==')[1]";
    succeeds(Command::new(program).args(["-c", check]).args(pinned(packages)).stderr(Stdio::null()))
}

fn install(program: &Path, packages: &[(&str, &str)]) {
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    // Whether it did is asked afterwards.
    succeeds(Command::new(program).args(pip).args(pinned(packages)));
}

fn pinned<'a>(packages: &'a [(&str, &str)]) -> impl Iterator<Item = String> + 'a {
    packages.iter().map(|(name, version)| format!("{name}=={version}"))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

const SCRIPT: &str = include_str!("../../parity.py");
const SCIKIT_LEARN: &[(&str, &str)] = &[("numpy", "2.4.6"), ("scipy", "1.17.1"), ("scikit-learn", "1.9.1")];
/// Brings numba and matplotlib along.
const PYOD: &[(&str, &str)] = &[("pyod", "3.6.7")];
