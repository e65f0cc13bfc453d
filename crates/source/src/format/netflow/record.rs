//! One record of an export message, field by field.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::Time;

use super::element::{Element, Kind, element, named};
use super::template::{Field, Template};

/// What a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 5, 7, 9 or 10 (IPFIX).
    pub version: u16,
    /// The exporter's count: of flows (5 and 7), messages (9) or data records (10) before this message.
    pub sequence: u32,
    /// When it was sent, by the exporter's clock.
    pub exported: Time,
    /// Milliseconds since the exporter was started; IPFIX does not tell.
    pub uptime: Option<u32>,
    /// Which of the exporter's meters speaks: observation domain (10), source identifier (9), engine (5).
    pub domain: u32,
    /// Of how many packets one was looked at (5), and how they were chosen.
    pub sampling: u16,
}

/// One record of a message, as its template has it.
///
/// ```
/// use source::Batch;
/// use source::format::netflow::{Collector, Value};
/// let template = [0, 10, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 12, 1, 0, 0, 1, 0, 7, 0, 2];
/// let data = [0, 10, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 6, 0, 80];
/// let (mut collector, mut ports) = (Collector::default(), Vec::new());
/// for message in [&template[..], &data] {
///     collector.message(None, message, &mut Batch::default(), |record, _| ports.push(record.value("sourceTransportPort")));
/// }
/// assert_eq!(ports, [Some(Value::Number(80))]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Of the message that it came in.
    pub header: &'a Header,
    /// The number of its template; 0 for NetFlow versions 5 and 7, which have none.
    pub set: u16,
    pub(super) template: &'a Template,
    pub(super) bytes: &'a [u8],
}

/// A value, read as its element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Number(u64),
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
    /// An IEEE 802 address.
    Mac([u8; 6]),
    /// Text, without the zeros that fill it up.
    Text(String),
    /// A time since 1970.
    Time(Time),
    /// Bytes that only their maker can read.
    Octets(Vec<u8>),
}

impl<'a> Record<'a> {
    /// Its fields in the template's order, each with the bytes of its value.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = (&'a Field, &'a [u8])> + use<'a> {
        let mut rest = self.bytes;
        self.template.fields.iter().map_while(move |field| {
            let (start, length) = field.extent(rest)?;
            let value = rest.get(start..start + length)?;
            rest = &rest[start + length..];
            Some((field, value))
        })
    }

    /// Whether it tells of the exporter rather than of a flow.
    pub fn is_options(&self) -> bool {
        self.template.is_options
    }

    /// The value of the element of that name in the IANA registry (or of Cisco, for those of NetFlow version 9 that
    /// the registry lacks), where the record has it and its bytes are such a value.
    pub fn value(&self, name: &str) -> Option<Value> {
        let element = named(name)?;
        let named = |field: &Field| (field.enterprise, field.number) == (0, element.number) && !field.is_v9_scope(self);
        self.fields().find(|(field, _)| named(field)).and_then(|(_, bytes)| Value::of(element.kind, bytes))
    }

    /// The bytes of an element of an enterprise.
    pub fn octets(&self, enterprise: u32, number: u16) -> Option<&'a [u8]> {
        let found = self.fields().find(|(field, _)| (field.enterprise, field.number) == (enterprise, number));
        found.map(|(_, bytes)| bytes)
    }
}

impl Field {
    /// What it is, where the table of elements has it.
    pub fn element(&self) -> Option<&'static Element> {
        if self.enterprise == 0 { element(self.number) } else { None }
    }

    fn is_v9_scope(&self, record: &Record) -> bool {
        self.is_scope && record.header.version == 9
    }
}

impl Value {
    /// Reads the bytes of a value; `None` where they cannot be one.
    pub fn of(kind: Kind, bytes: &[u8]) -> Option<Value> {
        Some(match kind {
            Kind::Unsigned => Value::Number(unsigned(bytes)?),
            Kind::Address => Value::Address(address(bytes)?),
            Kind::Mac => Value::Mac(bytes.try_into().ok()?),
            Kind::Text => {
                let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                Value::Text(String::from_utf8_lossy(&bytes[..end]).into_owned())
            }
            Kind::Octets => Value::Octets(bytes.to_vec()),
            Kind::Seconds => Value::Time(scaled(unsigned(bytes)?, 1_000_000_000)?),
            Kind::Milliseconds => Value::Time(scaled(unsigned(bytes)?, 1_000_000)?),
            Kind::Ntp => Value::Time(ntp(bytes)?),
        })
    }
}

/// A whole number of up to eight bytes.
#[inline]
pub(super) fn unsigned(bytes: &[u8]) -> Option<u64> {
    match *bytes {
        [a] => Some(a.into()),
        [a, b] => Some(u16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d]).into()),
        [a, b, c, d, e, f, g, h] => Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        [] => None,
        _ if bytes.len() < 8 => Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))),
        _ => None,
    }
}

/// An address. IPv4 among the IPv6 addresses is the same host as by its own address (RFC 4291 s.2.5.5.2).
#[inline]
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
}

/// A time of so many units since 1970; `None` beyond the year 2262.
#[inline]
pub(super) fn scaled(number: u64, nanoseconds: i64) -> Option<Time> {
    i64::try_from(number).ok()?.checked_mul(nanoseconds).map(Time::from_nanoseconds)
}

/// An NTP time stamp: seconds since 1900 and 2^-32 parts of a second (RFC 5905 s.6), of the era that began then.
pub(super) fn ntp(bytes: &[u8]) -> Option<Time> {
    let stamp = u64::from_be_bytes(bytes.try_into().ok()?);
    let seconds = (stamp >> 32).checked_sub(SECONDS_1900_TO_1970)?;
    let nanoseconds = ((stamp & 0xffff_ffff) * 1_000_000_000) >> 32;
    scaled(seconds * 1_000_000_000 + nanoseconds, 1)
}

const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_have_fewer_bytes_than_its_type() {
        assert_eq!(unsigned(&[1, 0, 0]), Some(65_536));
        assert_eq!((unsigned(&[]), unsigned(&[0; 9])), (None, None));
    }

    #[test]
    fn an_ntp_time_stamp_counts_from_1900() {
        let stamp = (2_208_988_801u64 << 32 | 1 << 31).to_be_bytes();
        assert_eq!(ntp(&stamp), Some(Time::from_nanoseconds(1_500_000_000)));
        assert_eq!(ntp(&[0; 8]), None);
    }

    #[test]
    fn a_time_beyond_what_can_be_told_is_none() {
        assert_eq!(Value::of(Kind::Milliseconds, &[0xff; 8]), None);
    }

    #[test]
    fn text_ends_where_the_filling_starts() {
        assert_eq!(Value::of(Kind::Text, b"TenGigE\0\0\0"), Some(Value::Text("TenGigE".to_owned())));
    }
}
