//! Detectors that learn on from further tables.

use std::collections::BTreeMap;

use flow::{Category, Column, Table};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::detector::calibrated;
use crate::evaluation::{Figures, Finding, Rule};
use crate::{Calibration, Classes, Dataset, Detector, Error, Learner, Verdict};

/// A detector that learns on, block by block, in memory that does not grow with the rows. The encoder stays as fitted.
///
/// Every block is given twice: first all to [`Continuation::learn`], then all again, in the same order, to
/// [`Continuation::validate`]. Two models learn: one from every row, which is kept, and one from all but a fifth of them, on
/// which calibration and threshold are chosen anew, as in a training.
///
/// ```
/// use flow::{Column, Table};
/// use model::{Continuation, Dataset, Detector, Learning, Method, Plan};
/// let rows = |shift: f32| {
///     let bytes = (0..2000).map(|row| (row % 50) as f32 + shift).collect();
///     Dataset::unlabelled(Table::new(vec![Column::numbers("bytes", bytes)]).unwrap())
/// };
/// let rule = model::evaluation::Rule::FalsePositiveRate(0.01);
/// let plan = Plan { method: Method::HalfSpaceTrees(Default::default()), rule, ..Plan::default() };
/// let detector = Detector::train(&rows(0.0), &plan).unwrap();
///
/// let tomorrow = rows(10.0);
/// let mut continuation = Continuation::of(detector, Learning::AllRows, 1).unwrap();
/// continuation.learn(&tomorrow).unwrap();
/// continuation.validate(&tomorrow).unwrap();
/// let detector = continuation.finish("tomorrow".into(), rule).unwrap();
/// assert_eq!(detector.supplement.continued[0].learned, 2000);
/// ```
pub struct Continuation {
    detector: Detector,
    learning: Learning,
    /// Learns from every row.
    whole: Learner,
    /// Learns from those that are not held back.
    part: Learner,
    seed: u64,
    /// Rows given to learn from, and to validate on.
    rows: [u64; 2],
    attacks: Option<u64>,
    learned: u64,
    unknown: u64,
    kinds: Kinds,
    hasher: Sha256,
    /// What was said of rows before they were learned from, with their kinds.
    foretold: Sample<(Verdict, u32)>,
    /// Scores of rows held back, with the truth where it is known.
    held: Sample<(f32, Option<bool>)>,
}

/// Which rows are learned from, beside those of attacks, from which only a method that learns from labels learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learning {
    /// All.
    #[default]
    AllRows,
    /// Those that do not alarm: for rows without labels, among which attacks may be.
    QuietRows,
}

/// What a detector learned on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Continued {
    /// What the tables were, in words.
    pub source: String,
    /// The first and the last time of the rows, where that is known.
    pub span: Option<[String; 2]>,
    /// The rows of the tables.
    pub rows: u64,
    /// The attacks among them; `None` where the truth was unknown.
    pub attacks: Option<u64>,
    /// The rows that were learned from.
    pub learned: u64,
    /// Which rows were.
    pub learning: Learning,
    /// Attacks of kinds for which the detector has no class: they were not learned from.
    pub unknown: u64,
    /// The hash of the rows, in hexadecimal.
    pub sha256: String,
    /// What all random numbers came from.
    pub seed: u64,
    /// How the threshold was chosen.
    pub rule: Rule,
    /// The threshold before, and after.
    pub thresholds: [f32; 2],
    /// Why threshold and calibration stayed as they were, where they did.
    pub kept: Option<String>,
    /// Figures on the rows, each judged before it was learned from (prequential, Gama et al. 2013); `None` without labels.
    pub figures: Option<Figures>,
    /// What the audit of the first rows found.
    pub findings: Vec<Finding>,
}

impl Continuation {
    /// Goes on from this detector; refused where its method fits a table as a whole.
    pub fn of(detector: Detector, learning: Learning, seed: u64) -> Result<Continuation, Error> {
        let learner = Learner::of(detector.model().clone())?;
        Ok(Continuation {
            learning,
            whole: learner.clone(),
            part: learner,
            seed,
            rows: [0; 2],
            attacks: None,
            learned: 0,
            unknown: 0,
            kinds: Kinds::default(),
            hasher: Sha256::new(),
            foretold: Sample::new(seed),
            held: Sample::new(seed),
            detector,
        })
    }

    /// Learns from a block of further rows. After an error nothing of it has been learned.
    pub fn learn(&mut self, block: &Dataset) -> Result<(), Error> {
        let matrix = self.detector.encoder().encode(block.table())?;
        let scores = calibrated(self.whole.model().scores(&matrix)?, self.detector.calibrator());
        let threshold = self.detector.threshold();
        let verdicts = scores.into_iter().map(|score| Verdict { score, alarm: score >= threshold });
        let verdicts: Vec<Verdict> = verdicts.collect();
        let is_quiet = |row: &usize| self.learning == Learning::AllRows || !verdicts[*row].alarm;
        let supervised = self.detector.provenance.method.is_supervised();
        let classes = if supervised {
            let known = Classes::among(block, self.detector.model().classes());
            Some(known.ok_or(Error::Unlabelled(self.detector.provenance.method.name()))?)
        } else {
            None
        };
        let (rows, unknown): (Vec<usize>, usize) = match &classes {
            Some(classes) => {
                let known: Vec<usize> = (0..classes.len()).filter(|&row| classes[row].is_some()).collect();
                let unknown = classes.len() - known.len();
                (known.into_iter().filter(is_quiet).collect(), unknown)
            }
            None => (block.benign_rows().into_iter().filter(is_quiet).collect(), 0),
        };
        let parted = rows.iter().copied().filter(|&row| !self.is_held(self.rows[0] + row as u64)).collect();
        for (learner, rows) in [(&mut self.whole, &rows), (&mut self.part, &parted)] {
            let truth = classes.as_ref().map(|classes| {
                let codes = rows.iter().filter_map(|&row| classes[row]).collect();
                Classes::new(codes, self.detector.model().classes().to_vec())
            });
            if !rows.is_empty() {
                learner.learn(&matrix.select(rows), truth.transpose()?.as_ref())?;
            }
        }
        if let (Some(kinds), Some(attacks)) = (block.kinds(), block.attacks()) {
            *self.attacks.get_or_insert(0) += attacks.iter().filter(|attack| **attack).count() as u64;
            let codes = self.kinds.codes(kinds)?;
            verdicts.into_iter().zip(codes).for_each(|told| self.foretold.add(told));
        }
        self.hasher.update(block.sha256());
        self.learned += rows.len() as u64;
        self.unknown += unknown as u64;
        self.rows[0] += block.rows() as u64;
        Ok(())
    }

    /// Scores the rows of a block that were held back. Called when all blocks have been learned from, with the same ones.
    pub fn validate(&mut self, block: &Dataset) -> Result<(), Error> {
        let held: Vec<usize> = (0..block.rows()).filter(|&row| self.is_held(self.rows[1] + row as u64)).collect();
        self.rows[1] += block.rows() as u64;
        if held.is_empty() {
            return Ok(());
        }
        let scores = self.part.model().scores(&self.detector.encoder().encode(&block.table().select(&held))?)?;
        for (row, score) in held.into_iter().zip(scores) {
            self.held.add((score, block.attacks().map(|attacks| attacks[row])));
        }
        Ok(())
    }

    /// The detector with what it has learned, and a threshold chosen by the rule on the rows held back; where they cannot
    /// tell one (all benign, say, and the rule wants attacks), calibration and threshold stay.
    pub fn finish(mut self, source: String, rule: Rule) -> Result<Detector, Error> {
        if self.rows[0] == 0 || self.learned == 0 {
            return Err(Error::Empty("further rows"));
        }
        if self.rows[0] != self.rows[1] {
            let [expected, found] = self.rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
            return Err(Error::Length { what: "rows to validate on", expected, found });
        }
        let before = self.detector.threshold();
        let (calibrator, threshold, kept) = match self.choose(rule) {
            Ok((calibrator, threshold)) => (calibrator, threshold, None),
            Err(error @ (Error::OneClass(_) | Error::Empty(_) | Error::Unlabelled(_))) => {
                (self.detector.calibrator().cloned(), before, Some(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        let figures = match self.attacks {
            None => None,
            Some(_) => Some(self.figures()?),
        };
        let continued = Continued {
            source,
            span: None,
            rows: self.rows[0],
            attacks: self.attacks,
            learned: self.learned,
            learning: self.learning,
            unknown: self.unknown,
            sha256: self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            seed: self.seed,
            rule,
            thresholds: [before, threshold],
            kept,
            figures,
            findings: Vec::new(),
        };
        let mut detector = self.detector.with_model(self.whole.into_model(), calibrator, threshold);
        detector.provenance.kinds.append(&mut self.kinds.names);
        detector.provenance.kinds.sort_unstable();
        detector.provenance.kinds.dedup();
        detector.provenance.rule = rule;
        detector.supplement.continued.push(continued);
        Ok(detector)
    }

    /// Calibration and threshold by the rows held back.
    fn choose(&self, rule: Rule) -> Result<(Option<crate::Calibrator>, f32), Error> {
        let (mut scores, truth): (Vec<f32>, Vec<Option<bool>>) = self.held.rows.iter().copied().unzip();
        let mut attacks: Option<Vec<bool>> = truth.into_iter().collect();
        let calibrator = match self.detector.calibrator() {
            None => None,
            Some(calibrator) => {
                let attacks = attacks.as_ref().ok_or(Error::Unlabelled("calibration"))?;
                let calibration: Calibration = calibrator.calibration();
                Some(calibration.fit(&scores, attacks)?)
            }
        };
        if let (Rule::Contamination(_), false, Some(truth)) =
            (rule, self.detector.provenance.method.is_supervised(), &attacks)
        {
            scores = scores.into_iter().zip(truth).filter(|(_, attack)| !**attack).map(|(score, _)| score).collect();
            attacks = None;
        }
        let scores = calibrated(scores, calibrator.as_ref());
        Ok((calibrator, rule.choose(&scores, attacks.as_deref())?))
    }

    /// Figures on the rows as they were judged before they were learned from.
    fn figures(&self) -> Result<Figures, Error> {
        let (verdicts, codes): (Vec<Verdict>, Vec<u32>) = self.foretold.rows.iter().copied().unzip();
        let scores = verdicts.iter().map(|verdict| verdict.score).collect();
        let table = Table::new(vec![Column::numbers("score", scores)]).map_err(|_| Error::Empty("rows"))?;
        let truth = Dataset::of_kinds(table, Category { codes, vocabulary: self.kinds.names.clone() })?;
        Figures::of(&verdicts, &truth, &self.detector.provenance.kinds)
    }

    /// Whether a row is held back, by its number alone, so that both passes agree.
    fn is_held(&self, row: u64) -> bool {
        let mut random = Pcg64Mcg::seed_from_u64(self.seed ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.random_bool(HELD)
    }
}

/// The names of kinds that occur, in the order in which they did.
#[derive(Default)]
struct Kinds {
    names: Vec<String>,
    codes: BTreeMap<String, u32>,
}

impl Kinds {
    /// The kinds of a block by these codes.
    fn codes(&mut self, block: &Category) -> Result<Vec<u32>, Error> {
        let mut own = vec![None; block.vocabulary.len()];
        block
            .codes
            .iter()
            .map(|&code| {
                let own = &mut own[code as usize];
                if let Some(code) = own {
                    return Ok(*code);
                }
                let name = &block.vocabulary[code as usize];
                let code = match self.codes.get(name) {
                    Some(code) => *code,
                    None if self.names.len() >= MOST_KINDS => {
                        return Err(Error::Classes { method: "a label", most: MOST_KINDS, found: MOST_KINDS + 1 });
                    }
                    None => {
                        self.names.push(name.clone());
                        self.codes.insert(name.clone(), self.names.len() as u32 - 1);
                        self.names.len() as u32 - 1
                    }
                };
                Ok(*own.insert(code))
            })
            .collect()
    }
}

/// A bounded uniform sample of rows without end (Vitter 1985, algorithm R).
struct Sample<T> {
    rows: Vec<T>,
    seen: u64,
    random: Pcg64Mcg,
}

impl<T> Sample<T> {
    fn new(seed: u64) -> Sample<T> {
        Sample { rows: Vec::new(), seen: 0, random: Pcg64Mcg::seed_from_u64(seed) }
    }

    fn add(&mut self, row: T) {
        self.seen += 1;
        if self.rows.len() < MOST_ROWS {
            self.rows.push(row);
            return;
        }
        let place = self.random.random_range(0..self.seen);
        if let Some(old) = usize::try_from(place).ok().and_then(|place| self.rows.get_mut(place)) {
            *old = row;
        }
    }
}

/// The share of the rows that is held back, as in a training.
const HELD: f64 = 0.2;
/// Enough for every figure to three digits, and 16 MB.
const MOST_ROWS: usize = 1 << 20;
/// A label of more kinds is none.
const MOST_KINDS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use flow::Label;

    use super::*;
    use crate::estimator::{HalfSpaceTrees, OnlineLogistic};
    use crate::{Grouping, Method, Plan};

    /// Benign rows around 10, attacks around 30; all moved by `shift`.
    fn rows(count: usize, shift: f32, kinds: &[&str]) -> Dataset {
        let kind = |row: usize| kinds[row % kinds.len()];
        let place = |row: usize| if Label::new(kind(row)).is_attack() { 30.0 } else { 10.0 };
        let bytes = (0..count).map(|row| place(row) + shift + ((row * 37) % 23) as f32 / 4.0).collect();
        let table = Table::new(vec![Column::numbers("bytes", bytes)]).unwrap();
        Dataset::labelled(table, &(0..count).map(|row| Label::new(kind(row))).collect::<Vec<_>>()).unwrap()
    }

    fn online() -> [Method; 2] {
        let small = HalfSpaceTrees { window: 50, ..HalfSpaceTrees::default() };
        [Method::OnlineLogistic(OnlineLogistic::default()), Method::HalfSpaceTrees(small)]
    }

    fn go_on(detector: &Detector, blocks: &[Dataset], rule: Rule) -> Result<Detector, Error> {
        let mut continuation = Continuation::of(detector.clone(), Learning::AllRows, 1)?;
        blocks.iter().try_for_each(|block| continuation.learn(block))?;
        blocks.iter().try_for_each(|block| continuation.validate(block))?;
        continuation.finish("further rows".into(), rule)
    }

    #[test]
    fn a_detector_that_learns_on_judges_a_network_that_moved_better_than_one_that_does_not() {
        let kinds = ["normal", "normal", "normal", "scan"];
        let moved = rows(2000, 15.0, &kinds);
        for method in online() {
            let rule = if method.is_supervised() { Rule::F1 } else { Rule::FalsePositiveRate(0.02) };
            let plan = Plan { method, rule, ..Plan::default() };
            let detector = Detector::train(&rows(2000, 0.0, &kinds), &plan).unwrap();
            let later = go_on(&detector, &[rows(2000, 15.0, &kinds), rows(2000, 15.0, &kinds)], rule).unwrap();
            let wrong = |detector: &Detector| {
                let verdicts = detector.judge(moved.table()).unwrap();
                let attacks = moved.attacks().unwrap();
                verdicts.iter().zip(attacks).filter(|(verdict, attack)| verdict.alarm != **attack).count()
            };
            assert!(wrong(&later) < wrong(&detector) / 2, "{} {}", wrong(&later), wrong(&detector));
            assert_eq!((later.encoder(), later.supplement.continued[0].rows), (detector.encoder(), 4000));
        }
    }

    #[test]
    fn what_was_learned_on_is_on_the_card_and_saved() {
        let plan = Plan { method: online()[0].clone(), ..Plan::default() };
        let detector = Detector::train(&rows(400, 0.0, &["normal", "scan"]), &plan).unwrap();
        let more = go_on(&detector, &[rows(300, 1.0, &["normal", "worm"])], Rule::F1).unwrap();
        let continued = &more.supplement.continued[0];
        assert_eq!((continued.learned, continued.attacks, continued.unknown), (300, Some(150), 0));
        let figures = continued.figures.as_ref().unwrap();
        assert_eq!((figures.rows, figures.unseen_recall.is_some()), (300, true), "worms were never seen before");
        assert_eq!(more.provenance.kinds, ["normal", "scan", "worm"]);
        assert_eq!(Detector::from_bytes(&more.to_bytes().unwrap()).unwrap(), more);
    }

    #[test]
    fn blocks_do_not_change_what_is_learned() {
        let kinds = ["normal", "normal", "scan"];
        let all = rows(900, 2.0, &kinds);
        let parts = [0..300, 300..301, 301..900].map(|part| all.select(&part.collect::<Vec<usize>>()));
        for method in online() {
            let plan = Plan { method, rule: Rule::FalsePositiveRate(0.05), ..Plan::default() };
            let detector = Detector::train(&rows(600, 0.0, &kinds), &plan).unwrap();
            let [one, several] =
                [&[all.clone()][..], &parts[..]].map(|blocks| go_on(&detector, blocks, plan.rule).unwrap());
            assert_eq!((one.model(), one.threshold()), (several.model(), several.threshold()));
        }
    }

    #[test]
    fn a_quiet_day_leaves_a_threshold_that_needs_attacks_as_it_is() {
        let plan = Plan { method: online()[0].clone(), ..Plan::default() };
        let detector = Detector::train(&rows(400, 0.0, &["normal", "scan"]), &plan).unwrap();
        let quiet = go_on(&detector, &[rows(200, 0.0, &["normal"])], Rule::F1).unwrap();
        assert_eq!(quiet.threshold(), detector.threshold());
        assert!(quiet.supplement.continued[0].kept.as_ref().unwrap().contains("benign"));
    }

    #[test]
    fn attacks_of_no_class_are_counted_and_a_method_of_whole_tables_is_refused() {
        let kinds = Plan { grouping: Grouping::Kinds, method: online()[0].clone(), ..Plan::default() };
        let detector = Detector::train(&rows(600, 0.0, &["normal", "scan", "flood"]), &kinds).unwrap();
        let more = go_on(&detector, &[rows(300, 0.0, &["normal", "scan", "worm"])], Rule::F1).unwrap();
        assert_eq!((more.supplement.continued[0].unknown, more.supplement.continued[0].learned), (100, 200));
        let forest = Detector::train(&rows(400, 0.0, &["normal", "scan"]), &Plan::default()).unwrap();
        let refused = Continuation::of(forest, Learning::AllRows, 1).err().unwrap().to_string();
        assert!(refused.contains("half-space-trees") && refused.contains("online-logistic"), "{refused}");
    }

    #[test]
    fn rows_that_alarm_are_not_learned_from_where_only_quiet_ones_shall_be() {
        let plan = Plan { method: online()[1].clone(), rule: Rule::FalsePositiveRate(0.01), ..Plan::default() };
        let detector = Detector::train(&rows(2000, 0.0, &["normal"]), &plan).unwrap();
        let table = rows(400, 0.0, &["normal", "scan"]).table().clone();
        let alarms = detector.judge(&table).unwrap().iter().filter(|verdict| verdict.alarm).count();
        let mut continuation = Continuation::of(detector, Learning::QuietRows, 1).unwrap();
        continuation.learn(&Dataset::unlabelled(table)).unwrap();
        assert!(alarms > 100 && continuation.learned == 400 - alarms as u64, "{alarms} {}", continuation.learned);
    }

    #[test]
    fn a_sample_is_bounded_and_every_row_is_as_likely() {
        let mut sample = Sample::new(1);
        (0..3 * MOST_ROWS as u64).for_each(|row| sample.add(row));
        assert_eq!(sample.rows.len(), MOST_ROWS);
        let mean = sample.rows.iter().sum::<u64>() as f64 / MOST_ROWS as f64;
        assert!((mean / (1.5 * MOST_ROWS as f64) - 1.0).abs() < 0.01, "{mean}");
    }
}
