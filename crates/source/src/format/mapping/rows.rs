//! Rows become flows.

use chrono::{DateTime, NaiveDateTime};
use flow::{Application, Country, Duration, Endpoint, Flow, Key, Label, Protocol, Side, State, Time};

use super::{Mapping, ROLES, Role, TimeFormat, known, protocol};
use crate::Batch;
use crate::format::vpc::FlowLog;
use crate::format::{Decoder, literal, rows};

/// Turns the rows of one kind of table into flows.
pub struct TableFlows(Kind);

enum Kind {
    /// VPC flow logs as Parquet.
    FlowLog(Box<FlowLog>),
    Mapped {
        mapping: Box<Mapping>,
        places: Vec<(usize, Role)>,
    },
}

impl TableFlows {
    /// For a table with these columns: by the mapping that is set, else as known by the columns. `None` where nothing is
    /// set and the columns are not known; an error where the mapping does not fit.
    pub fn of(columns: &[String], mapping: Option<&Mapping>) -> Result<Option<TableFlows>, String> {
        let mapped = |mapping: Mapping| {
            let places = mapping.places(columns)?;
            Ok(Some(TableFlows(Kind::Mapped { mapping: Box::new(mapping), places })))
        };
        if let Some(mapping) = mapping {
            return mapped(mapping.clone());
        }
        if let Some(log) = FlowLog::columns(columns) {
            return Ok(Some(TableFlows(Kind::FlowLog(Box::new(log)))));
        }
        known(columns).map_or(Ok(None), mapped)
    }

    /// Takes in one row, its cells in the order of the columns.
    pub fn row<'a>(&mut self, cells: impl Iterator<Item = &'a [u8]>, batch: &mut Batch) {
        match &mut self.0 {
            Kind::FlowLog(log) => log.row(cells, batch),
            Kind::Mapped { mapping, places } => {
                let mut values = Values::default();
                let mut wanted = places.iter().peekable();
                for (place, cell) in cells.enumerate() {
                    while let Some((_, role)) = wanted.next_if(|(wanted, _)| *wanted == place) {
                        values.0[*role as usize] = present(cell);
                    }
                }
                match values.flow(mapping) {
                    Ok(flow) => {
                        if mapping.start.is_none() {
                            batch.note("rows without a time, put at the first of January 1970", 1);
                        }
                        batch.flows.push(flow);
                    }
                    Err(reason) => batch.skip(reason),
                }
            }
        }
    }

    /// Gives out what still waits when the table is over.
    pub fn finish(&mut self, batch: &mut Batch) {
        if let Kind::FlowLog(log) = &mut self.0 {
            log.finish(batch);
        }
    }
}

/// The value of a cell; `None` where it is missing.
fn present(cell: &[u8]) -> Option<&str> {
    match rows::Cell::of(cell) {
        rows::Cell::Missing | rows::Cell::Infinite => None,
        _ => std::str::from_utf8(cell).ok().map(str::trim),
    }
}

/// What a row says of each role; `None` where missing.
#[derive(Default)]
struct Values<'a>([Option<&'a str>; ROLES]);

impl Values<'_> {
    fn flow(&self, mapping: &Mapping) -> Result<Flow, &'static str> {
        let start = match &mapping.start {
            Some(_) => self.time(Role::Start, mapping).ok_or("no readable start")?,
            None => Time::default(),
        };
        let end = match (&mapping.end, self.get(Role::Duration)) {
            (Some(_), _) => self.time(Role::End, mapping).ok_or("no readable end")?,
            (None, Some(text)) => start + duration(text, mapping)?,
            (None, None) => start,
        };
        if end < start {
            return Err("end before the start");
        }
        let address = |role| {
            let address: std::net::IpAddr = self.get(role).and_then(|text| text.parse().ok())?;
            Some(address.to_canonical())
        };
        let originator = address(Role::OriginatorAddress).ok_or("no readable originator address")?;
        let responder = address(Role::ResponderAddress).ok_or("no readable responder address")?;
        let [originator_port, responder_port] = [Role::OriginatorPort, Role::ResponderPort].map(|role| self.port(role));
        let (protocol, implied) = self.protocol(mapping)?;
        let key = Key {
            originator: Endpoint::new(originator, originator_port?),
            responder: Endpoint::new(responder, responder_port?),
            protocol,
        };
        let named = self.get(Role::Application).map(|name| Application::Other(name.to_ascii_lowercase().into()));
        let side = |packets, bytes, payload, country| {
            Ok::<_, &'static str>(Side {
                packets: self.count(packets)?,
                bytes: self.count(bytes)?,
                payload_bytes: self.count(payload)?,
                country: self.get(country).and_then(Country::from_code),
                detail: None,
            })
        };
        Ok(Flow {
            vlan: self.get(Role::Vlan).and_then(|text| text.parse().ok()).filter(|vlan| *vlan < 4096),
            originator: side(
                Role::OriginatorPackets,
                Role::OriginatorBytes,
                Role::OriginatorPayload,
                Role::OriginatorCountry,
            )?,
            responder: side(
                Role::ResponderPackets,
                Role::ResponderBytes,
                Role::ResponderPayload,
                Role::ResponderCountry,
            )?,
            state: self.get(Role::State).and_then(State::from_name),
            application: named.or(implied).map(Box::new),
            id: self.get(Role::Id).map(Into::into),
            label: self.get(Role::Label).map(|text| label(text, mapping)),
            ..Flow::between(key, start, end)
        })
    }

    fn get(&self, role: Role) -> Option<&str> {
        self.0[role as usize]
    }

    fn time(&self, role: Role, mapping: &Mapping) -> Option<Time> {
        let text = self.get(role)?;
        match &mapping.time_format {
            TimeFormat::Auto => rows::time(text.as_bytes()),
            TimeFormat::Since(unit) => {
                // An f64 holds today's times to a quarter of a microsecond only.
                let exact = literal::billionths(text.as_bytes())
                    .and_then(|number| i64::try_from(number / unit.a_second() as i128).ok());
                let rounded = || Time::from_seconds(text.parse::<f64>().ok()? / unit.a_second());
                exact.map(Time::from_nanoseconds).or_else(rounded)
            }
            TimeFormat::Strptime(pattern) => {
                let zoned = || DateTime::parse_from_str(text, pattern).ok().map(|time| time.to_utc());
                let plain = NaiveDateTime::parse_from_str(text, pattern).ok().map(|time| time.and_utc());
                let time = zoned().or(plain)?;
                time.timestamp_nanos_opt().map(Time::from_nanoseconds)
            }
        }
    }

    /// The protocol, and what the word for it says beyond. Where no column says it, ports belong to TCP or UDP, which is
    /// not known: protocol 255, which is reserved (RFC 3692).
    fn protocol(&self, mapping: &Mapping) -> Result<(Protocol, Option<Application>), &'static str> {
        if mapping.protocol.is_none() {
            return Ok((Protocol::Other(255), None));
        }
        self.get(Role::Protocol).and_then(protocol).ok_or("protocol that is not known")
    }

    fn port(&self, role: Role) -> Result<u16, &'static str> {
        let Some(text) = self.get(role) else { return Ok(0) };
        // Some tables turn every number into one with a fraction.
        let whole = text.strip_suffix(".0").unwrap_or(text);
        whole.parse().map_err(|_| "no readable port")
    }

    fn count(&self, role: Role) -> Result<Option<u64>, &'static str> {
        let Some(text) = self.get(role) else { return Ok(None) };
        let count = match text.parse::<u64>() {
            Ok(count) => count,
            Err(_) => {
                let number: f64 = text.parse().map_err(|_| "no readable count")?;
                if !(0.0..=MAX_COUNT as f64).contains(&number) {
                    return Err("no readable count");
                }
                number as u64
            }
        };
        if count > MAX_COUNT { Err("count beyond what any network carries") } else { Ok(Some(count)) }
    }
}

fn duration(text: &str, mapping: &Mapping) -> Result<Duration, &'static str> {
    let number: f64 = text.parse().map_err(|_| "no readable duration")?;
    Duration::try_from_secs_f64(number / mapping.duration_unit.a_second()).map_err(|_| "no readable duration")
}

fn label(text: &str, mapping: &Mapping) -> Label {
    match &mapping.benign {
        Some(benign) if text.eq_ignore_ascii_case(benign.trim()) => Label::new("benign"),
        _ => Label::new(text),
    }
}

/// A pebibyte is three hours of a line of 800 Gbit/s.
const MAX_COUNT: u64 = 1 << 50;
