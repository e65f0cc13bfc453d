//! Flows go out, in the order in which they came.

use std::io::ErrorKind;

use flow::{Flow, Notice, Time};
use rusqlite::OptionalExtension;

use super::file::{self, Group, Rows};
use super::files::{GROUP_COLUMNS, Listed, group_of};
use super::notices;
use crate::{Error, Reader};

/// A span of time: what ended, or was said, at `from` or later and before `to`. Every flow lies in one of two spans that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from: Time,
    /// The first moment that is not within.
    pub to: Time,
}

impl Span {
    /// All that is kept. (What ends in the last nanosecond of the year 2262 that can be expressed is not.)
    pub const ALL: Span = Span { from: Time::MIN, to: Time::from_nanoseconds(i64::MAX) };

    pub(super) fn bounds(&self) -> [i64; 2] {
        [self.from.nanoseconds(), self.to.nanoseconds()]
    }

    fn holds(&self, time: Time) -> bool {
        self.from <= time && time < self.to
    }
}

/// Gives out the flows of a span of time again, and what other detectors said.
pub struct Replay<'a> {
    reader: &'a Reader,
    span: Span,
    /// The number of the next flow.
    next: i64,
    /// The number behind the last flow that was there when this began.
    end: i64,
    /// The notice that was given out last.
    notice: i64,
    /// The file that is open, and its number in the list.
    file: Option<(i64, file::Reader)>,
    rows: Option<Rows>,
    /// Whether all flows were given out.
    is_read: bool,
}

impl Reader {
    /// Gives out the flows of a span of time in the order in which they came, as far as they are kept now, and what other
    /// detectors said in its place among them.
    pub fn replay(&self, span: Span) -> Result<Replay<'_>, Error> {
        let sql = "SELECT last + 1 FROM sequences WHERE name = 'flow'";
        let end = self.ask(|connection| connection.prepare_cached(sql)?.query_row([], |row| row.get(0)))?;
        Ok(Replay { reader: self, span, next: i64::MIN, end, notice: 0, file: None, rows: None, is_read: false })
    }
}

impl Replay<'_> {
    /// Appends some thousand flows and notices, or fewer; `false` where there are no more. Notices came after the flows that
    /// are given with them, and before the next ones.
    pub fn read(&mut self, flows: &mut Vec<Flow>, notices: &mut Vec<Notice>) -> Result<bool, Error> {
        if !self.is_read {
            self.is_read = !self.read_flows(flows)?;
        }
        let before = if self.is_read { self.end.saturating_add(1) } else { self.next };
        let (span, behind) = (self.span, self.notice);
        let found =
            self.reader.ask(|connection| notices::read(connection, &span, behind, before, NOTICES_AT_A_TIME))?;
        let more = found.len() == NOTICES_AT_A_TIME;
        for (number, notice) in found {
            self.notice = number;
            notices.push(notice.map_err(|reason| Error::damaged(&self.reader.database, reason))?);
        }
        Ok(more || !self.is_read)
    }

    fn read_flows(&mut self, flows: &mut Vec<Flow>) -> Result<bool, Error> {
        if self.rows.is_none() && !self.open()? {
            return Ok(false);
        }
        let Some(mut rows) = self.rows.take() else { return Ok(false) };
        let begin = flows.len();
        let more = rows.read(flows)?;
        self.next += (flows.len() - begin) as i64;
        let mut place = 0;
        flows.retain(|flow| {
            place += 1;
            place <= begin || self.span.holds(flow.end)
        });
        self.rows = more.then_some(rows);
        Ok(true)
    }

    /// Opens the next row group that has flows of the span; `false` where there is none.
    fn open(&mut self) -> Result<bool, Error> {
        let mut missing = None;
        loop {
            let Some(Next { first, place, group, file }) = self.find()? else { return Ok(false) };
            if self.file.as_ref().is_none_or(|(number, _)| *number != file.number) {
                self.file = match file.open(&self.reader.folder) {
                    Ok(opened) => Some((file.number, opened)),
                    // Another file may have taken its place since the list was read, or it was too old.
                    Err(Error::File { source, .. })
                        if source.kind() == ErrorKind::NotFound && missing != Some(file.number) =>
                    {
                        missing = Some(file.number);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
            }
            let Some((_, opened)) = &mut self.file else { return Ok(false) };
            let mut rows = opened.group(place, &group)?;
            if let Ok(given) = usize::try_from(self.next.saturating_sub(first)) {
                rows.pass(given)?;
            }
            self.next = self.next.max(first);
            self.rows = Some(rows);
            return Ok(true);
        }
    }

    fn find(&self) -> Result<Option<Next>, Error> {
        let sql = format!(
            "SELECT {}, {GROUP_COLUMNS}, flow_groups.first, flow_groups.number
             FROM flow_groups JOIN flow_files ON flow_files.number = flow_groups.file
             WHERE flow_groups.first > ?1 AND flow_groups.first + flow_groups.rows > ?2 AND flow_groups.first < ?3
             AND latest >= ?4 AND earliest < ?5 ORDER BY flow_groups.first LIMIT 1",
            Listed::COLUMNS
        );
        let [from, to] = self.span.bounds();
        self.reader.ask(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let lowest = self.next.saturating_sub(file::ROWS_A_GROUP as i64);
            let found = statement.query_row([lowest, self.next, self.end, from, to], |row| {
                let (file, group) = (Listed::of(row)?, group_of(row, 5)?);
                Ok(Next { file, group, first: row.get(11)?, place: row.get::<_, u32>(12)? as usize })
            });
            found.optional()
        })
    }
}

/// The row group that comes next.
struct Next {
    file: Listed,
    group: Group,
    /// The number of its first flow.
    first: i64,
    /// Its place in the file.
    place: usize,
}

const NOTICES_AT_A_TIME: usize = 4096;
