//! What `nfdump -o csv` prints: a header of short names (nfdump 1.6 to 1.7.3) or of long ones (later), a line a record,
//! and a summary.
//!
//! Its times have no zone: they are of the machine that printed them, and are read as UTC. Print with `TZ=UTC`.

use std::net::IpAddr;

use chrono::NaiveDateTime;

use super::Told;
use crate::Batch;
use crate::format::biflow::Biflows;
use crate::format::uniflow::Observer;
use crate::format::{Decoder, Format, next_line};

/// Printed records.
pub const FORMAT: Format = Format {
    name: "nfdump-csv",
    what: "what nfdump -o csv prints",
    recognises: |start| HEADERS.iter().any(|header| start.starts_with(header.as_bytes())),
    next_message: next_line,
    decoder: || Box::new(Printed::default()),
    sample: || SAMPLE.map(|line| line.as_bytes().to_vec()).to_vec(),
};

/// Reads the lines that nfdump prints.
#[derive(Default)]
pub struct Printed {
    /// What each column holds; empty outside of a list of records.
    columns: Vec<Option<Column>>,
    biflows: Biflows,
}

impl Decoder for Printed {
    fn begin(&mut self) {
        self.columns.clear();
    }

    fn decode(&mut self, message: &[u8], batch: &mut Batch) {
        let Ok(line) = std::str::from_utf8(message) else { return batch.skip("line that is not UTF-8") };
        let line = line.trim_end();
        if HEADERS.iter().any(|header| line.starts_with(header)) {
            self.columns = line.split(',').map(|name| Column::of(name.trim())).collect();
        } else if line == "Summary" {
            self.columns.clear();
        } else if !self.columns.is_empty() && !line.is_empty() {
            match self.told(line).and_then(|told| told.uniflow()) {
                Ok((uniflow, received)) => self.biflows.observe(uniflow, received, batch),
                Err(reason) => batch.skip(reason),
            }
        }
    }

    fn finish(&mut self, batch: &mut Batch) {
        self.biflows.finish(batch);
    }
}

impl Printed {
    fn told(&self, line: &str) -> Result<Told, &'static str> {
        if line.split(',').count() != self.columns.len() {
            return Err("number of columns differs from the header");
        }
        let mut values = [""; COLUMNS.len()];
        for (column, value) in self.columns.iter().zip(line.split(',')) {
            if let Some(column) = column {
                values[*column as usize] = value.trim();
            }
        }
        let text = |column: Column| values[column as usize];
        let number = |column| text(column).parse::<u64>().unwrap_or(0);
        let count = |column| text(column).parse::<u64>().map_err(|_| "no readable count");
        let address = |column| {
            text(column).parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| "no readable address")
        };
        let protocol = protocol(text(Column::Protocol)).ok_or("protocol that is not known by that name")?;
        let first = milliseconds(text(Column::First)).ok_or("no readable time")?;
        let last = match (milliseconds(text(Column::Last)), text(Column::Duration).parse::<f64>()) {
            // Ends are printed in whole seconds; the duration is exact.
            (_, Ok(duration)) if (0.0..MAX_SECONDS).contains(&duration) => first + (duration * 1000.0).round() as u64,
            (Some(last), _) => last,
            _ => first,
        };
        Ok(Told {
            observer: Observer {
                exporter: number(Column::Exporter) as u32,
                ingress: number(Column::Ingress) as u32,
                egress: number(Column::Egress) as u32,
                direction: number(Column::Direction) as u8,
            },
            source: address(Column::Source)?,
            destination: address(Column::Destination)?,
            ports: [port(text(Column::SourcePort)), port(text(Column::DestinationPort))],
            protocol,
            flags: Some(text(Column::Flags)).filter(|text| !text.is_empty()).map(flags),
            first_milliseconds: first,
            last_milliseconds: last,
            received_milliseconds: milliseconds(text(Column::Received)).unwrap_or(0),
            packets: count(Column::Packets)?,
            bytes: count(Column::Bytes)?,
            out_packets: number(Column::OutPackets),
            out_bytes: number(Column::OutBytes),
            biflow_direction: 0,
            end_reason: 0,
            firewall_event: None,
            vlan: number(Column::Vlan) as u16,
            is_sampled: false,
        })
    }
}

/// The columns that a flow needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    First,
    Last,
    Duration,
    Received,
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    Protocol,
    Flags,
    Packets,
    Bytes,
    OutPackets,
    OutBytes,
    Ingress,
    Egress,
    Direction,
    Vlan,
    Exporter,
}

impl Column {
    fn of(name: &str) -> Option<Column> {
        COLUMNS.iter().find(|(_, names)| names.contains(&name)).map(|(column, _)| *column)
    }
}

const COLUMNS: [(Column, [&str; 2]); 19] = [
    (Column::First, ["ts", "firstSeen"]),
    (Column::Last, ["te", "lastSeen"]),
    (Column::Duration, ["td", "duration"]),
    (Column::Received, ["tr", "received"]),
    (Column::Source, ["sa", "srcAddr"]),
    (Column::Destination, ["da", "dstAddr"]),
    (Column::SourcePort, ["sp", "srcPort"]),
    (Column::DestinationPort, ["dp", "dstPort"]),
    (Column::Protocol, ["pr", "proto"]),
    (Column::Flags, ["flg", "flags"]),
    (Column::Packets, ["ipkt", "packets"]),
    (Column::Bytes, ["ibyt", "bytes"]),
    (Column::OutPackets, ["opkt", "outPackets"]),
    (Column::OutBytes, ["obyt", "outBytes"]),
    (Column::Ingress, ["in", "input"]),
    (Column::Egress, ["out", "output"]),
    (Column::Direction, ["dir", "flowDir"]),
    (Column::Vlan, ["svln", "srcVlan"]),
    (Column::Exporter, ["exid", "exporterID"]),
];

/// Milliseconds since 1970; zero and before is no time.
fn milliseconds(text: &str) -> Option<u64> {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    u64::try_from(time.and_utc().timestamp_millis()).ok().filter(|&milliseconds| milliseconds > 0)
}

/// A port; type and code of ICMP are printed with a dot between them.
fn port(text: &str) -> u16 {
    match text.split_once('.') {
        Some((kind, code)) => u16::from_be_bytes([kind, code].map(|part| part.parse().unwrap_or(0))),
        None => text.parse().unwrap_or(0),
    }
}

/// Letters of `CEUAPRSF`, dots for those that are not set.
fn flags(text: &str) -> u8 {
    let flag = |letter| b"FSRPAUEC".iter().position(|known| *known == letter).map_or(0, |position| 1 << position);
    text.bytes().fold(0, |flags, letter| flags | flag(letter))
}

fn protocol(text: &str) -> Option<u8> {
    text.parse()
        .ok()
        .or_else(|| PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number))
}

/// The names that nfdump prints, of protocols that are seen.
const PROTOCOLS: [(&str, u8); 23] = [
    ("ICMP", 1),
    ("IGMP", 2),
    ("GGP", 3),
    ("IPIP", 4),
    ("ST", 5),
    ("TCP", 6),
    ("EGP", 8),
    ("IGP", 9),
    ("UDP", 17),
    ("DCCP", 33),
    ("IPv6", 41),
    ("RSVP", 46),
    ("GRE", 47),
    ("ESP", 50),
    ("AH", 51),
    ("ICMP6", 58),
    ("EIGRP", 88),
    ("OSPF", 89),
    ("PIM", 103),
    ("IPCmp", 108),
    ("VRRP", 112),
    ("L2TP", 115),
    ("SCTP", 132),
];

/// A call and its answer, each with every column that is read.
const SAMPLE: [&str; 3] = [
    "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out",
    "2023-11-14 22:13:20.250,2023-11-14 22:13:22.750,2.500,192.0.2.1,192.0.2.2,50000,443,TCP,...AP.SF,0,0,9,900,0,0,0,0",
    "2023-11-14 22:13:20.300,2023-11-14 22:13:22.700,2.400,192.0.2.2,192.0.2.1,443,50000,TCP,...AP.SF,0,0,12,9000,0,0,0,0",
];
const HEADERS: [&str; 2] = ["ts,te,td,", "firstSeen,"];
const MAX_SECONDS: f64 = 366.0 * 86_400.0;
