//! One line of a log: the values that are wanted, as text.

use std::borrow::Cow;
use std::net::IpAddr;

use flow::{Endpoint, Key, Protocol, Time};

use super::header::unescaped;
use crate::format::json::{Json, Malformed, Order, Text, Value};
use crate::format::literal;

/// The values of a line as the log writes them; empty where it has none.
pub(super) struct Record<'a> {
    pub(super) values: [&'a [u8]; Field::COUNT],
    /// Escapes are those of JSON rather than Zeek's own.
    pub(super) is_json: bool,
}

/// Which log a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Conn,
    Dns,
    Http,
    Ssl,
    Quic,
    Notice,
    /// One that holds neither flows nor notices, and what to say of it.
    Other(&'static str),
}

macro_rules! fields {
    ($($field:ident = $($name:literal)|+,)+) => {
        /// A column or member that is wanted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field { $($field),+ }

        impl Field {
            pub(super) const COUNT: usize = [$(Field::$field),+].len();

            /// The one of that name.
            #[inline]
            pub(super) fn of(name: &[u8]) -> Option<Field> {
                Some(match std::str::from_utf8(name).ok()? {
                    $($($name)|+ => Field::$field,)+
                    _ => return None,
                })
            }
        }
    };
}

fields! {
    Time = "ts",
    Uid = "uid",
    OriginatorAddress = "id.orig_h",
    OriginatorPort = "id.orig_p",
    ResponderAddress = "id.resp_h",
    ResponderPort = "id.resp_p",
    Protocol = "proto",
    ProtocolNumber = "ip_proto",
    // conn.log
    Service = "service",
    Duration = "duration",
    OriginatorPayload = "orig_bytes",
    ResponderPayload = "resp_bytes",
    State = "conn_state",
    MissedBytes = "missed_bytes",
    History = "history",
    OriginatorPackets = "orig_pkts",
    OriginatorBytes = "orig_ip_bytes",
    ResponderPackets = "resp_pkts",
    ResponderBytes = "resp_ip_bytes",
    TunnelParents = "tunnel_parents",
    Vlan = "vlan",
    Label = "label",
    DetailedLabel = "detailed-label" | "detailedlabel" | "detailed_label",
    // dns.log
    Query = "query",
    RecordType = "qtype",
    ResponseCode = "rcode",
    Rejected = "rejected",
    // ssl.log, quic.log and http.log share some names
    Version = "version",
    ServerName = "server_name",
    NextProtocol = "next_protocol",
    Established = "established",
    Ja3 = "ja3",
    Ja4 = "ja4",
    ClientProtocol = "client_protocol",
    ConnectionId = "client_initial_dcid",
    Method = "method",
    Host = "host",
    Target = "uri",
    UserAgent = "user_agent",
    Status = "status_code",
    RequestBytes = "request_body_len",
    // notice.log
    Note = "note",
    Message = "msg",
    Source = "src",
    Destination = "dst",
    // to tell the logs apart
    Path = "_path",
    CallId = "call_id",
}

impl<'a> Record<'a> {
    /// The wanted members of a JSON line.
    pub(super) fn of_json(
        line: &'a [u8],
        order: &mut Order<Option<Field>>,
    ) -> Result<Option<Record<'a>>, &'static str> {
        let text = std::str::from_utf8(line).map_err(|_| "line that is not UTF-8")?;
        let mut record = Record { values: [b""; Field::COUNT], is_json: true };
        let mut json = Json::new(text);
        json.object_in(order, |json, field| {
            let value = json.value()?;
            if let Some(field) = field {
                record.values[field as usize] = match value {
                    Value::Text(text) => text.raw().as_bytes(),
                    Value::Number(number) => number.as_bytes(),
                    Value::Bool(true) => b"T",
                    Value::Bool(false) => b"F",
                    Value::Nested("[]") | Value::Null => b"",
                    Value::Nested(raw) => raw.as_bytes(),
                };
            }
            Ok(())
        })
        .and_then(|()| json.end())
        .map_err(|Malformed| "not a JSON object")?;
        Ok(Some(record))
    }

    /// Which log a JSON line is of.
    pub(super) fn kind(&self) -> Kind {
        match self.bytes(Field::Path) {
            b"" => Kind::of_fields(|field| !self.bytes(field).is_empty()),
            path => Kind::of_path(path),
        }
    }

    /// The value as the log writes it.
    #[inline]
    pub(super) fn bytes(&self, field: Field) -> &'a [u8] {
        self.values[field as usize]
    }

    /// The value without escapes. What is not UTF-8 becomes U+FFFD.
    pub(super) fn text(&self, field: Field) -> Cow<'a, str> {
        let bytes = self.bytes(field);
        if memchr::memchr(b'\\', bytes).is_none() {
            return std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
        }
        if self.is_json {
            return Text::of(std::str::from_utf8(bytes).unwrap_or_default()).get();
        }
        Cow::Owned(String::from_utf8_lossy(&unescaped(bytes)).into_owned())
    }

    /// The value as text of its own, cut where it is longer than anybody needs; `None` where it is missing.
    pub(super) fn name(&self, field: Field) -> Option<Box<str>> {
        if self.bytes(field).is_empty() {
            return None;
        }
        let text = self.text(field);
        Some(text[..text.floor_char_boundary(MAX_TEXT_BYTES)].into())
    }

    pub(super) fn time(&self) -> Option<Time> {
        literal::time(self.bytes(Field::Time))
    }

    pub(super) fn address(&self, field: Field) -> Option<IpAddr> {
        literal::address(self.bytes(field))
    }

    /// Who talks with whom.
    #[inline]
    pub(super) fn key(&self) -> Result<Key, &'static str> {
        let endpoint = |address, port| {
            let address = self.address(address).ok_or("no readable address")?;
            Ok::<_, &'static str>(Endpoint::new(address, literal::port(self.bytes(port)).ok_or("no readable port")?))
        };
        let originator = endpoint(Field::OriginatorAddress, Field::OriginatorPort)?;
        let responder = endpoint(Field::ResponderAddress, Field::ResponderPort)?;
        let protocol = match (self.bytes(Field::Protocol), originator.address.is_ipv6()) {
            (b"tcp", _) => Protocol::Tcp,
            (b"udp", _) => Protocol::Udp,
            (b"icmp", false) => Protocol::Icmp,
            (b"icmp", true) => Protocol::Icmpv6,
            (b"sctp", _) => Protocol::Sctp,
            _ => literal::whole(self.bytes(Field::ProtocolNumber))
                .and_then(|number| u8::try_from(number).ok())
                .map(Protocol::from_number)
                .ok_or("protocol that Zeek does not name")?,
        };
        Ok(Key { originator, responder, protocol })
    }
}

impl Kind {
    pub(super) const UNKNOWN: Kind = Kind::Other("lines of another Zeek log, which hold no flows");

    /// The log of that name.
    pub(super) fn of_path(path: &[u8]) -> Kind {
        let path = path.trim_ascii();
        match path {
            b"dns" => Kind::Dns,
            b"http" => Kind::Http,
            b"ssl" => Kind::Ssl,
            b"quic" => Kind::Quic,
            b"notice" | b"notice_alarm" => Kind::Notice,
            // Of connections that go on, which conn.log tells when they end.
            b"conn_long" | b"conn-summary" => Kind::UNKNOWN,
            // Sites split it: conn_internal, conn-external.
            _ if path.starts_with(b"conn") => Kind::Conn,
            _ => PASSED_OVER
                .iter()
                .find(|(name, _)| name.as_bytes() == path)
                .map_or(Kind::UNKNOWN, |(_, what)| Kind::Other(what)),
        }
    }

    /// The log that has these columns, where its name is not told. A member of JSON is left out where it has no value,
    /// so each log is known by those that always have one.
    pub(super) fn of_fields(has: impl Fn(Field) -> bool) -> Kind {
        let counts = [
            Field::State,
            Field::OriginatorPackets,
            Field::OriginatorBytes,
            Field::OriginatorPayload,
            Field::MissedBytes,
        ];
        // sip.log has most columns of http.log.
        if has(Field::CallId) {
            Kind::UNKNOWN
        } else if has(Field::Note) {
            Kind::Notice
        } else if has(Field::ConnectionId) {
            Kind::Quic
        } else if has(Field::Established) && has(Field::Uid) {
            Kind::Ssl
        } else if has(Field::RequestBytes) || (has(Field::Method) && has(Field::Target)) {
            Kind::Http
        } else if has(Field::Rejected) || (has(Field::Query) && has(Field::RecordType)) {
            Kind::Dns
        } else if has(Field::Protocol) && counts.into_iter().any(has) {
            Kind::Conn
        } else {
            Kind::UNKNOWN
        }
    }
}

macro_rules! passed_over {
    ($($name:literal)+) => {
        &[$(($name, concat!("lines of Zeek's ", $name, ".log, which hold no flows"))),+]
    };
}

/// Zeek's other logs (docs.zeek.org, "Log Files").
const PASSED_OVER: &[(&str, &str)] = passed_over! {
    "analyzer" "broker" "capture_loss" "cluster" "config" "dce_rpc" "dhcp" "dnp3" "dpd" "files" "ftp" "intel" "irc"
    "kerberos" "known_certs" "known_hosts" "known_modbus" "known_services" "ldap" "ldap_search" "loaded_scripts"
    "modbus" "mqtt_connect" "mqtt_publish" "mqtt_subscribe" "mysql" "netcontrol" "notice_alarm" "ntlm" "ntp" "ocsp"
    "openflow" "packet_filter" "pe" "postgresql" "print" "prof" "radius" "rdp" "redis" "reporter" "rfb" "signatures"
    "sip" "smb_cmd" "smb_files" "smb_mapping" "smtp" "snmp" "socks" "software" "ssh" "stats" "stderr" "stdout" "syslog"
    "telemetry" "traceroute" "tunnel" "unknown_protocols" "websocket" "weird" "weird_stats" "x509"
};

pub(super) const NO_TIME: &str = "no readable time";
/// Of a name that is kept: more than a domain name has, and most of a path.
const MAX_TEXT_BYTES: usize = 512;
