//! The borders of the behaviours towards the outside, on the smallest flows that show them.

use std::net::{IpAddr, Ipv4Addr};

use alert::{Alert, Behaviour, Fact, Home, Severity, behaviour, triage};
use flow::{
    Application, Detail, Dns, Duration, Echo, Endpoint, Flags, Flow, Http, Key, Protocol, Side, State, Time, Tls,
};

fn host(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

fn outside(last: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, last).into()
}

fn at(seconds: f64) -> Time {
    Time::from_nanoseconds(1_000_000_000_000) + Duration::from_secs_f64(seconds)
}

fn side(packets: u64, payload: u64) -> Side {
    let flags = Flags { syn: 1, ack: packets as u32, ..Flags::default() };
    let detail = Detail { flags, payload_packets: packets as u32, ..Detail::default() };
    Side {
        packets: Some(packets),
        bytes: Some(packets * 40 + payload),
        payload_bytes: Some(payload),
        country: None,
        detail: Some(detail),
    }
}

/// A finished TCP conversation, from a port of its own.
fn call(seconds: f64, from: IpAddr, to: IpAddr, port: u16, (asked, answered): (u64, u64)) -> Flow {
    let own = 1024 + (seconds * 7.0) as u64 % 60_000;
    let key = Key {
        originator: Endpoint::new(from, own as u16),
        responder: Endpoint::new(to, port),
        protocol: Protocol::Tcp,
    };
    let (start, end) = (at(seconds), at(seconds + 0.2));
    let state = Some(State::SF);
    Flow { originator: side(5, asked), responder: side(5, answered), state, ..Flow::between(key, start, end) }
}

fn tls(mut flow: Flow, name: Option<&str>) -> Flow {
    let tls = Tls { server_name: name.map(Into::into), version: Some(0x303), ..Tls::default() };
    flow.application = Some(Box::new(Application::Tls(tls)));
    flow
}

fn http(mut flow: Flow, method: &str, name: &str, target: &str) -> Flow {
    let (host, target) = (Some(name.into()), Some(target.into()));
    let http = Http { method: method.into(), host, target, ..Http::default() };
    flow.application = Some(Box::new(Application::Http(http)));
    flow
}

fn question(seconds: f64, from: IpAddr, name: &str, kind: u16) -> Flow {
    let key = Key {
        originator: Endpoint::new(from, 40_000),
        responder: Endpoint::new(outside(53), 53),
        protocol: Protocol::Udp,
    };
    let mut dns = Dns::default();
    dns.ask(name, Some(kind));
    let application = Some(Box::new(Application::Dns(Box::new(dns))));
    let sides = (side(1, 30 + name.len() as u64), side(1, 46 + name.len() as u64));
    Flow { originator: sides.0, responder: sides.1, application, ..Flow::between(key, at(seconds), at(seconds)) }
}

fn pings(number: u64, altered: u32) -> Flow {
    let key = Key {
        originator: Endpoint::new(host(1), 8),
        responder: Endpoint::new(outside(1), 0),
        protocol: Protocol::Icmp,
    };
    let echo = (altered > 0).then(|| Box::new(Application::Echo(Echo { altered })));
    let (originator, responder) = (side(number, number * 56), side(number, number * 56));
    Flow { originator, responder, application: echo, ..Flow::between(key, at(0.0), at(number as f64)) }
}

fn alerts(flows: &[Flow]) -> Vec<Alert> {
    let mut watches = behaviour::watches(&Home::default());
    for flow in flows {
        watches.iter_mut().for_each(|watch| watch.observe(flow));
    }
    triage(watches.iter().flat_map(|watch| watch.evidence()).collect(), &[]).alerts
}

fn of(alerts: &[Alert], behaviour: Behaviour) -> Vec<Severity> {
    alerts.iter().filter(|alert| alert.behaviour == behaviour).map(|alert| alert.severity).collect()
}

fn seen(flows: &[Flow], behaviour: Behaviour) -> Vec<Severity> {
    of(&alerts(flows), behaviour)
}

/// Numbers in 0..1 that are spread without a rhythm.
fn noise() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(0x2545_f491_4f6c_dd1du64), |state| {
        let mut next = state ^ state << 13;
        next ^= next >> 7;
        Some(next ^ next << 17)
    })
    .map(|state| (state >> 11) as f64 / (1u64 << 53) as f64)
}

fn calls_every(intervals: impl Iterator<Item = f64>, number: usize) -> Vec<Flow> {
    let times = intervals.scan(0.0, |time, interval| {
        *time += interval;
        Some(*time)
    });
    times.take(number).map(|time| tls(call(time, host(1), outside(1), 443, (300, 900)), Some("c2.example"))).collect()
}

#[test]
fn calls_with_a_fifth_of_jitter_are_a_beacon_and_calls_by_chance_are_not() {
    let jittered = calls_every(noise().map(|noise| 60.0 * (0.8 + 0.4 * noise)), 60);
    let found = alerts(&jittered);
    assert_eq!(of(&found, Behaviour::Beacon), [Severity::Medium]);
    let facts = &found[0].evidence[0].facts;
    assert!(matches!(facts.find("period_seconds"), Some(Fact::Number(period)) if (50.0..70.0).contains(period)));
}

#[test]
fn calls_by_chance_of_many_hosts_are_no_beacon() {
    let mut waits = noise().map(|noise| -60.0 * noise.max(1e-9).ln());
    let flows: Vec<Flow> = (0..200u8)
        .flat_map(|n| {
            let calls = calls_every(waits.by_ref(), 9 + usize::from(n));
            calls.into_iter().map(move |mut flow| {
                flow.key.originator.address = host(n);
                flow.key.responder.address = outside(n);
                flow
            })
        })
        .collect();
    assert_eq!(seen(&flows, Behaviour::Beacon), []);
}

#[test]
fn missed_beats_do_not_hide_a_beacon() {
    let every_fifth_is_missed = (0..60).map(|n| if n % 5 == 4 { 120.0 } else { 60.0 });
    let found = alerts(&calls_every(every_fifth_is_missed, 60));
    assert_eq!(of(&found, Behaviour::Beacon), [Severity::Medium]);
    assert_eq!(found[0].evidence[0].facts.find("beats_missed"), Some(&Fact::Count(12)));
}

#[test]
fn a_service_that_many_hosts_call_is_no_beacon_nor_is_a_clock() {
    let calls = (0..5u8).flat_map(|n| (0..40).map(move |beat| (n, 60.0 * f64::from(beat) + f64::from(n))));
    let popular: Vec<Flow> =
        calls.map(|(n, time)| tls(call(time, host(n), outside(1), 443, (300, 900)), Some("vendor.example"))).collect();
    assert_eq!(seen(&popular, Behaviour::Beacon), []);
    let clock: Vec<Flow> = (0..60).map(|n| call(64.0 * f64::from(n), host(1), outside(1), 123, (48, 48))).collect();
    assert_eq!(seen(&clock, Behaviour::Beacon), []);
}

#[test]
fn the_order_of_the_calls_changes_nothing() {
    let mut flows = calls_every(noise().map(|noise| 60.0 * (0.8 + 0.4 * noise)), 60);
    let forwards = alerts(&flows);
    flows.reverse();
    let backwards = alerts(&flows);
    let words = |alerts: &[Alert]| alerts.iter().map(|alert| alert.summary.clone()).collect::<Vec<_>>();
    assert_eq!(words(&forwards), words(&backwards));
    assert_eq!(forwards.len(), 1);
}

#[test]
fn a_domain_asked_for_by_the_clock_is_a_beacon_where_few_of_many_ask() {
    let mut flows: Vec<Flow> = (0..40u16)
        .map(|n| {
            let mut flow = question(f64::from(n) * 60.0, host(1), "0a1b2c3d.ns.evil.example", 1);
            flow.key.originator.port = 20_000 + n;
            flow
        })
        .collect();
    assert_eq!(seen(&flows, Behaviour::Beacon), [Severity::Low]);
    flows.extend((2..8u8).map(|n| tls(call(f64::from(n), host(n), outside(n), 443, (300, 900)), Some("a.example"))));
    let found = alerts(&flows);
    assert_eq!(of(&found, Behaviour::Beacon), [Severity::Medium]);
    assert_eq!(found[0].technique.map(alert::Technique::id), Some("T1071.004"));
}

#[test]
fn names_that_carry_data_are_a_tunnel_and_names_asked_again_are_not() {
    let name = |n: u64| format!("{:032x}{:08x}.t.evil.example", u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15), n);
    let tunnel: Vec<Flow> = (0..60).map(|n| question(n as f64, host(1), &name(n), 16)).collect();
    let found = alerts(&tunnel);
    assert_eq!(of(&found, Behaviour::DnsTunnel), [Severity::High]);
    assert_eq!(found[0].technique.map(alert::Technique::id), Some("T1048.003"));
    let again: Vec<Flow> = (0..600).map(|n| question(n as f64, host(1), &name(n % 10), 1)).collect();
    assert_eq!(seen(&again, Behaviour::DnsTunnel), []);
}

#[test]
fn a_tunnel_in_one_conversation_is_found_and_one_without_a_domain_too() {
    let mut flow = question(0.0, host(1), "aaaaaaaa.evil.example", 10);
    if let Some(Application::Dns(dns)) = flow.application.as_deref_mut() {
        (0..300).for_each(|n: u32| dns.ask(&format!("pa{n:06x}{}.evil.example", "x".repeat(20)), Some(10)));
    }
    flow.end = at(20.0);
    assert_eq!(seen(&[flow], Behaviour::DnsTunnel), [Severity::High]);
    let straight = |n: u32| {
        question(f64::from(n), host(1), &format!("dnscat.{n:08x}{}", "5a".repeat(20)), [16, 5, 15][n as usize % 3])
    };
    assert_eq!(seen(&(0..60).map(straight).collect::<Vec<_>>(), Behaviour::DnsTunnel), [Severity::High]);
}

#[test]
fn reverse_lookups_and_block_lists_are_no_tunnel() {
    let reverse = |n: u32| question(f64::from(n), host(1), &format!("{}.{n}.0.10.in-addr.arpa", n % 250), 12);
    assert_eq!(seen(&(0..500).map(reverse).collect::<Vec<_>>(), Behaviour::DnsTunnel), []);
    let listed = |n: u32| question(f64::from(n * 45), host(1), &format!("{}.9.{}.7.list.example", n % 250, n), 1);
    assert_eq!(seen(&(0..500).map(listed).collect::<Vec<_>>(), Behaviour::DnsTunnel), []);
}

#[test]
fn replies_that_are_no_copies_are_a_tunnel_and_any_number_of_copies_is_none() {
    assert_eq!(seen(&[pings(60, 40)], Behaviour::IcmpTunnel), [Severity::High]);
    assert_eq!(seen(&[pings(100_000, 5)], Behaviour::IcmpTunnel), []);
}

#[test]
fn one_conversation_of_stratum_names_the_miner_whoever_spoke_first() {
    let mut work = call(0.0, host(1), outside(1), 3333, (2000, 9000));
    work.application = Some(Box::new(Application::Other("stratum".into())));
    let mut back = work.clone();
    std::mem::swap(&mut back.key.originator, &mut back.key.responder);
    let found = alerts(&[work, back]);
    let miners: Vec<(Severity, IpAddr)> = found
        .iter()
        .filter(|alert| alert.behaviour == Behaviour::CryptoMining)
        .map(|alert| (alert.severity, alert.subject))
        .collect();
    assert_eq!(miners, [(Severity::High, host(1))]);
}

#[test]
fn a_bare_address_called_again_is_a_call_home_unless_names_are_the_rule_here() {
    let bare = |n: u32| tls(call(f64::from(n * 17), host(1), outside(1), 443, (600, 900)), None);
    let mut flows: Vec<Flow> = (0..2).map(bare).collect();
    assert_eq!(seen(&flows, Behaviour::CallHome), [Severity::Medium]);
    let named = |n: u32| tls(call(f64::from(n), host(1), outside(2), 443, (600, 900)), Some("www.example"));
    flows.extend((0..80).map(named));
    assert_eq!(seen(&flows, Behaviour::CallHome), []);
}

#[test]
fn posts_to_scattered_servers_without_a_page_are_a_call_home() {
    let post = |n: u8| {
        let name = format!("shop{}.example", n % 2);
        http(call(f64::from(n) * 13.0, host(1), outside(n % 2), 80, (700, 400)), "POST", &name, "/a.php?k=1")
    };
    let mut flows: Vec<Flow> = (0..6).map(post).collect();
    assert_eq!(seen(&flows, Behaviour::CallHome), [Severity::Medium]);
    flows.extend((0..2).map(|n| http(call(1.0, host(1), outside(n), 80, (300, 9000)), "GET", "shop.example", "/")));
    assert_eq!(seen(&flows, Behaviour::CallHome), []);
}

#[test]
fn an_upload_beyond_all_peers_is_exfiltration_and_a_call_with_pictures_is_none() {
    let usual =
        (2..20u8).map(|n| tls(call(f64::from(n), host(n), outside(n), 443, (20_000, 400_000)), Some("a.example")));
    let upload = |down| tls(call(1.0, host(1), outside(1), 443, (90_000_000, down)), Some("drop.example"));
    let with = |down| usual.clone().chain([upload(down)]).collect::<Vec<_>>();
    assert_eq!(seen(&with(50_000), Behaviour::Exfiltration), [Severity::Medium]);
    assert_eq!(seen(&with(80_000_000), Behaviour::Exfiltration), []);
}

#[test]
fn an_upload_of_every_night_is_usual_from_the_second_on() {
    let nightly: Vec<Flow> = (0..5)
        .map(|day| {
            tls(call(f64::from(day) * 86_400.0, host(1), outside(1), 443, (90_000_000, 9_000)), Some("b.example"))
        })
        .collect();
    assert_eq!(seen(&nightly[..1], Behaviour::Exfiltration), [Severity::Low]);
    assert_eq!(seen(&nightly, Behaviour::Exfiltration), []);
}

#[test]
fn ssh_on_the_port_of_the_web_is_odd_and_tls_on_a_mail_port_is_not() {
    let mut ssh = call(0.0, host(1), outside(1), 443, (2000, 3000));
    ssh.application = Some(Box::new(Application::Other("ssh".into())));
    assert_eq!(seen(&[ssh], Behaviour::NonStandardPort), [Severity::Medium]);
    let mail = tls(call(0.0, host(1), outside(1), 993, (2000, 3000)), Some("mail.example"));
    assert_eq!(seen(&[mail], Behaviour::NonStandardPort), []);
}

#[test]
fn hours_on_an_unlisted_port_are_low_and_on_a_known_one_info() {
    let hours = |port: u16, hours: f64| {
        let mut flow = call(0.0, host(1), outside(1), port, (9000, 9000));
        flow.end = at(hours * 3600.0);
        flow
    };
    assert_eq!(seen(&[hours(40_000, 1.5)], Behaviour::LongConnection), [Severity::Low]);
    assert_eq!(seen(&[hours(22, 5.0)], Behaviour::LongConnection), [Severity::Info]);
    assert_eq!(seen(&[hours(22, 1.5)], Behaviour::LongConnection), []);
}

#[test]
fn a_host_that_is_answered_and_never_heard_is_a_blind_spot() {
    let half = |n: u8| {
        let flow = call(f64::from(n), host(1), outside(n), 443, (500, 500));
        Flow { originator: Side::SILENT, state: Some(State::Oth), ..flow }
    };
    let flows: Vec<Flow> = (0..25).map(half).collect();
    assert_eq!(seen(&flows, Behaviour::OneWay), [Severity::Info]);
    let whole: Vec<Flow> = (0..60).map(|n| call(f64::from(n), host(1), outside(n), 443, (500, 500))).collect();
    assert_eq!(seen(&whole, Behaviour::OneWay), []);
}

#[test]
fn what_is_forgotten_is_not_told_but_a_hosts_past_stays() {
    let mut watches = behaviour::watches(&Home::default());
    let flows = calls_every(std::iter::repeat(60.0), 40);
    flows.iter().for_each(|flow| watches.iter_mut().for_each(|watch| watch.observe(flow)));
    watches.iter_mut().for_each(|watch| watch.forget(at(1e6)));
    assert_eq!(watches.iter().flat_map(|watch| watch.evidence()).count(), 0);
}
