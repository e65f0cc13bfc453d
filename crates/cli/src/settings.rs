//! What the verbs that learn share on the command line: columns, method, split, threshold.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use model::evaluation::{Finding, Overruled, Rule, Severity};
use model::{Calibration, Grouping, Keep, Method, Recipe, Refuse, Selection};
use sensor::partition::SplitBy;
use sensor::tables::{Columns, Loaded, load};
use sensor::train::Settings;
use serde_json::{Map, Value, json};

use crate::tables;

/// The tables to learn from, and what their columns are.
#[derive(clap::Args)]
pub(crate) struct Tables {
    /// The tables, all with the same columns.
    #[arg(required = true, value_name = "TABLE")]
    pub(crate) tables: Vec<PathBuf>,
    /// The column that says what a row truly is; found by itself where it is called label, class or the like.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// The column that says when a row happened, for --split time.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// The column that says what a row belongs to (a host, a session, a day), for --split group; it is not learned from.
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Leave this column out; may be given several times.
    #[arg(long, value_name = "COLUMN")]
    drop: Vec<String>,
    /// Learn from this column although it is suspect; may be given several times.
    #[arg(long, value_name = "COLUMN")]
    keep: Vec<String>,
}

/// How the test is set apart, and what all random numbers come from.
#[derive(clap::Args)]
pub(crate) struct Splitting {
    /// How the test is set apart: at random (stratified keeps every kind's share), the latest rows, groups never seen, the
    /// last file, or one kind of attack after the other never learned from.
    #[arg(long, value_enum, default_value_t = By::Stratified)]
    pub(crate) split: By,
    /// The share of the rows that is the test; 0 learns from all and tests on none.
    #[arg(long, value_name = "SHARE", default_value_t = Settings::default().test_share)]
    pub(crate) test_share: f64,
    /// Cross-validate with this many folds instead of splitting, at random or with --split group by group; a detector then
    /// learns from all rows.
    #[arg(long, value_name = "FOLDS")]
    pub(crate) cv: Option<usize>,
    /// Where an alarm begins, chosen on validation rows, never on the test: f1, fbeta=B (recall weighs B times as much),
    /// cost=C (a missed attack costs C false alarms), youden, fpr=RATE (the ceiling of the false-positive rate),
    /// alerts=A/FLOWS (so many a day), contamination=SHARE, or a score from 0 to 1.
    /// [default: f1 with labels, fpr=0.01 without]
    #[arg(long, value_name = "RULE")]
    threshold: Option<Threshold>,
    /// Make scores probabilities, by validation rows: isotonic (any shape, some thousand rows), platt (few rows) or beta
    /// (scores that crowd at the ends). The threshold is then one of probabilities.
    #[arg(long, value_enum, value_name = "CALIBRATION")]
    calibrate: Option<Calibrate>,
    /// Which kinds of row a classifier tells apart: attacks from benign rows, families of attacks (KDD), or every kind.
    #[arg(long, value_enum, default_value_t = Classes::Binary)]
    classes: Classes,
    /// Keep rows that repeat another one.
    #[arg(long)]
    keep_duplicates: bool,
    /// Where all random numbers come from.
    #[arg(long, default_value_t = Settings::default().seed)]
    pub(crate) seed: u64,
}

/// Errors of the audit that somebody answers for.
#[derive(clap::Args)]
pub(crate) struct Overruling {
    /// Overrule this error of the audit, by its name, or name and column: giveaway:sttl; may be given several times. A
    /// detector with an error that nobody overruled cannot be activated.
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
    /// Why, for whoever asks later; kept beside the name.
    #[arg(long, value_name = "TEXT", requires = "allow")]
    reason: Option<String>,
}

impl Overruling {
    /// The errors that are overruled; a name that none of the findings has is refused.
    pub(crate) fn of<'a>(&self, findings: impl Iterator<Item = &'a Finding>) -> Result<Vec<Overruled>> {
        let errors: Vec<&Finding> = findings.filter(|finding| finding.severity == Severity::Error).collect();
        if let Some(unknown) = self.allow.iter().find(|name| errors.iter().all(|finding| !finding.is_called(name))) {
            let names: Vec<String> = errors.iter().map(|finding| finding.name()).collect();
            match names.as_slice() {
                [] => bail!("--allow {unknown}: the audit found no error that must be overruled"),
                names => bail!("--allow {unknown}: the audit found no such error; it found {}", names.join(", ")),
            }
        }
        let overruled = self.allow.iter().map(|name| Overruled { name: name.clone(), reason: self.reason.clone() });
        Ok(overruled.collect())
    }
}

/// When an alarm is an attack of no known kind.
#[derive(clap::Args)]
pub(crate) struct Refusing {
    /// Call an alarm `unknown` that no known kind of attack fits, where --classes tells kinds apart: so many of the known
    /// attacks may be called so wrongly, as a share, or never. [default: 0.05]
    #[arg(long, value_name = "SHARE")]
    refuse: Option<Refusal>,
    /// Call an alarm unknown, too, that this anomaly method finds unlike all known attacks, such as neighbour-distance or
    /// mahalanobis; with settings after a colon.
    #[arg(long, value_name = "METHOD")]
    refuse_unlike: Option<String>,
}

/// The estimator and its settings.
#[derive(clap::Args)]
pub(crate) struct Estimator {
    /// The estimator.
    #[arg(short, long, value_parser = names(), default_value = "random-forest")]
    method: String,
    /// A setting of the estimator, such as trees=200; may be given several times.
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<String>,
    /// A setting of the encoder: logarithm=true, scaling=standard, categories=one-hot, rare=5; may be given several times.
    /// [default: as the estimator wants]
    #[arg(long, value_name = "SETTING=VALUE")]
    encode: Vec<String>,
}

/// Which columns are learned from.
#[derive(clap::Args)]
pub(crate) struct Choosing {
    /// Choose the columns to learn from, by the rows learned from alone: mutual-information (what a column alone tells),
    /// permutation (how much worse held-back rows are judged with it shuffled) or recursive (the least needed go first).
    /// Behind = stands how many stay, 20 or 50%; else those that are of use. permutation and recursive may ask another
    /// method: permutation=20:random-forest:trees=30. variance=LEAST leaves out what varies no more. May be given several
    /// times, one after the other.
    #[arg(long, value_name = "WAY[=HOW MANY]")]
    select: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    Random,
    Stratified,
    Time,
    Group,
    File,
    KindOut,
}

#[derive(Clone, Copy, ValueEnum)]
enum Classes {
    Binary,
    Families,
    Kinds,
}

#[derive(Clone, Copy, ValueEnum)]
enum Calibrate {
    Isotonic,
    Platt,
    Beta,
}

/// The share of known attacks that may be refused wrongly; `None` refuses none.
#[derive(Clone, Copy)]
struct Refusal(Option<f64>);

impl FromStr for Refusal {
    type Err = String;

    fn from_str(text: &str) -> Result<Refusal, String> {
        match text.parse::<f64>() {
            _ if text == "never" => Ok(Refusal(None)),
            Ok(share) if (0.0..1.0).contains(&share) => Ok(Refusal(Some(share))),
            _ => Err("expected a share from 0 to below 1, such as 0.05, or never".into()),
        }
    }
}

impl Refusing {
    /// When a detector by these settings refuses; an error where it could not.
    pub(crate) fn refusal(&self, settings: &Settings) -> Result<Option<Refuse>> {
        if self.refuse.is_none() && self.refuse_unlike.is_none() {
            return Ok(settings.refusal.clone());
        }
        if settings.grouping == Grouping::Binary || !settings.method.is_supervised() {
            bail!(
                "--refuse is for detectors that give attacks names: a method that learns from labels, with --classes kinds \
                 or --classes families"
            );
        }
        let unlike = self.refuse_unlike.as_deref().map(named_method).transpose()?;
        if let Some(method) = unlike.as_ref().filter(|method| method.is_supervised()) {
            bail!("--refuse-unlike wants a method that learns without labels, and {} needs them", method.name());
        }
        match self.refuse {
            Some(Refusal(None)) if unlike.is_some() => bail!("--refuse never leaves nothing to --refuse-unlike"),
            Some(Refusal(None)) => Ok(None),
            Some(Refusal(Some(rate))) => Ok(Some(Refuse { rate, unlike })),
            None => Ok(Some(Refuse { unlike, ..Refuse::default() })),
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Threshold(pub(crate) Rule);

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Threshold, String> {
        let number = |text: &str| text.parse::<f64>().map_err(|_| format!("`{text}` is not a number"));
        Ok(Threshold(match text.split_once('=') {
            None if text == "f1" => Rule::F1,
            None if text == "youden" => Rule::Youden,
            Some(("fbeta", beta)) => Rule::FBeta(number(beta)?),
            Some(("cost", cost)) => Rule::Cost(number(cost)?),
            Some(("fpr", rate)) => Rule::FalsePositiveRate(number(rate)?),
            Some(("contamination", share)) => Rule::Contamination(number(share)?),
            Some(("alerts", budget)) => {
                let (alerts, flows) =
                    budget.split_once('/').ok_or("write alerts=20/1000000: alerts a day, flows a day")?;
                Rule::AlertBudget { alerts: number(alerts)?, flows: number(flows)? }
            }
            None if text.parse::<f32>().is_ok() => Rule::Fixed(number(text)? as f32),
            _ => {
                let known = "f1, fbeta=B, cost=C, youden, fpr=RATE, alerts=A/FLOWS, contamination=SHARE or a score";
                return Err(format!("expected {known}"));
            }
        }))
    }
}

/// The names of all estimators.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(Method::all().iter().map(Method::name).collect::<Vec<&'static str>>())
}

/// The method of that name with these settings, read as a configuration would be, so that unknown settings are refused.
pub(crate) fn method(name: &str, set: &[String]) -> Result<Method> {
    let settings = pairs(set)?;
    let method: Method =
        serde_json::from_value(json!({ name: settings })).with_context(|| format!("--set does not fit {name}"))?;
    method.check()?;
    Ok(method)
}

/// The method of a text such as random-forest:trees=300,max-depth=10.
pub(crate) fn named_method(text: &str) -> Result<Method> {
    let (name, set) = text.split_once(':').unwrap_or((text, ""));
    if !Method::all().iter().any(|method| method.name() == name) {
        let known: Vec<&str> = Method::all().iter().map(Method::name).collect();
        bail!("there is no method {name}; the methods are {}", known.join(", "));
    }
    let set: Vec<String> = set.split(',').filter(|setting| !setting.is_empty()).map(str::to_owned).collect();
    method(name, &set)
}

/// A way to choose columns, as `--select` has it.
fn selection(text: &str) -> Result<Selection> {
    let (what, method) = text.split_once(':').map_or((text, None), |(what, method)| (what, Some(method)));
    let method = method.map(named_method).transpose().with_context(|| format!("--select {text}"))?;
    let (way, amount) = what.split_once('=').map_or((what, None), |(way, amount)| (way, Some(amount)));
    let keep = || match amount {
        None => Ok(Keep::Useful),
        Some(amount) => match (amount.parse::<u32>(), amount.strip_suffix('%').map(str::parse::<f64>)) {
            (Ok(count), _) => Ok(Keep::Count(count)),
            (_, Some(Ok(percent))) => Ok(Keep::Share(percent / 100.0)),
            _ => bail!("--select {text}: write how many columns stay, {way}=20, or which share, {way}=50%"),
        },
    };
    let selection = match (way, method) {
        ("variance", None) => Selection::Variance(match amount.map(str::parse::<f64>) {
            None => 0.0,
            Some(Ok(least)) => least,
            Some(Err(_)) => bail!("--select {text}: write the variance that a column must exceed, variance=0.01"),
        }),
        ("mutual-information", None) => Selection::MutualInformation(keep()?),
        ("permutation", method) => Selection::Permutation { keep: keep()?, method },
        ("recursive", method) => Selection::Recursive { keep: keep()?, method },
        ("variance" | "mutual-information", Some(_)) => bail!("--select {text}: {way} asks no method"),
        _ => bail!("--select {text}: expected variance, mutual-information, permutation or recursive"),
    };
    selection.check().with_context(|| format!("--select {text}"))?;
    Ok(selection)
}

/// Names and values, read as a configuration would be.
fn pairs(set: &[String]) -> Result<Map<String, Value>> {
    let pair = |setting: &String| {
        let (name, value) = setting.split_once('=').ok_or_else(|| anyhow!("{setting}: write NAME=VALUE"))?;
        Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value))))
    };
    set.iter().map(pair).collect()
}

impl Estimator {
    pub(crate) fn method(&self) -> Result<Method> {
        method(&self.method, &self.set)
    }

    /// How columns are encoded, where that was said.
    pub(crate) fn recipe(&self) -> Result<Option<Recipe>> {
        if self.encode.is_empty() {
            return Ok(None);
        }
        let mut recipe = serde_json::to_value(self.method()?.recipe())?;
        if let Some(recipe) = recipe.as_object_mut() {
            recipe.extend(pairs(&self.encode)?);
        }
        Ok(Some(serde_json::from_value(recipe).context("--encode does not fit")?))
    }
}

impl Choosing {
    /// How columns are chosen, one way after the other.
    pub(crate) fn selections(&self) -> Result<Vec<Selection>> {
        self.select.iter().map(|text| selection(text)).collect()
    }
}

impl Tables {
    /// Reads the tables and tells on stderr what was read.
    pub(crate) fn load(&self, verbose: bool) -> Result<Loaded> {
        let columns = Columns {
            label: self.label.clone(),
            time: self.time.clone(),
            group: self.group.clone(),
            drop: self.drop.clone(),
            keep: self.keep.clone(),
        };
        let loaded = tables::while_reading(|watch| load(&self.tables, &columns, watch))?;
        tables::print(&loaded.report, verbose);
        tables::print_columns(&loaded);
        Ok(loaded)
    }

    /// The label column, where one was named.
    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The tables, in words.
    pub(crate) fn words(&self) -> String {
        words(&self.tables)
    }
}

impl Splitting {
    /// The settings of a training with this method.
    pub(crate) fn settings(&self, method: Method) -> Result<Settings> {
        if !(0.0..1.0).contains(&self.test_share) {
            bail!("--test-share is {}, and must be at least 0 and below 1", self.test_share);
        }
        if self.cv.is_some() && !matches!(self.split, By::Random | By::Stratified | By::Group) {
            bail!("--cv makes folds at random or, with --split group, by group; it cannot be used with this --split");
        }
        Ok(Settings {
            method,
            recipe: None,
            selections: Vec::new(),
            grouping: match self.classes {
                Classes::Binary => Grouping::Binary,
                Classes::Families => Grouping::Families,
                Classes::Kinds => Grouping::Kinds,
            },
            calibration: self.calibrate.map(|calibrate| match calibrate {
                Calibrate::Isotonic => Calibration::Isotonic,
                Calibrate::Platt => Calibration::Platt,
                Calibrate::Beta => Calibration::Beta,
            }),
            refusal: Settings::default().refusal,
            rule: self.threshold.map(|threshold| threshold.0),
            split: match self.split {
                By::Random => SplitBy::Random,
                By::Stratified => SplitBy::Stratified,
                By::Time => SplitBy::Time,
                By::Group => SplitBy::Group,
                By::File => SplitBy::File,
                By::KindOut => SplitBy::KindOut,
            },
            test_share: self.test_share,
            folds: self.cv,
            seeds: 1,
            keep_duplicates: self.keep_duplicates,
            seed: self.seed,
        })
    }

    /// Refuses what cannot be done with these tables, in words of the command line.
    pub(crate) fn check(&self, loaded: &Loaded) -> Result<()> {
        if self.split == By::Time && self.cv.is_none() && loaded.times.is_none() {
            bail!("--split time needs to know when a row happened: name the column with --time COLUMN");
        }
        if self.split == By::Group && loaded.groups.is_none() {
            bail!("--split group needs to know what a row belongs to: name the column with --group COLUMN");
        }
        Ok(())
    }
}

/// Files, in words: their names without the folders.
pub(crate) fn words(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    paths.iter().map(name).collect::<Vec<String>>().join(", ")
}

/// Refuses a method that learns from labels where there are none.
pub(crate) fn check_labels(method: &Method, loaded: &Loaded) -> Result<()> {
    if loaded.label.is_none() && method.is_supervised() {
        bail!(
            "{} learns from labels, and no column is called label or the like: name it with --label; the columns are {}",
            method.name(),
            loaded.dataset.table().columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_says_how_many_columns_stay_or_which_share_and_whom_it_asks() {
        let of = |text: &str| selection(text).map(|selection| selection.to_string());
        for text in [
            "variance=0.01",
            "mutual-information",
            "mutual-information=20",
            "permutation=50%",
            "recursive",
            "recursive=10:random-forest",
        ] {
            assert_eq!(of(text).expect(text), text);
        }
        assert_eq!(of("variance").expect("a default"), "variance=0");
        for wrong in [
            "noise",
            "variance=-1",
            "variance=0:random-forest",
            "permutation=0",
            "permutation=200%",
            "recursive=some",
            "permutation=5:forest",
            "permutation=5:random-forest:tree=5",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
