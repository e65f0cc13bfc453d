//! Each quiet attack leaves the packets that its tool leaves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use etherparse::{ArpOperation, NetHeaders, PacketHeaders, TransportHeader};
use flow::{Duration, Time};
use simulator::{Attack, Planted, Settings, Simulation};

#[test]
fn a_beacon_calls_about_every_minute_and_now_and_then_does_not() {
    let (planted, seen) = plant(Attack::Beacon, 1.0);
    let starts: Vec<Time> =
        seen.iter().filter(|seen| seen.is_call() && seen.ports.1 == 443).map(|seen| seen.time).collect();
    let mut gaps: Vec<f64> = starts.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect();
    gaps.sort_by(f64::total_cmp);
    assert!((40..56).contains(&starts.len()), "{}", starts.len());
    assert!((50.0..70.0).contains(&gaps[gaps.len() / 2]) && gaps[0] > 45.0, "{gaps:?}");
    assert!(gaps[gaps.len() - 1] > 95.0, "none is missed: {gaps:?}");
    assert!(seen.iter().all(|seen| seen.ports.1 != 443 || seen.to == planted[0].victims[0]));
}

#[test]
fn a_slow_beacon_calls_about_every_hour_of_a_day() {
    let (_, seen) = plant(Attack::SlowBeacon, 24.0);
    let starts: Vec<Time> = seen.iter().filter(|seen| seen.is_call()).map(|seen| seen.time).collect();
    assert!((15..23).contains(&starts.len()), "{}", starts.len());
    assert!(starts.windows(2).all(|pair| pair[1].since(pair[0]) > Duration::from_secs(2_900)));
}

#[test]
fn iodine_speaks_null_over_one_conversation_and_dnscat_three_types_over_many() {
    let (_, seen) = plant(Attack::IodineTunnel, 0.5);
    let asked: Vec<&Seen> = seen.iter().filter(|seen| seen.ports.1 == 53).collect();
    assert_eq!(asked.iter().map(|seen| (seen.from, seen.ports)).collect::<BTreeSet<_>>().len(), 1);
    assert!(asked.iter().all(|seen| kind(&seen.payload) == 10));
    let names: BTreeSet<&[u8]> = asked.iter().map(|seen| &seen.payload[12..]).collect();
    assert!(names.len() > 2_000 && names.iter().any(|name| name.len() > 200), "{}", names.len());

    let (_, seen) = plant(Attack::DnscatTunnel, 0.5);
    let asked: Vec<&Seen> = seen.iter().filter(|seen| seen.ports.1 == 53).collect();
    assert_eq!(asked.iter().map(|seen| kind(&seen.payload)).collect::<BTreeSet<_>>(), [5, 15, 16].into());
    assert!(asked.iter().map(|seen| seen.ports.0).collect::<BTreeSet<_>>().len() > 300);
}

#[test]
fn a_tunnel_of_echoes_answers_with_other_bytes_than_were_asked() {
    let (_, seen) = plant(Attack::IcmpTunnel, 0.5);
    let lengths = |kind: u8| {
        seen.iter().filter(|seen| seen.icmp == Some(kind)).map(|seen| seen.payload.len()).collect::<Vec<_>>()
    };
    let (asked, answered) = (lengths(8), lengths(0));
    assert_eq!(asked.len(), answered.len());
    assert!(asked.iter().zip(&answered).filter(|(asked, answered)| asked != answered).count() > asked.len() / 2);
    assert!(seen.iter().all(|seen| seen.payload.starts_with(&[0xd5, 0x20, 8, 0x80])));
}

#[test]
fn what_is_carried_out_leaves_by_night_from_a_workstation() {
    for (attack, megabytes) in
        [(Attack::TlsExfiltration, 200), (Attack::FtpExfiltration, 150), (Attack::SshExfiltration, 150)]
    {
        // From eight in the evening on, so that the day has a night.
        let start = Time::from_nanoseconds(1_741_118_400_000_000_000);
        let settings = Settings { hours: 10.0, hosts: 16, start, attacks: vec![attack], ..Settings::default() };
        let (planted, seen) = planted_in(&settings);
        let out = seen
            .iter()
            .filter(|seen| seen.from == planted[0].attackers[0])
            .map(|seen| seen.payload.len())
            .sum::<usize>();
        let back =
            seen.iter().filter(|seen| seen.to == planted[0].attackers[0]).map(|seen| seen.payload.len()).sum::<usize>();
        assert!((megabytes * 880_000..megabytes * 1_130_000).contains(&out), "{attack}: {out}");
        assert!(back * 1_000 < out, "{attack}: {back}");
        let hour = planted[0].start.nanoseconds().rem_euclid(86_400_000_000_000) / 3_600_000_000_000;
        assert!((1..5).contains(&hour), "{attack}: {hour}");
    }
}

#[test]
fn slow_attacks_hold_many_connections_that_hardly_move() {
    for attack in [Attack::Slowloris, Attack::SlowPost, Attack::SlowRead] {
        let (planted, seen) = plant(attack, 1.0);
        let attacker = planted[0].attackers[0];
        let mut calls: BTreeMap<u16, (Time, Time, usize)> = BTreeMap::new();
        for seen in seen.iter().filter(|seen| seen.from == attacker) {
            let call = calls.entry(seen.ports.0).or_insert((seen.time, seen.time, 0));
            call.1 = seen.time;
            call.2 += seen.payload.len();
        }
        assert!(calls.len() > 300, "{attack}: {}", calls.len());
        let long = calls.values().filter(|call| call.1.since(call.0) > Duration::from_secs(90)).count();
        assert!(long * 10 > calls.len() * 7, "{attack}: {long} of {}", calls.len());
        assert!(calls.values().all(|call| call.2 < 1_500), "{attack}");
        let closed = seen.iter().filter(|seen| seen.from == attacker && seen.window == Some(0)).count();
        assert_eq!(closed > 1_000, attack == Attack::SlowRead, "{attack}: {closed} closed windows");
    }
}

#[test]
fn psexec_copies_a_service_and_starts_it_in_the_clear() {
    let (planted, seen) = plant(Attack::Psexec, 0.5);
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for victim in &planted[0].victims {
        let said: Vec<u8> =
            seen.iter().filter(|seen| seen.to == *victim).flat_map(|seen| seen.payload.clone()).collect();
        let has = |what: &[u8]| said.windows(what.len()).any(|window| window == what);
        for text in ["\\ADMIN$", "\\IPC$", "svcctl", "PSEXESVC.exe"] {
            assert!(has(&wide(text)), "{text} to {victim}");
        }
        // A bind to the service control manager.
        assert!(has(&[5, 0, 11, 3, 16, 0, 0, 0]) && has(&[0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35]));
    }
    assert!(planted[0].victims.len() >= 3);
}

#[test]
fn messages_of_file_sharing_are_as_long_as_they_say() {
    let (_, seen) = plant(Attack::Psexec, 0.5);
    let mut streams: HashMap<_, (BTreeMap<u32, Vec<u8>>, u32)> = HashMap::new();
    for seen in seen.into_iter().filter(|seen| seen.ports.0 == 445 || seen.ports.1 == 445) {
        let stream = streams.entry((seen.from, seen.to, seen.ports)).or_insert((BTreeMap::new(), seen.sequence));
        if !seen.payload.is_empty() {
            stream.0.insert(seen.sequence.wrapping_sub(stream.1), seen.payload);
        }
    }
    for (stream, _) in streams.into_values() {
        let bytes: Vec<u8> = stream.into_values().flatten().collect();
        let mut rest = &bytes[..];
        while let [0, a, b, c, message @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            assert!(message.starts_with(b"\xfeSMB") && message.len() >= length);
            rest = &message[length..];
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn one_workstation_hops_to_many_by_desktop_shell_and_winrm() {
    let (planted, seen) = plant(Attack::RemoteHopping, 0.5);
    let ports: BTreeSet<u16> = seen.iter().filter(|seen| seen.is_call()).map(|seen| seen.ports.1).collect();
    assert_eq!(ports, [22, 3_389, 5_985].into());
    assert_eq!(seen.iter().filter(|seen| seen.is_call()).count(), planted[0].victims.len());
}

#[test]
fn log4shell_makes_the_server_call_out_twice_and_open_a_shell() {
    let (planted, seen) = plant(Attack::Log4shell, 0.5);
    let (attacker, server) = (planted[0].attackers[0], planted[0].victims[0]);
    let calls: Vec<(IpAddr, u16)> =
        seen.iter().filter(|seen| seen.is_call()).map(|seen| (seen.from, seen.ports.1)).collect();
    let expected = [(attacker, 80), (attacker, 80), (attacker, 80), (server, 1_389), (server, 8_888), (server, 9_001)];
    assert_eq!(calls, expected);
    assert!(seen.iter().any(|seen| seen.payload.windows(12).any(|window| window == b"${jndi:ldap:")));
}

#[test]
fn mining_is_one_connection_for_nearly_all_of_the_time() {
    let (planted, seen) = plant(Attack::CryptoMining, 2.0);
    assert_eq!(seen.iter().filter(|seen| seen.is_call()).count(), 1);
    assert!(planted[0].end.since(planted[0].start) > Duration::from_secs(6_000));
    let lines = |what: &str| seen.iter().filter(|seen| String::from_utf8_lossy(&seen.payload).contains(what)).count();
    assert!(
        lines("\"method\":\"login\"") == 1 && lines("\"method\":\"submit\"") > 50 && lines("\"method\":\"job\"") > 20
    );
}

#[test]
fn poisoned_addresses_are_told_both_ways_every_two_seconds() {
    let (planted, seen) = plant(Attack::ArpPoisoning, 0.5);
    let [victim, gateway] = planted[0].victims[..] else { panic!("a workstation and the gateway") };
    let replies: Vec<&Seen> = seen.iter().filter(|seen| seen.arp == Some(ArpOperation::REPLY)).collect();
    for (claimed, told) in [(gateway, victim), (victim, gateway)] {
        let lies: Vec<Time> =
            replies.iter().filter(|seen| (seen.from, seen.to) == (claimed, told)).map(|seen| seen.time).collect();
        assert!(lies.len() > 200, "{}", lies.len());
        assert!(lies.windows(2).all(|pair| pair[1].since(pair[0]) < Duration::from_millis(2_050)));
    }
}

#[test]
fn invented_machines_lease_addresses_until_there_are_none() {
    let (_, seen) = plant(Attack::DhcpStarvation, 0.5);
    let of = |kind: u8| seen.iter().filter(|seen| seen.payload.get(242) == Some(&kind)).collect::<Vec<_>>();
    assert_eq!((of(1).len(), of(2).len(), of(3).len(), of(5).len()), (400, 180, 180, 180));
    assert_eq!(of(1).iter().map(|seen| &seen.payload[28..34]).collect::<BTreeSet<_>>().len(), 400);
    assert!(of(1).iter().all(|seen| seen.ports == (68, 67) && seen.from == IpAddr::from([0, 0, 0, 0])));
}

#[test]
fn the_rogue_offers_first_and_names_itself_as_the_way_out() {
    let (planted, seen) = plant(Attack::RogueDhcp, 0.5);
    let rogue = planted[0].attackers[0];
    let offers: Vec<&Seen> = seen.iter().filter(|seen| seen.payload.get(242) == Some(&2)).collect();
    assert_eq!(offers.iter().map(|seen| seen.from).collect::<BTreeSet<_>>().len(), 2);
    for pair in offers.chunks(2) {
        assert_eq!((pair[0].from, pair[0].to), (rogue, pair[1].to));
    }
    let kept = seen.iter().filter(|seen| seen.payload.get(242) == Some(&5)).collect::<Vec<_>>();
    assert!(kept.len() >= 3 && kept.iter().all(|seen| seen.from == rogue));
}

#[test]
fn a_port_does_not_say_what_is_spoken() {
    let (_, seen) = plant(Attack::SshOnWebPort, 0.5);
    assert!(seen.iter().any(|seen| seen.ports.1 == 443 && seen.payload.starts_with(b"SSH-2.0-")));
    let (_, seen) = plant(Attack::HttpOnSshPort, 0.5);
    assert!(seen.iter().filter(|seen| seen.ports.1 == 22 && seen.payload.starts_with(b"POST /")).count() >= 8);
}

#[test]
fn a_campaign_goes_on_from_step_to_step() {
    let (planted, seen) = plant(Attack::Campaign, 2.0);
    let steps: Vec<&str> = planted.iter().map(|planted| planted.behaviour).collect();
    let expected = ["port-scan", "password-guessing", "host-sweep", "lateral-movement", "beacon", "exfiltration"];
    assert_eq!(steps, expected);
    assert!(planted.is_sorted_by_key(|planted| planted.start));
    assert!(planted.iter().all(|planted| planted.attack == Attack::Campaign && planted.packets > 10));
    // Who was entered goes on; who was taken over calls home and carries out.
    assert_eq!(planted[0].victims, planted[1].victims);
    assert_eq!(planted[1].victims, planted[2].attackers);
    assert_eq!(planted[2].attackers, planted[3].attackers);
    assert!(planted[3].victims.contains(&planted[4].attackers[0]));
    assert_eq!(planted[4].attackers, planted[5].attackers);
    let out: usize =
        seen.iter().filter(|seen| seen.from == planted[5].attackers[0]).map(|seen| seen.payload.len()).sum();
    assert!(out > 80_000_000, "{out}");
}

/// A packet of an attack, read back.
struct Seen {
    time: Time,
    from: IpAddr,
    to: IpAddr,
    ports: (u16, u16),
    sequence: u32,
    /// A SYN without ACK.
    call: bool,
    window: Option<u16>,
    icmp: Option<u8>,
    arp: Option<ArpOperation>,
    payload: Vec<u8>,
}

impl Seen {
    fn is_call(&self) -> bool {
        self.call
    }
}

/// The attack alone in a small office.
fn plant(attack: Attack, hours: f64) -> (Vec<Planted>, Vec<Seen>) {
    planted_in(&Settings { hours, hosts: 16, attacks: vec![attack], ..Settings::default() })
}

fn planted_in(settings: &Settings) -> (Vec<Planted>, Vec<Seen>) {
    let mut simulation = Simulation::new(settings).unwrap();
    let packets = simulation.by_ref().filter(|packet| packet.planted.is_some());
    let seen = packets.map(|packet| read(packet.time, &packet.bytes)).collect();
    (simulation.planted().to_vec(), seen)
}

fn read(time: Time, bytes: &[u8]) -> Seen {
    let headers = PacketHeaders::from_ethernet_slice(bytes).unwrap();
    let address = |bytes: &[u8]| IpAddr::from(<[u8; 4]>::try_from(bytes).unwrap());
    let (from, to, arp) = match headers.net.unwrap() {
        NetHeaders::Ipv4(ip, _) => (ip.source.into(), ip.destination.into(), None),
        NetHeaders::Ipv6(ip, _) => (ip.source.into(), ip.destination.into(), None),
        NetHeaders::Arp(arp) => {
            (address(arp.sender_protocol_addr()), address(arp.target_protocol_addr()), Some(arp.operation))
        }
    };
    let payload = headers.payload.slice().to_vec();
    let nothing =
        Seen { time, from, to, ports: (0, 0), sequence: 0, call: false, window: None, icmp: None, arp, payload };
    match headers.transport {
        Some(TransportHeader::Tcp(tcp)) => Seen {
            ports: (tcp.source_port, tcp.destination_port),
            sequence: tcp.sequence_number,
            call: tcp.syn && !tcp.ack,
            window: Some(tcp.window_size),
            ..nothing
        },
        Some(TransportHeader::Udp(udp)) => Seen { ports: (udp.source_port, udp.destination_port), ..nothing },
        Some(TransportHeader::Icmpv4(icmp)) => Seen { icmp: Some(icmp.to_bytes()[0]), ..nothing },
        _ => nothing,
    }
}

/// The type of record that a question asks for.
fn kind(question: &[u8]) -> u16 {
    let mut at = 12;
    while question[at] != 0 {
        at += usize::from(question[at]) + 1;
    }
    u16::from_be_bytes([question[at + 1], question[at + 2]])
}
