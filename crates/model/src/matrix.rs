//! Rows of numbers: what estimators fit on and score.

use crate::Error;

/// Rows of equally many numbers, one row after the other: what an encoder makes and an estimator eats. No number is
/// infinite; NaN is a missing value, which only some estimators take (their [`Recipe`](crate::Recipe) says so).
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
    missing: bool,
    features: Vec<Feature>,
}

/// What a value of a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Whether it is the code of a name, so that its order means nothing.
    pub is_code: bool,
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
        Ok(Matrix { width, values, missing: false, features: Vec::new() })
    }

    /// A matrix of these values, row by row, of which some may be NaN, that is, missing; refused where a value is
    /// infinite or the last row is cut short.
    pub fn with_missing(width: usize, values: Vec<f32>) -> Result<Matrix, Error> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(Error::Shape { expected: width, found: values.len() });
        }
        if let Some(position) = values.iter().position(|value| value.is_infinite()) {
            return Err(Error::NotFinite { row: position / width, column: position % width });
        }
        let missing = values.iter().any(|value| value.is_nan());
        Ok(Matrix { width, values, missing, features: Vec::new() })
    }

    /// A matrix of values that the caller knows to be whole rows, and none of them infinite, nor missing unless said so.
    pub(crate) fn encoded(width: usize, values: Vec<f32>, missing: bool) -> Matrix {
        debug_assert!(width > 0 && values.len().is_multiple_of(width));
        debug_assert!(values.iter().all(|value| value.is_finite() || missing && value.is_nan()));
        Matrix { width, values, missing, features: Vec::new() }
    }

    /// The same matrix with what its values are, one a column; refused where there are more or fewer.
    pub fn with_features(self, features: Vec<Feature>) -> Result<Matrix, Error> {
        if features.len() != self.width {
            return Err(Error::Shape { expected: self.width, found: features.len() });
        }
        Ok(Matrix { features, ..self })
    }

    /// What the values of a row are; empty where nobody has told.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Whether the values of a column are codes of names.
    pub(crate) fn is_code(&self, column: usize) -> bool {
        self.features.get(column).is_some_and(|feature| feature.is_code)
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// The number of values in a row; never 0.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether any value is missing.
    pub fn has_missing(&self) -> bool {
        self.missing
    }

    /// An error that names the first value that is missing, for an estimator that takes none.
    pub(crate) fn complete(&self) -> Result<(), Error> {
        let missing = if self.missing { self.values.iter().position(|value| value.is_nan()) } else { None };
        missing.map_or(Ok(()), |at| Err(Error::NotFinite { row: at / self.width, column: at % self.width }))
    }

    /// Some columns of every row. Panics where there are none.
    pub(crate) fn columns(&self, columns: std::ops::Range<usize>) -> Matrix {
        let rows = self.values.chunks_exact(self.width);
        let values: Vec<f32> = rows.flat_map(|row| row[columns.clone()].iter().copied()).collect();
        let missing = self.missing && values.iter().any(|value| value.is_nan());
        let features = self.features.get(columns.clone()).unwrap_or_default().to_vec();
        Matrix { width: columns.len(), values, missing, features }
    }

    /// These rows, in this order. Panics where there is none.
    pub(crate) fn select(&self, rows: &[usize]) -> Matrix {
        let values: Vec<f32> = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        let missing = self.missing && values.iter().any(|value| value.is_nan());
        Matrix { width: self.width, values, missing, features: self.features.clone() }
    }

    /// One row. Panics where there is none.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, row by row, taken out of the matrix.
    pub(crate) fn into_values(self) -> Vec<f32> {
        self.values
    }
}
