//! All that a test tells.

use flow::{Table, Time};
use serde::Serialize;

use super::{Calibrated, ClassFigures, Curve, Figures, Interval, Latency, Refusals, Reliability, bootstrap};
use crate::{Classes, Dataset, Detector, Error, Identity, Probabilities, Verdict};

/// What a detector said of the rows of a test, and what is known of them.
#[derive(Clone, Debug, Default)]
pub struct Tested {
    /// What it said of each row.
    pub verdicts: Vec<Verdict>,
    /// The names of the classes that its model tells apart, that of benign rows first; empty where it tells none.
    pub classes: Vec<String>,
    /// How likely each row is of each of them, row by row; empty where it tells none.
    pub probabilities: Vec<f32>,
    /// The score of each row before it was calibrated; empty of a detector that does not calibrate.
    pub uncalibrated: Vec<f32>,
    /// Whether each row is called an attack of no known kind; empty of a detector that gives attacks no names.
    pub refused: Vec<bool>,
    /// When each row happened, where that is known.
    pub times: Option<Vec<Time>>,
    /// What each row belongs to, where that is known.
    pub groups: Option<Vec<u32>>,
}

/// All that a test tells: figures with their intervals, curves, and where they are known calibration, classes, latency.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// The 95 % intervals of those that have one, by [`bootstrap`].
    #[serde(serialize_with = "as_map")]
    pub intervals: Vec<(&'static str, Interval)>,
    /// Points (false-positive rate, recall).
    pub roc: Vec<(f64, f64)>,
    /// Points (recall, precision).
    pub precision_recall: Vec<(f64, f64)>,
    /// The benign rows and the attacks by score, in bins of equal width over 0..=1.
    pub scores: Vec<[u64; 2]>,
    /// Scores as probabilities; `None` of a model whose scores are none.
    pub reliability: Option<Reliability>,
    /// The same before they were calibrated; `None` where they were not.
    pub uncalibrated: Option<Reliability>,
    /// What of the alarms got no name; `None` of a detector that gives attacks no names.
    pub refusals: Option<Refusals>,
    /// Class by class; `None` of a model that tells only attacks from benign rows, or none apart.
    pub classes: Option<ClassFigures>,
    /// The rows of kinds that no class stands for, which are not among those of `classes`.
    pub unknown_class_rows: u64,
    /// How long attacks went on before their first alarm; `None` where the rows have no time.
    pub latency: Option<Latency>,
}

impl Tested {
    /// No rows yet, for this detector.
    pub fn by(detector: &Detector) -> Tested {
        Tested { classes: detector.model().classes().to_vec(), ..Tested::default() }
    }

    /// Adds what the detector says of the rows of a table, which it looks at once.
    pub fn add(&mut self, detector: &Detector, table: &Table) -> Result<(), Error> {
        let (scores, probabilities) = detector.look(table)?;
        if detector.calibrator().is_some() {
            self.uncalibrated.extend_from_slice(&scores);
        }
        let verdicts = detector.verdicts(scores);
        self.verdicts.extend_from_slice(&verdicts);
        if detector.names_attacks() {
            self.probabilities.extend(probabilities.iter().flat_map(Probabilities::values));
            let identities = detector.identify(table, &verdicts)?;
            self.refused.extend(identities.iter().map(|identity| *identity == Some(Identity::Unknown)));
        }
        Ok(())
    }

    /// What its calibration did, by the truth of the rows; `None` of a detector that does not calibrate.
    pub fn calibrated(&self, attacks: &[bool]) -> Option<Calibrated> {
        let scores: Vec<f32> = self.verdicts.iter().map(|verdict| verdict.score).collect();
        let [before, after] = [&self.uncalibrated, &scores].map(|scores| Reliability::of(scores, attacks));
        (!self.uncalibrated.is_empty()).then_some(Calibrated { before, after })
    }
}

impl Outcome {
    /// All that a test tells. `seen` are the kinds that training saw; where it is empty, all count as seen.
    pub fn of(tested: &Tested, truth: &Dataset, seen: &[String], seed: u64) -> Result<Outcome, Error> {
        let figures = Figures::of(&tested.verdicts, truth, seen)?;
        let attacks = truth.attacks().ok_or(Error::Unlabelled("evaluation"))?;
        let scores: Vec<f32> = tested.verdicts.iter().map(|verdict| verdict.score).collect();
        let curve = Curve::of(scores.iter().copied(), attacks);
        let mut by_score = vec![[0u64; 2]; BINS];
        for (&score, &attack) in scores.iter().zip(attacks) {
            by_score[((score * BINS as f32) as usize).min(BINS - 1)][usize::from(attack)] += 1;
        }
        let (classes, unknown_class_rows) = match tested.classes.len() {
            0..=2 => (None, 0),
            _ => by_class(tested, truth)?,
        };
        let is_probability = !tested.classes.is_empty() || !tested.uncalibrated.is_empty();
        let refusals = (!tested.refused.is_empty())
            .then(|| Refusals::of(&tested.verdicts, &tested.refused, truth, seen))
            .transpose()?;
        let latency =
            tested.times.as_ref().map(|times| Latency::of(&tested.verdicts, truth, times, tested.groups.as_deref()));
        Ok(Outcome {
            intervals: bootstrap(&tested.verdicts, attacks, seed)?,
            roc: curve.roc_points(POINTS),
            precision_recall: curve.pr_points(POINTS),
            scores: by_score,
            reliability: is_probability.then(|| Reliability::of(&scores, attacks)),
            uncalibrated: tested.calibrated(attacks).map(|of| of.before),
            refusals,
            classes,
            unknown_class_rows,
            latency: latency.transpose()?,
            figures,
        })
    }

    /// The interval of a figure, by its name.
    pub fn interval(&self, name: &str) -> Option<Interval> {
        self.intervals.iter().find(|interval| interval.0 == name).map(|interval| interval.1)
    }
}

/// Figures class by class, over the rows whose kind, or whose family of kinds, is a class; and how many are of none.
fn by_class(tested: &Tested, truth: &Dataset) -> Result<(Option<ClassFigures>, u64), Error> {
    let width = tested.classes.len();
    if tested.probabilities.len() != truth.rows() * width {
        let expected = truth.rows() * width;
        return Err(Error::Length { what: "probabilities", expected, found: tested.probabilities.len() });
    }
    let Some(among) = Classes::among(truth, &tested.classes) else { return Ok((None, 0)) };
    let (mut own, mut given, mut likely) = (Vec::new(), Vec::new(), Vec::new());
    for (class, probabilities) in among.into_iter().zip(tested.probabilities.chunks_exact(width)) {
        let Some(class) = class else { continue };
        own.push(class);
        let better = |best: usize, class: usize| if probabilities[class] > probabilities[best] { class } else { best };
        given.push((0..width).fold(0, better) as u32);
        likely.extend_from_slice(probabilities);
    }
    let unknown = (truth.rows() - own.len()) as u64;
    Ok((Some(ClassFigures::of(&own, &given, Some(&likely), &tested.classes)?), unknown))
}

fn as_map<S: serde::Serializer>(intervals: &[(&'static str, Interval)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(intervals.iter().map(|(name, interval)| (name, interval)))
}

const POINTS: usize = 200;
const BINS: usize = 40;

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};

    use super::*;

    fn truth(kinds: &[&str]) -> Dataset {
        let table = Table::new(vec![Column::numbers("bytes", vec![0.0; kinds.len()])]).unwrap();
        Dataset::labelled(table, &kinds.iter().map(|kind| Label::new(kind)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn kinds_are_held_against_their_family_and_unknown_ones_stand_apart() {
        let truth = truth(&["normal", "smurf", "worm", "unheard-of"]);
        let tested = Tested {
            verdicts: [0.1, 0.9, 0.6, 0.4].map(|score| Verdict { score, alarm: score >= 0.5 }).to_vec(),
            classes: ["benign", "dos", "probe"].map(String::from).to_vec(),
            probabilities: vec![0.9, 0.1, 0.0, 0.1, 0.8, 0.1, 0.4, 0.0, 0.6, 0.6, 0.2, 0.2],
            ..Tested::default()
        };
        let outcome = Outcome::of(&tested, &truth, &[], 1).unwrap();
        let classes = outcome.classes.unwrap();
        assert_eq!(outcome.unknown_class_rows, 1);
        // Both attacks are of the family dos; the worm is taken for a probe.
        assert_eq!(classes.counts, [[1, 0, 0], [0, 1, 1], [0, 0, 0]]);
        assert!(Outcome::of(&Tested { probabilities: vec![0.5], ..tested }, &truth, &[], 1).is_err());
    }

    #[test]
    fn every_row_has_its_place_among_the_scores() {
        let verdicts = [0.0, 0.49, 1.0].map(|score| Verdict { score, alarm: score >= 0.5 }).to_vec();
        let tested = Tested { verdicts, ..Tested::default() };
        let outcome = Outcome::of(&tested, &truth(&["normal", "normal", "scan"]), &[], 1).unwrap();
        assert_eq!((outcome.scores[0], outcome.scores[19], outcome.scores[39]), ([1, 0], [1, 0], [0, 1]));
        assert_eq!((outcome.reliability, outcome.latency, outcome.classes), (None, None, None));
    }
}
