//! Capture files: pcap and pcapng, as tcpdump, Wireshark and their kin write them.
//!
//! The framing is read by the `pcap-file` crate; what the frames hold is the meter's work. Guards around the crate: the
//! number of pcapng interfaces is bounded, and timestamps are scaled by each interface's own resolution, which the crate
//! leaves to its caller.

use std::borrow::Cow;
use std::io::Read;

use flow::Time;
use meter::Link;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{Endianness, PcapError, TsResolution};

/// Whether a file that starts with these bytes is a capture.
pub fn is_capture(start: &[u8]) -> bool {
    PCAP.iter().any(|magic| start.starts_with(magic)) || start.starts_with(&PCAPNG)
}

/// A capture file, read packet by packet.
pub struct Capture<R: Read>(Framing<R>);

enum Framing<R: Read> {
    Pcap { reader: PcapReader<R>, link: Option<Link>, nanoseconds_per_tick: i64 },
    PcapNg { reader: PcapNgReader<R>, clocks: Vec<Clock>, body: Vec<u8> },
}

/// One packet as captured.
#[derive(Debug)]
pub struct Record<'a> {
    /// What its first byte belongs to; `None` where that cannot be read.
    pub link: Option<Link>,
    /// When it was captured.
    pub time: Time,
    /// Its length before the capture cut it, in bytes.
    pub wire_bytes: u32,
    /// The captured bytes.
    pub bytes: Cow<'a, [u8]>,
}

/// What a pcapng interface says of its packets.
struct Clock {
    link: Option<Link>,
    /// Ticks a second.
    resolution: u64,
    /// Added to each time stamp.
    offset_seconds: i64,
}

impl<R: Read> Capture<R> {
    /// Reads the file's header. Fails with a reason.
    pub fn new(bytes: R, start: &[u8]) -> Result<Capture<R>, String> {
        if start.starts_with(&PCAPNG) {
            let reader = PcapNgReader::new(bytes).map_err(|error| reason(&error))?;
            return Ok(Capture(Framing::PcapNg { reader, clocks: Vec::new(), body: Vec::new() }));
        }
        let reader = PcapReader::new(bytes).map_err(|error| reason(&error))?;
        let header = reader.header();
        let nanoseconds_per_tick = match header.ts_resolution {
            TsResolution::MicroSecond => 1000,
            TsResolution::NanoSecond => 1,
        };
        // The upper bits of the field say how long frame check sequences are.
        let link = Link::from_number(u32::from(header.datalink) & 0xffff);
        Ok(Capture(Framing::Pcap { reader, link, nanoseconds_per_tick }))
    }

    /// The next packet, or `None` at the end. Fails with a reason where the file is cut or damaged; there is nothing
    /// more to read then.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, String> {
        match &mut self.0 {
            Framing::Pcap { reader, link, nanoseconds_per_tick } => match reader.next_raw_packet() {
                None => Ok(None),
                Some(Err(error)) => Err(reason(&error)),
                Some(Ok(packet)) => {
                    let ticks = i64::from(packet.ts_frac) * *nanoseconds_per_tick;
                    let time = Time::from_nanoseconds(i64::from(packet.ts_sec) * 1_000_000_000 + ticks);
                    Ok(Some(Record { link: *link, time, wire_bytes: packet.orig_len, bytes: packet.data }))
                }
            },
            Framing::PcapNg { reader, clocks, body } => next_block(reader, clocks, body),
        }
    }
}

/// Reads blocks up to the next packet, whose body it copies into `body`.
fn next_block<'a, R: Read>(
    reader: &mut PcapNgReader<R>,
    clocks: &mut Vec<Clock>,
    body: &'a mut Vec<u8>,
) -> Result<Option<Record<'a>>, String> {
    loop {
        let kind = match reader.next_raw_block() {
            None => return Ok(None),
            Some(Err(error)) => return Err(reason(&error)),
            Some(Ok(block)) => {
                if matches!(block.type_, ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET) {
                    body.clear();
                    body.extend_from_slice(&block.body);
                }
                block.type_
            }
        };
        match kind {
            SECTION_HEADER => clocks.clear(),
            INTERFACE_DESCRIPTION if clocks.len() == MAX_INTERFACES => {
                return Err(format!("more than {MAX_INTERFACES} interfaces in one section"));
            }
            INTERFACE_DESCRIPTION => clocks.extend(reader.interfaces().last().map(Clock::of)),
            ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET => {
                let is_little = reader.section().endianness == Endianness::Little;
                return record(kind, body, is_little, clocks).map(Some);
            }
            _ => {}
        }
    }
}

/// Reads the body of a packet block (draft-ietf-opsawg-pcapng s.4.3, s.4.4, appendix A).
fn record<'a>(kind: u32, body: &'a [u8], is_little: bool, clocks: &[Clock]) -> Result<Record<'a>, String> {
    let word = |at: usize| -> Result<u32, String> {
        let bytes = body.get(at..).and_then(|rest| rest.first_chunk()).ok_or("a packet block is too short")?;
        Ok(if is_little { u32::from_le_bytes(*bytes) } else { u32::from_be_bytes(*bytes) })
    };
    if kind == SIMPLE_PACKET {
        let (wire_bytes, bytes) = (word(0)?, body.get(4..).unwrap_or_default());
        let clock = clocks.first().ok_or("a packet before any interface description")?;
        // The block pads to four bytes and has no time of its own.
        let bytes = &bytes[..bytes.len().min(wire_bytes as usize)];
        return Ok(Record { link: clock.link, time: Time::from_nanoseconds(0), wire_bytes, bytes: bytes.into() });
    }
    let interface = match (kind, is_little) {
        (ENHANCED_PACKET, _) => word(0)?,
        (_, true) => word(0)? & 0xffff,
        (_, false) => word(0)? >> 16,
    };
    let clock =
        clocks.get(interface as usize).ok_or_else(|| format!("a packet of undescribed interface {interface}"))?;
    let time = clock.time(u64::from(word(4)?) << 32 | u64::from(word(8)?));
    let (captured, wire_bytes) = (word(12)?, word(16)?);
    let bytes = body
        .get(20..)
        .and_then(|rest| rest.get(..captured as usize))
        .ok_or_else(|| format!("a packet block of {} bytes claims {captured} captured bytes", body.len()))?;
    Ok(Record { link: clock.link, time, wire_bytes, bytes: bytes.into() })
}

impl Clock {
    fn of(interface: &InterfaceDescriptionBlock<'_>) -> Clock {
        let mut clock =
            Clock { link: Link::from_number(u32::from(interface.linktype)), resolution: 1_000_000, offset_seconds: 0 };
        for option in &interface.options {
            match option {
                InterfaceDescriptionOption::IfTsResol(exponent) => {
                    let base: u64 = if exponent & 0x80 == 0 { 10 } else { 2 };
                    clock.resolution = base.checked_pow(u32::from(exponent & 0x7f)).unwrap_or(u64::MAX);
                }
                InterfaceDescriptionOption::IfTsOffset(seconds) => clock.offset_seconds = *seconds as i64,
                _ => {}
            }
        }
        clock
    }

    fn time(&self, ticks: u64) -> Time {
        let seconds = (ticks / self.resolution) as i64;
        let rest = u128::from(ticks % self.resolution) * 1_000_000_000 / u128::from(self.resolution);
        let nanoseconds = seconds.saturating_add(self.offset_seconds).saturating_mul(1_000_000_000);
        Time::from_nanoseconds(nanoseconds.saturating_add(rest as i64))
    }
}

fn reason(error: &PcapError) -> String {
    match error {
        PcapError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the file ends in the middle of a packet, or the packet's length is impossible".to_owned()
        }
        PcapError::IoError(error) => error.to_string(),
        other => other.to_string(),
    }
}

const PCAP: [[u8; 4]; 4] =
    [[0xa1, 0xb2, 0xc3, 0xd4], [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0x4d, 0x3c, 0xb2, 0xa1]];
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Real captures have a handful.
const MAX_INTERFACES: usize = 4096;
