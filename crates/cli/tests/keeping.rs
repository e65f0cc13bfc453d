//! What is kept, and what follows from it: looking, verdicts, suppressions, backtests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A store of its own for each test.
struct Site {
    folder: PathBuf,
}

impl Site {
    fn new(test: &str) -> Site {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the tests' folder can be written");
        Site { folder }
    }

    /// One that kept a scan of half an hour in a small office where hosts are scanned.
    fn scanned(test: &str) -> Site {
        let site = Site::new(test);
        let capture = site.path("office.pcap");
        site.lapwing(&["simulate", "-o", &capture, "--hosts", "16", "--hours", "0.5", "--attacks", "syn-scan"]);
        site.lapwing(&["scan", &capture, "--keep", "--follow", "--duration", "3s"]);
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
        command.env("LAPWING_STATE", self.folder.join("state")).env("USER", "ann").args(arguments);
        command.output().expect("the program starts")
    }

    fn lapwing(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Alerts as JSON, by identifier.
    fn alerts(&self, arguments: &[&str]) -> Vec<Value> {
        let mut alerts: Vec<Value> =
            self.lapwing(arguments).lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
        alerts.sort_by_key(|alert| alert["id"].to_string());
        alerts
    }

    fn scan_alert(&self) -> String {
        let alerts = self.alerts(&["alerts", "--json", "--behaviour", "port-scan"]);
        alerts[0]["id"].as_str().expect("it has an identifier").to_owned()
    }
}

#[test]
fn where_nothing_is_kept_each_verb_says_how_to_begin() {
    let site = Site::new("nothing-kept");
    let page = site.path("report.html");
    let verbs: [&[&str]; 6] = [
        &["alerts"],
        &["incidents"],
        &["suppress", "--list"],
        &["verdict", "00", "true"],
        &["backtest"],
        &["report", "-o", &page],
    ];
    for verb in verbs {
        assert!(site.refusal(verb).contains("lapwing scan --keep"), "{verb:?}");
    }
}

#[test]
fn a_backtest_of_what_was_used_gives_the_alerts_that_were_kept() {
    let site = Site::scanned("backtested");
    let kept = site.alerts(&["alerts", "--json", "--limit", "1000"]);
    assert!(!kept.is_empty());
    assert_eq!(site.alerts(&["backtest", "--json"]), kept);
    let said = site.lapwing(&["backtest", "--suppress", "behaviour=port-scan"]);
    assert!(said.contains("0 gained") && said.contains("confirmed attacks lost: 0 of 0"), "{said}");
    site.lapwing(&["verdict", &site.scan_alert(), "true"]);
    let said = site.lapwing(&["backtest", "--suppress", "behaviour=port-scan"]);
    assert!(said.contains("CONFIRMED ATTACK") && said.contains("confirmed attacks lost: 1 of 1"), "{said}");
}

#[test]
fn a_benign_alert_is_hidden_by_the_suppression_that_its_verdict_proposes() {
    let site = Site::scanned("benign");
    let id = site.scan_alert();
    let said = site.lapwing(&["verdict", &id[..8], "benign", "--note", "it's ours"]);
    assert!(said.contains("none of the confirmed attacks"), "{said}");
    let proposal =
        said.lines().find(|line| line.trim_start().starts_with("lapwing suppress")).expect("one is proposed");
    assert!(proposal.contains("--source") && proposal.contains(r"'it'\''s ours'"), "{proposal}");
    let scope: Vec<&str> = proposal.split_whitespace().skip(2).take_while(|word| *word != "--reason").collect();
    site.lapwing(&[&["suppress"], &scope[..], &["--reason", "ours", "--past"]].concat());
    assert!(site.alerts(&["alerts", "--json", "--behaviour", "port-scan"]).is_empty());
    assert!(site.lapwing(&["alerts", "--hidden"]).contains("hidden by 1"));
    assert!(site.lapwing(&["suppress", "--report", "1"]).contains("hid 1 alerts"));
    assert!(site.lapwing(&["suppress", "--list"]).contains("ann"));
    site.lapwing(&["suppress", "--end", "1", "--past"]);
    assert_eq!(site.scan_alert(), id);
    let shown = site.lapwing(&["alerts", &id[..8]]);
    assert!(shown.contains("benign by ann") && shown.contains("it's ours"), "{shown}");
}

#[test]
fn a_confirmed_attack_is_not_suppressed_without_force() {
    let site = Site::scanned("confirmed");
    let id = site.scan_alert();
    let said = site.lapwing(&["verdict", &id, "true"]);
    assert!(said.contains("kept as examples of port-scan"), "{said}");
    let scope = ["suppress", "--behaviour", "port-scan", "--reason", "tired of it"];
    assert!(site.refusal(&scope).contains("--force"));
    site.lapwing(&[&scope[..], &["--force"]].concat());
    assert!(site.refusal(&["suppress", "--reason", "x"]).contains("--source"));
}

#[test]
fn what_is_kept_reaches_a_sink_once_and_the_report() {
    let site = Site::scanned("sinks");
    let (config, log) = (site.path("lapwing.toml"), site.path("alerts.json"));
    fs::write(&config, format!("[[sink]]\nname = 'log'\nkind = 'file'\naddress = '{log}'\nleast = 'info'\n")).unwrap();
    let later = site.path("later.pcap");
    site.lapwing(&[
        "simulate",
        "-o",
        &later,
        "--hosts",
        "16",
        "--hours",
        "0.5",
        "--seed",
        "2",
        "--attacks",
        "syn-flood",
    ]);
    for _ in 0..2 {
        site.lapwing(&["scan", &later, "--keep", "--config", &config]);
    }
    let sent = fs::read_to_string(&log).expect("the sink wrote it");
    let mut ids: Vec<String> =
        sent.lines().map(|line| serde_json::from_str::<Value>(line).expect("it is JSON")["id"].to_string()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert!(count > 0 && ids.len() == count, "{sent}");
    let page = site.path("report.html");
    site.lapwing(&["report", "-o", &page]);
    assert!(fs::read_to_string(page).expect("the page is there").contains("SYN flood"));
    assert!(site.lapwing(&["incidents"]).contains("Hosts at risk"));
}
