//! What a search promises, beside what it keeps.

use serde::Serialize;

use super::experiment::{Experiment, Objective, best, rounded};
use super::space::Settings;
use crate::evaluation::Figures;
use crate::evaluation::statistics::moments;

/// A search judged by nested cross-validation (Varma and Simon 2006): its best trial is the best of many by its figure, so
/// that this figure is too good; the same search, repeated on a part of the rows and judged on the others, is not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nested {
    /// What the search wants.
    pub objective: Objective,
    /// The figure of the best trial on all rows: too good.
    pub optimistic: Option<f64>,
    /// The mean of the outer tests' figures, which is to be expected.
    pub honest: Option<f64>,
    /// The standard deviation over the outer tests.
    pub deviation: Option<f64>,
    /// The outer tests.
    pub folds: Vec<OuterTest>,
}

/// One outer test: the search saw none of its rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OuterTest {
    /// What is tested, in words.
    pub test: String,
    /// The settings that the search chose; none where no trial succeeded.
    pub settings: Settings,
    /// The figure of its best trial: too good.
    pub optimistic: Option<f64>,
    /// The figure on the rows that the search did not see.
    pub honest: Option<f64>,
}

impl Nested {
    /// From the trials of the search on all rows, and the outer tests.
    pub fn of(objective: Objective, history: &[Experiment], folds: Vec<OuterTest>) -> Nested {
        let honest: Vec<f64> = folds.iter().filter_map(|fold| fold.honest).collect();
        let moments = moments(&honest);
        Nested {
            objective,
            optimistic: best(history).and_then(|best| best.value),
            honest: moments.map(|moments| rounded(moments.mean)),
            deviation: moments.map(|moments| rounded(moments.deviation)),
            folds,
        }
    }
}

impl OuterTest {
    /// From the trials of a search, and the figures of its best settings on rows that it did not see.
    pub fn of(test: String, objective: Objective, history: &[Experiment], figures: &Figures) -> OuterTest {
        let best = best(history);
        let own = figures.numbers().into_iter().find(|(name, _)| *name == objective.name());
        OuterTest {
            test,
            settings: best.map(|best| best.trial.settings.clone()).unwrap_or_default(),
            optimistic: best.and_then(|best| best.value),
            honest: own.and_then(|(_, value)| value),
        }
    }
}
