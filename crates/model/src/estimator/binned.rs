//! Columns cut into at most 256 bins, once for all trees.

use std::ops::Range;

use rand::Rng;
use rayon::prelude::*;

use super::search::Search;
use super::tree::Division;
use crate::{Classes, Matrix};

/// A matrix with each value replaced by the number of its bin, one byte each, row by row.
///
/// Columns do not stand in the order of the matrix: those of which nearly all rows fall into one bin come last, so that
/// sums need to look at them only where a row differs. [`Column::feature`] tells which is which.
pub(super) struct Binned {
    /// One a feature.
    pub(super) columns: Vec<Column>,
    /// How many of them are not nearly constant.
    pub(super) varied: usize,
    /// The bins of each row.
    bins: Vec<u8>,
    /// The same column by column, where the table is not too large to be kept twice: many rows of one column lie close
    /// together there.
    turned: Vec<u8>,
    /// For each row, in which of the first nearly constant columns it differs, a bit each.
    odd: Vec<u64>,
}

/// How one column is cut into bins.
pub(super) struct Column {
    /// Its position in the matrix.
    pub(super) feature: usize,
    /// The bin with the most rows.
    pub(super) usual: u8,
    kind: Kind,
    /// The number of bins, that of missing values included.
    pub(super) count: usize,
    /// The bin of missing values, the last, where training rows had any.
    pub(super) missing: Option<u8>,
}

enum Kind {
    /// Bins ascend with the values: bin b holds those above cut b - 1 and at most cut b.
    Number {
        cuts: Vec<f32>,
        /// The largest value below each cut and the smallest above it.
        gaps: Vec<[f32; 2]>,
    },
    /// Each bin is a code, in this order, and the last one all codes that are rarer.
    Codes { codes: Vec<u32> },
}

impl Binned {
    /// Bins every column of a matrix, by the classes of its rows where they are known.
    pub(super) fn of(matrix: &Matrix, truth: Option<&Classes>) -> Binned {
        let width = matrix.width();
        // Some columns at a time share the cache lines of a row.
        let groups: Vec<usize> = (0..width).step_by(GROUP).collect();
        let group = |&first: &usize| -> Vec<(Column, bool)> {
            (first..(first + GROUP).min(width)).map(|column| Column::of(matrix, truth, column)).collect()
        };
        let columns: Vec<(Column, bool)> = groups.par_iter().flat_map_iter(group).collect();
        let (constant, mut columns): (Vec<_>, Vec<_>) = columns.into_iter().partition(|(_, constant)| *constant);
        let varied = columns.len();
        columns.extend(constant);
        let columns: Vec<Column> = columns.into_iter().map(|(column, _)| column).collect();
        let mut bins = vec![0; matrix.values().len()];
        let mut odd = vec![0u64; if varied < width { matrix.rows() } else { 0 }];
        let blocks = bins.par_chunks_mut(width * BLOCK).zip(matrix.values().par_chunks(width * BLOCK));
        blocks.for_each(|(bins, values)| {
            for (at, column) in columns.iter().enumerate() {
                column.fill(values, bins, at, width);
            }
        });
        let constant = &columns[varied..][..(width - varied).min(64)];
        odd.par_iter_mut().zip(bins.par_chunks(width)).with_min_len(BLOCK).for_each(|(odd, bins)| {
            let differs = constant.iter().zip(&bins[varied..]).map(|(column, bin)| u64::from(column.usual != *bin));
            *odd = differs.enumerate().fold(0, |odd, (bit, differs)| odd | differs << bit);
        });
        let turned = if bins.len() <= MOST_TURNED { turn(&bins, width) } else { Vec::new() };
        Binned { columns, varied, bins, turned, odd }
    }

    /// In which of the columns that are not varied a row differs from most, a bit each; of at most 64 of them.
    #[inline]
    pub(super) fn odd(&self, row: u32) -> u64 {
        self.odd[row as usize]
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.bins.len() / self.columns.len()
    }

    /// The bins of one column, a row each; `None` of a large table.
    #[inline]
    pub(super) fn turned(&self, column: usize) -> Option<&[u8]> {
        let rows = self.turned.len() / self.columns.len();
        (rows > 0).then(|| &self.turned[column * rows..][..rows])
    }

    /// The bins of one row.
    #[inline]
    pub(super) fn row(&self, row: u32) -> &[u8] {
        &self.bins[row as usize * self.columns.len()..][..self.columns.len()]
    }

    /// Fetches a row that will be asked for soon, as rows of a node lie far apart.
    #[inline]
    pub(super) fn expect(&self, row: u32) {
        let first = row as usize * self.columns.len();
        prefetch_index::prefetch_index(&self.bins, first);
        prefetch_index::prefetch_index(&self.bins, first + self.columns.len() - 1);
    }

    /// The same of one column alone.
    #[inline]
    pub(super) fn expect_at(&self, row: u32, column: usize) {
        prefetch_index::prefetch_index(&self.bins, row as usize * self.columns.len() + column);
    }

    /// The number of columns.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }
}

impl Column {
    /// The bins of a column, and whether it is nearly constant.
    fn of(matrix: &Matrix, truth: Option<&Classes>, column: usize) -> (Column, bool) {
        let step = matrix.rows().div_ceil(SAMPLE).max(1);
        let sample = matrix.values().iter().skip(column).step_by(matrix.width() * step).copied();
        let is_attack = |row: usize| truth.is_some_and(|truth| truth.codes()[row] > 0);
        let sample = sample.enumerate().map(|(place, value)| (value, is_attack(place * step)));
        let all = matrix.values().iter().skip(column).step_by(matrix.width());
        let missing = matrix.has_missing() && all.into_iter().any(|value| value.is_nan());
        let runs = runs(sample);
        let most = MAX_BINS - usize::from(missing);
        let kind = if matrix.is_code(column) {
            Kind::Codes { codes: frequent(&runs, most) }
        } else {
            let gaps = gaps(&runs, most);
            Kind::Number { cuts: gaps.iter().map(|&[low, high]| middle(low, high)).collect(), gaps }
        };
        let values = match &kind {
            Kind::Number { cuts, .. } => cuts.len() + 1,
            Kind::Codes { codes } => codes.len() + 1,
        };
        let count = values + usize::from(missing);
        let mut column = Column { feature: column, usual: 0, kind, count, missing: missing.then_some(values as u8) };
        let (usual, share) = column.usual(&runs);
        column.usual = usual;
        // Values that are missing are not among the runs.
        (column, share > NEARLY && !missing)
    }

    /// The bin with the most rows, and its share of them.
    fn usual(&self, runs: &[Run]) -> (u8, f64) {
        let values: Vec<f32> = runs.iter().map(|run| run.value).collect();
        let mut bins = vec![0; values.len()];
        self.fill(&values, &mut bins, 0, 1);
        let mut rows = [0usize; 256];
        bins.iter().zip(runs).for_each(|(&bin, run)| rows[usize::from(bin)] += run.rows);
        let usual = (0..256).max_by_key(|&bin| (rows[bin], 255 - bin)).unwrap_or(0);
        (usual as u8, rows[usual] as f64 / rows.iter().sum::<usize>().max(1) as f64)
    }

    /// Whether bins stand for names, which have no order.
    pub(super) fn is_code(&self) -> bool {
        matches!(self.kind, Kind::Codes { .. })
    }

    /// The number of bins of values that are not missing.
    pub(super) fn values(&self) -> usize {
        self.count - usize::from(self.missing.is_some())
    }

    /// The threshold between two bins, of which those in between hold no rows: at most it, and above it.
    pub(super) fn threshold(&self, below: usize, above: usize) -> Division {
        let Kind::Number { cuts, .. } = &self.kind else { return Division::Among(Vec::new()) };
        let (low, high) = (cuts[below], cuts[above - 1]);
        let middle = low / 2.0 + high / 2.0;
        Division::AtMost(if middle >= low && middle <= high { middle } else { low })
    }

    /// The same, drawn from all that no value of the table tells apart: trees that need not agree where they know nothing
    /// are less sure there together.
    pub(super) fn draw_threshold(&self, below: usize, above: usize, random: &mut impl Rng) -> Division {
        let Kind::Number { gaps, .. } = &self.kind else { return Division::Among(Vec::new()) };
        let (low, high) = (f64::from(gaps[below][0]), f64::from(gaps[above - 1][1]));
        let drawn = (low + random.random::<f64>() * (high - low)) as f32;
        Division::AtMost(if drawn < gaps[above - 1][1] { drawn } else { gaps[below][0] })
    }

    /// A bin drawn so that the threshold behind it may lie anywhere between two bins that hold rows.
    pub(super) fn draw(&self, first: u8, last: u8, random: &mut impl Rng) -> u8 {
        let Kind::Number { cuts, .. } = &self.kind else { return first };
        let (low, high) = (f64::from(cuts[usize::from(first)]), f64::from(cuts[usize::from(last) - 1]));
        let drawn = (low + random.random::<f64>() * (high - low)) as f32;
        (cuts.partition_point(|cut| *cut < drawn)).clamp(first.into(), usize::from(last) - 1) as u8
    }

    /// The codes of these bins; that of the rarer ones, the last, cannot be asked for.
    pub(super) fn among(&self, bins: impl Iterator<Item = u8>) -> Division {
        let Kind::Codes { codes } = &self.kind else { return Division::Among(Vec::new()) };
        let mut codes: Vec<u32> = bins.filter_map(|bin| codes.get(usize::from(bin)).copied()).collect();
        codes.sort_unstable();
        Division::Among(codes)
    }

    /// Writes the bins of this column at position `at` of each of a block of rows; of a width of 1, `values` are its own.
    fn fill(&self, values: &[f32], bins: &mut [u8], at: usize, width: usize) {
        let values = values.iter().skip(if width == 1 { 0 } else { self.feature }).step_by(width);
        let bins = bins.iter_mut().skip(at).step_by(width);
        let missing = self.missing.unwrap_or(0);
        match &self.kind {
            Kind::Number { cuts, .. } => {
                let values: Vec<f32> = values.copied().collect();
                let mut places = vec![0; values.len()];
                Search::new(cuts).find_all(&values, &mut places);
                for ((bin, value), place) in bins.zip(values).zip(places) {
                    *bin = if value.is_nan() { missing } else { place as u8 };
                }
            }
            Kind::Codes { codes } => {
                let mut places = vec![codes.len() as u8; codes.iter().max().map_or(0, |most| *most as usize + 1)];
                codes.iter().enumerate().for_each(|(place, &code)| places[code as usize] = place as u8);
                for (&value, bin) in values.zip(bins) {
                    let place = places.get(value as usize).copied().unwrap_or(codes.len() as u8);
                    *bin = if value.is_nan() { missing } else { place };
                }
            }
        }
    }
}

/// Columns one after the other, from rows one after the other.
fn turn(bins: &[u8], width: usize) -> Vec<u8> {
    let rows = bins.len() / width;
    let mut turned = vec![0; bins.len()];
    turned.par_chunks_mut(rows.max(1)).enumerate().for_each(|(column, turned)| {
        turned.iter_mut().zip(bins.iter().skip(column).step_by(width)).for_each(|(turned, bin)| *turned = *bin);
    });
    turned
}

/// A distinct value, the rows that have it, and how many of them are attacks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    value: f32,
    rows: usize,
    attacks: usize,
}

/// The distinct values that are not missing, ascending, of values that each say whether their row is an attack.
fn runs(values: impl Iterator<Item = (f32, bool)> + Clone) -> Vec<Run> {
    if let Some(runs) = few_runs(values.clone()) {
        return runs;
    }
    let present = values.filter(|(value, _)| !value.is_nan());
    let mut sorted: Vec<(f32, bool)> = present.map(|(value, attack)| (value + 0.0, attack)).collect();
    sorted.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let run = |run: &[(f32, bool)]| Run {
        value: run[0].0,
        rows: run.len(),
        attacks: run.iter().filter(|(_, attack)| *attack).count(),
    };
    sorted.chunk_by(|one, next| one.0 == next.0).map(run).collect()
}

/// The same by counting, where there are few; sorting a long column costs ten times as much.
fn few_runs(values: impl Iterator<Item = (f32, bool)>) -> Option<Vec<Run>> {
    let mut slots = vec![Run { value: f32::NAN, rows: 0, attacks: 0 }; SLOTS];
    let mut used = 0;
    for (value, attack) in values.filter(|(value, _)| !value.is_nan()) {
        let value = value + 0.0;
        let mut slot = (value.to_bits().wrapping_mul(0x9e37_79b1) >> (32 - SLOTS.trailing_zeros())) as usize;
        loop {
            let known = &mut slots[slot];
            if known.rows == 0 {
                known.value = value;
                used += 1;
            }
            if known.value == value {
                known.rows += 1;
                known.attacks += usize::from(attack);
                break;
            }
            slot = (slot + 1) % SLOTS;
        }
        if used > SLOTS / 2 {
            return None;
        }
    }
    let mut runs: Vec<Run> = slots.into_iter().filter(|run| run.rows > 0).collect();
    runs.sort_unstable_by(|one, other| one.value.total_cmp(&other.value));
    Some(runs)
}

/// The gaps between bins, for a cut each: one bin a distinct value where they are few. Otherwise bins of about equally many rows, a
/// quarter fewer than there may be where attacks are known; the rest are cuts where they divide attacks from benign rows
/// best, so that a sharp edge is not lost in the middle of a bin.
fn gaps(runs: &[Run], most: usize) -> Vec<[f32; 2]> {
    let attacks: usize = runs.iter().map(|run| run.attacks).sum();
    let told = runs.len() > most && attacks > 0;
    let mut bins = equal_bins(runs, if told { most - most / 4 } else { most });
    if told {
        divide(runs, &mut bins, most);
    }
    bins.windows(2).map(|pair| [runs[pair[0].end - 1].value, runs[pair[1].start].value]).collect()
}

/// A value from the lower one up to, but not, the higher one.
fn middle(low: f32, high: f32) -> f32 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high { middle } else { low }
}

/// Bins of about equally many rows, as ranges of runs.
fn equal_bins(runs: &[Run], most: usize) -> Vec<Range<usize>> {
    let mut bins: Vec<Range<usize>> = Vec::with_capacity(runs.len().min(most));
    let (mut rows_left, mut filled) = (runs.iter().map(|run| run.rows).sum::<usize>(), usize::MAX);
    for (position, run) in runs.iter().enumerate() {
        let bins_left = most - bins.len();
        let few = runs.len() - position <= bins_left;
        // A bin is full when it has its share of the rows that were left when it began.
        let full = filled >= rows_left.saturating_add(filled).div_ceil(bins_left + 1);
        match bins.last_mut() {
            Some(bin) if !few && (!full || bins_left == 0) => {
                bin.end = position + 1;
                filled += run.rows;
            }
            _ => {
                bins.push(position..position + 1);
                filled = run.rows;
            }
        }
        rows_left -= run.rows;
    }
    bins
}

/// Divides the bins that gain most by it in purity (Gini), until there are `most`.
fn divide(runs: &[Run], bins: &mut Vec<Range<usize>>, most: usize) {
    let purity = |[rows, attacks]: [usize; 2]| {
        let [rows, attacks] = [rows as f64, attacks as f64];
        (attacks * attacks + (rows - attacks) * (rows - attacks)) / rows.max(1.0)
    };
    let best = |bin: &Range<usize>| {
        let add = |[rows, attacks]: [usize; 2], run: &Run| [rows + run.rows, attacks + run.attacks];
        let all = runs[bin.clone()].iter().fold([0; 2], add);
        let mut left = [0; 2];
        let mut best = (0.0, bin.start);
        for place in bin.start + 1..bin.end {
            left = add(left, &runs[place - 1]);
            let gain = purity(left) + purity([all[0] - left[0], all[1] - left[1]]) - purity(all);
            if gain > best.0 {
                best = (gain, place);
            }
        }
        best
    };
    let mut gains: Vec<(f64, usize)> = bins.iter().map(best).collect();
    while bins.len() < most {
        let first = gains.iter().enumerate().rev().max_by(|one, other| one.1.0.total_cmp(&other.1.0));
        let Some((place, &(_, middle))) = first.filter(|(_, (gain, _))| *gain > LEAST_GAIN) else { break };
        let right = middle..bins[place].end;
        bins[place].end = middle;
        gains[place] = best(&bins[place]);
        gains.insert(place + 1, best(&right));
        bins.insert(place + 1, right);
    }
}

/// The codes with the most rows, the most frequent first, one bin short of `most`.
fn frequent(runs: &[Run], most: usize) -> Vec<u32> {
    let mut runs: Vec<Run> = runs.iter().copied().filter(|run| run.value >= 0.0 && run.value < MAX_CODE).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.rows));
    runs.iter().take(most - 1).map(|run| run.value as u32).collect()
}

/// At most 255 cuts, so that every bin has a number of one byte.
const MAX_BINS: usize = 256;
/// Bins are cut by at most so many rows, evenly spread over the table.
const SAMPLE: usize = 200_000;
const SLOTS: usize = 1024;
/// Less is rounding.
const LEAST_GAIN: f64 = 1e-6;
/// Columns with a larger share of rows in one bin are nearly constant.
const NEARLY: f64 = 0.97;
/// Larger tables are kept by rows alone.
const MOST_TURNED: usize = 64 << 20;
const GROUP: usize = 8;
const BLOCK: usize = 256;
/// Codes above this are no names that anybody has.
const MAX_CODE: f32 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_between_attacks_and_benign_rows_is_a_cut() {
        let values: Vec<f32> = (0..9000).map(|row| row as f32 / 9000.0).collect();
        let attacks: Vec<bool> = values.iter().map(|value| *value > 0.61234).collect();
        let matrix = Matrix::new(1, values.clone()).unwrap();
        for (truth, pure) in [(Some(Classes::binary(&attacks)), true), (None, false)] {
            let binned = Binned::of(&matrix, truth.as_ref());
            assert!(binned.columns[0].count > 150 && binned.columns[0].count <= MAX_BINS);
            let mut sides = [[false; 2]; 256];
            for (row, &attack) in (0..).zip(&attacks) {
                sides[usize::from(binned.row(row)[0])][usize::from(attack)] = true;
            }
            assert_eq!(sides.iter().all(|sides| *sides != [true; 2]), pure);
        }
    }

    fn binned(values: Vec<f32>) -> Binned {
        Binned::of(&Matrix::with_missing(1, values).unwrap(), None)
    }

    #[test]
    fn few_values_have_a_bin_each() {
        let binned = binned(vec![3.0, 1.0, 2.0, 1.0]);
        assert_eq!(binned.bins, [2, 0, 1, 0]);
        assert_eq!(binned.columns[0].threshold(0, 2), Division::AtMost(2.0));
    }

    #[test]
    fn many_values_share_bins_of_about_equal_size_in_ascending_order() {
        let binned = binned((0..10_000).map(|value| value as f32).collect());
        let count = binned.columns[0].count;
        assert!(count <= 256 && count > 200, "{count}");
        assert!(binned.bins.is_sorted());
        let largest = (0..count).map(|bin| binned.bins.iter().filter(|&&b| usize::from(b) == bin).count());
        assert!(largest.max().unwrap() <= 80);
    }

    #[test]
    fn a_value_of_most_rows_does_not_use_up_the_bins_of_the_others() {
        let binned = binned((0..10_000).map(|row| if row < 9_000 { 0.0 } else { row as f32 }).collect());
        assert!(binned.columns[0].count > 200, "{}", binned.columns[0].count);
    }

    #[test]
    fn missing_values_have_the_last_bin() {
        let binned = binned(vec![5.0, f32::NAN, 7.0]);
        assert_eq!((binned.bins, binned.columns[0].missing), (vec![0, 2, 1], Some(2)));
    }

    #[test]
    fn a_threshold_separates_neighbouring_floats() {
        let (low, high) = (1.0f32, 1.0f32.next_up());
        let binned = binned(vec![low, high]);
        assert_eq!(binned.columns[0].threshold(0, 1), Division::AtMost(low));
    }

    #[test]
    fn sorting_and_counting_find_the_same_runs() {
        let values = (0..5000).map(|row| (((row * 7919) % 400) as f32 - 200.0, row % 3 == 0));
        let mut sorted: Vec<(f32, bool)> = values.clone().collect();
        sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
        let run = |run: &[(f32, bool)]| Run {
            value: run[0].0,
            rows: run.len(),
            attacks: run.iter().filter(|(_, attack)| *attack).count(),
        };
        let expected: Vec<Run> = sorted.chunk_by(|one, next| one.0 == next.0).map(run).collect();
        assert_eq!(few_runs(values).unwrap(), expected);
        assert!(few_runs((0..5000).map(|row| (row as f32, false))).is_none());
    }
}
