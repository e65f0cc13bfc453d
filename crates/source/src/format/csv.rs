//! Tables as text: comma, semicolon, tab or bar separated (RFC 4180, and what else is called CSV).
//!
//! Delimiter and header are found by themselves; NSL-KDD and KDD'99, which have no header, are known by their shape. The
//! rows are read through [`Rows`](super::rows::Rows).

mod dialect;

use std::io::{self, BufRead, Chain, Cursor, Read};

use csv_core::{ReadRecordResult, ReaderBuilder};

pub use self::dialect::{Dialect, NSL_KDD};
use super::rows::{MAX_ROW, Next, Row, TOO_LONG};

/// Cuts the text of a table into rows and cells.
pub(super) struct Reader {
    dialect: Dialect,
    input: Chain<Cursor<Vec<u8>>, Box<dyn BufRead + Send>>,
    core: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    cells: usize,
}

impl Reader {
    /// Reads what follows on `start`, the first bytes; `is_complete` where nothing does.
    pub(super) fn new(
        start: Vec<u8>,
        is_complete: bool,
        rest: Box<dyn BufRead + Send>,
        known: &[String],
    ) -> Result<Reader, String> {
        let dialect = Dialect::of(&start, is_complete, known)?;
        let mut reader = Reader {
            input: Cursor::new(start).chain(rest),
            core: ReaderBuilder::new().delimiter(dialect.delimiter).build(),
            text: vec![0; 1 << 12],
            ends: vec![0; dialect.columns.len() + 1],
            cells: 0,
            dialect,
        };
        if reader.dialect.header {
            reader.advance()?;
        }
        Ok(reader)
    }

    /// How the file is written.
    pub(super) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    pub(super) fn row(&self) -> Row<'_> {
        let ends = &self.ends[..self.cells];
        Row { text: &self.text[..ends.last().copied().unwrap_or(0)], ends }
    }

    pub(super) fn advance(&mut self) -> Result<Next, String> {
        let (mut at, mut count, mut consumed) = (0, 0, 0);
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            let (result, read, written, ended) =
                self.core.read_record(buffer, &mut self.text[at..], &mut self.ends[count..]);
            self.input.consume(read);
            (at, count, consumed) = (at + written, count + ended, consumed + read);
            match result {
                ReadRecordResult::Record => {
                    self.cells = count;
                    return Ok(if count == self.dialect.columns.len() { Next::Row } else { Next::Skip(WRONG_WIDTH) });
                }
                ReadRecordResult::End => return Ok(Next::End),
                // A quote that is never closed would make one cell of all that follows.
                _ if consumed > MAX_ROW => {
                    self.leave_row()?;
                    return Ok(Next::Skip(TOO_LONG));
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    /// Goes on behind the next end of a line, as if a row began there.
    fn leave_row(&mut self) -> Result<(), String> {
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let used = end.map_or(buffer.len(), |end| end + 1);
            let is_over = end.is_some() || buffer.is_empty();
            self.input.consume(used);
            if is_over {
                self.core.reset();
                return Ok(());
            }
        }
    }
}

const WRONG_WIDTH: &str = "row with more or fewer cells than columns";
