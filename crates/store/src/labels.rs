//! What analysts confirmed, with the flows behind it: what the next classifier is trained from.

use flow::{Flow, Time};
use rusqlite::{OptionalExtension, params};

use crate::alerts::{hexadecimal, identifier};
use crate::flows::files;
use crate::{Error, Reader, Store};

/// A kind of traffic that an analyst confirmed an alert to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The alert's identifier.
    pub alert: String,
    /// The kind: a benign one, or an attack's name, as [`flow::Label`] has it.
    pub kind: String,
    /// Who says so.
    pub by: String,
    /// When it was said.
    pub time: Time,
    /// How many flows are kept of it.
    pub flows: u64,
}

impl Store {
    /// Keeps what an alert was confirmed to be, with the flows behind it, in the place of what it was said to be before.
    /// Its flows stay when other flows go.
    pub fn put_label(&mut self, label: &Label, flows: &[Flow]) -> Result<(), Error> {
        let id = identifier(&label.alert)?;
        let folder = self.folder.clone();
        let former = self.transact(|transaction, path| {
            let fail = |error| Error::database(path, error);
            // Within: a process that opens the store meanwhile takes the file for one that was left behind.
            let written = match flows {
                [] => None,
                flows => Some(files::write_labelled(transaction, path, &folder, &label.alert, flows)?),
            };
            let former = files::forget_labelled(transaction, id).map_err(fail)?;
            let file = match &written {
                Some(file) => Some(files::list(transaction, file).map_err(fail)?),
                None => None,
            };
            let sql = "INSERT OR REPLACE INTO labels VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![id, label.kind, label.by, label.time.nanoseconds(), file];
            transaction.execute(sql, values).map_err(fail)?;
            Ok(former)
        })?;
        self.remove_files(&former)
    }

    /// Forgets what an alert was confirmed to be, and the flows that were kept of it.
    pub fn remove_label(&mut self, alert: &str) -> Result<(), Error> {
        let id = identifier(alert)?;
        let former = self.transact(|transaction, path| {
            let forget = || {
                let former = files::forget_labelled(transaction, id)?;
                transaction.execute("DELETE FROM labels WHERE alert = ?1", [id])?;
                Ok(former)
            };
            forget().map_err(|error| Error::database(path, error))
        })?;
        self.remove_files(&former)
    }
}

impl Reader {
    /// All that was confirmed, the earliest first.
    pub fn labels(&self) -> Result<Vec<Label>, Error> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT alert, kind, \"by\", time, coalesce(rows, 0) FROM labels LEFT JOIN flow_files ON number = file
                 ORDER BY time, alert",
            )?;
            let rows = statement.query_map([], |row| {
                let (alert, time) = (hexadecimal(&row.get::<_, Vec<u8>>(0)?), Time::from_nanoseconds(row.get(3)?));
                Ok(Label { alert, kind: row.get(1)?, by: row.get(2)?, time, flows: row.get(4)? })
            })?;
            rows.collect()
        })
    }

    /// The flows that are kept of an alert that was confirmed, each labelled with its kind.
    pub fn labelled_flows(&self, alert: &str) -> Result<Vec<Flow>, Error> {
        let id = identifier(alert)?;
        let found: Option<(String, Option<i64>)> = self.ask(|connection| {
            let sql = "SELECT kind, file FROM labels WHERE alert = ?1";
            connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        let Some((kind, Some(file))) = found else { return Ok(Vec::new()) };
        let mut flows = Vec::new();
        self.read_file(file, &mut flows)?;
        flows.iter_mut().for_each(|flow| flow.label = Some(flow::Label::new(&kind)));
        Ok(flows)
    }
}
