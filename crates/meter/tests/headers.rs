//! Options and odd lengths of IP, TCP and UDP headers are stepped over and never misread.

mod packets;

use flow::Protocol;
use packets::{Wire, datagram, ethernet, ipv4, ipv6, segment};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

#[test]
fn options_of_ipv4_lie_before_the_ports() {
    for words in [1u8, 4, 10] {
        let mut packet = ipv4(A, B, 17, &datagram(1000, 2000, 5));
        let options = vec![0x94; usize::from(words) * 4];
        packet[0] = 0x45 + words;
        packet[3] += words * 4;
        packet.splice(20..20, options);
        let flow = Wire::new().send(&ethernet(0x0800, &packet)).one_flow();
        assert_eq!((flow.key.originator.port, flow.key.responder.port, flow.payload_bytes()), (1000, 2000, Some(5)));
        assert_eq!(flow.bytes(), Some(33 + u64::from(words) * 4));
    }
}

#[test]
fn options_of_tcp_are_header_and_not_payload() {
    for words in [3u8, 10] {
        let mut bytes = segment(1000, 80, "PA", (1, 1), 7, 9);
        bytes[12] = (5 + words) << 4;
        bytes.splice(20..20, vec![1; usize::from(words) * 4]);
        let flow = Wire::new().send(&ethernet(0x0800, &ipv4(A, B, 6, &bytes))).one_flow();
        let header_bytes = flow.originator.detail.map(|detail| detail.header_bytes);
        assert_eq!((flow.payload_bytes(), header_bytes), (Some(7), Some(20 + u64::from(words) * 4)));
    }
}

#[test]
fn a_jumbogram_is_as_long_as_the_wire() {
    // Hop-by-hop header with the jumbo payload option (RFC 2675); the fixed header's length is 0.
    let carried = [&[17, 0, 0xc2, 4, 0, 1, 0x11, 0x80][..], &datagram(1000, 2000, 0)].concat();
    let mut packet = ipv6(1, 2, 0, &carried);
    packet[4..6].fill(0);
    packet.resize(40 + 70_016, 0);
    let frame = ethernet(0x86dd, &packet);
    let flow = Wire::new().send_as(meter::Link::Ethernet, &frame[..100], frame.len()).one_flow();
    assert_eq!((flow.key.protocol, flow.key.responder.port), (Protocol::Udp, 2000));
    assert_eq!((flow.bytes(), flow.payload_bytes()), (Some(70_056), Some(70_000)));
}

#[test]
fn the_length_of_udp_is_that_of_ip_whatever_its_own_field_says() {
    for length in [0u8, 8, 9, 255] {
        let mut bytes = datagram(1000, 2000, 30);
        bytes[5] = length;
        let flow = Wire::new().send(&ethernet(0x0800, &ipv4(A, B, 17, &bytes))).one_flow();
        assert_eq!(flow.payload_bytes(), Some(30));
    }
}

#[test]
fn ipv6_headers_of_every_kind_lie_before_the_ports() {
    let udp = datagram(1000, 2000, 5);
    // Hop-by-hop, destination options, routing, authentication (in words of four bytes), mobility; each names the next.
    let chain = [
        &[60, 0, 1, 4, 0, 0, 0, 0][..],
        &[43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[51, 0, 0, 0, 0, 0, 0, 0],
        &[135, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[17, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let flow = Wire::new().send(&ethernet(0x86dd, &ipv6(1, 2, 0, &[chain, udp].concat()))).one_flow();
    assert_eq!((flow.key.responder.port, flow.payload_bytes(), flow.bytes()), (2000, Some(5), Some(40 + 64 + 13)));
}
