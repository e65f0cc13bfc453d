//! A single decision tree.

use serde::{Deserialize, Serialize};

use super::binned::Binned;
use super::classification::{Criterion, Growth, Sample, Splitter};
use super::forest::Forest;
use super::pruning::prune;
use super::{ClassWeights, range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Classes, Error, Matrix};

/// A classification tree (Breiman et al. 1984).
///
/// It can be read and explained, and forgets nothing: grown to the end it knows its training rows by heart, so the
/// defaults stop it early. A [`RandomForest`](super::RandomForest) is nearly always right more often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DecisionTree {
    /// What makes a node pure. Default gini.
    pub criterion: Criterion,
    /// The deepest leaf, the root being at 0. Default 12: a path that a person can still follow.
    pub max_depth: u32,
    /// The fewest training rows of a leaf. Default 5: a share of attacks among fewer says little.
    #[serde(alias = "min-leaf")]
    pub min_samples_leaf: u32,
    /// What rows of each class weigh. Default equal: shares stay those of the training rows.
    #[serde(alias = "class-weight")]
    pub class_weights: ClassWeights,
    /// Cost-complexity pruning: a split stays only where each leaf that it adds lowers the impurity of all training
    /// rows, as a share of their weight, by more than this. Default 0, which prunes nothing.
    pub ccp_alpha: f64,
}

impl Default for DecisionTree {
    fn default() -> DecisionTree {
        DecisionTree {
            criterion: Criterion::Gini,
            max_depth: 12,
            min_samples_leaf: 5,
            class_weights: ClassWeights::Equal,
            ccp_alpha: 0.0,
        }
    }
}

impl DecisionTree {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([
            ("criterion", Range::words(&["gini", "entropy"])),
            ("max-depth", Range::Whole(3, 30)),
            ("min-samples-leaf", Range::WholeMagnitude(1, 100)),
            ("class-weights", Range::class_weights()),
            ("ccp-alpha", Range::Magnitude(1e-7, 1e-2)),
        ])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("max-depth", self.max_depth, 1, 1000)?;
        range("min-samples-leaf", self.min_samples_leaf, 1, u32::MAX)?;
        range("ccp-alpha", self.ccp_alpha, 0.0, 1e12)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes, seed: u64) -> Forest {
        let weights = self.class_weights.each(truth);
        let growth = Growth {
            criterion: self.criterion,
            splitter: Splitter::Best,
            max_depth: self.max_depth,
            min_samples_leaf: self.min_samples_leaf,
            features: matrix.width(),
            weights: &weights,
            draws_thresholds: false,
        };
        let samples = (0..).zip(truth.codes()).map(|(row, &class)| Sample { row, class: class as u16, times: 1 });
        let tree = growth.grow(&Binned::of(matrix, Some(truth)), samples.collect(), &mut stream(seed, 0));
        let tree = if self.ccp_alpha > 0.0 { prune(&tree, self.ccp_alpha) } else { tree };
        Forest::new(vec![tree], matrix.width(), truth.names())
    }
}
