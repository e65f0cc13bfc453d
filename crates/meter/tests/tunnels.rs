//! A packet inside a tunnel is in a flow of its own, which names the tunnel.

mod packets;

use flow::{Flow, Protocol, State, Tunnel, TunnelKind};
use meter::{Counts, Link, Settings, Skip, Vlans};
use packets::tunnel::{
    LEFT, RIGHT, geneve, gre, gre_key, gtp, in_ipv4, in_ipv6, label_stack, mpls, pppoe, udp_of, vxlan, vxlan_payload,
};
use packets::{CLIENT, Wire, arp, datagram, ethernet, ipv4, ipv4_fragment, ipv6, udp, whole_conversation};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

/// An IPv4 packet of 33 bytes.
fn packet() -> Vec<u8> {
    ipv4(A, B, 17, &datagram(1000, 2000, 5))
}

/// The same the other way.
fn answer() -> Vec<u8> {
    ipv4(B, A, 17, &datagram(2000, 1000, 5))
}

/// Sends the frames; the flows, and the counts, which must add up.
fn meter(frames: &[Vec<u8>]) -> (Vec<Flow>, Counts) {
    let (flows, counts) = Wire::new().send_all(frames).end();
    let in_flows = flows.iter().map(Flow::packets).sum::<Option<u64>>().unwrap();
    assert_eq!(counts.packets + counts.inner, in_flows + counts.skipped_packets());
    (flows, counts)
}

/// The only flow inside a tunnel that the frame gives, beside one flow around it.
fn inner(frame: &[u8]) -> Flow {
    let (mut flows, counts) = meter(&[frame.to_vec()]);
    assert_eq!((flows.len(), counts.inner, counts.skipped_packets()), (2, 1, 0), "{flows:#?}");
    assert_eq!(flows[0].tunnel, None);
    flows.remove(1)
}

/// The flow as it would be without tunnels, and the tunnel.
fn bare(flow: Flow) -> (Flow, Option<Tunnel>) {
    (Flow { tunnel: None, ..flow.clone() }, flow.tunnel)
}

fn plain() -> Flow {
    Wire::new().send(&ethernet(0x0800, &packet())).one_flow()
}

fn tunnel(kind: TunnelKind, id: u32) -> Option<Tunnel> {
    Some(Tunnel { kind, id })
}

#[test]
fn every_tunnel_leads_to_the_flow_within() {
    let (packet, frame) = (packet(), ethernet(0x0800, &packet()));
    let nvgre = 0x00abcdef << 8 | 0x55;
    let options = [1, 2, 3, 1, 0, 0, 0, 0, 1, 2, 3, 0];
    for (wrapped, kind, id) in [
        (vxlan(77, &frame), TunnelKind::Vxlan, 77),
        (udp_of((LEFT, 1), (RIGHT, 8472), &vxlan_payload(1, &frame)), TunnelKind::Vxlan, 1),
        (geneve(0xffffff, 0x6558, &[], &frame), TunnelKind::Geneve, 0xffffff),
        (geneve(9, 0x0800, &options, &packet), TunnelKind::Geneve, 9),
        (gtp(0x01020304, 0, &[], &packet), TunnelKind::GtpU, 0x01020304),
        (gtp(5, 2, &[0, 1, 0, 0], &packet), TunnelKind::GtpU, 5),
        (gtp(6, 4, &[0, 0, 0, 0x85, 1, 0x10, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0], &packet), TunnelKind::GtpU, 6),
        (gre(0, 0x0800, &[], &packet), TunnelKind::Gre, 0),
        (gre(0xb000, 0x0800, &[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], &packet), TunnelKind::Gre, 7),
        (gre_key(3, 0x6558, &frame), TunnelKind::Gre, 3),
        (gre_key(nvgre, 0x6558, &frame), TunnelKind::Gre, 0x00abcdef),
        (gre(0, 0x88be, &[], &frame), TunnelKind::Erspan, 0),
        (gre(0x1000, 0x88be, &[0, 0, 0, 1, 0x10, 5, 0, 42, 0, 0, 0, 0], &frame), TunnelKind::Erspan, 42),
        (
            gre(0x1000, 0x22eb, &[0, 0, 0, 1, 0x20, 5, 0x03, 0xff, 9, 9, 9, 9, 0, 0, 0, 0], &frame),
            TunnelKind::Erspan,
            1023,
        ),
        (
            gre(0x1000, 0x22eb, &[[0, 0, 0, 1, 0x20, 5, 0, 1, 9, 9, 9, 9, 0, 0, 0, 1], [7; 16]].concat()[..24], &frame),
            TunnelKind::Erspan,
            1,
        ),
        (in_ipv4(&packet), TunnelKind::Ip, 0),
        (in_ipv6(&packet), TunnelKind::Ip, 0),
        (gre(0x3081, 0x880b, &[0, 35, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0x21], &packet), TunnelKind::Gre, 0),
    ] {
        assert_eq!(bare(inner(&wrapped)), (plain(), tunnel(kind, id)));
    }
    let six = ipv6(1, 2, 17, &datagram(1, 2, 5));
    for wrapped in [in_ipv4(&six), in_ipv6(&six), gtp(1, 0, &[], &six), gre(0, 0x86dd, &[], &six)] {
        assert_eq!(inner(&wrapped).key.originator.address.to_string(), "2001:db8::1");
    }
}

#[test]
fn a_link_that_wraps_packets_gives_the_flow_within_alone() {
    let frame = ethernet(0x0800, &packet());
    let control_word = [&[0; 4], &frame[..]].concat();
    for (wrapped, kind, id) in [
        (mpls(&[100], &packet()), TunnelKind::Mpls, 100),
        (mpls(&[100, 200, 300], &packet()), TunnelKind::Mpls, 300),
        (mpls(&[100, 0], &packet()), TunnelKind::Mpls, 100),
        (mpls(&[100, 200, 7, 99_999], &packet()), TunnelKind::Mpls, 200),
        (mpls(&[16], &frame), TunnelKind::Mpls, 16),
        (mpls(&[17], &control_word), TunnelKind::Mpls, 17),
        (ethernet(0x8864, &pppoe(4660, 0x0021, &packet())), TunnelKind::Pppoe, 4660),
    ] {
        let (flow, seen) = bare(Wire::new().send(&wrapped).one_flow());
        assert_eq!((flow, seen), (plain(), tunnel(kind, id)));
    }
    let six = ipv6(1, 2, 17, &datagram(1, 2, 5));
    for wrapped in [mpls(&[100], &six), ethernet(0x8864, &pppoe(1, 0x0057, &six))] {
        assert_eq!(Wire::new().send(&wrapped).one_flow().key.responder.port, 2);
    }
}

#[test]
fn a_pseudowire_from_a_station_whose_address_looks_like_ip_is_read_as_the_frame_that_it_is() {
    for first in [0x44, 0x60, 0x0c] {
        let mut frame = ethernet(0x0800, &packet());
        frame[0] = first;
        assert_eq!(bare(Wire::new().send(&mpls(&[100], &frame)).one_flow()).0, plain());
    }
}

#[test]
fn the_packet_around_is_in_its_own_flow_with_all_its_bytes() {
    let (flows, counts) = meter(&[vxlan(77, &ethernet(0x0800, &packet()))]);
    assert_eq!((flows[0].key.responder.port, flows[0].bytes()), (4789, Some(20 + 8 + 8 + 14 + 33)));
    assert_eq!((counts.packets, counts.inner, counts.flows), (1, 1, 2));
}

#[test]
fn a_tcp_conversation_inside_a_tunnel_closes_as_one_outside_does() {
    let frames: Vec<_> = whole_conversation().iter().map(|frame| vxlan(1, frame)).collect();
    let (flows, _) = meter(&frames);
    let inside: Vec<_> = flows.iter().filter(|flow| flow.tunnel.is_some()).collect();
    assert_eq!((inside.len(), inside[0].state, inside[0].packets()), (1, Some(State::SF), Some(9)));
    assert_eq!((inside[0].key.originator.port, inside[0].key.protocol), (CLIENT.1, Protocol::Tcp));
}

#[test]
fn the_same_addresses_in_another_network_are_another_conversation() {
    let frame = ethernet(0x0800, &packet());
    let frames = [
        frame.clone(),
        vxlan(1, &frame),
        vxlan(2, &frame),
        geneve(1, 0x6558, &[], &frame),
        gre_key(1, 0x6558, &frame),
        ethernet(0x8864, &pppoe(1, 0x21, &packet())),
        vxlan(1, &ethernet(0x8864, &pppoe(1, 0x21, &packet()))),
    ];
    let (flows, _) = meter(&frames);
    let inside = flows.iter().filter(|flow| flow.key.responder.port == 2000);
    let mut tunnels: Vec<_> = inside.map(|flow| (flow.tunnel, flow.packets())).collect();
    tunnels.sort();
    let expected = [
        None,
        tunnel(TunnelKind::Gre, 1),
        tunnel(TunnelKind::Vxlan, 1),
        tunnel(TunnelKind::Vxlan, 2),
        tunnel(TunnelKind::Geneve, 1),
        tunnel(TunnelKind::Pppoe, 1),
        tunnel(TunnelKind::Pppoe, 1),
    ];
    assert_eq!(tunnels, expected.map(|tunnel| (tunnel, Some(1))));
}

#[test]
fn identifiers_that_differ_between_the_directions_do_not_part_a_conversation() {
    for frames in [
        [gtp(1, 0, &[], &packet()), gtp(2, 0, &[], &answer())],
        [mpls(&[100], &packet()), mpls(&[200], &answer())],
        [mpls(&[100], &packet()), ethernet(0x0800, &answer())],
        [
            gre_key(0x00100001, 0x6558, &ethernet(0x0800, &packet())),
            gre_key(0x001000ff, 0x6558, &ethernet(0x0800, &answer())),
        ],
    ] {
        let (flows, _) = meter(&frames);
        let inside: Vec<_> = flows.iter().filter(|flow| flow.key.responder.port == 2000).collect();
        assert_eq!((inside.len(), inside[0].state), (1, Some(State::SF)));
        assert!(matches!(inside[0].tunnel.unwrap().id, 1 | 100 | 0x1000));
    }
}

#[test]
fn tunnels_lie_in_tunnels_up_to_a_bound_and_then_are_counted() {
    let wrap = |times: usize| (0..times).fold(ethernet(0x0800, &packet()), |frame, vni| vxlan(vni as u32, &frame));
    let (flows, counts) = meter(&[wrap(4)]);
    assert_eq!((flows.len(), counts.inner), (5, 4));
    assert_eq!(flows.iter().find(|flow| flow.key.responder.port == 2000).unwrap().tunnel, tunnel(TunnelKind::Vxlan, 0));
    let (flows, counts) = meter(&[wrap(6)]);
    assert_eq!((flows.len(), counts.inner), (5, 5));
    assert_eq!(counts.skips().collect::<Vec<_>>(), [(Skip::InnerDeep, 1)]);
}

#[test]
fn links_within_links_are_bounded() {
    let wrap = |times: usize| (0..times).fold(ethernet(0x0800, &packet()), |frame, _| mpls(&[100], &frame));
    assert_eq!(Wire::new().send(&wrap(4)).one_flow().packets(), Some(1));
    for times in [5, 5000] {
        let (flows, counts) = meter(&[wrap(times)]);
        assert_eq!((flows.len(), counts.skipped_packets()), (0, 1));
    }
}

#[test]
fn what_cannot_be_read_inside_is_counted_and_does_not_lose_the_packet_around() {
    let frame = ethernet(0x0800, &packet());
    let bad = |at: usize, byte: u8| {
        let mut frame = frame.clone();
        frame[at] = byte;
        frame
    };
    for (wrapped, skip) in [
        (vxlan(1, &ethernet(0x88cc, &[0; 40])), Skip::InnerNotIp),
        (vxlan(1, &bad(14, 0x75)), Skip::InnerBad),
        (vxlan(1, &bad(16, 0xff)), Skip::InnerBad),
        (vxlan(1, &frame[..20]), Skip::InnerBad),
        (gre(0, 0x0800, &[], &packet()[..10]), Skip::InnerBad),
        (gre(0x4000, 0x0800, &[0; 4], &packet()), Skip::InnerBad),
        (gre(0x0005, 0x0800, &[], &packet()), Skip::InnerBad),
        (gre(0x2000, 0x0800, &[0], &[]), Skip::InnerBad),
        (gre(0, 0x2000, &[], &[1; 20]), Skip::InnerNotIp),
        (gre(0x1000, 0x88be, &[0, 0, 0, 1, 0x30, 5, 0, 42, 0, 0, 0, 0], &frame), Skip::InnerBad),
        (gre(0x3001, 0x880b, &[0, 6, 0, 9, 0, 0, 0, 1, 0, 0xfd], &[1; 4]), Skip::InnerNotIp),
        (ethernet(0x0800, &ipv4(LEFT, RIGHT, 4, &ipv6(1, 2, 17, &datagram(1, 2, 5)))), Skip::InnerBad),
        (ethernet(0x0800, &ipv4(LEFT, RIGHT, 41, &packet())), Skip::InnerBad),
        (gtp(1, 0, &[], &[0x11; 30]), Skip::InnerBad),
    ] {
        let (flows, counts) = meter(&[wrapped]);
        assert_eq!((flows.len(), flows[0].packets(), counts.inner), (1, Some(1), 1));
        assert_eq!(counts.skips().collect::<Vec<_>>(), [(skip, 1)]);
    }
}

#[test]
fn a_tunnel_that_carries_nothing_counts_nothing() {
    for wrapped in [
        gre(0, 0, &[], &[]),
        gre(0, 0x0800, &[], &[]),
        gre(0x2081, 0x880b, &[0, 0, 0, 9, 0, 0, 0, 1], &[]),
        vxlan(1, &[]),
        ethernet(0x0800, &ipv4(LEFT, RIGHT, 4, &[])),
        geneve(1, 0x6558, &[], &[]),
    ] {
        let flow = Wire::new().send(&wrapped).one_flow();
        assert_eq!((flow.packets(), flow.tunnel), (Some(1), None));
    }
}

#[test]
fn a_datagram_to_a_tunnels_port_that_is_no_tunnel_is_a_datagram() {
    let frame = ethernet(0x0800, &packet());
    let with = |wrapped: Vec<u8>, at: usize, byte: u8| {
        let mut bytes = wrapped;
        bytes[14 + 20 + 8 + at] = byte;
        bytes
    };
    let gtp = || gtp(1, 4, &[0, 0, 0, 0x85, 1, 0, 0, 0], &packet());
    let geneve = |options: &[u8]| geneve(1, 0x6558, options, &frame);
    for datagram in [
        udp((LEFT, 1), (RIGHT, 4789), 100),
        udp((LEFT, 1), (RIGHT, 8472), 0),
        udp((LEFT, 1), (RIGHT, 6081), 7),
        udp((LEFT, 1), (RIGHT, 2152), 100),
        with(vxlan(1, &frame), 0, 0x0c),
        with(vxlan(1, &frame), 2, 1),
        with(vxlan(1, &frame), 7, 1),
        with(geneve(&[]), 0, 0x40),
        with(geneve(&[]), 1, 0x80),
        with(geneve(&[]), 2, 0),
        with(geneve(&[]), 7, 1),
        geneve(&[0, 0, 0, 2, 0, 0, 0, 0]),
        geneve(&[0, 0, 0, 0x20]),
        with(gtp(), 0, 0x54),
        with(gtp(), 1, 1),
        with(gtp(), 3, 9),
        with(gtp(), 12, 0),
        // Towards the sender's port: a tunnel's packets go to it from either end.
        udp_of((LEFT, 4789), (RIGHT, 9999), &vxlan_payload(1, &frame)),
    ] {
        let flow = Wire::new().send(&datagram).one_flow();
        assert_eq!((flow.packets(), flow.tunnel), (Some(1), None));
    }
}

#[test]
fn group_policy_is_no_obstacle() {
    let payload = [&[0x88, 0x08, 1, 2, 0, 0, 7, 0], &ethernet(0x0800, &packet())[..]].concat();
    let frame = udp_of((LEFT, 1), (RIGHT, 4789), &payload);
    assert_eq!(bare(inner(&frame)), (plain(), tunnel(TunnelKind::Vxlan, 7)));
}

#[test]
fn the_first_fragment_of_a_tunnels_packet_shows_the_packet_within() {
    let whole = ipv4(A, B, 17, &datagram(1000, 2000, 1000));
    let datagram = &udp_of((LEFT, 1), (RIGHT, 4789), &vxlan_payload(5, &ethernet(0x0800, &whole)))[34..];
    let fragment = |offset: usize, end: usize| {
        let identity = (7, offset as u16, end < datagram.len());
        ethernet(0x0800, &ipv4_fragment(LEFT, RIGHT, 17, identity, &datagram[offset..end]))
    };
    let (flows, counts) = meter(&[fragment(0, 400), fragment(400, datagram.len())]);
    assert_eq!((flows.len(), counts.inner, counts.skipped_packets()), (2, 1, 0));
    let inside = flows.iter().find(|flow| flow.tunnel.is_some()).unwrap();
    assert_eq!((inside.bytes(), inside.payload_bytes()), (Some(1028), Some(1000)));
}

#[test]
fn fragments_within_tunnels_join_only_those_of_their_own_network() {
    let first = ethernet(0x0800, &ipv4_fragment(A, B, 17, (9, 0, true), &datagram(1000, 2000, 16)));
    let later = ethernet(0x0800, &ipv4_fragment(A, B, 17, (9, 24, false), &[1; 8]));
    let (flows, counts) = meter(&[vxlan(1, &first), vxlan(1, &later), vxlan(2, &later)]);
    let inside = |port| flows.iter().filter(move |flow| flow.tunnel.is_some() && flow.key.responder.port == port);
    assert_eq!((inside(2000).count(), inside(2000).next().unwrap().packets()), (1, Some(2)));
    assert_eq!((inside(0).count(), counts.orphan_fragments), (1, 1));
}

#[test]
fn a_frame_that_its_mirror_cut_measures_as_it_was() {
    let long = ethernet(0x0800, &ipv4(A, B, 17, &datagram(1000, 2000, 1000)));
    let erspan = |truncated: u8| gre(0x1000, 0x88be, &[0, 0, 0, 1, 0x10, 5, truncated, 42, 0, 0, 0, 0], &long[..60]);
    assert_eq!(inner(&erspan(4)).bytes(), Some(1028));
    let (_, counts) = meter(&[erspan(0)]);
    assert_eq!(counts.skips().collect::<Vec<_>>(), [(Skip::InnerBad, 1)]);
}

#[test]
fn a_capture_that_kept_only_heads_measures_what_is_inside_too() {
    let long = ethernet(0x0800, &ipv4(A, B, 17, &datagram(1000, 2000, 1000)));
    let frame = vxlan(5, &long);
    let (flows, counts) = Wire::new().send_as(Link::Ethernet, &frame[..96], frame.len()).end();
    assert_eq!((flows.len(), counts.skipped_packets(), flows[1].bytes()), (2, 0, Some(1028)));
    let (flows, counts) = Wire::new().send_as(Link::Ethernet, &frame[..60], frame.len()).end();
    assert_eq!((flows.len(), counts.skips().collect::<Vec<_>>()), (1, vec![(Skip::InnerBad, 1)]));
}

#[test]
fn an_arp_question_inside_a_tunnel_is_a_flow() {
    assert_eq!(inner(&vxlan(3, &arp(1, A, B))).key.protocol, Protocol::Arp);
}

#[test]
fn labels_in_gre_and_tags_in_vxlan_are_read() {
    let labelled = inner(&gre_key(4, 0x8847, &label_stack(&[100], &packet())));
    assert_eq!(bare(labelled), (plain(), tunnel(TunnelKind::Mpls, 100)));
    let tagged = ethernet(0x8100, &[&[0, 55, 8, 0], &packet()[..]].concat());
    assert_eq!(inner(&vxlan(3, &tagged)).vlan, Some(55));
}

#[test]
fn vlans_part_conversations_only_when_asked() {
    let tagged = |vlan: u8, packet: &[u8]| ethernet(0x8100, &[&[0, vlan, 8, 0], packet].concat());
    let frames = [tagged(0, &packet()), tagged(10, &packet()), tagged(20, &answer()), ethernet(0x0800, &packet())];
    let count = |vlans| Wire::with(Settings { vlans, ..Settings::default() }).send_all(&frames).end().0.len();
    assert_eq!((count(Vlans::Together), count(Vlans::Apart)), (1, 4));
}

#[test]
fn of_stacked_vlans_the_outer_one_parts_conversations() {
    let stacked =
        |outer: u8, inner: u8| ethernet(0x88a8, &[&[0, outer, 0x81, 0, 0, inner, 8, 0], &packet()[..]].concat());
    let apart = |frames: &[Vec<u8>]| {
        Wire::with(Settings { vlans: Vlans::Apart, ..Settings::default() }).send_all(frames).end().0.len()
    };
    assert_eq!(apart(&[stacked(1, 5), stacked(2, 5)]), 2);
    assert_eq!(apart(&[stacked(1, 5), stacked(1, 6)]), 1);
}

#[test]
fn a_session_of_pppoe_that_contradicts_itself_or_is_cut_is_skipped() {
    let good = ethernet(0x8864, &pppoe(1, 0x0021, &packet()));
    let with = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[14 + at] = byte;
        frame
    };
    for (frame, skip) in [
        (with(0, 0x21), Skip::LinkBad),
        (with(1, 9), Skip::LinkBad),
        (with(7, 0xc0), Skip::NotIp),
        (with(5, 20), Skip::IpShort),
        (good[..18].to_vec(), Skip::LinkCut),
        (ethernet(0x8863, &good[14..]), Skip::NotIp),
        (mpls(&[100; 17], &packet()), Skip::LinkBad),
        (mpls(&[100], &[]), Skip::IpCut),
        (mpls(&[100], &[0x10; 40]), Skip::NotIp),
    ] {
        let (flows, counts) = meter(&[frame]);
        assert_eq!((flows.len(), counts.skips().collect::<Vec<_>>()), (0, vec![(skip, 1)]));
    }
}

#[test]
fn a_padded_frame_of_pppoe_is_as_long_as_its_packet() {
    let mut frame = ethernet(0x8864, &pppoe(1, 0x0021, &packet()));
    frame.resize(80, 0);
    assert_eq!(Wire::new().send(&frame).one_flow().bytes(), Some(33));
}

#[test]
fn the_ends_of_a_tunnel_are_hosts_like_any() {
    let (flows, _) = meter(&[in_ipv4(&packet()), in_ipv4(&packet())]);
    let around = flows.iter().find(|flow| flow.tunnel.is_none()).unwrap();
    assert_eq!((around.key.protocol, around.packets(), around.bytes()), (Protocol::Other(4), Some(2), Some(106)));
}
