//! What makes figures look better than they are.

mod column;
mod drift;
mod rows;
mod suspect;

use flow::printable;
use serde::{Deserialize, Serialize};

pub use self::column::{Strength, strengths};
pub use self::drift::{Drift, drift, drifted};
pub use self::rows::{across, known_rows};
pub use self::suspect::{Role, suspects};
use crate::{Dataset, Error};

/// Something that a reader of the figures must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The check that found it, such as `duplicates`: the name by which it is overruled.
    pub check: String,
    /// The columns concerned; empty where it concerns rows.
    pub columns: Vec<String>,
    /// The first rows concerned, counted from 1 in the order of the table; empty where it concerns columns, or all rows.
    pub rows: Vec<u64>,
    /// One plain sentence with the numbers.
    pub sentence: String,
}

/// An error of an audit that somebody answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overruled {
    /// The name of the check, or check and column, as in `giveaway:sttl`.
    pub name: String,
    /// Why, in that person's words.
    pub reason: Option<String>,
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
    /// A finding about all rows.
    pub fn of(severity: Severity, check: &str, sentence: String) -> Finding {
        Finding { severity, check: check.into(), columns: Vec::new(), rows: Vec::new(), sentence }
    }

    /// The name by which it is overruled: check and column where it concerns one, otherwise the check.
    pub fn name(&self) -> String {
        match self.columns.as_slice() {
            [column] => format!("{}:{column}", self.check),
            _ => self.check.clone(),
        }
    }

    /// Whether it forbids to run a detector: it is an error, and none of these names overrules it. A name is that of the
    /// check, or check and column, as in `giveaway:sttl`.
    pub fn forbids<'a>(&self, overruled: impl IntoIterator<Item = &'a str>) -> bool {
        self.severity == Severity::Error && !overruled.into_iter().any(|name| self.is_called(name))
    }

    /// Whether that is a name of it.
    pub fn is_called(&self, name: &str) -> bool {
        match name.split_once(':') {
            Some((check, column)) => check == self.check && self.columns.iter().any(|own| own == column),
            None => name == self.check,
        }
    }
}

/// Audits a table before anything is learned from it; the worst findings first.
pub fn table(dataset: &Dataset) -> Result<Vec<Finding>, Error> {
    let mut findings = [rows(dataset), columns(dataset)?].concat();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings)
}

/// What is wrong with the rows: one class only, kinds of a handful of rows, rows that repeat or contradict each other.
pub fn rows(dataset: &Dataset) -> Vec<Finding> {
    [rows::classes(dataset), rows::repeats(dataset)].concat()
}

/// What is wrong with the columns: without a value or always the same one, suspect by name or values, or giving the answer
/// away.
pub fn columns(dataset: &Dataset) -> Result<Vec<Finding>, Error> {
    let mut findings = column::idle(dataset.table());
    for (column, role) in suspects(dataset) {
        let severity = if role.leaks_the_answer() { Severity::Error } else { Severity::Warning };
        let sentence = format!("column `{}` {}", printable(&column), role.sentence());
        findings.push(Finding { columns: vec![column], ..Finding::of(severity, "suspect-column", sentence) });
    }
    findings.extend(column::giveaways(&strengths(dataset)?));
    Ok(findings)
}

/// Kinds of fewer rows than this are too few to measure.
const HANDFUL: usize = 20;
/// As many rows are named in one finding.
const NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use flow::{Category, Column, Label, Table, Values};

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
        let rows = |check| &findings.iter().find(|finding| finding.check == check).unwrap().rows;
        assert_eq!((rows("duplicates").as_slice(), rows("contradictions").as_slice()), (&[2][..], &[1, 2, 3][..]));
    }

    #[test]
    fn rows_of_the_test_that_training_knows_are_counted() {
        let rows = dataset(vec![Column::numbers("bytes", vec![1.0, 2.0, 3.0, 1.0])], |_| false);
        let finding = across(&rows.select(&[0, 1]), &rows.select(&[2, 3])).unwrap();
        assert!(finding.sentence.starts_with("1 of 2 test rows"), "{}", finding.sentence);
        assert_eq!(finding.rows, [2]);
        assert_eq!(across(&rows.select(&[0, 1]), &rows.select(&[2])), None);
    }

    #[test]
    fn an_error_is_overruled_by_its_name_alone_or_with_its_column() {
        let finding =
            Finding { columns: vec!["sttl".into()], ..Finding::of(Severity::Error, "giveaway", String::new()) };
        let allowed = |name: &str| !finding.forbids([name]);
        assert!(allowed("giveaway") && allowed("giveaway:sttl"));
        assert!(!allowed("giveaway:dttl") && !allowed("one-class") && !allowed(""));
        assert!(!Finding::of(Severity::Warning, "duplicates", String::new()).forbids([]));
        assert_eq!(finding.name(), "giveaway:sttl");
    }

    #[test]
    fn missing_everywhere_is_empty() {
        let values = Values::Categories(Category { codes: vec![Category::MISSING; 2], vocabulary: vec![] });
        let columns = vec![Column::numbers("a", vec![f32::NAN; 2]), Column { name: "b".into(), values }];
        let findings = column::idle(&Table::new(columns).unwrap());
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].check.as_str(), findings[0].columns.len()), ("empty-columns", 2));
    }
}
