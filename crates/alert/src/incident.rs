//! Alerts about the same actors become one story.
//!
//! Two alerts belong together where one host did both ([`SAME_HOST`]), where one was done to a host that does the other
//! afterwards ([`TAKEN_OVER`]: who was attacked and then attacks is the step that matters most), or where an alert that
//! does not tell attackers from victims (an anomaly, another detector's report) names the same pair. A victim alone links
//! nothing: a busy server is attacked by many who know nothing of each other.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use flow::{Duration, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Alert, Behaviour, Host, Role, Severity, Tactic};

/// What belongs together: one story of one or more alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The same as long as its first alert is: a digest of that one's identifier.
    pub id: String,
    /// The first flow behind it.
    pub start: Time,
    /// The end of the last flow behind it.
    pub end: Time,
    /// How urgent it is: that of its most urgent alert, and more where a host was taken over or the attack went through
    /// several tactics.
    pub severity: Severity,
    /// How sure that something is going on, 0..=1: the chance that not all of its alerts err, as if they erred independently.
    pub score: f64,
    /// Everyone who takes part, by how early; at most [`Incident::MAX_HOSTS`]. A host is an attacker if it ever was one.
    pub hosts: Vec<Host>,
    /// What the attacker wanted, in the order of its first sign.
    pub tactics: Vec<Tactic>,
    /// Hosts that were attacked first and attacked afterwards.
    pub taken_over: Vec<IpAddr>,
    /// The identifiers of its alerts, by start.
    pub alerts: Vec<String>,
    /// The story in one sentence.
    pub summary: String,
}

impl Incident {
    /// The most hosts that an incident lists.
    pub const MAX_HOSTS: usize = 64;
}

/// The incidents that these alerts make, most urgent first; the order of the alerts does not matter. Alerts of severity
/// info join the incident of their subject, and make none of their own.
pub fn incidents(alerts: &[Alert]) -> Vec<Incident> {
    let mut sorted: Vec<&Alert> = alerts.iter().collect();
    sorted.sort_by(|a, b| (a.start, a.end, &a.id).cmp(&(b.start, b.end, &b.id)));
    let told: Vec<&Alert> = sorted.iter().copied().filter(|alert| alert.severity > Severity::Info).collect();
    let mut groups = linked(&told);
    for alert in sorted.iter().filter(|alert| alert.severity == Severity::Info) {
        let is_home = |group: &&mut Vec<&Alert>| {
            group.iter().any(|other| other.subject == alert.subject && gap(other, alert) <= SAME_HOST)
        };
        if let Some(group) = groups.iter_mut().find(is_home) {
            group.push(alert);
        }
    }
    let mut incidents: Vec<Incident> = groups.into_iter().map(incident).collect();
    incidents.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then(b.score.total_cmp(&a.score)).then((a.start, &a.id).cmp(&(b.start, &b.id)))
    });
    incidents
}

/// The alerts, sorted by start, in groups of which each belongs together; each group is sorted by start, too.
fn linked<'a>(alerts: &[&'a Alert]) -> Vec<Vec<&'a Alert>> {
    let mut sets = Sets::of(alerts.len());
    // The last alert that each host did, that was done to it, or that it took part in.
    let mut did: HashMap<IpAddr, usize> = HashMap::new();
    let mut suffered: HashMap<IpAddr, usize> = HashMap::new();
    for (index, alert) in alerts.iter().enumerate() {
        let within =
            |other: Option<&usize>, limit: Duration| other.copied().filter(|&other| gap(alerts[other], alert) <= limit);
        for doer in doers(alert) {
            // Of a victim about which something odd is said it is not known that it attacks.
            let suffered = suffered.get(&doer).filter(|_| !is_undirected(alert));
            let before = [within(did.get(&doer), SAME_HOST), within(suffered, TAKEN_OVER)];
            before.into_iter().flatten().for_each(|other| sets.join(index, other));
        }
        if is_undirected(alert) {
            for host in alert.hosts.iter().filter(|host| host.address != alert.subject) {
                let pair = [(&did, &suffered), (&suffered, &did)].into_iter().find_map(|(one, other)| {
                    let (one, other) = (within(one.get(&host.address), SAME_HOST)?, other.get(&alert.subject)?);
                    (one == *other).then_some(one)
                });
                pair.into_iter().for_each(|other| sets.join(index, other));
            }
            within(suffered.get(&alert.subject), SAME_HOST)
                .filter(|&other| alert.hosts.iter().any(|host| doers(alerts[other]).any(|doer| doer == host.address)))
                .into_iter()
                .for_each(|other| sets.join(index, other));
        }
        doers(alert).for_each(|doer| _ = did.insert(doer, index));
        for host in alert.hosts.iter().filter(|host| host.role == Role::Victim) {
            suffered.insert(host.address, index);
        }
    }
    let mut groups: BTreeMap<usize, Vec<&Alert>> = BTreeMap::new();
    for (index, alert) in alerts.iter().enumerate() {
        groups.entry(sets.first(index)).or_default().push(alert);
    }
    groups.into_values().collect()
}

/// Who does what the alert tells of: the attackers; the subject, where it is not the victim.
fn doers(alert: &Alert) -> impl Iterator<Item = IpAddr> + '_ {
    let is_victim = alert.hosts.iter().any(|host| host.address == alert.subject && host.role == Role::Victim);
    let attackers = alert.hosts.iter().filter(|host| host.role == Role::Attacker).map(|host| host.address);
    attackers.chain((!is_victim).then_some(alert.subject))
}

/// Whether the alert does not tell who attacks whom.
fn is_undirected(alert: &Alert) -> bool {
    alert.hosts.iter().all(|host| host.role == Role::Peer)
}

/// From the end of the one that started first to the start of the other.
fn gap(one: &Alert, other: &Alert) -> Duration {
    if one.start <= other.start { other.start.since(one.end) } else { one.start.since(other.end) }
}

fn incident(mut alerts: Vec<&Alert>) -> Incident {
    alerts.sort_by(|a, b| (a.start, a.end, &a.id).cmp(&(b.start, b.end, &b.id)));
    let first = alerts[0];
    let mut tactics = Vec::new();
    for tactic in alerts.iter().filter_map(|alert| alert.technique).map(crate::Technique::tactic) {
        if !tactics.contains(&tactic) {
            tactics.push(tactic);
        }
    }
    let taken_over = taken_over(&alerts);
    let severity = alerts.iter().map(|alert| alert.severity).max().unwrap_or(Severity::Info);
    let severity = match (taken_over.is_empty(), tactics.len()) {
        (false, _) if severity >= Severity::Medium => Severity::Critical,
        (_, 3..) => severity.max(Severity::High),
        _ => severity,
    };
    Incident {
        id: identifier(&first.id),
        start: first.start,
        end: alerts.iter().map(|alert| alert.end).max().unwrap_or(first.end),
        severity,
        score: 1.0 - alerts.iter().map(|alert| 1.0 - alert.score.clamp(0.0, 1.0)).product::<f64>(),
        hosts: hosts(&alerts),
        tactics,
        summary: story(&alerts, &taken_over),
        taken_over,
        alerts: alerts.iter().map(|alert| alert.id.clone()).collect(),
    }
}

/// The hosts that attack after they were attacked.
fn taken_over(alerts: &[&Alert]) -> Vec<IpAddr> {
    let mut attacked: HashMap<IpAddr, Time> = HashMap::new();
    let mut taken = Vec::new();
    for alert in alerts {
        for doer in doers(alert).filter(|_| !is_undirected(alert)) {
            if attacked.get(&doer).is_some_and(|&time| time < alert.start) && !taken.contains(&doer) {
                taken.push(doer);
            }
        }
        for host in alert.hosts.iter().filter(|host| host.role == Role::Victim) {
            attacked.entry(host.address).or_insert(alert.start);
        }
    }
    taken
}

/// Everyone, by first appearance, each in its worst role.
fn hosts(alerts: &[&Alert]) -> Vec<Host> {
    let mut hosts: Vec<Host> = Vec::new();
    let mut places: HashMap<IpAddr, usize> = HashMap::new();
    for host in alerts.iter().flat_map(|alert| &alert.hosts) {
        match places.get(&host.address) {
            Some(&place) => hosts[place].role = hosts[place].role.min(host.role),
            None if hosts.len() < Incident::MAX_HOSTS => {
                places.insert(host.address, hosts.len());
                hosts.push(*host);
            }
            None => {}
        }
    }
    hosts
}

/// What happened, step by step: a step for each behaviour and subject, in the order of time.
fn story(alerts: &[&Alert], taken_over: &[IpAddr]) -> String {
    if let [alert] = alerts {
        return alert.summary.clone();
    }
    let mut steps: Vec<(Behaviour, IpAddr)> = Vec::new();
    for alert in alerts.iter().filter(|alert| alert.severity > Severity::Info) {
        let step = (alert.behaviour, alert.subject);
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    let mut text = String::new();
    let mut last = None;
    for (place, (behaviour, subject)) in steps.iter().take(MAX_STEPS).enumerate() {
        text.push_str(if place > 0 { ", then " } else { "" });
        if last != Some(*subject) {
            let again = if taken_over.contains(subject) && place > 0 { ", attacked before" } else { "" };
            text.push_str(&format!("{subject}{again}: "));
        }
        text.push_str(&behaviour.name().replace('-', " "));
        last = Some(*subject);
    }
    if steps.len() > MAX_STEPS {
        text.push_str(&format!(", and {} more", steps.len() - MAX_STEPS));
    }
    text
}

fn identifier(first: &str) -> String {
    let digest = Sha256::digest(format!("incident|{first}"));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Disjoint sets of numbers, each called by its smallest (Galler and Fischer 1964).
struct Sets(Vec<usize>);

impl Sets {
    fn of(count: usize) -> Sets {
        Sets((0..count).collect())
    }

    fn first(&mut self, mut number: usize) -> usize {
        while self.0[number] != number {
            self.0[number] = self.0[self.0[number]];
            number = self.0[number];
        }
        number
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.0[one.max(other)] = one.min(other);
    }
}

/// What one host does within a working day is one story.
const SAME_HOST: Duration = Duration::from_secs(8 * 3_600);
/// Who enters a host may well come back the next day to use it.
const TAKEN_OVER: Duration = Duration::from_secs(24 * 3_600);
const MAX_STEPS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Technique;

    fn host(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    /// An alert of that hour: an attacker, or the peers where there is none, and the victims.
    fn alert(hour: i64, behaviour: Behaviour, technique: Option<Technique>, from: u8, to: &[u8]) -> Alert {
        let time = Time::from_nanoseconds(hour * 3_600_000_000_000);
        let (one, other) = match technique {
            Some(_) => (Role::Attacker, Role::Victim),
            None => (Role::Peer, Role::Peer),
        };
        let hosts = std::iter::once(Host { address: host(from), role: one })
            .chain(to.iter().map(|&to| Host { address: host(to), role: other }))
            .collect();
        Alert {
            id: Alert::identifier(behaviour, host(from), time),
            subject: host(from),
            behaviour,
            start: time,
            end: time + Duration::from_secs(60),
            severity: Severity::Medium,
            score: 0.5,
            technique,
            hosts,
            flows: 1,
            summary: format!("{} by {}", behaviour.name(), host(from)),
            evidence: Vec::new(),
        }
    }

    const SCAN: (Behaviour, Option<Technique>) = (Behaviour::PortScan, Some(Technique::NetworkServiceDiscovery));
    const GUESS: (Behaviour, Option<Technique>) = (Behaviour::PasswordGuessing, Some(Technique::PasswordGuessing));

    #[test]
    fn who_was_attacked_and_then_attacks_makes_one_critical_story() {
        let alerts = [
            alert(12, SCAN.0, SCAN.1, 2, &[3, 4]),
            alert(1, SCAN.0, SCAN.1, 1, &[2]),
            alert(2, GUESS.0, GUESS.1, 1, &[2]),
        ];
        let incidents = incidents(&alerts);
        assert_eq!(incidents.len(), 1);
        let incident = &incidents[0];
        assert_eq!((incident.severity, incident.alerts.len()), (Severity::Critical, 3));
        assert_eq!(incident.taken_over, [host(2)]);
        assert_eq!(incident.tactics, [Tactic::Discovery, Tactic::CredentialAccess]);
        assert_eq!(incident.score, 0.875);
        assert_eq!(
            incident.summary,
            "10.0.0.1: port scan, then password guessing, then 10.0.0.2, attacked before: port scan"
        );
    }

    #[test]
    fn two_who_attack_the_same_server_are_two_stories() {
        let alerts = [alert(1, SCAN.0, SCAN.1, 1, &[9]), alert(1, SCAN.0, SCAN.1, 2, &[9])];
        assert_eq!(incidents(&alerts).len(), 2);
    }

    #[test]
    fn days_later_it_is_another_story() {
        let alerts = [alert(1, SCAN.0, SCAN.1, 1, &[9]), alert(60, GUESS.0, GUESS.1, 1, &[9])];
        assert_eq!(incidents(&alerts).len(), 2);
    }

    #[test]
    fn what_another_detector_reports_of_the_pair_joins() {
        for (from, to) in [(1, 9), (9, 1)] {
            let alerts = [alert(1, SCAN.0, SCAN.1, 1, &[9]), alert(2, Behaviour::Reported, None, from, &[to])];
            assert_eq!(incidents(&alerts).len(), 1, "{from} {to}");
        }
        let alerts = [alert(1, SCAN.0, SCAN.1, 1, &[9]), alert(2, Behaviour::Reported, None, 9, &[5])];
        assert_eq!(incidents(&alerts).len(), 2);
    }

    #[test]
    fn info_joins_but_makes_none() {
        let info = |hour, from| Alert { severity: Severity::Info, ..alert(hour, Behaviour::Anomaly, None, from, &[7]) };
        let incidents = incidents(&[alert(1, SCAN.0, SCAN.1, 1, &[9]), info(0, 1), info(1, 2)]);
        assert_eq!(incidents.iter().map(|incident| incident.alerts.len()).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn the_order_of_the_alerts_does_not_matter() {
        let mut alerts = vec![
            alert(1, SCAN.0, SCAN.1, 1, &[2]),
            alert(3, GUESS.0, GUESS.1, 2, &[3]),
            alert(5, SCAN.0, SCAN.1, 4, &[5]),
        ];
        let forwards = incidents(&alerts);
        alerts.reverse();
        assert_eq!(incidents(&alerts), forwards);
    }
}
