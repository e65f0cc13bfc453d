//! What each column alone tells about the class.

use flow::{Category, Column, Values};
use rayon::prelude::*;

use crate::evaluation::statistics::{benjamini_hochberg, chi_square};
use crate::{Classes, Dataset, Error, Grouping};

/// What one column tells.
pub(super) struct Told {
    /// The mutual information of column and class, in bits, less what chance alone would give (Miller 1955).
    pub(super) bits: f64,
    /// Whether column and class go together more than by chance.
    pub(super) beyond_chance: bool,
}

/// What each column tells about the class of a row. Numbers are cut into bins of about equally many rows, a frequent one
/// in a bin of its own; missing values are a bin, and so is every name, the rarest of many put together.
pub(super) fn of_columns(dataset: &Dataset, grouping: Grouping) -> Result<Vec<Told>, Error> {
    let classes = Classes::of(dataset, grouping).ok_or(Error::Unlabelled("selection by mutual information"))?;
    let (mut bits, mut chances): (Vec<f64>, Vec<f64>) = dataset
        .table()
        .columns()
        .par_iter()
        .map(|column| {
            let counts = counts(&bins(column), &classes);
            (information(&counts), chi_square(&counts).map_or(1.0, |test| test.p))
        })
        .unzip();
    chances = benjamini_hochberg(&chances);
    bits.iter_mut().for_each(|bits| *bits = bits.max(0.0));
    Ok(bits.into_iter().zip(chances).map(|(bits, p)| Told { bits, beyond_chance: bits > 0.0 && p < LEVEL }).collect())
}

/// The rows of each bin by their class.
fn counts(bins: &[u32], classes: &Classes) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; classes.count()]; bins.iter().max().map_or(0, |last| *last as usize + 1)];
    bins.iter().zip(classes.codes()).for_each(|(&bin, &class)| counts[bin as usize][class as usize] += 1);
    counts
}

/// The mutual information in bits; below 0 where chance would give more.
fn information(counts: &[Vec<u64>]) -> f64 {
    let sums: Vec<u64> = counts.iter().map(|counts| counts.iter().sum()).collect();
    let classes = counts.first().map_or(0, Vec::len);
    let column = |class: usize| counts.iter().map(|counts| counts[class]).sum::<u64>();
    let columns: Vec<u64> = (0..classes).map(column).collect();
    let all = sums.iter().sum::<u64>() as f64;
    let (mut bits, mut cells) = (0.0, 0);
    for (counts, &sum) in counts.iter().zip(&sums) {
        for (&count, &column) in counts.iter().zip(&columns).filter(|(count, _)| **count > 0) {
            let count = count as f64;
            bits += count / all * (count * all / (sum as f64 * column as f64)).log2();
            cells += 1;
        }
    }
    let used = |sums: &[u64]| sums.iter().filter(|sum| **sum > 0).count() as f64;
    let chance = f64::from(cells) - used(&sums) - used(&columns) + 1.0;
    if all > 0.0 { bits - chance / (2.0 * all * std::f64::consts::LN_2) } else { 0.0 }
}

/// The bin of each row's value.
fn bins(column: &Column) -> Vec<u32> {
    match &column.values {
        Values::Numbers(numbers) => number_bins(numbers),
        Values::Categories(category) => name_bins(category),
    }
}

fn number_bins(numbers: &[f32]) -> Vec<u32> {
    let mut sorted: Vec<f32> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let most = ((2.0 * (sorted.len() as f64).cbrt()) as usize).clamp(2, MOST_BINS);
    // The last value of each bin: a bin ends once it has its share of the rows that are left.
    let (mut ends, mut start, mut end) = (Vec::new(), 0, 0);
    for run in sorted.chunk_by(|one, next| one == next) {
        end += run.len();
        let bins = most.saturating_sub(ends.len()).max(1);
        // A frequent value does not share its bin with the rare ones before it.
        let share = (sorted.len() - start).div_ceil(bins);
        if run.len() >= share && end - run.len() > start {
            ends.push(sorted[end - run.len() - 1]);
            start = end - run.len();
        }
        if end - start >= share {
            ends.extend(run.last());
            start = end;
        }
    }
    let bin = |number: &f32| match number.is_finite() {
        true => ends.partition_point(|end| end < number) as u32 + 1,
        false => 0,
    };
    numbers.iter().map(bin).collect()
}

fn name_bins(category: &Category) -> Vec<u32> {
    let mut rows = vec![0u64; category.vocabulary.len()];
    for &code in &category.codes {
        if let Some(rows) = rows.get_mut(code as usize) {
            *rows += 1;
        }
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&code| std::cmp::Reverse(rows[code]));
    let mut bins = vec![NAMES + 1; rows.len()];
    (1..=NAMES).zip(order).for_each(|(bin, code)| bins[code] = bin);
    category.codes.iter().map(|&code| bins.get(code as usize).copied().unwrap_or(0)).collect()
}

/// Numbers are cut into about as many bins, into fewer where there are few rows (twice the cube root of their number).
const MOST_BINS: usize = 32;
/// As many names have a bin of their own.
const NAMES: u32 = 255;
/// Of columns said to tell something at most this share tells nothing.
const LEVEL: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_the_label_tells_its_entropy_and_one_that_is_not_tells_nothing() {
        // One bit, less what chance gives a table of two by two of which only two cells are used.
        assert!((information(&[vec![500, 0], vec![0, 500]]) - 1.0).abs() < 1e-3);
        assert!(information(&[vec![250, 250], vec![250, 250]]) <= 0.0);
        // H(1/4) = 0.8113 bits.
        assert!((information(&[vec![3000, 0], vec![0, 1000]]) - 0.811_278).abs() < 1e-3);
        assert_eq!(information(&[]), 0.0);
    }

    #[test]
    fn a_frequent_number_is_a_bin_of_its_own_and_rare_ones_share_what_is_left() {
        let numbers: Vec<f32> = (0..1000).map(|row| if row % 10 == 0 { row as f32 - 500.0 } else { 0.0 }).collect();
        let bins = number_bins(&numbers);
        let zero = bins[1];
        assert!(numbers.iter().zip(&bins).all(|(number, bin)| (*number == 0.0) == (*bin == zero)));
        assert!(bins.iter().max().unwrap() - zero >= 8 && bins[0] < zero);
        assert_eq!(number_bins(&[f32::NAN, 1.0, f32::INFINITY]), [0, 1, 0]);
    }
}
