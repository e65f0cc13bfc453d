//! Alerts on their way to sinks.
//!
//! A sink's outbox is a place in the order of changes: what was changed behind it waits. So an alert that waits for ten
//! sinks is kept once, and a sink that fails delays no other one and loses nothing. A sink that breaks off between sending
//! an alert and saying so gets it again: each arrives at least once, under the same identifier.

use alert::sink::Occasion;
use alert::{Alert, Finding};
use rusqlite::{OptionalExtension, params};

use crate::alerts::{parse, sql};
use crate::{Error, Reader, Store};

impl Store {
    /// Makes a sink known by its name, with nothing waiting but what is changed after this number: 0 for all that is kept,
    /// [`Reader::last_change`] for what comes from now on. A sink that is known stays where it is.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("lapwing-store-outbox-{}", std::process::id()));
    /// let mut store = store::Store::open(&folder)?;
    /// store.subscribe("webhook", store.last_change()?)?;
    /// for (change, _occasion, _alert) in store.pending("webhook", 100)? {
    ///     // Send it, and then:
    ///     store.delivered("webhook", change)?;
    /// }
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), store::Error>(())
    /// ```
    pub fn subscribe(&mut self, sink: &str, after: u64) -> Result<(), Error> {
        let after = sql(after)?;
        let sql = "INSERT OR IGNORE INTO sinks (name, change, since) VALUES (?1, ?2, ?2)";
        self.ask(|connection| connection.execute(sql, params![sink, after]).map(drop))
    }

    /// Forgets a sink and what waits for it.
    pub fn unsubscribe(&mut self, sink: &str) -> Result<(), Error> {
        self.ask(|connection| connection.execute("DELETE FROM sinks WHERE name = ?1", [sink]).map(drop))
    }

    /// Notes that the sink has the alert of this change, and all before it.
    pub fn delivered(&mut self, sink: &str, change: u64) -> Result<(), Error> {
        let change = sql(change)?;
        let sql = "UPDATE sinks SET change = max(change, ?2) WHERE name = ?1";
        match self.ask(|connection| connection.execute(sql, params![sink, change]))? {
            0 => Err(unknown(sink)),
            _ => Ok(()),
        }
    }
}

impl Reader {
    /// The sinks that are known, each with the number of the last change that it has.
    pub fn sinks(&self) -> Result<Vec<(String, u64)>, Error> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached("SELECT name, change FROM sinks ORDER BY name")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// At most so many alerts that wait for the sink, each with the number of its change and why it is sent, in the order of
    /// their changes. What a suppression hides does not wait.
    pub fn pending(&self, sink: &str, limit: usize) -> Result<Vec<(u64, Occasion, Alert)>, Error> {
        let known: Option<(u64, u64)> = self.ask(|connection| {
            let mut statement = connection.prepare_cached("SELECT change, since FROM sinks WHERE name = ?1")?;
            statement.query_row([sink], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        let (last, since) = known.ok_or_else(|| unknown(sink))?;
        let waiting = self.changes(last, limit)?.into_iter().map(|(change, alert)| {
            let was_sent = self.first_shown(change)?.is_some_and(|first| since < first && first <= last);
            let is_true = self.verdict(&alert.id)?.is_some_and(|verdict| verdict.finding == Finding::True);
            let occasion = match (is_true, was_sent) {
                (true, _) => Occasion::Confirmed,
                (false, true) => Occasion::Again,
                (false, false) => Occasion::First,
            };
            Ok((change, occasion, alert))
        });
        waiting.collect()
    }

    /// The change with which the alert of this change was first shown.
    fn first_shown(&self, change: u64) -> Result<Option<u64>, Error> {
        let change = sql(change)?;
        let sql = "SELECT first_shown FROM alerts WHERE suppressed_by IS NULL AND change = ?1";
        let found =
            self.ask(|connection| connection.prepare_cached(sql)?.query_row([change], |row| row.get(0)).optional())?;
        Ok(found.flatten())
    }

    /// At most so many alerts that were changed after this number and that nothing hides, in the order of their changes.
    pub fn changes(&self, after: u64, limit: usize) -> Result<Vec<(u64, Alert)>, Error> {
        let (after, limit) = (sql(after)?, i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<(u64, String)> = self.ask(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT change, json FROM alerts WHERE suppressed_by IS NULL AND change > ?1 ORDER BY change LIMIT ?2",
            )?;
            statement.query_map([after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        rows.into_iter().map(|(change, json)| Ok((change, parse(&json, &self.database)?))).collect()
    }

    /// The number of the last change; 0 before the first.
    pub fn last_change(&self) -> Result<u64, Error> {
        let sql = "SELECT last FROM sequences WHERE name = 'change'";
        self.ask(|connection| connection.prepare_cached(sql)?.query_row([], |row| row.get(0)))
    }
}

fn unknown(sink: &str) -> Error {
    Error::Request(format!("no sink is called `{}`: subscribe it first", flow::printable(sink)))
}
