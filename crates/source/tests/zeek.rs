//! Zeek's logs in every form give the same flows, with what the logs beside them tell.

mod logs;

use flow::{Application, Duration, Endpoint, Flow, History, Label, Protocol, State, Time};
use logs::{folder_of, read, read_one};
use proptest::prelude::*;

const CONN: &str = "\
#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tconn
#open\t2023-11-14-22-13-20
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\tvlan
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\tint
1700000000.123456\tCweb\t192.0.2.1\t50000\t198.51.100.2\t443\ttcp\tssl\t2.500000\t400\t9000\tSF\tT\tF\t0\tShADadFf\t9\t780\t11\t9452\t-\t7
1700000001.000000\tCname\t192.0.2.1\t50001\t192.0.2.53\t53\tudp\tdns\t0.020000\t66\t216\tSF\tT\tT\t0\tDd\t2\t122\t2\t272\t(empty)\t-
1700000002.000000\tCping\t2001:db8::1\t128\t2001:db8::2\t0\ticmp\t-\t-\t-\t-\tOTH\t-\t-\t0\t-\t1\t64\t-\t-\tCouter\t-
#close\t2023-11-14-23-00-00
";

const CONN_JSON: &str = r#"{"ts":1700000000.123456,"uid":"Cweb","id.orig_h":"192.0.2.1","id.orig_p":50000,"id.resp_h":"198.51.100.2","id.resp_p":443,"proto":"tcp","service":"ssl","duration":2.5,"orig_bytes":400,"resp_bytes":9000,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":9,"orig_ip_bytes":780,"resp_pkts":11,"resp_ip_bytes":9452,"vlan":7}
{"ts":1700000001.0,"uid":"Cname","id.orig_h":"192.0.2.1","id.orig_p":50001,"id.resp_h":"192.0.2.53","id.resp_p":53,"proto":"udp","service":"dns","duration":0.01999999999999865,"orig_bytes":66,"resp_bytes":216,"conn_state":"SF","missed_bytes":0,"history":"Dd","orig_pkts":2,"orig_ip_bytes":122,"resp_pkts":2,"resp_ip_bytes":272,"tunnel_parents":[]}
{"ts":1700000002.0,"uid":"Cping","id.orig_h":"2001:db8::1","id.orig_p":128,"id.resp_h":"2001:db8::2","id.resp_p":0,"proto":"icmp","conn_state":"OTH","missed_bytes":0,"orig_pkts":1,"orig_ip_bytes":64,"tunnel_parents":["Couter"]}
"#;

const DNS: &str = "\
#separator \\x09
#path\tdns
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\tquery\tqtype\trcode\trejected
1700000001.000000\tCname\t192.0.2.1\t50001\t192.0.2.53\t53\tudp\t1\tWWW.Example.org\t1\t0\tF
1700000001.010000\tCname\t192.0.2.1\t50001\t192.0.2.53\t53\tudp\t2\tno.such.name\t28\t3\tF
";

const SSL: &str = r#"{"ts":1700000000.2,"uid":"Cweb","id.orig_h":"192.0.2.1","id.orig_p":50000,"id.resp_h":"198.51.100.2","id.resp_p":443,"version":"TLSv13","server_name":"shop.example","resumed":false,"established":true,"next_protocol":"h2","ja4":"t13d1516h2_8daaf6152771_b186095e22b6","ja3":"8916410db85077a5460817142dcbc8de"}
"#;

fn flows(log: &str) -> Vec<Flow> {
    let (batch, report) = read_one("conn.log", log.as_bytes());
    assert_eq!((report.damage.len(), report.skipped.len()), (0, 0), "{report:?}");
    batch.flows
}

#[test]
fn each_column_is_read_exactly() {
    let flows = flows(CONN);
    let web = &flows[0];
    assert_eq!(web.key.originator, Endpoint::new("192.0.2.1".parse().unwrap(), 50000));
    assert_eq!((web.key.responder.port, web.key.protocol, web.vlan), (443, Protocol::Tcp, Some(7)));
    assert_eq!(web.start, Time::from_nanoseconds(1_700_000_000_123_456_000));
    assert_eq!((web.duration(), web.conversation_start), (Duration::from_millis(2500), web.start));
    let side = |side: &flow::Side| [side.packets, side.bytes, side.payload_bytes];
    assert_eq!(side(&web.originator), [Some(9), Some(780), Some(400)]);
    assert_eq!(side(&web.responder), [Some(11), Some(9452), Some(9000)]);
    assert_eq!((web.state, web.history), (Some(State::SF), Some(History::of("ShADadFf"))));
    assert_eq!((web.id.as_deref(), web.label.as_ref()), (Some("Cweb"), None));
    assert_eq!(web.application.as_deref(), Some(&Application::Other("tls".into())));
    let ping = &flows[2];
    assert_eq!((ping.key.protocol, ping.key.originator.port, ping.key.responder.port), (Protocol::Icmpv6, 128, 0));
    assert_eq!((side(&ping.responder), ping.duration()), ([None; 3], Duration::ZERO));
}

#[test]
fn json_and_other_separators_tell_the_same() {
    let expected = flows(CONN);
    assert_eq!(flows(CONN_JSON), expected);
    let streaming = CONN_JSON.replace("{\"ts\"", "{\"_path\":\"conn\",\"_write_ts\":\"2023-11-14T23:00:00.0Z\",\"ts\"");
    assert_eq!(flows(&streaming), expected);
    let dates = CONN_JSON
        .replace("1700000000.123456", "\"2023-11-14T22:13:20.123456Z\"")
        .replace("1700000001.0", "\"2023-11-14T22:13:21.000000Z\"")
        .replace("1700000002.0", "\"2023-11-15T00:13:22+02:00\"")
        .replace(":2.5,", ":\"2.5\",");
    assert_eq!(flows(&dates), expected);
    let commas = CONN.replace("#separator \\x09", "#separator \\x2c").replace('\t', ",");
    assert_eq!(flows(&commas), expected);
    let words = CONN.replace("#unset_field\t-", "#unset_field\tNULL").replace("\t-", "\tNULL");
    assert_eq!(flows(&words), expected);
    assert_eq!(flows(&CONN.replace('\n', "\r\n")), expected);
    assert_eq!(flows(&format!("  {CONN}")), expected);
}

#[test]
fn columns_in_another_order_or_added_later_make_no_difference() {
    let turned: String = CONN
        .lines()
        .map(|line| match line.split_once('\t') {
            Some((name @ ("#fields" | "#types"), rest)) => {
                let columns: Vec<_> = rest.split('\t').rev().collect();
                format!("{name}\tip_proto\t{}\n", columns.join("\t"))
            }
            _ if line.starts_with('#') => format!("{line}\n"),
            _ => format!("6\t{}\n", line.split('\t').rev().collect::<Vec<_>>().join("\t")),
        })
        .collect();
    assert_eq!(flows(&turned), flows(CONN));
}

#[test]
fn a_protocol_without_a_name_is_told_by_its_number() {
    let log = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\tip_proto\n\
               1\tC1\t192.0.2.1\t0\t192.0.2.2\t0\tunknown_transport\tOTH\t47\n";
    assert_eq!(flows(log)[0].key.protocol, Protocol::Other(47));
}

#[test]
fn services_have_the_names_that_other_sources_give_them() {
    let services = ["ssl", "rfb", "ssl,http", "gssapi,smb,dce_rpc", "dce_rpc", "-ssl,http", "-ssl", ","];
    let lines = services
        .iter()
        .enumerate()
        .map(|(number, service)| format!("1\tC{number}\t192.0.2.1\t5\t192.0.2.2\t445\ttcp\t{service}\tSF\n"));
    let header = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tconn_state\n";
    let log: String = std::iter::once(header.to_owned()).chain(lines).collect();
    let names: Vec<_> =
        flows(&log).iter().map(|flow| flow.application.as_deref().map(|it| it.name().to_owned())).collect();
    let expected = [Some("tls"), Some("vnc"), Some("tls"), Some("smb"), Some("dce_rpc"), Some("http"), None, None];
    assert_eq!(names, expected.map(|name| name.map(str::to_owned)));
}

#[test]
fn logs_put_one_after_the_other_are_read_with_their_own_headers() {
    let log = format!("{CONN}{DNS}{}", CONN.replace("\tC", "\tD"));
    let (batch, report) = read_one("all.log", log.as_bytes());
    assert_eq!((batch.flows.len(), report.skipped.len()), (6, 0));
    assert_eq!(
        report.notes.get("lines of Zeek's application logs whose flow is in no conn.log read after them"),
        Some(&2)
    );
}

#[test]
fn labels_joined_by_blanks_or_tabs_are_read() {
    for separator in ["   ", "\t"] {
        let log: String = [
            [
                "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_pkts\ttunnel_parents",
                "label",
                "detailed-label\n",
            ],
            ["1\tC1\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t3\t-", "Malicious", "DDoS\n"],
            ["2\tC2\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t3\t(empty)", "Benign", "-\n"],
            ["3\tC3\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t3\t-", "Malicious", "-\n"],
        ]
        .map(|parts| parts.join(separator))
        .concat();
        let labels: Vec<_> = flows(&log).into_iter().map(|flow| flow.label).collect();
        assert_eq!(labels, ["DDoS", "Benign", "Malicious"].map(|name| Some(Label::new(name))), "{separator:?}");
    }
}

#[test]
fn logs_of_applications_are_joined_whatever_the_order_of_the_files() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let logs = [("conn.log", CONN), ("dns.log", DNS), ("ssl.log", SSL)];
        let folder = folder_of(&format!("order-{order:?}"), &logs.map(|(name, log)| (name, log.as_bytes())));
        let paths = order.map(|index| folder.join(logs[index].0));
        let (batch, report) = read(&paths);
        let Some(Application::Tls(tls)) = batch.flows[0].application.as_deref() else { panic!("{report:?}") };
        assert_eq!(
            (tls.server_name.as_deref(), tls.version, tls.protocol.as_deref()),
            (Some("shop.example"), Some(0x0304), Some("h2"))
        );
        assert_eq!(tls.ja3.as_deref(), Some("8916410db85077a5460817142dcbc8de"));
        assert_eq!(tls.ja4.as_deref(), Some("t13d1516h2_8daaf6152771_b186095e22b6"));
        let Some(Application::Dns(dns)) = batch.flows[1].application.as_deref() else { panic!("{report:?}") };
        assert_eq!((&*dns.query, dns.record_type, dns.queries, dns.failures), ("www.example.org", Some(1), 2, 1));
        assert_eq!(dns.no_such_name, 1);
        assert_eq!(report.notes.get("lines of Zeek's application logs joined with their flow"), Some(&3));
        assert_eq!((batch.flows.len(), report.skipped.len(), report.damage.len()), (3, 0, 0));
    }
}

#[test]
fn the_first_request_of_a_connection_is_kept() {
    let http = r#"{"ts":1700000000.2,"uid":"Cweb","trans_depth":1,"method":"GET","host":"shop.example","uri":"/a\"b","user_agent":"x\u00e4","request_body_len":0,"response_body_len":5,"status_code":404}
{"ts":1700000000.3,"uid":"Cweb","trans_depth":2,"method":"POST","host":"other.example","uri":"/","request_body_len":1,"response_body_len":5,"status_code":200}
"#;
    let (batch, _) = read_one("http.log", format!("{http}{CONN_JSON}").as_bytes());
    let Some(Application::Http(http)) = batch.flows[0].application.as_deref() else { panic!("{batch:?}") };
    assert_eq!((&*http.method, http.host.as_deref(), http.status), ("GET", Some("shop.example"), Some(404)));
    assert_eq!((http.target.as_deref(), http.user_agent.as_deref()), (Some("/a\"b"), Some("x\u{e4}")));
}

#[test]
fn quic_is_quic_though_it_is_tls_too() {
    let quic = r#"{"ts":1700000000.1,"uid":"Cweb","version":"1","client_initial_dcid":"af","server_name":"shop.example","client_protocol":"h3","history":"IiZ"}
"#;
    for first in [[quic, SSL], [SSL, quic]] {
        let (batch, _) = read_one("quic.log", format!("{}{CONN_JSON}", first.concat()).as_bytes());
        let Some(Application::Quic(tls)) = batch.flows[0].application.as_deref() else { panic!("{batch:?}") };
        assert_eq!((tls.server_name.as_deref(), tls.version), (Some("shop.example"), Some(0x0304)));
    }
}

#[test]
fn rotated_logs_are_joined_with_those_of_their_hour_and_of_the_hour_before() {
    let hour = |log: &str, hour: i64| {
        let shift = |second: &str| format!("{}.", 1_700_000_000 + hour * 3600 + second.parse::<i64>().unwrap());
        (0..3)
            .fold(log.to_owned(), |log, second| {
                log.replace(&format!("170000000{second}."), &shift(&second.to_string()))
            })
            .replace("\tC", &format!("\tC{hour}"))
    };
    let names: Vec<_> = (0..4).flat_map(|hour| [format!("conn.{hour}.log"), format!("dns.{hour}.log")]).collect();
    let texts: Vec<_> = (0..4).flat_map(|number| [hour(CONN, number), hour(DNS, number)]).collect();
    let files: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (&**name, text.as_bytes())).collect();
    let folder = folder_of("rotated", &files);
    let mut paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    paths.reverse();
    let (batch, report) = read(&paths);
    let joined =
        batch.flows.iter().filter(|flow| matches!(flow.application.as_deref(), Some(Application::Dns(_)))).count();
    assert_eq!((batch.flows.len(), joined), (12, 4), "{report:?}");
}

#[test]
fn a_line_that_comes_twice_is_one_flow() {
    let folder =
        folder_of("twice", &[("a.log", CONN.as_bytes()), ("b.log", CONN_JSON.as_bytes()), ("dns.log", DNS.as_bytes())]);
    let (batch, report) = read(&["a.log", "b.log", "dns.log", "dns.log"].map(|name| folder.join(name)));
    assert_eq!(batch.flows.len(), 3);
    assert_eq!(report.skipped.get("line that repeats another: the same uid and time"), Some(&3));
    assert_eq!(report.skipped.get("line that repeats another"), Some(&2));
    let Some(Application::Dns(dns)) = batch.flows[1].application.as_deref() else { panic!("{batch:?}") };
    assert_eq!(dns.queries, 2);
}

#[test]
fn a_notice_names_its_conversation_or_its_host() {
    let notices = "#path\tnotice\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tnote\tmsg\tsub\tsrc\tdst\tp\n\
        1.5\tC1\t192.0.2.1\t1\t192.0.2.2\t22\ttcp\tSSH::Password_Guessing\tmany\\x09tries\t-\t192.0.2.9\t-\t-\n\
        2.5\t-\t-\t-\t-\t-\t-\tScan::Port_Scan\t192.0.2.9 scanned\tremote\t192.0.2.9\t192.0.2.3\t-\n";
    let (batch, _) = read_one("notice.log", notices.as_bytes());
    let [guessing, scan] = &batch.notices[..] else { panic!("{batch:?}") };
    assert_eq!(
        (guessing.reporter, &*guessing.name, &*guessing.detail),
        ("zeek", "SSH::Password_Guessing", "many\ttries")
    );
    assert_eq!((guessing.key.map(|key| key.responder.port), guessing.id.as_deref()), (Some(22), Some("C1")));
    assert_eq!((guessing.source, guessing.target), ("192.0.2.9".parse().ok(), "192.0.2.2".parse().ok()));
    assert_eq!((scan.key, scan.source, scan.target), (None, "192.0.2.9".parse().ok(), "192.0.2.3".parse().ok()));
}

#[test]
fn other_logs_are_one_note_and_no_skips() {
    let (batch, report) = read_one("dhcp.log", b"#path\tdhcp\n#fields\tts\tuids\tmac\n1\tC1\t-\n2\tC2\t-\n");
    assert_eq!((batch.flows.len(), report.skipped.len(), report.lines), (0, 0, 4));
    assert_eq!(report.notes.get("lines of Zeek's dhcp.log, which hold no flows"), Some(&2));
    let (_, report) = read_one("files.log", b"{\"ts\":1.0,\"fuid\":\"F1\",\"source\":\"HTTP\"}\n");
    assert_eq!(report.notes.get("lines of another Zeek log, which hold no flows"), Some(&1));
}

#[test]
fn what_cannot_be_read_is_skipped_by_its_reason() {
    let head = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_pkts\n";
    for (line, reason) in [
        ("1\tC1", "number of columns differs from the header"),
        ("1\tC1\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t1\t1\t1", "number of columns differs from the header"),
        ("x\tC1\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t1\t1", "no readable time"),
        ("1\tC1\t192.0.2.256\t1\t192.0.2.2\t2\ttcp\t1\t1", "no readable address"),
        ("1\tC1\t192.0.2.1\t65536\t192.0.2.2\t2\ttcp\t1\t1", "no readable port"),
        ("1\tC1\t192.0.2.1\t1\t192.0.2.2\t2\tquux\t1\t1", "protocol that Zeek does not name"),
        ("1\tC1\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t-1\t1", "no readable duration"),
        ("1\tC1\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t1\tmany", "no readable count"),
        ("1\tC1\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t1\t1e19", "count beyond what any network carries"),
        ("{\"ts\":1.0,\"uid\":\"C1\",}", "not a JSON object"),
    ] {
        let (batch, report) = read_one("bad.log", format!("{head}{line}\n").as_bytes());
        assert_eq!((batch.flows.len(), report.skipped.get(reason)), (0, Some(&1)), "{line}: {report:?}");
    }
}

#[test]
fn a_truncated_log_gives_a_prefix_of_its_flows() {
    for log in [CONN, CONN_JSON] {
        let whole = flows(log);
        for end in (0..log.len()).filter(|&end| end > 40) {
            let (batch, _) = read_one("cut.log", &log.as_bytes()[..end]);
            let whole_lines = log[..end].matches('\n').count();
            let complete =
                batch.flows.len().min(log.lines().take(whole_lines).filter(|line| !line.starts_with('#')).count());
            assert_eq!(batch.flows[..complete], whole[..complete], "{end}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..300), line in 0usize..12, at in 0usize..90) {
        let mut log = [CONN, DNS, SSL].concat().into_bytes();
        let start = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).nth(line).unwrap_or(0);
        log.splice(start + at..start + at, bytes);
        let (batch, report) = read_one("any.log", &log);
        prop_assert!(batch.flows.len() as u64 + report.skipped.values().sum::<u64>() <= report.lines);
    }
}
