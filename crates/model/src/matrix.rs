//! Rows of finite numbers: what estimators fit on and score.

use crate::Error;

/// Rows of equally many finite numbers, one row after the other: what an encoder makes and an estimator eats.
///
/// ```
/// use model::Matrix;
/// let matrix = Matrix::new(2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
/// assert_eq!((matrix.rows(), matrix.row(1)), (2, [3.0, 4.0].as_slice()));
/// assert!(Matrix::new(2, vec![1.0, f32::NAN]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    width: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// A matrix of these values, row by row; refused where a value is not finite or the last row is cut short.
    pub fn new(width: usize, values: Vec<f32>) -> Result<Matrix, Error> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(Error::Shape { expected: width, found: values.len() });
        }
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { row: position / width, column: position % width });
        }
        Ok(Matrix { width, values })
    }

    /// A matrix of values that the caller knows to be finite and whole rows.
    pub(crate) fn finite(width: usize, values: Vec<f32>) -> Matrix {
        debug_assert!(width > 0 && values.len().is_multiple_of(width) && values.iter().all(|value| value.is_finite()));
        Matrix { width, values }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// The number of values in a row; never 0.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row. Panics where there is none.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
