//! IPv4 (RFC 791).

use flow::Protocol;

use super::arp::mapped;
use super::{Fragment, Packet, Skip, ip};

#[inline]
pub(super) fn decode(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let header: &[u8; 20] = bytes.first_chunk().ok_or(Skip::IpCut)?;
    let header_bytes = u32::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_bytes < 20 {
        return Err(Skip::IpBad);
    }
    // Segmentation offload leaves a total length of 0 in packets captured on the sending host.
    let total_bytes = match u32::from(u16::from_be_bytes([header[2], header[3]])) {
        0 => wire_bytes,
        total => total,
    };
    if total_bytes < header_bytes {
        return Err(Skip::IpBad);
    }
    if total_bytes > wire_bytes {
        return Err(Skip::IpShort);
    }
    let source = u32::from_be_bytes([header[12], header[13], header[14], header[15]]);
    let destination = u32::from_be_bytes([header[16], header[17], header[18], header[19]]);
    let protocol = Protocol::from_number(header[9]);
    let mut packet = Packet::new(mapped(source), mapped(destination), protocol, total_bytes);
    packet.transport_at = header_bytes as u16;
    let fragmentation = u16::from_be_bytes([header[6], header[7]]);
    let (more, offset) = (fragmentation & 0x2000 != 0, fragmentation & 0x1fff);
    if more || offset != 0 {
        let identification = u32::from_be_bytes([0, header[9], header[4], header[5]]);
        let offset = u32::from(offset) * 8;
        packet.fragment = Some(Fragment { identification, is_first: offset == 0, offset, more, is_wrong: false });
    }
    let carried = bytes.get(header_bytes as usize..).ok_or(Skip::IpCut)?;
    ip::transport(packet, carried, total_bytes - header_bytes)
}
