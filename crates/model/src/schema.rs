//! The columns that a detector was trained on.

use std::collections::HashSet;

use flow::{Category, Column, Table, Values};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::Mismatch;

/// The named and typed columns that a detector was trained on, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The columns.
    pub fields: Vec<Field>,
    /// Columns that a table may carry beside them, and that are not looked at: the label and what was dropped.
    pub ignored: Vec<String>,
}

/// One column of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Measurements.
    Number,
    /// Names, of which these occurred in training, in ascending order.
    Category(Vec<String>),
}

impl Schema {
    /// The schema of a table, where its names are those that occur in its rows.
    pub fn of(table: &Table) -> Schema {
        let fields = table.columns().iter().map(Field::of).collect();
        Schema { fields, ignored: Vec::new() }
    }

    /// The columns of a table in the order of this schema; an error that names those that are missing, not known or of
    /// another kind. A column whose every value is missing passes as either kind.
    pub fn columns<'a>(&self, table: &'a Table) -> Result<Vec<&'a Column>, Error> {
        let mut mismatch = Mismatch::default();
        let mut columns = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            match table.column(&field.name) {
                None => mismatch.missing.push(field.name.clone()),
                Some(column) if !field.kind.takes(&column.values) => {
                    mismatch.mistyped.push((field.name.clone(), field.kind.words()));
                }
                Some(column) => columns.push(column),
            }
        }
        let known: HashSet<&str> = self.known().collect();
        let extra = table.columns().iter().filter(|column| !known.contains(column.name.as_str()));
        mismatch.extra = extra.map(|column| column.name.clone()).collect();
        if mismatch.is_empty() { Ok(columns) } else { Err(Error::Columns(mismatch)) }
    }

    /// Compares names only, before any value is read; an error that names those that are missing or not known. `beside`
    /// is one more name that may be there.
    pub fn compare(&self, names: &[String], beside: Option<&str>) -> Result<(), Error> {
        let has = |name: &String| names.iter().any(|other| other == name);
        let missing = self.fields.iter().map(|field| &field.name).filter(|name| !has(name)).cloned().collect();
        let known: HashSet<&str> = self.known().chain(beside).collect();
        let extra = names.iter().filter(|name| !known.contains(name.as_str())).cloned().collect();
        let mismatch = Mismatch { missing, extra, ..Mismatch::default() };
        if mismatch.is_empty() { Ok(()) } else { Err(Error::Columns(mismatch)) }
    }

    /// The names that a table may have: those of the fields, and those that were left out.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &field.name).chain(&self.ignored).map(String::as_str)
    }
}

impl Field {
    fn of(column: &Column) -> Field {
        let kind = match &column.values {
            Values::Numbers(_) => Kind::Number,
            Values::Categories(category) => Kind::Category(occurring(category)),
        };
        Field { name: column.name.clone(), kind }
    }
}

impl Kind {
    fn takes(&self, values: &Values) -> bool {
        match (self, values) {
            (Kind::Number, Values::Numbers(_)) | (Kind::Category(_), Values::Categories(_)) => true,
            (Kind::Number, Values::Categories(category)) => {
                category.codes.iter().all(|&code| code == Category::MISSING)
            }
            (Kind::Category(_), Values::Numbers(numbers)) => numbers.iter().all(|number| number.is_nan()),
        }
    }

    /// The names that occurred in training, in ascending order; none of a column of numbers.
    pub fn names(&self) -> &[String] {
        match self {
            Kind::Number => &[],
            Kind::Category(names) => names,
        }
    }

    /// What such a column holds, in words.
    pub fn words(&self) -> &'static str {
        match self {
            Kind::Number => "numbers",
            Kind::Category(_) => "names",
        }
    }
}

/// The names of a vocabulary that occur in the rows, in ascending order.
fn occurring(category: &Category) -> Vec<String> {
    let mut used = vec![false; category.vocabulary.len()];
    for &code in &category.codes {
        if let Some(used) = used.get_mut(code as usize) {
            *used = true;
        }
    }
    let mut names: Vec<String> =
        category.vocabulary.iter().zip(used).filter(|(_, used)| *used).map(|(name, _)| name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, codes: Vec<u32>) -> Column {
        let values = Values::Categories(Category { codes, vocabulary: vec!["udp".into(), "tcp".into()] });
        Column { name: name.into(), values }
    }

    #[test]
    fn only_names_that_occur_are_part_of_the_schema() {
        let table = Table::new(vec![names("protocol", vec![1, 1, Category::MISSING])]).unwrap();
        assert_eq!(Schema::of(&table).fields[0].kind, Kind::Category(vec!["tcp".into()]));
    }

    #[test]
    fn other_columns_are_refused_by_name() {
        let table = Table::new(vec![Column::numbers("bytes", vec![1.0]), names("protocol", vec![0])]).unwrap();
        let schema = Schema::of(&table);
        let other = vec![Column::numbers("protocol", vec![6.0]), Column::numbers("packets", vec![1.0])];
        let refusal = schema.columns(&Table::new(other).unwrap()).unwrap_err().to_string();
        assert!(refusal.contains("missing `bytes`"), "{refusal}");
        assert!(refusal.contains("not known `packets`"), "{refusal}");
        assert!(refusal.contains("`protocol` must hold names"), "{refusal}");
    }

    #[test]
    fn ignored_columns_may_be_there_and_order_does_not_matter() {
        let table = Table::new(vec![Column::numbers("a", vec![1.0]), Column::numbers("b", vec![2.0])]).unwrap();
        let schema = Schema { ignored: vec!["label".into()], ..Schema::of(&table) };
        let other = ["label", "b", "a"].map(|name| Column::numbers(name, vec![0.0])).to_vec();
        let other = Table::new(other).unwrap();
        let order: Vec<&str> = schema.columns(&other).unwrap().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(order, ["a", "b"]);
    }
}
