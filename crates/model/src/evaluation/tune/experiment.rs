//! One trial and what came of it.

use rand::SeedableRng;
use rand::seq::index;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Strategy;
use super::space::{Settings, with};
use crate::evaluation::statistics::moments;
use crate::evaluation::{Figures, Rule, Split};
use crate::{Calibration, Dataset, Detector, Error, Plan};

/// What to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// How it was chosen.
    pub strategy: Strategy,
    /// The settings that differ from the method's own.
    pub settings: Settings,
    /// Where each lies in its range, 0..=1, in the order of the space.
    pub place: Vec<f64>,
    /// The share of each fold's training rows to learn from.
    pub share: f64,
}

/// What a search makes as large, or as small, as it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The area under the curve of precision over recall, which rare attacks do not flatter.
    #[default]
    PrAuc,
    /// The area under the receiver operating characteristic.
    RocAuc,
    /// The recall at one false alarm in a hundred benign rows.
    RecallAtOnePercent,
    /// The recall at one false alarm in a thousand benign rows.
    RecallAtOnePerMille,
    /// F1 at the threshold that the plan's rule chooses.
    F1,
    /// Matthews' correlation at that threshold.
    Mcc,
    /// The share of rows judged rightly at that threshold.
    Accuracy,
    /// The mean squared difference between score and truth, as small as can be.
    Brier,
}

/// A trial and what came of it: one line of the file of experiments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// SHA-256 of the rows, see [`Dataset::sha256`], in hexadecimal.
    pub data: String,
    /// The estimator's name.
    pub method: String,
    /// What the settings that were tried are added to, as JSON; empty in a file of an earlier version.
    #[serde(default)]
    pub base: String,
    /// What was tried.
    pub trial: Trial,
    /// What the search wants.
    pub objective: Objective,
    /// The mean over the folds of what it wants; `None` where the trial failed.
    pub value: Option<f64>,
    /// Mean and standard deviation over the folds of every figure, by name.
    pub figures: Vec<(String, f64, f64)>,
    /// Why the trial failed, where it did.
    pub failure: Option<String>,
    /// How scores became probabilities; missing where they did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// How many folds there were.
    pub folds: usize,
    /// What all random numbers came from.
    pub seed: u64,
    /// How long it took, as the caller measured it.
    pub seconds: f64,
    /// The version of the program.
    pub software: String,
}

/// The figures of every fold of a trial, or why there are none.
pub type Tested = Result<Vec<Figures>, Error>;

/// Tries settings: a detector for every fold, trained by the plan, tested on rows that it did not learn from.
pub fn run(dataset: &Dataset, folds: &[Split], plan: &Plan, trial: &Trial, objective: Objective) -> Tested {
    let rule = if objective.needs_threshold() { plan.rule } else { Rule::Fixed(0.5) };
    let plan = Plan { rule, ..with(plan, &trial.settings)? };
    let fold = |fold: &Split| {
        let (train, test) = (dataset.select(&part(&fold.train, trial.share, plan.seed)), dataset.select(&fold.test));
        let detector = Detector::train(&train, &plan)?;
        Figures::of(&detector.judge(test.table())?, &test, &detector.provenance.kinds)
    };
    folds.iter().map(fold).collect()
}

/// What of a plan decides what comes of a trial, beside the settings that are tried, as JSON.
pub fn base(plan: &Plan) -> String {
    json!([plan.method, plan.recipe, plan.selections, plan.grouping, plan.calibration, plan.rule]).to_string()
}

/// The best experiment of those on all rows, the first of equally good ones; where none is on all rows, of all.
pub fn best(history: &[Experiment]) -> Option<&Experiment> {
    let best = |least_share: f64| {
        let able = history.iter().filter(|of| of.trial.share >= least_share);
        let able = able.filter_map(|of| Some((of, of.merit()?)));
        able.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(best, _)| best)
    };
    best(1.0).or_else(|| best(0.0))
}

impl Experiment {
    /// What came of a trial. `data` is the hash of the rows; `seconds` is how long it took.
    pub fn of(
        trial: Trial,
        tested: &Tested,
        objective: Objective,
        plan: &Plan,
        data: [u8; 32],
        seconds: f64,
    ) -> Experiment {
        let folds = tested.as_deref().unwrap_or_default();
        let figures: Vec<(String, f64, f64)> = spread(folds);
        let value = figures.iter().find(|figure| figure.0 == objective.name()).map(|figure| figure.1);
        Experiment {
            data: data.iter().map(|byte| format!("{byte:02x}")).collect(),
            method: plan.method.name().to_owned(),
            base: base(plan),
            trial,
            objective,
            value,
            figures,
            failure: tested.as_ref().err().map(ToString::to_string),
            calibration: plan.calibration,
            folds: folds.len(),
            seed: plan.seed,
            seconds,
            software: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// What the search wants of it, the larger the better.
    pub fn merit(&self) -> Option<f64> {
        let value = self.value.filter(|value| value.is_finite())?;
        Some(if self.objective == Objective::Brier { -value } else { value })
    }

    #[cfg(test)]
    pub(super) fn made_up(trial: Trial, value: f64) -> Experiment {
        let tested = Ok(Vec::new());
        let made = Experiment::of(trial, &tested, Objective::PrAuc, &Plan::default(), [0; 32], 0.0);
        Experiment { value: Some(value), ..made }
    }
}

impl Objective {
    /// The name of its figure among [`Figures::numbers`].
    pub fn name(self) -> &'static str {
        match self {
            Objective::PrAuc => "pr_auc",
            Objective::RocAuc => "roc_auc",
            Objective::RecallAtOnePercent => "recall_at_one_percent",
            Objective::RecallAtOnePerMille => "recall_at_one_per_mille",
            Objective::F1 => "f1",
            Objective::Mcc => "mcc",
            Objective::Accuracy => "accuracy",
            Objective::Brier => "brier",
        }
    }

    fn needs_threshold(self) -> bool {
        matches!(self, Objective::F1 | Objective::Mcc | Objective::Accuracy)
    }
}

/// Mean and standard deviation, with nine digits behind the point, of every figure that all of these have: over folds, or over seeds.
pub fn spread(figures: &[Figures]) -> Vec<(String, f64, f64)> {
    let all: Vec<_> = figures.iter().map(Figures::numbers).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let of = |place: usize| {
        let values: Option<Vec<f64>> = all.iter().map(|figures| figures[place].1).collect();
        let moments = moments(&values?)?;
        Some((first[place].0.to_owned(), rounded(moments.mean), rounded(moments.deviation)))
    };
    (0..first.len()).filter_map(of).collect()
}

/// The number with nine digits behind the point, which every reader of JSON reads as the same number.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// So many of these rows, in ascending order, at random.
fn part(rows: &[usize], share: f64, seed: u64) -> Vec<usize> {
    let count = ((rows.len() as f64 * share).round() as usize).clamp(1.min(rows.len()), rows.len());
    if count == rows.len() {
        return rows.to_vec();
    }
    let chosen = index::sample(&mut Pcg64Mcg::seed_from_u64(seed), rows.len(), count);
    let mut chosen: Vec<usize> = chosen.into_iter().map(|place| rows[place]).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};

    use super::*;
    use crate::evaluation::split;

    #[test]
    fn a_trial_is_tested_on_rows_that_it_did_not_learn_from_and_a_failure_says_why() {
        let bytes: Vec<f32> = (0..300).map(|row| if row % 5 == 0 { 900.0 } else { 100.0 } + (row % 7) as f32).collect();
        let labels: Vec<Label> = (0..300).map(|row| Label::new(if row % 5 == 0 { "dos" } else { "normal" })).collect();
        let dataset = Dataset::labelled(Table::new(vec![Column::numbers("bytes", bytes)]).unwrap(), &labels).unwrap();
        let folds = split::folds(&dataset, 3, 1).unwrap();
        let plan = Plan::default();
        let trial = |text: &str| Trial {
            strategy: Strategy::Random,
            settings: serde_json::from_str(text).unwrap(),
            place: vec![],
            share: 0.5,
        };
        let good = trial(r#"{"trees": 5}"#);
        let tested = run(&dataset, &folds, &plan, &good, Objective::F1);
        let experiment = Experiment::of(good, &tested, Objective::F1, &plan, dataset.sha256(), 1.5);
        assert_eq!((experiment.value, experiment.folds, experiment.failure.as_deref()), (Some(1.0), 3, None));
        assert_eq!(experiment.data.len(), 64);
        let line = serde_json::to_string(&experiment).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&line).unwrap(), experiment);
        let bad = trial(r#"{"trees": 0}"#);
        let tested = run(&dataset, &folds, &plan, &bad, Objective::F1);
        let failed = Experiment::of(bad, &tested, Objective::F1, &plan, dataset.sha256(), 0.0);
        assert_eq!((failed.value, best(&[failed.clone(), experiment.clone()])), (None, Some(&experiment)));
        assert!(failed.failure.unwrap().contains("trees"));
    }
}
