//! The estimators: settings that fit, and models that score.
//!
//! [`Method`] and [`Model`] are the only registries. A new estimator is a file here and a variant and an arm in each.

mod binned;
mod boosting;
mod classification;
mod decision_tree;
mod extended_isolation_forest;
mod forest;
mod isolation_forest;
mod logistic;
mod pruning;
mod scoring;
mod tree;

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

pub use boosting::{Boosted, GradientBoosting, Growth};
pub use classification::Criterion;
pub use decision_tree::DecisionTree;
pub use extended_isolation_forest::{ExtendedIsolation, ExtendedIsolationForest};
pub use forest::{ExtraTrees, Forest, OutOfBag, RandomForest};
pub use isolation_forest::{Isolation, IsolationForest};
pub use logistic::{Logistic, LogisticRegression};
pub use tree::{Cut, Node, Step, Tree};

use crate::{Categories, Classes, Error, Matrix, Missing, Probabilities, Recipe, Scaling};

/// Settings of one estimator, as a configuration names them.
///
/// ```
/// use model::Method;
/// let method: Method = serde_json::from_str(r#"{"random-forest": {"trees": 50}}"#).unwrap();
/// assert_eq!(method.name(), "random-forest");
/// assert!(serde_json::from_str::<Method>(r#"{"random-forest": {"tree": 50}}"#).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Rows that are few and different; needs no labels.
    IsolationForest(IsolationForest),
    /// The same with slanted cuts.
    ExtendedIsolationForest(ExtendedIsolationForest),
    /// One tree that can be read.
    DecisionTree(DecisionTree),
    /// The mean of many trees.
    RandomForest(RandomForest),
    /// The mean of many trees that are cut at random.
    ExtraTrees(ExtraTrees),
    /// Trees that mend each other's errors.
    GradientBoosting(GradientBoosting),
    /// A weighted sum.
    LogisticRegression(LogisticRegression),
}

/// A fitted estimator: can only score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Model {
    /// From [`IsolationForest`].
    IsolationForest(Isolation),
    /// From [`ExtendedIsolationForest`].
    ExtendedIsolationForest(ExtendedIsolation),
    /// From [`DecisionTree`]: a forest of one tree.
    DecisionTree(Forest),
    /// From [`RandomForest`].
    RandomForest(Forest),
    /// From [`ExtraTrees`].
    ExtraTrees(Forest),
    /// From [`GradientBoosting`].
    GradientBoosting(Boosted),
    /// From [`LogisticRegression`].
    LogisticRegression(Logistic),
}

/// What rows of either side weigh when a classifier is fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// Every row weighs 1.
    Equal,
    /// Benign and attack rows weigh the same in sum.
    #[default]
    Balanced,
}

impl Method {
    /// Every method with its default settings, in the order of the variants.
    pub fn all() -> [Method; 7] {
        [
            Method::IsolationForest(IsolationForest::default()),
            Method::ExtendedIsolationForest(ExtendedIsolationForest::default()),
            Method::DecisionTree(DecisionTree::default()),
            Method::RandomForest(RandomForest::default()),
            Method::ExtraTrees(ExtraTrees::default()),
            Method::GradientBoosting(GradientBoosting::default()),
            Method::LogisticRegression(LogisticRegression::default()),
        ]
    }

    /// The name that configuration and command line use.
    pub fn name(&self) -> &'static str {
        match self {
            Method::IsolationForest(_) => "isolation-forest",
            Method::ExtendedIsolationForest(_) => "extended-isolation-forest",
            Method::DecisionTree(_) => "decision-tree",
            Method::RandomForest(_) => "random-forest",
            Method::ExtraTrees(_) => "extra-trees",
            Method::GradientBoosting(_) => "gradient-boosting",
            Method::LogisticRegression(_) => "logistic-regression",
        }
    }

    /// Whether it learns from labels, or only from what is normal.
    pub fn is_supervised(&self) -> bool {
        !matches!(self, Method::IsolationForest(_) | Method::ExtendedIsolationForest(_))
    }

    /// How it wants its columns encoded.
    pub fn recipe(&self) -> Recipe {
        let standard =
            |categories| Recipe { logarithm: true, scaling: Scaling::Standard, categories, ..Recipe::default() };
        match self {
            Method::IsolationForest(_) | Method::ExtendedIsolationForest(_) => standard(Categories::Rarity),
            Method::DecisionTree(_) | Method::RandomForest(_) | Method::ExtraTrees(_) | Method::GradientBoosting(_) => {
                Recipe { missing: Missing::Keep, ..Recipe::default() }
            }
            Method::LogisticRegression(_) => standard(Categories::OneHot),
        }
    }

    /// Fits a model. `truth` is the class of each row; a method that learns from labels needs it, with rows of at least
    /// two classes, and any other does not look at it. A matrix with missing values is refused unless the method's
    /// recipe keeps them.
    pub fn fit(&self, matrix: &Matrix, truth: Option<&Classes>, seed: u64) -> Result<Model, Error> {
        if matrix.rows() == 0 {
            return Err(Error::Empty("rows"));
        }
        if let Some(truth) = truth.filter(|truth| truth.rows() != matrix.rows()) {
            return Err(Error::Length { what: "labels", expected: matrix.rows(), found: truth.rows() });
        }
        if self.recipe().missing != Missing::Keep {
            matrix.complete()?;
        }
        self.check()?;
        let labels = || {
            let truth = truth.ok_or(Error::Unlabelled(self.name()))?;
            let sizes = truth.sizes();
            match sizes.iter().filter(|rows| **rows > 0).count() {
                0 | 1 if sizes.first().is_some_and(|benign| *benign > 0) => Err(Error::OneClass("benign")),
                0 | 1 => Err(Error::OneClass("an attack")),
                _ if truth.count() > self.most_classes() => {
                    Err(Error::Classes { method: self.name(), most: self.most_classes(), found: truth.count() })
                }
                _ => Ok(truth),
            }
        };
        Ok(match self {
            Method::IsolationForest(settings) => Model::IsolationForest(settings.fit(matrix, seed)),
            Method::ExtendedIsolationForest(settings) => Model::ExtendedIsolationForest(settings.fit(matrix, seed)),
            Method::DecisionTree(settings) => Model::DecisionTree(settings.fit(matrix, labels()?, seed)),
            Method::RandomForest(settings) => Model::RandomForest(settings.fit(matrix, labels()?, seed)),
            Method::ExtraTrees(settings) => Model::ExtraTrees(settings.fit(matrix, labels()?, seed)),
            Method::GradientBoosting(settings) => Model::GradientBoosting(settings.fit(matrix, labels()?, seed)?),
            Method::LogisticRegression(settings) => Model::LogisticRegression(settings.fit(matrix, labels()?)),
        })
    }

    /// The most classes that it tells apart.
    fn most_classes(&self) -> usize {
        match self {
            Method::LogisticRegression(_) => 2,
            _ => MAX_CLASSES,
        }
    }

    /// Refuses settings out of their range.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Method::IsolationForest(settings) => settings.check(),
            Method::ExtendedIsolationForest(settings) => settings.check(),
            Method::DecisionTree(settings) => settings.check(),
            Method::RandomForest(settings) => settings.check(),
            Method::ExtraTrees(settings) => settings.check(),
            Method::GradientBoosting(settings) => settings.check(),
            Method::LogisticRegression(settings) => settings.check(),
        }
    }
}

impl Model {
    /// The score of each row: 0..=1, higher is worse; of a classifier how likely it is not benign. The matrix must be as wide as the one that was fitted on.
    pub fn scores(&self, matrix: &Matrix) -> Result<Vec<f32>, Error> {
        self.takes(matrix)?;
        Ok(match self {
            Model::IsolationForest(forest) => forest.scores(matrix),
            Model::ExtendedIsolationForest(forest) => forest.scores(matrix),
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => {
                forest.scores(matrix)
            }
            Model::GradientBoosting(boosted) => boosted.scores(matrix),
            Model::LogisticRegression(logistic) => logistic.scores(matrix),
        })
    }

    fn takes(&self, matrix: &Matrix) -> Result<(), Error> {
        if matrix.width() != self.width() {
            return Err(Error::Shape { expected: self.width(), found: matrix.width() });
        }
        if self.takes_missing() { Ok(()) } else { matrix.complete() }
    }

    /// How likely each row is of each class; `None` of a model that does not tell classes apart.
    pub fn probabilities(&self, matrix: &Matrix) -> Result<Option<Probabilities>, Error> {
        self.takes(matrix)?;
        Ok(match self {
            Model::IsolationForest(_) | Model::ExtendedIsolationForest(_) => None,
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => {
                Some(forest.probabilities(matrix))
            }
            Model::GradientBoosting(boosted) => Some(boosted.probabilities(matrix)),
            Model::LogisticRegression(logistic) => Some(Probabilities::binary(logistic.scores(matrix))),
        })
    }

    /// The names of the classes that it tells apart, that of benign rows first; none of a model that does not.
    pub fn classes(&self) -> &[String] {
        match self {
            Model::IsolationForest(_) | Model::ExtendedIsolationForest(_) => &[],
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => forest.classes(),
            Model::GradientBoosting(boosted) => boosted.classes(),
            Model::LogisticRegression(logistic) => logistic.classes(),
        }
    }

    /// Whether rows may have missing values.
    pub fn takes_missing(&self) -> bool {
        !matches!(self, Model::IsolationForest(_) | Model::ExtendedIsolationForest(_) | Model::LogisticRegression(_))
    }

    /// The number of values in a row.
    pub fn width(&self) -> usize {
        match self {
            Model::IsolationForest(forest) => forest.width(),
            Model::ExtendedIsolationForest(forest) => forest.width(),
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => forest.width(),
            Model::GradientBoosting(boosted) => boosted.width(),
            Model::LogisticRegression(logistic) => logistic.coefficients().len(),
        }
    }

    /// Refuses what no fit on rows of this width can have made: bytes from outside.
    pub(crate) fn check(&self, width: usize) -> Result<(), Error> {
        match self {
            Model::IsolationForest(forest) => forest.check(width),
            Model::ExtendedIsolationForest(forest) => forest.check(width),
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => {
                forest.check(width)
            }
            Model::GradientBoosting(boosted) => boosted.check(width),
            Model::LogisticRegression(logistic) => logistic.check(width),
        }
    }
}

impl ClassWeights {
    /// The weights of a benign and of an attack row.
    fn of(self, attacks: &[bool]) -> [f64; 2] {
        let attack = attacks.iter().filter(|attack| **attack).count();
        let half = attacks.len() as f64 / 2.0;
        match self {
            ClassWeights::Equal => [1.0, 1.0],
            ClassWeights::Balanced => [half / (attacks.len() - attack) as f64, half / attack as f64],
        }
    }
}

impl ClassWeights {
    /// The weight of a row of each class.
    fn each(self, truth: &Classes) -> Vec<f64> {
        let sizes = truth.sizes();
        let present = sizes.iter().filter(|rows| **rows > 0).count() as f64;
        let weight = |&rows: &usize| match self {
            ClassWeights::Balanced if rows > 0 => truth.rows() as f64 / (present * rows as f64),
            _ => 1.0,
        };
        sizes.iter().map(weight).collect()
    }
}

/// The most classes that any method tells apart.
const MAX_CLASSES: usize = 1000;

/// The random numbers of one tree: the same for the same seed, whichever thread grows it.
fn stream(seed: u64, tree: u64) -> Pcg64Mcg {
    Pcg64Mcg::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(tree))
}

/// Refuses names that no classifier of two classes can have been fitted with: bytes from outside.
fn check_classes(classes: &[String]) -> Result<(), Error> {
    if classes.len() == 2 { Ok(()) } else { Err(Error::Damaged(format!("a classifier of {} classes", classes.len()))) }
}

/// Refuses a setting out of its range.
fn range<T: PartialOrd + ToString>(setting: &'static str, value: T, least: T, most: T) -> Result<(), Error> {
    if value >= least && value <= most {
        return Ok(());
    }
    let range = format!("within {} to {}", least.to_string(), most.to_string());
    Err(Error::Setting { setting, value: value.to_string(), range })
}
