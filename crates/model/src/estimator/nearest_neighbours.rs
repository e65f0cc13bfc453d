//! k nearest neighbours as a classifier.

use serde::{Deserialize, Serialize};

use super::neighbours::{MOST_ROWS, Neighbours, each, sample};
use super::{range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Classes, Error, Matrix, Probabilities};

/// The share of each class among the nearest training rows (Cover and Hart 1967), for small tables: it keeps the rows and
/// looks through them for each row that it judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NearestNeighbours {
    /// How many neighbours are asked. Default 5.
    #[serde(alias = "n-neighbors")]
    pub neighbours: u32,
    /// The most training rows that are kept; of a larger table as many are drawn. Default 20,000: a detector of some ten
    /// megabytes.
    pub rows: u32,
    /// Whether a nearer neighbour's word weighs more. Default no.
    pub by_distance: bool,
}

impl Default for NearestNeighbours {
    fn default() -> NearestNeighbours {
        NearestNeighbours { neighbours: 5, rows: 20_000, by_distance: false }
    }
}

impl NearestNeighbours {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([("neighbours", Range::WholeMagnitude(1, 50)), ("by-distance", Range::switch())])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("neighbours", self.neighbours, 1, 1000)?;
        range("rows", self.rows, 1, MOST_ROWS)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes, seed: u64) -> Neighbourhood {
        let rows = sample(matrix.rows(), self.rows, &mut stream(seed, 0));
        Neighbourhood {
            tree: Neighbours::of(matrix, &rows),
            codes: rows.iter().map(|&row| truth.codes()[row as usize]).collect(),
            classes: truth.names().to_vec(),
            neighbours: self.neighbours,
            by_distance: self.by_distance,
        }
    }
}

/// Training rows and their classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbourhood {
    tree: Neighbours,
    codes: Vec<u32>,
    classes: Vec<String>,
    neighbours: u32,
    by_distance: bool,
}

impl Neighbourhood {
    pub(super) fn width(&self) -> usize {
        self.tree.width()
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn probabilities(&self, matrix: &Matrix) -> Probabilities {
        let count = self.classes.len();
        let shares = each(&self.tree, matrix, self.neighbours, |near| {
            let mut shares = vec![0.0; count];
            // A row that is there already has the last word.
            let same = near.first().is_some_and(|near| near.0 == 0.0);
            for &(square, origin) in near {
                let weight = match self.by_distance {
                    true if same => f64::from(u8::from(square == 0.0)),
                    true => 1.0 / square.sqrt(),
                    false => 1.0,
                };
                shares[self.codes[origin as usize] as usize] += weight;
            }
            let sum: f64 = shares.iter().sum();
            shares.into_iter().map(|share| (share / sum) as f32).collect::<Vec<f32>>()
        });
        Probabilities::new(count, shares.concat())
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        self.tree.check(width, 1)?;
        let codes =
            self.codes.len() == self.tree.rows() && self.codes.iter().all(|&code| (code as usize) < self.classes.len());
        if !codes || !(1..=1000).contains(&self.neighbours) || self.classes.len() < 2 {
            return Err(Error::Damaged("neighbours of unknown classes".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9, `KNeighborsClassifier(3)`: `predict_proba([[2, 3], [5, 5], [1, 2]])`.
    #[test]
    fn shares_agree_with_scikit_learn() {
        let matrix = Matrix::new(2, vec![1.0, 2.0, 3.0, 5.0, 4.0, 1.0, 8.0, 9.0, 2.0, 2.0]).unwrap();
        let truth = Classes::binary(&[false, true, false, true, true]);
        let rows = Matrix::new(2, vec![2.0, 3.0, 5.0, 5.0, 1.0, 2.0]).unwrap();
        for (by_distance, expected) in [
            (false, [0.333_333_34, 0.666_666_7, 0.333_333_34, 0.666_666_7, 0.666_666_7, 0.333_333_34]),
            (true, [0.328_227_3, 0.671_772_7, 0.247_931_13, 0.752_068_9, 1.0, 0.0]),
        ] {
            let settings = NearestNeighbours { neighbours: 3, by_distance, ..NearestNeighbours::default() };
            let probabilities = settings.fit(&matrix, &truth, 1).probabilities(&rows);
            for (value, expected) in probabilities.values().iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{probabilities:?}");
            }
        }
    }
}
