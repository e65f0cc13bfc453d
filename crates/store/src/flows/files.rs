//! Which files there are: on the disk, and in the list that the database keeps of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use flow::{Flow, Time};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::file::{self, Group, Writer, Written};
use super::{FLOWS, LABELS};
use crate::{Error, Reader, Store};

/// A file that lies in its place and is to be listed.
pub(crate) struct Arrived {
    /// Its path within the state folder.
    pub(super) name: String,
    /// In which hour its flows came; `None` of labelled ones.
    pub(super) hour: Option<i64>,
    /// The number of its first flow; `None` of labelled ones.
    pub(super) first: Option<i64>,
    pub(super) written: Written,
}

/// What the list says of a file.
pub(super) struct Listed {
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) bytes: u64,
    footer_bytes: u64,
    footer_sha256: Vec<u8>,
}

/// Writes a file, and puts it into its place when it is whole and on the disk.
pub(super) fn write(
    folder: &Path,
    name: &str,
    fill: impl FnOnce(&mut Writer) -> Result<(), Error>,
) -> Result<Written, Error> {
    let path = folder.join(name);
    let part = path.with_extension("part");
    let mut writer = Writer::create(&part)?;
    fill(&mut writer)?;
    let written = writer.finish()?;
    let place = || {
        fs::rename(&part, &path)?;
        // The name, too, must reach the disk; where folders cannot be opened, the system sees to it.
        match path.parent().map(File::open) {
            Some(Ok(folder)) if cfg!(unix) => folder.sync_all(),
            _ => Ok(()),
        }
    };
    place().map_err(|error| Error::file(&path, error))?;
    Ok(written)
}

/// Writes the flows of an alert that was confirmed.
pub(crate) fn write_labelled(
    transaction: &Transaction<'_>,
    path: &Path,
    folder: &Path,
    alert: &str,
    flows: &[Flow],
) -> Result<Arrived, Error> {
    let sql = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'flow_files'";
    let number: i64 = transaction.query_row(sql, [], |row| row.get(0)).map_err(|error| Error::database(path, error))?;
    let name = format!("{LABELS}/{alert}-{number}.parquet");
    let written = write(folder, &name, |writer| flows.iter().try_for_each(|flow| writer.push(flow)))?;
    Ok(Arrived { name, hour: None, first: None, written })
}

/// Takes a file into the list, and gives its number there.
pub(crate) fn list(transaction: &Transaction<'_>, file: &Arrived) -> rusqlite::Result<i64> {
    let Arrived { name, hour, first, written: Written { bytes, footer_bytes, footer_sha256, groups } } = file;
    let rows: u64 = groups.iter().map(|group| group.rows).sum();
    let mut insert = transaction.prepare_cached(
        "INSERT INTO flow_files (name, hour, first, rows, bytes, footer_bytes, footer_sha256)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING number",
    )?;
    let number: i64 =
        insert.query_row(params![name, hour, first, rows, bytes, footer_bytes, footer_sha256], |row| row.get(0))?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO flow_groups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    let mut next = *first;
    for (place, group) in (0i64..).zip(groups) {
        let Group { rows, start, bytes, sha256, earliest, latest } = group;
        let [earliest, latest] = [earliest, latest].map(|time| time.nanoseconds());
        insert.execute(params![number, place, next, rows, start, bytes, sha256, earliest, latest])?;
        next = next.map(|next| next.saturating_add_unsigned(*rows));
    }
    Ok(number)
}

/// Takes a file out of the list.
pub(super) fn forget(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM flow_groups WHERE file = ?1")?.execute([number])?;
    transaction.prepare_cached("DELETE FROM flow_files WHERE number = ?1")?.execute([number]).map(drop)
}

/// Takes the file of an alert's label out of the list, where there is one, and gives its name.
pub(crate) fn forget_labelled(transaction: &Transaction<'_>, alert: [u8; 8]) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT number, name FROM flow_files WHERE number = (SELECT file FROM labels WHERE alert = ?1)";
    let found: Option<(i64, String)> =
        transaction.query_row(sql, [alert], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((number, name)) = found else { return Ok(Vec::new()) };
    transaction.execute("UPDATE labels SET file = NULL WHERE alert = ?1", [alert])?;
    forget(transaction, number)?;
    Ok(vec![name])
}

impl Listed {
    /// The columns of `flow_files` that [`Listed::of`] reads.
    pub(super) const COLUMNS: &str = "flow_files.number, name, flow_files.bytes, footer_bytes, footer_sha256";

    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Listed> {
        Ok(Listed {
            number: row.get(0)?,
            name: row.get(1)?,
            bytes: row.get(2)?,
            footer_bytes: row.get(3)?,
            footer_sha256: row.get(4)?,
        })
    }

    pub(super) fn open(&self, folder: &Path) -> Result<file::Reader, Error> {
        file::Reader::open(&folder.join(&self.name), self.bytes, self.footer_bytes, &self.footer_sha256)
    }
}

/// The columns of `flow_groups` that [`group_of`] reads.
pub(super) const GROUP_COLUMNS: &str = "flow_groups.rows, flow_groups.start, flow_groups.bytes, flow_groups.sha256, flow_groups.earliest, flow_groups.latest";

/// What the list says of a row group, from this column on.
pub(super) fn group_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Group> {
    Ok(Group {
        rows: row.get(at)?,
        start: row.get(at + 1)?,
        bytes: row.get(at + 2)?,
        sha256: row.get(at + 3)?,
        earliest: Time::from_nanoseconds(row.get(at + 4)?),
        latest: Time::from_nanoseconds(row.get(at + 5)?),
    })
}

impl Reader {
    /// All flows of a file.
    pub(crate) fn read_file(&self, number: i64, flows: &mut Vec<Flow>) -> Result<(), Error> {
        self.each_of_file(number, |some| {
            flows.append(some);
            Ok(())
        })
    }

    /// The flows of a file, some at a time.
    pub(super) fn each_of_file(
        &self,
        number: i64,
        mut take: impl FnMut(&mut Vec<Flow>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let file = self.ask(|connection| {
            let sql = format!("SELECT {} FROM flow_files WHERE number = ?1", Listed::COLUMNS);
            connection.prepare_cached(&sql)?.query_row([number], Listed::of)
        })?;
        let groups: Vec<Group> = self.ask(|connection| {
            let sql = format!("SELECT {GROUP_COLUMNS} FROM flow_groups WHERE file = ?1 ORDER BY number");
            connection.prepare_cached(&sql)?.query_map([number], |row| group_of(row, 0))?.collect()
        })?;
        let (mut reader, mut flows) = (file.open(&self.folder)?, Vec::new());
        for (place, group) in groups.iter().enumerate() {
            let mut rows = reader.group(place, group)?;
            let mut more = true;
            while more {
                more = rows.read(&mut flows)?;
                take(&mut flows)?;
                flows.clear();
            }
        }
        Ok(())
    }

    pub(crate) fn check_flows(&self) -> Result<(), Error> {
        let numbers: Vec<i64> = self.ask(|connection| {
            connection
                .prepare("SELECT number FROM flow_files ORDER BY number")?
                .query_map([], |row| row.get(0))?
                .collect()
        })?;
        numbers.into_iter().try_for_each(|number| self.each_of_file(number, |_| Ok(())))
    }
}

impl Store {
    /// Takes away files that are not listed any more.
    pub(crate) fn remove_files(&self, names: &[String]) -> Result<(), Error> {
        remove(&self.folder, names)
    }

    /// Takes away files of flows that are not listed: what was being written, or taken away, when the process ended.
    pub(crate) fn remove_orphans(&mut self) -> Result<(), Error> {
        let folder = self.folder.clone();
        // In one transaction: who keeps a label meanwhile lists its file before this looks, or writes it afterwards.
        self.transact(|transaction, path| {
            let names = || -> rusqlite::Result<BTreeSet<String>> {
                transaction.prepare("SELECT name FROM flow_files")?.query_map([], |row| row.get(0))?.collect()
            };
            let listed = names().map_err(|error| Error::database(path, error))?;
            for kind in [FLOWS, LABELS] {
                let path = folder.join(kind);
                let entries = fs::read_dir(&path).map_err(|error| Error::file(&path, error))?;
                let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
                let is_ours = |name: &String| name.ends_with(".parquet") || name.ends_with(".part");
                let names = names.filter(is_ours).map(|name| format!("{kind}/{name}"));
                remove(&folder, &names.filter(|name| !listed.contains(name)).collect::<Vec<_>>())?;
            }
            Ok(())
        })
    }
}

fn remove(folder: &Path, names: &[String]) -> Result<(), Error> {
    for name in names {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::file(&path, error)),
            _ => {}
        }
    }
    Ok(())
}
