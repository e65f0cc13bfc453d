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
mod link;
mod llc;
mod mpls;
mod ppp;
mod scope;
mod tcp;
pub(crate) mod tunnel;
mod udp;
mod vlan;
mod wireless;

pub(crate) use scope::Scope;
pub(crate) use tcp::Segment;

use flow::{Protocol, Time};

/// What the first byte of a packet belongs to, as capture files and interfaces state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Ethernet II, IEEE 802.3 with LLC.
    Ethernet,
    /// Linux cooked capture, version 1.
    LinuxCooked,
    /// Linux cooked capture, version 2.
    LinuxCooked2,
    /// IPv4 or IPv6 without a link header.
    Ip,
    /// BSD loopback: a 4-byte address family, in either byte order.
    Loopback,
    /// PPP, with or without HDLC-like framing (RFC 1662), or Cisco HDLC, which announces itself.
    Ppp,
    /// The session stage of PPP over Ethernet (RFC 2516), without the Ethernet header.
    Pppoe,
    /// The log of the BSD packet filter.
    PacketFilterLog,
    /// The log of Linux netfilter.
    NetfilterLog,
    /// IEEE 802.11 without a radio header.
    Wireless,
    /// IEEE 802.11 behind a radiotap header.
    Radiotap,
}

impl Link {
    /// The link of a LINKTYPE number (tcpdump.org registry), where it is one that can be read.
    pub const fn from_number(number: u32) -> Option<Link> {
        match number {
            0 | 108 => Some(Link::Loopback),
            1 => Some(Link::Ethernet),
            9 | 50 | 104 => Some(Link::Ppp),
            12 | 14 | 101 | 228 | 229 => Some(Link::Ip),
            51 => Some(Link::Pppoe),
            105 => Some(Link::Wireless),
            113 => Some(Link::LinuxCooked),
            117 => Some(Link::PacketFilterLog),
            127 => Some(Link::Radiotap),
            239 => Some(Link::NetfilterLog),
            276 => Some(Link::LinuxCooked2),
            _ => None,
        }
    }

    /// The LINKTYPE number under which its packets are written; where several are read alike, one that means them all.
    pub const fn number(self) -> u16 {
        match self {
            Link::Loopback => 0,
            Link::Ethernet => 1,
            Link::Ppp => 9,
            Link::Pppoe => 51,
            Link::Ip => 101,
            Link::Wireless => 105,
            Link::LinuxCooked => 113,
            Link::PacketFilterLog => 117,
            Link::Radiotap => 127,
            Link::NetfilterLog => 239,
            Link::LinuxCooked2 => 276,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Link::Loopback => "BSD loopback",
            Link::Ethernet => "Ethernet",
            Link::Ppp => "PPP",
            Link::Pppoe => "PPPoE",
            Link::Ip => "IP",
            Link::Wireless => "802.11",
            Link::LinuxCooked => "Linux cooked",
            Link::PacketFilterLog => "packet filter log",
            Link::Radiotap => "802.11 with radiotap",
            Link::NetfilterLog => "netfilter log",
            Link::LinuxCooked2 => "Linux cooked 2",
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
    /// The link header contradicts itself: version, length, or more headers than any real packet has.
    LinkBad,
    /// The payload of a wireless frame is encrypted.
    Encrypted,
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
    /// A packet inside a tunnel is neither IP nor ARP. The packet around it is in its own flow, here and below.
    InnerNotIp,
    /// A packet inside a tunnel, or the tunnel's header, is cut short or contradicts itself.
    InnerBad,
    /// A packet is inside more tunnels than are opened.
    InnerDeep,
}

impl Skip {
    /// Every reason, in the order of a packet's layers.
    pub const ALL: [Skip; 17] = [
        Skip::Record,
        Skip::Empty,
        Skip::LinkCut,
        Skip::LinkUnknown,
        Skip::LinkBad,
        Skip::Encrypted,
        Skip::NotIp,
        Skip::Arp,
        Skip::IpCut,
        Skip::IpBad,
        Skip::IpShort,
        Skip::ExtensionBad,
        Skip::TransportCut,
        Skip::TransportBad,
        Skip::InnerNotIp,
        Skip::InnerBad,
        Skip::InnerDeep,
    ];

    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Skip::Record => "capture record contradicts itself",
            Skip::Empty => "no bytes captured",
            Skip::LinkCut => "link header cut short",
            Skip::LinkUnknown => "link type that cannot be read",
            Skip::LinkBad => "link header contradicts itself",
            Skip::Encrypted => "wireless frame with encrypted payload",
            Skip::NotIp => "neither IP nor ARP",
            Skip::Arp => "ARP cut short or not of IPv4",
            Skip::IpCut => "IP header cut short",
            Skip::IpBad => "IP header contradicts itself",
            Skip::IpShort => "shorter than its IP header says",
            Skip::ExtensionBad => "IPv6 extension headers cut short or endless",
            Skip::TransportCut => "transport header cut short",
            Skip::TransportBad => "transport header contradicts itself",
            Skip::InnerNotIp => "inside a tunnel: neither IP nor ARP",
            Skip::InnerBad => "inside a tunnel: cut short or contradicts itself",
            Skip::InnerDeep => "inside more tunnels than are opened",
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
    pub(crate) scope: Scope,
    /// From the IP header on.
    pub(crate) bytes: u32,
    pub(crate) payload_bytes: u32,
    /// Where the transport header starts among the captured bytes.
    pub(crate) transport_at: u16,
    pub(crate) header_bytes: u16,
    pub(crate) direction: Direction,
    pub(crate) segment: Option<Segment>,
    pub(crate) fragment: Option<Fragment>,
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
    /// Where its bytes stand in the datagram.
    pub(crate) offset: u32,
    /// Others follow.
    pub(crate) more: bool,
    /// It contradicts the other fragments of its datagram or the rules; told where the fragments come together.
    pub(crate) is_wrong: bool,
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
            scope: Scope::WIRE,
            bytes,
            payload_bytes: 0,
            transport_at: 0,
            header_bytes: 0,
            direction: Direction::Unknown,
            segment: None,
            fragment: None,
        }
    }

    /// The payload, as far as it was captured: behind the transport header, without what the link padded. Of ARP, the
    /// whole message.
    #[inline]
    pub(crate) fn payload<'a>(&self, captured: &'a [u8]) -> &'a [u8] {
        let start = usize::from(self.transport_at) + usize::from(self.header_bytes);
        let bytes = captured.get(start..).unwrap_or_default();
        let length = if self.protocol == Protocol::Arp { self.bytes } else { self.payload_bytes };
        &bytes[..bytes.len().min(length as usize)]
    }

    /// The packet, when `header_bytes` more of the capture lie before it.
    fn behind(mut self, header_bytes: usize) -> Packet {
        self.transport_at += header_bytes as u16;
        self
    }
}

/// Decodes a packet of `captured` bytes, which was `wire_bytes` long before the capture cut it.
#[inline]
pub(crate) fn decode(link: Link, time: Time, captured: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    if captured.is_empty() {
        return Err(Skip::Empty);
    }
    let packet = match link {
        Link::Ethernet => ethernet::decode(captured, wire_bytes, 0),
        Link::LinuxCooked => link::cooked(captured, wire_bytes),
        Link::LinuxCooked2 => link::cooked2(captured, wire_bytes),
        Link::Loopback => link::loopback(captured, wire_bytes),
        Link::Ip => ip::decode(captured, wire_bytes),
        Link::Ppp => ppp::decode(captured, wire_bytes, 0),
        Link::Pppoe => ppp::session(captured, wire_bytes, 0),
        Link::PacketFilterLog => link::packet_filter_log(captured, wire_bytes),
        Link::NetfilterLog => link::netfilter_log(captured),
        Link::Wireless => wireless::decode(captured, wire_bytes, wireless::Padding::None),
        Link::Radiotap => wireless::radiotap(captured, wire_bytes),
    }?;
    Ok(Packet { time, ..packet })
}

/// What a header that tells no length passes on: the IP header within is believed.
const UNTOLD_BYTES: u32 = 1 << 20;
/// Link headers one within the other, such as a pseudowire's frames that are labelled themselves.
const MAX_LINKS: usize = 4;

/// The 16-bit number in network byte order at `offset`.
fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// The 32-bit number in network byte order at `offset`.
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Each packet is copied through the waiting line, so its size is time.
const _: () = assert!(size_of::<Packet>() <= 112);
