//! A tree of random cuts that rows enter and leave.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// A robust random cut tree (Guha 2016 s.2) on at most so many points as have been in it at one time.
///
/// It is distributed as a tree that was grown anew on the points that are in it, whatever went in and out before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub(super) struct CutTree {
    width: u32,
    root: Option<Child>,
    splits: Vec<Split>,
    /// The bounding box of the points below each split: the least values, then the largest. Told by the points.
    #[serde(skip)]
    boxes: Vec<f32>,
    /// How many equal points are in each leaf, and which.
    counts: Vec<u32>,
    points: Vec<f32>,
    /// Places that nothing is in, the next to be used last.
    free_splits: Vec<u32>,
    free_leaves: Vec<u32>,
}

/// What is saved of a tree.
#[derive(Deserialize)]
struct Saved {
    width: u32,
    root: Option<Child>,
    splits: Vec<Split>,
    counts: Vec<u32>,
    points: Vec<f32>,
    free_splits: Vec<u32>,
    free_leaves: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Child {
    Split(u32),
    Leaf(u32),
}

/// Points whose value is at most the threshold are left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Split {
    feature: u32,
    threshold: f32,
    left: Child,
    right: Child,
    /// The points below.
    mass: u32,
}

impl CutTree {
    pub(super) fn new(width: usize) -> CutTree {
        CutTree {
            width: width as u32,
            root: None,
            splits: Vec::new(),
            boxes: Vec::new(),
            counts: Vec::new(),
            points: Vec::new(),
            free_splits: Vec::new(),
            free_leaves: Vec::new(),
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// The number of points in it.
    pub(super) fn mass(&self) -> u32 {
        self.root.map_or(0, |root| self.mass_of(root))
    }

    /// How many points are in a leaf; 0 where there is no such leaf.
    pub(super) fn count(&self, leaf: u32) -> u32 {
        self.counts.get(leaf as usize).copied().unwrap_or(0)
    }

    /// Puts a point in (Guha 2016, algorithm InsertPoint); tells its leaf.
    pub(super) fn insert(&mut self, point: &[f32], random: &mut impl Rng) -> u32 {
        let Some(root) = self.root else {
            let leaf = self.new_leaf(point);
            self.root = Some(Child::Leaf(leaf));
            return leaf;
        };
        let (mut at, mut above) = (root, None);
        loop {
            if let Child::Leaf(leaf) = at
                && self.point(leaf) == point
            {
                self.counts[leaf as usize] += 1;
                return leaf;
            }
            let (feature, threshold) = self.draw(at, point, random);
            let (low, high) = self.bounds(at);
            let is_left = point[feature] <= threshold && threshold < low[feature];
            let is_right = high[feature] <= threshold && threshold < point[feature];
            let Child::Split(split) = at else { return self.part(at, above, feature, threshold, point, is_left) };
            if is_left || is_right {
                return self.part(at, above, feature, threshold, point, is_left);
            }
            self.stretch(split, point);
            self.splits[split as usize].mass += 1;
            above = Some((split, self.goes_left(split, point)));
            at = self.child(split, point);
        }
    }

    /// Takes a point out of its leaf (Guha 2016, algorithm ForgetPoint).
    pub(super) fn remove(&mut self, leaf: u32) {
        let point = self.point(leaf).to_vec();
        let mut path = Vec::new();
        let mut at = self.root;
        while let Some(Child::Split(split)) = at {
            self.splits[split as usize].mass -= 1;
            path.push(split);
            at = Some(self.child(split, &point));
        }
        self.counts[leaf as usize] -= 1;
        if self.counts[leaf as usize] > 0 {
            return;
        }
        match path.pop() {
            None => self.root = None,
            Some(parent) => {
                let Split { left, right, .. } = self.splits[parent as usize];
                let sibling = if left == Child::Leaf(leaf) { right } else { left };
                let above = path.last().map(|&split| (split, self.goes_left(split, &point)));
                self.hang(above, sibling);
                self.splits[parent as usize] = EMPTY;
                let sides = 2 * self.width();
                self.boxes[parent as usize * sides..][..sides].fill(0.0);
                self.free_splits.push(parent);
            }
        }
        let width = self.width();
        self.points[leaf as usize * width..][..width].fill(0.0);
        self.free_leaves.push(leaf);
        path.into_iter().rev().for_each(|split| self.rebound(split));
    }

    /// How many points a point would displace, as a share of all: the collusive displacement of Guha 2016 s.3, the
    /// largest over the groups that hold it of the points beside the group for each one in it. Expected over the cuts
    /// that could set it apart, so that no random number is needed and the tree stays as it is.
    pub(super) fn displacement(&self, point: &[f32]) -> f64 {
        let Some(mut at) = self.root else { return 0.0 };
        let (mut expected, mut reached, mut most) = (0.0, 1.0, 0.0f64);
        loop {
            match at {
                Child::Leaf(leaf) => {
                    let own = if self.point(leaf) == point { 0.0 } else { f64::from(self.count(leaf)) };
                    expected += reached * most.max(own);
                    return (expected / f64::from(self.mass())).min(1.0);
                }
                Child::Split(split) => {
                    let (low, high) = self.bounds(at);
                    let (mut inside, mut outside) = (0.0, 0.0);
                    for ((&low, &high), &value) in low.iter().zip(high).zip(point) {
                        let (low, high, value) = (f64::from(low), f64::from(high), f64::from(value));
                        inside += high - low;
                        outside += (low - value).max(value - high).max(0.0);
                    }
                    // A box of a split has two different points, so that something is inside.
                    let cut = outside / (inside + outside);
                    let Split { left, right, mass, .. } = self.splits[split as usize];
                    expected += reached * cut * most.max(f64::from(mass));
                    reached *= 1.0 - cut;
                    at = if self.goes_left(split, point) { left } else { right };
                    let with = self.mass_of(at);
                    most = most.max(f64::from(mass - with) / f64::from(with + 1));
                }
            }
        }
    }

    fn mass_of(&self, child: Child) -> u32 {
        match child {
            Child::Split(split) => self.splits[split as usize].mass,
            Child::Leaf(leaf) => self.counts[leaf as usize],
        }
    }

    fn point(&self, leaf: u32) -> &[f32] {
        &self.points[leaf as usize * self.width()..][..self.width()]
    }

    /// The least and the largest values below.
    fn bounds(&self, child: Child) -> (&[f32], &[f32]) {
        match child {
            Child::Leaf(leaf) => (self.point(leaf), self.point(leaf)),
            Child::Split(split) => {
                self.boxes[split as usize * 2 * self.width()..][..2 * self.width()].split_at(self.width())
            }
        }
    }

    fn goes_left(&self, split: u32, point: &[f32]) -> bool {
        let Split { feature, threshold, .. } = self.splits[split as usize];
        point[feature as usize] <= threshold
    }

    fn child(&self, split: u32, point: &[f32]) -> Child {
        let Split { left, right, .. } = self.splits[split as usize];
        if self.goes_left(split, point) { left } else { right }
    }

    /// A cut drawn evenly over the sides of the box around what is below and the point, which are not all equal.
    fn draw(&self, at: Child, point: &[f32], random: &mut impl Rng) -> (usize, f32) {
        let (low, high) = self.bounds(at);
        let side = |feature: usize| (low[feature].min(point[feature]), high[feature].max(point[feature]));
        let length = |feature: usize| f64::from(side(feature).1) - f64::from(side(feature).0);
        let total: f64 = (0..point.len()).map(length).sum();
        let mut left = random.random::<f64>() * total;
        let mut last = (0, 0.0);
        for feature in (0..point.len()).filter(|&feature| length(feature) > 0.0) {
            let (low, high) = side(feature);
            let threshold = ((f64::from(low) + left) as f32).clamp(low, high.next_down());
            if left < length(feature) {
                return (feature, threshold);
            }
            left -= length(feature);
            last = (feature, threshold);
        }
        last
    }

    /// Sets the point apart from what was at a place.
    fn part(
        &mut self,
        at: Child,
        above: Option<(u32, bool)>,
        feature: usize,
        threshold: f32,
        point: &[f32],
        is_left: bool,
    ) -> u32 {
        let mass = self.mass_of(at) + 1;
        let leaf = self.new_leaf(point);
        let (left, right) = if is_left { (Child::Leaf(leaf), at) } else { (at, Child::Leaf(leaf)) };
        let split = Split { feature: feature as u32, threshold, left, right, mass };
        let place = match self.free_splits.pop() {
            Some(place) => place,
            None => {
                self.splits.push(EMPTY);
                self.boxes.resize(self.splits.len() * 2 * self.width(), 0.0);
                self.splits.len() as u32 - 1
            }
        };
        self.splits[place as usize] = split;
        self.rebound(place);
        self.hang(above, Child::Split(place));
        leaf
    }

    fn hang(&mut self, above: Option<(u32, bool)>, child: Child) {
        match above {
            None => self.root = Some(child),
            Some((split, true)) => self.splits[split as usize].left = child,
            Some((split, false)) => self.splits[split as usize].right = child,
        }
    }

    fn new_leaf(&mut self, point: &[f32]) -> u32 {
        let width = self.width();
        match self.free_leaves.pop() {
            Some(leaf) => {
                self.counts[leaf as usize] = 1;
                self.points[leaf as usize * width..][..width].copy_from_slice(point);
                leaf
            }
            None => {
                self.counts.push(1);
                self.points.extend_from_slice(point);
                self.counts.len() as u32 - 1
            }
        }
    }

    fn stretch(&mut self, split: u32, point: &[f32]) {
        let width = self.width();
        let (low, high) = self.boxes[split as usize * 2 * width..][..2 * width].split_at_mut(width);
        low.iter_mut().zip(point).for_each(|(low, &value)| *low = low.min(value));
        high.iter_mut().zip(point).for_each(|(high, &value)| *high = high.max(value));
    }

    /// The box of a split from those of its children.
    fn rebound(&mut self, split: u32) {
        let Split { left, right, .. } = self.splits[split as usize];
        let (left, right) = (self.bounds(left), self.bounds(right));
        let low = left.0.iter().zip(right.0).map(|(one, other)| one.min(*other));
        let high = left.1.iter().zip(right.1).map(|(one, other)| one.max(*other));
        let sides: Vec<f32> = low.chain(high).collect();
        self.boxes[split as usize * sides.len()..][..sides.len()].copy_from_slice(&sides);
    }
}

/// Refuses what no points can have made: bytes from outside.
impl TryFrom<Saved> for CutTree {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<CutTree, &'static str> {
        let Saved { width, root, splits, counts, points, free_splits, free_leaves } = saved;
        let sized = width > 0 && counts.len().checked_mul(width as usize) == Some(points.len());
        if !sized || splits.len() > counts.len() || !points.iter().all(|value| value.is_finite()) {
            return Err("a random cut tree of the wrong size");
        }
        let boxes = vec![0.0; splits.len() * 2 * width as usize];
        let mut tree = CutTree { width, root, splits, boxes, counts, points, free_splits, free_leaves };
        let (mut is_split_used, mut is_leaf_used) = (vec![false; tree.splits.len()], vec![false; tree.counts.len()]);
        let (mut open, mut order) = (Vec::from_iter(tree.root), Vec::new());
        while let Some(child) = open.pop() {
            let used = match child {
                Child::Leaf(leaf) => is_leaf_used.get_mut(leaf as usize).filter(|_| tree.count(leaf) > 0),
                Child::Split(split) => is_split_used.get_mut(split as usize),
            };
            if std::mem::replace(used.ok_or(BROKEN)?, true) {
                return Err(BROKEN);
            }
            if let Child::Split(split) = child {
                let Split { feature, left, right, .. } = tree.splits[split as usize];
                if feature >= width {
                    return Err(BROKEN);
                }
                open.extend([left, right]);
                order.push(split);
            }
        }
        let is_whole = |used: &mut [bool], free: &[u32]| {
            let new = |&place: &u32| used.get_mut(place as usize).is_some_and(|used| !std::mem::replace(used, true));
            free.iter().all(new) && used.iter().all(|used| *used)
        };
        if !is_whole(&mut is_split_used, &tree.free_splits) || !is_whole(&mut is_leaf_used, &tree.free_leaves) {
            return Err(BROKEN);
        }
        // Children come after their parents.
        for split in order.into_iter().rev() {
            tree.rebound(split);
            let Split { feature, threshold, left, right, mass } = tree.splits[split as usize];
            let feature = feature as usize;
            let apart = tree.bounds(left).1[feature] <= threshold && threshold < tree.bounds(right).0[feature];
            if !apart || tree.mass_of(left).checked_add(tree.mass_of(right)) != Some(mass) {
                return Err(BROKEN);
            }
        }
        Ok(tree)
    }
}

const BROKEN: &str = "a random cut tree that is none";
const EMPTY: Split = Split { feature: 0, threshold: 0.0, left: Child::Leaf(0), right: Child::Leaf(0), mass: 0 };

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn a_tree_that_points_came_and_went_from_is_sound_and_has_what_stayed() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let mut tree = CutTree::new(2);
        let mut leaves = Vec::new();
        for round in 0..2000 {
            if leaves.len() > 30 || round % 7 == 6 && !leaves.is_empty() {
                let place = random.random_range(0..leaves.len());
                tree.remove(leaves.swap_remove(place));
            }
            let point = [random.random_range(0..6) as f32, random.random_range(0..4) as f32];
            leaves.push(tree.insert(&point, &mut random));
            assert_eq!(tree.mass() as usize, leaves.len());
            let bytes = postcard::to_stdvec(&tree).unwrap();
            assert_eq!(postcard::from_bytes::<CutTree>(&bytes).unwrap(), tree);
        }
        assert!(tree.counts.len() <= 24 && tree.splits.len() < 24);
        leaves.into_iter().for_each(|leaf| tree.remove(leaf));
        assert_eq!(tree.mass(), 0);
    }

    #[test]
    fn a_point_far_from_all_displaces_all_and_one_among_its_like_few() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let mut tree = CutTree::new(1);
        (0..64).for_each(|at| {
            tree.insert(&[at as f32], &mut random);
        });
        assert!(tree.displacement(&[1e6]) > 0.99);
        assert!(tree.displacement(&[31.5]) < 0.3, "{}", tree.displacement(&[31.5]));
    }
}
