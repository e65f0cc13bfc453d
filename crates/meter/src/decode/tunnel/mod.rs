//! Packets inside packets: what a tunnel wraps behind an IP header.
//!
//! A port number is no proof of a tunnel. A UDP payload is opened only where its header is one of the protocol to the
//! last reserved bit; then what is inside counts as a packet, and must be one to be in a flow.

mod geneve;
mod gre;
mod gtp;
mod vxlan;

use flow::{Protocol, Time, TunnelKind};

use super::{Packet, Scope, Skip, UNTOLD_BYTES, ethernet, ip, ipv4, ipv6, ppp};

/// A packet inside another one, not yet read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inner<'a> {
    carried: Carried,
    /// As far as they were captured.
    bytes: &'a [u8],
    /// How many there were on the wire; [`UNTOLD_BYTES`] where the packet around it is a fragment.
    wire_bytes: u32,
    scope: Scope,
}

/// What the first byte of an inner packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    Ethernet,
    /// What this EtherType announces.
    Ethertype(u16),
    /// IP of either version.
    Ip,
    Ipv4,
    Ipv6,
    Ppp,
    /// Something that the tunnel's header does not let one read.
    Unreadable(Skip),
}

/// The packet that `outer` wraps, where it does; `captured` are the bytes that `outer` was read from.
#[inline]
pub(crate) fn open<'a>(outer: &Packet, captured: &'a [u8]) -> Option<Inner<'a>> {
    let may_wrap = match outer.protocol {
        Protocol::Udp => matches!(outer.destination_port, GTP_U | VXLAN | VXLAN_OLD | GENEVE),
        Protocol::Other(number) => matches!(number, IPV4 | IPV6 | GRE),
        _ => false,
    };
    if may_wrap { open_header(outer, captured) } else { None }
}

/// Reads the tunnel's header, where the payload starts with one.
#[cold]
fn open_header<'a>(outer: &Packet, captured: &'a [u8]) -> Option<Inner<'a>> {
    if outer.fragment.is_some_and(|fragment| !fragment.is_first) {
        return None;
    }
    let payload =
        Payload { bytes: outer.payload(captured), wire_bytes: outer.payload_bytes, is_whole: outer.fragment.is_none() };
    let inner = match (outer.protocol, outer.destination_port) {
        (Protocol::Other(IPV4), _) => payload.inner(0, Carried::Ipv4, Scope::of(TunnelKind::Ip, 0)),
        (Protocol::Other(IPV6), _) => payload.inner(0, Carried::Ipv6, Scope::of(TunnelKind::Ip, 0)),
        (Protocol::Other(GRE), _) => gre::open(&payload),
        (Protocol::Udp, VXLAN | VXLAN_OLD) => vxlan::open(&payload),
        (Protocol::Udp, GENEVE) => geneve::open(&payload),
        (Protocol::Udp, GTP_U) => gtp::open(&payload),
        _ => None,
    }?;
    Some(Inner { scope: inner.scope.inside(outer.scope), ..inner })
}

impl<'a> Inner<'a> {
    /// Reads the packet. The reason of a skip is one of the three about inner packets.
    pub(crate) fn decode(&self, time: Time) -> Result<Packet, Skip> {
        let Inner { bytes, wire_bytes, .. } = *self;
        let packet = match self.carried {
            Carried::Ethernet => ethernet::decode(bytes, wire_bytes, 0),
            Carried::Ethertype(ethertype) => ethernet::payload(ethertype, bytes, 0, wire_bytes, 0),
            Carried::Ip => ip::decode(bytes, wire_bytes),
            Carried::Ipv4 => ipv4::decode(bytes, wire_bytes),
            Carried::Ipv6 => ipv6::decode(bytes, wire_bytes),
            Carried::Ppp => ppp::decode(bytes, wire_bytes, 0),
            Carried::Unreadable(skip) => Err(skip),
        };
        match packet {
            // Its header tells no length either, as segmentation offload leaves it.
            Ok(packet) if wire_bytes == UNTOLD_BYTES && packet.bytes > ip::MOST_BYTES => Err(Skip::InnerBad),
            Ok(packet) => Ok(Packet { time, scope: packet.scope.inside(self.scope), ..packet }),
            Err(Skip::NotIp) => Err(Skip::InnerNotIp),
            Err(_) => Err(Skip::InnerBad),
        }
    }

    /// The bytes that the packet is read from.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The payload of the outer packet, which starts with the tunnel's header.
struct Payload<'a> {
    /// As far as it was captured.
    bytes: &'a [u8],
    wire_bytes: u32,
    /// It is no fragment.
    is_whole: bool,
}

impl<'a> Payload<'a> {
    /// What lies behind a header of so many bytes; `None` where that is nothing.
    fn inner(&self, header_bytes: usize, carried: Carried, scope: Scope) -> Option<Inner<'a>> {
        let wire_bytes = self.wire_bytes.checked_sub(header_bytes as u32).filter(|&bytes| bytes > 0)?;
        let bytes = self.bytes.get(header_bytes..).unwrap_or_default();
        Some(Inner { carried, bytes, wire_bytes: if self.is_whole { wire_bytes } else { UNTOLD_BYTES }, scope })
    }
}

/// Tunnels nested so deep are opened; more are a mistake or a trap.
pub(crate) const MAX_TUNNELS: usize = 4;
const IPV4: u8 = 4;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const GTP_U: u16 = 2152;
const VXLAN: u16 = 4789;
/// Linux's own choice, from before the port was assigned.
const VXLAN_OLD: u16 = 8472;
const GENEVE: u16 = 6081;
