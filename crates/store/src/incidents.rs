//! Incidents and the alerts that they are made of.

use alert::Incident;
use flow::Time;
use rusqlite::{OptionalExtension, params};

use crate::alerts::{identifier, parse, severity_number};
use crate::{Error, Reader, Store};

impl Store {
    /// Keeps these incidents, all or none: a new one is added, a known one, which has the same identifier, is replaced. The
    /// alerts that it lists, which must be kept already, belong to it from now on; an incident that is left without alerts
    /// goes.
    pub fn put_incidents(&mut self, incidents: &[Incident]) -> Result<(), Error> {
        self.transact(|transaction, path| {
            let fail = |error| Error::database(path, error);
            for incident in incidents {
                let id = identifier(&incident.id)?;
                let json = serde_json::to_string(incident)
                    .map_err(|error| Error::Request(format!("incident {}: {error}", incident.id)))?;
                let put = || -> rusqlite::Result<i64> {
                    let mut insert = transaction.prepare_cached(
                        "INSERT INTO incidents (id, severity, start, \"end\", score, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                         ON CONFLICT (id) DO UPDATE SET severity = ?2, start = ?3, \"end\" = ?4, score = ?5, json = ?6
                         RETURNING number",
                    )?;
                    let span = [incident.start, incident.end].map(Time::nanoseconds);
                    let severity = severity_number(incident.severity);
                    let values = params![id, severity, span[0], span[1], incident.score, json];
                    let number = insert.query_row(values, |row| row.get(0))?;
                    let sql = "UPDATE alerts SET incident = NULL WHERE incident = ?1";
                    transaction.prepare_cached(sql)?.execute([number])?;
                    Ok(number)
                };
                let number = put().map_err(fail)?;
                let sql = "UPDATE alerts SET incident = ?2 WHERE id = ?1";
                let mut join = transaction.prepare_cached(sql).map_err(fail)?;
                for alert in &incident.alerts {
                    if join.execute(params![identifier(alert)?, number]).map_err(fail)? == 0 {
                        let (incident, alert) = (&incident.id, flow::printable(alert));
                        return Err(Error::Request(format!("incident {incident} lists alert {alert}, which is not kept")));
                    }
                }
            }
            let sql = "DELETE FROM incidents WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE incident = incidents.number)";
            transaction.execute(sql, []).map(drop).map_err(fail)
        })
    }
}

impl Reader {
    /// The incident of this identifier; `None` where none is kept.
    pub fn incident(&self, id: &str) -> Result<Option<Incident>, Error> {
        let id = identifier(id)?;
        let sql = "SELECT json FROM incidents WHERE id = ?1";
        let json: Option<String> =
            self.ask(|connection| connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional())?;
        json.map(|json| parse(&json, &self.database)).transpose()
    }

    /// At most so many incidents that start before, the latest first.
    pub fn incidents(&self, before: Option<Time>, limit: usize) -> Result<Vec<Incident>, Error> {
        let (before, limit) = (before.map_or(i64::MAX, Time::nanoseconds), i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<String> = self.ask(|connection| {
            let sql = "SELECT json FROM incidents WHERE start < ?1 ORDER BY start DESC, number DESC LIMIT ?2";
            connection.prepare_cached(sql)?.query_map([before, limit], |row| row.get(0))?.collect()
        })?;
        rows.iter().map(|json| parse(json, &self.database)).collect()
    }

    pub(crate) fn incident_number(&self, id: [u8; 8]) -> Result<Option<i64>, Error> {
        let sql = "SELECT number FROM incidents WHERE id = ?1";
        self.ask(|connection| connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional())
    }
}
