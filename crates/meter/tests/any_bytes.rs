//! Whatever comes, each packet, and each one found inside another, is in a flow or counted as skipped.

mod packets;

use flow::{Flow, Time};
use meter::{Link, Meter, Settings};
use packets::tunnel::{geneve, gre, gtp, in_ipv6, mpls, pppoe, vxlan};
use packets::{CLIENT, SERVER, ethernet, icmp, ipv4, ipv4_fragment, ipv6, tcp, udp};
use proptest::prelude::*;

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

/// A good frame of some kind, to be damaged.
fn frame(kind: u8, number: u16) -> Vec<u8> {
    match kind % 14 {
        0 => tcp(CLIENT, SERVER, ["S", "SA", "A", "FA", "R", "PA"][usize::from(number % 6)], number.into(), 1, 9),
        1 => tcp(SERVER, CLIENT, ["S", "SA", "A", "FA", "R", "PA"][usize::from(number % 6)], 1, number.into(), 9),
        2 => udp(CLIENT, (SERVER.0, number), 9),
        3 => icmp(CLIENT.0, SERVER.0, number as u8, 0, 9),
        4 => ethernet(0x0800, &ipv4_fragment(CLIENT.0, SERVER.0, 17, (number % 4, number & 8, true), &[1; 16])),
        5 => ethernet(0x86dd, &ipv6(1, 2, [0, 43, 44, 51, 60, 135, 6][usize::from(number % 7)], &[0; 48])),
        6 => packets::arp(number as u8, CLIENT.0, SERVER.0),
        kind => wrapped(kind, number),
    }
}

/// A good frame inside a tunnel.
fn wrapped(kind: u8, number: u16) -> Vec<u8> {
    // Of another kind, so that tunnels lie in tunnels, as deep as the number goes.
    let inner = frame((number % 14) as u8, number / 14);
    match kind {
        7 => vxlan(number.into(), &inner),
        8 => geneve(number.into(), 0x6558, &[0, 1, 2, 0], &inner),
        9 => gtp(number.into(), 0, &[], &inner[14..]),
        10 => gre(0, 0x6558, &[], &inner),
        11 => mpls(&[number.into()], &inner),
        12 => ethernet(0x8864, &pppoe(number, 0x21, &ipv4(CLIENT.0, SERVER.0, 47, &inner))),
        _ => in_ipv6(&inner[14..]),
    }
}

/// What a packet is made of: kind, number and link; the step of time before it; damages; its length on the wire.
type Made = ((u8, u16, u8), i64, Vec<(u16, u8)>, u32);

fn give(meter: &mut Meter, packet: &Made, milliseconds: &mut i64, ended: &mut Vec<Flow>) {
    let ((kind, number, link), step, damage, wire_bytes) = packet;
    let mut bytes = frame(*kind, *number);
    for &(at, byte) in damage {
        let at = usize::from(at) % bytes.len();
        bytes[at] = byte;
    }
    bytes.truncate(if number % 5 == 0 { usize::from(*number) % bytes.len() } else { bytes.len() });
    *milliseconds += step;
    let time = Time::from_nanoseconds(*milliseconds * 1_000_000);
    let wire_bytes = if number % 3 == 0 { *wire_bytes } else { bytes.len() as u32 };
    let link = if link % 4 == 0 { LINKS[usize::from(*link / 4) % LINKS.len()] } else { Link::Ethernet };
    meter.packet(link, time, &bytes, wire_bytes, ended);
}

/// The flows of the packets where one meter decodes and another has the table, taken out a few at a time.
fn split(packets: &[Made], bytes: usize) -> Vec<Flow> {
    let mut decoder = Meter::new(Settings { bytes, ..Settings::default() });
    let mut table = decoder.split();
    let (mut ended, mut some) = (Vec::new(), Vec::new());
    let mut milliseconds = 0;
    for chunk in packets.chunks(7) {
        chunk.iter().for_each(|packet| give(&mut decoder, packet, &mut milliseconds, &mut some));
        assert!(some.is_empty());
        let mut decoded = decoder.decoded();
        while table.take(&mut decoded, &mut some, 2) {
            ended.append(&mut some);
        }
        ended.append(&mut some);
    }
    decoder.finish(&mut some);
    assert!(some.is_empty());
    while table.finish_some(&mut some, 2) {
        ended.append(&mut some);
    }
    ended.append(&mut some);
    assert_eq!(decoder.counts().with(&table.counts()).packets, packets.len() as u64);
    ended
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packets_given_equal_packets_in_flows_plus_packets_skipped(
        packets in prop::collection::vec(
            (any::<(u8, u16, u8)>(), -3_000i64..40_000, prop::collection::vec((any::<u16>(), any::<u8>()), 0..3), any::<u32>()),
            0..200,
        ),
        bytes in 0usize..6000,
    ) {
        let mut meter = Meter::new(Settings { bytes, ..Settings::default() });
        let mut ended = Vec::new();
        let mut milliseconds = 0;
        for packet in &packets {
            give(&mut meter, packet, &mut milliseconds, &mut ended);
        }
        meter.finish(&mut ended);
        let counts = meter.counts();
        let in_flows = ended.iter().map(Flow::packets).sum::<Option<u64>>().unwrap();
        prop_assert_eq!(counts.packets, packets.len() as u64);
        prop_assert_eq!(counts.packets + counts.inner, in_flows + counts.skipped_packets());
        prop_assert_eq!(counts.flows, ended.len() as u64);
        prop_assert_eq!(meter.open_flows(), 0);
        prop_assert_eq!(&ended, &split(packets.as_slice(), bytes));
        for flow in &ended {
            prop_assert!(flow.conversation_start <= flow.start && flow.start <= flow.end);
        }
    }

    #[test]
    fn any_bytes_at_any_time_end_without_panic(
        packets in prop::collection::vec((any::<i64>(), prop::collection::vec(any::<u8>(), 0..120), any::<u32>()), 0..50),
    ) {
        let mut meter = Meter::new(Settings::default());
        let mut ended = Vec::new();
        for (position, (nanoseconds, bytes, wire_bytes)) in packets.iter().enumerate() {
            meter.packet(LINKS[position % LINKS.len()], Time::from_nanoseconds(*nanoseconds), bytes, *wire_bytes, &mut ended);
        }
        meter.finish(&mut ended);
        let in_flows = ended.iter().map(Flow::packets).sum::<Option<u64>>().unwrap();
        let counts = meter.counts();
        prop_assert_eq!(packets.len() as u64 + counts.inner, in_flows + counts.skipped_packets());
    }
}
