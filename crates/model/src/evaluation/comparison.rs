//! Several detectors on the same rows.

use serde::Serialize;

use super::statistics::benjamini_hochberg;
use super::tune::spread;
use super::{Curve, DeLong, Figures, Finding, McNemar, delong, mcnemar};
use crate::{Calibration, Error, Verdict};

/// One of those that are compared.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What people call it.
    pub name: String,
    /// Its figures in every test: fold by fold, seed by seed, or just one.
    pub tests: Vec<Figures>,
    /// What it said of the rows that all of them were tested on.
    pub verdicts: Vec<Verdict>,
}

/// Several detectors on the same rows, and which differences are more than luck.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What was tested on, in words.
    pub test: String,
    /// The rows that all of them were tested on.
    pub rows: u64,
    /// The attacks among them.
    pub attacks: u64,
    /// Each of them, in the order given.
    pub contenders: Vec<Contender>,
    /// Every two of them.
    pub pairs: Vec<Pair>,
    /// How their scores were made probabilities; `None` where they were not.
    pub calibration: Option<Calibration>,
    /// What the audit of the table found.
    pub findings: Vec<Finding>,
}

/// How one of them fared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contender {
    /// What people call it.
    pub name: String,
    /// Mean and standard deviation of every figure over the tests, by name.
    pub spread: Vec<(String, f64, f64)>,
    /// Its figures in every test.
    pub tests: Vec<Figures>,
    /// Points (false-positive rate, recall) over all rows.
    pub roc: Vec<(f64, f64)>,
    /// Points (recall, precision) over all rows.
    pub precision_recall: Vec<(f64, f64)>,
}

/// Whether the difference between two of them is more than luck.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The first one's name.
    pub first: String,
    /// The second one's name.
    pub second: String,
    /// Of their alarms.
    pub mcnemar: McNemar,
    /// The probability of McNemar's test, corrected for there being many pairs (Benjamini and Hochberg 1995).
    pub adjusted_p: f64,
    /// Of their scores; `None` where all rows are of one side.
    pub delong: Option<DeLong>,
}

impl Comparison {
    /// Compares detectors on the same rows, whose truth is given.
    pub fn of(test: String, entries: &[Entry], attacks: &[bool]) -> Result<Comparison, Error> {
        let mut pairs = Vec::new();
        for (place, second) in entries.iter().enumerate() {
            for first in &entries[..place] {
                let [one, other] = [first, second].map(|entry| alarms(&entry.verdicts));
                let [scores, others] = [first, second].map(|entry| scores(&entry.verdicts));
                pairs.push(Pair {
                    first: first.name.clone(),
                    second: second.name.clone(),
                    mcnemar: mcnemar(&one, &other, attacks)?,
                    adjusted_p: 1.0,
                    delong: delong(&scores, &others, attacks)?,
                });
            }
        }
        let probabilities: Vec<f64> = pairs.iter().map(|pair| pair.mcnemar.p).collect();
        pairs.iter_mut().zip(benjamini_hochberg(&probabilities)).for_each(|(pair, p)| pair.adjusted_p = p);
        let contender = |entry: &Entry| {
            let curve = Curve::of(scores(&entry.verdicts), attacks);
            Contender {
                name: entry.name.clone(),
                spread: spread(&entry.tests),
                tests: entry.tests.clone(),
                roc: curve.roc_points(POINTS),
                precision_recall: curve.pr_points(POINTS),
            }
        };
        Ok(Comparison {
            test,
            rows: attacks.len() as u64,
            attacks: attacks.iter().filter(|attack| **attack).count() as u64,
            contenders: entries.iter().map(contender).collect(),
            pairs,
            calibration: None,
            findings: Vec::new(),
        })
    }
}

impl Contender {
    /// Mean and standard deviation of a figure, by its name.
    pub fn figure(&self, name: &str) -> Option<(f64, f64)> {
        self.spread.iter().find(|figure| figure.0 == name).map(|figure| (figure.1, figure.2))
    }
}

fn alarms(verdicts: &[Verdict]) -> Vec<bool> {
    verdicts.iter().map(|verdict| verdict.alarm).collect()
}

fn scores(verdicts: &[Verdict]) -> Vec<f32> {
    verdicts.iter().map(|verdict| verdict.score).collect()
}

const POINTS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, right: impl Fn(usize) -> bool) -> Entry {
        let verdict = |row: usize| {
            let alarm = right(row) == (row.is_multiple_of(2));
            Verdict { score: if alarm { 0.9 } else { 0.1 }, alarm }
        };
        Entry { name: name.into(), tests: Vec::new(), verdicts: (0..400).map(verdict).collect() }
    }

    #[test]
    fn a_better_detector_is_told_from_a_luckier_one() {
        let attacks: Vec<bool> = (0..400).map(|row: usize| row.is_multiple_of(2)).collect();
        let entries = [
            entry("good", |row| row % 20 > 0),
            entry("poor", |row| row % 4 > 0),
            entry("poorer", |row| row % 199 > 100),
        ];
        let comparison = Comparison::of("a test".into(), &entries, &attacks).unwrap();
        assert_eq!((comparison.pairs.len(), comparison.attacks), (3, 200));
        let pair = &comparison.pairs[0];
        assert_eq!((pair.first.as_str(), pair.second.as_str()), ("good", "poor"));
        assert!(pair.adjusted_p < 1e-6 && pair.delong.unwrap().p < 1e-6);
        assert!(pair.delong.unwrap().interval[0] > 0.0);
        assert!(comparison.pairs.iter().all(|pair| pair.adjusted_p >= pair.mcnemar.p));
        assert!(Comparison::of(String::new(), &entries, &attacks[1..]).is_err());
    }
}
