//! Writes captures as pcapng (draft-ietf-opsawg-pcapng), times in nanoseconds. [`packet`](super::packet) reads them.

use std::io::{self, Write};

use flow::Time;

/// Writes packets of any number of interfaces into one capture.
pub struct Writer<W: Write> {
    out: W,
    /// Those described so far, in the order of their numbers in the file.
    interfaces: Vec<(String, u16)>,
    block: Vec<u8>,
}

/// A packet to be written.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The interface's name.
    pub interface: &'a str,
    /// What its first byte belongs to: a LINKTYPE number (tcpdump.org registry).
    pub link: u16,
    /// When it was captured. One from before 1970 is written as of 1970: the format has none.
    pub time: Time,
    /// Its length before the capture cut it, in bytes.
    pub wire_bytes: u32,
    /// The captured bytes.
    pub bytes: &'a [u8],
}

impl<W: Write> Writer<W> {
    /// Starts a capture.
    pub fn new(mut out: W) -> io::Result<Writer<W>> {
        // The section's length is not known (s.4.1).
        let body = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &1u16.to_le_bytes(), &0u16.to_le_bytes(), &[0xff; 8]].concat();
        out.write_all(&block(0x0a0d_0d0a, &body))?;
        Ok(Writer { out, interfaces: Vec::new(), block: Vec::new() })
    }

    /// Writes a packet, and before the first one of an interface, what that one is.
    pub fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let is_same = |(name, link): &(String, u16)| name == packet.interface && *link == packet.link;
        let number = match self.interfaces.iter().position(is_same) {
            Some(number) => number,
            None => {
                self.describe(packet)?;
                self.interfaces.len() - 1
            }
        };
        let ticks = packet.time.nanoseconds().max(0) as u64;
        let captured = packet.bytes.len() as u32;
        let padding = packet.bytes.len().next_multiple_of(4) - packet.bytes.len();
        let length = 32 + captured + padding as u32;
        self.block.clear();
        for word in [6, length, number as u32, (ticks >> 32) as u32, ticks as u32, captured, packet.wire_bytes] {
            self.block.extend(word.to_le_bytes());
        }
        self.block.extend_from_slice(packet.bytes);
        self.block.extend(&[0; 4][..padding]);
        self.block.extend(length.to_le_bytes());
        self.out.write_all(&self.block)
    }

    /// Writes what is still in memory.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn describe(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let name = &packet.interface.as_bytes()[..packet.interface.len().min(255)];
        let mut body = [&packet.link.to_le_bytes()[..], &[0; 2], &0u32.to_le_bytes()].concat();
        // Options if_name, if_tsresol (nanoseconds), and their end (s.4.2).
        for (code, value) in [(2u16, name), (9, &[9][..]), (0, &[])] {
            body.extend(code.to_le_bytes());
            body.extend((value.len() as u16).to_le_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.interfaces.push((packet.interface.to_owned(), packet.link));
        self.out.write_all(&block(1, &body))
    }
}

/// A block around its body, whose length is a multiple of four.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

#[cfg(test)]
mod tests {
    use meter::Link;

    use super::*;
    use crate::format::packet::Capture;

    #[test]
    fn what_is_written_is_read_again() {
        let packets =
            [("eth0", 1, 5, &b"12345"[..]), ("tun0", 101, 1_700_000_000_123_456_789, b""), ("eth0", 1, 7, b"1")];
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file).unwrap();
        for (interface, link, time, bytes) in packets {
            let time = Time::from_nanoseconds(time);
            writer.packet(&Packet { interface, link, time, wire_bytes: 60, bytes }).unwrap();
        }
        let mut capture = Capture::new(&file[..]).unwrap();
        for (_, link, time, bytes) in packets {
            let record = capture.next_record().unwrap().unwrap();
            let link = if link == 1 { Link::Ethernet } else { Link::Ip };
            assert_eq!((record.link, record.time.nanoseconds(), record.wire_bytes), (Ok(link), time, 60));
            assert_eq!(record.bytes, bytes);
        }
        assert_eq!(capture.next_record(), Ok(None));
    }
}
