//! Packets a second, memory, and the same bytes on one thread and two.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::Row;
use crate::program::{Program, peak_mebibytes};

pub(crate) fn rows(program: &Program, shared: &Path, folder: &Path) -> Result<Vec<Row>> {
    let (capture, name) = capture(program, shared, folder)?;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let run = program.run_on_threads(1, &["flows", &capture, "-o", "/dev/null"])?;
        ensure!(run.output.status.success(), "{}", String::from_utf8_lossy(&run.output.stderr));
        rates.push(packets(&run.output.stderr)? / run.cpu_seconds);
    }
    let flows_mebibytes = peak_mebibytes()?;
    rates.sort_by(f64::total_cmp);
    let rate = format!(
        "{:.2} million (median of {RUNS}; {:.2} to {:.2}), CSV of all flows written",
        rates[RUNS / 2] / 1e6,
        rates[0] / 1e6,
        rates[RUNS - 1] / 1e6,
    );
    let scan = program.run_on_threads(1, &["scan", &capture, "--json"])?;
    let scan_rate = packets(&scan.output.stderr)? / scan.cpu_seconds;
    let scan_mebibytes = peak_mebibytes()?;

    let mut same = true;
    for arguments in [["flows", &capture, "-o", "-"], ["scan", &capture, "--json", "-v"]] {
        let [one, two] = [program.run_on_threads(1, &arguments)?, program.run_on_threads(2, &arguments)?];
        same &= one.output.stdout == two.output.stdout && !one.output.stdout.is_empty();
    }
    Ok(vec![
        Row::new(
            format!("packets to flows with every feature, one thread, packets a CPU second, {name}"),
            "1,500,000",
            rate,
        ),
        Row::new("memory on it", "300 MiB", format!("{flows_mebibytes} MiB")),
        Row::new(
            "the same capture scanned: behaviours and anomaly voice",
            "",
            format!("{:.2} million packets a CPU second, {scan_mebibytes} MiB", scan_rate / 1e6),
        ),
        Row::new(
            "same input, seed and version; 1 thread and 2: flows and alerts of this capture",
            "byte-identical",
            if same { "byte-identical" } else { "**different**" },
        ),
    ])
}

/// The 2.5-million-packet capture of the shared generator, or a simulated office where that is missing.
fn capture(program: &Program, shared: &Path, folder: &Path) -> Result<(String, &'static str)> {
    let generator = shared.join("bench/gen_pcap.py");
    if generator.is_file() {
        let path = folder.join("mixed.pcap");
        if !path.is_file() {
            eprintln!("making the 2,500,000-packet capture (some minutes)");
            let partial = folder.join("mixed.partial");
            let status = Command::new("python3")
                .arg(generator)
                .args(["--packets", "2500000", "--out"])
                .arg(&partial)
                .status()
                .context("python3 is needed for the shared generator")?;
            ensure!(status.success(), "the generator failed");
            std::fs::rename(partial, &path)?;
        }
        return Ok((path.display().to_string(), "2,500,000-packet capture of gen_pcap.py"));
    }
    let path = folder.join("simulated.pcap").display().to_string();
    program.run(&["simulate", "-o", &path, "--hours", "4", "--hosts", "60"])?;
    Ok((path, "a simulated office of 60 hosts, 4 hours (the shared generator is missing)"))
}

/// The packets that the program says it read.
fn packets(stderr: &[u8]) -> Result<f64> {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find(|line| line.starts_with("input: ")).context("no count of packets")?;
    line.split(' ').nth(1).and_then(|count| count.replace(',', "").parse().ok()).context("no count of packets")
}

const RUNS: usize = 5;
