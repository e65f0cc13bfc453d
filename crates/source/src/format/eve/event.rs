//! One event: the members that are wanted.

use std::net::IpAddr;

use flow::{Endpoint, Key, Notice, Protocol, Time};

use super::nested;
use crate::format::json::{Json, Malformed, Order, Text, Value};
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

/// The order of the members of events.
pub(super) struct Orders {
    event: Order<Member>,
    flow: Order<Count>,
    netflow: Order<Count>,
    tcp: Order<FlagsOf>,
}

/// A member of an event.
#[derive(Clone, Copy)]
enum Member {
    Timestamp,
    FlowId,
    EventType,
    SourceAddress,
    SourcePort,
    DestinationAddress,
    DestinationPort,
    Protocol,
    IcmpType,
    IcmpCode,
    AppProto,
    Direction,
    Vlan,
    Flow,
    Netflow,
    Tcp,
    Tunnel,
    Nested(Nested),
    Other,
}

/// A member of a `flow` or `netflow` object.
#[derive(Clone, Copy)]
enum Count {
    PacketsToServer,
    BytesToServer,
    PacketsToClient,
    BytesToClient,
    Packets,
    Bytes,
    Start,
    End,
    State,
    Reason,
    SourceAddress,
    SourcePort,
    DestinationAddress,
    DestinationPort,
    Other,
}

/// A member of a `tcp` object.
#[derive(Clone, Copy)]
enum FlagsOf {
    Any,
    ToServer,
    ToClient,
    Other,
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
    pub(super) fn read(&mut self, text: &'a str, orders: &mut Orders) -> Result<(), Malformed> {
        let event = self;
        let mut json = Json::new(text);
        // Alerts carry the objects of applications too, so each kind must find its own.
        let mut objects = [""; 7];
        json.object_in(&mut orders.event, |json, member| {
            match member {
                Member::Timestamp => event.timestamp = scalar(json)?,
                Member::FlowId => event.flow_id = scalar(json)?,
                Member::EventType => event.kind = scalar(json)?,
                Member::SourceAddress => event.source.address = scalar(json)?,
                Member::SourcePort => event.source.port = scalar(json)?,
                Member::DestinationAddress => event.destination.address = scalar(json)?,
                Member::DestinationPort => event.destination.port = scalar(json)?,
                Member::Protocol => event.protocol = scalar(json)?,
                Member::IcmpType => event.icmp_type = scalar(json)?,
                Member::IcmpCode => event.icmp_code = scalar(json)?,
                Member::AppProto => event.app_proto = scalar(json)?,
                Member::Direction => event.direction = scalar(json)?,
                Member::Vlan => event.vlan = vlan(json.value()?)?,
                Member::Flow if json.is_at_object() => event.flow.read(json, &mut orders.flow)?,
                Member::Netflow if json.is_at_object() => event.netflow.read(json, &mut orders.netflow)?,
                Member::Tcp if json.is_at_object() => event.tcp.read(json, &mut orders.tcp)?,
                Member::Tunnel => {
                    json.skip()?;
                    event.is_inside_tunnel = true;
                }
                Member::Nested(nested) => {
                    if let Value::Nested(object) = json.value()? {
                        objects[nested as usize] = object;
                    }
                }
                Member::Flow | Member::Netflow | Member::Tcp | Member::Other => json.skip()?,
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
    fn read(&mut self, json: &mut Json<'a>, order: &mut Order<Count>) -> Result<(), Malformed> {
        let counts = self;
        json.object_in(order, |json, member| {
            match member {
                Count::PacketsToServer => counts.to_server[0] = count(json)?,
                Count::BytesToServer => counts.to_server[1] = count(json)?,
                Count::PacketsToClient => counts.to_client[0] = count(json)?,
                Count::BytesToClient => counts.to_client[1] = count(json)?,
                Count::Packets => counts.one_way[0] = count(json)?,
                Count::Bytes => counts.one_way[1] = count(json)?,
                Count::Start => counts.start = scalar(json)?,
                Count::End => counts.end = scalar(json)?,
                Count::State => counts.state = scalar(json)?,
                Count::Reason => counts.reason = scalar(json)?,
                Count::SourceAddress => counts.source.address = scalar(json)?,
                Count::SourcePort => counts.source.port = scalar(json)?,
                Count::DestinationAddress => counts.destination.address = scalar(json)?,
                Count::DestinationPort => counts.destination.port = scalar(json)?,
                Count::Other => json.skip()?,
            }
            Ok(())
        })
    }

    pub(super) fn time(&self, text: Text<'_>) -> Option<Time> {
        literal::date_time(text.get().as_bytes())
    }
}

impl TcpFlags {
    fn read(&mut self, json: &mut Json<'_>, order: &mut Order<FlagsOf>) -> Result<(), Malformed> {
        let flags = self;
        json.object_in(order, |json, member| {
            match member {
                FlagsOf::Any => flags.any = bits(json)?,
                FlagsOf::ToServer => flags.to_server = bits(json)?,
                FlagsOf::ToClient => flags.to_client = bits(json)?,
                FlagsOf::Other => json.skip()?,
            }
            Ok(())
        })
    }
}

impl Default for Orders {
    fn default() -> Orders {
        Orders {
            event: Order::new(Member::of),
            flow: Order::new(Count::of),
            netflow: Order::new(Count::of),
            tcp: Order::new(|name| match name {
                "tcp_flags" => FlagsOf::Any,
                "tcp_flags_ts" => FlagsOf::ToServer,
                "tcp_flags_tc" => FlagsOf::ToClient,
                _ => FlagsOf::Other,
            }),
        }
    }
}

impl Member {
    fn of(name: &str) -> Member {
        match name {
            "timestamp" => Member::Timestamp,
            "flow_id" => Member::FlowId,
            "event_type" => Member::EventType,
            "src_ip" => Member::SourceAddress,
            "src_port" => Member::SourcePort,
            "dest_ip" => Member::DestinationAddress,
            "dest_port" => Member::DestinationPort,
            "proto" => Member::Protocol,
            "icmp_type" => Member::IcmpType,
            "icmp_code" => Member::IcmpCode,
            "app_proto" => Member::AppProto,
            "direction" => Member::Direction,
            "vlan" => Member::Vlan,
            "flow" => Member::Flow,
            "netflow" => Member::Netflow,
            "tcp" => Member::Tcp,
            "parent_id" | "tunnel" => Member::Tunnel,
            _ => Nested::of(name).map_or(Member::Other, Member::Nested),
        }
    }
}

impl Count {
    fn of(name: &str) -> Count {
        match name {
            "pkts_toserver" => Count::PacketsToServer,
            "bytes_toserver" => Count::BytesToServer,
            "pkts_toclient" => Count::PacketsToClient,
            "bytes_toclient" => Count::BytesToClient,
            "pkts" => Count::Packets,
            "bytes" => Count::Bytes,
            "start" => Count::Start,
            "end" => Count::End,
            "state" => Count::State,
            "reason" => Count::Reason,
            "src_ip" => Count::SourceAddress,
            "src_port" => Count::SourcePort,
            "dest_ip" => Count::DestinationAddress,
            "dest_port" => Count::DestinationPort,
            _ => Count::Other,
        }
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
    match json.whole() {
        Some(count) => Ok(Some(count)),
        None => scalar(json).map(|text| literal::count(text.raw().as_bytes())),
    }
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
