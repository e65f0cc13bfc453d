//! What is spoken: protocol, service and ports.

use super::{Feature, Value, number};
use crate::{Flow, Protocol};

pub(super) const FEATURES: &[Feature] = &[
    Feature {
        name: "protocol",
        unit: "category",
        meaning: "The protocol above IP, or arp.",
        value: Value::Category(
            || PROTOCOLS.iter().map(|&name| name.to_owned()).collect(),
            |flow| Some(protocol_position(flow.key.protocol)),
        ),
    },
    Feature {
        name: "service",
        unit: "category",
        meaning: "The service that the responder's port is known for; missing where it is known for none.",
        value: Value::Category(
            || SERVICES.iter().map(|&(name, _)| name.to_owned()).collect(),
            |flow| position(flow.key.responder.port).filter(|_| flow.key.protocol.has_ports()),
        ),
    },
    number("originator_port", "port", "Port of the originator; missing for protocols without ports.", |flow| {
        port(flow, flow.key.originator.port)
    }),
    number("responder_port", "port", "Port of the responder; missing for protocols without ports.", |flow| {
        port(flow, flow.key.responder.port)
    }),
];

/// The features that name a conversation rather than describe it.
pub(super) const IDENTITY: [&str; 2] = ["originator_port", "responder_port"];

/// The service that a port of TCP, UDP or SCTP is known for (IANA registry, and common use where it differs).
///
/// ```
/// assert_eq!(flow::features::ports::service(22), Some("ssh"));
/// assert_eq!(flow::features::ports::service(50_000), None);
/// ```
pub fn service(port: u16) -> Option<&'static str> {
    position(port).map(|position| SERVICES[position].0)
}

fn position(port: u16) -> Option<usize> {
    let position = POSITIONS[usize::from(port)];
    (position != NONE).then_some(usize::from(position))
}

fn port(flow: &Flow, port: u16) -> f32 {
    if flow.key.protocol.has_ports() { f32::from(port) } else { f32::NAN }
}

fn protocol_position(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Icmp => 2,
        Protocol::Icmpv6 => 3,
        Protocol::Sctp => 4,
        Protocol::Arp => 5,
        Protocol::Other(_) => 6,
    }
}

const PROTOCOLS: [&str; 7] = ["tcp", "udp", "icmp", "icmpv6", "sctp", "arp", "other"];

const SERVICES: &[(&str, &[u16])] = &[
    ("http", &[80, 591, 8000, 8008, 8080, 8081, 8888]),
    ("https", &[443, 8443]),
    ("dns", &[53]),
    ("mdns", &[5353]),
    ("llmnr", &[5355]),
    ("ntp", &[123]),
    ("dhcp", &[67, 68, 546, 547]),
    ("ssh", &[22]),
    ("telnet", &[23, 2323]),
    ("ftp", &[21]),
    ("ftp-data", &[20]),
    ("tftp", &[69]),
    ("smtp", &[25, 465, 587]),
    ("pop3", &[110, 995]),
    ("imap", &[143, 993]),
    ("whois", &[43]),
    ("kerberos", &[88, 464]),
    ("ldap", &[389, 636, 3268, 3269]),
    ("smb", &[445]),
    ("netbios", &[137, 138, 139]),
    ("msrpc", &[135, 593]),
    ("rdp", &[3389]),
    ("vnc", &[5900, 5901]),
    ("winrm", &[5985, 5986]),
    ("snmp", &[161, 162]),
    ("syslog", &[514, 6514]),
    ("ssdp", &[1900]),
    ("portmap", &[111]),
    ("nfs", &[2049]),
    ("chargen", &[19]),
    ("qotd", &[17]),
    ("memcached", &[11211]),
    ("isakmp", &[500, 4500]),
    ("sip", &[5060, 5061]),
    ("stun", &[3478]),
    ("mysql", &[3306]),
    ("mssql", &[1433, 1434]),
    ("oracle", &[1521]),
    ("postgresql", &[5432]),
    ("redis", &[6379]),
    ("mongodb", &[27017]),
    ("elasticsearch", &[9200, 9300]),
    ("mqtt", &[1883, 8883]),
    ("irc", &[6667, 6697]),
    ("print", &[515, 631, 9100]),
    ("coap", &[5683]),
    ("ws-discovery", &[3702]),
];

/// For each port the position of its service in `SERVICES`, or `NONE`: the meter asks once a flow.
static POSITIONS: [u8; 65536] = {
    let mut positions = [NONE; 65536];
    let mut service = 0;
    while service < SERVICES.len() {
        let ports = SERVICES[service].1;
        let mut port = 0;
        while port < ports.len() {
            positions[ports[port] as usize] = service as u8;
            port += 1;
        }
        service += 1;
    }
    positions
};
const NONE: u8 = u8::MAX;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_port_belongs_to_two_services() {
        let ports: Vec<u16> = SERVICES.iter().flat_map(|(_, ports)| ports.iter().copied()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
    }
}
