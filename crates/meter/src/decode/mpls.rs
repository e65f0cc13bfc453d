//! MPLS label stacks (RFC 3032). Nothing says what lies below: an IP packet by its version, or else the Ethernet frame
//! of a pseudowire (RFC 4448), with a control word (RFC 4385) or without. A frame is believed only where the packet
//! within is whole.

use flow::TunnelKind;

use super::{Packet, Scope, Skip, ethernet, ip, u32_at};

pub(super) fn decode(bytes: &[u8], wire_bytes: u32, depth: usize) -> Result<Packet, Skip> {
    let (label, offset) = bottom(bytes)?;
    let rest = &bytes[offset..];
    let packet = carried(rest, wire_bytes.saturating_sub(offset as u32), depth)?.behind(offset);
    Ok(Packet { scope: packet.scope.inside(Scope::of(TunnelKind::Mpls, label)), ..packet })
}

/// The innermost label that names a network or a path, and where the stack ends.
fn bottom(bytes: &[u8]) -> Result<(u32, usize), Skip> {
    let mut innermost = 0;
    let mut is_entropy = false;
    for position in 0..MAX_LABELS {
        let entry = u32_at(bytes, position * 4).ok_or(Skip::LinkCut)?;
        let label = entry >> 12;
        if label > LAST_SPECIAL_LABEL && !is_entropy {
            innermost = label;
        }
        is_entropy = label == ENTROPY_INDICATOR && !is_entropy;
        if entry & BOTTOM_OF_STACK != 0 {
            return Ok((innermost, position * 4 + 4));
        }
    }
    Err(Skip::LinkBad)
}

fn carried(bytes: &[u8], wire_bytes: u32, depth: usize) -> Result<Packet, Skip> {
    let version = bytes.first().ok_or(Skip::IpCut)? >> 4;
    let packet = if matches!(version, 4 | 6) { ip::decode(bytes, wire_bytes) } else { Err(Skip::NotIp) };
    if packet.is_ok_and(|packet| packet.bytes == wire_bytes) {
        return packet;
    }
    // A station's address may start with a 4 or a 6 too, and with a 0 as a control word does. A packet that does not
    // fill its room was padded, or is such an address.
    let offsets = if version == 0 { &[4, 0][..] } else { &[0] };
    offsets.iter().find_map(|&offset| frame(bytes, offset, wire_bytes, depth)).map_or(packet, Ok)
}

/// The packet in the frame at `offset`, where it is one.
fn frame(bytes: &[u8], offset: usize, wire_bytes: u32, depth: usize) -> Option<Packet> {
    let frame = ethernet::decode(bytes.get(offset..)?, wire_bytes.saturating_sub(offset as u32), depth);
    Some(frame.ok()?.behind(offset))
}

const BOTTOM_OF_STACK: u32 = 0x100;
/// RFC 6790: the label after this one spreads load and names nothing.
const ENTROPY_INDICATOR: u32 = 7;
/// RFC 7274 s.3.
const LAST_SPECIAL_LABEL: u32 = 15;
/// Segment routing goes to some ten.
const MAX_LABELS: usize = 16;
