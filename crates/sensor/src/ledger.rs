//! The alerts of a run: which of them are news, and which go on over midnight.

use std::collections::BTreeMap;
use std::net::IpAddr;

use alert::{Alert, Behaviour, Severity, Triaged, episode};
use flow::{Duration, Time};

/// What the voices said so far.
///
/// The voices tell all of their day whenever they are asked, so what they say takes the place of what they said before;
/// what they said on other days is kept here and put in front of it.
#[derive(Default)]
pub(crate) struct Ledger {
    /// By behaviour, subject and suppression, if one hides it; of each those that may go on.
    open: BTreeMap<(Behaviour, IpAddr, Option<u64>), Vec<Entry>>,
    /// What will not go on.
    closed: Vec<(Option<u64>, Alert)>,
    /// Alerts that were dropped because there were too many, the oldest first; each was told as news.
    pub(crate) dropped: u64,
}

struct Entry {
    /// The days that ended.
    before: Option<Alert>,
    /// The day that goes on.
    today: Option<Alert>,
    /// How urgent it was when it was told, and when it ended then.
    told: Option<(Severity, Time)>,
}

impl Ledger {
    /// Notes what the voices say of their day.
    pub(crate) fn record(&mut self, triaged: Triaged) {
        let shown = triaged.alerts.into_iter().map(|alert| (None, alert));
        let hidden = triaged.hidden.into_iter().map(|(suppression, alert)| (Some(suppression), alert));
        // What is hidden from now on first, so that what is left of its evidence does not count as hidden, too.
        for (suppression, alert) in hidden.chain(shown) {
            self.forget_elsewhere(suppression, &alert);
            let entries = self.open.entry((alert.behaviour, alert.subject, suppression)).or_default();
            match entries.iter_mut().find(|entry| entry.goes_on(&alert)) {
                Some(entry) => {
                    // It may turn out to have started before; its name stays.
                    let id = entry.today.take().map_or_else(|| alert.id.clone(), |known| known.id);
                    entry.today = Some(Alert { id, ..alert });
                }
                None => entries.push(Entry { before: None, today: Some(alert), told: None }),
            }
        }
    }

    /// Forgets what was said of today under another suppression: one was made or ended since.
    fn forget_elsewhere(&mut self, suppression: Option<u64>, alert: &Alert) {
        let of_subject = (alert.behaviour, alert.subject, None)..=(alert.behaviour, alert.subject, Some(u64::MAX));
        for ((_, _, other), entries) in self.open.range_mut(of_subject) {
            if *other != suppression {
                entries.retain(|entry| {
                    entry.before.is_some() || entry.today.as_ref().is_none_or(|today| today.id != alert.id)
                });
            }
        }
    }

    /// Ends the day: what the voices say from now on is added to what they said.
    pub(crate) fn end_day(&mut self, midnight: Time) {
        for ((behaviour, _, suppression), entries) in &mut self.open {
            entries.retain_mut(|entry| {
                entry.before = entry.whole();
                entry.today = None;
                let goes_on =
                    entry.before.as_ref().is_some_and(|alert| midnight.since(alert.end) <= episode(*behaviour));
                if !goes_on {
                    self.closed.extend(entry.before.take().map(|alert| (*suppression, alert)));
                }
                goes_on
            });
        }
        self.open.retain(|_, entries| !entries.is_empty());
        let excess = self.closed.len().saturating_sub(MOST_CLOSED);
        self.closed.drain(..excess);
        self.dropped += excess as u64;
    }

    /// The alerts that were not told, became more urgent, or still go on a day after they were told.
    pub(crate) fn news(&mut self) -> Vec<Alert> {
        let mut news = Vec::new();
        for ((_, _, suppression), entries) in &mut self.open {
            for entry in entries.iter_mut().filter(|_| suppression.is_none()) {
                let Some(alert) = entry.whole() else { continue };
                let is_known = entry
                    .told
                    .is_some_and(|(severity, end)| alert.severity <= severity && alert.end.since(end) < REMINDER);
                if !is_known {
                    entry.told = Some((alert.severity, alert.end));
                    news.push(alert);
                }
            }
        }
        news.sort_by(Alert::by_urgency);
        news
    }

    /// What a suppression hides of what may go on.
    pub(crate) fn hidden(&self) -> Vec<(u64, Alert)> {
        let hidden = self.open.iter().filter_map(|((_, _, suppression), entries)| Some(((*suppression)?, entries)));
        hidden.flat_map(|(id, entries)| entries.iter().filter_map(move |entry| Some((id, entry.whole()?)))).collect()
    }

    /// Every alert, the most urgent first, and those that a suppression hides.
    pub(crate) fn alerts(&self) -> Triaged {
        let mut triaged = Triaged::default();
        let open = self.open.iter().flat_map(|((_, _, suppression), entries)| {
            entries.iter().filter_map(|entry| Some((*suppression, entry.whole()?)))
        });
        for (suppression, alert) in self.closed.iter().cloned().chain(open) {
            match suppression {
                Some(suppression) => triaged.hidden.push((suppression, alert)),
                None => triaged.alerts.push(alert),
            }
        }
        triaged.alerts.sort_by(Alert::by_urgency);
        triaged.hidden.sort_by(|(a, one), (b, other)| one.by_urgency(other).then(a.cmp(b)));
        triaged
    }
}

impl Entry {
    /// The alert as a whole.
    fn whole(&self) -> Option<Alert> {
        match (&self.before, &self.today) {
            (Some(before), Some(today)) => Some(before.clone().followed_by(today.clone())),
            (before, today) => before.as_ref().or(today.as_ref()).cloned(),
        }
    }

    /// Whether the alert is a later state of this one, or goes on from it.
    fn goes_on(&self, alert: &Alert) -> bool {
        [&self.before, &self.today].into_iter().flatten().any(|known| {
            let gap =
                if known.start <= alert.start { alert.start.since(known.end) } else { known.start.since(alert.end) };
            gap <= episode(alert.behaviour)
        })
    }
}

/// Whoever did not look into an alert in a day is told again.
const REMINDER: Duration = Duration::from_secs(86_400);
/// More than anyone reads.
const MOST_CLOSED: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Time {
        Time::from_nanoseconds(hours * 3_600_000_000_000)
    }

    fn alert(id: &str, severity: Severity, hours: (i64, i64)) -> Alert {
        Alert {
            id: id.to_owned(),
            subject: [10, 0, 0, 1].into(),
            behaviour: Behaviour::PortScan,
            start: at(hours.0),
            end: at(hours.1),
            severity,
            score: 1.0,
            technique: None,
            hosts: Vec::new(),
            flows: 1,
            summary: id.to_owned(),
            evidence: Vec::new(),
        }
    }

    fn told(ledger: &mut Ledger, alert: Alert) -> Vec<String> {
        ledger.record(Triaged { alerts: vec![alert], hidden: Vec::new() });
        ledger.news().into_iter().map(|alert| alert.id).collect()
    }

    #[test]
    fn an_alert_is_told_once_and_again_when_it_becomes_more_urgent_or_a_day_has_passed() {
        let mut ledger = Ledger::default();
        assert_eq!(told(&mut ledger, alert("first", Severity::Low, (1, 2))), ["first"]);
        assert!(told(&mut ledger, alert("earlier", Severity::Low, (0, 3))).is_empty());
        assert_eq!(told(&mut ledger, alert("earlier", Severity::High, (0, 4))), ["first"]);
        assert!(told(&mut ledger, alert("earlier", Severity::High, (0, 20))).is_empty());
        assert_eq!(told(&mut ledger, alert("earlier", Severity::High, (0, 28))), ["first"]);
        assert_eq!(ledger.alerts().alerts.len(), 1);
    }

    #[test]
    fn what_goes_on_over_midnight_is_one_alert_and_what_comes_a_day_later_another() {
        let mut ledger = Ledger::default();
        told(&mut ledger, alert("first", Severity::High, (20, 23)));
        ledger.end_day(at(24));
        assert!(told(&mut ledger, alert("second", Severity::Low, (25, 26))).is_empty());
        ledger.end_day(at(48));
        assert_eq!(told(&mut ledger, alert("third", Severity::Low, (49, 50))), ["third"]);
        let alerts = ledger.alerts().alerts;
        let told: Vec<_> = alerts.iter().map(|alert| (alert.id.as_str(), alert.flows, alert.end)).collect();
        assert_eq!(told, [("first", 2, at(26)), ("third", 1, at(50))]);
    }

    #[test]
    fn an_alert_that_is_hidden_while_it_goes_on_is_shown_no_more() {
        let mut ledger = Ledger::default();
        told(&mut ledger, alert("one", Severity::High, (1, 2)));
        ledger.record(Triaged { alerts: Vec::new(), hidden: vec![(7, alert("one", Severity::High, (1, 3)))] });
        assert_eq!((ledger.alerts().alerts.len(), ledger.hidden().len()), (0, 1));
        assert_eq!(told(&mut ledger, alert("one", Severity::High, (1, 4))), ["one"]);
        assert_eq!((ledger.alerts().alerts.len(), ledger.hidden().len()), (1, 0));
    }

    #[test]
    fn what_is_hidden_is_no_news() {
        let mut ledger = Ledger::default();
        ledger.record(Triaged { alerts: Vec::new(), hidden: vec![(7, alert("hidden", Severity::High, (1, 2)))] });
        assert!(ledger.news().is_empty());
        assert_eq!(ledger.alerts().hidden.len(), 1);
    }
}
