//! Rows walk down a tree.

use super::super::tree::{Cut, Node, Tree};
use super::{BLOCK, Lane, threshold};

/// A tree for walking, places as in the tree itself.
pub(super) struct Walk {
    nodes: Vec<Stop>,
}

#[derive(Clone, Copy)]
struct Stop {
    threshold: f32,
    left: u32,
    column: u32,
    /// Whether the left child is a leaf in the first bit, the right one in the second.
    leaves: u32,
}

impl Walk {
    /// `column` tells where the value stands that a node asks for.
    pub(super) fn new(tree: &Tree, column: impl Fn(&Node) -> usize) -> Walk {
        let is_leaf = |place: usize| tree.nodes()[place].cut == Cut::Leaf;
        let stop = |(place, node): (usize, &Node)| match tree.children(place) {
            Some([left, right]) => Stop {
                threshold: threshold(node.cut),
                left: node.left,
                column: column(node) as u32,
                leaves: u32::from(is_leaf(left)) | u32::from(is_leaf(right)) << 1,
            },
            None => Stop { threshold: f32::INFINITY, left: place as u32, column: 0, leaves: 1 },
        };
        Walk { nodes: tree.nodes().iter().enumerate().map(stop).collect() }
    }

    /// The leaf of one row, extra numbers behind its values.
    pub(super) fn find(&self, row: &[f32]) -> usize {
        let mut at = 0;
        loop {
            let (next, leaf) = self.nodes[at].next(row[self.nodes[at].column as usize]);
            at = next as usize;
            if leaf {
                return at;
            }
        }
    }

    /// Leads the rows that walk to their leaves, level by level, so that many wait for memory at once and none walks on
    /// after it has arrived.
    pub(super) fn finish(&self, columns: &[Lane], walking: &mut Walking) {
        let mut left = walking.count;
        walking.still[..left].copy_from_slice(&walking.rows[..left]);
        while left > 0 {
            let mut still = 0;
            for place in 0..left {
                let row = usize::from(walking.still[place]);
                let stop = self.nodes[walking.at[row] as usize];
                let (next, leaf) = stop.next(columns[stop.column as usize][row]);
                walking.at[row] = next;
                walking.still[still & (BLOCK - 1)] = row as u16;
                still += usize::from(!leaf);
            }
            left = still;
        }
    }
}

/// Where the rows of a block stand in a tree, and which of them have not arrived.
pub(super) struct Walking {
    pub(super) at: [u32; BLOCK],
    rows: [u16; BLOCK],
    count: usize,
    still: [u16; BLOCK],
}

impl Walking {
    pub(super) fn new() -> Walking {
        Walking { at: [0; BLOCK], rows: [0; BLOCK], count: 0, still: [0; BLOCK] }
    }

    /// Where a row stands, and whether it walks on: 1 or 0, so that no branch is made of it.
    #[inline(always)]
    pub(super) fn note(&mut self, row: usize, at: u32, walks: u8) {
        self.at[row & (BLOCK - 1)] = at;
        self.rows[self.count & (BLOCK - 1)] = row as u16;
        self.count += usize::from(walks);
    }

    /// The rows that walked, and where every row stands; the next tree begins anew.
    pub(super) fn take(&mut self) -> (&[u16], &[u32; BLOCK]) {
        let count = std::mem::take(&mut self.count);
        (&self.rows[..count], &self.at)
    }
}

impl Stop {
    /// Where a row goes on, and whether that is a leaf.
    #[inline]
    fn next(self, value: f32) -> (u32, bool) {
        let right = u32::from(value > self.threshold);
        (self.left + right, self.leaves >> right & 1 == 1)
    }
}
