//! What Lapwing claims about speed and quality, rerun by one command: `make bench`.
//!
//! Everything goes through the program as a user runs it. Public data are looked for under `LAPWING_SHARED`, or in
//! `../shared` beside the clone; where they are missing, a row says so or uses simulated traffic instead. The table goes
//! to stdout as Markdown, progress to stderr.

mod agreement;
mod budget;
mod detection;
mod explain;
mod learning;
#[cfg(target_os = "linux")]
mod live;
mod logs;
mod models;
mod open_set;
mod packets;
mod parity;
mod peers;
mod program;
mod quality;
mod robustness;
mod score;
mod speed;
mod store;
mod walk;

use std::path::{Path, PathBuf};

use anyhow::Result;
use program::Program;

/// One row of the table.
pub(crate) struct Row {
    what: String,
    least: &'static str,
    measured: String,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, least: &'static str, measured: impl Into<String>) -> Row {
        Row { what: what.into(), least, measured: measured.into() }
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|argument| argument == program::MEASURE).is_some() {
        return program::measure(arguments);
    }
    // `lapwing-bench speed` measures the speed alone, `agreement` the agreement with other tools, `peers` the speed beside
    // theirs, `models` the estimators (and of them some parts: `speed threads`), `score` a table through the program,
    // `explain` the explanations of trees beside those of other libraries (or `explain alone`), `quality` detectors on
    // public tables, `open-set` what becomes of unknown attacks, `parity` the estimators beside scikit-learn's, `budget`
    // what a budget of alerts keeps on simulated weeks (and with how many seeds), `store` what is kept on disk (ten million
    // alerts, some 12 GB; or as many as are named behind it), `live` live capture, which needs root.
    let part = arguments.next();
    let only_speed = part.as_ref().is_some_and(|part| part == "speed");
    let only_peers = part.as_ref().is_some_and(|part| part == "peers");
    let only_agreement = part.as_ref().is_some_and(|part| part == "agreement");
    let shared = std::env::var_os("LAPWING_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    if part.as_ref().is_some_and(|part| part == "models") {
        let only: Vec<String> = arguments.map(|part| part.to_string_lossy().into_owned()).collect();
        print(&models::rows(&shared, &only)?);
        return Ok(());
    }
    if part.as_ref().is_some_and(|part| part == "quality") {
        print(&quality::rows(&shared)?);
        return Ok(());
    }
    if part.as_ref().is_some_and(|part| part == "explain") {
        let alone = arguments.any(|word| word == "alone");
        print(&explain::rows(&shared, &std::env::temp_dir().join("lapwing-bench"), alone)?);
        return Ok(());
    }
    if part.as_ref().is_some_and(|part| part == "open-set") {
        print(&open_set::rows(&shared)?);
        return Ok(());
    }
    if part.as_ref().is_some_and(|part| part == "budget") {
        let seeds = arguments.next().and_then(|seeds| seeds.to_string_lossy().parse().ok()).unwrap_or(5);
        print(&budget::rows(seeds)?);
        return Ok(());
    }
    if part.as_ref().is_some_and(|part| part == "parity") {
        let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
        print(&parity::rows(&words, &std::env::temp_dir().join("lapwing-bench"))?);
        return Ok(());
    }
    if part.as_ref().is_some_and(|part| part == "store") {
        let count = arguments.next().and_then(|count| count.to_str()?.parse().ok()).unwrap_or(10_000_000);
        print(&store::rows(&std::env::temp_dir().join("lapwing-bench"), count, 1_000_000)?);
        println!("\n{}", machine());
        return Ok(());
    }
    let program = Program::find()?;
    #[cfg(target_os = "linux")]
    if part.as_ref().is_some_and(|part| part == "live") {
        return live::run(&program);
    }
    let folder = std::env::temp_dir().join("lapwing-bench");
    std::fs::create_dir_all(&folder)?;

    let mut rows = Vec::new();
    if part.as_ref().is_some_and(|part| part == "score") {
        print(&score::rows(&program, &shared, &folder)?);
        return Ok(());
    }
    if only_peers {
        let captures: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
        print(&peers::rows(&program, &captures, &shared, &folder)?);
        println!("\n{}, {}", program.version()?, machine());
        return Ok(());
    }
    // Speed first: peak memory is the largest of all runs so far.
    if !only_agreement {
        rows.extend(speed::rows(&program, &shared, &folder)?);
        rows.extend(logs::rows(&program, &folder)?);
        rows.extend(score::rows(&program, &shared, &folder)?);
    }
    if !only_speed {
        rows.extend(agreement::rows(&program, &shared, &folder)?);
    }
    if !only_speed && !only_agreement {
        rows.extend(detection::rows(&program, &shared, &folder)?);
        rows.extend(learning::rows(&program, &shared, &folder)?);
        rows.extend(quality::rows(&shared)?);
        rows.extend(open_set::rows(&shared)?);
        rows.extend(models::rows(
            &shared,
            &["speed", "threads", "nsl-kdd", "unsw-nb15", "cic-ids2017"].map(String::from),
        )?);
        rows.extend(robustness::rows(&program, &folder)?);
    }

    println!("# Bench\n\nWhat `make bench` measured last. `LAPWING_SHARED` names the folder of the public data.\n");
    print(&rows);
    println!("\n{}, {}", program.version()?, machine());
    Ok(())
}

/// The table as Markdown.
fn print(rows: &[Row]) {
    println!("| what | at least | measured |\n|---|---|---|");
    for row in rows {
        println!("| {} | {} | {} |", row.what, row.least, row.measured);
    }
}

/// The processor and how many of it.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        info.lines().find_map(|line| line.strip_prefix("model name")).map(|name| name.trim_matches(['\t', ':', ' ']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} with {cores} cores, {}", name.unwrap_or("an unknown processor"), std::env::consts::ARCH)
}
