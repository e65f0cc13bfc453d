//! Tables become detectors, with figures that can be believed.

use model::evaluation::{
    Calibrated, Drift, Figures, Finding, Outcome, Refusals, Role, Rule, Severity, Tested, audit, split, suspects,
};
use model::{Calibration, Dataset, Detector, Grouping, Method, Plan, Recipe, Refuse, Selection};

use crate::Error;
use crate::partition::{self, SplitBy};
use crate::tables::Loaded;

/// How a detector is trained and tested.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The estimator and its settings. Default: a random forest.
    pub method: Method,
    /// How columns are encoded. Default: as the method wants.
    pub recipe: Option<Recipe>,
    /// How the columns to learn from are chosen, one selection after the other, from the rows learned from alone. Default
    /// none: from all.
    pub selections: Vec<Selection>,
    /// Which kinds of row a classifier tells apart. Default: benign rows and attacks.
    pub grouping: Grouping,
    /// How scores become probabilities, by validation rows. Default: they stay what the method makes them.
    pub calibration: Option<Calibration>,
    /// When an alarm gets no name; looked at where kinds of attack are told apart. Default as [`Refuse`] has it.
    pub refusal: Option<Refuse>,
    /// How the threshold is chosen on validation rows. Default: the largest F1 for a method that learns from labels, and
    /// one alarm in a hundred benign rows for one that does not.
    pub rule: Option<Rule>,
    /// How the test is set apart. Default at random, every kind in its share.
    pub split: SplitBy,
    /// The share of the rows that is the test; 0 learns from all rows and tests on none. Default 0.2.
    pub test_share: f64,
    /// The number of folds of a cross-validation, which takes the place of the split; the detector then learns from all
    /// rows. Default none.
    pub folds: Option<usize>,
    /// How often the training and its test are repeated with other seeds, the first included. Default 1.
    pub seeds: u64,
    /// Whether rows that repeat another one are learned from and tested on. Default no: on both sides of a split they
    /// reward memory.
    pub keep_duplicates: bool,
    /// What all random numbers come from. Default 1.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            method: Plan::default().method,
            recipe: None,
            selections: Vec::new(),
            grouping: Grouping::default(),
            calibration: None,
            refusal: Plan::default().refusal,
            rule: None,
            split: SplitBy::default(),
            test_share: 0.2,
            folds: None,
            seeds: 1,
            keep_duplicates: false,
            seed: 1,
        }
    }
}

/// A trained detector and what came out on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The detector; its provenance holds the findings, and the figures of the split.
    pub detector: Detector,
    /// How many rows repeated another one and were dropped.
    pub duplicates: usize,
    /// All that the test tells, where there was one.
    pub outcome: Option<Outcome>,
    /// What was tested, and how well: every fold, every kind of attack left out, or every seed; empty where there was one
    /// test only.
    pub tests: Vec<(String, Figures)>,
}

/// What a long training is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking for what makes figures look better than they are.
    Auditing,
    /// Fitting the model of one of several tests, counted from 1, and how many there are.
    Test(usize, usize),
    /// Fitting the detector.
    Fitting,
}

/// Trains a detector on a part of a table and tests it on the other part, by cross-validation, or on kinds of attack that
/// were left out. What the audit found is in the detector's card; where it is an error about columns, figures without these
/// stand beside the others.
pub fn train(loaded: &Loaded, settings: &Settings, watch: &mut dyn FnMut(Step)) -> Result<Trained, Error> {
    watch(Step::Auditing);
    let mut findings = audited(loaded, settings)?;
    let usable = Usable::of(loaded, settings.keep_duplicates);
    let dataset = usable.dataset(loaded);
    let plan = plan(loaded, settings);
    let several = settings.folds.is_some() || settings.split == SplitBy::KindOut;
    let mut figures = Vec::new();
    let mut tests = Vec::new();
    let mut outcome = None;
    let (mut calibrated, mut refusals) = (None, Vec::new());
    let mut detector = if several {
        let parts = usable.tests(loaded, settings, settings.seed)?;
        let mut scores = Pooled::default();
        for (number, (name, part)) in parts.iter().enumerate() {
            watch(Step::Test(number + 1, parts.len()));
            let (detector, test) = (Detector::train(&dataset.select(&part.train), &plan)?, dataset.select(&part.test));
            let tested = tested(&detector, &test)?;
            tests.push((name.clone(), Figures::of(&tested.verdicts, &test, &detector.provenance.kinds)?));
            refusals.extend(refused(&detector, &tested, &test)?.map(|of| (name.clone(), of)));
            scores.add(tested, &test);
        }
        calibrated = scores.calibrated();
        watch(Step::Fitting);
        Detector::train(dataset, &plan)?
    } else if (settings.test_share == 0.0 || dataset.attacks().is_none()) && settings.split != SplitBy::File {
        // Without labels there is nothing to test.
        watch(Step::Fitting);
        Detector::train(dataset, &plan)?
    } else {
        watch(Step::Fitting);
        let parts = usable.tests(loaded, settings, settings.seed)?;
        let (name, part) = parts.first().ok_or(model::Error::Empty("rows to test on"))?;
        let (train, test) = (dataset.select(&part.train), dataset.select(&part.test));
        let known = audit::known_rows(&train, &test);
        findings.extend(audit::across(&train, &test));
        findings.extend(audit::drifted(&audit::drift(&train, &test)));
        let detector = Detector::train(&train, &plan)?;
        if test.attacks().is_some() && test.rows() > 0 {
            let of = outcome.insert(test_outcome(&detector, &test, loaded, &usable.rows, &part.test, settings.seed)?);
            figures.push((name.clone(), of.figures.clone()));
            refusals.extend(of.refusals.map(|of| (name.clone(), of)));
            let after = of.reliability.clone();
            let giving = giving(&findings);
            if !giving.is_empty() && giving.len() < test.table().columns().len() {
                let (mut train, mut test) = (train, test.clone());
                giving.iter().for_each(|column| drop((train.take(column), test.take(column))));
                let names: Vec<_> = giving.iter().map(|column| format!("`{}`", flow::printable(column))).collect();
                let honest = Detector::train(&train, &plan)?;
                figures.push((format!("{name}, honest: without {}", names.join(", ")), test_figures(&honest, &test)?));
            }
            calibrated = of.uncalibrated.clone().zip(after).map(|(before, after)| Calibrated { before, after });
            if !known.is_empty() && known.len() < test.rows() {
                let rows = (0..test.rows()).filter(|row| known.binary_search(row).is_err());
                let new = test.select(&rows.collect::<Vec<usize>>());
                figures.push((format!("{name}, without rows that training knows"), test_figures(&detector, &new)?));
            }
        }
        detector
    };
    if let Some(of) = outcome.as_ref().filter(|_| settings.seeds > 1 && !several) {
        tests.push((format!("seed {}", settings.seed), of.figures.clone()));
        for turn in 1..settings.seeds {
            watch(Step::Test(turn as usize + 1, settings.seeds as usize));
            let seed = settings.seed.wrapping_add(turn);
            for (_, part) in usable.tests(loaded, settings, seed)? {
                let detector = Detector::train(&dataset.select(&part.train), &Plan { seed, ..plan.clone() })?;
                tests.push((format!("seed {seed}"), test_figures(&detector, &dataset.select(&part.test))?));
            }
        }
    }
    findings.extend(leaks(loaded));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let provenance = &mut detector.provenance;
    (provenance.label, provenance.left_out) = (loaded.label.clone(), loaded.left_out.clone());
    (provenance.findings, provenance.figures) = (findings, figures);
    (detector.supplement.calibrated, detector.supplement.refusals) = (calibrated, refusals);
    Ok(Trained { detector, duplicates: usable.dropped(loaded), outcome, tests })
}

/// What an audit found, with careless and honest figures beside.
#[derive(Clone, Debug, PartialEq)]
pub struct Audited {
    /// What it found, the worst first.
    pub findings: Vec<Finding>,
    /// How far each column of the test lies from what is learned from, the furthest first; empty where nothing is tested.
    pub drift: Vec<Drift>,
    /// The figures of a careless test, then of the honest one, each with what it is; empty where there are no labels of
    /// both sides.
    pub figures: Vec<(String, Figures)>,
}

/// Audits a table with all its columns, the suspect ones included, and the split that the settings say. With `figures` it
/// also trains the method twice: carelessly, from every column but those that say the label in other words, duplicates
/// kept, tested on a random split; and honestly, as the settings say.
pub fn audit(
    loaded: &Loaded,
    settings: &Settings,
    figures: bool,
    watch: &mut dyn FnMut(Step),
) -> Result<Audited, Error> {
    watch(Step::Auditing);
    let mut whole = loaded.whole()?;
    // A column that names the rows would hide that they repeat each other.
    let mut findings = [audit::rows(&loaded.dataset), audit::columns(&whole)?].concat();
    // Of columns that are left out anyway an error need not be overruled.
    let is_out = |finding: &Finding| {
        !finding.columns.is_empty()
            && finding.columns.iter().all(|name| loaded.suspects.iter().any(|of| of.name == *name))
    };
    for finding in findings.iter_mut().filter(|finding| finding.severity == Severity::Error && is_out(finding)) {
        finding.severity = Severity::Warning;
        finding.sentence.push_str("; it is left out");
    }
    let usable = Usable::of(loaded, settings.keep_duplicates);
    let dataset = usable.dataset(loaded);
    let tests = if settings.test_share > 0.0 { usable.tests(loaded, settings, settings.seed)? } else { Vec::new() };
    let mut drift = Vec::new();
    if let [(_, part)] = tests.as_slice() {
        let (train, test) = (dataset.select(&part.train), dataset.select(&part.test));
        findings.extend(audit::across(&train, &test));
        drift = audit::drift(&train, &test);
        findings.extend(audit::drifted(&drift));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let sides = |dataset: &Dataset| {
        let attacks = dataset.attacks().unwrap_or_default();
        attacks.contains(&true) && attacks.contains(&false)
    };
    let mut both = Vec::new();
    if figures && sides(&whole) {
        watch(Step::Test(1, 2));
        for (column, role) in suspects(&whole) {
            if role == Role::Answer {
                whole.take(&column);
            }
        }
        let plan = plan(loaded, settings);
        let part = split::stratified(&whole, 0.2, settings.seed)?;
        let detector = Detector::train(&whole.select(&part.train), &plan)?;
        let careless = "careless: every column, duplicates kept, random split".to_owned();
        both.push((careless, test_figures(&detector, &whole.select(&part.test))?));
        watch(Step::Test(2, 2));
        let mut honest = Vec::new();
        for (_, part) in &tests {
            let detector = Detector::train(&dataset.select(&part.train), &plan)?;
            honest.push(test_figures(&detector, &dataset.select(&part.test))?);
        }
        if let [only] = honest.as_slice() {
            let duplicates = if settings.keep_duplicates { "kept" } else { "dropped" };
            let words = settings.split.words(loaded);
            both.push((format!("honest: suspect columns left out, duplicates {duplicates}, {words}"), only.clone()));
        } else {
            both.extend(tests.iter().map(|(name, _)| format!("honest: {name}")).zip(honest));
        }
    }
    Ok(Audited { findings, drift, figures: both })
}

/// The audit of a table.
pub(crate) fn audited(loaded: &Loaded, settings: &Settings) -> Result<Vec<Finding>, Error> {
    let mut findings = audit::table(&loaded.dataset)?;
    if !settings.method.is_supervised() {
        // Benign rows alone are what it should learn from; only the figures mean nothing.
        let one_class = findings.iter_mut().filter(|finding| finding.check == "one-class");
        one_class.for_each(|finding| finding.severity = Severity::Warning);
    }
    Ok(findings)
}

/// The columns that errors of the audit are about: they give the answer away.
fn giving(findings: &[Finding]) -> Vec<String> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let mut columns: Vec<String> = errors.flat_map(|finding| finding.columns.clone()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The rows to go on with.
pub(crate) struct Usable {
    pub(crate) rows: Vec<usize>,
    distinct: Option<Dataset>,
}

impl Usable {
    pub(crate) fn of(loaded: &Loaded, keep_duplicates: bool) -> Usable {
        let all = loaded.dataset.rows();
        if keep_duplicates {
            return Usable { rows: (0..all).collect(), distinct: None };
        }
        let rows = loaded.dataset.distinct_rows();
        let distinct = (rows.len() < all).then(|| loaded.dataset.select(&rows));
        Usable { rows, distinct }
    }

    pub(crate) fn dataset<'a>(&'a self, loaded: &'a Loaded) -> &'a Dataset {
        self.distinct.as_ref().unwrap_or(&loaded.dataset)
    }

    /// How many rows repeat another one and were dropped.
    pub(crate) fn dropped(&self, loaded: &Loaded) -> usize {
        loaded.dataset.rows() - self.rows.len()
    }

    pub(crate) fn tests(&self, loaded: &Loaded, settings: &Settings, seed: u64) -> Result<Vec<partition::Test>, Error> {
        let (by, share) = (settings.split, settings.test_share);
        partition::tests(loaded, &self.rows, self.dataset(loaded), by, share, settings.folds, seed)
    }
}

pub(crate) fn plan(loaded: &Loaded, settings: &Settings) -> Plan {
    let default = if settings.method.is_supervised() { Rule::F1 } else { Rule::FalsePositiveRate(0.01) };
    let left_out = loaded.left_out.iter().map(|(name, _)| name);
    Plan {
        method: settings.method.clone(),
        recipe: settings.recipe,
        selections: settings.selections.clone(),
        grouping: settings.grouping,
        calibration: settings.calibration,
        refusal: settings.refusal.clone(),
        rule: settings.rule.unwrap_or(default),
        seed: settings.seed,
        ignored: loaded.label.iter().chain(left_out).cloned().collect(),
        ..Plan::default()
    }
}

pub(crate) fn test_figures(detector: &Detector, test: &Dataset) -> Result<Figures, Error> {
    Ok(Figures::of(&detector.judge(test.table())?, test, &detector.provenance.kinds)?)
}

/// What a detector says of the rows of a test.
pub(crate) fn tested(detector: &Detector, test: &Dataset) -> Result<Tested, Error> {
    let mut tested = Tested::by(detector);
    tested.add(detector, test.table())?;
    Ok(tested)
}

/// What of the alarms got no name, of a detector that gives them names.
pub(crate) fn refused(detector: &Detector, tested: &Tested, test: &Dataset) -> Result<Option<Refusals>, Error> {
    let seen = &detector.provenance.kinds;
    let refusals = detector.names_attacks().then(|| Refusals::of(&tested.verdicts, &tested.refused, test, seen));
    Ok(refusals.transpose()?)
}

/// The rows of several tests together.
#[derive(Default)]
struct Pooled {
    tested: Tested,
    attacks: Vec<bool>,
}

impl Pooled {
    fn add(&mut self, tested: Tested, test: &Dataset) {
        self.tested.verdicts.extend(tested.verdicts);
        self.tested.uncalibrated.extend(tested.uncalibrated);
        self.attacks.extend_from_slice(test.attacks().unwrap_or_default());
    }

    fn calibrated(&self) -> Option<Calibrated> {
        self.tested.calibrated(&self.attacks)
    }
}

/// All that a test tells; its rows are the `rows` of the usable ones of the table, `of_table`.
fn test_outcome(
    detector: &Detector,
    test: &Dataset,
    loaded: &Loaded,
    of_table: &[usize],
    rows: &[usize],
    seed: u64,
) -> Result<Outcome, Error> {
    let mut tested = tested(detector, test)?;
    tested.times = loaded.times.as_ref().map(|times| rows.iter().map(|&row| times[of_table[row]]).collect());
    tested.groups = loaded.groups.as_ref().map(|groups| rows.iter().map(|&row| groups[of_table[row]]).collect());
    Ok(Outcome::of(&tested, test, &detector.provenance.kinds, seed)?)
}

/// Suspect columns that were left out for leaking the answer are worth a finding of their own: a published figure with
/// them is not comparable.
fn leaks(loaded: &Loaded) -> impl Iterator<Item = Finding> + '_ {
    let leaking = [Role::Difficulty.sentence(), Role::Answer.sentence()];
    let left_out = loaded.left_out.iter().filter(move |(_, reason)| leaking.iter().any(|leak| reason.ends_with(leak)));
    left_out.map(|(name, reason)| {
        let sentence = format!(
            "column `{}` was left out: {reason}; figures that others publish with it are too good",
            flow::printable(name)
        );
        Finding { columns: vec![name.clone()], ..Finding::of(Severity::Note, "left-out", sentence) }
    })
}
