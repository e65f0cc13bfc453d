//! How much is too much, within how long, and how likely that is by chance.

use flow::{Duration, Time};
use statrs::distribution::{Binomial, DiscreteCDF, Poisson};

use super::words::seconds;

/// How many within how long is too many: the test's least effect at one scale of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) least: u64,
    /// The window; `None` for the whole input.
    pub(crate) window: Option<Duration>,
}

impl Scale {
    pub(crate) const fn within(seconds: u64, least: u64) -> Scale {
        Scale { least, window: Some(Duration::from_secs(seconds)) }
    }

    pub(crate) const fn whole(least: u64) -> Scale {
        Scale { least, window: None }
    }

    /// The window in words.
    pub(crate) fn name(self) -> String {
        self.window.map_or_else(|| "the whole input".to_owned(), seconds)
    }
}

/// A scale that was crossed, and by how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crossing {
    pub(crate) scale: Scale,
    pub(crate) count: u64,
}

impl Crossing {
    /// How sure, 0..=1: a half at the least count that crosses, and the nearer to 1 the more there are.
    pub(crate) fn score(&self) -> f64 {
        1.0 - 0.5 * self.scale.least as f64 / self.count.max(self.scale.least) as f64
    }
}

/// The first scale that the events, sorted by time, cross.
pub(crate) fn crossing(times: &[Time], scales: &[Scale]) -> Option<Crossing> {
    scales.iter().find_map(|&scale| {
        let count = scale.window.map_or(times.len(), |window| densest(times, window)) as u64;
        (count >= scale.least).then_some(Crossing { scale, count })
    })
}

/// The most events in any window of that length; the events are sorted by time.
fn densest(times: &[Time], window: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, time) in times.iter().enumerate() {
        while time.since(times[first]) > window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// The chance of at least `successes` in `trials` independent trials that each succeed with chance `p`.
pub(crate) fn binomial_tail(successes: u64, trials: u64, p: f64) -> f64 {
    match (successes, Binomial::new(p, trials)) {
        (0, _) => 1.0,
        (successes, Ok(binomial)) => binomial.sf(successes - 1),
        (_, Err(_)) => 1.0,
    }
}

/// The chance of at least so many events where `mean` are expected, each by itself.
pub(crate) fn poisson_tail(events: u64, mean: f64) -> f64 {
    match (events, Poisson::new(mean)) {
        (0, _) => 1.0,
        (events, Ok(poisson)) => poisson.sf(events - 1),
        (_, Err(_)) => 1.0,
    }
}

/// The most a benign host's chance alone may explain before it is called an attack.
pub(crate) const SIGNIFICANCE: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_nanoseconds(seconds * 1_000_000_000)
    }

    #[test]
    fn the_densest_window_is_found_wherever_it_lies() {
        let times = [0, 1, 100, 101, 102, 300].map(at);
        assert_eq!(densest(&times, Duration::from_secs(10)), 3);
    }

    #[test]
    fn a_scale_is_crossed_only_by_its_least_count() {
        let times = [0, 1, 2].map(at);
        assert!(crossing(&times, &[Scale::within(10, 4)]).is_none());
        let crossed = crossing(&times, &[Scale::within(10, 4), Scale::whole(3)]).unwrap();
        assert_eq!((crossed.count, crossed.scale.window), (3, None));
    }

    #[test]
    fn the_poisson_tail_is_that_of_the_textbook() {
        assert!((poisson_tail(1, 1.0) - (1.0 - (-1.0f64).exp())).abs() < 1e-12);
        assert_eq!((poisson_tail(0, 3.0), poisson_tail(1, 0.0)), (1.0, 1.0));
    }

    #[test]
    fn the_binomial_tail_is_that_of_the_textbook() {
        assert!((binomial_tail(1, 2, 0.5) - 0.75).abs() < 1e-12);
        assert!((binomial_tail(2, 2, 0.1) - 0.01).abs() < 1e-12);
        assert_eq!(binomial_tail(0, 5, 0.5), 1.0);
    }
}
