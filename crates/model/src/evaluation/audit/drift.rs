//! Whether what is tested on looks like what was learned from.

use flow::{Category, Column, Values, printable};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::column::listed;
use super::{Finding, Severity};
use crate::Dataset;
use crate::evaluation::statistics::{kolmogorov_smirnov, quantile, stability_index};

/// How far one column of two tables lies apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The column.
    pub column: String,
    /// The population stability index: over tenths of the first table's values, or over names; 0 is none, above 0.25 is
    /// called a large one.
    pub stability_index: f64,
    /// The largest distance between the distribution functions, 0..=1; of a column of numbers.
    pub kolmogorov_smirnov: Option<f64>,
    /// The share of the second table's rows whose name the first never had; of a column of names.
    pub unseen: Option<f64>,
}

/// How far the columns that both tables have lie apart, the furthest first. Where both are labelled, only benign rows are
/// compared, because more or other attacks are no drift. At most 50,000 rows of each, evenly taken.
pub fn drift(first: &Dataset, second: &Dataset) -> Vec<Drift> {
    let labelled = first.attacks().is_some() && second.attacks().is_some();
    let rows = |dataset: &Dataset| {
        let rows = if labelled { dataset.benign_rows() } else { (0..dataset.rows()).collect() };
        let step = rows.len().div_ceil(MOST_ROWS).max(1);
        rows.into_iter().step_by(step).collect::<Vec<usize>>()
    };
    let [one, other] = [rows(first), rows(second)];
    let compare = |column: &Column| {
        let values = &second.table().column(&column.name)?.values;
        match (&column.values, values) {
            (Values::Numbers(first), Values::Numbers(second)) => {
                numbers(&column.name, present(first, &one), present(second, &other))
            }
            (Values::Categories(first), Values::Categories(second)) => {
                names(&column.name, (first, &one), (second, &other))
            }
            _ => None,
        }
    };
    let mut drifts: Vec<Drift> = first.table().columns().par_iter().filter_map(compare).collect();
    drifts.sort_by(|one, other| other.stability_index.total_cmp(&one.stability_index));
    drifts
}

/// What to say of columns that drifted far; `None` where none did.
pub fn drifted(drifts: &[Drift]) -> Option<Finding> {
    let far: Vec<&Drift> = drifts.iter().filter(|drift| drift.stability_index > FAR).collect();
    let words = far.iter().map(|drift| format!("`{}` {:.2}", printable(&drift.column), drift.stability_index));
    let sentence = format!(
        "the test's benign rows are not like those learned from (population stability index above {FAR}): {}; expect \
         another false-positive rate than the one asked for",
        listed(words)
    );
    let columns = far.iter().map(|drift| drift.column.clone()).collect();
    (!far.is_empty()).then(|| Finding { columns, ..Finding::of(Severity::Warning, "drift", sentence) })
}

fn present(numbers: &[f32], rows: &[usize]) -> Vec<f64> {
    let numbers = rows.iter().map(|&row| numbers[row]).filter(|number| number.is_finite());
    let mut numbers: Vec<f64> = numbers.map(f64::from).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers
}

fn numbers(column: &str, first: Vec<f64>, second: Vec<f64>) -> Option<Drift> {
    let mut cuts: Vec<f64> = (1..10).filter_map(|tenth| quantile(&first, f64::from(tenth) / 10.0)).collect();
    cuts.dedup();
    let binned = |sample: &[f64]| {
        // A value that is a cut, as 0 often is, has a bin of its own, so that its share is held against its share.
        let mut counts = vec![0u64; 2 * cuts.len() + 1];
        for value in sample {
            let below = cuts.partition_point(|cut| cut < value);
            counts[2 * below + usize::from(cuts.get(below) == Some(value))] += 1;
        }
        counts
    };
    Some(Drift {
        column: column.to_owned(),
        stability_index: stability_index(&binned(&first), &binned(&second))?,
        kolmogorov_smirnov: kolmogorov_smirnov(&first, &second),
        unseen: None,
    })
}

fn names(column: &str, first: (&Category, &[usize]), second: (&Category, &[usize])) -> Option<Drift> {
    let mut counts: std::collections::BTreeMap<&str, [u64; 2]> = std::collections::BTreeMap::new();
    for (side, (category, rows)) in [first, second].into_iter().enumerate() {
        for name in rows.iter().filter_map(|&row| category.name(row)) {
            counts.entry(name).or_default()[side] += 1;
        }
    }
    let [one, other] = [0, 1].map(|side| counts.values().map(|counts| counts[side]).collect::<Vec<u64>>());
    let unseen: u64 = counts.values().filter(|counts| counts[0] == 0).map(|counts| counts[1]).sum();
    Some(Drift {
        column: column.to_owned(),
        stability_index: stability_index(&one, &other)?,
        kolmogorov_smirnov: None,
        unseen: Some(unseen as f64 / other.iter().sum::<u64>() as f64),
    })
}

const MOST_ROWS: usize = 50_000;
const FAR: f64 = 0.25;

#[cfg(test)]
mod tests {
    use flow::{Label, Table};

    use super::*;

    fn dataset(numbers: impl Iterator<Item = f32>, name: &str, attack_every: usize) -> Dataset {
        let numbers: Vec<f32> = numbers.collect();
        let category = Category { codes: vec![0; numbers.len()], vocabulary: vec![name.into()] };
        let labels: Vec<Label> =
            (0..numbers.len()).map(|row| Label::new(if row % attack_every == 0 { "scan" } else { "normal" })).collect();
        let columns = vec![
            Column::numbers("bytes", numbers),
            Column { name: "protocol".into(), values: Values::Categories(category) },
        ];
        Dataset::labelled(Table::new(columns).unwrap(), &labels).unwrap()
    }

    #[test]
    fn rows_of_the_same_sort_have_not_drifted_and_shifted_ones_have() {
        let spread = |row: usize| ((row * 7919) % 1009) as f32;
        let [even, odd] = [0, 1].map(|first| dataset((0..2000).map(|row| spread(2 * row + first)), "tcp", 10));
        assert!(drift(&even, &odd).iter().all(|drift| drift.stability_index < 0.05));
        assert_eq!(drifted(&drift(&even, &odd)), None);
        let shifted = dataset((0..2000).map(|row| spread(row) + 500.0), "udp", 10);
        let drifts = drift(&even, &shifted);
        assert!(drifts.iter().all(|drift| drift.stability_index > 0.25), "{drifts:?}");
        assert!(drifts.iter().any(|drift| drift.unseen == Some(1.0)));
        assert_eq!(drifted(&drifts).unwrap().columns.len(), 2);
    }

    #[test]
    fn more_attacks_are_no_drift() {
        let value = |every: usize| move |row: usize| if row.is_multiple_of(every) { 1e6 } else { (row % 100) as f32 };
        let (few, many) = (dataset((0..2000).map(value(50)), "tcp", 50), dataset((0..2000).map(value(3)), "tcp", 3));
        assert!(drift(&few, &many)[0].stability_index < 0.1);
    }

    #[test]
    fn a_share_of_zeros_that_changes_is_drift() {
        let zeros = |every: usize| {
            dataset((1..2000).map(move |row: usize| if row.is_multiple_of(every) { 7.0 } else { 0.0 }), "tcp", 10)
        };
        assert!(drift(&zeros(20), &zeros(2))[0].stability_index > 0.25);
    }
}
