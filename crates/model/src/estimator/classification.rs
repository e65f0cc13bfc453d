//! Grows one classification tree on binned columns, by histograms of classes.

use rand::Rng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::binned::{Binned, Column};
use super::boosting::move_left;
use super::tree::{Branch, MAX_DEPTH, Tree};

/// What makes a node of a classification tree pure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// The chance that two rows drawn from the node are of different classes (Breiman et al. 1984 s.4.3).
    #[default]
    Gini,
    /// The uncertainty about the class of a row drawn from the node, in bits (Quinlan 1986).
    #[serde(alias = "log-loss")]
    Entropy,
}

/// Where a feature is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Splitter {
    /// Where the criterion is best.
    Best,
    /// Anywhere between its least and its largest value (Geurts, Ernst, Wehenkel 2006).
    Random,
}

/// What stops and steers growth.
pub(super) struct Growth<'a> {
    pub(super) criterion: Criterion,
    pub(super) splitter: Splitter,
    /// The deepest leaf; the root is at 0.
    pub(super) max_depth: u32,
    /// The fewest rows of a leaf.
    pub(super) min_samples_leaf: u32,
    /// How many features, drawn anew, compete for each split.
    pub(super) features: usize,
    /// What a row of each class weighs.
    pub(super) weights: &'a [f64],
    /// Whether thresholds are drawn from all that divide the rows alike, not put in the middle.
    pub(super) draws_thresholds: bool,
}

/// One training row of a tree.
#[derive(Clone, Copy, Default)]
pub(super) struct Sample {
    pub(super) row: u32,
    pub(super) class: u16,
    /// How often it was drawn.
    pub(super) times: u16,
}

/// A leaf that may still be split.
struct Open {
    leaf: usize,
    depth: u32,
    samples: std::ops::Range<usize>,
    /// The rows of each class.
    counts: Vec<u32>,
    /// The features that are not constant in the parent.
    candidates: Vec<u16>,
}

/// A cut of the rows of a leaf.
struct Cut {
    /// The criterion of both sides together: the larger, the purer.
    purity: f64,
    feature: u16,
    which: Which,
    missing_left: bool,
    /// The rows of each class that go left.
    left: Vec<u32>,
}

enum Which {
    /// The last bin that goes left, and the next in which there are rows.
    UpTo(u8, u8),
    /// The bins that go left.
    Among(Vec<u8>),
}

impl Growth<'_> {
    /// A tree of these samples, whose leaves hold the weighted share of each class, or of the second alone where there
    /// are two. A feature that is constant among the samples is drawn again.
    pub(super) fn grow(&self, binned: &Binned, mut samples: Vec<Sample>, random: &mut Pcg64Mcg) -> Tree {
        let mut counts = vec![0u32; self.weights.len()];
        samples.iter().for_each(|sample| counts[usize::from(sample.class)] += u32::from(sample.times));
        let mut tree = Tree::leaf(&self.shares(&counts), self.weight(&counts));
        let usable = |feature: &u16| binned.columns[usize::from(*feature)].count > 1;
        let candidates = (0..binned.width() as u16).filter(usable).collect();
        let mut open = vec![Open { leaf: 0, depth: 0, samples: 0..samples.len(), counts, candidates }];
        let mut room = Histograms::new(self.features.min(binned.width()).max(1), self.weights.len());
        let mut scratch = Vec::new();
        while let Some(mut node) = open.pop() {
            let rows: u64 = node.counts.iter().map(|&count| u64::from(count)).sum();
            let splittable = node.depth < self.max_depth.min(MAX_DEPTH) && rows / 2 >= u64::from(self.min_samples_leaf);
            let pure = node.counts.iter().filter(|count| **count > 0).count() < 2;
            if pure || !splittable {
                continue;
            }
            let part = &mut samples[node.samples.clone()];
            let Some(cut) = self.best_cut(binned, part, &mut node, &mut room, random) else { continue };
            let feature = usize::from(cut.feature);
            let column = &binned.columns[feature];
            let goes_left = cut.table(column);
            let count = match binned.turned(feature) {
                Some(bins) => {
                    let bin = |sample: Sample| bins[sample.row as usize];
                    move_left(part, &mut scratch, |_| (), |sample| goes_left[usize::from(bin(sample))])
                }
                None => {
                    let bin = |sample: Sample| binned.row(sample.row)[feature];
                    let soon = |sample: Sample| binned.expect_at(sample.row, feature);
                    move_left(part, &mut scratch, soon, |sample| goes_left[usize::from(bin(sample))])
                }
            };
            let left = cut.left;
            let right: Vec<u32> = node.counts.iter().zip(&left).map(|(all, left)| all - left).collect();
            let weights = [self.weight(&left), self.weight(&right)];
            let shares = [self.shares(&left), self.shares(&right)];
            let (division, missing_left) = match &cut.which {
                Which::UpTo(last, next) => {
                    let told = column.missing.is_some();
                    let missing_left = if told { cut.missing_left } else { weights[0] > weights[1] };
                    let (last, next) = (usize::from(*last), usize::from(*next));
                    let threshold = match self.draws_thresholds {
                        true => column.draw_threshold(last, next, random),
                        false => column.threshold(last, next),
                    };
                    (threshold, missing_left)
                }
                Which::Among(bins) => (column.among(bins.iter().copied()), false),
            };
            let branch = Branch {
                feature: column.feature,
                missing_left,
                cut: division,
                gain: cut.purity - self.purity(&node.counts),
                sides: [(&shares[0], weights[0]), (&shares[1], weights[1])],
            };
            let Some(leaf) = tree.split(node.leaf, branch) else { break };
            let middle = node.samples.start + count;
            let (depth, candidates) = (node.depth + 1, node.candidates);
            open.push(Open {
                leaf: leaf + 1,
                depth,
                samples: middle..node.samples.end,
                counts: right,
                candidates: candidates.clone(),
            });
            open.push(Open { leaf, depth, samples: node.samples.start..middle, counts: left, candidates });
        }
        tree
    }

    /// The weighted share of each class; of the second alone where there are two.
    fn shares(&self, counts: &[u32]) -> Vec<f32> {
        let weight = self.weight(counts);
        let share = |class: usize| {
            let own = f64::from(counts[class]) * self.weights[class];
            if weight > 0.0 { (own / weight) as f32 } else { 0.0 }
        };
        if counts.len() == 2 { vec![share(1)] } else { (0..counts.len()).map(share).collect() }
    }

    fn weight(&self, counts: &[u32]) -> f64 {
        counts.iter().zip(self.weights).map(|(&count, weight)| f64::from(count) * weight).sum()
    }

    /// The criterion of a node, times its weight, up to what is the same for all its cuts: the larger, the purer.
    fn purity(&self, counts: &[u32]) -> f64 {
        let weights = counts.iter().zip(self.weights).map(|(&count, weight)| f64::from(count) * weight);
        match self.criterion {
            Criterion::Gini => {
                let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), own| (sum + own, squares + own * own));
                if sum > 0.0 { squares / sum } else { 0.0 }
            }
            Criterion::Entropy => {
                let times_log = |own: f64| if own > 0.0 { own * own.log2() } else { 0.0 };
                let (sum, logs) = weights.fold((0.0, 0.0), |(sum, logs), own| (sum + own, logs + times_log(own)));
                logs - times_log(sum)
            }
        }
    }

    /// The best cut among the features drawn. Features that turn out constant leave the node's candidates.
    fn best_cut(
        &self,
        binned: &Binned,
        samples: &[Sample],
        node: &mut Open,
        room: &mut Histograms,
        random: &mut Pcg64Mcg,
    ) -> Option<Cut> {
        let mut best: Option<Cut> = None;
        let mut tried = 0;
        while tried < self.features && tried < node.candidates.len() {
            let drawn = (self.features - tried).min(node.candidates.len() - tried).min(room.most);
            for next in tried..tried + drawn {
                let other = random.random_range(next..node.candidates.len());
                node.candidates.swap(next, other);
            }
            room.fill(binned, &node.candidates[tried..tried + drawn], samples);
            // From the last on, so that a constant one can be taken out by the one behind.
            let mut constant = Vec::new();
            for slot in 0..drawn {
                let feature = node.candidates[tried + slot];
                let column = &binned.columns[usize::from(feature)];
                if room.occupied(slot) < 2 {
                    constant.push(tried + slot);
                    continue;
                }
                let scan = Scan { growth: self, histogram: room, slot, column, feature, counts: &node.counts };
                scan.keep_best(&mut best, random);
            }
            room.clear(drawn);
            tried += drawn - constant.len();
            for &place in constant.iter().rev() {
                // The order of those tried does not matter any more, that of the others is random.
                node.candidates.swap_remove(place);
            }
        }
        best
    }
}

/// One feature of a node, about to be cut.
struct Scan<'a> {
    growth: &'a Growth<'a>,
    histogram: &'a Histograms,
    slot: usize,
    column: &'a Column,
    feature: u16,
    counts: &'a [u32],
}

impl Scan<'_> {
    fn keep_best(&self, best: &mut Option<Cut>, random: &mut Pcg64Mcg) {
        let missing = self.column.missing;
        let bins: Vec<u8> = self.histogram.touched(self.slot).filter(|&bin| Some(bin) != missing).collect();
        if self.column.is_code() {
            self.among(bins, best, random);
        } else {
            self.up_to(&bins, best, random);
        }
    }

    fn up_to(&self, bins: &[u8], best: &mut Option<Cut>, random: &mut Pcg64Mcg) {
        let missing = self.column.missing.filter(|&bin| self.histogram.holds(self.slot, bin));
        let sides: &[bool] = if missing.is_some() { &[false, true] } else { &[false] };
        let only = match self.growth.splitter {
            Splitter::Best => None,
            Splitter::Random if bins.len() < 2 => None,
            Splitter::Random => Some(self.column.draw(bins[0], bins[bins.len() - 1], random)),
        };
        for &missing_left in sides {
            let mut left = Tally::new(self);
            if let Some(bin) = missing.filter(|_| missing_left) {
                left.add(self.histogram.counts(self.slot, bin));
            }
            for pair in bins.windows(2) {
                left.add(self.histogram.counts(self.slot, pair[0]));
                if only.is_none_or(|only| (pair[0]..pair[1]).contains(&only)) {
                    left.consider(best, missing_left, || Which::UpTo(pair[0], pair[1]));
                }
            }
            // Missing values against all others: no row with a value is above the last cut.
            if let Some(&last) = bins.last()
                && missing.is_some()
                && !missing_left
                && usize::from(last) + 1 < self.column.values()
            {
                left.add(self.histogram.counts(self.slot, last));
                left.consider(best, false, || Which::UpTo(last, last + 1));
            }
        }
    }

    /// Names in the order of their share of attacks, or of the class with the most rows where there are more than two,
    /// cut in two: for two classes as good as any set (Breiman et al. 1984 s.4.2.2).
    fn among(&self, mut bins: Vec<u8>, best: &mut Option<Cut>, random: &mut Pcg64Mcg) {
        // The last value bin stands for all rarer names, which cannot be asked for.
        let rest = self.column.values() - 1;
        bins.retain(|&bin| usize::from(bin) != rest);
        let of_class = (0..self.counts.len()).max_by_key(|&class| (class > 0, self.counts[class])).unwrap_or(0);
        let share = |bin: &u8| {
            let counts = self.histogram.counts(self.slot, *bin);
            f64::from(counts[of_class]) * self.growth.weights[of_class]
                / self.growth.weight(counts).max(f64::MIN_POSITIVE)
        };
        bins.sort_by(|one, other| share(one).total_cmp(&share(other)));
        let only = match self.growth.splitter {
            Splitter::Random if !bins.is_empty() => Some(random.random_range(0..bins.len())),
            _ => None,
        };
        let mut left = Tally::new(self);
        // Rows that cannot be listed stay on the right.
        let unlisted = self.histogram.holds(self.slot, rest as u8)
            || self.column.missing.is_some_and(|bin| self.histogram.holds(self.slot, bin));
        for (place, &bin) in bins.iter().enumerate() {
            left.add(self.histogram.counts(self.slot, bin));
            if only.is_none_or(|only| only == place) {
                // The smaller side is listed, so that unseen names go with the larger one.
                let larger = left.left.iter().sum::<u32>() > left.right.iter().sum::<u32>();
                if larger && !unlisted {
                    left.turned().consider(best, false, || Which::Among(bins[place + 1..].to_vec()));
                } else {
                    left.consider(best, false, || Which::Among(bins[..=place].to_vec()));
                }
            }
        }
    }
}

/// What has gone left so far.
struct Tally<'a> {
    scan: &'a Scan<'a>,
    left: Vec<u32>,
    right: Vec<u32>,
}

impl<'a> Tally<'a> {
    fn new(scan: &'a Scan<'a>) -> Tally<'a> {
        Tally { scan, left: vec![0; scan.counts.len()], right: scan.counts.to_vec() }
    }

    fn add(&mut self, counts: &[u32]) {
        for ((left, right), count) in self.left.iter_mut().zip(&mut self.right).zip(counts) {
            *left += count;
            *right -= count;
        }
    }

    /// The same with the sides exchanged.
    fn turned(&self) -> Tally<'a> {
        Tally { scan: self.scan, left: self.right.clone(), right: self.left.clone() }
    }

    fn consider(&self, best: &mut Option<Cut>, missing_left: bool, which: impl FnOnce() -> Which) {
        let growth = self.scan.growth;
        let enough = |counts: &[u32]| counts.iter().sum::<u32>() >= growth.min_samples_leaf.max(1);
        if !enough(&self.left) || !enough(&self.right) {
            return;
        }
        let purity = growth.purity(&self.left) + growth.purity(&self.right);
        if best.as_ref().is_none_or(|best| purity > best.purity) {
            let (feature, left) = (self.scan.feature, self.left.clone());
            *best = Some(Cut { purity, feature, which: which(), missing_left, left });
        }
    }
}

impl Cut {
    /// For each bin whether it goes left.
    fn table(&self, column: &Column) -> [bool; 256] {
        let mut table = [false; 256];
        match &self.which {
            Which::UpTo(last, _) => table[..=usize::from(*last)].fill(true),
            Which::Among(bins) => bins.iter().for_each(|&bin| table[usize::from(bin)] = true),
        }
        if let Some(missing) = column.missing {
            table[usize::from(missing)] = self.missing_left;
        }
        table
    }
}

/// The rows of a node, counted by bin and class, of some features at once.
struct Histograms {
    /// The most features at once.
    most: usize,
    classes: usize,
    /// From one feature to the next.
    stride: usize,
    counts: Vec<u32>,
    /// Which bins were touched, one a bit: small nodes touch few, and cost little.
    touched: Vec<[u64; 4]>,
}

impl Histograms {
    fn new(most: usize, classes: usize) -> Histograms {
        let most = most.clamp(1, 64);
        // One more cache line a feature, so that equal bins of all features do not fall into the same few lines.
        let stride = 256 * classes + PAD;
        Histograms { most, classes, stride, counts: vec![0; most * stride], touched: vec![[0; 4]; most] }
    }

    /// Counts the samples by each of these features.
    fn fill(&mut self, binned: &Binned, features: &[u16], samples: &[Sample]) {
        let classes = self.classes;
        let dense = samples.len() >= DENSE;
        if dense && classes == 2 {
            self.fill_two(binned, features, samples);
            return self.mark(binned, features);
        }
        for (place, sample) in samples.iter().enumerate() {
            if let Some(soon) = samples.get(place + SOON) {
                binned.expect(soon.row);
            }
            let row = binned.row(sample.row);
            let (class, times) = (usize::from(sample.class), u32::from(sample.times));
            let slots = self.counts.chunks_exact_mut(self.stride).zip(features);
            if dense {
                for (counts, &feature) in slots {
                    counts[usize::from(row[usize::from(feature)]) * classes + class] += times;
                }
            } else {
                for ((counts, &feature), touched) in slots.zip(&mut self.touched) {
                    let bin = usize::from(row[usize::from(feature)]);
                    counts[bin * classes + class] += times;
                    touched[bin / 64] |= 1 << (bin % 64);
                }
            }
        }
        if dense {
            self.mark(binned, features);
        }
    }

    /// Counts many samples of two classes: most of the work, so that it is worth its own loop without checks.
    fn fill_two(&mut self, binned: &Binned, features: &[u16], samples: &[Sample]) {
        let slots = self.counts.chunks_exact_mut(self.stride).zip(features);
        let slots = slots.filter_map(|(counts, &feature)| Some((usize::from(feature), counts.try_into().ok()?)));
        let mut slots: Vec<(usize, &mut [u32; TWO])> = slots.collect();
        let weigh = |sample: &Sample| (usize::from(sample.class & 1), u32::from(sample.times));
        // Rows that lie close together are read column by column, others row by row.
        let columns: Option<Vec<&[u8]>> = slots.iter().map(|(feature, _)| binned.turned(*feature)).collect();
        if let Some(columns) = columns.filter(|_| samples.len() >= binned.rows() / CLOSE) {
            let mut slots: Vec<_> = columns.into_iter().zip(slots.into_iter().map(|(_, counts)| counts)).collect();
            for sample in samples {
                let (class, times) = weigh(sample);
                for (bins, counts) in &mut slots {
                    counts[usize::from(bins[sample.row as usize]) * 2 + class] += times;
                }
            }
            return;
        }
        for (place, sample) in samples.iter().enumerate() {
            if let Some(soon) = samples.get(place + SOON) {
                binned.expect(soon.row);
            }
            let (row, (class, times)) = (binned.row(sample.row), weigh(sample));
            for (feature, counts) in &mut slots {
                counts[usize::from(row[*feature]) * 2 + class] += times;
            }
        }
    }

    /// Marks the bins that hold rows.
    fn mark(&mut self, binned: &Binned, features: &[u16]) {
        let slots = self.counts.chunks_exact(self.stride).zip(&mut self.touched).zip(features);
        for ((counts, touched), &feature) in slots {
            let count = binned.columns[usize::from(feature)].count;
            for (bin, counts) in counts.chunks_exact(self.classes).take(count).enumerate() {
                touched[bin / 64] |= u64::from(counts.iter().any(|count| *count != 0)) << (bin % 64);
            }
        }
    }

    /// The number of bins of a feature that hold rows.
    fn occupied(&self, slot: usize) -> u32 {
        self.touched[slot].iter().map(|word| word.count_ones()).sum()
    }

    fn holds(&self, slot: usize, bin: u8) -> bool {
        self.touched[slot][usize::from(bin) / 64] >> (bin % 64) & 1 == 1
    }

    /// The rows of each class in one bin.
    fn counts(&self, slot: usize, bin: u8) -> &[u32] {
        &self.counts[slot * self.stride + usize::from(bin) * self.classes..][..self.classes]
    }

    /// Empties the first features.
    fn clear(&mut self, slots: usize) {
        for slot in 0..slots {
            if self.occupied(slot) > 32 {
                self.counts[slot * self.stride..][..self.stride].fill(0);
            } else {
                for bin in self.touched(slot) {
                    let at = slot * self.stride + usize::from(bin) * self.classes;
                    self.counts[at..at + self.classes].fill(0);
                }
            }
            self.touched[slot] = [0; 4];
        }
    }

    /// The bins of a feature that hold rows, in ascending order.
    fn touched(&self, slot: usize) -> impl Iterator<Item = u8> + use<> {
        let touched = self.touched[slot];
        (0..4u8).flat_map(move |word| {
            let mut bits = touched[usize::from(word)];
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (bit < 64).then(|| word * 64 + bit as u8)
            })
        })
    }
}

/// From this many samples on, bins are looked through afterwards instead of being marked one by one.
const DENSE: usize = 256;
/// From one feature to the next with two classes.
const TWO: usize = 256 * 2 + PAD;
const PAD: usize = 16;
/// A node with at least this part of all rows has rows that lie close together.
const CLOSE: usize = 48;
/// Rows are fetched so many places ahead.
const SOON: usize = 12;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::Matrix;

    fn grow(growth: &Growth<'_>, rows: &[([f32; 2], u16)]) -> (Tree, Matrix) {
        let values = rows.iter().flat_map(|(values, _)| *values).collect();
        let matrix = Matrix::with_missing(2, values).unwrap();
        let sample = |(row, &(_, class)): (usize, &([f32; 2], u16))| Sample { row: row as u32, class, times: 1 };
        let samples = rows.iter().enumerate().map(sample).collect();
        let tree = growth.grow(&Binned::of(&matrix, None), samples, &mut Pcg64Mcg::seed_from_u64(1));
        (tree, matrix)
    }

    fn full(weights: &[f64]) -> Growth<'_> {
        let (criterion, splitter) = (Criterion::Gini, Splitter::Best);
        Growth {
            criterion,
            splitter,
            max_depth: 100,
            min_samples_leaf: 1,
            features: 2,
            weights,
            draws_thresholds: false,
        }
    }

    fn leaves(tree: &Tree, matrix: &Matrix) -> Vec<usize> {
        (0..matrix.rows()).map(|row| tree.find(matrix.row(row))).collect()
    }

    #[test]
    fn a_full_tree_learns_exclusive_or_by_either_criterion_and_splitter() {
        let rows = [([0.0, 0.0], 0), ([0.0, 1.0], 1), ([1.0, 0.0], 1), ([1.0, 1.0], 0)];
        for (criterion, splitter) in [
            (Criterion::Gini, Splitter::Best),
            (Criterion::Entropy, Splitter::Best),
            (Criterion::Gini, Splitter::Random),
        ] {
            let (tree, matrix) = grow(&Growth { criterion, splitter, ..full(&[1.0, 1.0]) }, &rows);
            let shares: Vec<f32> = leaves(&tree, &matrix).into_iter().map(|leaf| tree.value(leaf)[0]).collect();
            assert_eq!(shares, [0.0, 1.0, 1.0, 0.0]);
        }
    }

    #[test]
    fn a_leaf_never_has_fewer_rows_than_asked_for() {
        let rows: Vec<_> = (0..100).map(|row| ([row as f32, 0.0], u16::from(row % 7 == 0))).collect();
        let (tree, matrix) = grow(&Growth { min_samples_leaf: 10, ..full(&[1.0, 1.0]) }, &rows);
        let leaves = leaves(&tree, &matrix);
        for run in leaves.chunk_by(|one, next| one == next) {
            assert!(run.len() >= 10, "{leaves:?}");
        }
    }

    #[test]
    fn contradicting_rows_end_in_a_leaf_with_the_weighted_share_of_each_class() {
        let rows = [([1.0, 1.0], 0), ([1.0, 1.0], 1), ([1.0, 1.0], 1)];
        let (tree, _) = grow(&full(&[2.0, 1.0]), &rows);
        assert_eq!((tree.nodes().len(), tree.value(0)), (1, [0.5].as_slice()));
        let (tree, _) = grow(&full(&[2.0, 1.0, 1.0]), &rows);
        assert_eq!(tree.value(0), [0.5, 0.5, 0.0]);
    }

    #[test]
    fn missing_values_go_where_they_make_nodes_pure() {
        let rows: Vec<_> = (0..30)
            .map(|row| ([if row % 3 == 0 { f32::NAN } else { row as f32 }, 0.0], u16::from(row % 3 == 0 || row > 15)))
            .collect();
        let (tree, matrix) = grow(&full(&[1.0, 1.0]), &rows);
        for (row, leaf) in leaves(&tree, &matrix).into_iter().enumerate() {
            assert_eq!(tree.value(leaf)[0], f32::from(rows[row].1));
        }
        assert_eq!(tree.leaves(), 2);
    }
}
