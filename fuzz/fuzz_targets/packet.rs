//! Packets of any link, at any time: each, and each found inside another, is in a flow or skipped by reason.
//!
//! The input is a row of packets: link (1 byte), step of the clock in units of 50 ms (1 byte, signed), length (1 byte),
//! then so many bytes.
#![no_main]

use flow::{Flow, Time};
use libfuzzer_sys::fuzz_target;
use meter::{Link, Meter, Settings, Vlans};

const LINKS: [Link; 11] = [
    Link::Ethernet,
    Link::LinuxCooked,
    Link::LinuxCooked2,
    Link::Ip,
    Link::Loopback,
    Link::Ppp,
    Link::Pppoe,
    Link::PacketFilterLog,
    Link::NetfilterLog,
    Link::Wireless,
    Link::Radiotap,
];

fuzz_target!(|data: &[u8]| {
    let vlans = if data.len() % 2 == 0 { Vlans::Together } else { Vlans::Apart };
    let mut meter = Meter::new(Settings { bytes: 8 << 10, vlans, ..Settings::default() });
    let mut flows = Vec::new();
    let mut milliseconds = 0i64;
    let mut rest = data;
    while let [link, step, length, tail @ ..] = rest {
        let (bytes, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        milliseconds += i64::from(*step as i8) * 50;
        // The high bits of the link stretch the packet beyond what was captured.
        let wire_bytes = bytes.len() as u32 + u32::from(link >> 4) * 97;
        let link = LINKS[usize::from(link & 15) % LINKS.len()];
        meter.packet(link, Time::from_nanoseconds(milliseconds * 1_000_000), bytes, wire_bytes, &mut flows);
    }
    meter.finish(&mut flows);
    let counts = meter.counts();
    let in_flows = flows.iter().map(Flow::packets).sum::<Option<u64>>();
    assert_eq!(Some(counts.packets + counts.inner - counts.skipped_packets()), in_flows);
    assert_eq!(counts.flows, flows.len() as u64);
});
