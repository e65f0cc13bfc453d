//! Figures of a scored table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Dataset, Error, Verdict};

/// How often alarms were right and wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Attacks with an alarm.
    pub true_positives: u64,
    /// Benign rows with an alarm.
    pub false_positives: u64,
    /// Benign rows without.
    pub true_negatives: u64,
    /// Attacks without.
    pub false_negatives: u64,
}

impl Confusion {
    /// Counts alarms against the truth.
    pub fn of(alarms: impl IntoIterator<Item = bool>, attacks: &[bool]) -> Confusion {
        let mut counts = Confusion::default();
        for (alarm, &attack) in alarms.into_iter().zip(attacks) {
            match (alarm, attack) {
                (true, true) => counts.true_positives += 1,
                (true, false) => counts.false_positives += 1,
                (false, false) => counts.true_negatives += 1,
                (false, true) => counts.false_negatives += 1,
            }
        }
        counts
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.true_positives + self.false_positives + self.true_negatives + self.false_negatives
    }

    /// The number of rows judged wrongly.
    pub fn errors(&self) -> u64 {
        self.false_positives + self.false_negatives
    }

    /// The share of rows judged rightly.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.true_positives + self.true_negatives, self.rows())
    }

    /// The share of alarms that were attacks; `None` where there was no alarm.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// The share of attacks with an alarm; `None` where there was no attack.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// The harmonic mean of precision and recall; `None` where there was neither alarm nor attack.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.true_positives, 2 * self.true_positives + self.errors())
    }

    /// The share of benign rows with an alarm; `None` where no row was benign.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positives, self.false_positives + self.true_negatives)
    }
}

/// What is claimed about a detector on a table that it did not learn from. A figure that the rows cannot tell, such as
/// recall where there is no attack, is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The number of rows.
    pub rows: u64,
    /// The number of attacks among them.
    pub attacks: u64,
    /// Alarms against the truth.
    pub confusion: Confusion,
    /// The share of rows judged rightly.
    pub accuracy: Option<f64>,
    /// What always answering with the larger side would reach.
    pub majority_accuracy: Option<f64>,
    /// The share of alarms that were attacks.
    pub precision: Option<f64>,
    /// The share of attacks with an alarm.
    pub recall: Option<f64>,
    /// The harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// The share of benign rows with an alarm.
    pub false_positive_rate: Option<f64>,
    /// The area under the receiver operating characteristic.
    pub roc_auc: Option<f64>,
    /// The area under the curve of precision over recall.
    pub pr_auc: Option<f64>,
    /// The recall that some threshold reaches with at most 1 % of benign rows alarmed.
    pub recall_at_one_percent: Option<f64>,
    /// Each kind of row by itself, most rows first.
    pub kinds: Vec<KindFigures>,
    /// The recall on attack kinds that training never saw; `None` where there are none, or it is unknown what was seen.
    pub unseen_recall: Option<f64>,
}

/// What became of one kind of row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindFigures {
    /// The kind, as the data set names it.
    pub kind: String,
    /// Whether it is an attack.
    pub attack: bool,
    /// Whether training saw rows of it.
    pub seen: bool,
    /// Its rows.
    pub rows: u64,
    /// Its rows with an alarm.
    pub alarms: u64,
}

impl Figures {
    /// Figures of verdicts on rows of known truth. `seen` tells the kinds that training saw; where it is empty, all
    /// count as seen.
    pub fn of(verdicts: &[Verdict], dataset: &Dataset, seen: &[String]) -> Result<Figures, Error> {
        let attacks = dataset.attacks().ok_or(Error::Unlabelled("evaluation"))?;
        if verdicts.len() != attacks.len() {
            return Err(Error::Length { what: "verdicts", expected: attacks.len(), found: verdicts.len() });
        }
        let confusion = Confusion::of(verdicts.iter().map(|verdict| verdict.alarm), attacks);
        let curve = Curve::of(verdicts.iter().map(|verdict| verdict.score), attacks);
        let kinds = kinds(verdicts, dataset, attacks, seen);
        let unseen = kinds.iter().filter(|kind| kind.attack && !kind.seen);
        let unseen = unseen.fold((0, 0), |(alarms, rows), kind| (alarms + kind.alarms, rows + kind.rows));
        let (attack_rows, rows) = (confusion.true_positives + confusion.false_negatives, confusion.rows());
        Ok(Figures {
            rows,
            attacks: attack_rows,
            confusion,
            accuracy: confusion.accuracy(),
            majority_accuracy: share(attack_rows.max(rows - attack_rows), rows),
            precision: confusion.precision(),
            recall: confusion.recall(),
            f1: confusion.f1(),
            false_positive_rate: confusion.false_positive_rate(),
            roc_auc: curve.roc_auc(),
            pr_auc: curve.pr_auc(),
            recall_at_one_percent: curve.recall_at(0.01),
            kinds,
            unseen_recall: share(unseen.0, unseen.1),
        })
    }

    /// Alarms a day at this many flows a day, all of them benign: what a quiet day costs an analyst. `None` where no
    /// row was benign.
    pub fn alarms_a_day(&self, flows_a_day: f64) -> Option<f64> {
        Some(self.false_positive_rate? * flows_a_day)
    }
}

/// The counts above every distinct score, from the highest down.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// One a distinct score: the score, and the attacks and benign rows that score at least that.
    pub(crate) steps: Vec<(f32, u64, u64)>,
}

impl Curve {
    /// The curve of these scores; rows of one score make one step.
    pub fn of(scores: impl IntoIterator<Item = f32>, attacks: &[bool]) -> Curve {
        let mut rows: Vec<(f32, bool)> = scores.into_iter().zip(attacks.iter().copied()).collect();
        rows.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
        let (mut attacks, mut benign) = (0, 0);
        let steps = rows.chunk_by(|one, next| one.0 == next.0).map(|tied| {
            let attacks_here = tied.iter().filter(|(_, attack)| *attack).count() as u64;
            attacks += attacks_here;
            benign += tied.len() as u64 - attacks_here;
            (tied[0].0, attacks, benign)
        });
        Curve { steps: steps.collect() }
    }

    /// All attacks and all benign rows.
    fn totals(&self) -> (u64, u64) {
        self.steps.last().map_or((0, 0), |&(_, attacks, benign)| (attacks, benign))
    }

    /// The probability that an attack scores higher than a benign row, a tie counting half (Hanley and McNeil 1982).
    /// `None` where one of the sides is missing.
    pub fn roc_auc(&self) -> Option<f64> {
        let (attacks, benign) = self.totals();
        let mut area = 0.0;
        let mut last = (0, 0);
        for &(_, attacks, benign) in &self.steps {
            area += (benign - last.1) as f64 * (attacks + last.0) as f64 / 2.0;
            last = (attacks, benign);
        }
        (attacks > 0 && benign > 0).then(|| area / (attacks as f64 * benign as f64))
    }

    /// Average precision: the precision at each step, weighted by the recall that it adds. `None` without attacks.
    pub fn pr_auc(&self) -> Option<f64> {
        let (all, _) = self.totals();
        let mut last = 0;
        let mut area = 0.0;
        for &(_, attacks, benign) in &self.steps {
            area += (attacks - last) as f64 * attacks as f64 / (attacks + benign) as f64;
            last = attacks;
        }
        (all > 0).then(|| area / all as f64)
    }

    /// The recall of the lowest threshold that alarms at most this share of the benign rows.
    pub fn recall_at(&self, false_positive_rate: f64) -> Option<f64> {
        let (all, all_benign) = self.totals();
        let mut allowed = self.steps.iter().filter(|step| step.2 as f64 <= false_positive_rate * all_benign as f64);
        (all > 0 && all_benign > 0).then(|| allowed.next_back().map_or(0.0, |step| step.1 as f64 / all as f64))
    }
}

fn kinds(verdicts: &[Verdict], dataset: &Dataset, attacks: &[bool], seen: &[String]) -> Vec<KindFigures> {
    let mut kinds: BTreeMap<&str, KindFigures> = BTreeMap::new();
    for (row, verdict) in verdicts.iter().enumerate() {
        let name = dataset.kind(row).unwrap_or_default();
        let kind = kinds.entry(name).or_insert_with(|| KindFigures {
            kind: name.to_owned(),
            attack: attacks[row],
            seen: seen.is_empty() || seen.iter().any(|seen| seen == name),
            rows: 0,
            alarms: 0,
        });
        kind.rows += 1;
        kind.alarms += u64::from(verdict.alarm);
    }
    let mut kinds: Vec<KindFigures> = kinds.into_values().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.rows));
    kinds
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_known_confusion() {
        let alarms = [true, true, true, false, false, false, false, false];
        let attacks = [true, true, false, true, false, false, false, false];
        let confusion = Confusion::of(alarms, &attacks);
        assert_eq!(confusion.errors(), 2);
        assert_eq!(confusion.accuracy(), Some(0.75));
        assert_eq!(confusion.precision(), Some(2.0 / 3.0));
        assert_eq!(confusion.recall(), Some(2.0 / 3.0));
        assert_eq!(confusion.f1(), Some(2.0 / 3.0));
        assert_eq!(confusion.false_positive_rate(), Some(0.2));
    }

    #[test]
    fn a_tie_between_an_attack_and_a_benign_row_counts_half() {
        let curve = Curve::of([0.5, 0.5], &[true, false]);
        assert_eq!(curve.roc_auc(), Some(0.5));
        let curve = Curve::of([0.9, 0.5, 0.5, 0.1], &[true, true, false, false]);
        assert_eq!(curve.roc_auc(), Some(0.875));
    }

    /// scikit-learn's documentation of `average_precision_score` and `roc_auc_score` has this example: 0.83, 0.75.
    #[test]
    fn areas_agree_with_a_published_example() {
        let curve = Curve::of([0.1, 0.4, 0.35, 0.8], &[false, false, true, true]);
        assert!((curve.pr_auc().unwrap() - 0.833_333).abs() < 1e-5);
        assert_eq!(curve.roc_auc(), Some(0.75));
    }

    #[test]
    fn recall_at_a_ceiling_does_not_cut_through_a_tie() {
        let attacks = [true, true, false, false];
        assert_eq!(Curve::of([0.9, 0.5, 0.5, 0.1], &attacks).recall_at(0.0), Some(0.5));
        assert_eq!(Curve::of([0.9, 0.5, 0.5, 0.1], &attacks).recall_at(0.5), Some(1.0));
    }

    #[test]
    fn one_sided_tables_have_no_areas() {
        assert_eq!(Curve::of([0.1, 0.2], &[true, true]).roc_auc(), None);
        assert_eq!(Curve::of([], &[]).pr_auc(), None);
    }
}
