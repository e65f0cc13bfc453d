//! Rows that repeat or contradict each other.

use std::collections::{HashMap, HashSet};

use flow::Label;

use super::{Finding, HANDFUL, NAMED, Severity};
use crate::Dataset;

/// What the labels cannot tell.
pub(super) fn classes(dataset: &Dataset) -> Vec<Finding> {
    let (Some(attacks), Some(kinds)) = (dataset.attacks(), dataset.kinds()) else {
        let sentence = "the table has no labels: nothing can be said about how often alarms are right".into();
        return vec![Finding::of(Severity::Note, "unlabelled", sentence)];
    };
    let count = attacks.iter().filter(|attack| **attack).count();
    if count == 0 || count == attacks.len() {
        let side = if count == 0 { "benign" } else { "an attack" };
        let sentence = format!(
            "every row has the same label: all {} are {side}; precision and accuracy mean nothing here, since always \
             giving the same answer has both at 100 %",
            attacks.len()
        );
        return vec![Finding::of(Severity::Error, "one-class", sentence)];
    }
    let mut rows = vec![0usize; kinds.vocabulary.len()];
    kinds.codes.iter().for_each(|&code| rows[code as usize] += 1);
    let few = |code: usize| (1..HANDFUL).contains(&rows[code]) && Label::new(&kinds.vocabulary[code]).is_attack();
    let rare: Vec<usize> = (0..rows.len()).filter(|&code| few(code)).collect();
    if rare.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> =
        rare.iter().map(|&code| format!("{} ({})", flow::printable(&kinds.vocabulary[code]), rows[code])).collect();
    let sentence = format!("attack kinds of fewer than {HANDFUL} rows, whose figures are luck: {}", names.join(", "));
    let own = (0..dataset.rows()).filter(|&row| few(kinds.codes[row] as usize));
    vec![Finding { rows: named(own), ..Finding::of(Severity::Note, "rare-kinds", sentence) }]
}

/// Rows that repeat another one, and rows that contradict another one.
pub(super) fn repeats(dataset: &Dataset) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (rows, fingerprints) = (dataset.rows(), dataset.fingerprints());
    let mut seen = HashSet::with_capacity(rows);
    let side = |row: usize| dataset.attacks().is_some_and(|attacks| attacks[row]);
    let repeated: Vec<usize> = (0..rows).filter(|&row| !seen.insert((fingerprints[row], side(row)))).collect();
    if !repeated.is_empty() {
        let share = repeated.len() as f64 / rows as f64;
        let severity = if share >= 0.01 { Severity::Warning } else { Severity::Note };
        let sentence = format!(
            "{} of {rows} rows ({:.2} %) repeat another row exactly, benign or attack included; {} are distinct",
            repeated.len(),
            100.0 * share,
            rows - repeated.len()
        );
        findings.push(Finding { rows: named(repeated), ..Finding::of(severity, "duplicates", sentence) });
    }
    if let Some(attacks) = dataset.attacks() {
        let mut sides: HashMap<u64, [usize; 2]> = HashMap::new();
        for (fingerprint, &attack) in fingerprints.iter().zip(attacks) {
            sides.entry(*fingerprint).or_default()[usize::from(attack)] += 1;
        }
        let torn = sides.values().filter(|sides| sides[0] > 0 && sides[1] > 0);
        let (sets, unwinnable) = torn.fold((0, 0), |(sets, least), sides| (sets + 1, least + sides[0].min(sides[1])));
        if sets > 0 {
            let sentence = format!(
                "{sets} {} of rows are equal in every column, and some are called benign, others an attack: no \
                 model can get more than {} of {rows} rows right",
                if sets == 1 { "set" } else { "sets" },
                rows - unwinnable
            );
            let severity = if unwinnable * 100 >= rows { Severity::Warning } else { Severity::Note };
            let is_torn = |row: &usize| sides.get(&fingerprints[*row]).is_some_and(|of| of[0] > 0 && of[1] > 0);
            let rows = named((0..rows).filter(is_torn));
            findings.push(Finding { rows, ..Finding::of(severity, "contradictions", sentence) });
        }
    }
    findings
}

/// The test rows that also stand, column for column, in the training part, in ascending order.
pub fn known_rows(train: &Dataset, test: &Dataset) -> Vec<usize> {
    let known: HashSet<u64> = train.fingerprints().into_iter().collect();
    let fingerprints = test.fingerprints();
    (0..test.rows()).filter(|&row| known.contains(&fingerprints[row])).collect()
}

/// Test rows that also stand, column for column, in the training part: they reward memory. `None` where there are none.
pub fn across(train: &Dataset, test: &Dataset) -> Option<Finding> {
    let repeated = known_rows(train, test);
    let share = repeated.len() as f64 / test.rows().max(1) as f64;
    let severity = if share >= 0.01 { Severity::Warning } else { Severity::Note };
    let sentence = format!(
        "{} of {} test rows ({:.2} %) are equal to a training row in every column: they test memory, not skill",
        repeated.len(),
        test.rows(),
        100.0 * share
    );
    let some = !repeated.is_empty();
    some.then(|| Finding { rows: named(repeated), ..Finding::of(severity, "duplicates-across-split", sentence) })
}

/// The first of these rows, counted from 1.
fn named(rows: impl IntoIterator<Item = usize>) -> Vec<u64> {
    rows.into_iter().take(NAMED).map(|row| row as u64 + 1).collect()
}
