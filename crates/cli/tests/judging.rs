//! The verbs that judge: audit, profile, compare, tune, describe, and the pages that they write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn lapwing(arguments: &[&str]) -> Output {
    // Not the detector that is active on this machine.
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-state");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.env("LAPWING_STATE", state).args(arguments).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
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
fn a_column_that_gives_the_answer_away_stops_activation_until_it_is_dropped_or_overruled() {
    let folder = folder("giveaway");
    let table = table(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let (naive, honest, state) = (file("naive.lapwing"), file("honest.lapwing"), file("state"));
    let train = ["train", &table, "--method", "decision-tree"];
    let trained = lapwing(&[&train[..], &["-o", &naive]].concat());
    assert!(trained.status.success() && stdout(&trained).contains("ERROR (giveaway:leak)"), "{}", stdout(&trained));
    let told = stdout(&trained);
    assert!(told.contains("honest: without `leak`") && told.contains("`lapwing activate` refuses it"), "{told}");
    let activate = |more: &[&str]| lapwing(&[&["activate", "--state", &state], more].concat());
    let refused = activate(&[&naive]);
    assert!(!refused.status.success() && stderr(&refused).contains("giveaway:leak"), "{}", stderr(&refused));
    assert!(stdout(&refused).contains("honest: without `leak`"), "{}", stdout(&refused));
    assert!(stdout(&activate(&[])).contains("no detector is active"));
    let mistaken = activate(&[&naive, "--allow", "giveaway:leek"]);
    assert!(!mistaken.status.success() && stderr(&mistaken).contains("giveaway:leak"), "{}", stderr(&mistaken));
    let why = ["--allow", "giveaway:leak", "--reason", "a tutorial"];
    assert!(activate(&[&[naive.as_str()], &why[..]].concat()).status.success());
    assert!(stdout(&activate(&[])).contains("overruled: giveaway:leak: a tutorial"));
    // Overruled in training, it is in the card.
    assert!(lapwing(&[&train[..], &["-o", &naive], &why[..]].concat()).status.success());
    assert!(activate(&[&naive]).status.success());
    assert!(stdout(&lapwing(&["describe", &naive])).contains("a tutorial"));
    assert!(lapwing(&[&train[..], &["--drop", "leak", "-o", &honest]].concat()).status.success());
    assert!(activate(&[&honest]).status.success());
    assert!(lapwing(&["audit", &table, "--no-figures", "--allow", "giveaway:leak"]).status.success());
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

#[test]
fn calibration_and_refusal_are_settings_that_every_view_of_the_detector_shows() {
    let folder = folder("calibrated");
    let file = |name: &str| folder.join(name).display().to_string();
    // Three kinds, of which two are left where one is left out.
    let text = fs::read_to_string(table(&folder)).unwrap();
    let scan = |line: &str| if line.contains("icmp") { line.replace("flood", "scan") } else { line.to_owned() };
    let table = file("three.csv");
    fs::write(&table, text.lines().map(|line| scan(line) + "\n").collect::<String>()).unwrap();
    let (detector, page, card) = (file("calibrated.lapwing"), file("test.html"), file("card.html"));
    let common = ["-m", "random-forest", "--set", "trees=10", "--drop", "leak", "--drop", "when", "--json"];
    let settings = ["--calibrate", "isotonic", "--refuse", "0.2", "--classes", "kinds"];
    let trained = json(&[&["train", &table, "-o", &detector, "--html", &page], &common[..], &settings[..]].concat());
    assert_eq!(trained["calibration"], "isotonic");
    for curve in ["before", "after"] {
        assert!(trained["calibrated"][curve]["bins"].is_array(), "{trained}");
    }
    let share = |refusals: &Value| refusals[0]["known"]["share"].as_f64().expect("a share");
    assert!((0.0..0.9).contains(&share(&trained["refusals"])));
    assert!(fs::read_to_string(page).unwrap().contains("as the model gives it"));
    let described = json(&["describe", &detector, "--json", "--html", &card]);
    assert_eq!((&described["calibration"], &described["refusal_rate"]), (&"isotonic".into(), &0.2.into()));
    assert_eq!(described["refusals"], trained["refusals"]);
    assert!(fs::read_to_string(card).unwrap().contains("Attacks of no known kind"));
    let evaluated = json(&["evaluate", &detector, &table, "--json"]);
    assert!(evaluated["uncalibrated"]["bins"].is_array() && evaluated["refusals"]["known"]["alarms"].is_number());
    let never = ["--classes", "kinds", "--refuse", "never"];
    let named = json(&[&["train", &table], &common[..], &never[..]].concat());
    assert_eq!(share(&named["refusals"]), 0.0);
    let left_out = json(&[&["train", &table, "--split", "kind-out"], &common[..], &settings[..]].concat());
    let tests = left_out["refusals"].as_array().unwrap();
    assert!(tests.iter().any(|of| of["test"] == "never saw scan" && of["unseen"]["alarms"].is_number()), "{tests:?}");
}

#[test]
fn refusal_without_names_and_a_calibration_without_labels_are_refused_with_what_to_do() {
    let folder = folder("uncalibrated");
    let table = table(&folder);
    let refused = lapwing(&["train", &table, "--drop", "leak", "--refuse", "0.1"]);
    assert!(!refused.status.success() && stderr(&refused).contains("--classes kinds"), "{}", stderr(&refused));
    let unlike = ["--classes", "kinds", "--refuse-unlike", "naive-bayes"];
    let refused = lapwing(&[&["train", &table, "--drop", "leak"], &unlike[..]].concat());
    assert!(!refused.status.success() && stderr(&refused).contains("without labels"), "{}", stderr(&refused));
    let unlabelled = ["--drop", "label", "-m", "isolation-forest", "--calibrate", "beta"];
    let refused = lapwing(&[&["train", &table, "--drop", "leak"], &unlabelled[..]].concat());
    assert!(!refused.status.success() && stderr(&refused).contains("label column"), "{}", stderr(&refused));
}

#[test]
fn the_active_detector_scores_where_none_is_named_and_the_former_returns() {
    let folder = folder("active");
    let table = table(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let (one, two, state) = (file("one.lapwing"), file("two.lapwing"), file("state"));
    for (path, seed) in [(&one, "1"), (&two, "2")] {
        let train = ["train", &table, "-m", "decision-tree", "--drop", "leak", "-o", path, "--seed", seed];
        assert!(lapwing(&train).status.success());
    }
    let score = || lapwing(&["score", &table, "--state", &state, "--json"]);
    let none = score();
    assert!(!none.status.success() && stderr(&none).contains("lapwing activate"), "{}", stderr(&none));
    for path in [&one, &two] {
        let active = json(&["activate", path, "--state", &state, "--json"]);
        assert!(active["active"]["source"].as_str().unwrap().ends_with(path.as_str()));
    }
    // What was activated is used, whatever becomes of the file.
    fs::write(&two, b"no detector").unwrap();
    let scored = score();
    assert!(scored.status.success() && stderr(&scored).contains("two.lapwing"), "{}", stderr(&scored));
    let back = json(&["activate", "--roll-back", "--state", &state, "--json"]);
    assert!(
        back["active"]["source"].as_str().unwrap().ends_with("one.lapwing") && back["former"] == Value::Array(vec![])
    );
    let scored = score();
    assert_eq!(scored.stdout, lapwing(&["score", &one, &table, "--json"]).stdout);
    assert!(stderr(&scored).contains("the active detector") && stderr(&scored).contains("one.lapwing"));
    assert!(lapwing(&["activate", "--roll-back", "--state", &state]).status.success());
    assert!(!score().status.success());
}

#[test]
fn a_detector_learns_on_from_further_tables_and_its_card_says_so() {
    let folder = folder("onward");
    let table = table(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let (first, later, forest) = (file("first.lapwing"), file("later.lapwing"), file("forest.lapwing"));
    let drop = ["--drop", "leak", "--drop", "host", "--drop", "when"];
    for (method, path) in [("online-logistic", &first), ("random-forest", &forest)] {
        assert!(lapwing(&[&["train", &table, "-m", method, "-o", path], &drop[..]].concat()).status.success());
    }
    // The same rows backwards: names come in another order.
    let text = fs::read_to_string(&table).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let backwards = file("backwards.csv");
    fs::write(&backwards, rows.lines().rev().fold(header.to_owned(), |text, row| text + "\n" + row)).unwrap();
    let learned = json(&["learn", &first, &table, &backwards, "-o", &later, "--time", "when", "--json"]);
    let continued = &learned["continued"];
    assert_eq!((&continued["rows"], &continued["attacks"]), (&1600.into(), &320.into()), "{learned}");
    assert!(continued["figures"]["recall"].is_number() && continued["span"][1].as_str().unwrap().contains("00:13:19"));
    let card = stdout(&lapwing(&["describe", &later]));
    assert!(card.contains("learned on from 1600 of 1600 rows of table.csv, backwards.csv"), "{card}");
    let page = file("card.html");
    json(&["describe", &later, "--json", "--html", &page]);
    assert!(fs::read_to_string(page).unwrap().contains("What it learned on from"));
    assert!(lapwing(&["evaluate", &later, &table]).status.success());
    let refused = lapwing(&["learn", &forest, &table, "-o", &later]);
    assert!(!refused.status.success() && stderr(&refused).contains("half-space-trees"), "{}", stderr(&refused));
    let bare = file("bare.csv");
    let text = fs::read_to_string(&table)
        .unwrap()
        .lines()
        .map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n")
        .collect::<String>();
    fs::write(&bare, text).unwrap();
    let refused = lapwing(&["learn", &first, &bare, "-o", &later]);
    assert!(!refused.status.success() && stderr(&refused).contains("learns from labels"), "{}", stderr(&refused));
}

#[test]
fn an_error_of_the_audit_does_not_stop_a_comparison_and_stands_in_it() {
    let folder = folder("compare-findings");
    let compared =
        json(&["compare", &table(&folder), "--json", "-m", "decision-tree", "--seeds", "1", "--calibrate", "platt"]);
    let findings = compared["findings"].as_array().unwrap();
    assert!(findings.iter().any(|of| of["check"] == "giveaway" && of["severity"] == "error"), "{findings:?}");
    assert_eq!(compared["calibration"], "platt");
}

#[test]
fn explain_says_what_each_column_adds_and_what_would_have_to_differ() {
    let folder = folder("explain");
    let table = table(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let (detector, page, rule) = (file("forest.lapwing"), file("why.html"), file("why.yml"));
    let trained = lapwing(&["train", &table, "--drop", "leak", "-o", &detector]);
    assert!(trained.status.success(), "{}", stderr(&trained));
    // The sixth row sends more than benign ones do.
    let asked = ["explain", &table, "-d", &detector, "--row", "6"];
    let told = json(&[&asked[..], &["--json", "--html", &page, "--rule", &rule]].concat());
    assert_eq!((&told["row"], &told["alarm"], &told["exact"]), (&6.into(), &true.into(), &true.into()));
    assert_eq!(told["columns"][0]["column"], "bytes");
    let adds = told["columns"].as_array().unwrap().iter().map(|column| column["adds"].as_f64().unwrap());
    let sum = told["base"].as_f64().unwrap() + adds.sum::<f64>();
    assert!((sum - told["score"].as_f64().unwrap()).abs() < 1e-5, "{told}");
    assert!(told["counterfactual"].as_str().unwrap().contains("no alert if `bytes` were"), "{told}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script"));
    assert!(fs::read_to_string(rule).unwrap().contains("  selection_1:\n    \"bytes|"));
    let text = lapwing(&asked);
    assert!(stdout(&text).contains("path: `") && stdout(&text).contains("exact Shapley values"), "{}", stdout(&text));
    let beyond = lapwing(&["explain", &table, "-d", &detector, "--row", "801"]);
    assert!(!beyond.status.success() && stderr(&beyond).contains("there is no row 801"), "{}", stderr(&beyond));
}
