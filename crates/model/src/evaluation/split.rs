//! Which rows are learned from and which are tested on.

use flow::Time;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use crate::{Dataset, Error};

/// Rows to learn from and rows to test on, no row in both, each in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The rows to learn from.
    pub train: Vec<usize>,
    /// The rows to test on.
    pub test: Vec<usize>,
}

impl Split {
    fn new(mut train: Vec<usize>, mut test: Vec<usize>) -> Split {
        train.sort_unstable();
        test.sort_unstable();
        Split { train, test }
    }
}

/// A random split that keeps the share of every kind of row: `share` of each goes to the test, rounded.
///
/// The easiest of all tests: neighbours in time and copies fall on both sides. Rows that are not labelled are one kind.
pub fn random(dataset: &Dataset, share: f64, seed: u64) -> Result<Split, Error> {
    check(share)?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    // The remainders of rounding are carried from kind to kind, so that the whole has the share asked for.
    let mut owed = 0.0;
    for rows in shuffled(dataset, seed) {
        owed += rows.len() as f64 * share;
        let taken = (owed.round().max(0.0) as usize).min(rows.len());
        owed -= taken as f64;
        test.extend(&rows[..taken]);
        train.extend(&rows[taken..]);
    }
    Ok(Split::new(train, test))
}

/// The latest `share` of the rows is the test: what a detector meets in operation. Rows of one time stay together with
/// the earlier ones.
pub fn by_time(times: &[Time], share: f64) -> Result<Split, Error> {
    check(share)?;
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&row| times[row]);
    let mut cut = times.len() - (times.len() as f64 * share).round() as usize;
    while cut > 0 && cut < order.len() && times[order[cut]] == times[order[cut - 1]] {
        cut += 1;
    }
    let test = order.split_off(cut);
    Ok(Split::new(order, test))
}

/// The last `share` of the rows, in the order of the table, is the test: a split by time of a table written in order of
/// time.
pub fn by_order(rows: usize, share: f64) -> Result<Split, Error> {
    check(share)?;
    let cut = rows - (rows as f64 * share).round() as usize;
    Ok(Split { train: (0..cut).collect(), test: (cut..rows).collect() })
}

/// The rows of the last file are the test. `files` tells the file of each row.
pub fn by_file(files: &[usize]) -> Result<Split, Error> {
    let last = files.iter().copied().max().unwrap_or(0);
    if last == 0 {
        let range = "at least 2, of which the last is the test".into();
        return Err(Error::Setting { setting: "number of files", value: "1".into(), range });
    }
    let (test, train) = (0..files.len()).partition(|&row| files[row] == last);
    Ok(Split { train, test })
}

/// `count` splits, every row in the test of exactly one, every kind of row spread evenly.
pub fn folds(dataset: &Dataset, count: usize, seed: u64) -> Result<Vec<Split>, Error> {
    if count < 2 || count > dataset.rows() {
        let range = format!("within 2 to {} rows", dataset.rows());
        return Err(Error::Setting { setting: "folds", value: count.to_string(), range });
    }
    let dealt = shuffled(dataset, seed).into_iter().flatten().enumerate();
    let mut fold_of = vec![0; dataset.rows()];
    dealt.for_each(|(turn, row)| fold_of[row] = turn % count);
    let split = |fold| {
        let (test, train) = (0..dataset.rows()).partition(|&row| fold_of[row] == fold);
        Split { train, test }
    };
    Ok((0..count).map(split).collect())
}

/// The rows of each kind in random order, attacks and benign rows apart, smallest code first.
fn shuffled(dataset: &Dataset, seed: u64) -> Vec<Vec<usize>> {
    let kinds = dataset.kinds();
    let mut rows = vec![Vec::new(); kinds.map_or(1, |kinds| kinds.vocabulary.len())];
    for row in 0..dataset.rows() {
        rows[kinds.map_or(0, |kinds| kinds.codes[row] as usize)].push(row);
    }
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    rows.iter_mut().for_each(|rows| rows.shuffle(&mut random));
    rows
}

fn check(share: f64) -> Result<(), Error> {
    if share > 0.0 && share < 1.0 {
        return Ok(());
    }
    Err(Error::Setting { setting: "test share", value: share.to_string(), range: "above 0 and below 1".into() })
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};

    use super::*;

    fn dataset(rows: usize) -> Dataset {
        let labels: Vec<Label> =
            (0..rows).map(|row| Label::new(if row % 10 == 0 { "smurf" } else { "normal" })).collect();
        let table = Table::new(vec![Column::numbers("bytes", vec![0.0; rows])]).unwrap();
        Dataset::labelled(table, &labels).unwrap()
    }

    #[test]
    fn a_random_split_keeps_the_share_of_every_kind_and_loses_no_row() {
        let dataset = dataset(1000);
        let split = random(&dataset, 0.2, 1).unwrap();
        let attacks = split.test.iter().filter(|row| *row % 10 == 0).count();
        assert_eq!((split.test.len(), attacks), (200, 20));
        let mut all = [split.train, split.test].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[test]
    fn the_same_seed_gives_the_same_split() {
        let dataset = dataset(100);
        assert_eq!(random(&dataset, 0.2, 7), random(&dataset, 0.2, 7));
        assert_ne!(random(&dataset, 0.2, 7), random(&dataset, 0.2, 8));
    }

    #[test]
    fn every_row_is_tested_by_exactly_one_fold() {
        let folds = folds(&dataset(103), 5, 1).unwrap();
        let mut all: Vec<usize> = folds.iter().flat_map(|split| split.test.clone()).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..103));
        assert!(folds.iter().all(|split| split.test.iter().filter(|row| *row % 10 == 0).count() >= 2));
    }

    #[test]
    fn a_split_by_time_tests_on_what_came_later() {
        let times: Vec<Time> = [5, 1, 4, 2, 3].map(Time::from_nanoseconds).to_vec();
        assert_eq!(by_time(&times, 0.4).unwrap(), Split { train: vec![1, 3, 4], test: vec![0, 2] });
    }

    #[test]
    fn one_file_cannot_be_split_by_file() {
        assert!(by_file(&[0, 0]).is_err());
        assert_eq!(by_file(&[0, 1, 1]).unwrap(), Split { train: vec![0], test: vec![1, 2] });
    }
}
