//! A single decision tree.

use serde::{Deserialize, Serialize};

use super::binned::Binned;
use super::forest::Forest;
use super::growth::{Growth, Sample};
use super::{ClassWeights, range, stream};
use crate::{Classes, Error, Matrix};

/// A classification tree by Gini impurity (Breiman et al. 1984).
///
/// It can be read and explained, and forgets nothing: grown to the end it knows its training rows by heart, so the
/// defaults stop it early. A [`RandomForest`](super::RandomForest) is nearly always right more often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DecisionTree {
    /// The deepest leaf, the root being at 0. Default 12: a path that a person can still follow.
    pub max_depth: u32,
    /// The fewest training rows of a leaf. Default 5: a share of attacks among fewer says little.
    pub min_leaf: u32,
    /// What rows of either side weigh. Default equal: shares stay those of the training rows.
    pub class_weights: ClassWeights,
}

impl Default for DecisionTree {
    fn default() -> DecisionTree {
        DecisionTree { max_depth: 12, min_leaf: 5, class_weights: ClassWeights::Equal }
    }
}

impl DecisionTree {
    pub(super) fn check(&self) -> Result<(), Error> {
        range("max-depth", self.max_depth, 1, 1000)?;
        range("min-leaf", self.min_leaf, 1, u32::MAX)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes, seed: u64) -> Forest {
        let attacks = &truth.attacks();
        let growth = Growth {
            max_depth: self.max_depth,
            min_leaf: self.min_leaf,
            features: matrix.width(),
            weights: self.class_weights.of(attacks),
        };
        let samples = attacks.iter().enumerate().map(|(row, &attack)| Sample::new(row as u32, 1, attack)).collect();
        let tree = growth.grow(&Binned::of(matrix), samples, &mut stream(seed, 0));
        Forest::new(vec![tree], matrix.width(), truth.names())
    }
}
