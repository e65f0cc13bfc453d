//! Packets as bytes: Ethernet frames with correct lengths and checksums.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::Duration;

use crate::random::hash;

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

/// One end of a packet: what the wire says about a machine and how soon the machine answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    /// The Ethernet address seen on the office network: the gateway's own for machines outside.
    pub(crate) mac: Mac,
    /// The network address.
    pub(crate) address: IpAddr,
    /// The hop limit left when the packet is seen.
    pub(crate) hop_limit: u8,
    /// Whose network stack it runs.
    pub(crate) system: System,
    /// From a packet to this machine until its answer, both as seen by the capture.
    pub(crate) latency: Duration,
}

/// The network stack of a machine, which shows in its TCP options, windows and hop limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Windows,
    Linux,
    /// Printers, phones, switches.
    Device,
}

impl Endpoint {
    /// The destination of a packet to a multicast or broadcast address.
    pub(crate) fn group(address: IpAddr) -> Endpoint {
        let mac = match address {
            IpAddr::V4(v4) if v4.is_multicast() => {
                let [_, b, c, d] = v4.octets();
                [0x01, 0x00, 0x5e, b & 0x7f, c, d]
            }
            IpAddr::V4(_) => BROADCAST,
            IpAddr::V6(v6) => {
                let [.., a, b, c, d] = v6.octets();
                [0x33, 0x33, a, b, c, d]
            }
        };
        Endpoint { mac, address, hop_limit: 1, system: System::Device, latency: Duration::ZERO }
    }

    /// The same machine sending with another hop limit.
    pub(crate) fn with_hop_limit(self, hop_limit: u8) -> Endpoint {
        Endpoint { hop_limit, ..self }
    }

    /// The same machine under another address, which may not be its own.
    pub(crate) fn with_address(self, address: IpAddr) -> Endpoint {
        Endpoint { address, ..self }
    }
}

/// What a TCP segment says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Segment<'a> {
    pub(crate) ports: (u16, u16),
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    /// A multiple of four bytes.
    pub(crate) options: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// A TCP packet.
pub(crate) fn tcp(from: Endpoint, to: Endpoint, identification: u16, segment: &Segment) -> Vec<u8> {
    let mut body = Vec::with_capacity(20 + segment.options.len() + segment.payload.len());
    body.extend(segment.ports.0.to_be_bytes());
    body.extend(segment.ports.1.to_be_bytes());
    body.extend(segment.sequence.to_be_bytes());
    body.extend(segment.acknowledgement.to_be_bytes());
    body.extend([((20 + segment.options.len()) / 4 * 16) as u8, segment.flags]);
    body.extend(segment.window.to_be_bytes());
    body.extend([0; 4]);
    body.extend(segment.options);
    body.extend(segment.payload);
    let checksum = transport_checksum(from.address, to.address, TCP, &body);
    body[16..18].copy_from_slice(&checksum.to_be_bytes());
    ip(from, to, TCP, identification, &body)
}

/// A UDP packet.
pub(crate) fn udp(from: Endpoint, to: Endpoint, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    ip(from, to, UDP, identification_of(payload), &datagram(from, to, ports, payload))
}

/// A UDP datagram too large for one packet, as the fragments in which it travels over IPv4.
pub(crate) fn udp_fragments(from: Endpoint, to: Endpoint, ports: (u16, u16), id: u16, payload: &[u8]) -> Vec<Vec<u8>> {
    let body = datagram(from, to, ports, payload);
    let last = body.len().saturating_sub(1) / FRAGMENT;
    let fragment = |(index, part): (usize, &[u8])| {
        let more = if index < last { 0x2000 } else { 0 };
        ipv4(from, to, UDP, id, more | (index * FRAGMENT / 8) as u16, part)
    };
    body.chunks(FRAGMENT).enumerate().map(fragment).collect()
}

/// An ICMP or ICMPv6 message, as the addresses ask for.
pub(crate) fn icmp(from: Endpoint, to: Endpoint, kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(8 + payload.len());
    body.extend([kind, code, 0, 0]);
    body.extend(rest);
    body.extend(payload);
    let (protocol, checksum) = match from.address {
        IpAddr::V4(_) => (ICMP, !fold(sum(&body))),
        IpAddr::V6(_) => (ICMPV6, transport_checksum(from.address, to.address, ICMPV6, &body)),
    };
    body[2..4].copy_from_slice(&checksum.to_be_bytes());
    ip(from, to, protocol, identification_of(&body), &body)
}

/// An echo request, or the reply to it.
pub(crate) fn echo(from: Endpoint, to: Endpoint, echo: Echo, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let kind = match (echo, from.address) {
        (Echo::Request, IpAddr::V4(_)) => 8,
        (Echo::Reply, IpAddr::V4(_)) => 0,
        (Echo::Request, IpAddr::V6(_)) => 128,
        (Echo::Reply, IpAddr::V6(_)) => 129,
    };
    let ([a, b], [c, d]) = (id.to_be_bytes(), sequence.to_be_bytes());
    icmp(from, to, kind, 0, [a, b, c, d], payload)
}

/// The two halves of a ping.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Echo {
    Request,
    Reply,
}

/// The ICMP message that a packet could not be delivered: code 2 for its protocol, 3 for its port (RFC 792).
pub(crate) fn unreachable(from: Endpoint, to: Endpoint, code: u8, packet: &[u8]) -> Vec<u8> {
    let end = 14 + usize::from(u16::from_be_bytes([packet[16], packet[17]]));
    icmp(from, to, 3, code, [0; 4], &packet[14..end.min(14 + QUOTED)])
}

/// An ARP request to everyone, or the reply to the one who asked (RFC 826).
pub(crate) fn arp(operation: Arp, from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr)) -> Vec<u8> {
    let (code, destination, target) = match operation {
        Arp::Request => (1, BROADCAST, [0; 6]),
        Arp::Reply => (2, to.0, to.0),
    };
    let mut frame = ethernet(from.0, destination, 0x0806, 28);
    frame.extend([0, 1, 8, 0, 6, 4, 0, code]);
    frame.extend(from.0);
    frame.extend(from.1.octets());
    frame.extend(target);
    frame.extend(to.1.octets());
    padded(frame)
}

/// The two kinds of ARP message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arp {
    Request,
    Reply,
}

/// A packet of any protocol, its body already complete.
pub(crate) fn ip(from: Endpoint, to: Endpoint, protocol: u8, identification: u16, body: &[u8]) -> Vec<u8> {
    match (from.address, to.address) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6(from, to, (source, destination), protocol, body),
        _ => ipv4(from, to, protocol, identification, DONT_FRAGMENT, body),
    }
}

fn ipv4(from: Endpoint, to: Endpoint, protocol: u8, identification: u16, fragment: u16, body: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (from.address, to.address) else {
        panic!("both ends of a conversation are of one address family");
    };
    let mut header = [0x45, 0, 0, 0, 0, 0, 0, 0, from.hop_limit, protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&((20 + body.len()) as u16).to_be_bytes());
    header[4..6].copy_from_slice(&identification.to_be_bytes());
    header[6..8].copy_from_slice(&fragment.to_be_bytes());
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = !fold(sum(&header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = ethernet(from.mac, to.mac, 0x0800, 20 + body.len());
    frame.extend(header);
    frame.extend(body);
    padded(frame)
}

fn ipv6(from: Endpoint, to: Endpoint, addresses: (Ipv6Addr, Ipv6Addr), protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = ethernet(from.mac, to.mac, 0x86dd, 40 + body.len());
    // The flow label (RFC 6437) must stay the same within a conversation; the ports lead the body of TCP and UDP.
    let label = hash(&[&addresses.0.octets()[..], &addresses.1.octets(), &body[..4]].concat()) as u32 & 0x000f_ffff;
    frame.extend((0x6000_0000 | label).to_be_bytes());
    frame.extend((body.len() as u16).to_be_bytes());
    frame.extend([protocol, from.hop_limit]);
    frame.extend(addresses.0.octets());
    frame.extend(addresses.1.octets());
    frame.extend(body);
    frame
}

fn datagram(from: Endpoint, to: Endpoint, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(8 + payload.len());
    body.extend(ports.0.to_be_bytes());
    body.extend(ports.1.to_be_bytes());
    body.extend(((8 + payload.len()) as u16).to_be_bytes());
    body.extend([0, 0]);
    body.extend(payload);
    // Zero would mean that there is no checksum (RFC 768).
    let checksum = match transport_checksum(from.address, to.address, UDP, &body) {
        0 => 0xffff,
        checksum => checksum,
    };
    body[6..8].copy_from_slice(&checksum.to_be_bytes());
    body
}

/// The header of a frame that is to hold so many bytes more.
fn ethernet(source: Mac, destination: Mac, kind: u16, more: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity((14 + more).max(ETHERNET_SHORTEST));
    frame.extend(destination);
    frame.extend(source);
    frame.extend(kind.to_be_bytes());
    frame
}

/// A frame of at least the length that Ethernet asks for, its check sequence not counted.
fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(ETHERNET_SHORTEST), 0);
    frame
}

/// Something that differs from one datagram to the next, where nobody keeps a count.
fn identification_of(body: &[u8]) -> u16 {
    hash(&body[..body.len().min(32)]) as u16
}

/// The checksum of a body under the pseudo-header of its packet (RFC 9293 s.3.1).
pub(crate) fn transport_checksum(from: IpAddr, to: IpAddr, protocol: u8, body: &[u8]) -> u16 {
    // The order of the words in the pseudo-header makes no difference to their sum (RFC 1071).
    !fold(address_sum(from) + address_sum(to) + u64::from(protocol) + body.len() as u64 + sum(body))
}

fn address_sum(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => sum(&v4.octets()),
        IpAddr::V6(v6) => sum(&v6.octets()),
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(2);
    let odd = words.remainder().first().map_or(0, |&byte| u64::from(byte) << 8);
    words.map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u64>() + odd
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const URG: u8 = 0x20;

pub(crate) const BROADCAST: Mac = [0xff; 6];

const DONT_FRAGMENT: u16 = 0x4000;
/// Bytes of a datagram in one fragment: what an Ethernet frame holds, and a multiple of eight.
const FRAGMENT: usize = 1_480;
/// The fewest bytes of a frame, its check sequence not counted (IEEE 802.3 s.4.4.2).
const ETHERNET_SHORTEST: usize = 60;
/// Bytes of the offending packet that an ICMP error quotes (RFC 1812 s.4.3.2.3: the error within 576 bytes).
const QUOTED: usize = 548;
