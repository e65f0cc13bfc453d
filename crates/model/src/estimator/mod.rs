//! The estimators: settings that fit, and models that score.
//!
//! [`Method`] and [`Model`] are the only registries. A new estimator is a file here and a variant and an arm in each.

mod binned;
mod boosting;
mod classification;
mod covariance;
mod decision_tree;
mod empirical_tails;
mod extended_isolation_forest;
mod forest;
mod half_space_trees;
mod histogram;
mod isolation_forest;
mod logistic;
mod mahalanobis;
mod majority;
mod naive_bayes;
mod nearest_neighbours;
mod neighbour_distance;
mod neighbours;
mod one_rule;
mod online_logistic;
mod principal_components;
mod pruning;
mod random_cut_forest;
mod scoring;
mod search;
pub(crate) mod tail;
mod tree;

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

pub use boosting::{Boosted, GradientBoosting, Growth};
pub use classification::Criterion;
pub use decision_tree::DecisionTree;
pub use empirical_tails::{EmpiricalTails, Tails};
pub use extended_isolation_forest::{ExtendedIsolation, ExtendedIsolationForest};
pub use forest::{ExtraTrees, Forest, OutOfBag, RandomForest};
pub use half_space_trees::{HalfSpaceTrees, HalfSpaces};
pub use histogram::{HistogramScore, Histograms};
#[cfg(test)]
pub(crate) use isolation_forest::average_path;
pub use isolation_forest::{Isolation, IsolationForest};
pub use logistic::{Logistic, LogisticRegression};
pub use mahalanobis::{Distance, Mahalanobis};
pub use majority::{Majority, Shares};
pub use naive_bayes::{Likelihoods, NaiveBayes};
pub use nearest_neighbours::{NearestNeighbours, Neighbourhood};
pub use neighbour_distance::{NeighbourDistance, Surroundings};
pub use one_rule::{OneRule, Ranges};
pub use online_logistic::{OnlineLogistic, Proximal};
pub use principal_components::{Plane, PrincipalComponents};
pub use random_cut_forest::{RandomCutForest, RandomCuts};
pub(crate) use tree::is_among;
pub use tree::{Cut, Node, Step, Tree};

use crate::ensemble::{Stack, Stacking, Votes, Voting};
use crate::space::Dimension;
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
    /// The distance from the middle, in which columns that vary together count once; needs no labels.
    Mahalanobis(Mahalanobis),
    /// What breaks the relations between columns; needs no labels.
    PrincipalComponents(PrincipalComponents),
    /// The distance from the nearest training rows; needs no labels.
    NeighbourDistance(NeighbourDistance),
    /// Rare values, each column by itself; needs no labels.
    HistogramScore(HistogramScore),
    /// Values far out in the tails of their columns; needs no labels.
    EmpiricalTails(EmpiricalTails),
    /// The classes of the nearest training rows.
    NearestNeighbours(NearestNeighbours),
    /// The likeliest class if columns had nothing to do with each other.
    NaiveBayes(NaiveBayes),
    /// The best rule on a single column: what must be beaten.
    OneRule(OneRule),
    /// The shares of the classes: what must be beaten.
    Majority(Majority),
    /// Several methods whose scores are put together by a fixed rule.
    Voting(Voting),
    /// A method that learns from the scores of several others.
    Stacking(Stacking),
    /// Where few of the latest window of rows fell; needs no labels, goes on learning.
    HalfSpaceTrees(HalfSpaceTrees),
    /// Rows that would displace many others; needs no labels, goes on learning.
    RandomCutForest(RandomCutForest),
    /// A weighted sum that goes on learning.
    OnlineLogistic(OnlineLogistic),
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
    /// From [`Mahalanobis`].
    Mahalanobis(Distance),
    /// From [`PrincipalComponents`].
    PrincipalComponents(Plane),
    /// From [`NeighbourDistance`].
    NeighbourDistance(Surroundings),
    /// From [`HistogramScore`].
    HistogramScore(Histograms),
    /// From [`EmpiricalTails`].
    EmpiricalTails(Tails),
    /// From [`NearestNeighbours`].
    NearestNeighbours(Neighbourhood),
    /// From [`NaiveBayes`].
    NaiveBayes(Likelihoods),
    /// From [`OneRule`].
    OneRule(Ranges),
    /// From [`Majority`].
    Majority(Shares),
    /// From [`Voting`].
    Voting(Votes),
    /// From [`Stacking`].
    Stacking(Stack),
    /// From [`HalfSpaceTrees`].
    HalfSpaceTrees(HalfSpaces),
    /// From [`RandomCutForest`].
    RandomCutForest(RandomCuts),
    /// From [`OnlineLogistic`].
    OnlineLogistic(Proximal),
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

/// The same of the settings of a method, or of a model, whichever it is: the variants of both have the same names.
macro_rules! each {
    ($of:ident, $value:expr, $name:ident => $body:expr) => {
        match $value {
            $of::IsolationForest($name) => $body,
            $of::ExtendedIsolationForest($name) => $body,
            $of::DecisionTree($name) => $body,
            $of::RandomForest($name) => $body,
            $of::ExtraTrees($name) => $body,
            $of::GradientBoosting($name) => $body,
            $of::LogisticRegression($name) => $body,
            $of::Mahalanobis($name) => $body,
            $of::PrincipalComponents($name) => $body,
            $of::NeighbourDistance($name) => $body,
            $of::HistogramScore($name) => $body,
            $of::EmpiricalTails($name) => $body,
            $of::NearestNeighbours($name) => $body,
            $of::NaiveBayes($name) => $body,
            $of::OneRule($name) => $body,
            $of::Majority($name) => $body,
            $of::Voting($name) => $body,
            $of::Stacking($name) => $body,
            $of::HalfSpaceTrees($name) => $body,
            $of::RandomCutForest($name) => $body,
            $of::OnlineLogistic($name) => $body,
        }
    };
}

impl Method {
    /// Every method with its default settings, in the order of the variants.
    pub fn all() -> [Method; 21] {
        [
            Method::IsolationForest(IsolationForest::default()),
            Method::ExtendedIsolationForest(ExtendedIsolationForest::default()),
            Method::DecisionTree(DecisionTree::default()),
            Method::RandomForest(RandomForest::default()),
            Method::ExtraTrees(ExtraTrees::default()),
            Method::GradientBoosting(GradientBoosting::default()),
            Method::LogisticRegression(LogisticRegression::default()),
            Method::Mahalanobis(Mahalanobis::default()),
            Method::PrincipalComponents(PrincipalComponents::default()),
            Method::NeighbourDistance(NeighbourDistance::default()),
            Method::HistogramScore(HistogramScore::default()),
            Method::EmpiricalTails(EmpiricalTails::default()),
            Method::NearestNeighbours(NearestNeighbours::default()),
            Method::NaiveBayes(NaiveBayes::default()),
            Method::OneRule(OneRule::default()),
            Method::Majority(Majority::default()),
            Method::Voting(Voting::default()),
            Method::Stacking(Stacking::default()),
            Method::HalfSpaceTrees(HalfSpaceTrees::default()),
            Method::RandomCutForest(RandomCutForest::default()),
            Method::OnlineLogistic(OnlineLogistic::default()),
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
            Method::Mahalanobis(_) => "mahalanobis",
            Method::PrincipalComponents(_) => "principal-components",
            Method::NeighbourDistance(_) => "neighbour-distance",
            Method::HistogramScore(_) => "histogram-score",
            Method::EmpiricalTails(_) => "empirical-tails",
            Method::NearestNeighbours(_) => "nearest-neighbours",
            Method::NaiveBayes(_) => "naive-bayes",
            Method::OneRule(_) => "one-rule",
            Method::Majority(_) => "majority",
            Method::Voting(_) => "voting",
            Method::Stacking(_) => "stacking",
            Method::HalfSpaceTrees(_) => "half-space-trees",
            Method::RandomCutForest(_) => "random-cut-forest",
            Method::OnlineLogistic(_) => "online-logistic",
        }
    }

    /// Whether it learns from labels, or only from what is normal.
    pub fn is_supervised(&self) -> bool {
        match self {
            Method::IsolationForest(_)
            | Method::ExtendedIsolationForest(_)
            | Method::Mahalanobis(_)
            | Method::PrincipalComponents(_)
            | Method::NeighbourDistance(_)
            | Method::HistogramScore(_)
            | Method::EmpiricalTails(_)
            | Method::HalfSpaceTrees(_)
            | Method::RandomCutForest(_) => false,
            Method::Voting(voting) => voting.parts.iter().any(Method::is_supervised),
            _ => true,
        }
    }

    /// Whether it is made of other methods, each with its own recipe.
    pub fn is_ensemble(&self) -> bool {
        matches!(self, Method::Voting(_) | Method::Stacking(_))
    }

    /// Whether its models go on learning, see [`Learner`](crate::Learner).
    pub fn is_online(&self) -> bool {
        matches!(self, Method::HalfSpaceTrees(_) | Method::RandomCutForest(_) | Method::OnlineLogistic(_))
    }

    /// How it wants its columns encoded; of an ensemble the parts' recipes count instead.
    pub fn recipe(&self) -> Recipe {
        let standard =
            |categories| Recipe { logarithm: true, scaling: Scaling::Standard, categories, ..Recipe::default() };
        match self {
            Method::IsolationForest(_) | Method::ExtendedIsolationForest(_) => standard(Categories::Rarity),
            Method::DecisionTree(_) | Method::RandomForest(_) | Method::ExtraTrees(_) | Method::GradientBoosting(_) => {
                Recipe { missing: Missing::Keep, ..Recipe::default() }
            }
            Method::LogisticRegression(_) => standard(Categories::OneHot),
            Method::Mahalanobis(_) | Method::PrincipalComponents(_) => standard(Categories::OneHot),
            Method::NeighbourDistance(_) | Method::NearestNeighbours(_) => standard(Categories::OneHot),
            Method::HistogramScore(_) | Method::EmpiricalTails(_) => standard(Categories::Rarity),
            Method::NaiveBayes(_) => Recipe { logarithm: true, categories: Categories::Codes, ..Recipe::default() },
            Method::OneRule(_) | Method::Majority(_) => Recipe::default(),
            Method::Voting(_) | Method::Stacking(_) => Recipe::default(),
            Method::HalfSpaceTrees(_) => standard(Categories::Rarity),
            Method::RandomCutForest(_) | Method::OnlineLogistic(_) => standard(Categories::OneHot),
        }
    }

    /// Fits a model. `truth` is the class of each row; a method that learns from labels needs it, with rows of at least
    /// two classes, and any other does not look at it. An ensemble learns from a data set only. A matrix with missing
    /// values is refused unless the method's recipe keeps them.
    pub fn fit(&self, matrix: &Matrix, truth: Option<&Classes>, seed: u64) -> Result<Model, Error> {
        // Whoever asks the threads from outside waits for each answer asleep, and a fit asks thousands of times.
        rayon::scope(|_| self.fit_here(matrix, truth, seed))
    }

    fn fit_here(&self, matrix: &Matrix, truth: Option<&Classes>, seed: u64) -> Result<Model, Error> {
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
            Method::Mahalanobis(settings) => Model::Mahalanobis(settings.fit(matrix)?),
            Method::PrincipalComponents(settings) => Model::PrincipalComponents(settings.fit(matrix)?),
            Method::NeighbourDistance(settings) => Model::NeighbourDistance(settings.fit(matrix, seed)),
            Method::HistogramScore(settings) => Model::HistogramScore(settings.fit(matrix)),
            Method::EmpiricalTails(settings) => Model::EmpiricalTails(settings.fit(matrix)),
            Method::NearestNeighbours(settings) => Model::NearestNeighbours(settings.fit(matrix, labels()?, seed)),
            Method::NaiveBayes(settings) => Model::NaiveBayes(settings.fit(matrix, labels()?)),
            Method::OneRule(settings) => Model::OneRule(settings.fit(matrix, labels()?)),
            Method::Majority(settings) => Model::Majority(settings.fit(matrix, labels()?)),
            Method::Voting(_) | Method::Stacking(_) => return Err(Error::Ensemble(self.name())),
            Method::HalfSpaceTrees(settings) => Model::HalfSpaceTrees(settings.fit(matrix, seed)),
            Method::RandomCutForest(settings) => Model::RandomCutForest(settings.fit(matrix, seed)),
            Method::OnlineLogistic(settings) => Model::OnlineLogistic(settings.fit(matrix, labels()?, seed)),
        })
    }

    /// The most classes that it tells apart.
    fn most_classes(&self) -> usize {
        MAX_CLASSES
    }

    /// Refuses settings out of their range.
    pub fn check(&self) -> Result<(), Error> {
        each!(Method, self, settings => settings.check())
    }

    /// The settings that are worth searching, each with its range.
    pub fn space(&self) -> Vec<Dimension> {
        each!(Method, self, settings => settings.space())
    }
}

impl Model {
    /// The score of each row: 0..=1, higher is worse; of a classifier how likely it is not benign. The matrix must be as wide as the one that was fitted on.
    pub fn scores(&self, matrix: &Matrix) -> Result<Vec<f32>, Error> {
        self.accepts(matrix)?;
        Ok(match self {
            Model::IsolationForest(forest) => forest.scores(matrix),
            Model::ExtendedIsolationForest(forest) => forest.scores(matrix),
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => {
                forest.scores(matrix)
            }
            Model::GradientBoosting(boosted) => boosted.scores(matrix),
            Model::LogisticRegression(logistic) => logistic.scores(matrix),
            Model::Mahalanobis(distance) => distance.scores(matrix),
            Model::PrincipalComponents(plane) => plane.scores(matrix),
            Model::NeighbourDistance(surroundings) => surroundings.scores(matrix),
            Model::HistogramScore(histograms) => histograms.scores(matrix),
            Model::EmpiricalTails(tails) => tails.scores(matrix),
            Model::NearestNeighbours(neighbourhood) => neighbourhood.probabilities(matrix).attacks(),
            Model::NaiveBayes(likelihoods) => likelihoods.scores(matrix),
            Model::OneRule(ranges) => ranges.probabilities(matrix).attacks(),
            Model::Majority(shares) => shares.probabilities(matrix).attacks(),
            Model::Voting(votes) => votes.scores(matrix)?,
            Model::Stacking(stack) => stack.scores(matrix)?,
            Model::HalfSpaceTrees(spaces) => spaces.scores(matrix),
            Model::RandomCutForest(cuts) => cuts.scores(matrix),
            Model::OnlineLogistic(proximal) => proximal.probabilities(matrix).attacks(),
        })
    }

    /// How likely each row is of each class; `None` of a model that does not tell classes apart.
    pub fn probabilities(&self, matrix: &Matrix) -> Result<Option<Probabilities>, Error> {
        self.accepts(matrix)?;
        Ok(match self {
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => {
                Some(forest.probabilities(matrix))
            }
            Model::GradientBoosting(boosted) => Some(boosted.probabilities(matrix)),
            Model::LogisticRegression(logistic) => Some(logistic.probabilities(matrix)),
            Model::NearestNeighbours(neighbourhood) => Some(neighbourhood.probabilities(matrix)),
            Model::NaiveBayes(likelihoods) => Some(likelihoods.probabilities(matrix)),
            Model::OneRule(ranges) => Some(ranges.probabilities(matrix)),
            Model::Majority(shares) => Some(shares.probabilities(matrix)),
            Model::Voting(votes) => votes.judge(matrix)?.1,
            Model::Stacking(stack) => stack.probabilities(matrix)?,
            Model::OnlineLogistic(proximal) => Some(proximal.probabilities(matrix)),
            Model::IsolationForest(_)
            | Model::ExtendedIsolationForest(_)
            | Model::Mahalanobis(_)
            | Model::PrincipalComponents(_)
            | Model::NeighbourDistance(_)
            | Model::HistogramScore(_)
            | Model::EmpiricalTails(_)
            | Model::HalfSpaceTrees(_)
            | Model::RandomCutForest(_) => None,
        })
    }

    /// The score of each row, and how likely it is of each class: what [`Model::scores`] and [`Model::probabilities`] say,
    /// by looking at the rows once.
    pub fn judge(&self, matrix: &Matrix) -> Result<(Vec<f32>, Option<Probabilities>), Error> {
        self.accepts(matrix)?;
        match self {
            Model::Stacking(stack) => return stack.judge(matrix),
            Model::Voting(votes) => return votes.judge(matrix),
            _ => {}
        }
        let probabilities = self.probabilities(matrix)?;
        let scores = match (self, &probabilities) {
            // It tells sure rows apart where their probabilities are all 1.
            (Model::NaiveBayes(_), _) | (_, None) => self.scores(matrix)?,
            (
                Model::DecisionTree(_) | Model::RandomForest(_) | Model::ExtraTrees(_) | Model::GradientBoosting(_),
                Some(of),
            ) if self.classes().len() > 2 => (0..of.rows()).map(|row| (1.0 - of.row(row)[0]).clamp(0.0, 1.0)).collect(),
            (_, Some(of)) => of.attacks(),
        };
        Ok((scores, probabilities))
    }

    /// The names of the classes that it tells apart, that of benign rows first; none of a model that does not.
    pub fn classes(&self) -> &[String] {
        match self {
            Model::IsolationForest(_)
            | Model::ExtendedIsolationForest(_)
            | Model::Mahalanobis(_)
            | Model::PrincipalComponents(_)
            | Model::NeighbourDistance(_)
            | Model::HistogramScore(_)
            | Model::EmpiricalTails(_)
            | Model::HalfSpaceTrees(_)
            | Model::RandomCutForest(_) => &[],
            Model::NearestNeighbours(neighbourhood) => neighbourhood.classes(),
            Model::NaiveBayes(likelihoods) => likelihoods.classes(),
            Model::OneRule(ranges) => ranges.classes(),
            Model::Majority(shares) => shares.classes(),
            Model::Voting(votes) => votes.classes(),
            Model::Stacking(stack) => stack.last().classes(),
            Model::OnlineLogistic(proximal) => proximal.classes(),
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => forest.classes(),
            Model::GradientBoosting(boosted) => boosted.classes(),
            Model::LogisticRegression(logistic) => logistic.classes(),
        }
    }

    /// How much each value of a row is needed, summing up to 1, by the gains of the splits; `None` of a model that is not
    /// made of trees that learned from labels.
    pub fn importances(&self) -> Option<Vec<f64>> {
        match self {
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => {
                Some(forest.importances())
            }
            Model::GradientBoosting(boosted) => Some(boosted.importances()),
            _ => None,
        }
    }

    /// Refuses a matrix that is not like the one that was fitted on.
    pub(crate) fn accepts(&self, matrix: &Matrix) -> Result<(), Error> {
        if matrix.width() != self.width() {
            return Err(Error::Shape { expected: self.width(), found: matrix.width() });
        }
        if self.takes_missing() { Ok(()) } else { matrix.complete() }
    }

    /// Whether rows may have missing values.
    pub fn takes_missing(&self) -> bool {
        match self {
            Model::DecisionTree(_) | Model::RandomForest(_) | Model::ExtraTrees(_) | Model::GradientBoosting(_) => true,
            // Each part of an ensemble looks at its own columns.
            Model::Voting(_) | Model::Stacking(_) => true,
            _ => false,
        }
    }

    /// The number of values in a row.
    pub fn width(&self) -> usize {
        each!(Model, self, model => model.width())
    }

    /// Refuses what no fit on rows of this width can have made: bytes from outside.
    pub(crate) fn check(&self, width: usize) -> Result<(), Error> {
        each!(Model, self, model => model.check(width))
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

/// Refuses a setting out of its range.
pub(crate) fn range<T: PartialOrd + ToString>(setting: &'static str, value: T, least: T, most: T) -> Result<(), Error> {
    if value >= least && value <= most {
        return Ok(());
    }
    let range = format!("within {} to {}", least.to_string(), most.to_string());
    Err(Error::Setting { setting, value: value.to_string(), range })
}
