//! The identifier under which other tools know a conversation.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::{Key, Protocol};

/// The Community ID, version 1, of a conversation: the same for both directions, and the same in Zeek, Suricata, Arkime
/// and Wireshark (<https://github.com/corelight/community-id-spec>). Sites that share a `seed` other than 0 share
/// identifiers that no other site has.
///
/// `None` where there is none: ARP, and endpoints of different IP versions. It knows neither VLANs nor tunnels.
///
/// ```
/// use flow::{Endpoint, Key, Protocol, community_id};
/// let [client, server] = ["128.232.110.120", "66.35.250.204"].map(|address| address.parse().unwrap());
/// let [originator, responder] = [Endpoint::new(client, 34855), Endpoint::new(server, 80)];
/// let key = Key { originator, responder, protocol: Protocol::Tcp };
/// assert_eq!(community_id(&key, 0).unwrap(), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
/// ```
pub fn community_id(key: &Key, seed: u16) -> Option<String> {
    let protocol = key.protocol.number()?;
    let ports = Ports::of(key);
    let low_first = (key.originator.address, ports.originator) <= (key.responder.address, ports.responder);
    let is_in_order = low_first || ports.kind == PortKind::OneWay;
    let [low, high] = if is_in_order {
        [(key.originator.address, ports.originator), (key.responder.address, ports.responder)]
    } else {
        [(key.responder.address, ports.responder), (key.originator.address, ports.originator)]
    };
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    match (low.0, high.0) {
        (IpAddr::V4(low), IpAddr::V4(high)) => {
            hash.update(low.octets());
            hash.update(high.octets());
        }
        (IpAddr::V6(low), IpAddr::V6(high)) => {
            hash.update(low.octets());
            hash.update(high.octets());
        }
        _ => return None,
    }
    hash.update([protocol, 0]);
    if ports.kind != PortKind::Absent {
        hash.update(low.1.to_be_bytes());
        hash.update(high.1.to_be_bytes());
    }
    let mut id = String::with_capacity(2 + 28);
    id.push_str("1:");
    STANDARD.encode_string(hash.finalize(), &mut id);
    Some(id)
}

/// What stands for ports in the hash.
struct Ports {
    originator: u16,
    responder: u16,
    kind: PortKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PortKind {
    /// Each belongs to its endpoint.
    OfEndpoints,
    /// Type and code of a message that has no answer: they keep their order, and so do the endpoints.
    OneWay,
    Absent,
}

impl Ports {
    fn of(key: &Key) -> Ports {
        let [originator, responder] = [key.originator.port, key.responder.port];
        let pairs: &[(u16, u16)] = match key.protocol {
            Protocol::Icmp => &PAIRS,
            Protocol::Icmpv6 => &PAIRS6,
            Protocol::Tcp | Protocol::Udp | Protocol::Sctp => {
                return Ports { originator, responder, kind: PortKind::OfEndpoints };
            }
            Protocol::Arp | Protocol::Other(_) => return Ports { originator, responder, kind: PortKind::Absent },
        };
        let answers = |&(query, reply): &(u16, u16)| match originator {
            kind if kind == query => Some(reply),
            kind if kind == reply => Some(query),
            _ => None,
        };
        match pairs.iter().find_map(answers) {
            Some(responder) => Ports { originator, responder, kind: PortKind::OfEndpoints },
            None => Ports { originator, responder, kind: PortKind::OneWay },
        }
    }
}

/// ICMP types that answer each other: echo, timestamp, information, address mask, router.
const PAIRS: [(u16, u16); 5] = [(8, 0), (13, 14), (15, 16), (17, 18), (10, 9)];
/// Echo, listener, router, neighbour, node information, home agent.
const PAIRS6: [(u16, u16); 6] = [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;

    fn key(protocol: u8, from: (&str, u16), to: (&str, u16)) -> Key {
        let [originator, responder] = [from, to].map(|(address, port)| Endpoint::new(address.parse().unwrap(), port));
        Key { originator, responder, protocol: Protocol::from_number(protocol) }
    }

    /// The vectors that the specification publishes (baseline_deflt.json, baseline_seed1.json): protocol, endpoints with
    /// ports or type and counter-type or code, identifier with seed 0 and with seed 1.
    type Vector = (u8, (&'static str, u16), (&'static str, u16), &'static str, &'static str);
    const PUBLISHED: [Vector; 14] = [
        (
            58,
            ("fe80::200:86ff:fe05:80da", 135),
            ("fe80::260:97ff:fe07:69ea", 136),
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
            "1:kHa1FhMYIT6Ym2Vm2AOtoOARDzY=",
        ),
        (
            58,
            ("fe80::260:97ff:fe07:69ea", 135),
            ("fe80::200:86ff:fe05:80da", 136),
            "1:zavyT/cezQr1fmImYCwYnMXbgck=",
            "1:2hSqmsDZ2kdcY9kbiUzOEBic0iM=",
        ),
        (
            58,
            ("3ffe:501:1800:2345::2", 3),
            ("3ffe:507:0:1:200:86ff:fe05:80da", 0),
            "1:2ObVBgIn28oZvibYZhZMBgh7WdQ=",
            "1:lVEtCZpYu84Xqaa++3lXFyuu2n4=",
        ),
        (
            58,
            ("3ffe:501:410:0:2c0:dfff:fe47:33e", 1),
            ("3ffe:507:0:1:200:86ff:fe05:80da", 4),
            "1:hLZd0XGWojozrvxqE0dWB1iM6R0=",
            "1:W8MHwXpWzpoSTD+cGcaJr4u0ys8=",
        ),
        (
            58,
            ("3ffe:507:0:1:200:86ff:fe05:80da", 128),
            ("3ffe:501:0:1001::2", 129),
            "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg=",
            "1:GfZxjAkDk2MkegpBYHV6tadtFXQ=",
        ),
        (
            58,
            ("fe80::200:86ff:fe05:80da", 133),
            ("ff02::2", 134),
            "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0=",
            "1:L7Ka0ZMYu+J3bL4ulW2PrqyXNo8=",
        ),
        (
            58,
            ("fe80::260:97ff:fe07:69ea", 134),
            ("ff02::1", 133),
            "1:pkvHqCL88/tg1k4cPigmZXUtL00=",
            "1:K/ee5UCqAMAQXDorP5nSa2CGLjc=",
        ),
        (
            1,
            ("192.168.0.89", 8),
            ("192.168.0.1", 0),
            "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=",
            "1:03g6IloqVBdcZlPyX8r0hgoE7kA=",
        ),
        (1, ("10.0.0.1", 11), ("10.0.0.2", 0), "1:YHxtAirCG//0OzkcVAukqKQN9xM=", "1:XjUibYHaafLQ3pxQeiMI8g25q20="),
        (
            6,
            ("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
            ("2607:f8b0:400c:c03::1a", 25),
            "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            "1:eJYTW6AOzFLlSUoESovMjnu7rMw=",
        ),
        (
            132,
            ("192.168.170.8", 7),
            ("192.168.170.56", 7),
            "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=",
            "1:5w3ZRjeKBzqT3zsaEECDGjUbYeg=",
        ),
        (
            6,
            ("128.232.110.120", 34855),
            ("66.35.250.204", 80),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
            "1:3V71V58M3Ksw/yuFALMcW0LAHvc=",
        ),
        (
            17,
            ("192.168.1.52", 54585),
            ("8.8.8.8", 53),
            "1:d/FP5EW3wiY1vCndhwleRRKHowQ=",
            "1:Q9We8WO3piVF8yEQBNJF4uiSVrI=",
        ),
        (46, ("10.1.12.1", 0), ("10.1.12.2", 0), "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=", "1:rYir8gphR31noO9iDRQmF/BteEI="),
    ];

    #[test]
    fn identifiers_are_those_published() {
        for (protocol, from, to, id, seeded) in PUBLISHED {
            let key = key(protocol, from, to);
            assert_eq!([community_id(&key, 0), community_id(&key, 1)], [id, seeded].map(|id| Some(id.to_owned())));
        }
    }

    #[test]
    fn both_directions_have_one_identifier_unless_there_is_no_way_back() {
        for (protocol, from, to, id, _) in PUBLISHED {
            let is_one_way = matches!((protocol, from.1), (1, 11) | (58, 1 | 3));
            assert_eq!(community_id(&key(protocol, to, from), 0).unwrap() == id, !is_one_way, "{from:?}");
        }
    }

    #[test]
    fn a_ping_over_ipv6_has_the_identifier_of_its_types_though_its_key_tells_a_code() {
        let (protocol, from, to, id, _) = PUBLISHED[4];
        assert_eq!(community_id(&key(protocol, from, (to.0, 0)), 0).unwrap(), id);
    }

    #[test]
    fn arp_and_endpoints_of_two_ip_versions_have_none() {
        let mixed = key(6, ("10.0.0.1", 1), ("::1", 2));
        assert_eq!(community_id(&mixed, 0), None);
        assert_eq!(community_id(&Key { protocol: Protocol::Arp, ..key(6, ("10.0.0.1", 1), ("10.0.0.2", 2)) }, 0), None);
    }
}
