//! A random forest.

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::binned::Binned;
use super::growth::{Growth, Sample};
use super::tree::{Tree, sum};
use super::{ClassWeights, range, stream};
use crate::{Classes, Error, Matrix};

/// A random forest (Breiman 2001): many trees, each grown on rows drawn with replacement, each split the best of a few
/// features drawn anew; the score is the mean share of attacks in the leaves.
///
/// Hard to beat on tables of flows without tuning, and knows nothing of attacks that look like none it was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RandomForest {
    /// The number of trees. Default 100: more change scores in the third digit, and cost in proportion.
    pub trees: u32,
    /// The deepest leaf, the root being at 0. Default 1000, which is no bound in practice: averaging, not depth, keeps
    /// a forest from learning its rows by heart.
    pub max_depth: u32,
    /// The fewest training rows of a leaf. Default 1, for the same reason.
    pub min_leaf: u32,
    /// How many features, drawn anew, compete for each split. Default 0, which stands for one and a half times the
    /// square root of their number: tables of flows have many nearly constant columns, and the square root alone draws
    /// too few of the others.
    pub features: u32,
    /// Whether each tree draws its rows with replacement (Breiman 2001), or takes all. Default true.
    pub bootstrap: bool,
    /// What rows of either side weigh. Default balanced: attacks are rare where it matters.
    pub class_weights: ClassWeights,
}

impl Default for RandomForest {
    fn default() -> RandomForest {
        RandomForest {
            trees: 100,
            max_depth: 1000,
            min_leaf: 1,
            features: 0,
            bootstrap: true,
            class_weights: ClassWeights::Balanced,
        }
    }
}

impl RandomForest {
    pub(super) fn check(&self) -> Result<(), Error> {
        range("trees", self.trees, 1, MAX_TREES)?;
        range("max-depth", self.max_depth, 1, 1000)?;
        range("min-leaf", self.min_leaf, 1, u32::MAX)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes, seed: u64) -> Forest {
        let attacks = &truth.attacks();
        let binned = Binned::of(matrix);
        let features = match self.features as usize {
            0 => (1.5 * (matrix.width() as f64).sqrt()).round() as usize,
            features => features,
        };
        let growth = Growth {
            max_depth: self.max_depth,
            min_leaf: self.min_leaf,
            features,
            weights: self.class_weights.of(attacks),
        };
        let grow = |tree: u32| {
            let mut random = stream(seed, u64::from(tree));
            let mut times = vec![u16::from(!self.bootstrap); attacks.len()];
            for _ in 0..if self.bootstrap { attacks.len() } else { 0 } {
                let row = &mut times[random.random_range(0..attacks.len())];
                *row = row.saturating_add(1);
            }
            let drawn = times.iter().zip(attacks).enumerate().filter(|(_, (times, _))| **times > 0);
            let samples = drawn.map(|(row, (&times, &attack))| Sample::new(row as u32, times, attack)).collect();
            growth.grow(&binned, samples, &mut random)
        };
        Forest::new((0..self.trees).into_par_iter().map(grow).collect(), matrix.width(), truth.names())
    }
}

/// A fitted random forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    trees: Vec<Tree>,
    width: u32,
    classes: Vec<String>,
}

impl Forest {
    pub(super) fn new(trees: Vec<Tree>, width: usize, classes: &[String]) -> Forest {
        Forest { trees, width: width as u32, classes: classes.to_vec() }
    }

    /// The trees.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let trees = self.trees.len() as f64;
        sum(&self.trees, matrix.values(), matrix.width()).into_iter().map(|sum| (sum / trees) as f32).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        if self.width() != width || self.trees.is_empty() || self.trees.len() > MAX_TREES as usize {
            return Err(Error::Damaged(format!(
                "a forest of {} trees for {} values a row",
                self.trees.len(),
                self.width
            )));
        }
        super::check_classes(&self.classes)?;
        self.trees.iter().try_for_each(|tree| tree.check(width, 0.0..=1.0))
    }
}

/// The most trees of a forest.
pub(super) const MAX_TREES: u32 = 10_000;
