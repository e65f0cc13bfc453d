//! Rows of named, typed columns.

/// Rows of named columns of equal length: what models eat, whether it came from flows or from a file.
///
/// ```
/// use flow::{Column, Table, Values};
/// let table = Table::new(vec![Column::numbers("duration", vec![1.5, f32::NAN])]).unwrap();
/// assert_eq!((table.rows(), table.columns().len()), (2, 1));
/// assert!(matches!(table.column("duration").unwrap().values, Values::Numbers(_)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
}

/// One named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name; unique within a table.
    pub name: String,
    /// One value a row.
    pub values: Values,
}

/// The values of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Measurements; NaN is missing.
    Numbers(Vec<f32>),
    /// Names out of a vocabulary.
    Categories(Category),
}

/// A column of names: each row holds a code, an index into the vocabulary, or [`Category::MISSING`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Category {
    /// One code a row.
    pub codes: Vec<u32>,
    /// The name of each code.
    pub vocabulary: Vec<String>,
}

/// Columns that do not make a table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// Two columns have one name.
    #[error("two columns are named `{0}`")]
    RepeatedName(String),
    /// A column is shorter or longer than the first one.
    #[error("column `{name}` has {rows} rows where the first column has {expected}")]
    Length {
        /// The column.
        name: String,
        /// Its rows.
        rows: usize,
        /// The rows of the first column.
        expected: usize,
    },
    /// A table has other columns than the one that it is added to.
    #[error("a table with {0} does not continue this one")]
    Append(String),
    /// A code lies outside its vocabulary.
    #[error("column `{name}` holds code {code} outside its vocabulary of {size} names")]
    Code {
        /// The column.
        name: String,
        /// The offending code.
        code: u32,
        /// The size of its vocabulary.
        size: usize,
    },
}

impl Table {
    /// A table of these columns, which must have distinct names, equal lengths and codes within their vocabularies.
    pub fn new(columns: Vec<Column>) -> Result<Table, TableError> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        let mut names = std::collections::HashSet::new();
        for column in &columns {
            if column.values.len() != rows {
                let (name, rows_here) = (column.name.clone(), column.values.len());
                return Err(TableError::Length { name, rows: rows_here, expected: rows });
            }
            if !names.insert(column.name.as_str()) {
                return Err(TableError::RepeatedName(column.name.clone()));
            }
            if let Values::Categories(category) = &column.values {
                let size = category.vocabulary.len();
                let outside = |code: &&u32| **code != Category::MISSING && **code as usize >= size;
                if let Some(&code) = category.codes.iter().find(outside) {
                    return Err(TableError::Code { name: column.name.clone(), code, size });
                }
            }
        }
        drop(names);
        Ok(Table { columns, rows })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns, to be filled anew with so many rows each.
    pub(crate) fn refill(&mut self, rows: usize) -> &mut [Column] {
        self.rows = rows;
        &mut self.columns
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Takes the column of that name out of the table.
    pub fn take(&mut self, name: &str) -> Option<Column> {
        let position = self.columns.iter().position(|column| column.name == name)?;
        Some(self.columns.remove(position))
    }

    /// Adds the rows of `other`, which must have the same columns in the same order, categories over the same
    /// vocabularies.
    pub fn append(&mut self, other: &Table) -> Result<(), TableError> {
        if self.columns.is_empty() {
            *self = other.clone();
            return Ok(());
        }
        if self.columns.len() != other.columns.len() {
            return Err(TableError::Append(format!("{} columns", other.columns.len())));
        }
        if let Some((_, theirs)) = self.columns.iter().zip(&other.columns).find(|(ours, theirs)| !ours.is_like(theirs))
        {
            return Err(TableError::Append(format!("column `{}`", theirs.name)));
        }
        for (ours, theirs) in self.columns.iter_mut().zip(&other.columns) {
            match (&mut ours.values, &theirs.values) {
                (Values::Numbers(ours), Values::Numbers(theirs)) => ours.extend_from_slice(theirs),
                (Values::Categories(ours), Values::Categories(theirs)) => ours.codes.extend_from_slice(&theirs.codes),
                _ => return Err(TableError::Append(format!("column `{}`", theirs.name))),
            }
        }
        self.rows += other.rows;
        Ok(())
    }

    /// A table of these columns of this one, in the order given, each at most once. Panics where a column does not exist.
    pub fn of_columns(&self, positions: &[usize]) -> Table {
        debug_assert!(positions.iter().collect::<std::collections::HashSet<_>>().len() == positions.len());
        Table { columns: positions.iter().map(|&position| self.columns[position].clone()).collect(), rows: self.rows }
    }

    /// A table of these rows of this one, in the order given. Panics where a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Table {
        let columns = self.columns.iter().map(|column| column.select(rows)).collect();
        Table { columns, rows: rows.len() }
    }
}

impl Column {
    /// A column of numbers.
    pub fn numbers(name: impl Into<String>, numbers: Vec<f32>) -> Column {
        Column { name: name.into(), values: Values::Numbers(numbers) }
    }

    /// Whether there is a value in that row: neither NaN nor a missing category.
    pub fn is_present(&self, row: usize) -> bool {
        match &self.values {
            Values::Numbers(numbers) => numbers.get(row).is_some_and(|number| !number.is_nan()),
            Values::Categories(category) => category.name(row).is_some(),
        }
    }

    /// Whether the other column has the same name, kind and vocabulary.
    fn is_like(&self, other: &Column) -> bool {
        let alike = match (&self.values, &other.values) {
            (Values::Numbers(_), Values::Numbers(_)) => true,
            (Values::Categories(ours), Values::Categories(theirs)) => ours.vocabulary == theirs.vocabulary,
            _ => false,
        };
        alike && self.name == other.name
    }

    fn select(&self, rows: &[usize]) -> Column {
        let values = match &self.values {
            Values::Numbers(numbers) => Values::Numbers(rows.iter().map(|&row| numbers[row]).collect()),
            Values::Categories(category) => Values::Categories(Category {
                codes: rows.iter().map(|&row| category.codes[row]).collect(),
                vocabulary: category.vocabulary.clone(),
            }),
        };
        Column { name: self.name.clone(), values }
    }
}

impl Values {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Values::Numbers(numbers) => numbers.len(),
            Values::Categories(category) => category.codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Category {
    /// The code of a missing value.
    pub const MISSING: u32 = u32::MAX;

    /// The name in that row, or `None` where it is missing.
    pub fn name(&self, row: usize) -> Option<&str> {
        self.vocabulary.get(*self.codes.get(row)? as usize).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_unequal_length_are_refused() {
        let columns = vec![Column::numbers("a", vec![1.0]), Column::numbers("b", vec![])];
        assert!(matches!(Table::new(columns), Err(TableError::Length { .. })));
    }

    #[test]
    fn a_repeated_name_is_refused() {
        let columns = vec![Column::numbers("a", vec![]), Column::numbers("a", vec![])];
        assert_eq!(Table::new(columns), Err(TableError::RepeatedName("a".into())));
    }

    #[test]
    fn a_code_outside_the_vocabulary_is_refused_but_a_missing_one_is_not() {
        let category = |code| {
            let values = Values::Categories(Category { codes: vec![code], vocabulary: vec!["tcp".into()] });
            Table::new(vec![Column { name: "protocol".into(), values }])
        };
        assert!(category(Category::MISSING).is_ok());
        assert!(matches!(category(1), Err(TableError::Code { code: 1, .. })));
    }

    #[test]
    fn a_table_grows_only_by_rows_of_its_own_columns() {
        let table = |name: &str| Table::new(vec![Column::numbers(name, vec![1.0])]).unwrap();
        let mut grown = table("a");
        grown.append(&table("a")).unwrap();
        assert_eq!(grown.rows(), 2);
        assert!(matches!(grown.append(&table("b")), Err(TableError::Append(_))));
    }

    #[test]
    fn selected_rows_come_in_the_order_asked_for() {
        let table = Table::new(vec![Column::numbers("a", vec![1.0, 2.0, 3.0])]).unwrap();
        assert_eq!(table.select(&[2, 0, 2]).column("a").unwrap().values, Values::Numbers(vec![3.0, 1.0, 3.0]));
    }
}
