//! Grows one regression tree from gradients, the best leaf first or level by level.

use rayon::prelude::*;

use super::histogram::{Histogram, Layout, Packed, Room, Sums};
use super::split::{Leaf, Rules, Split, UNBOUNDED, Which};
use super::{GradientBoosting, Growth};
use crate::estimator::binned::{Binned, Column};
use crate::estimator::tree::{Branch, Division, MAX_DEPTH, Tree};

/// A grown tree and the rows that ended in each of its leaves.
pub(super) struct Grown {
    pub(super) tree: Tree,
    /// Leaves with their place in the tree and what bounds their values.
    pub(super) leaves: Vec<Ended>,
    /// The rows that the tree was grown on, those of a leaf together.
    pub(super) rows: Vec<u32>,
}

/// A leaf of a grown tree.
pub(super) struct Ended {
    pub(super) place: usize,
    pub(super) rows: std::ops::Range<usize>,
    pub(super) bounds: [f64; 2],
}

/// A leaf that may still be split.
struct Open {
    ended: Ended,
    depth: u32,
    sums: Sums,
    /// `None` where too many are kept already, or no split was found.
    histogram: Option<Histogram>,
    split: Option<Split>,
}

/// What one tree is grown from.
pub(super) struct Ground<'a> {
    pub(super) settings: &'a GradientBoosting,
    pub(super) binned: &'a Binned,
    pub(super) layout: &'a Layout<'a>,
    pub(super) room: &'a Room,
    pub(super) packed: &'a Packed,
    pub(super) rules: &'a Rules,
}

impl Ground<'_> {
    /// A tree on these rows; its leaves have no values yet.
    pub(super) fn grow(&self, mut rows: Vec<u32>) -> Grown {
        let sums = self.packed.sum(&rows);
        let mut tree = Tree::leaf(&[0.0], sums.rows as f64);
        let root = Ended { place: 0, rows: 0..rows.len(), bounds: UNBOUNDED };
        let histogram = self.layout.histogram(self.binned, self.packed, &rows);
        let most_kept = MOST_KEPT / (size_of::<Sums>() * histogram.len().max(1));
        let mut open = vec![self.open(root, 0, sums, Some(histogram), true)];
        let mut scratch = Vec::new();
        while open.len() < self.settings.num_leaves as usize {
            let Some(next) = self.next(&open) else { break };
            let leaf = open.swap_remove(next);
            let Some(split) = &leaf.split else { break };
            let right_sums = leaf.sums - split.left;
            let column = &self.binned.columns[split.column];
            let (cut, missing_left) = self.cut(column, split, right_sums);
            let sides = [split.left, right_sums].map(|sums| (NOTHING, sums.rows as f64));
            let branch = Branch { feature: column.feature, missing_left, cut, gain: split.gain, sides };
            let Some(left) = tree.split(leaf.ended.place, branch) else {
                open.push(Open { split: None, ..leaf });
                break;
            };
            let range = leaf.ended.rows.clone();
            let goes_left = split.table(column);
            let middle = range.start + self.partition(&mut rows[range.clone()], &mut scratch, split.column, &goes_left);
            let bounds = self.bounds(&leaf, split, right_sums);
            let ends = [
                Ended { place: left, rows: range.start..middle, bounds: bounds[0] },
                Ended { place: left + 1, rows: middle..range.end, bounds: bounds[1] },
            ];
            // After the last split nobody looks at histograms.
            let last = open.len() + 2 >= self.settings.num_leaves as usize;
            let sums = [split.left, right_sums];
            let histograms = if last { [None, None] } else { self.children(&rows, leaf.histogram, sums, &ends) };
            let keep = open.iter().filter(|leaf| leaf.histogram.is_some()).count() + 2 <= most_kept;
            let ([left, right], [left_histogram, right_histogram]) = (ends, histograms);
            let (left, right) = rayon::join(
                || self.open(left, leaf.depth + 1, sums[0], left_histogram, keep),
                || self.open(right, leaf.depth + 1, sums[1], right_histogram, keep),
            );
            open.extend([left, right]);
        }
        let mut leaves = Vec::with_capacity(open.len());
        for leaf in open {
            leaves.push(leaf.ended);
            leaf.histogram.into_iter().for_each(|histogram| self.room.give_back(histogram));
        }
        leaves.sort_unstable_by_key(|leaf| leaf.place);
        Grown { tree, leaves, rows }
    }

    /// The leaf to split next.
    fn next(&self, open: &[Open]) -> Option<usize> {
        let worth = |leaf: &Open| leaf.split.as_ref().map(|split| split.gain);
        let candidates = open.iter().enumerate().filter_map(|(place, leaf)| Some((place, leaf, worth(leaf)?)));
        let best = candidates.max_by(|one, other| {
            let by_gain = one.2.total_cmp(&other.2).then(other.1.ended.place.cmp(&one.1.ended.place));
            match self.settings.growth {
                Growth::LeafWise => by_gain,
                Growth::DepthWise => other.1.depth.cmp(&one.1.depth).then(by_gain),
            }
        });
        best.map(|(place, _, _)| place)
    }

    fn open(&self, ended: Ended, depth: u32, sums: Sums, histogram: Option<Histogram>, keep: bool) -> Open {
        let most = if self.settings.max_depth == 0 { MAX_DEPTH } else { self.settings.max_depth };
        let leaf = |histogram| Leaf { histogram, sums, bounds: ended.bounds };
        let splittable = depth < most && sums.rows >= 2 * self.rules.min_rows;
        let split = match &histogram {
            Some(histogram) if splittable => self.rules.best(self.binned, self.layout, &leaf(histogram)),
            _ => None,
        };
        // What will not be split needs no histogram any more.
        let histogram = match histogram {
            Some(unused) if split.is_none() || !keep => {
                self.room.give_back(unused);
                None
            }
            histogram => histogram,
        };
        Open { ended, depth, sums, histogram, split }
    }

    /// The histograms of both sides of a split: that of the smaller one is summed up, the other one is the rest.
    fn children(
        &self,
        rows: &[u32],
        parent: Option<Histogram>,
        sums: [Sums; 2],
        ends: &[Ended; 2],
    ) -> [Option<Histogram>; 2] {
        let fill = |side: usize| {
            let few = sums[side].rows < 2 * self.rules.min_rows;
            (!few).then(|| self.layout.histogram(self.binned, self.packed, &rows[ends[side].rows.clone()]))
        };
        let smaller = usize::from(sums[1].rows < sums[0].rows);
        let Some(mut parent) = parent else { return [fill(0), fill(1)] };
        if sums[1 - smaller].rows < 2 * self.rules.min_rows {
            return [None, None];
        }
        let small = self.layout.histogram(self.binned, self.packed, &rows[ends[smaller].rows.clone()]);
        for (sum, part) in parent.iter_mut().zip(&small) {
            *sum = *sum - *part;
        }
        let mut both = [None, None];
        (both[smaller], both[1 - smaller]) = (Some(small), Some(parent));
        both
    }

    /// The cut of a split, and where rows go whose value is missing: where the training rows said nothing, to the
    /// larger side.
    fn cut(&self, column: &Column, split: &Split, right: Sums) -> (Division, bool) {
        match &split.which {
            Which::UpTo(last, next) => {
                let told = column.missing.is_some();
                let missing_left = if told { split.missing_left } else { split.left.rows > right.rows };
                (column.threshold(*last, *next), missing_left)
            }
            Which::Among(bins) => (column.among(bins.iter().copied()), false),
        }
    }

    /// What monotone columns leave to the two sides.
    fn bounds(&self, leaf: &Open, split: &Split, right: Sums) -> [[f64; 2]; 2] {
        let [low, high] = leaf.ended.bounds;
        let direction = self.rules.monotone.get(self.binned.columns[split.column].feature).copied().unwrap_or(0);
        if direction == 0 {
            return [[low, high]; 2];
        }
        let value = |sums| {
            let [gradient, hessian] = self.rules.unscale(sums);
            self.rules.value(gradient, hessian, [low, high])
        };
        let middle = (value(split.left) + value(right)) / 2.0;
        if direction > 0 { [[low, middle], [middle, high]] } else { [[middle, high], [low, middle]] }
    }

    /// Moves the rows that go left before the others, both in their order; tells how many go left.
    fn partition(&self, rows: &mut [u32], scratch: &mut Vec<u32>, column: usize, goes_left: &[bool; 256]) -> usize {
        let turned = self.binned.turned(column);
        let one = |rows: &mut [u32], scratch: &mut Vec<u32>| match turned {
            Some(bins) => move_left(rows, scratch, |_| (), |row| goes_left[usize::from(bins[row as usize])]),
            None => {
                let bin = |row: u32| self.binned.row(row)[column];
                let soon = |row: u32| self.binned.expect_at(row, column);
                move_left(rows, scratch, soon, |row| goes_left[usize::from(bin(row))])
            }
        };
        let threads = rayon::current_num_threads();
        if threads < 2 || rows.len() < PARALLEL {
            return one(rows, scratch);
        }
        let piece = rows.len().div_ceil(threads);
        let counts: Vec<usize> = rows.par_chunks_mut(piece).map(|rows| one(rows, &mut Vec::new())).collect();
        let rights = rows.chunks(piece).zip(&counts).flat_map(|(rows, &left)| &rows[left..]);
        scratch.clear();
        scratch.extend(rights);
        let mut left = 0;
        for (number, count) in counts.into_iter().enumerate() {
            rows.copy_within(number * piece..number * piece + count, left);
            left += count;
        }
        rows[left..].copy_from_slice(scratch);
        left
    }
}

impl Split {
    /// For each bin whether it goes left.
    fn table(&self, column: &Column) -> [bool; 256] {
        let mut table = [false; 256];
        match &self.which {
            Which::UpTo(last, _) => table[..=*last].fill(true),
            Which::Among(bins) => bins.iter().for_each(|&bin| table[usize::from(bin)] = true),
        }
        if let Some(missing) = column.missing {
            table[usize::from(missing)] = self.missing_left;
        }
        table
    }
}

/// Moves what goes left before the rest, both in their order; tells how many go left. `expect` is told what will be asked
/// for soon.
pub(in crate::estimator) fn move_left<T: Copy + Default>(
    rows: &mut [T],
    scratch: &mut Vec<T>,
    expect: impl Fn(T),
    goes_left: impl Fn(T) -> bool,
) -> usize {
    scratch.clear();
    scratch.resize(rows.len(), T::default());
    let (mut left, mut right) = (0, 0);
    for place in 0..rows.len() {
        if let Some(&soon) = rows.get(place + SOON) {
            expect(soon);
        }
        let row = rows[place];
        let goes_left = goes_left(row);
        // Both places are written, and only the right one is kept: no branch to predict.
        rows[left] = row;
        scratch[right] = row;
        left += usize::from(goes_left);
        right += usize::from(!goes_left);
    }
    rows[left..].copy_from_slice(&scratch[..right]);
    left
}

/// Rows are fetched so many places ahead.
const SOON: usize = 16;
/// Leaves get their values when the tree is grown.
const NOTHING: &[f32] = &[0.0];
/// The most memory for histograms of leaves that may still be split, in bytes.
const MOST_KEPT: usize = 256 << 20;
/// Fewer rows than this are not worth a second thread.
const PARALLEL: usize = 8192;
