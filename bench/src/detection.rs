//! The right host and behaviour on captures with ground truth, and quiet on benign ones.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Row;
use crate::program::Program;

pub(crate) fn rows(program: &Program, shared: &Path, folder: &Path) -> Result<Vec<Row>> {
    let pcaps = shared.join("data/pcaps");
    let mut rows = vec![simulated(program, folder)?];
    if !pcaps.is_dir() {
        rows.push(Row::new("public captures", "", format!("not measured: {} is missing", pcaps.display())));
        return Ok(rows);
    }
    let mut found = 0;
    let mut missed = Vec::new();
    let mut benign = 0;
    let (mut low, mut above) = (Vec::new(), Vec::new());
    for line in TRUTH.lines().skip(1) {
        let [file, behaviour, role, address, technique] = line.split(',').collect::<Vec<_>>()[..] else {
            anyhow::bail!("five columns are wanted in {line}");
        };
        let path = pcaps.join(file).display().to_string();
        let alerts = program.json(&["scan", &path, "--json"])?;
        if behaviour == "benign" {
            benign += 1;
            for alert in &alerts {
                match alert["severity"].as_str() {
                    Some("info") => {}
                    Some("low") => low.push(file),
                    _ => above.push(file),
                }
            }
        } else if alerts.iter().any(|alert| is_right(alert, behaviour, (role, address), technique)) {
            found += 1;
        } else {
            missed.push(file);
        }
    }
    rows.push(Row::new(
        "public captures of attacks that show in flows: behaviour, host (attacker, or victim where sources are spoofed) and technique in an alert of severity medium or more",
        "all",
        format!("{found} of {}{}", found + missed.len(), list(": missed", &missed)),
    ));
    rows.push(Row::new(
        format!("the {benign} captures there that are benign or assumed so"),
        "no alert above low, at most one low",
        format!("{} above low, {} low{}{}", above.len(), low.len(), list(": above", &above), list(": low", &low)),
    ));
    Ok(rows)
}

/// Planted attacks of five simulated days, by the program's own demonstration.
fn simulated(program: &Program, folder: &Path) -> Result<Row> {
    let (mut found, mut planted, mut loud) = (0, 0, 0);
    for seed in 1..=5 {
        let folder = folder.join("demo").display().to_string();
        let run = program.run(&["demo", "--seed", &seed.to_string(), "--folder", &folder])?;
        let text = String::from_utf8_lossy(&run.output.stdout);
        let line =
            text.lines().find(|line| line.contains("attacks found")).context("the demonstration gave no count")?;
        let numbers: Vec<u32> = line.split([' ', ';', ',']).filter_map(|word| word.parse().ok()).collect();
        let [of_found, of_planted, _, of_loud] = numbers[..] else { anyhow::bail!("unlike itself: {line}") };
        found += of_found;
        planted += of_planted;
        loud += of_loud;
    }
    let measured = format!("{found} of {planted} found; {loud} further alerts above low");
    Ok(Row::new("simulated office, 40 hosts, 1 hour, seeds 1 to 5: planted attacks", "", measured))
}

fn is_right(alert: &Value, behaviour: &str, (role, address): (&str, &str), technique: &str) -> bool {
    let hosts = alert["hosts"].as_array().map_or(&[][..], Vec::as_slice);
    let is_named = hosts.iter().any(|host| host["role"] == role && host["address"] == address);
    let is_urgent = !matches!(alert["severity"].as_str(), Some("info" | "low"));
    alert["behaviour"] == behaviour && alert["technique"] == technique && is_urgent && is_named
}

fn list(what: &str, files: &[&str]) -> String {
    if files.is_empty() { String::new() } else { format!("{what} {}", files.join(", ")) }
}

const TRUTH: &str = include_str!("../captures.csv");
