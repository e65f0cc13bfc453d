//! What a table holds, before anything is learned from it.

use flow::{Category, Column, Table, Values};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::statistics::{
    Moments, Test, benjamini_hochberg, chi_square, mann_whitney, moments, pearson, quantile, spearman, welch,
};
use crate::Dataset;

/// What a table holds: each column by itself, which columns go together, and how attacks differ from benign rows.
///
/// ```
/// use flow::{Column, Label, Table};
/// use model::Dataset;
/// use model::evaluation::{Profile, Summary};
/// let table = Table::new(vec![Column::numbers("bytes", vec![1.0, 2.0, f32::NAN, 9.0])]).unwrap();
/// let labels = ["normal", "normal", "scan", "scan"].map(Label::new);
/// let profile = Profile::of(&Dataset::labelled(table, &labels).unwrap());
/// let column = &profile.columns[0];
/// assert_eq!((column.missing, column.distinct), (1, 3));
/// let Summary::Numbers(numbers) = &column.summary else { panic!("a column of numbers") };
/// assert_eq!(numbers.quantiles[3], 2.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The number of rows.
    pub rows: u64,
    /// The rows of each kind, most rows first; empty where the truth is unknown.
    pub kinds: Vec<(String, u64)>,
    /// The attacks; `None` where the truth is unknown.
    pub attacks: Option<u64>,
    /// Each column, in order.
    pub columns: Vec<ColumnProfile>,
    /// How columns go together, strongest first.
    pub associations: Vec<Association>,
    /// How attacks differ from benign rows, column by column, the largest difference first; empty unless there are both.
    pub differences: Vec<Difference>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// The rows without a value.
    pub missing: u64,
    /// How many different values there are.
    pub distinct: u64,
    /// Its values.
    pub summary: Summary,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Summary {
    /// Measurements.
    Numbers(Numbers),
    /// Names: the most frequent ones, with their benign rows and their attacks; where the truth is unknown, all count as
    /// benign.
    Names(Vec<(String, [u64; 2])>),
}

/// A column of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// Mean, deviation, skewness; `None` where all are missing.
    pub moments: Option<Moments>,
    /// The values below which 0, 1, 25, 50, 75, 99 and 100 % of the rows lie; empty where all are missing.
    pub quantiles: Vec<f64>,
    /// The rows that are exactly 0.
    pub zeros: u64,
    /// The rows further than one and a half interquartile ranges from the quartiles (Tukey 1977).
    pub outliers: u64,
    /// Where each bin of the histogram begins, then where the last one ends.
    pub edges: Vec<f64>,
    /// Whether the bins are equally wide on the scale sign(x) log(1 + |x|), because the values lie magnitudes apart.
    pub logarithmic: bool,
    /// The benign rows and the attacks in each bin; where the truth is unknown, all count as benign.
    pub histogram: Vec<[u64; 2]>,
    /// The values below which 5, 25, 50, 75 and 95 % lie, of benign rows and of attacks; empty where there are none.
    pub boxes: [Vec<f64>; 2],
}

/// How two columns go together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Association {
    /// The two columns.
    pub columns: [String; 2],
    /// Pearson's correlation, of two columns of numbers.
    pub pearson: Option<f64>,
    /// Spearman's correlation, of two columns of numbers.
    pub spearman: Option<f64>,
    /// Cramér's V, of two columns of names.
    pub cramers_v: Option<f64>,
}

/// How attacks differ from benign rows in one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The column.
    pub column: String,
    /// Welch's t-test of the means, of a column of numbers.
    pub welch: Option<Test>,
    /// The Mann-Whitney test of which side tends to be larger, of a column of numbers.
    pub mann_whitney: Option<Test>,
    /// The chi-square test of the counts, of a column of names.
    pub chi_square: Option<Test>,
    /// The probability of the Mann-Whitney or chi-square test, corrected for there being many columns (Benjamini and
    /// Hochberg 1995).
    pub adjusted_p: f64,
}

impl Association {
    /// How strongly they go together, 0..=1: Spearman's correlation without its sign, or Cramér's V.
    pub fn strength(&self) -> f64 {
        self.spearman.or(self.cramers_v).unwrap_or(0.0).abs()
    }
}

impl Difference {
    /// How large the difference is, 0..=1: the rank-biserial correlation without its sign, or Cramér's V.
    pub fn effect(&self) -> f64 {
        self.mann_whitney.or(self.chi_square).map_or(0.0, |test| test.effect.abs())
    }
}

impl Profile {
    /// The profile of a table. Associations are looked for among the first 100 columns, and in at most 20,000 rows, evenly
    /// taken; everything else is of all rows.
    pub fn of(dataset: &Dataset) -> Profile {
        let (table, attacks) = (dataset.table(), dataset.attacks());
        let columns = table.columns().par_iter().map(|column| column_profile(column, attacks)).collect();
        let count = |attacks: &[bool]| attacks.iter().filter(|attack| **attack).count() as u64;
        Profile {
            rows: dataset.rows() as u64,
            kinds: dataset.kinds().map(kinds).unwrap_or_default(),
            attacks: attacks.map(count),
            columns,
            associations: associations(table),
            differences: attacks.map(|attacks| differences(table, attacks)).unwrap_or_default(),
        }
    }
}

fn kinds(kinds: &Category) -> Vec<(String, u64)> {
    let mut rows = vec![0u64; kinds.vocabulary.len()];
    kinds.codes.iter().for_each(|&code| rows[code as usize] += 1);
    let mut kinds: Vec<(String, u64)> =
        kinds.vocabulary.iter().cloned().zip(rows).filter(|(_, rows)| *rows > 0).collect();
    kinds.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    kinds
}

fn column_profile(column: &Column, attacks: Option<&[bool]>) -> ColumnProfile {
    let is_attack = |row: usize| attacks.is_some_and(|attacks| attacks[row]);
    let (present, distinct, summary) = match &column.values {
        Values::Numbers(numbers) => {
            let sides = sides(numbers, is_attack);
            let all: Vec<f64> = ascending(sides.concat());
            let distinct = all.chunk_by(|one, next| one == next).count();
            (all.len(), distinct, Summary::Numbers(numbers_summary(&all, sides)))
        }
        Values::Categories(category) => {
            let mut counts = vec![[0u64; 2]; category.vocabulary.len()];
            for (row, &code) in category.codes.iter().enumerate() {
                if let Some(counts) = counts.get_mut(code as usize) {
                    counts[usize::from(is_attack(row))] += 1;
                }
            }
            let mut names: Vec<(String, [u64; 2])> =
                category.vocabulary.iter().cloned().zip(counts).filter(|(_, counts)| *counts != [0, 0]).collect();
            let rows = |counts: &[u64; 2]| counts[0] + counts[1];
            let (present, distinct) = (names.iter().map(|(_, counts)| rows(counts)).sum::<u64>(), names.len());
            names.sort_by(|one, other| rows(&other.1).cmp(&rows(&one.1)).then_with(|| one.0.cmp(&other.0)));
            names.truncate(NAMES);
            (present as usize, distinct, Summary::Names(names))
        }
    };
    let missing = (column.values.len() - present) as u64;
    ColumnProfile { name: column.name.clone(), missing, distinct: distinct as u64, summary }
}

/// The finite numbers of the benign rows and of the attacks.
fn sides(numbers: &[f32], is_attack: impl Fn(usize) -> bool) -> [Vec<f64>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for (row, &number) in numbers.iter().enumerate().filter(|(_, number)| number.is_finite()) {
        sides[usize::from(is_attack(row))].push(f64::from(number));
    }
    sides
}

fn ascending(mut sample: Vec<f64>) -> Vec<f64> {
    sample.sort_unstable_by(f64::total_cmp);
    sample
}

fn numbers_summary(all: &[f64], sides: [Vec<f64>; 2]) -> Numbers {
    let at = |sample: &[f64], shares: &[f64]| shares.iter().filter_map(|&share| quantile(sample, share)).collect();
    let quantiles: Vec<f64> = at(all, &[0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0]);
    let fences = quantile(all, 0.25).zip(quantile(all, 0.75)).map(|(low, high)| {
        let reach = 1.5 * (high - low);
        (low - reach, high + reach)
    });
    let outside = |value: &&f64| fences.is_some_and(|(low, high)| **value < low || **value > high);
    let bins = Bins::of(all);
    let mut histogram = vec![[0u64; 2]; if all.is_empty() { 0 } else { bins.count }];
    for (side, sample) in sides.iter().enumerate() {
        sample.iter().for_each(|&value| histogram[bins.place(value)][side] += 1);
    }
    Numbers {
        moments: moments(all),
        quantiles,
        zeros: all.iter().filter(|value| **value == 0.0).count() as u64,
        outliers: all.iter().filter(outside).count() as u64,
        edges: if all.is_empty() { Vec::new() } else { bins.edges() },
        logarithmic: bins.logarithmic,
        histogram,
        boxes: sides.map(|side| at(&ascending(side), &[0.05, 0.25, 0.5, 0.75, 0.95])),
    }
}

/// The bins of a histogram: equally wide, on the scale of the values or on a logarithmic one.
struct Bins {
    first: f64,
    width: f64,
    count: usize,
    logarithmic: bool,
}

impl Bins {
    /// Bins for an ascending sample: logarithmic where its largest value lies far above most of the others.
    fn of(ascending: &[f64]) -> Bins {
        let (least, most) = (ascending.first().copied().unwrap_or(0.0), ascending.last().copied().unwrap_or(0.0));
        let bulk = quantile(ascending, 0.75).unwrap_or(0.0) - least;
        let logarithmic = most - least > 100.0 && most - least > 20.0 * bulk;
        let (first, last) = if logarithmic { (scale(least), scale(most)) } else { (least, most) };
        let whole = ascending.iter().all(|value| value.fract() == 0.0);
        // Whole numbers that are few get a bin each.
        let few = whole && !logarithmic && last - first < MAX_BINS as f64;
        let (first, count) = if few { (first - 0.5, (last - first) as usize + 1) } else { (first, MAX_BINS) };
        let width = if few { 1.0 } else { (last - first) / count as f64 };
        if width > 0.0 && width.is_finite() {
            Bins { first, width, count, logarithmic }
        } else {
            Bins { first: first - 0.5, width: 1.0, count: 1, logarithmic }
        }
    }

    fn place(&self, value: f64) -> usize {
        let value = if self.logarithmic { scale(value) } else { value };
        (((value - self.first) / self.width).max(0.0) as usize).min(self.count - 1)
    }

    fn edges(&self) -> Vec<f64> {
        let edge = |place: usize| self.first + place as f64 * self.width;
        let unscaled = |value: f64| if self.logarithmic { value.abs().exp_m1().copysign(value) } else { value };
        (0..=self.count).map(|place| unscaled(edge(place))).collect()
    }
}

fn scale(value: f64) -> f64 {
    value.abs().ln_1p().copysign(value)
}

fn associations(table: &Table) -> Vec<Association> {
    let step = table.rows().div_ceil(MOST_ROWS).max(1);
    let rows: Vec<usize> = (0..table.rows()).step_by(step).collect();
    let columns = &table.columns()[..table.columns().len().min(MOST_COLUMNS)];
    let pairs: Vec<(&Column, &Column)> = columns
        .iter()
        .enumerate()
        .flat_map(|(place, one)| columns[..place].iter().map(move |other| (other, one)))
        .collect();
    let associate = |(one, other): (&Column, &Column)| {
        let columns = [one.name.clone(), other.name.clone()];
        let association = Association { columns, pearson: None, spearman: None, cramers_v: None };
        match (&one.values, &other.values) {
            (Values::Numbers(one), Values::Numbers(other)) => {
                let both = rows.iter().filter(|&&row| one[row].is_finite() && other[row].is_finite());
                let (one, other): (Vec<f64>, Vec<f64>) =
                    both.map(|&row| (f64::from(one[row]), f64::from(other[row]))).unzip();
                let (pearson, spearman) = (pearson(&one, &other), spearman(&one, &other));
                (pearson.is_some() || spearman.is_some()).then_some(Association { pearson, spearman, ..association })
            }
            (Values::Categories(one), Values::Categories(other)) => {
                let cramers_v = chi_square(&cross_table(one, other, &rows)?)?.effect;
                Some(Association { cramers_v: Some(cramers_v), ..association })
            }
            _ => None,
        }
    };
    let mut associations: Vec<Association> = pairs.into_par_iter().filter_map(associate).collect();
    associations.sort_by(|one, other| other.strength().total_cmp(&one.strength()));
    associations
}

/// How often which names stand beside each other; `None` where there are too many names for a table.
fn cross_table(one: &Category, other: &Category, rows: &[usize]) -> Option<Vec<Vec<u64>>> {
    let cells = one.vocabulary.len().checked_mul(other.vocabulary.len())?;
    if cells > MOST_CELLS {
        return None;
    }
    let mut counts = vec![vec![0u64; other.vocabulary.len()]; one.vocabulary.len()];
    for &row in rows {
        let cell = counts.get_mut(one.codes[row] as usize).and_then(|counts| counts.get_mut(other.codes[row] as usize));
        if let Some(cell) = cell {
            *cell += 1;
        }
    }
    Some(counts)
}

fn differences(table: &Table, attacks: &[bool]) -> Vec<Difference> {
    let differ = |column: &Column| {
        let difference = Difference {
            column: column.name.clone(),
            welch: None,
            mann_whitney: None,
            chi_square: None,
            adjusted_p: 1.0,
        };
        match &column.values {
            Values::Numbers(numbers) => {
                let [benign, attack] = sides(numbers, |row| attacks[row]);
                let mann_whitney = Some(mann_whitney(&attack, &benign)?);
                Some(Difference { welch: welch(&attack, &benign), mann_whitney, ..difference })
            }
            Values::Categories(category) => {
                let mut counts = vec![vec![0u64; 2]; category.vocabulary.len()];
                for (&code, &attack) in category.codes.iter().zip(attacks) {
                    if let Some(counts) = counts.get_mut(code as usize) {
                        counts[usize::from(attack)] += 1;
                    }
                }
                Some(Difference { chi_square: Some(chi_square(&counts)?), ..difference })
            }
        }
    };
    let mut differences: Vec<Difference> = table.columns().par_iter().filter_map(differ).collect();
    let own = differences.iter().map(|difference| difference.mann_whitney.or(difference.chi_square));
    let probabilities: Vec<f64> = own.map(|test| test.map_or(1.0, |test| test.p)).collect();
    for (difference, adjusted) in differences.iter_mut().zip(benjamini_hochberg(&probabilities)) {
        difference.adjusted_p = adjusted;
    }
    differences.sort_by(|one, other| other.effect().total_cmp(&one.effect()));
    differences
}

/// The most frequent names of a column that are kept.
const NAMES: usize = 20;
const MAX_BINS: usize = 30;
const MOST_ROWS: usize = 20_000;
const MOST_COLUMNS: usize = 100;
const MOST_CELLS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use flow::Label;

    use super::*;

    fn names(name: &str, codes: Vec<u32>, vocabulary: &[&str]) -> Column {
        let vocabulary = vocabulary.iter().map(|name| (*name).to_owned()).collect();
        Column { name: name.into(), values: Values::Categories(Category { codes, vocabulary }) }
    }

    fn profile(columns: Vec<Column>) -> Profile {
        let table = Table::new(columns).unwrap();
        let labels: Vec<Label> =
            (0..table.rows()).map(|row| Label::new(if row % 4 == 0 { "scan" } else { "normal" })).collect();
        Profile::of(&Dataset::labelled(table, &labels).unwrap())
    }

    fn numbers(profile: &Profile, column: usize) -> &Numbers {
        match &profile.columns[column].summary {
            Summary::Numbers(numbers) => numbers,
            Summary::Names(_) => panic!("a column of numbers"),
        }
    }

    #[test]
    fn the_histogram_holds_every_present_row_on_its_side() {
        let values = (0..400).map(|row| if row % 10 == 0 { f32::NAN } else { (row as f32).powi(3) });
        let profile =
            profile(vec![Column::numbers("bytes", values.collect()), Column::numbers("none", vec![f32::NAN; 400])]);
        let of = numbers(&profile, 0);
        let held = of.histogram.iter().fold([0, 0], |sum, bin| [sum[0] + bin[0], sum[1] + bin[1]]);
        assert_eq!((held, profile.columns[0].missing), ([280, 80], 40));
        assert_eq!(of.edges.len(), of.histogram.len() + 1);
        assert_eq!((numbers(&profile, 1).moments, numbers(&profile, 1).histogram.len()), (None, 0));
    }

    #[test]
    fn counts_of_bytes_get_a_logarithmic_histogram_and_few_whole_numbers_a_bin_each() {
        let wild = (0..400).map(|row| if row % 50 == 0 { 1e9 } else { row as f32 });
        let flags = (0..400).map(|row| (row % 5) as f32);
        let profile =
            profile(vec![Column::numbers("bytes", wild.collect()), Column::numbers("flags", flags.collect())]);
        assert!(numbers(&profile, 0).logarithmic);
        let of = numbers(&profile, 1);
        assert_eq!((of.logarithmic, of.histogram.len(), of.edges[0]), (false, 5, -0.5));
        assert_eq!(numbers(&profile, 0).outliers, 8);
    }

    #[test]
    fn columns_that_go_together_stand_first() {
        let base: Vec<f32> = (0..300).map(|row| ((row * 7919) % 307) as f32).collect();
        let noise: Vec<f32> = (0..300).map(|row| ((row * 104_729) % 311) as f32).collect();
        let squared = base.iter().map(|value| value * value).collect();
        let codes: Vec<u32> = (0..300).map(|row| row % 3).collect();
        let columns = vec![
            Column::numbers("base", base),
            Column::numbers("noise", noise),
            Column::numbers("squared", squared),
            names("protocol", codes.clone(), &["tcp", "udp", "icmp"]),
            names("flag", codes.iter().map(|code| 2 - code).collect(), &["a", "b", "c"]),
        ];
        let profile = profile(columns);
        let first: Vec<&Association> = profile.associations.iter().take(2).collect();
        assert!(first.iter().any(|pair| pair.columns == ["base", "squared"] && pair.spearman.unwrap() > 0.999));
        assert!(first.iter().any(|pair| pair.columns == ["protocol", "flag"] && pair.cramers_v.unwrap() > 0.999));
        assert!(profile.associations[2].strength() < 0.3);
    }

    #[test]
    fn a_column_that_tells_attacks_apart_stands_first_and_noise_is_not_significant() {
        let telling = (0..400).map(|row| if row % 4 == 0 { 9.0 } else { 1.0 } + (row % 3) as f32);
        let noise = (0..400u64).map(|row| ((row * row * 31 + row * row * row * 7) % 1009) as f32);
        let columns = vec![Column::numbers("noise", noise.collect()), Column::numbers("telling", telling.collect())];
        let profile = profile(columns);
        let [first, second] = profile.differences.as_slice() else { panic!("two columns differ") };
        assert_eq!((first.column.as_str(), first.effect()), ("telling", 1.0));
        assert!(first.adjusted_p < 1e-20 && second.adjusted_p > 0.05, "{profile:?}");
        assert!(first.welch.unwrap().effect > 3.0);
    }

    #[test]
    fn a_table_without_labels_or_rows_has_a_profile() {
        let empty = Profile::of(&Dataset::unlabelled(Table::new(vec![Column::numbers("bytes", vec![])]).unwrap()));
        assert_eq!((empty.rows, empty.columns[0].distinct, empty.attacks), (0, 0, None));
        let extreme = vec![Column::numbers("bytes", vec![f32::MAX, f32::MIN, 0.0])];
        let profile = Profile::of(&Dataset::unlabelled(Table::new(extreme).unwrap()));
        assert_eq!(numbers(&profile, 0).histogram.iter().map(|bin| bin[0]).sum::<u64>(), 3);
    }
}
