//! What the verbs share in looking at what is kept: times, spans, alerts by a part of their identifier.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use flow::{Duration, Time, printable};
use store::{Filter, Kept, Page, Reader};

use crate::input::duration;

/// Which alerts, by when they start.
#[derive(clap::Args)]
pub(crate) struct When {
    /// Those that start in the last hours or days: 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "since")]
    last: Option<Duration>,
    /// Those that start then or later: 2026-11-22 or 2026-11-22T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Time>,
    /// Those that start before.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Time>,
}

impl When {
    /// The filter of these times, which lets everything else pass but hidden alerts.
    pub(crate) fn filter(&self, reader: &Reader) -> Result<Filter> {
        let since = match self.last {
            Some(last) => Some(before(now(reader)?, last)),
            None => self.since,
        };
        Ok(Filter { since, until: self.until, ..Filter::default() })
    }
}

/// The time that counts as now: the clock's, or that of the latest alert where the store was filled from older captures; says
/// so then. It is when a verdict is given, and where the last days end.
pub(crate) fn now(reader: &Reader) -> Result<Time> {
    let clock = clock();
    let newest = reader.page(&Filter { with_hidden: true, ..Filter::default() }, None, 1)?;
    let flows = reader.setting::<i64>(sensor::keep::LATEST)?.map(Time::from_nanoseconds);
    let latest = newest.alerts.first().map(|kept| kept.alert.end).max(flows);
    match latest {
        Some(latest) if clock.since(latest) > STALE => {
            eprintln!("the latest that is kept is of {}: that counts as now", crate::scan::time(latest));
            Ok(latest + Duration::from_secs(1))
        }
        _ => Ok(clock),
    }
}

/// What the clock says.
pub(crate) fn clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_nanoseconds(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The time so long before.
pub(crate) fn before(time: Time, span: Duration) -> Time {
    let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    Time::from_nanoseconds(time.nanoseconds().saturating_sub(span))
}

/// Who gives a verdict or suppresses, where nobody is named.
pub(crate) fn user(named: Option<&str>) -> String {
    let of_system = || ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.map(str::to_owned).or_else(of_system).unwrap_or_else(|| "unknown".to_owned())
}

/// A day or a moment in UTC: 2026-11-22, 2026-11-22T08:00:00Z.
pub(crate) fn moment(text: &str) -> Result<Time, String> {
    let unknown = |_| format!("`{}` is no time: 2026-11-22 or 2026-11-22T08:00:00Z is", printable(text));
    match text.len() {
        10 => format!("{text}T00:00:00Z").parse().map_err(unknown),
        _ => text.parse().map_err(unknown),
    }
}

/// All alerts that the filter lets through, the newest first, up to a bound that is said when it is reached.
pub(crate) fn all(reader: &Reader, filter: &Filter) -> Result<Vec<Kept>> {
    let (mut alerts, mut after) = (Vec::new(), None);
    loop {
        let page = reader.page(filter, after.as_deref(), Page::MOST)?;
        alerts.extend(page.alerts);
        after = page.next;
        if after.is_none() {
            return Ok(alerts);
        }
        if alerts.len() >= MOST {
            eprintln!("only the {} newest alerts are looked at", alerts.len());
            return Ok(alerts);
        }
    }
}

/// The alert whose identifier begins so.
pub(crate) fn alert(reader: &Reader, prefix: &str) -> Result<Kept> {
    let mut found = reader.alerts_beginning(prefix, 2)?;
    match (found.pop(), found.pop()) {
        (None, _) => bail!("no alert {} is kept; `lapwing alerts` lists those that are", printable(prefix)),
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => {
            bail!("{} and {} both begin so: give more of the identifier", one.alert.id, other.alert.id)
        }
    }
}

/// A store whose latest alert or flow is older was not filled by a sensor that runs.
const STALE: Duration = Duration::from_secs(86_400);
/// More alerts than this say nothing that fewer do not.
const MOST: usize = 100_000;
