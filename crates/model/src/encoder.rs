//! Columns become the numbers that an estimator wants.

use flow::{Category, Column, Table, Values};
use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Matrix, Schema};

/// How columns are turned into numbers; every estimator names the recipe that it wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Numbers are replaced by sign(x) log(1 + |x|), which tames counts of bytes and packets.
    pub logarithm: bool,
    /// Every encoded value is shifted to mean 0 and scaled to standard deviation 1, of the training rows.
    pub standard: bool,
    /// What becomes of missing values.
    pub missing: Missing,
    /// What becomes of names.
    pub categories: Categories,
}

/// What becomes of a missing number (NaN, or infinite).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// The median of the training rows; 0 where they had none.
    #[default]
    Median,
    /// It stays missing, for an estimator that takes such values.
    Keep,
}

/// What becomes of names. A missing name is one more name, where training rows had any; an unseen one is stated below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Categories {
    /// One value a column: the name's rank by the share of attacks among its training rows, which lets a tree cut the
    /// names in two as well as any subset could (Breiman et al. 1984 s.4.2.2). Where the truth is unknown, or one-sided,
    /// the rank by number of rows. An unseen name stands between the names on either side of the overall share.
    #[default]
    Ranks,
    /// One value a column: minus the logarithm of the name's share of the training rows, so that rare names lie far
    /// out. An unseen name counts as if it had half a row.
    Rarity,
    /// One value a column: the name's place among the names of the training rows in ascending order, then one for missing and
    /// one for unseen; for an estimator that splits names into sets.
    Codes,
    /// A value of 0 or 1 for each name. An unseen name is all zeros.
    OneHot,
}

/// Turns tables into matrices by what was learned from training rows: medians, means, deviations, names.
///
/// ```
/// use flow::{Column, Table};
/// use model::{Encoder, Recipe};
/// let table = Table::new(vec![Column::numbers("bytes", vec![1.0, 3.0, 8.0])]).unwrap();
/// let encoder = Encoder::fit(&table, None, Recipe::default()).unwrap();
/// let new = Table::new(vec![Column::numbers("bytes", vec![f32::NAN])]).unwrap();
/// assert_eq!(encoder.encode(&new).unwrap().values(), [3.0]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    schema: Schema,
    columns: Vec<Encoding>,
}

/// How one column is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Encoding {
    /// One value; the median is NaN where missing values stay so.
    Number { median: f32, logarithm: bool, scale: Scale },
    /// One value, looked up: one a name of the schema's vocabulary, then the one for missing, then the one for unseen.
    Lookup { values: Vec<f32>, scale: Scale },
    /// One value: the name's place in the schema's vocabulary, this number where it is missing, one more where unseen.
    Code { names: u32 },
    /// One value a name of the schema's vocabulary, then one for missing.
    OneHot { scales: Vec<Scale> },
}

/// A shift and a factor: (x - mean) * factor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Scale {
    mean: f32,
    factor: f32,
}

impl Encoder {
    /// Learns from training rows. `attacks` is their truth, where it is known: one a row.
    pub fn fit(table: &Table, attacks: Option<&[bool]>, recipe: Recipe) -> Result<Encoder, Error> {
        if table.rows() == 0 {
            return Err(Error::Empty("rows"));
        }
        if table.columns().is_empty() {
            return Err(Error::Empty("columns"));
        }
        if let Some(attacks) = attacks.filter(|attacks| attacks.len() != table.rows()) {
            return Err(Error::Length { what: "labels", expected: table.rows(), found: attacks.len() });
        }
        let schema = Schema::of(table);
        let mut columns = Vec::with_capacity(schema.fields.len());
        for (field, column) in schema.fields.iter().zip(table.columns()) {
            columns.push(match (&field.kind, &column.values) {
                (Kind::Category(names), Values::Categories(category)) => {
                    Encoding::category(&places(names, category), names.len(), attacks, recipe)
                }
                (_, Values::Numbers(numbers)) => Encoding::number(numbers, recipe),
                (Kind::Number, Values::Categories(_)) => unreachable!("the schema was made of this table"),
            });
        }
        let encoder = Encoder { schema, columns };
        match encoder.width() {
            0 => Err(Error::Empty("columns")),
            width if width > MAX_WIDTH => Err(Error::Width { found: width, most: MAX_WIDTH }),
            _ => Ok(encoder),
        }
    }

    /// The columns that a table must have.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn schema_mut(&mut self) -> &mut Schema {
        &mut self.schema
    }

    /// The number of values that a row becomes.
    pub fn width(&self) -> usize {
        self.columns.iter().map(Encoding::width).sum()
    }

    /// What each value of an encoded row is: the column's name, and the name it stands for where it is one of a column
    /// of names.
    pub fn names(&self) -> Vec<String> {
        let mut all = Vec::with_capacity(self.width());
        for (field, encoding) in self.schema.fields.iter().zip(&self.columns) {
            match (&field.kind, encoding) {
                (Kind::Category(names), Encoding::OneHot { .. }) => {
                    all.extend(names.iter().map(|name| format!("{} = {name}", field.name)));
                    all.push(format!("{} missing", field.name));
                }
                _ => all.push(field.name.clone()),
            }
        }
        all
    }

    /// The matrix of a table, which must have the columns of the schema.
    pub fn encode(&self, table: &Table) -> Result<Matrix, Error> {
        let sources = self.schema.columns(table)?;
        let (width, rows) = (self.width(), table.rows());
        let mut values = vec![0.0; width * rows];
        let lookups: Vec<Vec<usize>> =
            self.schema.fields.iter().zip(&sources).map(|(field, source)| lookup(&field.kind, source)).collect();
        // Blocks of rows keep the part of the matrix that is being written in the cache.
        for (block, out) in values.chunks_mut(width * BLOCK).enumerate() {
            let mut at = 0;
            for ((encoding, source), lookup) in self.columns.iter().zip(&sources).zip(&lookups) {
                encoding.write(source, lookup, block * BLOCK, out, at, width);
                at += encoding.width();
            }
        }
        let missing = self.keeps_missing() && values.iter().any(|value| value.is_nan());
        Ok(Matrix::encoded(width, values, missing))
    }

    /// Whether missing numbers stay missing.
    pub(crate) fn keeps_missing(&self) -> bool {
        self.columns.iter().any(|encoding| matches!(encoding, Encoding::Number { median, .. } if median.is_nan()))
    }

    /// For each value of an encoded row whether it is the code of a name.
    pub fn codes(&self) -> Vec<bool> {
        let is_code = |encoding: &Encoding| vec![matches!(encoding, Encoding::Code { .. }); encoding.width()];
        self.columns.iter().flat_map(is_code).collect()
    }

    /// Refuses what no fit can have made: bytes from outside.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Damaged(format!("the encoder {why}")));
        if self.columns.len() != self.schema.fields.len() || self.columns.is_empty() {
            return refuse("has another number of columns than the schema");
        }
        let mut width = 0usize;
        for (field, encoding) in self.schema.fields.iter().zip(&self.columns) {
            let fits = match (&field.kind, encoding) {
                (Kind::Number, Encoding::Number { .. }) => true,
                (Kind::Category(names), Encoding::Lookup { values, .. }) => values.len() == names.len() + 2,
                (Kind::Category(names), Encoding::Code { names: known }) => names.len() == *known as usize,
                (Kind::Category(names), Encoding::OneHot { scales }) => scales.len() == names.len() + 1,
                _ => false,
            };
            if !fits || !encoding.is_sane() {
                return refuse(&format!("does not fit column `{}`", field.name));
            }
            if let Kind::Category(names) = &field.kind
                && !names.is_sorted_by(|one, next| one < next)
            {
                return refuse(&format!("holds unsorted names of column `{}`", field.name));
            }
            width = width.saturating_add(encoding.width());
        }
        if width == 0 || width > MAX_WIDTH { refuse("has an impossible width") } else { Ok(()) }
    }
}

impl Encoding {
    fn number(numbers: &[f32], recipe: Recipe) -> Encoding {
        let mut present: Vec<f32> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
        let median = if recipe.missing == Missing::Keep { f32::NAN } else { median(&mut present) };
        let prepared = |number: f32| prepare(number, median, recipe.logarithm);
        let scale = Scale::of(recipe.standard, numbers.iter().map(|&number| f64::from(prepared(number))));
        Encoding::Number { median, logarithm: recipe.logarithm, scale }
    }

    fn category(places: &[usize], names: usize, attacks: Option<&[bool]>, recipe: Recipe) -> Encoding {
        let mut counts = vec![[0usize; 2]; names + 1];
        for (row, &place) in places.iter().enumerate() {
            counts[place][usize::from(attacks.is_some_and(|attacks| attacks[row]))] += 1;
        }
        let rows = places.len() as f64;
        let lookup = |values: Vec<f32>| {
            let scale = Scale::of(recipe.standard, places.iter().map(|&place| f64::from(values[place])));
            Encoding::Lookup { values, scale }
        };
        match recipe.categories {
            Categories::Ranks => lookup(ranks(&counts)),
            Categories::Codes => Encoding::Code { names: names as u32 },
            Categories::Rarity => {
                let shares = counts.iter().map(|[benign, attack]| (benign + attack) as f64).chain([0.0]);
                lookup(shares.map(|count| -(count.max(0.5) / rows).ln() as f32).collect())
            }
            Categories::OneHot => {
                let scales = counts.iter().map(|[benign, attack]| {
                    let share = (benign + attack) as f64 / rows;
                    let factor = if share > 0.0 && share < 1.0 { 1.0 / (share * (1.0 - share)).sqrt() } else { 1.0 };
                    if recipe.standard { Scale { mean: share as f32, factor: factor as f32 } } else { Scale::NONE }
                });
                Encoding::OneHot { scales: scales.collect() }
            }
        }
    }

    fn width(&self) -> usize {
        match self {
            Encoding::Number { .. } | Encoding::Lookup { .. } | Encoding::Code { .. } => 1,
            Encoding::OneHot { scales } => scales.len(),
        }
    }

    /// Writes the encoded values of a block of rows, from row `first` on, at position `at` of each row of `out`.
    fn write(&self, source: &Column, places: &[usize], first: usize, out: &mut [f32], at: usize, width: usize) {
        let targets = out.chunks_exact_mut(width);
        match (self, &source.values) {
            (Encoding::Number { median, logarithm, scale }, Values::Numbers(numbers)) => {
                for (target, &number) in targets.zip(&numbers[first..]) {
                    target[at] = scale.apply(prepare(number, *median, *logarithm));
                }
            }
            (Encoding::Number { median, logarithm, scale }, Values::Categories(_)) => {
                let value = scale.apply(prepare(*median, *median, *logarithm));
                targets.for_each(|target| target[at] = value);
            }
            (Encoding::Lookup { values, scale }, source) => {
                for (offset, target) in targets.enumerate() {
                    target[at] = scale.apply(values[place(source, places, first + offset, values.len() - 2)]);
                }
            }
            (Encoding::Code { names }, source) => {
                for (offset, target) in targets.enumerate() {
                    target[at] = place(source, places, first + offset, *names as usize) as f32;
                }
            }
            (Encoding::OneHot { scales }, source) => {
                for (offset, target) in targets.enumerate() {
                    let hot = place(source, places, first + offset, scales.len() - 1);
                    for (position, (value, scale)) in target[at..].iter_mut().zip(scales).enumerate() {
                        *value = scale.apply(f32::from(u8::from(position == hot)));
                    }
                }
            }
        }
    }

    /// Whether all numbers are finite, and none so large that an encoded value could not be.
    fn is_sane(&self) -> bool {
        match self {
            Encoding::Number { median, logarithm: _, scale } => !median.is_infinite() && scale.is_sane(),
            Encoding::Lookup { values, scale } => scale.is_sane() && values.iter().all(|value| value.is_finite()),
            Encoding::Code { .. } => true,
            Encoding::OneHot { scales } => scales.iter().all(Scale::is_sane),
        }
    }
}

impl Scale {
    const NONE: Scale = Scale { mean: 0.0, factor: 1.0 };

    /// The scale that gives values mean 0 and deviation 1, or leaves them as they are.
    fn of(standard: bool, values: impl Iterator<Item = f64> + Clone) -> Scale {
        if !standard {
            return Scale::NONE;
        }
        let values = values.filter(|value| !value.is_nan());
        let count = values.clone().count().max(1) as f64;
        let mean = values.clone().sum::<f64>() / count;
        let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        // A deviation that is only rounding would blow noise up.
        let deviation = variance.sqrt();
        let factor = if deviation > 1e-7 * mean.abs().max(1e-20) { (1.0 / deviation) as f32 } else { 1.0 };
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        Scale { mean: mean as f32, factor }
    }

    /// The scaled value, kept finite: f32 numbers near the largest overflow when shifted.
    fn apply(&self, value: f32) -> f32 {
        ((value - self.mean) * self.factor).clamp(f32::MIN, f32::MAX)
    }

    fn is_sane(&self) -> bool {
        self.mean.is_finite() && self.factor.is_finite() && self.factor > 0.0
    }
}

/// The number, or the median where it is missing, after the logarithm where asked.
fn prepare(number: f32, median: f32, logarithm: bool) -> f32 {
    let number = if number.is_finite() { number } else { median };
    if logarithm { number.abs().ln_1p().copysign(number) } else { number }
}

/// The lower median; 0 where there is nothing.
fn median(present: &mut [f32]) -> f32 {
    if present.is_empty() {
        return 0.0;
    }
    let middle = (present.len() - 1) / 2;
    *present.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// The place of each row's name in the schema's vocabulary; the vocabulary's length where it is missing.
fn places(names: &[String], category: &Category) -> Vec<usize> {
    let lookup = vocabulary(names, &category.vocabulary);
    category.codes.iter().map(|&code| lookup.get(code as usize).copied().unwrap_or(names.len())).collect()
}

/// For each code of a source column its place: 0.. known, then missing, then unseen.
fn lookup(kind: &Kind, source: &Column) -> Vec<usize> {
    match (kind, &source.values) {
        (Kind::Category(names), Values::Categories(category)) => vocabulary(names, &category.vocabulary),
        _ => Vec::new(),
    }
}

fn vocabulary(names: &[String], source: &[String]) -> Vec<usize> {
    source.iter().map(|name| names.binary_search(name).unwrap_or(names.len() + 1)).collect()
}

/// The place of one row's name; `missing` where it has none.
fn place(source: &Values, places: &[usize], row: usize, missing: usize) -> usize {
    match source {
        Values::Categories(category) => places.get(category.codes[row] as usize).copied().unwrap_or(missing),
        Values::Numbers(_) => missing,
    }
}

/// Ranks of names by their share of attacks, then one for missing, then one for unseen.
fn ranks(counts: &[[usize; 2]]) -> Vec<f32> {
    let total = counts.iter().fold([0, 0], |sum, count| [sum[0] + count[0], sum[1] + count[1]]);
    let labelled = total[0] > 0 && total[1] > 0;
    let key = |[benign, attack]: [usize; 2]| {
        let rows = benign + attack;
        if labelled { attack as f64 / rows.max(1) as f64 } else { -(rows as f64) }
    };
    let overall = if labelled { key(total) } else { 0.0 };
    let known: Vec<usize> = (0..counts.len()).filter(|&place| counts[place] != [0, 0]).collect();
    let mut order = known.clone();
    order.sort_by(|&one, &other| key(counts[one]).total_cmp(&key(counts[other])));
    let mut values = vec![0.0; counts.len() + 1];
    for (rank, &place) in order.iter().enumerate() {
        values[place] = rank as f32;
    }
    // Half a rank between the names below the overall share and those above it.
    let unseen = known.iter().filter(|&&place| key(counts[place]) < overall).count() as f32 - 0.5;
    for (place, value) in values.iter_mut().enumerate() {
        if counts.get(place).is_none_or(|count| *count == [0, 0]) {
            *value = unseen;
        }
    }
    values
}

const BLOCK: usize = 256;
/// The most values that a row may become; a node of a tree has this much room for its feature.
pub(crate) const MAX_WIDTH: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(codes: &[u32]) -> Table {
        let vocabulary = ["tcp", "udp", "icmp"].map(String::from).to_vec();
        let values = Values::Categories(Category { codes: codes.to_vec(), vocabulary });
        Table::new(vec![Column { name: "protocol".into(), values }]).unwrap()
    }

    fn number(numbers: &[f32]) -> Table {
        Table::new(vec![Column::numbers("bytes", numbers.to_vec())]).unwrap()
    }

    fn recipe(categories: Categories) -> Recipe {
        Recipe { categories, ..Recipe::default() }
    }

    #[test]
    fn names_rank_by_their_share_of_attacks_and_an_unseen_one_stands_between() {
        // tcp 1 of 2, udp none of 2; icmp never occurs.
        let attacks = [true, false, false, false];
        let encoder = Encoder::fit(&names(&[0, 0, 1, 1]), Some(&attacks), recipe(Categories::Ranks)).unwrap();
        let encoded = encoder.encode(&names(&[0, 1, 2, Category::MISSING])).unwrap();
        assert_eq!(encoded.values(), [1.0, 0.0, 0.5, 0.5]);
    }

    #[test]
    fn codes_are_places_in_the_vocabulary_then_missing_then_unseen() {
        let encoder = Encoder::fit(&names(&[2, 1]), None, recipe(Categories::Codes)).unwrap();
        let encoded = encoder.encode(&names(&[2, 1, Category::MISSING, 0])).unwrap();
        assert_eq!((encoded.values(), encoder.codes()), ([0.0, 1.0, 2.0, 3.0].as_slice(), vec![true]));
    }

    #[test]
    fn a_missing_number_stays_missing_where_asked() {
        let recipe = Recipe { missing: Missing::Keep, standard: true, ..Recipe::default() };
        let encoder = Encoder::fit(&number(&[1.0, f32::NAN, 3.0]), None, recipe).unwrap();
        let encoded = encoder.encode(&number(&[3.0, f32::INFINITY])).unwrap();
        assert!(encoded.has_missing() && encoded.values()[0] == 1.0 && encoded.values()[1].is_nan(), "{encoded:?}");
    }

    #[test]
    fn one_hot_has_a_value_a_name_and_an_unseen_name_is_all_zeros() {
        let encoder = Encoder::fit(&names(&[0, 1, Category::MISSING]), None, recipe(Categories::OneHot)).unwrap();
        assert_eq!(encoder.names(), ["protocol = tcp", "protocol = udp", "protocol missing"]);
        let encoded = encoder.encode(&names(&[1, Category::MISSING, 2])).unwrap();
        assert_eq!(encoded.values(), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn rare_names_lie_far_out_and_unseen_ones_further() {
        let encoder = Encoder::fit(&names(&[0, 0, 0, 1]), None, recipe(Categories::Rarity)).unwrap();
        let encoded = encoder.encode(&names(&[0, 1, 2])).unwrap();
        assert!(encoded.values().is_sorted_by(|one, next| one < next), "{encoded:?}");
    }

    #[test]
    fn numbers_are_standardised_by_training_rows_after_a_signed_logarithm() {
        let recipe = Recipe { logarithm: true, standard: true, ..Recipe::default() };
        let edge = 1f32.exp() - 1.0;
        let encoder = Encoder::fit(&number(&[-edge, edge, f32::NAN]), None, recipe).unwrap();
        let encoded = encoder.encode(&number(&[edge, -edge, f32::INFINITY])).unwrap();
        // The median is the lower one, so the values are -1, 1, -1 with mean -1/3 and deviation sqrt(8)/3.
        let expected = [4.0 / 8f32.sqrt(), -2.0 / 8f32.sqrt(), -2.0 / 8f32.sqrt()];
        for (value, expected) in encoded.values().iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{encoded:?}");
        }
    }

    #[test]
    fn a_constant_or_empty_column_stays_finite() {
        let recipe = Recipe { standard: true, ..Recipe::default() };
        for training in [[5.0, 5.0], [f32::NAN, f32::NAN], [f32::MAX, f32::MIN]] {
            let encoder = Encoder::fit(&number(&training), None, recipe).unwrap();
            let encoded = encoder.encode(&number(&[f32::MAX, f32::MIN, 0.0, f32::NAN])).unwrap();
            assert!(encoded.values().iter().all(|value| value.is_finite()), "{training:?} {encoded:?}");
        }
    }

    #[test]
    fn many_rows_are_encoded_like_one() {
        let numbers: Vec<f32> = (0..1000).map(|row| row as f32).collect();
        let encoder = Encoder::fit(&number(&numbers), None, Recipe { standard: true, ..Recipe::default() }).unwrap();
        let all = encoder.encode(&number(&numbers)).unwrap();
        let one = encoder.encode(&number(&[777.0])).unwrap();
        assert_eq!(all.row(777), one.row(0));
    }
}
