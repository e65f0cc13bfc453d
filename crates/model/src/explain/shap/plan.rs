//! A tree made ready for explaining rows.

use super::lanes::{Lanes, Narrow, Wide};
use super::quadrature::gauss_legendre;
use crate::estimator::{Cut, Tree};

/// A tree as steps from the root down and up again, with tables of what each step multiplies by.
pub(super) struct Plan {
    /// The players that the tree asks for; forks name them by their place here.
    pub(super) players: Vec<u32>,
    pub(super) forks: Vec<Fork>,
    pub(super) steps: Vec<Step>,
    /// The points of integration, eight at a time, and the last ones four at a time where that is enough.
    pub(super) wide: Vec<Vec<Wide>>,
    pub(super) narrow: Option<Vec<Narrow>>,
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
}

/// Which values go left.
pub(super) enum Test {
    AtMost(f32),
    Among(Vec<u32>),
}

/// What is done next with a fork; each names its first table.
pub(super) enum Step {
    /// Which way rows go here, and what its leaves add: six tables where it has any.
    Enter { fork: usize, leaves: Option<usize> },
    /// Down to a fork below, on the left or not: three tables.
    Descend { fork: usize, left: bool, table: usize },
    /// Back from there: three tables.
    Ascend { fork: usize, table: usize },
}

/// What is known of a tree while its steps are made.
struct Maker<'a, W> {
    tree: &'a Tree,
    worth: W,
    player_of: &'a [u32],
    /// Of each player the level of the last fork that a way in asked for it, and the share of the cover on all its ways so
    /// far.
    above: Vec<(usize, f64)>,
    players: Vec<u32>,
    forks: Vec<Fork>,
    steps: Vec<Step>,
    ways: Vec<Way>,
    /// How many tables the ways so far become.
    tables: usize,
    levels: usize,
    base: f64,
}

/// From where tables are made: three or six of them.
enum Way {
    /// Of each side with a leaf, left first: the shares of the cover before the fork and behind it, and what the leaf is
    /// worth.
    Leaves([Option<(Shares, f64)>; 2]),
    Down(Shares, bool),
    Up(Shares, bool),
}

/// The share of the cover that goes on along the ways of one player: above a fork, and below it on one side.
#[derive(Clone, Copy)]
struct Shares {
    above: f64,
    below: f64,
    /// Of the rows that come here how many go this side.
    side: f64,
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
            above: vec![(0, 1.0); count],
            players: Vec::new(),
            forks: Vec::new(),
            steps: Vec::new(),
            ways: Vec::new(),
            tables: 0,
            levels: 0,
            base: 0.0,
        };
        maker.walk(0, 0, 1.0);
        let points = gauss_legendre(most_players(tree, player_of).div_ceil(2).max(1));
        let rest = points.chunks(Wide::COUNT).next_back().map_or(0, <[_]>::len);
        let (wide, narrow) = if rest <= Narrow::COUNT { points.split_at(points.len() - rest) } else { (&points[..], &[][..]) };
        Plan {
            wide: wide.chunks(Wide::COUNT).map(|points| maker.tables(points)).collect(),
            narrow: (!narrow.is_empty()).then(|| maker.tables(narrow)),
            players: maker.players,
            forks: maker.forks,
            steps: maker.steps,
            levels: maker.levels,
            base: maker.base,
        }
    }
}

impl<W: Fn(&[f32]) -> f64> Maker<'_, W> {
    /// The steps of everything below a node; `share` is what of the cover comes here.
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
        let fork = self.forks.len();
        self.forks.push(Fork {
            feature: usize::from(node.feature),
            player,
            missing_left: node.missing_left,
            test,
            level,
            above: before.0,
        });
        self.levels = self.levels.max(level + 1);
        let sides = sides(self.tree, children);
        let shares = sides.map(|side| Shares { above: before.1, below: before.1 * side, side });
        let is_leaf = children.map(|child| self.tree.children(child).is_none());
        let leaves = is_leaf.contains(&true).then(|| {
            let leaf =
                |side: usize| is_leaf[side].then(|| (shares[side], (self.worth)(self.tree.value(children[side]))));
            let leaves = Way::Leaves([leaf(0), leaf(1)]);
            self.add(leaves)
        });
        self.steps.push(Step::Enter { fork, leaves });
        for side in 0..2 {
            if is_leaf[side] {
                self.walk(children[side], level + 1, share * sides[side]);
                continue;
            }
            let table = self.add(Way::Down(shares[side], side == 0));
            self.steps.push(Step::Descend { fork, left: side == 0, table });
            self.above[global as usize] = (level + 1, shares[side].below);
            self.walk(children[side], level + 1, share * sides[side]);
            self.above[global as usize] = before;
            let table = self.add(Way::Up(shares[side], side == 0));
            self.steps.push(Step::Ascend { fork, table });
        }
    }

    /// Makes room for the tables of a way, and tells the place of the first.
    fn add(&mut self, way: Way) -> usize {
        let first = self.tables;
        self.tables += if matches!(way, Way::Leaves(_)) { 6 } else { 3 };
        self.ways.push(way);
        first
    }

    /// The tables for these points, of which there are no more than lanes.
    fn tables<L: Lanes>(&self, points: &[(f64, f64)]) -> Vec<L> {
        // A point too many counts nothing.
        let point = |lane: usize| points.get(lane).copied().unwrap_or((0.5, 0.0));
        let mut tables: Vec<L> = Vec::with_capacity(self.tables);
        let mut table = |value: &dyn Fn(f64, f64) -> f64| {
            tables.push(L::from_fn(|lane| {
                let (t, weight) = point(lane);
                value(t, weight)
            }));
        };
        for way in &self.ways {
            for goes in [Goes::Left, Goes::Right, Goes::Neither] {
                match way {
                    Way::Down(shares, left) => table(&|t, _| shares.factor(goes.along(*left), t)),
                    Way::Up(shares, left) => table(&|t, weight| weight * shares.change(goes.along(*left), t)),
                    Way::Leaves(leaves) => table(&|t, _| {
                        let one = |left: bool| {
                            let leaf = leaves[usize::from(!left)];
                            leaf.map_or(0.0, |(shares, worth)| worth * shares.factor(goes.along(left), t))
                        };
                        one(true) + one(false)
                    }),
                }
            }
            if let Way::Leaves(leaves) = way {
                for goes in [Goes::Left, Goes::Right, Goes::Neither] {
                    table(&|t, weight| {
                        let one = |left: bool| {
                            leaves[usize::from(!left)].map_or(0.0, |(shares, worth)| {
                                let along = goes.along(left);
                                worth * weight * shares.factor(along, t) * shares.change(along, t)
                            })
                        };
                        one(true) + one(false)
                    });
                }
            }
        }
        tables
    }
}

/// Where a row goes at a fork.
#[derive(Clone, Copy, PartialEq)]
enum Goes {
    Left,
    Right,
    /// It never came here: an earlier fork that asked for the same player sent it elsewhere.
    Neither,
}

/// How a row stands to one side of a fork.
#[derive(Clone, Copy)]
enum Along {
    /// It goes there.
    With,
    /// It goes to the other side.
    Against,
    /// It had gone elsewhere before.
    Elsewhere,
}

impl Goes {
    fn along(self, left: bool) -> Along {
        match (self, left) {
            (Goes::Neither, _) => Along::Elsewhere,
            (Goes::Left, true) | (Goes::Right, false) => Along::With,
            (Goes::Left, false) | (Goes::Right, true) => Along::Against,
        }
    }
}

impl Shares {
    /// By what the weight of a way changes on this side. A player that is known with probability t weighs t + (1 - t) share
    /// where the row goes along with all forks that ask for it, else (1 - t) share.
    fn factor(self, along: Along, t: f64) -> f64 {
        match along {
            Along::With => weight(self.below, t) / weight(self.above, t),
            Along::Against => (1.0 - t) * self.below / weight(self.above, t),
            Along::Elsewhere => self.side,
        }
    }

    /// What knowing the player changes, as a multiple of the weight of the way: its slope in what is known over its value,
    /// less the same above the fork, where it has been counted.
    fn change(self, along: Along, t: f64) -> f64 {
        let slope = |share: f64| (1.0 - share) / weight(share, t);
        match along {
            Along::With => slope(self.below) - slope(self.above),
            Along::Against => -1.0 / (1.0 - t) - slope(self.above),
            // It had been counted in full.
            Along::Elsewhere => 0.0,
        }
    }
}

/// The weight of a player along whose forks the row goes; more than 0, because t is.
fn weight(share: f64, t: f64) -> f64 {
    t + (1.0 - t) * share
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
    // Nodes to come, each with how many players above it are its own path's.
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
