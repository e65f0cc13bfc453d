//! Which rows are learned from and which are tested on.

use std::collections::{BTreeMap, HashMap, HashSet};

use flow::{Label, Time};
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

/// A random split: `share` of the rows is the test, whatever they are.
///
/// As easy a test as [`stratified`], and a rare kind may be missing on one side.
pub fn random(rows: usize, share: f64, seed: u64) -> Result<Split, Error> {
    check(share)?;
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
    let train = order.split_off((rows as f64 * share).round() as usize);
    Ok(Split::new(train, order))
}

/// A random split that keeps the share of every kind of row: `share` of each goes to the test, rounded.
///
/// The easiest of all tests: neighbours in time and copies fall on both sides. Rows that are not labelled are one kind.
pub fn stratified(dataset: &Dataset, share: f64, seed: u64) -> Result<Split, Error> {
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

/// Whole groups are the test, drawn at random until it has about `share` of the rows: no host, session or day is on both
/// sides. `groups` tells the group of each row.
pub fn by_group(groups: &[u32], share: f64, seed: u64) -> Result<Split, Error> {
    check(share)?;
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    groups.iter().for_each(|&group| *sizes.entry(group).or_default() += 1);
    if sizes.len() < 2 {
        let range = "at least 2, so that some can be tested on".into();
        return Err(Error::Setting { setting: "number of groups", value: sizes.len().to_string(), range });
    }
    let mut order: Vec<(u32, usize)> = sizes.into_iter().collect();
    order.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
    let wanted = groups.len() as f64 * share;
    let (mut taken, mut tested) = (0, HashSet::new());
    for (group, size) in order.iter().copied() {
        // A group is taken where that comes nearer to the share; one is taken, and one is left, in any case.
        let nearer = (taken as f64 - wanted).abs() > ((taken + size) as f64 - wanted).abs();
        if tested.len() + 1 < order.len() && nearer {
            taken += size;
            tested.insert(group);
        }
    }
    if tested.is_empty() {
        tested.extend(order.iter().min_by_key(|(_, size)| *size).map(|(group, _)| *group));
    }
    let (test, train) = (0..groups.len()).partition(|&row| tested.contains(&groups[row]));
    Ok(Split { train, test })
}

/// A split for every kind of attack that tells how a detector fares that never saw it: all its rows are tested on, none
/// is learned from. `share` of the benign rows is tested on too, the same in every split, because recall says nothing
/// without a false-positive rate.
pub fn leave_one_kind_out(dataset: &Dataset, share: f64, seed: u64) -> Result<Vec<(String, Split)>, Error> {
    let kinds = dataset.kinds().ok_or(Error::Unlabelled("leaving one kind out"))?;
    let part = stratified(dataset, share, seed)?;
    let mut used = vec![false; kinds.vocabulary.len()];
    kinds.codes.iter().for_each(|&code| used[code as usize] = true);
    let attacks = (0..).zip(&kinds.vocabulary).zip(used);
    let attacks = attacks.filter(|((_, name), used)| *used && Label::new(name).is_attack());
    let tested: HashSet<usize> = part.test.iter().copied().collect();
    let is_benign = |row: usize| dataset.attacks().is_some_and(|attacks| !attacks[row]);
    let split = |((code, name), _): ((u32, &String), bool)| {
        let own = |row: usize| kinds.codes[row] == code;
        let train = part.train.iter().copied().filter(|&row| !own(row)).collect();
        let test = (0..dataset.rows()).filter(|&row| own(row) || (tested.contains(&row) && is_benign(row))).collect();
        (name.clone(), Split { train, test })
    };
    Ok(attacks.map(split).collect())
}

/// `count` splits, every group in the test of exactly one, the folds about equally large. `groups` tells the group of
/// each row.
pub fn group_folds(groups: &[u32], count: usize, seed: u64) -> Result<Vec<Split>, Error> {
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    groups.iter().for_each(|&group| *sizes.entry(group).or_default() += 1);
    if count < 2 || count > sizes.len() {
        let range = format!("within 2 to {} groups", sizes.len());
        return Err(Error::Setting { setting: "folds", value: count.to_string(), range });
    }
    let mut order: Vec<(u32, usize)> = sizes.into_iter().collect();
    order.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
    // The largest first, each into the fold that has least.
    order.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let mut rows = vec![0; count];
    let mut fold_of: HashMap<u32, usize> = HashMap::new();
    for (group, size) in order {
        let fold = (0..count).min_by_key(|&fold| rows[fold]).unwrap_or(0);
        rows[fold] += size;
        fold_of.insert(group, fold);
    }
    let split = |fold| {
        let (test, train) = (0..groups.len()).partition(|&row| fold_of[&groups[row]] == fold);
        Split { train, test }
    };
    Ok((0..count).map(split).collect())
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
        let split = stratified(&dataset, 0.2, 1).unwrap();
        let attacks = split.test.iter().filter(|row| *row % 10 == 0).count();
        assert_eq!((split.test.len(), attacks), (200, 20));
        let mut all = [split.train, split.test].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[test]
    fn the_same_seed_gives_the_same_split() {
        let dataset = dataset(100);
        assert_eq!(stratified(&dataset, 0.2, 7), stratified(&dataset, 0.2, 7));
        assert_ne!(stratified(&dataset, 0.2, 7), stratified(&dataset, 0.2, 8));
        assert_ne!(random(100, 0.2, 7), random(100, 0.2, 8));
        assert_eq!(random(100, 0.2, 7).unwrap().test.len(), 20);
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
    fn no_group_is_on_both_sides() {
        let groups: Vec<u32> = (0..1000).map(|row| row * row % 37).collect();
        for seed in 0..5 {
            let split = by_group(&groups, 0.2, seed).unwrap();
            let tested: HashSet<u32> = split.test.iter().map(|&row| groups[row]).collect();
            assert!(split.train.iter().all(|&row| !tested.contains(&groups[row])));
            assert!((100..300).contains(&split.test.len()), "{}", split.test.len());
        }
        assert!(by_group(&[3; 10], 0.2, 1).is_err());
        assert_eq!(by_group(&[1, 1, 1, 2, 2], 0.01, 1).unwrap().test, [3, 4]);
    }

    #[test]
    fn every_group_is_tested_by_exactly_one_fold() {
        let groups: Vec<u32> = (0..1000).map(|row| row * row % 37).collect();
        let folds = group_folds(&groups, 4, 1).unwrap();
        let tested = folds.iter().map(|split| split.test.iter().map(|&row| groups[row]).collect::<HashSet<u32>>());
        assert_eq!(tested.map(|groups| groups.len()).sum::<usize>(), groups.iter().collect::<HashSet<_>>().len());
        assert!(folds.iter().all(|split| (200..300).contains(&split.test.len())));
        assert!(group_folds(&[1, 1], 2, 1).is_err());
    }

    #[test]
    fn a_kind_that_is_left_out_is_only_tested_on() {
        let labels = (0..200).map(|row| Label::new(["normal", "scan", "flood", "normal"][row % 4]));
        let table = Table::new(vec![Column::numbers("bytes", vec![0.0; 200])]).unwrap();
        let dataset = Dataset::labelled(table, &labels.collect::<Vec<_>>()).unwrap();
        let splits = leave_one_kind_out(&dataset, 0.2, 1).unwrap();
        assert_eq!(splits.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["scan", "flood"]);
        let scan = &splits[0].1;
        assert!(scan.train.iter().all(|row| row % 4 != 1));
        assert_eq!(scan.test.iter().filter(|row| *row % 4 == 1).count(), 50);
        assert_eq!(scan.test.iter().filter(|row| *row % 2 == 0 && *row % 4 == 2).count(), 0);
        assert_eq!((scan.test.len(), scan.train.len()), (70, 120));
    }

    #[test]
    fn one_file_cannot_be_split_by_file() {
        assert!(by_file(&[0, 0]).is_err());
        assert_eq!(by_file(&[0, 1, 1]).unwrap(), Split { train: vec![0], test: vec![1, 2] });
    }
}
