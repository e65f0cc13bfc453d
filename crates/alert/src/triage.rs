//! Evidence is grouped into the few alerts that a person must look at.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use flow::{Duration, Time};

use crate::{Alert, Behaviour, Evidence, Role, Severity, Suppression};

/// What must be looked at, and what somebody decided not to look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Triaged {
    /// The alerts, the most urgent and surest first.
    pub alerts: Vec<Alert>,
    /// Alerts that a suppression hides, each with that one's number.
    pub hidden: Vec<(u64, Alert)>,
}

/// One alert for each host and behaviour, with the evidence about it; of behaviours that a model learned, one for each
/// stretch of time ([`episode`]). The order of the evidence given does not matter. Evidence that a suppression hides makes
/// alerts apart; of several that hide it, the one with the smallest number counts.
///
/// An anomaly says that something is odd, not what. Where a behaviour already says what a host does in that time, or what
/// is done to all that it talks with, the anomaly adds nothing and is left out. So it is where that behaviour is hidden.
pub fn triage(evidence: Vec<Evidence>, suppressions: &[Suppression]) -> Triaged {
    let explained = Explained::of(&evidence);
    let mut groups: BTreeMap<(Option<u64>, Behaviour, IpAddr), Vec<Evidence>> = BTreeMap::new();
    for one in evidence {
        if one.behaviour != Behaviour::Anomaly || !explained.covers(&one) {
            let hiding =
                suppressions.iter().filter(|suppression| suppression.hides(&one)).map(|hiding| hiding.id).min();
            groups.entry((hiding, one.behaviour, one.subject)).or_default().push(one);
        }
    }
    let mut triaged = Triaged::default();
    for ((hiding, behaviour, subject), group) in groups {
        for group in apart(behaviour, group) {
            let alert = alert(behaviour, subject, group);
            match hiding {
                Some(suppression) => triaged.hidden.push((suppression, alert)),
                None => triaged.alerts.push(alert),
            }
        }
    }
    triaged.alerts.sort_by(Alert::by_urgency);
    triaged.hidden.sort_by(|(a, one), (b, other)| one.by_urgency(other).then(a.cmp(b)));
    triaged
}

/// Evidence about one host and behaviour that lies further apart than this is another alert: a host that was odd in the
/// morning and again in the evening needs two looks, one that scans all day needs one.
pub fn episode(behaviour: Behaviour) -> Duration {
    Duration::from_secs(3_600 * if behaviour.is_learned() { 1 } else { 8 })
}

/// The evidence in stretches of time that lie further apart than an episode.
fn apart(behaviour: Behaviour, mut group: Vec<Evidence>) -> Vec<Vec<Evidence>> {
    group.sort_by_key(|evidence| (evidence.start, evidence.end));
    let mut stretches: Vec<(Time, Vec<Evidence>)> = Vec::new();
    for one in group {
        match stretches.last_mut() {
            Some((end, stretch)) if one.start.since(*end) <= episode(behaviour) => {
                *end = one.end.max(*end);
                stretch.push(one);
            }
            _ => stretches.push((one.end, vec![one])),
        }
    }
    stretches.into_iter().map(|(_, stretch)| stretch).collect()
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
    Alert {
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
        evidence: {
            group.truncate(Alert::MAX_EVIDENCE);
            group
        },
    }
}
