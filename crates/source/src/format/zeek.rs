//! Zeek's conn.log, tab-separated or JSON (docs.zeek.org, "conn.log"; Zeek's log format is told by its `#` header).
//!
//! Labelled variants are read too: the columns `label` and `detailed-label` of IoT-23, whose last three columns are
//! joined by blanks rather than tabs.

use std::net::IpAddr;

use flow::{Endpoint, Flow, Key, Label, Protocol, Side, State, Time};
use serde_json::Value;

use super::{Decoder, Format, next_line};
use crate::Batch;

pub(super) const FORMAT: Format = Format {
    name: "zeek",
    what: "Zeek's conn.log, tab-separated or JSON",
    recognises: |start| is_tab_separated(start) || is_json(start),
    next_message: next_line,
    decoder: || Box::new(ConnLog::default()),
    sample: || SAMPLE.lines().map(|line| line.as_bytes().to_vec()).collect(),
};

fn is_tab_separated(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    start.starts_with(b"#separator") || start.starts_with(b"#fields")
}

fn is_json(start: &[u8]) -> bool {
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let has = |name: &[u8]| line.windows(name.len()).any(|window| window == name);
    // Zeek's other logs name the endpoints, too, but count no packets.
    line.trim_ascii_start().starts_with(b"{") && has(b"\"id.orig_h\"") && has(b"_pkts\"")
}

/// Reads the lines of conn.logs.
#[derive(Debug, Default)]
pub struct ConnLog {
    /// Where each wanted column is; empty until the `#fields` line.
    columns: Vec<Option<Field>>,
    /// The last columns are joined by blanks.
    blank_joined: bool,
    /// The header names another log than conn.log.
    is_foreign: bool,
}

impl Decoder for ConnLog {
    fn begin(&mut self) {
        *self = ConnLog::default();
    }

    fn decode(&mut self, message: &[u8], batch: &mut Batch) {
        let Ok(line) = std::str::from_utf8(message) else { return batch.skip("line that is not UTF-8") };
        match self.line(line) {
            Ok(flow) => batch.flows.extend(flow),
            Err(reason) => batch.skip(reason),
        }
    }
}

impl ConnLog {
    /// The flow of a line, or `None` where it is a header.
    fn line(&mut self, line: &str) -> Result<Option<Flow>, &'static str> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        if let Some(header) = line.trim_start().strip_prefix('#') {
            if let Some(names) = header.strip_prefix("fields") {
                let names = names.trim_start_matches(['\t', ' ']);
                self.blank_joined = names.contains(BLANKS);
                self.columns = split(names, self.blank_joined).map(Field::of).collect();
            } else if let Some(name) = header.strip_prefix("path") {
                self.is_foreign = !name.trim().starts_with("conn");
            }
            return Ok(None);
        }
        if self.is_foreign {
            return Err("line of another Zeek log than conn.log");
        }
        let record = if line.starts_with('{') { json(line) } else { self.tab_separated(line) };
        record?.flow().map(Some)
    }

    fn tab_separated<'a>(&self, line: &'a str) -> Result<Connection<'a>, &'static str> {
        if self.columns.is_empty() {
            return Err("line before the #fields header");
        }
        // Without them every call would look unanswered.
        let counts = [Field::OriginatorPackets, Field::ResponderPackets];
        if !counts.iter().all(|field| self.columns.contains(&Some(*field))) {
            return Err(NO_COUNTS);
        }
        let mut record = Connection::default();
        let mut count = 0;
        for value in split(line, self.blank_joined) {
            if let Some(Some(field)) = self.columns.get(count)
                && value != "-"
            {
                record.values[*field as usize] = value.into();
            }
            count += 1;
        }
        if count == self.columns.len() { Ok(record) } else { Err("number of columns differs from the header") }
    }
}

/// The columns that a flow needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Time,
    OriginatorAddress,
    OriginatorPort,
    ResponderAddress,
    ResponderPort,
    Protocol,
    Duration,
    OriginatorPayload,
    ResponderPayload,
    State,
    OriginatorPackets,
    OriginatorBytes,
    ResponderPackets,
    ResponderBytes,
    Vlan,
    Label,
    DetailedLabel,
}

impl Field {
    fn of(name: &str) -> Option<Field> {
        FIELDS.iter().find(|(_, known)| *known == name).map(|(field, _)| *field)
    }
}

const FIELDS: [(Field, &str); 17] = [
    (Field::Time, "ts"),
    (Field::OriginatorAddress, "id.orig_h"),
    (Field::OriginatorPort, "id.orig_p"),
    (Field::ResponderAddress, "id.resp_h"),
    (Field::ResponderPort, "id.resp_p"),
    (Field::Protocol, "proto"),
    (Field::Duration, "duration"),
    (Field::OriginatorPayload, "orig_bytes"),
    (Field::ResponderPayload, "resp_bytes"),
    (Field::State, "conn_state"),
    (Field::OriginatorPackets, "orig_pkts"),
    (Field::OriginatorBytes, "orig_ip_bytes"),
    (Field::ResponderPackets, "resp_pkts"),
    (Field::ResponderBytes, "resp_ip_bytes"),
    (Field::Vlan, "vlan"),
    (Field::Label, "label"),
    (Field::DetailedLabel, "detailed-label"),
];

/// One record's values as text; empty where missing.
#[derive(Default)]
struct Connection<'a> {
    values: [std::borrow::Cow<'a, str>; FIELDS.len()],
}

impl Connection<'_> {
    fn flow(&self) -> Result<Flow, &'static str> {
        let start = time(self.text(Field::Time)).ok_or("no readable time")?;
        // IPv4 among the IPv6 addresses is the same host as by its own address (RFC 4291 s.2.5.5.2).
        let address = |field| {
            let address = self.text(field).parse().map_err(|_| "no readable address")?;
            Ok::<_, &'static str>(IpAddr::to_canonical(&address))
        };
        let port = |field| self.text(field).parse::<u16>().map_err(|_| "no readable port");
        let originator = Endpoint::new(address(Field::OriginatorAddress)?, port(Field::OriginatorPort)?);
        let responder = Endpoint::new(address(Field::ResponderAddress)?, port(Field::ResponderPort)?);
        let protocol = match (self.text(Field::Protocol), originator.address.is_ipv6()) {
            ("tcp", _) => Protocol::Tcp,
            ("udp", _) => Protocol::Udp,
            ("icmp", false) => Protocol::Icmp,
            ("icmp", true) => Protocol::Icmpv6,
            ("sctp", _) => Protocol::Sctp,
            _ => return Err("protocol that Zeek does not name"),
        };
        let seconds = self.number(Field::Duration).unwrap_or(0.0);
        let duration = flow::Duration::try_from_secs_f64(seconds).map_err(|_| "no readable duration")?;
        let side = |packets, bytes, payload| {
            Ok::<_, &'static str>(Side {
                packets: self.count(packets)?,
                bytes: self.count(bytes)?,
                payload_bytes: self.count(payload)?,
                country: None,
                detail: None,
            })
        };
        Ok(Flow {
            vlan: self.text(Field::Vlan).parse().ok(),
            originator: side(Field::OriginatorPackets, Field::OriginatorBytes, Field::OriginatorPayload)?,
            responder: side(Field::ResponderPackets, Field::ResponderBytes, Field::ResponderPayload)?,
            state: State::from_name(self.text(Field::State)),
            label: self.label(),
            ..Flow::between(Key { originator, responder, protocol }, start, start + duration)
        })
    }

    /// The kind of attack where it is told, otherwise the label itself.
    fn label(&self) -> Option<Label> {
        let [label, detail] = [self.text(Field::Label), self.text(Field::DetailedLabel)];
        match (label, detail) {
            ("", _) => None,
            (label, "") => Some(Label::new(label)),
            (label, _) if !Label::new(label).is_attack() => Some(Label::new(label)),
            (_, detail) => Some(Label::new(detail)),
        }
    }

    fn text(&self, field: Field) -> &str {
        &self.values[field as usize]
    }

    /// A count of packets or bytes. Zeek reckons bytes from sequence numbers, and a lost segment can make them absurd;
    /// sums over flows must not run over.
    fn count(&self, field: Field) -> Result<Option<u64>, &'static str> {
        match self.number(field) {
            Some(number) if number > MAX_COUNT => Err("count beyond what any network carries"),
            number => Ok(number.map(|number| number as u64)),
        }
    }

    fn number(&self, field: Field) -> Option<f64> {
        self.text(field).parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
    }
}

/// A time as Zeek writes it: seconds since the epoch with a fraction, or RFC 3339 where its JSON is set so.
fn time(text: &str) -> Option<Time> {
    if text.ends_with('Z') {
        let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        return time.timestamp_nanos_opt().map(Time::from_nanoseconds);
    }
    let exact = || {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds >= 0)?;
        if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let nanoseconds: i64 = format!("{fraction:0<9}").parse().ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds).map(Time::from_nanoseconds)
    };
    // An f64 holds today's times to a quarter of a microsecond only.
    exact().or_else(|| text.parse().ok().and_then(Time::from_seconds))
}

fn json(line: &str) -> Result<Connection<'static>, &'static str> {
    let Ok(Value::Object(object)) = serde_json::from_str(line) else {
        return Err("not a JSON object");
    };
    if !["orig_pkts", "resp_pkts"].iter().all(|name| object.contains_key(*name)) {
        return Err(NO_COUNTS);
    }
    let mut record = Connection::default();
    for (field, name) in FIELDS {
        record.values[field as usize] = match object.get(name) {
            Some(Value::String(text)) => text.clone().into(),
            Some(Value::Number(number)) => number.to_string().into(),
            _ => continue,
        };
    }
    Ok(record)
}

/// The columns of a line: between tabs, and in the last one between blanks where the header joins them so.
fn split(line: &str, blank_joined: bool) -> impl Iterator<Item = &str> {
    line.split('\t').flat_map(move |column| {
        let separator = if blank_joined { BLANKS } else { "\t" };
        column.split(separator)
    })
}

/// A conversation with every column of conn.log that is read.
const SAMPLE: &str = concat!(
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tresp_bytes\t",
    "conn_state\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\tvlan\tlabel\tdetailed-label\n",
    "1700000000.25\tCa1\t192.0.2.1\t40000\t192.0.2.2\t80\ttcp\t0.5\t300\t4000\t",
    "SF\t6\t620\t5\t4268\t7\tMalicious\tDDoS",
);
const BLANKS: &str = "   ";
const NO_COUNTS: &str = "no orig_pkts and resp_pkts";
/// A pebibyte is three hours of a line of 800 Gbit/s.
const MAX_COUNT: f64 = (1u64 << 50) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\torig_pkts\tresp_pkts";

    #[test]
    fn a_tab_separated_line_is_a_flow() {
        let mut log = ConnLog::default();
        assert_eq!(log.line(HEADER), Ok(None));
        let flow = log.line("1.5\tC1\t10.0.0.1\t1024\t10.0.0.2\t80\ttcp\tS0\t3\t0").unwrap().unwrap();
        assert_eq!((flow.start, flow.state), (Time::from_nanoseconds(1_500_000_000), Some(State::S0)));
        assert_eq!((flow.originator.packets, flow.originator.payload_bytes), (Some(3), None));
    }

    #[test]
    fn a_json_line_is_the_same_flow() {
        let mut log = ConnLog::default();
        log.line(HEADER).unwrap();
        let tabs = log.line("1.5\tC1\t10.0.0.1\t1024\t10.0.0.2\t80\ttcp\tS0\t3\t0");
        let json = r#"{"ts":1.5,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":1024,"id.resp_h":"10.0.0.2","id.resp_p":80,"proto":"tcp","conn_state":"S0","orig_pkts":3,"resp_pkts":0}"#;
        assert_eq!(ConnLog::default().line(json), tabs);
    }

    #[test]
    fn blank_joined_labels_are_split() {
        let mut log = ConnLog::default();
        log.line(&format!("{HEADER}\ttunnel_parents   label   detailed-label")).unwrap();
        let line = "1.5\tC1\t10.0.0.1\t1024\t10.0.0.2\t80\ttcp\tS0\t3\t0\t-   Malicious   DDoS";
        assert_eq!(log.line(line).unwrap().unwrap().label, Some(Label::new("DDoS")));
        let line = "1.5\tC1\t10.0.0.1\t1024\t10.0.0.2\t80\ttcp\tS0\t3\t0\t-   Benign   -";
        assert_eq!(log.line(line).unwrap().unwrap().label, Some(Label::new("Benign")));
    }

    #[test]
    fn a_line_that_is_no_record_is_counted_by_its_reason() {
        let mut log = ConnLog::default();
        log.line(HEADER).unwrap();
        assert_eq!(log.line("1.5\tC1"), Err("number of columns differs from the header"));
        assert_eq!(log.line("x\tC1\t10.0.0.1\t1024\t10.0.0.2\t80\ttcp\tS0\t3\t0"), Err("no readable time"));
    }

    #[test]
    fn ipv4_written_as_ipv6_is_the_same_host() {
        let mut log = ConnLog::default();
        log.line(HEADER).unwrap();
        let plain = log.line("1.5\tC1\t10.0.0.1\t1024\t10.0.0.2\t80\ttcp\tS0\t3\t0");
        assert_eq!(log.line("1.5\tC1\t::ffff:10.0.0.1\t1024\t::ffff:10.0.0.2\t80\ttcp\tS0\t3\t0"), plain);
    }

    #[test]
    fn a_count_that_no_network_carries_is_skipped() {
        let mut log = ConnLog::default();
        log.line(HEADER).unwrap();
        let line = "1.5\tC1\t10.0.0.1\t1024\t10.0.0.2\t80\ttcp\tS0\t1e19\t0";
        assert_eq!(log.line(line), Err("count beyond what any network carries"));
    }

    #[test]
    fn times_are_read_exactly_in_both_ways_that_zeek_writes_them() {
        let exact = Some(Time::from_nanoseconds(1_700_000_000_123_456_000));
        assert_eq!(time("1700000000.123456"), exact);
        assert_eq!(time("2023-11-14T22:13:20.123456Z"), exact);
        assert_eq!(time("1.5e9"), Some(Time::from_nanoseconds(1_500_000_000_000_000_000)));
        assert_eq!([time(""), time("-"), time("99999999999999"), time("1.x")], [None; 4]);
    }

    #[test]
    fn lines_of_another_log_are_no_flows() {
        let mut log = ConnLog::default();
        log.line("#path\tdns").unwrap();
        log.line(HEADER).unwrap();
        let line = "1.5\tC1\t10.0.0.1\t1024\t10.0.0.2\t80\ttcp\tS0\t3\t0";
        assert!(log.line(line).is_err());
        log.line("#path\tconn").unwrap();
        assert!(log.line(line).unwrap().is_some());
    }
}
