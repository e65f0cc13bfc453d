//! What one cell of a table says.

use std::str;

use chrono::{DateTime, NaiveDateTime};
use flow::Time;

use crate::format::literal;

/// The content of a cell, blanks around it removed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::format) enum Cell<'a> {
    /// Nothing, or one of the words that stand for nothing.
    Missing,
    /// A number without bound or none at all (NaN), as a rate over a duration of zero; no measurement.
    Infinite,
    /// A finite number.
    Number(f32),
    /// Anything else.
    Text(&'a [u8]),
}

impl Cell<'_> {
    pub(in crate::format) fn of(bytes: &[u8]) -> Cell<'_> {
        let bytes = bytes.trim_ascii();
        if let Some(number) = plain(bytes) {
            return Cell::Number(number);
        }
        if bytes.len() <= LONGEST_WORD && MISSING.iter().any(|word| bytes.eq_ignore_ascii_case(word)) {
            return Cell::Missing;
        }
        if bytes.eq_ignore_ascii_case(b"nan") {
            return Cell::Infinite;
        }
        // What Rust calls a number includes words such as `infinity`; none begins with another letter.
        let may_be_number =
            bytes.first().is_some_and(|first| matches!(first, b'0'..=b'9' | b'+' | b'-' | b'.' | b'i' | b'I'));
        let number = may_be_number.then(|| str::from_utf8(bytes).ok()?.parse::<f32>().ok()).flatten();
        match number {
            Some(number) if number.is_finite() => Cell::Number(number),
            Some(_) => Cell::Infinite,
            None => Cell::Text(bytes),
        }
    }
}

/// The number of up to seven digits and a point that most cells are: exact in two f32 numbers, so that their quotient is
/// the nearest f32, as a full parser would find it (Clinger 1990).
fn plain(bytes: &[u8]) -> Option<f32> {
    let (mut mantissa, mut digits, mut point) = (0u32, 0, None);
    if bytes.len() > 8 {
        return None;
    }
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if point.is_none() => point = Some(place),
            _ => return None,
        }
    }
    if digits == 0 || digits > 7 {
        return None;
    }
    let decimals = point.map_or(0, |point| bytes.len() - point - 1);
    Some(mantissa as f32 / POWERS[decimals])
}

/// The time that a cell says: RFC 3339 with or without zone (UTC then), day first with slashes, or seconds,
/// milliseconds, microseconds or nanoseconds since 1970.
pub(in crate::format) fn time(bytes: &[u8]) -> Option<Time> {
    let text = str::from_utf8(bytes.trim_ascii()).ok()?;
    if let Ok(number) = text.parse::<f64>() {
        let scale = match number.abs() {
            size if size < 1e11 => 1,
            size if size < 1e14 => 1_000,
            size if size < 1e17 => 1_000_000,
            _ => 1_000_000_000,
        };
        // An f64 holds today's times to a quarter of a microsecond only.
        let exact = literal::billionths(text.as_bytes()).and_then(|number| i64::try_from(number / scale).ok());
        return exact.map(Time::from_nanoseconds).or_else(|| Time::from_seconds(number / scale as f64));
    }
    let nanoseconds = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.timestamp_nanos_opt(),
        Err(_) => {
            let parsed = FORMATS.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
            parsed?.and_utc().timestamp_nanos_opt()
        }
    };
    nanoseconds.map(Time::from_nanoseconds)
}

const MISSING: [&[u8]; 8] = [b"", b"?", b"-", b"na", b"n/a", b"null", b"none", b"nil"];
const LONGEST_WORD: usize = 4;
const POWERS: [f32; 8] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
const FORMATS: [&str; 6] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%d/%m/%Y %H:%M:%S%.f",
    "%d/%m/%Y %I:%M:%S %p",
    "%d/%m/%Y %H:%M",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_are_those_of_a_full_parser() {
        for text in ["0", "7", "0.00", "1.", ".5", "0.06", "9999999", "1.234567", "16777217", "00012.50"] {
            assert_eq!(Cell::of(text.as_bytes()), Cell::Number(text.parse().unwrap()), "{text}");
        }
        for text in ["-5", "1e3", "+0.5", "702040.8163265307", "1379963888"] {
            assert_eq!(Cell::of(text.as_bytes()), Cell::Number(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn missing_infinite_and_text_are_told_apart() {
        for text in ["", "  ", "?", "-", "NA", "null", "None"] {
            assert_eq!(Cell::of(text.as_bytes()), Cell::Missing, "{text}");
        }
        for text in ["Infinity", "-inf", "1e999", "NaN"] {
            assert_eq!(Cell::of(text.as_bytes()), Cell::Infinite, "{text}");
        }
        for text in ["tcp", ".", "1.2.3", "0x50", "--", "1 2", "infinite"] {
            assert_eq!(Cell::of(text.as_bytes()), Cell::Text(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn times_are_read_in_the_ways_that_logs_write_them() {
        let expected = Some(Time::from_nanoseconds(1_499_349_906_500_000_000));
        for text in [
            "2017-07-06T14:05:06.5Z",
            "2017-07-06T16:05:06.500+02:00",
            "2017-07-06 14:05:06.5",
            "06/07/2017 14:05:06.5",
            "1499349906.5",
            "1499349906500",
            "1499349906500000",
        ] {
            assert_eq!(time(text.as_bytes()), expected, "{text}");
        }
        let exact = Some(Time::from_nanoseconds(1_499_349_906_123_456_789));
        for text in ["1499349906.123456789", "1499349906123456789", "1499349906123.456789"] {
            assert_eq!(time(text.as_bytes()), exact, "{text}");
        }
        assert_eq!(time(b"yesterday"), None);
    }
}
