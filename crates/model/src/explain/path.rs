//! The way of a row through a tree, in words.

use flow::{Table, printable};
use serde::Serialize;

use super::words::brief;
use super::{Quantity, TreeQuantity, Trees};
use crate::encoder::Meaning;
use crate::estimator::{Cut, Tree, is_among};
use crate::{Detector, Error};

/// The way of a row through one tree of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Path {
    /// The number of the tree, from 1.
    pub tree: usize,
    /// How many trees the model has.
    pub trees: usize,
    /// What the row fulfils on its way, each value of a row once.
    pub conditions: Vec<Condition>,
    /// Step by step from the root: what is fulfilled there, the share of the tree's training rows that come along, and
    /// what the tree would say of them.
    pub steps: Vec<(Condition, f64, f64)>,
    /// What the leaf adds.
    pub quantity: Quantity,
    /// The share of the tree's training rows in the leaf, as they weigh.
    pub share: f64,
    /// What the leaf says: of a forest the share of attacks, of boosting what it adds to the logarithm of the odds.
    pub worth: f64,
}

/// What a value of a row fulfils.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// What its value fulfils.
    pub side: Side,
}

/// What a value may fulfil.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// It is a number no larger than this.
    AtMost(f32),
    /// It is a number above this.
    Above(f32),
    /// It is a number above the first and no larger than the second.
    Within(f32, f32),
    /// It is one of these names.
    Among(Vec<String>),
    /// It is none of these names.
    AnyBut(Vec<String>),
    /// It is missing.
    Missing,
    /// It is not missing.
    Present,
}

/// What a row has shown of one encoded value so far.
#[derive(Clone)]
struct Shown {
    feature: usize,
    low: f32,
    high: f32,
    /// The names that are still possible, each with whether it is.
    names: Vec<bool>,
    missing: bool,
}

impl Path {
    /// In words: what the row fulfils, and what the tree says of such rows.
    pub fn words(&self) -> String {
        let conditions: Vec<String> = self.conditions.iter().map(Condition::words).collect();
        let says = match self.quantity {
            Quantity::LogOdds(_) => format!("adds {:+.4} to the logarithm of the odds", self.worth),
            Quantity::Cuts => format!("is reached by {:.1} cuts", -self.worth),
            _ => format!("holds {:.4} of such rows for attacks", self.worth),
        };
        let tree = match self.trees {
            1 => "the tree".to_owned(),
            trees => format!("tree {} of {trees}", self.tree),
        };
        format!("{}: {tree} {says} ({:.4} of its training rows)", conditions.join(", "), self.share)
    }
}

impl Condition {
    /// In words, such as `dst_bytes` at most 1,024.
    pub fn words(&self) -> String {
        let list = |names: &[String]| {
            let mut shown: Vec<String> =
                names.iter().take(SHOWN).map(|name| format!("`{}`", printable(name))).collect();
            if names.len() > SHOWN {
                shown.push(format!("{} more", names.len() - SHOWN));
            }
            shown.join(", ")
        };
        let column = printable(&self.column);
        match &self.side {
            Side::AtMost(most) => format!("`{column}` at most {}", brief(*most)),
            Side::Above(least) => format!("`{column}` above {}", brief(*least)),
            Side::Within(least, most) => format!("`{column}` above {} and at most {}", brief(*least), brief(*most)),
            Side::Among(names) if names.len() == 1 => format!("`{column}` is {}", list(names)),
            Side::Among(names) => format!("`{column}` is one of {}", list(names)),
            Side::AnyBut(names) => format!("`{column}` is none of {}", list(names)),
            Side::Missing => format!("`{column}` is missing"),
            Side::Present => format!("`{column}` is there"),
        }
    }
}

impl Detector {
    /// The way of a row through the tree that says the worst of it, and of several such through the one whose leaf holds
    /// most training rows; `None` where the model is not made of trees. Panics where there is no such row.
    pub fn path(&self, table: &Table, row: usize) -> Result<Option<Path>, Error> {
        let Some(trees) = Trees::of(self.model()) else { return Ok(None) };
        let matrix = self.encoder().encode(&table.select(&[row]))?;
        let values = matrix.row(0);
        // Of more classes than two, trees of benign rows speak against an attack.
        let speaks = |number: usize| trees.sums() == 1 || !number.is_multiple_of(trees.sums());
        let mut best: Option<(f64, f32, usize)> = None;
        for (number, tree) in trees.trees.iter().enumerate().filter(|(number, _)| speaks(*number)) {
            let leaf = tree.find(values);
            let (worth, cover) = (trees.worth(tree.value(leaf)), tree.nodes()[leaf].cover);
            if best.is_none_or(|(most, covers, _)| worth > most || worth == most && cover > covers) {
                best = Some((worth, cover, number));
            }
        }
        let Some((_, _, number)) = best else { return Ok(None) };
        Ok(Some(trees.path(number, values, &self.encoder().meanings())))
    }
}

impl Trees<'_> {
    fn path(self, number: usize, row: &[f32], meanings: &[Meaning<'_>]) -> Path {
        let tree = &self.trees[number];
        // A leaf of a mean says what it says by itself.
        let scale = if self.quantity == TreeQuantity::LogOdds { 1.0 } else { self.trees.len() as f64 };
        let worth = |node: usize| self.worth(tree.value(node)) * scale;
        let all = f64::from(tree.nodes()[0].cover);
        let share = |node: usize| if all > 0.0 { f64::from(tree.nodes()[node].cover) / all } else { 0.0 };
        let (mut shown, mut steps): (Vec<Shown>, Vec<_>) = (Vec::new(), Vec::new());
        for step in tree.path(row) {
            let node = tree.nodes()[step.node];
            let feature = usize::from(node.feature);
            let Some(meaning) = meanings.get(feature) else { continue };
            let place = shown.iter().position(|shown| shown.feature == feature).unwrap_or_else(|| {
                shown.push(Shown::new(feature, meaning));
                shown.len() - 1
            });
            let mut alone = Shown::new(feature, meaning);
            for shown in [&mut shown[place], &mut alone] {
                shown.take(tree, node.cut, step.value, step.left, meaning);
            }
            let child = node.left as usize + usize::from(!step.left);
            steps.push((alone.condition(meaning), share(child), worth(child)));
        }
        let leaf = tree.find(row);
        Path {
            tree: number + 1,
            trees: self.trees.len(),
            conditions: shown
                .iter()
                .filter_map(|shown| meanings.get(shown.feature).map(|meaning| shown.condition(meaning)))
                .collect(),
            steps,
            quantity: match self.quantity {
                TreeQuantity::LogOdds => Quantity::LogOdds(None),
                TreeQuantity::Share | TreeQuantity::Shares => Quantity::Share,
                TreeQuantity::Cuts => Quantity::Cuts,
            },
            share: share(leaf),
            worth: worth(leaf),
        }
    }
}

impl Shown {
    fn new(feature: usize, meaning: &Meaning<'_>) -> Shown {
        let names = vec![true; meaning.names().len()];
        Shown { feature, low: f32::NEG_INFINITY, high: f32::INFINITY, names, missing: false }
    }

    fn take(&mut self, tree: &Tree, cut: Cut, value: f32, left: bool, meaning: &Meaning<'_>) {
        self.missing |= value.is_nan();
        let goes_left = |value: f32| match cut {
            Cut::AtMost(threshold) => value <= threshold,
            Cut::Among(set) => is_among(tree.set(set), value),
            Cut::Leaf => true,
        };
        for (possible, (_, value)) in self.names.iter_mut().zip(meaning.names()) {
            *possible &= goes_left(value) == left;
        }
        if let Cut::AtMost(threshold) = cut {
            if left { self.high = self.high.min(threshold) } else { self.low = self.low.max(threshold) }
        }
    }

    fn condition(&self, meaning: &Meaning<'_>) -> Condition {
        let number = |encoded: f32| meaning.number(encoded);
        let side = if self.missing {
            Side::Missing
        } else if !self.names.is_empty() {
            let of = |wanted: bool| {
                let names = meaning.names().into_iter().zip(&self.names);
                names.filter(|(_, possible)| **possible == wanted).map(|((name, _), _)| name.to_owned()).collect()
            };
            let (possible, impossible): (Vec<String>, Vec<String>) = (of(true), of(false));
            if possible.len() <= impossible.len() && !possible.is_empty() {
                Side::Among(possible)
            } else {
                Side::AnyBut(impossible)
            }
        } else {
            match (self.low.is_finite().then(|| number(self.low)), self.high.is_finite().then(|| number(self.high))) {
                (Some(Some(low)), Some(Some(high))) => Side::Within(low, high),
                (Some(Some(low)), _) => Side::Above(low),
                (_, Some(Some(high))) => Side::AtMost(high),
                // It tells with 0 and 1 whether the value is missing.
                (Some(None), _) => Side::Missing,
                _ => Side::Present,
            }
        };
        Condition { column: meaning.field.name.clone(), side }
    }
}

/// So many names are said.
const SHOWN: usize = 6;
