//! The verbs that judge: audit, profile, compare, tune, describe, and the pages that they write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn lapwing(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lapwing")).args(arguments).output().expect("the program starts")
}

/// What it prints as JSON, on success.
fn json(arguments: &[&str]) -> Value {
    let output = lapwing(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("judging-{name}"));
    // What an earlier run left would be gone on with.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the tests' folder can be written");
    folder
}

/// 800 rows of 40 hosts over 800 seconds; every fifth is an attack that mostly sends more. `leak` tells it all.
fn table(folder: &Path) -> String {
    let mut text = String::from("when,host,protocol,bytes,leak,label\n");
    for row in 0..800 {
        let attack = row % 5 == 0;
        let bytes = if attack && row % 15 > 0 { 900 + row * 7 % 131 } else { row * 13 % 997 };
        let label = if !attack {
            "benign"
        } else if row % 10 == 0 {
            "flood"
        } else {
            "exfiltration"
        };
        let protocol = ["tcp", "udp", "icmp"][row % 3];
        text.push_str(&format!("{row}.0,10.0.0.{},{protocol},{bytes},{},{label}\n", row / 20, u8::from(attack)));
    }
    let path = folder.join("table.csv");
    fs::write(&path, text).expect("the tests' folder can be written");
    path.display().to_string()
}

#[test]
fn a_column_that_gives_the_answer_away_stops_training_until_it_is_dropped_or_allowed() {
    let folder = folder("giveaway");
    let table = table(&folder);
    let refused = lapwing(&["train", &table, "--method", "decision-tree"]);
    assert!(!refused.status.success() && stderr(&refused).contains("`leak`"), "{}", stderr(&refused));
    assert!(lapwing(&["train", &table, "--method", "decision-tree", "--drop", "leak"]).status.success());
    assert!(lapwing(&["train", &table, "--method", "decision-tree", "--allow", "giveaway:leak"]).status.success());
    let audited = lapwing(&["audit", &table, "--json", "--method", "decision-tree"]);
    assert!(!audited.status.success());
    let audit: Value = serde_json::from_slice(&audited.stdout).expect("one JSON object, although it fails");
    let checks: Vec<&str> =
        audit["findings"].as_array().unwrap().iter().filter_map(|of| of["check"].as_str()).collect();
    assert!(checks.contains(&"giveaway") && checks.contains(&"suspect-column"), "{checks:?}");
    let figures = audit["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 2, "careless and honest");
    assert!(figures[0]["test"].as_str().unwrap().starts_with("careless"));
}

#[test]
fn a_profile_tells_how_attacks_differ_and_its_page_needs_nothing_but_itself() {
    let folder = folder("profile");
    let page = folder.join("profile.html").display().to_string();
    let profile = json(&["profile", &table(&folder), "--json", "--html", &page]);
    assert_eq!((profile["rows"].as_u64(), profile["attacks"].as_u64()), (Some(800), Some(160)));
    assert_eq!(profile["differences"][0]["column"], "leak");
    let page = fs::read_to_string(page).expect("the page was written");
    assert!(page.contains("<svg") && !page.contains("<script") && !page.contains("src="));
}

#[test]
fn a_split_by_group_tests_on_hosts_never_seen_and_time_tells_the_latency() {
    let folder = folder("groups");
    let table = table(&folder);
    let detector = folder.join("hosts.lapwing").display().to_string();
    let split = ["--split", "group", "--group", "host", "--drop", "leak", "--seeds", "3"];
    let trained =
        json(&[&["train", &table, "--json", "-o", &detector, "--method", "decision-tree"], &split[..]].concat());
    assert!(trained["tests"][0]["test"].as_str().unwrap().contains("group"));
    assert_eq!(trained["folds"].as_array().unwrap().len(), 3, "one a seed");
    assert!(trained["columns"].as_array().unwrap().iter().all(|column| column != "host"));
    let evaluated = json(&["evaluate", &detector, &table, "--json", "--time", "when", "--group", "host"]);
    // 40 hosts with two kinds of attack each.
    assert_eq!(evaluated["latency"]["attacks"], 80);
    let recall = &evaluated["intervals"]["recall"];
    assert!(
        recall["low"].as_f64() < evaluated["recall"].as_f64() && evaluated["recall"].as_f64() < recall["high"].as_f64()
    );
    let card = lapwing(&["describe", &detector]);
    let card = String::from_utf8_lossy(&card.stdout).into_owned();
    assert!(card.contains("what not to expect of it") && card.contains("bytes"), "{card}");
}

#[test]
fn a_kind_that_is_left_out_is_named_with_its_recall() {
    let folder = folder("kinds");
    let trained = json(&[
        "train",
        &table(&folder),
        "--json",
        "--drop",
        "leak",
        "--split",
        "kind-out",
        "--method",
        "decision-tree",
    ]);
    let tests: Vec<&str> = trained["folds"].as_array().unwrap().iter().filter_map(|of| of["test"].as_str()).collect();
    assert_eq!(tests, ["never saw flood", "never saw exfiltration"]);
    assert!(trained["folds"][0]["unseen_recall"].is_number());
}

#[test]
fn a_comparison_has_what_must_be_beaten_beside_it() {
    let folder = folder("compare");
    let page = folder.join("compare.html").display().to_string();
    let methods = ["-m", "decision-tree", "-m", "random-forest:trees=5", "--seeds", "2", "--drop", "leak"];
    let compared = json(&[&["compare", &table(&folder), "--json", "--html", &page], &methods[..]].concat());
    let names: Vec<&str> =
        compared["contenders"].as_array().unwrap().iter().filter_map(|of| of["name"].as_str()).collect();
    assert_eq!(names, ["majority", "one-rule", "decision-tree", "random-forest:trees=5"]);
    assert_eq!(compared["pairs"].as_array().unwrap().len(), 6);
    assert!(fs::read_to_string(page).unwrap().contains("McNemar"));
}

#[test]
fn a_search_that_was_broken_off_goes_on_and_finds_what_an_unbroken_one_finds() {
    let folder = folder("tune");
    let table = table(&folder);
    let tune = |trials: &str, file: &str| {
        let file = folder.join(file).display().to_string();
        let search = ["--trials", trials, "--experiments", &file, "--folds", "2", "--drop", "leak", "--encoder"];
        json(&[&["tune", &table, "--json", "--method", "decision-tree"], &search[..]].concat())
    };
    let whole = tune("14", "whole.jsonl");
    tune("5", "parts.jsonl");
    // A line that was cut off in the middle is no experiment.
    let parts = folder.join("parts.jsonl");
    let text = fs::read_to_string(&parts).unwrap();
    fs::write(&parts, format!("{text}{{\"data\": \"")).unwrap();
    let parted = tune("14", "parts.jsonl");
    assert_eq!(whole["best"]["trial"], parted["best"]["trial"]);
    let settings = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an experiment a line"));
        lines.map(|line| line["trial"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(settings("whole.jsonl"), settings("parts.jsonl"));
    assert!(whole["tests"][0]["roc_auc"].is_number());
}

#[test]
fn columns_that_a_selection_leaves_out_are_told_on_the_card_and_need_not_be_there() {
    let folder = folder("select");
    let table = table(&folder);
    let detector = folder.join("few.lapwing").display().to_string();
    let select = ["--select", "variance=0", "--select", "mutual-information=1", "--method", "decision-tree"];
    let trained = json(&[&["train", &table, "--json", "--drop", "leak", "-o", &detector], &select[..]].concat());
    assert_eq!(trained["columns"], serde_json::json!(["bytes"]));
    assert_eq!(trained["selections"][1]["columns"][0]["name"], "bytes");
    let card = lapwing(&["describe", &detector]);
    let card = String::from_utf8_lossy(&card.stdout).into_owned();
    assert!(card.contains("mutual-information=1 keeps 1 of 2 columns") && card.contains("left out"), "{card}");
    let text = fs::read_to_string(&table).expect("the table was written");
    let few = folder.join("few.csv");
    let line = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        format!("{},{}\n", cells[3], cells[5])
    };
    fs::write(&few, text.lines().map(line).collect::<String>()).expect("the tests' folder can be written");
    let [all, few] = [table, few.display().to_string()].map(|table| json(&["evaluate", &detector, &table, "--json"]));
    assert_eq!(all["confusion"], few["confusion"]);
}

#[test]
fn a_profile_says_what_a_selection_would_keep_and_a_wrong_one_is_refused() {
    let folder = folder("profile-select");
    let table = table(&folder);
    let profile = json(&["profile", &table, "--json", "--drop", "leak", "--select", "mutual-information=50%"]);
    let columns = profile["selections"][0]["columns"].as_array().expect("a selection");
    assert_eq!((&columns[0]["name"], &columns[0]["kept"]), (&"bytes".into(), &true.into()));
    let refused = lapwing(&["profile", &table, "--select", "luck=3"]);
    assert!(!refused.status.success() && stderr(&refused).contains("mutual-information"), "{}", stderr(&refused));
}

#[test]
fn nested_cross_validation_shows_what_a_search_keeps_and_goes_on_where_it_was() {
    let folder = folder("nested");
    let table = table(&folder);
    let path = |name: &str| folder.join(name).display().to_string();
    let (experiments, page, detector) = (path("nested.jsonl"), path("nested.html"), path("best.lapwing"));
    let nested = || {
        let files = ["--experiments", &experiments, "--html", &page, "-o", &detector];
        let search = ["--trials", "3", "--folds", "2", "--cv", "2", "--drop", "leak", "--columns"];
        json(&[&["tune", &table, "--json", "--method", "decision-tree"], &search[..], &files[..]].concat())
    };
    let first = nested();
    assert_eq!(first["nested"]["folds"].as_array().map(Vec::len), Some(2));
    assert!(first["nested"]["honest"].is_number() && first["nested"]["optimistic"] == first["best"]["value"]);
    assert!(fs::read_to_string(&page).expect("the page was written").contains("(optimistic)"));
    let lines = || fs::read_to_string(&experiments).expect("experiments were written").lines().count();
    assert_eq!(lines(), 9, "three trials in each fold and on all rows");
    assert_eq!((nested()["nested"].clone(), lines()), (first["nested"].clone(), 9));
    assert!(lapwing(&["describe", &detector]).status.success());
}
