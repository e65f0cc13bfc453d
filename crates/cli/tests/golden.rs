//! What the program prints, held in files: `make bless` rewrites them, and their diff is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn lapwing(arguments: &[&str]) -> String {
    // Not the detector that is active on this machine.
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-state");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    let output = command.env("LAPWING_STATE", state).args(arguments).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the program prints text")
}

/// Three minutes in a small office, with a scan, a sweep, a flood and a guessing run.
fn capture(test: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).expect("the tests' folder can be written");
    let path = folder.join("office.pcap").display().to_string();
    let attacks = "syn-scan,icmp-sweep,spoofed-syn-flood,ssh-guessing";
    lapwing(&["simulate", "-o", &path, "--hosts", "16", "--hours", "0.2", "--seed", "3", "--attacks", attacks]);
    path
}

fn hold(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect();
    if std::env::var_os("LAPWING_BLESS").is_some() {
        fs::write(&path, text).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "{} differs from what is printed now; `make bless`, then read the diff:\n{text}",
        path.display()
    );
}

#[test]
fn the_alerts_as_text_are_the_golden_ones() {
    hold("scan.txt", &lapwing(&["scan", "--least", "low", &capture("golden-text")]));
}

#[test]
fn the_alerts_as_json_are_the_golden_ones() {
    hold("scan.jsonl", &lapwing(&["scan", "--json", "--least", "low", &capture("golden-json")]));
}

#[test]
fn the_first_flows_are_the_golden_ones() {
    let flows = lapwing(&["flows", &capture("golden-flows")]);
    hold("flows.csv", &flows.split_inclusive('\n').take(40).collect::<String>());
}

#[test]
fn the_table_of_features_is_the_golden_one() {
    hold("features.txt", &lapwing(&["features"]));
}

#[test]
fn the_page_of_the_features_is_what_the_program_prints() {
    hold("../../../../docs/features.md", &lapwing(&["features", "--markdown"]));
}
