//! Geneve (RFC 8926).

use flow::TunnelKind;

use super::{Carried, Inner, Payload, Scope};
use crate::decode::ethernet;

pub(super) fn open<'a>(payload: &Payload<'a>) -> Option<Inner<'a>> {
    let &[lengths, flags, type0, type1, vni0, vni1, vni2, reserved] = payload.bytes.first_chunk()?;
    let is_version_0 = lengths >> 6 == 0;
    // Of the flags only "critical options" may stand with data; control messages carry no packet.
    if !is_version_0 || flags & !CRITICAL != 0 || reserved != 0 {
        return None;
    }
    let carried = match u16::from_be_bytes([type0, type1]) {
        TRANSPARENT_ETHERNET => Carried::Ethernet,
        ethernet::IPV4 => Carried::Ipv4,
        ethernet::IPV6 => Carried::Ipv6,
        _ => return None,
    };
    let header_bytes = 8 + usize::from(lengths & 0x3f) * 4;
    let options = payload.bytes.get(8..header_bytes)?;
    if !are_options(options) {
        return None;
    }
    let vni = u32::from_be_bytes([0, vni0, vni1, vni2]);
    payload.inner(header_bytes, carried, Scope::of(TunnelKind::Geneve, vni))
}

/// Whether the options fill their room exactly, with their reserved bits 0 (s.3.5).
fn are_options(mut bytes: &[u8]) -> bool {
    while let [_, _, _, length, ..] = bytes {
        match bytes.get(4 + usize::from(length & 0x1f) * 4..) {
            Some(rest) if length & 0xe0 == 0 => bytes = rest,
            _ => return false,
        }
    }
    bytes.is_empty()
}

const CRITICAL: u8 = 0x40;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
