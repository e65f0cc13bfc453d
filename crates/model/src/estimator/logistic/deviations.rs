//! A matrix by what is not as usual.

use crate::Matrix;

/// The rows of a matrix, each by its values that differ from the usual value of their column: a table of flows has many
/// zeros and, once encoded, many columns that are the same in nearly every row.
pub(super) struct Deviations {
    /// The usual value of each column: that of more than half of the rows, where there is one, or 0.
    usual: Vec<f64>,
    /// Where the values of each row begin, and where the last one's end.
    starts: Vec<usize>,
    columns: Vec<u16>,
    /// By how much they differ.
    values: Vec<f32>,
}

impl Deviations {
    /// Every `step`th row of a matrix, of at most 65,536 columns.
    pub(super) fn of(matrix: &Matrix, step: usize) -> Deviations {
        let rows = || matrix.values().chunks_exact(matrix.width()).step_by(step);
        // The vote of Boyer and Moore: a value of more than half of the rows is the last to stand.
        let mut votes: Vec<(f32, u32)> = vec![(0.0, 0); matrix.width()];
        for row in rows() {
            for (vote, &value) in votes.iter_mut().zip(row) {
                match vote {
                    (standing, count) if *standing == value => *count += 1,
                    (_, count) if *count > 0 => *count -= 1,
                    _ => *vote = (value, 1),
                }
            }
        }
        let usual: Vec<f32> = votes.into_iter().map(|(value, _)| value).collect();
        let mut deviations = Deviations {
            usual: usual.iter().map(|&value| f64::from(value)).collect(),
            starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
        };
        for row in rows() {
            for (column, (&value, &usual)) in row.iter().zip(&usual).enumerate() {
                if value != usual {
                    deviations.columns.push(column as u16);
                    deviations.values.push((f64::from(value) - f64::from(usual)).clamp(-1e38, 1e38) as f32);
                }
            }
            deviations.starts.push(deviations.columns.len());
        }
        deviations
    }

    pub(super) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The usual value of each column.
    pub(super) fn usual(&self) -> &[f64] {
        &self.usual
    }

    /// The columns in which a row differs, and by how much.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[row]..self.starts[row + 1];
        let (columns, values) = (&self.columns[range.clone()], &self.values[range]);
        columns.iter().zip(values).map(|(&column, &value)| (usize::from(column), f64::from(value)))
    }
}
