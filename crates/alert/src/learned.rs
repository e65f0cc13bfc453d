//! The verdicts of a detector become evidence: the voices of anomaly and of the classifier.

use std::net::IpAddr;

use flow::{Flow, Time};
use model::Verdict;

use crate::behaviour::load::Span;
use crate::behaviour::tracks::{Tracks, Weigh};
use crate::behaviour::words::{grouped, hosts, list};
use crate::{Behaviour, Evidence, Fact, Facts, Role, Severity};

/// Gathers the flows that a detector alarmed on, by the host that opened them.
pub struct Alarms {
    behaviour: Behaviour,
    /// What the detector learned from, in words.
    learned_from: String,
    severity: Severity,
    threshold: f32,
    judged: u64,
    hosts: Tracks<IpAddr, Alarmed>,
}

/// The alarms about one host.
#[derive(Default)]
struct Alarmed {
    span: Span,
    flows: u64,
    highest: f32,
    peers: Vec<IpAddr>,
    reasons: Vec<String>,
}

impl Weigh for Alarmed {
    fn weight(&self) -> usize {
        self.peers.len()
    }
}

impl Alarms {
    /// No alarms yet. `severity` is that of a single odd flow: it says how far what the detector learned can be trusted.
    pub fn new(learned_from: String, severity: Severity, threshold: f32) -> Alarms {
        let behaviour = Behaviour::Anomaly;
        Alarms { behaviour, learned_from, severity, threshold, judged: 0, hosts: Tracks::default() }
    }

    /// The same of a detector that was taught by labels: what it finds is like known attacks, not only odd.
    pub fn of_classifier(self) -> Alarms {
        Alarms { behaviour: Behaviour::Recognised, ..self }
    }

    /// Takes in the verdict on a flow; `reasons` says what about it is unusual, most unusual first, or the attack that it is
    /// like, where it alarms.
    pub fn observe(&mut self, flow: &Flow, verdict: Verdict, reasons: impl FnOnce() -> Vec<String>) {
        self.judged += 1;
        if !verdict.alarm {
            return;
        }
        let host = self.hosts.touch(flow.key.originator.address, flow.end);
        host.flows += 1;
        host.span.add(flow);
        let peer = flow.key.responder.address;
        if host.peers.len() < Evidence::MAX_HOSTS && !host.peers.contains(&peer) {
            host.peers.push(peer);
        }
        match self.behaviour {
            Behaviour::Recognised => {
                host.highest = host.highest.max(verdict.score);
                let new = reasons().into_iter().filter(|attack| !host.reasons.contains(attack)).collect::<Vec<_>>();
                host.reasons.extend(new.into_iter().take(Evidence::MAX_HOSTS.saturating_sub(host.reasons.len())));
            }
            _ if verdict.score > host.highest => {
                host.highest = verdict.score;
                host.reasons = reasons();
            }
            _ => {}
        }
    }

    /// Drops the alarms of hosts that had none since that time.
    pub fn forget(&mut self, before: Time) {
        self.hosts.forget(before);
    }

    /// Evidence about each host with alarms, the highest score first, of at most so many hosts.
    pub fn evidence(&self, budget: usize) -> Vec<Evidence> {
        let mut hosts = self.hosts.sorted();
        hosts.sort_by(|(a, one), (b, other)| other.highest.total_cmp(&one.highest).then(a.cmp(b)));
        hosts.truncate(budget);
        hosts.into_iter().map(|(address, alarmed)| self.about(address, alarmed)).collect()
    }

    fn about(&self, address: IpAddr, alarmed: &Alarmed) -> Evidence {
        let plural = if alarmed.flows == 1 { "flow" } else { "flows" };
        let reasons = match (alarmed.reasons.as_slice(), self.behaviour) {
            ([], _) => String::new(),
            (attacks, Behaviour::Recognised) => format!("; like {}", attacks.join(", ")),
            (columns, _) => format!("; most unusual: {}", columns.join(", ")),
        };
        let summary = format!(
            "{} {plural} of {address} score up to {:.2}, above {:.2}{reasons}",
            grouped(alarmed.flows),
            alarmed.highest,
            self.threshold,
        );
        let reasons = if self.behaviour == Behaviour::Recognised { "like" } else { "unusual" };
        Evidence {
            behaviour: self.behaviour,
            subject: address,
            hosts: hosts((address, Role::Peer), alarmed.peers.iter().copied(), Role::Peer),
            start: alarmed.span.start(),
            end: alarmed.span.end(),
            severity: self.severity,
            score: f64::from(alarmed.highest),
            technique: None,
            flows: alarmed.flows,
            summary,
            facts: Facts::from([
                ("learned_from", Fact::Text(self.learned_from.clone())),
                ("threshold", Fact::Number(f64::from(self.threshold))),
                ("flows_judged", Fact::Count(self.judged)),
                (reasons, list(&alarmed.reasons)),
            ]),
            examples: alarmed.span.examples.clone(),
        }
    }
}
