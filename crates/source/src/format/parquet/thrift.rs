//! What must be known of Parquet's footers and page headers before they are believed: Thrift's compact protocol
//! (apache/thrift, doc/specs/thrift-compact-protocol.md) of apache/parquet-format, parquet.thrift.
//!
//! The library that reads the footer reserves memory for as many row groups and children as the footer claims, and walks
//! nested groups by recursion; neither is bounded there. So [`check_footer`] looks first.

/// The header of a page, as far as it is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// 0 data, 1 index, 2 dictionary, 3 data of version 2.
    pub(super) kind: i64,
    pub(super) plain_bytes: i64,
    pub(super) packed_bytes: i64,
    pub(super) values: i64,
    pub(super) encoding: i64,
    pub(super) definition_encoding: i64,
    pub(super) nulls: i64,
    pub(super) rows: i64,
    pub(super) definition_bytes: i64,
    pub(super) repetition_bytes: i64,
    pub(super) is_packed: bool,
    pub(super) is_sorted: bool,
}

/// Why a structure cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It goes on behind the bytes at hand.
    Short,
    /// It is none, or beyond all measure.
    Wrong(&'static str),
}

/// Reads a page header; also how many bytes it takes.
pub(super) fn page_header(bytes: &[u8]) -> Result<(PageHeader, usize), Fault> {
    let mut walk = Walk { bytes, at: 0 };
    let mut header = PageHeader { is_packed: true, ..PageHeader::default() };
    walk.structure(0, &mut |walk, id, kind| {
        match (id, kind) {
            (1, I32) => header.kind = walk.integer()?,
            (2, I32) => header.plain_bytes = walk.integer()?,
            (3, I32) => header.packed_bytes = walk.integer()?,
            (5, STRUCT) => walk.structure(1, &mut |walk, id, kind| {
                match (id, kind) {
                    (1, I32) => header.values = walk.integer()?,
                    (2, I32) => header.encoding = walk.integer()?,
                    (3, I32) => header.definition_encoding = walk.integer()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            (7, STRUCT) => walk.structure(1, &mut |walk, id, kind| {
                match (id, kind) {
                    (1, I32) => header.values = walk.integer()?,
                    (2, I32) => header.encoding = walk.integer()?,
                    (3, TRUE) => header.is_sorted = true,
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            (8, STRUCT) => walk.structure(1, &mut |walk, id, kind| {
                match (id, kind) {
                    (1, I32) => header.values = walk.integer()?,
                    (2, I32) => header.nulls = walk.integer()?,
                    (3, I32) => header.rows = walk.integer()?,
                    (4, I32) => header.encoding = walk.integer()?,
                    (5, I32) => header.definition_bytes = walk.integer()?,
                    (6, I32) => header.repetition_bytes = walk.integer()?,
                    (7, FALSE) => header.is_packed = false,
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((header, walk.at))
}

/// Checks that a footer claims nothing that it does not hold: lists as long as they say, schemas of bounded width and
/// depth, a bounded number of row groups.
pub(super) fn check_footer(bytes: &[u8]) -> Result<(), Fault> {
    Walk { bytes, at: 0 }.structure(0, &mut |walk, id, kind| {
        match (id, kind) {
            (2, LIST) => walk.schema()?,
            (4, LIST) => {
                let (size, kind) = walk.list()?;
                if size > MAX_ROW_GROUPS {
                    return Err(Fault::Wrong("more row groups than can be numbered"));
                }
                (0..size).try_for_each(|_| walk.skip(kind, 1))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Handles a field by its number and type; `false` where it shall be passed over.
type Take<'t, 'a> = &'t mut dyn FnMut(&mut Walk<'a>, i64, u8) -> Result<bool, Fault>;

impl<'a> Walk<'a> {
    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64, Fault> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Fault::Wrong("a number of more than 64 bits"))
    }

    fn integer(&mut self) -> Result<i64, Fault> {
        let number = self.unsigned()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn pass(&mut self, count: u64) -> Result<(), Fault> {
        let end = usize::try_from(count).ok().and_then(|count| self.at.checked_add(count)).ok_or(Fault::Short)?;
        if end > self.bytes.len() {
            return Err(Fault::Short);
        }
        self.at = end;
        Ok(())
    }

    fn list(&mut self) -> Result<(u64, u8), Fault> {
        let head = self.byte()?;
        let size = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
        // Every element takes a byte at least.
        if size > (self.bytes.len() - self.at) as u64 {
            return Err(Fault::Short);
        }
        Ok((size, head & 15))
    }

    fn structure(&mut self, depth: usize, take: Take<'_, 'a>) -> Result<(), Fault> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = if head >> 4 == 0 { self.integer()? } else { id.wrapping_add(i64::from(head >> 4)) };
            if !take(self, id, head & 15)? && !matches!(head & 15, TRUE | FALSE) {
                self.skip(head & 15, depth + 1)?;
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<(), Fault> {
        if depth > MAX_NESTING {
            return Err(Fault::Wrong("structures nested too deeply"));
        }
        match kind {
            TRUE | FALSE | BYTE => self.pass(1),
            I16 | I32 | I64 => self.unsigned().map(drop),
            DOUBLE => self.pass(8),
            BINARY => {
                let count = self.unsigned()?;
                self.pass(count)
            }
            LIST | SET => {
                let (size, kind) = self.list()?;
                (0..size).try_for_each(|_| self.skip(kind, depth + 1))
            }
            MAP => {
                let size = self.unsigned()?;
                let kinds = if size == 0 { 0 } else { self.byte()? };
                if size > (self.bytes.len() - self.at) as u64 {
                    return Err(Fault::Short);
                }
                (0..size).try_for_each(|_| {
                    self.skip(kinds >> 4, depth + 1)?;
                    self.skip(kinds & 15, depth + 1)
                })
            }
            STRUCT => self.structure(depth, &mut |_, _, _| Ok(false)),
            _ => Err(Fault::Wrong("a type that Thrift does not have")),
        }
    }

    /// The schema is a tree, written as a list in which each group tells how many children follow it.
    fn schema(&mut self) -> Result<(), Fault> {
        let (size, kind) = self.list()?;
        if kind != STRUCT || size > MAX_ELEMENTS {
            return Err(Fault::Wrong("a schema of too many columns"));
        }
        // For each open group, how many of its children are still to come.
        let mut open: Vec<u64> = Vec::new();
        for number in 0..size {
            let mut children = 0;
            self.structure(1, &mut |walk, id, kind| {
                if (id, kind) == (5, I32) {
                    children = walk.integer()?;
                    return Ok(true);
                }
                Ok(false)
            })?;
            let children = u64::try_from(children).ok().filter(|children| *children < size - number);
            let children = children.ok_or(Fault::Wrong("a group with more children than the schema has"))?;
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            while open.last() == Some(&0) {
                open.pop();
            }
            if open.len() > MAX_SCHEMA_DEPTH {
                return Err(Fault::Wrong("groups nested too deeply"));
            }
            if open.is_empty() && number + 1 < size {
                return Err(Fault::Wrong("a schema with several roots"));
            }
        }
        if open.is_empty() { Ok(()) } else { Err(Fault::Wrong("a group with more children than the schema has")) }
    }
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

const MAX_NESTING: usize = 32;
const MAX_SCHEMA_DEPTH: usize = 32;
const MAX_ROW_GROUPS: u64 = 32_767;
const MAX_ELEMENTS: u64 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of the schema's elements, each with its number of children.
    fn schema(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x29, 0xfc, children.len() as u8];
        for count in children {
            // Field 5, an i32 in zigzag; then the end.
            bytes.extend([0x55, count << 1, 0]);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_schema_must_be_one_tree() {
        assert_eq!(check_footer(&schema(&[2, 0, 1, 0])), Ok(()));
        assert!(matches!(check_footer(&schema(&[2, 0])), Err(Fault::Wrong(_))));
        assert!(matches!(check_footer(&schema(&[1, 0, 0])), Err(Fault::Wrong(_))));
    }

    #[test]
    fn a_schema_too_deep_for_recursion_is_refused() {
        let mut deep = vec![1; 60];
        deep.push(0);
        assert_eq!(check_footer(&schema(&deep)), Err(Fault::Wrong("groups nested too deeply")));
    }

    #[test]
    fn a_list_longer_than_the_footer_is_refused() {
        // Field 4, a list of a billion row groups.
        assert_eq!(check_footer(&[0x49, 0xfc, 0x80, 0x94, 0xeb, 0xdc, 0x03, 0]), Err(Fault::Short));
    }
}
