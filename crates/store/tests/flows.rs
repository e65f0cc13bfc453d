//! Flows and notices go to disk and come back as they were, in the order in which they came.

mod folder;

use std::fs;
use std::net::Ipv4Addr;

use flow::features::cic::{Bulks, Direction, Profile, Statistics};
use flow::{
    Acts, Application, Arp, Claim, Content, Country, Detail, Dhcp, Distinct, Dns, Duration, Echo, Ended, Endpoint,
    Flags, Flow, History, Http, Key, Label, Lessor, Moments, Notice, Protocol, Side, State, Time, Tls, Tunnel,
    TunnelKind,
};
use folder::{Folder, flow, time};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use store::{Error, Reader, Retention, Span, Store};

/// All flows and notices of a span.
fn all(reader: &Reader, span: Span) -> (Vec<Flow>, Vec<Notice>) {
    let (mut flows, mut notices) = (Vec::new(), Vec::new());
    let mut replay = reader.replay(span).unwrap();
    while replay.read(&mut flows, &mut notices).unwrap() {}
    (flows, notices)
}

fn files(folder: &Folder) -> usize {
    fs::read_dir(folder.path().join("flows")).unwrap().count()
}

fn hours(hours: i64) -> Time {
    time(hours * 3600)
}

const FOREVER: Retention = Retention { days: None, bytes: None };

fn notice(number: u64) -> Notice {
    Notice {
        time: time(number as i64),
        reporter: if number.is_multiple_of(2) { "suricata" } else { "zeek" },
        name: format!("signature {number}").into(),
        detail: "".into(),
        severity: number.is_multiple_of(3).then_some(1),
        source: (!number.is_multiple_of(3)).then(|| [10, 0, 0, 1].into()),
        target: Some("2001:db8::1".parse().unwrap()),
        key: (!number.is_multiple_of(5)).then(|| folder::key(number)),
        id: Some("C1".into()),
    }
}

#[test]
fn every_flow_of_a_metered_office_comes_back_as_it_was() {
    let settings = simulator::Settings {
        hours: 0.3,
        attacks: vec![simulator::Attack::ALL[0], simulator::Attack::ALL[3]],
        ..simulator::Settings::default()
    };
    let settings_of_meter = meter::Settings { cic: Some(Profile::Fixed), ..meter::Settings::default() };
    let mut meter = meter::Meter::new(settings_of_meter);
    let mut flows = Vec::new();
    for packet in simulator::Simulation::new(&settings).unwrap() {
        meter.packet(meter::Link::Ethernet, packet.time, &packet.bytes, packet.bytes.len() as u32, &mut flows);
    }
    meter.finish(&mut flows);
    assert!(flows.len() > 1000);
    let folder = Folder::new("office");
    let mut store = folder.store();
    for some in flows.chunks(700) {
        store.append(some, &[], some[0].end).unwrap();
    }
    let (kept, _) = all(&store, Span::ALL);
    assert_eq!(kept.len(), flows.len());
    assert!(kept == flows, "{:#?}", kept.iter().zip(&flows).find(|(kept, flow)| kept != flow));
    store.tidy(&FOREVER, hours(1000)).unwrap();
    assert!(all(&store, Span::ALL).0 == flows);
    store.check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flow_comes_back_as_it_was(flows in vec(any_flow(), 1..40)) {
        let folder = Folder::new("any");
        let mut store = folder.store();
        store.append(&flows, &[], time(0)).unwrap();
        let (kept, _) = all(&store, Span::ALL);
        let last = Time::from_nanoseconds(i64::MAX);
        let flows: Vec<Flow> = flows.into_iter().filter(|flow| flow.end < last).collect();
        prop_assert_eq!(kept, flows);
    }
}

#[test]
fn notices_come_back_in_their_place_among_the_flows() {
    let folder = Folder::new("notices");
    let mut store = folder.store();
    let mut given = Vec::new();
    for batch in 0..6u64 {
        let flows: Vec<Flow> = (batch * 10..batch * 10 + 10).map(flow).collect();
        let notices: Vec<Notice> = (0..batch).map(|number| notice(batch * 10 + number)).collect();
        // One batch has no flows.
        let flows = if batch == 3 { Vec::new() } else { flows };
        store.append(&flows, &notices, time(0)).unwrap();
        given.push((flows.len(), notices));
    }
    let (flows, notices) = all(&store, Span::ALL);
    assert_eq!(flows.len(), 50);
    assert_eq!(notices, given.iter().flat_map(|(_, notices)| notices.clone()).collect::<Vec<_>>());

    let mut replay = store.replay(Span::ALL).unwrap();
    let (mut flows, mut notices, mut seen, mut more) = (Vec::new(), Vec::new(), 0, true);
    while more {
        more = replay.read(&mut flows, &mut notices).unwrap();
        seen += flows.len();
        let before: usize = given
            .iter()
            .take(given.len())
            .scan(0, |sum, (flows, _)| {
                *sum += flows;
                Some(*sum)
            })
            .filter(|sum| *sum <= seen)
            .count();
        let expected: usize = given.iter().take(before).map(|(_, notices)| notices.len()).sum();
        let given_out = notices.len();
        assert_eq!(given_out, expected);
        flows.clear();
    }
}

#[test]
fn a_span_gives_what_ended_in_it_and_no_more() {
    let folder = Folder::new("span");
    let mut store = folder.store();
    for part in 0..10u64 {
        let flows: Vec<Flow> = (part * 1000..part * 1000 + 1000).map(flow).collect();
        store.append(&flows, &[notice(part * 1000)], hours(part as i64)).unwrap();
    }
    let span = Span { from: time(2500), to: time(7001) };
    let (flows, notices) = all(&store, span);
    assert_eq!(flows, (2500..7001).map(flow).collect::<Vec<_>>());
    assert_eq!(notices, [3000, 4000, 5000, 6000, 7000].map(notice));
}

#[test]
fn the_files_of_an_hour_become_one_and_a_reader_does_not_notice() {
    let folder = Folder::new("join");
    let mut store = folder.store();
    let flows: Vec<Flow> = (0..9000).map(flow).collect();
    for some in flows.chunks(100) {
        store.append(some, &[], hours(i64::from(some[0].end > time(6000)))).unwrap();
    }
    assert_eq!(files(&folder), 90);
    let reader = Store::reader(folder.path()).unwrap();
    let mut replay = reader.replay(Span::ALL).unwrap();
    let (mut read, mut notices) = (Vec::new(), Vec::new());
    for _ in 0..41 {
        replay.read(&mut read, &mut notices).unwrap();
    }
    assert!(!read.is_empty() && read.len() < 6000);
    let tidied = store.tidy(&FOREVER, hours(1)).unwrap();
    assert_eq!((tidied.hours, files(&folder)), (1, 30));
    while replay.read(&mut read, &mut notices).unwrap() {}
    assert!(read == flows);
    assert_eq!(store.tidy(&FOREVER, hours(2)).unwrap().hours, 1);
    assert_eq!((files(&folder), store.tidy(&FOREVER, hours(3)).unwrap().hours), (2, 0));
    assert!(all(&reader, Span::ALL).0 == flows);
}

#[test]
fn the_oldest_hours_go_first_and_are_counted() {
    let folder = Folder::new("retention");
    let mut store = folder.store();
    for hour in 0..50 {
        store.append(&(0..10).map(flow).collect::<Vec<_>>(), &[notice(1)], hours(hour)).unwrap();
    }
    let bytes: u64 =
        fs::read_dir(folder.path().join("flows")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let day = Retention { days: Some(1), bytes: None };
    let tidied = store.tidy(&day, hours(49)).unwrap();
    assert_eq!((tidied.old_flows, tidied.excess_flows, files(&folder)), (250, 0, 25));
    let few = Retention { days: None, bytes: Some(bytes / 5) };
    let tidied = store.tidy(&few, hours(49)).unwrap();
    assert!(tidied.excess_flows >= 150 && tidied.old_flows == 0, "{tidied:?}");
    let (flows, notices) = all(&store, Span::ALL);
    assert_eq!((flows.len(), notices.len()), (files(&folder) * 10, files(&folder)));
    assert_eq!(store.tidy(&few, hours(49)).unwrap(), store::Tidied::default());
}

#[test]
fn what_was_not_acknowledged_is_taken_away_when_the_store_is_opened() {
    let folder = Folder::new("orphans");
    let mut store = folder.store();
    store.append(&[flow(1)], &[], time(0)).unwrap();
    drop(store);
    for name in ["2023-11-14T22-000000000002-1.parquet", "2023-11-14T22-000000000003-1.part"] {
        fs::write(folder.path().join("flows").join(name), b"PAR1").unwrap();
    }
    let store = folder.store();
    assert_eq!((files(&folder), all(&store, Span::ALL).0), (1, vec![flow(1)]));
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let folder = Folder::new("damaged");
    let mut store = folder.store();
    let flows: Vec<Flow> = (0..100).map(flow).collect();
    store.append(&flows, &[], time(0)).unwrap();
    let path = fs::read_dir(folder.path().join("flows")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&path).unwrap();
    let read = || {
        let (mut flows, mut notices) = (Vec::new(), Vec::new());
        let mut replay = store.replay(Span::ALL)?;
        while replay.read(&mut flows, &mut notices)? {}
        Ok::<_, Error>(flows.len())
    };
    assert_eq!(read().unwrap(), 100);
    // Every byte matters but the four letters at the start.
    for place in (4..whole.len()).step_by(whole.len() / 150) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let error = read().unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }) && error.to_string().contains("flows"), "{place}: {error}");
    }
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(read().unwrap_err().to_string().contains("bytes where"));
    fs::remove_file(&path).unwrap();
    assert!(read().unwrap_err().to_string().contains("cannot use"));
    assert!(store.check().is_err());
}

fn text() -> impl Strategy<Value = Box<str>> {
    select(vec!["", "a", "www.example.org", "größe", "\u{0}", "x x"]).prop_map(Box::from)
}

fn moments() -> impl Strategy<Value = Moments> {
    vec(prop_oneof![0..2000u64, any::<u64>()], 0..4).prop_map(|values| {
        let mut moments = Moments::default();
        values.into_iter().for_each(|value| moments.add(value));
        moments
    })
}

fn any_time() -> impl Strategy<Value = Time> {
    any::<i64>().prop_map(Time::from_nanoseconds)
}

fn flags() -> impl Strategy<Value = Flags> {
    any::<[u32; 8]>().prop_map(|[fin, syn, rst, psh, ack, urg, ece, cwr]| Flags {
        fin,
        syn,
        rst,
        psh,
        ack,
        urg,
        ece,
        cwr,
    })
}

fn detail() -> impl Strategy<Value = Detail> {
    (moments(), moments(), flags(), any::<u64>(), any::<[u32; 5]>(), option::of(any::<u16>())).prop_map(
        |(lengths, gaps, flags, header_bytes, counts, initial_window)| {
            let [payload_packets, retransmissions, out_of_order, zero_windows, wrong_fragments] = counts;
            Detail {
                lengths,
                gaps,
                flags,
                header_bytes,
                payload_packets,
                retransmissions,
                out_of_order,
                zero_windows,
                wrong_fragments,
                initial_window,
            }
        },
    )
}

fn side() -> impl Strategy<Value = Side> {
    let count = || option::of(any::<u64>());
    (count(), count(), count(), any::<bool>(), option::of(detail())).prop_map(
        |(packets, bytes, payload_bytes, is_known, detail)| {
            let country = is_known.then(|| Country::from_code("de")).flatten();
            Side { packets, bytes, payload_bytes, country, detail }
        },
    )
}

fn tls() -> impl Strategy<Value = Tls> {
    let word = || option::of(text());
    (word(), option::of(any::<u16>()), word(), word(), word())
        .prop_map(|(server_name, version, protocol, ja4, ja3)| Tls { server_name, version, protocol, ja4, ja3 })
}

fn application() -> impl Strategy<Value = Application> {
    let word = || option::of(text());
    let distinct = || any::<[u64; 2]>().prop_map(Distinct::of_words);
    let counts = any::<[u32; 4]>();
    let moments = [moments(), moments(), moments()];
    let dns = (text(), option::of(any::<u16>()), counts, moments, distinct(), distinct()).prop_map(
        |(
            query,
            record_type,
            [queries, failures, no_such_name, data_questions],
            [lengths, labels, entropy],
            names,
            domains,
        )| Dns {
            query,
            record_type,
            queries,
            failures,
            no_such_name,
            lengths,
            labels,
            entropy,
            names,
            domains,
            data_questions,
        },
    );
    let http = (text(), word(), word(), word(), option::of(any::<u16>()))
        .prop_map(|(method, host, target, user_agent, status)| Http { method, host, target, user_agent, status });
    prop_oneof![
        dns.prop_map(|dns| Application::Dns(Box::new(dns))),
        http.prop_map(Application::Http),
        tls().prop_map(Application::Tls),
        tls().prop_map(Application::Quic),
        text().prop_map(Application::Other),
        any::<u16>().prop_map(|bits| Application::Smb(Acts::from_bits(bits))),
        any::<u16>().prop_map(|bits| Application::Dcerpc(Acts::from_bits(bits))),
        dhcp().prop_map(|dhcp| Application::Dhcp(Box::new(dhcp))),
        vec(claim(), 0..4).prop_map(|claims| Application::Arp(Arp { claims })),
        any::<u32>().prop_map(|altered| Application::Echo(Echo { altered })),
    ]
}

fn dhcp() -> impl Strategy<Value = Dhcp> {
    let address = || any::<u32>().prop_map(Ipv4Addr::from_bits);
    let lessor = (address(), option::of(address()), option::of(address()), any::<u32>())
        .prop_map(|(server, router, name_server, offers)| Lessor { server, router, name_server, offers });
    (any::<[u32; 2]>(), any::<[u64; 16]>(), vec(lessor, 0..4)).prop_map(|([discovers, requests], words, servers)| {
        Dhcp { discovers, requests, clients: Distinct::of_words(words), servers }
    })
}

fn claim() -> impl Strategy<Value = Claim> {
    (any::<u32>(), any::<[u8; 6]>(), any::<[u32; 2]>(), any::<[i64; 2]>()).prop_map(
        |(address, hardware, [requests, replies], times)| {
            let [first, last] = times.map(Time::from_nanoseconds);
            Claim { address: Ipv4Addr::from_bits(address), hardware, requests, replies, first, last }
        },
    )
}

fn content() -> impl Strategy<Value = Content> {
    (any::<[u32; 8]>(), any::<[bool; 5]>()).prop_map(|(counts, truths)| {
        let [
            hot,
            num_failed_logins,
            num_compromised,
            num_root,
            num_file_creations,
            num_shells,
            num_access_files,
            num_outbound_cmds,
        ] = counts;
        let [logged_in, root_shell, su_attempted, is_host_login, is_guest_login] = truths;
        Content {
            hot,
            num_failed_logins,
            logged_in,
            num_compromised,
            root_shell,
            su_attempted,
            num_root,
            num_file_creations,
            num_shells,
            num_access_files,
            num_outbound_cmds,
            is_host_login,
            is_guest_login,
        }
    })
}

fn direction() -> impl Strategy<Value = Direction> {
    let word = || option::of(any::<u16>());
    (moments(), moments(), flags(), any::<[u64; 4]>(), word(), any::<[u32; 2]>(), word()).prop_map(
        |(
            lengths,
            gaps,
            flags,
            [header_bytes, packets, bytes, nanoseconds],
            least,
            [payload_packets, count],
            window,
        )| {
            let bulks = Bulks { count, packets, bytes, nanoseconds };
            Direction { lengths, gaps, flags, header_bytes, least_header_bytes: least, payload_packets, window, bulks }
        },
    )
}

fn statistics() -> impl Strategy<Value = Statistics> {
    let profile = select(vec![Profile::Fixed, Profile::Compat2017]);
    (profile, [direction(), direction()], [moments(), moments(), moments(), moments()], flags(), any::<u32>()).prop_map(
        |(profile, directions, [lengths, gaps, active, idle], flags, pauses)| Statistics {
            profile,
            directions,
            lengths,
            gaps,
            flags,
            pauses,
            active,
            idle,
        },
    )
}

fn any_key() -> impl Strategy<Value = Key> {
    let address = || any::<std::net::IpAddr>();
    let protocol = prop_oneof![Just(Protocol::Arp), any::<u8>().prop_map(Protocol::from_number)];
    (address(), any::<[u16; 2]>(), address(), protocol).prop_map(|(from, ports, to, protocol)| Key {
        originator: Endpoint::new(from, ports[0]),
        responder: Endpoint::new(to, ports[1]),
        protocol,
    })
}

fn any_flow() -> impl Strategy<Value = Flow> {
    use TunnelKind::{Erspan, Geneve, Gre, GtpU, Ip, Mpls, Pppoe, Vxlan};
    let tunnel = (select(vec![Gre, Erspan, Ip, Vxlan, Geneve, Mpls, Pppoe, GtpU]), any::<u32>());
    let ended = [Ended::Closed, Ended::Idle, Ended::Active, Ended::Evicted, Ended::Input, Ended::Unknown];
    let what =
        (option::of(tunnel), option::of(select(State::ALL.to_vec())), option::of(text()), select(ended.to_vec()));
    let boxed = (option::of(application()), option::of(statistics()), option::of(content()));
    let when = [any_time(), any_time(), any_time()];
    let names = [option::of(text()), option::of(text())];
    (any_key(), option::of(any::<u16>()), when, what, [side(), side()], moments(), boxed, names).prop_map(
        |(key, vlan, [start, end, conversation_start], what, [originator, responder], gaps, boxed, [id, label])| {
            let ((tunnel, state, history, ended), (application, cic, content)) = (what, boxed);
            Flow {
                key,
                vlan,
                start,
                end,
                conversation_start,
                tunnel: tunnel.map(|(kind, id)| Tunnel { kind, id }),
                originator,
                responder,
                gaps,
                state,
                history: history.map(|letters| History::of(&letters)),
                ended,
                application: application.map(Box::new),
                cic: cic.map(Box::new),
                content: content.map(Box::new),
                id,
                label: label.map(|name| Label::new(&name)),
            }
        },
    )
}

#[test]
fn what_came_at_an_earlier_hour_again_keeps_its_place() {
    let folder = Folder::new("again");
    let mut store = folder.store();
    for (number, hour) in [(1, 5), (2, 5), (3, 4), (4, 5), (5, 5)] {
        store.append(&[flow(number)], &[], hours(hour) + Duration::from_secs(1)).unwrap();
    }
    assert_eq!(store.tidy(&FOREVER, hours(9)).unwrap().hours, 2);
    assert_eq!(all(&store, Span::ALL).0, (1..6).map(flow).collect::<Vec<_>>());
}
