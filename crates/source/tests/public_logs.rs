//! Checks on public Zeek and Suricata logs: those in `data/zeek-logs` and `data/suricata-eve` of the folder that
//! LAPWING_SHARED names, else of `shared` beside the workspace. Where they are absent the tests are shown as ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use flow::{Flow, Protocol};
use libtest_mimic::{Arguments, Failed, Trial};
use meter::Settings;
use source::{Batch, Input, Report, Source};

fn main() {
    let arguments = Arguments::from_args();
    let folder = shared();
    let missing = !folder.join("zeek-logs").is_dir() || !folder.join("suricata-eve").is_dir();
    let trial = |name: &'static str, check: fn(&Path) -> Result<(), Failed>| {
        let folder = folder.clone();
        Trial::test(name, move || check(&folder)).with_ignored_flag(missing)
    };
    let trials = vec![
        trial("every_row_of_iot_23_is_a_flow_with_its_label", iot_23),
        trial("every_row_of_a_scan_is_a_flow", horizontal_scan),
        trial("json_logs_are_joined_by_uid", json_logs),
        trial("tab_separated_logs_are_joined_by_uid", tab_separated_logs),
        trial("every_event_of_suricata_is_accounted_for", suricata),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn shared() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("LAPWING_SHARED").map_or_else(beside, PathBuf::from).join("data")
}

fn read(paths: &[PathBuf]) -> Result<(Batch, Report), Failed> {
    let mut input = Input::open(paths, Settings::default())?;
    let mut batch = Batch::default();
    while input.read(&mut batch)? {}
    Ok((batch, input.report()))
}

fn expect(holds: bool, report: &Report) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{report:#?}").into()) }
}

/// The logs of that name.
fn logs(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder.join("zeek-logs"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains(name))
        .collect();
    paths.sort();
    paths
}

fn iot_23(folder: &Path) -> Result<(), Failed> {
    let (batch, report) = read(&logs(folder, "iot23"))?;
    expect(batch.flows.len() == 23_145 && report.skipped.is_empty() && report.damage.is_empty(), &report)?;
    let mut labels = BTreeMap::new();
    for flow in &batch.flows {
        *labels.entry(flow.label.as_ref().map_or("none", |label| label.name())).or_insert(0) += 1;
    }
    let expected = [("Benign", 1923), ("C&C", 6706), ("DDoS", 14_394), ("PartOfAHorizontalPortScan", 122)];
    if labels.into_iter().ne(expected) {
        return Err(format!("other labels than the description of the file has: {report:#?}").into());
    }
    Ok(())
}

fn json_logs(folder: &Path) -> Result<(), Failed> {
    let (batch, report) = read(&logs(folder, "test9-json"))?;
    expect(report.skipped.is_empty() && report.damage.is_empty() && told(&batch, &report) == report.lines, &report)?;
    expect(batch.flows.len() == 576 && batch.notices.len() == 18, &report)?;
    // One line is of a conversation that conn.log lacks.
    expect(report.notes.get(ZEEK_JOINED) == Some(&959) && report.notes.get(ZEEK_ALONE) == Some(&1), &report)?;
    expect(["dns", "http", "tls"].map(|name| of(&batch, name)) == [209, 109, 205], &report)
}

fn tab_separated_logs(folder: &Path) -> Result<(), Failed> {
    let (batch, report) = read(&logs(folder, "test10-tab"))?;
    // A line of notice.log was edited by hand and has three columns too few.
    let skipped = BTreeMap::from([("number of columns differs from the header", 1)]);
    expect(report.skipped == skipped && report.damage.is_empty(), &report)?;
    expect(told(&batch, &report) == report.lines - HEADER_LINES_OF_TEST_10, &report)?;
    expect(batch.flows.len() == 141 && batch.notices.len() == 12, &report)?;
    expect(report.notes.get(ZEEK_JOINED) == Some(&106) && !report.notes.contains_key(ZEEK_ALONE), &report)
}

fn horizontal_scan(folder: &Path) -> Result<(), Failed> {
    let (batch, report) = read(&logs(folder, "horizontal-scan"))?;
    expect(batch.flows.len() == 41 && report.skipped.is_empty(), &report)
}

fn suricata(folder: &Path) -> Result<(), Failed> {
    let (batch, report) = read(&[folder.join("suricata-eve/slips-test6-malicious.suricata.json.gz")])?;
    expect(report.skipped.is_empty() && report.damage.is_empty() && told(&batch, &report) == report.lines, &report)?;
    expect(report.lines == 5000 && batch.flows.len() == 3512 && batch.notices.len() == 745, &report)?;
    // 276 dns events and the tls event are of conversations whose flow event is not in the file.
    expect(report.notes.get("application events of EVE joined with their flow") == Some(&460), &report)?;
    expect(report.notes.get("application events of EVE whose flow was not told after them") == Some(&277), &report)?;
    expect(["dns", "http"].map(|name| of(&batch, name) > 50) == [true; 2], &report)?;
    let most = "ET SCAN Suspicious inbound to MSSQL port 1433";
    expect(batch.notices.iter().filter(|notice| &*notice.name == most).count() == 131, &report)?;
    let scanner = |flow: &&Flow| flow.key.originator.address.to_string() == "193.46.255.92";
    let ports: BTreeSet<_> = batch.flows.iter().filter(scanner).map(|flow| flow.key.responder.port).collect();
    expect(ports.len() == 482, &report)?;
    // A TCP conversation that Suricata did not follow has no flags and so no state; every other flow has one.
    let untold = batch.flows.iter().filter(|flow| flow.state.is_none());
    expect(untold.map(|flow| flow.key.protocol).all(|protocol| protocol == Protocol::Tcp), &report)
}

/// How many flows have that application.
fn of(batch: &Batch, name: &str) -> usize {
    batch.flows.iter().filter(|flow| flow.application.as_ref().is_some_and(|it| it.name() == name)).count()
}

/// The lines of which something is told: flows, notices, skips, and notes about lines.
fn told(batch: &Batch, report: &Report) -> u64 {
    let is_about_lines = |what: &&str| what.contains("lines of") || what.contains("events of EVE");
    let noted: u64 = report.notes.iter().filter(|(what, _)| is_about_lines(what)).map(|(_, count)| count).sum();
    noted + report.skipped.values().sum::<u64>() + (batch.flows.len() + batch.notices.len()) as u64
}

const ZEEK_JOINED: &str = "lines of Zeek's application logs joined with their flow";
const ZEEK_ALONE: &str = "lines of Zeek's application logs whose flow is in no conn.log read after them";
/// Nine in each of its six files, if they are closed.
const HEADER_LINES_OF_TEST_10: u64 = 54;
