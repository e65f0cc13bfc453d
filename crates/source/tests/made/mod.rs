//! Makes captures byte by byte, in every dialect of the two formats.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use flow::Flow;
use meter::Settings;
use source::{Batch, Error, Input, Report, Source};

/// Time in nanoseconds, and an Ethernet frame.
pub(crate) type Packet = (u64, Vec<u8>);

/// In which order numbers are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, number: u16) -> [u8; 2] {
        if let Order::Little = self { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    fn u32(self, number: u32) -> [u8; 4] {
        if let Order::Little = self { number.to_le_bytes() } else { number.to_be_bytes() }
    }
}

/// Some UDP questions and answers, and a TCP opening, a second apart, whole microseconds each.
pub(crate) fn packets() -> Vec<Packet> {
    let mut packets = Vec::new();
    for number in 0..20u16 {
        let (mut ports, mut hosts) = ([5000 + number / 2, 53], [1, 2]);
        if number % 2 == 1 {
            ports.reverse();
            hosts.reverse();
        }
        let mut frame = vec![2, 0, 0, 0, 0, hosts[1], 2, 0, 0, 0, 0, hosts[0], 8, 0];
        frame.extend([0x45, 0, 0, 28 + number as u8, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, hosts[0], 10, 0, 0, hosts[1]]);
        frame.extend(ports.map(u16::to_be_bytes).concat());
        frame.extend([0, 8 + number as u8, 0, 0]);
        frame.resize(frame.len() + usize::from(number), 7);
        packets.push((1_700_000_000_000_000_000 + u64::from(number) * 1_000_001_000, frame));
    }
    packets
}

pub(crate) fn pcap(packets: &[Packet], order: Order, nanoseconds: bool) -> Vec<u8> {
    let mut file = order.u32(if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec();
    file.extend([order.u16(2), order.u16(4)].concat());
    file.extend([order.u32(0), order.u32(0), order.u32(65_535), order.u32(1)].concat());
    for (time, frame) in packets {
        let fraction = (time % 1_000_000_000) as u32 / if nanoseconds { 1 } else { 1000 };
        let length = frame.len() as u32;
        file.extend([(time / 1_000_000_000) as u32, fraction, length, length].map(|word| order.u32(word)).concat());
        file.extend(frame);
    }
    file
}

/// A pcapng file; `resolution` as if_tsresol has it.
pub(crate) fn pcapng(packets: &[Packet], order: Order, resolution: u8) -> Vec<u8> {
    let mut file = section(order);
    file.extend(interface(order, 1, &[(9, &[resolution])], true));
    for packet in packets {
        file.extend(enhanced_packet(order, 0, resolution, packet));
    }
    file
}

pub(crate) fn section(order: Order) -> Vec<u8> {
    let body = [order.u32(0x1a2b_3c4d).to_vec(), order.u16(1).to_vec(), order.u16(0).to_vec(), vec![0xff; 8]].concat();
    block(order, 0x0a0d_0d0a, &body)
}

pub(crate) fn interface(order: Order, link: u16, options: &[(u16, &[u8])], with_end: bool) -> Vec<u8> {
    let mut body = [order.u16(link).to_vec(), vec![0; 6]].concat();
    for (code, value) in options {
        body.extend([order.u16(*code), order.u16(value.len() as u16)].concat());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    if with_end {
        body.extend([0; 4]);
    }
    block(order, 1, &body)
}

pub(crate) fn enhanced_packet(order: Order, interface: u32, resolution: u8, (time, frame): &Packet) -> Vec<u8> {
    let ticks = if resolution & 0x80 == 0 {
        u128::from(*time) * 10u128.pow(resolution.into()) / 1_000_000_000
    } else {
        (u128::from(*time) << (resolution & 0x7f)).div_ceil(1_000_000_000)
    };
    let (high, low, length) = ((ticks >> 32) as u32, ticks as u32, frame.len() as u32);
    let mut body = [interface, high, low, length, length].map(|word| order.u32(word)).concat();
    body.extend(frame);
    block(order, 6, &body)
}

pub(crate) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = order.u32(body.len() as u32 + 12);
    [&order.u32(kind)[..], &length, &body, &length].concat()
}

/// Writes a file into the tests' own folder, each time another one: tests run side by side.
pub(crate) fn file(name: &str, bytes: &[u8]) -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{number}-{name}"));
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(crate) fn read(paths: &[PathBuf]) -> Result<(Vec<Flow>, Report), Error> {
    let mut input = Input::open(paths, Settings::default())?;
    let mut batch = Batch::default();
    while input.read(&mut batch)? {}
    Ok((batch.flows, input.report()))
}

pub(crate) fn read_bytes(name: &str, bytes: &[u8]) -> Result<(Vec<Flow>, Report), Error> {
    let path = file(name, bytes);
    let outcome = read(std::slice::from_ref(&path));
    std::fs::remove_file(path).unwrap();
    outcome
}
