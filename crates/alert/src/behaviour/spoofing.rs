//! Addresses that cannot be true.
//!
//! Source and destination the same, address and port (the land attack), and sources that no host can have on a wire
//! (loopback, groups, the reserved class E): no model of benign traffic has them, ten packets are told, so that a single
//! broken one is not. Made-up sources: distinct callers outside, each without an answer, to one target outside, seen where
//! nine tenths of the other flows touch home: 100 in ten seconds or 500 in ten minutes. Null model: strays of routing,
//! Poisson with mean one a second. Many senders, one machine: addresses in whose name one hardware address asks (ARP): 20
//! in all. Null model: a machine asks in the name of its own addresses, Poisson with mean 2. Routers send on for many, but
//! ask in their own name.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flow::{Application, Flow, Protocol, Time};

use super::arp_poisoning;
use super::contacts::{Contacts, Outcome};
use super::load::Span;
use super::scale::{Scale, crossing, poisson_tail};
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, list};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Home, Host, Role, Severity};

/// Watches for addresses that cannot be true.
pub(super) struct Spoofs {
    home: Home,
    /// Impossible pairs, by their target and kind.
    impossible: Tracks<(IpAddr, Kind), Impossible>,
    /// Callers outside, by the target outside.
    foreign: Tracks<IpAddr, Foreign>,
    machines: Tracks<[u8; 6], Senders>,
    flows: u64,
    foreign_flows: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// Source and destination are the same.
    Land,
    /// The source is an address that no sender has.
    Martian,
}

#[derive(Default)]
struct Impossible {
    packets: u64,
    flows: u64,
    sources: BTreeSet<IpAddr>,
    span: Span,
}

#[derive(Default)]
struct Foreign {
    callers: Contacts<IpAddr>,
    span: Span,
}

/// In whose names a machine asks.
#[derive(Default)]
struct Senders {
    addresses: BTreeSet<IpAddr>,
    first: Option<IpAddr>,
    flows: u64,
    span: Span,
}

impl Weigh for Impossible {
    fn weight(&self) -> usize {
        2 + self.sources.len()
    }
}

impl Weigh for Foreign {
    fn weight(&self) -> usize {
        2 + self.callers.weight()
    }
}

impl Weigh for Senders {
    fn weight(&self) -> usize {
        2 + self.addresses.len()
    }
}

impl Watch for Spoofs {
    fn observe(&mut self, flow: &Flow) {
        let (source, target) = (flow.key.originator, flow.key.responder);
        if let Some(Application::Arp(arp)) = flow.application.as_deref() {
            for claim in arp.claims.iter().filter(|claim| claim.requests > 0) {
                let senders = self.machines.touch(claim.hardware, flow.end);
                senders.first.get_or_insert(claim.address.into());
                if senders.addresses.len() < MAX_SENDERS {
                    senders.addresses.insert(claim.address.into());
                }
                senders.flows += 1;
                senders.span.add(flow);
            }
        }
        if flow.key.protocol == Protocol::Arp {
            return;
        }
        self.flows += 1;
        if let Some(kind) = Kind::of(flow) {
            let impossible = self.impossible.touch((target.address, kind), flow.end);
            impossible.packets = impossible.packets.saturating_add(flow.originator.packets.unwrap_or(1));
            impossible.flows += 1;
            if impossible.sources.len() < MAX_SENDERS {
                impossible.sources.insert(source.address);
            }
            impossible.span.add(flow);
            return;
        }
        let touches_home = self.home.contains(source.address) || self.home.contains(target.address);
        if !touches_home && !flow.key.to_group() {
            self.foreign_flows += 1;
            if Outcome::of(flow) == Some(Outcome::Silent) {
                let foreign = self.foreign.touch(target.address, flow.end);
                foreign.callers.add(source.address, flow.start, Outcome::Silent);
                foreign.span.add(flow);
            }
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let impossible = self.impossible.sorted().into_iter().filter_map(|(key, one)| one.evidence(key));
        let machines = self.machines.sorted().into_iter().filter_map(|(machine, senders)| senders.evidence(machine));
        let mut evidence: Vec<Evidence> = impossible.chain(machines).collect();
        for (target, foreign) in self.foreign.sorted() {
            // In a network of other homes than these all is foreign.
            let rest = self.foreign_flows - foreign.callers.flows.min(self.foreign_flows);
            let others = self.flows - foreign.callers.flows.min(self.flows);
            if others >= LEAST_OTHERS && rest * 10 <= others {
                evidence.extend(foreign.evidence(target));
            }
        }
        evidence
    }

    fn forget(&mut self, before: Time) {
        self.impossible.forget(before);
        self.foreign.forget(before);
        self.machines.forget(before);
    }
}

impl Spoofs {
    /// In a network of these homes.
    pub(super) fn of(home: Home) -> Spoofs {
        Spoofs {
            home,
            impossible: Tracks::default(),
            foreign: Tracks::default(),
            machines: Tracks::default(),
            flows: 0,
            foreign_flows: 0,
        }
    }
}

impl Kind {
    fn of(flow: &Flow) -> Option<Kind> {
        let (source, target) = (flow.key.originator, flow.key.responder);
        let has_ports = matches!(flow.key.protocol, Protocol::Tcp | Protocol::Udp);
        if source.address.is_loopback() && target.address.is_loopback() || flow.originator.is_silent() {
            return None;
        }
        if source == target && has_ports && !source.address.is_unspecified() {
            return Some(Kind::Land);
        }
        let is_reserved = match source.address {
            IpAddr::V4(address) => address.octets()[0] >= 240,
            IpAddr::V6(_) => false,
        };
        let is_impossible = source.address.is_loopback() || source.address.is_multicast() || is_reserved;
        is_impossible.then_some(Kind::Martian)
    }
}

impl Impossible {
    fn evidence(&self, (target, kind): (IpAddr, Kind)) -> Option<Evidence> {
        if self.packets < LEAST_PACKETS {
            return None;
        }
        let what = match kind {
            Kind::Land => "from its own address and port (land attack)".to_owned(),
            Kind::Martian => {
                let first = self.sources.first().map_or_else(String::new, IpAddr::to_string);
                format!("from {} addresses that no sender has, such as {first}", grouped(self.sources.len() as u64))
            }
        };
        Some(Evidence {
            summary: format!("{target} got {} packets {what}", grouped(self.packets)),
            facts: Facts::from([
                ("packets", Fact::Count(self.packets)),
                ("sources", list(&self.sources)),
                ("p_value", Fact::Number(poisson_tail(self.packets, 1.0))),
            ]),
            score: 1.0 - 0.5 * LEAST_PACKETS as f64 / self.packets as f64,
            ..describe(target, hosts((target, Role::Victim), [], Role::Peer), &self.span, self.flows)
        })
    }
}

impl Foreign {
    fn evidence(&self, target: IpAddr) -> Option<Evidence> {
        if self.callers.len() < FOREIGN[0].least as usize {
            return None;
        }
        let times: Vec<Time> = self.callers.all().iter().map(|(time, _, _)| *time).collect();
        let crossing = crossing(&times, &FOREIGN)?;
        let window = crossing.scale.window.map_or(0.0, |window| window.as_secs_f64());
        Some(Evidence {
            summary: format!(
                "{target}, outside, was called through this network from {} addresses outside, without an answer: somebody here makes up sources",
                grouped(self.callers.len() as u64),
            ),
            facts: Facts::from([
                ("sources", Fact::Count(self.callers.len() as u64)),
                ("window", Fact::Text(crossing.scale.name())),
                ("count_in_window", Fact::Count(crossing.count)),
                ("p_value", Fact::Number(poisson_tail(crossing.count, window))),
            ]),
            score: crossing.score(),
            ..describe(target, hosts((target, Role::Victim), [], Role::Peer), &self.span, self.callers.flows)
        })
    }
}

impl Senders {
    fn evidence(&self, machine: [u8; 6]) -> Option<Evidence> {
        let count = self.addresses.len() as u64;
        let first = self.first.filter(|_| count >= LEAST_SENDERS)?;
        let others = self.addresses.iter().copied().filter(|&address| address != first);
        Some(Evidence {
            summary: format!(
                "{} asked by ARP in the name of {} addresses",
                arp_poisoning::words(machine),
                grouped(count)
            ),
            facts: Facts::from([
                ("machine", Fact::Text(arp_poisoning::words(machine))),
                ("addresses", list(&self.addresses)),
                ("p_value", Fact::Number(poisson_tail(count, 2.0))),
            ]),
            score: 1.0 - 0.5 * LEAST_SENDERS as f64 / count as f64,
            ..describe(first, hosts((first, Role::Attacker), others, Role::Peer), &self.span, self.flows)
        })
    }
}

/// Evidence of spoofing, the part that all kinds share.
fn describe(subject: IpAddr, hosts: Vec<Host>, span: &Span, flows: u64) -> Evidence {
    Evidence {
        behaviour: Behaviour::AddressSpoofing,
        subject,
        hosts,
        start: span.start(),
        end: span.end(),
        severity: Severity::Medium,
        score: 0.0,
        technique: None,
        flows,
        summary: String::new(),
        facts: Facts::default(),
        examples: span.examples.clone(),
    }
}

/// Packets with impossible addresses.
const LEAST_PACKETS: u64 = 10;
/// Made-up sources of one target.
const FOREIGN: [Scale; 2] = [Scale::within(10, 100), Scale::within(600, 500)];
/// Flows beside those, to know that this is not simply another network.
const LEAST_OTHERS: u64 = 50;
/// Addresses in whose name one machine asks.
const LEAST_SENDERS: u64 = 20;
const MAX_SENDERS: usize = 256;

#[cfg(test)]
mod tests {
    use flow::{Arp, Claim, Duration, Endpoint, Key, Side};

    use super::*;

    fn call(at: u64, from: [u8; 4], to: [u8; 4], packets: u64) -> Flow {
        let [originator, responder] = [from, to].map(|address| Endpoint::new(address.into(), 139));
        let key = Key { originator, responder, protocol: Protocol::Tcp };
        let start = Time::from_nanoseconds(0) + Duration::from_millis(at);
        let originator = Side { packets: Some(packets), ..Side::default() };
        Flow { originator, responder: Side::SILENT, ..Flow::between(key, start, start) }
    }

    fn found(flows: &[Flow]) -> Vec<IpAddr> {
        let mut watch = Spoofs::of(Home::default());
        flows.iter().for_each(|flow| watch.observe(flow));
        watch.evidence().iter().map(|one| one.subject).collect()
    }

    #[test]
    fn the_land_attack_and_loopback_on_the_wire_are_spoofed() {
        let target = [10, 0, 0, 2];
        assert_eq!(found(&[call(0, target, target, 10)]), [IpAddr::from(target)]);
        assert_eq!(found(&[call(0, [127, 0, 0, 1], target, 10)]), [IpAddr::from(target)]);
        assert_eq!(
            found(&[call(0, target, target, 9), call(0, [127, 0, 0, 1], [127, 0, 0, 1], 99)]),
            [] as [IpAddr; 0]
        );
    }

    #[test]
    fn made_up_sources_stand_out_where_the_rest_is_home() {
        let made_up = (0..150).map(|n| call(u64::from(n) * 10, [203, 0, 113, n], [198, 51, 100, 7], 1));
        let home = (0..150).map(|n| call(0, [10, 0, 0, n], [198, 51, 100, n], 1));
        assert_eq!(found(&home.chain(made_up.clone()).collect::<Vec<_>>()), [IpAddr::from([198, 51, 100, 7])]);
        let others = (0..150).map(|n| call(0, [192, 0, 2, n], [198, 51, 100, n], 1));
        assert_eq!(found(&others.chain(made_up).collect::<Vec<_>>()), [] as [IpAddr; 0]);
    }

    #[test]
    fn a_machine_that_asks_in_many_names_is_spoofing() {
        let asks = |last| {
            let (address, first, last_time) = ([10, 0, 0, last].into(), Time::MIN, Time::MIN);
            let claim = Claim { address, hardware: [2; 6], requests: 1, replies: 0, first, last: last_time };
            let key = Key { protocol: Protocol::Arp, ..call(0, [10, 0, 0, last], [10, 0, 0, 1], 1).key };
            let application = Some(Box::new(Application::Arp(Arp { claims: vec![claim] })));
            Flow { application, key, ..call(0, [10, 0, 0, last], [10, 0, 0, 1], 1) }
        };
        assert_eq!(found(&(10..30).map(asks).collect::<Vec<_>>()), [IpAddr::from([10, 0, 0, 10])]);
        assert_eq!(found(&(10..29).map(asks).collect::<Vec<_>>()), [] as [IpAddr; 0]);
    }
}
