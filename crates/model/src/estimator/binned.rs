//! Columns cut into at most 255 bins, once for all trees.

use rayon::prelude::*;

use crate::Matrix;

/// A matrix by columns, each value replaced by the number of its bin; bins ascend with the values.
pub(super) struct Binned {
    /// One a feature.
    pub(super) features: Vec<Feature>,
}

/// One feature of all rows.
pub(super) struct Feature {
    /// The bin of each row.
    pub(super) bins: Vec<u8>,
    /// The smallest and the largest value in each bin.
    ranges: Vec<(f32, f32)>,
}

impl Binned {
    /// Bins every column of a matrix.
    pub(super) fn of(matrix: &Matrix) -> Binned {
        Binned { features: (0..matrix.width()).into_par_iter().map(|column| Feature::of(matrix, column)).collect() }
    }
}

impl Feature {
    fn of(matrix: &Matrix, column: usize) -> Feature {
        let values: Vec<f32> = matrix.values().iter().skip(column).step_by(matrix.width()).copied().collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let ranges = ranges(&sorted);
        let bins = values.iter().map(|&value| ranges.partition_point(|&(_, high)| high < value) as u8).collect();
        Feature { bins, ranges }
    }

    /// The number of bins.
    pub(super) fn count(&self) -> usize {
        self.ranges.len()
    }

    /// The threshold halfway between the values of two bins: at most it, and above it.
    pub(super) fn threshold(&self, below: usize, above: usize) -> f32 {
        let (low, high) = (self.ranges[below].1, self.ranges[above].0);
        let middle = low / 2.0 + high / 2.0;
        if middle >= low && middle < high { middle } else { low }
    }
}

/// The bins of sorted values: one a distinct value where they are few, of about equally many rows otherwise.
fn ranges(sorted: &[f32]) -> Vec<(f32, f32)> {
    let mut runs: Vec<(f32, usize)> = Vec::new();
    for &value in sorted {
        match runs.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => runs.push((value, 1)),
        }
    }
    let mut ranges: Vec<(f32, f32)> = Vec::with_capacity(runs.len().min(MAX_BINS));
    let (mut rows_left, mut filled) = (sorted.len(), usize::MAX);
    for (position, &(value, count)) in runs.iter().enumerate() {
        let bins_left = MAX_BINS - ranges.len();
        let few = runs.len() - position <= bins_left;
        // A bin is full when it has its share of the rows that were left when it began.
        let full = filled >= share(rows_left, filled, bins_left);
        match ranges.last_mut() {
            Some(range) if !few && (!full || bins_left == 0) => {
                range.1 = value;
                filled += count;
            }
            _ => {
                ranges.push((value, value));
                filled = count;
            }
        }
        rows_left -= count;
    }
    ranges
}

/// The rows that the bin being filled should have.
fn share(rows_left: usize, filled: usize, bins_left: usize) -> usize {
    rows_left.saturating_add(filled).div_ceil(bins_left + 1)
}

const MAX_BINS: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(values: Vec<f32>) -> Feature {
        Feature::of(&Matrix::new(1, values).unwrap(), 0)
    }

    #[test]
    fn few_values_have_a_bin_each() {
        let feature = feature(vec![3.0, 1.0, 2.0, 1.0]);
        assert_eq!(feature.bins, [2, 0, 1, 0]);
        assert_eq!(feature.threshold(0, 2), 2.0);
    }

    #[test]
    fn many_values_share_bins_of_about_equal_size_in_ascending_order() {
        let feature = feature((0..10_000).map(|value| value as f32).collect());
        assert!(feature.count() <= 255 && feature.count() > 200, "{}", feature.count());
        assert!(feature.bins.is_sorted());
        let largest = (0..feature.count()).map(|bin| feature.bins.iter().filter(|&&b| usize::from(b) == bin).count());
        assert!(largest.max().unwrap() <= 80);
    }

    #[test]
    fn a_value_of_most_rows_does_not_use_up_the_bins_of_the_others() {
        let feature = feature((0..10_000).map(|row| if row < 9_000 { 0.0 } else { row as f32 }).collect());
        assert!(feature.count() > 200, "{}", feature.count());
    }

    #[test]
    fn a_threshold_separates_neighbouring_floats() {
        let (low, high) = (1.0f32, 1.0f32.next_up());
        let feature = feature(vec![low, high]);
        let threshold = feature.threshold(0, 1);
        assert!(low <= threshold && high > threshold);
    }
}
