//! Why a row scores as it does: what each column adds.
//!
//! An [`Explainer`] is made of a detector once and explains any number of rows. What is explained is a [`Quantity`] that
//! the score follows from, such as the logarithm of the odds: an [`Explanation`] says which, how it was found and whether
//! that is exact. A base and what the columns add sum up to the quantity. Players of all games are the columns of the
//! table; values that one column is encoded into count together.

mod additive;
mod counterfactual;
mod lime;
mod path;
mod permutation;
mod rule;
mod shap;
mod words;

use std::borrow::Borrow;

use flow::Table;
use serde::{Deserialize, Serialize};

use additive::Additive;
pub use counterfactual::{Change, Counterfactual};
pub use path::{Condition, Path, Side};
pub use rule::rule;
use shap::{Shap, interventional};
pub use words::{brief, cell};

use crate::estimator::Tree;
use crate::{Detector, Error, Matrix, Model};

/// How to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explaining {
    /// What is asked for. Default the best that the model allows.
    pub asked: Asked,
    /// How many orders of the columns, or rows, are drawn for a row that is explained by drawing. Default 0, which stands
    /// for 20 orders ([`Asked::Permutation`]) or 2,000 rows ([`Asked::Lime`]).
    pub draws: u32,
    /// What all random numbers come from. Default 1.
    pub seed: u64,
}

impl Default for Explaining {
    fn default() -> Explaining {
        Explaining { asked: Asked::Best, draws: 0, seed: 1 }
    }
}

/// A kind of explanation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Exact where the model allows it: path-dependent Shapley values of trees, the terms of sums; else
    /// [`Asked::Permutation`].
    #[default]
    Best,
    /// Exact Shapley values of trees against the rows of a background table (Lundberg et al. 2020).
    Interventional,
    /// Shapley values by drawing orders of the columns (Štrumbelj and Kononenko 2014), for any model.
    Permutation,
    /// The weights of a plain sum that behaves like the model near the row (Ribeiro et al. 2016), for any model.
    Lime,
}

/// How contributions were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// Path-dependent Shapley values of trees, exact.
    Shap,
    /// Interventional Shapley values of trees, exact for this background.
    Interventional,
    /// The terms of a sum, exact.
    Terms,
    /// Shapley values by drawing orders: they sum up, each is an estimate.
    Permutation,
    /// A sum that behaves like the model near the row: an approximation.
    Lime,
}

/// What contributions sum up to. Higher is worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of", content = "class")]
pub enum Quantity {
    /// The logarithm of the odds of an attack, or of this class, against benign.
    LogOdds(Option<String>),
    /// The mean share of attacks in the leaves of the trees.
    Share,
    /// Minus the mean number of cuts that set the row apart.
    Cuts,
    /// The squared distance from the middle, in deviations.
    SquaredDistance,
    /// How rare the values are, in bits.
    Bits,
    /// How far out the values are, in natural logarithms of shares of the training rows.
    Tails,
    /// The score of the model.
    Score,
}

/// Why a row scores as it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What the detector says.
    pub score: f32,
    /// Whether that is an alarm.
    pub alarm: bool,
    /// What the contributions sum up to.
    pub quantity: Quantity,
    /// How they were found.
    pub means: Means,
    /// The quantity of a row of which nothing is known.
    pub base: f64,
    /// The quantity of this row: the base and all contributions.
    pub total: f64,
    /// What each column of the detector's schema adds.
    pub contributions: Vec<f64>,
    /// Of [`Means::Lime`]: the share of the model's variance near the row that the sum explains.
    pub fidelity: Option<f64>,
}

impl Means {
    /// Whether each contribution is exact.
    pub fn is_exact(self) -> bool {
        matches!(self, Means::Shap | Means::Interventional | Means::Terms)
    }

    /// What the base is the quantity of, in words.
    pub fn base(self) -> &'static str {
        match self {
            Means::Shap => "a row of which nothing is known",
            Means::Interventional | Means::Permutation => "the rows compared with, on average",
            Means::Terms => "a usual row",
            Means::Lime => "a row near it with the values of others",
        }
    }

    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Means::Shap => "exact Shapley values of the trees, path-dependent",
            Means::Interventional => "exact Shapley values of the trees against the background rows",
            Means::Terms => "the exact terms of the model's sum",
            Means::Permutation => "Shapley values by drawn orders of the columns, approximate",
            Means::Lime => "a sum that behaves like the model near the row (LIME), approximate",
        }
    }
}

impl Quantity {
    /// What it is, in words.
    pub fn words(&self) -> String {
        match self {
            Quantity::LogOdds(None) => "the logarithm of the odds of an attack".into(),
            Quantity::LogOdds(Some(class)) => {
                format!("the logarithm of the odds of {} against benign", flow::printable(class))
            }
            Quantity::Share => "the mean share of attacks in the leaves of the trees".into(),
            Quantity::Cuts => "minus the mean number of cuts that set the row apart".into(),
            Quantity::SquaredDistance => "the squared distance from normal".into(),
            Quantity::Bits => "how rare the values are, in bits".into(),
            Quantity::Tails => "how far out in their tails the values are".into(),
            Quantity::Score => "the score of the model".into(),
        }
    }
}

impl Explanation {
    /// The columns that add most, upwards or downwards, by their places in the detector's schema.
    pub fn ranked(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = (0..self.contributions.len()).collect();
        let size = |column: usize| self.contributions[column].abs();
        columns.sort_by(|&one, &other| size(other).total_cmp(&size(one)));
        columns
    }
}

/// A detector, made ready to explain rows; its own or borrowed.
///
/// ```
/// use flow::{Column, Label, Table};
/// use model::{Dataset, Detector, Explainer, Explaining, Plan};
/// let bytes: Vec<f32> = (0..200).map(|row| if row % 10 == 0 { 9_000.0 } else { 100.0 + row as f32 }).collect();
/// let labels: Vec<Label> = (0..200).map(|row| Label::new(if row % 10 == 0 { "scan" } else { "normal" })).collect();
/// let table = Table::new(vec![Column::numbers("bytes", bytes), Column::numbers("noise", vec![1.0; 200])]).unwrap();
/// let detector = Detector::train(&Dataset::labelled(table.clone(), &labels).unwrap(), &Plan::default()).unwrap();
///
/// let explainer = Explainer::new(&detector, &Explaining::default(), None).unwrap();
/// let explanation = &explainer.explain(&table).unwrap()[0];
/// assert!(explanation.alarm && explanation.contributions[0] > 0.3 && explanation.contributions[1] == 0.0);
/// assert!((explanation.base + explanation.contributions.iter().sum::<f64>() - f64::from(explanation.score)).abs() < 1e-6);
/// ```
pub struct Explainer<D: Borrow<Detector>> {
    detector: D,
    /// The column that each encoded value comes from.
    player_of: Vec<u32>,
    way: Way,
}

/// How rows are explained, with what that needs beside the detector.
enum Way {
    Shap(Vec<Shap>),
    Interventional(Matrix),
    /// With the background, where there is one.
    Terms(Option<Matrix>),
    Permutation {
        background: Matrix,
        orders: u32,
        seed: u64,
    },
    Lime {
        background: Matrix,
        draws: u32,
        seed: u64,
    },
}

/// The trees of a model, and what they add up to.
#[derive(Clone, Copy)]
struct Trees<'a> {
    trees: &'a [Tree],
    /// What each sum begins with: trees take turns.
    begins: &'a [f32],
    quantity: TreeQuantity,
}

#[derive(Clone, Copy, PartialEq)]
enum TreeQuantity {
    LogOdds,
    /// Leaves hold the share of attacks alone.
    Share,
    /// Leaves hold the share of each class, benign first.
    Shares,
    Cuts,
}

impl Detector {
    /// Why each row of a table scores as it does. Who explains more than one table makes an [`Explainer`] once.
    pub fn explain(
        &self,
        table: &Table,
        explaining: &Explaining,
        background: Option<&Table>,
    ) -> Result<Vec<Explanation>, Error> {
        Explainer::new(self, explaining, background)?.explain(table)
    }
}

impl Explainer<&Detector> {
    /// Whether an explainer needs a background to explain a detector of this kind as it is asked.
    pub fn needs_background(detector: &Detector, asked: Asked) -> bool {
        match asked {
            Asked::Best => Trees::of(detector.model()).is_none() && Additive::of(detector.model(), None).is_none(),
            Asked::Interventional | Asked::Permutation | Asked::Lime => true,
        }
    }
}

impl<D: Borrow<Detector>> Explainer<D> {
    /// Makes a detector ready. The background is a table with its columns, such as rows that are normal; what is exact
    /// without one does not look at it, save [`Asked::Interventional`] and a logistic regression, which compares with its
    /// mean where there is one, else with the mean of the training rows.
    pub fn new(detector: D, explaining: &Explaining, background: Option<&Table>) -> Result<Explainer<D>, Error> {
        let own = detector.borrow();
        let encoder = own.encoder();
        let player_of: Vec<u32> = encoder.sources().into_iter().map(|source| source as u32).collect();
        let background = background.map(|table| encoder.encode(table)).transpose()?;
        let needed = |what: &'static str| match &background {
            Some(rows) if rows.rows() > 0 => Ok(rows.clone()),
            _ => Err(Error::Background(what)),
        };
        let Explaining { asked, draws, seed } = *explaining;
        let draws = |usual: u32| if draws == 0 { usual } else { draws };
        let drawn = || {
            let background = needed("an explanation by permutation")?;
            Ok(Way::Permutation { background, orders: draws(20), seed })
        };
        let model = own.model();
        let way = match (asked, Trees::of(model)) {
            (Asked::Permutation, _) => drawn()?,
            (Asked::Lime, _) => Way::Lime { background: needed("LIME")?, draws: draws(2000), seed },
            (Asked::Interventional, Some(_)) => Way::Interventional(needed("the interventional form")?),
            (Asked::Interventional, None) => {
                return Err(Error::Unexplained {
                    method: own.provenance.method.name(),
                    asked: "the interventional form",
                    instead: "that is for trees; leave the choice open, or ask for permutation or LIME",
                });
            }
            (Asked::Best, Some(trees)) => {
                let columns = own.schema().fields.len();
                Way::Shap((0..trees.sums()).map(|sum| trees.shap(sum, &player_of, columns)).collect())
            }
            (Asked::Best, None) if Additive::of(model, None).is_some() => Way::Terms(background),
            (Asked::Best, None) => drawn()?,
        };
        Ok(Explainer { detector, player_of, way })
    }

    /// The detector that it explains.
    pub fn detector(&self) -> &Detector {
        self.detector.borrow()
    }

    /// Why each row of a table scores as it does. The table must have the columns that the detector was trained on.
    pub fn explain(&self, table: &Table) -> Result<Vec<Explanation>, Error> {
        let detector = self.detector();
        let matrix = detector.encoder().encode(table)?;
        let model = detector.model();
        model.accepts(&matrix)?;
        let columns = detector.schema().fields.len();
        // The way was chosen for this model, so this stays unsaid.
        let mismatch = || Error::Unexplained {
            method: detector.provenance.method.name(),
            asked: "the way that was prepared",
            instead: "prepare it anew",
        };
        let trees = || Trees::of(model).ok_or_else(mismatch);
        let (means, sums) = match &self.way {
            Way::Shap(shaps) => {
                let trees = trees()?;
                let gains = |sum: usize, rows: &Matrix| {
                    let shap = shaps.get(sum);
                    let base = shap.map_or(0.0, Shap::base) + trees.begin(sum);
                    (base, shap.map_or_else(Vec::new, |shap| shap.gains(rows)))
                };
                (Means::Shap, trees.explain(model, &matrix, columns, gains)?)
            }
            Way::Interventional(background) => {
                let trees = trees()?;
                let gains = |sum: usize, rows: &Matrix| {
                    let base = trees.begin(sum) + trees.mean(sum, background);
                    let worth = |values: &[f32]| trees.worth(values);
                    let own: Vec<&Tree> = trees.of_sum(sum).collect();
                    (base, interventional(&own, &self.player_of, columns, worth, rows, background))
                };
                (Means::Interventional, trees.explain(model, &matrix, columns, gains)?)
            }
            Way::Terms(background) => {
                let additive = Additive::of(model, background.as_ref()).ok_or_else(mismatch)?;
                (Means::Terms, additive.explain(model, &matrix, &self.player_of, columns)?)
            }
            Way::Permutation { background, orders, seed } => {
                let players = (&self.player_of[..], columns);
                (Means::Permutation, permutation::explain(model, &matrix, background, players, *orders, *seed)?)
            }
            Way::Lime { background, draws, seed } => {
                let players = (&self.player_of[..], columns);
                (Means::Lime, lime::explain(model, &matrix, background, players, *draws, *seed)?)
            }
        };
        let verdicts = detector.verdicts(model.scores(&matrix)?);
        let explained = sums.into_iter().zip(verdicts).map(|(sum, verdict)| Explanation {
            score: verdict.score,
            alarm: verdict.alarm,
            total: sum.base + sum.contributions.iter().sum::<f64>(),
            quantity: sum.quantity,
            means,
            base: sum.base,
            contributions: sum.contributions,
            fidelity: sum.fidelity,
        });
        Ok(explained.collect())
    }
}

/// A quantity of one row, and how it is made up.
struct Sum {
    quantity: Quantity,
    base: f64,
    contributions: Vec<f64>,
    fidelity: Option<f64>,
}

impl Sum {
    fn exact(quantity: Quantity, base: f64, contributions: Vec<f64>) -> Sum {
        Sum { quantity, base, contributions, fidelity: None }
    }
}

impl<'a> Trees<'a> {
    /// The trees of a model that is a sum of trees.
    fn of(model: &Model) -> Option<Trees<'_>> {
        match model {
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => {
                let quantity = if forest.classes().len() == 2 { TreeQuantity::Share } else { TreeQuantity::Shares };
                Some(Trees { trees: forest.trees(), begins: &[0.0], quantity })
            }
            Model::GradientBoosting(boosted) => {
                Some(Trees { trees: boosted.trees(), begins: boosted.base(), quantity: TreeQuantity::LogOdds })
            }
            Model::IsolationForest(forest) => {
                Some(Trees { trees: forest.trees(), begins: &[0.0], quantity: TreeQuantity::Cuts })
            }
            _ => None,
        }
    }

    fn sums(self) -> usize {
        self.begins.len()
    }

    fn begin(self, sum: usize) -> f64 {
        self.begins.get(sum).map_or(0.0, |begin| f64::from(*begin))
    }

    fn of_sum(self, sum: usize) -> impl Iterator<Item = &'a Tree> {
        self.trees.iter().skip(sum).step_by(self.sums().max(1))
    }

    /// What a leaf of these values adds.
    fn worth(self, values: &[f32]) -> f64 {
        let first = values.first().map_or(0.0, |value| f64::from(*value));
        let trees = self.trees.len() as f64;
        match self.quantity {
            TreeQuantity::LogOdds => first,
            TreeQuantity::Share => first / trees,
            TreeQuantity::Shares => (1.0 - first) / trees,
            TreeQuantity::Cuts => -first / trees,
        }
    }

    fn shap(self, sum: usize, player_of: &[u32], columns: usize) -> Shap {
        Shap::new(self.of_sum(sum), player_of, columns, |values| self.worth(values))
    }

    /// The mean of a sum over some rows, less what it begins with.
    fn mean(self, sum: usize, rows: &Matrix) -> f64 {
        let worth = |row: &[f32], tree: &Tree| self.worth(tree.value(tree.find(row)));
        let of_row = |row| self.of_sum(sum).map(|tree| worth(rows.row(row), tree)).sum::<f64>();
        (0..rows.rows()).map(of_row).sum::<f64>() / rows.rows().max(1) as f64
    }

    /// The explanation of each row from what `gains` says of sums: base and contributions, row by row.
    fn explain(
        self,
        model: &Model,
        matrix: &Matrix,
        columns: usize,
        gains: impl Fn(usize, &Matrix) -> (f64, Vec<f64>),
    ) -> Result<Vec<Sum>, Error> {
        let (base, first) = gains(0, matrix);
        let quantity = match self.quantity {
            TreeQuantity::LogOdds => Quantity::LogOdds(None),
            TreeQuantity::Share | TreeQuantity::Shares => Quantity::Share,
            TreeQuantity::Cuts => Quantity::Cuts,
        };
        let mut sums: Vec<Sum> =
            first.chunks(columns.max(1)).map(|row| Sum::exact(quantity.clone(), base, row.to_vec())).collect();
        if self.sums() == 1 {
            return Ok(sums);
        }
        // Of more classes: that of the likeliest attack against benign, which is the difference of two sums.
        let likeliest = likeliest_attacks(model, matrix)?;
        for class in 1..self.sums() {
            let rows: Vec<usize> = (0..matrix.rows()).filter(|&row| likeliest[row] == class).collect();
            if rows.is_empty() {
                continue;
            }
            let (own, gained) = gains(class, &matrix.select(&rows));
            for (&row, gained) in rows.iter().zip(gained.chunks(columns.max(1))) {
                let sum = &mut sums[row];
                sum.quantity = Quantity::LogOdds(model.classes().get(class).cloned());
                sum.base = own - base;
                sum.contributions.iter_mut().zip(gained).for_each(|(of, gained)| *of = gained - *of);
            }
        }
        Ok(sums)
    }
}

/// The likeliest class but benign of each row, of a model that tells some apart.
fn likeliest_attacks(model: &Model, matrix: &Matrix) -> Result<Vec<usize>, Error> {
    let Some(probabilities) = model.probabilities(matrix)? else { return Ok(vec![1; matrix.rows()]) };
    let likeliest = |row: usize| {
        let of = probabilities.row(row);
        (2..of.len()).fold(1, |best, class| if of[class] > of[best] { class } else { best })
    };
    Ok((0..matrix.rows()).map(likeliest).collect())
}

/// Adds up what encoded values contribute, by the columns that they come from.
fn by_column(values: impl IntoIterator<Item = f64>, player_of: &[u32], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for (value, &player) in values.into_iter().zip(player_of) {
        if let Some(sum) = sums.get_mut(player as usize) {
            *sum += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests;
