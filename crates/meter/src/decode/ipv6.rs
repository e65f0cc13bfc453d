//! IPv6 (RFC 8200) and the extension headers before the transport.

use flow::Protocol;

use super::{Fragment, Packet, Skip, ip, u16_at, u32_at};

pub(super) fn decode(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let header: &[u8; 40] = bytes.first_chunk().ok_or(Skip::IpCut)?;
    if header[0] >> 4 != 6 {
        return Err(Skip::IpBad);
    }
    // A payload length of 0 means a jumbogram (RFC 2675) or segmentation offload: only the wire knows.
    let payload_bytes = match u32::from(u16::from_be_bytes([header[4], header[5]])) {
        0 if header[6] != NO_NEXT_HEADER => wire_bytes.saturating_sub(40),
        payload => payload,
    };
    if payload_bytes + 40 > wire_bytes {
        return Err(Skip::IpShort);
    }
    let address =
        |at: usize| -> u128 { header[at..at + 16].iter().fold(0, |address, byte| address << 8 | u128::from(*byte)) };
    let mut packet = Packet::new(address(8), address(24), Protocol::Other(0), payload_bytes + 40);
    let (mut next, mut offset) = (header[6], 40);
    for _ in 0..MAX_EXTENSIONS {
        let length = match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY => {
                8 + usize::from(*bytes.get(offset + 1).ok_or(Skip::ExtensionBad)?) * 8
            }
            AUTHENTICATION => 8 + usize::from(*bytes.get(offset + 1).ok_or(Skip::ExtensionBad)?) * 4,
            FRAGMENT => {
                let field = u16_at(bytes, offset + 2).ok_or(Skip::ExtensionBad)?;
                let identification = u32_at(bytes, offset + 4).ok_or(Skip::ExtensionBad)?;
                // An "atomic" fragment, first and last at once (RFC 6946), is a whole packet.
                if field & 0xfff9 != 0 {
                    let (offset, more) = (u32::from(field & 0xfff8), field & 1 != 0);
                    let is_first = offset == 0;
                    packet.fragment = Some(Fragment { identification, is_first, offset, more, is_wrong: false });
                }
                8
            }
            _ => {
                packet.protocol = Protocol::from_number(next);
                packet.transport_at = offset as u16;
                let carried_bytes = (payload_bytes + 40).checked_sub(offset as u32).ok_or(Skip::ExtensionBad)?;
                let carried = bytes.get(offset..).ok_or(Skip::ExtensionBad)?;
                return ip::transport(packet, carried, carried_bytes);
            }
        };
        next = *bytes.get(offset).ok_or(Skip::ExtensionBad)?;
        offset += length;
        // Behind the header of a later fragment comes data, not another header.
        if packet.fragment.is_some_and(|fragment| !fragment.is_first) {
            packet.protocol = Protocol::from_number(next);
            packet.transport_at = offset as u16;
            let carried_bytes = (payload_bytes + 40).checked_sub(offset as u32).ok_or(Skip::ExtensionBad)?;
            return ip::transport(packet, &[], carried_bytes);
        }
    }
    Err(Skip::ExtensionBad)
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
/// RFC 8200 s.4.1 has each header at most once or twice.
const MAX_EXTENSIONS: usize = 12;
