//! Rows by columns, as they are written into a row group and as they come out of one.

use std::collections::HashMap;
use std::net::IpAddr;

use bytes::Bytes;
use parquet::basic::Type as Physical;
use parquet::data_type::ByteArray;
use parquet::schema::types::SchemaDescriptor;

/// The leaves of some rows. A row is written, or read, one leaf after the other.
pub(super) struct Sheet {
    pub(super) leaves: Vec<Leaf>,
    /// The next leaf of the row.
    at: usize,
    /// The row that is read.
    row: usize,
    /// How many groups and values that may be missing were entered: Parquet's level of definition (Dremel, Melnik 2010).
    level: i16,
    /// The text of each address of these rows, made once.
    addresses: HashMap<IpAddr, ByteArray>,
}

/// The values of a column, those that are there, and for every row how far it is defined.
pub(super) struct Leaf {
    pub(super) values: Values,
    /// Empty where the value may not be missing.
    pub(super) levels: Vec<i16>,
    /// The level of a value that is there.
    pub(super) most: i16,
    /// The next value to be read.
    next: usize,
    /// Whether the file that is read has no such column.
    pub(super) is_missing: bool,
}

pub(super) enum Values {
    Truths(Vec<bool>),
    Integers(Vec<i32>),
    Longs(Vec<i64>),
    Texts(Vec<ByteArray>),
}

/// Why a row cannot be read.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

impl Fault {
    pub(super) fn of(reason: &str) -> Fault {
        Fault(reason.to_owned())
    }
}

impl Sheet {
    pub(super) fn new(schema: &SchemaDescriptor) -> Sheet {
        let leaf = |column: usize| {
            let column = schema.column(column);
            let values = match column.physical_type() {
                Physical::BOOLEAN => Values::Truths(Vec::new()),
                Physical::INT32 => Values::Integers(Vec::new()),
                Physical::INT64 => Values::Longs(Vec::new()),
                _ => Values::Texts(Vec::new()),
            };
            Leaf { values, levels: Vec::new(), most: column.max_def_level(), next: 0, is_missing: false }
        };
        let leaves = (0..schema.num_columns()).map(leaf).collect();
        Sheet { leaves, at: 0, row: 0, level: 0, addresses: HashMap::new() }
    }

    /// Begins the next row to be written.
    pub(super) fn begin(&mut self) {
        self.at = 0;
    }

    /// Begins to read this row, the one after the row that was read last.
    pub(super) fn begin_reading(&mut self, row: usize) {
        (self.at, self.row, self.level) = (0, row, 0);
    }

    /// Forgets all rows, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.addresses.clear();
        for leaf in &mut self.leaves {
            leaf.clear();
        }
    }

    /// A group or value that may be missing begins, and is there.
    pub(super) fn enter(&mut self) {
        self.level += 1;
    }

    /// It ends.
    pub(super) fn leave(&mut self) {
        self.level -= 1;
    }

    /// Writes a value into the next leaf.
    #[inline]
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Values)) {
        if let Some(leaf) = self.leaves.get_mut(self.at) {
            write(&mut leaf.values);
            if leaf.most > 0 {
                leaf.levels.push(self.level);
            }
        }
        self.at += 1;
    }

    /// Writes that these next leaves have no value.
    pub(super) fn write_absent(&mut self, leaves: usize) {
        for leaf in self.leaves.iter_mut().skip(self.at).take(leaves) {
            leaf.levels.push(self.level);
        }
        self.at += leaves;
    }

    /// The text of an address.
    pub(super) fn address(&mut self, address: IpAddr) -> ByteArray {
        let text = || Bytes::from(address.to_string()).into();
        self.addresses.entry(address).or_insert_with(text).clone()
    }

    /// Whether the group or value of these next leaves is there. Leaves that the file lacks tell nothing.
    pub(super) fn is_present(&self, leaves: usize) -> bool {
        let known = self.leaves.iter().skip(self.at).take(leaves).find(|leaf| !leaf.is_missing);
        known.and_then(|leaf| leaf.levels.get(self.row)).is_some_and(|level| *level > self.level)
    }

    /// Passes over these next leaves, which have no value.
    pub(super) fn skip(&mut self, leaves: usize) {
        self.at += leaves;
    }

    /// Reads the value of the next leaf.
    #[inline]
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&Values, usize) -> Option<T>) -> Result<T, Fault> {
        let leaf = self.leaves.get_mut(self.at).ok_or_else(|| Fault::of("a column too few"))?;
        self.at += 1;
        if leaf.is_missing {
            return Err(Fault::of("a column that must be there is missing"));
        }
        if leaf.most > 0 && leaf.levels.get(self.row) != Some(&leaf.most) {
            return Err(Fault::of("a value that must be there is missing"));
        }
        let value = read(&leaf.values, leaf.next).ok_or_else(|| Fault::of("a column with too few values"))?;
        leaf.next += 1;
        Ok(value)
    }

    /// Reads the text of the next leaf.
    pub(super) fn read_text<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Fault> {
        self.read(|values, at| match values {
            Values::Texts(values) => {
                let text = values.get(at).map(|text| std::str::from_utf8(text.data()));
                text.map(|text| text.ok().and_then(parse))
            }
            _ => None,
        })?
        .ok_or_else(|| Fault::of("a word that has no meaning there"))
    }
}

impl Leaf {
    pub(super) fn clear(&mut self) {
        (self.next, self.is_missing) = (0, false);
        self.levels.clear();
        match &mut self.values {
            Values::Truths(values) => values.clear(),
            Values::Integers(values) => values.clear(),
            Values::Longs(values) => values.clear(),
            Values::Texts(values) => values.clear(),
        }
    }
}
