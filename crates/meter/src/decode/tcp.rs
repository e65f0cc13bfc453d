//! TCP headers (RFC 9293 s.3.1).

use super::{Direction, Packet, Skip, u16_at};

/// What the flow table needs of a TCP header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) window: u16,
    flags: u8,
}

impl Segment {
    pub(crate) fn fin(&self) -> bool {
        self.flags & FIN != 0
    }

    pub(crate) fn syn(&self) -> bool {
        self.flags & SYN != 0
    }

    pub(crate) fn rst(&self) -> bool {
        self.flags & RST != 0
    }

    pub(crate) fn ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// The flags from the lowest bit on: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR.
    pub(crate) fn bits(&self) -> u8 {
        self.flags
    }
}

#[inline]
pub(super) fn decode(mut packet: Packet, bytes: &[u8]) -> Result<Packet, Skip> {
    let Some(header): Option<&[u8; 20]> = bytes.first_chunk() else {
        return decode_ports(packet, bytes);
    };
    let header_bytes = u32::from(header[12] >> 4) * 4;
    if header_bytes < 20 || header_bytes > packet.payload_bytes {
        return Err(Skip::TransportBad);
    }
    let segment = Segment {
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        window: u16::from_be_bytes([header[14], header[15]]),
        flags: header[13],
    };
    packet.source_port = u16::from_be_bytes([header[0], header[1]]);
    packet.destination_port = u16::from_be_bytes([header[2], header[3]]);
    packet.header_bytes = header_bytes as u16;
    packet.payload_bytes -= header_bytes;
    packet.direction = match (segment.syn(), segment.ack()) {
        (true, false) => Direction::Call,
        (true, true) => Direction::Answer,
        (false, _) => Direction::Unknown,
    };
    packet.segment = Some(segment);
    Ok(packet)
}

/// A first fragment may end within the header, to hide its flags: the ports still tell whose it is.
fn decode_ports(packet: Packet, bytes: &[u8]) -> Result<Packet, Skip> {
    match (packet.fragment, u16_at(bytes, 0), u16_at(bytes, 2)) {
        (Some(_), Some(source_port), Some(destination_port)) => Ok(Packet { source_port, destination_port, ..packet }),
        _ => Err(Skip::TransportCut),
    }
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
