//! Grows one classification tree on binned columns, by histograms.

use rand::Rng;
use rand_pcg::Pcg64Mcg;

use super::binned::{Binned, Feature};
use super::tree::{MAX_DEPTH, Tree};

/// What stops and steers growth.
pub(super) struct Growth {
    /// The deepest leaf; the root is at 0.
    pub(super) max_depth: u32,
    /// The fewest rows of a leaf.
    pub(super) min_leaf: u32,
    /// How many features, drawn anew, compete for each split.
    pub(super) features: usize,
    /// What a benign and an attack row weigh.
    pub(super) weights: [f64; 2],
}

/// One training row of a tree.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    row: u32,
    /// How often it was drawn: in the lower half where it is benign, in the upper half where it is an attack.
    drawn: u32,
}

impl Sample {
    pub(super) fn new(row: u32, times: u16, attack: bool) -> Sample {
        Sample { row, drawn: u32::from(times) << (u32::from(attack) * 16) }
    }

    fn counts(self) -> Counts {
        Counts(u64::from(self.drawn & 0xffff) | u64::from(self.drawn >> 16) << 32)
    }
}

/// Benign rows in the lower half, attacks in the upper one: both are added at once.
#[derive(Clone, Copy, Default, PartialEq)]
struct Counts(u64);

impl Counts {
    fn benign(self) -> u32 {
        self.0 as u32
    }

    fn attacks(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn rows(self) -> u32 {
        self.benign() + self.attacks()
    }

    fn is_pure(self) -> bool {
        self.benign() == 0 || self.attacks() == 0
    }

    fn weigh(self, weights: [f64; 2]) -> [f64; 2] {
        [f64::from(self.benign()) * weights[0], f64::from(self.attacks()) * weights[1]]
    }

    /// The weighted share of attacks.
    fn share(self, weights: [f64; 2]) -> f32 {
        let [benign, attack] = self.weigh(weights);
        (attack / (benign + attack)) as f32
    }
}

/// A leaf that may still be split.
struct Open {
    leaf: usize,
    depth: u32,
    samples: std::ops::Range<usize>,
    counts: Counts,
    /// The features that are not constant in the parent.
    candidates: Vec<u16>,
}

/// A cut of the rows of a leaf.
struct Cut {
    impurity: f64,
    feature: u16,
    /// The last bin that goes left, and the next bin in which there are rows.
    bins: (u8, u8),
    left: Counts,
}

impl Growth {
    /// A tree of these samples, whose leaves hold the weighted share of attacks. Every split is the one of least Gini
    /// impurity among the features drawn; a feature that is constant among the samples is drawn again.
    pub(super) fn grow(&self, binned: &Binned, mut samples: Vec<Sample>, random: &mut Pcg64Mcg) -> Tree {
        let counts = Counts(samples.iter().map(|sample| sample.counts().0).sum());
        let mut tree = Tree::leaf(counts.share(self.weights));
        let candidates = (0..binned.features.len()).map(|feature| feature as u16).collect();
        let mut open = vec![Open { leaf: 0, depth: 0, samples: 0..samples.len(), counts, candidates }];
        let mut histogram = Histogram::default();
        let mut scratch = Vec::new();
        while let Some(mut node) = open.pop() {
            let splittable = node.depth < self.max_depth.min(MAX_DEPTH) && node.counts.rows() / 2 >= self.min_leaf;
            if node.counts.is_pure() || !splittable {
                continue;
            }
            let part = &mut samples[node.samples.clone()];
            let Some(cut) = self.best_cut(binned, part, &mut node, &mut histogram, random) else { continue };
            let feature = &binned.features[usize::from(cut.feature)];
            let threshold = feature.threshold(cut.bins.0.into(), cut.bins.1.into());
            let right = Counts(node.counts.0 - cut.left.0);
            let values = [cut.left.share(self.weights), right.share(self.weights)];
            let Some(leaf) = tree.split(node.leaf, cut.feature.into(), threshold, values) else { break };
            let middle = node.samples.start + partition(part, &mut scratch, feature, cut.bins.0);
            let (depth, candidates) = (node.depth + 1, node.candidates);
            open.push(Open {
                leaf: leaf + 1,
                depth,
                samples: middle..node.samples.end,
                counts: right,
                candidates: candidates.clone(),
            });
            open.push(Open { leaf, depth, samples: node.samples.start..middle, counts: cut.left, candidates });
        }
        tree
    }

    /// The best cut among the features drawn. Features that turn out constant leave the node's candidates.
    fn best_cut(
        &self,
        binned: &Binned,
        samples: &[Sample],
        node: &mut Open,
        histogram: &mut Histogram,
        random: &mut Pcg64Mcg,
    ) -> Option<Cut> {
        let mut best: Option<Cut> = None;
        let (mut tried, mut next) = (0, 0);
        while tried < self.features && next < node.candidates.len() {
            let drawn = random.random_range(next..node.candidates.len());
            node.candidates.swap(next, drawn);
            let number = node.candidates[next];
            let feature = &binned.features[usize::from(number)];
            if histogram.fill(feature, samples) {
                tried += 1;
                next += 1;
                self.scan(histogram, number, node.counts, &mut best);
            } else {
                node.candidates.swap_remove(next);
            }
            histogram.clear();
        }
        best
    }

    /// Tries every cut between two bins that hold rows, and keeps the best.
    fn scan(&self, histogram: &Histogram, feature: u16, counts: Counts, best: &mut Option<Cut>) {
        let total = counts.weigh(self.weights);
        let mut left = Counts::default();
        let mut last: Option<u8> = None;
        for bin in histogram.touched() {
            let right = Counts(counts.0 - left.0);
            if let Some(last) = last
                && left.rows() >= self.min_leaf
                && right.rows() >= self.min_leaf
            {
                let [benign, attack] = left.weigh(self.weights);
                let impurity = spread(benign, attack) + spread(total[0] - benign, total[1] - attack);
                if best.as_ref().is_none_or(|best| impurity < best.impurity) {
                    *best = Some(Cut { impurity, feature, bins: (last, bin), left });
                }
            }
            left.0 += histogram.counts[usize::from(bin)].0;
            last = Some(bin);
        }
    }
}

/// Half the Gini impurity of a node, times its weight.
fn spread(benign: f64, attack: f64) -> f64 {
    benign * attack / (benign + attack)
}

/// Moves the samples that go left before those that go right, both in their order; tells how many go left.
fn partition(samples: &mut [Sample], scratch: &mut Vec<Sample>, feature: &Feature, last_left: u8) -> usize {
    scratch.clear();
    scratch.resize(samples.len(), Sample { row: 0, drawn: 0 });
    let (mut left, mut right) = (0, 0);
    for place in 0..samples.len() {
        let sample = samples[place];
        let goes_right = feature.bins[sample.row as usize] > last_left;
        // Both places are written, and only the right one is kept: no branch to predict.
        samples[left] = sample;
        scratch[right] = sample;
        left += usize::from(!goes_right);
        right += usize::from(goes_right);
    }
    samples[left..].copy_from_slice(&scratch[..right]);
    left
}

/// The rows of a node, counted by bin of one feature.
struct Histogram {
    counts: Box<[Counts; 256]>,
    /// Which bins were touched, one a bit: small nodes touch few, and cost little.
    touched: [u64; 4],
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: Box::new([Counts::default(); 256]), touched: [0; 4] }
    }
}

impl Histogram {
    /// Counts the samples; tells whether they fall into more than one bin.
    fn fill(&mut self, feature: &Feature, samples: &[Sample]) -> bool {
        if feature.count() < 2 {
            return false;
        }
        let counts = &mut *self.counts;
        if samples.len() >= DENSE {
            for sample in samples {
                counts[usize::from(feature.bins[sample.row as usize])].0 += sample.counts().0;
            }
            for (bin, counts) in counts.iter().enumerate() {
                self.touched[bin / 64] |= u64::from(counts.0 != 0) << (bin % 64);
            }
        } else {
            for sample in samples {
                let bin = usize::from(feature.bins[sample.row as usize]);
                counts[bin].0 += sample.counts().0;
                self.touched[bin / 64] |= 1 << (bin % 64);
            }
        }
        self.touched.iter().map(|word| word.count_ones()).sum::<u32>() > 1
    }

    fn clear(&mut self) {
        if self.touched.iter().map(|word| word.count_ones()).sum::<u32>() > 32 {
            self.counts.fill(Counts::default());
        } else {
            for bin in self.touched() {
                self.counts[usize::from(bin)] = Counts::default();
            }
        }
        self.touched = [0; 4];
    }

    /// The bins that hold rows, in ascending order.
    fn touched(&self) -> impl Iterator<Item = u8> + use<> {
        let touched = self.touched;
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::Matrix;

    fn grow(growth: &Growth, rows: &[([f32; 2], bool)]) -> (Tree, Matrix) {
        let values = rows.iter().flat_map(|(values, _)| *values).collect();
        let matrix = Matrix::new(2, values).unwrap();
        let samples = rows.iter().enumerate().map(|(row, &(_, attack))| Sample::new(row as u32, 1, attack)).collect();
        let tree = growth.grow(&Binned::of(&matrix), samples, &mut Pcg64Mcg::seed_from_u64(1));
        (tree, matrix)
    }

    fn full() -> Growth {
        Growth { max_depth: 100, min_leaf: 1, features: 2, weights: [1.0, 1.0] }
    }

    #[test]
    fn a_full_tree_learns_exclusive_or() {
        let rows = [([0.0, 0.0], false), ([0.0, 1.0], true), ([1.0, 0.0], true), ([1.0, 1.0], false)];
        let (tree, matrix) = grow(&full(), &rows);
        let sums = super::super::tree::sum(&[tree], matrix.values(), 2);
        assert_eq!(sums, [0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn a_leaf_never_has_fewer_rows_than_asked_for() {
        let rows: Vec<_> = (0..100).map(|row| ([row as f32, 0.0], row % 7 == 0)).collect();
        let (tree, matrix) = grow(&Growth { min_leaf: 10, ..full() }, &rows);
        let sums = super::super::tree::sum(&[tree], matrix.values(), 2);
        for run in sums.chunk_by(|one, next| one == next) {
            assert!(run.len() >= 10, "{sums:?}");
        }
    }

    #[test]
    fn contradicting_rows_end_in_a_leaf_with_the_weighted_share_of_attacks() {
        let rows = [([1.0, 1.0], false), ([1.0, 1.0], true), ([1.0, 1.0], true)];
        let (tree, matrix) = grow(&Growth { weights: [2.0, 1.0], ..full() }, &rows);
        assert_eq!(tree.nodes(), 1);
        assert_eq!(super::super::tree::sum(&[tree], matrix.values(), 2), [0.5; 3]);
    }
}
