//! Empirical cumulative distributions for outlier detection.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::tail::Tail;
use crate::space::Dimension;
use crate::{Error, Matrix};

/// ECOD (Li et al. 2022): how far out in the tail of its column each value of a row lies, on either side; the largest of
/// three sums over the columns: of left tails, of right tails, and of the tail to which each column is skewed. Has no
/// settings and needs no labels.
///
/// A value that training rows lie on both sides of is no anomaly to it, however rare it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EmpiricalTails {}

impl EmpiricalTails {
    /// Nothing: it has no settings.
    pub(super) fn space(&self) -> Vec<Dimension> {
        Vec::new()
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    pub(super) fn fit(&self, matrix: &Matrix) -> Tails {
        let columns = (0..matrix.width()).into_par_iter().map(|column| Sides::of(matrix, column)).collect();
        let mut tails = Tails { columns, tail: Tail::of([0.0]) };
        tails.tail = Tail::of(tails.sums(matrix));
        tails
    }
}

/// The tails of each column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tails {
    columns: Vec<Sides>,
    tail: Tail,
}

/// Both tails of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sides {
    /// Values in ascending order, at most [`STEPS`]. Of each: minus the logarithm of the share of training rows that lie
    /// at or below it, and of those at or above it.
    steps: Vec<(f32, f32, f32)>,
    /// The same of half a row: of a value beyond all others.
    beyond: f32,
    /// Whether the column's long tail is the left one.
    left: bool,
}

impl Sides {
    fn of(matrix: &Matrix, column: usize) -> Sides {
        let mut sorted: Vec<f32> = matrix.values().iter().skip(column).step_by(matrix.width()).copied().collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let rows = sorted.len();
        let mean = sorted.iter().map(|&value| f64::from(value)).sum::<f64>() / rows as f64;
        let skew: f64 = sorted.iter().map(|&value| (f64::from(value) - mean).powi(3)).sum();
        let mut steps = Vec::new();
        let (mut below, mut last) = (0, 0);
        for run in sorted.chunk_by(|one, next| one == next) {
            let (before, after) = (below, rows - below - run.len());
            below += run.len();
            // In the tails every value counts; in between as many as are needed to be right to a thousandth of the rows.
            let tail = before.min(after) < TAIL_ROWS || run.len() * MIDDLE_STEPS >= rows;
            if tail || (below - last) * MIDDLE_STEPS >= rows {
                let share = |count: usize| -(count as f64 / rows as f64).ln() as f32;
                steps.push((run[0], share(below), share(rows - before)));
                last = below;
            }
        }
        Sides { steps, beyond: -(0.5 / rows as f64).ln() as f32, left: skew < 0.0 }
    }

    /// How far out a value is to the left and to the right.
    fn of_value(&self, value: f32) -> (f64, f64) {
        let above = self.steps.partition_point(|step| step.0 <= value);
        let below = above.checked_sub(1).and_then(|at| self.steps.get(at));
        let left = below.map_or(self.beyond, |step| step.1);
        let right = match below {
            Some(step) if step.0 == value => step.2,
            _ => self.steps.get(above).map_or(self.beyond, |step| step.2),
        };
        (f64::from(left), f64::from(right))
    }
}

impl Tails {
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The largest of the three sums of each row.
    pub fn sums(&self, matrix: &Matrix) -> Vec<f64> {
        let sum = |row: &[f32]| {
            let (mut lefts, mut rights, mut skewed) = (0.0, 0.0, 0.0);
            for (&value, sides) in row.iter().zip(&self.columns) {
                let (left, right) = sides.of_value(value);
                lefts += left;
                rights += right;
                skewed += if sides.left { left } else { right };
            }
            f64::max(lefts, rights).max(skewed)
        };
        matrix.values().par_chunks(matrix.width()).with_min_len(1024).map(sum).collect()
    }

    /// What each value of a row adds to the largest of its three sums.
    pub(crate) fn terms(&self, row: &[f32]) -> Vec<f64> {
        let sides: Vec<(f64, f64)> = row.iter().zip(&self.columns).map(|(&value, of)| of.of_value(value)).collect();
        let lefts = sides.iter().map(|side| side.0).collect();
        let rights = sides.iter().map(|side| side.1).collect();
        let skewed = |(side, of): (&(f64, f64), &Sides)| if of.left { side.0 } else { side.1 };
        let sums: [Vec<f64>; 3] = [lefts, rights, sides.iter().zip(&self.columns).map(skewed).collect()];
        let sum = |terms: &Vec<f64>| terms.iter().sum::<f64>();
        sums.into_iter().max_by(|one, other| sum(one).total_cmp(&sum(other))).unwrap_or_default()
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        self.sums(matrix).into_iter().map(|sum| self.tail.score(sum)).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let finite = |step: &(f32, f32, f32)| step.0.is_finite() && step.1.is_finite() && step.2.is_finite();
        let sane = |sides: &Sides| {
            sides.beyond.is_finite()
                && sides.steps.iter().all(finite)
                && sides.steps.is_sorted_by(|one, next| one.0 < next.0)
        };
        if self.columns.len() != width || !self.columns.iter().all(sane) {
            return Err(Error::Damaged("tails that do not fit the columns".into()));
        }
        self.tail.check()
    }
}

/// As many rows on either side keep every value that they have.
const TAIL_ROWS: usize = 256;
/// Between the tails there are about as many steps.
const MIDDLE_STEPS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums of Li et al. 2022 algorithm 1, by NumPy: of the training rows, then of rows between and beyond.
    #[test]
    fn sums_are_those_of_the_paper() {
        let matrix = Matrix::new(2, vec![0.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 5.0, 2.0, 5.0, 3.0, 4.0, 10.0, 0.0]);
        let matrix = matrix.unwrap();
        let tails = EmpiricalTails {}.fit(&matrix);
        let expected =
            [2.793_208_009, 1.694_595_721, 1.406_913_648, 1.812_378_756, 1.812_378_756, 2.100_060_829, 1.945_910_149];
        for (sum, expected) in tails.sums(&matrix).iter().zip(expected) {
            assert!((sum - expected).abs() < 1e-6, "{sum} {expected}");
        }
        let rows = Matrix::new(2, vec![1.5, 3.0, -1.0, 2.0, 11.5, 2.0]).unwrap();
        for (sum, expected) in tails.sums(&rows).iter().zip([1.406_913_648, 3.198_673_118, 3.198_673_118]) {
            assert!((sum - expected).abs() < 1e-6, "{sum} {expected}");
        }
    }

    #[test]
    fn many_values_keep_few_steps_and_their_tails() {
        let values: Vec<f32> = (0..50_000).map(|row| row as f32).collect();
        let tails = EmpiricalTails {}.fit(&Matrix::new(1, values).unwrap());
        assert!(tails.columns[0].steps.len() < 2000, "{}", tails.columns[0].steps.len());
        let (left, right) = tails.columns[0].of_value(49_990.0);
        assert!(left < 1e-3 && (right - (10f64 / 50_000.0).ln().abs()).abs() < 1e-3, "{left} {right}");
        let (left, right) = tails.columns[0].of_value(25_000.5);
        assert!((left - 2f64.ln()).abs() < 5e-3 && (right - 2f64.ln()).abs() < 5e-3, "{left} {right}");
    }
}
