//! What principal components leave over.

use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::covariance::{Covariance, MAX_WIDTH, centre, check_width, product};
use super::range;
use super::tail::Tail;
use crate::space::{Dimension, Range, space};
use crate::{Error, Matrix};

/// The distance from the plane of the principal components of the training rows (Shyu et al. 2003): a row that breaks the
/// relations between columns that all others keep. Needs no labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrincipalComponents {
    /// As many components are taken as hold this share of the variance, one fewer than there are columns at most: all of
    /// them would leave nothing over to judge by. Default 0.95.
    pub variance: f64,
    /// The number of components. Default 0, which leaves it to `variance`.
    #[serde(alias = "n-components")]
    pub components: u32,
}

impl Default for PrincipalComponents {
    fn default() -> PrincipalComponents {
        PrincipalComponents { variance: 0.95, components: 0 }
    }
}

impl PrincipalComponents {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([("variance", Range::Real(0.5, 0.999))])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("variance", self.variance, 0.0, 1.0)?;
        range("components", self.components, 0, MAX_WIDTH as u32)
    }

    pub(super) fn fit(&self, matrix: &Matrix) -> Result<Plane, Error> {
        check_width(matrix)?;
        let width = matrix.width();
        let all: Vec<u32> = (0..matrix.rows() as u32).collect();
        let covariance = Covariance::of(matrix, &all);
        let eigen = SymmetricEigen::new(DMatrix::from_column_slice(width, width, &covariance.values));
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|&one, &other| eigen.eigenvalues[other].total_cmp(&eigen.eigenvalues[one]));
        let total: f64 = eigen.eigenvalues.iter().map(|variance| variance.max(0.0)).sum();
        let count = match self.components as usize {
            0 => {
                let mut held = 0.0;
                let is_short = |&&at: &&usize| {
                    let short = held < self.variance * total;
                    held += eigen.eigenvalues[at].max(0.0);
                    short
                };
                order.iter().take_while(is_short).count().min(width - 1)
            }
            components => components.min(width),
        };
        let components =
            order[..count].iter().flat_map(|&at| eigen.eigenvectors.column(at).iter().copied().collect::<Vec<f64>>());
        let mut plane = Plane { mean: covariance.mean, components: components.collect(), tail: Tail::of([0.0]) };
        plane.tail = Tail::of(plane.residuals(matrix).into_iter().map(raw));
        Ok(plane)
    }
}

/// A fitted plane of principal components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    mean: Vec<f64>,
    /// One component after the other, of length 1 each, at right angles.
    components: Vec<f64>,
    tail: Tail,
}

impl Plane {
    pub(super) fn width(&self) -> usize {
        self.mean.len()
    }

    /// The number of components.
    pub fn components(&self) -> usize {
        self.components.len() / self.width().max(1)
    }

    /// The squared distance of each row from the plane.
    pub fn residuals(&self, matrix: &Matrix) -> Vec<f64> {
        let width = self.width();
        let residual = |centred: &mut Vec<f64>, row: &[f32]| {
            centre(centred, row, &self.mean);
            let within = self.components.chunks_exact(width).map(|component| product(component, centred).powi(2));
            let (within, square) = (within.sum::<f64>(), product(centred, centred));
            // What is only rounding is no distance.
            if square - within > 1e-9 * square { square - within } else { 0.0 }
        };
        matrix.values().par_chunks(width).with_min_len(64).map_init(|| vec![0.0; width], residual).collect()
    }

    /// What each value of a row adds to its squared distance: the product of its deviation from the mean and from the plane.
    /// These are the Shapley values where an unknown value is its mean, as for any square (Mayrhofer and Filzmoser 2023).
    pub(crate) fn shares(&self, row: &[f32]) -> Vec<f64> {
        let mut centred = vec![0.0; self.width()];
        centre(&mut centred, row, &self.mean);
        let mut residual = centred.clone();
        for component in self.components.chunks_exact(self.width().max(1)) {
            let along = product(component, &centred);
            residual.iter_mut().zip(component).for_each(|(residual, part)| *residual -= along * part);
        }
        centred.iter().zip(residual).map(|(centred, residual)| centred * residual).collect()
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        self.residuals(matrix).into_iter().map(|residual| self.tail.score(raw(residual))).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let fits = self.mean.len() == width && width <= MAX_WIDTH && self.components.len() <= width * width;
        let whole = width > 0 && self.components.len().is_multiple_of(width);
        // A component is no longer than 1, save for rounding.
        if !fits || !whole || self.mean.iter().chain(&self.components).any(|value| !value.is_finite()) {
            return Err(Error::Damaged("components that do not fit the columns".into()));
        }
        self.tail.check()
    }
}

/// Squared distances of tables of flows spread over many powers of ten.
fn raw(square: f64) -> f64 {
    square.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9, `PCA(2)`: the squared distances of [[1, 2, 3], [10, 0, 0]] from what it reconstructs.
    #[test]
    fn residuals_agree_with_scikit_learn() {
        let rows = vec![1.0, 2.0, 3.0, 3.0, 5.0, 1.0, 4.0, 1.0, 1.0, 8.0, 9.0, 7.0, 2.0, 2.0, 9.0];
        let matrix = Matrix::new(3, rows).unwrap();
        let plane = PrincipalComponents { components: 2, ..PrincipalComponents::default() }.fit(&matrix).unwrap();
        let residuals = plane.residuals(&Matrix::new(3, vec![1.0, 2.0, 3.0, 10.0, 0.0, 0.0]).unwrap());
        for (residual, expected) in residuals.iter().zip([0.880_872_588_876_982_7, 51.889_609_633_721_754]) {
            assert!((residual / expected - 1.0).abs() < 1e-9, "{residual} {expected}");
        }
        // The first two hold 0.608 and 0.339 of the variance.
        // All three would leave nothing over.
        for (variance, components) in [(0.6, 1), (0.61, 2), (0.94, 2), (0.95, 2)] {
            let plane = PrincipalComponents { variance, components: 0 }.fit(&matrix).unwrap();
            assert_eq!(plane.components(), components, "{variance}");
        }
    }
}
