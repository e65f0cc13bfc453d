//! The part of a tree that most rows go through, evaluated for all rows of a block at once.

use super::super::tree::{Node, Tree};
use super::BLOCK;
use super::walk::Walking;

/// The part of a tree that most rows go through, from the root down, as steps from its ends up: each step chooses, for
/// every row, between what was chosen on its left and on its right. No row waits for another and nothing is looked up, so
/// that a processor takes 64 rows in one instruction.
///
/// Instructions that this machine has and others may not are used where they are there; as all numbers are whole, the
/// choices are the same everywhere.
pub(super) struct Blend {
    steps: Vec<Step>,
    /// Where a row may end: a leaf, or a node from which on it walks alone. By place in the tree.
    ends: Vec<u32>,
    /// Whether such a row walks on: 1 or 0.
    walks: Vec<u8>,
    /// What the ends are worth, where that is one number; 0 where rows walk on.
    values: Vec<f32>,
    /// Whether no row walks on.
    is_whole: bool,
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
    /// An end, by its number.
    End(u8),
    /// What was chosen before, on the left in the buffer that is written, on the right in the one behind it.
    Before,
}

/// One byte for each row of a block.
pub(super) type Bytes = [u8; BLOCK];

/// Which nodes of a tree are worth a step: those that two rows of a block reach, as far as the rows tell that the tree was
/// grown on; fewer rows are quicker on foot. Of a small tree it is all of them, so that no row has to be noted.
pub(super) fn frequented(tree: &Tree) -> Vec<bool> {
    let cover = |place: usize| tree.nodes()[place].cover;
    let least = 2.0 * cover(0) / BLOCK as f32;
    let mut forks: Vec<usize> = (0..tree.nodes().len()).filter(|&place| tree.children(place).is_some()).collect();
    if forks.len() > SMALL {
        forks.retain(|&place| cover(place) >= least);
    }
    forks.sort_by(|&one, &other| cover(other).total_cmp(&cover(one)));
    forks.truncate(MOST_STEPS);
    let mut frequented = vec![false; tree.nodes().len()];
    forks.into_iter().for_each(|place| frequented[place] = true);
    frequented
}

impl Blend {
    /// `code` tells which code a node compares, and with what.
    pub(super) fn new(tree: &Tree, frequented: &[bool], code: impl Fn(&Node) -> Option<(usize, u8)>) -> Option<Blend> {
        let mut blend = Blend {
            steps: Vec::new(),
            ends: Vec::new(),
            walks: Vec::new(),
            values: Vec::new(),
            is_whole: false,
            buffers: 0,
        };
        blend.plan(tree, frequented, 0, 0, &code)?;
        blend.is_whole = !blend.walks.contains(&1);
        Some(blend)
    }

    /// Plans what is below a node, using buffers from this one on.
    fn plan(
        &mut self,
        tree: &Tree,
        frequented: &[bool],
        place: usize,
        buffer: u8,
        code: &impl Fn(&Node) -> Option<(usize, u8)>,
    ) -> Option<Choice> {
        let children = tree.children(place);
        let Some([left, right]) = children.filter(|_| frequented[place]) else {
            self.ends.push(place as u32);
            self.walks.push(u8::from(children.is_some()));
            self.values.push(if children.is_some() { 0.0 } else { tree.value(place)[0] });
            return Some(Choice::End((self.ends.len() - 1) as u8));
        };
        let left = self.plan(tree, frequented, left, buffer, code)?;
        let next = match left {
            Choice::End(_) => buffer,
            Choice::Before => buffer + 1,
        };
        let right = self.plan(tree, frequented, right, next, code)?;
        let (code, cut) = code(&tree.nodes()[place])?;
        self.steps.push(Step { code: code as u32, cut, left, right, into: buffer });
        self.buffers = self.buffers.max(usize::from(buffer) + 1);
        Some(Choice::Before)
    }

    /// Adds the value of each row's leaf to its sum; tells which rows walk on, and where they stand.
    pub(super) fn add(
        &self,
        codes: &[Bytes],
        buffers: &mut Vec<Bytes>,
        sums: &mut [f32; BLOCK],
        walking: &mut Walking,
    ) {
        let chosen = self.choose(codes, buffers);
        if self.is_whole {
            sums.iter_mut().zip(chosen).for_each(|(sum, &end)| *sum += self.values[usize::from(end)]);
            return;
        }
        for (row, (sum, &end)) in sums.iter_mut().zip(chosen).enumerate() {
            let end = usize::from(end);
            *sum += self.values[end];
            walking.note(row, self.ends[end], self.walks[end]);
        }
    }

    /// The leaf of each row; tells which rows walk on, and where they stand.
    pub(super) fn find_all(&self, codes: &[Bytes], buffers: &mut Vec<Bytes>, walking: &mut Walking) {
        for (row, &end) in self.choose(codes, buffers).iter().enumerate() {
            let end = usize::from(end);
            walking.note(row, self.ends[end], self.walks[end]);
        }
    }

    /// The end of each row, by its number.
    fn choose<'a>(&self, codes: &[Bytes], buffers: &'a mut Vec<Bytes>) -> &'a Bytes {
        if buffers.len() < self.buffers.max(1) {
            buffers.resize(self.buffers.max(1), [0; BLOCK]);
        }
        if self.steps.is_empty() {
            buffers[0] = [0; BLOCK];
        }
        pulp::Arch::new().dispatch(Choosing { steps: &self.steps, codes, buffers });
        &buffers[0]
    }
}

/// The steps of a tree for a block of rows; compiled once for each set of instructions.
struct Choosing<'a> {
    steps: &'a [Step],
    codes: &'a [Bytes],
    buffers: &'a mut [Bytes],
}

impl pulp::NullaryFnOnce for Choosing<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for step in self.steps {
            let (codes, cut) = (&self.codes[step.code as usize], step.cut);
            // The left choice, where there is one, lies in the buffer that is written; the right one behind it.
            let (into, behind) = self.buffers[usize::from(step.into)..].split_at_mut(1);
            match (step.left, step.right) {
                (Choice::End(left), Choice::End(right)) => {
                    each(codes, &mut into[0], |code, _| if code > cut { right } else { left });
                }
                (Choice::End(left), Choice::Before) => {
                    each(codes, &mut into[0], |code, right| if code > cut { right } else { left });
                }
                (Choice::Before, Choice::End(right)) => {
                    each(codes, &mut into[0], |code, left| if code > cut { right } else { left });
                }
                (Choice::Before, Choice::Before) => either(codes, cut, &mut into[0], &behind[0]),
            }
        }
    }
}

#[inline(always)]
fn each(codes: &Bytes, into: &mut Bytes, choose: impl Fn(u8, u8) -> u8) {
    for (into, &code) in into.iter_mut().zip(codes) {
        *into = choose(code, *into);
    }
}

/// The right one where the code is above the cut, by bits: no branch is made of it.
#[inline(always)]
fn either(codes: &Bytes, cut: u8, left: &mut Bytes, right: &Bytes) {
    for ((left, &code), &right) in left.iter_mut().zip(codes).zip(right) {
        let above = u8::from(code > cut).wrapping_neg();
        *left = (right & above) | (*left & !above);
    }
}

/// One step less than a byte has numbers for ends.
const MOST_STEPS: usize = 255;
/// The forks of a small tree.
const SMALL: usize = 64;
