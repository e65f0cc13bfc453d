//! The Mahalanobis distance.

use nalgebra::DMatrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::covariance::{Covariance, MAX_WIDTH, centre, check_width, product};
use super::range;
use super::tail::Tail;
use crate::space::{Dimension, Range, space};
use crate::{Error, Matrix};

/// The Mahalanobis distance from the middle of the training rows, in which columns that vary together count once
/// (Mahalanobis 1936). Needs no labels.
///
/// It takes what is normal for one cloud. Rows between two clouds look as normal as those within.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mahalanobis {
    /// How far the covariance is moved to that of columns that are all alike and vary by themselves, which keeps columns
    /// that hardly vary from deciding everything: 0 not at all, 1 all the way. Default none, which stands for the share
    /// that is expected to be best (Ledoit and Wolf 2004).
    pub shrinkage: Option<f64>,
    /// The share of the rows, those nearest the middle, that mean and covariance are first taken from. Default 1: all of
    /// them, right where attacks are known and left out. Below 1 they are found by concentration steps from the covariance
    /// of all rows, and mean and covariance are taken anew from all rows that do not lie further out than 39 in 40
    /// normal ones (Rousseeuw and Van Driessen 1999), so that a few attacks among the training rows do no harm.
    #[serde(alias = "support-fraction")]
    pub support: f64,
}

impl Default for Mahalanobis {
    fn default() -> Mahalanobis {
        Mahalanobis { shrinkage: None, support: 1.0 }
    }
}

impl Mahalanobis {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([("shrinkage", Range::Magnitude(1e-4, 0.5)), ("support", Range::Real(0.5, 1.0))])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("shrinkage", self.shrinkage.unwrap_or(0.0), 0.0, 1.0)?;
        range("support", self.support, 0.5, 1.0)
    }

    pub(super) fn fit(&self, matrix: &Matrix) -> Result<Distance, Error> {
        check_width(matrix)?;
        let all: Vec<u32> = (0..matrix.rows() as u32).collect();
        let covariance = Covariance::of(matrix, &all);
        let variances: Vec<f64> = covariance.variances().collect();
        let support = ((self.support * all.len() as f64).round() as usize).max(1);
        let mut distance = self.distance(covariance);
        if support < all.len() {
            distance = self.concentrate(matrix, distance, support, &variances);
        }
        distance.tail = Tail::of(distance.squares(matrix).into_iter().map(raw));
        Ok(distance)
    }

    /// The distance from the middle of the rows that a few others do not move, beginning with that of all.
    fn concentrate(&self, matrix: &Matrix, mut distance: Distance, support: usize, variances: &[f64]) -> Distance {
        let all: Vec<u32> = (0..matrix.rows() as u32).collect();
        let mut kept = all.clone();
        for _ in 0..MAX_STEPS {
            let squares = distance.squares(matrix);
            let mut nearest = all.clone();
            let order = |one: &u32, other: &u32| {
                squares[*one as usize].total_cmp(&squares[*other as usize]).then(one.cmp(other))
            };
            nearest.select_nth_unstable_by(support - 1, order);
            nearest.truncate(support);
            nearest.sort_unstable();
            if nearest == kept {
                break;
            }
            let mut covariance = Covariance::of(matrix, &nearest);
            // A column that is the same in most rows would throw out all others; no step leads further then.
            let degenerate = covariance.restore(variances);
            distance = self.distance(covariance);
            if degenerate {
                break;
            }
            kept = nearest;
        }
        let kept_share = support as f64 / all.len() as f64;
        let furthest = normal_square(matrix.width(), NEAR) * consistency(matrix.width(), kept_share);
        let squares = distance.squares(matrix);
        let near: Vec<u32> = all.into_iter().filter(|&row| squares[row as usize] <= furthest).collect();
        if near.is_empty() {
            return distance;
        }
        let mut covariance = Covariance::of(matrix, &near);
        covariance.restore(variances);
        covariance.widen(consistency(matrix.width(), NEAR));
        self.distance(covariance)
    }

    fn distance(&self, mut covariance: Covariance) -> Distance {
        covariance.shrink(self.shrinkage.unwrap_or_else(|| covariance.ledoit_wolf()));
        let width = covariance.mean.len();
        // Columns that are constant, or sums of others, would have no inverse.
        let least = covariance.level() * 1e-9;
        let least = if least > 0.0 { least } else { 1.0 };
        covariance.values.iter_mut().step_by(width + 1).for_each(|variance| *variance += least);
        let whitening = whitening(width, &covariance.values).unwrap_or_else(|| {
            // Rounding alone makes a covariance indefinite; its diagonal never is.
            let mut diagonal = vec![0.0; width * width];
            for at in 0..width {
                diagonal[at * (width + 1)] = covariance.values[at * (width + 1)].max(least);
            }
            whitening(width, &diagonal).unwrap_or_default()
        });
        Distance { mean: covariance.mean, whitening, tail: Tail::of([0.0]) }
    }
}

/// A fitted Mahalanobis distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    mean: Vec<f64>,
    /// The inverse of the lower triangular factor of the covariance, row by row, row n having n + 1 values.
    whitening: Vec<f64>,
    tail: Tail,
}

impl Distance {
    pub(super) fn width(&self) -> usize {
        self.mean.len()
    }

    /// The squared distance of each row.
    pub fn squares(&self, matrix: &Matrix) -> Vec<f64> {
        let width = self.width();
        let square = |centred: &mut Vec<f64>, row: &[f32]| {
            centre(centred, row, &self.mean);
            let (mut square, mut rest) = (0.0, self.whitening.as_slice());
            for length in 1..=width {
                let (factors, others) = rest.split_at(length);
                square += product(factors, &centred[..length]).powi(2);
                rest = others;
            }
            square
        };
        matrix.values().par_chunks(width).with_min_len(64).map_init(|| vec![0.0; width], square).collect()
    }

    /// What each value of a row adds to its squared distance: the product of its deviation and that of all, turned by the
    /// inverse covariance. These are the Shapley values where an unknown value is its mean (Mayrhofer and Filzmoser 2023).
    pub(crate) fn shares(&self, row: &[f32]) -> Vec<f64> {
        let mut centred = vec![0.0; self.width()];
        centre(&mut centred, row, &self.mean);
        let mut turned = vec![0.0; centred.len()];
        let mut rest = self.whitening.as_slice();
        for length in 1..=centred.len() {
            let (factors, others) = rest.split_at(length);
            let white = product(factors, &centred[..length]);
            turned.iter_mut().zip(factors).for_each(|(turned, factor)| *turned += white * factor);
            rest = others;
        }
        centred.iter().zip(turned).map(|(centred, turned)| centred * turned).collect()
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        self.squares(matrix).into_iter().map(|square| self.tail.score(raw(square))).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let fits = self.mean.len() == width && width <= MAX_WIDTH && self.whitening.len() == width * (width + 1) / 2;
        if !fits || self.mean.iter().chain(&self.whitening).any(|value| !value.is_finite()) {
            return Err(Error::Damaged("a covariance that does not fit the columns".into()));
        }
        self.tail.check()
    }
}

/// The inverse of the lower triangular factor of a symmetric matrix, its rows without their zeros; `None` where the
/// matrix is not positive definite.
fn whitening(width: usize, values: &[f64]) -> Option<Vec<f64>> {
    let factor = DMatrix::from_column_slice(width, width, values).cholesky()?.unpack();
    let inverse = factor.solve_lower_triangular(&DMatrix::identity(width, width))?;
    let rows = (0..width).flat_map(|row| (0..=row).map(move |column| (row, column)));
    let inverse: Vec<f64> = rows.map(|place| inverse[place]).collect();
    inverse.iter().all(|value| value.is_finite()).then_some(inverse)
}

/// The squared distance within which this share of normal rows lies.
fn normal_square(width: usize, share: f64) -> f64 {
    ChiSquared::new(width as f64).map_or(f64::INFINITY, |squares| squares.inverse_cdf(share))
}

/// By how much the covariance of normal rows exceeds that of this share of them, the nearest (Croux and Haesbroeck 1999).
fn consistency(width: usize, share: f64) -> f64 {
    let within = ChiSquared::new(width as f64 + 2.0).map_or(1.0, |squares| squares.cdf(normal_square(width, share)));
    if within > 0.0 { share / within } else { 1.0 }
}

/// Squared distances of tables of flows spread over many powers of ten.
fn raw(square: f64) -> f64 {
    square.ln_1p()
}

/// Concentration steps end by themselves, nearly always within ten.
const MAX_STEPS: usize = 30;
/// The share of normal rows that mean and covariance are taken from in the end.
const NEAR: f64 = 0.975;

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        Matrix::new(2, vec![1.0, 2.0, 3.0, 5.0, 4.0, 1.0, 8.0, 9.0, 2.0, 2.0]).unwrap()
    }

    /// scikit-learn 1.9: `mahalanobis([[1, 2], [10, 0]])` of `LedoitWolf` and of `EmpiricalCovariance`.
    #[test]
    fn distances_agree_with_scikit_learn() {
        let rows = Matrix::new(2, vec![1.0, 2.0, 10.0, 0.0]).unwrap();
        for (shrinkage, expected) in [
            (None, [1.275_254_315_629_048, 8.641_361_773_848_146]),
            (Some(0.0), [1.345_993_515_516_442_9, 41.290_412_227_883_29]),
        ] {
            let distance = Mahalanobis { shrinkage, ..Mahalanobis::default() }.fit(&matrix()).unwrap();
            for (square, expected) in distance.squares(&rows).iter().zip(expected) {
                assert!((square / expected - 1.0).abs() < 1e-6, "{square} {expected}");
            }
        }
    }

    #[test]
    fn a_few_attacks_among_the_rows_do_not_move_the_middle_of_the_rest() {
        let wave = |row: usize, step: f32| (row as f32 * step).sin();
        let values: Vec<f32> =
            (0..200).flat_map(|row| if row < 20 { [50.0, 50.0] } else { [wave(row, 0.7), wave(row, 1.3)] }).collect();
        let matrix = Matrix::new(2, values).unwrap();
        let fit = |support| Mahalanobis { support, ..Mahalanobis::default() }.fit(&matrix).unwrap().squares(&matrix);
        assert!(fit(1.0)[0] < 20.0);
        assert!(fit(0.75)[0] > 1000.0);
    }

    /// scikit-learn 1.9, `MinCovDet(support_fraction=0.75)`: `mahalanobis([[1, 2], [10, 0]])`.
    #[test]
    fn robust_distances_agree_with_scikit_learn() {
        let rows = vec![
            1.0, 0.0, 0.97, 1.61, 1.18, 1.5, 9.0, -7.0, 0.92, -0.55, -1.7, -0.14, -1.35, 0.13, -1.22, -0.66, 10.0,
            -6.5, -0.14, -0.75, 2.3, 1.08, 1.51, 1.97, 1.02, 0.96, 1.55, -0.61, -0.63, -0.97, 9.5, -7.5, -1.43, -0.05,
            -0.6, -0.73, -0.87, -0.95, 1.31, 0.25,
        ];
        let settings = Mahalanobis { shrinkage: Some(0.0), support: 0.75 };
        let distance = settings.fit(&Matrix::new(2, rows).unwrap()).unwrap();
        let squares = distance.squares(&Matrix::new(2, vec![1.0, 2.0, 10.0, 0.0]).unwrap());
        for (square, expected) in squares.iter().zip([4.050_463_8, 85.875_756_94]) {
            assert!((square / expected - 1.0).abs() < 1e-6, "{square} {expected}");
        }
    }

    #[test]
    fn a_column_that_most_rows_share_does_not_throw_out_the_others() {
        // Four rows in five last no time at all; the first ten are attacks.
        let wave = |row: usize, step: f32| (row as f32 * step).sin();
        let seconds = |row: usize| if row.is_multiple_of(5) { 2.0 + wave(row, 0.9) } else { 0.0 };
        let values: Vec<f32> =
            (0..400).flat_map(|row| if row < 10 { [0.0, 40.0] } else { [seconds(row), wave(row, 1.3)] }).collect();
        let matrix = Matrix::new(2, values).unwrap();
        let settings = Mahalanobis { shrinkage: Some(0.0), support: 0.75 };
        let squares = settings.fit(&matrix).unwrap().squares(&matrix);
        let furthest = squares[10..].iter().copied().fold(0.0, f64::max);
        assert!(furthest < 50.0 && squares[..10].iter().all(|square| *square > 1000.0), "{furthest} {}", squares[0]);
    }

    #[test]
    fn constant_columns_and_copies_have_a_distance() {
        let values: Vec<f32> = (0..30).flat_map(|row| [5.0, row as f32, row as f32]).collect();
        let distance = Mahalanobis { shrinkage: Some(0.0), ..Mahalanobis::default() };
        let distance = distance.fit(&Matrix::new(3, values).unwrap()).unwrap();
        let rows = Matrix::new(3, vec![5.0, 10.0, 10.0, 5.0, 10.0, 12.0, 6.0, 10.0, 10.0]).unwrap();
        let squares = distance.squares(&rows);
        assert!(squares[0] < 2.0 && squares[1] > 1e3 && squares[2] > 1e3, "{squares:?}");
    }
}
