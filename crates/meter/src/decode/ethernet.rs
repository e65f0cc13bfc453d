//! Ethernet II and IEEE 802.3 frames, and what an EtherType announces.

use super::{MAX_LINKS, Packet, Skip, arp, ipv4, ipv6, llc, mpls, ppp, u16_at, vlan};

/// Reads a frame; `depth` link headers lie around it.
#[inline]
pub(super) fn decode(bytes: &[u8], wire_bytes: u32, depth: usize) -> Result<Packet, Skip> {
    let ethertype = u16_at(bytes, 12).ok_or(Skip::LinkCut)?;
    payload(ethertype, bytes, 14, wire_bytes, depth)
}

/// What follows an EtherType; `offset` is where.
#[inline]
pub(super) fn payload(
    ethertype: u16,
    bytes: &[u8],
    offset: usize,
    wire_bytes: u32,
    depth: usize,
) -> Result<Packet, Skip> {
    let (ethertype, offset, vlan) = vlan::skip_tags(ethertype, bytes, offset)?;
    let rest = bytes.get(offset..).ok_or(Skip::LinkCut)?;
    let wire_bytes = wire_bytes.saturating_sub(offset as u32);
    let packet = match ethertype {
        IPV4 => ipv4::decode(rest, wire_bytes),
        IPV6 => ipv6::decode(rest, wire_bytes),
        ARP => arp::decode(rest),
        _ => within(ethertype, rest, wire_bytes, depth),
    }?;
    Ok(Packet { vlan: vlan.or(packet.vlan), ..packet }.behind(offset))
}

/// Reads another link header, which lies within this one.
#[cold]
fn within(ethertype: u16, bytes: &[u8], wire_bytes: u32, depth: usize) -> Result<Packet, Skip> {
    if depth >= MAX_LINKS {
        return Err(Skip::LinkBad);
    }
    match ethertype {
        MPLS | MPLS_UPSTREAM => mpls::decode(bytes, wire_bytes, depth + 1),
        PPPOE_SESSION => ppp::session(bytes, wire_bytes, depth + 1),
        // Not a type but the length of what follows.
        0..=1500 => llc::decode(bytes, wire_bytes.min(ethertype.into()), depth + 1),
        _ => Err(Skip::NotIp),
    }
}

pub(super) const IPV4: u16 = 0x0800;
pub(super) const ARP: u16 = 0x0806;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const MPLS: u16 = 0x8847;
pub(super) const MPLS_UPSTREAM: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
