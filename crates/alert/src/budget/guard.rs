//! Whether new traffic is still like the calibration window: where it is not, the budget promises nothing.
//!
//! Two counts of the last 24 hours are compared with what the window makes expected, each by a normal approximation whose
//! variance is as much wider as the window's own days vary: how many candidates there were (by hour of the day, working
//! days and weekends apart), and how many of them are among the rarest tenth. Far off is [`FAR`] standard deviations and a
//! tenth. Were the days independent and normal, one day in 500 million would be so by chance; how often it is on quiet
//! simulated days is in docs/BENCH.md.

use std::collections::VecDeque;
use std::fmt;

use flow::Time;

use super::{Candidate, Counts, Line, Window, hour_of_day, self_rank};

/// New traffic is unlike the calibration window.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// When it was noticed: the end of the 24 hours.
    pub time: Time,
    /// What differs.
    pub measure: Measure,
    /// How many there were in 24 hours.
    pub found: f64,
    /// How many there should have been.
    pub expected: f64,
    /// By how many standard deviations it differs.
    pub deviations: f64,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Hosts that opened flows, hour by hour.
    ActiveHosts,
    /// Those of them whose most unusual flow is among the rarest tenth of its hour.
    UnusualHosts,
}

/// Compares the last 24 hours with a calibration window.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Candidates expected in each hour, of working days and of weekends.
    expected: [[f64; 24]; 2],
    /// How much wider the days' counts vary than Poisson's would; how much wider the rare ones' than a binomial's.
    spread: [f64; 2],
    /// The last 24 hours: the hour, candidates, and rare ones among them.
    hours: VecDeque<(i64, u64, u64)>,
    /// What is breached and was told of.
    told: [bool; 2],
}

impl Guard {
    /// A guard of the line that was drawn from this window.
    pub(crate) fn of(window: &Window, line: &Line) -> Guard {
        let mut counts = Counts::new();
        let mut rare = Counts::new();
        for candidate in &window.candidates {
            *counts.entry(candidate.hour).or_default() += 1;
            *rare.entry(candidate.hour).or_default() += u64::from(self_rank(&line.conformal, candidate) <= RARE);
        }
        let mut expected = [[0.0; 24]; 2];
        let mut seen = [[0.0; 24]; 2];
        let (first, last) = window.hours.unwrap_or((0, -1));
        let count = |counts: &Counts, hour: i64| counts.get(&hour).copied().unwrap_or(0) as f64;
        for hour in first..=last {
            let (class, of_day) = (class(hour), hour_of_day(hour));
            expected[class][of_day] += count(&counts, hour);
            seen[class][of_day] += 1.0;
        }
        for (expected, seen) in expected.iter_mut().flatten().zip(seen.into_iter().flatten()) {
            *expected /= f64::max(seen, 1.0);
        }
        // Each whole day of the window against what all of them make expected.
        let days: Vec<(f64, f64, f64)> = (first.div_euclid(24)..=last.div_euclid(24))
            .filter(|day| day * 24 >= first && day * 24 + 23 <= last)
            .map(|day| {
                let hours = day * 24..(day + 1) * 24;
                let sum = |counts: &Counts| hours.clone().map(|hour| count(counts, hour)).sum::<f64>();
                let mean = hours.clone().map(|hour| expected[class(hour)][hour_of_day(hour)]).sum();
                (sum(&counts), mean, sum(&rare))
            })
            .collect();
        // The means are of these very days: two degrees of freedom, one for each class, are spent.
        let degrees = (days.len() as f64 - 2.0).max(1.0);
        let spread =
            |deviation: &dyn Fn(&(f64, f64, f64)) -> f64| (days.iter().map(deviation).sum::<f64>() / degrees).max(1.0);
        let of_counts = spread(&|&(found, mean, _)| (found - mean).powi(2) / mean.max(1.0));
        let of_rare =
            spread(&|&(found, _, rare)| (rare - RARE * found).powi(2) / (RARE * (1.0 - RARE) * found).max(1.0));
        Guard { expected, spread: [of_counts, of_rare], hours: VecDeque::new(), told: [false; 2] }
    }

    /// The same guard, of the line that was drawn from a later window.
    pub(crate) fn renew(&mut self, window: &Window, line: &Line) {
        let Guard { expected, spread, .. } = Guard::of(window, line);
        (self.expected, self.spread) = (expected, spread);
    }

    /// Takes in an hour that ended; what is breached and was not told of before.
    pub(crate) fn hour(&mut self, hour: i64, candidates: &[Candidate], line: &Line) -> Vec<Breach> {
        let rare = candidates.iter().filter(|candidate| line.p_value(hour, candidate.score) <= RARE).count() as u64;
        // Hours in which nobody opened anything were not told of.
        let last = self.hours.back().map_or(hour, |(last, ..)| *last + 1);
        self.hours.extend((last.max(hour - 24)..hour).map(|quiet| (quiet, 0, 0)));
        self.hours.push_back((hour, candidates.len() as u64, rare));
        while self.hours.front().is_some_and(|(first, ..)| *first <= hour - 24) {
            self.hours.pop_front();
        }
        if self.hours.len() < 24 {
            return Vec::new();
        }
        let found: f64 = self.hours.iter().map(|(_, count, _)| *count as f64).sum();
        let rare: f64 = self.hours.iter().map(|(.., rare)| *rare as f64).sum();
        let mean: f64 = self.hours.iter().map(|(hour, ..)| self.expected[class(*hour)][hour_of_day(*hour)]).sum();
        let [of_counts, of_rare] = self.spread;
        let measures = [
            (Measure::ActiveHosts, found, mean, (of_counts * mean.max(1.0)).sqrt()),
            (Measure::UnusualHosts, rare, RARE * found, (of_rare * (RARE * (1.0 - RARE) * found).max(1.0)).sqrt()),
        ];
        let time = Time::from_nanoseconds((hour + 1).saturating_mul(3_600_000_000_000));
        let mut breaches = Vec::new();
        for (told, (measure, found, expected, deviation)) in self.told.iter_mut().zip(measures) {
            let deviations = (found - expected) / deviation;
            let is_far = deviations.abs() >= FAR && (found - expected).abs() >= 0.1 * expected;
            if is_far && !*told {
                breaches.push(Breach { time, measure, found, expected, deviations });
            }
            // Told again only after it has been well again.
            *told = if *told { deviations.abs() >= FAR / 2.0 } else { is_far };
        }
        breaches
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.measure {
            Measure::ActiveHosts => "hours of hosts that opened flows",
            Measure::UnusualHosts => "hours of hosts among the rarest tenth",
        };
        write!(
            f,
            "the network is not as it was when the budget was calibrated: {:.0} {what} in the 24 hours to {} where {:.0} were \
             expected ({:+.1} standard deviations)",
            self.found, self.time, self.expected, self.deviations
        )
    }
}

/// 0 for working days, 1 for weekends; the epoch was a Thursday.
fn class(hour: i64) -> usize {
    usize::from((hour.div_euclid(24) + 3).rem_euclid(7) >= 5)
}

/// The share that is called rare: many enough to count in a day, few enough to be unusual.
const RARE: f64 = 0.1;
const FAR: f64 = 6.0;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    /// An hour in which so many hosts are there and score so, all of them a little different.
    fn hour(hour: i64, hosts: i64, score: f32) -> Vec<Candidate> {
        let time = Time::from_nanoseconds(hour * 3_600_000_000_000);
        let spread = |host: i64| ((host * 37 + hour * 101) % 97) as f32 / 970.0;
        let host = |number: i64| IpAddr::from([10, 0, (number >> 8) as u8, number as u8]);
        (0..hosts).map(|number| Candidate { host: host(number), time, hour, score: score + spread(number) }).collect()
    }

    fn hosts(at: i64) -> i64 {
        let by_day = if (8..18).contains(&at.rem_euclid(24)) { 40 } else { 10 };
        // Some days are busier than others.
        if class(at) == 1 { 8 } else { by_day + at.div_euclid(24) % 3 }
    }

    fn breaches(more: i64, score: f32) -> Vec<Measure> {
        let mut window = Window::default();
        (0..14 * 24).for_each(|at| window.add(at, hour(at, hosts(at), 0.3)));
        let line = window.line(20.0);
        let mut guard = Guard::of(&window, &line);
        let later = (14 * 24..21 * 24).flat_map(|at| {
            let is_shifted = at >= 17 * 24;
            let (more, score) = if is_shifted { (more, score) } else { (0, 0.3) };
            guard.hour(at, &hour(at, hosts(at) + more, score), &line)
        });
        later
            .filter(|breach| breach.time <= Time::from_nanoseconds(18 * 24 * 3_600_000_000_000))
            .map(|breach| breach.measure)
            .collect()
    }

    #[test]
    fn a_network_that_stays_as_it_was_breaches_nothing() {
        assert_eq!(breaches(0, 0.3), []);
    }

    #[test]
    fn more_hosts_are_noticed_within_a_day() {
        assert_eq!(breaches(20, 0.3), [Measure::ActiveHosts]);
    }

    #[test]
    fn other_scores_are_noticed_within_a_day() {
        assert_eq!(breaches(0, 0.34), [Measure::UnusualHosts]);
    }
}
