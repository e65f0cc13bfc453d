//! A small tree evaluated for all rows of a block at once.

use super::super::tree::{Cut, Node, Tree};
use super::BLOCK;

/// The nodes of a tree as steps from the leaves up: each step chooses, for every row, between what was chosen on its
/// left and on its right. No row waits for another and nothing is looked up, so that a processor takes sixteen rows in
/// one instruction.
pub(super) struct Blend {
    steps: Vec<Step>,
    /// The places of the leaves in the tree, and what they are worth where that is one number.
    leaves: Vec<u32>,
    values: Box<[f32; 256]>,
    buffers: usize,
}

struct Step {
    /// Which code of a row is compared, and with what: above it goes right.
    code: u32,
    cut: u8,
    left: Choice,
    right: Choice,
    /// The buffer for what was chosen.
    into: u8,
}

#[derive(Clone, Copy)]
enum Choice {
    Leaf(u8),
    /// What was chosen before, on the left in the buffer that is written, on the right in the one that is free then.
    Before,
}

impl Blend {
    /// Whether a tree is small enough, and more than a leaf.
    pub(super) fn fits(tree: &Tree) -> bool {
        (2..=MOST_LEAVES).contains(&tree.leaves()) && depth(tree) <= MOST_BUFFERS
    }

    /// `code` tells which code a node compares, and with what.
    pub(super) fn new(tree: &Tree, code: impl Fn(&Node) -> Option<(usize, u8)>) -> Option<Blend> {
        if !Blend::fits(tree) {
            return None;
        }
        let mut blend = Blend { steps: Vec::new(), leaves: Vec::new(), values: Box::new([0.0; 256]), buffers: 0 };
        blend.plan(tree, 0, 0, &code)?;
        Some(blend)
    }

    /// Plans what is below a node, using buffers from this one on.
    fn plan(
        &mut self,
        tree: &Tree,
        place: usize,
        buffer: u8,
        code: &impl Fn(&Node) -> Option<(usize, u8)>,
    ) -> Option<Choice> {
        let Some([left, right]) = tree.children(place) else {
            let number = self.leaves.len() as u8;
            self.leaves.push(place as u32);
            self.values[usize::from(number)] = tree.value(place)[0];
            return Some(Choice::Leaf(number));
        };
        let left = self.plan(tree, left, buffer, code)?;
        let next = match left {
            Choice::Leaf(_) => buffer,
            Choice::Before => buffer + 1,
        };
        let right = self.plan(tree, right, next, code)?;
        let (code, cut) = code(&tree.nodes()[place])?;
        self.steps.push(Step { code: code as u32, cut, left, right, into: buffer });
        self.buffers = self.buffers.max(usize::from(buffer) + 1);
        Some(Choice::Before)
    }

    /// The buffers that it needs.
    pub(super) fn buffers(&self) -> usize {
        self.buffers
    }

    /// Adds the value of each row's leaf to its sum.
    pub(super) fn add(&self, codes: &[[u8; BLOCK]], buffers: &mut [[u8; BLOCK]], sums: &mut [f32; BLOCK]) {
        self.choose(codes, buffers);
        for (sum, &leaf) in sums.iter_mut().zip(&buffers[0]) {
            *sum += self.values[usize::from(leaf)];
        }
    }

    /// The leaf of each row.
    pub(super) fn find_all(&self, codes: &[[u8; BLOCK]], buffers: &mut [[u8; BLOCK]]) -> [u32; BLOCK] {
        self.choose(codes, buffers);
        buffers[0].map(|leaf| self.leaves[usize::from(leaf).min(self.leaves.len() - 1)])
    }

    fn choose(&self, codes: &[[u8; BLOCK]], buffers: &mut [[u8; BLOCK]]) {
        for step in &self.steps {
            let (codes, cut) = (&codes[step.code as usize], step.cut);
            // The left choice, where there is one, lies in the buffer that is written; the right one behind it.
            let (into, behind) = buffers[usize::from(step.into)..].split_at_mut(1);
            let into = &mut into[0];
            match (step.left, step.right) {
                (Choice::Leaf(left), Choice::Leaf(right)) => {
                    for (into, &code) in into.iter_mut().zip(codes) {
                        *into = if code > cut { right } else { left };
                    }
                }
                (Choice::Leaf(left), Choice::Before) => {
                    for (into, &code) in into.iter_mut().zip(codes) {
                        *into = if code > cut { *into } else { left };
                    }
                }
                (Choice::Before, Choice::Leaf(right)) => {
                    for (into, &code) in into.iter_mut().zip(codes) {
                        *into = if code > cut { right } else { *into };
                    }
                }
                (Choice::Before, Choice::Before) => {
                    for ((into, &code), &right) in into.iter_mut().zip(codes).zip(&behind[0]) {
                        // In this form no branch is made of it.
                        let mask = u8::from(code > cut).wrapping_neg();
                        *into = (right & mask) | (*into & !mask);
                    }
                }
            }
        }
    }
}

/// The deepest leaf, the root being at 0.
fn depth(tree: &Tree) -> usize {
    let mut depths = vec![0; tree.nodes().len()];
    for (place, node) in tree.nodes().iter().enumerate().filter(|(_, node)| node.cut != Cut::Leaf) {
        let left = node.left as usize;
        depths[left] = depths[place] + 1;
        depths[left + 1] = depths[place] + 1;
    }
    depths.into_iter().max().unwrap_or(0)
}

/// A leaf's number has one byte.
const MOST_LEAVES: usize = 256;
/// Deeper trees need more buffers than stay in the cache, and more calls in each other than are wise.
const MOST_BUFFERS: usize = 255;
