//! ARP of IPv4 over Ethernet (RFC 826): the sender asks for, or answers with, an address.

use std::net::Ipv4Addr;

use flow::Protocol;

use super::{Direction, Packet, Skip, u16_at, u32_at};

pub(super) fn decode(bytes: &[u8]) -> Result<Packet, Skip> {
    let is_ipv4 = u16_at(bytes, 2) == Some(0x0800) && bytes.get(4..6) == Some(&[6, 4]);
    let (Some(operation), Some(sender), Some(target), true) =
        (u16_at(bytes, 6), u32_at(bytes, 14), u32_at(bytes, 24), is_ipv4)
    else {
        return Err(Skip::Arp);
    };
    let direction = match operation {
        1 => Direction::Call,
        2 => Direction::Answer,
        _ => return Err(Skip::Arp),
    };
    let packet = Packet::new(mapped(sender), mapped(target), Protocol::Arp, MESSAGE_BYTES);
    Ok(Packet { direction, ..packet })
}

/// An IPv4 address among the IPv6 ones.
pub(super) fn mapped(address: u32) -> u128 {
    u128::from(Ipv4Addr::from_bits(address).to_ipv6_mapped())
}

const MESSAGE_BYTES: u32 = 28;
