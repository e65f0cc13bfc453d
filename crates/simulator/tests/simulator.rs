//! What may be relied on in every simulation.

use std::collections::HashMap;
use std::net::IpAddr;

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use flow::{Duration, Time};
use simulator::{Attack, Error, Packet, Settings, Simulation, simulate, write_labels};

#[test]
fn same_settings_give_the_same_bytes() {
    assert_eq!(capture(&brief()), capture(&brief()));
}

#[test]
fn another_seed_gives_other_bytes() {
    assert_ne!(capture(&brief()), capture(&Settings { seed: 2, ..brief() }));
}

/// What one machine makes, all others must: this value may only change with the traffic itself.
#[test]
fn the_bytes_are_those_of_every_machine() {
    let settings = Settings { hours: 0.02, ..Settings::default() };
    let hash = capture(&settings)
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let known = include_str!("bytes.golden").trim();
    assert_eq!(format!("{hash:016x}"), known, "if the traffic was meant to change, so must tests/bytes.golden");
}

#[test]
fn the_baseline_is_the_same_with_and_without_attacks() {
    let benign =
        |settings| packets(&settings).into_iter().filter(|packet| packet.planted.is_none()).collect::<Vec<_>>();
    let without = Settings { attacks: Vec::new(), ..brief() };
    assert!(benign(brief()) == benign(without));
}

#[test]
fn packets_are_in_the_order_of_time_and_within_the_hours() {
    let settings = brief();
    let packets = packets(&settings);
    assert!(packets.is_sorted_by_key(|packet| packet.time));
    let end = settings.start + Duration::from_secs_f64(settings.hours * 3_600.0);
    assert!(packets.iter().all(|packet| (settings.start..end).contains(&packet.time)));
}

#[test]
fn every_length_and_checksum_is_right() {
    let mut fragments: HashMap<[u8; 6], Vec<u8>> = HashMap::new();
    let mut simulation = Simulation::new(&brief()).unwrap();
    while let Some(packet) = simulation.next() {
        let bytes = &packet.bytes;
        assert!((60..=1_514).contains(&bytes.len()));
        let Ok(headers) = PacketHeaders::from_ethernet_slice(bytes) else {
            // A header without the body that its protocol asks for: what a protocol scan sends.
            let attack = packet.planted.map(|index| simulation.planted()[index].attack);
            assert_eq!(attack, Some(Attack::ProtocolScan), "{bytes:02x?}");
            continue;
        };
        match (headers.net, headers.transport) {
            (Some(NetHeaders::Ipv4(ip, _)), transport) => {
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                if let Some(transport) = transport {
                    let mut right = transport.clone();
                    right.update_checksum_ipv4(&ip, headers.payload.slice()).unwrap();
                    assert_eq!(transport, right);
                } else if ip.is_fragmenting_payload() {
                    let key = [bytes[18], bytes[19], bytes[26], bytes[27], bytes[28], bytes[29]];
                    let whole = fragments.entry(key).or_default();
                    assert_eq!(whole.len(), usize::from(ip.fragment_offset.byte_offset()));
                    whole.extend(headers.payload.slice());
                    if !ip.more_fragments {
                        let whole = fragments.remove(&key).unwrap();
                        let (udp, payload) = etherparse::UdpHeader::from_slice(&whole).unwrap();
                        assert_eq!(usize::from(udp.length), whole.len());
                        assert_eq!(udp.checksum, udp.calc_checksum_ipv4(&ip, payload).unwrap());
                    }
                }
            }
            (Some(NetHeaders::Ipv6(ip, _)), Some(transport)) => {
                let mut right = transport.clone();
                right.update_checksum_ipv6(&ip, headers.payload.slice()).unwrap();
                assert_eq!(transport, right);
            }
            (Some(NetHeaders::Arp(_)), None) => {}
            other => panic!("nothing else is sent: {other:?}"),
        }
    }
    assert!(fragments.is_empty());
}

#[test]
fn every_attack_asked_for_is_in_the_capture() {
    let settings = brief();
    let mut simulation = Simulation::new(&settings).unwrap();
    let packets: Vec<_> = simulation.by_ref().collect();
    let planted = simulation.planted();
    let mut attacks: Vec<_> = planted.iter().map(|planted| planted.attack).collect();
    attacks.dedup();
    assert_eq!(attacks, Attack::ALL);
    for (index, planted) in planted.iter().enumerate() {
        let own: Vec<_> = packets.iter().filter(|packet| packet.planted == Some(index)).collect();
        assert_eq!(own.len() as u64, planted.packets);
        assert!(own.len() >= 10, "{planted:?}");
        assert_eq!((own[0].time, own[own.len() - 1].time), (planted.start, planted.end));
        for address in planted.attackers.iter().chain(planted.victims.iter().take(20)) {
            assert!(own.iter().any(|packet| names(packet, *address)), "{address} in {planted:?}");
        }
        let everyone = planted.attackers.iter().chain(&planted.victims).count();
        assert!(everyone > 0);
    }
}

#[test]
fn a_slow_attack_takes_nearly_all_of_the_time() {
    let settings = Settings { hours: 0.5, attacks: vec![Attack::SlowScan, Attack::SlowSshGuessing], ..brief() };
    let report = simulate(&settings, std::io::sink()).unwrap();
    for planted in report.planted {
        assert!(planted.end.since(planted.start) > Duration::from_secs(1_400), "{planted:?}");
        assert!(planted.packets < 1_500, "{planted:?}");
    }
}

#[test]
fn nothing_is_planted_where_nothing_is_asked_for() {
    let settings = Settings { attacks: Vec::new(), ..brief() };
    let mut simulation = Simulation::new(&settings).unwrap();
    assert!(simulation.by_ref().all(|packet| packet.planted.is_none()));
    assert!(simulation.planted().is_empty());
}

/// Data follows on data, and nobody acknowledges what was not sent.
#[test]
fn connections_are_consistent() {
    // Floods and most scans consist of segments that no connection stands behind.
    let attacks = vec![Attack::ConnectScan, Attack::HttpFlood, Attack::SshGuessing, Attack::RdpGuessing];
    let mut next: HashMap<(IpAddr, u16, IpAddr, u16), u32> = HashMap::new();
    let (mut segments, mut repeated) = (0, 0);
    for packet in packets(&Settings { hours: 0.3, attacks, ..brief() }) {
        let headers = PacketHeaders::from_ethernet_slice(&packet.bytes).unwrap();
        let Some(TransportHeader::Tcp(tcp)) = headers.transport else { continue };
        let (from, to) = addresses(headers.net.as_ref());
        let here = (from, tcp.source_port, to, tcp.destination_port);
        let there = (to, tcp.destination_port, from, tcp.source_port);
        let length = headers.payload.slice().len() as u32 + u32::from(tcp.syn) + u32::from(tcp.fin);
        let past = tcp.sequence_number.wrapping_add(length);
        segments += 1;
        if tcp.syn {
            next.insert(here, past);
            if !tcp.ack {
                next.remove(&there);
            }
            continue;
        }
        // Without a SYN, the connection is older than the capture, or a refusal.
        let Some(&expected) = next.get(&here) else { continue };
        match expected.wrapping_sub(tcp.sequence_number) {
            0 => {
                next.insert(here, past);
            }
            // Sent again, or the byte before the next to see whether the other is there.
            back @ 1..100_000 => repeated += u32::from(back >= length),
            _ => panic!("a gap before {tcp:?}"),
        }
        assert!(tcp.window_size > 0 || tcp.rst);
        if let Some(&sent) = next.get(&there) {
            assert!(sent.wrapping_sub(tcp.acknowledgment_number) < 100_000, "acknowledged, not sent: {tcp:?}");
        }
    }
    assert!(repeated > 0 && repeated < segments / 50, "{repeated} of {segments} sent again");
}

#[test]
fn a_capture_holds_every_packet_as_it_was() {
    let settings = Settings { hours: 0.02, ..brief() };
    let bytes = capture(&settings);
    let mut reader = pcap_file::pcap::PcapReader::new(&bytes[..]).unwrap();
    let mut read = 0;
    for packet in packets(&settings) {
        let found = reader.next_packet().unwrap().unwrap();
        assert_eq!(
            (found.timestamp.as_nanos() as i64, &found.data[..]),
            (packet.time.nanoseconds(), &packet.bytes[..])
        );
        read += 1;
    }
    assert!(read > 1_000 && reader.next_packet().is_none());
}

#[test]
fn labels_have_a_row_for_each_attack() {
    let settings = Settings { attacks: vec![Attack::HttpFlood, Attack::DnsReflection], ..brief() };
    let report = simulate(&settings, std::io::sink()).unwrap();
    let mut labels = Vec::new();
    write_labels(&report.planted, &mut labels).unwrap();
    let labels = String::from_utf8(labels).unwrap();
    let rows: Vec<&str> = labels.lines().collect();
    assert_eq!(rows[0], "attack,behaviour,attackers,victims,start,end,packets");
    assert!(rows[1].starts_with("http-flood,http-flood,203.0.113.159 203.0.113.160 203.0.113.161,10.20.0.13,2025-"));
    assert!(rows[2].starts_with("dns-reflection,reflection,,10.20.0.1,2025-"));
    assert_eq!(rows.len(), 3);
}

#[test]
fn impossible_settings_are_refused() {
    assert!(matches!(Simulation::new(&Settings { hosts: 3, ..brief() }), Err(Error::Hosts { hosts: 3 })));
    assert!(matches!(Simulation::new(&Settings { hours: 0.0, ..brief() }), Err(Error::Hours { .. })));
    assert!(matches!(Simulation::new(&Settings { hours: f64::NAN, ..brief() }), Err(Error::Hours { .. })));
}

#[test]
fn the_smallest_and_the_largest_office_work() {
    for hosts in [16, 500] {
        let report = simulate(&Settings { hosts, hours: 0.01, ..brief() }, std::io::sink()).unwrap();
        assert!(report.planted.len() >= Attack::ALL.len());
    }
}

#[test]
fn nights_are_quiet_but_for_the_backup() {
    let night = Settings { attacks: Vec::new(), hours: 0.2, start: at_hour(23), ..brief() };
    let day = Settings { start: at_hour(9), ..night.clone() };
    assert!(packets(&night).len() * 3 < packets(&day).len());
    let backup = Settings { start: at_hour(1), hours: 0.01, ..night };
    let bytes: usize = packets(&backup).iter().map(|packet| packet.bytes.len()).sum();
    assert!(bytes > 200_000_000, "{bytes}");
}

#[test]
fn a_shift_leaves_what_was_before_it_and_then_brings_new_hosts() {
    let usual = Settings { attacks: Vec::new(), hours: 0.2, ..brief() };
    let shifted = packets(&Settings { shift_at: Some(0.1), ..usual.clone() });
    let shift = usual.start + Duration::from_secs(360);
    let newcomer = |packet: &&Packet| packet.bytes[26..29] == [10, 20, 8] || packet.bytes[26..30] == [10, 20, 0, 30];
    assert!(
        shifted
            .iter()
            .filter(|packet| packet.time < shift)
            .eq(packets(&usual).iter().filter(|packet| packet.time < shift))
    );
    let new: Vec<&Packet> = shifted.iter().filter(newcomer).collect();
    assert!(new.len() > 1_000 && new.iter().all(|packet| packet.time >= shift && packet.planted.is_none()));
    assert!(matches!(Simulation::new(&Settings { shift_at: Some(0.3), ..usual }), Err(Error::Shift { .. })));
}

#[test]
fn what_is_cut_off_is_still_counted() {
    let whole = Settings { hours: 0.02, ..brief() };
    let cut = Settings { snap: Some(96), ..whole.clone() };
    for (whole, cut) in packets(&whole).into_iter().zip(packets(&cut)) {
        assert_eq!(cut.bytes[..], whole.bytes[..whole.bytes.len().min(96)]);
        assert_eq!((cut.length, whole.length), (whole.length, whole.bytes.len() as u32));
    }
    assert!(matches!(Simulation::new(&Settings { snap: Some(0), ..whole }), Err(Error::Snap { snap: 0 })));
}

/// A few minutes with everything in them.
fn brief() -> Settings {
    Settings { hours: 0.1, ..Settings::default() }
}

fn at_hour(hour: i64) -> Time {
    Time::from_nanoseconds((1_741_046_400 + hour * 3_600) * 1_000_000_000)
}

fn packets(settings: &Settings) -> Vec<Packet> {
    Simulation::new(settings).unwrap().collect()
}

fn capture(settings: &Settings) -> Vec<u8> {
    let mut bytes = Vec::new();
    simulate(settings, &mut bytes).unwrap();
    bytes
}

fn addresses(net: Option<&NetHeaders>) -> (IpAddr, IpAddr) {
    match net {
        Some(NetHeaders::Ipv4(ip, _)) => (ip.source.into(), ip.destination.into()),
        Some(NetHeaders::Ipv6(ip, _)) => (ip.source.into(), ip.destination.into()),
        other => panic!("TCP travels over IP: {other:?}"),
    }
}

/// Whether the addresses of a packet, also those of ARP, contain one.
fn names(packet: &Packet, address: IpAddr) -> bool {
    let IpAddr::V4(v4) = address else { panic!("attacks are over IPv4") };
    packet.bytes[26..42].windows(4).any(|window| window == v4.octets())
}
