//! What IPv4 and IPv6 share: telling them apart, and what they carry.

use flow::Protocol;

use super::{Packet, Skip, icmp, ipv4, ipv6, tcp, udp};

/// A packet that starts with an IP header of either version.
pub(super) fn decode(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    match bytes.first().map(|byte| byte >> 4) {
        Some(4) => ipv4::decode(bytes, wire_bytes),
        Some(6) => ipv6::decode(bytes, wire_bytes),
        Some(_) => Err(Skip::IpBad),
        None => Err(Skip::IpCut),
    }
}

/// Reads the transport header at the start of `bytes`; `carried_bytes` is how many the IP header promises.
#[inline]
pub(super) fn transport(mut packet: Packet, bytes: &[u8], carried_bytes: u32) -> Result<Packet, Skip> {
    packet.payload_bytes = carried_bytes;
    // What the link padded is no header: a first fragment may be shorter than the least frame.
    let bytes = &bytes[..bytes.len().min(carried_bytes as usize)];
    if packet.fragment.is_some_and(|fragment| !fragment.is_first) {
        return Ok(packet);
    }
    match packet.protocol {
        Protocol::Tcp => tcp::decode(packet, bytes),
        Protocol::Udp | Protocol::Sctp => udp::decode(packet, bytes),
        Protocol::Icmp | Protocol::Icmpv6 => icmp::decode(packet, bytes),
        Protocol::Arp | Protocol::Other(_) => Ok(packet),
    }
}

/// The longest packet whose header tells its length: 65,535 bytes behind an IPv6 header.
pub(super) const MOST_BYTES: u32 = 65_575;
