//! What need not be looked at, by decision of a person.

use std::fmt;

use flow::Time;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Behaviour, Evidence, Fact, Role};

/// A decision that some evidence need not be looked at: which, why, whose, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Its number in the store; two suppressions never share one.
    pub id: u64,
    /// What it covers.
    pub scope: Scope,
    /// Why it need not be looked at.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// From when on it acts.
    pub created: Time,
    /// From when on it does not act any more; `None` is until somebody ends it.
    pub expires: Option<Time>,
}

/// Which evidence is meant: that for which everything holds that is said here. A scope that says nothing covers nothing.
///
/// All that takes part in the evidence must lie within: a scope of one victim does not cover a scan of that victim and of
/// others. Where evidence lists so many hosts that some are left out, a scope by its other hosts does not cover it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// Who does it: every attacker, or the subject where no attacker is named, lies in this network (one address is a network,
    /// too).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpNet>,
    /// To whom: every host but the sources lies in this network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpNet>,
    /// Among whom: every host that takes part lies in this network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<IpNet>,
    /// The responder's port in all examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What is going on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<Behaviour>,
    /// What the detector that spoke is called, as its evidence says (`learned_from`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Suppression {
    /// Whether it hides the evidence: the scope covers it, and it acted when the evidence came to its end.
    pub fn hides(&self, evidence: &Evidence) -> bool {
        let acts = self.created <= evidence.end && self.expires.is_none_or(|expires| evidence.end < expires);
        acts && self.scope.covers(evidence)
    }
}

impl Scope {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Scope::default()
    }

    /// Whether all that takes part in the evidence lies within.
    pub fn covers(&self, evidence: &Evidence) -> bool {
        !self.is_empty()
            && self.behaviour.is_none_or(|behaviour| behaviour == evidence.behaviour)
            && self.port.is_none_or(|port| is_at(evidence, port))
            && self.source.is_none_or(|network| all_within(network, evidence, Part::Source))
            && self.destination.is_none_or(|network| all_within(network, evidence, Part::Destination))
            && self.network.is_none_or(|network| all_within(network, evidence, Part::Any))
            && self.model.as_deref().is_none_or(|model| speaks_for(evidence, model))
    }
}

impl fmt::Display for Scope {
    /// In words: `port-scan from 10.0.0.7 to 10.1.0.0/16 port 22`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.behaviour.map_or("anything", Behaviour::name))?;
        let network = |network: &IpNet| {
            if network.prefix_len() == network.max_prefix_len() {
                network.addr().to_string()
            } else {
                network.to_string()
            }
        };
        for (word, place) in [("from", &self.source), ("to", &self.destination), ("within", &self.network)] {
            if let Some(place) = place {
                write!(f, " {word} {}", network(place))?;
            }
        }
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        match &self.model {
            Some(model) => write!(f, " by {}", flow::printable(model)),
            None => Ok(()),
        }
    }
}

/// Which of the hosts of evidence are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Source,
    Destination,
    Any,
}

fn all_within(network: IpNet, evidence: &Evidence, part: Part) -> bool {
    let has_attacker = evidence.hosts.iter().any(|host| host.role == Role::Attacker);
    let is_source = |host: &&crate::Host| {
        if has_attacker { host.role == Role::Attacker } else { host.address == evidence.subject }
    };
    // Sources come first in the list, so that of these none is left out where the list ends with another host.
    let is_cut = evidence.hosts.len() >= Evidence::MAX_HOSTS
        && (part != Part::Source || evidence.hosts.iter().all(|host| is_source(&host)));
    let mut meant = evidence
        .hosts
        .iter()
        .filter(|host| match part {
            Part::Source => is_source(host),
            Part::Destination => !is_source(host),
            Part::Any => true,
        })
        .peekable();
    !is_cut && meant.peek().is_some() && meant.all(|host| network.contains(&host.address))
}

fn is_at(evidence: &Evidence, port: u16) -> bool {
    let mut ports = evidence.examples.iter().filter(|example| example.key.protocol.has_ports()).peekable();
    ports.peek().is_some() && ports.all(|example| example.key.responder.port == port)
}

fn speaks_for(evidence: &Evidence, model: &str) -> bool {
    matches!(evidence.facts.find("learned_from"), Some(Fact::Text(learned_from)) if learned_from == model)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{Example, Facts, Host, Severity};

    fn at(seconds: i64) -> Time {
        Time::from_nanoseconds(seconds * 1_000_000_000)
    }

    fn evidence(victims: &[u8]) -> Evidence {
        let host = |last: u8| IpAddr::from([10, 0, 0, last]);
        let attacker = Host { address: [192, 0, 2, 7].into(), role: Role::Attacker };
        let victims = victims.iter().map(|&last| Host { address: host(last), role: Role::Victim });
        let key = flow::Key {
            originator: flow::Endpoint::new(attacker.address, 40_000),
            responder: flow::Endpoint::new(host(1), 22),
            protocol: flow::Protocol::Tcp,
        };
        Evidence {
            behaviour: Behaviour::PasswordGuessing,
            subject: attacker.address,
            hosts: std::iter::once(attacker).chain(victims).collect(),
            start: at(100),
            end: at(200),
            severity: Severity::High,
            score: 0.9,
            technique: None,
            flows: 1,
            summary: "guesses".into(),
            facts: Facts::default(),
            examples: vec![Example { start: at(100), key, state: None, packets: None, bytes: None }],
        }
    }

    fn scope(edit: impl FnOnce(&mut Scope)) -> Scope {
        let mut scope = Scope::default();
        edit(&mut scope);
        scope
    }

    #[test]
    fn a_scope_covers_only_what_lies_wholly_within() {
        let one = scope(|scope| scope.destination = "10.0.0.1/32".parse().ok());
        assert!(one.covers(&evidence(&[1])));
        assert!(!one.covers(&evidence(&[1, 2])));
        assert!(scope(|scope| scope.destination = "10.0.0.0/24".parse().ok()).covers(&evidence(&[1, 2])));
        assert!(scope(|scope| scope.source = "192.0.2.7/32".parse().ok()).covers(&evidence(&[1, 2])));
        assert!(!scope(|scope| scope.source = "10.0.0.1/32".parse().ok()).covers(&evidence(&[1])));
        assert!(!scope(|scope| scope.network = "10.0.0.0/24".parse().ok()).covers(&evidence(&[1])));
        assert!(scope(|scope| scope.port = Some(22)).covers(&evidence(&[1])));
        assert!(!scope(|scope| scope.port = Some(23)).covers(&evidence(&[1])));
        let pair = scope(|scope| {
            (scope.source, scope.destination) = ("192.0.2.7/32".parse().ok(), "10.0.0.2/32".parse().ok());
        });
        assert!(pair.covers(&evidence(&[2])) && !pair.covers(&evidence(&[1])));
    }

    #[test]
    fn a_list_of_hosts_that_was_cut_is_not_covered_by_its_victims() {
        let many: Vec<u8> = (1..=31).collect();
        assert!(!scope(|scope| scope.destination = "10.0.0.0/24".parse().ok()).covers(&evidence(&many)));
        assert!(scope(|scope| scope.source = "192.0.2.7/32".parse().ok()).covers(&evidence(&many)));
    }

    #[test]
    fn a_scope_that_says_nothing_covers_nothing() {
        assert!(!Scope::default().covers(&evidence(&[1])));
    }

    #[test]
    fn a_suppression_acts_from_its_making_to_its_expiry() {
        let scope = scope(|scope| scope.port = Some(22));
        let made = |created, expires: Option<i64>| {
            let (reason, owner) = ("known".to_owned(), "me".to_owned());
            let suppression = Suppression {
                id: 1,
                scope: scope.clone(),
                reason,
                owner,
                created: at(created),
                expires: expires.map(at),
            };
            suppression.hides(&evidence(&[1]))
        };
        assert!(made(150, None) && made(0, Some(201)));
        assert!(!made(201, None) && !made(0, Some(200)));
    }

    #[test]
    fn a_scope_is_said_in_words() {
        let scope = scope(|scope| {
            scope.behaviour = Some(Behaviour::PortScan);
            (scope.source, scope.port) = ("10.0.0.7/32".parse().ok(), Some(22));
        });
        assert_eq!(scope.to_string(), "port-scan from 10.0.0.7 port 22");
    }
}
