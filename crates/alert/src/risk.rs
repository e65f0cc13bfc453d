//! How much a host gives cause for concern at present.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flow::{Duration, Time};

use crate::{Alert, Role, Severity};

/// The risk of each host that attacks or whose part is not known, 0..=1, the highest first.
///
/// Each alert is an independent chance that the host is in an attacker's hands: its score times the weight of its severity,
/// halved for each day since it ended. The risk is the chance that at least one of them is right. Alerts after
/// `now` do not count.
pub fn risks<'a>(alerts: impl IntoIterator<Item = &'a Alert>, now: Time) -> Vec<(IpAddr, f64)> {
    let mut innocent: BTreeMap<IpAddr, f64> = BTreeMap::new();
    let mut sorted: Vec<&Alert> = alerts.into_iter().filter(|alert| alert.start <= now).collect();
    // A product of floats hangs on the order of its factors.
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    for alert in sorted {
        let age = now.since(alert.end).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let chance = weight(alert.severity) * alert.score.clamp(0.0, 1.0) * 0.5f64.powf(age);
        let is_doer = |address| alert.hosts.iter().any(|host| host.address == address && host.role == Role::Attacker);
        for host in &alert.hosts {
            let is_meant = host.role == Role::Attacker
                || (host.address == alert.subject && host.role == Role::Peer && !is_doer(host.address));
            if is_meant {
                *innocent.entry(host.address).or_insert(1.0) *= 1.0 - chance;
            }
        }
    }
    let mut risks: Vec<(IpAddr, f64)> = innocent.into_iter().map(|(host, innocent)| (host, 1.0 - innocent)).collect();
    risks.sort_by(|(a, one), (b, other)| other.total_cmp(one).then(a.cmp(b)));
    risks
}

/// How much a sure alert of that severity says about who does it.
fn weight(severity: Severity) -> f64 {
    match severity {
        Severity::Info => 0.02,
        Severity::Low => 0.1,
        Severity::Medium => 0.3,
        Severity::High => 0.6,
        Severity::Critical => 0.9,
    }
}

/// A day: what nobody looked into yesterday still matters today, after a week hardly.
const HALF_LIFE: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Behaviour, Host};

    fn alert(id: &str, day: i64, role: Role) -> Alert {
        let time = Time::from_nanoseconds(day * 86_400_000_000_000);
        let hosts = vec![
            Host { address: [10, 0, 0, 1].into(), role },
            Host { address: [10, 0, 0, 2].into(), role: Role::Victim },
        ];
        Alert {
            id: id.into(),
            subject: [10, 0, 0, 1].into(),
            behaviour: Behaviour::PortScan,
            start: time,
            end: time,
            severity: Severity::High,
            score: 0.5,
            technique: None,
            hosts,
            flows: 1,
            summary: String::new(),
            evidence: Vec::new(),
        }
    }

    fn risk(alerts: &[Alert], day: i64) -> Vec<f64> {
        risks(alerts, Time::from_nanoseconds(day * 86_400_000_000_000)).into_iter().map(|(_, risk)| risk).collect()
    }

    #[test]
    fn a_risk_halves_in_a_day_and_adds_up_as_independent_chances() {
        let one = [alert("a", 1, Role::Attacker)];
        let is = |alerts: &[Alert], day, expected: f64| (risk(alerts, day)[0] - expected).abs() < 1e-12;
        assert!(is(&one, 1, 0.3) && is(&one, 2, 0.15) && risk(&one, 0).is_empty());
        assert!(is(&[alert("a", 1, Role::Attacker), alert("b", 1, Role::Peer)], 1, 1.0 - 0.7 * 0.7));
    }

    #[test]
    fn a_victim_is_no_risk() {
        assert!(risk(&[alert("a", 1, Role::Victim)], 1).is_empty());
    }
}
