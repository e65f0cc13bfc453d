//! Link headers: Ethernet II, Linux cooked capture v1 and v2, BSD loopback.

use super::{Packet, Skip, arp, ip, ipv4, ipv6, u16_at, u32_at, vlan};

pub(super) fn decode(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let ethertype = u16_at(bytes, 12).ok_or(Skip::LinkCut)?;
    payload(ethertype, bytes, 14, wire_bytes)
}

/// LINKTYPE_LINUX_SLL: the protocol is the last of 16 bytes.
pub(super) fn decode_cooked(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let ethertype = u16_at(bytes, 14).ok_or(Skip::LinkCut)?;
    payload(ethertype, bytes, 16, wire_bytes)
}

/// LINKTYPE_LINUX_SLL2: the protocol is the first of 20 bytes.
pub(super) fn decode_cooked2(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let ethertype = u16_at(bytes, 0).ok_or(Skip::LinkCut)?;
    payload(ethertype, bytes, 20, wire_bytes)
}

/// LINKTYPE_NULL and LINKTYPE_LOOP. The family is in the byte order of the capturing machine, and its number for IPv6
/// differs between systems (24, 28, 30), so the IP version decides.
pub(super) fn decode_loopback(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let family = u32_at(bytes, 0).ok_or(Skip::LinkCut)?;
    match family.min(family.swap_bytes()) {
        2 | 24 | 28 | 30 => ip::decode(&bytes[4..], wire_bytes.saturating_sub(4)),
        _ => Err(Skip::NotIp),
    }
}

/// What follows an EtherType; `offset` is where.
fn payload(ethertype: u16, bytes: &[u8], offset: usize, wire_bytes: u32) -> Result<Packet, Skip> {
    let (ethertype, offset, vlan) = vlan::skip_tags(ethertype, bytes, offset)?;
    let rest = bytes.get(offset..).ok_or(Skip::LinkCut)?;
    let wire_bytes = wire_bytes.saturating_sub(offset as u32);
    let packet = match ethertype {
        IPV4 => ipv4::decode(rest, wire_bytes),
        IPV6 => ipv6::decode(rest, wire_bytes),
        ARP => arp::decode(rest),
        _ => Err(Skip::NotIp),
    }?;
    Ok(Packet { vlan, ..packet })
}

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
