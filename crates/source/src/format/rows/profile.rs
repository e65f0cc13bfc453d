//! Which columns hold numbers, and which names.

use std::collections::HashSet;

use super::cell::Cell;
use super::{Field, Kind, MAX_NAMES, Rows, cut, printable};
use crate::Error;

/// What the columns of one or several files hold, found by reading them.
///
/// ```
/// use source::format::rows::{Kind, Profile, Rows};
/// let text = "bytes,service,note\n12,http,?\n13,dns,?\n";
/// let mut profile = Profile::default();
/// profile.add(&mut Rows::of(text.as_bytes().to_vec().into(), "memory".as_ref(), &[]).unwrap()).unwrap();
/// let (fields, left_out) = profile.fields();
/// assert_eq!(fields.iter().map(|field| field.kind).collect::<Vec<_>>(), [Kind::Number, Kind::Category]);
/// assert_eq!(left_out, [("note".to_owned(), "it is empty".to_owned())]);
/// ```
#[derive(Default)]
pub struct Profile {
    columns: Vec<Content>,
    /// Bytes of all names kept.
    name_bytes: usize,
    rows: u64,
}

struct Content {
    name: String,
    numbers: u64,
    texts: u64,
    missing: u64,
    infinite: u64,
    /// The different texts, until there are too many.
    names: Option<HashSet<Box<[u8]>>>,
}

impl Profile {
    /// Reads a file to its end. Where several are added, they must have the same columns, in any order.
    pub fn add(&mut self, rows: &mut Rows) -> Result<(), Error> {
        let columns = rows.columns();
        if self.columns.is_empty() {
            self.columns = columns.iter().map(|name| Content::new(name)).collect();
        }
        let place = |content: &Content| columns.iter().position(|name| *name == content.name);
        let places: Option<Vec<usize>> = self.columns.iter().map(place).collect();
        let Some(places) = places.filter(|places| places.len() == columns.len()) else {
            let first: Vec<&str> = self.columns.iter().map(|content| content.name.as_str()).collect();
            let odd = columns.iter().map(String::as_str).filter(|name| !first.contains(name));
            let lacking = first.iter().copied().filter(|name| !columns.iter().any(|column| column == name));
            let words: Vec<String> = odd.chain(lacking).take(12).map(|name| format!("`{}`", printable(name))).collect();
            let reason = format!("its columns are not those of the files before it: {} differ", words.join(", "));
            return Err(Error::Table { path: rows.path.clone(), reason });
        };
        while rows.advance()? {
            self.rows += 1;
            let row = rows.reader.row();
            for (content, &place) in self.columns.iter_mut().zip(&places) {
                content.see(row.cell(place), &mut self.name_bytes);
            }
        }
        Ok(())
    }

    /// How many rows of the right width were read.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many numbers were infinite or NaN, and so count as missing.
    pub fn infinite(&self) -> u64 {
        self.columns.iter().map(|content| content.infinite).sum()
    }

    /// The columns with what they hold, and those that cannot be used, each with the reason.
    ///
    /// A column where at least 99 of 100 values are numbers holds numbers; the rows with text there will be skipped.
    pub fn fields(&self) -> (Vec<Field>, Vec<(String, String)>) {
        let (mut fields, mut left_out) = (Vec::new(), Vec::new());
        for content in &self.columns {
            match content.kind() {
                Ok(kind) => fields.push(Field { name: content.name.clone(), kind }),
                Err(reason) => left_out.push((content.name.clone(), reason)),
            }
        }
        (fields, left_out)
    }
}

impl Content {
    fn new(name: &str) -> Content {
        Content { name: name.into(), numbers: 0, texts: 0, missing: 0, infinite: 0, names: Some(HashSet::new()) }
    }

    fn see(&mut self, bytes: &[u8], name_bytes: &mut usize) {
        match Cell::of(bytes) {
            Cell::Number(_) => self.numbers += 1,
            Cell::Missing => self.missing += 1,
            Cell::Infinite => self.infinite += 1,
            Cell::Text(text) => {
                self.texts += 1;
                let Some(names) = &mut self.names else { return };
                let name = cut(text);
                if names.contains(name) {
                    return;
                }
                if names.len() < MAX_NAMES && *name_bytes + name.len() <= MAX_NAME_BYTES {
                    *name_bytes += name.len();
                    names.insert(name.into());
                } else {
                    *name_bytes -= names.iter().map(|name| name.len()).sum::<usize>();
                    self.names = None;
                }
            }
        }
    }

    fn kind(&self) -> Result<Kind, String> {
        let numbers = self.numbers + self.infinite;
        if self.numbers + self.texts == 0 {
            return Err("it is empty".into());
        }
        if numbers >= 99 * self.texts {
            return Ok(Kind::Number);
        }
        match &self.names {
            Some(_) => Ok(Kind::Category),
            None => Err(format!("it holds more than {MAX_NAMES} different texts")),
        }
    }
}

/// The names of all columns together.
const MAX_NAME_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(texts: &[&str]) -> Result<Profile, Error> {
        let mut profile = Profile::default();
        for text in texts {
            profile.add(&mut Rows::of(text.as_bytes().to_vec().into(), "memory".as_ref(), &[])?)?;
        }
        Ok(profile)
    }

    #[test]
    fn a_column_with_a_rare_slip_still_holds_numbers_and_one_with_many_holds_names() {
        let mut rare = String::from("a,b\n");
        (0..200).for_each(|row| rare.push_str(if row == 7 { "oops,1\n" } else { "5,1\n" }));
        assert_eq!(profile(&[&rare]).unwrap().fields().0[0].kind, Kind::Number);
        let mut often = String::from("a,b\n");
        (0..200).for_each(|row| often.push_str(if row % 10 == 0 { "oops,1\n" } else { "5,1\n" }));
        assert_eq!(profile(&[&often]).unwrap().fields().0[0].kind, Kind::Category);
    }

    #[test]
    fn files_of_the_same_columns_in_another_order_add_up() {
        let both = profile(&["a,b\n1,2\n", "b,a\nx,3\n"]).unwrap();
        let kinds: Vec<Kind> = both.fields().0.iter().map(|field| field.kind).collect();
        assert_eq!((both.rows(), kinds), (2, vec![Kind::Number, Kind::Category]));
    }

    #[test]
    fn files_of_other_columns_are_refused_by_name() {
        let message = profile(&["a,b\n1,2\n", "a,c\n1,2\n"]).err().unwrap().to_string();
        assert!(message.contains("`c`, `b` differ"), "{message}");
    }

    #[test]
    fn free_text_is_left_out() {
        let mut text = String::from("a,b\n");
        (0..10_001).for_each(|row| text.push_str(&format!("payload {row},1\n")));
        let left_out = profile(&[&text]).unwrap().fields().1;
        assert_eq!(left_out[0].0, "a");
    }
}
