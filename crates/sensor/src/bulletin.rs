//! What is told while a live input goes on.

use std::collections::HashMap;
use std::net::IpAddr;

use alert::{Alert, Behaviour, Severity};
use flow::{Duration, Flow, Time};

/// Decides when the voices are asked, by the time of the flows, and which of their alerts are news.
pub(crate) struct Bulletin {
    every: Duration,
    now: Option<Time>,
    next: Option<Time>,
    told: HashMap<(Behaviour, IpAddr), Told>,
}

/// An alert that was told.
struct Told {
    id: String,
    severity: Severity,
    end: Time,
}

impl Bulletin {
    pub(crate) fn new(every: Duration) -> Bulletin {
        Bulletin { every, now: None, next: None, told: HashMap::new() }
    }

    /// Lets the time of these flows pass. Whether it is time to ask: never at once, and then every so often.
    pub(crate) fn is_due(&mut self, flows: &[Flow]) -> bool {
        self.now = self.now.max(flows.iter().map(|flow| flow.end).max());
        let Some(now) = self.now else { return false };
        let next = *self.next.get_or_insert(now + self.every);
        if now < next {
            return false;
        }
        self.next = Some(now + self.every);
        true
    }

    /// Those of the alerts that were not told, became more urgent, or still go on a day after they were told. An alert
    /// keeps the identifier under which it was told first, though it may turn out to have started before.
    pub(crate) fn news(&mut self, alerts: &[Alert]) -> Vec<Alert> {
        let key = |alert: &Alert| (alert.behaviour, alert.subject);
        let mut news = Vec::new();
        for alert in alerts {
            let told = self.told.get(&key(alert));
            let is_known =
                told.is_some_and(|told| alert.severity <= told.severity && alert.end.since(told.end) < REMINDER);
            if is_known {
                continue;
            }
            let id = told.map_or_else(|| alert.id.clone(), |told| told.id.clone());
            self.told.insert(key(alert), Told { id: id.clone(), severity: alert.severity, end: alert.end });
            news.push(Alert { id, ..alert.clone() });
        }
        if self.told.len() > MOST_TOLD {
            // What the voices have forgotten would be news again.
            let current: std::collections::HashSet<_> = alerts.iter().map(key).collect();
            self.told.retain(|key, _| current.contains(key));
        }
        news
    }
}

/// Whoever did not look into an alert in a day is told again.
const REMINDER: Duration = Duration::from_secs(86_400);
const MOST_TOLD: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_nanoseconds(seconds * 1_000_000_000)
    }

    fn alert(id: &str, severity: Severity, end: i64) -> Alert {
        Alert {
            id: id.to_owned(),
            subject: [10, 0, 0, 1].into(),
            behaviour: Behaviour::PortScan,
            start: at(0),
            end: at(end),
            severity,
            score: 1.0,
            technique: None,
            hosts: Vec::new(),
            flows: 1,
            summary: String::new(),
            evidence: Vec::new(),
        }
    }

    fn ids(news: &[Alert]) -> Vec<&str> {
        news.iter().map(|alert| alert.id.as_str()).collect()
    }

    #[test]
    fn an_alert_is_told_once_and_again_when_it_becomes_more_urgent() {
        let mut bulletin = Bulletin::new(Duration::from_secs(10));
        assert_eq!(ids(&bulletin.news(&[alert("first", Severity::Low, 5)])), ["first"]);
        assert!(bulletin.news(&[alert("earlier", Severity::Low, 50)]).is_empty());
        assert_eq!(ids(&bulletin.news(&[alert("earlier", Severity::High, 60)])), ["first"]);
        assert!(bulletin.news(&[alert("earlier", Severity::High, 70)]).is_empty());
        assert_eq!(ids(&bulletin.news(&[alert("earlier", Severity::High, 90_000)])), ["first"]);
    }

    #[test]
    fn it_is_due_by_the_time_of_the_flows() {
        let endpoint = |host| flow::Endpoint::new([10, 0, 0, host].into(), 1);
        let key = flow::Key { originator: endpoint(1), responder: endpoint(2), protocol: flow::Protocol::Tcp };
        let flows = |seconds| [Flow::between(key, at(seconds), at(seconds))];
        let mut bulletin = Bulletin::new(Duration::from_secs(10));
        assert!(!bulletin.is_due(&[]));
        assert!(!bulletin.is_due(&flows(100)));
        assert!(!bulletin.is_due(&flows(109)));
        assert!(bulletin.is_due(&flows(110)));
        assert!(!bulletin.is_due(&flows(119)));
        assert!(bulletin.is_due(&flows(500)));
    }
}
