//! Scores that mean what they say.
//!
//! A calibration is fitted on rows that the model did not learn from, and turns a score into the share of attacks among
//! rows of such a score. It hangs on how common attacks were among those rows.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How scores become probabilities.
///
/// ```
/// use model::Calibration;
/// let scores: Vec<f32> = (0..100).map(|row| row as f32 / 100.0).collect();
/// let attacks: Vec<bool> = (0..100).map(|row| row % 100 >= 90).collect();
/// let calibrator = Calibration::Beta.fit(&scores, &attacks).unwrap();
/// assert!(calibrator.apply(0.5) < 0.1 && calibrator.apply(0.99) > 0.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// Whatever never falls and fits best (isotonic regression, Zadrozny and Elkan 2002): right for any shape, given some
    /// thousand rows. Scores between which nothing changes become one.
    Isotonic,
    /// A logistic curve of the score (Platt 1999, with the targets of its s. 2.2): for few rows, and scores that crowd in
    /// the middle.
    Platt,
    /// A logistic curve of the logarithms of the score and of 1 less it (beta calibration, Kull, Silva Filho and Flach
    /// 2017): leaves what is right already, and mends scores that crowd at the ends.
    Beta,
}

/// A fitted calibration. It never falls, save where a higher score meant fewer attacks ([`Calibration::Platt`] only).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Calibrator {
    /// Scores and what they become, both ascending; straight between.
    Isotonic(Vec<(f32, f32)>),
    /// 1 / (1 + e^-(slope score + offset)).
    Platt {
        /// What the logarithm of the odds grows with the score.
        slope: f64,
        /// The logarithm of the odds of score 0.
        offset: f64,
    },
    /// 1 / (1 + e^-(low ln(score) - high ln(1 - score) + offset)).
    Beta {
        /// What the logarithm of the score counts; at least 0.
        low: f64,
        /// What the logarithm of 1 less the score counts; at least 0.
        high: f64,
        /// Is added to both.
        offset: f64,
    },
}

impl Calibration {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Calibration::Isotonic => "isotonic",
            Calibration::Platt => "platt",
            Calibration::Beta => "beta",
        }
    }

    /// Fits it on rows that the model did not learn from, of both sides.
    pub fn fit(self, scores: &[f32], attacks: &[bool]) -> Result<Calibrator, Error> {
        if scores.len() != attacks.len() {
            return Err(Error::Length { what: "labels", expected: scores.len(), found: attacks.len() });
        }
        match attacks.iter().filter(|attack| **attack).count() {
            0 => return Err(Error::OneClass("benign")),
            count if count == attacks.len() => return Err(Error::OneClass("an attack")),
            _ => {}
        }
        Ok(match self {
            Calibration::Isotonic => Calibrator::Isotonic(isotonic(scores, attacks)),
            Calibration::Platt => platt(scores, attacks),
            Calibration::Beta => beta(scores, attacks),
        })
    }
}

impl Calibrator {
    /// What a score becomes: 0..=1.
    pub fn apply(&self, score: f32) -> f32 {
        match self {
            Calibrator::Isotonic(knots) => between(knots, score),
            Calibrator::Platt { slope, offset } => sigmoid(slope * f64::from(score) + offset) as f32,
            Calibrator::Beta { low, high, offset } => {
                let [below, above] = logarithms(score);
                sigmoid(low * below + high * above + offset) as f32
            }
        }
    }

    /// Which calibration it is.
    pub fn calibration(&self) -> Calibration {
        match self {
            Calibrator::Isotonic(_) => Calibration::Isotonic,
            Calibrator::Platt { .. } => Calibration::Platt,
            Calibrator::Beta { .. } => Calibration::Beta,
        }
    }

    /// Refuses what no fit can have made: bytes from outside.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let sane = match self {
            Calibrator::Isotonic(knots) => {
                let within = |knot: &(f32, f32)| (0.0..=1.0).contains(&knot.0) && (0.0..=1.0).contains(&knot.1);
                let ascend = knots.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1);
                !knots.is_empty() && ascend && knots.iter().all(within)
            }
            Calibrator::Platt { slope, offset } => slope.abs() <= BOUND && offset.abs() <= BOUND,
            Calibrator::Beta { low, high, offset } => {
                (0.0..=BOUND).contains(low) && (0.0..=BOUND).contains(high) && offset.abs() <= BOUND
            }
        };
        if sane { Ok(()) } else { Err(Error::Damaged("a calibration that is none".into())) }
    }
}

/// Pool adjacent violators (Ayer et al. 1955): the ends of each pool, and its share of attacks.
fn isotonic(scores: &[f32], attacks: &[bool]) -> Vec<(f32, f32)> {
    let mut rows: Vec<(f32, bool)> = scores.iter().copied().zip(attacks.iter().copied()).collect();
    rows.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    /// Rows that share one value.
    struct Pool {
        first: f32,
        last: f32,
        attacks: u64,
        rows: u64,
    }
    let mut pools: Vec<Pool> = Vec::new();
    for tied in rows.chunk_by(|one, next| one.0 == next.0) {
        let attacks = tied.iter().filter(|row| row.1).count() as u64;
        let mut pool = Pool { first: tied[0].0, last: tied[0].0, attacks, rows: tied.len() as u64 };
        // The pool before is higher where its share is: compared without dividing.
        while let Some(before) = pools.pop_if(|before| before.attacks * pool.rows >= pool.attacks * before.rows) {
            pool.first = before.first;
            pool.attacks += before.attacks;
            pool.rows += before.rows;
        }
        pools.push(pool);
    }
    let mut knots = Vec::new();
    for Pool { first, last, attacks, rows } in pools {
        let share = (attacks as f64 / rows as f64) as f32;
        knots.push((first, share));
        if last > first {
            knots.push((last, share));
        }
    }
    knots
}

/// The value at a score, straight between knots, flat beyond them.
fn between(knots: &[(f32, f32)], score: f32) -> f32 {
    let above = knots.partition_point(|knot| knot.0 <= score);
    match (above.checked_sub(1).and_then(|at| knots.get(at)), knots.get(above)) {
        (Some(low), Some(high)) => low.1 + (high.1 - low.1) * (score - low.0) / (high.0 - low.0),
        (Some(end), None) | (None, Some(end)) => end.1,
        (None, None) => score,
    }
}

fn platt(scores: &[f32], attacks: &[bool]) -> Calibrator {
    let count = attacks.iter().filter(|attack| **attack).count() as f64;
    let benign = attacks.len() as f64 - count;
    // Certain answers would be learned by heart.
    let [attack, other] = [(count + 1.0) / (count + 2.0), 1.0 / (benign + 2.0)];
    let rows =
        || scores.iter().zip(attacks).map(|(&score, &is)| ([f64::from(score), 1.0], if is { attack } else { other }));
    let [slope, offset] = logistic(rows);
    Calibrator::Platt { slope, offset }
}

fn beta(scores: &[f32], attacks: &[bool]) -> Calibrator {
    let rows = |used: [f64; 2]| {
        scores.iter().zip(attacks).map(move |(&score, &attack)| {
            let [below, above] = logarithms(score);
            ([used[0] * below, used[1] * above, 1.0], f64::from(u8::from(attack)))
        })
    };
    let mut fitted = logistic(|| rows([1.0, 1.0]));
    // A side that would make it fall is left out (Kull et al. 2017 s. 4.2).
    if fitted[0] < 0.0 {
        fitted = logistic(|| rows([0.0, 1.0]));
    } else if fitted[1] < 0.0 {
        fitted = logistic(|| rows([1.0, 0.0]));
    }
    Calibrator::Beta { low: fitted[0].max(0.0), high: fitted[1].max(0.0), offset: fitted[2] }
}

/// The logarithm of a score, and minus that of 1 less it.
fn logarithms(score: f32) -> [f64; 2] {
    let score = f64::from(score).clamp(1e-7, 1.0 - 1e-7);
    [score.ln(), -(1.0 - score).ln()]
}

/// Logistic regression of few columns by Newton's steps, each halved until it pays.
fn logistic<const N: usize, I: Iterator<Item = ([f64; N], f64)>>(rows: impl Fn() -> I) -> [f64; N] {
    let sum = |point: &[f64; N], values: &[f64; N]| point.iter().zip(values).map(|(at, value)| at * value).sum::<f64>();
    let loss = |point: &[f64; N]| {
        let losses = rows().map(|(values, target)| {
            let sum = sum(point, &values);
            sum.max(0.0) + (-sum.abs()).exp().ln_1p() - target * sum
        });
        losses.sum::<f64>() + RIDGE * point.iter().map(|at| at * at).sum::<f64>() / 2.0
    };
    let mut point = [0.0; N];
    let mut value = loss(&point);
    for _ in 0..MAX_STEPS {
        let mut gradient = point.map(|at| RIDGE * at);
        let mut curvature = [[0.0; N]; N];
        for (values, target) in rows() {
            let share = sigmoid(sum(&point, &values));
            for row in 0..N {
                gradient[row] += (share - target) * values[row];
                for column in 0..N {
                    curvature[row][column] += share * (1.0 - share) * values[row] * values[column];
                }
            }
        }
        (0..N).for_each(|at| curvature[at][at] += RIDGE);
        let step = solve(curvature, gradient);
        let halved = (0..50).map(|times| 0.5f64.powi(times));
        let next =
            halved.map(|share| std::array::from_fn(|at| point[at] - share * step[at])).find(|next| loss(next) < value);
        let Some(next) = next else { break };
        let next_value = loss(&next);
        let gain = value - next_value;
        (point, value) = (next, next_value);
        if gain <= 1e-12 * value.abs().max(1e-12) {
            break;
        }
    }
    point.map(|at| at.clamp(-BOUND, BOUND))
}

/// Solves symmetric positive definite equations by elimination.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    for pivot in 0..N {
        let row = matrix[pivot];
        for below in pivot + 1..N {
            let factor = matrix[below][pivot] / row[pivot];
            matrix[below].iter_mut().zip(row).for_each(|(value, above)| *value -= factor * above);
            right[below] -= factor * right[pivot];
        }
    }
    for at in (0..N).rev() {
        let known: f64 = (at + 1..N).map(|column| matrix[at][column] * right[column]).sum();
        right[at] = (right[at] - known) / matrix[at][at];
    }
    right
}

fn sigmoid(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

/// Keeps the curve of scores that part both sides cleanly finite.
const RIDGE: f64 = 1e-6;
const MAX_STEPS: usize = 100;
const BOUND: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Reliability;

    const SCORES: [f32; 12] = [0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.45, 0.6, 0.7, 0.8, 0.85, 0.95];
    const ATTACKS: [bool; 12] = [false, false, true, false, false, false, true, true, false, true, true, true];

    fn near(calibration: Calibration, scores: &[f32], expected: &[f64]) {
        let calibrator = calibration.fit(&SCORES, &ATTACKS).unwrap();
        calibrator.check().unwrap();
        for (&score, expected) in scores.iter().zip(expected) {
            let found = f64::from(calibrator.apply(score));
            assert!((found - expected).abs() < 1e-4, "{calibration:?} {score} {found} {expected}");
        }
    }

    /// scikit-learn 1.9, `_SigmoidCalibration`.
    #[test]
    fn platt_agrees_with_scikit_learn() {
        near(Calibration::Platt, &[0.1, 0.5, 0.9], &[0.222780, 0.528142, 0.813802]);
    }

    /// scikit-learn 1.9, `IsotonicRegression(out_of_bounds="clip")`.
    #[test]
    fn isotonic_regression_agrees_with_scikit_learn() {
        let scores = [0.0, 0.05, 0.15, 0.22, 0.35, 0.42, 0.5, 0.65, 0.75, 0.9, 1.0];
        near(
            Calibration::Isotonic,
            &scores,
            &[0.0, 0.0, 0.125, 0.25, 0.25, 0.416667, 0.666667, 0.666667, 0.833333, 1.0, 1.0],
        );
    }

    /// SciPy 1.16, the likelihood of Kull et al. 2017 maximised with bounds of 0.
    #[test]
    fn beta_calibration_is_the_likeliest() {
        near(Calibration::Beta, &[0.1, 0.5, 0.9], &[0.126911, 0.521031, 0.944836]);
    }

    #[test]
    fn scores_that_part_both_sides_cleanly_stay_finite() {
        let (scores, attacks) = ([0.0, 0.1, 0.9, 1.0], [false, false, true, true]);
        for calibration in [Calibration::Isotonic, Calibration::Platt, Calibration::Beta] {
            let calibrator = calibration.fit(&scores, &attacks).unwrap();
            calibrator.check().unwrap();
            let told = scores.map(|score| calibrator.apply(score));
            assert!(
                told.is_sorted()
                    && told[1] < 0.5
                    && told[2] > 0.5
                    && told.iter().all(|told| (0.0..=1.0).contains(told))
            );
        }
        assert!(Calibration::Platt.fit(&scores, &[true; 4]).is_err());
    }

    #[test]
    fn a_calibrated_score_is_the_share_of_attacks() {
        // The true share is the square of the score.
        let scores: Vec<f32> = (0..20_000).map(|row| (row % 100) as f32 / 100.0).collect();
        let attacks: Vec<bool> =
            (0..20_000).map(|row| (row / 100) as f32 / 200.0 < scores[row] * scores[row]).collect();
        let far = |scores: &[f32]| Reliability::of(scores, &attacks).calibration_error().unwrap();
        assert!(far(&scores) > 0.15);
        for calibration in [Calibration::Isotonic, Calibration::Beta] {
            let calibrator = calibration.fit(&scores, &attacks).unwrap();
            let told: Vec<f32> = scores.iter().map(|&score| calibrator.apply(score)).collect();
            assert!(far(&told) < 0.02, "{calibration:?} {}", far(&told));
        }
    }
}
