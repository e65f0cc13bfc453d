//! Port scans: one host tries many ports, or IP protocols, of another.
//!
//! Test: were the caller benign, each first contact with a port would fail with a chance of at most 0.2 (Jung et al.,
//! "Fast Portscan Detection Using Sequential Hypothesis Testing", 2004, take the same). The scan is called where the
//! failures among the distinct ports are beyond that by a binomial test, and at least so many in seconds, in minutes or
//! in the whole input. A contact fails when nothing comes back, when it is refused, or when nothing is said over it.
//!
//! Service and script scans of a single port look like many different requests at once that are answered alike; see
//! [`super::http_flood`] for the same pattern without an end.

use std::cell::LazyCell;
use std::net::IpAddr;

use flow::{Flow, Protocol, State, Time};

use super::contacts::{Contacts, Outcome};
use super::load::Span;
use super::scale::{SIGNIFICANCE, Scale, binomial_tail, crossing};
use super::tracks::{Tracks, Weigh};
use super::usual::Usual;
use super::words::{grouped, hosts, list, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who tries which ports of whom.
#[derive(Default)]
pub(super) struct Scans {
    pairs: Tracks<(IpAddr, IpAddr, Layer), Pair>,
}

/// What is tried: the ports of one transport, or other IP protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Layer {
    Tcp,
    Udp,
    Sctp,
    Ip,
}

/// What one host tried of another.
#[derive(Default)]
struct Pair {
    ports: Contacts<u16>,
    protocols: Contacts<u8>,
    /// Ports whose offered handshake was broken off at once, whatever was done with them otherwise.
    half_open: Contacts<u16>,
    probes: [u64; Probe::ALL.len()],
    packets: u64,
    bytes: u64,
    span: Span,
}

/// What the probes of a TCP scan look like, named as nmap's manual names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Syn,
    Connect,
    Fin,
    Null,
    Xmas,
    Maimon,
    Ack,
    SynFin,
    Udp,
    Sctp,
    Other,
}

impl Weigh for Pair {
    fn weight(&self) -> usize {
        self.ports.weight() + self.protocols.weight() + self.half_open.weight()
    }
}

impl Watch for Scans {
    fn observe(&mut self, flow: &Flow) {
        let key = flow.key;
        let Some(outcome) = Outcome::of(flow) else { return };
        if key.to_group() || key.originator.address == key.responder.address || is_traceroute(flow) {
            return;
        }
        let layer = match key.protocol {
            Protocol::Tcp => Layer::Tcp,
            Protocol::Udp => Layer::Udp,
            Protocol::Sctp => Layer::Sctp,
            Protocol::Other(_) => Layer::Ip,
            Protocol::Icmp | Protocol::Icmpv6 | Protocol::Arp => return,
        };
        let pair = self.pairs.touch((key.originator.address, key.responder.address, layer), flow.end);
        if let Protocol::Other(number) = key.protocol {
            pair.protocols.add(number, flow.start, outcome);
            pair.span.add(flow);
            return;
        }
        pair.ports.add(key.responder.port, flow.start, outcome);
        if is_half_open(flow) {
            pair.half_open.add(key.responder.port, flow.start, outcome);
        }
        if outcome != Outcome::Used {
            pair.probes[Probe::of(flow) as usize] += 1;
            pair.packets = pair.packets.saturating_add(flow.originator.packets.unwrap_or(1));
            pair.bytes = pair.bytes.saturating_add(flow.originator.bytes.unwrap_or(0));
            pair.span.add(flow);
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let pairs = self.pairs.sorted();
        let ports = |pair: &Pair| pair.ports.len() as u64;
        let usual = LazyCell::new(|| Usual::of(pairs.iter().map(|((scanner, ..), pair)| (*scanner, ports(pair)))));
        let scan = |&((scanner, target, layer), pair): &((IpAddr, IpAddr, Layer), &Pair)| match layer {
            Layer::Ip => pair.protocol_scan(scanner, target),
            _ => match pair.port_scan(scanner, target) {
                Some(scan) => Some(usual.beside(scan, ports(pair))),
                None => pair.fingerprinting(scanner, target),
            },
        };
        pairs.iter().filter_map(scan).collect()
    }

    fn forget(&mut self, before: Time) {
        self.pairs.forget(before);
    }
}

impl Pair {
    fn port_scan(&self, scanner: IpAddr, target: IpAddr) -> Option<Evidence> {
        let probed = self.ports.probed();
        let p = binomial_tail(probed.len() as u64, self.ports.len() as u64, BENIGN_FAILURE);
        // A half-open scan of a host whose ports are all open fails nowhere, and no benign client breaks off like that.
        let scales = if self.kind() == Probe::Udp { &UDP_PORTS } else { &PORTS };
        let (probed, crossing, p) = match crossing(&times(&probed), scales) {
            Some(crossing) if p <= SIGNIFICANCE => (probed, crossing, Some(p)),
            _ => {
                let half_open = self.half_open.all();
                let crossing = crossing(&times(&half_open), &HALF_OPEN)?;
                (half_open, crossing, None)
            }
        };
        let times = times(&probed);
        let kind = self.kind();
        // A scanner asks each port a time or two; a flood that varies its port does not care how often.
        if probed.len() > 500 && self.packets >= probed.len() as u64 * 10 {
            return None;
        }
        // Large datagrams are answers or a flood that varies its port: a scanner asks in few bytes and moves on.
        if kind == Probe::Udp && self.bytes / self.packets.max(1) >= 200 {
            return None;
        }
        let count = |outcome| probed.iter().filter(|&&(_, _, o)| o == outcome).count() as u64;
        let (silent, refused) = (count(Outcome::Silent), count(Outcome::Refused));
        let open = probed.len() as u64 - silent - refused;
        let (first, last) = (times[0], times[times.len() - 1]);
        let summary = format!(
            "{scanner} tried {} {} of {target} in {} ({} scan): {} silent, {} refused, {} open",
            grouped(probed.len() as u64),
            kind.ports(),
            seconds(last.since(first)),
            kind.name(),
            grouped(silent),
            grouped(refused),
            grouped(open),
        );
        Some(Evidence {
            severity: if probed.len() >= 100 { Severity::High } else { Severity::Medium },
            score: crossing.score(),
            flows: self.probes.iter().sum(),
            summary,
            facts: [
                ("probe", Fact::Text(kind.name().to_owned())),
                ("distinct_ports", Fact::Count(probed.len() as u64)),
                ("all_ports_called", Fact::Count(self.ports.len() as u64)),
                ("silent", Fact::Count(silent)),
                ("refused", Fact::Count(refused)),
                ("open", Fact::Count(open)),
                ("window", Fact::Text(crossing.scale.name())),
                ("ports_in_window", Fact::Count(crossing.count)),
                ("first_ports", list(probed.iter().map(|(_, port, _)| port))),
            ]
            .into_iter()
            .chain(p.map(|p| ("p_value", Fact::Number(p))))
            .collect(),
            ..self.of(scanner, target)
        })
    }

    /// What all that is seen of the pair has in common.
    fn of(&self, scanner: IpAddr, target: IpAddr) -> Evidence {
        Evidence {
            behaviour: Behaviour::PortScan,
            subject: scanner,
            hosts: hosts((scanner, Role::Attacker), [target], Role::Victim),
            start: self.span.start(),
            end: self.span.end(),
            severity: Severity::Medium,
            score: 0.0,
            technique: Some(Technique::NetworkServiceDiscovery),
            flows: 0,
            summary: String::new(),
            facts: Facts::default(),
            examples: self.span.examples.clone(),
        }
    }

    fn protocol_scan(&self, scanner: IpAddr, target: IpAddr) -> Option<Evidence> {
        let probed = self.protocols.failed(Outcome::Unused);
        let times = times(&probed);
        let crossing = crossing(&times, &PROTOCOLS)?;
        Some(Evidence {
            score: crossing.score(),
            flows: self.protocols.flows,
            summary: format!(
                "{scanner} tried {} IP protocols of {target} in {} (IP protocol scan)",
                probed.len(),
                seconds(times[times.len() - 1].since(times[0])),
            ),
            facts: Facts::from([
                ("probe", Fact::Text("IP protocol".to_owned())),
                ("distinct_protocols", Fact::Count(probed.len() as u64)),
                ("window", Fact::Text(crossing.scale.name())),
                ("protocols", list(probed.iter().map(|(_, number, _)| number))),
            ]),
            ..self.of(scanner, target)
        })
    }

    /// Several packets that no stack sends of itself: the sender wants to see how the target's answers differ.
    fn fingerprinting(&self, scanner: IpAddr, target: IpAddr) -> Option<Evidence> {
        let count = |probe: Probe| self.probes[probe as usize];
        let kinds: Vec<Probe> =
            [Probe::Null, Probe::Xmas, Probe::SynFin].into_iter().filter(|&probe| count(probe) > 0).collect();
        if kinds.len() < 2 {
            return None;
        }
        let flows: u64 = kinds.iter().map(|&probe| count(probe)).sum();
        let names: Vec<&str> = kinds.iter().map(|probe| probe.name()).collect();
        Some(Evidence {
            score: 1.0 - 0.5 / flows as f64,
            flows,
            summary: format!(
                "{scanner} opened {flows} flows to {target} with flags that no system sends of itself: {} (operating system detection)",
                names.join(", "),
            ),
            facts: Facts::from([("probe", Fact::Text("fingerprinting".to_owned())), ("flags", list(names))]),
            ..self.of(scanner, target)
        })
    }

    /// The kind of the most probes. A connect scan is a SYN scan that finishes the handshake where it can.
    fn kind(&self) -> Probe {
        let count = |probe: Probe| self.probes[probe as usize];
        if count(Probe::Connect) > 0 && count(Probe::Syn) >= count(Probe::Connect) {
            return Probe::Connect;
        }
        Probe::ALL.into_iter().rev().max_by_key(|&probe| count(probe)).unwrap_or(Probe::Other)
    }
}

impl Probe {
    const ALL: [Probe; 11] = [
        Probe::Syn,
        Probe::Connect,
        Probe::Fin,
        Probe::Null,
        Probe::Xmas,
        Probe::Maimon,
        Probe::Ack,
        Probe::SynFin,
        Probe::Udp,
        Probe::Sctp,
        Probe::Other,
    ];

    fn of(flow: &Flow) -> Probe {
        match flow.key.protocol {
            Protocol::Udp => return Probe::Udp,
            Protocol::Sctp => return Probe::Sctp,
            _ => {}
        }
        let Some(detail) = flow.originator.detail.filter(|_| flow.key.protocol == Protocol::Tcp) else {
            return Probe::Other;
        };
        let flags = detail.flags;
        match (flags.syn > 0, flags.fin > 0, flags.ack > 0) {
            (true, true, _) if flow.originator.packets == Some(1) => Probe::SynFin,
            (true, _, true) if !flow.responder.is_silent() => Probe::Connect,
            (true, _, _) => Probe::Syn,
            (false, true, true) => Probe::Maimon,
            (false, true, false) if flags.psh > 0 && flags.urg > 0 => Probe::Xmas,
            (false, true, false) => Probe::Fin,
            (false, false, true) => Probe::Ack,
            (false, false, false) if flags.psh + flags.urg + flags.rst == 0 => Probe::Null,
            (false, false, false) => Probe::Other,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Probe::Syn => "SYN",
            Probe::Connect => "connect",
            Probe::Fin => "FIN",
            Probe::Null => "NULL",
            Probe::Xmas => "Xmas",
            Probe::Maimon => "Maimon",
            Probe::Ack => "ACK",
            Probe::SynFin => "SYN+FIN",
            Probe::Udp => "UDP",
            Probe::Sctp => "SCTP",
            // Logs of flows do not tell flags.
            Probe::Other => "TCP",
        }
    }

    const fn ports(self) -> &'static str {
        match self {
            Probe::Udp => "UDP ports",
            Probe::Sctp => "SCTP ports",
            _ => "TCP ports",
        }
    }
}

/// Whether the originator broke off the handshake that it was offered: SYN, SYN-ACK, and a RST without a word.
fn is_half_open(flow: &Flow) -> bool {
    flow.key.protocol == Protocol::Tcp
        && flow.state == Some(State::Rsto)
        && flow.originator.packets.is_some_and(|packets| packets <= 3)
        && flow.payload_bytes() == Some(0)
        && flow.originator.detail.is_some_and(|detail| detail.flags.ack == 0)
}

fn times<T>(contacts: &[(Time, T, Outcome)]) -> Vec<Time> {
    contacts.iter().map(|&(time, ..)| time).collect()
}

/// Traceroute counts its way up through UDP ports from 33434 on, unanswered by design.
fn is_traceroute(flow: &Flow) -> bool {
    flow.key.protocol == Protocol::Udp && (33434..33534).contains(&flow.key.responder.port)
}

/// Seconds, minutes, the whole input.
const PORTS: [Scale; 3] = [Scale::within(10, 10), Scale::within(600, 20), Scale::whole(30)];
/// Calls and games look for a way through by trying a dozen.
const UDP_PORTS: [Scale; 3] = [Scale::within(10, 15), Scale::within(600, 25), Scale::whole(40)];
const HALF_OPEN: [Scale; 3] = [Scale::within(10, 6), Scale::within(600, 10), Scale::whole(15)];
/// A benign host speaks perhaps three protocols besides TCP, UDP and ICMP with another.
const PROTOCOLS: [Scale; 2] = [Scale::within(600, 6), Scale::whole(10)];
/// The chance that a benign host's first contact with a port fails, at most.
const BENIGN_FAILURE: f64 = 0.2;
