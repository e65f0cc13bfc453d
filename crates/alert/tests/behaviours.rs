//! The borders of each behaviour on the smallest flows that show them.

use std::net::{IpAddr, Ipv4Addr};

use alert::{Alert, Behaviour, Evidence, Home, Role, Severity, behaviour, triage};
use flow::{Detail, Duration, Ended, Endpoint, Flags, Flow, Key, Protocol, Side, State, Time};

fn host(a: u8, b: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, a, b).into()
}

fn endpoint(address: IpAddr, port: u16) -> Endpoint {
    Endpoint::new(address, port)
}

fn side(packets: u64, payload_bytes: u64, flags: Flags) -> Side {
    let payload_packets = if payload_bytes > 0 { packets as u32 } else { 0 };
    let detail = Detail { flags, payload_packets, ..Detail::default() };
    Side {
        packets: Some(packets),
        bytes: Some(packets * 40 + payload_bytes),
        payload_bytes: Some(payload_bytes),
        country: None,
        detail: Some(detail),
    }
}

/// A flow that starts so many milliseconds into the test and lasts as long as given.
fn flow(at: u64, key: Key, state: State, originator: Side, responder: Side) -> Flow {
    let start = Time::from_nanoseconds(1_000_000_000_000) + Duration::from_millis(at);
    let end = start + Duration::from_millis(5);
    Flow { originator, responder, state: Some(state), ended: Ended::Closed, ..Flow::between(key, start, end) }
}

fn key(originator: IpAddr, responder: IpAddr, port: u16, protocol: Protocol) -> Key {
    Key { originator: endpoint(originator, 40_000), responder: endpoint(responder, port), protocol }
}

/// A SYN without an answer.
fn unanswered(at: u64, from: IpAddr, to: IpAddr, port: u16) -> Flow {
    let syn = Flags { syn: 1, ..Flags::default() };
    flow(at, key(from, to, port, Protocol::Tcp), State::S0, side(1, 0, syn), Side::SILENT)
}

/// A finished conversation in which both sides spoke `exchanges` times, `asked` and `answered` bytes in all.
fn conversation(at: u64, from: IpAddr, to: IpAddr, port: u16, exchanges: u64, bytes: (u64, u64)) -> Flow {
    let flags = Flags { syn: 1, ack: exchanges as u32 + 2, fin: 1, ..Flags::default() };
    let (asked, answered) = (side(exchanges, bytes.0, flags), side(exchanges, bytes.1, flags));
    flow(at, key(from, to, port, Protocol::Tcp), State::SF, asked, answered)
}

fn ping(at: u64, from: IpAddr, to: IpAddr, answered: bool) -> Flow {
    let key = Key { originator: endpoint(from, 8), responder: endpoint(to, 0), protocol: Protocol::Icmp };
    let reply = if answered { side(1, 56, Flags::default()) } else { Side::SILENT };
    let state = if answered { State::SF } else { State::S0 };
    flow(at, key, state, side(1, 56, Flags::default()), reply)
}

fn alerts<'a>(flows: impl IntoIterator<Item = &'a Flow>) -> Vec<Alert> {
    let mut watches = behaviour::watches(&Home::default());
    for flow in flows {
        watches.iter_mut().for_each(|watch| watch.observe(flow));
    }
    triage(watches.iter().flat_map(|watch| watch.evidence()).collect(), &[]).alerts
}

fn behaviours(flows: &[Flow]) -> Vec<Behaviour> {
    alerts(flows).iter().map(|alert| alert.behaviour).collect()
}

#[test]
fn ten_silent_ports_in_ten_seconds_are_a_port_scan_and_nine_are_not() {
    let flows: Vec<Flow> = (0..10).map(|n| unanswered(n * 500, host(0, 1), host(0, 2), 1000 + n as u16)).collect();
    assert_eq!(behaviours(&flows), [Behaviour::PortScan]);
    assert_eq!(behaviours(&flows[..9]), []);
}

#[test]
fn a_slow_scan_is_found_over_the_whole_input() {
    let hourly = |n: u64| unanswered(n * 3_600_000, host(0, 1), host(0, 2), 1000 + n as u16);
    let flows: Vec<Flow> = (0..30).map(hourly).collect();
    let alerts = alerts(&flows);
    assert_eq!((alerts.len(), alerts[0].behaviour, alerts[0].severity), (1, Behaviour::PortScan, Severity::Medium));
}

#[test]
fn the_order_of_the_flows_changes_nothing() {
    let mut flows: Vec<Flow> = (0..200).map(|n| unanswered(n * 10, host(0, 1), host(0, 2), n as u16 + 1)).collect();
    flows.extend((0..40).map(|n| ping(n * 30, host(0, 3), host(1, n as u8), n % 2 == 0)));
    let forwards = alerts(&flows);
    let backwards = alerts(flows.iter().rev());
    let ids =
        |alerts: &[Alert]| alerts.iter().map(|alert| (alert.id.clone(), alert.summary.clone())).collect::<Vec<_>>();
    assert_eq!(forwards.len(), 2);
    assert_eq!(ids(&forwards), ids(&backwards));
}

#[test]
fn a_scan_of_a_thousand_ports_is_one_alert() {
    let flows: Vec<Flow> = (0..1000).map(|n| unanswered(n, host(0, 1), host(0, 2), n as u16 + 1)).collect();
    let alerts = alerts(&flows);
    assert_eq!((alerts.len(), alerts[0].flows, alerts[0].severity), (1, 1000, Severity::High));
    assert!(alerts[0].summary.contains("1,000 TCP ports"), "{}", alerts[0].summary);
}

#[test]
fn traceroute_is_no_scan() {
    let probe = |n: u64| {
        let key = key(host(0, 1), host(0, 2), 33_434 + n as u16, Protocol::Udp);
        flow(n * 50, key, State::S0, side(1, 32, Flags::default()), Side::SILENT)
    };
    assert_eq!(behaviours(&(0..90).map(probe).collect::<Vec<_>>()), []);
}

#[test]
fn many_ports_that_are_used_are_no_scan() {
    let data = |n: u64| conversation(n * 100, host(0, 1), host(0, 2), 50_000 + n as u16, 3, (100, 5000 + n * 700));
    assert_eq!(behaviours(&(0..100).map(data).collect::<Vec<_>>()), []);
}

#[test]
fn a_sweep_names_the_sweeper_and_a_monitor_of_living_hosts_is_none() {
    let sweep: Vec<Flow> = (1..=20).map(|n| ping(n * 50, host(0, 1), host(1, n as u8), n % 3 == 0)).collect();
    let alerts = alerts(&sweep);
    assert_eq!((alerts.len(), alerts[0].behaviour, alerts[0].subject), (1, Behaviour::HostSweep, host(0, 1)));
    let monitor: Vec<Flow> = (1..=200).map(|n| ping(n * 50, host(0, 1), host(1, n as u8 % 40), true)).collect();
    assert_eq!(behaviours(&monitor), []);
}

#[test]
fn a_sweep_with_another_port_for_each_host_is_found_once() {
    let probe = |n: u64| unanswered(n * 20, host(0, 1), host(1 + (n / 200) as u8, (n % 200) as u8), 1000 + n as u16);
    let flows: Vec<Flow> = (0..2000).map(probe).collect();
    assert_eq!(behaviours(&flows), [Behaviour::HostSweep]);
    assert_eq!(behaviours(&flows[..99]), []);
}

#[test]
fn calls_to_a_multicast_group_are_no_sweep_and_no_flood() {
    let group: IpAddr = Ipv4Addr::new(239, 255, 255, 250).into();
    let announce = |n: u64| {
        let key = key(host(0, (n % 50) as u8), group, 1900, Protocol::Udp);
        flow(n, key, State::S0, side(10, 1000, Flags::default()), Side::SILENT)
    };
    assert_eq!(behaviours(&(0..500).map(announce).collect::<Vec<_>>()), []);
}

#[test]
fn a_flood_from_one_source_names_it_and_from_made_up_sources_only_the_victim() {
    let one: Vec<Flow> = (0..200).map(|n| unanswered(n, host(0, 1), host(0, 2), 80)).collect();
    let flood = &alerts(&one)[0];
    assert_eq!((flood.behaviour, flood.subject), (Behaviour::SynFlood, host(0, 1)));
    assert!(flood.hosts.iter().any(|h| h.address == host(0, 2) && h.role == Role::Victim));

    let many: Vec<Flow> = (0..200).map(|n| unanswered(n, host(9, n as u8), host(0, 2), 80)).collect();
    let flood = &alerts(&many)[0];
    assert!(flood.hosts.iter().all(|h| h.role == Role::Victim && h.address == host(0, 2)), "{:?}", flood.hosts);
}

#[test]
fn a_flood_of_one_service_is_not_told_again_of_its_host() {
    // One source, 600 ports a dozen times each, and one of them far more often.
    let varied = (0..7200).map(|n| unanswered(n, host(0, 1), host(0, 2), 1000 + (n % 600) as u16));
    let flows: Vec<Flow> = varied.chain((0..400).map(|n| unanswered(n, host(0, 1), host(0, 2), 80))).collect();
    let alerts = alerts(&flows);
    let evidence: Vec<_> = alerts.iter().flat_map(|alert| &alert.evidence).map(|one| &one.summary).collect();
    assert_eq!(evidence.len(), 1, "{evidence:#?}");
}

#[test]
fn answers_that_nobody_asked_for_name_the_victim_and_not_the_reflectors() {
    let reflected = |n: u64| {
        let key = key(host(0, 2), host(9, n as u8), 123, Protocol::Udp);
        flow(n * 10, key, State::Shr, Side::SILENT, side(10, 4400, Flags::default()))
    };
    let flows: Vec<Flow> = (0..12).map(reflected).collect();
    let alerts_found = alerts(&flows);
    assert_eq!((alerts_found.len(), alerts_found[0].behaviour), (1, Behaviour::Reflection));
    assert_eq!(alerts_found[0].hosts[0].role, Role::Victim);
    assert!(alerts_found[0].hosts[1..].iter().all(|h| h.role == Role::Peer));
    assert_eq!(behaviours(&flows[..11]), []);
}

#[test]
fn ten_alike_sessions_a_minute_are_guessing_and_sessions_that_differ_are_not() {
    let alike = |n: u64| conversation(n * 4000, host(0, 1), host(0, 2), 21, 4, (30 + n % 3, 137));
    let flows: Vec<Flow> = (0..10).map(alike).collect();
    assert_eq!(behaviours(&flows), [Behaviour::PasswordGuessing]);
    assert_eq!(behaviours(&flows[..9]), []);
    let differing = |n: u64| conversation(n * 4000, host(0, 1), host(0, 2), 21, 4, (30, 40 + n * n * 90));
    assert_eq!(behaviours(&(0..12).map(differing).collect::<Vec<_>>()), []);
}

#[test]
fn a_longer_session_after_the_failures_makes_guessing_critical() {
    let mut flows: Vec<Flow> =
        (0..30).map(|n| conversation(n * 1000, host(0, 1), host(0, 2), 21, 4, (30, 137))).collect();
    assert_eq!(alerts(&flows)[0].severity, Severity::High);
    flows.push(conversation(31_000, host(0, 1), host(0, 2), 21, 40, (900, 90_000)));
    assert_eq!(alerts(&flows)[0].severity, Severity::Critical);
}

#[test]
fn an_anomaly_that_a_behaviour_explains_is_left_out() {
    let scan: Vec<Flow> = (0..50).map(|n| unanswered(n, host(0, 1), host(0, 2), n as u16 + 1)).collect();
    let mut watches = behaviour::watches(&Home::default());
    for flow in &scan {
        watches.iter_mut().for_each(|watch| watch.observe(flow));
    }
    let mut evidence: Vec<Evidence> = watches.iter().flat_map(|watch| watch.evidence()).collect();
    let odd =
        |subject: IpAddr| Evidence { behaviour: Behaviour::Anomaly, subject, hosts: Vec::new(), ..evidence[0].clone() };
    let (explained, unexplained) = (odd(host(0, 1)), odd(host(7, 7)));
    evidence.extend([explained, unexplained]);
    let subjects: Vec<_> =
        triage(evidence, &[]).alerts.into_iter().map(|alert| (alert.behaviour, alert.subject)).collect();
    assert_eq!(subjects, [(Behaviour::PortScan, host(0, 1)), (Behaviour::Anomaly, host(7, 7))]);
}

#[test]
fn an_alert_is_read_back_from_its_json_as_it_was() {
    let probes: Vec<Flow> = (0..40).map(|n| unanswered(n * 10, host(0, 1), host(0, 2), n as u16)).collect();
    let pings: Vec<Flow> = (0..40).map(|n| ping(n * 10, host(0, 1), host(1, n as u8), n % 2 > 0)).collect();
    let alerts = alerts(probes.iter().chain(&pings));
    assert_eq!(alerts.len(), 2);
    let json = serde_json::to_string(&alerts).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Alert>>(&json).unwrap(), alerts);
}
