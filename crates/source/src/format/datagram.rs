//! What captured packets carry in UDP datagrams: export messages between an exporter and its collector.

use std::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use meter::Link;

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
