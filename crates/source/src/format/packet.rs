//! Capture files: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), as tcpdump, Wireshark and their
//! kin write them.
//!
//! The framing is short enough to be read here, and so one odd block (an interface name that is not UTF-8, options
//! without their end, a packet of an interface nobody described) does not cost the rest of the file. Only where the
//! framing itself is lost, the reading stops: no later byte can be trusted to start a packet.

use std::io::{self, Read};
use std::ops::Range;

use flow::Time;
use meter::{Link, Skip};

/// Whether a file that starts with these bytes is a capture.
pub fn is_capture(start: &[u8]) -> bool {
    PCAP.iter().any(|magic| start.starts_with(magic)) || start.starts_with(&SECTION_HEADER)
}

/// A capture file, read packet by packet.
pub struct Capture<R: Read> {
    window: Window<R>,
    framing: Framing,
    head: Head,
}

/// What [`Capture::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A packet: [`Capture::record`] has it.
    Packet,
    /// The bytes so far end before the next packet does, and more of them may come: the reader said
    /// [`io::ErrorKind::WouldBlock`].
    Wait,
    /// The end of the capture.
    End,
}

/// One packet as captured.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What its first byte belongs to, or why that cannot be told.
    pub link: Result<Link, Skip>,
    /// When it was captured.
    pub time: Time,
    /// Its length before the capture cut it, in bytes; never less than was captured.
    pub wire_bytes: u32,
    /// The captured bytes.
    pub bytes: &'a [u8],
}

/// A packet whose bytes lie in the window.
struct Head {
    link: Result<Link, Skip>,
    time: Time,
    wire_bytes: u32,
    bytes: Range<usize>,
}

enum Framing {
    Pcap { order: Order, link: Result<Link, Skip>, nanoseconds_per_tick: i64 },
    PcapNg { order: Order, interfaces: Vec<Interface>, latest: Time },
}

/// What a pcapng interface says of its packets.
struct Interface {
    link: Result<Link, Skip>,
    /// Ticks a second.
    resolution: u64,
    /// Added to each time stamp.
    offset_seconds: i64,
}

/// In which order numbers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl<R: Read> Capture<R> {
    /// Reads the start of the file. Fails with a reason.
    pub fn new(bytes: R) -> Result<Capture<R>, String> {
        let mut window = Window::new(bytes);
        let head = Head { link: Err(Skip::Record), time: Time::default(), wire_bytes: 0, bytes: 0..0 };
        let start = window.peek(4)?.ok_or(CUT)?;
        if start.starts_with(&SECTION_HEADER) {
            let framing = Framing::PcapNg { order: Order::Little, interfaces: Vec::new(), latest: Time::default() };
            return Ok(Capture { window, framing, head });
        }
        let (order, nanoseconds_per_tick) = match start {
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1000),
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1000),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1),
            _ => return Err("no capture starts so".to_owned()),
        };
        let header = window.take(24)?.ok_or(CUT)?;
        // The upper bits of the field say how long frame check sequences are.
        let link = link(order.u32(header, 20).unwrap_or_default() & 0xffff);
        Ok(Capture { window, framing: Framing::Pcap { order, link, nanoseconds_per_tick }, head })
    }

    /// The next packet, or `None` at the end. Fails with a reason where the file is cut or damaged; there is nothing
    /// more to read then.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, String> {
        match self.advance()? {
            Step::Packet => Ok(Some(self.record())),
            Step::Wait => Err(io::Error::from(io::ErrorKind::WouldBlock).to_string()),
            Step::End => Ok(None),
        }
    }

    /// Goes on to the next packet, which is read where it lies. Fails with a reason where the file is cut or damaged;
    /// there is nothing more to read then.
    #[inline]
    pub fn advance(&mut self) -> Result<Step, String> {
        self.window.awaits_more = false;
        let outcome = match &mut self.framing {
            Framing::Pcap { order, link, nanoseconds_per_tick } => {
                next_packet(&mut self.window, *order, *link, *nanoseconds_per_tick)
            }
            Framing::PcapNg { order, interfaces, latest } => next_block(&mut self.window, order, interfaces, latest),
        };
        match outcome {
            Ok(Some(head)) => {
                self.head = head;
                Ok(Step::Packet)
            }
            // What looks like the end, or a cut, is only as far as the bytes have come.
            Ok(None) | Err(_) if self.window.awaits_more => Ok(Step::Wait),
            Ok(None) => Ok(Step::End),
            Err(reason) => Err(reason),
        }
    }

    /// The packet that [`Capture::advance`] came to; an empty one before the first.
    #[inline]
    pub fn record(&self) -> Record<'_> {
        let Head { link, time, wire_bytes, ref bytes } = self.head;
        Record { link, time, wire_bytes, bytes: &self.window.buffer[bytes.clone()] }
    }

    /// The time of the packet that [`Capture::advance`] came to.
    #[inline]
    pub fn time(&self) -> Time {
        self.head.time
    }
}

/// Reads the next packet of a pcap file.
#[inline]
fn next_packet<R: Read>(
    window: &mut Window<R>,
    order: Order,
    link: Result<Link, Skip>,
    nanoseconds_per_tick: i64,
) -> Result<Option<Head>, String> {
    let Some(header) = window.peek(16)? else { return window.end().map(|()| None) };
    let word = |at| order.u32(header, at).unwrap_or_default();
    let (seconds, ticks, captured, wire_bytes) = (word(0), word(4), word(8), word(12));
    if captured > MAX_CAPTURED_BYTES {
        return Err(format!("a packet claims {captured} captured bytes, which no capture keeps"));
    }
    let nanoseconds = i64::from(seconds) * 1_000_000_000 + i64::from(ticks) * nanoseconds_per_tick;
    window.take(16 + captured as usize)?.ok_or(CUT)?;
    Ok(Some(Head {
        link,
        time: Time::from_nanoseconds(nanoseconds),
        wire_bytes: wire_bytes.max(captured),
        bytes: window.start - captured as usize..window.start,
    }))
}

/// Reads blocks up to the next packet.
fn next_block<R: Read>(
    window: &mut Window<R>,
    order: &mut Order,
    interfaces: &mut Vec<Interface>,
    latest: &mut Time,
) -> Result<Option<Head>, String> {
    loop {
        let Some(start) = window.peek(12)? else { return window.end().map(|()| None) };
        let is_section = start.starts_with(&SECTION_HEADER);
        let byte_order = match start[8..12] {
            _ if !is_section => *order,
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            _ => return Err("a section is in no known byte order".to_owned()),
        };
        let kind = byte_order.u32(start, 0).unwrap_or_default();
        let length = byte_order.u32(start, 4).unwrap_or_default();
        if !(12..=MAX_BLOCK_BYTES).contains(&length) || !length.is_multiple_of(4) {
            return Err(format!("a block claims the impossible length of {length} bytes"));
        }
        let length = length as usize;
        let block = window.take(length)?.ok_or(CUT)?;
        if byte_order.u32(block, length - 4) != Some(length as u32) {
            return Err("the two lengths of a block differ".to_owned());
        }
        let body = &block[8..length - 4];
        match kind {
            _ if is_section => {
                *order = byte_order;
                interfaces.clear();
            }
            INTERFACE_DESCRIPTION if interfaces.len() < MAX_INTERFACES => {
                interfaces.push(Interface::of(body, byte_order));
            }
            ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET => {
                let head = packet_block(kind, body, byte_order, interfaces, latest);
                // The window has gone on to the end of the block.
                let offset = window.start - length + 8;
                let bytes = head.bytes.start + offset..head.bytes.end + offset;
                return Ok(Some(Head { bytes, ..head }));
            }
            _ => {}
        }
    }
}

/// Reads the body of a packet block (draft-ietf-opsawg-pcapng s.4.3, s.4.4, appendix A), in which the packet's bytes lie.
/// A packet of a block that has no time, or contradicts itself, takes the time of the one before.
fn packet_block(kind: u32, body: &[u8], order: Order, interfaces: &[Interface], latest: &mut Time) -> Head {
    let contradiction = Head { link: Err(Skip::Record), time: *latest, wire_bytes: 0, bytes: 0..0 };
    if kind == SIMPLE_PACKET {
        let Some(wire_bytes) = order.u32(body, 0) else { return contradiction };
        let link = interfaces.first().map_or(Err(Skip::LinkUnknown), |interface| interface.link);
        // The block pads to four bytes.
        let end = body.len().min((wire_bytes as usize).saturating_add(4));
        return Head { link, time: *latest, wire_bytes, bytes: 4..end };
    }
    let word = |at| order.u32(body, at);
    let (Some(first), Some(high), Some(low), Some(captured), Some(wire_bytes)) =
        (word(0), word(4), word(8), word(12), word(16))
    else {
        return contradiction;
    };
    let end = (captured as usize).saturating_add(20);
    if end > body.len() {
        return contradiction;
    }
    let number = match (kind, order) {
        (ENHANCED_PACKET, _) => first,
        (_, Order::Little) => first & 0xffff,
        (_, Order::Big) => first >> 16,
    };
    let Some(interface) = interfaces.get(number as usize) else {
        return Head { link: Err(Skip::LinkUnknown), ..contradiction };
    };
    *latest = interface.time(u64::from(high) << 32 | u64::from(low));
    Head { link: interface.link, time: *latest, wire_bytes: wire_bytes.max(captured), bytes: 20..end }
}

impl Interface {
    /// Reads the body of an interface description (s.4.2), and of its options those that concern time.
    fn of(body: &[u8], order: Order) -> Interface {
        let number = order.u16(body, 0).map_or(u32::MAX, u32::from);
        let mut interface = Interface { link: link(number), resolution: 1_000_000, offset_seconds: 0 };
        let mut options = body.get(8..).unwrap_or_default();
        while let (Some(code), Some(length)) = (order.u16(options, 0), order.u16(options, 2)) {
            let length = usize::from(length);
            let Some(value) = options[4..].get(..length) else { break };
            match (code, value) {
                (0, _) => break,
                (TIME_RESOLUTION, &[exponent]) => {
                    let base: u64 = if exponent & 0x80 == 0 { 10 } else { 2 };
                    interface.resolution = base.checked_pow(u32::from(exponent & 0x7f)).unwrap_or(u64::MAX);
                }
                (TIME_OFFSET, &[a, b, c, d, e, f, g, h]) => {
                    let bytes = [a, b, c, d, e, f, g, h];
                    interface.offset_seconds = match order {
                        Order::Little => i64::from_le_bytes(bytes),
                        Order::Big => i64::from_be_bytes(bytes),
                    };
                }
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        }
        interface
    }

    fn time(&self, ticks: u64) -> Time {
        let seconds = i64::try_from(ticks / self.resolution).unwrap_or(i64::MAX);
        let rest = u128::from(ticks % self.resolution) * 1_000_000_000 / u128::from(self.resolution);
        let nanoseconds = seconds.saturating_add(self.offset_seconds).saturating_mul(1_000_000_000);
        Time::from_nanoseconds(nanoseconds.saturating_add(rest as i64))
    }
}

fn link(number: u32) -> Result<Link, Skip> {
    Link::from_number(number).ok_or(Skip::LinkUnknown)
}

impl Order {
    /// The 16-bit number at `at`.
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Order::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    /// The 32-bit number at `at`.
    #[inline]
    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Order::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

/// The bytes that were read and not yet used, in one piece.
struct Window<R> {
    bytes: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Too few bytes have come for what was asked last.
    awaits_more: bool,
}

impl<R: Read> Window<R> {
    fn new(bytes: R) -> Window<R> {
        Window { bytes, buffer: vec![0; WINDOW_BYTES], start: 0, end: 0, awaits_more: false }
    }

    /// The next `count` bytes, which stay; `None` where fewer are left.
    #[inline]
    fn peek(&mut self, count: usize) -> Result<Option<&[u8]>, String> {
        if self.end - self.start < count && !self.fill(count)? {
            return Ok(None);
        }
        Ok(Some(&self.buffer[self.start..self.start + count]))
    }

    /// The next `count` bytes, which are used up; `None` where fewer are left.
    #[inline]
    fn take(&mut self, count: usize) -> Result<Option<&[u8]>, String> {
        if self.end - self.start < count && !self.fill(count)? {
            return Ok(None);
        }
        let start = self.start;
        self.start += count;
        Ok(Some(&self.buffer[start..self.start]))
    }

    /// Whether the file ends here as it should: with all of its bytes used.
    fn end(&self) -> Result<(), String> {
        if self.start == self.end { Ok(()) } else { Err(CUT.to_owned()) }
    }

    /// Reads on until there are `count` bytes; `false` where the file ends before.
    #[cold]
    fn fill(&mut self, count: usize) -> Result<bool, String> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        self.awaits_more = false;
        if count > self.buffer.len() {
            self.buffer.resize(count, 0);
        }
        while self.end < count {
            match self.bytes.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.awaits_more = true;
                    return Ok(false);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(true)
    }
}

const PCAP: [[u8; 4]; 4] =
    [[0xa1, 0xb2, 0xc3, 0xd4], [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0x4d, 0x3c, 0xb2, 0xa1]];
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Option if_tsresol.
const TIME_RESOLUTION: u16 = 9;
/// Option if_tsoffset.
const TIME_OFFSET: u16 = 14;
const CUT: &str = "the file ends in the middle of a packet";
/// The most that libpcap lets a capture keep of a packet (its MAXIMUM_SNAPLEN).
const MAX_CAPTURED_BYTES: u32 = 262_144;
/// Room for any packet, and for the names and keys that Wireshark stores beside them.
const MAX_BLOCK_BYTES: u32 = 16 << 20;
/// Real captures have a handful; packets of further ones are counted as of an unknown link.
const MAX_INTERFACES: usize = 4096;
/// Read at a time: large enough to make system calls rare, small enough for the second-level cache.
const WINDOW_BYTES: usize = 1 << 18;
