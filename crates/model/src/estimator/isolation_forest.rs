//! An isolation forest.

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::forest::MAX_TREES;
use super::scoring::Lazy;
use super::tree::{Branch, Division, Tree};
use super::{range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Error, Matrix};

/// An isolation forest (Liu, Ting, Zhou 2008): rows that random cuts set apart early are anomalies. Needs no labels.
///
/// It finds rows that are few and different. Many attacks are neither, one flow at a time; and what is rare is not
/// always bad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IsolationForest {
    /// The number of trees. Default 200: twice the 100 of Liu 2008 s.5.3 halves the variance between seeds.
    #[serde(alias = "n-estimators")]
    pub trees: u32,
    /// The rows that each tree sees, drawn without replacement. Default 1024: where all or nearly all rows are benign,
    /// more of them draw a finer picture of what is normal. Where anomalies hide among the rows in numbers, the 256 of
    /// Liu 2008 s.5.3 thin them out better.
    #[serde(alias = "max-samples")]
    pub sample: u32,
}

impl Default for IsolationForest {
    fn default() -> IsolationForest {
        IsolationForest { trees: 200, sample: 1024 }
    }
}

impl IsolationForest {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([("trees", Range::WholeMagnitude(25, 400)), ("sample", Range::WholeMagnitude(64, 4096))])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("trees", self.trees, 1, MAX_TREES)?;
        range("sample", self.sample, 2, MAX_SAMPLE)
    }

    pub(super) fn fit(&self, matrix: &Matrix, seed: u64) -> Isolation {
        let sample = (self.sample as usize).min(matrix.rows());
        let grow = |tree: u32| {
            let mut random = stream(seed, u64::from(tree));
            let mut rows = rand::seq::index::sample(&mut random, matrix.rows(), sample).into_vec();
            // Liu 2008 s.4.1: beyond the average depth of the sample nothing is anomalous any more.
            let height = (sample as f64).log2().ceil() as u32;
            isolate(matrix, &mut rows, height, &mut random)
        };
        let trees = (0..self.trees).into_par_iter().map(grow).collect();
        Isolation { trees, sample: sample as u32, width: matrix.width() as u32, scorer: Lazy::default() }
    }
}

/// A fitted isolation forest; a leaf is worth the path length that it stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Isolation {
    trees: Vec<Tree>,
    sample: u32,
    width: u32,
    #[serde(skip)]
    scorer: Lazy,
}

impl Isolation {
    /// The trees.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// The rows that each tree saw.
    pub fn sample(&self) -> u32 {
        self.sample
    }

    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// 2^(-E(h) / c(n)), Liu 2008 equation 2.
    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let scale = -1.0 / (self.trees.len() as f64 * average_path(f64::from(self.sample)).max(f64::MIN_POSITIVE));
        let paths = self.scorer.sums(&self.trees, matrix, &[0.0]);
        paths.into_iter().map(|path| (f64::from(path) * scale).exp2() as f32).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let trees = self.trees.len();
        if self.width() != width || trees == 0 || trees > MAX_TREES as usize || !(1..=MAX_SAMPLE).contains(&self.sample)
        {
            return Err(Error::Damaged(format!("an isolation forest of {trees} trees on {} rows", self.sample)));
        }
        self.trees.iter().try_for_each(|tree| tree.check(width, 1, 0.0..=MAX_PATH))
    }
}

/// A random tree on these rows, no deeper than `height`.
fn isolate(matrix: &Matrix, rows: &mut [usize], height: u32, random: &mut impl Rng) -> Tree {
    let mut tree = Tree::leaf(&[path(0, rows.len())], rows.len() as f64);
    let mut features: Vec<usize> = (0..matrix.width()).collect();
    let mut open = vec![(0, 0, 0..rows.len())];
    while let Some((leaf, depth, range)) = open.pop() {
        let part = &mut rows[range.clone()];
        if depth == height || part.len() < 2 {
            continue;
        }
        let Some((feature, threshold)) = random_cut(matrix, part, &mut features, random) else { continue };
        let middle = move_left(part, |row| matrix.row(row)[feature] <= threshold);
        let counts = [middle, part.len() - middle];
        let values = counts.map(|count| [path(depth + 1, count)]);
        let branch = Branch {
            feature,
            missing_left: true,
            cut: Division::AtMost(threshold),
            gain: 0.0,
            sides: [(&values[0], counts[0] as f64), (&values[1], counts[1] as f64)],
        };
        let Some(left) = tree.split(leaf, branch) else { break };
        open.push((left + 1, depth + 1, range.start + middle..range.end));
        open.push((left, depth + 1, range.start..range.start + middle));
    }
    tree
}

/// A feature drawn among those that differ within the rows, and a threshold drawn between its least and its largest
/// value; `None` where all rows are equal.
fn random_cut(matrix: &Matrix, rows: &[usize], features: &mut [usize], random: &mut impl Rng) -> Option<(usize, f32)> {
    for drawn in 0..features.len() {
        let other = random.random_range(drawn..features.len());
        features.swap(drawn, other);
        let feature = features[drawn];
        let values = rows.iter().map(|&row| matrix.row(row)[feature]);
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low < high {
            let share: f64 = random.random();
            let threshold = (f64::from(low) * (1.0 - share) + f64::from(high) * share) as f32;
            return Some((feature, threshold.clamp(low, high.next_down())));
        }
    }
    None
}

/// Moves the rows that go left before the others; tells how many they are.
pub(super) fn move_left(rows: &mut [usize], goes_left: impl Fn(usize) -> bool) -> usize {
    let mut left = 0;
    for place in 0..rows.len() {
        if goes_left(rows[place]) {
            rows.swap(left, place);
            left += 1;
        }
    }
    left
}

/// The path length of a leaf: its depth, and what isolating its rows would have taken.
pub(super) fn path(depth: u32, rows: usize) -> f32 {
    (f64::from(depth) + average_path(rows as f64)) as f32
}

/// c(n): the average path length of an unsuccessful search in a binary search tree of n rows (Liu 2008 equation 1).
pub(crate) fn average_path(rows: f64) -> f64 {
    if rows <= 1.0 {
        0.0
    } else if rows == 2.0 {
        1.0
    } else {
        2.0 * ((rows - 1.0).ln() + EULER_GAMMA) - 2.0 * (rows - 1.0) / rows
    }
}

const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
const MAX_SAMPLE: u32 = 1 << 18;
/// No path is longer.
pub(super) const MAX_PATH: f32 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_paths_are_those_of_the_paper() {
        assert_eq!((average_path(1.0), average_path(2.0)), (0.0, 1.0));
        assert!((average_path(256.0) - 10.244).abs() < 1e-2);
    }

    #[test]
    fn equal_rows_score_one_half() {
        let matrix = Matrix::new(1, vec![4.0; 300]).unwrap();
        let forest = IsolationForest::default().fit(&matrix, 1);
        for score in forest.scores(&matrix) {
            assert!((score - 0.5).abs() < 1e-6, "{score}");
        }
    }

    #[test]
    fn a_single_row_is_scored_without_dividing_by_zero() {
        let matrix = Matrix::new(1, vec![4.0]).unwrap();
        let scores = IsolationForest::default().fit(&matrix, 1).scores(&matrix);
        assert!((0.0..=1.0).contains(&scores[0]), "{scores:?}");
    }
}
