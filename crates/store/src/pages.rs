//! Alerts by pages, the newest first.

use std::net::IpAddr;

use alert::{Behaviour, Severity, Technique};
use flow::Time;
use rusqlite::types::Value;
use rusqlite::{Connection, named_params, params_from_iter};

use crate::alerts::{address, identifier, severity_number};
use crate::{Error, Kept, Reader};

/// Which alerts are wanted: those for which everything holds that is said here. By default all that nothing hides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that start then or later. To the millisecond, where several start at once; so is `until`.
    pub since: Option<Time>,
    /// Those that start before.
    pub until: Option<Time>,
    /// Those in which it takes part.
    pub host: Option<IpAddr>,
    /// Those of this severity or a higher one.
    pub severity: Option<Severity>,
    /// Those of this technique.
    pub technique: Option<Technique>,
    /// Those of this behaviour.
    pub behaviour: Option<Behaviour>,
    /// Those of the incident of this identifier.
    pub incident: Option<String>,
    /// Those that this suppression hides.
    pub hidden_by: Option<u64>,
    /// Those that a suppression hides, too.
    pub with_hidden: bool,
}

/// Some alerts, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The alerts.
    pub alerts: Vec<Kept>,
    /// What to ask for to get the page behind this one; `None` where there is none.
    pub next: Option<String>,
}

impl Reader {
    /// At most so many alerts that the filter lets through (1 to [`Page::MOST`]), the newest first; `after` is what the page
    /// before said comes next. A page takes as long anywhere, however many alerts there are.
    ///
    /// ```
    /// # use store::{Filter, Store};
    /// # let folder = std::env::temp_dir().join(format!("lapwing-store-page-{}", std::process::id()));
    /// # let store = Store::open(&folder)?;
    /// let filter = Filter { host: Some([10, 0, 0, 7].into()), ..Filter::default() };
    /// let first = store.page(&filter, None, 50)?;
    /// let second = store.page(&filter, first.next.as_deref(), 50)?;
    /// # assert_eq!(first, second);
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), store::Error>(())
    /// ```
    pub fn page(&self, filter: &Filter, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let limit = limit.clamp(1, Page::MOST);
        let range = Range {
            from: filter.since.map_or(i64::MIN, Time::nanoseconds),
            before: match after {
                Some(cursor) => read_cursor(cursor)?,
                None => filter.until.map_or(i64::MAX, Time::nanoseconds),
            },
        };
        let incident = match &filter.incident {
            Some(id) => Some(self.incident_number(identifier(id)?)?),
            None => None,
        };
        let mut keys = match incident {
            // There is no such incident.
            Some(None) => Vec::new(),
            incident => self.ask(|connection| keys(connection, filter, incident.flatten(), range, limit + 1))?,
        };
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().filter(|_| more).map(|key| write_cursor(*key));
        let alerts = keys.into_iter().map(|key| self.alert_of_key(key));
        Ok(Page { alerts: alerts.filter_map(Result::transpose).collect::<Result<_, Error>>()?, next })
    }
}

impl Page {
    /// The most alerts of one page.
    pub const MOST: usize = 1000;
}

/// The keys from `from` to one below `before`.
#[derive(Clone, Copy)]
struct Range {
    from: i64,
    before: i64,
}

/// So many keys, the largest first. Each facet has a range of its own in the index that is used; what it gives beyond the
/// keys that the facets before gave is not read.
fn keys(
    connection: &Connection,
    filter: &Filter,
    incident: Option<i64>,
    range: Range,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let every = *filter == Filter { since: filter.since, until: filter.until, with_hidden: true, ..Filter::default() };
    if every {
        let sql = "SELECT key FROM alerts WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3";
        let mut statement = connection.prepare_cached(sql)?;
        return statement.query_map((range.from, range.before, limit as i64), |row| row.get(0))?.collect();
    }
    // Each leads into an index that has the facet and the key behind it.
    let (mut also, mut values) = (String::new(), Vec::<Value>::new());
    if let Some(incident) = incident {
        also.push_str(" AND incident = ?");
        values.push(incident.into());
    }
    if let Some(suppression) = filter.hidden_by {
        also.push_str(" AND suppressed_by = ?");
        values.push(i64::try_from(suppression).unwrap_or(i64::MAX).into());
    }
    let mut table = "alerts";
    if let Some(host) = filter.host {
        if also.is_empty() {
            table = "alert_hosts";
            also.push_str(" AND address = ?");
        } else {
            also.push_str(
                " AND EXISTS (SELECT 1 FROM alert_hosts AS host
                 WHERE (host.address, host.facet, host.key) = (?, alerts.facet, alerts.key))",
            );
        }
        values.push(address(host).into());
    }
    let limit_value = Value::from(i64::try_from(limit).unwrap_or(i64::MAX));
    let sql =
        format!("SELECT key FROM {table} WHERE facet = ? AND key >= ? AND key < ?{also} ORDER BY key DESC LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let (mut keys, mut from) = (Vec::new(), range.from);
    for facet in facets(connection, filter)? {
        let place = [facet, from, range.before].map(Value::from);
        let found = statement
            .query_map(params_from_iter(place.iter().chain(&values).chain([&limit_value])), |row| {
                row.get::<_, i64>(0)
            })?;
        for key in found {
            keys.push(key?);
        }
        keys.sort_unstable_by(|a, b| b.cmp(a));
        keys.truncate(limit);
        if let Some(last) = keys.get(limit - 1) {
            from = last.saturating_add(1);
        }
    }
    Ok(keys)
}

/// The facets that the filter lets through.
fn facets(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT number FROM facets WHERE severity >= :severity AND (:technique IS NULL OR technique = :technique)
         AND (:behaviour IS NULL OR behaviour = :behaviour) AND hidden <= :hidden",
    )?;
    let found = statement.query_map(
        named_params! {
            ":severity": filter.severity.map_or(0, severity_number), ":technique": filter.technique.map(Technique::id),
            ":behaviour": filter.behaviour.map(Behaviour::name),
            ":hidden": filter.with_hidden || filter.hidden_by.is_some(),
        },
        |row| row.get(0),
    )?;
    found.collect()
}

fn write_cursor(key: i64) -> String {
    format!("{:016x}", key as u64)
}

fn read_cursor(cursor: &str) -> Result<i64, Error> {
    let number =
        Some(cursor).filter(|cursor| cursor.len() == 16).and_then(|cursor| u64::from_str_radix(cursor, 16).ok());
    let unknown = || Error::Request(format!("`{}` is no place of a page", flow::printable(cursor)));
    number.map(|number| number as i64).ok_or_else(unknown)
}
