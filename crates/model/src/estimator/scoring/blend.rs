//! A small tree evaluated for all rows of a block at once.

use super::super::tree::{Cut, Node, Tree};
use super::BLOCK;

/// The nodes of a tree as steps from the leaves up: each step chooses, for every row, between what was chosen on its
/// left and on its right. No row waits for another and nothing is looked up, so that a processor takes sixteen rows in
/// one instruction.
///
/// Instructions that this machine has and others may not are used where they are there; as all numbers are whole, the
/// choices are the same everywhere.
pub(super) struct Blend {
    steps: Vec<Step>,
    /// The places of the leaves in the tree.
    leaves: Vec<u32>,
    /// What the leaves are worth, where that is one number.
    values: Vec<f32>,
    buffers: usize,
}

/// Room for the choices of a block of rows, leaves numbered in one byte or in two.
#[derive(Default)]
pub(super) struct Buffers {
    narrow: Vec<[u8; BLOCK]>,
    wide: Vec<[u16; BLOCK]>,
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
    Leaf(u16),
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
        let mut blend = Blend { steps: Vec::new(), leaves: Vec::new(), values: Vec::new(), buffers: 0 };
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
            self.leaves.push(place as u32);
            self.values.push(tree.value(place)[0]);
            return Some(Choice::Leaf(self.leaves.len() as u16 - 1));
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

    /// Adds the value of each row's leaf to its sum.
    pub(super) fn add(&self, codes: &[[u8; BLOCK]], buffers: &mut Buffers, sums: &mut [f32; BLOCK]) {
        let value = |leaf: usize| self.values[leaf];
        if self.is_narrow() {
            self.choose(codes, &mut buffers.narrow);
            sums.iter_mut().zip(&buffers.narrow[0]).for_each(|(sum, &leaf)| *sum += value(leaf.into()));
        } else {
            self.choose(codes, &mut buffers.wide);
            sums.iter_mut().zip(&buffers.wide[0]).for_each(|(sum, &leaf)| *sum += value(leaf.into()));
        }
    }

    /// The leaf of each row.
    pub(super) fn find_all(&self, codes: &[[u8; BLOCK]], buffers: &mut Buffers) -> [u32; BLOCK] {
        if self.is_narrow() {
            self.choose(codes, &mut buffers.narrow);
            buffers.narrow[0].map(|leaf| self.leaves[usize::from(leaf)])
        } else {
            self.choose(codes, &mut buffers.wide);
            buffers.wide[0].map(|leaf| self.leaves[usize::from(leaf)])
        }
    }

    fn is_narrow(&self) -> bool {
        self.leaves.len() <= 256
    }

    fn choose<L: Number>(&self, codes: &[[u8; BLOCK]], buffers: &mut Vec<[L; BLOCK]>) {
        if buffers.len() < self.buffers {
            buffers.resize(self.buffers, [L::of(0); BLOCK]);
        }
        pulp::Arch::new().dispatch(Choosing { steps: &self.steps, codes, buffers });
    }
}

/// A leaf's number.
trait Number: Copy {
    fn of(leaf: u16) -> Self;
    /// The first of two where so, else the second, by bits: no branch is made of it.
    fn either(so: bool, first: Self, second: Self) -> Self;
}

impl Number for u8 {
    #[inline(always)]
    fn of(leaf: u16) -> u8 {
        leaf as u8
    }

    #[inline(always)]
    fn either(so: bool, first: u8, second: u8) -> u8 {
        let mask = u8::from(so).wrapping_neg();
        (first & mask) | (second & !mask)
    }
}

impl Number for u16 {
    #[inline(always)]
    fn of(leaf: u16) -> u16 {
        leaf
    }

    #[inline(always)]
    fn either(so: bool, first: u16, second: u16) -> u16 {
        let mask = u16::from(so).wrapping_neg();
        (first & mask) | (second & !mask)
    }
}

/// The steps of a tree for a block of rows; compiled once for each set of instructions.
struct Choosing<'a, L> {
    steps: &'a [Step],
    codes: &'a [[u8; BLOCK]],
    buffers: &'a mut [[L; BLOCK]],
}

impl<L: Number> pulp::NullaryFnOnce for Choosing<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for step in self.steps {
            let (codes, cut) = (&self.codes[step.code as usize], step.cut);
            // The left choice, where there is one, lies in the buffer that is written; the right one behind it.
            let (into, behind) = self.buffers[usize::from(step.into)..].split_at_mut(1);
            match (step.left, step.right) {
                (Choice::Leaf(left), Choice::Leaf(right)) => {
                    let (left, right) = (L::of(left), L::of(right));
                    each(codes, &mut into[0], |code, _| if code > cut { right } else { left });
                }
                (Choice::Leaf(left), Choice::Before) => {
                    let left = L::of(left);
                    each(codes, &mut into[0], |code, right| if code > cut { right } else { left });
                }
                (Choice::Before, Choice::Leaf(right)) => {
                    let right = L::of(right);
                    each(codes, &mut into[0], |code, left| if code > cut { right } else { left });
                }
                (Choice::Before, Choice::Before) => either(codes, cut, &mut into[0], &behind[0]),
            }
        }
    }
}

#[inline(always)]
fn each<L: Number>(codes: &[u8; BLOCK], into: &mut [L; BLOCK], choose: impl Fn(u8, L) -> L) {
    for (into, &code) in into.iter_mut().zip(codes) {
        *into = choose(code, *into);
    }
}

#[inline(always)]
fn either<L: Number>(codes: &[u8; BLOCK], cut: u8, left: &mut [L; BLOCK], right: &[L; BLOCK]) {
    for ((left, &code), &right) in left.iter_mut().zip(codes).zip(right) {
        *left = L::either(code > cut, right, *left);
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

/// Larger trees are walked faster.
const MOST_LEAVES: usize = 1024;
/// Deeper trees need more buffers than stay in the cache, and more calls in each other than are wise.
const MOST_BUFFERS: usize = 255;
