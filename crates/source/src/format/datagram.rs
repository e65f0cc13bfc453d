//! What captured packets carry in UDP datagrams: export messages between an exporter and its collector.

use std::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use meter::Link;

use super::netflow;
use super::packet::Record;

/// Whether a captured packet is an export message on its way to a collector, as far as the usual ports and its first bytes
/// tell.
#[inline]
pub(crate) fn is_export(record: &Record<'_>) -> bool {
    // Every packet of a capture comes by here: first what a few bytes tell of UDP over IPv4 over Ethernet.
    let bytes = record.bytes;
    if bytes.get(12..14) != Some(&[8, 0]) || bytes.get(23) != Some(&17) {
        return false;
    }
    let header_bytes = usize::from(bytes[14] & 0xf) * 4;
    let port = bytes.get(16 + header_bytes..).and_then(<[u8]>::first_chunk).map(|port| u16::from_be_bytes(*port));
    port.is_some_and(|port| COLLECTORS.contains(&port))
        && record.link.is_ok_and(|link| {
            link == Link::Ethernet
                && payload(link, bytes).is_ok_and(|(_, payload)| (netflow::FORMAT.recognises)(payload))
        })
}

/// The sender and the payload of a UDP datagram, as far as it was captured. Fails with the reason why a packet is none.
pub(crate) fn payload(link: Link, bytes: &[u8]) -> Result<(IpAddr, &[u8]), &'static str> {
    let after = |count: usize| bytes.get(count..).unwrap_or_default();
    let ether_type = |at: usize| {
        let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        etherparse::EtherType(u16::from_be_bytes(bytes))
    };
    let packet = match link {
        Link::Ethernet => LaxSlicedPacket::from_ethernet(bytes).ok(),
        Link::LinuxCooked => Some(LaxSlicedPacket::from_ether_type(ether_type(14), after(16))),
        Link::LinuxCooked2 => Some(LaxSlicedPacket::from_ether_type(ether_type(0), after(20))),
        Link::Loopback => LaxSlicedPacket::from_ip(after(4)).ok(),
        Link::Ip => LaxSlicedPacket::from_ip(bytes).ok(),
        _ => return Err("link on which no exporter sends"),
    };
    let packet = packet.ok_or("packet cut short")?;
    let (sender, is_fragmented) = match packet.net.as_ref().ok_or("neither IPv4 nor IPv6")? {
        LaxNetSlice::Ipv4(slice) => (IpAddr::from(slice.header().source_addr()), slice.payload().fragmented),
        LaxNetSlice::Ipv6(slice) => {
            (IpAddr::from(slice.header().source_addr()).to_canonical(), slice.payload().fragmented)
        }
        LaxNetSlice::Arp(_) => return Err("neither IPv4 nor IPv6"),
    };
    if is_fragmented {
        return Err("fragment of a datagram");
    }
    match &packet.transport {
        Some(TransportSlice::Udp(datagram)) => Ok((sender, datagram.payload())),
        _ => Err("packet that is no UDP datagram"),
    }
}

/// Where collectors listen: that of IPFIX, and those that people use for NetFlow.
const COLLECTORS: [u16; 4] = [4739, 2055, 9995, 9996];
