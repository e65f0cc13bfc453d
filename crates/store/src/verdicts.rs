//! What analysts said of alerts. Every verdict is kept, and the latest counts.

use alert::{Finding, Verdict};
use flow::Time;
use rusqlite::{Row, params};

use crate::alerts::{hexadecimal, identifier};
use crate::{Error, Reader, Store};

impl Store {
    /// Keeps a verdict of an alert that is kept. That one is true is news: sinks are sent the alert again.
    pub fn put_verdict(&mut self, verdict: &Verdict) -> Result<(), Error> {
        let id = identifier(&verdict.alert)?;
        let sql = "INSERT INTO verdicts (alert, finding, note, \"by\", time)
            SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM alerts WHERE id = ?1)";
        let Verdict { alert, finding, note, by, time } = verdict;
        let values = params![id, finding.name(), note, by, time.nanoseconds()];
        self.transact(|transaction, path| {
            let fail = |error| Error::database(path, error);
            if transaction.execute(sql, values).map_err(fail)? == 0 {
                return Err(Error::Request(format!("no alert {alert} is kept")));
            }
            if *finding == Finding::True {
                let next = "UPDATE sequences SET last = last + 1 WHERE name = 'change' RETURNING last";
                let change: i64 = transaction.query_row(next, [], |row| row.get(0)).map_err(fail)?;
                let sql = "UPDATE alerts SET change = ?2,
                    first_shown = coalesce(first_shown, iif(suppressed_by IS NULL, ?2, NULL)) WHERE id = ?1";
                transaction.execute(sql, params![id, change]).map_err(fail)?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// What was said of the alert last.
    pub fn verdict(&self, alert: &str) -> Result<Option<Verdict>, Error> {
        Ok(self.verdicts(alert)?.pop())
    }

    /// All that was said of the alert, the earliest first.
    pub fn verdicts(&self, alert: &str) -> Result<Vec<Verdict>, Error> {
        let id = identifier(alert)?;
        let sql = "SELECT alert, finding, note, \"by\", time FROM verdicts WHERE alert = ?1 ORDER BY number";
        let rows: Vec<Row5> = self.ask(|connection| connection.prepare_cached(sql)?.query_map([id], row)?.collect())?;
        rows.into_iter().map(|row| self.parse_verdict(row)).collect()
    }

    /// What was said last of each alert of which something was said, the latest last.
    pub fn latest_verdicts(&self) -> Result<Vec<Verdict>, Error> {
        let sql = "SELECT alert, finding, note, \"by\", time FROM verdicts
            WHERE number IN (SELECT max(number) FROM verdicts GROUP BY alert) ORDER BY number";
        let rows: Vec<Row5> = self.ask(|connection| connection.prepare_cached(sql)?.query_map([], row)?.collect())?;
        rows.into_iter().map(|row| self.parse_verdict(row)).collect()
    }

    fn parse_verdict(&self, (alert, finding, note, by, time): Row5) -> Result<Verdict, Error> {
        let finding =
            finding.parse().map_err(|error| Error::damaged(&self.database, format!("a verdict is {error}")))?;
        Ok(Verdict { alert: hexadecimal(&alert), finding, note, by, time: Time::from_nanoseconds(time) })
    }
}

type Row5 = (Vec<u8>, String, String, String, i64);

fn row(row: &Row<'_>) -> rusqlite::Result<Row5> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}
