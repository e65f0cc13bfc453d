//! How extreme a raw score is among those of the training rows.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The upper tail of the raw scores of training rows, which gives the raw scores of every anomaly model one meaning.
///
/// The level of a raw score is minus the decimal logarithm of the share of training rows that score at least as high: 1
/// for one row in ten, 3 for one in a thousand. Between training scores it is drawn straight, above the highest it goes
/// on as an exponential tail does, and below the lowest it nears 0, so that rows of different raw scores keep different
/// levels. A level becomes a score by level / (1 + level): one half for one row in ten, two thirds for one in a hundred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    /// Raw scores and their levels, both ascending.
    knots: Vec<(f32, f32)>,
    /// How fast the level grows with the raw score above the last knot.
    rate: f32,
}

impl Tail {
    /// The tail of these raw scores, of which there must be one at least.
    pub(crate) fn of(raw: impl IntoIterator<Item = f64>) -> Tail {
        let mut sorted: Vec<f32> = raw.into_iter().map(narrow).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let rows = sorted.len();
        let level = |at: usize| -(((rows - at) as f64 + 0.5) / (rows as f64 + 1.0)).log10() as f32;
        let mut knots: Vec<(f32, f32)> = Vec::new();
        for at in 0..rows {
            let is_new = at == 0 || sorted[at] > sorted[at - 1];
            let is_due = knots.last().is_none_or(|last| level(at) - last.1 >= STEP) || sorted[at] == sorted[rows - 1];
            if is_new && is_due {
                knots.push((sorted[at], level(at)));
            }
        }
        Tail { knots, rate: rate(&sorted) }
    }

    /// The level of a raw score: at least 0.
    pub(crate) fn level(&self, raw: f64) -> f64 {
        let raw = f64::from(narrow(raw));
        let above = self.knots.partition_point(|knot| f64::from(knot.0) <= raw);
        let knot = |at: usize| self.knots.get(at).map(|&(raw, level)| (f64::from(raw), f64::from(level)));
        match (above.checked_sub(1).and_then(knot), knot(above)) {
            (Some((low, from)), Some((high, to))) => from + (to - from) * (raw - low) / (high - low),
            (Some((last, level)), None) => (level + (raw - last) * f64::from(self.rate)).min(MAX_LEVEL),
            (None, Some((first, level))) => level / (1.0 + (first - raw) * f64::from(self.rate)),
            (None, None) => 0.0,
        }
    }

    /// The score of a raw score: 0..=1.
    pub(crate) fn score(&self, raw: f64) -> f32 {
        score(self.level(raw))
    }

    /// Refuses what no training rows can have made: bytes from outside.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let ascend = self.knots.is_sorted_by(|one, next| one.0 < next.0 && one.1 < next.1);
        let finite = self.knots.iter().all(|knot| knot.0.abs() <= BOUND && (0.0..=100.0).contains(&knot.1));
        let rate = self.rate > 0.0 && self.rate.is_finite();
        if ascend && finite && rate && !self.knots.is_empty() {
            return Ok(());
        }
        Err(Error::Damaged("a tail of scores that is none".into()))
    }
}

/// The score that a level becomes.
pub(crate) fn score(level: f64) -> f32 {
    (level / (1.0 + level)) as f32
}

/// By how much the level grows with the raw score where an exponential tail is fitted to the highest hundredth of the
/// scores, or to the highest ten.
fn rate(sorted: &[f32]) -> f32 {
    let top = (sorted.len() / 100).max(10).min(sorted.len().saturating_sub(1));
    let (rest, highest) = sorted.split_at(sorted.len() - top);
    let from = f64::from(rest.last().copied().unwrap_or(0.0));
    let excess = highest.iter().map(|&score| f64::from(score) - from).sum::<f64>() / top.max(1) as f64;
    // Of equal scores nothing tells how far is far.
    let excess = if excess > 1e-6 * from.abs().max(1e-6) { excess } else { from.abs().max(1.0) };
    ((1.0 / (excess * std::f64::consts::LN_10)) as f32).clamp(f32::MIN_POSITIVE, 1e30)
}

/// A raw score as it is kept: NaN, of which no estimator knows, would be the highest.
fn narrow(raw: f64) -> f32 {
    if raw.is_nan() { BOUND } else { raw.clamp(f64::from(-BOUND), f64::from(BOUND)) as f32 }
}

const BOUND: f32 = 1e30;
const MAX_LEVEL: f64 = 1e30;
/// The least difference in level of two knots: a hundred thousand rows have at most a thousand.
const STEP: f32 = 0.005;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_tells_how_many_training_rows_score_as_high() {
        let tail = Tail::of((0..10_000).map(f64::from));
        for (raw, level) in [(9_000.0, 1.0), (9_900.0, 2.0), (9_990.0, 3.0)] {
            assert!((tail.level(raw) - level).abs() < 0.03, "{raw} {}", tail.level(raw));
        }
        assert!((tail.score(9_000.0) - 0.5).abs() < 0.01);
    }

    #[test]
    fn raw_scores_beyond_all_training_rows_keep_their_order() {
        let tail = Tail::of((0..1000).map(|row| f64::from(row % 100)));
        let scores: Vec<f32> =
            [-50.0, -1.0, 0.0, 0.5, 57.3, 99.0, 99.5, 150.0, 300.0].map(|raw| tail.score(raw)).into();
        assert!(scores.is_sorted_by(|one, next| one < next), "{scores:?}");
        assert!(tail.score(f64::INFINITY) <= 1.0 && tail.score(f64::NAN) <= 1.0 && tail.score(-f64::INFINITY) >= 0.0);
    }

    #[test]
    fn equal_training_scores_have_a_tail_too() {
        let tail = Tail::of([3.0; 5]);
        assert!(tail.check().is_ok());
        assert!(tail.score(2.0) < tail.score(3.0) && tail.score(3.0) < tail.score(4.0));
    }
}
