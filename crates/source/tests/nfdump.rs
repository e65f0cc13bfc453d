//! nfdump files of both layouts, and what nfdump prints, become conversations.

mod made;

use flow::{Ended, Flow, State, Time};
use made::read_bytes;
use proptest::prelude::*;
use source::Batch;
use source::format::Decoder;
use source::format::nfdump::Nfdump;

/// Client, server, packets, bytes, flags of one direction.
type OneWay = ([u8; 4], u16, [u8; 4], u16, u64, u64, u8);

const CALL: OneWay = ([10, 0, 0, 1], 50_000, [10, 0, 0, 2], 443, 10, 1000, 0x1b);
const ANSWER: OneWay = ([10, 0, 0, 2], 443, [10, 0, 0, 1], 50_000, 12, 9000, 0x1b);
const SECOND: u32 = 1_700_000_000;

fn host(address: [u8; 4]) -> [u8; 4] {
    u32::from_be_bytes(address).to_le_bytes()
}

fn block(kind: u16, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let body = records.concat();
    stored_block(kind, flags, records.len(), &body)
}

fn stored_block(kind: u16, flags: u16, records: usize, body: &[u8]) -> Vec<u8> {
    let sizes = [records as u32, body.len() as u32].map(u32::to_le_bytes).concat();
    [&sizes[..], &kind.to_le_bytes(), &flags.to_le_bytes(), body].concat()
}

fn header_1(flags: u8) -> Vec<u8> {
    let mut header = vec![0x0c, 0xa5, 1, 0, flags];
    header.resize(140 + 136, 0);
    header
}

/// An extension map of input and output, and a record with that extension.
fn records_1(flows: &[OneWay]) -> Vec<Vec<u8>> {
    let mut records = vec![vec![2, 0, 12, 0, 7, 0, 4, 0, 4, 0, 0, 0]];
    for (source, source_port, destination, destination_port, packets, bytes, flags) in flows {
        let mut record = [10u16, 0, 0x06, 7, 250, 750].map(u16::to_le_bytes).concat();
        record.extend([SECOND, SECOND + 2].map(u32::to_le_bytes).concat());
        record.extend([0, *flags, 6, 0]);
        record.extend([*source_port, *destination_port, 3, 0].map(u16::to_le_bytes).concat());
        record.extend([host(*source), host(*destination)].concat());
        record.extend([*packets, *bytes].map(u64::to_le_bytes).concat());
        record.extend([1, 0, 2, 0]);
        record[2] = record.len() as u8;
        records.push(record);
    }
    records
}

fn header_2(compression: u8, encryption: u8) -> Vec<u8> {
    let mut header = vec![0x0c, 0xa5, 2, 0];
    header.resize(16, 0);
    header.extend([compression, encryption]);
    header.resize(40, 0);
    header
}

fn element(number: u16, body: &[u8]) -> Vec<u8> {
    [&number.to_le_bytes()[..], &(4 + body.len() as u16).to_le_bytes(), body].concat()
}

/// A record of layout 2 with more elements.
fn record_2(flow: &OneWay, more: &[Vec<u8>]) -> Vec<u8> {
    let (source, source_port, destination, destination_port, packets, bytes, flags) = flow;
    let (first, last) = (u64::from(SECOND) * 1000 + 250, u64::from(SECOND) * 1000 + 2750);
    let mut generic = [first, last, last + 5000, *packets, *bytes].map(u64::to_le_bytes).concat();
    generic.extend([*source_port, *destination_port].map(u16::to_le_bytes).concat());
    generic.extend([6, *flags, 0, 0]);
    let elements = [element(1, &generic), element(2, &[host(*source), host(*destination)].concat())];
    let body = [elements.concat(), more.concat()].concat();
    let header = [11, 12 + body.len() as u16, 2 + more.len() as u16, 0, 3, 0].map(u16::to_le_bytes).concat();
    [header, body].concat()
}

fn records_2(flows: &[OneWay]) -> Vec<Vec<u8>> {
    flows.iter().map(|flow| record_2(flow, &[])).collect()
}

fn layout_1() -> Vec<u8> {
    [header_1(0), block(2, 0, &records_1(&[ANSWER, CALL]))].concat()
}

fn layout_2() -> Vec<u8> {
    [header_2(0, 0), block(3, 0, &records_2(&[ANSWER, CALL]))].concat()
}

fn check(flow: &Flow) {
    assert_eq!((flow.key.originator.port, flow.key.responder.port), (50_000, 443));
    assert_eq!((flow.originator.packets, flow.originator.bytes), (Some(10), Some(1000)));
    assert_eq!((flow.responder.packets, flow.responder.bytes), (Some(12), Some(9000)));
    assert_eq!(flow.start, Time::from_nanoseconds(i64::from(SECOND) * 1_000_000_000 + 250_000_000));
    assert_eq!(flow.duration().as_millis(), 2500);
    assert_eq!((flow.state, flow.ended), (Some(State::SF), Ended::Closed));
}

/// The only flow of a file, of which nothing is skipped.
fn only(bytes: &[u8]) -> Flow {
    let (mut flows, report) = read_bytes("flows.nfdump", bytes).unwrap();
    assert_eq!((flows.len(), report.skipped.len()), (1, 0), "{report:?}");
    flows.remove(0)
}

#[test]
fn both_layouts_and_the_printed_lines_tell_the_same() {
    let printed = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out\n\
        2023-11-14 22:13:20.250,2023-11-14 22:13:22.750,2.500,10.0.0.2,10.0.0.1,443,50000,TCP,...AP.SF,0,0,12,9000,0,0,0,0\n\
        2023-11-14 22:13:20.250,2023-11-14 22:13:22.750,2.500,10.0.0.1,10.0.0.2,50000,443,TCP,...AP.SF,0,0,10,1000,0,0,0,0\n\
        Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n2,10000,22,1,1,1\n";
    [layout_1(), layout_2(), printed.into()].iter().for_each(|file| check(&only(file)));
}

#[test]
fn the_short_lines_of_later_versions_have_no_flags_to_tell_a_state_by() {
    let printed = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n\
        2023-11-14 22:13:20.250,2.500,TCP,10.0.0.1,50000,10.0.0.2,443,10,1000,1\n\
        2023-11-14 22:13:20.250,2.500,TCP,10.0.0.2,443,10.0.0.1,50000,12,9000,1\n";
    let flow = only(printed.as_bytes());
    assert_eq!((flow.key.responder.port, flow.responder.bytes, flow.state), (443, Some(9000), None));
}

#[test]
fn a_printed_line_that_is_no_record_is_counted_by_its_reason() {
    let printed = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n\
        No matched flows\n\
        2023-11-14 22:13:20,2.5,TCP,nobody,50000,10.0.0.2,443,10,1000,1\n\
        yesterday,2.5,TCP,10.0.0.1,50000,10.0.0.2,443,10,1000,1\n";
    let (flows, report) = read_bytes("printed.csv", printed.as_bytes()).unwrap();
    let reasons: Vec<_> = report.skipped.into_iter().collect();
    let expected =
        [("no readable address", 1), ("no readable time", 1), ("number of columns differs from the header", 1)];
    assert_eq!((flows.len(), reasons), (0, expected.to_vec()));
}

#[test]
fn compressed_blocks_are_the_same_flows() {
    let records = records_2(&[ANSWER, CALL]).concat();
    // Literals alone: what a compressor makes of what does not repeat, in LZO and in LZ4.
    let length = records.len();
    let mut lzo = vec![0, (length - 18) as u8];
    lzo.extend(&records);
    lzo.extend([0x11, 0, 0]);
    let mut lz4 = vec![0xf0, (length - 15) as u8];
    lz4.extend(&records);
    let zstandard = ruzstd::encoding::compress_to_vec(&records[..], ruzstd::encoding::CompressionLevel::Fastest);
    assert!(length < 255);
    for (compression, stored) in [(1, lzo), (3, lz4), (4, zstandard)] {
        check(&only(&[header_2(compression, 0), stored_block(3, 0, 2, &stored)].concat()));
    }
}

#[test]
fn a_file_that_cannot_be_read_says_what_to_do() {
    let mut swapped = vec![0xa5, 0x0c];
    swapped.resize(400, 0);
    let cases = [
        (header_1(8), "nfdump -J 1"),
        (header_2(2, 0), "nfdump -J 1"),
        (header_2(0, 1), "encrypted"),
        (header_2(9, 0), "unknown compression"),
        ([&[0x0c, 0xa5, 3, 0][..], &[0; 40]].concat(), "unknown layout"),
        (swapped, "big-endian"),
    ];
    for (file, words) in cases {
        let (flows, report) = read_bytes("other.nfdump", &file).unwrap();
        let (reason, _) = report.skipped.first_key_value().unwrap();
        assert!(flows.is_empty() && reason.contains(words), "{reason}");
    }
}

#[test]
fn a_damaged_block_is_passed_over() {
    let good = block(3, 1, &records_2(&[ANSWER, CALL]));
    let file = [header_2(3, 0), stored_block(3, 0, 2, &[0xff; 40]), good].concat();
    let (flows, report) = read_bytes("damaged.nfdump", &file).unwrap();
    assert_eq!((flows.len(), report.skipped["block whose compression is damaged"]), (1, 1));
}

#[test]
fn a_claimed_length_of_a_block_costs_no_memory() {
    let mut file = [header_2(0, 0), vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0]].concat();
    file.extend([0; 100]);
    let (_, report) = read_bytes("huge.nfdump", &file).unwrap();
    assert_eq!(report.skipped["block longer than any that nfdump writes"], 1);
}

#[test]
fn a_firewalls_event_of_layout_2_tells_both_sides() {
    let event = |kind: u8| {
        let time = u64::from(SECOND) * 1000 + 4000;
        element(19, &[&time.to_le_bytes()[..], &[0; 6], &[kind, 0]].concat())
    };
    let counts = element(5, &[1u64, 12, 9000].map(u64::to_le_bytes).concat());
    let file = |kind| [header_2(0, 0), block(3, 0, &[record_2(&CALL, &[event(kind), counts.clone()])])].concat();
    assert_eq!(only(&file(2)).responder.bytes, Some(9000));
    let (flows, report) = read_bytes("opened.nfdump", &file(1)).unwrap();
    assert_eq!((flows.len(), report.skipped.len()), (0, 1));
}

/// The flows of a file that is given in pieces of so many bytes.
fn decode(bytes: &[u8], piece: usize) -> Batch {
    let (mut decoder, mut batch) = (Nfdump::default(), Batch::default());
    decoder.begin();
    bytes.chunks(piece).for_each(|piece| decoder.decode(piece, &mut batch));
    decoder.finish(&mut batch);
    batch
}

#[test]
fn pieces_of_any_length_give_the_same_flows() {
    for file in [layout_1(), layout_2()] {
        let whole = decode(&file, file.len());
        assert!((1..50).all(|piece| decode(&file, piece) == whole));
    }
}

#[test]
fn a_file_cut_anywhere_gives_whole_blocks_only() {
    for (header, kind, records) in
        [(header_1(0), 2, records_1(&[ANSWER, CALL])), (header_2(0, 0), 3, records_2(&[ANSWER, CALL]))]
    {
        let file = [header.clone(), block(kind, 0, &records)].concat();
        for length in 0..file.len() {
            let batch = decode(&file[..length], 64);
            let is_cut = length > 0 && length != header.len();
            assert_eq!((batch.flows.len(), batch.skipped.len()), (0, usize::from(is_cut)), "{length}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_end_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), which in 0..3usize) {
        let start = [vec![0x0c, 0xa5], header_1(0), header_2(0, 0)];
        decode(&[&start[which][..], &bytes].concat(), 64);
    }

    #[test]
    fn any_change_of_good_files_ends_without_panic(
        which in 0..2usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = if which == 0 { layout_1() } else { layout_2() };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        decode(&bytes, 64);
    }
}
