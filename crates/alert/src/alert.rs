//! What a person must look at.

use std::cmp::Ordering;
use std::net::IpAddr;

use flow::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Behaviour, Evidence, Fact, Host, Role, Severity, Technique};

/// What a person must look at: who, what, when, how urgent, how sure, why. In JSON it is the object of
/// docs/alert.schema.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The same for the same alert of the same input: a digest of behaviour, subject and start.
    pub id: String,
    /// The host that it is about.
    pub subject: IpAddr,
    /// What is going on.
    pub behaviour: Behaviour,
    /// The first flow behind it.
    pub start: Time,
    /// The end of the last flow behind it.
    pub end: Time,
    /// How urgent it is.
    pub severity: Severity,
    /// How sure, 0..=1.
    pub score: f64,
    /// The ATT&CK technique, if its pattern was seen.
    pub technique: Option<Technique>,
    /// Everyone who takes part, the subject first.
    pub hosts: Vec<Host>,
    /// How many flows are behind it.
    pub flows: u64,
    /// One sentence with the numbers.
    pub summary: String,
    /// The evidence, strongest first.
    pub evidence: Vec<Evidence>,
}

impl Alert {
    /// An alert that says of itself that it is a test, about an address that is nobody's (RFC 5737): to see whether it arrives.
    pub fn test(now: Time) -> Alert {
        let subject = IpAddr::from([192, 0, 2, 1]);
        let hosts = vec![Host { address: subject, role: Role::Peer }];
        let summary = "TEST: Lapwing was asked whether its alerts arrive here; nothing happened".to_owned();
        let (behaviour, severity, score) = (Behaviour::Reported, Severity::Info, 0.0);
        let evidence = Evidence {
            behaviour,
            subject,
            hosts: hosts.clone(),
            start: now,
            end: now,
            severity,
            score,
            technique: None,
            flows: 1,
            summary: summary.clone(),
            facts: [("test", Fact::Text("yes".to_owned()))].into(),
            examples: Vec::new(),
        };
        Alert {
            id: Alert::identifier(behaviour, subject, now),
            subject,
            behaviour,
            start: now,
            end: now,
            severity,
            score,
            technique: None,
            hosts,
            flows: 1,
            summary,
            evidence: vec![evidence],
        }
    }

    /// The most pieces of evidence that an alert carries; its counts cover all of them.
    pub const MAX_EVIDENCE: usize = 16;

    /// The most urgent and surest first; alike ones by size, time and subject.
    pub fn by_urgency(&self, other: &Alert) -> Ordering {
        other
            .severity
            .cmp(&self.severity)
            .then(other.score.total_cmp(&self.score))
            .then(other.flows.cmp(&self.flows))
            .then(self.start.cmp(&other.start))
            .then((self.behaviour, self.subject).cmp(&(other.behaviour, other.subject)))
    }

    /// The alert that this one and a later one of the same behaviour and subject make together. It keeps the identifier and
    /// the start of this one, and says in words what the more urgent one says.
    pub fn followed_by(mut self, later: Alert) -> Alert {
        if (later.severity, later.flows) > (self.severity, self.flows) {
            self.summary = later.summary;
            self.technique = later.technique;
        }
        self.severity = self.severity.max(later.severity);
        self.score = self.score.max(later.score);
        self.end = self.end.max(later.end);
        self.flows = self.flows.saturating_add(later.flows);
        for host in later.hosts {
            if self.hosts.len() < Evidence::MAX_HOSTS && !self.hosts.contains(&host) {
                self.hosts.push(host);
            }
        }
        self.evidence.extend(later.evidence);
        self.evidence.sort_by(|a, b| (b.severity, b.flows).cmp(&(a.severity, a.flows)).then(a.start.cmp(&b.start)));
        self.evidence.truncate(Alert::MAX_EVIDENCE);
        self
    }

    /// The identifier of the alert about that behaviour of that host from that time on.
    pub(crate) fn identifier(behaviour: Behaviour, subject: IpAddr, start: Time) -> String {
        let digest = Sha256::digest(format!("{}|{subject}|{start}", behaviour.name()));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
