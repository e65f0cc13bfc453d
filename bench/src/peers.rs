//! Other programs that make flows of packets, and ours, in turn on the same capture: packets a CPU second.
//!
//! `lapwing-bench peers [CAPTURE [SMALL]]`: CICFlowMeter, which takes minutes for what others do in seconds, reads the
//! small one. Where none is named, both are made as far as the shared generator is there. Peers are looked for in `PATH`:
//! for the Python ones put the folders `bin` of their virtual environments there. A peer that is missing is named with
//! the way to install it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::Row;
use crate::program::{Program, children_seconds};
use crate::speed::{made_capture, median, packets};

/// A program to be measured against.
struct Peer {
    name: &'static str,
    /// What of it is run, and on what terms.
    how: &'static str,
    /// Its command; `CAPTURE`, `OUT` (a file), `FOLDER` (an empty folder) and `SCRIPTS` (the shared drivers of peers) are
    /// put in.
    command: &'static [&'static str],
    /// A command that succeeds where it is installed.
    proof: &'static [&'static str],
    install: &'static str,
    /// By how much ours is to be faster.
    least: &'static str,
    reads: Size,
}

/// Which capture a peer reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Large,
    Small,
}

const PEERS: [Peer; 4] = [
    Peer {
        name: "softflowd",
        how: "NetFlow v9 to nobody, one million flows",
        command: &["softflowd", "-r", "CAPTURE", "-n", "127.0.0.1:29995", "-d", "-v", "9", "-m", "1000000"],
        proof: &["softflowd", "-h"],
        install: "apt-get install softflowd",
        least: "1.5 ×",
        reads: Size::Large,
    },
    Peer {
        name: "Suricata",
        how: "run mode single, no rules, its default EVE log",
        command: &["suricata", "-k", "none", "-S", "/dev/null", "--runmode", "single", "-r", "CAPTURE", "-l", "FOLDER"],
        proof: &["suricata", "-V"],
        install: "apt-get install suricata (on Debian 12 from bookworm-backports)",
        least: "8 ×",
        reads: Size::Large,
    },
    Peer {
        name: "NFStream",
        how: "one meter process, statistics, no dissection, flows written as CSV",
        command: &["python3", "SCRIPTS/nfstream_peer.py", "CAPTURE", "OUT"],
        proof: &["python3", "-c", "import nfstream"],
        install: "pip install nfstream==6.6.0 (CPython 3.11) and the shared folder bench/peers",
        least: "35 ×",
        reads: Size::Large,
    },
    Peer {
        name: "CICFlowMeter (Python)",
        how: "flows written as CSV",
        command: &["cicflowmeter", "-f", "CAPTURE", "-c", "OUT"],
        proof: &["cicflowmeter", "-h"],
        install: "pip install cicflowmeter==0.2.0 requests, in a virtual environment of its own",
        least: "400 ×",
        reads: Size::Small,
    },
];

/// Runs every peer that is there, and ours after each of its runs.
pub(crate) fn rows(program: &Program, captures: &[PathBuf], shared: &Path, folder: &Path) -> Result<Vec<Row>> {
    let given = |size: Size| -> Result<Option<PathBuf>> {
        let (place, count) = if size == Size::Large { (0, 2_500_000) } else { (1, 200_000) };
        match captures.get(place).or(captures.first()) {
            Some(capture) => Ok(Some(capture.clone())),
            None => made_capture(shared, folder, count),
        }
    };
    let mut rows = Vec::new();
    for peer in &PEERS {
        let Some(capture) = given(peer.reads)? else {
            rows.push(peer.row("no capture named, and the shared generator is missing".to_owned()));
            continue;
        };
        if !peer.is_installed(shared) {
            rows.push(peer.row(format!("not installed: {}", peer.install)));
            continue;
        }
        eprintln!("{} beside ours, {RUNS} runs in turn, {}", peer.name, capture.display());
        rows.push(peer.row(peer.measure(program, &capture, shared, folder)?));
    }
    Ok(rows)
}

impl Peer {
    fn row(&self, measured: String) -> Row {
        Row::new(
            format!("packets to flows with every feature, one thread, beside {} ({})", self.name, self.how),
            self.least,
            measured,
        )
    }

    fn is_installed(&self, shared: &Path) -> bool {
        let Some((name, arguments)) = self.proof.split_first() else { return false };
        let proof = Command::new(name).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let mut scripts = self.command.iter().filter_map(|word| word.strip_prefix("SCRIPTS/"));
        proof.is_ok_and(|status| status.success()) && scripts.all(|name| shared.join(SCRIPTS).join(name).is_file())
    }

    /// Packets a CPU second of both, by the medians, and their ratio.
    fn measure(&self, program: &Program, capture: &Path, shared: &Path, folder: &Path) -> Result<String> {
        let out = folder.join("peer.out");
        let ours = folder.join("ours.csv").display().to_string();
        let capture = capture.display().to_string();
        let arguments = ["flows", "--threads", "1", &capture, "-o", &ours];
        let (mut theirs, mut own) = (Vec::new(), Vec::new());
        // Once without a look at the time, so that the capture is in memory for both.
        let count = packets(&program.run_on_threads(1, &arguments)?.output.stderr)?;
        for _ in 0..RUNS {
            theirs.push(self.cpu_seconds(&capture, &out, shared, folder)?);
            let run = program.run_on_threads(1, &arguments)?;
            ensure!(run.output.status.success(), "{}", String::from_utf8_lossy(&run.output.stderr));
            own.push(run.cpu_seconds);
        }
        for path in [&out, Path::new(&ours)] {
            // A peer may have written nothing there.
            let _absent = std::fs::remove_file(path);
        }
        let [theirs_middle, own_middle] = [median(&mut theirs), median(&mut own)];
        let rate = |seconds: f64| format!("{:.3} million", count / seconds / 1e6);
        let last = RUNS - 1;
        Ok(format!(
            "{:.1} × ({} packets a CPU second beside {}; medians of {RUNS} runs in turn, {:.1} to {:.1} × by the extremes; \
             {count} packets)",
            theirs_middle / own_middle,
            rate(own_middle),
            rate(theirs_middle),
            theirs[0] / own[last],
            theirs[last] / own[0],
        ))
    }

    /// User and system time of one run.
    fn cpu_seconds(&self, capture: &str, out: &Path, shared: &Path, folder: &Path) -> Result<f64> {
        let logs = folder.join("peer");
        if logs.exists() {
            std::fs::remove_dir_all(&logs)?;
        }
        std::fs::create_dir_all(&logs)?;
        let words: Vec<String> = self
            .command
            .iter()
            .map(|word| match *word {
                "CAPTURE" => capture.to_owned(),
                "OUT" => out.display().to_string(),
                "FOLDER" => logs.display().to_string(),
                word => match word.strip_prefix("SCRIPTS/") {
                    Some(name) => shared.join(SCRIPTS).join(name).display().to_string(),
                    None => word.to_owned(),
                },
            })
            .collect();
        eprintln!("{}", words.join(" "));
        let (before, start) = (children_seconds()?, Instant::now());
        let output = Command::new(&words[0])
            .args(&words[1..])
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} does not start", self.name))?;
        ensure!(output.status.success(), "{} failed: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let seconds = children_seconds()? - before;
        eprintln!("{}: {seconds:.1} s of CPU time in {:.1} s", self.name, start.elapsed().as_secs_f64());
        std::fs::remove_dir_all(&logs)?;
        Ok(seconds)
    }
}

/// Where the drivers of peers stand in the shared folder.
const SCRIPTS: &str = "bench/peers/flows";
const RUNS: usize = 3;
