//! Reflection and amplification: answers that nobody asked for, from many hosts towards one victim.
//!
//! Test: distinct hosts (or, from a few, packets) that answer one host from one service without its having asked, in seconds, in minutes and in
//! the whole input; and the share of such answers among all that comes from that service, by binomial test against a
//! chance of 0.2. The reflectors are abused, so the victim is named, not they.

use std::net::IpAddr;

use flow::features::ports;
use flow::{Flow, Protocol, Time};

use super::contacts::{Contacts, Outcome, is_unasked_syn_ack};
use super::load::Load;
use super::scale::{SIGNIFICANCE, Scale, binomial_tail, crossing};
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, port_words};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who gets answers to what it never asked.
#[derive(Default)]
pub(super) struct Reflections {
    victims: Tracks<(IpAddr, Protocol, u16), Victim>,
    asked: Tracks<(IpAddr, Protocol, u16), Asked>,
}

/// What one host got from one service without having asked.
#[derive(Default)]
struct Victim {
    reflectors: Contacts<IpAddr>,
    load: Load,
}

/// Flows in which a host did ask a service.
#[derive(Default)]
struct Asked {
    flows: u64,
}

impl Weigh for Asked {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for Victim {
    fn weight(&self) -> usize {
        self.reflectors.weight() + self.load.weight()
    }
}

impl Watch for Reflections {
    fn observe(&mut self, flow: &Flow) {
        let key = flow.key;
        // An answer has its service as its source port, and the service is the responder's unless no one knows it.
        let (victim, reflector, side) = if flow.originator.is_silent() || is_unasked_syn_ack(flow) {
            (key.originator.address, key.responder, &flow.responder)
        } else if is_reflected(flow) {
            (key.responder.address, key.originator, &flow.originator)
        } else {
            if key.protocol.has_ports() {
                let asked = (key.originator.address, key.protocol, key.responder.port);
                self.asked.touch(asked, flow.end).flows += 1;
            }
            return;
        };
        if !is_unasked_answer(flow) {
            return;
        }
        let entry = self.victims.touch((victim, key.protocol, reflector.port), flow.end);
        entry.reflectors.add(reflector.address, flow.start, Outcome::Silent);
        entry.load.add(flow, reflector.address, reflector.port, side.packets.unwrap_or(1), side.bytes.unwrap_or(0));
    }

    fn evidence(&self) -> Vec<Evidence> {
        let victims = self.victims.sorted();
        victims
            .into_iter()
            .filter_map(|(key, entry)| entry.evidence(key, self.asked.get(&key).map_or(0, |asked| asked.flows)))
            .collect()
    }

    fn forget(&mut self, before: Time) {
        self.victims.forget(before);
        self.asked.forget(before);
    }
}

impl Victim {
    fn evidence(&self, key: (IpAddr, Protocol, u16), asked_flows: u64) -> Option<Evidence> {
        let (victim, protocol, port) = key;
        let reflectors = self.reflectors.all();
        let times: Vec<Time> = reflectors.iter().map(|&(time, ..)| time).collect();
        let crossing =
            crossing(&times, &SCALES).or_else(|| self.load.timeline.crossing(&VOLUME).filter(|_| times.len() >= 3))?;
        let p = binomial_tail(self.load.flows, self.load.flows + asked_flows, BENIGN_UNASKED);
        if p > SIGNIFICANCE {
            return None;
        }
        let load = &self.load;
        let burst = load.burst();
        let service = match protocol {
            Protocol::Tcp => format!("TCP port {} (SYN-ACK)", port),
            Protocol::Udp => format!("UDP port {}", port_words(port)),
            _ => "ICMP echo replies".to_owned(),
        };
        let summary = format!(
            "{victim} got {} packets ({} bytes) that it never asked for in {} from {} reflectors, {service}",
            grouped(load.packets()),
            grouped(load.bytes),
            burst.length(),
            grouped(reflectors.len() as u64),
        );
        Some(Evidence {
            behaviour: Behaviour::Reflection,
            subject: victim,
            hosts: hosts((victim, Role::Victim), reflectors.iter().map(|&(_, address, _)| address), Role::Peer),
            start: burst.start,
            end: burst.end,
            severity: if crossing.scale.window.is_some() { Severity::High } else { Severity::Medium },
            score: crossing.score(),
            technique: Some(Technique::ReflectionAmplification),
            flows: load.flows,
            summary,
            facts: Facts::from([
                ("service", Fact::Text(format!("{protocol}/{port}"))),
                ("reflectors", Fact::Count(reflectors.len() as u64)),
                ("unasked_packets", Fact::Count(load.packets())),
                ("unasked_bytes", Fact::Count(load.bytes)),
                ("asked_flows", Fact::Count(asked_flows)),
                ("bytes_a_packet", Fact::Count(load.bytes_a_packet())),
                ("window", Fact::Text(crossing.scale.name())),
                ("count_in_window", Fact::Count(crossing.count)),
                ("p_value", Fact::Number(p)),
            ]),
            examples: load.span.examples.clone(),
        })
    }
}

/// Whether the flow is one-way traffic from a service that amplifies and that the port table does not turn round.
pub(super) fn is_reflected(flow: &Flow) -> bool {
    flow.key.protocol == Protocol::Udp
        && flow.responder.is_silent()
        && (ports::service(flow.key.originator.port).is_some() || AMPLIFIERS.contains(&flow.key.originator.port))
        && !flow.key.to_group()
        // Between equal ports it is an answer only by its size: both sides of NTP and DNS may use the service's port.
        && (flow.key.originator.port != flow.key.responder.port
            || flow.originator.bytes.zip(flow.originator.packets).is_some_and(|(bytes, packets)| bytes / packets.max(1) >= LARGE_BYTES))
}

/// Whether the answers bear the marks of a reflector: of TCP only the SYN-ACK, of ICMP only echo replies.
fn is_unasked_answer(flow: &Flow) -> bool {
    match flow.key.protocol {
        Protocol::Tcp => is_unasked_syn_ack(flow) && flow.responder.payload_bytes.unwrap_or(0) == 0,
        Protocol::Udp => true,
        Protocol::Icmp | Protocol::Icmpv6 => matches!(flow.key.originator.port, 8 | 128),
        Protocol::Sctp | Protocol::Arp | Protocol::Other(_) => false,
    }
}

/// UDP services abused for amplification that are no usual services otherwise (US-CERT TA14-017A and later advisories).
const AMPLIFIERS: [u16; 19] =
    [17, 19, 69, 111, 520, 1434, 3283, 3478, 3702, 5093, 6881, 8000, 10001, 10074, 11211, 27015, 30718, 32414, 37810];
/// Larger than any usual query.
const LARGE_BYTES: u64 = 200;
/// Distinct reflectors in seconds, in minutes, in the whole input.
const SCALES: [Scale; 3] = [Scale::within(10, 12), Scale::within(600, 30), Scale::whole(100)];
/// Packets of a few reflectors that send much each.
const VOLUME: [Scale; 2] = [Scale::within(10, 1000), Scale::within(300, 10_000)];
/// The chance that a benign host gets an answer whose question the capture missed, at most.
const BENIGN_UNASKED: f64 = 0.2;
