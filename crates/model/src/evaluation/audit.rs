//! What makes figures look better than they are.

use std::collections::{HashMap, HashSet};

use flow::{Label, Table, Values, printable};
use serde::{Deserialize, Serialize};

use super::split;
use super::suspect::suspects;
use super::{Confusion, Curve};
use crate::estimator::DecisionTree;
use crate::{Classes, Dataset, Encoder, Error, Method, Recipe};

/// Something that a reader of the figures must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The check that found it, such as `duplicates`.
    pub check: String,
    /// The columns concerned; empty where it concerns rows.
    pub columns: Vec<String>,
    /// One plain sentence with the numbers.
    pub sentence: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Figures are better than the truth, or may be.
    Warning,
    /// Figures mean nothing until this is dealt with.
    Error,
}

impl Finding {
    fn rows(severity: Severity, check: &str, sentence: String) -> Finding {
        Finding { severity, check: check.into(), columns: Vec::new(), sentence }
    }

    fn column(severity: Severity, check: &str, column: &str, sentence: String) -> Finding {
        Finding { severity, check: check.into(), columns: vec![column.into()], sentence }
    }
}

/// Audits a table before anything is learned from it; the worst findings first.
pub fn table(dataset: &Dataset) -> Result<Vec<Finding>, Error> {
    let mut findings = classes(dataset);
    findings.extend(repeats(dataset));
    findings.extend(constants(dataset.table()));
    for (column, role) in suspects(dataset) {
        let severity = if role.leaks_the_answer() { Severity::Error } else { Severity::Warning };
        let sentence = format!("column `{}` {}", printable(&column), role.sentence());
        findings.push(Finding::column(severity, "suspect-column", &column, sentence));
    }
    findings.extend(giveaways(&strengths(dataset)?));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings)
}

/// Test rows that also stand, column for column, in the training part: they reward memory.
pub fn across(train: &Dataset, test: &Dataset) -> Option<Finding> {
    let known: HashSet<u64> = train.fingerprints().into_iter().collect();
    let repeated = test.fingerprints().iter().filter(|fingerprint| known.contains(fingerprint)).count();
    let share = repeated as f64 / test.rows().max(1) as f64;
    let severity = if share >= 0.01 { Severity::Warning } else { Severity::Note };
    let sentence = format!(
        "{repeated} of {} test rows ({:.2} %) are equal to a training row in every column: they test memory, not skill",
        test.rows(),
        100.0 * share
    );
    (repeated > 0).then(|| Finding::rows(severity, "duplicates-across-split", sentence))
}

fn classes(dataset: &Dataset) -> Vec<Finding> {
    let (Some(attacks), Some(kinds)) = (dataset.attacks(), dataset.kinds()) else {
        let sentence = "the table has no labels: nothing can be said about how often alarms are right".into();
        return vec![Finding::rows(Severity::Note, "unlabelled", sentence)];
    };
    let count = attacks.iter().filter(|attack| **attack).count();
    if count == 0 || count == attacks.len() {
        let side = if count == 0 { "benign" } else { "an attack" };
        let sentence = format!(
            "every one of the {} rows is {side}: precision and accuracy mean nothing here, since always giving the \
             same answer has both at 100 %",
            attacks.len()
        );
        return vec![Finding::rows(Severity::Error, "one-class", sentence)];
    }
    let mut rows = vec![0usize; kinds.vocabulary.len()];
    kinds.codes.iter().for_each(|&code| rows[code as usize] += 1);
    let rare: Vec<String> = kinds
        .vocabulary
        .iter()
        .zip(&rows)
        .filter(|(name, rows)| (1..HANDFUL).contains(*rows) && Label::new(name).is_attack())
        .map(|(name, rows)| format!("{name} ({rows})"))
        .collect();
    if rare.is_empty() {
        return Vec::new();
    }
    let sentence = format!("attack kinds of fewer than {HANDFUL} rows, whose figures are luck: {}", rare.join(", "));
    vec![Finding::rows(Severity::Note, "rare-kinds", sentence)]
}

/// Rows that repeat another one, and rows that contradict another one.
fn repeats(dataset: &Dataset) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (rows, fingerprints) = (dataset.rows(), dataset.fingerprints());
    let distinct = dataset.distinct_rows().len();
    if distinct < rows {
        let share = (rows - distinct) as f64 / rows as f64;
        let severity = if share >= 0.01 { Severity::Warning } else { Severity::Note };
        let sentence = format!(
            "{} of {rows} rows ({:.2} %) repeat another row exactly, benign or attack included; {distinct} are distinct",
            rows - distinct,
            100.0 * share
        );
        findings.push(Finding::rows(severity, "duplicates", sentence));
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
                "{sets} sets of rows are equal in every column, and some are called benign, others an attack: no \
                 model can get more than {} of {rows} rows right",
                rows - unwinnable
            );
            let severity = if unwinnable * 100 >= rows { Severity::Warning } else { Severity::Note };
            findings.push(Finding::rows(severity, "contradictions", sentence));
        }
    }
    findings
}

fn constants(table: &Table) -> Option<Finding> {
    let constant = |values: &Values| match values {
        Values::Numbers(numbers) => numbers.windows(2).all(|two| two[0] == two[1] || two.iter().all(|n| n.is_nan())),
        Values::Categories(category) => category.codes.windows(2).all(|two| two[0] == two[1]),
    };
    let columns = table.columns().iter().filter(|column| constant(&column.values));
    let columns: Vec<String> = columns.map(|column| column.name.clone()).collect();
    let names: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    let sentence = format!("the same value in every row, so of no use: {}", names.join(", "));
    let finding = Finding { severity: Severity::Note, check: "constant-columns".into(), columns, sentence };
    (!finding.columns.is_empty()).then_some(finding)
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
fn giveaways(strengths: &[(String, Strength)]) -> Vec<Finding> {
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
        Finding::column(Severity::Error, "giveaway", column, sentence)
    };
    let mut findings: Vec<Finding> = whole.into_iter().map(giveaway).collect();
    let near: Vec<_> = rest.into_iter().filter(|(_, strength)| strength.roc_auc >= 0.95).collect();
    if !near.is_empty() {
        let words: Vec<String> = near
            .iter()
            .take(SHOWN)
            .map(|(column, strength)| format!("`{}` {:.4}", printable(column), strength.roc_auc))
            .collect();
        let more = if near.len() > SHOWN { format!(" and {} more", near.len() - SHOWN) } else { String::new() };
        let sentence = format!(
            "nearly give the answer away, each alone (ROC-AUC on held-out rows): {}{more}; figures without them are \
             worth seeing",
            words.join(", ")
        );
        let columns = near.iter().map(|(column, _)| column.clone()).collect();
        findings.push(Finding { severity: Severity::Warning, check: "near-giveaway".into(), columns, sentence });
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
    let tree = DecisionTree { max_depth: 8, min_leaf: 10, class_weights: crate::estimator::ClassWeights::Balanced };
    let model = Method::DecisionTree(tree).fit(&encoder.encode(train)?, Some(&Classes::binary(learned)), 1)?;
    let scores = model.scores(&encoder.encode(test)?)?;
    let confusion = Confusion::of(scores.iter().map(|score| *score >= 0.5), truth);
    let quiet = 1.0 - confusion.false_positive_rate().unwrap_or(0.5);
    Ok(Strength {
        roc_auc: Curve::of(scores.iter().copied(), truth).roc_auc().unwrap_or(0.5),
        balanced_accuracy: (confusion.recall().unwrap_or(0.5) + quiet) / 2.0,
    })
}

/// Kinds of fewer rows than this are too few to measure.
const HANDFUL: usize = 20;
const MAX_ROWS: usize = 50_000;
/// As many columns are named in one sentence.
const SHOWN: usize = 8;

#[cfg(test)]
mod tests {
    use flow::{Category, Column};

    use super::*;

    fn dataset(columns: Vec<Column>, attack: impl Fn(usize) -> bool) -> Dataset {
        let table = Table::new(columns).unwrap();
        let labels: Vec<Label> =
            (0..table.rows()).map(|row| Label::new(if attack(row) { "smurf" } else { "normal" })).collect();
        Dataset::labelled(table, &labels).unwrap()
    }

    fn checks(findings: &[Finding]) -> Vec<(Severity, &str)> {
        findings.iter().map(|finding| (finding.severity, finding.check.as_str())).collect()
    }

    fn noise(rows: usize, prime: usize) -> Vec<f32> {
        (0..rows).map(|row| ((row * prime) % 1009) as f32).collect()
    }

    #[test]
    fn a_table_of_one_class_is_an_error() {
        let findings = table(&dataset(vec![Column::numbers("bytes", noise(200, 7))], |_| true)).unwrap();
        assert!(checks(&findings).contains(&(Severity::Error, "one-class")), "{findings:?}");
    }

    #[test]
    fn a_column_that_is_the_answer_is_an_error_and_noise_is_not() {
        let answer = (0..1000).map(|row| if row % 3 == 0 { 7.0 } else { 3.0 }).collect();
        let columns = vec![Column::numbers("bytes", noise(1000, 7)), Column::numbers("verdict", answer)];
        let findings = table(&dataset(columns, |row| row % 3 == 0)).unwrap();
        let giveaways: Vec<&Finding> = findings.iter().filter(|finding| finding.check == "giveaway").collect();
        assert_eq!(giveaways.len(), 1, "{findings:?}");
        assert_eq!((giveaways[0].severity, giveaways[0].columns[0].as_str()), (Severity::Error, "verdict"));
    }

    #[test]
    fn repeated_contradicting_and_constant_values_are_counted() {
        let columns = vec![Column::numbers("bytes", vec![1.0, 1.0, 1.0, 2.0]), Column::numbers("urgent", vec![0.0; 4])];
        let findings = table(&dataset(columns, |row| row == 2)).unwrap();
        let sentence = |check| &findings.iter().find(|finding| finding.check == check).unwrap().sentence;
        assert!(sentence("duplicates").starts_with("1 of 4 rows"), "{findings:?}");
        assert!(sentence("contradictions").contains("more than 3 of 4"), "{findings:?}");
        assert!(sentence("constant-columns").contains("`urgent`"), "{findings:?}");
    }

    #[test]
    fn rows_of_the_test_that_training_knows_are_counted() {
        let rows = dataset(vec![Column::numbers("bytes", vec![1.0, 2.0, 3.0, 1.0])], |_| false);
        let finding = across(&rows.select(&[0, 1]), &rows.select(&[2, 3])).unwrap();
        assert!(finding.sentence.starts_with("1 of 2 test rows"), "{}", finding.sentence);
        assert_eq!(across(&rows.select(&[0, 1]), &rows.select(&[2])), None);
    }

    #[test]
    fn missing_everywhere_is_constant() {
        let values = Values::Categories(Category { codes: vec![Category::MISSING; 2], vocabulary: vec![] });
        let columns = vec![Column::numbers("a", vec![f32::NAN; 2]), Column { name: "b".into(), values }];
        assert_eq!(constants(&Table::new(columns).unwrap()).unwrap().columns, ["a", "b"]);
    }
}
