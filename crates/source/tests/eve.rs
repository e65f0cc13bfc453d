//! Suricata's EVE JSON gives flows, with what the events before them tell, and notices.

mod logs;

use flow::{Application, Duration, Ended, Flow, Protocol, State, Time};
use logs::{folder_of, read, read_one};
use proptest::prelude::*;
use source::{Batch, Report};

const TLS: &str = r#"{"timestamp":"2023-11-14T23:13:20.200000+0100","flow_id":77,"event_type":"tls","src_ip":"192.0.2.1","src_port":50000,"dest_ip":"198.51.100.2","dest_port":443,"proto":"TCP","tls":{"sni":"shop.example","version":"TLS 1.2","ja3":{"hash":"8916410db85077a5460817142dcbc8de","string":"771,1-2"},"ja4":"t12d1516h2_8daaf6152771_b186095e22b6","client_alpns":["h2","http/1.1"]}}"#;
const FLOW: &str = r#"{"timestamp":"2023-11-14T23:14:20.000000+0100","flow_id":77,"in_iface":"eth0","event_type":"flow","vlan":[7,9],"src_ip":"192.0.2.1","src_port":50000,"dest_ip":"198.51.100.2","dest_port":443,"proto":"TCP","app_proto":"tls","flow":{"pkts_toserver":9,"pkts_toclient":11,"bytes_toserver":906,"bytes_toclient":9606,"start":"2023-11-14T23:13:20.123456+0100","end":"2023-11-14T23:13:22.623456+0100","age":2,"state":"closed","reason":"timeout","alerted":true},"tcp":{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1b","syn":true,"fin":true,"psh":true,"ack":true,"state":"closed"}}"#;
const ALERT: &str = r#"{"timestamp":"2023-11-14T23:13:21.000000+0100","flow_id":77,"event_type":"alert","src_ip":"198.51.100.2","src_port":443,"dest_ip":"192.0.2.1","dest_port":50000,"proto":"TCP","direction":"to_client","alert":{"action":"allowed","gid":1,"signature_id":2000001,"rev":3,"signature":"ET MALWARE \"Odd\" answer","category":"A Network Trojan was detected","severity":1,"metadata":{"tag":["x"]}},"tls":{"sni":"shop.example"},"app_proto":"tls"}"#;

fn eve(lines: &[&str]) -> (Batch, Report) {
    let (batch, report) = read_one("eve.json", format!("{}\n", lines.join("\n")).as_bytes());
    assert_eq!(report.damage, Vec::<String>::new());
    (batch, report)
}

fn flow(line: &str) -> Flow {
    let (mut batch, report) = eve(&[line]);
    assert_eq!((batch.flows.len(), report.skipped.len()), (1, 0), "{report:?}");
    batch.flows.remove(0)
}

#[test]
fn each_member_is_read_exactly() {
    let flow = flow(FLOW);
    assert_eq!(flow.key.originator.to_string(), "192.0.2.1:50000");
    assert_eq!((flow.key.responder.port, flow.key.protocol, flow.vlan), (443, Protocol::Tcp, Some(7)));
    assert_eq!(flow.start, Time::from_nanoseconds(1_700_000_000_123_456_000));
    assert_eq!(flow.duration(), Duration::from_millis(2500));
    let side = |side: &flow::Side| (side.packets, side.bytes, side.payload_bytes);
    assert_eq!(side(&flow.originator), (Some(9), Some(906 - 9 * 14), None));
    assert_eq!(side(&flow.responder), (Some(11), Some(9606 - 11 * 14), None));
    assert_eq!((flow.state, flow.ended), (Some(State::SF), Ended::Closed));
    assert_eq!(
        (flow.id.as_deref(), flow.application.as_deref()),
        (Some("77"), Some(&Application::Other("tls".into())))
    );
}

#[test]
fn members_in_any_order_and_with_escapes_tell_the_same() {
    let sorted = serde_json::from_str::<serde_json::Value>(FLOW).unwrap();
    assert_eq!(flow(&sorted.to_string()), flow(FLOW));
    let odd = FLOW.replace("\"proto\"", " \"\\u0070roto\" ").replace("\"192.", " \"\\u0031\\u00392.");
    assert_eq!(flow(&odd), flow(FLOW));
}

#[test]
fn what_applications_told_is_joined_with_their_flow() {
    let (batch, report) = eve(&[TLS, FLOW]);
    let Some(Application::Tls(tls)) = batch.flows[0].application.as_deref() else { panic!("{report:?}") };
    assert_eq!(
        (tls.server_name.as_deref(), tls.version, tls.protocol.as_deref()),
        (Some("shop.example"), Some(0x0303), Some("h2"))
    );
    assert_eq!(tls.ja3.as_deref(), Some("8916410db85077a5460817142dcbc8de"));
    assert_eq!(report.notes.get("application events of EVE joined with their flow"), Some(&1));
    // A flow_id is used again by another conversation, and one of 0 names none.
    for event in [TLS.replace("50000", "50001"), TLS.replace(":77", ":0"), TLS.replace("\"flow_id\":77,", "")] {
        let (batch, _) = eve(&[&event, FLOW]);
        assert_eq!(batch.flows[0].application.as_deref(), Some(&Application::Other("tls".into())));
    }
    let separate = folder_of("separate", &[("a-flow.json", FLOW.as_bytes()), ("b-tls.json", TLS.as_bytes())]);
    let (batch, _) = read(&["a-flow.json", "b-tls.json"].map(|name| separate.join(name)));
    assert!(matches!(batch.flows[0].application.as_deref(), Some(Application::Tls(_))));
}

#[test]
fn each_form_of_dns_events_counts_questions_and_failures() {
    let event = |dns: &str| {
        format!(
            r#"{{"timestamp":"2023-11-14T22:13:20Z","flow_id":5,"event_type":"dns","src_ip":"192.0.2.1","src_port":5,"dest_ip":"192.0.2.53","dest_port":53,"proto":"UDP","dns":{dns}}}"#
        )
    };
    let flow = r#"{"timestamp":"2023-11-14T22:14:20Z","flow_id":5,"event_type":"flow","src_ip":"192.0.2.1","src_port":5,"dest_ip":"192.0.2.53","dest_port":53,"proto":"UDP","flow":{"pkts_toserver":1,"pkts_toclient":1,"start":"2023-11-14T22:13:20Z"}}"#;
    for events in [
        vec![
            r#"{"type":"query","id":1,"rrname":"No.Such.Name","rrtype":"TXT","tx_id":0}"#,
            r#"{"type":"answer","id":1,"rcode":"NXDOMAIN","rrname":"no.such.name"}"#,
        ],
        vec![
            r#"{"version":2,"type":"query","id":1,"rrname":"no.such.name","rrtype":"TXT"}"#,
            r#"{"version":2,"type":"answer","id":1,"rcode":"NXDOMAIN","rrname":"no.such.name","rrtype":"TXT","authorities":[{"rrname":"x"}]}"#,
        ],
        vec![
            r#"{"version":3,"type":"request","rcode":"NOERROR","queries":[{"rrname":"no.such.name","rrtype":"TXT"}]}"#,
            r#"{"version":3,"type":"response","rcode":"NXDOMAIN","queries":[{"rrname":"no.such.name","rrtype":"TXT"}]}"#,
        ],
        vec![
            r#"{"version":3,"type":"response","rcode":"NXDOMAIN","queries":[{"rrname":"no.such.name","rrtype":"TXT"}]}"#,
        ],
    ] {
        let mut lines: Vec<_> = events.iter().map(|dns| event(dns)).collect();
        lines.push(flow.to_owned());
        let (batch, report) = eve(&lines.iter().map(|line| &**line).collect::<Vec<_>>());
        let Some(Application::Dns(dns)) = batch.flows[0].application.as_deref() else { panic!("{report:?}") };
        assert_eq!(
            (&*dns.query, dns.record_type, dns.queries, [dns.failures, dns.no_such_name]),
            ("no.such.name", Some(16), 1, [1, 1]),
            "{events:?}"
        );
    }
}

#[test]
fn http_keeps_the_first_request() {
    let http = TLS.replace("\"tls\",", "\"http\",").replace("\"tls\":{", r#""http":{"hostname":"shop.example","url":"\/a?b","http_user_agent":"curl","http_method":"GET","status":301,"x":{"#);
    let (batch, report) = eve(&[&format!("{http}}}"), FLOW]);
    let Some(Application::Http(http)) = batch.flows[0].application.as_deref() else { panic!("{report:?}") };
    assert_eq!(
        (&*http.method, http.host.as_deref(), http.target.as_deref()),
        ("GET", Some("shop.example"), Some("/a?b"))
    );
    assert_eq!((http.user_agent.as_deref(), http.status), (Some("curl"), Some(301)));
}

/// The line of a conversation that Suricata did not follow.
fn untracked(line: &str) -> String {
    line.replace(":\"1b\"", ":\"00\"")
}

#[test]
fn the_well_known_port_was_called_where_the_opening_was_not_seen() {
    let from_server = |line: &str| {
        let line = line.replace("\"src_port\":50000", "\"src_port\":443");
        line.replace("\"dest_port\":443", "\"dest_port\":50000")
    };
    let answer = from_server(FLOW);
    let ends = |line: &str| {
        let flow = flow(line);
        (flow.key.originator.port, flow.key.responder.port, flow.originator.packets, flow.responder.packets)
    };
    assert_eq!(ends(&answer), (443, 50_000, Some(9), Some(11)));
    assert_eq!(ends(&untracked(&answer)), (50_000, 443, Some(11), Some(9)));
    assert_eq!(ends(&answer.replace("TCP", "UDP")), (50_000, 443, Some(11), Some(9)));
    assert_eq!(ends(&answer.replace("TCP", "UDP").replace("198.51.100.2", "224.0.0.1")).0, 443);
    let alone = answer.replace("TCP", "UDP").replace("\"pkts_toclient\":11", "\"pkts_toclient\":0");
    assert_eq!(flow(&alone).state, Some(State::Shr));
}

#[test]
fn states_follow_from_the_flags_of_both_sides() {
    for (originator, responder, packets, state) in [
        ("02", "00", 0, State::S0),
        ("02", "14", 1, State::Rej),
        ("06", "12", 1, State::Rsto),
        ("1a", "16", 1, State::Rstr),
        ("1a", "1a", 1, State::S1),
        ("1b", "1a", 1, State::S2),
        ("1a", "1b", 1, State::S3),
        ("1b", "1b", 1, State::SF),
        // A RST behind both FINs takes nothing back.
        ("1f", "1b", 1, State::SF),
        ("1b", "1f", 1, State::SF),
        ("1f", "1a", 1, State::Rsto),
        ("06", "00", 0, State::Rstos0),
        ("03", "00", 0, State::Sh),
        ("18", "18", 1, State::Oth),
        ("10", "14", 1, State::Rstrh),
    ] {
        let line = FLOW
            .replace("\"tcp_flags_ts\":\"1b\"", &format!("\"tcp_flags_ts\":\"{originator}\""))
            .replace("\"tcp_flags_tc\":\"1b\"", &format!("\"tcp_flags_tc\":\"{responder}\""))
            .replace("\"pkts_toclient\":11", &format!("\"pkts_toclient\":{packets}"));
        assert_eq!(flow(&line).state, Some(state), "{originator} {responder}");
    }
    let without_flags = FLOW.replace("\"tcp\":{", "\"other\":{");
    assert_eq!(flow(&without_flags).state, None);
    // So are those of a conversation whose opening Suricata did not see.
    assert_eq!(flow(&untracked(FLOW)).state, None);
    for (packets, state) in [(11, State::SF), (0, State::S0)] {
        let udp = without_flags.replace("TCP", "UDP").replace("toclient\":11", &format!("toclient\":{packets}"));
        assert_eq!(flow(&udp).state, Some(state));
    }
}

#[test]
fn icmp_has_type_and_code_for_ports() {
    let icmp = FLOW
        .replace("\"TCP\"", "\"IPv6-ICMP\",\"icmp_type\":128,\"icmp_code\":0")
        .replace("\"src_port\":50000,", "")
        .replace("\"dest_port\":443,", "")
        .replace("192.0.2.1", "2001:db8::1")
        .replace("198.51.100.2", "2001:db8::2");
    let key = flow(&icmp).key;
    assert_eq!((key.protocol, key.originator.port, key.responder.port), (Protocol::Icmpv6, 128, 0));
    let gre = FLOW.replace("\"TCP\"", "\"GRE\"").replace("\"src_port\":50000,", "").replace("\"dest_port\":443,", "");
    assert_eq!(flow(&gre).key.protocol, Protocol::Other(47));
    assert_eq!(flow(&gre.replace("\"GRE\"", "\"112\"")).key.protocol, Protocol::Other(112));
}

/// The two `netflow` events of a conversation.
fn halves() -> [String; 2] {
    let there = FLOW
        .replace("\"event_type\":\"flow\"", "\"event_type\":\"netflow\"")
        .replace("\"flow\":{", "\"netflow\":{")
        .replace(
            "\"pkts_toserver\":9,\"pkts_toclient\":11,\"bytes_toserver\":906,\"bytes_toclient\":9606",
            "\"pkts\":9,\"bytes\":906",
        );
    let back = there.replace("\"pkts\":9,\"bytes\":906", "\"pkts\":11,\"bytes\":9606").replace(
        "\"src_ip\":\"192.0.2.1\",\"src_port\":50000,\"dest_ip\":\"198.51.100.2\",\"dest_port\":443",
        "\"src_ip\":\"198.51.100.2\",\"src_port\":443,\"dest_ip\":\"192.0.2.1\",\"dest_port\":50000",
    );
    [there, back]
}

#[test]
fn the_two_directions_of_netflow_events_are_one_flow() {
    let [there, back] = halves();
    let (batch, _) = eve(&[TLS, &there, &back]);
    let (expected, _) = eve(&[TLS, FLOW]);
    // Netflow events do not say how the conversation ended.
    assert_eq!(batch.flows, [Flow { ended: Ended::Unknown, ..expected.flows[0].clone() }]);
    let (batch, _) = eve(&[&there]);
    assert_eq!((batch.flows[0].responder.packets, batch.flows[0].originator.packets), (Some(0), Some(9)));
}

#[test]
fn a_flow_that_comes_twice_is_one_flow() {
    let [there, back] = halves();
    for lines in [vec![FLOW, FLOW], vec![FLOW, &there, &back], vec![&there, FLOW, &back], vec![&there, &back, FLOW]] {
        let (batch, report) = eve(&lines);
        assert_eq!(batch.flows.len(), 1, "{report:?}");
        let repeated: u64 = report.skipped.values().chain(report.notes.values()).sum();
        assert_eq!(repeated + 1, lines.len() as u64 - u64::from(lines[0] == there && lines[1] == back), "{report:?}");
    }
    let later = FLOW.replace("23:13:20.123456", "23:13:21.123456");
    assert_eq!(eve(&[FLOW, &later]).0.flows.len(), 2);
}

#[test]
fn an_alert_is_a_notice_about_its_conversation() {
    let (batch, report) = eve(&[ALERT, FLOW, ALERT]);
    let [notice] = &batch.notices[..] else { panic!("{report:?}") };
    assert_eq!((&*notice.name, &*notice.detail), ("ET MALWARE \"Odd\" answer", "A Network Trojan was detected"));
    assert_eq!((notice.reporter, notice.severity, notice.id.as_deref()), ("suricata", Some(1), Some("77")));
    assert_eq!((notice.key, notice.source), (Some(batch.flows[0].key), "198.51.100.2".parse().ok()));
    assert_eq!(notice.time, Time::from_nanoseconds(1_700_000_001_000_000_000));
    assert_eq!(report.skipped.get("line that repeats another"), Some(&1));
    let with_flow = ALERT.replace(
        "\"direction\":\"to_client\",",
        r#""flow":{"src_ip":"192.0.2.1","src_port":50000,"dest_ip":"198.51.100.2","dest_port":443},"#,
    );
    assert_eq!(eve(&[&with_flow]).0.notices[0].key, notice.key);
}

#[test]
fn other_events_are_notes_and_no_skips() {
    let stats = r#"{"timestamp":"2023-11-14T22:13:20Z","event_type":"stats","stats":{"uptime":1}}"#;
    let odd = stats.replace("\"event_type\":\"stats\"", "\"event_type\":\"oddity\"");
    let (batch, report) = eve(&[stats, &odd, stats]);
    assert_eq!((batch.flows.len(), report.skipped.len()), (0, 0));
    assert_eq!(report.notes.get("stats events of EVE, which hold no flows"), Some(&2));
    assert_eq!(report.notes.get("events of EVE of another kind, which hold no flows"), Some(&1));
}

#[test]
fn what_cannot_be_read_is_skipped_by_its_reason() {
    for (line, reason) in [
        (FLOW.replace("23:13:20.123456", "25:13:20"), "flow without a readable start"),
        (FLOW.replace("23:13:22.623456", "later"), "flow without a readable end"),
        (FLOW.replace("192.0.2.1", "192.0.2"), "no readable address"),
        (FLOW.replace("50000", "500000"), "no readable port"),
        (FLOW.replace("\"TCP\"", "\"quux\""), "protocol that is not known by its name"),
        (FLOW.replace(":906,", ":1e19,"), "count beyond what any network carries"),
        (FLOW.replace("}}", "}"), "not a JSON object"),
        (FLOW.replace("\"flow\":{", "\"flaw\":{"), "flow without a readable start"),
        (ALERT.replace("signature\"", "signed\""), "alert without a signature"),
        (TLS.replace("\"tls\":{", "\"tlc\":{"), "application event that says nothing"),
    ] {
        let (batch, report) = eve(&[&line]);
        assert_eq!((batch.flows.len(), report.skipped.get(reason)), (0, Some(&1)), "{line}: {report:?}");
    }
}

#[test]
fn a_truncated_log_gives_a_prefix_of_its_flows() {
    let log = [TLS, FLOW, ALERT].join("\n");
    for end in 100..log.len() {
        let (batch, _) = read_one("cut.json", &log.as_bytes()[..end]);
        assert_eq!(batch.flows.len(), usize::from(end > TLS.len() + FLOW.len()));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..30), cut in 0usize..40, at in 0usize..1500) {
        let [there, _] = halves();
        let mut log = [TLS, ALERT, &there, FLOW].join("\n").into_bytes();
        let at = at.min(log.len() - 40);
        log.splice(at..at + cut, bytes);
        let (batch, report) = read_one("any.json", &log);
        prop_assert!(batch.flows.len() as u64 + report.skipped.values().sum::<u64>() <= report.lines);
    }
}
