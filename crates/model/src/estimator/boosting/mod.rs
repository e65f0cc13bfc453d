//! Gradient boosting.

mod growth;
mod histogram;
mod objective;
mod split;

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub(super) use growth::move_left;
use growth::{Ground, Grown};
use histogram::{Layout, Packed, Room};
use objective::{Objective, sigmoid, softmax};
use split::Rules;

use super::binned::Binned;
use super::forest::MAX_TREES;
use super::scoring::Lazy;
use super::tree::Tree;
use super::{ClassWeights, range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Classes, Error, Matrix, Probabilities};

/// Gradient boosting (Friedman 2001) of regression trees on histograms (Ke et al. 2017): each tree mends what those
/// before it get wrong. Logistic loss for two classes, softmax for more.
///
/// On tables of flows the most accurate of all estimators here, as long as what it judges looks like what it learned
/// from. Missing values are learned from: each split sends them to the side where they lower the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GradientBoosting {
    /// The number of rounds, a tree each, or one a class where there are more than two. Default 300.
    #[serde(alias = "n-estimators", alias = "num-iterations", alias = "max-iter")]
    pub trees: u32,
    /// By how much each tree's step is shortened. Default 0.1.
    #[serde(alias = "eta")]
    pub learning_rate: f64,
    /// The most leaves of a tree. Default 31.
    #[serde(alias = "max-leaf-nodes")]
    pub num_leaves: u32,
    /// The deepest leaf, the root being at 0; 0 for no bound. Default 0: the number of leaves bounds a tree.
    pub max_depth: u32,
    /// Which leaf is split next. Default leaf-wise.
    pub growth: Growth,
    /// The fewest training rows of a leaf. Default 20.
    #[serde(alias = "min-child-samples", alias = "min-data-in-leaf")]
    pub min_samples_leaf: u32,
    /// The least sum of hessians of a leaf. Default 0.001.
    #[serde(alias = "min-sum-hessian-in-leaf")]
    pub min_child_weight: f64,
    /// The least gain of a split. Default 0.
    #[serde(alias = "gamma", alias = "min-gain-to-split")]
    pub min_split_gain: f64,
    /// The L1 penalty on what leaves are worth. Default 0.
    #[serde(alias = "lambda-l1")]
    pub reg_alpha: f64,
    /// The L2 penalty on what leaves are worth. Default none set, which stands for 0 with two classes and 1 with more: a
    /// class of a handful of rows would else move its sums without bound.
    #[serde(alias = "lambda-l2", alias = "l2-regularization")]
    pub reg_lambda: Option<f64>,
    /// The share of the rows that each tree is grown on, drawn anew. Default 1.
    #[serde(alias = "bagging-fraction")]
    pub subsample: f64,
    /// The share of the columns that each tree may ask for, drawn anew. Default 0.5: trees differ more, and together they
    /// err less.
    #[serde(alias = "feature-fraction")]
    pub colsample_bytree: f64,
    /// What rows of each class weigh. Default equal: then scores are shares of attacks.
    #[serde(alias = "class-weight")]
    pub class_weights: ClassWeights,
    /// Rounds end when the loss on held-back rows has not fallen for so many; trees after the best round are dropped.
    /// Default 0: no rows are held back.
    #[serde(alias = "n-iter-no-change")]
    pub early_stopping_rounds: u32,
    /// The share of the rows of each class that is held back for early stopping. Default 0.1.
    pub validation_fraction: f64,
    /// Columns with which the score of an attack may only grow (1) or only fall (-1), by name. Default none.
    pub monotone_constraints: BTreeMap<String, i8>,
    /// Added to the hessian of each name when names are ordered for a split into sets. Default 10.
    pub cat_smooth: f64,
}

/// Which leaf of a tree is split next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    /// The one with the largest gain.
    #[default]
    LeafWise,
    /// The one nearest to the root.
    DepthWise,
}

impl Default for GradientBoosting {
    fn default() -> GradientBoosting {
        GradientBoosting {
            trees: 300,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: 0,
            growth: Growth::LeafWise,
            min_samples_leaf: 20,
            min_child_weight: 1e-3,
            min_split_gain: 0.0,
            reg_alpha: 0.0,
            reg_lambda: None,
            subsample: 1.0,
            colsample_bytree: 0.5,
            class_weights: ClassWeights::Equal,
            early_stopping_rounds: 0,
            validation_fraction: 0.1,
            monotone_constraints: BTreeMap::new(),
            cat_smooth: 10.0,
        }
    }
}

impl GradientBoosting {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([
            ("trees", Range::WholeMagnitude(25, 400)),
            ("learning-rate", Range::Magnitude(0.01, 0.3)),
            ("num-leaves", Range::WholeMagnitude(7, 255)),
            ("max-depth", Range::Whole(3, 12)),
            ("min-samples-leaf", Range::WholeMagnitude(1, 100)),
            ("min-child-weight", Range::Magnitude(1e-3, 10.0)),
            ("min-split-gain", Range::Magnitude(1e-6, 1.0)),
            ("reg-alpha", Range::Magnitude(1e-6, 100.0)),
            ("reg-lambda", Range::Magnitude(1e-6, 100.0)),
            ("subsample", Range::Real(0.4, 1.0)),
            ("colsample-bytree", Range::Real(0.4, 1.0)),
            ("class-weights", Range::class_weights()),
            ("cat-smooth", Range::Magnitude(2.5, 40.0)),
        ])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("trees", self.trees, 1, MAX_TREES)?;
        range("learning-rate", self.learning_rate, 1e-6, 10.0)?;
        range("num-leaves", self.num_leaves, 2, MAX_LEAVES)?;
        range("max-depth", self.max_depth, 0, 1000)?;
        range("min-samples-leaf", self.min_samples_leaf, 1, u32::MAX)?;
        range("min-child-weight", self.min_child_weight, 0.0, 1e12)?;
        range("min-split-gain", self.min_split_gain, 0.0, 1e12)?;
        range("reg-alpha", self.reg_alpha, 0.0, 1e12)?;
        range("reg-lambda", self.reg_lambda.unwrap_or(0.0), 0.0, 1e12)?;
        range("subsample", self.subsample, 1e-3, 1.0)?;
        range("colsample-bytree", self.colsample_bytree, 1e-3, 1.0)?;
        range("validation-fraction", self.validation_fraction, 1e-3, 0.9)?;
        range("cat-smooth", self.cat_smooth, 0.0, 1e12)?;
        self.monotone_constraints.values().try_for_each(|&direction| range("monotone-constraints", direction, -1, 1))
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes, seed: u64) -> Result<Boosted, Error> {
        let rules = self.rules(matrix, truth)?;
        let weights = self.class_weights.each(truth);
        let outputs = if truth.count() == 2 { 1 } else { truth.count() };
        let binned = Binned::of(matrix, Some(truth));
        let mut random = stream(seed, 0);
        let held = self.hold_back(truth, &mut random);
        let objective = Objective { codes: truth.codes(), weights: &weights, outputs };
        let base = objective.base();
        let mut margins: Vec<f32> = base.iter().copied().cycle().take(truth.rows() * outputs).collect();
        let mut shares = vec![0.0; margins.len()];
        let mut trees: Vec<Tree> = Vec::new();
        let mut best = (f64::MAX, 0);
        let usable: Vec<usize> = (0..matrix.width()).collect();
        let (room, mut words) = (Room::default(), Vec::new());
        let learned: Vec<u32> = match &held {
            Some(held) => (0..truth.rows() as u32).filter(|row| held.binary_search(row).is_err()).collect(),
            None => (0..truth.rows() as u32).collect(),
        };
        for round in 0..self.trees {
            objective.shares(&margins, &mut shares);
            let mut random = stream(seed, u64::from(round) + 1);
            let rows = self.draw_rows(&learned, &mut random);
            let partial = held.is_some() || rows.len() < learned.len();
            let mut moved = false;
            for output in 0..outputs {
                let layout = Layout::new(&binned, self.draw_columns(&usable, &mut random), &room);
                let packed = Packed::of(&objective, output, &shares, random.random(), words);
                let rules = Rules { units: packed.units, ..rules.clone() };
                let ground = Ground {
                    settings: self,
                    binned: &binned,
                    layout: &layout,
                    room: &room,
                    packed: &packed,
                    rules: &rules,
                };
                let mut grown = ground.grow(rows.clone());
                self.weigh(&mut grown, &rules, &objective, output, &shares);
                moved |= grown.tree.nodes().len() > 1;
                advance(&mut margins, &grown, matrix, output, outputs, partial);
                trees.push(grown.tree);
                words = packed.into_words();
            }
            if let Some(held) = &held {
                let loss = validation_loss(&objective, &margins, held);
                if loss < best.0 {
                    best = (loss, trees.len());
                } else if trees.len() - best.1 >= self.early_stopping_rounds as usize * outputs {
                    break;
                }
            }
            // Where no tree finds a split, none will.
            if !moved && self.subsample == 1.0 && self.colsample_bytree == 1.0 {
                break;
            }
        }
        if held.is_some() {
            trees.truncate(best.1.max(outputs));
        }
        Ok(Boosted {
            trees,
            base,
            width: matrix.width() as u32,
            classes: truth.names().to_vec(),
            scorer: Default::default(),
        })
    }

    fn rules(&self, matrix: &Matrix, truth: &Classes) -> Result<Rules, Error> {
        let mut monotone = Vec::new();
        if !self.monotone_constraints.is_empty() {
            let refuse = |value: String, range: &str| {
                Err(Error::Setting { setting: "monotone-constraints", value, range: range.to_owned() })
            };
            if truth.count() > 2 {
                return refuse(format!("set for {} classes", truth.count()), "used with two classes alone");
            }
            monotone = vec![0; matrix.width()];
            for (name, &direction) in &self.monotone_constraints {
                let at = matrix.features().iter().position(|feature| feature.name == *name && !feature.is_code);
                match at {
                    Some(at) => monotone[at] = direction,
                    None => {
                        return refuse(
                            format!("set for `{}`", flow::printable(name)),
                            "the name of a column of numbers",
                        );
                    }
                }
            }
        }
        Ok(Rules {
            l1: self.reg_alpha,
            l2: self.reg_lambda.unwrap_or(if truth.count() > 2 { 1.0 } else { 0.0 }),
            min_gain: self.min_split_gain,
            min_rows: self.min_samples_leaf.into(),
            min_hessian: self.min_child_weight,
            units: [1.0; 2],
            monotone,
            name_smoothing: self.cat_smooth,
        })
    }

    /// The rows of each class that are held back for early stopping, ascending; `None` without it.
    fn hold_back(&self, truth: &Classes, random: &mut impl Rng) -> Option<Vec<u32>> {
        if self.early_stopping_rounds == 0 {
            return None;
        }
        let mut of_class = vec![Vec::new(); truth.count()];
        (0..).zip(truth.codes()).for_each(|(row, &code)| of_class[code as usize].push(row));
        let mut held: Vec<u32> = Vec::new();
        for mut rows in of_class {
            rows.shuffle(random);
            held.extend(&rows[..(rows.len() as f64 * self.validation_fraction).round() as usize]);
        }
        held.sort_unstable();
        (!held.is_empty()).then_some(held)
    }

    /// The rows of one round, ascending.
    fn draw_rows(&self, rows: &[u32], random: &mut impl Rng) -> Vec<u32> {
        if self.subsample >= 1.0 {
            return rows.to_vec();
        }
        let drawn: Vec<u32> = rows.iter().copied().filter(|_| random.random::<f64>() < self.subsample).collect();
        if drawn.is_empty() { rows.to_vec() } else { drawn }
    }

    /// The columns of one tree, ascending; never none.
    fn draw_columns(&self, columns: &[usize], random: &mut impl Rng) -> Vec<usize> {
        if self.colsample_bytree >= 1.0 || columns.is_empty() {
            return columns.to_vec();
        }
        let count = ((columns.len() as f64 * self.colsample_bytree).round() as usize).clamp(1, columns.len());
        let mut drawn: Vec<usize> =
            rand::seq::index::sample(random, columns.len(), count).into_iter().map(|at| columns[at]).collect();
        drawn.sort_unstable();
        drawn
    }

    /// Gives the leaves of a tree their values, from gradients that are not rounded.
    fn weigh(&self, grown: &mut Grown, rules: &Rules, objective: &Objective<'_>, output: usize, shares: &[f32]) {
        let value = |leaf: &growth::Ended| {
            let (mut gradient, mut hessian) = (0.0, 0.0);
            for &row in &grown.rows[leaf.rows.clone()] {
                let row = row as usize;
                let share = shares[row * objective.outputs + output];
                let [slope, curve] = objective.derivatives(output, objective.codes[row], share);
                gradient += f64::from(slope);
                hessian += f64::from(curve);
            }
            let value = self.learning_rate * rules.value(gradient, hessian, leaf.bounds);
            value.clamp(-MOST_STEP, MOST_STEP) as f32
        };
        let values: Vec<f32> = grown.leaves.par_iter().map(value).collect();
        for (leaf, value) in grown.leaves.iter().zip(values) {
            grown.tree.set_value(leaf.place, &[value]);
        }
        // What an inner node would be worth: the mean of what is below it, so that paths can be explained.
        for place in (0..grown.tree.nodes().len()).rev() {
            if let Some(children) = grown.tree.children(place) {
                let part = |child: usize| f64::from(grown.tree.nodes()[child].cover);
                let sum = children.map(|child| part(child) * f64::from(grown.tree.value(child)[0])).iter().sum::<f64>();
                let mean = sum / children.map(part).iter().sum::<f64>().max(1.0);
                grown.tree.set_value(place, &[mean as f32]);
            }
        }
    }
}

/// Adds what a tree says to the sums of every row.
fn advance(margins: &mut [f32], grown: &Grown, matrix: &Matrix, output: usize, outputs: usize, partial: bool) {
    let tree = &grown.tree;
    if partial {
        margins.par_chunks_mut(outputs).with_min_len(1024).enumerate().for_each(|(row, margins)| {
            margins[output] += tree.value(tree.find(matrix.row(row)))[0];
        });
        return;
    }
    // The rows of a leaf ascend, so that each thread finds its own among them.
    let size = (margins.len() / outputs).div_ceil(rayon::current_num_threads()).max(1);
    margins.par_chunks_mut(size * outputs).enumerate().for_each(|(number, margins)| {
        let (first, end) = ((number * size) as u32, ((number + 1) * size) as u32);
        for leaf in &grown.leaves {
            let value = tree.value(leaf.place)[0];
            let rows = &grown.rows[leaf.rows.clone()];
            let own = rows.partition_point(|&row| row < first)..rows.partition_point(|&row| row < end);
            for &row in &rows[own] {
                margins[(row - first) as usize * outputs + output] += value;
            }
        }
    });
}

fn validation_loss(objective: &Objective<'_>, margins: &[f32], held: &[u32]) -> f64 {
    let codes: Vec<u32> = held.iter().map(|&row| objective.codes[row as usize]).collect();
    let outputs = objective.outputs;
    let margins: Vec<f32> =
        held.iter().flat_map(|&row| &margins[row as usize * outputs..][..outputs]).copied().collect();
    Objective { codes: &codes, ..*objective }.loss(&margins)
}

/// A fitted gradient boosting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boosted {
    /// One a round, or one a class and round where there are more than two classes.
    trees: Vec<Tree>,
    /// What the sums begin with.
    base: Vec<f32>,
    width: u32,
    classes: Vec<String>,
    #[serde(skip)]
    scorer: Lazy,
}

impl Boosted {
    /// The trees, those of a round one behind the other: one where there are two classes, else one a class. A leaf is
    /// worth what it adds to the logarithm of the odds.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// What the sums of leaves begin with, one a tree of a round.
    pub fn base(&self) -> &[f32] {
        &self.base
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// By how much each feature's splits lowered the loss, summing up to 1.
    pub fn importances(&self) -> Vec<f64> {
        super::tree::importances(&self.trees, self.width())
    }

    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    pub(super) fn probabilities(&self, matrix: &Matrix) -> Probabilities {
        let mut margins = self.margins(matrix);
        if self.base.len() == 1 {
            return Probabilities::binary(margins.into_iter().map(sigmoid).collect());
        }
        margins.chunks_exact_mut(self.base.len()).for_each(softmax);
        Probabilities::new(self.base.len(), margins)
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let mut margins = self.margins(matrix);
        if self.base.len() == 1 {
            return margins.into_iter().map(sigmoid).collect();
        }
        margins.chunks_exact_mut(self.base.len()).for_each(softmax);
        margins.chunks_exact(self.base.len()).map(|shares| (1.0 - shares[0]).clamp(0.0, 1.0)).collect()
    }

    /// The sums of each row's leaves.
    fn margins(&self, matrix: &Matrix) -> Vec<f32> {
        self.scorer.sums(&self.trees, matrix, &self.base)
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let outputs = self.base.len();
        let of_classes = if self.classes.len() == 2 { 1 } else { self.classes.len() };
        let sound = self.width() == width
            && (2..=super::MAX_CLASSES).contains(&self.classes.len())
            && outputs == of_classes
            && self.trees.len().is_multiple_of(outputs)
            && self.trees.len() / outputs <= MAX_TREES as usize
            && self.base.iter().all(|base| base.abs() <= MOST_STEP as f32);
        if !sound {
            return Err(Error::Damaged(format!("a boosting of {} trees for {outputs} sums a row", self.trees.len())));
        }
        let most = MOST_STEP as f32;
        self.trees.iter().try_for_each(|tree| tree.check(width, 1, -most..=most))
    }
}

/// The most leaves of a tree.
const MAX_LEAVES: u32 = 1 << 16;
/// No leaf is worth more: beyond it a score is 0 or 1 anyway.
const MOST_STEP: f64 = 1000.0;
