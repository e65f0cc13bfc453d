//! One event: the members that are wanted.

use std::net::IpAddr;

use flow::{Endpoint, Key, Notice, Protocol, Time};

use super::nested;
use crate::format::json::{Json, Malformed, Text, Value};
use crate::format::literal;

/// The members of a line that are wanted; empty or `None` where it has none.
#[derive(Default)]
pub(super) struct Event<'a> {
    pub(super) kind: Text<'a>,
    pub(super) timestamp: Text<'a>,
    pub(super) flow_id: Text<'a>,
    pub(super) app_proto: Text<'a>,
    pub(super) vlan: Option<u16>,
    pub(super) is_inside_tunnel: bool,
    /// Which way the packet of an alert went.
    direction: Text<'a>,
    source: Party<'a>,
    destination: Party<'a>,
    protocol: Text<'a>,
    icmp_type: Text<'a>,
    icmp_code: Text<'a>,
    /// Of `flow` events, and of the flow so far in alerts.
    pub(super) flow: Counts<'a>,
    /// Of `netflow` events.
    pub(super) netflow: Counts<'a>,
    pub(super) tcp: TcpFlags,
    /// The object of an alert or an application.
    pub(super) nested: &'a str,
    nested_name: Nested,
}

/// What to do with an event.
pub(super) enum Body {
    Flow,
    Netflow,
    Alert,
    Application,
    /// Count it as this.
    Other(&'static str),
}

#[derive(Clone, Copy, Default)]
struct Party<'a> {
    address: Text<'a>,
    port: Text<'a>,
}

/// The `flow` or `netflow` object.
#[derive(Default)]
pub(super) struct Counts<'a> {
    /// Packets and bytes.
    pub(super) to_server: [Option<u64>; 2],
    pub(super) to_client: [Option<u64>; 2],
    pub(super) one_way: [Option<u64>; 2],
    pub(super) start: Text<'a>,
    pub(super) end: Text<'a>,
    pub(super) state: Text<'a>,
    pub(super) reason: Text<'a>,
    /// Where the event's own addresses are a packet's, these are the flow's.
    source: Party<'a>,
    destination: Party<'a>,
}

/// The TCP flags seen (RFC 9293 s.3.1), as bits.
#[derive(Clone, Copy, Default)]
pub(super) struct TcpFlags {
    pub(super) any: Option<u8>,
    pub(super) to_server: Option<u8>,
    pub(super) to_client: Option<u8>,
}

/// An object that belongs to one kind of event.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Nested {
    #[default]
    None,
    Alert,
    Dns,
    Http,
    Tls,
    Quic,
    Ssh,
}

impl<'a> Event<'a> {
    /// Fills an empty event from its line.
    #[inline]
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), Malformed> {
        let event = self;
        let mut json = Json::new(text);
        // Alerts carry the objects of applications too, so each kind must find its own.
        let mut objects = [""; 7];
        json.object(|json, name| {
            match name {
                "timestamp" => event.timestamp = scalar(json)?,
                "flow_id" => event.flow_id = scalar(json)?,
                "event_type" => event.kind = scalar(json)?,
                "src_ip" => event.source.address = scalar(json)?,
                "src_port" => event.source.port = scalar(json)?,
                "dest_ip" => event.destination.address = scalar(json)?,
                "dest_port" => event.destination.port = scalar(json)?,
                "proto" => event.protocol = scalar(json)?,
                "icmp_type" => event.icmp_type = scalar(json)?,
                "icmp_code" => event.icmp_code = scalar(json)?,
                "app_proto" => event.app_proto = scalar(json)?,
                "direction" => event.direction = scalar(json)?,
                "vlan" => event.vlan = vlan(json.value()?)?,
                "flow" if json.is_at_object() => event.flow.read(json)?,
                "netflow" if json.is_at_object() => event.netflow.read(json)?,
                "tcp" if json.is_at_object() => event.tcp.read(json)?,
                "parent_id" | "tunnel" => {
                    json.skip()?;
                    event.is_inside_tunnel = true;
                }
                _ => {
                    let value = json.value()?;
                    if let (Some(nested), Value::Nested(object)) = (Nested::of(name), value) {
                        objects[nested as usize] = object;
                    }
                }
            }
            Ok(())
        })?;
        json.end()?;
        event.nested_name = Nested::of(event.kind.raw()).unwrap_or_default();
        event.nested = objects[event.nested_name as usize];
        Ok(())
    }

    pub(super) fn body(&self) -> Result<Body, &'static str> {
        Ok(match self.kind.raw() {
            "flow" => Body::Flow,
            "netflow" => Body::Netflow,
            "alert" => Body::Alert,
            "dns" | "mdns" | "http" | "http2" | "tls" | "quic" | "ssh" => Body::Application,
            "" => return Err("line without an event_type"),
            kind => Body::Other(
                PASSED_OVER
                    .iter()
                    .find(|(name, _)| *name == kind)
                    .map_or("events of EVE of another kind, which hold no flows", |(_, what)| what),
            ),
        })
    }

    pub(super) fn time(&self) -> Option<Time> {
        literal::date_time(self.timestamp.get().as_bytes())
    }

    /// The flow_id, where it names a flow.
    pub(super) fn id(&self) -> Option<u64> {
        literal::count(self.flow_id.raw().as_bytes()).filter(|&id| id != 0)
    }

    /// From whom to whom the packet of an alert went.
    pub(super) fn packet(&self) -> [Option<IpAddr>; 2] {
        [self.source, self.destination].map(|party| literal::address(party.address.get().as_bytes()))
    }

    /// Between whom, as the event has it.
    pub(super) fn key(&self) -> Result<Key, &'static str> {
        self.key_between(self.source, self.destination)
    }

    /// Between whom, originator first, though the event is about a packet of either.
    pub(super) fn key_of_flow(&self) -> Option<Key> {
        let flow = &self.flow;
        if !flow.source.address.raw().is_empty() {
            return self.key_between(flow.source, flow.destination).ok();
        }
        match self.direction.raw() {
            "to_client" => self.key_between(self.destination, self.source).ok(),
            _ => self.key().ok(),
        }
    }

    fn key_between(&self, source: Party<'_>, destination: Party<'_>) -> Result<Key, &'static str> {
        let address = |party: Party<'_>| literal::address(party.address.get().as_bytes()).ok_or("no readable address");
        let (source_address, destination_address) = (address(source)?, address(destination)?);
        let protocol = protocol(&self.protocol.get()).ok_or("protocol that is not known by its name")?;
        let [source_port, destination_port] = match protocol {
            Protocol::Icmp | Protocol::Icmpv6 => [self.icmp_type, self.icmp_code],
            _ => [source.port, destination.port],
        };
        let port = |text: Text<'_>| match text.raw() {
            "" if !protocol.has_ports() => Ok(0),
            port => literal::port(port.as_bytes()).ok_or("no readable port"),
        };
        Ok(Key {
            originator: Endpoint::new(source_address, port(source_port)?),
            responder: Endpoint::new(destination_address, port(destination_port)?),
            protocol,
        })
    }
}

impl<'a> Counts<'a> {
    fn read(&mut self, json: &mut Json<'a>) -> Result<(), Malformed> {
        let counts = self;
        json.object(|json, name| {
            match name {
                "pkts_toserver" => counts.to_server[0] = count(json)?,
                "bytes_toserver" => counts.to_server[1] = count(json)?,
                "pkts_toclient" => counts.to_client[0] = count(json)?,
                "bytes_toclient" => counts.to_client[1] = count(json)?,
                "pkts" => counts.one_way[0] = count(json)?,
                "bytes" => counts.one_way[1] = count(json)?,
                "start" => counts.start = scalar(json)?,
                "end" => counts.end = scalar(json)?,
                "state" => counts.state = scalar(json)?,
                "reason" => counts.reason = scalar(json)?,
                "src_ip" => counts.source.address = scalar(json)?,
                "src_port" => counts.source.port = scalar(json)?,
                "dest_ip" => counts.destination.address = scalar(json)?,
                "dest_port" => counts.destination.port = scalar(json)?,
                _ => json.skip()?,
            }
            Ok(())
        })
    }

    pub(super) fn time(&self, text: Text<'_>) -> Option<Time> {
        literal::date_time(text.get().as_bytes())
    }
}

impl TcpFlags {
    fn read(&mut self, json: &mut Json<'_>) -> Result<(), Malformed> {
        let flags = self;
        json.object(|json, name| {
            match name {
                "tcp_flags" => flags.any = bits(json)?,
                "tcp_flags_ts" => flags.to_server = bits(json)?,
                "tcp_flags_tc" => flags.to_client = bits(json)?,
                _ => json.skip()?,
            }
            Ok(())
        })
    }
}

impl Nested {
    fn of(name: &str) -> Option<Nested> {
        Some(match name {
            "alert" => Nested::Alert,
            "dns" | "mdns" => Nested::Dns,
            "http" | "http2" => Nested::Http,
            "tls" => Nested::Tls,
            "quic" => Nested::Quic,
            "ssh" => Nested::Ssh,
            _ => return None,
        })
    }
}

/// What an `alert` object says.
pub(super) fn alert(object: &str, notice: &mut Notice) -> Result<(), Malformed> {
    nested(object, |json, name| {
        match name {
            "signature" => notice.name = scalar(json)?.get().into(),
            "category" => notice.detail = scalar(json)?.get().into(),
            "severity" => notice.severity = count(json)?.and_then(|severity| u8::try_from(severity).ok()),
            _ => json.skip()?,
        }
        Ok(())
    })
}

/// A string or number; empty where the value is something else.
#[inline]
pub(super) fn scalar<'a>(json: &mut Json<'a>) -> Result<Text<'a>, Malformed> {
    json.value().map(|value| value.scalar().unwrap_or_default())
}

#[inline]
fn count(json: &mut Json<'_>) -> Result<Option<u64>, Malformed> {
    scalar(json).map(|text| literal::count(text.raw().as_bytes()))
}

fn bits(json: &mut Json<'_>) -> Result<Option<u8>, Malformed> {
    scalar(json).map(|text| u8::from_str_radix(text.raw(), 16).ok())
}

/// The outer VLAN, which comes first.
fn vlan(value: Value<'_>) -> Result<Option<u16>, Malformed> {
    let Value::Nested(tags) = value else {
        return Ok(value.scalar().and_then(|text| literal::port(text.raw().as_bytes())));
    };
    let mut outer = None;
    Json::new(tags).array(|json| {
        let tag = scalar(json)?;
        outer = outer.or(literal::port(tag.raw().as_bytes()));
        Ok(())
    })?;
    Ok(outer)
}

/// The protocol by the name that Suricata gives it, or by its number where it has no name for it.
fn protocol(name: &str) -> Option<Protocol> {
    Some(match name {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "ICMP" => Protocol::Icmp,
        "IPv6-ICMP" => Protocol::Icmpv6,
        "SCTP" => Protocol::Sctp,
        _ => {
            let named = PROTOCOLS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|&(_, number)| number);
            Protocol::from_number(named.or_else(|| name.parse().ok())?)
        }
    })
}

/// Assigned Internet Protocol Numbers (IANA) that are met beside TCP, UDP and ICMP.
const PROTOCOLS: [(&str, u8); 17] = [
    ("TCP", 6),
    ("UDP", 17),
    ("ICMP", 1),
    ("ICMPv6", 58),
    ("IGMP", 2),
    ("IP-ENCAP", 4),
    ("IPv4", 4),
    ("IPv6", 41),
    ("RSVP", 46),
    ("GRE", 47),
    ("ESP", 50),
    ("AH", 51),
    ("EIGRP", 88),
    ("OSPFIGP", 89),
    ("PIM", 103),
    ("VRRP", 112),
    ("L2TP", 115),
];

macro_rules! passed_over {
    ($($name:literal)+) => {
        &[$(($name, concat!($name, " events of EVE, which hold no flows"))),+]
    };
}

/// Suricata's other kinds of events.
const PASSED_OVER: &[(&str, &str)] = passed_over! {
    "anomaly" "arp" "bittorrent_dht" "dcerpc" "dhcp" "dnp3" "drop" "enip" "engine" "fileinfo" "frame" "ftp" "ftp_data"
    "ike" "krb5" "ldap" "metadata" "modbus" "mqtt" "nfs" "packetinfo" "pgsql" "pop3" "rdp" "rfb" "sip" "smb" "smtp"
    "snmp" "stats" "telnet" "template" "tftp" "websocket"
};

pub(super) const NO_TIME: &str = "no readable time";
