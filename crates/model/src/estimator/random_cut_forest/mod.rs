//! A streaming random cut forest.

mod tree;

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::tree::CutTree;
use super::{range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Error, Matrix};

/// A robust random cut forest (Guha, Mishra, Roy, Schrijvers 2016): rows that would displace many others are anomalies.
/// Needs no labels, and goes on learning in constant memory.
///
/// Wide columns are cut more often than narrow ones, so that unlike an isolation forest it does not drown in columns
/// that tell nothing; unlike half-space trees it remembers more than the last window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RandomCutForest {
    /// The number of trees. Default 50: twice as many change the order of rows little.
    pub trees: u32,
    /// The rows that each tree holds, drawn evenly from what it has seen. Default 256, as in Guha 2016 s.5.
    pub sample: u32,
    /// After how many rows older ones begin to be forgotten: the chance that a row is still held then falls by half
    /// with about 0.7 times as many more. Default 1,000,000.
    pub horizon: u64,
}

impl Default for RandomCutForest {
    fn default() -> RandomCutForest {
        RandomCutForest { trees: 50, sample: 256, horizon: 1_000_000 }
    }
}

impl RandomCutForest {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([("trees", Range::WholeMagnitude(25, 200)), ("sample", Range::WholeMagnitude(64, 2048))])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("trees", self.trees, 1, MAX_TREES)?;
        range("sample", self.sample, 2, MAX_SAMPLE)?;
        range("horizon", self.horizon, u64::from(self.sample), u64::MAX)
    }

    pub(super) fn fit(&self, matrix: &Matrix, seed: u64) -> RandomCuts {
        let empty = Reservoir { tree: CutTree::new(matrix.width()), leaves: Vec::new() };
        let trees = vec![empty; self.trees as usize];
        let mut cuts = RandomCuts { trees, sample: self.sample, horizon: self.horizon, seed, seen: 0 };
        cuts.learn(matrix);
        cuts
    }
}

/// A fitted random cut forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomCuts {
    trees: Vec<Reservoir>,
    sample: u32,
    horizon: u64,
    seed: u64,
    /// The rows so far.
    seen: u64,
}

/// A tree, and the leaf of each row that it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reservoir {
    tree: CutTree,
    leaves: Vec<u32>,
}

impl RandomCuts {
    pub(super) fn width(&self) -> usize {
        self.trees.first().map_or(0, |reservoir| reservoir.tree.width())
    }

    /// Takes more rows. Each tree keeps an even sample of the rows so far (Vitter 1985, algorithm R) up to the horizon,
    /// and from there on one that forgets exponentially (Aggarwal 2006).
    pub(crate) fn learn(&mut self, matrix: &Matrix) {
        let RandomCuts { sample, horizon, seed, seen, .. } = *self;
        self.trees.par_iter_mut().enumerate().for_each(|(number, reservoir)| {
            for (row, number_of_row) in matrix.values().chunks_exact(matrix.width()).zip(seen..) {
                // Random numbers of the row's own, so that a saved model goes on as one that was never saved.
                let mut random = stream(seed ^ number_of_row.wrapping_mul(ODD), number as u64);
                if reservoir.leaves.len() < sample as usize {
                    let leaf = reservoir.tree.insert(row, &mut random);
                    reservoir.leaves.push(leaf);
                } else if random.random_range(0..number_of_row.saturating_add(1).min(horizon)) < u64::from(sample) {
                    let place = random.random_range(0..reservoir.leaves.len());
                    reservoir.tree.remove(reservoir.leaves[place]);
                    reservoir.leaves[place] = reservoir.tree.insert(row, &mut random);
                }
            }
        });
        self.seen = seen.saturating_add(matrix.rows() as u64);
    }

    /// The share of the rows held that a row would displace, averaged over the trees.
    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let score = |row: &[f32]| {
            let sum: f64 = self.trees.iter().map(|reservoir| reservoir.tree.displacement(row)).sum();
            (sum / self.trees.len() as f64) as f32
        };
        matrix.values().par_chunks(matrix.width()).with_min_len(64).map(score).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let trees = self.trees.len();
        let settings = RandomCutForest { trees: trees as u32, sample: self.sample, horizon: self.horizon };
        let rows = self.seen.min(u64::from(self.sample));
        let is_sound = |reservoir: &Reservoir| {
            let mut held: std::collections::HashMap<u32, u32> = std::collections::HashMap::new();
            reservoir.leaves.iter().for_each(|&leaf| *held.entry(leaf).or_default() += 1);
            reservoir.tree.width() == width
                && reservoir.leaves.len() as u64 == rows
                && u64::from(reservoir.tree.mass()) == rows
                && held.iter().all(|(&leaf, &count)| reservoir.tree.count(leaf) == count)
        };
        if settings.check().is_err() || rows == 0 || !self.trees.iter().all(is_sound) {
            return Err(Error::Damaged(format!("a random cut forest of {trees} trees on {} rows", self.sample)));
        }
        Ok(())
    }
}

const MAX_TREES: u32 = 10_000;
const MAX_SAMPLE: u32 = 1 << 16;
const ODD: u64 = 0xd134_2543_de82_ef95;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_longer_comes_is_forgotten() {
        let settings = RandomCutForest { trees: 20, sample: 32, horizon: 64 };
        let mut cuts = settings.fit(&Matrix::new(1, (0..200).map(|row| (row % 10) as f32).collect()).unwrap(), 1);
        let old = Matrix::new(1, vec![4.5]).unwrap();
        let before = cuts.scores(&old)[0];
        cuts.learn(&Matrix::new(1, (0..2000).map(|row| 1000.0 + (row % 10) as f32).collect()).unwrap());
        let after = cuts.scores(&old)[0];
        assert!(before < 0.3 && after > 0.9, "{before} {after}");
    }

    #[test]
    fn rows_in_parts_give_the_model_of_all_rows_at_once() {
        let values: Vec<f32> = (0..900).map(|place| ((place * 37) % 101) as f32).collect();
        let part = |from: usize, to: usize| Matrix::new(3, values[from * 3..to * 3].to_vec()).unwrap();
        let settings = RandomCutForest { trees: 4, sample: 16, horizon: 100 };
        let whole = settings.fit(&part(0, 300), 1);
        let mut parts = settings.fit(&part(0, 5), 1);
        [(5, 6), (6, 140), (140, 300)].into_iter().for_each(|(from, to)| parts.learn(&part(from, to)));
        assert_eq!(parts, whole);
    }
}
