//! Suppressions, who changed them and when, and how often each hid something.

use alert::Suppression;
use flow::Time;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::alerts::{parse, sql};
use crate::{Error, Reader, Store};

/// A change of a suppression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub time: Time,
    /// Who changed it.
    pub by: String,
    /// What it was from then on; `None` where it was ended.
    pub suppression: Option<Suppression>,
}

/// How often a suppression hid something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    /// Which.
    pub suppression: u64,
    /// How often.
    pub count: u64,
    /// When the last of what it hid came to its end.
    pub last: Option<Time>,
}

impl Store {
    /// Adds a suppression, and gives it a number that no other one has or had, whatever number it comes with.
    pub fn add_suppression(&mut self, suppression: &Suppression, by: &str, time: Time) -> Result<u64, Error> {
        self.transact(|transaction, path| {
            let fail = |error| Error::database(path, error);
            let id =
                transaction.query_row("INSERT INTO suppressions DEFAULT VALUES RETURNING id", [], |row| row.get(0));
            let id: u64 = id.map_err(fail)?;
            let json = write(&Suppression { id, ..suppression.clone() })?;
            record(transaction, id, Some(&json), by, time).map(|_| id).map_err(fail)
        })
    }

    /// Puts a suppression into the place of the one that has its number.
    pub fn change_suppression(&mut self, suppression: &Suppression, by: &str, time: Time) -> Result<(), Error> {
        self.replace(suppression.id, Some(write(suppression)?), by, time)
    }

    /// Ends a suppression. What it hid stays hidden.
    pub fn end_suppression(&mut self, id: u64, by: &str, time: Time) -> Result<(), Error> {
        self.replace(id, None, by, time)
    }

    /// Counts what the suppressions hid.
    pub fn add_hits(&mut self, hits: &[Hits]) -> Result<(), Error> {
        self.transact(|transaction, path| {
            let statement = "UPDATE suppressions SET hits = hits + ?2, last_hit = max(coalesce(last_hit, ?3), ?3)
                WHERE id = ?1 AND ?3 IS NOT NULL";
            for hit in hits {
                let values = params![sql(hit.suppression)?, sql(hit.count)?, hit.last.map(Time::nanoseconds)];
                transaction.execute(statement, values).map_err(|error| Error::database(path, error))?;
            }
            Ok(())
        })
    }

    fn replace(&mut self, id: u64, json: Option<String>, by: &str, time: Time) -> Result<(), Error> {
        self.transact(|transaction, path| {
            match record(transaction, id, json.as_deref(), by, time).map_err(|error| Error::database(path, error))? {
                true => Ok(()),
                false => Err(Error::Request(format!("there is no suppression {id}, or it was ended"))),
            }
        })
    }
}

impl Reader {
    /// The suppressions that were not ended; those that expired are among them.
    pub fn suppressions(&self) -> Result<Vec<Suppression>, Error> {
        let sql = "SELECT json FROM suppressions WHERE json IS NOT NULL ORDER BY id";
        let rows: Vec<String> =
            self.ask(|connection| connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect())?;
        rows.iter().map(|json| parse(json, &self.database)).collect()
    }

    /// The suppression of this number, or `None` where there is none or it was ended.
    pub fn suppression(&self, id: u64) -> Result<Option<Suppression>, Error> {
        let statement = "SELECT json FROM suppressions WHERE id = ?1";
        let id = sql(id)?;
        let json: Option<Option<String>> =
            self.ask(|connection| connection.prepare_cached(statement)?.query_row([id], |row| row.get(0)).optional())?;
        json.flatten().map(|json| parse(&json, &self.database)).transpose()
    }

    /// How many changes of suppressions there were: cheap to ask, and another number once one was made, changed or ended.
    pub fn suppression_changes(&self) -> Result<u64, Error> {
        let sql = "SELECT coalesce(max(number), 0) FROM suppression_changes";
        self.ask(|connection| connection.prepare_cached(sql)?.query_row([], |row| row.get(0)))
    }

    /// What became of a suppression, the earliest first.
    pub fn suppression_history(&self, id: u64) -> Result<Vec<Change>, Error> {
        let id = sql(id)?;
        let sql = "SELECT time, \"by\", json FROM suppression_changes WHERE suppression = ?1 ORDER BY number";
        let rows: Vec<(i64, String, Option<String>)> = self.ask(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })?;
        let change = |(time, by, json): (i64, String, Option<String>)| {
            let suppression = json.map(|json| parse(&json, &self.database)).transpose()?;
            Ok(Change { time: Time::from_nanoseconds(time), by, suppression })
        };
        rows.into_iter().map(change).collect()
    }

    /// How often each suppression hid something, ended ones too.
    pub fn hits(&self) -> Result<Vec<Hits>, Error> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, hits, last_hit FROM suppressions ORDER BY id")?;
            let rows = statement.query_map([], |row| {
                let last = row.get::<_, Option<i64>>(2)?.map(Time::from_nanoseconds);
                Ok(Hits { suppression: row.get(0)?, count: row.get(1)?, last })
            })?;
            rows.collect()
        })
    }
}

/// Notes what a suppression is from now on; `false` where there is none of that number, or it was ended.
fn record(transaction: &Transaction<'_>, id: u64, json: Option<&str>, by: &str, time: Time) -> rusqlite::Result<bool> {
    // One that was added just now has no history yet.
    let sql = "UPDATE suppressions SET json = ?2 WHERE id = ?1 AND (json IS NOT NULL
        OR NOT EXISTS (SELECT 1 FROM suppression_changes WHERE suppression = ?1))";
    if transaction.execute(sql, params![id, json])? == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO suppression_changes (suppression, time, \"by\", json) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(sql, params![id, time.nanoseconds(), by, json])?;
    Ok(true)
}

fn write(suppression: &Suppression) -> Result<String, Error> {
    serde_json::to_string(suppression)
        .map_err(|error| Error::Request(format!("the suppression cannot be kept: {error}")))
}
