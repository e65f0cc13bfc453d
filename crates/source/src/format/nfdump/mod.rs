//! Files of nfdump and nfcapd: their binary layouts 1 (nfdump 1.6) and 2 (nfdump 1.7), and in [`csv`] what
//! `nfdump -o csv` prints.
//!
//! A file is a header and blocks of records, each block perhaps compressed. LZO, LZ4 and Zstandard are undone here;
//! bzip2, encryption and files of machines that write numbers the other way round are not: `nfdump -r FILE -o csv` prints
//! those. The layouts are nfdump's own and told by its sources only (nffile.h, nfxV3.h).

pub mod csv;
mod layout1;
mod layout2;
mod lzo;
mod sample;

use std::io::{BufRead, Read};

use flow::{Ended, Endpoint, Protocol, State, Time};

use super::biflow::Biflows;
use super::uniflow::{Half, Observer, Opening, Uniflow, icmp};
use super::{Decoder, Format};
use crate::Batch;

/// Binary files.
pub const FORMAT: Format = Format {
    name: "nfdump",
    what: "nfdump files",
    recognises: |start| start.starts_with(&MAGIC) || start.starts_with(&MAGIC_SWAPPED),
    next_message: next_piece,
    decoder: || Box::new(Nfdump::default()),
    sample: sample::file,
};

/// Reads nfdump files, given in pieces of any length.
#[derive(Default)]
pub struct Nfdump {
    /// Read and not yet used.
    bytes: Vec<u8>,
    file: Option<File>,
    /// What is wrong with the rest of the file.
    damage: Option<&'static str>,
    maps: layout1::Maps,
    /// Room for a block without its compression.
    block: Vec<u8>,
    /// Files that ended in the middle of a block.
    cut: u64,
    biflows: Biflows,
}

/// What a file's header tells.
#[derive(Clone, Copy, Debug)]
struct File {
    layout: Layout,
    compression: Compression,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    One,
    Two,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Lzo,
    Lz4,
    Zstandard,
}

/// A block's header.
struct Block {
    bytes: usize,
    kind: u16,
    is_compressed: bool,
}

impl Nfdump {
    /// Uses what is whole of the bytes read so far.
    fn advance(&mut self, batch: &mut Batch) {
        let mut at = 0;
        while self.damage.is_none() {
            match self.step(at, batch) {
                Ok(0) => break,
                Ok(used) => at += used,
                Err(reason) => {
                    batch.skip(reason);
                    self.damage = Some(reason);
                }
            }
        }
        self.bytes.drain(..at);
        if self.damage.is_some() {
            self.bytes.clear();
        }
    }

    /// Reads the header or block at `at`; how many bytes it has, 0 where it is not whole yet.
    fn step(&mut self, at: usize, batch: &mut Batch) -> Result<usize, &'static str> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let Some(file) = self.file else {
            let Some((file, length)) = File::of(rest)? else { return Ok(0) };
            self.file = Some(file);
            return Ok(length);
        };
        let Some(block) = Block::of(rest, file.layout) else { return Ok(0) };
        if block.bytes > MAX_BLOCK_BYTES {
            return Err("block longer than any that nfdump writes");
        }
        let end = BLOCK_HEADER_BYTES + block.bytes;
        let Some(stored) = rest.get(BLOCK_HEADER_BYTES..end) else { return Ok(0) };
        if block.kind != file.layout.block_kind() {
            batch.skip("block of another kind than records");
            return Ok(end);
        }
        let compression = if block.is_compressed { file.compression } else { Compression::None };
        let Some(records) = compression.undo(stored, &mut self.block) else {
            batch.skip("block whose compression is damaged");
            return Ok(end);
        };
        read_records(records, file.layout, &mut self.maps, &mut self.biflows, batch);
        Ok(end)
    }
}

impl Decoder for Nfdump {
    fn begin(&mut self) {
        self.cut += u64::from(!self.bytes.is_empty());
        self.bytes.clear();
        self.file = None;
        self.damage = None;
        self.maps = layout1::Maps::default();
    }

    fn decode(&mut self, message: &[u8], batch: &mut Batch) {
        if self.damage.is_none() {
            self.bytes.extend_from_slice(message);
            self.advance(batch);
        }
    }

    fn finish(&mut self, batch: &mut Batch) {
        self.begin();
        (0..self.cut).for_each(|_| batch.skip("block cut short at the end of the file"));
        self.cut = 0;
        self.biflows.finish(batch);
    }
}

impl File {
    /// Reads a file's header; `None` where it is not whole yet. Fails with what to do where it cannot be read on.
    fn of(bytes: &[u8]) -> Result<Option<(File, usize)>, &'static str> {
        if bytes.starts_with(&MAGIC_SWAPPED) {
            return Err("nfdump file of a big-endian machine: print it there with nfdump -r FILE -o csv");
        }
        let Some(layout) = u16_at(bytes, 2) else { return Ok(None) };
        let (layout, length) = match layout {
            // The header and the statistics behind it.
            1 => (Layout::One, 140 + 136),
            2 => (Layout::Two, 40),
            _ => return Err("nfdump file of an unknown layout: print it with nfdump -r FILE -o csv"),
        };
        if bytes.len() < length {
            return Ok(None);
        }
        const BZIP2: &str = "nfdump file compressed with bzip2: print it with nfdump -r FILE -o csv, or recompress it with nfdump -J 1 -r FILE";
        let compression = match layout {
            Layout::One => match bytes[4] & 0x19 {
                0x00 => Compression::None,
                0x01 => Compression::Lzo,
                0x10 => Compression::Lz4,
                _ => return Err(BZIP2),
            },
            Layout::Two => match bytes[16] {
                0 => Compression::None,
                1 => Compression::Lzo,
                2 => return Err(BZIP2),
                3 => Compression::Lz4,
                4 => Compression::Zstandard,
                _ => return Err("nfdump file of an unknown compression: print it with nfdump -r FILE -o csv"),
            },
        };
        if layout == Layout::Two && bytes[17] != 0 {
            return Err("nfdump file that is encrypted: print it with nfdump -r FILE -o csv");
        }
        Ok(Some((File { layout, compression }, length)))
    }
}

impl Layout {
    fn block_kind(self) -> u16 {
        match self {
            Layout::One => 2,
            Layout::Two => 3,
        }
    }
}

impl Block {
    fn of(bytes: &[u8], layout: Layout) -> Option<Block> {
        let (length, kind, flags) = (u32_at(bytes, 4)?, u16_at(bytes, 8)?, u16_at(bytes, 10)?);
        let is_compressed = layout == Layout::One || flags & 1 == 0;
        Some(Block { bytes: length as usize, kind, is_compressed })
    }
}

impl Compression {
    /// The block as it was before, perhaps in `plain`; `None` where it cannot be one.
    fn undo<'a>(self, stored: &'a [u8], plain: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        match self {
            Compression::None => return Some(stored),
            Compression::Lzo => {
                plain.clear();
                lzo::decompress(stored, plain, MAX_BLOCK_BYTES)?;
            }
            Compression::Lz4 => {
                // Filled with zeros once and not for each block: many small blocks would cost much time.
                plain.resize(MAX_BLOCK_BYTES, 0);
                let length = lz4_flex::block::decompress_into(stored, plain).ok()?;
                return plain.get(..length);
            }
            Compression::Zstandard => {
                plain.clear();
                let decoder = ruzstd::decoding::StreamingDecoder::new(stored).ok()?;
                decoder.take(MAX_BLOCK_BYTES as u64).read_to_end(plain).ok()?;
            }
        }
        Some(plain)
    }
}

/// What a record of either layout tells.
#[derive(Debug)]
struct Told {
    observer: Observer,
    source: std::net::IpAddr,
    destination: std::net::IpAddr,
    ports: [u16; 2],
    protocol: u8,
    /// Of all TCP segments, where they were printed.
    flags: Option<u8>,
    first_milliseconds: u64,
    last_milliseconds: u64,
    received_milliseconds: u64,
    packets: u64,
    bytes: u64,
    /// What left the exporter, or what the other side sent where the exporter tells of both.
    out_packets: u64,
    out_bytes: u64,
    biflow_direction: u8,
    end_reason: u8,
    firewall_event: Option<u8>,
    vlan: u16,
    is_sampled: bool,
}

impl Told {
    /// The uniflow, and when it was told.
    fn uniflow(&self) -> Result<(Uniflow, Time), &'static str> {
        let time = |milliseconds: u64| {
            let nanoseconds = i64::try_from(milliseconds).ok().and_then(|number| number.checked_mul(1_000_000));
            nanoseconds.map(Time::from_nanoseconds).ok_or("record of an impossible time")
        };
        let (start, end) = (time(self.first_milliseconds)?, time(self.last_milliseconds)?);
        let received = if self.received_milliseconds > 0 { time(self.received_milliseconds)? } else { end };
        if self.firewall_event == Some(1) {
            return Err("firewall event of a connection opened, whose end is told later");
        }
        let protocol = Protocol::from_number(self.protocol);
        let [kind, code] = self.ports[1].to_be_bytes();
        let (ports, opening) = match protocol {
            Protocol::Icmp | Protocol::Icmpv6 => icmp(protocol, kind, code),
            _ => (self.ports, None),
        };
        // Where the exporter told of no flags, 0 is stored; no TCP conversation goes without any.
        let flags = self.flags.filter(|flags| protocol == Protocol::Tcp && *flags > 0);
        let half = |packets, bytes, flags| Half { packets: Some(packets), bytes: Some(bytes), flags };
        let is_event = self.firewall_event.is_some_and(|event| event > 0);
        let out = half(self.out_packets, self.out_bytes, None);
        let has_out = self.out_packets > 0 || self.out_bytes > 0;
        let has_in = self.packets > 0 || self.bytes > 0;
        // Where packets are counted when they leave, nothing is counted where they come in.
        let (sent, reverse) = match (has_in, has_out) {
            (false, true) if !is_event => (Half { flags, ..out }, None),
            (_, true) => (half(self.packets, self.bytes, flags), Some(out)),
            _ => (half(self.packets, self.bytes, flags), None),
        };
        let told = match self.biflow_direction {
            1 => Some(Opening::BySource),
            2 => Some(Opening::ByDestination),
            _ => is_event.then_some(Opening::BySource),
        };
        let ended = match self.end_reason {
            1 => Ended::Idle,
            2 => Ended::Active,
            3 => Ended::Closed,
            4 => Ended::Input,
            5 => Ended::Evicted,
            _ => Ended::Unknown,
        };
        let uniflow = Uniflow {
            observer: self.observer,
            site: 0,
            source: Endpoint::new(self.source, ports[0]),
            destination: Endpoint::new(self.destination, ports[1]),
            protocol,
            start,
            end: end.max(start),
            sent,
            reverse,
            opening: opening.or(told),
            is_sampled: self.is_sampled,
            denied: (self.firewall_event == Some(3)).then_some(State::S0),
            ended,
            vlan: Some(self.vlan).filter(|vlan| (1..4096).contains(vlan)),
            tunnel: None,
        };
        Ok((uniflow.check()?, received))
    }
}

/// Reads the records of a block.
fn read_records(mut rest: &[u8], layout: Layout, maps: &mut layout1::Maps, biflows: &mut Biflows, batch: &mut Batch) {
    while let Some(length) = u16_at(rest, 2).map(usize::from) {
        let Some(record) = rest.get(..length).filter(|_| length >= 4) else {
            return batch.skip("record of an impossible length");
        };
        rest = &rest[length..];
        let read = match layout {
            Layout::One => layout1::read(record, maps),
            Layout::Two => layout2::read(record),
        };
        match read {
            Ok(Some(told)) => match told.uniflow() {
                Ok((uniflow, received)) => biflows.observe(uniflow, received, batch),
                Err(reason) => batch.skip(reason),
            },
            Ok(None) => batch.note("records that tell of the exporter", 1),
            Err(reason) => batch.skip(reason),
        }
    }
}

/// Gives the file in pieces.
fn next_piece(bytes: &mut dyn BufRead, message: &mut Vec<u8>, _: &mut Batch) -> Result<bool, String> {
    bytes.take(PIECE_BYTES).read_to_end(message).map_err(|error| error.to_string())?;
    Ok(!message.is_empty())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// An IPv4 address, or two numbers of 64 bits for IPv6.
fn address_at(bytes: &[u8], at: usize, is_ipv6: bool) -> Option<std::net::IpAddr> {
    if is_ipv6 {
        let (high, low) = (u64_at(bytes, at)?, u64_at(bytes, at + 8)?);
        let address = std::net::Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        return Some(std::net::IpAddr::from(address).to_canonical());
    }
    Some(std::net::Ipv4Addr::from_bits(u32_at(bytes, at)?).into())
}

const MAGIC: [u8; 2] = [0x0c, 0xa5];
const MAGIC_SWAPPED: [u8; 2] = [0xa5, 0x0c];
const BLOCK_HEADER_BYTES: usize = 12;
/// nfdump writes blocks of at most some 5 MiB.
const MAX_BLOCK_BYTES: usize = 8 << 20;
const PIECE_BYTES: u64 = 1 << 16;
