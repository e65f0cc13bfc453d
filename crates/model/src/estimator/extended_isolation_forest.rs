//! An extended isolation forest.

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::forest::MAX_TREES;
use super::isolation_forest::{MAX_PATH, average_path, move_left, path};
use super::{range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Error, Matrix};

/// An extended isolation forest (Hariri, Kind, Brunner 2019): like an isolation forest, but cut by slanted planes
/// instead of one feature at a time, so that scores do not depend on how the axes lie. Needs no labels.
///
/// Better where features hang together; slower, as each cut looks at several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExtendedIsolationForest {
    /// The number of trees. Default 200, as of the isolation forest.
    #[serde(alias = "n-estimators")]
    pub trees: u32,
    /// The rows that each tree sees, drawn without replacement. Default 1024, as of the isolation forest.
    #[serde(alias = "max-samples")]
    pub sample: u32,
    /// How many features beyond the first a cut looks at; 0 is the isolation forest. Default 1: most of the gain, at
    /// twice the work.
    pub extension_level: u32,
}

impl Default for ExtendedIsolationForest {
    fn default() -> ExtendedIsolationForest {
        ExtendedIsolationForest { trees: 200, sample: 1024, extension_level: 1 }
    }
}

impl ExtendedIsolationForest {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([
            ("trees", Range::WholeMagnitude(25, 400)),
            ("sample", Range::WholeMagnitude(64, 4096)),
            ("extension-level", Range::WholeMagnitude(1, 4)),
        ])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("trees", self.trees, 1, MAX_TREES)?;
        range("sample", self.sample, 2, MAX_SAMPLE)?;
        range("extension-level", self.extension_level, 0, MAX_TERMS - 1)
    }

    pub(super) fn fit(&self, matrix: &Matrix, seed: u64) -> ExtendedIsolation {
        let sample = (self.sample as usize).min(matrix.rows());
        let terms = (self.extension_level as usize + 1).min(matrix.width());
        let grow = |tree: u32| {
            let mut random = stream(seed, u64::from(tree));
            let mut rows = rand::seq::index::sample(&mut random, matrix.rows(), sample).into_vec();
            let height = (sample as f64).log2().ceil() as u32;
            Slanted::grow(matrix, &mut rows, height, terms, &mut random)
        };
        let trees = (0..self.trees).into_par_iter().map(grow).collect();
        ExtendedIsolation { trees, sample: sample as u32, width: matrix.width() as u32 }
    }
}

/// A fitted extended isolation forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtendedIsolation {
    trees: Vec<Slanted>,
    sample: u32,
    width: u32,
}

/// A tree of slanted cuts; children come after their parent, the two of a node side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Slanted {
    nodes: Vec<Plane>,
    /// The features that cuts look at and how they weigh, those of a node one behind the other.
    terms: Vec<(u16, f32)>,
}

/// A node: rows whose weighted sum is at most the offset go left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Plane {
    /// The terms of the cut, from the first up to the last one excluded; none of a leaf.
    first: u32,
    last: u32,
    offset: f32,
    left: u32,
    /// The path length that it stands for as a leaf.
    path: f32,
}

impl ExtendedIsolation {
    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// 2^(-E(h) / c(n)), Liu 2008 equation 2.
    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let scale = -1.0 / (self.trees.len() as f64 * average_path(f64::from(self.sample)).max(f64::MIN_POSITIVE));
        let block = |rows: &[f32]| {
            let rows: Vec<&[f32]> = rows.chunks_exact(self.width()).collect();
            let mut paths = vec![0.0f64; rows.len()];
            // Tree by tree, so that a tree stays in the cache for a block of rows.
            for tree in &self.trees {
                paths.iter_mut().zip(&rows).for_each(|(sum, row)| *sum += f64::from(tree.path(row)));
            }
            paths.into_iter().map(|path| (path * scale).exp2() as f32).collect::<Vec<f32>>()
        };
        matrix.values().par_chunks(self.width() * BLOCK).flat_map_iter(block).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let trees = self.trees.len();
        if self.width() != width || trees == 0 || trees > MAX_TREES as usize || !(1..=MAX_SAMPLE).contains(&self.sample)
        {
            return Err(Error::Damaged(format!(
                "an extended isolation forest of {trees} trees on {} rows",
                self.sample
            )));
        }
        self.trees.iter().try_for_each(|tree| tree.check(width))
    }
}

impl Slanted {
    fn grow(matrix: &Matrix, rows: &mut [usize], height: u32, terms: usize, random: &mut impl Rng) -> Slanted {
        let mut tree = Slanted { nodes: vec![Plane::leaf(path(0, rows.len()))], terms: Vec::new() };
        let mut features: Vec<usize> = (0..matrix.width()).collect();
        let mut open = vec![(0, 0, 0..rows.len())];
        while let Some((place, depth, range)) = open.pop() {
            let part = &mut rows[range.clone()];
            if depth == height || part.len() < 2 {
                continue;
            }
            let first = tree.terms.len();
            let Some(offset) = slant(matrix, part, &mut features, terms, &mut tree.terms, random) else { continue };
            let cut = &tree.terms[first..];
            let middle = move_left(part, |row| sum(cut, matrix.row(row)) <= offset);
            let left = tree.nodes.len();
            let node = &mut tree.nodes[place];
            (node.first, node.last) = (first as u32, tree.terms.len() as u32);
            (node.offset, node.left) = (offset, left as u32);
            let sides = [middle, part.len() - middle];
            tree.nodes.extend(sides.map(|rows| Plane::leaf(path(depth + 1, rows))));
            open.push((left + 1, depth + 1, range.start + middle..range.end));
            open.push((left, depth + 1, range.start..range.start + middle));
        }
        tree
    }

    /// The path length of a row.
    fn path(&self, row: &[f32]) -> f32 {
        let mut node = &self.nodes[0];
        while node.first < node.last {
            let cut = &self.terms[node.first as usize..node.last as usize];
            let right = usize::from(sum(cut, row) > node.offset);
            node = &self.nodes[node.left as usize + right];
        }
        node.path
    }

    fn check(&self, width: usize) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Damaged(format!("a slanted tree {why}")));
        let terms = self.terms.iter().all(|(feature, weight)| usize::from(*feature) < width && weight.is_finite());
        if self.nodes.is_empty() || !terms {
            return refuse("asks for a value that rows do not have");
        }
        for (place, node) in self.nodes.iter().enumerate() {
            let leaf = node.first >= node.last;
            let left = node.left as usize;
            let leads = leaf || left > place && left + 1 < self.nodes.len() && node.last as usize <= self.terms.len();
            if !leads || !node.offset.is_finite() || !(0.0..=MAX_PATH).contains(&node.path) {
                return refuse("has a node that leads nowhere");
            }
        }
        Ok(())
    }
}

impl Plane {
    fn leaf(path: f32) -> Plane {
        Plane { first: 0, last: 0, offset: 0.0, left: 0, path }
    }
}

/// Adds the terms of a plane through a point drawn between the least and the largest values of the rows, in a direction
/// drawn at random, each feature weighing as one would that had the same spread (features that do not differ are left
/// out); tells its offset. `None` where all rows are equal.
fn slant(
    matrix: &Matrix,
    rows: &[usize],
    features: &mut [usize],
    count: usize,
    terms: &mut Vec<(u16, f32)>,
    random: &mut impl Rng,
) -> Option<f32> {
    let (first, mut offset) = (terms.len(), 0.0);
    for drawn in 0..features.len() {
        if terms.len() - first == count {
            break;
        }
        let other = random.random_range(drawn..features.len());
        features.swap(drawn, other);
        let feature = features[drawn];
        let values = rows.iter().map(|&row| matrix.row(row)[feature]);
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low < high {
            let weight = normal(random) as f32;
            let share: f64 = random.random();
            offset += f64::from(weight) * (f64::from(low) * (1.0 - share) + f64::from(high) * share);
            terms.push((feature as u16, weight));
        }
    }
    (terms.len() > first).then(|| (offset as f32).clamp(f32::MIN, f32::MAX))
}

/// The weighted sum of a row.
fn sum(cut: &[(u16, f32)], row: &[f32]) -> f32 {
    cut.iter().map(|&(feature, weight)| weight * row[usize::from(feature)]).sum()
}

/// A number of the standard normal distribution (Box and Muller 1958).
fn normal(random: &mut impl Rng) -> f64 {
    let (radius, turn): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
}

const BLOCK: usize = 512;
const MAX_SAMPLE: u32 = 1 << 18;
const MAX_TERMS: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// A diagonal band; what lies beside it is odd in both features together and in neither alone (Hariri 2019 s.2).
    #[test]
    fn rows_beside_a_slanted_band_stand_out_more_than_rows_on_it() {
        let wave = |row: usize, step: f32| (row as f32 * step).sin();
        let band = |row: usize| [10.0 * wave(row, 0.7), 10.0 * wave(row, 0.7) + 0.5 * wave(row, 1.3)];
        let matrix = Matrix::new(2, (0..1000).flat_map(band).collect()).unwrap();
        let forest = ExtendedIsolationForest::default().fit(&matrix, 1);
        let scores = forest.scores(&Matrix::new(2, vec![3.0, 3.0, 6.0, -6.0]).unwrap());
        assert!(scores[1] > scores[0] + 0.1, "{scores:?}");
    }

    #[test]
    fn equal_rows_score_one_half() {
        let matrix = Matrix::new(1, vec![4.0; 300]).unwrap();
        for score in ExtendedIsolationForest::default().fit(&matrix, 1).scores(&matrix) {
            assert!((score - 0.5).abs() < 1e-6, "{score}");
        }
    }
}
