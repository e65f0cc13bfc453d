//! Points in time, as packets and records state them.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

pub use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::Unreadable;

/// A point in time: nanoseconds since 1970-01-01 00:00 UTC. Covers the years 1677 to 2262.
///
/// ```
/// use flow::{Duration, Time};
/// let start = Time::from_nanoseconds(1_700_000_000_000_000_000);
/// assert_eq!(start.to_string(), "2023-11-14T22:13:20.000000000Z");
/// assert_eq!((start + Duration::from_secs(2)).since(start), Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The earliest time that can be expressed.
    pub const MIN: Time = Time(i64::MIN);

    /// A time from nanoseconds since the epoch.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Time {
        Time(nanoseconds)
    }

    /// A time from seconds since the epoch, as text logs write it. `None` where it is not finite or out of range.
    pub fn from_seconds(seconds: f64) -> Option<Time> {
        let nanoseconds = (seconds * 1e9).round();
        (nanoseconds.is_finite() && nanoseconds.abs() < i64::MAX as f64).then_some(Time(nanoseconds as i64))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, rounded to what an `f64` can hold.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// How long after `earlier` this is; zero where it is not after.
    #[inline]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    #[inline]
    fn add(self, duration: Duration) -> Time {
        let nanoseconds = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Time(self.0.saturating_add(nanoseconds))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    #[inline]
    fn sub(self, duration: Duration) -> Time {
        let nanoseconds = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Time(self.0.saturating_sub(nanoseconds))
    }
}

impl FromStr for Time {
    type Err = Unreadable;

    /// A time of RFC 3339, of any zone.
    fn from_str(text: &str) -> Result<Time, Unreadable> {
        let time = DateTime::parse_from_rfc3339(text).ok().and_then(|time| time.timestamp_nanos_opt());
        time.map(Time).ok_or(Unreadable("a time of RFC 3339"))
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC, with nanoseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::<Utc>::from_timestamp_nanos(self.0).to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_that_cannot_be_a_time_are_refused() {
        assert_eq!(Time::from_seconds(f64::NAN), None);
        assert_eq!(Time::from_seconds(1e300), None);
        assert_eq!(Time::from_seconds(1.5), Some(Time(1_500_000_000)));
    }

    #[test]
    fn a_time_is_read_as_it_is_written() {
        let time = Time::from_nanoseconds(1_700_000_000_000_000_001);
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!("2023-11-14T23:13:20+01:00".parse(), Ok(Time::from_nanoseconds(1_700_000_000_000_000_000)));
        assert!("yesterday".parse::<Time>().is_err());
    }

    #[test]
    fn differences_and_sums_saturate() {
        assert_eq!(Time::MIN.since(Time(5)), Duration::ZERO);
        assert_eq!(Time(i64::MAX) + Duration::from_secs(1), Time(i64::MAX));
        assert_eq!(Time::MIN - Duration::from_secs(1), Time::MIN);
        assert_eq!(Time(i64::MAX).since(Time::MIN), Duration::from_nanos(i64::MAX as u64));
    }
}
