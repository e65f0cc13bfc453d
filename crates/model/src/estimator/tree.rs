//! The one layout of a decision tree, for growing, walking, saving and explaining.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::encoder::MAX_WIDTH;

/// A binary tree in a flat array: a row walks left where its value is at most the threshold.
///
/// The root is node 0, the two children of a node stand side by side, and children come after their parent. A leaf
/// leads to itself, so that many rows can walk in step without asking whether they have arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    nodes: Vec<Node>,
    /// One a node: what a row that ends there is worth.
    values: Vec<f32>,
}

/// One node in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    threshold: f32,
    /// The feature in the upper twelve bits, the left child in the lower twenty.
    link: u32,
}

impl Tree {
    /// A tree of a single leaf.
    pub(super) fn leaf(value: f32) -> Tree {
        Tree { nodes: vec![Node::leaf(0)], values: vec![value] }
    }

    /// Turns a leaf into a node with two leaves, and tells where the left one stands; `None` where the tree is full.
    pub(super) fn split(&mut self, leaf: usize, feature: usize, threshold: f32, values: [f32; 2]) -> Option<usize> {
        let left = self.nodes.len();
        if left + 2 > MAX_NODES {
            return None;
        }
        self.nodes[leaf] = Node { threshold, link: (feature as u32) << CHILD_BITS | left as u32 };
        self.nodes.extend([Node::leaf(left), Node::leaf(left + 1)]);
        self.values.extend(values);
        Some(left)
    }

    /// The number of nodes, leaves included.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Adds the value of each row's leaf to its sum. `rows` holds one row after the other.
    pub(super) fn add(&self, rows: &[f32], width: usize, sums: &mut [f64]) {
        let (nodes, values) = (self.nodes.as_slice(), self.values.as_slice());
        let mut groups = rows.chunks_exact(width * LANES);
        let mut group_sums = sums.chunks_exact_mut(LANES);
        for (group, sums) in groups.by_ref().zip(group_sums.by_ref()) {
            let mut at = [0u32; LANES];
            loop {
                let mut moved = 0;
                for lane in 0..LANES {
                    let node = nodes[at[lane] as usize];
                    let next = node.next(group[lane * width + node.feature()]);
                    moved |= next ^ at[lane];
                    at[lane] = next;
                }
                if moved == 0 {
                    break;
                }
            }
            for (sum, at) in sums.iter_mut().zip(at) {
                *sum += f64::from(values[at as usize]);
            }
        }
        for (row, sum) in groups.remainder().chunks_exact(width).zip(group_sums.into_remainder()) {
            *sum += f64::from(values[self.find(row)]);
        }
    }

    /// The leaf where a row ends.
    fn find(&self, row: &[f32]) -> usize {
        let mut at = 0;
        loop {
            let node = self.nodes[at];
            let next = node.next(row[node.feature()]) as usize;
            if next == at {
                return at;
            }
            at = next;
        }
    }

    /// Refuses what no growth can have made: bytes from outside. What passes can be walked by any row of that width.
    pub(super) fn check(&self, width: usize, values: std::ops::RangeInclusive<f32>) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Damaged(format!("a tree {why}")));
        if self.nodes.is_empty() || self.nodes.len() > MAX_NODES || self.nodes.len() != self.values.len() {
            return refuse("has an impossible size");
        }
        if !self.values.iter().all(|value| values.contains(value)) {
            return refuse("holds a value out of range");
        }
        let mut depths = vec![0u32; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            if *node == Node::leaf(place) {
                continue;
            }
            let left = node.left();
            if left <= place || left + 1 >= self.nodes.len() {
                return refuse("has a child that is not after its parent");
            }
            if node.feature() >= width || !node.threshold.is_finite() {
                return refuse("asks for a value that rows do not have");
            }
            let depth = depths[place] + 1;
            if depth > MAX_DEPTH {
                return refuse("is too deep");
            }
            depths[left] = depths[left].max(depth);
            depths[left + 1] = depths[left + 1].max(depth);
        }
        Ok(())
    }
}

impl Node {
    fn leaf(place: usize) -> Node {
        Node { threshold: f32::INFINITY, link: place as u32 }
    }

    fn feature(self) -> usize {
        (self.link >> CHILD_BITS) as usize
    }

    fn left(self) -> usize {
        (self.link & MAX_CHILD) as usize
    }

    fn next(self, value: f32) -> u32 {
        (self.link & MAX_CHILD) + u32::from(value > self.threshold)
    }
}

/// Adds the sum of all trees for each row, block of rows by block, so that a tree stays in the cache for a block.
pub(super) fn sum(trees: &[Tree], values: &[f32], width: usize) -> Vec<f64> {
    use rayon::prelude::*;
    let mut sums = vec![0.0; values.len() / width];
    let blocks = values.par_chunks(width * BLOCK).zip(sums.par_chunks_mut(BLOCK));
    blocks.for_each(|(rows, sums)| trees.iter().for_each(|tree| tree.add(rows, width, sums)));
    sums
}

/// Rows that walk in step: enough to hide the wait for memory, few enough for the registers.
const LANES: usize = 8;
const BLOCK: usize = 1024;
const CHILD_BITS: u32 = 20;
const MAX_CHILD: u32 = (1 << CHILD_BITS) - 1;
/// The most nodes of one tree; growth stops there.
pub(super) const MAX_NODES: usize = 1 << CHILD_BITS;
/// The deepest leaf; growth stops there.
pub(super) const MAX_DEPTH: u32 = 1000;
const _: () = assert!(MAX_WIDTH <= 1 << (32 - CHILD_BITS));

#[cfg(test)]
mod tests {
    use super::*;

    /// x0 <= 1 → 10; else x1 <= 2 → 20 or 30.
    fn tree() -> Tree {
        let mut tree = Tree::leaf(0.0);
        let left = tree.split(0, 0, 1.0, [10.0, 0.0]).unwrap();
        tree.split(left + 1, 1, 2.0, [20.0, 30.0]).unwrap();
        tree
    }

    #[test]
    fn every_row_of_a_batch_ends_where_it_ends_alone() {
        let rows: Vec<f32> = (0..19).flat_map(|row| [(row % 3) as f32, (row % 5) as f32]).collect();
        let sums = sum(&[tree()], &rows, 2);
        for (row, sum) in rows.chunks(2).zip(&sums) {
            let expected = if row[0] <= 1.0 {
                10.0
            } else if row[1] <= 2.0 {
                20.0
            } else {
                30.0
            };
            assert_eq!((*sum, tree().values[tree().find(row)]), (expected, expected as f32));
        }
    }

    #[test]
    fn a_tree_with_a_loop_or_a_wild_index_is_refused() {
        assert_eq!(tree().check(2, 0.0..=30.0), Ok(()));
        assert!(tree().check(1, 0.0..=30.0).is_err());
        assert!(tree().check(2, 0.0..=29.0).is_err());
        for link in [0, 1, 4, 1 << CHILD_BITS, u32::MAX] {
            let mut broken = tree();
            broken.nodes[2].link = link;
            assert!(broken.check(2, 0.0..=30.0).is_err(), "{link}");
        }
    }
}
