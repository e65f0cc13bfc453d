//! Flows of Argus as text, comma or tab separated: `ra -c ,`, and the binetflow files of CTU-13 (openargus.org, ra(1)).
//!
//! The header names the columns, of which any may be missing. Argus says who is the source; where the arrow of `Dir`
//! points back only, the destination called. `Tot` counts both sides, `Src` one; where the other side's are not there
//! they are the rest, and unknown where that cannot be said. Bytes are those of frames: where the packets are known, 14
//! bytes of Ethernet header are taken off for each, so that they begin with the IP header as everywhere; padding stays.
//! Times without a zone are read as UTC, and times of day without a date stand at the first of January 1970.

use std::io::BufRead;
use std::net::IpAddr;

use chrono::{NaiveDateTime, NaiveTime};
use flow::{Duration, Endpoint, Flow, Key, Label, Protocol, Side, State, Time};

use super::{Decoder, Format, next_line};
use crate::Batch;

pub(super) const FORMAT: Format = Format {
    name: "argus",
    what: "Argus flows as text (binetflow)",
    recognises: |start| {
        let line = start.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        header(line).is_some()
    },
    next_message: |bytes: &mut dyn BufRead, line: &mut Vec<u8>, batch: &mut Batch| next_line(bytes, line, batch),
    decoder: || Box::new(Argus::default()),
    sample,
};

/// Reads the lines of Argus' clients.
///
/// ```
/// use source::Batch;
/// use source::format::Decoder;
/// use source::format::argus::Argus;
/// let (mut argus, mut batch) = (Argus::default(), Batch::default());
/// argus.decode(b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,TotPkts,SrcPkts", &mut batch);
/// argus.decode(b"2018/12/18 14:00:00.5,0.1,tcp,192.0.2.1,5000,   ->,192.0.2.9,445,S_RA,2,1", &mut batch);
/// assert_eq!(batch.flows[0].state, Some(flow::State::Rej));
/// ```
#[derive(Debug, Default)]
pub struct Argus {
    delimiter: u8,
    /// What stands at each place; empty until the header.
    columns: Vec<Option<Column>>,
}

impl Decoder for Argus {
    fn begin(&mut self) {
        *self = Argus::default();
    }

    fn decode(&mut self, message: &[u8], batch: &mut Batch) {
        if message.trim_ascii().is_empty() {
            return;
        }
        if let Some((delimiter, columns)) = header(message) {
            (self.delimiter, self.columns) = (delimiter, columns);
            return;
        }
        match self.flow(message) {
            Ok((flow, is_dated)) => {
                if !is_dated {
                    batch.note("times of day without a date, put at the first of January 1970", 1);
                }
                batch.flows.push(flow);
            }
            Err(reason) => batch.skip(reason),
        }
    }
}

impl Argus {
    /// The flow of a line, and whether its time has a date.
    fn flow(&self, line: &[u8]) -> Result<(Flow, bool), &'static str> {
        if self.columns.is_empty() {
            return Err("line before the header");
        }
        let line = std::str::from_utf8(line).map_err(|_| "line that is not UTF-8")?;
        let mut record = Record::default();
        let mut width = 0;
        for value in line.split(char::from(self.delimiter)) {
            if let Some(Some(column)) = self.columns.get(width) {
                record.values[*column as usize] = value.trim();
            }
            width += 1;
        }
        if width == self.columns.len() { record.flow() } else { Err("number of columns differs from the header") }
    }
}

/// The columns that a flow needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Start,
    Duration,
    Protocol,
    Source,
    SourcePort,
    Direction,
    Destination,
    DestinationPort,
    State,
    Packets,
    Bytes,
    SourcePackets,
    SourceBytes,
    DestinationPackets,
    DestinationBytes,
    SourcePayload,
    DestinationPayload,
    Vlan,
    Label,
}

const COLUMNS: [(Column, &str); 19] = [
    (Column::Start, "StartTime"),
    (Column::Duration, "Dur"),
    (Column::Protocol, "Proto"),
    (Column::Source, "SrcAddr"),
    (Column::SourcePort, "Sport"),
    (Column::Direction, "Dir"),
    (Column::Destination, "DstAddr"),
    (Column::DestinationPort, "Dport"),
    (Column::State, "State"),
    (Column::Packets, "TotPkts"),
    (Column::Bytes, "TotBytes"),
    (Column::SourcePackets, "SrcPkts"),
    (Column::SourceBytes, "SrcBytes"),
    (Column::DestinationPackets, "DstPkts"),
    (Column::DestinationBytes, "DstBytes"),
    (Column::SourcePayload, "SAppBytes"),
    (Column::DestinationPayload, "DAppBytes"),
    (Column::Vlan, "sVid"),
    (Column::Label, "Label"),
];

/// The delimiter and the columns that a header line tells; `None` where it is none.
fn header(line: &[u8]) -> Option<(u8, Vec<Option<Column>>)> {
    let line = std::str::from_utf8(line).ok()?.trim_start_matches('\u{feff}').trim_end();
    let delimiter =
        [b',', b'\t'].into_iter().max_by_key(|delimiter| line.bytes().filter(|b| b == delimiter).count())?;
    let mut columns: Vec<Option<Column>> = Vec::new();
    for name in line.split(char::from(delimiter)) {
        let column =
            COLUMNS.iter().find(|(_, known)| name.trim().eq_ignore_ascii_case(known)).map(|(column, _)| *column);
        columns.push(column.filter(|column| !columns.contains(&Some(*column))));
    }
    let needed = [Column::Start, Column::Protocol, Column::Source, Column::Destination];
    needed.iter().all(|column| columns.contains(&Some(*column))).then_some((delimiter, columns))
}

/// One line's values; empty where missing.
#[derive(Default)]
struct Record<'a> {
    values: [&'a str; COLUMNS.len()],
}

impl Record<'_> {
    fn flow(&self) -> Result<(Flow, bool), &'static str> {
        let name = self.text(Column::Protocol).to_ascii_lowercase();
        if name == "man" {
            return Err("management record of Argus");
        }
        let protocol = protocol(&name).ok_or("protocol that is not above IP")?;
        let (start, is_dated) = time(self.text(Column::Start)).ok_or("no readable time")?;
        let seconds = self.text(Column::Duration);
        let seconds = if seconds.is_empty() { 0.0 } else { seconds.parse().map_err(|_| "no readable duration")? };
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| "no readable duration")?;
        let address = |column| {
            let address: IpAddr = self.text(column).parse().map_err(|_| "no readable address")?;
            Ok::<_, &'static str>(address.to_canonical())
        };
        let (source, destination) = (address(Column::Source)?, address(Column::Destination)?);
        let ports = if matches!(protocol, Protocol::Icmp | Protocol::Icmpv6) {
            icmp_type_and_code(self.text(Column::SourcePort), self.text(Column::DestinationPort))?
        } else {
            (port(self.text(Column::SourcePort))?, port(self.text(Column::DestinationPort))?)
        };
        let (mut originator, mut responder) = self.sides()?;
        let direction = self.text(Column::Direction);
        let mut state = state(self.text(Column::State), protocol, direction.contains('?'));
        let mut key = Key {
            originator: Endpoint::new(source, ports.0),
            responder: Endpoint::new(destination, ports.1),
            protocol,
        };
        if direction.contains('<') && !direction.contains('>') {
            (key.originator, key.responder) = (key.responder, key.originator);
            (originator, responder) = (responder, originator);
            state = state.map(turned);
        }
        let flow = Flow {
            vlan: number(self.text(Column::Vlan))?
                .and_then(|vlan| u16::try_from(vlan).ok())
                .filter(|vlan| *vlan < 4096),
            originator,
            responder,
            state,
            label: label(self.text(Column::Label)),
            ..Flow::between(key, start, start + duration)
        };
        Ok((flow, is_dated))
    }

    /// What the source and the destination sent.
    fn sides(&self) -> Result<(Side, Side), &'static str> {
        let count = |column| match number(self.text(column))? {
            Some(count) if count > MAX_COUNT => Err("count beyond what any network carries"),
            count => Ok(count),
        };
        let split =
            |total: Option<u64>, source: Option<u64>, destination: Option<u64>| match (total, source, destination) {
                (Some(total), Some(source), None) => match total.checked_sub(source) {
                    Some(rest) => Ok((Some(source), Some(rest))),
                    None => Err("source counted above the total"),
                },
                (Some(total), None, Some(destination)) => match total.checked_sub(destination) {
                    Some(rest) => Ok((Some(rest), Some(destination))),
                    None => Err("destination counted above the total"),
                },
                (_, source, destination) => Ok((source, destination)),
            };
        let total = count(Column::Packets)?;
        let bytes = split(count(Column::Bytes)?, count(Column::SourceBytes)?, count(Column::DestinationBytes)?)?;
        let mut packets = split(total, count(Column::SourcePackets)?, count(Column::DestinationPackets)?)?;
        // Who sent no byte sent no packet, and the other sent all.
        match (packets, bytes) {
            ((None, None), (_, Some(0))) => packets = (total, Some(0)),
            ((None, None), (Some(0), _)) => packets = (Some(0), total),
            _ => {}
        }
        let side = |packets: Option<u64>, bytes: Option<u64>, payload| {
            let framing = packets.map_or(0, |packets| packets.saturating_mul(ETHERNET_HEADER_BYTES));
            Ok::<_, &'static str>(Side {
                packets,
                bytes: bytes.map(|bytes| bytes.saturating_sub(framing)),
                payload_bytes: count(payload)?,
                ..Side::default()
            })
        };
        Ok((side(packets.0, bytes.0, Column::SourcePayload)?, side(packets.1, bytes.1, Column::DestinationPayload)?))
    }

    fn text(&self, column: Column) -> &str {
        self.values[column as usize]
    }
}

/// A count, or `None` where it is missing.
fn number(text: &str) -> Result<Option<u64>, &'static str> {
    match text {
        "" | "-" | "*" => Ok(None),
        text => text.parse().map(Some).map_err(|_| "no readable count"),
    }
}

/// A port: decimal, hexadecimal, or nothing. Names of services are not looked up.
fn port(text: &str) -> Result<u16, &'static str> {
    let port = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None if text.is_empty() || text == "*" => return Ok(0),
        None => text.parse(),
    };
    port.map_err(|_| "no readable port")
}

/// ICMP's type and code. As four hexadecimal digits the source's number holds both, the type in the low byte, and the
/// destination's is an identifier; else each has its own.
fn icmp_type_and_code(source: &str, destination: &str) -> Result<(u16, u16), &'static str> {
    let number = port(source)?;
    if source.starts_with("0x") && source.len() > 4 {
        return Ok((number & 0xff, number >> 8));
    }
    Ok((number, port(destination)?))
}

/// A time, and whether it has a date.
fn time(text: &str) -> Option<(Time, bool)> {
    if let Ok(time) = NaiveDateTime::parse_from_str(text, "%Y/%m/%d %H:%M:%S%.f") {
        return Some((Time::from_nanoseconds(time.and_utc().timestamp_nanos_opt()?), true));
    }
    if let Ok(time) = NaiveTime::parse_from_str(text, "%H:%M:%S%.f") {
        let since = time.signed_duration_since(NaiveTime::MIN).num_nanoseconds()?;
        return Some((Time::from_nanoseconds(since), false));
    }
    super::rows::time(text.as_bytes()).map(|time| (time, true))
}

/// The protocol that Argus names, where it is above IP or ARP.
fn protocol(name: &str) -> Option<Protocol> {
    Some(match name {
        "tcp" => Protocol::Tcp,
        // What Argus knows by its content lies above UDP.
        "udp" | "rtp" | "rtcp" | "udt" => Protocol::Udp,
        "icmp" => Protocol::Icmp,
        "ipv6-icmp" | "icmpv6" => Protocol::Icmpv6,
        "sctp" => Protocol::Sctp,
        "arp" => Protocol::Arp,
        "igmp" => Protocol::Other(2),
        "ipnip" => Protocol::Other(4),
        "ipv6" => Protocol::Other(41),
        "rsvp" => Protocol::Other(46),
        "gre" => Protocol::Other(47),
        "esp" => Protocol::Other(50),
        "ah" => Protocol::Other(51),
        "ospf" => Protocol::Other(89),
        "pim" => Protocol::Other(103),
        "vrrp" => Protocol::Other(112),
        number => Protocol::from_number(number.parse().ok()?),
    })
}

/// The state that Argus gives a flow: TCP flags of both sides, or a word. `None` where the word does not tell who did it.
fn state(text: &str, protocol: Protocol, is_unsure: bool) -> Option<State> {
    if protocol != Protocol::Tcp {
        return match text {
            "INT" | "REQ" => Some(State::S0),
            "CON" | "RSP" | "ACC" => Some(State::SF),
            _ => None,
        };
    }
    let Some((source, destination)) = text.split_once('_') else {
        return match text {
            "REQ" => Some(State::S0),
            // The direction is unsure where the opening was not seen.
            "CON" | "EST" | "ACC" => Some(if is_unsure { State::Oth } else { State::S1 }),
            "CLO" => Some(State::SF),
            _ => None,
        };
    };
    let (ours, theirs) = (|flag| source.contains(flag), |flag| destination.contains(flag));
    Some(match (ours('S'), theirs('S')) {
        (true, true) if ours('R') => State::Rsto,
        (true, true) if theirs('R') => State::Rstr,
        (true, true) => match (ours('F'), theirs('F')) {
            (true, true) => State::SF,
            (true, false) => State::S2,
            (false, true) => State::S3,
            (false, false) => State::S1,
        },
        (true, false) if theirs('R') => State::Rej,
        (true, false) if !destination.is_empty() => State::Oth,
        (true, false) if ours('R') => State::Rstos0,
        (true, false) if ours('F') => State::Sh,
        (true, false) => State::S0,
        (false, true) if theirs('R') => State::Rstrh,
        (false, true) => State::Shr,
        (false, false) => State::Oth,
    })
}

/// The state where the other side called.
fn turned(state: State) -> State {
    match state {
        State::S2 => State::S3,
        State::S3 => State::S2,
        State::Rsto => State::Rstr,
        State::Rstr => State::Rsto,
        State::S0 => State::Shr,
        State::Shr => State::S0,
        State::Rstos0 => State::Rstrh,
        State::Rej | State::Sh => State::Oth,
        state => state,
    }
}

/// The label of CTU-13: `flow=Background-...` and `flow=...Normal-...` are benign, others name the attack.
fn label(text: &str) -> Option<Label> {
    let name = text.strip_prefix("flow=").unwrap_or(text).trim();
    let lower = name.to_ascii_lowercase();
    let benign = ["background", "normal", "benign", "legitimate"].into_iter().find(|word| lower.contains(word));
    (!name.is_empty()).then(|| Label::new(benign.unwrap_or(name)))
}

const ETHERNET_HEADER_BYTES: u64 = 14;
/// A pebibyte is three hours of a line of 800 Gbit/s.
const MAX_COUNT: u64 = 1 << 50;

/// Made-up messages that decode into the fullest flow of this format.
fn sample() -> Vec<Vec<u8>> {
    [
        "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sVid,TotPkts,TotBytes,SrcBytes,SrcPkts,SAppBytes,DAppBytes,Label",
        "2023/11/14 22:13:20.5,1.25,tcp,192.0.2.7,50318,   ->,198.51.100.9,443,FSPA_FSPA,12,17,6600,1200,9,700,4800,flow=From-Normal",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,TotPkts,TotBytes,SrcBytes,SrcPkts,Label";

    fn read(lines: &[&str]) -> Batch {
        let (mut argus, mut batch) = (Argus::default(), Batch::default());
        argus.decode(HEADER, &mut batch);
        lines.iter().for_each(|line| argus.decode(line.as_bytes(), &mut batch));
        batch
    }

    #[test]
    fn what_the_source_did_not_send_the_destination_did() {
        let batch = read(&["2018/12/18 14:00:00.5,0.7,tcp,192.0.2.1,5000,   ->,192.0.2.9,445,S_RA,2,134,70,1,"]);
        let flow = &batch.flows[0];
        assert_eq!((flow.originator.packets, flow.responder.packets), (Some(1), Some(1)));
        // Frames of 70 and 64 bytes, less the Ethernet header.
        assert_eq!((flow.originator.bytes, flow.responder.bytes), (Some(56), Some(50)));
        assert_eq!((flow.state, &flow.label), (Some(State::Rej), &None));
    }

    #[test]
    fn an_arrow_that_points_back_turns_the_flow() {
        let batch = read(&["2018/12/18 14:00:00,0.7,tcp,192.0.2.1,80,  <-,192.0.2.9,4455,SRA_SPA,3,200,80,1,"]);
        let flow = &batch.flows[0];
        assert_eq!((flow.key.originator.port, flow.key.responder.port), (4455, 80));
        assert_eq!((flow.originator.packets, flow.state), (Some(2), Some(State::Rstr)));
    }

    #[test]
    fn icmp_types_and_codes_are_read_from_hexadecimal() {
        let batch = read(&["2018/12/18 14:00:00,0,icmp,192.0.2.1,0x0303,->,192.0.2.9,0x1234,URP,1,70,70,1,"]);
        assert_eq!((batch.flows[0].key.originator.port, batch.flows[0].key.responder.port), (3, 3));
    }

    #[test]
    fn records_that_are_no_flows_are_counted_by_reason() {
        let batch = read(&[
            "2018/05/10 10:52:47.3,0.04,man,0,0,,0,0,STA,0,0,0,0,",
            "1970/01/01 01:00:00,0,llc,00:00:00:00:00:00,0,->,00:00:00:00:00:00,0,INT,1,60,60,1,flow=Background",
            "1970/01/01 01:00:00,0,udp,192.0.2.1,1,->,192.0.2.2,2,INT,1,60,70,1,",
            "nonsense",
        ]);
        assert_eq!(batch.skipped.len(), 4, "{:?}", batch.skipped);
        assert!(batch.flows.is_empty());
    }

    #[test]
    fn labels_say_what_is_benign() {
        let is_attack = |text| label(text).map(|label| label.is_attack());
        assert_eq!(is_attack("flow=From-Botnet-V42-TCP-CC"), Some(true));
        assert_eq!(is_attack("flow=Background-UDP-Attempt"), Some(false));
        assert_eq!(is_attack("flow=From-Normal-V42"), Some(false));
        assert_eq!(is_attack(""), None);
    }

    #[test]
    fn a_time_without_a_date_is_told() {
        let batch = read(&["14:00:00.5,0,udp,192.0.2.1,1,->,192.0.2.2,2,CON,2,120,60,1,"]);
        assert_eq!(batch.flows[0].start, Time::from_nanoseconds(50_400_500_000_000));
        assert_eq!(batch.notes.len(), 1);
    }
}
