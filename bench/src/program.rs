//! Running the program and measuring it.

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

/// The program under test.
pub(crate) struct Program(PathBuf);

/// A run of it.
pub(crate) struct Run {
    pub(crate) output: Output,
    /// User and system time, in seconds.
    pub(crate) cpu_seconds: f64,
}

impl Program {
    /// The release build beside this benchmark.
    pub(crate) fn find() -> Result<Program> {
        let path = std::env::current_exe()?.with_file_name("lapwing");
        ensure!(path.is_file(), "{} is missing; build it first: cargo build --release", path.display());
        Ok(Program(path))
    }

    /// To be run by somebody else.
    #[cfg(target_os = "linux")]
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.0)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Run> {
        self.run_on_threads(2, arguments)
    }

    pub(crate) fn run_on_threads(&self, threads: usize, arguments: &[&str]) -> Result<Run> {
        eprintln!("lapwing {}", arguments.join(" "));
        let before = children_seconds()?;
        let output = Command::new(&self.0).env("RAYON_NUM_THREADS", threads.to_string()).args(arguments).output()?;
        Ok(Run { output, cpu_seconds: children_seconds()? - before })
    }

    /// What the program prints as JSON, one value a line.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let run = self.run(arguments)?;
        if !run.output.status.success() {
            bail!("lapwing {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&run.output.stderr));
        }
        let lines = run.output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).context("a line is no JSON")).collect()
    }

    pub(crate) fn version(&self) -> Result<String> {
        let output = Command::new(&self.0).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// User and system time of all programs run so far.
pub(crate) fn children_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The most memory that any program run so far took, in MiB.
pub(crate) fn peak_mebibytes() -> Result<i64> {
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() / 1024)
}
