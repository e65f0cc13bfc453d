//! Captures in every dialect give the same flows; damaged ones give what came before.

mod made;

use std::io::Write;

use flow::Flow;
use made::{Order, block, enhanced_packet, file, interface, packets, pcap, pcapng, read, read_bytes, section};
use proptest::prelude::*;

fn expected() -> Vec<Flow> {
    let (flows, report) = read_bytes("expected.pcap", &pcap(&packets(), Order::Little, false)).unwrap();
    assert_eq!((flows.len(), report.packets, report.damage.len()), (10, 20, 0));
    flows
}

#[test]
fn every_dialect_gives_the_same_flows() {
    let expected = expected();
    for order in [Order::Little, Order::Big] {
        for nanoseconds in [false, true] {
            let flows = read_bytes("dialect.pcap", &pcap(&packets(), order, nanoseconds)).unwrap().0;
            assert_eq!(flows, expected, "{order:?} {nanoseconds}");
        }
        for resolution in [6, 9, 12] {
            let mut packets = packets();
            // In picoseconds, 64 bits end in July 1970.
            packets
                .iter_mut()
                .for_each(|packet| packet.0 -= if resolution == 12 { 1_700_000_000_000_000_000 } else { 0 });
            let (flows, report) = read_bytes("dialect.pcapng", &pcapng(&packets, order, resolution)).unwrap();
            assert_eq!((flows.len(), report.packets), (expected.len(), 20));
            if resolution != 12 {
                assert_eq!(flows, expected, "{order:?} {resolution}");
            }
        }
    }
}

#[test]
fn binary_fractions_of_a_second_are_read() {
    let flows = read_bytes("binary.pcapng", &pcapng(&packets(), Order::Little, 0x80 | 30)).unwrap().0;
    let difference = flows[3].start.since(expected()[3].start).as_nanos();
    assert!(difference < 2, "{difference}");
}

#[test]
fn compressed_captures_give_the_same_flows() {
    let bytes = pcap(&packets(), Order::Little, false);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstandard =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let (one, other) = bytes.split_at(300);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..]].concat();
    for (name, bytes) in [
        ("one.gz", gzip(&bytes)),
        ("members.gz", [gzip(one), gzip(other)].concat()),
        ("one.zst", zstandard(&bytes)),
        ("frames.zst", [zstandard(one), zstandard(other)].concat()),
        ("skippable.zst", [skippable.clone(), zstandard(one), skippable, zstandard(other)].concat()),
    ] {
        assert_eq!(read_bytes(name, &bytes).unwrap().0, expected(), "{name}");
    }
}

#[test]
fn a_cut_compressed_capture_gives_what_came_before() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(&pcap(&packets(), Order::Little, false)).unwrap();
    let bytes = encoder.finish().unwrap();
    let (flows, report) = read_bytes("cut.pcap.gz", &bytes[..bytes.len() / 2]).unwrap();
    assert!((1..10).contains(&flows.len()));
    assert_eq!(report.damage.len(), 1);
}

#[test]
fn a_cut_capture_gives_a_prefix_of_its_flows() {
    for bytes in [pcap(&packets(), Order::Big, true), pcapng(&packets(), Order::Little, 6)] {
        for length in (80..bytes.len()).step_by(7) {
            let (flows, report) = read_bytes("cut.pcap", &bytes[..length]).unwrap();
            let whole = report.packets / 2;
            assert_eq!(flows[..whole as usize], expected()[..whole as usize]);
            assert!(report.damage.len() <= 1);
        }
    }
}

#[test]
fn a_capture_without_packets_is_no_error_and_has_no_flows() {
    for bytes in [pcap(&[], Order::Little, false), pcapng(&[], Order::Big, 6), section(Order::Little)] {
        let (flows, report) = read_bytes("header-only.pcap", &bytes).unwrap();
        assert_eq!((flows.len(), report), (0, source::Report::default()));
    }
}

#[test]
fn an_impossible_packet_length_stops_the_file_and_says_where() {
    let mut bytes = pcap(&packets(), Order::Little, false);
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]);
    bytes.extend([0; 1000]);
    let (flows, report) = read_bytes("absurd.pcap", &bytes).unwrap();
    assert_eq!(flows, expected());
    assert!(report.damage[0].contains("damaged after packet 20: a packet claims 2147483647"), "{}", report.damage[0]);
}

#[test]
fn a_packet_captured_longer_than_it_was_counts_as_captured() {
    let mut bytes = pcap(&packets(), Order::Little, false);
    // The length on the wire of the first packet, from a writer that does not fill it in.
    bytes[36..40].fill(0);
    assert_eq!(read_bytes("no-wire-length.pcap", &bytes).unwrap().0, expected());
}

#[test]
fn each_interface_has_its_own_link_and_clock() {
    let order = Order::Little;
    let mut bytes = section(order);
    bytes.extend(interface(order, 1, &[], true));
    bytes.extend(interface(order, 101, &[(9, &[9]), (14, &100i64.to_le_bytes())], true));
    bytes.extend(interface(order, 147, &[], true));
    for (number, packet) in packets().into_iter().enumerate() {
        match number % 2 {
            0 => bytes.extend(enhanced_packet(order, 0, 6, &packet)),
            _ => {
                let without_link = (packet.0 - 100_000_000_000, packet.1[14..].to_vec());
                bytes.extend(enhanced_packet(order, 1, 9, &without_link));
            }
        }
    }
    bytes.extend(enhanced_packet(order, 2, 6, &packets()[19]));
    bytes.extend(enhanced_packet(order, 3, 6, &packets()[19]));
    let (flows, report) = read_bytes("interfaces.pcapng", &bytes).unwrap();
    assert_eq!(flows, expected());
    assert_eq!(report.skipped, [("link type that cannot be read", 2)].into());
}

#[test]
fn odd_blocks_do_not_cost_the_rest_of_the_file() {
    let order = Order::Big;
    let mut bytes = section(order);
    // A name that is not UTF-8, and options without their end.
    bytes.extend(interface(order, 1, &[(2, b"Ethern\xe9t"), (9, &[6])], false));
    bytes.extend(block(order, 0x0bad, b"custom"));
    bytes.extend(block(order, 6, &[0; 8]));
    let mut claims_more = enhanced_packet(order, 0, 6, &packets()[0]);
    claims_more[20..24].copy_from_slice(&9999u32.to_be_bytes());
    bytes.extend(claims_more);
    bytes.extend(packets().iter().flat_map(|packet| enhanced_packet(order, 0, 6, packet)));
    let (flows, report) = read_bytes("odd.pcapng", &bytes).unwrap();
    assert_eq!(flows, expected());
    assert_eq!(report.skipped, [("capture record contradicts itself", 2)].into());
}

#[test]
fn a_second_section_may_be_in_the_other_byte_order() {
    let (one, other) = (packets()[..10].to_vec(), packets()[10..].to_vec());
    let bytes = [pcapng(&one, Order::Little, 6), pcapng(&other, Order::Big, 9)].concat();
    assert_eq!(read_bytes("sections.pcapng", &bytes).unwrap().0, expected());
}

#[test]
fn packets_without_a_time_take_the_one_before() {
    let order = Order::Little;
    let mut bytes = pcapng(&packets()[..1], order, 6);
    let answer = &packets()[1].1;
    bytes.extend(block(order, 3, &[&(answer.len() as u32).to_le_bytes(), &answer[..]].concat()));
    let (flows, report) = read_bytes("simple.pcapng", &bytes).unwrap();
    assert_eq!((flows.len(), flows[0].packets(), flows[0].duration().as_nanos()), (1, Some(2), 0));
    assert!(report.notes.is_empty());
}

#[test]
fn files_are_read_in_the_order_of_their_first_packets() {
    let early = file("b-early.pcap", &pcap(&packets()[..9], Order::Little, false));
    let late = file("a-late.pcapng", &pcapng(&packets()[9..], Order::Big, 9));
    let empty = file("c-header-only.pcap", &pcap(&[], Order::Little, false));
    // A conversation goes on from one file to the next.
    let (flows, report) = read(&[late, empty, early]).unwrap();
    assert_eq!(flows, expected());
    assert_eq!((report.packets, report.notes.len()), (20, 0));
}

#[test]
fn among_several_files_an_unreadable_one_is_reported_and_passed_over() {
    let good = file("d-good.pcap", &pcap(&packets(), Order::Little, false));
    let (flows, report) = read(&[good.clone(), file("d-empty.pcap", b""), file("d-readme", b"Read me")]).unwrap();
    assert_eq!((flows, report.damage.len()), (expected(), 2));
    let (flows, report) = read(&[good, "no-such-file.pcap".into()]).unwrap();
    assert_eq!((flows, report.damage.len()), (expected(), 1));
    assert!(report.damage[0].contains("no-such-file.pcap"), "{:?}", report.damage);
}

#[test]
fn progress_counts_all_files_and_ends_at_their_size() {
    use source::{Batch, Input, Source};
    let bytes = pcap(&packets(), Order::Little, false);
    let paths = [file("e-1.pcap", &bytes), file("e-2.pcap", &bytes)];
    let mut input = Input::open(&paths, meter::Settings::default()).unwrap();
    while input.read(&mut Batch::default()).unwrap() {}
    assert_eq!(input.progress(), (2 * bytes.len() as u64, 2 * bytes.len() as u64));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_ends_without_panic_and_every_packet_is_accounted_for(
        is_new in any::<bool>(),
        damage in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6),
    ) {
        let mut bytes =
            if is_new { pcapng(&packets(), Order::Little, 6) } else { pcap(&packets(), Order::Little, false) };
        for (at, byte) in damage {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        if let Ok((flows, report)) = read_bytes(&format!("damaged-{is_new}.pcap"), &bytes) {
            let in_flows = flows.iter().map(Flow::packets).sum::<Option<u64>>().unwrap();
            let inner = report.notes.get("packets found inside tunnels").copied().unwrap_or_default();
            prop_assert_eq!(report.packets + inner, in_flows + report.skipped.values().sum::<u64>());
        }
    }

    #[test]
    fn any_bytes_behind_a_good_start_end_without_panic(
        start in 0usize..6,
        rest in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let starts: [&[u8]; 6] = [
            b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"#separator",
        ];
        let _ = read_bytes("any-bytes", &[starts[start], &rest].concat());
    }
}
