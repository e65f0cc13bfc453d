//! Shapley values against the rows of a background table.

use rayon::prelude::*;

use crate::Matrix;
use crate::estimator::Tree;

/// What each player adds, row by row, against the mean over the rows of `background`: exact, because a leaf that a row and
/// a row of the background reach together counts for its players by a fixed share (Lundberg et al. 2020, algorithm 3).
/// The rest is as for [`Shap::new`](super::Shap::new).
pub(in crate::explain) fn interventional(
    trees: &[&Tree],
    player_of: &[u32],
    players: usize,
    worth: impl Fn(&[f32]) -> f64 + Sync,
    matrix: &Matrix,
    background: &Matrix,
) -> Vec<f64> {
    let mut gains = vec![0.0; matrix.rows() * players];
    if players == 0 || background.rows() == 0 {
        return gains;
    }
    let shares = Factorials::up_to(players);
    let rows = matrix.values().par_chunks(matrix.width()).zip(gains.par_chunks_mut(players));
    rows.for_each(|(row, gains)| {
        let mut pair = Pair {
            row,
            other: row,
            player_of,
            worth: &worth,
            factorials: &shares,
            sides: vec![Side::Open; players],
            gains: vec![0.0; players],
        };
        for other in background.values().chunks_exact(background.width()) {
            pair.other = other;
            trees.iter().for_each(|tree| {
                pair.walk(tree, 0, 0, 0);
            });
        }
        let count = background.rows() as f64;
        gains.iter_mut().zip(pair.gains).for_each(|(gain, sum)| *gain = sum / count);
    });
    gains
}

/// A row and one of the background, on their ways through a tree.
struct Pair<'a, W> {
    row: &'a [f32],
    other: &'a [f32],
    player_of: &'a [u32],
    worth: &'a W,
    factorials: &'a Factorials,
    sides: Vec<Side>,
    gains: Vec<f64>,
}

/// Whose value of a player leads on.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Open,
    Row,
    Other,
}

impl<W: Fn(&[f32]) -> f64> Pair<'_, W> {
    /// Goes to every leaf below a node that some mixture of both rows reaches, having taken so many players from the row
    /// and so many from the other. Gives what a player of the row gets from these leaves, and what one of the other loses.
    fn walk(&mut self, tree: &Tree, place: usize, own: usize, others: usize) -> (f64, f64) {
        let Some(children) = tree.children(place) else {
            let worth = (self.worth)(tree.value(place));
            let gain = if own > 0 { self.factorials.share(own - 1, others) * worth } else { 0.0 };
            let loss = if others > 0 { self.factorials.share(own, others - 1) * worth } else { 0.0 };
            return (gain, loss);
        };
        let node = &tree.nodes()[place];
        let feature = usize::from(node.feature);
        let player = self.player_of[feature] as usize;
        let child = |values: &[f32]| children[usize::from(!tree.goes_left(node, values[feature]))];
        let (mine, theirs) = (child(self.row), child(self.other));
        match self.sides[player] {
            Side::Row => self.walk(tree, mine, own, others),
            Side::Other => self.walk(tree, theirs, own, others),
            Side::Open if mine == theirs => self.walk(tree, mine, own, others),
            Side::Open => {
                self.sides[player] = Side::Row;
                let (gain, loss) = self.walk(tree, mine, own + 1, others);
                self.sides[player] = Side::Other;
                let (gain_there, loss_there) = self.walk(tree, theirs, own, others + 1);
                self.sides[player] = Side::Open;
                self.gains[player] += gain - loss_there;
                (gain + gain_there, loss + loss_there)
            }
        }
    }
}

/// Logarithms of factorials.
struct Factorials(Vec<f64>);

impl Factorials {
    fn up_to(most: usize) -> Factorials {
        let mut sum = 0.0;
        let next = |number: usize| {
            sum += (number.max(1) as f64).ln();
            sum
        };
        Factorials((0..=most).map(next).collect())
    }

    /// a! b! / (a + b + 1)!: the share of the orders in which these come before and those after one player.
    fn share(&self, before: usize, after: usize) -> f64 {
        let of = |number: usize| self.0.get(number).copied().unwrap_or(f64::INFINITY);
        (of(before) + of(after) - of(before + after + 1)).exp()
    }
}
