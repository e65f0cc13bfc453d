//! Tables as JSON lines (jsonlines.org): an object a line.
//!
//! The columns are the keys of the objects in the first 64 KiB, in the order in which they come. Objects within objects
//! are flattened, their keys joined by dots, eight deep at most; lists are no columns. A key that comes later only
//! is passed over.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, Chain, Cursor, Read, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::rows::{MAX_COLUMNS, MAX_ROW, Next, Row, TOO_LONG};

/// Turns lines of JSON into rows of cells.
pub(super) struct Reader {
    input: Chain<Cursor<Vec<u8>>, Box<dyn BufRead + Send>>,
    line: Vec<u8>,
    cells: Cells,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// The cells of one line, by column.
#[derive(Default)]
struct Cells {
    places: HashMap<String, usize>,
    cells: Vec<Vec<u8>>,
    /// Whether keys that are not known become columns.
    grows: bool,
}

/// Whether a table starts as JSON lines do.
pub(super) fn is_json_lines(start: &[u8]) -> bool {
    start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start().starts_with(b"{")
}

impl Reader {
    /// Reads what follows on `start`, the first bytes; the names of the columns, too.
    pub(super) fn new(
        start: Vec<u8>,
        is_complete: bool,
        rest: Box<dyn BufRead + Send>,
    ) -> Result<(Reader, Vec<String>), String> {
        let mut sample = Cells { grows: true, ..Cells::default() };
        let end = if is_complete { start.len() } else { start.iter().rposition(|byte| *byte == b'\n').unwrap_or(0) };
        let lines = start[..end].split(|byte| *byte == b'\n').map(without_mark);
        let objects = lines.filter(|line| !line.is_empty()).filter(|line| sample.fill(line).is_ok()).count();
        if objects == 0 {
            return Err("it starts like JSON, but no line of its first 64 KiB is one object of JSON".into());
        }
        if sample.cells.len() > MAX_COLUMNS {
            return Err(format!("it has more than {MAX_COLUMNS} columns"));
        }
        if sample.cells.is_empty() {
            return Err("its objects hold neither numbers nor texts".into());
        }
        let mut names = vec![String::new(); sample.cells.len()];
        sample.places.iter().for_each(|(name, place)| names[*place].clone_from(name));
        let cells = Cells { grows: false, ..sample };
        let input = Cursor::new(start).chain(rest);
        Ok((Reader { input, line: Vec::new(), cells, text: Vec::new(), ends: Vec::new() }, names))
    }

    pub(super) fn row(&self) -> Row<'_> {
        Row { text: &self.text, ends: &self.ends }
    }

    pub(super) fn advance(&mut self) -> Result<Next, String> {
        loop {
            self.line.clear();
            let limit = MAX_ROW as u64;
            let count = (&mut self.input).take(limit).read_until(b'\n', &mut self.line);
            let count = count.map_err(|error| error.to_string())?;
            if count == 0 {
                return Ok(Next::End);
            }
            if count as u64 == limit && self.line.last() != Some(&b'\n') {
                while self.skip_to_end_of_line()? {}
                return Ok(Next::Skip(TOO_LONG));
            }
            let line = without_mark(&self.line);
            if line.is_empty() {
                continue;
            }
            if self.cells.fill(line).is_err() {
                return Ok(Next::Skip("line that is no JSON object"));
            }
            self.text.clear();
            self.ends.clear();
            for cell in &self.cells.cells {
                self.text.extend(cell);
                self.ends.push(self.text.len());
            }
            return Ok(Next::Row);
        }
    }

    /// Passes over what is buffered of a line; `false` where it ended.
    fn skip_to_end_of_line(&mut self) -> Result<bool, String> {
        let buffer = self.input.fill_buf().map_err(|error| error.to_string())?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (used, goes_on) = (end.map_or(buffer.len(), |end| end + 1), end.is_none() && !buffer.is_empty());
        self.input.consume(used);
        Ok(goes_on)
    }
}

impl Cells {
    fn fill(&mut self, line: &[u8]) -> Result<(), serde_json::Error> {
        self.cells.iter_mut().for_each(Vec::clear);
        let mut json = serde_json::Deserializer::from_slice(line);
        json.deserialize_map(Object { cells: self, path: &mut String::new(), depth: 0 })?;
        json.end()
    }

    fn set(&mut self, path: &str, value: fmt::Arguments<'_>) {
        let place = match self.places.get(path) {
            Some(place) => *place,
            None if self.grows && self.cells.len() <= MAX_COLUMNS => {
                self.places.insert(path.to_owned(), self.cells.len());
                self.cells.push(Vec::new());
                self.cells.len() - 1
            }
            None => return,
        };
        let cell = &mut self.cells[place];
        cell.clear();
        // Writing into memory does not fail.
        let _ = cell.write_fmt(value);
    }
}

/// An object, whose values become cells.
struct Object<'a> {
    cells: &'a mut Cells,
    /// The keys that lead to it.
    path: &'a mut String,
    depth: usize,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let length = self.path.len();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            map.next_value_seed(Value(Object { cells: self.cells, path: self.path, depth: self.depth + 1 }))?;
            self.path.truncate(length);
        }
        Ok(())
    }
}

/// What a key leads to.
struct Value<'a>(Object<'a>);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.cells.set(self.0.path, format_args!("{value}"));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.cells.set(self.0.path, format_args!("{value}"));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.cells.set(self.0.path, format_args!("{value}"));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.cells.set(self.0.path, format_args!("{value}"));
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.cells.set(self.0.path, format_args!("{value}"));
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.cells.set(self.0.path, format_args!(""));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.0.depth < MAX_DEPTH {
            return self.0.visit_map(map);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// A line without the byte order mark of the first one, and without blanks around it.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii()
}

/// How deep objects within objects are looked into.
const MAX_DEPTH: usize = 8;
