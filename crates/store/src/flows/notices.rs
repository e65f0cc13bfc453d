//! What other detectors said, in its place among the flows.

use std::fmt::Display;
use std::str::FromStr;

use flow::{Key, Notice, Time};
use rusqlite::{Connection, Row, Transaction, named_params};

use super::Span;

/// Writes notices that came in that hour, after the flow of this number.
pub(super) fn write(transaction: &Transaction<'_>, notices: &[Notice], hour: i64, after: i64) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO notices
         (after, hour, time, reporter, name, detail, severity, source, target, originator, responder, protocol, id)
         VALUES (:after, :hour, :time, :reporter, :name, :detail, :severity, :source, :target, :originator, :responder, :protocol,
         :id)",
    )?;
    for notice in notices {
        let Notice { time, reporter, name, detail, severity, source, target, key, id } = notice;
        let text = |word: Option<&dyn Display>| word.map(ToString::to_string);
        let key = key.as_ref();
        insert.execute(named_params! {
            ":after": after, ":hour": hour, ":time": time.nanoseconds(), ":reporter": reporter, ":name": &**name, ":detail": &**detail,
            ":severity": severity, ":source": text(source.as_ref().map(|it| it as &dyn Display)),
            ":target": text(target.as_ref().map(|it| it as &dyn Display)),
            ":originator": text(key.map(|key| &key.originator as &dyn Display)),
            ":responder": text(key.map(|key| &key.responder as &dyn Display)),
            ":protocol": text(key.map(|key| &key.protocol as &dyn Display)), ":id": id.as_deref(),
        })?;
    }
    Ok(())
}

/// At most so many notices of the span, behind the one of this number, that came before the flow of that one; each with its
/// number, or what is wrong with it.
pub(super) fn read(
    connection: &Connection,
    span: &Span,
    behind: i64,
    before_flow: i64,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, Result<Notice, &'static str>)>> {
    let mut statement = connection.prepare_cached(
        "SELECT time, reporter, name, detail, severity, source, target, originator, responder, protocol, id, number
         FROM notices WHERE number > ?1 AND after < ?2 AND time >= ?3 AND time < ?4 ORDER BY number LIMIT ?5",
    )?;
    let [from, to] = span.bounds();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([behind, before_flow, from, to, limit], |row| Ok((row.get(11)?, notice(row)?)))?;
    rows.collect()
}

fn notice(row: &Row<'_>) -> rusqlite::Result<Result<Notice, &'static str>> {
    let reporter: String = row.get(1)?;
    let Some(reporter) = REPORTERS.into_iter().find(|known| **known == *reporter) else {
        return Ok(Err("a notice of an unknown detector"));
    };
    let key = match (word(row, 7)?, word(row, 8)?, word(row, 9)?) {
        (Ok(Some(originator)), Ok(Some(responder)), Ok(Some(protocol))) => {
            Some(Key { originator, responder, protocol })
        }
        (Ok(None), Ok(None), Ok(None)) => None,
        _ => return Ok(Err("a notice of a conversation that is none")),
    };
    let (Ok(source), Ok(target)) = (word(row, 5)?, word(row, 6)?) else {
        return Ok(Err("a notice of an address that is none"));
    };
    Ok(Ok(Notice {
        time: Time::from_nanoseconds(row.get(0)?),
        reporter,
        name: row.get(2)?,
        detail: row.get(3)?,
        severity: row.get(4)?,
        source,
        target,
        key,
        id: row.get(10)?,
    }))
}

fn word<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Result<Option<T>, T::Err>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| text.parse()).transpose())
}

/// The detectors whose logs are read.
const REPORTERS: [&str; 2] = ["suricata", "zeek"];
