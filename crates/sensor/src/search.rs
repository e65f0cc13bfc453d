//! The search for good settings on a table.

use model::evaluation::tune::{self, Dimension, Experiment, Objective, Strategy};
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

/// The part of a table that is searched on, and the part that is tested on once, after the search.
pub struct Parts {
    /// What is searched on.
    pub train: Dataset,
    /// What the best settings are tested on; `None` where nothing was set apart.
    pub test: Option<(String, Dataset)>,
}

/// Sets the test apart from what is searched on, after the audit, whose findings come with it. For nested
/// cross-validation there are several.
pub fn parts(loaded: &Loaded, settings: &Settings) -> Result<(Vec<Parts>, Vec<Finding>), Error> {
    let findings = train::audited(loaded, settings)?;
    let usable = Usable::of(loaded, settings.keep_duplicates);
    let dataset = usable.dataset(loaded);
    if settings.test_share == 0.0 && settings.folds.is_none() && settings.split != partition::SplitBy::File {
        return Ok((vec![Parts { train: dataset.clone(), test: None }], findings));
    }
    let tests = usable.tests(loaded, settings, settings.seed)?.into_iter();
    let parts = tests.map(|(name, part)| Parts {
        train: dataset.select(&part.train),
        test: Some((name, dataset.select(&part.test))),
    });
    Ok((parts.collect(), findings))
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
        let folds = model::evaluation::split::folds(&dataset, budget.folds, settings.seed)?;
        let data = dataset.sha256();
        let mut space = tune::space(&plan.method);
        if budget.encoder {
            space.extend(tune::encoder_space(&plan.method));
        }
        let mut search = Search { dataset, folds, plan, budget, space, data, history: Vec::new() };
        search.history = history.into_iter().filter(|of| search.is_own(of)).collect();
        Ok(search)
    }

    /// Whether an experiment is one of this search: the same rows, method, calibration, strategy, objective, folds and
    /// seed.
    fn is_own(&self, of: &Experiment) -> bool {
        let hash: String = self.data.iter().map(|byte| format!("{byte:02x}")).collect();
        of.data == hash
            && of.method == self.plan.method.name()
            && of.objective == self.budget.objective
            && of.trial.strategy == self.budget.strategy
            && (of.folds == self.budget.folds || of.failure.is_some())
            && of.seed == self.plan.seed
            && of.calibration == self.plan.calibration
            && of.trial.place.len() == self.space.len()
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

    /// A detector with the best settings, trained on all rows that were searched on, and its figures on others, if any,
    /// which its card holds by this name.
    pub fn finish(&self, test: Option<(&str, &Dataset)>) -> Result<(Detector, Option<Figures>), Error> {
        let mut detector = Detector::train(&self.dataset, &self.best_plan()?)?;
        let Some((name, test)) = test else { return Ok((detector, None)) };
        let tested = train::tested(&detector, test)?;
        let figures = Figures::of(&tested.verdicts, test, &detector.provenance.kinds)?;
        let refusals = train::refused(&detector, &tested, test)?;
        detector.supplement.calibrated = tested.calibrated(test.attacks().unwrap_or_default());
        detector.supplement.refusals.extend(refusals.map(|of| (name.to_owned(), of)));
        detector.provenance.figures.push((name.to_owned(), figures.clone()));
        Ok((detector, Some(figures)))
    }

    /// What may be tried.
    pub fn space(&self) -> &[Dimension] {
        &self.space
    }
}
