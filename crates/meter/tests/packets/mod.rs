//! Builds packets byte by byte and gives them to a meter. Checksums are left 0: the meter does not read them.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod tunnel;

use flow::{Flow, Time};
use meter::{Counts, Link, Meter, Settings};

/// An IPv4 address and a port.
pub(crate) type At = ([u8; 4], u16);

pub(crate) const CLIENT: At = ([10, 0, 0, 1], 40_000);
pub(crate) const SERVER: At = ([10, 0, 0, 2], 80);

/// A meter, the flows that it gave out, and the time of the next packet.
pub(crate) struct Wire {
    pub(crate) meter: Meter,
    pub(crate) flows: Vec<Flow>,
    pub(crate) milliseconds: i64,
}

impl Wire {
    pub(crate) fn new() -> Wire {
        Wire::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Wire {
        Wire { meter: Meter::new(settings), flows: Vec::new(), milliseconds: 1_000_000 }
    }

    /// Sends an Ethernet frame; the next one comes a millisecond later.
    pub(crate) fn send(&mut self, frame: &[u8]) -> &mut Wire {
        self.send_as(Link::Ethernet, frame, frame.len())
    }

    pub(crate) fn send_all(&mut self, frames: &[Vec<u8>]) -> &mut Wire {
        for frame in frames {
            self.send(frame);
        }
        self
    }

    /// Sends bytes that were longer on the wire.
    pub(crate) fn send_as(&mut self, link: Link, bytes: &[u8], wire_bytes: usize) -> &mut Wire {
        let time = Time::from_nanoseconds(self.milliseconds * 1_000_000);
        self.meter.packet(link, time, bytes, wire_bytes as u32, &mut self.flows);
        self.milliseconds += 1;
        self
    }

    pub(crate) fn wait(&mut self, seconds: f64) -> &mut Wire {
        self.milliseconds += (seconds * 1000.0) as i64;
        self
    }

    /// Ends the capture.
    pub(crate) fn end(&mut self) -> (Vec<Flow>, Counts) {
        self.meter.finish(&mut self.flows);
        (std::mem::take(&mut self.flows), self.meter.counts())
    }

    /// Ends the capture, which must have given one flow without skips.
    pub(crate) fn one_flow(&mut self) -> Flow {
        let (mut flows, counts) = self.end();
        assert_eq!((flows.len(), counts.skipped_packets()), (1, 0), "{flows:#?}");
        flows.remove(0)
    }
}

/// A TCP segment with a window of 1,000.
pub(crate) fn tcp(from: At, to: At, flags: &str, sequence: u32, acknowledgement: u32, payload: usize) -> Vec<u8> {
    tcp_window(from, to, flags, (sequence, acknowledgement), payload, 1000)
}

pub(crate) fn tcp_window(from: At, to: At, flags: &str, numbers: (u32, u32), payload: usize, window: u16) -> Vec<u8> {
    ethernet(0x0800, &ipv4(from.0, to.0, 6, &segment(from.1, to.1, flags, numbers, payload, window)))
}

pub(crate) fn segment(from: u16, to: u16, flags: &str, numbers: (u32, u32), payload: usize, window: u16) -> Vec<u8> {
    let bits = flags.chars().map(|flag| 1u8 << "FSRPAUEC".find(flag).unwrap()).sum();
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    bytes.extend(numbers.0.to_be_bytes());
    bytes.extend(numbers.1.to_be_bytes());
    bytes.extend([5 << 4, bits]);
    bytes.extend(window.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.resize(20 + payload, b'x');
    bytes
}

pub(crate) fn udp(from: At, to: At, payload: usize) -> Vec<u8> {
    ethernet(0x0800, &ipv4(from.0, to.0, 17, &datagram(from.1, to.1, payload)))
}

pub(crate) fn datagram(from: u16, to: u16, payload: usize) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes(), (8 + payload as u16).to_be_bytes(), [0; 2]].concat();
    bytes.resize(8 + payload, b'x');
    bytes
}

pub(crate) fn icmp(from: [u8; 4], to: [u8; 4], kind: u8, code: u8, payload: usize) -> Vec<u8> {
    let mut message = vec![kind, code];
    message.resize(8 + payload, 0);
    ethernet(0x0800, &ipv4(from, to, 1, &message))
}

pub(crate) fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 6, 4, 0, operation];
    message.extend([2; 6]);
    message.extend(sender);
    message.extend([0; 6]);
    message.extend(target);
    message.resize(46, 0);
    ethernet(0x0806, &message)
}

pub(crate) fn ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, carried: &[u8]) -> Vec<u8> {
    ipv4_fragment(from, to, protocol, (7, 0, false), carried)
}

/// A fragment with this identification and offset in bytes, more to follow or not.
pub(crate) fn ipv4_fragment(
    from: [u8; 4],
    to: [u8; 4],
    protocol: u8,
    (identification, offset, more): (u16, u16, bool),
    carried: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + carried.len() as u16).to_be_bytes());
    packet.extend(identification.to_be_bytes());
    packet.extend(((offset / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(carried);
    packet
}

/// An IPv6 packet between addresses that end in these bytes.
pub(crate) fn ipv6(from: u8, to: u8, next: u8, carried: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((carried.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for last in [from, to] {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(carried);
    packet
}

/// The IPv6 fragment header, and what it carries.
pub(crate) fn ipv6_fragment(next: u8, identification: u32, offset: u16, more: bool, carried: &[u8]) -> Vec<u8> {
    let mut bytes = vec![next, 0];
    bytes.extend((offset | u16::from(more)).to_be_bytes());
    bytes.extend(identification.to_be_bytes());
    bytes.extend(carried);
    bytes
}

pub(crate) fn ethernet(ethertype: u16, carried: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(carried);
    frame
}

/// Opening, a request, a response, and an orderly close by the server, ended by the client's last ACK.
pub(crate) fn whole_conversation() -> Vec<Vec<u8>> {
    vec![
        tcp(CLIENT, SERVER, "S", 100, 0, 0),
        tcp(SERVER, CLIENT, "SA", 500, 101, 0),
        tcp(CLIENT, SERVER, "A", 101, 501, 0),
        tcp(CLIENT, SERVER, "PA", 101, 501, 50),
        tcp(SERVER, CLIENT, "PA", 501, 151, 200),
        tcp(SERVER, CLIENT, "FA", 701, 151, 0),
        tcp(CLIENT, SERVER, "A", 151, 702, 0),
        tcp(CLIENT, SERVER, "FA", 151, 702, 0),
        tcp(SERVER, CLIENT, "A", 702, 152, 0),
    ]
}
