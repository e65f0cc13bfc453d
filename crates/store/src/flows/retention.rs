//! How long flows are kept, and what becomes of an hour that is over.

use flow::Time;

use super::files::{self, Arrived};
use super::write::{hour, name};
use crate::{Error, Store};

/// How long flows are kept: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days. 30: a month of a rhythm that repeats by weeks.
    pub days: Option<u32>,
    /// Bytes of all files of flows; the labelled ones do not count. 10 GiB: some hundred million flows.
    pub bytes: Option<u64>,
}

/// What was done to the flows that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Hours whose files became one.
    pub hours: u64,
    /// Flows that were taken away because they were too old.
    pub old_flows: u64,
    /// Flows that were taken away because there were too many bytes.
    pub excess_flows: u64,
    /// Bytes of the files that were taken away because of either.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { days: Some(30), bytes: Some(10 << 30) }
    }
}

/// A file of flows, as far as this must know it.
struct File {
    number: i64,
    name: String,
    hour: i64,
    first: i64,
    rows: u64,
    bytes: u64,
}

impl Store {
    /// Makes one file of the files of each hour that is over, then takes away the oldest hours of flows that are too old or
    /// too many. `now` says which hour is not over.
    pub fn tidy(&mut self, retention: &Retention, now: Time) -> Result<Tidied, Error> {
        self.keeps_flows()?;
        let mut tidied = Tidied { hours: self.join_hours(now)?, ..Tidied::default() };
        let files = self.flow_files()?;
        let oldest = retention.days.map_or(i64::MIN, |days| hour(now).saturating_sub(i64::from(days) * 24));
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let most = retention.bytes.unwrap_or(u64::MAX);
        let mut going = Vec::new();
        // The hour that goes because of its bytes goes whole.
        let mut excess = None;
        for file in files {
            if file.hour < oldest {
                tidied.old_flows += file.rows;
            } else if bytes > most || excess == Some(file.hour) {
                tidied.excess_flows += file.rows;
                excess = Some(file.hour);
            } else {
                continue;
            }
            bytes -= file.bytes;
            tidied.bytes += file.bytes;
            going.push(file);
        }
        self.take_away(&going, oldest)?;
        Ok(tidied)
    }

    fn join_hours(&mut self, now: Time) -> Result<u64, Error> {
        let mut files = self.flow_files()?;
        files.retain(|file| file.hour != hour(now));
        let mut joined = 0;
        let follows = |a: &File, b: &File| a.hour == b.hour && a.first.saturating_add_unsigned(a.rows) == b.first;
        for run in files.chunk_by(follows).filter(|run| run.len() > 1) {
            let [first, ..] = run else { continue };
            let rows = run.iter().map(|file| file.rows).sum();
            let name = name(first.hour, first.first, rows);
            let written = files::write(&self.folder, &name, |writer| {
                run.iter().try_for_each(|file| {
                    self.each_of_file(file.number, |flows| flows.iter().try_for_each(|flow| writer.push(flow)))
                })
            })?;
            let file = Arrived { name, hour: Some(first.hour), first: Some(first.first), written };
            self.transact(|transaction, path| {
                let replace = || {
                    run.iter().try_for_each(|file| files::forget(transaction, file.number))?;
                    files::list(transaction, &file)
                };
                replace().map_err(|error| Error::database(path, error))
            })?;
            self.remove_files(&run.iter().map(|file| file.name.clone()).collect::<Vec<_>>())?;
            joined += 1;
        }
        Ok(joined)
    }

    fn take_away(&mut self, going: &[File], oldest: i64) -> Result<(), Error> {
        self.transact(|transaction, path| {
            let forget = || {
                for file in going {
                    files::forget(transaction, file.number)?;
                    let last = file.first.saturating_add_unsigned(file.rows) - 1;
                    let sql = "DELETE FROM notices WHERE after BETWEEN ?1 AND ?2";
                    transaction.execute(sql, [file.first, last])?;
                }
                transaction.execute("DELETE FROM notices WHERE hour < ?1", [oldest]).map(drop)
            };
            forget().map_err(|error| Error::database(path, error))
        })?;
        self.remove_files(&going.iter().map(|file| file.name.clone()).collect::<Vec<_>>())
    }

    /// The files of flows that are not labelled, in the order in which the flows came.
    fn flow_files(&self) -> Result<Vec<File>, Error> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, name, hour, first, rows, bytes FROM flow_files WHERE hour IS NOT NULL ORDER BY first",
            )?;
            let files = statement.query_map([], |row| {
                Ok(File {
                    number: row.get(0)?,
                    name: row.get(1)?,
                    hour: row.get(2)?,
                    first: row.get(3)?,
                    rows: row.get(4)?,
                    bytes: row.get(5)?,
                })
            })?;
            files.collect()
        })
    }
}
