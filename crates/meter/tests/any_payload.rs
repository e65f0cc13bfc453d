//! Whatever the payload, and however it is damaged, each packet is in a flow and what is told can be printed.

mod packets;

use flow::{Application, Flow, Time};
use meter::{Link, Meter, Settings};
use packets::{CLIENT, SERVER, datagram, ethernet, ipv4, segment};
use proptest::prelude::*;

const PORTS: [u16; 12] = [443, 80, 53, 5353, 21, 23, 25, 110, 143, 513, 514, 7000];
const STARTS: [&[u8]; 10] = [
    b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03",
    b"GET / HTTP/1.1\r\nHost: a\r\n",
    b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01",
    b"\0\x1d\0\x01\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01",
    b"\xc3\0\0\0\x01\x08abcdefgh\0\0\x40\x40",
    b"USER root\r\nPASS x\r\n",
    b"\xff\xfa\x18\xff\xf0login: root\r\0",
    b"220 ftp\r\n530 no\r\n",
    b"HTTP/1.1 401 no\r\n",
    b"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_payload_ends_in_a_flow_and_in_text_that_can_be_printed(
        packets in prop::collection::vec(
            (any::<(u8, u8, bool, bool)>(), 0u32..200, prop::collection::vec(any::<u8>(), 0..90), prop::option::of(any::<(u8, u8)>())),
            0..40,
        ),
    ) {
        let mut meter = Meter::new(Settings { content: true, ..Settings::default() });
        let mut flows = Vec::new();
        for (number, ((port, start, is_udp, is_answer), sequence, tail, damage)) in packets.iter().enumerate() {
            let mut payload = [STARTS[usize::from(*start) % STARTS.len()], tail].concat();
            if let (Some((at, byte)), true) = (damage, !payload.is_empty()) {
                let at = usize::from(*at) % payload.len();
                payload[at] = *byte;
            }
            let server = (SERVER.0, PORTS[usize::from(*port) % PORTS.len()]);
            let (from, to) = if *is_answer { (server, CLIENT) } else { (CLIENT, server) };
            let mut transport = if *is_udp {
                datagram(from.1, to.1, payload.len())
            } else {
                segment(from.1, to.1, "PA", (*sequence, 0), payload.len(), 1000)
            };
            let head = transport.len() - payload.len();
            transport[head..].copy_from_slice(&payload);
            let frame = ethernet(0x0800, &ipv4(from.0, to.0, if *is_udp { 17 } else { 6 }, &transport));
            let captured = if port % 7 == 0 { frame.len() - payload.len() / 2 } else { frame.len() };
            let time = Time::from_nanoseconds(number as i64 * 1_000_000);
            meter.packet(Link::Ethernet, time, &frame[..captured], frame.len() as u32, &mut flows);
        }
        meter.finish(&mut flows);
        let in_flows = flows.iter().map(Flow::packets).sum::<Option<u64>>().unwrap();
        prop_assert_eq!(packets.len() as u64, in_flows + meter.counts().skipped_packets());
        for application in flows.iter().filter_map(|flow| flow.application.as_deref()) {
            for text in texts(application) {
                prop_assert!(text.len() <= 1016 && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            }
        }
    }
}

fn texts(application: &Application) -> Vec<&str> {
    match application {
        Application::Dns(dns) => vec![&dns.query],
        Application::Http(http) => {
            [Some(&http.method), http.host.as_ref(), http.target.as_ref(), http.user_agent.as_ref()]
                .into_iter()
                .flatten()
                .map(AsRef::as_ref)
                .collect()
        }
        Application::Tls(tls) | Application::Quic(tls) => {
            [&tls.server_name, &tls.protocol, &tls.ja4].into_iter().flatten().map(AsRef::as_ref).collect()
        }
        Application::Other(name) => vec![name],
        Application::Smb(_) | Application::Dcerpc(_) | Application::Dhcp(_) | Application::Arp(_) => Vec::new(),
        Application::Echo(_) => Vec::new(),
    }
}
