//! UDP (RFC 768) and the part of SCTP (RFC 9260 s.3.1) that looks like it: two ports at the start.

use flow::Protocol;

use super::{Packet, Skip, u16_at};

pub(super) fn decode(mut packet: Packet, bytes: &[u8]) -> Result<Packet, Skip> {
    let header_bytes = if packet.protocol == Protocol::Sctp { 12 } else { 8 };
    let (Some(source_port), Some(destination_port)) = (u16_at(bytes, 0), u16_at(bytes, 2)) else {
        return Err(Skip::TransportCut);
    };
    packet.payload_bytes = packet.payload_bytes.checked_sub(header_bytes).ok_or(Skip::TransportBad)?;
    packet.source_port = source_port;
    packet.destination_port = destination_port;
    packet.header_bytes = header_bytes as u16;
    Ok(packet)
}
