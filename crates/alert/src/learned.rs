//! The verdicts of a detector become evidence: the voices of anomaly and of the classifier.

use std::net::IpAddr;

use flow::{Flow, Time};
use model::Verdict;

use crate::behaviour::load::Span;
use crate::behaviour::tracks::{Map, Tracks, Weigh};
use crate::behaviour::words::{grouped, hosts, list};
use crate::budget::{Breach, Candidate, Guard, Line, Window};
use crate::{Behaviour, Evidence, Fact, Facts, Role, Severity};

/// Gathers the flows that a detector alarmed on, by the host that opened them and by the hour.
pub struct Alarms {
    behaviour: Behaviour,
    /// What the detector learned from, in words.
    learned_from: String,
    severity: Severity,
    begin: Begin,
    judged: u64,
    hosts: Tracks<(IpAddr, i64), Alarmed>,
    /// The latest time, and the most unusual flow of each host in its hour.
    now: Time,
    hour: Map<IpAddr, Candidate>,
    /// The rarest candidates that were no alerts, rarest first, with their p-values.
    below: Vec<(f64, Candidate)>,
    breaches: Vec<Breach>,
}

/// Where an alarm begins.
enum Begin {
    /// Where the detector says.
    Detector(f32),
    /// Nowhere: candidates are gathered to draw a line.
    Calibrating(Window),
    /// Where a budget draws the line.
    Budget(Box<Budgeted>),
}

struct Budgeted {
    alerts_a_day: f64,
    window: Window,
    line: Line,
    guard: Guard,
}

/// The alarms about one host in one hour.
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
        Alarms {
            behaviour: Behaviour::Anomaly,
            learned_from,
            severity,
            begin: Begin::Detector(threshold),
            judged: 0,
            hosts: Tracks::default(),
            now: Time::MIN,
            hour: Map::default(),
            below: Vec::new(),
            breaches: Vec::new(),
        }
    }

    /// The same of a detector that was taught by labels: what it finds is like known attacks, not only odd.
    pub fn of_classifier(self) -> Alarms {
        Alarms { behaviour: Behaviour::Recognised, ..self }
    }

    /// The same, which alarms on nothing yet but gathers how unusual this network is.
    pub fn calibrating(self) -> Alarms {
        Alarms { begin: Begin::Calibrating(Window::default()), ..self }
    }

    /// How long it gathered, in days; 0 where it does not.
    pub fn calibrated_days(&self) -> f64 {
        match &self.begin {
            Begin::Detector(_) => 0.0,
            Begin::Calibrating(window) => window.days(),
            Begin::Budget(budgeted) => budgeted.window.days(),
        }
    }

    /// Ends the gathering: from now on it alarms so often that there would have been so many alerts a day.
    pub fn budgeted(mut self, alerts_a_day: f64) -> Alarms {
        self.end_hour();
        if let Begin::Calibrating(window) = self.begin {
            let line = window.line(alerts_a_day);
            let guard = Guard::of(&window, &line);
            self.begin = Begin::Budget(Box::new(Budgeted { alerts_a_day, window, line, guard }));
            (self.judged, self.now) = (0, Time::MIN);
        }
        self
    }

    /// Says of each verdict whether it is an alarm here: where a budget draws the line, the detector's threshold does not count.
    pub fn decide(&self, flows: &[Flow], verdicts: &mut [Verdict]) {
        let mut now = self.now;
        for (flow, verdict) in flows.iter().zip(verdicts) {
            now = now.max(flow.end);
            verdict.alarm = match &self.begin {
                Begin::Detector(_) => verdict.alarm,
                Begin::Calibrating(_) => false,
                Begin::Budget(budgeted) => verdict.score > budgeted.line.threshold(hour(now)),
            };
        }
    }

    /// Takes in the verdict on a flow, as [`Alarms::decide`] left it; `reasons` says what about it is unusual, most unusual first, or the attack that it is
    /// like, where it alarms.
    pub fn observe(&mut self, flow: &Flow, verdict: Verdict, reasons: impl FnOnce() -> Vec<String>) {
        self.judged += 1;
        if hour(flow.end) > hour(self.now) {
            self.end_hour();
        }
        self.now = self.now.max(flow.end);
        let (host, now) = (flow.key.originator.address, hour(self.now));
        if !matches!(self.begin, Begin::Detector(_)) {
            let candidate = Candidate { host, time: flow.start, hour: now, score: verdict.score };
            let is_room = self.hour.len() < MOST_HOSTS || self.hour.contains_key(&host);
            if is_room {
                let top = self.hour.entry(host).or_insert(candidate);
                *top = if candidate.score > top.score { candidate } else { *top };
            }
        }
        if !verdict.alarm {
            return;
        }
        let alarmed = self.hosts.touch((host, now), flow.end);
        alarmed.flows += 1;
        alarmed.span.add(flow);
        let peer = flow.key.responder.address;
        if alarmed.peers.len() < Evidence::MAX_HOSTS && !alarmed.peers.contains(&peer) {
            alarmed.peers.push(peer);
        }
        match self.behaviour {
            Behaviour::Recognised => {
                alarmed.highest = alarmed.highest.max(verdict.score);
                let new = reasons().into_iter().filter(|attack| !alarmed.reasons.contains(attack)).collect::<Vec<_>>();
                alarmed.reasons.extend(new.into_iter().take(Evidence::MAX_HOSTS.saturating_sub(alarmed.reasons.len())));
            }
            _ if verdict.score > alarmed.highest => {
                alarmed.highest = verdict.score;
                alarmed.reasons = reasons();
            }
            _ => {}
        }
    }

    /// Drops the alarms of the day that ended at that time, and draws the line anew by the days up to it.
    pub fn forget(&mut self, before: Time) {
        if hour(before) > hour(self.now) {
            self.end_hour();
        }
        self.hosts.forget(before);
        if let Begin::Budget(budgeted) = &mut self.begin {
            budgeted.line = budgeted.window.line(budgeted.alerts_a_day);
            budgeted.guard.renew(&budgeted.window, &budgeted.line);
        }
    }

    /// Where the network was found to differ from the one by which the budget's line is drawn, in the order of time.
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    /// The candidates that came nearest to the budget's line without being alerts, each with its p-value, rarest first.
    pub fn below(&self) -> &[(f64, Candidate)] {
        &self.below
    }

    /// The p-value up to which a host's hour is an alert, where a budget draws the line.
    pub fn significance(&self) -> Option<f64> {
        match &self.begin {
            Begin::Budget(budgeted) => Some(budgeted.line.significance()),
            Begin::Detector(_) | Begin::Calibrating(_) => None,
        }
    }

    /// Evidence about each host and hour with alarms; where no budget draws the line, of at most so many hosts, those with
    /// the highest scores.
    pub fn evidence(&self, most_hosts: usize) -> Vec<Evidence> {
        let mut hours = self.hosts.sorted();
        if !matches!(self.begin, Begin::Budget(_)) {
            let mut highest: Map<IpAddr, f32> = Map::default();
            for ((host, _), alarmed) in &hours {
                let known = highest.entry(*host).or_insert(0.0);
                *known = known.max(alarmed.highest);
            }
            let mut ranked: Vec<(f32, IpAddr)> = highest.into_iter().map(|(host, score)| (score, host)).collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            ranked.truncate(most_hosts);
            hours.retain(|((host, _), _)| ranked.iter().any(|(_, told)| told == host));
        }
        hours.into_iter().map(|((host, hour), alarmed)| self.about(host, hour, alarmed)).collect()
    }

    /// Ends the hour that goes on: its candidates are known.
    fn end_hour(&mut self) {
        let ended = hour(self.now);
        let mut candidates: Vec<Candidate> = self.hour.drain().map(|(_, candidate)| candidate).collect();
        if self.now == Time::MIN {
            return;
        }
        candidates.sort_by_key(|candidate| candidate.host);
        match &mut self.begin {
            Begin::Detector(_) => {}
            Begin::Calibrating(window) => window.add(ended, candidates),
            Begin::Budget(budgeted) => {
                let line = &budgeted.line;
                let p_values = candidates.iter().map(|candidate| (line.p_value(ended, candidate.score), *candidate));
                self.below.extend(p_values.filter(|(_, candidate)| candidate.score <= line.threshold(ended)));
                self.below.sort_by(|(p, one), (other_p, other)| {
                    p.total_cmp(other_p).then((one.time, one.host).cmp(&(other.time, other.host)))
                });
                self.below.truncate(MOST_BELOW);
                self.breaches.extend(budgeted.guard.hour(ended, &candidates, line));
                self.breaches.truncate(MOST_BREACHES);
                budgeted.window.add(ended, candidates);
            }
        }
    }

    fn about(&self, address: IpAddr, hour: i64, alarmed: &Alarmed) -> Evidence {
        let plural = if alarmed.flows == 1 { "flow" } else { "flows" };
        let reasons = match (alarmed.reasons.as_slice(), self.behaviour) {
            ([], _) => String::new(),
            (attacks, Behaviour::Recognised) => format!("; like {}", attacks.join(", ")),
            (columns, _) => format!("; most unusual: {}", columns.join(", ")),
        };
        let (threshold, p_value) = match &self.begin {
            Begin::Detector(threshold) => (*threshold, None),
            Begin::Calibrating(_) => (1.0, None),
            Begin::Budget(budgeted) => {
                (budgeted.line.threshold(hour), Some(budgeted.line.p_value(hour, alarmed.highest)))
            }
        };
        let rarity = p_value.map_or_else(String::new, |p| {
            format!(", as at most 1 in {} hosts here at that time of day does", grouped((1.0 / p).round() as u64))
        });
        let summary = format!(
            "{} {plural} of {address} score up to {:.2}, above {threshold:.2}{rarity}{reasons}",
            grouped(alarmed.flows),
            alarmed.highest,
        );
        let reasons = if self.behaviour == Behaviour::Recognised { "like" } else { "unusual" };
        let mut facts = Facts::from([
            ("learned_from", Fact::Text(self.learned_from.clone())),
            ("threshold", Fact::Number(f64::from(threshold))),
            ("flows_judged", Fact::Count(self.judged)),
            (reasons, list(&alarmed.reasons)),
        ]);
        if let Some(p) = p_value {
            facts.push("p_value", Fact::Number(p));
        }
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
            facts,
            examples: alarmed.span.examples.clone(),
        }
    }
}

/// Hours since the epoch.
fn hour(time: Time) -> i64 {
    time.nanoseconds().div_euclid(3_600_000_000_000)
}

/// Hosts told apart in an hour.
const MOST_HOSTS: usize = 1 << 16;
const MOST_BELOW: usize = 10;
const MOST_BREACHES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A flow of a host at an hour and minute, and the verdict on it.
    fn flow(host: u8, hour: i64, minute: i64) -> Flow {
        let end = |last, port| flow::Endpoint::new([10, 0, 0, last].into(), port);
        let key = flow::Key { originator: end(host, 50_000), responder: end(200, 80), protocol: flow::Protocol::Tcp };
        let time = Time::from_nanoseconds((hour * 60 + minute) * 60_000_000_000);
        Flow::between(key, time, time)
    }

    fn verdict(score: f32, alarm: bool) -> Verdict {
        Verdict { score, alarm }
    }

    fn observe(alarms: &mut Alarms, flow: &Flow, verdict: Verdict) {
        let mut verdicts = [verdict];
        alarms.decide(std::slice::from_ref(flow), &mut verdicts);
        alarms.observe(flow, verdicts[0], Vec::new);
    }

    /// Eight days in which 20 hosts score each hour, differently.
    fn calibrated(alerts_a_day: f64) -> Alarms {
        let mut alarms = Alarms::new("this network".into(), Severity::Low, 0.9).calibrating();
        for hour in 0..8 * 24 {
            for host in 0..20 {
                let score = ((i64::from(host) * 7_919 + hour * 104_729) % 1_009) as f32 / 2_000.0;
                observe(&mut alarms, &flow(host, hour, i64::from(host)), verdict(score, true));
            }
        }
        assert!(alarms.evidence(10).is_empty());
        alarms.budgeted(alerts_a_day)
    }

    #[test]
    fn a_budget_draws_the_line_in_the_place_of_the_detector() {
        let mut alarms = calibrated(5.0);
        observe(&mut alarms, &flow(1, 8 * 24 + 3, 0), verdict(0.3, true));
        observe(&mut alarms, &flow(2, 8 * 24 + 3, 1), verdict(0.8, false));
        let evidence = alarms.evidence(0);
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0].subject, IpAddr::from([10, 0, 0, 2]));
        assert!(matches!(evidence[0].facts.find("p_value"), Some(Fact::Number(p)) if *p < 0.01));
        assert!(evidence[0].summary.contains("1 in "), "{}", evidence[0].summary);
    }

    #[test]
    fn what_came_near_the_line_is_known() {
        let mut alarms = calibrated(5.0);
        observe(&mut alarms, &flow(1, 8 * 24, 0), verdict(0.49, false));
        observe(&mut alarms, &flow(1, 8 * 24 + 1, 0), verdict(0.1, false));
        let below = alarms.below();
        assert_eq!(below.len(), 1);
        assert!(below[0].0 > alarms.significance().unwrap());
    }

    #[test]
    fn without_a_budget_the_detector_says_what_is_an_alarm_and_few_hosts_are_told() {
        let mut alarms = Alarms::new("this network".into(), Severity::Low, 0.5);
        for (hour, host) in [1, 3].into_iter().flat_map(|hour| (0..5).map(move |host| (hour, host))) {
            let score = if hour == 1 { 0.5 + f32::from(host) / 10.0 } else { 0.6 };
            observe(&mut alarms, &flow(host, hour, 0), verdict(score, host > 0));
        }
        let told: Vec<IpAddr> = alarms.evidence(2).iter().map(|evidence| evidence.subject).collect();
        let host = |last: u8| IpAddr::from([10, 0, 0, last]);
        assert_eq!(told, [host(3), host(3), host(4), host(4)]);
    }
}
