//! HTTP floods, fast and slow, and script scans of one web service. Connections held open are [`super::slow_denial`]'s.
//!
//! Fast, by count: more connections, or requests over open ones, to one web service in ten seconds or in minutes than a
//! browser makes. Slow, by likeness: tools that defeat caches vary every request while the server answers all alike, so
//! the requests' sizes are nearly all distinct and the answers' sizes nearly all the same, and the answers are large or
//! a tenth of the connections carries no word; people's are the other way round. The same likeness in one short burst is a scanner running its scripts.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use flow::features::ports;
use flow::{Flow, Protocol, State, Time};

use super::contacts::Outcome;
use super::load::{Load, Span};
use super::scale::{Scale, crossing};
use super::slow_denial::Starvation;
use super::timeline::Timeline;
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, port_words, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who calls which web service how often.
#[derive(Default)]
pub(super) struct HttpFloods {
    callers: Tracks<(IpAddr, IpAddr, u16), Calls>,
    services: Tracks<(IpAddr, u16), Load>,
}

/// One caller's connections to one web service.
#[derive(Default)]
struct Calls {
    calls: Vec<Call>,
    flows: u64,
    /// Connections opened over which nothing was said.
    dropped: u64,
    span: Span,
}

/// One connection.
#[derive(Clone, Copy)]
struct Call {
    start: Time,
    end: Time,
    requests: u64,
    /// Payload asked and answered, where both sides spoke.
    exchange: Option<(u64, u64)>,
}

impl Weigh for Calls {
    fn weight(&self) -> usize {
        self.calls.len()
    }
}

impl Watch for HttpFloods {
    fn observe(&mut self, flow: &Flow) {
        let (caller, service) = (flow.key.originator.address, flow.key.responder);
        let is_web = matches!(ports::service(service.port), Some("http" | "https"));
        let outcome = Outcome::of(flow).filter(|outcome| *outcome >= Outcome::Unused);
        let (Some(outcome), true, Protocol::Tcp) = (outcome, is_web, flow.key.protocol) else { return };
        // What is held open is another attack.
        if Starvation::of(flow).is_some() {
            return;
        }
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
        calls.flows += 1;
        calls.span.add(flow);
        if calls.calls.len() < MAX_CALLS {
            let exchange = flow.originator.payload_bytes.zip(flow.responder.payload_bytes);
            calls.calls.push(Call {
                start: flow.start,
                end: flow.end,
                requests,
                exchange: exchange.filter(|_| outcome == Outcome::Used),
            });
        }
        let service = self.services.touch((service.address, service.port), flow.end);
        service.add(flow, caller, flow.key.responder.port, requests, flow.bytes().unwrap_or(0));
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        for ((caller, server, port), calls) in self.callers.sorted() {
            if calls.calls.len() < FEW_CALLS
                && calls.calls.iter().map(|call| call.requests).sum::<u64>() < REQUESTS[0].least
            {
                continue;
            }
            let likeness = Likeness::of(&calls.calls);
            let fast = calls.fast(caller, server, port, &likeness);
            evidence.extend(fast.or_else(|| calls.alike(caller, server, port, &likeness)));
        }
        let named: HashSet<IpAddr> =
            evidence.iter().flat_map(|one: &Evidence| one.hosts.iter().map(|host| host.address)).collect();
        for ((server, port), load) in self.services.sorted() {
            if load.is_spread() && !named.contains(&server) {
                evidence.extend(load.timeline.crossing(&MANY_CALLERS).map(|crossing| {
                    let burst = load.burst();
                    let summary = format!(
                        "{server} port {} got {} requests in {} from {}",
                        port_words(port),
                        grouped(burst.amount),
                        burst.length(),
                        load.source_words(),
                    );
                    let hosts = hosts((server, Role::Victim), [], Role::Peer);
                    Evidence {
                        start: burst.start,
                        end: burst.end,
                        ..describe(server, hosts, &load.span, load.flows, crossing.score(), summary)
                    }
                }));
            }
        }
        evidence
    }

    fn forget(&mut self, before: Time) {
        self.callers.forget(before);
        self.services.forget(before);
    }
}

impl Calls {
    fn starts(&self) -> Vec<Time> {
        let mut starts: Vec<Time> = self.calls.iter().map(|call| call.start).collect();
        starts.sort_unstable();
        starts
    }

    fn fast(&self, caller: IpAddr, server: IpAddr, port: u16, likeness: &Likeness) -> Option<Evidence> {
        let mut requests = Timeline::default();
        self.calls.iter().for_each(|call| requests.add(call.start, call.end, call.requests));
        let crossing = crossing(&self.starts(), &CONNECTIONS).or_else(|| requests.crossing(&REQUESTS))?;
        // A proxy in front of a busy site, on the site's own network, opens as many and gets as many different answers.
        let is_varied = likeness.exchanges >= 15 && likeness.same_answered < 0.5;
        if is_private(caller) && is_varied && crossing.count < crossing.scale.least * 20 {
            return None;
        }
        let burst = requests.burst()?;
        let summary = format!(
            "{caller} sent {} requests over {} connections to {server} port {} in {}",
            grouped(burst.amount),
            grouped(self.flows),
            port_words(port),
            burst.length(),
        );
        let hosts = hosts((caller, Role::Attacker), [server], Role::Victim);
        Some(Evidence {
            start: burst.start,
            end: burst.end,
            facts: Facts::from([
                ("requests", Fact::Count(requests.total)),
                ("connections", Fact::Count(self.flows)),
                ("window", Fact::Text(crossing.scale.name())),
                ("count_in_window", Fact::Count(crossing.count)),
            ]),
            ..describe(caller, hosts, &self.span, self.flows, crossing.score(), summary)
        })
    }

    /// Requests that differ, answers that do not.
    fn alike(&self, caller: IpAddr, server: IpAddr, port: u16, likeness: &Likeness) -> Option<Evidence> {
        let is_alike = likeness.exchanges >= 15 && likeness.distinct_asked >= 0.3 && likeness.same_answered >= 0.6;
        // Encrypted sizes vary with padding and cookies, and machines report home over them in just this way.
        if !is_alike || ports::service(port) == Some("https") {
            return None;
        }
        let facts = Facts::from([
            ("connections", Fact::Count(self.flows)),
            ("exchanges", Fact::Count(likeness.exchanges)),
            ("dropped_unused", Fact::Count(self.dropped)),
            ("share_of_distinct_request_sizes", Fact::Number(likeness.distinct_asked)),
            ("share_of_two_commonest_answer_sizes", Fact::Number(likeness.same_answered)),
        ]);
        let hosts = hosts((caller, Role::Attacker), [server], Role::Victim);
        // Machines report in to their makers in different words, too, but mean each connection and get a short thanks.
        let costs = self.dropped * 10 >= self.flows || likeness.mean_answer >= COSTLY_BYTES;
        if likeness.exchanges >= SLOW_FLOOD && costs {
            let summary = format!(
                "{caller} made {} connections to {server} port {} in {}: {:.0} % of the requests differ in size, {:.0} % of the answers have one of two sizes (slow HTTP flood)",
                grouped(self.flows),
                port_words(port),
                seconds(self.span.end().since(self.span.start())),
                likeness.distinct_asked * 100.0,
                likeness.same_answered * 100.0,
            );
            let score = 1.0 - 0.5 * SLOW_FLOOD as f64 / likeness.exchanges as f64;
            let evidence = describe(caller, hosts, &self.span, self.flows, score, summary);
            return Some(Evidence { severity: Severity::Medium, facts, ..evidence });
        }
        let crossing = crossing(&self.starts(), &[BURST]).filter(|_| self.dropped > 0)?;
        let summary = format!(
            "{caller} sent {} different requests at once to {server} port {}, answered alike, after connections without a word (service and script scan)",
            crossing.count,
            port_words(port),
        );
        Some(Evidence {
            behaviour: Behaviour::PortScan,
            technique: Some(Technique::NetworkServiceDiscovery),
            severity: Severity::Medium,
            facts,
            ..describe(caller, hosts, &self.span, self.flows, crossing.score(), summary)
        })
    }
}

/// How alike the requests are among themselves, and the answers, told by their sizes.
struct Likeness {
    exchanges: u64,
    /// Distinct sizes of requests over exchanges.
    distinct_asked: f64,
    /// The share of the two commonest sizes of answers.
    same_answered: f64,
    /// Mean bytes of an answer.
    mean_answer: u64,
}

impl Likeness {
    fn of(calls: &[Call]) -> Likeness {
        let mut asked = HashSet::new();
        let mut answered: HashMap<u64, u64> = HashMap::new();
        let (mut exchanges, mut bytes) = (0, 0);
        for (request, answer) in calls.iter().filter_map(|call| call.exchange) {
            exchanges += 1;
            bytes += answer;
            asked.insert(request);
            *answered.entry(answer).or_default() += 1;
        }
        let mut counts: Vec<u64> = answered.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let count = exchanges.max(1);
        Likeness {
            exchanges,
            distinct_asked: asked.len() as f64 / count as f64,
            same_answered: counts.iter().take(2).sum::<u64>() as f64 / count as f64,
            mean_answer: bytes / count,
        }
    }
}

/// Evidence of a flood, the part that all kinds share.
fn describe(
    subject: IpAddr,
    hosts: Vec<crate::Host>,
    span: &Span,
    flows: u64,
    score: f64,
    summary: String,
) -> Evidence {
    Evidence {
        behaviour: Behaviour::HttpFlood,
        subject,
        hosts,
        start: span.start(),
        end: span.end(),
        severity: Severity::High,
        score,
        technique: Some(Technique::ServiceExhaustionFlood),
        flows,
        summary,
        facts: Facts::default(),
        examples: span.examples.clone(),
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
/// Fewer connections are not worth a look, unless they carry very many requests.
const FEW_CALLS: usize = 15;
/// Connections kept of one caller to one service.
const MAX_CALLS: usize = 10_000;
