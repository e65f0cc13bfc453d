//! Random forests and extremely randomised trees.

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::binned::Binned;
use super::classification::{Criterion, Growth, Sample, Splitter};
use super::scoring::Lazy;
use super::tree::{Tree, importances};
use super::{ClassWeights, MAX_CLASSES, range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Classes, Error, Matrix, Probabilities};

/// A random forest (Breiman 2001): many trees, each grown on rows drawn with replacement, each split the best of a few
/// features drawn anew; what it says is the mean share of each class in the leaves.
///
/// Hard to beat on tables of flows without tuning, and knows nothing of attacks that look like none it was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RandomForest {
    /// The number of trees. Default 100: more change scores in the third digit, and cost in proportion.
    #[serde(alias = "n-estimators")]
    pub trees: u32,
    /// What makes a node pure. Default gini.
    pub criterion: Criterion,
    /// The deepest leaf, the root being at 0. Default 1000, which is no bound in practice: averaging, not depth, keeps
    /// a forest from learning its rows by heart.
    pub max_depth: u32,
    /// The fewest training rows of a leaf. Default 1, for the same reason.
    #[serde(alias = "min-leaf")]
    pub min_samples_leaf: u32,
    /// How many features, drawn anew, compete for each split. Default 0, which stands for one and a half times the
    /// square root of their number: tables of flows have many nearly constant columns, and the square root alone draws
    /// too few of the others.
    #[serde(alias = "features")]
    pub max_features: u32,
    /// Whether each tree draws its rows with replacement (Breiman 2001), or takes all. Default true.
    pub bootstrap: bool,
    /// What rows of each class weigh. Default balanced: attacks are rare where it matters.
    #[serde(alias = "class-weight")]
    pub class_weights: ClassWeights,
    /// Whether each training row is also judged by the trees that did not draw it. Default false: it takes time.
    pub oob_score: bool,
}

/// Extremely randomised trees (Geurts, Ernst, Wehenkel 2006): like a random forest, but features are cut anywhere
/// between their least and largest value, the best of a few such cuts is taken, and each tree sees all rows.
///
/// Smoother than a random forest, and better where columns are noisy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExtraTrees {
    /// The number of trees. Default 100.
    #[serde(alias = "n-estimators")]
    pub trees: u32,
    /// What makes a node pure. Default gini.
    pub criterion: Criterion,
    /// The deepest leaf, the root being at 0. Default 1000, which is no bound in practice.
    pub max_depth: u32,
    /// The fewest training rows of a leaf. Default 1.
    #[serde(alias = "min-leaf")]
    pub min_samples_leaf: u32,
    /// How many features, drawn anew, compete for each split. Default 0, which stands for one and a half times the
    /// square root of their number.
    #[serde(alias = "features")]
    pub max_features: u32,
    /// Whether each tree draws its rows with replacement, or takes all. Default false.
    pub bootstrap: bool,
    /// What rows of each class weigh. Default balanced: attacks are rare where it matters.
    #[serde(alias = "class-weight")]
    pub class_weights: ClassWeights,
}

impl Default for RandomForest {
    fn default() -> RandomForest {
        RandomForest {
            trees: 100,
            criterion: Criterion::Gini,
            max_depth: 1000,
            min_samples_leaf: 1,
            max_features: 0,
            bootstrap: true,
            class_weights: ClassWeights::Balanced,
            oob_score: false,
        }
    }
}

impl Default for ExtraTrees {
    fn default() -> ExtraTrees {
        ExtraTrees {
            trees: 100,
            criterion: Criterion::Gini,
            max_depth: 1000,
            min_samples_leaf: 1,
            max_features: 0,
            bootstrap: false,
            class_weights: ClassWeights::Balanced,
        }
    }
}

impl RandomForest {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([
            ("trees", Range::WholeMagnitude(25, 400)),
            ("criterion", Range::words(&["gini", "entropy"])),
            ("max-depth", Range::Whole(3, 30)),
            ("min-samples-leaf", Range::WholeMagnitude(1, 100)),
            ("max-features", Range::WholeMagnitude(2, 40)),
            ("bootstrap", Range::switch()),
            ("class-weights", Range::class_weights()),
        ])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("trees", self.trees, 1, MAX_TREES)?;
        range("max-depth", self.max_depth, 1, 1000)?;
        range("min-samples-leaf", self.min_samples_leaf, 1, u32::MAX)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes, seed: u64) -> Forest {
        self.grow(Splitter::Best, matrix, truth, seed)
    }

    fn grow(&self, splitter: Splitter, matrix: &Matrix, truth: &Classes, seed: u64) -> Forest {
        let weights = self.class_weights.each(truth);
        let growth = Growth {
            criterion: self.criterion,
            splitter,
            max_depth: self.max_depth,
            min_samples_leaf: self.min_samples_leaf,
            features: features(self.max_features, matrix),
            weights: &weights,
            draws_thresholds: self.bootstrap,
        };
        let mut forest = grow(&growth, self.trees, self.bootstrap, matrix, truth, seed);
        if self.oob_score && self.bootstrap {
            forest.out_of_bag = out_of_bag(&forest, matrix, truth, seed);
        }
        forest
    }
}

impl ExtraTrees {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        self.as_forest().space()
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.as_forest().check()
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes, seed: u64) -> Forest {
        self.as_forest().grow(Splitter::Random, matrix, truth, seed)
    }

    /// The settings that both forests share: they differ in how a split is found.
    fn as_forest(&self) -> RandomForest {
        let ExtraTrees { trees, criterion, max_depth, min_samples_leaf, max_features, bootstrap, class_weights } =
            *self;
        let oob_score = false;
        RandomForest {
            trees,
            criterion,
            max_depth,
            min_samples_leaf,
            max_features,
            bootstrap,
            class_weights,
            oob_score,
        }
    }
}

/// The number of features that compete for a split.
fn features(asked: u32, matrix: &Matrix) -> usize {
    match asked as usize {
        0 => (1.5 * (matrix.width() as f64).sqrt()).round() as usize,
        features => features,
    }
}

fn grow(growth: &Growth<'_>, trees: u32, bootstrap: bool, matrix: &Matrix, truth: &Classes, seed: u64) -> Forest {
    let binned = Binned::of(matrix, Some(truth));
    let grow = |tree: u32| {
        let mut random = stream(seed, u64::from(tree));
        let times = if bootstrap { draw(truth.rows(), &mut random) } else { vec![1; truth.rows()] };
        let rows = (0..).zip(times.iter().zip(truth.codes())).filter(|(_, (times, _))| **times > 0);
        let samples = rows.map(|(row, (&times, &class))| Sample { row, class: class as u16, times }).collect();
        growth.grow(&binned, samples, &mut random)
    };
    Forest::new((0..trees).into_par_iter().map(grow).collect(), matrix.width(), truth.names())
}

/// How often each row is drawn, as many times as there are rows, with replacement.
fn draw(rows: usize, random: &mut impl Rng) -> Vec<u16> {
    let mut times = vec![0u16; rows];
    for _ in 0..rows {
        let row = &mut times[random.random_range(0..rows)];
        *row = row.saturating_add(1);
    }
    times
}

/// How good a forest is on rows that a tree did not draw (Breiman 2001 s.3.1): as honest as a test, without one, as long
/// as rows are independent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutOfBag {
    /// The rows that at least one tree did not draw.
    pub rows: u64,
    /// The share of them whose likeliest class is theirs.
    pub accuracy: f64,
}

fn out_of_bag(forest: &Forest, matrix: &Matrix, truth: &Classes, seed: u64) -> Option<OutOfBag> {
    let outputs = forest.outputs();
    let mut sums = vec![0.0f32; truth.rows() * outputs];
    let mut judged = vec![0u32; truth.rows()];
    for (number, tree) in (0..).zip(&forest.trees) {
        let times = draw(truth.rows(), &mut stream(seed, number));
        let rows = sums.par_chunks_mut(outputs).zip(&mut judged).zip(&times).enumerate().with_min_len(1024);
        rows.filter(|(_, (_, times))| **times == 0).for_each(|(row, ((sums, judged), _))| {
            let values = tree.value(tree.find(matrix.row(row)));
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            *judged += 1;
        });
    }
    let rows = judged.iter().filter(|judged| **judged > 0).count();
    let right = |((sums, &judged), &class): ((&[f32], &u32), &u32)| {
        let likeliest = match sums {
            [attack] => u32::from(*attack * 2.0 > judged as f32),
            sums => (1..sums.len()).fold(0, |best, class| if sums[class] > sums[best] { class } else { best }) as u32,
        };
        judged > 0 && likeliest == class
    };
    let right = sums.chunks_exact(outputs).zip(&judged).zip(truth.codes()).filter(|row| right(*row)).count();
    (rows > 0).then(|| OutOfBag { rows: rows as u64, accuracy: right as f64 / rows as f64 })
}

/// A fitted forest, or a single tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    trees: Vec<Tree>,
    width: u32,
    classes: Vec<String>,
    out_of_bag: Option<OutOfBag>,
    #[serde(skip)]
    scorer: Lazy,
}

impl Forest {
    pub(super) fn new(trees: Vec<Tree>, width: usize, classes: &[String]) -> Forest {
        let classes = classes.to_vec();
        Forest { trees, width: width as u32, classes, out_of_bag: None, scorer: Lazy::default() }
    }

    /// The trees. A leaf holds the share of attacks where there are two classes, else the share of each class.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// By how much each feature's splits made the training rows purer, summing up to 1 (Breiman 2001 s.10: Gini
    /// importance, which favours features of many values).
    pub fn importances(&self) -> Vec<f64> {
        importances(&self.trees, self.width())
    }

    /// How good it is on rows that its trees did not draw; `None` where that was not asked for.
    pub fn out_of_bag(&self) -> Option<OutOfBag> {
        self.out_of_bag
    }

    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// The numbers that a leaf holds.
    fn outputs(&self) -> usize {
        if self.classes.len() == 2 { 1 } else { self.classes.len() }
    }

    /// The mean of each row's leaves, the outputs of a row side by side.
    fn means(&self, matrix: &Matrix) -> Vec<f32> {
        let outputs = self.outputs();
        let mut means = self.scorer.sums(&self.trees, matrix, &vec![0.0; outputs]);
        let trees = self.trees.len() as f32;
        means.iter_mut().for_each(|mean| *mean = (*mean / trees).min(1.0));
        means
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let means = self.means(matrix);
        match self.outputs() {
            1 => means,
            outputs => means.chunks_exact(outputs).map(|shares| (1.0 - shares[0]).clamp(0.0, 1.0)).collect(),
        }
    }

    pub(super) fn probabilities(&self, matrix: &Matrix) -> Probabilities {
        let means = self.means(matrix);
        match self.outputs() {
            1 => Probabilities::binary(means),
            outputs => Probabilities::new(outputs, means),
        }
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let classes = (2..=MAX_CLASSES).contains(&self.classes.len());
        if self.width() != width || self.trees.is_empty() || self.trees.len() > MAX_TREES as usize || !classes {
            return Err(Error::Damaged(format!(
                "a forest of {} trees for {} values a row and {} classes",
                self.trees.len(),
                self.width,
                self.classes.len()
            )));
        }
        self.trees.iter().try_for_each(|tree| tree.check(width, self.outputs(), 0.0..=1.0))
    }
}

/// The most trees of a forest.
pub(super) const MAX_TREES: u32 = 10_000;
