//! Shapley values of trees, exact and fast.
//!
//! Players are the columns of the table, however many values of a row one is encoded into. A coalition knows some of
//! them: *path-dependent*, a tree goes both ways where it asks for one that is not known, in the shares of its training
//! rows (Lundberg et al. 2018, algorithm 1); *interventional*, what is not known is taken from the rows of a background
//! table (Lundberg et al. 2020, algorithm 3).
//!
//! The Shapley value of a player is its mean change over all orders in which players become known, which is the integral
//! over t of its mean change where every other player is known with probability t (Owen 1972). For one tree that is
//! a polynomial in t of a degree below the number of players on the longest path, so that half as many points of
//! Gauss and Legendre integrate it without error. At one point the weight of a leaf is a product over the
//! players on its path, and sums of leaves are shared by all ways that lead to them: one walk down and up the tree a
//! row, eight points side by side, in the place of one for every path and every number of players (Lundberg et al. 2018,
//! algorithm 2; that sums can be shared by polynomials is from Yu et al. 2022). Nothing is divided while rows are
//! explained.

mod interventional;
mod lanes;
mod plan;
mod quadrature;
mod sweep;

use rayon::prelude::*;

pub(super) use interventional::interventional;
use lanes::{Narrow, Wide};
use plan::Plan;
use sweep::{Room, Sweep};

use crate::Matrix;
use crate::estimator::Tree;

/// Trees that add up, ready to explain rows by the path-dependent Shapley values.
pub(super) struct Shap {
    plans: Vec<Plan>,
    players: usize,
}

impl Shap {
    /// `player_of` tells the player of each value of a row, of `players`; `worth` what a leaf with these values adds.
    /// The trees must have passed their check for rows of that width.
    pub(super) fn new<'a>(
        trees: impl Iterator<Item = &'a Tree>,
        player_of: &[u32],
        players: usize,
        worth: impl Fn(&[f32]) -> f64 + Sync,
    ) -> Shap {
        let trees: Vec<&Tree> = trees.collect();
        let plans = trees.into_par_iter().map(|tree| Plan::new(tree, player_of, &worth)).collect();
        Shap { plans, players }
    }

    /// What the trees say of a row of which nothing is known: the mean over the training rows, as they weigh.
    pub(super) fn base(&self) -> f64 {
        self.plans.iter().map(|plan| plan.base).sum()
    }

    /// What each player adds, row by row. The matrix must be as wide as the trees' rows.
    pub(super) fn gains(&self, matrix: &Matrix) -> Vec<f64> {
        let mut gains = vec![0.0; matrix.rows() * self.players];
        if self.players == 0 {
            return gains;
        }
        let (rows, width) = (matrix.values(), matrix.width());
        if matrix.rows() < TOGETHER {
            let each = rows.par_chunks(width).zip(gains.par_chunks_mut(self.players));
            each.for_each_init(Rooms::<1>::new, |room, (row, gains)| self.explain(row, width, gains, room));
        } else {
            let blocks = rows.par_chunks(width * BLOCK).zip(gains.par_chunks_mut(self.players * BLOCK));
            let init = Rooms::<TOGETHER>::new;
            blocks.for_each_init(init, |room, (rows, gains)| self.explain(rows, width, gains, room));
        }
        gains
    }

    /// Tree by tree, so that one stays in the cache for a block.
    fn explain<const ROWS: usize>(&self, rows: &[f32], width: usize, gains: &mut [f64], rooms: &mut Rooms<ROWS>) {
        let parts = rows.chunks(width * ROWS);
        rooms.columns.resize(parts.len() * width, [0.0; ROWS]);
        for (columns, rows) in rooms.columns.chunks_exact_mut(width).zip(parts) {
            for (row, values) in rows.chunks_exact(width).enumerate() {
                columns.iter_mut().zip(values).for_each(|(column, value)| column[row] = *value);
            }
        }
        let arch = pulp::Arch::new();
        for plan in &self.plans {
            let parts = rooms.columns.chunks_exact(width).zip(gains.chunks_mut(self.players * ROWS));
            for (columns, gains) in parts {
                for points in &plan.wide {
                    let room = &mut rooms.wide;
                    arch.dispatch(Sweep { plan, points, columns, room, gains, players: self.players });
                }
                if let Some(points) = &plan.narrow {
                    let room = &mut rooms.narrow;
                    arch.dispatch(Sweep { plan, points, columns, room, gains, players: self.players });
                }
            }
        }
    }
}

/// What a thread needs while it explains.
struct Rooms<const ROWS: usize> {
    columns: Vec<[f32; ROWS]>,
    wide: Room<ROWS, Wide>,
    narrow: Room<ROWS, Narrow>,
}

impl<const ROWS: usize> Rooms<ROWS> {
    fn new() -> Self {
        Rooms { columns: Vec::new(), wide: Room::new(), narrow: Room::new() }
    }
}

/// So many rows go through a tree side by side; fewer go alone.
const TOGETHER: usize = 8;
/// So many rows before the next tree.
const BLOCK: usize = 64;

#[cfg(test)]
mod tests;
