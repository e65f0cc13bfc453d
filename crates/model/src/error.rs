//! Why learning, judging or loading cannot go on.

use flow::printable;

/// Why learning, judging or loading cannot go on.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to learn from.
    #[error("there are no {0} to learn from")]
    Empty(&'static str),
    /// A method that learns from labels got a table without any.
    #[error("{0} learns from labels, and the table has none: name the label column")]
    Unlabelled(&'static str),
    /// Every row that should be learned from has the same label.
    #[error("every row is {0}: a classifier needs rows of both sides, and precision on such a table means nothing")]
    OneClass(&'static str),
    /// More classes than the method tells apart.
    #[error("{method} tells at most {most} classes apart, and the rows are of {found}: group them")]
    Classes {
        /// The method's name.
        method: &'static str,
        /// How many it takes.
        most: usize,
        /// How many there are.
        found: usize,
    },
    /// Rows of other classes than a model learned to tell apart.
    #[error("the model tells apart {expected}, and the rows are of other classes")]
    OtherClasses {
        /// The names of its classes.
        expected: String,
    },
    /// More rows for a model whose method fits a table as a whole; the names of those that can.
    #[error("the model cannot go on learning: its method fits all rows as a whole, so train it again; {} can", .0.join(", "))]
    Whole(Vec<&'static str>),
    /// Labels or rows of another number than the table has.
    #[error("{found} {what} where the table has {expected} rows")]
    Length {
        /// What was counted.
        what: &'static str,
        /// How many the table has.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// A setting out of its range.
    #[error("setting `{setting}` is {value}, and must be {range}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// Its value, as text.
        value: String,
        /// What it may be.
        range: String,
    },
    /// A table whose columns are not those that the detector was trained on.
    #[error("the table's columns are not those that the detector was trained on: {0}")]
    Columns(Mismatch),
    /// An ensemble was to be fitted on a matrix.
    #[error("{0} is made of methods that each encode their own columns: it learns from a data set, not from a matrix")]
    Ensemble(&'static str),
    /// More columns than an estimator takes once encoded.
    #[error("{found} encoded columns, at most {most} can be learned from: drop columns with many different names")]
    Width {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A matrix of another width than the model was fitted on.
    #[error("rows of {found} values, and the model was fitted on rows of {expected}")]
    Shape {
        /// The model's width.
        expected: usize,
        /// The matrix's width.
        found: usize,
    },
    /// A value in a matrix is NaN or infinite.
    #[error("row {row}, value {column} of the matrix is not a finite number")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The position in the row, from 0.
        column: usize,
    },
    /// Bytes that are not a saved detector, or no longer.
    #[error("not a usable detector file: {0}")]
    Damaged(String),
    /// A saved detector of another format version.
    #[error("the detector file has format {found}, and this program reads format {expected}: train it again")]
    Format {
        /// The version that this program reads.
        expected: u16,
        /// The version in the file.
        found: u16,
    },
    /// An explanation that compares rows with others, and none were given.
    #[error("{0} compares a row with others: give a background table, such as rows that are normal here")]
    Background(&'static str),
    /// A kind of explanation that the model's method does not allow.
    #[error("{method} cannot be explained by {asked}: {instead}")]
    Unexplained {
        /// The method's name.
        method: &'static str,
        /// What was asked for.
        asked: &'static str,
        /// What can be done.
        instead: &'static str,
    },
}

/// How the columns of a table differ from those of a detector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Columns that the detector needs and the table has not.
    pub missing: Vec<String>,
    /// Columns that the table has and the detector was not trained on.
    pub extra: Vec<String>,
    /// Columns of numbers that should be names, or of names that should be numbers: name, and what it should be.
    pub mistyped: Vec<(String, &'static str)>,
}

impl Mismatch {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.mistyped.is_empty()
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("missing {}", list(&self.missing)));
        }
        if !self.extra.is_empty() {
            parts.push(format!("not known {}", list(&self.extra)));
        }
        for (name, kind) in &self.mistyped {
            parts.push(format!("`{}` must hold {kind}", printable(name)));
        }
        f.write_str(&parts.join("; "))
    }
}

/// The first names, quoted, and how many more there are.
fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", printable(name))).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

const SHOWN: usize = 12;
