//! Packets a second, memory, and the same bytes on one thread and two.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::program::{Program, own_seconds, peak_mebibytes};
use crate::walk::walk;
use crate::{Row, packets};

pub(crate) fn rows(program: &Program, shared: &Path, folder: &Path) -> Result<Vec<Row>> {
    let (capture, name) = capture(program, shared, folder)?;
    // Memory before anything larger runs: the peak is the largest of all runs so far.
    let _warm = program.run(&["flows", "--threads", "1", &capture, "-o", "/dev/null"])?;
    let flows_mebibytes = peak_mebibytes()?;

    let mut rows = side_by_side(program, &capture, name)?;
    rows.push(Row::new("memory on it", "300 MiB", format!("{flows_mebibytes} MiB")));
    rows.push(smallest_packets(program, folder)?);

    let scan = program.run_on_threads(1, &["scan", &capture, "--json"])?;
    let scan_rate = packets(&scan.output.stderr)? / scan.cpu_seconds;
    let scan_mebibytes = peak_mebibytes()?;
    rows.push(Row::new(
        "the same capture scanned: behaviours and anomaly voice",
        "",
        format!("{:.2} million packets a CPU second, {scan_mebibytes} MiB", scan_rate / 1e6),
    ));
    let mut same = true;
    for [one, two] in [
        [vec!["flows", "--threads", "1", &capture], vec!["flows", "--threads", "2", &capture]],
        [vec!["scan", &capture, "--json", "-v"], vec!["scan", &capture, "--json", "-v"]],
    ] {
        let [one, two] = [program.run_on_threads(1, &one)?, program.run_on_threads(2, &two)?];
        same &= one.output.stdout == two.output.stdout && !one.output.stdout.is_empty();
    }
    rows.push(Row::new(
        "same input, seed and version; 1 thread and 2: flows and alerts of this capture",
        "byte-identical",
        if same { "byte-identical" } else { "**different**" },
    ));
    rows.push(memory_per_open_flow(program)?);
    rows.push(flood(program)?);
    Ok(rows)
}

/// One thread, two threads and plain walks over the file, turn by turn, so that what else the machine does befalls all.
fn side_by_side(program: &Program, capture: &str, name: &str) -> Result<Vec<Row>> {
    let count = packets(&program.run(&["flows", capture, "-o", "/dev/null"])?.output.stderr)?;
    let [mut rates, mut walks, mut large_walks, mut one, mut two] = [const { Vec::new() }; 5];
    for _ in 0..RUNS {
        let run = program.run(&["flows", "--threads", "1", capture, "-o", "/dev/null"])?;
        rates.push(count / run.cpu_seconds);
        one.push(run.wall_seconds);
        two.push(program.run(&["flows", "--threads", "2", capture, "-o", "/dev/null"])?.wall_seconds);
        for (buffer_bytes, walks) in [(4096, &mut walks), (1 << 18, &mut large_walks)] {
            let before = own_seconds()?;
            let (walked, _) = walk(Path::new(capture), buffer_bytes)?;
            ensure!(walked as f64 == count, "the walk saw {walked} packets of {count}");
            walks.push(count / (own_seconds()? - before));
        }
    }
    let rate = median(&mut rates);
    let share = |walks: &mut Vec<f64>| {
        let walk = median(walks);
        format!("{:.0} % of {:.2} million packets a CPU second", 100.0 * rate / walk, walk / 1e6)
    };
    let speedup = format!(
        "{:.2} by the medians of {RUNS} runs in turn ({:.2} s, {:.2} s); {:.2} by the best",
        median(&mut one) / median(&mut two),
        median(&mut one),
        median(&mut two),
        one[0] / two[0],
    );
    Ok(vec![
        Row::new(
            format!("packets to flows with every feature, one thread, packets a CPU second, {name}"),
            "2,400,000",
            format!(
                "{:.2} million (median of {RUNS}; {:.2} to {:.2}), CSV of all flows written",
                rate / 1e6,
                rates[0] / 1e6,
                rates[RUNS - 1] / 1e6,
            ),
        ),
        Row::new(
            "the same beside a plain walk over the packet headers, read by 4 KiB (as stdio does)",
            "60 %",
            share(&mut walks),
        ),
        Row::new("the same beside that walk, read by 256 KiB (as Lapwing does)", "", share(&mut large_walks)),
        Row::new("two threads beside one, wall time", "1.8", speedup),
    ])
}

/// Flows of a capture whose every packet has 64 bytes on the wire.
fn smallest_packets(program: &Program, folder: &Path) -> Result<Row> {
    let path = folder.join("smallest.pcap");
    packets::smallest(BufWriter::new(File::create(&path)?), SMALLEST)?;
    let path = path.display().to_string();
    let (mut rates, mut flows) = (Vec::new(), 0.0);
    for _ in 0..RUNS {
        let run = program.run(&["flows", "--threads", "1", &path, "-o", "/dev/null"])?;
        rates.push(packets(&run.output.stderr)? / run.cpu_seconds);
        flows = flows_of(&run.output.stderr)?;
    }
    let measured = format!(
        "{:.2} million (median of {RUNS}), {:.1} packets a flow, CSV of all flows written",
        median(&mut rates) / 1e6,
        SMALLEST as f64 / flows,
    );
    Ok(Row::new("at 64-byte packets (made here), one thread, packets a CPU second", "5,000,000", measured))
}

/// What a million open flows take more than a hundred thousand, a flow.
fn memory_per_open_flow(program: &Program) -> Result<Row> {
    let peak = |count| -> Result<u64> {
        let fed =
            program.feed(&["flows", "--threads", "1", "-", "-o", "/dev/null"], |out| packets::open(out, count))?;
        ensure!(flows_of(fed.said.as_bytes())? == count as f64, "not one flow each: {}", fed.said);
        Ok(fed.peak_bytes)
    };
    let [few, many] = [peak(100_000)?, peak(1_000_000)?];
    let bytes = many.saturating_sub(few) / 900_000;
    Ok(Row::new(
        "memory a live flow, every feature, 1,000,000 open TCP conversations",
        "at most 512 bytes",
        format!("{bytes} bytes"),
    ))
}

/// Ten million flows at once.
fn flood(program: &Program) -> Result<Row> {
    let fed =
        program.feed(&["flows", "--threads", "1", "-v", "-", "-o", "/dev/null"], |out| packets::flood(out, FLOOD))?;
    let all = packets(fed.said.as_bytes())? == FLOOD as f64 && flows_of(fed.said.as_bytes())? == FLOOD as f64;
    let evicted = fed.said.lines().find(|line| line.ends_with("full")).map_or("none ended early", str::trim);
    let packets = if all { "every packet in a flow" } else { "**packets are missing**" };
    Ok(Row::new(
        "flood of 10,000,000 distinct flows in 100 s: peak of the program's memory",
        "1,024 MiB",
        format!("{} MiB, {packets}, {evicted}", fed.peak_bytes >> 20),
    ))
}

/// The 2.5-million-packet capture of the shared generator, or a simulated office where that is missing.
fn capture(program: &Program, shared: &Path, folder: &Path) -> Result<(String, &'static str)> {
    if let Some(path) = made_capture(shared, folder, 2_500_000)? {
        return Ok((path.display().to_string(), "2,500,000-packet capture of gen_pcap.py"));
    }
    let path = folder.join("simulated.pcap").display().to_string();
    program.run(&["simulate", "-o", &path, "--hours", "4", "--hosts", "60", "--attacks", "loud"])?;
    Ok((path, "a simulated office of 60 hosts, 4 hours (the shared generator is missing)"))
}

/// So many packets of mixed traffic by the shared generator, kept from an earlier run; `None` where there is no generator.
pub(crate) fn made_capture(shared: &Path, folder: &Path, count: u64) -> Result<Option<PathBuf>> {
    let generator = shared.join("bench/gen_pcap.py");
    if !generator.is_file() {
        return Ok(None);
    }
    let path = folder.join(if count == 2_500_000 { "mixed.pcap".to_owned() } else { format!("mixed-{count}.pcap") });
    if !path.is_file() {
        eprintln!("making the capture of {count} packets (some minutes)");
        let partial = folder.join("mixed.partial");
        let status = Command::new("python3")
            .arg(generator)
            .args(["--packets", &count.to_string(), "--out"])
            .arg(&partial)
            .status()
            .context("python3 is needed for the shared generator")?;
        ensure!(status.success(), "the generator failed");
        std::fs::rename(partial, &path)?;
    }
    Ok(Some(path))
}

/// The packets that the program says it read.
pub(crate) fn packets(stderr: &[u8]) -> Result<f64> {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find(|line| line.starts_with("input: ")).context("no count of packets")?;
    line.split(' ').nth(1).and_then(|count| count.replace(',', "").parse().ok()).context("no count of packets")
}

/// The flows that the program says it wrote.
fn flows_of(stderr: &[u8]) -> Result<f64> {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find_map(|line| line.strip_suffix(" flows")).context("no count of flows")?;
    line.replace(',', "").parse().context("no count of flows")
}

/// The middle one; puts them in order.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const RUNS: usize = 7;
const SMALLEST: u64 = 5_000_000;
const FLOOD: u64 = 10_000_000;
