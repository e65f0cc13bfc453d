//! Rows led through the steps of a tree.

use super::lanes::Lanes;
use super::plan::{Fork, Plan, Points, Step, Test};
use crate::estimator::is_among;

/// What some rows need while they are led through trees.
pub(super) struct Room<const ROWS: usize, L> {
    levels: Vec<Level<ROWS, L>>,
    /// What each player of the tree has got, by row.
    gains: Vec<[L; ROWS]>,
}

/// Where rows stand at one level of the path.
#[derive(Clone, Copy)]
struct Level<const ROWS: usize, L> {
    /// The weight of the way so far; behind a fork that over the weight of its player.
    weights: [L; ROWS],
    /// The sum of what is below.
    sums: [L; ROWS],
    /// 1 over the weight of the player of the way in, and the slope of that weight over it: of rows that go along with
    /// every fork so far that asked for it; of others 1 and 0. Kept where it is asked for again.
    over_weight: [L; ROWS],
    slopes: [L; ROWS],
    /// 0 for rows that go left, 1 for right, 2 for those that went elsewhere before.
    goes: [u8; ROWS],
    /// Whether the rows went along with every fork so far that asked for the player of the way in: 1 or 0.
    along: [u8; ROWS],
}

impl<const ROWS: usize, L> Room<ROWS, L> {
    pub(super) fn new() -> Self {
        Room { levels: Vec::new(), gains: Vec::new() }
    }
}

/// One sweep of rows over one tree, for some points of integration.
pub(super) struct Sweep<'a, const ROWS: usize, L> {
    pub(super) plan: &'a Plan,
    pub(super) points: &'a Points<L>,
    /// The values of the rows, by feature.
    pub(super) columns: &'a [[f32; ROWS]],
    pub(super) room: &'a mut Room<ROWS, L>,
    /// What the players of all trees have got, row by row; of the last rows there may be fewer.
    pub(super) gains: &'a mut [f64],
    pub(super) players: usize,
}

impl<const ROWS: usize, L: Lanes> pulp::NullaryFnOnce for Sweep<'_, ROWS, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Sweep { plan, points, columns, room, gains, players } = self;
        let [zero, one] = [0.0, 1.0].map(L::all);
        if room.levels.len() < plan.levels {
            let empty = Level {
                weights: [one; ROWS],
                sums: [zero; ROWS],
                over_weight: [one; ROWS],
                slopes: [zero; ROWS],
                goes: [0; ROWS],
                along: [1; ROWS],
            };
            room.levels.resize(plan.levels, empty);
        }
        room.gains.clear();
        room.gains.resize(plan.players.len(), [zero; ROWS]);
        for step in &plan.steps {
            match *step {
                Step::Enter(fork) => {
                    let fork = &plan.forks[fork as usize];
                    let (here, above) = (usize::from(fork.level), usize::from(fork.above));
                    let goes = fork.goes(&plan.sets, &columns[usize::from(fork.feature)], &room.levels[above].along);
                    // The way in may have asked for the same player: then it is the level itself.
                    let before = (above > 0).then(|| {
                        let Level { over_weight, slopes, .. } = &room.levels[above];
                        (*over_weight, *slopes)
                    });
                    let level = &mut room.levels[here];
                    level.goes = goes;
                    if let Some((over_weight, _)) = &before {
                        for (weight, over_weight) in level.weights.iter_mut().zip(over_weight) {
                            *weight = weight.times(*over_weight);
                        }
                    }
                    if !fork.has_leaves {
                        level.sums = [zero; ROWS];
                        continue;
                    }
                    let leaves = fork.leaves();
                    let own = &mut room.gains[usize::from(fork.player)];
                    for row in 0..ROWS {
                        let [number, multiple] = leaves[side(goes[row])].map(L::all);
                        let (sum, weight) = (points.unknown.times(multiple).plus(number), level.weights[row]);
                        level.sums[row] = weight.times(sum);
                        let mut slope = multiple;
                        if let Some((_, slopes)) = &before {
                            slope = slopes[row].times(sum).plus(multiple);
                        }
                        own[row] = own[row].less(weight.times(slope));
                    }
                }
                Step::Descend(number) => {
                    let way = &plan.ways[number as usize];
                    let level = usize::from(plan.forks[way.fork as usize].level);
                    let Some([here, below]) = room.levels[level..].first_chunk_mut::<2>() else { continue };
                    let (with, factor) = (u8::from(!way.left), way.factor());
                    for row in 0..ROWS {
                        let [number, multiple] = factor[side(here.goes[row])].map(L::all);
                        let factor = points.unknown.times(multiple).plus(number);
                        below.weights[row] = here.weights[row].times(factor);
                    }
                    for row in 0..ROWS {
                        below.along[row] = u8::from(here.goes[row] == with);
                    }
                    if way.again {
                        let (over_weight, change) = (points.over_weight[number as usize], way.change());
                        for row in 0..ROWS {
                            below.over_weight[row] = if below.along[row] == 1 { over_weight } else { one };
                            below.slopes[row] = over_weight.times(L::all(change[side(here.goes[row])][0]));
                        }
                    }
                }
                Step::Ascend(number) => {
                    let way = &plan.ways[number as usize];
                    let fork = &plan.forks[way.fork as usize];
                    let (over_weight, change) = (points.over_weight[number as usize], way.change());
                    let own = &mut room.gains[usize::from(fork.player)];
                    let above = usize::from(fork.above);
                    let before = (above > 0).then(|| room.levels[above].slopes);
                    let level = usize::from(fork.level);
                    let Some([here, below]) = room.levels[level..].first_chunk_mut::<2>() else { continue };
                    for row in 0..ROWS {
                        let sum = below.sums[row];
                        here.sums[row] = here.sums[row].plus(sum);
                        let [with, against] = change[side(here.goes[row])].map(L::all);
                        let mut change = over_weight.times(with).plus(points.over_unknown.times(against));
                        if let Some(before) = &before {
                            change = change.less(before[row]);
                        }
                        own[row] = own[row].plus(sum.times(change));
                    }
                }
            }
        }
        for (own, &player) in room.gains.iter().zip(&plan.players) {
            for (lanes, gains) in own.iter().zip(gains.chunks_exact_mut(players)) {
                gains[player as usize] += lanes.times(points.weights).sum();
            }
        }
    }
}

impl Fork {
    /// Where rows go: 0 left, 1 right, 2 elsewhere before.
    #[inline(always)]
    fn goes<const ROWS: usize>(&self, sets: &[Vec<u32>], values: &[f32; ROWS], along: &[u8; ROWS]) -> [u8; ROWS] {
        let mut right = [0; ROWS];
        match self.test {
            Test::AtMost(threshold) => {
                // A missing value is above nothing, so it goes left by itself.
                let missing_right = u8::from(!self.missing_left);
                for row in 0..ROWS {
                    let value = values[row];
                    right[row] = u8::from(value > threshold) | u8::from(value.is_nan()) & missing_right;
                }
            }
            Test::Among(set) => {
                let codes = &sets[set as usize];
                for (right, value) in right.iter_mut().zip(values) {
                    let left = if value.is_nan() { self.missing_left } else { is_among(codes, *value) };
                    *right = u8::from(!left);
                }
            }
        }
        std::array::from_fn(|row| if along[row] == 1 { right[row] } else { 2 })
    }
}

/// Which of three tables is meant: never beyond them.
#[inline(always)]
fn side(goes: u8) -> usize {
    usize::from(goes.min(2))
}
