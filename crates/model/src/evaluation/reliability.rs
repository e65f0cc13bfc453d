//! Whether a score of 0.8 means that eight of ten such rows are attacks.

use serde::{Deserialize, Serialize};

/// Scores taken as probabilities, held against the truth in bins of equal width.
///
/// ```
/// use model::evaluation::Reliability;
/// let reliability = Reliability::of(&[0.25, 0.25, 0.25, 0.25], &[true, false, false, false]);
/// assert_eq!(reliability.calibration_error(), Some(0.0));
/// assert_eq!(reliability.brier, Some(0.1875));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// The bins that hold rows, lowest scores first.
    pub bins: Vec<Bin>,
    /// The mean squared difference between score and truth (Brier 1950); `None` without rows.
    pub brier: Option<f64>,
}

/// The rows whose scores lie in one part of 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// How many there are.
    pub rows: u64,
    /// Their mean score.
    pub score: f64,
    /// The share of attacks among them.
    pub attacks: f64,
}

/// What a calibration did to the scores of rows that it was not fitted on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// The scores as the model gave them.
    pub before: Reliability,
    /// What the calibration made of them.
    pub after: Reliability,
}

impl Reliability {
    /// Scores within 0..=1 against the truth of their rows.
    pub fn of(scores: &[f32], attacks: &[bool]) -> Reliability {
        let mut sums = [(0u64, 0.0f64, 0u64); BINS];
        let mut squares = 0.0;
        for (&score, &attack) in scores.iter().zip(attacks) {
            let bin = ((f64::from(score) * BINS as f64) as usize).min(BINS - 1);
            sums[bin].0 += 1;
            sums[bin].1 += f64::from(score);
            sums[bin].2 += u64::from(attack);
            squares += (f64::from(score) - f64::from(u8::from(attack))).powi(2);
        }
        let rows = scores.len().min(attacks.len());
        let bins = sums.iter().filter(|(rows, ..)| *rows > 0).map(|&(rows, score, attacks)| Bin {
            rows,
            score: score / rows as f64,
            attacks: attacks as f64 / rows as f64,
        });
        Reliability { bins: bins.collect(), brier: (rows > 0).then(|| squares / rows as f64) }
    }

    /// The expected calibration error: how far mean score and share of attacks lie apart, over the bins, weighted by
    /// their rows (Guo et al. 2017 s.2). `None` without rows.
    pub fn calibration_error(&self) -> Option<f64> {
        let rows: u64 = self.bins.iter().map(|bin| bin.rows).sum();
        let gaps: f64 = self.bins.iter().map(|bin| bin.rows as f64 * (bin.score - bin.attacks).abs()).sum();
        (rows > 0).then(|| gaps / rows as f64)
    }
}

const BINS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_that_promises_too_much_has_its_excess_as_error() {
        let reliability =
            Reliability::of(&[0.9; 10], &[true, true, true, true, true, false, false, false, false, false]);
        assert!((reliability.calibration_error().unwrap() - 0.4).abs() < 1e-6);
        // 0.5 of (0.1)^2 and 0.5 of (0.9)^2.
        assert!((reliability.brier.unwrap() - 0.41).abs() < 1e-6);
    }

    #[test]
    fn the_highest_score_has_a_bin_and_no_rows_have_no_error() {
        assert_eq!(Reliability::of(&[1.0], &[true]).bins, [Bin { rows: 1, score: 1.0, attacks: 1.0 }]);
        assert_eq!(Reliability::of(&[], &[]).calibration_error(), None);
    }
}
