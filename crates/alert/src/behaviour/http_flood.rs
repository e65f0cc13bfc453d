//! HTTP floods, fast and slow, and script scans of one web service.
//!
//! Fast, by count: more connections, or requests over open ones, to one web service in ten seconds or in minutes than a
//! browser makes. Slow, by likeness: tools that defeat caches vary every request while the server answers all alike, so
//! the requests' sizes are nearly all distinct and the answers' sizes nearly all the same, and the answers are large or
//! a tenth of the connections carries no word; people's are the other way round. The same likeness in one short burst is a scanner running its scripts.

use std::collections::HashMap;
use std::net::IpAddr;

use flow::features::ports;
use flow::{Duration, Flow, Protocol, State, Time};

use super::contacts::{Load, Outcome, Scale, Tracks, crossing, grouped, hosts, port_words, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Example, Fact, Role, Severity, Technique};

/// Watches who calls which web service how often.
#[derive(Default)]
pub(super) struct HttpFloods {
    callers: Tracks<(IpAddr, IpAddr, u16), Calls>,
    services: Tracks<(IpAddr, u16), Load>,
}

/// One caller's connections to one web service.
#[derive(Default)]
struct Calls {
    load: Load,
    starts: Vec<Time>,
    /// Connections by the sizes of what was asked and of what was answered, up to a bound.
    asked: HashMap<u64, u64>,
    answered: HashMap<u64, u64>,
    exchanges: u64,
    /// Connections opened over which nothing was said.
    dropped: u64,
    /// Starts of connections that stayed open long without ever being answered.
    waiting: Vec<Time>,
}

impl Watch for HttpFloods {
    fn observe(&mut self, flow: &Flow) {
        let (caller, service) = (flow.key.originator.address, flow.key.responder);
        let is_web = matches!(ports::service(service.port), Some("http" | "https"));
        let outcome = Outcome::of(flow).filter(|outcome| *outcome >= Outcome::Unused);
        let (Some(outcome), true, Protocol::Tcp) = (outcome, is_web, flow.key.protocol) else { return };
        let calls = self.callers.touch((caller, service.address, service.port), flow.end);
        if outcome == Outcome::Unused {
            calls.dropped += 1;
            // Who never acknowledges what is offered, or resets it without a word, did not want a connection.
            let acknowledged = flow.originator.detail.is_none_or(|detail| detail.flags.ack > 0);
            if !acknowledged || flow.state == Some(State::Rsto) {
                return;
            }
        }
        let requests = requests(flow);
        calls.load.add(flow, caller, service.port, requests, flow.bytes());
        if calls.starts.len() < MAX_CALLS {
            calls.starts.push(flow.start);
            if flow.responder.payload_bytes == Some(0) && flow.duration() >= WAITING {
                calls.waiting.push(flow.start);
            }
            if let (Some(asked), Some(answered), Outcome::Used) =
                (flow.originator.payload_bytes, flow.responder.payload_bytes, outcome)
            {
                calls.exchanges += 1;
                *calls.asked.entry(asked).or_default() += 1;
                *calls.answered.entry(answered).or_default() += 1;
            }
        }
        let service = self.services.touch((service.address, service.port), flow.end);
        service.add(flow, caller, flow.key.responder.port, requests, flow.bytes());
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        for ((caller, server, port), calls) in self.callers.sorted() {
            let fast = calls.fast(caller, server, port);
            let slow = fast.or_else(|| calls.waiting(caller, server, port));
            evidence.extend(slow.or_else(|| calls.alike(caller, server, port)));
        }
        for ((server, port), load) in self.services.sorted() {
            if load.is_spread() && !evidence.iter().any(|e: &Evidence| e.hosts.iter().any(|h| h.address == server)) {
                evidence.extend(load.crossing(&MANY_CALLERS).map(|crossing| {
                    let burst = load.burst();
                    let summary = format!(
                        "{server} port {} got {} requests in {} from {}",
                        port_words(port),
                        grouped(burst.packets),
                        burst.length(),
                        load.source_words(),
                    );
                    let hosts = hosts((server, Role::Victim), [], Role::Peer);
                    describe(server, hosts, load, crossing.score(), summary, Vec::new())
                }));
            }
        }
        evidence
    }
}

impl Calls {
    fn fast(&self, caller: IpAddr, server: IpAddr, port: u16) -> Option<Evidence> {
        let mut starts = self.starts.clone();
        starts.sort_unstable();
        let crossing = crossing(&starts, &CONNECTIONS).or_else(|| self.load.crossing(&REQUESTS))?;
        // A proxy in front of a busy site, on the site's own network, opens as many and gets as many different answers.
        let is_varied = self.exchanges >= 15 && self.same_answered() < 0.5;
        if is_private(caller) && is_varied && crossing.count < crossing.scale.least * 20 {
            return None;
        }
        let burst = self.load.burst();
        let summary = format!(
            "{caller} sent {} requests over {} connections to {server} port {} in {}",
            grouped(burst.packets),
            grouped(self.load.flows),
            port_words(port),
            burst.length(),
        );
        let facts = vec![
            ("requests", Fact::Count(self.load.packets)),
            ("connections", Fact::Count(self.load.flows)),
            ("window", Fact::Text(crossing.scale.name())),
            ("count_in_window", Fact::Count(crossing.count)),
        ];
        let hosts = hosts((caller, Role::Attacker), [server], Role::Victim);
        Some(describe(caller, hosts, &self.load, crossing.score(), summary, facts))
    }

    /// Connections held open with requests that are never finished: slowloris and its kin.
    fn waiting(&self, caller: IpAddr, server: IpAddr, port: u16) -> Option<Evidence> {
        let mut starts = self.waiting.clone();
        starts.sort_unstable();
        let crossing = crossing(&starts, &HELD_OPEN)?;
        let summary = format!(
            "{caller} held {} connections to {server} port {} open for {} and longer without an answer (slow HTTP flood)",
            grouped(starts.len() as u64),
            port_words(port),
            seconds(WAITING),
        );
        let facts = vec![
            ("connections", Fact::Count(self.load.flows)),
            ("held_open", Fact::Count(starts.len() as u64)),
            ("window", Fact::Text(crossing.scale.name())),
        ];
        let hosts = hosts((caller, Role::Attacker), [server], Role::Victim);
        Some(describe(caller, hosts, &self.load, crossing.score(), summary, facts))
    }

    /// Mean bytes of an answer.
    fn mean_answer(&self) -> u64 {
        self.answered.iter().map(|(bytes, count)| bytes * count).sum::<u64>() / self.exchanges.max(1)
    }

    /// The share of the two commonest sizes of answers.
    fn same_answered(&self) -> f64 {
        let mut answers: Vec<u64> = self.answered.values().copied().collect();
        answers.sort_unstable_by(|a, b| b.cmp(a));
        answers.iter().take(2).sum::<u64>() as f64 / self.exchanges.max(1) as f64
    }

    /// Requests that differ, answers that do not.
    fn alike(&self, caller: IpAddr, server: IpAddr, port: u16) -> Option<Evidence> {
        let exchanges = self.exchanges.max(1) as f64;
        let distinct_asked = self.asked.len() as f64 / exchanges;
        let same_answered = self.same_answered();
        let is_alike = self.exchanges >= 15 && distinct_asked >= 0.3 && same_answered >= 0.6;
        // Encrypted sizes vary with padding and cookies, and machines report home over them in just this way.
        if !is_alike || ports::service(port) == Some("https") {
            return None;
        }
        let mut starts = self.starts.clone();
        starts.sort_unstable();
        let facts = vec![
            ("connections", Fact::Count(self.load.flows)),
            ("exchanges", Fact::Count(self.exchanges)),
            ("dropped_unused", Fact::Count(self.dropped)),
            ("distinct_request_sizes", Fact::Count(self.asked.len() as u64)),
            ("share_of_two_commonest_answer_sizes", Fact::Number(same_answered)),
        ];
        let hosts = hosts((caller, Role::Attacker), [server], Role::Victim);
        // Machines report in to their makers in different words, too, but mean each connection and get a short thanks.
        let costs = self.dropped * 10 >= self.load.flows || self.mean_answer() >= COSTLY_BYTES;
        if self.exchanges >= SLOW_FLOOD && costs {
            let summary = format!(
                "{caller} made {} connections to {server} port {} in {}: {} different request sizes, {:.0} % answered with one of two sizes (slow HTTP flood)",
                grouped(self.load.flows),
                port_words(port),
                seconds(self.load.span.end().since(self.load.span.start())),
                self.asked.len(),
                same_answered * 100.0,
            );
            let score = 1.0 - 0.5 * SLOW_FLOOD as f64 / exchanges;
            let evidence = describe(caller, hosts, &self.load, score, summary, facts);
            return Some(Evidence { severity: Severity::Medium, ..evidence });
        }
        let crossing = crossing(&starts, &[BURST]).filter(|_| self.dropped > 0)?;
        let summary = format!(
            "{caller} sent {} different requests at once to {server} port {}, answered alike, after connections without a word (service and script scan)",
            crossing.count,
            port_words(port),
        );
        let evidence = describe(caller, hosts, &self.load, crossing.score(), summary, facts);
        Some(Evidence {
            behaviour: Behaviour::PortScan,
            technique: Some(Technique::NetworkServiceDiscovery),
            severity: Severity::Medium,
            ..evidence
        })
    }
}

/// Evidence of a flood, the common part.
fn describe(
    subject: IpAddr,
    hosts: Vec<crate::Host>,
    load: &Load,
    score: f64,
    summary: String,
    facts: Vec<(&'static str, Fact)>,
) -> Evidence {
    Evidence {
        behaviour: Behaviour::HttpFlood,
        subject,
        hosts,
        start: load.burst().start,
        end: load.burst().end,
        severity: Severity::High,
        score,
        technique: Some(Technique::ServiceExhaustionFlood),
        flows: load.flows,
        summary,
        facts,
        examples: load.span.examples.iter().map(Example::of).collect(),
    }
}

/// Whether the address belongs to a site's own network (RFC 1918, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// The requests of a connection: one, or as many as its small packets with payload where they are met by as many answers.
/// An upload's large packets are no requests.
fn requests(flow: &Flow) -> u64 {
    let (Some(detail), Some(payload)) = (flow.originator.detail, flow.originator.payload_bytes) else { return 1 };
    let packets = u64::from(detail.payload_packets);
    let small = payload < packets * 900;
    let answers = flow.responder.detail.map_or(0, |detail| u64::from(detail.payload_packets));
    if small { packets.min(answers).max(1) } else { 1 }
}

/// Connections that one caller may open to one service: a browser opens some tens at once.
const CONNECTIONS: [Scale; 2] = [Scale::within(10, 150), Scale::within(300, 1500)];
/// Requests that one caller may send to one service: a loaded page asks for some hundred things.
const REQUESTS: [Scale; 2] = [Scale::within(10, 1000), Scale::within(300, 20_000)];
/// What all callers may ask of one service, when none of them stands out.
const MANY_CALLERS: [Scale; 2] = [Scale::within(10, 5000), Scale::within(300, 100_000)];
/// So many different requests, answered alike, are no person's.
const SLOW_FLOOD: u64 = 60;
/// An answer that costs the server something.
const COSTLY_BYTES: u64 = 1000;
/// So many connections at once are more than a browser opens to one host.
const BURST: Scale = Scale::within(2, 15);
/// A browser keeps some connections in reserve, but not so many, nor without an answer for so long.
const HELD_OPEN: [Scale; 2] = [Scale::within(60, 40), Scale::within(600, 100)];
const WAITING: Duration = Duration::from_secs(10);
/// Connections whose sizes are kept.
const MAX_CALLS: usize = 10_000;
