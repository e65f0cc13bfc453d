//! What is known of a detector that its provenance has no place for.

use serde::{Deserialize, Serialize};

use crate::evaluation::{Calibrated, Overruled, Refusals};
use crate::{Continued, Selected};

/// What is known of a detector beside its provenance. It is saved behind it as JSON, so that it can grow: a file that
/// lacks a part of it, or all, has the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Supplement {
    /// The share of known attacks that may be called unknown wrongly, where the detector gives attacks names.
    pub refusal_rate: Option<f64>,
    /// How far scores were from being probabilities before they were calibrated, and after, on rows that it did not learn
    /// from.
    pub calibrated: Option<Calibrated>,
    /// What of the alarms got no name, in each test.
    pub refusals: Vec<(String, Refusals)>,
    /// What it learned on from since its training, the earliest first.
    pub continued: Vec<Continued>,
    /// How its columns were chosen, a selection after the other.
    pub selected: Vec<Selected>,
    /// The errors of the audit that were overruled when it was trained, or learned on.
    pub overruled: Vec<Overruled>,
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::estimator::DecisionTree;
    use crate::{Dataset, Detector, Method, Plan};

    fn detector() -> Detector {
        let bytes = (0..60).map(|row| ((row * 37) % 23) as f32 + if row % 5 == 0 { 60.0 } else { 0.0 }).collect();
        let labels: Vec<Label> = (0..60).map(|row| Label::new(if row % 5 == 0 { "scan" } else { "normal" })).collect();
        let table = Table::new(vec![Column::numbers("bytes", bytes)]).unwrap();
        let plan = Plan { method: Method::DecisionTree(DecisionTree::default()), ..Plan::default() };
        Detector::train(&Dataset::labelled(table, &labels).unwrap(), &plan).unwrap()
    }

    /// A detector file with something behind the detector.
    fn with_tail(tail: &[u8]) -> Vec<u8> {
        let bytes = detector().to_bytes().unwrap();
        let (body, _) = bytes.split_at(bytes.len() - 32);
        let mut body = [body, tail].concat();
        let length = (body.len() - 18) as u64;
        body[10..18].copy_from_slice(&length.to_le_bytes());
        let checksum = Sha256::digest(&body);
        [&body[..], &checksum[..]].concat()
    }

    #[test]
    fn a_file_without_a_supplement_has_the_default() {
        assert_eq!(detector().supplement, Supplement::default());
        assert_eq!(Detector::from_bytes(&with_tail(b"")).unwrap(), detector());
    }

    #[test]
    fn a_supplement_is_saved_and_one_of_a_later_version_loads_too() {
        let mut detector = detector();
        detector.supplement.refusals = vec![("a test".into(), Refusals::default())];
        detector.supplement.refusal_rate = Some(0.05);
        assert_eq!(Detector::from_bytes(&detector.to_bytes().unwrap()).unwrap(), detector);
        let later = Detector::from_bytes(&with_tail(br#"{"refusal_rate": 0.5, "of-tomorrow": [1]}"#)).unwrap();
        assert_eq!(later.supplement, Supplement { refusal_rate: Some(0.5), ..Supplement::default() });
    }

    #[test]
    fn a_damaged_supplement_is_an_error() {
        for tail in [&b"{"[..], b"[]x", b"\0", b"{}{}", b"{\"refusals\": 3}"] {
            assert!(Detector::from_bytes(&with_tail(tail)).is_err(), "{tail:?}");
        }
    }
}
