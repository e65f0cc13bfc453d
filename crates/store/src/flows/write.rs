//! Flows come in.

use flow::{Flow, Notice, Time};

use super::files::{self, Arrived};
use super::{FLOWS, HOUR, notices};
use crate::{Error, Store};

impl Store {
    /// Keeps these flows, and what other detectors said, as what came after all that was kept before; all or nothing. `at`
    /// is when they came, which says under which hour they are kept: the clock of a live sensor, the input's own time of a
    /// replay. Each call writes a file, so some thousand flows a call are better than one.
    pub fn append(&mut self, flows: &[Flow], notices: &[Notice], at: Time) -> Result<(), Error> {
        self.keeps_flows()?;
        let sql = "SELECT last FROM sequences WHERE name = 'flow'";
        let last: i64 = self.ask(|connection| connection.prepare_cached(sql)?.query_row([], |row| row.get(0)))?;
        let file = match flows {
            [] => None,
            flows => {
                let (hour, first) = (hour(at), last + 1);
                let name = name(hour, first, flows.len() as u64);
                let fill = |writer: &mut super::file::Writer| flows.iter().try_for_each(|flow| writer.push(flow));
                let written = files::write(&self.folder, &name, fill)?;
                Some(Arrived { name, hour: Some(hour), first: Some(first), written })
            }
        };
        let last = last.saturating_add_unsigned(flows.len() as u64);
        self.transact(|transaction, path| {
            let write = || {
                if let Some(file) = &file {
                    files::list(transaction, file)?;
                }
                notices::write(transaction, notices, hour(at), last)?;
                transaction.execute("UPDATE sequences SET last = ?1 WHERE name = 'flow'", [last]).map(drop)
            };
            write().map_err(|error| Error::database(path, error))
        })
    }
}

/// The hour since 1970.
pub(super) fn hour(time: Time) -> i64 {
    time.nanoseconds().div_euclid(HOUR)
}

/// The file of flows that came in that hour: so many from that number on.
pub(super) fn name(hour: i64, first: i64, rows: u64) -> String {
    let time = Time::from_nanoseconds(hour.saturating_mul(HOUR)).to_string();
    let hour = time.get(..13).unwrap_or_default();
    format!("{FLOWS}/{hour}-{first:012}-{rows}.parquet")
}
