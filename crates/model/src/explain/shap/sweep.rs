//! Rows led through the steps of a tree.

use super::plan::{Fork, Plan, Step, Test};
use crate::estimator::is_among;

/// What some rows need while they are led through trees.
pub(super) struct Room<const ROWS: usize, const LANES: usize> {
    levels: Vec<Level<ROWS, LANES>>,
    /// What each player of the tree has got, by row.
    gains: Vec<[[f64; LANES]; ROWS]>,
}

/// Where rows stand at one level of the path.
#[derive(Clone)]
struct Level<const ROWS: usize, const LANES: usize> {
    /// The weight of the way so far.
    weights: [[f64; LANES]; ROWS],
    /// The sum of what is below.
    sums: [[f64; LANES]; ROWS],
    /// 0 for rows that go left, 1 for right, 2 for those that went elsewhere before.
    goes: [u8; ROWS],
    /// Whether the rows went along with every fork so far that asked for the player of the way in.
    along: [bool; ROWS],
}

impl<const ROWS: usize, const LANES: usize> Room<ROWS, LANES> {
    pub(super) fn new() -> Self {
        Room { levels: Vec::new(), gains: Vec::new() }
    }
}

/// One sweep of rows over one tree, for some points of integration.
pub(super) struct Sweep<'a, const ROWS: usize, const LANES: usize> {
    pub(super) plan: &'a Plan,
    pub(super) tables: &'a [[f64; LANES]],
    /// The values of the rows, by feature.
    pub(super) columns: &'a [[f32; ROWS]],
    pub(super) room: &'a mut Room<ROWS, LANES>,
    /// What the players of all trees have got, row by row; of the last rows there may be fewer.
    pub(super) gains: &'a mut [f64],
    pub(super) players: usize,
}

impl<const ROWS: usize, const LANES: usize> pulp::NullaryFnOnce for Sweep<'_, ROWS, LANES> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Sweep { plan, tables, columns, room, gains, players } = self;
        let empty =
            Level { weights: [[1.0; LANES]; ROWS], sums: [[0.0; LANES]; ROWS], goes: [0; ROWS], along: [true; ROWS] };
        if room.levels.len() < plan.levels {
            room.levels.resize(plan.levels, empty);
        }
        room.gains.clear();
        room.gains.resize(plan.players.len(), [[0.0; LANES]; ROWS]);
        for step in &plan.steps {
            match *step {
                Step::Enter { fork, leaves } => {
                    let fork = &plan.forks[fork];
                    let goes = fork.goes(&columns[fork.feature], &room.levels[fork.above].along);
                    let level = &mut room.levels[fork.level];
                    level.goes = goes;
                    let Some(tables) = leaves.and_then(|first| tables[first..].first_chunk::<6>()) else {
                        level.sums = [[0.0; LANES]; ROWS];
                        continue;
                    };
                    let own = &mut room.gains[fork.player];
                    for row in 0..ROWS {
                        let (sum, gain) = (&tables[side(goes[row])], &tables[3 + side(goes[row])]);
                        for lane in 0..LANES {
                            let weight = level.weights[row][lane];
                            level.sums[row][lane] = weight * sum[lane];
                            own[row][lane] += weight * gain[lane];
                        }
                    }
                }
                Step::Descend { fork, left, table } => {
                    let level = plan.forks[fork].level;
                    let (Some([here, below]), Some(tables)) =
                        (room.levels[level..].first_chunk_mut::<2>(), tables[table..].first_chunk::<3>())
                    else {
                        continue;
                    };
                    let with = u8::from(!left);
                    for row in 0..ROWS {
                        let factor = &tables[side(here.goes[row])];
                        for lane in 0..LANES {
                            below.weights[row][lane] = here.weights[row][lane] * factor[lane];
                        }
                    }
                    for row in 0..ROWS {
                        below.along[row] = here.goes[row] == with;
                    }
                }
                Step::Ascend { fork, table } => {
                    let fork = &plan.forks[fork];
                    let (Some([here, below]), Some(tables)) =
                        (room.levels[fork.level..].first_chunk_mut::<2>(), tables[table..].first_chunk::<3>())
                    else {
                        continue;
                    };
                    let own = &mut room.gains[fork.player];
                    for row in 0..ROWS {
                        let change = &tables[side(here.goes[row])];
                        for lane in 0..LANES {
                            let sum = below.sums[row][lane];
                            here.sums[row][lane] += sum;
                            own[row][lane] += sum * change[lane];
                        }
                    }
                }
            }
        }
        for (own, &player) in room.gains.iter().zip(&plan.players) {
            for (lanes, gains) in own.iter().zip(gains.chunks_exact_mut(players)) {
                gains[player as usize] += folded(lanes);
            }
        }
    }
}

impl Fork {
    /// Where rows go: 0 left, 1 right, 2 elsewhere before.
    #[inline(always)]
    fn goes<const ROWS: usize>(&self, values: &[f32; ROWS], along: &[bool; ROWS]) -> [u8; ROWS] {
        let mut goes = [0; ROWS];
        match &self.test {
            Test::AtMost(threshold) => {
                for row in 0..ROWS {
                    let value = values[row];
                    let left = value <= *threshold || (value.is_nan() & self.missing_left);
                    goes[row] = u8::from(!left);
                }
            }
            Test::Among(codes) => {
                for (goes, value) in goes.iter_mut().zip(values) {
                    let left = if value.is_nan() { self.missing_left } else { is_among(codes, *value) };
                    *goes = u8::from(!left);
                }
            }
        }
        for row in 0..ROWS {
            goes[row] = if along[row] { goes[row] } else { 2 };
        }
        goes
    }
}

/// Which of three tables is meant: never beyond them.
#[inline(always)]
fn side(goes: u8) -> usize {
    usize::from(goes.min(2))
}

/// The sum of lanes, halves upon halves, in an order that is the same on every machine.
#[inline(always)]
fn folded<const LANES: usize>(lanes: &[f64; LANES]) -> f64 {
    let mut lanes = *lanes;
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}
