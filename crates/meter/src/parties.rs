//! Between whom a packet goes, for those who look for the packets of flows that they know.

use std::net::{IpAddr, Ipv6Addr};

use flow::{Endpoint, Key, Protocol, Time};

use crate::decode::{self, Link, Packet, Skip, tunnel};

/// The two ends of a conversation, whichever of them opened it, and what they speak: the same for its flows and for the
/// packets of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Parties {
    ends: [Endpoint; 2],
    protocol: Protocol,
}

impl Parties {
    /// Those of a flow.
    pub fn of(key: &Key) -> Parties {
        let ends = [key.originator, key.responder];
        Parties { ends: [ends[0].min(ends[1]), ends[0].max(ends[1])], protocol: key.protocol }
    }

    /// The same without ports, which an IP fragment after the first does not tell.
    pub fn without_ports(self) -> Parties {
        let [one, other] = self.ends.map(|end| Endpoint::new(end.address, 0));
        Parties { ends: [one.min(other), one.max(other)], protocol: self.protocol }
    }

    fn of_packet(packet: &Packet) -> Parties {
        let end = |address, port| Endpoint::new(canonical(address), port);
        let originator = end(packet.source, packet.source_port);
        let responder = end(packet.destination, packet.destination_port);
        Parties::of(&Key { originator, responder, protocol: packet.protocol })
    }
}

/// Whether a packet, or one inside it where it is of a tunnel, is wanted by its parties; `is_fragment` says of a packet
/// that it is an IP fragment after the first, whose parties have no ports. Fails where the packet cannot be read.
pub fn is_wanted(
    link: Link,
    captured: &[u8],
    wire_bytes: u32,
    wanted: impl Fn(Parties, bool) -> bool,
) -> Result<bool, Skip> {
    let is_wanted = |packet: &Packet| {
        let is_fragment = packet.fragment.is_some_and(|fragment| !fragment.is_first);
        wanted(Parties::of_packet(packet), is_fragment)
    };
    let packet = decode::decode(link, Time::MIN, captured, wire_bytes)?;
    if is_wanted(&packet) {
        return Ok(true);
    }
    let mut next = tunnel::open(&packet, captured);
    for _ in 0..tunnel::MAX_TUNNELS {
        let Some(inner) = next else { break };
        // One that cannot be read is in no flow.
        let Ok(packet) = inner.decode(Time::MIN) else { break };
        if is_wanted(&packet) {
            return Ok(true);
        }
        next = tunnel::open(&packet, inner.bytes());
    }
    Ok(false)
}

fn canonical(address: u128) -> IpAddr {
    Ipv6Addr::from_bits(address).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint::new([10, 0, 0, last].into(), port)
    }

    /// An IPv4 packet from 10.0.0.1 to 10.0.0.2, or the other way.
    fn ipv4(back: bool, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
        let (from, to) = if back { (2, 1) } else { (1, 2) };
        let length = (20 + payload.len() as u16).to_be_bytes();
        let [high, low] = fragment.to_be_bytes();
        let header = [0x45, 0, length[0], length[1], 0, 7, high, low, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to];
        [&header[..], payload].concat()
    }

    fn parties(bytes: &[u8]) -> Vec<(Parties, bool)> {
        let seen = std::cell::RefCell::new(Vec::new());
        let note = |parties, is_fragment| {
            seen.borrow_mut().push((parties, is_fragment));
            false
        };
        assert_eq!(is_wanted(Link::Ip, bytes, bytes.len() as u32, note), Ok(false));
        seen.into_inner()
    }

    #[test]
    fn both_directions_and_their_flow_have_the_same_parties() {
        let key = Key { originator: end(1, 50_000), responder: end(2, 53), protocol: Protocol::Udp };
        let datagram = |from: u16, to: u16| {
            let (from, to) = (from.to_be_bytes(), to.to_be_bytes());
            [from[0], from[1], to[0], to[1], 0, 8, 0, 0]
        };
        assert_eq!(parties(&ipv4(false, 17, 0, &datagram(50_000, 53))), [(Parties::of(&key), false)]);
        assert_eq!(parties(&ipv4(true, 17, 0, &datagram(53, 50_000))), [(Parties::of(&key), false)]);
        let ping = Key { originator: end(1, 8), responder: end(2, 0), protocol: Protocol::Icmp };
        assert_eq!(parties(&ipv4(false, 1, 0, &[8, 0, 0, 0, 0, 0, 0, 1])), [(Parties::of(&ping), false)]);
        assert_eq!(parties(&ipv4(true, 1, 0, &[0, 0, 0, 0, 0, 0, 0, 1])), [(Parties::of(&ping), false)]);
    }

    #[test]
    fn a_fragment_after_the_first_has_the_parties_without_ports() {
        let key = Key { originator: end(1, 50_000), responder: end(2, 53), protocol: Protocol::Udp };
        assert_eq!(parties(&ipv4(true, 17, 100, &[1; 16])), [(Parties::of(&key).without_ports(), true)]);
    }

    #[test]
    fn a_packet_in_a_tunnel_is_found_beside_the_one_around_it() {
        let inner = ipv4(false, 1, 0, &[8, 0, 0, 0, 0, 0, 0, 1]);
        let found = parties(&ipv4(true, 4, 0, &inner));
        let outer = Key { originator: end(1, 0), responder: end(2, 0), protocol: Protocol::Other(4) };
        let ping = Key { originator: end(1, 8), responder: end(2, 0), protocol: Protocol::Icmp };
        assert_eq!(found, [(Parties::of(&outer), false), (Parties::of(&ping), false)]);
    }
}
