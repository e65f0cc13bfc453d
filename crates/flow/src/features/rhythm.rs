//! How regular the intervals between contacts are, in constant memory.
//!
//! A program that calls home does so at intervals that hardly differ. As RITA measures it (Active Countermeasures,
//! "Beacon analysis"): the Bowley skewness of the intervals, and their median deviation from the median; here of the last
//! sixteen.

use crate::Duration;

/// The last intervals between contacts, in the order in which they came and sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Rhythm {
    /// In milliseconds; the oldest is at `next` once all are filled.
    intervals: [u32; MOST],
    sorted: [u32; MOST],
    count: u8,
    next: u8,
}

/// What the intervals tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Regularity {
    /// Their median, in seconds.
    pub(super) median: f32,
    /// The median of their distances from the median, in seconds.
    pub(super) deviation: f32,
    /// Bowley's skewness: -1..=1, 0 where the quartiles lie evenly around the median or are one.
    pub(super) skewness: f32,
}

impl Rhythm {
    /// Takes in one more interval and forgets the oldest beyond the most.
    pub(super) fn add(&mut self, interval: Duration) {
        let interval = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        let next = usize::from(self.next);
        let count = usize::from(self.count);
        let oldest = std::mem::replace(&mut self.intervals[next], interval);
        self.next = ((next + 1) % MOST) as u8;
        // The place that the oldest one leaves, or the first free one.
        let gap = if count == MOST { self.sorted.partition_point(|&sorted| sorted < oldest) } else { count };
        let place = self.sorted[..count].partition_point(|&sorted| sorted < interval);
        if place <= gap {
            self.sorted.copy_within(place..gap, place + 1);
            self.sorted[place] = interval;
        } else {
            self.sorted.copy_within(gap + 1..place, gap);
            self.sorted[place - 1] = interval;
        }
        self.count = (count + 1).min(MOST) as u8;
    }

    /// What the intervals tell; `None` of fewer than four.
    pub(super) fn regularity(&self) -> Option<Regularity> {
        let sorted = &self.sorted[..usize::from(self.count)];
        if sorted.len() < LEAST {
            return None;
        }
        let [lower, median, upper] = [0.25, 0.5, 0.75].map(|share| quantile(sorted, share));
        let middle = middle_distance(sorted, median);
        let skewness = if upper > lower { (lower + upper - 2.0 * median) / (upper - lower) } else { 0.0 };
        Some(Regularity { median: (median / 1e3) as f32, deviation: (middle / 1e3) as f32, skewness: skewness as f32 })
    }
}

/// The median of the distances of sorted numbers from their own median. They fall up to the median and rise from there,
/// so that the outermost is the largest: it is enough to take away half of them from outside.
fn middle_distance(sorted: &[u32], median: f64) -> f64 {
    let distance = |at: usize| (f64::from(sorted[at]) - median).abs();
    let (mut first, mut last) = (0, sorted.len() - 1);
    let (mut larger, mut middle) = (0.0, 0.0);
    for _ in 0..=sorted.len() / 2 {
        larger = middle;
        let [low, high] = [distance(first), distance(last)];
        if low > high {
            (middle, first) = (low, first + 1);
        } else {
            (middle, last) = (high, last.saturating_sub(1));
        }
    }
    if sorted.len().is_multiple_of(2) { (middle + larger) / 2.0 } else { middle }
}

/// The quantile of sorted numbers, between two of them in proportion.
fn quantile(sorted: &[u32], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let [below, above] = [place.floor(), place.ceil()].map(|place| f64::from(sorted[place as usize]));
    below + (above - below) * place.fract()
}

/// Enough for quartiles, and 128 bytes.
const MOST: usize = 16;
/// Fewer have no quartiles.
const LEAST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: &[u64]) -> Rhythm {
        let mut rhythm = Rhythm::default();
        seconds.iter().for_each(|&seconds| rhythm.add(Duration::from_secs(seconds)));
        rhythm
    }

    #[test]
    fn equal_intervals_do_not_deviate() {
        let expected = Regularity { median: 60.0, deviation: 0.0, skewness: 0.0 };
        assert_eq!(of(&[60; 5]).regularity(), Some(expected));
        assert_eq!(of(&[60; 3]).regularity(), None);
    }

    #[test]
    fn quartiles_that_lie_unevenly_are_skewed() {
        // Quartiles 1, 2 and 5 of 1, 1, 2, 5, 9: (1 + 5 - 4) / 4; distances 0, 1, 1, 3, 7.
        let expected = Regularity { median: 2.0, deviation: 1.0, skewness: 0.5 };
        assert_eq!(of(&[9, 1, 5, 2, 1]).regularity(), Some(expected));
    }

    #[test]
    fn the_middle_distance_is_that_of_all_distances_sorted() {
        let mut state = 1u32;
        for length in (LEAST..=MOST).cycle().take(2000) {
            let mut intervals: Vec<u32> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) % 50
                })
                .collect();
            intervals.sort_unstable();
            let median = quantile(&intervals, 0.5);
            let mut distances: Vec<f64> = intervals.iter().map(|&it| (f64::from(it) - median).abs()).collect();
            distances.sort_unstable_by(f64::total_cmp);
            let expected = (distances[(length - 1) / 2] + distances[length / 2]) / 2.0;
            assert_eq!(middle_distance(&intervals, median), expected, "{intervals:?}");
        }
    }

    #[test]
    fn only_the_last_sixteen_count_and_stay_sorted() {
        let seconds: Vec<u64> = (0..1000).map(|number: u64| number.wrapping_mul(7919) % 101).collect();
        for end in 1..seconds.len() {
            let rhythm = of(&seconds[..end]);
            let mut last: Vec<u32> =
                seconds[end.saturating_sub(MOST)..end].iter().map(|&seconds| seconds as u32 * 1000).collect();
            last.sort_unstable();
            assert_eq!(rhythm.sorted[..last.len()], last);
        }
    }
}
