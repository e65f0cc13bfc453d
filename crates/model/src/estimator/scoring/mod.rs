//! Judges many rows by many trees: the trees of a model, laid out for the processor.
//!
//! Rows are taken in blocks and turned by columns, so that a tree stays in the cache for a block. The nodes that many rows
//! reach are [evaluated](blend) for all rows of a block at once; from there on each row [walks](walk), as rows alone do
//! all the way. Every way ends in the same leaf, and sums are made tree by tree: a row scores the same in any
//! company.

mod blend;
mod walk;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::search::Search;
use super::tree::{Cut, Tree, is_among};
use crate::Matrix;
use blend::{Blend, Bytes};
use walk::{Walk, Walking};

/// The trees of a model, ready to judge.
struct Scorer {
    width: usize,
    /// The numbers that each row gets.
    outputs: usize,
    /// What trees ask for beyond the values of a row; the first stands at position `width`.
    extras: Vec<Extra>,
    /// Values as numbers of cuts below them.
    codes: Vec<Code>,
    /// None where trees ask for so many sets of names that no block of rows has room for them all.
    trees: Option<Vec<Planned>>,
}

/// A number that is made of a value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extra {
    /// The value of this feature, infinite where it is missing: what goes right then.
    MissingRight(usize),
    /// 0 where the value of this feature is one of these codes, or missing where that goes left; else 1.
    Among { feature: usize, codes: Vec<u32>, missing_left: bool },
}

/// A value, or an extra number, as the number of cuts below it: of every 255 cuts one byte.
struct Code {
    column: usize,
    search: Search,
    /// The first byte's place among those of all codes.
    first: usize,
    bytes: usize,
}

struct Planned {
    /// Where its leaf values are added to: its place in a round of trees.
    output: usize,
    walk: Walk,
    blend: Blend,
    /// One number a node, or one a class and node.
    values: Vec<f32>,
    /// The numbers a node.
    each: usize,
}

/// A block of rows by columns, extra numbers included.
type Columns = Vec<Lane>;
/// One column of a block, and one more cache line, so that equal rows of all columns do not fall into the same few.
type Lane = [f32; BLOCK + 16];

impl Scorer {
    /// Lays out trees for rows of this width. A leaf of one number adds it to one of the outputs, trees taking turns; a
    /// leaf of as many numbers as outputs adds each. Rows with missing values need more room, so it must be known
    /// whether there are any.
    fn new(trees: &[Tree], width: usize, outputs: usize, missing: bool) -> Scorer {
        let mut extras: BTreeMap<Extra, usize> = BTreeMap::new();
        for tree in trees {
            for extra in tree.nodes().iter().filter_map(|node| Extra::of(tree, node, missing)) {
                let next = width + extras.len();
                extras.entry(extra).or_insert(next);
            }
        }
        if extras.len() > MOST_EXTRAS {
            return Scorer { width, outputs, extras: Vec::new(), codes: Vec::new(), trees: None };
        }
        let column = |tree: &Tree, node: &super::tree::Node| {
            Extra::of(tree, node, missing)
                .and_then(|extra| extras.get(&extra).copied())
                .unwrap_or(usize::from(node.feature))
        };
        let frequented: Vec<Vec<bool>> = trees.iter().map(blend::frequented).collect();
        let mut cuts: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        for (tree, frequented) in trees.iter().zip(&frequented) {
            for (node, _) in tree.nodes().iter().zip(frequented).filter(|(_, frequented)| **frequented) {
                cuts.entry(column(tree, node)).or_default().push(threshold(node.cut));
            }
        }
        let (mut codes, mut bytes) = (Vec::new(), 0);
        let mut places: BTreeMap<usize, (usize, Vec<f32>)> = BTreeMap::new();
        for (column, mut cuts) in cuts {
            cuts.sort_unstable_by(f32::total_cmp);
            cuts.dedup();
            let first = bytes;
            for cuts in cuts.chunks(Search::MOST / CUTS * CUTS) {
                let code = Code { column, search: Search::new(cuts), first: bytes, bytes: cuts.len().div_ceil(CUTS) };
                bytes += code.bytes;
                codes.push(code);
            }
            places.insert(column, (first, cuts));
        }
        let place = |tree: &Tree, node: &super::tree::Node| {
            let (first, cuts) = places.get(&column(tree, node))?;
            let cut = cuts.partition_point(|cut| *cut < threshold(node.cut));
            Some((first + cut / CUTS, (cut % CUTS) as u8))
        };
        let planned = |(number, (tree, frequented)): (usize, (&Tree, &Vec<bool>))| {
            Some(Planned {
                output: number % outputs,
                walk: Walk::new(tree, |node| column(tree, node)),
                blend: Blend::new(tree, frequented, |node| place(tree, node))?,
                values: tree.values().to_vec(),
                each: tree.outputs(),
            })
        };
        let planned = trees.iter().zip(&frequented).enumerate().map(planned).collect();
        let mut ordered: Vec<(Extra, usize)> = extras.into_iter().collect();
        ordered.sort_unstable_by_key(|(_, place)| *place);
        let extras = ordered.into_iter().map(|(extra, _)| extra).collect();
        Scorer { width, outputs, extras, codes, trees: planned }
    }

    /// The sums of each row's leaves, outputs of a row side by side, beginning with `base`; the trees are those that it
    /// was made of.
    fn sums(&self, trees: &[Tree], matrix: &Matrix, base: &[f32]) -> Vec<f32> {
        let outputs = self.outputs;
        let mut sums: Vec<f32> = base.iter().copied().cycle().take(matrix.rows() * outputs).collect();
        let Some(planned) = &self.trees else {
            let rows = matrix.values().par_chunks(self.width).zip(sums.par_chunks_mut(outputs));
            rows.with_min_len(BLOCK).for_each(|(row, sums)| {
                for (number, tree) in trees.iter().enumerate() {
                    add(tree.value(tree.find(row)), number % outputs, sums);
                }
            });
            return sums;
        };
        if matrix.rows() < ALONE {
            let rows = matrix.values().chunks_exact(self.width).zip(sums.chunks_exact_mut(outputs));
            rows.for_each(|(row, sums)| self.add_alone(planned, row, sums));
            return sums;
        }
        let blocks = matrix.values().par_chunks(self.width * BLOCK).zip(sums.par_chunks_mut(outputs * BLOCK));
        blocks.for_each_init(|| Room::new(self), |room, (rows, sums)| self.add(planned, rows, sums, room));
        sums
    }

    fn add_alone(&self, planned: &[Planned], row: &[f32], sums: &mut [f32]) {
        let extended: Vec<f32>;
        let row = if self.extras.is_empty() {
            row
        } else {
            extended = row.iter().copied().chain(self.extras.iter().map(|extra| extra.value(row))).collect();
            &extended
        };
        for tree in planned {
            let leaf = tree.walk.find(row);
            tree.add(leaf, sums);
        }
    }

    fn add(&self, planned: &[Planned], rows: &[f32], sums: &mut [f32], room: &mut Room) {
        let count = rows.len() / self.width;
        // A few rows at a time, so that what is written stays close together.
        for (block, rows) in rows.chunks(self.width * TILE).enumerate() {
            for (column, lane) in room.columns[..self.width].iter_mut().enumerate() {
                let places = &mut lane[block * TILE..][..TILE];
                places.iter_mut().zip(rows.chunks_exact(self.width)).for_each(|(place, row)| *place = row[column]);
            }
        }
        for (extra, lane) in self.extras.iter().zip(&mut room.columns[self.width..]) {
            rows.chunks_exact(self.width).zip(lane).for_each(|(row, place)| *place = extra.value(row));
        }
        for code in &self.codes {
            code.search.find_all(&room.columns[code.column][..count], &mut room.places[..count]);
            for (number, bytes) in room.codes[code.first..][..code.bytes].iter_mut().enumerate() {
                pulp::Arch::new().dispatch(Coding { places: &room.places, below: (number * CUTS) as u16, bytes });
            }
        }
        if self.outputs == 1 {
            // Room for a whole block, so that loops over its rows have a fixed end.
            let mut whole = [0.0f32; BLOCK];
            whole[..count].copy_from_slice(sums);
            for tree in planned {
                tree.blend.add(&room.codes, &mut room.buffers, &mut whole, &mut room.walking);
                tree.walk.finish(&room.columns, &mut room.walking);
                let (rows, at) = room.walking.take();
                rows.iter().for_each(|&row| whole[usize::from(row)] += tree.values[at[usize::from(row)] as usize]);
            }
            sums.copy_from_slice(&whole[..count]);
            return;
        }
        for tree in planned {
            tree.blend.find_all(&room.codes, &mut room.buffers, &mut room.walking);
            tree.walk.finish(&room.columns, &mut room.walking);
            let (_, leaves) = room.walking.take();
            for (sums, &leaf) in sums.chunks_exact_mut(self.outputs).zip(leaves) {
                tree.add(leaf as usize, sums);
            }
        }
    }
}

impl Planned {
    fn add(&self, leaf: usize, sums: &mut [f32]) {
        add(&self.values[leaf * self.each..][..self.each], self.output, sums);
    }
}

/// Adds what a leaf is worth to all sums of a row, or to one of them where it is one number.
fn add(values: &[f32], output: usize, sums: &mut [f32]) {
    match values {
        [value] => sums[output] += value,
        values => sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
    }
}

impl Extra {
    /// What a node asks for, where it is not just whether a value is above a threshold.
    fn of(tree: &Tree, node: &super::tree::Node, missing: bool) -> Option<Extra> {
        let feature = usize::from(node.feature);
        match node.cut {
            Cut::Leaf => None,
            // A missing value is above nothing, so it goes left by itself.
            Cut::AtMost(_) => (missing && !node.missing_left).then_some(Extra::MissingRight(feature)),
            Cut::Among(set) => {
                let codes = tree.set(set).to_vec();
                Some(Extra::Among { feature, codes, missing_left: node.missing_left })
            }
        }
    }

    fn value(&self, row: &[f32]) -> f32 {
        match self {
            Extra::MissingRight(feature) => {
                let value = row[*feature];
                if value.is_nan() { f32::INFINITY } else { value }
            }
            Extra::Among { feature, codes, missing_left } => {
                let value = row[*feature];
                let left = if value.is_nan() { *missing_left } else { is_among(codes, value) };
                f32::from(u8::from(!left))
            }
        }
    }
}

/// The threshold of a cut, that of a set being between 0 and 1.
fn threshold(cut: Cut) -> f32 {
    match cut {
        Cut::AtMost(threshold) => threshold,
        Cut::Leaf | Cut::Among(_) => 0.5,
    }
}

/// The part of places among all cuts that is of 255 cuts, `below` others.
struct Coding<'a> {
    places: &'a [u16; BLOCK],
    below: u16,
    bytes: &'a mut Bytes,
}

impl pulp::NullaryFnOnce for Coding<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (byte, place) in self.bytes.iter_mut().zip(self.places) {
            *byte = place.saturating_sub(self.below).min(CUTS as u16) as u8;
        }
    }
}

/// What a block of rows needs while it is judged.
struct Room {
    columns: Columns,
    places: [u16; BLOCK],
    codes: Vec<Bytes>,
    buffers: Vec<Bytes>,
    walking: Walking,
}

impl Room {
    fn new(scorer: &Scorer) -> Room {
        Room {
            columns: vec![[0.0; BLOCK + 16]; scorer.width + scorer.extras.len()],
            places: [0; BLOCK],
            codes: vec![[0; BLOCK]; scorer.codes.last().map_or(0, |code| code.first + code.bytes)],
            buffers: Vec::new(),
            walking: Walking::new(),
        }
    }
}

/// Scorers for complete rows and for others, made when they are first needed; no part of what a model is.
#[derive(Default)]
pub(super) struct Lazy([OnceLock<Scorer>; 2]);

impl Lazy {
    /// The sums of each row's leaves, as many a row as `base` has numbers, side by side and beginning with these. A leaf
    /// of one number adds it to one of them, trees taking turns; a leaf of as many numbers adds each.
    pub(super) fn sums(&self, trees: &[Tree], matrix: &Matrix, base: &[f32]) -> Vec<f32> {
        let missing = matrix.has_missing();
        let scorer =
            self.0[usize::from(missing)].get_or_init(|| Scorer::new(trees, matrix.width(), base.len(), missing));
        scorer.sums(trees, matrix, base)
    }
}

impl Clone for Lazy {
    fn clone(&self) -> Lazy {
        Lazy::default()
    }
}

impl PartialEq for Lazy {
    fn eq(&self, _: &Lazy) -> bool {
        true
    }
}

impl std::fmt::Debug for Lazy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lazy")
    }
}

/// Rows of a block: enough to make up for the start of each step, few enough for the cache.
const BLOCK: usize = 512;
/// Fewer rows than this are judged one by one.
const ALONE: usize = 16;
/// Rows that are turned by columns at a time: their values make a cache line.
const TILE: usize = 16;
const CUTS: usize = 255;
/// A block of rows has this much room beside its values.
const MOST_EXTRAS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::tree::{Branch, Division};
    use super::*;

    /// A tree that grows down to the right, asking for all kinds of cut in turn.
    fn tree(leaves: usize) -> Tree {
        let mut tree = Tree::leaf(&[0.0], 1.0);
        let mut last = 0;
        for step in 0..leaves - 1 {
            let (feature, cut) = match step % 3 {
                0 => (0, Division::AtMost(step as f32 - 20.0)),
                1 => (1, Division::Among(vec![step as u32 % 7, 9])),
                _ => (2, Division::AtMost((step as f32 * 0.7).sin())),
            };
            let sides = [(&[step as f32][..], 1.0), (&[-1.0][..], 1.0)];
            let missing_left = step % 2 == 0;
            last = 1 + tree.split(last, Branch { feature, missing_left, cut, gain: 1.0, sides }).unwrap();
        }
        tree
    }

    #[test]
    fn every_way_to_judge_ends_in_the_same_leaf() {
        let value = |row: usize, column: usize| match (row * 31 + column * 17) % 11 {
            0 => f32::NAN,
            _ if column == 1 => ((row * 7) % 12) as f32,
            _ => (row as f32 * 0.37 + column as f32).sin() * 30.0,
        };
        let values: Vec<f32> = (0..700).flat_map(|row| (0..3).map(move |column| value(row, column))).collect();
        let matrix = Matrix::with_missing(3, values).unwrap();
        for leaves in [1, 2, 3, 40, 255, 1200] {
            let trees = [tree(leaves), tree(2)];
            let scorer = Scorer::new(&trees, 3, 1, true);
            let sums = scorer.sums(&trees, &matrix, &[0.5]);
            for (row, sum) in sums.into_iter().enumerate() {
                let values = matrix.row(row);
                let expected: f32 = trees.iter().map(|tree| tree.value(tree.find(values))[0]).sum::<f32>() + 0.5;
                let alone = scorer.sums(&trees, &Matrix::with_missing(3, values.to_vec()).unwrap(), &[0.5]);
                assert_eq!((sum, alone[0]), (expected, expected), "{leaves} {row}");
            }
        }
    }

    #[test]
    fn a_column_may_be_cut_at_thousands_of_places() {
        let trees: Vec<Tree> = (0..9)
            .map(|number| {
                let mut tree = Tree::leaf(&[0.0], 1.0);
                let mut last = 0;
                for step in 0..250 {
                    let cut = Division::AtMost((step * 9 + number) as f32);
                    let sides = [(&[step as f32][..], 1.0), (&[-1.0][..], 1.0)];
                    let branch = Branch { feature: 0, missing_left: true, cut, gain: 1.0, sides };
                    last = 1 + tree.split(last, branch).unwrap();
                }
                tree
            })
            .collect();
        let matrix = Matrix::new(1, (0..2300).map(|row| row as f32 - 20.5).collect()).unwrap();
        for (row, sum) in Scorer::new(&trees, 1, 1, false).sums(&trees, &matrix, &[0.0]).into_iter().enumerate() {
            let expected: f32 = trees.iter().map(|tree| tree.value(tree.find(matrix.row(row)))[0]).sum();
            assert_eq!(sum, expected, "{row}");
        }
    }

    #[test]
    fn trees_take_turns_with_several_outputs() {
        let matrix = Matrix::new(3, (0..900).map(|value| (value % 17) as f32).collect()).unwrap();
        let trees = [tree(5), tree(300), tree(9), tree(7)];
        let sums = Scorer::new(&trees, 3, 2, false).sums(&trees, &matrix, &[1.0, 2.0]);
        for row in 0..300 {
            let of = |tree: usize| trees[tree].value(trees[tree].find(matrix.row(row)))[0];
            assert_eq!(sums[2 * row..2 * row + 2], [1.0 + of(0) + of(2), 2.0 + of(1) + of(3)], "{row}");
        }
    }
}
