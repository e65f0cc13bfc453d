//! The distance from the nearest neighbours as an anomaly score.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::neighbours::{MOST_ROWS, Near, Neighbours, each, sample};
use super::tail::Tail;
use super::{range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Error, Matrix};

/// The mean distance from the nearest training rows (Angiulli and Pizzuti 2002): a row like which there is none. Needs no
/// labels.
///
/// It knows any shape of normal, as long as the training rows show it; a normal row that is new is an anomaly to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NeighbourDistance {
    /// How many neighbours the distance is taken from. Default 5.
    #[serde(alias = "n-neighbors")]
    pub neighbours: u32,
    /// The most training rows that are kept; of a larger table as many are drawn. Default 20,000: a detector of some ten
    /// megabytes.
    pub rows: u32,
}

impl Default for NeighbourDistance {
    fn default() -> NeighbourDistance {
        NeighbourDistance { neighbours: 5, rows: 20_000 }
    }
}

impl NeighbourDistance {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([("neighbours", Range::WholeMagnitude(1, 50))])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("neighbours", self.neighbours, 1, 1000)?;
        range("rows", self.rows, 2, MOST_ROWS)
    }

    pub(super) fn fit(&self, matrix: &Matrix, seed: u64) -> Surroundings {
        let rows = sample(matrix.rows(), self.rows, &mut stream(seed, 0));
        let tree = Neighbours::of(matrix, &rows);
        let mut left: Vec<u32> = (0..matrix.rows() as u32).collect();
        left.retain(|row| rows.binary_search(row).is_err());
        // What is usual is told by rows that the tree does not hold, or else by its own rows without themselves.
        let asked: Vec<(u32, Option<u32>)> = match left.len() >= rows.len().min(TAIL_ROWS as usize) {
            true => sample(left.len(), TAIL_ROWS, &mut stream(seed, 1))
                .iter()
                .map(|&at| (left[at as usize], None))
                .collect(),
            false => sample(rows.len(), TAIL_ROWS, &mut stream(seed, 1))
                .iter()
                .map(|&at| (rows[at as usize], Some(at)))
                .collect(),
        };
        let distance = |&(row, but): &(u32, Option<u32>)| {
            raw(&tree.nearest(matrix.row(row as usize), self.neighbours as usize, but))
        };
        let distances: Vec<f64> = asked.par_iter().with_min_len(16).map(distance).collect();
        Surroundings { tree, neighbours: self.neighbours, tail: Tail::of(distances) }
    }
}

/// Training rows, and how far from each other they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surroundings {
    tree: Neighbours,
    neighbours: u32,
    tail: Tail,
}

impl Surroundings {
    pub(super) fn width(&self) -> usize {
        self.tree.width()
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        each(&self.tree, matrix, self.neighbours, |near| self.tail.score(raw(near)))
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        self.tree.check(width, 1)?;
        if !(1..=1000).contains(&self.neighbours) {
            return Err(Error::Damaged(format!("{} neighbours", self.neighbours)));
        }
        self.tail.check()
    }
}

/// The logarithm of the mean distance, which spreads over many powers of ten.
fn raw(near: &[Near]) -> f64 {
    let sum: f64 = near.iter().map(|(square, _)| square.sqrt()).sum();
    (sum / near.len().max(1) as f64).ln_1p()
}

/// As many rows tell what distance is usual.
const TAIL_ROWS: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_does_not_count_as_its_own_neighbour() {
        let matrix = Matrix::new(1, (0..50).map(|row| row as f32).collect()).unwrap();
        let settings = NeighbourDistance { neighbours: 1, ..NeighbourDistance::default() };
        let scores = settings.fit(&matrix, 1).scores(&Matrix::new(1, vec![10.0, 11.0, 10.5, 52.0]).unwrap());
        // Every training row has a neighbour at distance 1: what is nearer is usual.
        assert!(scores[0] == scores[1] && scores[0] < scores[2] && scores[2] < 0.02 && scores[3] > 0.2, "{scores:?}");
    }
}
