//! The one layout of a decision tree: grown, judged with, explained and saved as it stands here.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::encoder::MAX_WIDTH;

/// A binary tree in a flat array.
///
/// The root is node 0, the two children of a node stand side by side, and children come after their parent. Every node
/// has its cover, the training rows that reached it, and what it would be worth if it were a leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    nodes: Vec<Node>,
    /// What a row is worth that ends at a node, `outputs` numbers a node.
    values: Vec<f32>,
    outputs: u32,
    /// The sets of names that nodes ask for, each as ascending codes.
    sets: Vec<Vec<u32>>,
}

/// One node of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The position in a row of the value that is asked for; 0 of a leaf.
    pub feature: u16,
    /// Whether a row whose value is missing goes left.
    pub missing_left: bool,
    /// Which rows go left.
    pub cut: Cut,
    /// The place of the left child, the right one stands behind it; of a leaf its own place.
    pub left: u32,
    /// The training rows that reached it, as they weigh.
    pub cover: f32,
    /// By how much the split made the training rows purer, or their loss smaller; 0 of a leaf.
    pub gain: f32,
}

/// Which rows go left at a node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cut {
    /// None: it is a leaf.
    Leaf,
    /// Those whose value is at most this.
    AtMost(f32),
    /// Those whose value is a code of this set of the tree, see [`Tree::set`].
    Among(u32),
}

/// One node on the way of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The node.
    pub node: usize,
    /// The row's value there.
    pub value: f32,
    /// Whether it went left.
    pub left: bool,
}

/// How a leaf becomes a node with two leaves.
pub(super) struct Branch<'a> {
    pub(super) feature: usize,
    pub(super) missing_left: bool,
    pub(super) cut: Division,
    pub(super) gain: f64,
    /// The values and the cover of either side.
    pub(super) sides: [(&'a [f32], f64); 2],
}

/// Which values go left.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Division {
    AtMost(f32),
    /// These codes, ascending.
    Among(Vec<u32>),
}

impl Tree {
    /// A tree of a single leaf.
    pub(super) fn leaf(values: &[f32], cover: f64) -> Tree {
        let nodes = vec![Node::leaf(0, cover)];
        Tree { nodes, values: values.to_vec(), outputs: values.len() as u32, sets: Vec::new() }
    }

    /// Turns a leaf into a node with two leaves, and tells where the left one stands; `None` where the tree is full.
    pub(super) fn split(&mut self, leaf: usize, branch: Branch<'_>) -> Option<usize> {
        let left = self.nodes.len();
        if left + 2 > MAX_NODES {
            return None;
        }
        let cut = match branch.cut {
            Division::AtMost(threshold) => Cut::AtMost(threshold),
            Division::Among(codes) => {
                self.sets.push(codes);
                Cut::Among(self.sets.len() as u32 - 1)
            }
        };
        let node = &mut self.nodes[leaf];
        (node.feature, node.missing_left, node.cut) = (branch.feature as u16, branch.missing_left, cut);
        (node.left, node.gain) = (left as u32, branch.gain as f32);
        for (place, (values, cover)) in (left..).zip(branch.sides) {
            self.nodes.push(Node::leaf(place, cover));
            self.values.extend(values);
        }
        Some(left)
    }

    /// Turns a node back into a leaf; what was below it stays behind, unreachable, until [`Tree::compact`].
    pub(super) fn collapse(&mut self, place: usize) {
        self.nodes[place] = Node::leaf(place, f64::from(self.nodes[place].cover));
    }

    /// The same tree without what cannot be reached.
    pub(super) fn compact(&self) -> Tree {
        let mut tree = Tree::leaf(self.value(0), f64::from(self.nodes[0].cover));
        let mut open = vec![(0, 0)];
        while let Some((place, copy)) = open.pop() {
            let Some([left, right]) = self.children(place) else { continue };
            let node = self.nodes[place];
            let side = |place: usize| (self.value(place), f64::from(self.nodes[place].cover));
            let cut = match node.cut {
                Cut::Leaf => continue,
                Cut::AtMost(threshold) => Division::AtMost(threshold),
                Cut::Among(set) => Division::Among(self.set(set).to_vec()),
            };
            let branch = Branch {
                feature: node.feature.into(),
                missing_left: node.missing_left,
                cut,
                gain: node.gain.into(),
                sides: [side(left), side(right)],
            };
            let Some(copied) = tree.split(copy, branch) else { continue };
            open.extend([(right, copied + 1), (left, copied)]);
        }
        tree
    }

    /// The nodes, leaves included; the root is the first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The numbers that each leaf holds: one, or one a class.
    pub fn outputs(&self) -> usize {
        self.outputs as usize
    }

    /// What a row is worth that ends at a node. Panics where there is no such node.
    pub fn value(&self, node: usize) -> &[f32] {
        &self.values[node * self.outputs()..][..self.outputs()]
    }

    /// The values of every node, one after the other.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Sets what a node is worth.
    pub(super) fn set_value(&mut self, node: usize, values: &[f32]) {
        let outputs = self.outputs();
        self.values[node * outputs..][..outputs].copy_from_slice(values);
    }

    /// The codes that a node with [`Cut::Among`] sends left, ascending. Panics where there is no such set.
    pub fn set(&self, set: u32) -> &[u32] {
        &self.sets[set as usize]
    }

    /// The children of a node; `None` of a leaf.
    pub fn children(&self, node: usize) -> Option<[usize; 2]> {
        let left = self.nodes[node].left as usize;
        (self.nodes[node].cut != Cut::Leaf).then_some([left, left + 1])
    }

    /// The number of leaves.
    pub fn leaves(&self) -> usize {
        self.nodes.iter().filter(|node| node.cut == Cut::Leaf).count()
    }

    /// The way of a row from the root down to its leaf, the leaf left out. The row must be as wide as those that the
    /// tree was grown on.
    pub fn path(&self, row: &[f32]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut place = 0;
        while let Some([left, right]) = self.children(place) {
            let node = self.nodes[place];
            let value = row[usize::from(node.feature)];
            let goes_left = self.goes_left(&node, value);
            steps.push(Step { node: place, value, left: goes_left });
            place = if goes_left { left } else { right };
        }
        steps
    }

    /// The leaf where a row ends.
    pub(crate) fn find(&self, row: &[f32]) -> usize {
        let mut place = 0;
        while let Some([left, right]) = self.children(place) {
            let node = self.nodes[place];
            place = if self.goes_left(&node, row[usize::from(node.feature)]) { left } else { right };
        }
        place
    }

    pub(crate) fn goes_left(&self, node: &Node, value: f32) -> bool {
        match node.cut {
            _ if value.is_nan() => node.missing_left,
            Cut::Leaf => true,
            Cut::AtMost(threshold) => value <= threshold,
            Cut::Among(set) => is_among(self.set(set), value),
        }
    }

    /// Adds the gain of each node to that of its feature.
    pub(super) fn add_gains(&self, gains: &mut [f64]) {
        for node in self.nodes.iter().filter(|node| node.cut != Cut::Leaf) {
            gains[usize::from(node.feature)] += f64::from(node.gain);
        }
    }

    /// Refuses what no growth can have made: bytes from outside. What passes can be walked by any row of that width.
    pub(super) fn check(
        &self,
        width: usize,
        outputs: usize,
        range: std::ops::RangeInclusive<f32>,
    ) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Damaged(format!("a tree {why}")));
        let nodes = self.nodes.len();
        if nodes == 0 || nodes > MAX_NODES || self.outputs() != outputs || self.values.len() != nodes * outputs {
            return refuse("has an impossible size");
        }
        if !self.values.iter().all(|value| range.contains(value)) {
            return refuse("holds a value out of range");
        }
        if !self.nodes.iter().all(|node| node.cover.is_finite() && node.cover >= 0.0 && node.gain.is_finite()) {
            return refuse("holds an impossible cover or gain");
        }
        if !self.sets.iter().all(|set| set.is_sorted_by(|one, next| one < next)) {
            return refuse("holds unsorted names");
        }
        let mut depths = vec![0u32; nodes];
        for (place, node) in self.nodes.iter().enumerate() {
            let sound = match node.cut {
                Cut::Leaf => true,
                Cut::AtMost(threshold) => threshold.is_finite(),
                Cut::Among(set) => (set as usize) < self.sets.len(),
            };
            let left = node.left as usize;
            if !sound || usize::from(node.feature) >= width {
                return refuse("asks for a value that rows do not have");
            }
            if node.cut == Cut::Leaf {
                if left != place {
                    return refuse("has a leaf that leads elsewhere");
                }
                continue;
            }
            if left <= place || left + 1 >= nodes {
                return refuse("has a child that is not after its parent");
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
    fn leaf(place: usize, cover: f64) -> Node {
        Node { feature: 0, missing_left: true, cut: Cut::Leaf, left: place as u32, cover: cover as f32, gain: 0.0 }
    }
}

/// The share of each feature in the gains of all splits, summing up to 1; all 0 where nothing was split.
pub(super) fn importances(trees: &[Tree], width: usize) -> Vec<f64> {
    let mut gains = vec![0.0; width];
    trees.iter().for_each(|tree| tree.add_gains(&mut gains));
    let total: f64 = gains.iter().sum();
    if total > 0.0 {
        gains.iter_mut().for_each(|gain| *gain /= total);
    }
    gains
}

/// Whether a value is one of these codes.
pub(crate) fn is_among(codes: &[u32], value: f32) -> bool {
    value >= 0.0 && value.fract() == 0.0 && codes.binary_search(&(value as u32)).is_ok()
}

/// The most nodes of one tree; growth stops there.
pub(super) const MAX_NODES: usize = 1 << 19;
/// The deepest leaf; growth stops there.
pub(super) const MAX_DEPTH: u32 = 1000;
const _: () = assert!(MAX_WIDTH <= u16::MAX as usize);

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn branch<'a>(feature: usize, cut: Division, sides: [&'a [f32]; 2]) -> Branch<'a> {
        Branch { feature, missing_left: false, cut, gain: 1.0, sides: sides.map(|values| (values, 1.0)) }
    }

    /// x0 <= 1 → 10; else x1 among 2, 4 → 20 or 30.
    pub(crate) fn tree() -> Tree {
        let mut tree = Tree::leaf(&[0.0], 2.0);
        let left = tree.split(0, branch(0, Division::AtMost(1.0), [&[10.0], &[0.0]])).unwrap();
        tree.split(left + 1, branch(1, Division::Among(vec![2, 4]), [&[20.0], &[30.0]])).unwrap();
        tree
    }

    #[test]
    fn a_row_ends_where_its_values_lead() {
        let value = |row: [f32; 2]| tree().value(tree().find(&row))[0];
        assert_eq!((value([1.0, 9.0]), value([2.0, 2.0]), value([2.0, 3.0])), (10.0, 20.0, 30.0));
        // Missing values go right here, and no fraction is a name.
        assert_eq!((value([f32::NAN, 4.0]), value([2.0, 2.5]), value([2.0, -1.0])), (20.0, 30.0, 30.0));
        let path = tree().path(&[2.0, 4.0]);
        assert_eq!(path.iter().map(|step| (step.node, step.left)).collect::<Vec<_>>(), [(0, false), (2, true)]);
    }

    #[test]
    fn a_collapsed_node_takes_what_was_below_it_away() {
        let mut pruned = tree();
        pruned.collapse(2);
        let pruned = pruned.compact();
        assert_eq!((pruned.nodes().len(), pruned.leaves()), (3, 2));
        assert_eq!(pruned.value(pruned.find(&[2.0, 4.0])), [0.0]);
        assert_eq!(tree().compact(), tree());
    }

    #[test]
    fn a_tree_with_a_loop_or_a_wild_index_is_refused() {
        assert_eq!(tree().check(2, 1, 0.0..=30.0), Ok(()));
        assert!(tree().check(1, 1, 0.0..=30.0).is_err());
        assert!(tree().check(2, 2, 0.0..=30.0).is_err());
        assert!(tree().check(2, 1, 0.0..=29.0).is_err());
        for left in [0, 1, 4, 100] {
            let mut broken = tree();
            broken.nodes[2].left = left;
            assert!(broken.check(2, 1, 0.0..=30.0).is_err(), "{left}");
        }
        let mut broken = tree();
        broken.nodes[2].cut = Cut::Among(1);
        assert!(broken.check(2, 1, 0.0..=30.0).is_err());
    }
}
