//! Rows with their truth, where there is any.

use std::collections::HashMap;
use std::hash::BuildHasher;

use flow::{Category, Column, Label, Table, Values};
use sha2::{Digest, Sha256};

use crate::Error;

/// A table with the truth of its rows, where there is any: what detectors are trained and evaluated on.
///
/// ```
/// use flow::{Column, Label, Table};
/// use model::Dataset;
/// let table = Table::new(vec![Column::numbers("bytes", vec![1.0, 2.0])]).unwrap();
/// let dataset = Dataset::labelled(table, &[Label::new("normal"), Label::new("neptune")]).unwrap();
/// assert_eq!(dataset.attacks(), Some([false, true].as_slice()));
/// assert_eq!(dataset.kind(1), Some("neptune"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    table: Table,
    truth: Option<Truth>,
}

/// The kind of each row, and whether it is an attack.
#[derive(Clone, Debug, PartialEq)]
struct Truth {
    kinds: Category,
    attacks: Vec<bool>,
}

impl Dataset {
    /// Rows of unknown truth.
    pub fn unlabelled(table: Table) -> Dataset {
        Dataset { table, truth: None }
    }

    /// Rows with a label each.
    pub fn labelled(table: Table, labels: &[Label]) -> Result<Dataset, Error> {
        let mut codes: HashMap<&Label, u32> = HashMap::new();
        let mut kinds = Category::default();
        for label in labels {
            let code = *codes.entry(label).or_insert_with(|| {
                kinds.vocabulary.push(label.name().to_owned());
                kinds.vocabulary.len() as u32 - 1
            });
            kinds.codes.push(code);
        }
        Dataset::of_kinds(table, kinds)
    }

    /// Rows with a label each, as a column of names; none of them may be missing.
    pub fn of_kinds(table: Table, kinds: Category) -> Result<Dataset, Error> {
        let known = kinds.codes.iter().filter(|&&code| (code as usize) < kinds.vocabulary.len()).count();
        if known != table.rows() || kinds.codes.len() != table.rows() {
            return Err(Error::Length { what: "labels", expected: table.rows(), found: known });
        }
        let attack: Vec<bool> = kinds.vocabulary.iter().map(|name| Label::new(name).is_attack()).collect();
        let attacks = kinds.codes.iter().map(|&code| attack[code as usize]).collect();
        Ok(Dataset { table, truth: Some(Truth { kinds, attacks }) })
    }

    /// The rows without their truth.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.table.rows()
    }

    /// Whether each row is an attack; `None` where the truth is unknown.
    pub fn attacks(&self) -> Option<&[bool]> {
        self.truth.as_ref().map(|truth| truth.attacks.as_slice())
    }

    /// The kind of each row as a column of names; `None` where the truth is unknown.
    pub fn kinds(&self) -> Option<&Category> {
        self.truth.as_ref().map(|truth| &truth.kinds)
    }

    /// The kind of one row, as the data set names it.
    pub fn kind(&self, row: usize) -> Option<&str> {
        self.kinds()?.name(row)
    }

    /// Takes a column out of the table.
    pub fn take(&mut self, name: &str) -> Option<Column> {
        self.table.take(name)
    }

    /// These rows, in the order given. Panics where a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Dataset {
        let truth = self.truth.as_ref().map(|truth| Truth {
            kinds: Category {
                codes: rows.iter().map(|&row| truth.kinds.codes[row]).collect(),
                vocabulary: truth.kinds.vocabulary.clone(),
            },
            attacks: rows.iter().map(|&row| truth.attacks[row]).collect(),
        });
        Dataset { table: self.table.select(rows), truth }
    }

    /// The same rows with these columns alone, in the order given. Panics where a column does not exist.
    pub fn of_columns(&self, positions: &[usize]) -> Dataset {
        Dataset { table: self.table.of_columns(positions), truth: self.truth.clone() }
    }

    /// The rows that are benign, or all where the truth is unknown: what an anomaly detector learns from.
    pub fn benign_rows(&self) -> Vec<usize> {
        match self.attacks() {
            Some(attacks) => (0..self.rows()).filter(|&row| !attacks[row]).collect(),
            None => (0..self.rows()).collect(),
        }
    }

    /// A fingerprint of each row's values, the truth left out: rows that are equal in every column have the same one,
    /// in this table or another with the same columns in the same order. Two different rows of five million share one
    /// with a probability below one in a million.
    pub fn fingerprints(&self) -> Vec<u64> {
        let mut fingerprints = vec![0u64; self.rows()];
        for (position, column) in self.table.columns().iter().enumerate() {
            let salt = mix(position as u64 + 1);
            match &column.values {
                Values::Numbers(numbers) => {
                    for (fingerprint, &number) in fingerprints.iter_mut().zip(numbers) {
                        *fingerprint = mix(*fingerprint ^ salt ^ u64::from(canonical(number)));
                    }
                }
                Values::Categories(category) => {
                    let names: Vec<u64> = category.vocabulary.iter().map(|name| FIXED.hash_one(name)).collect();
                    for (fingerprint, &code) in fingerprints.iter_mut().zip(&category.codes) {
                        let name = names.get(code as usize).copied().unwrap_or(u64::MAX);
                        *fingerprint = mix(*fingerprint ^ salt ^ name);
                    }
                }
            }
        }
        fingerprints
    }

    /// The first row of each set of rows that are equal in every column and on the same side, benign or attack, in
    /// order. Equal rows on both sides contradict each other, and one of each side stays.
    pub fn distinct_rows(&self) -> Vec<usize> {
        let mut seen = std::collections::HashSet::with_capacity(self.rows());
        let fingerprints = self.fingerprints();
        let side = |row: usize| self.attacks().is_some_and(|attacks| attacks[row]);
        (0..self.rows()).filter(|&row| seen.insert((fingerprints[row], side(row)))).collect()
    }

    /// SHA-256 of names, values and truth of every row, in order: names the data in a detector's provenance.
    pub fn sha256(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update((self.rows() as u64).to_le_bytes());
        for column in self.table.columns() {
            text(&mut hasher, &column.name);
            match &column.values {
                Values::Numbers(numbers) => {
                    let bytes: Vec<u8> = numbers.iter().flat_map(|&number| canonical(number).to_le_bytes()).collect();
                    hasher.update(bytes);
                }
                Values::Categories(category) => names(&mut hasher, category),
            }
        }
        if let Some(kinds) = self.kinds() {
            names(&mut hasher, kinds);
        }
        hasher.finalize().into()
    }
}

/// The bits of a number, the same for both zeros and for every NaN.
fn canonical(number: f32) -> u32 {
    if number.is_nan() { f32::NAN.to_bits() } else { (number + 0.0).to_bits() }
}

/// The finaliser of SplitMix64 (Steele et al. 2014): spreads every bit over all.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn text(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

fn names(hasher: &mut Sha256, category: &Category) {
    for row in 0..category.codes.len() {
        match category.name(row) {
            Some(name) => text(hasher, name),
            None => hasher.update(u64::MAX.to_le_bytes()),
        }
    }
}

const FIXED: foldhash::quality::FixedState = foldhash::quality::FixedState::with_seed(0);

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(numbers: Vec<f32>, codes: Vec<u32>, vocabulary: [&str; 2], labels: &[&str]) -> Dataset {
        let category = Category { codes, vocabulary: vocabulary.map(String::from).to_vec() };
        let columns = vec![
            Column::numbers("bytes", numbers),
            Column { name: "protocol".into(), values: Values::Categories(category) },
        ];
        let labels: Vec<Label> = labels.iter().map(|name| Label::new(name)).collect();
        Dataset::labelled(Table::new(columns).unwrap(), &labels).unwrap()
    }

    #[test]
    fn equal_rows_have_equal_fingerprints_whatever_the_order_of_the_vocabulary() {
        let one = dataset(vec![0.0, f32::NAN], vec![0, 1], ["tcp", "udp"], &["normal", "normal"]);
        let two = dataset(vec![-0.0, -f32::NAN], vec![1, 0], ["udp", "tcp"], &["neptune", "normal"]);
        assert_eq!(one.fingerprints(), two.fingerprints());
        assert_ne!(one.fingerprints()[0], one.fingerprints()[1]);
    }

    #[test]
    fn a_duplicate_is_on_the_same_side_and_contradicting_rows_stay() {
        let codes = vec![0; 4];
        let rows = dataset(vec![1.0; 4], codes, ["tcp", "udp"], &["normal", "normal", "neptune", "normal"]);
        assert_eq!(rows.distinct_rows(), [0, 2]);
    }

    #[test]
    fn another_value_or_label_gives_another_sha256() {
        let one = dataset(vec![1.0, 2.0], vec![0, 1], ["tcp", "udp"], &["normal", "neptune"]);
        assert_eq!(one.sha256(), one.select(&[0, 1]).sha256());
        assert_ne!(one.sha256(), one.select(&[1, 0]).sha256());
        let relabelled = dataset(vec![1.0, 2.0], vec![0, 1], ["tcp", "udp"], &["normal", "smurf"]);
        assert_ne!(one.sha256(), relabelled.sha256());
    }

    #[test]
    fn labels_of_another_number_than_rows_are_refused() {
        let table = Table::new(vec![Column::numbers("bytes", vec![1.0, 2.0])]).unwrap();
        assert!(matches!(Dataset::labelled(table, &[Label::new("normal")]), Err(Error::Length { .. })));
    }
}
