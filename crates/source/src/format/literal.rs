//! Numbers, times and addresses as text logs write them, read exactly: no detour through floating point.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::Time;

/// A whole number of at most 19 digits and nothing else.
#[inline]
pub(super) fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u64::from(digit))
    })
}

/// A port, an ICMP type or code, or a VLAN.
#[inline]
pub(super) fn port(text: &[u8]) -> Option<u16> {
    whole(text).and_then(|number| u16::try_from(number).ok())
}

/// A decimal number, perhaps with a fraction and an exponent, in billionths: rounded to the nearest, halves away from
/// zero. A number too large for that is as large as can be.
pub(super) fn billionths(text: &[u8]) -> Option<i128> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (integer, fraction) = match memchr::memchr(b'.', digits) {
        Some(dot) => (digits.get(..dot)?, digits.get(dot + 1..)?),
        None => (digits, &[][..]),
    };
    let magnitude = match (integer.len() <= 10, fraction.len() <= 9, whole(integer), whole(fraction)) {
        (true, _, Some(integer), None) if fraction.is_empty() => i128::from(integer) * 1_000_000_000,
        (true, true, Some(integer), Some(fraction_digits)) => {
            let scale = 10u64.pow(9 - fraction.len() as u32);
            i128::from(integer * 1_000_000_000 + fraction_digits * scale)
        }
        _ => long_billionths(digits)?,
    };
    Some(if is_negative { -magnitude } else { magnitude })
}

/// As [`billionths`], of any length and with an exponent, without the sign.
fn long_billionths(text: &[u8]) -> Option<i128> {
    let end = memchr::memchr2(b'e', b'E', text).unwrap_or(text.len());
    let exponent = match text.get(end + 1..) {
        None => 0,
        Some([b'-', digits @ ..]) => -exponent(digits)?,
        Some([b'+', digits @ ..] | digits) => exponent(digits)?,
    };
    // What the digits are multiplied with to be billionths, as a power of ten.
    let mut scale = exponent + 9;
    let (mut number, mut digits, mut in_fraction) = (0i128, 0, false);
    for &byte in text.get(..end)? {
        match byte {
            b'.' if !in_fraction => in_fraction = true,
            b'0'..=b'9' => {
                digits += 1;
                // Beyond 36 digits none can matter.
                let is_kept = number < 10i128.pow(36);
                if is_kept {
                    number = number * 10 + i128::from(byte - b'0');
                }
                scale += i32::from(!is_kept && !in_fraction) - i32::from(is_kept && in_fraction);
            }
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    let Some(power) = 10i128.checked_pow(scale.unsigned_abs()) else {
        return Some(if scale < 0 || number == 0 { 0 } else { i128::MAX });
    };
    Some(if scale < 0 {
        number / power + i128::from(number % power >= power - power / 2)
    } else {
        number.saturating_mul(power)
    })
}

/// The digits of an exponent; one that no number needs is as large as matters.
fn exponent(digits: &[u8]) -> Option<i32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let significant = digits.trim_ascii_start();
    Some(whole(significant).map_or(MAX_EXPONENT, |number| number.min(MAX_EXPONENT as u64) as i32))
}

/// A count of things: a number that is not negative, its fraction left out.
#[inline]
pub(super) fn count(text: &[u8]) -> Option<u64> {
    whole(text).or_else(|| billionths(text).and_then(|number| u64::try_from(number / 1_000_000_000).ok()))
}

/// A time: seconds since the epoch, or a date and time of day (ISO 8601, RFC 3339).
#[inline]
pub(super) fn time(text: &[u8]) -> Option<Time> {
    match text {
        [_, _, _, _, b'-', ..] => date_time(text),
        _ => billionths(text).and_then(|number| i64::try_from(number).ok()).map(Time::from_nanoseconds),
    }
}

/// A date and time of day such as `2021-06-06T15:57:37.272281+0200`: with `T` or a blank between, any number of digits
/// of a second (those after the ninth are left out), and an offset from UTC, which is UTC where it is missing.
pub(super) fn date_time(text: &[u8]) -> Option<Time> {
    let (fixed, mut rest) = text.split_first_chunk::<19>()?;
    let [century, year, b'-', month, b'-', day, b'T' | b't' | b' ', hour, b':', minute, b':', second] = [
        pair(fixed[0], fixed[1]),
        pair(fixed[2], fixed[3]),
        fixed[4],
        pair(fixed[5], fixed[6]),
        fixed[7],
        pair(fixed[8], fixed[9]),
        fixed[10],
        pair(fixed[11], fixed[12]),
        fixed[13],
        pair(fixed[14], fixed[15]),
        fixed[16],
        pair(fixed[17], fixed[18]),
    ] else {
        return None;
    };
    // A leap second is the first of the next minute.
    if century > 99 || year > 99 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days(i64::from(century) * 100 + i64::from(year), i64::from(month), i64::from(day))?;
    let second_of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let mut nanoseconds = 0;
    if let [b'.' | b',', after @ ..] = rest {
        let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, offset) = after.split_at(length);
        let digits = digits.get(..9).unwrap_or(digits);
        nanoseconds = whole(digits)? * 10u64.pow(9 - digits.len() as u32);
        rest = offset;
    }
    let seconds = days * 86_400 + second_of_day - offset_seconds(rest)?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds as i64).map(Time::from_nanoseconds)
}

/// The number of two digits; 255 where they are none.
#[inline]
fn pair(tens: u8, ones: u8) -> u8 {
    if tens.is_ascii_digit() && ones.is_ascii_digit() { (tens - b'0') * 10 + ones - b'0' } else { u8::MAX }
}

/// How far a local time is ahead of UTC: `Z`, `+02:00`, `+0200`, `-05`.
fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [_, _] => (digits, &b"0"[..]),
        [_, _, b':', minutes @ ..] | [_, _, minutes @ ..] if minutes.len() == 2 => (digits.get(..2)?, minutes),
        _ => return None,
    };
    let (hours, minutes) = (whole(hours).filter(|&hours| hours < 24)?, whole(minutes).filter(|&minutes| minutes < 60)?);
    Some(sign * (hours * 3600 + minutes * 60) as i64)
}

/// Days since 1970-01-01 in the Gregorian calendar; `None` where there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

/// An IPv4 or IPv6 address. IPv4 among the IPv6 addresses is the same host as by its own address (RFC 4291 s.2.5.5.2).
#[inline]
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ipv4(text) {
        return Some(IpAddr::V4(address));
    }
    let address: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(IpAddr::V6(address).to_canonical())
}

/// Four numbers without leading zeros, which some would read as octal.
#[inline]
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut address, mut octet, mut digits, mut octets) = (0u32, 0u32, 0, 0);
    for &byte in text {
        if byte == b'.' {
            if digits == 0 {
                return None;
            }
            address = address << 8 | octet;
            (octet, digits, octets) = (0, 0, octets + 1);
        } else {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            if digit > 9 || (digits > 0 && octet == 0) {
                return None;
            }
            octet = octet * 10 + digit;
            digits += 1;
            if octet > 255 {
                return None;
            }
        }
        if octets > 3 {
            return None;
        }
    }
    (octets == 3 && digits > 0).then(|| Ipv4Addr::from_bits(address << 8 | octet))
}

/// Larger than any number of logs needs, and small enough to reckon with.
const MAX_EXPONENT: i32 = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanoseconds: i64) -> Option<Time> {
        Some(Time::from_nanoseconds(nanoseconds))
    }

    #[test]
    fn seconds_are_read_to_the_nanosecond() {
        assert_eq!(time(b"1700000000.123456"), at(1_700_000_000_123_456_000));
        assert_eq!(time(b"1700000000.123456789"), at(1_700_000_000_123_456_789));
        assert_eq!(time(b"1700000000.1234567895"), at(1_700_000_000_123_456_790));
        assert_eq!(time(b"0.09628199999999865"), at(96_282_000));
        assert_eq!(time(b"1.7e9"), at(1_700_000_000_000_000_000));
        assert_eq!(time(b"-1.5"), at(-1_500_000_000));
        assert_eq!(time(b"9223372036.854775807"), at(i64::MAX));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "-", ".", "1.x", "1.2.3", "9223372036.854775808", "1e99", "1e", "e1", "--1", "2021-06-06"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
        for text in ["2021-02-29T00:00:00Z", "2021-06-31T00:00:00Z", "2021-06-06T24:00:00Z", "2021-06-06T00:00:00+2"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_date_with_any_offset_is_the_same_time() {
        let noon = at(1_622_980_800_500_000_000);
        for text in [
            "2021-06-06T12:00:00.5Z",
            "2021-06-06T14:00:00.500000+0200",
            "2021-06-06 07:00:00.5-05",
            "2021-06-06T17:30:00.500000000999+05:30",
            "2021-06-06T12:00:00.5",
        ] {
            assert_eq!(time(text.as_bytes()), noon, "{text}");
        }
    }

    #[test]
    fn a_count_is_whole_and_not_negative() {
        assert_eq!([count(b"0"), count(b"12"), count(b"3.0"), count(b"1e3")], [Some(0), Some(12), Some(3), Some(1000)]);
        assert_eq!([count(b""), count(b"-1"), count(b"x"), count(b"1e40")], [None; 4]);
        assert_eq!(count(b"18446744073709551615"), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn days_are_those_of_chrono(year in 1600i64..2400, month in 0i64..14, day in 0i64..33) {
            let date = chrono::NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32);
            let epoch = chrono::NaiveDate::default();
            prop_assert_eq!(days(year, month, day), date.map(|date| date.signed_duration_since(epoch).num_days()));
        }

        #[test]
        fn addresses_are_those_of_the_standard_library(text in "[0-9a-f:.]{0,24}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
            let address: Option<IpAddr> = text.parse().ok();
            prop_assert_eq!(super::address(text.as_bytes()), address.map(|address| address.to_canonical()));
        }

        #[test]
        fn numbers_are_those_of_floating_point_as_far_as_it_goes(text in "-?[0-9]{1,25}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?") {
            let expected = text.parse::<f64>().unwrap() * 1e9;
            let number = billionths(text.as_bytes()).unwrap() as f64;
            prop_assert!((number - expected).abs() <= expected.abs() * 1e-15 + 1.0 || expected.abs() > 1e38, "{} {}", number, expected);
        }

        #[test]
        fn any_bytes_are_read_or_not(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (time(&text), count(&text), address(&text), date_time(&text));
        }
    }
}
