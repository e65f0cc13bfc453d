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

    /// The leaf of each of the first `count` rows of a block, level by level, so that many rows wait for memory at once
    /// and none walks on after it has arrived.
    pub(super) fn find_all(&self, columns: &[Lane], count: usize) -> [u32; BLOCK] {
        let mut at = [0u32; BLOCK];
        let mut walking = EVERY;
        let mut left = count;
        while left > 0 {
            let mut still = 0;
            for place in 0..left {
                let row = usize::from(walking[place]);
                let stop = self.nodes[at[row] as usize];
                let (next, leaf) = stop.next(columns[stop.column as usize][row]);
                at[row] = next;
                walking[still & (BLOCK - 1)] = row as u16;
                still += usize::from(!leaf);
            }
            left = still;
        }
        at
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

/// Every row of a block.
const EVERY: [u16; BLOCK] = {
    let mut rows = [0; BLOCK];
    let mut row = 0;
    while row < BLOCK {
        rows[row] = row as u16;
        row += 1;
    }
    rows
};
