//! Columns become the numbers that an estimator wants.

mod names;
mod number;
mod recipe;
mod scale;

use flow::{Column, Table, Values};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use names::{Counted, Names, Rows, places};
use number::Number;
pub use recipe::{Categories, Missing, Recipe, Scaling};

use crate::schema::{Field, Kind, Schema};
use crate::{Error, Matrix};

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
    /// One after the other in each row: one block for a single estimator, one a part for an ensemble.
    blocks: Vec<Block>,
}

/// Every column of the schema, encoded by one recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Block {
    recipe: Recipe,
    /// One a field of the schema.
    columns: Vec<Encoding>,
}

/// How one column is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Encoding {
    Number(Number),
    Names(Names),
}

impl Encoder {
    /// Learns from training rows. `attacks` is their truth, where it is known: one a row.
    pub fn fit(table: &Table, attacks: Option<&[bool]>, recipe: Recipe) -> Result<Encoder, Error> {
        Encoder::fit_under(Schema::of(table), table, attacks, recipe)
    }

    /// Learns from training rows under a schema of more rows than these: a name that only the others have is known, and
    /// encoded like one that none has.
    pub(crate) fn fit_under(
        schema: Schema,
        table: &Table,
        attacks: Option<&[bool]>,
        recipe: Recipe,
    ) -> Result<Encoder, Error> {
        if table.rows() == 0 {
            return Err(Error::Empty("rows"));
        }
        if table.columns().is_empty() {
            return Err(Error::Empty("columns"));
        }
        if let Some(attacks) = attacks.filter(|attacks| attacks.len() != table.rows()) {
            return Err(Error::Length { what: "labels", expected: table.rows(), found: attacks.len() });
        }
        if recipe.categories == Categories::Target && attacks.is_none() {
            return Err(Error::Unlabelled("target encoding"));
        }
        let fit = |(kind, column): (&Kind, &Column)| match (kind, &column.values) {
            (Kind::Number, Values::Numbers(numbers)) => Encoding::Number(Number::fit(numbers, recipe)),
            // A column whose every value is missing may come as names.
            (Kind::Number, Values::Categories(_)) => {
                Encoding::Number(Number::fit(&vec![f32::NAN; table.rows()], recipe))
            }
            (Kind::Category(names), _) => {
                Encoding::Names(Counted::of(&row_places(kind, column), names.len(), attacks, recipe).fit())
            }
        };
        let sources = schema.columns(table)?;
        let kinds: Vec<(&Kind, &Column)> = schema.fields.iter().map(|field| &field.kind).zip(sources).collect();
        let columns = kinds.into_par_iter().map(fit).collect();
        Encoder { schema, blocks: vec![Block { recipe, columns }] }.of_possible_width()
    }

    /// Learns from training rows and encodes them. It differs from fitting and encoding in [`Categories::Target`] alone:
    /// each row's value is told by the rows of the other four of five folds, dealt by the seed, so that no estimator
    /// finds a row's own label in it.
    pub fn fit_encode(
        table: &Table,
        attacks: Option<&[bool]>,
        recipe: Recipe,
        seed: u64,
    ) -> Result<(Encoder, Matrix), Error> {
        let encoder = Encoder::fit(table, attacks, recipe)?;
        let matrix = encoder.encode_training(table, attacks, seed)?;
        Ok((encoder, matrix))
    }

    /// The matrix of the very rows that were learned from, see [`Encoder::fit_encode`].
    pub(crate) fn encode_training(&self, table: &Table, attacks: Option<&[bool]>, seed: u64) -> Result<Matrix, Error> {
        let matrix = self.encode(table)?;
        let Some(Block { recipe: Recipe { categories: Categories::Target, .. }, .. }) = self.blocks.first() else {
            return Ok(matrix);
        };
        let mut folds: Vec<u8> = (0..table.rows()).map(|row| (row % FOLDS) as u8).collect();
        folds.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
        let (width, missing) = (matrix.width(), matrix.has_missing());
        let mut values = matrix.into_values();
        let sources = self.schema.columns(table)?;
        let mut at = 0;
        for block in &self.blocks {
            for ((field, encoding), column) in self.schema.fields.iter().zip(&block.columns).zip(&sources) {
                if let (Kind::Category(names), 1..) = (&field.kind, encoding.width()) {
                    let row_places = row_places(&field.kind, column);
                    let counted = Counted::of(&row_places, names.len(), attacks, block.recipe);
                    let told = counted.out_of_fold(FOLDS, |row| usize::from(folds[row]));
                    values.iter_mut().skip(at).step_by(width).zip(told).for_each(|(value, told)| *value = told);
                }
                at += encoding.width();
            }
        }
        Ok(Matrix::encoded(width, values, missing))
    }

    /// The encoder whose rows are those of this one followed by those of the other; both are of the same schema.
    pub(crate) fn beside(mut self, other: Encoder) -> Result<Encoder, Error> {
        debug_assert_eq!(self.schema, other.schema);
        self.blocks.extend(other.blocks);
        self.of_possible_width()
    }

    fn of_possible_width(self) -> Result<Encoder, Error> {
        match self.width() {
            0 => Err(Error::Empty("columns")),
            width if width > MAX_WIDTH => Err(Error::Width { found: width, most: MAX_WIDTH }),
            _ => Ok(self),
        }
    }

    /// Every column's encoding, in the order of the values of a row, each with its field.
    fn columns(&self) -> impl Iterator<Item = (&Field, &Encoding)> {
        self.blocks.iter().flat_map(|block| self.schema.fields.iter().zip(&block.columns))
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
        self.columns().map(|(_, encoding)| encoding.width()).sum()
    }

    /// What each value of an encoded row is: the column's name, and the name it stands for where it is one of a column
    /// of names.
    pub fn names(&self) -> Vec<String> {
        let mut all = Vec::with_capacity(self.width());
        for (field, encoding) in self.columns() {
            match encoding {
                Encoding::Number(number) => all.extend(number.names(&field.name)),
                Encoding::Names(names) => all.extend(names.names(&field.name, field.kind.names())),
            }
        }
        all
    }

    /// The column that each value of an encoded row comes from, by its position in the schema.
    pub fn sources(&self) -> Vec<usize> {
        let fields = self.blocks.iter().flat_map(|block| block.columns.iter().enumerate());
        fields.flat_map(|(field, encoding)| std::iter::repeat_n(field, encoding.width())).collect()
    }

    /// For each value of an encoded row whether it is the code of a name.
    pub fn codes(&self) -> Vec<bool> {
        let is_code = |encoding: &Encoding| {
            let is_code = matches!(encoding, Encoding::Names(Names::Code { .. }));
            std::iter::repeat_n(is_code, encoding.width())
        };
        self.columns().flat_map(|(_, encoding)| is_code(encoding)).collect()
    }

    /// What each value of an encoded row says of its column.
    pub(crate) fn meanings(&self) -> Vec<Meaning<'_>> {
        let all = self
            .columns()
            .flat_map(|(field, encoding)| (0..encoding.width()).map(move |slot| Meaning { field, encoding, slot }));
        all.collect()
    }

    /// Whether missing numbers stay missing.
    pub(crate) fn keeps_missing(&self) -> bool {
        self.columns().any(|(_, encoding)| matches!(encoding, Encoding::Number(number) if number.keeps_missing()))
    }

    /// Leaves out all values of a row but those at these positions, in their order: what feature selection chose.
    pub fn keep(&mut self, positions: &[usize]) -> Result<(), Error> {
        let mut wanted = vec![false; self.width()];
        for &position in positions {
            let width = wanted.len();
            *wanted.get_mut(position).ok_or(Error::Shape { expected: width, found: position })? = true;
        }
        if positions.is_empty() {
            return Err(Error::Empty("columns"));
        }
        let mut rest = wanted.as_slice();
        for encoding in self.blocks.iter_mut().flat_map(|block| &mut block.columns) {
            let (own, others) = rest.split_at(encoding.width());
            rest = others;
            match encoding {
                Encoding::Number(number) => number.keep(own),
                Encoding::Names(names) => names.keep(own),
            }
        }
        Ok(())
    }

    /// The matrix of a table, which must have the columns of the schema.
    pub fn encode(&self, table: &Table) -> Result<Matrix, Error> {
        let sources = self.schema.columns(table)?;
        let (width, rows) = (self.width(), table.rows());
        let mut values = vec![0.0; width * rows];
        let places: Vec<Vec<u32>> = self
            .schema
            .fields
            .iter()
            .zip(&sources)
            .map(|(field, source)| places(field.kind.names(), &source.values))
            .collect();
        // Blocks of rows keep the part of the matrix that is being written in the cache.
        let write = |(block, out): (usize, &mut [f32])| {
            let rows = block * BLOCK..block * BLOCK + out.len() / width;
            let mut at = 0;
            for block in &self.blocks {
                for ((encoding, source), places) in block.columns.iter().zip(&sources).zip(&places) {
                    encoding.write(source, places, rows.clone(), out, at, width);
                    at += encoding.width();
                }
            }
        };
        match rows {
            // A few rows are not worth waking a thread.
            0..=BLOCK => values.chunks_mut(width * BLOCK).enumerate().for_each(write),
            _ => values.par_chunks_mut(width * BLOCK).enumerate().for_each(write),
        }
        let missing = self.keeps_missing() && values.iter().any(|value| value.is_nan());
        Ok(Matrix::encoded(width, values, missing))
    }

    /// Refuses what no fit can have made: bytes from outside.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Damaged(format!("the encoder {why}")));
        for field in &self.schema.fields {
            if !field.kind.names().is_sorted_by(|one, next| one < next) {
                return refuse(&format!("holds unsorted names of column `{}`", field.name));
            }
        }
        let mut width = 0usize;
        for block in &self.blocks {
            if block.columns.len() != self.schema.fields.len() {
                return refuse("has another number of columns than the schema");
            }
            for (field, encoding) in self.schema.fields.iter().zip(&block.columns) {
                let fits = match (&field.kind, encoding) {
                    (Kind::Number, Encoding::Number(number)) => number.is_sane(block.recipe),
                    (Kind::Category(vocabulary), Encoding::Names(names)) => names.is_sane(vocabulary.len()),
                    _ => false,
                };
                if !fits {
                    return refuse(&format!("does not fit column `{}`", field.name));
                }
                width = width.saturating_add(encoding.width());
            }
        }
        if width == 0 || width > MAX_WIDTH { refuse("has an impossible width") } else { Ok(()) }
    }
}

/// What a value of an encoded row says of its column.
#[derive(Clone, Copy)]
pub(crate) struct Meaning<'a> {
    /// The column.
    pub(crate) field: &'a Field,
    encoding: &'a Encoding,
    slot: usize,
}

impl<'a> Meaning<'a> {
    /// The number of the column that becomes this encoded value; `None` where it holds names, or the value tells only
    /// whether it was missing.
    pub(crate) fn number(&self, encoded: f32) -> Option<f32> {
        match self.encoding {
            Encoding::Number(number) => (!number.is_indicator(self.slot)).then(|| number.undo(encoded)),
            Encoding::Names(_) => None,
        }
    }

    /// The names of the column, each with the value that it becomes; none of a column of numbers.
    pub(crate) fn names(&self) -> Vec<(&'a str, f32)> {
        match self.encoding {
            Encoding::Number(_) => Vec::new(),
            Encoding::Names(names) => {
                self.field.kind.names().iter().map(String::as_str).zip(names.told(self.slot)).collect()
            }
        }
    }
}

impl Encoding {
    fn width(&self) -> usize {
        match self {
            Encoding::Number(number) => number.width(),
            Encoding::Names(names) => names.width(),
        }
    }

    /// Writes the encoded values of some rows at position `at` of each row of `out`.
    fn write(
        &self,
        source: &Column,
        places: &[u32],
        rows: std::ops::Range<usize>,
        out: &mut [f32],
        at: usize,
        width: usize,
    ) {
        match (self, &source.values) {
            (Encoding::Number(number), Values::Numbers(numbers)) => number.write(&numbers[rows], out, at, width),
            // A column whose every value is missing may come as names.
            (Encoding::Number(number), Values::Categories(_)) => {
                number.write(&vec![f32::NAN; rows.len()], out, at, width);
            }
            (Encoding::Names(names), Values::Categories(category)) => {
                names.write(Rows { codes: Some(&category.codes[rows]), places }, out, at, width);
            }
            (Encoding::Names(names), Values::Numbers(_)) => names.write(Rows { codes: None, places }, out, at, width),
        }
    }
}

/// The place of each row's name in the vocabulary of the schema; the vocabulary's length where it is missing.
fn row_places(kind: &Kind, column: &Column) -> Vec<u32> {
    let names = kind.names();
    let places = places(names, &column.values);
    match &column.values {
        Values::Categories(category) => {
            let place = |&code: &u32| places.get(code as usize).copied().unwrap_or(names.len() as u32);
            category.codes.iter().map(place).collect()
        }
        Values::Numbers(numbers) => vec![names.len() as u32; numbers.len()],
    }
}

const BLOCK: usize = 256;
/// Training rows are target-encoded by as many folds.
const FOLDS: usize = 5;
/// The most values that a row may become; a node of a tree has this much room for its feature.
pub(crate) const MAX_WIDTH: usize = 4096;

#[cfg(test)]
mod tests {
    use flow::Category;

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
        let recipe = Recipe { missing: Missing::Keep, scaling: Scaling::Standard, ..Recipe::default() };
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
        let recipe = Recipe { logarithm: true, scaling: Scaling::Standard, ..Recipe::default() };
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
        let recipe = Recipe { scaling: Scaling::Standard, ..Recipe::default() };
        for training in [[5.0, 5.0], [f32::NAN, f32::NAN], [f32::MAX, f32::MIN]] {
            let encoder = Encoder::fit(&number(&training), None, recipe).unwrap();
            let encoded = encoder.encode(&number(&[f32::MAX, f32::MIN, 0.0, f32::NAN])).unwrap();
            assert!(encoded.values().iter().all(|value| value.is_finite()), "{training:?} {encoded:?}");
        }
    }

    #[test]
    fn many_rows_are_encoded_like_one() {
        let numbers: Vec<f32> = (0..1000).map(|row| row as f32).collect();
        let encoder =
            Encoder::fit(&number(&numbers), None, Recipe { scaling: Scaling::Standard, ..Recipe::default() }).unwrap();
        let all = encoder.encode(&number(&numbers)).unwrap();
        let one = encoder.encode(&number(&[777.0])).unwrap();
        assert_eq!(all.row(777), one.row(0));
    }

    #[test]
    fn a_missing_number_becomes_what_the_recipe_says() {
        let fit = |missing| {
            let encoder = Encoder::fit(
                &number(&[7.0, 1.0, f32::NAN, 7.0, 9.0, 8.0]),
                None,
                Recipe { missing, ..Recipe::default() },
            );
            let encoder = encoder.unwrap();
            (encoder.names(), encoder.encode(&number(&[f32::NAN, 2.0])).unwrap())
        };
        assert_eq!(fit(Missing::Median).1.values(), [7.0, 2.0]);
        assert_eq!(fit(Missing::Mode).1.values(), [7.0, 2.0]);
        let (names, encoded) = fit(Missing::Indicator);
        assert_eq!(names, ["bytes", "bytes missing"]);
        assert_eq!(encoded.values(), [7.0, 1.0, 2.0, 0.0]);
        let (_, kept) = fit(Missing::Keep);
        assert!(kept.values()[0].is_nan() && kept.values()[1] == 2.0 && kept.has_missing());
    }

    #[test]
    fn a_column_without_missing_values_gets_no_indicator() {
        let recipe = Recipe { missing: Missing::Indicator, ..Recipe::default() };
        assert_eq!(Encoder::fit(&number(&[7.0, 1.0]), None, recipe).unwrap().width(), 1);
    }

    #[test]
    fn rare_names_share_a_value_that_unseen_ones_join() {
        // Two rows of tcp, one of udp, one of icmp; the vocabulary is icmp, tcp, udp.
        let rows = [0, 0, 1, 2];
        let recipe = Recipe { categories: Categories::OneHot, rare: 2, ..Recipe::default() };
        let encoder = Encoder::fit(&names(&rows), None, recipe).unwrap();
        assert_eq!(encoder.names(), ["protocol = tcp", "protocol other"]);
        assert_eq!(encoder.encode(&names(&[0, 1, 2])).unwrap().values(), [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        let values = Values::Categories(Category { codes: vec![0], vocabulary: vec!["sctp".into()] });
        let unseen = Table::new(vec![Column { name: "protocol".into(), values }]).unwrap();
        assert_eq!(encoder.encode(&unseen).unwrap().values(), [0.0, 1.0]);
        let codes =
            Encoder::fit(&names(&rows), None, Recipe { categories: Categories::Codes, rare: 2, ..Recipe::default() });
        let codes = codes.unwrap();
        assert_eq!(codes.encode(&names(&rows)).unwrap().values(), [1.0, 1.0, 4.0, 4.0]);
        assert_eq!(codes.encode(&unseen).unwrap().values(), [4.0]);
        assert_eq!(codes.codes(), [true]);
    }

    /// scikit-learn 1.9: `TargetEncoder(smooth=10.0).fit([["tcp"]] * 4 + [["udp"]] * 2, [1, 1, 1, 0, 0, 0])` has the
    /// encodings 8/14 and 5/12.
    #[test]
    fn target_encoding_agrees_with_scikit_learn() {
        let (rows, attacks) = ([0, 0, 0, 0, 1, 1], [true, true, true, false, false, false]);
        let encoder = Encoder::fit(&names(&rows), Some(&attacks), recipe(Categories::Target)).unwrap();
        assert_eq!(encoder.encode(&names(&[0, 1, 2])).unwrap().values(), [8.0 / 14.0, 5.0 / 12.0, 0.5]);
        assert_eq!(
            Encoder::fit(&names(&rows), None, recipe(Categories::Target)),
            Err(Error::Unlabelled("target encoding"))
        );
    }

    /// Every name occurs once, so that its share of attacks would be the row's own label.
    #[test]
    fn a_training_row_is_not_told_its_own_label() {
        let vocabulary: Vec<String> = (0..50).map(|name| format!("host {name:02}")).collect();
        let values = Values::Categories(Category { codes: (0..50).collect(), vocabulary });
        let table = Table::new(vec![Column { name: "host".into(), values }]).unwrap();
        let attacks: Vec<bool> = (0..50).map(|row| row % 2 == 0).collect();
        let (encoder, matrix) = Encoder::fit_encode(&table, Some(&attacks), recipe(Categories::Target), 1).unwrap();
        // The other folds know nothing of the name and tell their overall share: lower, if anything, where the row is
        // an attack itself.
        let side =
            |attack: bool| (0..50).filter(|&row| attacks[row] == attack).map(|row| matrix.values()[row]).sum::<f32>();
        assert!(side(true) <= side(false), "{} {}", side(true), side(false));
        let told = encoder.encode(&table).unwrap();
        assert!(told.values()[0] > told.values()[1]);
    }

    #[test]
    fn what_selection_leaves_out_is_not_encoded() {
        let columns = vec![
            Column::numbers("bytes", vec![1.0, f32::NAN, 3.0]),
            Column { name: "protocol".into(), values: names(&[0, 1, 2]).columns()[0].values.clone() },
            Column::numbers("packets", vec![5.0, 6.0, 7.0]),
        ];
        let table = Table::new(columns).unwrap();
        let recipe = Recipe { missing: Missing::Indicator, categories: Categories::OneHot, ..Recipe::default() };
        let mut encoder = Encoder::fit(&table, None, recipe).unwrap();
        let (all, all_names) = (encoder.encode(&table).unwrap(), encoder.names());
        assert_eq!(all.width(), 6);
        let kept = [1, 3, 4];
        encoder.keep(&kept).unwrap();
        assert_eq!(encoder.names(), kept.map(|position| all_names[position].clone()));
        let expected: Vec<f32> = (0..3).flat_map(|row| kept.map(|position| all.row(row)[position])).collect();
        assert_eq!(encoder.encode(&table).unwrap().values(), expected);
        assert_eq!(encoder.sources(), [0, 1, 1]);
        encoder.check().unwrap();
    }
}
