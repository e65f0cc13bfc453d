//! Alerts are kept, each once, by its identifier.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use alert::{Alert, Fact, Severity, Verdict};
use flow::Time;
use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use crate::{Error, Reader, Store};

/// An alert and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The alert.
    pub alert: Alert,
    /// The number of its last change.
    pub change: u64,
    /// The identifier of the incident that it belongs to.
    pub incident: Option<String>,
    /// The suppression that hides it.
    pub suppressed_by: Option<u64>,
    /// What was said of it last.
    pub verdict: Option<Verdict>,
}

/// How many alerts of one severity started on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// When the day begins, in UTC.
    pub day: Time,
    /// Of which severity.
    pub severity: Severity,
    /// Alerts that nothing hides.
    pub shown: u64,
    /// Alerts that a suppression hides.
    pub hidden: u64,
}

impl Store {
    /// Keeps these alerts, all or none: a new one is added, a known one, which has the same identifier, is replaced. Each
    /// that differs from what was kept gets a new change number. What is hidden stays hidden.
    pub fn put(&mut self, alerts: &[Alert]) -> Result<(), Error> {
        self.write(|writing| alerts.iter().try_for_each(|alert| writing.put(alert, Visibility::AsItWas)))
    }

    /// Keeps these alerts as [`Store::put`] does, but a known one that is shown as before keeps its change number: sinks are
    /// not sent it again because its words grew.
    pub fn update(&mut self, alerts: &[Alert]) -> Result<(), Error> {
        self.write(|writing| {
            writing.is_silent = true;
            alerts.iter().try_for_each(|alert| writing.put(alert, Visibility::AsItWas))
        })
    }

    /// Keeps these alerts as [`Store::put`] does, and has the suppression hide them.
    pub fn put_hidden(&mut self, alerts: &[Alert], suppression: u64) -> Result<(), Error> {
        let hidden = Visibility::HiddenBy(sql(suppression)?);
        self.write(|writing| alerts.iter().try_for_each(|alert| writing.put(alert, hidden)))
    }

    /// Has the suppression hide alerts that are kept already.
    pub fn hide(&mut self, alerts: &[impl AsRef<str>], suppression: u64) -> Result<(), Error> {
        let hidden = Visibility::HiddenBy(sql(suppression)?);
        self.write(|writing| alerts.iter().try_for_each(|id| writing.show_or_hide(id.as_ref(), hidden)))
    }

    /// Shows alerts that were hidden; sinks get them then.
    pub fn show(&mut self, alerts: &[impl AsRef<str>]) -> Result<(), Error> {
        self.write(|writing| alerts.iter().try_for_each(|id| writing.show_or_hide(id.as_ref(), Visibility::Shown)))
    }

    fn write(&mut self, act: impl FnOnce(&mut Writing<'_>) -> Result<(), Error>) -> Result<(), Error> {
        self.transact(|transaction, path| {
            let fail = |error| Error::database(path, error);
            let change =
                transaction.query_row("SELECT last FROM sequences WHERE name = 'change'", [], |row| row.get(0));
            let (facets, days) = (HashMap::new(), BTreeMap::new());
            let change = change.map_err(fail)?;
            let mut writing = Writing { transaction, path, change, facets, days, is_silent: false };
            act(&mut writing)?;
            writing.finish().map_err(fail)
        })
    }
}

impl Reader {
    /// The alert of this identifier; `None` where none is kept.
    pub fn alert(&self, id: &str) -> Result<Option<Kept>, Error> {
        let id = identifier(id)?;
        let found = self.ask(|connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT_KEPT} WHERE alerts.id = ?1"))?;
            statement.query_row([id], Stored::of).optional()
        })?;
        found.map(|stored| self.kept(stored)).transpose()
    }

    /// At most so many alerts whose identifiers begin so, in their order.
    pub fn alerts_beginning(&self, prefix: &str, limit: usize) -> Result<Vec<Kept>, Error> {
        let most = 2 * size_of::<[u8; 8]>();
        if prefix.len() > most || !prefix.bytes().all(is_digit) {
            let shown = flow::printable(prefix);
            return Err(Error::Request(format!(
                "`{shown}` begins no identifier: up to {most} digits of 0-9 and a-f do"
            )));
        }
        let [low, high] = ['0', 'f'].map(|digit| {
            let rest = std::iter::repeat_n(digit, most.saturating_sub(prefix.len()));
            identifier(&prefix.chars().chain(rest).collect::<String>())
        });
        let (low, high, limit) = (low?, high?, i64::try_from(limit).unwrap_or(i64::MAX));
        let found: Vec<Stored> = self.ask(|connection| {
            let sql = format!("{SELECT_KEPT} WHERE alerts.id BETWEEN ?1 AND ?2 ORDER BY alerts.id LIMIT ?3");
            connection.prepare_cached(&sql)?.query_map(params![low, high, limit], Stored::of)?.collect()
        })?;
        found.into_iter().map(|stored| self.kept(stored)).collect()
    }

    /// How many alerts are kept, hidden ones too.
    pub fn alert_count(&self) -> Result<u64, Error> {
        self.ask(|connection| connection.query_row("SELECT coalesce(sum(alerts), 0) FROM days", [], |row| row.get(0)))
    }

    /// How many alerts started on each day from the one to the other, by severity; days without alerts are left out.
    pub fn days(&self, since: Time, until: Time) -> Result<Vec<DayCount>, Error> {
        let rows: Vec<(i64, i64, u64, u64)> = self.ask(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT day, severity, sum(iif(hidden, 0, alerts)), sum(iif(hidden, alerts, 0)) FROM days
                 WHERE day BETWEEN ?1 AND ?2 GROUP BY day, severity HAVING sum(alerts) > 0",
            )?;
            let rows = statement
                .query_map([day(since), day(until)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            rows.collect()
        })?;
        let count = |(day, severity, shown, hidden): (i64, i64, u64, u64)| {
            let severity = severity_of(severity).ok_or_else(|| Error::damaged(&self.database, "a severity is none"))?;
            Ok(DayCount { day: Time::from_nanoseconds(day.saturating_mul(DAY)), severity, shown, hidden })
        };
        rows.into_iter().map(count).collect()
    }

    /// The alert of this key.
    pub(crate) fn alert_of_key(&self, key: i64) -> Result<Option<Kept>, Error> {
        let found = self.ask(|connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT_KEPT} WHERE alerts.key = ?1"))?;
            statement.query_row([key], Stored::of).optional()
        })?;
        found.map(|stored| self.kept(stored)).transpose()
    }

    fn kept(&self, stored: Stored) -> Result<Kept, Error> {
        let alert: Alert = parse(&stored.json, &self.database)?;
        let verdict = self.verdict(&alert.id)?;
        let incident = stored.incident.map(|id| hexadecimal(&id));
        Ok(Kept { alert, change: stored.change, incident, suppressed_by: stored.suppressed_by, verdict })
    }
}

/// A row of [`SELECT_KEPT`].
struct Stored {
    json: String,
    change: u64,
    incident: Option<Vec<u8>>,
    suppressed_by: Option<u64>,
}

impl Stored {
    fn of(row: &Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored { json: row.get(0)?, change: row.get(1)?, incident: row.get(2)?, suppressed_by: row.get(3)? })
    }
}

/// Whether an alert is shown.
#[derive(Clone, Copy)]
enum Visibility {
    AsItWas,
    Shown,
    HiddenBy(i64),
}

/// What an alert has in common with others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Facet {
    behaviour: &'static str,
    technique: &'static str,
    severity: i64,
    hidden: i64,
}

/// An alert as it was kept before.
struct Before {
    key: i64,
    facet: i64,
    suppressed_by: Option<i64>,
    change: i64,
    json: String,
}

/// One transaction that writes alerts.
struct Writing<'a> {
    transaction: &'a Transaction<'a>,
    path: &'a Path,
    /// The last change number.
    change: i64,
    facets: HashMap<Facet, i64>,
    /// How many more alerts there are, by day, severity and whether they are hidden.
    days: BTreeMap<(i64, i64, i64), i64>,
    /// Whether what is known keeps its change number.
    is_silent: bool,
}

impl Writing<'_> {
    fn put(&mut self, alert: &Alert, visibility: Visibility) -> Result<(), Error> {
        let id = identifier(&alert.id)?;
        if !is_finite(alert) {
            return Err(Error::Request(format!("alert {} has a number that is none", alert.id)));
        }
        let json =
            serde_json::to_string(alert).map_err(|error| Error::Request(format!("alert {}: {error}", alert.id)))?;
        let before = self.before(id).map_err(|error| Error::database(self.path, error))?;
        match before {
            None => {
                let suppressed_by = match visibility {
                    Visibility::HiddenBy(suppression) => Some(suppression),
                    Visibility::AsItWas | Visibility::Shown => None,
                };
                self.add(alert, id, &json, suppressed_by)
            }
            Some(before) => {
                let suppressed_by = match visibility {
                    Visibility::HiddenBy(suppression) => Some(suppression),
                    Visibility::AsItWas => before.suppressed_by,
                    Visibility::Shown => None,
                };
                if before.json == json && before.suppressed_by == suppressed_by {
                    return Ok(());
                }
                let former = parse(&before.json, self.path)?;
                self.replace(alert, &json, suppressed_by, &former, &before)
            }
        }
        .map_err(|error| Error::database(self.path, error))
    }

    fn show_or_hide(&mut self, id: &str, visibility: Visibility) -> Result<(), Error> {
        let before = self.before(identifier(id)?).map_err(|error| Error::database(self.path, error))?;
        let before = before.ok_or_else(|| Error::Request(format!("no alert {} is kept", flow::printable(id))))?;
        self.put(&parse(&before.json, self.path)?, visibility)
    }

    fn before(&self, id: [u8; 8]) -> rusqlite::Result<Option<Before>> {
        let sql = "SELECT key, facet, suppressed_by, json, change FROM alerts WHERE id = ?1";
        let before = |row: &Row<'_>| {
            let (suppressed_by, json, change) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(Before { key: row.get(0)?, facet: row.get(1)?, suppressed_by, change, json })
        };
        self.transaction.prepare_cached(sql)?.query_row([id], before).optional()
    }

    fn add(&mut self, alert: &Alert, id: [u8; 8], json: &str, suppressed_by: Option<i64>) -> rusqlite::Result<()> {
        let facet = self.facet(alert, suppressed_by)?;
        let key = self.free_key(alert.start)?;
        self.change += 1;
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO alerts (key, id, change, first_shown, facet, suppressed_by, subject, start, \"end\", score, flows,
                 json)
             VALUES (:key, :id, :change, iif(:suppressed_by IS NULL, :change, NULL), :facet, :suppressed_by, :subject,
                 :start, :end, :score, :flows, :json)",
        )?;
        insert.execute(named_params! {
            ":key": key, ":id": id, ":change": self.change, ":facet": facet, ":suppressed_by": suppressed_by,
            ":subject": address(alert.subject), ":start": alert.start.nanoseconds(), ":end": alert.end.nanoseconds(),
            ":score": alert.score, ":flows": alert.flows as i64, ":json": json,
        })?;
        self.add_hosts(alert, facet, key)?;
        self.count(alert, suppressed_by, 1);
        Ok(())
    }

    fn replace(
        &mut self,
        alert: &Alert,
        json: &str,
        suppressed_by: Option<i64>,
        former: &Alert,
        before: &Before,
    ) -> rusqlite::Result<()> {
        let facet = self.facet(alert, suppressed_by)?;
        let change = if self.is_silent && suppressed_by == before.suppressed_by {
            before.change
        } else {
            self.change += 1;
            self.change
        };
        let mut update = self.transaction.prepare_cached(
            "UPDATE alerts SET change = :change,
             first_shown = coalesce(first_shown, iif(:suppressed_by IS NULL, :change, NULL)), facet = :facet, suppressed_by = :suppressed_by, subject = :subject,
             start = :start, \"end\" = :end, score = :score, flows = :flows, json = :json WHERE key = :key",
        )?;
        update.execute(named_params! {
            ":key": before.key, ":change": change, ":facet": facet, ":suppressed_by": suppressed_by,
            ":subject": address(alert.subject), ":start": alert.start.nanoseconds(), ":end": alert.end.nanoseconds(),
            ":score": alert.score, ":flows": alert.flows as i64, ":json": json,
        })?;
        if facet != before.facet || former.hosts != alert.hosts {
            let sql = "DELETE FROM alert_hosts WHERE address = ?1 AND facet = ?2 AND key = ?3";
            let mut delete = self.transaction.prepare_cached(sql)?;
            for host in hosts(former) {
                delete.execute(params![address(host), before.facet, before.key])?;
            }
            self.add_hosts(alert, facet, before.key)?;
        }
        self.count(former, before.suppressed_by, -1);
        self.count(alert, suppressed_by, 1);
        Ok(())
    }

    fn add_hosts(&self, alert: &Alert, facet: i64, key: i64) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached("INSERT OR IGNORE INTO alert_hosts VALUES (?1, ?2, ?3)")?;
        hosts(alert).try_for_each(|host| insert.execute(params![address(host), facet, key]).map(drop))
    }

    fn count(&mut self, alert: &Alert, suppressed_by: Option<i64>, more: i64) {
        let place = (day(alert.start), severity_number(alert.severity), i64::from(suppressed_by.is_some()));
        *self.days.entry(place).or_default() += more;
    }

    fn facet(&mut self, alert: &Alert, suppressed_by: Option<i64>) -> rusqlite::Result<i64> {
        let facet = Facet {
            behaviour: alert.behaviour.name(),
            technique: alert.technique.map_or("", alert::Technique::id),
            severity: severity_number(alert.severity),
            hidden: suppressed_by.is_some().into(),
        };
        if let Some(number) = self.facets.get(&facet) {
            return Ok(*number);
        }
        let names = params![facet.behaviour, facet.technique, facet.severity, facet.hidden];
        let sql = "INSERT OR IGNORE INTO facets (behaviour, technique, severity, hidden) VALUES (?1, ?2, ?3, ?4)";
        self.transaction.execute(sql, names)?;
        let sql = "SELECT number FROM facets WHERE (behaviour, technique, severity, hidden) = (?1, ?2, ?3, ?4)";
        let number = self.transaction.query_row(sql, names, |row| row.get(0))?;
        self.facets.insert(facet, number);
        Ok(number)
    }

    /// The key of an alert that starts then: its start, or where another has that one, the next that is free behind all of
    /// the same millisecond.
    fn free_key(&self, start: Time) -> rusqlite::Result<i64> {
        let mut start = start.nanoseconds();
        loop {
            let sql = "SELECT max(key), min(key) = ?1 FROM alerts WHERE key BETWEEN ?1 AND ?2";
            let window = start.saturating_add(MILLISECOND - 1);
            let taken: (Option<i64>, Option<bool>) = self
                .transaction
                .prepare_cached(sql)?
                .query_row([start, window], |row| Ok((row.get(0)?, row.get(1)?)))?;
            match taken {
                (None, _) | (_, Some(false)) => return Ok(start),
                (Some(last), _) if last < window => return Ok(last + 1),
                // The end of time is full: the database says so, because the key is taken.
                _ if window == i64::MAX => return Ok(window),
                _ => start = window + 1,
            }
        }
    }

    fn finish(self) -> rusqlite::Result<()> {
        for ((day, severity, hidden), more) in self.days {
            let sql = "INSERT INTO days VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET alerts = alerts + ?4";
            self.transaction.prepare_cached(sql)?.execute([day, severity, hidden, more])?;
        }
        self.transaction.execute("UPDATE sequences SET last = ?1 WHERE name = 'change'", [self.change]).map(drop)
    }
}

/// Whether all its numbers are, so that they can be read back: JSON has no others.
fn is_finite(alert: &Alert) -> bool {
    let is_finite = |fact: &Fact| if let Fact::Number(number) = fact { number.is_finite() } else { true };
    let mut evidence = alert.evidence.iter();
    alert.score.is_finite()
        && evidence.all(|one| one.score.is_finite() && one.facts.iter().all(|(_, fact)| is_finite(fact)))
}

/// Everyone who takes part; the subject does, whether it is listed or not.
fn hosts(alert: &Alert) -> impl Iterator<Item = IpAddr> {
    std::iter::once(alert.subject).chain(alert.hosts.iter().map(|host| host.address))
}

/// The bytes of an address.
pub(crate) fn address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Whether the byte is a digit of an identifier.
fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// The bytes of an identifier of sixteen hexadecimal digits.
pub(crate) fn identifier(id: &str) -> Result<[u8; 8], Error> {
    let is_plain = id.len() == 16 && id.bytes().all(is_digit);
    let number = is_plain.then(|| u64::from_str_radix(id, 16).ok()).flatten();
    let number = number.ok_or_else(|| {
        Error::Request(format!("`{}` is no identifier: sixteen digits of 0-9 and a-f are", flow::printable(id)))
    })?;
    Ok(number.to_be_bytes())
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number as the database can hold it.
pub(crate) fn sql(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Request(format!("{number} is larger than any number that is given out")))
}

pub(crate) fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

fn severity_of(number: i64) -> Option<Severity> {
    let all = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    usize::try_from(number).ok().and_then(|number| all.get(number).copied())
}

/// What was kept as JSON.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(json: &str, path: &Path) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| Error::damaged(path, format!("what is kept cannot be read ({error})")))
}

fn day(time: Time) -> i64 {
    time.nanoseconds().div_euclid(DAY)
}

const SELECT_KEPT: &str = "SELECT alerts.json, change, incidents.id, suppressed_by
    FROM alerts LEFT JOIN incidents ON incidents.number = alerts.incident";
const MILLISECOND: i64 = 1_000_000;
const DAY: i64 = 86_400_000_000_000;
