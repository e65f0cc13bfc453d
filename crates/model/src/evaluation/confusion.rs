//! Alarms against the truth.

use serde::{Deserialize, Serialize};

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
        self.attacks() + self.benign()
    }

    /// The number of attacks.
    pub fn attacks(&self) -> u64 {
        self.true_positives + self.false_negatives
    }

    /// The number of benign rows.
    pub fn benign(&self) -> u64 {
        self.false_positives + self.true_negatives
    }

    /// The number of rows judged wrongly.
    pub fn errors(&self) -> u64 {
        self.false_positives + self.false_negatives
    }

    /// The share of rows judged rightly.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.true_positives + self.true_negatives, self.rows())
    }

    /// The mean of recall and of the share of benign rows without an alarm; `None` where one of the sides is missing.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        Some((self.recall()? + 1.0 - self.false_positive_rate()?) / 2.0)
    }

    /// The share of alarms that were attacks; `None` where there was no alarm.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// The share of attacks with an alarm; `None` where there was no attack.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.attacks())
    }

    /// The harmonic mean of precision and recall; `None` where there was neither alarm nor attack.
    pub fn f1(&self) -> Option<f64> {
        self.f_beta(1.0)
    }

    /// The harmonic mean of precision and recall in which recall weighs `beta` times as much (van Rijsbergen 1979);
    /// `None` where there was neither alarm nor attack.
    pub fn f_beta(&self, beta: f64) -> Option<f64> {
        let weight = beta * beta;
        let right = (1.0 + weight) * self.true_positives as f64;
        let whole = right + weight * self.false_negatives as f64 + self.false_positives as f64;
        (whole > 0.0).then(|| right / whole)
    }

    /// The share of benign rows with an alarm; `None` where no row was benign.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positives, self.benign())
    }

    /// The correlation between alarms and attacks, -1..=1 (Matthews 1975); `None` where the rows, or the alarms, are all
    /// of one side.
    pub fn mcc(&self) -> Option<f64> {
        let [tp, fp, tn, fn_] =
            [self.true_positives, self.false_positives, self.true_negatives, self.false_negatives].map(|n| n as f64);
        // Root by root, because the product of four counts of millions of rows loses digits.
        let spread = (tp + fp).sqrt() * (tp + fn_).sqrt() * (tn + fp).sqrt() * (tn + fn_).sqrt();
        (spread > 0.0).then(|| (tp * tn - fp * fn_) / spread)
    }

    /// The precision at a site where this share of the flows are attacks, by Bayes' rule: the test's own share of attacks
    /// says nothing about it (Axelsson 2000). `None` where recall or the false-positive rate is unknown, or both are 0.
    pub fn precision_at(&self, base_rate: f64) -> Option<f64> {
        let right = self.recall()? * base_rate;
        let wrong = self.false_positive_rate()? * (1.0 - base_rate);
        (right + wrong > 0.0).then(|| right / (right + wrong))
    }
}

/// A part of a whole; `None` where there is no whole.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: Option<f64>, expected: f64) {
        assert!(value.is_some_and(|value| (value - expected).abs() < 1e-12), "{value:?} {expected}");
    }

    /// The expected numbers are those of scikit-learn 1.9 (`balanced_accuracy_score`, `f1_score`, `fbeta_score`,
    /// `matthews_corrcoef`) on the same eight rows.
    #[test]
    fn figures_of_a_known_confusion() {
        let alarms = [true, true, true, false, false, false, false, false];
        let attacks = [true, true, false, true, false, false, false, false];
        let confusion = Confusion::of(alarms, &attacks);
        assert_eq!(confusion.errors(), 2);
        assert_eq!(confusion.accuracy(), Some(0.75));
        assert_eq!(confusion.precision(), Some(2.0 / 3.0));
        assert_eq!(confusion.recall(), Some(2.0 / 3.0));
        assert_eq!(confusion.false_positive_rate(), Some(0.2));
        near(confusion.f1(), 0.666_666_666_666_666_6);
        near(confusion.balanced_accuracy(), 0.733_333_333_333_333_3);
        let skewed = Confusion { true_positives: 6, false_positives: 3, true_negatives: 8, false_negatives: 2 };
        near(skewed.f_beta(2.0), 0.731_707_317_073_170_7);
        near(skewed.f_beta(0.5), 0.681_818_181_818_181_8);
        near(skewed.mcc(), 0.471_939_903_724_269_47);
    }

    #[test]
    fn one_sided_rows_have_no_balanced_figures() {
        let quiet = Confusion { true_negatives: 5, ..Confusion::default() };
        assert_eq!((quiet.balanced_accuracy(), quiet.mcc(), quiet.f1(), quiet.precision()), (None, None, None, None));
        assert_eq!(Confusion::default().accuracy(), None);
    }

    #[test]
    fn a_detector_that_is_99_percent_right_is_mostly_wrong_where_one_flow_in_ten_thousand_is_an_attack() {
        let good = Confusion { true_positives: 99, false_negatives: 1, true_negatives: 99, false_positives: 1 };
        near(good.precision_at(0.5), 0.99);
        near(good.precision_at(1e-4), 0.99e-4 / (0.99e-4 + 0.01 * 0.9999));
    }
}
