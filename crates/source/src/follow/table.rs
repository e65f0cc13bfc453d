//! A table that grows: its rows become flows as their lines become whole.

use std::path::Path;

use crate::format::mapping::{Mapping, TableFlows};
use crate::format::rows::Rows;
use crate::{Batch, Error};

/// A CSV with a header, or JSON lines, whose rows are known or mapped to be flows.
pub(super) struct Table {
    /// What every part is read behind, so that its columns are the same: a header and a row, which is passed over. Of a
    /// CSV both are the header, of JSON lines the first row is.
    start: Vec<u8>,
    is_csv: bool,
    columns: Vec<String>,
    flows: TableFlows,
}

impl Table {
    /// What begins with these bytes, and how many of them are a header; `None` where that is no such table, or too little
    /// of one to tell.
    pub(super) fn of(bytes: &[u8], path: &Path, mapping: Option<&Mapping>) -> Option<(Table, usize)> {
        let whole = &bytes[..=bytes.iter().rposition(|byte| *byte == b'\n')?];
        let first = &whole[..=whole.iter().position(|byte| *byte == b'\n')?];
        let rows = Rows::of(whole.to_vec().into(), path, &[]).ok()?;
        let is_csv = rows.has_header()?;
        let (rows, start, header_bytes) = if is_csv {
            (rows, first.repeat(2), first.len())
        } else {
            (Rows::of(first.to_vec().into(), path, &[]).ok()?, first.to_vec(), 0)
        };
        let columns = rows.columns().to_vec();
        let flows = TableFlows::of(&columns, mapping).ok()??;
        Some((Table { start, is_csv, columns, flows }, header_bytes))
    }

    /// How many of these bytes are whole rows.
    pub(super) fn whole(&self, bytes: &[u8]) -> usize {
        let (mut is_quoted, mut whole) = (false, 0);
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'"' if self.is_csv => is_quoted = !is_quoted,
                b'\n' if !is_quoted => whole = at + 1,
                _ => {}
            }
        }
        whole
    }

    /// Gives the flows of whole rows, which follow those that were given before; how many rows there were.
    pub(super) fn decode(&mut self, bytes: &[u8], path: &Path, batch: &mut Batch) -> Result<u64, String> {
        let reason = |error: Error| error.to_string();
        let part = [&self.start, bytes].concat();
        let mut rows = Rows::of(part.into(), path, &self.columns).map_err(reason)?;
        if !rows.columns().starts_with(&self.columns) {
            return Err("its columns are others than at its start".to_owned());
        }
        rows.next_row().map_err(reason)?;
        while let Some(cells) = rows.next_row().map_err(reason)? {
            self.flows.row(cells, batch);
        }
        rows.skipped().iter().for_each(|(reason, count)| *batch.skipped.entry(reason).or_default() += count);
        Ok(rows.count().saturating_sub(1))
    }

    /// Gives out what still waits when the table is over.
    pub(super) fn finish(&mut self, batch: &mut Batch) {
        self.flows.finish(batch);
    }
}
