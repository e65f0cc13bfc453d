//! `lapwing pcap`: the packets behind an alert, cut out of captures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn lapwing(arguments: &[&str]) -> Output {
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-state");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.env("LAPWING_STATE", state).args(arguments).output().expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pcap-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the tests' folder can be written");
    folder
}

/// A simulated capture with a scan in it, the file of its alerts, and the alert about the scan.
fn scanned(folder: &Path) -> (String, String, Value) {
    let file = |name: &str| folder.join(name).display().to_string();
    let (capture, alerts) = (file("office.pcap"), file("alerts.jsonl"));
    let made = lapwing(&["simulate", "--hours", "0.2", "--attacks", "loud", "-o", &capture]);
    assert!(made.status.success(), "{}", stderr(&made));
    let told = lapwing(&["scan", "--json", "--no-detector", &capture]);
    fs::write(&alerts, &told.stdout).expect("the tests' folder can be written");
    let lines = String::from_utf8(told.stdout).unwrap();
    let mut parsed = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an alert"));
    let scan = parsed.find(|alert| alert["behaviour"] == "port-scan").expect("there is a scan");
    (capture, alerts, scan)
}

#[test]
fn the_packets_behind_an_alert_raise_it_again_and_hold_nobody_elses() {
    let folder = folder("cut");
    let (capture, alerts, alert) = scanned(&folder);
    let id = alert["id"].as_str().unwrap();
    let cut = folder.join("cut.pcapng").display().to_string();
    let done = lapwing(&["pcap", id, &capture, "--alerts", &alerts, "-o", &cut]);
    assert!(done.status.success() && stderr(&done).contains("Ethernet"), "{}", stderr(&done));
    let again = lapwing(&["scan", "--json", "--no-detector", &cut]);
    let lines = String::from_utf8(again.stdout).unwrap();
    let again: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let same = again.iter().find(|other| other["id"] == alert["id"]).expect("the cut raises the alert again");
    // What is usual here is known of many hosts only, and the cut holds few.
    let said = |alert: &Value| alert["summary"].as_str().and_then(|text| text.split(';').next()).map(str::to_owned);
    assert_eq!((said(same), &same["flows"]), (said(&alert), &alert["flows"]));
    let hosts: Vec<&str> =
        alert["hosts"].as_array().unwrap().iter().map(|host| host["address"].as_str().unwrap()).collect();
    let flows = lapwing(&["flows", &cut]);
    // Start, end, originator, responder and the features.
    let rows = String::from_utf8(flows.stdout).unwrap();
    assert!(rows.lines().count() > 10);
    for row in rows.lines().skip(1) {
        let is_of = |end: &str| hosts.contains(&end);
        assert!(row.split(',').skip(2).take(2).all(is_of), "{row} is not between {hosts:?}");
    }
}

#[test]
fn what_cannot_be_cut_says_why_and_writes_nothing() {
    let folder = folder("refused");
    let (capture, alerts, alert) = scanned(&folder);
    let id = alert["id"].as_str().unwrap();
    let cut = folder.join("cut.pcapng").display().to_string();
    let other = folder.join("other.pcap").display().to_string();
    assert!(lapwing(&["simulate", "--hours", "0.02", "--attacks", "none", "-o", &other]).status.success());
    let cases: [(&[&str], &str); 5] = [
        (&["pcap", "ffff", &capture, "--alerts", &alerts, "-o", &cut], "no alert ffff"),
        (&["pcap", id, &capture, "--alerts", &capture, "-o", &cut], "no line of it is an alert"),
        (&["pcap", id, "-", "--alerts", &alerts, "-o", &cut], "cannot be read twice"),
        (&["pcap", id, &alerts, "--alerts", &alerts, "-o", &cut], "no capture among these"),
        (&["pcap", id, &other, "--alerts", &alerts, "-o", &cut], "is behind the alert"),
    ];
    for (arguments, reason) in cases {
        let refused = lapwing(arguments);
        assert!(!refused.status.success() && stderr(&refused).contains(reason), "{}", stderr(&refused));
        assert!(!Path::new(&cut).exists());
    }
    let over = lapwing(&["pcap", id, &capture, "--alerts", &alerts, "-o", &capture]);
    assert!(!over.status.success() && stderr(&over).contains("also an input"), "{}", stderr(&over));
}
