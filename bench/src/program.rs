//! Running the program and measuring it.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Output, Stdio};
use std::time::Instant;

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
    pub(crate) wall_seconds: f64,
}

/// A run that was fed through stdin.
pub(crate) struct Fed {
    /// What it said on stderr.
    pub(crate) said: String,
    /// The most memory that it took, in bytes.
    pub(crate) peak_bytes: u64,
}

impl Program {
    /// The release build beside this benchmark.
    pub(crate) fn find() -> Result<Program> {
        let path = std::env::current_exe()?.with_file_name("lapwing");
        ensure!(path.is_file(), "{} is missing; build it first: cargo build --release", path.display());
        Ok(Program(path))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Run> {
        self.run_on_threads(2, arguments)
    }

    pub(crate) fn run_on_threads(&self, threads: usize, arguments: &[&str]) -> Result<Run> {
        eprintln!("lapwing {}", arguments.join(" "));
        let before = children_seconds()?;
        let start = Instant::now();
        let output = Command::new(&self.0).env("RAYON_NUM_THREADS", threads.to_string()).args(arguments).output()?;
        let wall_seconds = start.elapsed().as_secs_f64();
        Ok(Run { output, cpu_seconds: children_seconds()? - before, wall_seconds })
    }

    /// Runs it on a capture that `make` writes into its stdin. The peak of memory is that of this run alone, because
    /// another process of this benchmark starts it and asks for it.
    pub(crate) fn feed(
        &self,
        arguments: &[&str],
        make: impl FnOnce(BufWriter<ChildStdin>) -> std::io::Result<()>,
    ) -> Result<Fed> {
        eprintln!("lapwing {}", arguments.join(" "));
        let mut child = Command::new(std::env::current_exe()?)
            .arg(MEASURE)
            .arg(&self.0)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().context("the program has no stdin")?;
        make(BufWriter::with_capacity(1 << 16, stdin)).context("the program stopped reading")?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "lapwing {} failed: {said}", arguments.join(" "));
        let peak_bytes = String::from_utf8_lossy(&output.stdout).trim().parse().context("no peak of memory")?;
        Ok(Fed { said, peak_bytes })
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

/// Where this process was started to measure a run: does so, and prints the peak of its memory in bytes.
pub(crate) fn measure(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<()> {
    let program = arguments.next().context("which program?")?;
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "the program failed");
    writeln!(std::io::stdout(), "{}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() * 1024)?;
    Ok(())
}

/// User and system time of this process so far.
pub(crate) fn own_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// User and system time of all programs run so far.
fn children_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The most memory that any program run so far took, in MiB.
pub(crate) fn peak_mebibytes() -> Result<i64> {
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() / 1024)
}

/// The first argument of the process that measures a run.
pub(crate) const MEASURE: &str = "measure";
