//! Nearest neighbours, found exactly.

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Matrix};

/// Some rows of a matrix in a k-d tree (Friedman, Bentley and Finkel 1977): each node cuts its rows in two halves along
/// the column in which they spread furthest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Neighbours {
    width: u32,
    /// The rows in the order of the tree.
    values: Vec<f32>,
    /// For each of them its place among the rows that were given.
    origins: Vec<u32>,
    /// The column and the value of each cut; the halves of node n are the nodes 2 n + 1 and 2 n + 2.
    cuts: Vec<(u32, f32)>,
}

/// A row that is near: its squared distance, and its place among the rows that were given.
pub(super) type Near = (f64, u32);

impl Neighbours {
    /// The tree of these rows.
    pub(super) fn of(matrix: &Matrix, rows: &[u32]) -> Neighbours {
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        let mut cuts = Vec::new();
        let value = |place: u32, column: usize| matrix.row(rows[place as usize] as usize)[column];
        let mut open = vec![(0usize, 0..order.len())];
        while let Some((node, range)) = open.pop() {
            let part = &mut order[range.clone()];
            if part.len() <= LEAF {
                continue;
            }
            let step = part.len().div_ceil(SPREAD_ROWS);
            let spread = |column: usize| {
                let mut values: Vec<f32> = part.iter().step_by(step).map(|&place| value(place, column)).collect();
                values.sort_unstable_by(f32::total_cmp);
                // Far outliers are no spread: a cut through the middle would not part them from the others.
                let (outer, eighth) = (values.len() - 1, values.len() / 8);
                let between = |low: usize, high: usize| f64::from(values[high]) - f64::from(values[low]);
                (between(eighth, outer - eighth), between(0, outer))
            };
            let spreads: Vec<(f64, f64)> = (0..matrix.width()).map(spread).collect();
            let widest =
                (0..spreads.len()).fold(0, |best, column| if spreads[column] > spreads[best] { column } else { best });
            let middle = part.len() / 2;
            let along =
                |one: &u32, other: &u32| value(*one, widest).total_cmp(&value(*other, widest)).then(one.cmp(other));
            let (_, &mut cut, _) = part.select_nth_unstable_by(middle, along);
            if cuts.len() <= node {
                cuts.resize(node + 1, (0, 0.0));
            }
            cuts[node] = (widest as u32, value(cut, widest));
            open.push((2 * node + 1, range.start..range.start + middle));
            open.push((2 * node + 2, range.start + middle..range.end));
        }
        let values =
            order.iter().flat_map(|&place| matrix.row(rows[place as usize] as usize).iter().copied()).collect();
        Neighbours { width: matrix.width() as u32, values, origins: order, cuts }
    }

    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.origins.len()
    }

    /// The rows nearest to this one, the nearest first, of equally near ones the one that was given first; all of them
    /// where there are fewer. The row that was given at the place `but` is passed over.
    pub(super) fn nearest(&self, row: &[f32], count: usize, but: Option<u32>) -> Vec<Near> {
        let mut search =
            Search { tree: self, row, count, but, found: Vec::with_capacity(count + 1), off: vec![0.0; row.len()] };
        search.visit(0, 0..self.rows(), 0.0);
        search.found
    }

    pub(super) fn check(&self, width: usize, least: usize) -> Result<(), Error> {
        let rows = self.origins.len();
        let fits = self.width() == width && width.checked_mul(rows) == Some(self.values.len());
        let places = self.origins.iter().all(|&place| (place as usize) < rows);
        let cuts =
            self.cuts.len() <= 2 * rows && self.cuts.iter().all(|cut| (cut.0 as usize) < width && cut.1.is_finite());
        let finite = self.values.iter().all(|value| value.is_finite());
        if !fits || !places || !cuts || !finite || rows < least || rows > MOST_ROWS as usize {
            return Err(Error::Damaged(format!("{rows} neighbours that do not fit the columns")));
        }
        Ok(())
    }
}

/// A search on its way.
struct Search<'a> {
    tree: &'a Neighbours,
    row: &'a [f32],
    count: usize,
    but: Option<u32>,
    found: Vec<Near>,
    /// How far the row lies outside of the part that is visited, by columns.
    off: Vec<f64>,
}

impl Search<'_> {
    /// Visits a node's rows; they are at least this far, squared.
    fn visit(&mut self, node: usize, range: std::ops::Range<usize>, bound: f64) {
        let furthest =
            if self.found.len() < self.count { f64::INFINITY } else { self.found.last().map_or(0.0, |far| far.0) };
        // Sums in another order may differ in their last digits.
        if bound * (1.0 - 1e-9) > furthest {
            return;
        }
        let cut = if range.len() > LEAF { self.tree.cuts.get(node) } else { None };
        let Some(&(column, cut)) = cut else { return self.scan(range) };
        let column = column as usize;
        let middle = range.start + range.len() / 2;
        let away = f64::from(self.row[column]) - f64::from(cut);
        let (near, far) = ((2 * node + 1, range.start..middle), (2 * node + 2, middle..range.end));
        let (near, far) = if away < 0.0 { (near, far) } else { (far, near) };
        self.visit(near.0, near.1, bound);
        let before = self.off[column];
        let beyond = bound - before * before + away * away;
        self.off[column] = away;
        self.visit(far.0, far.1, beyond.max(bound));
        self.off[column] = before;
    }

    fn scan(&mut self, range: std::ops::Range<usize>) {
        let width = self.row.len();
        let rows = self.tree.values[range.start * width..range.end * width].chunks_exact(width);
        for (values, &origin) in rows.zip(&self.tree.origins[range]) {
            if self.but == Some(origin) {
                continue;
            }
            let near = (square(self.row, values), origin);
            let place = self.found.partition_point(|found| (found.0, found.1) <= near);
            if place < self.count {
                self.found.insert(place, near);
                self.found.truncate(self.count);
            }
        }
    }
}

/// Draws so many rows without replacement, in ascending order; all of them where there are no more.
pub(super) fn sample(rows: usize, most: u32, random: &mut impl Rng) -> Vec<u32> {
    if rows <= most as usize {
        return (0..rows as u32).collect();
    }
    let mut drawn: Vec<u32> =
        rand::seq::index::sample(random, rows, most as usize).iter().map(|row| row as u32).collect();
    drawn.sort_unstable();
    drawn
}

/// What each row of a matrix makes of its nearest rows.
pub(super) fn each<T: Send>(
    tree: &Neighbours,
    matrix: &Matrix,
    count: u32,
    judge: impl Fn(&[Near]) -> T + Sync,
) -> Vec<T> {
    let rows = matrix.values().par_chunks(matrix.width()).with_min_len(16);
    rows.map(|row| judge(&tree.nearest(row, count as usize, None))).collect()
}

/// The squared distance of two rows.
fn square(one: &[f32], other: &[f32]) -> f64 {
    let mut sums = [0.0; 4];
    let (ones, others) = (one.chunks_exact(4), other.chunks_exact(4));
    let differ = |one: &f32, other: &f32| f64::from(*one) - f64::from(*other);
    let rest: f64 =
        ones.remainder().iter().zip(others.remainder()).map(|(one, other)| differ(one, other).powi(2)).sum();
    for (one, other) in ones.zip(others) {
        for lane in 0..4 {
            let difference = differ(&one[lane], &other[lane]);
            sums[lane] += difference * difference;
        }
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}

/// The most rows of a part that is not cut.
const LEAF: usize = 16;
/// As many rows tell in which column a part spreads furthest.
const SPREAD_ROWS: usize = 64;
/// The most rows of a tree.
pub(super) const MOST_ROWS: u32 = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_finds_what_looking_at_every_row_finds() {
        let wave = |at: usize, step: f32| ((at as f32 * step).sin() * 3.0).round();
        let values: Vec<f32> = (0..500).flat_map(|at| [wave(at, 0.7), wave(at, 1.3), at as f32 / 100.0]).collect();
        let matrix = Matrix::new(3, values).unwrap();
        let rows: Vec<u32> = (0..500).filter(|row| row % 3 != 0).collect();
        let tree = Neighbours::of(&matrix, &rows);
        for at in 0..500 {
            let mut all: Vec<Near> = (0..)
                .zip(&rows)
                .map(|(place, &row)| (square(matrix.row(at), matrix.row(row as usize)), place))
                .collect();
            all.sort_by(|one, other| one.partial_cmp(other).unwrap());
            assert_eq!(tree.nearest(matrix.row(at), 7, None), all[..7]);
            let but = all.remove(0).1;
            assert_eq!(tree.nearest(matrix.row(at), 7, Some(but)), all[..7]);
        }
        tree.check(3, 1).unwrap();
    }
}
