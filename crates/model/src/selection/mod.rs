//! Which columns are learned from.
//!
//! A selection is a part of the fit: it sees the rows that are learned from and no others, so that a cross-validation
//! makes it anew in every fold. It chooses among the columns of the table, not among the values that they are encoded as:
//! a column that is left out need not be read to judge. All parts of an ensemble learn from the columns that stay.

mod mutual_information;
mod permutation;
mod recursive;
mod variance;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::estimator::range;
use crate::learn::Lesson;
use crate::space::{Dimension, Range, space};
use crate::{Dataset, Error, Method, Plan, Schema};

/// A way to choose the columns that are learned from.
///
/// ```
/// use flow::{Column, Label, Table};
/// use model::{Dataset, Keep, Plan, Selection, select};
/// let attack = |row: usize| row % 4 == 0;
/// let bytes = (0..400).map(|row| f32::from(u8::from(attack(row)))).collect();
/// let noise = (0..400).map(|row| (row * 37 % 101) as f32).collect();
/// let table = Table::new(vec![Column::numbers("bytes", bytes), Column::numbers("noise", noise)]).unwrap();
/// let labels: Vec<Label> = (0..400).map(|row| Label::new(if attack(row) { "scan" } else { "normal" })).collect();
/// let dataset = Dataset::labelled(table, &labels).unwrap();
/// let plan = Plan { selections: vec![Selection::MutualInformation(Keep::Count(1))], ..Plan::default() };
/// let (kept, selected) = select(&dataset, &plan).unwrap();
/// assert_eq!(kept.table().columns()[0].name, "bytes");
/// assert!(selected[0].columns[0].score > 0.8, "bits of the 0.81 that are to be known");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Leaves out columns whose variance, once encoded as the plan says, is at most this; 0 leaves out those that never
    /// change. Scaling makes one of the variance of every column that changes. Looks at no label.
    Variance(f64),
    /// By what a column alone tells about the class, in bits.
    MutualInformation(Keep),
    /// By how much worse a method judges held-back rows when the column is shuffled (Breiman 2001 s.10). Of two columns
    /// that say the same it finds neither important.
    Permutation {
        /// Which columns stay.
        keep: Keep,
        /// Whose judgement counts, such as that of a small forest. Default the method that is learned with.
        method: Option<Method>,
    },
    /// Leaves out the columns that a method needs least, a tenth of them at a time, until so many are left (Guyon et al.
    /// 2002).
    Recursive {
        /// Which columns stay.
        keep: Keep,
        /// Who needs them. Default the method that is learned with.
        method: Option<Method>,
    },
}

/// How many columns stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// As many as are of use: those that tell more than chance, and for [`Selection::Recursive`] the fewest that judge
    /// rows of an inner cross-validation no worse than the best number does, within its standard error.
    #[default]
    Useful,
    /// So many.
    Count(u32),
    /// This share of them, rounded up.
    Share(f64),
}

/// What a selection made of the columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// How they were chosen.
    pub selection: Selection,
    /// Every column that there was, the best first.
    pub columns: Vec<Scored>,
}

/// One column that was kept or left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Its name.
    pub name: String,
    /// What the selection says of it, see [`Selection::measure`].
    pub score: f64,
    /// Whether it stays.
    pub kept: bool,
}

/// The rows with the columns that the plan's selections leave, one selection after the other, and what each of them says.
pub fn select<'a>(dataset: &'a Dataset, plan: &Plan) -> Result<(Cow<'a, Dataset>, Vec<Selected>), Error> {
    let mut left = Cow::Borrowed(dataset);
    let mut all = Vec::with_capacity(plan.selections.len());
    for selection in &plan.selections {
        selection.check()?;
        let (scores, kept) = selection.judge(&left, plan)?;
        let positions: Vec<usize> = (0..kept.len()).filter(|&column| kept[column]).collect();
        if positions.is_empty() {
            return Err(Error::Empty("columns that the selection keeps"));
        }
        let named = left.table().columns().iter().zip(scores).zip(kept);
        let mut columns: Vec<Scored> = named
            .map(|((column, score), kept)| Scored { name: column.name.clone(), score: rounded(score), kept })
            .collect();
        // A stable sort: of equally good ones the earlier stays first.
        let ascends = matches!(selection, Selection::Recursive { .. });
        columns.sort_by(|one, other| {
            let order = other.score.total_cmp(&one.score);
            if ascends { order.reverse() } else { order }
        });
        all.push(Selected { selection: selection.clone(), columns });
        left = Cow::Owned(left.of_columns(&positions));
    }
    Ok((left, all))
}

/// The number in nine digits, which every reader of JSON reads as the same number.
fn rounded(score: f64) -> f64 {
    format!("{score:.8e}").parse().unwrap_or(score)
}

impl Selection {
    /// The name that configuration and command line use.
    pub fn name(&self) -> &'static str {
        match self {
            Selection::Variance(_) => "variance",
            Selection::MutualInformation(_) => "mutual-information",
            Selection::Permutation { .. } => "permutation",
            Selection::Recursive { .. } => "recursive",
        }
    }

    /// What the score of a column is, in words.
    pub fn measure(&self) -> &'static str {
        match self {
            Selection::Variance(_) => "variance once encoded",
            Selection::MutualInformation(_) => "bits told about the class",
            Selection::Permutation { .. } => "rise of the error when shuffled",
            Selection::Recursive { .. } => "rank, the last to be left out first",
        }
    }

    /// What a search tries: all columns, or the share of them that a selection keeps.
    pub(crate) fn space() -> Vec<Dimension> {
        space([
            ("by", Range::words(&["none", "mutual-information", "permutation"])),
            ("share", Range::Magnitude(0.1, 1.0)),
        ])
    }

    /// The selection that settings of that space mean; `None` where all columns stay.
    pub(crate) fn searched(settings: Value) -> Result<Option<Selection>, serde_json::Error> {
        let Searched { by, share } = serde_json::from_value(settings)?;
        let keep = Keep::Share(share);
        Ok(match by {
            By::None => None,
            By::MutualInformation => Some(Selection::MutualInformation(keep)),
            By::Permutation => Some(Selection::Permutation { keep, method: None }),
        })
    }

    /// Refuses settings out of their range.
    pub fn check(&self) -> Result<(), Error> {
        let (keep, method) = match self {
            Selection::Variance(least) => return range("variance", *least, 0.0, f64::MAX),
            Selection::MutualInformation(keep) => (keep, &None),
            Selection::Permutation { keep, method } | Selection::Recursive { keep, method } => (keep, method),
        };
        match *keep {
            Keep::Useful => {}
            Keep::Count(count) => range("number of columns", count, 1, u32::MAX)?,
            Keep::Share(share) => range("share of columns", share, f64::MIN_POSITIVE, 1.0)?,
        }
        method.as_ref().map_or(Ok(()), Method::check)
    }

    /// The score of each column, and whether it stays.
    fn judge(&self, dataset: &Dataset, plan: &Plan) -> Result<(Vec<f64>, Vec<bool>), Error> {
        let schema = &Schema::of(dataset.table());
        let lesson = |recipe| Lesson { dataset, schema, grouping: plan.grouping, recipe, seed: plan.seed };
        // A method of the selection's own has its own recipe.
        let student = |method: &Option<Method>| match method {
            Some(method) => (method.clone(), lesson(None)),
            None => (plan.method.clone(), lesson(plan.recipe)),
        };
        match self {
            Selection::Variance(least) => {
                let scores = variance::of_columns(dataset, plan.recipe.unwrap_or(plan.method.recipe()))?;
                let kept = scores.iter().map(|score| score > least).collect();
                Ok((scores, kept))
            }
            Selection::MutualInformation(keep) => {
                let told = mutual_information::of_columns(dataset, plan.grouping)?;
                let useful: Vec<bool> = told.iter().map(|told| told.beyond_chance).collect();
                let scores: Vec<f64> = told.into_iter().map(|told| told.bits).collect();
                let kept = keep.among(&scores, &useful);
                Ok((scores, kept))
            }
            Selection::Permutation { keep, method } => {
                let (method, lesson) = student(method);
                let rises = permutation::of_columns(&method, &lesson)?;
                let useful: Vec<bool> = rises.iter().map(permutation::Rise::is_beyond_chance).collect();
                let scores: Vec<f64> = rises.into_iter().map(|rise| rise.mean).collect();
                let kept = keep.among(&scores, &useful);
                Ok((scores, kept))
            }
            Selection::Recursive { keep, method } => {
                let (method, lesson) = student(method);
                let columns = dataset.table().columns().len();
                let count = match keep.count(columns) {
                    Some(count) => count,
                    None => recursive::best_count(&method, &lesson)?,
                };
                let ranks = recursive::ranks(&method, &lesson, count)?;
                let kept = ranks.iter().map(|&rank| rank <= count).collect();
                Ok((ranks.into_iter().map(|rank| rank as f64).collect(), kept))
            }
        }
    }
}

/// A selection as a search has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Searched {
    by: By,
    share: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    None,
    MutualInformation,
    Permutation,
}

impl std::fmt::Display for Selection {
    /// As the command line has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        let (keep, method) = match self {
            Selection::Variance(least) => return write!(f, "={least}"),
            Selection::MutualInformation(keep) => (keep, &None),
            Selection::Permutation { keep, method } | Selection::Recursive { keep, method } => (keep, method),
        };
        match keep {
            Keep::Useful => {}
            Keep::Count(count) => write!(f, "={count}")?,
            Keep::Share(share) => write!(f, "={}%", 100.0 * share)?,
        }
        method.as_ref().map_or(Ok(()), |method| write!(f, ":{}", method.name()))
    }
}

impl Keep {
    /// How many of so many columns stay; `None` where that is to be found out.
    fn count(self, columns: usize) -> Option<usize> {
        match self {
            Keep::Useful => None,
            Keep::Count(count) => Some((count as usize).min(columns)),
            Keep::Share(share) => Some(((share * columns as f64).ceil() as usize).clamp(1.min(columns), columns)),
        }
    }

    /// Which columns stay: the highest scores, the earlier of equal ones; or the useful ones, and the best where none is.
    fn among(self, scores: &[f64], useful: &[bool]) -> Vec<bool> {
        let count = match self.count(scores.len()) {
            None if useful.contains(&true) => return useful.to_vec(),
            None => 1,
            Some(count) => count,
        };
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]));
        let mut kept = vec![false; scores.len()];
        order.into_iter().take(count).for_each(|column| kept[column] = true);
        kept
    }
}

impl Selected {
    /// The names of the columns that stay, the best first.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|column| column.kept).map(|column| column.name.as_str())
    }

    /// The names of the columns that go, the best first.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|column| !column.kept).map(|column| column.name.as_str())
    }

    /// Refuses what no selection can have made: bytes from outside.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.selection.check()?;
        if self.columns.iter().all(|column| column.score.is_finite()) {
            return Ok(());
        }
        Err(Error::Damaged("a column was chosen by a score that is no number".into()))
    }

    /// What it did, in a sentence without its full stop.
    pub fn words(&self) -> String {
        let (kept, all) = (self.kept().count(), self.columns.len());
        format!("{} keeps {kept} of {all} columns", self.selection)
    }
}

#[cfg(test)]
mod tests;
