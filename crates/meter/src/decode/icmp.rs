//! ICMP (RFC 792) and ICMPv6 (RFC 4443). Type and code stand where other protocols have ports, seen from the
//! originator: a reply carries the type of its query, so that both are one conversation.

use flow::Protocol;

use super::{Direction, Packet, Skip};

pub(super) fn decode(mut packet: Packet, bytes: &[u8]) -> Result<Packet, Skip> {
    let &[kind, code] = bytes.first_chunk().ok_or(Skip::TransportCut)?;
    packet.payload_bytes = packet.payload_bytes.checked_sub(HEADER_BYTES).ok_or(Skip::TransportBad)?;
    packet.header_bytes = HEADER_BYTES as u16;
    let pairs: &[(u8, u8)] = if packet.protocol == Protocol::Icmp { &PAIRS } else { &PAIRS6 };
    for &(query, reply) in pairs {
        if kind == query {
            packet.direction = Direction::Call;
        } else if kind == reply {
            packet.direction = Direction::Answer;
        } else {
            continue;
        }
        let code = u16::from(code);
        let is_call = packet.direction == Direction::Call;
        (packet.source_port, packet.destination_port) =
            if is_call { (query.into(), code) } else { (code, query.into()) };
        return Ok(packet);
    }
    packet.direction = Direction::Call;
    (packet.source_port, packet.destination_port) = (kind.into(), code.into());
    Ok(packet)
}

const HEADER_BYTES: u32 = 8;
/// Query and reply: echo, timestamp, information, address mask, router.
const PAIRS: [(u8, u8); 5] = [(8, 0), (13, 14), (15, 16), (17, 18), (10, 9)];
/// Query and reply: echo, listener, router, neighbour, node information, home agent.
const PAIRS6: [(u8, u8); 6] = [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];
