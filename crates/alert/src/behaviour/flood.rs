//! Floods that exhaust a host or its line: SYN, other TCP, UDP, ICMP.
//!
//! Test: what falls on one victim and is not answered by it, as packets in ten seconds, in minutes and in the whole
//! input, against what no benign peer sends unanswered; and the unanswered share of all that falls on it, by binomial
//! test against a chance of 0.2. Where the sources are many and each sends little, they are taken as spoofed or hired:
//! the victim is named, not they.

use std::net::IpAddr;

use flow::features::ports;
use flow::{Flow, Protocol, State, Time};

use super::load::Load;
use super::reflection::is_reflected;
use super::scale::{Crossing, SIGNIFICANCE, Scale, binomial_tail};
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, port_words};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Role, Severity, Technique};

/// Watches what falls on each host.
#[derive(Default)]
pub(super) struct Floods {
    victims: Tracks<(IpAddr, Kind, Option<u16>), Victim>,
}

/// What the flood is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Syn,
    Tcp,
    Udp,
    Icmp,
}

#[derive(Default)]
struct Victim {
    unanswered: Load,
    answered_flows: u64,
}

impl Weigh for Victim {
    fn weight(&self) -> usize {
        self.unanswered.weight()
    }
}

impl Watch for Floods {
    fn observe(&mut self, flow: &Flow) {
        let victim = flow.key.responder.address;
        if flow.key.to_group() || is_broadcast(victim) || flow.originator.is_silent() {
            return;
        }
        let Some((kind, is_unanswered)) = Kind::of(flow) else { return };
        let port = flow.key.responder.port;
        // SYN floods are looked for at each service, and at the host for those that vary the port.
        let places: &[Option<u16>] = if kind == Kind::Syn { &[Some(port), None] } else { &[None] };
        for &place in places {
            let entry = self.victims.touch((victim, kind, place), flow.end);
            // Refusals on many ports are the echo of a scan.
            let is_scanned = kind == Kind::Syn && place.is_none() && flow.state == Some(State::Rej);
            if is_unanswered && !is_scanned {
                let side = &flow.originator;
                let packets = match (kind, side.detail) {
                    (Kind::Syn, Some(detail)) => u64::from(detail.flags.syn),
                    // Where nobody counted there was one at least.
                    _ => side.packets.unwrap_or(1),
                };
                entry.unanswered.add(flow, flow.key.originator.address, port, packets, side.bytes.unwrap_or(0));
            } else {
                entry.answered_flows += 1;
            }
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence: Vec<Evidence> = Vec::new();
        let mut named = None;
        // In reverse order a host's services come before the host as a whole, and one of them is enough.
        for ((victim, kind, port), entry) in self.victims.sorted().into_iter().rev() {
            let is_new = port.is_some() || named != Some((victim, kind));
            if let Some(one) = entry.evidence(victim, kind, port).filter(|_| is_new) {
                named = Some((victim, kind));
                evidence.push(one);
            }
        }
        evidence
    }

    fn forget(&mut self, before: Time) {
        self.victims.forget(before);
    }
}

impl Victim {
    fn evidence(&self, victim: IpAddr, kind: Kind, port: Option<u16>) -> Option<Evidence> {
        let load = &self.unanswered;
        let is_reflected = kind == Kind::Udp && self.is_from_one_port();
        let crossing = load.timeline.crossing(if is_reflected { &REFLECTED } else { kind.scales() })?;
        let flows = load.flows + self.answered_flows;
        let p = binomial_tail(load.flows, flows, BENIGN_UNANSWERED);
        // A flood of pings is one whether or not it is answered, and a flood may be one long flow.
        let one_long_flow = load.packets() / load.flows.max(1) >= 1000 && self.answered_flows == 0;
        if p > SIGNIFICANCE && !one_long_flow && kind != Kind::Icmp {
            return None;
        }
        let spread = load.is_spread();
        let varies_port = load.ports.len() > 500 && load.packets() >= load.ports.len() as u64 * 10;
        if kind == Kind::Syn && port.is_none() && !spread && !varies_port || self.is_scan(kind) {
            return None;
        }
        let attackers = if spread { Vec::new() } else { load.main_sources() };
        let (top_port, top_packets) = load.top_port().unwrap_or_default();
        let at = match port {
            Some(port) => format!(" port {}", port_words(port)),
            None if kind != Kind::Icmp && is_most(top_packets, load.packets()) => {
                format!(" port {}", port_words(top_port))
            }
            None if kind != Kind::Icmp => format!(" on {} ports", grouped(load.ports.len() as u64)),
            None => String::new(),
        };
        let who = match attackers.as_slice() {
            [] => load.source_words(),
            [one] => one.to_string(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        };
        let burst = load.burst();
        let spoofed = match (is_reflected, spread) {
            (true, _) => ", all from one port: reflectors",
            (false, true) => ", probably spoofed or hired",
            (false, false) => "",
        };
        let summary = format!(
            "{victim}{at} got {} {} in {} from {who}{spoofed}",
            grouped(burst.amount),
            kind.noun(),
            burst.length(),
        );
        let severity = if kind == Kind::Udp && !is_reflected && self.is_streams(&crossing, top_port) {
            if crossing.count < ONE_MODEST_STREAM { Severity::Info } else { Severity::Low }
        } else {
            severity(&crossing)
        };
        let (behaviour, technique) = match kind {
            _ if is_reflected => (Behaviour::Reflection, Technique::ReflectionAmplification),
            Kind::Syn => (kind.behaviour(), Technique::OsExhaustionFlood),
            _ => (kind.behaviour(), Technique::DirectNetworkFlood),
        };
        let subject = attackers.first().copied().unwrap_or(victim);
        let hosts = if attackers.is_empty() {
            hosts((victim, Role::Victim), [], Role::Peer)
        } else {
            let mut hosts = hosts((subject, Role::Attacker), attackers[1..].iter().copied(), Role::Attacker);
            hosts.insert(1, crate::Host { address: victim, role: Role::Victim });
            hosts
        };
        Some(Evidence {
            behaviour,
            subject,
            hosts,
            start: burst.start,
            end: burst.end,
            severity,
            score: crossing.score(),
            technique: Some(technique),
            flows: load.flows,
            summary,
            facts: [
                ("packets", Fact::Count(burst.amount)),
                ("packets_before_and_after", Fact::Count(load.packets().saturating_sub(burst.amount))),
                ("bytes_a_packet", Fact::Count(load.bytes_a_packet())),
                ("flows", Fact::Count(load.flows)),
                ("answered_flows", Fact::Count(self.answered_flows)),
                ("sources", Fact::Count(load.sources.len() as u64)),
                ("sources_spread", Fact::Text(if spread { "yes" } else { "no" }.to_owned())),
                ("ports", Fact::Count(load.ports.len() as u64)),
                ("window", Fact::Text(crossing.scale.name())),
                ("packets_in_window", Fact::Count(crossing.count)),
            ]
            .into_iter()
            .chain((p <= SIGNIFICANCE).then_some(("p_value", Fact::Number(p))))
            .collect(),
            examples: load.examples_of(&attackers, &burst),
        })
    }

    /// Many sources that all send from one port, and not small queries, are services that answer: which one they are
    /// need not be known.
    fn is_from_one_port(&self) -> bool {
        let load = &self.unanswered;
        let (_, packets) = load.top_source_port().unwrap_or_default();
        load.is_spread() && is_most(packets, load.packets()) && load.bytes_a_packet() >= 128
    }

    /// Cameras, logs and measurements that need no answer look like a flood, too: one long, moderate stream a source to
    /// a port that is not known for answering.
    fn is_streams(&self, crossing: &Crossing, port: u16) -> bool {
        let load = &self.unanswered;
        let sources = load.sources.len() as u64;
        let is_narrow = crossing.count.saturating_mul(load.bytes_a_packet()) < NARROW_BYTES;
        let is_one = load.flows <= 3 && crossing.count < ONE_STREAM && is_narrow;
        let are_many = sources < 1000 && load.flows <= sources * 2 && crossing.count < sources * MODEST_STREAM;
        ports::service(port).is_none() && load.ports.len() <= 3 && (is_one || are_many)
    }

    /// A port scan is small packets to ever new ports from few sources.
    fn is_scan(&self, kind: Kind) -> bool {
        let load = &self.unanswered;
        matches!(kind, Kind::Udp | Kind::Tcp)
            && load.sources.len() < 20
            && load.ports.len() as u64 * 5 > load.packets()
            && load.bytes_a_packet() < 128
    }
}

impl Kind {
    /// What a flow counts as, and whether its victim left it unanswered.
    fn of(flow: &Flow) -> Option<(Kind, bool)> {
        let unanswered = flow.responder.is_silent();
        match flow.key.protocol {
            Protocol::Tcp => {
                // Half open: the caller never acknowledged what it was offered.
                let half_open = match flow.originator.detail {
                    Some(detail) => detail.flags.syn > 0 && detail.flags.ack == 0,
                    None => matches!(flow.state, Some(State::S0)),
                };
                let handshake =
                    [&flow.originator, &flow.responder].map(|side| side.detail.map(|detail| detail.flags.syn));
                if handshake == [Some(0), Some(0)] {
                    let is_stray = flow.originator.packets.is_some_and(|packets| packets <= 3)
                        && flow.responder.payload_bytes == Some(0);
                    return Some((Kind::Tcp, is_stray));
                }
                // A SYN flood on a closed port is refused, each time.
                Some((Kind::Syn, half_open || flow.state == Some(State::Rej)))
            }
            Protocol::Udp if is_one_way_service(flow.key.responder.port) || is_reflected(flow) => None,
            Protocol::Udp => Some((Kind::Udp, unanswered)),
            // Error messages answer what others sent.
            Protocol::Icmp if matches!(flow.key.originator.port, 3 | 4 | 5 | 11 | 12) => None,
            Protocol::Icmpv6 if flow.key.originator.port < 128 || flow.key.originator.port > 132 => None,
            // A flood of echo requests is one whether or not the victim still answers.
            Protocol::Icmp | Protocol::Icmpv6 => Some((Kind::Icmp, true)),
            Protocol::Sctp | Protocol::Arp | Protocol::Other(_) => None,
        }
    }

    const fn behaviour(self) -> Behaviour {
        match self {
            Kind::Syn => Behaviour::SynFlood,
            Kind::Tcp => Behaviour::TcpFlood,
            Kind::Udp => Behaviour::UdpFlood,
            Kind::Icmp => Behaviour::IcmpFlood,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Kind::Syn => "unanswered SYN packets",
            Kind::Tcp => "TCP packets outside any conversation",
            Kind::Udp => "unanswered UDP packets",
            Kind::Icmp => "ICMP packets",
        }
    }

    const fn scales(self) -> &'static [Scale] {
        match self {
            Kind::Syn => &SYN,
            Kind::Tcp | Kind::Udp => &PACKETS,
            Kind::Icmp => &ICMP,
        }
    }
}

/// Slow floods, seen only over minutes or more, are less urgent.
fn severity(crossing: &Crossing) -> Severity {
    match crossing.scale.window {
        Some(window) if window.as_secs() <= 10 => Severity::High,
        _ => Severity::Medium,
    }
}

/// Services that take without answering: syslog, flow export, SNMP traps, statistics.
fn is_one_way_service(port: u16) -> bool {
    matches!(port, 162 | 514 | 2055 | 2056 | 4729 | 4739 | 6343 | 8125 | 9555 | 9995 | 9996)
        || matches!(ports::service(port), Some("mdns" | "ssdp" | "dhcp" | "llmnr" | "netbios" | "ws-discovery"))
}

/// Whether at least four fifths of the packets are these.
fn is_most(packets: u64, all: u64) -> bool {
    u128::from(packets) * 5 >= u128::from(all) * 4
}

/// Whether the address looks like a network's broadcast address.
fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[3] == 255)
}

/// SYN packets in seconds, in minutes, in the whole input.
const SYN: [Scale; 3] = [Scale::within(10, 100), Scale::within(300, 600), Scale::whole(50_000)];
const PACKETS: [Scale; 3] = [Scale::within(10, 1000), Scale::within(300, 10_000), Scale::whole(100_000)];
const ICMP: [Scale; 3] = [Scale::within(10, 400), Scale::within(300, 5000), Scale::whole(50_000)];
/// What a camera sends in ten seconds, at 20 Mbit/s.
const NARROW_BYTES: u64 = 25_000_000;
/// Up to so much, such a stream is not even unusual.
const ONE_MODEST_STREAM: u64 = 15_000;
/// What each of many such streams may send in ten seconds.
const MODEST_STREAM: u64 = 500;
/// What one stream of a benign source may send within the window.
const ONE_STREAM: u64 = 50_000;
/// Unanswered packets from one port of many sources.
const REFLECTED: [Scale; 2] = [Scale::within(10, 300), Scale::within(300, 3000)];
/// The chance that a flow to a benign, working host stays unanswered, at most.
const BENIGN_UNANSWERED: f64 = 0.2;
