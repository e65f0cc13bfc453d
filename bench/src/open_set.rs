//! Attacks of kinds that were never shown, and how many of them a detector refuses to name.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Result;
use model::evaluation::Rule;
use model::{Dataset, Detector, Grouping, Identity, Method, Plan, Refuse};
use sensor::tables::{Columns, load};

use crate::Row;

/// Learned, and all borders chosen, from KDDTrain+; KDDTest+ has 17 kinds of attack that are not in it.
pub(crate) fn rows(shared: &Path) -> Result<Vec<Row>> {
    let paths = ["KDDTrain+.txt.gz", "KDDTest+.txt.gz"].map(|name| shared.join("data/nsl-kdd").join(name));
    if !paths.iter().all(|path| path.is_file()) {
        return Ok(vec![Row::new("attacks of unknown kinds, NSL-KDD", "", "not measured: it is missing")]);
    }
    let [train, test] = paths.map(|path| load(&[path], &Columns::default(), &mut |_, _| {}));
    let (train, mut test) = (train?.dataset, test?.dataset);
    let extra: Vec<String> = test.table().columns().iter().map(|column| column.name.clone()).collect();
    for name in extra.iter().filter(|name| train.table().column(name).is_none()) {
        test.take(name);
    }
    let mut rows = Vec::new();
    for (name, settings, unlike) in DETECTORS {
        eprintln!("{name}");
        let method: Method = serde_json::from_str(settings)?;
        let unlike: Option<Method> = unlike.map(serde_json::from_str).transpose()?;
        let refusal = Some(Refuse { unlike, ..Refuse::default() });
        let rule = Rule::FalsePositiveRate(0.01);
        let plan = Plan { method, refusal, grouping: Grouping::Families, rule, ..Plan::default() };
        let detector = Detector::train(&train, &plan)?;
        rows.push(Row::new(
            format!("{name}: five families of KDDTrain+ → KDDTest+, 5 % false refusals allowed, 1 % false positives"),
            "",
            measured(&detector, &train, &test)?,
        ));
    }
    Ok(rows)
}

/// Of the attacks that alarm, how many are refused.
fn measured(detector: &Detector, train: &Dataset, test: &Dataset) -> Result<String> {
    let known: HashSet<&str> = (0..train.rows()).filter_map(|row| train.kind(row)).collect();
    let verdicts = detector.judge(test.table())?;
    let identities = detector.identify(test.table(), &verdicts)?;
    let attacks = test.attacks().unwrap_or_default();
    let (mut rows, mut alarms, mut refused, mut benign) = ([0; 2], [0; 2], [0; 2], 0);
    for (row, identity) in identities.iter().enumerate() {
        let is_refused = usize::from(*identity == Some(Identity::Unknown));
        if !attacks[row] {
            benign += is_refused;
            continue;
        }
        let side = usize::from(test.kind(row).is_some_and(|kind| known.contains(kind)));
        rows[side] += 1;
        alarms[side] += usize::from(identity.is_some());
        refused[side] += is_refused;
    }
    let told = |side: usize| {
        let share = 100.0 * f64::from(refused[side] as u32) / f64::from(alarms[side].max(1) as u32);
        format!("{} of {} found, {} of them refused ({share:.1} %)", alarms[side], rows[side], refused[side])
    };
    Ok(format!("unseen kinds: {}; known kinds: {}; benign rows called unknown: {benign}", told(0), told(1)))
}

const DETECTORS: &[(&str, &str, Option<&str>)] = &[
    ("random forest, by probability", r#"{"random-forest": {}}"#, None),
    ("random forest, by probability and distance", r#"{"random-forest": {}}"#, Some(r#"{"neighbour-distance": {}}"#)),
    ("random forest, by probability and rare values", r#"{"random-forest": {}}"#, Some(r#"{"histogram-score": {}}"#)),
    ("boosting, by probability", r#"{"gradient-boosting": {}}"#, None),
];
