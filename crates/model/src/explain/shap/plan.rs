//! A tree made ready for explaining rows.

use super::lanes::{Lanes, Narrow, Wide};
use super::quadrature::gauss_legendre;
use crate::estimator::{Cut, Tree};

/// A tree as steps from the root down and up again.
///
/// At a point of integration t a player that is known with probability t weighs t + (1 - t) z along a way on which the row
/// goes with every fork that asks for it, z being the share of the training rows that do; else (1 - t) z. A fork changes
/// that by a factor, which is a number and a multiple of 1 - t, over the player's weight so far; what the player changes is
/// the slope of its weight over its weight. So a handful of numbers a fork is all that is kept, by where a row goes.
pub(super) struct Plan {
    /// The players that the tree asks for; forks name them by their place here.
    pub(super) players: Vec<u32>,
    pub(super) forks: Vec<Fork>,
    pub(super) ways: Vec<Way>,
    pub(super) steps: Vec<Step>,
    /// The points of integration, eight at a time, and the last ones four at a time where that is enough.
    pub(super) wide: Vec<Points<Wide>>,
    pub(super) narrow: Option<Points<Narrow>>,
    /// The number of forks on the longest path.
    pub(super) levels: usize,
    /// What the tree says of a row of which nothing is known.
    pub(super) base: f64,
}

/// A node that is no leaf.
pub(super) struct Fork {
    pub(super) feature: usize,
    pub(super) player: usize,
    pub(super) missing_left: bool,
    pub(super) test: Test,
    pub(super) level: usize,
    /// The level of the fork whose way in asked for the same player last; 0 where none did.
    pub(super) above: usize,
    /// What the leaves right behind it add up to, where there are any: a number and a multiple of 1 - t, by where a row
    /// goes.
    pub(super) leaves: Option<[[f64; 2]; 3]>,
}

/// The way from a fork to one below it.
pub(super) struct Way {
    pub(super) fork: usize,
    pub(super) left: bool,
    /// Whether a fork further below asks for the same player.
    pub(super) again: bool,
    /// The factor, by where a row goes: a number and a multiple of 1 - t.
    pub(super) factor: [[f64; 2]; 3],
    /// What the player changes: multiples of 1 over its weight along this way, and of 1 over 1 - t.
    pub(super) change: [[f64; 2]; 3],
}

/// Which values go left.
pub(super) enum Test {
    AtMost(f32),
    Among(Vec<u32>),
}

/// What is done next.
pub(super) enum Step {
    /// At this fork: which way rows go, and what its leaves add.
    Enter(usize),
    /// Down this way.
    Descend(usize),
    /// Back from there.
    Ascend(usize),
}

/// Some points of integration.
pub(super) struct Points<L> {
    /// 1 - t.
    pub(super) unknown: L,
    /// 1 / (1 - t).
    pub(super) over_unknown: L,
    pub(super) weights: L,
    /// Of each way 1 over the weight of its player along it.
    pub(super) over_weight: Vec<L>,
}

/// What is known of a tree while its steps are made.
struct Maker<'a, W> {
    tree: &'a Tree,
    worth: W,
    player_of: &'a [u32],
    /// Of each player the last way that asked for it with the level that it leads to, and the share that goes along so far.
    above: Vec<(Option<usize>, usize, f64)>,
    players: Vec<u32>,
    forks: Vec<Fork>,
    ways: Vec<Way>,
    /// Of each way the share that goes along.
    shares: Vec<f64>,
    steps: Vec<Step>,
    levels: usize,
    base: f64,
}

impl Plan {
    /// `player_of` tells the player of each feature, `worth` what a leaf of these values adds. The tree must have passed
    /// its check for rows as wide as there are features.
    pub(super) fn new(tree: &Tree, player_of: &[u32], worth: impl Fn(&[f32]) -> f64) -> Plan {
        let count = player_of.iter().max().map_or(0, |most| *most as usize + 1);
        let mut maker = Maker {
            tree,
            worth,
            player_of,
            above: vec![(None, 0, 1.0); count],
            players: Vec::new(),
            forks: Vec::new(),
            ways: Vec::new(),
            shares: Vec::new(),
            steps: Vec::new(),
            levels: 0,
            base: 0.0,
        };
        maker.walk(0, 0, 1.0);
        let points = gauss_legendre(most_players(tree, player_of).div_ceil(2).max(1));
        let rest = points.chunks(Wide::COUNT).next_back().map_or(0, <[_]>::len);
        let (wide, narrow) =
            if rest <= Narrow::COUNT { points.split_at(points.len() - rest) } else { (&points[..], &[][..]) };
        Plan {
            wide: wide.chunks(Wide::COUNT).map(|points| Points::of(points, &maker.shares)).collect(),
            narrow: (!narrow.is_empty()).then(|| Points::of(narrow, &maker.shares)),
            players: maker.players,
            forks: maker.forks,
            ways: maker.ways,
            steps: maker.steps,
            levels: maker.levels,
            base: maker.base,
        }
    }
}

impl<L: Lanes> Points<L> {
    /// These points, of which there are no more than lanes; `shares` are those of the ways.
    fn of(points: &[(f64, f64)], shares: &[f64]) -> Points<L> {
        // A point too many counts nothing.
        let point = |lane: usize| points.get(lane).copied().unwrap_or((0.5, 0.0));
        let known = |lane: usize| point(lane).0;
        Points {
            unknown: L::from_fn(|lane| 1.0 - known(lane)),
            over_unknown: L::from_fn(|lane| 1.0 / (1.0 - known(lane))),
            weights: L::from_fn(|lane| point(lane).1),
            over_weight: shares
                .iter()
                .map(|share| L::from_fn(|lane| 1.0 / (known(lane) + (1.0 - known(lane)) * share)))
                .collect(),
        }
    }
}

impl<W: Fn(&[f32]) -> f64> Maker<'_, W> {
    /// The steps of everything below a node; `share` is what of the training rows comes here.
    fn walk(&mut self, place: usize, level: usize, share: f64) {
        let Some(children) = self.tree.children(place) else {
            self.base += share * (self.worth)(self.tree.value(place));
            return;
        };
        let node = self.tree.nodes()[place];
        let global = self.player_of[usize::from(node.feature)];
        let player = self.players.iter().position(|known| *known == global).unwrap_or_else(|| {
            self.players.push(global);
            self.players.len() - 1
        });
        let test = match node.cut {
            Cut::AtMost(threshold) => Test::AtMost(threshold),
            Cut::Among(set) => Test::Among(self.tree.set(set).to_vec()),
            Cut::Leaf => return,
        };
        let before = self.above[global as usize];
        if let Some(way) = before.0.and_then(|way| self.ways.get_mut(way)) {
            way.again = true;
        }
        let sides = sides(self.tree, children);
        let factors = [true, false].map(|left| factor(before.2, sides, left));
        let mut leaves = None;
        for (child, factor) in children.into_iter().zip(&factors) {
            if self.tree.children(child).is_none() {
                let worth = (self.worth)(self.tree.value(child));
                let sums = leaves.get_or_insert([[0.0; 2]; 3]);
                for (sum, part) in sums.as_flattened_mut().iter_mut().zip(factor.as_flattened()) {
                    *sum += worth * part;
                }
            }
        }
        let fork = self.forks.len();
        self.forks.push(Fork {
            feature: usize::from(node.feature),
            player,
            missing_left: node.missing_left,
            test,
            level,
            above: before.1,
            leaves,
        });
        self.levels = self.levels.max(level + 1);
        self.steps.push(Step::Enter(fork));
        for (side, child) in children.into_iter().enumerate() {
            if self.tree.children(child).is_none() {
                self.walk(child, level + 1, share * sides[side]);
                continue;
            }
            let left = side == 0;
            let along = before.2 * sides[side];
            let (with, against) = ([1.0 - along, 0.0], [0.0, -1.0]);
            let change = if left { [with, against, [0.0; 2]] } else { [against, with, [0.0; 2]] };
            let way = self.ways.len();
            self.ways.push(Way { fork, left, again: false, factor: factors[side], change });
            self.shares.push(along);
            self.above[global as usize] = (Some(way), level + 1, along);
            self.steps.push(Step::Descend(way));
            self.walk(child, level + 1, share * sides[side]);
            self.steps.push(Step::Ascend(way));
            self.above[global as usize] = before;
        }
    }
}

/// By what a side of a fork changes the weight of its player, times that weight above it: for rows that go left, that go
/// right, and that went elsewhere before, each as a number and a multiple of 1 - t.
fn factor(above: f64, sides: [f64; 2], left: bool) -> [[f64; 2]; 3] {
    let side = if left { sides[0] } else { sides[1] };
    let along = above * side;
    let (with, against) = ([1.0, along - 1.0], [0.0, along]);
    // Above it the weight of the player is a multiple of 1 - t, which it stays.
    let elsewhere = [side, 0.0];
    if left { [with, against, elsewhere] } else { [against, with, elsewhere] }
}

/// The shares of the cover of two children; halves where none has any.
pub(super) fn sides(tree: &Tree, children: [usize; 2]) -> [f64; 2] {
    let [left, right] = children.map(|child| f64::from(tree.nodes()[child].cover));
    let left = if left + right > 0.0 { left / (left + right) } else { 0.5 };
    [left, 1.0 - left]
}

/// The most different players on any path of a tree.
fn most_players(tree: &Tree, player_of: &[u32]) -> usize {
    let mut most = 0;
    // Nodes to come, each with how many players stand above it on its path.
    let mut open = vec![(0, 0)];
    let mut path: Vec<u32> = Vec::new();
    while let Some((place, above)) = open.pop() {
        path.truncate(above);
        let Some([left, right]) = tree.children(place) else { continue };
        let player = player_of[usize::from(tree.nodes()[place].feature)];
        if !path.contains(&player) {
            path.push(player);
        }
        most = most.max(path.len());
        open.extend([(left, path.len()), (right, path.len())]);
    }
    most
}
