//! Packets of any link, at any time: each is in a flow or skipped by reason.
//!
//! The input is a row of packets: link (1 byte), step of the clock in units of 50 ms (1 byte, signed), length (1 byte),
//! then so many bytes.
#![no_main]

use flow::{Flow, Time};
use libfuzzer_sys::fuzz_target;
use meter::{Link, Meter, Settings};

const LINKS: [Link; 5] = [Link::Ethernet, Link::LinuxCooked, Link::LinuxCooked2, Link::Ip, Link::Loopback];

fuzz_target!(|data: &[u8]| {
    let mut meter = Meter::new(Settings { bytes: 8 << 10, ..Settings::default() });
    let mut flows = Vec::new();
    let mut milliseconds = 0i64;
    let mut rest = data;
    while let [link, step, length, tail @ ..] = rest {
        let (bytes, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        milliseconds += i64::from(*step as i8) * 50;
        // The high bits of the link stretch the packet beyond what was captured.
        let wire_bytes = bytes.len() as u32 + u32::from(link >> 3) * 97;
        let link = LINKS[usize::from(link & 7) % LINKS.len()];
        meter.packet(link, Time::from_nanoseconds(milliseconds * 1_000_000), bytes, wire_bytes, &mut flows);
    }
    meter.finish(&mut flows);
    let counts = meter.counts();
    let in_flows = flows.iter().map(Flow::packets).sum::<Option<u64>>();
    assert_eq!(in_flows.map(|packets| packets + counts.skipped_packets()), Some(counts.packets));
    assert_eq!(counts.flows, flows.len() as u64);
});
