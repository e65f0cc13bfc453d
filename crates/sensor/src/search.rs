//! The search for good settings on a table.

use model::evaluation::tune::{self, Dimension, Experiment, Objective, OuterTest, Strategy};
use model::evaluation::{Figures, Finding, Split};
use model::{Dataset, Detector, Plan};

use crate::Error;
use crate::partition;
use crate::tables::Loaded;
use crate::train::{self, Settings, Usable};

/// How settings are searched.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// How the next trial is chosen.
    pub strategy: Strategy,
    /// What is made as good as can be.
    pub objective: Objective,
    /// How many trials there are, those of the history included.
    pub trials: usize,
    /// The folds that each trial is tested on.
    pub folds: usize,
    /// Whether the encoder's settings are searched too.
    pub encoder: bool,
    /// Whether it is searched, too, which columns are learned from.
    pub selection: bool,
}

/// A search that can be asked for one trial after the other.
pub struct Search {
    dataset: Dataset,
    folds: Vec<Split>,
    plan: Plan,
    budget: Budget,
    space: Vec<Dimension>,
    data: [u8; 32],
    /// What was tried, in order.
    pub history: Vec<Experiment>,
}

/// The rows that are searched on, and those that are tested on once, after the search.
pub struct Ground {
    /// The usable rows of the table.
    pub dataset: Dataset,
    /// The searches, in order. For nested cross-validation one a fold, and one on all rows, which is the last; else one.
    pub parts: Vec<Part>,
    /// What the audit found.
    pub findings: Vec<Finding>,
}

/// What one search sees, and what it does not.
pub struct Part {
    /// The rows that are searched on; `None` where it is all of them.
    train: Option<Vec<usize>>,
    /// The rows that the best settings are tested on, and what they are; `None` where nothing was set apart.
    test: Option<(String, Vec<usize>)>,
}

/// Audits the table and sets the test apart from what is searched on.
pub fn ground(loaded: &Loaded, settings: &Settings) -> Result<Ground, Error> {
    let findings = train::audited(loaded, settings)?;
    let usable = Usable::of(loaded, settings.keep_duplicates);
    let dataset = usable.dataset(loaded).clone();
    let whole = Part { train: None, test: None };
    if settings.test_share == 0.0 && settings.folds.is_none() && settings.split != partition::SplitBy::File {
        return Ok(Ground { dataset, parts: vec![whole], findings });
    }
    let tests = usable.tests(loaded, settings, settings.seed)?.into_iter();
    let part = |(name, part): partition::Test| Part { train: Some(part.train), test: Some((name, part.test)) };
    let whole = (settings.folds.is_some() || settings.split == partition::SplitBy::KindOut).then_some(whole);
    Ok(Ground { dataset, parts: tests.map(part).chain(whole).collect(), findings })
}

impl Part {
    /// The rows that are searched on.
    pub fn train(&self, ground: &Ground) -> Dataset {
        self.train.as_ref().map_or_else(|| ground.dataset.clone(), |rows| ground.dataset.select(rows))
    }

    /// The rows that the best settings are tested on, and what they are.
    pub fn test(&self, ground: &Ground) -> Option<(&str, Dataset)> {
        self.test.as_ref().map(|(name, rows)| (name.as_str(), ground.dataset.select(rows)))
    }
}

impl Search {
    /// A search on these rows. `history` are experiments of the same search; others are left out.
    pub fn new(
        loaded: &Loaded,
        dataset: Dataset,
        settings: &Settings,
        budget: Budget,
        history: Vec<Experiment>,
    ) -> Result<Search, Error> {
        let plan = train::plan(loaded, settings);
        // Other folds than those that the best settings are tested on, which come from the seed itself.
        let folds = model::evaluation::split::folds(&dataset, budget.folds, settings.seed.wrapping_add(1))?;
        let data = dataset.sha256();
        let mut space = tune::space(&plan.method);
        if budget.encoder {
            space.extend(tune::encoder_space(&plan.method));
        }
        if budget.selection {
            space.extend(tune::selection_space());
        }
        let mut search = Search { dataset, folds, plan, budget, space, data, history: Vec::new() };
        search.history = history.into_iter().filter(|of| search.is_own(of)).collect();
        Ok(search)
    }

    /// Whether an experiment is one of this search: the same rows, plan, settings searched, strategy, objective, folds and
    /// seed.
    fn is_own(&self, of: &Experiment) -> bool {
        let hash: String = self.data.iter().map(|byte| format!("{byte:02x}")).collect();
        of.data == hash
            && of.method == self.plan.method.name()
            && of.objective == self.budget.objective
            && of.trial.strategy == self.budget.strategy
            && (of.folds == self.budget.folds || of.failure.is_some())
            && of.seed == self.plan.seed
            && (of.base.is_empty() || of.base == tune::base(&self.plan))
            && of.calibration == self.plan.calibration
            && of.trial.place.len() == self.space.len()
            && self.space.iter().all(|dimension| of.trial.settings.contains_key(&dimension.setting))
    }

    /// Whether there is a trial left.
    pub fn is_over(&self) -> bool {
        self.history.len() >= self.budget.trials
    }

    /// Tries the next settings. `measured` is called when they have been tried and says how many seconds that took.
    pub fn step(&mut self, measured: impl FnOnce() -> f64) -> Result<&Experiment, Error> {
        let trial = tune::ask(self.budget.strategy, &self.plan, &self.space, &self.history)?;
        let tested = tune::run(&self.dataset, &self.folds, &self.plan, &trial, self.budget.objective);
        let experiment = Experiment::of(trial, &tested, self.budget.objective, &self.plan, self.data, measured());
        self.history.push(experiment);
        Ok(&self.history[self.history.len() - 1])
    }

    /// The plan with the best settings found; as it was where no trial succeeded.
    pub fn best_plan(&self) -> Result<Plan, Error> {
        let Some(best) = tune::best(&self.history) else { return Ok(self.plan.clone()) };
        Ok(tune::with(&self.plan, &best.trial.settings)?)
    }

    /// A detector with the best settings, trained on all rows that were searched on.
    pub fn finish(&self) -> Result<Detector, Error> {
        Ok(Detector::train(&self.dataset, &self.best_plan()?)?)
    }

    /// How good a detector of this search is on rows that the search did not see, beside what it promised; its card holds
    /// the figures by this name.
    pub fn test(&self, detector: &mut Detector, name: &str, test: &Dataset) -> Result<(Figures, OuterTest), Error> {
        let tested = train::tested(detector, test)?;
        let figures = Figures::of(&tested.verdicts, test, &detector.provenance.kinds)?;
        let refusals = train::refused(detector, &tested, test)?;
        detector.supplement.calibrated = tested.calibrated(test.attacks().unwrap_or_default());
        detector.supplement.refusals.extend(refusals.map(|of| (name.to_owned(), of)));
        detector.provenance.figures.push((name.to_owned(), figures.clone()));
        let outer = OuterTest::of(name.to_owned(), self.budget.objective, &self.history, &figures);
        Ok((figures, outer))
    }

    /// What may be tried.
    pub fn space(&self) -> &[Dimension] {
        &self.space
    }
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};
    use model::Method;
    use model::estimator::DecisionTree;
    use model::evaluation::tune::Nested;

    use super::*;
    use crate::tables::Report;

    /// 150 rows of eight columns that know nothing of the label.
    fn noise() -> Loaded {
        let mut state = 11u32;
        let mut draw = || {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            (state >> 12) as f32
        };
        let columns = (0..8).map(|name| Column::numbers(format!("noise {name}"), (0..150).map(|_| draw()).collect()));
        let table = Table::new(columns.collect()).expect("columns of equal length");
        let labels: Vec<Label> =
            (0..150).map(|_| Label::new(if (draw() as u32).is_multiple_of(2) { "scan" } else { "normal" })).collect();
        Loaded {
            dataset: Dataset::labelled(table, &labels).expect("a label a row"),
            label: Some("label".into()),
            times: None,
            groups: None,
            files: vec![0; 150],
            left_out: Vec::new(),
            suspects: Vec::new(),
            report: Report::default(),
        }
    }

    #[test]
    fn of_labels_that_mean_nothing_the_best_trial_promises_much_and_nested_cross_validation_shows_chance() {
        let loaded = noise();
        let method = Method::DecisionTree(DecisionTree::default());
        let settings = Settings { method, folds: Some(5), ..Settings::default() };
        let budget = Budget {
            strategy: Strategy::Random,
            objective: Objective::RocAuc,
            trials: 40,
            folds: 3,
            encoder: false,
            selection: true,
        };
        let ground = ground(&loaded, &settings).expect("a sound table");
        assert_eq!(ground.parts.len(), 6, "five folds, and all rows");
        let (mut outer, mut last) = (Vec::new(), Vec::new());
        for part in &ground.parts {
            let mut search =
                Search::new(&loaded, part.train(&ground), &settings, budget.clone(), Vec::new()).expect("a search");
            while !search.is_over() {
                search.step(|| 0.0).expect("a trial");
            }
            if let Some((name, test)) = part.test(&ground) {
                let mut detector = search.finish().expect("a detector");
                outer.push(search.test(&mut detector, name, &test).expect("a test").1);
            }
            last = search.history;
        }
        let nested = Nested::of(budget.objective, &last, outer);
        let (promised, kept) = (nested.optimistic.expect("a trial succeeded"), nested.honest.expect("tests"));
        assert!(promised > 0.58 && (kept - 0.5).abs() < 0.06, "{promised} {kept} {nested:?}");
    }

    #[test]
    fn an_experiment_of_another_selection_is_not_gone_on_with() {
        let loaded = noise();
        let budget = Budget {
            strategy: Strategy::Random,
            objective: Objective::RocAuc,
            trials: 2,
            folds: 2,
            encoder: false,
            selection: false,
        };
        let settings = Settings { method: Method::DecisionTree(DecisionTree::default()), ..Settings::default() };
        let new = |settings: &Settings, history: Vec<Experiment>| {
            Search::new(&loaded, loaded.dataset.clone(), settings, budget.clone(), history).expect("a search")
        };
        let mut search = new(&settings, Vec::new());
        search.step(|| 0.0).expect("a trial");
        assert_eq!(new(&settings, search.history.clone()).history.len(), 1);
        let few = Settings { selections: vec![model::Selection::Variance(0.0)], ..settings };
        assert_eq!(new(&few, search.history).history.len(), 0);
    }
}
