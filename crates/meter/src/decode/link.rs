//! The headers that capturing systems write in the place of a link's own: Linux cooked capture, BSD loopback, and the
//! logs of packet filters.

use super::{Packet, Skip, UNTOLD_BYTES, ethernet, ip, llc, u16_at, u32_at};

/// LINKTYPE_LINUX_SLL: the protocol is the last of 16 bytes.
pub(super) fn cooked(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    cooked_payload(u16_at(bytes, 14).ok_or(Skip::LinkCut)?, bytes, 16, wire_bytes)
}

/// LINKTYPE_LINUX_SLL2: the protocol is the first of 20 bytes.
pub(super) fn cooked2(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    cooked_payload(u16_at(bytes, 0).ok_or(Skip::LinkCut)?, bytes, 20, wire_bytes)
}

/// A protocol below the EtherTypes is a number of Linux's own, not a length.
fn cooked_payload(protocol: u16, bytes: &[u8], offset: usize, wire_bytes: u32) -> Result<Packet, Skip> {
    match protocol {
        LINUX_802_2 => {
            let rest = bytes.get(offset..).ok_or(Skip::LinkCut)?;
            Ok(llc::decode(rest, wire_bytes.saturating_sub(offset as u32), 0)?.behind(offset))
        }
        0..=1500 => Err(Skip::NotIp),
        ethertype => ethernet::payload(ethertype, bytes, offset, wire_bytes, 0),
    }
}

/// LINKTYPE_NULL and LINKTYPE_LOOP. The family is in the byte order of the capturing machine, and its number for IPv6
/// differs between systems (24, 28, 30), so the IP version decides.
pub(super) fn loopback(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let family = u32_at(bytes, 0).ok_or(Skip::LinkCut)?;
    match family.min(family.swap_bytes()) {
        2 | 24 | 28 | 30 => Ok(ip::decode(&bytes[4..], wire_bytes.saturating_sub(4))?.behind(4)),
        _ => Err(Skip::NotIp),
    }
}

/// LINKTYPE_PFLOG: the header tells its length, which is padded to four bytes, then the address family.
pub(super) fn packet_filter_log(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let &[length, family] = bytes.first_chunk().ok_or(Skip::LinkCut)?;
    if length < LEAST_PFLOG_BYTES {
        return Err(Skip::LinkBad);
    }
    let offset = usize::from(length).next_multiple_of(4);
    let rest = bytes.get(offset..).ok_or(Skip::LinkCut)?;
    match family {
        2 | 10 | 24 | 28 | 30 => Ok(ip::decode(rest, wire_bytes.saturating_sub(offset as u32))?.behind(offset)),
        _ => Err(Skip::NotIp),
    }
}

/// LINKTYPE_NFLOG: family, version, a number in network byte order, then attributes in the byte order of the capturing
/// machine, one of them the packet. That may be cut without a word of how long it was.
pub(super) fn netfilter_log(bytes: &[u8]) -> Result<Packet, Skip> {
    let &[family, version, _, _] = bytes.first_chunk().ok_or(Skip::LinkCut)?;
    if version != 0 {
        return Err(Skip::LinkBad);
    }
    if !matches!(family, 2 | 10) {
        return Err(Skip::NotIp);
    }
    let packet = attribute(bytes, u16::from_le_bytes).or_else(|| attribute(bytes, u16::from_be_bytes));
    let (offset, carried) = packet.ok_or(Skip::LinkBad)?;
    let packet = ip::decode(carried, UNTOLD_BYTES)?.behind(offset);
    if packet.bytes > ip::MOST_BYTES { Err(Skip::IpBad) } else { Ok(packet) }
}

/// The attribute that is the packet, and where it starts; the numbers before it are read by `number`.
fn attribute(bytes: &[u8], number: fn([u8; 2]) -> u16) -> Option<(usize, &[u8])> {
    let mut offset = 4;
    for _ in 0..MAX_ATTRIBUTES {
        let &[l0, l1, k0, k1] = bytes.get(offset..)?.first_chunk()?;
        let length = usize::from(number([l0, l1]));
        let rest = bytes.get(offset + 4..)?;
        let value_bytes = length.checked_sub(4)?;
        if number([k0, k1]) == NFULA_PAYLOAD {
            // The last attribute; a capture may have cut it.
            return Some((offset + 4, &rest[..rest.len().min(value_bytes)]));
        }
        offset += length.next_multiple_of(4);
        if offset > MOST_ATTRIBUTE_BYTES {
            return None;
        }
    }
    None
}

/// ETH_P_802_2.
const LINUX_802_2: u16 = 4;
/// Of the oldest header still written.
const LEAST_PFLOG_BYTES: u8 = 45;
const NFULA_PAYLOAD: u16 = 9;
/// The kernel writes each of some twenty at most once.
const MAX_ATTRIBUTES: usize = 64;
/// Before the packet come prefix, time and names: a few hundred bytes.
const MOST_ATTRIBUTE_BYTES: usize = 4096;
