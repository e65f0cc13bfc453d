//! Bytes from outside: whatever a detector file holds, loading it ends, and what loads can judge.

use flow::{Category, Column, Label, Table, Values};
use model::{Asked, Dataset, Detector, Error, Explaining, Keep, Method, Plan, Selection};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn table() -> Table {
    let bytes = (0..60).map(|row| ((row * 37) % 23) as f32).collect();
    let codes = (0..60).map(|row| row % 3).collect();
    let names = Category { codes, vocabulary: ["tcp", "udp", "icmp"].map(String::from).to_vec() };
    let columns =
        vec![Column::numbers("bytes", bytes), Column { name: "protocol".into(), values: Values::Categories(names) }];
    Table::new(columns).unwrap()
}

/// A small saved detector of every method.
fn saved() -> Vec<Vec<u8>> {
    let labels: Vec<Label> = (0..60).map(|row| Label::new(if row % 5 == 0 { "smurf" } else { "normal" })).collect();
    let dataset = Dataset::labelled(table(), &labels).unwrap();
    let settings = [
        r#"{"isolation-forest": {"trees": 3}}"#,
        r#"{"extended-isolation-forest": {"trees": 3}}"#,
        r#"{"decision-tree": {}}"#,
        r#"{"random-forest": {"trees": 3}}"#,
        r#"{"extra-trees": {"trees": 3}}"#,
        r#"{"gradient-boosting": {"trees": 3, "min-samples-leaf": 2}}"#,
        r#"{"logistic-regression": {}}"#,
        r#"{"mahalanobis": {}}"#,
        r#"{"principal-components": {}}"#,
        r#"{"neighbour-distance": {}}"#,
        r#"{"histogram-score": {}}"#,
        r#"{"empirical-tails": {}}"#,
        r#"{"nearest-neighbours": {}}"#,
        r#"{"naive-bayes": {}}"#,
        r#"{"one-rule": {}}"#,
        r#"{"majority": {}}"#,
        r#"{"voting": {"parts": [{"decision-tree": {}}, {"histogram-score": {}}], "vote": "tails"}}"#,
        r#"{"stacking": {"parts": [{"one-rule": {}}, {"histogram-score": {}}], "columns": true}}"#,
        r#"{"half-space-trees": {"trees": 2, "height": 3, "window": 20}}"#,
        r#"{"random-cut-forest": {"trees": 2, "sample": 8}}"#,
        r#"{"online-logistic": {}}"#,
    ];
    let detector = |settings| {
        let method: Method = serde_json::from_str(settings).unwrap();
        let plan = Plan { method, ..Plan::default() };
        Detector::train(&dataset, &plan).unwrap().to_bytes().unwrap()
    };
    let selections = vec![Selection::MutualInformation(Keep::Count(1))];
    let method = serde_json::from_str(r#"{"decision-tree": {}}"#).unwrap();
    let selected = Detector::train(&dataset, &Plan { method, selections, ..Plan::default() }).unwrap();
    settings.map(detector).into_iter().chain([selected.to_bytes().unwrap()]).collect()
}

/// Makes the checksum right again, as somebody who means harm would.
fn sign(bytes: &mut [u8]) {
    if let Some(body) = bytes.len().checked_sub(32) {
        let checksum = Sha256::digest(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum);
    }
}

fn load_and_judge(bytes: &[u8]) {
    if let Ok(detector) = Detector::from_bytes(bytes)
        && let Ok(verdicts) = detector.judge(&table())
    {
        assert!(verdicts.iter().all(|verdict| !verdict.score.is_nan()));
    }
}

/// What loads can be explained in every form that it allows, whatever numbers come out.
fn load_and_explain(bytes: &[u8]) {
    let Ok(detector) = Detector::from_bytes(bytes) else { return };
    let (some, others) = (table().select(&[0, 1]), table().select(&[2, 3, 4]));
    for asked in [Asked::Best, Asked::Interventional, Asked::Permutation, Asked::Lime] {
        let explaining = Explaining { asked, draws: 8, seed: 1 };
        let Ok(explained) = detector.explain(&some, &explaining, Some(&others)) else { continue };
        assert_eq!(explained.len(), 2);
        if detector.counterfactual(&some, 0, &explained[0], &others).is_ok_and(|found| found.is_some()) {
            assert!(explained[0].alarm);
        }
    }
    if let Ok(Some(path)) = detector.path(&some, 0) {
        assert!(model::rule(&detector, &path).is_none_or(|rule| rule.starts_with("title: ")));
    }
}

#[test]
fn every_cut_of_a_file_is_an_error() {
    for bytes in saved() {
        for length in 0..bytes.len() {
            assert!(Detector::from_bytes(&bytes[..length]).is_err());
        }
    }
}

#[test]
fn a_changed_byte_is_an_error() {
    for bytes in saved() {
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert!(Detector::from_bytes(&changed).is_err(), "byte {place}");
        }
    }
}

#[test]
fn a_changed_byte_under_a_right_checksum_never_panics() {
    for bytes in saved() {
        for place in 0..bytes.len() {
            for change in [0x01, 0x10, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[place] ^= change;
                sign(&mut changed);
                load_and_judge(&changed);
            }
        }
    }
}

#[test]
fn another_format_is_named() {
    let mut bytes = saved().remove(0);
    bytes[8] = 9;
    sign(&mut bytes);
    assert_eq!(Detector::from_bytes(&bytes), Err(Error::Format { expected: 3, found: 9 }));
}

#[test]
fn a_claimed_length_does_not_take_memory() {
    let mut bytes = saved().remove(0);
    bytes[10..18].copy_from_slice(&u64::MAX.to_le_bytes());
    sign(&mut bytes);
    assert!(matches!(Detector::from_bytes(&bytes), Err(Error::Damaged(_))));
}

proptest! {
    #[test]
    fn any_bytes_end_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        load_and_judge(&bytes);
    }

    #[test]
    fn any_payload_under_a_right_checksum_ends_without_panic(payload in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = b"LAPWING\0\x03\0".to_vec();
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(payload);
        bytes.extend([0; 32]);
        sign(&mut bytes);
        load_and_judge(&bytes);
    }

    #[test]
    fn several_changes_under_a_right_checksum_end_without_panic(
        which in 0..21usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = saved().swap_remove(which);
        for (place, byte) in changes {
            let place = 18 + place.index(bytes.len() - 50);
            bytes[place] = byte;
        }
        sign(&mut bytes);
        load_and_judge(&bytes);
        load_and_explain(&bytes);
    }
}
