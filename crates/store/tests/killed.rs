//! A process that writes is killed at any moment: what it was told is kept is kept, and nothing is half written.
//!
//! The test starts itself once more as the process that writes. It says what was acknowledged, line by line, and is killed
//! when so many lines were read, while it goes on with what comes next. `LAPWING_KILLS` says how often (180).

mod folder;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use alert::{Finding, Verdict};
use flow::{Flow, Notice};
use folder::{Folder, alert, flow, time};
use store::{Filter, Label, Retention, Span, Store};

/// What the writer does, again and again: the round of each number writes all of its kind for that number.
const KINDS: [&str; 5] = ["alert", "verdict", "flows", "label", "tidy"];
const FLOWS_A_ROUND: u64 = 20;
const KILLS_A_STORE: usize = 45;

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let kills: u64 = std::env::var("LAPWING_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(180);
    // Small stores are checked faster.
    for first in (0..kills).step_by(KILLS_A_STORE) {
        let folder = Folder::new("killed");
        // The last round that was acknowledged, of each kind.
        let mut acknowledged = [None; KINDS.len()];
        for kill in (first..kills).take(KILLS_A_STORE) {
            kill_once(&folder, kill, &mut acknowledged);
            check(&folder, &acknowledged);
        }
        assert!(kills < 100 || acknowledged.iter().all(Option::is_some), "{acknowledged:?}");
    }
}

/// Starts the process that writes, reads so many of its lines as the number of the kill says, and kills it.
fn kill_once(folder: &Folder, kill: u64, acknowledged: &mut [Option<u64>; KINDS.len()]) {
    let from = acknowledged.iter().map(|round| round.map_or(0, |round| round + 1)).max().unwrap_or(0);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env("LAPWING_WRITES_TO", folder.path())
        .env("LAPWING_WRITES_FROM", from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut left = kill % 13;
    for line in lines {
        let Some((kind, round)) = line.strip_prefix("kept ").and_then(|told| told.split_once(' ')) else { continue };
        let place = KINDS.iter().position(|known| *known == kind).unwrap();
        acknowledged[place] = acknowledged[place].max(round.parse().ok());
        if left == 0 {
            // Some time within what it does next; the number of the kill says when.
            (0..kill * 997 % 40_000).for_each(|turn| _ = std::hint::black_box(turn));
            let _ = child.kill();
        }
        left = left.saturating_sub(1);
    }
    child.wait().unwrap();
}

fn check(folder: &Folder, acknowledged: &[Option<u64>]) {
    let store = folder.store();
    store.check().unwrap();
    let rounds = |kind: &str| {
        let place = KINDS.iter().position(|known| *known == kind).unwrap();
        acknowledged[place].map_or(0, |round| round + 1)
    };
    let count = store.alert_count().unwrap();
    // One more may have been kept without our being told.
    assert!((rounds("alert")..=rounds("alert") + 1).contains(&count), "{count} of {}", rounds("alert"));
    for round in 0..count {
        let kept = store.alert(&alert(round).id).unwrap().expect("an alert that was acknowledged");
        assert_eq!(kept.alert, alert(round));
        assert!(kept.verdict.is_some() || round >= rounds("verdict"));
    }
    assert_eq!(store.page(&Filter::default(), None, 1000).unwrap().alerts.len() as u64, count.min(1000));
    assert_eq!(store.pending("sink", 10_000).unwrap().len() as u64, count);

    let (mut flows, mut notices) = (Vec::new(), Vec::new());
    let mut replay = store.replay(Span::ALL).unwrap();
    while replay.read(&mut flows, &mut notices).unwrap() {}
    assert_eq!(flows.len() as u64 % FLOWS_A_ROUND, 0, "a batch is kept whole or not at all");
    let kept = flows.len() as u64 / FLOWS_A_ROUND;
    assert!((rounds("flows")..=rounds("flows") + 1).contains(&kept), "{kept} of {}", rounds("flows"));
    assert_eq!(notices.len() as u64, kept, "flows and notices are kept together");
    assert!(flows == (0..kept).flat_map(of_round).collect::<Vec<_>>());

    let labels = store.labels().unwrap().len() as u64;
    assert!((rounds("label")..=rounds("label") + 1).contains(&labels));
    let listed = std::fs::read_dir(folder.path().join("labels")).unwrap().count();
    assert_eq!(listed as u64, labels, "no file is left over");
}

/// The process that writes, where it is asked to.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os("LAPWING_WRITES_TO") else { return };
    let from: u64 = std::env::var("LAPWING_WRITES_FROM").unwrap().parse().unwrap();
    let mut store = Store::open(folder.as_ref()).unwrap();
    store.subscribe("sink", 0).unwrap();
    let mut out = std::io::stdout();
    let mut kept = |kind: &str, round: u64| {
        writeln!(out, "kept {kind} {round}").unwrap();
        out.flush().unwrap();
    };
    // What was kept before without being told is not done again.
    let (mut flows, mut notices) = (Vec::<Flow>::new(), Vec::<Notice>::new());
    let mut replay = store.replay(Span::ALL).unwrap();
    while replay.read(&mut flows, &mut notices).unwrap() {}
    let flow_rounds = flows.len() as u64 / FLOWS_A_ROUND;
    for round in from.saturating_sub(1)..from + 1000 {
        store.put(&[alert(round)]).unwrap();
        kept("alert", round);
        let verdict = Verdict {
            alert: alert(round).id,
            finding: Finding::True,
            note: String::new(),
            by: "ann".into(),
            time: time(round as i64),
        };
        store.put_verdict(&verdict).unwrap();
        kept("verdict", round);
        if round >= flow_rounds {
            let notice = Notice {
                time: time(0),
                reporter: "zeek",
                name: "Scan".into(),
                detail: "".into(),
                severity: None,
                source: None,
                target: None,
                key: None,
                id: None,
            };
            store.append(&of_round(round), &[notice], hour(round)).unwrap();
            kept("flows", round);
        }
        let label =
            Label { alert: alert(round).id, kind: "scan".into(), by: "ann".into(), time: time(round as i64), flows: 3 };
        store.put_label(&label, &of_round(round)[..3]).unwrap();
        kept("label", round);
        store.tidy(&Retention { days: None, bytes: None }, hour(round)).unwrap();
        kept("tidy", round);
    }
}

/// Five rounds an hour, so that hours are often joined.
fn hour(round: u64) -> flow::Time {
    time((round / 5 * 3600) as i64)
}

fn of_round(round: u64) -> Vec<Flow> {
    (round * FLOWS_A_ROUND..(round + 1) * FLOWS_A_ROUND).map(flow).collect()
}
