//! Methods compared on the same rows.

use model::estimator::{Majority, OneRule};
use model::evaluation::{Comparison, Entry, Figures, Rule};
use model::{Dataset, Detector, Method, Plan, Verdict};

use crate::Error;
use crate::partition::{SplitBy, Test};
use crate::tables::Loaded;
use crate::train::{self, Settings, Step, Usable};

/// Compares methods, each by its name, with the majority class and the best rule on one column beside them.
///
/// Every method learns from and is tested on the same rows, its threshold chosen on rows held back from those learned from.
/// The whole is repeated for as many seeds as the settings say, with new splits where these are random; whether differences
/// are more than luck is told by the first seed's tests.
pub fn compare(
    loaded: &Loaded,
    methods: &[(String, Method)],
    settings: &Settings,
    watch: &mut dyn FnMut(Step),
) -> Result<Comparison, Error> {
    watch(Step::Auditing);
    let findings = train::audited(loaded, settings)?;
    let usable = Usable::of(loaded, settings.keep_duplicates);
    let dataset = usable.dataset(loaded);
    dataset.attacks().ok_or(model::Error::Unlabelled("a comparison"))?;
    let baselines = [Method::Majority(Majority::default()), Method::OneRule(OneRule::default())];
    let missing = baselines.into_iter().filter(|baseline| methods.iter().all(|(_, method)| method != baseline));
    let missing = missing.map(|baseline| (baseline.name().to_owned(), baseline));
    let contenders: Vec<(String, Method)> = missing.chain(methods.iter().cloned()).collect();
    let mut entries: Vec<Entry> = contenders
        .iter()
        .map(|(name, _)| Entry { name: name.clone(), tests: Vec::new(), verdicts: Vec::new() })
        .collect();
    let mut truth = Vec::new();
    let seeds = settings.seeds.max(1);
    let (mut step, mut words) = (0, String::new());
    for turn in 0..seeds {
        let seed = settings.seed.wrapping_add(turn);
        let tests = usable.tests(loaded, settings, seed)?;
        let all = tests.len() * contenders.len() * seeds as usize;
        for (name, part) in &tests {
            let (learned, test) = (dataset.select(&part.train), dataset.select(&part.test));
            for ((_, method), entry) in contenders.iter().zip(&mut entries) {
                step += 1;
                watch(Step::Test(step, all));
                let verdicts = judged(loaded, method, settings, seed, &learned, &test)?;
                entry.tests.push(Figures::of(&verdicts, &test, &seen(&learned))?);
                if turn == 0 {
                    entry.verdicts.extend(verdicts);
                }
            }
            if turn == 0 {
                truth.extend_from_slice(test.attacks().unwrap_or_default());
                words = title(name, &tests, settings);
            }
        }
    }
    if seeds > 1 {
        words = format!("{words}; {seeds} seeds");
    }
    Ok(Comparison { calibration: settings.calibration, findings, ..Comparison::of(words, &entries, &truth)? })
}

/// Compares trained detectors, each with the kinds of row that it learned from, on what they said of the same rows.
pub fn detectors(
    test: String,
    entries: Vec<(String, Vec<String>, Vec<Verdict>)>,
    truth: &Dataset,
) -> Result<Comparison, Error> {
    let attacks = truth.attacks().ok_or(model::Error::Unlabelled("a comparison"))?;
    let entry = |(name, kinds, verdicts): (String, Vec<String>, Vec<Verdict>)| {
        Ok(Entry { name, tests: vec![Figures::of(&verdicts, truth, &kinds)?], verdicts })
    };
    let entries: Result<Vec<Entry>, model::Error> = entries.into_iter().map(entry).collect();
    Ok(Comparison::of(test, &entries?, attacks)?)
}

fn judged(
    loaded: &Loaded,
    method: &Method,
    settings: &Settings,
    seed: u64,
    learned: &Dataset,
    test: &Dataset,
) -> Result<Vec<Verdict>, Error> {
    let mut settings = Settings { method: method.clone(), ..settings.clone() };
    if matches!(method, Method::Majority(_)) {
        // Whatever the rule: what it is there for is the accuracy of always the same answer.
        settings.rule = Some(Rule::Fixed(0.5));
    }
    let detector = Detector::train(learned, &Plan { seed, ..train::plan(loaded, &settings) })?;
    Ok(detector.judge(test.table())?)
}

/// The kinds of these rows.
fn seen(learned: &Dataset) -> Vec<String> {
    let Some(kinds) = learned.kinds() else { return Vec::new() };
    let mut used = vec![false; kinds.vocabulary.len()];
    kinds.codes.iter().for_each(|&code| used[code as usize] = true);
    kinds.vocabulary.iter().zip(used).filter(|(_, used)| *used).map(|(name, _)| name.clone()).collect()
}

fn title(name: &str, tests: &[Test], settings: &Settings) -> String {
    match settings.folds {
        Some(count) => {
            let by = if settings.split == SplitBy::Group { "by group" } else { "at random" };
            format!("{count}-fold cross-validation, {by}")
        }
        None if tests.len() > 1 => format!("{} tests, one for each kind of attack never learned from", tests.len()),
        None => name.to_owned(),
    }
}
