//! Sweeps: one host tries the same thing on many hosts, over TCP, UDP, ICMP or ARP.
//!
//! Test: as for port scans, by binomial test over first contacts. What fails for a benign host, and how often, differs:
//! at most one first call in five over TCP and UDP; one ping in twenty, since people and monitors ping what is there; one
//! ARP request in two, since neighbours are often off.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use flow::features::ports;
use flow::{Flow, Protocol, Time};

use super::contacts::{Contacts, Outcome};
use super::load::Span;
use super::scale::{SIGNIFICANCE, Scale, binomial_tail, crossing};
use super::tracks::{Tracks, Weigh};
use super::usual::Usual;
use super::words::{grouped, hosts, list, port_words, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who tries what on how many hosts.
#[derive(Default)]
pub(super) struct Sweeps {
    callers: Tracks<(IpAddr, What), Sweep>,
}

/// What is tried on each host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum What {
    Tcp(u16),
    Udp(u16),
    Ping,
    Arp,
    /// Any TCP or UDP port: each host another one.
    Any,
}

#[derive(Default)]
struct Sweep {
    targets: Contacts<IpAddr>,
    span: Span,
}

impl Weigh for Sweep {
    fn weight(&self) -> usize {
        self.targets.weight()
    }
}

impl Watch for Sweeps {
    fn observe(&mut self, flow: &Flow) {
        let key = flow.key;
        let (Some(outcome), Some(what)) = (Outcome::of(flow), What::of(flow)) else { return };
        if key.to_group() || key.originator.address == key.responder.address || key.originator.address.is_unspecified()
        {
            return;
        }
        let places: &[What] = if key.protocol.has_ports() { &[what, What::Any] } else { &[what] };
        for &what in places {
            let sweep = self.callers.touch((key.originator.address, what), flow.end);
            sweep.targets.add(key.responder.address, flow.start, outcome);
            if outcome != Outcome::Used || what == What::Ping {
                sweep.span.add(flow);
            }
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence: Vec<Evidence> = Vec::new();
        let callers = self.callers.sorted();
        let hosts = |sweep: &Sweep| sweep.targets.len() as u64;
        let usual = LazyCell::new(|| Usual::of(callers.iter().map(|((caller, _), sweep)| (*caller, hosts(sweep)))));
        for &((caller, what), sweep) in &callers {
            // Any port comes last, and says nothing new about who sweeps one.
            let is_known = what == What::Any && evidence.last().is_some_and(|last| last.subject == caller);
            if !is_known {
                evidence.extend(sweep.evidence(caller, what).map(|one| usual.beside(one, hosts(sweep))));
            }
        }
        evidence
    }

    fn forget(&mut self, before: Time) {
        self.callers.forget(before);
    }
}

impl Sweep {
    fn evidence(&self, caller: IpAddr, what: What) -> Option<Evidence> {
        // Who opens the same connections again and again and says nothing checks that they are up.
        let checks = self.targets.flows > self.targets.len() as u64 * 3;
        let failed = self.targets.failed(if checks { Outcome::Refused } else { Outcome::Unused });
        // A ping that is answered was sent to find out, too.
        let counted = if what == What::Ping { self.targets.all() } else { failed.clone() };
        let times: Vec<Time> = counted.iter().map(|&(time, ..)| time).collect();
        let crossing = crossing(&times, what.scales())?;
        let p = binomial_tail(failed.len() as u64, self.targets.len() as u64, what.benign_failure());
        if p > what.significance() {
            return None;
        }
        let all = self.targets.all();
        let count = |wanted| all.iter().filter(|&&(_, _, outcome)| outcome == wanted).count() as u64;
        let outcomes = [
            (Outcome::Silent, "did not answer"),
            (Outcome::Refused, "refused"),
            (Outcome::Unused, "accepted and were left at once"),
            (Outcome::Used, "answered"),
        ];
        let told: Vec<String> = outcomes
            .into_iter()
            .map(|(outcome, words)| (count(outcome), words))
            .filter(|&(hosts, _)| hosts > 0)
            .map(|(hosts, words)| format!("{} {words}", grouped(hosts)))
            .collect();
        let summary = format!(
            "{caller} {} {} hosts in {}: {}",
            what.verb(),
            grouped(all.len() as u64),
            seconds(all[all.len() - 1].0.since(all[0].0)),
            told.join(", "),
        );
        let severity =
            match what {
                // Peers of a file-sharing or game network that went away look like this, too, and web servers over a line that
                // does not work; but they are no neighbours, nor are they as many as a worm tries.
                // Time servers of a pool, say, are listed and scattered.
                What::Udp(port) if ports::service(port).is_some() && !are_neighbours(&counted) => {
                    if counted.len() >= 100 { Severity::Medium } else { Severity::Info }
                }
                What::Tcp(port) | What::Udp(port) if !are_neighbours(&counted) && !is_login_or_file_service(port) => {
                    match (what, counted.len() >= 100) {
                        (What::Tcp(port), false) if !is_web(port) => Severity::Low,
                        (What::Tcp(_), true) => Severity::High,
                        (_, false) => Severity::Info,
                        (_, true) => Severity::Low,
                    }
                }
                // A file-sharing client whose peers are gone; a scanner of the Internet tries more.
                What::Any if counted.len() < 1000 => Severity::Low,
                _ if counted.len() >= 100 => Severity::High,
                _ => Severity::Medium,
            };
        Some(Evidence {
            behaviour: if what == What::Arp { Behaviour::ArpScan } else { Behaviour::HostSweep },
            subject: caller,
            hosts: hosts((caller, Role::Attacker), counted.iter().map(|&(_, target, _)| target), Role::Victim),
            start: self.span.start().min(times[0]),
            end: self.span.end(),
            severity,
            score: crossing.score(),
            technique: Some(match what {
                What::Tcp(_) | What::Udp(_) | What::Any => Technique::NetworkServiceDiscovery,
                What::Ping | What::Arp => Technique::RemoteSystemDiscovery,
            }),
            flows: self.targets.flows,
            summary,
            facts: Facts::from([
                ("tried", Fact::Text(what.name())),
                ("distinct_hosts", Fact::Count(self.targets.len() as u64)),
                ("failed_hosts", Fact::Count(failed.len() as u64)),
                ("window", Fact::Text(crossing.scale.name())),
                ("hosts_in_window", Fact::Count(crossing.count)),
                ("benign_failure_chance", Fact::Number(what.benign_failure())),
                ("p_value", Fact::Number(p)),
                ("first_hosts", list(counted.iter().map(|(_, target, _)| target))),
            ]),
            examples: self.span.examples.clone(),
        })
    }
}

/// Whether the port belongs to a service that no one calls on strangers by the dozen.
fn is_login_or_file_service(port: u16) -> bool {
    ports::service(port).is_some() && !is_web(port)
}

/// The ports that browsers call all over the world.
fn is_web(port: u16) -> bool {
    matches!(port, 80 | 443)
}

/// Whether at least half of the targets lie in one network of 256 addresses.
fn are_neighbours(targets: &[(Time, IpAddr, Outcome)]) -> bool {
    let mut networks: BTreeMap<[u8; 15], usize> = BTreeMap::new();
    for (_, target, _) in targets {
        let octets = match target {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let mut network = [0; 15];
        network.copy_from_slice(&octets[..15]);
        *networks.entry(network).or_default() += 1;
    }
    networks.values().max().is_some_and(|&most| most * 2 >= targets.len())
}

impl What {
    fn of(flow: &Flow) -> Option<What> {
        let port = flow.key.responder.port;
        match (flow.key.protocol, flow.key.originator.port) {
            (Protocol::Tcp, _) => Some(What::Tcp(port)),
            (Protocol::Udp, _) => Some(What::Udp(port)),
            // Echo, timestamp and address mask requests.
            (Protocol::Icmp, 8 | 13 | 17) | (Protocol::Icmpv6, 128) => Some(What::Ping),
            (Protocol::Arp, _) => Some(What::Arp),
            _ => None,
        }
    }

    fn scales(self) -> &'static [Scale] {
        match self {
            What::Tcp(port) | What::Udp(port) if is_web(port) => &WEB,
            What::Tcp(_) | What::Udp(_) => &SERVICE,
            What::Ping => &PING,
            What::Arp => &ARP,
            What::Any => &ANY,
        }
    }

    fn benign_failure(self) -> f64 {
        match self {
            What::Tcp(_) | What::Udp(_) | What::Any => 0.2,
            What::Ping => 0.05,
            What::Arp => 0.5,
        }
    }

    /// The most that a benign host's chance alone may explain. Few benign hosts call many others over TCP but for the
    /// web, or ping them; and a network of twenty hosts, where half of them answer, is all that there is to sweep.
    fn significance(self) -> f64 {
        match self {
            What::Tcp(port) if is_web(port) => SIGNIFICANCE,
            What::Udp(_) | What::Arp | What::Any => SIGNIFICANCE,
            What::Tcp(_) | What::Ping => 1e-4,
        }
    }

    fn verb(self) -> String {
        match self {
            What::Tcp(port) => format!("tried TCP port {} of", port_words(port)),
            What::Udp(port) => format!("tried UDP port {} of", port_words(port)),
            What::Ping => "pinged".to_owned(),
            What::Arp => "asked by ARP for".to_owned(),
            What::Any => "tried ever other ports of".to_owned(),
        }
    }

    fn name(self) -> String {
        match self {
            What::Tcp(port) => format!("tcp/{port}"),
            What::Udp(port) => format!("udp/{port}"),
            What::Ping => "icmp echo".to_owned(),
            What::Arp => "arp".to_owned(),
            What::Any => "any port".to_owned(),
        }
    }
}

/// Distinct hosts in seconds, in minutes, in the whole input.
const SERVICE: [Scale; 3] = [Scale::within(10, 10), Scale::within(600, 15), Scale::whole(25)];
/// A browser without IPv6 connectivity, say, fails at many web servers in a row.
const WEB: [Scale; 3] = [Scale::within(10, 20), Scale::within(600, 30), Scale::whole(60)];
const ANY: [Scale; 3] = [Scale::within(10, 100), Scale::within(600, 300), Scale::whole(1000)];
const PING: [Scale; 3] = [Scale::within(10, 10), Scale::within(600, 20), Scale::whole(40)];
/// A gateway asks for whatever others look for.
const ARP: [Scale; 3] = [Scale::within(10, 45), Scale::within(600, 100), Scale::whole(200)];
