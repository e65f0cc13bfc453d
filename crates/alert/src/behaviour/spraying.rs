//! Password guessing spread out: one host at many servers, or many hosts at one.
//!
//! Test: distinct servers at which one host fails, or distinct hosts that fail at one server, in minutes and in the whole
//! input. Each of them may fail once or twice only, so it takes a service whose failed log-ins are told by their size
//! alone; mail and file services are left to [`super::brute_force`].

use std::net::IpAddr;

use flow::features::ports;
use flow::{Flow, Time};

use super::brute_force::Session;
use super::contacts::{Contacts, Outcome};
use super::load::Span;
use super::scale::{Scale, crossing};
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, port_words, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who fails to log in where.
#[derive(Default)]
pub(super) struct Sprays {
    callers: Tracks<(IpAddr, u16), Failures>,
    servers: Tracks<(IpAddr, u16), Failures>,
}

/// Failed sessions by the other side.
#[derive(Default)]
struct Failures {
    others: Contacts<IpAddr>,
    let_in: u64,
    span: Span,
}

impl Weigh for Failures {
    fn weight(&self) -> usize {
        self.others.weight()
    }
}

impl Watch for Sprays {
    fn observe(&mut self, flow: &Flow) {
        let (caller, server) = (flow.key.originator.address, flow.key.responder);
        if !matches!(ports::service(server.port), Some("ssh" | "rdp" | "telnet")) {
            return;
        }
        let Some(session) = Session::of(flow) else { return };
        for (tracks, key, other) in [
            (&mut self.callers, (caller, server.port), server.address),
            (&mut self.servers, (server.address, server.port), caller),
        ] {
            let failures = tracks.touch(key, flow.end);
            if session.is_short {
                failures.others.add(other, flow.start, Outcome::Used);
                failures.span.add(flow);
            } else {
                failures.let_in += 1;
            }
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let callers = self.callers.sorted();
        let servers = self.servers.sorted();
        let spraying = callers.into_iter().filter_map(|((caller, port), failures)| failures.spraying(caller, port));
        let distributed =
            servers.into_iter().filter_map(|((server, port), failures)| failures.distributed(server, port));
        spraying.chain(distributed).collect()
    }

    fn forget(&mut self, before: Time) {
        self.callers.forget(before);
        self.servers.forget(before);
    }
}

impl Failures {
    fn spraying(&self, caller: IpAddr, port: u16) -> Option<Evidence> {
        let evidence = self.evidence(caller, Role::Attacker, port)?;
        let summary = format!(
            "{caller} failed to log in at {} servers, port {}, in {}",
            grouped(self.others.len() as u64),
            port_words(port),
            seconds(evidence.end.since(evidence.start)),
        );
        Some(Evidence { summary, technique: Some(Technique::PasswordSpraying), ..evidence })
    }

    fn distributed(&self, server: IpAddr, port: u16) -> Option<Evidence> {
        let evidence = self.evidence(server, Role::Victim, port)?;
        let summary = format!(
            "{} hosts failed to log in at {server} port {} in {}",
            grouped(self.others.len() as u64),
            port_words(port),
            seconds(evidence.end.since(evidence.start)),
        );
        Some(Evidence { summary, technique: Some(Technique::PasswordGuessing), ..evidence })
    }

    fn evidence(&self, subject: IpAddr, role: Role, port: u16) -> Option<Evidence> {
        let others = self.others.all();
        let times: Vec<Time> = others.iter().map(|&(time, ..)| time).collect();
        let crossing = crossing(&times, &SCALES)?;
        if self.let_in * 2 > self.others.flows {
            return None;
        }
        let other_role = if role == Role::Attacker { Role::Victim } else { Role::Attacker };
        Some(Evidence {
            behaviour: Behaviour::PasswordGuessing,
            subject,
            hosts: hosts((subject, role), others.iter().map(|&(_, address, _)| address), other_role),
            start: self.span.start(),
            end: self.span.end(),
            severity: if crossing.scale.window.is_some() { Severity::High } else { Severity::Medium },
            score: crossing.score(),
            technique: None,
            flows: self.others.flows,
            summary: String::new(),
            facts: Facts::from([
                ("service", Fact::Text(port_words(port))),
                ("failed_sessions", Fact::Count(self.others.flows)),
                ("longer_sessions", Fact::Count(self.let_in)),
                ("distinct_hosts", Fact::Count(others.len() as u64)),
                ("window", Fact::Text(crossing.scale.name())),
                ("hosts_in_window", Fact::Count(crossing.count)),
            ]),
            examples: self.span.examples.clone(),
        })
    }
}

/// Distinct hosts in minutes and in the whole input: nobody fails at so many doors, and not so many fail at one.
const SCALES: [Scale; 2] = [Scale::within(600, 12), Scale::whole(30)];
