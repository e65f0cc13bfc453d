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
        let mut distances = [0.0; MOST];
        for (distance, &interval) in distances.iter_mut().zip(sorted) {
            *distance = (f64::from(interval) - median).abs();
        }
        let distances = &mut distances[..sorted.len()];
        distances.sort_unstable_by(f64::total_cmp);
        let middle = (distances[(sorted.len() - 1) / 2] + distances[sorted.len() / 2]) / 2.0;
        let skewness = if upper > lower { (lower + upper - 2.0 * median) / (upper - lower) } else { 0.0 };
        Some(Regularity { median: (median / 1e3) as f32, deviation: (middle / 1e3) as f32, skewness: skewness as f32 })
    }
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
