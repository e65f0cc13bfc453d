//! How many alerts a day somebody wants to read, and what score that makes the line.
//!
//! A *candidate* is the most unusual flow that one host opened in one hour. Candidates of a calibration window of this
//! network give each new one a conformal p-value ([`model::Conformal`]). Traffic is not exchangeable over a day, since nights are quiet; so a
//! candidate is ranked among those of the same hour of the day, and of as many hours around as it takes to have enough. The
//! line is the largest significance at which the calibration window itself, each candidate ranked among the others, would
//! have made no more alerts a day than were asked for: hours of one host in a row are one alert there, as they are later.

mod guard;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use flow::{Duration, Time};
use model::Conformal;

pub(crate) use guard::Guard;
pub use guard::{Breach, Measure};

/// The most unusual flow that one host opened in one hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Who opened it.
    pub host: IpAddr,
    /// When it started.
    pub time: Time,
    /// The hour in which it was seen, since the epoch.
    pub hour: i64,
    /// Its score, 0..=1.
    pub score: f32,
}

/// The candidates of the latest weeks, by which the line is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    candidates: VecDeque<Candidate>,
    /// First and last hour seen, with or without candidates.
    hours: Option<(i64, i64)>,
}

/// The score at which an alert begins, for each hour of the day.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    conformal: Conformal,
    thresholds: [f32; 24],
    /// The p-value up to which a candidate is an alert.
    significance: f64,
}

impl Window {
    /// Adds an hour that ended, with its candidates.
    pub(crate) fn add(&mut self, hour: i64, candidates: impl IntoIterator<Item = Candidate>) {
        let (first, last) = self.hours.unwrap_or((hour, hour));
        self.candidates.extend(candidates);
        let last = last.max(hour);
        let oldest = last - HOURS + 1;
        while self.candidates.front().is_some_and(|candidate| candidate.hour < oldest)
            || self.candidates.len() > MOST_CANDIDATES
        {
            self.candidates.pop_front();
        }
        let held = self.candidates.front().map_or(last, |candidate| candidate.hour);
        // What was dropped for want of room is no quiet time.
        let first = if self.candidates.len() >= MOST_CANDIDATES { held } else { first.max(oldest) };
        self.hours = Some((first, last));
    }

    /// How long it is, in days.
    pub(crate) fn days(&self) -> f64 {
        self.hours.map_or(0.0, |(first, last)| (last - first + 1) as f64 / 24.0)
    }

    /// The line at which so many alerts a day would have come from it.
    pub(crate) fn line(&self, alerts_a_day: f64) -> Line {
        let conformal = self.conformal();
        // (p-value, time, host) by host and time.
        let mut ranked: Vec<(IpAddr, Time, f64)> = self
            .candidates
            .iter()
            .map(|candidate| (candidate.host, candidate.time, self_rank(&conformal, candidate)))
            .collect();
        ranked.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
        let allowed = (alerts_a_day * self.days()).floor() as usize;
        let significance = largest(&ranked, allowed);
        let thresholds = std::array::from_fn(|hour| conformal.threshold(hour, significance).unwrap_or(1.0));
        Line { conformal, thresholds, significance }
    }

    /// The scores by hour of the day, each hour with its neighbours until they are enough.
    fn conformal(&self) -> Conformal {
        let mut hours: [Vec<f32>; 24] = Default::default();
        for candidate in &self.candidates {
            hours[hour_of_day(candidate.hour)].push(candidate.score);
        }
        let pooled = |hour: usize| {
            let mut width = 0;
            loop {
                let members = (0..=2 * width).map(|offset| (hour + 24 + offset - width) % 24);
                let scores: Vec<f32> = members.flat_map(|hour| hours[hour].iter().copied()).collect();
                if scores.len() >= ENOUGH || width == MOST_WIDTH {
                    return scores;
                }
                width += 1;
            }
        };
        Conformal::of((0..24).map(pooled).collect())
    }
}

impl Line {
    /// The score above which a candidate of that hour is an alert.
    pub(crate) fn threshold(&self, hour: i64) -> f32 {
        self.thresholds[hour_of_day(hour)]
    }

    /// How rare a score is in that hour.
    pub(crate) fn p_value(&self, hour: i64, score: f32) -> f64 {
        self.conformal.p_value(hour_of_day(hour), score)
    }

    /// The p-value up to which a candidate is an alert.
    pub(crate) fn significance(&self) -> f64 {
        self.significance
    }
}

/// The p-value of a candidate of the window itself: its rank among all of its block, which it is one of.
fn self_rank(conformal: &Conformal, candidate: &Candidate) -> f64 {
    let scores = conformal.scores(hour_of_day(candidate.hour));
    scores.partition_point(|score| *score >= candidate.score) as f64 / scores.len().max(1) as f64
}

/// The largest significance at which the ranked candidates, by host and time, make at most so many alerts.
fn largest(ranked: &[(IpAddr, Time, f64)], allowed: usize) -> f64 {
    let alerts = |significance: f64| {
        let mut last: Option<(IpAddr, Time)> = None;
        let mut alerts = 0;
        for &(host, time, _) in ranked.iter().filter(|(.., rank)| *rank <= significance) {
            let goes_on = last.is_some_and(|(before, then)| before == host && time.since(then) <= EPISODE);
            alerts += usize::from(!goes_on);
            last = Some((host, time));
        }
        alerts
    };
    let mut ranks: Vec<f64> = ranked.iter().map(|(.., rank)| *rank).collect();
    ranks.sort_by(f64::total_cmp);
    ranks.dedup();
    // More significance may join two alerts into one, so the count does not only grow; the search finds a crossing, which is
    // as good as another.
    let within = ranks.partition_point(|&rank| alerts(rank) <= allowed);
    within.checked_sub(1).map_or(0.0, |place| ranks[place])
}

/// The hour of the day (UTC).
fn hour_of_day(hour: i64) -> usize {
    hour.rem_euclid(24) as usize
}

/// Candidates by hour.
pub(crate) type Counts = BTreeMap<i64, u64>;

/// Four weeks: longer ago the network was another one.
const HOURS: i64 = 28 * 24;
/// Some 50 MiB.
const MOST_CANDIDATES: usize = 1 << 20;
/// Fewer scores allow no p-value below a half per cent.
const ENOUGH: usize = 200;
/// A quarter of the day to either side.
const MOST_WIDTH: usize = 6;
/// As in triage.
const EPISODE: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of hosts that score at random by hour: more by day than by night.
    fn days(first: i64, days: i64, hosts: u8, seed: u64) -> Vec<(i64, Vec<Candidate>)> {
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let mut hour = |hour: i64| -> Vec<Candidate> {
            let busy = if (8..18).contains(&hour.rem_euclid(24)) { 1.0 } else { 0.4 };
            (0..hosts)
                .filter_map(|host| {
                    let (is_there, score) = (random() < busy, random() * busy);
                    let time = Time::from_nanoseconds(hour * 3_600_000_000_000);
                    is_there.then_some(Candidate { host: [10, 0, 0, host].into(), time, hour, score })
                })
                .collect()
        };
        (first * 24..(first + days) * 24).map(|at| (at, hour(at))).collect()
    }

    fn window(days: &[(i64, Vec<Candidate>)]) -> Window {
        let mut window = Window::default();
        days.iter().for_each(|(hour, candidates)| window.add(*hour, candidates.iter().copied()));
        window
    }

    #[test]
    fn as_many_alerts_come_as_were_asked_for_by_night_and_by_day() {
        let line = window(&days(0, 14, 40, 1)).line(12.0);
        let later = days(14, 30, 40, 2);
        let alarms: Vec<&Candidate> = later
            .iter()
            .flat_map(|(_, candidates)| candidates)
            .filter(|candidate| candidate.score > line.threshold(candidate.hour))
            .collect();
        let a_day = alarms.len() as f64 / 30.0;
        assert!((10.0..14.5).contains(&a_day), "{a_day}");
        // Nights have a third of the candidates; that their scores are lower must not hide them.
        let by_night = alarms.iter().filter(|alarm| !(8..18).contains(&alarm.hour.rem_euclid(24))).count();
        let share = by_night as f64 / alarms.len() as f64;
        assert!((0.2..0.5).contains(&share), "{share}");
    }

    #[test]
    fn hours_of_one_host_in_a_row_are_one_alert() {
        let host = IpAddr::from([10, 0, 0, 1]);
        let at = |hour: i64| Time::from_nanoseconds(hour * 3_600_000_000_000);
        let ranked: Vec<_> = (0..10).map(|hour| (host, at(hour), 0.1)).collect();
        assert_eq!((largest(&ranked, 1), largest(&ranked, 0)), (0.1, 0.0));
    }

    #[test]
    fn the_window_forgets_what_is_older_than_four_weeks() {
        let window = window(&days(0, 40, 5, 1));
        assert_eq!(window.days(), 28.0);
        assert!(window.candidates.iter().all(|candidate| candidate.hour >= 12 * 24));
    }

    #[test]
    fn a_window_without_candidates_lets_nothing_pass() {
        let line = Window::default().line(20.0);
        assert_eq!((line.threshold(5), line.significance()), (1.0, 0.0));
    }
}
