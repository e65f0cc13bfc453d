//! How the test is set apart.

use model::Dataset;
use model::evaluation::{Split, split};

use crate::Error;
use crate::tables::Loaded;

/// How the test is set apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitBy {
    /// At random, whatever the rows are.
    Random,
    /// At random, every kind of row in its share: the easiest test.
    #[default]
    Stratified,
    /// The latest rows, by the time column, or by their order where there is none.
    Time,
    /// Whole groups, by the group column: hosts, sessions or days that were never seen.
    Group,
    /// The last file.
    File,
    /// One kind of attack after the other, never learned from.
    KindOut,
}

/// One test: what it is, in words, and its rows.
pub type Test = (String, Split);

/// The tests of `dataset`, which are these `rows` of the table: one, or as many as there are folds or kinds of attack.
pub fn tests(
    loaded: &Loaded,
    rows: &[usize],
    dataset: &Dataset,
    by: SplitBy,
    share: f64,
    folds: Option<usize>,
    seed: u64,
) -> Result<Vec<Test>, Error> {
    let groups = || match &loaded.groups {
        Some(groups) => Ok(rows.iter().map(|&row| groups[row]).collect::<Vec<u32>>()),
        None => Err(Error::Column("a split by group needs to know the groups: name the column with --group".into())),
    };
    if let Some(count) = folds {
        let (words, folds) = match by {
            SplitBy::Group => ("by group", split::group_folds(&groups()?, count, seed)?),
            _ => ("at random", split::folds(dataset, count, seed)?),
        };
        let named = folds.into_iter().enumerate();
        return Ok(named.map(|(turn, fold)| (format!("fold {} of {count}, {words}", turn + 1), fold)).collect());
    }
    let split = match (by, &loaded.times) {
        (SplitBy::Random, _) => split::random(rows.len(), share, seed)?,
        (SplitBy::Stratified, _) => split::stratified(dataset, share, seed)?,
        (SplitBy::Time, Some(times)) => {
            let times: Vec<_> = rows.iter().map(|&row| times[row]).collect();
            split::by_time(&times, share)?
        }
        (SplitBy::Time, None) => split::by_order(rows.len(), share)?,
        (SplitBy::Group, _) => split::by_group(&groups()?, share, seed)?,
        (SplitBy::File, _) => {
            let files: Vec<_> = rows.iter().map(|&row| loaded.files[row]).collect();
            split::by_file(&files)?
        }
        (SplitBy::KindOut, _) => {
            let kinds = split::leave_one_kind_out(dataset, share, seed)?.into_iter();
            return Ok(kinds.map(|(kind, split)| (format!("never saw {}", flow::printable(&kind)), split)).collect());
        }
    };
    Ok(vec![(by.words(loaded).to_owned(), split)])
}

impl SplitBy {
    /// What a test set apart like this is, in words.
    pub fn words(self, loaded: &Loaded) -> &'static str {
        match self {
            SplitBy::Random => "random split, an easy test",
            SplitBy::Stratified => "random split that keeps every kind's share, the easiest test",
            SplitBy::Time if loaded.times.is_some() => "split by time, tested on the latest rows",
            SplitBy::Time => "split by order, tested on the last rows",
            SplitBy::Group => "split by group, tested on groups never seen",
            SplitBy::File => "split by file, tested on the last file",
            SplitBy::KindOut => "one kind of attack after the other never learned from",
        }
    }
}
