//! Made captures that push one thing to its limit: smallest packets, many open flows, a flood of new ones.

use std::io::{self, Write};

/// A stream of packets to be written as a capture.
pub(crate) struct Packets<W> {
    out: W,
    microseconds: u64,
    state: u64,
}

/// Who sends.
#[derive(Clone, Copy)]
pub(crate) enum From {
    Client,
    Server,
}

/// A client and its port, a server and its port, all in one number; two numbers differ in one of the four.
#[derive(Clone, Copy)]
pub(crate) struct Pair(pub(crate) u64);

/// An address and a port, as they stand in a packet.
type Endpoint = ([u8; 4], [u8; 2]);

impl<W: Write> Packets<W> {
    /// A capture of Ethernet (pcap, microseconds).
    pub(crate) fn new(mut out: W) -> io::Result<Packets<W>> {
        out.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
        Ok(Packets { out, microseconds: 1_700_000_000_000_000, state: 1 })
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, microseconds: u64) {
        self.microseconds += microseconds;
    }

    /// Writes a TCP segment of `payload` bytes, padded to the 60 bytes that Ethernet has at least without its checksum.
    pub(crate) fn tcp(
        &mut self,
        pair: Pair,
        from: From,
        flags: u8,
        numbers: (u32, u32),
        payload: usize,
    ) -> io::Result<()> {
        let (source, destination) = pair.endpoints(from);
        let mut frame = [0; 128];
        let length = 54 + payload.min(60);
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        frame[14..18].copy_from_slice(&[0x45, 0, 0, (length - 14) as u8]);
        frame[22..24].copy_from_slice(&[64, 6]);
        frame[26..30].copy_from_slice(&source.0);
        frame[30..34].copy_from_slice(&destination.0);
        frame[34..36].copy_from_slice(&source.1);
        frame[36..38].copy_from_slice(&destination.1);
        frame[38..42].copy_from_slice(&numbers.0.to_be_bytes());
        frame[42..46].copy_from_slice(&numbers.1.to_be_bytes());
        frame[46..50].copy_from_slice(&[0x50, flags, 0x20, 0]);
        let length = length.max(60);
        let seconds = (self.microseconds / 1_000_000) as u32;
        let rest = (self.microseconds % 1_000_000) as u32;
        for word in [seconds, rest, length as u32, length as u32] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(&frame[..length])
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The next number of a fixed sequence without pattern (splitmix64).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}

impl Pair {
    /// Source and destination.
    fn endpoints(self, from: From) -> (Endpoint, Endpoint) {
        let number = self.0;
        // 50,000 ports and 200 clients before another server is called.
        let port = 10_000 + (number % 50_000) as u16;
        let client = number / 50_000;
        let server = number / 10_000_000 % 250;
        let client = ([10, 1, (client / 200 % 200) as u8, (client % 200) as u8 + 1], port.to_be_bytes());
        let server = ([10, 2, 0, server as u8 + 1], 443u16.to_be_bytes());
        match from {
            From::Client => (client, server),
            From::Server => (server, client),
        }
    }
}

/// `count` packets of 64 bytes on the wire: conversations of 3 to 25 packets, 200 at a time, 5,000 packets a second.
pub(crate) fn smallest(out: impl Write, count: u64) -> io::Result<()> {
    let mut packets = Packets::new(out)?;
    let mut open: Vec<(Pair, u32, u32)> = Vec::new();
    let mut next = 0;
    for _ in 0..count {
        packets.wait(200);
        if open.len() < 200 {
            open.push((Pair(next), 0, 3 + (packets.random() % 23) as u32));
            next += 7;
        }
        let at = (packets.random() % open.len() as u64) as usize;
        let (pair, sent, length) = open[at];
        let (from, flags, numbers) = match sent {
            0 => (From::Client, SYN, (0, 0)),
            1 => (From::Server, SYN | ACK, (0, 1)),
            _ if sent + 1 >= length => (From::Client, RST | ACK, (sent, sent)),
            _ if sent % 2 == 0 => (From::Client, ACK, (1 + sent / 2 * 5, 1)),
            _ => (From::Server, ACK, (1, 6 + sent / 2 * 5)),
        };
        let payload = if flags == ACK && matches!(from, From::Client) { 5 } else { 0 };
        packets.tcp(pair, from, flags, numbers, payload)?;
        if sent + 1 >= length {
            open.swap_remove(at);
        } else {
            open[at].1 += 1;
        }
    }
    packets.finish()
}

/// `count` conversations that are all open at the end: opening, a request and its acknowledgement each, 20 µs apart.
pub(crate) fn open(out: impl Write, count: u64) -> io::Result<()> {
    let mut packets = Packets::new(out)?;
    for number in 0..count {
        let pair = Pair(number);
        packets.wait(80);
        packets.tcp(pair, From::Client, SYN, (0, 0), 0)?;
        packets.tcp(pair, From::Server, SYN | ACK, (0, 1), 0)?;
        packets.tcp(pair, From::Client, ACK, (1, 1), 0)?;
        packets.tcp(pair, From::Client, ACK, (1, 1), 40)?;
        packets.tcp(pair, From::Server, ACK, (1, 41), 0)?;
    }
    packets.finish()
}

/// A flood: `count` conversations of one SYN each, 10 µs apart, so that none would end for its age.
pub(crate) fn flood(out: impl Write, count: u64) -> io::Result<()> {
    let mut packets = Packets::new(out)?;
    for number in 0..count {
        packets.wait(10);
        packets.tcp(Pair(number), From::Client, SYN, (0, 0), 0)?;
    }
    packets.finish()
}

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
