//! One packet's bytes become the few facts that flows are made of.
//!
//! Lengths come from the IP header, never from the captured bytes, so padding is not payload and a capture that kept
//! only the head of each packet measures the same. Every read is checked: any byte string gives facts or a [`Skip`].

mod arp;
mod ethernet;
mod icmp;
mod ip;
mod ipv4;
mod ipv6;
mod tcp;
mod udp;
mod vlan;

pub(crate) use tcp::Segment;

use flow::{Protocol, Time};

/// What the first byte of a packet belongs to, as capture files and interfaces state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Ethernet II, IEEE 802.3.
    Ethernet,
    /// Linux cooked capture, version 1.
    LinuxCooked,
    /// Linux cooked capture, version 2.
    LinuxCooked2,
    /// IPv4 or IPv6 without a link header.
    Ip,
    /// BSD loopback: a 4-byte address family, in either byte order.
    Loopback,
}

impl Link {
    /// The link of a LINKTYPE number (tcpdump.org registry), where it is one that can be read.
    pub const fn from_number(number: u32) -> Option<Link> {
        match number {
            0 | 108 => Some(Link::Loopback),
            1 => Some(Link::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(Link::Ip),
            113 => Some(Link::LinuxCooked),
            276 => Some(Link::LinuxCooked2),
            _ => None,
        }
    }
}

/// Why a packet is in no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// The capture's own record of the packet contradicts itself.
    Record,
    /// No bytes were captured.
    Empty,
    /// The link header is cut short.
    LinkCut,
    /// The link is of a type that cannot be read.
    LinkUnknown,
    /// Neither IP nor ARP: spanning tree, LLDP and the like.
    NotIp,
    /// The ARP message is cut short or is not of IPv4 over Ethernet.
    Arp,
    /// The IP header is cut short.
    IpCut,
    /// The IP header contradicts itself: version, header length, total length.
    IpBad,
    /// The packet was shorter on the wire than its IP header says; every host drops such a one.
    IpShort,
    /// The chain of IPv6 extension headers is cut short or longer than any real one.
    ExtensionBad,
    /// The transport header is cut short.
    TransportCut,
    /// The transport header contradicts itself: data offset, length.
    TransportBad,
}

impl Skip {
    /// Every reason, in the order of a packet's layers.
    pub const ALL: [Skip; 12] = [
        Skip::Record,
        Skip::Empty,
        Skip::LinkCut,
        Skip::LinkUnknown,
        Skip::NotIp,
        Skip::Arp,
        Skip::IpCut,
        Skip::IpBad,
        Skip::IpShort,
        Skip::ExtensionBad,
        Skip::TransportCut,
        Skip::TransportBad,
    ];

    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Skip::Record => "capture record contradicts itself",
            Skip::Empty => "no bytes captured",
            Skip::LinkCut => "link header cut short",
            Skip::LinkUnknown => "link type that cannot be read",
            Skip::NotIp => "neither IP nor ARP",
            Skip::Arp => "ARP cut short or not of IPv4",
            Skip::IpCut => "IP header cut short",
            Skip::IpBad => "IP header contradicts itself",
            Skip::IpShort => "shorter than its IP header says",
            Skip::ExtensionBad => "IPv6 extension headers cut short or endless",
            Skip::TransportCut => "transport header cut short",
            Skip::TransportBad => "transport header contradicts itself",
        }
    }
}

/// The facts of one packet. Addresses are 128 bits, IPv4 as `::ffff:a.b.c.d` (RFC 4291 s.2.5.5.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) time: Time,
    pub(crate) source: u128,
    pub(crate) destination: u128,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) vlan: Option<u16>,
    /// From the IP header on.
    pub(crate) bytes: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) header_bytes: u16,
    pub(crate) direction: Direction,
    pub(crate) segment: Option<Segment>,
    pub(crate) fragment: Option<Fragment>,
    /// What was captured of its payload: where it starts in the captured bytes, and how many there are.
    pub(crate) payload: (u32, u32),
}

/// What a packet says of itself about who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// It opens a conversation: SYN, a query.
    Call,
    /// It answers: SYN-ACK, a reply.
    Answer,
    /// It does not say.
    Unknown,
}

/// Where an IP fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The header's identification; of IPv4 with the protocol above it, which RFC 791 counts to it.
    pub(crate) identification: u32,
    pub(crate) is_first: bool,
}

impl Packet {
    fn new(source: u128, destination: u128, protocol: Protocol, bytes: u32) -> Packet {
        Packet {
            time: Time::MIN,
            source,
            destination,
            source_port: 0,
            destination_port: 0,
            protocol,
            vlan: None,
            bytes,
            payload_bytes: 0,
            header_bytes: 0,
            direction: Direction::Unknown,
            segment: None,
            fragment: None,
            payload: (0, 0),
        }
    }
}

/// Decodes a packet of `captured` bytes, which was `wire_bytes` long before the capture cut it.
pub(crate) fn decode(link: Link, time: Time, captured: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    if captured.is_empty() {
        return Err(Skip::Empty);
    }
    let packet = match link {
        Link::Ethernet => ethernet::decode(captured, wire_bytes),
        Link::LinuxCooked => ethernet::decode_cooked(captured, wire_bytes),
        Link::LinuxCooked2 => ethernet::decode_cooked2(captured, wire_bytes),
        Link::Loopback => ethernet::decode_loopback(captured, wire_bytes),
        Link::Ip => ip::decode(captured, wire_bytes),
    }?;
    // The transport's decoder does not know where the packet starts, only where in memory its payload does.
    let (address, captured_bytes) = packet.payload;
    let payload = (address.wrapping_sub(captured.as_ptr().addr() as u32), captured_bytes);
    Ok(Packet { time, payload, ..packet })
}

/// The 16-bit number in network byte order at `offset`.
fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// The 32-bit number in network byte order at `offset`.
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}
