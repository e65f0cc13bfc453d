//! Everything but TCP's own life: protocols, links, lengths, fragments, time, and the meter's book-keeping.

mod packets;

use flow::features::FeatureSet;
use flow::features::host::Hosts;
use flow::{Ended, Protocol, State, Values};
use meter::{Link, Settings, Skip};
use packets::{
    CLIENT, SERVER, Wire, arp, datagram, ethernet, icmp, ipv4, ipv4_fragment, ipv6, ipv6_fragment, segment, tcp, udp,
    whole_conversation,
};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn skip_of(frame: &[u8]) -> Skip {
    let (flows, counts) = Wire::new().send(frame).end();
    assert!(flows.is_empty());
    let skips: Vec<_> = counts.skips().collect();
    assert_eq!(skips.len(), 1);
    skips[0].0
}

fn feature(wire: &mut Wire, name: &str) -> Vec<f32> {
    let (flows, _) = wire.end();
    let table = FeatureSet::lapwing().table(&flows, &mut Hosts::default());
    match &table.column(name).unwrap().values {
        Values::Numbers(numbers) => numbers.clone(),
        Values::Categories(_) => panic!("{name} is no number"),
    }
}

#[test]
fn a_udp_question_and_its_answer_are_one_flow() {
    let flow = Wire::new().send(&udp((A, 5000), (B, 53), 30)).send(&udp((B, 53), (A, 5000), 90)).one_flow();
    assert_eq!((flow.state, flow.key.responder.port), (Some(State::SF), 53));
    assert_eq!((flow.originator.bytes, flow.responder.bytes), (Some(58), Some(118)));
    assert_eq!((flow.originator.payload_bytes, flow.responder.payload_bytes), (Some(30), Some(90)));
}

#[test]
fn a_udp_answer_nobody_asked_for_is_the_responders() {
    let flow = Wire::new().send(&udp((B, 53), (A, 5000), 90)).one_flow();
    assert_eq!((flow.state, flow.originator.packets, flow.key.responder.port), (Some(State::Shr), Some(0), 53));
}

#[test]
fn a_udp_dialogue_longer_than_the_idle_timeout_is_one_flow() {
    let mut wire = Wire::new();
    for _ in 0..5 {
        wire.send(&udp((A, 5000), (B, 9999), 30)).wait(100.0);
    }
    assert_eq!(wire.one_flow().packets(), Some(5));
}

#[test]
fn a_later_part_of_an_answered_conversation_has_not_failed() {
    let mut wire = Wire::new();
    wire.send(&udp((B, 53), (A, 5000), 30));
    for _ in 0..31 {
        wire.send(&udp((A, 5000), (B, 53), 30)).wait(60.0);
    }
    let (flows, _) = wire.end();
    assert_eq!((flows[0].ended, flows[1].responder.packets), (Ended::Active, Some(0)));
    assert_eq!((flows[1].state, flows[1].failed()), (Some(State::SF), false));
}

#[test]
fn the_first_packet_is_counted_once_in_the_lengths() {
    let flow = Wire::new().send(&udp((A, 1), (B, 2), 10)).send(&udp((A, 1), (B, 2), 30)).one_flow();
    let lengths = flow.originator.detail.unwrap().lengths;
    assert_eq!((lengths.count(), lengths.min(), lengths.mean(), lengths.max()), (2, Some(38), Some(48.0), Some(58)));
    assert_eq!(flow.gaps.count(), 1);
}

#[test]
fn ratios_are_not_whole_numbers() {
    let mut wire = Wire::new();
    wire.send(&udp((A, 5000), (B, 53), 1)).send(&udp((B, 53), (A, 5000), 1)).send(&udp((B, 53), (A, 5000), 1));
    assert_eq!(feature(&mut wire, "packet_ratio"), [0.5]);
}

#[test]
fn rates_of_an_instant_are_missing_and_never_infinite() {
    let rates = feature(Wire::new().send(&udp((A, 1), (B, 2), 10)), "bytes_per_second");
    assert!(rates[0].is_nan());
}

#[test]
fn a_ping_and_its_reply_are_one_flow_and_a_ping_back_is_another() {
    let mut wire = Wire::new();
    wire.send(&icmp(A, B, 8, 0, 56)).send(&icmp(B, A, 0, 0, 56)).send(&icmp(B, A, 8, 0, 56));
    let (flows, _) = wire.end();
    assert_eq!(
        flows.iter().map(|flow| (flow.packets(), flow.state.unwrap())).collect::<Vec<_>>(),
        [(Some(2), State::SF), (Some(1), State::S0)]
    );
    assert_eq!((flows[0].key.originator.port, flows[0].originator.payload_bytes), (8, Some(56)));
}

#[test]
fn a_reply_without_a_ping_is_the_responders() {
    let flow = Wire::new().send(&icmp(B, A, 0, 0, 56)).one_flow();
    assert_eq!((flow.state, flow.key.originator.port, flow.responder.packets), (Some(State::Shr), 8, Some(1)));
}

#[test]
fn an_icmp_error_is_a_flow_of_its_sender() {
    let flow = Wire::new().send(&icmp(B, A, 3, 3, 28)).one_flow();
    assert_eq!((flow.key.originator.port, flow.key.responder.port, flow.originator.packets), (3, 3, Some(1)));
}

#[test]
fn an_arp_question_and_its_answer_are_one_flow() {
    let flow = Wire::new().send(&arp(1, A, B)).send(&arp(2, B, A)).one_flow();
    assert_eq!((flow.key.protocol, flow.state, flow.failed()), (Protocol::Arp, Some(State::SF), false));
    assert_eq!(flow.originator.bytes, Some(28), "padding is no part of the message");
}

#[test]
fn an_unanswered_arp_question_failed_but_an_announcement_or_a_probe_did_not() {
    assert!(Wire::new().send(&arp(1, A, B)).one_flow().failed());
    assert!(!Wire::new().send(&arp(1, A, A)).one_flow().failed());
    assert!(!Wire::new().send(&arp(2, A, A)).one_flow().failed());
    assert!(!Wire::new().send(&arp(1, [0; 4], B)).one_flow().failed());
}

#[test]
fn sctp_has_ports_and_other_protocols_have_none() {
    let mut message = datagram(2905, 2906, 24);
    message[12..].fill(0);
    let flow = Wire::new().send(&ethernet(0x0800, &ipv4(A, B, 132, &message))).one_flow();
    assert_eq!((flow.key.protocol, flow.key.responder.port), (Protocol::Sctp, 2906));
    let flow = Wire::new().send(&ethernet(0x0800, &ipv4(A, B, 47, &[0; 24]))).one_flow();
    assert_eq!((flow.key.protocol, flow.key.responder.port, flow.bytes()), (Protocol::Other(47), 0, Some(44)));
}

#[test]
fn ipv6_measures_as_ipv4_does() {
    let numbers = (100, 0);
    let mut wire = Wire::new();
    wire.send(&ethernet(0x86dd, &ipv6(1, 2, 6, &segment(40_000, 80, "S", numbers, 0, 9))));
    wire.send(&ethernet(0x86dd, &ipv6(2, 1, 6, &segment(80, 40_000, "RA", (0, 101), 0, 0))));
    let flow = wire.one_flow();
    let detail = flow.originator.detail.unwrap();
    assert_eq!((flow.state, detail.flags.syn, detail.initial_window), (Some(State::Rej), 1, Some(9)));
    assert_eq!((flow.originator.bytes, detail.header_bytes, flow.duration().as_millis()), (Some(60), 20, 1));
    let flow = Wire::new().send(&ethernet(0x86dd, &ipv6(1, 2, 17, &datagram(1, 2, 5)))).one_flow();
    assert_eq!((flow.originator.payload_bytes, flow.originator.detail.unwrap().header_bytes), (Some(5), 8));
}

#[test]
fn ipv6_extension_headers_are_stepped_over() {
    let options = [60, 0, 1, 4, 0, 0, 0, 0];
    let routing = [17, 0, 0, 0, 0, 0, 0, 0];
    let mut chain = options.to_vec();
    chain[0] = 43;
    chain.extend(routing);
    chain.extend(datagram(1, 2, 5));
    let flow = Wire::new().send(&ethernet(0x86dd, &ipv6(1, 2, 0, &chain))).one_flow();
    assert_eq!((flow.key.protocol, flow.originator.payload_bytes), (Protocol::Udp, Some(5)));
    let endless = [0; 8].repeat(40);
    assert_eq!(skip_of(&ethernet(0x86dd, &ipv6(1, 2, 0, &endless))), Skip::ExtensionBad);
}

#[test]
fn later_fragments_find_the_ports_of_their_first() {
    let carried = datagram(5000, 53, 1992);
    let mut wire = Wire::new();
    wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 17, (9, 0, true), &carried[..1000])));
    wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 17, (9, 1000, false), &carried[1000..])));
    let flow = wire.one_flow();
    assert_eq!((flow.packets(), flow.key.responder.port, flow.originator.payload_bytes), (Some(2), 53, Some(1992)));
}

#[test]
fn a_first_fragment_that_ends_within_its_tcp_header_is_not_read_on_into_the_padding() {
    let carried = segment(40_000, 80, "S", (1, 0), 0, 1000);
    let mut wire = Wire::new();
    let mut first = ethernet(0x0800, &ipv4_fragment(A, B, 6, (9, 0, true), &carried[..8]));
    first.resize(60, 0);
    wire.send(&first);
    wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 6, (9, 8, false), &carried[8..])));
    let flow = wire.one_flow();
    assert_eq!((flow.key.responder.port, flow.packets()), (80, Some(2)));
}

#[test]
fn fragments_before_their_first_wait_for_it() {
    let carried = datagram(5000, 53, 1992);
    let mut wire = Wire::new();
    wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 17, (9, 1000, false), &carried[1000..])));
    wire.send(&udp((B, 1000), (A, 2000), 5));
    wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 17, (9, 0, true), &carried[..1000])));
    let (flows, counts) = wire.end();
    assert_eq!((flows.len(), counts.orphan_fragments), (2, 0));
    assert!(flows.iter().any(|flow| flow.packets() == Some(2) && flow.key.responder.port == 53));
}

#[test]
fn fragments_of_large_pings_and_of_ipv6_find_their_first() {
    let mut wire = Wire::new();
    let mut message = vec![8, 0];
    message.resize(1008, 0);
    wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 1, (9, 0, true), &message)));
    wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 1, (9, 1008, false), &message)));
    assert_eq!(wire.one_flow().key.originator.port, 8);

    let mut wire = Wire::new();
    let first = ipv6_fragment(17, 77, 0, true, &datagram(5000, 53, 992));
    wire.send(&ethernet(0x86dd, &ipv6(1, 2, 44, &first)));
    wire.send(&ethernet(0x86dd, &ipv6(1, 2, 44, &ipv6_fragment(17, 77, 1000, false, &[0; 100]))));
    let flow = wire.one_flow();
    assert_eq!((flow.key.responder.port, flow.originator.payload_bytes), (53, Some(1092)));
}

#[test]
fn fragments_whose_first_never_comes_are_counted_and_kept() {
    let mut wire = Wire::new();
    for identification in 0..100 {
        wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 17, (identification, 1000, false), &[0; 100])));
    }
    let (flows, counts) = wire.wait(5.0).send(&udp((A, 1), (B, 2), 5)).end();
    assert_eq!((flows.iter().map(flow::Flow::packets).sum::<Option<u64>>(), counts.orphan_fragments), (Some(101), 100));
}

#[test]
fn padding_is_no_payload() {
    let mut frame = tcp(CLIENT, SERVER, "A", 1, 1, 0);
    frame.resize(60, 0);
    assert_eq!(Wire::new().send(&frame).one_flow().payload_bytes(), Some(0));
}

#[test]
fn a_total_length_of_0_means_as_long_as_the_wire() {
    let mut frame = tcp(CLIENT, SERVER, "A", 1, 1, 3000);
    frame[16..18].fill(0);
    let flow = Wire::new().send(&frame).one_flow();
    assert_eq!((flow.bytes(), flow.payload_bytes()), (Some(3040), Some(3000)));
    let mut frame = ethernet(0x86dd, &ipv6(1, 2, 17, &datagram(1, 2, 3000)));
    frame[18..20].fill(0);
    assert_eq!(Wire::new().send(&frame).one_flow().payload_bytes(), Some(3000));
}

#[test]
fn a_capture_of_64_bytes_a_packet_measures_the_same() {
    let [mut whole, mut cut] = [Wire::new(), Wire::new()];
    for frame in whole_conversation() {
        whole.send(&frame);
        cut.send_as(Link::Ethernet, &frame[..frame.len().min(64)], frame.len());
    }
    assert_eq!(whole.one_flow(), cut.one_flow());
}

#[test]
fn what_cannot_be_read_is_skipped_by_its_reason() {
    let good = tcp(CLIENT, SERVER, "S", 1, 0, 0);
    let with = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        frame
    };
    assert_eq!(skip_of(&[]), Skip::Empty);
    assert_eq!(skip_of(&good[..10]), Skip::LinkCut);
    assert_eq!(skip_of(&ethernet(0x88cc, &[0; 50])), Skip::NotIp);
    assert_eq!(skip_of(&ethernet(0x0806, &[0; 10])), Skip::Arp);
    assert_eq!(skip_of(&good[..30]), Skip::IpCut);
    assert_eq!(skip_of(&with(14, 0x44)), Skip::IpBad);
    assert_eq!(skip_of(&with(17, 19)), Skip::IpBad);
    assert_eq!(skip_of(&with(16, 0xff)), Skip::IpShort);
    assert_eq!(skip_of(&ethernet(0x0800, &ipv4(A, B, 17, &[0; 3]))), Skip::TransportCut);
    assert_eq!(skip_of(&ethernet(0x0800, &ipv4(A, B, 17, &[0; 7]))), Skip::TransportBad);
}

#[test]
fn every_link_leads_to_the_same_flow() {
    let packet = ipv4(A, B, 17, &datagram(1, 2, 5));
    let cooked = |header: Vec<u8>| [header, packet.clone()].concat();
    let plain = Wire::new().send(&ethernet(0x0800, &packet)).one_flow();
    let mut sll = vec![0; 14];
    sll.extend([8, 0]);
    let mut sll2 = vec![8, 0];
    sll2.resize(20, 0);
    for (link, bytes) in [
        (Link::Ip, packet.clone()),
        (Link::LinuxCooked, cooked(sll)),
        (Link::LinuxCooked2, cooked(sll2)),
        (Link::Loopback, cooked(vec![2, 0, 0, 0])),
        (Link::Loopback, cooked(vec![0, 0, 0, 2])),
    ] {
        assert_eq!(Wire::new().send_as(link, &bytes, bytes.len()).one_flow(), plain, "{link:?}");
    }
    let six = ipv6(1, 2, 17, &datagram(1, 2, 5));
    for family in [[24, 0, 0, 0], [0, 0, 0, 28], [30, 0, 0, 0]] {
        let bytes = [family.to_vec(), six.clone()].concat();
        assert_eq!(Wire::new().send_as(Link::Loopback, &bytes, bytes.len()).one_flow().packets(), Some(1));
    }
}

#[test]
fn vlan_tags_are_stepped_over_and_the_outer_one_is_kept() {
    let packet = ipv4(A, B, 17, &datagram(1, 2, 5));
    let tagged = [vec![0, 100, 8, 0], packet.clone()].concat();
    assert_eq!(Wire::new().send(&ethernet(0x8100, &tagged)).one_flow().vlan, Some(100));
    let stacked = [vec![0x20, 7, 0x81, 0], tagged].concat();
    let flow = Wire::new().send(&ethernet(0x88a8, &stacked)).one_flow();
    assert_eq!((flow.vlan, flow.originator.payload_bytes), (Some(7), Some(5)));
}

#[test]
fn packets_a_little_late_are_put_back_into_their_place() {
    let frames = whole_conversation();
    let [mut ordered, mut disordered] = [Wire::new(), Wire::new()];
    ordered.send_all(&frames);
    for position in [0, 2, 1, 3, 6, 5, 4, 7, 8] {
        disordered.milliseconds = 1_000_000 + position as i64;
        disordered.send(&frames[position]);
    }
    assert_eq!(disordered.meter.counts().reordered, 3);
    assert_eq!(ordered.one_flow(), disordered.one_flow());
}

#[test]
fn a_large_step_back_of_the_clock_ends_all_flows() {
    let mut wire = Wire::new();
    wire.send(&udp((A, 1), (B, 2), 5));
    wire.milliseconds -= 3_600_000;
    let (flows, counts) = wire.send(&udp((A, 1), (B, 2), 5)).end();
    assert_eq!((flows.len(), counts.clock_steps), (2, 1));
}

#[test]
fn time_that_steps_back_a_little_does_not_stretch_a_conversation_over_its_idle_timeout() {
    let mut wire = Wire::new();
    wire.send(&udp((A, 1), (B, 2), 5));
    for step in 1..2000 {
        wire.milliseconds = 1_000_000 + step * 100 - if step % 2 == 0 { 9000 } else { 0 };
        wire.send(&udp((A, 3), (B, 4), 5));
    }
    let (flows, _) = wire.send(&udp((A, 1), (B, 2), 5)).end();
    assert_eq!(flows.iter().filter(|flow| flow.key.originator.port == 1).count(), 2);
}

/// Settings with room for so many flows.
fn room_for(flows: usize) -> Settings {
    let roomy = Settings::default();
    let bytes =
        (1..).map(|kibibytes| kibibytes << 8).find(|&bytes| Settings { bytes, ..roomy.clone() }.capacity() >= flows);
    Settings { bytes: bytes.unwrap(), ..roomy }
}

#[test]
fn a_full_table_ends_the_flow_seen_longest_ago() {
    let settings = room_for(10);
    let capacity = settings.capacity();
    let mut wire = Wire::with(settings);
    for port in 1..=100 {
        wire.send(&udp((A, port), (B, 9), 5)).send(&udp((A, 9000), (B, 9), 5));
    }
    let (flows, counts) = wire.end();
    assert_eq!((counts.evicted_flows, flows.len()), (101 - capacity as u64, 101));
    let busy: Vec<_> = flows.iter().filter(|flow| flow.key.originator.port == 9000).map(flow::Flow::packets).collect();
    assert_eq!(busy, [Some(100)], "the one seen all the time stays");
}

#[test]
fn a_flood_drives_out_closed_and_brief_flows_before_established_ones() {
    let mut wire = Wire::with(room_for(10));
    wire.send_all(&whole_conversation());
    for _ in 0..3 {
        wire.send(&udp((A, 7000), (B, 53), 30)).send(&udp((B, 53), (A, 7000), 90));
    }
    for port in 1..=1000 {
        wire.send(&udp((A, port), (B, 9), 5));
    }
    wire.send(&udp((A, 7000), (B, 53), 30));
    let (flows, counts) = wire.end();
    assert_eq!(flows[0].key.protocol, Protocol::Tcp, "the closed one goes first");
    let established: Vec<_> = flows.iter().filter(|flow| flow.key.originator.port == 7000).collect();
    assert_eq!((established.len(), established[0].packets()), (1, Some(7)));
    let packets: Option<u64> = flows.iter().map(flow::Flow::packets).sum();
    assert_eq!((packets, flows.len()), (Some(counts.packets), 1002));
}

#[test]
fn overlapping_and_overlong_fragments_are_wrong_and_repeated_ones_are_not() {
    let wrong = |pieces: &[(u16, usize, bool)]| {
        let mut wire = Wire::new();
        for &(offset, length, more) in pieces {
            let carried = if offset == 0 { datagram(5000, 53, length - 8) } else { vec![0; length] };
            wire.send(&ethernet(0x0800, &ipv4_fragment(A, B, 17, (9, offset, more), &carried)));
        }
        wire.one_flow().originator.detail.unwrap().wrong_fragments
    };
    assert_eq!(wrong(&[(0, 800, true), (800, 800, true), (1600, 100, false)]), 0);
    assert_eq!(wrong(&[(0, 800, true), (800, 100, false), (800, 100, false), (0, 800, true)]), 0, "captured twice");
    assert_eq!(wrong(&[(0, 40, true), (24, 4, false)]), 1, "teardrop");
    assert_eq!(wrong(&[(0, 800, true), (65_000, 1400, false)]), 1, "the ping of death");
    assert_eq!(wrong(&[(0, 801, true), (808, 100, false)]), 1, "not a multiple of 8");
    assert_eq!(wrong(&[(24, 4, false), (0, 40, true)]), 1, "the last one first");
}

#[test]
fn a_capture_may_follow_another_in_the_same_meter() {
    let mut wire = Wire::new();
    let first = wire.send(&udp((A, 1), (B, 2), 5)).one_flow();
    wire.milliseconds = 1_000_000;
    wire.send(&udp((A, 1), (B, 2), 5));
    assert_eq!(wire.end().0, [first]);
}
