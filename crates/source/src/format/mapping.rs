//! Tables whose rows are flows: a mapping says which column is what.
//!
//! Some tables are known by their columns and need none, see [`known`]. For others the mapping is set: each setting is
//! the name of a column. What no column gives stays unknown.

mod known;
mod rows;

use flow::{Application, Protocol};
use serde::Deserialize;

pub use self::known::known;
pub use self::rows::TableFlows;
use super::printable;

/// Which column of a table is what. Only the two addresses are needed. The default is no column at all.
///
/// ```
/// use source::format::mapping::{Mapping, TableFlows};
/// let mapping = Mapping {
///     start: Some("when".into()),
///     originator_address: Some("client".into()),
///     responder_address: Some("server".into()),
///     ..Mapping::default()
/// };
/// let columns = ["when", "client", "server"].map(str::to_owned);
/// assert!(TableFlows::of(&columns, Some(&mapping)).unwrap().is_some());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mapping {
    /// When the flow began. Where a table has no such column, all its flows stand at the first of January 1970, and the
    /// report says so.
    pub start: Option<String>,
    /// When it ended.
    pub end: Option<String>,
    /// How long it lasted; used where there is no end.
    pub duration: Option<String>,
    /// How times are written. Default: told by each value.
    pub time_format: TimeFormat,
    /// What a duration is counted in. Default: seconds.
    pub duration_unit: Unit,
    /// The address of who called.
    pub originator_address: Option<String>,
    /// The port of who called.
    pub originator_port: Option<String>,
    /// The address of who was called.
    pub responder_address: Option<String>,
    /// The port of who was called.
    pub responder_port: Option<String>,
    /// The protocol: a number, or a name of one above IP (`tcp`), or of one above that (`https`).
    pub protocol: Option<String>,
    /// What they speak, by name.
    pub application: Option<String>,
    /// Packets that the originator sent.
    pub originator_packets: Option<String>,
    /// Bytes that the originator sent, from the IP header on.
    pub originator_bytes: Option<String>,
    /// Bytes above the transport header that the originator sent.
    pub originator_payload: Option<String>,
    /// Where the originator is, as a code of two or three letters.
    pub originator_country: Option<String>,
    /// Packets that the responder sent.
    pub responder_packets: Option<String>,
    /// Bytes that the responder sent, from the IP header on.
    pub responder_bytes: Option<String>,
    /// Bytes above the transport header that the responder sent.
    pub responder_payload: Option<String>,
    /// Where the responder is, as a code of two or three letters.
    pub responder_country: Option<String>,
    /// How the conversation opened and closed, in Zeek's names.
    pub state: Option<String>,
    /// The VLAN identifier.
    pub vlan: Option<String>,
    /// The table's own name for the flow.
    pub id: Option<String>,
    /// What the flow truly is.
    pub label: Option<String>,
    /// The label that stands for benign traffic. Default: the words that public data sets use.
    pub benign: Option<String>,
}

/// How times are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339 with or without zone (UTC then), the usual ways of logs, or a number since 1970 whose unit its size tells.
    #[default]
    Auto,
    /// A number since 1970.
    Since(Unit),
    /// As chrono's strftime writes it, in UTC unless it has a zone: `%d/%m/%Y %H:%M`.
    Strptime(String),
}

/// A unit of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the variants are the names of the units")]
pub enum Unit {
    #[default]
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    /// How many there are in a second.
    pub(super) const fn a_second(self) -> f64 {
        match self {
            Unit::Seconds => 1.0,
            Unit::Milliseconds => 1e3,
            Unit::Microseconds => 1e6,
            Unit::Nanoseconds => 1e9,
        }
    }
}

impl<'de> Deserialize<'de> for TimeFormat {
    /// `auto`, `rfc3339`, a unit such as `milliseconds`, or a pattern with `%`.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<TimeFormat, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "auto" | "rfc3339" => TimeFormat::Auto,
            "seconds" => TimeFormat::Since(Unit::Seconds),
            "milliseconds" => TimeFormat::Since(Unit::Milliseconds),
            "microseconds" => TimeFormat::Since(Unit::Microseconds),
            "nanoseconds" => TimeFormat::Since(Unit::Nanoseconds),
            pattern if is_pattern(pattern) => TimeFormat::Strptime(text),
            _ => {
                let expected = "auto, rfc3339, seconds, milliseconds, microseconds, nanoseconds, or a pattern such as %Y-%m-%d %H:%M:%S";
                return Err(serde::de::Error::custom(format!(
                    "time format `{}`: expected {expected}",
                    printable(&text)
                )));
            }
        })
    }
}

fn is_pattern(text: &str) -> bool {
    let mut items = chrono::format::StrftimeItems::new(text);
    text.contains('%') && !items.any(|item| item == chrono::format::Item::Error)
}

/// What a column may be, in the order of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Start,
    End,
    Duration,
    OriginatorAddress,
    OriginatorPort,
    ResponderAddress,
    ResponderPort,
    Protocol,
    Application,
    OriginatorPackets,
    OriginatorBytes,
    OriginatorPayload,
    OriginatorCountry,
    ResponderPackets,
    ResponderBytes,
    ResponderPayload,
    ResponderCountry,
    State,
    Vlan,
    Id,
    Label,
}

const ROLES: usize = Role::Label as usize + 1;

impl Mapping {
    /// Each setting that names a column: what it is, what the setting is called, the column.
    fn settings(&self) -> impl Iterator<Item = (Role, &'static str, &str)> {
        let all: [(Role, &'static str, &Option<String>); ROLES] = [
            (Role::Start, "start", &self.start),
            (Role::End, "end", &self.end),
            (Role::Duration, "duration", &self.duration),
            (Role::OriginatorAddress, "originator-address", &self.originator_address),
            (Role::OriginatorPort, "originator-port", &self.originator_port),
            (Role::ResponderAddress, "responder-address", &self.responder_address),
            (Role::ResponderPort, "responder-port", &self.responder_port),
            (Role::Protocol, "protocol", &self.protocol),
            (Role::Application, "application", &self.application),
            (Role::OriginatorPackets, "originator-packets", &self.originator_packets),
            (Role::OriginatorBytes, "originator-bytes", &self.originator_bytes),
            (Role::OriginatorPayload, "originator-payload", &self.originator_payload),
            (Role::OriginatorCountry, "originator-country", &self.originator_country),
            (Role::ResponderPackets, "responder-packets", &self.responder_packets),
            (Role::ResponderBytes, "responder-bytes", &self.responder_bytes),
            (Role::ResponderPayload, "responder-payload", &self.responder_payload),
            (Role::ResponderCountry, "responder-country", &self.responder_country),
            (Role::State, "state", &self.state),
            (Role::Vlan, "vlan", &self.vlan),
            (Role::Id, "id", &self.id),
            (Role::Label, "label", &self.label),
        ];
        all.into_iter().filter_map(|(role, setting, column)| Some((role, setting, column.as_deref()?)))
    }

    /// The place of each mapped column in a row, in ascending order.
    fn places(&self, columns: &[String]) -> Result<Vec<(usize, Role)>, String> {
        let mut places = Vec::new();
        for (role, setting, name) in self.settings() {
            let exact = columns.iter().position(|column| column == name);
            let same = |column: &String| column.trim().eq_ignore_ascii_case(name.trim());
            match exact.or_else(|| columns.iter().position(same)) {
                Some(place) => places.push((place, role)),
                None => {
                    let nearest: Vec<_> = nearest(name, columns).map(|name| format!("`{}`", printable(name))).collect();
                    return Err(format!(
                        "the mapping says that `{setting}` is column `{}`, which it does not have; the nearest are {}",
                        printable(name),
                        nearest.join(", ")
                    ));
                }
            }
        }
        for (role, setting) in
            [(Role::OriginatorAddress, "originator-address"), (Role::ResponderAddress, "responder-address")]
        {
            if !places.iter().any(|(_, mapped)| *mapped == role) {
                return Err(format!("the mapping does not say which column is `{setting}`"));
            }
        }
        places.sort_by_key(|(place, role)| (*place, *role as usize));
        Ok(places)
    }
}

/// The names that are most like one.
fn nearest<'a>(name: &str, columns: &'a [String]) -> impl Iterator<Item = &'a str> {
    let mut ranked: Vec<(usize, &str)> =
        columns.iter().map(|column| (distance(name, column), column.as_str())).collect();
    ranked.sort_by_key(|(distance, _)| *distance);
    ranked.into_iter().take(3).map(|(_, name)| name)
}

/// How many letters must be changed, added or taken away (Levenshtein 1966); long names are compared by their starts.
fn distance(one: &str, other: &str) -> usize {
    let letters = |name: &str| name.to_lowercase().chars().take(64).collect::<Vec<_>>();
    let (one, other) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], number + 1);
        for (place, same) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != same);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

/// The protocol of a number or name, and what is spoken above it where the name says so.
fn protocol(text: &str) -> Option<(Protocol, Option<Application>)> {
    if let Some(number) =
        text.parse::<f64>().ok().filter(|number| (0.0..256.0).contains(number) && number.fract() == 0.0)
    {
        return Some((Protocol::from_number(number as u8), None));
    }
    let name = text.to_ascii_lowercase();
    let plain = match name.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "icmp" => Protocol::Icmp,
        "icmp6" | "icmpv6" | "ipv6-icmp" => Protocol::Icmpv6,
        "sctp" => Protocol::Sctp,
        "arp" => Protocol::Arp,
        "igmp" => Protocol::Other(2),
        "gre" => Protocol::Other(47),
        "esp" => Protocol::Other(50),
        "ospf" => Protocol::Other(89),
        _ => {
            let below = match name.as_str() {
                "http" | "https" | "tls" | "ssl" | "ssh" | "ftp" | "ftps" | "smtp" | "smtps" | "imap" | "imaps"
                | "pop3" | "pop3s" | "telnet" | "rdp" | "smb" | "ldap" | "ldaps" | "mysql" | "postgresql" | "mqtt" => {
                    Protocol::Tcp
                }
                "dns" | "ntp" | "snmp" | "dhcp" | "tftp" | "syslog" | "quic" | "mdns" | "ssdp" => Protocol::Udp,
                _ => return None,
            };
            return Some((below, Some(Application::Other(name.into()))));
        }
    };
    Some((plain, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_not_there_is_named_with_its_nearest() {
        let mapping = Mapping { start: Some("creation_tme".into()), ..Mapping::default() };
        let columns = ["bytes_in", "creation_time", "end_time", "src_ip"].map(str::to_owned);
        let message = mapping.places(&columns).unwrap_err();
        assert!(message.contains("`start`") && message.contains("`creation_tme`"), "{message}");
        assert!(message.contains("nearest are `creation_time`"), "{message}");
    }

    #[test]
    fn a_mapping_without_an_address_is_refused() {
        let mapping = Mapping { originator_address: Some("src_ip".into()), ..Mapping::default() };
        let message = mapping.places(&["src_ip".to_owned()]).unwrap_err();
        assert!(message.contains("`responder-address`"), "{message}");
    }

    #[test]
    fn settings_that_do_not_exist_are_refused() {
        let parse = |text: &str| serde_json::from_str::<Mapping>(text);
        assert!(parse(r#"{"strat": "x"}"#).unwrap_err().to_string().contains("strat"));
        assert!(parse(r#"{"time-format": "sometimes"}"#).unwrap_err().to_string().contains("milliseconds"));
        let mapping = parse(r#"{"start": "t", "time-format": "%d/%m/%Y", "duration-unit": "microseconds"}"#).unwrap();
        assert_eq!(mapping.time_format, TimeFormat::Strptime("%d/%m/%Y".into()));
        assert_eq!(mapping.duration_unit, Unit::Microseconds);
    }

    #[test]
    fn distances_are_counted_in_letters() {
        assert_eq!([distance("kitten", "sitting"), distance("", "abc"), distance("same", "Same")], [3, 3, 0]);
    }
}
