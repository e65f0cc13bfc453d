//! First payloads, whole, split and cut, given to a meter.

use flow::{Application, Flow, Http, Time, Tls};

use super::quic;
use crate::{Link, Meter, Settings};

/// A meter and the flows that it gave out.
struct Wire {
    meter: Meter,
    flows: Vec<Flow>,
    milliseconds: i64,
}

impl Wire {
    fn new() -> Wire {
        Wire {
            meter: Meter::new(Settings { content: true, ..Settings::default() }),
            flows: Vec::new(),
            milliseconds: 0,
        }
    }

    /// Sends the first `captured` bytes of an IPv4 packet. Host 1 is the client, host 2 the server.
    fn send(&mut self, from: u8, protocol: u8, transport: &[u8], captured: usize) {
        let mut packet = vec![0x45, 0];
        packet.extend((20 + transport.len() as u16).to_be_bytes());
        packet.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, 3 - from]);
        packet.extend(transport);
        let time = Time::from_nanoseconds(self.milliseconds * 1_000_000);
        self.milliseconds += 1;
        let bytes = &packet[..packet.len().min(20 + captured)];
        self.meter.packet(Link::Ip, time, bytes, packet.len() as u32, &mut self.flows);
    }

    fn udp(&mut self, from: u8, port: u16, payload: &[u8]) -> &mut Wire {
        let transport = [&ports(from, port)[..], &(8 + payload.len() as u16).to_be_bytes(), &[0; 2], payload].concat();
        self.send(from, 17, &transport, usize::MAX >> 1);
        self
    }

    fn tcp(&mut self, from: u8, port: u16, sequence: usize, payload: &[u8]) -> &mut Wire {
        self.tcp_cut(from, port, sequence, payload, usize::MAX >> 1)
    }

    fn tcp_cut(&mut self, from: u8, port: u16, sequence: usize, payload: &[u8], captured: usize) -> &mut Wire {
        let head = [&ports(from, port)[..], &(sequence as u32).to_be_bytes(), &[0; 4], &[0x50, 0x18, 1, 0, 0, 0, 0, 0]];
        let transport = [&head.concat()[..], payload].concat();
        self.send(from, 6, &transport, captured.min(usize::MAX >> 2) + 20);
        self
    }

    /// The one flow that there was.
    fn flow(&mut self) -> Flow {
        self.meter.finish(&mut self.flows);
        assert_eq!(self.flows.len(), 1, "{:#?}", self.flows);
        self.flows.remove(0)
    }

    fn application(&mut self) -> Option<Application> {
        self.flow().application.map(|application| *application)
    }
}

fn ports(from: u8, port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    if from == 1 { [0x9c, 0x40, high, low] } else { [high, low, 0x9c, 0x40] }
}

/// What a client's bytes to that port tell, sent from one sequence number on.
fn told(port: u16, parts: &[&[u8]]) -> Option<Application> {
    let mut wire = Wire::new();
    let mut sequence = u32::MAX as usize - 5;
    for part in parts {
        wire.tcp(1, port, sequence, part);
        sequence += part.len();
    }
    wire.application()
}

/// A ClientHello with two ciphers, and GREASE where browsers strew it.
fn hello() -> Vec<u8> {
    let server_name = [&[0, 0, 0, 16, 0, 14, 0, 0, 11][..], b"Example.COM"].concat();
    let protocols = [&[0, 16, 0, 5, 0, 3, 2][..], b"h2"].concat();
    let versions = [0, 43, 0, 7, 6, 0x1a, 0x1a, 3, 4, 3, 3];
    let signatures = [0, 13, 0, 6, 0, 4, 4, 3, 8, 4];
    let grease = [0x2a, 0x2a, 0, 0];
    let extensions = [&grease[..], &server_name, &protocols, &versions, &signatures].concat();
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend([0, 0, 6, 0x3a, 0x3a, 0x13, 2, 0x13, 1, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    [&[1, 0, 0, body.len() as u8][..], &body].concat()
}

fn record(message: &[u8]) -> Vec<u8> {
    [&[22, 3, 1, 0, message.len() as u8][..], message].concat()
}

fn hello_facts(ja4: &str) -> Tls {
    Tls {
        server_name: Some("example.com".into()),
        version: Some(0x0304),
        protocol: Some("h2".into()),
        ja4: Some(ja4.into()),
        ja3: None,
    }
}

/// Two ciphers, four extensions; the hashes are of "1301,1302" and "000d,002b_0403,0804".
const JA4: &str = "13d0204h2_62ed6f6ca7ad_ef5f37ab036a";

fn tls() -> Application {
    Application::Tls(hello_facts(&format!("t{JA4}")))
}

const REQUEST: &[u8] =
    b"GET /a?b=c HTTP/1.1\r\nAccept: */*\r\nHOST: Example.ORG:8080\r\nUser-Agent: bird/1 \x1b[2J\r\n\r\n";

fn request() -> Http {
    Http {
        method: "GET".into(),
        host: Some("example.org".into()),
        target: Some("/a?b=c".into()),
        user_agent: Some("bird/1 \\x1b[2J".into()),
        status: None,
    }
}

fn dns_message(id: u16, flags: u16, name: &[&[u8]], kind: u16) -> Vec<u8> {
    let mut message: Vec<u8> = [id, flags, 1, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    for label in name {
        message.push(label.len() as u8);
        message.extend(*label);
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

fn over_tcp(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

#[test]
fn a_client_hello_tells_name_version_protocol_and_fingerprint() {
    assert_eq!(told(443, &[&record(&hello())]), Some(tls()));
}

#[test]
fn a_hello_in_two_records_is_one() {
    let hello = hello();
    let (first, second) = hello.split_at(30);
    assert_eq!(told(443, &[&[record(first), record(second)].concat()]), Some(tls()));
}

#[test]
fn split_in_two_at_every_byte_openings_tell_the_same() {
    let questions =
        [over_tcp(&dns_message(1, 0, &[b"a"], 1)), over_tcp(&dns_message(2, 0, &[b"b", b"c"], 16))].concat();
    for (port, bytes) in [(443, record(&hello())), (80, REQUEST.to_vec()), (53, questions)] {
        let whole = told(port, &[&bytes]);
        assert!(whole.is_some());
        for at in 1..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(told(port, &[first, second]), whole, "port {port}, split at {at}");
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(told(port, &each), whole, "port {port}, byte by byte");
    }
}

#[test]
fn parts_in_disorder_and_repeated_tell_the_same() {
    let bytes = record(&hello());
    let mut wire = Wire::new();
    for range in [0..40, 80..bytes.len(), 0..40, 70..90, 40..75] {
        wire.tcp(1, 443, range.start, &bytes[range]);
    }
    assert_eq!(wire.application(), Some(tls()));
}

#[test]
fn openings_that_the_capture_cut_tell_what_is_there() {
    let bytes = record(&hello());
    for captured in 0..bytes.len() {
        let mut wire = Wire::new();
        let told = wire.tcp_cut(1, 443, 0, &bytes, captured).application();
        // The name ends 85 bytes in.
        match told {
            Some(Application::Tls(tls)) => {
                assert_eq!(tls.ja4, None);
                assert_eq!(
                    tls.server_name.is_some(),
                    captured >= 5 + 4 + 2 + 32 + 1 + 8 + 2 + 2 + 4 + 20,
                    "{captured}"
                );
            }
            other => assert!(other.is_none() && captured <= 5, "{captured}: {other:?}"),
        }
    }
    for captured in 0..REQUEST.len() {
        Wire::new().tcp_cut(1, 80, 0, REQUEST, captured).application();
    }
}

#[test]
fn a_request_and_its_answer_are_one_conversation() {
    let mut wire = Wire::new();
    wire.tcp(1, 8888, 0, REQUEST).tcp(2, 8888, 0, b"HTTP/1.1 404 Not Found\r\n\r\n");
    wire.tcp(1, 8888, REQUEST.len(), b"POST /second HTTP/1.1\r\n\r\n").tcp(2, 8888, 26, b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(wire.application(), Some(Application::Http(Http { status: Some(404), ..request() })));
}

#[test]
fn rtsp_and_sip_are_not_http() {
    let name = |bytes: &[u8]| told(554, &[bytes]).map(|application| application.name().to_owned());
    assert_eq!(name(b"OPTIONS rtsp://a/b RTSP/1.0\r\n\r\n").as_deref(), Some("rtsp"));
    assert_eq!(name(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n").as_deref(), Some("sip"));
    assert_eq!(name(b"GET the milk\r\n\r\n"), None);
}

#[test]
fn every_question_of_a_conversation_is_counted_and_failures_by_their_code() {
    let mut wire = Wire::new();
    for (id, label) in [(1, &b"aaaa"[..]), (2, b"ab")] {
        wire.udp(1, 53, &dns_message(id, 0x0100, &[label, b"Example", b"org"], 28));
        wire.udp(2, 53, &dns_message(id, 0x8183, &[label, b"Example", b"org"], 28));
    }
    wire.udp(2, 53, &dns_message(3, 0x8182, &[b"x"], 28));
    let Some(Application::Dns(dns)) = wire.application() else { panic!("no names") };
    assert_eq!((&*dns.query, dns.record_type, dns.queries), ("aaaa.example.org", Some(28), 2));
    assert_eq!((dns.failures, dns.no_such_name), (3, 2));
    assert_eq!((dns.lengths.min(), dns.lengths.max(), dns.labels.max()), (Some(14), Some(16), Some(3)));
}

#[test]
fn a_question_in_a_segment_sent_twice_is_counted_once() {
    let question = over_tcp(&dns_message(1, 0, &[b"a"], 1));
    let mut wire = Wire::new();
    wire.tcp(1, 53, 100, &question).tcp(1, 53, 100, &question);
    let Some(Application::Dns(dns)) = wire.application() else { panic!("no names") };
    assert_eq!(dns.queries, 1);
}

#[test]
fn a_long_answer_over_tcp_is_not_taken_for_many() {
    let mut answer = dns_message(1, 0x8180, &[b"a"], 252);
    // Its records look like questions.
    while answer.len() < 6000 {
        answer.extend(over_tcp(&dns_message(1, 0, &[b"not", b"asked"], 1)));
    }
    let mut wire = Wire::new();
    for (number, part) in over_tcp(&answer).chunks(1000).enumerate() {
        wire.tcp(2, 53, number * 1000, part);
    }
    let Some(Application::Dns(dns)) = wire.application() else { panic!("no names") };
    assert_eq!((dns.queries, &*dns.query), (0, "a"));
}

#[test]
fn pointers_that_lead_forwards_or_in_circles_are_no_name() {
    for target in [12, 13, 14, 200] {
        let mut message = dns_message(1, 0, &[], 1);
        message.splice(12..13, [0xc0, target]);
        assert_eq!(Wire::new().udp(1, 53, &message).application(), None, "{target}");
    }
}

#[test]
fn neighbours_ask_for_several_names_with_a_pointer() {
    let mut message = dns_message(0, 0, &[b"_printer", b"local"], 12);
    message[5] = 2;
    message.extend([3, b'_', b'i', b'p', 0xc0, 21, 0, 12, 0, 1]);
    let Some(Application::Dns(dns)) = Wire::new().udp(1, 5353, &message).application() else { panic!("no names") };
    assert_eq!((dns.queries, dns.lengths.min(), dns.lengths.max()), (2, Some(9), Some(14)));
}

#[test]
fn names_of_odd_bytes_are_escaped_and_measured_as_sent() {
    let message = dns_message(1, 0, &[&[0xbc, 0xbd], b"org"], 10);
    let Some(Application::Dns(dns)) = Wire::new().udp(1, 53, &message).application() else { panic!("no names") };
    assert_eq!((&*dns.query, dns.lengths.max()), ("\\xbc\\xbd.org", Some(6)));
}

#[test]
fn a_hello_over_quic_is_put_together_from_packets_in_any_order() {
    let hello = hello();
    let expected = Application::Quic(hello_facts(&format!("q{JA4}")));
    for version in [1, 0x6b33_43cf] {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut wire = Wire::new();
            for part in order {
                let range = [0..30, 30..70, 70..hello.len()][part].clone();
                wire.udp(1, 443, &quic::tests::initial(version, &[(range.start, &hello[range])]));
            }
            assert_eq!(wire.application(), Some(expected.clone()), "{version:x} {order:?}");
        }
    }
}

#[test]
fn the_example_of_the_quic_standard_has_its_fingerprint() {
    let digits = quic::tests::VERSION_1;
    let bytes: Vec<u8> =
        (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
    let Some(Application::Quic(tls)) = Wire::new().udp(1, 443, &bytes).application() else { panic!("no QUIC") };
    assert_eq!(tls.server_name.as_deref(), Some("example.com"));
    // By hand: 2 ciphers, 11 extensions, ALPN "alpn".
    assert_eq!(tls.ja4.as_deref(), Some("q13d0211an_62ed6f6ca7ad_4d634acda6c0"));
}

#[test]
fn protocols_are_known_by_their_first_bytes() {
    let cases: [(&[u8], Option<&str>); 16] = [
        (b"SSH-2.0-OpenSSH_9.9\r\n", Some("ssh")),
        (b"220 mail.example.org ESMTP\r\n", Some("smtp")),
        (b"220-Welcome to the FTP server\r\n", Some("ftp")),
        (b"220 hello\r\n", None),
        (b"EHLO me\r\n", Some("smtp")),
        (b"* OK IMAP4rev1 ready\r\n", Some("imap")),
        (b"+OK POP3 ready\r\n", Some("pop3")),
        (b"+OK\r\n", None),
        (&[0, 0, 0, 4, 0xfe, b'S', b'M', b'B'], Some("smb")),
        (b"\x03\0\0\x2b\x26\xe0\0\0\0\0\0Cookie: mstshash=a\r\n", Some("rdp")),
        (b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0", Some("rdp")),
        (b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0", Some("mqtt")),
        (b"\x13BitTorrent protocol", Some("bittorrent")),
        (&[255, 253, 24, 255, 253, 32], Some("telnet")),
        (b"RFB 003.008\n", Some("vnc")),
        (b"nothing of that kind", None),
    ];
    for (bytes, name) in cases {
        let whole = told(7777, &[bytes]);
        assert_eq!(whole.as_ref().map(Application::name), name, "{}", bytes.escape_ascii());
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(told(7777, &each), whole, "{} byte by byte", bytes.escape_ascii());
    }
}

#[test]
fn datagrams_are_known_by_their_magic() {
    let name = |bytes: &[u8]| Wire::new().udp(1, 7777, bytes).application().map(|told| told.name().to_owned());
    let mut dhcp = vec![0; 240];
    dhcp[0] = 1;
    dhcp[236..].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    assert_eq!(name(&dhcp).as_deref(), Some("dhcp"));
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[0; 12]].concat();
    assert_eq!(name(&stun).as_deref(), Some("stun"));
    assert_eq!(name(b"M-SEARCH * HTTP/1.1\r\n").as_deref(), Some("ssdp"));
    assert_eq!(name(&stun[..19]), None);
}

#[test]
fn mail_that_goes_on_over_tls_is_mail() {
    let mut wire = Wire::new();
    wire.tcp(2, 25, 0, b"220 a ESMTP\r\n").tcp(1, 25, 0, b"STARTTLS\r\n").tcp(1, 25, 10, &record(&hello()));
    assert_eq!(wire.application(), Some(Application::Other("smtp".into())));
}

#[test]
fn messages_that_never_end_are_given_up_and_counted() {
    let mut wire = Wire::new();
    for port in 1000..4000 {
        wire.tcp(1, port, 0, b"GET /");
    }
    let mut flows = Vec::new();
    wire.meter.finish(&mut flows);
    assert_eq!(wire.meter.counts().evicted_messages, 3000 - 1024);
}

#[test]
fn a_part_of_a_conversation_counts_its_own_questions() {
    let mut wire = Wire::new();
    wire.udp(1, 53, &dns_message(1, 0, &[b"first"], 1));
    for minute in 0..40 {
        wire.milliseconds = minute * 60_000;
        wire.udp(1, 53, &dns_message(1, 0, &[b"later"], 1));
    }
    wire.meter.finish(&mut wire.flows);
    let questions: Vec<u32> = wire
        .flows
        .iter()
        .filter_map(|flow| match flow.application.as_deref() {
            Some(Application::Dns(dns)) => Some(dns.queries),
            _ => None,
        })
        .collect();
    assert_eq!(questions, [31, 10]);
}

#[test]
fn miners_are_known_by_what_they_call() {
    let calls: [&[u8]; 4] = [
        b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n",
        b"{\"worker\": \"w\", \"params\": [\"0x9c\"], \"id\": 2, \"method\": \"eth_submitLogin\"}\n",
        b"{\"method\":\"login\",\"params\":{\"login\":\"4BCeT\",\"pass\":\"x\"},\"id\":1}\n",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"job\",\"params\":{\"job\":1,\"blob\":\"07\",\"target\":\"71\"}}\n",
    ];
    for call in calls {
        let expected = Some(Application::Other("stratum".into()));
        assert_eq!(told(443, &[call]), expected);
        let (start, rest) = call.split_at(12);
        assert_eq!(told(443, &[start, rest]), expected);
    }
    assert_eq!(told(443, &[b"{\"method\":\"login\",\"params\":{\"user\":\"a\"}}\n"]), None);
    assert_eq!(told(8333, &[b"\xf9\xbe\xb4\xd9version\0\0\0\0\0"]), Some(Application::Other("bitcoin".into())));
}

/// Altered replies to a ping with that data, when it is answered with the others, one after the other.
fn altered(asked: &[&[u8]], answered: &[&[u8]]) -> Option<u32> {
    let mut wire = Wire::new();
    let echo = |kind: u8, data: &[u8]| [&[kind, 0, 0, 0, 0, 7, 0, 1], data].concat();
    asked.iter().for_each(|data| wire.send(1, 1, &echo(8, data), usize::MAX >> 1));
    answered.iter().for_each(|data| wire.send(2, 1, &echo(0, data), usize::MAX >> 1));
    match wire.application() {
        Some(Application::Echo(echo)) => Some(echo.altered),
        told => told.map(|_| 0),
    }
}

#[test]
fn a_reply_that_gives_back_something_else_is_counted_and_a_copy_is_not() {
    assert_eq!(altered(&[b"abc", b"abd"], &[b"abd", b"abc"]), None);
    assert_eq!(altered(&[b"abc", b"abd"], &[b"abx", b"abc", b"ab"]), Some(2));
    // Of requests that were not seen nothing is known.
    assert_eq!(altered(&[], &[b"abx"]), None);
}

#[test]
fn names_under_one_domain_and_records_that_carry_data_are_counted() {
    let mut wire = Wire::new();
    for (number, first) in [b"aa", b"ab", b"ab"].iter().enumerate() {
        wire.udp(1, 53, &dns_message(number as u16, 0x0100, &[*first, b"t", b"example", b"org"], 16));
    }
    let Some(Application::Dns(dns)) = wire.application() else { panic!() };
    assert_eq!((dns.names.estimate(), dns.domains.estimate(), dns.data_questions), (2, 1, 3));
}
