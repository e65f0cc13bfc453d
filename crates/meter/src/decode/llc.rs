//! IEEE 802.2 logical link control: IP behind a SNAP header (RFC 1042), or straight behind it (RFC 948).

use super::{Packet, Skip, ethernet, ipv4, u16_at};

pub(super) fn decode(bytes: &[u8], wire_bytes: u32, depth: usize) -> Result<Packet, Skip> {
    match bytes {
        // The two organisations whose protocol numbers are EtherTypes: Xerox, and bridges (IEEE 802.1H).
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, ..] => {
            let ethertype = u16_at(bytes, 6).ok_or(Skip::LinkCut)?;
            ethernet::payload(ethertype, bytes, 8, wire_bytes, depth)
        }
        [0x06, 0x06, 0x03, rest @ ..] => Ok(ipv4::decode(rest, wire_bytes.saturating_sub(3))?.behind(3)),
        [0xaa, 0xaa, 0x03, rest @ ..] if rest.len() < 5 => Err(Skip::LinkCut),
        [_, _, _, ..] => Err(Skip::NotIp),
        _ => Err(Skip::LinkCut),
    }
}
