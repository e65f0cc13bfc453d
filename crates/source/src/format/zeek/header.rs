//! The `#` lines of a tab-separated log: how it is cut into columns and what they are.

use std::ops::ControlFlow;

use super::record::{Field, Kind, Record};
use crate::Batch;

/// What the last header said.
#[derive(Debug)]
pub(super) struct Header {
    /// Between two columns.
    separator: Vec<u8>,
    empty_field: Vec<u8>,
    unset_field: Vec<u8>,
    /// Where each wanted column is; empty until the `#fields` line.
    columns: Vec<Option<Field>>,
    /// The last of them are joined by blanks: this one and what follows it.
    blank_joined_from: Option<usize>,
    path: Option<Kind>,
    kind: Option<Kind>,
}

impl Default for Header {
    /// As Zeek writes it where nobody changed a setting.
    fn default() -> Header {
        Header {
            separator: b"\t".into(),
            empty_field: b"(empty)".into(),
            unset_field: b"-".into(),
            columns: Vec::new(),
            blank_joined_from: None,
            path: None,
            kind: None,
        }
    }
}

impl Header {
    /// Takes in a line that starts with `#`.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let name_length = line.iter().skip(1).take_while(|byte| byte.is_ascii_lowercase() || **byte == b'_').count();
        let (name, rest) = line.split_at(name_length + 1);
        // The separator itself is told behind a blank, and everything else behind the separator.
        let value = rest.strip_prefix(&*self.separator).or(rest.strip_prefix(b" ")).unwrap_or(rest);
        match name {
            b"#separator" => {
                let separator = unescaped(value);
                if separator.is_empty() || separator.len() > MAX_SEPARATOR_BYTES {
                    return Err("header with a separator that cannot be");
                }
                *self = Header { separator, ..Header::default() };
            }
            b"#empty_field" => self.empty_field = value.into(),
            b"#unset_field" => self.unset_field = value.into(),
            b"#path" => {
                self.path = Some(Kind::of_path(value));
                self.kind = self.path;
            }
            b"#fields" => self.fields(value)?,
            // `#set_separator` and `#types`: no set or type is looked into. `#open` and `#close`: local times.
            _ => {}
        }
        Ok(())
    }

    fn fields(&mut self, names: &[u8]) -> Result<(), &'static str> {
        let mut names: Vec<&[u8]> = split_all(names, &self.separator);
        self.blank_joined_from = None;
        if let Some(last) = names.last().copied()
            && memchr::memmem::find(last, BLANKS).is_some()
        {
            names.pop();
            self.blank_joined_from = Some(names.len());
            names.extend(split_all(last, BLANKS));
        }
        if names.len() > MAX_COLUMNS {
            return Err("header with more columns than any log has");
        }
        self.columns = names.into_iter().map(Field::of).collect();
        self.kind = self.path.or_else(|| Some(Kind::of_fields(|field| self.columns.contains(&Some(field)))));
        Ok(())
    }

    /// Which log it is.
    pub(super) fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::UNKNOWN)
    }

    /// The columns of a line; `None` where they are of no use, which is noted.
    #[inline]
    pub(super) fn record<'a>(&self, line: &'a [u8], batch: &mut Batch) -> Result<Option<Record<'a>>, &'static str> {
        if self.columns.is_empty() {
            return Err("line before the #fields header");
        }
        if let Kind::Other(what) = self.kind() {
            batch.note(what, 1);
            return Ok(None);
        }
        let mut record = Record { values: [b""; Field::COUNT], is_json: false };
        let mut columns = self.columns.iter();
        let mut column = |value: &'a [u8]| match columns.next() {
            Some(Some(field)) => {
                if value != self.unset_field && value != self.empty_field {
                    record.values[*field as usize] = value;
                }
                ControlFlow::Continue(())
            }
            Some(None) => ControlFlow::Continue(()),
            None => ControlFlow::Break(()),
        };
        let outcome = match self.blank_joined_from {
            None => split(line, &self.separator, usize::MAX, &mut column),
            Some(from) => {
                // The rest of the line is the column in which blanks separate.
                let mut index = 0;
                split(line, &self.separator, from + 1, |value| {
                    index += 1;
                    if index <= from { column(value) } else { split(value, BLANKS, usize::MAX, &mut column) }
                })
            }
        };
        if outcome.is_break() || columns.next().is_some() {
            return Err("number of columns differs from the header");
        }
        Ok(Some(record))
    }
}

/// Gives what is between separators to `part`: at most so many parts, the last of which is all that is left.
#[inline]
fn split<'a>(
    text: &'a [u8],
    separator: &[u8],
    parts: usize,
    mut part: impl FnMut(&'a [u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut start = 0;
    let mut give = |at: usize, length: usize| {
        let value = text.get(start..at).unwrap_or_default();
        start = at + length;
        part(value)
    };
    match separator {
        [byte] => {
            for at in memchr::memchr_iter(*byte, text).take(parts.saturating_sub(1)) {
                give(at, 1)?;
            }
        }
        _ => {
            for at in memchr::memmem::find_iter(text, separator).take(parts.saturating_sub(1)) {
                give(at, separator.len())?;
            }
        }
    }
    give(text.len(), 0)
}

fn split_all<'a>(text: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let _ = split(text, separator, usize::MAX, |part| {
        parts.push(part);
        ControlFlow::Continue(())
    });
    parts
}

/// Undoes Zeek's escapes `\xNN` and `\\`.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return bytes,
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hexadecimal(*high) << 4 | hexadecimal(*low));
                after
            }
            [b'\\', b'\\', after @ ..] => {
                bytes.push(b'\\');
                after
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

const BLANKS: &[u8] = b"   ";
const MAX_COLUMNS: usize = 1024;
const MAX_SEPARATOR_BYTES: usize = 16;
