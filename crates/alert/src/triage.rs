//! Evidence is grouped into the few alerts that a person must look at.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use flow::Time;

use crate::{Alert, Behaviour, Evidence, Role, Severity};

/// One alert for each host and behaviour, with the evidence about it; the most urgent and surest first. The order of
/// the evidence given does not matter.
///
/// An anomaly says that something is odd, not what. Where a behaviour already says what a host does in that time, or what
/// is done to all that it talks with, the anomaly adds nothing and is left out.
pub fn triage(evidence: Vec<Evidence>) -> Vec<Alert> {
    let explained = Explained::of(&evidence);
    let mut groups: BTreeMap<(Behaviour, IpAddr), Vec<Evidence>> = BTreeMap::new();
    for one in evidence {
        if one.behaviour != Behaviour::Anomaly || !explained.covers(&one) {
            groups.entry((one.behaviour, one.subject)).or_default().push(one);
        }
    }
    let mut alerts: Vec<Alert> =
        groups.into_iter().map(|((behaviour, subject), group)| alert(behaviour, subject, group)).collect();
    alerts.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then(b.score.total_cmp(&a.score))
            .then(b.flows.cmp(&a.flows))
            .then(a.start.cmp(&b.start))
            .then((a.behaviour, a.subject).cmp(&(b.behaviour, b.subject)))
    });
    alerts
}

/// Who attacks and who is attacked, from when to when, as the behaviours have it.
struct Explained(HashMap<(IpAddr, Role), Vec<(Time, Time)>>);

impl Explained {
    fn of(evidence: &[Evidence]) -> Explained {
        let mut hosts: HashMap<(IpAddr, Role), Vec<(Time, Time)>> = HashMap::new();
        for one in evidence.iter().filter(|one| one.behaviour != Behaviour::Anomaly && one.severity >= Severity::Medium)
        {
            for host in &one.hosts {
                hosts.entry((host.address, host.role)).or_default().push((one.start, one.end));
            }
        }
        Explained(hosts)
    }

    /// Whether the subject attacks, or all the others attack or are attacked, while the evidence lasts.
    fn covers(&self, evidence: &Evidence) -> bool {
        let is = |address: IpAddr, role: Role| {
            let spans = self.0.get(&(address, role)).map_or(&[][..], Vec::as_slice);
            spans.iter().any(|&(start, end)| start <= evidence.end && evidence.start <= end)
        };
        let is_known = |address: IpAddr| is(address, Role::Attacker) || is(address, Role::Victim);
        let mut others = evidence.hosts.iter().filter(|host| host.address != evidence.subject).peekable();
        let all_others = others.peek().is_some() && others.all(|host| is_known(host.address));
        is(evidence.subject, Role::Attacker) || all_others
    }
}

fn alert(behaviour: Behaviour, subject: IpAddr, mut group: Vec<Evidence>) -> Alert {
    group.sort_by(|a, b| {
        let size = |evidence: &Evidence| (evidence.severity, evidence.flows);
        size(b)
            .cmp(&size(a))
            .then(b.score.total_cmp(&a.score))
            .then(a.start.cmp(&b.start))
            .then(a.summary.cmp(&b.summary))
    });
    let strongest = &group[0];
    let start = group.iter().map(|evidence| evidence.start).min().unwrap_or(strongest.start);
    let end = group.iter().map(|evidence| evidence.end).max().unwrap_or(strongest.end);
    let mut hosts = Vec::new();
    for host in group.iter().flat_map(|evidence| &evidence.hosts) {
        if hosts.len() < Evidence::MAX_HOSTS && !hosts.contains(host) {
            hosts.push(*host);
        }
    }
    let mut summary = strongest.summary.clone();
    let more = group.len() - 1;
    if more > 0 {
        let flows: u64 = group[1..].iter().map(|evidence| evidence.flows).sum();
        let plural = if more == 1 { "finding" } else { "findings" };
        summary.push_str(&format!(", and {more} more {plural} alike over {flows} flows"));
    }
    let alert = Alert {
        id: Alert::identifier(behaviour, subject, start),
        subject,
        behaviour,
        start,
        end,
        severity: strongest.severity,
        score: group.iter().map(|evidence| evidence.score).fold(0.0, f64::max),
        technique: strongest.technique,
        hosts,
        flows: group.iter().map(|evidence| evidence.flows).sum(),
        summary,
        evidence: Vec::new(),
    };
    group.truncate(MAX_EVIDENCE);
    Alert { evidence: group, ..alert }
}

/// The most pieces of evidence that an alert carries; its counts cover all of them.
const MAX_EVIDENCE: usize = 16;
