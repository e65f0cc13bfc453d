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
    /// The sets of names that forks ask for.
    pub(super) sets: Vec<Vec<u32>>,
    /// The points of integration, eight at a time, and the last ones four at a time where that is enough.
    pub(super) wide: Vec<Points<Wide>>,
    pub(super) narrow: Option<Points<Narrow>>,
    /// The number of forks on the longest path.
    pub(super) levels: usize,
    /// What the tree says of a row of which nothing is known.
    pub(super) base: f64,
}

/// A node that is no leaf. Kept small: explaining one row is mostly waiting for memory.
pub(super) struct Fork {
    pub(super) feature: u16,
    pub(super) player: u16,
    pub(super) level: u16,
    /// The level of the fork whose way in asked for the same player last; 0 where none did.
    pub(super) above: u16,
    pub(super) missing_left: bool,
    pub(super) has_leaves: bool,
    pub(super) test: Test,
    /// What the leaves right behind it are worth, 0 where there is none.
    worths: [f64; 2],
    /// What they are worth in the shares that go along with all forks that asked for the player, and of those that come here.
    along: f64,
    here: f64,
}

/// The way from a fork to one below it.
pub(super) struct Way {
    /// The share of the training rows that come to the fork and go this way, and of all that go along with every fork so
    /// far that asked for the player.
    side: f64,
    along: f64,
    pub(super) fork: u32,
    pub(super) left: bool,
    /// Whether a fork further below asks for the same player.
    pub(super) again: bool,
}

/// Which values go left.
#[derive(Clone, Copy)]
pub(super) enum Test {
    AtMost(f32),
    /// The codes of this set of the tree.
    Among(u32),
}

/// What is done next.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// At this fork: which way rows go, and what its leaves add.
    Enter(u32),
    /// Down this way.
    Descend(u32),
    /// Back from there.
    Ascend(u32),
}

impl Fork {
    /// What its leaves add up to, by where a row goes: a number and a multiple of 1 - t.
    #[inline(always)]
    pub(super) fn leaves(&self) -> [[f64; 2]; 3] {
        let [left, right] = self.worths;
        [[left, self.along - left], [right, self.along - right], [self.here, 0.0]]
    }
}

impl Way {
    /// By what the weight of the player changes, times that weight before, by where a row goes: a number and a multiple of
    /// 1 - t. Once the row went elsewhere its weight is a multiple of 1 - t and stays one.
    #[inline(always)]
    pub(super) fn factor(&self) -> [[f64; 2]; 3] {
        let (with, against) = ([1.0, self.along - 1.0], [0.0, self.along]);
        if self.left { [with, against, [self.side, 0.0]] } else { [against, with, [self.side, 0.0]] }
    }

    /// What the player changes, by where a row goes: multiples of 1 over its weight along this way, and of 1 over 1 - t.
    #[inline(always)]
    pub(super) fn change(&self) -> [[f64; 2]; 3] {
        let (with, against) = ([1.0 - self.along, 0.0], [0.0, -1.0]);
        if self.left { [with, against, [0.0; 2]] } else { [against, with, [0.0; 2]] }
    }
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
    steps: Vec<Step>,
    sets: Vec<Vec<u32>>,
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
            steps: Vec::new(),
            sets: Vec::new(),
            levels: 0,
            base: 0.0,
        };
        maker.walk(0, 0, 1.0);
        let points = gauss_legendre(most_players(tree, player_of).div_ceil(2).max(1));
        let rest = points.chunks(Wide::COUNT).next_back().map_or(0, <[_]>::len);
        let (wide, narrow) =
            if rest <= Narrow::COUNT { points.split_at(points.len() - rest) } else { (&points[..], &[][..]) };
        Plan {
            wide: wide.chunks(Wide::COUNT).map(|points| Points::of(points, &maker.ways)).collect(),
            narrow: (!narrow.is_empty()).then(|| Points::of(narrow, &maker.ways)),
            players: maker.players,
            forks: maker.forks,
            ways: maker.ways,
            steps: maker.steps,
            sets: maker.sets,
            levels: maker.levels,
            base: maker.base,
        }
    }
}

impl<L: Lanes> Points<L> {
    /// These points, of which there are no more than lanes; these are the ways of the tree.
    fn of(points: &[(f64, f64)], ways: &[Way]) -> Points<L> {
        // A point too many counts nothing.
        let point = |lane: usize| points.get(lane).copied().unwrap_or((0.5, 0.0));
        let known = |lane: usize| point(lane).0;
        Points {
            unknown: L::from_fn(|lane| 1.0 - known(lane)),
            over_unknown: L::from_fn(|lane| 1.0 / (1.0 - known(lane))),
            weights: L::from_fn(|lane| point(lane).1),
            over_weight: ways
                .iter()
                .map(|way| L::from_fn(|lane| 1.0 / (known(lane) + (1.0 - known(lane)) * way.along)))
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
            Cut::Among(set) => {
                self.sets.push(self.tree.set(set).to_vec());
                Test::Among(self.sets.len() as u32 - 1)
            }
            Cut::Leaf => return,
        };
        let before = self.above[global as usize];
        if let Some(way) = before.0.and_then(|way| self.ways.get_mut(way)) {
            way.again = true;
        }
        let sides = sides(self.tree, children);
        let is_leaf = children.map(|child| self.tree.children(child).is_none());
        let worth = |side: usize| if is_leaf[side] { (self.worth)(self.tree.value(children[side])) } else { 0.0 };
        let worths = [worth(0), worth(1)];
        let here = sides[0] * worths[0] + sides[1] * worths[1];
        let fork = self.forks.len() as u32;
        // A tree is no deeper and no wider than these have room for: its check says so.
        self.forks.push(Fork {
            feature: node.feature,
            player: player as u16,
            level: level as u16,
            above: before.1 as u16,
            missing_left: node.missing_left,
            has_leaves: is_leaf.contains(&true),
            test,
            worths,
            along: before.2 * here,
            here,
        });
        self.levels = self.levels.max(level + 1);
        self.steps.push(Step::Enter(fork));
        for side in 0..2 {
            let share = share * sides[side];
            if is_leaf[side] {
                self.walk(children[side], level + 1, share);
                continue;
            }
            let along = before.2 * sides[side];
            let way = self.ways.len();
            self.ways.push(Way { side: sides[side], along, fork, left: side == 0, again: false });
            self.above[global as usize] = (Some(way), level + 1, along);
            self.steps.push(Step::Descend(way as u32));
            self.walk(children[side], level + 1, share);
            self.steps.push(Step::Ascend(way as u32));
            self.above[global as usize] = before;
        }
    }
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
