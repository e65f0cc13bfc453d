//! The Mahalanobis distance.

use nalgebra::DMatrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

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
    /// The share of the rows, those nearest the middle, that mean and covariance are taken from. Default 1: all of them,
    /// right where attacks are known and left out. Below 1 it is found by concentration steps (Rousseeuw and Van
    /// Driessen 1999) from the covariance of all rows, so that a few attacks among the training rows do no harm.
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
        let mut distance = self.fit_rows(matrix, &all);
        let support = ((self.support * all.len() as f64).round() as usize).max(1);
        let mut kept = all.clone();
        for _ in 0..if support < all.len() { MAX_STEPS } else { 0 } {
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
            distance = self.fit_rows(matrix, &nearest);
            kept = nearest;
        }
        distance.tail = Tail::of(distance.squares(matrix).into_iter().map(raw));
        Ok(distance)
    }

    fn fit_rows(&self, matrix: &Matrix, rows: &[u32]) -> Distance {
        let mut covariance = Covariance::of(matrix, rows);
        covariance.shrink(self.shrinkage.unwrap_or_else(|| covariance.ledoit_wolf()));
        let width = matrix.width();
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

/// Squared distances of tables of flows spread over many powers of ten.
fn raw(square: f64) -> f64 {
    square.ln_1p()
}

/// Concentration steps end by themselves, nearly always within ten.
const MAX_STEPS: usize = 30;

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
