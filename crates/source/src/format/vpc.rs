//! AWS VPC Flow Logs, of every version (docs.aws.amazon.com, "Flow log records").
//!
//! Text as S3 and CloudWatch Logs give it: blank separated, `-` for what is missing, with a header line, with a list of
//! fields that is configured, or in the 14 fields of the default format. Behind an ISO time (an export of CloudWatch
//! Logs, `aws logs tail`) or as `message` in JSON (subscription filters, `aws logs filter-log-events`) the same. As
//! Parquet, the names with `_` or `-`: see [`FlowLog::columns`]. Fields that we do not know are passed over, so that
//! newer versions are read.
//!
//! What a record tells, and how it becomes a flow:
//!
//! - A record is one direction of a conversation at one interface. It waits for the one of the other direction that is
//!   nearest in time. The originator is who sent a SYN without ACK, or whose peer sent one with ACK, where the log has
//!   `tcp-flags`; else who calls a service's port; else who was heard first.
//! - A record that waited in vain is a flow of one direction. The other side is silent where the record itself shows it: it
//!   was rejected, or its flags are a SYN and nothing else. Otherwise that side's counts are unknown, because AWS may have
//!   skipped its record, or the log may hold one kind of records only.
//! - The endpoints are `pkt-srcaddr` and `pkt-dstaddr` where the log has them: behind a NAT gateway, a transit gateway or
//!   a pod's second address, `srcaddr` and `dstaddr` are only the next hop's interface.
//! - Bytes count from the IP header on, as those of a capture. Payload is unknown.
//! - The log has no ICMP type and code: both ports are 0.
//! - A conversation between two logged interfaces stands in the log twice, once at each; so it is two flows.
//! - `NODATA` and `SKIPDATA` are no flows but notes; `SKIPDATA` means that records are lost.

use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, Read};
use std::net::{IpAddr, Ipv4Addr};

use flow::{Ended, Endpoint, Protocol, State, Time};

use super::biflow::{Biflows, Telling};
use super::recent::Recent;
use super::uniflow::{ACK, Half, Observer, Opening, SYN, Uniflow};
use super::{Decoder, Format, MAX_LINE_BYTES, next_line};
use crate::Batch;

pub(crate) const FORMAT: Format = Format {
    name: "vpc",
    what: "AWS VPC flow logs, as text or from CloudWatch Logs",
    recognises,
    next_message,
    decoder: || Box::new(FlowLog::default()),
    sample,
};

/// Reads the records of flow logs.
///
/// ```
/// use source::Batch;
/// use source::format::Decoder;
/// use source::format::vpc::FlowLog;
/// let (mut log, mut batch) = (FlowLog::default(), Batch::default());
/// log.decode(b"2 123456789010 eni-1 10.0.0.9 10.0.0.1 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK", &mut batch);
/// log.finish(&mut batch);
/// assert_eq!(batch.flows[0].state, Some(flow::State::Rej));
/// ```
pub struct FlowLog {
    /// Where no header says otherwise.
    configured: Layout,
    layout: Layout,
    biflows: Biflows,
    seen: Recent,
    /// The latest time that any record told.
    latest: Time,
    /// Whether AWS said that records are lost.
    is_lossy: bool,
    /// Made once: its state is fixed, so that equal input gives equal output.
    hasher: foldhash::fast::FixedState,
}

/// Which field stands at which place of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    fields: Vec<Option<Field>>,
    /// Whether a record says enough that an equal one must be a repetition.
    tells_apart: bool,
}

impl Default for FlowLog {
    fn default() -> FlowLog {
        FlowLog::of(Layout::of(DEFAULT_FIELDS.iter().copied()))
    }
}

impl FlowLog {
    /// Reads logs whose files have no header and other fields than the default. `fields` are their names in order, as
    /// AWS writes a custom format (`${version} ${account-id} ...`) or separated by blanks or commas. The error names
    /// what is none.
    pub fn with_fields(fields: &str) -> Result<FlowLog, String> {
        let names: Vec<&str> = fields
            .split(|letter: char| letter.is_whitespace() || letter == ',')
            .map(|word| word.strip_prefix("${").and_then(|word| word.strip_suffix('}')).unwrap_or(word))
            .filter(|name| !name.is_empty())
            .collect();
        let is_name =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_0123456789".contains(&byte));
        if let Some(odd) = names.iter().find(|name| !is_name(name)) {
            return Err(format!("`{}` is no name of a field of VPC flow logs", super::printable(odd)));
        }
        let layout = Layout::of(names.iter().copied());
        let lacking: Vec<&str> = [(Field::SourceAddress, "srcaddr"), (Field::DestinationAddress, "dstaddr")]
            .iter()
            .filter(|(field, _)| !layout.has(*field))
            .map(|(_, name)| *name)
            .collect();
        if lacking.is_empty() {
            Ok(FlowLog::of(layout))
        } else {
            Err(format!("the fields lack {}", lacking.join(", ")))
        }
    }

    /// Reads rows of a table with these columns, for [`FlowLog::row`]; `None` where they are no flow log's.
    pub fn columns(names: &[String]) -> Option<FlowLog> {
        let layout = Layout::of(names.iter().map(String::as_str));
        let needed = [Field::SourceAddress, Field::DestinationAddress, Field::Start];
        needed.iter().all(|field| layout.has(*field)).then(|| FlowLog::of(layout))
    }

    /// Takes in one row, its cells in the order of the columns.
    pub fn row<'a>(&mut self, cells: impl Iterator<Item = &'a [u8]>, batch: &mut Batch) {
        let mut hash = self.hasher.build_hasher();
        let mut values = Values::default();
        for (place, cell) in cells.enumerate() {
            hash.write(cell);
            hash.write_u8(b' ');
            if let Some(Some(field)) = self.layout.fields.get(place)
                && super::rows::Cell::of(cell) != super::rows::Cell::Missing
            {
                values.0[*field as usize] = Some(cell);
            }
        }
        self.take(&values, None, hash.finish(), batch);
    }

    fn of(layout: Layout) -> FlowLog {
        let hasher = foldhash::fast::FixedState::with_seed(7);
        FlowLog {
            configured: layout.clone(),
            layout,
            biflows: Biflows::new(Telling::Once),
            seen: Recent::default(),
            latest: Time::MIN,
            is_lossy: false,
            hasher,
        }
    }

    /// Takes in one line of text, `time` being that of the log event that carries it.
    fn line(&mut self, line: &[u8], time: Option<Time>, batch: &mut Batch) {
        let (line, time) = match event_time(line) {
            Some((time, rest)) => (rest, Some(time)),
            None => (line, time),
        };
        let Some(first) = line.iter().find(|byte| !byte.is_ascii_whitespace()) else { return };
        if *first == b'#' {
            return;
        }
        if first.is_ascii_lowercase()
            && let Some(layout) = Layout::header(line)
        {
            self.layout = layout;
            return;
        }
        let mut values = Values::default();
        if !self.split(line, &mut values) {
            // `aws logs tail` names the stream before the record.
            let stream = line.iter().position(|byte| *byte == b' ').filter(|_| time.is_some());
            let rest = stream.map(|end| &line[end..]);
            values = Values::default();
            if !rest.is_some_and(|rest| self.split(rest, &mut values)) {
                let is_default = self.layout == self.configured;
                return batch.skip(if is_default { OTHER_FIELDS } else { "number of values differs from the header" });
            }
        }
        let hash = self.hasher.hash_one(line);
        self.take(&values, time, hash, batch);
    }

    /// Finds the values of a line; whether there are as many as fields.
    fn split<'a>(&self, line: &'a [u8], values: &mut Values<'a>) -> bool {
        let fields = &self.layout.fields;
        let (mut place, mut at) = (0, 0);
        loop {
            while line.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            let rest = &line[at..];
            if rest.is_empty() || rest[0] == b'#' {
                return place == fields.len();
            }
            let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            let Some(field) = fields.get(place) else { return false };
            if let Some(field) = field
                && &rest[..length] != b"-"
            {
                values.0[*field as usize] = Some(&rest[..length]);
            }
            (place, at) = (place + 1, at + length);
        }
    }

    fn take(&mut self, values: &Values<'_>, time: Option<Time>, hash: u64, batch: &mut Batch) {
        if self.layout.tells_apart && self.seen.repeats(hash) {
            return batch.note("records delivered twice", 1);
        }
        match values.get(Field::Status) {
            Some(b"NODATA") => return batch.note("aggregation intervals without traffic (NODATA)", 1),
            Some(b"SKIPDATA") => {
                self.is_lossy = true;
                return batch.note("aggregation intervals that AWS skipped: records are lost (SKIPDATA)", 1);
            }
            _ => {}
        }
        if let Some(note) = values.get(Field::TrafficPath).and_then(traffic_path) {
            batch.note(note, 1);
        }
        match values.uniflow(time, &self.hasher).and_then(Uniflow::check) {
            Ok(uniflow) => {
                // Files of several interfaces stand in any order.
                self.latest = self.latest.max(uniflow.end);
                self.biflows.observe(uniflow, self.latest, batch);
            }
            Err(reason) => batch.skip(reason),
        }
    }
}

impl Decoder for FlowLog {
    fn begin(&mut self) {
        self.layout = self.configured.clone();
    }

    fn decode(&mut self, message: &[u8], batch: &mut Batch) {
        if !message.first().is_some_and(|first| JSON.contains(first)) {
            return self.line(message, None, batch);
        }
        let Some(event) = event(message) else { return };
        match event {
            Ok((text, _)) if text.starts_with("CWL CONTROL MESSAGE") => {}
            Ok((text, time)) => text.lines().for_each(|line| self.line(line.as_bytes(), time, batch)),
            Err(reason) => batch.skip(reason),
        }
    }

    fn finish(&mut self, batch: &mut Batch) {
        self.biflows.finish(batch);
        self.latest = Time::MIN;
        if std::mem::take(&mut self.is_lossy) {
            batch.note("logs with lost records: sides of which no record came are unknown", 1);
        }
    }
}

impl Layout {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Layout {
        let mut fields: Vec<Option<Field>> = Vec::new();
        for name in names {
            // A name that comes twice tells nothing new.
            fields.push(Field::of(name).filter(|field| !fields.contains(&Some(*field))));
        }
        let tells_apart = IDENTITY.iter().all(|field| fields.contains(&Some(*field)));
        Layout { fields, tells_apart }
    }

    /// The layout that a header line tells; `None` where the line is none.
    fn header(line: &[u8]) -> Option<Layout> {
        let line = std::str::from_utf8(line).ok()?;
        let first = line.split_ascii_whitespace().next()?;
        if !is_name(first) {
            return None;
        }
        let known = line.split_ascii_whitespace().filter(|name| is_name(name)).count();
        let all = line.split_ascii_whitespace().count();
        // New versions bring names that we do not know.
        (known >= 2 && known * 2 > all).then(|| Layout::of(line.split_ascii_whitespace()))
    }

    fn has(&self, field: Field) -> bool {
        self.fields.contains(&Some(field))
    }
}

/// The fields that a flow needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Interface,
    Attachment,
    Instance,
    SourceAddress,
    DestinationAddress,
    PacketSource,
    PacketDestination,
    SourcePort,
    DestinationPort,
    Protocol,
    Packets,
    Bytes,
    Start,
    End,
    Action,
    Status,
    TcpFlags,
    TrafficPath,
}

impl Field {
    fn of(name: &str) -> Option<Field> {
        let same = |known: &str| {
            known.len() == name.len()
                && known.bytes().zip(name.bytes()).all(|(known, byte)| known == if byte == b'_' { b'-' } else { byte })
        };
        FIELDS.iter().find(|(_, known)| same(known)).map(|(field, _)| *field)
    }
}

const FIELDS: [(Field, &str); 18] = [
    (Field::Interface, "interface-id"),
    (Field::Attachment, "tgw-attachment-id"),
    (Field::Instance, "instance-id"),
    (Field::SourceAddress, "srcaddr"),
    (Field::DestinationAddress, "dstaddr"),
    (Field::PacketSource, "pkt-srcaddr"),
    (Field::PacketDestination, "pkt-dstaddr"),
    (Field::SourcePort, "srcport"),
    (Field::DestinationPort, "dstport"),
    (Field::Protocol, "protocol"),
    (Field::Packets, "packets"),
    (Field::Bytes, "bytes"),
    (Field::Start, "start"),
    (Field::End, "end"),
    (Field::Action, "action"),
    (Field::Status, "log-status"),
    (Field::TcpFlags, "tcp-flags"),
    (Field::TrafficPath, "traffic-path"),
];

/// Two records that are equal in these, and in all else, are one that was delivered twice.
const IDENTITY: [Field; 8] = [
    Field::SourceAddress,
    Field::DestinationAddress,
    Field::SourcePort,
    Field::DestinationPort,
    Field::Protocol,
    Field::Bytes,
    Field::Start,
    Field::End,
];

const DEFAULT_FIELDS: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

/// Whether a word of a header is the name of a field: those above and what else AWS documents up to version 8.
fn is_name(name: &str) -> bool {
    FIELDS.iter().any(|(_, known)| *known == name)
        || OTHER_NAMES.contains(&name)
        || ["tgw-", "ecs-", "packets-lost-"].iter().any(|family| name.starts_with(family))
}

const OTHER_NAMES: [&str; 15] = [
    "version",
    "account-id",
    "vpc-id",
    "subnet-id",
    "type",
    "region",
    "az-id",
    "sublocation-type",
    "sublocation-id",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
    "flow-direction",
    "resource-type",
    "reject-reason",
    "encryption-status",
];

/// The values of one record; `None` where missing.
#[derive(Default)]
struct Values<'a>([Option<&'a [u8]>; FIELDS.len()]);

impl Values<'_> {
    fn get(&self, field: Field) -> Option<&[u8]> {
        self.0[field as usize]
    }

    fn uniflow(&self, event: Option<Time>, hasher: &impl BuildHasher) -> Result<Uniflow, &'static str> {
        let address = |packet, hop| {
            let text = self.get(packet).or(self.get(hop)).ok_or("record without addresses")?;
            address(text).ok_or("no readable address")
        };
        let source = address(Field::PacketSource, Field::SourceAddress)?;
        let destination = address(Field::PacketDestination, Field::DestinationAddress)?;
        let number = |field, reason| match self.get(field) {
            None => Ok(None),
            Some(text) => number(text).map(Some).ok_or(reason),
        };
        let port = |field| {
            let port = number(field, "no readable port")?.unwrap_or(0);
            u16::try_from(port).map_err(|_| "no readable port")
        };
        let protocol = number(Field::Protocol, "no readable protocol")?.ok_or("record without a protocol")?;
        let protocol = u8::try_from(protocol).map_err(|_| "no readable protocol")?;
        let seconds = |field| match self.get(field) {
            None => Ok(None),
            Some(text) => time(text).map(Some).ok_or("no readable time"),
        };
        let start = seconds(Field::Start)?.or(event).ok_or("record without a start time")?;
        let end = seconds(Field::End)?.unwrap_or(start);
        if end < start {
            return Err("end before the start");
        }
        let count = |field| number(field, "no readable count");
        let interface = self.get(Field::Interface).or(self.get(Field::Attachment)).or(self.get(Field::Instance));
        // All of the interval in one: FIN 1, SYN 2, RST 4, SYN with ACK 18. An ACK alone is not told.
        let flags = number(Field::TcpFlags, "no readable TCP flags")?;
        let flags = flags.map(|flags| u8::try_from(flags).map_err(|_| "no readable TCP flags")).transpose()?;
        Ok(Uniflow {
            observer: Observer::default(),
            site: hasher.hash_one(interface.unwrap_or_default()),
            source: Endpoint::new(source, port(Field::SourcePort)?),
            destination: Endpoint::new(destination, port(Field::DestinationPort)?),
            protocol: Protocol::from_number(protocol),
            start,
            end,
            sent: Half { packets: count(Field::Packets)?, bytes: count(Field::Bytes)?, flags },
            reverse: None,
            opening: flags
                .filter(|flags| flags & SYN != 0)
                .map(|flags| if flags & ACK == 0 { Opening::BySource } else { Opening::ByDestination }),
            is_sampled: false,
            denied: (self.get(Field::Action) == Some(b"REJECT")).then_some(State::Rej),
            ended: Ended::Unknown,
            vlan: None,
            tunnel: None,
        })
    }
}

/// What the value of `traffic-path` says about the way out of the VPC.
fn traffic_path(value: &[u8]) -> Option<&'static str> {
    Some(match value {
        b"1" => "records of traffic within the VPC (traffic-path 1)",
        b"2" => "records of traffic through an internet gateway or a gateway endpoint (traffic-path 2)",
        b"3" => "records of traffic through a virtual private gateway (traffic-path 3)",
        b"4" => "records of traffic through VPC peering in the region (traffic-path 4)",
        b"5" => "records of traffic through VPC peering between regions (traffic-path 5)",
        b"6" => "records of traffic through a local gateway (traffic-path 6)",
        b"7" => "records of traffic through a gateway endpoint (traffic-path 7)",
        b"8" => "records of traffic through an internet gateway (traffic-path 8)",
        _ => return None,
    })
}

/// A whole number in decimal.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u64::from(digit))
    })
}

/// Seconds since the epoch; in Parquet some writers make a time stamp of them.
fn time(text: &[u8]) -> Option<Time> {
    match number(text) {
        Some(seconds) if seconds < 1 << 33 => Some(Time::from_nanoseconds(seconds as i64 * 1_000_000_000)),
        _ => super::rows::time(text),
    }
}

/// An address. IPv4 is read here, because the standard parser takes as long as the rest of the line.
fn address(text: &[u8]) -> Option<IpAddr> {
    let mut octets = [0u8; 4];
    let (mut place, mut value, mut digits) = (0, 0u32, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' if digits < 3 => (value, digits) = (value * 10 + u32::from(byte - b'0'), digits + 1),
            b'.' if digits > 0 && place < 3 => {
                octets[place] = u8::try_from(value).ok()?;
                (place, value, digits) = (place + 1, 0, 0);
            }
            _ => {
                let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
                return Some(address.to_canonical());
            }
        }
    }
    if place != 3 || digits == 0 {
        return None;
    }
    octets[3] = u8::try_from(value).ok()?;
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

/// The time of a log event before a line of text, and the line behind it.
fn event_time(line: &[u8]) -> Option<(Time, &[u8])> {
    if line.get(4) != Some(&b'-') || line.get(10) != Some(&b'T') {
        return None;
    }
    let end = line.iter().position(|byte| *byte == b' ' || *byte == b'\t')?;
    let time = super::rows::time(&line[..end])?;
    Some((time, line[end..].trim_ascii_start()))
}

/// The message and the time of the log event in a piece of JSON; `None` where the piece holds none.
fn event(piece: &[u8]) -> Option<Result<(String, Option<Time>), &'static str>> {
    let text = after_key(piece, b"message\"").or_else(|| after_key(piece, b"Message\""))?;
    if !text.starts_with(b"\"") {
        return None;
    }
    let mut strings = serde_json::Deserializer::from_slice(text).into_iter::<String>();
    let Some(Ok(message)) = strings.next() else { return Some(Err("JSON that cannot be read")) };
    let stamp = after_key(piece, b"timestamp\"").map(|text| {
        let text = text.strip_prefix(b"\"").unwrap_or(text);
        let length = text.iter().position(|byte| b"\",} \n\r".contains(byte)).unwrap_or(text.len());
        &text[..length]
    });
    Some(Ok((message, stamp.and_then(super::rows::time))))
}

/// What stands behind a key and its colon; `key` begins behind the opening quote or the `@` of CloudWatch Insights.
fn after_key<'a>(piece: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut from = 0;
    loop {
        let at = from + piece.get(from..)?.windows(key.len()).position(|window| window == key)?;
        let rest = piece[at + key.len()..].trim_ascii_start();
        if at > 0
            && b"\"@".contains(&piece[at - 1])
            && let Some(value) = rest.strip_prefix(b":")
        {
            return Some(value.trim_ascii_start());
        }
        from = at + key.len();
    }
}

fn recognises(start: &[u8]) -> bool {
    let start = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start).trim_ascii_start();
    if start.first().is_some_and(|first| b"{[".contains(first)) {
        let Some(Ok((message, _))) = event(start) else { return false };
        return message.starts_with("CWL CONTROL MESSAGE")
            || message.lines().next().is_some_and(|l| is_record(l.as_bytes()));
    }
    let lines = start.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.into_iter().find(|line| !line.starts_with(b"#")).is_some_and(is_record)
}

/// Whether these bytes begin with records in an order of fields that neither a header nor the default tells: words
/// between blanks, of which two are addresses and one is an action or a status.
pub(crate) fn is_headerless(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(40).collect();
    let is_word = |known: &[&[u8]]| words.iter().any(|word| known.contains(word));
    let addresses = words.iter().filter(|word| address(word).is_some()).count();
    addresses >= 2 && is_word(&[b"ACCEPT", b"REJECT", b"OK", b"NODATA", b"SKIPDATA"])
}

/// Whether a line is a header or a record in the default format.
fn is_record(line: &[u8]) -> bool {
    let (line, is_event) = event_time(line).map_or((line, false), |(_, rest)| (rest, true));
    if Layout::header(line).is_some() {
        return true;
    }
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(20).collect();
    let is_default = |words: &[&[u8]]| {
        words.len() == DEFAULT_FIELDS.len()
            && words[0].iter().all(u8::is_ascii_digit)
            && [b"OK".as_slice(), b"NODATA", b"SKIPDATA"].contains(&words[13])
    };
    is_default(&words) || (is_event && words.len() > 1 && is_default(&words[1..]))
}

/// A line of text, or a piece of JSON up to the next closing brace: an event is an object without others inside.
fn next_message(bytes: &mut dyn BufRead, message: &mut Vec<u8>, batch: &mut Batch) -> Result<bool, String> {
    loop {
        let buffer = bytes.fill_buf().map_err(|error| error.to_string())?;
        let Some(first) = buffer.first() else { return Ok(false) };
        if first.is_ascii_whitespace() || BYTE_ORDER_MARK.contains(first) {
            let blanks = buffer.iter().take_while(|b| b.is_ascii_whitespace() || BYTE_ORDER_MARK.contains(b)).count();
            bytes.consume(blanks);
        } else if JSON.contains(first) {
            let count =
                bytes.take(MAX_LINE_BYTES as u64).read_until(b'}', message).map_err(|error| error.to_string())?;
            if count == MAX_LINE_BYTES {
                message.clear();
                batch.skip("piece of JSON longer than 1 MiB");
                continue;
            }
            return Ok(true);
        } else {
            return next_line(bytes, message, batch);
        }
    }
}

/// What a piece of JSON begins with, and no record does.
const JSON: &[u8] = b"{}[],\":";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const OTHER_FIELDS: &str =
    "number of values differs from the fields; vpc.fields in the configuration tells them where a log has no header";

/// Made-up messages that decode into the fullest flow of this format.
fn sample() -> Vec<Vec<u8>> {
    [
        "version interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action tcp-flags log-status",
        "3 eni-1 192.0.2.7 198.51.100.9 50318 443 6 9 1200 1700000000 1700000050 ACCEPT 3 OK",
        "3 eni-1 198.51.100.9 192.0.2.7 443 50318 6 8 5400 1700000000 1700000050 ACCEPT 19 OK",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec()
}
