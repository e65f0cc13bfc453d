//! Figures of a scored table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::confusion::{Confusion, share};
use super::{Curve, Reliability};
use crate::{Dataset, Error, Verdict};

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
    /// The mean of recall and of the share of benign rows without an alarm.
    pub balanced_accuracy: Option<f64>,
    /// The share of alarms that were attacks.
    pub precision: Option<f64>,
    /// The share of attacks with an alarm.
    pub recall: Option<f64>,
    /// The harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// The same with recall weighing twice as much.
    pub f2: Option<f64>,
    /// The correlation between alarms and attacks, -1..=1.
    pub mcc: Option<f64>,
    /// The share of benign rows with an alarm.
    pub false_positive_rate: Option<f64>,
    /// The area under the receiver operating characteristic.
    pub roc_auc: Option<f64>,
    /// The area under the curve of precision over recall.
    pub pr_auc: Option<f64>,
    /// The recall that some threshold reaches with at most 1 % of benign rows alarmed.
    pub recall_at_one_percent: Option<f64>,
    /// The recall that some threshold reaches with at most 0.1 % of benign rows alarmed.
    pub recall_at_one_per_mille: Option<f64>,
    /// The mean squared difference between score and truth; means something where scores are probabilities.
    pub brier: Option<f64>,
    /// How far scores and shares of attacks lie apart, see [`Reliability::calibration_error`]; means something where
    /// scores are probabilities.
    pub calibration_error: Option<f64>,
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
        let scores: Vec<f32> = verdicts.iter().map(|verdict| verdict.score).collect();
        let curve = Curve::of(scores.iter().copied(), attacks);
        let reliability = Reliability::of(&scores, attacks);
        let kinds = kinds(verdicts, dataset, attacks, seen);
        let unseen = kinds.iter().filter(|kind| kind.attack && !kind.seen);
        let unseen = unseen.fold((0, 0), |(alarms, rows), kind| (alarms + kind.alarms, rows + kind.rows));
        Ok(Figures {
            rows: confusion.rows(),
            attacks: confusion.attacks(),
            confusion,
            accuracy: confusion.accuracy(),
            majority_accuracy: share(confusion.attacks().max(confusion.benign()), confusion.rows()),
            balanced_accuracy: confusion.balanced_accuracy(),
            precision: confusion.precision(),
            recall: confusion.recall(),
            f1: confusion.f1(),
            f2: confusion.f_beta(2.0),
            mcc: confusion.mcc(),
            false_positive_rate: confusion.false_positive_rate(),
            roc_auc: curve.roc_auc(),
            pr_auc: curve.pr_auc(),
            recall_at_one_percent: curve.recall_at(0.01),
            recall_at_one_per_mille: curve.recall_at(0.001),
            brier: reliability.brier,
            calibration_error: reliability.calibration_error(),
            kinds,
            unseen_recall: share(unseen.0, unseen.1),
        })
    }

    /// Alarms a day at this many flows a day, all of them benign: what a quiet day costs an analyst. `None` where no
    /// row was benign.
    pub fn alarms_a_day(&self, flows_a_day: f64) -> Option<f64> {
        Some(self.false_positive_rate? * flows_a_day)
    }

    /// Every figure that is one number, by the name that JSON uses, in the order in which people want to read them.
    pub fn numbers(&self) -> [(&'static str, Option<f64>); 17] {
        [
            ("accuracy", self.accuracy),
            ("majority_accuracy", self.majority_accuracy),
            ("balanced_accuracy", self.balanced_accuracy),
            ("precision", self.precision),
            ("recall", self.recall),
            ("f1", self.f1),
            ("f2", self.f2),
            ("mcc", self.mcc),
            ("false_positive_rate", self.false_positive_rate),
            ("roc_auc", self.roc_auc),
            ("pr_auc", self.pr_auc),
            ("recall_at_one_percent", self.recall_at_one_percent),
            ("recall_at_one_per_mille", self.recall_at_one_per_mille),
            ("unseen_recall", self.unseen_recall),
            ("brier", self.brier),
            ("calibration_error", self.calibration_error),
            ("errors", Some(self.confusion.errors() as f64)),
        ]
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

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};

    use super::*;

    fn figures(kinds: &[&str], alarms: &[bool], seen: &[&str]) -> Figures {
        let labels: Vec<Label> = kinds.iter().map(|kind| Label::new(kind)).collect();
        let table = Table::new(vec![Column::numbers("bytes", vec![0.0; kinds.len()])]).unwrap();
        let score = |alarm: &bool| Verdict { score: if *alarm { 0.9 } else { 0.1 }, alarm: *alarm };
        let verdicts: Vec<Verdict> = alarms.iter().map(score).collect();
        let seen: Vec<String> = seen.iter().map(|kind| (*kind).to_owned()).collect();
        Figures::of(&verdicts, &Dataset::labelled(table, &labels).unwrap(), &seen).unwrap()
    }

    #[test]
    fn kinds_that_training_never_saw_stand_apart() {
        let figures = figures(&["normal", "scan", "flood", "flood"], &[false, true, false, true], &["normal", "scan"]);
        assert_eq!((figures.recall, figures.unseen_recall), (Some(2.0 / 3.0), Some(0.5)));
        assert_eq!(figures.kinds.iter().map(|kind| kind.seen).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn a_table_of_attacks_alone_tells_no_false_positive_rate() {
        let figures = figures(&["scan", "scan"], &[true, false], &[]);
        assert_eq!((figures.recall, figures.false_positive_rate, figures.roc_auc), (Some(0.5), None, None));
        assert_eq!((figures.unseen_recall, figures.alarms_a_day(1e6)), (None, None));
    }
}
