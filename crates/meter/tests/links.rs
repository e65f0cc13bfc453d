//! Whatever link a packet was captured on, it leads to the same flow.

mod packets;

use flow::Flow;
use meter::{Link, Skip};
use packets::{Wire, arp, datagram, ethernet, ipv4, ipv6};

/// LLC and SNAP before an IPv4 packet.
const SNAP: [u8; 8] = [0xaa, 0xaa, 0x03, 0, 0, 0, 8, 0];

fn packet() -> Vec<u8> {
    ipv4([10, 0, 0, 1], [10, 0, 0, 2], 17, &datagram(1000, 2000, 5))
}

fn packet6() -> Vec<u8> {
    ipv6(1, 2, 17, &datagram(1000, 2000, 5))
}

fn behind(header: &[u8], carried: &[u8]) -> Vec<u8> {
    [header, carried].concat()
}

fn one_flow(link: Link, bytes: &[u8]) -> Flow {
    Wire::new().send_as(link, bytes, bytes.len()).one_flow()
}

fn plain() -> Flow {
    one_flow(Link::Ip, &packet())
}

fn skip(link: Link, bytes: &[u8]) -> Skip {
    let (flows, counts) = Wire::new().send_as(link, bytes, bytes.len()).end();
    let skips: Vec<_> = counts.skips().collect();
    assert_eq!((flows.len(), counts.packets, skips.len()), (0, 1, 1), "{skips:?}");
    skips[0].0
}

/// An IEEE 802.3 frame: the length in the place of the type.
fn framed(carried: &[u8], padding: usize) -> Vec<u8> {
    behind(&ethernet(carried.len() as u16, carried), &vec![0; padding])
}

#[test]
fn frames_with_a_length_carry_ip_behind_llc() {
    assert_eq!(one_flow(Link::Ethernet, &framed(&behind(&SNAP, &packet()), 0)), plain());
    assert_eq!(one_flow(Link::Ethernet, &framed(&behind(&[0x06, 0x06, 0x03], &packet()), 20)), plain());
    let bridged = behind(&[0xaa, 0xaa, 0x03, 0, 0, 0xf8, 0x86, 0xdd], &packet6());
    assert_eq!(one_flow(Link::Ethernet, &framed(&bridged, 0)), one_flow(Link::Ip, &packet6()));
    let announced = behind(&[0xaa, 0xaa, 0x03, 0, 0, 0, 8, 6], &arp(1, [10, 0, 0, 1], [10, 0, 0, 2])[14..]);
    assert_eq!(one_flow(Link::Ethernet, &framed(&announced, 0)).originator.bytes, Some(28));
    let mut tagged = vec![0, 7];
    tagged.extend((8 + packet().len() as u16).to_be_bytes());
    tagged.extend(behind(&SNAP, &packet()));
    assert_eq!(one_flow(Link::Ethernet, &ethernet(0x8100, &tagged)).vlan, Some(7));
}

#[test]
fn what_pads_a_frame_with_a_length_is_no_part_of_the_packet() {
    // Segmentation offload leaves no total length, so that only the frame tells it.
    let mut packet = packet();
    packet[2..4].fill(0);
    assert_eq!(one_flow(Link::Ethernet, &framed(&behind(&SNAP, &packet), 30)), plain());
}

#[test]
fn llc_without_ip_is_no_ip() {
    let spanning_tree = framed(&[&[0x42, 0x42, 0x03][..], &[0; 35]].concat(), 8);
    assert_eq!(skip(Link::Ethernet, &spanning_tree), Skip::NotIp);
    assert_eq!(skip(Link::Ethernet, &framed(&[0xaa, 0xaa, 0x03, 0, 0, 0x0c, 0x20, 0, 1, 2, 3], 40)), Skip::NotIp);
    assert_eq!(skip(Link::Ethernet, &framed(&[0xff; 40], 0)), Skip::NotIp);
    assert_eq!(skip(Link::Ethernet, &ethernet(30, &[0xaa, 0xaa])), Skip::LinkCut);
    assert_eq!(skip(Link::Ethernet, &ethernet(30, &SNAP[..7])), Skip::LinkCut);
    assert_eq!(skip(Link::Ethernet, &ethernet(1501, &behind(&SNAP, &packet()))), Skip::NotIp);
}

#[test]
fn linux_tells_llc_by_a_number_of_its_own() {
    let mut cooked = vec![0; 14];
    cooked.extend([0, 4]);
    assert_eq!(one_flow(Link::LinuxCooked, &[&cooked[..], &SNAP, &packet()].concat()), plain());
    let mut cooked2 = vec![0, 4];
    cooked2.resize(20, 0);
    assert_eq!(one_flow(Link::LinuxCooked2, &[&cooked2[..], &SNAP, &packet()].concat()), plain());
    cooked2[1] = 0x0c;
    assert_eq!(skip(Link::LinuxCooked2, &[&cooked2[..], &SNAP, &packet()].concat()), Skip::NotIp);
}

#[test]
fn ppp_is_read_with_and_without_framing_and_compression() {
    for header in
        [&[0xff, 0x03, 0x00, 0x21][..], &[0xff, 0x03, 0x21], &[0x00, 0x21], &[0x21], &[0x0f, 0, 8, 0], &[0x8f, 0, 8, 0]]
    {
        assert_eq!(one_flow(Link::Ppp, &behind(header, &packet())), plain());
    }
    assert_eq!(one_flow(Link::Ppp, &behind(&[0xff, 0x03, 0, 0x57], &packet6())), one_flow(Link::Ip, &packet6()));
    let labelled = behind(&[0xff, 0x03, 0x02, 0x81, 0, 6, 0x41, 64], &packet());
    assert_eq!(one_flow(Link::Ppp, &labelled).tunnel.map(|tunnel| tunnel.id), Some(100));
    let session = behind(&[0x11, 0, 0, 9, 0, 35, 0, 0x21], &packet());
    assert_eq!(one_flow(Link::Pppoe, &session).tunnel.map(|tunnel| tunnel.id), Some(9));
}

#[test]
fn ppp_without_ip_is_no_ip() {
    assert_eq!(skip(Link::Ppp, &[0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4]), Skip::NotIp);
    assert_eq!(skip(Link::Ppp, &[0x0f, 0, 0x80, 0x35, 0, 0]), Skip::NotIp);
    assert_eq!(skip(Link::Ppp, &[0xff, 0x03]), Skip::LinkCut);
    assert_eq!(skip(Link::Ppp, &[0xff, 0x03, 0]), Skip::LinkCut);
    assert_eq!(skip(Link::Ppp, &[0x0f, 0, 8]), Skip::LinkCut);
}

#[test]
fn the_log_of_the_bsd_packet_filter_holds_packets() {
    for (length, family) in [(61u8, 2), (45, 2), (64, 24), (100, 30)] {
        let mut header = vec![length, family];
        header.resize(usize::from(length).next_multiple_of(4), 0);
        assert_eq!(one_flow(Link::PacketFilterLog, &behind(&header, &packet())), plain());
    }
    assert_eq!(skip(Link::PacketFilterLog, &[20, 2, 0, 0]), Skip::LinkBad);
    assert_eq!(skip(Link::PacketFilterLog, &[61, 2, 0, 0]), Skip::LinkCut);
    assert_eq!(skip(Link::PacketFilterLog, &[[48, 7], [0; 2]].concat().repeat(20)), Skip::NotIp);
}

/// A log of netfilter with a prefix of three bytes, in either byte order.
fn netfilter(family: u8, number: fn(u16) -> [u8; 2], packet: &[u8]) -> Vec<u8> {
    let mut bytes = vec![family, 0, 0, 5];
    for (kind, value) in [(10, &b"ab\0"[..]), (9, packet)] {
        bytes.extend(number(4 + value.len() as u16));
        bytes.extend(number(kind));
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

#[test]
fn the_log_of_netfilter_holds_packets_in_either_byte_order() {
    for number in [u16::to_le_bytes, u16::to_be_bytes] {
        assert_eq!(one_flow(Link::NetfilterLog, &netfilter(2, number, &packet())), plain());
        assert_eq!(one_flow(Link::NetfilterLog, &netfilter(10, number, &packet6())), one_flow(Link::Ip, &packet6()));
    }
    let good = netfilter(2, u16::to_le_bytes, &packet());
    assert_eq!(skip(Link::NetfilterLog, &good[..3]), Skip::LinkCut);
    assert_eq!(skip(Link::NetfilterLog, &good[..10]), Skip::LinkBad);
    assert_eq!(skip(Link::NetfilterLog, &behind(&[2, 1], &good[2..])), Skip::LinkBad);
    assert_eq!(skip(Link::NetfilterLog, &behind(&[7], &good[1..])), Skip::NotIp);
    assert_eq!(skip(Link::NetfilterLog, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Skip::LinkBad);
}

#[test]
fn a_packet_that_netfilter_logged_only_the_head_of_is_as_long_as_it_says() {
    let whole = ipv4([10, 0, 0, 1], [10, 0, 0, 2], 17, &datagram(1000, 2000, 900));
    let flow = one_flow(Link::NetfilterLog, &netfilter(2, u16::to_le_bytes, &whole[..40]));
    assert_eq!((flow.bytes(), flow.payload_bytes()), (Some(928), Some(900)));
    let mut untold = whole;
    untold[2..4].fill(0);
    assert_eq!(skip(Link::NetfilterLog, &netfilter(2, u16::to_le_bytes, &untold)), Skip::IpBad);
}

#[test]
fn what_follows_the_packet_in_a_netfilter_log_is_no_part_of_it() {
    let mut log = netfilter(2, u16::to_le_bytes, &packet()[..20]);
    log.extend(datagram(1000, 2000, 5));
    assert_eq!(skip(Link::NetfilterLog, &log), Skip::TransportCut);
}

/// An 802.11 data frame of this kind and with these flags, and so many more header bytes.
fn wireless(kind: u8, flags: u8, more: &[u8], carried: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind, flags];
    frame.resize(22, 0);
    frame.extend([0x30, 0x12]);
    frame.extend(more);
    frame.extend(carried);
    frame
}

#[test]
fn data_on_the_air_that_is_not_encrypted_is_read() {
    let carried = behind(&SNAP, &packet());
    for frame in [
        wireless(0x08, 0x01, &[], &carried),
        wireless(0x08, 0x02, &[], &carried),
        wireless(0x08, 0x03, &[0; 6], &carried),
        wireless(0x88, 0x01, &[0; 2], &carried),
        wireless(0x88, 0x03, &[0; 8], &carried),
        wireless(0x88, 0x81, &[0; 6], &carried),
        wireless(0x18, 0x01, &[], &carried),
    ] {
        assert_eq!(one_flow(Link::Wireless, &frame), plain());
        // A check sequence at the end is no part of the packet.
        assert_eq!(one_flow(Link::Wireless, &behind(&frame, &[9; 4])), plain());
    }
}

#[test]
fn other_frames_on_the_air_are_skipped_by_reason() {
    let carried = behind(&SNAP, &packet());
    assert_eq!(skip(Link::Wireless, &wireless(0x08, 0x41, &[], &carried)), Skip::Encrypted);
    let mut later_fragment = wireless(0x08, 0x01, &[], &carried);
    later_fragment[22] = 0x31;
    let mut aggregate = wireless(0x88, 0x01, &[0; 2], &carried);
    aggregate[24] = 0x80;
    let beacon = wireless(0x80, 0, &[], &[0; 40]);
    let acknowledgement = [0xd4, 0, 0, 0, 1, 2, 3, 4, 5, 6];
    let nothing = wireless(0x48, 0x01, &[], &[]);
    for frame in [&later_fragment[..], &aggregate, &beacon, &acknowledgement, &nothing] {
        assert_eq!(skip(Link::Wireless, frame), Skip::NotIp);
    }
    assert_eq!(skip(Link::Wireless, &wireless(0x09, 0, &[], &carried)), Skip::LinkBad);
    for length in [1, 20, 26, 31] {
        assert_eq!(skip(Link::Wireless, &wireless(0x88, 0x01, &[0; 2], &carried)[..length]), Skip::LinkCut);
    }
}

/// A radiotap header with these words of fields.
fn radiotap(words: &[u32], fields: &[u8]) -> Vec<u8> {
    let mut header = vec![0, 0];
    header.extend((4 + 4 * words.len() as u16 + fields.len() as u16).to_le_bytes());
    for word in words {
        header.extend(word.to_le_bytes());
    }
    header.extend(fields);
    header
}

#[test]
fn radiotap_is_stepped_over_and_tells_of_padding() {
    let frame = wireless(0x88, 0x01, &[0; 2], &behind(&SNAP, &packet()));
    let padded = wireless(0x88, 0x01, &[0; 4], &behind(&SNAP, &packet()));
    let more = 1 << 31;
    for (header, frame) in [
        (radiotap(&[0], &[]), &frame),
        (radiotap(&[0x2e], &[0x10, 2, 3, 4, 5, 6]), &frame),
        (radiotap(&[2], &[0x20]), &padded),
        (radiotap(&[3], &[0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x20]), &padded),
        (radiotap(&[more | 2, more, 0], &[0x20, 0, 0, 0]), &padded),
        // The timer is aligned to eight bytes.
        (radiotap(&[more | 3, 0], &[0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0x20]), &padded),
    ] {
        assert_eq!(one_flow(Link::Radiotap, &behind(&header, frame)), plain());
    }
}

#[test]
fn radiotap_that_contradicts_itself_is_skipped() {
    let frame = wireless(0x08, 0x01, &[], &behind(&SNAP, &packet()));
    let with = |header: Vec<u8>| skip(Link::Radiotap, &behind(&header, &frame));
    assert_eq!(with(vec![1, 0, 8, 0, 0, 0, 0, 0]), Skip::LinkBad);
    assert_eq!(with(vec![0, 0, 7, 0, 0, 0, 0, 0]), Skip::LinkBad);
    assert_eq!(with(vec![0, 0, 0xff, 0xff, 0, 0, 0, 0]), Skip::LinkBad);
    assert_eq!(with(vec![0, 0, 200, 0, 0, 0, 0, 0]), Skip::LinkCut);
    assert_eq!(with(radiotap(&[1 << 31], &[])), Skip::LinkBad);
    assert_eq!(with(radiotap(&[2], &[])), Skip::LinkBad);
    assert_eq!(with(radiotap(&[2], &[0x40])), Skip::LinkBad, "the check sequence is wrong");
    assert_eq!(skip(Link::Radiotap, &[0, 0, 8]), Skip::LinkCut);
}

#[test]
fn links_are_known_by_their_numbers() {
    for (number, link) in [
        (0, Link::Loopback),
        (1, Link::Ethernet),
        (9, Link::Ppp),
        (50, Link::Ppp),
        (51, Link::Pppoe),
        (101, Link::Ip),
        (104, Link::Ppp),
        (105, Link::Wireless),
        (113, Link::LinuxCooked),
        (117, Link::PacketFilterLog),
        (127, Link::Radiotap),
        (239, Link::NetfilterLog),
        (276, Link::LinuxCooked2),
    ] {
        assert_eq!(Link::from_number(number), Some(link));
    }
    assert_eq!(Link::from_number(220), None);
}

#[test]
fn an_ipv6_packet_that_carries_nothing_has_no_payload_though_the_link_pads_it() {
    let mut frame = ethernet(0x86dd, &ipv6(1, 2, 59, &[]));
    frame.resize(60, 0);
    assert_eq!(Wire::new().send(&frame).one_flow().payload_bytes(), Some(0));
}
