//! Columns of names.

use flow::{Category, Values};
use serde::{Deserialize, Serialize};

use super::recipe::{Categories, Recipe, Scaling};
use super::scale::Scale;

/// How a column of names is encoded. A place is the position of a name in the schema's vocabulary; the next place stands
/// for missing, the one behind it for unseen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Names {
    /// One value: one a place.
    Lookup { values: Vec<f32> },
    /// One value: the name's place or, of a rare one, that of its group.
    Code { codes: Vec<u32> },
    /// A value for each group of names.
    OneHot {
        /// The value of a row that stands for each place; [`NOWHERE`] where none does.
        slots: Vec<u32>,
        /// One a value of a row: what it is where the name is another, and where it is this one.
        values: Vec<[f32; 2]>,
    },
    /// No value: left out.
    Dropped,
}

/// A column of names of the training rows, counted.
pub(super) struct Counted<'a> {
    /// The place of each row's name.
    places: &'a [u32],
    attacks: Option<&'a [bool]>,
    recipe: Recipe,
    /// The group of each place: of known names, of missing, of unseen. Rare names share one, which unseen ones join.
    groups: Vec<u32>,
    /// Benign rows and attacks of each group.
    counts: Vec<[u64; 2]>,
}

impl<'a> Counted<'a> {
    /// Counts the names at these places, of a vocabulary of so many.
    pub(super) fn of(places: &'a [u32], names: usize, attacks: Option<&'a [bool]>, recipe: Recipe) -> Counted<'a> {
        let mut each = vec![[0u64; 2]; names + 2];
        for (row, &place) in places.iter().enumerate() {
            each[place as usize][usize::from(attacks.is_some_and(|attacks| attacks[row]))] += 1;
        }
        let is_rare = |place: usize| place < names && each[place].iter().sum::<u64>() < u64::from(recipe.rare);
        let unseen = names as u32 + 1;
        let groups: Vec<u32> =
            (0..each.len()).map(|place| if is_rare(place) { unseen } else { place as u32 }).collect();
        let mut counts = vec![[0; 2]; each.len()];
        for (group, count) in groups.iter().zip(each) {
            let sum = &mut counts[*group as usize];
            *sum = [sum[0] + count[0], sum[1] + count[1]];
        }
        Counted { places, attacks, recipe, groups, counts }
    }

    pub(super) fn fit(&self) -> Names {
        match self.recipe.categories {
            Categories::Ranks => self.lookup(&ranks(&self.counts)),
            Categories::Rarity => self.lookup(&self.rarity()),
            Categories::Target => self.lookup(&self.shares()),
            Categories::Codes => Names::Code { codes: self.groups.clone() },
            Categories::OneHot => self.one_hot(),
        }
    }

    fn lookup(&self, groups: &[f32]) -> Names {
        let scale = self.scale(groups);
        Names::Lookup { values: self.groups.iter().map(|&group| scale.apply(groups[group as usize])).collect() }
    }

    /// The scale of a column that has these values, one a group.
    fn scale(&self, groups: &[f32]) -> Scale {
        if self.recipe.scaling == Scaling::None {
            return Scale::NONE;
        }
        let group = |place: u32| self.groups[place as usize] as usize;
        let values: Vec<f32> = self.places.iter().map(|&place| groups[group(place)]).collect();
        Scale::of(self.recipe, &values)
    }

    fn rarity(&self) -> Vec<f32> {
        let rows = self.places.len() as f64;
        self.counts.iter().map(|[benign, attack]| -(((benign + attack) as f64).max(0.5) / rows).ln() as f32).collect()
    }

    fn shares(&self) -> Vec<f32> {
        let overall = overall(&self.counts);
        self.counts.iter().map(|&count| smoothed(count, overall)).collect()
    }

    /// The value of each training row by the other rows' truth: rows are dealt into so many folds, and a row's value is
    /// told by the rows of the others. `fold` tells the fold of a row.
    pub(super) fn out_of_fold(&self, folds: usize, fold: impl Fn(usize) -> usize) -> Vec<f32> {
        let group = |row: usize| self.groups[self.places[row] as usize] as usize;
        let mut inside = vec![vec![[0u64; 2]; self.counts.len()]; folds];
        for row in 0..self.places.len() {
            inside[fold(row)][group(row)][usize::from(self.attacks.is_some_and(|attacks| attacks[row]))] += 1;
        }
        let scale = self.scale(&self.shares());
        let less = |one: [u64; 2], other: [u64; 2]| [one[0] - other[0], one[1] - other[1]];
        let values: Vec<Vec<f32>> = inside
            .iter()
            .map(|inside| {
                let outside: Vec<[u64; 2]> =
                    self.counts.iter().zip(inside).map(|(&all, &own)| less(all, own)).collect();
                let overall = overall(&outside);
                outside.into_iter().map(|count| scale.apply(smoothed(count, overall))).collect()
            })
            .collect();
        (0..self.places.len()).map(|row| values[fold(row)][group(row)]).collect()
    }

    fn one_hot(&self) -> Names {
        let rows = self.places.len() as f64;
        let mut slot_of_group = vec![NOWHERE; self.counts.len()];
        let mut values = Vec::new();
        for (slot, [benign, attack]) in slot_of_group.iter_mut().zip(&self.counts) {
            if benign + attack > 0 {
                *slot = values.len() as u32;
                let scale = Scale::of_share(self.recipe, (benign + attack) as f64 / rows);
                values.push([scale.apply(0.0), scale.apply(1.0)]);
            }
        }
        Names::OneHot { slots: self.groups.iter().map(|&group| slot_of_group[group as usize]).collect(), values }
    }
}

impl Names {
    pub(super) fn width(&self) -> usize {
        match self {
            Names::Lookup { .. } | Names::Code { .. } => 1,
            Names::OneHot { values, .. } => values.len(),
            Names::Dropped => 0,
        }
    }

    /// What each value of a row is, in words; `vocabulary` holds the known names.
    pub(super) fn names(&self, column: &str, vocabulary: &[String]) -> Vec<String> {
        let Names::OneHot { slots, values } = self else { return vec![column.to_owned(); self.width()] };
        let [missing, unseen] = [slots[vocabulary.len()], slots[vocabulary.len() + 1]];
        let word = |slot: u32| match slots.iter().position(|other| *other == slot).and_then(|at| vocabulary.get(at)) {
            _ if slot == missing => format!("{column} missing"),
            _ if slot == unseen => format!("{column} other"),
            Some(name) => format!("{column} = {name}"),
            None => column.to_owned(),
        };
        (0..values.len() as u32).map(word).collect()
    }

    /// Leaves out the values whose positions in a row are not wanted.
    pub(super) fn keep(&mut self, wanted: &[bool]) {
        if let Names::OneHot { slots, values } = self {
            let mut kept = Vec::with_capacity(values.len());
            let mut moved = vec![NOWHERE; values.len()];
            for (slot, value) in values.iter().enumerate().filter(|(slot, _)| wanted[*slot]) {
                moved[slot] = kept.len() as u32;
                kept.push(*value);
            }
            slots.iter_mut().for_each(|slot| *slot = moved.get(*slot as usize).copied().unwrap_or(NOWHERE));
            *values = kept;
        } else if wanted.first() == Some(&false) {
            *self = Names::Dropped;
        }
        if self.width() == 0 {
            *self = Names::Dropped;
        }
    }

    /// Writes the names of a block of rows, from row `first` on, at position `at` of each row of `out`. `places` tells
    /// the place of each code of the source.
    pub(super) fn write(&self, rows: Rows, out: &mut [f32], at: usize, width: usize) {
        let targets = out.chunks_exact_mut(width).enumerate();
        match self {
            Names::Lookup { values } => {
                let missing = values.len() - 2;
                targets.for_each(|(row, target)| target[at] = values[rows.place(row, missing)]);
            }
            Names::Code { codes } => {
                let missing = codes.len() - 2;
                targets.for_each(|(row, target)| target[at] = codes[rows.place(row, missing)] as f32);
            }
            Names::OneHot { slots, values } => {
                let missing = slots.len() - 2;
                let off: Vec<f32> = values.iter().map(|[off, _]| *off).collect();
                let zeros = off.iter().all(|off| *off == 0.0);
                for (row, target) in targets {
                    if !zeros {
                        target[at..at + off.len()].copy_from_slice(&off);
                    }
                    let slot = slots[rows.place(row, missing)] as usize;
                    if let Some([_, on]) = values.get(slot) {
                        target[at + slot] = *on;
                    }
                }
            }
            Names::Dropped => {}
        }
    }

    /// What each place becomes at this encoded value: the known names, missing, unseen.
    pub(super) fn told(&self, slot: usize) -> Vec<f32> {
        match self {
            Names::Lookup { values } => values.clone(),
            Names::Code { codes } => codes.iter().map(|code| *code as f32).collect(),
            Names::OneHot { slots, values } => {
                let [off, on] = values.get(slot).copied().unwrap_or_default();
                slots.iter().map(|own| if *own as usize == slot { on } else { off }).collect()
            }
            Names::Dropped => Vec::new(),
        }
    }

    /// Whether it fits a vocabulary of so many names, and no encoded value can be anything but finite.
    pub(super) fn is_sane(&self, names: usize) -> bool {
        match self {
            Names::Lookup { values } => values.len() == names + 2 && values.iter().all(|value| value.is_finite()),
            Names::Code { codes } => {
                codes.len() == names + 2 && codes.iter().all(|&code| (code as usize) < codes.len())
            }
            Names::OneHot { slots, values } => {
                slots.len() == names + 2
                    && slots.iter().all(|&slot| slot == NOWHERE || (slot as usize) < values.len())
                    && values.as_flattened().iter().all(|value| value.is_finite())
            }
            Names::Dropped => true,
        }
    }
}

/// Some rows of a column that is to be encoded.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// The codes of these rows; `None` where every name is missing.
    pub(super) codes: Option<&'a [u32]>,
    /// The place of each code.
    pub(super) places: &'a [u32],
}

impl Rows<'_> {
    /// The place of a row's name; `missing` where it has none.
    fn place(&self, row: usize, missing: usize) -> usize {
        let code = self.codes.map_or(Category::MISSING, |codes| codes[row]);
        self.places.get(code as usize).map_or(missing, |&place| place as usize)
    }
}

/// The place of each name of a source's vocabulary among the known `names`, which ascend.
pub(super) fn places(names: &[String], source: &Values) -> Vec<u32> {
    let place = |name: &String| names.binary_search(name).unwrap_or(names.len() + 1) as u32;
    match source {
        Values::Categories(category) => category.vocabulary.iter().map(place).collect(),
        Values::Numbers(_) => Vec::new(),
    }
}

/// The share of attacks among all rows; one half where there are none.
fn overall(counts: &[[u64; 2]]) -> f64 {
    let [benign, attack] = counts.iter().fold([0, 0], |sum, count| [sum[0] + count[0], sum[1] + count[1]]);
    if benign + attack == 0 { 0.5 } else { attack as f64 / (benign + attack) as f64 }
}

/// The share of attacks, drawn to the overall share.
fn smoothed([benign, attack]: [u64; 2], overall: f64) -> f32 {
    ((attack as f64 + SMOOTHING * overall) / ((benign + attack) as f64 + SMOOTHING)) as f32
}

/// Ranks of groups by their share of attacks; those without rows stand between the ones below the overall share and those
/// above it.
fn ranks(counts: &[[u64; 2]]) -> Vec<f32> {
    let total = counts.iter().fold([0, 0], |sum, count| [sum[0] + count[0], sum[1] + count[1]]);
    let labelled = total[0] > 0 && total[1] > 0;
    let key = |[benign, attack]: [u64; 2]| {
        let rows = benign + attack;
        if labelled { attack as f64 / rows.max(1) as f64 } else { -(rows as f64) }
    };
    let overall = if labelled { key(total) } else { 0.0 };
    let mut known: Vec<usize> = (0..counts.len()).filter(|&group| counts[group] != [0, 0]).collect();
    known.sort_by(|&one, &other| key(counts[one]).total_cmp(&key(counts[other])));
    // Half a rank between the two sides.
    let between = known.iter().filter(|&&group| key(counts[group]) < overall).count() as f32 - 0.5;
    let mut values = vec![between; counts.len()];
    for (rank, &group) in known.iter().enumerate() {
        values[group] = rank as f32;
    }
    values
}

const NOWHERE: u32 = u32::MAX;
/// As many rows of the overall share are added to each name's own.
const SMOOTHING: f64 = 10.0;
