//! GRE (RFC 2784, RFC 2890), and what is sent over it: Ethernet (NVGRE, RFC 7637), mirrored frames (ERSPAN,
//! draft-foschiano-erspan) and PPP (version 1, RFC 2637).

use flow::TunnelKind;

use super::{Carried, Inner, Payload, Scope};
use crate::decode::{Skip, UNTOLD_BYTES, ethernet, u16_at, u32_at};

pub(super) fn open<'a>(payload: &Payload<'a>) -> Option<Inner<'a>> {
    let scope = Scope::of(TunnelKind::Gre, 0);
    let (Some(flags), Some(protocol)) = (u16_at(payload.bytes, 0), u16_at(payload.bytes, 2)) else {
        return payload.inner(4, Carried::Unreadable(Skip::LinkBad), scope);
    };
    if protocol == KEEPALIVE {
        return None;
    }
    let length = |flag: u16| if flags & flag != 0 { 4 } else { 0 };
    match flags & VERSION {
        1 if protocol == PPP => {
            let is_data = flags & SEQUENCE != 0;
            let header_bytes = 8 + length(SEQUENCE) + length(ACKNOWLEDGEMENT);
            if is_data { payload.inner(header_bytes, Carried::Ppp, scope) } else { None }
        }
        // Source routes were withdrawn: who meets one must let the packet go.
        0 if flags & (ROUTING | STRICT_ROUTE | RECURSION) == 0 => {
            let key_at = 4 + length(CHECKSUM);
            let key = if flags & KEY == 0 { Some(0) } else { u32_at(payload.bytes, key_at) };
            let Some(key) = key else {
                return payload.inner(4, Carried::Unreadable(Skip::LinkBad), scope);
            };
            let header_bytes = key_at + length(KEY) + length(SEQUENCE);
            version_0(payload, flags, protocol, key, header_bytes)
        }
        _ => payload.inner(4, Carried::Unreadable(Skip::LinkBad), scope),
    }
}

fn version_0<'a>(payload: &Payload<'a>, flags: u16, protocol: u16, key: u32, header_bytes: usize) -> Option<Inner<'a>> {
    let scope = Scope::of(TunnelKind::Gre, key);
    match protocol {
        ethernet::IPV4 | ethernet::IPV6 | ethernet::MPLS | ethernet::MPLS_UPSTREAM => {
            payload.inner(header_bytes, Carried::Ethertype(protocol), scope)
        }
        TRANSPARENT_ETHERNET => {
            // The lower eight bits of NVGRE's key spread load; its networks start at 0x1000 (s.3.2).
            let is_nvgre = flags & (CHECKSUM | SEQUENCE) == 0 && key >> 20 != 0;
            let network = if is_nvgre { key >> 8 } else { key };
            payload.inner(header_bytes, Carried::Ethernet, Scope::of(TunnelKind::Gre, network))
        }
        // Type I has no header of its own; it and no other goes without sequence numbers.
        ERSPAN if flags & SEQUENCE == 0 => {
            payload.inner(header_bytes, Carried::Ethernet, Scope::of(TunnelKind::Erspan, 0))
        }
        ERSPAN => mirrored(payload, header_bytes, 1),
        ERSPAN_3 => mirrored(payload, header_bytes, 2),
        _ => payload.inner(header_bytes, Carried::Unreadable(Skip::NotIp), scope),
    }
}

/// A mirrored frame behind ERSPAN's own header, of type II (version 1) or III (version 2).
fn mirrored<'a>(payload: &Payload<'a>, at: usize, version: u32) -> Option<Inner<'a>> {
    let unreadable = |skip| payload.inner(at, Carried::Unreadable(skip), Scope::of(TunnelKind::Erspan, 0));
    let Some(word) = u32_at(payload.bytes, at) else { return unreadable(Skip::LinkBad) };
    if word >> 28 != version {
        return unreadable(Skip::LinkBad);
    }
    let mut header_bytes = 8;
    if version == 2 {
        let Some(kind) = u16_at(payload.bytes, at + 10) else { return unreadable(Skip::LinkBad) };
        // What follows may be another kind of frame than Ethernet, and a header of the platform may stand before it.
        if kind >> 10 & 0x1f != 0 {
            return unreadable(Skip::NotIp);
        }
        header_bytes = if kind & 1 == 0 { 12 } else { 20 };
    }
    let is_cut = word & TRUNCATED != 0;
    let session = word & 0x3ff;
    let inner = payload.inner(at + header_bytes, Carried::Ethernet, Scope::of(TunnelKind::Erspan, session))?;
    Some(if is_cut { Inner { wire_bytes: UNTOLD_BYTES, ..inner } } else { inner })
}

/// Of an ERSPAN header: the mirror kept only the head of the frame.
const TRUNCATED: u32 = 0x400;
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const STRICT_ROUTE: u16 = 0x0800;
const RECURSION: u16 = 0x0700;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;
/// Cisco's keepalive announces no protocol, because nothing follows.
const KEEPALIVE: u16 = 0;
const PPP: u16 = 0x880b;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;
