//! Half-space trees.

use rand::Rng;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Error, Matrix};

/// Half-space trees (Tan, Ting, Liu 2011): rows that fall where few of the latest window fell are anomalies. Needs no
/// labels, and goes on learning in constant memory.
///
/// What it holds for normal is the last full window of rows: it follows a network that changes, and learns a long quiet
/// attack too. Where columns lie is learned from the rows that it is first fitted on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HalfSpaceTrees {
    /// The number of trees. Default 25, as in Tan 2011 s.5.
    pub trees: u32,
    /// How often each tree halves the space. Default 12: a tree of 15, as in Tan 2011, takes eight times the memory.
    pub height: u32,
    /// The rows of a window. Default 250, as in Tan 2011 s.5; more of them change the mind of the model more slowly.
    pub window: u32,
}

impl Default for HalfSpaceTrees {
    fn default() -> HalfSpaceTrees {
        HalfSpaceTrees { trees: 25, height: 12, window: 250 }
    }
}

impl HalfSpaceTrees {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([
            ("trees", Range::WholeMagnitude(25, 400)),
            ("height", Range::Whole(6, 15)),
            ("window", Range::WholeMagnitude(64, 4096)),
        ])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("trees", self.trees, 1, MAX_TREES)?;
        range("height", self.height, 1, MAX_HEIGHT)?;
        range("window", self.window, 2, MAX_WINDOW)
    }

    pub(super) fn fit(&self, matrix: &Matrix, seed: u64) -> HalfSpaces {
        let ranges = ranges(matrix);
        let grow = |tree: u32| HalfSpaceTree::grow(&ranges, self.height, &mut stream(seed, u64::from(tree)));
        let trees = (0..self.trees).into_par_iter().map(grow).collect();
        let width = matrix.width() as u32;
        let mut spaces = HalfSpaces { trees, width, window: self.window, filled: 0, is_seasoned: false };
        spaces.learn(matrix);
        spaces
    }
}

/// Fitted half-space trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HalfSpaces {
    trees: Vec<HalfSpaceTree>,
    width: u32,
    window: u32,
    /// The rows of the window that is not full yet.
    filled: u32,
    /// Whether a window has been full.
    is_seasoned: bool,
}

impl HalfSpaces {
    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// Takes more rows, in the order of time.
    pub(crate) fn learn(&mut self, matrix: &Matrix) {
        let (window, filled) = (self.window, self.filled);
        self.trees.par_iter_mut().for_each(|tree| {
            let mut filled = filled;
            for row in matrix.values().chunks_exact(matrix.width()) {
                tree.count(row);
                filled += 1;
                if filled == window {
                    tree.turn();
                    filled = 0;
                }
            }
        });
        let seen = u64::from(filled) + matrix.rows() as u64;
        self.is_seasoned |= seen >= u64::from(window);
        self.filled = (seen % u64::from(window)) as u32;
    }

    /// 1 / (1 + density), where the density is the mean over the trees of the share of the window that fell where the
    /// row falls, as a multiple of what would fall there were all evenly spread: one half where it is just that.
    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let rows = f64::from(if self.is_seasoned { self.window } else { self.filled });
        // Tan 2011 s.5: a node of fewer rows is not looked into.
        let least = (rows / 10.0) as u32;
        let score = |row: &[f32]| {
            let mass: f64 = self.trees.iter().map(|tree| tree.mass(row, self.is_seasoned, least)).sum();
            (1.0 / (1.0 + mass / (rows * self.trees.len() as f64))) as f32
        };
        matrix.values().par_chunks(matrix.width()).with_min_len(256).map(score).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let trees = self.trees.len();
        let window = (2..=MAX_WINDOW).contains(&self.window) && self.filled < self.window;
        let is_empty = !self.is_seasoned && self.filled == 0;
        if self.width() != width || !(1..=MAX_TREES as usize).contains(&trees) || !window || is_empty {
            return Err(Error::Damaged(format!("{trees} half-space trees on a window of {} rows", self.window)));
        }
        self.trees.iter().try_for_each(|tree| tree.check(width, self.window))
    }
}

/// A full binary tree, its nodes level by level: those below node i are 2i + 1 and 2i + 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct HalfSpaceTree {
    /// Of each inner node the column that it halves, and where: values below go left.
    cuts: Vec<(u32, f32)>,
    /// The rows of the last full window that passed each node.
    reference: Vec<u32>,
    /// Those of the window that is not full yet.
    latest: Vec<u32>,
}

impl HalfSpaceTree {
    fn grow(ranges: &[(f64, f64)], height: u32, random: &mut Pcg64Mcg) -> HalfSpaceTree {
        // Tan 2011 s.3.1: each column's work range lies around a point drawn within its values, and holds them all.
        let mut work: Vec<(f64, f64)> = ranges
            .iter()
            .map(|&(low, high)| {
                let at: f64 = random.random();
                let reach = 2.0 * at.max(1.0 - at);
                (low + (at - reach) * (high - low), low + (at + reach) * (high - low))
            })
            .collect();
        let inner = (1 << height) - 1;
        let mut cuts = vec![(0, 0.0); inner];
        halve(&mut cuts, 0, &mut work, random);
        let masses = vec![0; 2 * inner + 1];
        HalfSpaceTree { cuts, reference: masses.clone(), latest: masses }
    }

    fn next(&self, node: usize, row: &[f32]) -> Option<usize> {
        let &(column, cut) = self.cuts.get(node)?;
        Some(2 * node + 1 + usize::from(row[column as usize] >= cut))
    }

    fn count(&mut self, row: &[f32]) {
        let mut node = Some(0);
        while let Some(at) = node {
            self.latest[at] += 1;
            node = self.next(at, row);
        }
    }

    /// The window is full: it is what later rows are compared with.
    fn turn(&mut self) {
        std::mem::swap(&mut self.reference, &mut self.latest);
        self.latest.fill(0);
    }

    /// The mass where a row falls, times 2 to the power of the depth.
    fn mass(&self, row: &[f32], is_seasoned: bool, least: u32) -> f64 {
        let masses = if is_seasoned { &self.reference } else { &self.latest };
        let (mut node, mut scale) = (0, 1.0);
        while masses[node] > least
            && let Some(next) = self.next(node, row)
        {
            node = next;
            scale *= 2.0;
        }
        f64::from(masses[node]) * scale
    }

    fn check(&self, width: usize, window: u32) -> Result<(), Error> {
        let inner = self.cuts.len();
        let full = (inner + 1).is_power_of_two() && (1..1 << MAX_HEIGHT).contains(&inner);
        let sized = [&self.reference, &self.latest].iter().all(|masses| masses.len() == 2 * inner + 1);
        let cuts = self.cuts.iter().all(|&(column, cut)| (column as usize) < width && cut.is_finite());
        let masses = self.reference.iter().chain(&self.latest).all(|&mass| mass <= window);
        if full && sized && cuts && masses {
            Ok(())
        } else {
            Err(Error::Damaged("a half-space tree that is none".into()))
        }
    }
}

/// Cuts the work range of a column drawn at random in half, and so on below. No deeper than `MAX_HEIGHT`.
fn halve(cuts: &mut [(u32, f32)], node: usize, work: &mut [(f64, f64)], random: &mut Pcg64Mcg) {
    if node >= cuts.len() {
        return;
    }
    let column = random.random_range(0..work.len());
    let (low, high) = work[column];
    let middle = (low + high) / 2.0;
    cuts[node] = (column as u32, (middle as f32).clamp(f32::MIN, f32::MAX));
    work[column] = (low, middle);
    halve(cuts, 2 * node + 1, work, random);
    work[column] = (middle, high);
    halve(cuts, 2 * node + 2, work, random);
    work[column] = (low, high);
}

/// The least and the largest value of each column; one half to either side where they are equal.
fn ranges(matrix: &Matrix) -> Vec<(f64, f64)> {
    let mut ranges = vec![(f64::MAX, f64::MIN); matrix.width()];
    for row in matrix.values().chunks_exact(matrix.width()) {
        for (range, &value) in ranges.iter_mut().zip(row) {
            *range = (range.0.min(f64::from(value)), range.1.max(f64::from(value)));
        }
    }
    ranges.into_iter().map(|(low, high)| if low < high { (low, high) } else { (low - 0.5, high + 0.5) }).collect()
}

const MAX_TREES: u32 = 10_000;
const MAX_HEIGHT: u32 = 18;
const MAX_WINDOW: u32 = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(rows: usize, at: f32) -> Matrix {
        let value = |place: usize| at + (place as f32 * 0.7).sin();
        Matrix::new(2, (0..rows * 2).map(value).collect()).unwrap()
    }

    #[test]
    fn a_new_normal_is_learned_within_a_window() {
        let mut spaces = HalfSpaceTrees::default().fit(&Matrix::new(2, [-1.0, -1.0, 9.0, 9.0].repeat(200)).unwrap(), 1);
        let row = Matrix::new(2, vec![4.0, 4.0]).unwrap();
        let before = spaces.scores(&row)[0];
        spaces.learn(&cloud(250, 4.0));
        spaces.learn(&cloud(250, 4.0));
        let after = spaces.scores(&row)[0];
        assert!(before > 0.9 && after < 0.2, "{before} {after}");
    }

    #[test]
    fn rows_in_parts_give_the_model_of_all_rows_at_once() {
        let all = cloud(700, 0.0);
        let part =
            |rows: std::ops::Range<usize>| Matrix::new(2, all.values()[rows.start * 2..rows.end * 2].to_vec()).unwrap();
        let settings = HalfSpaceTrees { trees: 3, height: 5, window: 100 };
        let mut whole = settings.fit(&part(0..300), 1);
        let mut parts = whole.clone();
        whole.learn(&part(300..700));
        [300..301, 301..333, 333..700].into_iter().for_each(|rows| parts.learn(&part(rows)));
        assert_eq!(parts, whole);
    }
}
