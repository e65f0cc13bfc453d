//! PPP (RFC 1661), its framing on serial lines (RFC 1662) and over Ethernet (RFC 2516), and Cisco's HDLC, which shares
//! its capture types.

use flow::TunnelKind;

use super::{MAX_LINKS, Packet, Scope, Skip, ethernet, ipv4, ipv6, mpls, u16_at};

/// A PPP frame, with the address and control bytes or without, or a Cisco HDLC frame.
pub(super) fn decode(bytes: &[u8], wire_bytes: u32, depth: usize) -> Result<Packet, Skip> {
    match bytes {
        [UNICAST | BROADCAST, 0, ..] => {
            let ethertype = u16_at(bytes, 2).ok_or(Skip::LinkCut)?;
            ethernet::payload(ethertype, bytes, 4, wire_bytes, depth)
        }
        [0xff, 0x03, rest @ ..] => Ok(protocol(rest, wire_bytes.saturating_sub(2), depth)?.behind(2)),
        _ => protocol(bytes, wire_bytes, depth),
    }
}

/// The session stage of PPP over Ethernet.
pub(super) fn session(bytes: &[u8], wire_bytes: u32, depth: usize) -> Result<Packet, Skip> {
    let header: &[u8; 6] = bytes.first_chunk().ok_or(Skip::LinkCut)?;
    let [version_and_type, code, id @ .., length0, length1] = *header;
    if (version_and_type, code) != (0x11, 0) {
        return Err(Skip::LinkBad);
    }
    let length = u32::from(u16::from_be_bytes([length0, length1]));
    let packet = protocol(&bytes[6..], wire_bytes.saturating_sub(6).min(length), depth)?.behind(6);
    let scope = Scope::of(TunnelKind::Pppoe, u16::from_be_bytes(id).into());
    Ok(Packet { scope: packet.scope.inside(scope), ..packet })
}

/// What follows the protocol field, which may be compressed to one byte: only the last one is odd.
fn protocol(bytes: &[u8], wire_bytes: u32, depth: usize) -> Result<Packet, Skip> {
    let first = *bytes.first().ok_or(Skip::LinkCut)?;
    let (number, offset) = if first & 1 == 1 { (first.into(), 1) } else { (u16_at(bytes, 0).ok_or(Skip::LinkCut)?, 2) };
    let rest = &bytes[offset..];
    let wire_bytes = wire_bytes.saturating_sub(offset as u32);
    let packet = match number {
        0x0021 => ipv4::decode(rest, wire_bytes),
        0x0057 => ipv6::decode(rest, wire_bytes),
        0x0281 | 0x0283 if depth < MAX_LINKS => mpls::decode(rest, wire_bytes, depth + 1),
        _ => Err(Skip::NotIp),
    }?;
    Ok(packet.behind(offset))
}

/// The two addresses of Cisco's HDLC, behind which comes an EtherType.
const UNICAST: u8 = 0x0f;
const BROADCAST: u8 = 0x8f;
