//! The histogram-based outlier score.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::range;
use super::tail::Tail;
use crate::space::{Dimension, Range, space};
use crate::{Error, Matrix};

/// The histogram-based outlier score (Goldstein and Dengel 2012): how rare a row's values are, each column by itself.
/// Needs no labels.
///
/// The fastest of all, and blind to what shows only in how columns go together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HistogramScore {
    /// The bins of each column, of equal width. Default 10, as others have it.
    #[serde(alias = "n-bins")]
    pub bins: u32,
    /// Is added to every density, so that an empty bin is not infinitely rare. Default 0.1, as others have it.
    pub alpha: f64,
    /// A value beyond the outermost bin by more than this many widths of a bin counts as the rarest of its column.
    /// Default 0.5, as others have it.
    #[serde(alias = "tol")]
    pub tolerance: f64,
}

impl Default for HistogramScore {
    fn default() -> HistogramScore {
        HistogramScore { bins: 10, alpha: 0.1, tolerance: 0.5 }
    }
}

impl HistogramScore {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([
            ("bins", Range::WholeMagnitude(8, 255)),
            ("alpha", Range::Magnitude(0.025, 0.4)),
            ("tolerance", Range::Real(0.0, 1.0)),
        ])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("bins", self.bins, 1, MOST_BINS)?;
        range("alpha", self.alpha, 1e-12, 1.0)?;
        range("tolerance", self.tolerance, 0.0, 1e6)
    }

    pub(super) fn fit(&self, matrix: &Matrix) -> Histograms {
        let columns = (0..matrix.width()).into_par_iter().map(|column| self.histogram(matrix, column)).collect();
        let mut histograms = Histograms { columns, tolerance: self.tolerance, tail: Tail::of([0.0]) };
        histograms.tail = Tail::of(histograms.rarities(matrix));
        histograms
    }

    fn histogram(&self, matrix: &Matrix, column: usize) -> Histogram {
        let values = || matrix.values().iter().skip(column).step_by(matrix.width()).map(|&value| f64::from(value));
        let (low, high) = values().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        // A constant column has one bin of width 1 around its value, cut like any other.
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, low + 0.5) };
        let bins = self.bins as usize;
        let mut histogram =
            Histogram { low, width: (high - low) / bins as f64, rarities: vec![0.0; bins], rarest: 0.0 };
        let mut counts = vec![0u64; bins];
        for value in values() {
            counts[histogram.bin(value).min(bins - 1)] += 1;
        }
        let rows = matrix.rows() as f64;
        for (rarity, count) in histogram.rarities.iter_mut().zip(counts) {
            *rarity = -(count as f64 / rows / histogram.width + self.alpha).log2();
        }
        histogram.rarest = histogram.rarities.iter().copied().fold(f64::MIN, f64::max);
        histogram
    }
}

/// A histogram of each column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histograms {
    columns: Vec<Histogram>,
    tolerance: f64,
    tail: Tail,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Histogram {
    low: f64,
    width: f64,
    /// Minus the binary logarithm of each bin's density.
    rarities: Vec<f64>,
    rarest: f64,
}

impl Histogram {
    /// The bin of a value that is not below the lowest; it may be beyond the last.
    fn bin(&self, value: f64) -> usize {
        ((value - self.low) / self.width) as usize
    }

    fn rarity(&self, value: f64, tolerance: f64) -> f64 {
        let bins = self.rarities.len();
        let high = self.low + self.width * bins as f64;
        let beyond = (self.low - value).max(value - high) / self.width;
        match self.rarities.get(self.bin(value).min(bins - 1)) {
            Some(rarity) if beyond <= tolerance => *rarity,
            _ => self.rarest,
        }
    }
}

impl Histograms {
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The sum over the columns of how rare each row's value is, in bits.
    pub fn rarities(&self, matrix: &Matrix) -> Vec<f64> {
        let rarity = |row: &[f32]| {
            let columns = row.iter().zip(&self.columns);
            columns.map(|(&value, histogram)| histogram.rarity(f64::from(value), self.tolerance)).sum()
        };
        matrix.values().par_chunks(matrix.width()).with_min_len(1024).map(rarity).collect()
    }

    /// How rare each value of a row is, in bits, and how rare the commonest of its column.
    pub(crate) fn terms(&self, row: &[f32]) -> Vec<(f64, f64)> {
        let term = |(&value, histogram): (&f32, &Histogram)| {
            let commonest = histogram.rarities.iter().copied().fold(f64::INFINITY, f64::min);
            (histogram.rarity(f64::from(value), self.tolerance), commonest)
        };
        row.iter().zip(&self.columns).map(term).collect()
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        self.rarities(matrix).into_iter().map(|rarity| self.tail.score(rarity)).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let sane = |histogram: &Histogram| {
            let finite = histogram.low.is_finite() && histogram.width.is_finite() && histogram.rarest.is_finite();
            let bins = (1..=MOST_BINS as usize).contains(&histogram.rarities.len());
            finite && bins && histogram.width > 0.0 && histogram.rarities.iter().all(|rarity| rarity.is_finite())
        };
        if self.columns.len() != width || !self.columns.iter().all(sane) || !self.tolerance.is_finite() {
            return Err(Error::Damaged("histograms that do not fit the columns".into()));
        }
        self.tail.check()
    }
}

const MOST_BINS: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// PyOD 3.6, `HBOS(n_bins=5)`: `decision_scores_`, then `decision_function` of rows between and beyond.
    #[test]
    fn rarities_agree_with_pyod() {
        let matrix = Matrix::new(2, vec![0.0, 1.0, 1.0, 1.3, 1.1, 2.2, 2.5, 5.0, 2.7, 5.1, 3.0, 4.4, 10.0, 0.0]);
        let matrix = matrix.unwrap();
        let histograms = HistogramScore { bins: 5, ..HistogramScore::default() }.fit(&matrix);
        let expected =
            [3.065_354_752, 3.728_408_363, 3.728_408_363, 2.612_801_657, 2.612_801_657, 2.612_801_657, 3.939_823_870];
        for (rarity, expected) in histograms.rarities(&matrix).iter().zip(expected) {
            assert!((rarity - expected).abs() < 1e-6, "{rarity} {expected}");
        }
        let rows = Matrix::new(2, vec![1.5, 3.3, -0.9, 2.1, 11.5, 2.1, -1.5, 6.5]).unwrap();
        for (rarity, expected) in
            histograms.rarities(&rows).iter().zip([4.991_779_493, 3.728_408_363, 5.380_485_060, 6.643_856_190])
        {
            assert!((rarity - expected).abs() < 1e-6, "{rarity} {expected}");
        }
    }
}
