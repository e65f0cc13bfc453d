//! Means and covariances of columns.

use rayon::prelude::*;

use crate::{Error, Matrix};

/// How the columns of a matrix vary together.
pub(super) struct Covariance {
    /// One a column.
    pub(super) mean: Vec<f64>,
    /// Row by row, width times width, the divisor being the number of rows.
    pub(super) values: Vec<f64>,
    /// The mean over the rows of the fourth power of their distance from the mean.
    fourth: f64,
    rows: f64,
}

impl Covariance {
    /// The covariance of these rows of a matrix.
    pub(super) fn of(matrix: &Matrix, rows: &[u32]) -> Covariance {
        let width = matrix.width();
        let count = rows.len() as f64;
        let row = |&row: &u32| matrix.row(row as usize);
        let mut mean = in_parts(rows, width, |part, sums| {
            for row in part.iter().map(row) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        });
        mean.iter_mut().for_each(|sum| *sum /= count);
        let mut sums = in_parts(rows, width * width + 1, |part, sums| {
            let mut centred = vec![0.0; width];
            let (products, fourth) = sums.split_at_mut(width * width);
            for row in part.iter().map(row) {
                centre(&mut centred, row, &mean);
                for (at, sums) in products.chunks_exact_mut(width).enumerate() {
                    let factor = centred[at];
                    sums[at..].iter_mut().zip(&centred[at..]).for_each(|(sum, value)| *sum += factor * value);
                }
                fourth[0] += centred.iter().map(|value| value * value).sum::<f64>().powi(2);
            }
        });
        let fourth = sums.pop().unwrap_or(0.0) / count;
        for row in 0..width {
            for column in row..width {
                let value = sums[row * width + column] / count;
                sums[row * width + column] = value;
                sums[column * width + row] = value;
            }
        }
        Covariance { mean, values: sums, fourth, rows: count }
    }

    /// The share of the way to a multiple of the identity that brings the estimate closest to the truth (Ledoit and Wolf
    /// 2004).
    pub(super) fn ledoit_wolf(&self) -> f64 {
        let width = self.mean.len() as f64;
        let level = self.level();
        let squares: f64 = self.values.iter().map(|value| value * value).sum();
        let distance = (squares - width * level * level) / width;
        let error = ((self.fourth - squares) / (width * self.rows)).min(distance);
        if error > 0.0 && distance > 0.0 { error / distance } else { 0.0 }
    }

    /// Moves the covariance this share of the way to the multiple of the identity that has the same trace.
    pub(super) fn shrink(&mut self, share: f64) {
        let (width, level) = (self.mean.len(), self.level());
        self.values.iter_mut().for_each(|value| *value *= 1.0 - share);
        self.values.iter_mut().step_by(width + 1).for_each(|value| *value += share * level);
    }

    /// The variance of each column.
    pub(super) fn variances(&self) -> impl Iterator<Item = f64> {
        self.values.iter().step_by(self.mean.len() + 1).copied()
    }

    /// Gives columns that hardly vary the variances that they have elsewhere; tells whether there were any.
    pub(super) fn restore(&mut self, variances: &[f64]) -> bool {
        let mut restored = false;
        for (own, &elsewhere) in self.values.iter_mut().step_by(self.mean.len() + 1).zip(variances) {
            if *own < elsewhere * 1e-9 {
                (*own, restored) = (elsewhere, true);
            }
        }
        restored
    }

    /// Multiplies it.
    pub(super) fn widen(&mut self, factor: f64) {
        self.values.iter_mut().for_each(|value| *value *= factor);
    }

    /// The mean variance of the columns.
    pub(super) fn level(&self) -> f64 {
        let width = self.mean.len();
        self.values.iter().step_by(width + 1).sum::<f64>() / width as f64
    }
}

/// Writes a row less the mean.
pub(super) fn centre(centred: &mut [f64], row: &[f32], mean: &[f64]) {
    for ((centred, &value), mean) in centred.iter_mut().zip(row).zip(mean) {
        *centred = f64::from(value) - mean;
    }
}

/// The product of two rows, in four running sums that a processor adds side by side.
pub(super) fn product(one: &[f64], other: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (ones, others) = (one.chunks_exact(4), other.chunks_exact(4));
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(|(one, other)| one * other).sum();
    for (one, other) in ones.zip(others) {
        for lane in 0..4 {
            sums[lane] += one[lane] * other[lane];
        }
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}

/// Refuses a matrix whose covariance would take too long or too much room.
pub(super) fn check_width(matrix: &Matrix) -> Result<(), Error> {
    if matrix.width() > MAX_WIDTH {
        return Err(Error::Width { found: matrix.width(), most: MAX_WIDTH });
    }
    Ok(())
}

/// Sums over rows in parts of fixed size, added in order: the same bits whatever the number of threads.
fn in_parts(rows: &[u32], length: usize, add: impl Fn(&[u32], &mut [f64]) + Sync) -> Vec<f64> {
    let mut total = vec![0.0; length];
    // A few parts at a time bound the memory.
    for several in rows.chunks(PART * PARTS) {
        let parts = several.par_chunks(PART).map(|part| {
            let mut sums = vec![0.0; length];
            add(part, &mut sums);
            sums
        });
        for sums in parts.collect::<Vec<_>>() {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
    }
    total
}

const PART: usize = 4096;
const PARTS: usize = 8;
/// The widest covariance: 8 MB.
pub(super) const MAX_WIDTH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9, `LedoitWolf().fit([[1, 2], [3, 5], [4, 1], [8, 9], [2, 2]])`.
    #[test]
    fn shrinkage_agrees_with_scikit_learn() {
        let matrix = Matrix::new(2, vec![1.0, 2.0, 3.0, 5.0, 4.0, 1.0, 8.0, 9.0, 2.0, 2.0]).unwrap();
        let mut covariance = Covariance::of(&matrix, &[0, 1, 2, 3, 4]);
        let share = covariance.ledoit_wolf();
        assert!((share - 0.861_930_108_771_118_2).abs() < 1e-12, "{share}");
        covariance.shrink(share);
        for (value, expected) in covariance.values.iter().zip([
            7.012_224_947_928_722,
            0.789_759_777_829_204,
            0.789_759_777_829_204,
            7.387_775_052_071_28,
        ]) {
            assert!((value - expected).abs() < 1e-12, "{:?}", covariance.values);
        }
    }
}
