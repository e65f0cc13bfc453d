//! Columns that say nothing, and columns that say too much.

use flow::{Column, Table, Values, printable};

use super::{Finding, HANDFUL, Severity};
use crate::estimator::{ClassWeights, DecisionTree};
use crate::evaluation::{Confusion, Curve, split};
use crate::{Classes, Dataset, Encoder, Error, Method, Recipe};

/// Columns without any value, and columns with the same value in every row.
pub(super) fn idle(table: &Table) -> Vec<Finding> {
    let empty = |column: &Column| (0..table.rows()).all(|row| !column.is_present(row));
    let constant = |values: &Values| match values {
        Values::Numbers(numbers) => numbers.windows(2).all(|two| two[0] == two[1]),
        Values::Categories(category) => category.codes.windows(2).all(|two| two[0] == two[1]),
    };
    let (without, with): (Vec<_>, Vec<_>) = table.columns().iter().partition(|column| empty(column));
    let same: Vec<_> = with.into_iter().filter(|column| constant(&column.values)).collect();
    let finding = |check: &str, words: &str, columns: Vec<&Column>| {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let sentence = format!("{words}: {}", listed(names.iter().map(|name| format!("`{}`", printable(name)))));
        (!names.is_empty()).then(|| Finding { columns: names, ..Finding::of(Severity::Note, check, sentence) })
    };
    let empty = finding("empty-columns", "without a value in any row, so of no use", without);
    let same = finding("constant-columns", "the same value in every row, so of no use", same);
    empty.into_iter().chain(same).collect()
}

/// The first words, and how many more there are.
pub(super) fn listed(words: impl ExactSizeIterator<Item = String>) -> String {
    let all = words.len();
    let shown: Vec<String> = words.take(SHOWN).collect();
    let more = if all > SHOWN { format!(" and {} more", all - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// What one column alone can tell, measured on rows that it did not learn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strength {
    /// The area under the receiver operating characteristic.
    pub roc_auc: f64,
    /// The mean of the shares of attacks and of benign rows judged rightly.
    pub balanced_accuracy: f64,
}

/// Columns that alone give the answer away, each by itself, and those that nearly do, together.
pub(super) fn giveaways(strengths: &[(String, Strength)]) -> Vec<Finding> {
    let (whole, rest): (Vec<_>, Vec<_>) =
        strengths.iter().partition(|(_, strength)| strength.balanced_accuracy >= 0.995);
    let giveaway = |(column, strength): &(String, Strength)| {
        let sentence = format!(
            "column `{}` alone gives the answer away (ROC-AUC {:.4}, balanced accuracy {:.1} % on held-out rows): \
             make sure that it is known before the answer is, or drop it",
            printable(column),
            strength.roc_auc,
            100.0 * strength.balanced_accuracy
        );
        Finding { columns: vec![column.clone()], ..Finding::of(Severity::Error, "giveaway", sentence) }
    };
    let mut findings: Vec<Finding> = whole.into_iter().map(giveaway).collect();
    let near: Vec<_> = rest.into_iter().filter(|(_, strength)| strength.roc_auc >= 0.95).collect();
    if !near.is_empty() {
        let words = near.iter().map(|(column, strength)| format!("`{}` {:.4}", printable(column), strength.roc_auc));
        let sentence = format!(
            "nearly give the answer away, each alone (ROC-AUC on held-out rows): {}; figures without them are worth \
             seeing",
            listed(words)
        );
        let columns = near.iter().map(|(column, _)| column.clone()).collect();
        findings.push(Finding { columns, ..Finding::of(Severity::Warning, "near-giveaway", sentence) });
    }
    findings
}

/// How well each column alone tells attacks from benign rows, the strongest first: a small tree learns from one half
/// of at most 50,000 rows, and is measured on the other. Empty where there are no labels of both sides.
pub fn strengths(dataset: &Dataset) -> Result<Vec<(String, Strength)>, Error> {
    let Some(attacks) = dataset.attacks() else { return Ok(Vec::new()) };
    let few = |side: bool| attacks.iter().filter(|attack| **attack == side).count() < HANDFUL;
    if few(true) || few(false) {
        return Ok(Vec::new());
    }
    let step = dataset.rows().div_ceil(MAX_ROWS);
    let rows: Vec<usize> = (0..dataset.rows()).step_by(step).collect();
    let sample = if step > 1 { dataset.select(&rows) } else { dataset.clone() };
    let halves = split::stratified(&sample, 0.5, 1)?;
    let (train, test) = (sample.select(&halves.train), sample.select(&halves.test));
    let mut strengths = Vec::new();
    for (one, other) in train.table().columns().iter().zip(test.table().columns()) {
        let one = Table::new(vec![one.clone()]).map_err(|_| Error::Empty("columns"))?;
        let other = Table::new(vec![other.clone()]).map_err(|_| Error::Empty("columns"))?;
        let (Some(learned), Some(truth)) = (train.attacks(), test.attacks()) else { continue };
        // A sample of a rare side may have lost it.
        let Ok(strength) = strength(&one, learned, &other, truth) else { continue };
        strengths.push((one.columns()[0].name.clone(), strength));
    }
    strengths.sort_by(|one, other| other.1.roc_auc.total_cmp(&one.1.roc_auc));
    Ok(strengths)
}

fn strength(train: &Table, learned: &[bool], test: &Table, truth: &[bool]) -> Result<Strength, Error> {
    let encoder = Encoder::fit(train, Some(learned), Recipe::default())?;
    let tree = DecisionTree {
        max_depth: 8,
        min_samples_leaf: 10,
        class_weights: ClassWeights::Balanced,
        ..DecisionTree::default()
    };
    let model = Method::DecisionTree(tree).fit(&encoder.encode(train)?, Some(&Classes::binary(learned)), 1)?;
    let scores = model.scores(&encoder.encode(test)?)?;
    let confusion = Confusion::of(scores.iter().map(|score| *score >= 0.5), truth);
    let quiet = 1.0 - confusion.false_positive_rate().unwrap_or(0.5);
    Ok(Strength {
        roc_auc: Curve::of(scores.iter().copied(), truth).roc_auc().unwrap_or(0.5),
        balanced_accuracy: (confusion.recall().unwrap_or(0.5) + quiet) / 2.0,
    })
}

const MAX_ROWS: usize = 50_000;
/// As many columns are named in one sentence.
const SHOWN: usize = 8;
